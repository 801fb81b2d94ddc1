/*
 * test_supervisor.c - supervisor.c: what systemd and others are told, over sockets with a path and abstract ones; a
 * socket that is full delays a message and loses nothing; what is malformed is told nothing.
 */
#include "base/duration.h"
#include "base/limits.h"
#include "base/str.h"
#include "fault.h"
#include "os/supervisor.h"

#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/un.h>
#include <sys/wait.h>

static char dir[] = "/tmp/vh-supervisor-XXXXXX";
static char path[64];

/* A service manager's socket. "@": an abstract one. */
static int manager(const char *name) {
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    (void)snprintf(a.sun_path, sizeof a.sun_path, "%s", name);
    socklen_t len = sizeof a;
    if (name[0] == '@') {
        a.sun_path[0] = '\0';
        len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
    } else {
        (void)unlink(name);
    }
    return bind(fd, (const struct sockaddr *)&a, len) == 0 ? fd : -1;
}

/* The next message, "" if there is none. */
static const char *heard(int fd) {
    static char text[VH_NOTIFY_MAX];
    ssize_t n = recv(fd, text, sizeof text - 1, MSG_DONTWAIT);
    text[n > 0 ? n : 0] = '\0';
    return text;
}

static void environment(const char *name, const char *usec, const char *pid) {
    (void)setenv("NOTIFY_SOCKET", name, 1);
    (void)(usec != NULL ? setenv("WATCHDOG_USEC", usec, 1) : unsetenv("WATCHDOG_USEC"));
    (void)(pid != NULL ? setenv("WATCHDOG_PID", pid, 1) : unsetenv("WATCHDOG_PID"));
}

/* Each test is a daemon of its own: a process that ends with it. */
static void apart(void (*daemon)(void)) {
    int status = -1;
    (void)fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        daemon();
        (void)fflush(stdout);
        _exit(test_ok ? 0 : 1);
    }
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

#define ALONE(name)            \
    static void name##_(void); \
    static void name(void) {   \
        apart(name##_);        \
    }                          \
    static void name##_(void)

ALONE(nobody_has_asked) {
    (void)unsetenv("NOTIFY_SOCKET");
    supervisor_open();
    supervisor_ready("x");
    supervisor_reloading();
    supervisor_stopping();
    CHECK(supervisor_deadline() == VH_NEVER);
    supervisor_tick(1);
    CHECK_STR(said, "");
}

static void whole_story(const char *name) {
    static const char head[] = "RELOADING=1\nMONOTONIC_USEC=";
    char *end = NULL;
    int fd = manager(name);
    environment(name, NULL, NULL);
    supervisor_open();
    CHECK(getenv("NOTIFY_SOCKET") == NULL);
    CHECK_STR(heard(fd), "");
    supervisor_ready("vms=2");
    CHECK_STR(heard(fd), "READY=1\nSTATUS=vms=2\n");
    supervisor_reloading();
    const char *text = heard(fd);
    CHECK(str_starts(text, head));
    unsigned long long since =
        strtoull(text + sizeof head - 1, &end, 10); /* the product's own sscanf() knows no %llu */
    CHECK_STR(end, "\n");
    struct timespec ts;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &ts) == 0 && since > 0 && since / 1000000 <= (unsigned long long)ts.tv_sec);
    supervisor_ready("vms=3");
    CHECK_STR(heard(fd), "READY=1\nSTATUS=vms=3\n");
    supervisor_stopping();
    CHECK_STR(heard(fd), "STOPPING=1\n");
    CHECK(supervisor_deadline() == VH_NEVER);
    CHECK_STR(said, "");
}

ALONE(a_socket_with_a_path_is_told) {
    whole_story(path);
}

ALONE(an_abstract_socket_is_told) {
    char name[64];
    (void)snprintf(name, sizeof name, "@vh-supervisor-%d", (int)getpid());
    whole_story(name);
}

ALONE(a_status_that_is_too_long_is_cut) {
    char status[2 * VH_STATUS_MAX];
    int fd = manager(path);
    memset(status, 'x', sizeof status);
    status[sizeof status - 1] = '\0';
    environment(path, NULL, NULL);
    supervisor_open();
    supervisor_ready(status);
    CHECK_INT(strlen(heard(fd)), strlen("READY=1\nSTATUS=\n") + VH_STATUS_MAX - 1);
}

