/*
 * test_link.c - link.c while its calls fail: every operation ends once with its status, a broken connection waits
 * before the next attempt, and only the user who should serve the socket is sent a device. The test itself is the
 * monitor.
 */
#include "base/limits.h"
#include "fault.h"
#include "hands.h"
#include "os/clock.h"
#include "os/pollset.h"
#include "os/sock.h"
#include "test.h"
#include "vmm/link.h"

#include <stdint.h>
#include <stdio.h>

static char top[] = "/tmp/vh-link-XXXXXX";
static struct conf conf;
static int listener = -1, monitor = -1;
static int64_t now;

/* ---- a protocol of single lines: "hello", "ok", "bad", "more", "accepted", "out", "stays" ---- */

static size_t talk; /* bytes that "more" appends */
static bool owed;   /* an answer that does not decide the operation comes later: "paid" */

static void reset(struct vmm_conv *cv) {
    cv->greeted = false;
}

static bool is(const char *line, size_t len, const char *word) {
    return len == strlen(word) && memcmp(line, word, len) == 0;
}

static enum vmm_step take(struct vmm_conv *cv, const char *line, size_t len, struct vmm_out *out) {
    if (is(line, len, "hello"))
        return VMM_READY;
    if (is(line, len, "bad"))
        return VMM_BAD;
    for (size_t i = 0; i < talk && is(line, len, "more"); i++)
        sb_char(&out->text, '.');
    cv->waiting = owed;
    (void)snprintf(cv->out_id, sizeof cv->out_id, "card");
    if (is(line, len, "out"))
        return VMM_OUT;
    if (is(line, len, "stays"))
        return VMM_STAYS;
    if (!is(line, len, "ok") && !is(line, len, "accepted"))
        return VMM_WAIT;
    cv->result = (struct op_result){.serial = cv->op.serial, .status = len == 2 ? OP_OK : OP_ACCEPTED};
    return VMM_DONE;
}

static void begin(struct vmm_conv *cv, const struct vmm_op *op, struct vmm_out *out) {
    cv->op = *op;
    out->pass_fd = op->by_fd;
    sb_str(&out->text, "do\n");
}

static bool takes_fd(const struct vmm_conv *cv, uint32_t features) {
    (void)cv;
    return features == 0;
}

static const struct vmm vmm_test = {
    .type = "test",
    .talk = VMM_LINES,
    .kinds = VM_KIND_USB | VM_KIND_PCI,
    .most_fds = 1,
    .answer_ms = VH_T_COMMAND,
    .one_client = true,
    .strange = "hello is missing",
    .reset = reset,
    .message = take,
    .begin = begin,
    .takes_fd = takes_fd,
};
static const struct vmm *const types[] = {&vmm_test, NULL};

/* ---- what was told ---- */

static char told[512];
static int node_error;
static bool node_later;      /* the answer does not come during the call */
static uint32_t node_serial; /* asked for last */

static void tell(const char *what) {
    size_t n = strlen(told);
    (void)snprintf(told + n, sizeof told - n, "%s ", what);
}

static void on_done(const struct op_result *r) {
    static const char *const names[] = {
        [OP_OK] = "ok",           [OP_FAILED] = "failed", [OP_REFUSED] = "refused",  [OP_BUSY] = "busy",
        [OP_UNKNOWN] = "unknown", [OP_LOCAL] = "local",   [OP_ACCEPTED] = "accepted"};
    tell(names[r->status]);
    tell(r->text);
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
    (void)vm;
    tell(out ? "out" : "stays");
    tell(id);
}
static bool open_node(const struct vmm_op *op, char *why, size_t cap) {
    node_serial = op->serial;
    if (node_error != 0) {
        (void)snprintf(why, cap, "no node");
        return false;
    }
    if (!node_later)
        link_node(op->vm, op->serial, dup(0), "");
    return true;
}

static const struct link_calls calls = {on_done, on_answers, on_down, on_again, on_peer, open_node, on_out};

static const struct connector_calls connector_calls = {link_reached, link_rechecked, NULL};

