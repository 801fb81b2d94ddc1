/*
 * test_port_pool.c - port_pool.c: every worker is given every hub's node, a hub's orders are done in their order, and
 * no other hub waits for a late one. A table: each kind of order by each way to fail. Whatever a worker does, each
 * order ends once, another worker goes on, and without any the end of the pool is told once; no descriptor is left.
 */
#include "base/duration.h"
#include "base/log.h"
#include "bus/usb/port_pool.h"
#include "fault.h"
#include "os/clock.h"
#include "os/sock.h"

enum { NOBODY = -1 };

static int hand[VH_PORT_WORKERS];  /* the workers' ends, NOBODY: closed */
static bool mute[VH_PORT_WORKERS]; /* keeps its next order to itself */
static struct port_order taken;
static union {
    struct port_answer a;
    unsigned char bytes[4 * sizeof(struct port_answer)];
} answer;
static size_t size;
static int ends, successes, losses, lates, unheld;
static uint64_t last_token;

static void on_done(const struct port_order *o, uint64_t token, const struct port_answer *a) {
    CHECK(o->head.kind != PORT_KEEP && o->head.kind != PORT_DROP);
    ends++;
    successes += a != NULL;
    last_token = token;
}
static void on_late(const struct port_order *o, uint64_t token) {
    (void)o;
    lates++;
    last_token = token;
}
static void on_unheld(const char *hub) {
    CHECK(hub[0] != '\0' && port_pool_runs());
    unheld++;
}
static void on_lost(const char *why) {
    CHECK(why[0] != '\0' && !port_pool_runs());
    losses++;
}
static const struct port_pool_calls calls = {.done = on_done, .late = on_late, .unheld = on_unheld, .lost = on_lost};

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

/* The worker that has an order now, which is then in `taken`; NOBODY. A byte tells one that it is dismissed. */
static int taker_of(int from) {
    int fds[WORKER_FDS];
    for (int i = from; i < VH_PORT_WORKERS; i++) {
        if (hand[i] == NOBODY || mute[i] || sock_recv_fds(hand[i], &taken, sizeof taken, fds, WORKER_FDS) <= 1)
            continue;
        CHECK((fds[0] >= 0) == (taken.head.kind == PORT_KEEP) && fds[1] < 0);
        if (fds[0] >= 0)
            CHECK(close(fds[0]) == 0);
        return i;
    }
    return NOBODY;
}

static int taker(void) {
    return taker_of(0);
}

