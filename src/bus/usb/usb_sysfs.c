/*
 * usb_sysfs.c - the attributes of one USB device, as sysfs shows them. Owns nothing; remembers nothing between two
 * calls.
 */
#include "bus/usb/usb_sysfs.h"

#include "base/assert.h"
#include "base/limits.h"
#include "base/str.h"
#include "bus/modules.h"
#include "codec/stable_path.h"
#include "codec/usb_desc.h"
#include "codec/usb_names.h"
#include "codec/usb_place.h"
#include "os/pages.h"
#include "os/sys.h"
#include "os/sysfs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

int usb_sysfs_open(const char *sys_name) {
    char path[VH_PATH_MAX];
    bool ok = str_fmt(path, sizeof path, USB_DEVICES "/%s", sys_name);
    VH_ASSERT(ok); /* usb_sysfs_is_device() bounds the name */
    return sysfs_open(path, O_RDONLY | O_DIRECTORY);
}

int usb_sysfs_open_plug(const char *sys_name, uint64_t incarnation) {
    struct sys_stat st;
    int dir = usb_sysfs_open(sys_name);
    if (dir < 0 || (sys_stat(dir, "", AT_EMPTY_PATH, &st) && st.ino == incarnation))
        return dir;
    (void)close(dir);
    return -1;
}

/* A string of the device as valid UTF-8. "" if it has none, or one that is longer than USB allows (then false): two
 * serial numbers that differ only behind a cut would be one. */
static bool read_string(int dir, const char *attribute, char *dst, size_t cap) {
    char raw[VH_ATTR_MAX];
    ssize_t n = sysfs_text(dir, attribute, raw, sizeof raw);
    struct sbuf sb;
    sb_init(&sb, dst, cap);
    for (ssize_t i = 0; i < n;) {
        size_t len = utf8_len(raw + i, (size_t)(n - i), NULL);
        if (len == 0)
            sb_str(&sb, "\xef\xbf\xbd");
        else
            sb_mem(&sb, raw + i, len);
        i += len == 0 ? 1 : (ssize_t)len;
    }
    bool whole = n < 0 ? errno != EOVERFLOW : sb_ok(&sb) && utf16_units(dst) <= VH_STRING_UNITS;
    if (!whole)
        dst[0] = '\0';
    return whole;
}

/* One of its strings, noted if it is too long. */
static void read_own(int dir, const char *attribute, struct device_texts *texts, char dst[VH_STRING_MAX]) {
    char note[VH_NOTE_MAX];
    if (read_string(dir, attribute, dst, VH_STRING_MAX))
        return;
    bool ok = str_fmt(note, sizeof note, "%s is too long for USB: not used", attribute);
    VH_ASSERT(ok);
    device_note(texts->note, note);
}

static _Alignas(4096) unsigned char bytes[VH_DESC_MAX]; /* of the device that is being read; whole pages */

void usb_sysfs_drop(void) {
    pages_give_back(bytes, sizeof bytes);
}

static void read_descriptors(int dir, struct device *dev, struct device_texts *texts) {
    const char *why = "";
    ssize_t n = sysfs_bytes(dir, "descriptors", bytes, sizeof bytes);
    bool ok = n >= 0 && usb_desc_parse(bytes, (size_t)n, dev, texts->note, &why);
    if (ok)
        return;
    if (n < 0)
        why = errno == EOVERFLOW ? "its descriptors are too long" : "its descriptors cannot be read";
    (void)str_copy(texts->malformed, sizeof texts->malformed, why); /* static texts, all short */
    uint64_t v = 0;
    if (sysfs_uint(dir, "idVendor", 16, 0xffff, &v))
        dev->vid = (uint16_t)v;
    if (sysfs_uint(dir, "idProduct", 16, 0xffff, &v))
        dev->pid = (uint16_t)v;
}

static void find_drivers(struct device *dev, struct device_texts *texts) {
    const char *why = "";
    if (!modules_of(dev, &why))
        (void)str_copy(texts->malformed, sizeof texts->malformed, why); /* static texts, all short */
}

