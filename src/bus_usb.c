/*
 * bus_usb.c - USB devices from sysfs. Owns nothing but the note which plugs the kernel has finished with.
 *
 * An event only says where to look; sysfs is the truth. While the kernel probes a device it holds the device's lock,
 * which the string attributes and open() of the node take as well, and a nasty device can make that last for seconds.
 * So until the `bind` event of the usb_device, which is the last of a plug, only attributes that need no lock are read.
 */
#include "bus_usb.h"

#include "hostdriver.h"
#include "hostuse.h"
#include "limits.h"
#include "log.h"
#include "modules.h"
#include "policy.h"
#include "sock.h"
#include "str.h"
#include "sys.h"
#include "sysfs.h"
#include "uevent.h"
#include "usbdesc.h"
#include "usbids.h"
#include "usbreset.h"

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
    bool drivers_known;
    char sys_name[VH_SYSNAME_MAX];
    const char *driver_path[VH_MAX_DRIVERS];
};

static struct known known[VH_MAX_DEVICES];

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
        *k = (struct known){.incarnation = incarnation, .first_seen = sock_now(), .settled = settled};
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

/* A string of the device as valid UTF-8, cut at a character if it is too long. "" if it has none. */
static void read_string(int dir, const char *attribute, char *dst) {
    char raw[VH_ATTR_MAX];
    ssize_t n = sysfs_text(dir, attribute, raw, sizeof raw);
    struct sbuf sb;
    sb_init(&sb, dst, VH_STRING_MAX);
    for (ssize_t i = 0; i < n;) {
        size_t len = utf8_len(raw + i, (size_t)(n - i), NULL);
        if (len == 0)
            sb_str(&sb, "\xef\xbf\xbd");
        else
            sb_mem(&sb, raw + i, len);
        i += len == 0 ? 1 : (ssize_t)len;
    }
}

static void read_descriptors(int dir, struct device *dev) {
    static unsigned char bytes[VH_DESC_MAX];
    const char *why = "";
    ssize_t n = sysfs_bytes(dir, "descriptors", bytes, sizeof bytes);
    bool ok = n >= 0 && usbdesc_parse(bytes, (size_t)n, dev, &why);
    if (ok)
        return;
    if (n < 0)
        why = errno == EOVERFLOW ? "its descriptors are too long" : "its descriptors cannot be read";
    (void)str_copy(dev->malformed, sizeof dev->malformed, why); /* static texts, all short */
    uint64_t v = 0;
    if (sysfs_uint(dir, "idVendor", 16, 0xffff, &v))
        dev->vid = (uint16_t)v;
    if (sysfs_uint(dir, "idProduct", 16, 0xffff, &v))
        dev->pid = (uint16_t)v;
}

/* Looked up once a plug: its descriptors stay as they are, or it is another plug. */
static void find_drivers(struct device *dev, struct known *k) {
    const char *why = "";
    if (k != NULL && k->drivers_known) {
        memcpy(dev->driver_path, k->driver_path, sizeof dev->driver_path);
        return;
    }
    bool told = modules_of(dev, &why);
    if (!told)
        (void)str_copy(dev->malformed, sizeof dev->malformed, why); /* static texts, all short */
    if (k != NULL && told) {
        memcpy(k->driver_path, dev->driver_path, sizeof k->driver_path);
        k->drivers_known = true;
    }
}

static void name_device(int dir, struct device *dev) {
    const char *vendor = usbids_vendor(dev->vid), *product = usbids_product(dev->vid, dev->pid);
    dev->vendor_name[0] = dev->product_name[0] = '\0';
    if (vendor[0] != '\0')
        (void)str_copy(dev->vendor_name, sizeof dev->vendor_name, vendor); /* the table's names are shorter */
    else if (dev->settled)
        read_string(dir, "manufacturer", dev->vendor_name);
    if (product[0] != '\0')
        (void)str_copy(dev->product_name, sizeof dev->product_name, product);
    else if (dev->settled)
        read_string(dir, "product", dev->product_name);
    if (dev->settled)
        read_string(dir, "serial", dev->serial);
    if (dev->vendor_name[0] == '\0')
        (void)str_copy(dev->vendor_name, sizeof dev->vendor_name, "Unknown vendor");
    if (dev->product_name[0] == '\0')
        (void)str_fmt(dev->product_name, sizeof dev->product_name, "USB device %04x:%04x", (unsigned)dev->vid,
                      (unsigned)dev->pid);
}

/* By the last snapshot of what the host uses. */
static void protect(struct device *dev) {
    dev->protect[0] = '\0';
    if (policy_is_hub(dev))
        (void)str_copy(dev->protect, sizeof dev->protect, "is a hub");
    else
        (void)hostuse_reason(dev->sys_name, dev->protect, sizeof dev->protect);
}

