/* policy.c: every field against a device that has it and one that has not, both readings, and which rule decides. */
#include "codec/regex.h"
#include "config/policy.h"
#include "test.h"

#include <time.h>

static struct conf c;
static struct device dev;

/* A webcam with a microphone behind a hub on port 2 of bus 1. */
static void a_webcam(void) {
    dev = (struct device){
        .vid = 0x046d,
        .pid = 0x0825,
        .cls = 0xef,
        .sub = 2,
        .proto = 1,
        .usb.busnum = 1,
        .usb.devnum = 5,
        .usb.root_port = 2,
        .usb.removable = REMOVABLE_REMOVABLE,
        .usb.port_path = "2.3",
        .serial = "ABC123",
        .vendor_name = "Logitech, Inc.",
        .product_name = "Webcam C270",
        .protect = "",
        .malformed = "",
        .note = "",
        .usb.nifaces = 2,
        .usb.ifaces = {{0x0e, 1, 0, 0}, {0x01, 2, 0, 1}},
    };
}

static struct regex pattern(const char *s) {
    struct regex re = {0};
    struct regex_error err = {0};
    if (!regex_compile(&c.regexes, &re, s, strlen(s), &err))
        printf("# cannot compile %s: %s\n", s, err.why);
    return re;
}

static void fresh(bool any) {
    conf_default(&c);
    c.rule_match_any = any;
    a_webcam();
}

/* An entry with every field, all of them right for the webcam (driverPath apart, which excludes interface classes). */
static struct entry full_entry(void) {
    struct entry e = {
        .enabled = true,
        .vid = 0x046d,
        .pid = 0x0825,
        .bus = 1,
        .dev_class = 0xef,
        .dev_sub = 2,
        .dev_proto = 1,
        .if_class = 0x0e,
        .if_sub = 1,
        .if_proto = 0,
        .removable = 1 << REMOVABLE_REMOVABLE,
        .port = "2.3",
        .serial = "ABC123",
        .description = "",
    };
    e.vendor_name = pattern("logitech");
    e.product_name = pattern(".*c270$");
    e.driver_path = pattern(".*/uvcvideo\\.ko");
    return e;
}

static struct entry wrong_entry(void) {
    struct entry e = {
        .enabled = true,
        .vid = 0x046e,
        .pid = 0x0826,
        .bus = 2,
        .dev_class = 0xee,
        .dev_sub = 3,
        .dev_proto = 2,
        .if_class = 0x0f,
        .if_sub = 9,
        .if_proto = 9,
        .removable = 1 << REMOVABLE_FIXED | 1 << REMOVABLE_UNKNOWN,
        .port = "2.4",
        .serial = "abc123", /* case matters */
        .description = "",
    };
    e.vendor_name = pattern("ogitech"); /* anchored at the start */
    e.product_name = pattern("webcam c271");
    e.driver_path = pattern("uvcvideo");
    return e;
}

static const uint32_t fields[] = {
    F_VID,      F_PID,         F_VENDOR_NAME, F_PRODUCT_NAME, F_SERIAL,
    F_BUS,      F_PORT,        F_DEV_CLASS,   F_DEV_SUBCLASS, F_DEV_PROTOCOL,
    F_IF_CLASS, F_IF_SUBCLASS, F_IF_PROTOCOL, F_REMOVABLE,    F_DRIVER_PATH,
};
#define NFIELDS (sizeof fields / sizeof *fields)
#define ALL_BUT_DRIVER (uint16_t)(F_DRIVER_PATH - 1)

static void a_vendor_specific_device(void) {
    dev.usb.nifaces = 2;
    dev.usb.ifaces[0] = (struct usb_iface){0xff, 1, 0, 0};
    dev.usb.ifaces[1] = (struct usb_iface){0, 0, 0, 1};
    dev.driver_path[0] = "/lib/modules/6.1/uvcvideo.ko";
}

