/*
 * state_file.c - the state file on disk. Owns its path and how it is replaced; knows nothing of its content. Is read by
 * the daemon at start, and written by the disk worker only.
 */
#include "daemon/state_file.h"

#include "base/limits.h"
#include "base/log.h"
#include "base/str.h"
#include "os/boot.h"
#include "os/file.h"
#include "os/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct {
    char path[VH_PATH_MAX], temporary[VH_PATH_MAX], directory[VH_PATH_MAX];
    char aside[VH_PATH_MAX]; /* where an unusable file is kept; "" if that path is too long */
    char boot[VH_BOOT_ID_MAX];
    char why[VH_PATH_MAX + 128];
    bool refused; /* the file has what would be lost: it is not replaced */
} state;

enum { BESIDE_NAMES = 9 };

static char text[VH_STATE_MAX];

/* If the path is a symbolic link, the link stays and its target is replaced. */
static bool set_path(const char *path) {
    char real[VH_REALPATH_MAX];
    const char *use = realpath(path, real) != NULL ? real : path;
    bool ok = str_copy(state.path, sizeof state.path, use) &&
              str_fmt(state.temporary, sizeof state.temporary, "%s.new", use) &&
              str_copy(state.directory, sizeof state.directory, use);
    char *slash = strrchr(state.directory, '/');
    if (!str_fmt(state.aside, sizeof state.aside, "%s.corrupt", use))
        state.aside[0] = '\0';
    if (ok && slash != NULL)
        slash[slash == state.directory ? 1 : 0] = '\0';
    return ok && slash != NULL;
}