static const char *heard(void) {
    static char text[sizeof told];
    memcpy(text, told, sizeof text);
    told[0] = '\0';
    return text;
}

/* ---- the loop ---- */

/* True if the calls heard so far begin with this. */
static bool heard_first(const char *text) {
    return strncmp(heard(), text, strlen(text)) == 0;
}

static void turn(void) {
    static struct pollset ps;
    ps.n = 0;
    connector_fill(&ps);
    link_fill(&ps);
    CHECK(__real_poll(ps.fd, (nfds_t)ps.n, 0) >= 0);
    now = clock_now();
    connector_ready(&ps, now);
    link_ready(&ps, now);
    connector_tick(now);
    link_tick(now);
}

/* Until the connectors have nothing to do. */
static void pass(void) {
    turn();
    for (int i = 0; i < 10 && hands_serve(); i++)
        turn();
}

static void say(const char *line) {
    CHECK(__real_send(monitor, line, strlen(line), MSG_NOSIGNAL) == (ssize_t)strlen(line));
    pass();
}

static void ask(enum op_kind kind) {
    static uint32_t serial;
    const struct vmm_op op = {.kind = kind, .serial = ++serial};
    link_op(0, &op);
}

static void answer_call(void) {
    pass();
    monitor = sock_accept(listener);
    CHECK(monitor >= 0);
}

static void open_listener(void) {
    listener = sock_listen_unix(conf.vms[0].socket, 0600, -1, -1);
    CHECK(listener >= 0);
}

static void start(void) {
    conf.nvms = 1;
    conf.vms[0].uid_given = false;
    conf.vms[0].passing = PASS_AUTO;
    (void)snprintf(conf.vms[0].type, sizeof conf.vms[0].type, "test");
    hands_start(&conf, -1, NULL, &connector_calls);
    link_start(&conf, types, &calls);
    open_listener();
    (void)heard();
}

/* Connected, greeted, at rest. */
static void ready(void) {
    start();
    ask(OP_LIST);
    answer_call();
    say("hello\n");
    say("ok\n");
    CHECK_STR(heard(), "ok  ");
    CHECK(link_connected(0));
}

/* Ends the pause after a broken connection, for the next test. */
static void stop(void) {
    heal();
    link_drop(0);
    pass();
    link_stop();
    hands_stop();
    if (monitor >= 0)
        (void)close(monitor);
    if (listener >= 0)
        (void)close(listener);
    monitor = listener = -1;
    (void)unlink(conf.vms[0].socket);
    (void)heard();
}

/* ---- connecting ---- */

static void a_vm_that_is_not_there_is_not_running(void) {
    static const int errors[] = {ENOENT, ENOTDIR};
    int files = open_files();
    start();
    for (size_t i = 0; i < 2; i++) {
        fail_call("openat", 1, errors[i]);
        ask(OP_LIST);
        CHECK_STR(heard(), ""); /* no callback inside a call of the link */
        pass();
        CHECK_STR(heard(), "refused VM 'vm1' is not running ");
        heal();
    }
    stop();
    CHECK_INT(open_files(), files);
}

/* A full queue, a socket file without a server, no free descriptor: the link tries again until the deadline. */
static void a_connection_that_fails_is_tried_again_for_a_while(void) {
    static const struct {
        int error;
        const char *said;
    } ways[] = {{EAGAIN, "busy the monitor of VM 'vm1' has too many clients waiting "},
                {ECONNREFUSED, "refused VM 'vm1' is not running "},
                {EMFILE, "local the monitor of VM 'vm1' "}};
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        start();
        fail_call("connect", 0, ways[i].error);
        ask(OP_LIST);
        pass();
        CHECK_STR(heard(), "");
        int64_t begun = now;
        for (int k = 0; k < 1000 && told[0] == '\0'; k++) {
            int64_t wait = link_deadline() - now;
            CHECK(wait >= 0 && wait <= 2 * VH_T_CONNECT_MAX * VH_NSEC_PER_MSEC);
            (void)__real_poll(NULL, 0, (int)(wait / VH_NSEC_PER_MSEC) + 1);
            pass();
        }
        CHECK(now - begun >= 20 * VH_T_CONNECT_MIN * VH_NSEC_PER_MSEC);
        CHECK(heard_first(ways[i].said));
        link_tick(now); /* no operation waits for the connection */
        link_tick(link_deadline());
        stop();
    }
}

