/*
 * sim.c - the core in a simulated world: millions of seeded random facts with faults, invariants after every step.
 *
 * The world has ports with devices, VMs that really hold devices (so that a device in two VMs is seen even if the core
 * does not see it), monitors that are busy, die or lose answers, uevents that get lost, and clients that ask for
 * anything. From time to time the faults stop and the world must come to rest with every device where policy says.
 *
 * sim [-s SEED] [-n SEEDS] [-f FACTS] [-v]: runs SEEDS seeds from SEED on, FACTS facts each. A failure names the seed
 * and the step; the same seed replays it exactly (-v prints every step).
 */
#include "conf.h"
#include "core.h"
#include "core_parts.h"
#include "limits.h"
#include "str.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PORTS 24
#define VMS 6
#define CLIENTS 8
#define HOLDS 64

/* ---- the world ---- */

struct port {
    bool present;
    struct device dev;
};

struct hold { /* a device id inside a VM, with the plug it really is */
    bool used;
    uint8_t bus, dev;
    uint64_t incarnation;
};

struct world_vm {
    bool alive, busy;
    struct hold hold[HOLDS];
    struct vmm_op op; /* kind OP_NONE: none under way */
    uint64_t op_incarnation;
    bool executed; /* the effect has happened, the answer has not been given */
    uint32_t last_serial;
    bool waiting_in_line;
};

struct world_client {
    uint32_t gen;
    bool asked;
    struct request req;
};

static struct {
    uint64_t rng;
    int64_t now;
    uint64_t seed, step;
    uint64_t next_incarnation;
    int next_devnum;
    bool faults, verbose, coldplug;
    struct port port[PORTS];
    struct world_vm vm[VMS];
    struct world_client client[CLIENTS];
    struct core core;
    struct actions actions;
    uint64_t attaches, moves, requests, rests, lost;
} w;

static struct conf conf;

static _Noreturn void fail(const char *why) {
    fprintf(stderr, "seed %llu step %llu: %s\n", (unsigned long long)w.seed, (unsigned long long)w.step, why);
    for (int i = 0; i < w.core.used; i++) {
        const struct slot *s = &w.core.slot[i];
        if (s->state != SLOT_FREE)
            fprintf(stderr,
                    "  slot %d state %d %s inc %llu vm %d pick %d op %d@%d req %d->%d doubt %llx target %d rule %d\n",
                    i, s->state, s->dev.sys_name, (unsigned long long)s->dev.incarnation, s->vm, s->pick, s->op,
                    s->op_vm, s->req, s->req_vm, (unsigned long long)s->doubt, plan_target(&w.core, s), s->rule);
    }
    for (int v = 0; v < VMS; v++) {
        fprintf(stderr, "  vm %d core state %d busy %d op %d; world alive %d busy %d holds", v, w.core.vm[v].state,
                w.core.vm[v].busy, w.core.vm[v].op, w.vm[v].alive, w.vm[v].busy);
        for (int h = 0; h < HOLDS; h++) {
            if (w.vm[v].hold[h].used)
                fprintf(stderr, " %d-%d/%llu", w.vm[v].hold[h].bus, w.vm[v].hold[h].dev,
                        (unsigned long long)w.vm[v].hold[h].incarnation);
        }
        fprintf(stderr, "\n");
    }
    fprintf(stderr, "replay: sim -s %llu -n 1 -v\n", (unsigned long long)w.seed);
    exit(1);
}

static uint32_t rnd(uint32_t below) {
    w.rng ^= w.rng << 13;
    w.rng ^= w.rng >> 7;
    w.rng ^= w.rng << 17;
    return (uint32_t)((w.rng >> 11) % below);
}

static bool chance(uint32_t percent) {
    return rnd(100) < percent;
}

/* Faults happen only while they are on. */
static bool fault(uint32_t percent) {
    return w.faults && chance(percent);
}

static int holders(uint64_t incarnation) {
    int n = 0;
    for (int v = 0; v < VMS; v++) {
        for (int h = 0; h < HOLDS; h++)
            n += w.vm[v].alive && w.vm[v].hold[h].used && w.vm[v].hold[h].incarnation == incarnation;
    }
    return n;
}

static struct hold *hold_find(int v, uint8_t bus, uint8_t dev) {
    for (int h = 0; h < HOLDS; h++) {
        struct hold *x = &w.vm[v].hold[h];
        if (x->used && x->bus == bus && x->dev == dev)
            return x;
    }
    return NULL;
}

