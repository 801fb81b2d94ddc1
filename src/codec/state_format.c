/*
 * state_format.c - what is remembered of devices, to JSON and back. Owns the form of the state file; never opens it,
 * and decides nothing about a device that is present.
 *
 * The older daemons know two members, keyed "vid:pid:serial". These override the more precise record of the same
 * device, because an older daemon may have changed them since.
 */
#include "codec/state_format.h"

#include "base/log.h"
#include "codec/json.h"

#include <string.h>

#define NO_SERIAL "None" /* as the Python daemon writes it */

static jsmntok_t tokens[VH_STATE_TOKENS];

void *state_format_scratch(size_t *size) {
    *size = sizeof tokens;
    return tokens;
}

/* ---- ids ---- */

struct id {
    uint16_t vid, pid;
    char serial[VH_STRING_MAX];
};

static bool parse_id(const struct json *j, int t, struct id *id) {
    char text[VH_STRING_MAX + 16];
    uint32_t vid = 0, pid = 0;
    if (!json_string(j, t, text, sizeof text) || strlen(text) < 10 || text[4] != ':' || text[9] != ':' ||
        !str_hex(text, 4, &vid) || !str_hex(text + 5, 4, &pid))
        return false;
    id->vid = (uint16_t)vid;
    id->pid = (uint16_t)pid;
    return str_copy(id->serial, sizeof id->serial, str_eq(text + 10, NO_SERIAL) ? "" : text + 10);
}

static void print_id(struct sbuf *sb, const struct remembered *m) {
    char text[VH_STRING_MAX + 16];
    bool ok = str_fmt(text, sizeof text, "%04x:%04x:%s", (unsigned)m->vid, (unsigned)m->pid,
                      m->serial[0] != '\0' ? m->serial : NO_SERIAL);
    VH_ASSERT(ok);
    sb_json(sb, text);
}

/* An id with the serial "None" looks like one without a serial. */
static const char *as_in_id(const char *serial) {
    return str_eq(serial, NO_SERIAL) ? "" : serial;
}

static bool has_id(const struct remembered *m, uint16_t vid, uint16_t pid, const char *serial) {
    return m->used && m->vid == vid && m->pid == pid && str_eq(as_in_id(m->serial), as_in_id(serial));
}

static enum role parse_role(const struct json *j, int t) {
    for (int r = ROLE_OBSERVER; r <= ROLE_ADMIN; r++) {
        if (json_string_is(j, t, role_name((enum role)r)))
            return (enum role)r;
    }
    return ROLE_OPERATOR; /* the author is unknown, but the decision or choice counts */
}

/* ---- reading ---- */

struct reader {
    struct remembered_set *ms;
    const struct json *j;
    bool same_boot;
    unsigned *dropped;
    char *why;
    size_t cap;
};

static bool refuse(struct reader *r, const char *why) {
    (void)str_copy(r->why, r->cap, why); /* the texts are short */
    return false;
}

/* A free record. If there is none, a decision replaces the oldest record without one. NULL: no room. */
static struct remembered *add(struct reader *r, const struct id *id, bool decision) {
    struct remembered *m = NULL, *oldest = NULL;
    for (int i = 0; m == NULL && i < VH_MAX_REMEMBERED; i++) {
        struct remembered *e = &r->ms->m[i];
        if (!e->used)
            m = e;
        else if (e->file.by == ROLE_NONE && (oldest == NULL || e->stamp < oldest->stamp))
            oldest = e;
    }
    (*r->dropped) += m == NULL;
    if (m == NULL && decision)
        m = oldest;
    if (m == NULL)
        return NULL;
    memset(m, 0, sizeof *m);
    m->used = true;
    m->vid = id->vid;
    m->pid = id->pid;
    memcpy(m->serial, id->serial, sizeof m->serial);
    m->stamp = ++r->ms->stamp;
    return m;
}

