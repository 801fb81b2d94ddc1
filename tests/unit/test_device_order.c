/*
 * test_device_order.c - device_order.c: each valid form passes, and each of them broken in one place does not.
 */
#include "bus/device_order.h"
#include "test.h"

#include <string.h>

static struct device_order order;
static union device_answer answer;
static size_t size;
static bool with_fd; /* a descriptor came along */

static void fill(char *dst, size_t n) {
    memset(dst, 'x', n);
}
#define UNTERMINATED(text) fill((text), sizeof(text))

static void set_byte(void *p, unsigned char value) {
    memcpy(p, &value, 1); /* a bool of 2 cannot be assigned */
}

/* ---- names ---- */

static void a_name_is_a_devices(void) {
    static const char *const good[] = {"1-1", "1-2.3", "12-3.4.5.6.7", "usb1", "usb12", "255-14"};
    static const char *const bad[] = {"",       "1",       "-",       "1-",     "-1",     "1-1:1.0",     "usb",
                                      "usb1-1", "usbx",    "..",      "1-../",  "1-1/..", "../usb1",     "1-1 ",
                                      " 1-1",   "1-1\n",   "1-a",     "x1-1",   "1--1",   "USB1",        "0x1-1",
                                      "ep_00",  "1-1\x80", "1-1/1-2", "/",      ".",      "usb1/../etc", "usb 1",
                                      "usb1.",  "1-1.",    "1-.1",    "1-1..2", "1-1-1",  "1-1.1-1"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        CHECK(device_name_valid(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (device_name_valid(bad[i]))
            printf("# \"%s\"\n", bad[i]);
        CHECK(!device_name_valid(bad[i]));
    }
    char longest[VH_SYSNAME_MAX + 1];
    memset(longest, '1', sizeof longest);
    longest[1] = '-';
    longest[VH_SYSNAME_MAX] = '\0';
    CHECK(!device_name_valid(longest));
    longest[VH_SYSNAME_MAX - 1] = '\0';
    CHECK(device_name_valid(longest));
}

static void a_root_port_is_its_hubs_and_all_behind_it(void) {
    CHECK(device_same_port("1-1", "1-1") && device_same_port("1-1", "1-1.2") && device_same_port("1-1.2.3", "1-1.4"));
    CHECK(!device_same_port("1-1", "1-2") && !device_same_port("1-1", "1-11") && !device_same_port("1-11", "1-1"));
    CHECK(!device_same_port("1-1", "2-1") && !device_same_port("usb1", "1-1") && !device_same_port("usb1", "usb11"));
    CHECK(device_same_port("usb1", "usb1"));
    CHECK(device_same_bus("1-1", "1-2.3") && !device_same_bus("1-1", "11-1") && !device_same_bus("2-1", "1-1"));
}

/* ---- orders ---- */

static void make_order(uint32_t kind, const char *name) {
    memset(&order, 0, sizeof order);
    with_fd = kind == DEVICE_OPEN || kind == DEVICE_HUB;
    order.head.serial = 1;
    order.head.kind = kind;
    memcpy(order.sys_name, name, strlen(name) + 1);
}

static void an_order_has_a_kind_and_a_name(void) {
    for (uint32_t kind = 0; kind < 300; kind++) {
        bool listed = kind == DEVICE_LIST || kind == DEVICE_USES || kind == DEVICE_PCI || kind == DEVICE_EVDEV;
        CHECK(device_order_lists(kind) == listed);
        bool named = kind == DEVICE_READ || kind == DEVICE_OPEN || kind == DEVICE_RELEASE || kind == DEVICE_HUB ||
                     kind == DEVICE_OFFER || kind == DEVICE_REVOKE || kind == DEVICE_CLOSE_BUS;
        make_order(kind, "1-2.3");
        CHECK(device_order_valid(&order) == named);
        make_order(kind, "");
        CHECK(device_order_valid(&order) == listed);
        make_order(kind, "../../etc");
        CHECK(!device_order_valid(&order));
        make_order(kind, "");
        UNTERMINATED(order.sys_name);
        CHECK(!device_order_valid(&order));
        memset(order.sys_name, '1', sizeof order.sys_name);
        order.sys_name[1] = '-';
        CHECK(!device_order_valid(&order));
    }
    make_order(UINT32_MAX, "1-1");
    CHECK(!device_order_valid(&order));
}

/* ---- answers ---- */

static bool valid(void) {
    return device_answer_valid(&order, &answer, size, with_fd);
}

static void make_list(void) {
    make_order(DEVICE_LIST, "");
    memset(&answer, 0, sizeof answer);
    answer.list.n = 2;
    answer.list.whole = 1;
    answer.list.row[0] = (struct device_row){.sys_name = "usb1", .incarnation = 1, .devnum = 1};
    answer.list.row[1] = (struct device_row){.sys_name = "1-2.3", .incarnation = 2, .devnum = 127};
    size = device_answer_size(DEVICE_LIST, &answer);
}

static void make_uses(void) {
    make_order(DEVICE_USES, "");
    memset(&answer, 0, sizeof answer);
    answer.uses.n = 2;
    answer.uses.row[0] = (struct device_use){.sys_name = "1-1", .why = "holds /boot"};
    answer.uses.row[1] = (struct device_use){.sys_name = "1-2", .why = "holds /"};
    size = device_answer_size(DEVICE_USES, &answer);
}

static void make_pci(void) {
    make_order(DEVICE_PCI, "");
    memset(&answer, 0, sizeof answer);
    answer.pci.n = 2;
    answer.pci.whole = 1;
    answer.pci.row[0] = (struct pci_device){.address = {.devfn = 16}, .vendor = 0x8086, .driver = "e1000e"};
    answer.pci.row[1] = (struct pci_device){.address = {.domain = UINT32_MAX}, .grouped = 1, .group = 7};
    size = device_answer_size(DEVICE_PCI, &answer);
}

static void make_evdev(void) {
    make_order(DEVICE_EVDEV, "");
    memset(&answer, 0, sizeof answer);
    answer.evdev.n = 2;
    answer.evdev.whole = 1;
    answer.evdev.row[0] =
        (struct input_device){.number = 4, .classes = 1 << INPUT_ANY, .bus = INPUT_I8042, .name = "AT", .phys = "isa"};
    answer.evdev.row[1] = (struct input_device){.number = 5, .classes = 1 << INPUT_ANY, .path = "platform-i8042"};
    size = device_answer_size(DEVICE_EVDEV, &answer);
}

static void make_read(enum device_result result) {
    make_order(DEVICE_READ, "1-2.3");
    memset(&answer, 0, sizeof answer);
    struct device *d = &answer.read.dev;
    *d = (struct device){.sys_name = "1-2.3",
                         .node = "/dev/bus/usb/001/005",
                         .usb.port_path = "2.3",
                         .usb.speed = "480",
                         .usb.busnum = 1,
                         .usb.devnum = 5,
                         .usb.root_port = 2,
                         .usb.nifaces = VH_MAX_IFACES,
                         .usb.nconfigs = 3,
                         .usb.config = 7,
                         .usb.bound_in = {7, 4},
                         .usb.removable = REMOVABLE_REMOVABLE,
                         .settled = true};
    answer.read.texts =
        (struct device_texts){.serial = "\xc3\xa4", .vendor_name = "Vendor", .product_name = "Product", .note = "odd"};
    answer.read.result = result;
    answer.read.incarnation = order.incarnation = 9;
    answer.read.complete = order.complete = answer.read.strings = 1;
    memcpy(answer.read.drivers, "/lib/a.ko\0/lib/b.ko\0", 21);
    size = sizeof answer.read;
}

static void make_done(uint32_t kind) {
    make_order(kind, "1-2.3");
    memset(&answer, 0, sizeof answer);
    answer.done.result = DEVICE_SAME;
    answer.done.ports = kind == DEVICE_HUB ? 4 : 0;
    memcpy(answer.done.why, "because", 8);
    size = sizeof answer.done;
}

/* No other number of bytes is that answer. */
static void only_that_length_is_valid(void) {
    size_t right = size;
    CHECK(valid());
    for (size = 0; size <= sizeof answer + 1; size += size < 2 * sizeof(struct device_read) ? 1 : 97)
        CHECK(valid() == (size == right));
    size = right - 1;
    CHECK(!valid());
    size = right + 1;
    CHECK(!valid());
    size = right;
}

/* Breaks what make() has made; the result must be none, and is mended by the next make(). */
#define BROKEN(make, change)                      \
    do {                                          \
        make;                                     \
        CHECK(valid());                           \
        change;                                   \
        if (valid())                              \
            printf("# %s; %s\n", #make, #change); \
        CHECK(!valid());                          \
    } while (0)
#define RIGHT(make, change) \
    do {                    \
        make;               \
        change;             \
        CHECK(valid());     \
    } while (0)

static void lists(void) {
    make_list();
    only_that_length_is_valid();
    RIGHT(make_list(), answer.list.whole = 0);
    RIGHT(make_list(), answer.list.row[1].devnum = 0);
    RIGHT(make_list(), (answer.list.n = 0, size = offsetof(struct device_list, row)));
    BROKEN(make_list(), answer.list.whole = 2);
    BROKEN(make_list(), answer.list.whole = 255);
    BROKEN(make_list(), answer.list.n = 1);
    BROKEN(make_list(), answer.list.n = 3);
    BROKEN(make_list(), answer.list.n = UINT32_MAX);
    BROKEN(make_list(), answer.list.row[1].unauthorised = 2);
    BROKEN(make_list(), answer.list.row[1].devnum = 128);
    BROKEN(make_list(), answer.list.row[0].devnum = 255);
    BROKEN(make_list(), UNTERMINATED(answer.list.row[1].sys_name));
    BROKEN(make_list(), answer.list.row[0].sys_name[0] = '\0');
    BROKEN(make_list(), memcpy(answer.list.row[1].sys_name, "1/../x", 7));
    make_list();
    for (uint32_t i = 0; i < VH_MAX_DEVICES; i++)
        memcpy(answer.list.row[i].sys_name, "1-1", 4);
    answer.list.n = VH_MAX_DEVICES;
    size = device_answer_size(DEVICE_LIST, &answer);
    CHECK(valid());
    answer.list.n++; /* even if the length agrees */
    size = device_answer_size(DEVICE_LIST, &answer);
    CHECK(!valid());
    /* A count whose rows would overflow a length. */
    answer.list.n = UINT32_MAX;
    size = device_answer_size(DEVICE_LIST, &answer);
    CHECK(!valid());
}

static void uses(void) {
    make_uses();
    only_that_length_is_valid();
    RIGHT(make_uses(), (answer.uses.n = 0, size = offsetof(struct device_uses, row)));
    BROKEN(make_uses(), answer.uses.n = 3);
    BROKEN(make_uses(), answer.uses.n = VH_MAX_DEVICES + 1);
    BROKEN(make_uses(), answer.uses.n = UINT32_MAX);
    BROKEN(make_uses(), UNTERMINATED(answer.uses.row[1].sys_name));
    BROKEN(make_uses(), UNTERMINATED(answer.uses.row[0].why));
    BROKEN(make_uses(), answer.uses.row[1].why[0] = '\0');
    BROKEN(make_uses(), answer.uses.row[1].untold = 2);
    BROKEN(make_uses(), memcpy(answer.uses.row[1].sys_name, "sda", 4));
    make_uses();
    answer.uses.n = VH_MAX_DEVICES + 1;
    size = device_answer_size(DEVICE_USES, &answer);
    CHECK(!valid());
}

static void pci(void) {
    make_pci();
    only_that_length_is_valid();
    RIGHT(make_pci(), (answer.pci.n = 0, size = offsetof(struct device_pci, row)));
    RIGHT(make_pci(), answer.pci.whole = 0);
    BROKEN(make_pci(), answer.pci.n = 3);
    BROKEN(make_pci(), answer.pci.n = UINT32_MAX);
    BROKEN(make_pci(), answer.pci.whole = 2);
    BROKEN(make_pci(), UNTERMINATED(answer.pci.row[1].driver));
    BROKEN(make_pci(), memcpy(answer.pci.row[1].driver, "\xff", 2));
    BROKEN(make_pci(), answer.pci.row[0].grouped = 2);
    BROKEN(make_pci(), answer.pci.row[1].address = answer.pci.row[0].address);
    make_pci();
    answer.pci.n = VH_MAX_PCI + 1;
    size = device_answer_size(DEVICE_PCI, &answer);
    CHECK(!valid());
}

static void evdev(void) {
    struct input_device *d = answer.evdev.row;
    make_evdev();
    only_that_length_is_valid();
    RIGHT(make_evdev(), (answer.evdev.n = 0, size = offsetof(struct device_evdev, row)));
    RIGHT(make_evdev(), answer.evdev.whole = 0);
    RIGHT(make_evdev(), d[1].classes = (1 << INPUT_CLASSES) - 1);
    BROKEN(make_evdev(), answer.evdev.n = 3);
    BROKEN(make_evdev(), answer.evdev.n = UINT32_MAX);
    BROKEN(make_evdev(), answer.evdev.whole = 2);
    BROKEN(make_evdev(), d[1].number = 4);
    BROKEN(make_evdev(), d[0].classes = 0);
    BROKEN(make_evdev(), d[0].classes = 1 << INPUT_CLASSES | 1 << INPUT_ANY);
    BROKEN(make_evdev(), d[1].bus = INPUT_BUSES);
    BROKEN(make_evdev(), UNTERMINATED(d[1].name));
    BROKEN(make_evdev(), UNTERMINATED(d[1].phys));
    BROKEN(make_evdev(), UNTERMINATED(d[1].path));
    BROKEN(make_evdev(), d[0].name[1] = '\xff');
    BROKEN(make_evdev(), d[0].phys[0] = '\xff');
    BROKEN(make_evdev(), d[1].path[3] = '\xff');
    make_evdev();
    answer.evdev.n = VH_MAX_EVDEV + 1;
    size = device_answer_size(DEVICE_EVDEV, &answer);
    CHECK(!valid());
}

static void broken_devices(void) {
    struct device *d = &answer.read.dev;
    struct device_texts *t = &answer.read.texts;
    BROKEN(make_read(DEVICE_FULL), UNTERMINATED(d->sys_name));
    BROKEN(make_read(DEVICE_FULL), UNTERMINATED(d->node));
    BROKEN(make_read(DEVICE_FULL), UNTERMINATED(d->usb.port_path));
    BROKEN(make_read(DEVICE_FULL), UNTERMINATED(d->usb.speed));
    BROKEN(make_read(DEVICE_FULL), UNTERMINATED(t->serial));
    BROKEN(make_read(DEVICE_FULL), UNTERMINATED(t->vendor_name));
    BROKEN(make_read(DEVICE_FULL), UNTERMINATED(t->product_name));
    BROKEN(make_read(DEVICE_FULL), memset(t->serial, 1, VH_STRING_UNITS + 1)); /* longer than USB allows */
    RIGHT(make_read(DEVICE_FULL), memset(t->serial, 1, VH_STRING_UNITS));
    BROKEN(make_read(DEVICE_FULL), UNTERMINATED(t->malformed));
    BROKEN(make_read(DEVICE_FULL), UNTERMINATED(t->protect));
    BROKEN(make_read(DEVICE_FULL), t->protect[0] = 'x'); /* not the worker's to say */
    BROKEN(make_read(DEVICE_FULL), t->vendor_name[0] = '\0');
    BROKEN(make_read(DEVICE_FULL), t->product_name[0] = '\0');
    BROKEN(make_read(DEVICE_FULL), t->vendor_name[0] = '\xff');
    BROKEN(make_read(DEVICE_FULL), t->product_name[6] = '\xc3');          /* cut */
    BROKEN(make_read(DEVICE_FULL), memcpy(t->serial, "\xc0\xaf", 3));     /* overlong */
    BROKEN(make_read(DEVICE_FULL), memcpy(t->serial, "\xed\xa0\x80", 4)); /* a surrogate */
    BROKEN(make_read(DEVICE_FULL), d->usb.speed[0] = '\x80');
    BROKEN(make_read(DEVICE_FULL), t->malformed[0] = '\xfe');
    BROKEN(make_read(DEVICE_FULL), d->usb.port_path[0] = '\x80');
    BROKEN(make_read(DEVICE_FULL), set_byte(&d->settled, 2));
    BROKEN(make_read(DEVICE_FULL), set_byte(&d->unresponsive, 255));
    BROKEN(make_read(DEVICE_FULL), set_byte(&d->unauthorised, 2));
    BROKEN(make_read(DEVICE_SAME), answer.read.unauthorised = 2);
    BROKEN(make_read(DEVICE_SAME), UNTERMINATED(answer.read.driver));
    BROKEN(make_read(DEVICE_FULL), d->usb.nifaces = VH_MAX_IFACES + 1);
    BROKEN(make_read(DEVICE_FULL), d->usb.nconfigs = VH_MAX_CONFIGS + 1);
    BROKEN(make_read(DEVICE_FULL), d->usb.nconfigs = 2); /* bound in a configuration that is not there */
    BROKEN(make_read(DEVICE_FULL), d->usb.bound_in[VH_MAX_IFACES - 1] = 8);
    RIGHT(make_read(DEVICE_FULL), (d->usb.nconfigs = VH_MAX_CONFIGS, d->usb.bound_in[0] = 255));
    RIGHT(make_read(DEVICE_FULL), (d->usb.nifaces = 1, d->usb.bound_in[1] = 255)); /* of no interface */
    BROKEN(make_read(DEVICE_FULL), UNTERMINATED(t->note));
    BROKEN(make_read(DEVICE_FULL), t->note[0] = '\xfe');
    BROKEN(make_read(DEVICE_FULL), d->kind = KIND_PCI);
    BROKEN(make_read(DEVICE_FULL), memset(&d->usb.removable, 0xff, sizeof d->usb.removable));
    BROKEN(make_read(DEVICE_FULL), memset(&d->usb.removable, 3, 1));
    BROKEN(make_read(DEVICE_FULL), d->usb.busnum = 0);
    BROKEN(make_read(DEVICE_FULL), d->usb.busnum = 2); /* of another node */
    BROKEN(make_read(DEVICE_FULL), d->usb.devnum = 0);
    BROKEN(make_read(DEVICE_FULL), d->usb.devnum = 6);
    BROKEN(make_read(DEVICE_FULL), (d->usb.devnum = 128, memcpy(d->node, "/dev/bus/usb/001/128", 21)));
    BROKEN(make_read(DEVICE_FULL), memcpy(d->node, "/dev/bus/usb/001/006", 21));
    BROKEN(make_read(DEVICE_FULL), memcpy(d->node, "/dev/sda", 9));
    BROKEN(make_read(DEVICE_FULL), memcpy(d->sys_name, "1-2.4", 6)); /* another device's answer */
    BROKEN(make_read(DEVICE_FULL), memcpy(order.sys_name, "1-2", 4));
}

static void broken_drivers(void) {
    char *p = answer.read.drivers;
    RIGHT(make_read(DEVICE_FULL), p[0] = '\0');
    BROKEN(make_read(DEVICE_FULL), UNTERMINATED(answer.read.drivers));
    BROKEN(make_read(DEVICE_FULL), fill(p + 20, VH_DRIVERS_TEXT - 20));
    BROKEN(make_read(DEVICE_FULL), (fill(p, VH_DRIVERS_TEXT - 1), p[VH_DRIVERS_TEXT - 1] = '\0')); /* no end of them */
    RIGHT(make_read(DEVICE_FULL), (memset(p, 0, VH_DRIVERS_TEXT), fill(p, VH_DRIVERS_TEXT - 2)));
    for (int n = VH_MAX_DRIVERS; n <= VH_MAX_DRIVERS + 1; n++) {
        make_read(DEVICE_FULL);
        memset(p, 0, VH_DRIVERS_TEXT);
        for (int i = 0; i < n; i++)
            p[2 * i] = 'x';
        CHECK(valid() == (n == VH_MAX_DRIVERS));
    }
}

/* An address in another process means nothing here, and must never be read. */
static void no_pointer_comes_along(void) {
    static const enum device_result results[] = {DEVICE_FULL, DEVICE_NAMES, DEVICE_SAME, DEVICE_GONE, DEVICE_FLUX};
    static const char there[] = "x";
    struct device *d = &answer.read.dev;
    const char **pointers[] = {&d->serial,    &d->vendor_name, &d->product_name,   &d->protect,
                               &d->malformed, &d->note,        &d->driver_path[0], &d->driver_path[VH_MAX_DRIVERS - 1]};
    for (size_t i = 0; i < sizeof results / sizeof *results; i++) {
        for (size_t k = 0; k < sizeof pointers / sizeof *pointers; k++)
            BROKEN(make_read(results[i]), *pointers[k] = there);
    }
}

static void reads(void) {
    static const enum device_result results[] = {DEVICE_FULL, DEVICE_NAMES, DEVICE_SAME, DEVICE_GONE, DEVICE_FLUX};
    for (size_t i = 0; i < sizeof results / sizeof *results; i++) {
        make_read(results[i]);
        only_that_length_is_valid();
        BROKEN(make_read(results[i]), answer.read.complete = 2);
        BROKEN(make_read(results[i]), answer.read.strings = 2);
        BROKEN(make_read(results[i]), answer.read.troubled = 255);
        BROKEN(make_read(results[i]), answer.read.result = DEVICE_REFUSED);
        BROKEN(make_read(results[i]), answer.read.result = 0);
        BROKEN(make_read(results[i]), answer.read.result = UINT32_MAX);
        RIGHT(make_read(results[i]), answer.read.troubled = 1);
    }
    broken_devices();
    broken_drivers();
    no_pointer_comes_along();
    BROKEN(make_read(DEVICE_FULL), answer.read.incarnation = 0);
    RIGHT(make_read(DEVICE_FULL), order.complete = 0);
    RIGHT(make_read(DEVICE_FULL), order.incarnation = 0);
    /* Nothing is added to what was never reported, or to another plug. */
    BROKEN(make_read(DEVICE_NAMES), answer.read.incarnation = 8);
    BROKEN(make_read(DEVICE_NAMES), order.complete = 0);
    BROKEN(make_read(DEVICE_NAMES), answer.read.texts.vendor_name[0] = '\0');
    BROKEN(make_read(DEVICE_NAMES), answer.read.texts.product_name[0] = '\xff');
    BROKEN(make_read(DEVICE_NAMES), UNTERMINATED(answer.read.texts.serial));
    BROKEN(make_read(DEVICE_NAMES), UNTERMINATED(answer.read.texts.note));
    BROKEN(make_read(DEVICE_NAMES), answer.read.texts.note[0] = '\xff');
    BROKEN(make_read(DEVICE_SAME), answer.read.incarnation = 8);
    BROKEN(make_read(DEVICE_SAME), order.complete = 0);
}

static void opened_and_released(void) {
    for (uint32_t kind = DEVICE_OPEN; kind < DEVICE_KINDS; kind++) {
        if (device_order_lists(kind))
            continue;
        make_done(kind);
        only_that_length_is_valid();
        RIGHT(make_done(kind), (answer.done.result = DEVICE_REFUSED, answer.done.ports = 0, with_fd = false));
        RIGHT(make_done(kind), answer.done.why[0] = '\0');
        BROKEN(make_done(kind), answer.done.result = 0);
        BROKEN(make_done(kind), answer.done.result = DEVICE_FULL);
        BROKEN(make_done(kind), answer.done.result = DEVICE_NAMES);
        BROKEN(make_done(kind), answer.done.result = DEVICE_REFUSED + 1);
        BROKEN(make_done(kind), answer.done.result = UINT32_MAX);
        BROKEN(make_done(kind), UNTERMINATED(answer.done.why));
        BROKEN(make_done(kind), answer.done.why[3] = '\xff');
        BROKEN(make_done(kind), answer.done.why[6] = '\xe2');
    }
}

/* OPEN: exactly if it was opened. READ: only if it was asked for, and there is a device. Else never. */
static void a_descriptor_comes_where_a_node_was_opened(void) {
    BROKEN(make_list(), with_fd = true);
    BROKEN(make_uses(), with_fd = true);
    BROKEN(make_done(DEVICE_RELEASE), with_fd = true);
    BROKEN(make_done(DEVICE_OPEN), with_fd = false);
    BROKEN(make_done(DEVICE_OPEN), answer.done.result = DEVICE_REFUSED);
    BROKEN(make_done(DEVICE_OPEN), answer.done.result = DEVICE_GONE);
    BROKEN(make_done(DEVICE_OFFER), with_fd = true);
    BROKEN(make_done(DEVICE_REVOKE), with_fd = true);
    BROKEN(make_done(DEVICE_HUB), with_fd = false);
    BROKEN(make_done(DEVICE_HUB), (answer.done.ports = 0, with_fd = false));
    BROKEN(make_done(DEVICE_HUB), answer.done.result = DEVICE_REFUSED);
    BROKEN(make_done(DEVICE_HUB), answer.done.ports = 0);
    BROKEN(make_done(DEVICE_OPEN), answer.done.ports = 1);
    BROKEN(make_done(DEVICE_RELEASE), answer.done.ports = 1);
    for (uint32_t result = DEVICE_FULL; result <= DEVICE_FLUX; result++) {
        BROKEN(make_read((enum device_result)result), with_fd = true);
        RIGHT(make_read((enum device_result)result), order.open = 1);
        with_fd = true;
        CHECK(valid() == (result <= DEVICE_SAME));
    }
}

/* The answer to one kind of order is none to another. */
/* Is its answer a struct device_done, with a descriptor at most where it succeeded? */
static bool is_done(uint32_t kind) {
    return kind == DEVICE_OPEN || kind == DEVICE_RELEASE || kind == DEVICE_OFFER || kind == DEVICE_REVOKE ||
           kind == DEVICE_CLOSE_BUS;
}

static void each_order_has_its_own_answer(void) {
    for (uint32_t asked = DEVICE_LIST; asked < DEVICE_KINDS; asked++) {
        for (uint32_t got = DEVICE_LIST; got < DEVICE_KINDS; got++) {
            if (got == DEVICE_LIST)
                make_list();
            else if (got == DEVICE_USES)
                make_uses();
            else if (got == DEVICE_PCI)
                make_pci();
            else if (got == DEVICE_EVDEV)
                make_evdev();
            else if (got == DEVICE_READ)
                make_read(DEVICE_FULL);
            else
                make_done(got);
            order.head.kind = asked;
            with_fd = asked == DEVICE_OPEN || asked == DEVICE_HUB;
            bool alike = is_done(asked) && is_done(got);
            CHECK(valid() == (asked == got || alike));
        }
    }
}

int main(void) {
    RUN(a_name_is_a_devices);
    RUN(a_root_port_is_its_hubs_and_all_behind_it);
    RUN(an_order_has_a_kind_and_a_name);
    RUN(lists);
    RUN(uses);
    RUN(pci);
    RUN(evdev);
    RUN(reads);
    RUN(opened_and_released);
    RUN(a_descriptor_comes_where_a_node_was_opened);
    RUN(each_order_has_its_own_answer);
    TEST_MAIN_END;
}
