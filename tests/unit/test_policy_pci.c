/*
 * test_policy_pci.c - policy_pci.c: each line of what entries, groups and uses by the host mean, in both readings.
 */
#include "config/policy_pci.h"
#include "test.h"

#include <stdlib.h>

static struct conf c, old;
static struct pci_device dev[8];
static int ndev;

#define VMS                                                                                                       \
    "\"vms\": [{\"name\": \"a\", \"type\": \"qemu\", \"socket\": \"/a\"}, {\"name\": \"b\", \"type\": \"qemu\", " \
    "\"socket\": \"/b\"}]"

static void configure(struct conf *conf, const char *general, const char *rules) {
    char text[4096];
    (void)snprintf(text, sizeof text, "{" VMS ", \"general\": {%s}, \"pciPassthrough\": [%s]}", general, rules);
    if (!conf_parse(conf, text, strlen(text), NULL, NULL)) {
        printf("# %s\n", text);
        exit(1);
    }
}

static struct pci_device *add(const char *address, uint16_t vendor, uint16_t device, uint32_t class, int group) {
    struct pci_device *d = &dev[ndev++];
    *d = (struct pci_device){.vendor = vendor,
                             .device = device,
                             .cls = (uint8_t)(class >> 16),
                             .sub = (uint8_t)(class >> 8 & 0xff),
                             .prog_if = (uint8_t)(class & 0xff),
                             .grouped = group >= 0,
                             .group = group >= 0 ? (uint32_t)group : 0};
    CHECK(pci_address_parse(address, &d->address));
    return d;
}

/* A host with a network adapter, and a sound device in a group with the ISA bridge and the SMBus. */
static void host(void) {
    ndev = 0;
    add("0000:00:14.3", 0x8086, 0x51f1, 0x028000, 10);
    add("0000:00:1f.0", 0x8086, 0x5182, 0x060100, 14)->uses = PCI_BRIDGE;
    add("0000:00:1f.3", 0x8086, 0x51c8, 0x040300, 14);
    add("0000:00:1f.4", 0x8086, 0x51a3, 0x0c0500, 14);
}
enum { NET, ISA, SOUND, SMBUS };

static struct pci_host all(void) {
    static struct pci_fate fates[8];
    policy_pci_judge(&c, dev, ndev, fates);
    return (struct pci_host){.row = dev, .fate = fates, .n = ndev};
}

static struct pci_fate fate(int i) {
    return all().fate[i];
}

static bool loses_route(int i) {
    struct pci_host h = all();
    return policy_pci_loses_route(&c, &h, i);
}

static const char *kept(int i) {
    static char text[VH_TEXT_MAX];
    struct pci_host h = all();
    struct sbuf why;
    sb_init(&why, text, sizeof text);
    return policy_pci_kept(&c, &h, i, &why) ? text : "";
}

/* ---- entries ---- */

/* Does an entry take the network adapter, in a reading? */
static bool takes(const char *reading, const char *entry) {
    char general[64], rule[1024];
    int which = -1;
    (void)snprintf(general, sizeof general, "\"ruleMatch\": \"%s\"", reading);
    (void)snprintf(rule, sizeof rule, "{\"targetVm\": \"a\", \"allow\": [{%s}]}", entry);
    configure(&c, general, rule);
    bool decides = policy_pci_rule(&c, &dev[NET], &which) == 0;
    CHECK(decides == (which == 0));
    return decides;
}