/* ---- checking actions ---- */

static void check_op(const struct action *a) {
    const struct slot *s = a->slot >= 0 ? &w.core.slot[a->slot] : NULL;
    if (w.vm[a->vm].op.kind != OP_NONE)
        fail("a second operation at one VM");
    if (a->op.kind != OP_ATTACH)
        return;
    if (s == NULL || s->state != SLOT_PRESENT)
        fail("attaching nothing");
    if (s->dev.protect[0] != '\0' || s->dev.malformed[0] != '\0' || s->hub)
        fail("attaching a device that stays with the host");
    if (s->rule < 0 || (conf.rules[s->rule].vm_mask >> a->vm & 1) == 0)
        fail("attaching against the rules");
    if (s->disconnected && s->req < 0)
        fail("attaching a disconnected device");
    if (s->suspended >= 0 && s->req < 0)
        fail("attaching a suspended device");
}

static void begin_op(const struct action *a) {
    struct world_vm *vm = &w.vm[a->vm];
    check_op(a);
    vm->op = a->op;
    vm->executed = false;
    vm->op_incarnation = 0;
    if (a->op.kind == OP_ATTACH)
        vm->op_incarnation = w.core.slot[a->slot].dev.incarnation;
}

static void check_detached(const struct request *r) {
    for (int p = 0; p < PORTS; p++) {
        const struct device *d = &w.port[p].dev;
        if (!w.port[p].present || !r->sel.by_node || d->busnum != r->sel.node_bus || d->devnum != r->sel.node_dev)
            continue;
        if (holders(d->incarnation) != 0)
            fail("a detach said ok and the device is still in a VM");
    }
}

static void reply(const struct action *a) {
    struct world_client *c = &w.client[a->client.index];
    if (a->client.gen != c->gen)
        return; /* the server would drop it */
    if (!c->asked)
        fail("a reply without a request");
    c->asked = false;
    if (a->kind == ACT_REPLY && a->ok && c->req.kind == REQ_DETACH)
        check_detached(&c->req);
    if (a->kind == ACT_REPLY && !a->ok && w.actions.texts[a->text][0] == '\0')
        fail("a failure without a reason");
}

static void step(const struct fact *f) {
    const char *why = "";
    if (w.verbose)
        printf("%llu: fact %d vm %d name %s op %d/%d\n", (unsigned long long)w.step, f->kind, f->vm,
               f->device     ? f->device->sys_name
               : f->sys_name ? f->sys_name
                             : "-",
               f->op ? (int)f->op->status : -1, f->op ? f->op->vm : -1);
    w.step++;
    core_step(&w.core, f, w.now, &w.actions);
    if (!core_check(&w.core, &why))
        fail(why);
    for (int i = 0; i < w.actions.n; i++) {
        const struct action *a = &w.actions.a[i];
        if (w.verbose)
            printf("   action %d event %d slot %d vm %d op %d %s\n", a->kind, a->event, a->slot, a->vm, a->op.kind,
                   a->op.id);
        if (a->kind == ACT_OP)
            begin_op(a);
        else if (a->kind == ACT_REPLY || a->kind == ACT_REPLY_LIST || a->kind == ACT_REPLY_VERSION)
            reply(a);
        else if (a->kind == ACT_EVENT && a->event == EV_ATTACHED)
            w.attaches++;
    }
}

/* ---- devices ---- */

/* Numbers are used again soon, so that ids in VMs meet newer devices of the same number. */
static uint8_t free_devnum(int bus) {
    for (;;) {
        int n = 1 + w.next_devnum++ % 20;
        bool used = false;
        for (int p = 0; p < PORTS; p++)
            used = used || (w.port[p].present && w.port[p].dev.busnum == bus && w.port[p].dev.devnum == n);
        if (!used)
            return (uint8_t)n;
    }
}

