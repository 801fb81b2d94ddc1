/*
 * cli_show.c - the daemon's replies as text. Reads parsed JSON, writes standard output, and decides only the exit
 * status of status --tag. A device's own strings may hold anything: their control characters never reach a terminal.
 */
#include "cli/cli_show.h"

#include "base/limits.h"
#include "base/str.h"

#include <stdio.h>
#include <string.h>

/* ---- values ---- */

void show_text(FILE *to, const char *s) {
    for (size_t i = 0, n = strlen(s); i < n;) {
        uint32_t cp = 0;
        size_t len = utf8_len(s + i, n - i, &cp);
        if (len == 0 || cp < 0x20 || (cp >= 0x7f && cp < 0xa0))
            fputc('?', to);
        else
            fwrite(s + i, 1, len, to);
        i += len != 0 ? len : 1;
    }
}

static void print_text(const char *s) {
    show_text(stdout, s);
}

/* The text of a token: a string without its quotes, anything else as it stands, "" for null and for a missing token. */
static const char *text_of(const struct json *j, int t, char *dst, size_t cap) {
    dst[0] = '\0';
    if (json_type(j, t) == JSON_STRING)
        return json_string(j, t, dst, cap) ? dst : "(too long)";
    if (t >= 0 && json_type(j, t) != JSON_NULL)
        (void)str_copyn(dst, cap, j->text + j->tok[t].start, (size_t)(j->tok[t].end - j->tok[t].start));
    return dst;
}

static const char *get(const struct json *j, int object, const char *key, char *dst, size_t cap) {
    return text_of(j, json_get(j, object, key), dst, cap);
}

static void print_value(const struct json *j, int t) {
    char text[VH_ERROR_MAX];
    const char *between = "";
    if (json_type(j, t) != JSON_ARRAY) {
        print_text(text_of(j, t, text, sizeof text));
        return;
    }
    for (int e = json_first(j, t); e >= 0; e = json_next(j, e)) {
        fputs(between, stdout);
        print_text(text_of(j, e, text, sizeof text));
        between = ", ";
    }
}

void show_field(const struct json *j, int object, const char *key) {
    print_value(j, json_get(j, object, key));
}

static bool is_true(const struct json *j, int object, const char *key) {
    bool b = false;
    return json_bool(j, json_get(j, object, key), &b) && b;
}

static bool is_null(const struct json *j, int object, const char *key) {
    enum json_type type = json_type(j, json_get(j, object, key));
    return type == JSON_NULL || type == JSON_NONE;
}

/* ---- lists for scripts ---- */

static void print_names(const struct json *j, int device) {
    show_field(j, device, "vid");
    putchar(':');
    show_field(j, device, "pid");
    putchar(' ');
    show_field(j, device, "vendor_name");
    putchar(' ');
    show_field(j, device, "product_name");
    putchar('\n');
}

/* A string within a list as Python's repr() writes it: in single quotes, unless only double ones need no escape. */
static void print_quoted(const char *s) {
    char quote = strchr(s, '\'') != NULL && strchr(s, '"') == NULL ? '"' : '\'';
    putchar(quote);
    for (size_t i = 0, n = strlen(s), len = 0; i < n; i += len) {
        uint32_t cp = 0;
        len = utf8_len(s + i, n - i, &cp);
        len += len == 0;
        if (s[i] == '\\' || s[i] == quote)
            putchar('\\');
        if (cp == '\n' || cp == '\r' || cp == '\t')
            printf("\\%c", cp == '\n' ? 'n' : cp == '\r' ? 'r' : 't');
        else if (utf8_steers(cp))
            printf(cp > 0xff ? "\\u%04x" : "\\x%02x", (unsigned)cp);
        else
            fwrite(s + i, 1, len, stdout);
    }
    putchar(quote);
}

static void print_scalar(const struct json *j, int t, bool quoted) {
    char text[VH_ERROR_MAX] = {0};
    bool b = false;
    enum json_type type = json_type(j, t);
    (void)text_of(j, t, text, sizeof text);
    if (type == JSON_NULL)
        fputs("None", stdout);
    else if (type == JSON_BOOL)
        fputs(json_bool(j, t, &b) && b ? "True" : "False", stdout);
    else if (type == JSON_STRING && quoted)
        print_quoted(text);
    else
        print_text(text);
}

/* A member's value as the older client prints it, in Python's words: scripts look for "vm : None" and "['vm1']". */
static void print_python(const struct json *j, int t) {
    const char *between = "";
    if (json_type(j, t) != JSON_ARRAY) {
        print_scalar(j, t, false);
        return;
    }
    putchar('[');
    for (int e = json_first(j, t); e >= 0; e = json_next(j, e)) {
        fputs(between, stdout);
        print_scalar(j, e, true);
        between = ", ";
    }
    putchar(']');
}

