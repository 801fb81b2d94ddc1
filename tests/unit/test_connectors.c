/*
 * test_connectors.c - connectors of the configuration: read and checked, named by rules, and what the core keeps by
 * them: decisions, selections, leases, flapping.
 */
#include "codec/state_format.h"
#include "config/connectors.h"
#include "config/policy.h"
#include "core/core_internal.h"
#include "core_story.h"
#include "devices.h"

#include <stdlib.h>

#define VMS "\"vms\": [" VM("a") ", " VM("b") "]"
#define FRONT "{\"name\": \"front\", \"ports\": [\"pci/2:2\", \"pci/3:5\"]}"

static char said[512]; /* the first error, and its place */

static void first_error(const struct diag *d, void *arg) {
    (void)arg;
    if (said[0] == '\0' && d->level <= DIAG_WARNING)
        (void)snprintf(said, sizeof said, "%s: %s", d->path, d->text);
}

static struct conf fresh;

static const char *read_conf(const char *connectors, const char *allow) {
    char json[2048];
    said[0] = '\0';
    (void)snprintf(json, sizeof json,
                   "{%s, \"general\": {\"connectors\": [%s]}, \"usbPassthrough\": [{\"targetVm\": \"a\", \"allow\": "
                   "[%s]}, {\"targetVm\": \"b\", \"allow\": [{\"vendorId\": \"0001\"}]}]}",
                   VMS, connectors, allow);
    bool ok = conf_parse(&fresh, json, strlen(json), first_error, NULL);
    return ok || said[0] != '\0' ? said : "refused without a reason";
}

#define STARTS(text, begin) CHECK(strncmp(text, begin, strlen(begin)) == 0 || (printf("# %s\n", text), 0))

static void place(const char *name, const char *path, const char *twin) {
    device_make(&dev, name, 1, 5, 3);
    dev.stable_path = path;
    dev.twin = twin;
    dev.connector = connector_of(&fresh, &dev);
}

/* ---- the configuration ---- */

static void connectors_are_read(void) {
    CHECK_STR(read_conf(FRONT ", {\"name\": \"rear\", \"ports\": [\"pci/2:3\"], \"description\": \"below\"}",
                        "{\"connector\": \"front\"}"),
              "");
    CHECK_INT(fresh.nconnectors, 2);
    CHECK(connector_find(&fresh, "rear") == 1 && connector_find(&fresh, "fron") == -1);
    CHECK(fresh.connectors[0].nports == 2 && fresh.connectors[1].nports == 1);
    CHECK_STR(fresh.connector_ports[fresh.connectors[1].ports], "pci/2:3");
    CHECK(fresh.connectors[0].is_socket && fresh.connectors[1].is_socket);
}

static void what_is_wrong_with_a_connector_is_said(void) {
    STARTS(read_conf("{\"ports\": [\"pci/2:2\"]}", ""), "general.connectors[0]: 'name' is missing");
    STARTS(read_conf("{\"name\": \"x\"}", ""), "general.connectors[0]: 'ports' is missing");
    STARTS(read_conf("{\"name\": \"x\", \"ports\": []}", ""), "general.connectors[0].ports: an empty list");
    STARTS(read_conf("{\"name\": \"x\", \"ports\": [\"1-2\"]}", ""),
           "general.connectors[0].ports[0]: expected a port's stable path");
    STARTS(read_conf("{\"name\": \"x\", \"ports\": [\"pci/2:0\"]}", ""),
           "general.connectors[0].ports[0]: expected a port's stable path");
    STARTS(read_conf("{\"name\": \"x\", \"ports\": [7]}", ""), "general.connectors[0].ports[0]: expected a string");
    STARTS(read_conf("{\"name\": \"x/y\", \"ports\": [\"pci/2:2\"]}", ""),
           "general.connectors[0].name: a connector's name has no slash");
    STARTS(read_conf(FRONT ", " FRONT, ""), "general.connectors[1].name: a second connector named 'front'");
    STARTS(read_conf(FRONT ", {\"name\": \"x\", \"ports\": [\"pci/2:2\"]}", ""),
           "general.connectors[1].ports[0]: the connector 'front'");
    STARTS(read_conf("{\"name\": \"x\", \"ports\": [\"pci/2:2\", \"pci/2:2\"]}", ""),
           "general.connectors[0].ports[1]: the port is named twice");
    STARTS(read_conf("{\"nam\": \"x\", \"ports\": [\"pci/2:2\"]}", ""), "general.connectors[0]: 'name' is missing");
    STARTS(read_conf("7", ""), "general.connectors[0]: expected an object");
}

