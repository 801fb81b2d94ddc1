/*
 * usb_desc.c - descriptors as the kernel caches them: the device descriptor, then every configuration in full.
 *
 * USB 2.0 chapter 9.5: each descriptor begins with its length and type. The device writes all of them, so each length
 * is compared with the bytes that are left before it is used. A file that breaks the framing yields no interfaces at
 * all.
 */
#include "codec/usb_desc.h"

#include <string.h>

enum {
    DT_DEVICE = 1,
    DT_CONFIG = 2,
    DT_INTERFACE = 4,
    DEVICE_LEN = 18,
    CONFIG_LEN = 9,
    INTERFACE_LEN = 9,
};

static uint16_t le16(const unsigned char *p) {
    return (uint16_t)(p[0] | p[1] << 8);
}

static bool add_interface(const unsigned char *p, struct device *dev, const char **why) {
    if (p[3] != 0) /* only the first alternate setting counts, as in a modalias */
        return true;
    if (dev->nifaces == VH_MAX_IFACES) {
        *why = "too many interfaces";
        return false;
    }
    dev->ifaces[dev->nifaces++] = (struct usb_iface){.cls = p[5], .sub = p[6], .proto = p[7], .number = p[2]};
    return true;
}

/* One configuration of `total` bytes at p. Its descriptor must give the right number of interfaces. */
static bool parse_config(const unsigned char *p, size_t total, struct device *dev, const char **why) {
    bool seen[256] = {false};
    unsigned count = 0;
    for (size_t at = p[0]; at < total; at += p[at]) {
        size_t left = total - at;
        if (left < 2 || p[at] < 2) {
            *why = "a descriptor shorter than its own header";
            return false;
        }
        if (p[at] > left) {
            *why = "a descriptor reaches over the end of its configuration";
            return false;
        }
        if (p[at + 1] == DT_CONFIG || p[at + 1] == DT_DEVICE) {
            *why = "a configuration inside a configuration";
            return false;
        }
        if (p[at + 1] != DT_INTERFACE)
            continue;
        if (p[at] < INTERFACE_LEN) {
            *why = "an interface descriptor is too short";
            return false;
        }
        count += !seen[p[at + 2]];
        seen[p[at + 2]] = true;
        if (!add_interface(p + at, dev, why))
            return false;
    }
    if (count != p[4]) {
        *why = "a configuration has another number of interfaces than it says";
        return false;
    }
    return true;
}

static bool parse_configs(const unsigned char *p, size_t n, unsigned count, struct device *dev, const char **why) {
    size_t at = 0;
    for (unsigned i = 0; i < count; i++) {
        if (n - at < CONFIG_LEN || p[at] < CONFIG_LEN || p[at + 1] != DT_CONFIG) {
            *why = at == n ? "a configuration is missing" : "a configuration descriptor is malformed";
            return false;
        }
        size_t total = le16(p + at + 2);
        if (total < p[at] || total > n - at) {
            *why = "wTotalLength does not fit";
            return false;
        }
        if (!parse_config(p + at, total, dev, why))
            return false;
        at += total;
    }
    if (at != n) {
        *why = "bytes follow the last configuration";
        return false;
    }
    return true;
}

bool usb_desc_parse(const unsigned char *p, size_t n, struct device *dev, const char **why) {
    dev->nifaces = 0;
    if (n < DEVICE_LEN || p[0] != DEVICE_LEN || p[1] != DT_DEVICE) {
        *why = "the device descriptor is malformed";
        return false;
    }
    dev->cls = p[4];
    dev->sub = p[5];
    dev->proto = p[6];
    dev->vid = le16(p + 8);
    dev->pid = le16(p + 10);
    dev->bcd_device = le16(p + 12);
    if (p[17] == 0) {
        *why = "the device has no configuration";
        return false;
    }
    if (parse_configs(p + DEVICE_LEN, n - DEVICE_LEN, p[17], dev, why))
        return true;
    dev->nifaces = 0;
    return false;
}

void usb_desc_interfaces(struct sbuf *sb, const struct device *dev) {
    if (dev->nifaces > 0)
        sb_char(sb, ':');
    for (int i = 0; i < dev->nifaces; i++) {
        sb_hex(sb, dev->ifaces[i].cls, 2);
        sb_hex(sb, dev->ifaces[i].sub, 2);
        sb_hex(sb, dev->ifaces[i].proto, 2);
        sb_char(sb, ':');
    }
}
