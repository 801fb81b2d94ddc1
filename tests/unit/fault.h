/*
 * fault.h - system calls that fail when a test says so. Whoever includes it is linked with --wrap for each WRAP line
 * (see tests/tests.mk). Calls that nobody spoiled reach the kernel, but for log lines: they are kept in `said`.
 */
#ifndef VHOTPLUG_FAULT_H
#define VHOTPLUG_FAULT_H

#include "test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

/* MemorySanitizer does not see what a call by number fills. */
#ifdef __has_feature
#if __has_feature(memory_sanitizer)
#include <sanitizer/msan_interface.h>
#define FILLED(p, n) __msan_unpoison(p, n)
#endif
#endif
#ifndef FILLED
#define FILLED(p, n) ((void)(p), (void)(n))
#endif

#define UNUSED_HERE __attribute__((unused)) static

enum { MAX_FAULTS = 8, MAX_SAID = 8192, BY_NAME = -1 };

static struct fault {
    const char *name; /* of a function of the C library, or NULL */
    long nr;          /* else of a call by syscall() */
    int at;           /* which call from now on; 0: each */
    int calls;
    long result;
    int error;
} faults[MAX_FAULTS];
static int nfaults;
static char said[MAX_SAID]; /* the log since heal() */

static void spoil(struct fault f) {
    if (nfaults == MAX_FAULTS)
        abort();
    faults[nfaults++] = f;
}

/* The at-th call from now on, or each of them, fails. */
UNUSED_HERE void fail_call(const char *name, int at, int error) {
    spoil((struct fault){.name = name, .at = at, .result = -1, .error = error});
}
UNUSED_HERE void fail_nr(long nr, int at, int error) {
    spoil((struct fault){.nr = nr, .at = at, .result = -1, .error = error});
}
/* It is not made, and says that. */
UNUSED_HERE void give_call(const char *name, int at, long result) {
    spoil((struct fault){.name = name, .at = at, .result = result});
}
UNUSED_HERE void give_nr(long nr, int at, long result) {
    spoil((struct fault){.nr = nr, .at = at, .result = result});
}

/* Nothing fails any more, and nothing was said. */
UNUSED_HERE void heal(void) {
    memset(faults, 0, sizeof faults);
    nfaults = 0;
    said[0] = '\0';
}

/* Has everything that was to fail failed? Asked before heal(): a test of a failure that never came shows nothing. */
UNUSED_HERE bool all_failed(void) {
    for (int i = 0; i < nfaults; i++) {
        if (faults[i].calls < faults[i].at || faults[i].calls == 0)
            return false;
    }
    return true;
}

UNUSED_HERE bool was_said(const char *text) {
    return strstr(said, text) != NULL;
}

static bool due(const char *name, long nr, long *result) {
    bool found = false;
    for (int i = 0; i < nfaults; i++) {
        struct fault *f = &faults[i];
        if (f->name != NULL ? name == NULL || strcmp(f->name, name) != 0 : name != NULL || f->nr != nr)
            continue;
        f->calls++;
        if (found || (f->at != 0 && f->calls != f->at))
            continue;
        found = true;
        *result = f->result;
        if (f->result < 0)
            errno = f->error;
    }
    return found;
}

/* WRAP(type, name, parameters, arguments): a line each, since tests/tests.mk reads them. */
#define WRAP(type, name, parameters, arguments)                                       \
    type __real_##name parameters;                                                    \
    type __wrap_##name parameters;                                                    \
    type __wrap_##name parameters {                                                   \
        long result;                                                                  \
        return due(#name, BY_NAME, &result) ? (type)result : __real_##name arguments; \
    }
#define OTHER(name) /* written out below */

