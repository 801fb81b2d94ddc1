/*
 * test_connector.c - connector.c with connectors that do not do what they should: they never answer, answer late,
 * twice, what nobody asked, or garbage, and they end. Each order ends once, and one VM does not delay the others.
 */
#include "base/limits.h"
#include "fault.h"
#include "hands.h"
#include "os/clock.h"
#include "test.h"
#include "vmm/connector.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

enum { SYS_LANDLOCK_CREATE = 444 };

static struct conf conf, next;
static const struct connector_setup setup = {.conf = &conf, .inotify = -1};
static char told[512];
static const int none[WORKER_FDS] = {-1, -1};
static bool ask_again;

static void tell(const char *what, int vm, const struct connector_answer *a) {
    static const char *const names[] = {"ok",      "absent", "refused", "full", "distrusted",
                                        "unknown", "failed", "late",    "gone"};
    size_t n = strlen(told);
    (void)snprintf(told + n, sizeof told - n, "%s%d:%s ", what, vm, names[a->status]);
}
static void on_connected(int vm, const struct connector_answer *a, int fd, int pidfd) {
    tell("connected", vm, a);
    CHECK((a->status == CONNECTOR_OK) == (fd >= 0));
    CHECK(fd < 0 || close(fd) == 0);
    CHECK(pidfd < 0 || close(pidfd) == 0);
    if (ask_again)
        connector_connect(vm);
}
static void on_listening(int vm, const struct connector_answer *a) {
    tell("listening", vm, a);
}
static void on_looked(int vm, const struct connector_answer *a) {
    tell("looked", vm, a);
}
static const struct connector_calls calls = {on_connected, on_listening, on_looked};

static const char *heard(void) {
    static char text[sizeof told];
    memcpy(text, told, sizeof text);
    told[0] = '\0';
    return text;
}

static void turn(int wait_ms) {
    static struct pollset ps;
    ps.n = 0;
    connector_fill(&ps);
    CHECK(__real_poll(ps.fd, (nfds_t)ps.n, wait_ms) >= 0);
    connector_ready(&ps, clock_now());
    connector_tick(clock_now());
}

static void begin(void) {
    heal();
    ask_again = false;
    conf.nvms = 3;
    for (int v = 0; v < 3; v++) {
        (void)snprintf(conf.vms[v].name, sizeof conf.vms[v].name, "vm%d", v);
        (void)snprintf(conf.vms[v].socket, sizeof conf.vms[v].socket, "/vhotplug-none/vm%d", v);
    }
    hands_start(&conf, -1, NULL, &calls);
    (void)heard();
}

static struct connector_order order_of(int i, const char *vm, enum connector_kind kind) {
    struct connector_order o = {.vm = ""};
    CHECK(hands_order(i, &o));
    CHECK_STR(o.vm, vm);
    CHECK_INT(o.head.kind, kind);
    return o;
}

static void has_none(int i) {
    struct connector_order o;
    CHECK(!hands_order(i, &o));
}

static void answer(int i, const struct connector_order *o, enum connector_status status) {
    struct connector_answer a = {.head = o->head, .status = (uint8_t)status};
    hands_answer(i, &a, sizeof a, none);
    turn(0);
}

/* ---- orders in turn ---- */

static void orders_are_done_oldest_first_and_one_for_a_vm_at_a_time(void) {
    begin();
    connector_look(0);
    connector_connect(0);
    connector_listening(0);
    connector_listening(1);
    connector_look(2);
    struct connector_order a = order_of(0, "vm0", CONNECTOR_LOOK);
    CHECK_STR(a.socket, "/vhotplug-none/vm0");
    struct connector_order b = order_of(1, "vm1", CONNECTOR_LISTENING);
    answer(1, &b, CONNECTOR_REFUSED);
    CHECK_STR(heard(), "listening1:refused ");
    b = order_of(1, "vm2", CONNECTOR_LOOK);
    answer(1, &b, CONNECTOR_OK);
    has_none(1); /* the VM of the others is in hand */
    answer(0, &a, CONNECTOR_OK);
    a = order_of(0, "vm0", CONNECTOR_CONNECT);
    has_none(1);
    answer(0, &a, CONNECTOR_FULL);
    a = order_of(0, "vm0", CONNECTOR_LISTENING);
    answer(0, &a, CONNECTOR_OK);
    CHECK_STR(heard(), "looked2:ok looked0:ok connected0:full listening0:ok ");
    CHECK_INT(connector_deadline(), VH_NEVER);
    hands_stop();
}

