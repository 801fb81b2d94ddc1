/*
 * modalias.h - the modalias of an interface, by which the kernel looks for a driver, and depmod's lists of the modules
 * for each modalias. Pure: the caller has the lists in memory.
 */
#ifndef VHOTPLUG_MODALIAS_H
#define VHOTPLUG_MODALIAS_H

#include "base/model.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * Do the ids alone decide about the driver? Any interface class but 0 and 255 names a function, and so a driver. Asked
 * of the interfaces that drivers are bound to in the active configuration; as long as none is active, of those of each
 * configuration, and one that leaves it to the ids is enough.
 */
bool modalias_by_ids_only(const struct device *d);
/* Is this interface one of those, in a configuration that leaves it to the ids? */
bool modalias_counts(const struct device *d, int iface);
/* "usb:v046DpC31Cd0110dc00dsc00dp00ic03isc01ip01in00", as in the interface's modalias attribute. */
void modalias_of(const struct device *d, int iface, char dst[VH_MODALIAS_MAX]);
/* Shell patterns as depmod writes them: * ? [a-z] [!a-z]. Time is at most pattern times text. */
bool modalias_matches(const char *pattern, size_t n, const char *text);

struct modalias_list {
    const char *text; /* NULL: there is no such list */
    size_t len;
    char end; /* ends a record: a newline in depmod's lists, NUL in modules.builtin.modinfo */
};

struct modalias_name {
    const char *p;
    size_t n;
};

/* The next entry for USB at or after *at, which moves on. False at the end. */
bool modalias_next(const struct modalias_list *l, size_t *at, struct modalias_name *pattern,
                   struct modalias_name *module);
/* The module's path in modules.dep or modules.builtin. A dash and an underscore are the same, as for modprobe. */
bool modalias_path(const struct modalias_list *l, const struct modalias_name *module, struct modalias_name *path);

#endif