/* clang-format off */
WRAP(int, access, (const char *path, int mode), (path, mode))
WRAP(int, bind, (int fd, const struct sockaddr *a, socklen_t n), (fd, a, n))
WRAP(int, chown, (const char *path, uid_t u, gid_t g), (path, u, g))
WRAP(int, connect, (int fd, const struct sockaddr *a, socklen_t n), (fd, a, n))
WRAP(int, dup2, (int from, int to), (from, to))
WRAP(int, eventfd, (unsigned n, int flags), (n, flags))
WRAP(pid_t, fork, (void), ())
WRAP(int, fstat, (int fd, struct stat *st), (fd, st))
WRAP(int, fsync, (int fd), (fd))
WRAP(int, getsockopt, (int fd, int l, int o, void *p, socklen_t *n), (fd, l, o, p, n))
WRAP(int, inotify_add_watch, (int fd, const char *path, uint32_t mask), (fd, path, mask))
WRAP(int, inotify_init1, (int flags), (flags))
WRAP(int, isatty, (int fd), (fd))
WRAP(int, listen, (int fd, int n), (fd, n))
WRAP(int, madvise, (void *p, size_t n, int what), (p, n, what))
WRAP(int, mincore, (void *p, size_t n, unsigned char *v), (p, n, v))
WRAP(int, mkdir, (const char *path, mode_t mode), (path, mode))
WRAP(int, mkdirat, (int fd, const char *path, mode_t mode), (fd, path, mode))
WRAP(int, ppoll, (struct pollfd *p, nfds_t n, const struct timespec *t, const sigset_t *s), (p, n, t, s))
WRAP(int, pipe2, (int ends[2], int flags), (ends, flags))
WRAP(int, poll, (struct pollfd *p, nfds_t n, int ms), (p, n, ms))
WRAP(ssize_t, read, (int fd, void *p, size_t n), (fd, p, n))
WRAP(ssize_t, readlinkat, (int fd, const char *path, char *p, size_t n), (fd, path, p, n))
WRAP(ssize_t, recv, (int fd, void *p, size_t n, int flags), (fd, p, n, flags))
WRAP(ssize_t, send, (int fd, const void *p, size_t n, int flags), (fd, p, n, flags))
WRAP(ssize_t, sendmsg, (int fd, const struct msghdr *m, int flags), (fd, m, flags))
WRAP(int, setsockopt, (int fd, int l, int o, const void *p, socklen_t n), (fd, l, o, p, n))
WRAP(int, socket, (int d, int t, int p), (d, t, p))
WRAP(int, socketpair, (int d, int t, int p, int sv[2]), (d, t, p, sv))
WRAP(int, stat, (const char *path, struct stat *st), (path, st))
WRAP(int, uname, (struct utsname *u), (u))
OTHER(__fxstat)
OTHER(__xstat)
OTHER(_exit)
OTHER(close)
OTHER(fcntl)
OTHER(ioctl)
OTHER(mmap)
OTHER(open)
OTHER(openat)
OTHER(opendir)
OTHER(prctl)
OTHER(recvmmsg)
OTHER(syscall)
OTHER(write)
/* clang-format on */

/* Further arguments, as numbers; more than are given only as far as registers go. */
#define ARGUMENTS(last, n)           \
    long a[n];                       \
    va_list ap_;                     \
    va_start(ap_, last);             \
    for (int i_ = 0; i_ < (n); i_++) \
        a[i_] = va_arg(ap_, long);   \
    va_end(ap_)

/* What programs call for fstat() and stat() in glibc before 2.33. */
#if defined(__GLIBC__) && defined(__GLIBC_PREREQ)
#if !__GLIBC_PREREQ(2, 33)
int __real___fxstat(int version, int fd, struct stat *st);
int __wrap___fxstat(int version, int fd, struct stat *st);
int __wrap___fxstat(int version, int fd, struct stat *st) {
    long result;
    return due("fstat", BY_NAME, &result) ? (int)result : __real___fxstat(version, fd, st);
}

int __real___xstat(int version, const char *path, struct stat *st);
int __wrap___xstat(int version, const char *path, struct stat *st);
int __wrap___xstat(int version, const char *path, struct stat *st) {
    long result;
    return due("stat", BY_NAME, &result) ? (int)result : __real___xstat(version, path, st);
}
#endif
#endif

/* Where branches are counted, a child writes what it has counted. */
void __gcov_dump(void) __attribute__((weak));
_Noreturn void __real__exit(int status);
_Noreturn void __wrap__exit(int status);
void __wrap__exit(int status) {
    nfaults = 0;
    if (__gcov_dump != NULL)
        __gcov_dump();
    __real__exit(status);
}

/* The descriptor is closed in any case. */
int __real_close(int fd);
int __wrap_close(int fd);
int __wrap_close(int fd) {
    long result;
    int done = __real_close(fd);
    return due("close", BY_NAME, &result) ? (int)result : done;
}

int __real_fcntl(int fd, int what, ...);
int __wrap_fcntl(int fd, int what, ...);
int __wrap_fcntl(int fd, int what, ...) {
    long result;
    ARGUMENTS(what, 1);
    return due("fcntl", BY_NAME, &result) ? (int)result : __real_fcntl(fd, what, a[0]);
}

/* What a device node answers: a test's own. */
static int (*on_ioctl)(unsigned long what, void *argument);

int __real_ioctl(int fd, unsigned long what, ...);
int __wrap_ioctl(int fd, unsigned long what, ...);
int __wrap_ioctl(int fd, unsigned long what, ...) {
    long result;
    ARGUMENTS(what, 1);
    if (due("ioctl", BY_NAME, &result))
        return (int)result;
    return on_ioctl != NULL ? on_ioctl(what, (void *)a[0]) : __real_ioctl(fd, what, a[0]);
}

