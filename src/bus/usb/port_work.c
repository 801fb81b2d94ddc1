/*
 * port_work.c - claims ports of hubs, one order at a time. Owns the nodes of the hubs that it was given; they are open
 * until the hub is gone or the process ends, and the kernel ends the claims with them. Opens nothing, reads nothing.
 */
#include "bus/usb/port_work.h"

#include "base/str.h"
#include "os/outlive.h"
#include "os/sys.h"
#include "os/sysfs.h"

#include <errno.h>
#include <linux/usbdevice_fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#ifndef USBDEVFS_ALLOW_SUSPEND
#define USBDEVFS_ALLOW_SUSPEND _IO('U', 34) /* Linux 5.4 */
#endif

static struct held {
    char hub[VH_SYSNAME_MAX]; /* "" free */
    uint8_t ports;
    int fd;
} table[VH_MAX_HUBS];

/* An errno, or 0. */
static int command(int fd, unsigned long what, uint8_t port) {
    unsigned number = port;
    if (!sysfs_root_is_real()) /* a test's replacement of a node */
        return 0;
    return sys_ioctl(fd, what, &number) == 0 ? 0 : errno;
}

static struct held *find(const char *hub) {
    for (int i = 0; i < VH_MAX_HUBS; i++) {
        if (str_eq(table[i].hub, hub))
            return &table[i];
    }
    return NULL;
}

static void drop(struct held *h) {
    if (h == NULL)
        return;
    (void)close(h->fd);
    h->hub[0] = '\0';
}

/* The claim belongs to the open file, which the copy of its descriptor keeps. An open node keeps the hub awake, unless
 * that is said to be unwanted. */
static int keep(const struct port_order *o, int fd) {
    drop(find(o->hub)); /* it was another plug */
    struct held *h = find("");
    int copy = h != NULL ? sys_dup(fd) : -1;
    if (copy < 0)
        return h != NULL ? errno : ENOSPC;
    h->fd = copy;
    h->ports = o->ports;
    memcpy(h->hub, o->hub, sizeof h->hub);
    return 0;
}

/* The kernel refuses a second claim, whoever has the first one; only the file that has it can release it. */
static int claim(int fd, uint8_t port, bool again) {
    int error = command(fd, USBDEVFS_CLAIM_PORT, port);
    if (error != EBUSY || !again || command(fd, USBDEVFS_RELEASE_PORT, port) != 0)
        return error;
    return command(fd, USBDEVFS_CLAIM_PORT, port);
}

static int hold(const struct held *h, const struct port_order *o, uint8_t held[PORT_BYTES]) {
    int first = 0;
    memcpy(held, o->held, PORT_BYTES);
    for (unsigned port = 1; port <= o->ports; port++) {
        int error = port_is_set(o->held, (uint8_t)port) ? 0 : claim(h->fd, (uint8_t)port, o->again != 0);
        port_set(held, (uint8_t)port, error == 0);
        first = first == 0 ? error : first;
    }
    (void)command(h->fd, USBDEVFS_ALLOW_SUSPEND, 0); /* an older kernel lets the hub sleep less */
    return first;
}

static int on_kept(const struct port_order *o, struct port_answer *a) {
    struct held *h = find(o->hub);
    if (h == NULL) {
        memcpy(a->held, o->held, sizeof a->held);
        return o->head.kind == PORT_DROP ? 0 : ENOENT;
    }
    switch (o->head.kind) {
    case PORT_DROP:
        drop(h);
        return 0;
    case PORT_HOLD:
        return hold(h, o, a->held);
    case PORT_CLAIM:
        return claim(h->fd, o->port, o->again != 0);
    default:
        return command(h->fd, USBDEVFS_RELEASE_PORT, o->port);
    }
}

void port_work_leave(void) {
    bool backwards = outlive_turn() % 2 == 1;
    for (int i = 0; i < VH_MAX_HUBS; i++) {
        const struct held *h = &table[backwards ? VH_MAX_HUBS - 1 - i : i];
        for (unsigned port = 1; h->hub[0] != '\0' && port <= h->ports; port++)
            (void)command(h->fd, USBDEVFS_RELEASE_PORT, (uint8_t)port);
    }
}

size_t port_work(const void *order, int fd, void *answer, int out[WORKER_FDS]) {
    const struct port_order *o = order;
    struct port_answer *a = answer;
    (void)out;
    if (!port_order_valid(o, fd >= 0))
        return 0;
    memset(a, 0, sizeof *a);
    a->error = o->head.kind == PORT_KEEP ? keep(o, fd) : on_kept(o, a);
    return sizeof *a;
}
