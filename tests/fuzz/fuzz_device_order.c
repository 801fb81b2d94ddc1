/*
 * fuzz_device_order.c - any bytes as an order, and as the answer to one: no crash, and what was found valid is walked
 * as bus_usb.c does it. Its strings end and are printed, its numbers are in range, its bools are bools.
 *
 * Input: an order, then the bytes of its answer, as this machine lays them out. An order that is none is replaced by
 * one of the kind that its number says, because the loop's own orders are valid. The committed inputs are valid ones.
 */
#include "base/str.h"
#include "bus/device_order.h"
#include "must.h"

#include <string.h>

static struct device_order order;
static union device_answer answer;

/* A caller may print it: it ends within its bounds, and the JSON of it has no bare control byte. */
static void print(const char *s, size_t cap) {
    static char text[8 * VH_DRIVERS_TEXT];
    struct sbuf sb;
    MUST(memchr(s, '\0', cap) != NULL);
    sb_init(&sb, text, sizeof text);
    sb_json(&sb, s);
    MUST(sb_ok(&sb) && sb.len >= 2 && text[0] == '"' && text[sb.len - 1] == '"');
    for (size_t i = 0; i < sb.len; i++)
        MUST((unsigned char)text[i] >= 0x20);
}
#define PRINT(text) print((text), sizeof(text))

static void check_name(const char name[VH_SYSNAME_MAX]) {
    print(name, VH_SYSNAME_MAX);
    MUST(device_name_valid(name) && strchr(name, '/') == NULL && name[0] != '.');
    MUST(device_same_port(name, name));
}

static void walk_drivers(const char *drivers) {
    size_t at = 0;
    int n = 0;
    for (; drivers[at] != '\0'; n++) {
        print(drivers + at, VH_DRIVERS_TEXT - at);
        at += strlen(drivers + at) + 1;
        MUST(at < VH_DRIVERS_TEXT);
    }
    MUST(n <= VH_MAX_DRIVERS);
}

static void walk_names(const struct device_texts *d) {
    PRINT(d->vendor_name);
    PRINT(d->product_name);
    PRINT(d->serial);
    PRINT(d->note);
    MUST(d->vendor_name[0] != '\0' && d->product_name[0] != '\0');
}

static void walk_device(const struct device *from, const struct device_texts *texts) {
    static struct device dev;
    dev = *from;
    MUST(dev.serial == NULL && dev.note == NULL && dev.protect == NULL && dev.driver_path[0] == NULL);
    device_take_texts(&dev, texts);
    walk_names(texts);
    check_name(dev.sys_name);
    PRINT(dev.node);
    PRINT(dev.usb.port_path);
    PRINT(dev.usb.speed);
    PRINT(texts->malformed);
    MUST(strcmp(dev.sys_name, order.sys_name) == 0 && dev.protect[0] == '\0');
    MUST(dev.usb.busnum > 0 && dev.usb.devnum > 0 && dev.usb.devnum <= 127);
    MUST(dev.usb.removable == REMOVABLE_UNKNOWN || dev.usb.removable == REMOVABLE_FIXED ||
         dev.usb.removable == REMOVABLE_REMOVABLE);
    bool settled = dev.settled, unresponsive = dev.unresponsive, no = dev.unauthorised; /* UBSan looks at them */
    MUST((settled || !settled) && (unresponsive || !unresponsive) && (no || !no));
    unsigned classes = 0;
    MUST(dev.usb.nifaces <= VH_MAX_IFACES && dev.usb.nconfigs <= VH_MAX_CONFIGS);
    for (int i = 0; i < dev.usb.nifaces; i++) {
        classes |= dev.usb.ifaces[i].cls;
        for (int n = 0; n < 8; n++)
            MUST((dev.usb.bound_in[i] >> n & 1) == 0 || n < dev.usb.nconfigs);
    }
    MUST(classes <= 255);
}

