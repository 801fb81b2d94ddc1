/*
 * test_connector_work.c - what a connector does with an order: it connects to the socket that it has judged, whatever
 * its path means a moment later; it takes no VM but those of its own configuration; it refuses what is no order.
 */
#include "base/limits.h"
#include "fault.h"
#include "os/sock.h"
#include "test.h"
#include "vmm/connector_order.h"
#include "vmm/connector_work.h"

#include <stdio.h>
#include <sys/stat.h>

static char top[] = "/tmp/vh-work-XXXXXX", path[100], other[100], target[100];
static struct conf conf, fresh;
static const struct conf *given; /* by reload() */
static const struct worker_job *job;
static struct connector_answer a;
static int out[WORKER_FDS];

static const struct conf *reload(const struct conf *old) {
    CHECK(old == &conf || old == &fresh);
    return given;
}

static const struct connector_setup setup = {.conf = &conf, .inotify = -1, .reload = reload};

static void begin(void) {
    heal();
    memset(&conf, 0, sizeof conf);
    conf.nvms = 1;
    (void)snprintf(conf.vms[0].name, sizeof conf.vms[0].name, "vm");
    (void)snprintf(conf.vms[0].socket, sizeof conf.vms[0].socket, "%s", path);
    job = connector_work(&setup);
}

static size_t ask_of(enum connector_kind kind, const char *vm, const char *socket) {
    struct connector_order o = {.head = {.serial = 1, .kind = kind}};
    (void)snprintf(o.vm, sizeof o.vm, "%s", vm);
    (void)snprintf(o.socket, sizeof o.socket, "%s", socket);
    memset(&a, 0xff, sizeof a);
    out[0] = out[1] = -1;
    return job->handle(&o, -1, &a, out);
}

static void ask(enum connector_kind kind, enum connector_status status) {
    bool about_vm = kind != CONNECTOR_RELOAD;
    CHECK_INT((long)ask_of(kind, about_vm ? "vm" : "", about_vm ? path : ""), (long)sizeof a);
    CHECK_INT(a.status, status);
    CHECK((kind == CONNECTOR_CONNECT && status == CONNECTOR_OK) == (out[0] >= 0));
}

static void drop(void) {
    for (int i = 0; i < WORKER_FDS; i++)
        CHECK(out[i] < 0 || close(out[i]) == 0);
}

static int serve(const char *at) {
    int fd = sock_listen_unix(at, 0600, -1, -1);
    CHECK(fd >= 0);
    return fd;
}

static void remove_all(int listener) {
    CHECK(listener < 0 || close(listener) == 0);
    (void)unlink(path);
    (void)unlink(other);
    (void)unlink(target);
}

/* ---- connections ---- */

static void a_connection_comes_with_who_serves_it(void) {
    begin();
    int files = open_files(), listener = serve(path);
    ask(CONNECTOR_CONNECT, CONNECTOR_OK);
    CHECK(out[1] >= 0);
    CHECK_INT(a.uid, geteuid());
    CHECK_INT(a.owner, geteuid());
    CHECK_INT(a.pid, getpid());
    CHECK((fcntl(out[0], F_GETFL) & O_NONBLOCK) != 0); /* the loop must never wait for a monitor */
    int monitor = sock_accept(listener);
    CHECK(monitor >= 0 && close(monitor) == 0);
    drop();
    fail_nr(SYS_pidfd_open, 1, ENOSYS); /* an old kernel */
    ask(CONNECTOR_CONNECT, CONNECTOR_OK);
    CHECK_INT(out[1], -1);
    heal();
    drop();
    ask(CONNECTOR_LISTENING, CONNECTOR_OK);
    CHECK(out[0] < 0 && out[1] < 0);
    remove_all(listener);
    CHECK_INT(open_files(), files);
}

