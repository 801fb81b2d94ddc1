/*
 * usb_work.c - orders about USB devices, one at a time. Remembers nothing between two of them but where the module
 * lists are; decides nothing.
 */
#include "bus/usb/usb_work.h"

#include "base/duration.h"
#include "base/str.h"
#include "bus/host_use.h"
#include "bus/modules.h"
#include "bus/usb/auth_default.h"
#include "bus/usb/usb_driver.h"
#include "bus/usb/usb_node.h"
#include "bus/usb/usb_revoke.h"
#include "bus/usb/usb_sysfs.h"
#include "codec/usb_names.h"
#include "os/pages.h"
#include "os/sys.h"
#include "os/sysfs.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PROCESS_WAIT_MS 2000 /* a process that was killed lets go of its devices within milliseconds */

/* ---- lists ---- */

static void add_row(struct device_list *l, const char *name) {
    struct device_row *r = &l->row[l->n];
    struct sys_stat st;
    int dir = usb_sysfs_open(name);
    if (dir < 0)
        return; /* unplugged since */
    memset(r, 0, sizeof *r);
    if (sys_stat(dir, "", AT_EMPTY_PATH, &st)) {
        (void)str_copy(r->sys_name, sizeof r->sys_name, name); /* device_name_valid() has checked its length */
        r->incarnation = st.ino;
        r->devnum = usb_sysfs_number(dir);
        r->unauthorised = usb_sysfs_unauthorised(dir);
        l->n++;
    } else {
        l->whole = 0;
    }
    (void)close(dir);
}

/* Without the bus's directory there are no devices. One that cannot be read is no list. */
static void list_devices(struct device_list *l) {
    struct sysfs_dir d;
    const char *name;
    unsigned troubles = sysfs_troubles();
    l->n = 0;
    l->whole = 1;
    if (!sysfs_dir_open(&d, USB_DEVICES)) {
        l->whole = errno == ENOENT;
        return;
    }
    while ((name = sysfs_dir_next(&d)) != NULL) {
        if (!device_name_valid(name))
            continue;
        if (l->n == VH_MAX_DEVICES) {
            l->whole = 0;
            break;
        }
        add_row(l, name);
    }
    if (d.failed || sysfs_troubles() != troubles)
        l->whole = 0;
    sysfs_dir_close(&d);
}

static void list_uses(struct device_uses *u) {
    unsigned troubles = sysfs_troubles();
    host_use_read();
    u->whole = sysfs_troubles() == troubles;
    u->n = 0;
    for (int i = 0; i < VH_MAX_DEVICES; i++) {
        const char *sys_name, *why;
        bool untold;
        if (!host_use_at(i, &sys_name, &why, &untold))
            break;
        struct device_use *r = &u->row[u->n++];
        memset(r, 0, sizeof *r);
        (void)str_copy(r->sys_name, sizeof r->sys_name, sys_name);
        (void)str_copy(r->why, sizeof r->why, why); /* an explanation may be cut */
        r->untold = untold;
    }
}

/* ---- reading ---- */

static void put_drivers(struct device_read *r) {
    size_t at = 0;
    for (int i = 0; i < VH_MAX_DRIVERS && r->dev.driver_path[i] != NULL; i++) {
        size_t len = strlen(r->dev.driver_path[i]) + 1;
        if (at + len >= sizeof r->drivers) {
            (void)str_copy(r->texts.malformed, sizeof r->texts.malformed, "no room for the paths of its drivers");
            break;
        }
        memcpy(r->drivers + at, r->dev.driver_path[i], len);
        at += len;
    }
    r->drivers[at] = '\0';
    memset(r->dev.driver_path, 0, sizeof r->dev.driver_path);
}

/* Is another configuration active than was reported? The kernel has chosen it when the device settles, and a driver
 * that is bound to the whole device may choose another one. The drivers of a device with one configuration do not
 * change. */
static bool is_configured_anew(const struct device_order *o, int dir) {
    return (o->several != 0 || o->idle != 0) && (o->bound != 0 || o->idle != 0 || o->named == 0) &&
           usb_sysfs_config(dir) != o->config;
}

/* A reset keeps the incarnation, but may change the number. */
static void read_plug(const struct device_order *o, int dir, struct device_read *r) {
    char driver[VH_IFNAME_MAX];
    bool same = o->incarnation == r->incarnation && o->complete != 0 && o->devnum == usb_sysfs_number(dir);
    r->strings = o->bound != 0 || (o->settled != 0 && o->incarnation == r->incarnation);
    r->unauthorised = usb_sysfs_unauthorised(dir);
    r->claimed = usb_driver_look(dir, o->sys_name, driver);
    r->driven = driver[0] != '\0';
    r->binding = r->strings != 0 ? (uint8_t)usb_sysfs_binding(dir) : BINDING_UNKNOWN;
    if (o->given != 0)
        memcpy(r->driver, driver, sizeof driver);
    r->dev.settled = r->strings != 0;
    same = same && (r->strings == 0 || !is_configured_anew(o, dir));
    if (same && (o->named != 0 || r->strings == 0)) {
        r->result = DEVICE_SAME;
        r->complete = 1;
        return;
    }
    if (same) {
        r->dev.vid = o->vid;
        r->dev.pid = o->pid;
        r->dev.usb.config = usb_sysfs_config(dir);
    } else if (!usb_sysfs_plug(dir, &r->dev, &r->texts)) {
        r->result = DEVICE_FLUX;
        return;
    }
    r->result = same ? DEVICE_NAMES : DEVICE_FULL;
    usb_sysfs_names(dir, &r->dev, &r->texts);
    put_drivers(r);
    /* What the kernel was not allowed to read, or to configure, is read again once it is. */
    r->complete = same || (r->texts.malformed[0] == '\0' && r->dev.usb.nifaces > 0 && r->unauthorised == 0);
}

