/*
 * modules.c - the module lists of the running kernel, mapped, and the paths of the modules found in them.
 *
 * Mapped at start, because later no memory can be had. depmod makes new lists and renames them into place, so what is
 * mapped stays as it was. Their pages go back after each look: a distribution's lists have 2 MB, and most devices name
 * their class, so few looks are ever taken. Asks nobody which modules are loaded.
 */
#include "modules.h"

#include "limits.h"
#include "modalias.h"
#include "str.h"
#include "sysfs.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

enum { ALIAS, DEP, BUILTIN, BUILTIN_INFO, LISTS };

static struct {
    bool there;
    char dir[VH_TEXT_MAX]; /* "/lib/modules/6.1.0" */
    struct modalias_list list[LISTS];
    size_t used;
    char paths[VH_MODULE_PATHS]; /* each with its NUL */
} modules;

/* A regular file of sane size; else there is no such list. */
static struct modalias_list map(const char *dir, const char *name, char end) {
    char path[VH_PATH_MAX];
    struct stat st;
    struct modalias_list l = {NULL, 0, end};
    int fd = str_fmt(path, sizeof path, "%s/%s", dir, name) ? sysfs_open(path, O_RDONLY) : -1;
    if (fd < 0)
        return l;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0 && st.st_size <= INT32_MAX) {
        void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (p != MAP_FAILED)
            l = (struct modalias_list){p, (size_t)st.st_size, end};
    }
    (void)close(fd);
    return l;
}

bool modules_there(const char **dir) {
    *dir = modules.dir;
    return modules.there;
}

void modules_open(void) {
    static const char *const places[] = {"/lib/modules", "/usr/lib/modules",
                                         "/run/booted-system/kernel-modules/lib/modules"};
    static const char *const names[LISTS] = {"modules.alias", "modules.dep", "modules.builtin",
                                             "modules.builtin.modinfo"};
    char release[VH_NAME_MAX * 2];
    struct utsname u;
    if (sysfs_table("/proc/sys/kernel/osrelease", release, sizeof release) <= 0)
        (void)str_copy(release, sizeof release, uname(&u) == 0 ? u.release : "");
    for (size_t i = 0; i < sizeof places / sizeof *places && !modules.there; i++) {
        if (!str_fmt(modules.dir, sizeof modules.dir, "%s/%s", places[i], release))
            break;
        for (int l = 0; l < LISTS; l++) {
            modules.list[l] = map(modules.dir, names[l], l == BUILTIN_INFO ? '\0' : '\n');
            modules.there |= modules.list[l].text != NULL;
        }
    }
    if (!modules.there) /* then the usual place is what the warning names */
        (void)str_fmt(modules.dir, sizeof modules.dir, "%s/%s", places[0], release);
}

/* The one copy of this path; NULL if there is no room for another. */
static const char *keep(const struct modalias_name *path) {
    char full[VH_PATH_MAX];
    bool absolute = path->p[0] == '/';
    if (!str_fmt(full, sizeof full, "%s%s%.*s", absolute ? "" : modules.dir, absolute ? "" : "/", (int)path->n,
                 path->p))
        return NULL;
    for (size_t at = 0; at < modules.used; at += strlen(modules.paths + at) + 1) {
        if (str_eq(modules.paths + at, full))
            return modules.paths + at;
    }
    char *place = modules.paths + modules.used;
    if (!str_copy(place, sizeof modules.paths - modules.used, full))
        return NULL;
    modules.used += strlen(full) + 1;
    return place;
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

/* A list names a module that no other list places: it is not installed, and drives nothing. */
static bool add_module(struct device *d, const struct modalias_name *module, const char **why) {
    struct modalias_name path;
    if (!modalias_path(&modules.list[DEP], module, &path) && !modalias_path(&modules.list[BUILTIN], module, &path))
        return true;
    const char *kept = keep(&path);
    *why = kept == NULL ? "no room for the path of its driver" : "more drivers fit it than can be told apart";
    return kept != NULL && add(d, kept);
}

static bool look(struct device *d, const char **why) {
    static const int lists[] = {ALIAS, BUILTIN_INFO};
    static char names[VH_MAX_IFACES][VH_MODALIAS_MAX];
    for (int f = 0; f < d->nifaces; f++)
        modalias_of(d, f, names[f]);
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        struct modalias_name pattern, module;
        for (size_t at = 0; modalias_next(&modules.list[lists[i]], &at, &pattern, &module);) {
            bool fits = false;
            for (int f = 0; f < d->nifaces && !fits; f++)
                fits = modalias_matches(pattern.p, pattern.n, names[f]);
            if (fits && !add_module(d, &module, why))
                return false;
        }
    }
    return true;
}

bool modules_of(struct device *d, const char **why) {
    memset(d->driver_path, 0, sizeof d->driver_path);
    if (d->nifaces == 0 || !modalias_tells(d))
        return true;
    bool told = look(d, why);
    for (int l = 0; l < LISTS; l++) {
        const struct modalias_list *m = &modules.list[l];
        if (m->text != NULL) /* madvise() takes no const. NOLINTNEXTLINE(performance-no-int-to-ptr) */
            (void)madvise((void *)(uintptr_t)m->text, m->len, MADV_DONTNEED); /* no harm if it fails */
    }
    return told;
}