static void each_field_is_compared(void) {
    static const struct {
        const char *entry;
        bool any, all;
    } rows[] = {
        {"\"address\": \"0000:00:14.3\"", true, true},
        {"\"address\": \"0000:00:14.2\"", false, false},
        {"\"vendorId\": \"8086\", \"deviceId\": \"51f1\"", true, true},
        {"\"vendorId\": \"0x8086\", \"deviceId\": \"0X51F1\"", true, true},
        {"\"vendorId\": \"8086\", \"deviceId\": \"51f2\"", false, false},
        {"\"vendorId\": \"8087\", \"deviceId\": \"51f1\"", false, false},
        {"\"vendorId\": \"8086\"", false, true}, /* both ids are needed for the alternative */
        {"\"deviceId\": \"51f1\"", false, true},
        {"\"deviceClass\": 2", true, true},
        {"\"deviceClass\": 3", false, false},
        {"\"deviceClass\": 2, \"deviceSubclass\": 128", true, true},
        {"\"deviceClass\": 2, \"deviceSubclass\": 1", false, false},
        {"\"deviceClass\": 2, \"deviceSubclass\": 0", false, false}, /* 0 is a value */
        {"\"deviceClass\": 2, \"deviceSubclass\": 128, \"deviceProgIf\": 0", true, true},
        {"\"deviceClass\": 2, \"deviceProgIf\": 1", false, false},
        {"\"deviceSubclass\": 128", false, true}, /* no class, no alternative */
        {"\"deviceClass\": 0, \"deviceSubclass\": 128", false, false},
        {"\"deviceClass\": 0", false, false},
        {"\"address\": \"0000:00:14.2\", \"vendorId\": \"8086\", \"deviceId\": \"51f1\"", true, false},
        {"\"address\": \"0000:00:14.3\", \"vendorId\": \"8086\", \"deviceId\": \"51f2\"", true, false},
        {"\"address\": \"0000:00:14.2\", \"deviceClass\": 2", true, false},
        {"\"vendorId\": \"8086\", \"deviceClass\": 2", true, true},
        {"\"vendorId\": \"8086\", \"deviceClass\": 3", false, false},
        {"\"address\": \"0000:00:14.3\", \"disable\": true", false, false},
        {"\"address\": \"0000:00:14.3\", \"enable\": false", false, false},
        {"\"address\": \"0000:00:14.3\", \"enable\": false, \"disable\": false", true, true},
        {"\"address\": \"0000:00:14.3\", \"vendorId\": null, \"deviceClass\": null, \"enable\": null", true, true},
        {"", false, false},
    };
    host();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        bool any = takes("any", rows[i].entry), every = takes("all", rows[i].entry);
        if (any != rows[i].any || every != rows[i].all)
            printf("# {%s}: any %d all %d\n", rows[i].entry, any, every);
        CHECK(any == rows[i].any && every == rows[i].all);
    }
}

static void the_interface_is_a_whole_byte(void) {
    host();
    dev[NET].prog_if = 0x30;
    CHECK(takes("any", "\"deviceClass\": 2, \"deviceProgIf\": 48"));
    CHECK(!takes("any", "\"deviceClass\": 2, \"deviceProgIf\": 16"));
}

static void misses_are_the_given_fields_that_differ(void) {
    host();
    CHECK(!takes("all", "\"address\": \"0000:00:14.2\", \"vendorId\": \"8086\", \"deviceId\": \"0001\", "
                        "\"deviceClass\": 1, \"deviceSubclass\": 128, \"deviceProgIf\": 9"));
    CHECK_INT(policy_pci_misses(&c.pci_entries[0], &dev[NET]), PF_ADDRESS | PF_DEVICE | PF_CLASS | PF_PROG_IF);
    CHECK_STR(conf_pci_field_name(0), "address");
    CHECK_STR(conf_pci_field_name(5), "deviceProgIf");
}

/* ---- rules ---- */

#define NET_RULE(vm) "{\"targetVm\": \"" vm "\", \"allow\": [{\"deviceClass\": 2}]}"

