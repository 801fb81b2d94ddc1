/*
 * test_conf_print.c - conf_print.c: problems as people read them, with the line and a caret, for any line.
 */
#include "config/conf_print.h"
#include "test.h"

#include <stdlib.h>
#include <unistd.h>

static char printed[8192];

static void print(const char *text, unsigned line, unsigned column) {
    const struct diag d = {.level = DIAG_ERROR, .line = line, .column = column, .path = "vms", .text = "wrong"};
    struct source s = {.path = "x.conf", .text = text, .len = strlen(text)};
    int saved = dup(STDERR_FILENO);
    FILE *f = tmpfile();
    if (f == NULL || saved < 0 || dup2(fileno(f), STDERR_FILENO) < 0)
        exit(1);
    conf_print(&d, &s);
    (void)fflush(stderr);
    (void)dup2(saved, STDERR_FILENO);
    (void)close(saved);
    rewind(f);
    size_t n = fread(printed, 1, sizeof printed - 1, f);
    printed[n] = '\0';
    (void)fclose(f);
}

static void a_problem_is_shown_in_its_line(void) {
    print("{\n  \"vms\": 5\n}\n", 2, 10);
    CHECK_STR(printed, "x.conf:2:10: error: vms: wrong\n    2 |   \"vms\": 5\n      |          ^\n");
    print("{", 1, 2); /* the last line has no end */
    CHECK_STR(printed, "x.conf:1:2: error: vms: wrong\n    1 | {\n      |  ^\n");
    print("{", 3, 1); /* a place behind the end */
    CHECK_STR(printed, "x.conf:3:1: error: vms: wrong\n    3 | {\n      | ^\n");
}

static void what_concerns_the_whole_file_has_no_line(void) {
    print("{}\n", 0, 0);
    CHECK_STR(printed, "x.conf: error: vms: wrong\n");
}

/* Bytes that are no text, and characters that steer a terminal. */
static void nothing_in_a_line_steers_who_reads_it(void) {
    print("\ta\xff\x01\x7f\xc2\x9b\xc3\xa4z", 1, 8);
    CHECK_STR(printed, "x.conf:1:8: error: vms: wrong\n    1 | \ta????\xc3\xa4z\n      | \t      ^\n");
}

int main(void) {
    RUN(a_problem_is_shown_in_its_line);
    RUN(what_concerns_the_whole_file_has_no_line);
    RUN(nothing_in_a_line_steers_who_reads_it);
    TEST_MAIN_END;
}
