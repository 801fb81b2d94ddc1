/*
 * sys.c - thin wrappers of system calls. Owns nothing, interprets nothing.
 *
 * A C library makes several system calls for one function: musl's stat() is `stat`, `newfstatat` or `statx` by
 * architecture, its socket() and accept4() fall back to fcntl() and accept(), its fchmod() to chmod(), and its fcntl()
 * makes two calls. The sandbox would have to allow all of them. So this file makes each call by number. Every kernel
 * that has pidfds has all of these calls.
 */
#include "os/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434 /* the same on every architecture: Linux 5.3 */
#endif

#define MEMFD_CLOEXEC 1u   /* MFD_CLOEXEC, which some headers lack */
#define STATX_BASIC 0x7ffu /* STATX_BASIC_STATS */

/* struct statx of linux/stat.h, which musl's own headers clash with */
struct statx_time {
    int64_t sec;
    uint32_t nsec;
    int32_t reserved;
};
struct statx_answer {
    uint32_t mask, blksize;
    uint64_t attributes;
    uint32_t nlink, uid, gid;
    uint16_t mode, pad;
    uint64_t ino, size, blocks, attributes_mask;
    struct statx_time atime, btime, ctime, mtime;
    uint32_t rdev_major, rdev_minor, dev_major, dev_minor;
    uint64_t spare[14];
};
_Static_assert(sizeof(struct statx_answer) == 256, "the kernel's struct statx has 256 bytes");

bool sys_stat(int dirfd, const char *path, int flags, struct sys_stat *st) {
    struct statx_answer a = {0};
    if (syscall(SYS_statx, dirfd, path, flags, STATX_BASIC, &a) != 0)
        return false;
    *st = (struct sys_stat){
        .mode = a.mode,
        .uid = a.uid,
        .gid = a.gid,
        .rdev_major = a.rdev_major,
        .rdev_minor = a.rdev_minor,
        .dev = (uint64_t)a.dev_major << 32 | a.dev_minor,
        .ino = a.ino,
        .ctime_ns = (int64_t)((uint64_t)a.ctime.sec * 1000000000u + a.ctime.nsec),
    };
    return true;
}

int sys_socket(int family, int type, int protocol) {
    return (int)syscall(SYS_socket, family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
}

int sys_accept(int listener) {
    return (int)syscall(SYS_accept4, listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
}

int sys_rename(const char *from, const char *to) {
    return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

int sys_unlink(const char *path) {
    return (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}

int sys_dup(int fd) {
    return (int)syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 0);
}

int sys_fchmod(int fd, unsigned mode) {
    return (int)syscall(SYS_fchmod, fd, mode);
}

ssize_t sys_get_attribute(int fd, const char *name, void *value, size_t cap) {
    return syscall(SYS_fgetxattr, fd, name, value, cap);
}

int sys_set_attribute(int fd, const char *name, const void *value, size_t n) {
    return (int)syscall(SYS_fsetxattr, fd, name, value, n, 0);
}

int sys_memfd(const char *name) {
    return (int)syscall(SYS_memfd_create, name, MEMFD_CLOEXEC);
}

int sys_pidfd_open(int32_t pid) {
    return (int)syscall(SYS_pidfd_open, pid, 0);
}

int sys_ioctl(int fd, unsigned long what, void *argument) {
    return (int)syscall(SYS_ioctl, fd, what, argument);
}
