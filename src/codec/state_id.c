/*
 * state_id.c - ids of devices in the state file, and udev's form of a serial number. Owns nothing; never says whether a
 * device is meant.
 */
#include "codec/state_id.h"

#include "base/assert.h"

#include <string.h>

uint32_t state_id_hash(uint16_t vid, uint16_t pid, const char *serial) {
    uint32_t h = UINT32_C(2166136261) ^ ((uint32_t)vid << 16 | pid); /* FNV-1a */
    for (; *serial != '\0'; serial++)
        h = (h ^ (unsigned char)*serial) * UINT32_C(16777619);
    return h;
}

bool state_id_parse(const char *text, struct state_id *id) {
    uint32_t vid = 0, pid = 0;
    id->old = !str_starts(text, "usb-");
    const char *s = text + (id->old ? 0 : 4);
    if (strnlen(s, 10) < 10 || s[4] != ':' || s[9] != ':' || !str_hex(s, 4, &vid) || !str_hex(s + 5, 4, &pid))
        return false;
    id->vid = (uint16_t)vid;
    id->pid = (uint16_t)pid;
    bool fits = str_copy(id->serial, sizeof id->serial, str_eq(s + 10, STATE_ID_NO_SERIAL) ? "" : s + 10);
    id->hash = state_id_hash(id->vid, id->pid, id->serial);
    return fits;
}

bool state_id_print(char dst[STATE_ID_MAX], uint16_t vid, uint16_t pid, const char *serial) {
    return str_fmt(dst, STATE_ID_MAX, "usb-%04x:%04x:%s", (unsigned)vid, (unsigned)pid,
                   serial[0] != '\0' ? serial : STATE_ID_NO_SERIAL);
}

/* ---- udev ---- */

/* udev ignores a serial number with a character that Microsoft does not allow. */
static bool udev_ignores(unsigned char c) {
    return c < 0x20 || c > 0x7f || c == ',';
}

static bool udev_keeps(char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           (c != '\0' && strchr("#+-.:=@_", c) != NULL);
}

/* The next character of udev's form; *s is moved on. 0 at the end, and at a character for which udev ignores all. A run
 * of blanks is one, and blanks at either end are none. "\x" is kept: it begins an escape of udev's own. */
static char udev_next(const char **s, bool begun) {
    size_t blanks = strspn(*s, " ");
    const char *p = *s + blanks;
    if (*p == '\0' || udev_ignores((unsigned char)*p)) {
        *s = p;
        return '\0';
    }
    if (blanks > 0 && begun) {
        *s = p;
        return '_';
    }
    *s = p + 1;
    return udev_keeps(*p) || (p[0] == '\\' && p[1] == 'x') ? *p : '_';
}

/* Is it udev's form? *ignored: udev has none. */
static bool is_form(const char *serial, const char *text, bool *ignored) {
    const char *s = serial;
    size_t at = 0;
    char c;
    while ((c = udev_next(&s, at > 0)) != '\0' && c == text[at])
        at++;
    *ignored = false;
    if (c != '\0' && text[0] != '\0')
        return false; /* most differ early */
    while (*s != '\0' && !udev_ignores((unsigned char)*s))
        s++;
    *ignored = *s != '\0';
    return c == '\0' && text[at] == '\0';
}

bool state_id_is_udev(const char *serial, const char *text) {
    bool ignored = false, same = is_form(serial, text, &ignored);
    if (text[0] == '\0')
        return same || ignored || is_form(serial, STATE_ID_NO_SERIAL, &ignored);
    return same && !ignored;
}

void state_id_udev(const char *serial, char dst[VH_STRING_MAX]) {
    const char *s = serial;
    size_t n = 0;
    for (char c; (c = udev_next(&s, n > 0)) != '\0';) {
        VH_ASSERT(n + 1 < VH_STRING_MAX); /* never longer than the serial number */
        dst[n++] = c;
    }
    dst[*s == '\0' ? n : 0] = '\0';
    if (str_eq(dst, STATE_ID_NO_SERIAL))
        dst[0] = '\0'; /* in an id it is none */
}
