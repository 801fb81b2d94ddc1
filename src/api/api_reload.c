/*
 * api_reload.c - the wording of what came of a reload. Owns no state: the caller keeps the struct. Never reads a
 * configuration.
 */
#include "api/api_reload.h"

#include "api/api_internal.h"
#include "base/str.h"

_Static_assert(VH_REPLY_MAX >= VH_PROBLEMS_MAX + 6 * VH_ERROR_MAX + VH_ID_MAX + 256, "a reply has all problems kept");

void api_reload_begin(struct reloaded *r) {
    r->ok = false;
    r->error[0] = '\0';
    r->rules = r->vms = r->warnings = r->more = 0;
    r->len = 0;
}

void api_reload_problem(struct reloaded *r, enum diag_level level, unsigned count, const char *text) {
    static const char *const names[] = {"error", "warning", "note"};
    size_t room = level == DIAG_ERROR ? sizeof r->problems : sizeof r->problems / 2;
    struct sbuf sb;
    r->warnings += level == DIAG_WARNING ? count : 0;
    if (level == DIAG_ERROR && r->error[0] == '\0')
        str_shorten(r->error, VH_ERROR_MAX, text);
    if (count > 1 || r->len >= room) {
        r->more += count;
        return;
    }
    sb_init(&sb, r->problems + r->len, room - r->len);
    sb_str(&sb, r->len > 0 ? ", {" : "{");
    sb_str(&sb, "\"severity\": ");
    sb_json(&sb, names[level]);
    member_text(&sb, "text", text);
    sb_char(&sb, '}');
    if (sb_ok(&sb))
        r->len += sb.len;
    else
        r->more++;
}

void api_reload_end(struct reloaded *r, const struct conf *fresh, const char *error) {
    r->ok = fresh != NULL;
    if (error[0] != '\0')
        str_shorten(r->error, VH_ERROR_MAX, error);
    if (fresh != NULL) {
        r->error[0] = '\0';
        r->rules = fresh->nrules;
        for (int v = 0; v < fresh->nvms; v++)
            r->vms += !fresh->vms[v].retired;
    } else if (r->error[0] == '\0') {
        str_shorten(r->error, VH_ERROR_MAX, "the configuration is not usable");
    }
}

void api_reloaded(struct sbuf *sb, const char *id, const struct reloaded *r) {
    sb_str(sb, r->ok ? "{\"result\": \"ok\"" : "{\"result\": \"failed\"");
    if (r->ok) {
        member_uint(sb, "rules", r->rules);
        member_uint(sb, "vms", r->vms);
        member_uint(sb, "warnings", r->warnings);
    } else {
        member_text(sb, "error", r->error);
    }
    member(sb, "problems");
    sb_char(sb, '[');
    sb_mem(sb, r->problems, r->len);
    sb_char(sb, ']');
    if (r->more > 0)
        member_uint(sb, "more_problems", r->more);
    reply_end(sb, id);
}
