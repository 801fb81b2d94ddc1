/*
 * bus_usb.c - USB devices from sysfs: where to look, and what to tell. Owns the notes which plugs the kernel has
 * finished with and where events point; what was told of a device is kept by whom it was told to.
 *
 * An event only says where to look; sysfs is the truth. While the kernel probes a device it holds the device's lock,
 * which the string attributes and open() of the node take as well, and a nasty device can make that last for seconds.
 * So until the `bind` event of the usb_device, which is the last of a plug, only attributes that need no lock are read.
 */
#include "bus/usb/bus_usb.h"

#include "base/limits.h"
#include "base/log.h"
#include "base/str.h"
#include "bus/host_use.h"
#include "bus/modules.h"
#include "bus/usb/usb_driver.h"
#include "bus/usb/usb_reset.h"
#include "bus/usb/usb_sysfs.h"
#include "codec/uevent.h"
#include "os/clock.h"
#include "os/sys.h"
#include "os/sysfs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEVICES "/sys/bus/usb/devices"
#define USB_MAJOR 189 /* Documentation/admin-guide/devices.txt */

/* ---- which plugs are settled ---- */

struct known {
    uint64_t incarnation; /* 0: free */
    int64_t first_seen;
    bool settled;
    bool protected;
    bool whole; /* all that was to be read of it could be read, and was told */
    char sys_name[VH_SYSNAME_MAX];
};

static struct known known[VH_MAX_DEVICES];
static reported_fn *reported; /* NULL: nobody keeps reported devices */

static struct known *known_by_name(const char *name) {
    for (int i = 0; i < VH_MAX_DEVICES; i++) {
        if (known[i].incarnation != 0 && str_eq(known[i].sys_name, name))
            return &known[i];
    }
    return NULL;
}

/* The note on this plug, made if there is none. NULL if the table is full: then the device counts as settled. */
static struct known *known_plug(const char *name, uint64_t incarnation, bool settled) {
    struct known *k = known_by_name(name);
    for (int i = 0; k == NULL && i < VH_MAX_DEVICES; i++) {
        if (known[i].incarnation == 0)
            k = &known[i];
    }
    if (k != NULL && k->incarnation != incarnation) {
        *k = (struct known){.incarnation = incarnation, .first_seen = clock_now(), .settled = settled};
        if (!str_copy(k->sys_name, sizeof k->sys_name, name))
            k->incarnation = 0;
    }
    return k;
}

static void forget(const char *name) {
    struct known *k = known_by_name(name);
    if (k != NULL)
        k->incarnation = 0;
}

/* ---- reading one device ---- */

/* "1-2.3" or "usb1"; interfaces ("1-2:1.0") and anything unexpected are no devices. */
static bool is_device(const char *name) {
    if (strlen(name) >= VH_SYSNAME_MAX)
        return false;
    if (str_starts(name, "usb"))
        return name[3] != '\0' && strspn(name + 3, "0123456789") == strlen(name + 3);
    size_t bus = strspn(name, "0123456789");
    return bus > 0 && name[bus] == '-' && name[bus + 1] != '\0' &&
           strspn(name + bus + 1, "0123456789.") == strlen(name + bus + 1);
}

/* By the last snapshot of what the host uses. */
static void protect(struct device *dev) {
    dev->protect[0] = '\0';
    if (device_is_hub(dev))
        (void)str_copy(dev->protect, sizeof dev->protect, "is a hub");
    else
        (void)host_use_reason(dev->sys_name, dev->protect, sizeof dev->protect);
}

enum read_result { READ_OK, READ_GONE, READ_FLUX };

/* How settled a plug seen for the first time is. */
enum plug_phase { PLUG_NEW, PLUG_BOUND };

/* What was told of this plug, if it was all that there is and still holds: the number tells of a reset. */
static const struct device *reported_before(int dir, const char *name, uint64_t incarnation) {
    const struct known *k = known_by_name(name);
    const struct device *last = k != NULL && k->whole && reported != NULL ? reported(name) : NULL;
    bool same = last != NULL && k->incarnation == incarnation && last->incarnation == incarnation;
    return same && usb_sysfs_number(dir) == last->devnum ? last : NULL;
}

/* What lasts as long as the plug is read once; a device without interfaces may be one that the kernel has not been
 * allowed to look into yet. */
