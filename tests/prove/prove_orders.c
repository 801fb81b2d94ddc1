/*
 * prove_orders.c - orders and answers of the opener, of connectors, of the disk worker and of port workers: each with
 * every value of every byte. What is taken as valid is within every bound that its user relies on, and each valid form
 * is taken.
 */
#include "bus/usb/port_order.c"
#include "daemon/disk_order.c"
#include "os/opener_order.c"
#include "prove.h"
#undef ENDS
#include "daemon/state_file.h"
#include "vmm/connector_order.c"

/* Is there a NUL among the n bytes? Said once more. */
static bool ends(const char *s, size_t n) {
    bool found = false;
    for (size_t i = 0; i < n; i++)
        found = found || s[i] == '\0';
    return found;
}

/* ---- the opener ---- */

PROOF(opener_order) {
    struct opener_order o;
    __CPROVER_havoc_object(&o);
    bool begun = nondet_bool(), with_fd = nondet_bool();
    bool valid = opener_order_valid(&o, begun, with_fd);
    CLAIM(!valid || (!with_fd && o.head.kind < OPEN_KINDS));
    CLAIM(!valid || begun || o.head.kind == OPEN_MADE);
    CLAIM(!(valid && begun && o.head.kind == OPEN_MADE));
    CLAIM(valid || with_fd || o.head.kind >= OPEN_KINDS || begun == (o.head.kind == OPEN_MADE));
}

PROOF(opener_reply) {
    struct opener_reply r;
    __CPROVER_havoc_object(&r);
    const int fds[WORKER_FDS] = {nondet_int(), nondet_int()};
    uint32_t kind = nondet_u32();
    size_t n = nondet_size();
    ASSUME(kind < OPEN_KINDS);
    bool valid = opener_reply_valid(kind, &r, n, fds);
    bool none = kind == OPEN_UNLINK || kind == OPEN_MADE || kind == OPEN_END;
    CLAIM(!valid || (n == sizeof r && r.error >= 0 && r.error <= WORKER_ERRNO_MAX && fds[1] < 0));
    CLAIM(!valid || fds[0] < 0 || (!none && r.error == 0));
    CLAIM(!valid || none || r.error != 0 || fds[0] >= 0);
    CLAIM(valid || n != sizeof r || r.error < 0 || r.error > WORKER_ERRNO_MAX || fds[1] >= 0 ||
          (fds[0] >= 0) != (!none && r.error == 0));
}

/* ---- connectors ---- */

PROOF(connector_order) {
    struct connector_order o;
    __CPROVER_havoc_object(&o);
    bool with_fd = nondet_bool(), valid = connector_order_valid(&o, with_fd);
    bool texts = ends(o.vm, sizeof o.vm) && ends(o.socket, sizeof o.socket);
    CLAIM(!valid || (!with_fd && texts));
    CLAIM(!valid || (o.head.kind >= CONNECTOR_CONNECT && o.head.kind <= CONNECTOR_RELOAD));
    if (o.head.kind == CONNECTOR_RELOAD)
        CLAIM(valid == (!with_fd && o.vm[0] == '\0' && o.socket[0] == '\0'));
    else if (o.head.kind >= CONNECTOR_CONNECT && o.head.kind < CONNECTOR_RELOAD)
        CLAIM(valid == (!with_fd && texts));
}

PROOF(connector_answer) {
    struct connector_answer a;
    __CPROVER_havoc_object(&a);
    const int fds[WORKER_FDS] = {nondet_int(), nondet_int()};
    uint32_t kind = nondet_u32();
    size_t n = nondet_size();
    bool connected = kind == CONNECTOR_CONNECT && a.status == CONNECTOR_OK;
    bool form = n == sizeof a && a.status < CONNECTOR_ANSWERS && a.there <= 1 && a.watched <= 1 && a.packets <= 1 &&
                a.error >= 0 && a.error <= WORKER_ERRNO_MAX && ends(a.text, sizeof a.text);
    CLAIM(connector_answer_valid(kind, &a, n, fds) == (form && (connected ? fds[0] >= 0 : fds[0] < 0 && fds[1] < 0)));
}

/* ---- the disk worker ---- */

PROOF(disk) {
    struct disk_order o;
    struct disk_answer a;
    __CPROVER_havoc_object(&o);
    __CPROVER_havoc_object(&a);
    const int fds[WORKER_FDS] = {nondet_int(), nondet_int()};
    size_t n = nondet_size();
    CLAIM(disk_order_valid(&o) == (o.head.kind == DISK_SAVE && o.len >= 1 && o.len <= VH_STATE_MAX));
    CLAIM(disk_answer_valid(&a, n, fds) == (n == sizeof a && a.error >= 0 && a.error <= WORKER_ERRNO_MAX &&
                                            a.place < STATE_FILE_PLACES && fds[0] < 0 && fds[1] < 0));
}

/* ---- port workers ---- */

/* prove_device.c proves that device_name_valid() keeps to the object; here its answer is any. */
static bool name_says;
bool some_name(const char *name);
bool some_name(const char *name) {
    CLAIM(ends(name, VH_SYSNAME_MAX));
    return name_says;
}

PROOF(port_order) {
    struct port_order o;
    __CPROVER_havoc_object(&o);
    name_says = nondet_bool();
    uint8_t port = nondet_u8();
    bool with_fd = nondet_bool(), valid = port_order_valid(&o, with_fd);
    CLAIM(!valid || (ends(o.hub, sizeof o.hub) && name_says));
    CLAIM(!valid || (o.head.kind >= PORT_KEEP && o.head.kind <= PORT_DROP));
    CLAIM(!valid || with_fd == (o.head.kind == PORT_KEEP));
    CLAIM(!valid || (o.ports != 0) == (o.head.kind == PORT_KEEP || o.head.kind == PORT_HOLD));
    CLAIM(!valid || o.again <= 1);
    CLAIM(!valid || !port_is_set(o.held, port) || (port >= 1 && port <= o.ports));
    CLAIM(!valid || (o.port != 0) == (o.head.kind == PORT_CLAIM || o.head.kind == PORT_RELEASE));
}

PROOF(port_answer) {
    struct port_order o;
    struct port_answer a;
    __CPROVER_havoc_object(&o);
    __CPROVER_havoc_object(&a);
    size_t n = nondet_size();
    uint8_t port = nondet_u8();
    bool valid = port_answer_valid(&o, &a, n), held = port_is_set(a.held, port);
    bool asked = o.head.kind == PORT_HOLD && port >= 1 && port <= o.ports;
    CLAIM(!valid || (n == sizeof a && a.error >= 0 && a.error <= WORKER_ERRNO_MAX));
    CLAIM(!valid || !held || asked);
    CLAIM(!valid || !asked || held || (a.error != 0 && !port_is_set(o.held, port)));
}

/* Of any set, any port is set and cleared, and no other one is changed. */
PROOF(port_set) {
    uint8_t held[PORT_BYTES];
    __CPROVER_havoc_object(held);
    uint8_t port = nondet_u8(), other = nondet_u8();
    bool on = nondet_bool(), before = port_is_set(held, other);
    port_set(held, port, on);
    CLAIM(port_is_set(held, other) == (port == other ? on : before));
}
