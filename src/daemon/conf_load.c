/*
 * conf_load.c - reading the configuration file. Owns the memory of two configurations, the one in force and the next
 * one; never decides what a configuration means.
 */
#include "daemon/conf_load.h"

#include "base/limits.h"
#include "base/log.h"
#include "config/conf_print.h"
#include "daemon/scratch.h"
#include "os/file.h"
#include "os/opener.h"
#include "os/pages.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static struct conf confs[2];
static const char *chosen; /* NULL: the default path */

void conf_load_choose(const char *path) {
    chosen = path;
}

const char *conf_load_path(void) {
    return chosen != NULL ? chosen : CONF_LOAD_DEFAULT;
}

static void log_diag(const struct diag *d, void *arg) {
    static const enum log_level levels[] = {LOG_ERROR, LOG_WARN, LOG_DEBUG};
    const struct source *source = arg;
    log_line(levels[d->level], "%s:%u:%u: %s%s%s", source->path, d->line, d->column, d->path,
             d->path[0] != '\0' ? ": " : "", d->text);
}

static int open_file(void) {
    return opener_sealed() ? opener_open(OPEN_CONF, "", 0) : openat(AT_FDCWD, conf_load_path(), O_RDONLY | O_CLOEXEC);
}

static bool load(struct conf *conf, conf_diag_fn *report) {
    static char text[VH_CONF_MAX];
    const char *path = conf_load_path();
    int fd = open_file();
    if (fd < 0 && errno == ENOENT && chosen == NULL) {
        conf_default(conf);
        log_info("no %s: built-in configuration, no VMs", CONF_LOAD_DEFAULT);
        return true;
    }
    if (fd < 0) {
        log_error("cannot open the configuration %s: %s", path, strerror(errno));
        return false;
    }
    ssize_t len = file_read_whole(fd, text, sizeof text, FILE_END);
    bool ok = len >= 0;
    if (!ok)
        log_error("cannot read the configuration %s: %s", path,
                  errno == EFBIG ? "it is larger than 1 MiB" : strerror(errno));
    (void)close(fd);
    if (ok) {
        struct source source = {.path = path, .text = text, .len = (size_t)len};
        ok = conf_parse(conf, text, source.len, report, &source);
    }
    pages_give_back(text, sizeof text);
    return ok;
}

bool conf_load_first(const struct conf **c, conf_diag_fn *report) {
    *c = &confs[0];
    return load(&confs[0], report != NULL ? report : log_diag);
}

const struct conf *conf_load_again(const struct conf *old, vm_set busy) {
    struct conf *fresh = old == &confs[0] ? &confs[1] : &confs[0];
    if (!load(fresh, log_diag))
        return NULL;
    bool fits = conf_align(fresh, old, busy);
    scratch_give_back();
    if (!fits) {
        log_error("too many VMs while old ones still hold devices: at most %d (VH_MAX_VMS)", VH_MAX_VMS);
        return NULL;
    }
    return fresh;
}
