/*
 * test_web_line.c - which lines are of the web: request lines, headers, TLS; and that no line of the API is one.
 */
#include "codec/web_line.h"
#include "test.h"

static bool web(const char *line) {
    return web_line(line, strlen(line));
}

static void request_lines_are(void) {
    static const char *const lines[] = {
        "POST / HTTP/1.1",
        "GET /a?b={\"action\":\"usb_list\"} HTTP/1.0",
        "OPTIONS * HTTP/1.1",
        "CONNECT 127.0.0.1:2000 HTTP/1.1",
        "PRI * HTTP/2.0",
        "M-SEARCH * HTTP/1.1",
        "get /with a space HTTP/1.1",
        "POST / HTTP/1.1 ",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        CHECK(web(lines[i]));
}

static void headers_are(void) {
    static const char *const lines[] = {
        "Host: 127.0.0.1:2000",
        "content-type:text/plain",
        "X-1_!#$%&'*+-.^`|~: {\"action\": \"usb_list\"}",
        "Cookie:",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        CHECK(web(lines[i]));
}

static void the_begin_of_tls_is(void) {
    CHECK(web_line("\x16\x03\x01\x02\x00\x01", 6));
    CHECK(web_line("\x16\x03", 2));
    CHECK(!web_line("\x16", 1));
    CHECK(!web_line("\x17\x03", 2));
}

static void others_are_not(void) {
    static const char *const lines[] = {
        "",
        ":",
        ": value",
        "{\"action\": \"usb_list\"}",
        " {\"action\": \"usb_list\", \"tag\": \"POST / HTTP/1.1\"}",
        "\t{}",
        "{\"Host: x\"}",
        "\"Host\": \"x\"",
        "Host name: x",
        "POST",
        "POST ",
        "POST / HTTP",
        "POST / HTTP/",
        "hello there",
        "POST/HTTP/1.1",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        CHECK(!web(lines[i]));
}

int main(void) {
    RUN(request_lines_are);
    RUN(headers_are);
    RUN(the_begin_of_tls_is);
    RUN(others_are_not);
    TEST_MAIN_END;
}