static void who_serves_the_socket_must_be_who_should(void) {
    int files = open_files();
    start();
    fail_call("getsockopt", 1, ENOPROTOOPT);
    ask(OP_LIST);
    pass();
    CHECK_STR(heard(), "local VM 'vm1' the kernel does not say who serves its socket ");
    heal();
    fail_nr(SYS_statx, 1, EIO);
    ask(OP_LIST);
    pass();
    CHECK(heard_first("local VM 'vm1' its socket cannot be looked at: "));
    CHECK(all_failed());
    heal();
    conf.vms[0].uid_given = true;
    conf.vms[0].uid = geteuid() + 1;
    ask(OP_LIST);
    pass();
    CHECK(heard_first("refused VM 'vm1' its socket is served by uid "));
    conf.vms[0].uid = geteuid();
    ask(OP_LIST);
    pass();
    CHECK_STR(heard(), "");
    stop();
    CHECK_INT(open_files(), files);
}

/* ---- conversations ---- */

static void a_break_before_anything_went_out_is_ours_and_after_it_unknown(void) {
    ready();
    fail_call("sendmsg", 1, EPIPE);
    ask(OP_DETACH);
    pass();
    CHECK(heard_first("local "));
    stop();
    ready();
    ask(OP_DETACH);
    pass();
    CHECK(close(monitor) == 0);
    monitor = -1;
    pass();
    CHECK(heard_first("unknown "));
    stop();
    ready();
    ask(OP_DETACH);
    pass();
    CHECK(close(listener) == 0);
    listener = -1;
    fail_call("recvmmsg", 1, ECONNRESET);
    say("ok\n");
    CHECK(heard_first("unknown "));
    stop();
}

static void a_socket_that_takes_nothing_of_a_fresh_operation_ends_it(void) {
    ready();
    fail_call("sendmsg", 1, EAGAIN);
    ask(OP_DETACH);
    pass();
    CHECK_STR(heard(), "local the monitor does not read again ");
    stop();
}

/* ---- PCI devices ---- */

static void ask_pci(enum op_kind kind) {
    static uint32_t serial = 1000;
    const struct vmm_op op = {.kind = kind, .serial = ++serial, .pci = true};
    link_op(0, &op);
}

/* How long the link waits for its next time, from now on: in ms. */
static int64_t waits(void) {
    return (link_deadline() - now) / VH_NSEC_PER_MSEC;
}

static void a_pci_device_is_opened_by_the_vmm_which_may_take_long(void) {
    ready();
    ask_pci(OP_ATTACH);
    node_serial = 0;
    pass();
    CHECK(node_serial == 0); /* no node was asked for */
    CHECK(waits() > VH_T_COMMAND && waits() <= VH_T_ADD_PCI);
    say("ok\n");
    CHECK_STR(heard(), "ok  ");
    stop();
}

static void it_listens_until_the_device_is_out(void) {
    ready();
    ask_pci(OP_DETACH);
    pass();
    CHECK(waits() <= VH_T_COMMAND);
    say("accepted\n");
    CHECK_STR(heard(), "accepted  ");
    CHECK(waits() > VH_T_LINGER && waits() <= VH_T_LISTEN);
    ask(OP_LIST);
    pass();
    say("ok\n");
    CHECK_STR(heard(), "ok  ");
    CHECK(waits() > VH_T_LINGER); /* the end of another operation changes nothing */
    say("out\n");
    CHECK_STR(heard(), "out card ");
    CHECK(waits() <= VH_T_LINGER);
    ask_pci(OP_DETACH);
    pass();
    say("stays\n"); /* before the answer */
    say("accepted\n");
    CHECK_STR(heard(), "stays card accepted  ");
    stop();
}

