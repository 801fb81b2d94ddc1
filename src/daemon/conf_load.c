/*
 * conf_load.c - reading the configuration file. Owns the memory of two configurations, the one in force and the next
 * one; never decides what a configuration means.
 *
 * At a reload the opener reads the file and hands the loop a copy in memory: both then parse the same bytes, and the
 * loop never waits for a disk.
 */
#include "daemon/conf_load.h"

#include "base/limits.h"
#include "base/log.h"
#include "base/str.h"
#include "config/conf_print.h"
#include "daemon/scratch.h"
#include "os/file.h"
#include "os/pages.h"
#include "os/sys.h"
#include "server/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static struct conf confs[2];
static const char *chosen; /* NULL: the default path */
static reload_tell *told;  /* NULL, or whoever asked for the reload under way hears of problems, too */

void conf_load_choose(const char *path) {
    chosen = path;
}

const char *conf_load_path(void) {
    if (chosen != NULL && str_eq(chosen, CONF_LOAD_STDIN))
        return "standard input"; /* in messages */
    return chosen != NULL ? chosen : CONF_LOAD_DEFAULT;
}

static int close_with_errno(int fd) {
    int saved = errno;
    (void)close(fd);
    errno = saved;
    return -1;
}

static void log_diag(const struct diag *d, void *arg) {
    static const enum log_level levels[] = {LOG_ERROR, LOG_WARN, LOG_DEBUG};
    const struct source *source = arg;
    log_line(levels[d->level], "%s:%u:%u: %s%s%s", source->path, d->line, d->column, d->path,
             d->path[0] != '\0' ? ": " : "", d->text);
}

/* For clients the file is only a name: its directory is the host's. */
static void log_and_tell(const struct diag *d, void *arg) {
    const struct source *source = arg;
    const char *slash = strrchr(source->path, '/');
    char line[2 * VH_LOG_LINE];
    log_diag(d, arg);
    bool fits = str_fmt(line, sizeof line, "%s:%u:%u: %s%s%s", slash != NULL ? slash + 1 : source->path, d->line,
                        d->column, d->path, d->path[0] != '\0' ? ": " : "", d->text);
    told(d->level, d->count, fits ? line : d->text); /* only a name of absurd length does not fit */
}

/* ---- the file's text ---- */

static char text[VH_CONF_MAX];

