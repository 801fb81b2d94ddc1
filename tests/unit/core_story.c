/*
 * core_story.c - the core of a test program and the facts that a test gives it. Owns the core, its configuration, its
 * clock and the actions of the last step; decides nothing that the core decides.
 */
#include "core_story.h"

#include "devices.h"

#include <stdlib.h>

struct conf conf;
struct core core;
struct actions out;
int64_t now;
struct device dev;

void no_diag(const struct diag *d, void *arg) {
    (void)arg;
    if (d->level == DIAG_ERROR)
        printf("# %u:%u %s: %s\n", d->line, d->column, d->path, d->text);
}

static const char text[] = "{\"vms\": [" VM("a") ", " VM(
    "b") "],"
         " \"usbPassthrough\": ["
         "{\"description\": \"hid\", \"targetVm\": \"a\", \"tag\": \"input\", \"allow\": [{\"interfaceClass\": 3}]},"
         "{\"description\": \"stick\", \"allowedVms\": [\"a\", \"b\"], \"tag\": \"disk\", \"allow\": "
         "[{\"interfaceClass\": "
         "8}]},"
         "{\"description\": \"skip\", \"targetVm\": \"b\", \"skipOnSuspend\": true, \"allow\": [{\"interfaceClass\": "
         "14}]}]}";

void begin(bool attach_connected) {
    if (conf.nvms == 0 && !conf_parse(&conf, text, sizeof text - 1, no_diag, NULL))
        exit(1);
    memset(&core, 0, sizeof core);
    core_init(&core, &conf, attach_connected);
    now = 0;
}

void step(const struct fact *f) {
    const char *why = "";
    core_step(&core, f, now, &out);
    if (!core_check(&core, &why)) {
        test_ok = false;
        printf("# broken: %s\n", why);
    }
}

void vm_fact_of(enum fact_kind kind, int vm) {
    struct fact f = {.kind = kind, .vm = vm};
    step(&f);
}

const struct action *action(enum action_kind kind) {
    for (int i = 0; i < out.n; i++) {
        if (out.a[i].kind == kind)
            return &out.a[i];
    }
    return NULL;
}

const struct action *event(enum event_kind kind) {
    for (int i = 0; i < out.n; i++) {
        if (out.a[i].kind == ACT_EVENT && out.a[i].event == kind)
            return &out.a[i];
    }
    return NULL;
}

const struct action *op(enum op_kind kind, int vm) {
    for (int i = 0; i < out.n; i++) {
        if (out.a[i].kind == ACT_OP && out.a[i].op.kind == kind && out.a[i].vm == vm)
            return &out.a[i];
    }
    return NULL;
}

void done_with(int vm, enum op_status status, const char *why, const struct vmm_found *found, int n) {
    struct op_result r = {
        .serial = core.vm[vm].op_serial, .vm = vm, .status = status, .found = found, .nfound = (uint16_t)n};
    snprintf(r.text, sizeof r.text, "%s", why);
    struct fact f = {.kind = FACT_OP_DONE, .op = &r};
    step(&f);
}

void done(int vm, enum op_status status) {
    done_with(vm, status, status == OP_OK ? "" : "it said no", NULL, 0);
}

void vm_up(int vm) {
    vm_fact_of(FACT_VM_SOCKET, vm);
    CHECK(op(OP_LIST, vm) != NULL);
    done(vm, OP_OK);
}

void plug_as(const char *name, int devnum, uint8_t cls, bool settled, bool coldplug) {
    static uint64_t incarnation;
    static char serial[1 + VH_SYSNAME_MAX];
    device_make(&dev, name, 1, (unsigned)devnum, cls);
    dev.incarnation = ++incarnation;
    snprintf(serial, sizeof serial, "S%s", name);
    dev.serial = serial;
    dev.settled = settled;
    struct fact f = {.kind = FACT_DEVICE, .device = &dev, .coldplug = coldplug};
    step(&f);
}

void plug(const char *name, int devnum, uint8_t cls) {
    plug_as(name, devnum, cls, true, false);
}

void unplug(const char *name) {
    struct fact f = {.kind = FACT_GONE, .sys_name = name};
    step(&f);
}

void read_again(bool claimed) {
    for (int i = 0; i < core.used; i++) {
        struct device d = core.slot[i].dev;
        struct fact f = {.kind = FACT_DEVICE, .device = &d};
        d.claimed = claimed;
        if (core.slot[i].state == SLOT_PRESENT && core.slot[i].look == LOOK_UNDER_WAY)
            step(&f);
    }
}

void released(void) {
    for (int i = 0; i < core.used; i++) {
        struct fact f = {.kind = FACT_RELEASED, .token = core.slot[i].plug};
        if (core.slot[i].state == SLOT_PRESENT && core.slot[i].releasing)
            step(&f);
    }
}

void saved(bool ok) {
    struct fact f = {.kind = FACT_SAVED, .ok = ok, .text = ok ? "" : "/state: No space left on device"};
    CHECK(action(ACT_SAVE) != NULL);
    step(&f);
}

void wait_ms(int64_t ms) {
    now += ms * VH_NSEC_PER_MSEC;
    struct fact f = {.kind = FACT_TIME};
    step(&f);
}

void ask_as(enum role role, enum request_kind kind, int devnum, const char *vm) {
    static struct request r;
    memset(&r, 0, sizeof r);
    r.kind = kind;
    r.client = (struct client_ref){.index = 3, .gen = 9};
    r.who.role = role;
    snprintf(r.vm, sizeof r.vm, "%s", vm);
    if (devnum > 0) {
        r.sel.by_node = true;
        r.sel.node_bus = 1;
        r.sel.node_dev = (uint8_t)devnum;
    }
    struct fact f = {.kind = FACT_REQUEST, .request = &r};
    step(&f);
}

void ask_tag(enum role role, enum request_kind kind, const char *tag) {
    static struct request r;
    memset(&r, 0, sizeof r);
    r.kind = kind;
    r.client = (struct client_ref){.index = 3, .gen = 9};
    r.who.role = role;
    r.sel.by_tag = true;
    snprintf(r.sel.tag, sizeof r.sel.tag, "%s", tag);
    struct fact f = {.kind = FACT_REQUEST, .request = &r};
    step(&f);
}

void ask(enum request_kind kind, int devnum, const char *vm) {
    ask_as(ROLE_ADMIN, kind, devnum, vm);
}

bool replied(bool ok) {
    const struct action *a = action(ACT_REPLY);
    return a != NULL && a->ok == ok && a->client.index == 3 && a->client.gen == 9;
}

const char *refusal(void) {
    const struct action *a = action(ACT_REPLY);
    return a != NULL && !a->ok ? out.texts[a->text] : "(no failure)";
}

struct conf *other_conf(const char *json) {
    static struct conf c[2];
    static int turn;
    struct conf *fresh = &c[turn++ % 2];
    if (!conf_parse(fresh, json, strlen(json), no_diag, NULL))
        exit(1);
    return fresh;
}

void reload(const char *json) {
    vm_set busy = 0;
    for (int v = 0; v < core.conf->nvms; v++)
        busy |= (vm_set)core_vm_in_use(&core, v) << v;
    struct conf *fresh = other_conf(json);
    CHECK(conf_align(fresh, core.conf, busy));
    struct fact f = {.kind = FACT_RELOAD, .conf = fresh};
    step(&f);
}

const char *reason_of(const struct slot *s) {
    static char words[VH_ERROR_MAX];
    struct sbuf sb;
    sb_init(&sb, words, sizeof words);
    core_reason(&core, s, &sb);
    CHECK(sb_ok(&sb));
    return words;
}