/* Unsent bytes are sent later, or the connection ends. */
static void a_monitor_that_does_not_read_is_waited_for(void) {
    char got[64] = "";
    ready();
    give_call("sendmsg", 1, 1); /* one byte of three */
    fail_call("sendmsg", 2, EAGAIN);
    ask(OP_DETACH);
    link_tick(clock_now());
    heal();
    pass();
    CHECK_INT(__real_recv(monitor, got, sizeof got, 0), 5); /* the earlier ones, and the two that were left */
    CHECK_STR(heard(), "");
    say("ok\n");
    CHECK_STR(heard(), "ok  ");
    give_call("sendmsg", 1, 1);
    fail_call("sendmsg", 2, EAGAIN);
    fail_call("sendmsg", 3, EPIPE);
    ask(OP_DETACH);
    link_tick(clock_now());
    pass();
    CHECK(heard_first("unknown "));
    stop();
}

static void an_answer_that_asks_for_more_is_bounded(void) {
    ready();
    talk = VH_QMP_OUT_MAX + 1;
    say("more\n");
    CHECK_STR(heard(), "again ");
    stop();
    ready();
    talk = 10;
    fail_call("sendmsg", 1, EPIPE);
    say("more\n");
    CHECK_STR(heard(), "again ");
    stop();
    ready();
    say("more\n");
    CHECK_STR(heard(), "");
    say("bad\n");
    CHECK_STR(heard(), "again ");
    CHECK(was_said("does not speak the protocol"));
    stop();
}

/* Whoever asked only whether somebody listens. */
static void forget_callers(void) {
    int fd;
    (void)close(monitor);
    while ((fd = sock_accept(listener)) >= 0)
        (void)close(fd);
}

/* Asks, and waits until the link has connected. How long that took, in milliseconds. */
static long long pause_before_call(void) {
    int64_t begun = clock_now(), until = begun + 10 * ms_to_ns(1000);
    forget_callers();
    ask(OP_LIST);
    do {
        pass();
        monitor = sock_accept(listener);
    } while (monitor < 0 && clock_now() < until);
    CHECK(monitor >= 0);
    return (long long)(clock_now() - begun) / VH_NSEC_PER_MSEC;
}

/* A second is the longest pause for a monitor that hangs up, and too short for one of another protocol. */
static void a_monitor_of_another_protocol_is_tried_ever_more_rarely(void) {
    long long paused = 0;
    ready();
    say("bad\n");
    for (int i = 0; i < 7; i++) {
        paused = pause_before_call();
        say("bad\n");
    }
    CHECK(paused >= 600);
    paused = pause_before_call();
    CHECK(paused >= 1200);
    (void)heard();
    stop();
}

static void hanging_up_after_each_answer_keeps_the_pause(void) {
    long long paused = 0;
    ready();
    for (int i = 0; i < 5; i++) {
        CHECK(shutdown(monitor, SHUT_RDWR) == 0);
        pass();
        paused = pause_before_call();
        say("hello\n");
        say("ok\n");
        CHECK(link_connected(0));
    }
    CHECK(paused >= 150);
    (void)heard();
    stop();
}

static void without_a_node_nothing_is_attached(void) {
    ready();
    node_error = EMFILE;
    ask(OP_ATTACH);
    pass();
    CHECK_STR(heard(), "local no node ");
    node_error = 0;
    CHECK(link_connected(0));
    static const enum usb_passing ways[] = {PASS_AUTO, PASS_FD};
    for (size_t i = 0; i < 2; i++) {
        int files = open_files();
        conf.vms[0].passing = ways[i];
        ask(OP_ATTACH);
        pass();
        CHECK_INT(open_files(), files); /* no copy of ours stays */
        say("ok\n");
        CHECK_STR(heard(), "ok  ");
    }
    stop();
}

