/*
 * connectors.c - holds the place of a device against connectors. Owns nothing; never says what a connector is for.
 */
#include "config/connectors.h"

#include "base/str.h"
#include "codec/stable_path.h"

#include <string.h>

int connector_find(const struct conf *c, const char *name) {
    for (int i = 0; i < c->nconnectors; i++) {
        if (str_eq(c->connectors[i].name, name))
            return i;
    }
    return -1;
}

static const char *behind(const char *port, const struct device *dev) {
    return stable_path_behind(port, dev->stable_path, dev->twin);
}

/* What follows one of the connector's ports in the device's path, the shortest; NULL: it is elsewhere. */
static const char *behind_named(const struct conf *c, int connector, const struct device *dev) {
    const struct connector *k = &c->connectors[connector];
    const char *best = NULL;
    for (int i = k->ports; i < k->ports + k->nports; i++) {
        const char *rest = behind(c->connector_ports[i], dev);
        if (rest != NULL && (best == NULL || strlen(rest) < strlen(best)))
            best = rest;
    }
    return best;
}

int16_t connector_of(const struct conf *c, const struct device *dev) {
    size_t nearest = 0;
    int best = -1;
    for (int i = 0; i < c->nconnectors && dev->stable_path[0] != '\0'; i++) {
        const char *rest = behind_named(c, i, dev);
        if (rest == NULL || (best >= 0 && strlen(rest) >= nearest))
            continue;
        best = i;
        nearest = strlen(rest);
    }
    return (int16_t)best; /* VH_NAMED_CONNECTORS fits */
}

bool connector_is_known(const struct conf *c, const char *connector) {
    return connector_find(c, connector) >= 0 || stable_path_valid(connector);
}

static bool has(const char *rest, bool direct) {
    return rest != NULL && (!direct || rest[0] == '\0');
}

bool connector_has(const struct conf *c, const char *connector, const struct device *dev, bool direct) {
    int k = connector_find(c, connector);
    return has(k >= 0 ? behind_named(c, k, dev) : behind(connector, dev), direct);
}

bool connector_matches(const struct conf *c, const struct entry *e, const struct device *dev) {
    for (int i = e->places; i < e->places + e->nplaces; i++) {
        const struct entry_place *p = &c->places[i];
        if (has(p->path != NULL ? behind(p->path, dev) : behind_named(c, p->connector, dev), e->direct))
            return true;
    }
    return false;
}

/* The side for USB 2, which every socket has, stands for both. */
static void own_port(const struct device *dev, char dst[VH_STABLE_PATH_MAX]) {
    const char *slash = strchr(dev->stable_path, '/');
    bool other = slash != NULL && slash[1] == '3' && dev->twin[0] != '\0';
    if (!other || !stable_path_other(dst, dev->stable_path, dev->twin))
        (void)str_copy(dst, VH_STABLE_PATH_MAX, slash != NULL ? dev->stable_path : dev->sys_name); /* of that bound */
}

void connector_name(const struct conf *c, const struct device *dev, char dst[VH_STABLE_PATH_MAX]) {
    dst[0] = '\0';
    if (dev->connector >= 0 && dev->connector < c->nconnectors)
        (void)str_copy(dst, VH_STABLE_PATH_MAX, c->connectors[dev->connector].name); /* of a smaller bound */
    else if (dev->stable_path[0] != '\0')
        own_port(dev, dst);
}

/* What follows the socket in the device's path, if the configuration says which ports are the sides of the socket. */
static const char *behind_socket(const struct conf *c, const struct device *dev) {
    bool socket = dev->connector >= 0 && dev->connector < c->nconnectors && c->connectors[dev->connector].is_socket;
    return socket ? behind_named(c, dev->connector, dev) : NULL;
}

void connector_port(const struct conf *c, const struct device *dev, char dst[VH_STABLE_PATH_MAX]) {
    const char *rest = behind_socket(c, dev);
    const char *first = rest != NULL ? c->connector_ports[c->connectors[dev->connector].ports] : "";
    if (rest == NULL || !str_fmt(dst, VH_STABLE_PATH_MAX, "%s%s", first, rest))
        own_port(dev, dst);
}

bool connector_is_port(const struct conf *c, const char *port, const struct device *dev) {
    if (strchr(port, '/') == NULL)
        return str_eq(port, dev->sys_name);
    const char *rest = behind(port, dev);
    if (rest != NULL && rest[0] == '\0')
        return true;
    rest = behind_socket(c, dev);
    const struct connector *k = rest != NULL ? &c->connectors[dev->connector] : NULL;
    for (int i = 0; k != NULL && i < k->nports; i++) {
        const char *first = c->connector_ports[k->ports + i];
        size_t n = strlen(first);
        if (strncmp(port, first, n) == 0 && str_eq(port + n, rest))
            return true;
    }
    return false;
}

uint64_t connector_number(const struct conf *c, const struct device *dev) {
    char port[VH_STABLE_PATH_MAX];
    uint64_t h = UINT64_C(14695981039346656037); /* FNV-1a */
    connector_port(c, dev, port);
    for (const char *s = port; *s != '\0'; s++)
        h = (h ^ (unsigned char)*s) * UINT64_C(1099511628211);
    return h != 0 ? h : 1;
}
