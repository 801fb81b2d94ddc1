/*
 * test_opener.c - opener.c: what is asked for is opened by the opener and answered once; where to listen comes from the
 * configuration that the opener has read and the loop has put in force; an opener that is late, or gone, keeps nobody.
 */
#include "base/duration.h"
#include "fault.h"
#include "os/clock.h"
#include "os/opener.h"
#include "os/sock.h"
#include "os/sysfs.h"
#include "test.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

enum { SYS_LANDLOCK_CREATE = 444, WAIT_MS = 20000, BAD_ERRNO = 5000 };

static char top[] = "/tmp/vh-opener-XXXXXX", conf_path[64], sock_a[64], sock_b[64], uevents[64];

/* ---- the configuration: one word of a file says which it is ---- */

static volatile pid_t *reader; /* shared with the opener: its process, once it has begun to read */

static int read_conf(struct opener_listeners *l, bool *valid) {
    char word[16] = "";
    *reader = getpid();
    *valid = false;
    int fd = open(conf_path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    ssize_t n = read(fd, word, sizeof word - 1);
    CHECK(n >= 0 && lseek(fd, 0, SEEK_SET) == 0);
    if (strcmp(word, "hang") == 0)
        (void)pause();
    if (strcmp(word, "lie") == 0) {
        (void)close(fd);
        errno = BAD_ERRNO;
        return -1;
    }
    *l = (struct opener_listeners){.unix_on = true, .unix_mode = 0600, .uid = -1, .gid = -1};
    l->unix_owned = strcmp(word, "owned") == 0;
    l->tcp_on = strcmp(word, "tcp") == 0;
    (void)snprintf(l->host, sizeof l->host, "127.0.0.1");
    (void)snprintf(l->unix_path, sizeof l->unix_path, "%s", sock_b);
    *valid = strcmp(word, "bad") != 0;
    return fd;
}

static void write_conf(const char *word) {
    int fd = open(conf_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    CHECK(fd >= 0 && write(fd, word, strlen(word)) == (ssize_t)strlen(word) && close(fd) == 0);
}

static struct opener_places places = {
    .conf_dir = top, .conf_target = "", .sockets = top, .uevents = uevents, .uevents_dir = top, .read_conf = read_conf};
static struct opener_listeners listeners;

/* ---- answers ---- */

static struct { int n, fd, error; } got[OPEN_KINDS];

static void on_answer(enum opener_what what, int fd, int error) {
    got[what].n++;
    got[what].fd = fd;
    got[what].error = error;
    if (fd >= 0)
        CHECK(close(fd) == 0);
}

static void pass(int wait_ms) {
    static struct pollset ps;
    ps.n = 0;
    opener_fill(&ps);
    CHECK(__real_poll(ps.fd, (nfds_t)ps.n, wait_ms) >= 0);
    opener_ready(&ps);
}

/* The errno of the answer, 0 with a descriptor or for what opens nothing. */
static int ask(enum opener_what what) {
    int before = got[what].n;
    opener_ask(what, on_answer);
    for (int i = 0; i < 1000 && got[what].n == before; i++)
        pass(WAIT_MS / 1000);
    CHECK_INT(got[what].n, before + 1);
    CHECK(got[what].error != 0 || (got[what].fd >= 0) == (what != OPEN_UNLINK && what != OPEN_END));
    return got[what].error;
}

/* The sanitizers need more calls than a sandbox allows, so the opener of this test enters none. */
static void start(void) {
    fail_nr(SYS_LANDLOCK_CREATE, 0, ENOSYS);
    give_call("prctl", 0, 0);
    CHECK(opener_start(&places, &listeners));
    heal();
    opener_seal();
}

static void reap(void) {
    while (waitpid(-1, NULL, 0) > 0) {
    }
}

static void stop(void) {
    opener_stop();
    reap();
}

static bool there(const char *path) {
    struct stat st;
    return lstat(path, &st) == 0;
}

/* ---- */

static void before_the_sandbox_this_process_opens(void) {
    int files = open_files();
    CHECK(!opener_sealed());
    opener_listen_at(&listeners);
    CHECK_INT(ask(OPEN_UNIX), 0);
    CHECK(there(sock_a));
    CHECK_INT(ask(OPEN_UNLINK), 0);
    CHECK(!there(sock_a));
    CHECK_INT(ask(OPEN_UEVENTS), 0); /* the kernel's: no places are known yet */
    CHECK_INT(ask(OPEN_TCP), 0);
    fail_call("bind", 0, EADDRNOTAVAIL);
    CHECK_INT(ask(OPEN_VSOCK), EADDRNOTAVAIL);
    heal();
    CHECK_INT(ask(OPEN_CONF), EINVAL); /* conf_load.c reads it */
    CHECK_INT(open_files(), files);
}

static void the_opener_opens_again_and_again(void) {
    int files = open_files();
    start();
    CHECK(opener_sealed());
    for (int i = 0; i < 3; i++) {
        CHECK_INT(ask(OPEN_CONF), 0);
        CHECK_INT(ask(OPEN_UNIX), 0);
        CHECK_INT(ask(OPEN_TCP), 0);
        CHECK_INT(ask(OPEN_UEVENTS), 0);
    }
    CHECK(there(sock_a) && there(uevents));
    CHECK(unlink(conf_path) == 0);
    CHECK_INT(ask(OPEN_CONF), ENOENT);
    write_conf("a");
    CHECK_INT(opener_deadline(), VH_NEVER);
    stop();
    CHECK(!opener_sealed() && !there(sock_a) && !there(uevents));
    CHECK_INT(open_files(), files);
}

/* What has been read counts from the moment when the loop has it in force, and not if it was not valid. */
static void where_to_listen_is_said_by_the_configuration_in_force(void) {
    start();
    CHECK_INT(ask(OPEN_CONF), 0);
    CHECK_INT(ask(OPEN_UNIX), 0);
    CHECK(there(sock_a) && !there(sock_b));
    opener_in_force();
    CHECK_INT(ask(OPEN_UNIX), 0);
    CHECK(!there(sock_a) && there(sock_b));
    CHECK_INT(ask(OPEN_TCP), EACCES); /* it is not in this configuration */
    CHECK_INT(ask(OPEN_VSOCK), EACCES);
    write_conf("tcp");
    CHECK_INT(ask(OPEN_CONF), 0); /* read, and not taken */
    CHECK_INT(ask(OPEN_TCP), EACCES);
    write_conf("bad");
    CHECK_INT(ask(OPEN_CONF), 0);
    opener_in_force();
    CHECK_INT(ask(OPEN_TCP), EACCES);
    write_conf("tcp");
    CHECK_INT(ask(OPEN_CONF), 0);
    opener_in_force();
    CHECK_INT(ask(OPEN_TCP), 0);
    write_conf("owned"); /* for that only the start has the right */
    CHECK_INT(ask(OPEN_CONF), 0);
    opener_in_force();
    CHECK_INT(ask(OPEN_UNIX), EPERM);
    CHECK(there(sock_b));
    CHECK_INT(ask(OPEN_UNLINK), 0);
    CHECK(!there(sock_b));
    write_conf("a");
    stop();
}

static void what_is_asked_for_twice_is_opened_once(void) {
    start();
    int before = got[OPEN_TCP].n;
    opener_ask(OPEN_CONF, NULL); /* nobody wants the descriptor */
    opener_ask(OPEN_TCP, on_answer);
    opener_ask(OPEN_TCP, on_answer);
    CHECK_INT(ask(OPEN_UEVENTS), 0);
    CHECK_INT(ask(OPEN_VSOCK), ask(OPEN_VSOCK));
    CHECK_INT(got[OPEN_TCP].n, before + 1);
    stop();
}

/* The socket file of the start is known to the opener, too. */
static void a_loop_that_was_killed_leaves_no_socket_file(void) {
    int files = open_files();
    opener_listen_at(&listeners);
    (void)fflush(stdout);
    pid_t loop = fork();
    if (loop == 0) {
        CHECK_INT(ask(OPEN_UNIX), 0);
        start();
        CHECK_INT(ask(OPEN_CONF), 0);
        (void)kill(getpid(), SIGKILL);
    }
    CHECK(waitpid(loop, NULL, 0) == loop);
    for (int i = 0; i < WAIT_MS && there(sock_a); i++)
        (void)__real_poll(NULL, 0, 1);
    CHECK(!there(sock_a));
    CHECK_INT(open_files(), files);
}

static void a_socket_file_of_somebody_else_stays(void) {
    start();
    CHECK_INT(ask(OPEN_UNIX), 0);
    int fd = open(sock_b, O_WRONLY | O_CREAT | O_CLOEXEC, 0600); /* another inode */
    CHECK(fd >= 0 && close(fd) == 0 && rename(sock_b, sock_a) == 0);
    stop();
    CHECK(there(sock_a) && unlink(sock_a) == 0);
}

/* Its answer is dropped when it comes; what was asked for meanwhile has waited no longer than its own time. */
static void a_late_opener_keeps_nobody(void) {
    int files = open_files();
    start();
    CHECK_INT(ask(OPEN_CONF), 0);
    CHECK(kill(*reader, SIGSTOP) == 0);
    int conf = got[OPEN_CONF].n, tcp = got[OPEN_TCP].n;
    opener_ask(OPEN_CONF, on_answer);
    opener_ask(OPEN_TCP, on_answer);
    int64_t at = opener_deadline();
    CHECK(at > clock_now() && at <= clock_now() + ms_to_ns(VH_T_OPEN));
    opener_tick(at - 1);
    CHECK_INT(got[OPEN_CONF].n, conf);
    opener_tick(at + ms_to_ns(VH_T_OPEN));
    CHECK(got[OPEN_CONF].n == conf + 1 && got[OPEN_TCP].n == tcp + 1);
    CHECK(got[OPEN_CONF].error == ETIMEDOUT && got[OPEN_TCP].error == ETIMEDOUT);
    CHECK_STR(opener_why(ETIMEDOUT), "no answer in time");
    opener_ask(OPEN_TCP, on_answer); /* waits for the worker, and no longer than before */
    opener_tick(opener_deadline());
    CHECK_INT(got[OPEN_TCP].n, tcp + 2);
    opener_ask(OPEN_TCP, on_answer);
    CHECK(kill(*reader, SIGCONT) == 0);
    for (int i = 0; i < 1000 && got[OPEN_TCP].n == tcp + 2; i++)
        pass(WAIT_MS / 1000);
    CHECK_INT(got[OPEN_TCP].error, 0);
    CHECK_INT(got[OPEN_CONF].n, conf + 1);
    CHECK(!was_said("opener is gone"));
    stop();
    CHECK_INT(open_files(), files);
}

static void stopping_waits_for_no_opener_for_long(void) {
    start();
    CHECK_INT(ask(OPEN_CONF), 0);
    write_conf("hang");
    opener_ask(OPEN_CONF, NULL);
    give_call("ppoll", 0, 0);
    int64_t begun = clock_now();
    opener_stop();
    CHECK(clock_now() - begun < 2 * ms_to_ns(VH_T_OPEN));
    heal();
    write_conf("a");
    CHECK(kill(*reader, SIGKILL) == 0);
    reap();
}

static void all_else_is_refused(const char *why) {
    CHECK(was_said(why) && was_said("the opener is gone"));
    heal();
    CHECK_INT(ask(OPEN_CONF), EPIPE);
    CHECK_INT(ask(OPEN_UEVENTS), EPIPE);
    CHECK(!was_said("opener")); /* once */
    CHECK_STR(opener_why(EPIPE), "the opener is gone");
    pass(0);
    stop();
}

static void an_opener_that_is_gone_is_said_once(void) {
    int files = open_files();
    start();
    CHECK_INT(ask(OPEN_CONF), 0);
    CHECK(kill(*reader, SIGKILL) == 0);
    opener_ask(OPEN_TCP, on_answer);
    opener_ask(OPEN_VSOCK, on_answer);
    for (int i = 0; i < 1000 && !was_said("the opener is gone"); i++)
        pass(WAIT_MS / 1000);
    CHECK(got[OPEN_TCP].error == EPIPE && got[OPEN_VSOCK].error == EPIPE);
    all_else_is_refused("worker ended: name=vhotplug-opener");
    start();
    CHECK_INT(ask(OPEN_TCP), 0);
    fail_call("sendmsg", 1, ECONNRESET);
    CHECK_INT(ask(OPEN_TCP), EPIPE);
    all_else_is_refused(strerror(ECONNRESET));
    CHECK_INT(open_files(), files);
}

/* An opener that fails while the loop lives leaves the API its socket file. */
static void an_opener_that_ends_by_itself_removes_nothing(void) {
    fail_call("recvmmsg", 3, EIO); /* its own: the loop's are healed after the start */
    start();
    CHECK_INT(ask(OPEN_UNIX), 0);
    int again = 0;
    for (int i = 0; i < 10 && again == 0; i++)
        again = ask(OPEN_TCP);
    CHECK_INT(again, EPIPE);
    reap();
    CHECK(there(sock_a) && unlink(sock_a) == 0);
    stop();
    heal();
}

/* An answer that no opener of ours gives. */
static void an_opener_that_lies_is_ended(void) {
    int files = open_files();
    start();
    write_conf("lie");
    CHECK_INT(ask(OPEN_CONF), EPIPE);
    write_conf("a");
    all_else_is_refused("an answer of another form");
    CHECK_INT(open_files(), files);
}

static void without_a_process_or_its_sandbox_there_is_no_opener(void) {
    int files = open_files();
    fail_call("fork", 1, EAGAIN);
    CHECK(!opener_start(&places, &listeners));
    heal();
    fail_nr(SYS_capget, 0, EPERM);
    CHECK(opener_start(&places, &listeners));
    heal();
    reap();
    opener_seal();
    CHECK_INT(ask(OPEN_CONF), EPIPE);
    stop();
    CHECK_INT(open_files(), files);
}

int main(void) {
    CHECK(mkdtemp(top) != NULL && sysfs_root("/"));
    (void)snprintf(conf_path, sizeof conf_path, "%s/conf", top);
    (void)snprintf(sock_a, sizeof sock_a, "%s/a.sock", top);
    (void)snprintf(sock_b, sizeof sock_b, "%s/b.sock", top);
    (void)snprintf(uevents, sizeof uevents, "%s/uevents", top);
    listeners = (struct opener_listeners){
        .unix_on = true, .tcp_on = true, .vsock_on = true, .unix_mode = 0600, .uid = -1, .gid = -1, .vsock_port = 1};
    (void)snprintf(listeners.unix_path, sizeof listeners.unix_path, "%s", sock_a);
    (void)snprintf(listeners.host, sizeof listeners.host, "127.0.0.1");
    write_conf("a");
    (void)signal(SIGPIPE, SIG_IGN);
    (void)alarm(240); /* a process that does not end would be waited for */
    reader = mmap(NULL, sizeof *reader, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    RUN(before_the_sandbox_this_process_opens);
    RUN(the_opener_opens_again_and_again);
    RUN(where_to_listen_is_said_by_the_configuration_in_force);
    RUN(what_is_asked_for_twice_is_opened_once);
    RUN(a_loop_that_was_killed_leaves_no_socket_file);
    RUN(a_socket_file_of_somebody_else_stays);
    RUN(a_late_opener_keeps_nobody);
    RUN(stopping_waits_for_no_opener_for_long);
    RUN(an_opener_that_is_gone_is_said_once);
    RUN(an_opener_that_ends_by_itself_removes_nothing);
    RUN(an_opener_that_lies_is_ended);
    RUN(without_a_process_or_its_sandbox_there_is_no_opener);
    CHECK(unlink(conf_path) == 0 && rmdir(top) == 0);
    TEST_MAIN_END;
}
