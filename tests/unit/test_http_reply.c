/*
 * test_http_reply.c - answers as cloud-hypervisor's server writes them, and what is none: each also byte by byte.
 */
#include "base/limits.h"
#include "codec/http_reply.h"
#include "test.h"

#include <stdlib.h>

static struct http_reply reply;

/* Of all its parts but the whole there has to be more. The copy ends where the text does, so that reading on shows. */
static enum http_step hear(const char *text, size_t len) {
    enum http_step step = HTTP_MORE;
    for (size_t n = 0; n <= len; n++) {
        char *copy = malloc(n + 1);
        memcpy(copy, text, n);
        step = http_reply_read(copy, n, &reply);
        CHECK(step != HTTP_OK || reply.end <= n);
        free(copy);
        if (step != HTTP_MORE)
            break;
    }
    return http_reply_read(text, len, &reply) == step ? step : HTTP_MORE;
}

static enum http_step of(const char *text) {
    return hear(text, strlen(text));
}

#define OK200 "HTTP/1.1 200 \r\nServer: Cloud Hypervisor API\r\nConnection: keep-alive\r\n"

static void an_answer_without_a_reason(void) {
    CHECK_INT(of(OK200 "Content-Type: application/json\r\nContent-Length: 5\r\n\r\n[1,2]"), HTTP_OK);
    CHECK(reply.status == 200 && reply.len == 5 && memcmp(reply.body, "[1,2]", 5) == 0 && !reply.closes);
    CHECK_INT(of("HTTP/1.1 500\r\ncontent-length:0\r\n\r\n"), HTTP_OK);
    CHECK(reply.status == 500 && reply.len == 0);
    CHECK_INT(of("HTTP/1.1 404 Not Found \xc3\xa4\r\nContent-Length: 2 \t\r\n\r\nno"), HTTP_OK);
    CHECK(reply.status == 404 && reply.len == 2);
}

static void nothing_to_say_has_no_length(void) {
    CHECK_INT(of("HTTP/1.1 204 \r\nServer: Cloud Hypervisor API\r\nConnection: keep-alive\r\n\r\n"), HTTP_OK);
    CHECK(reply.status == 204 && reply.len == 0 && !reply.closes);
    CHECK_INT(of("HTTP/1.1 204 \r\nContent-Length: 0\r\n\r\n"), HTTP_OK);
    CHECK_INT(of("HTTP/1.1 204 \r\nContent-Length: 1\r\n\r\nx"), HTTP_BAD);
    CHECK_INT(of("HTTP/1.1 304 \r\nContent-Length: 100\r\n\r\n"), HTTP_OK); /* of what it would have sent */
    CHECK(reply.len == 0);
    CHECK_INT(of("HTTP/1.1 200 \r\n\r\n"), HTTP_BAD);
}

static void two_answers_are_told_apart(void) {
    static const char two[] = "HTTP/1.1 200 \r\nContent-Length: 3\r\n\r\noneHTTP/1.1 204 \r\n\r\n";
    CHECK_INT(of(two), HTTP_OK);
    CHECK(reply.len == 3 && memcmp(reply.body, "one", 3) == 0);
    CHECK_INT(of(two + reply.end), HTTP_OK);
    CHECK_INT(reply.status, 204);
    CHECK_INT(of("HTTP/1.1 100 \r\n\r\nHTTP/1.1 102 Processing\r\nX: y\r\n\r\nHTTP/1.1 204 \r\n\r\n"), HTTP_OK);
    CHECK_INT(reply.status, 204);
    CHECK_INT(of("HTTP/1.1 100 \r\n\r\n"), HTTP_MORE);
}

static void who_closes_says_so(void) {
    static const struct {
        const char *head;
        bool closes;
    } heads[] = {
        {"HTTP/1.1 204 \r\n\r\n", false},
        {"HTTP/1.1 204 \r\nConnection: close\r\n\r\n", true},
        {"HTTP/1.1 204 \r\nCONNECTION: upgrade ,\tClose\r\n\r\n", true},
        {"HTTP/1.1 204 \r\nConnection: closed, x-close\r\n\r\n", false},
        {"HTTP/1.1 204 \r\nConnection:\r\n\r\n", false},
        {"HTTP/1.0 204 \r\n\r\n", true},
        {"HTTP/1.0 204 \r\nConnection: Keep-Alive\r\n\r\n", false},
        {"HTTP/1.0 204 \r\nConnection: keep-alive, close\r\n\r\n", true},
    };
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        CHECK_INT(of(heads[i].head), HTTP_OK);
        CHECK_INT(reply.closes, heads[i].closes);
    }
}

