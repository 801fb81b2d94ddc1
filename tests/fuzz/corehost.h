/*
 * corehost.h - a core with the smallest host that keeps its contract: saves end once, tokens and serial numbers are
 * those that were given, a client asks one thing at a time. Everything else is the input's. After every step the core's
 * invariants hold, and each request is answered once.
 */
#ifndef VHOTPLUG_COREHOST_H
#define VHOTPLUG_COREHOST_H

#include "bytes.h"
#include "config/access.h"
#include "config/conf.h"
#include "core/core.h"
#include "devices.h"
#include "must.h"

#include <stdio.h>
#include <string.h>

#define HOST_SERIAL "SERIAL" /* for roles with access_sees_all() only */

enum { HOST_CLIENTS = 4, HOST_PORTS = 8, HOST_RESETS = 16 };

static struct {
    struct bytes *in;
    int64_t now;
    uint64_t incarnation;
    uint32_t gen[HOST_CLIENTS];
    bool asked[HOST_CLIENTS];
    uint32_t reset[HOST_RESETS];  /* tokens */
    uint32_t offer[HOST_RESETS];  /* likewise; with quarantine */
    uint32_t revoke[HOST_RESETS]; /* likewise */
    unsigned resets, offers, revokes;
    bool saving;
    void (*acted)(const struct action *a);                     /* sees each action */
    void (*reloads)(const struct conf *fresh, vm_set changed); /* is told before each reload */
} host;

static struct core core;
static struct actions out;
static const struct conf *conf;

#define HOST_VMS                                                                                               \
    "\"vms\": [{\"name\": \"a\", \"type\": \"qemu\", \"socket\": \"/run/a\"}, {\"name\": \"b\", \"type\": "    \
    "\"qemu\", \"revoke\": false, \"socket\": \"/run/b\"}, {\"name\": \"c\", \"type\": \"qemu\", \"socket\": " \
    "\"/run/c\"}]"
static const char *const host_confs[] = {
    "{" HOST_VMS ", \"general\": {\"leaseSeconds\": 2, \"onCorruptState\": \"closed\"}, \"usbPassthrough\": ["
    "{\"targetVm\": \"a\", \"tag\": \"t0\", \"allow\": [{\"interfaceClass\": 3}]},"
    "{\"allowedVms\": [\"a\", \"b\", \"c\"], \"tag\": \"t1\", \"allow\": [{\"interfaceClass\": 8}]},"
    "{\"targetVm\": \"b\", \"skipOnSuspend\": true, \"allow\": [{\"interfaceClass\": 14}]}]}",
    "{\"vms\": [{\"name\": \"c\", \"type\": \"qemu\", \"socket\": \"/run/c\"}, {\"name\": \"a\", \"type\": \"qemu\", "
    "\"socket\": \"/run/a\"}], \"usbPassthrough\": ["
    "{\"targetVm\": \"c\", \"tag\": \"t1\", \"resetOnRelease\": false, \"allow\": [{\"interfaceClass\": 3}]},"
    "{\"allowedVms\": [\"a\", \"c\"], \"tag\": \"t0\", \"allow\": [{\"interfaceClass\": 8}], \"deny\": [{\"bus\": "
    "2}]}]}",
};

static void host_diag(const struct diag *d, void *arg) {
    (void)arg;
    MUST(d->level != DIAG_ERROR);
}

static void host_answered(struct client_ref client) {
    if (client.gen == 0)
        return;
    MUST(client.index < HOST_CLIENTS && host.asked[client.index] && client.gen == host.gen[client.index]);
    host.asked[client.index] = false;
}

/* What the host's drivers are offered is there, is free, and is not kept from them. */
static void host_offer(const struct action *a) {
    const struct slot *s = &core.slot[a->slot];
    MUST(core.quarantine != QUARANTINE_OFF && s->state == SLOT_PRESENT && s->plug == a->token);
    MUST(s->vm < 0 && s->op == OP_NONE && !core_keeps_from_host(&core, s));
    host.offer[host.offers++ % HOST_RESETS] = a->token;
}

