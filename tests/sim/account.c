/*
 * account.c - owns the account of account.h. Never asks the core why: each rule is one of docs/api.md and
 * docs/lifecycle.md, as a reader of events, replies and the audit would hold the daemon to it.
 */
#include "account.h"

#include "base/duration.h"
#include "base/str.h"
#include "config/policy_pci.h"

#include <stdlib.h>
#include <string.h>

enum { NAMES = 128, NOBODY = -1 };

/* A device of the host, as facts told of it. */
struct there {
    char name[VH_SYSNAME_MAX]; /* "" none */
    uint64_t incarnation;
    bool settled, hub, seen;
    bool pci; /* of the list of PCI devices, which is always told whole */
};

/* What was told of the plug in a slot. */
struct told {
    uint32_t plug;
    bool connected, asked; /* asked: for a VM, and not attached since */
    int vm;                /* NOBODY none */
    int64_t quiet_at;      /* its port flaps: not to be told of before */
};

struct client {
    uint32_t gen, gone; /* gone: a generation that left */
    bool waits, subscribes;
    int64_t subscribed_at;
    struct request asked;
};

static struct {
    account_fail_fn *fail;
    int64_t now;
    enum fact_kind fact;
    int vm; /* whose operation has ended by the fact, NOBODY */
    struct there there[NAMES];
    struct told told[CORE_SLOTS];
    struct client client[VH_MAX_CLIENTS];
    const struct action *audit; /* the last one of the step, until a reply follows */
} a;

static _Noreturn void fail(const char *why) {
    a.fail(why);
    abort();
}

void account_begin(account_fail_fn *tell) {
    memset(&a, 0, sizeof a);
    a.fail = tell;
    for (int i = 0; i < CORE_SLOTS; i++)
        a.told[i].vm = NOBODY;
}

/* ---- what happens ---- */

static struct there *find(const char *name) {
    for (int i = 0; i < NAMES; i++) {
        if (str_eq(a.there[i].name, name))
            return &a.there[i];
    }
    return NULL;
}

static struct there *note(const char *name, uint64_t incarnation) {
    struct there *t = find(name);
    if (t == NULL)
        t = find("");
    if (t == NULL)
        fail("more devices than the account has room for");
    *t = (struct there){.incarnation = incarnation, .seen = true};
    if (!str_copy(t->name, sizeof t->name, name))
        fail("a device's name is too long");
    return t;
}

static void device_is_there(const struct device *d) {
    struct there *t = note(d->sys_name, d->incarnation);
    t->settled = d->settled;
    t->hub = device_is_hub(d);
}

static void pci_devices_are_there(const struct pci_host *h) {
    for (int i = 0; i < NAMES; i++) {
        if (a.there[i].pci)
            a.there[i].name[0] = '\0';
    }
    for (int i = 0; i < h->n; i++) {
        char name[VH_SYSNAME_MAX];
        struct sbuf sb;
        sb_init(&sb, name, sizeof name);
        pci_address_print(&sb, &h->row[i].address);
        struct there *t = note(name, h->row[i].incarnation);
        t->settled = t->pci = true;
    }
}

static void scan(bool begins) {
    for (int i = 0; i < NAMES; i++) {
        struct there *t = &a.there[i];
        if (t->pci)
            continue;
        if (begins)
            t->seen = false;
        else if (!t->seen)
            t->name[0] = '\0';
    }
}

static void client_asks(const struct request *r) {
    struct client *k = &a.client[r->client.index];
    if (k->gen != r->client.gen)
        *k = (struct client){.gen = r->client.gen, .gone = k->gone};
    k->waits = true;
    k->asked = *r;
}

static void client_goes(struct client_ref ref) {
    struct client *k = &a.client[ref.index];
    *k = (struct client){.gone = ref.gen};
}

void account_fact(const struct fact *f, int64_t now) {
    struct there *t = NULL;
    a.now = now;
    a.fact = f->kind;
    a.vm = NOBODY;
    a.audit = NULL;
    switch (f->kind) {
    case FACT_DEVICE:
        device_is_there(f->device);
        break;
    case FACT_PCI:
        pci_devices_are_there(f->pci);
        break;
    case FACT_SEEN:
    case FACT_GONE:
        t = find(f->sys_name);
        if (t != NULL && f->kind == FACT_GONE)
            t->name[0] = '\0';
        else if (t != NULL)
            t->seen = true;
        break;
    case FACT_SCAN_BEGIN:
    case FACT_SCAN_END:
        scan(f->kind == FACT_SCAN_BEGIN);
        break;
    case FACT_REQUEST:
        client_asks(f->request);
        break;
    case FACT_CLIENT_GONE:
        client_goes(f->client);
        break;
    case FACT_OP_DONE:
        a.vm = f->op->vm;
        break;
    default:
        break;
    }
}

