/*
 * test_host_lock.c - host_lock.c: one process has the lock, others are told which one; it ends with that process,
 * whatever its helpers do. Where no lock can be had, that is said and nobody is kept from starting.
 */
#include "fault.h"
#include "os/helper.h"
#include "os/host_lock.h"
#include "os/sysfs.h"
#include "tree.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

enum { TOOK = 1, REFUSED = 2 };

/* A helper that hangs: it does not see the end of its socket. */
static void hang(int fd, const void *arg) {
    const int *until = arg;
    char byte;
    (void)fd;
    (void)!read(*until, &byte, 1);
}

/* Another process: takes the lock and stays. until: it starts a helper first, which lives until that pipe is closed. */
static pid_t daemon_process(int *until) {
    int words[2], pipe_fd[2];
    char word = 0;
    CHECK(pipe2(words, O_CLOEXEC) == 0 && pipe2(pipe_fd, O_CLOEXEC) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        (void)close(pipe_fd[1]);
        bool ok = host_lock_take() && (until == NULL || helper_start("x", hang, &pipe_fd[0]) >= 0);
        word = ok ? TOOK : REFUSED;
        if (write(words[1], &word, 1) == 1 && ok)
            (void)pause();
        _exit(0);
    }
    (void)close(words[1]);
    (void)close(pipe_fd[0]);
    CHECK(read(words[0], &word, 1) == 1);
    CHECK_INT(word, TOOK);
    (void)close(words[0]);
    if (until != NULL)
        *until = pipe_fd[1];
    else
        (void)close(pipe_fd[1]);
    return pid;
}

static void end(pid_t pid) {
    CHECK(kill(pid, SIGKILL) == 0 && waitpid(pid, NULL, 0) == pid);
}

