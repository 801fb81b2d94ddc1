/*
 * netlink.c - uevents from the kernel and from nobody else. Owns how the socket is opened and read; the caller owns the
 * descriptor.
 *
 * Root may send fakes to the group, and udevd speaks on another one: only port id 0 (the kernel) and group 1 count.
 * ENOBUFS is told once, before older messages that are still queued, so the caller drains first and looks at sysfs
 * afterwards.
 */
#include "os/netlink.h"

#include "base/limits.h"
#include "base/str.h"
#include "os/sys.h"

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

/* Messages that one call brought. A storm is read in a fraction of the calls, so fewer are lost. */
static struct {
    int at, n;    /* the next to give out, of so many */
    bool drained; /* the call would have brought more, had there been any */
    struct mmsghdr header[VH_UEVENT_READ];
    struct iovec iov[VH_UEVENT_READ];
    struct sockaddr_nl from[VH_UEVENT_READ];
    char text[VH_UEVENT_READ][VH_UEVENT_MAX];
} batch;

static void forget_batch(void) {
    batch.at = batch.n = 0;
    batch.drained = false;
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
    forget_batch();
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
    forget_batch();
    return fd;
}

static bool from_kernel(const struct msghdr *m, const struct sockaddr_nl *from) {
    return m->msg_namelen == sizeof *from && from->nl_family == AF_NETLINK && from->nl_pid == 0 &&
           from->nl_groups == KERNEL_GROUP;
}

/* False with errno if nothing came. */
static bool read_batch(int fd) {
    int n;
    forget_batch();
    for (int i = 0; i < VH_UEVENT_READ; i++) {
        batch.iov[i] = (struct iovec){.iov_base = batch.text[i], .iov_len = VH_UEVENT_MAX};
        batch.header[i].msg_hdr = (struct msghdr){.msg_iov = &batch.iov[i], .msg_iovlen = 1};
        if (!fake) {
            batch.from[i] = (struct sockaddr_nl){0};
            batch.header[i].msg_hdr.msg_name = &batch.from[i];
            batch.header[i].msg_hdr.msg_namelen = sizeof batch.from[i];
        }
    }
    do {
        n = recvmmsg(fd, batch.header, VH_UEVENT_READ, 0, NULL);
    } while (n < 0 && errno == EINTR);
    if (n <= 0)
        return false;
    batch.n = n;
    batch.drained = n < VH_UEVENT_READ;
    return true;
}

bool netlink_pending(void) {
    return batch.at < batch.n;
}

/* A short batch is the end of the queue, or there is an error that the next poll() tells of. */
enum netlink_result netlink_read(int fd, char **msg, size_t *len) {
    if (!netlink_pending()) {
        if (batch.drained) {
            forget_batch();
            return NETLINK_EMPTY;
        }
        if (!read_batch(fd)) {
            if (errno == EAGAIN || errno == EWOULDBLOCK)
                return NETLINK_EMPTY;
            if (errno != ENOBUFS)
                return NETLINK_DEAD;
            stats.lost++;
            return NETLINK_LOST;
        }
    }
    const struct mmsghdr *h = &batch.header[batch.at];
    const struct sockaddr_nl *from = &batch.from[batch.at];
    *msg = batch.text[batch.at++];
    *len = h->msg_len;
    if (h->msg_len == 0 || (h->msg_hdr.msg_flags & MSG_TRUNC) != 0 || (!fake && !from_kernel(&h->msg_hdr, from))) {
        stats.ignored++;
        return NETLINK_IGNORED;
    }
    stats.got++;
    return NETLINK_GOT;
}
