/*
 * web_line.c - lines of HTTP (RFC 9112) and the begin of TLS (RFC 8446). Owns no state. Never reads a whole request:
 * one line is proof enough that its sender speaks another protocol.
 */
#include "codec/web_line.h"

#include <string.h>

/* The characters of methods and of names of headers ("token" in RFC 9110). */
static size_t token(const char *s, size_t n) {
    static const char others[] = "!#$%&'*+-.^_`|~";
    size_t i = 0;
    while (i < n) {
        char c = s[i], lower = (char)(c | 0x20);
        bool plain = (c >= '0' && c <= '9') || (lower >= 'a' && lower <= 'z');
        if (!plain && memchr(others, c, sizeof others - 1) == NULL)
            break;
        i++;
    }
    return i;
}

static bool is_request(const char *s, size_t n) {
    static const char version[] = " HTTP/";
    size_t method = token(s, n);
    if (method == 0 || method == n || s[method] != ' ')
        return false;
    for (size_t i = method; i + sizeof version - 1 < n; i++) {
        if (memcmp(s + i, version, sizeof version - 1) == 0)
            return true;
    }
    return false;
}

static bool is_header(const char *s, size_t n) {
    size_t name = token(s, n);
    return name > 0 && name < n && s[name] == ':';
}

/* A record of type handshake, version 3.x. What follows may hold bytes of another's choice, newlines among them. */
static bool is_tls(const char *s, size_t n) {
    return n >= 2 && s[0] == 0x16 && s[1] == 0x03;
}

bool web_line(const char *line, size_t len) {
    return is_request(line, len) || is_header(line, len) || is_tls(line, len);
}