static void a_node_may_come_later(void) {
    ready();
    int files = open_files();
    node_later = true;
    ask(OP_ATTACH);
    pass();
    pass();
    CHECK_STR(heard(), "");
    CHECK_INT(__real_recv(monitor, (char[64]){0}, 64, MSG_DONTWAIT), 3); /* of the listing */
    CHECK(__real_recv(monitor, (char[64]){0}, 64, MSG_DONTWAIT) < 0);    /* nothing goes out without the node */
    link_node(0, node_serial + 1, dup(0), "");                           /* not the one that is waited for */
    CHECK_INT(open_files(), files);
    link_node(0, node_serial, dup(0), "");
    CHECK_INT(__real_recv(monitor, (char[64]){0}, 64, MSG_DONTWAIT), 3);
    link_node(0, node_serial, dup(0), ""); /* twice */
    CHECK_INT(open_files(), files);
    say("ok\n");
    CHECK_STR(heard(), "ok  ");
    ask(OP_ATTACH);
    pass();
    link_node(0, node_serial, -1, "it is in use");
    pass();
    CHECK_STR(heard(), "local it is in use ");
    CHECK(link_connected(0));
    node_later = false;
    stop();
}

/* The operation ends first: by the monitor's end, by the VM's end, by time. */
static void a_node_that_comes_too_late_is_closed(void) {
    node_later = true;
    for (int way = 0; way < 3; way++) {
        ready();
        ask(OP_ATTACH);
        pass();
        if (way == 0) {
            CHECK(close(monitor) == 0);
            monitor = -1;
            pass();
            CHECK(heard_first("local "));
        } else if (way == 1) {
            link_drop(0);
            CHECK(heard_first("unknown "));
        } else {
            link_tick(link_deadline());
            CHECK_STR(heard(), "local the device was not opened in time ");
        }
        int files = open_files();
        link_node(0, node_serial, dup(0), "");
        CHECK_INT(open_files(), files);
        CHECK_STR(heard(), "");
        stop();
    }
    node_later = false;
}

/* It is asked for while the monitor has not greeted yet. */
static void a_node_that_is_there_first_waits_for_the_greeting(void) {
    for (int later = 0; later < 2; later++) {
        node_later = later == 1;
        start();
        node_serial = 0;
        ask(OP_ATTACH);
        CHECK(node_serial != 0);
        CHECK_STR(heard(), "");
        answer_call();
        if (node_later)
            link_node(0, node_serial, dup(0), "");
        CHECK(__real_recv(monitor, (char[64]){0}, 64, MSG_DONTWAIT) < 0);
        say("hello\n");
        CHECK_INT(__real_recv(monitor, (char[64]){0}, 64, MSG_DONTWAIT), 3);
        int files = open_files();
        say("ok\n");
        CHECK_STR(heard(), "ok  ");
        CHECK_INT(open_files(), files); /* our copy was closed before */
        stop();
    }
    node_later = false;
}

/* The greeting is late, the VM ends, nobody listens: the node is closed with the operation. */
static void a_node_that_waits_in_vain_is_closed(void) {
    int files = open_files();
    for (int way = 0; way < 3; way++) {
        start();
        if (way == 2)
            fail_call("openat", 1, ENOENT);
        ask(OP_ATTACH);
        if (way == 2)
            pass();
        else
            answer_call();
        if (way == 0)
            link_tick(link_deadline());
        else if (way == 1)
            link_drop(0);
        CHECK(heard_first(way == 0 ? "busy " : way == 1 ? "unknown " : "refused "));
        stop();
        CHECK_INT(open_files(), files);
    }
}

static void a_node_that_cannot_be_had_ends_the_attach_before_the_greeting(void) {
    start();
    node_later = true;
    ask(OP_ATTACH);
    answer_call();
    link_node(0, node_serial, -1, "it is in use");
    CHECK_STR(heard(), "");
    turn();
    CHECK_STR(heard(), "local it is in use ");
    CHECK(!link_connected(0));
    turn();
    CHECK_INT(__real_recv(monitor, (char[64]){0}, 64, MSG_DONTWAIT), 0); /* the monitor is for others again */
    node_later = false;
    stop();
    start();
    node_error = EBUSY;
    ask(OP_ATTACH);
    CHECK_STR(heard(), "");
    turn();
    CHECK_STR(heard(), "local no node ");
    node_error = 0;
    stop();
}