static void walk_read(const struct device_read *r) {
    MUST(r->driven <= 1 && r->complete <= 1 && r->strings <= 1 && r->troubled <= 1 && r->unauthorised <= 1);
    PRINT(r->driver);
    switch (r->result) {
    case DEVICE_FULL:
        MUST(r->incarnation != 0);
        walk_device(&r->dev, &r->texts);
        walk_drivers(r->drivers);
        break;
    case DEVICE_NAMES:
        walk_names(&r->texts); /* and as DEVICE_SAME */
        MUST(r->incarnation == order.incarnation);
        break;
    case DEVICE_SAME:
        MUST(r->incarnation == order.incarnation);
        break;
    default:
        MUST(r->result == DEVICE_GONE || r->result == DEVICE_FLUX);
    }
}

static void walk_evdev(const struct device_evdev *l) {
    char room[VH_INPUT_PATH];
    MUST(l->n <= VH_MAX_EVDEV && l->whole <= 1);
    for (uint32_t i = 0; i < l->n; i++) {
        PRINT(l->row[i].name);
        PRINT(l->row[i].phys);
        for (int p = 0; p < INPUT_PROPERTIES; p++)
            print(input_property_value(&l->row[i], p, room), VH_INPUT_PATH);
        MUST(input_property_value(&l->row[i], INPUT_ANY, room)[0] == '1');
    }
}

static void walk(void) {
    switch (order.head.kind) {
    case DEVICE_LIST:
        MUST(answer.list.n <= VH_MAX_DEVICES && answer.list.whole <= 1);
        for (uint32_t i = 0; i < answer.list.n; i++)
            check_name(answer.list.row[i].sys_name);
        break;
    case DEVICE_USES:
        MUST(answer.uses.n <= VH_MAX_DEVICES);
        for (uint32_t i = 0; i < answer.uses.n; i++) {
            check_name(answer.uses.row[i].sys_name);
            PRINT(answer.uses.row[i].why);
        }
        break;
    case DEVICE_PCI:
        MUST(answer.pci.n <= VH_MAX_PCI && answer.pci.whole <= 1);
        for (uint32_t i = 0; i < answer.pci.n; i++) {
            PRINT(answer.pci.row[i].driver);
            MUST(answer.pci.row[i].grouped <= 1);
        }
        break;
    case DEVICE_EVDEV:
        walk_evdev(&answer.evdev);
        break;
    case DEVICE_READ:
        walk_read(&answer.read);
        break;
    default:
        PRINT(answer.done.why);
        MUST(answer.done.result >= DEVICE_SAME && answer.done.result <= DEVICE_REFUSED);
        MUST(answer.done.ports == 0 || (order.head.kind == DEVICE_HUB && answer.done.result == DEVICE_SAME));
    }
}

static bool concerns_device(void) {
    return !device_order_lists(order.head.kind);
}

static void check_order(void) {
    MUST(order.head.kind >= DEVICE_LIST && order.head.kind < DEVICE_KINDS);
    if (concerns_device())
        check_name(order.sys_name);
    else
        MUST(order.sys_name[0] == '\0');
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size) {
    size_t n = size < sizeof order ? size : sizeof order;
    memset(&order, 0, sizeof order);
    memcpy(&order, data, n);
    if (device_order_valid(&order)) {
        check_order();
    } else {
        order.head.kind = DEVICE_LIST + order.head.kind % (DEVICE_KINDS - DEVICE_LIST);
        memcpy(order.sys_name, concerns_device() ? "1-2" : "\0\0\0", 4);
    }
    data += n;
    size -= n;
    if (size > sizeof answer)
        return 0; /* os/worker.c ends such a worker */
    memset(&answer, 0xff, sizeof answer);
    memcpy(&answer, data, size);
    bool bare = device_answer_valid(&order, &answer, size, false);
    bool with_fd = device_answer_valid(&order, &answer, size, true);
    bool opens = order.head.kind == DEVICE_OPEN || order.head.kind == DEVICE_HUB;
    MUST(!with_fd || opens || (order.head.kind == DEVICE_READ && order.open != 0));
    MUST(!with_fd || !bare || order.head.kind == DEVICE_READ);
    if (bare || with_fd) {
        MUST(device_answer_size(order.head.kind, &answer) == size);
        walk();
    }
    return 0;
}
