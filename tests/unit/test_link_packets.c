/*
 * test_link_packets.c - link.c with a VMM that talks in packets, or over HTTP: nothing greets, a message is a packet or
 * an answer, each operation has a connection of its own, and what comes on the connection of one never ends another.
 * The test itself is the VMM.
 */
#include "base/limits.h"
#include "codec/http_reply.h"
#include "fault.h"
#include "hands.h"
#include "os/clock.h"
#include "os/pollset.h"
#include "os/sock.h"
#include "test.h"
#include "vmm/link.h"

#include <stdio.h>
#include <sys/un.h>

static char top[] = "/tmp/vh-packets-XXXXXX";
static struct conf conf;
static int listener = -1, monitor = -1;

/* ---- a protocol of packets: "more" has one more sent, "ok" ends ---- */

static void reset(struct vmm_conv *cv) {
    cv->op.kind = OP_NONE;
}

static bool is(const char *text, size_t len, const char *word) {
    return len == strlen(word) && memcmp(text, word, len) == 0;
}

static enum vmm_step take(struct vmm_conv *cv, const char *text, size_t len, struct vmm_out *out) {
    if (cv->op.kind == OP_NONE)
        return VMM_BAD;
    if (is(text, len, "more")) {
        sb_str(&out->text, "again");
        return VMM_WAIT;
    }
    if (!is(text, len, "ok"))
        return VMM_BAD;
    cv->result = (struct op_result){.serial = cv->op.serial, .status = OP_OK};
    cv->op.kind = OP_NONE;
    return VMM_DONE;
}

static void begin(struct vmm_conv *cv, const struct vmm_op *op, struct vmm_out *out) {
    cv->op = *op;
    out->pass_fd = op->kind == OP_ATTACH;
    sb_str(&out->text, "do");
}

static bool takes_fd(const struct vmm_conv *cv, uint32_t features) {
    (void)cv, (void)features;
    return true;
}

static const struct vmm vmm_test = {
    .type = "test",
    .talk = VMM_PACKETS,
    .most_fds = 1,
    .answer_ms = 500,
    .one_operation = true,
    .strange = "who knows",
    .reset = reset,
    .message = take,
    .begin = begin,
    .takes_fd = takes_fd,
};
static struct vmm stays;

/* A protocol of lines, for VMs of either type: the first line is the greeting. */
static enum vmm_step take_line(struct vmm_conv *cv, const char *text, size_t len, struct vmm_out *out) {
    if (is(text, len, "hello") && !cv->greeted) {
        cv->greeted = true;
        return VMM_READY;
    }
    return take(cv, text, len, out);
}

static void reset_lines(struct vmm_conv *cv) {
    cv->op.kind = OP_NONE;
    cv->greeted = false;
}

static const struct vmm vmm_lines = {
    .type = "lines",
    .talk = VMM_LINES,
    .most_fds = 1,
    .answer_ms = 500,
    .one_client = true,
    .strange = "who knows",
    .reset = reset_lines,
    .message = take_line,
    .begin = begin,
    .takes_fd = takes_fd,
};

/* The same as of packets, in bodies of HTTP. */
static enum vmm_step take_body(struct vmm_conv *cv, const char *text, size_t len, struct vmm_out *out) {
    struct http_reply r;
    return http_reply_read(text, len, &r) == HTTP_OK ? take(cv, r.body, r.len, out) : VMM_BAD;
}

static const struct vmm vmm_web = {
    .type = "web",
    .talk = VMM_HTTP,
    .answer_ms = 500,
    .one_operation = true,
    .strange = "who knows",
    .reset = reset,
    .message = take_body,
    .begin = begin,
    .takes_fd = takes_fd,
};
static const struct vmm *types[] = {&vmm_test, &vmm_lines, &vmm_web, NULL};

/* ---- what was told ---- */

static char told[512];
static uint64_t told_socket;

static void tell(const char *what) {
    size_t n = strlen(told);
    (void)snprintf(told + n, sizeof told - n, "%s ", what);
}

static void on_done(const struct op_result *r) {
    static const char *const names[] = {[OP_OK] = "ok",     [OP_FAILED] = "failed",   [OP_REFUSED] = "refused",
                                        [OP_BUSY] = "busy", [OP_UNKNOWN] = "unknown", [OP_LOCAL] = "local"};
    tell(names[r->status]);
    tell(r->text);
    told_socket = r->socket;
}
static void on_answers(int vm) {
    (void)vm;
    tell("answers");
}
static void on_down(int vm, const char *why) {
    (void)vm, (void)why;
    tell("down");
}
static void on_again(int vm) {
    (void)vm;
    tell("again");
}
static void on_peer(int vm, int pidfd) {
    (void)vm;
    CHECK(pidfd >= 0 && close(pidfd) == 0);
}
static void on_out(int vm, const char *id, bool out) {
    (void)vm, (void)id, (void)out;
    tell("out");
}
static bool open_node(const struct vmm_op *op, char *why, size_t cap) {
    (void)why, (void)cap;
    link_node(op->vm, op->serial, open("/dev/null", O_RDONLY | O_CLOEXEC), "");
    return true;
}

