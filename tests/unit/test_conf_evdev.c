/*
 * test_conf_evdev.c - evdevPassthrough and acpiPassthrough: every key right and wrong, the form of 2025, what is
 * probably not meant, and which rule decides for which input device.
 */
#include "config/conf.h"
#include "config/policy_evdev.h"
#include "test.h"

#include <stdlib.h>
#include <string.h>

static struct conf c, old;
static char seen[65536]; /* every diagnostic as a line: "error 1:2 path: text" */
static bool with_notes;

static void collect(const struct diag *d, void *arg) {
    static const char *const names[] = {"error", "warning", "note"};
    size_t n = strlen(seen);
    (void)arg;
    if (d->level == DIAG_NOTE && !with_notes)
        return;
    /* Every configuration here has rules of which nothing comes yet. */
    if (strstr(d->text, " is given to a running VM yet") != NULL)
        return;
    (void)snprintf(seen + n, sizeof seen - n, "%s %u:%u %s: %s\n", names[d->level], d->line, d->column, d->path,
                   d->text);
}

static bool parse(const char *text) {
    seen[0] = '\0';
    return conf_parse(&c, text, strlen(text), collect, NULL);
}

#define EXPECT(text, lines)                                     \
    do {                                                        \
        bool ok_ = parse(text);                                 \
        CHECK_STR(seen, lines);                                 \
        CHECK_INT(ok_, strstr("\n" lines, "\nerror ") == NULL); \
    } while (0)

/* What is between the quotes stands on line 2, so columns can be counted in it. */
#define VM(name) "{\"name\":\"" name "\",\"type\":\"qemu\",\"socket\":\"/" name "\"}"
#define VMS "\"vms\":[" VM("a") "," VM("b") "]"
#define EVDEV(x) "{" VMS ",\"evdevPassthrough\":\n" x "}"
#define RULES(x) EVDEV("[" x "]")
#define ALLOW(x) RULES("{\"targetVm\":\"a\",\"allow\":[" x "]}")
#define DENY(x) RULES("{\"targetVm\":\"a\",\"allow\":[{\"name\":\"x\"}],\"deny\":[" x "]}")
#define ACPI(x) "{" VMS ",\"acpiPassthrough\":[\n" x "]}"

/* ---- evdevPassthrough ---- */

static void every_key_of_a_rule(void) {
    EXPECT(RULES("{\"description\":\"Keys\",\"targetVm\":\"b\",\"tag\":\"keys\",\"enable\":true,\"allow\":["
                 "{\"name\":\"AT .*\",\"description\":\"x\"},{\"pathTag\":\"platform-.*\",\"disable\":true},"
                 "{\"property\":\"ID_INPUT_MOUSE\",\"value\":\"1\",\"enable\":null}],"
                 "\"deny\":[{\"name\":\"x\"}]},{\"targetVm\":\"a\",\"disable\":true,\"allow\":[{\"name\":\"y\"}]}"),
           "");
    CHECK_INT(c.nevdev_rules, 2);
    CHECK_INT(c.nevdev_entries, 5);
    const struct evdev_rule *r = &c.evdev_rules[0];
    CHECK(r->enabled && r->vm == 1 && r->allow == 0 && r->nallow == 3 && r->deny == 3 && r->ndeny == 1 && r->line == 2);
    CHECK_STR(r->description, "Keys");
    CHECK_STR(r->tag, "keys");
    CHECK(!c.evdev_rules[1].enabled && c.evdev_rules[1].vm == 0);
    const struct evdev_entry *e = c.evdev_entries;
    CHECK(e[0].enabled && e[0].fields == EF_NAME && !e[1].enabled && e[1].fields == EF_PATH_TAG);
    CHECK(e[2].enabled && e[2].fields == EF_PROPERTY && e[2].property == INPUT_MOUSE);
    CHECK_STR(e[2].value, "1");
    CHECK_INT(conf_other_rules(&c, 1), OTHER_EVDEV);
    CHECK_INT(conf_other_rules(&c, 0), 0);
    EXPECT(EVDEV("null"), "");
    EXPECT(EVDEV("[]"), "");
    EXPECT(RULES("{\"description\":null,\"targetVm\":\"a\",\"tag\":null,\"enable\":null,\"disable\":null,\"deny\":null,"
                 "\"allow\":[{\"name\":\"x\",\"pathTag\":null,\"property\":null,\"value\":null}]}"),
           "");
    CHECK(c.evdev_rules[0].enabled && c.evdev_entries[0].fields == EF_NAME);
}