/* ---- what is told ---- */

static struct told *told_of(const struct core *c, int i) {
    struct told *t = &a.told[i];
    if (t->plug != c->slot[i].plug) {
        if (t->connected || t->vm != NOBODY)
            fail("a device has gone, and nobody was told");
        *t = (struct told){.plug = c->slot[i].plug, .vm = NOBODY};
    }
    return t;
}

static const struct there *where(const struct slot *s) {
    const struct there *t = find(s->dev.sys_name);
    return t != NULL && (t->pci || t->incarnation == s->dev.incarnation) ? t : NULL;
}

static void connected(const struct slot *s, struct told *t) {
    const struct there *is = where(s);
    if (is == NULL || !is->settled || is->hub)
        fail("told of a device that is not there, not configured yet, or a hub");
    if (t->connected)
        fail("a device is connected twice");
    if (a.now < t->quiet_at)
        fail("told of a device too soon: its port flaps");
    t->connected = true;
}

static void disconnected(const struct slot *s, struct told *t) {
    if (!t->connected || t->vm != NOBODY)
        fail("a device is disconnected that nobody was told of, or that a VM has");
    if (where(s) != NULL && s->state == SLOT_PRESENT)
        fail("a device is disconnected that is there");
    t->connected = t->asked = false;
}

static void asked(const struct action *x, struct told *t) {
    const struct client *k = &a.client[x->client.index];
    if (!t->connected || t->vm != NOBODY)
        fail("a VM is asked for, of a device that nobody was told of or that a VM has");
    if (x->client.gen == 0) {
        t->asked = true;
        return;
    }
    if (k->gen != x->client.gen || !k->subscribes)
        fail("somebody is asked who has not subscribed");
    if (!t->asked)
        fail("a new subscriber is asked what nobody was asked before");
    if (a.now < k->subscribed_at + ms_to_ns(VH_T_ANNOUNCE))
        fail("a new subscriber is asked too soon");
}

static void event(const struct core *c, const struct action *x) {
    const struct slot *s = &c->slot[x->slot];
    struct told *t = told_of(c, x->slot);
    if (x->client.gen != 0 && x->event != EV_SELECT_VM)
        fail("an event for one client alone");
    switch (x->event) {
    case EV_CONNECTED:
        connected(s, t);
        break;
    case EV_DISCONNECTED:
        disconnected(s, t);
        break;
    case EV_ATTACHED:
        if (t->vm != NOBODY)
            fail("a device is attached that a VM has");
        if (a.fact != FACT_OP_DONE || a.vm != x->vm)
            fail("a device is attached, and its VM has said nothing");
        t->vm = x->vm;
        t->asked = false;
        break;
    case EV_DETACHED:
        if (t->vm == NOBODY || t->vm != x->vm)
            fail("a device is detached from a VM that did not have it");
        t->vm = NOBODY;
        break;
    case EV_SELECT_VM:
        asked(x, t);
        break;
    }
}

/* ---- replies and the audit ---- */

static bool moves(enum request_kind kind) {
    return kind == REQ_ATTACH || kind == REQ_DETACH || kind == REQ_SUSPEND || kind == REQ_RESUME;
}

static void audited(const struct actions *all, const struct action *x) {
    const struct audit *au = &all->audits[x->audit];
    if (!moves(au->asked.kind) && au->asked.kind != REQ_ACKNOWLEDGE)
        fail("an audit of what changes nothing");
    if (au->outcome != AUDIT_OK && all->texts[x->text][0] == '\0')
        fail("an audit without a reason");
    if (au->outcome == AUDIT_REFUSED && au->devices > 0)
        fail("a request was refused, and has begun to move devices");
    if (au->outcome == AUDIT_OK && au->asked.kind == REQ_ATTACH && !au->asked.sel.by_tag && au->devices == 0)
        fail("an attach of nothing is audited as done");
    a.audit = x;
}

/* A request that may change something is audited with its reply, and by the same words. */
static void check_audit(const struct actions *all, const struct action *x, const struct request *r) {
    const struct audit *au = a.audit != NULL ? &all->audits[a.audit->audit] : NULL;
    bool its = au != NULL && au->asked.client.index == x->client.index && au->asked.client.gen == x->client.gen;
    a.audit = NULL;
    if (its != (moves(r->kind) || r->kind == REQ_ACKNOWLEDGE))
        fail("a request and its audit differ");
    if (its && (au->outcome == AUDIT_OK) != x->ok)
        fail("a reply says something else than its audit");
}