static int open_file(void) { /* opening a fifo must not wait */
    if (chosen != NULL && str_eq(chosen, CONF_LOAD_STDIN))
        return fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    return openat(AT_FDCWD, conf_load_path(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
}

static bool is_left_out(int error) {
    return error == ENOENT && chosen == NULL;
}

/* At a reload. */
static void tell_error(const char *why) {
    if (told != NULL)
        told(DIAG_ERROR, 1, why);
}

static bool unreadable(const char *verb, int error) {
    const char *reason = error == EFBIG ? "it is larger than 1 MiB" : strerror(error);
    char why[VH_TEXT_MAX];
    log_error("cannot %s the configuration %s: %s", verb, conf_load_path(), reason);
    (void)str_fmt(why, sizeof why, "cannot %s the configuration: %s", verb, reason); /* short; no path, as above */
    tell_error(why);
    return false;
}

static void no_rows(void) {
    char why[VH_TEXT_MAX];
    (void)str_fmt(why, sizeof why, "too many VMs while old ones still hold devices: at most %d (VH_MAX_VMS)",
                  VH_MAX_VMS); /* fits: a number is short */
    log_error("%s", why);
    tell_error(why);
}

static bool load_default(struct conf *conf) {
    conf_default(conf);
    log_info("no %s: built-in configuration, no VMs", CONF_LOAD_DEFAULT);
    return true;
}

/* old: the configuration in force, NULL at start. */
static bool load(struct conf *conf, const struct conf *old, int fd, conf_diag_fn *report) {
    ssize_t len = file_read_whole(fd, text, sizeof text, FILE_END);
    if (len < 0)
        return unreadable("read", errno);
    struct source source = {.path = conf_load_path(), .text = text, .len = (size_t)len};
    bool ok = conf_parse_again(conf, old, text, source.len, report, &source);
    pages_give_back(text, sizeof text);
    return ok;
}

/* ---- in the opener ---- */

/* confs[0] is in force in the loop; this process uses neither. */
static bool learn_listeners(size_t len, bool missing, struct opener_listeners *l) {
    struct conf *c = &confs[1];
    bool ok = missing || conf_parse(c, text, len, NULL, NULL);
    if (missing)
        conf_default(c);
    if (ok)
        listener_places(&c->api, l);
    pages_give_back(c, sizeof *c);
    scratch_give_back();
    return ok;
}

static int copy_of(size_t len) {
    int fd = sys_memfd("vhotplug.conf");
    for (size_t at = 0; fd >= 0 && at < len;) {
        ssize_t n = write(fd, text + at, len - at);
        if (n < 0 && errno != EINTR)
            return close_with_errno(fd);
        at += n > 0 ? (size_t)n : 0;
    }
    return fd >= 0 && lseek(fd, 0, SEEK_SET) < 0 ? close_with_errno(fd) : fd;
}

int conf_load_copy(struct opener_listeners *l, bool *valid) {
    int file = open_file();
    *valid = file < 0 && is_left_out(errno) && learn_listeners(0, true, l);
    if (file < 0) {
        errno = *valid ? ENOENT : errno;
        return -1;
    }
    ssize_t len = file_read_whole(file, text, sizeof text, FILE_END);
    if (len < 0)
        return close_with_errno(file);
    (void)close(file);
    int fd = copy_of((size_t)len);
    int e = errno;
    *valid = fd >= 0 && learn_listeners((size_t)len, false, l);
    pages_give_back(text, sizeof text);
    errno = e;
    return fd;
}

/* ---- at start and at a reload ---- */

bool conf_load_first(const struct conf **c, conf_diag_fn *report) {
    *c = &confs[0];
    int fd = open_file();
    if (fd < 0)
        return is_left_out(errno) ? load_default(&confs[0]) : unreadable("open", errno);
    bool ok = load(&confs[0], NULL, fd, report != NULL ? report : log_diag);
    (void)close(fd);
    return ok;
}

const struct conf *conf_load_again(int fd, int error, const struct conf *old, vm_set busy, reload_tell *tell) {
    struct conf *fresh = old == &confs[0] ? &confs[1] : &confs[0];
    told = tell;
    bool ok = fd >= 0              ? load(fresh, old, fd, log_and_tell)
              : is_left_out(error) ? load_default(fresh)
                                   : unreadable(error == EFBIG ? "read" : "open", error);
    bool fits = ok && conf_align(fresh, old, busy);
    scratch_give_back();
    if (ok && !fits)
        no_rows();
    told = NULL;
    return fits ? fresh : NULL;
}

/* Logs nothing: the loop does, of the same file. */
static bool load_quietly(struct conf *conf) {
    int fd = open_file();
    if (fd < 0 && !is_left_out(errno))
        return false;
    if (fd < 0) {
        conf_default(conf);
        return true;
    }
    ssize_t len = file_read_whole(fd, text, sizeof text, FILE_END);
    (void)close(fd);
    bool ok = len >= 0 && conf_parse(conf, text, (size_t)len, NULL, NULL);
    pages_give_back(text, sizeof text);
    return ok;
}

const struct conf *conf_load_beside(const struct conf *old) {
    struct conf *fresh = old == &confs[0] ? &confs[1] : &confs[0];
    bool ok = load_quietly(fresh) && conf_align(fresh, old, ~(vm_set)0);
    if (!ok) /* perhaps there are not enough rows */
        ok = load_quietly(fresh) && conf_align(fresh, old, 0);
    scratch_give_back();
    return ok ? fresh : NULL;
}
