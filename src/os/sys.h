/*
 * sys.h - system calls in one form for every architecture and C library, so that the list of those allowed after start
 * (sandbox_calls.h) is short and the same everywhere.
 */
#ifndef VHOTPLUG_SYS_H
#define VHOTPLUG_SYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct sys_stat {
    uint32_t mode, uid, gid;
    uint32_t rdev_major, rdev_minor;
    uint64_t dev, ino;
    int64_t ctime_ns; /* of the last change of the inode */
};

/* Below, -1 or false with errno. Flags are those of fstatat(); "" with AT_EMPTY_PATH is dirfd itself. */
bool sys_stat(int dirfd, const char *path, int flags, struct sys_stat *st);
int sys_socket(int family, int type, int protocol);
int sys_accept(int listener); /* non-blocking, close-on-exec */
int sys_rename(const char *from, const char *to);
int sys_unlink(const char *path);
int sys_dup(int fd); /* close-on-exec */
int sys_fchmod(int fd, unsigned mode);
ssize_t sys_get_attribute(int fd, const char *name, void *value, size_t cap); /* its length; -1 with errno */
int sys_set_attribute(int fd, const char *name, const void *value, size_t n); /* an extended attribute */
int sys_memfd(const char *name);                                              /* a file in memory */
int sys_pidfd_open(int32_t pid);
int sys_ioctl(int fd, unsigned long what, void *argument); /* of a request that fits into 32 bits */

#endif
