/*
 * modules.c - the module lists of the running kernel, read a piece at a time. Owns the paths of the modules found in
 * them; never asks which modules are loaded.
 *
 * The lists are not mapped: a mapped file that is truncated ends the process that reads it. A distribution's lists have
 * 2 MB. Most devices name their class and need no list, so readings are rare, and the memory of the pieces is given
 * back after each.
 */
#include "bus/modules.h"

#include "base/limits.h"
#include "base/log.h"
#include "base/str.h"
#include "codec/modalias.h"
#include "os/pages.h"
#include "os/sysfs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

enum { ALIAS, DEP, BUILTIN, BUILTIN_INFO, LISTS };

static const char *const names[LISTS] = {"modules.alias", "modules.dep", "modules.builtin", "modules.builtin.modinfo"};

/* A list that is being read. Each record ends with the byte `end`; a part is as many whole records as fit into a block.
 */
struct reading {
    int fd;
    char end;
    bool skip;   /* in a record that is longer than a block: skip to its end */
    bool failed; /* some of the list could not be read */
    size_t total, have, taken;
    struct modalias_list part;
    char block[VH_MODULE_BLOCK];
};

static struct {
    bool there;
    char dir[VH_TEXT_MAX]; /* "/lib/modules/6.1.0" */
    char list[LISTS][VH_PATH_MAX];
    size_t found_used, used;
    char found[VH_DRIVERS_TEXT];     /* of the device asked about last, each with its NUL */
    char paths[VH_MODULE_PATHS];     /* each with its NUL */
    struct reading patterns, places; /* places: the modules that patterns name */
} modules;

/* ---- reading a list ---- */

/* False if there is no such list, or if it cannot be opened. */
static bool open_list(struct reading *r, int list) {
    r->end = list == BUILTIN_INFO ? '\0' : '\n';
    r->skip = false;
    r->total = r->have = r->taken = 0;
    r->fd = sysfs_open(modules.list[list], O_RDONLY | O_NONBLOCK);
    r->failed = r->fd < 0 && errno != ENOENT && errno != ENOTDIR;
    return r->fd >= 0;
}

/* Fills the block. False at the end of the file, or after a failure. */
static bool fill(struct reading *r) {
    r->have -= r->taken;
    memmove(r->block, r->block + r->taken, r->have);
    r->taken = 0;
    while (r->have < sizeof r->block) {
        ssize_t n = sysfs_read(r->fd, r->block + r->have, sizeof r->block - r->have);
        r->failed |= n < 0 || r->total > VH_MODULE_LIST_MAX;
        if (n <= 0 || r->failed)
            return false;
        r->have += (size_t)n;
        r->total += (size_t)n;
    }
    return true;
}

/* The next whole records. A record that is longer than a block is skipped. False after the last record. */
static bool next_part(struct reading *r) {
    for (;;) {
        bool more = fill(r);
        size_t from = 0, to = r->have;
        if (r->skip) {
            const char *stop = memchr(r->block, r->end, r->have);
            from = stop != NULL ? (size_t)(stop - r->block) + 1 : r->have;
            r->skip = stop == NULL;
        }
        if (more) {
            const char *last = memrchr(r->block + from, r->end, r->have - from);
            to = last != NULL ? (size_t)(last - r->block) + 1 : from;
        }
        r->skip |= more && to == 0;
        r->taken = to > 0 ? to : r->have;
        r->part = (struct modalias_list){r->block + from, to - from, r->end};
        if (to > from)
            return true;
        if (!more)
            return false;
    }
}

/* True if all of the list was read, or there is no such list. */
static bool close_list(struct reading *r) {
    if (r->fd >= 0)
        (void)close(r->fd);
    return !r->failed;
}

/* ---- where they are ---- */

/* A list is a regular file that is not empty. */
static bool find_list(int l) {
    struct stat st;
    bool ok = str_fmt(modules.list[l], sizeof modules.list[l], "%s/%s", modules.dir, names[l]);
    VH_ASSERT(ok); /* the directory is shorter by far */
    int fd = sysfs_open(modules.list[l], O_PATH);
    ok = fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0;
    if (fd >= 0)
        (void)close(fd);
    return ok;
}

const char *modules_path(int n) {
    if (!modules.there || n > LISTS)
        return "";
    return n == LISTS ? modules.dir : find_list(n) ? modules.list[n] : "";
}

bool modules_there(const char **dir) {
    *dir = modules.dir;
    return modules.there;
}

