/*
 * test_port_pool.c - port_pool.c: a hub's orders are done in their order by the worker that has it, and no other hub
 * waits for that one. A table: each kind of order by each way to fail. Whatever a worker does, each order ends once,
 * the end of the pool is told once, no descriptor is left and no worker goes on.
 */
#include "base/duration.h"
#include "base/log.h"
#include "bus/usb/port_pool.h"
#include "fault.h"
#include "os/clock.h"
#include "os/sock.h"

enum { NOBODY = -1 };

static int hand[VH_PORT_WORKERS]; /* the workers' ends, NOBODY: closed */
static struct port_order taken;
static union {
    struct port_answer a;
    unsigned char bytes[4 * sizeof(struct port_answer)];
} answer;
static size_t size;
static int ends, successes, losses;
static uint64_t last_token;

static void on_done(const struct port_order *o, uint64_t token, const struct port_answer *a) {
    (void)o;
    ends++;
    successes += a != NULL;
    last_token = token;
}
static void on_lost(const char *why) {
    CHECK(why[0] != '\0' && !port_pool_runs());
    losses++;
}
static const struct port_pool_calls calls = {.done = on_done, .lost = on_lost};

static struct port_order job_order;
static struct port_answer job_answer;
static size_t play(const void *order, int fd, void *a, int out[WORKER_FDS]) {
    (void)order, (void)fd, (void)out;
    memset(a, 0, sizeof job_answer);
    return sizeof job_answer;
}
static const struct worker_job job = {.name = "port",
                                      .order_size = sizeof job_order,
                                      .answer_max = sizeof job_answer,
                                      .order = &job_order,
                                      .answer = &job_answer,
                                      .handle = play};

static struct port_order make(uint32_t kind, const char *hub) {
    struct port_order o = {.head.kind = kind};
    (void)snprintf(o.hub, sizeof o.hub, "%s", hub);
    o.ports = kind == PORT_HOLD;
    o.port = kind == PORT_CLAIM || kind == PORT_RELEASE;
    return o;
}

static bool ask(uint32_t kind, const char *hub, uint64_t token) {
    const struct port_order o = make(kind, hub);
    return port_pool_order(&o, token, kind == PORT_HOLD ? dup(0) : -1);
}

/* The worker that has an order now, which is then in `taken`; NOBODY. */
static int taker(void) {
    int fds[WORKER_FDS];
    for (int i = 0; i < VH_PORT_WORKERS; i++) {
        if (hand[i] == NOBODY || sock_recv_fds(hand[i], &taken, sizeof taken, fds, WORKER_FDS) <= 0)
            continue;
        CHECK((fds[0] >= 0) == (taken.head.kind == PORT_HOLD) && fds[1] < 0);
        if (fds[0] >= 0)
            CHECK(close(fds[0]) == 0);
        return i;
    }
    return NOBODY;
}

static void make_answer(void) {
    memset(&answer, 0, sizeof answer);
    answer.a.head = taken.head;
    for (uint8_t port = 1; port <= taken.ports; port++)
        port_set(answer.a.held, port, true);
    size = sizeof answer.a;
}

static void send_answer(int i, int fd) {
    const int fds[WORKER_FDS] = {fd, -1};
    CHECK_INT(sock_send_fds(hand[i], &answer, size, fds, WORKER_FDS), (long)size);
}

static void pass(void) {
    static struct pollset ps;
    ps.n = 0;
    port_pool_fill(&ps);
    CHECK(__real_poll(ps.fd, (nfds_t)ps.n, 0) >= 0);
    port_pool_ready(&ps);
    port_pool_tick(clock_now());
}

static void answer_right(int i) {
    make_answer();
    send_answer(i, -1);
    pass();
}

