/*
 * test_accounts.c - accounts.c: names of users and groups as /etc has them, and malformed lines.
 */
#include "os/accounts.h"
#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char file[] = "/tmp/vh-accounts-XXXXXX";

static void write_file(const char *text) {
    int fd = open(file, O_WRONLY | O_TRUNC | O_CLOEXEC);
    CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    (void)close(fd);
}

/* -1: no such account */
static int64_t id_of(const char *name) {
    int64_t id = 0;
    return accounts_id(file, name, &id) ? id : -1;
}

static void names_have_numbers(void) {
    write_file("root:x:0:0:root:/root:/bin/sh\nbin:*:2:2::/bin:\nqemu:x:64055:108:a:b:c\n\nlast:x:4294967294:");
    CHECK_INT(id_of("root"), 0);
    CHECK_INT(id_of("bin"), 2);
    CHECK_INT(id_of("qemu"), 64055);
    CHECK_INT(id_of("last"), 4294967294);
    CHECK_INT(id_of("0"), 0);
    CHECK_INT(id_of("4294967295"), 4294967295);
    CHECK_INT(id_of("4294967296"), -1);
}

static void only_the_whole_name_counts(void) {
    write_file("ab:x:1:\nabcd:x:2:\nabc:x:3:\n:x:4:\nx:y:z:5:\n");
    CHECK_INT(id_of("abc"), 3);
    CHECK_INT(id_of("a"), -1);
    CHECK_INT(id_of("abcde"), -1);
    CHECK_INT(id_of(""), -1);
    CHECK_INT(id_of("x"), -1);
    CHECK_INT(id_of("y"), -1);
}

static const char *name_of(int64_t id, size_t cap) {
    static char name[8];
    bool found = accounts_name(file, id, name, cap);
    CHECK(found == (name[0] != '\0'));
    return name;
}

static void numbers_have_names(void) {
    write_file("a:x:1:\nlonger-name:x:2:\nb:x:2:\n:x:3:\nc:x:x:\nd:x:4\ne:x:05:\nx\nlast:x:4294967294:");
    CHECK_STR(name_of(1, 8), "a");
    CHECK_STR(name_of(2, 8), "b");
    CHECK_STR(name_of(3, 8), "");
    CHECK_STR(name_of(4, 8), "");
    CHECK_STR(name_of(5, 8), "e");
    CHECK_STR(name_of(4294967294, 5), "last");
    CHECK_STR(name_of(4294967294, 4), "");
    CHECK_STR(name_of(-1, 8), "");
}

static void what_is_no_account_is_passed_over(void) {
    write_file(
        "a:x\na:x:\na:x::\na:x:-1:\na:x:4294967296:\na:x:99999999999999999999999:\na:x:1x:\na:x: 1:\na:x:7\na:x:8:\n");
    CHECK_INT(id_of("a"), 8);
    write_file("");
    CHECK_INT(id_of("a"), -1);
    CHECK(unlink(file) == 0);
    CHECK_INT(id_of("a"), -1);
    CHECK_INT(id_of("12"), 12);
    CHECK_STR(name_of(12, 8), "");
    int fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    CHECK(fd >= 0 && close(fd) == 0);
}

/* A name, a number and the space between them fall on every place of the pieces that are read. */
static void long_lines_and_any_place_will_do(void) {
    static char text[70000];
    for (size_t before = 480; before < 1060; before++) {
        memset(text, 'm', before);
        (void)snprintf(text + before, sizeof text - before, "\nusbs:x:123456:");
        write_file(text);
        CHECK_INT(id_of("usbs"), 123456);
    }
    (void)snprintf(text, sizeof text, "all:x:5:");
    memset(text + 8, ',', sizeof text - 8);
    (void)snprintf(text + 66000, 40, "\nusbs:x:6:\n");
    write_file(text);
    CHECK_INT(id_of("usbs"), 6);
    CHECK_INT(id_of("all"), 5);
}

int main(void) {
    test_ok = true;
    int fd = mkstemp(file);
    CHECK(fd >= 0);
    if (!test_ok)
        return 1;
    (void)close(fd);
    RUN(names_have_numbers);
    RUN(only_the_whole_name_counts);
    RUN(numbers_have_names);
    RUN(what_is_no_account_is_passed_over);
    RUN(long_lines_and_any_place_will_do);
    (void)unlink(file);
    TEST_MAIN_END;
}
