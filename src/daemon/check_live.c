/*
 * check_live.c - compares where each device is, as the daemon that runs says, with where another configuration would
 * have it, as its rules say of what is in sysfs. Asks over the API like any client, for usb_list alone. Changes
 * nothing.
 *
 * What only the daemon knows counts as it is now: decisions, choices, and that a device is left alone.
 */
#include "daemon/check_live.h"

#include "base/limits.h"
#include "base/log.h"
#include "base/str.h"
#include "bus/device_pool.h"
#include "cli/cli_text.h"
#include "cli/cli_wire.h"
#include "codec/json.h"
#include "config/policy.h"
#include "daemon/device_worker.h"
#include "daemon/doctor_pci.h"
#include "daemon/evdev_unmet.h"
#include "os/clock.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

enum { ANSWER_MS = 15000, TOKENS_MAX = 1 << 18 }; /* far more than a list of VH_MAX_DEVICES has */

/* ---- the devices by the new rules ---- */

struct judged {
    char node[VH_NODE_MAX], sys_name[VH_SYSNAME_MAX];
    int rule; /* -1: none */
    bool hub;
    char why[VH_PROTECT_MAX + VH_MALFORMED_MAX]; /* it stays with the host in spite of its rule; "" if it does not */
};

static struct {
    const struct conf *conf;
    int n;
    struct judged judged[VH_MAX_DEVICES];
} host;

static void judge(const struct fact *f) {
    if (f->kind != FACT_DEVICE || host.n == VH_MAX_DEVICES) /* the daemon knows no more either */
        return;
    const struct device *d = f->device;
    struct judged *j = &host.judged[host.n++];
    *j = (struct judged){.rule = policy_rule(host.conf, d), .hub = str_eq(d->protect, "is a hub")};
    bool fits = str_copy(j->node, sizeof j->node, d->node) && str_copy(j->sys_name, sizeof j->sys_name, d->sys_name);
    VH_ASSERT(fits); /* the same bounds */
    if (d->malformed[0] != '\0')
        fits = str_fmt(j->why, sizeof j->why, "it is unclassifiable: %s", d->malformed);
    else if (d->protect[0] != '\0')
        fits = str_fmt(j->why, sizeof j->why, "it %s", d->protect);
    else if (d->unauthorised)
        fits = str_fmt(j->why, sizeof j->why, "it is not authorised");
    (void)fits; /* an explanation may be cut */
}

static const struct device *none_reported(const char *sys_name) {
    (void)sys_name;
    return NULL;
}

/* Here, not in a worker: it may wait. */
static void read_host(const struct conf *c, const struct bus *bus) {
    static const struct bus_calls calls = {.fact = judge, .reported = none_reported};
    host.conf = c;
    host.n = 0;
    (void)bus->start(&calls);
    device_workers_none();
    bus->scan(true);
    device_pool_tick(clock_now());
}

static const struct judged *find_judged(const struct json *j, int device) {
    for (int i = 0; i < host.n; i++) {
        if (json_string_is(j, json_get(j, device, "device_node"), host.judged[i].node) &&
            json_string_is(j, json_get(j, device, "sys_name"), host.judged[i].sys_name))
            return &host.judged[i];
    }
    return NULL;
}

/* ---- one device ---- */

static bool is_state(const struct json *j, int device, const char *state) {
    return json_string_is(j, json_get(j, device, "state"), state);
}

/* Text of devices and files must not steer the terminal. */
static void put_text(const char *s) {
    for (size_t at = 0, len = strlen(s), n = 0; at < len; at += n) {
        uint32_t c = 0;
        n = utf8_len(s + at, len - at, &c);
        if (n == 0 || utf8_steers(c))
            putchar('?');
        else
            (void)fwrite(s + at, 1, n, stdout); /* main() looks for errors of standard output */
        n += n == 0;
    }
}

static void put_member(const struct json *j, int device, const char *key) {
    static char text[VH_STRING_MAX];
    if (json_string(j, json_get(j, device, key), text, sizeof text))
        put_text(text);
}

static void put_rule(const struct conf *c, int rule, const char *how) {
    printf(", %s usbPassthrough[%d] (line %u", how, rule, (unsigned)c->rules[rule].line);
    if (c->rules[rule].description[0] != '\0') {
        printf(": ");
        put_text(c->rules[rule].description);
    }
    putchar(')');
}

/* core_view.c words the reason. */
static bool has_reason(const struct json *j, int device, const char *begin) {
    char reason[VH_ERROR_MAX] = "";
    (void)json_string(j, json_get(j, device, "reason"), reason, sizeof reason);
    return strncmp(reason, begin, strlen(begin)) == 0;
}

/* Why the device is kept from every VM, as it is now, whatever the rules say; NULL: it is not. */
static const char *kept(const struct json *j, int device) {
    if (text_true(j, device, "disconnected"))
        return "it is disconnected";
    if (has_reason(j, device, "suspended"))
        return "it is suspended";
    return has_reason(j, device, "detached by the guest") ? "its guest detached it" : NULL;
}

/* Was there at start without --attach-connected, and nobody has asked for it. */
static bool is_left_alone(const struct json *j, int device) {
    return has_reason(j, device, "was there before the daemon started");
}

/* Does the daemon mean it for this VM already, which has it not yet? */
static bool is_meant_for(const struct json *j, int device, const char *vm) {
    int allowed = json_get(j, device, "allowed_vms");
    return (is_state(j, device, "waiting") || is_state(j, device, "pending") || is_state(j, device, "failed")) &&
           json_size(j, allowed) == 1 && json_string_is(j, json_first(j, allowed), vm);
}

