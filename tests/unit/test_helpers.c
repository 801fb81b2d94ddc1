/*
 * test_helpers.c - reset_helper.c: the process beside the daemon that resets devices. Each request ends once, even if
 * the helper dies; without the helper the daemon goes on and logs what is missing.
 */
#include "daemon/reset_helper.h"
#include "fault.h"
#include "os/clock.h"
#include "os/helper.h"
#include "os/pollset.h"
#include "os/sysfs.h"
#include "test.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

enum { WAIT_MS = 20000, SYS_LANDLOCK_CREATE = 444 };

/* The sanitizers need more calls than a sandbox allows, so helpers of this test enter none. */
static void without_sandbox(void) {
    fail_nr(SYS_LANDLOCK_CREATE, 0, ENOSYS);
    give_call("prctl", 0, 0);
}

/* ---- a bus whose devices do as their names say ---- */

static volatile pid_t *stuck; /* shared with the helper */

static void reset(const struct device *dev) {
    if (strcmp(dev->sys_name, "ends") == 0)
        _exit(3);
    if (strcmp(dev->sys_name, "hangs") == 0) {
        *stuck = getpid();
        (void)pause();
    }
    if (strcmp(dev->sys_name, "driver") == 0 && dev->driver_path[0] != NULL)
        _exit(3); /* a pointer into the daemon's memory has reached the helper */
}

static const struct bus bus = {.name = "test", .release = reset};
static char done[512];

static void on_done(uint32_t token) {
    size_t n = strlen(done);
    if (n < sizeof done - 16)
        (void)snprintf(done + n, sizeof done - n, "%u ", token);
}

static const char *ended(void) {
    static char text[sizeof done];
    memcpy(text, done, sizeof text);
    done[0] = '\0';
    return text;
}

static struct device device(const char *name) {
    struct device d = {.driver_path = {"/lib/modules/x.ko"}};
    (void)snprintf(d.sys_name, sizeof d.sys_name, "%s", name);
    return d;
}

static void begin_reset(uint32_t token, const char *name, int pidfd) {
    struct device d = device(name);
    reset_helper_begin(token, &d, pidfd);
}

static void start_reset(void) {
    without_sandbox();
    CHECK(reset_helper_start(&bus, on_done));
    heal();
}

/* One pass of the loop. */
static void pass(int wait_ms) {
    static struct pollset ps;
    ps.n = 0;
    reset_helper_fill(&ps);
    CHECK(poll(ps.fd, (nfds_t)ps.n, wait_ms) >= 0);
    reset_helper_ready(&ps);
}

static void wait_done(const char *text) {
    for (int i = 0; i < 1000 && strcmp(done, text) != 0; i++)
        pass(WAIT_MS / 1000);
    CHECK_STR(ended(), text);
}

/* They end when their socket does. */
static void stop(void) {
    reset_helper_stop();
    while (waitpid(-1, NULL, 0) > 0) {
    }
}

/* ---- how they start ---- */

static void serve_nothing(int fd, const void *arg) {
    (void)fd, (void)arg;
}

static void a_helper_that_cannot_start_leaves_nothing(void) {
    int files = open_files();
    fail_call("socketpair", 1, EMFILE);
    CHECK_INT(helper_start("x", serve_nothing, NULL), -1);
    CHECK(was_said("cannot make a socket for x: ") && was_said(strerror(EMFILE)));
    heal();
    fail_call("fork", 1, EAGAIN);
    CHECK_INT(helper_start("x", serve_nothing, NULL), -1);
    CHECK(was_said("cannot start x: ") && was_said(strerror(EAGAIN)));
    heal();
    CHECK_INT(open_files(), files);
    fail_call("fork", 1, EAGAIN);
    CHECK(!reset_helper_start(&bus, on_done));
    heal();
    fail_call("fcntl", 1, EINVAL);
    CHECK(!reset_helper_start(&bus, on_done));
    CHECK(was_said("cannot use the socket of the reset helper"));
    heal();
    stop();
    CHECK_INT(open_files(), files);
}

static void a_helper_that_cannot_shut_itself_in_does_nothing(void) {
    int files = open_files();
    char byte;
    fail_nr(SYS_capget, 0, EPERM);
    CHECK(reset_helper_start(&bus, on_done));
    heal();
    while (waitpid(-1, NULL, 0) > 0) {
    }
    begin_reset(1, "any", -1);
    pass(0);
    reset_helper_tick(clock_now());
    CHECK_STR(ended(), "1 ");
    reset_helper_stop();
    CHECK_INT(open_files(), files);
    CHECK(read(0, &byte, 0) == 0);
}

/* ---- resets ---- */

static void a_reset_ends_once(void) {
    int files = open_files();
    start_reset();
    pid_t child = fork(); /* it holds the sockets, too */
    if (child == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)pause();
        _exit(0);
    }
    begin_reset(1, "any", -1);
    wait_done("1 ");
    begin_reset(2, "driver", -1);
    wait_done("2 ");
    int pidfd = (int)syscall(SYS_pidfd_open, child, 0);
    begin_reset(3, "any", pidfd); /* waits for the process */
    pass(50);
    CHECK_STR(ended(), "");
    CHECK(kill(child, SIGKILL) == 0 && waitpid(child, NULL, 0) == child);
    wait_done("3 ");
    fail_nr(SYS_fcntl, 1, EMFILE); /* no copy of the pidfd: the helper does not wait for the process */
    begin_reset(4, "any", pidfd);
    CHECK(all_failed());
    heal();
    wait_done("4 ");
    CHECK_INT(reset_helper_deadline(), VH_NEVER);
    CHECK(close(pidfd) == 0);
    stop();
    CHECK_INT(open_files(), files);
}

