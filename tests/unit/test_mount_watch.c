/*
 * Watching the mount table: how the kernel reports a change, and a host without /proc.
 */
#include "bus/mount_watch.h"
#include "fault.h"
#include "os/pollset.h"
#include "os/sysfs.h"
#include "test.h"

/* One pass of the loop; the kernel reports `events` for the mount table, if it is polled. */
static bool changed(short events) {
    static struct pollset ps;
    ps.n = 0;
    mount_watch_fill(&ps);
    CHECK(poll(ps.fd, (nfds_t)ps.n, 0) >= 0);
    if (ps.n > 0) {
        CHECK_INT(ps.fd[0].events, POLLPRI);
        ps.fd[0].revents = events;
    }
    return mount_watch_ready(&ps);
}

static void the_kernel_reports_a_change_by_pollerr(void) {
    int files = open_files();
    mount_watch_start();
    CHECK(changed(POLLERR | POLLPRI));
    CHECK(!changed(0));
    CHECK(changed(POLLERR));
    CHECK(!changed(POLLIN)); /* a regular file */
    mount_watch_stop();
    CHECK_INT(open_files(), files);
}

static void without_proc_no_change_is_noticed(void) {
    fail_call("openat", 1, ENOENT);
    mount_watch_start();
    CHECK(all_failed());
    heal();
    CHECK(!changed(POLLERR | POLLPRI));
    mount_watch_stop();
}

int main(void) {
    CHECK(sysfs_root("/"));
    RUN(the_kernel_reports_a_change_by_pollerr);
    RUN(without_proc_no_change_is_noticed);
    TEST_MAIN_END;
}