/* As core_target.c has it: who has it keeps it, if allowed. NULL: no VM, or none before somebody chooses. */
static const char *target(const struct conf *c, const struct rule *r, const char *now) {
    for (int i = 0; i < r->nvms; i++) {
        if (str_eq(c->vms[r->vms[i]].name, now))
            return c->vms[r->vms[i]].name;
    }
    return r->single && r->nvms > 0 ? c->vms[r->vms[0]].name : NULL;
}

static void put_place(bool changes, const char *now, const char *then) {
    if (changes) {
        put_text(now[0] != '\0' ? now : "host");
        printf(" -> ");
    }
    put_text(then);
}

static void put_choice(const struct conf *c, const struct rule *r) {
    printf(" until somebody chooses ");
    for (int i = 0; i < r->nvms; i++) {
        printf("%s", i == 0 ? "" : i == r->nvms - 1 ? " or " : ", ");
        put_text(c->vms[r->vms[i]].name);
    }
}

/* Prints where it would be. True if that is elsewhere. */
static bool compare(const struct conf *c, const struct json *j, int device, const struct judged *d) {
    char now[VH_NAME_MAX] = "";
    (void)json_string(j, json_get(j, device, "vm"), now, sizeof now);
    const struct rule *r = d->rule >= 0 ? &c->rules[d->rule] : NULL;
    const char *stays = d->why[0] != '\0' ? d->why : now[0] == '\0' ? kept(j, device) : NULL;
    bool foreign = text_true(j, device, "foreign");
    if (stays == NULL && r == NULL)
        stays = "no rule applies";
    const char *vm = foreign ? now : stays == NULL ? target(c, r, now) : NULL;
    bool waits = vm != NULL && now[0] == '\0' && (is_left_alone(j, device) || is_meant_for(j, device, vm));
    bool changes = !waits && !str_eq(vm != NULL ? vm : "", now);
    printf("%c %-8s ", changes ? '*' : ' ', d->sys_name);
    put_member(j, device, "vid");
    putchar(':');
    put_member(j, device, "pid");
    putchar(' ');
    put_member(j, device, "vendor_name");
    putchar(' ');
    put_member(j, device, "product_name");
    printf(": ");
    put_place(changes, now, waits || vm == NULL ? "host" : vm);
    if (foreign)
        printf(", since somebody else attached it there");
    else if (stays != NULL)
        printf(", since %s", stays);
    else if (waits)
        printf(is_left_alone(j, device) ? ", left alone until it is asked for; then %s" : ", waits for %s", vm);
    else if (vm == NULL && r->nvms > 0)
        put_choice(c, r);
    if (r != NULL)
        put_rule(c, d->rule, stays != NULL || foreign ? "in spite of" : "by");
    putchar('\n');
    return changes;
}

/* ---- all of them ---- */

static int compare_all(const struct conf *c, const struct json *j) {
    int n = 0, changed = 0, list = json_get(j, 0, "usb_devices");
    if (!json_string_is(j, json_get(j, 0, "result"), "ok") || json_type(j, list) != JSON_ARRAY) {
        fputs("vhotplug: the daemon does not list its devices: ask as root\n", stderr);
        return -1;
    }
    for (int t = json_first(j, list); t >= 0; t = json_next(j, t)) {
        const struct judged *d = find_judged(j, t);
        if (d == NULL || d->hub) /* unplugged meanwhile; hubs go to no VM */
            continue;
        changed += compare(c, j, t, d);
        n++;
    }
    check_live_pci(c);
    printf("%d device%s, %d would change\n", n, n == 1 ? "" : "s", changed);
    return changed;
}

/* Rules of input devices move nothing yet; one that fits nothing here is said, as it may be a slip. */
static void put_unmet(const struct conf *c) {
    evdev_unmet_read();
    for (int i = 0; i < c->nevdev_rules; i++) {
        if (!evdev_unmet(c, i))
            continue;
        printf("evdevPassthrough[%d] (line %u", i, (unsigned)c->evdev_rules[i].line);
        if (c->evdev_rules[i].description[0] != '\0') {
            printf(": ");
            put_text(c->evdev_rules[i].description);
        }
        printf(") decides for no input device of this host\n");
    }
}

static int understand(const struct conf *c, const char *line, size_t len) {
    struct json j;
    struct json_error err;
    size_t size = sizeof(jsmntok_t) * (size_t)TOKENS_MAX;
    jsmntok_t *tok = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (tok == MAP_FAILED) {
        fputs("vhotplug: no memory for the daemon's answer\n", stderr);
        return -1;
    }
    bool parsed = json_parse(&j, line, len, tok, TOKENS_MAX, &err);
    int changed = parsed ? compare_all(c, &j) : -1;
    if (!parsed)
        fputs("vhotplug: what listens there is no vhotplug\n", stderr);
    (void)munmap(tok, size);
    return changed;
}

int check_live(const struct conf *c, const struct bus *bus, const char *path) {
    static const char request[] = "{\"action\": \"usb_list\", \"all\": true}\n";
    const struct cli_target at = {.transport = CLI_UNIX, .path = path};
    char why[VH_ERROR_MAX];
    const char *line = NULL;
    size_t len = 0;
    int changed = -1;
    if (!cli_connect(&at, why, sizeof why)) {
        fprintf(stderr, "vhotplug: no daemon to compare with: %s (--live=SOCKET names another)\n", why);
        return -1;
    }
    if (cli_send(request, sizeof request - 1, why, sizeof why) &&
        cli_receive(&line, &len, ANSWER_MS, why, sizeof why)) {
        read_host(c, bus);
        changed = understand(c, line, len);
        if (changed >= 0)
            put_unmet(c);
    } else {
        fprintf(stderr, "vhotplug: the daemon at %s does not answer: %s\n", path, why);
    }
    cli_close();
    return changed;
}
