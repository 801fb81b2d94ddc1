/*
 * conf_authorization.c - usbAuthorization: read and checked. Its entries are those of rules (conf_rule.c).
 */
#include "config/conf_read.h"

/* "enable" decides, else "disable", else it is off: the reading of the older daemon, which differs from that of rules.
 */
static bool read_enabled(struct reader *r, const int *v) {
    bool on = false, off = true;
    bool sound_on = rd_bool(r, v[AUTH_ENABLE], &on), sound_off = rd_bool(r, v[AUTH_DISABLE], &off);
    if (sound_on && sound_off && v[AUTH_ENABLE] >= 0 && v[AUTH_DISABLE] >= 0 && on == off)
        rd_warn(r, v[AUTH_DISABLE], "'enable' and 'disable' contradict each other: 'enable' decides");
    return v[AUTH_ENABLE] >= 0 ? on : !off;
}

/* A host whose only keyboard is plugged in again would be without one. */
static void lint(struct reader *r, int object, const int *v) {
    const struct authorization *a = &r->c->authorization;
    unsigned allowed = 0;
    for (int i = a->allow; i < a->allow + a->nallow; i++)
        allowed += r->c->entries[i].enabled && r->c->entries[i].fields != 0;
    for (int i = 0; i < r->c->nrules; i++)
        allowed += r->c->rules[i].enabled && r->c->rules[i].host;
    if (a->enabled && allowed == 0 && r->report.count[DIAG_ERROR] == 0) /* else an entry may be unread */
        rd_warn(r, v[AUTH_ENABLE] >= 0 ? v[AUTH_ENABLE] : object,
                "without 'hostAllow' the host can use no USB device that is plugged in, nor its own keyboard");
    if (!a->enabled && a->unmatched)
        rd_warn(r, v[AUTH_UNMATCHED], "'deauthorizeUnmatched' means nothing unless 'enable' is true");
}

void conf_read_authorization(struct reader *r, int object) {
    int v[CONF_KEYS_MAX];
    struct authorization *a = &r->c->authorization;
    if (!rd_object(r, object, OBJ_AUTHORIZATION, v))
        return;
    bool misspelt = r->misspelt;
    a->enabled = read_enabled(r, v);
    (void)rd_bool(r, v[AUTH_UNMATCHED], &a->unmatched);
    conf_read_entries(r, v[AUTH_HOST_ALLOW], false, &a->allow, &a->nallow);
    if (!misspelt)
        lint(r, object, v);
}
