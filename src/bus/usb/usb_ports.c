/*
 * usb_ports.c - finds the ports of all hubs in sysfs. Owns nothing; knows no device but by its name.
 */
#include "bus/usb/usb_ports.h"

#include "base/assert.h"
#include "base/str.h"
#include "bus/usb/usb_sysfs.h"
#include "codec/stable_path.h"
#include "codec/usb_place.h"
#include "os/sysfs.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* ---- one port ---- */

/* What a link in sysfs leads to, its last part: "" if there is no such link. */
static void link_name(const char *dir, const char *name, char dst[VH_SYSNAME_MAX]) {
    char path[VH_PATH_MAX], link[VH_PATH_MAX];
    dst[0] = '\0';
    if (!str_fmt(path, sizeof path, "%s/%s", dir, name) || sysfs_link(path, link, sizeof link) <= 0)
        return;
    const char *slash = strrchr(link, '/');
    if (!str_copy(dst, VH_SYSNAME_MAX, slash != NULL ? slash + 1 : link))
        dst[0] = '\0'; /* no name of a device is that long */
}

static void read_attributes(const char *dir, struct usb_port *p) {
    static const char *const types[] = {"hotplug", "hardwired", "not used"};
    char text[16];
    (void)str_copy(p->type, sizeof p->type, "unknown"); /* it fits */
    int fd = sysfs_open(dir, O_RDONLY | O_DIRECTORY);
    if (fd < 0)
        return;
    (void)sysfs_text(fd, "connect_type", text, sizeof text); /* "" if there is none */
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (str_eq(text, types[i]))
            (void)str_copy(p->type, sizeof p->type, types[i]);
    }
    if (sysfs_text(fd, "location", text, sizeof text) > 2 && !str_hex(text + 2, strlen(text + 2), &p->location))
        p->location = 0;
    (void)close(fd);
}

static void read_other(const char *dir, struct usb_port *p) {
    char path[VH_PATH_MAX], link[VH_PATH_MAX], peer[VH_SYSNAME_MAX];
    const char *ports = NULL;
    uint8_t bus = 0;
    if (str_fmt(path, sizeof path, "%s/peer", dir) && sysfs_link(path, link, sizeof link) > 0 &&
        usb_port_device(link, peer) && usb_name_parse(peer, &bus, &ports))
        (void)str_copy(p->other, sizeof p->other, ports); /* the end of a name: of a smaller bound */
}

/* The port called `name` ("usb1-port3") in the directory of its hub's interface ("1-0:1.0"). */
static bool read_port(const char *interface, const char *name, struct usb_port *p) {
    char dir[VH_PATH_MAX], path[VH_PATH_MAX], link[VH_PATH_MAX], device[VH_SYSNAME_MAX], hub[VH_SYSNAME_MAX], speed[16];
    const char *ports = NULL;
    uint8_t bus = 0;
    if (!usb_port_device(name, device) || !usb_name_parse(device, &bus, &ports) ||
        !str_fmt(dir, sizeof dir, USB_DEVICES "/%s/%s", interface, name))
        return false;
    bool fits = str_fmt(hub, sizeof hub, "usb%u", (unsigned)bus) && str_fmt(path, sizeof path, USB_DEVICES "/%s", hub);
    VH_ASSERT(fits);
    int root = usb_sysfs_open(hub);
    bool known = root >= 0 && sysfs_text(root, "speed", speed, sizeof speed) > 0;
    if (root >= 0)
        (void)close(root);
    memset(p, 0, sizeof *p);
    if (!known || sysfs_link(path, link, sizeof link) <= 0 || !stable_path_make(p->path, link, bus, speed, ports))
        return false;
    read_attributes(dir, p);
    read_other(dir, p);
    link_name(dir, "device", p->device);
    return true;
}

/* ---- all of them ---- */

/* By controller, then by half and ports. */
static bool is_before(const struct usb_port *a, const struct usb_port *b) {
    size_t n = strcspn(a->path, "/"), m = strcspn(b->path, "/");
    int order = strncmp(a->path, b->path, n < m ? n : m);
    if (order != 0 || n != m)
        return order != 0 ? order < 0 : n < m;
    return usb_place_order((uint8_t)a->path[n + 1], stable_path_ports(a->path)) <
           usb_place_order((uint8_t)b->path[m + 1], stable_path_ports(b->path));
}

static void insert(struct usb_port *rows, int n, const struct usb_port *p) {
    int i = n;
    for (; i > 0 && is_before(p, &rows[i - 1]); i--)
        rows[i] = rows[i - 1];
    rows[i] = *p;
}

int usb_ports_read(struct usb_port *rows, int max, bool *more) {
    static struct sysfs_dir all, one;
    struct usb_port p;
    const char *interface, *name;
    int n = 0;
    *more = false;
    if (!sysfs_dir_open(&all, USB_DEVICES))
        return 0;
    while ((interface = sysfs_dir_next(&all)) != NULL) {
        char dir[VH_PATH_MAX];
        if (strchr(interface, ':') == NULL || !str_fmt(dir, sizeof dir, USB_DEVICES "/%s", interface) ||
            !sysfs_dir_open(&one, dir))
            continue;
        while ((name = sysfs_dir_next(&one)) != NULL) {
            if (strstr(name, "-port") == NULL || !read_port(interface, name, &p))
                continue;
            if (n < max)
                insert(rows, n++, &p);
            else
                *more = true;
        }
        sysfs_dir_close(&one);
    }
    sysfs_dir_close(&all);
    return n;
}

int usb_controllers(void) {
    static struct sysfs_dir all;
    static char seen[VH_MAX_BUSES][VH_STABLE_PATH_MAX];
    const char *name;
    int n = 0;
    if (!sysfs_dir_open(&all, USB_DEVICES))
        return 0;
    while ((name = sysfs_dir_next(&all)) != NULL && n < VH_MAX_BUSES) {
        char path[VH_PATH_MAX], link[VH_PATH_MAX];
        uint64_t bus = 0;
        bool root = str_starts(name, "usb") && str_uint(name + 3, strlen(name + 3), UINT8_MAX, &bus) &&
                    str_fmt(path, sizeof path, USB_DEVICES "/%s", name) && sysfs_link(path, link, sizeof link) > 0 &&
                    stable_path_make(seen[n], link, (uint8_t)bus, "480", "0"); /* both halves are one controller */
        int i = 0;
        while (root && i < n && !str_eq(seen[i], seen[n]))
            i++;
        n += root && i == n;
    }
    sysfs_dir_close(&all);
    return n;
}
