/*
 * core_story.h - what stories about the core are told with: plugs, VMs that answer, requests, and what came of a step.
 * Included once by each test program of the core.
 */
#include "config/conf.h"
#include "core/core.h"
#include "core/core_internal.h"
#include "test.h"

#include <stdlib.h>

static struct conf conf;
static struct core core;
static struct actions out;
static int64_t now;
static struct device dev;

__attribute__((unused)) static void no_diag(const struct diag *d, void *arg) {
    (void)arg;
    if (d->level == DIAG_ERROR)
        printf("# %u:%u %s: %s\n", d->line, d->column, d->path, d->text);
}

/* hid: one VM; stick: two VMs to choose from; skip: not suspended. */
static const char text[] =
    "{\"vms\": [{\"name\": \"a\", \"type\": \"qemu\", \"socket\": \"/run/a\"}, {\"name\": \"b\", \"type\": \"qemu\", "
    "\"socket\": \"/run/b\"}],"
    " \"usbPassthrough\": ["
    "{\"description\": \"hid\", \"targetVm\": \"a\", \"tag\": \"input\", \"allow\": [{\"interfaceClass\": 3}]},"
    "{\"description\": \"stick\", \"allowedVms\": [\"a\", \"b\"], \"tag\": \"disk\", \"allow\": [{\"interfaceClass\": "
    "8}]},"
    "{\"description\": \"skip\", \"targetVm\": \"b\", \"skipOnSuspend\": true, \"allow\": [{\"interfaceClass\": "
    "14}]}]}";

__attribute__((unused)) static void begin(bool attach_connected) {
    if (conf.nvms == 0 && !conf_parse(&conf, text, sizeof text - 1, no_diag, NULL))
        exit(1);
    memset(&core, 0, sizeof core);
    core_init(&core, &conf, attach_connected);
    now = 0;
}

__attribute__((unused)) static void step(const struct fact *f) {
    const char *why = "";
    core_step(&core, f, now, &out);
    if (!core_check(&core, &why)) {
        test_ok = false;
        printf("# broken: %s\n", why);
    }
}

__attribute__((unused)) static void vm_fact_of(enum fact_kind kind, int vm) {
    struct fact f = {.kind = kind, .vm = vm};
    step(&f);
}

/* The next action of a kind, from *from on; NULL if there is none. */
__attribute__((unused)) static const struct action *action(enum action_kind kind) {
    for (int i = 0; i < out.n; i++) {
        if (out.a[i].kind == kind)
            return &out.a[i];
    }
    return NULL;
}

__attribute__((unused)) static const struct action *event(enum event_kind kind) {
    for (int i = 0; i < out.n; i++) {
        if (out.a[i].kind == ACT_EVENT && out.a[i].event == kind)
            return &out.a[i];
    }
    return NULL;
}

__attribute__((unused)) static const struct action *op(enum op_kind kind, int vm) {
    for (int i = 0; i < out.n; i++) {
        if (out.a[i].kind == ACT_OP && out.a[i].op.kind == kind && out.a[i].vm == vm)
            return &out.a[i];
    }
    return NULL;
}

__attribute__((unused)) static void done_with(int vm, enum op_status status, const char *why,
                                              const struct vmm_found *found, int n) {
    struct op_result r = {
        .serial = core.vm[vm].op_serial, .vm = vm, .status = status, .found = found, .nfound = (uint16_t)n};
    snprintf(r.text, sizeof r.text, "%s", why);
    struct fact f = {.kind = FACT_OP_DONE, .op = &r};
    step(&f);
}

__attribute__((unused)) static void done(int vm, enum op_status status) {
    done_with(vm, status, status == OP_OK ? "" : "it said no", NULL, 0);
}

__attribute__((unused)) static void vm_up(int vm) {
    vm_fact_of(FACT_VM_SOCKET, vm);
    CHECK(op(OP_LIST, vm) != NULL);
    done(vm, OP_OK);
}

