/*
 * test_worker.c - worker.c against processes that do wrong. Whatever one of them does: no descriptor is left, the state
 * tells what can be ordered, and another worker still answers.
 */
#include "fault.h"
#include "os/helper.h"
#include "os/worker.h"

#include <signal.h>
#include <sys/wait.h>

enum { WAIT_MS = 20000, KIND = 7, LATER = 1000, TEXT = 40 };

struct text {
    struct worker_head head;
    char text[TEXT];
};

static struct text order, answer;
static int gate[2]; /* who waits for it goes on when the test writes a byte */

static void wait_at_gate(void) {
    char byte;
    if (read(gate[0], &byte, 1) != 1)
        _exit(0); /* the test has ended */
}

/* ---- a worker that does right ---- */

static bool enter(void) {
    return close(gate[1]) == 0;
}

static bool refuse(void) {
    return false;
}

/* "fd": with a copy of what came. "fds": two. "wait": at the gate. "none": no order. "long": more than there is room.
 */
static size_t handle(const void *o, int fd, void *a, int out[WORKER_FDS]) {
    const struct text *in = o;
    memcpy(a, o, sizeof *in);
    if (strcmp(in->text, "none") == 0)
        return 0;
    if (strcmp(in->text, "wait") == 0)
        wait_at_gate();
    if (strncmp(in->text, "fd", 2) == 0)
        out[0] = dup(fd);
    if (strcmp(in->text, "fds") == 0 || strcmp(in->text, "long") == 0)
        out[1] = dup(0);
    return strcmp(in->text, "long") == 0 ? sizeof *in + 1 : sizeof *in;
}

static const struct worker_job job = {.name = "good",
                                      .order_size = sizeof order,
                                      .answer_max = sizeof answer,
                                      .order = &order,
                                      .answer = &answer,
                                      .enter = enter,
                                      .handle = handle};
static struct worker other; /* lives through all of it */

enum { LEFT = 9 }; /* the exit status of one that has left */

static void leave(void) {
    _exit(LEFT);
}

static bool give(struct worker *w, const char *text, int fd) {
    struct text o = {.text = ""};
    memcpy(o.text, text, strlen(text) + 1);
    return worker_order(w, &o, KIND, fd, LATER);
}

static enum worker_got get(struct worker *w, int fds[WORKER_FDS]) {
    static struct pollset ps;
    size_t n = 0;
    ps.n = 0;
    worker_fill(w, &ps);
    CHECK_INT(poll(ps.fd, (nfds_t)ps.n, WAIT_MS), 1);
    CHECK(worker_ready(w, &ps));
    enum worker_got got = worker_read(w, &n, fds);
    CHECK(got != WORKER_ANSWER || n == sizeof answer);
    return got;
}

static enum worker_got get_none(struct worker *w) {
    int fds[WORKER_FDS];
    enum worker_got got = get(w, fds);
    CHECK(fds[0] == -1 && fds[1] == -1);
    return got;
}

static void still_works(struct worker *w, const char *text) {
    CHECK_INT(w->state, WORKER_IDLE);
    CHECK(give(w, text, -1));
    CHECK_INT(w->state, WORKER_BUSY);
    CHECK_INT(get_none(w), WORKER_ANSWER);
    CHECK_INT(w->state, WORKER_IDLE);
    CHECK_STR(answer.text, text);
}

static void reap(void) {
    CHECK(waitpid(-1, NULL, 0) > 0);
}

static void descriptors_go_both_ways(void) {
    int files = open_files(), fds[WORKER_FDS];
    CHECK(give(&other, "fds", gate[0]));
    CHECK_INT(get(&other, fds), WORKER_ANSWER);
    CHECK(fds[0] >= 0 && fds[1] >= 0 && (__real_fcntl(fds[0], F_GETFD) & FD_CLOEXEC) != 0);
    CHECK(close(fds[0]) == 0 && close(fds[1]) == 0);
    CHECK_INT(open_files(), files);
    still_works(&other, "plain");
}

static void its_serial_is_never_0(void) {
    other.head.serial = UINT32_MAX;
    still_works(&other, "wraps");
    CHECK_INT(other.head.serial, 1);
}

