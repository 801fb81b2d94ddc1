/*
 * device_pool.c - which order goes to which worker, and when. Owns the queue, the workers and the memory of root ports
 * that were late; knows nothing of what an order does.
 */
#include "bus/device_pool.h"

#include "base/duration.h"
#include "base/log.h"
#include "base/log_limit.h"
#include "base/str.h"
#include "os/clock.h"
#include "os/pages.h"

#include <string.h>
#include <unistd.h>

enum { GIVE_BACK = 32 }; /* orders at once */

struct entry {
    bool used, ended; /* ended: written off, its worker is still at it */
    int worker;       /* that has it, -1 none yet */
    int fd;
    uint64_t token;
    uint64_t number; /* the order in which they were given */
    int64_t deadline;
    struct device_order order;
};

static struct {
    const struct worker_job *job;
    device_done_fn *done;
    int first;          /* the worker that is preferred: its memory is warm */
    int nworkers, used; /* entries in use lie below `used` */
    int most;           /* `used` at its highest since memory was given back */
    bool said_stuck;
    uint64_t next_number;
    struct device_pool_stats stats;
    struct worker worker[VH_DEVICE_WORKERS];
    struct entry entry[VH_MAX_ORDERS];
    char late[VH_LATE_PORTS][VH_SYSNAME_MAX]; /* root ports that were late, "" none */
    int next_late;
} pool;

/* ---- the ports that were late ---- */

static char *find_late(const char *sys_name) {
    for (int i = 0; i < VH_LATE_PORTS && sys_name[0] != '\0'; i++) {
        if (pool.late[i][0] != '\0' && device_same_port(pool.late[i], sys_name))
            return pool.late[i];
    }
    return NULL;
}

static void remember_late(const char *sys_name) {
    if (sys_name[0] == '\0' || find_late(sys_name) != NULL)
        return;
    (void)str_copy(pool.late[pool.next_late], VH_SYSNAME_MAX, sys_name); /* of the same bound */
    pool.next_late = (pool.next_late + 1) % VH_LATE_PORTS;
}

static void forget_late(const char *sys_name) {
    char *late = find_late(sys_name);
    if (late != NULL)
        late[0] = '\0';
}

/* ---- ends ---- */

static int64_t span(uint32_t kind) {
    switch (kind) {
    case DEVICE_READ:
        return ms_to_ns(VH_T_READ);
    case DEVICE_OPEN:
    case DEVICE_HUB:
        return ms_to_ns(VH_T_NODE);
    case DEVICE_OFFER:
        return ms_to_ns(VH_T_OFFER);
    case DEVICE_REVOKE:
        return ms_to_ns(VH_T_REVOKE);
    case DEVICE_RELEASE:
        return ms_to_ns(VH_T_RELEASE);
    default:
        return ms_to_ns(VH_T_LIST);
    }
}

static void free_entry(struct entry *e) {
    if (e->fd >= 0)
        (void)close(e->fd);
    e->fd = -1;
    e->used = false;
    while (pool.used > 0 && !pool.entry[pool.used - 1].used)
        pool.used--;
}

static void end(struct entry *e, const union device_answer *a, int fd) {
    struct device_order o = e->order;
    uint64_t token = e->token;
    free_entry(e);
    pool.done(&o, token, a, fd);
}

/* A worker that runs stays with the order; nobody else waits for it. What no worker had says nothing of its port. */
static void write_off(struct entry *e) {
    static const char *const what[DEVICE_KINDS] = {"",
                                                   "listing devices",
                                                   "what the host uses",
                                                   "reading",
                                                   "opening",
                                                   "reset",
                                                   "listing PCI devices",
                                                   "opening a hub",
                                                   "configuring for the host",
                                                   "revocation",
                                                   "listing input devices",
                                                   "closing a bus"};
    struct device_order o = e->order;
    uint64_t token = e->token;
    if (log_may_about(LOG_DEVICES, o.sys_name, clock_now()))
        log_warn("no answer in time: order=\"%s\" device=%s", what[o.head.kind], o.sys_name);
    pool.stats.written_off++;
    if (e->worker >= 0)
        remember_late(o.sys_name);
    if (e->worker >= 0 && pool.worker[e->worker].state != WORKER_GONE)
        e->ended = true;
    else
        free_entry(e);
    pool.done(&o, token, NULL, -1);
}

/* ---- which order is next ---- */

static int count(enum worker_state state) {
    int n = 0;
    for (int w = 0; w < pool.nworkers; w++)
        n += pool.worker[w].state == state;
    return n;
}

/* Does the order under way keep this one from beginning? A revocation waits for its own device alone: its first step
 * ends transfers although the hub is busy with a neighbour. Lists concern no device, but each kind of them is out once
 * at most. Of a bus, one device at a time is authorised for a VM. */