static const struct link_calls calls = {on_done, on_answers, on_down, on_again, on_peer, open_node, on_out};
static const struct connector_calls connector_calls = {link_reached, link_rechecked, NULL};

static const char *type_name = "test";
static enum vm_socket listens = VM_PACKETS;

static const char *heard(void) {
    static char text[sizeof told];
    memcpy(text, told, sizeof text);
    told[0] = '\0';
    return text;
}

/* ---- the loop, and the VMM ---- */

static void turn(void) {
    static struct pollset ps;
    ps.n = 0;
    connector_fill(&ps);
    link_fill(&ps);
    CHECK(__real_poll(ps.fd, (nfds_t)ps.n, 0) >= 0);
    int64_t now = clock_now();
    connector_ready(&ps, now);
    link_ready(&ps, now);
    connector_tick(now);
    link_tick(now);
}

static void pass(void) {
    turn();
    for (int i = 0; i < 10; i++) {
        (void)hands_serve();
        turn();
    }
}

/* Pauses after a broken connection are short: they are waited for. */
static void answer_call(void) {
    monitor = -1;
    for (int i = 0; i < 2000 && monitor < 0; i++) {
        pass();
        monitor = sock_accept(listener);
        if (monitor < 0)
            (void)__real_poll(NULL, 0, 1);
    }
    CHECK(monitor >= 0);
}

/* One packet, with the descriptor that came along. */
static void expect(const char *text, bool with_fd) {
    char got[64] = "";
    int fds[1];
    ssize_t n = sock_recv_fds(monitor, got, sizeof got - 1, fds, 1);
    CHECK_INT((long)n, (long)strlen(text));
    CHECK_STR(got, text);
    CHECK((fds[0] >= 0) == with_fd);
    CHECK(fds[0] < 0 || close(fds[0]) == 0);
}

static void say(const char *text) {
    CHECK(__real_send(monitor, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text));
}

static void ask(enum op_kind kind) {
    static uint32_t serial;
    const struct vmm_op op = {.kind = kind, .serial = ++serial};
    link_op(0, &op);
}

static void hang_up(void) {
    CHECK(monitor >= 0 && close(monitor) == 0);
    monitor = -1;
}

static bool was_closed(void) {
    char c;
    return __real_recv(monitor, &c, 1, 0) == 0;
}

static void open_listener(int type) {
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    (void)snprintf(a.sun_path, sizeof a.sun_path, "%s", conf.vms[0].socket);
    listener = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    CHECK(listener >= 0 && bind(listener, (struct sockaddr *)&a, sizeof a) == 0 && listen(listener, 5) == 0);
}

static void start(int type) {
    conf.nvms = 1;
    conf.vms[0].listens = listens;
    (void)snprintf(conf.vms[0].type, sizeof conf.vms[0].type, "%s", type_name);
    hands_start(&conf, -1, NULL, &connector_calls);
    link_start(&conf, types, &calls);
    open_listener(type);
    (void)heard();
}

static void stop(void) {
    heal();
    link_drop(0);
    pass();
    link_stop();
    hands_stop();
    if (monitor >= 0)
        (void)close(monitor);
    (void)close(listener);
    monitor = listener = -1;
    (void)unlink(conf.vms[0].socket);
    (void)heard();
}

/* ---- tests ---- */

static void an_operation_has_a_connection_of_its_own(void) {
    int files = open_files();
    start(SOCK_SEQPACKET);
    ask(OP_LIST);
    answer_call();
    expect("do", false);
    say("more");
    pass();
    expect("again", false);
    CHECK_STR(heard(), "");
    say("ok");
    pass();
    CHECK_STR(heard(), "ok  ");
    CHECK(told_socket != 0 && was_closed() && !link_connected(0));
    CHECK_INT(link_deadline(), VH_NEVER); /* no timer is left */
    hang_up();
    uint64_t first = told_socket;
    ask(OP_ATTACH);
    answer_call();
    expect("do", true);
    say("ok");
    say("ok"); /* the second answer ends nothing: its connection has ended */
    pass();
    CHECK_STR(heard(), "ok  ");
    CHECK(told_socket == first);
    hang_up();
    ask(OP_LIST);
    answer_call();
    expect("do", false);
    CHECK_STR(heard(), "");
    stop();
    CHECK_INT(open_files(), files);
}