static void each_field_alone_matches(void) {
    for (int any = 0; any <= 1; any++) {
        fresh(any);
        struct entry e = full_entry();
        for (size_t i = 0; i < NFIELDS; i++) {
            if (any && fields[i] == F_REMOVABLE) /* restricts, selects nothing by itself */
                continue;
            if (fields[i] == F_DRIVER_PATH)
                a_vendor_specific_device();
            e.fields = fields[i];
            CHECK(policy_entry_matches(&c, &e, &dev));
            CHECK_INT(policy_entry_misses(&c, &e, &dev), 0);
        }
    }
}

static void each_field_alone_misses(void) {
    for (int any = 0; any <= 1; any++) {
        fresh(any);
        struct entry e = wrong_entry();
        for (size_t i = 0; i < NFIELDS; i++) {
            if (fields[i] == F_DRIVER_PATH)
                a_vendor_specific_device();
            e.fields = fields[i];
            CHECK(!policy_entry_matches(&c, &e, &dev));
            CHECK_INT(policy_entry_misses(&c, &e, &dev), fields[i]);
        }
    }
}

static void all_fields_must_match(void) {
    fresh(false);
    struct entry right = full_entry(), wrong = wrong_entry();
    right.fields = wrong.fields = ALL_BUT_DRIVER;
    CHECK(policy_entry_matches(&c, &right, &dev));
    CHECK_INT(policy_entry_misses(&c, &right, &dev), 0);
    CHECK_INT(policy_entry_misses(&c, &wrong, &dev), ALL_BUT_DRIVER);
    /* one wrong field among right ones */
    struct entry e;
#define WRONG(member, field)                    \
    e = right;                                  \
    e.member = wrong.member;                    \
    CHECK(!policy_entry_matches(&c, &e, &dev)); \
    CHECK_INT(policy_entry_misses(&c, &e, &dev), field)
    WRONG(vid, F_VID);
    WRONG(pid, F_PID);
    WRONG(vendor_name, F_VENDOR_NAME);
    WRONG(product_name, F_PRODUCT_NAME);
    WRONG(serial, F_SERIAL);
    WRONG(bus, F_BUS);
    WRONG(port, F_PORT);
    WRONG(dev_class, F_DEV_CLASS);
    WRONG(dev_sub, F_DEV_SUBCLASS);
    WRONG(dev_proto, F_DEV_PROTOCOL);
    WRONG(if_class, F_IF_CLASS);
    WRONG(if_sub, F_IF_SUBCLASS);
    WRONG(if_proto, F_IF_PROTOCOL);
    WRONG(removable, F_REMOVABLE);
#undef WRONG
}

static void interface_fields_on_one_interface(void) {
    for (int any = 0; any <= 1; any++) {
        fresh(any);
        struct entry e = {.enabled = true, .fields = F_IF_CLASS | F_IF_SUBCLASS, .if_class = 0x0e, .if_sub = 2};
        CHECK(!policy_entry_matches(&c, &e, &dev)); /* class of one, subclass of the other */
        CHECK_INT(policy_entry_misses(&c, &e, &dev), F_IF_SUBCLASS);
        e.if_class = 0x01;
        CHECK(policy_entry_matches(&c, &e, &dev));
        e.if_class = 0x07; /* nearest is now the second interface */
        CHECK_INT(policy_entry_misses(&c, &e, &dev), F_IF_CLASS);
        dev.usb.nifaces = 0;
        e.if_class = 0;
        e.if_sub = 0;
        CHECK(!policy_entry_matches(&c, &e, &dev));
        CHECK_INT(policy_entry_misses(&c, &e, &dev), F_IF_CLASS | F_IF_SUBCLASS);
    }
}

/* A device with these classes against the entry; both answers agree. */
static bool all_of(const struct entry *e, int n, const struct usb_iface *ifaces) {
    dev.usb.nifaces = (uint8_t)n;
    for (int i = 0; i < n; i++)
        dev.usb.ifaces[i] = ifaces[i];
    bool is = policy_entry_matches(&c, e, &dev);
    CHECK_INT(policy_entry_misses(&c, e, &dev) == 0, is);
    return is;
}

