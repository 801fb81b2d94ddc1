/*
 * Monitors that never stop talking: how much of what they say is looked at in one pass, and that all get their turn.
 */
#include "limits.h"
#include "link.h"
#include "log.h"
#include "sock.h"
#include "test.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { LINE = 100, VMS = 64 };

static struct conf conf;
static char dir[] = "/tmp/vh-link-XXXXXX";
static int listener[VMS], monitor[VMS];
static size_t taken[VMS]; /* bytes of lines, newlines included */
static struct pollset polls;
static int64_t now; /* only goes on */

/* ---- a protocol that counts ---- */

static void reset(struct vmm_conv *cv) {
    cv->greeted = false;
}

static enum vmm_step line(struct vmm_conv *cv, const char *text, size_t len, struct vmm_out *out) {
    (void)out;
    int vm = atoi(text);
    VH_ASSERT(vm >= 0 && vm < VMS);
    taken[vm] += len + 1;
    bool first = !cv->greeted;
    cv->greeted = true;
    return first ? VMM_READY : VMM_WAIT;
}

static void begin(struct vmm_conv *cv, const struct vmm_op *op, struct vmm_out *out) {
    (void)cv;
    (void)op;
    sb_str(&out->text, "x\n");
}

static bool takes_fd(const struct vmm_conv *cv, uint32_t features) {
    (void)cv;
    return features != 0;
}

static const struct vmm counting = {.type = "qemu", .reset = reset, .line = line, .begin = begin, .takes_fd = takes_fd};
static const struct vmm *const types[] = {&counting, NULL};

static void done(const struct op_result *r) {
    (void)r;
}
static void answers(int vm) {
    (void)vm;
}
static void down(int vm, const char *why) {
    (void)vm;
    (void)why;
}
static void peer(int vm, int32_t pid) {
    (void)vm;
    (void)pid;
}
static const struct link_calls calls = {.done = done, .answers = answers, .down = down, .again = answers, .peer = peer};

/* ---- monitors ---- */

static void start(int n) {
    memset(&conf, 0, sizeof conf);
    memset(taken, 0, sizeof taken);
    conf.nvms = (uint16_t)n;
    for (int v = 0; v < n; v++) {
        struct vm_conf *vc = &conf.vms[v];
        struct sockaddr_un a = {.sun_family = AF_UNIX};
        (void)snprintf(vc->name, sizeof vc->name, "vm%d", v);
        (void)snprintf(vc->type, sizeof vc->type, "qemu");
        (void)snprintf(vc->socket, sizeof vc->socket, "%s/%d", dir, v);
        vc->supported = vc->keep_monitor = true;
        (void)snprintf(a.sun_path, sizeof a.sun_path, "%s", vc->socket);
        listener[v] = socket(AF_UNIX, SOCK_STREAM, 0);
        CHECK(bind(listener[v], (struct sockaddr *)&a, sizeof a) == 0 && listen(listener[v], 1) == 0);
    }
    link_start(&conf, types, &calls);
    for (int v = 0; v < n; v++) {
        struct vmm_op op = {.kind = OP_LIST, .serial = (uint32_t)v + 1, .vm = v};
        link_op(v, &op);
        monitor[v] = accept4(listener[v], NULL, NULL, SOCK_NONBLOCK);
        CHECK(monitor[v] >= 0);
    }
}

static void stop(void) {
    for (int v = 0; v < conf.nvms; v++) {
        link_drop(v);
        (void)close(monitor[v]);
        (void)close(listener[v]);
        (void)unlink(conf.vms[v].socket);
    }
    link_stop();
}

/* As many lines as its socket takes, the number of the VM in each. */
static void talk(int vm, size_t len) {
    static char text[VH_QMP_LINE_MAX];
    memset(text, ' ', len);
    text[len - 1] = '\n';
    (void)snprintf(text, 8, "%d ", vm);
    text[strlen(text)] = ' ';
    while (send(monitor[vm], text, len, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)len) {
    }
}

/* One pass of the loop, at that time. */
static void pass(void) {
    polls.n = 0;
    link_fill(&polls);
    CHECK(poll(polls.fd, (nfds_t)polls.n, 0) >= 0);
    link_ready(&polls, now);
    link_tick(now);
}

