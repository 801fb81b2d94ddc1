/*
 * fuzz_vfio_order.c - any bytes as an order to a VFIO worker, and as its answer. The worker does what is an order and
 * nothing else, and its answer is one that the loop takes. What the loop takes as an answer can be told.
 *
 * Input: a byte (bit 6: a descriptor comes with the order, bits 0 and 1: so many with the answer), an order, then the
 * bytes of its answer, as this machine lays them out. The host has no PCI device: the root is not the real one.
 */
#include "bus/vfio_order.h"
#include "bus/vfio_work.h"
#include "exchange.h"
#include "must.h"
#include "os/sysfs.h"

#include <string.h>

static struct vfio_order order;
static struct vfio_answer answer;

static void start(void) {
    static bool started;
    MUST(started || sysfs_root("/dev"));
    started = true;
}

static void check_worker(bool with_fd) {
    static const int none[WORKER_FDS] = {-1, -1};
    int out[WORKER_FDS] = {-1, -1};
    struct vfio_answer a;
    bool valid = vfio_order_valid(&order, with_fd);
    memset(&a, 0xff, sizeof a);
    size_t n = vfio_work(&order, with_fd ? 0 : -1, &a, out);
    MUST((n > 0) == valid && out[0] < 0 && out[1] < 0);
    MUST(!valid || (vfio_answer_valid(&order, &a, n, none) && a.result == VFIO_GONE));
}

static void check_loop(size_t n, int nfds) {
    const int fds[WORKER_FDS] = {nfds > 0 ? 0 : -1, nfds > 1 ? 1 : -1};
    if (!vfio_order_valid(&order, false) || !vfio_answer_valid(&order, &answer, n, fds))
        return;
    MUST(n == sizeof answer && answer.result >= VFIO_DONE && answer.result < VFIO_RESULTS);
    MUST(memchr(answer.why, 0, sizeof answer.why) != NULL);
    MUST((answer.result == VFIO_DONE) == (answer.why[0] == '\0'));
    MUST(answer.opened <= 1 && nfds == 2 * answer.opened && answer.wanted <= 1 && answer.undriven <= VH_MAX_GROUP);
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
        check_loop(n, (flags & 3) > 2 ? 2 : (int)(flags & 3));
    return 0;
}