static bool holds_up(const struct device_order *other, const struct device_order *o) {
    if (o->sys_name[0] == '\0' || other->sys_name[0] == '\0')
        return o->sys_name[0] == other->sys_name[0] && o->head.kind == other->head.kind;
    if (o->head.kind == DEVICE_REVOKE)
        return str_eq(other->sys_name, o->sys_name);
    if (o->authorise != 0 && other->authorise != 0 && o->head.kind == DEVICE_OPEN && other->head.kind == DEVICE_OPEN &&
        device_same_bus(other->sys_name, o->sys_name))
        return true;
    return device_same_port(other->sys_name, o->sys_name);
}

static bool is_held_up(const struct entry *e) {
    for (int i = 0; i < pool.used; i++) {
        const struct entry *other = &pool.entry[i];
        if (!other->used || other->worker < 0)
            continue;
        if (holds_up(&other->order, &e->order))
            return true;
    }
    return false;
}

static bool is_careful(const struct entry *e) {
    uint32_t kind = e->order.head.kind;
    return kind == DEVICE_RELEASE || kind == DEVICE_OFFER || find_late(e->order.sys_name) != NULL;
}

static struct entry *next_entry(int idle) {
    struct entry *next = NULL;
    for (int i = 0; i < pool.used; i++) {
        struct entry *e = &pool.entry[i];
        if (!e->used || e->worker >= 0 || (next != NULL && e->number > next->number))
            continue;
        if ((idle > 1 || pool.nworkers - count(WORKER_GONE) <= 1 || !is_careful(e)) && !is_held_up(e))
            next = e;
    }
    return next;
}

static void say_stuck(void) {
    bool stuck = count(WORKER_LATE) + count(WORKER_GONE) == pool.nworkers && pool.nworkers > 0;
    if (stuck == pool.said_stuck || !log_may_about(LOG_DEVICES, "device workers", clock_now()))
        return;
    if (stuck)
        log_error("no device worker is free: late=%d ended=%d; no device is read, opened or reset until one answers",
                  count(WORKER_LATE), count(WORKER_GONE));
    else
        log_info("a device worker is free again");
    pool.said_stuck = stuck;
}

static void worker_ended(int w) {
    for (int i = 0; i < pool.used; i++) {
        struct entry *e = &pool.entry[i];
        if (!e->used || e->worker != w)
            continue;
        if (e->ended)
            free_entry(e);
        else
            write_off(e);
    }
}

static void send(void) {
    for (int k = 0; k < pool.nworkers; k++) {
        int w = (pool.first + k) % pool.nworkers;
        if (pool.worker[w].state != WORKER_IDLE)
            continue;
        struct entry *e = next_entry(count(WORKER_IDLE));
        if (e == NULL)
            break;
        if (!worker_order(&pool.worker[w], &e->order, e->order.head.kind, e->fd, e->deadline))
            continue; /* it has not got the order: the next one may */
        e->worker = w;
        pool.stats.orders++;
        if (e->fd >= 0)
            (void)close(e->fd);
        e->fd = -1;
    }
    say_stuck();
}

/* ---- orders ---- */

static struct entry *find_waiting_read(const char *sys_name) {
    for (int i = 0; i < pool.used; i++) {
        struct entry *e = &pool.entry[i];
        if (e->used && e->worker < 0 && e->order.head.kind == DEVICE_READ && str_eq(e->order.sys_name, sys_name))
            return e;
    }
    return NULL;
}

bool device_pool_order(const struct device_order *o, uint64_t token, int fd) {
    struct entry *e = o->head.kind == DEVICE_READ ? find_waiting_read(o->sys_name) : NULL;
    if (e != NULL) {
        uint8_t bound = e->order.bound | o->bound, open = e->order.open | o->open;
        uint8_t storage = e->order.storage | o->storage; /* whoever opens must look */
        uint8_t configure = e->order.configure | o->configure;
        e->order = *o;
        e->order.bound = bound;
        e->order.open = open;
        e->order.storage = storage;
        e->order.configure = configure;
        e->token |= token;
        return true;
    }
    int i = 0;
    while (i < VH_MAX_ORDERS && pool.entry[i].used)
        i++;
    if (i == VH_MAX_ORDERS) {
        if (fd >= 0)
            (void)close(fd);
        return false;
    }
    if (i >= pool.used)
        pool.used = i + 1;
    if (pool.used > pool.most)
        pool.most = pool.used;
    pool.entry[i] = (struct entry){.used = true,
                                   .worker = -1,
                                   .fd = fd,
                                   .token = token,
                                   .number = pool.next_number++,
                                   .deadline = clock_now() + span(o->head.kind),
                                   .order = *o};
    send();
    return true;
}

static struct entry *entry_of(int w) {
    for (int i = 0; i < pool.used; i++) {
        if (pool.entry[i].used && pool.entry[i].worker == w)
            return &pool.entry[i];
    }
    return NULL;
}