/* A typo must not give devices away: neither in an allow entry nor in a deny entry. */
static void what_is_wrong_with_an_entry_is_said(void) {
    STARTS(read_conf(FRONT, "{\"connector\": \"frint\"}"),
           "usbPassthrough[0].allow[0].connector: there is no such connector in 'general.connectors', and it is no "
           "stable path: did you mean 'front'?");
    STARTS(read_conf("", "{\"connector\": \"pci/5:1\"}"), "usbPassthrough[0].allow[0].connector: there is no such");
    STARTS(read_conf("", "{\"connector\": \"pci/2:0\"}"), "usbPassthrough[0].allow[0].connector: there is no such");
    STARTS(read_conf("", "{\"connector\": []}"), "usbPassthrough[0].allow[0].connector: an empty list");
    STARTS(read_conf("", "{\"connector\": [\"pci/2:1\", 7]}"), "usbPassthrough[0].allow[0].connector[1]: expected the");
    STARTS(read_conf("", "{\"connector\": 7}"), "usbPassthrough[0].allow[0].connector: expected the name");
    STARTS(read_conf("", "{\"connector\": \"pci/2:1\", \"direct\": 1}"),
           "usbPassthrough[0].allow[0].direct: expected true or false");
    STARTS(read_conf("", "{\"conector\": \"pci/2:1\"}"),
           "usbPassthrough[0].allow[0].conector: unknown key 'conector': did you mean 'connector'?");
    STARTS(read_conf("", "{\"vendorId\": \"0001\", \"direct\": true}"),
           "usbPassthrough[0].allow[0].direct: 'direct' without 'connector' means nothing");
    /* the connector's own error is enough */
    STARTS(read_conf("{\"name\": \"x\", \"ports\": [\"1-2\"]}", "{\"connector\": \"x\"}"), "general.connectors[0]");
}

static void the_tables_have_ends(void) {
    static char json[65536], one[128];
    size_t len = 0;
    for (int i = 0; i <= VH_NAMED_CONNECTORS; i++) {
        int n = snprintf(one, sizeof one, "%s{\"name\": \"c%d\", \"ports\": [\"pci%d/2:1\"]}", i > 0 ? ", " : "", i, i);
        memcpy(json + len, one, (size_t)n + 1);
        len += (size_t)n;
    }
    static char all[65536];
    said[0] = '\0';
    int n = snprintf(all, sizeof all, "{\"general\": {\"connectors\": [%s]}}", json);
    CHECK(!conf_parse(&fresh, all, (size_t)n, first_error, NULL));
    STARTS(said, "general.connectors[128]: more than 128 connectors");
    len = 0;
    for (int i = 0; i <= VH_CONNECTOR_PORTS; i++)
        len += (size_t)snprintf(json + len, sizeof json - len, "%s\"pci%d/2:1\"", i > 0 ? ", " : "", i);
    said[0] = '\0';
    n = snprintf(all, sizeof all, "{\"general\": {\"connectors\": [{\"name\": \"x\", \"ports\": [%s]}]}}", json);
    CHECK(!conf_parse(&fresh, all, (size_t)n, first_error, NULL));
    STARTS(said, "general.connectors[0].ports[512]: more than 512 ports");
    len = 0;
    for (int i = 0; i <= VH_CONNECTOR_PLACES; i++)
        len += (size_t)snprintf(json + len, sizeof json - len, "%s\"pci%d/2:1\"", i > 0 ? ", " : "", i);
    said[0] = '\0';
    n = snprintf(all, sizeof all, "{\"usbPassthrough\": [{\"host\": true, \"allow\": [{\"connector\": [%s]}]}]}", json);
    CHECK(!conf_parse(&fresh, all, (size_t)n, first_error, NULL));
    STARTS(said, "usbPassthrough[0].allow[0].connector[1024]: more than 1024 connectors in entries");
}

