/*
 * launch.c - runs a program and looks at each of its system calls before the kernel does: writes them down, fails one,
 * or kills the program at one.
 *
 *     launch [OPTION]... -- PROGRAM [ARGUMENT]...
 *       --log FILE                            a line for each call: phase process name count detail
 *       --used FILE                           at the end of all processes, adds a line "name call" for each call
 *                                             that was made inside the sandbox
 *       --vdso off                            the clock is read by system calls, as where the machine's own is no good
 *       --fail PHASE:PROCESS:CALL:N:ERRNO[:forever]   the N-th such call fails (forever: and all later ones)
 *       --kill PHASE:PROCESS:CALL:N           SIGKILL instead of the N-th such call
 *
 * By seccomp's user notification, so it works on a static binary, and beside a filter of the program's own: what that
 * one would kill it still does. PHASE is start or run: before and after the process has set its own filter (end: after
 * a second one). PROCESS is a name as the kernel shows it: the program's own, or what a child calls itself (NEWBORN
 * before that). Calls are counted for each name, so the N-th is that of whichever process of that name makes it;
 * "forever" is for that process alone. The call "recvmmsg_batch" is a recvmmsg() for more than one message. Signals
 * that say "end" or "read again" are passed on. Exit status: the program's, or 128 and the signal. Needs root or
 * no_new_privs, Linux 5.6.
 */
#include "os/sandbox_calls.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_PROCESSES = 32, MAX_CALLS = 512, DETAIL_MAX = 4096, STACK_LOOKED_AT = 1 << 18, LINGER_MS = 200 };
enum { BATCH = MAX_CALLS - 1, NAME_MAX_SHOWN = 16 }; /* no call has that number; a name with its end */

#define NEWBORN "newborn" /* a child that has not said its name */

static const char *const names[MAX_CALLS] = {
    [BATCH] = "recvmmsg_batch",
#define X(name, arguments) [SYS_##name] = #name,
    SANDBOX_DEVICE_CALLS(X)
#undef X
#define X(name) [SYS_##name] = #name
        X(fsetxattr),
    X(memfd_create),
    X(connect),
    X(accept4),
    X(socket),
    X(getsockopt),
    X(setsockopt),
    X(bind),
    X(listen),
    X(fchmod),
    X(fsync),
    X(renameat2),
    X(unlinkat),
    X(mkdirat),
    X(inotify_add_watch),
    X(pidfd_open),
    X(brk),
    X(mmap),
    X(munmap),
    X(mremap),
    X(mprotect),
    X(execve),
    X(clone),
    X(prctl),
    X(seccomp),
    X(capget),
    X(capset),
    X(inotify_init1),
    X(signalfd4),
    X(rt_sigaction),
    X(rt_sigreturn),
    X(setitimer),
    X(pipe2),
    X(dup3),
    X(socketpair),
    X(umask),
    X(fchownat),
    X(set_tid_address),
    X(getpid),
    X(gettid),
    X(landlock_create_ruleset),
    X(landlock_add_rule),
    X(landlock_restrict_self),
    X(newfstatat),
#ifdef SYS_fork
    X(fork),
    X(dup2),
    X(stat),
    X(lstat),
    X(fstat),
    X(arch_prctl),
    X(access),
    X(mkdir),
    X(unlink),
    X(rename),
#endif
#undef X
};

/* All processes of one name. */
struct group {
    char name[NAME_MAX_SHOWN];
    unsigned count[3][MAX_CALLS];
};

struct process {
    pid_t pid;
    int phase; /* how many filters it has set */
    struct group *group;
};

struct plan {
    bool set, kill, forever;
    int phase, call, error;
    unsigned n;
    const char *name;
    pid_t victim; /* who made the n-th call; 0: nobody yet */
};

static const char *const phases[] = {"start", "run", "end"};

static struct process processes[MAX_PROCESSES];
static int nprocesses;
static struct group groups[MAX_PROCESSES];
static int ngroups;
static struct plan plan;
static FILE *record;
static const char *used_path;
static bool no_vdso;
static const char *program; /* its name */
static pid_t child;

static _Noreturn void die(const char *what) {
    fprintf(stderr, "launch: %s: %s\n", what, strerror(errno));
    exit(125);
}

static const char *name_of(int nr) {
    static char number[16];
    if (nr >= 0 && nr < MAX_CALLS && names[nr] != NULL)
        return names[nr];
    (void)snprintf(number, sizeof number, "%d", nr);
    return number;
}