static void every_interface_of_the_classes(void) {
    static const struct usb_iface keys = {3, 1, 1, 0}, buttons = {3, 0, 0, 1}, disk = {8, 6, 80, 1},
                                  sound = {1, 2, 0, 0};
    for (int any = 0; any <= 1; any++) {
        fresh(any);
        struct entry e = {.enabled = true, .fields = F_ALL_IFACES, .classes = 5, .nclasses = 1};
        c.classes[5] = (struct iface_class){.fields = F_IF_CLASS, .cls = 3};
        CHECK(all_of(&e, 1, (struct usb_iface[]){keys}));
        CHECK(all_of(&e, 2, (struct usb_iface[]){keys, buttons}));
        CHECK(!all_of(&e, 2, (struct usb_iface[]){keys, disk}));
        CHECK_INT(policy_stray_iface(&c, &e, &dev), 1);
        CHECK(!all_of(&e, 2, (struct usb_iface[]){disk, keys}));
        CHECK_INT(policy_stray_iface(&c, &e, &dev), 0);
        CHECK(!all_of(&e, 0, NULL)); /* nothing is known of it */
        dev.malformed = "too short";
        CHECK(!all_of(&e, 1, (struct usb_iface[]){keys}));
        dev.malformed = "";
        e.nclasses = 2; /* a headset: sound, and buttons */
        c.classes[6] = (struct iface_class){.fields = F_IF_CLASS | F_IF_SUBCLASS, .cls = 1, .sub = 2};
        CHECK(all_of(&e, 2, (struct usb_iface[]){sound, buttons}));
        CHECK(all_of(&e, 1, (struct usb_iface[]){sound}));
        CHECK(!all_of(&e, 3, (struct usb_iface[]){sound, buttons, disk}));
        CHECK(!all_of(&e, 1, (struct usb_iface[]){{1, 1, 0, 0}}));
        c.classes[6].fields = F_IF_PROTOCOL;
        c.classes[6].proto = 80;
        CHECK(all_of(&e, 2, (struct usb_iface[]){keys, disk}));
    }
}

static void all_interfaces_restrict_in_both_readings(void) {
    for (int any = 0; any <= 1; any++) {
        fresh(any);
        struct entry e = {.enabled = true, .fields = F_ALL_IFACES | F_VID | F_REMOVABLE, .nclasses = 2, .vid = dev.vid};
        c.classes[0] = (struct iface_class){.fields = F_IF_CLASS, .cls = 14};
        c.classes[1] = (struct iface_class){.fields = F_IF_CLASS, .cls = 1};
        e.removable = 1 << REMOVABLE_REMOVABLE;
        CHECK(policy_entry_matches(&c, &e, &dev));
        e.nclasses = 1;
        CHECK(!policy_entry_matches(&c, &e, &dev));
        e.nclasses = 2;
        e.vid ^= 1;
        CHECK(!policy_entry_matches(&c, &e, &dev));
        e.fields = F_ALL_IFACES | F_REMOVABLE;
        CHECK(policy_entry_matches(&c, &e, &dev));
        e.removable = 1 << REMOVABLE_FIXED;
        CHECK(!policy_entry_matches(&c, &e, &dev));
        e.fields = F_ALL_IFACES | F_SERIAL;
        e.serial = dev.serial;
        CHECK(policy_entry_matches(&c, &e, &dev));
    }
}

static void zero_is_a_value(void) {
    for (int any = 0; any <= 1; any++) {
        fresh(any);
        struct entry e = {.enabled = true, .fields = F_IF_CLASS | F_IF_PROTOCOL, .if_class = 0x0e, .if_proto = 0};
        CHECK(policy_entry_matches(&c, &e, &dev));
        dev.usb.ifaces[0].proto = 1;
        CHECK(!policy_entry_matches(&c, &e, &dev));
        e = (struct entry){.enabled = true, .fields = F_DEV_CLASS, .dev_class = 0};
        CHECK(!policy_entry_matches(&c, &e, &dev));
        dev.cls = 0;
        CHECK(policy_entry_matches(&c, &e, &dev));
    }
}

static bool port(bool any, const char *port, const char *path) {
    struct entry e = {.enabled = true, .fields = F_PORT, .port = port};
    c.rule_match_any = any;
    memset(dev.usb.port_path, 0, sizeof dev.usb.port_path);
    strcpy(dev.usb.port_path, path);
    return policy_entry_matches(&c, &e, &dev);
}

