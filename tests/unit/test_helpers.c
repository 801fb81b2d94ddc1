/*
 * test_helpers.c - helper.c: how processes beside the daemon start. One that cannot start leaves nothing; one that has
 * started ends when its socket does, whichever others live.
 */
#include "fault.h"
#include "os/helper.h"
#include "test.h"

#include <signal.h>
#include <sys/wait.h>

static void serve_nothing(int fd, const void *arg) {
    (void)fd, (void)arg;
}

static void wait_for_the_end(int fd, const void *arg) {
    char byte;
    (void)arg;
    (void)!read(fd, &byte, 1);
}

static void a_helper_that_cannot_start_leaves_nothing(void) {
    int files = open_files();
    fail_call("socketpair", 1, EMFILE);
    CHECK_INT(helper_start("x", serve_nothing, NULL), -1);
    CHECK(was_said("cannot make a socket for x: ") && was_said(strerror(EMFILE)));
    heal();
    fail_call("fork", 1, EAGAIN);
    CHECK_INT(helper_start("x", serve_nothing, NULL), -1);
    CHECK(was_said("cannot start x: ") && was_said(strerror(EAGAIN)));
    heal();
    CHECK_INT(open_files(), files);
}

static void helpers_end_with_their_sockets(void) {
    int files = open_files(), fd[3];
    for (int i = 0; i < 3; i++)
        fd[i] = helper_start("x", wait_for_the_end, NULL);
    for (int i = 0; i < 3; i++) { /* the first one is held by none that was started later */
        CHECK(fd[i] >= 0);
        helper_close(fd[i]);
        CHECK(waitpid(-1, NULL, 0) > 0);
    }
    CHECK_INT(open_files(), files);
}

int main(void) {
    (void)signal(SIGPIPE, SIG_IGN);
    (void)alarm(240); /* a helper that does not end would be waited for */
    RUN(a_helper_that_cannot_start_leaves_nothing);
    RUN(helpers_end_with_their_sockets);
    TEST_MAIN_END;
}
