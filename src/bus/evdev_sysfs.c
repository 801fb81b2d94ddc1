/*
 * evdev_sysfs.c - reads /sys/class/input. Owns nothing between two lists; decides nothing. What the attributes mean is
 * in codec/input_id.c and
 * codec/input_place.c.
 */
#include "bus/evdev_sysfs.h"

#include "base/str.h"
#include "codec/input_device.h"
#include "os/sysfs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#define INPUT_CLASS "/sys/class/input"

/* "event12", as the kernel writes it */
static bool event_number(const char *name, uint16_t *number) {
    uint64_t n = 0;
    if (!str_starts(name, "event") || (name[5] == '0' && name[6] != '\0') ||
        !str_uint(name + 5, strlen(name + 5), UINT16_MAX, &n))
        return false;
    *number = (uint16_t)n;
    return true;
}

/* Texts of devices are bytes. What is no UTF-8 is no text of a rule either. */
static void make_text(char *s) {
    size_t step;
    for (size_t at = 0, len = strlen(s); at < len; at += step) {
        step = utf8_len(s + at, len - at, NULL);
        if (step == 0) {
            s[at] = '?';
            step = 1;
        }
    }
}

static bool read_bits(int dir, const char *name, struct input_bits *b) {
    char text[VH_ATTR_MAX];
    /* One that is not there reads as "": the empty set. */
    bool there = sysfs_text(dir, name, text, sizeof text) >= 0 || errno == ENOENT;
    return input_bits_parse(text, sizeof(unsigned long) * CHAR_BIT, b) && there;
}

static bool read_caps(int dir, struct input_caps *c) {
    uint64_t bustype = 0;
    bool ok = read_bits(dir, "capabilities/ev", &c->ev) && read_bits(dir, "capabilities/key", &c->key) &&
              read_bits(dir, "capabilities/rel", &c->rel) && read_bits(dir, "capabilities/abs", &c->abs) &&
              read_bits(dir, "properties", &c->props);
    (void)sysfs_uint(dir, "id/bustype", 16, UINT16_MAX, &bustype); /* 0 if there is none */
    c->bustype = (uint16_t)bustype;
    return ok;
}

static const char *last_part(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

/* A directory without a subsystem is a device with one attribute that all devices have, or only holds devices. */
static bool is_device(const char *path) {
    char attribute[VH_PATH_MAX];
    int fd = str_fmt(attribute, sizeof attribute, "%s/uevent", path) ? sysfs_open(attribute, O_RDONLY) : -1;
    if (fd >= 0)
        (void)close(fd);
    return fd >= 0;
}

/* From "/sys/devices/pci0000:00/.../event4" up. Its directories are at most as many as its slashes. */
static bool walk_up(char *path, struct input_place *p) {
    static const char top[] = "/sys/devices";
    input_place_begin(p);
    while (strlen(path) > sizeof top) {
        char link[VH_PATH_MAX], target[VH_PATH_MAX];
        if (!str_fmt(link, sizeof link, "%s/subsystem", path))
            return false;
        if (sysfs_link(link, target, sizeof target) >= 0)
            input_place_add(p, last_part(target), last_part(path));
        else if (is_device(path))
            input_place_add(p, "", last_part(path));
        *strrchr(path, '/') = '\0';
    }
    return true;
}

/* Where the class's link leads: "../../devices/virtual/input/input7/event4". */
static bool find_device(const char *name, char path[VH_PATH_MAX]) {
    char link[VH_PATH_MAX], target[VH_PATH_MAX];
    if (!str_fmt(link, sizeof link, INPUT_CLASS "/%s", name) || sysfs_link(link, target, sizeof target) < 0)
        return false;
    const char *below = target;
    while (str_starts(below, "../"))
        below += 3;
    return str_starts(below, "devices/") && str_fmt(path, VH_PATH_MAX, "/sys/%s", below);
}

/* A name decides, so one that is too long is no name that a rule can be compared with. */
static bool read_texts(int dir, struct input_device *r) {
    char phys[VH_ATTR_MAX];
    if (sysfs_text(dir, "name", r->name, sizeof r->name) < 0 && errno != ENOENT)
        return false;
    make_text(r->name);
    if (sysfs_text(dir, "phys", phys, sizeof phys) >= 0) {
        make_text(phys);
        str_shorten(r->phys, sizeof r->phys, phys); /* for people only */
    }
    return true;
}

static bool read_row(const char *name, struct input_device *r) {
    char path[VH_PATH_MAX], device[VH_PATH_MAX];
    struct input_caps caps;
    struct input_place place;
    bool fits = str_fmt(device, sizeof device, INPUT_CLASS "/%s/device", name) && find_device(name, path);
    int dir = fits ? sysfs_open(device, O_RDONLY | O_DIRECTORY) : -1;
    if (dir < 0)
        return false;
    bool ok = read_caps(dir, &caps) && read_texts(dir, r);
    (void)close(dir);
    if (!ok || !walk_up(path, &place))
        return false;
    r->classes = input_id_classes(&caps);
    r->bus = (uint8_t)input_place_bus(&place, caps.bustype);
    input_place_path(&place, r->path);
    make_text(r->path);
    return true;
}

static bool is_there(const char *name) {
    char link[VH_PATH_MAX], target[VH_PATH_MAX];
    return str_fmt(link, sizeof link, INPUT_CLASS "/%s", name) && sysfs_link(link, target, sizeof target) >= 0;
}

/* A device that cannot be read is left out; unless it was unplugged meanwhile, the list then says so. */
static void add(struct device_evdev *l, const char *name, uint16_t number) {
    struct input_device *r = &l->row[l->n];
    memset(r, 0, sizeof *r);
    r->number = number;
    if (read_row(name, r))
        l->n++;
    else if (is_there(name))
        l->whole = 0;
}

void evdev_sysfs_list(struct device_evdev *l) {
    static struct sysfs_dir d;
    const char *name;
    uint16_t number = 0;
    unsigned troubles = sysfs_troubles();
    l->n = 0;
    l->whole = 1;
    if (!sysfs_dir_open(&d, INPUT_CLASS)) {
        l->whole = errno == ENOENT;
        return;
    }
    while ((name = sysfs_dir_next(&d)) != NULL) {
        if (!event_number(name, &number))
            continue;
        if (l->n == VH_MAX_EVDEV) {
            l->whole = 0;
            break;
        }
        add(l, name, number);
    }
    if (d.failed || sysfs_troubles() != troubles)
        l->whole = 0;
    sysfs_dir_close(&d);
}