static void a_rule_needs_its_vm(void) {
    EXPECT(RULES("{\"allow\":[{\"name\":\"x\"}]}"),
           "warning 2:2 evdevPassthrough[0]: 'targetVm' names no VM: the rule never applies\n");
    CHECK(!c.evdev_rules[0].enabled);
    EXPECT(RULES("{\"targetVm\":\"\",\"allow\":[{\"name\":\"x\"}]}"),
           "warning 2:2 evdevPassthrough[0]: 'targetVm' names no VM: the rule never applies\n");
    EXPECT(RULES("{\"targetVm\":\"aa\",\"allow\":[{\"name\":\"x\"}]}"),
           "warning 2:14 evdevPassthrough[0].targetVm: there is no VM 'aa' in 'vms': did you mean 'a'?\n"
           "warning 2:14 evdevPassthrough[0].targetVm: the rule goes nowhere: a device that it decides for stays with "
           "the host\n");
    CHECK(c.evdev_rules[0].enabled && c.evdev_rules[0].vm == -1);
    EXPECT(RULES("{\"targetVm\":1,\"allow\":[{\"name\":\"x\"}]}"),
           "error 2:14 evdevPassthrough[0].targetVm: expected the name of a VM, found the number 1\n");
    EXPECT(RULES("{\"targetVm\":\"a\"}"),
           "warning 2:2 evdevPassthrough[0]: no 'allow' entry: the rule never applies\n");
    EXPECT(RULES("{\"targetVm\":\"a\",\"allow\":{}}"),
           "error 2:26 evdevPassthrough[0].allow: expected an array of entries, found an object\n");
    EXPECT(RULES("{\"targetVm\":\"a\",\"allowedVms\":[\"b\"],\"allow\":[{\"name\":\"x\"}]}"),
           "warning 2:18 evdevPassthrough[0].allowedVms: 'allowedVms' is accepted but not acted on: nobody chooses a "
           "VM for an input device: 'targetVm' names it\n");
    EXPECT(RULES("5"), "error 2:2 evdevPassthrough[0]: expected an object, found the number 5\n");
    EXPECT(EVDEV("7"), "error 2:1 evdevPassthrough: expected an array of rules, found the number 7\n");
}

static void a_slip_in_a_key_is_an_error(void) {
    EXPECT(RULES("{\"targetVM\":\"a\",\"allow\":[{\"name\":\"x\"}]}"),
           "error 2:3 evdevPassthrough[0].targetVM: unknown key 'targetVM': did you mean 'targetVm'?\n");
    EXPECT(RULES("{\"vm\":\"a\",\"ignore\":[]}"),
           "error 2:3 evdevPassthrough[0].vm: unknown key 'vm': did you mean 'targetVm'?\n"
           "error 2:12 evdevPassthrough[0].ignore: unknown key 'ignore': did you mean 'deny'?\n");
    EXPECT(ALLOW("{\"path\":\"x\"},{\"propery\":\"ID_INPUT\",\"value\":\"1\"}"),
           "error 2:28 evdevPassthrough[0].allow[0].path: unknown key 'path': did you mean 'pathTag'?\n"
           "error 2:41 evdevPassthrough[0].allow[1].propery: unknown key 'propery': did you mean 'property'?\n");
    CHECK_INT(c.evdev_entries[0].fields + c.evdev_entries[1].fields, 0);
    EXPECT(ALLOW("{\"name\":\"x\",\"vendorId\":\"1234\"}"),
           "error 2:39 evdevPassthrough[0].allow[0].vendorId: unknown key 'vendorId': it belongs in an 'allow' or "
           "'deny' entry\n");
    EXPECT("{\"evdevPassthru\":[]}",
           "error 1:2 evdevPassthru: unknown key 'evdevPassthru': did you mean 'evdevPassthrough'?\n");
    EXPECT("{\"acpiPassthrouh\":[]}",
           "error 1:2 acpiPassthrouh: unknown key 'acpiPassthrouh': did you mean 'acpiPassthrough'?\n");
}

