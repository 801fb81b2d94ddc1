/*
 * usb_power.c - the current that a configuration asks for, and that a port gives: usb_choose_configuration() and
 * hub_configure() of the kernel. Owns nothing; configures nothing.
 *
 * A root hub, and a hub with a supply of its own, gives each port a full load; any other hub gives a unit load. What a
 * host controller's driver limits besides (hcd->power_budget, a few embedded controllers) sysfs does not tell.
 */
#include "bus/usb/usb_power.h"

#include "base/limits.h"
#include "base/str.h"
#include "bus/usb/port_order.h"
#include "bus/usb/usb_sysfs.h"
#include "codec/usb_place.h"
#include "os/sys.h"
#include "os/sysfs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/usbdevice_fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* USB 2.0 and 3.2, chapter 9.6: descriptors. */
enum {
    DEVICE_LENGTH = 18,
    CONFIG_LENGTH = 9,
    CONFIG_TYPE = 2,
    AT_TYPE = 1,
    AT_TOTAL = 2,
    AT_VALUE = 5,
    AT_POWER = 8,
    SELF_POWERED = 0x40, /* bmAttributes */
};
enum { SUPER_SPEED = 5000, STATUS_MS = 1000 };

static bool is_super(int dir) {
    uint64_t speed = 0; /* "1.5" is no number, and not super */
    return sysfs_uint(dir, "speed", 10, UINT32_MAX, &speed) && speed >= SUPER_SPEED;
}

static int open_node(int dir) {
    char node[VH_NODE_MAX];
    uint64_t bus = 0;
    uint8_t devnum = usb_sysfs_number(dir);
    if (devnum == 0 || !sysfs_uint(dir, "busnum", 10, UINT8_MAX, &bus) || bus == 0)
        return -1;
    usb_node_print(node, (uint8_t)bus, devnum);
    return sysfs_open(node, O_RDWR | O_NOFOLLOW);
}

/* A hub that may have a supply of its own says in its status whether it has, as the kernel asks it. A hub that does not
 * answer is believed what its configuration says. */
static bool is_self_powered(int dir) {
    uint64_t attributes = 0;
    unsigned char status[2] = {1, 0};
    struct usbdevfs_ctrltransfer get_status = {
        .bRequestType = 0x80, .wLength = sizeof status, .timeout = STATUS_MS, .data = status};
    if (!sysfs_uint(dir, "bmAttributes", 16, UINT8_MAX, &attributes) || (attributes & SELF_POWERED) == 0)
        return false;
    int fd = sysfs_root_is_real() ? open_node(dir) : -1;
    if (fd < 0)
        return true;
    bool own = sys_ioctl(fd, USBDEVFS_CONTROL, &get_status) != sizeof status || (status[0] & 1) != 0;
    (void)close(fd);
    return own;
}

/* mA that the port above gives a device that asks for so much. */
static unsigned given(const char *sys_name, unsigned asked) {
    char hub[VH_SYSNAME_MAX];
    uint8_t port = 0;
    int dir = port_above(sys_name, hub, &port) ? usb_sysfs_open(hub) : -1;
    if (dir < 0)
        return UINT_MAX; /* the hub is gone, and the device with it */
    bool super = is_super(dir);
    unsigned unit = super ? 150 : 100, full = super ? 900 : 500;
    unsigned gives = asked > unit && !str_starts(hub, "usb") && !is_self_powered(dir) ? unit : full;
    (void)close(dir);
    return gives;
}

bool usb_power_choose(int dir, const char *sys_name, uint8_t *value, char *why, size_t cap) {
    static unsigned char bytes[VH_DESC_MAX];
    ssize_t n = sysfs_bytes(dir, "descriptors", bytes, sizeof bytes);
    unsigned per_unit = is_super(dir) ? 8 : 2, least = UINT_MAX, gives = 0;
    for (size_t at = DEVICE_LENGTH, total = 0; n >= 0 && at + CONFIG_LENGTH <= (size_t)n; at += total) {
        const unsigned char *c = bytes + at;
        total = (size_t)c[AT_TOTAL] | (size_t)c[AT_TOTAL + 1] << 8;
        if (c[AT_TYPE] != CONFIG_TYPE || total < CONFIG_LENGTH)
            break;
        unsigned asks = c[AT_POWER] * per_unit;
        gives = given(sys_name, asks);
        *value = c[AT_VALUE];
        if (asks <= gives)
            return true;
        least = asks < least ? asks : least;
    }
    if (least == UINT_MAX)
        (void)str_copy(why, cap, "it cannot be configured: its configurations cannot be read");
    else
        (void)str_fmt(why, cap, "it cannot be configured: it asks for %u mA, and its port gives %u mA", least, gives);
    return false;
}