/* An optional member; false if it is present but is no text that fits. */
static bool optional(const struct json *j, int object, const char *key, char *dst, size_t cap) {
    int t = json_get(j, object, key);
    dst[0] = '\0';
    return t < 0 || json_type(j, t) == JSON_NULL || json_string(j, t, dst, cap);
}

/* The incarnation of a plug. Bus and device number ("1-5", as it once was) name no plug: numbers come again. */
static void parse_exempt(const char *s, enum role by, struct remembered *m) {
    uint64_t incarnation = 0;
    if (str_uint(s, strlen(s), UINT64_MAX, &incarnation) && incarnation != 0) {
        m->file.exempt = incarnation;
        m->file.exempt_by = by;
    }
}

static bool is_empty(const struct remembered *m) {
    return m->vm[0] == '\0' && m->suspended[0] == '\0' && m->file.by == ROLE_NONE && m->file.exempt == 0;
}

static void read_device(struct reader *r, int object) {
    struct remembered read = {.used = true};
    struct id id;
    char exempt[24];
    bool literal = false;
    int by = json_get(r->j, object, "disconnected_by"), vm_by = json_get(r->j, object, "selected_by");
    if (json_type(r->j, object) != JSON_OBJECT || !parse_id(r->j, json_get(r->j, object, "id"), &id) ||
        !optional(r->j, object, "port", read.port, sizeof read.port) ||
        !optional(r->j, object, "vm", read.vm, sizeof read.vm) ||
        !optional(r->j, object, "suspended", read.suspended, sizeof read.suspended) ||
        !optional(r->j, object, "exempt", exempt, sizeof exempt)) {
        (*r->dropped)++;
        return;
    }
    if (json_bool(r->j, json_get(r->j, object, "serial"), &literal) && literal && id.serial[0] == '\0')
        memcpy(id.serial, NO_SERIAL, sizeof NO_SERIAL);
    read.file.by = by >= 0 ? parse_role(r->j, by) : ROLE_NONE;
    read.vm_by = read.vm[0] != '\0' ? parse_role(r->j, vm_by) : ROLE_NONE;
    parse_exempt(exempt, parse_role(r->j, json_get(r->j, object, "exempt_by")), &read);
    if (!r->same_boot) {
        read.suspended[0] = '\0';
        read.file.exempt = 0;
        read.file.exempt_by = ROLE_NONE;
    }
    struct remembered *m = is_empty(&read) ? NULL : add(r, &id, read.file.by != ROLE_NONE);
    if (m == NULL)
        return;
    memcpy(m->port, read.port, sizeof m->port);
    memcpy(m->vm, read.vm, sizeof m->vm);
    m->vm_by = read.vm_by;
    memcpy(m->suspended, read.suspended, sizeof m->suspended);
    m->file = read.file;
}

static bool read_devices(struct reader *r, int array) {
    if (array >= 0 && json_type(r->j, array) != JSON_ARRAY)
        return refuse(r, "'devices' is no array");
    for (int t = json_first(r->j, array); array >= 0 && t >= 0; t = json_next(r->j, t))
        read_device(r, t);
    return true;
}

static void select_vm(struct remembered *m, const char *vm) {
    VH_ASSERT(str_copy(m->vm, sizeof m->vm, vm)); /* same bound */
    m->vm_by = vm[0] != '\0' ? ROLE_OPERATOR : ROLE_NONE;
}

/* Merges one entry of selected_vms into the records with its id. If one of several equal devices has this VM, the
 * others keep theirs. */
