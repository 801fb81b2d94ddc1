/*
 * core_verify.c - owns lists with "verify": every VM is listed and every device shown is read, then the list is
 * answered; after VH_T_VERIFY in any case, and it says what is not known. Never begins an operation: the plan lists
 * VMs.
 *
 * For the question whether a device is certainly with nobody: what was known before may have been changed by somebody
 * else, at a VM's monitor or by a program of the host.
 */
#include "base/log.h"
#include "base/str.h"
#include "core/core_internal.h"

/* A listing that is under way may have been answered already. */
static void list_anew(struct core *c, int v) {
    vm_look(c, v);
    c->vm[v].again = c->vm[v].op == OP_LIST;
}

void verify_begin(struct step *st, const struct request *r) {
    struct core *c = st->c;
    int k = 0;
    while (k < VH_MAX_CLIENTS && c->verify[k].used)
        k++;
    VH_ASSERT(k < VH_MAX_CLIENTS); /* a client has one request under way */
    struct verify *q = &c->verify[k];
    *q = (struct verify){.used = true, .client = r->client, .until = st->now + ms_to_ns(VH_T_VERIFY)};
    for (int v = 0; v < c->conf->nvms; v++) {
        if (c->vm[v].state == VM_DOWN)
            continue;
        list_anew(c, v);
        q->vms |= (vm_set)1 << v;
    }
    for (int i = 0; i < c->used; i++) {
        if (core_visible(c, &c->slot[i], r))
            c->slot[i].verify = LOOK_DUE;
    }
}

void verify_was_read(struct slot *s) {
    if (s->verify == LOOK_UNDER_WAY)
        s->verify = LOOK_NONE;
}

void verify_client_gone(struct core *c, struct client_ref client) {
    for (int k = 0; k < VH_MAX_CLIENTS; k++) {
        const struct verify *q = &c->verify[k];
        if (q->used && q->client.index == client.index && q->client.gen == client.gen)
            c->verify[k].used = false;
    }
}

/* True while a device is to be read. */
static bool readings(struct step *st) {
    bool any = false;
    for (int i = 0; i < st->c->used; i++) {
        struct slot *s = &st->c->slot[i];
        if (s->state != SLOT_PRESENT || s->verify == LOOK_NONE)
            continue;
        any = true;
        if (s->verify != LOOK_DUE || s->op != OP_NONE || s->releasing)
            continue; /* what an operation or a reset is about to change is read after it */
        s->verify = LOOK_UNDER_WAY;
        step_add(st, ACT_LOOK)->slot = i;
    }
    return any;
}

void verify_plan(struct step *st) {
    struct core *c = st->c;
    bool any = false, reading = false;
    for (int k = 0; k < VH_MAX_CLIENTS; k++)
        any |= c->verify[k].used;
    if (any)
        reading = readings(st);
    for (int k = 0; any && k < VH_MAX_CLIENTS; k++) {
        struct verify *q = &c->verify[k];
        if (!q->used)
            continue;
        for (int v = 0; v < VH_MAX_VMS; v++) {
            if (v >= c->conf->nvms || c->vm[v].state != VM_UNKNOWN)
                q->vms &= ~((vm_set)1 << v);
        }
        if ((reading || q->vms != 0) && q->until > st->now) {
            if (q->until < c->wake_at)
                c->wake_at = q->until;
            continue;
        }
        q->used = false;
        step_add(st, ACT_REPLY_PARTS)->client = q->client;
    }
}

void core_uncertain(const struct core *c, const struct slot *s, struct sbuf *sb) {
    for (int v = 0; v < c->conf->nvms; v++) {
        const char *name = c->conf->vms[v].name;
        if ((s->doubt >> v & 1) != 0 || (c->vm[v].state == VM_UNKNOWN && c->conf->vms[v].supported))
            sb_fmt(sb, "%sVM '%s' has not answered", sb->len > 0 ? "; " : "", name);
        else if ((s->claims >> v & 1) != 0 && s->vm != v && s->foreign != v)
            sb_fmt(sb, "%sVM '%s' lists it", sb->len > 0 ? "; " : "", name);
    }
    if (s->vm < 0 && slot_held(s))
        sb_fmt(sb, "%sit is not revoked: a VM may still use it", sb->len > 0 ? "; " : "");
    if (s->verify != LOOK_NONE || s->dev.unresponsive)
        sb_fmt(sb, "%sthe device has not answered", sb->len > 0 ? "; " : "");
}
