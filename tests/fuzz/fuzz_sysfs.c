/*
 * fuzz_sysfs.c - any contents of the attributes that are read of a device, of the tables in /proc, and of the directory
 * itself: every device told of keeps its bounds, its strings are UTF-8, what is not a device's name is none, and what
 * was kept of a device is what a fresh reading says.
 *
 * The linker hands the calls of openat, read, sys_stat, readlinkat, close and getdents64 to a file system in memory
 * (tests/tests.mk: WRAPPED). Input: pieces, each after a byte that says which file it is; a file without a piece is not
 * there.
 */
#include "base/log.h"
#include "base/str.h"
#include "bus/device_pool.h"
#include "bus/usb/bus_usb.h"
#include "bytes.h"
#include "codec/uevent.h"
#include "kept.h"
#include "must.h"
#include "os/clock.h"
#include "os/sys.h"
#include "os/sysfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Files that may be there. Of the devices' attributes, the last component of the path decides. */
static const char *const names[] = {"busnum",
                                    "devnum",
                                    "devpath",
                                    "speed",
                                    "descriptors",
                                    "idVendor",
                                    "idProduct",
                                    "manufacturer",
                                    "product",
                                    "serial",
                                    "removable",
                                    "mountinfo",
                                    "swaps",
                                    "route",
                                    "ipv6_route",
                                    "devices" /* the directory's entries, by NUL */,
                                    "block" /* likewise */,
                                    "holders",
                                    "link" /* of every link */};
enum { FILES = sizeof names / sizeof *names, DIRECTORIES = 15, LINK = 18, FDS = 16, FIRST_FD = 1000 };

static struct {
    const unsigned char *p;
    size_t len;
    bool there, fails; /* fails: with EIO when it is read */
    unsigned piece;    /* bytes that one read() gives at most, 0: all */
} files[FILES];

static struct {
    bool used;
    int file; /* -1: a directory without files that are read as such */
    size_t at;
} fds[FDS];

static uint64_t plug; /* each input's devices are new ones */
static bool unplugged;

static int file_of(const char *path) {
    const char *slash = strrchr(path, '/'), *base = slash != NULL ? slash + 1 : path;
    for (int i = 0; i < FILES; i++) {
        if (base[0] == names[i][0] && strcmp(base, names[i]) == 0) /* libFuzzer looks at each strcmp */
            return i;
    }
    return -1;
}

int __wrap_openat(int dirfd, const char *path, int flags, ...);
ssize_t __wrap_read(int fd, void *dst, size_t cap);
bool __wrap_sys_stat(int fd, const char *path, int flags, struct sys_stat *st);
int __wrap_close(int fd);
ssize_t __wrap_readlinkat(int dirfd, const char *path, char *dst, size_t cap);
long __wrap_syscall(long number, ...);
ssize_t __real_read(int fd, void *dst, size_t cap);
int __real_close(int fd);

int __wrap_openat(int dirfd, const char *path, int flags, ...) {
    (void)dirfd;
    int file = file_of(path);
    bool directory = (flags & O_DIRECTORY) != 0;
    if (directory && file < 0 && !unplugged)
        file = -1; /* a device's own */
    else if (file < 0 || !files[file].there) {
        errno = ENOENT;
        return -1;
    }
    for (int i = 0; i < FDS; i++) {
        if (!fds[i].used) {
            fds[i].used = true;
            fds[i].file = file;
            fds[i].at = 0;
            return FIRST_FD + i;
        }
    }
    abort(); /* descriptors leak */
}

static bool ours(int fd) {
    return fd >= FIRST_FD && fd < FIRST_FD + FDS;
}

ssize_t __wrap_read(int fd, void *dst, size_t cap) {
    if (!ours(fd))
        return __real_read(fd, dst, cap);
    int file = fds[fd - FIRST_FD].file;
    MUST(fds[fd - FIRST_FD].used && file >= 0);
    size_t *at = &fds[fd - FIRST_FD].at, n = files[file].len - *at;
    if (files[file].fails && *at > 0) {
        errno = EIO;
        return -1;
    }
    if (files[file].piece > 0 && n > files[file].piece)
        n = files[file].piece;
    n = n < cap ? n : cap;
    memcpy(dst, files[file].p + *at, n);
    *at += n;
    return (ssize_t)n;
}

