/*
 * Watching for VMs: a timer checks what cannot be watched, what cannot be checked is not reported, and any event leads
 * to a scan of every socket.
 */
#include "fault.h"
#include "hands.h"
#include "os/clock.h"
#include "os/pollset.h"
#include "test.h"
#include "vmm/vm_watch.h"

#include <signal.h>
#include <stdio.h>
#include <sys/un.h>
#include <sys/wait.h>

static char top[] = "/tmp/vh-watch-XXXXXX";
static struct conf conf;
static char told[256];

static void tell(const char *what, int vm) {
    size_t n = strlen(told);
    (void)snprintf(told + n, sizeof told - n, "%s%d ", what, vm);
}
static void there(int vm) {
    tell("there", vm);
}
static void gone(int vm) {
    tell("gone", vm);
}
static void ended(int vm) {
    tell("ended", vm);
}
static void absent(int vm) {
    tell("absent", vm);
}
static const struct vm_watch_calls calls = {there, gone, absent, ended};
static const struct connector_calls connector_calls = {NULL, NULL, vm_watch_looked};

static const char *heard(void) {
    static char text[sizeof told];
    memcpy(text, told, sizeof text);
    told[0] = '\0';
    return text;
}

static void serve(int vm) {
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    memcpy(a.sun_path, conf.vms[vm].socket, strlen(conf.vms[vm].socket));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0 && bind(fd, (const struct sockaddr *)&a, sizeof a) == 0 && close(fd) == 0);
}

static void begin(void) {
    CHECK(vm_watch_start(&conf, &calls));
    hands_start(&conf, vm_watch_inotify(), NULL, &connector_calls);
    (void)heard();
}

static void turn(void) {
    static struct pollset ps;
    ps.n = 0;
    connector_fill(&ps);
    CHECK(__real_poll(ps.fd, (nfds_t)ps.n, 0) >= 0);
    connector_ready(&ps, clock_now());
}

/* Until the connectors have nothing to do. */
static void answers(void) {
    for (int i = 0; i < 20 && hands_serve(); i++)
        turn();
}

static void scan(void) {
    vm_watch_scan();
    answers();
}

static void tick(int64_t now) {
    vm_watch_tick(now);
    answers();
}

/* One pass of the loop. */
static void pass(void) {
    static struct pollset ps;
    ps.n = 0;
    vm_watch_fill(&ps);
    CHECK(poll(ps.fd, (nfds_t)ps.n, 0) >= 0);
    vm_watch_ready(&ps);
    answers();
}

/* After the begin: no socket exists. */
static void end(void) {
    for (int v = 0; v < conf.nvms; v++)
        (void)unlink(conf.vms[v].socket);
    scan();
    hands_stop();
    vm_watch_stop();
    (void)heard();
}

static void without_inotify_there_is_no_start(void) {
    int files = open_files();
    fail_call("inotify_init1", 1, EMFILE);
    CHECK(!vm_watch_start(&conf, &calls));
    CHECK(was_said("cannot watch for VMs: ") && was_said(strerror(EMFILE)));
    heal();
    vm_watch_stop();
    CHECK_INT(open_files(), files);
}

static void a_socket_that_comes_and_goes_is_told(void) {
    begin();
    scan();
    CHECK_STR(heard(), "absent0 ");
    serve(0);
    pass();
    CHECK_STR(heard(), "there0 ");
    pass();
    CHECK_STR(heard(), "");
    CHECK(unlink(conf.vms[0].socket) == 0);
    pass();
    CHECK_STR(heard(), "gone0 ");
    end();
}

/* Another inode, or the same number on another file system. */
static void a_socket_made_anew_is_another_one(void) {
    char old[200];
    begin();
    serve(0);
    scan();
    CHECK_STR(heard(), "there0 ");
    (void)snprintf(old, sizeof old, "%s.old", conf.vms[0].socket);
    CHECK(rename(conf.vms[0].socket, old) == 0);
    serve(0);
    scan();
    CHECK_STR(heard(), "gone0 there0 ");
    CHECK(unlink(old) == 0);
    end();
}