static void make_device(int p) {
    struct device *d = &w.port[p].dev;
    w.port[p].present = false;
    memset(d, 0, sizeof *d);
    d->incarnation = ++w.next_incarnation;
    snprintf(d->sys_name, sizeof d->sys_name, "%d-%d", 1 + p % 3, 1 + p / 3);
    snprintf(d->port_path, sizeof d->port_path, "%d", 1 + p / 3);
    d->busnum = (uint8_t)(1 + p % 3);
    d->devnum = free_devnum(d->busnum);
    w.port[p].present = true;
    snprintf(d->node, sizeof d->node, "/dev/bus/usb/%03d/%03d", d->busnum, d->devnum);
    d->root_port = (uint8_t)(1 + p / 3);
    d->vid = 0x1000;
    d->pid = (uint16_t)rnd(8);
    snprintf(d->vendor_name, sizeof d->vendor_name, "v");
    snprintf(d->product_name, sizeof d->product_name, "p");
    if (chance(50))
        snprintf(d->serial, sizeof d->serial, "S%u", rnd(6));
    d->settled = w.coldplug || chance(50);
    d->nifaces = 1;
    d->ifaces[0].cls = chance(4) ? 9 : 3;
    if (chance(3))
        snprintf(d->malformed, sizeof d->malformed, "bLength 0");
    if (chance(4))
        snprintf(d->protect, sizeof d->protect, "holds /boot");
}

static void tell_device(int p) {
    struct fact f = {.kind = FACT_DEVICE, .device = &w.port[p].dev, .coldplug = w.coldplug};
    step(&f);
}

static void tell_gone(const char *name) {
    struct fact f = {.kind = FACT_GONE, .sys_name = name};
    step(&f);
}

static void scan(void) {
    struct fact f = {.kind = FACT_SCAN_BEGIN, .coldplug = w.coldplug};
    step(&f);
    for (int p = 0; p < PORTS; p++) {
        if (w.port[p].present)
            tell_device(p);
    }
    f.kind = FACT_SCAN_END;
    step(&f);
}

/* A VM notices nothing of an unplug: the id stays in it. */
static void plug_event(void) {
    int p = (int)rnd(PORTS);
    bool was = w.port[p].present;
    char name[VH_SYSNAME_MAX];
    memcpy(name, w.port[p].dev.sys_name, sizeof name);
    if (was && chance(20)) { /* something about it changes */
        struct device *d = &w.port[p].dev;
        d->settled = true;
        if (chance(10) && holders(d->incarnation) == 0)
            snprintf(d->protect, sizeof d->protect, "%s", chance(50) ? "holds /boot" : "");
        tell_device(p);
        return;
    }
    w.port[p].present = false;
    if (was && !fault(15))
        tell_gone(name);
    if (!was || chance(30)) {
        make_device(p);
        if (fault(10))
            w.lost++;
        else
            tell_device(p);
    }
    if (chance(30))
        w.lost = 0, scan();
}

/* ---- VMs ---- */

static void done(int v, enum op_status status, const struct vmm_found *found, int n) {
    struct world_vm *vm = &w.vm[v];
    struct op_result r = {.serial = vm->op.serial, .vm = v, .status = status, .found = found, .nfound = (uint16_t)n};
    snprintf(r.text, sizeof r.text, "status %d", status);
    vm->last_serial = vm->op.serial;
    vm->op.kind = OP_NONE;
    struct fact f = {.kind = FACT_OP_DONE, .op = &r};
    step(&f);
    if (fault(5))
        step(&f); /* the same answer once more */
}

/* The effect, in the world. False if the VMM refuses. */
static bool execute(int v) {
    struct world_vm *vm = &w.vm[v];
    struct hold *h;
    vm->executed = true;
    switch (vm->op.kind) {
    case OP_ATTACH: {
        bool there = false;
        for (int p = 0; p < PORTS; p++)
            there = there || (w.port[p].present && w.port[p].dev.incarnation == vm->op_incarnation);
        if (!there || hold_find(v, vm->op.busnum, vm->op.devnum) != NULL)
            return false;
        if (holders(vm->op_incarnation) != 0)
            fail("a device given to a second VM");
        for (h = vm->hold; h < vm->hold + HOLDS && h->used;)
            h++;
        if (h == vm->hold + HOLDS)
            return false;
        *h = (struct hold){.used = true, .bus = vm->op.busnum, .dev = vm->op.devnum, .incarnation = vm->op_incarnation};
        return true;
    }
    case OP_DETACH: {
        unsigned bus = 0, dev = 0;
        if (sscanf(vm->op.id, "vhp-usb-%u-%u", &bus, &dev) != 2)
            fail("a strange id");
        h = hold_find(v, (uint8_t)bus, (uint8_t)dev);
        if (h != NULL)
            h->used = false;
        return true; /* not found is as good */
    }
    default:
        return true;
    }
}