static void read_removable(int dir, struct device *dev) {
    char text[16];
    dev->usb.removable = REMOVABLE_UNKNOWN;
    if (sysfs_text(dir, "removable", text, sizeof text) <= 0)
        return;
    if (str_eq(text, "removable"))
        dev->usb.removable = REMOVABLE_REMOVABLE;
    else if (str_eq(text, "fixed"))
        dev->usb.removable = REMOVABLE_FIXED;
}

uint8_t usb_sysfs_config(int dir) {
    uint64_t v = 0;
    return sysfs_uint(dir, "bConfigurationValue", 10, 255, &v) ? (uint8_t)v : 0;
}

/* While the kernel's driver probes the device, its link is there already. */
enum binding usb_sysfs_binding(int dir) {
    char driver, config[8];
    if (readlinkat(dir, "driver", &driver, sizeof driver) > 0) /* cut: that there is one suffices */
        return BINDING_DRIVER;
    return sysfs_text(dir, "bConfigurationValue", config, sizeof config) == 0 ? BINDING_NONE : BINDING_UNKNOWN;
}

uint8_t usb_sysfs_number(int dir) {
    uint64_t devnum = 0;
    return sysfs_uint(dir, "devnum", 10, USB_DEVNUM_MAX, &devnum) ? (uint8_t)devnum : 0;
}

bool usb_sysfs_unauthorised(int dir) {
    uint64_t authorized = 1;
    return sysfs_uint(dir, "authorized", 10, 1, &authorized) && authorized == 0;
}

/* Numbers and port: a device without them cannot be given away, or is about to go. */
static bool read_place(int dir, struct device *dev) {
    uint64_t bus = 0;
    uint8_t devnum = usb_sysfs_number(dir);
    if (devnum == 0 || !sysfs_uint(dir, "busnum", 10, 255, &bus) || bus == 0)
        return false;
    if (sysfs_text(dir, "devpath", dev->usb.port_path, sizeof dev->usb.port_path) <= 0 ||
        dev->usb.port_path[strspn(dev->usb.port_path, "0123456789.")] != '\0')
        return false;
    dev->usb.busnum = (uint8_t)bus;
    dev->usb.devnum = devnum;
    dev->usb.root_port = usb_root_port(dev->usb.port_path);
    (void)read_string(dir, "speed", dev->usb.speed, sizeof dev->usb.speed); /* unknown is "" */
    usb_node_print(dev->node, dev->usb.busnum, devnum);
    return true;
}

/* ---- its place ---- */

/* Firmware gives all ports of one socket the same location. Without a location the kernel's peers are a guess: it joins
 * the ports of both root hubs that have the same number. */
static bool is_located(int port) {
    char text[16];
    return sysfs_text(port, "location", text, sizeof text) > 0 && str_starts(text, "0x") &&
           text[2 + strspn(text + 2, "0")] != '\0';
}

/* The directory of the port that the device called `name` is plugged into, in that of its hub's interface. The device's
 * own link to the port does not do: the kernel makes that link last, when the device is bound already. The only
 * configuration of a hub has the number 1, as of every hub that was seen. */
static void port_directory(const char *name, char *dst, size_t cap) {
    const char *dash = strchr(name, '-'), *dot = strrchr(name, '.');
    int hub = (int)((dot != NULL ? dot : dash) - name);
    bool ok = dot != NULL ? str_fmt(dst, cap, USB_DEVICES "/%.*s:1.0/%.*s-port%s", hub, name, hub, name, dot + 1)
                          : str_fmt(dst, cap, USB_DEVICES "/%.*s-0:1.0/usb%.*s-port%s", hub, name, hub, name, dash + 1);
    VH_ASSERT(ok); /* device_name_valid() bounds the name */
}

/* The port at the other side of the socket that the device called `name` is plugged into; false if the firmware does
 * not say. */