static void an_entry_that_is_taken_already_is_said(void) {
    char json[] = "{" VMS ", \"general\": {\"connectors\": [" FRONT "]}, \"usbPassthrough\": ["
                  "{\"targetVm\": \"a\", \"allow\": [{\"connector\": \"front\"}]}, "
                  "{\"targetVm\": \"b\", \"allow\": [{\"connector\": \"front\", \"vendorId\": \"0001\"}]}]}";
    said[0] = '\0';
    CHECK(conf_parse(&fresh, json, sizeof json - 1, first_error, NULL));
    STARTS(said, "usbPassthrough[1].allow[0]: never decides");
    char direct[] = "{" VMS ", \"general\": {\"connectors\": [" FRONT "]}, \"usbPassthrough\": ["
                    "{\"targetVm\": \"a\", \"allow\": [{\"connector\": \"front\", \"direct\": true}]}, "
                    "{\"targetVm\": \"b\", \"allow\": [{\"connector\": \"front\"}]}]}";
    said[0] = '\0';
    CHECK(conf_parse(&fresh, direct, sizeof direct - 1, first_error, NULL));
    CHECK_STR(said, "");
}

/* ---- rules ---- */

static int rule_at(const char *path, const char *twin) {
    place("1-1", path, twin);
    return policy_rule(&fresh, &dev);
}

static void a_rule_names_a_connector_and_what_is_behind_it(void) {
    CHECK_STR(read_conf(FRONT, "{\"connector\": \"front\"}"), "");
    CHECK_INT(rule_at("pci/2:2", ""), 0);
    CHECK_INT(rule_at("pci/3:5", ""), 0);
    CHECK_INT(rule_at("pci/2:2.4.1", ""), 0);
    CHECK_INT(rule_at("pci/3:5.1", ""), 0);
    CHECK_INT(rule_at("pci/2:22", ""), -1);
    CHECK_INT(rule_at("pci/2:5", ""), -1);
    CHECK_INT(rule_at("pci/3:2", ""), -1);
    CHECK_INT(rule_at("pci1/2:2", ""), -1);
    CHECK_INT(rule_at("", ""), -1);
    CHECK_STR(read_conf(FRONT, "{\"connector\": \"front\", \"direct\": true}"), "");
    CHECK_INT(rule_at("pci/2:2", ""), 0);
    CHECK_INT(rule_at("pci/2:2.4", ""), -1);
}

static void a_rule_names_stable_paths_and_lists(void) {
    CHECK_STR(read_conf(FRONT, "{\"connector\": [\"pci1/2:1.3\", \"front\"]}"), "");
    CHECK_INT(rule_at("pci1/2:1.3", ""), 0);
    CHECK_INT(rule_at("pci1/2:1.3.2", ""), 0);
    CHECK_INT(rule_at("pci1/2:1", ""), -1);
    CHECK_INT(rule_at("pci/3:5", ""), 0);
    CHECK_INT(rule_at("pci1/3:7.3", "1.3"), 0); /* the firmware joins both sides */
    CHECK_INT(rule_at("pci1/3:1.3", ""), -1);   /* nobody does */
}

/* Of a firmware that describes the sockets, one side is enough. */
static void a_connector_has_the_other_side_by_firmware(void) {
    CHECK_STR(read_conf("{\"name\": \"x\", \"ports\": [\"pci/2:2\"]}", "{\"connector\": \"x\"}"), "");
    CHECK_INT(rule_at("pci/3:5", "2"), 0);
    CHECK_INT(rule_at("pci/3:5.1", "2.1"), 0);
    CHECK_INT(rule_at("pci/3:2", "9"), -1);
}

