/*
 * port_pool.c - which order goes to which port worker, and when. Owns the queue, the workers, and which of them has
 * which hub; knows nothing of what a claim is good for.
 */
#include "bus/usb/port_pool.h"

#include "base/duration.h"
#include "base/log.h"
#include "base/str.h"
#include "os/clock.h"

#include <string.h>
#include <unistd.h>

struct entry {
    bool used, sent;
    int worker, fd;
    uint64_t token, number; /* number: the order in which they were given */
    struct port_order order;
};

static struct {
    const struct worker_job *job;
    const struct port_pool_calls *calls;
    bool runs;
    int nworkers;
    uint64_t next_number;
    struct worker worker[VH_PORT_WORKERS];
    struct entry entry[VH_MAX_PORT_ORDERS];
    struct owned {
        char hub[VH_SYSNAME_MAX]; /* "" free */
        int worker;
    } owned[VH_MAX_HUBS];
} pool;

/* ---- who has which hub ---- */

static struct owned *find_owned(const char *hub) {
    for (int i = 0; i < VH_MAX_HUBS; i++) {
        if (str_eq(pool.owned[i].hub, hub))
            return &pool.owned[i];
    }
    return NULL;
}

/* The one with the fewest; of equal ones, an idle one. */
static int least_worker(void) {
    int best = 0, fewest = 2 * VH_MAX_HUBS + 2;
    for (int w = 0; w < pool.nworkers; w++) {
        int n = pool.worker[w].state != WORKER_IDLE;
        for (int i = 0; i < VH_MAX_HUBS; i++)
            n += 2 * (pool.owned[i].hub[0] != '\0' && pool.owned[i].worker == w);
        if (n < fewest) {
            fewest = n;
            best = w;
        }
    }
    return best;
}

/* Of the order's hub, -1 none. */
static int worker_of(const struct port_order *o) {
    struct owned *mine = find_owned(o->hub);
    if (mine == NULL && o->head.kind == PORT_HOLD) {
        mine = find_owned("");
        if (mine == NULL)
            return -1;
        mine->worker = least_worker(); /* while the row is free: it counts for nobody */
        memcpy(mine->hub, o->hub, sizeof mine->hub);
    }
    int w = mine != NULL ? mine->worker : -1;
    if (mine != NULL && o->head.kind == PORT_DROP)
        mine->hub[0] = '\0';
    return w;
}

/* ---- ends ---- */

static void free_entry(struct entry *e) {
    if (e->fd >= 0)
        (void)close(e->fd);
    e->fd = -1;
    e->used = false;
}

static void end(struct entry *e, const struct port_answer *a) {
    struct port_order o = e->order;
    uint64_t token = e->token;
    free_entry(e);
    pool.calls->done(&o, token, a);
}

/* They end when their sockets do, and what they have claimed ends with them. */
static void stop_workers(void) {
    pool.runs = false;
    for (int w = 0; w < pool.nworkers; w++)
        worker_stop(&pool.worker[w]);
}

void port_pool_lose(const char *why) {
    if (!pool.runs)
        return;
    stop_workers();
    pool.calls->lost(why);
    for (int i = 0; i < VH_MAX_PORT_ORDERS; i++) {
        if (pool.entry[i].used)
            end(&pool.entry[i], NULL);
    }
}

/* ---- orders ---- */

static struct entry *next_entry(int worker) {
    struct entry *next = NULL;
    for (int i = 0; i < VH_MAX_PORT_ORDERS; i++) {
        struct entry *e = &pool.entry[i];
        if (e->used && !e->sent && e->worker == worker && (next == NULL || e->number < next->number))
            next = e;
    }
    return next;
}

static void send(void) {
    for (int w = 0; w < pool.nworkers && pool.runs; w++) {
        struct entry *e = pool.worker[w].state == WORKER_IDLE ? next_entry(w) : NULL;
        if (e == NULL)
            continue;
        int64_t until = clock_now() + ms_to_ns(VH_T_PORT);
        if (!worker_order(&pool.worker[w], &e->order, e->order.head.kind, e->fd, until))
            continue; /* it has ended; port_pool_tick() sees it */
        e->sent = true;
        if (e->fd >= 0)
            (void)close(e->fd);
        e->fd = -1;
    }
}