static void another_socket_of_the_same_name_is_another_one(void) {
    start(SOCK_SEQPACKET);
    uint64_t before = 0;
    for (int i = 0; i < 2; i++) {
        ask(OP_LIST);
        answer_call();
        say("ok");
        pass();
        CHECK_STR(heard(), "ok  ");
        CHECK(told_socket != before);
        before = told_socket;
        hang_up();
        CHECK(close(listener) == 0 && unlink(conf.vms[0].socket) == 0);
        open_listener(SOCK_SEQPACKET);
    }
    stop();
}

static void what_is_no_answer_ends_the_connection(void) {
    static char endless[VH_QMP_LINE_MAX + 1];
    static const char *const ends[] = {"unknown the monitor does not speak the protocol again ",
                                       "unknown the monitor sent an endless message again ",
                                       "unknown the monitor closed the connection again "};
    memset(endless, 'x', sizeof endless);
    start(SOCK_SEQPACKET);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        ask(OP_LIST);
        answer_call();
        expect("do", false); /* what is not read makes a reset of the hanging up */
        if (i == 0)
            say("nonsense");
        else if (i == 1)
            CHECK(__real_send(monitor, endless, sizeof endless, MSG_NOSIGNAL) > 0);
        else
            hang_up();
        pass();
        CHECK_STR(heard(), ends[i]);
        if (monitor >= 0)
            hang_up();
        CHECK(close(sock_accept(listener)) == 0); /* whether anybody listens */
    }
    stop();
}

/* A descriptor that comes with an answer is nobody's. */
static void what_comes_with_an_answer_is_closed(void) {
    start(SOCK_SEQPACKET);
    int files = open_files();
    ask(OP_LIST);
    answer_call();
    CHECK(sock_send(monitor, "ok", 2, listener) == 2);
    pass();
    CHECK_STR(heard(), "ok  ");
    hang_up();
    CHECK_INT(open_files(), files);
    stop();
}

static void an_answer_may_take_as_long_as_the_type_says(void) {
    start(SOCK_SEQPACKET);
    ask(OP_LIST);
    answer_call();
    int64_t wait = link_deadline() - clock_now();
    CHECK(wait > 0 && wait <= 500 * VH_NSEC_PER_MSEC);
    link_tick(link_deadline());
    pass();
    CHECK_STR(heard(), "unknown the monitor did not answer in time again ");
    stop();
}

static void a_packet_that_was_not_sent_is_not_joined_by_another(void) {
    start(SOCK_SEQPACKET);
    ask(OP_LIST);
    answer_call();
    say("more");
    fail_call("sendmsg", 1, EAGAIN);
    turn();
    heal();
    pass(); /* now it is */
    expect("do", false);
    expect("again", false);
    fail_call("sendmsg", 0, EAGAIN);
    say("more");
    say("more");
    turn();
    turn();
    heal();
    pass();
    CHECK_STR(heard(), "unknown the monitor does not take commands again ");
    stop();
}

/* The queue of the listener is full; when it takes a connection again, the operation was given up, and that is told. */
static void a_full_queue_that_empties_answers(void) {
    start(SOCK_SEQPACKET);
    fail_call("connect", 0, EAGAIN);
    ask(OP_LIST);
    for (int i = 0; i < 5000 && told[0] == '\0'; i++) {
        pass();
        (void)__real_poll(NULL, 0, 1);
    }
    CHECK_STR(heard(), "busy the monitor of VM 'vm1' has too many clients waiting ");
    link_wanted(0, true);
    heal();
    answer_call();
    pass();
    CHECK_STR(heard(), "answers ");
    stop();
}

static void a_socket_of_another_type_is_named(void) {
    start(SOCK_STREAM);
    ask(OP_LIST);
    for (int i = 0; i < 5000 && told[0] == '\0'; i++) {
        pass();
        (void)__real_poll(NULL, 0, 1);
    }
    CHECK_STR(heard(), "local the monitor of VM 'vm1' is of another type: a control socket of type test ");
    stop();
}

static void a_monitor_that_serves_many_keeps_its_connection(void) {
    stays = vmm_test;
    stays.one_operation = false;
    types[0] = &stays;
    start(SOCK_SEQPACKET);
    ask(OP_LIST);
    answer_call();
    say("ok");
    pass();
    CHECK_STR(heard(), "ok  ");
    CHECK(link_connected(0));
    CHECK_INT(link_deadline(), VH_NEVER);
    say("ok"); /* nobody has asked */
    pass();
    CHECK_STR(heard(), "again ");
    stop();
    types[0] = &vmm_test;
}

