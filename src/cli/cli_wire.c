/*
 * cli_wire.c - the client's connection. Owns one socket and the receive buffer, which is mapped at its first use: the
 * daemon is the same binary and should not carry it. Never interprets a line.
 */
#include "cli/cli_wire.h"

#include "base/limits.h"
#include "base/str.h"
#include "os/accounts.h"
#include "os/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/vm_sockets.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define DEFAULT_PATH "/var/lib/vhotplug/vhotplug.sock"
#define RECEIVE_MAX ((size_t)VH_MAX_DEVICES * VH_REPLY_MAX) /* a list of all devices, each of the largest size */

enum { CONNECT_MS = 5000, DEFAULT_PORT = 2000 };

static struct {
    int fd;
    char *buf;
    size_t used, taken;
} wire = {.fd = -1};

static bool in_guest(void) {
    unsigned cid = VMADDR_CID_ANY;
    int fd = open("/dev/vsock", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool known = ioctl(fd, IOCTL_VM_SOCKETS_GET_LOCAL_CID, &cid) == 0;
    (void)close(fd);
    return known && cid > VMADDR_CID_HOST && cid != VMADDR_CID_ANY;
}

static const char *path_of(const struct cli_target *t) {
    return t->path != NULL ? t->path : DEFAULT_PATH;
}

/* Fills in the address. Returns its length, or 0 with errno. */
static socklen_t address(const struct cli_target *t, enum cli_transport how, struct sockaddr_storage *ss) {
    uint32_t port = t->port != 0 ? t->port : DEFAULT_PORT;
    memset(ss, 0, sizeof *ss);
    if (how == CLI_UNIX) {
        struct sockaddr_un *un = (struct sockaddr_un *)ss;
        un->sun_family = AF_UNIX;
        errno = ENAMETOOLONG;
        return str_copy(un->sun_path, sizeof un->sun_path, path_of(t)) ? sizeof *un : 0;
    }
    if (how == CLI_VSOCK) {
        struct sockaddr_vm *vm = (struct sockaddr_vm *)ss;
        vm->svm_family = AF_VSOCK;
        vm->svm_cid = t->cid != 0 ? t->cid : VMADDR_CID_HOST;
        vm->svm_port = port;
        return sizeof *vm;
    }
    const char *host = t->host == NULL || str_eq(t->host, "localhost") ? "127.0.0.1" : t->host;
    struct sockaddr_in *in4 = (struct sockaddr_in *)ss;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ss;
    if (inet_pton(AF_INET, host, &in4->sin_addr) == 1) {
        in4->sin_family = AF_INET;
        in4->sin_port = htons((uint16_t)port);
        return sizeof *in4;
    }
    if (inet_pton(AF_INET6, host, &in6->sin6_addr) == 1) {
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons((uint16_t)port);
        return sizeof *in6;
    }
    errno = EDESTADDRREQ;
    return 0;
}

static bool wait_for(int fd, short events, int timeout_ms) {
    struct pollfd p = {.fd = fd, .events = events};
    int64_t end = clock_now() / 1000000 + timeout_ms;
    for (;;) {
        int64_t left = timeout_ms < 0 ? -1 : end - clock_now() / 1000000;
        int n = poll(&p, 1, timeout_ms < 0 ? -1 : left > 0 ? (int)left : 0);
        if (n > 0)
            return true;
        if (n == 0) {
            errno = ETIMEDOUT;
            return false;
        }
        if (errno != EINTR)
            return false;
    }
}

static bool connect_within(int fd, const struct sockaddr_storage *ss, socklen_t len) {
    if (connect(fd, (const struct sockaddr *)ss, len) == 0)
        return true;
    if (errno != EINPROGRESS || !wait_for(fd, POLLOUT, CONNECT_MS))
        return false;
    int error = 0;
    socklen_t size = sizeof error;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
        return false;
    errno = error;
    return error == 0;
}

static void describe(const struct cli_target *t, enum cli_transport how, struct sbuf *why) {
    unsigned port = t->port != 0 ? t->port : DEFAULT_PORT;
    if (how == CLI_UNIX)
        sb_fmt(why, "unix socket %s", path_of(t));
    else if (how == CLI_TCP)
        sb_fmt(why, "%s port %u", t->host != NULL ? t->host : "127.0.0.1", port);
    else
        sb_fmt(why, "vsock CID %u port %u", (unsigned)(t->cid != 0 ? t->cid : VMADDR_CID_HOST), port);
}

/* Whom the socket lets in: the group that may write to it, else its owner. */
static void reason_denied(const char *path, struct sbuf *why) {
    char name[VH_NAME_MAX];
    struct stat st;
    sb_str(why, "permission denied: ");
    if (stat(path, &st) != 0) {
        sb_str(why, "the way to it is closed to this user");
        return;
    }
    bool group = (st.st_mode & S_IWGRP) != 0;
    unsigned id = group ? st.st_gid : st.st_uid;
    (void)accounts_name(group ? ACCOUNTS_GROUPS : ACCOUNTS_USERS, id, name, sizeof name);
    sb_fmt(why, "it is open to %s '%s' (%u)%s", group ? "group" : "user", name, id,
           group ? "; join that group" : " alone");
}

static const char nobody[] = "nobody listens: is vhotplug running";

static void reason(const struct cli_target *t, enum cli_transport how, int error, struct sbuf *why) {
    if (how == CLI_UNIX && error == EACCES)
        reason_denied(path_of(t), why);
    else if (how == CLI_UNIX && error == ENOENT)
        sb_str(why, "no such socket: is vhotplug running?");
    else if (how == CLI_UNIX && error == ECONNREFUSED)
        sb_fmt(why, "%s?", nobody);
    else if (error == ECONNREFUSED || (how == CLI_VSOCK && error == ECONNRESET))
        sb_fmt(why, "%s, with \"%s\" in general.api.transports?", nobody, how == CLI_TCP ? "tcp" : "vsock");
    else if (error == EAFNOSUPPORT && how == CLI_VSOCK)
        sb_str(why, "this kernel has no AF_VSOCK");
    else if (error == ENODEV)
        sb_str(why, "no vsock here (kernel module missing?)");
    else
        sb_str(why, error == EDESTADDRREQ ? "not a numeric address" : strerror(error));
}

/* Connects in one way, or adds to `why`. */
static bool attempt(const struct cli_target *t, enum cli_transport how, struct sbuf *why) {
    struct sockaddr_storage ss;
    socklen_t len = address(t, how, &ss);
    if (len != 0)
        wire.fd = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (wire.fd >= 0 && connect_within(wire.fd, &ss, len))
        return true;
    int error = errno;
    sb_str(why, why->len == 0 ? "cannot connect to " : "; nor to ");
    describe(t, how, why);
    sb_str(why, ": ");
    reason(t, how, error, why);
    cli_close();
    return false;
}

bool cli_connect(const struct cli_target *t, char *why, size_t cap) {
    struct sbuf sb; /* what does not fit is the end of an error text: harmless */
    sb_init(&sb, why, cap);
    cli_close();
    if (t->transport != CLI_DEFAULT)
        return attempt(t, t->transport, &sb);
    bool guest = in_guest();
    if (((guest && t->port != 0) || !attempt(t, CLI_UNIX, &sb)) && !(guest && attempt(t, CLI_VSOCK, &sb))) {
        sb_str(&sb, "; another place: -u PATH (or VHOTPLUG_SOCKET), -s HOST, -t vsock");
        return false;
    }
    return true;
}

/* Fills `why` and returns false. The daemon closes the connection of a client without access at once; the client may
 * notice at sending or at receiving. */
static bool broke(const char *doing, int error, char *why, size_t cap) {
    if (error == 0 || error == EPIPE || error == ECONNRESET)
        (void)str_copy(why, cap, "the daemon closed the connection: not allowed, or it ended");
    else
        (void)str_fmt(why, cap, "cannot %s: %s", doing, strerror(error));
    return false;
}

bool cli_send(const char *line, size_t len, char *why, size_t cap) {
    for (size_t done = 0; done < len;) {
        ssize_t n = send(wire.fd, line + done, len - done, MSG_NOSIGNAL);
        if (n > 0)
            done += (size_t)n;
        else if (!(errno == EAGAIN && wait_for(wire.fd, POLLOUT, CONNECT_MS)) && errno != EINTR)
            return broke("send", errno, why, cap);
    }
    return true;
}

/* One read into the buffer's free end. */
static bool fill(int timeout_ms, char *why, size_t cap) {
    if (wire.used == RECEIVE_MAX) {
        (void)str_fmt(why, cap, "the reply is longer than %zu bytes", RECEIVE_MAX);
        return false;
    }
    if (!wait_for(wire.fd, POLLIN, timeout_ms)) {
        (void)str_fmt(why, cap, errno == ETIMEDOUT ? "no answer within %d s" : "cannot wait (%d s)", timeout_ms / 1000);
        return false;
    }
    ssize_t n = recv(wire.fd, wire.buf + wire.used, RECEIVE_MAX - wire.used, 0);
    if (n > 0)
        wire.used += (size_t)n;
    else if (n == 0 || (errno != EAGAIN && errno != EINTR))
        return broke("receive", n == 0 ? 0 : errno, why, cap);
    return true;
}

bool cli_receive(const char **line, size_t *len, int timeout_ms, char *why, size_t cap) {
    if (wire.buf == NULL) {
        void *p = mmap(NULL, RECEIVE_MAX, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED) {
            (void)str_fmt(why, cap, "no memory");
            return false;
        }
        wire.buf = p;
    }
    memmove(wire.buf, wire.buf + wire.taken, wire.used - wire.taken);
    wire.used -= wire.taken;
    wire.taken = 0;
    for (size_t seen = 0;;) {
        char *end = memchr(wire.buf + seen, '\n', wire.used - seen);
        seen = wire.used;
        if (end != NULL) {
            *end = '\0';
            *line = wire.buf;
            *len = (size_t)(end - wire.buf);
            wire.taken = *len + 1;
            return true;
        }
        if (!fill(timeout_ms, why, cap))
            return false;
    }
}

bool cli_wait(int fd) {
    struct pollfd p[] = {{.fd = wire.fd, .events = POLLIN}, {.fd = fd, .events = POLLIN}};
    if (wire.used > wire.taken && memchr(wire.buf + wire.taken, '\n', wire.used - wire.taken) != NULL)
        return true;
    return poll(p, 2, -1) > 0 && p[0].revents != 0;
}

void cli_close(void) {
    if (wire.fd >= 0)
        (void)close(wire.fd);
    wire.fd = -1;
    wire.used = wire.taken = 0;
}