static void what_can_be_read_in_two_ways_is_none(void) {
    static const char *const heads[] = {
        "Content-Length: 1\r\nContent-Length: 1\r\n",
        "Content-Length: 1, 1\r\n",
        "Content-Length: +1\r\n",
        "Content-Length: 0x1\r\n",
        "Content-Length:\r\n",
        "Content-Length: 1\r\n X: y\r\n",
        "Content-Length : 1\r\n",
        "Content-Length: 1\r\nX\r\n",
        "Content-Length: 1\r\n: y\r\n",
        "Content-Length: 1\r\nX: a\x01\r\n",
        "Content-Length: 1\r\nX: a\rb\r\n",
        "Content-Length: 1\r\nX: y\n",
        "Content-Length: 99999999999999999999999\r\n",
        "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
    };
    char text[256];
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        (void)snprintf(text, sizeof text, "HTTP/1.1 200 \r\n%s\r\n1", heads[i]);
        CHECK_INT(of(text), HTTP_BAD);
    }
    static const char nul[] = "HTTP/1.1 200 \r\nContent-Length: 1\r\nX: \0\r\n\r\n1";
    CHECK_INT(hear(nul, sizeof nul - 1), HTTP_BAD);
}

static void what_is_no_status_line_is_none(void) {
    static const char *const lines[] = {
        "",
        "\r",
        "HTTP/1.1",
        "HTTP/1.1 ",
        "HTTP/1.1 20\r",
        "HTTP/1.1 2000\r",
        "HTTP/1.1  200\r",
        "HTTP/2 200\r",
        "HTTP/1.2 200\r",
        "http/1.1 200\r",
        "HTTP/1.1 099\r",
        "HTTP/1.1 600\r",
        "HTTP/1.1 2x0\r",
        "HTTP/1.1 200",
        "{\"QMP\": {}}\r",
        "HTTP/1.1 200 a\tb\x1b\r",
    };
    char text[64];
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        (void)snprintf(text, sizeof text, "%s\nContent-Length: 0\r\n\r\n", lines[i]);
        CHECK_INT(of(text), HTTP_BAD);
    }
    CHECK_INT(of(""), HTTP_MORE);
    CHECK_INT(of("HTTP/1.1 200"), HTTP_MORE);
}

static void heads_and_bodies_have_bounds(void) {
    static char text[VH_HTTP_HEAD_MAX + VH_HTTP_BODY_MAX + 1];
    memset(text, 'x', sizeof text);
    CHECK_INT(http_reply_read(text, VH_HTTP_HEAD_MAX - 1, &reply), HTTP_MORE);
    CHECK_INT(http_reply_read(text, VH_HTTP_HEAD_MAX, &reply), HTTP_BAD);
    int head = snprintf(text, sizeof text, "HTTP/1.1 200 \r\nContent-Length: %d\r\n\r\n", VH_HTTP_BODY_MAX);
    text[head] = 'x';
    CHECK_INT(http_reply_read(text, (size_t)head + VH_HTTP_BODY_MAX - 1, &reply), HTTP_MORE);
    CHECK_INT(http_reply_read(text, (size_t)head + VH_HTTP_BODY_MAX, &reply), HTTP_OK);
    CHECK(reply.len == VH_HTTP_BODY_MAX && reply.end == (size_t)head + VH_HTTP_BODY_MAX);
    head = snprintf(text, sizeof text, "HTTP/1.1 200 \r\nContent-Length: %d\r\n\r\n", VH_HTTP_BODY_MAX + 1);
    CHECK_INT(http_reply_read(text, (size_t)head, &reply), HTTP_BAD);
    /* A head that ends with its last byte, and one that is a byte longer. */
    for (int longer = 0; longer < 2; longer++) {
        memset(text, 'x', sizeof text);
        head = snprintf(text, sizeof text, "HTTP/1.1 204 \r\nX: ");
        text[head] = 'x';
        memcpy(text + VH_HTTP_HEAD_MAX - 4 + longer, "\r\n\r\n", 4);
        CHECK_INT(http_reply_read(text, VH_HTTP_HEAD_MAX + 10, &reply), longer ? HTTP_BAD : HTTP_OK);
    }
}

int main(void) {
    RUN(an_answer_without_a_reason);
    RUN(nothing_to_say_has_no_length);
    RUN(two_answers_are_told_apart);
    RUN(who_closes_says_so);
    RUN(what_can_be_read_in_two_ways_is_none);
    RUN(what_is_no_status_line_is_none);
    RUN(heads_and_bodies_have_bounds);
    TEST_MAIN_END;
}
