/*
 * uevent.c - the kernel's uevent message, parsed in place.
 *
 * lib/kobject_uevent.c writes "action@devpath", a NUL, then KEY=VALUE strings, each ended by a NUL; ACTION, DEVPATH,
 * SUBSYSTEM and SEQNUM are always among them. A message that lacks one of them or contradicts itself is refused.
 */
#include "codec/uevent.h"

#include "base/str.h"

#include <string.h>

#define SEEN_SEQNUM (1U << 31)

/* The value if s is "key=...", else NULL. */
static const char *value_of(const char *s, const char *key) {
    size_t n = strlen(key);
    return strncmp(s, key, n) == 0 && s[n] == '=' ? s + n + 1 : NULL;
}

/* One KEY=VALUE. A known key must not occur twice. False if the message is refused. */
static bool take(struct uevent *ev, const char *s, unsigned *seen) {
    const struct {
        const char *key;
        const char **field;
    } known[] = {{"ACTION", &ev->action},   {"DEVPATH", &ev->devpath}, {"SUBSYSTEM", &ev->subsystem},
                 {"DEVTYPE", &ev->devtype}, {"DEVNAME", &ev->devname}, {"DRIVER", &ev->driver}};
    const char *v;
    if (strchr(s, '=') == NULL || s[0] == '=')
        return false;
    if (s[0] != 'A' && s[0] != 'D' && s[0] != 'S') /* no known key */
        return true;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        v = value_of(s, known[i].key);
        if (v == NULL)
            continue;
        if ((*seen & 1U << i) != 0)
            return false;
        *seen |= 1U << i;
        *known[i].field = v;
        return true;
    }
    if (value_of(s, "SYNTH_UUID") != NULL)
        ev->synthetic = true;
    v = value_of(s, "SEQNUM");
    if (v == NULL)
        return true;
    if ((*seen & SEEN_SEQNUM) != 0 || !str_uint(v, strlen(v), UINT64_MAX, &ev->seqnum))
        return false;
    *seen |= SEEN_SEQNUM;
    return true;
}

/* "action@devpath" must agree with the keys. */
static bool header_agrees(const struct uevent *ev, const char *header) {
    size_t n = strlen(ev->action);
    return n > 0 && ev->devpath[0] == '/' && strncmp(header, ev->action, n) == 0 && header[n] == '@' &&
           str_eq(header + n + 1, ev->devpath);
}

bool uevent_is_below(const char *msg, size_t len, const char *text) {
    return len > 0 && msg[len - 1] == '\0' && strstr(msg, text) != NULL; /* an action has no slash */
}

bool uevent_parse(struct uevent *ev, const char *msg, size_t len) {
    *ev = (struct uevent){.action = "", .devpath = "", .subsystem = "", .devtype = "", .devname = "", .driver = ""};
    if (len == 0 || msg[len - 1] != '\0')
        return false;
    unsigned seen = 0;
    for (size_t at = strlen(msg) + 1; at < len; at += strlen(msg + at) + 1) {
        if (!take(ev, msg + at, &seen))
            return false;
    }
    return (seen & SEEN_SEQNUM) != 0 && ev->subsystem[0] != '\0' && header_agrees(ev, msg);
}

const char *uevent_name(const char *devpath) {
    const char *slash = strrchr(devpath, '/');
    return slash != NULL ? slash + 1 : devpath;
}