static int number_of(const char *name) {
    for (int i = 0; i < MAX_CALLS; i++) {
        if (names[i] != NULL && strcmp(names[i], name) == 0)
            return i;
    }
    errno = ENOENT;
    die(name);
}

/* "run:vhotplug-disk:fsync:1:5:forever" */
static void parse_plan(char *text, bool is_kill) {
    char *part[6] = {0}, *save = NULL;
    int n = 0;
    for (char *p = strtok_r(text, ":", &save); p != NULL && n < 6; p = strtok_r(NULL, ":", &save))
        part[n++] = p;
    if (n < (is_kill ? 4 : 5)) {
        errno = EINVAL;
        die("a plan has too few parts");
    }
    plan = (struct plan){
        .set = true,
        .kill = is_kill,
        .forever = n == 6,
        .phase = strcmp(part[0], phases[1]) == 0,
        .name = part[1],
        .call = number_of(part[2]),
        .n = (unsigned)atoi(part[3]),
        .error = is_kill ? 0 : atoi(part[4]),
    };
}

/* ---- the program ---- */

static int make_filter(void) {
    struct sock_filter all[] = {{BPF_RET | BPF_K, 0, 0, SECCOMP_RET_USER_NOTIF}};
    struct sock_fprog fprog = {.len = 1, .filter = all};
    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &fprog);
}

/* The listener's number goes through shared memory: any call would wait for an answer already. */
static int start(char **argv) {
    volatile int *number = mmap(NULL, sizeof *number, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (number == MAP_FAILED)
        die("mmap");
    *number = -1;
    child = fork();
    if (child < 0)
        die("fork");
    if (child == 0) {
        sigset_t none;
        sigemptyset(&none);
        (void)sigprocmask(SIG_SETMASK, &none, NULL);
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        int listener = make_filter();
        if (listener < 0)
            _exit(126);
        *number = listener;
        execv(argv[0], argv);
        _exit(127);
    }
    for (int i = 0; *number < 0; i++) {
        if (i == 5000) {
            errno = ETIME;
            die("the filter");
        }
        (void)usleep(1000);
    }
    int pidfd = (int)syscall(SYS_pidfd_open, child, 0);
    int listener = pidfd < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, pidfd, *number, 0);
    if (listener < 0)
        die("pidfd_getfd");
    (void)close(pidfd);
    return listener;
}

/* ---- looking ---- */

static struct group *group_of(const char *name) {
    char shown[NAME_MAX_SHOWN];
    (void)snprintf(shown, sizeof shown, "%.*s", NAME_MAX_SHOWN - 1, name);
    for (int i = 0; i < ngroups; i++) {
        if (strcmp(groups[i].name, shown) == 0)
            return &groups[i];
    }
    if (ngroups == MAX_PROCESSES) {
        errno = E2BIG;
        die("names");
    }
    memcpy(groups[ngroups].name, shown, sizeof shown);
    return &groups[ngroups++];
}

static struct process *process_of(pid_t pid) {
    for (int i = 0; i < nprocesses; i++) {
        if (processes[i].pid == pid)
            return &processes[i];
    }
    if (nprocesses == MAX_PROCESSES) {
        errno = E2BIG;
        die("processes");
    }
    processes[nprocesses] = (struct process){.pid = pid, .group = group_of(pid == child ? program : NEWBORN)};
    return &processes[nprocesses++];
}

/* It may end before an unmapped page. */
static void read_text(pid_t pid, uint64_t address, char *text, size_t cap) {
    struct iovec mine = {text, cap - 1}, theirs = {(void *)(uintptr_t)address, cap - 1};
    ssize_t n = process_vm_readv(pid, &mine, 1, &theirs, 1, 0);
    if (n < 0) {
        mine.iov_len = theirs.iov_len = 4096 - address % 4096;
        n = process_vm_readv(pid, &mine, 1, &theirs, 1, 0);
    }
    text[n > 0 ? n : 0] = '\0';
}

static void print_text(pid_t pid, uint64_t address) {
    char text[DETAIL_MAX];
    read_text(pid, address, text, sizeof text);
    fprintf(record, " %s", text);
}

