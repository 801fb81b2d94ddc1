/*
 * cli_pci.c - PCI devices on a terminal: a table, and the tree of bridges and what is behind them, both with the IOMMU
 * groups, since a group goes to one VM or stays whole.
 */
#include "base/limits.h"
#include "base/str.h"
#include "cli/cli_cell.h"
#include "cli/cli_device.h"
#include "cli/cli_kind.h"
#include "cli/cli_show.h"
#include "cli/cli_term.h"
#include "cli/cli_text.h"

#include <stdio.h>
#include <string.h>

/* ---- words for a device ---- */

enum column { ADDRESS, ID, KIND, GROUP, DRIVER, VM, TAG, COLUMNS };
enum { DEVICE_MAX = 24, INDENT = 4 };

static const char *const headings[COLUMNS] = {"ADDRESS", "ID", "KIND", "GROUP", "DRIVER", "VM", "TAG"};
static const struct cell_yield yields[] = {{TAG, 0}, {ID, 0}, {DRIVER, 0}, {VM, 12}, {KIND, 0}, {VM, 0}};

static const char *kind(const struct json *j, int d) {
    int64_t class = -1, subclass = -1;
    (void)json_int(j, json_get(j, d, "pci_class"), 0, 255, &class);
    (void)json_int(j, json_get(j, d, "pci_subclass"), 0, 255, &subclass);
    return kind_of_pci((int)class, (int)subclass);
}

static const char *cell(const struct json *j, int d, enum column column, char dst[DEVICE_TEXT]) {
    static const char keys[COLUMNS][12] = {
        [ADDRESS] = "address", [GROUP] = "iommu_group", [DRIVER] = "driver", [TAG] = "tag"};
    char a[VH_NAME_MAX], b[VH_NAME_MAX];
    switch (column) {
    case ID:
        (void)str_fmt(dst, DEVICE_TEXT, "%s:%s", text_get(j, d, "vid", a, sizeof a),
                      text_get(j, d, "did", b, sizeof b)); /* short */
        return dst;
    case KIND:
        return kind(j, d);
    case VM:
        return device_vm(j, d, dst);
    default:
        return text_get(j, d, keys[column], dst, DEVICE_TEXT);
    }
}

static const char *name_of(const struct json *j, int d, char dst[DEVICE_TEXT]) {
    char vendor[VH_STRING_MAX], device[VH_STRING_MAX];
    (void)str_fmt(dst, DEVICE_TEXT, "%s %s", text_get(j, d, "vendor_name", vendor, sizeof vendor),
                  text_get(j, d, "device_name", device, sizeof device)); /* what is cut is wider than any terminal */
    return dst;
}

/* Why it stays, or with what it goes. "" if there is nothing to say. */
static const char *remark(const struct json *j, int d, char dst[VH_ERROR_MAX]) {
    char why[VH_ERROR_MAX];
    bool stays = text_get(j, d, "protected", why, sizeof why)[0] != '\0';
    (void)str_fmt(dst, VH_ERROR_MAX, "%s%s", stays ? "stays: it " : "", why); /* a reason is far shorter */
    if (!stays && text_true(j, d, "iommu_member"))
        (void)str_copy(dst, VH_ERROR_MAX, "goes along with its group");
    return dst;
}

/* ---- the table ---- */

/* The columns' widths; 0: left out, since it is empty or the terminal is narrow. Returns what is left for the name. */
static int fit(const struct json *j, int list, int width[COLUMNS]) {
    char text[DEVICE_TEXT];
    int most = term_width() / 4, left = term_width(), wanted = 0;
    for (int d = json_first(j, list); d >= 0; d = json_next(j, d)) {
        int name = term_columns(name_of(j, d, text));
        wanted = name < wanted ? wanted : name < DEVICE_MAX ? name : DEVICE_MAX;
        for (int c = 0; c < COLUMNS; c++) {
            int w = term_columns(cell(j, d, (enum column)c, text));
            if (w > 0 && width[c] == 0)
                width[c] = (int)strlen(headings[c]);
            if (w > width[c])
                width[c] = w < most ? w : most;
        }
    }
    for (int c = 0; c < COLUMNS; c++)
        left -= width[c] > 0 ? width[c] + CELL_GAP : 0;
    return cell_narrow(width, yields, sizeof yields / sizeof *yields, left, wanted);
}

static void print_remark(const char *text, int left) {
    if (text[0] == '\0')
        return;
    term_style("2");
    if (term_columns(text) + CELL_GAP + 2 <= left) {
        fputs("  (", stdout);
        text_print(text);
        putchar(')');
    } else {
        cell_wrap(text, INDENT);
    }
    term_style("0");
}