/* Nobody else may have it, and it is in the middle of nothing. */
static void host_revoke(const struct action *a) {
    const struct slot *s = &core.slot[a->slot];
    MUST(s->state == SLOT_PRESENT && s->plug == a->token && s->op == OP_NONE && s->revoke == REVOKE_UNDER_WAY);
    host.revoke[host.revokes++ % HOST_RESETS] = a->token;
}

/* A device that goes on to another VM is held by no other one. */
static void host_attach(const struct action *a) {
    const struct slot *s = &core.slot[a->slot];
    MUST((s->holders & ~((vm_set)1 << a->vm)) == 0 && !s->unbound && !core_closed(&core));
}

static void host_step(const struct fact *f) {
    const char *why = "";
    core_step(&core, f, host.now, &out);
    if (!core_check(&core, &why)) {
        fprintf(stderr, "broken: %s\n", why);
        abort();
    }
    for (int i = 0; i < out.n; i++) {
        const struct action *a = &out.a[i];
        MUST(a->kind != ACT_SAVE || (i == 0 && !host.saving));
        host.saving = host.saving || a->kind == ACT_SAVE;
        if (a->kind == ACT_REPLY || a->kind == ACT_REPLY_PARTS || a->kind == ACT_REPLY_VERSION || a->kind == ACT_SERVE)
            host_answered(a->client);
        if (a->kind == ACT_RELEASE)
            host.reset[host.resets++ % HOST_RESETS] = a->token;
        if (a->kind == ACT_OFFER)
            host_offer(a);
        MUST(a->kind != ACT_OP || (a->vm >= 0 && a->vm < conf->nvms));
        if (a->kind == ACT_REVOKE)
            host_revoke(a);
        if (a->kind == ACT_OP && a->op.kind == OP_ATTACH)
            host_attach(a);
        MUST(a->kind != ACT_RELEASE || core.slot[a->slot].holders == 0);
        MUST(a->kind != ACT_EVENT || (a->slot >= 0 && core.slot[a->slot].state != SLOT_FREE));
        MUST(a->kind != ACT_AUDIT || a->audit < sizeof out.audits / sizeof *out.audits);
        if (host.acted != NULL)
            host.acted(a);
    }
    MUST(host.saving == (core.save != SAVE_NONE));
}

/* The save under way ends, or a disk that was late answers. */
static void host_saved(void) {
    bool ok = below(host.in, 4) != 3;
    struct fact f = {
        .kind = host.saving ? FACT_SAVED : FACT_DISK_ANSWERS, .ok = ok, .text = ok ? "" : "/state: no room"};
    host.saving = false;
    host_step(&f);
}

/* Each text is parsed once for each of two places: the other one may be in force. With it what conf_align() changes. */
static struct parsed {
    bool done;
    struct conf c;
    uint16_t nvms;
    struct vm_conf vms[VH_MAX_VMS];
    struct rule rules[VH_MAX_RULES];
    struct api_conf api;
} parsed[2][2];

/* As conf_parse() left it, and not the one in force. */
static struct conf *host_parsed(unsigned which) {
    struct parsed *p = &parsed[which % 2][conf == &parsed[which % 2][0].c];
    if (!p->done) {
        MUST(conf_parse(&p->c, host_confs[which % 2], strlen(host_confs[which % 2]), host_diag, NULL));
        p->nvms = p->c.nvms;
        p->api = p->c.api;
        memcpy(p->vms, p->c.vms, sizeof p->vms);
        memcpy(p->rules, p->c.rules, sizeof p->rules);
        p->done = true;
    }
    p->c.nvms = p->nvms;
    p->c.api = p->api;
    memcpy(p->c.vms, p->vms, sizeof p->vms);
    memcpy(p->c.rules, p->rules, sizeof p->rules);
    return &p->c;
}

static void host_begin(struct bytes *in) {
    conf = host_parsed(0);
    void (*acted)(const struct action *a) = host.acted;
    void (*reloads)(const struct conf *fresh, vm_set changed) = host.reloads;
    memset(&host, 0, sizeof host);
    host.in = in;
    host.acted = acted;
    host.reloads = reloads;
    for (int i = 0; i < HOST_CLIENTS; i++)
        host.gen[i] = 1;
    memset(&core, 0, sizeof core);
    unsigned how = take(in);
    core_init(&core, conf, how & 1);
    core.persist = how & 2;
    if ((how & 0x30) == 0x30)
        core.quarantine = (how & 0x40) != 0 ? QUARANTINE_ALL : QUARANTINE_RULES;
    if ((how & 14) == 14)
        snprintf(core.remembered.corrupt, sizeof core.remembered.corrupt, "not JSON");
}

