/*
 * logger.c - the logger process, and the pipe to it. Owns the standard error that the daemon was started with. Never
 * changes that descriptor's flags: other programs share it. Opens nothing.
 *
 * The pipe ends when the daemon and all workers have ended; then everything is copied. If a worker does not end, or
 * standard error takes nothing, the logger ends VH_T_LOG_DRAIN after the daemon. The end of the daemon closes a socket,
 * and that raises SIGIO. PR_SET_PDEATHSIG would not do: since Linux 6.12 landlock keeps that signal from crossing
 * between the sandboxes of the two processes.
 */
#include "os/logger.h"

#include "base/limits.h"
#include "base/log.h"
#include "os/helper.h"
#include "os/pages.h"
#include "os/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <unistd.h>

static int writer = -1; /* the pipe's writing end, until logger_use() */

/* ---- the logger process ---- */

static void daemon_ended(int signal, siginfo_t *info, void *context) {
    const struct itimerval left = {.it_value = {.tv_sec = VH_T_LOG_DRAIN / 1000}};
    (void)signal;
    (void)info;
    (void)context;
    (void)setitimer(ITIMER_REAL, &left, NULL);
}

static void time_is_up(int signal, siginfo_t *info, void *context) {
    (void)signal;
    (void)info;
    (void)context;
    _exit(0);
}

/* SA_SIGINFO: the C library then returns from the handler by the same call on every architecture. */
static bool handle(int signal, void (*handler)(int, siginfo_t *, void *)) {
    const struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_RESTART};
    return sigaction(signal, &action, NULL) == 0;
}

static bool watch_daemon(int sock) {
    sigset_t both;
    sigemptyset(&both);
    sigaddset(&both, SIGIO);
    sigaddset(&both, SIGALRM);
    return handle(SIGIO, daemon_ended) && handle(SIGALRM, time_is_up) && sigprocmask(SIG_UNBLOCK, &both, NULL) == 0 &&
           fcntl(sock, F_SETOWN, getpid()) == 0 && fcntl(sock, F_SETFL, O_ASYNC) == 0;
}

/* Copies whole lines, each by one write: /dev/kmsg makes a record of each write. Bytes of the unfinished line, which
 * come to stand at the front. */
static size_t copy_lines(char *text, size_t len, size_t cap) {
    size_t from = 0;
    const char *end = NULL;
    while ((end = memchr(text + from, '\n', len - from)) != NULL) {
        size_t n = (size_t)(end - (text + from)) + 1;
        log_copy(text + from, n);
        from += n;
    }
    if (from == 0 && len == cap) { /* no line of ours */
        log_copy(text, len);
        return 0;
    }
    memmove(text, text + from, len - from);
    return len - from;
}

static void copy_all(void) {
    static char text[VH_LOG_READ];
    size_t have = 0;
    ssize_t n = 0;
    do {
        n = read(STDIN_FILENO, text + have, sizeof text - have);
        if (n > 0)
            have = copy_lines(text, have + (size_t)n, sizeof text);
    } while (n > 0 || (n < 0 && errno == EINTR));
    if (have > 0)
        log_copy(text, have);
}

/* The pipe's reading end becomes standard input. A terminal that allows output of its foreground processes only would
 * stop this one by SIGTTOU. */
static void logger(int sock, const void *arg) {
    const int *ends = arg;
    const struct sandbox box = {.role = SANDBOX_LOGGER};
    (void)signal(SIGTTOU, SIG_IGN);
    (void)close(ends[1]);
    bool ok = dup2(ends[0], STDIN_FILENO) == STDIN_FILENO && watch_daemon(sock);
    (void)close(ends[0]);
    (void)close(STDOUT_FILENO);
    pages_give_back_code();
    log_open("vhotplug", LOG_WARN); /* a line of its own would wait for whoever does not read, and the daemon for it */
    log_stamp();
    if (!ok || !sandbox_enter(&box) || write(sock, "", 1) != 1)
        _exit(1);
    copy_all();
}

/* ---- in the daemon ---- */

static bool may_wait(void) {
    struct stat st;
    if (fstat(STDERR_FILENO, &st) != 0)
        return false;
    return !S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 3);
}

/* The pipe's size is a wish: where it is not granted, fewer lines can wait. */
static bool ready(int sock, int fd) {
    char byte;
    if (read(sock, &byte, 1) != 1) {
        errno = EPIPE;
        return false;
    }
    (void)fcntl(fd, F_SETPIPE_SZ, VH_LOG_PIPE);
    return fcntl(fd, F_SETFL, O_NONBLOCK) == 0;
}

bool logger_start(void) {
    int ends[2];
    if (!may_wait())
        return true;
    (void)signal(SIGPIPE, SIG_IGN); /* without the logger lines are lost, and nothing else */
    if (pipe2(ends, O_CLOEXEC) != 0) {
        log_error("cannot make a pipe for log lines: %s", strerror(errno));
        return false;
    }
    int sock = helper_start("vhotplug-log", logger, ends);
    (void)close(ends[0]);
    if (sock >= 0 && ready(sock, ends[1])) {
        writer = ends[1];
        return true;
    }
    if (sock >= 0) {
        log_error("cannot use the logger: %s", strerror(errno));
        helper_close(sock);
    }
    (void)close(ends[1]);
    return false;
}

bool logger_use(void) {
    if (writer < 0)
        return true;
    if (dup2(writer, STDERR_FILENO) != STDERR_FILENO) {
        log_error("cannot use the logger: %s", strerror(errno));
        return false;
    }
    (void)close(writer);
    writer = -1;
    log_stamp(); /* a pipe: the logger adds the time if it writes to a file */
    return true;
}