static void what_cannot_be_connected_is_told_apart(void) {
    static const struct {
        const char *call;
        int error;
        enum connector_status status;
    } ways[] = {{"openat", ENOENT, CONNECTOR_ABSENT},  {"openat", ENOTDIR, CONNECTOR_ABSENT},
                {"openat", EACCES, CONNECTOR_FAILED},  {"connect", ECONNREFUSED, CONNECTOR_REFUSED},
                {"connect", EAGAIN, CONNECTOR_FULL},   {"connect", ENOENT, CONNECTOR_FAILED},
                {"connect", EMFILE, CONNECTOR_FAILED}, {"getsockopt", EINVAL, CONNECTOR_UNKNOWN}};
    begin();
    int files = open_files(), listener = serve(path);
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        fail_call(ways[i].call, 1, ways[i].error);
        ask(CONNECTOR_CONNECT, ways[i].status);
        CHECK(all_failed());
        CHECK(a.text[0] != '\0');
        heal();
    }
    fail_nr(SYS_statx, 1, EIO);
    ask(CONNECTOR_CONNECT, CONNECTOR_UNKNOWN);
    heal();
    CHECK(close(listener) == 0);
    ask(CONNECTOR_CONNECT, CONNECTOR_REFUSED);
    ask(CONNECTOR_LISTENING, CONNECTOR_REFUSED);
    CHECK(unlink(path) == 0);
    ask(CONNECTOR_LISTENING, CONNECTOR_ABSENT);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600); /* a file that is no socket */
    CHECK(fd >= 0 && close(fd) == 0);
    ask(CONNECTOR_CONNECT, CONNECTOR_REFUSED);
    remove_all(-1);
    CHECK_INT(open_files(), files);
}

static void only_who_should_may_serve(void) {
    struct vm_conf vm = {.uid_given = true, .uid = 7};
    CHECK(connector_accepts(&vm, 7, 0) && !connector_accepts(&vm, 0, 7) && !connector_accepts(&vm, 8, 8));
    vm.uid_given = false;
    CHECK(connector_accepts(&vm, 0, 7) && connector_accepts(&vm, 7, 7) && !connector_accepts(&vm, 7, 0));
    begin();
    int files = open_files(), listener = serve(path);
    conf.vms[0].uid_given = true;
    conf.vms[0].uid = geteuid() + 1;
    ask(CONNECTOR_CONNECT, CONNECTOR_DISTRUSTED);
    CHECK(strstr(a.text, "its socket is served by uid ") == a.text);
    conf.vms[0].uid = geteuid();
    ask(CONNECTOR_CONNECT, CONNECTOR_OK);
    drop();
    remove_all(listener);
    CHECK_INT(open_files(), files);
}

/* ---- paths ---- */

static bool swap(long nr, const long *args, long *result) {
    (void)args, (void)result;
    if (nr == SYS_statx)
        CHECK(rename(other, path) == 0 || errno == ENOENT);
    return false; /* the kernel goes on */
}

/* Another user puts a socket of its own in the place of the one that was judged. */
static void the_socket_that_was_judged_is_the_one_that_is_connected(void) {
    begin();
    int good = serve(path), bad = serve(other), monitor;
    on_syscall = swap;
    ask(CONNECTOR_CONNECT, CONNECTOR_OK);
    on_syscall = NULL;
    monitor = sock_accept(good);
    CHECK(monitor >= 0 && close(monitor) == 0);
    CHECK(sock_accept(bad) < 0);
    drop();
    CHECK(close(bad) == 0);
    remove_all(good);
}

static void a_link_of_ours_is_followed(void) {
    begin();
    int files = open_files(), listener = serve(target);
    CHECK(symlink(target, other) == 0 && symlink("other", path) == 0); /* absolute, and relative */
    ask(CONNECTOR_CONNECT, CONNECTOR_OK);
    drop();
    fail_call("readlinkat", 1, EIO);
    ask(CONNECTOR_CONNECT, CONNECTOR_UNKNOWN);
    heal();
    give_call("readlinkat", 1, VH_PATH_MAX - 1); /* it may have been cut */
    ask(CONNECTOR_CONNECT, CONNECTOR_UNKNOWN);
    heal();
    CHECK(unlink(other) == 0 && symlink("path", other) == 0); /* in a circle */
    ask(CONNECTOR_CONNECT, CONNECTOR_UNKNOWN);
    CHECK(strstr(a.text, strerror(ELOOP)) != NULL);
    CHECK(unlink(other) == 0);
    ask(CONNECTOR_CONNECT, CONNECTOR_ABSENT); /* to nowhere */
    remove_all(listener);
    CHECK_INT(open_files(), files);
}

static void a_link_of_another_user_is_not_followed(void) {
    if (geteuid() != 0)
        return; /* only root can make one */
    begin();
    int files = open_files(), listener = serve(target);
    CHECK(symlink(other, path) == 0 && symlink(target, other) == 0 && lchown(other, 12345, 12345) == 0);
    ask(CONNECTOR_CONNECT, CONNECTOR_DISTRUSTED); /* not even behind one of ours */
    CHECK_STR(a.text, "its socket is a symbolic link of uid 12345");
    ask(CONNECTOR_LISTENING, CONNECTOR_DISTRUSTED);
    CHECK(sock_accept(listener) < 0);
    conf.vms[0].uid_given = true; /* there the server alone decides */
    ask(CONNECTOR_CONNECT, CONNECTOR_OK);
    drop();
    remove_all(listener);
    CHECK_INT(open_files(), files);
}

