/*
 * test_state_file.c - state_file.c: whichever call fails, a save says so and names the file, the old file is still
 * whole, and no other file is left; a file that cannot be read is set aside.
 */
#include "base/limits.h"
#include "base/log.h"
#include "daemon/state_file.h"
#include "fault.h"
#include "os/sysfs.h"
#include "test.h"

#include <stdio.h>

static char top[] = "/tmp/vh-state-XXXXXX", path[256], beside[256 + 8];
static struct remembered_set ms;

static const char *at(const char *name) {
    static char text[256];
    (void)snprintf(text, sizeof text, "%s/%s", top, name);
    return text;
}

static void write_file(const char *file, const char *text) {
    int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) && close(fd) == 0);
}

static const char *content(const char *file) {
    static char text[4096];
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? __real_read(fd, text, sizeof text - 1) : -1;
    if (fd >= 0)
        (void)__real_close(fd);
    text[n > 0 ? n : 0] = '\0';
    return n >= 0 ? text : "(none)";
}

static bool exists(const char *file) {
    struct stat st;
    return lstat(file, &st) == 0;
}

static void load(const char *file) {
    memset(&ms, 0, sizeof ms);
    state_file_load(file, &ms);
}

/* As the daemon prints and the disk worker writes. */
static bool save(const char **why) {
    static char text[VH_STATE_MAX];
    enum state_file_place place = STATE_FILE_PLACES;
    size_t len = state_file_print(&ms, text, sizeof text);
    int error = state_file_write(text, len, &place);
    CHECK(len > 0 && place < STATE_FILE_PLACES);
    *why = error != 0 ? state_file_why(place, error) : "";
    return error == 0;
}

/* A remembered entry, different each time. */
static void choose(void) {
    static unsigned n;
    ms.m[0] = (struct remembered){.used = true, .vid = 0x951, .pid = 0x1666, .stamp = 1};
    (void)snprintf(ms.m[0].vm, sizeof ms.m[0].vm, "vm%u", ++n);
}

static void spoiled(int error) {
    static char old[4096];
    const char *why = "";
    int files = open_files();
    (void)snprintf(old, sizeof old, "%s", content(path));
    choose();
    bool saved = save(&why);
    CHECK(all_failed());
    heal();
    CHECK(!saved);
    CHECK(strstr(why, top) == why && strstr(why, strerror(error)) != NULL);
    CHECK_STR(content(path), old);
    CHECK_INT(open_files(), files);
}

static void a_save_that_fails_leaves_the_old_file(void) {
    const char *why;
    load(path);
    choose();
    CHECK(save(&why));
    CHECK(strstr(content(path), "vm1") != NULL);
    fail_call("openat", 1, EACCES); /* the directory */
    spoiled(EACCES);
    fail_call("openat", 2, EMFILE); /* the temporary file */
    spoiled(EMFILE);
    fail_call("write", 1, ENOSPC);
    spoiled(ENOSPC);
    give_call("write", 1, 0); /* no error, and no progress */
    spoiled(ENOSPC);
    fail_call("fsync", 1, EIO);
    spoiled(EIO);
    fail_call("close", 1, EDQUOT);
    spoiled(EDQUOT);
    fail_call("fsync", 1, EIO);
    fail_call("close", 1, EDQUOT); /* the first error is reported */
    spoiled(EIO);
    fail_nr(SYS_renameat2, 1, EROFS);
    spoiled(EROFS);
    CHECK(!exists(beside));
}

/* The new file is in place, but a power loss may undo that: an error without anything to undo. */
static void a_directory_that_cannot_be_synced_is_an_error(void) {
    const char *why = "";
    choose();
    fail_call("fsync", 2, EIO);
    CHECK(!save(&why));
    CHECK(strstr(why, strerror(EIO)) != NULL);
    CHECK(all_failed());
    heal();
    for (int i = 0; i < 2; i++) { /* but some file systems cannot, and are as safe as they get */
        choose();
        fail_call("fsync", 2, i == 0 ? EINVAL : ENOTSUP);
        CHECK(save(&why));
        CHECK(all_failed());
        heal();
        CHECK(strstr(content(path), ms.m[0].vm) != NULL);
    }
}