bool __wrap_sys_stat(int fd, const char *path, int flags, struct sys_stat *st) {
    MUST(ours(fd) && fds[fd - FIRST_FD].used && path[0] == '\0' && flags == AT_EMPTY_PATH);
    memset(st, 0, sizeof *st);
    st->ino = plug;
    st->mode = S_IFDIR | 0755;
    return true;
}

int __wrap_close(int fd) {
    if (!ours(fd))
        return __real_close(fd);
    MUST(fds[fd - FIRST_FD].used);
    fds[fd - FIRST_FD].used = false;
    return 0;
}

ssize_t __wrap_readlinkat(int dirfd, const char *path, char *dst, size_t cap) {
    (void)dirfd;
    (void)path;
    if (!files[LINK].there) {
        errno = ENOENT;
        return -1;
    }
    size_t n = files[LINK].len < cap ? files[LINK].len : cap;
    memcpy(dst, files[LINK].p, n);
    return (ssize_t)n;
}

struct entry { /* struct linux_dirent64 */
    uint64_t ino;
    int64_t off;
    unsigned short reclen;
    unsigned char type;
    char name[];
};

static long entries(int fd, char *dst, size_t cap) {
    long len = 0;
    int file = fds[fd - FIRST_FD].file;
    size_t *at = &fds[fd - FIRST_FD].at;
    while (file >= DIRECTORIES && *at < files[file].len) {
        const unsigned char *name = files[file].p + *at, *nul = memchr(name, 0, files[file].len - *at);
        size_t n = nul != NULL ? (size_t)(nul - name) : files[file].len - *at;
        n = n < 255 ? n : 255;
        size_t size = (offsetof(struct entry, name) + n + 1 + 7) & ~(size_t)7;
        if ((size_t)len + size > cap)
            break;
        memset(dst + len, 0, size);
        ((struct entry *)(void *)(dst + len))->reclen = (unsigned short)size;
        memcpy(((struct entry *)(void *)(dst + len))->name, name, n);
        len += (long)size;
        *at += n + 1;
    }
    return len;
}

long __wrap_syscall(long number, ...) {
    va_list ap;
    va_start(ap, number);
    int fd = va_arg(ap, int);
    char *dst = va_arg(ap, char *);
    size_t cap = va_arg(ap, size_t);
    va_end(ap);
    MUST(number == SYS_getdents64 && ours(fd) && fds[fd - FIRST_FD].used);
    return entries(fd, dst, cap);
}

/* ---- what is told ---- */

static bool is_utf8(const char *s, size_t cap) {
    MUST(memchr(s, 0, cap) != NULL);
    for (size_t n = strlen(s), len; n > 0; s += len, n -= len) {
        len = utf8_len(s, n, NULL);
        if (len == 0)
            return false;
    }
    return true;
}

static bool keeps; /* somebody keeps what was told: of half of the inputs */
static int gone;

static const struct device *reported(const char *name) {
    return keeps ? kept_device(name) : NULL;
}

/* The files stay as they are: what is told again of a device is the same. Names wait until it is settled. */
static void again(const struct device *was, const struct device *d) {
    MUST(d->usb.busnum == was->usb.busnum && d->usb.devnum == was->usb.devnum && d->vid == was->vid &&
         d->pid == was->pid);
    MUST(strcmp(d->usb.port_path, was->usb.port_path) == 0 && strcmp(d->usb.speed, was->usb.speed) == 0);
    MUST(strcmp(d->malformed, was->malformed) == 0 && d->usb.nifaces == was->usb.nifaces &&
         d->usb.removable == was->usb.removable);
    MUST(memcmp(d->usb.ifaces, was->usb.ifaces, d->usb.nifaces * sizeof *d->usb.ifaces) == 0);
    MUST(d->settled != was->settled || strcmp(d->serial, was->serial) == 0);
    MUST(d->settled != was->settled || strcmp(d->product_name, was->product_name) == 0);
}

