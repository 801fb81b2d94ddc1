/*
 * api_rules.c - the rules in force and what they decide, for the action `rules`. Owns the wording; never keeps a count.
 */
#include "api/api_internal.h"
#include "base/limits.h"

#include <string.h>

_Static_assert(VH_REPLY_MAX >= 3 * 2 * VH_TEXT_MAX + VH_MAX_VMS * (3 * VH_NAME_MAX + 4) +
                                   VH_MAX_DEVICES * (VH_PORTPATH_MAX + 8) + 1024,
               "a reply has one rule with all VMs and all devices");

/* The VMs that it allows. */
static void vms(struct sbuf *sb, const struct conf *conf, const struct rule *r) {
    member(sb, "allowed_vms");
    sb_char(sb, '[');
    for (int v = 0; v < r->nvms; v++) {
        sb_str(sb, v > 0 ? ", " : "");
        sb_json(sb, conf->vms[r->vms[v]].name);
    }
    sb_char(sb, ']');
}

/* The devices that it decides for now. */
static void devices(struct sbuf *sb, const struct core *c, int rule) {
    const char *between = "";
    member(sb, "devices");
    sb_char(sb, '[');
    for (int i = 0; i < c->used; i++) {
        const struct slot *s = &c->slot[i];
        if (s->state != SLOT_PRESENT || s->hub || s->rule != rule)
            continue;
        sb_str(sb, between);
        sb_json(sb, s->dev.sys_name);
        between = ", ";
    }
    sb_char(sb, ']');
}

static void rule(struct sbuf *sb, const struct core *c, int i) {
    const struct rule *r = &c->conf->rules[i];
    sb_str(sb, "{\"bus\": \"usb\"");
    member_uint(sb, "index", (uint64_t)i);
    member_uint(sb, "line", r->line);
    member(sb, "description");
    json_cut(sb, r->description);
    member_text_or_null(sb, "tag", r->tag);
    member_bool(sb, "enabled", r->enabled);
    member_text_or_null(sb, "target_vm", r->single && r->nvms > 0 ? c->conf->vms[r->vms[0]].name : "");
    vms(sb, c->conf, r);
    member_uint(sb, "hits", c->hits[i]);
    devices(sb, c, i);
    sb_char(sb, '}');
}

/* The cursor is 1 and the index of the next rule; 0 is the beginning of the reply. */
bool api_rules_part(const struct core *c, const struct request *r, uint64_t *cursor, struct sbuf *sb) {
    bool first = *cursor == 0;
    int i = first ? 0 : (int)(*cursor - 1);
    if (first)
        sb_str(sb, "{\"result\": \"ok\", \"rules\": [");
    if (i >= c->conf->nrules) { /* a reload may have removed some */
        sb_char(sb, ']');
        reply_end(sb, r->id);
        return false;
    }
    sb_str(sb, first ? "" : ", ");
    rule(sb, c, i);
    *cursor = (uint64_t)i + 2;
    return true;
}
