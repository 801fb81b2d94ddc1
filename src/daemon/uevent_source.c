/*
 * uevent_source.c - the source of uevents, from the kernel's socket to the bus. Owns the descriptor, has it opened
 * again after a failure, and starts the full scan after a loss. Never reports devices: the bus does.
 */
#include "daemon/uevent_source.h"

#include "base/limits.h"
#include "base/log.h"
#include "base/log_limit.h"
#include "bus/bus.h"
#include "codec/uevent.h"
#include "daemon/dispatch.h"
#include "daemon/pci_list.h"
#include "daemon/vfio_pool.h"
#include "os/clock.h"
#include "os/netlink.h"
#include "os/opener.h"
#include "os/pollset.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

static struct {
    const struct bus *bus;
    int fd;
    int at;            /* its index in the poll set, or -1 */
    int64_t reopen_at; /* it failed: when to open it again */
    int64_t asked_at;  /* when the opener was asked for another one */
    unsigned failures; /* in a row */
    bool rescan;       /* uevents were lost */
    uint64_t rescans;
} source = {.fd = -1, .at = -1, .reopen_at = VH_NEVER};

static void on_first(enum opener_what what, int fd, int error) {
    (void)what;
    source.fd = fd;
    errno = error;
}

bool uevent_source_start(const struct bus *bus) {
    source.bus = bus;
    VH_ASSERT(!opener_sealed()); /* the answer comes at once */
    opener_ask(OPEN_UEVENTS, on_first);
    return source.fd >= 0;
}

void uevent_source_stop(void) {
    if (source.fd >= 0)
        (void)close(source.fd);
    source.fd = -1;
    source.reopen_at = VH_NEVER;
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

/* Another socket is followed by a full scan: events of the time between are lost. */
static void on_opened(enum opener_what what, int fd, int error) {
    (void)what;
    source.fd = fd;
    if (fd < 0) {
        log_error("cannot reopen the uevent socket: %s", opener_why(error));
        source.failures++;
        source.reopen_at = source.asked_at + backoff(source.failures, VH_T_RETRY_MIN, VH_T_RETRY_MAX);
    }
    source.rescan = true;
}

void uevent_source_tick(int64_t now) {
    if (source.reopen_at > now)
        return;
    source.reopen_at = VH_NEVER;
    source.asked_at = now;
    opener_ask(OPEN_UEVENTS, on_opened);
}

static void rescan_if_lost(void) {
    if (!source.rescan)
        return;
    source.rescan = false;
    source.rescans++;
    source.bus->scan(false);
    pci_list_look();
}

static void take(char *msg, size_t len) {
    struct uevent ev;
    bool of_bus = uevent_is_below(msg, len, source.bus->below);
    bool of_pci = vfio_pool_runs() && uevent_is_below(msg, len, "/pci"); /* "/devices/pci0000:00/..." */
    if ((!of_bus && !of_pci) || !uevent_parse(&ev, msg, len))
        return;
    if (of_bus)
        (void)source.bus->uevent(&ev);
    if (of_pci)
        pci_list_uevent(&ev);
}

/* Reads until the queue is empty, or until other work must have its turn. After a loss the queue is drained before the
 * scan: the messages in it are older than the lost ones. */
static void read_batch(void) {
    for (int i = 0; i < VH_UEVENT_BATCH || netlink_pending(); i++) {
        char *msg;
        size_t len;
        switch (netlink_read(source.fd, &msg, &len)) {
        case NETLINK_GOT:
            source.failures = 0;
            take(msg, len);
            break;
        case NETLINK_IGNORED:
            break;
        case NETLINK_LOST:
            if (log_may_about(LOG_DEVICES, "lost uevents", clock_now()))
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
        source.bus->read_noted();
        pci_list_read_noted();
    }
}

int64_t uevent_source_deadline(void) {
    if (source.rescan && source.fd >= 0)
        return 0; /* a batch ended before the queue was empty */
    return source.reopen_at;
}