static void print_members(const struct json *j, int device) {
    for (int k = json_first(j, device); k >= 0; k = json_next(j, k)) {
        char key[VH_NAME_MAX];
        if (!json_string(j, k, key, sizeof key))
            continue;
        printf("  %-16s: ", key);
        print_python(j, json_value(j, k));
        putchar('\n');
    }
    putchar('\n');
}

void show_list(const struct json *j, bool brief) {
    int list = json_get(j, 0, "usb_devices");
    for (int d = json_first(j, list); d >= 0; d = json_next(j, d)) {
        print_names(j, d);
        if (!brief)
            print_members(j, d);
    }
}

void show_pci(const struct json *j, bool brief) {
    static const char keys[][12] = {"address", "vid", "did", "vendor_name", "device_name"};
    int list = json_get(j, 0, "pci_devices");
    for (int d = json_first(j, list); d >= 0; d = json_next(j, d)) {
        for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
            show_field(j, d, keys[i]);
            putchar(" :  \n"[i]);
        }
        if (!brief)
            print_members(j, d);
    }
}

bool show_words(const struct json *j) {
    char text[VH_PATH_MAX];
    int list = json_get(j, 0, "vmm_args");
    const char *between = "";
    for (int a = json_first(j, list); a >= 0; a = json_next(j, a)) {
        if (!json_string(j, a, text, sizeof text) || text[0] == '\0' || strpbrk(text, " \t\n\v\f\r") != NULL)
            return false;
    }
    for (int a = json_first(j, list); a >= 0; a = json_next(j, a)) {
        fputs(between, stdout);
        print_text(text_of(j, a, text, sizeof text));
        between = " ";
    }
    return true;
}

/* ---- a table for people ---- */

enum { COLUMNS = 5 };

static const char *const headings[COLUMNS] = {"PORT", "ID", "STATE", "VM", "TAG"};

/* A cell's text. The device's name, which comes last, is no cell. */
static const char *cell(const struct json *j, int d, int column, char *dst, size_t cap) {
    char a[VH_NAME_MAX], b[VH_NAME_MAX];
    switch (column) {
    case 0:
        return get(j, d, "sys_name", dst, cap);
    case 1:
        (void)str_fmt(dst, cap, "%s:%s", get(j, d, "vid", a, sizeof a), get(j, d, "pid", b, sizeof b));
        return dst;
    case 2:
        (void)get(j, d, "state", dst, cap);
        return is_true(j, d, "disconnected") && str_eq(dst, "idle") ? "taken away" : dst;
    default:
        return get(j, d, column == 3 ? "vm" : "tag", dst, cap);
    }
}

static int width_of(const char *s) {
    int n = 0;
    for (; *s != '\0'; s++)
        n += ((unsigned char)*s & 0xc0) != 0x80;
    return n;
}

static const char *colour_of(const char *state) {
    static const char *const colours[][2] = {{"attached", "32"}, {"waiting", "33"},    {"pending", "36"},
                                             {"failed", "31"},   {"taken away", "35"}, {"idle", "2"}};
    for (size_t i = 0; i < sizeof colours / sizeof *colours; i++) {
        if (str_eq(state, colours[i][0]))
            return colours[i][1];
    }
    return "0";
}

static void print_cell(const char *text, int width, const char *colour) {
    if (colour != NULL)
        printf("\033[%sm", colour);
    print_text(text);
    fputs(colour != NULL ? "\033[0m" : "", stdout);
    printf("%*s", width - width_of(text) + 2, "");
}

static void print_row(const struct json *j, int d, const int *width, bool colour) {
    char text[VH_STRING_MAX];
    for (int c = 0; c < COLUMNS; c++) {
        const char *s = cell(j, d, c, text, sizeof text);
        if (width[c] > 0)
            print_cell(s, width[c], colour && c == 2 ? colour_of(s) : NULL);
    }
    show_field(j, d, "vendor_name");
    putchar(' ');
    show_field(j, d, "product_name");
    if (!is_null(j, d, "reason")) {
        fputs(colour ? "  \033[2m(" : "  (", stdout);
        show_field(j, d, "reason");
        fputs(colour ? ")\033[0m" : ")", stdout);
    }
    putchar('\n');
}