/* Fills it through a socket of our own, until it takes no more. */
static int fill(const char *name) {
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), n = 0;
    (void)snprintf(a.sun_path, sizeof a.sun_path, "%s", name);
    CHECK(connect(fd, (const struct sockaddr *)&a, sizeof a) == 0);
    while (send(fd, "x", 1, MSG_DONTWAIT) == 1)
        n++;
    CHECK(errno == EAGAIN);
    (void)close(fd);
    return n;
}

ALONE(a_full_socket_delays_and_loses_nothing) {
    int fd = manager(path);
    environment(path, NULL, NULL);
    supervisor_open();
    int n = fill(path);
    supervisor_ready("vms=1");
    supervisor_reloading();
    supervisor_ready("vms=2");
    CHECK(supervisor_deadline() <= 1000);
    supervisor_tick(1000);
    CHECK(supervisor_deadline() == 1000 + ms_to_ns(VH_T_TELL_AGAIN));
    for (int i = 0; i < n; i++)
        CHECK_STR(heard(fd), "x");
    CHECK_STR(heard(fd), "");
    supervisor_tick(1000 + ms_to_ns(VH_T_TELL_AGAIN) - 1); /* too early */
    CHECK_STR(heard(fd), "");
    supervisor_tick(1000 + ms_to_ns(VH_T_TELL_AGAIN));
    const char *all = heard(fd);
    CHECK(strncmp(all, "RELOADING=1\nMONOTONIC_USEC=", 27) == 0 && strstr(all, "\nREADY=1\nSTATUS=vms=2\n") != NULL);
    CHECK_STR(heard(fd), "");
    CHECK(supervisor_deadline() == VH_NEVER);
    CHECK_STR(said, "");
}

ALONE(a_socket_that_fails_is_logged_once_and_tried_again) {
    int fd = manager(path);
    environment(path, NULL, NULL);
    supervisor_open();
    fail_call("sendmsg", 0, ENOBUFS);
    supervisor_ready("vms=1");
    CHECK(was_said("the service manager cannot be told: ") && was_said(strerror(ENOBUFS)));
    said[0] = '\0';
    supervisor_tick(5);
    CHECK_STR(said, "");
    heal();
    supervisor_tick(5 + ms_to_ns(VH_T_TELL_AGAIN));
    CHECK_STR(heard(fd), "READY=1\nSTATUS=vms=1\n");
}

ALONE(signs_of_life_come_twice_in_each_interval) {
    char pid[16];
    int fd = manager(path);
    (void)snprintf(pid, sizeof pid, "%d", (int)getpid());
    environment(path, "3000000", pid);
    supervisor_open();
    CHECK(getenv("WATCHDOG_USEC") == NULL && getenv("WATCHDOG_PID") == NULL);
    CHECK(supervisor_deadline() == VH_NEVER); /* not before "ready" */
    supervisor_stalled();
    CHECK(supervisor_deadline() == VH_NEVER);
    supervisor_ready("");
    CHECK_STR(heard(fd), "READY=1\nSTATUS=\n");
    int64_t now = ms_to_ns(50000), every = ms_to_ns(1500);
    CHECK(supervisor_deadline() <= now);
    supervisor_tick(now);
    CHECK_STR(heard(fd), "WATCHDOG=1\n");
    CHECK(supervisor_deadline() == now + every);
    supervisor_tick(now + every - 1);
    CHECK_STR(heard(fd), "");
    supervisor_tick(now + every);
    CHECK_STR(heard(fd), "WATCHDOG=1\n");
    supervisor_stalled();
    supervisor_tick(now + every + 1);
    CHECK_STR(heard(fd), "WATCHDOG=1\n");
    supervisor_reloading();
    (void)heard(fd);
    supervisor_ready("");
    CHECK(supervisor_deadline() == now + every + 1 + every); /* a reload changes nothing about it */
}

