/*
 * worker.h - a process beside the loop that does one order at a time. Whatever can wait, or needs a right, is an order.
 *
 * Orders and answers are single messages of a SOCK_SEQPACKET pair; each begins with a struct worker_head. An answer
 * carries its order's serial number and kind. After its deadline an order is written off: its worker is late and gets
 * no other order until the answer has come, and that answer is dropped. An answer that no order asked for ends the
 * worker: it is not to be trusted any more.
 */
#ifndef VHOTPLUG_WORKER_H
#define VHOTPLUG_WORKER_H

#include "os/pollset.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WORKER_FDS 2          /* descriptors that one message carries at most */
#define WORKER_ERRNO_MAX 4095 /* the kernel's; an answer with another one is none */

struct worker_head {
    uint32_t serial; /* of the order; not 0 */
    uint32_t kind;
};

enum worker_state {
    WORKER_GONE, /* not started, or ended */
    WORKER_IDLE,
    WORKER_BUSY, /* has an order whose deadline has not passed */
    WORKER_LATE, /* has an order that was written off */
};

/* What the process does. */
struct worker_job {
    const char *name;              /* of the process; at most 15 bytes show */
    size_t order_size, answer_max; /* bytes; static buffers of that size are the job's */
    void *order, *answer;
    /* Once, in the process, before the first order: shuts it in. False after logging why: it ends. */
    bool (*enter)(void);
    /* Does the order. fd: came with it, or -1; the caller closes it. out[] is filled with -1 before; what is put there
     * is sent with the answer and closed. Bytes of the answer, its head excepted from what must be filled; 0: that is
     * no order, and the process ends. */
    size_t (*handle)(const void *order, int fd, void *answer, int out[WORKER_FDS]);
    void (*idle)(void);  /* NULL, or once when no order has come for VH_T_IDLE after one */
    void (*leave)(void); /* NULL, or the last thing it does when the loop has ended; not when the loop ended it */
};

struct worker {
    const struct worker_job *job;
    enum worker_state state;
    int sock, poll;
    struct worker_head head; /* of the last order */
    int64_t deadline;        /* ns; of the order while BUSY */
};

/* Some of them, as they are now. */
struct worker_counts {
    unsigned running, late, ended; /* late ones run */
};

enum worker_got {
    WORKER_NOTHING,
    WORKER_ANSWER,  /* to the order under way: the worker is idle */
    WORKER_DROPPED, /* a late answer: the worker is idle again */
    WORKER_ENDED,   /* after logging why; what it had under way is never answered */
};

/* Forks. Before the sandbox and before anything is opened that the process should not hold. False after logging why. */
bool worker_start(struct worker *w, const struct worker_job *job);
/* Gives an idle worker an order; its head is filled here. fd: sent along, or -1; stays the caller's. deadline in ns of
 * clock_now(). False: the worker has ended (logged). */
bool worker_order(struct worker *w, void *order, uint32_t kind, int fd, int64_t deadline);
/* Reads one message into job->answer. *n: its bytes. fds[]: descriptors, now the caller's, or -1 (always with
 * anything but WORKER_ANSWER). */
enum worker_got worker_read(struct worker *w, size_t *n, int fds[WORKER_FDS]);
/* True once when the deadline of the order under way has passed: the worker is late from then on. */
bool worker_expired(struct worker *w, int64_t now);
void worker_count(const struct worker *w, struct worker_counts *n); /* adds one that was started */
/* The worker finishes what it has in hand, and ends. */
void worker_stop(struct worker *w);

void worker_fill(struct worker *w, struct pollset *ps);
bool worker_ready(const struct worker *w, const struct pollset *ps);

#endif