/* Leaves out empty columns; prints nothing if there is no device. */
void show_table(const struct json *j, bool colour) {
    char text[VH_STRING_MAX];
    int width[COLUMNS] = {0}, list = json_get(j, 0, "usb_devices");
    for (int d = json_first(j, list); d >= 0; d = json_next(j, d)) {
        for (int c = 0; c < COLUMNS; c++) {
            int w = width_of(cell(j, d, c, text, sizeof text));
            if (w > 0 && width[c] == 0)
                width[c] = width_of(headings[c]);
            if (w > width[c])
                width[c] = w;
        }
    }
    if (json_first(j, list) < 0)
        return;
    for (int c = 0; c < COLUMNS; c++) {
        if (width[c] > 0)
            print_cell(headings[c], width[c], colour ? "1" : NULL);
    }
    puts(colour ? "\033[1mDEVICE\033[0m" : "DEVICE");
    for (int d = json_first(j, list); d >= 0; d = json_next(j, d))
        print_row(j, d, width, colour);
}

/* ---- explanations ---- */

static void print_line(const struct json *j, int object, const char *label, const char *key) {
    int t = json_get(j, object, key);
    if (t < 0 || json_type(j, t) == JSON_NULL || (json_type(j, t) == JSON_ARRAY && json_size(j, t) == 0))
        return;
    printf("%s", label);
    print_value(j, t);
    putchar('\n');
}

static void print_rule(const struct json *j, int rule) {
    char text[VH_TEXT_MAX];
    printf("\nrule %s", get(j, rule, "rule", text, sizeof text));
    printf(" (line %s", get(j, rule, "line", text, sizeof text));
    if (get(j, rule, "description", text, sizeof text)[0] != '\0') {
        fputs(", ", stdout);
        print_text(text);
    }
    fputs("): ", stdout);
    show_field(j, rule, "verdict");
    putchar('\n');
    int entries = json_get(j, rule, "entries");
    for (int e = json_first(j, entries); e >= 0; e = json_next(j, e)) {
        printf("  %s", get(j, e, "entry", text, sizeof text));
        printf(" (line %s) ", get(j, e, "line", text, sizeof text));
        if (is_true(j, e, "matches")) {
            puts("matches");
            continue;
        }
        bool disabled = json_get(j, e, "enabled") >= 0;
        print_line(j, e, disabled ? "is disabled; differs in " : "differs in ", "misses");
        if (json_size(j, json_get(j, e, "misses")) == 0)
            puts(disabled ? "is disabled" : "has no field");
    }
}

void show_explanation(const struct json *j) {
    char text[VH_TEXT_MAX];
    int device = json_get(j, 0, "usb_device"), rules = json_get(j, 0, "rules"), decides = -1;
    print_names(j, device);
    if (!is_true(j, 0, "present"))
        puts("  not plugged in: as described");
    print_line(j, device, "  node        ", "device_node");
    print_line(j, device, "  port        ", "sys_name");
    print_line(j, device, "  serial      ", "serial");
    print_line(j, device, "  interfaces  ", "interfaces");
    print_line(j, device, "  note        ", "note");
    print_line(j, device, "  removable   ", "removable");
    print_line(j, device, "  drivers     ", "drivers");
    for (int r = json_first(j, rules); r >= 0; r = json_next(j, r)) {
        print_rule(j, r);
        if (str_eq(get(j, r, "verdict", text, sizeof text), "decides"))
            decides = r;
    }
    putchar('\n');
    print_line(j, 0, "decides:  rule ", "decides");
    if (decides < 0)
        puts("decides:  no rule");
    else
        print_line(j, decides, "allowed:  ", "vms");
    print_line(j, 0, "target:   ", "target");
    if (is_true(j, 0, "asks"))
        puts("target:   whichever of them is chosen");
    print_line(j, 0, "VM now:   ", "vm");
    print_line(j, 0, "state:    ", "state");
    print_line(j, 0, "because:  ", "reason");
}

/* ---- figures ---- */

static void print_vm(const struct json *j, int vm) {
    char text[VH_TEXT_MAX];
    fputs("VM ", stdout);
    show_field(j, vm, "name");
    printf(": %s", get(j, vm, "state", text, sizeof text));
    printf(", devices %s", get(j, vm, "devices", text, sizeof text));
    fputs(is_true(j, vm, "connected") ? ", connected" : "", stdout);
    fputs(is_true(j, vm, "busy") ? ", monitor busy" : "", stdout);
    print_line(j, vm, ", ", "reason");
    if (is_null(j, vm, "reason"))
        putchar('\n');
}

static void print_vms(const struct json *j) {
    for (int v = json_first(j, json_get(j, 0, "vms")); v >= 0; v = json_next(j, v))
        print_vm(j, v);
}

