/*
 * cli_text.h - members of a reply as text: what the client's outputs share.
 */
#ifndef VHOTPLUG_CLI_TEXT_H
#define VHOTPLUG_CLI_TEXT_H

#include "codec/json.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

void text_safe(FILE *to, const char *s); /* without control characters; on a terminal as term_next() */
void text_print(const char *s);          /* the same, to standard output */
/* The text of a token: a string without its quotes, anything else as it stands, "" for null and for a missing token. */
const char *text_of(const struct json *j, int t, char *dst, size_t cap);
const char *text_get(const struct json *j, int object, const char *key, char *dst, size_t cap); /* of a member */
void text_value(const struct json *j, int t); /* printed; the elements of an array with commas between them */
void text_field(const struct json *j, int object, const char *key);
void text_names(const struct json *j, int device);     /* "vid:pid vendor product" and the line's end */
void text_pci_names(const struct json *j, int device); /* "address vid:did vendor device", likewise */
/* A label, a member and the line's end; nothing if the member is missing, null or empty. */
void text_line(const struct json *j, int object, const char *label, const char *key);
bool text_true(const struct json *j, int object, const char *key);
bool text_null(const struct json *j, int object, const char *key); /* or missing */
int text_failed(const char *why);                                  /* on stderr; returns the exit status */

#endif
