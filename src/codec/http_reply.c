/*
 * http_reply.c - status line, header lines and body of an answer (RFC 9112). Owns no state. Never takes what can be
 * read in two ways: two lengths, a coding of the body, a folded line.
 *
 * A status line without a reason, with or without the space before it, is as good as one with it: cloud-hypervisor
 * sends none.
 */
#include "codec/http_reply.h"

#include "base/limits.h"
#include "base/str.h"

#include <string.h>

struct head {
    int status;
    bool has_length, keeps, closes, old; /* old: of HTTP/1.0, which closes unless it says that it keeps */
    size_t length;
};

struct text {
    const char *at;
    size_t len;
};

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool is_space(char c) {
    return c == ' ' || c == '\t';
}

static char lower(char c) {
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static bool is_word(struct text t, const char *word) {
    size_t i = 0;
    while (i < t.len && word[i] != '\0' && lower(t.at[i]) == word[i])
        i++;
    return i == t.len && word[i] == '\0';
}

static struct text trimmed(struct text t) {
    while (t.len > 0 && is_space(t.at[0]))
        t = (struct text){t.at + 1, t.len - 1};
    while (t.len > 0 && is_space(t.at[t.len - 1]))
        t.len--;
    return t;
}

/* Printable, a tab, or a byte of another character set. */
static bool is_plain(struct text t) {
    for (size_t i = 0; i < t.len; i++) {
        unsigned char c = (unsigned char)t.at[i];
        if ((c < ' ' && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

/* "HTTP/1.1 200", "HTTP/1.1 200 " or "HTTP/1.1 200 OK" */
static bool status_line(struct text t, struct head *h) {
    static const char version[] = "HTTP/1.";
    const size_t n = sizeof version - 1;
    if (t.len < n + 5 || memcmp(t.at, version, n) != 0 || (t.at[n] != '0' && t.at[n] != '1') || t.at[n + 1] != ' ')
        return false;
    const char *s = t.at + n + 2;
    if (s[0] < '1' || s[0] > '5' || !is_digit(s[1]) || !is_digit(s[2]) || (t.len > n + 5 && s[3] != ' '))
        return false;
    *h = (struct head){.status = (s[0] - '0') * 100 + (s[1] - '0') * 10 + (s[2] - '0'), .old = t.at[n] == '0'};
    return is_plain(t);
}

static bool content_length(struct text t, struct head *h) {
    size_t n = 0;
    if (h->has_length || t.len == 0)
        return false;
    for (size_t i = 0; i < t.len; i++) {
        if (!is_digit(t.at[i]))
            return false;
        n = n * 10 + (size_t)(t.at[i] - '0');
        if (n > VH_HTTP_BODY_MAX)
            return false;
    }
    h->has_length = true;
    h->length = n;
    return true;
}

/* A list of words, of which two matter here. */
static void connection(struct text t, struct head *h) {
    while (t.len > 0) {
        const char *comma = memchr(t.at, ',', t.len);
        size_t n = comma != NULL ? (size_t)(comma - t.at) : t.len;
        struct text word = trimmed((struct text){t.at, n});
        h->closes = h->closes || is_word(word, "close");
        h->keeps = h->keeps || is_word(word, "keep-alive");
        n += comma != NULL;
        t = (struct text){t.at + n, t.len - n};
    }
}

static bool header_line(struct text t, struct head *h) {
    const char *colon = memchr(t.at, ':', t.len);
    if (colon == NULL || colon == t.at || !is_plain(t))
        return false;
    struct text name = {t.at, (size_t)(colon - t.at)};
    struct text value = trimmed((struct text){colon + 1, t.len - name.len - 1});
    for (size_t i = 0; i < name.len; i++) {
        if (is_space(name.at[i]))
            return false; /* also the begin of a folded line */
    }
    if (is_word(name, "content-length"))
        return content_length(value, h);
    if (is_word(name, "connection"))
        connection(value, h);
    return !is_word(name, "transfer-encoding");
}

/* The next line without its end. HTTP_MORE: it has no end yet. */
static enum http_step next_line(const char *buf, size_t len, size_t *at, struct text *line) {
    size_t most = len < VH_HTTP_HEAD_MAX ? len : VH_HTTP_HEAD_MAX;
    const char *end = memchr(buf + *at, '\n', most - *at);
    if (end == NULL)
        return len >= VH_HTTP_HEAD_MAX ? HTTP_BAD : HTTP_MORE;
    *line = (struct text){buf + *at, (size_t)(end - buf) - *at};
    *at += line->len + 1;
    if (line->len == 0 || line->at[line->len - 1] != '\r')
        return HTTP_BAD;
    line->len--;
    return HTTP_OK;
}

/* A status line and what follows it, up to the empty line. */
static enum http_step read_head(const char *buf, size_t len, size_t *at, struct head *h) {
    struct text line;
    enum http_step step = next_line(buf, len, at, &line);
    if (step != HTTP_OK)
        return step;
    if (!status_line(line, h))
        return HTTP_BAD;
    for (;;) { /* each turn uses up bytes of the head */
        step = next_line(buf, len, at, &line);
        if (step != HTTP_OK || line.len == 0)
            return step;
        if (!header_line(line, h))
            return HTTP_BAD;
    }
}

/* 204 and 304 have no body, whatever they say of its length; any other answer has to say it. */
static bool body_length(struct head *h) {
    if (h->status != 204 && h->status != 304)
        return h->has_length;
    bool none = !h->has_length || h->length == 0 || h->status == 304;
    h->length = 0;
    return none;
}

enum http_step http_reply_read(const char *buf, size_t len, struct http_reply *reply) {
    struct head h = {0};
    size_t at = 0;
    do { /* 1xx: the answer comes later */
        enum http_step step = read_head(buf, len, &at, &h);
        if (step != HTTP_OK)
            return step;
    } while (h.status < 200);
    if (!body_length(&h))
        return HTTP_BAD;
    if (len - at < h.length)
        return HTTP_MORE;
    *reply = (struct http_reply){.status = h.status,
                                 .body = buf + at,
                                 .len = h.length,
                                 .end = at + h.length,
                                 .closes = h.closes || (h.old && !h.keeps)};
    return HTTP_OK;
}
