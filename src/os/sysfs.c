/*
 * sysfs.c - reads below a root directory, bounded. Owns the descriptor of the root. Interprets nothing.
 */
#include "os/sysfs.h"

#include "base/log.h"
#include "base/str.h"
#include "os/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int root = -1;
static bool real_root;

bool sysfs_root(const char *dir) {
    int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return false;
    if (root >= 0)
        (void)close(root);
    root = fd;
    real_root = str_eq(dir, "/");
    return true;
}

bool sysfs_root_is_real(void) {
    return real_root;
}

static unsigned troubles;

unsigned sysfs_troubles(void) {
    return troubles;
}

/* That a file has gone, or is no directory, is an answer and no failure. */
static void note_trouble(void) {
    if (errno != ENOENT && errno != ENODEV && errno != ENXIO && errno != ENOTDIR)
        troubles++;
}

static int open_at(int dirfd, const char *name, int flags) {
    int fd;
    do {
        fd = openat(dirfd, name, flags | O_CLOEXEC, 0600);
    } while (fd < 0 && errno == EINTR);
    if (fd < 0)
        note_trouble();
    return fd;
}

int sysfs_open(const char *path, int flags) {
    VH_ASSERT(root >= 0);
    while (*path == '/')
        path++;
    return open_at(root, *path != '\0' ? path : ".", flags);
}

ssize_t sysfs_read(int fd, void *dst, size_t cap) {
    ssize_t n;
    do {
        n = read(fd, dst, cap);
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        note_trouble();
    return n;
}

/* EOVERFLOW is no failure either: the file is longer than cap. */
static ssize_t read_all(int fd, void *dst, size_t cap, enum file_end end) {
    ssize_t n = file_read_whole(fd, dst, cap, end);
    if (n < 0 && errno == EFBIG)
        errno = EOVERFLOW;
    else if (n < 0)
        note_trouble();
    return n;
}

static ssize_t read_file(int dirfd, const char *name, void *dst, size_t cap, enum file_end end) {
    int fd = open_at(dirfd, name, O_RDONLY);
    if (fd < 0)
        return -1;
    ssize_t n = read_all(fd, dst, cap, end);
    int saved = errno;
    (void)close(fd);
    errno = saved;
    return n;
}

ssize_t sysfs_bytes(int dirfd, const char *name, void *dst, size_t cap) {
    return read_file(dirfd, name, dst, cap, FILE_END);
}

static ssize_t read_text(int dirfd, const char *name, char *dst, size_t cap, enum file_end end) {
    VH_ASSERT(cap >= 2);
    dst[0] = '\0';
    ssize_t n = read_file(dirfd, name, dst, cap - 1, end);
    if (n < 0) {
        dst[0] = '\0';
        return -1;
    }
    if (n > 0 && dst[n - 1] == '\n')
        n--;
    dst[n] = '\0';
    return (ssize_t)strlen(dst);
}

ssize_t sysfs_text(int dirfd, const char *name, char *dst, size_t cap) {
    return read_text(dirfd, name, dst, cap, FILE_END_LINE);
}

ssize_t sysfs_table(const char *path, char *dst, size_t cap) {
    VH_ASSERT(root >= 0);
    return read_text(root, path + (path[0] == '/'), dst, cap, FILE_END);
}

bool sysfs_uint(int dirfd, const char *name, int base, uint64_t max, uint64_t *out) {
    char text[32];
    uint32_t hex = 0;
    ssize_t n = sysfs_text(dirfd, name, text, sizeof text);
    if (n <= 0)
        return false;
    if (base == 10)
        return str_uint(text, (size_t)n, max, out);
    VH_ASSERT(base == 16);
    if (!str_hex(text, (size_t)n, &hex) || hex > max)
        return false;
    *out = hex;
    return true;
}

bool sysfs_write(int dirfd, const char *name, const char *text) {
    int fd = open_at(dirfd, name, O_WRONLY);
    if (fd < 0)
        return false;
    ssize_t n, want = (ssize_t)strlen(text);
    do {
        n = write(fd, text, (size_t)want);
    } while (n < 0 && errno == EINTR);
    int saved = errno;
    (void)close(fd);
    errno = saved;
    return n == want;
}

ssize_t sysfs_link(const char *path, char *dst, size_t cap) {
    while (*path == '/')
        path++;
    ssize_t n = readlinkat(root, path, dst, cap);
    if (n >= 0 && (size_t)n >= cap) {
        errno = EOVERFLOW;
        n = -1;
    }
    dst[n < 0 ? 0 : n] = '\0';
    return n;
}

/* ---- directories: getdents64 itself, because opendir allocates ---- */

struct entry { /* struct linux_dirent64 */
    uint64_t ino;
    int64_t off;
    unsigned short reclen;
    unsigned char type;
    char name[];
};

static bool dir_begin(struct sysfs_dir *d, int fd) {
    d->fd = fd;
    d->pos = d->len = 0;
    d->seen = 0;
    d->failed = false;
    return fd >= 0;
}

void sysfs_dir_of(struct sysfs_dir *d, int fd) {
    (void)dir_begin(d, fd);
}

bool sysfs_dir_open(struct sysfs_dir *d, const char *path) {
    return dir_begin(d, sysfs_open(path, O_RDONLY | O_DIRECTORY));
}

bool sysfs_dir_open_at(struct sysfs_dir *d, int dirfd, const char *name) {
    return dir_begin(d, open_at(dirfd, name, O_RDONLY | O_DIRECTORY));
}

const char *sysfs_dir_next(struct sysfs_dir *d) {
    while (d->seen < VH_SCAN_ENTRIES) {
        if (d->pos >= d->len) {
            long n = syscall(SYS_getdents64, d->fd, d->buf, sizeof d->buf);
            if (n < 0 && errno == EINTR)
                continue;
            d->failed = n < 0;
            if (d->failed)
                note_trouble();
            if (n <= 0)
                return NULL;
            d->len = (size_t)n;
            d->pos = 0;
        }
        const struct entry *e = (const struct entry *)(const void *)(d->buf + d->pos);
        d->pos += e->reclen;
        d->seen++;
        if (!str_eq(e->name, ".") && !str_eq(e->name, ".."))
            return e->name;
    }
    log_warn("a directory has more than %d entries: the rest is not looked at", VH_SCAN_ENTRIES);
    return NULL;
}

void sysfs_dir_close(struct sysfs_dir *d) {
    if (d->fd >= 0)
        (void)close(d->fd);
    d->fd = -1;
}
