/*
 * disk_worker.c - both sides of the process that writes the state file. Owns the memory that both share: the daemon
 * puts the file's text there, and the worker writes it from there. The worker reads nothing and knows no other path.
 */
#include "daemon/disk_worker.h"

#include "base/duration.h"
#include "base/limits.h"
#include "base/log.h"
#include "daemon/disk_order.h"
#include "daemon/state_file.h"
#include "os/clock.h"
#include "os/sandbox.h"
#include "os/worker.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static char *text; /* VH_STATE_MAX bytes, shared */

/* ---- in the worker ---- */

/* The directory that the directory of the file is in: a missing one is made again. */
static void parent_of(char *dst, size_t cap, const char *path) {
    const char *slash = strrchr(path, '/');
    size_t len = slash == NULL || slash == path ? 0 : (size_t)(slash - path); /* no rule on "/" itself */
    VH_ASSERT(str_copyn(dst, cap, path, len));                                /* a shorter path */
}

static bool enter(void) {
    static char parent[VH_PATH_MAX];
    parent_of(parent, sizeof parent, state_file_directory());
    const struct sandbox_path paths[] = {
        {state_file_directory(), SANDBOX_REPLACE | SANDBOX_ANCESTOR},
        {parent, SANDBOX_MKDIR | SANDBOX_ANCESTOR},
    };
    const struct sandbox box = {.role = SANDBOX_DISK, .paths = paths, .npaths = sizeof paths / sizeof *paths};
    return sandbox_enter(&box);
}

static size_t handle(const void *message, int fd, void *reply, int out[WORKER_FDS]) {
    const struct disk_order *order = message;
    struct disk_answer *answer = reply;
    enum state_file_place place = STATE_FILE_PATH;
    (void)fd;
    (void)out;
    if (!disk_order_valid(order))
        return 0;
    answer->error = state_file_write(text, order->len, &place);
    answer->place = place;
    (void)madvise(text, VH_STATE_MAX, MADV_REMOVE); /* the daemon has its pages back; if not, they stay resident */
    return sizeof *answer;
}

/* ---- in the daemon ---- */

static struct disk_order order;
static struct disk_answer answer;
static const struct worker_job job = {
    .name = "vhotplug-disk",
    .order_size = sizeof order,
    .answer_max = sizeof answer,
    .order = &order,
    .answer = &answer,
    .enter = enter,
    .handle = handle,
};

static struct worker worker = {.sock = -1, .poll = -1};
static const struct disk_worker_calls *calls;

static const char no_answer[] = "the disk does not answer";
static const char gone[] = "the process that writes the state file has ended";

bool disk_worker_start(const struct disk_worker_calls *c) {
    calls = c;
    text = mmap(NULL, VH_STATE_MAX, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (text == MAP_FAILED) {
        log_error("no memory to share with %s: %s", job.name, strerror(errno));
        return false;
    }
    return worker_start(&worker, &job);
}

void disk_worker_save(const struct remembered_set *ms, int64_t now) {
    VH_ASSERT(worker.state != WORKER_BUSY);
    if (worker.state != WORKER_IDLE) {
        calls->saved(false, worker.state == WORKER_LATE ? no_answer : gone);
        return;
    }
    size_t len = state_file_directory()[0] != '\0' ? state_file_print(ms, text, VH_STATE_MAX) : 0;
    if (len == 0) {
        calls->saved(false, state_file_why(STATE_FILE_PATH, EFBIG));
        return;
    }
    order.len = (uint32_t)len;
    if (!worker_order(&worker, &order, DISK_SAVE, -1, now + ms_to_ns(VH_T_DISK)))
        calls->saved(false, gone);
}

static void answered(size_t n, const int fds[WORKER_FDS]) {
    for (int i = 0; i < WORKER_FDS; i++) {
        if (fds[i] >= 0)
            (void)close(fds[i]); /* nobody asked for one */
    }
    if (!disk_answer_valid(&answer, n, fds)) {
        log_error("worker ended: name=%s reason=\"its answer makes no sense\"", job.name);
        worker_stop(&worker);
        calls->saved(false, gone);
    } else if (answer.error != 0) {
        calls->saved(false, state_file_why((enum state_file_place)answer.place, answer.error));
    } else {
        calls->saved(true, "");
    }
}

static void read_answer(void) {
    int fds[WORKER_FDS];
    size_t n = 0;
    bool busy = worker.state == WORKER_BUSY;
    switch (worker_read(&worker, &n, fds)) {
    case WORKER_NOTHING:
        break;
    case WORKER_ANSWER:
        answered(n, fds);
        break;
    case WORKER_DROPPED:
        calls->answers();
        break;
    case WORKER_ENDED:
        if (busy)
            calls->saved(false, gone);
        break;
    }
}

void disk_worker_stop(void) {
    int64_t end = clock_now() + ms_to_ns(VH_T_DISK_STOP), now = clock_now();
    while (worker.state == WORKER_BUSY && now < end) {
        struct pollset ps = {.n = 0};
        struct timespec ts = {.tv_sec = 0, .tv_nsec = (long)(end - now < 999999999 ? end - now : 999999999)};
        worker_fill(&worker, &ps);
        if (ppoll(ps.fd, (nfds_t)ps.n, &ts, NULL) > 0)
            read_answer();
        now = clock_now();
    }
    worker_stop(&worker);
}

void disk_worker_count(struct worker_counts *n) {
    *n = (struct worker_counts){0};
    worker_count(&worker, n);
}

void disk_worker_fill(struct pollset *ps) {
    worker_fill(&worker, ps);
}

void disk_worker_ready(const struct pollset *ps) {
    if (worker_ready(&worker, ps))
        read_answer();
}

int64_t disk_worker_deadline(void) {
    return worker.state == WORKER_BUSY ? worker.deadline : VH_NEVER;
}

void disk_worker_tick(int64_t now) {
    if (worker_expired(&worker, now))
        calls->saved(false, no_answer);
}
