/*
 * notify.c - gives events and audit lines to their receivers, and owns the last events. Decides nothing: api.c and
 * audit.c say whom an event concerns and in which words, server.c knows the subscribers.
 */
#include "daemon/notify.h"

#include "api/api.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/log_limit.h"
#include "base/str.h"
#include "config/access.h"
#include "os/clock.h"
#include "server/server.h"

#include <string.h>

static struct history history;

/* Do both read the same words? Then the words are put together once. */
static bool same_view(const struct principal *a, const struct principal *b) {
    return (access_sees_all(a) && access_sees_all(b)) || (a->role == b->role && a->vm == b->vm);
}

/* The words of one event, kept while the next subscriber has the same view. */
struct wording {
    const struct principal *for_whom; /* NULL: nothing is worded yet */
    bool concerns;                    /* false: the event is not for them, and there is no text */
    size_t len;
};

static void event_to(const struct core *c, const struct action *a, struct client_ref to, const struct principal *who,
                     struct wording *w) {
    static char text[VH_REPLY_MAX];
    if (w->for_whom == NULL || !same_view(w->for_whom, who)) {
        struct sbuf sb;
        sb_init(&sb, text, sizeof text);
        w->for_whom = who;
        w->concerns = api_event_concerns(c, who, a->event, a->slot, a->vm);
        if (w->concerns)
            api_event(&sb, c, who, a->event, a->slot, a->vm);
        VH_ASSERT(sb_ok(&sb));
        w->len = sb.len;
    }
    if (w->concerns)
        server_event_to(to, text, w->len);
}

static void log_event(const struct core *c, const struct action *a, int64_t now) {
    const struct device *d = &c->slot[a->slot].dev;
    const char *vm = a->vm >= 0 ? c->conf->vms[a->vm].name : NULL;
    if (log_may_about(LOG_DEVICES, d->sys_name, now))
        log_info("%s: device=%s node=%s id=%04x:%04x%s%s name=\"%s %s\"", api_event_name(d->kind, a->event),
                 d->sys_name, d->node, (unsigned)d->vid, (unsigned)d->pid, vm ? " vm=" : "", vm ? vm : "",
                 d->vendor_name, d->product_name);
}

void notify_event(const struct core *c, const struct action *a, const struct principal *only, int64_t now) {
    struct wording w = {0};
    struct client_ref to;
    const struct principal *who;
    int cursor = 0;
    if (a->client.gen != 0) {
        event_to(c, a, a->client, only, &w);
        return;
    }
    log_event(c, a, now);
    history_add(&history, c, a, clock_date_ms());
    while (server_subscriber(&cursor, false, &to, &who))
        event_to(c, a, to, who, &w);
}

const struct history *notify_history(void) {
    return &history;
}

void notify_reload(const struct conf *old, const struct conf *fresh, vm_set changed) {
    history_reload(&history, old, fresh, changed);
}

void notify_state(const struct core *c, struct client_ref only) {
    char text[6 * VH_TEXT_MAX + 64]; /* each byte of the reason may be escaped */
    struct sbuf sb;
    struct client_ref to;
    const struct principal *who;
    int cursor = 0;
    sb_init(&sb, text, sizeof text);
    api_state_event(&sb, c);
    VH_ASSERT(sb_ok(&sb));
    if (only.gen != 0) {
        server_event_to(only, text, sb.len);
        return;
    }
    while (server_subscriber(&cursor, false, &to, &who)) {
        if (who->role == ROLE_ADMIN)
            server_event_to(to, text, sb.len);
    }
}

/* ---- audit ---- */

static bool may_log(const struct principal *who, bool changes, int64_t now) {
    enum log_share share = changes ? LOG_CHANGES : LOG_REFUSALS;
    if (who->role == ROLE_NONE)
        share = LOG_STRANGERS;
    else if (who->role == ROLE_ADMIN)
        share = changes ? LOG_ADMIN_CHANGES : LOG_ADMIN_REFUSALS;
    return log_may(share, log_key(&who->peer, sizeof who->peer), who->name, now);
}

static void log_audit(const struct core *c, const struct audit_entry *e) {
    char text[VH_AUDIT_MAX];
    struct sbuf sb;
    sb_init(&sb, text, sizeof text);
    audit_line(&sb, c, e);
    if (!sb_ok(&sb)) { /* the reason is full of escapes: leave it out */
        struct audit_entry brief = *e;
        brief.reason = "(too long)";
        sb_init(&sb, text, sizeof text);
        audit_line(&sb, c, &brief);
    }
    VH_ASSERT(sb_ok(&sb));
    log_line(str_eq(e->outcome, "ok") ? LOG_INFO : LOG_WARN, "%s", text);
}

static void audit_to_all(const struct core *c, const struct audit_entry *e) {
    static char text[VH_REPLY_MAX];
    struct sbuf sb;
    struct client_ref to;
    const struct principal *who;
    int cursor = 0;
    sb_init(&sb, text, sizeof text);
    audit_event(&sb, c, e);
    VH_ASSERT(sb_ok(&sb));
    while (server_subscriber(&cursor, true, &to, &who))
        server_event_to(to, text, sb.len);
}

void notify_audit(const struct core *c, const struct audit *a, const char *reason, int64_t now) {
    const struct audit_entry e = {.who = &a->asked.who,
                                  .action = a->asked.kind == REQ_AUDIT ? "audit" : api_request_name(&a->asked),
                                  .outcome = audit_outcome_name(a->outcome),
                                  .reason = a->outcome == AUDIT_OK ? NULL : reason,
                                  .a = a};
    if (may_log(e.who, a->changes, now))
        log_audit(c, &e);
    audit_to_all(c, &e);
}

void notify_refused(const struct core *c, const struct principal *who, const char *why, int64_t now) {
    const struct audit_entry e = {.who = who, .action = "connect", .outcome = "refused", .reason = why};
    if (!may_log(who, false, now))
        return;
    log_audit(c, &e);
    audit_to_all(c, &e);
}
