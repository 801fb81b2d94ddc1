/*
 * conf_read.c - values out of the configuration's JSON, type and range checked. Reports what is wrong with one value;
 * knows no key.
 */
#include "config/conf_read.h"

#include "base/log.h"
#include "base/str.h"

#include <string.h>

/* The line of a token. Tokens are asked for in nearly ascending order, so counting on from the last place keeps the
 * whole file's cost linear. */
uint32_t rd_line(struct reader *r, int tok) {
    size_t at = json_offset(&r->j, tok);
    for (; r->line_at < at; r->line_at++)
        r->line += r->j.text[r->line_at] == '\n';
    for (; r->line_at > at; r->line_at--)
        r->line -= r->j.text[r->line_at - 1] == '\n';
    return r->line;
}

/* ---- objects ---- */

static bool is_idle(const struct json *j, int t) {
    bool b;
    if (json_type(j, t) == JSON_BOOL)
        return json_bool(j, t, &b) && !b;
    if (json_type(j, t) == JSON_ARRAY || json_type(j, t) == JSON_OBJECT) {
        if (json_size(j, t) == 0)
            return true;
        if (json_type(j, t) == JSON_OBJECT) {
            int disable = json_get(j, t, "disable"), enable = json_get(j, t, "enable");
            return (json_bool(j, disable, &b) && b) || (disable < 0 && json_bool(j, enable, &b) && !b);
        }
    }
    return false;
}

/* Reports a key that is not read: an unknown one, or one of the schema that this version does not read. */
static void foreign_key(struct reader *r, enum conf_object o, int key, int value) {
    uint32_t bit = 0;
    char name[64], hint[96];
    bool may_be_error = o == OBJ_ROOT || keys_decide(o);
    const char *what = keys_later_only(&r->j, o, key, &bit);
    report_quote(&r->j, key, name, sizeof name);
    if (what) {
        if (is_idle(&r->j, value) || (r->said_later_only[o] & bit))
            return;
        r->said_later_only[o] |= bit;
        /* Programs and firmware of the older daemons cost nobody a device, and generators write them always. */
        report_say(&r->report, o == OBJ_GENERAL ? DIAG_NOTE : DIAG_WARNING, key,
                   "'%s' is accepted but not acted on: %s", name, what);
        return;
    }
    if (!report_has_room(&r->report, DIAG_WARNING) && (!may_be_error || !report_has_room(&r->report, DIAG_ERROR))) {
        r->report.count[DIAG_WARNING]++; /* a hint costs time: none for what is not shown */
        return;
    }
    bool error = keys_hint(o, name, hint, sizeof hint);
    r->misspelt = r->misspelt || error;
    report_say(&r->report, error ? DIAG_ERROR : DIAG_WARNING, key, "unknown key '%s'%s", name, hint);
}

bool rd_object(struct reader *r, int tok, enum conf_object o, int *v) {
    for (int i = 0; i < CONF_KEYS_MAX; i++)
        v[i] = -1;
    r->misspelt = false;
    if (json_type(&r->j, tok) != JSON_OBJECT) {
        rd_expected(r, tok, "an object");
        return false;
    }
    for (int key = json_first(&r->j, tok); key >= 0; key = json_next(&r->j, key)) {
        int value = json_value(&r->j, key);
        int i = keys_find(&r->j, o, key);
        r->foreign = r->foreign || keys_later_only(&r->j, o, key, &(uint32_t){0}) != NULL;
        if (json_type(&r->j, value) == JSON_NULL && (i >= 0 || keys_later_only(&r->j, o, key, &(uint32_t){0})))
            continue; /* configuration generators write null for "not set" */
        if (i < 0) {
            foreign_key(r, o, key, value);
            continue;
        }
        VH_ASSERT(i < CONF_KEYS_MAX);
        v[i] = value;
    }
    return true;
}

bool rd_array(struct reader *r, int tok, const char *what) {
    if (json_type(&r->j, tok) == JSON_ARRAY)
        return true;
    rd_expected(r, tok, what);
    return false;
}

/* ---- values ---- */

bool rd_bool(struct reader *r, int tok, bool *out) {
    if (tok < 0 || json_bool(&r->j, tok, out))
        return true;
    rd_expected(r, tok, "true or false");
    return false;
}

bool rd_uint(struct reader *r, int tok, uint64_t min, uint64_t max, const char *what, uint64_t *out) {
    int64_t n;
    uint64_t u;
    VH_ASSERT(max <= INT64_MAX);
    if (tok < 0)
        return true;
    if (json_type(&r->j, tok) == JSON_NUMBER && json_int(&r->j, tok, (int64_t)min, (int64_t)max, &n)) {
        *out = (uint64_t)n;
        return true;
    }
    if (json_type(&r->j, tok) == JSON_STRING &&
        str_uint(r->j.text + r->j.tok[tok].start, (size_t)(r->j.tok[tok].end - r->j.tok[tok].start), max, &u) &&
        u >= min) {
        *out = u;
        return true;
    }
    rd_expected(r, tok, what);
    return false;
}