static bool read_peer(const char *name, char peer[VH_SYSNAME_MAX]) {
    char dir[VH_PATH_MAX], path[VH_PATH_MAX], link[VH_PATH_MAX];
    port_directory(name, dir, sizeof dir);
    int port = sysfs_open(dir, O_RDONLY | O_DIRECTORY);
    bool located = port >= 0 && is_located(port);
    if (port >= 0)
        (void)close(port);
    return located && str_fmt(path, sizeof path, "%s/peer", dir) && sysfs_link(path, link, sizeof link) > 0 &&
           usb_port_device(link, peer);
}

/* The other side of the socket of its own port, else of the nearest hub before it: the ports of a USB 3 hub have the
 * same numbers at both sides, as the standard wants it. */
static void read_twin(const struct device *dev, char twin[VH_PORTPATH_MAX]) {
    char name[VH_SYSNAME_MAX], peer[VH_SYSNAME_MAX];
    size_t len = strlen(dev->sys_name);
    memcpy(name, dev->sys_name, sizeof name);
    while (len > 0 && strchr(name, '-') != NULL) { /* a root hub is at no port */
        const char *ports = NULL;
        uint8_t bus = 0;
        if (read_peer(name, peer)) {
            if (!usb_name_parse(peer, &bus, &ports) || bus == dev->usb.busnum ||
                !str_fmt(twin, VH_PORTPATH_MAX, "%s%s", ports, dev->sys_name + len))
                twin[0] = '\0'; /* no USB device has so many hubs before it */
            return;
        }
        while (len > 0 && name[len] != '.')
            len--;
        name[len] = '\0';
    }
}

/* Without a stable path, as below a controller whose own path is too long for one, bus and port say where it is. */
static void read_path(const struct device *dev, struct device_texts *texts) {
    char path[VH_PATH_MAX], link[VH_PATH_MAX], speed[16];
    bool ok = str_fmt(path, sizeof path, USB_DEVICES "/usb%u", (unsigned)dev->usb.busnum);
    VH_ASSERT(ok);
    int hub = sysfs_open(path, O_RDONLY | O_DIRECTORY);
    bool known = hub >= 0 && sysfs_text(hub, "speed", speed, sizeof speed) > 0;
    if (hub >= 0)
        (void)close(hub);
    ok = str_fmt(path, sizeof path, USB_DEVICES "/%s", dev->sys_name);
    VH_ASSERT(ok);
    if (!known || sysfs_link(path, link, sizeof link) <= 0)
        return;
    if (stable_path_make(texts->stable_path, link, dev->usb.busnum, speed, dev->usb.port_path))
        read_twin(dev, texts->twin);
}

bool usb_sysfs_plug(int dir, struct device *dev, struct device_texts *texts) {
    if (!read_place(dir, dev))
        return false;
    read_path(dev, texts);
    read_removable(dir, dev);
    read_descriptors(dir, dev, texts);
    dev->usb.config = dev->settled ? usb_sysfs_config(dir) : 0;
    find_drivers(dev, texts);
    return true;
}

void usb_sysfs_names(int dir, const struct device *dev, struct device_texts *texts) {
    const char *vendor = usb_names_vendor(dev->vid), *product = usb_names_product(dev->vid, dev->pid);
    texts->vendor_name[0] = texts->product_name[0] = '\0';
    if (vendor[0] != '\0')
        (void)str_copy(texts->vendor_name, sizeof texts->vendor_name, vendor); /* the table's names are shorter */
    else if (dev->settled)
        read_own(dir, "manufacturer", texts, texts->vendor_name);
    if (product[0] != '\0')
        (void)str_copy(texts->product_name, sizeof texts->product_name, product);
    else if (dev->settled)
        read_own(dir, "product", texts, texts->product_name);
    if (dev->settled)
        read_own(dir, "serial", texts, texts->serial);
    if (texts->vendor_name[0] == '\0')
        (void)str_copy(texts->vendor_name, sizeof texts->vendor_name, "Unknown vendor");
    if (texts->product_name[0] == '\0')
        (void)str_fmt(texts->product_name, sizeof texts->product_name, "USB device %04x:%04x", (unsigned)dev->vid,
                      (unsigned)dev->pid);
}
