/*
 * sandbox_calls.h - the system calls that each process may make after start, and nothing else. X(call, arguments):
 * `arguments` names a list of sandbox_filter.c, or is `any`.
 *
 * docs/security.md gives the reason for each call. A test observes all calls of a running daemon; it fails if a listed
 * call is never made or a call is missing here.
 */
#ifndef VHOTPLUG_SANDBOX_CALLS_H
#define VHOTPLUG_SANDBOX_CALLS_H

#include <sys/syscall.h>

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

/* 32-bit architectures have second versions of some calls, with 64-bit times or offsets. */
#ifdef SYS_ppoll_time64
#define SANDBOX_TIME64(X) X(ppoll_time64, any) X(clock_gettime64, any) X(recvmmsg_time64, any)
#define SANDBOX_CONNECTOR_TIME64(X) X(recvmmsg_time64, any)
#define SANDBOX_LOGGER_TIME64(X) X(clock_gettime64, any)
#define SANDBOX_VFIO_TIME64(X) X(recvmmsg_time64, any) X(clock_gettime64, any)
#else
#define SANDBOX_TIME64(X)
#define SANDBOX_CONNECTOR_TIME64(X)
#define SANDBOX_LOGGER_TIME64(X)
#define SANDBOX_VFIO_TIME64(X)
#endif
#ifdef SYS_fcntl64
#define SANDBOX_FCNTL64(X, arguments) X(fcntl64, arguments)
#else
#define SANDBOX_FCNTL64(X, arguments)
#endif

/* The most frequent calls come first, because the filter compares them in order. clock_gettime() is a system call only
 * if the vDSO cannot read the clock. After SIGSTOP and SIGCONT, ppoll() restarts as ppoll(); poll() would need
 * restart_syscall. */
#define SANDBOX_DAEMON_CALLS(X) \
    X(ppoll, any)               \
    X(read, any)                \
    X(write, any)               \
    X(sendmsg, any)             \
    X(recvmmsg, any)            \
    X(close, any)               \
    X(clock_gettime, any)       \
    X(accept4, any)             \
    X(getsockopt, get_options)  \
    X(fcntl, duplicate)         \
    X(madvise, give_back)       \
    SANDBOX_TIME64(X)           \
    X(exit_group, any)

/* A device worker: its own calls, and those of libusb 1.0.26 in init, wrap, reset, close and exit. musl blocks signals
 * (rt_sigprocmask) while libusb's exit deletes its thread-specific key. */
#ifdef SYS_open
#define SANDBOX_OPEN(X) X(open, any)
#else
#define SANDBOX_OPEN(X)
#endif
#ifdef SYS_readlink
#define SANDBOX_READLINK(X) X(readlink, any)
#else
#define SANDBOX_READLINK(X)
#endif
#ifdef SYS_statfs64
#define SANDBOX_STATFS(X) X(statfs, any) X(statfs64, any)
#else
#define SANDBOX_STATFS(X) X(statfs, any)
#endif
#ifdef SYS__llseek
#define SANDBOX_LSEEK(X) X(lseek, any) X(_llseek, any)
#else
#define SANDBOX_LSEEK(X) X(lseek, any)
#endif

#define SANDBOX_DEVICE_CALLS(X)       \
    X(recvmmsg, any)                  \
    X(sendmsg, any)                   \
    X(madvise, give_back)             \
    X(read, any)                      \
    X(write, any)                     \
    X(ppoll, any)                     \
    X(openat, any)                    \
    X(close, any)                     \
    X(statx, any)                     \
    X(readlinkat, any)                \
    X(getdents64, any)                \
    X(ioctl, usbfs)                   \
    SANDBOX_LSEEK(X)                  \
    SANDBOX_OPEN(X)                   \
    SANDBOX_READLINK(X)               \
    SANDBOX_STATFS(X)                 \
    X(fcntl, close_on_exec)           \
    SANDBOX_FCNTL64(X, close_on_exec) \
    X(uname, any)                     \
    X(eventfd2, any)                  \
    X(timerfd_create, any)            \
    X(rt_sigprocmask, any)            \
    X(clock_gettime, any)             \
    SANDBOX_TIME64(X)                 \
    X(exit_group, any)

/* The process of opener.h. */
#define SANDBOX_OPENER_CALLS(X) \
    X(recvmmsg, any)            \
    X(sendmsg, any)             \
    X(openat, any)              \
    X(read, any)                \
    X(memfd_create, any)        \
    X(write, any)               \
    SANDBOX_LSEEK(X)            \
    X(close, any)               \
    X(madvise, give_back)       \
    X(socket, sockets)          \
    X(setsockopt, set_options)  \
    X(bind, any)                \
    X(listen, any)              \
    X(connect, any)             \
    X(statx, any)               \
    X(fchmod, any)              \
    X(unlinkat, unlink_flags)   \
    X(mkdirat, any)             \
    SANDBOX_TIME64(X)           \
    X(exit_group, any)

/* The process of disk_worker.h. */
#define SANDBOX_DISK_CALLS(X)    \
    X(recvmmsg, any)             \
    X(sendmsg, any)              \
    X(openat, any)               \
    X(write, any)                \
    X(fsync, any)                \
    X(renameat2, rename_flags)   \
    X(unlinkat, unlink_flags)    \
    X(close, any)                \
    X(mkdirat, any)              \
    X(madvise, give_back_shared) \
    SANDBOX_TIME64(X)            \
    X(exit_group, any)

/* The process of port_worker.h. It logs nothing. */
#define SANDBOX_PORT_CALLS(X)   \
    X(recvmmsg, any)            \
    X(sendmsg, any)             \
    X(ioctl, ports)             \
    X(fcntl, duplicate)         \
    X(close, any)               \
    SANDBOX_CONNECTOR_TIME64(X) \
    X(exit_group, any)

/* The process of vfio_worker.h. A clock is read for what it logs alone. */
#define SANDBOX_VFIO_CALLS(X) \
    X(recvmmsg, any)          \
    X(sendmsg, any)           \
    X(openat, any)            \
    X(read, any)              \
    X(write, any)             \
    X(close, any)             \
    X(statx, any)             \
    X(readlinkat, any)        \
    X(getdents64, any)        \
    X(fsetxattr, any)         \
    X(madvise, give_back)     \
    X(clock_gettime, any)     \
    SANDBOX_VFIO_TIME64(X)    \
    X(exit_group, any)

/* The process of logger.h; the timer and the return are of its signal handlers. */
#define SANDBOX_LOGGER_CALLS(X) \
    X(read, any)                \
    X(write, any)               \
    X(clock_gettime, any)       \
    SANDBOX_LOGGER_TIME64(X)    \
    X(setitimer, any)           \
    X(rt_sigreturn, any)        \
    X(exit_group, any)

/* The process of connector_work.h. It logs nothing; it reads when the configuration is read again, and gives back
 * memory then and at its start. */
#define SANDBOX_CONNECTOR_CALLS(X) \
    X(recvmmsg, any)               \
    X(sendmsg, any)                \
    X(openat, any)                 \
    X(statx, any)                  \
    X(close, any)                  \
    X(inotify_add_watch, any)      \
    X(socket, monitors)            \
    X(connect, any)                \
    X(getsockopt, peer_option)     \
    X(pidfd_open, pidfd_flags)     \
    X(readlinkat, any)             \
    X(read, any)                   \
    X(madvise, give_back)          \
    SANDBOX_CONNECTOR_TIME64(X)    \
    X(exit_group, any)

#endif
