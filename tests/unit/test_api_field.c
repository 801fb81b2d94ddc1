/*
 * test_api_field.c - api_field.c: each kind of field, absent, right and wrong. What is wrong is reported once, with its
 * name, and never taken: the result says no, and the caller's value stays as it was.
 */
#include "api/api_internal.h"
#include "test.h"

static struct json j;
static struct parse p;
static jsmntok_t tok[16];
static char error[VH_ERROR_MAX];

static void read_line(const char *text) {
    struct json_error err;
    CHECK(json_parse(&j, text, strlen(text), tok, sizeof tok / sizeof *tok, &err));
    p = (struct parse){.j = &j};
    sb_init(&p.error, error, sizeof error);
}

static bool number(const char *text, uint64_t *v) {
    *v = 77;
    read_line(text);
    return parse_uint(&p, "n", 255, v, "a number");
}

static void numbers(void) {
    uint64_t v = 0;
    CHECK(number("{\"n\":255}", &v) && v == 255 && error[0] == '\0');
    CHECK(number("{\"n\":\"0\"}", &v) && v == 0 && error[0] == '\0');
    CHECK(!number("{}", &v) && v == 77 && error[0] == '\0');
    CHECK(!number("{\"n\":null}", &v) && v == 77 && error[0] == '\0');
    static const char *const wrong[] = {"{\"n\":256}", "{\"n\":\"256\"}", "{\"n\":-1}", "{\"n\":\"\"}",
                                        "{\"n\":1.5}", "{\"n\":true}",    "{\"n\":{}}"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        CHECK(!number(wrong[i], &v));
        CHECK(v == 77 && strstr(error, "\"n\" is ") == error && strstr(error, ": expected a number") != NULL);
    }
}

static bool hex(const char *text, uint16_t *v) {
    *v = 77;
    read_line(text);
    return parse_hex4(&p, "x", v);
}

static void hexadecimal_numbers(void) {
    uint16_t v = 0;
    CHECK(hex("{\"x\":\"04aF\"}", &v) && v == 0x4af && error[0] == '\0');
    CHECK(!hex("{}", &v) && v == 77 && error[0] == '\0');
    static const char *const wrong[] = {"{\"x\":\"4af\"}", "{\"x\":\"004af\"}", "{\"x\":\"04ag\"}",
                                        "{\"x\":\"\"}",    "{\"x\":1234}",      "{\"x\":\"012345678\"}"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        CHECK(!hex(wrong[i], &v));
        CHECK(v == 77 && strstr(error, "\"x\" is ") == error && strstr(error, "4 hexadecimal digits") != NULL);
    }
}

static bool text(const char *line, char dst[4]) {
    read_line(line);
    memcpy(dst, "???", 4);
    return parse_text(&p, "t", dst, 4, "a short text");
}

static void texts(void) {
    char t[4];
    CHECK(text("{\"t\":\"abc\"}", t) && strcmp(t, "abc") == 0 && error[0] == '\0');
    CHECK(!text("{\"t\":\"\"}", t) && t[0] == '\0' && error[0] == '\0');
    CHECK(!text("{\"u\":\"abc\"}", t) && t[0] == '\0' && error[0] == '\0');
    CHECK(!text("{\"t\":null}", t) && t[0] == '\0' && error[0] == '\0');
    CHECK(!text("{\"t\":\"abcd\"}", t) && t[0] == '\0');
    CHECK(strcmp(error, "\"t\" is \"abcd\": expected a short text") == 0);
    CHECK(!text("{\"t\":[]}", t) && t[0] == '\0');
    CHECK(strcmp(error, "\"t\" is an array: expected a short text") == 0);
}

static void the_first_error_stays(void) {
    uint64_t v = 0;
    read_line("{\"a\":[],\"b\":{}}");
    CHECK(!parse_uint(&p, "a", 9, &v, "one") && !parse_uint(&p, "b", 9, &v, "two"));
    CHECK(strcmp(error, "\"a\" is an array: expected one") == 0);
}

int main(void) {
    RUN(numbers);
    RUN(hexadecimal_numbers);
    RUN(texts);
    RUN(the_first_error_stays);
    TEST_MAIN_END;
}
