/*
 * fuzz_opener_order.c - any bytes as an order to the opener, and as its answer. The opener does what is an order and
 * nothing else, listens nowhere that its own configuration does not name, and its answer is one that the loop takes.
 * What the loop takes as an answer has an error that can be told, and a descriptor only with the success of what opens
 * something.
 *
 * Input: a byte (bits 0 and 1: descriptors come with the answer; 2: a configuration is valid; 3: it is there; 6: a
 * descriptor comes with the order), an order, then the bytes of its answer, as this machine lays them out. The
 * committed inputs are valid ones.
 */
#include "base/log.h"
#include "exchange.h"
#include "must.h"
#include "os/opener_work.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define NOWHERE "/vhotplug-none/"

static struct opener_order order;
static struct opener_reply reply;
static unsigned flags;
static bool begun; /* the opener has had an order */

static int read_conf(struct opener_listeners *l, bool *valid) {
    *l = (struct opener_listeners){.unix_path = NOWHERE "api"}; /* all of them off */
    *valid = (flags & 4) != 0;
    errno = ENOENT;
    return (flags & 8) != 0 ? open("/dev/null", O_RDONLY | O_CLOEXEC) : -1;
}

static void start(void) {
    static const struct opener_places places = {.conf_dir = NOWHERE,
                                                .conf_target = "",
                                                .sockets = NOWHERE,
                                                .uevents = NOWHERE "uevents",
                                                .uevents_dir = NOWHERE,
                                                .read_conf = read_conf};
    static const struct opener_listeners off = {.unix_path = NOWHERE "api"};
    static bool started;
    if (started)
        return;
    started = true;
    log_open("fuzz", LOG_ERROR);
    opener_work_at(&places);
    opener_work_listen_at(&off);
}

static void check_opener(void) {
    int out[WORKER_FDS] = {-1, -1};
    bool with_fd = (flags & 64) != 0, valid = opener_order_valid(&order, begun, with_fd);
    uint32_t kind = order.head.kind;
    struct opener_reply r = {.error = -1};
    size_t n = opener_work_job.handle(&order, with_fd ? 0 : -1, &r, out);
    MUST(n == (valid ? sizeof r : 0));
    MUST(!valid || (kind < OPEN_KINDS && !with_fd && begun == (kind != OPEN_MADE)));
    if (!valid) {
        MUST(out[0] < 0 && out[1] < 0);
        return;
    }
    begun = true;
    MUST(opener_reply_valid(kind, &r, n, out));
    MUST(r.error == EACCES || (kind != OPEN_UNIX && kind != OPEN_TCP && kind != OPEN_VSOCK));
    MUST(out[0] < 0 || close(out[0]) == 0);
}

static void check_loop(size_t n) {
    uint32_t kind = order.head.kind % OPEN_KINDS;
    const int fds[WORKER_FDS] = {(flags & 1) != 0 ? 0 : -1, (flags & 2) != 0 ? 1 : -1};
    if (!opener_reply_valid(kind, &reply, n, fds))
        return;
    bool opens = kind != OPEN_UNLINK && kind != OPEN_MADE && kind != OPEN_END;
    MUST(n == sizeof reply && fds[1] < 0 && (fds[0] < 0 || opens));
    MUST(reply.error == 0 ? !opens || fds[0] >= 0 : reply.error > 0 && fds[0] < 0);
    MUST(opener_why(reply.error)[0] != '\0');
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size) {
    static const struct exchange parts = {&order, &reply, sizeof order, sizeof reply};
    size_t n = 0;
    start();
    if (size == 0)
        return 0;
    flags = exchange_of(&parts, data, size, &n);
    check_opener();
    if (n <= sizeof reply)
        check_loop(n);
    return 0;
}