static void a_value_is_a_text(void) {
    EXPECT(ALLOW("{\"property\":\"ID_INPUT_MOUSE\",\"value\":1}"),
           "error 2:64 evdevPassthrough[0].allow[0].value: the value of a property is a text: write \"1\"\n");
    EXPECT(ALLOW("{\"property\":\"ID_INPUT_MOUSE\",\"value\":true}"),
           "error 2:64 evdevPassthrough[0].allow[0].value: expected a string, found true\n");
    EXPECT(ALLOW("{\"property\":\"ID_INPUT_MOUSE\",\"value\":\"\"}"),
           "error 2:64 evdevPassthrough[0].allow[0].value: expected a value, such as \"1\", found the string \"\"\n");
    EXPECT(ALLOW("{\"property\":\"ID_INPUT_MOUSE\"}"),
           "error 2:39 evdevPassthrough[0].allow[0].property: 'property' and 'value' need each other\n");
    EXPECT(ALLOW("{\"value\":\"1\",\"name\":\"x\"}"),
           "error 2:36 evdevPassthrough[0].allow[0].value: 'property' and 'value' need each other\n");
    EXPECT(ALLOW("{\"property\":\"\",\"value\":\"1\"}"),
           "error 2:39 evdevPassthrough[0].allow[0].property: expected the name of a udev property such as "
           "\"ID_INPUT_TOUCHPAD\", found the string \"\"\n");
    CHECK_INT(c.evdev_entries[0].fields, 0);
}

/* Whoever names one that is not computed here must not learn of it from a device in a VM. */
static void a_property_that_is_not_known_opens_nothing(void) {
    EXPECT(ALLOW("{\"property\":\"ID_INPUT_MOUS\",\"value\":\"1\"},{\"property\":\"id_bus\",\"value\":\"i2c\"}"),
           "error 2:39 evdevPassthrough[0].allow[0].property: no such property 'ID_INPUT_MOUS': did you mean "
           "'ID_INPUT_MOUSE'?\n"
           "error 2:80 evdevPassthrough[0].allow[1].property: no such property 'id_bus': did you mean 'ID_BUS'?\n");
    EXPECT(ALLOW("{\"property\":\"ID_SERIAL\",\"value\":\"noserial\"}"),
           "warning 2:39 evdevPassthrough[0].allow[0].property: the property 'ID_SERIAL' is not known here: it matches "
           "nothing\n");
    CHECK_INT(c.evdev_entries[0].property, -1);
    EXPECT(DENY("{\"property\":\"ID_INPUT_WIDTH_MM\",\"value\":\"9\"}"),
           "error 2:61 evdevPassthrough[0].deny[0].property: the property 'ID_INPUT_WIDTH_MM' is not known here: the "
           "entry denies nothing\n");
    EXPECT(DENY("{\"disable\":true,\"property\":\"ID_INPUT_WIDTH_MM\",\"value\":\"9\"}"), "");
    EXPECT(ALLOW("{\"property\":\"ID_INPUT_KEY\",\"value\":\"yes\"}"),
           "warning 2:62 evdevPassthrough[0].allow[0].value: 'ID_INPUT_KEY' has no value but \"1\": this matches "
           "nothing\n");
    EXPECT(DENY("{\"property\":\"ID_INPUT_KEY\",\"value\":\"0\"}"),
           "error 2:84 evdevPassthrough[0].deny[0].value: 'ID_INPUT_KEY' has no value but \"1\": the entry denies "
           "nothing\n");
    EXPECT(DENY("{}"), "error 2:49 evdevPassthrough[0].deny[0]: a 'deny' entry without any field denies nothing\n");
    EXPECT(ALLOW("{}"), "warning 2:27 evdevPassthrough[0].allow[0]: an entry without any field matches nothing\n");
}

