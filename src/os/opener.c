/*
 * opener.c - the opener process, and the requests of the daemon to it. Owns both ends of the socket between them.
 */
#include "os/opener.h"

#include "base/limits.h"
#include "base/log.h"
#include "base/str.h"
#include "os/helper.h"
#include "os/netlink.h"
#include "os/sandbox.h"
#include "os/sock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct question { /* the answer is an errno, 0 if a descriptor comes with it */
    enum opener_what what;
    unsigned number;
    char text[VH_PATH_MAX];
};

static struct opener_places places;
static bool sealed;
static int sock = -1;

/* ---- opening ---- */

static int make_directory(const char *path) {
    if (mkdirat(AT_FDCWD, path, 0755) != 0 && errno != EEXIST)
        return -1;
    return openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int open_it(const struct question *q) {
    switch (q->what) {
    case OPEN_CONF: /* opening a fifo must not wait */
        return openat(AT_FDCWD, places.conf, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    case OPEN_UEVENTS:
        return q->text[0] != '\0' ? netlink_open_fake(q->text) : netlink_open();
    case OPEN_UNIX:
        return sock_listen_unix(q->text, q->number, -1, -1);
    case OPEN_TCP:
        return sock_listen_tcp(q->text, (uint16_t)q->number, false);
    case OPEN_VSOCK:
        return sock_listen_vsock(q->number);
    case OPEN_DIRECTORY:
        return make_directory(q->text);
    }
    errno = EINVAL;
    return -1;
}

/* ---- the opener process ---- */

/* Makes the directories first, so that the rules apply to them and not to their parents. */
static bool enter_sandbox(void) {
    const struct sandbox_path paths[] = {
        {"/", SANDBOX_READ},
        {places.sockets, SANDBOX_SOCKET | SANDBOX_ANCESTOR},
        {places.state, SANDBOX_MKDIR | SANDBOX_ANCESTOR},
        {places.uevents, SANDBOX_SOCKET},
    };
    const struct sandbox box = {.role = SANDBOX_OPENER,
                                .paths = paths,
                                .npaths = sizeof paths / sizeof *paths,
                                .testing = places.uevents[0] != '\0'};
    (void)mkdirat(AT_FDCWD, places.sockets, 0755); /* the daemon reports errors */
    (void)mkdirat(AT_FDCWD, places.state, 0755);
    return sandbox_enter(&box);
}

/* The process inherits open descriptors of the daemon, because it cannot start earlier. It uses none of them. */
static void opener(int fd, const void *arg) {
    static struct question q;
    (void)arg;
    if (!enter_sandbox())
        _exit(1);
    while (read(fd, &q, sizeof q) == (ssize_t)sizeof q) {
        q.text[sizeof q.text - 1] = '\0';
        int opened = open_it(&q), e = opened < 0 ? errno : 0;
        if (sock_send(fd, &e, sizeof e, opened) != (ssize_t)sizeof e)
            break;
        if (opened >= 0)
            (void)close(opened);
    }
}

/* ---- in the daemon ---- */

bool opener_start(const struct opener_places *p) {
    places = *p;
    if (sandbox_enabled())
        sock = helper_start("vhotplug-opener", opener, NULL);
    return sock >= 0 || !sandbox_enabled();
}

void opener_seal(void) {
    sealed = true;
}

bool opener_sealed(void) {
    return sealed;
}

void opener_forget(void) {
    if (sock >= 0)
        helper_close(sock);
    sock = -1;
}

/* Stops using the opener: a late answer would be taken for the answer to the next question. */
static int gone(const char *why) {
    log_error("the opener %s: no more reloads and no new sockets until the daemon is started again", why);
    opener_forget();
    errno = EPIPE;
    return -1;
}

static int ask(const struct question *q) {
    int e = 0, fd = -1;
    if (sock < 0) {
        errno = EPIPE;
        return -1;
    }
    if (sock_send(sock, q, sizeof *q, -1) != (ssize_t)sizeof *q)
        return gone("ended");
    struct pollfd p = {.fd = sock, .events = POLLIN};
    struct timespec left = {.tv_sec = VH_T_OPEN / 1000};
    int n = ppoll(&p, 1, &left, NULL);
    if (n == 0)
        return gone("does not answer");
    if (n < 0 || sock_recv_fd(sock, &e, sizeof e, &fd) != (ssize_t)sizeof e || (fd < 0) != (e > 0))
        return gone("ended");
    if (fd < 0)
        errno = e;
    return fd;
}

int opener_open(enum opener_what what, const char *text, unsigned number) {
    static struct question q;
    memset(&q, 0, sizeof q);
    q.what = what;
    q.number = number;
    if (!str_copy(q.text, sizeof q.text, text)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    return sealed ? ask(&q) : open_it(&q);
}
