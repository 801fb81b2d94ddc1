/*
 * test_listener.c - listener.c: which listening sockets of the API are wanted, what is tried again, whose socket file
 * is removed, and what a reload leaves open.
 */
#include "base/limits.h"
#include "fault.h"
#include "os/clock.h"
#include "os/opener.h"
#include "os/pollset.h"
#include "os/sock.h"
#include "server/listener.h"
#include "test.h"

#include <stdio.h>
#include <sys/wait.h>

static char dir[] = "/tmp/vh-listener-XXXXXX";
static struct api_conf conf, other;
static int taken[3], pending;

static void take(enum transport t, int fd) {
    taken[t]++;
    (void)close(fd);
}

static void set(struct api_conf *c, const char *name, bool unix_on, bool tcp_on) {
    memset(c, 0, sizeof *c);
    c->enable = true;
    c->unix_on = unix_on;
    c->tcp_on = tcp_on;
    c->unix_mode = 0600;
    (void)snprintf(c->host, sizeof c->host, "127.0.0.1");
    (void)snprintf(c->unix_path, sizeof c->unix_path, "%s/%s", dir, name);
}

static bool exists(const struct api_conf *c) {
    struct stat st;
    return lstat(c->unix_path, &st) == 0;
}

static void pass(int64_t now) {
    static struct pollset ps;
    ps.n = 0;
    listener_fill(&ps);
    pending = ps.n;
    CHECK(__real_poll(ps.fd, (nfds_t)ps.n, 0) >= 0);
    listener_ready(&ps, now, take);
    listener_tick(now);
}

static int call(const struct api_conf *c) {
    int fd = sock_connect_unix(c->unix_path);
    CHECK(fd >= 0);
    return fd;
}

static void only_what_is_on_listens(void) {
    int files = open_files();
    set(&conf, "a", true, true);
    CHECK(listener_wants(&conf, TRANSPORT_UNIX) && listener_wants(&conf, TRANSPORT_TCP) &&
          !listener_wants(&conf, TRANSPORT_VSOCK));
    listener_start(&conf);
    CHECK_INT(open_files(), files + 2);
    int fd = call(&conf);
    pass(clock_now());
    CHECK_INT(taken[TRANSPORT_UNIX], 1);
    CHECK(close(fd) == 0);
    listener_stop();
    CHECK(!exists(&conf));
    conf.enable = false;
    CHECK(!listener_wants(&conf, TRANSPORT_UNIX));
    listener_start(&conf);
    CHECK_INT(open_files(), files);
    listener_stop();
}

static void what_cannot_be_opened_is_tried_again_and_said_once(void) {
    set(&conf, "a", true, false);
    fail_call("bind", 0, EACCES);
    listener_start(&conf);
    CHECK(was_said("transport=unix") && was_said(strerror(EACCES)));
    said[0] = '\0';
    int64_t at = listener_deadline();
    CHECK(at > clock_now() && at != VH_NEVER);
    listener_tick(at - 1);
    listener_tick(at);
    CHECK(listener_deadline() != VH_NEVER && !was_said("transport=unix"));
    heal();
    listener_tick(listener_deadline());
    CHECK(was_said("API listening: transport=unix"));
    CHECK_INT(listener_deadline(), VH_NEVER);
    heal();
    listener_stop();
    /* VSOCK and TCP in the same way. */
    set(&conf, "a", false, true);
    conf.vsock_on = true;
    fail_call("bind", 0, EADDRNOTAVAIL);
    listener_start(&conf);
    CHECK(was_said("transport=tcp") && was_said("transport=vsock"));
    heal();
    listener_stop();
}

/* A connection that ended before accept() is skipped; any other failure pauses that listener. */
static void a_failing_accept_pauses_its_listener(void) {
    int before = taken[TRANSPORT_UNIX];
    set(&conf, "a", true, false);
    listener_start(&conf);
    int fd = call(&conf);
    fail_nr(SYS_accept4, 1, ECONNABORTED);
    pass(clock_now());
    CHECK_INT(taken[TRANSPORT_UNIX], before + 1);
    heal();
    CHECK(close(fd) == 0);
    fd = call(&conf);
    fail_nr(SYS_accept4, 1, EMFILE);
    int64_t now = clock_now();
    pass(now);
    CHECK(was_said("accept failed, pausing: transport=unix"));
    CHECK_INT(taken[TRANSPORT_UNIX], before + 1);
    heal();
    int64_t at = listener_deadline();
    CHECK(at > now && at != VH_NEVER);
    pass(now);
    CHECK_INT(pending, 0);
    listener_tick(at);
    pass(at);
    CHECK_INT(taken[TRANSPORT_UNIX], before + 2);
    CHECK(close(fd) == 0);
    /* Connections beyond the number for one pass wait for the next pass. */
    int fds[20];
    for (int i = 0; i < 20; i++)
        fds[i] = call(&conf);
    pass(at);
    CHECK_INT(taken[TRANSPORT_UNIX], before + 18);
    pass(at);
    CHECK_INT(taken[TRANSPORT_UNIX], before + 22);
    for (int i = 0; i < 20; i++)
        CHECK(close(fds[i]) == 0);
    listener_stop();
}