/* Perhaps it is the worker that lacks something, and not the device: then another one has the next order. */
static bool has_failed(const struct device_order *o, const union device_answer *a) {
    switch (o->head.kind) {
    case DEVICE_LIST:
        return a->list.whole == 0;
    case DEVICE_USES:
        return a->uses.whole == 0;
    case DEVICE_PCI:
        return a->pci.whole == 0;
    case DEVICE_EVDEV:
        return a->evdev.whole == 0;
    case DEVICE_READ:
        return a->read.troubled != 0 || a->read.result == DEVICE_FLUX;
    default:
        return a->done.result == DEVICE_REFUSED;
    }
}

/* One message. False if there is none. */
static bool read_answer(int w) {
    int fds[WORKER_FDS];
    size_t n = 0;
    enum worker_got got = worker_read(&pool.worker[w], &n, fds);
    struct entry *e = entry_of(w);
    if (got == WORKER_NOTHING)
        return false;
    if (got == WORKER_ENDED) {
        worker_ended(w);
        return false;
    }
    VH_ASSERT(e != NULL);
    if (got == WORKER_DROPPED || e->ended) {
        pool.stats.dropped++;
        if (log_may_about(LOG_DEVICES, e->order.sys_name, clock_now()))
            log_info("an answer came too late: device=%s", e->order.sys_name);
        free_entry(e);
        return true;
    }
    const union device_answer *a = pool.job->answer;
    if (!device_answer_valid(&e->order, a, n, fds[0] >= 0) || fds[1] >= 0) {
        for (int i = 0; i < WORKER_FDS; i++) {
            if (fds[i] >= 0)
                (void)close(fds[i]);
        }
        log_error("a device worker's answer has not the form of one: device=%s", e->order.sys_name);
        worker_stop(&pool.worker[w]);
        worker_ended(w);
        return false;
    }
    if (has_failed(&e->order, a))
        pool.first = (w + 1) % pool.nworkers;
    forget_late(e->order.sys_name);
    end(e, a, fds[0]);
    return true;
}

/* ---- the loop's ---- */

/* A scan has an order for each device, and long answers; what is there between two scans fits a page. */
static void give_back(void) {
    if (pool.used > 0 || pool.most < GIVE_BACK)
        return;
    pages_give_back(pool.entry, sizeof pool.entry);
    pages_give_back(pool.job->answer, pool.job->answer_max);
    pool.most = 0;
}

/* Between two forks nothing is written that the next worker would not share with the one before. */
bool device_pool_start(int n, const struct worker_job *job, device_done_fn *done) {
    struct worker started[VH_DEVICE_WORKERS];
    int running = 0;
    VH_ASSERT(n >= 0 && n <= VH_DEVICE_WORKERS);
    pool.job = job;
    pool.done = done;
    while (running < n && worker_start(&started[running], job))
        running++;
    memcpy(pool.worker, started, (size_t)running * sizeof *started);
    pool.nworkers = running;
    return running == n;
}

void device_pool_stop(void) {
    for (int w = 0; w < pool.nworkers; w++)
        worker_stop(&pool.worker[w]);
}

void device_pool_fill(struct pollset *ps) {
    for (int w = 0; w < pool.nworkers; w++)
        worker_fill(&pool.worker[w], ps);
}

void device_pool_ready(const struct pollset *ps) {
    for (int w = 0; w < pool.nworkers; w++) {
        if (pool.worker[w].state != WORKER_GONE && worker_ready(&pool.worker[w], ps))
            (void)read_answer(w);
    }
    send();
    give_back();
}

int64_t device_pool_deadline(void) {
    int64_t at = VH_NEVER;
    for (int i = 0; i < pool.used; i++) {
        const struct entry *e = &pool.entry[i];
        if (e->used && !e->ended && e->deadline < at)
            at = e->deadline;
    }
    return pool.nworkers == 0 && at != VH_NEVER ? 0 : at;
}

/* Without workers: the oldest order, here and now. */
static bool do_one(void) {
    int out[WORKER_FDS] = {-1, -1};
    struct entry *e = next_entry(VH_DEVICE_WORKERS);
    if (e == NULL)
        return false;
    size_t n = pool.job->handle(&e->order, e->fd, pool.job->answer, out);
    const union device_answer *a = pool.job->answer;
    VH_ASSERT(device_answer_valid(&e->order, a, n, out[0] >= 0));
    end(e, a, out[0]);
    return true;
}

void device_pool_tick(int64_t now) {
    while (pool.nworkers == 0 && do_one()) {
    }
    for (int w = 0; w < pool.nworkers; w++)
        (void)worker_expired(&pool.worker[w], now);
    for (int i = 0; i < pool.used; i++) {
        struct entry *e = &pool.entry[i];
        if (e->used && !e->ended && e->deadline <= now)
            write_off(e);
    }
    send();
}

void device_pool_stats(struct device_pool_stats *s) {
    *s = pool.stats;
    s->workers = pool.nworkers - count(WORKER_GONE);
    s->idle = count(WORKER_IDLE);
    s->late = count(WORKER_LATE);
    s->ended = count(WORKER_GONE);
    s->waiting = 0;
    for (int i = 0; i < pool.used; i++)
        s->waiting += pool.entry[i].used && pool.entry[i].worker < 0;
}