static void the_first_rule_that_applies_decides(void) {
    int entry = -1;
    host();
    configure(&c, "", NET_RULE("a") ", " NET_RULE("b"));
    CHECK(policy_pci_rule(&c, &dev[NET], &entry) == 0 && entry == 0);
    CHECK(policy_pci_rule(&c, &dev[SOUND], &entry) == -1 && entry == -1);
    /* a disabled one, one without a VM and one that denies do not */
    configure(&c, "",
              "{\"targetVm\": \"a\", \"disable\": true, \"allow\": [{\"deviceClass\": 2}]}, "
              "{\"allow\": [{\"deviceClass\": 2}]}, {\"targetVm\": null, \"allow\": [{\"deviceClass\": 2}]}, "
              "{\"targetVm\": \"a\", \"allow\": [{\"deviceClass\": 2}], \"deny\": [{\"deviceId\": \"51f1\"}]}, "
              "{\"targetVm\": \"b\", \"allow\": [{\"deviceClass\": 4}, {\"vendorId\": \"8086\"}]}");
    CHECK_INT(policy_pci_rule(&c, &dev[NET], &entry), 4);
    CHECK_INT(c.pci_rules[4].vm, 1);
    CHECK_INT(entry, c.pci_rules[4].allow + 1); /* entries are numbered in the order of the file */
    /* one for a VM that is not there decides, and its devices stay */
    configure(&c, "", "{\"targetVm\": \"elsewhere\", \"allow\": [{\"deviceClass\": 2}]}, " NET_RULE("b"));
    CHECK_INT(policy_pci_rule(&c, &dev[NET], &entry), 0);
    CHECK_INT(c.pci_rules[0].vm, -1);
}

static void flags_are_read(void) {
    configure(&c, "\"protectUplink\": true",
              "{\"description\": \"x\", \"targetVm\": \"b\", \"tag\": \"net\", \"skipOnSuspend\": true, "
              "\"pciIommuSkipIfShared\": true, \"autoOvmf\": true, \"qemuUseRootBus\": true, \"crosvmUseRootBus\": "
              "true, \"allow\": [{\"deviceClass\": 2}]}, {\"targetVm\": \"b\", \"pciIommuAddAll\": true, \"tag\": "
              "null, \"autoOvmf\": null}");
    const struct pci_rule *r = c.pci_rules;
    CHECK_STR(r[0].description, "x");
    CHECK_STR(r[0].tag, "net");
    CHECK(r[0].skip_on_suspend && r[0].skip_if_shared && r[0].auto_ovmf && r[0].qemu_root_bus && r[0].crosvm_root_bus &&
          !r[0].add_all && c.protect_uplink);
    CHECK_STR(r[1].tag, "");
    CHECK(!r[1].skip_on_suspend && !r[1].skip_if_shared && !r[1].auto_ovmf && !r[1].qemu_root_bus &&
          !r[1].crosvm_root_bus && r[1].add_all);
}

static void rules_follow_their_vm_to_another_row(void) {
    configure(&c, "", NET_RULE("a") ", {\"targetVm\": \"none\", \"allow\": [{\"deviceClass\": 4}]}");
    static const char text[] =
        "{\"vms\": [{\"name\": \"b\", \"type\": \"qemu\", \"socket\": \"/b\"}, {\"name\": \"a\", "
        "\"type\": \"qemu\", \"socket\": \"/a\"}]}";
    CHECK(conf_parse(&old, text, sizeof text - 1, NULL, NULL) && conf_align(&c, &old, 0));
    CHECK_INT(c.pci_rules[0].vm, 1);
    CHECK_STR(c.vms[c.pci_rules[0].vm].name, "a");
    CHECK_INT(c.pci_rules[1].vm, -1);
}

/* ---- groups ---- */

#define SOUND_RULE(vm, more) "{\"targetVm\": \"" vm "\", \"allow\": [{\"deviceClass\": 4}]" more "}"
#define WITH_ALL ", \"pciIommuAddAll\": true"
#define NOT_SHARED ", \"pciIommuSkipIfShared\": true"

static void a_device_goes_alone_by_default(void) {
    host();
    configure(&c, "", SOUND_RULE("a", ""));
    CHECK(fate(SOUND).way == PCI_BY_RULE && fate(SOUND).rule == 0 && fate(SOUND).with == -1);
    CHECK(fate(SMBUS).way == PCI_NO_RULE && fate(SMBUS).rule == -1);
}

static void with_add_all_its_group_goes_along_and_bridges_do_not(void) {
    host();
    configure(&c, "", NET_RULE("b") ", " SOUND_RULE("a", WITH_ALL));
    CHECK(fate(SOUND).way == PCI_BY_RULE);
    CHECK(fate(SMBUS).way == PCI_ALONG && fate(SMBUS).with == SOUND && fate(SMBUS).rule == 1);
    CHECK_INT(fate(SMBUS).entry, fate(SOUND).entry);
    CHECK(fate(ISA).way == PCI_NO_RULE);
    CHECK(fate(NET).way == PCI_BY_RULE && fate(NET).rule == 0);
}

