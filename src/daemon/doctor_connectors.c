/*
 * doctor_connectors.c - shows the ports of this host, and writes them as general.connectors. Owns the words;
 * usb_ports.c finds the ports. Changes nothing.
 *
 * A socket of USB 3 is two ports. Only firmware that gives both a location proves that; else the kernel takes ports
 * with equal numbers for one socket, which may be wrong. So a guess is shown, and is not written as one connector.
 */
#include "daemon/doctor_connectors.h"

#include "base/limits.h"
#include "base/str.h"
#include "bus/usb/usb_ports.h"
#include "codec/stable_path.h"
#include "config/connectors.h"

#include <stdio.h>
#include <string.h>

static struct usb_port ports[VH_CONNECTOR_PORTS];
static int nports;

/* What device_identity() would call a device that is plugged in there. */
static int16_t named(const struct conf *c, const struct usb_port *p) {
    struct device d;
    device_clear(&d);
    d.stable_path = p->path;
    d.twin = p->location != 0 ? p->other : "";
    return connector_of(c, &d);
}

/* Of a stable path: '2' or '3'. */
static char half_of(const struct usb_port *p) {
    return p->path[strcspn(p->path, "/") + 1];
}

static const struct usb_port *other_side(const struct usb_port *p) {
    char path[VH_STABLE_PATH_MAX];
    if (p->other[0] == '\0' || !stable_path_other(path, p->path, p->other))
        return NULL;
    for (int i = 0; i < nports; i++) {
        if (str_eq(ports[i].path, path))
            return &ports[i];
    }
    return NULL;
}

/* Proved by the firmware. */
static const struct usb_port *joined(const struct usb_port *p) {
    const struct usb_port *other = other_side(p);
    return other != NULL && p->location != 0 && p->location == other->location ? other : NULL;
}

/* ---- the table ---- */

static void print_row(const struct conf *c, const struct usb_port *p, int width) {
    int16_t k = named(c, p);
    char location[16] = "-", other[VH_PORTPATH_MAX + 8] = "-";
    bool fits = p->location == 0 || str_fmt(location, sizeof location, "0x%08x", (unsigned)p->location);
    if (p->other[0] != '\0')
        fits = fits && str_fmt(other, sizeof other, "%c:%s%s", half_of(p) == '2' ? '3' : '2', p->other,
                               joined(p) != NULL ? "" : "?");
    (void)fits; /* both have their room */
    fprintf(stderr, "%-*s  %-9s  %-10s  %-10s  %-8s  %s\n", width, p->path, p->type, location, other,
            p->device[0] != '\0' ? p->device : "-", k >= 0 ? c->connectors[k].name : "-");
}

static void print_table(const struct conf *c) {
    int width = (int)strlen("PORT");
    for (int i = 0; i < nports; i++)
        width = (int)strlen(ports[i].path) > width ? (int)strlen(ports[i].path) : width;
    fprintf(stderr, "%-*s  %-9s  %-10s  %-10s  %-8s  %s\n", width, "PORT", "TYPE", "LOCATION", "OTHER SIDE", "DEVICE",
            "CONNECTOR");
    for (int i = 0; i < nports; i++)
        print_row(c, &ports[i], width);
}

/* ---- the configuration ---- */

/* Of the sockets of the host itself: what is behind a hub belongs to the hub's socket. The USB 2 side stands for a
 * joined one. */
static bool is_socket(const struct usb_port *p) {
    const char *path = stable_path_ports(p->path);
    bool second = joined(p) != NULL && half_of(p) == '3';
    return strchr(path, '.') == NULL && !str_eq(p->type, "not used") && !second;
}

static void print_name(const struct conf *c, const struct usb_port *p, int number) {
    char text[6 * VH_NAME_MAX + 3];
    struct sbuf sb; /* each byte takes six at most */
    int16_t k = named(c, p);
    sb_init(&sb, text, sizeof text);
    if (k >= 0)
        sb_json(&sb, c->connectors[k].name);
    else
        sb_fmt(&sb, "\"socket-%d\"", number);
    fputs(text, stdout);
}

static void print_ports(const struct conf *c, const struct usb_port *p) {
    const struct usb_port *other = joined(p);
    int16_t k = named(c, p);
    if (k < 0) {
        printf("\"%s\"", p->path);
        if (other != NULL)
            printf(", \"%s\"", other->path);
        return;
    }
    for (int i = 0; i < c->connectors[k].nports; i++)
        printf("%s\"%s\"", i > 0 ? ", " : "", c->connector_ports[c->connectors[k].ports + i]);
}

/* Of one connector that is named already only the first port counts. */
static bool is_written(const struct conf *c, int row) {
    int16_t k = named(c, &ports[row]);
    for (int i = 0; i < row && k >= 0; i++) {
        if (is_socket(&ports[i]) && named(c, &ports[i]) == k)
            return true;
    }
    return false;
}

static void print_connector(const struct conf *c, const struct usb_port *p, int number) {
    const struct usb_port *other = other_side(p);
    fputs("      {\"name\": ", stdout);
    print_name(c, p, number);
    fputs(", \"ports\": [", stdout);
    print_ports(c, p);
    printf("],\n       \"description\": \"%s", p->type);
    if (p->location != 0)
        printf(", location 0x%08x", (unsigned)p->location);
    if (other != NULL && joined(p) == NULL)
        printf(", other side perhaps %s", other->path);
    if (p->device[0] != '\0')
        printf(", now %s", p->device);
    fputs("\"}", stdout);
}

/* Not more than a configuration may have. */
static void print_conf(const struct conf *c) {
    int n = 0, more = 0;
    fputs("{\"general\": {\"connectors\": [", stdout);
    for (int i = 0; i < nports; i++) {
        if (!is_socket(&ports[i]) || is_written(c, i))
            continue;
        more += n == VH_NAMED_CONNECTORS;
        if (n == VH_NAMED_CONNECTORS)
            continue;
        fputs(n > 0 ? ",\n" : "\n", stdout);
        print_connector(c, &ports[i], ++n);
    }
    puts(n > 0 ? "\n]}}" : "]}}");
    (void)fflush(stdout); /* main() looks for errors of standard output */
    if (more > 0)
        fprintf(stderr, "(%d more sockets have no name: a configuration has at most %d)\n", more, VH_NAMED_CONNECTORS);
}

int doctor_connectors(const struct conf *c) {
    bool more = false;
    nports = usb_ports_read(ports, VH_CONNECTOR_PORTS, &more);
    if (nports == 0) {
        fputs("vhotplug: this host has no USB port (or no sysfs on /sys)\n", stderr);
        return 1;
    }
    print_table(c);
    if (more)
        fprintf(stderr, "(there are more: the first %d are shown)\n", VH_CONNECTOR_PORTS);
    print_conf(c);
    return 0;
}
