/*
 * test_device_pool.c - device_pool.c with workers that do as the device's name says. Each test is a process of its own,
 * because the pool remembers which ports were late.
 *
 * "B-P": 1-P waits at gate P, 2-P answers what is none, 3-P ends the process, 4-P answers at once, 5-P answers about
 * another device, 6-P is like 1-P and its node is opened, 8-P refuses and sends a node all the same.
 */
#include "bus/device_pool.h"
#include "fault.h"
#include "os/clock.h"

#include <signal.h>
#include <sys/wait.h>

enum { WAIT_MS = 20000, GATES = 10, MAX_ENDS = 1024 };

static int gate[GATES][2];
static struct device_order order;
static union device_answer answer;

/* ---- in the worker ---- */

static bool enter(void) {
    for (int i = 0; i < GATES; i++)
        (void)close(gate[i][1]); /* the gates open when the test has ended */
    return true;
}

static void wait_at_gate(int i) {
    char byte;
    if (read(gate[i][0], &byte, 1) != 1)
        _exit(0);
}

static void make_answer(const struct device_order *o, char bus, union device_answer *a, int out[WORKER_FDS]) {
    memset(a, 0, sizeof *a);
    if (o->head.kind == DEVICE_READ) {
        a->read.result = bus == '2' ? 99 : bus == '5' ? DEVICE_SAME : DEVICE_GONE;
        a->read.incarnation = 77;
    } else if (o->head.kind == DEVICE_LIST) {
        a->list.whole = 1;
    } else if (o->head.kind == DEVICE_OPEN || o->head.kind == DEVICE_RELEASE) {
        a->done.result = bus == '2' ? 99 : bus == '8' ? DEVICE_REFUSED : DEVICE_SAME;
        if (o->head.kind == DEVICE_OPEN && bus != '7')
            out[0] = dup(0);
        if (bus == '9')
            out[1] = dup(0);
    }
}

static size_t handle(const void *p, int fd, void *a, int out[WORKER_FDS]) {
    const struct device_order *o = p;
    char bus = o->sys_name[0], port = bus != '\0' ? o->sys_name[2] : '0';
    if (!device_order_valid(o) || bus == '3')
        return 0;
    if (bus == '1' || bus == '6' || (bus == '\0' && o->head.kind == DEVICE_LIST))
        wait_at_gate(port - '0');
    make_answer(o, bus, a, out);
    if (o->head.kind == DEVICE_RELEASE && fd < 0)
        (void)memcpy(((union device_answer *)a)->done.why, "no process", 11);
    return device_answer_size(o->head.kind, a);
}

static const struct worker_job job = {.name = "test",
                                      .order_size = sizeof order,
                                      .answer_max = sizeof answer,
                                      .order = &order,
                                      .answer = &answer,
                                      .enter = enter,
                                      .handle = handle};

/* ---- in the test ---- */

static struct {
    char name[VH_SYSNAME_MAX], why[VH_TEXT_MAX];
    uint32_t kind;
    uint64_t token;
    uint8_t bound, open, storage;
    bool answered, opened;
} ends[MAX_ENDS];
static int nends;
static bool ordering;    /* nothing may be called back then */
static const char *next; /* to be read of when an order ends */

static void read_of(const char *name);

static void on_done(const struct device_order *o, uint64_t token, const union device_answer *a, int fd) {
    CHECK(!ordering && nends < MAX_ENDS);
    (void)snprintf(ends[nends].name, sizeof ends[nends].name, "%s", o->sys_name);
    ends[nends].kind = o->head.kind;
    ends[nends].token = token;
    ends[nends].bound = o->bound;
    ends[nends].open = o->open;
    ends[nends].storage = o->storage;
    ends[nends].answered = a != NULL;
    ends[nends].opened = fd >= 0;
    if (a != NULL && o->head.kind >= DEVICE_OPEN)
        (void)snprintf(ends[nends].why, sizeof ends[nends].why, "%s", a->done.why);
    nends++;
    if (fd >= 0)
        CHECK(close(fd) == 0);
    if (next != NULL)
        read_of(next);
}

