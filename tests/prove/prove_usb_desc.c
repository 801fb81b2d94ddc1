/*
 * prove_usb_desc.c - the walk over a device's descriptors, one descriptor at a time: from any state that the walk can
 * be in, any descriptor. So what is proved of one step holds for files of any length.
 *
 * The kernel's part is said once more here, as drivers/usb/core/config.c has it: which interfaces it keeps, and to
 * which alternate setting it binds drivers. What it would bind to must be a row, marked as bound in that configuration.
 */
#include "codec/usb_desc.c"
#include "prove.h"

static struct device dev;
static struct walk w;

struct device nondet_device(void);
struct walk nondet_walk(void);
struct head {
    unsigned char p[255];
} nondet_head(void);

/* The state between two descriptors; in a configuration or before the first. Of the marks, those of one number:
 * whatever is proved of any one is so of each. */
static bool sound(uint8_t number) {
    return w.dev == &dev && dev.nifaces <= VH_MAX_IFACES && dev.nconfigs <= VH_MAX_CONFIGS &&
           w.bound[number] <= dev.nifaces && (w.bound[number] != 0 || !w.first[number]) &&
           (w.config == NULL || dev.nconfigs > 0);
}

/* Any sound state in a configuration whose descriptor begins `config`. */
static void any_state(const unsigned char *config, uint8_t number) {
    dev = nondet_device();
    w = nondet_walk();
    w.dev = &dev;
    w.config = config;
    ASSUME(sound(number));
}

static bool is_row(int i, const unsigned char *p) {
    return i >= 0 && i < dev.nifaces && dev.ifaces[i].number == p[2] && dev.ifaces[i].cls == p[5] &&
           dev.ifaces[i].sub == p[6] && dev.ifaces[i].proto == p[7];
}

/* What the kernel knows of one interface number of a configuration: the row of the first alternate setting, and that of
 * the first one with number 0, each 1 + row; 0: there is none yet. It binds drivers to the latter, else to the former.
 */
struct kernel {
    int any, zero;
};

static bool agrees(const struct kernel *k, uint8_t number) {
    int row = k->zero != 0 ? k->zero : k->any;
    return w.bound[number] == row && w.first[number] == (k->zero != 0) && (k->any != 0) == (row != 0);
}

static struct kernel any_kernel(uint8_t number) {
    struct kernel k = {nondet_int(), nondet_int()};
    ASSUME(k.any >= 0 && k.any <= dev.nifaces && k.zero >= 0 && k.zero <= dev.nifaces && agrees(&k, number));
    return k;
}

/* One interface descriptor. It is a row afterwards, no row is lost or changed, and what the kernel would bind drivers
 * to, of this or of any other number, is what is marked. */
PROOF(interface) {
    unsigned char config[CONFIG_LEN];
    struct head next = nondet_head();
    const unsigned char *p = next.p;
    uint8_t number = nondet_u8(), old = nondet_u8();
    any_state(config, number);
    uint8_t nifaces = dev.nifaces;
    struct kernel k = any_kernel(number);
    ASSUME(old < VH_MAX_IFACES);
    struct usb_iface row = dev.ifaces[old];
    if (!add_interface(&w, p))
        return; /* refused: the device is unclassifiable, and no rule gives it away */
    int at = 0;
    while (at < dev.nifaces && !is_row(at, p))
        at++;
    CLAIM(p[0] >= INTERFACE_LEN && is_row(at, p));
    CLAIM(old >= nifaces || (row.number == dev.ifaces[old].number && row.cls == dev.ifaces[old].cls &&
                             row.sub == dev.ifaces[old].sub && row.proto == dev.ifaces[old].proto));
    CLAIM(dev.nifaces >= nifaces && dev.nifaces <= nifaces + 1);
    if (p[2] == number) {
        k.any = k.any != 0 ? k.any : at + 1;
        k.zero = k.zero != 0 || p[3] != 0 ? k.zero : at + 1;
    }
    CLAIM(agrees(&k, number));
    CLAIM(sound(number));
}

/* In prove_one in the place of end_config(): what that relies on, and any answer. */
bool some_end(struct walk *of, const unsigned char *end);
bool some_end(struct walk *of, const unsigned char *end) {
    CLAIM(of == &w && of->config != NULL && end - of->config >= CONFIG_LEN && dev.nconfigs > 0);
    of->why = "refused";
    return nondet_bool();
}

/* The next descriptor, whatever it is, of any length, with `left` bytes to the end of the file. */
PROOF(one) {
    size_t n = nondet_size(), at = nondet_size(), from = nondet_size();
    ASSUME(n <= VH_DESC_MAX && at < n && from <= at);
    unsigned char *file = any_bytes(n);
    bool begun = nondet_bool();
    ASSUME(!begun || at - from >= CONFIG_LEN);
    uint8_t number = nondet_u8();
    any_state(begun ? file + from : NULL, number);
    unsigned count = nondet_u8();
    ASSUME(begun == (at > 0) && begun == (dev.nconfigs > 0) && dev.nconfigs <= count);
    ASSUME(begun || (n - at >= CONFIG_LEN && file[at] >= CONFIG_LEN && file[at + 1] == DT_CONFIG));
    bool taken = parse_one(&w, file + at, n - at, count);
    if (!taken) {
        CLAIM(w.why != NULL);
        return;
    }
    CLAIM(file[at] >= 2 && file[at] <= n - at);
    CLAIM(file[at + 1] != DT_DEVICE);
    CLAIM(file[at + 1] != DT_CONFIG || w.config == file + at);
    CLAIM(w.config != NULL && file + at + file[at] - w.config >= CONFIG_LEN && dev.nconfigs <= count);
    CLAIM(sound(number));
}