/* The room suffices, so U+0000 is the only possible fault of the string. */
static bool unescape(struct reader *r, int tok, char *dst, size_t cap) {
    if (json_string(&r->j, tok, dst, cap))
        return true;
    rd_error(r, tok, "U+0000 cannot be part of a value");
    return false;
}

const char *rd_keep(struct reader *r, int tok) {
    size_t raw = (size_t)(r->j.tok[tok].end - r->j.tok[tok].start);
    size_t room = sizeof r->c->strings - r->c->nstrings;
    char *dst = r->c->strings + r->c->nstrings;
    if (json_type(&r->j, tok) != JSON_STRING) {
        rd_expected(r, tok, "a string");
        return NULL;
    }
    if (raw == 0)
        return "";
    if (raw + 1 > room) {
        rd_error(r, tok, "no room for this string: all strings together may have %d bytes (VH_CONF_STRINGS)",
                 VH_CONF_STRINGS);
        return NULL;
    }
    if (!unescape(r, tok, dst, room))
        return NULL;
    r->c->nstrings += (uint32_t)(strlen(dst) + 1);
    return dst;
}

bool rd_copy(struct reader *r, int tok, char *dst, size_t cap, const char *what) {
    uint32_t mark = r->c->nstrings;
    if (tok < 0)
        return true;
    if (json_type(&r->j, tok) != JSON_STRING) {
        rd_expected(r, tok, what);
        return false;
    }
    const char *s = rd_keep(r, tok);
    r->c->nstrings = mark; /* the text is needed during this call only */
    if (!s)
        return false;
    if (*s == '\0') {
        rd_expected(r, tok, what);
        return false;
    }
    for (size_t at = 0, n = 0, len = strlen(s); at < len; at += n) {
        uint32_t c = 0;
        n = utf8_len(s + at, len - at, &c);
        VH_ASSERT(n > 0); /* json.c accepts valid UTF-8 only */
        if (utf8_steers(c)) {
            rd_error(r, tok, "control characters cannot be part of this value");
            return false;
        }
    }
    if (!str_copy(dst, cap, s)) {
        rd_error(r, tok, "%zu bytes are too many here: at most %zu", strlen(s), cap - 1);
        dst[0] = '\0';
        return false;
    }
    return true;
}

bool rd_path(struct reader *r, int tok, char *dst, size_t cap) {
    if (!rd_copy(r, tok, dst, cap, "an absolute path"))
        return false;
    if (tok >= 0 && dst[0] != '/') {
        rd_expected(r, tok, "an absolute path");
        return false;
    }
    return true;
}

bool rd_choice(struct reader *r, int tok, const char *const *names, int n, const char *what, int *out) {
    if (tok < 0)
        return true;
    for (int i = 0; i < n; i++) {
        if (json_string_is(&r->j, tok, names[i])) {
            *out = i;
            return true;
        }
    }
    rd_expected(r, tok, what);
    return false;
}

bool rd_enabled(struct reader *r, int enable, int disable) {
    bool on = true, off = false;
    bool sound_on = rd_bool(r, enable, &on), sound_off = rd_bool(r, disable, &off); /* both, to report both */
    if (sound_on && sound_off && enable >= 0 && disable >= 0 && on == off)
        rd_warn(r, disable, "'enable' and 'disable' contradict each other: 'disable' decides");
    return disable >= 0 ? !off : on;
}

/* ---- what rules of every kind have ---- */

const char *rd_raw(const struct reader *r, int tok, size_t *n) {
    *n = (size_t)(r->j.tok[tok].end - r->j.tok[tok].start);
    return r->j.text + r->j.tok[tok].start;
}

const char *rd_raw_hex(const struct reader *r, int tok, size_t *n) {
    const char *s = rd_raw(r, tok, n);
    if (*n > 2 && s[0] == '0' && (s[1] == 'x' || s[1] == 'X')) {
        *n -= 2;
        return s + 2;
    }
    return s;
}