/* Else what it has not read yet would be lost with the connection. */
static void a_link_lingers_while_an_answer_is_owed(void) {
    ready();
    int64_t end = link_deadline();
    owed = true;
    ask(OP_DETACH);
    pass();
    say("ok\n");
    CHECK_STR(heard(), "ok  ");
    CHECK(link_deadline() >= end + VH_T_COMMAND * VH_NSEC_PER_MSEC);
    owed = false;
    say("paid\n");
    CHECK(link_deadline() < end + VH_T_COMMAND * VH_NSEC_PER_MSEC);
    link_tick(link_deadline());
    CHECK(!link_connected(0));
    stop();
}

static void a_monitor_that_does_not_answer_ends_the_wait(void) {
    ready();
    ask(OP_DETACH);
    pass();
    now = link_deadline();
    link_tick(now);
    pass();
    CHECK_STR(heard(), "unknown the monitor did not answer in time again ");
    stop();
    start();
    ask(OP_LIST);
    answer_call();
    now = link_deadline();
    link_tick(now);
    CHECK_STR(heard(), "busy the monitor of VM 'vm1' does not answer: another client may hold it ");
    link_tick(now); /* the VM keeps its place in the queue of connections */
    say("hello\n");
    CHECK_STR(heard(), "answers ");
    stop();
    start();
    ask(OP_LIST);
    answer_call();
    link_tick(link_deadline());
    (void)heard();
    link_wanted(0, false); /* the VM is no longer wanted */
    link_tick(clock_now());
    CHECK(!link_connected(0));
    stop();
}

/* The second operation comes before the greeting to the first. */
static void an_operation_may_come_while_the_greeting_is_waited_for(void) {
    start();
    ask(OP_LIST);
    answer_call();
    link_tick(link_deadline());
    (void)heard();
    ask(OP_LIST);
    CHECK(link_deadline() > clock_now());
    say("hello\n");
    say("ok\n");
    CHECK_STR(heard(), "ok  ");
    stop();
}

static void whether_anybody_listens_is_doubted_in_his_favour(void) {
    static const struct {
        const char *call;
        int error;
        const char *said;
    } ways[] = {{"connect", ECONNREFUSED, "down "}, {"openat", ENOENT, "down "},   {"openat", ENOTDIR, "down "},
                {"connect", EAGAIN, "again "},      {"connect", EMFILE, "again "}, {"openat", EACCES, "again "},
                {"connect", ENOENT, "again "}}; /* /proc is missing */
    start();
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        fail_call(ways[i].call, 1, ways[i].error);
        link_recheck(0, "it may have ended");
        CHECK_STR(heard(), "");
        CHECK(link_rechecking(0));
        pass();
        CHECK_STR(heard(), ways[i].said);
        CHECK(!link_rechecking(0));
        heal();
    }
    stop();
}

/* The operation under way ends before the VM is reported down. */
static void a_vm_that_is_down_has_no_connection(void) {
    ready();
    ask(OP_DETACH);
    pass();
    fail_call("connect", 1, ECONNREFUSED);
    link_recheck(0, "its process ended");
    pass();
    CHECK_STR(heard(), "unknown VM 'vm1' ended down ");
    CHECK(!link_connected(0));
    stop();
}

/* ---- connectors that do not do what they should ---- */

static void a_connection_that_nobody_wants_any_more_is_closed(void) {
    start();
    int files = open_files();
    ask(OP_LIST);
    link_drop(0);
    (void)heard();
    CHECK(hands_serve());
    pass();
    CHECK_STR(heard(), "");
    CHECK_INT(open_files(), files);
    answer_call();
    CHECK(close(monitor) == 0);
    ask(OP_LIST);
    answer_call();
    say("hello\n");
    say("ok\n");
    CHECK_STR(heard(), "ok  ");
    stop();
}