/* The answer under way would be older than the question. */
static void a_question_asked_again_has_the_later_answer(void) {
    begin();
    connector_listening(0);
    struct connector_order o = order_of(0, "vm0", CONNECTOR_LISTENING);
    connector_listening(0);
    connector_listening(0);
    answer(0, &o, CONNECTOR_OK);
    CHECK_STR(heard(), "");
    o = order_of(0, "vm0", CONNECTOR_LISTENING);
    answer(0, &o, CONNECTOR_ABSENT);
    CHECK_STR(heard(), "listening0:absent ");
    has_none(0);
    hands_stop();
}

static void a_cancelled_connection_is_closed(void) {
    int files = open_files();
    begin();
    connector_connect(0);
    struct connector_order o = order_of(0, "vm0", CONNECTOR_CONNECT);
    connector_cancel(0);
    struct connector_answer a = {.head = o.head};
    hands_answer(0, &a, sizeof a, (int[]){0, 1});
    turn(0);
    CHECK_STR(heard(), "");
    connector_connect(0); /* queued ones as well */
    connector_connect(1);
    connector_connect(2);
    connector_cancel(2);
    o = order_of(0, "vm0", CONNECTOR_CONNECT);
    (void)order_of(1, "vm1", CONNECTOR_CONNECT);
    a.head = o.head;
    hands_answer(0, &a, sizeof a, (int[]){0, -1}); /* without a pidfd */
    turn(0);
    CHECK_STR(heard(), "connected0:ok ");
    has_none(0);
    hands_stop();
    CHECK_INT(open_files(), files);
}

/* ---- time ---- */

static void a_vm_that_hangs_does_not_delay_the_others(void) {
    begin();
    connector_connect(0);
    struct connector_order stuck = order_of(0, "vm0", CONNECTOR_CONNECT);
    int64_t at = connector_deadline();
    CHECK(at - clock_now() <= VH_T_CONNECT * VH_NSEC_PER_MSEC);
    connector_tick(at - 1);
    CHECK_STR(heard(), "");
    connector_tick(at);
    CHECK_STR(heard(), "connected0:late ");
    CHECK(was_said("does not answer in time: vm=vm0"));
    connector_connect(0);
    for (int i = 0; i < 3; i++) {
        connector_connect(1);
        struct connector_order o = order_of(1, "vm1", CONNECTOR_CONNECT);
        answer(1, &o, CONNECTOR_REFUSED);
        CHECK_STR(heard(), "connected1:refused ");
    }
    has_none(1);
    connector_tick(connector_deadline());
    CHECK_STR(heard(), "connected0:late ");
    int files = open_files();
    struct connector_answer a = {.head = stuck.head}; /* the answer after all: it is dropped */
    hands_answer(0, &a, sizeof a, (int[]){0, 1});
    turn(0);
    CHECK_STR(heard(), "");
    CHECK_INT(open_files(), files);
    connector_connect(0);
    stuck = order_of(0, "vm0", CONNECTOR_CONNECT);
    answer(0, &stuck, CONNECTOR_ABSENT);
    CHECK_STR(heard(), "connected0:absent ");
    hands_stop();
}

/* The queue is part of the wait. */
static void what_waits_too_long_is_late(void) {
    begin();
    connector_look(0);
    connector_look(1);
    connector_look(2);
    connector_connect(2);
    int64_t at = clock_now() + VH_T_CONNECT * VH_NSEC_PER_MSEC;
    connector_tick(at);
    CHECK_STR(heard(), "looked0:late looked1:late connected2:late looked2:late ");
    CHECK_INT(connector_deadline(), VH_NEVER);
    hands_stop();
}

/* ---- answers that are none ---- */

