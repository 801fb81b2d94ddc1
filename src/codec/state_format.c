/*
 * state_format.c - what is remembered of devices as JSON. Owns the form of the state file; never opens it, and decides
 * nothing about a device that is present.
 *
 * The older daemons know two members, by ids of devices. A device is written there under each of its ids (state_id.h).
 */
#include "base/log.h"
#include "codec/state_id.h"
#include "codec/state_internal.h"

#include <string.h>

/* ---- ids ---- */

/* An id with the serial "None" looks like one without a serial. */
static const char *as_in_id(const char *serial) {
    return str_eq(serial, STATE_ID_NO_SERIAL) ? "" : serial;
}

unsigned state_which_id(const struct remembered *m, uint16_t vid, uint16_t pid, const char *serial) {
    if (!m->used || m->vid != vid || m->pid != pid)
        return 0;
    return (str_eq(as_in_id(m->serial), as_in_id(serial)) ? STATE_ID_OWN : 0U) |
           (state_id_is_udev(as_in_id(m->serial), as_in_id(serial)) ? STATE_ID_UDEV : 0U);
}

struct state_ids state_ids_of(const struct remembered *m) {
    char udev[VH_STRING_MAX];
    state_id_udev(as_in_id(m->serial), udev);
    return (struct state_ids){.own = state_id_hash(m->vid, m->pid, as_in_id(m->serial)),
                              .udev = state_id_hash(m->vid, m->pid, udev)};
}

static void print_id(struct sbuf *sb, const struct remembered *m, const char *serial) {
    char text[STATE_ID_MAX];
    bool ok = state_id_print(text, m->vid, m->pid, serial);
    VH_ASSERT(ok);
    sb_json(sb, text);
}

bool state_is_empty(const struct remembered *m) {
    return m->vm[0] == '\0' && m->suspended[0] == '\0' && m->file.by == ROLE_NONE && m->file.exempt == 0;
}

/* ---- what is not understood ---- */

const char *state_next_kept(const struct remembered_set *ms, char place, const char *p) {
    const char *end = ms->kept + ms->nkept;
    for (p = p != NULL ? p + strlen(p) + 1 : ms->kept; p < end; p += strlen(p) + 1) {
        if (*p == place)
            return p + 1;
    }
    return NULL;
}

unsigned state_format_kept(const struct remembered_set *ms) {
    static const char places[] = {IN_DEVICES, IN_SELECTIONS, IN_DECISIONS, IN_TAGS, IN_PCI_TAGS};
    unsigned n = 0;
    for (size_t i = 0; i < sizeof places; i++) {
        for (const char *p = state_next_kept(ms, places[i], NULL); p != NULL; p = state_next_kept(ms, places[i], p))
            n++;
    }
    return n;
}

/* ---- writing ---- */

static struct state_ids hashes[VH_MAX_REMEMBERED]; /* of what is being printed */

