/*
 * auth_default.c - what the kernel authorises by itself. Owns the values that are to be put back and what was
 * authorised at the start; both are noted before the workers start, which inherit them, and never change.
 */
#include "bus/usb/auth_default.h"

#include "base/log.h"
#include "base/str.h"
#include "bus/device_order.h"
#include "bus/usb/usb_sysfs.h"
#include "os/outlive.h"
#include "os/sys.h"
#include "os/sysfs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define PARAMETERS "/sys/module/usbcore/parameters"
#define PARAMETER "authorized_default"
#define DEVICES "authorized_default"
#define INTERFACES "interface_authorized_default"
#define PUT_BACK UINT64_MAX /* for outlive_take(): no incarnation */

static struct {
    bool on;
    struct auth_values values;
    int nfound;
    struct found {
        uint64_t incarnation;
        bool authorised;
    } found[VH_MAX_DEVICES];
} start;

static bool just_closed;     /* by the last order */
static struct sysfs_dir dir; /* of the call under way */

/* ---- values ---- */

/* -1 to 2, as the kernel knows them. */
static bool read_value(int at, const char *name, int32_t *value) {
    char text[16];
    uint64_t n = 0;
    ssize_t len = sysfs_text(at, name, text, sizeof text);
    if (len > 0 && str_eq(text, "-1"))
        *value = -1;
    else if (len > 0 && str_uint(text, (size_t)len, 2, &n))
        *value = (int32_t)n;
    else
        return false;
    return true;
}

static bool write_value(int at, const char *name, int32_t value) {
    char text[16];
    int32_t now = 0;
    if (read_value(at, name, &now) && now == value)
        return true;
    return str_fmt(text, sizeof text, "%d", (int)value) && sysfs_write(at, name, text);
}

static int open_bus(const char *bus) {
    return str_starts(bus, "usb") ? usb_sysfs_open(bus) : -1;
}

static void read_bus(struct auth_values *v, const char *name) {
    struct auth_bus *b = &v->bus[v->n];
    int at = open_bus(name);
    memset(b, 0, sizeof *b);
    (void)str_copy(b->name, sizeof b->name, name); /* device_name_valid() has checked its length */
    if (at >= 0 && read_value(at, DEVICES, &b->device) && read_value(at, INTERFACES, &b->interface))
        v->n++;
    if (at >= 0)
        (void)close(at);
}

bool auth_default_read(struct auth_values *v, char *why, size_t cap) {
    const char *name;
    memset(v, 0, sizeof *v);
    int at = sysfs_open(PARAMETERS, O_PATH | O_DIRECTORY);
    bool known = at >= 0 && read_value(at, PARAMETER, &v->parameter);
    if (at >= 0)
        (void)close(at);
    if (!known) {
        (void)str_copy(why, cap, "this kernel has no parameter usbcore.authorized_default");
        return false;
    }
    if (!sysfs_dir_open(&dir, USB_DEVICES))
        return true; /* no bus yet */
    while (v->n < VH_MAX_BUSES && (name = sysfs_dir_next(&dir)) != NULL) {
        if (str_starts(name, "usb") && device_name_valid(name))
            read_bus(v, name);
    }
    sysfs_dir_close(&dir);
    return true;
}

static bool is_value(int32_t value) {
    return value >= -1 && value <= 2;
}

bool auth_default_is(const struct auth_values *v) {
    bool is = is_value(v->parameter) && v->n <= VH_MAX_BUSES;
    for (uint32_t i = 0; is && i < v->n; i++) {
        const struct auth_bus *b = &v->bus[i];
        is = memchr(b->name, '\0', sizeof b->name) != NULL && str_starts(b->name, "usb") &&
             device_name_valid(b->name) && is_value(b->device) && is_value(b->interface);
    }
    return is;
}

/* ---- what is there at the start ---- */

static void note_device(const char *name) {
    struct sys_stat st;
    int at = usb_sysfs_open(name);
    if (at >= 0 && sys_stat(at, "", AT_EMPTY_PATH, &st))
        start.found[start.nfound++] = (struct found){st.ino, !usb_sysfs_unauthorised(at)};
    if (at >= 0)
        (void)close(at);
}