/* ---- facts ---- */

static void host_name(unsigned port, char name[VH_SYSNAME_MAX]) {
    snprintf(name, VH_SYSNAME_MAX, "%u-%u", 1 + port / 4, 1 + port % 4);
}

/* No two devices that are there have one incarnation: it is the inode of a directory. */
static bool host_others(const char *name, uint64_t incarnation) {
    for (int i = 0; i < core.used; i++) {
        const struct slot *s = &core.slot[i];
        if (s->state == SLOT_PRESENT && s->dev.incarnation == incarnation && !str_eq(s->dev.sys_name, name))
            return true;
    }
    return false;
}

static void host_device(unsigned port, unsigned how, bool coldplug) {
    static const uint8_t classes[] = {3, 8, 14, 9, 255, 0};
    static struct device dev;
    char name[VH_SYSNAME_MAX];
    host_name(port, name);
    /* Seen again as it was, or a plug of its own. */
    uint64_t incarnation =
        (how & 1) != 0 && host.incarnation > 0 ? 1 + take(host.in) % host.incarnation : ++host.incarnation;
    if (host_others(name, incarnation))
        incarnation = ++host.incarnation;
    unsigned devnum = 1 + below(host.in, 6);
    uint8_t cls = classes[below(host.in, sizeof classes)];
    device_make(&dev, name, 1 + port / 4, devnum, cls);
    dev.incarnation = incarnation;
    dev.serial = (how & 2) != 0 ? HOST_SERIAL : "";
    dev.protect = (how & 0x0c) == 0x0c ? "holds /" : "";
    dev.malformed = (how & 0x30) == 0x30 ? "no sense" : "";
    dev.settled = (how & 0xc0) != 0xc0;
    dev.usb.nconfigs = core.quarantine != QUARANTINE_OFF;
    dev.usb.config = dev.usb.nconfigs != 0 && devnum < 3; /* the kernel had configured it before its port was held */
    dev.driven = dev.usb.nconfigs != 0 && devnum == 1;
    dev.binding = (enum binding)(devnum % 3);
    struct fact f = {.kind = FACT_DEVICE, .device = &dev, .coldplug = coldplug};
    host_step(&f);
}

static void host_gone(unsigned port) {
    char name[VH_SYSNAME_MAX];
    host_name(port, name);
    struct fact f = {.kind = FACT_GONE, .sys_name = name};
    host_step(&f);
}

static void host_scan(unsigned what) {
    struct fact f = {.kind = FACT_SCAN_BEGIN, .coldplug = (what & 1) != 0};
    host_step(&f);
    for (unsigned port = 0; port < HOST_PORTS; port++) {
        if ((take(host.in) & 1) != 0)
            host_device(port, take(host.in), f.coldplug);
    }
    f.kind = FACT_SCAN_END;
    host_step(&f);
}

static uint16_t host_found(struct vmm_found *found, unsigned n) {
    for (unsigned i = 0; i < n; i++) {
        unsigned how = take(host.in), bus = 1 + below(host.in, 3), devnum = 1 + below(host.in, 6);
        struct vmm_found *d = &found[i];
        memset(d, 0, sizeof *d);
        d->ours = how & 1;
        d->anonymous = !d->ours && (how & 2) != 0;
        d->filter = !d->ours && (how & 4) != 0;
        d->busnum = (uint8_t)((how & 8) != 0 ? 0 : bus);
        d->devnum = (uint8_t)((how & 8) != 0 ? 0 : devnum);
        if (d->filter && (how & 16) != 0)
            d->vid = 0x1234;
        if (d->filter && (how & 32) != 0)
            snprintf(d->port, sizeof d->port, "%u", 1 + how % 4);
        snprintf(d->id, sizeof d->id, d->ours ? "vhp-usb-%u-%u" : "usb-%u-%u", bus, devnum);
    }
    return (uint16_t)n;
}

