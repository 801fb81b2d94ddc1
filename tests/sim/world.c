/*
 * world.c - the events of the simulation and the checks after them. Owns the truth that the core is compared to: which
 * VM really holds a device, and what is really on the disk.
 */
#include "world.h"

#include "account.h"
#include "api/api.h"
#include "base/limits.h"
#include "base/str.h"
#include "codec/state_format.h"
#include "config/conf.h"
#include "config/connectors.h"
#include "config/policy.h"
#include "config/policy_pci.h"
#include "core/core.h"
#include "core/core_internal.h"
#include "core/core_names.h"
#include "devices.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PORTS 24
#define VMS 6
#define CLIENTS 8
#define HOLDS 64
#define NOBODY (-1)
#define PCIS 6
#define BUSES 3
#define SOCKETS 128
#define LEASE_MAX_MS 3000 /* of the configurations below */

/* ---- the world ---- */

struct port_world {
    bool present;
    bool unread; /* there at a start of the daemon, and not read since */
    bool look;   /* the core has asked for a reading */
    struct device dev;
    /* With quarantine, what the kernel would know of this plug: is it configured, has it been offered to the host's
     * drivers, and under which configuration of ours? */
    bool configured, offered;
    unsigned offered_in;
    int failed_offers;
    /* Who has an open descriptor of this plug, by number of the VM; which VMs have ended and left one in a process that
     * has not; which of them were opened while no driver had it, so that only a loss that is to come ends them; no
     * driver has it; an unbind is under way although nobody waits for it any more, and binds it first. */
    uint32_t open, escaped, loose;
    bool unbound, late, late_binds;
    bool given; /* to a VM, since the daemon has started */
};

struct hold { /* a device inside a VM, with the plug it really is; dead: its descriptor is */
    bool used, foreign, dead;
    bool leaving; /* the guest was asked to let go of it */
    uint8_t bus, dev;
    uint8_t port; /* of a VM with few ports, or of one that names nothing; 0: none was free */
    uint64_t incarnation;
    /* In a VM that names nothing: all that it says, whether nobody has noted it, and whether it was unplugged. */
    uint16_t vid, pid;
    bool lost, gone;
};

struct world_vm {
    bool alive, busy;
    bool keeps; /* each descriptor, whatever it says */
    bool lies;  /* lists devices that it does not have, and gives back none that it pretends to have */
    struct hold hold[HOLDS];
    uint64_t socket;  /* another one with each start */
    uint8_t port;     /* that the attach under way has got */
    bool others;      /* somebody else's device was at the port of the detach under way, when it was begun */
    struct vmm_op op; /* kind OP_NONE: none under way; op.vm is the core's row */
    uint64_t op_incarnation;
    int op_pci;    /* the PCI device that it is about, NOBODY none */
    bool executed; /* the effect has happened, the answer has not been given */
    bool accepted; /* the effect is that the guest was asked */
    bool waiting_in_line;
};

/* A PCI device. A VM that has one of its group has the group. */
struct pci_world {
    bool present, of_vms; /* of_vms: bound to the driver that VMs use it by */
    uint32_t in, asked;   /* VMs that list it, and whose guests were asked to let go of it */
    uint32_t kept;        /* VMs that have not let go of it, whatever they list */
    uint32_t slipped;     /* VMs whose guests gave it up unasked, and the word was lost: the next listing tells */
    struct pci_device row;
};

struct world_client {
    uint32_t gen;
    bool asked, saved; /* saved: what it decided is on the disk */
    bool waits;        /* the core has not begun the request */
    int pci;           /* number of the PCI device that it is about, NOBODY none */
    uint64_t meant;    /* incarnation that the core took device_node for, 0 none */
    struct request req;
};

static struct {
    uint64_t rng, seed;
    int64_t now;
    uint64_t next_incarnation;
    int next_devnum;
    bool faults, verbose, coldplug, disk_full;
    bool aside;        /* beside the state file lies one that could not be used */
    bool lost;         /* and no admin has acknowledged that */
    bool saving, late; /* a save is under way; it was given up, and may still reach the disk */
    struct port_world port[PORTS];
    int number[BUSES];          /* of the buses: they change while their devices are away */
    int text;                   /* of the configuration in force */
    int64_t left[SOCKETS][VMS]; /* when a device of this VM was last unplugged from this socket */
    struct world_vm vm[VMS];
    struct world_client client[CLIENTS];
    struct {
        uint32_t plug; /* 0 none */
        enum role by;
    } away[CORE_SLOTS];            /* before the step: who keeps the plug away */
    enum role attacher;            /* the highest role that may give devices back in this step */
    uint32_t resets[CORE_SLOTS];   /* tokens of resets under way, 0 free */
    bool deauthorises[CORE_SLOTS]; /* likewise */
    bool binds[CORE_SLOTS];        /* by each of them the device is bound again */
    uint32_t revokes[CORE_SLOTS];  /* likewise of revocations */
    bool first_binds[CORE_SLOTS];  /* by each of them the device is bound first if no driver has it */
    uint32_t offers[CORE_SLOTS];   /* likewise of offers to the host */
    struct pci_world pci[PCIS];
    uint32_t prepares[CORE_SLOTS], restores[CORE_SLOTS]; /* likewise of PCI devices */
    bool shares[CORE_SLOTS];                             /* by each preparation: a VM has another one of the group */
    unsigned confs;                                      /* configurations that were in force */
    struct world_counts counts;
} w;

static enum quarantine quarantine; /* in all of the seed */
static bool with_quarantine, with_guests, with_pci;
static bool authorises; /* usbAuthorization, in some of those worlds */
static uint64_t noffers, nlet_go, nrefused;
static struct world_pci_counts npci;
static struct core core;
static struct actions actions;
static struct conf confs[2];
static const struct conf *conf;
/* A state file as a set and as its text. */
struct file {
    struct remembered_set set;
    char text[VH_STATE_MAX];
    size_t len;
};

static struct file disk, on_its_way; /* what is on the disk; what the save under way writes */
static world_fail_fn *tell_failure;

static _Noreturn void fail(const char *why) {
    tell_failure(why);
    abort();
}