static void patterns_are_checked(void) {
    EXPECT(ALLOW("{\"name\":\"(\"},{\"pathTag\":\"\"}"),
           "error 2:36 evdevPassthrough[0].allow[0].name: regular expression: ( without )\n"
           "error 2:51 evdevPassthrough[0].allow[1].pathTag: expected a regular expression (an empty one would match "
           "everything), found the string \"\"\n");
}

/* Until autumn 2025 it was one object for one VM. */
static void the_form_of_2025(void) {
    with_notes = true;
    EXPECT(EVDEV("{\"targetVm\":\"b\",\"pcieBusPrefix\":\"rp\",\"disable\":false,\"rules\":["
                 "{\"description\":\"mice\",\"property\":\"ID_INPUT_MOUSE\",\"value\":\"1\"},{\"name\":\"x\"}]}"),
           "note 1:9 vms[0]: no rule uses the VM 'a'\n"
           "note 2:1 evdevPassthrough: this form is of 2025; today it is an array of rules, each with 'targetVm' and "
           "'allow'\n");
    with_notes = false;
    CHECK(c.nevdev_rules == 1 && c.evdev_rules[0].enabled && c.evdev_rules[0].vm == 1 && c.evdev_rules[0].nallow == 2);
    EXPECT(EVDEV("{\"targetVm\":\"a\",\"pcieBusPrefix\":\"rp\"}"),
           "warning 2:1 evdevPassthrough: an object without 'rules' names no device: the rule never applies\n");
    EXPECT(EVDEV("{\"targetVm\":\"a\",\"disable\":true}"), "");
    CHECK(!c.evdev_rules[0].enabled);
    EXPECT(EVDEV("{}"), "");
    EXPECT(EVDEV("{\"enable\":false}"), "");
    CHECK_INT(c.nevdev_rules, 0);
    EXPECT(EVDEV("{\"rules\":[{\"name\":\"x\"}]}"),
           "warning 2:1 evdevPassthrough: 'targetVm' names no VM: the rule never applies\n");
    EXPECT(EVDEV("{\"targetVm\":\"a\",\"rule\":[{\"name\":\"x\"}]}"),
           "error 2:17 evdevPassthrough.rule: unknown key 'rule': did you mean 'rules'?\n");
    EXPECT(EVDEV("{\"targetVm\":\"a\",\"pcieBusPrefix\":1,\"rules\":[{\"name\":\"x\"}]}"),
           "error 2:33 evdevPassthrough.pcieBusPrefix: expected a string, found the number 1\n");
}