static bool give(uint32_t kind, const char *name, uint64_t token, int fd) {
    struct device_order o = {.head = {.kind = kind}};
    (void)snprintf(o.sys_name, sizeof o.sys_name, "%s", name);
    ordering = true;
    bool ok = device_pool_order(&o, token, fd);
    ordering = false;
    return ok;
}

static void read_of(const char *name) {
    CHECK(give(DEVICE_READ, name, 0, -1));
}

static void open_gate(int i) {
    CHECK(write(gate[i][1], "", 1) == 1);
}

static struct device_pool_stats stats(void) {
    struct device_pool_stats s;
    device_pool_stats(&s);
    return s;
}

static void pass(int wait_ms) {
    static struct pollset ps;
    ps.n = 0;
    device_pool_fill(&ps);
    CHECK(poll(ps.fd, (nfds_t)ps.n, wait_ms) >= 0);
    device_pool_ready(&ps);
}

/* Until so many orders have ended since the last time. */
static void wait_ends(int n) {
    for (int i = 0; i < 100 && nends < n; i++)
        pass(WAIT_MS / 100);
    CHECK_INT(nends, n);
    nends = 0;
}

static void wait_dropped(uint64_t n) {
    for (int i = 0; i < 100 && stats().dropped < n; i++)
        pass(WAIT_MS / 100);
    CHECK_INT(stats().dropped, n);
}

/* The time of the next deadline has come. */
static void expire(void) {
    CHECK(device_pool_deadline() != VH_NEVER);
    device_pool_tick(device_pool_deadline());
}

static void begin(int n) {
    CHECK(device_pool_start(n, &job, on_done));
    CHECK_INT(stats().workers, n);
    CHECK_INT(stats().idle, n);
    CHECK_INT(device_pool_deadline(), VH_NEVER);
}

/* "1-P" is known to be late; its worker is free again. */
static void make_late(const char *name, int port) {
    uint64_t dropped = stats().dropped;
    read_of(name);
    expire();
    CHECK_INT(nends, 1);
    nends = 0;
    open_gate(port);
    wait_dropped(dropped + 1);
    heal();
}

/* ---- which order is out ---- */

static void one_order_about_a_root_port_at_a_time(void) {
    begin(4);
    read_of("1-1");
    read_of("1-1.2");
    CHECK(give(DEVICE_OPEN, "1-1.3.4", 0, -1));
    CHECK(give(DEVICE_RELEASE, "1-1", 0, -1));
    CHECK_INT(stats().waiting, 3);
    CHECK_INT(stats().idle, 3);
    read_of("4-1"); /* the same port of another bus */
    wait_ends(1);
    CHECK_STR(ends[0].name, "4-1");
    CHECK_INT(stats().waiting, 3);
    for (int i = 0; i < 4; i++)
        open_gate(1);
    wait_ends(4);
    CHECK_STR(ends[0].name, "1-1");
    CHECK_STR(ends[1].name, "1-1.2");
    CHECK_STR(ends[2].name, "1-1.3.4");
    CHECK(ends[2].opened && ends[3].kind == DEVICE_RELEASE && ends[3].answered);
    CHECK_INT(stats().waiting, 0);
    CHECK_INT(stats().orders, 5);
    CHECK_INT(device_pool_deadline(), VH_NEVER);
}

static void authorise(const char *name) {
    struct device_order o = {.head = {.kind = DEVICE_OPEN}, .authorise = 1};
    (void)snprintf(o.sys_name, sizeof o.sys_name, "%s", name);
    CHECK(device_pool_order(&o, 0, -1));
}

/* Meanwhile the bus makes interfaces that are not authorised. */
static void of_a_bus_one_device_at_a_time_is_authorised_for_a_vm(void) {
    begin(4);
    authorise("6-1"); /* waits at its gate */
    authorise("6-2");
    CHECK(give(DEVICE_OPEN, "6-3", 0, -1)); /* as it is authorised */
    authorise("4-1");
    open_gate(3);
    wait_ends(2);
    CHECK(stats().waiting == 1);
    open_gate(1);
    open_gate(2);
    wait_ends(2);
}