static uint64_t mix(uint64_t x) { /* splitmix64 */
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

static uint32_t rnd(uint32_t below) {
    w.rng = mix(w.rng);
    return (uint32_t)((w.rng >> 11) % below);
}

static bool chance(uint32_t percent) {
    return rnd(100) < percent;
}

/* Faults happen only while they are on. */
static bool fault(uint32_t percent) {
    return w.faults && chance(percent);
}

const struct world_counts *world_counts(void) {
    return &w.counts;
}

/* The world's VM of a row of the configuration, NOBODY for an empty row. */
static int world_of(int row) {
    const char *name = conf->vms[row].name;
    return str_starts(name, "vm") && name[2] >= '0' && name[2] < '0' + VMS ? name[2] - '0' : NOBODY;
}

static int row_of(int vm) {
    for (int v = 0; v < conf->nvms; v++) {
        if (world_of(v) == vm)
            return v;
    }
    return NOBODY;
}

static int holders(uint64_t incarnation, bool foreign) {
    int n = 0;
    for (int v = 0; v < VMS; v++) {
        for (int h = 0; h < HOLDS; h++) {
            const struct hold *x = &w.vm[v].hold[h];
            n += w.vm[v].alive && x->used && !x->dead && x->foreign == foreign && x->incarnation == incarnation;
        }
    }
    return n;
}

/* Every other VM names nothing, as crosvm does; it takes no PCI devices. */
static bool unnamed(int v) {
    return !with_pci && v % 2 == 1;
}

enum { VM_PORTS = 16 };

static struct hold *hold_at(int v, uint8_t port) {
    for (int h = 0; h < HOLDS; h++) {
        struct hold *x = &w.vm[v].hold[h];
        if (x->used && x->port == port)
            return x;
    }
    return NULL;
}

static uint8_t free_port(int v) {
    for (uint8_t port = 1; port <= VM_PORTS; port++) {
        if (hold_at(v, port) == NULL)
            return port;
    }
    return 0;
}

static struct hold *hold_find(int v, uint8_t bus, uint8_t dev) {
    for (int h = 0; h < HOLDS; h++) {
        struct hold *x = &w.vm[v].hold[h];
        if (x->used && !x->foreign && x->bus == bus && x->dev == dev)
            return x;
    }
    return NULL;
}

static struct hold *hold_free(int v) {
    for (int h = 0; h < HOLDS; h++) {
        if (!w.vm[v].hold[h].used)
            return &w.vm[v].hold[h];
    }
    return NULL;
}

void world_print(void) {
    for (int i = 0; i < core.used; i++) {
        const struct slot *s = &core.slot[i];
        if (s->state != SLOT_FREE)
            fprintf(stderr,
                    "  slot %d %s %s inc %llu vm %d choice %d op %s@%d req %d->%d doubt %llx target %d rule %d "
                    "foreign %d lease %d hold %lld reset %d disc %d susp %d; %s by %llx orphan %d unbound %d cut %d "
                    "due %d bind %d id %x:%x port %d unshown %llx claims %llx\n",
                    i, slot_state_name[s->state], s->dev.sys_name, (unsigned long long)s->dev.incarnation, s->vm,
                    s->choice, op_kind_name[s->op], s->op_vm, s->req, s->req_vm, (unsigned long long)s->doubt,
                    plan_target(&core, s), s->rule, s->foreign, s->lease, (long long)s->hold_until, s->releasing,
                    s->disconnected, s->suspended, revoke_state_name[s->revoke], (unsigned long long)s->holders,
                    s->orphan, s->unbound, s->cut, s->reset_due, s->binding, (unsigned)s->dev.vid, (unsigned)s->dev.pid,
                    s->vm_port, (unsigned long long)s->unshown, (unsigned long long)s->claims);
    }
    for (int v = 0; v < VMS; v++) {
        int row = row_of(v);
        fprintf(stderr, "  vm%d row %d", v, row);
        if (row >= 0)
            fprintf(stderr, " retired %d core state %s busy %d op %s", conf->vms[row].retired,
                    vm_state_name[core.vm[row].state], core.vm[row].busy, op_kind_name[core.vm[row].op]);
        fprintf(stderr, "; world alive %d busy %d holds", w.vm[v].alive, w.vm[v].busy);
        for (int h = 0; h < HOLDS; h++) {
            const struct hold *x = &w.vm[v].hold[h];
            if (x->used)
                fprintf(stderr, " %d-%d/%llu@%d %x:%x%s%s%s%s", x->bus, x->dev, (unsigned long long)x->incarnation,
                        x->port, (unsigned)x->vid, (unsigned)x->pid, x->foreign ? "(foreign)" : "",
                        x->dead ? "(dead)" : "", x->gone ? "(gone)" : "", x->lost ? "(lost)" : "");
        }
        fprintf(stderr, "\n");
    }
}

/* ---- sockets ---- */

/* Port p is port 1 + p / 3 of one of three buses: the two halves of a controller, and another controller. */
static const char *const roots[BUSES] = {"a/2:", "a/3:", "b/2:"};
static char paths[PORTS][VH_STABLE_PATH_MAX];

static int root_port(int p) {
    return 1 + p / BUSES;
}

/* The firmware joins the halves of the first four sockets. */
static const char *twin_of(int p) {
    static const char *const twins[] = {"1", "2", "3", "4"};
    return p % BUSES < 2 && root_port(p) <= 4 ? twins[root_port(p) - 1] : "";
}

/* One configuration joins two ports with different numbers. */
static bool joins_five(void) {
    return w.text == 0;
}

static int socket_of(int p, bool five) {
    int port = root_port(p);
    if (p % BUSES == 2)
        return 100 + port;
    if (p % BUSES == 1 && port > 4)
        return five && port == 6 ? 5 : 50 + port;
    return port;
}

static int port_at(const char *path) {
    for (int p = 0; p < PORTS; p++) {
        if (str_eq(paths[p], path))
            return p;
    }
    fail("a stable path that no port has");
}

/* A lease goes to the socket where a device of that VM was a moment ago, whatever the numbers of the buses. */
static void check_leases(const uint64_t before[CORE_SLOTS]) {
    for (int i = 0; i < core.used; i++) {
        const struct slot *s = &core.slot[i];
        int vm =
            s->state == SLOT_PRESENT && s->lease >= 0 && s->dev.incarnation != before[i] ? world_of(s->lease) : NOBODY;
        if (vm == NOBODY)
            continue;
        int64_t left = w.left[socket_of(port_at(s->dev.stable_path), true)][vm];
        if (left == 0 || w.now - (left - 1) > (int64_t)LEASE_MAX_MS * VH_NSEC_PER_MSEC)
            fail("a lease of another socket");
    }
}

static void note_unplugged(const uint64_t before[CORE_SLOTS], const int had[CORE_SLOTS]) {
    for (int i = 0; i < CORE_SLOTS; i++) {
        const struct slot *s = &core.slot[i];
        int vm = s->dev.kind == KIND_USB && before[i] != 0 && had[i] >= 0 ? world_of(had[i]) : NOBODY;
        if (vm != NOBODY && (s->state != SLOT_PRESENT || s->dev.incarnation != before[i]) && s->state != SLOT_FREE)
            w.left[socket_of(port_at(s->dev.stable_path), true)][vm] = w.now + 1; /* 0: never; time begins at 0 */
    }
}

/* ---- PCI devices ---- */

static void step(const struct fact *f);
static void take_token(uint32_t tokens[CORE_SLOTS], uint32_t token);

static struct pci_device pci_rows[PCIS];
static struct pci_fate pci_fates[PCIS];

/* Those that are there, as the rules of the configuration judge them. */
static struct pci_host pci_host(const struct conf *by) {
    int n = 0;
    for (int p = 0; p < PCIS; p++) {
        if (!w.pci[p].present)
            continue;
        pci_rows[n] = w.pci[p].row;
        snprintf(pci_rows[n].driver, sizeof pci_rows[n].driver, "%s",
                 w.pci[p].of_vms ? "vfio-pci"
                 : p == 4        ? ""
                                 : "e1000e");
        n++;
    }
    policy_pci_judge(by, pci_rows, n, pci_fates);
    return (struct pci_host){.row = pci_rows, .fate = pci_fates, .n = n};
}

/* The VM that the rules send it to, a row; NOBODY: it is the host's. */
static int pci_vm(int p) {
    char text[VH_ERROR_MAX];
    struct sbuf why;
    struct pci_host h = pci_host(conf);
    sb_init(&why, text, sizeof text);
    for (int i = 0; i < h.n; i++) {
        if (h.row[i].address.bus == p)
            return policy_pci_kept(conf, &h, i, &why) ? NOBODY : policy_pci_vm(conf, &h, i);
    }
    return NOBODY;
}

static int pci_of(const struct slot *s) {
    unsigned bus = 0;
    if (s->dev.kind != KIND_PCI || sscanf(s->dev.sys_name, "0000:%2x:00.0", &bus) != 1)
        return NOBODY;
    return (int)bus;
}

static int pci_of_id(const char *id) {
    unsigned bus = 0;
    return sscanf(id, "vhp-pci-0000-%2x-00.0", &bus) == 1 && bus < PCIS ? (int)bus : NOBODY;
}

static int pci_group(int p) {
    static const int groups[PCIS] = {0, 1, 1, 2, 2, 3};
    return groups[p];
}

static uint32_t group_open(int p) {
    uint32_t open = 0;
    for (int q = 0; q < PCIS; q++)
        open |= pci_group(q) == pci_group(p) ? w.pci[q].in | w.pci[q].kept : 0;
    return open;
}

static int pci_of_token(uint32_t token) {
    for (int i = 0; i < core.used; i++) {
        if (core.slot[i].plug == token && core.slot[i].state == SLOT_PRESENT)
            return pci_of(&core.slot[i]);
    }
    return NOBODY;
}

static void check_attach_pci(const struct action *a) {
    const struct slot *s = &core.slot[a->slot];
    int p = pci_of(s), v = world_of(a->vm);
    if (s->state != SLOT_PRESENT || pci_vm(p) != a->vm || conf->vms[a->vm].retired)
        fail("attaching a PCI device against the rules");
    if ((s->disconnected && s->req < 0) || core.stopping || (conf->closed_on_loss && core.persist && w.lost))
        fail("attaching a PCI device that stays with the host");
    if (s->disconnected && core.pending[s->req].audit.asked.who.role < s->disconnected_by)
        fail("a lower role undid a decision about a PCI device");
    if ((group_open(p) & ~(1u << v)) != 0)
        fail("a PCI device is given on before the last VM has let go of its group");
    if (!w.pci[p].of_vms && w.pci[p].present)
        fail("attaching a PCI device that the host's driver has");
    npci.attaches++;
}

static void begin_prepare(const struct action *a) {
    int p = pci_of(&core.slot[a->slot]);
    if (pci_vm(p) < 0)
        fail("a PCI device is bound that no rule sends away");
    take_token(w.prepares, a->token);
    for (int i = 0; i < CORE_SLOTS; i++) {
        if (w.prepares[i] == a->token)
            w.shares[i] = a->shared;
    }
    npci.prepared++;
}

static void begin_restore(const struct action *a) {
    const struct slot *s = &core.slot[a->slot];
    for (int i = 0; i < core.used; i++) {
        if (host_is_mate(s, &core.slot[i]) && (core.slot[i].vm >= 0 || core.slot[i].op != OP_NONE))
            fail("a PCI device is given back while a VM has its group");
    }
    take_token(w.restores, a->token);
    npci.restored++;
}

/* The worker looks whether anybody has the group before it touches a driver. */
static void end_prepare(int i) {
    struct fact f = {.kind = FACT_PREPARED, .token = w.prepares[i], .text = "the group is busy"};
    int p = pci_of_token(f.token);
    bool free = p != NOBODY && w.pci[p].present && w.pci[p].in == 0 && (w.shares[i] || group_open(p) == 0);
    w.prepares[i] = 0;
    if (free && fault(20)) {
        f.text = "the kernel says no";
        w.pci[p].of_vms = w.pci[p].of_vms || chance(50);
    } else if (free) {
        f.ok = w.pci[p].of_vms = true;
    }
    npci.failed += !f.ok;
    step(&f);
}

static void end_restore(int i) {
    struct fact f = {.kind = FACT_RESTORED, .token = w.restores[i], .text = "the group is busy"};
    int p = pci_of_token(f.token);
    w.restores[i] = 0;
    if (p != NOBODY && group_open(p) == 0 && !fault(20)) {
        w.pci[p].of_vms = false;
        f.ok = true;
    }
    step(&f);
}

static void pci_order_event(void) {
    int i = (int)rnd(CORE_SLOTS);
    for (int n = 0; n < CORE_SLOTS; n++, i = (i + 1) % CORE_SLOTS) {
        if (w.prepares[i] != 0)
            end_prepare(i);
        else if (w.restores[i] != 0)
            end_restore(i);
        else
            continue;
        return;
    }
}

static void tell_pci(void) {
    struct pci_host h = pci_host(conf);
    struct fact f = {.kind = FACT_PCI, .pci = &h, .coldplug = w.coldplug};
    step(&f);
}

static void make_pci(int p) {
    struct pci_device *d = &w.pci[p].row;
    w.pci[p].present = true;
    w.pci[p].of_vms = false;
    *d = (struct pci_device){.address = {.bus = (uint8_t)p}, .vendor = 0x8086, .device = (uint16_t)(0x1000 + p)};
    d->cls = 2;
    d->grouped = 1;
    d->group = (uint32_t)pci_group(p);
}

/* A device goes only once each VM has let go of it; the host uses only what no VM has. */
static void pci_event(void) {
    int p = (int)rnd(PCIS);
    struct pci_world *x = &w.pci[p];
    if (!x->present) {
        make_pci(p);
    } else if (group_open(p) == 0 && !x->of_vms && chance(50)) {
        x->row.uses = chance(30) ? PCI_STORAGE : 0;
        snprintf(x->row.why, sizeof x->row.why, "%s", x->row.uses != 0 ? "holds /boot" : "");
    } else if (group_open(p) == 0 && chance(50)) {
        x->present = false;
    }
    tell_pci();
}

static bool execute_attach_pci(int v, int p) {
    struct pci_world *x = &w.pci[p];
    if (w.vm[v].keeps && w.faults && x->present && x->of_vms && (group_open(p) & ~(1u << v)) == 0)
        x->kept |= 1u << v; /* even if it says that it refuses */
    if (!x->present || !x->of_vms || (x->in & 1u << v) != 0)
        return false;
    if ((group_open(p) & ~(1u << v)) != 0)
        fail("a group is in two VMs");
    for (int q = 0; q < PCIS; q++) {
        if (pci_group(q) == pci_group(p) && w.pci[q].present && !w.pci[q].of_vms && q != 4)
            return false; /* the group is not viable */
    }
    x->in |= 1u << v;
    x->slipped &= ~(1u << v);
    return true;
}

static void take_out_pci(int v, int p) {
    w.pci[p].in &= ~(1u << v);
    w.pci[p].asked &= ~(1u << v);
}

static bool execute_detach_pci(int v, int p) {
    struct world_vm *vm = &w.vm[v];
    if ((w.pci[p].in & 1u << v) == 0)
        return true;
    vm->accepted = chance(80);
    if (vm->accepted)
        w.pci[p].asked |= 1u << v;
    else
        take_out_pci(v, p);
    return true;
}

/* A guest lets go of a device, or says that it does not; or it says nothing for long. */
static void pci_guest_event(int v) {
    char id[VH_OPID_MAX];
    int p = (int)rnd(PCIS);
    for (int n = 0; n < PCIS; n++, p = (p + 1) % PCIS) {
        bool asked = (w.pci[p].asked & 1u << v) != 0;
        if ((w.pci[p].in & 1u << v) == 0 || !(asked || fault(2)) || fault(30))
            continue;
        struct fact f = {.kind = FACT_VM_OUT, .vm = row_of(v), .ok = !fault(20), .text = id};
        snprintf(id, sizeof id, "vhp-pci-0000-%02x-00.0", (unsigned)p);
        w.pci[p].asked &= ~(1u << v);
        npci.refused += !f.ok;
        npci.let_go += f.ok;
        if (f.ok)
            take_out_pci(v, p);
        if (f.vm != NOBODY && !fault(20))
            step(&f);
        else if (f.ok && !asked)
            w.pci[p].slipped |= 1u << v;
        return;
    }
}

/* The VM is gone, or nobody's any more. */
static void forget_pci(int v) {
    for (int p = 0; p < PCIS; p++) {
        take_out_pci(v, p);
        w.pci[p].kept &= ~(1u << v);
        w.pci[p].slipped &= ~(1u << v);
    }
}

static void check_pci(void) {
    for (int i = 0; i < core.used; i++) {
        const struct slot *s = &core.slot[i];
        int p = s->state == SLOT_PRESENT ? pci_of(s) : NOBODY;
        if (p == NOBODY)
            continue;
        uint32_t in = s->vm >= 0 ? 1u << world_of(s->vm) : 0;
        for (int v = 0; v < VMS; v++) {
            if (row_of(v) != NOBODY && ((w.pci[p].in ^ in) & ~(w.pci[p].slipped & in)) >> v & 1)
                fail("at rest: a PCI device is not where the core believes");
        }
        if (host_wants_back(&core, s) || (w.pci[p].of_vms && !s->bound))
            fail("at rest: a PCI device is left bound");
    }
}

static enum role decided_for(const struct slot *s) {
    int socket = socket_of(port_at(s->dev.stable_path), joins_five());
    enum role by = ROLE_NONE;
    for (int i = 0; i < VH_MAX_REMEMBERED; i++) {
        const struct remembered *m = &core.remembered.m[i];
        bool same = m->used && m->vid == s->dev.vid && m->pid == s->dev.pid && m->serial[0] == '\0';
        if (same && m->now.by > by && (m->port[0] == '\0' || socket_of(port_at(m->port), joins_five()) == socket))
            by = m->now.by;
    }
    return by;
}

/* A device without a serial number is known by its socket. */
static void check_decided(void) {
    for (int i = 0; i < core.used; i++) {
        const struct slot *s = &core.slot[i];
        if (s->state != SLOT_PRESENT || s->dev.kind != KIND_USB || !s->dev.settled || s->dev.serial[0] != '\0')
            continue;
        bool decided = decided_for(s) != ROLE_NONE;
        if (decided && !s->disconnected)
            fail("at rest: a decision about a socket does not hold there");
        if (!decided && s->disconnected && core_tag_taken(&core, s->dev.kind, core_tag(&core, s)) == ROLE_NONE)
            fail("at rest: a decision about another socket holds");
    }
}

/* The connectors that the configurations below deny, and give to one VM. */
static void check_connectors(const struct slot *s, int vm) {
    int p = port_at(s->dev.stable_path), socket = socket_of(p, joins_five());
    if (w.text == 0 && s->rule == 0 && socket == 5)
        fail("attaching from a connector that the rule denies");
    if (w.text == 1 && (socket == 2 || socket == 103) && world_of(vm) != 3)
        fail("attaching from a connector that is another VM's");
}

/* ---- checking actions ---- */

/* True if a higher role chose another VM for the device, and the rules allow that VM. Only a choice for the same port
 * counts: a device at another port may be one that looks alike. */
static bool chosen_above(const struct slot *s, enum role role, int vm) {
    for (int i = 0; i < VH_MAX_REMEMBERED && s->rule >= 0; i++) {
        const struct remembered *m = &core.remembered.m[i];
        int chosen = m->used && m->vm_by > role ? conf_vm(conf, m->vm) : -1;
        if (chosen >= 0 && chosen != vm && m->vid == s->dev.vid && m->pid == s->dev.pid &&
            str_eq(m->serial, s->dev.serial) && connector_is_port(conf, m->port, &s->dev) &&
            (conf->rules[s->rule].vm_mask >> chosen & 1) != 0)
            return true;
    }
    return false;
}

/* ---- quarantine ---- */

void world_quarantine(void) {
    with_quarantine = true;
}

void world_guests(void) {
    with_guests = true;
}

void world_pci(void) {
    with_pci = true;
}

const struct world_pci_counts *world_pci_counts(void) {
    return &npci;
}

uint64_t world_let_go(void) {
    return nlet_go;
}

uint64_t world_refused(void) {
    return nrefused;
}

uint64_t world_offers(void) {
    return noffers;
}

static struct port_world *port_of(const struct slot *s) {
    for (int p = 0; p < PORTS; p++) {
        if (w.port[p].present && w.port[p].dev.incarnation == s->dev.incarnation)
            return &w.port[p];
    }
    return NULL;
}

/* By the rules alone, as a reader of the documentation would say it. */
static bool must_stay_unconfigured(const struct slot *s) {
    int rule = policy_rule(conf, &s->dev);
    bool given = s->lease >= 0 || (rule >= 0 && conf->rules[rule].nvms > 0);
    if (device_is_hub(&s->dev) || (rule >= 0 && conf->rules[rule].host))
        return false;
    return authorises || quarantine == QUARANTINE_ALL || given;
}

/* ---- revocation ---- */

/* VMs that give back what they have, and are trusted to. */
static bool is_trusted(int v) {
    return v == 5;
}

static const char *still_open(const struct port_world *p, int but) {
    uint32_t mine = but != NOBODY ? 1u << but : 0;
    return p->escaped != 0 || (p->open & ~mine) != 0 ? "a device is given on before its old descriptors are dead"
                                                     : NULL;
}

static void check_dead(const struct slot *s, int but) {
    const struct port_world *p = port_of(s);
    const char *why = p != NULL ? still_open(p, but) : NULL;
    if (why != NULL)
        fail(why);
}

static void take_token(uint32_t tokens[CORE_SLOTS], uint32_t token) {
    for (int i = 0; i < CORE_SLOTS; i++) {
        if (tokens[i] == token)
            fail("the same is done twice at once to one plug");
    }
    for (int i = 0; i < CORE_SLOTS; i++) {
        if (tokens[i] == 0) {
            tokens[i] = token;
            return;
        }
    }
    fail("more is under way than there are devices");
}

static void begin_revoke(const struct action *a) {
    if (core.slot[a->slot].op != OP_NONE)
        fail("a revocation during an operation");
    take_token(w.revokes, a->token);
    for (int i = 0; i < CORE_SLOTS; i++) {
        if (w.revokes[i] == a->token)
            w.first_binds[i] = a->bind;
    }
}

/* What the kernel does: the loss of a driver ends what was opened before it. */
static void unbind(struct port_world *p, bool bind) {
    p->loose = p->unbound && !bind ? p->loose : 0;
    p->open &= p->loose;
    p->escaped &= p->loose;
    p->late = p->late_binds = false;
    p->unbound = true;
    p->configured = p->offered = p->dev.driven = false;
    p->dev.usb.config = 0;
    for (int v = 0; v < VMS; v++) {
        for (int h = 0; h < HOLDS; h++) {
            struct hold *x = &w.vm[v].hold[h];
            bool its = x->used && x->incarnation == p->dev.incarnation;
            x->dead = x->dead || its;
            x->gone =
                x->gone || (its && unnamed(v)); /* it drops what does not answer any more, now or a little later */
            if (its && (x->foreign || (x->gone && chance(50))))
                x->used = false;
        }
    }
}

/* Nothing is open that nobody may have, and nothing is unbound that nobody has taken away. */
static void check_revoked(void) {
    for (int i = 0; i < core.used; i++) {
        const struct slot *s = &core.slot[i];
        const struct port_world *p = s->state == SLOT_PRESENT ? port_of(s) : NULL;
        if (p == NULL)
            continue;
        int has = s->foreign >= 0 ? s->foreign : plan_target(&core, s); /* a VM that cannot say which one it has */
        if (s->vm < 0)
            check_dead(s, has >= 0 ? world_of(has) : NOBODY);
        if (p->unbound && !s->disconnected)
            fail("at rest: a device is not bound again");
        if (p->unbound && s->vm >= 0)
            fail("at rest: a VM has what no driver has");
        w.counts.kept_away += p->unbound;
        bool nowhere = s->vm < 0 && s->foreign < 0 && s->claims == 0 && s->holders == 0;
        if (authorises && nowhere && p->given && !p->dev.unauthorised && must_stay_unconfigured(s))
            fail("at rest: a device that came back from a VM is still authorised");
    }
}

/* It is plugged into a port that is held, or now and then into one that is not held yet. */
static void plug_quarantined(struct port_world *p) {
    if (quarantine == QUARANTINE_OFF)
        return;
    p->dev.usb.nconfigs = 1;
    p->dev.usb.config_value[0] = 1;
    p->dev.usb.bound_in[0] = 1;
    p->configured = mix(p->dev.incarnation) % 10 == 0;
    p->dev.usb.config = p->configured;
    p->dev.driven = p->configured;
    p->offered = p->given = false;
    p->failed_offers = 0;
    if (authorises)
        p->dev.unauthorised = mix(p->dev.incarnation + 7) % 10 != 0;
}

static void begin_offer(const struct action *a) {
    const struct slot *s = &core.slot[a->slot];
    if (quarantine == QUARANTINE_OFF)
        fail("an offer without quarantine");
    if (must_stay_unconfigured(s))
        fail("a VM's device is offered to the host's drivers");
    if (s->vm >= 0 || s->op != OP_NONE || holders(s->dev.incarnation, false) != 0)
        fail("a device is offered to the host's drivers that a VM may have");
    for (int i = 0; i < CORE_SLOTS; i++) {
        if (w.offers[i] == a->token)
            fail("a second offer of one plug");
    }
    check_dead(s, NOBODY);
    noffers++;
    struct port_world *p = port_of(s);
    if (p != NULL && p->unbound)
        fail("a device without a driver is offered to the host's");
    if (p != NULL)
        p->offered_in = w.confs;
    for (int i = 0; i < CORE_SLOTS; i++) {
        if (w.offers[i] == 0) {
            w.offers[i] = a->token;
            return;
        }
    }
    fail("more offers than devices");
}

/* Nothing that the host may have waits for its drivers. */
static void check_offered(void) {
    for (int i = 0; i < core.used && quarantine != QUARANTINE_OFF; i++) {
        const struct slot *s = &core.slot[i];
        const struct port_world *p = s->state == SLOT_PRESENT ? port_of(s) : NULL;
        bool usable = p != NULL && (authorises || !s->dev.unauthorised) && !s->dev.unresponsive && s->vm < 0 &&
                      s->foreign < 0 && !(p->unbound && s->disconnected);
        if (usable && !must_stay_unconfigured(s) && !p->configured)
            fail("at rest: a device of the host's is not configured");
        if (p != NULL && p->offered && p->offered_in == w.confs && must_stay_unconfigured(s))
            fail("at rest: a VM's device was offered to the host's drivers");
    }
}

static void check_attach(const struct action *a) {
    const struct slot *s = a->slot >= 0 ? &core.slot[a->slot] : NULL;
    if (s == NULL || s->state != SLOT_PRESENT)
        fail("attaching nothing");
    if (s->dev.protect[0] != '\0' || s->dev.malformed[0] != '\0' || s->hub)
        fail("attaching a device that stays with the host");
    bool leased = s->rule < 0 && s->lease == a->vm;
    if (!leased && (s->rule < 0 || (conf->rules[s->rule].vm_mask >> a->vm & 1) == 0))
        fail("attaching against the rules");
    if (!leased)
        check_connectors(s, a->vm);
    if (conf->vms[a->vm].retired)
        fail("attaching to a VM that is gone from the configuration");
    if (s->disconnected && s->req < 0)
        fail("attaching a disconnected device");
    if (s->suspended >= 0 && s->req < 0)
        fail("attaching a suspended device");
    if (s->foreign >= 0 || s->look != LOOK_NONE)
        fail("attaching what somebody else has attached");
    if (s->releasing)
        fail("attaching in the middle of a reset");
    if (s->hold_until != 0)
        fail("attaching from a port that flaps");
    if (s->dev.unresponsive)
        fail("attaching a device that does not answer");
    if (s->dev.unauthorised && !authorises)
        fail("attaching a device that is not authorised");
    if (conf->closed_on_loss && core.persist && w.lost)
        fail("attaching although decisions may be lost");
    if (core.stopping)
        fail("attaching at the end");
    const struct port_world *p = port_of(s);
    check_dead(s, world_of(a->vm));
    if (p != NULL && p->unbound && !p->late)
        fail("attaching what no driver has");
    if (p != NULL && p->offered && p->offered_in == w.confs)
        fail("attaching a device that the host's drivers have seen");
    if (s->offering)
        fail("attaching in the middle of an offer");
    if (s->disconnected && core.pending[s->req].audit.asked.who.role < s->disconnected_by)
        fail("a lower role undid a higher one's decision");
    if (s->req >= 0 && chosen_above(s, core.pending[s->req].audit.asked.who.role, a->vm))
        fail("a lower role undid a higher one's choice");
    w.counts.leased += leased;
}

/* A guest moves only its own devices and free ones. */
static void check_guest(const struct action *a) {
    const struct slot *s = a->slot >= 0 ? &core.slot[a->slot] : NULL;
    const struct request *r = s != NULL && s->req >= 0 ? &core.pending[s->req].audit.asked : NULL;
    if (r == NULL || r->who.role != ROLE_GUEST)
        return;
    w.counts.guests++;
    if (a->vm != r->who.vm)
        fail("a guest moved a device at another VM");
    if (a->op.kind == OP_ATTACH && s->disconnected)
        fail("a guest undid a decision");
}

/* Has the core been told that the device of this detach was unplugged, if it was, and of what is at its port now? */
static bool can_be_known(const struct action *a, const struct hold *there) {
    bool known = false;
    for (int i = 0; i < core.used; i++)
        known = known || (core.slot[i].state == SLOT_PRESENT && core.slot[i].dev.incarnation == there->incarnation);
    const struct slot *s = a->slot >= 0 ? &core.slot[a->slot] : NULL;
    return known && (s == NULL || s->state != SLOT_PRESENT || port_of(s) != NULL);
}

static void begin_op(const struct action *a) {
    check_guest(a);
    int v = world_of(a->vm);
    if (v == NOBODY)
        fail("an operation at an empty row");
    struct world_vm *vm = &w.vm[v];
    if (vm->op.kind != OP_NONE)
        fail("a second operation at one VM");
    vm->op_pci = pci_of_id(a->op.id);
    if (a->op.kind == OP_ATTACH && vm->op_pci != NOBODY)
        check_attach_pci(a);
    else if (a->op.kind == OP_ATTACH)
        check_attach(a);
    vm->op = a->op;
    vm->executed = false;
    vm->op_incarnation = a->op.kind == OP_ATTACH ? core.slot[a->slot].dev.incarnation : 0;
    const struct hold *at = a->op.kind == OP_DETACH && unnamed(v) ? hold_at(v, a->op.vm_port) : NULL;
    vm->others = at != NULL && at->foreign && can_be_known(a, at);
}

/* Is a decision against this device part of the save? */
static bool save_has_decision(const struct device *d) {
    for (int i = 0; i < VH_MAX_REMEMBERED; i++) {
        const struct remembered *m = &on_its_way.set.m[i];
        if (m->used && m->file.by != ROLE_NONE && m->vid == d->vid && m->pid == d->pid && str_eq(m->serial, d->serial))
            return true;
    }
    return false;
}

/* The plug that the core takes a device_node for. */
static uint64_t plug_meant(const struct request *r) {
    for (int i = 0; i < core.used && r->sel.by_node; i++) {
        const struct slot *s = &core.slot[i];
        if (s->state == SLOT_PRESENT && s->dev.usb.busnum == r->sel.node_bus && s->dev.usb.devnum == r->sel.node_dev)
            return s->dev.incarnation;
    }
    return 0;
}

static void check_detached(const struct world_client *c) {
    if (c->meant != 0 && holders(c->meant, false) != 0)
        fail("a detach said ok and the device is still in a VM");
}

static void check_decision_is_saved(const struct request *r) {
    bool found = false;
    for (int i = 0; i < core.used && !r->sel.by_tag; i++) {
        const struct slot *s = &core.slot[i];
        if (s->meant && r->sel.by_node && s->dev.settled && !save_has_decision(&s->dev))
            fail("a decision is being saved, and is not part of the save");
    }
    for (int i = 0; i < VH_MAX_TAG_DECISIONS && r->sel.by_tag; i++) {
        const struct tag_decision *l = &on_its_way.set.tag_decision[i];
        found = found || (l->by != ROLE_NONE && str_eq(l->tag, r->sel.tag));
    }
    if (r->sel.by_tag && !found)
        fail("a decision about a tag is being saved, and is not part of the save");
    w.counts.tag_author += r->sel.by_tag;
}

static void reply(const struct action *a) {
    struct world_client *c = &w.client[a->client.index];
    if (a->client.gen != c->gen)
        return; /* the server would drop it */
    if (!c->asked)
        fail("a reply without a request");
    c->asked = false;
    if (a->kind == ACT_REPLY && a->ok && c->req.kind == REQ_DETACH && core.persist && !c->saved &&
        c->req.who.role != ROLE_GUEST)
        fail("a detach said ok and was not saved");
    if (a->kind == ACT_REPLY && a->ok && c->req.kind == REQ_DETACH)
        check_detached(c);
    if (a->kind == ACT_REPLY && a->ok && c->req.kind == REQ_DETACH && c->pci != NOBODY) {
        for (int v = 0; v < VMS; v++) {
            if (row_of(v) != NOBODY && (w.pci[c->pci].in >> v & 1) != 0)
                fail("a detach said ok and a VM has the PCI device");
        }
    }
    if (a->kind == ACT_REPLY && !a->ok && actions.texts[a->text][0] == '\0')
        fail("a failure without a reason");
}

static void begin_reset(const struct action *a) {
    const struct slot *s = &core.slot[a->slot];
    if (a->bind && s->disconnected)
        fail("what somebody has taken away is bound again");
    if (!a->reset && !a->bind && !a->deauthorise)
        fail("a device is given back, and nothing is to be done");
    if (a->deauthorise && (!authorises || s->vm >= 0 || s->op == OP_ATTACH))
        fail("a device loses its authorisation that a VM has, or without usbAuthorization");
    if (a->reset || a->bind)
        check_dead(s, NOBODY);
    take_token(w.resets, a->token);
    for (int i = 0; i < CORE_SLOTS; i++) {
        if (w.resets[i] != a->token)
            continue;
        w.binds[i] = a->bind;
        w.deauthorises[i] = a->deauthorise;
    }
}

/* The disk is to hold what the codec makes of it now. */
static void begin_save(void) {
    struct sbuf sb;
    if (w.saving)
        fail("a second save at once");
    w.saving = true;
    if (w.late)
        return; /* the disk has not taken the last one yet: it takes no other */
    sb_init(&sb, on_its_way.text, sizeof on_its_way.text);
    state_format_print(&core.remembered, "boot", &sb);
    if (!sb_ok(&sb))
        fail("the state does not fit into its file");
    on_its_way.len = sb.len;
    on_its_way.set = core.remembered;
    if (core.saving && core.decision.who.role == ROLE_GUEST)
        fail("what a guest did was written down");
    if (core.saving && core.decision.kind == REQ_DETACH)
        check_decision_is_saved(&core.decision);
}

/* Whose decision does the save under way write? */
static void decision_is_on_disk(void) {
    struct world_client *c = &w.client[core.decision.client.index];
    if (core.save == SAVE_DECISION && c->gen == core.decision.client.gen)
        c->saved = true;
}

static void do_action(const struct action *a) {
    switch (a->kind) {
    case ACT_OP:
        begin_op(a);
        break;
    case ACT_REPLY:
    case ACT_REPLY_PARTS:
    case ACT_REPLY_VERSION:
    case ACT_SERVE:
        reply(a);
        break;
    case ACT_EVENT:
        w.counts.attaches += a->event == EV_ATTACHED;
        break;
    case ACT_RELEASE:
        begin_reset(a);
        break;
    case ACT_REVOKE:
        begin_revoke(a);
        break;
    case ACT_OFFER:
        begin_offer(a);
        break;
    case ACT_PREPARE:
        begin_prepare(a);
        break;
    case ACT_RESTORE:
        begin_restore(a);
        break;
    case ACT_FLAPS:
        w.counts.flaps++;
        break;
    case ACT_SAVE:
        begin_save();
        break;
    case ACT_LOOK:
        for (int p = 0; p < PORTS; p++)
            w.port[p].look = w.port[p].look || str_eq(w.port[p].dev.sys_name, core.slot[a->slot].dev.sys_name);
        w.counts.looks++;
        break;
    default:
        break;
    }
}

/* The whole list, as an admin or a guest reads it, in one number. */
static uint64_t words_of_list(void) {
    static const struct principal eyes[] = {{.role = ROLE_ADMIN, .vm = -1}, {.role = ROLE_GUEST, .vm = 0}};
    static char text[VH_REPLY_MAX];
    uint64_t sum = 14695981039346656037u; /* FNV-1a */
    for (size_t i = 0; i < sizeof eyes / sizeof *eyes; i++) {
        struct request all = {.kind = REQ_LIST, .all = true, .who = eyes[i]};
        uint64_t cursor = 0;
        struct sbuf sb;
        for (bool more = true; more;) {
            sb_init(&sb, text, sizeof text);
            more = api_list_part(&core, &all, &cursor, &sb);
            for (size_t k = 0; k < sb.len; k++)
                sum = (sum ^ (unsigned char)text[k]) * 1099511628211u;
        }
    }
    return sum;
}

/* A request means the devices that are there when the core begins it. */
static void begin_waiting(void) {
    for (int k = 0; k < CLIENTS; k++) {
        struct world_client *c = &w.client[k];
        bool waited = c->waits;
        c->waits = false;
        for (int i = 0; i < core.nwaiting; i++)
            c->waits = c->waits || (core.waiting[i].client.index == k && core.waiting[i].client.gen == c->gen);
        w.counts.waited += c->waits && !waited;
        if (waited && c->asked)
            c->meant = plug_meant(&c->req);
    }
}

/* No request alone brings a decision into force: it is saved first. */
static void check_nothing_holds(const struct remembered_set *before) {
    for (int i = 0; i < VH_MAX_REMEMBERED; i++) {
        const struct remembered *m = &core.remembered.m[i], *was = &before->m[i];
        if (m->used && was->used && m->stamp == was->stamp && m->now.by != was->now.by)
            fail("a decision holds before it is saved");
        if (m->used && !was->used && m->now.by != ROLE_NONE)
            fail("a new decision holds before it is saved");
    }
    for (int i = 0; i < VH_MAX_TAG_DECISIONS; i++) {
        if (core.remembered.tag_decision[i].now != before->tag_decision[i].now)
            fail("a decision about a tag holds before it is saved");
    }
}

/* Who keeps each plug away. Only an attach by at least that role, which the core is about to do or has just saved,
 * makes it less: nothing else that happens does, whatever is decided about other devices and whatever the rules say. */
static void note_decisions(const struct fact *f) {
    w.attacher = f->kind == FACT_REQUEST && f->request->kind == REQ_ATTACH ? f->request->who.role : ROLE_NONE;
    if (core.saving && core.decision.kind == REQ_ATTACH && core.decision.who.role > w.attacher)
        w.attacher = core.decision.who.role;
    for (int i = 0; i < core.nwaiting; i++) {
        if (core.waiting[i].kind == REQ_ATTACH && core.waiting[i].who.role > w.attacher)
            w.attacher = core.waiting[i].who.role;
    }
    for (int i = 0; i < CORE_SLOTS; i++) {
        const struct slot *s = &core.slot[i];
        w.away[i].plug = s->state == SLOT_PRESENT && s->dev.settled ? s->plug : 0;
        w.away[i].by = s->disconnected_by;
    }
}

/* Of devices without a serial number, which are known by their port. A decision about a serial number follows the
 * device to another port and back: docs/security.md names that limit, and this does not look at such devices. */
static void check_decisions(void) {
    for (int i = 0; i < core.used; i++) {
        const struct slot *s = &core.slot[i];
        if (s->state == SLOT_PRESENT && w.away[i].plug == s->plug && s->disconnected_by < w.away[i].by &&
            w.away[i].by > w.attacher && s->rule >= 0 && s->dev.serial[0] == '\0')
            fail("a device is given back, and nobody who may has attached it");
    }
}

static void step(const struct fact *f) {
    const char *why = "";
    note_decisions(f);
    bool asks = f->kind == FACT_CLIENT_GONE || (f->kind == FACT_REQUEST && !core_moves(f->request));
    int liar = f->kind == FACT_OP_DONE && f->op->nfound > 0 ? f->op->vm : NOBODY;
    int had[CORE_SLOTS];
    uint64_t plugs[CORE_SLOTS];
    for (int i = 0; i < CORE_SLOTS; i++) {
        had[i] = core.slot[i].state == SLOT_PRESENT ? core.slot[i].vm : NOBODY;
        plugs[i] = core.slot[i].state == SLOT_PRESENT ? core.slot[i].dev.incarnation : 0;
    }
    uint64_t changes = core.changes, words = asks ? words_of_list() : 0;
    struct remembered_set before;
    bool asked = f->kind == FACT_REQUEST && core.persist;
    if (asked)
        before = core.remembered;
    if (w.verbose)
        printf("%llu: fact %d vm %d name %s op %d/%d\n", (unsigned long long)w.counts.facts, f->kind, f->vm,
               f->device     ? f->device->sys_name
               : f->sys_name ? f->sys_name
                             : "-",
               f->op ? (int)f->op->status : -1, f->op ? f->op->vm : -1);
    w.counts.facts++;
    account_fact(f, w.now);
    core_step(&core, f, w.now, &actions);
    if (!core_check(&core, &why))
        fail(why);
    check_decisions();
    note_unplugged(plugs, had);
    check_leases(plugs);
    begin_waiting();
    for (int i = 0; i < CORE_SLOTS; i++) {
        bool dropped = core.slot[i].revoke == REVOKE_CERTAIN; /* it was dead in that VM before */
        if (liar != NOBODY && had[i] != NOBODY && had[i] != liar && core.slot[i].vm != had[i] && !dropped)
            fail("what a VM listed took a device from another VM");
    }
    if (asked)
        check_nothing_holds(&before);
    if (asks && core.changes == changes && words_of_list() != words)
        fail("a list has changed, and nobody counted it");
    for (int i = 0; i < actions.n; i++) {
        const struct action *a = &actions.a[i];
        if (w.verbose)
            printf("   action %d event %d slot %d vm %d op %d %s\n", a->kind, a->event, a->slot, a->vm, a->op.kind,
                   a->op.id);
        account_action(&core, &actions, a);
        do_action(a);
    }
    account_step_ends(&core);
    while (w.saving && w.late) { /* the worker is late: saves fail at once */
        struct fact end = {.kind = FACT_SAVED, .text = "the disk does not answer"};
        w.saving = false;
        step(&end);
    }
    if (w.saving != (core.save != SAVE_NONE))
        fail("the core and its disk differ about a save");
}

/* ---- the disk ---- */

static void save_event(void) {
    struct fact f = {.kind = FACT_SAVED, .text = "the disk is full"};
    if (w.late && fault(70))
        return;
    if (w.late) {
        w.late = false; /* its late answer: it may have come to nothing */
        if (chance(50))
            disk = on_its_way;
        if (w.saving) {
            w.saving = false;
            step(&f);
        }
        f.kind = FACT_DISK_ANSWERS;
        step(&f);
        return;
    }
    if (!w.saving)
        return;
    w.saving = false;
    w.late = fault(20);
    f.ok = !w.disk_full && !w.late;
    w.counts.refused_saves += w.disk_full;
    w.counts.late_saves += w.late;
    if (f.ok) {
        disk = on_its_way;
        decision_is_on_disk();
    }
    step(&f);
}

/* ---- devices ---- */

/* Numbers are used again soon, so that old ids in VMs coincide with newer devices. */
static uint8_t free_devnum(int bus) {
    for (;;) {
        int n = 1 + w.next_devnum++ % 20;
        bool used = false;
        for (int p = 0; p < PORTS; p++)
            used = used || (w.port[p].present && w.port[p].dev.usb.busnum == bus && w.port[p].dev.usb.devnum == n);
        if (!used)
            return (uint8_t)n;
    }
}

/* A device that another tool attached leaves its VM on unplug; the core learns that from the next listing. A VM that
 * names nothing drops any device that is unplugged, now or a little later. */
static void drop_unplugged(uint64_t incarnation) {
    for (int v = 0; v < VMS; v++) {
        for (int h = 0; h < HOLDS; h++) {
            struct hold *x = &w.vm[v].hold[h];
            if (!x->used || x->incarnation != incarnation)
                continue;
            x->gone = unnamed(v);
            if (x->foreign || (unnamed(v) && chance(70)))
                x->used = false;
        }
    }
}

static void drop_gone(int v) {
    for (int h = 0; h < HOLDS; h++)
        w.vm[v].hold[h].used = w.vm[v].hold[h].used && !w.vm[v].hold[h].gone;
}

static void remove_device(int p) {
    if (w.port[p].present)
        drop_unplugged(w.port[p].dev.incarnation);
    w.port[p].present = w.port[p].unread = false;
    w.port[p].open = 0;
    w.port[p].escaped = 0;
    w.port[p].loose = 0;
    w.port[p].unbound = w.port[p].late = w.port[p].late_binds = false;
}

static void identify(struct device *d) {
    static const char *const serials[] = {"S0", "S1", "S2", "S3", "S4", "S5"};
    d->vid = 0x1000;
    d->pid = (uint16_t)rnd(8);
    if (chance(50))
        d->serial = serials[rnd(6)];
    const struct device *other = &w.port[rnd(PORTS)].dev;
    if (chance(10)) { /* looks like another device */
        d->pid = other->pid;
        d->serial = other->serial != NULL ? other->serial : ""; /* there was none yet */
    }
}

static void make_device(int p) {
    struct device *d = &w.port[p].dev;
    int bus = w.number[p % BUSES];
    char name[VH_SYSNAME_MAX];
    snprintf(name, sizeof name, "%d-%d", bus, root_port(p));
    snprintf(paths[p], sizeof paths[p], "%s%d", roots[p % BUSES], root_port(p));
    remove_device(p);
    device_make(d, name, (unsigned)bus, free_devnum(bus), 3);
    d->incarnation = ++w.next_incarnation;
    d->usb.root_port = (uint8_t)root_port(p);
    snprintf(d->usb.speed, sizeof d->usb.speed, "%s", p % 3 == 0 ? "12" : "480");
    d->stable_path = paths[p];
    d->twin = twin_of(p);
    w.port[p].present = true;
    identify(d);
    d->settled = w.coldplug || chance(50);
    if (chance(4))
        d->usb.ifaces[0].cls = 9;
    if (chance(3))
        d->malformed = "bLength 0";
    if (chance(4))
        d->protect = "holds /boot";
    d->unresponsive = chance(3);
    d->unauthorised = chance(3);
    plug_quarantined(&w.port[p]);
}

static void tell_device(int p) {
    uint64_t plug = w.port[p].dev.incarnation;
    w.port[p].dev.claimed = holders(plug, false) != 0 || holders(plug, true) != 0;
    w.port[p].dev.binding = w.port[p].unbound ? BINDING_NONE : BINDING_DRIVER;
    struct fact f = {.kind = FACT_DEVICE, .device = &w.port[p].dev, .coldplug = w.coldplug || w.port[p].unread};
    if (chance(20))
        f.driver = chance(50) ? "usbhid" : "";
    w.port[p].unread = false;
    step(&f);
}

/* The device cannot be read now: the scan says only that one is there. */
static void tell_seen(int p) {
    const char *name = w.port[p].dev.sys_name;
    bool known = core_device(&core, name) != NULL;
    struct fact f = {.kind = FACT_SEEN, .sys_name = name};
    w.port[p].unread = w.port[p].unread || w.coldplug;
    w.counts.seen++;
    step(&f);
    if ((core_device(&core, name) != NULL) != known)
        fail("a device that was only seen has come or gone");
}

static void tell_gone(const char *name) {
    struct fact f = {.kind = FACT_GONE, .sys_name = name};
    step(&f);
}

static void scan(void) {
    bool known[PORTS] = {false};
    struct fact f = {.kind = FACT_SCAN_BEGIN, .coldplug = w.coldplug};
    step(&f);
    for (int p = 0; p < PORTS; p++) {
        if (w.port[p].present && fault(8))
            tell_seen(p);
        else if (w.port[p].present)
            tell_device(p);
        known[p] = w.port[p].present && core_device(&core, w.port[p].dev.sys_name) != NULL;
    }
    f.kind = FACT_SCAN_END;
    step(&f);
    for (int p = 0; p < PORTS; p++) {
        if (known[p] && core_device(&core, w.port[p].dev.sys_name) == NULL)
            fail("the end of a scan has unplugged a device that the scan saw");
    }
}

/* The core asked for a reading of a device. */
static void look_event(int p) {
    if (!w.port[p].look)
        return;
    w.port[p].look = false;
    if (!w.port[p].present)
        tell_gone(w.port[p].dev.sys_name);
    else if (fault(8))
        tell_seen(p);
    else
        tell_device(p);
}

/* Something about a device changes; the string of a serial is read only once the kernel is done with it. */
static void change_event(int p) {
    struct device *d = &w.port[p].dev;
    d->settled = true;
    if (chance(10) && holders(d->incarnation, false) == 0)
        d->protect = chance(50) ? "holds /boot" : "";
    if (chance(20))
        d->unresponsive = !d->unresponsive;
    if (chance(20) && !authorises)
        d->unauthorised = !d->unauthorised;
    w.counts.silent += d->unresponsive && w.port[p].present;
    tell_device(p);
}

/* A VM does not notice an unplug: the id stays in it. */
static void replug(int p) {
    char name[VH_SYSNAME_MAX];
    bool was = w.port[p].present;
    memcpy(name, w.port[p].dev.sys_name, sizeof name);
    remove_device(p);
    if (was && !fault(15))
        tell_gone(name);
    if (!was || chance(30)) {
        make_device(p);
        if (!fault(10))
            tell_device(p);
    }
}

/* All devices of a bus are away, and told of, or not. The core's order to read one of them finds none. */
static void empty_bus(int bus) {
    for (int p = bus; p < PORTS; p += BUSES) {
        bool was = w.port[p].present, look = w.port[p].look;
        remove_device(p);
        w.port[p].look = false;
        if (look || (was && !fault(15)))
            tell_gone(w.port[p].dev.sys_name);
    }
}

/* Two controllers are taken out and come back in another order: the buses have each other's numbers. */
static void renumber_event(void) {
    int a = (int)rnd(BUSES), b = (a + 1 + (int)rnd(BUSES - 1)) % BUSES, number = w.number[a];
    empty_bus(a);
    empty_bus(b);
    w.number[a] = w.number[b];
    w.number[b] = number;
    w.counts.renumbered++;
    for (int p = 0; p < PORTS; p++) {
        struct device *d = &w.port[p].dev;
        if (p % BUSES != a && p % BUSES != b)
            continue;
        d->usb.busnum = (uint8_t)w.number[p % BUSES];
        snprintf(d->sys_name, sizeof d->sys_name, "%u-%d", (unsigned)d->usb.busnum, root_port(p));
        if (chance(40))
            continue;
        make_device(p);
        if (!fault(10))
            tell_device(p);
    }
}

static void plug_event(void) {
    int p = (int)rnd(PORTS);
    if (w.port[p].present && chance(20)) {
        change_event(p);
        return;
    }
    for (int n = chance(2) ? 30 : 1; n > 0; n--) { /* a bad contact, or one plug */
        replug(p);
        if (n > 1)
            w.now += (int64_t)rnd(20) * VH_NSEC_PER_MSEC;
    }
    if (chance(30))
        scan();
}

/* ---- VMs ---- */

/* One VM of every second seed has few ports, and says so. */
enum { FEW_PORTS = 3, FEW_VM = 1 };

static bool has_few(int v) {
    return v == FEW_VM && (w.seed & 1) != 0;
}

static bool port_used(int v, unsigned port) {
    for (int h = 0; h < HOLDS; h++) {
        if (w.vm[v].hold[h].used && w.vm[v].hold[h].port == port)
            return true;
    }
    return false;
}

/* Where a device goes that asks for this port, or for none. 0: nowhere. */
static uint8_t port_taken_by(int v, const char *wanted) {
    unsigned port = (unsigned)atoi(wanted);
    for (unsigned n = 1; n <= FEW_PORTS && port == 0; n++)
        port = port_used(v, n) ? 0 : n;
    return (uint8_t)(port <= FEW_PORTS && !port_used(v, port) ? port : 0);
}

static const struct vm_ports *few_ports(int v) {
    static struct vm_ports p;
    memset(&p, 0, sizeof p);
    p.known = true;
    p.nbuses = 1;
    p.bus[0].controller = VM_XHCI;
    snprintf(p.bus[0].name, sizeof p.bus[0].name, "xhci.0");
    for (unsigned n = 1; n <= FEW_PORTS; n++) {
        struct vm_port *port = &p.port[p.nports++];
        snprintf(port->path, sizeof port->path, "%u", n);
        port->speeds = USB_SPEED_LOW | USB_SPEED_FULL | USB_SPEED_HIGH;
        port->used = port_used(v, n);
        for (int h = 0; h < HOLDS && port->used; h++) {
            const struct hold *x = &w.vm[v].hold[h];
            if (x->used && !x->foreign && x->port == n) {
                port->busnum = x->bus;
                port->devnum = x->dev;
            }
        }
    }
    return &p;
}

static void done(int v, enum op_status status, const struct vmm_found *found, int n) {
    struct world_vm *vm = &w.vm[v];
    struct op_result r = {
        .serial = vm->op.serial, .vm = vm->op.vm, .status = status, .found = found, .nfound = (uint16_t)n};
    r.socket = vm->socket;
    r.unnamed = unnamed(v);
    r.port = unnamed(v) && vm->op.kind == OP_ATTACH && status == OP_OK ? vm->port : 0;
    snprintf(r.text, sizeof r.text, "status %d", status);
    if (vm->op.kind == OP_LIST && status == OP_OK && has_few(v))
        r.ports = few_ports(v);
    vm->op.kind = OP_NONE;
    struct fact f = {.kind = FACT_OP_DONE, .op = &r};
    step(&f);
    if (fault(5))
        step(&f); /* the same answer once more */
}

static bool execute_attach(int v) {
    struct world_vm *vm = &w.vm[v];
    struct port_world *there = NULL;
    for (int p = 0; p < PORTS; p++) {
        if (w.port[p].present && w.port[p].dev.incarnation == vm->op_incarnation)
            there = &w.port[p];
    }
    struct hold *h = hold_free(v);
    if (there != NULL && there->late)
        unbind(there, there->late_binds); /* opening waits for that */
    if (there != NULL)
        there->unbound = false; /* opening binds what has no driver */
    if (there != NULL && vm->keeps)
        there->open |= 1u << v; /* even if it says that it refuses */
    if (there == NULL || h == NULL || (!unnamed(v) && hold_find(v, vm->op.busnum, vm->op.devnum) != NULL))
        return false;
    vm->port = unnamed(v) ? free_port(v) : 0;
    if (unnamed(v) && vm->port == 0)
        return false; /* no_available_port */
    if (holders(vm->op_incarnation, false) != 0)
        fail("a device given to a second VM");
    uint8_t port = port_taken_by(v, vm->op.port);
    if (has_few(v) && port == 0)
        return false;
    there->open |= 1u << v;
    if (authorises) {
        there->dev.unauthorised = false; /* as it was opened */
        there->given = true;
    }
    *h = (struct hold){.used = true,
                       .bus = vm->op.busnum,
                       .dev = vm->op.devnum,
                       .incarnation = vm->op_incarnation,
                       .port = unnamed(v) ? vm->port : port,
                       .vid = vm->op.vid,
                       .pid = vm->op.pid};
    return true;
}

static void take_out(int v, struct hold *h) {
    h->used = false;
    for (int p = 0; p < PORTS && !w.vm[v].keeps; p++) {
        if (w.port[p].present && w.port[p].dev.incarnation == h->incarnation)
            w.port[p].open &= ~(1u << v);
    }
}

/* What is in the port is looked at first: another device stays. */
static bool execute_detach_port(int v) {
    const struct vmm_op *op = &w.vm[v].op;
    struct hold *h = op->vm_port != 0 ? hold_at(v, op->vm_port) : NULL;
    if (op->vm_port == 0)
        fail("a detach without a port");
    if (h == NULL || h->vid != op->vid || h->pid != op->pid)
        return !w.vm[v].lies;
    if (h->foreign && w.vm[v].others && !w.vm[v].lies) /* what comes there meanwhile nobody can see */
        fail("somebody else's device was taken out of a VM");
    take_out(v, h);
    return true;
}

/* The effect, in the world. False if the VMM refuses. */
static bool execute(int v) {
    struct world_vm *vm = &w.vm[v];
    unsigned bus = 0, dev = 0;
    vm->executed = true;
    vm->accepted = false;
    if (vm->op.kind == OP_ATTACH)
        return vm->op_pci != NOBODY ? execute_attach_pci(v, vm->op_pci) : execute_attach(v);
    if (vm->op.kind != OP_DETACH)
        return true;
    if (vm->op_pci != NOBODY)
        return execute_detach_pci(v, vm->op_pci);
    if (unnamed(v))
        return execute_detach_port(v);
    if (sscanf(vm->op.id, "vhp-usb-%u-%u", &bus, &dev) != 2)
        fail("a strange id");
    struct hold *h = hold_find(v, (uint8_t)bus, (uint8_t)dev);
    if (h == NULL)
        return !vm->lies; /* not found counts as success */
    vm->accepted = with_guests && !chance(20);
    if (vm->accepted)
        h->leaving = true;
    else
        take_out(v, h);
    return true;
}

/* A guest lets go of a device, and the VM says so, or that is lost; or it does not. */
static void guest_event(int v) {
    char id[VH_OPID_MAX];
    int k = (int)rnd(HOLDS);
    for (int n = 0; n < HOLDS; n++, k = (k + 1) % HOLDS) {
        struct hold *h = &w.vm[v].hold[k];
        if (!h->used || h->foreign || !(h->leaving || fault(2)))
            continue;
        struct fact f = {.kind = FACT_VM_OUT, .vm = row_of(v), .ok = !fault(20), .text = id};
        snprintf(id, sizeof id, "vhp-usb-%d-%d", h->bus, h->dev);
        h->leaving = false;
        nrefused += !f.ok;
        nlet_go += f.ok;
        if (f.ok)
            take_out(v, h);
        if (f.vm != NOBODY && !fault(20))
            step(&f);
        return;
    }
}

/* Any device, as if another tool or the core had given it, or a line of the command line that takes many. */
static void lie(struct vmm_found *f) {
    const struct device *d = &w.port[rnd(PORTS)].dev;
    memset(f, 0, sizeof *f);
    f->ours = chance(40);
    f->filter = !f->ours && chance(40);
    f->busnum = d->usb.busnum;
    f->devnum = f->filter ? 0 : d->usb.devnum;
    snprintf(f->id, sizeof f->id, "%s-%d-%d", f->ours ? "vhp-usb" : "usb", d->usb.busnum, d->usb.devnum);
    w.counts.lies++;
}

static bool lists_port(const struct vmm_found *found, int n, uint8_t port) {
    for (int i = 0; i < n; i++) {
        if (found[i].port_in_vm == port)
            return true;
    }
    return false;
}

static void answer_ports(int v) {
    static struct vmm_found found[VM_PORTS];
    int n = 0;
    memset(found, 0, sizeof found);
    if (chance(50))
        drop_gone(v);
    for (int h = 0; h < HOLDS; h++) {
        const struct hold *x = &w.vm[v].hold[h];
        if (x->used)
            found[n++] = (struct vmm_found){.port_in_vm = x->port, .vid = x->vid, .pid = x->pid};
    }
    for (int k = 0; w.vm[v].lies && k < 6 && n < VM_PORTS; k++) {
        const struct device *d = &w.port[rnd(PORTS)].dev;
        uint8_t port = (uint8_t)(1 + rnd(VM_PORTS));
        if (!lists_port(found, n, port))
            found[n++] = (struct vmm_found){.port_in_vm = port, .vid = d->vid, .pid = d->pid};
        w.counts.lies++;
    }
    done(v, OP_OK, found, n);
}

static void answer_list(int v) {
    static struct vmm_found found[HOLDS + PCIS];
    int n = 0;
    if (unnamed(v)) {
        answer_ports(v);
        return;
    }
    memset(found, 0, sizeof found);
    for (int h = 0; h < HOLDS; h++) {
        const struct hold *x = &w.vm[v].hold[h];
        if (!x->used)
            continue;
        snprintf(found[n].id, sizeof found[n].id, "%s-%d-%d", x->foreign ? "usb" : "vhp-usb", x->bus, x->dev);
        found[n].busnum = x->bus;
        found[n].devnum = x->dev;
        found[n].ours = !x->foreign;
        n++;
    }
    for (int p = 0; p < PCIS; p++) {
        if ((w.pci[p].in & 1u << v) == 0)
            continue;
        snprintf(found[n].id, sizeof found[n].id, "vhp-pci-0000-%02x-00.0", (unsigned)p);
        found[n++].ours = true;
    }
    for (int k = 0; w.vm[v].lies && k < 6 && n < HOLDS; k++)
        lie(&found[n++]);
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
        done(v, OP_FAILED, NULL, 0); /* as while it migrates */
    } else if (!vm->executed && fault(3)) {
        done(v, OP_LOCAL, NULL, 0);
    } else if (fault(4)) {
        if (!vm->executed && chance(50))
            (void)execute(v);
        done(v, OP_UNKNOWN, NULL, 0);
    } else if (!vm->executed && !execute(v)) {
        done(v, OP_FAILED, NULL, 0);
    } else if (fault(30)) {
        return; /* the effect has happened, the answer is on its way */
    } else if (vm->op.kind == OP_LIST) {
        answer_list(v);
    } else {
        done(v, vm->accepted ? OP_ACCEPTED : OP_OK, NULL, 0);
    }
}