static void what_is_probably_not_meant(void) {
    EXPECT(ALLOW("{\"name\":\"AT\"},{\"name\":\"at\",\"pathTag\":\"x\"}"),
           "warning 2:41 evdevPassthrough[0].allow[1]: the entry on line 2 matches every device that this one does\n");
    EXPECT(RULES("{\"targetVm\":\"a\",\"allow\":[{\"property\":\"ID_BUS\",\"value\":\"I2C\"}]},"
                 "{\"targetVm\":\"b\",\"allow\":[{\"property\":\"ID_BUS\",\"value\":\"i2c\"},{\"name\":\"x\"}]}"),
           "warning 2:90 evdevPassthrough[1].allow[0]: the entry on line 2 matches every device that this one does\n");
    EXPECT(RULES("{\"targetVm\":\"a\",\"allow\":[{\"name\":\"x\"}],\"deny\":[{\"name\":\"xy\"}]},"
                 "{\"targetVm\":\"b\",\"allow\":[{\"name\":\"x\"}]}"),
           ""); /* what the first rule denies may be meant */
    EXPECT(RULES("{\"targetVm\":\"a\",\"disable\":true,\"allow\":[{\"name\":\"x\"}]},"
                 "{\"targetVm\":\"b\",\"allow\":[{\"name\":\"x\"},{\"name\":\"y\"},{\"pathTag\":\"x\"}]}"),
           "");
    EXPECT("{\"general\":{\"ruleMatch\":\"any\"}," VMS ",\"evdevPassthrough\":[{\"targetVm\":\"a\",\"allow\":["
           "{\"name\":\"x\",\"pathTag\":\"y\"},{\"name\":\"x\"}]}]}",
           "warning 1:194 evdevPassthrough[0].allow[1]: the entry on line 1 matches every device that this one does\n");
    with_notes = true;
    EXPECT("{\"general\":{\"ruleMatch\":\"all\"},\"vms\":[" VM("a") "],\"evdevPassthrough\":[{\"targetVm\":\"a\","
                                                                    "\"allow\":[{\"name\":\"x\",\"pathTag\":\"y\"}]}]}",
           "note 1:126 evdevPassthrough[0].allow[0]: every field must match here; with \"ruleMatch\": \"any\" one of "
           "them would suffice\n");
    EXPECT("{\"general\":{\"ruleMatch\":\"any\"},\"vms\":[" VM("a") "],\"evdevPassthrough\":[{\"targetVm\":\"a\","
                                                                    "\"allow\":[{\"name\":\"x\",\"pathTag\":\"y\"}]}]}",
           "note 1:126 evdevPassthrough[0].allow[0]: any one field suffices here; with \"ruleMatch\": \"all\" every "
           "one must match\n");
    with_notes = false;
}

/* ---- acpiPassthrough ---- */

#define NHLT "/sys/firmware/acpi/tables/NHLT"

static void every_key_of_an_acpi_table(void) {
    EXPECT(ACPI("{\"description\":\"Microphones\",\"targetVm\":\"b\",\"enable\":true,\"allow\":["
                "{\"acpiTable\":\"" NHLT "\",\"setUser\":\"microvm\",\"setGroup\":\"kvm\",\"description\":\"x\"},"
                "{\"acpiTable\":\"/x\",\"setUser\":null,\"disable\":true}]}"),
           "");
    CHECK(c.nacpi_rules == 1 && c.nacpi_tables == 2 && c.acpi_rules[0].vm == 1 && c.acpi_rules[0].enabled);
    const struct acpi_table *t = c.acpi_tables;
    CHECK_STR(t[0].path, NHLT);
    CHECK_STR(t[0].user, "microvm");
    CHECK_STR(t[0].group, "kvm");
    CHECK(t[0].enabled && !t[1].enabled);
    CHECK_STR(t[1].user, "");
    CHECK_INT(conf_other_rules(&c, 1), OTHER_ACPI);
    EXPECT(ACPI(""), "");
    EXPECT(ACPI("{\"targetVm\":\"a\",\"allow\":[{\"acpiTable\":\"NHLT\"},{},{\"acpiTable\":\"/x\",\"setUser\":0},"
                "{\"disable\":true}]}"),
           "error 2:39 acpiPassthrough[0].allow[0].acpiTable: expected an absolute path, found the string \"NHLT\"\n"
           "warning 2:47 acpiPassthrough[0].allow[1]: 'acpiTable' is missing: the entry names no table\n"
           "error 2:78 acpiPassthrough[0].allow[2].setUser: expected the name of a user, found the number 0\n");
    EXPECT(ACPI("{\"targetVm\":\"a\",\"allow\":[{\"path\":\"" NHLT "\",\"user\":\"x\"}],\"deny\":[]}"),
           "error 2:27 acpiPassthrough[0].allow[0].path: unknown key 'path': did you mean 'acpiTable'?\n"
           "error 2:67 acpiPassthrough[0].allow[0].user: unknown key 'user': did you mean 'setUser'?\n"
           "error 2:80 acpiPassthrough[0].deny: unknown key 'deny': it belongs in a rule of 'usbPassthrough'\n");
    EXPECT(ACPI("{\"allow\":[{\"acpiTable\":\"/x\"}]},{\"targetVm\":\"c\",\"allow\":[]}"),
           "warning 2:1 acpiPassthrough[0]: 'targetVm' names no VM: the rule never applies\n"
           "warning 2:32 acpiPassthrough[1]: no 'allow' entry: the rule names no table\n"
           "warning 2:44 acpiPassthrough[1].targetVm: there is no VM 'c' in 'vms': did you mean 'a'?\n");
    EXPECT("{\"acpiPassthrough\":{}}", "error 1:20 acpiPassthrough: expected an array of rules, found an object\n");
}