static void a_write_is_taken_up_where_it_ended(void) {
    const char *why = "";
    choose();
    fail_call("write", 1, EINTR);
    CHECK(save(&why));
    CHECK(all_failed());
    heal();
    CHECK(strstr(content(path), ms.m[0].vm) != NULL);
}

/* A temporary file that a killed daemon left does not prevent a save. */
static void a_temporary_file_that_is_there_is_replaced(void) {
    const char *why = "";
    write_file(beside, "half of a fi");
    choose();
    CHECK(save(&why));
    CHECK(!exists(beside));
    CHECK(strstr(content(path), ms.m[0].vm) != NULL);
}

static void a_file_that_cannot_be_read_is_set_aside(void) {
    static char aside[256 + 8];
    static const struct {
        const char *call;
        int at, error;
    } ways[] = {{"openat", 4, EACCES}, {"read", 2, EIO}};
    (void)snprintf(aside, sizeof aside, "%s.corrupt", path);
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        int files = open_files();
        write_file(path, "{\"selected_vms\": {\"0951:1666:None\": \"vm1\"}}");
        fail_call(ways[i].call, ways[i].at, ways[i].error);
        load(path);
        CHECK(all_failed());
        CHECK(was_said(strerror(ways[i].error)) && was_said("kept=") && was_said(path));
        heal();
        CHECK(!ms.m[0].used);
        CHECK(!exists(path) && exists(aside));
        CHECK(unlink(aside) == 0);
        CHECK_INT(open_files(), files);
    }
    write_file(path, "{\"selected_vms\": {}");
    fail_nr(SYS_renameat2, 1, EROFS);
    load(path);
    CHECK(all_failed());
    CHECK(was_said("nothing is remembered") && !was_said("kept="));
    heal();
    CHECK(exists(path) && !exists(aside));
}

static const char *look(const char *file) {
    memset(&ms, 0, sizeof ms);
    state_file_look(file, &ms);
    return ms.corrupt;
}

/* By whoever starts next as well, if it was not saved since. */
static void what_was_lost_is_said_until_the_file_is_good_again(void) {
    static char aside[256 + 8];
    const char *why = "";
    (void)snprintf(aside, sizeof aside, "%s.corrupt", path);
    write_file(path, "{\"selected_vms\": {}");
    CHECK(strstr(look(path), "not JSON") != NULL);
    CHECK(exists(path) && !exists(aside)); /* to look changes nothing */
    load(path);
    CHECK(strstr(ms.corrupt, "not JSON") != NULL && !exists(path));
    heal();
    CHECK_STR(look(path), "it is gone, and one that cannot be used is kept beside it");
    CHECK(!was_said(path));
    load(path);
    CHECK(was_said("a state file was lost, and nobody has acknowledged that") && was_said(path));
    heal();
    CHECK(ms.corrupt[0] != '\0');
    choose();
    CHECK(save(&why));
    load(path);
    CHECK(was_said("nobody has acknowledged that") && ms.corrupt[0] != '\0' && ms.m[0].used);
    heal();
    ms.corrupt[0] = '\0';
    CHECK(save(&why));
    CHECK_STR(look(path), "");
    CHECK(exists(aside)); /* for whoever looks into it */
    CHECK(unlink(path) == 0 && unlink(aside) == 0);
    CHECK_STR(look(path), ""); /* a first start */
}

static void a_read_that_is_interrupted_goes_on(void) {
    write_file(path, "{\"selected_vms\": {\"0951:1666:None\": \"vm1\"}}");
    fail_call("read", 2, EINTR); /* the first read() is for the boot id */
    load(path);
    CHECK(all_failed());
    heal();
    CHECK_STR(ms.m[0].vm, "vm1");
}