static void make_answer(void) {
    memset(&answer, 0, sizeof answer);
    answer.a.head = taken.head;
    for (uint8_t port = 1; taken.head.kind == PORT_HOLD && port <= taken.ports; port++)
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
    ends = successes = losses = lates = unheld = 0;
    memset(mute, 0, sizeof mute);
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

/* Takes the orders to keep or to drop that are out, and answers them. The worker that has another order then, in
 * `taken`; NOBODY. */
static int next(void) {
    for (int i = taker(); i != NOBODY; i = taker()) {
        if (taken.head.kind != PORT_KEEP && taken.head.kind != PORT_DROP)
            return i;
        answer_right(i);
    }
    return NOBODY;
}

/* Holds the hub, and answers rightly; the worker that has claimed it. */
static int hold(const char *hub) {
    CHECK(ask(PORT_HOLD, hub, 1));
    int i = next();
    CHECK(i != NOBODY && taken.head.kind == PORT_HOLD && taken.again == 0);
    if (i != NOBODY)
        answer_right(i);
    CHECK_INT(next(), NOBODY);
    return i;
}

/* ---- orders ---- */

static void every_worker_is_given_the_node_before_a_port_is_claimed(void) {
    int kept = 0, held = 0;
    begin();
    CHECK(ask(PORT_HOLD, "usb1", 1));
    for (int i = taker(); i != NOBODY; i = taker()) {
        CHECK_STR(taken.hub, "usb1");
        kept += taken.head.kind == PORT_KEEP;
        held += taken.head.kind == PORT_HOLD && taken.ports == 1 && kept > 1;
        mute[i] = kept == 1; /* the first one takes its time: the others do not wait for it */
        if (!mute[i])
            answer_right(i);
    }
    CHECK(kept == VH_PORT_WORKERS && held == 1 && successes == 1);
    finish();
}

static void a_hubs_orders_are_done_in_turn(void) {
    begin();
    (void)hold("usb1");
    CHECK(ask(PORT_RELEASE, "usb1", 7) && ask(PORT_CLAIM, "usb1", 8));
    int i = next();
    CHECK(i != NOBODY && taken.head.kind == PORT_RELEASE && next() == NOBODY);
    answer_right(i);
    CHECK(last_token == 7 && successes == 2);
    i = next();
    CHECK(i != NOBODY && taken.head.kind == PORT_CLAIM);
    answer_right(i);
    CHECK(last_token == 8 && successes == 3 && ends == 3 && losses == 0);
    finish();
}

static void a_late_hub_keeps_no_other_one_waiting(void) {
    begin();
    (void)hold("usb1");
    (void)hold("usb2");
    (void)hold("1-4");
    CHECK(ask(PORT_CLAIM, "usb1", 5));
    int late = next();
    CHECK(late != NOBODY);
    mute[late] = true;
    port_pool_tick(port_pool_deadline() - 1);
    CHECK_INT(lates, 0);
    port_pool_tick(port_pool_deadline());
    CHECK(lates == 1 && last_token == 5 && ends == 3 && losses == 0 && was_said("busy with a hub"));
    CHECK(ask(PORT_CLAIM, "usb1", 6)); /* waits for the one before */
    CHECK(ask(PORT_CLAIM, "usb2", 7));
    int other = next();
    CHECK(other != NOBODY && other != late && strcmp(taken.hub, "usb2") == 0);
    answer_right(other);
    CHECK(last_token == 7 && next() == NOBODY);
    CHECK(ask(PORT_HOLD, "usb3", 8)); /* the late worker is not given its node */
    int third = next();
    CHECK(third != NOBODY && third != late && taken.head.kind == PORT_HOLD);
    answer_right(third);
    CHECK(port_pool_runs());
    finish();
}

static void a_late_answer_is_as_good(void) {
    begin();
    (void)hold("usb1");
    CHECK(ask(PORT_CLAIM, "usb1", 5) && ask(PORT_RELEASE, "usb1", 6));
    int i = next();
    CHECK(i != NOBODY && taken.head.kind == PORT_CLAIM);
    port_pool_tick(port_pool_deadline());
    CHECK(lates == 1 && ends == 1);
    answer_right(i);
    CHECK(ends == 2 && successes == 2 && last_token == 5);
    i = next();
    CHECK(i != NOBODY && taken.head.kind == PORT_RELEASE && taken.again == 0);
    answer_right(i);
    CHECK(ends == 3 && last_token == 6 && port_pool_deadline() == VH_NEVER);
    finish();
}

static void hubs_that_were_late_never_get_the_last_worker(void) {
    static const char *const hubs[] = {"usb1", "usb2", "usb3"};
    begin();
    for (int i = 0; i < 3; i++)
        (void)hold(hubs[i]);
    for (int i = 0; i < 3; i++) { /* each was late once, and the kernel is busy with it again */
        CHECK(ask(PORT_CLAIM, hubs[i], 5));
        int w = next();
        port_pool_tick(port_pool_deadline());
        answer_right(w);
    }
    for (int i = 0; i < 3; i++)
        CHECK(ask(PORT_CLAIM, hubs[i], 6));
    int n = 0, w;
    while ((w = next()) != NOBODY) {
        mute[w] = true;
        n++;
    }
    CHECK_INT(n, VH_PORT_WORKERS - 1);
    CHECK(ask(PORT_HOLD, "usb4", 7));
    w = next();
    CHECK(w != NOBODY && strcmp(taken.hub, "usb4") == 0);
    finish();
}

static void orders_behind_one_root_port_wait_for_each_other(void) {
    begin();
    (void)hold("1-4");
    (void)hold("1-4.1");
    (void)hold("1-5");
    CHECK(ask(PORT_CLAIM, "1-4", 5) && ask(PORT_CLAIM, "1-4.1", 6) && ask(PORT_CLAIM, "1-5", 7));
    int first = next(), second = NOBODY;
    CHECK(first != NOBODY && strcmp(taken.hub, "1-4") == 0);
    struct port_order of_first = taken;
    mute[first] = true;
    second = next();
    CHECK(second != NOBODY && strcmp(taken.hub, "1-5") == 0 && next() == NOBODY);
    mute[first] = false;
    taken = of_first;
    answer_right(first);
    int third = next();
    CHECK(third != NOBODY && strcmp(taken.hub, "1-4.1") == 0);
    finish();
}

static void who_has_no_hub_gets_no_order_about_it(void) {
    begin();
    CHECK(!ask(PORT_CLAIM, "usb1", 1) && !ask(PORT_RELEASE, "usb1", 1) && !ask(PORT_DROP, "usb1", 1));
    (void)hold("usb1");
    CHECK(ask(PORT_DROP, "usb1", 2));
    CHECK(!ask(PORT_CLAIM, "usb1", 3)); /* from here on nobody has it */
    int dropped = 0;
    for (int i = taker(); i != NOBODY; i = taker()) {
        dropped += taken.head.kind == PORT_DROP;
        answer_right(i);
    }
    CHECK(dropped == VH_PORT_WORKERS && ends == 1 && losses == 0 && unheld == 0);
    finish();
}

static void what_waits_for_a_hub_that_goes_ends(void) {
    int files = open_files();
    begin();
    (void)hold("usb1");
    CHECK(ask(PORT_RELEASE, "usb1", 7) && ask(PORT_CLAIM, "usb1", 8) && ask(PORT_DROP, "usb1", 0));
    CHECK_INT(ends, 1);
    CHECK_INT(port_pool_deadline(), 0);
    port_pool_tick(clock_now());
    CHECK(ends == 2 && successes == 1 && last_token == 8);
    int i = next(); /* what was out is answered, to nobody */
    CHECK(i != NOBODY && taken.head.kind == PORT_RELEASE);
    answer_right(i);
    CHECK(ends == 3 && successes == 1);
    CHECK(ask(PORT_HOLD, "usb1", 9) && ask(PORT_HOLD, "usb1", 10)); /* plugged in anew, twice */
    for (i = next(); i != NOBODY; i = next())
        answer_right(i);
    CHECK(last_token == 10 && successes == 2 && unheld == 0);
    finish();
    CHECK_INT(open_files(), files);
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
    for (int i = 2 * VH_MAX_HUBS; i < VH_MAX_PORT_ORDERS; i++)
        CHECK(ask(PORT_CLAIM, "usb1", 1));
    CHECK(!ask(PORT_CLAIM, "usb1", 1) && port_pool_deadline() == 0);
    ends = successes = 0;
    port_pool_lose("the test is over");
    CHECK(ends == VH_MAX_PORT_ORDERS - VH_MAX_HUBS && successes == 0);
    CHECK(!ask(PORT_HOLD, "usb1", 1) && port_pool_deadline() == VH_NEVER);
    CHECK_INT(open_files(), files);
}

/* ---- orders by ways to fail ---- */

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
} ways[] = {{"dies", dies},
            {"shorter", shorter},
            {"longer", longer},
            {"another serial number", another_serial},
            {"another kind", another_kind},
            {"ones", ones},
            {"a descriptor", with_a_descriptor}};