static void a_list_of_each_kind_at_a_time(void) {
    begin(4);
    CHECK(give(DEVICE_LIST, "", 1, -1));
    CHECK(give(DEVICE_LIST, "", 2, -1));
    CHECK(give(DEVICE_USES, "", 3, -1));
    read_of("4-1");
    CHECK_INT(stats().waiting, 1);
    wait_ends(2);
    open_gate(0);
    open_gate(0);
    wait_ends(2);
    CHECK(ends[0].token == 1 && ends[1].token == 2 && ends[0].answered && ends[1].answered);
}

static void a_stuck_device_delays_only_its_port(void) {
    begin(2);
    read_of("1-1");
    expire();
    CHECK_INT(nends, 1);
    CHECK(!ends[0].answered && was_said("no answer in time: order=\"reading\" device=1-1"));
    nends = 0;
    CHECK_INT(stats().late, 1);
    read_of("1-1.4");
    for (int i = 0; i < 5; i++) {
        read_of("4-2");
        wait_ends(1);
        CHECK(ends[0].answered);
    }
    CHECK_INT(stats().waiting, 1);
    expire(); /* 1-1.4, which no worker had */
    CHECK_INT(nends, 1);
    CHECK_STR(ends[0].name, "1-1.4");
    CHECK(!ends[0].answered);
    open_gate(1);
    wait_dropped(1);
    CHECK_INT(nends, 1); /* the late answer ends nothing */
    struct device_pool_stats s = stats();
    CHECK(s.workers == 2 && s.idle == 2 && s.late == 0 && s.waiting == 0 && s.written_off == 2 && s.orders == 6);
}

static void a_late_port_never_takes_the_last_worker(void) {
    begin(3);
    make_late("1-1", 1);
    read_of("1-2");
    read_of("1-3");
    CHECK_INT(stats().idle, 1);
    read_of("1-1.5");
    CHECK_INT(stats().waiting, 1);
    read_of("4-1");
    CHECK_INT(stats().waiting, 1);
    wait_ends(1);
    CHECK_STR(ends[0].name, "4-1");
    open_gate(2); /* with two of them free it gets one */
    wait_ends(1);
    CHECK_INT(stats().waiting, 0);
    open_gate(1);
    wait_ends(1);
    CHECK(ends[0].answered);
    read_of("1-2");
    CHECK_INT(stats().idle, 1);
    read_of("1-1"); /* it has answered in time: nothing is held against it */
    CHECK_INT(stats().waiting, 0);
    open_gate(1);
    wait_ends(1);
}

static void a_release_never_takes_the_last_worker(void) {
    begin(2);
    read_of("1-1");
    CHECK(give(DEVICE_RELEASE, "4-2", 9, -1));
    CHECK_INT(stats().waiting, 1);
    read_of("4-3");
    wait_ends(1);
    CHECK_STR(ends[0].name, "4-3");
    open_gate(1);
    wait_ends(2);
    CHECK(ends[1].kind == DEVICE_RELEASE && ends[1].answered && ends[1].token == 9);
}

/* An order that no worker had says nothing of its port. */
static void who_only_waited_is_not_held_to_be_late(void) {
    begin(2);
    read_of("1-1");
    read_of("1-2");
    read_of("4-3");
    for (int i = 0; i < 3; i++)
        expire();
    CHECK_INT(nends, 3);
    nends = 0;
    open_gate(1);
    wait_dropped(1);
    CHECK_INT(stats().idle, 1);
    read_of("4-3");
    wait_ends(1);
    CHECK(ends[0].answered);
}

static void a_pool_of_one_does_everything(void) {
    begin(1);
    make_late("1-1", 1);
    CHECK(give(DEVICE_RELEASE, "4-1", 0, -1));
    read_of("1-1");
    open_gate(1);
    wait_ends(2);
    CHECK(ends[0].answered && ends[1].answered);
}