static void read_removable(int dir, struct device *dev) {
    char text[16];
    dev->removable = REMOVABLE_UNKNOWN;
    if (sysfs_text(dir, "removable", text, sizeof text) <= 0)
        return;
    if (str_eq(text, "removable"))
        dev->removable = REMOVABLE_REMOVABLE;
    else if (str_eq(text, "fixed"))
        dev->removable = REMOVABLE_FIXED;
}

/* Numbers and port: without them it is no device that could be given away, or one that is just going. */
static bool read_place(int dir, struct device *dev) {
    uint64_t bus = 0, devnum = 0, port = 0;
    if (!sysfs_uint(dir, "busnum", 10, 255, &bus) || !sysfs_uint(dir, "devnum", 10, 127, &devnum) || devnum == 0)
        return false;
    if (sysfs_text(dir, "devpath", dev->port_path, sizeof dev->port_path) <= 0)
        return false;
    (void)str_uint(dev->port_path, strspn(dev->port_path, "0123456789"), 255, &port);
    dev->busnum = (uint8_t)bus;
    dev->devnum = (uint8_t)devnum;
    dev->root_port = (uint8_t)port;
    (void)sysfs_text(dir, "speed", dev->speed, sizeof dev->speed); /* unknown is "" */
    return str_fmt(dev->node, sizeof dev->node, "/dev/bus/usb/%03u/%03u", (unsigned)bus, (unsigned)devnum);
}

enum look { LOOK_OK, LOOK_GONE, LOOK_FLUX };

/* How settled a plug seen for the first time is. */
enum sight { SIGHT_NEW, SIGHT_BOUND };

static enum look read_device(const char *name, enum sight sight, struct device *dev) {
    char path[VH_PATH_MAX];
    struct sys_stat st;
    memset(dev, 0, sizeof *dev);
    if (!str_fmt(path, sizeof path, DEVICES "/%s", name) || !str_copy(dev->sys_name, sizeof dev->sys_name, name))
        return LOOK_GONE;
    int dir = sysfs_open(path, O_RDONLY | O_DIRECTORY);
    if (dir < 0)
        return errno == ENOENT || errno == ENODEV || errno == ENOTDIR ? LOOK_GONE : LOOK_FLUX;
    bool ok = sys_stat(dir, "", AT_EMPTY_PATH, &st) && read_place(dir, dev);
    if (ok) {
        dev->incarnation = st.ino;
        struct known *k = known_plug(name, dev->incarnation, sight == SIGHT_BOUND);
        if (k != NULL && sight == SIGHT_BOUND)
            k->settled = true;
        dev->settled = k == NULL || k->settled;
        read_removable(dir, dev);
        read_descriptors(dir, dev);
        find_drivers(dev, k);
        name_device(dir, dev);
        protect(dev);
        if (k != NULL)
            k->protected = dev->protect[0] != '\0';
    }
    (void)close(dir);
    return ok ? LOOK_OK : LOOK_FLUX;
}

/* What was seen is not all: for want of descriptors or memory something could not be read. No event will come of that.
 */
static struct { int64_t at, ms; } again = {VH_NEVER, VH_T_RETRY_MIN};

static void look_again(void) {
    if (again.at != VH_NEVER)
        return;
    again.at = sock_now() + again.ms * VH_NSEC_PER_MSEC;
    again.ms = again.ms < VH_T_RETRY_MAX / 2 ? again.ms * 2 : VH_T_RETRY_MAX;
}

/* Looks at one name and tells. In flux (a reset, a removal under way) nothing is told: an event will follow, or the
 * next look. */
static void look(const char *name, enum sight sight, bool coldplug, fact_fn *emit) {
    static struct device dev;
    unsigned troubles = sysfs_troubles();
    enum look found = read_device(name, sight, &dev);
    if (found == LOOK_FLUX || sysfs_troubles() != troubles)
        look_again();
    if (found == LOOK_OK) {
        struct fact f = {.kind = FACT_DEVICE, .device = &dev, .coldplug = coldplug};
        emit(&f);
    } else if (found == LOOK_GONE) {
        struct fact f = {.kind = FACT_GONE, .sys_name = name};
        forget(name);
        emit(&f);
    }
}

/* ---- the contract of bus.h ---- */

/* The kernel makes /dev/bus/usb with the first node and removes it with the last. A landlock rule holds the inode, so a
 * directory that came again would be out of reach: it is made before the rule, and an entry of ours keeps it. */
static void keep_nodes_directory(void) {
    static const char *const dirs[] = {"/dev/bus", "/dev/bus/usb", "/dev/bus/usb/.vhotplug"};
    for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++) {
        if (mkdir(dirs[i], i < 2 ? 0755 : 0) != 0 && errno != EEXIST)
            log_warn("cannot make %s (%s): nodes may be out of reach after a host controller comes again", dirs[i],
                     strerror(errno));
    }
}

