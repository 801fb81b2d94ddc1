/*
 * test_uevent_source.c - uevent_source.c when its socket fails: the next attempts come later and later, and after
 * success one full scan follows.
 */
#include "base/limits.h"
#include "bus/bus.h"
#include "daemon/dispatch.h"
#include "daemon/uevent_source.h"
#include "fault.h"
#include "os/clock.h"
#include "os/opener.h"
#include "os/pollset.h"
#include "test.h"

#include <stdio.h>
#include <sys/un.h>

static char dir[] = "/tmp/vh-uevents-XXXXXX", path[108];
static const struct opener_places places = {
    .conf_dir = "", .conf_target = "", .sockets = "", .uevents = path, .uevents_dir = dir};
static const struct opener_listeners nowhere;
static int scans, events, readings;

static bool bus_event(const struct uevent *ev) {
    (void)ev;
    events++;
    return true;
}
static void bus_read_noted(void) {
    readings++;
}
static void bus_scan(bool coldplug) {
    CHECK(!coldplug);
    scans++;
}
static const struct bus bus = {
    .name = "test", .below = "/usb", .uevent = bus_event, .read_noted = bus_read_noted, .scan = bus_scan};

static void pass(void) {
    static struct pollset ps;
    ps.n = 0;
    uevent_source_fill(&ps);
    CHECK(__real_poll(ps.fd, (nfds_t)ps.n, 0) >= 0);
    uevent_source_ready(&ps);
}

static void send_event(const char *text, size_t n) {
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    memcpy(a.sun_path, path, strlen(path));
    int fd = __real_socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    CHECK_INT(sendto(fd, text, n, 0, (const struct sockaddr *)&a, sizeof a), (ssize_t)n);
    CHECK(close(fd) == 0);
}

static const char plug[] = "add@/devices/usb1/x\0ACTION=add\0DEVPATH=/devices/usb1/x\0SUBSYSTEM=usb\0SEQNUM=1";

static void without_a_source_there_is_no_start(void) {
    fail_nr(SYS_socket, 1, EPROTONOSUPPORT);
    CHECK(!uevent_source_start(&bus));
    CHECK_INT(errno, EPROTONOSUPPORT);
    heal();
    pass(); /* nothing to poll */
    uevent_source_stop();
    CHECK(uevent_source_start(&bus)); /* the kernel's own */
    CHECK_INT(uevent_source_deadline(), VH_NEVER);
    pass();
    uevent_source_stop();
}

static void an_event_goes_to_the_bus_and_nonsense_to_nobody(void) {
    CHECK(opener_start(&places, &nowhere));
    CHECK(uevent_source_start(&bus));
    send_event(plug, sizeof plug);
    pass();
    CHECK(events == 1 && readings == 1 && scans == 0);
    send_event("nonsense", 8);
    pass();
    CHECK(events == 1 && readings == 2 && scans == 0);
    pass();
    CHECK_INT(readings, 2);
}

static void a_loss_is_one_look_at_everything(void) {
    uint64_t before = uevent_source_rescans();
    send_event(plug, sizeof plug);
    fail_call("recvmmsg", 1, ENOBUFS);
    pass();
    CHECK(all_failed());
    CHECK(was_said("uevents were lost"));
    heal();
    CHECK_INT(scans, 1);
    CHECK_INT(events, 2); /* what the queue still held came first */
    CHECK_INT(uevent_source_rescans(), before + 1);
    CHECK_INT(uevent_source_deadline(), VH_NEVER);
}

/* Losses without end: others have their turn, and the rest comes at once. */
static void a_storm_of_losses_keeps_nobody(void) {
    send_event(plug, sizeof plug);
    fail_call("recvmmsg", 0, ENOBUFS);
    pass();
    CHECK_INT(faults[0].calls, VH_UEVENT_BATCH);
    CHECK_INT(scans, 1);
    CHECK_INT(uevent_source_deadline(), 0);
    heal();
    pass();
    CHECK_INT(scans, 2);
    CHECK_INT(uevent_source_deadline(), VH_NEVER);
}

static void a_source_that_fails_is_opened_again_later_and_later(void) {
    int64_t now = clock_now(), wait = 0;
    int files = open_files();
    dispatch_time(now);
    send_event(plug, sizeof plug);
    fail_call("recvmmsg", 1, EIO);
    pass();
    CHECK(was_said("the uevent socket failed"));
    heal();
    CHECK_INT(open_files(), files - 1);
    CHECK(uevent_source_deadline() > now && uevent_source_deadline() != VH_NEVER);
    uevent_source_tick(now); /* not yet */
    CHECK_INT(open_files(), files - 1);
    fail_nr(SYS_socket, 0, EMFILE);
    for (int i = 0; i < 12; i++) {
        int64_t at = uevent_source_deadline();
        CHECK(at - now <= VH_T_RETRY_MAX * VH_NSEC_PER_MSEC && at - now >= wait);
        wait = at - now;
        now = at;
        uevent_source_tick(now);
        CHECK(was_said("cannot reopen the uevent socket"));
        said[0] = '\0';
        pass();
    }
    CHECK_INT(wait, VH_T_RETRY_MAX * VH_NSEC_PER_MSEC);
    heal();
    int before = scans;
    uevent_source_tick(uevent_source_deadline());
    CHECK_INT(uevent_source_deadline(), 0);
    CHECK_INT(open_files(), files);
    pass();
    CHECK_INT(scans, before + 1);
    CHECK_INT(uevent_source_deadline(), VH_NEVER);
    uevent_source_stop();
    opener_stop();
    CHECK(access(path, F_OK) != 0);
}

int main(void) {
    CHECK(mkdtemp(dir) != NULL);
    (void)snprintf(path, sizeof path, "%s/uevents", dir);
    RUN(without_a_source_there_is_no_start);
    RUN(an_event_goes_to_the_bus_and_nonsense_to_nobody);
    RUN(a_loss_is_one_look_at_everything);
    RUN(a_storm_of_losses_keeps_nobody);
    RUN(a_source_that_fails_is_opened_again_later_and_later);
    CHECK(rmdir(dir) == 0);
    TEST_MAIN_END;
}