static void no_watchdog(const char *usec, const char *pid) {
    int fd = manager(path);
    environment(path, usec, pid);
    supervisor_open();
    supervisor_ready("");
    CHECK_STR(heard(fd), "READY=1\nSTATUS=\n");
    CHECK(supervisor_deadline() == VH_NEVER);
}

ALONE(anothers_watchdog_is_not_ours) {
    no_watchdog("3000000", "1");
    CHECK_STR(said, "");
}

ALONE(a_watchdog_of_no_time_is_named) {
    no_watchdog("soon", NULL);
    CHECK(was_said("WATCHDOG_USEC is no time: 'soon'"));
}

ALONE(a_watchdog_of_less_than_can_be_served_is_named) {
    no_watchdog("9999", NULL);
    CHECK(was_said("WATCHDOG_USEC is shorter than 10 ms"));
}

static void unusable(const char *name, int error) {
    said[0] = '\0';
    int files = open_files();
    environment(name, "3000000", NULL);
    supervisor_open();
    CHECK(was_said("the service manager is told nothing: NOTIFY_SOCKET=") && was_said(strerror(error)));
    CHECK_INT(open_files(), files);
    supervisor_ready("x");
    CHECK(supervisor_deadline() == VH_NEVER);
}

ALONE(a_socket_that_cannot_be_used_is_named) {
    char longest[2 * VH_SUN_PATH_MAX];
    unusable("/nowhere/at/all", ENOENT);
    unusable("vsock:2:1234", EAFNOSUPPORT);
    memset(longest, '/', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    unusable(longest, ENAMETOOLONG);
    longest[0] = '@';
    unusable(longest, ENAMETOOLONG);
    fail_nr(SYS_socket, 1, EMFILE);
    unusable(path, EMFILE);
}

ALONE(a_descriptor_gets_a_newline_and_its_end) {
    int ends[2];
    char number[16], got[4];
    CHECK(pipe(ends) == 0);
    (void)snprintf(number, sizeof number, "%d", ends[1]);
    CHECK(supervisor_ready_fd(number));
    CHECK_INT(fcntl(ends[1], F_GETFD), FD_CLOEXEC);
    supervisor_ready("x");
    supervisor_reloading();
    supervisor_ready("y");
    CHECK_INT(read(ends[0], got, sizeof got), 1);
    CHECK_INT(got[0], '\n');
    CHECK_INT(read(ends[0], got, sizeof got), 0);
}

ALONE(a_descriptor_that_nobody_reads_is_named) {
    int ends[2];
    char number[16];
    (void)signal(SIGPIPE, SIG_IGN);
    CHECK(pipe(ends) == 0);
    (void)snprintf(number, sizeof number, "%d", ends[1]);
    CHECK(supervisor_ready_fd(number));
    (void)close(ends[0]);
    supervisor_ready("x");
    CHECK(was_said("--ready-fd ") && was_said(strerror(EPIPE)));
}

ALONE(what_is_no_descriptor_is_refused) {
    static const char *const wrong[] = {"", "x", "-1", "0", "1", "2", "3x", "700", "99999999999999999999"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        CHECK(!supervisor_ready_fd(wrong[i]));
}

int main(void) {
    if (mkdtemp(dir) == NULL)
        return 1;
    (void)snprintf(path, sizeof path, "%s/notify", dir);
    (void)alarm(240); /* nothing here waits */
    RUN(nobody_has_asked);
    RUN(a_socket_with_a_path_is_told);
    RUN(an_abstract_socket_is_told);
    RUN(a_status_that_is_too_long_is_cut);
    RUN(a_full_socket_delays_and_loses_nothing);
    RUN(a_socket_that_fails_is_logged_once_and_tried_again);
    RUN(signs_of_life_come_twice_in_each_interval);
    RUN(anothers_watchdog_is_not_ours);
    RUN(a_watchdog_of_no_time_is_named);
    RUN(a_watchdog_of_less_than_can_be_served_is_named);
    RUN(a_socket_that_cannot_be_used_is_named);
    RUN(a_descriptor_gets_a_newline_and_its_end);
    RUN(a_descriptor_that_nobody_reads_is_named);
    RUN(what_is_no_descriptor_is_refused);
    (void)unlink(path);
    (void)rmdir(dir);
    TEST_MAIN_END;
}