static void a_member_with_a_rule_goes_by_its_own(void) {
    host();
    configure(&c, "", SOUND_RULE("a", WITH_ALL) ", {\"targetVm\": \"a\", \"allow\": [{\"deviceClass\": 12}]}");
    CHECK(fate(SMBUS).way == PCI_BY_RULE && fate(SMBUS).rule == 1);
}

static void of_two_that_take_it_along_the_first_entry_does(void) {
    host();
    add("0000:00:1f.5", 0x8086, 0x51a4, 0x0c8000, 14);
    configure(&c, "",
              "{\"targetVm\": \"a\"" WITH_ALL
              ", \"allow\": [{\"address\": \"0000:00:1f.4\"}]}, " SOUND_RULE("a", WITH_ALL));
    CHECK(fate(4).way == PCI_ALONG && fate(4).with == SMBUS && fate(4).rule == 0);
}

static void with_skip_if_shared_a_device_with_company_stays(void) {
    host();
    configure(&c, "",
              SOUND_RULE("a", NOT_SHARED) ", {\"targetVm\": \"b\"" NOT_SHARED ", \"allow\": [{\"deviceClass\": 2}]}");
    CHECK(fate(SOUND).way == PCI_SHARED && fate(SOUND).rule == 0);
    CHECK(fate(NET).way == PCI_BY_RULE); /* alone in its group */
    configure(&c, "", SOUND_RULE("a", NOT_SHARED WITH_ALL));
    CHECK(fate(SOUND).way == PCI_SHARED && fate(SMBUS).way == PCI_NO_RULE);
}

static void without_a_group_nobody_is_a_member(void) {
    host();
    for (int i = 0; i < ndev; i++)
        dev[i].grouped = 0;
    dev[SOUND].group = dev[SMBUS].group = 0;
    configure(&c, "", SOUND_RULE("a", WITH_ALL));
    CHECK(fate(SMBUS).way == PCI_NO_RULE);
    configure(&c, "", SOUND_RULE("a", NOT_SHARED));
    CHECK(fate(SOUND).way == PCI_BY_RULE);
}

/* ---- what stays ---- */

static void a_use_keeps_a_device_and_the_first_one_is_told(void) {
    host();
    configure(&c, "", NET_RULE("a"));
    CHECK_STR(kept(NET), "");
    CHECK_STR(kept(ISA), "is a bridge");
    dev[NET].uses = PCI_STORAGE | PCI_CONSOLE;
    (void)snprintf(dev[NET].why, sizeof dev[NET].why, "holds the mounted file system /");
    CHECK_STR(kept(NET), "holds the mounted file system /");
    dev[NET].uses = PCI_CONSOLE;
    dev[NET].why[0] = '\0';
    CHECK_STR(kept(NET), "shows the console");
    dev[NET].uses = PCI_STORAGE;
    CHECK_STR(kept(NET), "holds storage in use");
}

static void a_keyboards_controller_goes_if_a_rule_names_its_address(void) {
    host();
    dev[NET].uses = PCI_KEYBOARD;
    configure(&c, "", NET_RULE("a"));
    CHECK_STR(kept(NET), "has the host's keyboard");
    configure(&c, "", "{\"targetVm\": \"a\", \"allow\": [{\"deviceClass\": 2}, {\"address\": \"0000:00:14.3\"}]}");
    CHECK_STR(kept(NET), "");
    configure(&c, "",
              "{\"targetVm\": \"a\", \"allow\": [{\"deviceClass\": 2}, {\"address\": \"0000:00:14.3\", "
              "\"disable\": true}]}");
    CHECK_STR(kept(NET), "has the host's keyboard");
    /* an address that is another one does not, though the entry matches by another alternative */
    configure(&c, "\"ruleMatch\": \"any\"",
              "{\"targetVm\": \"a\", \"allow\": [{\"deviceClass\": 2, \"address\": \"0000:00:14.2\"}]}");
    CHECK_STR(kept(NET), "has the host's keyboard");
    /* nothing else goes by that */
    dev[NET].uses = PCI_KEYBOARD | PCI_CONSOLE;
    configure(&c, "", "{\"targetVm\": \"a\", \"allow\": [{\"address\": \"0000:00:14.3\"}]}");
    CHECK_STR(kept(NET), "shows the console");
    dev[NET].uses = PCI_KEYBOARD | PCI_UPLINK;
    (void)snprintf(dev[NET].why, sizeof dev[NET].why, "has the keyboard K");
    CHECK_STR(kept(NET), "");
    configure(&c, "\"protectUplink\": true", "{\"targetVm\": \"a\", \"allow\": [{\"address\": \"0000:00:14.3\"}]}");
    CHECK_STR(kept(NET), "carries the default route");
}

