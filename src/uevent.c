/*
 * uevent.c - the kernel's uevent message, parsed in place.
 *
 * lib/kobject_uevent.c writes "action@devpath", a NUL, then KEY=VALUE strings, each ended by a NUL; ACTION, DEVPATH,
 * SUBSYSTEM and SEQNUM are always among them. What lacks one of these, or says two things at once, is not from there.
 */
#include "uevent.h"

#include "str.h"

#include <string.h>

/* The value if s is "key=...", else NULL. */
static const char *value_of(const char *s, const char *key) {
    size_t n = strlen(key);
    return strncmp(s, key, n) == 0 && s[n] == '=' ? s + n + 1 : NULL;
}

/* One KEY=VALUE. A key that we know must not come twice. False if the message is refused. */
static bool take(struct uevent *ev, const char *s, bool *numbered) {
    const struct {
        const char *key;
        const char **field;
    } known[] = {{"ACTION", &ev->action},   {"DEVPATH", &ev->devpath}, {"SUBSYSTEM", &ev->subsystem},
                 {"DEVTYPE", &ev->devtype}, {"DEVNAME", &ev->devname}, {"DRIVER", &ev->driver}};
    const char *v;
    if (strchr(s, '=') == NULL || s[0] == '=')
        return false;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        v = value_of(s, known[i].key);
        if (v == NULL)
            continue;
        if ((*known[i].field)[0] != '\0')
            return false;
        *known[i].field = v;
        return true;
    }
    if (value_of(s, "SYNTH_UUID") != NULL)
        ev->synthetic = true;
    v = value_of(s, "SEQNUM");
    if (v == NULL)
        return true;
    if (*numbered || !str_uint(v, strlen(v), UINT64_MAX, &ev->seqnum))
        return false;
    *numbered = true;
    return true;
}

/* "action@devpath" must say what the keys say. */
static bool header_agrees(const struct uevent *ev, const char *header) {
    size_t n = strlen(ev->action);
    return n > 0 && ev->devpath[0] == '/' && strncmp(header, ev->action, n) == 0 && header[n] == '@' &&
           str_eq(header + n + 1, ev->devpath);
}

bool uevent_parse(struct uevent *ev, const char *msg, size_t len) {
    *ev = (struct uevent){.action = "", .devpath = "", .subsystem = "", .devtype = "", .devname = "", .driver = ""};
    if (len == 0 || msg[len - 1] != '\0')
        return false;
    bool numbered = false;
    for (size_t at = strlen(msg) + 1; at < len; at += strlen(msg + at) + 1) {
        if (!take(ev, msg + at, &numbered))
            return false;
    }
    return numbered && header_agrees(ev, msg);
}

const char *uevent_name(const char *devpath) {
    const char *slash = strrchr(devpath, '/');
    return slash != NULL ? slash + 1 : devpath;
}