/* ---- ends ---- */

static void a_read_joins_one_that_waits(void) {
    struct device_order o = {.head = {.kind = DEVICE_READ}, .sys_name = "1-1", .bound = 1};
    begin(3);
    CHECK(give(DEVICE_READ, "1-1", 4, -1)); /* it is out: nothing joins it */
    o.open = o.storage = 1;
    CHECK(device_pool_order(&o, 1, -1));
    o.bound = o.open = o.storage = 0;
    CHECK(device_pool_order(&o, 2, -1));
    CHECK(give(DEVICE_READ, "1-1.1", 8, -1));
    CHECK_INT(stats().waiting, 2);
    for (int i = 0; i < 3; i++)
        open_gate(1);
    wait_ends(3);
    CHECK(ends[0].token == 4 && ends[0].bound == 0);
    CHECK(ends[1].token == 3 && ends[1].bound == 1 && ends[1].open == 1 && ends[1].storage == 1);
    CHECK(ends[2].bound == 0 && ends[2].open == 0 && ends[2].storage == 0);
    CHECK(ends[2].token == 8);
    read_of("1-1");
    for (uint64_t i = 0; i < 2; i++) {
        CHECK(give(DEVICE_OPEN, "1-1", i, -1));
        CHECK(give(DEVICE_RELEASE, "1-1", i, -1));
    }
    CHECK_INT(stats().waiting, 4);
}

static void deadlines_count_from_the_order(void) {
    begin(2);
    int64_t before = clock_now();
    CHECK(give(DEVICE_RELEASE, "1-1", 0, -1));
    int64_t at = device_pool_deadline();
    CHECK(at >= before + ms_to_ns(VH_T_RELEASE) && at <= clock_now() + ms_to_ns(VH_T_RELEASE));
    before = clock_now();
    CHECK(give(DEVICE_OPEN, "1-1.1", 0, -1)); /* it waits, and its time runs */
    at = device_pool_deadline();
    CHECK(at >= before + ms_to_ns(VH_T_NODE) && at <= clock_now() + ms_to_ns(VH_T_NODE));
    before = clock_now();
    read_of("1-1.2");
    int64_t first = device_pool_deadline();
    CHECK(first >= before + ms_to_ns(VH_T_READ) && first <= clock_now() + ms_to_ns(VH_T_READ));
    device_pool_tick(first - 1);
    CHECK_INT(nends, 0);
    device_pool_tick(first);
    CHECK_INT(nends, 1);
    CHECK_STR(ends[0].name, "1-1.2");
    CHECK_INT(device_pool_deadline(), at);
    device_pool_tick(INT64_MAX - 1);
    CHECK_INT(nends, 3);
    CHECK_INT(device_pool_deadline(), VH_NEVER);
    device_pool_tick(INT64_MAX - 1);
    CHECK_INT(nends, 3);
    CHECK_INT(stats().written_off, 3);
}

static void wait_workers(int n) {
    for (int i = 0; i < 100 && stats().workers > n; i++)
        pass(WAIT_MS / 100);
    CHECK_INT(stats().workers, n);
}

/* Each of these answers costs the pool one worker and ends one order. */
static void whoever_answers_wrong_is_done_without(void) {
    static const struct {
        uint32_t kind;
        const char *name;
    } wrong[] = {
        {DEVICE_READ, "2-1"}, {DEVICE_READ, "3-1"}, {DEVICE_READ, "5-1"}, {DEVICE_OPEN, "7-1"}, {DEVICE_OPEN, "8-1"}};
    enum { N = sizeof wrong / sizeof *wrong };
    for (int i = 0; i < N; i++) {
        begin(2);
        int files = open_files();
        CHECK(give(wrong[i].kind, wrong[i].name, 5, -1));
        wait_ends(1);
        CHECK_STR(ends[0].name, wrong[i].name);
        CHECK(!ends[0].answered && !ends[0].opened && ends[0].token == 5);
        CHECK_INT(stats().workers, 1);
        CHECK(was_said("worker ended") || was_said("has not the form"));
        heal();
        CHECK_INT(open_files(), --files); /* the worker's socket */
        read_of("4-4");
        wait_ends(1);
        CHECK(ends[0].answered);
        device_pool_stop();
    }
}