static void what_is_no_socket_is_not_there(void) {
    begin();
    int fd = open(conf.vms[0].socket, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    CHECK(fd >= 0 && close(fd) == 0);
    scan();
    CHECK_STR(heard(), "absent0 ");
    scan();
    CHECK_STR(heard(), ""); /* once */
    end();
}

/* Without a watch a timer looks, with longer and longer waits; one log line says so. */
static void what_cannot_be_watched_is_looked_at_by_time(void) {
    begin();
    serve(0);
    CHECK_INT(vm_watch_deadline(), VH_NEVER);
    fail_call("inotify_add_watch", 0, ENOSPC);
    int64_t before = clock_now(), wait = 0;
    scan();
    CHECK_STR(heard(), "there0 "); /* the scan still finds it */
    CHECK(was_said("cannot watch for the socket"));
    said[0] = '\0';
    for (int i = 0; i < 12; i++) {
        int64_t next = vm_watch_deadline() - before;
        CHECK(next >= wait && next <= (VH_T_RETRY_MAX + 1000) * VH_NSEC_PER_MSEC);
        wait = next < VH_T_RETRY_MAX * VH_NSEC_PER_MSEC ? next : wait;
        tick(vm_watch_deadline() - 1); /* not yet */
        before = clock_now();
        tick(vm_watch_deadline());
    }
    CHECK(wait >= VH_T_RETRY_MIN * VH_NSEC_PER_MSEC * 4);
    CHECK(!was_said("cannot watch"));
    heal();
    tick(vm_watch_deadline());
    CHECK_INT(vm_watch_deadline(), VH_NEVER);
    end();
}

static void what_cannot_be_looked_at_is_neither_there_nor_gone(void) {
    begin();
    serve(0);
    scan();
    CHECK_STR(heard(), "there0 ");
    fail_nr(SYS_statx, 1, ENOMEM);
    scan();
    CHECK_STR(heard(), "");
    CHECK(vm_watch_deadline() != VH_NEVER);
    heal();
    tick(vm_watch_deadline());
    CHECK_STR(heard(), "");
    CHECK_INT(vm_watch_deadline(), VH_NEVER);
    fail_nr(SYS_statx, 1, ENOTDIR); /* a directory became something else */
    scan();
    CHECK_STR(heard(), "gone0 ");
    heal();
    end();
}

static void an_interrupted_read_loses_no_event(void) {
    begin();
    scan();
    (void)heard();
    serve(0);
    fail_call("read", 1, EINTR);
    pass();
    CHECK(all_failed());
    CHECK_STR(heard(), "there0 ");
    heal();
    end();
}

/* A queue that refills while it is read is left for the next pass. */
static void a_flood_of_events_keeps_nobody(void) {
    begin();
    scan();
    (void)heard();
    serve(0);
    give_call("read", 0, 16);
    pass();
    CHECK_INT(faults[0].calls, 16);
    CHECK_STR(heard(), "there0 ");
    heal();
    end();
}

static int handle(pid_t pid) {
    return (int)syscall(SYS_pidfd_open, pid, 0);
}

static void a_process_that_ends_is_told_once(void) {
    int files = open_files();
    begin();
    pid_t child = fork();
    if (child == 0) {
        (void)pause();
        _exit(0);
    }
    vm_watch_process(0, handle(child));
    CHECK(vm_watch_pidfd(0) >= 0);
    pass();
    CHECK_STR(heard(), "");
    CHECK(kill(child, SIGKILL) == 0 && waitpid(child, NULL, 0) == child);
    pass();
    CHECK_STR(heard(), "ended0 ");
    CHECK_INT(vm_watch_pidfd(0), -1);
    vm_watch_process(0, handle(getpid()));
    vm_watch_process(0, -1); /* an old kernel: the end of the connection is the sign */
    CHECK_INT(vm_watch_pidfd(0), -1);
    end();
    CHECK_INT(open_files(), files);
}

static void another_configuration_knows_nothing_of_the_old_ones_vms(void) {
    begin();
    serve(0);
    scan();
    CHECK_STR(heard(), "there0 ");
    vm_watch_process(0, handle(getpid()));
    vm_watch_reload(&conf, 1);
    CHECK_INT(vm_watch_pidfd(0), -1);
    scan();
    CHECK_STR(heard(), "there0 ");
    vm_watch_reload(&conf, 0);
    scan();
    CHECK_STR(heard(), "");
    end();
}

/* Something happens while a look is under way: there is one more look, however much it was. */
static void one_look_is_under_way_at_a_time(void) {
    struct connector_order o;
    begin();
    vm_watch_scan();
    CHECK(hands_order(0, &o) && o.head.kind == CONNECTOR_LOOK);
    for (int i = 0; i < 3; i++)
        vm_watch_scan();
    CHECK(!hands_order(0, &o) && !hands_order(1, &o));
    struct connector_answer a = {.head = o.head, .watched = 1};
    hands_answer(0, &a, sizeof a, (int[]){-1, -1});
    turn();
    CHECK_STR(heard(), "absent0 ");
    serve(0);
    answers();
    CHECK_STR(heard(), "there0 ");
    CHECK(!hands_serve());
    end();
}

/* What is not told in time is not known; the other VMs are looked at all the same. */
static void a_look_that_hangs_is_tried_again_later(void) {
    struct connector_order o;
    begin();
    conf.nvms = 2;
    (void)snprintf(conf.vms[1].socket, sizeof conf.vms[1].socket, "%s/vm1.sock", top);
    (void)snprintf(conf.vms[1].name, sizeof conf.vms[1].name, "vm1");
    conf.vms[1].supported = true;
    vm_watch_scan();
    CHECK(hands_order(0, &o)); /* and is never answered */
    answers();
    CHECK_STR(heard(), "absent1 ");
    connector_tick(connector_deadline());
    CHECK_STR(heard(), "");
    CHECK(was_said("it cannot be reached in time"));
    CHECK(vm_watch_deadline() != VH_NEVER);
    serve(1);
    tick(vm_watch_deadline());
    CHECK_STR(heard(), "there1 ");
    connector_tick(connector_deadline()); /* nobody else is sent where one hangs */
    CHECK_STR(heard(), "");
    for (int i = 0; i < VH_MAX_CONNECTORS; i++)
        hands_die(i);
    turn();
    said[0] = '\0';
    vm_watch_tick(vm_watch_deadline());
    connector_tick(clock_now());
    CHECK_STR(heard(), "");
    CHECK(vm_watch_deadline() != VH_NEVER);
    end();
    (void)unlink(conf.vms[1].socket);
    conf.nvms = 1;
}

/* A socket in a directory that is made later, one in the top directory, and a VM of a type without support. */
static void any_place_can_be_watched(void) {
    char made[100];
    begin();
    conf.nvms = 3;
    (void)snprintf(made, sizeof made, "%s/later", top);
    (void)snprintf(conf.vms[1].socket, sizeof conf.vms[1].socket, "%s/vm.sock", made);
    (void)snprintf(conf.vms[2].socket, sizeof conf.vms[2].socket, "/vhotplug-that-is-not-there.sock");
    conf.vms[1].supported = conf.vms[2].supported = true;
    scan();
    CHECK_STR(heard(), "absent0 absent1 absent2 ");
    CHECK(mkdir(made, 0755) == 0);
    pass();
    serve(1);
    pass();
    CHECK_STR(heard(), "there1 ");
    CHECK(unlink(conf.vms[1].socket) == 0);
    conf.vms[1].supported = false;
    pass();
    CHECK_STR(heard(), "");
    conf.vms[1].supported = true;
    end();
    CHECK(rmdir(made) == 0);
    conf.nvms = 1;
}

int main(void) {
    CHECK(mkdtemp(top) != NULL);
    conf.nvms = 1;
    conf.vms[0].supported = true;
    (void)snprintf(conf.vms[0].socket, sizeof conf.vms[0].socket, "%s/vm0.sock", top);
    RUN(without_inotify_there_is_no_start);
    RUN(a_socket_that_comes_and_goes_is_told);
    RUN(a_socket_made_anew_is_another_one);
    RUN(what_is_no_socket_is_not_there);
    RUN(what_cannot_be_watched_is_looked_at_by_time);
    RUN(what_cannot_be_looked_at_is_neither_there_nor_gone);
    RUN(an_interrupted_read_loses_no_event);
    RUN(a_flood_of_events_keeps_nobody);
    RUN(a_process_that_ends_is_told_once);
    RUN(another_configuration_knows_nothing_of_the_old_ones_vms);
    RUN(one_look_is_under_way_at_a_time);
    RUN(a_look_that_hangs_is_tried_again_later);
    RUN(any_place_can_be_watched);
    CHECK(rmdir(top) == 0);
    TEST_MAIN_END;
}
