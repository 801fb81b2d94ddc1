/*
 * port_pool.c - which order goes to which port worker, and when. Owns the queue, the workers, and which of them have
 * which hub; knows nothing of what a claim is good for.
 */
#include "bus/usb/port_pool.h"

#include "base/duration.h"
#include "base/log.h"
#include "base/log_limit.h"
#include "base/str.h"
#include "bus/device_order.h"
#include "os/clock.h"
#include "os/sys.h"

#include <string.h>
#include <unistd.h>

enum { ANY = -1 };

struct entry {
    bool used, sent;
    bool over; /* its hub is gone: it is ended by the next tick */
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
        unsigned has;             /* a bit for each worker that has its node */
        bool slow;                /* its last order was late */
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

static bool is_of_one(const struct entry *e) { /* of one worker alone, whatever the kernel does with the hub */
    return e->order.head.kind == PORT_KEEP || e->order.head.kind == PORT_DROP;
}

static bool may_do(const struct entry *e, int w) {
    const struct owned *mine = is_of_one(e) ? NULL : find_owned(e->order.hub);
    return mine != NULL ? (mine->has >> w & 1) != 0 : e->worker == w;
}

/* How many workers there are to choose from; without processes, the loop itself is one. */
static int workers(void) {
    return pool.nworkers > 0 ? pool.nworkers : 1;
}

static bool is_in(int w, enum worker_state state) {
    return pool.nworkers > 0 ? pool.worker[w].state == state : state == WORKER_IDLE;
}

static int count(enum worker_state state) {
    int n = 0;
    for (int w = 0; w < workers(); w++)
        n += is_in(w, state);
    return n;
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
    bool inner = is_of_one(e);
    free_entry(e);
    if (!inner)
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

/* Is a worker still to be given the node? */
static bool is_coming(const char *hub) {
    for (int i = 0; i < VH_MAX_PORT_ORDERS; i++) {
        const struct entry *e = &pool.entry[i];
        if (e->used && !e->over && e->order.head.kind == PORT_KEEP && str_eq(e->order.hub, hub))
            return true;
    }
    return false;
}

static void end_what_is_over(void) {
    for (int i = 0; i < VH_MAX_PORT_ORDERS && pool.runs; i++) {
        if (pool.entry[i].used && pool.entry[i].over && !pool.entry[i].sent)
            end(&pool.entry[i], NULL);
    }
}

/* Nobody has it, and nobody gets it: its claims have ended. */
static void look_for_unheld(void) {
    char hub[VH_SYSNAME_MAX];
    for (int i = 0; i < VH_MAX_HUBS && pool.runs; i++) {
        struct owned *mine = &pool.owned[i];
        if (mine->hub[0] == '\0' || mine->has != 0 || is_coming(mine->hub))
            continue;
        memcpy(hub, mine->hub, sizeof hub);
        mine->hub[0] = '\0';
        for (int k = 0; k < VH_MAX_PORT_ORDERS; k++) {
            struct entry *e = &pool.entry[k];
            if (e->used && !e->sent && !is_of_one(e) && str_eq(e->order.hub, hub))
                e->over = true;
        }
        pool.calls->unheld(hub);
    }
}

/* ---- which order is next ---- */

/* The kernel may hold the lock of a hub, and of those behind one root port it holds several at once. */
static bool is_held_up(const struct entry *e) {
    for (int i = 0; i < VH_MAX_PORT_ORDERS; i++) {
        const struct entry *other = &pool.entry[i];
        if (!other->used || other == e || is_of_one(other))
            continue;
        if (other->sent ? device_same_port(other->order.hub, e->order.hub)
                        : !other->over && other->number < e->number && str_eq(other->order.hub, e->order.hub))
            return true;
    }
    return false;
}

static bool is_careful(const struct entry *e) {
    const struct owned *mine = find_owned(e->order.hub);
    return mine != NULL && mine->slow;
}

static struct entry *next_entry(int w) {
    bool last = count(WORKER_IDLE) == 1 && workers() - count(WORKER_GONE) > 1;
    struct entry *next = NULL;
    for (int i = 0; i < VH_MAX_PORT_ORDERS; i++) {
        struct entry *e = &pool.entry[i];
        if (!e->used || e->sent || e->over || !may_do(e, w) || (next != NULL && e->number > next->number))
            continue;
        if (is_of_one(e) || ((!last || !is_careful(e)) && !is_held_up(e)))
            next = e;
    }
    return next;
}

static void send_to(int w, struct entry *e) {
    int64_t until = clock_now() + ms_to_ns(VH_T_PORT);
    if (!worker_order(&pool.worker[w], &e->order, e->order.head.kind, e->fd, until))
        return; /* it has ended; port_pool_tick() sees it */
    e->sent = true;
    e->worker = w;
    if (e->fd >= 0)
        (void)close(e->fd);
    e->fd = -1;
}

static void send(void) {
    for (int w = 0; w < pool.nworkers && pool.runs; w++) {
        struct entry *e = is_in(w, WORKER_IDLE) ? next_entry(w) : NULL;
        if (e != NULL)
            send_to(w, e);
    }
}

/* ---- orders ---- */

static int room(void) {
    int n = 0;
    for (int i = 0; i < VH_MAX_PORT_ORDERS; i++)
        n += !pool.entry[i].used;
    return n;
}

static struct entry *free_row(void) {
    for (int i = 0; i < VH_MAX_PORT_ORDERS; i++) {
        if (!pool.entry[i].used)
            return &pool.entry[i];
    }
    return NULL;
}

/* There is room. */
static void add(const struct port_order *o, uint64_t token, int worker, int fd) {
    struct entry *e = free_row();
    VH_ASSERT(e != NULL);
    *e = (struct entry){
        .used = true, .worker = worker, .fd = fd, .token = token, .number = pool.next_number++, .order = *o};
}

/* What waits is over, and whoever has the node closes it. A worker that is not told, for want of room, has one node
 * more that says nothing of any device. */
static void drop(struct owned *mine) {
    struct port_order o = {.head.kind = PORT_DROP};
    memcpy(o.hub, mine->hub, sizeof o.hub);
    for (int i = 0; i < VH_MAX_PORT_ORDERS; i++) {
        struct entry *e = &pool.entry[i];
        bool its = e->used && e->order.head.kind != PORT_DROP && str_eq(e->order.hub, o.hub);
        if (its && e->sent && e->order.head.kind == PORT_KEEP)
            mine->has |= 1u << e->worker;
        if (its)
            e->over = true; /* if it was sent, its answer is its end */
    }
    for (int w = 0; w < workers(); w++) {
        if ((mine->has >> w & 1) != 0 && room() > 0)
            add(&o, 0, w, -1);
    }
    mine->hub[0] = '\0';
}

/* The node goes to each worker that is not waiting for the kernel. With little room one has to do. */
static bool keep(const struct port_order *o, int fd) {
    struct port_order to = {.head.kind = PORT_KEEP, .ports = o->ports};
    int n = 0;
    memcpy(to.hub, o->hub, sizeof to.hub);
    for (int w = 0; w < workers(); w++) {
        if (is_in(w, WORKER_GONE) || is_in(w, WORKER_LATE) || room() <= (n == 0 ? 1 : VH_MAX_PORT_ORDERS / 2))
            continue;
        int copy = sys_dup(fd);
        if (copy < 0)
            break;
        add(&to, 0, w, copy);
        n++;
    }
    return n > 0;
}

static bool order_new(const struct port_order *o, uint64_t token, int fd) {
    struct owned *mine = find_owned(o->hub);
    if (mine != NULL)
        drop(mine);
    mine = find_owned("");
    bool kept = mine != NULL && keep(o, fd);
    (void)close(fd);
    if (!kept)
        return false;
    *mine = (struct owned){0};
    memcpy(mine->hub, o->hub, sizeof mine->hub);
    add(o, token, ANY, -1);
    send();
    return true;
}

bool port_pool_order(const struct port_order *o, uint64_t token, int fd) {
    if (fd >= 0 && pool.runs)
        return order_new(o, token, fd);
    if (fd >= 0)
        (void)close(fd);
    struct owned *mine = pool.runs ? find_owned(o->hub) : NULL;
    if (mine == NULL || (o->head.kind != PORT_DROP && room() == 0))
        return false;
    if (o->head.kind == PORT_DROP)
        drop(mine);
    else
        add(o, token, ANY, -1);
    send();
    return true;
}

/* ---- answers ---- */

static struct entry *entry_of(int w) {
    for (int i = 0; i < VH_MAX_PORT_ORDERS; i++) {
        if (pool.entry[i].used && pool.entry[i].sent && pool.entry[i].worker == w)
            return &pool.entry[i];
    }
    return NULL;
}

/* What it had, and what it was to get, goes to the others. Its claims are the others' too. */
static void worker_ended(int w) {
    for (int i = 0; i < VH_MAX_HUBS; i++)
        pool.owned[i].has &= ~(1u << w);
    for (int i = 0; i < VH_MAX_PORT_ORDERS; i++) {
        struct entry *e = &pool.entry[i];
        if (!e->used || e->worker != w)
            continue;
        if (is_of_one(e)) {
            free_entry(e);
            continue;
        }
        e->sent = false;
        e->worker = ANY;
        e->order.again = 1;
    }
    if (count(WORKER_GONE) == pool.nworkers)
        port_pool_lose("all port workers have ended");
    else
        log_error("a port worker has ended: left=%d; what is held stays held", pool.nworkers - count(WORKER_GONE));
    look_for_unheld();
}

static void take(struct entry *e, const struct port_answer *a, bool late) {
    struct owned *mine = find_owned(e->order.hub);
    if (mine != NULL && !e->over) {
        mine->slow &= is_of_one(e) || late;
        mine->has |= e->order.head.kind == PORT_KEEP && a->error == 0 ? 1u << e->worker : 0;
    }
    end(e, e->over ? NULL : a);
    look_for_unheld();
}

static void read_answer(int w) {
    int fds[WORKER_FDS];
    size_t n = 0;
    enum worker_got got = worker_read(&pool.worker[w], &n, fds);
    struct entry *e = entry_of(w);
    if (got == WORKER_NOTHING)
        return;
    const struct port_answer *a = pool.job->answer; /* a late one is as good: what it claims is claimed */
    bool answer = got == WORKER_ANSWER || got == WORKER_DROPPED;
    bool sound = answer && e != NULL && port_answer_valid(&e->order, a, n) && fds[0] < 0 && fds[1] < 0;
    for (int i = 0; i < WORKER_FDS; i++) {
        if (fds[i] >= 0)
            (void)close(fds[i]);
    }
    if (sound) {
        take(e, a, got == WORKER_DROPPED);
        return;
    }
    if (answer)
        log_error("a port worker's answer has not the form of one");
    worker_stop(&pool.worker[w]);
    worker_ended(w);
}

static void is_late(int w) {
    struct entry *e = entry_of(w);
    VH_ASSERT(e != NULL);
    struct port_order o = e->order;
    struct owned *mine = find_owned(o.hub);
    if (mine != NULL)
        mine->slow = true;
    if (log_may_about(LOG_DEVICES, o.hub, clock_now()))
        log_warn("the kernel is busy with a hub, whose ports wait for it: hub=%s", o.hub);
    for (int i = 0; i < VH_MAX_PORT_ORDERS; i++) { /* it would get them too late to be of use */
        if (pool.entry[i].used && !pool.entry[i].sent && pool.entry[i].order.head.kind == PORT_KEEP &&
            pool.entry[i].worker == w)
            free_entry(&pool.entry[i]);
    }
    if (!is_of_one(e) && !e->over)
        pool.calls->late(&o, e->token);
    look_for_unheld();
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

/* Has one ended that entries or hubs still count on? */
static bool is_missed(int w) {
    bool any = false;
    if (pool.worker[w].state != WORKER_GONE)
        return false;
    for (int i = 0; i < VH_MAX_HUBS; i++)
        any = any || (pool.owned[i].has >> w & 1) != 0;
    for (int i = 0; i < VH_MAX_PORT_ORDERS; i++)
        any = any || (pool.entry[i].used && pool.entry[i].worker == w);
    return any;
}

int64_t port_pool_deadline(void) {
    int64_t at = VH_NEVER;
    for (int w = 0; w < pool.nworkers && pool.runs; w++) {
        if (is_missed(w))
            return 0;
        if (pool.worker[w].state == WORKER_BUSY && pool.worker[w].deadline < at)
            at = pool.worker[w].deadline;
    }
    for (int i = 0; i < VH_MAX_PORT_ORDERS && pool.runs; i++) {
        if (pool.entry[i].used && pool.entry[i].over && !pool.entry[i].sent)
            return 0;
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
    e->worker = 0;
    take(e, a, false);
    return true;
}

void port_pool_tick(int64_t now) {
    while (pool.runs && pool.nworkers == 0 && do_one()) {
    }
    for (int w = 0; w < pool.nworkers && pool.runs; w++) {
        if (is_missed(w))
            worker_ended(w);
        else if (worker_expired(&pool.worker[w], now))
            is_late(w);
    }
    end_what_is_over();
    send();
}