static void merge_selection(struct reader *r, const struct id *id, const char *vm, bool said[VH_MAX_REMEMBERED]) {
    bool known = false, agrees = false;
    for (int i = 0; i < VH_MAX_REMEMBERED; i++) {
        const struct remembered *m = &r->ms->m[i];
        if (!has_id(m, id->vid, id->pid, id->serial))
            continue;
        known = said[i] = true;
        agrees = agrees || str_eq(m->vm, vm);
    }
    for (int i = 0; known && !agrees && i < VH_MAX_REMEMBERED; i++) {
        if (has_id(&r->ms->m[i], id->vid, id->pid, id->serial))
            select_vm(&r->ms->m[i], vm);
    }
    struct remembered *m = known ? NULL : add(r, id, false);
    if (m == NULL)
        return;
    said[m - r->ms->m] = true;
    select_vm(m, vm);
}

static bool read_selections(struct reader *r, int object) {
    bool said[VH_MAX_REMEMBERED] = {false};
    if (object >= 0 && json_type(r->j, object) != JSON_OBJECT)
        return refuse(r, "'selected_vms' is no object");
    if (object < 0)
        return true; /* absent: nothing changes */
    for (int key = json_first(r->j, object); key >= 0; key = json_next(r->j, key)) {
        struct id id;
        char vm[VH_NAME_MAX];
        if (parse_id(r->j, key, &id) && json_string(r->j, json_value(r->j, key), vm, sizeof vm) && vm[0] != '\0')
            merge_selection(r, &id, vm, said);
        else
            (*r->dropped)++;
    }
    for (int i = 0; i < VH_MAX_REMEMBERED; i++) {
        if (!said[i])
            select_vm(&r->ms->m[i], ""); /* taken back by another daemon */
    }
    return true;
}

static void merge_decision(struct reader *r, const struct id *id, bool said[VH_MAX_REMEMBERED]) {
    bool known = false, decided = false;
    for (int i = 0; i < VH_MAX_REMEMBERED; i++) {
        const struct remembered *m = &r->ms->m[i];
        if (!has_id(m, id->vid, id->pid, id->serial))
            continue;
        known = said[i] = true;
        decided = decided || m->file.by != ROLE_NONE;
    }
    for (int i = 0; known && !decided && i < VH_MAX_REMEMBERED; i++) {
        if (has_id(&r->ms->m[i], id->vid, id->pid, id->serial))
            r->ms->m[i].file.by = ROLE_OPERATOR;
    }
    struct remembered *m = known ? NULL : add(r, id, true);
    if (m == NULL)
        return;
    said[m - r->ms->m] = true;
    m->file.by = ROLE_OPERATOR;
}

static bool read_decisions(struct reader *r, int array) {
    bool said[VH_MAX_REMEMBERED] = {false};
    if (array >= 0 && json_type(r->j, array) != JSON_ARRAY)
        return refuse(r, "'disconnected_devices' is no array");
    if (array < 0)
        return true;
    for (int t = json_first(r->j, array); t >= 0; t = json_next(r->j, t)) {
        struct id id;
        if (parse_id(r->j, t, &id))
            merge_decision(r, &id, said);
        else
            (*r->dropped)++;
    }
    for (int i = 0; i < VH_MAX_REMEMBERED; i++) {
        if (!said[i])
            r->ms->m[i].file.by = ROLE_NONE; /* lifted by another daemon */
    }
    return true;
}

static bool read_tags(struct reader *r, int object) {
    int n = 0;
    if (object >= 0 && json_type(r->j, object) != JSON_OBJECT)
        return refuse(r, "'disconnected_tags' is no object");
    for (int key = object >= 0 ? json_first(r->j, object) : -1; key >= 0; key = json_next(r->j, key)) {
        if (n == VH_MAX_TAG_DECISIONS ||
            !json_string(r->j, key, r->ms->tag_decision[n].tag, sizeof r->ms->tag_decision[n].tag) ||
            r->ms->tag_decision[n].tag[0] == '\0') {
            (*r->dropped)++;
            continue;
        }
        r->ms->tag_decision[n++].by = parse_role(r->j, json_value(r->j, key));
    }
    return true;
}

static bool is_ours(const struct json *j, int key) {
    static const char names[][21] = {"selected_vms", "disconnected_devices", "devices", "disconnected_tags", "boot_id"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (json_string_is(j, key, names[i]))
            return true;
    }
    return false;
}

