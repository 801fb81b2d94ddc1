/*
 * usb_place.c - paths of nodes and of ports, written and read. Never looks whether anything is there.
 */
#include "codec/usb_place.h"

#include "base/log.h"
#include "base/str.h"

#include <string.h>

void usb_node_print(char node[VH_NODE_MAX], uint8_t bus, uint8_t devnum) {
    VH_ASSERT(str_fmt(node, VH_NODE_MAX, "/dev/bus/usb/%03u/%03u", (unsigned)bus, (unsigned)devnum));
}

bool usb_node_parse(const char *node, uint8_t *bus, uint8_t *devnum) {
    static const char prefix[] = "/dev/bus/usb/";
    uint64_t b = 0, d = 0;
    if (!str_starts(node, prefix))
        return false;
    const char *s = node + sizeof prefix - 1, *slash = strchr(s, '/');
    if (slash == NULL || !str_uint(s, (size_t)(slash - s), UINT8_MAX, &b) ||
        !str_uint(slash + 1, strlen(slash + 1), UINT8_MAX, &d))
        return false;
    *bus = (uint8_t)b;
    *devnum = (uint8_t)d;
    return true;
}

bool usb_node_parse_exact(const char *node, uint8_t *bus, uint8_t *devnum) {
    char exact[VH_NODE_MAX];
    uint8_t b = 0, d = 0;
    if (!usb_node_parse(node, &b, &d) || d > USB_DEVNUM_MAX)
        return false;
    usb_node_print(exact, b, d);
    if (!str_eq(node, exact))
        return false;
    *bus = b;
    *devnum = d;
    return true;
}

static bool is_port_path(const char *s, size_t n, bool exact) {
    if (n >= VH_PORTPATH_MAX)
        return false;
    for (size_t i = 0;; i++) {
        size_t len = 0;
        uint64_t port = 0;
        while (i + len < n && s[i + len] >= '0' && s[i + len] <= '9')
            len++;
        if (!str_uint(s + i, len, UINT8_MAX, &port) || port == 0 || (exact && s[i] == '0'))
            return false;
        i += len;
        if (i == n)
            return true;
        if (s[i] != '.')
            return false;
    }
}

bool usb_port_path(const char *s, size_t n) {
    return is_port_path(s, n, false);
}

bool usb_port_path_exact(const char *s, size_t n) {
    return is_port_path(s, n, true);
}

uint8_t usb_root_port(const char *path) {
    uint64_t port = 0;
    (void)str_uint(path, strspn(path, "0123456789"), UINT8_MAX, &port);
    return (uint8_t)port;
}

bool usb_name_parse(const char *name, uint8_t *bus, const char **port) {
    uint64_t b = 0;
    size_t digits = strspn(name, "0123456789");
    if (name[digits] != '-' || !str_uint(name, digits, UINT8_MAX, &b) || b == 0 ||
        !usb_port_path(name + digits + 1, strlen(name + digits + 1)))
        return false;
    *bus = (uint8_t)b;
    *port = name + digits + 1;
    return true;
}

bool usb_port_device(const char *link, char name[VH_SYSNAME_MAX]) {
    const char *slash = strrchr(link, '/'), *last = slash != NULL ? slash + 1 : link;
    const char *port = strstr(last, "-port");
    name[0] = '\0';
    if (port == NULL)
        return false;
    const char *hub = str_starts(last, "usb") ? last + 3 : last; /* "usb2": a root hub */
    size_t digits = strspn(hub, "0123456789");
    const char *below = hub + digits; /* "" or "-1.2" */
    bool root = hub != last;
    size_t len = (size_t)(port - hub);
    uint64_t number = 0;
    bool valid = digits > 0 && digits <= 3 && (root ? digits == len : len > digits + 1 && *below == '-') &&
                 (root || usb_port_path_exact(below + 1, len - digits - 1)) &&
                 str_uint(port + 5, strlen(port + 5), UINT8_MAX, &number) && number > 0;
    valid = valid && str_fmt(name, VH_SYSNAME_MAX, "%.*s%c%u", (int)len, hub, root ? '-' : '.', (unsigned)number);
    if (!valid)
        name[0] = '\0';
    return valid;
}

uint64_t usb_place_order(uint8_t bus, const char *port_path) {
    enum { HUBS = 5 };
    uint64_t order = bus;
    const char *s = port_path;
    for (int level = 0; level <= HUBS; level++) {
        unsigned port = usb_root_port(s);
        s += strspn(s, "0123456789");
        s += *s == '.';
        if (level == 0)
            order = order << 7 | (port < 127 ? port : 127);
        else
            order = order << 8 | port;
    }
    return order;
}
