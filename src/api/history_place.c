/*
 * history_place.c - packs the place of a device: few controllers have most events, so a row of a table names the
 * controller. Owns that table within the history; knows nothing else of events.
 */
#include "api/history_place.h"

#include "base/str.h"
#include "codec/stable_path.h"
#include "codec/usb_place.h"
#include "config/connectors.h"

#include <string.h>

static bool is_used(const struct history *h, int controller) {
    for (uint64_t k = 0; k < h->n && k < VH_MAX_HISTORY; k++) {
        if (h->event[k].place.controller == controller)
            return true;
    }
    return false;
}

/* The row of the controller of this path; of a new one the first row that no kept event has. */
static uint8_t row_of(struct history *h, const char *path, size_t len) {
    int found = -1;
    for (int i = 0; i < VH_HISTORY_CONTROLLERS; i++) {
        const char *name = h->controller[i];
        if (strncmp(name, path, len) == 0 && name[len] == '\0')
            return (uint8_t)i;
        if (found < 0 && (name[0] == '\0' || !is_used(h, i)))
            found = i;
    }
    if (found < 0 || !str_copyn(h->controller[found], sizeof h->controller[found], path, len))
        return HISTORY_NO_CONTROLLER;
    return (uint8_t)found;
}

struct history_place history_place_keep(struct history *h, const struct device *d) {
    struct history_place p = {.controller = HISTORY_NO_CONTROLLER};
    const char *slash = strchr(d->stable_path, '/'), *s = d->twin;
    if (slash == NULL)
        return p;
    p.controller = row_of(h, d->stable_path, (size_t)(slash - d->stable_path));
    p.half = (uint8_t)(slash[1] - '0');
    for (size_t i = 0; i < sizeof p.twin && *s != '\0'; i++) { /* the kernel has no longer chains */
        p.twin[i] = usb_root_port(s);
        s += strcspn(s, ".");
        s += *s == '.';
    }
    return p;
}

void history_place_tell(const struct history *h, const struct history_event *e, const struct conf *c,
                        struct history_where *w) {
    const struct history_place *p = &e->place;
    struct sbuf sb;
    w->stable_path[0] = '\0';
    if (p->controller != HISTORY_NO_CONTROLLER &&
        !str_fmt(w->stable_path, sizeof w->stable_path, "%s/%u:%s", h->controller[p->controller], (unsigned)p->half,
                 e->port_path))
        w->stable_path[0] = '\0'; /* it fitted when it was kept */
    sb_init(&sb, w->twin, sizeof w->twin);
    for (size_t i = 0; i < sizeof p->twin && p->twin[i] != 0; i++)
        sb_fmt(&sb, i == 0 ? "%u" : ".%u", (unsigned)p->twin[i]);
    w->dev.stable_path = w->stable_path;
    w->dev.twin = w->twin;
    w->dev.connector = connector_of(c, &w->dev);
}
