/*
 * usb_node.c - checks a device once more and opens its node; resets a device that comes back. Owns nothing; never
 * decides who gets a device. Runs in a device worker, for each of these may wait for the device.
 */
#include "bus/usb/usb_node.h"

#include "base/limits.h"
#include "base/log.h"
#include "base/str.h"
#include "bus/host_use.h"
#include "bus/usb/auth_device.h"
#include "bus/usb/usb_driver.h"
#include "bus/usb/usb_power.h"
#include "bus/usb/usb_reset.h"
#include "bus/usb/usb_revoke.h"
#include "bus/usb/usb_sysfs.h"
#include "codec/usb_place.h"
#include "os/sys.h"
#include "os/sysfs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/usbdevice_fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define USB_MAJOR 189 /* Documentation/admin-guide/devices.txt */

/* The kernel makes /dev/bus/usb with the first node and removes it with the last. A landlock rule is about an inode, so
 * a directory that was made anew would be denied. The directory is therefore made before the rule, and an entry in it
 * keeps the kernel from removing it. */
void usb_node_start(void) {
    static const char dirs[][23] = {"/dev/bus", "/dev/bus/usb", "/dev/bus/usb/.vhotplug"};
    for (size_t i = 0; i < sizeof dirs / sizeof *dirs && sysfs_root_is_real(); i++) {
        if (mkdir(dirs[i], i < 2 ? 0755 : 0) != 0 && errno != EEXIST)
            log_warn("cannot make %s (%s): nodes may be out of reach after a host controller comes again", dirs[i],
                     strerror(errno));
    }
}

/* ---- opening ---- */

static int open_dir(const struct device_order *o) {
    return usb_sysfs_open_plug(o->sys_name, o->incarnation);
}

static int open_path(const struct device_order *o, char node[VH_NODE_MAX]) {
    usb_node_print(node, o->busnum, o->devnum);
    return sysfs_open(node, O_RDWR | O_NOFOLLOW);
}

static bool is_node_of(int fd, const struct device_order *o) {
    struct sys_stat st;
    if (!sys_stat(fd, "", AT_EMPTY_PATH, &st))
        return false;
    if (!sysfs_root_is_real() && S_ISREG(st.mode))
        return true; /* a test's replacement */
    unsigned number = (unsigned)(o->busnum - 1) * 128 + o->devnum - 1u;
    return S_ISCHR(st.mode) && st.rdev_major == USB_MAJOR && st.rdev_minor == number;
}

/* True if nobody may use the device, or the host or another VM uses it; *why then says how. */
static bool is_taken(int dir, const struct device_order *o, char *why, size_t cap) {
    char use[VH_TEXT_MAX], interface[VH_IFNAME_MAX];
    if (o->storage != 0) {
        host_use_read(); /* a mount may be newer than the last snapshot */
        if (host_use_reason(o->sys_name, use, sizeof use) || host_use_busy(o->sys_name, use, sizeof use)) {
            (void)str_fmt(why, cap, "stays with the host: it %s", use);
            return true;
        }
    }
    if (o->authorise == 0 && usb_sysfs_unauthorised(dir)) {
        (void)str_copy(why, cap, "it is not authorised on this host");
        return true;
    }
    if (!usb_driver_claimed(dir, o->sys_name, interface))
        return false;
    (void)str_fmt(why, cap, "another program uses it: interface=%s driver=usbfs", interface);
    return true;
}

static int open_node(const struct device_order *o, char *why, size_t cap) {
    char node[VH_NODE_MAX];
    int fd = open_path(o, node);
    if (fd < 0) {
        (void)str_fmt(why, cap, "cannot open %s: %s", node, strerror(errno));
        return -1;
    }
    if (is_node_of(fd, o))
        return fd;
    (void)close(fd);
    (void)str_fmt(why, cap, "%s is not the device's node", node);
    return -1;
}

/* The kernel binds drivers to the interfaces that come with a configuration, unless the port is held. */
static bool configure(int fd, uint8_t to, char *why, size_t cap) {
    unsigned value = to;
    char text[32];
    bool ok = false;
    if (sysfs_root_is_real()) {
        ok = sys_ioctl(fd, USBDEVFS_SETCONFIGURATION, &value) == 0;
    } else { /* a test's replacement shows what was asked for */
        ok = str_fmt(text, sizeof text, "configured %u\n", value) &&
             write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    }
    if (!ok)
        (void)str_fmt(why, cap, "it cannot be configured: %s", strerror(errno));
    return ok;
}

/* That number on the bus, and that plug. */
static bool is_there(int dir, const struct device_order *o) {
    return dir >= 0 && usb_sysfs_number(dir) == o->devnum;
}

static bool has_driver(int dir) {
    enum binding binding = usb_sysfs_binding(dir);
    return binding == BINDING_DRIVER || (binding == BINDING_UNKNOWN && !sysfs_root_is_real());
}

static bool drive(int dir, const struct device_order *o, char *why, size_t cap) {
    if (has_driver(dir))
        return true;
    if (o->drive != 0)
        return usb_revoke_undo(o, why, cap);
    (void)str_copy(why, cap, "no driver of the kernel has it");
    return false;
}

/* Only the loss of the kernel's driver ends a descriptor. So the device must have one, and that after its node was
 * opened: a loss before ends nothing. */
