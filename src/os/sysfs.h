/*
 * sysfs.h - reading /sys, /dev and /proc below a root directory, bounded. Thin: no policy, no retries.
 * The root is "/" in production, a copied tree in tests (--root DIR). Nothing here allocates.
 */
#ifndef VHOTPLUG_SYSFS_H
#define VHOTPLUG_SYSFS_H

#include "base/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The number of failures to open or read, not counting files that are missing. If it grows, the results are incomplete
 * and a later look may find more. */
unsigned sysfs_troubles(void);
bool sysfs_root(const char *dir); /* opens the root; false with errno */
bool sysfs_root_is_real(void);    /* is the root "/"? */
/* A path like "/sys/bus/usb/devices", or relative to the root. O_CLOEXEC is added; what O_CREAT makes is its owner's
 * alone. -1 with errno. */
int sysfs_open(const char *path, int flags);
/* Reads a whole text attribute, strips the trailing newline, NUL-terminates. Length, or -1 with errno (EOVERFLOW if it
 * does not fit). */
ssize_t sysfs_text(int dirfd, const char *name, char *dst, size_t cap);
ssize_t sysfs_table(const char *path, char *dst, size_t cap);            /* likewise, for a table of /proc */
ssize_t sysfs_bytes(int dirfd, const char *name, void *dst, size_t cap); /* whole file; -1 with errno */
ssize_t sysfs_read(int fd, void *dst, size_t cap);                       /* one read of an open file; -1 with errno */
bool sysfs_uint(int dirfd, const char *name, int base, uint64_t max, uint64_t *out);
bool sysfs_write(int dirfd, const char *name, const char *text);
ssize_t sysfs_link(const char *path, char *dst, size_t cap); /* readlink below the root, NUL-terminated */

/* Directory walk by getdents64 in a static buffer; one walk at a time per struct. */
struct sysfs_dir {
    int fd;
    size_t pos, len;
    unsigned seen; /* entries so far, at most VH_SCAN_ENTRIES */
    bool failed;   /* an error ended the walk */
    _Alignas(8) char buf[4096];
};
bool sysfs_dir_open(struct sysfs_dir *d, const char *path);
void sysfs_dir_of(struct sysfs_dir *d, int fd); /* a walk of an open directory, which the caller closes */
bool sysfs_dir_open_at(struct sysfs_dir *d, int dirfd, const char *name);
const char *sysfs_dir_next(struct sysfs_dir *d); /* name, without . and ..; NULL at the end */
void sysfs_dir_close(struct sysfs_dir *d);

#endif
