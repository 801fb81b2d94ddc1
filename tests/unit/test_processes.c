/*
 * test_processes.c - what code that somebody has got to run in one of the processes can do there. Each trial is a
 * process that enters the sandbox of that role and then tries one thing. A row of processes[] is a process of the
 * daemon; whoever adds a process adds a row.
 */
#include "os/sandbox.h"
#include "os/sysfs.h"
#include "test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SYS_pidfd_getfd /* the headers of Debian 11 are older than the call; its number is the same everywhere */
#define SYS_pidfd_getfd 438
#endif

enum { IN_SANDBOX_FAILED = 99, SYS_LANDLOCK_CREATE = 444, TCP_FROM = 4, SCOPES_FROM = 6 };

static char top[] = "/tmp/vh-processes-XXXXXX", own[64], unix_path[64];

/* ---- the processes ---- */

static const struct process {
    const char *name;
    enum sandbox_role role;
    bool own;           /* has a rule: it may read the directory `own` */
    bool connects_unix; /* to a socket with a path */
    bool opens_tcp;     /* sockets of its own, which may not connect */
} processes[] = {
    {.name = "loop", .role = SANDBOX_DAEMON},
    {.name = "device worker", .role = SANDBOX_DEVICE},
    {.name = "opener", .role = SANDBOX_OPENER, .own = true, .connects_unix = true, .opens_tcp = true},
    {.name = "logger", .role = SANDBOX_LOGGER},
    {.name = "disk worker", .role = SANDBOX_DISK},
    {.name = "port worker", .role = SANDBOX_PORT},
    {.name = "VFIO worker", .role = SANDBOX_VFIO},
    {.name = "connector", .role = SANDBOX_CONNECTOR, .own = true, .connects_unix = true},
};
enum { PROCESSES = sizeof processes / sizeof *processes };

static const struct process *process;

static void enter(void) {
    const struct sandbox_path path = {own, SANDBOX_READ};
    const struct rlimit no_core = {0, 0};
    const struct sandbox box = {.role = process->role, .paths = &path, .npaths = process->own ? 1 : 0};
    (void)setrlimit(RLIMIT_CORE, &no_core);
    if (!sandbox_enter(&box))
        _exit(IN_SANDBOX_FAILED);
}

/* The errno of the trial, 0 if it did what it tried, minus the signal that ended it. */
static int result_of(int (*trial)(void)) {
    int status = 0;
    (void)fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        enter();
        (void)syscall(SYS_exit_group, trial()); /* the sanitizers do more at an _exit() than is allowed */
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return IN_SANDBOX_FAILED;
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static void must_be(bool as_it_should, const char *what, int result) {
    if (!as_it_should)
        printf("# %s: %s: %d\n", process->name, what, result);
    CHECK(as_it_should);
}

static bool denied(int result) {
    return result == -SIGSYS || result == EACCES || result == EPERM;
}

static long landlock(void) {
    return syscall(SYS_LANDLOCK_CREATE, NULL, 0, 1);
}

/* ---- calls that end every process ---- */

static const struct attempt {
    const char *name;
    long nr, arg[5];
} attempts[] = {
    {"kill", SYS_kill, {1, 0}},
    {"tkill", SYS_tkill, {1, 0}},
    {"tgkill", SYS_tgkill, {1, 1, 0}},
    {"pidfd_send_signal", SYS_pidfd_send_signal, {0}},
    {"pidfd_getfd", SYS_pidfd_getfd, {0}},
    {"ptrace", SYS_ptrace, {PTRACE_ATTACH, 1}},
    {"process_vm_readv", SYS_process_vm_readv, {1}},
    {"process_vm_writev", SYS_process_vm_writev, {1}},
    {"clone", SYS_clone, {SIGCHLD}},
    {"clone3", SYS_clone3, {0}},
#ifdef SYS_fork
    {"fork", SYS_fork, {0}},
    {"vfork", SYS_vfork, {0}},
#endif
    {"execve", SYS_execve, {0}},
    {"execveat", SYS_execveat, {0}},
    {"mmap for code", SYS_mmap, {0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1}},
    {"mmap", SYS_mmap, {0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1}},
    {"mprotect for code", SYS_mprotect, {0, 4096, PROT_READ | PROT_EXEC}},
    {"mprotect", SYS_mprotect, {0, 4096, PROT_READ}},
    {"mremap", SYS_mremap, {0}},
    {"brk", SYS_brk, {0}},
    {"prctl", SYS_prctl, {0}},
    {"seccomp", SYS_seccomp, {0}},
    {"unshare", SYS_unshare, {CLONE_NEWUSER}},
    {"setns", SYS_setns, {0}},
    {"mount", SYS_mount, {0}},
    {"chroot", SYS_chroot, {0}},
    {"chdir", SYS_chdir, {0}},
    {"capset", SYS_capset, {0}},
    {"setuid", SYS_setuid, {0}},
    {"bpf", SYS_bpf, {0}},
    {"perf_event_open", SYS_perf_event_open, {0}},
    {"io_uring_setup", SYS_io_uring_setup, {1}},
    {"userfaultfd", SYS_userfaultfd, {0}},
    {"keyctl", SYS_keyctl, {0}},
    {"init_module", SYS_init_module, {0}},
    {"reboot", SYS_reboot, {0}},
    {"socketpair", SYS_socketpair, {AF_UNIX, SOCK_STREAM}},
    {"raw socket", SYS_socket, {AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK}},
    {"udp socket", SYS_socket, {AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK}},
    {"memory of a file", SYS_mmap, {0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, 0}},
};

static const struct attempt *attempt;

static int make_attempt(void) {
    const long *a = attempt->arg;
    return syscall(attempt->nr, a[0], a[1], a[2], a[3], a[4]) < 0 ? errno : 0;
}

static void nobody_signals_forks_executes_or_makes_code(void) {
    for (process = processes; process < processes + PROCESSES; process++) {
        for (attempt = attempts; attempt < attempts + sizeof attempts / sizeof *attempts; attempt++) {
            int e = result_of(make_attempt);
            must_be(e == -SIGSYS, attempt->name, e);
        }
    }
}

/* ---- connections ---- */

static struct sockaddr_un to_path = {.sun_family = AF_UNIX}, to_abstract = {.sun_family = AF_UNIX};
static struct sockaddr_in to_tcp = {.sin_family = AF_INET};
static socklen_t path_len = sizeof to_path, abstract_len, tcp_len = sizeof to_tcp;

static int connect_to(const void *address, socklen_t len, int family) {
    int fd = (int)syscall(SYS_socket, family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return errno;
    return syscall(SYS_connect, fd, address, len) == 0 || errno == EINPROGRESS ? 0 : errno;
}

static int connect_path(void) {
    return connect_to(&to_path, path_len, AF_UNIX);
}

static int connect_abstract(void) {
    return connect_to(&to_abstract, abstract_len, AF_UNIX);
}

static int connect_tcp(void) {
    return connect_to(&to_tcp, tcp_len, AF_INET);
}

static int listen_at(int family, void *address, socklen_t *len) {
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0 && bind(fd, address, *len) == 0 && listen(fd, 64) == 0 && getsockname(fd, address, len) == 0);
    return fd;
}

static void connections_are_made_only_where_they_are_needed(void) {
    long version = landlock();
    (void)snprintf(to_path.sun_path, sizeof to_path.sun_path, "%s", unix_path);
    (void)snprintf(to_abstract.sun_path + 1, sizeof to_abstract.sun_path - 1, "%s", unix_path);
    abstract_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(unix_path));
    to_tcp.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fds[] = {listen_at(AF_UNIX, &to_path, &path_len), listen_at(AF_UNIX, &to_abstract, &abstract_len),
                 listen_at(AF_INET, &to_tcp, &tcp_len)};
    for (process = processes; process < processes + PROCESSES; process++) {
        int e = result_of(connect_path);
        must_be(process->connects_unix ? e == 0 : denied(e), "a unix socket with a path", e);
        e = result_of(connect_abstract);
        must_be(denied(e) || (process->connects_unix && version < SCOPES_FROM), "an abstract unix socket", e);
        e = result_of(connect_tcp);
        must_be(denied(e) || (process->opens_tcp && version < TCP_FROM), "a TCP port", e);
    }
    for (int i = 0; i < 3; i++)
        CHECK(close(fds[i]) == 0);
    CHECK(unlink(unix_path) == 0);
}