static bool usb_start(void) {
    struct sysfs_dir d;
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
    hostuse_look();
    if (there) {
        while ((name = sysfs_dir_next(&d)) != NULL) {
            char copy[VH_SYSNAME_MAX];
            if (is_device(name) && str_copy(copy, sizeof copy, name))
                look(copy, coldplug ? SIGHT_BOUND : SIGHT_NEW, coldplug, emit);
        }
        sysfs_dir_close(&d);
    }
    if (there && d.failed) {
        look_again();
        return;
    }
    f.kind = FACT_SCAN_END;
    emit(&f);
    if (again.at == VH_NEVER)
        again.ms = VH_T_RETRY_MIN;
}

/* What the host uses has changed perhaps: tells each device for which that makes a difference. */
static void usb_recheck(fact_fn *emit) {
    char why[VH_TEXT_MAX];
    hostuse_look();
    for (int i = 0; i < VH_MAX_DEVICES; i++) {
        struct known *k = &known[i];
        char name[VH_SYSNAME_MAX];
        if (k->incarnation == 0)
            continue;
        bool used = hostuse_reason(k->sys_name, why, sizeof why);
        memcpy(name, k->sys_name, sizeof name);
        if (used != k->protected)
            look(name, SIGHT_NEW, false, emit);
    }
}

static bool usb_uevent(const struct uevent *ev, fact_fn *emit) {
    const char *name = uevent_name(ev->devpath);
    if (str_eq(ev->subsystem, "block") || str_eq(ev->subsystem, "net")) {
        if (strstr(ev->devpath, "/usb") == NULL)
            return false;
        usb_recheck(emit);
        return true;
    }
    if (!str_eq(ev->subsystem, "usb") || !str_eq(ev->devtype, "usb_device") || !is_device(name))
        return false;
    look(name, str_eq(ev->action, "bind") ? SIGHT_BOUND : SIGHT_NEW, false, emit);
    return true;
}

static int64_t usb_deadline(void) {
    int64_t at = again.at;
    for (int i = 0; i < VH_MAX_DEVICES; i++) {
        int64_t due = known[i].first_seen + VH_T_SETTLE * VH_NSEC_PER_MSEC;
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
        if (k->incarnation == 0 || k->settled || k->first_seen + VH_T_SETTLE * VH_NSEC_PER_MSEC > now)
            continue;
        log_info("no bind event: device=%s, used all the same", k->sys_name);
        k->settled = true;
        memcpy(name, k->sys_name, sizeof name);
        look(name, SIGHT_BOUND, false, emit);
    }
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

/* Is what has this name still the same plug? */
static bool still_there(const struct device *dev) {
    char path[VH_PATH_MAX];
    struct sys_stat st;
    uint64_t devnum = 0;
    int dir = str_fmt(path, sizeof path, DEVICES "/%s", dev->sys_name) ? sysfs_open(path, O_RDONLY | O_DIRECTORY) : -1;
    if (dir < 0)
        return false;
    bool same = sys_stat(dir, "", AT_EMPTY_PATH, &st) && st.ino == dev->incarnation &&
                sysfs_uint(dir, "devnum", 10, 127, &devnum) && devnum == dev->devnum;
    (void)close(dir);
    return same;
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

static int usb_open_node(const struct device *dev, char *why, size_t cap) {
    char use[VH_TEXT_MAX], interface[VH_IFNAME_MAX];
    if (!still_there(dev)) {
        (void)str_copy(why, cap, "the device is gone");
        return -1;
    }
    if (may_back_the_host(dev)) {
        hostuse_look(); /* the latest moment to see that it was mounted */
        if (hostuse_reason(dev->sys_name, use, sizeof use)) {
            (void)str_fmt(why, cap, "stays with the host: it %s", use);
            return -1;
        }
    }
    if (hostdriver_claimed(dev->sys_name, interface)) {
        (void)str_fmt(why, cap, "another program uses it: interface=%s driver=usbfs", interface);
        return -1;
    }
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
        hostdriver_offer(dev->sys_name);
        return;
    }
    int fd = sysfs_open(dev->node, O_RDWR | O_NOFOLLOW);
    if (fd < 0)
        return; /* it went away in the meantime */
    if (node_is_right(fd, dev) && !usbreset(fd, why, sizeof why))
        log_info("reset failed: device=%s error=%s", dev->sys_name, why);
    (void)close(fd);
    hostdriver_offer(dev->sys_name);
}

const struct bus bus_usb = {
    .name = "usb",
    .start = usb_start,
    .scan = usb_scan,
    .uevent = usb_uevent,
    .deadline = usb_deadline,
    .tick = usb_tick,
    .recheck = usb_recheck,
    .open_node = usb_open_node,
    .release = usb_release,
};
