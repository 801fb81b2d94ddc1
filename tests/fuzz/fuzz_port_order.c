/*
 * fuzz_port_order.c - any bytes as an order to a port worker, and as its answer. The worker does what is an order and
 * nothing else, keeps a node until its hub is dropped, and its answer is one that the loop takes. What the loop
 * takes as an answer has an error that can be told, and names no port that was not asked for.
 *
 * Input: a byte (bit 6: a descriptor comes with the order), an order, then the bytes of its answer, as this machine
 * lays them out. The committed inputs are valid ones. No port is claimed: the root is not the real one.
 */
#include "bus/device_order.h"
#include "bus/usb/port_order.h"
#include "bus/usb/port_work.h"
#include "exchange.h"
#include "must.h"
#include "os/sysfs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static struct port_order order;
static struct port_answer answer;
static int node = -1;

static void start(void) {
    if (node >= 0)
        return;
    MUST(sysfs_root("/dev"));
    node = open("/dev/null", O_RDONLY | O_CLOEXEC);
    MUST(node >= 0);
}

static int next_fd(void) {
    int fd = dup(node);
    MUST(fd >= 0 && close(fd) == 0);
    return fd;
}

static unsigned ask(const struct port_order *o, int fd) {
    int out[WORKER_FDS] = {-1, -1};
    struct port_answer a;
    memset(&a, 0xff, sizeof a);
    size_t n = port_work(o, fd, &a, out);
    MUST(out[0] < 0 && out[1] < 0);
    MUST(n == 0 || port_answer_valid(o, &a, n));
    return n == 0 ? UINT32_MAX : (unsigned)a.error;
}

/* A hub that was kept is dropped, so that no input depends on the one before. */
static void check_worker(bool with_fd) {
    int before = next_fd();
    bool valid = port_order_valid(&order, with_fd);
    unsigned error = ask(&order, with_fd ? node : -1);
    MUST((error == UINT32_MAX) == !valid);
    if (!valid) {
        MUST(next_fd() == before);
        return;
    }
    char above[VH_SYSNAME_MAX];
    uint8_t port = 0;
    MUST(device_name_valid(order.hub) && strchr(order.hub, '/') == NULL);
    MUST(!port_above(order.hub, above, &port) || (device_name_valid(above) && port > 0));
    MUST(error == (order.head.kind == PORT_KEEP || order.head.kind == PORT_DROP ? 0 : ENOENT));
    struct port_order drop = {.head.kind = PORT_DROP};
    memcpy(drop.hub, order.hub, sizeof drop.hub);
    MUST((next_fd() > before) == (order.head.kind == PORT_KEEP));
    MUST(ask(&drop, -1) == 0 && next_fd() == before);
}

static void check_loop(size_t n) {
    if (!port_order_valid(&order, order.head.kind == PORT_KEEP) || !port_answer_valid(&order, &answer, n))
        return;
    MUST(n == sizeof answer && answer.error >= 0 && answer.error <= WORKER_ERRNO_MAX);
    for (unsigned port = 0; port < 256; port++)
        MUST(!port_is_set(answer.held, (uint8_t)port) || (port >= 1 && port <= order.ports));
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size) {
    static const struct exchange parts = {&order, &answer, sizeof order, sizeof answer};
    size_t n = 0;
    start();
    if (size == 0)
        return 0;
    unsigned flags = exchange_of(&parts, data, size, &n);
    check_worker((flags & 64) != 0);
    if (n <= sizeof answer)
        check_loop(n);
    return 0;
}
