/*
 * opener.c - the process that opens the configuration, and the question to it. Owns both ends of the socket between
 * them.
 */
#include "opener.h"

#include "limits.h"
#include "log.h"
#include "sandbox.h"
#include "sock.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static int sock = -1;

/* ---- the other process ---- */

/* It has the daemon's descriptors only for want of a better time to start; they are of no use to it. */
static _Noreturn void opener(int fd, const char *path) {
    static const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};
    static const struct sandbox_path readable = {"/", SANDBOX_READ};
    const struct sandbox box = {.role = SANDBOX_OPENER, .paths = &readable, .npaths = 1};
    char question;
    for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
        (void)signal(ignored[i], SIG_IGN);
    (void)prctl(PR_SET_NAME, "vhotplug-opener");
    if (!sandbox_enter(&box))
        _exit(1);
    while (read(fd, &question, 1) == 1) {
        int conf = openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC), e = conf < 0 ? errno : 0;
        if (sock_send(fd, &e, sizeof e, conf) != (ssize_t)sizeof e)
            break;
        if (conf >= 0)
            (void)close(conf);
    }
    _exit(0);
}

/* ---- in the daemon ---- */

bool opener_start(const char *path) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
        log_error("cannot make a socket for the opener of the configuration: %s", strerror(errno));
        return false;
    }
    pid_t pid = fork();
    if (pid == 0) {
        (void)close(pair[0]);
        opener(pair[1], path);
    }
    (void)close(pair[1]);
    sock = pair[0];
    if (pid > 0)
        return true;
    log_error("cannot start the opener of the configuration: %s", strerror(errno));
    opener_forget();
    return false;
}

void opener_forget(void) {
    if (sock >= 0)
        (void)close(sock);
    sock = -1;
}

/* An answer that comes too late would be taken for the next one's: then there is none any more. */
static int gone(const char *why) {
    log_error("the opener of the configuration %s: no more reloads until the daemon is started again", why);
    opener_forget();
    errno = EPIPE;
    return -1;
}

int opener_open(void) {
    int e = 0, fd = -1;
    if (sock < 0) {
        errno = EPIPE;
        return -1;
    }
    if (write(sock, "", 1) != 1)
        return gone("ended");
    struct pollfd p = {.fd = sock, .events = POLLIN};
    struct timespec left = {.tv_sec = VH_T_OPEN / 1000};
    int n = ppoll(&p, 1, &left, NULL);
    if (n == 0)
        return gone("does not answer");
    if (n < 0 || sock_recv_fd(sock, &e, sizeof e, &fd) != (ssize_t)sizeof e)
        return gone("ended");
    if (fd < 0)
        errno = e;
    return fd;
}