static void tell_vm(enum fact_kind kind, int v) {
    struct fact f = {.kind = kind, .vm = row_of(v)};
    if (f.vm != NOBODY)
        step(&f);
}

static void stop_vm(int v) {
    struct world_vm *vm = &w.vm[v];
    for (int p = 0; p < PORTS; p++) {
        w.port[p].escaped |= vm->keeps ? w.port[p].open & 1u << v : 0;
        w.port[p].open &= ~(1u << v);
    }
    forget_pci(v);
    vm->alive = vm->busy = vm->lies = vm->waiting_in_line = vm->keeps = false;
    memset(vm->hold, 0, sizeof vm->hold);
    if (chance(50) && vm->op.kind != OP_NONE)
        done(v, OP_UNKNOWN, NULL, 0);
    tell_vm(FACT_VM_DOWN, v);
}

static void end_busy(int v) {
    struct world_vm *vm = &w.vm[v];
    bool waited = vm->waiting_in_line;
    vm->busy = vm->waiting_in_line = false;
    if (waited)
        tell_vm(FACT_VM_ANSWERS, v);
}

static void vm_event(void) {
    int v = (int)rnd(VMS);
    struct world_vm *vm = &w.vm[v];
    if (!vm->alive) {
        if (vm->op.kind != OP_NONE)
            advance_op(v);
        vm->alive = true;
        vm->socket++;
        tell_vm(FACT_VM_SOCKET, v);
    } else if (chance(20)) {
        stop_vm(v);
    } else if (vm->busy) {
        end_busy(v);
    } else if (chance(30)) {
        vm->busy = vm->op.kind == OP_NONE;
    } else if (chance(20)) {
        vm->lies = !vm->lies;
    } else if (chance(20)) {
        vm->keeps = !is_trusted(v);
    } else if (chance(30)) {
        tell_vm(FACT_VM_SOCKET, v); /* a false alarm */
    }
}