/* In a process of its own, since the lock is that of a process. */
static bool may_start(void) {
    int status = -1;
    char text[sizeof said] = "";
    said[0] = '\0';
    int words = open(at("words"), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    pid_t pid = fork();
    if (pid == 0) {
        bool took = host_lock_take();
        (void)!pwrite(words, said, strlen(said), 0);
        _exit(took ? TOOK : REFUSED);
    }
    CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
    heal();
    CHECK(pread(words, text, sizeof text - 1, 0) >= 0);
    (void)close(words);
    memcpy(said, text, sizeof said);
    return WEXITSTATUS(status) == TOOK;
}

static void a_second_one_is_told_of_the_first(void) {
    char text[32];
    int holder = 0;
    heal();
    CHECK_INT(host_lock_look(&holder), HOST_LOCK_FREE);
    CHECK_INT(host_lock_obstacle(), 0);
    CHECK(access(at("dev/vhotplug.lock"), F_OK) != 0); /* to look makes nothing */
    pid_t pid = daemon_process(NULL);
    (void)snprintf(text, sizeof text, "pid=%d ", (int)pid);
    CHECK(!may_start());
    CHECK(was_said("another vhotplug runs on this host: ") && was_said(text));
    CHECK_INT(host_lock_look(&holder), HOST_LOCK_HELD);
    CHECK_INT(holder, pid);
    end(pid);
    CHECK_INT(host_lock_look(&holder), HOST_LOCK_FREE);
    CHECK_INT(host_lock_obstacle(), 0);
    CHECK(may_start());
    CHECK(!was_said("vhotplug"));
}

/* Only whoever may open the file can hold up a daemon. */
static void nobody_else_may_open_the_file(void) {
    struct stat st;
    (void)umask(0);
    (void)unlink(at("dev/vhotplug.lock"));
    CHECK(may_start());
    CHECK(stat(at("dev/vhotplug.lock"), &st) == 0);
    CHECK_INT(st.st_mode & 07777, 0600);
    CHECK_INT(st.st_size, 0);
}

static void a_helper_holds_no_lock_for_a_daemon_that_was_killed(void) {
    int until = -1, holder = 0;
    pid_t pid = daemon_process(&until);
    CHECK(kill(pid, SIGSTOP) == 0 && !may_start()); /* one that is stopped runs */
    end(pid);
    CHECK_INT(host_lock_look(&holder), HOST_LOCK_FREE);
    CHECK(may_start());
    (void)close(until);
}

static int hidden_fd;

/* Says on its socket whether it has the descriptor. */
static void tell(int fd, const void *arg) {
    char word = fcntl(hidden_fd, F_GETFD) >= 0 ? REFUSED : TOOK;
    (void)arg;
    (void)!write(fd, &word, 1);
}

/* A helper that was taken over could write to it. */
static void no_helper_has_the_file(void) {
    int files = open_files(), status = -1;
    hidden_fd = open(at("x"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    pid_t pid = fork();
    CHECK(hidden_fd >= 0);
    if (pid == 0) { /* hidden once for each process */
        char word = 0;
        helper_hide(hidden_fd);
        int sock = helper_start("x", tell, NULL);
        bool told = read(sock, &word, 1) == 1 && word == TOOK;
        _exit(told && fcntl(hidden_fd, F_GETFD) >= 0 ? 0 : 1);
    }
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK_INT(status, 0);
    (void)close(hidden_fd);
    CHECK_INT(open_files(), files);
}

/* Whether a daemon runs is not known then; without one no device would reach any VM. */
static void where_there_is_no_lock_a_daemon_starts(void) {
    static const char warning[] = "whether another vhotplug runs on this host cannot be told";
    int holder = 0;
    fail_call("openat", 1, EROFS);
    CHECK(may_start());
    CHECK(was_said(warning) && was_said("/dev/vhotplug.lock: ") && was_said(strerror(EROFS)));
    fail_call("fcntl", 1, ENOLCK);
    CHECK(may_start());
    CHECK(was_said(warning) && was_said(strerror(ENOLCK)));
    (void)unlink(at("dev/vhotplug.lock"));
    CHECK(symlink("/etc/passwd", at("dev/vhotplug.lock")) == 0);
    CHECK(may_start());
    CHECK(was_said(warning) && was_said(strerror(ELOOP)));
    CHECK_INT(host_lock_look(&holder), HOST_LOCK_UNKNOWN);
    CHECK_INT(errno, ELOOP);
    CHECK_INT(host_lock_obstacle(), ELOOP);
    CHECK(unlink(at("dev/vhotplug.lock")) == 0 && rmdir(at("dev")) == 0);
    CHECK(may_start());
    CHECK(was_said(warning) && was_said(strerror(ENOENT)));
    CHECK_INT(host_lock_look(&holder), HOST_LOCK_FREE);
    CHECK_INT(host_lock_obstacle(), ENOENT);
    make_directory("dev");
    heal();
    fail_call("openat", 1, ENOENT);
    fail_call("openat", 2, EACCES);
    CHECK_INT(host_lock_obstacle(), EACCES);
    heal();
    CHECK(may_start());
    fail_call("fcntl", 1, EINVAL);
    CHECK_INT(host_lock_look(&holder), HOST_LOCK_UNKNOWN);
    heal();
}

/* The holder may end before it can be named, and another one come, or be in another PID namespace. */
static void a_holder_that_has_no_name_is_one(void) {
    fail_call("fcntl", 1, EAGAIN); /* then it is free */
    CHECK(may_start());
    CHECK(!was_said("vhotplug"));
    fail_call("fcntl", 1, EAGAIN);
    fail_call("fcntl", 2, EINVAL);
    CHECK(!may_start());
    CHECK(was_said("pid=unknown"));
    fail_call("fcntl", 1, EAGAIN);
    fail_call("fcntl", 3, EACCES);
    fail_call("fcntl", 5, EAGAIN);
    CHECK(!may_start());
    CHECK(was_said("pid=unknown"));
    heal();
}

int main(void) {
    (void)alarm(240);
    CHECK(mkdtemp(top) != NULL);
    make_directory("dev");
    CHECK(sysfs_root(top));
    RUN(a_second_one_is_told_of_the_first);
    RUN(nobody_else_may_open_the_file);
    RUN(a_helper_holds_no_lock_for_a_daemon_that_was_killed);
    RUN(no_helper_has_the_file);
    RUN(a_holder_that_has_no_name_is_one);
    RUN(where_there_is_no_lock_a_daemon_starts);
    remove_tree();
    TEST_MAIN_END;
}