static bool read_plug(int dir, uint64_t incarnation, enum plug_phase phase, struct device *dev) {
    unsigned troubles = sysfs_troubles();
    const struct device *last = reported_before(dir, dev->sys_name, incarnation);
    bool named = last != NULL && last->settled;
    if (last != NULL)
        *dev = *last;
    else if (!usb_sysfs_plug(dir, dev))
        return false;
    struct known *k = known_plug(dev->sys_name, incarnation, phase == PLUG_BOUND);
    if (k != NULL && phase == PLUG_BOUND)
        k->settled = true;
    dev->incarnation = incarnation;
    dev->settled = k == NULL || k->settled;
    if (!named)
        usb_sysfs_names(dir, dev);
    protect(dev);
    if (k != NULL) {
        k->whole = dev->malformed[0] == '\0' && dev->nifaces > 0 && sysfs_troubles() == troubles;
        k->protected = dev->protect[0] != '\0';
    }
    return true;
}

/* The directory stays open with *opened, if there is a device. */
static enum read_result read_device(const char *name, enum plug_phase phase, struct device *dev, int *opened) {
    char path[VH_PATH_MAX];
    struct sys_stat st;
    memset(dev, 0, sizeof *dev);
    if (!str_fmt(path, sizeof path, DEVICES "/%s", name) || !str_copy(dev->sys_name, sizeof dev->sys_name, name))
        return READ_GONE;
    int dir = sysfs_open(path, O_RDONLY | O_DIRECTORY);
    if (dir < 0)
        return errno == ENOENT || errno == ENODEV || errno == ENOTDIR ? READ_GONE : READ_FLUX;
    if (sys_stat(dir, "", AT_EMPTY_PATH, &st) && read_plug(dir, st.ino, phase, dev)) {
        *opened = dir;
        return READ_OK;
    }
    (void)close(dir);
    return READ_FLUX;
}

/* What was seen is not all: for want of descriptors or memory something could not be read. No event will come of that.
 */
static struct {
    int64_t at;
    unsigned failures; /* in a row */
} again = {.at = VH_NEVER};

static void look_again(void) {
    if (again.at != VH_NEVER)
        return;
    again.failures++;
    again.at = clock_now() + backoff(again.failures, VH_T_RETRY_MIN, VH_T_RETRY_MAX);
}

/* What was told of last in this pass, with its directory: it need not be found and compared once more if it is given
 * away before the pass is over. For its number to be another device's by then, the bus would have to have used up all
 * of them. */
static struct {
    int dir; /* -1: nothing */
    uint64_t incarnation;
    uint8_t devnum;
} kept_dir = {.dir = -1};

static void close_kept_dir(void) {
    if (kept_dir.dir >= 0)
        (void)close(kept_dir.dir);
    kept_dir.dir = -1;
}

/* Looks at one name and tells. In flux (a reset, a removal under way) nothing is told: an event will follow, or the
 * next look. */
static void look(const char *name, enum plug_phase phase, bool coldplug, fact_fn *emit) {
    static struct device dev;
    unsigned troubles = sysfs_troubles();
    close_kept_dir();
    enum read_result found = read_device(name, phase, &dev, &kept_dir.dir);
    if (found == READ_FLUX || sysfs_troubles() != troubles)
        look_again();
    if (found == READ_OK) {
        struct fact f = {.kind = FACT_DEVICE, .device = &dev, .coldplug = coldplug};
        kept_dir.incarnation = dev.incarnation;
        kept_dir.devnum = dev.devnum;
        emit(&f);
    } else if (found == READ_GONE) {
        struct fact f = {.kind = FACT_GONE, .sys_name = name};
        forget(name);
        emit(&f);
    }
}

/* ---- what uevents point at ---- */

/* Several events of one device in a batch are one look, for each says no more than "look there". */
static struct {
    int n;
    bool full; /* of more devices than there is room for: all are looked at */
    bool uses; /* of something that the host may use */
    struct {
        char name[VH_SYSNAME_MAX];
        enum plug_phase phase;
    } at[VH_UEVENT_NOTED];
} noted;

/* ---- the contract of bus.h ---- */

/* The kernel makes /dev/bus/usb with the first node and removes it with the last. A landlock rule holds the inode, so a
 * directory that came again would be out of reach: it is made before the rule, and an entry of ours keeps it. */
static void keep_nodes_directory(void) {
    static const char dirs[][23] = {"/dev/bus", "/dev/bus/usb", "/dev/bus/usb/.vhotplug"};
    for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++) {
        if (mkdir(dirs[i], i < 2 ? 0755 : 0) != 0 && errno != EEXIST)
            log_warn("cannot make %s (%s): nodes may be out of reach after a host controller comes again", dirs[i],
                     strerror(errno));
    }
}