static void ports(void) {
    fresh(false);
    CHECK(port(false, "2", "2"));
    CHECK(!port(false, "2", "2.3")); /* behind a hub: another place */
    CHECK(!port(false, "2", "3"));
    CHECK(!port(false, "2.3", "2"));
    CHECK(port(false, "2.3", "2.3"));
    CHECK(!port(false, "2.3", "2.3.1"));
    CHECK(port(true, "2", "2"));
    CHECK(port(true, "2", "2.3")); /* the older daemons compare the root port */
    CHECK(port(true, "2", "2.3.1"));
    CHECK(!port(true, "2", "22"));
    CHECK(!port(true, "2", "22.2"));
    CHECK(!port(true, "2", "12"));
    CHECK(!port(true, "22", "2"));
    CHECK(port(true, "2.3", "2.3"));
    CHECK(!port(true, "2.3", "2.3.1"));
}

static void removable_values(void) {
    static const enum removable all[] = {REMOVABLE_UNKNOWN, REMOVABLE_FIXED, REMOVABLE_REMOVABLE};
    fresh(false);
    for (size_t have = 0; have < 3; have++) {
        for (unsigned mask = 0; mask < 8; mask++) {
            struct entry e = {.enabled = true, .fields = F_REMOVABLE, .removable = (uint8_t)mask};
            dev.usb.removable = all[have];
            CHECK_INT(policy_entry_matches(&c, &e, &dev), (mask & 1u << all[have]) != 0);
        }
    }
}

static void driver_path_only_without_telling_classes(void) {
    for (int any = 0; any <= 1; any++) {
        fresh(any);
        struct entry e = full_entry();
        e.fields = F_DRIVER_PATH;
        a_vendor_specific_device();
        CHECK(policy_entry_matches(&c, &e, &dev));
        dev.usb.ifaces[1].cls = 0x0e;
        CHECK(!policy_entry_matches(&c, &e, &dev));
        CHECK_INT(policy_entry_misses(&c, &e, &dev), F_DRIVER_PATH);
        dev.usb.nifaces = 0;
        CHECK(policy_entry_matches(&c, &e, &dev));
        dev.driver_path[0] = NULL; /* unknown: even .* would not match */
        e.driver_path = pattern(".*");
        CHECK(!policy_entry_matches(&c, &e, &dev));
        for (int i = 0; i < VH_MAX_DRIVERS; i++)
            dev.driver_path[i] = "/lib/modules/6.1/snd.ko";
        CHECK(policy_entry_matches(&c, &e, &dev));
        e.driver_path = pattern(".*uvcvideo"); /* any of them suffices, up to the last */
        CHECK(!policy_entry_matches(&c, &e, &dev));
        dev.driver_path[VH_MAX_DRIVERS - 1] = "/lib/modules/6.1/uvcvideo.ko";
        CHECK(policy_entry_matches(&c, &e, &dev));
    }
}

static void nothing_and_disabled_match_nothing(void) {
    for (int any = 0; any <= 1; any++) {
        fresh(any);
        struct entry e = full_entry();
        e.fields = 0;
        CHECK(!policy_entry_matches(&c, &e, &dev));
        e.fields = F_VID;
        CHECK(policy_entry_matches(&c, &e, &dev));
        e.enabled = false;
        CHECK(!policy_entry_matches(&c, &e, &dev));
    }
}

