/*
 * unicode.h - the part of Unicode that regular expressions need: letter case and the classes behind \w, \d and \s.
 *
 * A short table, not the whole standard: the scripts that have letter case and occur in device names (Latin, Greek,
 * Cyrillic, Armenian, full-width forms). Pure.
 */
#ifndef VHOTPLUG_UNICODE_H
#define VHOTPLUG_UNICODE_H

#include <stdbool.h>
#include <stdint.h>

#define CHARS_INVALID UINT32_MAX /* stands for a byte that is not UTF-8: in no class, without case */

uint32_t unicode_fold(uint32_t c);  /* the small letter, or c itself; the Kelvin sign folds to k and the long s to s */
uint32_t unicode_upper(uint32_t c); /* the capital letter, or c itself */
/* Some small letters have two capitals. This is the n-th such second capital, from 0; 0 after the last. */
uint32_t unicode_second_capital(uint32_t n);
bool unicode_is_word(uint32_t c);  /* letters, digits and _ */
bool unicode_is_digit(uint32_t c); /* decimal digits */
bool unicode_is_space(uint32_t c);

#endif