/* Another tool attaches a free device to a VM, or detaches it again; QEMU sends no event. */
static void foreign_event(void) {
    int v = (int)rnd(VMS), p = (int)rnd(PORTS);
    const struct device *d = &w.port[p].dev;
    struct hold *h = hold_free(v);
    for (int k = 0; k < HOLDS; k++) {
        struct hold *x = &w.vm[v].hold[k];
        if (x->used && x->foreign && chance(50)) {
            x->used = false;
            for (int q = 0; q < PORTS; q++) { /* taking a device out resets it: the kernel tells of that */
                if (w.port[q].present && w.port[q].dev.incarnation == x->incarnation)
                    tell_device(q);
            }
            return;
        }
    }
    uint8_t port = unnamed(v) ? free_port(v) : 0;
    if (!w.vm[v].alive || !w.port[p].present || h == NULL || holders(d->incarnation, false) != 0 ||
        holders(d->incarnation, true) != 0 || (unnamed(v) && port == 0))
        return;
    *h = (struct hold){.used = true,
                       .foreign = true,
                       .bus = d->usb.busnum,
                       .dev = d->usb.devnum,
                       .incarnation = d->incarnation,
                       .port = unnamed(v) ? port : port_taken_by(v, ""),
                       .vid = d->vid,
                       .pid = d->pid};
    w.counts.foreign++;
}