void modules_open(void) {
    static const char *const places[] = {"/lib/modules", "/usr/lib/modules",
                                         "/run/booted-system/kernel-modules/lib/modules"};
    char release[VH_NAME_MAX * 2];
    struct utsname u;
    if (sysfs_table("/proc/sys/kernel/osrelease", release, sizeof release) <= 0)
        (void)str_copy(release, sizeof release, uname(&u) == 0 ? u.release : "");
    for (size_t i = 0; i < sizeof places / sizeof *places && !modules.there; i++) {
        if (!str_fmt(modules.dir, sizeof modules.dir, "%s/%s", places[i], release))
            break;
        for (int l = 0; l < LISTS; l++)
            modules.there |= find_list(l);
    }
    if (!modules.there) /* the warning names the usual place */
        (void)str_fmt(modules.dir, sizeof modules.dir, "%s/%s", places[0], release);
}

/* The one copy of this text among those at `texts`; NULL if there is no space for another. */
static const char *put(char *texts, size_t *used, size_t cap, const char *text) {
    for (size_t at = 0; at < *used; at += strlen(texts + at) + 1) {
        if (str_eq(texts + at, text))
            return texts + at;
    }
    char *place = texts + *used;
    if (!str_copy(place, cap - *used, text))
        return NULL;
    *used += strlen(text) + 1;
    return place;
}

/* The one copy of this path; NULL if there is no room for another. */
static const char *keep(const struct modalias_name *path) {
    char full[VH_PATH_MAX];
    bool absolute = path->p[0] == '/';
    if (!str_fmt(full, sizeof full, "%s%s%.*s", absolute ? "" : modules.dir, absolute ? "" : "/", (int)path->n,
                 path->p))
        return NULL;
    return put(modules.found, &modules.found_used, sizeof modules.found, full);
}

const char *modules_intern(const char *path) {
    return put(modules.paths, &modules.used, sizeof modules.paths, path);
}

static bool add(struct device *d, const char *path) {
    for (int i = 0; i < VH_MAX_DRIVERS; i++) {
        if (d->driver_path[i] == NULL)
            d->driver_path[i] = path;
        if (d->driver_path[i] == path)
            return true;
    }
    return false;
}

/* True if the list was read; path->p is NULL if the module is not in it. */
static bool find_place(int list, const struct modalias_name *module, struct modalias_name *path) {
    struct reading *r = &modules.places;
    bool found = false;
    for (bool more = open_list(r, list); more && !found && next_part(r);)
        found = modalias_path(&r->part, module, path);
    if (!found)
        path->p = NULL;
    return close_list(r) || found;
}

/* A module that neither modules.dep nor modules.builtin has is not installed, and drives nothing. */
static bool add_module(struct device *d, const struct modalias_name *module, const char **why) {
    struct modalias_name path = {NULL, 0};
    *why = "the lists of kernel modules cannot be read";
    if (!find_place(DEP, module, &path) || (path.p == NULL && !find_place(BUILTIN, module, &path)))
        return false;
    if (path.p == NULL)
        return true;
    const char *kept = keep(&path);
    *why = kept == NULL ? "no room for the path of its driver" : "more drivers fit it than can be told apart";
    return kept != NULL && add(d, kept);
}

static bool match_part(struct device *d, const struct modalias_list *part, char own[][VH_MODALIAS_MAX],
                       const char **why) {
    struct modalias_name pattern, module;
    for (size_t at = 0; modalias_next(part, &at, &pattern, &module);) {
        bool fits = false;
        for (int f = 0; f < d->usb.nifaces && !fits; f++)
            fits = own[f][0] != '\0' && modalias_matches(pattern.p, pattern.n, own[f]);
        if (fits && !add_module(d, &module, why))
            return false;
    }
    return true;
}

static bool match_lists(struct device *d, const char **why) {
    static const int lists[] = {ALIAS, BUILTIN_INFO};
    static char own[VH_MAX_IFACES][VH_MODALIAS_MAX];
    struct reading *r = &modules.patterns;
    bool ok = true;
    for (int f = 0; f < d->usb.nifaces; f++) {
        own[f][0] = '\0';
        if (modalias_counts(d, f))
            modalias_of(d, f, own[f]);
    }
    for (size_t i = 0; i < sizeof lists / sizeof *lists && ok; i++) {
        for (bool more = open_list(r, lists[i]); more && ok && next_part(r);)
            ok = match_part(d, &r->part, own, why);
        if (!close_list(r) && ok) {
            *why = "the lists of kernel modules cannot be read";
            ok = false;
        }
    }
    return ok;
}

bool modules_of(struct device *d, const char **why) {
    memset(d->driver_path, 0, sizeof d->driver_path);
    if (d->usb.nifaces == 0 || !modules.there || !modalias_by_ids_only(d))
        return true;
    modules.found_used = 0;
    bool ok = match_lists(d, why);
    pages_give_back(&modules.patterns, sizeof modules.patterns);
    pages_give_back(&modules.places, sizeof modules.places);
    return ok;
}
