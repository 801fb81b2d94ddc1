/*
 * state_read.c - the state file's text to what is remembered of devices. Owns what is believed when members disagree.
 *
 * An id that says something else than was written was changed by an older daemon since, and overrides the more precise
 * record of that device; one that says the same, says nothing.
 */
#include "base/log.h"
#include "codec/json.h"
#include "codec/stable_path.h"
#include "codec/state_id.h"
#include "codec/state_internal.h"

#include <string.h>

static jsmntok_t tokens[VH_STATE_TOKENS];

/* A device has nine members in 'devices', two ids with a VM each, and two ids alone. Two bytes make a token at most. */
_Static_assert(VH_STATE_TOKENS >=
                   VH_MAX_REMEMBERED * (1 + 2 * 9 + 2 * 2 + 2) + 2 * VH_MAX_TAG_DECISIONS + 16 + VH_STATE_EXTRA / 2,
               "what is written can be read");

void *state_format_scratch(size_t *size) {
    *size = sizeof tokens;
    return tokens;
}

static bool parse_id(const struct json *j, int t, struct state_id *id) {
    char text[STATE_ID_MAX];
    return json_string(j, t, text, sizeof text) && state_id_parse(text, id);
}

static enum role parse_role(const struct json *j, int t) {
    for (int r = ROLE_OBSERVER; r <= ROLE_ADMIN; r++) {
        if (json_string_is(j, t, role_name((enum role)r)))
            return (enum role)r;
    }
    return ROLE_OPERATOR; /* the author is unknown, but the decision or choice counts */
}

/* ---- reading ---- */

/* What is read of a record beside its content. */
struct note {
    struct state_ids ids;
    bool ours;         /* from 'devices'; else made of an id alone */
    unsigned expected; /* ids under which its record was written */
    unsigned seen;     /* of these, in the member that is read */
    bool decided;      /* an id is new in 'disconnected_devices' */
    int vm;            /* the token of another VM than was written, 0 none */
};

static struct note notes[VH_MAX_REMEMBERED];

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
static struct remembered *add(struct reader *r, const struct state_id *id, bool decision) {
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
    r->ms->unread += m == NULL && decision;
    if (m == NULL)
        return NULL;
    memset(m, 0, sizeof *m);
    m->used = true;
    m->vid = id->vid;
    m->pid = id->pid;
    memcpy(m->serial, id->serial, sizeof m->serial);
    m->stamp = ++r->ms->stamp;
    notes[m - r->ms->m] = (struct note){.ids = state_ids_of(m)};
    return m;
}

static unsigned which_id(const struct reader *r, int i, const struct state_id *id) {
    const struct state_ids *ids = &notes[i].ids;
    bool may_be = ids->own == id->hash || ids->udev == id->hash;
    return may_be ? state_which_id(&r->ms->m[i], id->vid, id->pid, id->serial) : 0;
}

/* ---- what is not understood ---- */

static void keep(struct reader *r, char place, const char *key, const char *text, size_t len) {
    struct remembered_set *ms = r->ms;
    size_t nkey = strlen(key), size = 1 + nkey + len + 1;
    if (size > sizeof ms->kept - ms->nkept) {
        (*r->dropped)++;
        return;
    }
    char *p = ms->kept + ms->nkept;
    *p = place;
    memcpy(p + 1, key, nkey);
    memcpy(p + 1 + nkey, text, len);
    p[size - 1] = '\0';
    ms->nkept += (uint32_t)size;
}

/* From the beginning of one token to the end of the same or a later one. */
static void keep_tokens(struct reader *r, char place, int from, int to) {
    const jsmntok_t *last = &r->j->tok[to];
    size_t at = json_offset(r->j, from);
    keep(r, place, "", r->j->text + at, (size_t)last->end + (last->type == JSMN_STRING) - at);
}

/* An optional member; false if it is present but is no text that fits. */
static bool optional(const struct json *j, int object, const char *key, char *dst, size_t cap) {
    int t = json_get(j, object, key);
    dst[0] = '\0';
    return t < 0 || json_type(j, t) == JSON_NULL || json_string(j, t, dst, cap);
}

/* Text of another kind may be too long once it is escaped. */
static bool read_port(const struct json *j, int object, char port[VH_STABLE_PATH_MAX]) {
    if (!optional(j, object, "connector", port, VH_STABLE_PATH_MAX))
        return false;
    if (port[0] != '\0')
        return stable_path_valid(port);
    return optional(j, object, "port", port, VH_SYSNAME_MAX) && strchr(port, '/') == NULL;
}