/* ---- bounds ---- */

static void repeat(char *text, size_t cap, const char *head, const char *part, int n, const char *tail) {
    size_t at = (size_t)snprintf(text, cap, "%s", head);
    for (int i = 0; i < n; i++)
        at += (size_t)snprintf(text + at, cap - at, "%s%s", i > 0 ? "," : "", part);
    CHECK((size_t)snprintf(text + at, cap - at, "%s", tail) < cap - at);
}

static void a_full_table_is_an_error(void) {
    static char text[1 << 16];
    static const struct {
        const char *head, *part, *tail, *what;
        int max;
    } tables[] = {
        {"{\"evdevPassthrough\":[", "{\"targetVm\":\"a\",\"allow\":[{\"name\":\"x\"}]}", "]}",
         "more than 64 rules of evdevPassthrough (VH_MAX_EVDEV_RULES)", VH_MAX_EVDEV_RULES},
        {"{\"evdevPassthrough\":[{\"targetVm\":\"a\",\"allow\":[", "{\"property\":\"ID_BUS\",\"value\":\"x\"}", "]}]}",
         "more than 256 allow and deny entries of evdevPassthrough in all (VH_MAX_EVDEV_ENTRIES)",
         VH_MAX_EVDEV_ENTRIES},
        {"{\"acpiPassthrough\":[", "{\"targetVm\":\"a\",\"allow\":[{\"acpiTable\":\"/x\"}]}", "]}",
         "more than 64 rules of acpiPassthrough (VH_MAX_ACPI_RULES)", VH_MAX_ACPI_RULES},
        {"{\"acpiPassthrough\":[{\"targetVm\":\"a\",\"allow\":[", "{\"acpiTable\":\"/x\"}", "]}]}",
         "more than 64 tables of acpiPassthrough in all (VH_MAX_ACPI_TABLES)", VH_MAX_ACPI_TABLES},
    };
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        repeat(text, sizeof text, tables[i].head, tables[i].part, tables[i].max, tables[i].tail);
        CHECK(parse(text) && strstr(seen, "error") == NULL);
        repeat(text, sizeof text, tables[i].head, tables[i].part, tables[i].max + 1, tables[i].tail);
        CHECK(!parse(text));
        CHECK(strstr(seen, tables[i].what) != NULL);
    }
}

static void rules_follow_their_vm_to_another_row(void) {
    static const char first[] = "{\"vms\":[" VM("a") "," VM("b") "]}";
    CHECK(conf_parse(&old, first, strlen(first), NULL, NULL));
    CHECK(parse("{\"vms\":[" VM("c") "," VM("b") "," VM(
        "a") "],\"evdevPassthrough\":[{\"targetVm\":\"a\",\"allow\":"
             "[{\"name\":\"x\"}]},{\"targetVm\":\"nowhere\",\"allow\":[{\"name\":\"y\"}]}],"
             "\"acpiPassthrough\":[{\"targetVm\":\"c\",\"allow\":[{\"acpiTable\":\"/x\"}]}]}"));
    CHECK(conf_align(&c, &old, 0));
    CHECK_INT(c.evdev_rules[0].vm, conf_vm(&c, "a"));
    CHECK_INT(c.evdev_rules[1].vm, -1);
    CHECK_INT(c.acpi_rules[0].vm, conf_vm(&c, "c"));
}