/* In both readings of ruleMatch it restricts, and may stand alone. */
static void a_connector_restricts(void) {
    char json[] = "{" VMS ", \"general\": {\"ruleMatch\": \"any\"}, \"usbPassthrough\": [{\"targetVm\": \"a\", "
                  "\"allow\": [{\"connector\": \"pci/2:2\", \"vendorId\": \"1234\", \"productId\": \"0003\"}]}, "
                  "{\"targetVm\": \"b\", \"allow\": [{\"connector\": \"pci/2:3\"}]}]}";
    CHECK(conf_parse(&fresh, json, sizeof json - 1, NULL, NULL));
    CHECK_INT(rule_at("pci/2:2", ""), 0);
    CHECK_INT(rule_at("pci/2:4", ""), -1);
    CHECK_INT(rule_at("pci/2:3", ""), 1);
    place("1-1", "pci/2:4", "");
    CHECK_INT(policy_entry_misses(&fresh, &fresh.entries[0], &dev), F_CONNECTOR);
    CHECK_STR(conf_field_name(16), "connector");
}

/* ---- names ---- */

static const char *called(const char *path, const char *twin) {
    static char text[VH_STABLE_PATH_MAX];
    place("1-1", path, twin);
    connector_name(&fresh, &dev, text);
    return text;
}

static const char *port(const char *path, const char *twin) {
    static char text[VH_STABLE_PATH_MAX];
    place("1-1", path, twin);
    connector_port(&fresh, &dev, text);
    CHECK(connector_is_port(&fresh, text, &dev));
    return text;
}

static void the_innermost_connector_gives_the_name(void) {
    CHECK_STR(read_conf(FRONT ", {\"name\": \"inner\", \"ports\": [\"pci/2:2.1\"]}", ""),
              "usbPassthrough[0]: no 'allow' entry: the rule never applies");
    CHECK_STR(called("pci/2:2", ""), "front");
    CHECK_STR(called("pci/2:2.2", ""), "front");
    CHECK_STR(called("pci/2:2.1", ""), "inner");
    CHECK_STR(called("pci/2:2.1.4", ""), "inner");
    CHECK_STR(called("pci/3:5.1", ""), "front");
    CHECK_STR(called("pci/2:3", ""), "pci/2:3");
    CHECK_STR(called("pci/3:3", "9"), "pci/2:9");
    CHECK_STR(called("", ""), "");
    CHECK(connector_has(&fresh, "front", &dev, false) == false);
    place("1-1", "pci/2:2.1.4", "");
    CHECK(connector_has(&fresh, "front", &dev, false) && !connector_has(&fresh, "front", &dev, true));
    CHECK(connector_has(&fresh, "inner", &dev, false) && connector_has(&fresh, "pci/2:2.1", &dev, false));
    CHECK(!connector_has(&fresh, "nowhere", &dev, false));
}

static void both_sides_of_a_socket_are_one_port(void) {
    (void)read_conf(FRONT, "");
    CHECK_STR(port("pci/2:2", ""), "pci/2:2");
    CHECK_STR(port("pci/3:5", ""), "pci/2:2");
    CHECK_STR(port("pci/3:5.1", ""), "pci/2:2.1");
    CHECK_STR(port("pci/3:6", ""), "pci/3:6");
    CHECK_STR(port("pci/3:6", "8"), "pci/2:8");
    CHECK_STR(port("", ""), "1-1");
    place("1-1", "pci/2:2.4", "");
    uint64_t number = connector_number(&fresh, &dev);
    place("2-7", "pci/3:5.4", "");
    CHECK(connector_number(&fresh, &dev) == number);
    place("2-7", "pci/3:5.5", "");
    CHECK(connector_number(&fresh, &dev) != number);
}