static void answer_list(int v) {
    static struct vmm_found found[HOLDS];
    int n = 0;
    for (int h = 0; h < HOLDS; h++) {
        const struct hold *x = &w.vm[v].hold[h];
        if (!x->used)
            continue;
        snprintf(found[n].id, sizeof found[n].id, "vhp-usb-%d-%d", x->bus, x->dev);
        found[n].busnum = x->bus;
        found[n].devnum = x->dev;
        found[n].ours = true;
        n++;
    }
    done(v, OP_OK, found, n);
}

static void advance_op(int v) {
    struct world_vm *vm = &w.vm[v];
    if (vm->op.kind == OP_NONE)
        return;
    if (!vm->alive) {
        done(v, vm->executed ? OP_UNKNOWN : chance(50) ? OP_REFUSED : OP_UNKNOWN, NULL, 0);
        return;
    }
    if (vm->busy && !vm->executed) {
        if (fault(90))
            return;
        vm->waiting_in_line = true;
        done(v, OP_BUSY, NULL, 0);
        return;
    }
    if (!vm->executed && fault(4)) {
        done(v, OP_FAILED, NULL, 0);
    } else if (!vm->executed && fault(3)) {
        done(v, OP_LOCAL, NULL, 0);
    } else if (fault(4)) {
        if (!vm->executed && chance(50))
            (void)execute(v);
        done(v, OP_UNKNOWN, NULL, 0);
    } else if (!vm->executed && !execute(v)) {
        done(v, OP_FAILED, NULL, 0);
    } else if (fault(30)) {
        return; /* done there, the answer still on its way */
    } else if (vm->op.kind == OP_LIST) {
        answer_list(v);
    } else {
        done(v, OP_OK, NULL, 0);
    }
}

static void tell_vm(enum fact_kind kind, int v) {
    struct fact f = {.kind = kind, .vm = v};
    step(&f);
}

static void stop_vm(int v) {
    struct world_vm *vm = &w.vm[v];
    vm->alive = vm->busy = vm->waiting_in_line = false;
    memset(vm->hold, 0, sizeof vm->hold);
    if (chance(50) && vm->op.kind != OP_NONE)
        done(v, OP_UNKNOWN, NULL, 0);
    tell_vm(FACT_VM_DOWN, v);
}

static void vm_event(void) {
    int v = (int)rnd(VMS);
    struct world_vm *vm = &w.vm[v];
    if (!vm->alive) {
        if (vm->op.kind != OP_NONE)
            advance_op(v);
        vm->alive = true;
        tell_vm(FACT_VM_SOCKET, v);
    } else if (chance(20)) {
        stop_vm(v);
    } else if (vm->busy) {
        vm->busy = false;
        if (vm->waiting_in_line)
            tell_vm(FACT_VM_ANSWERS, v);
        vm->waiting_in_line = false;
    } else if (chance(30)) {
        vm->busy = vm->op.kind == OP_NONE;
    } else if (chance(30)) {
        tell_vm(FACT_VM_SOCKET, v); /* nothing happened, but somebody thought so */
    }
}

/* ---- clients ---- */

static void client_event(void) {
    int k = (int)rnd(CLIENTS);
    struct world_client *c = &w.client[k];
    if (c->asked) {
        if (chance(10)) {
            struct fact f = {.kind = FACT_CLIENT_GONE, .client = {.index = (uint16_t)k, .gen = c->gen}};
            c->gen++;
            c->asked = false;
            step(&f);
        }
        return;
    }
    static const enum request_kind kinds[] = {REQ_ATTACH, REQ_ATTACH,  REQ_ATTACH, REQ_DETACH,
                                              REQ_LIST,   REQ_SUSPEND, REQ_RESUME, REQ_SUBSCRIBE};
    struct request *r = &c->req;
    memset(r, 0, sizeof *r);
    r->kind = kinds[rnd(8)];
    r->client = (struct client_ref){.index = (uint16_t)k, .gen = c->gen};
    r->who.role = chance(70) ? ROLE_ADMIN : ROLE_OPERATOR;
    if (chance(60))
        snprintf(r->vm, sizeof r->vm, "vm%u", rnd(VMS + 1));
    const struct device *d = &w.port[rnd(PORTS)].dev;
    if (chance(60)) {
        r->sel.by_node = true;
        r->sel.node_bus = d->busnum;
        r->sel.node_dev = d->devnum;
    } else if (chance(50)) {
        r->sel.by_vid = r->sel.by_pid = true;
        r->sel.vid = d->vid;
        r->sel.pid = d->pid;
    } else {
        r->sel.by_tag = true;
        snprintf(r->sel.tag, sizeof r->sel.tag, "t%u", rnd(3));
    }
    c->asked = true;
    w.requests++;
    struct fact f = {.kind = FACT_REQUEST, .request = r};
    step(&f);
}