static void print_fd(pid_t pid, int fd) {
    char link[64], path[4096];
    (void)snprintf(link, sizeof link, "/proc/%d/fd/%d", (int)pid, fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    path[n > 0 ? n : 0] = '\0';
    fprintf(record, " %s", path);
}

static void print_bytes(pid_t pid, uint64_t address, size_t len) {
    static unsigned char bytes[1 << 16];
    if (len > sizeof bytes)
        len = sizeof bytes;
    struct iovec mine = {bytes, len}, theirs = {(void *)(uintptr_t)address, len};
    ssize_t n = process_vm_readv(pid, &mine, 1, &theirs, 1, 0);
    fputc(' ', record);
    for (ssize_t i = 0; i < n; i++)
        fprintf(record, "%02x", bytes[i]);
}

/* What the protocol of the state file needs to be told again. */
static void write_down(const char *name, int phase, int nr, unsigned n, const struct seccomp_notif *req) {
    const struct seccomp_data *d = &req->data;
    pid_t pid = (pid_t)req->pid;
    fprintf(record, "%s %s %s %u", phases[phase], name, name_of(nr), n);
    switch (d->nr) {
    case SYS_openat:
        print_text(pid, d->args[1]);
        fprintf(record, " %x", (unsigned)d->args[2]);
        break;
    case SYS_unlinkat:
    case SYS_mkdirat:
        print_text(pid, d->args[1]);
        break;
    case SYS_renameat2:
        print_text(pid, d->args[1]);
        print_text(pid, d->args[3]);
        break;
    case SYS_fsync:
        print_fd(pid, (int)d->args[0]);
        break;
    case SYS_write:
        print_fd(pid, (int)d->args[0]);
        if (phase == 1)
            print_bytes(pid, d->args[1], (size_t)d->args[2]);
        break;
    default:
        break;
    }
    fputc('\n', record);
    (void)fflush(record);
}

/* ---- the clock ---- */

/* Crosses the entry out that tells a program where the kernel's own code for reading the clock is. */
static void hide_vdso(pid_t pid) {
    static uint64_t words[STACK_LOOKED_AT / sizeof(uint64_t)];
    char path[64], line[512];
    unsigned long from = 0, to = 0;
    (void)snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
    FILE *maps = fopen(path, "r");
    while (maps != NULL && fgets(line, sizeof line, maps) != NULL) {
        if (strstr(line, "[stack]") != NULL && sscanf(line, "%lx-%lx", &from, &to) != 2)
            to = 0;
    }
    (void)snprintf(path, sizeof path, "/proc/%d/mem", (int)pid);
    int mem = open(path, O_RDWR | O_CLOEXEC);
    if (maps == NULL || fclose(maps) != 0 || to == 0 || mem < 0)
        die("the stack");
    if (to - from > sizeof words)
        from = to - sizeof words;
    ssize_t n = pread(mem, words, to - from, (off_t)from);
    const uint64_t ignore = AT_IGNORE;
    bool hidden = false;
    /* It is one of pairs, and the address is that of a page. */
    for (size_t i = 0; n > 0 && i + 1 < (size_t)n / sizeof *words && !hidden; i++) {
        if (words[i] == AT_SYSINFO_EHDR && words[i + 1] != 0 && words[i + 1] % 4096 == 0)
            hidden = pwrite(mem, &ignore, sizeof ignore, (off_t)(from + i * sizeof *words)) == (ssize_t)sizeof ignore;
    }
    (void)close(mem);
    if (!hidden)
        die("the vDSO");
}

/* The first call that the program itself makes: it has not looked yet. */
static void at_start(pid_t pid, int nr) {
    static bool begun;
    if (nr == SYS_execve) {
        begun = true;
    } else if (begun && no_vdso) {
        no_vdso = false;
        hide_vdso(pid);
    }
}

/* Before the call is made: it is counted with those of the new name. */
static void rename_process(struct process *p, const struct seccomp_data *d) {
    char name[NAME_MAX_SHOWN];
    if (d->nr != SYS_prctl || d->args[0] != PR_SET_NAME)
        return;
    read_text(p->pid, d->args[1], name, sizeof name);
    p->group = group_of(name);
}

static bool is_due(const struct process *p, int phase, int nr, unsigned n) {
    if (!plan.set || plan.phase != phase || plan.call != nr || strcmp(plan.name, p->group->name) != 0)
        return false;
    if (n == plan.n)
        plan.victim = p->pid;
    return n == plan.n || (plan.forever && plan.victim == p->pid);
}

static int number_in(const struct seccomp_data *d) {
    return d->nr == SYS_recvmmsg && d->args[2] > 1 ? BATCH : d->nr;
}

static void answer(int listener) {
    struct seccomp_notif req;
    struct seccomp_notif_resp resp;
    memset(&req, 0, sizeof req);
    memset(&resp, 0, sizeof resp);
    if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &req) != 0) {
        if (errno != ENOENT && errno != EINTR) /* ENOENT: it was killed in the meantime */
            die("receive");
        return;
    }
    struct process *p = process_of((pid_t)req.pid);
    rename_process(p, &req.data);
    int phase = p->phase, nr = number_in(&req.data);
    unsigned n = nr >= 0 && nr < MAX_CALLS ? ++p->group->count[phase][nr] : 0;
    if (record != NULL)
        write_down(p->group->name, phase, nr, n, &req);
    at_start(p->pid, nr);
    if (nr == SYS_prctl && req.data.args[0] == PR_SET_SECCOMP)
        p->phase += p->phase < 2;
    resp.id = req.id;
    resp.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
    if (is_due(p, phase, nr, n)) {
        if (plan.kill)
            (void)kill((pid_t)req.pid, SIGKILL);
        else
            resp.flags = 0;
        resp.error = -plan.error;
    }
    (void)ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &resp); /* it may be gone */
}

