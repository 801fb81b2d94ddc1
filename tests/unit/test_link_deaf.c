/*
 * test_link_deaf.c - link.c with a monitor that answers and never reads: unsent bytes must not precede the next
 * operation.
 */
#include "base/limits.h"
#include "fault.h"
#include "hands.h"
#include "os/clock.h"
#include "os/pollset.h"
#include "test.h"
#include "vmm/link.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static struct conf conf;
static char dir[] = "/tmp/vh-link-XXXXXX";
static int listener, monitor, ended, lost_links;
static enum op_status last_status;
static struct pollset polls;

/* ---- a protocol: "more" has something sent besides, "done" ends the operation ---- */

static void reset(struct vmm_conv *cv) {
    cv->greeted = false;
}

static enum vmm_step line(struct vmm_conv *cv, const char *text, size_t len, struct vmm_out *out) {
    bool first = !cv->greeted;
    cv->greeted = true;
    if (first)
        return VMM_READY;
    for (int i = 0; i < 20 && len == 4 && memcmp(text, "more", 4) == 0; i++)
        sb_str(&out->text, "this is never read by anybody, nor any of its likes\n");
    return len == 4 && memcmp(text, "done", 4) == 0 ? VMM_DONE : VMM_WAIT;
}

static void begin(struct vmm_conv *cv, const struct vmm_op *op, struct vmm_out *out) {
    cv->result = (struct op_result){.serial = op->serial, .vm = op->vm, .status = OP_OK};
    sb_str(&out->text, "x\n");
}

static bool takes_fd(const struct vmm_conv *cv, uint32_t features) {
    return cv->greeted && features != 0;
}

static const struct vmm deaf = {.type = "qemu",
                                .most_fds = 1,
                                .answer_ms = VH_T_COMMAND,
                                .one_client = true,
                                .reset = reset,
                                .message = line,
                                .begin = begin,
                                .takes_fd = takes_fd};
static const struct vmm *const types[] = {&deaf, NULL};

static void done(const struct op_result *r) {
    ended++;
    last_status = r->status;
}
static void again(int vm) {
    lost_links += vm == 0;
}
static void down(int vm, const char *why) {
    lost_links += vm == 0 && why != NULL;
}
static void peer(int vm, int pidfd) {
    CHECK(vm == 0 && (pidfd < 0 || close(pidfd) == 0));
}
static const struct link_calls calls = {.done = done, .answers = again, .down = down, .again = again, .peer = peer};

static const struct connector_calls connector_calls = {link_reached, link_rechecked, NULL};

/* ---- the host ---- */

static void pass(void) {
    (void)hands_serve();
    polls.n = 0;
    connector_fill(&polls);
    link_fill(&polls);
    CHECK(poll(polls.fd, (nfds_t)polls.n, 0) >= 0);
    connector_ready(&polls, clock_now());
    link_ready(&polls, clock_now());
    link_tick(clock_now());
}

static void says(const char *what) {
    CHECK(send(monitor, what, strlen(what), MSG_NOSIGNAL) == (ssize_t)strlen(what));
    pass();
}

/* Is there something that its socket does not take? */
static bool is_stuck(void) {
    polls.n = 0;
    link_fill(&polls);
    return polls.n == 1 && (polls.fd[0].events & POLLOUT) != 0;
}

static void what_is_left_unread_ends_the_connection_not_the_daemon(void) {
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    struct vm_conf *vc = &conf.vms[0];
    struct vmm_op op = {.kind = OP_LIST, .serial = 1};
    conf.nvms = 1;
    (void)snprintf(vc->name, sizeof vc->name, "vm");
    (void)snprintf(vc->type, sizeof vc->type, "qemu");
    (void)snprintf(vc->socket, sizeof vc->socket, "%s/s", dir);
    vc->supported = vc->keep_monitor = true;
    (void)snprintf(a.sun_path, sizeof a.sun_path, "%s", vc->socket);
    listener = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK(bind(listener, (struct sockaddr *)&a, sizeof a) == 0 && listen(listener, 1) == 0);
    hands_start(&conf, -1, NULL, &connector_calls);
    link_start(&conf, types, &calls);
    link_op(0, &op);
    pass();
    monitor = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    says("hello\n");
    for (int i = 0; i < 10000 && !is_stuck(); i++)
        says("more\n");
    CHECK(is_stuck() && ended == 0);
    says("done\n");
    CHECK(ended == 1 && last_status == OP_OK);
    op.serial = 2;
    link_op(0, &op);
    pass();
    pass();
    CHECK(ended == 2 && last_status == OP_LOCAL); /* nothing of it was sent */
    CHECK(!link_connected(0) && lost_links == 1);
    (void)close(monitor);
    (void)close(listener);
    (void)unlink(vc->socket);
    link_stop();
    hands_stop();
}

int main(void) {
    test_ok = true;
    CHECK(mkdtemp(dir) != NULL);
    if (!test_ok)
        return 1;
    RUN(what_is_left_unread_ends_the_connection_not_the_daemon);
    CHECK(rmdir(dir) == 0);
    TEST_MAIN_END;
}
