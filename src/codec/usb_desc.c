/*
 * usb_desc.c - descriptors as the kernel caches them: the device descriptor, then every configuration in full.
 *
 * USB 2.0 chapter 9.5: each descriptor begins with its length and type. The device writes all of them, so each length
 * is compared with the bytes that are left before it is used. A file that breaks the framing yields no interfaces at
 * all.
 *
 * The kernel takes devices that miscount (drivers/usb/core/config.c), and so does this file, by the same rules:
 * - usb_parse_configuration() walks the descriptors as long as their lengths fit, and drops the rest of the
 *   configuration: what is wTotalLength too large, a stray byte, a descriptor that is cut. read_descriptors() in
 *   sysfs.c shows the remainder only, next to the configuration's own wTotalLength. So wTotalLength bounds nothing
 *   here: the file is whole descriptors, and a configuration begins with each one of type 2. The kernel skips one
 *   inside another configuration; then there are more than bNumConfigurations, and the file is refused.
 * - usb_parse_configuration() counts interface numbers itself. bNumInterfaces hides nothing.
 * - usb_parse_interface() keeps every alternate setting of an interface, whatever its number. A driver may be bound to
 *   it, and a guest may choose it, so each one counts here. Those that the kernel drops (the second of one number, and
 *   those beyond its own limits) count as well.
 */
#include "codec/usb_desc.h"

#include "base/assert.h"

#include <string.h>

enum {
    DT_DEVICE = 1,
    DT_CONFIG = 2,
    DT_INTERFACE = 4,
    DT_ENDPOINT = 5,
    DEVICE_LEN = 18,
    CONFIG_LEN = 9,
    INTERFACE_LEN = 9,
    ENDPOINT_LEN = 7,
};

static uint16_t le16(const unsigned char *p) {
    return (uint16_t)(p[0] | p[1] << 8);
}

/* What is odd, by bit; the texts of odd_text. */
enum { ODD_TOTAL = 1, ODD_NUMBER = 2, ODD_FIRST = 4 };

static const char *const odd_text[] = {"wTotalLength is wrong", "bNumInterfaces is wrong",
                                       "an interface has no alternate setting 0"};

/* The configuration that is being read. */
struct walk {
    struct device *dev;
    const char *why;
    const unsigned char *config; /* its descriptor; NULL before the first one */
    unsigned odd;
    uint8_t bound[256]; /* by interface number: 1 + the row that drivers are bound to; 0: no such interface */
    bool first[256];    /* by interface number: alternate setting 0 was seen */
};

static bool refuse(struct walk *w, const char *why) {
    w->why = why;
    return false;
}

/* The row of this class of this interface number, made if there is none; -1 if there is no room. */
static int row_of(struct device *dev, const unsigned char *p) {
    int i = 0;
    while (i < dev->usb.nifaces && (dev->usb.ifaces[i].number != p[2] || dev->usb.ifaces[i].cls != p[5] ||
                                    dev->usb.ifaces[i].sub != p[6] || dev->usb.ifaces[i].proto != p[7]))
        i++;
    if (i == VH_MAX_IFACES)
        return -1;
    if (i == dev->usb.nifaces)
        dev->usb.ifaces[dev->usb.nifaces++] =
            (struct usb_iface){.cls = p[5], .sub = p[6], .proto = p[7], .number = p[2]};
    return i;
}

/* usb_parse_interface() skips a descriptor that is too short, with whatever a guest may read from it: such a device is
 * refused. Drivers are bound to alternate setting 0, and without one to the first that is there
 * (usb_set_configuration(): "No altsetting 0? We'll assume the first altsetting"). */
static bool add_interface(struct walk *w, const unsigned char *p) {
    if (p[0] < INTERFACE_LEN)
        return refuse(w, "an interface descriptor is too short");
    int row = row_of(w->dev, p);
    if (row < 0)
        return refuse(w, "too many interfaces");
    if (w->bound[p[2]] == 0 || (p[3] == 0 && !w->first[p[2]]))
        w->bound[p[2]] = (uint8_t)(row + 1);
    w->first[p[2]] |= p[3] == 0;
    return true;
}

/* usb_get_configuration() reads as many bytes as wTotalLength says, and never less than the descriptor. A file with
 * more than that is from a device that said two different lengths. Less is what usb_parse_configuration() has left. */
static bool end_config(struct walk *w, const unsigned char *end) {
    size_t has = (size_t)(end - w->config), said = le16(w->config + 2);
    unsigned numbers = 0;
    if (has > said && has > CONFIG_LEN)
        return refuse(w, "wTotalLength does not fit");
    for (unsigned i = 0; i < sizeof w->bound; i++) {
        if (w->bound[i] == 0)
            continue;
        numbers++;
        w->dev->usb.bound_in[w->bound[i] - 1] |= (uint8_t)(1u << (w->dev->usb.nconfigs - 1u));
        w->odd |= w->first[i] ? 0 : ODD_FIRST;
    }
    w->odd |= (unsigned)((has != said ? ODD_TOTAL : 0) | (numbers != w->config[4] ? ODD_NUMBER : 0));
    return true;
}