static void tell_used(void) {
    FILE *f = used_path != NULL ? fopen(used_path, "a") : NULL;
    for (int i = 0; f != NULL && i < ngroups; i++) {
        for (int nr = 0; nr < MAX_CALLS; nr++) {
            if (groups[i].count[1][nr] > 0)
                fprintf(f, "%s %s\n", groups[i].name, name_of(nr == BATCH ? SYS_recvmmsg : nr));
        }
    }
    if (f != NULL && fclose(f) != 0)
        die(used_path);
}

/* ---- the supervisor ---- */

static void pass_signal(int fd) {
    struct signalfd_siginfo info;
    if (read(fd, &info, sizeof info) == (ssize_t)sizeof info && info.ssi_signo != SIGCHLD)
        (void)kill(child, (int)info.ssi_signo);
}

/* Helpers end by themselves after the program. A helper that makes no call for LINGER_MS is killed, to save time: a
 * reset or a wait for a VM's process takes seconds. Spared are helpers that write counters, and all helpers if the
 * calls are listed: on a busy machine even a helper with nothing to do may not run within LINGER_MS. */
static void end_helpers(void) {
    for (int i = 0; used_path == NULL && i < nprocesses; i++) {
        if (processes[i].pid != child && processes[i].phase < 2)
            (void)kill(processes[i].pid, SIGKILL);
    }
}

static int supervise(int listener, int signals) {
    struct pollfd p[2] = {{.fd = listener, .events = POLLIN}, {.fd = signals, .events = POLLIN}};
    int status = 0;
    bool ended = false;
    for (;;) {
        if (!ended && waitpid(child, &status, WNOHANG) == child)
            ended = true;
        int n = poll(p, 2, ended ? LINGER_MS : -1);
        if (n < 0 && errno != EINTR)
            die("poll");
        if (n == 0)
            end_helpers();
        if ((p[1].revents & POLLIN) != 0)
            pass_signal(signals);
        if ((p[0].revents & POLLIN) != 0)
            answer(listener);
        else if ((p[0].revents & POLLHUP) != 0)
            break;
    }
    if (!ended && waitpid(child, &status, 0) != child)
        die("wait");
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int main(int argc, char **argv) {
    int i = 1;
    for (; i + 1 < argc && strcmp(argv[i], "--") != 0; i += 2) {
        if (strcmp(argv[i], "--log") == 0)
            record = fopen(argv[i + 1], "w");
        else if (strcmp(argv[i], "--used") == 0)
            used_path = argv[i + 1];
        else if (strcmp(argv[i], "--vdso") == 0)
            no_vdso = strcmp(argv[i + 1], "off") == 0;
        else if (strcmp(argv[i], "--fail") == 0)
            parse_plan(argv[i + 1], false);
        else if (strcmp(argv[i], "--kill") == 0)
            parse_plan(argv[i + 1], true);
        else
            break;
    }
    if (i + 1 >= argc || strcmp(argv[i], "--") != 0) {
        fprintf(stderr,
                "usage: launch [--log FILE] [--used FILE] [--vdso off] [--fail PLAN | --kill PLAN] -- PROGRAM...\n");
        return 2;
    }
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGCHLD);
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
        die("sigprocmask");
    const char *slash = strrchr(argv[i + 1], '/');
    program = slash != NULL ? slash + 1 : argv[i + 1];
    int listener = start(argv + i + 1);
    int signals = signalfd(-1, &set, SFD_CLOEXEC);
    int status = supervise(listener, signals);
    tell_used();
    if (record != NULL && fclose(record) != 0)
        die("the log");
    return status;
}
