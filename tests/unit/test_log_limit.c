/* test_log_limit.c - log_limit.c: many equal lines become one. */
#include "base/limits.h"
#include "base/log_limit.h"
#include "test.h"

#include <sys/mman.h>
#include <unistd.h>

#define SEC ((int64_t)1000000000)

static int64_t now = 1000 * SEC;
static enum log_share share = LOG_STRANGERS;

static int lines(uint64_t key, int tries) {
    int n = 0;
    for (int i = 0; i < tries; i++)
        n += log_may(share, key, "somebody", now);
    return n;
}

static void a_key_has_a_burst_then_a_line_a_second(void) {
    CHECK_INT(lines(11, 1000), VH_LOG_BURST);
    now += 3 * SEC;
    CHECK_INT(lines(11, 1000), 3);
}

static void others_have_their_own(void) {
    CHECK_INT(lines(12, 5), 5);
}

static void what_was_left_out_is_told_later(void) {
    CHECK(log_limit_deadline() > now);
    CHECK(log_limit_deadline() <= now + 10 * SEC);
    now = log_limit_deadline();
    log_limit_tick(now); /* one warning about key 11 */
    CHECK_INT(log_limit_deadline(), INT64_MAX);
}

static void quiet_gives_the_burst_back(void) {
    now += 100 * SEC;
    CHECK_INT(lines(11, 1000), VH_LOG_BURST);
}

/* An attacker with many names must not have many times the allowance. */
static void all_together_have_an_allowance_too(void) {
    int n = 0;
    now += 1000 * SEC;
    for (uint64_t key = 100; key < 5100; key++)
        n += lines(key, VH_LOG_BURST);
    CHECK_INT(n, 10 * VH_LOG_BURST);
    int64_t told = log_limit_deadline();
    CHECK(told > now && told <= now + 10 * SEC);
    log_limit_tick(told - 1);
    CHECK_INT(log_limit_deadline(), told); /* not before */
    now += 100 * SEC;
    log_limit_tick(now);
    CHECK_INT(log_limit_deadline(), INT64_MAX);
    CHECK_INT(lines(11, 3), 3);
}

static void no_share_uses_up_another(void) {
    now += 1000 * SEC;
    for (uint64_t key = 100; key < 5100; key++)
        (void)lines(key, VH_LOG_BURST);
    CHECK_INT(lines(11, 1), 0);
    for (share = LOG_REFUSALS; share < LOG_SHARES; share++)
        CHECK(lines(11, VH_LOG_BURST) == VH_LOG_BURST);
    share = LOG_STRANGERS;
    now += 100 * SEC;
    log_limit_tick(now);
}

static void what_was_changed_is_told_ten_times_as_often(void) {
    now += 1000 * SEC;
    share = LOG_REFUSALS;
    CHECK_INT(lines(31, 1000), VH_LOG_BURST);
    share = LOG_CHANGES;
    CHECK_INT(lines(31, 1000), VH_LOG_CHANGES * VH_LOG_BURST);
    now += 3 * SEC;
    CHECK_INT(lines(31, 1000), 3 * VH_LOG_CHANGES);
    share = LOG_STRANGERS;
    now += 100 * SEC;
    log_limit_tick(now);
}

/* Each of them has something that was left out when another key needs its entry. */
static void many_names_get_no_line_each_for_their_counts(void) {
    fflush(stderr);
    int written = dup(STDERR_FILENO), fd = memfd_create("log", 0);
    CHECK(dup2(fd, STDERR_FILENO) >= 0);
    now += 1000 * SEC;
    for (uint64_t key = 10000; key < 11000; key++)
        (void)lines(key, VH_LOG_BURST + 1);
    CHECK(dup2(written, STDERR_FILENO) >= 0);
    static char text[65536];
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    int told = 0;
    for (ssize_t i = 0; i < n; i++)
        told += text[i] == '\n';
    CHECK(told <= 10 * VH_LOG_BURST);
    close(fd);
    close(written);
    now += 100 * SEC;
    log_limit_tick(now);
    CHECK_INT(log_limit_deadline(), INT64_MAX);
}

static void a_name_is_a_key_of_its_share(void) {
    now += 1000 * SEC;
    for (int i = 0; i < VH_LOG_BURST; i++)
        CHECK(log_may_about(LOG_VMS, "1-2", now));
    CHECK(!log_may_about(LOG_VMS, "1-2", now));
    CHECK(log_may_about(LOG_VMS, "1-3", now) && log_may_about(LOG_DEVICES, "1-2", now));
    now += 100 * SEC;
    log_limit_tick(now);
}

static void each_is_told_in_its_turn(void) {
    now += 1000 * SEC;
    CHECK_INT(lines(21, VH_LOG_BURST + 1), VH_LOG_BURST);
    int64_t first = log_limit_deadline();
    now += 2 * SEC;
    CHECK_INT(lines(22, VH_LOG_BURST + 1), VH_LOG_BURST);
    CHECK_INT(log_limit_deadline(), first);
    now = first;
    log_limit_tick(now);
    CHECK_INT(log_limit_deadline(), first + 2 * SEC);
    now = first + 2 * SEC;
    log_limit_tick(now);
    CHECK_INT(log_limit_deadline(), INT64_MAX);
}

static void keys_tell_apart(void) {
    CHECK(log_key("a", 1) != log_key("b", 1));
    CHECK(log_key("a", 1) == log_key("a", 1));
    CHECK(log_key("", 0) != 0);
}

int main(void) {
    RUN(a_key_has_a_burst_then_a_line_a_second);
    RUN(others_have_their_own);
    RUN(what_was_left_out_is_told_later);
    RUN(quiet_gives_the_burst_back);
    RUN(all_together_have_an_allowance_too);
    RUN(no_share_uses_up_another);
    RUN(what_was_changed_is_told_ten_times_as_often);
    RUN(many_names_get_no_line_each_for_their_counts);
    RUN(a_name_is_a_key_of_its_share);
    RUN(each_is_told_in_its_turn);
    RUN(keys_tell_apart);
    TEST_MAIN_END;
}
