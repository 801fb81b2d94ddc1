/*
 * test_log_faults.c - log.c where a write fails: lines are counted, and the count is logged as soon as a line can be.
 * logger.c where it cannot start.
 */
#include "base/duration.h"
#include "base/limits.h"
#include "base/log.h"
#include "fault.h"
#include "os/logger.h"
#include "os/sandbox.h"

#define SEC ((int64_t)1000000000)

static void a_line_that_finds_no_room_is_counted(void) {
    CHECK(log_dropped_deadline() == VH_NEVER && log_dropped() == 0);
    fail_call("write", 0, EAGAIN);
    for (int i = 0; i < 3; i++)
        log_info("lost");
    CHECK(all_failed());
    heal();
    log_info("kept");
    CHECK_STR(said, "<4>me: log lines were dropped: 3\n<6>me: kept\n");
    log_info("more");
    CHECK_STR(said, "<4>me: log lines were dropped: 3\n<6>me: kept\n<6>me: more\n");
    CHECK(log_dropped_deadline() == VH_NEVER);
    CHECK_INT(log_dropped(), 3); /* that it was told of changes nothing */
    heal();
}

static void the_count_may_fit_where_the_line_does_not(void) {
    fail_call("write", 1, EAGAIN); /* one line */
    fail_call("write", 3, EAGAIN); /* the second line, after the count */
    log_info("one");
    log_info("two");
    CHECK(all_failed());
    CHECK_STR(said, "<4>me: log lines were dropped: 1\n");
    log_info("three");
    CHECK_STR(said, "<4>me: log lines were dropped: 1\n<4>me: log lines were dropped: 1\n<6>me: three\n");
    CHECK_INT(log_dropped(), 5);
    heal();
}

static void if_no_other_line_comes_the_count_does(void) {
    int64_t now = 100 * SEC;
    fail_call("write", 0, EAGAIN);
    log_info("lost");
    CHECK(log_dropped_deadline() <= now);
    log_dropped_tick(now);
    CHECK(log_dropped_deadline() == now + SEC);
    CHECK_INT(faults[0].calls, 2);
    log_dropped_tick(now + SEC - 1);
    CHECK_INT(faults[0].calls, 2); /* not yet */
    heal();
    log_dropped_tick(now + SEC - 1);
    CHECK_STR(said, "");
    log_dropped_tick(now + SEC);
    CHECK_STR(said, "<4>me: log lines were dropped: 1\n");
    CHECK(log_dropped_deadline() == VH_NEVER);
    heal();
}

/* Without a reader nothing is tried again: the daemon would wake up for nothing. */
static void where_nobody_will_read_nothing_is_due(void) {
    static const int errors[] = {EPIPE, EIO, ENOSPC, EBADF};
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        fail_call("write", 0, errors[i]);
        log_info("lost");
        log_info("lost");
        CHECK(all_failed() && log_dropped_deadline() == VH_NEVER);
        heal();
        log_info("kept"); /* as on a disk that has room again */
        CHECK_STR(said, "<4>me: log lines were dropped: 2\n<6>me: kept\n");
        heal();
    }
}

static void a_file_may_take_a_line_in_parts(void) {
    give_call("write", 1, 3);
    log_info("text");
    CHECK_STR(said, "me: text\n"); /* after "<6>" */
    CHECK(all_failed() && log_dropped_deadline() == VH_NEVER);
    heal();
}

static void a_logger_that_cannot_start_leaves_nothing(void) {
    static const struct {
        const char *call;
        long result;
        int error;
        const char *words;
    } ways[] = {
        {"pipe2", -1, EMFILE, "cannot make a pipe for log lines: "},
        {"socketpair", -1, EMFILE, "cannot make a socket for vhotplug-log: "},
        {"fork", -1, EAGAIN, "cannot start vhotplug-log: "},
        {"read", 0, 0, "cannot use the logger: "},     /* its process has ended */
        {"fcntl", -1, EIO, "cannot use the logger: "}, /* the same, by its own failure */
    };
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        int files = open_files();
        spoil((struct fault){.name = ways[i].call, .result = ways[i].result, .error = ways[i].error});
        CHECK(!logger_start());
        CHECK(was_said(ways[i].words));
        heal();
        CHECK_INT(open_files(), files);
        CHECK(logger_use()); /* straight, as before */
        log_info("text");
        CHECK_STR(said, "<6>me: text\n");
        heal();
    }
}

static void a_logger_that_cannot_be_used_is_an_error(void) {
    CHECK(logger_start());
    fail_call("dup2", 1, EBUSY);
    CHECK(!logger_use());
    CHECK(all_failed() && was_said("cannot use the logger: "));
    heal();
}

static void without_standard_error_there_is_no_logger(void) {
    int files = open_files();
    fail_call("fstat", 1, EBADF);
    CHECK(logger_start() && all_failed());
    heal();
    CHECK_INT(open_files(), files);
}

int main(void) {
    log_open("me", LOG_DEBUG);
    sandbox_disable(); /* the sanitizers need more calls than it allows */
    RUN(a_line_that_finds_no_room_is_counted);
    RUN(the_count_may_fit_where_the_line_does_not);
    RUN(if_no_other_line_comes_the_count_does);
    RUN(where_nobody_will_read_nothing_is_due);
    RUN(a_file_may_take_a_line_in_parts);
    RUN(a_logger_that_cannot_start_leaves_nothing);
    RUN(without_standard_error_there_is_no_logger);
    RUN(a_logger_that_cannot_be_used_is_an_error);
    TEST_MAIN_END;
}