/* The incarnation of a plug. Bus and device number ("1-5", as it once was) name no plug: numbers come again. */
static void parse_exempt(const char *s, enum role by, struct remembered *m) {
    uint64_t incarnation = 0;
    if (str_uint(s, strlen(s), UINT64_MAX, &incarnation) && incarnation != 0) {
        m->file.exempt = incarnation;
        m->file.exempt_by = by;
    }
}

static void read_device(struct reader *r, int object) {
    struct remembered read = {.used = true};
    struct state_id id;
    char exempt[24];
    bool literal = false;
    int by = json_get(r->j, object, "disconnected_by"), vm_by = json_get(r->j, object, "selected_by");
    if (json_type(r->j, object) != JSON_OBJECT || !parse_id(r->j, json_get(r->j, object, "id"), &id) ||
        !read_port(r->j, object, read.port) || !optional(r->j, object, "vm", read.vm, sizeof read.vm) ||
        !optional(r->j, object, "suspended", read.suspended, sizeof read.suspended) ||
        !optional(r->j, object, "exempt", exempt, sizeof exempt)) {
        keep_tokens(r, IN_DEVICES, object, object);
        return;
    }
    if (json_bool(r->j, json_get(r->j, object, "serial"), &literal) && literal && id.serial[0] == '\0')
        memcpy(id.serial, STATE_ID_NO_SERIAL, sizeof STATE_ID_NO_SERIAL);
    read.file.by = by >= 0 ? parse_role(r->j, by) : ROLE_NONE;
    read.vm_by = read.vm[0] != '\0' ? parse_role(r->j, vm_by) : ROLE_NONE;
    parse_exempt(exempt, parse_role(r->j, json_get(r->j, object, "exempt_by")), &read);
    if (!r->same_boot) {
        read.suspended[0] = '\0';
        read.file.exempt = 0;
        read.file.exempt_by = ROLE_NONE;
    }
    struct remembered *m = state_is_empty(&read) ? NULL : add(r, &id, read.file.by != ROLE_NONE);
    if (m == NULL)
        return;
    memcpy(m->port, read.port, sizeof m->port);
    memcpy(m->vm, read.vm, sizeof m->vm);
    m->vm_by = read.vm_by;
    memcpy(m->suspended, read.suspended, sizeof m->suspended);
    m->file = read.file;
    struct note *n = &notes[m - r->ms->m];
    n->ours = true;
    n->expected = id.old ? STATE_ID_OWN : STATE_ID_OWN | STATE_ID_UDEV;
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

static void begin_member(void) {
    for (int i = 0; i < VH_MAX_REMEMBERED; i++)
        notes[i].seen = 0;
}

/* Is one of the ids missing under which the record was written? */
static bool is_missing(const struct note *n) {
    return (n->expected & ~n->seen) != 0;
}

/* The VM that was written under this id: that of the youngest record. */
static const char *written_vm(const struct reader *r, const struct state_id *id) {
    const struct remembered *youngest = NULL;
    for (int i = 0; i < VH_MAX_REMEMBERED; i++) {
        const struct remembered *m = &r->ms->m[i];
        if (notes[i].ours && m->vm[0] != '\0' && (youngest == NULL || m->stamp > youngest->stamp) &&
            (which_id(r, i, id) & notes[i].expected) != 0)
            youngest = m;
    }
    return youngest != NULL ? youngest->vm : "";
}

/* Is the entry with this id about record i? Then the id was seen for it. An id that is the same only for udev may also
 * be that of another device: then a record made of an id stays as it is. */
static bool is_about(const struct reader *r, int i, const struct state_id *id) {
    unsigned which = which_id(r, i, id);
    if (which == 0 || (!notes[i].ours && (which & STATE_ID_OWN) == 0))
        return false;
    notes[i].seen |= which;
    return true;
}

/* One entry of selected_vms. */
static void merge_selection(struct reader *r, const struct state_id *id, const char *vm, int value) {
    bool known = false, same = str_eq(written_vm(r, id), vm);
    for (int i = 0; i < VH_MAX_REMEMBERED; i++) {
        struct remembered *m = &r->ms->m[i];
        if (!is_about(r, i, id))
            continue;
        known = true;
        if (!notes[i].ours)
            select_vm(m, vm);
        else if (!same)
            notes[i].vm = value;
    }
    struct remembered *m = known ? NULL : add(r, id, false);
    if (m != NULL)
        select_vm(m, vm);
}

/* A selection that an older daemon made since, or took back. */
static void settle_selection(struct reader *r, struct remembered *m, const struct note *n) {
    char vm[VH_NAME_MAX];
    if (!n->ours || (n->vm == 0 && !is_missing(n)))
        return;
    VH_ASSERT(n->vm == 0 || json_string(r->j, n->vm, vm, sizeof vm)); /* it was read before */
    select_vm(m, n->vm != 0 ? vm : "");
}

/* Is there a newer entry about the device of an old id? It is from a later daemon, which does not know the old one. */
static bool is_outdated(const struct reader *r, int object, const struct state_id *id) {
    char text[STATE_ID_MAX];
    return id->old && state_id_print(text, id->vid, id->pid, id->serial) && json_get(r->j, object, text) >= 0;
}

/* An entry about a device that is not understood is written after all others, unless one has the same id by then. */
static void keep_selection(struct reader *r, int key, bool is_id, const struct state_id *id) {
    char text[STATE_ID_MAX], member[6 * STATE_ID_MAX];
    struct sbuf sb;
    if (!is_id || id->old || !state_id_print(text, id->vid, id->pid, id->serial)) {
        keep_tokens(r, IN_SELECTIONS, key, json_value(r->j, key));
        return;
    }
    const jsmntok_t *value = &r->j->tok[json_value(r->j, key)];
    size_t from = json_offset(r->j, json_value(r->j, key));
    sb_init(&sb, member, sizeof member);
    sb_json(&sb, text);
    sb_str(&sb, ": ");
    VH_ASSERT(sb_ok(&sb));
    for (const char *p = state_next_kept(r->ms, IN_SELECTIONS, NULL); p != NULL;
         p = state_next_kept(r->ms, IN_SELECTIONS, p)) {
        if (str_starts(p, member)) { /* the same id in other letters */
            (*r->dropped)++;
            return;
        }
    }
    keep(r, IN_SELECTIONS, member, r->j->text + from, (size_t)value->end + (value->type == JSMN_STRING) - from);
}

static bool read_selections(struct reader *r, int object) {
    if (object >= 0 && json_type(r->j, object) != JSON_OBJECT)
        return refuse(r, "'selected_vms' is no object");
    if (object < 0)
        return true; /* absent: nothing changes */
    begin_member();
    for (int key = json_first(r->j, object); key >= 0; key = json_next(r->j, key)) {
        struct state_id id = {.old = true};
        char vm[VH_NAME_MAX];
        bool is_id = parse_id(r->j, key, &id);
        if (!is_id || !json_string(r->j, json_value(r->j, key), vm, sizeof vm) || vm[0] == '\0')
            keep_selection(r, key, is_id, &id);
        else if (!is_outdated(r, object, &id))
            merge_selection(r, &id, vm, json_value(r->j, key));
    }
    for (int i = 0; i < VH_MAX_REMEMBERED; i++)
        settle_selection(r, &r->ms->m[i], &notes[i]);
    return true;
}

static bool was_decided(const struct reader *r, const struct state_id *id) {
    for (int i = 0; i < VH_MAX_REMEMBERED; i++) {
        const struct remembered *m = &r->ms->m[i];
        if (notes[i].ours && m->file.by != ROLE_NONE && (which_id(r, i, id) & notes[i].expected) != 0)
            return true;
    }
    return false;
}

static void merge_decision(struct reader *r, const struct state_id *id) {
    bool known = false, same = was_decided(r, id);
    for (int i = 0; i < VH_MAX_REMEMBERED; i++) {
        struct remembered *m = &r->ms->m[i];
        if (!is_about(r, i, id))
            continue;
        known = true;
        notes[i].decided = notes[i].decided || !same;
        if (!notes[i].ours)
            m->file.by = ROLE_OPERATOR;
    }
    struct remembered *m = known ? NULL : add(r, id, true);
    if (m != NULL)
        m->file.by = ROLE_OPERATOR;
}

/* A decision that an older daemon made since, or lifted. */
static void settle_decision(struct remembered *m, const struct note *n) {
    if (!n->ours)
        return;
    if (n->decided && m->file.by == ROLE_NONE)
        m->file.by = ROLE_OPERATOR;
    else if (!n->decided && is_missing(n))
        m->file.by = ROLE_NONE;
}

static bool read_decisions(struct reader *r, int array) {
    if (array >= 0 && json_type(r->j, array) != JSON_ARRAY)
        return refuse(r, "'disconnected_devices' is no array");
    if (array < 0)
        return true;
    begin_member();
    for (int t = json_first(r->j, array); t >= 0; t = json_next(r->j, t)) {
        struct state_id id;
        if (parse_id(r->j, t, &id))
            merge_decision(r, &id);
        else
            keep_tokens(r, IN_DECISIONS, t, t);
    }
    for (int i = 0; i < VH_MAX_REMEMBERED; i++)
        settle_decision(&r->ms->m[i], &notes[i]);
    return true;
}

/* *n: decisions about tags so far. */
static bool read_tags(struct reader *r, enum device_kind kind, int *n) {
    int object = json_get(r->j, 0, state_tags_member(kind));
    if (object >= 0 && json_type(r->j, object) != JSON_OBJECT)
        return refuse(r,
                      kind == KIND_PCI ? "'disconnected_pci_tags' is no object" : "'disconnected_tags' is no object");
    for (int key = object >= 0 ? json_first(r->j, object) : -1; key >= 0; key = json_next(r->j, key)) {
        char tag[VH_NAME_MAX];
        if (!json_string(r->j, key, tag, sizeof tag) || tag[0] == '\0') {
            keep_tokens(r, state_tags_place(kind), key, json_value(r->j, key));
        } else if (*n == VH_MAX_TAG_DECISIONS) {
            (*r->dropped)++;
            r->ms->unread++;
        } else {
            struct tag_decision *l = &r->ms->tag_decision[(*n)++];
            memcpy(l->tag, tag, sizeof tag);
            l->by = parse_role(r->j, json_value(r->j, key));
            l->kind = kind;
        }
    }
    return true;
}

/* What was lost is lost, although the text that says why is none. */
static void read_corrupt(struct reader *r, int t) {
    char *dst = r->ms->corrupt;
    if (t >= 0 && (!json_string(r->j, t, dst, sizeof r->ms->corrupt) || dst[0] == '\0'))
        (void)str_copy(dst, sizeof r->ms->corrupt, "for a reason that cannot be read"); /* it fits */
}

static bool is_ours(const struct json *j, int key) {
    static const char names[][22] = {
        "selected_vms", "disconnected_devices", "devices", "disconnected_tags", "disconnected_pci_tags", "boot_id",
        "corrupt"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (json_string_is(j, key, names[i]))
            return true;
    }
    return false;
}

/* Other members may belong to another program. */
static void keep_unknown(struct reader *r) {
    for (int key = json_first(r->j, 0); key >= 0; key = json_next(r->j, key)) {
        if (!is_ours(r->j, key))
            keep_tokens(r, IN_FILE, key, json_value(r->j, key));
    }
}

static void drop_empty(struct remembered_set *ms) {
    for (int i = 0; i < VH_MAX_REMEMBERED; i++) {
        struct remembered *m = &ms->m[i];
        m->used = m->used && !state_is_empty(m);
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
    int ntags = 0;
    *dropped = 0;
    memset(notes, 0, sizeof notes);
    if (!json_parse(&j, text, len, tokens, VH_STATE_TOKENS, &err)) {
        (void)str_fmt(why, cap, "not JSON: %s at byte %zu", err.why, err.at); /* an explanation may be cut */
        return false;
    }
    if (json_type(&j, 0) != JSON_OBJECT)
        return refuse(&r, "not a JSON object");
    r.same_boot = json_string_is(&j, json_get(&j, 0, "boot_id"), boot);
    if (!read_devices(&r, json_get(&j, 0, "devices")) || !read_selections(&r, json_get(&j, 0, "selected_vms")) ||
        !read_decisions(&r, json_get(&j, 0, "disconnected_devices")) || !read_tags(&r, KIND_USB, &ntags) ||
        !read_tags(&r, KIND_PCI, &ntags))
        return false;
    read_corrupt(&r, json_get(&j, 0, "corrupt"));
    keep_unknown(&r);
    drop_empty(ms);
    return true;
}