/* Makes the last directory of the path if only that one is missing, as /var/lib/vhotplug on a new image. */
static int open_directory(void) {
    int fd = openat(AT_FDCWD, state.directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT && mkdirat(AT_FDCWD, state.directory, 0755) == 0)
        fd = openat(AT_FDCWD, state.directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd;
}

/* ---- reading ---- */

static ssize_t read_whole(const char *path) {
    int fd = openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return -1;
    ssize_t n = file_read_whole(fd, text, sizeof text - 1, FILE_END);
    int saved = errno;
    (void)close(fd);
    errno = saved;
    return n;
}

/* Keeps an unusable file for inspection. If it cannot be renamed, the next save overwrites it. */
static void set_aside(const char *why) {
    bool ok = sys_rename(state.path, state.aside) == 0;
    log_error("the state file cannot be used, nothing is remembered: path=%s error=\"%s\"%s%s", state.path, why,
              ok ? " kept=" : "", ok ? state.aside : "");
}

static bool is_same_file(const char *path, const char *other) {
    struct stat a, b;
    return stat(path, &a) == 0 && stat(other, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/* What finds no room would be lost with the next save. So the file stays beside the next one, under the first of a few
 * names that is free; without one nothing is saved. */
static void keep_beside(unsigned dropped) {
    char beside[VH_PATH_MAX];
    bool ok = false, fits = true;
    for (int n = 1; n <= BESIDE_NAMES && !ok && fits; n++) {
        fits = n == 1 ? str_fmt(beside, sizeof beside, "%s.full", state.path)
                      : str_fmt(beside, sizeof beside, "%s.full.%d", state.path, n);
        ok = fits && (linkat(AT_FDCWD, state.path, AT_FDCWD, beside, 0) == 0 ||
                      (errno == EEXIST && is_same_file(state.path, beside))); /* of an earlier start */
        fits = fits && (ok || errno == EEXIST);
    }
    state.refused = !ok;
    if (ok)
        log_warn("the state file has more than finds room: path=%s left_out=%u kept=%s", state.path, dropped, beside);
    else
        log_error("the state file has more than finds room and cannot be kept beside, so nothing is saved: path=%s "
                  "left_out=%u error=\"%s\"",
                  state.path, dropped, strerror(errno));
}

/* The file is gone, and an unusable one lies beside it: the daemon that found that one has never saved. */
static bool was_set_aside(void) {
    struct sys_stat st;
    return sys_stat(AT_FDCWD, state.aside, AT_SYMLINK_NOFOLLOW, &st);
}

/* Fills *ms, with ms->corrupt if something is lost. n: bytes of the text, or -1 with errno. False: the file is there
 * and cannot be used. */
static bool parse(struct remembered_set *ms, ssize_t n, unsigned *dropped) {
    char why[VH_TEXT_MAX] = "";
    *dropped = 0;
    if (n < 0 && errno == ENOENT) {
        if (was_set_aside())
            (void)str_copy(ms->corrupt, sizeof ms->corrupt,
                           "it is gone, and one that cannot be used is kept beside it"); /* it fits */
        return true;
    }
    if (n < 0)
        (void)str_copy(why, sizeof why, strerror(errno)); /* a short text */
    if (n < 0 || !state_format_parse(ms, text, (size_t)n, state.boot, dropped, why, sizeof why)) {
        memset(ms, 0, sizeof *ms);
        (void)str_copy(ms->corrupt, sizeof ms->corrupt, why); /* of the same bound */
        return false;
    }
    if (ms->unread > 0)
        (void)str_fmt(ms->corrupt, sizeof ms->corrupt, "%u of its decisions find no room", ms->unread); /* it fits */
    return true;
}

/* What it says is as unknown as that of a file that cannot be read. */
static bool find(const char *path, struct remembered_set *ms) {
    state.refused = false;
    boot_id(state.boot);
    if (set_path(path))
        return true;
    log_error("the path of the state file is too long: %s", path);
    state.path[0] = state.directory[0] = '\0';
    (void)str_copy(ms->corrupt, sizeof ms->corrupt, "its path is too long"); /* it fits */
    return false;
}

void state_file_load(const char *path, struct remembered_set *ms) {
    unsigned dropped = 0;
    if (!find(path, ms))
        return;
    int dir = open_directory(); /* made now, before the sandbox lists it; errors show when saving */
    if (dir >= 0)
        (void)close(dir);
    ssize_t n = read_whole(state.path);
    if (!parse(ms, n, &dropped)) {
        set_aside(ms->corrupt);
        return;
    }
    if (ms->corrupt[0] != '\0')
        log_error("a state file was lost, and nobody has acknowledged that: path=%s error=\"%s\"", state.path,
                  ms->corrupt);
    unsigned kept = state_format_kept(ms);
    if (kept > 0)
        log_info("the state file has entries that are not understood, and stay in it: path=%s entries=%u", state.path,
                 kept);
    if (dropped > 0)
        keep_beside(dropped);
}

void state_file_look(const char *path, struct remembered_set *ms) {
    unsigned dropped = 0;
    if (find(path, ms))
        (void)parse(ms, read_whole(state.path), &dropped);
}

/* ---- writing ---- */

const char *state_file_directory(void) {
    return state.directory;
}

size_t state_file_print(const struct remembered_set *ms, char *dst, size_t cap) {
    struct sbuf sb;
    if (state.refused)
        return 0;
    sb_init(&sb, dst, cap);
    state_format_print(ms, state.boot, &sb);
    return sb_ok(&sb) ? sb.len : 0;
}

const char *state_file_why(enum state_file_place place, int error) {
    static const char *const paths[STATE_FILE_PLACES] = {state.path, state.temporary, state.directory};
    if (state.path[0] == '\0')
        return "the path of the state file is too long";
    if (state.refused)
        return "the state file has more than finds room and could not be kept beside";
    (void)str_fmt(state.why, sizeof state.why, "%s: %s", paths[place], strerror(error)); /* may be cut */
    return state.why;
}

/* An errno, and where it came up. */
static int failed(enum state_file_place at, enum state_file_place *place) {
    *place = at;
    return errno;
}

static int write_temporary(const char *p, size_t len, enum state_file_place *place) {
    (void)sys_unlink(state.temporary); /* left by a process that died while writing */
    int fd = openat(AT_FDCWD, state.temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return failed(STATE_FILE_TEMPORARY, place);
    int error = file_write_whole(fd, p, len) && fsync(fd) == 0 ? 0 : failed(STATE_FILE_TEMPORARY, place);
    if (close(fd) != 0 && error == 0)
        error = failed(STATE_FILE_TEMPORARY, place);
    if (error != 0)
        (void)sys_unlink(state.temporary);
    return error;
}

/* Some file systems have no fsync() of a directory: then rename() is all that can be done. */
static int sync_directory(int fd, enum state_file_place *place) {
    return fsync(fd) == 0 || errno == EINVAL || errno == ENOTSUP ? 0 : failed(STATE_FILE_DIRECTORY, place);
}

int state_file_write(const char *p, size_t len, enum state_file_place *place) {
    *place = STATE_FILE_PATH;
    int dir = open_directory();
    if (dir < 0)
        return failed(STATE_FILE_DIRECTORY, place);
    int error = write_temporary(p, len, place);
    if (error == 0 && sys_rename(state.temporary, state.path) != 0) {
        error = failed(STATE_FILE_PATH, place);
        (void)sys_unlink(state.temporary);
    }
    if (error == 0)
        error = sync_directory(dir, place);
    (void)close(dir);
    return error;
}
