/*
 * core_memory.c - what is remembered of devices: the VM somebody chose, and that somebody took one away.
 *
 * A device is known by vendor, product and serial; one without a serial by its port as well. Decisions are never pushed
 * out by newer entries, selections are, the oldest first.
 */
#include "core_parts.h"
#include "str.h"

#include <string.h>

static bool same(const struct memory *m, const struct device *dev) {
    if (!m->used || m->vid != dev->vid || m->pid != dev->pid || !str_eq(m->serial, dev->serial))
        return false;
    return m->port[0] == '\0' || str_eq(m->port, dev->sys_name);
}

struct memory *memory_find(struct core *c, const struct device *dev) {
    for (int i = 0; i < VH_MAX_MEMORY; i++) {
        if (same(&c->memory[i], dev))
            return &c->memory[i];
    }
    return NULL;
}

static struct memory *memory_get(struct core *c, const struct device *dev) {
    struct memory *m = memory_find(c, dev), *oldest = NULL;
    for (int i = 0; m == NULL && i < VH_MAX_MEMORY; i++) {
        struct memory *e = &c->memory[i];
        if (!e->used)
            m = e;
        else if (!e->disconnected && (oldest == NULL || e->stamp < oldest->stamp))
            oldest = e;
    }
    if (m == NULL)
        m = oldest;
    if (m == NULL)
        return NULL;
    if (!same(m, dev)) {
        memset(m, 0, sizeof *m);
        m->used = true;
        m->vid = dev->vid;
        m->pid = dev->pid;
        memcpy(m->serial, dev->serial, sizeof m->serial);
        if (dev->serial[0] == '\0')
            memcpy(m->port, dev->sys_name, sizeof m->port);
    }
    m->stamp = ++c->next_stamp;
    return m;
}

static void drop_if_empty(struct memory *m) {
    if (m->vm[0] == '\0' && !m->disconnected)
        m->used = false;
}

bool memory_select(struct core *c, const struct device *dev, int vm) {
    struct memory *m = memory_get(c, dev);
    if (m == NULL)
        return false;
    memcpy(m->vm, c->conf->vms[vm].name, sizeof m->vm);
    return true;
}

bool memory_decide(struct core *c, const struct device *dev, bool disconnected, enum role by) {
    struct memory *m = disconnected ? memory_get(c, dev) : memory_find(c, dev);
    if (m == NULL)
        return !disconnected;
    m->disconnected = disconnected;
    m->by = disconnected ? by : ROLE_NONE;
    drop_if_empty(m);
    return true;
}