/* ---- which rule decides ---- */

static const struct input_device keyboard = {.number = 0,
                                             .classes = 1 << INPUT_ANY | 1 << INPUT_KEY | 1 << INPUT_KEYBOARD,
                                             .bus = INPUT_I8042,
                                             .name = "AT Translated Set 2 keyboard",
                                             .path = "platform-i8042-serio-0"},
                                 touchpad = {.number = 7,
                                             .classes = 1 << INPUT_ANY | 1 << INPUT_TOUCHPAD,
                                             .bus = INPUT_I2C,
                                             .name = "ELAN0001:00 04F3:3140 Touchpad",
                                             .path = "pci-0000:00:15.1-platform-i2c_designware.1"},
                                 made_up = {.number = 9, .classes = 1 << INPUT_ANY, .name = "", .path = ""},
                                 usb_keyboard = {.number = 3,
                                                 .classes = 1 << INPUT_ANY | 1 << INPUT_KEY | 1 << INPUT_KEYBOARD,
                                                 .bus = INPUT_USB,
                                                 .name = "AT Translated Set 2 keyboard",
                                                 .path = "pci-0000:00:14.0-usb-0:2:1.0"};

static int rule_for(const struct input_device *d) {
    int entry = -1;
    return policy_evdev_rule(&c, d, &entry);
}

/* "ok": the entry in the allow list sends the keyboard; "no": it does not. */
static const char *sends(const char *match, const char *entry, const struct input_device *d) {
    static char text[1024];
    (void)snprintf(text, sizeof text,
                   "{\"general\":{\"ruleMatch\":\"%s\"}," VMS ",\"evdevPassthrough\":[{\"targetVm\":\"a\",\"allow\":"
                   "[{%s}]}]}",
                   match, entry);
    if (!parse(text))
        return seen;
    return rule_for(d) == 0 ? "ok" : "no";
}

#define NAME(x) "\"name\":\"" x "\""
#define TAG(x) "\"pathTag\":\"" x "\""
#define PROP(n, v) "\"property\":\"" n "\",\"value\":\"" v "\""

