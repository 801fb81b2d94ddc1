/*
 * conf_connectors.c - general.connectors, and the connectors that entries of rules name. Reads the form only;
 * connectors.c says which devices are there.
 */
#include "base/log.h"
#include "base/str.h"
#include "codec/stable_path.h"
#include "config/conf_read.h"
#include "config/connectors.h"

#include <string.h>

static const char path_expected[] = "a port's stable path such as \"pci0000:00-0000:00:14.0/2:3\" (vhotplug doctor "
                                    "--connectors lists those of this host)";

/* ---- general.connectors ---- */

/* The connector that has this port; -1 none. */
static int owner_of(const struct conf *c, const char *port) {
    for (int i = 0; i < c->nconnectors; i++) {
        for (int p = 0; p < c->connectors[i].nports; p++) {
            if (str_eq(c->connector_ports[c->connectors[i].ports + p], port))
                return i;
        }
    }
    return -1;
}

/* The root hub is no port. */
static bool is_port(const char *path) {
    return stable_path_valid(path) && !str_eq(stable_path_ports(path), "0");
}

static bool read_port(struct reader *r, struct connector *k, int tok) {
    const char *port = rd_keep(r, tok);
    if (port == NULL)
        return false;
    if (!is_port(port)) {
        rd_expected(r, tok, path_expected);
        return false;
    }
    int owner = owner_of(r->c, port);
    if (owner >= 0 && &r->c->connectors[owner] != k) {
        rd_error(r, tok, "the connector '%s' on line %u has this port already", r->c->connectors[owner].name,
                 r->c->connectors[owner].line);
        return false;
    }
    if (owner >= 0) {
        rd_warn(r, tok, "the port is named twice");
        return true;
    }
    r->c->connector_ports[k->ports + k->nports++] = port;
    return true;
}

/* As far as the root hub: "pci0000:00-0000:00:14.0/2:" */
static size_t root_len(const char *path) {
    return (size_t)(stable_path_ports(path) - path);
}

static bool is_socket(const struct conf *c, const struct connector *k) {
    for (int i = k->ports; i < k->ports + k->nports; i++) {
        for (int other = k->ports; other < i; other++) {
            const char *a = c->connector_ports[i], *b = c->connector_ports[other];
            if (root_len(a) == root_len(b) && strncmp(a, b, root_len(a)) == 0)
                return false;
        }
    }
    return true;
}

static bool read_ports(struct reader *r, struct connector *k, int object, int array) {
    bool sound = true;
    if (array < 0) {
        rd_error(r, object, "'ports' is missing: the stable paths of the connector's ports");
        return false;
    }
    if (!rd_array(r, array, "an array of stable paths"))
        return false;
    if (json_size(&r->j, array) == 0) {
        rd_error(r, array, "an empty list: no device is at such a connector");
        return false;
    }
    for (int t = json_first(&r->j, array); t >= 0; t = json_next(&r->j, t)) {
        if (k->ports + k->nports == VH_CONNECTOR_PORTS) {
            rd_error(r, t, "more than %d ports of connectors in all (VH_CONNECTOR_PORTS)", VH_CONNECTOR_PORTS);
            return false;
        }
        sound &= read_port(r, k, t);
    }
    return sound;
}

/* A name cannot be taken for a stable path. */
static bool read_name(struct reader *r, struct connector *k, int object, int tok) {
    char name[VH_NAME_MAX];
    if (tok < 0) {
        rd_error(r, object, "'name' is missing");
        return false;
    }
    if (!rd_copy(r, tok, name, sizeof name, "the name of a connector"))
        return false;
    if (strchr(name, '/') != NULL) {
        rd_error(r, tok, "a connector's name has no slash, so that it differs from a stable path");
        return false;
    }
    int other = connector_find(r->c, name);
    if (other >= 0) {
        rd_error(r, tok, "a second connector named '%s'; the first is on line %u", name, r->c->connectors[other].line);
        return false;
    }
    k->name = rd_keep(r, tok);
    return k->name != NULL;
}

static bool read_connector(struct reader *r, int object) {
    int v[CONF_KEYS_MAX];
    if (r->c->nconnectors == VH_NAMED_CONNECTORS) {
        rd_error(r, object, "more than %d connectors (VH_NAMED_CONNECTORS)", VH_NAMED_CONNECTORS);
        return false;
    }
    struct connector *k = &r->c->connectors[r->c->nconnectors];
    *k = (struct connector){.name = "", .line = rd_line(r, object), .ports = r->c->nconnector_ports};
    if (!rd_object(r, object, OBJ_CONNECTOR, v) || !read_name(r, k, object, v[CON_NAME]))
        return false;
    r->c->nconnectors++; /* with wrong ports, too: else every rule that names it would be reported as well */
    bool sound = read_ports(r, k, object, v[CON_PORTS]);
    r->c->nconnector_ports = (uint16_t)(k->ports + k->nports);
    k->is_socket = is_socket(r->c, k);
    return sound;
}

void conf_read_connectors(struct reader *r, int array) {
    if (array < 0)
        return;
    r->connectors_unread = !rd_array(r, array, "an array of connectors");
    for (int t = r->connectors_unread ? -1 : json_first(&r->j, array); t >= 0; t = json_next(&r->j, t)) {
        bool full = r->c->nconnectors == VH_NAMED_CONNECTORS;
        r->connectors_unread |= !read_connector(r, t);
        if (full)
            return;
    }
}

/* ---- entries ---- */

static void unknown(struct reader *r, int tok, const char *name) {
    char hint[VH_NAME_MAX + 24] = "";
    int best = 2, near = -1;
    for (int i = 0; i < r->c->nconnectors && best >= 0 && strlen(name) < VH_NAME_MAX; i++) {
        int d = str_distance(name, r->c->connectors[i].name, best);
        if (d <= best) {
            near = i;
            best = d - 1;
        }
    }
    if (near >= 0)
        VH_ASSERT(str_fmt(hint, sizeof hint, ": did you mean '%s'?", r->c->connectors[near].name));
    rd_error(r, tok, "there is no such connector in 'general.connectors', and it is no stable path%s", hint);
}

static bool read_place(struct reader *r, struct entry *e, int tok) {
    static const char what[] = "the name of a connector or a port's stable path, or an array of them";
    if (json_type(&r->j, tok) != JSON_STRING) {
        rd_expected(r, tok, what);
        return false;
    }
    if (r->c->nplaces == VH_CONNECTOR_PLACES) {
        rd_error(r, tok, "more than %d connectors in entries in all (VH_CONNECTOR_PLACES)", VH_CONNECTOR_PLACES);
        return false;
    }
    const char *text = rd_keep(r, tok);
    if (text == NULL)
        return false;
    int named = connector_find(r->c, text);
    if (named < 0 && !is_port(text)) {
        if (!r->connectors_unread)
            unknown(r, tok, text);
        return r->connectors_unread;
    }
    r->c->places[r->c->nplaces++] =
        (struct entry_place){.path = named < 0 ? text : NULL, .connector = (uint16_t)(named < 0 ? 0 : named)};
    e->nplaces++;
    return true;
}

bool conf_read_places(struct reader *r, struct entry *e, int tok) {
    bool sound = true;
    e->places = r->c->nplaces;
    e->nplaces = 0;
    if (json_type(&r->j, tok) != JSON_ARRAY)
        return read_place(r, e, tok);
    if (json_size(&r->j, tok) == 0) {
        rd_error(r, tok, "an empty list: no device would match");
        return false;
    }
    for (int t = json_first(&r->j, tok); t >= 0; t = json_next(&r->j, t))
        sound &= read_place(r, e, t);
    return sound;
}