static bool usb_start(reported_fn *of_whom) {
    struct sysfs_dir d;
    reported = of_whom;
    modules_open();
    if (sysfs_root_is_real())
        keep_nodes_directory();
    if (sysfs_dir_open(&d, DEVICES))
        sysfs_dir_close(&d);
    else
        log_warn("no %s (%s): no USB devices until it is there", DEVICES, strerror(errno));
    return true;
}

static void usb_scan(bool coldplug, fact_fn *emit) {
    static struct sysfs_dir d;
    const char *name;
    struct fact f = {.kind = FACT_SCAN_BEGIN, .coldplug = coldplug};
    bool there = sysfs_dir_open(&d, DEVICES);
    again.at = VH_NEVER;
    if (!there && errno != ENOENT) { /* what cannot be looked at has not gone */
        look_again();
        return;
    }
    emit(&f);
    host_use_look();
    if (there) {
        while ((name = sysfs_dir_next(&d)) != NULL) {
            char copy[VH_SYSNAME_MAX];
            if (is_device(name) && str_copy(copy, sizeof copy, name))
                look(copy, coldplug ? PLUG_BOUND : PLUG_NEW, coldplug, emit);
        }
        close_kept_dir();
        sysfs_dir_close(&d);
    }
    if (there && d.failed) {
        look_again();
        return;
    }
    f.kind = FACT_SCAN_END;
    emit(&f);
    if (again.at == VH_NEVER)
        again.failures = 0;
}

/* What the host uses has changed perhaps: tells each device for which that makes a difference. */
static void usb_recheck(fact_fn *emit) {
    char why[VH_TEXT_MAX];
    host_use_look();
    for (int i = 0; i < VH_MAX_DEVICES; i++) {
        struct known *k = &known[i];
        char name[VH_SYSNAME_MAX];
        if (k->incarnation == 0)
            continue;
        bool used = host_use_reason(k->sys_name, why, sizeof why);
        memcpy(name, k->sys_name, sizeof name);
        if (used != k->protected)
            look(name, PLUG_NEW, false, emit);
    }
}

static void note(const char *name, const char *action) {
    int i = 0;
    while (i < noted.n && !str_eq(noted.at[i].name, name))
        i++;
    if (i == VH_UEVENT_NOTED) {
        noted.full = true;
        return;
    }
    if (i == noted.n) {
        (void)str_copy(noted.at[i].name, VH_SYSNAME_MAX, name); /* is_device() has seen to it that it fits */
        noted.at[noted.n++].phase = PLUG_NEW;
    }
    if (str_eq(action, "bind"))
        noted.at[i].phase = PLUG_BOUND;
    else if (str_eq(action, "add") || str_eq(action, "remove"))
        noted.at[i].phase = PLUG_NEW; /* what was bound before is another plug */
}

static bool usb_uevent(const struct uevent *ev) {
    const char *name = uevent_name(ev->devpath);
    if (str_eq(ev->subsystem, "block") || str_eq(ev->subsystem, "net")) {
        if (strstr(ev->devpath, "/usb") == NULL)
            return false;
        noted.uses = true;
        return true;
    }
    if (!str_eq(ev->subsystem, "usb") || !str_eq(ev->devtype, "usb_device") || !is_device(name))
        return false;
    note(name, ev->action);
    return true;
}

static void usb_look(fact_fn *emit) {
    for (int i = 0; i < noted.n; i++)
        look(noted.at[i].name, noted.at[i].phase, false, emit);
    noted.n = 0;
    if (noted.full)
        usb_scan(false, emit);
    else if (noted.uses)
        usb_recheck(emit);
    noted.full = noted.uses = false;
}

static int64_t usb_deadline(void) {
    int64_t at = again.at;
    for (int i = 0; i < VH_MAX_DEVICES; i++) {
        int64_t due = known[i].first_seen + ms_to_ns(VH_T_SETTLE);
        if (known[i].incarnation != 0 && !known[i].settled && due < at)
            at = due;
    }
    return at;
}

static void usb_tick(int64_t now, fact_fn *emit) {
    if (again.at <= now)
        usb_scan(false, emit);
    for (int i = 0; i < VH_MAX_DEVICES; i++) {
        struct known *k = &known[i];
        char name[VH_SYSNAME_MAX];
        if (k->incarnation == 0 || k->settled || k->first_seen + ms_to_ns(VH_T_SETTLE) > now)
            continue;
        log_info("no bind event: device=%s, used all the same", k->sys_name);
        k->settled = true;
        memcpy(name, k->sys_name, sizeof name);
        look(name, PLUG_BOUND, false, emit);
    }
    close_kept_dir(); /* the pass is over */
}