static void a_connector_that_is_late_or_gone_ends_the_operation(void) {
    start();
    ask(OP_LIST);
    connector_tick(connector_deadline());
    pass();
    CHECK_STR(heard(), "local the monitor of VM 'vm1' cannot be reached in time ");
    for (int i = 0; i < VH_MAX_CONNECTORS; i++)
        hands_die(i);
    ask(OP_LIST);
    pass();
    pass();
    CHECK_STR(heard(), "local the monitor of VM 'vm1' cannot be reached: its connector has ended ");
    link_recheck(0, "it may have ended");
    pass();
    CHECK_STR(heard(), "again ");
    stop();
}

/* ---- a configuration that names another server ---- */

static void a_server_that_may_not_be_it_any_more_is_left(void) {
    ready();
    link_reload(&conf, 0);
    CHECK(link_connected(0));
    conf.vms[0].uid_given = true;
    conf.vms[0].uid = geteuid();
    link_reload(&conf, 0);
    CHECK(link_connected(0));
    conf.vms[0].uid = geteuid() + 1;
    link_reload(&conf, 0);
    CHECK(!link_connected(0));
    pass();
    CHECK_STR(heard(), "again ");
    stop();
    start(); /* the connector judged by the old rule */
    int files = open_files();
    ask(OP_LIST);
    CHECK(hands_serve());
    conf.vms[0].uid_given = true;
    conf.vms[0].uid = geteuid() + 1;
    turn();
    turn();
    CHECK(heard_first("refused VM 'vm1' its socket is served by another user"));
    CHECK_INT(open_files(), files);
    stop();
}

static void a_type_that_is_not_known_has_no_link(void) {
    start();
    (void)snprintf(conf.vms[0].type, sizeof conf.vms[0].type, "other");
    link_reload(&conf, 1);
    link_tick(clock_now());
    CHECK_INT(link_deadline(), VH_NEVER);
    CHECK(!link_connected(0));
    link_drop(0);
    link_reload(&conf, 0);
    CHECK_STR(heard(), "");
    (void)snprintf(conf.vms[0].type, sizeof conf.vms[0].type, "test");
    link_reload(&conf, 1);
    stop();
}

int main(void) {
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    CHECK(mkdtemp(top) != NULL);
    (void)snprintf(conf.vms[0].name, sizeof conf.vms[0].name, "vm1");
    (void)snprintf(conf.vms[0].socket, sizeof conf.vms[0].socket, "%s/vm1.sock", top);
    RUN(a_vm_that_is_not_there_is_not_running);
    RUN(a_connection_that_fails_is_tried_again_for_a_while);
    RUN(who_serves_the_socket_must_be_who_should);
    RUN(a_break_before_anything_went_out_is_ours_and_after_it_unknown);
    RUN(a_socket_that_takes_nothing_of_a_fresh_operation_ends_it);
    RUN(a_pci_device_is_opened_by_the_vmm_which_may_take_long);
    RUN(it_listens_until_the_device_is_out);
    RUN(a_monitor_that_does_not_read_is_waited_for);
    RUN(an_answer_that_asks_for_more_is_bounded);
    RUN(a_monitor_of_another_protocol_is_tried_ever_more_rarely);
    RUN(hanging_up_after_each_answer_keeps_the_pause);
    RUN(without_a_node_nothing_is_attached);
    RUN(a_node_may_come_later);
    RUN(a_node_that_comes_too_late_is_closed);
    RUN(a_node_that_is_there_first_waits_for_the_greeting);
    RUN(a_node_that_waits_in_vain_is_closed);
    RUN(a_node_that_cannot_be_had_ends_the_attach_before_the_greeting);
    RUN(a_link_lingers_while_an_answer_is_owed);
    RUN(a_monitor_that_does_not_answer_ends_the_wait);
    RUN(an_operation_may_come_while_the_greeting_is_waited_for);
    RUN(whether_anybody_listens_is_doubted_in_his_favour);
    RUN(a_vm_that_is_down_has_no_connection);
    RUN(a_connection_that_nobody_wants_any_more_is_closed);
    RUN(a_connector_that_is_late_or_gone_ends_the_operation);
    RUN(a_server_that_may_not_be_it_any_more_is_left);
    RUN(a_type_that_is_not_known_has_no_link);
    CHECK(rmdir(top) == 0);
    TEST_MAIN_END;
}
