/*
 * helper.c - starts all helper processes in the same way. Owns nothing while they run. Forks only before the daemon
 * enters its sandbox.
 *
 * Terminals and service managers send a signal to all processes, but only the daemon acts on one. A helper finishes the
 * work under way and ends when its socket is closed.
 */
#include "os/helper.h"

#include "base/limits.h"
#include "base/log.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* The daemon's, of helpers that run. Written between two forks, so each helper has a copy of this page: that of
 * initialised data, which each of them writes in any case. */
static struct {
    int n;
    int fd[VH_MAX_HELPERS];
} ends = {.fd = {-1}};
static int hidden[VH_MAX_HIDDEN]; /* the daemon's alone */
static int nhidden;

static _Noreturn void run(const char *name, helper_fn *serve, const int pair[2], const void *arg) {
    static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};
    (void)prctl(PR_SET_NAME, name); /* first: whoever watches the processes knows from here on which one it is */
    (void)close(pair[0]);
    for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
        (void)signal(ignored[i], SIG_IGN);
    for (int i = 0; i < nhidden; i++)
        (void)close(hidden[i]);
    for (int i = 0; i < ends.n; i++)
        (void)close(ends.fd[i]); /* else a helper outlives the daemon for as long as another does */
    serve(pair[1], arg);
    _exit(0);
}

int helper_start(const char *name, helper_fn *serve, const void *arg) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
        log_error("cannot make a socket for %s: %s", name, strerror(errno));
        return -1;
    }
    pid_t pid = fork();
    if (pid == 0)
        run(name, serve, pair, arg);
    int e = errno;
    (void)close(pair[1]);
    if (pid > 0) {
        VH_ASSERT(ends.n < VH_MAX_HELPERS);
        ends.fd[ends.n++] = pair[0];
        return pair[0];
    }
    log_error("cannot start %s: %s", name, strerror(e));
    (void)close(pair[0]);
    return -1;
}

void helper_hide(int fd) {
    VH_ASSERT(nhidden < VH_MAX_HIDDEN);
    hidden[nhidden++] = fd;
}

void helper_close(int fd) {
    int i = 0;
    while (i < ends.n && ends.fd[i] != fd)
        i++;
    VH_ASSERT(i < ends.n);
    ends.fd[i] = ends.fd[--ends.n];
    (void)close(fd);
}