/* What was noted before the configuration joined two ports, and what it no longer joins. */
static void a_port_of_another_configuration_is_known(void) {
    (void)read_conf(FRONT, "");
    place("2-5", "pci/3:5", "");
    CHECK(connector_is_port(&fresh, "pci/3:5", &dev) && connector_is_port(&fresh, "pci/2:2", &dev));
    CHECK(connector_is_port(&fresh, "2-5", &dev));
    CHECK(!connector_is_port(&fresh, "pci/2:2.1", &dev) && !connector_is_port(&fresh, "1-5", &dev));
    place("2-5.1", "pci/3:5.1", "");
    CHECK(connector_is_port(&fresh, "pci/2:2.1", &dev) && !connector_is_port(&fresh, "pci/2:2", &dev));
    (void)read_conf("", "");
    place("2-5", "pci/3:5", "");
    CHECK(connector_is_port(&fresh, "pci/3:5", &dev) && !connector_is_port(&fresh, "pci/2:2", &dev));
}

/* Two sockets may have one name; what is kept of their ports is kept apart. */
static void several_sockets_of_one_name_are_several_ports(void) {
    (void)read_conf("{\"name\": \"dock\", \"ports\": [\"pci/2:1\", \"pci/2:2\", \"pci/3:1\"]}", "");
    CHECK(!fresh.connectors[0].is_socket);
    CHECK_STR(called("pci/2:2.1", ""), "dock");
    CHECK_STR(port("pci/2:1", ""), "pci/2:1");
    CHECK_STR(port("pci/2:2", ""), "pci/2:2");
    CHECK_STR(port("pci/3:1", ""), "pci/3:1");
}

/* ---- the core ---- */

static const char core_json[] =
    "{" VMS ", \"general\": {\"leaseSeconds\": 5, \"connectors\": [" FRONT "]}, \"usbPassthrough\": ["
    "{\"targetVm\": \"a\", \"allow\": [{\"connector\": \"front\"}]},"
    "{\"allowedVms\": [\"a\", \"b\"], \"allow\": [{\"interfaceClass\": 8}]}]}";

static void begin_at(void) {
    begin(false);
    if (!conf_parse(&fresh, core_json, sizeof core_json - 1, no_diag, NULL))
        exit(1);
    core.conf = &fresh;
    vm_up(0);
    vm_up(1);
}

/* Without a serial number. */
static void plug_at(const char *name, const char *path, int devnum, uint8_t cls) {
    static uint64_t incarnation = 5000;
    device_make(&dev, name, 1, (unsigned)devnum, cls);
    dev.incarnation = ++incarnation;
    dev.stable_path = path;
    struct fact f = {.kind = FACT_DEVICE, .device = &dev};
    step(&f);
}

static void a_rule_holds_whatever_the_bus_numbers(void) {
    begin_at();
    plug_at("1-2", "pci/2:2", 5, 3);
    CHECK(op(OP_ATTACH, 0) != NULL);
    done(0, OP_OK);
    unplug("1-2");
    done(0, OP_OK);
    plug_at("3-2", "pci/2:2", 6, 3);
    CHECK(op(OP_ATTACH, 0) != NULL);
    done(0, OP_OK);
    plug_at("1-2", "pci1/2:2", 7, 3);
    CHECK(op(OP_ATTACH, 0) == NULL);
    plug_at("4-5", "pci/3:5", 8, 3);
    CHECK(op(OP_ATTACH, 0) != NULL);
}

/* A device without a serial number is known by its connector. */
static void a_decision_is_for_the_connector(void) {
    begin_at();
    plug_at("1-2", "pci/2:2", 5, 3);
    done(0, OP_OK);
    ask(REQ_DETACH, 5, "");
    done(0, OP_OK);
    CHECK(core.slot[0].disconnected);
    unplug("1-2");
    plug_at("7-2", "pci/2:2", 6, 3); /* another boot */
    CHECK(op(OP_ATTACH, 0) == NULL && core.slot[0].disconnected);
    unplug("7-2");
    plug_at("8-5", "pci/3:5", 7, 3); /* the other side */
    CHECK(op(OP_ATTACH, 0) == NULL && core.slot[0].disconnected);
    unplug("8-5");
    plug_at("1-2", "pci/2:2.1", 8, 3); /* behind a hub there */
    CHECK(op(OP_ATTACH, 0) != NULL);
}