static struct port_world *plug_of(uint32_t token) {
    for (int i = 0; i < core.used; i++) {
        if (core.slot[i].plug == token && core.slot[i].state == SLOT_PRESENT)
            return port_of(&core.slot[i]);
    }
    return NULL;
}

/* The kernel refuses, or takes too long: then it may do it later all the same, and before anything else. */
static void end_revoke(uint32_t token, bool bind) {
    struct fact f = {.kind = FACT_REVOKED, .token = token, .ok = true, .text = ""};
    struct port_world *p = plug_of(token);
    if (fault(25)) {
        f.ok = false;
        f.text = "the kernel says no";
        w.counts.not_revoked++;
        if (p != NULL && chance(50)) {
            p->late = true;
            p->late_binds = bind;
        }
    } else if (p != NULL) {
        unbind(p, bind);
        w.counts.revoked++;
    }
    step(&f);
}

static void late_event(void) {
    for (int p = 0; p < PORTS; p++) {
        if (!w.port[p].late || fault(50))
            continue;
        if (w.port[p].present)
            unbind(&w.port[p], w.port[p].late_binds);
        w.counts.late_revoked++;
        tell_device(p);
    }
}

static void revoke_event(void) {
    int i = (int)rnd(CORE_SLOTS);
    late_event();
    for (int n = 0; n < CORE_SLOTS; n++, i = (i + 1) % CORE_SLOTS) {
        uint32_t token = w.revokes[i];
        if (token == 0)
            continue;
        w.revokes[i] = 0;
        end_revoke(token, w.first_binds[i]);
        return;
    }
}

