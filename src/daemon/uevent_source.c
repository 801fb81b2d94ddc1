/*
 * uevent_source.c - the source of uevents, from the kernel's socket to the bus. Owns the descriptor, reopens it after a
 * failure, and starts the full scan after a loss. Never reports devices: the bus does.
 */
#include "daemon/uevent_source.h"

#include "base/limits.h"
#include "base/log.h"
#include "bus/bus.h"
#include "codec/uevent.h"
#include "daemon/dispatch.h"
#include "os/netlink.h"
#include "os/opener.h"
#include "os/pollset.h"
#include "os/sys.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

static struct {
    const struct bus *bus;
    const char *fake; /* path of the stand-in for netlink, or NULL */
    int fd;
    int at;            /* its index in the poll set, or -1 */
    int64_t reopen_at; /* it failed: when to open it again */
    unsigned failures; /* in a row */
    bool rescan;       /* uevents were lost */
    uint64_t rescans;
} source = {.fd = -1, .at = -1, .reopen_at = VH_NEVER};

static int open_source(void) {
    return opener_open(OPEN_UEVENTS, source.fake != NULL ? source.fake : "", 0);
}

bool uevent_source_start(const struct bus *bus, const char *fake) {
    source.bus = bus;
    source.fake = fake;
    source.fd = open_source();
    return source.fd >= 0;
}

void uevent_source_stop(void) {
    if (source.fake != NULL)
        (void)sys_unlink(source.fake);
}

uint64_t uevent_source_rescans(void) {
    return source.rescans;
}

static void lost(void) {
    log_error("the uevent socket failed: opening it anew");
    (void)close(source.fd);
    source.fd = -1;
    source.failures++;
    source.reopen_at = dispatch_now() + backoff(source.failures, VH_T_RETRY_MIN, VH_T_RETRY_MAX);
}

/* A reopened socket is followed by a full scan: events of the time between are lost. */
void uevent_source_tick(int64_t now) {
    if (source.reopen_at > now)
        return;
    source.reopen_at = VH_NEVER;
    source.fd = open_source();
    if (source.fd < 0) {
        log_error("cannot reopen the uevent socket: %s", strerror(errno));
        source.failures++;
        source.reopen_at = now + backoff(source.failures, VH_T_RETRY_MIN, VH_T_RETRY_MAX);
    }
    source.rescan = true;
}

static void rescan_if_lost(void) {
    if (!source.rescan)
        return;
    source.rescan = false;
    source.rescans++;
    source.bus->scan(false, dispatch_fact);
}

/* Reads until the queue is empty, or until other work must have its turn. After a loss the queue is drained before the
 * scan: the messages in it are older than the lost ones. */
static void read_batch(void) {
    for (int i = 0; i < VH_UEVENT_BATCH || netlink_pending(); i++) {
        char *msg;
        size_t len;
        struct uevent ev;
        switch (netlink_read(source.fd, &msg, &len)) {
        case NETLINK_GOT:
            source.failures = 0;
            if (uevent_is_below(msg, len, source.bus->below) && uevent_parse(&ev, msg, len))
                (void)source.bus->uevent(&ev);
            break;
        case NETLINK_IGNORED:
            break;
        case NETLINK_LOST:
            log_warn("uevents were lost: rescanning");
            source.rescan = true;
            break;
        case NETLINK_DEAD:
            lost();
            return;
        case NETLINK_EMPTY:
            rescan_if_lost();
            return;
        }
    }
}

void uevent_source_fill(struct pollset *ps) {
    source.at = source.fd >= 0 ? pollset_add(ps, source.fd, POLLIN) : -1;
}

void uevent_source_ready(const struct pollset *ps) {
    if (source.at >= 0 && (source.rescan || pollset_got(ps, source.at, source.fd))) {
        read_batch();
        source.bus->read_noted(dispatch_fact);
    }
}

int64_t uevent_source_deadline(void) {
    if (source.rescan && source.fd >= 0)
        return 0; /* a batch ended before the queue was empty */
    return source.reopen_at;
}
