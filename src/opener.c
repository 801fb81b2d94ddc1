/*
 * opener.c - the process that opens the configuration, and the question to it. Owns both ends of the socket between
 * them.
 */
#include "opener.h"

#include "helper.h"
#include "limits.h"
#include "log.h"
#include "sandbox.h"
#include "sock.h"

#include <errno.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

static int sock = -1;

/* ---- the other process ---- */

/* It has the daemon's descriptors only for want of a better time to start; they are of no use to it. */
static void opener(int fd, const void *path) {
    static const struct sandbox_path readable = {"/", SANDBOX_READ};
    const struct sandbox box = {.role = SANDBOX_OPENER, .paths = &readable, .npaths = 1};
    char question;
    if (!sandbox_enter(&box))
        _exit(1);
    while (read(fd, &question, 1) == 1) {
        int conf = openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC), e = conf < 0 ? errno : 0;
        if (sock_send(fd, &e, sizeof e, conf) != (ssize_t)sizeof e)
            break;
        if (conf >= 0)
            (void)close(conf);
    }
}

/* ---- in the daemon ---- */

bool opener_start(const char *path) {
    sock = helper_start("vhotplug-opener", opener, path);
    return sock >= 0;
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