static void an_entry_matches_as_in_the_older_daemons(void) {
    static const struct {
        const char *entry;
        const struct input_device *d;
        const char *all, *any;
    } cases[] = {
        /* a name from its start, whatever the case */
        {NAME("AT Translated"), &keyboard, "ok", "ok"},
        {NAME("at translated set 2 KEYBOARD"), &keyboard, "ok", "ok"},
        {NAME("Translated"), &keyboard, "no", "no"},
        {NAME(".*keyboard$"), &keyboard, "ok", "ok"},
        {NAME("AT$"), &keyboard, "no", "no"},
        {NAME(".*"), &made_up, "no", "no"},
        /* the path's tag likewise, and not the path */
        {TAG("platform-i8042-serio-0"), &keyboard, "ok", "ok"},
        {TAG("PLATFORM-i8042"), &keyboard, "ok", "ok"},
        {TAG("i8042"), &keyboard, "no", "no"},
        {TAG("pci-0000_00_15_1-"), &touchpad, "ok", "ok"},
        {TAG("pci-0000:00:15.1"), &touchpad, "no", "no"},
        {TAG(".*"), &made_up, "no", "no"},
        /* a property whole, whatever the case of its value */
        {PROP("ID_INPUT_KEYBOARD", "1"), &keyboard, "ok", "ok"},
        {PROP("ID_INPUT_KEYBOARD", "1"), &touchpad, "no", "no"},
        {PROP("ID_INPUT", "1"), &made_up, "ok", "ok"},
        {PROP("ID_BUS", "I8042"), &keyboard, "ok", "ok"},
        {PROP("ID_BUS", "i80"), &keyboard, "no", "no"},
        {PROP("ID_BUS", "i2c"), &made_up, "no", "no"},
        {PROP("ID_PATH", "PCI-0000:00:15.1-platform-i2c_designware.1"), &touchpad, "ok", "ok"},
        {PROP("ID_PATH_TAG", "pci-0000_00_15_1-platform-i2c_designware_1"), &touchpad, "ok", "ok"},
        {PROP("ID_SERIAL", "noserial"), &keyboard, "no", "no"},
        /* several fields: every one, or one of them */
        {NAME("AT") "," PROP("ID_INPUT_KEYBOARD", "1"), &keyboard, "ok", "ok"},
        {NAME("ELAN") "," PROP("ID_INPUT_KEYBOARD", "1"), &keyboard, "no", "ok"},
        {NAME("AT") "," TAG("pci"), &keyboard, "no", "ok"},
        {NAME("ELAN") "," TAG("pci"), &keyboard, "no", "no"},
        /* none, and a disabled one */
        {"", &keyboard, "no", "no"},
        {NAME("AT") ",\"disable\":true", &keyboard, "no", "no"},
        {NAME("AT") ",\"enable\":false", &keyboard, "no", "no"},
        {NAME("AT") ",\"enable\":false,\"disable\":false", &keyboard, "ok", "ok"},
        /* a device on USB is usbPassthrough's */
        {NAME("AT"), &usb_keyboard, "no", "no"},
        {PROP("ID_BUS", "usb"), &usb_keyboard, "no", "no"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CHECK_STR(sends("all", cases[i].entry, cases[i].d), cases[i].all);
        CHECK_STR(sends("any", cases[i].entry, cases[i].d), cases[i].any);
    }
}

static void the_first_rule_that_applies_decides(void) {
    CHECK(parse(RULES("{\"targetVm\":\"b\",\"disable\":true,\"allow\":[{\"name\":\"AT\"}]},"
                      "{\"allow\":[{\"name\":\"AT\"}]},"
                      "{\"targetVm\":\"b\",\"allow\":[{\"name\":\"AT\"}],\"deny\":[{\"pathTag\":\"platform-\"}]},"
                      "{\"targetVm\":\"nowhere\",\"allow\":[{\"name\":\"ELAN\"},{\"pathTag\":\"platform-\"}]},"
                      "{\"targetVm\":\"a\",\"allow\":[{\"property\":\"ID_INPUT\",\"value\":\"1\"}]}")));
    CHECK_INT(rule_for(&keyboard), 3); /* its VM is not there, so the device stays */
    CHECK_INT(rule_for(&touchpad), 3);
    CHECK_INT(rule_for(&made_up), 4);
    CHECK_INT(rule_for(&usb_keyboard), -1);
    int entry = -1;
    CHECK(policy_evdev_rule(&c, &keyboard, &entry) == 3 && entry == c.evdev_rules[3].allow + 1);
    CHECK(policy_evdev_rule(&c, &usb_keyboard, &entry) < 0 && entry < 0);
    CHECK(parse(DENY("{\"property\":\"ID_INPUT\",\"value\":\"1\"}")));
    CHECK_INT(rule_for(&keyboard), -1);
}

int main(void) {
    RUN(every_key_of_a_rule);
    RUN(a_rule_needs_its_vm);
    RUN(a_slip_in_a_key_is_an_error);
    RUN(a_value_is_a_text);
    RUN(a_property_that_is_not_known_opens_nothing);
    RUN(patterns_are_checked);
    RUN(the_form_of_2025);
    RUN(what_is_probably_not_meant);
    RUN(every_key_of_an_acpi_table);
    RUN(a_full_table_is_an_error);
    RUN(rules_follow_their_vm_to_another_row);
    RUN(an_entry_matches_as_in_the_older_daemons);
    RUN(the_first_rule_that_applies_decides);
    TEST_MAIN_END;
}