/* ---- paths ---- */

static const char *const paths[] = {
    "/",
    "/etc",
    "/etc/passwd",
    "/etc/group",
    "/usr",
    "/usr/bin",
    "/bin/sh",
    "/lib",
    "/var",
    "/var/lib",
    "/var/log",
    "/tmp",
    "/root",
    "/home",
    "/run",
    "/dev",
    "/dev/null",
    "/dev/zero",
    "/dev/urandom",
    "/proc",
    "/proc/self",
    "/proc/version",
    "/proc/self/mem",
    "/proc/self/fd",
    "/proc/1/status",
    "/proc/kcore",
    "/sys",
    "/sys/kernel",
    "/sys/devices",
    "/sys/bus",
    "/sys/class",
    ".",
    "..",
    "/proc/self/root",
    "/proc/self/cwd",
};
_Static_assert(sizeof paths / sizeof *paths >= 30, "as many as were promised");

static const char *path;
static int flags;

static int open_path(void) {
    return syscall(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC, 0600) >= 0 ? 0 : errno;
}

static void no_process_opens_a_path_of_others(void) {
    char inside[80], fresh[80];
    (void)snprintf(inside, sizeof inside, "%s/file", own);
    (void)snprintf(fresh, sizeof fresh, "%s/new", own);
    for (process = processes; process < processes + PROCESSES; process++) {
        flags = O_RDONLY;
        for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
            path = paths[i];
            int e = result_of(open_path);
            must_be(denied(e) || e == ENOENT, path, e);
        }
        path = inside;
        int e = result_of(open_path);
        must_be(process->own ? e == 0 : denied(e), "a file of its own", e);
        flags = O_RDWR;
        e = result_of(open_path);
        must_be(denied(e), "writing to it", e);
        path = fresh;
        flags = O_WRONLY | O_CREAT;
        e = result_of(open_path);
        must_be(denied(e), "making a file", e);
    }
    CHECK(access(fresh, F_OK) != 0);
}

int main(void) {
    char file[80];
    CHECK(mkdtemp(top) != NULL && sysfs_root("/"));
    (void)snprintf(own, sizeof own, "%s/own", top);
    (void)snprintf(unix_path, sizeof unix_path, "%s/sock", top);
    (void)snprintf(file, sizeof file, "%s/file", own);
    CHECK(mkdir(own, 0755) == 0);
    int fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    CHECK(fd >= 0 && close(fd) == 0);
    RUN(nobody_signals_forks_executes_or_makes_code);
    if (landlock() >= 1) {
        RUN(connections_are_made_only_where_they_are_needed);
        RUN(no_process_opens_a_path_of_others);
    }
    CHECK(unlink(file) == 0 && rmdir(own) == 0 && rmdir(top) == 0);
    TEST_MAIN_END;
}
