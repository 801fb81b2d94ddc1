/*
 * fuzz_disk_order.c - any bytes as an order to the disk worker, and as its answer. The worker writes once for what is
 * an order and never otherwise, only text that is in the shared memory, and its answer is one that the loop takes. What
 * the loop takes as an answer has an error that can be told, at a place that there is, and no descriptor.
 *
 * Input: a byte (bits 0 and 1: descriptors come with the answer; 2 and 3: the place of the worker's error; 4 and 5: its
 * error; 6: a descriptor comes with the order), an order, then the bytes of its answer, as this machine lays them out.
 * The committed inputs are valid ones. Nothing is written: the functions of state_file.c are stand-ins.
 */
#include "base/limits.h"
#include "base/log.h"
#include "daemon/disk_order.h"
#include "daemon/disk_worker.h"
#include "daemon/state_file.h"
#include "exchange.h"
#include "must.h"
#include "os/helper.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

int __wrap_helper_start(const char *name, helper_fn *serve, const void *arg);

static const struct worker_job *job;
static struct disk_order order;
static struct disk_answer answer;
static unsigned flags;
static int nwritten;

/* ---- stand-ins ---- */

/* What the process would get. */
int __wrap_helper_start(const char *name, helper_fn *serve, const void *arg) {
    (void)name, (void)serve;
    job = arg;
    return open("/dev/null", O_RDWR | O_CLOEXEC);
}

const char *state_file_directory(void) {
    return "/vhotplug-none";
}

size_t state_file_print(const struct remembered_set *ms, char *text, size_t cap) {
    (void)ms, (void)text, (void)cap;
    return 0;
}

const char *state_file_why(enum state_file_place place, int error) {
    static const char *const paths[STATE_FILE_PLACES] = {"path", "temporary", "directory"};
    MUST(strerror(error) != NULL);
    return paths[place];
}

int state_file_write(const char *text, size_t len, enum state_file_place *place) {
    static const int errors[] = {0, ENOSPC, EIO, WORKER_ERRNO_MAX};
    MUST(len > 0 && len <= VH_STATE_MAX);
    MUST(text[0] == '\0' && text[len - 1] == '\0'); /* it is there; nothing was put there */
    nwritten++;
    *place = (enum state_file_place)(flags >> 2 & 3) % STATE_FILE_PLACES;
    return errors[flags >> 4 & 3];
}

/* ---- */

static void start(void) {
    static const struct disk_worker_calls calls = {NULL, NULL};
    if (job != NULL)
        return;
    log_open("fuzz", LOG_ERROR);
    MUST(disk_worker_start(&calls));
}

static void check_worker(void) {
    int out[WORKER_FDS] = {-1, -1};
    bool valid = disk_order_valid(&order);
    struct disk_answer a;
    memset(&a, 0xff, sizeof a);
    nwritten = 0;
    size_t n = job->handle(&order, (flags & 64) != 0 ? 0 : -1, &a, out);
    MUST(n == (valid ? sizeof a : 0) && nwritten == valid && out[0] < 0 && out[1] < 0);
    MUST(!valid || (order.head.kind == DISK_SAVE && order.len > 0 && order.len <= VH_STATE_MAX));
    MUST(!valid || disk_answer_valid(&a, n, out));
}

static void check_loop(size_t n) {
    const int fds[WORKER_FDS] = {(flags & 1) != 0 ? 0 : -1, (flags & 2) != 0 ? 1 : -1};
    if (!disk_answer_valid(&answer, n, fds))
        return;
    MUST(n == sizeof answer && fds[0] < 0 && fds[1] < 0);
    MUST(answer.error >= 0 && answer.error <= WORKER_ERRNO_MAX);
    MUST(state_file_why((enum state_file_place)answer.place, answer.error)[0] != '\0');
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size) {
    static const struct exchange parts = {&order, &answer, sizeof order, sizeof answer};
    size_t n = 0;
    start();
    if (size == 0)
        return 0;
    flags = exchange_of(&parts, data, size, &n);
    check_worker();
    if (n <= sizeof answer)
        check_loop(n);
    return 0;
}
