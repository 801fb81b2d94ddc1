/*
 * test_listen.c - sock.c: what an accepted connection inherits, and whose socket file may be replaced.
 */
#include "base/limits.h"
#include "os/sock.h"
#include "test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static int option(int fd, int level, int name) {
    int value = -1;
    socklen_t len = sizeof value;
    return getsockopt(fd, level, name, &value, &len) == 0 ? value : -1;
}

/* Both ends of a connection over the loopback; false where there is no such address. */
static bool connect_to(const char *host, int *ours, int *theirs) {
    struct sockaddr_storage a;
    socklen_t len = sizeof a;
    int listener = sock_listen_tcp(host, 0, false);
    if (listener < 0)
        return false;
    CHECK(getsockname(listener, (struct sockaddr *)&a, &len) == 0);
    *theirs = socket(a.ss_family, SOCK_STREAM, 0);
    CHECK(connect(*theirs, (struct sockaddr *)&a, len) == 0);
    *ours = sock_accept(listener);
    CHECK(*ours >= 0);
    (void)close(listener);
    return true;
}

static void a_connection_has_what_its_listener_was_given(void) {
    static const char *const hosts[] = {"127.0.0.1", "localhost", "::1"};
    int seen = 0;
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        int ours = -1, theirs = -1;
        if (!connect_to(hosts[i], &ours, &theirs))
            continue;
        seen++;
        CHECK_INT(option(ours, SOL_SOCKET, SO_KEEPALIVE), 1);
        CHECK_INT(option(ours, IPPROTO_TCP, TCP_NODELAY), 1);
        CHECK_INT(option(ours, IPPROTO_TCP, TCP_KEEPIDLE), VH_T_TCP_IDLE / 1000);
        CHECK_INT(option(ours, IPPROTO_TCP, TCP_KEEPINTVL), VH_T_TCP_PROBE / 1000);
        CHECK_INT(option(ours, IPPROTO_TCP, TCP_USER_TIMEOUT), VH_T_TCP_DEAD);
        CHECK((fcntl(ours, F_GETFL) & O_NONBLOCK) != 0 && (fcntl(ours, F_GETFD) & FD_CLOEXEC) != 0);
        (void)close(ours);
        (void)close(theirs);
    }
    CHECK(seen >= 2);
}

static void an_address_is_a_number(void) {
    CHECK(sock_listen_tcp("example.org", 0, false) == -1);
    CHECK_INT(errno, EINVAL);
}

/* ---- whose socket file it is ---- */

static char dir[] = "/tmp/vh-listen-XXXXXX";

static const char *in_dir(const char *name) {
    static char path[64];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

static int bound(const char *path, int type) {
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    (void)snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
    int fd = socket(AF_UNIX, type, 0);
    CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof a) == 0);
    return fd;
}

static bool is_there(const char *path) {
    struct stat st;
    return stat(path, &st) == 0;
}

static void a_dead_socket_is_replaced_and_its_directory_made(void) {
    const char *path = in_dir("made/api.sock");
    int fd = sock_listen_unix(path, 0600, -1, -1);
    CHECK(fd >= 0 && is_there(path));
    CHECK(sock_listen_unix(path, 0600, -1, -1) == -1);
    CHECK_INT(errno, EADDRINUSE);
    (void)close(fd);
    fd = sock_listen_unix(path, 0600, -1, -1);
    CHECK(fd >= 0);
    (void)close(fd);
}

static void what_is_no_socket_of_the_kind_stays(void) {
    const char *path = in_dir("datagrams");
    int fd = bound(path, SOCK_DGRAM);
    CHECK(sock_listen_unix(path, 0600, -1, -1) == -1);
    CHECK_INT(errno, EADDRINUSE);
    CHECK(is_there(path));
    (void)close(fd);
    path = in_dir("file");
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    CHECK(fd >= 0 && sock_listen_unix(path, 0600, -1, -1) == -1);
    CHECK_INT(errno, EEXIST);
    CHECK(is_there(path));
    (void)close(fd);
}

/* Who may not connect to it cannot know that nobody listens, though he may remove it. */
static void a_socket_that_is_out_of_reach_counts_as_alive(void) {
    char path[64];
    (void)snprintf(path, sizeof path, "%s", in_dir("others"));
    CHECK(chmod(dir, 0777) == 0);
    int fd = bound(path, SOCK_STREAM);
    CHECK(listen(fd, 1) == 0 && chmod(path, 0) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        bool other = geteuid() != 0 || setuid(65534) == 0;
        int e = other && sock_listen_unix(path, 0600, -1, -1) < 0 ? errno : 0;
        _exit(e);
    }
    int status = 0;
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK_INT(WEXITSTATUS(status), EADDRINUSE);
    CHECK(is_there(path));
    (void)close(fd);
}

int main(void) {
    test_ok = true;
    CHECK(mkdtemp(dir) != NULL);
    if (!test_ok)
        return 1;
    RUN(a_connection_has_what_its_listener_was_given);
    RUN(an_address_is_a_number);
    RUN(a_dead_socket_is_replaced_and_its_directory_made);
    RUN(what_is_no_socket_of_the_kind_stays);
    RUN(a_socket_that_is_out_of_reach_counts_as_alive);
    char command[64];
    (void)snprintf(command, sizeof command, "rm -rf %s", dir);
    CHECK(system(command) == 0);
    TEST_MAIN_END;
}
