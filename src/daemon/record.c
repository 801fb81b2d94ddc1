/*
 * record.c - the record of assignments. Owns its file, which is shared memory: a row is written by storing it, so
 * noting an assignment before it begins costs no system call, and what is stored outlives a killed daemon. Decides
 * nothing.
 *
 * A later daemon may read the file after any store. So a row's VMs are stored last and taken away first, and the rows
 * of the daemon before stay until each of their devices has a row of this one.
 */
#include "daemon/record.h"

#include "base/log.h"
#include "base/str.h"
#include "os/boot.h"
#include "os/file.h"
#include "os/pages.h"
#include "os/sysfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

enum { TMPFS = 0x01021994, RAMFS = 0x858458f6 }; /* linux/magic.h */

static const char magic[] = "vhotplug record 2";

struct image {
    char magic[24];
    char boot[VH_BOOT_ID_MAX];
    char vm[VH_MAX_VMS][VH_NAME_MAX]; /* bit v of a row's VMs */
    struct assigned now[CORE_SLOTS];  /* by slot */
    struct assigned before[CORE_SLOTS];
};

static struct image *file; /* NULL: nothing is noted */
static bool any_before;
static struct { /* with the core */
    uint64_t changes;
    int used; /* rows above are empty */
    uint32_t plug[CORE_SLOTS];
} synced;
static struct assigned earlier[CORE_SLOTS]; /* for the core, by the VMs of this configuration */

/* ---- reading ---- */

/* Of root or of the user that the daemon runs as, and written by nobody else. */
static bool is_ours(int fd) {
    struct stat st;
    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (st.st_uid == 0 || st.st_uid == geteuid()) &&
           (st.st_mode & 022) == 0 && st.st_size == (off_t)sizeof(struct image);
}

static bool read_image(int fd, struct image *im) {
    return file_read_whole(fd, im, sizeof *im, FILE_END) == (ssize_t)sizeof *im &&
           memcmp(im->magic, magic, sizeof magic) == 0 && memchr(im->boot, '\0', sizeof im->boot) != NULL;
}

/* The VMs of an old row in the new configuration. *gone: one is not configured any more, but may have kept a
 * descriptor. */
static vm_set vms_now(const struct image *im, const struct conf *conf, vm_set old, bool *gone) {
    vm_set vms = 0;
    for (int v = 0; v < VH_MAX_VMS; v++) {
        bool named = (old >> v & 1) != 0 && memchr(im->vm[v], '\0', VH_NAME_MAX) != NULL && im->vm[v][0] != '\0';
        int fresh = named ? conf_vm(conf, im->vm[v]) : -1;
        *gone = *gone || ((old >> v & 1) != 0 && fresh < 0);
        if (fresh >= 0)
            vms |= (vm_set)1 << fresh;
    }
    return vms;
}

/* False if there is no room. */
static bool add_row(const struct image *im, const struct conf *conf, const struct assigned *row, int *n) {
    bool gone = (row->more & ASSIGNED_GONE) != 0;
    vm_set vms = vms_now(im, conf, row->vms, &gone);
    uint64_t more = (row->more & ASSIGNED_BOUND) | (gone ? ASSIGNED_GONE : 0);
    if ((vms == 0 && more == 0) || memchr(row->sys_name, '\0', sizeof row->sys_name) == NULL)
        return true;
    for (int i = 0; i < *n; i++) {
        if (earlier[i].incarnation == row->incarnation && str_eq(earlier[i].sys_name, row->sys_name)) {
            earlier[i].vms |= vms;
            earlier[i].more |= more;
            if (earlier[i].port != row->port || earlier[i].socket != row->socket)
                earlier[i].port = 0; /* which of them holds is not known */
            return true;
        }
    }
    if (*n == CORE_SLOTS)
        return false;
    earlier[*n] = *row;
    earlier[*n].more = more;
    earlier[(*n)++].vms = vms;
    return true;
}

static bool take_rows(const struct image *im, const struct conf *conf, int *n) {
    for (int i = 0; i < CORE_SLOTS; i++) {
        if (!add_row(im, conf, &im->now[i], n) || !add_row(im, conf, &im->before[i], n))
            return false;
    }
    return true;
}

/* What an earlier daemon of this boot has noted. */
static enum earlier read_earlier(int dir, const char *name, const struct conf *conf, struct image *im, int *n) {
    char boot[VH_BOOT_ID_MAX];
    boot_id(boot);
    int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? EARLIER_NONE : EARLIER_UNKNOWN;
    bool good = is_ours(fd) && read_image(fd, im);
    (void)close(fd);
    if (good && !str_eq(im->boot, boot))
        return EARLIER_NONE;
    return good && take_rows(im, conf, n) ? EARLIER_NOTED : EARLIER_UNKNOWN;
}

/* ---- writing ---- */

/* A store into a file on a disk may wait for the disk, and one into a file without room ends the process. */
static bool is_in_memory(int fd) {
    struct statfs fs;
    if (!sysfs_root_is_real())
        return true; /* a test's directory */
    errno = EMEDIUMTYPE;
    return fstatfs(fd, &fs) == 0 && ((uint32_t)fs.f_type == TMPFS || (uint32_t)fs.f_type == RAMFS);
}

/* The new file takes the place of the old one at once, with everything that is known. Its pages are there from the
 * write on. Workers must not inherit the memory: the record is the word of the process that decides. */