bool port_pool_order(const struct port_order *o, uint64_t token, int fd) {
    int i = 0, w = -1;
    while (i < VH_MAX_PORT_ORDERS && pool.entry[i].used)
        i++;
    if (pool.runs && i < VH_MAX_PORT_ORDERS)
        w = worker_of(o);
    if (w < 0) {
        if (fd >= 0)
            (void)close(fd);
        return false;
    }
    pool.entry[i] =
        (struct entry){.used = true, .worker = w, .fd = fd, .token = token, .number = pool.next_number++, .order = *o};
    send();
    return true;
}

static struct entry *entry_of(int w) {
    for (int i = 0; i < VH_MAX_PORT_ORDERS; i++) {
        if (pool.entry[i].used && pool.entry[i].sent && pool.entry[i].worker == w)
            return &pool.entry[i];
    }
    return NULL;
}

static void read_answer(int w) {
    int fds[WORKER_FDS];
    size_t n = 0;
    enum worker_got got = worker_read(&pool.worker[w], &n, fds);
    struct entry *e = entry_of(w);
    if (got == WORKER_NOTHING)
        return;
    const struct port_answer *a = pool.job->answer;
    bool sound = got == WORKER_ANSWER && e != NULL && port_answer_valid(&e->order, a, n) && fds[0] < 0 && fds[1] < 0;
    for (int i = 0; i < WORKER_FDS; i++) {
        if (got == WORKER_ANSWER && fds[i] >= 0)
            (void)close(fds[i]);
    }
    if (sound)
        end(e, a);
    else
        port_pool_lose(got == WORKER_ENDED ? "a port worker has ended"
                                           : "a port worker's answer has not the form of one");
}

/* ---- the loop's ---- */

bool port_pool_start(int n, const struct worker_job *job, const struct port_pool_calls *calls) {
    VH_ASSERT(n >= 0 && n <= VH_PORT_WORKERS);
    pool.job = job;
    pool.calls = calls;
    pool.nworkers = 0;
    memset(pool.owned, 0, sizeof pool.owned);
    while (pool.nworkers < n && worker_start(&pool.worker[pool.nworkers], job))
        pool.nworkers++;
    pool.runs = pool.nworkers == n;
    return pool.runs;
}

bool port_pool_runs(void) {
    return pool.runs;
}

void port_pool_stop(void) {
    stop_workers();
    for (int i = 0; i < VH_MAX_PORT_ORDERS; i++) {
        if (pool.entry[i].used)
            free_entry(&pool.entry[i]);
    }
}

void port_pool_count(struct worker_counts *n) {
    for (int w = 0; w < pool.nworkers; w++)
        worker_count(&pool.worker[w], n);
}

void port_pool_fill(struct pollset *ps) {
    for (int w = 0; w < pool.nworkers; w++)
        worker_fill(&pool.worker[w], ps);
}

void port_pool_ready(const struct pollset *ps) {
    for (int w = 0; w < pool.nworkers && pool.runs; w++) {
        if (pool.worker[w].state != WORKER_GONE && worker_ready(&pool.worker[w], ps))
            read_answer(w);
    }
    send();
}

int64_t port_pool_deadline(void) {
    int64_t at = VH_NEVER;
    for (int w = 0; w < pool.nworkers && pool.runs; w++) {
        if (pool.worker[w].state == WORKER_GONE)
            return 0;
        if (pool.worker[w].state == WORKER_BUSY && pool.worker[w].deadline < at)
            at = pool.worker[w].deadline;
    }
    return pool.runs && pool.nworkers == 0 && next_entry(0) != NULL ? 0 : at;
}

/* Without workers: the oldest order, here and now. */
static bool do_one(void) {
    int out[WORKER_FDS] = {-1, -1};
    struct entry *e = next_entry(0);
    if (e == NULL)
        return false;
    size_t n = pool.job->handle(&e->order, e->fd, pool.job->answer, out);
    const struct port_answer *a = pool.job->answer;
    VH_ASSERT(port_answer_valid(&e->order, a, n));
    end(e, a);
    return true;
}

void port_pool_tick(int64_t now) {
    while (pool.runs && pool.nworkers == 0 && do_one()) {
    }
    for (int w = 0; w < pool.nworkers && pool.runs; w++) {
        if (pool.worker[w].state == WORKER_GONE)
            port_pool_lose("a port worker has ended");
        else if (worker_expired(&pool.worker[w], now))
            port_pool_lose("the kernel does not give a hub's ports: it is busy with that hub for too long");
    }
    send();
}