static void garbage_ends_the_connector(void) {
    for (int way = 0; way < 11; way++) {
        begin();
        int files = open_files(), fds[WORKER_FDS] = {-1, -1};
        struct connector_answer a;
        size_t n = sizeof a;
        connector_connect(0);
        struct connector_order o = order_of(0, "vm0", CONNECTOR_CONNECT);
        a = (struct connector_answer){.head = o.head, .status = CONNECTOR_REFUSED};
        if (way == 0)
            n = sizeof a - 1;
        else if (way == 1)
            a.status = CONNECTOR_ANSWERS;
        else if (way == 2)
            a.there = 2;
        else if (way == 3)
            a.watched = 255;
        else if (way == 4)
            memset(a.text, 'x', sizeof a.text);
        else if (way == 5)
            a.status = CONNECTOR_OK; /* without a connection */
        else if (way == 6)
            fds[0] = fds[1] = 0; /* with one, although it was refused */
        else if (way == 7)
            a.head.serial++;
        else if (way == 8)
            a.error = -1;
        else if (way == 9)
            a.error = WORKER_ERRNO_MAX + 1;
        else
            a.head.kind = CONNECTOR_LISTENING;
        hands_answer(0, &a, n, fds);
        turn(0);
        CHECK_STR(heard(), "connected0:gone ");
        CHECK(was_said("worker ended: name=vhotplug-connect"));
        CHECK_INT(open_files(), files - 1); /* its socket is closed */
        connector_connect(0);
        o = order_of(1, "vm0", CONNECTOR_CONNECT); /* the other one goes on */
        answer(1, &o, CONNECTOR_REFUSED);
        CHECK_STR(heard(), "connected0:refused ");
        hands_stop();
    }
}

static void a_second_answer_ends_the_connector(void) {
    begin();
    connector_listening(0);
    struct connector_order o = order_of(0, "vm0", CONNECTOR_LISTENING);
    answer(0, &o, CONNECTOR_OK);
    answer(0, &o, CONNECTOR_OK);
    CHECK_STR(heard(), "listening0:ok ");
    CHECK(was_said("answers what nobody asked"));
    hands_stop();
}

static void without_connectors_every_order_ends(void) {
    begin();
    connector_listening(0);
    (void)order_of(0, "vm0", CONNECTOR_LISTENING);
    for (int i = 0; i < VH_MAX_CONNECTORS; i++)
        hands_die(i);
    turn(0);
    CHECK_STR(heard(), "listening0:gone ");
    said[0] = '\0';
    connector_listening(0);
    connector_look(1);
    ask_again = true; /* even one that asks again at once */
    connector_connect(2);
    CHECK_STR(heard(), "");
    CHECK_INT(connector_deadline(), 0);
    connector_tick(clock_now());
    CHECK_STR(heard(), "connected2:gone listening0:gone looked1:gone ");
    CHECK(!was_said("worker ended")); /* that was said before */
    hands_stop();
    begin();
    hands_die(0); /* found out by an order: the other one gets it */
    connector_listening(0);
    struct connector_order o = order_of(1, "vm0", CONNECTOR_LISTENING);
    answer(1, &o, CONNECTOR_OK);
    CHECK_STR(heard(), "listening0:ok ");
    hands_stop();
}

/* ---- another configuration ---- */

static void a_reload_comes_before_everything_else(void) {
    begin();
    connector_look(0);
    struct connector_order old = order_of(0, "vm0", CONNECTOR_LOOK);
    next = conf;
    (void)snprintf(next.vms[0].name, sizeof next.vms[0].name, "new");
    connector_reload(&next, 1);
    connector_look(0);
    struct connector_order o = order_of(1, "", CONNECTOR_RELOAD);
    answer(0, &old, CONNECTOR_OK); /* about a VM that is no more */
    CHECK_STR(heard(), "");
    (void)order_of(0, "", CONNECTOR_RELOAD);
    answer(1, &o, CONNECTOR_OK);
    o = order_of(1, "new", CONNECTOR_LOOK);
    answer(1, &o, CONNECTOR_OK);
    CHECK_STR(heard(), "looked0:ok ");
    connector_reload(&next, 0); /* while the first one is under way */
    o = order_of(1, "", CONNECTOR_RELOAD);
    answer(1, &o, CONNECTOR_OK);
    hands_stop();
}

