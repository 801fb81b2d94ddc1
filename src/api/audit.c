/*
 * audit.c - the wording of audit lines and audit events (docs/security.md). Owns no state. Never decides what is worth
 * a line: the core does for requests, server.c for connections, api_handler.c for requests that a role may never make.
 */
#include "api/audit.h"

#include "base/limits.h"
#include "base/log.h"
#include "config/access.h"

#include <string.h>

const char *audit_outcome_name(enum audit_outcome o) {
    static const char names[][8] = {[AUDIT_OK] = "ok", [AUDIT_REFUSED] = "refused", [AUDIT_FAILED] = "failed"};
    return names[o];
}

/* Both forms have the same members in the same order. */
struct writer {
    struct sbuf *sb;
    bool json;
};

static void key(const struct writer *w, const char *name) {
    sb_str(w->sb, w->json ? ", \"" : " ");
    sb_str(w->sb, name);
    sb_str(w->sb, w->json ? "\": " : "=");
}

/* Text that a client or a device may have chosen. In the log '=' is escaped as well: a search for " outcome=refused"
 * finds that key and no text that imitates it. */
static void text(const struct writer *w, const char *name, const char *value) {
    char quoted[6 * VH_ERROR_MAX + 8];
    struct sbuf sb;
    if (value == NULL || value[0] == '\0')
        return;
    key(w, name);
    if (w->json) {
        sb_json(w->sb, value);
        return;
    }
    sb_init(&sb, quoted, sizeof quoted);
    sb_json(&sb, value);
    VH_ASSERT(sb_ok(&sb)); /* no text here is longer than an error */
    for (const char *p = quoted; *p != '\0'; p++) {
        if (*p == '=')
            sb_str(w->sb, "\\u003d");
        else
            sb_char(w->sb, *p);
    }
}

/* The client's name, which the daemon made from what the kernel says of the client. */
static void name_of(const struct writer *w, const struct principal *who) {
    key(w, "by");
    sb_json(w->sb, who->name);
}

/* A word that the daemon chose: the log needs no quotes. */
static void word(const struct writer *w, const char *name, const char *value) {
    key(w, name);
    if (w->json)
        sb_json(w->sb, value);
    else
        sb_str(w->sb, value);
}

static void about(const struct writer *w, const struct audit *a) {
    char asked[VH_ERROR_MAX], id[10];
    struct sbuf sb;
    if (a == NULL)
        return;
    sb_init(&sb, asked, sizeof asked);
    core_describe(&sb, &a->asked.sel);
    VH_ASSERT(sb_ok(&sb));
    text(w, "asked", asked[0] == ' ' ? asked + 1 : asked);
    text(w, "vm", a->asked.vm);
    text(w, "request", a->asked.id);
    if (a->devices == 0)
        return;
    VH_ASSERT(str_fmt(id, sizeof id, "%04x:%04x", (unsigned)a->vid, (unsigned)a->pid));
    word(w, "device", a->device);
    word(w, "id", id);
    key(w, "devices");
    sb_uint(w->sb, a->devices);
}

static void members(const struct writer *w, const struct core *c, const struct audit_entry *e) {
    name_of(w, e->who);
    word(w, "role", role_name(e->who->role));
    if (e->who->vm >= 0 && e->who->vm < c->conf->nvms)
        text(w, "of", c->conf->vms[e->who->vm].name);
    word(w, "action", e->action);
    about(w, e->a);
    if (e->a != NULL && e->a->taken != NULL)
        word(w, "taken_away", e->a->taken);
    word(w, "outcome", e->outcome);
    text(w, "reason", e->reason);
}

void audit_line(struct sbuf *sb, const struct core *c, const struct audit_entry *e) {
    const struct writer w = {.sb = sb, .json = false};
    sb_str(sb, "audit:");
    members(&w, c, e);
}

void audit_event(struct sbuf *sb, const struct core *c, const struct audit_entry *e) {
    const struct writer w = {.sb = sb, .json = true};
    sb_str(sb, "{\"event\": \"audit\"");
    members(&w, c, e);
    sb_str(sb, "}\n");
}