/* In the reading of the older daemons each group suffices while all the others are wrong. */
static void any_group_suffices(void) {
    fresh(true);
    struct entry right = full_entry(), wrong = wrong_entry(), e;
    wrong.fields = ALL_BUT_DRIVER & ~(unsigned)(F_REMOVABLE | F_SERIAL);
    CHECK(!policy_entry_matches(&c, &wrong, &dev));
    e = wrong, e.vid = right.vid, e.pid = right.pid;
    CHECK(policy_entry_matches(&c, &e, &dev));
    e = wrong, e.vid = right.vid; /* half a group is not enough */
    CHECK(!policy_entry_matches(&c, &e, &dev));
    e = wrong, e.vendor_name = right.vendor_name; /* either name suffices */
    CHECK(policy_entry_matches(&c, &e, &dev));
    e = wrong, e.product_name = right.product_name;
    CHECK(policy_entry_matches(&c, &e, &dev));
    e = wrong, e.bus = right.bus, e.port = right.port;
    CHECK(policy_entry_matches(&c, &e, &dev));
    e = wrong, e.port = right.port;
    CHECK(!policy_entry_matches(&c, &e, &dev));
    e = wrong, e.dev_class = right.dev_class, e.dev_sub = right.dev_sub, e.dev_proto = right.dev_proto;
    CHECK(policy_entry_matches(&c, &e, &dev));
    e = wrong, e.dev_class = right.dev_class, e.dev_sub = right.dev_sub;
    CHECK(!policy_entry_matches(&c, &e, &dev));
    e = wrong, e.if_class = right.if_class, e.if_sub = right.if_sub, e.if_proto = right.if_proto;
    CHECK(policy_entry_matches(&c, &e, &dev));
    e = wrong, e.if_class = right.if_class, e.if_proto = right.if_proto;
    CHECK(!policy_entry_matches(&c, &e, &dev));
    a_vendor_specific_device();
    e = wrong, e.fields |= F_DRIVER_PATH, e.driver_path = right.driver_path;
    CHECK(policy_entry_matches(&c, &e, &dev));
}

static void removable_and_serial_always_restrict(void) {
    for (int any = 0; any <= 1; any++) {
        fresh(any);
        struct entry e = full_entry(), wrong = wrong_entry();
        e.fields = F_VID | F_PID | F_REMOVABLE;
        CHECK(policy_entry_matches(&c, &e, &dev));
        e.removable = wrong.removable;
        CHECK(!policy_entry_matches(&c, &e, &dev));
        e.fields = F_VID | F_PID | F_SERIAL;
        CHECK(policy_entry_matches(&c, &e, &dev));
        e.serial = wrong.serial;
        CHECK(!policy_entry_matches(&c, &e, &dev));
        /* a right serial does not make up for wrong ids */
        e = full_entry();
        e.fields = F_VID | F_PID | F_SERIAL;
        e.vid = wrong.vid;
        CHECK(!policy_entry_matches(&c, &e, &dev));
        e = full_entry();
        e.fields = F_SERIAL | F_REMOVABLE;
        CHECK(policy_entry_matches(&c, &e, &dev));
        e.fields = F_REMOVABLE;
        CHECK_INT(policy_entry_matches(&c, &e, &dev), !any);
    }
}

/* ---- rules ---- */

static struct entry by_id(uint16_t vid) {
    return (struct entry){.enabled = true, .fields = F_VID, .vid = vid, .port = "", .serial = "", .description = ""};
}

static struct rule *rule(uint16_t allow, uint16_t deny) {
    struct rule *r = &c.rules[c.nrules++];
    *r = (struct rule){.enabled = true, .nvms = 1, .vm_mask = 1, .description = "", .tag = ""};
    r->allow = c.nentries;
    if (allow) {
        c.entries[c.nentries++] = by_id(allow);
        r->nallow = 1;
    }
    r->deny = c.nentries;
    if (deny) {
        c.entries[c.nentries++] = by_id(deny);
        r->ndeny = 1;
    }
    return r;
}

static void first_applicable_rule_decides(void) {
    fresh(false);
    CHECK_INT(policy_rule(&c, &dev), -1); /* no rules */
    rule(0x1234, 0);
    CHECK_INT(policy_rule(&c, &dev), -1);
    struct rule *denied = rule(0x046d, 0x046d);
    CHECK_INT(policy_rule(&c, &dev), -1);
    struct rule *off = rule(0x046d, 0);
    off->enabled = false;
    CHECK_INT(policy_rule(&c, &dev), -1);
    rule(0, 0); /* no allow entry */
    CHECK_INT(policy_rule(&c, &dev), -1);
    rule(0x046d, 0x1234);
    rule(0x046d, 0);
    CHECK_INT(policy_rule(&c, &dev), 4);
    off->enabled = true;
    CHECK_INT(policy_rule(&c, &dev), 2);
    c.entries[denied->deny].enabled = false;
    CHECK_INT(policy_rule(&c, &dev), 1);
}