/* ---- workers that do wrong ---- */

struct wrong {
    const char *what;
    void (*before)(int sock); /* NULL: nothing */
    void (*then)(int sock, struct text *o);
    enum worker_got got[2]; /* the second one is read after WORKER_ANSWER */
    const char *said;
};

static void put(int sock, const void *p, size_t n, int nfds) {
    char control[CMSG_SPACE(8 * sizeof(int))];
    struct iovec iov = {.iov_base = (void *)(uintptr_t)p, .iov_len = n};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
    memset(control, 0, sizeof control);
    if (nfds > 0) {
        m.msg_control = control;
        m.msg_controllen = (socklen_t)CMSG_SPACE((size_t)nfds * sizeof(int));
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = (socklen_t)CMSG_LEN((size_t)nfds * sizeof(int));
        for (int i = 0; i < nfds; i++)
            memcpy(CMSG_DATA(c) + (size_t)i * sizeof(int), &sock, sizeof sock);
    }
    if (__real_sendmsg(sock, &m, MSG_NOSIGNAL) != (ssize_t)n)
        _exit(2);
}

static void right(int sock, struct text *o) {
    put(sock, o, sizeof *o, 0);
}
static void twice(int sock, struct text *o) {
    put(sock, o, sizeof *o, 0);
    put(sock, o, sizeof *o, 0);
}
static void twice_with_descriptors(int sock, struct text *o) {
    put(sock, o, sizeof *o, 0);
    put(sock, o, sizeof *o, 2);
}
static void wrong_serial(int sock, struct text *o) {
    o->head.serial++;
    put(sock, o, sizeof *o, 2);
}
static void old_serial(int sock, struct text *o) {
    o->head.serial--;
    put(sock, o, sizeof *o, 0);
}
static void wrong_kind(int sock, struct text *o) {
    o->head.kind++;
    put(sock, o, sizeof *o, 1);
}
static void too_short(int sock, struct text *o) {
    put(sock, o, sizeof o->head - 1, 2);
}
static void empty(int sock, struct text *o) {
    put(sock, o, 0, 0);
}
static void too_long(int sock, struct text *o) {
    char more[sizeof *o + 1];
    memset(more, 0, sizeof more);
    memcpy(more, o, sizeof *o);
    put(sock, more, sizeof more, 2);
}
static void three_descriptors(int sock, struct text *o) {
    put(sock, o, sizeof *o, 3);
}
static void eight_descriptors(int sock, struct text *o) {
    put(sock, o, sizeof *o, 8);
}
static void die(int sock, struct text *o) {
    (void)sock, (void)o;
    _exit(3);
}
static void answer_and_die(int sock, struct text *o) {
    put(sock, o, sizeof *o, 0);
    _exit(3);
}
static void unasked(int sock) {
    struct text t = {.head = {.serial = 0, .kind = KIND}};
    put(sock, &t, sizeof t, 2);
}
static void die_at_once(int sock) {
    (void)sock;
    _exit(3);
}

#define NOBODY_ASKED "it answers what nobody asked"
static const struct wrong wrongs[] = {
    {"twice", NULL, twice, {WORKER_ANSWER, WORKER_ENDED}, NOBODY_ASKED},
    {"twice, with descriptors", NULL, twice_with_descriptors, {WORKER_ANSWER, WORKER_ENDED}, NOBODY_ASKED},
    {"a serial number that is to come", NULL, wrong_serial, {WORKER_ENDED}, NOBODY_ASKED},
    {"an old serial number", NULL, old_serial, {WORKER_ENDED}, NOBODY_ASKED},
    {"another kind", NULL, wrong_kind, {WORKER_ENDED}, NOBODY_ASKED},
    {"too short", NULL, too_short, {WORKER_ENDED}, "too short"},
    {"empty", NULL, empty, {WORKER_ENDED}, "its process is gone"},
    {"too long", NULL, too_long, {WORKER_ENDED}, "Message too long"},
    {"three descriptors", NULL, three_descriptors, {WORKER_ENDED}, "Message too long"},
    {"eight descriptors", NULL, eight_descriptors, {WORKER_ENDED}, "Message too long"},
    {"ends with the order", NULL, die, {WORKER_ENDED}, "reason="},
    {"ends after its answer", NULL, answer_and_die, {WORKER_ANSWER, WORKER_ENDED}, "its process is gone"},
    {"answers before it is asked", unasked, NULL, {WORKER_ENDED}, NOBODY_ASKED},
    {"ends before it is asked", die_at_once, NULL, {WORKER_ENDED}, "its process is gone"},
};

