/*
 * prove_uevent.c - the kernel's messages: one KEY=VALUE, the header, and the walk from one string to the next.
 */
#include "codec/uevent.c"
#include "prove.h"

enum { STRING = 14, HEADER = 8, MESSAGE = 10 };

/* Any string, at the end of its room. */
static const char *any_string(char *room, size_t size) {
    size_t from = nondet_size();
    __CPROVER_havoc_object(room);
    ASSUME(from < size && room[size - 1] == '\0');
    return room + from;
}

static bool is_key(const char *s, const char *key) {
    size_t i = 0;
    for (; key[i] != '\0'; i++) {
        if (s[i] != key[i])
            return false;
    }
    return s[i] == '=';
}

/* A number is read digit by digit elsewhere; here any of them may be refused. */
static bool number_says;
bool some_number(const char *s, size_t n, uint64_t max, uint64_t *out);
bool some_number(const char *s, size_t n, uint64_t max, uint64_t *out) {
    CLAIM(max == UINT64_MAX && s[n] == '\0');
    if (number_says)
        *out = nondet_u64();
    return number_says;
}

/* One string, any set of keys seen before. A field is set by its own key alone, once, to what follows its "=". */
PROOF(take) {
    static char room[STRING];
    const char *s = any_string(room, STRING),
               none[] = "", *const keys[] = {"ACTION", "DEVPATH", "SUBSYSTEM", "DEVTYPE", "DEVNAME", "DRIVER"};
    struct uevent ev = {none, none, none, none, none, none, .seqnum = 7};
    const char **fields[] = {&ev.action, &ev.devpath, &ev.subsystem, &ev.devtype, &ev.devname, &ev.driver};
    unsigned seen = nondet_u32(), before = seen;
    number_says = nondet_bool();
    bool taken = take(&ev, s, &seen);
    for (unsigned i = 0; i < 6; i++) {
        bool mine = is_key(s, keys[i]);
        size_t skip = strlen(keys[i]) + 1;
        if (mine)
            CLAIM(taken == ((before >> i & 1) == 0));
        CLAIM(*fields[i] == (mine && taken ? s + skip : none));
        CLAIM((seen >> i & 1) == ((before >> i & 1) | (mine && taken)));
    }
    bool number = is_key(s, "SEQNUM");
    CLAIM(!number || taken == (number_says && (before & SEEN_SEQNUM) == 0));
    CLAIM(number || ev.seqnum == 7);
    CLAIM(ev.synthetic == is_key(s, "SYNTH_UUID"));
    CLAIM(!taken || (strchr(s, '=') != NULL && s[0] != '='));
}

/* "action@devpath" in the header, and in the keys. */
PROOF(header) {
    static char text[HEADER], a[3], d[4];
    const char *header = any_string(text, HEADER);
    struct uevent ev = {.action = any_string(a, 3), .devpath = any_string(d, 4)};
    size_t n = strlen(ev.action), m = strlen(ev.devpath);
    bool same = n > 0 && m > 0 && ev.devpath[0] == '/' && strlen(header) == n + 1 + m;
    for (size_t i = 0; same && i < n; i++)
        same = header[i] == ev.action[i];
    same = same && header[n] == '@';
    for (size_t i = 0; same && i < m; i++)
        same = header[n + 1 + i] == ev.devpath[i];
    CLAIM(header_agrees(&ev, header) == same);
}

/* ---- the walk ---- */

static const char *message;
static size_t length, next; /* where the next string begins */

/* In the place of take(): any answer. It is asked about each string of the message, once, in order. */
bool some_take(struct uevent *ev, const char *s, unsigned *seen);
bool some_take(struct uevent *ev, const char *s, unsigned *seen) {
    CLAIM(s == message + next && next < length);
    while (message[next++] != '\0')
        ;
    *seen |= nondet_bool() ? SEEN_SEQNUM : 0;
    ev->subsystem = nondet_bool() ? "" : "usb";
    return nondet_bool();
}

bool some_header(const struct uevent *ev, const char *header);
bool some_header(const struct uevent *ev, const char *header) {
    CLAIM(header == message && ev->subsystem[0] != '\0');
    return nondet_bool();
}

PROOF(walk) {
    static char room[MESSAGE];
    struct uevent ev;
    __CPROVER_havoc_object(room);
    length = nondet_size();
    ASSUME(length <= MESSAGE);
    message = room + MESSAGE - length;
    for (next = 0; next < length && message[next] != '\0';)
        next++;
    next++;
    bool taken = uevent_parse(&ev, message, length);
    CLAIM(!taken || (length > 0 && message[length - 1] == '\0' && next == length));
}