/* For the plug that was just read. If it cannot be opened, an OPEN of its own will say why. */
static int open_read(const struct device_order *o, const struct device_read *r) {
    struct device_order of = *o;
    char why[VH_TEXT_MAX];
    if (o->open == 0 || r->strings == 0 || r->result > DEVICE_SAME)
        return -1;
    of.incarnation = r->incarnation;
    if (r->result == DEVICE_FULL) {
        of.busnum = r->dev.usb.busnum;
        of.devnum = r->dev.usb.devnum;
        of.storage = 1; /* what was reported before says nothing of this plug */
    }
    return usb_node_open(&of, why, sizeof why);
}

static void read_device(const struct device_order *o, struct device_read *r) {
    struct sys_stat st;
    unsigned troubles = sysfs_troubles();
    memset(r, 0, sizeof *r);
    (void)str_copy(r->dev.sys_name, sizeof r->dev.sys_name, o->sys_name); /* of the same bound */
    int dir = usb_sysfs_open(o->sys_name);
    if (dir < 0) {
        r->result = errno == ENOENT || errno == ENODEV || errno == ENOTDIR ? DEVICE_GONE : DEVICE_FLUX;
    } else if (sys_stat(dir, "", AT_EMPTY_PATH, &st)) {
        r->incarnation = st.ino;
        read_plug(o, dir, r);
    } else {
        r->result = DEVICE_FLUX;
    }
    if (dir >= 0)
        (void)close(dir);
    r->troubled = sysfs_troubles() != troubles;
    if (r->troubled != 0)
        r->complete = r->complete && r->result != DEVICE_FULL;
}

/* ---- nodes ---- */

static void wait_for_process(int pidfd) {
    struct pollfd p = {.fd = pidfd, .events = POLLIN};
    struct timespec left = {.tv_sec = PROCESS_WAIT_MS / 1000};
    while (ppoll(&p, 1, &left, NULL) < 0 && errno == EINTR) {
    }
}

static void open_node(const struct device_order *o, struct device_done *d, int out[WORKER_FDS]) {
    out[0] = usb_node_open(o, d->why, sizeof d->why);
    d->result = out[0] >= 0 ? DEVICE_SAME : DEVICE_REFUSED;
}

static void open_hub(const struct device_order *o, struct device_done *d, int out[WORKER_FDS]) {
    out[0] = usb_node_hub(o, &d->ports, d->why, sizeof d->why);
    d->result = out[0] >= 0 ? DEVICE_SAME : DEVICE_REFUSED;
}

static void release(const struct device_order *o, int pidfd, struct device_done *d) {
    if (pidfd >= 0)
        wait_for_process(pidfd); /* before it has ended it still holds the interfaces */
    d->result = usb_node_release(o, d->why, sizeof d->why) ? DEVICE_SAME : DEVICE_REFUSED;
}

static void close_bus(const struct device_order *o, struct device_done *d) {
    int dir = usb_sysfs_open_plug(o->sys_name, o->incarnation);
    bool ok = dir >= 0 && auth_default_close(o->sys_name, d->why, sizeof d->why);
    d->result = ok ? DEVICE_SAME : dir < 0 ? DEVICE_GONE : DEVICE_REFUSED;
    if (dir >= 0)
        (void)close(dir);
}

size_t usb_work(const void *order, int fd, void *answer, int out[WORKER_FDS]) {
    const struct device_order *o = order;
    union device_answer *a = answer;
    auth_default_next_order();
    if (!device_order_valid(o) || o->head.kind == DEVICE_PCI || o->head.kind == DEVICE_EVDEV)
        return 0;
    switch (o->head.kind) {
    case DEVICE_LIST:
        list_devices(&a->list);
        break;
    case DEVICE_USES:
        list_uses(&a->uses);
        break;
    case DEVICE_READ:
        read_device(o, &a->read);
        out[0] = open_read(o, &a->read);
        break;
    case DEVICE_OPEN:
        memset(&a->done, 0, sizeof a->done);
        open_node(o, &a->done, out);
        break;
    case DEVICE_HUB:
        memset(&a->done, 0, sizeof a->done);
        open_hub(o, &a->done, out);
        break;
    case DEVICE_OFFER:
        memset(&a->done, 0, sizeof a->done);
        a->done.result = usb_node_offer(o, a->done.why, sizeof a->done.why) ? DEVICE_SAME : DEVICE_REFUSED;
        break;
    case DEVICE_REVOKE:
        memset(&a->done, 0, sizeof a->done);
        a->done.result = usb_revoke(o, a->done.why, sizeof a->done.why) ? DEVICE_SAME : DEVICE_REFUSED;
        break;
    case DEVICE_CLOSE_BUS:
        memset(&a->done, 0, sizeof a->done);
        close_bus(o, &a->done);
        break;
    default:
        memset(&a->done, 0, sizeof a->done);
        release(o, fd, &a->done);
        break;
    }
    return device_answer_size(o->head.kind, a);
}

void usb_work_idle(void) {
    size_t size = 0;
    const void *p = NULL;
    host_use_drop();
    usb_sysfs_drop();
    for (int part = 0; (p = usb_names_table(part, &size)) != NULL; part++)
        pages_give_back(p, size);
    pages_give_back_code();
}