/* ---- rest ---- */

static void time_passes(int64_t by) {
    w.now += by;
    if (core_deadline(&w.core) <= w.now) {
        struct fact f = {.kind = FACT_TIME};
        step(&f);
    }
}

static void check_world(void) {
    for (int i = 0; i < w.core.used; i++) {
        const struct slot *s = &w.core.slot[i];
        if (s->state == SLOT_PRESENT && s->vm >= 0) {
            const struct hold *h = hold_find(s->vm, s->vm_busnum, s->vm_devnum);
            if (h == NULL || h->incarnation != s->dev.incarnation)
                fail("at rest: the core believes in a device that the VM does not have");
        }
    }
    int plugged = 0, known = 0;
    for (int p = 0; p < PORTS; p++)
        plugged += w.port[p].present;
    for (int i = 0; i < w.core.used; i++)
        known += w.core.slot[i].state == SLOT_PRESENT;
    if (plugged != known)
        fail("at rest: the core does not know every device");
    for (int v = 0; v < VMS; v++) {
        for (int h = 0; h < HOLDS; h++) {
            const struct hold *x = &w.vm[v].hold[h];
            bool right = !x->used || !w.vm[v].alive;
            for (int i = 0; !right && i < w.core.used; i++) {
                const struct slot *s = &w.core.slot[i];
                right = s->state == SLOT_PRESENT && s->vm == v && s->dev.incarnation == x->incarnation;
            }
            if (!right)
                fail("at rest: a VM has a device that the core does not know of");
        }
    }
    for (int k = 0; k < CLIENTS; k++) {
        if (w.client[k].asked)
            fail("at rest: a request was never answered");
    }
}

static void come_to_rest(void) {
    const char *why = "";
    w.faults = false;
    w.rests++;
    for (int p = 0; p < PORTS; p++)
        w.port[p].dev.settled = true;
    scan();
    for (int v = 0; v < VMS; v++) {
        if (w.vm[v].busy) {
            w.vm[v].busy = false;
            if (w.vm[v].waiting_in_line)
                tell_vm(FACT_VM_ANSWERS, v);
            w.vm[v].waiting_in_line = false;
        }
    }
    for (int round = 0; !core_at_rest(&w.core, &why); round++) {
        if (round > 5000)
            fail(why);
        for (int v = 0; v < VMS; v++)
            advance_op(v);
        time_passes(1000 * VH_NSEC_PER_MSEC);
    }
    check_world();
    w.faults = true;
}

/* ---- a daemon that dies and starts again ---- */

/* While no daemon runs, no number is used again: the kernel goes through all 127 first, this world only through 20. */
static void no_reuse(void) {
    for (int p = 0; p < PORTS; p++) {
        const struct device *d = &w.port[p].dev;
        for (int v = 0; w.port[p].present && v < VMS; v++) {
            struct hold *h = hold_find(v, d->busnum, d->devnum);
            if (h != NULL && h->incarnation != d->incarnation)
                h->used = false;
        }
    }
}

static void restart_daemon(void) {
    no_reuse();
    for (int v = 0; v < VMS; v++)
        w.vm[v].op.kind = OP_NONE; /* whatever was executed stays executed */
    for (int k = 0; k < CLIENTS; k++) {
        w.client[k].gen++;
        w.client[k].asked = false;
    }
    memset(&w.core, 0, sizeof w.core);
    core_init(&w.core, &conf, chance(50));
    w.coldplug = true;
    for (int p = 0; p < PORTS; p++)
        w.port[p].dev.settled = true;
    scan();
    w.coldplug = false;
    for (int v = 0; v < VMS; v++) {
        w.vm[v].waiting_in_line = false;
        tell_vm(w.vm[v].alive ? FACT_VM_SOCKET : FACT_VM_DOWN, v);
    }
}

