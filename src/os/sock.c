/*
 * sock.c - see sock.h. The loops around a call that a signal may interrupt, and the way back after a failure: close the
 * descriptor and keep errno.
 */
#include "os/sock.h"

#include "base/assert.h"
#include "base/limits.h"
#include "base/str.h"
#include "os/sys.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/vm_sockets.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 64
#ifndef SO_PEERNAME
#define SO_PEERNAME 28 /* as getpeername(), without one more system call to allow */
#endif

#ifndef SO_PEERGROUPS /* Linux 4.13; the same number on all architectures without a list of their own */
#define SO_PEERGROUPS 59
#endif

/* ---- listening ---- */

static int fail(int fd) {
    int saved = errno;
    (void)close(fd);
    errno = saved;
    return -1;
}

static int open_socket(int family) {
    return sys_socket(family, SOCK_STREAM, 0);
}

static bool unix_address(struct sockaddr_un *a, const char *path) {
    memset(a, 0, sizeof *a);
    a->sun_family = AF_UNIX;
    if (str_copy(a->sun_path, sizeof a->sun_path, path))
        return true;
    errno = ENAMETOOLONG;
    return false;
}

/* Removes the file of a dead socket. A live socket, or any other file, is an error. */
static bool clear_path(const char *path) {
    struct sys_stat st;
    if (!sys_stat(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, &st))
        return errno == ENOENT;
    if (!S_ISSOCK(st.mode)) {
        errno = EEXIST;
        return false;
    }
    int fd = sock_connect_unix(path);
    if (fd >= 0 || errno != ECONNREFUSED) { /* any other result: there may be a listener */
        if (fd >= 0)
            (void)close(fd);
        errno = EADDRINUSE;
        return false;
    }
    return sys_unlink(path) == 0 || errno == ENOENT;
}

/* Makes the directory of the socket if its parent exists, as /run/vhotplug after a boot. */
static void make_parent(const char *path) {
    char dir[VH_SUN_PATH_MAX];
    const char *slash = strrchr(path, '/');
    if (slash != NULL && slash != path && str_copyn(dir, sizeof dir, path, (size_t)(slash - path)))
        (void)mkdirat(AT_FDCWD, dir, 0755); /* bind() reports errors */
}

int sock_listen_unix(const char *path, unsigned mode, int64_t uid, int64_t gid) {
    struct sockaddr_un a;
    if (!unix_address(&a, path) || !clear_path(path))
        return -1;
    make_parent(path);
    int fd = open_socket(AF_UNIX);
    if (fd < 0)
        return -1;
    /* bind() gives the file the mode of the socket, less the umask, which is 0 here. No client can connect before
     * listen(), so the owner is set in time as well. */
    if (sys_fchmod(fd, mode) != 0 || bind(fd, (const struct sockaddr *)&a, sizeof a) != 0)
        return fail(fd);
    if (((uid >= 0 || gid >= 0) && chown(path, (uid_t)uid, (gid_t)gid) != 0) || listen(fd, BACKLOG) != 0) {
        int saved = errno;
        (void)sys_unlink(path);
        errno = saved;
        return fail(fd);
    }
    return fd;
}

static int listen_at(int fd, const void *address, size_t len) {
    if (fd < 0)
        return -1;
    if (bind(fd, address, (socklen_t)len) != 0 || listen(fd, BACKLOG) != 0)
        return fail(fd);
    return fd;
}

/* A connection inherits these options from its listening socket. */
static int open_tcp(int family, bool v6only) {
    const struct {
        int level, name, value;
    } options[] = {
        {SOL_SOCKET, SO_REUSEADDR, 1},
        {IPPROTO_TCP, TCP_NODELAY, 1}, /* replies are single small writes, which must not wait for an acknowledgement */
        {SOL_SOCKET, SO_KEEPALIVE, 1}, /* the connection of a client that vanished ends */
        {IPPROTO_TCP, TCP_KEEPIDLE, VH_T_TCP_IDLE / 1000},
        {IPPROTO_TCP, TCP_KEEPINTVL, VH_T_TCP_PROBE / 1000},
        {IPPROTO_TCP, TCP_USER_TIMEOUT, VH_T_TCP_DEAD},
        {IPPROTO_IPV6, IPV6_V6ONLY, v6only}, /* last: for IPv6 only */
    };
    size_t n = sizeof options / sizeof *options - (family != AF_INET6);
    int fd = open_socket(family);
    for (size_t i = 0; fd >= 0 && i < n; i++) {
        if (setsockopt(fd, options[i].level, options[i].name, &options[i].value, sizeof options[i].value) != 0)
            return fail(fd);
    }
    return fd;
}

int sock_listen_tcp(const char *host, uint16_t port, bool v6only) {
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    if (inet_pton(AF_INET, str_eq(host, "localhost") ? "127.0.0.1" : host, &v4.sin_addr) == 1)
        return listen_at(open_tcp(AF_INET, false), &v4, sizeof v4);
    if (inet_pton(AF_INET6, host, &v6.sin6_addr) == 1)
        return listen_at(open_tcp(AF_INET6, v6only), &v6, sizeof v6);
    errno = EINVAL;
    return -1;
}