static void reset_event(void) {
    int i = (int)rnd(CORE_SLOTS);
    for (int n = 0; n < CORE_SLOTS; n++, i = (i + 1) % CORE_SLOTS) {
        if (w.resets[i] == 0)
            continue;
        struct fact f = {.kind = FACT_RELEASED, .token = w.resets[i], .ok = true};
        struct port_world *p = plug_of(f.token);
        bool late = p != NULL && p->late;
        if (late)
            unbind(p, p->late_binds); /* orders about one device come one after the other */
        if (w.binds[i] && fault(20))
            f.ok = false;
        else if (w.binds[i] && p != NULL)
            p->unbound = false;
        if (w.deauthorises[i] && f.ok && p != NULL)
            p->dev.unauthorised = true;
        w.resets[i] = 0;
        step(&f);
        if ((w.deauthorises[i] && p != NULL) || (late && p->unbound))
            tell_device((int)(p - w.port)); /* the bus reads it again; the kernel tells of it */
        return;
    }
}

static void end_offer(uint32_t token) {
    struct fact f = {.kind = FACT_OFFERED, .token = token};
    for (int i = 0; i < core.used; i++) {
        struct port_world *p = core.slot[i].plug == token ? port_of(&core.slot[i]) : NULL;
        if (core.slot[i].state != SLOT_PRESENT || p == NULL)
            continue;
        f.ok = p->failed_offers == 2 || !fault(30);
        p->failed_offers += !f.ok;
        p->configured = p->configured || f.ok;
        p->offered = p->offered || f.ok;
        p->dev.driven = p->dev.driven || f.ok;
        p->dev.usb.config = p->configured;
        p->dev.unauthorised = p->dev.unauthorised && !(authorises && f.ok);
    }
    step(&f);
}

static void offer_event(void) {
    int i = (int)rnd(CORE_SLOTS);
    for (int n = 0; n < CORE_SLOTS; n++, i = (i + 1) % CORE_SLOTS) {
        uint32_t token = w.offers[i];
        if (token == 0)
            continue;
        w.offers[i] = 0;
        end_offer(token);
        return;
    }
}

static void quarantine_event(void) {
    struct fact f = {.kind = FACT_DRIVERS};
    if (chance(10))
        step(&f);
    else
        offer_event();
}

/* ---- clients ---- */

static void choose_device(struct request *r) {
    const struct device *d = &w.port[rnd(PORTS)].dev;
    if (chance(60)) {
        r->sel.by_node = true;
        r->sel.node_bus = d->usb.busnum;
        r->sel.node_dev = d->usb.devnum;
    } else if (chance(50)) {
        r->sel.by_vid = r->sel.by_pid = true;
        r->sel.vid = d->vid;
        r->sel.pid = d->pid;
    } else {
        r->sel.by_tag = true;
        snprintf(r->sel.tag, sizeof r->sel.tag, "t%u", rnd(3));
    }
}

static void client_event(void) {
    static const enum request_kind kinds[] = {REQ_ATTACH, REQ_ATTACH,  REQ_ATTACH, REQ_DETACH,
                                              REQ_LIST,   REQ_SUSPEND, REQ_RESUME, REQ_SUBSCRIBE};
    int k = (int)rnd(CLIENTS);
    struct world_client *c = &w.client[k];
    if (c->asked) {
        if (chance(10)) {
            struct fact f = {.kind = FACT_CLIENT_GONE, .client = {.index = (uint16_t)k, .gen = c->gen}};
            c->gen++;
            c->asked = c->waits = false;
            step(&f);
        }
        return;
    }
    struct request *r = &c->req;
    memset(r, 0, sizeof *r);
    r->kind = kinds[rnd(8)];
    r->verify = r->kind == REQ_LIST && chance(50);
    r->client = (struct client_ref){.index = (uint16_t)k, .gen = c->gen};
    r->who.role = chance(60) ? ROLE_ADMIN : ROLE_OPERATOR;
    r->who.vm = -1;
    if (chance(60))
        snprintf(r->vm, sizeof r->vm, "vm%u", rnd(VMS + 1));
    int row = row_of((int)rnd(VMS));
    if (chance(30) && row >= 0 && core.vm[row].state != VM_DOWN && !conf->vms[row].retired) {
        r->who.role = ROLE_GUEST;
        r->who.vm = row;
        if (chance(80))
            r->vm[0] = '\0';
    }
    if (chance(1)) {
        r->kind = REQ_ACKNOWLEDGE;
        r->who = (struct principal){.role = ROLE_ADMIN, .vm = -1};
        w.counts.acknowledged += core.remembered.corrupt[0] != '\0';
        w.lost = false;
    }
    choose_device(r);
    c->pci = NOBODY;
    if (with_pci && chance(40) && (r->kind == REQ_ATTACH || r->kind == REQ_DETACH)) {
        c->pci = (int)rnd(PCIS);
        r->about = KIND_PCI;
        memset(&r->sel, 0, sizeof r->sel);
        r->sel.by_address = true;
        snprintf(r->sel.address, sizeof r->sel.address, "0000:%02x:00.0", (unsigned)c->pci);
        r->who = (struct principal){.role = chance(60) ? ROLE_ADMIN : ROLE_OPERATOR, .vm = -1};
        if (chance(80))
            r->vm[0] = '\0';
    }
    c->asked = true;
    c->saved = false;
    c->meant = plug_meant(r);
    w.counts.requests++;
    struct fact f = {.kind = FACT_REQUEST, .request = r};
    step(&f);
}

