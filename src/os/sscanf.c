/*
 * sscanf.c - the part of sscanf that libusb needs. In the static binary it replaces the C library's function.
 * vhotplug's own code never calls it.
 */
#include "os/sscanf.h"

#include <stdarg.h>
#include <stdint.h>

static int digit_of(char c, int base) {
    int d = c >= '0' && c <= '9' ? c - '0' : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10 : base;
    return d < base ? d : -1;
}

/* Digits at *s, saturating; NULL if there is none. */
static const char *number(const char *s, int base, uint32_t *out) {
    uint64_t v = 0;
    if (digit_of(*s, base) < 0)
        return 0;
    for (; digit_of(*s, base) >= 0; s++)
        v = v > INT32_MAX ? INT32_MAX : v * (uint64_t)base + (uint64_t)digit_of(*s, base);
    *out = v > INT32_MAX ? INT32_MAX : (uint32_t)v;
    return s;
}

static int scan(const char *s, const char *format, va_list ap) {
    int assigned = 0;
    for (; *format != '\0'; format++) {
        if (*format != '%') {
            if (*s++ != *format)
                return assigned;
            continue;
        }
        int halves = 0;
        uint32_t v = 0;
        while (*++format == 'h')
            halves++;
        if (*format != 'd' && *format != 'u' && *format != 'x')
            return assigned;
        s = number(s, *format == 'x' ? 16 : 10, &v);
        if (s == 0)
            return assigned;
        if (halves == 2)
            *va_arg(ap, unsigned char *) = (unsigned char)v;
        else if (halves == 1)
            *va_arg(ap, unsigned short *) = (unsigned short)v;
        else
            *va_arg(ap, unsigned *) = v;
        assigned++;
    }
    return assigned;
}

int scan_text(const char *s, const char *format, ...) {
    va_list ap;
    va_start(ap, format);
    int n = scan(s, format, ap);
    va_end(ap);
    return n;
}

#ifndef HEAP_OWN_NAMES
int sscanf(const char *restrict s, const char *restrict format, ...) __attribute__((alias("scan_text")));
#endif