static struct image *replace(int dir, const char *name, const struct image *im) {
    char fresh[VH_PATH_MAX];
    void *p = MAP_FAILED;
    if (!str_fmt(fresh, sizeof fresh, "%s.new", name)) {
        errno = ENAMETOOLONG;
        return NULL;
    }
    (void)unlinkat(dir, fresh, 0); /* left by a daemon that died while writing */
    int fd = openat(dir, fresh, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return NULL;
    if (is_in_memory(fd) && file_write_whole(fd, im, sizeof *im) && renameat(dir, fresh, dir, name) == 0)
        p = mmap(NULL, sizeof *im, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (p != MAP_FAILED && madvise(p, sizeof *im, MADV_DONTFORK) != 0) {
        (void)munmap(p, sizeof *im);
        p = MAP_FAILED;
    }
    int saved = errno;
    (void)close(fd);
    if (p == MAP_FAILED)
        (void)unlinkat(dir, fresh, 0);
    errno = saved;
    return p != MAP_FAILED ? p : NULL;
}

/* Splits at the last slash: the path is absolute. The directory is below the root of sysfs.h. */
static int open_parent(const char *path, const char **name) {
    char parent[VH_PATH_MAX];
    const char *slash = strrchr(path, '/');
    VH_ASSERT(slash != NULL && str_copyn(parent, sizeof parent, path, (size_t)(slash - path)));
    *name = slash + 1;
    return sysfs_open(parent, O_PATH | O_DIRECTORY);
}

static void fill(struct image *im, const struct conf *conf, int n) {
    memset(im, 0, sizeof *im);
    memcpy(im->magic, magic, sizeof magic);
    boot_id(im->boot);
    for (int v = 0; v < conf->nvms; v++)
        memcpy(im->vm[v], conf->vms[v].name, VH_NAME_MAX);
    memcpy(im->before, earlier, (size_t)n * sizeof earlier[0]);
}

void record_start(const struct conf *conf, struct core *core) {
    static struct image im;
    const char *name = "";
    int n = 0, dir = open_parent(conf->record_path, &name);
    enum earlier known = dir >= 0 ? read_earlier(dir, name, conf, &im, &n) : EARLIER_UNKNOWN;
    if (dir >= 0 && known == EARLIER_UNKNOWN)
        log_warn("the record of assignments cannot be used: path=%s, each device waits for every VM",
                 conf->record_path);
    if (known != EARLIER_UNKNOWN)
        core_earlier(core, known == EARLIER_NOTED ? earlier : NULL, n);
    else
        n = 0;
    any_before = n > 0;
    memset(&synced, 0, sizeof synced);
    fill(&im, conf, n);
    file = dir >= 0 ? replace(dir, name, &im) : NULL;
    if (file == NULL)
        log_warn("no record of assignments: path=%s error=\"%s\", after a restart each device waits for every VM",
                 conf->record_path, strerror(errno));
    if (dir >= 0)
        (void)close(dir);
    pages_give_back(&im, sizeof im);
}

void record_names(const struct conf *conf) {
    for (int v = 0; file != NULL && v < conf->nvms; v++)
        memcpy(file->vm[v], conf->vms[v].name, VH_NAME_MAX);
}

/* ---- noting ---- */

/* The compiler keeps the order of the stores; the kernel keeps all that were made. */
static void barrier(void) {
    atomic_signal_fence(memory_order_seq_cst);
}

static bool is_of(const struct assigned *a, const struct device *d) {
    return a->incarnation == d->incarnation && strncmp(a->sys_name, d->sys_name, sizeof a->sys_name) == 0;
}

static bool says_nothing(const struct assigned *row) {
    return row->vms == 0 && row->more == 0;
}

static void empty(struct assigned *row) {
    row->vms = 0;
    row->more = 0;
}

/* A port without its socket, or the other way round, would be another port. */
static void note_port(struct assigned *row, uint8_t port, uint64_t socket) {
    if (row->port == port && (port == 0 || row->socket == socket))
        return;
    row->port = 0;
    barrier();
    row->socket = socket;
    barrier();
    row->port = port;
    barrier();
}

static void note(struct assigned *row, const struct slot *s, vm_set vms, uint64_t more) {
    const struct device *d = &s->dev;
    if (vms == 0 && more == 0) {
        empty(row);
        barrier();
        return;
    }
    if (!is_of(row, d)) {
        empty(row);
        barrier();
        row->incarnation = d->incarnation;
        memcpy(row->sys_name, d->sys_name, sizeof row->sys_name);
    }
    note_port(row, s->vm_port, s->vm_socket);
    if (row->vms == vms && row->more == more)
        return;
    barrier();
    row->vms = vms;
    row->more = more;
    barrier();
}

/* From here on the row of the slot says it. */
static void forget_before(const struct device *d) {
    for (int i = 0; i < CORE_SLOTS; i++) {
        if (!says_nothing(&file->before[i]) && is_of(&file->before[i], d))
            empty(&file->before[i]);
    }
}

/* A step that no list shows has given no VM anything. What the daemon before noted of a device is looked for once, when
 * its plug is new. */
void record_sync(const struct core *c) {
    if (file == NULL || c->changes == synced.changes)
        return;
    synced.changes = c->changes;
    for (int i = 0; i < c->used || i < synced.used; i++) {
        const struct slot *s = &c->slot[i];
        if (i >= c->used || s->state != SLOT_PRESENT) {
            empty(&file->now[i]);
            continue;
        }
        uint64_t more = (core_stray(c, i) ? ASSIGNED_GONE : 0) | (core_bound(c, i) ? ASSIGNED_BOUND : 0);
        note(&file->now[i], s, core_may_have(c, i), more);
        if (any_before && synced.plug[i] != s->plug)
            forget_before(&s->dev);
        synced.plug[i] = s->plug;
    }
    synced.used = c->used;
}