/* Keeps unknown members as they are: another program may own them. */
static bool keep_unknown(struct reader *r) {
    struct sbuf sb;
    sb_init(&sb, r->ms->extra, sizeof r->ms->extra);
    for (int key = json_first(r->j, 0); key >= 0; key = json_next(r->j, key)) {
        const jsmntok_t *value = &r->j->tok[json_value(r->j, key)];
        size_t from = json_offset(r->j, key);
        size_t to = (size_t)value->end + (value->type == JSMN_STRING);
        if (is_ours(r->j, key))
            continue;
        if (sb.len > 0)
            sb_str(&sb, ", ");
        sb_mem(&sb, r->j->text + from, to - from);
    }
    r->ms->nextra = (uint32_t)sb.len;
    return sb_ok(&sb) || refuse(r, "the members that are not ours are too long");
}

static void drop_empty(struct remembered_set *ms) {
    for (int i = 0; i < VH_MAX_REMEMBERED; i++) {
        struct remembered *m = &ms->m[i];
        m->used = m->used && !is_empty(m);
        m->now = m->file;
    }
    for (int i = 0; i < VH_MAX_TAG_DECISIONS; i++)
        ms->tag_decision[i].now = ms->tag_decision[i].by;
}

bool state_format_parse(struct remembered_set *ms, const char *text, size_t len, const char *boot, unsigned *dropped,
                        char *why, size_t cap) {
    struct json j;
    struct json_error err;
    struct reader r = {.ms = ms, .j = &j, .dropped = dropped, .why = why, .cap = cap};
    *dropped = 0;
    if (!json_parse(&j, text, len, tokens, VH_STATE_TOKENS, &err)) {
        (void)str_fmt(why, cap, "not JSON: %s at byte %zu", err.why, err.at); /* an explanation may be cut */
        return false;
    }
    if (json_type(&j, 0) != JSON_OBJECT)
        return refuse(&r, "not a JSON object");
    r.same_boot = json_string_is(&j, json_get(&j, 0, "boot_id"), boot);
    if (!read_devices(&r, json_get(&j, 0, "devices")) || !read_selections(&r, json_get(&j, 0, "selected_vms")) ||
        !read_decisions(&r, json_get(&j, 0, "disconnected_devices")) ||
        !read_tags(&r, json_get(&j, 0, "disconnected_tags")) || !keep_unknown(&r))
        return false;
    drop_empty(ms);
    return true;
}

/* ---- writing ---- */

/* The next in order of age after `stamp`; NULL after the last. */
static const struct remembered *next_older(const struct remembered_set *ms, uint64_t stamp) {
    const struct remembered *best = NULL;
    for (int i = 0; i < VH_MAX_REMEMBERED; i++) {
        const struct remembered *m = &ms->m[i];
        if (m->used && !is_empty(m) && m->stamp > stamp && (best == NULL || m->stamp < best->stamp))
            best = m;
    }
    return best;
}

static const struct remembered *oldest(const struct remembered_set *ms) {
    return next_older(ms, 0);
}

static const struct remembered *after(const struct remembered_set *ms, const struct remembered *m) {
    return next_older(ms, m->stamp);
}

/* True if a younger record with the same id has a selection (or a decision): the file has each id once. */
static bool said_later(const struct remembered_set *ms, const struct remembered *m, bool selection) {
    for (int i = 0; i < VH_MAX_REMEMBERED; i++) {
        const struct remembered *o = &ms->m[i];
        if (o->stamp > m->stamp && has_id(o, m->vid, m->pid, m->serial) &&
            (selection ? o->vm[0] != '\0' : o->file.by != ROLE_NONE))
            return true;
    }
    return false;
}

static void separate(struct sbuf *sb, bool *first, const char *indent) {
    sb_str(sb, *first ? "\n" : ",\n");
    sb_str(sb, indent);
    *first = false;
}