void *__real_mmap(void *p, size_t n, int prot, int flags, int fd, off_t off);
void *__wrap_mmap(void *p, size_t n, int prot, int flags, int fd, off_t off);
void *__wrap_mmap(void *p, size_t n, int prot, int flags, int fd, off_t off) {
    long result;
    return due("mmap", BY_NAME, &result) ? MAP_FAILED : __real_mmap(p, n, prot, flags, fd, off);
}

static const char *(*on_path)(const char *path); /* another one to open, or NULL */
static int (*on_open)(const char *path);         /* the errno with which the open fails, or 0 */

int __real_openat(int dir, const char *path, int flags, ...);
int __wrap_openat(int dir, const char *path, int flags, ...);
int __wrap_openat(int dir, const char *path, int flags, ...) {
    long result;
    ARGUMENTS(flags, 1);
    if (due("openat", BY_NAME, &result))
        return (int)result;
    int refused = on_open != NULL ? on_open(path) : 0;
    if (refused != 0) {
        errno = refused;
        return -1;
    }
    const char *other = on_path != NULL ? on_path(path) : NULL;
    return __real_openat(dir, other != NULL ? other : path, flags, (mode_t)a[0]);
}

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...) {
    long result;
    ARGUMENTS(flags, 1);
    if (due("open", BY_NAME, &result))
        return (int)result;
    const char *other = on_path != NULL ? on_path(path) : NULL;
    return __real_open(other != NULL ? other : path, flags, (mode_t)a[0]);
}

DIR *__real_opendir(const char *path);
DIR *__wrap_opendir(const char *path);
DIR *__wrap_opendir(const char *path) {
    const char *other = on_path != NULL ? on_path(path) : NULL;
    return __real_opendir(other != NULL ? other : path);
}

/* What a test puts in place of the kernel: true, and the result (-1 with errno) is this. */
static bool (*on_prctl)(int what, const long *a, long *result);
static bool (*on_syscall)(long nr, const long *a, long *result);

int __real_prctl(int what, ...);
int __wrap_prctl(int what, ...);
int __wrap_prctl(int what, ...) {
    long result;
    ARGUMENTS(what, 4);
    if (due("prctl", BY_NAME, &result) || (on_prctl != NULL && on_prctl(what, a, &result)))
        return (int)result;
    return __real_prctl(what, a[0], a[1], a[2], a[3]);
}

/* A message that the kernel would not deliver: a test's own. Its bytes. */
static size_t (*on_message)(struct msghdr *m);

int __real_recvmmsg(int fd, struct mmsghdr *m, unsigned n, int flags, struct timespec *t);
int __wrap_recvmmsg(int fd, struct mmsghdr *m, unsigned n, int flags, struct timespec *t);
int __wrap_recvmmsg(int fd, struct mmsghdr *m, unsigned n, int flags, struct timespec *t) {
    long result;
    if (due("recvmmsg", BY_NAME, &result))
        return (int)result;
    if (on_message == NULL)
        return __real_recvmmsg(fd, m, n, flags, t);
    m[0].msg_len = (unsigned)on_message(&m[0].msg_hdr);
    return 1;
}

long __real_syscall(long nr, ...);
long __wrap_syscall(long nr, ...);
long __wrap_syscall(long nr, ...) {
    long result;
    ARGUMENTS(nr, 5);
    if (due(NULL, nr, &result) || (on_syscall != NULL && on_syscall(nr, a, &result)))
        return result;
    result = __real_syscall(nr, a[0], a[1], a[2], a[3], a[4]);
    if (nr == SYS_getdents64 && result > 0)
        FILLED((void *)a[1], (size_t)result);
    return result;
}

/* What a test puts in place of the kernel's attributes: true, and the result (-1 with errno) is this. */
static bool (*on_write)(int fd, const char *text, size_t n, long *result);

ssize_t __real_write(int fd, const void *p, size_t n);
ssize_t __wrap_write(int fd, const void *p, size_t n);
ssize_t __wrap_write(int fd, const void *p, size_t n) {
    long result;
    if (due("write", BY_NAME, &result) || (on_write != NULL && on_write(fd, p, n, &result)))
        return result;
    if (fd != STDERR_FILENO)
        return __real_write(fd, p, n);
    size_t have = strlen(said), room = sizeof said - 1 - have, take = n < room ? n : room;
    memcpy(said + have, p, take);
    said[have + take] = '\0';
    return (ssize_t)n;
}

/* How many descriptors this process has: after a failure as many as before. */
UNUSED_HERE int open_files(void) {
    int n = 0;
    for (int fd = 0; fd < 1024; fd++)
        n += __real_fcntl(fd, F_GETFD) >= 0;
    return n;
}

/* fd is none: the call that should have opened it failed with `error`, and left no descriptor. Heals. */
UNUSED_HERE void opens_nothing(int fd, int error, int files) {
    int e = errno;
    CHECK(all_failed());
    heal();
    CHECK_INT(fd, -1);
    CHECK_INT(e, error);
    CHECK_INT(open_files(), files);
}

#endif