static void two_nodes_are_one_too_many(void) {
    begin(2);
    int files = open_files();
    CHECK(give(DEVICE_OPEN, "9-1", 0, -1));
    wait_ends(1);
    CHECK(!ends[0].answered && !ends[0].opened);
    CHECK_INT(stats().workers, 1);
    CHECK_INT(open_files(), files - 1);
}

static void without_any_worker_orders_end_by_their_deadline(void) {
    begin(2);
    read_of("3-1");
    read_of("3-2");
    wait_ends(2);
    wait_workers(0);
    CHECK(was_said("no device worker is free: late=0 ended=2"));
    heal();
    read_of("4-1");
    CHECK(give(DEVICE_RELEASE, "4-2", 0, gate[0][0]));
    CHECK_INT(stats().waiting, 2);
    pass(0);
    CHECK_INT(nends, 0);
    device_pool_tick(INT64_MAX - 1);
    CHECK_INT(nends, 2);
    CHECK(!ends[0].answered && !ends[1].answered);
    CHECK(!was_said("no device worker is free"));
    CHECK(__real_fcntl(gate[0][0], F_GETFD) < 0);
}

static void that_none_is_free_is_said_once(void) {
    begin(2);
    for (int round = 0; round < 2; round++) {
        static const char *const names[] = {"1-1", "1-2", "1-3", "1-4"};
        heal();
        read_of(names[2 * round]);
        CHECK(give(DEVICE_OPEN, names[2 * round + 1], 0, -1));
        expire();
        CHECK(!was_said("no device worker is free")); /* one is busy, and in time */
        expire();
        CHECK(was_said("no device worker is free: late=2 ended=0"));
        heal();
        read_of("4-1");
        expire();
        pass(0);
        CHECK(!was_said("no device worker is free"));
        CHECK_INT(nends, 3);
        nends = 0;
        for (int i = 1; i <= 2; i++) {
            open_gate(2 * round + i);
            wait_dropped((uint64_t)(2 * round + i));
            CHECK(was_said("a device worker is free again") == (i == 1));
            heal();
        }
        CHECK_INT(stats().idle, 2);
    }
}

/* As the bus does when a device came back. */
static void whoever_is_called_back_may_order(void) {
    static const char *const first[] = {"4-1", "2-1", "1-1"}; /* an answer, a worker's end, a deadline */
    begin(3);
    for (int i = 0; i < 3; i++) {
        next = "4-2";
        read_of(first[i]);
        if (i < 2) {
            for (int j = 0; j < 100 && nends < 1; j++)
                pass(WAIT_MS / 100);
        } else {
            expire();
        }
        CHECK(nends >= 1);
        next = NULL;
        for (int j = 0; j < 100 && device_pool_deadline() != VH_NEVER; j++)
            pass(WAIT_MS / 100);
        CHECK_INT(nends, 2);
        CHECK(strcmp(ends[1].name, "4-2") == 0 && ends[1].answered);
        nends = 0;
    }
}

/* It belongs to no port; its worker alone is missing. */
static void a_late_list_delays_lists(void) {
    begin(2);
    CHECK(give(DEVICE_LIST, "", 0, -1));
    expire();
    CHECK(nends == 1 && was_said("no answer in time: order=\"listing devices\" device="));
    nends = 0;
    CHECK(give(DEVICE_LIST, "", 0, -1));
    CHECK_INT(stats().waiting, 1);
    read_of("4-1");
    wait_ends(1);
    open_gate(0);
    wait_dropped(1);
    open_gate(0);
    wait_ends(1);
    CHECK(ends[0].kind == DEVICE_LIST && ends[0].answered);
}

