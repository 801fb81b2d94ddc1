/*
 * conf_acpi.c - acpiPassthrough: which ACPI tables of the host a VM is started with, and whom their files are given to.
 * Reads the form only: never looks whether there is such a file or user.
 */
#include "base/log.h"
#include "base/str.h"
#include "config/conf_read.h"

/* "" if absent */
static const char *read_account(struct reader *r, int tok, const char *what) {
    char name[VH_NAME_MAX];
    if (tok < 0 || !rd_copy(r, tok, name, sizeof name, what))
        return "";
    const char *kept = rd_keep(r, tok);
    return kept != NULL ? kept : "";
}

static void read_table(struct reader *r, int object) {
    int v[CONF_KEYS_MAX];
    char path[VH_PATH_MAX];
    struct acpi_table *t = &r->c->acpi_tables[r->c->nacpi_tables];
    *t = (struct acpi_table){.path = "", .user = "", .group = "", .line = rd_line(r, object)};
    if (!rd_object(r, object, OBJ_ACPI_ENTRY, v))
        return;
    bool misspelt = r->misspelt;
    r->c->nacpi_tables++;
    uint32_t mark = r->c->nstrings;
    (void)rd_description(r, v[AENT_DESCRIPTION]);
    r->c->nstrings = mark; /* checked, not kept */
    t->enabled = rd_enabled(r, v[AENT_ENABLE], v[AENT_DISABLE]);
    t->user = read_account(r, v[AENT_USER], "the name of a user");
    t->group = read_account(r, v[AENT_GROUP], "the name of a group");
    if (v[AENT_TABLE] < 0) {
        if (t->enabled && !misspelt)
            rd_warn(r, object, "'acpiTable' is missing: the entry names no table");
        return;
    }
    if (!rd_path(r, v[AENT_TABLE], path, sizeof path))
        return;
    const char *kept = rd_keep(r, v[AENT_TABLE]);
    t->path = kept != NULL ? kept : "";
}

static void read_tables(struct reader *r, struct acpi_rule *rule, int array) {
    rule->tables = r->c->nacpi_tables;
    if (array < 0 || !rd_array(r, array, "an array of tables such as [ { \"acpiTable\": \"/sys/firmware/...\" } ]"))
        return;
    for (int t = json_first(&r->j, array); t >= 0; t = json_next(&r->j, t)) {
        if (r->c->nacpi_tables == VH_MAX_ACPI_TABLES) {
            rd_error(r, t, "more than %d tables of acpiPassthrough in all (VH_MAX_ACPI_TABLES)", VH_MAX_ACPI_TABLES);
            break;
        }
        read_table(r, t);
    }
    rule->ntables = (uint16_t)(r->c->nacpi_tables - rule->tables);
}

static void read_rule(struct reader *r, int object) {
    int v[CONF_KEYS_MAX];
    struct acpi_rule *rule = &r->c->acpi_rules[r->c->nacpi_rules];
    *rule = (struct acpi_rule){.vm = -1, .line = rd_line(r, object)};
    if (!rd_object(r, object, OBJ_ACPI_RULE, v))
        return;
    bool misspelt = r->misspelt;
    r->c->nacpi_rules++;
    uint32_t mark = r->c->nstrings;
    (void)rd_description(r, v[ARULE_DESCRIPTION]);
    r->c->nstrings = mark; /* checked, not kept */
    rule->enabled = rd_enabled(r, v[ARULE_ENABLE], v[ARULE_DISABLE]);
    if (!misspelt || !rd_empty(r, v[ARULE_TARGET]))
        rd_target(r, object, v[ARULE_TARGET], NULL, &rule->enabled, &rule->vm);
    read_tables(r, rule, v[ARULE_ALLOW]);
    if (rd_empty(r, v[ARULE_ALLOW]) && !misspelt)
        rd_warn(r, object, "no 'allow' entry: the rule names no table");
}

void conf_read_acpi(struct reader *r, int array) {
    if (!rd_array(r, array, "an array of rules"))
        return;
    for (int t = json_first(&r->j, array); t >= 0; t = json_next(&r->j, t)) {
        if (r->c->nacpi_rules == VH_MAX_ACPI_RULES) {
            rd_error(r, t, "more than %d rules of acpiPassthrough (VH_MAX_ACPI_RULES)", VH_MAX_ACPI_RULES);
            break;
        }
        read_rule(r, t);
    }
}
