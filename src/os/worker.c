/*
 * worker.c - both ends of the socket between the loop and a worker process. Owns serial numbers and what an answer must
 * look like to be one; knows no order.
 */
#include "os/worker.h"

#include "base/duration.h"
#include "base/limits.h"
#include "base/log.h"
#include "os/helper.h"
#include "os/sock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* ---- in the worker ---- */

static void close_all(int fds[WORKER_FDS]) {
    for (int i = 0; i < WORKER_FDS; i++) {
        if (fds[i] >= 0)
            (void)close(fds[i]);
        fds[i] = -1;
    }
}

/* Memory is given back when nothing is to be done, not between the orders of a scan. */
static void wait_idle(const struct worker_job *job, int sock) {
    struct pollfd p = {.fd = sock, .events = POLLIN};
    struct timespec span = {.tv_sec = VH_T_IDLE / 1000, .tv_nsec = VH_T_IDLE % 1000 * VH_NSEC_PER_MSEC};
    if (job->idle != NULL && ppoll(&p, 1, &span, NULL) == 0)
        job->idle();
}

/* *end: the loop's end is closed; any other failure is the worker's own, or the loop has dismissed it. */
static bool do_one(const struct worker_job *job, int sock, bool *end) {
    int in[WORKER_FDS], out[WORKER_FDS] = {-1, -1};
    ssize_t got = sock_wait_fds(sock, job->order, job->order_size, in, WORKER_FDS);
    *end = got < 0 && errno == 0;
    if (got != (ssize_t)job->order_size)
        return false;
    size_t n = job->handle(job->order, in[0], job->answer, out);
    close_all(in);
    if (n < sizeof(struct worker_head) || n > job->answer_max) {
        close_all(out);
        return false;
    }
    memcpy(job->answer, job->order, sizeof(struct worker_head));
    ssize_t sent = sock_send_fds(sock, job->answer, n, out, WORKER_FDS);
    *end = sent < 0 && errno == EPIPE && sock_ended(sock); /* a message is left if the loop has dismissed it */
    close_all(out);
    return sent == (ssize_t)n;
}

static void serve(int sock, const void *arg) {
    const struct worker_job *job = arg;
    if (!job->enter())
        _exit(1);
    bool end = false;
    while (do_one(job, sock, &end))
        wait_idle(job, sock);
    if (end && job->leave != NULL)
        job->leave();
}

/* ---- in the loop ---- */

bool worker_start(struct worker *w, const struct worker_job *job) {
    *w = (struct worker){.job = job, .state = WORKER_GONE, .sock = -1, .poll = -1};
    w->sock = helper_start(job->name, serve, job);
    if (w->sock < 0)
        return false;
    if (fcntl(w->sock, F_SETFL, O_NONBLOCK) != 0) {
        log_error("cannot use the socket of %s: %s", job->name, strerror(errno));
        worker_stop(w);
        return false;
    }
    w->state = WORKER_IDLE;
    return true;
}

/* It may run on: then it is told, by what is no order, that the loop does. It must not take on what is left to those
 * that outlive the loop. */
static void ended(struct worker *w, const char *why) {
    static const int none[WORKER_FDS] = {-1, -1};
    log_error("worker ended: name=%s reason=\"%s\"", w->job->name, why);
    VH_ASSERT(w->job->order_size > 1);
    (void)sock_send_fds(w->sock, "", 1, none, WORKER_FDS); /* fails if it is gone, or has not read its last order */
    worker_stop(w);
}

enum { SEND_TRIES = 4 }; /* a kernel that is short of memory for a moment is no reason to end a worker */

static ssize_t send_order(struct worker *w, const void *order, const int fds[WORKER_FDS]) {
    ssize_t n = -1;
    for (int i = 0; i < SEND_TRIES; i++) {
        n = sock_send_fds(w->sock, order, w->job->order_size, fds, WORKER_FDS);
        if (n >= 0 || (errno != ENOBUFS && errno != ENOMEM))
            break;
    }
    return n;
}

bool worker_order(struct worker *w, void *order, uint32_t kind, int fd, int64_t deadline) {
    VH_ASSERT(w->state == WORKER_IDLE);
    w->head.serial = w->head.serial == UINT32_MAX ? 1 : w->head.serial + 1;
    w->head.kind = kind;
    memcpy(order, &w->head, sizeof w->head);
    int fds[WORKER_FDS] = {fd, -1};
    ssize_t n = send_order(w, order, fds);
    if (n != (ssize_t)w->job->order_size) { /* an idle worker's queue is empty, so there is room for one order */
        ended(w, n < 0 ? strerror(errno) : "its queue is full");
        return false;
    }
    w->state = WORKER_BUSY;
    w->deadline = deadline;
    return true;
}

enum worker_got worker_read(struct worker *w, size_t *n, int fds[WORKER_FDS]) {
    struct worker_head head;
    VH_ASSERT(w->state != WORKER_GONE);
    ssize_t got = sock_recv_fds(w->sock, w->job->answer, w->job->answer_max, fds, WORKER_FDS);
    *n = got > 0 ? (size_t)got : 0;
    if (got == 0)
        return WORKER_NOTHING;
    if (got < (ssize_t)sizeof head) {
        close_all(fds);
        ended(w, got < 0 && errno != 0 ? strerror(errno) : got < 0 ? "its process is gone" : "an answer is too short");
        return WORKER_ENDED;
    }
    memcpy(&head, w->job->answer, sizeof head);
    if (w->state == WORKER_IDLE || head.serial != w->head.serial || head.kind != w->head.kind) {
        close_all(fds);
        ended(w, "it answers what nobody asked");
        return WORKER_ENDED;
    }
    bool late = w->state == WORKER_LATE;
    w->state = WORKER_IDLE;
    if (late)
        close_all(fds);
    return late ? WORKER_DROPPED : WORKER_ANSWER;
}

bool worker_expired(struct worker *w, int64_t now) {
    if (w->state != WORKER_BUSY || now < w->deadline)
        return false;
    w->state = WORKER_LATE;
    return true;
}

void worker_count(const struct worker *w, struct worker_counts *n) {
    n->running += w->state != WORKER_GONE;
    n->late += w->state == WORKER_LATE;
    n->ended += w->state == WORKER_GONE && w->job != NULL;
}

void worker_stop(struct worker *w) {
    if (w->sock >= 0)
        helper_close(w->sock);
    w->sock = w->poll = -1;
    w->state = WORKER_GONE;
}

void worker_fill(struct worker *w, struct pollset *ps) {
    w->poll = w->sock >= 0 ? pollset_add(ps, w->sock, POLLIN) : -1;
}

bool worker_ready(const struct worker *w, const struct pollset *ps) {
    return pollset_got(ps, w->poll, w->sock) != 0;
}
