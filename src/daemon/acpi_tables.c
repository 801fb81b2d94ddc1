/*
 * acpi_tables.c - see acpi_tables.h. Owns what became of each table at the start. Says nothing of VMs.
 *
 * A table of the firmware is its root's alone, and the VMM that reads it is not root. Firmware's tables neither come
 * nor go, so one look at the start is enough; a table that a reload brings is not given before the next start.
 */
#include "daemon/acpi_tables.h"

#include "base/log.h"
#include "base/str.h"
#include "os/accounts.h"
#include "os/sys.h"
#include "os/sysfs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct {
    int n;
    struct known {
        char path[VH_PATH_MAX], user[VH_NAME_MAX], group[VH_NAME_MAX];
        char why[VH_TEXT_MAX]; /* it cannot be given to a VM, "" if it can */
    } known[VH_MAX_ACPI_TABLES];
} tables;

/* An id of -1 leaves the owner as it is. */
static bool find(const char *file, const char *name, int64_t *id, char why[VH_TEXT_MAX]) {
    *id = -1;
    if (name[0] == '\0' || accounts_id(file, name, id))
        return true;
    (void)str_fmt(why, VH_TEXT_MAX, "'%s' is not in %s", name, file); /* a name is far shorter */
    return false;
}

static void give(struct known *k) {
    struct sys_stat st;
    int64_t uid = -1, gid = -1;
    int fd = sysfs_open(k->path, O_PATH);
    if (fd < 0 || !sys_stat(fd, "", AT_EMPTY_PATH, &st))
        (void)str_fmt(k->why, sizeof k->why, "%s", strerror(errno)); /* short */
    else if (!S_ISREG(st.mode))
        (void)str_copy(k->why, sizeof k->why, "no regular file"); /* short */
    else if (find(ACCOUNTS_USERS, k->user, &uid, k->why) && find(ACCOUNTS_GROUPS, k->group, &gid, k->why) &&
             (uid >= 0 || gid >= 0) && fchownat(fd, "", (uid_t)uid, (gid_t)gid, AT_EMPTY_PATH) != 0)
        (void)str_fmt(k->why, sizeof k->why, "its owner cannot be set: %s", strerror(errno)); /* short */
    if (fd >= 0)
        (void)close(fd);
    if (k->why[0] != '\0')
        log_warn("acpiPassthrough: no VM is given the table %s: %s", k->path, k->why);
}

static struct known *lookup(const struct acpi_table *t) {
    for (int i = 0; i < tables.n; i++) {
        struct known *k = &tables.known[i];
        if (str_eq(k->path, t->path) && str_eq(k->user, t->user) && str_eq(k->group, t->group))
            return k;
    }
    return NULL;
}

static bool is_named(const struct acpi_table *t) {
    return t->enabled && t->path[0] != '\0';
}

static void add(const struct acpi_table *t) {
    struct known *k = &tables.known[tables.n++];
    bool fits = str_copy(k->path, sizeof k->path, t->path) && str_copy(k->user, sizeof k->user, t->user) &&
                str_copy(k->group, sizeof k->group, t->group);
    VH_ASSERT(fits); /* conf_acpi.c reads them with the same bounds */
    k->why[0] = '\0';
    give(k);
}

void acpi_tables_start(const struct conf *c) {
    tables.n = 0;
    for (int i = 0; i < c->nacpi_rules; i++) {
        const struct acpi_rule *rule = &c->acpi_rules[i];
        for (int t = rule->tables; rule->enabled && rule->vm >= 0 && t < rule->tables + rule->ntables; t++) {
            const struct acpi_table *table = &c->acpi_tables[t];
            if (is_named(table) && lookup(table) == NULL)
                add(table);
        }
    }
}

bool acpi_tables_any_new(const struct conf *c) {
    bool any = false;
    for (int i = 0; i < c->nacpi_rules; i++) {
        const struct acpi_rule *rule = &c->acpi_rules[i];
        for (int t = rule->tables; rule->enabled && rule->vm >= 0 && t < rule->tables + rule->ntables; t++)
            any = any || (is_named(&c->acpi_tables[t]) && lookup(&c->acpi_tables[t]) == NULL);
    }
    return any;
}

const char *acpi_tables_why(const struct acpi_table *t) {
    const struct known *k = lookup(t);
    return k != NULL ? k->why : "it is new in the configuration: restart the daemon for it";
}