static void a_selection_is_for_the_connector(void) {
    begin_at();
    plug_at("1-7", "pci/2:7", 5, 8);
    ask(REQ_ATTACH, 5, "b");
    done(1, OP_OK);
    unplug("1-7");
    done(1, OP_OK);
    wait_ms(6000); /* no lease */
    plug_at("1-7", "pci1/2:7", 6, 8);
    CHECK(event(EV_SELECT_VM) != NULL);
    unplug("1-7");
    plug_at("2-7", "pci/2:7", 7, 8);
    CHECK(op(OP_ATTACH, 1) != NULL);
}

static void flapping_is_of_the_connector(void) {
    begin_at();
    int told = 0;
    for (int i = 0; i < 100; i++) {
        bool other = i % 2 != 0;
        wait_ms(10);
        plug_at(other ? "2-5" : "1-2", other ? "pci/3:5" : "pci/2:2", 10 + i % 50, 4);
        told += action(ACT_FLAPS) != NULL;
        wait_ms(10);
        unplug(other ? "2-5" : "1-2");
    }
    CHECK_INT(told, 1);
    plug_at("1-2", "pci/2:2", 5, 3);
    CHECK(core.slot[slot_find(&core, "1-2")].hold_until != 0);
}

/* An earlier version has written the name in sysfs. It is bound to the connector the first time it is found there. */
static void an_earlier_versions_entry_is_bound_to_the_connector(void) {
    static const char text[] = "{\"disconnected_devices\": [\"usb-1234:0003:None\"], \"devices\": [{\"id\": "
                               "\"usb-1234:0003:None\", \"port\": \"1-2\", \"disconnected_by\": \"admin\"}]}";
    static char file[VH_STATE_MAX];
    unsigned dropped = 0;
    char why[VH_TEXT_MAX] = "";
    struct sbuf sb;
    begin_at();
    core.persist = true;
    CHECK(state_format_parse(&core.remembered, text, sizeof text - 1, "boot", &dropped, why, sizeof why));
    plug_at("1-3", "pci/2:3", 5, 3);
    CHECK(!core.slot[0].disconnected && action(ACT_SAVE) == NULL);
    plug_at("1-2", "pci/2:2", 6, 3);
    CHECK(core.slot[1].disconnected && action(ACT_SAVE) != NULL);
    sb_init(&sb, file, sizeof file);
    state_format_print(&core.remembered, "boot", &sb);
    CHECK(sb_ok(&sb) && strstr(file, "\"connector\": \"pci/2:2\"") != NULL && strstr(file, "\"port\"") == NULL);
    saved(true);
    unplug("1-2");
    plug_at("1-2", "pci1/2:2", 7, 3); /* bus 1 is another one now */
    CHECK(!core.slot[1].disconnected);
    plug_at("2-2", "pci/2:2", 8, 3);
    CHECK(core.slot[2].disconnected);
    memset(&core.remembered, 0, sizeof core.remembered);
    CHECK(state_format_parse(&core.remembered, file, strlen(file), "boot", &dropped, why, sizeof why));
    CHECK_STR(core.remembered.m[0].port, "pci/2:2");
}

/* What is no path is kept as it is written, and holds as an entry of an older daemon does. */
static void a_connector_in_the_file_is_a_path(void) {
    static const char text[] = "{\"disconnected_devices\": [\"usb-1234:0003:None\"], \"devices\": [{\"id\": "
                               "\"usb-1234:0003:None\", \"connector\": \"front\", \"disconnected_by\": \"admin\"}]}";
    unsigned dropped = 0;
    char why[VH_TEXT_MAX] = "";
    begin_at();
    CHECK(state_format_parse(&core.remembered, text, sizeof text - 1, "boot", &dropped, why, sizeof why));
    CHECK_INT(state_format_kept(&core.remembered), 1);
    plug_at("1-2", "pci/2:2", 5, 3);
    CHECK(core.slot[0].disconnected);
}