int sock_listen_vsock(uint32_t port) {
    struct sockaddr_vm a = {0};
    memset(&a, 0, sizeof a);
    a.svm_family = AF_VSOCK;
    a.svm_cid = VMADDR_CID_ANY;
    a.svm_port = port;
    return listen_at(open_socket(AF_VSOCK), &a, sizeof a);
}

/* ---- connections ---- */

int sock_accept(int listener) {
    int fd;
    do {
        fd = sys_accept(listener);
    } while (fd < 0 && errno == EINTR);
    return fd;
}

static int connect_unix(const char *path, int type) {
    struct sockaddr_un a;
    if (!unix_address(&a, path))
        return -1;
    int fd = sys_socket(AF_UNIX, type, 0);
    if (fd < 0)
        return -1;
    if (connect(fd, (const struct sockaddr *)&a, sizeof a) != 0)
        return fail(fd);
    return fd;
}

int sock_connect_unix(const char *path) {
    return connect_unix(path, SOCK_STREAM);
}

int sock_connect_packets(const char *path) {
    return connect_unix(path, SOCK_SEQPACKET);
}

int sock_connect_datagram(const char *name) {
    struct sockaddr_un a;
    if (name[0] != '/' && name[0] != '@') {
        errno = EAFNOSUPPORT;
        return -1;
    }
    if (!unix_address(&a, name))
        return -1;
    socklen_t len = sizeof a;
    if (name[0] == '@') { /* here the length counts: a NUL more would be part of the name */
        a.sun_path[0] = '\0';
        len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
    }
    int fd = sys_socket(AF_UNIX, SOCK_DGRAM, 0);
    if (fd < 0)
        return -1;
    if (connect(fd, (const struct sockaddr *)&a, len) != 0)
        return fail(fd);
    return fd;
}

bool sock_peer_unix(int fd, uint32_t *uid, uint32_t *gid, int32_t *pid) {
    struct ucred c;
    socklen_t len = sizeof c;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &c, &len) != 0)
        return false;
    *uid = c.uid;
    *gid = c.gid;
    *pid = c.pid;
    return true;
}

int sock_peer_groups(int fd, uint32_t *groups, int most) {
    _Static_assert(sizeof(gid_t) == sizeof(uint32_t), "groups are 32-bit numbers");
    socklen_t len = (socklen_t)((size_t)most * sizeof *groups);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) != 0)
        return -1;
    return (int)(len / sizeof *groups);
}

bool sock_peer_vsock(int fd, uint32_t *cid, uint32_t *port) {
    struct sockaddr_vm a = {0};
    socklen_t len = sizeof a;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERNAME, &a, &len) != 0 || a.svm_family != AF_VSOCK)
        return false;
    *cid = a.svm_cid;
    *port = a.svm_port;
    return true;
}

bool sock_peer_tcp(int fd, uint8_t address[16], char *text, size_t cap) {
    struct sockaddr_storage a = {0};
    socklen_t len = sizeof(struct sockaddr_in6);
    char buf[INET6_ADDRSTRLEN];
    const char *s = NULL;
    memset(address, 0, 16);
    /* The kernel refuses a length above that of the address: IPv6 is tried first, then IPv4. */
    if (getsockopt(fd, SOL_SOCKET, SO_PEERNAME, &a, &len) != 0) {
        len = sizeof(struct sockaddr_in);
        if (getsockopt(fd, SOL_SOCKET, SO_PEERNAME, &a, &len) != 0)
            return false;
    }
    if (a.ss_family == AF_INET) {
        const struct in_addr *v4 = &((struct sockaddr_in *)(void *)&a)->sin_addr;
        address[10] = address[11] = 0xff;
        memcpy(address + 12, v4, 4);
        s = inet_ntop(AF_INET, v4, buf, sizeof buf);
    } else if (a.ss_family == AF_INET6) {
        const struct in6_addr *v6 = &((struct sockaddr_in6 *)(void *)&a)->sin6_addr;
        memcpy(address, v6, 16);
        s = inet_ntop(AF_INET6, v6, buf, sizeof buf);
    }
    if (s == NULL)
        return false;
    if (str_starts(s, "::ffff:") && strchr(s, '.') != NULL)
        s += strlen("::ffff:");
    return str_copy(text, cap, s);
}