static void print_selections(const struct remembered_set *ms, struct sbuf *sb) {
    bool first = true;
    sb_str(sb, "{\n  \"selected_vms\": {");
    for (const struct remembered *m = oldest(ms); m != NULL; m = after(ms, m)) {
        if (m->vm[0] == '\0' || said_later(ms, m, true))
            continue;
        separate(sb, &first, "    ");
        print_id(sb, m);
        sb_str(sb, ": ");
        sb_json(sb, m->vm);
    }
    sb_str(sb, first ? "}" : "\n  }");
}

static void print_decisions(const struct remembered_set *ms, struct sbuf *sb) {
    bool first = true;
    sb_str(sb, ",\n  \"disconnected_devices\": [");
    for (const struct remembered *m = oldest(ms); m != NULL; m = after(ms, m)) {
        if (m->file.by == ROLE_NONE || said_later(ms, m, false))
            continue;
        separate(sb, &first, "    ");
        print_id(sb, m);
    }
    sb_str(sb, first ? "]" : "\n  ]");
}

static void member(struct sbuf *sb, const char *name, const char *value) {
    if (value[0] == '\0')
        return;
    sb_fmt(sb, ", \"%s\": ", name);
    sb_json(sb, value);
}

static void print_device(struct sbuf *sb, const struct remembered *m) {
    sb_str(sb, "{\"id\": ");
    print_id(sb, m);
    if (str_eq(m->serial, NO_SERIAL))
        sb_str(sb, ", \"serial\": true"); /* the device has this serial; it does not lack one */
    member(sb, "port", m->port);
    member(sb, "vm", m->vm);
    member(sb, "selected_by", m->vm_by != ROLE_NONE ? role_name(m->vm_by) : "");
    member(sb, "disconnected_by", m->file.by != ROLE_NONE ? role_name(m->file.by) : "");
    member(sb, "suspended", m->suspended);
    if (m->file.exempt != 0)
        sb_fmt(sb, ", \"exempt\": \"%llu\", \"exempt_by\": \"%s\"", (unsigned long long)m->file.exempt,
               role_name(m->file.exempt_by));
    sb_char(sb, '}');
}

static bool print_devices(const struct remembered_set *ms, struct sbuf *sb) {
    bool first = true, this_boot = false;
    sb_str(sb, ",\n  \"devices\": [");
    for (const struct remembered *m = oldest(ms); m != NULL; m = after(ms, m)) {
        separate(sb, &first, "    ");
        print_device(sb, m);
        this_boot = this_boot || m->suspended[0] != '\0' || m->file.exempt != 0;
    }
    sb_str(sb, first ? "]" : "\n  ]");
    return this_boot;
}

static void print_tags(const struct remembered_set *ms, struct sbuf *sb) {
    bool first = true;
    for (int i = 0; i < VH_MAX_TAG_DECISIONS; i++) {
        if (ms->tag_decision[i].by == ROLE_NONE)
            continue;
        if (first)
            sb_str(sb, ",\n  \"disconnected_tags\": {");
        separate(sb, &first, "    ");
        sb_json(sb, ms->tag_decision[i].tag);
        sb_str(sb, ": ");
        sb_json(sb, role_name(ms->tag_decision[i].by));
    }
    if (!first)
        sb_str(sb, "\n  }");
}

void state_format_print(const struct remembered_set *ms, const char *boot, struct sbuf *sb) {
    print_selections(ms, sb);
    print_decisions(ms, sb);
    if (print_devices(ms, sb)) {
        sb_str(sb, ",\n  \"boot_id\": ");
        sb_json(sb, boot);
    }
    print_tags(ms, sb);
    if (ms->nextra > 0) {
        sb_str(sb, ",\n  ");
        sb_mem(sb, ms->extra, ms->nextra);
    }
    sb_str(sb, "\n}\n");
}