static bool named(const char *connector, enum request_kind kind, const char *error) {
    struct request r = {.kind = kind, .client = {3, 9}, .who = {.role = ROLE_ADMIN}, .sel = {.by_connector = true}};
    (void)snprintf(r.sel.connector, sizeof r.sel.connector, "%s", connector);
    struct fact f = {.kind = FACT_REQUEST, .request = &r};
    step(&f);
    if (error[0] != '\0')
        STARTS(refusal(), error);
    return op(OP_DETACH, 0) != NULL;
}

static void a_request_names_a_connector(void) {
    begin_at();
    plug_at("1-2", "pci/2:2", 5, 9); /* a hub */
    plug_at("1-2.1", "pci/2:2.1", 6, 3);
    done(0, OP_OK);
    CHECK(!named("rear", REQ_DETACH, "no connector 'rear' is configured, and it is no stable path"));
    CHECK(!named("pci/2:9", REQ_DETACH, "no such USB device: connector pci/2:9"));
    CHECK(named("front", REQ_DETACH, ""));
    done(0, OP_OK);
    CHECK(!named("pci/2:2", REQ_ATTACH, "ambiguous"));
    plug_at("1-2.2", "pci/2:2.2", 7, 3);
    done(0, OP_OK);
    CHECK(!named("front", REQ_DETACH, "ambiguous: /dev/bus/usb/001/006 (1-2.1, 1234:0003)"));
    CHECK(named("pci/2:2.2", REQ_DETACH, ""));
}

/* A reload may name, rename or join: the devices that are there are looked at anew. */
static void a_reload_changes_connectors(void) {
    char name[VH_STABLE_PATH_MAX];
    begin_at();
    plug_at("1-7", "pci/2:7", 5, 3);
    CHECK_INT(core.slot[0].dev.connector, -1);
    CHECK(op(OP_ATTACH, 0) == NULL);
    reload("{" VMS ", \"general\": {\"connectors\": [{\"name\": \"x\", \"ports\": [\"a/2:1\"]}, {\"name\": \"seven\", "
           "\"ports\": [\"pci/2:7\"]}]}, \"usbPassthrough\": [{\"targetVm\": \"a\", \"allow\": [{\"connector\": "
           "\"seven\"}]}]}");
    CHECK(op(OP_ATTACH, 0) != NULL);
    connector_name(core.conf, &core.slot[0].dev, name);
    CHECK_STR(name, "seven");
    done(0, OP_OK);
    reload("{" VMS "}");
    CHECK(op(OP_DETACH, 0) != NULL);
    CHECK_INT(core.slot[0].dev.connector, -1);
}

int main(void) {
    RUN(connectors_are_read);
    RUN(what_is_wrong_with_a_connector_is_said);
    RUN(what_is_wrong_with_an_entry_is_said);
    RUN(the_tables_have_ends);
    RUN(an_entry_that_is_taken_already_is_said);
    RUN(a_rule_names_a_connector_and_what_is_behind_it);
    RUN(a_rule_names_stable_paths_and_lists);
    RUN(a_connector_has_the_other_side_by_firmware);
    RUN(a_connector_restricts);
    RUN(the_innermost_connector_gives_the_name);
    RUN(both_sides_of_a_socket_are_one_port);
    RUN(a_port_of_another_configuration_is_known);
    RUN(several_sockets_of_one_name_are_several_ports);
    RUN(a_rule_holds_whatever_the_bus_numbers);
    RUN(a_decision_is_for_the_connector);
    RUN(a_selection_is_for_the_connector);
    RUN(flapping_is_of_the_connector);
    RUN(an_earlier_versions_entry_is_bound_to_the_connector);
    RUN(a_connector_in_the_file_is_a_path);
    RUN(a_request_names_a_connector);
    RUN(a_reload_changes_connectors);
    TEST_MAIN_END;
}