ssize_t sock_send_fds(int fd, const void *p, size_t n, const int fds[], int nfds) {
    /* sendmsg() only reads, but an iovec serves readers and writers. NOLINTNEXTLINE(performance-no-int-to-ptr) */
    struct iovec iov = {.iov_base = (void *)(uintptr_t)p, .iov_len = n};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
    union {
        struct cmsghdr align;
        char buf[CMSG_SPACE(SOCK_MAX_FDS * sizeof(int))];
    } control;
    int passed[SOCK_MAX_FDS];
    unsigned npassed = 0;
    VH_ASSERT(nfds >= 0 && nfds <= SOCK_MAX_FDS);
    for (int i = 0; i < nfds; i++) {
        if (fds[i] >= 0)
            passed[npassed++] = fds[i];
    }
    if (npassed > 0) {
        memset(&control, 0, sizeof control);
        m.msg_control = control.buf;
        m.msg_controllen = (socklen_t)CMSG_SPACE(npassed * sizeof(int));
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        VH_ASSERT(c != NULL); /* there is room for one */
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = (socklen_t)CMSG_LEN(npassed * sizeof(int));
        memcpy(CMSG_DATA(c), passed, npassed * sizeof(int));
    }
    ssize_t sent;
    do {
        sent = sendmsg(fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (sent < 0 && errno == EINTR);
    return sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) ? 0 : sent;
}

ssize_t sock_send(int fd, const void *p, size_t n, int pass_fd) {
    return sock_send_fds(fd, p, n, &pass_fd, 1);
}

ssize_t sock_write(int fd, const void *p, size_t n) {
    ssize_t sent;
    do {
        sent = write(fd, p, n);
    } while (sent < 0 && errno == EINTR);
    return sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) ? 0 : sent;
}

/* As uevents are read, so that recvmsg() need not be allowed as well. Whether it waits is the caller's word and no flag
 * of the open socket, which whoever passed it may still change. */
static int receive(int fd, struct mmsghdr *m, bool wait) {
    int messages;
    do { /* the C libraries differ in the type of flags: a constant is of any */
        messages = wait ? recvmmsg(fd, m, 1, MSG_CMSG_CLOEXEC, NULL)
                        : recvmmsg(fd, m, 1, MSG_CMSG_CLOEXEC | MSG_DONTWAIT, NULL);
    } while (messages < 0 && errno == EINTR);
    if (messages < 0)
        return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -1;
    VH_ASSERT(messages == 1);
    return 1;
}

ssize_t sock_recv(int fd, void *p, size_t n) {
    struct iovec iov = {.iov_base = p, .iov_len = n};
    struct mmsghdr m = {.msg_hdr = {.msg_iov = &iov, .msg_iovlen = 1}};
    int messages = receive(fd, &m, false);
    if (messages <= 0)
        return messages;
    if (m.msg_len == 0) {
        errno = 0;
        return -1;
    }
    return (ssize_t)m.msg_len;
}

static ssize_t receive_fds(int fd, void *p, size_t n, int fds[], int nfds, bool wait) {
    union {
        char buf[CMSG_SPACE(SOCK_MAX_FDS * sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec iov = {.iov_base = p, .iov_len = n};
    struct mmsghdr m = {.msg_hdr = {.msg_iov = &iov,
                                    .msg_iovlen = 1,
                                    .msg_control = control.buf,
                                    .msg_controllen = (socklen_t)CMSG_SPACE((size_t)nfds * sizeof(int))}};
    VH_ASSERT(nfds > 0 && nfds <= SOCK_MAX_FDS);
    for (int i = 0; i < nfds; i++)
        fds[i] = -1;
    int messages = receive(fd, &m, wait);
    if (messages <= 0)
        return messages;
    const struct cmsghdr *c = CMSG_FIRSTHDR(&m.msg_hdr);
    /* Room for two may be room for a third by alignment: what is more than asked for is closed. */
    if (c != NULL && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
        int passed[CMSG_SPACE(SOCK_MAX_FDS * sizeof(int)) / sizeof(int)];
        size_t bytes = (size_t)c->cmsg_len - CMSG_LEN(0);
        VH_ASSERT(bytes <= sizeof passed);
        memcpy(passed, CMSG_DATA(c), bytes);
        for (int i = 0; i < (int)(bytes / sizeof(int)); i++) {
            if (i < nfds)
                fds[i] = passed[i];
            else
                (void)close(passed[i]);
        }
    }
    bool whole = (m.msg_hdr.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0;
    if (m.msg_len > 0 && whole)
        return (ssize_t)m.msg_len;
    for (int i = 0; i < nfds; i++) {
        if (fds[i] >= 0)
            (void)close(fds[i]);
        fds[i] = -1;
    }
    errno = whole ? 0 : EMSGSIZE;
    return -1;
}

ssize_t sock_recv_fds(int fd, void *p, size_t n, int fds[], int nfds) {
    return receive_fds(fd, p, n, fds, nfds, false);
}

ssize_t sock_wait_fds(int fd, void *p, size_t n, int fds[], int nfds) {
    return receive_fds(fd, p, n, fds, nfds, true);
}

bool sock_ended(int fd) {
    char first;
    struct iovec iov = {.iov_base = &first, .iov_len = 1};
    struct mmsghdr m = {.msg_hdr = {.msg_iov = &iov, .msg_iovlen = 1}};
    int messages;
    do {
        messages = recvmmsg(fd, &m, 1, MSG_PEEK | MSG_DONTWAIT, NULL);
    } while (messages < 0 && errno == EINTR);
    return messages == 1 && m.msg_len == 0;
}