static void a_port_may_be_late_again_and_again(void) {
    begin(2);
    for (int i = 0; i < VH_LATE_PORTS + 8; i++)
        make_late("1-1", 1);
    read_of("1-1.3");
    open_gate(1);
    wait_ends(1);
    read_of("1-2");
    read_of("1-1"); /* it was remembered once, and is forgotten */
    CHECK_INT(stats().waiting, 0);
}

/* ---- descriptors ---- */

static void a_process_goes_along_and_is_closed(void) {
    begin(2);
    int files = open_files(), fd = dup(0);
    CHECK(give(DEVICE_RELEASE, "4-1", 0, fd));
    CHECK_INT(open_files(), files);
    CHECK(give(DEVICE_RELEASE, "4-2", 0, -1));
    wait_ends(2);
    for (int i = 0; i < 2; i++)
        CHECK_STR(ends[i].why, strcmp(ends[i].name, "4-1") == 0 ? "" : "no process");
    CHECK_INT(open_files(), files);
}

static void a_node_that_comes_late_is_closed(void) {
    begin(2);
    int files = open_files();
    CHECK(give(DEVICE_OPEN, "6-1", 0, -1));
    expire();
    CHECK(nends == 1 && !ends[0].opened);
    open_gate(1);
    wait_dropped(1);
    CHECK_INT(open_files(), files);
    CHECK_INT(nends, 1);
    CHECK_INT(stats().idle, 2);
}

static void one_more_than_there_is_room_for_is_refused(void) {
    begin(1);
    read_of("1-1");
    int files = open_files();
    for (int i = 1; i < VH_MAX_ORDERS; i++)
        CHECK(give(DEVICE_OPEN, "1-1", 0, -1));
    CHECK_INT(stats().waiting, VH_MAX_ORDERS - 1);
    CHECK(!give(DEVICE_RELEASE, "4-1", 0, dup(0)));
    CHECK(!give(DEVICE_READ, "4-1", 0, -1));
    CHECK_INT(open_files(), files);
    CHECK_INT(nends, 0);
    device_pool_tick(INT64_MAX - 1);
    CHECK_INT(nends, VH_MAX_ORDERS);
    nends = 0;
    read_of("4-1"); /* there is room again, but for the one that its worker still has */
    open_gate(1);
    wait_ends(1);
    CHECK(ends[0].answered);
}

/* ---- sockets that fail ---- */

/* The order has not reached the worker that ended: another one does it. */
static void an_order_that_cannot_be_sent_goes_to_another(void) {
    begin(3);
    int files = open_files();
    fail_call("sendmsg", 1, EPIPE);
    CHECK(give(DEVICE_OPEN, "4-1", 3, -1));
    CHECK(all_failed());
    heal();
    CHECK_INT(stats().workers, 2);
    wait_ends(1);
    CHECK(ends[0].answered && ends[0].opened && ends[0].token == 3);
    CHECK_INT(open_files(), files - 1);
    fail_call("sendmsg", 0, ENOMEM);
    read_of("4-2");
    heal();
    CHECK_INT(stats().workers, 0);
    CHECK_INT(stats().waiting, 1);
    expire();
    CHECK(nends == 1 && !ends[0].answered);
    CHECK_INT(stats().orders, 1);
}

static void a_failing_read_ends_a_worker(void) {
    begin(2);
    read_of("4-1");
    fail_call("recvmmsg", 1, ECONNRESET);
    wait_ends(1);
    CHECK(all_failed() && !ends[0].answered);
    heal();
    CHECK_INT(stats().workers, 1);
    read_of("4-2");
    wait_ends(1);
    CHECK(ends[0].answered);
}

static void a_worker_that_says_nothing_goes_on(void) {
    begin(2);
    read_of("4-1");
    fail_call("recvmmsg", 1, EAGAIN);
    pass(WAIT_MS);
    CHECK(all_failed() && nends == 0);
    heal();
    wait_ends(1);
    CHECK_INT(stats().workers, 2);
}

