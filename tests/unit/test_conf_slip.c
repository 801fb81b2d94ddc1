/*
 * test_conf_slip.c - mistakes in JSON that people make: each is named, at its place.
 */
#include "config/conf.h"
#include "test.h"

static struct conf c;
static char seen[1024];
static int diags;

static void collect(const struct diag *d, void *arg) {
    (void)arg;
    diags++;
    CHECK(d->level == DIAG_ERROR && d->path[0] == '\0');
    (void)snprintf(seen, sizeof seen, "%u:%u %s", d->line, d->column, d->text);
}

static const char *slip(const char *text) {
    diags = 0;
    CHECK(!conf_parse(&c, text, strlen(text), collect, NULL));
    CHECK_INT(diags, 1);
    return seen;
}

#define COMMENTS "JSON has no comments: write what is to be remarked into a \"description\""

static void comments(void) {
    CHECK_STR(slip("// rules\n{}"), "1:1 " COMMENTS);
    CHECK_STR(slip("{\n  # rules\n}"), "2:3 " COMMENTS);
    CHECK_STR(slip("{\"vms\": [], // none\n \"x\": 1}"), "1:13 " COMMENTS);
    CHECK_STR(slip("{\"vms\": /* none */ []}"), "1:9 " COMMENTS);
    CHECK_STR(slip("{\"vms\": [] // none\n}"), "1:12 " COMMENTS);
    CHECK_STR(slip("{} // end"), "1:4 " COMMENTS);
    CHECK_STR(slip("{\"a\": /}"), "1:7 expected a value");
}

static void a_comma_too_many_or_few(void) {
    CHECK_STR(slip("{\"vms\": [1,\n],\n}"), "1:11 no comma before ']': nothing follows it");
    CHECK_STR(slip("{\"vms\": [],\n}"), "1:11 no comma before '}': nothing follows it");
    CHECK_STR(slip("{\"vms\": [,]}"), "1:10 expected a value");
    CHECK_STR(slip("{\"vms\": []\n \"x\": 1}"), "2:2 expected ',' or '}' after a member");
}

#define PLAIN "keys and strings are written in plain double quotes (\"), not in typographic ones"
#define SINGLE "keys and strings are written in double quotes (\"), not in single ones"

static void quotes(void) {
    CHECK_STR(slip("{'vms': []}"), "1:2 " SINGLE);
    CHECK_STR(slip("{\"vms\": ['a']}"), "1:10 " SINGLE);
    CHECK_STR(slip("{“vms”: []}"), "1:2 " PLAIN);
    CHECK_STR(slip("{\"vms\": «a»}"), "1:9 " PLAIN);
    CHECK_STR(slip("{\"vms\": „a“}"), "1:9 " PLAIN);
    CHECK_STR(slip("{\"vms\": ‘a’}"), "1:9 " PLAIN);
    CHECK_STR(slip("{\"vms”: [],\n\"x\": 1}"), "1:2 this string does not end on its line: its closing quote (\") is "
                                               "missing, or is no plain one");
    CHECK_STR(slip("{vms: []}"), "1:2 expected a key in quotes");
    CHECK_STR(slip("{\"a\": ä}"), "1:7 expected a value");
    CHECK_STR(slip("{\"a\": \"\t\"}"), "1:8 a control character in a string must be escaped");
}

static void words_of_other_languages(void) {
    static const char *const words[][2] = {{"True", "true"},   {"TRUE", "true"},      {"False", "false"},
                                           {"FALSE", "false"}, {"None", "null"},      {"NULL", "null"},
                                           {"Null", "null"},   {"undefined", "null"}, {"yes", "true"},
                                           {"off", "false"},   {"on", "true"},        {"no", "false"}};
    char text[64], expected[100];
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        (void)snprintf(text, sizeof text, "{\"a\": %s}", words[i][0]);
        (void)snprintf(expected, sizeof expected, "1:7 '%s' is no word of JSON: write %s", words[i][0], words[i][1]);
        CHECK_STR(slip(text), expected);
    }
    CHECK_STR(slip("{\"a\": [NaN]}"), "1:8 JSON has no number 'NaN'");
    CHECK_STR(slip("{\"a\": -Infinity}"), "1:8 JSON has no number 'Infinity'");
    CHECK_STR(slip("{\"a\": 0x1f}"), "1:8 JSON has no hexadecimal numbers: write the digits as a string");
    CHECK_STR(slip("{\"a\": Truely}"), "1:7 expected a value");
    CHECK_STR(slip("{\"a\": None"), "1:7 'None' is no word of JSON: write null");
}

