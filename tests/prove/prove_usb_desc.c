/*
 * prove_usb_desc.c - the walk over a device's descriptors, one descriptor at a time: from any state that the walk can
 * be in, any descriptor. So what is proved of one step holds for files of any length.
 *
 * The kernel's part is said once more here, as drivers/usb/core/config.c has it: which interfaces it keeps, and to
 * which alternate setting it binds drivers. What it would bind to must be a row, marked as bound in that configuration.
 */
#include "base/model.h"
#include "prove.h"

/* For the contract of the walk's loop: a configuration has begun at `config`, and its descriptor ends before p + at,
 * where p begins the file. A contract calls no function. */
#define BEGUN_WITHIN(config, p, at) (__CPROVER_same_object(config, p) && __CPROVER_POINTER_OFFSET(config) + 9 <= at)

static struct device the_dev;

#include "codec/usb_desc.c"

static struct walk w;

struct device nondet_device(void);
struct walk nondet_walk(void);
struct head {
    unsigned char p[255];
} nondet_head(void);

/* The state between two descriptors; in a configuration or before the first. Of the marks, those of one number:
 * whatever is proved of any one is so of each. */
static bool sound(uint8_t number) {
    return w.dev == &the_dev && the_dev.usb.nifaces <= VH_MAX_IFACES && the_dev.usb.nconfigs <= VH_MAX_CONFIGS &&
           w.bound[number] <= the_dev.usb.nifaces && (w.bound[number] != 0 || !w.first[number]) &&
           (w.config == NULL || the_dev.usb.nconfigs > 0);
}

/* Any sound state in a configuration whose descriptor begins `config`. */
static void any_state(const unsigned char *config, uint8_t number) {
    the_dev = nondet_device();
    w = nondet_walk();
    w.dev = &the_dev;
    w.config = config;
    ASSUME(sound(number));
}

static bool is_row(int i, const unsigned char *p) {
    return i >= 0 && i < the_dev.usb.nifaces && the_dev.usb.ifaces[i].number == p[2] &&
           the_dev.usb.ifaces[i].cls == p[5] && the_dev.usb.ifaces[i].sub == p[6] &&
           the_dev.usb.ifaces[i].proto == p[7];
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
    ASSUME(k.any >= 0 && k.any <= the_dev.usb.nifaces && k.zero >= 0 && k.zero <= the_dev.usb.nifaces &&
           agrees(&k, number));
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
    uint8_t nifaces = the_dev.usb.nifaces;
    struct kernel k = any_kernel(number);
    ASSUME(old < VH_MAX_IFACES);
    struct usb_iface row = the_dev.usb.ifaces[old];
    if (!add_interface(&w, p))
        return; /* refused: the device is unclassifiable, and no rule gives it away */
    int at = 0;
    while (at < the_dev.usb.nifaces && !is_row(at, p))
        at++;
    CLAIM(p[0] >= INTERFACE_LEN && is_row(at, p));
    CLAIM(old >= nifaces || (row.number == the_dev.usb.ifaces[old].number && row.cls == the_dev.usb.ifaces[old].cls &&
                             row.sub == the_dev.usb.ifaces[old].sub && row.proto == the_dev.usb.ifaces[old].proto));
    CLAIM(the_dev.usb.nifaces >= nifaces && the_dev.usb.nifaces <= nifaces + 1);
    if (p[2] == number) {
        k.any = k.any != 0 ? k.any : at + 1;
        k.zero = k.zero != 0 || p[3] != 0 ? k.zero : at + 1;
    }
    CLAIM(agrees(&k, number));
    CLAIM(sound(number));
}

/* The end of a configuration: the row that drivers are bound to, of any number, is marked as bound in it, and no mark
 * of another configuration is lost or made. */
PROOF(end) {
    size_t has = nondet_size();
    ASSUME(has >= CONFIG_LEN && has <= VH_DESC_MAX);
    unsigned char *config = any_bytes(has);
    uint8_t number = nondet_u8(), row = nondet_u8(), bit = nondet_u8();
    size_t numbers = sizeof w.bound;
    ASSUME(number < numbers);
    any_state(config, number);
    for (size_t i = 0; i < sizeof w.bound; i++)
        ASSUME(w.bound[i] <= the_dev.usb.nifaces);
    ASSUME(the_dev.usb.nconfigs > 0 && row < VH_MAX_IFACES && bit < 8);
    bool before = (the_dev.usb.bound_in[row] >> bit & 1) != 0, taken = end_config(&w, config + has);
    bool after = (the_dev.usb.bound_in[row] >> bit & 1) != 0, current = bit == the_dev.usb.nconfigs - 1;
    CLAIM(taken || (has > (size_t)(config[2] | config[3] << 8) && has > CONFIG_LEN));
    CLAIM(!taken || w.bound[number] == 0 ||
          (the_dev.usb.bound_in[w.bound[number] - 1] >> (the_dev.usb.nconfigs - 1) & 1) != 0);
    CLAIM(current || before == after);
    CLAIM(!before || after);
    CLAIM(sound(number));
}

/* In prove_one in the place of end_config(): what that relies on, and any answer. */
bool some_end(struct walk *of, const unsigned char *end);
bool some_end(struct walk *of, const unsigned char *end) {
    CLAIM(of->dev == &the_dev && of->config != NULL && end - of->config >= CONFIG_LEN);
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
    ASSUME(begun == (at > 0) && begun == (the_dev.usb.nconfigs > 0) && the_dev.usb.nconfigs <= count);
    ASSUME(begun || (n - at >= CONFIG_LEN && file[at] >= CONFIG_LEN && file[at + 1] == DT_CONFIG));
    bool taken = parse_one(&w, file + at, n - at, count);
    if (!taken) {
        CLAIM(w.why != NULL);
        return;
    }
    CLAIM(file[at] >= 2 && file[at] <= n - at);
    CLAIM(file[at + 1] != DT_DEVICE);
    CLAIM(file[at + 1] != DT_CONFIG || w.config == file + at);
    CLAIM(w.config != NULL && file + at + file[at] - w.config >= CONFIG_LEN && the_dev.usb.nconfigs <= count);
    CLAIM(sound(number));
}

/* In prove_walk in the place of parse_one(): what prove_one shows of that, and any answer. */
static const unsigned char *file;
static size_t file_size;
bool some_one(struct walk *of, const unsigned char *p, size_t left, unsigned count);
bool some_one(struct walk *of, const unsigned char *p, size_t left, unsigned count) {
    (void)count;
    CLAIM(left > 0 && left <= file_size && p == file + (file_size - left));
    CLAIM(p != file || (left >= CONFIG_LEN && p[0] >= CONFIG_LEN && p[1] == DT_CONFIG));
    if (left < 2 || p[0] < 2 || p[0] > left || (p[1] == DT_CONFIG && p[0] < CONFIG_LEN) || nondet_bool())
        return refuse(of, "refused");
    if (p[1] == DT_CONFIG) {
        of->config = p;
        of->dev->usb.nconfigs = nondet_bool() ? 1 : 2;
    }
    return true;
}

/* The walk from one descriptor to the next, in a file of any length. */
PROOF(walk) {
    file_size = nondet_size();
    ASSUME(file_size <= VH_DESC_MAX);
    file = any_bytes(file_size);
    w.dev = &the_dev;
    w.config = NULL;
    w.why = NULL;
    the_dev.usb.nconfigs = 0;
    unsigned count = nondet_u8();
    ASSUME(count > 0);
    bool taken = parse_configs(&w, file, file_size, count);
    CLAIM(taken || w.why != NULL);
}