static struct worker_counts counts(void) {
    struct worker_counts n = {0};
    port_pool_count(&n);
    return n;
}

static void another_worker_does_what_one_that_fails_had(void) {
    for (size_t k = 0; k < sizeof ways / sizeof *ways; k++) {
        for (uint32_t kind = PORT_HOLD; kind <= PORT_RELEASE; kind++) {
            int files = open_files();
            begin();
            if (kind != PORT_HOLD)
                (void)hold("usb1");
            int before = ends;
            CHECK(ask(kind, "usb1", 9));
            int i = next();
            for (int left = VH_PORT_WORKERS - 1; i != NOBODY && left > 0; left--) {
                CHECK(taken.head.kind == kind && taken.again == (left < VH_PORT_WORKERS - 1));
                ways[k].wrong(i);
                CHECK(ends == before && losses == 0 && unheld == 0 && was_said("what is held stays held"));
                CHECK_INT(counts().running, left);
                i = next();
            }
            CHECK(i != NOBODY && taken.head.kind == kind && taken.again == 1);
            if (i != NOBODY)
                answer_right(i);
            CHECK(ends == before + 1 && last_token == 9 && losses == 0);
            finish();
            CHECK_INT(open_files(), files);
            if (!test_ok)
                printf("# %s, order %u\n", ways[k].what, (unsigned)kind);
        }
    }
}