static void a_rule_that_is_off_denies_nothing(void) {
    fresh(false);
    a_webcam();
    struct rule *off = rule(1, dev.vid);
    CHECK(policy_denies(&c, &dev));
    off->enabled = false;
    CHECK(!policy_denies(&c, &dev));
}

static void the_second_entry_counts_too(void) {
    fresh(false);
    struct rule *r = rule(0x1111, 0);
    c.entries[c.nentries++] = by_id(0x046d);
    r->nallow = 2;
    r->deny = c.nentries;
    CHECK_INT(policy_rule(&c, &dev), 0);
    c.entries[c.nentries++] = by_id(0x2222);
    c.entries[c.nentries++] = by_id(0x046d);
    r->ndeny = 1;
    CHECK_INT(policy_rule(&c, &dev), 0);
    r->ndeny = 2;
    CHECK_INT(policy_rule(&c, &dev), -1);
}

static void a_rule_without_vms_still_decides(void) {
    fresh(false);
    rule(0x046d, 0)->nvms = 0; /* its VM is unknown: the device stays with the host, whatever follows */
    rule(0x046d, 0);
    CHECK_INT(policy_rule(&c, &dev), 0);
}

static void malformed_matches_no_rule(void) {
    fresh(false);
    rule(0x046d, 0);
    CHECK_INT(policy_rule(&c, &dev), 0);
    dev.malformed = "bLength 0";
    CHECK_INT(policy_rule(&c, &dev), -1);
    CHECK(policy_entry_matches(&c, &c.entries[0], &dev)); /* as a deny entry it would apply */
}

/* 256 devices against 512 rules of 8 entries: a rescan must not be felt. */
static void many_rules_are_quick(void) {
    struct timespec a, b;
    fresh(false);
    struct entry e = full_entry();
    c.nrules = VH_MAX_RULES;
    c.nentries = VH_MAX_ENTRIES;
    for (unsigned i = 0; i < VH_MAX_ENTRIES; i++) {
        c.entries[i] = e;
        c.entries[i].fields = F_VID | F_PRODUCT_NAME | F_IF_CLASS;
        c.entries[i].vid = (uint16_t)(0x1000 + i);
    }
    for (unsigned i = 0; i < VH_MAX_RULES; i++)
        c.rules[i] = (struct rule){.enabled = true, .allow = (uint16_t)(8 * i), .nallow = 8, .deny = (uint16_t)(8 * i)};
    clock_gettime(CLOCK_MONOTONIC, &a);
    for (int i = 0; i < VH_MAX_DEVICES; i++)
        CHECK_INT(policy_rule(&c, &dev), -1);
    clock_gettime(CLOCK_MONOTONIC, &b);
    printf("# 256 devices x 512 rules x 8 entries: %.1f ms\n",
           (double)(b.tv_sec - a.tv_sec) * 1e3 + (double)(b.tv_nsec - a.tv_nsec) / 1e6);
    c.entries[VH_MAX_ENTRIES - 1].vid = dev.vid;
    CHECK_INT(policy_rule(&c, &dev), VH_MAX_RULES - 1);
}

int main(void) {
    RUN(each_field_alone_matches);
    RUN(each_field_alone_misses);
    RUN(all_fields_must_match);
    RUN(interface_fields_on_one_interface);
    RUN(every_interface_of_the_classes);
    RUN(all_interfaces_restrict_in_both_readings);
    RUN(zero_is_a_value);
    RUN(ports);
    RUN(removable_values);
    RUN(driver_path_only_without_telling_classes);
    RUN(nothing_and_disabled_match_nothing);
    RUN(any_group_suffices);
    RUN(removable_and_serial_always_restrict);
    RUN(first_applicable_rule_decides);
    RUN(a_rule_that_is_off_denies_nothing);
    RUN(the_second_entry_counts_too);
    RUN(a_rule_without_vms_still_decides);
    RUN(malformed_matches_no_rule);
    RUN(many_rules_are_quick);
    TEST_MAIN_END;
}