bool show_pci_table(const struct json *j) {
    int list = json_get(j, 0, "pci_devices"), width[COLUMNS] = {0}, left = fit(j, list, width);
    char text[DEVICE_TEXT], why[VH_ERROR_MAX];
    for (int c = 0; c < COLUMNS && json_size(j, list) > 0; c++) {
        if (width[c] > 0)
            cell_print(headings[c], width[c], "1");
    }
    if (json_size(j, list) > 0) {
        term_style("1");
        fputs("DEVICE", stdout);
        term_style("0");
        putchar('\n');
    }
    for (int d = json_first(j, list); d >= 0; d = json_next(j, d)) {
        for (int c = 0; c < COLUMNS; c++) {
            if (width[c] > 0)
                cell_print(cell(j, d, (enum column)c, text), width[c], "0");
        }
        int room = left - term_print(stdout, name_of(j, d, text), left);
        print_remark(remark(j, d, why), room);
        putchar('\n');
    }
    return json_size(j, list) > 0;
}

/* ---- the tree ---- */

enum { DEPTH_MAX = 32 }; /* a bus has a number of its own, and no reply of ours is deeper */

static int find(const struct json *j, int list, const char *address) {
    char text[VH_NAME_MAX];
    for (int d = json_first(j, list); d >= 0; d = json_next(j, d)) {
        if (str_eq(text_get(j, d, "address", text, sizeof text), address))
            return d;
    }
    return -1;
}

/* Is it behind that bridge? One whose bridge is not in the list is on a root bus: "". */
static bool is_behind(const struct json *j, int list, int d, const char *bridge) {
    char text[VH_NAME_MAX];
    (void)text_get(j, d, "parent", text, sizeof text);
    return str_eq(find(j, list, text) >= 0 ? text : "", bridge);
}

/* Of those behind the bridge the one whose address comes next after `last`; -1 none. Addresses of one length compare as
 * texts do; those of long domains come last. */
static int next_behind(const struct json *j, int list, const char *bridge, const char *last) {
    char text[VH_NAME_MAX], lowest[VH_NAME_MAX] = "";
    int best = -1;
    for (int d = json_first(j, list); d >= 0; d = json_next(j, d)) {
        (void)text_get(j, d, "address", text, sizeof text);
        bool after = strlen(text) != strlen(last) ? strlen(text) > strlen(last) : strcmp(text, last) > 0;
        bool lower =
            best < 0 || (strlen(text) != strlen(lowest) ? strlen(text) < strlen(lowest) : strcmp(text, lowest) < 0);
        if (!after || !lower || !is_behind(j, list, d, bridge))
            continue;
        best = d;
        (void)str_copy(lowest, sizeof lowest, text);
    }
    return best;
}

/* "0000:00:14.3  network, group 5, (net), iwlwifi: Intel Wi-Fi 6 (stays: ...)": what may be cut comes last. */
static void say(struct sbuf *sb, const struct json *j, int d) {
    char text[DEVICE_TEXT], why[VH_ERROR_MAX];
    sb_fmt(sb, "%s  %s", cell(j, d, ADDRESS, text), kind(j, d));
    if (cell(j, d, GROUP, text)[0] != '\0')
        sb_fmt(sb, ", group %s", text);
    if (!str_eq(device_vm(j, d, text), "-"))
        sb_fmt(sb, ", %s", text);
    if (cell(j, d, DRIVER, text)[0] != '\0')
        sb_fmt(sb, ", %s", text);
    sb_fmt(sb, ": %s", name_of(j, d, text));
    if (remark(j, d, why)[0] != '\0')
        sb_fmt(sb, " (%s)", why);
}

static void print_branch(const struct json *j, int d, int depth) {
    char line[3 * DEVICE_TEXT];
    struct sbuf sb; /* what does not fit is beyond any terminal's width: harmless */
    sb_init(&sb, line, sizeof line);
    say(&sb, j, d);
    printf("%*s", depth * INDENT, "");
    if (term_is(stdout))
        (void)term_print(stdout, line, term_width() - depth * INDENT);
    else
        text_print(line);
    putchar('\n');
}

/* Depth first, without recursion: bridge[] is the way down to where it is, last[] the device printed last there. */
bool show_pci_tree(const struct json *j) {
    char bridge[DEPTH_MAX][VH_NAME_MAX] = {""}, last[DEPTH_MAX][VH_NAME_MAX] = {""};
    int list = json_get(j, 0, "pci_devices"), depth = 0;
    bool any = false;
    for (int steps = 2 * json_size(j, list); steps >= 0 && depth >= 0; steps--) {
        int d = next_behind(j, list, bridge[depth], last[depth]);
        if (d < 0) {
            depth--;
            continue;
        }
        print_branch(j, d, depth);
        any = true;
        (void)text_get(j, d, "address", last[depth], VH_NAME_MAX);
        if (depth + 1 == DEPTH_MAX)
            continue;
        depth++;
        (void)str_copy(bridge[depth], VH_NAME_MAX, last[depth - 1]); /* the same bound */
        last[depth][0] = '\0';
    }
    return any;
}