static void a_file_larger_than_any_is_not_read(void) {
    CHECK(truncate(path, VH_STATE_MAX) == 0);
    load(path);
    CHECK(was_said(strerror(EFBIG)));
    heal();
    CHECK(!exists(path) && unlink(at("state.json.corrupt")) == 0);
}

static void what_is_not_understood_is_told_and_stays(void) {
    const char *why = "";
    log_open("test", LOG_INFO);
    write_file(path, "{\"selected_vms\": {\"0951:1666:None\": \"vm1\", \"pci-0000:00:14.3\": \"vm1\"}}");
    load(path);
    CHECK(was_said("stay in it") && was_said("entries=1") && !was_said("left_out"));
    heal();
    CHECK_STR(ms.m[0].vm, "vm1");
    CHECK(save(&why));
    CHECK(strstr(content(path), "\"pci-0000:00:14.3\": \"vm1\"") != NULL);
}

/* More unknown text than there is room for. */
static void too_much(char *text, size_t size, char what) {
    int n = snprintf(text, size, "{\"disconnected_devices\": [\"usb-0951:1666:None\"], \"theirs\": \"");
    memset(text + n, what, VH_STATE_EXTRA);
    (void)snprintf(text + n + VH_STATE_EXTRA, size - (size_t)n - VH_STATE_EXTRA, "\"}");
}

static void a_file_with_more_than_finds_room_stays_beside(void) {
    static char text[VH_STATE_EXTRA + 256], again[VH_STATE_EXTRA + 256];
    char full[256 + 16];
    const char *why = "";
    (void)unlink(path);
    for (int n = 1; n <= 9; n++) {
        (void)snprintf(full, sizeof full, n == 1 ? "%s.full" : "%s.full.%d", path, n);
        too_much(text, sizeof text, (char)('0' + n));
        write_file(path, text);
        for (int starts = 0; starts < 2; starts++) { /* until it is saved it is kept once */
            load(path);
            CHECK(was_said("left_out=1") && was_said(full));
            heal();
            CHECK_INT(ms.m[0].file.by, ROLE_OPERATOR); /* the decision counts */
        }
        choose();
        CHECK(save(&why));
        CHECK(strstr(content(path), "theirs") == NULL);
        int fd = open(full, O_RDONLY | O_CLOEXEC);
        CHECK(fd >= 0 && __real_read(fd, again, sizeof again) == (ssize_t)strlen(text) && __real_close(fd) == 0);
        CHECK(memcmp(again, text, strlen(text)) == 0);
        load(path);
        CHECK(!was_said("left_out"));
        heal();
    }
    write_file(path, text); /* no name is free any more */
    load(path);
    CHECK(was_said("nothing is saved") && was_said(strerror(EEXIST)));
    heal();
    CHECK(ms.m[0].file.by == ROLE_OPERATOR && state_file_print(&ms, again, sizeof again) == 0);
    CHECK(strstr(state_file_why(STATE_FILE_PATH, EFBIG), "more than finds room") != NULL);
    for (int n = 1; n <= 9; n++) {
        (void)snprintf(full, sizeof full, n == 1 ? "%s.full" : "%s.full.%d", path, n);
        CHECK(unlink(full) == 0);
    }
    load(path);
    CHECK(was_said("kept=") && state_file_print(&ms, again, sizeof again) > 0);
    heal();
    (void)snprintf(full, sizeof full, "%s.full", path);
    CHECK(unlink(full) == 0);
}

/* Without a boot id, entries of one boot hold for every boot. */
static void a_kernel_without_a_boot_id_has_one_boot(void) {
    static const char text[] = "{\"selected_vms\": {\"0951:1666:None\": \"vm1\"}}";
    write_file(path, text);
    fail_call("openat", 1, ENOENT);
    load(path);
    heal();
    CHECK_STR(ms.m[0].vm, "vm1");
    fail_call("openat", 2, EACCES);
    load(path);
    heal();
    CHECK_STR(ms.m[0].vm, "vm1");
}