static void keys_given_twice(void) {
    CHECK_STR(slip("{\"vms\": [],\n\"x\": {\"vms\": 1, \"y\": [\"vms\"]},\n \"vms\": []}"),
              "3:2 the key \"vms\" is in this object twice: first on line 1");
    CHECK_STR(slip("{\"a\": [\n{\"bus\": 1},\n{\"port\": 1, \"b\\\"}\": 2,\n\"bus\" : 1,\n\"bus\": 2}]}"),
              "5:1 the key \"bus\" is in this object twice: first on line 4");
    CHECK_STR(slip("{\"\\u0061\": 1, \"a\": 2}"), "1:15 the key \"a\" is in this object twice");
    char text[400];
    (void)snprintf(text, sizeof text, "{\"%0100d\": 1,\n\"%0100d\": 2}", 7, 7);
    CHECK_STR(slip(text), "2:1 this key is in this object twice: first on line 1");
}

static void brackets(void) {
    CHECK_STR(slip("{\n \"vms\": [\n  {\"name\": \"a\"}\n"), "2:9 this '[' is never closed: the file ends first");
    CHECK_STR(slip("{\"a\": {\"b\": 1}"), "1:1 this '{' is never closed: the file ends first");
    CHECK_STR(slip("{\"a\": "), "1:1 this '{' is never closed: the file ends first");
    CHECK_STR(slip("{\"a\": [1,"), "1:7 this '[' is never closed: the file ends first");
    CHECK_STR(slip("{\"a\": \"b]}"), "1:7 this string is never closed");
    CHECK_STR(slip("{\"vms\": [\n {\"name\": \"a\"\n]}"), "3:1 the '{' on line 2 is not closed before this ']'");
    CHECK_STR(slip("{\"vms\": [\n {\"name\": \"a\"}\n}"), "3:1 the '[' on line 1 is not closed before this '}'");
    CHECK_STR(slip("{\"vms\": []}}"), "1:12 one '}' too many");
    CHECK_STR(slip("{\"vms\": []}, {}"), "1:12 something follows the value");
    CHECK_STR(slip(""), "1:1 the text ends where a value is expected");
    CHECK_STR(slip(" \n"), "2:1 the text ends where a value is expected");
    CHECK_STR(slip("]"), "1:1 one ']' too many");
}

static void the_bracket_that_is_not_closed_by_the_indentation(void) {
    CHECK_STR(slip("{\n  \"general\": {\n    \"api\": {\n      \"port\": 1\n  },\n  \"vms\": [\n  ]\n}\n"),
              "3:12 this '{' is probably not closed, by the indentation; the file ends before that on line 1 is");
    CHECK_STR(slip("{\n\t\"a\": {\n\t\t\"b\": [ 1,\n\t\t\t2\n\t\t],\n\t\"c\": 1\n}\n"),
              "2:7 this '{' is probably not closed, by the indentation; the file ends before that on line 1 is");
    CHECK_STR(slip("{\n  \"a\": [ {\n    \"b\": 1 }\n  ]\n"), "1:1 this '{' is never closed: the file ends first");
    CHECK_STR(slip("[ { \"a\": 1,\n  { \"b\": 2 } ]"), "2:3 expected a key in quotes: is the '{' on line 1 closed?");
    CHECK_STR(slip("{ \"a\": [ 1\n  { \"b\": 2 } ] }"),
              "2:3 expected ',' or ']' after an element: is the '[' on line 1 closed?");
}

/* As deep as JSON may be, and deeper; what stands in strings opens nothing. */
static void depth(void) {
    char text[200];
    memset(text, '[', sizeof text);
    text[VH_JSON_DEPTH] = '\0';
    CHECK_STR(slip(text), "1:32 this '[' is never closed: the file ends first");
    memset(text, '[', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    CHECK_STR(slip(text), "1:33 nested too deeply");
    CHECK_STR(slip("{\"{[\": \"\\\"{\",\n\"a\": [}"), "2:7 the '[' on line 2 is not closed before this '}'");
}

/* Any text that is cut anywhere has one error. */
static void every_beginning_of_a_text(void) {
    static const char whole[] =
        "{\"a\": [1, \"x\\\\\\\"y\", {\"b\": null, \"ä\": [true, -1.5e3]}], \"c\": {\"d\": \"\\ud83d\\ude00\"}}";
    char text[sizeof whole];
    for (size_t n = 0; n < sizeof whole - 1; n++) {
        memcpy(text, whole, n);
        text[n] = '\0';
        CHECK(slip(text)[0] != '\0');
    }
}

int main(void) {
    RUN(comments);
    RUN(a_comma_too_many_or_few);
    RUN(quotes);
    RUN(words_of_other_languages);
    RUN(keys_given_twice);
    RUN(brackets);
    RUN(the_bracket_that_is_not_closed_by_the_indentation);
    RUN(depth);
    RUN(every_beginning_of_a_text);
    TEST_MAIN_END;
}