/* "uevents: got 12, ignored 0": a line a group */
void show_stats(const struct json *j) {
    char name[VH_NAME_MAX];
    print_line(j, 0, "uptime_ms: ", "uptime_ms");
    for (int k = json_first(j, 0); k >= 0; k = json_next(j, k)) {
        int group = json_value(j, k);
        const char *between = ":";
        if (json_type(j, group) != JSON_OBJECT)
            continue;
        fputs(text_of(j, k, name, sizeof name), stdout);
        for (int m = json_first(j, group); m >= 0; m = json_next(j, m)) {
            printf("%s %s ", between, text_of(j, m, name, sizeof name));
            print_value(j, json_value(j, m));
            between = json_type(j, json_value(j, m)) == JSON_ARRAY ? ";" : ",";
        }
        putchar('\n');
    }
    print_vms(j);
}

static bool is_set(const struct json *j, int group, const char *name) {
    int64_t v = 0;
    return json_int(j, json_get(j, group, name), 1, 1, &v);
}

static void print_loss(const struct json *j) {
    int state = json_get(j, 0, "state");
    if (is_set(j, state, "corrupt"))
        printf("state file: was corrupt, and no admin has acknowledged that%s\n",
               is_set(j, state, "closed") ? ": no VM is given a device" : "");
}

void show_daemon(const struct json *j) {
    int devices = json_get(j, 0, "devices");
    print_line(j, devices, "devices:    ", "present");
    print_line(j, devices, "attached:   ", "attached");
    print_line(j, devices, "taken away: ", "disconnected");
    print_loss(j);
    print_vms(j);
}

/* ---- Prometheus' text format ---- */

static bool is_gauge(const char *group, const char *name) {
    if (str_eq(group, "device_workers"))
        return !str_eq(name, "orders") && !str_eq(name, "orders_late");
    static const char *const groups[] = {"devices", "arena", "connectors", "opener", "disk_worker"};
    static const char *const names[] = {"connected", "subscribers", "unsaved", "failing", "corrupt", "closed"};
    bool gauge = false;
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++)
        gauge = gauge || str_eq(group, groups[i]);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        gauge = gauge || str_eq(name, names[i]);
    return gauge;
}

static void prometheus_group(const struct json *j, int key) {
    char group[VH_NAME_MAX], name[VH_NAME_MAX], value[32];
    (void)text_of(j, key, group, sizeof group);
    for (int m = json_first(j, json_value(j, key)); m >= 0; m = json_next(j, m)) {
        bool gauge = is_gauge(group, text_of(j, m, name, sizeof name));
        const char *tail = gauge ? "" : "_total";
        printf("# TYPE vhotplug_%s_%s%s %s\n", group, name, tail, gauge ? "gauge" : "counter");
        printf("vhotplug_%s_%s%s %s\n", group, name, tail, text_of(j, json_value(j, m), value, sizeof value));
    }
}

/* Milliseconds as seconds, without floating point. */
static void print_seconds(int64_t ms) {
    printf("%lld.%03d", (long long)(ms / 1000), (int)(ms % 1000));
}

static void prometheus_latency(const struct json *j, int group) {
    int below = json_first(j, json_get(j, group, "below_ms")), count = json_first(j, json_get(j, group, "count"));
    int64_t sum = 0, n = 0, bound = 0;
    puts("# TYPE vhotplug_plug_to_attached_seconds histogram");
    for (; count >= 0; count = json_next(j, count)) {
        (void)json_int(j, count, 0, INT64_MAX, &n);
        sum += n;
        fputs("vhotplug_plug_to_attached_seconds_bucket{le=\"", stdout);
        if (below >= 0 && json_int(j, below, 0, INT64_MAX, &bound))
            print_seconds(bound);
        else
            fputs("+Inf", stdout);
        printf("\"} %lld\n", (long long)sum);
        below = below >= 0 ? json_next(j, below) : -1;
    }
    (void)json_int(j, json_get(j, group, "sum_ms"), 0, INT64_MAX, &n);
    fputs("vhotplug_plug_to_attached_seconds_sum ", stdout);
    print_seconds(n);
    printf("\nvhotplug_plug_to_attached_seconds_count %lld\n", (long long)sum);
}

static void print_label(const char *s) {
    for (; *s != '\0'; s++) {
        if (*s == '"' || *s == '\\')
            putchar('\\');
        putchar(*s == '\n' ? ' ' : *s);
    }
}