static void the_last_directory_is_made(void) {
    char deep[256], *end = deep;
    const char *why = "";
    (void)snprintf(deep, sizeof deep, "%s", at("made/state.json"));
    fail_call("mkdirat", 1, EROFS);
    load(deep);
    heal();
    CHECK(!exists(at("made")));
    load(deep);
    CHECK(exists(at("made")));
    CHECK_STR(state_file_directory(), at("made"));
    choose();
    CHECK(save(&why));
    CHECK(unlink(deep) == 0);
    end = strrchr(deep, '/');
    *end = '\0';
    CHECK(rmdir(deep) == 0);
    choose();
    fail_call("mkdirat", 1, EROFS); /* the directory is gone and cannot be made */
    CHECK(!save(&why));
    CHECK(strstr(why, strerror(EROFS)) != NULL);
    heal();
}

static void a_link_stays_a_link(void) {
    const char *why = "";
    char link[256];
    (void)snprintf(link, sizeof link, "%s", at("link.json"));
    write_file(path, "{}");
    CHECK(symlink(path, link) == 0);
    load(link);
    choose();
    CHECK(save(&why));
    struct stat st;
    CHECK(lstat(link, &st) == 0 && S_ISLNK(st.st_mode));
    CHECK(strstr(content(path), ms.m[0].vm) != NULL);
    CHECK(unlink(link) == 0);
}

/* A path in the top directory, and a path without a directory. */
static void a_path_without_a_directory_is_none(void) {
    const char *why = "";
    load("/vhotplug-that-is-not-there.json");
    CHECK_STR(state_file_directory(), "/");
    load("state.json");
    CHECK(was_said("cannot be used") || was_said("too long"));
    heal();
    CHECK_STR(state_file_directory(), "");
    CHECK(!save(&why));
    CHECK(why[0] != '\0');
}

static void a_path_that_is_too_long_is_none(void) {
    static const size_t lengths[] = {VH_PATH_MAX + 10, VH_PATH_MAX - 3}; /* the second is too long for ".new" */
    static char text[VH_PATH_MAX * 2];
    const char *why = "";
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        memset(text, 'x', lengths[i]);
        text[0] = '/';
        text[lengths[i]] = '\0';
        load(text);
        CHECK(was_said("too long"));
        heal();
        CHECK_STR(state_file_directory(), "");
        CHECK(!save(&why));
        CHECK(strstr(why, "too long") != NULL);
    }
}

int main(void) {
    CHECK(mkdtemp(top) != NULL && sysfs_root("/"));
    (void)snprintf(path, sizeof path, "%s/state.json", top);
    (void)snprintf(beside, sizeof beside, "%s.new", path);
    RUN(a_save_that_fails_leaves_the_old_file);
    RUN(a_directory_that_cannot_be_synced_is_an_error);
    RUN(a_write_is_taken_up_where_it_ended);
    RUN(a_temporary_file_that_is_there_is_replaced);
    RUN(a_file_that_cannot_be_read_is_set_aside);
    RUN(what_was_lost_is_said_until_the_file_is_good_again);
    RUN(a_read_that_is_interrupted_goes_on);
    RUN(a_file_larger_than_any_is_not_read);
    RUN(what_is_not_understood_is_told_and_stays);
    RUN(a_file_with_more_than_finds_room_stays_beside);
    RUN(a_kernel_without_a_boot_id_has_one_boot);
    RUN(the_last_directory_is_made);
    RUN(a_link_stays_a_link);
    RUN(a_path_without_a_directory_is_none);
    RUN(a_path_that_is_too_long_is_none);
    CHECK(unlink(path) == 0 && rmdir(top) == 0);
    TEST_MAIN_END;
}