/* Jobs wait when the helper has enough of them, and when its socket is full. */
static void many_resets_end_in_their_order(void) {
    start_reset();
    fail_call("sendmsg", 1, EAGAIN);
    for (uint32_t i = 1; i <= 20; i++)
        begin_reset(i, "any", -1);
    CHECK(all_failed());
    heal();
    wait_done("1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 ");
    stop();
}

static void one_more_than_there_is_room_for_ends_at_once(void) {
    start_reset();
    for (uint32_t i = 0; i < VH_MAX_DEVICES; i++)
        begin_reset(1000, "hangs", -1);
    for (int i = 0; i < WAIT_MS && *stuck == 0; i++)
        (void)poll(NULL, 0, 1);
    CHECK_STR(ended(), "");
    begin_reset(7, "last", -1);
    CHECK(was_said("too many resets at once: device=last"));
    CHECK_STR(ended(), "7 ");
    /* A helper that does not answer: each job ends by its deadline. */
    int64_t now = reset_helper_deadline();
    CHECK(now > clock_now() && now != VH_NEVER);
    reset_helper_tick(now - VH_NSEC_PER_MSEC * 1000);
    CHECK_STR(ended(), "");
    reset_helper_tick(now + VH_NSEC_PER_MSEC * 10000);
    CHECK(was_said("a reset takes too long: device=hangs"));
    CHECK(strstr(ended(), "1000 1000 ") != NULL);
    CHECK_INT(reset_helper_deadline(), VH_NEVER);
    heal();
    CHECK(stuck != NULL && kill(*stuck, SIGKILL) == 0);
    stop();
}

static void a_helper_that_ends_is_told_and_done_without(void) {
    int files = open_files();
    start_reset();
    begin_reset(1, "ends", -1);
    begin_reset(2, "any", -1);
    for (int i = 0; i < 1000 && !was_said("the reset helper ended"); i++)
        pass(WAIT_MS / 1000);
    CHECK(was_said("the reset helper ended"));
    heal();
    CHECK_INT(reset_helper_deadline(), 0);
    reset_helper_tick(clock_now());
    CHECK_STR(ended(), "1 2 ");
    begin_reset(3, "any", -1);
    CHECK_INT(reset_helper_deadline(), 0); /* at once, but not inside reset_helper_begin() */
    CHECK_STR(ended(), "");
    reset_helper_tick(clock_now());
    CHECK_STR(ended(), "3 ");
    pass(0);
    stop();
    CHECK_INT(open_files(), files);
}

static void a_socket_that_fails_is_a_helper_that_ended(void) {
    start_reset();
    fail_call("sendmsg", 1, EPIPE);
    begin_reset(1, "any", -1);
    CHECK(was_said("the reset helper ended"));
    heal();
    reset_helper_tick(clock_now());
    CHECK_STR(ended(), "1 ");
    stop();
    start_reset();
    begin_reset(2, "any", -1);
    fail_call("read", 1, EAGAIN); /* woken for nothing */
    pass(WAIT_MS);
    CHECK(all_failed());
    CHECK_STR(ended(), "");
    heal();
    fail_call("read", 1, EIO);
    pass(WAIT_MS);
    CHECK(was_said("the reset helper ended"));
    heal();
    reset_helper_tick(clock_now());
    CHECK_STR(ended(), "2 ");
    stop();
}

/* In the helper: an interrupted wait goes on, and a failed answer ends the helper. Children inherit the faults. */
static void a_helper_whose_calls_fail_ends_or_goes_on(void) {
    int pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
    fail_call("ppoll", 1, EINTR);
    give_call("ppoll", 2, 0); /* and the time is up */
    start_reset();
    begin_reset(1, "any", pidfd);
    wait_done("1 ");
    stop();
    fail_call("write", 0, EPIPE);
    start_reset();
    begin_reset(2, "any", -1);
    for (int i = 0; i < 1000 && !was_said("the reset helper ended"); i++)
        pass(WAIT_MS / 1000);
    CHECK(was_said("the reset helper ended"));
    reset_helper_tick(clock_now());
    CHECK_STR(ended(), "2 ");
    heal();
    stop();
    CHECK(close(pidfd) == 0);
}

int main(void) {
    CHECK(sysfs_root("/"));
    (void)signal(SIGPIPE, SIG_IGN);
    (void)alarm(240); /* a helper that does not end would be waited for */
    stuck = mmap(NULL, sizeof *stuck, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    RUN(a_helper_that_cannot_start_leaves_nothing);
    RUN(a_helper_that_cannot_shut_itself_in_does_nothing);
    RUN(a_reset_ends_once);
    RUN(many_resets_end_in_their_order);
    RUN(a_helper_that_ends_is_told_and_done_without);
    RUN(a_socket_that_fails_is_a_helper_that_ended);
    RUN(a_helper_whose_calls_fail_ends_or_goes_on);
    RUN(one_more_than_there_is_room_for_ends_at_once);
    TEST_MAIN_END;
}