bool rd_id(struct reader *r, int tok, uint16_t *out) {
    size_t n = 0;
    uint32_t id = 0;
    if (json_type(&r->j, tok) == JSON_STRING) {
        const char *s = rd_raw_hex(r, tok, &n);
        if (n == 4 && str_hex(s, n, &id)) {
            *out = (uint16_t)id;
            return true;
        }
        if (n >= 1 && n < 4 && str_hex(s, n, &id)) {
            rd_error(r, tok, "expected 4 hex digits: write \"%04x\"", (unsigned)id);
            return false;
        }
    }
    rd_expected(r, tok, "a string of 4 hex digits such as \"046d\"");
    return false;
}

bool rd_empty(const struct reader *r, int tok) {
    return tok < 0 || (json_type(&r->j, tok) == JSON_STRING && json_string_is(&r->j, tok, "")) ||
           (json_type(&r->j, tok) == JSON_ARRAY && json_size(&r->j, tok) == 0);
}

const char *rd_description(struct reader *r, int tok) {
    if (tok < 0)
        return "";
    const char *s = rd_keep(r, tok);
    return s ? s : "";
}

void rd_tag(struct reader *r, int tok, const char **out) {
    char tag[VH_NAME_MAX];
    if (tok < 0 || json_string_is(&r->j, tok, "") || !rd_copy(r, tok, tag, sizeof tag, "a tag"))
        return;
    const char *kept = rd_keep(r, tok);
    if (kept)
        *out = kept;
}

bool rd_vm(struct reader *r, int tok, int *out) {
    char name[VH_NAME_MAX] = "", hint[VH_NAME_MAX + 24] = "";
    int best = 2, near = -1;
    if (!rd_copy(r, tok, name, sizeof name, "the name of a VM"))
        return false;
    *out = conf_vm(r->c, name);
    if (*out >= 0)
        return true;
    if (r->vms_unread)
        return false;
    for (int i = 0; i < r->c->nvms && best >= 0 && report_has_room(&r->report, DIAG_WARNING); i++) {
        int d = str_distance(name, r->c->vms[i].name, best);
        if (d <= best) {
            near = i;
            best = d - 1;
        }
    }
    if (near >= 0)
        VH_ASSERT(str_fmt(hint, sizeof hint, ": did you mean '%s'?", r->c->vms[near].name));
    rd_warn(r, tok, "there is no VM '%s' in 'vms'%s", name, hint);
    return false;
}

_Static_assert(VH_MAX_VMS <= INT8_MAX, "the index of a VM fits");
void rd_target(struct reader *r, int object, int tok, const char *nowhere, bool *enabled, int8_t *vm) {
    int v = -1;
    if (rd_empty(r, tok)) {
        rd_warn(r, object, "'targetVm' names no VM: the rule never applies");
        *enabled = false;
    } else if (rd_vm(r, tok, &v)) {
        *vm = (int8_t)v;
    } else if (nowhere != NULL && r->report.count[DIAG_ERROR] == 0) {
        rd_warn(r, tok, "%s", nowhere);
    }
}

/* The offset in the raw token, opening quote included, of byte `at` of the unescaped text. */
static size_t raw_offset(const char *s, size_t n, size_t at) {
    size_t i = 0, done = 0;
    while (i < n && done < at) {
        size_t step = 1, bytes = 1;
        if (s[i] == '\\' && i + 1 < n)
            step = 2;
        if (s[i] == '\\' && i + 5 < n && s[i + 1] == 'u') {
            uint32_t unit = 0;
            (void)str_hex(s + i + 2, 4, &unit); /* validated JSON */
            bool pair = unit >= 0xd800 && unit < 0xdc00;
            step = pair ? 12 : 6;
            bytes = pair ? 4 : unit < 0x80 ? 1 : unit < 0x800 ? 2 : 3;
        }
        i += step;
        done += bytes;
    }
    return 1 + (i < n ? i : n);
}

bool rd_pattern(struct reader *r, int tok, struct regex *out) {
    struct regex_error err = {0};
    uint32_t mark = r->c->nstrings;
    size_t n = 0;
    const char *text = rd_raw(r, tok, &n);
    const char *pattern = rd_keep(r, tok);
    r->c->nstrings = mark; /* only the compiled form is kept */
    if (!pattern)
        return false;
    if (*pattern == '\0') {
        rd_expected(r, tok, "a regular expression (an empty one would match everything)");
        return false;
    }
    if (strlen(pattern) > VH_REGEX_PATTERN_MAX) {
        rd_error(r, tok, "a regular expression of %zu bytes: at most %d (VH_REGEX_PATTERN_MAX)", strlen(pattern),
                 VH_REGEX_PATTERN_MAX);
        return false;
    }
    if (!regex_compile(&r->c->regexes, out, pattern, strlen(pattern), &err)) {
        report_say_within(&r->report, DIAG_ERROR, tok, raw_offset(text, n, err.at), "regular expression: %s", err.why);
        return false;
    }
    return true;
}