static void serve(int sock, const void *arg) {
    const struct wrong *x = arg;
    struct text o;
    (void)close(gate[1]);
    if (x->before != NULL)
        x->before(sock);
    while (__real_read(sock, &o, sizeof o) == (ssize_t)sizeof o && x->then != NULL)
        x->then(sock, &o);
}

/* A worker whose process is `x`. */
static struct worker stand_in(const struct wrong *x) {
    static const struct worker_job bad = {
        .name = "bad", .order_size = sizeof order, .answer_max = sizeof answer, .order = &order, .answer = &answer};
    struct worker w = {.job = &bad, .state = WORKER_IDLE, .poll = -1, .sock = helper_start("bad", serve, x)};
    CHECK(w.sock >= 0 && fcntl(w.sock, F_SETFL, O_NONBLOCK) == 0);
    return w;
}

static void whoever_does_wrong_is_ended(void) {
    int files = open_files();
    for (size_t i = 0; i < sizeof wrongs / sizeof *wrongs; i++) {
        const struct wrong *x = &wrongs[i];
        bool ok = test_ok;
        test_ok = true;
        struct worker w = stand_in(x);
        CHECK(x->before != NULL || give(&w, "do", -1));
        CHECK_INT(get_none(&w), x->got[0]);
        if (x->got[0] == WORKER_ANSWER)
            CHECK_INT(get_none(&w), x->got[1]);
        CHECK_INT(w.state, WORKER_GONE);
        CHECK(w.sock == -1 && w.poll == -1);
        CHECK(was_said("worker ended: name=bad") && was_said(x->said));
        heal();
        reap(); /* it ends with its socket */
        CHECK_INT(open_files(), files);
        still_works(&other, x->what);
        if (!test_ok)
            printf("# %s\n", x->what);
        test_ok = test_ok && ok;
    }
}

/* The order is not written to the socket of one that has ended. */
static void an_order_to_one_that_has_ended_fails(void) {
    static const struct wrong gone = {"gone", die_at_once, NULL, {WORKER_ENDED}, ""};
    int files = open_files();
    struct worker w = stand_in(&gone);
    reap();
    CHECK(!give(&w, "do", gate[0]));
    CHECK(w.state == WORKER_GONE && was_said("worker ended: name=bad"));
    heal();
    CHECK_INT(open_files(), files);
    still_works(&other, "after");
}

static void a_job_may_find_that_it_is_no_order(void) {
    static const char *const texts[] = {"none", "long"};
    int files = open_files();
    for (int i = 0; i < 2; i++) {
        struct worker w;
        CHECK(worker_start(&w, &job));
        CHECK(give(&w, texts[i], gate[0]));
        CHECK_INT(get_none(&w), WORKER_ENDED);
        heal();
        reap();
        CHECK_INT(open_files(), files);
    }
}