static void run(uint64_t seed, uint64_t facts) {
    memset(&w.port, 0, sizeof w.port);
    memset(&w.vm, 0, sizeof w.vm);
    memset(&w.client, 0, sizeof w.client);
    w.seed = seed;
    w.rng = seed * 0x9e3779b97f4a7c15u + 1;
    w.step = 0;
    w.now = 0;
    w.faults = true;
    for (int k = 0; k < CLIENTS; k++)
        w.client[k].gen = 1;
    for (int p = 0; p < PORTS; p++)
        make_device(p);
    restart_daemon();
    while (w.step < facts) {
        uint32_t what = rnd(100);
        if (what < 25)
            plug_event();
        else if (what < 35)
            vm_event();
        else if (what < 55)
            client_event();
        else if (what < 95)
            advance_op((int)rnd(VMS));
        else
            time_passes((int64_t)rnd(2000) * VH_NSEC_PER_MSEC);
        if (rnd(1500) == 0)
            come_to_rest();
        if (rnd(4000) == 0)
            restart_daemon();
    }
    come_to_rest();
}

static const char conf_text[] =
    "{\"vms\": ["
    "{\"name\": \"vm0\", \"type\": \"qemu\", \"socket\": \"/run/0\"}, {\"name\": \"vm1\", \"type\": \"qemu\", "
    "\"socket\": \"/run/1\"},"
    "{\"name\": \"vm2\", \"type\": \"qemu\", \"socket\": \"/run/2\"}, {\"name\": \"vm3\", \"type\": \"qemu\", "
    "\"socket\": \"/run/3\"},"
    "{\"name\": \"vm4\", \"type\": \"qemu\", \"socket\": \"/run/4\"}, {\"name\": \"vm5\", \"type\": \"qemu\", "
    "\"socket\": \"/run/5\"}],"
    "\"usbPassthrough\": ["
    "{\"description\": \"a\", \"targetVm\": \"vm0\", \"tag\": \"t0\", \"allow\": [{\"vendorId\": \"1000\", "
    "\"productId\": \"0000\"}]},"
    "{\"description\": \"b\", \"targetVm\": \"vm1\", \"tag\": \"t1\", \"allow\": [{\"vendorId\": \"1000\", "
    "\"productId\": \"0001\"}],"
    " \"deny\": [{\"bus\": 2}]},"
    "{\"description\": \"c\", \"allowedVms\": [\"vm0\", \"vm1\", \"vm2\"], \"tag\": \"t1\","
    " \"allow\": [{\"vendorId\": \"1000\", \"productId\": \"0002\"}, {\"vendorId\": \"1000\", \"productId\": "
    "\"0003\"}]},"
    "{\"description\": \"d\", \"allowedVms\": [\"vm3\", \"vm4\"], \"tag\": \"t2\", \"skipOnSuspend\": true,"
    " \"allow\": [{\"vendorId\": \"1000\", \"productId\": \"0004\"}]},"
    "{\"description\": \"e\", \"targetVm\": \"vm5\", \"allow\": [{\"interfaceClass\": 3}], \"deny\": [{\"vendorId\": "
    "\"1000\", \"productId\": \"0007\"}]}"
    "]}";

static void print_diag(const struct diag *d, void *arg) {
    (void)arg;
    if (d->level == DIAG_ERROR)
        fprintf(stderr, "%u:%u: %s: %s\n", d->line, d->column, d->path, d->text);
}

int main(int argc, char **argv) {
    uint64_t seed = 1, seeds = 20, facts = 100000;
    for (int i = 1; i < argc; i++) {
        if (str_eq(argv[i], "-v"))
            w.verbose = true;
        else if (i + 1 < argc && str_eq(argv[i], "-s"))
            seed = strtoull(argv[++i], NULL, 10);
        else if (i + 1 < argc && str_eq(argv[i], "-n"))
            seeds = strtoull(argv[++i], NULL, 10);
        else if (i + 1 < argc && str_eq(argv[i], "-f"))
            facts = strtoull(argv[++i], NULL, 10);
        else
            return fprintf(stderr, "usage: sim [-s SEED] [-n SEEDS] [-f FACTS] [-v]\n"), 2;
    }
    if (!conf_parse(&conf, conf_text, sizeof conf_text - 1, print_diag, NULL))
        return 1;
    uint64_t total = 0;
    for (uint64_t s = seed; s < seed + seeds; s++) {
        run(s, facts);
        total += w.step;
    }
    bool exercised = w.attaches > 0 && w.requests > 0 && w.rests > 0;
    printf("# %llu facts, %llu attaches, %llu requests, %llu times at rest\n", (unsigned long long)total,
           (unsigned long long)w.attaches, (unsigned long long)w.requests, (unsigned long long)w.rests);
    printf("%s 1 - core simulation: %llu seeds from %llu, no invariant broken\n1..1\n", exercised ? "ok" : "not ok",
           (unsigned long long)seeds, (unsigned long long)seed);
    return exercised ? 0 : 1;
}