/* ---- orders ---- */

static void only_vms_of_its_own_configuration_are_known(void) {
    begin();
    int listener = serve(other);
    CHECK_INT((long)ask_of(CONNECTOR_CONNECT, "vm", other), (long)sizeof a); /* the loop names another path */
    CHECK_INT(a.status, CONNECTOR_UNKNOWN);
    CHECK_INT((long)ask_of(CONNECTOR_LOOK, "nobody", path), (long)sizeof a);
    CHECK_INT(a.status, CONNECTOR_UNKNOWN);
    CHECK(out[0] < 0 && sock_accept(listener) < 0);
    given = NULL;
    ask(CONNECTOR_RELOAD, CONNECTOR_FAILED);
    fresh = conf;
    given = &fresh;
    fresh.nvms = 2; /* the old VM has gone but for its devices; a new one has its name */
    fresh.vms[0].retired = true;
    fresh.vms[1] = conf.vms[0];
    (void)snprintf(fresh.vms[1].socket, sizeof fresh.vms[1].socket, "%s", other);
    ask(CONNECTOR_RELOAD, CONNECTOR_OK);
    ask(CONNECTOR_CONNECT, CONNECTOR_ABSENT);
    CHECK_INT((long)ask_of(CONNECTOR_CONNECT, "vm", other), (long)sizeof a);
    CHECK_INT(a.status, CONNECTOR_OK);
    drop();
    (void)snprintf(fresh.vms[1].socket, sizeof fresh.vms[1].socket, "%s", path);
    fresh.vms[1].uid_given = true; /* of two rows, the one in force has the say */
    fresh.vms[1].uid = geteuid() + 1;
    CHECK(rename(other, path) == 0);
    ask(CONNECTOR_CONNECT, CONNECTOR_DISTRUSTED);
    remove_all(listener);
}

static void what_is_no_order_is_refused(void) {
    static struct connector_order o;
    begin();
    o = (struct connector_order){.head = {.serial = 1, .kind = CONNECTOR_RELOAD + 1}, .vm = "vm"};
    (void)snprintf(o.socket, sizeof o.socket, "%s", path);
    CHECK_INT((long)job->handle(&o, -1, &a, out), 0);
    o.head.kind = 0;
    CHECK_INT((long)job->handle(&o, -1, &a, out), 0);
    (void)snprintf(o.vm, sizeof o.vm, "stranger"); /* also about a VM that it does not know */
    CHECK_INT((long)job->handle(&o, -1, &a, out), 0);
    o.head.kind = CONNECTOR_RELOAD; /* names no VM */
    CHECK_INT((long)job->handle(&o, -1, &a, out), 0);
    o.head.kind = CONNECTOR_LISTENING;
    (void)snprintf(o.vm, sizeof o.vm, "vm");
    CHECK_INT((long)job->handle(&o, 0, &a, out), 0); /* no descriptor is wanted */
    CHECK_INT((long)job->handle(&o, -1, &a, out), (long)sizeof a);
    memset(o.vm, 'x', sizeof o.vm);
    CHECK_INT((long)job->handle(&o, -1, &a, out), 0);
    o.vm[0] = '\0';
    memset(o.socket, 'x', sizeof o.socket);
    CHECK_INT((long)job->handle(&o, -1, &a, out), 0);
}

int main(void) {
    CHECK(mkdtemp(top) != NULL);
    (void)snprintf(path, sizeof path, "%s/path", top);
    (void)snprintf(other, sizeof other, "%s/other", top);
    (void)snprintf(target, sizeof target, "%s/target", top);
    RUN(a_connection_comes_with_who_serves_it);
    RUN(what_cannot_be_connected_is_told_apart);
    RUN(only_who_should_may_serve);
    RUN(the_socket_that_was_judged_is_the_one_that_is_connected);
    RUN(a_link_of_ours_is_followed);
    RUN(a_link_of_another_user_is_not_followed);
    RUN(only_vms_of_its_own_configuration_are_known);
    RUN(what_is_no_order_is_refused);
    CHECK(rmdir(top) == 0);
    TEST_MAIN_END;
}