static int status_of_the_last(void) {
    int status = 0;
    CHECK(waitpid(-1, &status, 0) > 0 && WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* What is left to do after the loop's end is not done while the loop lives, whatever became of the worker. */
static void only_the_loops_end_makes_one_leave(void) {
    struct worker_job leaves = job;
    struct worker w;
    leaves.leave = leave;
    CHECK(worker_start(&w, &leaves));
    worker_stop(&w);
    CHECK_INT(status_of_the_last(), LEFT);
    CHECK(worker_start(&w, &leaves) && give(&w, "wait", -1));
    worker_stop(&w); /* while it works: its answer finds nobody */
    CHECK(write(gate[1], "", 1) == 1);
    CHECK_INT(status_of_the_last(), LEFT);
    CHECK(worker_start(&w, &leaves) && give(&w, "none", -1));
    CHECK_INT(get_none(&w), WORKER_ENDED); /* its own fault */
    CHECK_INT(status_of_the_last(), 0);
    CHECK(worker_start(&w, &leaves) && give(&w, "plain", -1));
    w.head.serial++; /* as if it answered what nobody asked */
    CHECK_INT(get_none(&w), WORKER_ENDED);
    CHECK_INT(status_of_the_last(), 0);
    heal();
}

/* ---- workers that are late ---- */

static void one_that_never_answers_is_late_once(void) {
    int files = open_files(), fds[WORKER_FDS];
    size_t n;
    struct worker w;
    CHECK(worker_start(&w, &job));
    CHECK(!worker_expired(&w, INT64_MAX)); /* it has no order */
    CHECK(give(&w, "wait", -1));
    CHECK_INT(worker_read(&w, &n, fds), WORKER_NOTHING);
    CHECK(n == 0 && w.state == WORKER_BUSY);
    CHECK(!worker_expired(&w, LATER - 1) && w.state == WORKER_BUSY);
    CHECK(worker_expired(&w, LATER) && w.state == WORKER_LATE);
    CHECK(!worker_expired(&w, INT64_MAX) && w.state == WORKER_LATE);
    CHECK_INT(worker_read(&w, &n, fds), WORKER_NOTHING);
    CHECK_INT(w.state, WORKER_LATE);
    still_works(&other, "not held up");
    CHECK(write(gate[1], "", 1) == 1);
    CHECK_INT(get_none(&w), WORKER_DROPPED);
    still_works(&w, "free again");
    worker_stop(&w);
    worker_stop(&w); /* once more is nothing */
    CHECK_INT(w.state, WORKER_GONE);
    reap();
    CHECK_INT(open_files(), files);
}

static void late(int sock, struct text *o) {
    wait_at_gate();
    put(sock, o, sizeof *o, 2);
}
static void late_and_wrong(int sock, struct text *o) {
    wait_at_gate();
    wrong_serial(sock, o);
}
static void late_and_dead(int sock, struct text *o) {
    (void)sock, (void)o;
    wait_at_gate();
    _exit(0);
}

static void what_comes_late_is_closed(void) {
    static const struct wrong lates[] = {{"late", NULL, late, {WORKER_DROPPED}, ""},
                                         {"late and wrong", NULL, late_and_wrong, {WORKER_ENDED}, ""},
                                         {"late and dead", NULL, late_and_dead, {WORKER_ENDED}, ""}};
    int files = open_files();
    for (int i = 0; i < 3; i++) {
        struct worker w = stand_in(&lates[i]);
        CHECK(give(&w, "do", -1) && worker_expired(&w, LATER));
        CHECK(write(gate[1], "", 1) == 1);
        CHECK_INT(get_none(&w), lates[i].got[0]);
        CHECK_INT(w.state, lates[i].got[0] == WORKER_DROPPED ? WORKER_IDLE : WORKER_GONE);
        CHECK(was_said("worker ended") == (lates[i].got[0] == WORKER_ENDED));
        heal();
        worker_stop(&w);
        reap();
        CHECK_INT(open_files(), files);
    }
}

/* ---- sockets that fail ---- */

static void a_moment_without_memory_ends_no_worker(void) {
    static const int errors[] = {ENOBUFS, ENOMEM};
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        fail_call("sendmsg", 1, errors[i]);
        still_works(&other, "all the same");
        CHECK(all_failed());
        heal();
    }
}

static void a_socket_that_fails_ends_its_worker(void) {
    static const int errors[] = {EPIPE, ECONNRESET, ENOBUFS, ENOMEM, EBADF};
    static const struct wrong good = {"right", NULL, right, {WORKER_ANSWER}, ""};
    int files = open_files();
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        int fds[WORKER_FDS];
        size_t n = 1;
        struct worker w = stand_in(&good);
        fail_call("sendmsg", 0, errors[i]);
        CHECK(!give(&w, "do", -1));
        CHECK(all_failed() && w.state == WORKER_GONE && was_said(strerror(errors[i])));
        heal();
        reap();
        w = stand_in(&good);
        CHECK(give(&w, "do", -1));
        fail_call("recvmmsg", 1, errors[i]);
        CHECK_INT(worker_read(&w, &n, fds), WORKER_ENDED);
        CHECK(all_failed() && n == 0 && fds[0] == -1 && w.state == WORKER_GONE && was_said(strerror(errors[i])));
        heal();
        reap();
        CHECK_INT(open_files(), files);
        still_works(&other, "other");
    }
}

