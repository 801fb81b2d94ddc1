/*
 * test_lists.c - modules.c: module lists read in pieces, with the wanted line at every place of a piece.
 */
#include "base/limits.h"
#include "bus/modules.h"
#include "os/sysfs.h"
#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LISTS "lib/modules/1.0"

static char top[] = "/tmp/vh-modules-XXXXXX";
static char text[3 * VH_MODULE_BLOCK];

static void write_list(const char *name, const char *bytes, size_t len) {
    char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", top, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    CHECK(fd >= 0 && write(fd, bytes, len) == (ssize_t)len);
    (void)close(fd);
}

static void make_tree(void) {
    static const char *const dirs[] = {"proc", "proc/sys", "proc/sys/kernel", "lib", "lib/modules", LISTS};
    char path[128];
    CHECK(mkdtemp(top) != NULL);
    for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", top, dirs[i]);
        CHECK(mkdir(path, 0755) == 0);
    }
    write_list("proc/sys/kernel/osrelease", "1.0\n", 4);
    write_list(LISTS "/modules.alias", "\n", 1);
    CHECK(sysfs_root(top));
    modules_open();
}

/* The driver of a vendor-specific device 1234:5678, "" if it has none. */
static const char *driver(void) {
    struct device d = {.vid = 0x1234, .pid = 0x5678, .cls = 255, .usb.nifaces = 1};
    const char *why = "";
    d.usb.ifaces[0].cls = 255;
    CHECK(modules_of(&d, &why));
    return d.driver_path[0] != NULL ? d.driver_path[0] : "";
}

/* So many bytes of lines about nothing, then `line`, then `after` more. */
static size_t lay(char end, size_t before, const char *line, size_t after) {
    size_t at = 0, n = strlen(line);
    for (; at < before; at++)
        text[at] = at % 50 == 49 || at + 1 == before ? end : '#';
    memcpy(text + at, line, n);
    for (at += n; after-- > 0; at++)
        text[at] = after % 50 == 0 ? end : '#';
    return at;
}

enum { NEAR = 80 };

static void an_alias_is_found_at_any_place(void) {
    static const char line[] = "alias usb:v1234p5678d*dc*dsc*dp*ic*isc*ip*in* found\n";
    write_list(LISTS "/modules.dep", "kernel/found.ko:\n", 17);
    for (size_t before = VH_MODULE_BLOCK - NEAR; before < VH_MODULE_BLOCK + NEAR; before++) {
        for (int after = 0; after < 2; after++) {
            /* Without a newline it still is a line, if it is the last. */
            size_t n = lay('\n', before, line, after ? VH_MODULE_BLOCK : 0);
            write_list(LISTS "/modules.alias", text, after ? n : n - 1);
            CHECK_STR(driver(), "/lib/modules/1.0/kernel/found.ko");
        }
    }
}

static void a_path_is_found_at_any_place(void) {
    static const char alias[] = "alias usb:v1234p* found\n";
    write_list(LISTS "/modules.alias", alias, sizeof alias - 1);
    for (size_t before = VH_MODULE_BLOCK - NEAR; before < VH_MODULE_BLOCK + NEAR; before++) {
        size_t n = lay('\n', before, "kernel/a/found.ko.xz: kernel/b.ko\n", 100);
        write_list(LISTS "/modules.dep", text, n);
        CHECK_STR(driver(), "/lib/modules/1.0/kernel/a/found.ko.xz");
    }
}

/* A line of that length, and after it the one that counts. */
static void a_line_may_fill_a_block_and_a_longer_one_is_passed_over(void) {
    static const char alias[] = "alias usb:v1234p* found\n", dep[] = "kernel/found.ko:";
    write_list(LISTS "/modules.alias", alias, sizeof alias - 1);
    for (size_t len = VH_MODULE_BLOCK - 3; len < 2 * VH_MODULE_BLOCK + 3;
         len += len == VH_MODULE_BLOCK + 3 ? VH_MODULE_BLOCK - 6 : 1) {
        memset(text, ' ', len);
        memcpy(text, dep, sizeof dep - 1);
        text[len - 1] = '\n';
        write_list(LISTS "/modules.dep", text, len);
        CHECK_STR(driver(), len <= VH_MODULE_BLOCK ? "/lib/modules/1.0/kernel/found.ko" : "");
        memset(text, '#', len - 1);
        (void)snprintf(text + len, sizeof text - len, "%s\n", dep);
        write_list(LISTS "/modules.dep", text, len + sizeof dep);
        CHECK_STR(driver(), "/lib/modules/1.0/kernel/found.ko");
    }
}

static void what_is_not_there_drives_nothing(void) {
    write_list(LISTS "/modules.alias", "", 0);
    CHECK_STR(driver(), "");
    write_list(LISTS "/modules.alias", "alias usb:v1234p* gone\n", 23);
    CHECK_STR(driver(), "");
}

int main(void) {
    test_ok = true;
    make_tree();
    if (!test_ok)
        return 1;
    RUN(an_alias_is_found_at_any_place);
    RUN(a_path_is_found_at_any_place);
    RUN(a_line_may_fill_a_block_and_a_longer_one_is_passed_over);
    RUN(what_is_not_there_drives_nothing);
    char command[64];
    (void)snprintf(command, sizeof command, "rm -rf %s", top);
    CHECK(system(command) == 0);
    TEST_MAIN_END;
}