static void begin(void) {
    static struct pollset ps;
    int pair[2];
    heal();
    ends = successes = losses = 0;
    give_call("fork", 0, 1);
    CHECK(port_pool_start(VH_PORT_WORKERS, &job, &calls) && port_pool_runs());
    heal();
    ps.n = 0;
    port_pool_fill(&ps);
    CHECK_INT(ps.n, VH_PORT_WORKERS);
    for (int i = 0; i < VH_PORT_WORKERS; i++) {
        CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0);
        CHECK(dup3(pair[0], ps.fd[i].fd, O_CLOEXEC) >= 0 && close(pair[0]) == 0);
        hand[i] = pair[1];
    }
}

static void die(int i) {
    CHECK(close(hand[i]) == 0);
    hand[i] = NOBODY;
}

static void finish(void) {
    for (int i = 0; i < VH_PORT_WORKERS; i++) {
        if (hand[i] != NOBODY)
            die(i);
    }
    port_pool_stop();
    heal();
}

/* Holds the hub, and answers rightly; the worker that has it. */
static int hold(const char *hub) {
    CHECK(ask(PORT_HOLD, hub, 1));
    int i = taker();
    CHECK(i != NOBODY);
    if (i != NOBODY)
        answer_right(i);
    return i;
}

/* ---- orders ---- */

static void a_hubs_orders_are_done_in_turn_by_its_worker(void) {
    begin();
    int first = hold("usb1");
    CHECK(ask(PORT_RELEASE, "usb1", 7) && ask(PORT_CLAIM, "usb1", 8));
    CHECK_INT(taker(), first);
    CHECK(taken.head.kind == PORT_RELEASE && taker() == NOBODY);
    answer_right(first);
    CHECK(last_token == 7 && successes == 2);
    CHECK_INT(taker(), first);
    CHECK(taken.head.kind == PORT_CLAIM);
    answer_right(first);
    CHECK(last_token == 8 && successes == 3 && ends == 3 && losses == 0);
    finish();
}

static void a_hub_that_keeps_its_worker_waiting_keeps_no_other_one(void) {
    begin();
    int first = hold("usb1"), second = hold("usb2");
    CHECK(first != second);
    CHECK(ask(PORT_CLAIM, "usb1", 5));
    CHECK_INT(taker(), first);
    CHECK(ask(PORT_CLAIM, "usb2", 6));
    CHECK_INT(taker(), second);
    answer_right(second);
    CHECK(last_token == 6);
    int third = hold("usb3"); /* goes to the one that is idle */
    CHECK_INT(third, second);
    finish();
}

static void who_has_no_hub_gets_no_order_about_it(void) {
    begin();
    CHECK(!ask(PORT_CLAIM, "usb1", 1) && !ask(PORT_RELEASE, "usb1", 1) && !ask(PORT_DROP, "usb1", 1));
    (void)hold("usb1");
    CHECK(ask(PORT_DROP, "usb1", 2));
    CHECK(!ask(PORT_CLAIM, "usb1", 3)); /* from here on nobody has it */
    int i = taker();
    CHECK(i != NOBODY && taken.head.kind == PORT_DROP);
    answer_right(i);
    CHECK(ends == 2 && losses == 0);
    finish();
}

static void a_full_table_and_a_full_queue_refuse(void) {
    char hub[VH_SYSNAME_MAX];
    int files = open_files();
    CHECK(port_pool_start(0, &job, &calls));
    for (int i = 0; i < VH_MAX_HUBS; i++) {
        (void)snprintf(hub, sizeof hub, "usb%d", i + 1);
        CHECK(ask(PORT_CLAIM, hub, 1) == false && ask(PORT_HOLD, hub, 1));
    }
    CHECK(!ask(PORT_HOLD, "1-1", 1));
    for (int i = VH_MAX_HUBS; i < VH_MAX_PORT_ORDERS; i++)
        CHECK(ask(PORT_CLAIM, "usb1", 1));
    CHECK(!ask(PORT_CLAIM, "usb1", 1) && port_pool_deadline() == 0);
    ends = successes = 0;
    port_pool_lose("the test is over");
    CHECK(ends == VH_MAX_PORT_ORDERS && successes == 0);
    CHECK(!ask(PORT_HOLD, "usb1", 1) && port_pool_deadline() == VH_NEVER);
    CHECK_INT(open_files(), files);
}