static void a_late_worker_may_end(void) {
    begin(2);
    read_of("1-1");
    expire();
    CHECK_INT(nends, 1);
    open_gate(1);
    fail_call("recvmmsg", 1, ECONNRESET);
    wait_workers(1);
    heal();
    CHECK_INT(nends, 1); /* its order had ended */
    CHECK_INT(stats().late, 0);
    read_of("4-1"); /* and what it had does not hold up others */
    wait_ends(2);
}

static void a_pool_that_cannot_start_says_so(void) {
    fail_call("fork", 2, EAGAIN);
    CHECK(!device_pool_start(3, &job, on_done));
    CHECK(was_said("cannot start test"));
    CHECK_INT(stats().workers, 1);
    device_pool_stop();
    CHECK_INT(stats().workers, 0);
}

static void without_workers_ticks_do_the_orders(void) {
    begin(0);
    CHECK(give(DEVICE_USES, "", 1, -1));
    CHECK(give(DEVICE_OPEN, "4-1", 2, -1));
    read_of("4-1");
    CHECK_INT(nends, 0); /* nothing is called back from within */
    CHECK_INT(device_pool_deadline(), 0);
    device_pool_tick(0);
    CHECK_INT(nends, 3);
    CHECK(ends[0].token == 1 && ends[1].token == 2 && ends[1].opened && ends[2].answered);
    CHECK_INT(device_pool_deadline(), VH_NEVER);
}

/* ---- each test in a process ---- */

static void (*alone)(void);

static void in_its_own_process(void) {
    int status = 0;
    (void)fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        (void)alarm(120);
        for (int i = 0; i < GATES; i++)
            CHECK(pipe2(gate[i], O_CLOEXEC) == 0);
        alone();
        device_pool_stop();
        (void)fflush(stdout);
        _exit(test_ok ? 0 : 1);
    }
    CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
    CHECK_INT(status, 0);
}

#define RUN_ALONE(fn)                                                       \
    do {                                                                    \
        alone = fn;                                                         \
        test_ok = true;                                                     \
        in_its_own_process();                                               \
        test_count++;                                                       \
        test_failures += !test_ok;                                          \
        printf("%s %d - %s\n", test_ok ? "ok" : "not ok", test_count, #fn); \
    } while (0)

int main(void) {
    (void)signal(SIGPIPE, SIG_IGN);
    RUN_ALONE(one_order_about_a_root_port_at_a_time);
    RUN_ALONE(of_a_bus_one_device_at_a_time_is_authorised_for_a_vm);
    RUN_ALONE(a_list_of_each_kind_at_a_time);
    RUN_ALONE(a_stuck_device_delays_only_its_port);
    RUN_ALONE(a_late_port_never_takes_the_last_worker);
    RUN_ALONE(a_release_never_takes_the_last_worker);
    RUN_ALONE(who_only_waited_is_not_held_to_be_late);
    RUN_ALONE(a_pool_of_one_does_everything);
    RUN_ALONE(a_read_joins_one_that_waits);
    RUN_ALONE(deadlines_count_from_the_order);
    RUN_ALONE(whoever_answers_wrong_is_done_without);
    RUN_ALONE(two_nodes_are_one_too_many);
    RUN_ALONE(without_any_worker_orders_end_by_their_deadline);
    RUN_ALONE(that_none_is_free_is_said_once);
    RUN_ALONE(a_process_goes_along_and_is_closed);
    RUN_ALONE(a_node_that_comes_late_is_closed);
    RUN_ALONE(one_more_than_there_is_room_for_is_refused);
    RUN_ALONE(an_order_that_cannot_be_sent_goes_to_another);
    RUN_ALONE(a_failing_read_ends_a_worker);
    RUN_ALONE(whoever_is_called_back_may_order);
    RUN_ALONE(a_late_list_delays_lists);
    RUN_ALONE(a_port_may_be_late_again_and_again);
    RUN_ALONE(a_worker_that_says_nothing_goes_on);
    RUN_ALONE(a_late_worker_may_end);
    RUN_ALONE(a_pool_that_cannot_start_says_so);
    RUN_ALONE(without_workers_ticks_do_the_orders);
    TEST_MAIN_END;
}