static size_t total(void) {
    size_t sum = 0;
    for (int v = 0; v < conf.nvms; v++)
        sum += taken[v];
    return sum;
}

/* ---- what must hold ---- */

static void a_pass_takes_one_turn_of_one_vm(void) {
    int turns = 0;
    start(1);
    for (int i = 0; i < 200; i++) {
        size_t before = total();
        talk(0, LINE);
        pass();
        size_t did = total() - before;
        CHECK(did < VH_LINK_TURN + LINE);
        if (did >= VH_LINK_TURN) { /* nothing more until its pause is over, and then at once */
            pass();
            CHECK(total() - before == did && polls.n == 0);
            now += VH_T_LINK_PAUSE * VH_NSEC_PER_MSEC;
            CHECK(link_deadline() <= now);
            turns++;
        }
    }
    CHECK(turns > 100);
    stop();
}

static void a_long_line_is_taken_whole_and_no_other(void) {
    start(1);
    for (int i = 0; i < 20; i++) {
        size_t before = total();
        talk(0, 40000);
        pass();
        CHECK(total() - before <= 40000 + VH_LINK_TURN);
        now += VH_T_LINK_PAUSE * VH_NSEC_PER_MSEC;
    }
    CHECK(total() >= (size_t)5 * 40000);
    stop();
}

static void all_vms_together_have_a_bound_and_all_get_their_turn(void) {
    start(VMS);
    for (int i = 0; i < 10 * VMS; i++) {
        size_t before = total();
        for (int v = 0; v < VMS; v++)
            talk(v, LINE);
        pass();
        CHECK(total() - before < VH_LINKS_TURN + VH_LINK_TURN + LINE);
        now += VH_T_LINK_PAUSE * VH_NSEC_PER_MSEC;
    }
    size_t least = SIZE_MAX, most = 0;
    for (int v = 0; v < VMS; v++) {
        least = taken[v] < least ? taken[v] : least;
        most = taken[v] > most ? taken[v] : most;
    }
    CHECK(least > (size_t)20 * VH_LINK_TURN && least * 4 >= most * 3);
    stop();
}

/* Whoever says little is heard in the very pass, while another's pause lasts. */
static void a_quiet_vm_is_not_held_up_by_one_that_floods(void) {
    start(2);
    for (int i = 0; i < 100; i++) {
        talk(0, LINE);
        pass();
        CHECK(send(monitor[1], "1\n", 2, 0) == 2);
        size_t before = taken[1];
        pass();
        CHECK_INT(taken[1] - before, 2);
        now += VH_T_LINK_PAUSE * VH_NSEC_PER_MSEC;
    }
    stop();
}

/* What was read before it hung up is not lost, and the end is told. */
static void the_last_words_of_a_vm_that_hangs_up_are_heard(void) {
    start(1);
    size_t said = 0;
    for (; said < (size_t)5 * VH_LINK_TURN; said += LINE) {
        char text[LINE + 1];
        (void)snprintf(text, sizeof text, "%-*d\n", LINE - 1, 0);
        CHECK(send(monitor[0], text, LINE, 0) == LINE);
    }
    (void)shutdown(monitor[0], SHUT_WR);
    for (int i = 0; i < 20; i++) {
        pass();
        now += VH_T_LINK_PAUSE * VH_NSEC_PER_MSEC;
    }
    CHECK_INT(total(), said);
    CHECK(!link_connected(0));
    stop();
}

int main(void) {
    test_ok = true;
    now = sock_now();
    CHECK(mkdtemp(dir) != NULL);
    if (!test_ok)
        return 1;
    RUN(a_pass_takes_one_turn_of_one_vm);
    RUN(a_long_line_is_taken_whole_and_no_other);
    RUN(all_vms_together_have_a_bound_and_all_get_their_turn);
    RUN(a_quiet_vm_is_not_held_up_by_one_that_floods);
    RUN(the_last_words_of_a_vm_that_hangs_up_are_heard);
    CHECK(rmdir(dir) == 0);
    TEST_MAIN_END;
}