/* Of a VM that names nothing: ports, each once, and the numbers of devices. */
static uint16_t host_ports(struct vmm_found *found, unsigned n) {
    for (unsigned i = 0; i < n; i++) {
        unsigned how = take(host.in);
        found[i] = (struct vmm_found){.port_in_vm = (uint8_t)(1 + 4 * i + how % 4), .vid = 0x1234, .pid = how >> 4 & 1};
    }
    return (uint16_t)n;
}

static void host_op_done(unsigned vm) {
    static struct vmm_found found[4];
    struct op_result r = {.serial = core.vm[vm].op_serial, .vm = (int)vm, .found = found};
    unsigned how = take(host.in);
    r.status = (enum op_status)(how % OP_STATUSES);
    if ((how & 0xc0) == 0xc0)
        r.serial -= 1; /* an answer to an earlier operation */
    if (r.status == OP_FAILED || r.status == OP_LOCAL)
        snprintf(r.text, sizeof r.text, "it said no");
    r.unnamed = (vm & 1) != 0;
    r.socket = how >> 5 & 1;
    if (core.vm[vm].op == OP_LIST && r.status == OP_OK && r.unnamed)
        r.nfound = host_ports(found, below(host.in, 5));
    else if (core.vm[vm].op == OP_LIST && r.status == OP_OK)
        r.nfound = host_found(found, below(host.in, 5));
    if (core.vm[vm].op == OP_ATTACH && r.status == OP_OK && r.unnamed)
        r.port = (uint8_t)(1 + how % 4);
    struct fact f = {.kind = FACT_OP_DONE, .op = &r};
    host_step(&f);
}

static void host_released(bool ok) {
    struct fact f = {.kind = FACT_RELEASED, .token = host.reset[below(host.in, HOST_RESETS)], .ok = ok};
    host_step(&f);
}

static void host_revoked(bool ok) {
    struct fact f = {.kind = FACT_REVOKED, .token = host.revoke[below(host.in, HOST_RESETS)], .ok = ok, .text = "no"};
    host_step(&f);
}

static void host_offered(bool ok) {
    struct fact f = {.kind = FACT_OFFERED, .token = host.offer[below(host.in, HOST_RESETS)], .ok = ok};
    host_step(&f);
}

/* The device workers do what they were asked to. */
__attribute__((unused)) static void host_orders_end(void) {
    for (int i = 0; i < core.used; i++) {
        struct fact f = {.token = core.slot[i].plug, .ok = true, .text = ""};
        if (core.slot[i].revoke == REVOKE_UNDER_WAY)
            f.kind = FACT_REVOKED;
        else if (core.slot[i].releasing)
            f.kind = FACT_RELEASED;
        else if (core.slot[i].offering)
            f.kind = FACT_OFFERED;
        else
            continue;
        host_step(&f);
    }
}

/* Any role; a guest belongs to one of the VMs. */
static struct principal host_principal(unsigned how) {
    static const enum role roles[] = {ROLE_ADMIN, ROLE_OPERATOR, ROLE_GUEST, ROLE_OBSERVER};
    struct principal p = {.role = roles[how & 3], .vm = -1, .name = "somebody"};
    if (p.role == ROLE_GUEST)
        p.vm = (int)(how >> 2) % conf->nvms;
    return p;
}

/* The request's client, unless it waits for an answer already. */
static bool host_client(struct request *r, unsigned k) {
    if (host.asked[k])
        return false;
    r->client = (struct client_ref){.index = (uint16_t)k, .gen = host.gen[k]};
    host.asked[k] = true;
    return true;
}