static void an_uplink_goes_unless_it_is_protected(void) {
    host();
    dev[NET].uses = PCI_UPLINK;
    (void)snprintf(dev[NET].why, sizeof dev[NET].why, "carries the default route by eth0");
    configure(&c, "", NET_RULE("a"));
    CHECK_STR(kept(NET), "");
    CHECK(loses_route(NET) && !loses_route(SOUND));
    configure(&c, "\"protectUplink\": true", NET_RULE("a"));
    CHECK_STR(kept(NET), "carries the default route by eth0");
    CHECK(!loses_route(NET));
    configure(&c, "", SOUND_RULE("a", "")); /* no rule sends it */
    CHECK(!loses_route(NET));
    dev[NET].uses |= PCI_STORAGE;
    configure(&c, "", NET_RULE("a"));
    CHECK(!loses_route(NET));
}

static void what_shares_a_group_with_it_stays_too(void) {
    host();
    configure(&c, "", SOUND_RULE("a", WITH_ALL));
    CHECK_STR(kept(SOUND), ""); /* the bridge does not count */
    dev[SMBUS].uses = PCI_STORAGE;
    (void)snprintf(dev[SMBUS].why, sizeof dev[SMBUS].why, "holds the swap space /dev/sda2");
    CHECK_STR(kept(SOUND), "shares its IOMMU group with 0000:00:1f.4, which holds the swap space /dev/sda2");
    CHECK_STR(kept(NET), "");
    dev[SMBUS].uses = PCI_UPLINK;
    CHECK_STR(kept(SOUND), "");
}

static void a_group_for_two_vms_goes_to_neither(void) {
    host();
    configure(&c, "", SOUND_RULE("a", WITH_ALL) ", {\"targetVm\": \"b\", \"allow\": [{\"deviceClass\": 12}]}");
    CHECK_STR(kept(SOUND), "shares its IOMMU group with 0000:00:1f.4, which is for VM 'b'");
    CHECK_STR(kept(SMBUS), "shares its IOMMU group with 0000:00:1f.3, which is for VM 'a'");
    configure(&c, "", SOUND_RULE("a", "") ", {\"targetVm\": \"none\", \"allow\": [{\"deviceClass\": 12}]}");
    CHECK_STR(kept(SOUND), "");
}

int main(void) {
    RUN(each_field_is_compared);
    RUN(the_interface_is_a_whole_byte);
    RUN(misses_are_the_given_fields_that_differ);
    RUN(the_first_rule_that_applies_decides);
    RUN(flags_are_read);
    RUN(rules_follow_their_vm_to_another_row);
    RUN(a_device_goes_alone_by_default);
    RUN(with_add_all_its_group_goes_along_and_bridges_do_not);
    RUN(a_member_with_a_rule_goes_by_its_own);
    RUN(of_two_that_take_it_along_the_first_entry_does);
    RUN(with_skip_if_shared_a_device_with_company_stays);
    RUN(without_a_group_nobody_is_a_member);
    RUN(a_use_keeps_a_device_and_the_first_one_is_told);
    RUN(a_keyboards_controller_goes_if_a_rule_names_its_address);
    RUN(an_uplink_goes_unless_it_is_protected);
    RUN(what_shares_a_group_with_it_stays_too);
    RUN(a_group_for_two_vms_goes_to_neither);
    TEST_MAIN_END;
}