static void told(const struct fact *f) {
    if (f->kind == FACT_GONE)
        MUST(f->sys_name != NULL && f->sys_name[0] != '\0' && strlen(f->sys_name) < VH_SYSNAME_MAX);
    gone += f->kind == FACT_GONE;
    if (f->kind != FACT_DEVICE)
        return;
    const struct device *d = f->device;
    MUST(d->incarnation == plug && strspn(d->sys_name, "0123456789-.usb") == strlen(d->sys_name));
    MUST(d->usb.devnum > 0 && d->usb.devnum < 128 && d->usb.port_path[0] != '\0' && d->usb.nifaces <= VH_MAX_IFACES);
    MUST(is_utf8(d->vendor_name, VH_STRING_MAX) && d->vendor_name[0] != '\0');
    MUST(is_utf8(d->product_name, VH_STRING_MAX) && d->product_name[0] != '\0');
    MUST(is_utf8(d->serial, VH_STRING_MAX));
    MUST(memchr(d->protect, 0, VH_PROTECT_MAX)); /* a mount point, any bytes: printed by those who know of that */
    MUST(memchr(d->usb.port_path, 0, sizeof d->usb.port_path) && memchr(d->usb.speed, 0, sizeof d->usb.speed));
    MUST(memchr(d->malformed, 0, VH_MALFORMED_MAX) && (d->malformed[0] == '\0' || d->usb.nifaces == 0));
    MUST(files[4].there || d->malformed[0] != '\0');
    MUST(d->usb.removable <= REMOVABLE_REMOVABLE);
    const struct device *was = kept_device(d->sys_name);
    if (was != NULL)
        again(was, d);
    kept_fact(f);
}

static void start(void) {
    static const struct bus_calls calls = {.fact = told, .reported = reported};
    /* any root but the real one, where a directory would be made */
    MUST(sysfs_root("/proc") && kept_start(&calls, bus_usb_done));
}

static void pump(void) {
    device_pool_tick(clock_now());
    MUST(!bus_usb.scanning());
}

static void read_noted(void) {
    bus_usb.read_noted();
    pump();
}

static void scan(bool coldplug) {
    bus_usb.scan(coldplug);
    pump();
}

static void uevent(const char *devpath, const char *action, const char *subsystem) {
    struct uevent ev = {.action = action, .devpath = devpath, .subsystem = subsystem, .devtype = "usb_device"};
    (void)bus_usb.uevent(&ev);
}

/* Nothing is left for the next input. */
static void unplug(void) {
    unplugged = true;
    gone = 0;
    for (int i = 0; i < kept.n; i++) {
        char path[sizeof "/devices/" + VH_SYSNAME_MAX];
        snprintf(path, sizeof path, "/devices/%s", kept.dev[i].sys_name);
        uevent(path, "remove", "usb");
        read_noted();
    }
    MUST(gone == kept.n);
    unplugged = false;
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size) {
    struct bytes in = {data, size};
    static bool begun;
    memset(files, 0, sizeof files);
    log_open("fuzz", LOG_ERROR);
    if (!begun)
        start();
    begun = true;
    plug++;
    kept.n = 0;
    keeps = (size & 1) != 0;
    while (in.left > 0) {
        unsigned what = take(&in);
        int file = (int)(what & 31) % FILES;
        files[file].there = true;
        files[file].fails = (what & 0xe0) == 0xe0;
        files[file].piece = (what & 0xe0) == 0x20 ? 1 : (what & 0xe0) == 0x40 ? 7 : 0;
        files[file].p = piece(&in, 4096, &files[file].len);
    }
    scan((size & 2) != 0);
    uevent("/devices/pci0/usb1/1-2", "add", "usb");
    read_noted();
    uevent("/devices/pci0/usb1/1-2", "change", "usb"); /* a batch */
    uevent("/devices/pci0/usb1/1-2", "bind", "usb");
    uevent("/devices/pci0/usb1/1-2/1-2.1", "bind", "usb");
    uevent("/devices/pci0/usb1/1-2/1-2:1.0/net/eth0", "add", "net");
    read_noted();
    bus_usb.recheck();
    pump();
    bus_usb.tick(VH_NEVER - 1);
    pump();
    keeps = false; /* what was kept is what a fresh reading says */
    scan(false);
    files[0].there = false; /* busnum: now it is going */
    uevent("/devices/pci0/usb1/1-2", "remove", "usb");
    read_noted();
    unplug();
    for (int i = 0; i < FDS; i++)
        MUST(!fds[i].used);
    return 0;
}
