/*
 * netlink.c - uevents from the kernel and from nobody else. Owns how the socket is opened and read; the caller owns the
 * descriptor.
 *
 * Root may send fakes to the group, and udevd speaks on another one: only port id 0 (the kernel) and group 1 count.
 * ENOBUFS is told once, before older messages that are still queued, so the caller drains first and looks at sysfs
 * afterwards.
 */
#include "netlink.h"

#include "limits.h"
#include "str.h"
#include "sys.h"

#include <errno.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define KERNEL_GROUP 1
#define RCVBUF_WANTED (8 * 1024 * 1024)

static struct netlink_stats stats;
static bool fake;

const struct netlink_stats *netlink_stats(void) {
    return &stats;
}

/* SO_RCVBUFFORCE needs CAP_NET_ADMIN; SO_RCVBUF is capped by net.core.rmem_max. A small buffer means more rescans, no
 * more. */
static void widen(int fd) {
    int want = RCVBUF_WANTED;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &want, sizeof want) != 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &want, sizeof want);
}

static int close_with_errno(int fd) {
    int saved = errno;
    (void)close(fd);
    errno = saved;
    return -1;
}

int netlink_open(void) {
    int fd = sys_socket(AF_NETLINK, SOCK_DGRAM, NETLINK_KOBJECT_UEVENT);
    if (fd < 0)
        return -1;
    widen(fd);
    struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = KERNEL_GROUP};
    if (bind(fd, (const struct sockaddr *)&address, sizeof address) != 0)
        return close_with_errno(fd);
    fake = false;
    return fd;
}

int netlink_open_fake(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (!str_copy(address.sun_path, sizeof address.sun_path, path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    int fd = sys_socket(AF_UNIX, SOCK_DGRAM, 0);
    if (fd < 0)
        return -1;
    (void)sys_unlink(path);
    if (bind(fd, (const struct sockaddr *)&address, sizeof address) != 0)
        return close_with_errno(fd);
    fake = true;
    return fd;
}

static bool from_kernel(const struct msghdr *m, const struct sockaddr_nl *from) {
    return m->msg_namelen == sizeof *from && from->nl_family == AF_NETLINK && from->nl_pid == 0 &&
           from->nl_groups == KERNEL_GROUP;
}

enum netlink_result netlink_read(int fd, char **msg, size_t *len) {
    static char buffer[VH_UEVENT_MAX];
    struct sockaddr_nl from = {0};
    struct iovec iov = {.iov_base = buffer, .iov_len = sizeof buffer};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
    if (!fake) {
        m.msg_name = &from;
        m.msg_namelen = sizeof from;
    }
    ssize_t n;
    do {
        n = recvmsg(fd, &m, 0);
    } while (n < 0 && errno == EINTR);
    if (n < 0) {
        if (errno == EAGAIN || errno == EWOULDBLOCK)
            return NETLINK_EMPTY;
        if (errno != ENOBUFS)
            return NETLINK_DEAD;
        stats.lost++;
        return NETLINK_LOST;
    }
    if (n == 0 || (m.msg_flags & MSG_TRUNC) != 0 || (!fake && !from_kernel(&m, &from))) {
        stats.ignored++;
        return NETLINK_IGNORED;
    }
    stats.got++;
    *msg = buffer;
    *len = (size_t)n;
    return NETLINK_GOT;
}
