/*
 * cli_term.h - the terminal: is there one, how wide, in colour, which characters does it show, and how wide are they.
 */
#ifndef VHOTPLUG_CLI_TERM_H
#define VHOTPLUG_CLI_TERM_H

#include <stdbool.h>
#include <stdio.h>

enum { TERM_CHAR = 16 }; /* bytes of one character as it is shown, escaped if need be, with NUL */

bool term_is(FILE *stream);  /* standard output or error: is it a terminal? */
bool term_colour(void);      /* may standard output have colour? */
int term_width(void);        /* columns of standard output's terminal */
const char *term_more(void); /* what stands for a text's end that was cut off */
/* The next character of a text as a terminal shows it. What steers a terminal or turns the direction of text is "?";
 * where the locale is not UTF-8, what is not ASCII is escaped. Returns its width in columns. */
int term_next(const char **s, char out[TERM_CHAR]);
int term_columns(const char *s); /* of a text, shown so */
/* Prints as much of a text as goes into these columns. Returns how many it took. */
int term_print(FILE *to, const char *s, int columns);
void term_style(const char *sgr); /* begins a style such as "32", or ends it with "0"; nothing without colour */

#endif