static bool node_is_right(int fd, const struct device *dev) {
    struct sys_stat st;
    if (!sys_stat(fd, "", AT_EMPTY_PATH, &st))
        return false;
    if (!sysfs_root_is_real() && S_ISREG(st.mode))
        return true; /* a test's stand-in */
    unsigned number = (unsigned)(dev->busnum - 1) * 128 + dev->devnum - 1u;
    return S_ISCHR(st.mode) && st.rdev_major == USB_MAJOR && st.rdev_minor == number;
}

/* The directory of this very plug, if what has its name is still the same; else -1. */
static int open_again(const struct device *dev) {
    char path[VH_PATH_MAX];
    struct sys_stat st;
    int dir = str_fmt(path, sizeof path, DEVICES "/%s", dev->sys_name) ? sysfs_open(path, O_RDONLY | O_DIRECTORY) : -1;
    if (dir < 0)
        return -1;
    if (sys_stat(dir, "", AT_EMPTY_PATH, &st) && st.ino == dev->incarnation && usb_sysfs_number(dir) == dev->devnum)
        return dir;
    (void)close(dir);
    return -1;
}

static int directory_of(const struct device *dev) {
    int dir = kept_dir.dir;
    if (dir < 0 || kept_dir.incarnation != dev->incarnation || kept_dir.devnum != dev->devnum)
        return open_again(dev);
    kept_dir.dir = -1;
    return dir;
}

/* Audio, HID, printers, smart cards, video: no block device or network interface of the host comes from these. */
static bool may_back_the_host(const struct device *dev) {
    for (int i = 0; i < dev->nifaces; i++) {
        uint8_t c = dev->ifaces[i].cls;
        if (c != 0x01 && c != 0x03 && c != 0x07 && c != 0x0b && c != 0x0e)
            return true;
    }
    return false;
}

/* Does anything of the host, or another VM, have it? Then *why says what. */
static bool is_taken(int dir, const struct device *dev, char *why, size_t cap) {
    char use[VH_TEXT_MAX], interface[VH_IFNAME_MAX];
    if (may_back_the_host(dev)) {
        host_use_look(); /* the latest moment to see that it was mounted */
        if (host_use_reason(dev->sys_name, use, sizeof use)) {
            (void)str_fmt(why, cap, "stays with the host: it %s", use);
            return true;
        }
    }
    if (!usb_driver_claimed(dir, dev->sys_name, interface))
        return false;
    (void)str_fmt(why, cap, "another program uses it: interface=%s driver=usbfs", interface);
    return true;
}

static int usb_open_node(const struct device *dev, char *why, size_t cap) {
    int dir = directory_of(dev);
    if (dir < 0) {
        (void)str_copy(why, cap, "the device is gone");
        return -1;
    }
    bool taken = is_taken(dir, dev, why, cap);
    (void)close(dir);
    if (taken)
        return -1;
    int fd = sysfs_open(dev->node, O_RDWR | O_NOFOLLOW);
    if (fd < 0) {
        (void)str_fmt(why, cap, "cannot open %s: %s", dev->node, strerror(errno));
        return -1;
    }
    if (node_is_right(fd, dev))
        return fd;
    (void)close(fd);
    (void)str_fmt(why, cap, "%s is not the device's node", dev->node);
    return -1;
}

static void usb_release(const struct device *dev) {
    char why[VH_TEXT_MAX] = "";
    if (!sysfs_root_is_real()) { /* a test's stand-in has nothing to reset */
        usb_driver_offer(dev->sys_name);
        return;
    }
    int fd = sysfs_open(dev->node, O_RDWR | O_NOFOLLOW);
    if (fd < 0)
        return; /* it went away in the meantime */
    if (node_is_right(fd, dev) && !usb_reset(fd, why, sizeof why))
        log_info("reset failed: device=%s error=%s", dev->sys_name, why);
    (void)close(fd);
    usb_driver_offer(dev->sys_name);
}

const struct bus bus_usb = {
    .name = "usb",
    .below = "/usb", /* the root hub, "usb1" */
    .start = usb_start,
    .scan = usb_scan,
    .uevent = usb_uevent,
    .look = usb_look,
    .deadline = usb_deadline,
    .tick = usb_tick,
    .recheck = usb_recheck,
    .open_node = usb_open_node,
    .release = usb_release,
};
