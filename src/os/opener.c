/*
 * opener.c - the loop's side of the opener: what was asked for, one order at a time. Opens nothing itself after
 * opener_seal(), and waits for the opener only there and at the end.
 */
#include "os/opener.h"

#include "base/duration.h"
#include "base/log.h"
#include "os/clock.h"
#include "os/opener_work.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static struct {
    struct worker worker;
    bool sealed;
    struct ask {
        bool wanted, given; /* to the worker */
        int64_t deadline;
        opener_answer *answer;
    } ask[OPEN_KINDS];
    uint32_t conf, in_force; /* numbers of OPEN_CONF: the last one that was answered, and of the one in force */
} loop = {.worker = {.sock = -1, .poll = -1}};

bool opener_start(const struct opener_places *p, const struct opener_listeners *l) {
    opener_work_at(p);
    opener_work_listen_at(l);
    return worker_start(&loop.worker, &opener_work_job);
}

void opener_listen_at(const struct opener_listeners *l) {
    VH_ASSERT(!loop.sealed);
    opener_work_listen_at(l);
}

bool opener_sealed(void) {
    return loop.sealed;
}

static void finish(enum opener_what what, int fd, int error) {
    opener_answer *answer = loop.ask[what].answer;
    loop.ask[what] = (struct ask){0};
    if (answer != NULL)
        answer(what, fd, error);
    else if (fd >= 0)
        (void)close(fd);
}

static void gone(void) {
    log_error("the opener is gone: no more reloads and no new sockets until the daemon is started again");
    for (int k = 0; k < OPEN_KINDS; k++) {
        if (loop.ask[k].wanted)
            finish((enum opener_what)k, -1, EPIPE);
    }
}

static void give_next(void) {
    struct opener_order o = {.conf = loop.in_force};
    int k = 0;
    while (k < OPEN_KINDS && !loop.ask[k].wanted)
        k++;
    if (k == OPEN_KINDS || loop.worker.state != WORKER_IDLE)
        return;
    loop.ask[k].given = true;
    for (int i = 0; k == OPEN_MADE && i < MADE; i++)
        o.made[i] = opener_work_made((enum opener_made)i);
    if (!worker_order(&loop.worker, &o, (uint32_t)k, -1, loop.ask[k].deadline))
        gone();
}

void opener_ask(enum opener_what what, opener_answer *answer) {
    struct ask *a = &loop.ask[what];
    if (a->wanted)
        return;
    *a = (struct ask){.wanted = true, .answer = answer, .deadline = clock_now() + ms_to_ns(VH_T_OPEN)};
    if (!loop.sealed) {
        int fd = opener_work_open(what);
        finish(what, fd, fd < 0 ? errno : 0);
    } else if (loop.worker.state == WORKER_GONE) {
        finish(what, -1, EPIPE);
    } else {
        give_next();
    }
}

void opener_in_force(void) {
    loop.in_force = loop.conf;
}

const char *opener_why(int error) {
    return error == ETIMEDOUT ? "no answer in time" : error == EPIPE ? "the opener is gone" : strerror(error);
}

static void answered(size_t n, const int fds[WORKER_FDS]) {
    enum opener_what what = (enum opener_what)loop.worker.head.kind;
    const struct opener_reply *r = opener_work_job.answer;
    if (!opener_reply_valid(what, r, n, fds)) {
        log_error("worker ended: name=%s reason=\"an answer of another form\"", opener_work_job.name);
        worker_stop(&loop.worker);
        for (int i = 0; i < WORKER_FDS; i++) {
            if (fds[i] >= 0)
                (void)close(fds[i]);
        }
        gone();
        return;
    }
    VH_ASSERT(loop.ask[what].given);
    if (what == OPEN_CONF)
        loop.conf = loop.worker.head.serial;
    finish(what, fds[0], r->error);
    give_next();
}

static void read_answer(void) {
    int fds[WORKER_FDS];
    size_t n = 0;
    switch (worker_read(&loop.worker, &n, fds)) {
    case WORKER_NOTHING:
        break;
    case WORKER_ANSWER:
        answered(n, fds);
        break;
    case WORKER_DROPPED:
        give_next();
        break;
    case WORKER_ENDED:
        gone();
        break;
    }
}

void opener_count(struct worker_counts *n) {
    *n = (struct worker_counts){0};
    worker_count(&loop.worker, n);
}

void opener_fill(struct pollset *ps) {
    worker_fill(&loop.worker, ps);
}

void opener_ready(const struct pollset *ps) {
    if (worker_ready(&loop.worker, ps))
        read_answer();
}

int64_t opener_deadline(void) {
    int64_t at = VH_NEVER;
    for (int k = 0; k < OPEN_KINDS; k++) {
        if (loop.ask[k].wanted && loop.ask[k].deadline < at)
            at = loop.ask[k].deadline;
    }
    return at;
}

void opener_tick(int64_t now) {
    (void)worker_expired(&loop.worker, now);
    for (int k = 0; k < OPEN_KINDS; k++) {
        if (loop.ask[k].wanted && loop.ask[k].deadline <= now)
            finish((enum opener_what)k, -1, ETIMEDOUT);
    }
}

/* Waits until nothing is asked for any more: with the deadlines of all of it, VH_T_OPEN at most. */
static void drain(void) {
    for (int64_t at = opener_deadline(); at != VH_NEVER; at = opener_deadline()) {
        int64_t now = clock_now(), left = at > now ? at - now : 0;
        struct timespec ts = {.tv_sec = (time_t)(left / ms_to_ns(1000)), .tv_nsec = (long)(left % ms_to_ns(1000))};
        struct pollfd p = {.fd = loop.worker.sock, .events = POLLIN};
        if (ppoll(&p, 1, &ts, NULL) > 0)
            read_answer();
        opener_tick(clock_now());
    }
}

void opener_seal(void) {
    loop.sealed = true;
    opener_ask(OPEN_MADE, NULL);
    drain();
}

void opener_stop(void) {
    opener_ask(OPEN_END, NULL);
    if (loop.sealed)
        drain();
    worker_stop(&loop.worker);
    loop.sealed = false;
}