static void a_socket_file_of_somebody_else_is_left(void) {
    set(&conf, "a", true, false);
    listener_start(&conf);
    CHECK(unlink(conf.unix_path) == 0);
    int fd = open(conf.unix_path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    CHECK(fd >= 0 && close(fd) == 0);
    listener_stop();
    CHECK(exists(&conf));
    CHECK(unlink(conf.unix_path) == 0);
    listener_start(&conf);
    fail_nr(SYS_statx, 0, EIO); /* nothing shows whose file it is: it stays */
    listener_stop();
    heal();
    CHECK(exists(&conf) && unlink(conf.unix_path) == 0);
    fail_nr(SYS_statx, 2, EIO); /* the first statx() looks whether a file is at the path */
    listener_start(&conf);
    CHECK(all_failed());
    heal();
    listener_stop();
    (void)unlink(conf.unix_path);
}

static void an_owner_that_is_nobody_leaves_it_the_daemons_own(void) {
    set(&conf, "a", true, false);
    (void)snprintf(conf.unix_user, sizeof conf.unix_user, "no-such-user-here");
    (void)snprintf(conf.unix_group, sizeof conf.unix_group, "no-such-group-here");
    heal();
    listener_start(&conf);
    CHECK(exists(&conf));
    CHECK(was_said("general.api.unixSocketUser: 'no-such-user-here' is not in /etc/passwd"));
    CHECK(was_said("general.api.unixSocketGroup: 'no-such-group-here' is not in /etc/group"));
    listener_stop();
    heal();
    conf.unix_user[0] = conf.unix_group[0] = 0;
}

static void a_reload_opens_only_what_differs(void) {
    set(&conf, "a", true, true);
    set(&other, "a", true, true);
    listener_start(&conf);
    heal();
    listener_reload(&other);
    CHECK(!was_said("API listening"));
    set(&conf, "b", true, true); /* another path */
    listener_reload(&conf);
    CHECK(was_said("transport=unix") && !was_said("transport=tcp") && exists(&conf) && !exists(&other));
    heal();
    set(&other, "b", true, true);
    other.unix_mode = 0660; /* another mode */
    listener_reload(&other);
    CHECK(was_said("transport=unix"));
    heal();
    set(&conf, "b", true, true);
    conf.unix_mode = 0660;
    (void)snprintf(conf.host, sizeof conf.host, "127.0.0.2"); /* another address */
    listener_reload(&conf);
    CHECK(!was_said("transport=unix") && was_said("transport=tcp"));
    heal();
    other = conf;
    (void)snprintf(other.unix_user, sizeof other.unix_user, "root"); /* another owner */
    listener_reload(&other);
    CHECK(was_said("transport=unix") && !was_said("take effect at start only"));
    heal();
    conf = other;
    (void)snprintf(conf.unix_group, sizeof conf.unix_group, "root");
    listener_reload(&conf);
    CHECK(was_said("transport=unix"));
    heal();
    other = conf;
    other.unix_on = false; /* switched off */
    listener_reload(&other);
    CHECK(!exists(&conf));
    listener_reload(&conf);
    CHECK(exists(&conf));
    other = conf;
    other.enable = false;
    listener_reload(&other);
    CHECK(!exists(&conf));
    listener_stop();
    heal();
}

/* VSOCK: by its port. */
static void a_vsock_listener_moves_with_its_port(void) {
    set(&conf, "a", false, false);
    conf.vsock_on = true;
    conf.vsock_port = 1;
    give_call("bind", 0, 0);
    give_call("listen", 0, 0);
    give_nr(SYS_socket, 1, dup(0));
    listener_start(&conf);
    CHECK(was_said("API listening: transport=vsock"));
    said[0] = '\0';
    other = conf;
    listener_reload(&other);
    CHECK(!was_said("transport=vsock"));
    conf.vsock_port = 2;
    listener_reload(&conf);
    CHECK(was_said("transport=vsock"));
    heal();
    listener_stop();
}

/* ---- by the opener ---- */

static struct opener_listeners other_places; /* of `other`, which the opener reads as the configuration */

static int read_other(struct opener_listeners *l, bool *valid) {
    *l = other_places;
    *valid = true;
    errno = ENOENT;
    return -1;
}

static void opener_pass(void) {
    static struct pollset ps;
    ps.n = 0;
    opener_fill(&ps);
    CHECK(__real_poll(ps.fd, (nfds_t)ps.n, 20) >= 0);
    opener_ready(&ps);
}

static void wait_said(const char *text) {
    for (int i = 0; i < 1000 && !was_said(text); i++)
        opener_pass();
    CHECK(was_said(text));
}

static int confs_read;

static void on_conf(enum opener_what what, int fd, int error) {
    CHECK(what == OPEN_CONF && fd < 0 && error == ENOENT);
    confs_read++;
}

/* The opener is forked while `other` is what it will read; `conf` is in force. */
static void seal(void) {
    struct opener_listeners places_now;
    static struct opener_places places = {
        .conf_dir = "", .conf_target = "", .sockets = dir, .uevents = "", .uevents_dir = "", .read_conf = read_other};
    listener_places(&other, &other_places);
    listener_places(&conf, &places_now);
    fail_nr(444, 0, ENOSYS); /* landlock: the sanitizers need more than a sandbox allows */
    give_call("prctl", 0, 0);
    CHECK(opener_start(&places, &places_now));
    heal();
    listener_start(&conf);
    opener_seal();
}

static void take_other(void) {
    int before = confs_read;
    opener_ask(OPEN_CONF, on_conf);
    while (confs_read == before)
        opener_pass();
    opener_in_force();
}

static void end(void) {
    listener_stop();
    opener_stop();
    CHECK(!exists(&conf) && !exists(&other));
    while (waitpid(-1, NULL, 0) > 0) {
    }
    heal();
}

static void a_reload_goes_on_with_the_answer(void) {
    int files = open_files();
    set(&conf, "a", true, true);
    set(&other, "b", true, false);
    seal();
    take_other();
    heal();
    listener_reload(&other);
    CHECK(!was_said("API listening")); /* not yet */
    CHECK_INT(listener_deadline(), VH_NEVER);
    wait_said("API listening: transport=unix");
    CHECK(exists(&other) && !exists(&conf));
    int fd = call(&other), before = taken[TRANSPORT_UNIX];
    pass(clock_now());
    CHECK_INT(taken[TRANSPORT_UNIX], before + 1);
    CHECK(close(fd) == 0);
    end();
    CHECK_INT(open_files(), files);
}

/* A second reload, before the answer to the first: what then comes is not for the configuration in force. */
static void an_answer_of_an_earlier_configuration_is_of_no_use(void) {
    int files = open_files();
    static struct api_conf off;
    set(&conf, "a", true, false);
    set(&other, "b", true, false);
    off = other;
    off.unix_on = false;
    seal();
    take_other();
    heal();
    listener_reload(&other);
    listener_reload(&off);
    listener_reload(&other);
    wait_said("API listening: transport=unix");
    CHECK(exists(&other) && !exists(&conf));
    listener_reload(&off);
    CHECK_INT(listener_deadline(), VH_NEVER);
    for (int i = 0; i < 1000 && exists(&other); i++)
        opener_pass();
    end();
    CHECK_INT(open_files(), files);
}

static void no_answer_is_tried_again(void) {
    set(&conf, "a", false, false);
    set(&other, "b", false, true);
    seal();
    take_other();
    heal();
    listener_reload(&other);
    opener_tick(opener_deadline());
    CHECK(was_said("transport=tcp error=\"no answer in time\""));
    int64_t at = listener_deadline();
    CHECK(at != VH_NEVER);
    listener_tick(at);
    wait_said("API listening: transport=tcp");
    CHECK_INT(listener_deadline(), VH_NEVER);
    end();
}

/* A later start cannot set the owner, so the socket stays as it is. */
static void inside_the_sandbox_an_owner_takes_effect_at_start_alone(void) {
    set(&conf, "a", true, false);
    other = conf;
    (void)snprintf(other.unix_user, sizeof other.unix_user, "root");
    seal();
    heal();
    listener_reload(&other);
    CHECK(was_said("take effect at start only") && exists(&other));
    heal();
    static struct api_conf third;
    third = other;
    third.unix_mode = 0666;
    listener_reload(&third);
    CHECK(was_said("can be opened at start only"));
    heal();
    third.unix_user[0] = '\0';
    (void)snprintf(third.unix_group, sizeof third.unix_group, "root");
    listener_tick(listener_deadline());
    CHECK(was_said("can be opened at start only"));
    end();
}

int main(void) {
    CHECK(mkdtemp(dir) != NULL);
    RUN(only_what_is_on_listens);
    RUN(what_cannot_be_opened_is_tried_again_and_said_once);
    RUN(a_failing_accept_pauses_its_listener);
    RUN(a_socket_file_of_somebody_else_is_left);
    RUN(an_owner_that_is_nobody_leaves_it_the_daemons_own);
    RUN(a_reload_opens_only_what_differs);
    RUN(a_vsock_listener_moves_with_its_port);
    RUN(a_reload_goes_on_with_the_answer);
    RUN(an_answer_of_an_earlier_configuration_is_of_no_use);
    RUN(no_answer_is_tried_again);
    RUN(inside_the_sandbox_an_owner_takes_effect_at_start_alone);
    CHECK(rmdir(dir) == 0);
    TEST_MAIN_END;
}