/* It does nothing until it has the new configuration, and tries again by time. */
static void a_connector_that_cannot_reload_is_of_no_use(void) {
    begin();
    hands_die(1);
    turn(0);
    connector_reload(&conf, 0);
    struct connector_order o = order_of(0, "", CONNECTOR_RELOAD);
    said[0] = '\0';
    answer(0, &o, CONNECTOR_FAILED);
    CHECK(was_said("no VM can be reached until the configuration is reloaded"));
    connector_connect(0);
    has_none(0);
    int64_t at = connector_deadline();
    CHECK(at > clock_now() && at - clock_now() < VH_T_CONNECT * VH_NSEC_PER_MSEC);
    said[0] = '\0';
    connector_tick(at);
    o = order_of(0, "", CONNECTOR_RELOAD);
    answer(0, &o, CONNECTOR_FAILED);
    CHECK(!was_said("no VM")); /* once */
    connector_tick(connector_deadline());
    o = order_of(0, "", CONNECTOR_RELOAD);
    answer(0, &o, CONNECTOR_OK);
    (void)order_of(0, "vm0", CONNECTOR_CONNECT);
    hands_stop();
    begin(); /* a late one: what it read is not known */
    connector_reload(&conf, 0);
    o = order_of(0, "", CONNECTOR_RELOAD);
    connector_tick(connector_deadline());
    answer(0, &o, CONNECTOR_OK);
    (void)order_of(0, "", CONNECTOR_RELOAD);
    hands_stop();
}

/* ---- a process of its own ---- */

static void a_forked_connector_answers_and_ends_with_the_loop(void) {
    char top[] = "/tmp/vh-connector-XXXXXX";
    begin();
    hands_stop();
    CHECK(mkdtemp(top) != NULL);
    (void)snprintf(conf.vms[0].socket, sizeof conf.vms[0].socket, "%s/s", top);
    int listener = sock_listen_unix(conf.vms[0].socket, 0600, -1, -1), files = open_files();
    fail_nr(SYS_LANDLOCK_CREATE, 0, ENOSYS); /* the sanitizers need more calls than a sandbox allows */
    give_call("prctl", 0, 0);
    CHECK(connector_start(&setup, &calls));
    heal();
    connector_connect(0);
    connector_listening(1);
    for (int i = 0; i < 1000 && strlen(told) < strlen("listening1:absent connected0:ok "); i++)
        turn(20);
    CHECK(strstr(told, "connected0:ok ") != NULL && strstr(told, "listening1:absent ") != NULL);
    connector_stop();
    CHECK_INT(open_files(), files);
    for (int i = 0; i < VH_MAX_CONNECTORS; i++) {
        int code = 1;
        CHECK(wait(&code) > 0 && code == 0);
    }
    fail_call("fork", 2, EAGAIN);
    CHECK(!connector_start(&setup, &calls));
    heal();
    connector_stop();
    CHECK(wait(NULL) > 0);
    CHECK(close(listener) == 0 && unlink(conf.vms[0].socket) == 0 && rmdir(top) == 0);
}

int main(void) {
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    (void)signal(SIGPIPE, SIG_IGN);
    RUN(orders_are_done_oldest_first_and_one_for_a_vm_at_a_time);
    RUN(a_question_asked_again_has_the_later_answer);
    RUN(a_cancelled_connection_is_closed);
    RUN(a_vm_that_hangs_does_not_delay_the_others);
    RUN(what_waits_too_long_is_late);
    RUN(garbage_ends_the_connector);
    RUN(a_second_answer_ends_the_connector);
    RUN(without_connectors_every_order_ends);
    RUN(a_reload_comes_before_everything_else);
    RUN(a_connector_that_cannot_reload_is_of_no_use);
    RUN(a_forked_connector_answers_and_ends_with_the_loop);
    TEST_MAIN_END;
}