/* The VM is started anew as one of another type: its socket says so. */
static void the_type_is_found_out_by_each_connection(void) {
    static const int kinds[] = {SOCK_SEQPACKET, SOCK_STREAM, SOCK_STREAM, SOCK_SEQPACKET};
    int files = open_files();
    type_name = "auto";
    listens = VM_EITHER;
    start(kinds[0]);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        ask(OP_ATTACH);
        answer_call();
        if (kinds[i] == SOCK_STREAM) {
            say("hello\n");
            pass();
        }
        expect("do", true);
        say(kinds[i] == SOCK_STREAM ? "ok\n" : "ok");
        pass();
        CHECK_STR(heard(), "ok  ");
        CHECK(link_connected(0) == (kinds[i] == SOCK_STREAM)); /* one of lines lingers */
        link_drop(0);
        (void)heard();
        hang_up();
        CHECK(close(listener) == 0 && unlink(conf.vms[0].socket) == 0);
        open_listener(kinds[(i + 1) % 4]);
    }
    stop();
    type_name = "test";
    listens = VM_PACKETS;
    CHECK_INT(open_files(), files);
}

/* Of a device of a kind that this type never takes nothing is sent, and nothing waits. */
static void what_a_type_never_takes_is_not_sent(void) {
    static const struct vmm_op ops[] = {{.kind = OP_ATTACH, .serial = 1000, .pci = true},
                                        {.kind = OP_DETACH, .serial = 1001, .pci = true}};
    start(SOCK_SEQPACKET);
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        link_op(0, &ops[i]);
        answer_call();
        pass();
        CHECK_STR(heard(), "local the VMM of VM 'vm1' takes no PCI devices ");
        char c;
        CHECK(recv(monitor, &c, 1, MSG_DONTWAIT) <= 0); /* nothing, or its end */
        hang_up();
        pass();
        (void)heard();
        link_drop(0);
    }
    stop();
}

static void an_answer_over_http_may_come_in_pieces(void) {
    int files = open_files();
    start(SOCK_STREAM);
    ask(OP_LIST);
    answer_call();
    expect("do", false);
    static const char *const pieces[] = {"HTTP/1.1 200 \r\nContent-Len", "gth: 4\r\n\r\nmo", "re"};
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        say(pieces[i]);
        pass();
        CHECK_STR(heard(), "");
    }
    expect("again", false);
    say("HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nok");
    pass();
    CHECK_STR(heard(), "ok  ");
    CHECK(was_closed() && !link_connected(0));
    CHECK_INT(link_deadline(), VH_NEVER);
    stop();
    CHECK_INT(open_files(), files);
}

static void what_is_no_http_ends_the_connection(void) {
    static char endless[VH_HTTP_HEAD_MAX + 1];
    memset(endless, 'x', sizeof endless - 1);
    const char *const answers[] = {"nonsense\n", endless, "HTTP/1.1 200 \r\n\r\n",
                                   "HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nokHTTP/1.1 204 \r\n\r\n", "HTTP/1.1 2"};
    start(SOCK_STREAM);
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        bool half = i + 1 == sizeof answers / sizeof *answers;
        ask(OP_LIST);
        answer_call();
        expect("do", false);
        say(answers[i]);
        pass();
        CHECK_STR(heard(), half ? "" : "unknown the monitor does not speak the protocol again ");
        hang_up();
        pass();
        CHECK_STR(heard(), half ? "unknown the monitor closed the connection again " : "");
        CHECK(close(sock_accept(listener)) == 0); /* whether anybody listens */
    }
    stop();
}

int main(void) {
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    CHECK(mkdtemp(top) != NULL);
    (void)snprintf(conf.vms[0].name, sizeof conf.vms[0].name, "vm1");
    (void)snprintf(conf.vms[0].socket, sizeof conf.vms[0].socket, "%s/vm1.sock", top);
    RUN(an_operation_has_a_connection_of_its_own);
    RUN(another_socket_of_the_same_name_is_another_one);
    RUN(what_is_no_answer_ends_the_connection);
    RUN(what_comes_with_an_answer_is_closed);
    RUN(an_answer_may_take_as_long_as_the_type_says);
    RUN(a_packet_that_was_not_sent_is_not_joined_by_another);
    RUN(a_full_queue_that_empties_answers);
    RUN(a_socket_of_another_type_is_named);
    RUN(a_monitor_that_serves_many_keeps_its_connection);
    RUN(the_type_is_found_out_by_each_connection);
    RUN(what_a_type_never_takes_is_not_sent);
    type_name = "web";
    listens = VM_API;
    RUN(an_answer_over_http_may_come_in_pieces);
    RUN(what_is_no_http_ends_the_connection);
    CHECK(rmdir(top) == 0);
    TEST_MAIN_END;
}