static void a_call_that_is_interrupted_is_made_again(void) {
    static const struct wrong good = {"right", NULL, right, {WORKER_ANSWER}, ""};
    int fds[WORKER_FDS];
    size_t n;
    struct worker w = stand_in(&good);
    fail_call("sendmsg", 1, EINTR);
    fail_call("recvmmsg", 1, EINTR);
    CHECK(give(&w, "do", -1));
    CHECK_INT(get_none(&w), WORKER_ANSWER);
    CHECK(all_failed());
    heal();
    fail_call("recvmmsg", 1, EAGAIN); /* woken for nothing */
    CHECK_INT(worker_read(&w, &n, fds), WORKER_NOTHING);
    heal();
    fail_call("sendmsg", 1, EAGAIN); /* cannot be: one order at a time */
    CHECK(!give(&w, "do", -1) && w.state == WORKER_GONE && was_said("its queue is full"));
    heal();
    reap();
}

static void one_that_cannot_start_leaves_nothing(void) {
    int files = open_files();
    struct worker w;
    struct worker_job shut = job;
    fail_call("fork", 1, EAGAIN);
    CHECK(!worker_start(&w, &job) && w.state == WORKER_GONE && w.sock == -1);
    heal();
    fail_call("fcntl", 1, EINVAL);
    CHECK(!worker_start(&w, &job) && w.state == WORKER_GONE && was_said("cannot use the socket of good"));
    heal();
    reap();
    CHECK_INT(open_files(), files);
    shut.enter = refuse; /* it cannot shut itself in: it ends, with its first order */
    CHECK(worker_start(&w, &shut));
    CHECK_INT(get_none(&w), WORKER_ENDED);
    heal();
    reap();
    CHECK_INT(open_files(), files);
}

/* Those that live hold no end of its socket: the end of one is seen at once. */
static void an_end_is_seen_though_others_live(void) {
    struct worker w[4];
    int files = open_files();
    for (int i = 0; i < 4; i++)
        CHECK(worker_start(&w[i], &job));
    for (int i = 0; i < 4; i++) {
        CHECK(give(&w[i], i < 2 ? "none" : "wait", -1));
        if (i < 2)
            CHECK_INT(get_none(&w[i]), WORKER_ENDED);
    }
    reap();
    reap();
    heal();
    worker_stop(&w[2]); /* and so is ours: it ends although the other one, started later, is at work */
    CHECK(write(gate[1], "", 1) == 1);
    CHECK(write(gate[1], "", 1) == 1);
    reap();
    CHECK_INT(get_none(&w[3]), WORKER_ANSWER);
    worker_stop(&w[3]);
    reap();
    CHECK_INT(open_files(), files);
}

int main(void) {
    (void)signal(SIGPIPE, SIG_IGN);
    (void)alarm(240);
    CHECK(pipe2(gate, O_CLOEXEC) == 0);
    CHECK(worker_start(&other, &job));
    RUN(descriptors_go_both_ways);
    RUN(its_serial_is_never_0);
    RUN(whoever_does_wrong_is_ended);
    RUN(an_order_to_one_that_has_ended_fails);
    RUN(a_job_may_find_that_it_is_no_order);
    RUN(only_the_loops_end_makes_one_leave);
    RUN(one_that_never_answers_is_late_once);
    RUN(what_comes_late_is_closed);
    RUN(a_moment_without_memory_ends_no_worker);
    RUN(a_socket_that_fails_ends_its_worker);
    RUN(a_call_that_is_interrupted_is_made_again);
    RUN(one_that_cannot_start_leaves_nothing);
    RUN(an_end_is_seen_though_others_live);
    worker_stop(&other);
    TEST_MAIN_END;
}
