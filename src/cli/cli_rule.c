/*
 * cli_rule.c - a rule of the configuration for a device that is there. Prints the rule on standard output, and on
 * standard error what else that is plugged in the rule would match.
 */
#include "base/limits.h"
#include "base/str.h"
#include "cli/cli_ask.h"
#include "cli/cli_call.h"
#include "cli/cli_device.h"
#include "cli/cli_kind.h"
#include "cli/cli_match.h"
#include "cli/cli_show.h"
#include "cli/cli_text.h"

#include <stdio.h>
#include <string.h>

/* What the rule knows the device by. */
struct entry {
    char vid[8], pid[8], serial[VH_STRING_MAX]; /* "": does not count */
    char connector[VH_STABLE_PATH_MAX];         /* likewise; then nothing else counts */
    bool by_class, of_device;                   /* of an interface, or the device's own */
    int class[3];                               /* -1: does not count */
};

enum by { BY_SERIAL, BY_MODEL, BY_CLASS, BY_CONNECTOR, BYS };
static const char *const names[BYS] = {"serial", "model", "class", "connector"};

static const char *interfaces_of(const struct json *j, int d, char *dst, size_t cap) {
    return text_get(j, d, "interfaces", dst, cap);
}

static void device_class(const struct json *j, int d, int class[3]) {
    static const char keys[][16] = {"device_class", "device_subclass", "device_protocol"};
    for (int i = 0; i < 3; i++) {
        int64_t v = -1;
        (void)json_int(j, json_get(j, d, keys[i]), 0, 255, &v);
        class[i] = (int)v;
    }
}

static bool has_class(const struct json *j, int d, const struct entry *e) {
    char interfaces[VH_MAX_IFACES * 7 + 2];
    int own[3];
    if (!e->of_device)
        return kind_has(interfaces_of(j, d, interfaces, sizeof interfaces), e->class);
    device_class(j, d, own);
    return own[0] == e->class[0] && own[1] == e->class[1] && own[2] == e->class[2];
}

/* Of a list of what is at the connector, if the entry has one. */
static bool matches(const struct json *j, int d, const struct entry *e) {
    if (e->connector[0] != '\0')
        return true;
    if (e->by_class)
        return has_class(j, d, e);
    return json_string_is(j, json_get(j, d, "vid"), e->vid) && json_string_is(j, json_get(j, d, "pid"), e->pid) &&
           (e->serial[0] == '\0' || json_string_is(j, json_get(j, d, "serial"), e->serial));
}

/* False, after saying so, if the device has nothing of that. */
static bool describe(const struct json *j, int d, enum by by, struct entry *e) {
    char interfaces[VH_MAX_IFACES * 7 + 2];
    (void)text_get(j, d, "vid", e->vid, sizeof e->vid);
    (void)text_get(j, d, "pid", e->pid, sizeof e->pid);
    if (by == BY_SERIAL && text_get(j, d, "serial", e->serial, sizeof e->serial)[0] == '\0') {
        (void)text_failed("no serial number of the device is known: take --by model");
        return false;
    }
    if (by == BY_CONNECTOR && text_get(j, d, "connector", e->connector, sizeof e->connector)[0] == '\0') {
        (void)text_failed("the daemon knows no connector of the device");
        return false;
    }
    if (by != BY_CLASS)
        return true;
    e->by_class = true;
    if (kind_class(interfaces_of(j, d, interfaces, sizeof interfaces), e->class))
        return true;
    e->of_device = true;
    device_class(j, d, e->class);
    return true;
}

static void print_json(const char *s) {
    char text[6 * VH_STRING_MAX + 3];
    struct sbuf sb; /* each byte takes six at most */
    sb_init(&sb, text, sizeof text);
    sb_json(&sb, s);
    fputs(text, stdout);
}

static void print_entry(const struct entry *e) {
    static const char *const keys[2][3] = {{"interfaceClass", "interfaceSubclass", "interfaceProtocol"},
                                           {"deviceClass", "deviceSubclass", "deviceProtocol"}};
    const char *between = "";
    if (e->connector[0] != '\0') {
        fputs("\"connector\": ", stdout);
        print_json(e->connector);
        return;
    }
    if (!e->by_class)
        printf("\"vendorId\": \"%s\", \"productId\": \"%s\"", e->vid, e->pid);
    for (int i = 0; e->by_class && i < 3; i++) {
        if (e->class[i] < 0)
            continue;
        printf("%s\"%s\": %d", between, keys[e->of_device][i], e->class[i]);
        between = ", ";
    }
    if (e->serial[0] != '\0') {
        fputs(", \"serial\": ", stdout);
        print_json(e->serial);
    }
}

