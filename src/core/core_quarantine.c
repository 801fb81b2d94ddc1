/*
 * core_quarantine.c - which devices the host's drivers never see, and when the others are offered to them. Owns
 * slot.shut and the offers; knows nothing of ports. Without general.quarantine and usbAuthorization it does nothing.
 *
 * A device that comes while ports are held is unconfigured, and with usbAuthorization it is not authorised: it is shut.
 * So is one that a VM gives back. The plan offers a shut device that is the host's, once; whatever changes the policy
 * brings up the same comparison again.
 */
#include "config/policy.h"
#include "core/core_internal.h"

enum { OFFERS_MAX = 3 }; /* a device that fails as often fails for a reason of its own */

static const struct rule *rule_of(const struct core *c, const struct slot *s) {
    return s->rule >= 0 && s->dev.kind == KIND_USB ? &c->conf->rules[s->rule] : NULL;
}

bool core_quarantines(const struct core *c, const struct slot *s) {
    const struct rule *r = rule_of(c, s);
    if (c->quarantine == QUARANTINE_OFF || s->hub || s->dev.kind != KIND_USB || (r != NULL && r->host))
        return false;
    return policy_keeps_from_host(c->conf, c->quarantine, r, &s->dev) || s->lease >= 0;
}

bool core_keeps_from_host(const struct core *c, const struct slot *s) {
    bool unauthorised = slot_authorises(c, s) && !s->hub && !policy_authorises(c->conf, rule_of(c, s), &s->dev);
    return unauthorised || core_quarantines(c, s);
}

bool core_quarantined(const struct slot *s) {
    return s->state == SLOT_PRESENT && s->shut && !s->dev.driven && s->vm < 0;
}

/* Without a configuration there is no interface that a driver could have. */
void quarantine_plugged(const struct core *c, struct slot *s) {
    bool idle =
        c->quarantine != QUARANTINE_OFF && s->dev.kind == KIND_USB && s->dev.usb.nconfigs > 0 && s->dev.usb.config == 0;
    if (s->dev.settled && (idle || (slot_authorises(c, s) && s->dev.unauthorised)) && !s->shut)
        slot_shut(c, s);
}

/* It was there before the daemon. A daemon that was killed may have configured it while processes of an earlier one
 * still held its port: there the kernel refuses drivers. What a program has claimed is left to it. */
void quarantine_found(const struct core *c, struct slot *s) {
    bool left = s->dev.settled && s->dev.usb.config != 0 && !s->dev.driven && !s->dev.claimed;
    if (c->quarantine != QUARANTINE_OFF && !s->hub && left)
        slot_shut(c, s);
}

/* A driver that was loaded after the offer could not bind: the port was held again. The same holds for an offer at a
 * port that another process had claimed. */
void quarantine_drivers(struct step *st, const struct fact *f) {
    (void)f;
    for (int i = 0; i < st->c->used; i++) {
        struct slot *s = &st->c->slot[i];
        if (s->state == SLOT_PRESENT && s->vm < 0 && !s->hub && s->dev.settled && !core_keeps_from_host(st->c, s))
            slot_shut(st->c, s);
    }
}

void quarantine_offered(struct step *st, const struct fact *f) {
    for (int i = 0; i < st->c->used; i++) {
        struct slot *s = &st->c->slot[i];
        if (s->state != SLOT_PRESENT || s->plug != f->token || !s->offering)
            continue;
        s->offering = false;
        s->offer_failures = f->ok ? 0 : s->offer_failures + 1;
        s->offer_at = f->ok ? 0 : st->now + backoff(s->offer_failures, VH_T_RETRY_MIN, VH_T_RETRY_MAX);
        s->shut = !f->ok;
    }
}

void quarantine_reload(struct slot *s) {
    s->offer_failures = 0;
    s->offer_at = 0;
}

/* A VM that may have it comes first. What cannot be used now may be used later. */
bool quarantine_due(const struct core *c, const struct slot *s) {
    if (!s->shut || s->state != SLOT_PRESENT || s->offer_failures >= OFFERS_MAX || core_keeps_from_host(c, s))
        return false;
    if (s->vm >= 0 || s->op != OP_NONE || s->doubt != 0 || s->releasing || s->foreign >= 0 || s->look != LOOK_NONE)
        return false;
    if (slot_held(s) || s->unbound || s->reset_due || s->deauthorise || s->revoke == REVOKE_UNDER_WAY)
        return false;
    return slot_stays_with_host(c, s, STAY_UNUSABLE | STAY_UNSETTLED) == STAY_NO;
}

int64_t quarantine_plan(struct step *st, int i) {
    struct slot *s = &st->c->slot[i];
    if (s->offering || !quarantine_due(st->c, s))
        return VH_NEVER;
    if (s->offer_at > st->now)
        return s->offer_at;
    s->offering = true;
    struct action *a = step_add(st, ACT_OFFER);
    a->slot = i;
    a->token = s->plug;
    return VH_NEVER;
}
