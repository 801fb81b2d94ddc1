/*
 * core_authorize.c - usbAuthorization.deauthorizeUnmatched: what was plugged in before the daemon and goes to no VM
 * loses its authorisation, unless the configuration names it for the host. Owns slot.unmatched; orders nothing: the way
 * back from a VM (core_revoke.c) takes the authorisation.
 *
 * Each device is judged once, when it is known whether a VM has it or gets it. What the host uses keeps its
 * authorisation, and so does what a program has claimed.
 */
#include "core/core_internal.h"

void authorize_plugged(const struct core *c, struct slot *s, bool coldplug) {
    s->unmatched = coldplug && slot_authorises(c, s) && c->conf->authorization.unmatched;
}

/* Not now: it is on its way, or what it is and who has it is not known yet. */
static bool is_undecided(const struct core *c, const struct slot *s) {
    int target = plan_target(c, s);
    bool gets = target >= 0 && (!c->vm[target].told || c->vm[target].state != VM_DOWN);
    return !s->dev.settled || s->dev.unresponsive || gets || s->op != OP_NONE || s->req >= 0 || s->doubt != 0 ||
           s->look != LOOK_NONE || s->releasing || s->offering || slot_held(s) || s->revoke == REVOKE_UNDER_WAY;
}

void authorize_plan(struct step *st, int i) {
    struct slot *s = &st->c->slot[i];
    if (!s->unmatched)
        return;
    bool stays = s->vm >= 0 || s->foreign >= 0 || s->hub || s->dev.claimed || s->dev.protect[0] != '\0';
    if (!stays && is_undecided(st->c, s))
        return;
    s->unmatched = false;
    if (stays || s->dev.unauthorised || !core_keeps_from_host(st->c, s))
        return;
    slot_shut(st->c, s); /* a later configuration may name it */
    s->deauthorise = true;
}
