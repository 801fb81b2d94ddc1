/*
 * libc.c - functions of the C library that cbmc has no text of, in the plainest way that the C standard and POSIX
 * allow. Each reads what the real one may read, no more: a byte too many is seen by the check of bounds.
 */
#include <stddef.h>
#include <string.h>

void *memchr(const void *s, int c, size_t n) {
    const char *p = s;
    for (size_t i = 0; i < n; i++) {
        if (p[i] == (char)c)
            return (void *)(p + i);
    }
    return NULL;
}

void *memrchr(const void *s, int c, size_t n) {
    const char *p = s;
    while (n > 0) {
        if (p[--n] == (char)c)
            return (void *)(p + n);
    }
    return NULL;
}

size_t strnlen(const char *s, size_t max) {
    size_t n = 0;
    while (n < max && s[n] != '\0')
        n++;
    return n;
}

size_t strspn(const char *s, const char *accept) {
    size_t n = 0;
    for (; s[n] != '\0'; n++) {
        size_t i = 0;
        while (accept[i] != '\0' && accept[i] != s[n])
            i++;
        if (accept[i] == '\0')
            break;
    }
    return n;
}

size_t strcspn(const char *s, const char *reject) {
    size_t n = 0;
    for (; s[n] != '\0'; n++) {
        for (size_t i = 0; reject[i] != '\0'; i++) {
            if (reject[i] == s[n])
                return n;
        }
    }
    return n;
}
