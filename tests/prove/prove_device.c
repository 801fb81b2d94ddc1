/*
 * prove_device.c - orders to a device worker and its answers. What is taken as valid is within every bound that the
 * loop relies on: texts end, names are names, numbers are in range, no address comes along. Functions that are proved
 * by themselves are replaced by any answer.
 */
#include "bus/device_order.c"
#include "prove.h"

static bool ends(const char *s, size_t n) {
    bool found = false;
    for (size_t i = 0; i < n; i++)
        found = found || s[i] == '\0';
    return found;
}

/* ---- names ---- */

enum { NAME = 8 };

/* strspn() of digits, the only set that is asked for. */
size_t digits(const char *s, const char *accept);
size_t digits(const char *s, const char *accept) {
    size_t n = 0;
    CLAIM(accept[0] == '0' && accept[9] == '9' && accept[10] == '\0');
    while (s[n] >= '0' && s[n] <= '9')
        n++;
    return n;
}

/* "usb" and digits, or digits, a dash, and digits between dots: by one look at each character. */
PROOF(name) {
    static char room[NAME];
    size_t from = nondet_size();
    __CPROVER_havoc_object(room);
    ASSUME(from < NAME && room[NAME - 1] == '\0');
    const char *name = room + from;
    bool root = name[0] == 'u', dash = false, fits = !root || (name[1] == 's' && name[2] == 'b'), digit = false;
    for (size_t i = root ? 3 : 0; fits && name[i] != '\0'; i++) {
        bool is_digit = name[i] >= '0' && name[i] <= '9';
        fits = is_digit || (!root && digit && name[i] == (dash ? '.' : '-'));
        dash = dash || name[i] == '-';
        digit = is_digit;
    }
    CLAIM(device_name_valid(name) == (fits && digit && (root || dash)));
}

static bool name_says, text_says;
bool some_name(const char *name);
bool some_name(const char *name) {
    CLAIM(ends(name, VH_SYSNAME_MAX));
    return name_says;
}

bool some_text(const char *s);
bool some_text(const char *s) {
    return s[0] == '\0' || text_says;
}

/* ---- orders ---- */

struct device_order nondet_order(void);
struct device_list nondet_list(void);

static void any_says(void) {
    name_says = nondet_bool();
    text_says = nondet_bool();
}

PROOF(order) {
    struct device_order o = nondet_order();
    any_says();
    bool valid = device_order_valid(&o);
    bool all = o.head.kind == DEVICE_LIST || o.head.kind == DEVICE_USES || o.head.kind == DEVICE_PCI ||
               o.head.kind == DEVICE_EVDEV;
    bool one = o.head.kind == DEVICE_READ || o.head.kind == DEVICE_OPEN || o.head.kind == DEVICE_RELEASE ||
               o.head.kind == DEVICE_HUB || o.head.kind == DEVICE_OFFER || o.head.kind == DEVICE_REVOKE ||
               o.head.kind == DEVICE_CLOSE_BUS;
    CLAIM(valid == (ends(o.sys_name, sizeof o.sys_name) && (all ? o.sys_name[0] == '\0' : one && name_says)));
}

/* ---- answers ---- */

PROOF(list) {
    struct device_list l = nondet_list();
    any_says();
    uint32_t any = nondet_u32();
    ASSUME(l.n <= VH_MAX_DEVICES && any < l.n);
    if (!list_valid(&l))
        return;
    CLAIM(l.whole <= 1 && ends(l.row[any].sys_name, VH_SYSNAME_MAX) && name_says);
    CLAIM(l.row[any].devnum <= 127 && l.row[any].unauthorised <= 1);
}

/* The paths of modules: each ends within the room, there are few enough, an empty one ends them. */
PROOF(drivers) {
    static char drivers[VH_DRIVERS_TEXT];
    __CPROVER_havoc_object(drivers);
    if (!drivers_valid(drivers))
        return;
    size_t at = 0;
    int n = 0;
    while (drivers[at] != '\0') {
        while (drivers[at] != '\0')
            at++;
        at++;
        n++;
    }
    CLAIM(n <= VH_MAX_DRIVERS && at < VH_DRIVERS_TEXT);
}

PROOF(descriptors) {
    struct device d;
    uint8_t any = nondet_u8(), config = nondet_u8();
    ASSUME(descriptors_valid(&d) && config < 8);
    CLAIM(d.usb.nifaces <= VH_MAX_IFACES && d.usb.nconfigs <= VH_MAX_CONFIGS);
    ASSUME(any < d.usb.nifaces);
    CLAIM((d.usb.bound_in[any] >> config & 1) == 0 || config < d.usb.nconfigs);
}

PROOF(pointer) {
    struct device d;
    int any = nondet_int();
    ASSUME(any >= 0 && any < VH_MAX_DRIVERS && !has_pointer(&d));
    CLAIM(d.serial == NULL && d.vendor_name == NULL && d.product_name == NULL && d.protect == NULL);
    CLAIM(d.malformed == NULL && d.note == NULL && d.stable_path == NULL && d.twin == NULL &&
          d.driver_path[any] == NULL);
}

/* In prove_answer: whether a form is valid is proved above. */
static bool form_says;
bool some_list(const struct device_list *l);
bool some_list(const struct device_list *l) {
    CLAIM(l->n <= VH_MAX_DEVICES);
    return form_says;
}
bool some_uses(const struct device_uses *u);
bool some_uses(const struct device_uses *u) {
    CLAIM(u->n <= VH_MAX_DEVICES);
    return form_says;
}
bool some_pci(const struct device_pci *l);
bool some_pci(const struct device_pci *l) {
    CLAIM(l->n <= VH_MAX_PCI);
    return form_says;
}
bool some_evdev(const struct device_evdev *l);
bool some_evdev(const struct device_evdev *l) {
    CLAIM(l->n <= VH_MAX_EVDEV);
    return form_says;
}
bool some_read(const struct device_read *r, const struct device_order *o);
bool some_read(const struct device_read *r, const struct device_order *o) {
    (void)r, (void)o;
    return form_says;
}

/* The kind, the length and the descriptor of an answer, whatever its form is. */
PROOF(answer) {
    static union device_answer a;
    struct device_order o = nondet_order();
    size_t n = nondet_size();
    any_says();
    form_says = nondet_bool();
    if (nondet_bool()) {
        a.list.n = nondet_u32();
    } else {
        a.done.result = nondet_u32();
        a.done.ports = nondet_u8();
    }
    ASSUME(o.head.kind >= DEVICE_LIST && o.head.kind < DEVICE_KINDS);
    bool with_fd = nondet_bool(), valid = device_answer_valid(&o, &a, n, with_fd);
    bool node = o.head.kind == DEVICE_OPEN || o.head.kind == DEVICE_HUB;
    CLAIM(!valid || n == device_answer_size(o.head.kind, &a));
    CLAIM(!valid || n <= sizeof a);
    CLAIM(!valid || !with_fd || node || (o.head.kind == DEVICE_READ && o.open != 0));
    CLAIM(!valid || !node || with_fd == (a.done.result == DEVICE_SAME));
    CLAIM(!valid || o.head.kind != DEVICE_HUB || (a.done.ports > 0) == with_fd);
    CLAIM(!valid || form_says || (!device_order_lists(o.head.kind) && o.head.kind != DEVICE_READ));
}