void auth_default_start(const struct auth_values *v, bool again) {
    const char *name;
    start.on = true;
    start.values = *v;
    start.nfound = 0;
    if (again || !sysfs_dir_open(&dir, USB_DEVICES))
        return;
    while (start.nfound < VH_MAX_DEVICES && (name = sysfs_dir_next(&dir)) != NULL) {
        if (device_name_valid(name) && !str_starts(name, "usb"))
            note_device(name);
    }
    sysfs_dir_close(&dir);
}

bool auth_default_on(void) {
    return start.on;
}

/* ---- in a worker ---- */

void auth_default_bus(const char *sys_name, char bus[VH_SYSNAME_MAX]) {
    bool root = str_starts(sys_name, "usb");
    bool ok = root ? str_copy(bus, VH_SYSNAME_MAX, sys_name)
                   : str_fmt(bus, VH_SYSNAME_MAX, "usb%.*s", (int)strcspn(sys_name, "-"), sys_name);
    if (!ok) /* no bus has such a number */
        bus[0] = '\0';
}

/* What the kernel gives to a bus that comes. */
static struct auth_bus values_of(const char *bus) {
    for (uint32_t i = 0; i < start.values.n; i++) {
        if (str_eq(start.values.bus[i].name, bus))
            return start.values.bus[i];
    }
    return (struct auth_bus){.device = start.values.parameter < 0 ? 1 : start.values.parameter, .interface = 1};
}

bool auth_default_close(const char *bus, char *why, size_t cap) {
    int parameters = sysfs_open(PARAMETERS, O_PATH | O_DIRECTORY), at = open_bus(bus);
    bool ok = parameters >= 0 && write_value(parameters, PARAMETER, 0);
    if (!ok)
        (void)str_fmt(why, cap, PARAMETERS "/" PARAMETER ": %s", strerror(errno));
    if (ok && (at < 0 || !write_value(at, DEVICES, 0))) {
        (void)str_fmt(why, cap, "%s/" DEVICES ": %s", bus, strerror(errno));
        ok = false;
    }
    if (parameters >= 0)
        (void)close(parameters);
    if (at >= 0)
        (void)close(at);
    just_closed = true;
    return ok;
}

void auth_default_next_order(void) {
    if (just_closed) /* else nothing is written, and the page stays the one of all workers */
        just_closed = false;
}

bool auth_default_interfaces(const char *bus, bool closed) {
    int at = open_bus(bus);
    bool ok = at >= 0 && write_value(at, INTERFACES, closed ? 0 : values_of(bus).interface);
    int saved = errno;
    if (at >= 0)
        (void)close(at);
    errno = saved;
    return ok;
}

static void put_back_bus(const char *name) {
    struct auth_bus was = values_of(name);
    int at = open_bus(name);
    if (at < 0)
        return;
    bool interfaces = write_value(at, INTERFACES, was.interface), devices = write_value(at, DEVICES, was.device);
    if (!interfaces || !devices)
        log_error("usbAuthorization: bus=%s is not put back: %s", name, strerror(errno));
    (void)close(at);
}

void auth_default_put_back(void) {
    const char *name;
    if (outlive_taken(PUT_BACK) && !just_closed)
        return;
    int at = sysfs_open(PARAMETERS, O_PATH | O_DIRECTORY);
    if (at < 0 || !write_value(at, PARAMETER, start.values.parameter))
        log_error("usbAuthorization: " PARAMETERS "/" PARAMETER " is not put back: %s", strerror(errno));
    if (at >= 0)
        (void)close(at);
    if (!sysfs_dir_open(&dir, USB_DEVICES))
        return;
    while ((name = sysfs_dir_next(&dir)) != NULL) {
        if (str_starts(name, "usb") && device_name_valid(name))
            put_back_bus(name);
    }
    sysfs_dir_close(&dir);
    (void)outlive_take(PUT_BACK); /* last: a process that is killed before has not done it */
}

bool auth_default_was(const char *sys_name, uint64_t incarnation) {
    char bus[VH_SYSNAME_MAX];
    int32_t now = 0;
    auth_default_bus(sys_name, bus);
    int32_t was = values_of(bus).device;
    int at = open_bus(bus);
    bool closed = at < 0 || !read_value(at, DEVICES, &now) || now == 0;
    if (at >= 0)
        (void)close(at);
    if (was != 0 && closed)
        return false;
    for (int i = 0; i < start.nfound; i++) {
        if (start.found[i].incarnation == incarnation)
            return start.found[i].authorised;
    }
    return was != 0;
}