/* ---- orders by ways to fail ---- */

static void never(int i) {
    (void)i;
    int64_t at = port_pool_deadline();
    CHECK(at != VH_NEVER && at <= clock_now() + ms_to_ns(VH_T_PORT));
    port_pool_tick(at - 1);
    CHECK_INT(losses, 0);
    port_pool_tick(at);
}
static void dies(int i) {
    die(i);
    pass();
}
static void shorter(int i) {
    make_answer();
    size--;
    send_answer(i, -1);
    pass();
}
static void longer(int i) {
    make_answer();
    size++;
    send_answer(i, -1);
    pass();
}
static void another_serial(int i) {
    make_answer();
    answer.a.head.serial++;
    send_answer(i, -1);
    pass();
}
static void another_kind(int i) {
    make_answer();
    answer.a.head.kind ^= 1;
    send_answer(i, -1);
    pass();
}
static void ones(int i) {
    make_answer();
    memset(answer.bytes + sizeof answer.a.head, 0xff, sizeof answer.a - sizeof answer.a.head);
    send_answer(i, -1);
    pass();
}
static void with_a_descriptor(int i) {
    make_answer();
    send_answer(i, 0);
    pass();
}

static const struct {
    const char *what;
    void (*wrong)(int i);
} ways[] = {{"never", never},
            {"dies", dies},
            {"shorter", shorter},
            {"longer", longer},
            {"another serial number", another_serial},
            {"another kind", another_kind},
            {"ones", ones},
            {"a descriptor", with_a_descriptor}};

static void whatever_a_worker_does_each_order_ends_once(void) {
    for (size_t k = 0; k < sizeof ways / sizeof *ways; k++) {
        for (uint32_t kind = PORT_HOLD; kind <= PORT_DROP; kind++) {
            struct worker_counts n = {0};
            int files = open_files();
            begin();
            if (kind != PORT_HOLD)
                (void)hold("usb1");
            int before = ends, done = successes;
            CHECK(ask(kind, "usb1", 9));
            CHECK(ask(PORT_HOLD, "usb2", 10)); /* of the other worker, which does it no more */
            CHECK(kind == PORT_DROP || ask(PORT_CLAIM, "usb1", 11));
            int i = taker();
            CHECK(i != NOBODY && taken.head.kind == kind);
            if (i != NOBODY)
                ways[k].wrong(i);
            CHECK_INT(ends, before + (kind == PORT_DROP ? 2 : 3));
            CHECK(successes == done && losses == 1 && !port_pool_runs());
            CHECK(!ask(PORT_HOLD, "usb3", 1) && port_pool_deadline() == VH_NEVER);
            port_pool_tick(clock_now() + ms_to_ns(2 * VH_T_PORT));
            CHECK_INT(losses, 1);
            port_pool_count(&n);
            CHECK(n.running == 0 && n.ended == VH_PORT_WORKERS);
            finish();
            CHECK_INT(open_files(), files);
            if (!test_ok)
                printf("# %s, order %u\n", ways[k].what, (unsigned)kind);
        }
    }
}

/* ---- start ---- */

static void a_worker_that_cannot_start_is_none(void) {
    int files = open_files();
    fail_call("socketpair", 2, EMFILE);
    give_call("fork", 0, 1);
    CHECK(!port_pool_start(VH_PORT_WORKERS, &job, &calls) && !port_pool_runs() && all_failed());
    heal();
    port_pool_stop();
    CHECK_INT(open_files(), files);
}

int main(void) {
    log_open("test", LOG_INFO);
    RUN(a_hubs_orders_are_done_in_turn_by_its_worker);
    RUN(a_hub_that_keeps_its_worker_waiting_keeps_no_other_one);
    RUN(who_has_no_hub_gets_no_order_about_it);
    RUN(a_full_table_and_a_full_queue_refuse);
    RUN(whatever_a_worker_does_each_order_ends_once);
    RUN(a_worker_that_cannot_start_is_none);
    TEST_MAIN_END;
}