/* --vm, else the VMs that may have the device now. */
static void print_target(const struct call *c, const struct json *j, int d) {
    char vm[VH_NAME_MAX];
    int allowed = json_get(j, d, "allowed_vms");
    const char *between = "\"allowedVms\": [";
    if (c->value[F_VM] != NULL || json_size(j, allowed) == 1) {
        fputs("\"targetVm\": ", stdout);
        print_json(c->value[F_VM] != NULL ? c->value[F_VM] : text_of(j, json_first(j, allowed), vm, sizeof vm));
        return;
    }
    for (int a = json_first(j, allowed); a >= 0; a = json_next(j, a)) {
        fputs(between, stdout);
        print_json(text_of(j, a, vm, sizeof vm));
        between = ", ";
    }
    putchar(']');
}

/* What else it would match, hubs left out: no rule gives them to a VM. */
static void say_others(const struct json *j, const char *sys_name, const struct entry *e) {
    char text[DEVICE_TEXT];
    int n = 0;
    for (int o = json_first(j, json_get(j, 0, "usb_devices")); o >= 0; o = json_next(j, o)) {
        if (json_string_is(j, json_get(j, o, "sys_name"), sys_name) || !matches(j, o, e) ||
            str_eq(device_kind(j, o, text), "hub"))
            continue;
        fputs(n++ == 0 ? "It would match these as well:\n  " : "  ", stderr);
        text_safe(stderr, text_get(j, o, "sys_name", text, sizeof text));
        fputc(' ', stderr);
        text_safe(stderr, device_name(j, o, text));
        fputc('\n', stderr);
    }
    if (n == 0)
        fputs("It matches nothing else that is plugged in now.\n", stderr);
}

/* The list that the rule is held against: of all devices, or of those at its connector. */
static bool ask_others(const struct entry *e, struct json *j) {
    char line[VH_LINE_MAX], why[VH_ERROR_MAX];
    const struct call at = {.given = e->connector[0] != '\0' ? BIT(F_CONNECTOR) : 0,
                            .value[F_CONNECTOR] = e->connector};
    struct sbuf sb; /* a connector's name is short */
    sb_init(&sb, line, sizeof line);
    request_list(&at, &sb);
    if (ask_daemon(line, NULL, j, why) == CLI_OK)
        return true;
    (void)text_failed(why);
    return false;
}

static int print_rule(const struct call *c, struct json *j, int d, enum by by) {
    char text[DEVICE_TEXT], sys_name[VH_SYSNAME_MAX];
    struct entry e = {.by_class = false};
    if (str_eq(device_kind(j, d, text), "hub"))
        return text_failed("the device is a hub, which no rule gives to a VM");
    if (c->value[F_VM] == NULL && json_size(j, json_get(j, d, "allowed_vms")) == 0)
        return text_failed("no rule gives the device to a VM yet: name the VM by --vm");
    if (!describe(j, d, by, &e))
        return CLI_FAILED;
    fputs("{\"description\": ", stdout);
    print_json(device_name(j, d, text));
    fputs(",\n ", stdout);
    print_target(c, j, d);
    fputs(",\n \"allow\": [{", stdout);
    print_entry(&e);
    puts("}]}");
    (void)text_get(j, d, "sys_name", sys_name, sizeof sys_name);
    bool all = e.connector[0] == '\0' && (c->given & BIT(F_CONNECTOR)) == 0; /* the list that was asked first */
    if (!all && !ask_others(&e, j))
        return CLI_FAILED;
    say_others(j, sys_name, &e);
    return CLI_OK;
}

int rule_for(const struct call *c) {
    char why[VH_ERROR_MAX], serial[VH_STRING_MAX], line[VH_LINE_MAX];
    struct json j;
    struct sbuf sb;
    struct command_guess guess = {.word = c->value[F_BY]};
    int by = BYS;
    for (int i = 0; c->value[F_BY] != NULL && i < BYS; i++) {
        command_consider(&guess, names[i]);
        by = str_eq(c->value[F_BY], names[i]) ? i : by;
    }
    if (c->value[F_BY] != NULL && by == BYS && guess.best != NULL)
        return command_usage(c->command, "no such --by '%s': did you mean '%s'?", guess.word, guess.best);
    if (c->value[F_BY] != NULL && by == BYS)
        return command_usage(c->command, "no such --by '%s': expected serial, model, class or connector", guess.word);
    sb_init(&sb, line, sizeof line);
    request_list(c, &sb);
    if (!sb_ok(&sb))
        return text_failed("the connector's name is too long");
    if (!cli_connect(&c->target, why, sizeof why) || ask_daemon(line, NULL, &j, why) != CLI_OK)
        return text_failed(why);
    int d = match_first(c, &j), more = d >= 0 ? match_next(c, &j, json_next(&j, d)) : -1;
    if (d < 0)
        return text_failed("no such USB device");
    if (more >= 0)
        return text_failed("several devices fit: name one of them by its place, as 1-2.3");
    if (by == BYS)
        by = text_get(&j, d, "serial", serial, sizeof serial)[0] != '\0' ? BY_SERIAL : BY_MODEL;
    return print_rule(c, &j, d, (enum by)by);
}
