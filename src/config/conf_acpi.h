/*
 * conf_acpi.h - acpiPassthrough as structs: the ACPI tables of the host that a VM is started with.
 */
#ifndef VHOTPLUG_CONF_ACPI_H
#define VHOTPLUG_CONF_ACPI_H

#include "base/limits.h"

#include <stdbool.h>
#include <stdint.h>

struct acpi_table {
    const char *path;         /* absolute; "" if the entry names none */
    const char *user, *group; /* whom the file is given to; "" as it is */
    bool enabled;
    uint32_t line; /* in the file, from 1 */
};

struct acpi_rule {
    bool enabled;
    int8_t vm;                /* -1: not in 'vms' */
    uint16_t tables, ntables; /* a range in conf.acpi_tables */
    uint32_t line;
};

#endif