/* ---- configurations ---- */

#define VM(n) "{\"name\": \"vm" n "\", \"type\": \"qemu\", \"socket\": \"/run/" n "\"}"
#define TRUSTED(n) "{\"name\": \"vm" n "\", \"type\": \"qemu\", \"socket\": \"/run/" n "\", \"revoke\": false}"
#define ALLOW(pid) "\"allow\": [{\"vendorId\": \"1000\", \"productId\": \"000" pid "\"}]"

/* The last one is for worlds with quarantine. */
static const char *const texts[] = {
    "{\"vms\": [" VM("0") ", " VM("1") ", " VM("2") ", " VM("3") ", " VM("4") ", " VM(
        "5") "], \"general\": {\"connectors\": [{\"name\": \"five\", \"ports\": [\"a/2:5\", \"a/3:6\"]}]}, "
             "\"usbPassthrough\": ["
             "{\"targetVm\": \"vm0\", \"tag\": \"t0\", " ALLOW(
                 "0") ", \"deny\": [{\"connector\": \"five\"}]},"
                      "{\"targetVm\": \"vm1\", \"tag\": \"t1\", " ALLOW(
                          "1") ", \"deny\": [{\"bus\": 2}]},"
                               "{\"allowedVms\": [\"vm0\", \"vm1\", \"vm2\"], \"tag\": \"t1\","
                               " \"allow\": [{\"vendorId\": \"1000\", \"productId\": \"0002\"}, {\"vendorId\": "
                               "\"1000\", \"productId\": "
                               "\"0003\"}]},"
                               "{\"allowedVms\": [\"vm3\", \"vm4\"], \"tag\": \"t2\", \"skipOnSuspend\": true, " ALLOW(
                                   "4") "},"
                                        "{\"targetVm\": \"vm5\", \"allow\": [{\"interfaceClass\": 3}], \"deny\": "
                                        "[{\"vendorId\": \"1000\", "
                                        "\"productId\": \"0007\"}]}]}",

    "{\"vms\": [" TRUSTED("5") ", " VM("4") ", " VM("3") ", " VM("2") ", " VM(
        "1") "], \"general\": {\"leaseSeconds\": 3, \"onCorruptState\": \"closed\", "
             "\"releaseOnExit\": true}, \"usbPassthrough\": ["
             "{\"targetVm\": \"vm3\", \"allow\": [{\"connector\": [\"a/2:2\", \"b/2:3\"]}]},"
             "{\"targetVm\": \"vm2\", \"tag\": \"t0\", \"resetOnRelease\": false, " ALLOW(
                 "0") "},"
                      "{\"targetVm\": \"vm1\", \"tag\": \"t1\", " ALLOW(
                          "1") "},"
                               "{\"allowedVms\": [\"vm5\", \"vm2\"], \"tag\": \"t1\", " ALLOW(
                                   "2") ", \"deny\": [{\"bus\": 3}]},"
                                        "{\"allowedVms\": [\"vm3\", \"vm4\", \"vm1\"], \"tag\": \"t2\", " ALLOW(
                                            "4") "}]}",

    "{\"vms\": [" VM("0") ", " VM("1") ", " VM(
        "3") "], \"general\": {\"persistency\": true, \"leaseSeconds\": 1, \"onCorruptState\": \"closed\"}, "
             "\"usbPassthrough\": ["
             "{\"targetVm\": \"vm0\", \"tag\": \"t2\", \"allow\": [{\"interfaceClass\": 3, \"bus\": 1}]},"
             "{\"allowedVms\": [\"vm3\", \"vm1\"], \"tag\": \"t0\", \"allow\": [{\"interfaceClass\": 3, \"bus\": "
             "2}]}]}",

    "{\"vms\": [" VM("0") ", " VM("2") "], \"usbPassthrough\": ["
                                       "{\"host\": true, " ALLOW(
                                           "0") "},"
                                                "{\"targetVm\": \"vm2\", \"allow\": [{\"bus\": 1}]},"
                                                "{\"host\": true, \"allow\": [{\"bus\": 3}]}]}",
};

#define PCI(vm, list) "{\"targetVm\": \"" vm "\", \"allow\": [" list "]}"
#define AT(n) "{\"address\": \"0000:0" n ":00.0\"}"

/* The same, for PCI devices. */
static const char *const pci_texts[] = {
    ", \"pciPassthrough\": [" PCI("vm0", AT("0")) ", {\"targetVm\": \"vm1\", \"pciIommuAddAll\": true, \"allow\": [" AT(
        "1") "]}, " PCI("vm2", AT("3")) ", " PCI("vm3", AT("4")) ", " PCI("vm1", AT("5")) "]}",
    ", \"pciPassthrough\": [" PCI("vm1", AT("0")) ", " PCI("vm2", AT("1") ", " AT("2")) ", " PCI(
        "vm3", AT("3") ", " AT("4")) "]}",
    ", \"pciPassthrough\": [" PCI("vm0", AT("0")) ", {\"targetVm\": \"vm3\", \"pciIommuSkipIfShared\": true, "
                                                  "\"allow\": [" AT("1") "]}, " PCI("vm1", AT("3")) ", " PCI(
                                                      "vm3", AT("5")) "]}",
    ", \"pciPassthrough\": [" PCI("vm2", AT("0") ", " AT("3") ", " AT("4")) "]}",
};

static void print_diag(const struct diag *d, void *arg) {
    (void)arg;
    if (d->level == DIAG_ERROR)
        fprintf(stderr, "%u:%u: %s: %s\n", d->line, d->column, d->path, d->text);
}

static struct conf *read_conf(void) {
    struct conf *fresh = conf == &confs[0] ? &confs[1] : &confs[0];
    w.text = (int)rnd((uint32_t)(sizeof texts / sizeof *texts) - (quarantine == QUARANTINE_OFF));
    const char *text = texts[w.text];
    static char both[16384];
    if (with_pci) { /* in place of the last brace */
        int used = snprintf(both, sizeof both, "%.*s%s", (int)strlen(text) - 1, text, pci_texts[w.text]);
        if (used < 0 || (size_t)used >= sizeof both)
            fail("a configuration of our own is too long");
        text = both;
    }
    if (!conf_parse(fresh, text, strlen(text), print_diag, NULL))
        fail("a configuration of our own is wrong");
    return fresh;
}

/* In the same order as daemon/loop.c. */
static void reload_event(void) {
    const struct conf *old = conf;
    vm_set busy = 0;
    for (int v = 0; v < old->nvms; v++)
        busy |= (vm_set)core_vm_in_use(&core, v) << v;
    struct conf *fresh = read_conf();
    if (!conf_align(fresh, old, busy))
        fail("conf_align() refused a few VMs");
    for (int v = 0; v < old->nvms; v++) {
        struct fact f = {.kind = FACT_VM_DOWN, .vm = v};
        if (v >= fresh->nvms || !conf_same_vm(&fresh->vms[v], &old->vms[v]))
            step(&f);
    }
    struct pci_host h = with_pci ? pci_host(fresh) : (struct pci_host){0};
    struct fact f = {.kind = FACT_RELOAD, .conf = fresh, .pci = with_pci ? &h : NULL};
    bool known[VMS];
    for (int v = 0; v < VMS; v++)
        known[v] = row_of(v) != NOBODY;
    conf = fresh;
    w.confs++;
    step(&f);
    for (int v = 0; v < VMS; v++) {
        if (!known[v])
            tell_vm(w.vm[v].alive ? FACT_VM_SOCKET : FACT_VM_DOWN, v);
        if (row_of(v) == NOBODY)
            w.vm[v].waiting_in_line = false;
    }
    w.counts.reloads++;
}

/* ---- rest ---- */

static void time_passes(int64_t by) {
    w.now += by;
    if (core_deadline(&core) <= w.now) {
        struct fact f = {.kind = FACT_TIME};
        step(&f);
    }
}

static const struct hold *hold_of(const struct slot *s) {
    int v = world_of(s->vm);
    const struct hold *h = unnamed(v) ? hold_at(v, s->vm_port) : hold_find(v, s->vm_busnum, s->vm_devnum);
    return h != NULL && !h->foreign ? h : NULL;
}

static void check_core_believes_truth(void) {
    int plugged = 0, known = 0;
    for (int i = 0; i < core.used; i++) {
        const struct slot *s = &core.slot[i];
        known += s->state == SLOT_PRESENT && s->dev.kind == KIND_USB;
        if (s->state != SLOT_PRESENT || s->dev.kind != KIND_USB || s->vm < 0)
            continue;
        const struct hold *h = hold_of(s);
        if (h == NULL || h->incarnation != s->dev.incarnation)
            fail("at rest: the core believes in a device that the VM does not have");
    }
    for (int p = 0; p < PORTS; p++)
        plugged += w.port[p].present;
    if (plugged != known)
        fail("at rest: the core does not know every device");
}

static bool core_knows(int vm, uint64_t incarnation) {
    for (int i = 0; i < core.used; i++) {
        const struct slot *s = &core.slot[i];
        if (s->state == SLOT_PRESENT && s->vm == row_of(vm) && s->dev.incarnation == incarnation)
            return true;
    }
    return false;
}

/* A VM that names nothing cannot be asked which of two devices it has. Then the core claims nothing, and gives it to
 * nobody else. */
static bool cannot_be_told(int v, const struct hold *x) {
    int alike = 0;
    bool claimed = false;
    for (int p = 0; p < PORTS; p++) {
        const struct device *d = &w.port[p].dev;
        alike += w.port[p].present && d->vid == x->vid && d->pid == x->pid;
    }
    for (int i = 0; i < core.used; i++) {
        const struct slot *s = &core.slot[i];
        if (s->state == SLOT_PRESENT && s->dev.incarnation == x->incarnation)
            claimed = s->hub || (s->vm < 0 && (s->claims >> row_of(v) & 1) != 0);
    }
    return unnamed(v) && claimed && (x->lost || alike > 1);
}

/* A VM that is not in the configuration cannot be asked; one that was is emptied before it is forgotten. */
static void check_vms(void) {
    for (int v = 0; v < VMS; v++) {
        for (int h = 0; h < HOLDS; h++) {
            const struct hold *x = &w.vm[v].hold[h];
            if (x->used && !x->foreign && w.vm[v].alive && row_of(v) != NOBODY && !core_knows(v, x->incarnation) &&
                !cannot_be_told(v, x))
                fail("at rest: a VM has a device that the core does not know of");
        }
    }
}

static void check_disk(void) {
    static struct remembered_set again;
    static char text[VH_STATE_MAX], why[VH_TEXT_MAX];
    unsigned dropped = 0;
    struct sbuf sb;
    if (core.dirty)
        fail("at rest: something is not saved");
    if (disk.len == 0)
        return;
    memset(&again, 0, sizeof again);
    if (!state_format_parse(&again, disk.text, disk.len, "boot", &dropped, why, sizeof why) || dropped != 0)
        fail("at rest: what is on the disk cannot be read");
    sb_init(&sb, text, sizeof text);
    state_format_print(&again, "boot", &sb);
    if (!sb_ok(&sb) || sb.len != disk.len || memcmp(text, disk.text, disk.len) != 0)
        fail("at rest: what is on the disk is read as something else");
}

static bool resets_under_way(void) {
    for (int i = 0; i < CORE_SLOTS; i++) {
        if (w.resets[i] != 0 || w.offers[i] != 0 || w.revokes[i] != 0 || w.prepares[i] != 0 || w.restores[i] != 0)
            return true;
    }
    return false;
}