static int open_driven(int dir, const struct device_order *o, char *why, size_t cap) {
    int fd = open_node(o, why, cap);
    if (fd < 0 || has_driver(dir) || !sysfs_root_is_real())
        return fd;
    (void)close(fd);
    (void)str_copy(why, cap, "no driver of the kernel has it");
    return -1;
}

/* Configures it first if it is to be, and is not. */
static int open_configured(int dir, const struct device_order *o, char *why, size_t cap) {
    bool idle = o->configure != 0 && usb_sysfs_config(dir) == 0;
    uint8_t value = 0;
    if (idle && !usb_power_choose(dir, o->sys_name, &value, why, cap))
        return -1;
    int fd = open_driven(dir, o, why, cap);
    if (fd < 0 || !idle || configure(fd, value, why, cap))
        return fd;
    (void)close(fd);
    return -1;
}

static int open_for_vm(int dir, const struct device_order *o, char *why, size_t cap) {
    char unsaid[VH_TEXT_MAX];
    bool authorise = o->authorise != 0 && usb_sysfs_unauthorised(dir);
    if (authorise && !auth_device_for_vm(dir, o->sys_name, why, cap))
        return -1;
    int fd = open_configured(dir, o, why, cap);
    if (fd < 0 && authorise)
        (void)auth_device_end(dir, unsaid, sizeof unsaid); /* why it could not be opened says more */
    return fd;
}

int usb_node_open(const struct device_order *o, char *why, size_t cap) {
    int dir = open_dir(o), fd = -1;
    if (!is_there(dir, o))
        (void)str_copy(why, cap, "the device is gone");
    else if (!is_taken(dir, o, why, cap) && drive(dir, o, why, cap))
        fd = open_for_vm(dir, o, why, cap);
    if (dir >= 0)
        (void)close(dir);
    return fd;
}

int usb_node_hub(const struct device_order *o, uint8_t *ports, char *why, size_t cap) {
    uint64_t n = 0;
    int dir = open_dir(o);
    bool driven = is_there(dir, o) && sysfs_uint(dir, "maxchild", 10, UINT8_MAX, &n) && n > 0;
    *ports = 0;
    if (!driven)
        (void)str_copy(why, cap, "the kernel does not drive it");
    if (dir >= 0)
        (void)close(dir);
    int fd = driven ? open_node(o, why, cap) : -1;
    if (fd >= 0)
        *ports = (uint8_t)n;
    return fd;
}

/* Of several configurations the kernel chooses one, by what it has drivers for, when its own driver is bound. A device
 * without that driver may have been left so by an earlier attempt. */
bool usb_node_bind(const struct device_order *o, char *why, size_t cap) {
    int driver = sysfs_open("/sys/bus/usb/drivers/usb", O_PATH | O_DIRECTORY);
    bool ok = driver >= 0 && (sysfs_write(driver, "unbind", o->sys_name) || errno == ENODEV) &&
              sysfs_write(driver, "bind", o->sys_name);
    if (!ok)
        (void)str_fmt(why, cap, "it cannot be configured: %s", strerror(errno));
    if (driver >= 0)
        (void)close(driver);
    return ok;
}

bool usb_node_offer(const struct device_order *o, char *why, size_t cap) {
    int dir = open_dir(o);
    bool there = is_there(dir, o), idle = false, ok = there;
    uint8_t value = 0;
    if (there && o->authorise != 0 && usb_sysfs_unauthorised(dir))
        ok = auth_device_for_host(dir, o->sys_name, why, cap);
    if (ok && (o->configure != 0 || o->authorise == 0))
        idle = usb_sysfs_config(dir) == 0;
    if (idle && o->several == 0)
        ok = usb_power_choose(dir, o->sys_name, &value, why, cap);
    if (dir >= 0)
        (void)close(dir);
    if (!there)
        (void)str_copy(why, cap, "the device is gone");
    if (idle && o->several != 0) {
        ok = usb_node_bind(o, why, cap);
    } else if (idle && ok) {
        int fd = open_node(o, why, cap);
        ok = fd >= 0 && configure(fd, value, why, cap);
        if (fd >= 0)
            (void)close(fd);
    }
    if (ok)
        usb_driver_offer(o->sys_name); /* drivers that the kernel would probe later, when the port is held again */
    return ok;
}

/* A device that no driver has can be reset, too; then its drivers never see what the VM left in it. */
static void reset(const struct device_order *o) {
    char why[VH_TEXT_MAX] = "", node[VH_NODE_MAX];
    int fd = sysfs_root_is_real() ? open_path(o, node) : -1; /* a test's replacement cannot be reset */
    if (fd < 0)
        return;
    if (is_node_of(fd, o) && !usb_reset(fd, why, sizeof why))
        log_info("reset failed: device=%s error=%s", o->sys_name, why);
    (void)close(fd);
}

bool usb_node_release(const struct device_order *o, char *why, size_t cap) {
    int dir = open_dir(o);
    if (dir < 0) { /* unplugged meanwhile, and perhaps another device has its number */
        (void)str_copy(why, cap, "the device is gone");
        return false;
    }
    if (o->reset != 0)
        reset(o);
    bool ended = o->deauthorise == 0 || auth_device_end(dir, why, cap);
    (void)close(dir);
    if ((o->bind != 0 && !usb_revoke_undo(o, why, cap)) || !ended)
        return false;
    if (o->keep == 0)
        usb_driver_offer(o->sys_name);
    return true;
}