static void host_request(void) {
    static const enum request_kind kinds[] = {REQ_ATTACH, REQ_DETACH, REQ_SUSPEND,     REQ_RESUME,
                                              REQ_LIST,   REQ_ATTACH, REQ_ACKNOWLEDGE, REQ_SUBSCRIBE};
    const char *why;
    static struct request r;
    memset(&r, 0, sizeof r);
    unsigned how = take(host.in), which = take(host.in);
    r.kind = kinds[how >> 2 & 7];
    r.verify = (how & 1) != 0; /* which lists alone read */
    r.who = host_principal(how >> 5 & (which >> 6));
    if (!access_may(&r.who, r.kind, &why) || !host_client(&r, how % HOST_CLIENTS))
        return;
    unsigned vm = below(host.in, 5);
    if (vm < 4)
        snprintf(r.vm, sizeof r.vm, "%c", (int)('a' + vm)); /* "d" is no VM */
    r.sel.by_node = (which & 3) == 0;
    r.sel.node_bus = (uint8_t)(1 + (which >> 2 & 1));
    r.sel.node_dev = (uint8_t)(1 + (which >> 3) % 6);
    r.sel.by_tag = (which & 3) == 1;
    snprintf(r.sel.tag, sizeof r.sel.tag, "t%u", which >> 2 & 1);
    r.sel.by_vid = (which & 3) == 2;
    r.sel.vid = 0x1234;
    r.sel.by_port = (which & 7) == 3;
    snprintf(r.sel.port, sizeof r.sel.port, "%u", 1 + (which >> 4) % 4);
    struct fact f = {.kind = FACT_REQUEST, .request = &r};
    host_step(&f);
}

static void host_client_gone(unsigned k) {
    struct fact f = {.kind = FACT_CLIENT_GONE, .client = {.index = (uint16_t)k, .gen = host.gen[k]}};
    host.gen[k]++;
    host.asked[k] = false;
    host_step(&f);
}

static void host_vm(enum fact_kind kind, unsigned vm) {
    struct fact f = {.kind = kind, .vm = (int)vm};
    host_step(&f);
}

/* In the same order as daemon/reload.c. */
static void host_reload(unsigned which) {
    struct conf *fresh = host_parsed(which);
    const struct conf *old = conf;
    vm_set busy = 0, changed = 0;
    for (int v = 0; v < old->nvms; v++)
        busy |= (vm_set)core_vm_in_use(&core, v) << v;
    MUST(conf_align(fresh, old, busy));
    for (int v = 0; v < VH_MAX_VMS; v++) {
        bool same = v < fresh->nvms && v < old->nvms && conf_same_vm(&fresh->vms[v], &old->vms[v]);
        changed |= (vm_set)!same << v;
        if (!same && v < old->nvms)
            host_vm(FACT_VM_DOWN, (unsigned)v);
    }
    if (host.reloads != NULL)
        host.reloads(fresh, changed);
    conf = fresh;
    struct fact f = {.kind = FACT_RELOAD, .conf = fresh};
    host_step(&f);
}

static void host_time(void) {
    host.now += (int64_t)take(host.in) * (int64_t)take(host.in) * VH_NSEC_PER_MSEC;
    struct fact f = {.kind = FACT_TIME};
    host_step(&f);
}

/* Something that only a host with quarantine tells. */
static void host_quarantine(unsigned what) {
    struct fact f = {.kind = FACT_DRIVERS};
    if (what == 0)
        host_step(&f);
    else
        host_offered(what != 1);
}

/* One fact of the input's choice. */
__attribute__((unused)) static void host_fact(void) {
    unsigned what = take(host.in), vm = what >> 4;
    switch (what & 15) {
    case 0:
    case 1:
    case 2:
        host_device(vm % HOST_PORTS, take(host.in), false);
        break;
    case 3:
        host_gone(vm % HOST_PORTS);
        break;
    case 4:
        host_scan(vm);
        break;
    case 5:
    case 6:
        host_vm(FACT_VM_SOCKET, vm % conf->nvms);
        break;
    case 7:
        host_vm(FACT_VM_DOWN, vm % conf->nvms);
        break;
    case 8:
        if (core.quarantine != QUARANTINE_OFF && (vm & 1) != 0)
            host_quarantine(vm >> 1 & 3);
        else
            host_vm(FACT_VM_ANSWERS, vm % conf->nvms);
        break;
    case 9:
    case 10:
        host_op_done(vm % conf->nvms);
        break;
    case 11:
    case 12:
        host_request();
        break;
    case 13:
        if ((vm & 3) == 3)
            host_client_gone(vm >> 2);
        else if ((vm & 1) != 0)
            host_revoked((vm & 4) == 0);
        else
            host_released((vm & 4) == 0);
        break;
    case 14:
        if (vm == 15)
            host_reload(take(host.in));
        else
            host_time();
        break;
    default:
        if ((vm & 1) != 0)
            host_saved();
        else
            host_time();
    }
}

#endif
