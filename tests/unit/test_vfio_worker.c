/* vfio_worker.c: its process carries orders out, and an answer that is none ends it. */
#include "base/duration.h"
#include "daemon/vfio_worker.h"
#include "os/clock.h"
#include "os/sandbox.h"
#include "os/sysfs.h"
#include "tree.h"

#include <poll.h>
#include <signal.h>

static struct worker worker;
static int fds[WORKER_FDS];

static void start(void) {
    CHECK(vfio_worker_start(&worker) && worker.state == WORKER_IDLE);
}

/* The bytes of its answer. */
static size_t ask(uint32_t kind, struct vfio_order *o) {
    struct pollfd p = {.fd = worker.sock, .events = POLLIN};
    size_t n = 0;
    *o = (struct vfio_order){.head = {.kind = kind}, .n = 1, .member = {{.address = {.bus = 1}}}};
    int64_t now = clock_now();
    CHECK(vfio_worker_order(&worker, o, now));
    CHECK(!worker_expired(&worker, now + VH_T_VFIO * VH_NSEC_PER_MSEC - 1));
    CHECK(poll(&p, 1, 60000) == 1);
    CHECK(worker_read(&worker, &n, fds) == WORKER_ANSWER);
    return n;
}

static void its_process_carries_orders_out(void) {
    start();
    for (uint32_t kind = VFIO_PREPARE; kind < VFIO_KINDS; kind++) {
        struct vfio_order o;
        size_t n = ask(kind, &o);
        const struct vfio_answer *a = vfio_worker_answer(&worker, &o, n, fds);
        CHECK(a != NULL && a->result == VFIO_GONE);
        if (a != NULL)
            CHECK_STR(a->why, "there is no PCI device 0000:01:00.0 any more");
    }
    CHECK(worker.state == WORKER_IDLE);
    worker_stop(&worker);
}

static void an_answer_that_is_none_ends_it(void) {
    struct vfio_order o;
    int ends[2];
    start();
    size_t n = ask(VFIO_LOOK, &o);
    CHECK(pipe(ends) == 0);
    fds[0] = ends[0];
    fds[1] = ends[1];
    CHECK(vfio_worker_answer(&worker, &o, n, fds) == NULL);
    CHECK(fds[0] < 0 && fds[1] < 0 && close(ends[0]) != 0 && close(ends[1]) != 0);
    CHECK(worker.state == WORKER_GONE);
    start(); /* the next one is another process */
    n = ask(VFIO_LOOK, &o);
    CHECK(vfio_worker_answer(&worker, &o, n, fds) != NULL);
    worker_stop(&worker);
}

int main(void) {
    CHECK(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
    CHECK(mkdtemp(top) != NULL);
    make_directory("sys/bus");
    CHECK(sysfs_root(top));
    sandbox_disable(); /* the sanitizers need more; test_sandbox.c has its rights */
    RUN(its_process_carries_orders_out);
    RUN(an_answer_that_is_none_ends_it);
    remove_tree();
    TEST_MAIN_END;
}