__attribute__((unused)) static void plug_as(const char *name, int devnum, uint8_t cls, bool settled, bool coldplug) {
    static uint64_t incarnation;
    memset(&dev, 0, sizeof dev);
    dev.incarnation = ++incarnation;
    snprintf(dev.sys_name, sizeof dev.sys_name, "%s", name);
    snprintf(dev.port_path, sizeof dev.port_path, "%s", strchr(name, '-') + 1);
    snprintf(dev.node, sizeof dev.node, "/dev/bus/usb/001/%03d", devnum);
    snprintf(dev.vendor_name, sizeof dev.vendor_name, "V");
    snprintf(dev.product_name, sizeof dev.product_name, "P");
    snprintf(dev.serial, sizeof dev.serial, "S%s", name);
    dev.vid = 0x1234;
    dev.pid = cls;
    dev.busnum = 1;
    dev.devnum = (uint8_t)devnum;
    dev.settled = settled;
    dev.nifaces = 1;
    dev.ifaces[0].cls = cls;
    struct fact f = {.kind = FACT_DEVICE, .device = &dev, .coldplug = coldplug};
    step(&f);
}

__attribute__((unused)) static void plug(const char *name, int devnum, uint8_t cls) {
    plug_as(name, devnum, cls, true, false);
}

__attribute__((unused)) static void unplug(const char *name) {
    struct fact f = {.kind = FACT_GONE, .sys_name = name};
    step(&f);
}

/* Whatever is being reset has been. */
__attribute__((unused)) static void released(void) {
    for (int i = 0; i < core.used; i++) {
        struct fact f = {.kind = FACT_RELEASED, .token = core.slot[i].plug};
        if (core.slot[i].state == SLOT_PRESENT && core.slot[i].releasing)
            step(&f);
    }
}

__attribute__((unused)) static void saved(bool ok) {
    struct fact f = {.kind = FACT_SAVED, .ok = ok, .text = ok ? "" : "/state: No space left on device"};
    CHECK(action(ACT_SAVE) != NULL);
    step(&f);
}

__attribute__((unused)) static void wait_ms(int64_t ms) {
    now += ms * VH_NSEC_PER_MSEC;
    struct fact f = {.kind = FACT_TIME};
    step(&f);
}

__attribute__((unused)) static void ask_as(enum role role, enum request_kind kind, int devnum, const char *vm) {
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

__attribute__((unused)) static void ask_tag(enum role role, enum request_kind kind, const char *tag) {
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

__attribute__((unused)) static void ask(enum request_kind kind, int devnum, const char *vm) {
    ask_as(ROLE_ADMIN, kind, devnum, vm);
}

__attribute__((unused)) static bool replied(bool ok) {
    const struct action *a = action(ACT_REPLY);
    return a != NULL && a->ok == ok && a->client.index == 3 && a->client.gen == 9;
}

__attribute__((unused)) static const char *error(void) {
    const struct action *a = action(ACT_REPLY);
    return a != NULL && !a->ok ? out.texts[a->text] : "(no failure)";
}

__attribute__((unused)) static struct conf *other_conf(const char *json) {
    static struct conf c[2];
    static int turn;
    struct conf *fresh = &c[turn++ % 2];
    if (!conf_parse(fresh, json, strlen(json), no_diag, NULL))
        exit(1);
    return fresh;
}

/* Another configuration; its VMs get the rows that conf_align gives them. */
__attribute__((unused)) static void reload(const char *json) {
    vm_set busy = 0;
    for (int v = 0; v < core.conf->nvms; v++)
        busy |= (vm_set)core_vm_in_use(&core, v) << v;
    struct conf *fresh = other_conf(json);
    CHECK(conf_align(fresh, core.conf, busy));
    struct fact f = {.kind = FACT_RELOAD, .conf = fresh};
    step(&f);
}

#define VM(name) "{\"name\": \"" name "\", \"type\": \"qemu\", \"socket\": \"/run/" name "\"}"
