/*
 * acpi_tables.h - the files of the ACPI tables of acpiPassthrough: looked at, and given to their owners, when the
 * daemon starts. Later no process of the daemon may change an owner.
 */
#ifndef VHOTPLUG_ACPI_TABLES_H
#define VHOTPLUG_ACPI_TABLES_H

#include "config/conf.h"

#include <stdbool.h>

/* Before the sandbox, once. What cannot be given is logged. */
void acpi_tables_start(const struct conf *c);
/* Does a rule of this configuration name a table that was not there at the start? */
bool acpi_tables_any_new(const struct conf *c);
/* Why no VM can be given this table, of the configuration in force: valid until the next start. "" if one can. */
const char *acpi_tables_why(const struct acpi_table *t);

#endif