static void without_any_worker_every_order_ends_once(void) {
    for (size_t k = 0; k < sizeof ways / sizeof *ways; k++) {
        int files = open_files();
        begin();
        (void)hold("usb1");
        CHECK(ask(PORT_CLAIM, "usb1", 9) && ask(PORT_RELEASE, "usb1", 10));
        for (int n = 0; n < VH_PORT_WORKERS; n++) {
            int i = next();
            CHECK(i != NOBODY && ends == 1 && losses == 0);
            if (i != NOBODY)
                ways[k].wrong(i);
        }
        CHECK(ends == 3 && successes == 1 && losses == 1 && !port_pool_runs());
        CHECK(!ask(PORT_HOLD, "usb3", 1) && port_pool_deadline() == VH_NEVER);
        port_pool_tick(clock_now() + ms_to_ns(2 * VH_T_PORT));
        CHECK(losses == 1 && counts().running == 0 && counts().ended == VH_PORT_WORKERS);
        finish();
        CHECK_INT(open_files(), files);
        if (!test_ok)
            printf("# %s\n", ways[k].what);
    }
}

/* A hub whose node only late workers' fellows have, and they end. */
static void a_hub_that_nobody_has_any_more_is_told(void) {
    int files = open_files();
    begin();
    (void)hold("usb1");
    CHECK(ask(PORT_CLAIM, "usb1", 5));
    int late = next();
    CHECK(late != NOBODY);
    mute[late] = true;
    port_pool_tick(port_pool_deadline());
    CHECK(ask(PORT_HOLD, "usb2", 6));
    int i = next();
    answer_right(i);
    CHECK(last_token == 6 && ask(PORT_CLAIM, "usb2", 7));
    for (i = 0; i < VH_PORT_WORKERS; i++) {
        if (i != late)
            dies(i);
    }
    CHECK(unheld == 1 && losses == 0 && port_pool_runs());
    port_pool_tick(clock_now());
    CHECK(last_token == 7 && ends == 3 && successes == 2);
    CHECK(!ask(PORT_CLAIM, "usb2", 8) && ask(PORT_CLAIM, "usb1", 9));
    finish();
    CHECK_INT(open_files(), files);
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
    RUN(every_worker_is_given_the_node_before_a_port_is_claimed);
    RUN(a_hubs_orders_are_done_in_turn);
    RUN(a_late_hub_keeps_no_other_one_waiting);
    RUN(a_late_answer_is_as_good);
    RUN(hubs_that_were_late_never_get_the_last_worker);
    RUN(orders_behind_one_root_port_wait_for_each_other);
    RUN(who_has_no_hub_gets_no_order_about_it);
    RUN(what_waits_for_a_hub_that_goes_ends);
    RUN(a_full_table_and_a_full_queue_refuse);
    RUN(another_worker_does_what_one_that_fails_had);
    RUN(without_any_worker_every_order_ends_once);
    RUN(a_hub_that_nobody_has_any_more_is_told);
    RUN(a_worker_that_cannot_start_is_none);
    TEST_MAIN_END;
}