/* count: as many as the device has. With one more, any of them might be inside another one. */
static bool begin_config(struct walk *w, const unsigned char *p, unsigned count) {
    if (w->config != NULL && !end_config(w, p))
        return false;
    if (p[0] < CONFIG_LEN || w->dev->usb.nconfigs == count)
        return refuse(w, "a configuration inside a configuration");
    if (w->dev->usb.nconfigs == VH_MAX_CONFIGS)
        return refuse(w, "too many configurations");
    memset(w->bound, 0, sizeof w->bound);
    memset(w->first, 0, sizeof w->first);
    w->dev->usb.config_value[w->dev->usb.nconfigs++] = p[5];
    w->config = p;
    return true;
}

/* usb_parse_configuration() skips a device descriptor in a configuration, but libusb reads no further: QEMU would
 * leave the interfaces behind it to the host's drivers. */
static bool parse_one(struct walk *w, const unsigned char *p, size_t left, unsigned count) {
    if (left < 2 || p[0] < 2)
        return refuse(w, "a descriptor shorter than its own header");
    if (p[0] > left)
        return refuse(w, "a descriptor reaches over the end of the file");
    if (p[1] == DT_CONFIG)
        return begin_config(w, p, count);
    if (p[1] == DT_DEVICE)
        return refuse(w, "a configuration inside a configuration");
    if (p[1] == DT_ENDPOINT && p[0] >= ENDPOINT_LEN && (p[3] & 3) == 1) /* bmAttributes: the type of its transfers */
        w->dev->usb.isochronous = true;
    return p[1] != DT_INTERFACE || add_interface(w, p);
}

static bool parse_configs(struct walk *w, const unsigned char *p, size_t n, unsigned count) {
    if (n > 0 && (n < CONFIG_LEN || p[0] < CONFIG_LEN || p[1] != DT_CONFIG))
        return refuse(w, "a configuration descriptor is malformed");
    for (size_t at = 0; at < n; at += p[at]) {
        if (!parse_one(w, p + at, n - at, count))
            return false;
    }
    if (w->dev->usb.nconfigs < count)
        return refuse(w, "a configuration is missing");
    VH_ASSERT(w->config != NULL); /* count is not 0 */
    return end_config(w, p + n);
}

static void tell(char note[VH_NOTE_MAX], unsigned odd) {
    struct sbuf sb;
    sb_init(&sb, note, VH_NOTE_MAX);
    for (size_t i = 0; i < sizeof odd_text / sizeof *odd_text; i++) {
        if (odd >> i & 1)
            sb_fmt(&sb, "%s%s", sb.len > 0 ? ", " : "", odd_text[i]);
    }
    VH_ASSERT(sb_ok(&sb));
}

static void forget(struct device *dev) {
    dev->usb.nifaces = dev->usb.nconfigs = 0;
    dev->usb.isochronous = false;
    memset(dev->usb.config_value, 0, sizeof dev->usb.config_value);
    memset(dev->usb.bound_in, 0, sizeof dev->usb.bound_in);
}

bool usb_desc_parse(const unsigned char *p, size_t n, struct device *dev, char note[VH_NOTE_MAX], const char **why) {
    struct walk w = {.dev = dev};
    note[0] = '\0';
    forget(dev);
    if (n < DEVICE_LEN || p[0] != DEVICE_LEN || p[1] != DT_DEVICE) {
        *why = "the device descriptor is malformed";
        return false;
    }
    dev->cls = p[4];
    dev->sub = p[5];
    dev->proto = p[6];
    dev->vid = le16(p + 8);
    dev->pid = le16(p + 10);
    dev->usb.bcd_device = le16(p + 12);
    if (p[17] == 0)
        w.why = "the device has no configuration";
    if (w.why == NULL && parse_configs(&w, p + DEVICE_LEN, n - DEVICE_LEN, p[17])) {
        tell(note, w.odd);
        return true;
    }
    *why = w.why;
    forget(dev);
    return false;
}

void usb_desc_interfaces(struct sbuf *sb, const struct device *dev) {
    if (dev->usb.nifaces > 0)
        sb_char(sb, ':');
    for (int i = 0; i < dev->usb.nifaces; i++) {
        sb_hex(sb, dev->usb.ifaces[i].cls, 2);
        sb_hex(sb, dev->usb.ifaces[i].sub, 2);
        sb_hex(sb, dev->usb.ifaces[i].proto, 2);
        sb_char(sb, ':');
    }
}
