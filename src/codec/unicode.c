/*
 * unicode.c - letter case and character classes from short range tables: the rows of Unicode's UnicodeData.txt that
 * matter here.
 */
#include "codec/unicode.h"

#include <stddef.h>

#define COUNT(a) (sizeof(a) / sizeof(a)[0])
#define SECONDS 6

/* For every `step`th capital letter of from..to, the small letter is `delta` further on. */
static const struct case_row {
    uint32_t from, to;
    int32_t delta;
    uint32_t step;
} cases[] = {
    {'A', 'Z', 32, 1},
    {0x00c0, 0x00d6, 32, 1},
    {0x00d8, 0x00de, 32, 1},
    {0x0100, 0x012e, 1, 2},
    {0x0132, 0x0136, 1, 2},
    {0x0139, 0x0147, 1, 2},
    {0x014a, 0x0176, 1, 2},
    {0x0178, 0x0178, -121, 1},
    {0x0179, 0x017d, 1, 2},
    {0x01a0, 0x01a4, 1, 2},
    {0x01af, 0x01af, 1, 1},
    {0x01cd, 0x01db, 1, 2},
    {0x01de, 0x01ee, 1, 2},
    {0x01f8, 0x021e, 1, 2},
    {0x0222, 0x0232, 1, 2},
    {0x0386, 0x0386, 38, 1},
    {0x0388, 0x038a, 37, 1},
    {0x038c, 0x038c, 64, 1},
    {0x038e, 0x038f, 63, 1},
    {0x0391, 0x03a1, 32, 1},
    {0x03a3, 0x03ab, 32, 1},
    {0x0400, 0x040f, 80, 1},
    {0x0410, 0x042f, 32, 1},
    {0x0460, 0x0480, 1, 2},
    {0x048a, 0x04be, 1, 2},
    {0x04c0, 0x04c0, 15, 1},
    {0x04c1, 0x04cd, 1, 2},
    {0x04d0, 0x052e, 1, 2},
    {0x0531, 0x0556, 48, 1},
    {0x1e00, 0x1e94, 1, 2},
    {0x1ea0, 0x1efe, 1, 2},
    {0xff21, 0xff3a, 32, 1},
    /* The SECONDS second capitals. They fold, but unicode_upper() never returns them: it finds the rows above first. */
    {0x0130, 0x0130, -199, 1},
    {0x017f, 0x017f, -268, 1},
    {0x212a, 0x212a, -8383, 1},
    {0x212b, 0x212b, -8262, 1},
    {0x00b5, 0x00b5, 0x307, 1},
    {0x03c2, 0x03c2, 1, 1},
};

/* Beyond ASCII, what is not a letter or digit. */
static const uint32_t not_word[][2] = {
    {0x0080, 0x00a9}, {0x00ab, 0x00b1}, {0x00b4, 0x00b4}, {0x00b6, 0x00b8},   {0x00bb, 0x00bb},    {0x00bf, 0x00bf},
    {0x00d7, 0x00d7}, {0x00f7, 0x00f7}, {0x0300, 0x036f}, {0x1680, 0x1680},   {0x2000, 0x206f},    {0x20a0, 0x20ff},
    {0x2100, 0x2101}, {0x2116, 0x2118}, {0x211e, 0x2123}, {0x2190, 0x245f},   {0x2500, 0x2775},    {0x2794, 0x2bff},
    {0x2e00, 0x3004}, {0x3008, 0x3020}, {0xd800, 0xf8ff}, {0xfe00, 0xfe6f},   {0xff00, 0xff0f},    {0xff1a, 0xff20},
    {0xff3b, 0xff40}, {0xff5b, 0xff65}, {0xffe0, 0xffff}, {0x1f000, 0x1faff}, {0xe0000, 0x10ffff},
};

static const uint32_t digit_rows[] = {0x0660, 0x06f0, 0x0966, 0x09e6, 0x0e50, 0xff10}; /* ten digits begin at each */

static const uint32_t spaces[][2] = {
    {'\t', '\r'},     {0x1c, ' '},      {0x0085, 0x0085}, {0x00a0, 0x00a0}, {0x1680, 0x1680},
    {0x2000, 0x200a}, {0x2028, 0x2029}, {0x202f, 0x202f}, {0x205f, 0x205f}, {0x3000, 0x3000},
};

static bool within(const uint32_t (*rows)[2], size_t n, uint32_t c) {
    for (size_t i = 0; i < n; i++)
        if (c >= rows[i][0] && c <= rows[i][1])
            return true;
    return false;
}

uint32_t unicode_fold(uint32_t c) {
    if (c < 128)
        return c >= 'A' && c <= 'Z' ? c + 32 : c;
    for (size_t i = 1; i < COUNT(cases); i++)
        if (c >= cases[i].from && c <= cases[i].to && (c - cases[i].from) % cases[i].step == 0)
            return (uint32_t)((int32_t)c + cases[i].delta);
    return c;
}

uint32_t unicode_upper(uint32_t c) {
    if (c < 128)
        return c >= 'a' && c <= 'z' ? c - 32 : c;
    if (c > 0x10ffff)
        return c;
    for (size_t i = 1; i < COUNT(cases); i++) {
        uint32_t up = (uint32_t)((int32_t)c - cases[i].delta);
        if (up >= cases[i].from && up <= cases[i].to && (up - cases[i].from) % cases[i].step == 0)
            return up;
    }
    return c;
}

uint32_t unicode_second_capital(uint32_t n) {
    return n < SECONDS ? cases[COUNT(cases) - SECONDS + n].from : 0;
}

bool unicode_is_digit(uint32_t c) {
    if (c < 128)
        return c >= '0' && c <= '9';
    for (size_t i = 0; i < COUNT(digit_rows); i++)
        if (c >= digit_rows[i] && c - digit_rows[i] < 10)
            return true;
    return false;
}

bool unicode_is_word(uint32_t c) {
    if (c < 128)
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    return c != CHARS_INVALID && !within(not_word, COUNT(not_word), c);
}

bool unicode_is_space(uint32_t c) {
    return within(spaces, COUNT(spaces), c);
}
