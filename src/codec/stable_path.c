/*
 * stable_path.c - names of USB ports that do not depend on bus numbers, written, read and compared. Never looks whether
 * anything is there.
 *
 * A slash of sysfs becomes "-", so that the one slash of a path ends the controller's name. Two controllers would have
 * one name only if a directory were called like another one and what is in it, joined by "-"; the kernel has none.
 */
#include "codec/stable_path.h"

#include "base/assert.h"
#include "base/str.h"
#include "codec/usb_place.h"

#include <string.h>

enum { USB3_SPEED = 5000 }; /* Mb/s of the slowest USB 3 */

/* What a name of a device in sysfs is made of; it needs no escape in JSON, and no quotes in a shell. */
static bool is_name(char c) {
    return c > ' ' && c <= '~' && strchr("\"'\\/$`*?!&;|<>()[]{}#", c) == NULL;
}

static int half_of(const char *speed) {
    uint64_t v = 0;
    size_t digits = strspn(speed, "0123456789"); /* "1.5" is USB 1 */
    if (!str_uint(speed, digits, 1000000, &v))
        return 0;
    return v >= USB3_SPEED ? 3 : 2;
}

/* The root hub's own directory in a path; NULL: it is not there. */
static const char *root_hub(const char *s, unsigned bus) {
    char name[sizeof "/usb255"];
    bool fits = str_fmt(name, sizeof name, "/usb%u", bus);
    size_t n = strlen(name);
    VH_ASSERT(fits); /* a byte */
    for (const char *at = strstr(s, name); at != NULL; at = strstr(at + 1, name)) {
        if (at[n] == '/' || at[n] == '\0')
            return at;
    }
    return NULL;
}

bool stable_path_make(char dst[VH_STABLE_PATH_MAX], const char *link, uint8_t bus, const char *root_speed,
                      const char *ports) {
    static const char devices[] = "/devices/";
    const char *begin = strstr(link, devices);
    const char *from = begin != NULL ? begin + sizeof devices - 1 : NULL;
    const char *hub = from != NULL ? root_hub(from, bus) : NULL;
    int half = half_of(root_speed);
    struct sbuf sb;
    sb_init(&sb, dst, VH_STABLE_PATH_MAX);
    for (const char *s = from; hub != NULL && s < hub; s++)
        sb_char(&sb, *s == '/' ? '-' : *s);
    sb_fmt(&sb, "/%d:%s", half, ports);
    bool whole = half != 0 && sb_ok(&sb) && stable_path_valid(dst);
    if (!whole)
        dst[0] = '\0';
    return whole;
}

bool stable_path_valid(const char *s) {
    size_t n = 0, len = strnlen(s, VH_STABLE_PATH_MAX);
    while (n < len && is_name(s[n]))
        n++;
    if (len == VH_STABLE_PATH_MAX || n == 0 || s[n] != '/' || (s[n + 1] != '2' && s[n + 1] != '3') || s[n + 2] != ':')
        return false;
    const char *ports = s + n + 3;
    return str_eq(ports, "0") || usb_port_path_exact(ports, strlen(ports));
}

const char *stable_path_ports(const char *path) {
    const char *slash = strchr(path, '/');
    return slash != NULL ? slash + sizeof "/2:" - 1 : path;
}

bool stable_path_other(char dst[VH_STABLE_PATH_MAX], const char *path, const char *ports) {
    const char *slash = strchr(path, '/');
    bool fits = slash != NULL && str_fmt(dst, VH_STABLE_PATH_MAX, "%.*s/%c:%s", (int)(slash - path), path,
                                         slash[1] == '2' ? '3' : '2', ports);
    if (!fits)
        dst[0] = '\0';
    return fits;
}

const char *stable_path_behind(const char *port, const char *path, const char *twin) {
    const char *end = strchr(port, '/'), *slash = strchr(path, '/');
    if (end == NULL || slash == NULL || end - port != slash - path || memcmp(port, path, (size_t)(slash - path)) != 0)
        return NULL;
    const char *wanted = stable_path_ports(port), *ports = end[1] == slash[1] ? stable_path_ports(path) : twin;
    size_t n = strlen(wanted);
    return strncmp(ports, wanted, n) == 0 && (ports[n] == '\0' || ports[n] == '.') ? ports + n : NULL;
}