static void prometheus_vms(const struct json *j, const char *name) {
    char text[VH_NAME_MAX];
    printf("# TYPE vhotplug_vm_%s gauge\n", name);
    for (int v = json_first(j, json_get(j, 0, "vms")); v >= 0; v = json_next(j, v)) {
        printf("vhotplug_vm_%s{vm=\"", name);
        print_label(get(j, v, "name", text, sizeof text));
        const char *value = get(j, v, str_eq(name, "up") ? "state" : name, text, sizeof text);
        printf("\"} %s\n", str_eq(value, "up") || str_eq(value, "true") ? "1"
                           : text[0] >= '0' && text[0] <= '9'           ? value
                                                                        : "0");
    }
}

void show_prometheus(const struct json *j) {
    static const char of_vms[][10] = {"up", "connected", "busy", "devices", "failures"};
    int64_t ms = 0;
    (void)json_int(j, json_get(j, 0, "uptime_ms"), 0, INT64_MAX, &ms);
    fputs("# TYPE vhotplug_uptime_seconds gauge\nvhotplug_uptime_seconds ", stdout);
    print_seconds(ms);
    putchar('\n');
    for (int k = json_first(j, 0); k >= 0; k = json_next(j, k)) {
        if (json_type(j, json_value(j, k)) != JSON_OBJECT)
            continue;
        if (json_string_is(j, k, "plug_to_attached"))
            prometheus_latency(j, json_value(j, k));
        else
            prometheus_group(j, k);
    }
    for (size_t i = 0; i < sizeof of_vms / sizeof *of_vms; i++)
        prometheus_vms(j, of_vms[i]);
}

/* ---- the status of a tag ---- */

enum blocked { BLOCKED, NOT_BLOCKED, NOT_KNOWN };

/* Blocked: a decision keeps it away, no VM lists it, and no program has an interface of it. A daemon that does not say
 * so, or not to this client, leaves it open whether that is true. */
static enum blocked blocked(const struct json *j, int d) {
    char state[VH_NAME_MAX];
    if (!is_true(j, d, "disconnected") || !is_null(j, d, "vm") || is_true(j, d, "claimed") ||
        !str_eq(get(j, d, "state", state, sizeof state), "idle"))
        return NOT_BLOCKED;
    return is_null(j, d, "uncertain") && json_get(j, d, "claimed") >= 0 ? BLOCKED : NOT_KNOWN;
}

/* One line about a device that is not certainly blocked. */
static void show_unblocked(const struct json *j, int d) {
    char text[VH_ERROR_MAX];
    printf("  %s ", get(j, d, "device_node", text, sizeof text));
    printf("%s ", get(j, d, "state", text, sizeof text));
    show_field(j, d, "vm");
    if (is_true(j, d, "claimed"))
        printf(", a program of this host has it");
    if (blocked(j, d) == NOT_KNOWN && json_get(j, d, "claimed") < 0)
        printf(", this client is not told whether anybody has it");
    if (get(j, d, "uncertain", text, sizeof text)[0] != '\0') {
        printf(", ");
        print_text(text);
    }
    putchar('\n');
}

bool show_tag_known(const struct json *j, const char *tag) {
    int t = json_get(j, 0, "tag_disconnected"); /* older daemons do not say */
    if (t < 0 || json_type(j, t) != JSON_NULL)
        return true;
    fputs("vhotplugcli: no rule has the tag '", stderr);
    show_text(stderr, tag);
    fputs("'\n", stderr);
    return false;
}

int show_tag(const struct json *j, const char *tag, bool quiet) {
    int list = json_get(j, 0, "usb_devices"), n = json_size(j, list), count[] = {0, 0, 0};
    bool later = is_true(j, 0, "tag_disconnected");
    if (!show_tag_known(j, tag))
        return CLI_FAILED;
    for (int d = json_first(j, list); d >= 0; d = json_next(j, d))
        count[blocked(j, d)]++;
    int status = n == 0                   ? CLI_NO_DEVICE
                 : count[NOT_BLOCKED] > 0 ? CLI_NOT_BLOCKED
                 : count[NOT_KNOWN] > 0   ? CLI_UNKNOWN
                                          : CLI_OK;
    if (quiet)
        return status;
    print_text(tag);
    if (n == 0)
        printf(": no such device now");
    else if (count[NOT_BLOCKED] > 0)
        printf(": not blocked, %d of %d", count[NOT_BLOCKED], n);
    else if (count[NOT_KNOWN] > 0)
        printf(": taken away, but it is not known whether anybody has it, %d of %d", count[NOT_KNOWN], n);
    else
        printf(": blocked, %d", n);
    printf("; one that is plugged in later %s blocked\n", later ? "is" : "is not");
    for (int d = json_first(j, list); d >= 0; d = json_next(j, d)) {
        if (blocked(j, d) != BLOCKED)
            show_unblocked(j, d);
    }
    return status;
}