/* The next in order of age after `stamp`; NULL after the last. */
static const struct remembered *next_older(const struct remembered_set *ms, uint64_t stamp) {
    const struct remembered *best = NULL;
    for (int i = 0; i < VH_MAX_REMEMBERED; i++) {
        const struct remembered *m = &ms->m[i];
        if (m->used && !state_is_empty(m) && m->stamp > stamp && (best == NULL || m->stamp < best->stamp))
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

/* True if a younger record with this id has a selection (or a decision): the file has each id once. */
static bool said_later(const struct remembered_set *ms, const struct remembered *m, const char *serial,
                       bool selection) {
    uint32_t hash = state_id_hash(m->vid, m->pid, serial);
    for (int i = 0; i < VH_MAX_REMEMBERED; i++) {
        const struct remembered *o = &ms->m[i];
        if (o->stamp > m->stamp && (hashes[i].own == hash || hashes[i].udev == hash) &&
            (selection ? o->vm[0] != '\0' : o->file.by != ROLE_NONE) && state_which_id(o, m->vid, m->pid, serial) != 0)
            return true;
    }
    return false;
}

static void separate(struct sbuf *sb, bool *first, const char *indent) {
    sb_str(sb, *first ? "\n" : ",\n");
    sb_str(sb, indent);
    *first = false;
}

static void print_kept(const struct remembered_set *ms, char place, struct sbuf *sb, bool *first, const char *indent) {
    for (const char *p = state_next_kept(ms, place, NULL); p != NULL; p = state_next_kept(ms, place, p)) {
        separate(sb, first, indent);
        sb_str(sb, p);
    }
}

/* The ids of a device; the number of them. */
static int ids_of(const struct remembered *m, const char *serials[2], char udev[VH_STRING_MAX]) {
    serials[0] = as_in_id(m->serial);
    serials[1] = udev;
    state_id_udev(serials[0], udev);
    return str_eq(udev, serials[0]) ? 1 : 2;
}

static void print_selection(const struct remembered_set *ms, const struct remembered *m, struct sbuf *sb, bool *first) {
    char udev[VH_STRING_MAX];
    const char *serials[2];
    int n = m->vm[0] != '\0' ? ids_of(m, serials, udev) : 0;
    for (int i = 0; i < n; i++) {
        if (said_later(ms, m, serials[i], true))
            continue;
        separate(sb, first, "    ");
        print_id(sb, m, serials[i]);
        sb_str(sb, ": ");
        sb_json(sb, m->vm);
    }
}

/* Is there a selection under the id that an entry begins with? Then the entry has become outdated. */
static bool is_replaced(const struct remembered_set *ms, const char *entry) {
    char id[6 * STATE_ID_MAX], udev[VH_STRING_MAX];
    const char *serials[2];
    for (int k = 0; k < VH_MAX_REMEMBERED && str_starts(entry, "\"usb-"); k++) {
        const struct remembered *m = &ms->m[k];
        int n = m->used && m->vm[0] != '\0' ? ids_of(m, serials, udev) : 0;
        for (int i = 0; i < n; i++) {
            struct sbuf sb;
            sb_init(&sb, id, sizeof id);
            print_id(&sb, m, serials[i]);
            sb_str(&sb, ": ");
            if (str_starts(entry, id))
                return true;
        }
    }
    return false;
}

static void print_selections(const struct remembered_set *ms, struct sbuf *sb) {
    bool first = true;
    sb_str(sb, "{\n  \"selected_vms\": {");
    for (const struct remembered *m = oldest(ms); m != NULL; m = after(ms, m))
        print_selection(ms, m, sb, &first);
    for (const char *p = state_next_kept(ms, IN_SELECTIONS, NULL); p != NULL;
         p = state_next_kept(ms, IN_SELECTIONS, p)) {
        if (is_replaced(ms, p))
            continue;
        separate(sb, &first, "    ");
        sb_str(sb, p);
    }
    sb_str(sb, first ? "}" : "\n  }");
}

static void print_decision(const struct remembered_set *ms, const struct remembered *m, struct sbuf *sb, bool *first) {
    char udev[VH_STRING_MAX];
    const char *serials[2];
    int n = m->file.by != ROLE_NONE ? ids_of(m, serials, udev) : 0;
    for (int i = 0; i < n; i++) {
        if (said_later(ms, m, serials[i], false))
            continue;
        separate(sb, first, "    ");
        print_id(sb, m, serials[i]);
    }
}

static void print_decisions(const struct remembered_set *ms, struct sbuf *sb) {
    bool first = true;
    sb_str(sb, ",\n  \"disconnected_devices\": [");
    for (const struct remembered *m = oldest(ms); m != NULL; m = after(ms, m))
        print_decision(ms, m, sb, &first);
    print_kept(ms, IN_DECISIONS, sb, &first, "    ");
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
    print_id(sb, m, m->serial);
    if (str_eq(m->serial, STATE_ID_NO_SERIAL))
        sb_str(sb, ", \"serial\": true"); /* the device has this serial; it does not lack one */
    /* A stable path is no "port": a version that does not know it takes the entry for any port, and keeps no less. */
    member(sb, strchr(m->port, '/') != NULL ? "connector" : "port", m->port);
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
    print_kept(ms, IN_DEVICES, sb, &first, "    ");
    sb_str(sb, first ? "]" : "\n  ]");
    return this_boot;
}

static bool has_tags(const struct remembered_set *ms, enum device_kind kind) {
    bool any = state_next_kept(ms, state_tags_place(kind), NULL) != NULL;
    for (int i = 0; i < VH_MAX_TAG_DECISIONS; i++)
        any = any || (ms->tag_decision[i].by != ROLE_NONE && ms->tag_decision[i].kind == kind);
    return any;
}

static void print_tags(const struct remembered_set *ms, enum device_kind kind, struct sbuf *sb) {
    bool first = true;
    if (!has_tags(ms, kind))
        return;
    sb_fmt(sb, ",\n  \"%s\": {", state_tags_member(kind));
    for (int i = 0; i < VH_MAX_TAG_DECISIONS; i++) {
        if (ms->tag_decision[i].by == ROLE_NONE || ms->tag_decision[i].kind != kind)
            continue;
        separate(sb, &first, "    ");
        sb_json(sb, ms->tag_decision[i].tag);
        sb_str(sb, ": ");
        sb_json(sb, role_name(ms->tag_decision[i].by));
    }
    print_kept(ms, state_tags_place(kind), sb, &first, "    ");
    sb_str(sb, "\n  }");
}

void state_format_print(const struct remembered_set *ms, const char *boot, struct sbuf *sb) {
    bool first = false;
    for (int i = 0; i < VH_MAX_REMEMBERED; i++)
        hashes[i] = ms->m[i].used ? state_ids_of(&ms->m[i]) : (struct state_ids){.own = 0};
    print_selections(ms, sb);
    print_decisions(ms, sb);
    if (print_devices(ms, sb)) {
        sb_str(sb, ",\n  \"boot_id\": ");
        sb_json(sb, boot);
    }
    print_tags(ms, KIND_USB, sb);
    print_tags(ms, KIND_PCI, sb);
    if (ms->corrupt[0] != '\0') {
        sb_str(sb, ",\n  \"corrupt\": ");
        sb_json(sb, ms->corrupt);
    }
    print_kept(ms, IN_FILE, sb, &first, "  ");
    sb_str(sb, "\n}\n");
}