/* The VM that has what a request names by its number, by the events; false: the number names nothing. */
static bool vm_of(const struct core *c, const struct request *r, int *vm) {
    for (int i = 0; i < c->used && r->sel.by_node; i++) {
        const struct slot *s = &c->slot[i];
        if (s->state != SLOT_PRESENT || s->dev.kind != KIND_USB || s->dev.usb.busnum != r->sel.node_bus ||
            s->dev.usb.devnum != r->sel.node_dev)
            continue;
        *vm = a.told[i].plug == s->plug ? a.told[i].vm : NOBODY;
        return true;
    }
    return false;
}

/* What was asked for has happened, as far as subscribers know. */
static void check_done(const struct core *c, const struct request *r) {
    int vm = NOBODY;
    if (r->about != KIND_USB || !vm_of(c, r, &vm))
        return;
    if (r->kind == REQ_ATTACH && vm == NOBODY)
        fail("an attach said ok, and nobody was told of it");
    if (r->kind == REQ_ATTACH && r->who.role == ROLE_GUEST && vm != r->who.vm)
        fail("a guest attached a device to another VM");
    if (r->kind == REQ_ATTACH && r->vm[0] != '\0' && !str_eq(c->conf->vms[vm].name, r->vm))
        fail("an attach said ok, and the device is in another VM");
    if (r->kind == REQ_DETACH && vm != NOBODY)
        fail("a detach said ok, and nobody was told of it");
}

static struct client *client_of(struct client_ref ref) {
    struct client *k = &a.client[ref.index];
    if (ref.gen == k->gone && ref.gen != k->gen)
        fail("something for a client that has gone");
    return k->gen == ref.gen ? k : NULL;
}

static void replied(const struct core *c, const struct actions *all, const struct action *x) {
    struct client *k = client_of(x->client);
    if (k == NULL || !k->waits)
        fail("a reply that nobody waits for");
    k->waits = false;
    if (x->kind == ACT_REPLY)
        check_audit(all, x, &k->asked);
    if ((x->kind == ACT_REPLY_PARTS) != (k->asked.kind == REQ_LIST))
        fail("a list is answered otherwise, or something else by a list");
    if (x->kind == ACT_REPLY && x->ok)
        check_done(c, &k->asked);
}

static void subscribed(const struct action *x) {
    struct client *k = client_of(x->client);
    if (k == NULL || k->asked.kind != REQ_SUBSCRIBE || x->audits)
        fail("a subscription that nobody asked for");
    k->subscribes = true;
    k->subscribed_at = a.now;
}

/* ---- operations ---- */

static void begun(const struct core *c, const struct action *x) {
    if (x->op.kind == OP_ATTACH && told_of(c, x->slot)->vm != NOBODY)
        fail("attaching a device that a VM was said to have");
}

void account_action(const struct core *c, const struct actions *all, const struct action *x) {
    switch (x->kind) {
    case ACT_EVENT:
        event(c, x);
        break;
    case ACT_AUDIT:
        audited(all, x);
        break;
    case ACT_REPLY:
    case ACT_REPLY_PARTS:
        replied(c, all, x);
        break;
    case ACT_SUBSCRIBE:
        subscribed(x);
        break;
    case ACT_FLAPS:
        if (x->hold_ms < VH_T_FLAP_HOLD || x->hold_ms > VH_T_FLAP_HOLD_MAX)
            fail("a port that flaps is held for another time than is documented");
        told_of(c, x->slot)->quiet_at = a.now + ms_to_ns(x->hold_ms);
        break;
    case ACT_OP:
        begun(c, x);
        break;
    default:
        break;
    }
}

/* Nothing is where nobody was told that it is, and nothing that is ready waits to be told of. */
void account_step_ends(const struct core *c) {
    for (int i = 0; i < c->used; i++) {
        const struct slot *s = &c->slot[i];
        if (s->state == SLOT_FREE)
            continue;
        const struct told *t = told_of(c, i);
        bool present = s->state == SLOT_PRESENT;
        if (t->vm != (present ? s->vm : NOBODY))
            fail("a device is in another VM than was told last");
        if (!present && t->connected)
            fail("a device has gone, and nobody was told of it");
        const struct there *is = present ? where(s) : NULL;
        if (present && is == NULL)
            fail("the core keeps a device that is not there");
        if (is != NULL && is->settled && !is->hub && s->hold_until == 0 && !t->connected)
            fail("a device is ready, and nobody was told of it");
    }
}
