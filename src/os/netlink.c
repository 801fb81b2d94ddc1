/*
 * netlink.c - uevents of the kernel, and of no other sender. Owns how the socket is opened and read; the caller owns
 * the descriptor.
 *
 * Root may send forged messages to the group, and udevd sends to another group: only port id 0 (the kernel) and group 1
 * count. The kernel reports ENOBUFS once, before older messages that are still queued. So the caller reads these first
 * and looks at sysfs afterwards.
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

/* The messages that one call read. With several messages a call, a storm needs fewer calls, so fewer are lost. */
static struct {
    int at, n; /* the next message to return, of n */
    struct mmsghdr header[VH_UEVENT_READ];
    struct iovec iov[VH_UEVENT_READ];
    struct sockaddr_nl from[VH_UEVENT_READ];
    char text[VH_UEVENT_READ][VH_UEVENT_MAX];
} batch;

static void forget_batch(void) {
    batch.at = batch.n = 0;
}

/* SO_RCVBUFFORCE needs CAP_NET_ADMIN; net.core.rmem_max caps SO_RCVBUF. With a small buffer there are more rescans, and
 * nothing worse. */
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

static void prepare_batch(void) {
    for (int i = 0; i < VH_UEVENT_READ; i++) {
        batch.iov[i] = (struct iovec){.iov_base = batch.text[i], .iov_len = VH_UEVENT_MAX};
        batch.header[i].msg_hdr = (struct msghdr){.msg_iov = &batch.iov[i], .msg_iovlen = 1};
        if (!fake) {
            batch.from[i] = (struct sockaddr_nl){0};
            batch.header[i].msg_hdr.msg_name = &batch.from[i];
            batch.header[i].msg_hdr.msg_namelen = sizeof batch.from[i];
        }
    }
}

/* NETLINK_GOT if there is a new batch. A batch that was not full has emptied the queue, which saves a call here. If an
 * error ended that batch, the next poll() reports the error. */
static enum netlink_result read_batch(int fd) {
    int n;
    bool emptied = batch.n > 0 && batch.n < VH_UEVENT_READ;
    forget_batch();
    if (emptied)
        return NETLINK_EMPTY;
    prepare_batch();
    do {
        n = recvmmsg(fd, batch.header, VH_UEVENT_READ, MSG_DONTWAIT, NULL);
    } while (n < 0 && errno == EINTR);
    if (n > 0) {
        batch.n = n;
        return NETLINK_GOT;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK)
        return NETLINK_EMPTY;
    if (errno != ENOBUFS)
        return NETLINK_DEAD;
    stats.lost++;
    return NETLINK_LOST;
}

bool netlink_pending(void) {
    return batch.at < batch.n;
}

enum netlink_result netlink_read(int fd, char **msg, size_t *len) {
    enum netlink_result r = netlink_pending() ? NETLINK_GOT : read_batch(fd);
    if (r != NETLINK_GOT)
        return r;
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