static void answers_come(void) {
    for (int v = 0; v < VMS; v++) {
        drop_gone(v);
        advance_op(v);
    }
    for (int v = 0; v < VMS && with_guests; v++)
        guest_event(v);
    for (int v = 0; v < VMS && with_pci; v++)
        pci_guest_event(v);
    if (with_pci)
        pci_order_event();
    for (int p = 0; p < PORTS; p++)
        look_event(p);
    revoke_event();
    reset_event();
    if (quarantine != QUARANTINE_OFF)
        offer_event();
    save_event();
}

static void time_goes_on(void) {
    int64_t next = core_deadline(&core), second = 1000 * VH_NSEC_PER_MSEC;
    time_passes(next != VH_NEVER && next - w.now > second ? next - w.now : second);
}

/* VMs that lie have had their time. What a decision keeps away is in no VM that only says so; then they stop. */
static void end_lies(void) {
    for (int round = 0; round < 100; round++) {
        answers_come();
        time_goes_on();
    }
    for (int i = 0; i < core.used; i++) {
        const struct slot *s = &core.slot[i];
        bool kept = s->state == SLOT_PRESENT && s->dev.kind == KIND_USB && s->disconnected && s->vm >= 0 &&
                    w.vm[world_of(s->vm)].lies;
        const struct hold *h = kept ? hold_of(s) : NULL;
        if (kept && (h == NULL || h->incarnation != s->dev.incarnation))
            fail("a decision does not stand against a lie");
    }
    for (int v = 0; v < VMS; v++) {
        if (w.vm[v].lies)
            tell_vm(FACT_VM_SOCKET, v); /* it is another VMM now */
        w.vm[v].lies = false;
    }
}

void world_rest(void) {
    const char *why = "";
    w.faults = w.disk_full = false;
    w.counts.rests++;
    for (int p = 0; p < PORTS; p++)
        w.port[p].dev.settled = true;
    scan();
    for (int p = 0; p < PCIS; p++)
        w.pci[p].kept = 0;
    if (with_pci)
        tell_pci();
    for (int v = 0; v < VMS; v++)
        end_busy(v);
    end_lies();
    for (int round = 0; !core_at_rest(&core, &why) || resets_under_way() || core.dirty; round++) {
        if (round > 5000)
            fail(core.dirty ? "no rest: the state is never saved" : resets_under_way() ? "no rest: resets" : why);
        time_goes_on(); /* a VM whose ports are all used is listed now and then also at rest: before its answer */
        answers_come();
    }
    for (int v = 0; v < VMS; v++)
        drop_gone(v); /* by now it has */
    check_core_believes_truth();
    check_vms();
    check_decided();
    check_disk();
    check_offered();
    check_revoked();
    check_pci();
    for (int k = 0; k < CLIENTS; k++) {
        if (w.client[k].asked)
            fail("at rest: a request was never answered");
    }
    w.faults = true;
}

/* ---- a daemon that ends and starts again ---- */

/* If nothing is noted, no number may be used again while no daemon runs: the kernel goes through all 127 first, this
 * world only through 20. */
static void nothing_noted(void) {
    for (int v = 0; v < VMS; v++) {
        for (int h = 0; h < HOLDS; h++)
            w.vm[v].hold[h].lost = true;
    }
    for (int p = 0; p < PORTS; p++) {
        const struct device *d = &w.port[p].dev;
        for (int v = 0; w.port[p].present && v < VMS; v++) {
            struct hold *h = hold_find(v, d->usb.busnum, d->usb.devnum);
            if (h != NULL && h->incarnation != d->incarnation)
                h->used = false;
        }
    }
}

/* If nothing is noted, each device is revoked once before it is given to a VM, if that can be done. This world does not
 * look at it. */
static void forget_held(void) {
    nothing_noted();
    for (int p = 0; p < PORTS; p++) {
        w.port[p].open = 0;
        w.port[p].escaped = 0;
        w.port[p].loose = 0;
    }
}

/* A VM that the new configuration does not name is not the daemon's any more: its user has emptied it. But what it kept
 * it may go on using. */
static void forget_unnamed(void) {
    for (int v = 0; v < VMS; v++) {
        if (row_of(v) == NOBODY)
            forget_pci(v);
        for (int h = 0; row_of(v) == NOBODY && h < HOLDS; h++) {
            if (!w.vm[v].hold[h].foreign)
                w.vm[v].hold[h].used = false;
        }
        for (int p = 0; row_of(v) == NOBODY && p < PORTS; p++) {
            w.port[p].escaped |= w.vm[v].keeps ? w.port[p].open & 1u << v : 0;
            w.port[p].open &= ~(1u << v);
        }
    }
}

/* What the old daemon has noted of its devices, by the names of its VMs. Now and then nothing could be noted. */
static int note_assigned(const struct conf *old, struct assigned *rows) {
    int n = 0;
    for (int i = 0; i < core.used; i++) {
        vm_set before = core_may_have(&core, i);
        struct assigned *a = &rows[n];
        if (before == 0 && !core_stray(&core, i) && !core_bound(&core, i))
            continue;
        n++;
        memcpy(a->sys_name, core.slot[i].dev.sys_name, sizeof a->sys_name);
        a->incarnation = core.slot[i].dev.incarnation;
        a->port = core.slot[i].vm_port;
        a->socket = core.slot[i].vm_socket;
        a->vms = 0;
        a->more = (core_stray(&core, i) ? ASSIGNED_GONE : 0) | (core_bound(&core, i) ? ASSIGNED_BOUND : 0);
        for (int v = 0; v < old->nvms; v++) {
            int fresh = conf_vm(conf, old->vms[v].name);
            a->more |= (before >> v & 1) != 0 && fresh < 0 ? ASSIGNED_GONE : 0;
            a->vms |= (vm_set)((before >> v & 1) != 0 && fresh >= 0) << (fresh >= 0 ? fresh : 0);
        }
    }
    return n;
}

static void load(const struct conf *old) {
    static struct assigned rows[CORE_SLOTS];
    char why[VH_TEXT_MAX];
    unsigned dropped = 0;
    int n = old != NULL ? note_assigned(old, rows) : 0;
    memset(&core, 0, sizeof core);
    account_begin(fail);
    core_init(&core, conf, chance(50));
    core.quarantine = quarantine;
    core.gives_pci = with_pci;
    core.authorises = authorises;
    for (int p = 0; p < PORTS; p++)
        w.port[p].given = false;
    bool noted = chance(80);
    if (noted)
        core_earlier(&core, old != NULL ? rows : NULL, n);
    else
        forget_held();
    core.persist = chance(90);
    if (!core.persist)
        return;
    if (disk.len > 0 && chance(25)) { /* it cannot be used, and is set aside */
        disk.len = 0;
        w.aside = w.lost = true;
        w.counts.lost++;
    }
    if (disk.len == 0 && w.aside) {
        snprintf(core.remembered.corrupt, sizeof core.remembered.corrupt, "not JSON");
        core.dirty = true;
    }
    if (disk.len > 0 && !state_format_parse(&core.remembered, disk.text, disk.len, "boot", &dropped, why, sizeof why))
        fail("what was saved cannot be read");
    if (dropped > 0)
        fail("what was saved is not all read");
    if (w.lost && core.remembered.corrupt[0] == '\0')
        fail("a restart has acknowledged a loss");
    w.lost = core.remembered.corrupt[0] != '\0'; /* again, if that did not reach the disk */
    w.counts.closed += core_closed(&core);
}

/* While no daemon runs, a VM that may have a device opens it by itself, or with the help of an older daemon, although
 * no driver has it. */
static void open_without_driver(void) {
    for (int i = 0; i < core.used; i++) {
        struct port_world *p = core.slot[i].state == SLOT_PRESENT ? port_of(&core.slot[i]) : NULL;
        for (int v = 0; p != NULL && p->unbound && v < VMS; v++) {
            bool may = row_of(v) >= 0 && (core_may_have(&core, i) >> row_of(v) & 1) != 0 && !is_trusted(v);
            if (!may || !w.vm[v].keeps)
                continue;
            p->open |= 1u << v;
            p->loose |= 1u << v;
            w.counts.loose++;
        }
    }
}

static void restart(void) {
    for (int v = 0; v < VMS; v++) {
        w.vm[v].op.kind = OP_NONE; /* whatever was executed stays executed */
        w.vm[v].waiting_in_line = false;
    }
    for (int k = 0; k < CLIENTS; k++) {
        w.client[k].gen++;
        w.client[k].asked = w.client[k].waits = false;
    }
    memset(w.resets, 0, sizeof w.resets);
    memset(w.offers, 0, sizeof w.offers);
    for (int i = 0; i < CORE_SLOTS; i++) { /* a worker that has begun finishes */
        struct port_world *p = w.revokes[i] != 0 ? plug_of(w.revokes[i]) : NULL;
        if (p != NULL && chance(50))
            unbind(p, w.first_binds[i]);
    }
    memset(w.revokes, 0, sizeof w.revokes);
    for (int i = 0; i < CORE_SLOTS; i++) { /* a worker that has begun finishes */
        int p = w.prepares[i] != 0 ? pci_of_token(w.prepares[i]) : NOBODY;
        if (p != NOBODY && group_open(p) == 0 && chance(50))
            w.pci[p].of_vms = true;
    }
    memset(w.prepares, 0, sizeof w.prepares);
    memset(w.restores, 0, sizeof w.restores);
    for (int p = 0; p < PORTS; p++) { /* one that is late outlives the daemon: it finishes, and binds again */
        if (w.port[p].present && w.port[p].late) {
            unbind(&w.port[p], w.port[p].late_binds);
            w.port[p].unbound = false;
        }
    }
    open_without_driver();
    if ((w.saving || w.late) && chance(50))
        disk = on_its_way; /* it arrives although nobody waits for it any more */
    w.saving = w.late = false;
    const struct conf *old = conf;
    conf = read_conf();
    w.confs++;
    forget_unnamed();
    load(old);
    w.coldplug = true;
    for (int p = 0; p < PORTS; p++)
        w.port[p].dev.settled = true;
    scan();
    if (with_pci)
        tell_pci();
    w.coldplug = false;
    for (int v = 0; v < VMS; v++)
        tell_vm(w.vm[v].alive ? FACT_VM_SOCKET : FACT_VM_DOWN, v);
    w.counts.restarts++;
}

/* releaseOnExit: no device that the core attached is left in a VM that answers. */
static void stop_event(void) {
    struct fact f = {.kind = FACT_STOP};
    step(&f);
    world_rest();
    if (core_holds(&core))
        fail("at the end: a device is held");
    for (int v = 0; v < VMS; v++) {
        for (int h = 0; h < HOLDS; h++) {
            const struct hold *x = &w.vm[v].hold[h];
            if (w.vm[v].alive && row_of(v) != NOBODY && x->used && !x->foreign && !cannot_be_told(v, x))
                fail("at the end: a VM has a device of ours");
        }
    }
    w.counts.stops++;
    restart();
}

void world_begin(uint64_t seed, bool verbose, world_fail_fn *fail_fn) {
    memset(&w, 0, sizeof w);
    tell_failure = fail_fn;
    w.seed = seed;
    w.rng = mix(seed);
    w.verbose = verbose;
    quarantine = !with_quarantine ? QUARANTINE_OFF : mix(seed) % 2 == 0 ? QUARANTINE_RULES : QUARANTINE_ALL;
    authorises = with_quarantine && mix(seed) / 2 % 2 == 0;
    w.faults = true;
    disk.len = 0;
    conf = NULL;
    for (int k = 0; k < CLIENTS; k++)
        w.client[k].gen = 1;
    for (int bus = 0; bus < BUSES; bus++)
        w.number[bus] = 1 + bus;
    for (int p = 0; p < PORTS; p++)
        make_device(p);
    for (int p = 0; p < PCIS; p++)
        make_pci(p);
    restart();
}

void world_event(uint64_t number) {
    w.rng = mix(w.seed ^ mix(number + 1));
    if (quarantine != QUARANTINE_OFF && chance(5)) {
        quarantine_event();
        return;
    }
    if (with_pci && chance(15)) {
        uint32_t which = rnd(10);
        if (which < 5)
            pci_order_event();
        else if (which < 8)
            pci_guest_event((int)rnd(VMS));
        else
            pci_event();
        return;
    }
    if (with_guests && chance(10)) {
        guest_event((int)rnd(VMS));
        return;
    }
    uint32_t what = rnd(1000);
    if (what < 220)
        plug_event();
    else if (what < 320)
        vm_event();
    else if (what < 520)
        client_event();
    else if (what < 820)
        advance_op((int)rnd(VMS));
    else if (what < 860)
        look_event((int)rnd(PORTS));
    else if (what < 900)
        save_event();
    else if (what < 940)
        time_passes((int64_t)rnd(2000) * VH_NSEC_PER_MSEC);
    else if (what < 960)
        reset_event();
    else if (what < 980)
        revoke_event();
    else if (what < 988)
        foreign_event();
    else if (what < 994)
        w.disk_full = chance(30);
    else if (what < 996)
        reload_event();
    else if (what < 998)
        renumber_event();
    else if (what == 998)
        world_rest();
    else if (chance(50))
        restart();
    else if (chance(30))
        stop_event();
}
