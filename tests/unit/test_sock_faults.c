/*
 * test_sock_faults.c - sock.c while calls fail: the error of each way to listen, connect and ask, and nothing that
 * stays behind.
 */
#include "fault.h"
#include "os/pollset.h"
#include "os/sock.h"
#include "test.h"

#include <arpa/inet.h>
#include <linux/vm_sockets.h>
#include <netinet/in.h>
#include <stdint.h>
#include <sys/un.h>

static char dir[] = "/tmp/vh-sock-XXXXXX";
static char path[128];

static void place(const char *name) {
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
}

static bool exists(void) {
    struct stat st;
    return lstat(path, &st) == 0;
}

/* Fails with `error`, and leaves neither a descriptor nor a file. */
static void listens_not(int fd, int error, int files) {
    opens_nothing(fd, error, files);
    CHECK(!exists());
}

static void a_unix_listener_that_fails_leaves_nothing(void) {
    int files = open_files();
    place("api");
    fail_nr(SYS_socket, 1, EMFILE);
    listens_not(sock_listen_unix(path, 0660, -1, -1), EMFILE, files);
    fail_nr(SYS_fchmod, 1, EIO);
    listens_not(sock_listen_unix(path, 0660, -1, -1), EIO, files);
    fail_call("bind", 1, EACCES);
    listens_not(sock_listen_unix(path, 0660, -1, -1), EACCES, files);
    fail_call("chown", 1, EPERM);
    listens_not(sock_listen_unix(path, 0660, 1, -1), EPERM, files);
    fail_call("chown", 1, EPERM);
    listens_not(sock_listen_unix(path, 0660, -1, 1), EPERM, files);
    fail_call("listen", 1, EADDRINUSE);
    listens_not(sock_listen_unix(path, 0660, -1, -1), EADDRINUSE, files);
}

static void a_path_that_is_too_long_is_no_path(void) {
    char text[300];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    errno = 0;
    CHECK_INT(sock_listen_unix(text, 0600, -1, -1), -1);
    CHECK_INT(errno, ENAMETOOLONG);
    errno = 0;
    CHECK_INT(sock_connect_unix(text), -1);
    CHECK_INT(errno, ENAMETOOLONG);
}

static void what_is_there_is_replaced_only_if_nobody_listens(void) {
    place("there");
    int file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    CHECK(file >= 0 && close(file) == 0);
    CHECK_INT(sock_listen_unix(path, 0600, -1, -1), -1);
    CHECK_INT(errno, EEXIST);
    CHECK(unlink(path) == 0);
    int first = sock_listen_unix(path, 0600, -1, -1);
    CHECK(first >= 0);
    CHECK_INT(sock_listen_unix(path, 0600, -1, -1), -1);
    CHECK_INT(errno, EADDRINUSE);
    static const int lives[] = {EAGAIN, EACCES, EMFILE}; /* a full queue, or unknown */
    for (size_t i = 0; i < sizeof lives / sizeof *lives; i++) {
        fail_call("connect", 1, lives[i]);
        CHECK_INT(sock_listen_unix(path, 0600, -1, -1), -1);
        CHECK_INT(errno, EADDRINUSE);
        heal();
    }
    CHECK(close(first) == 0); /* no server any more */
    fail_nr(SYS_unlinkat, 1, EROFS);
    CHECK_INT(sock_listen_unix(path, 0600, -1, -1), -1);
    CHECK_INT(errno, EROFS);
    heal();
    fail_nr(SYS_unlinkat, 1, ENOENT); /* another process removed the file; bind() reports what is wrong */
    CHECK_INT(sock_listen_unix(path, 0600, -1, -1), -1);
    CHECK_INT(errno, EADDRINUSE);
    heal();
    fail_nr(SYS_statx, 1, EIO);
    CHECK_INT(sock_listen_unix(path, 0600, -1, -1), -1);
    CHECK_INT(errno, EIO);
    heal();
    int second = sock_listen_unix(path, 0600, -1, -1);
    CHECK(second >= 0 && close(second) == 0);
    CHECK(unlink(path) == 0);
}

static void a_tcp_or_vsock_listener_that_fails_leaves_nothing(void) {
    static const char *const hosts[] = {"127.0.0.1", "localhost", "::1"};
    int files = open_files();
    place("none");
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        fail_nr(SYS_socket, 1, EMFILE);
        listens_not(sock_listen_tcp(hosts[i], 1, false), EMFILE, files);
        give_nr(SYS_socket, 1, dup(0));
        fail_call("setsockopt", 1, ENOBUFS);
        listens_not(sock_listen_tcp(hosts[i], 1, false), ENOBUFS, files);
        give_nr(SYS_socket, 1, dup(0));
        give_call("setsockopt", 0, 0);
        fail_call("bind", 1, EADDRINUSE);
        listens_not(sock_listen_tcp(hosts[i], 1, false), EADDRINUSE, files);
        give_nr(SYS_socket, 1, dup(0));
        give_call("setsockopt", 0, 0);
        give_call("bind", 1, 0);
        fail_call("listen", 1, EADDRINUSE);
        listens_not(sock_listen_tcp(hosts[i], 1, false), EADDRINUSE, files);
    }
    for (int i = 2; i <= 7; i++) { /* whichever option it is */
        give_nr(SYS_socket, 1, dup(0));
        fail_call("setsockopt", i, ENOPROTOOPT);
        give_call("setsockopt", 0, 0);
        listens_not(sock_listen_tcp("::1", 1, true), ENOPROTOOPT, files);
    }
    listens_not(sock_listen_tcp("example.org", 1, false), EINVAL, files);
    fail_nr(SYS_socket, 1, EAFNOSUPPORT);
    listens_not(sock_listen_vsock(2000), EAFNOSUPPORT, files);
    give_nr(SYS_socket, 1, dup(0));
    fail_call("bind", 1, EADDRINUSE);
    listens_not(sock_listen_vsock(2000), EADDRINUSE, files);
}

static void an_interrupted_call_is_made_again(void) {
    int pair[2], passed = -1;
    char buf[4];
    CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0);
    fail_call("sendmsg", 1, EINTR);
    CHECK_INT(sock_send(pair[0], "abc", 3, -1), 3);
    fail_call("recvmmsg", 1, EINTR);
    CHECK_INT(sock_recv(pair[1], buf, sizeof buf), 3);
    CHECK_INT(sock_send(pair[0], "abcd", 4, -1), 4);
    fail_call("recvmmsg", 1, EINTR);
    CHECK_INT(sock_recv_fds(pair[1], buf, sizeof buf, &passed, 1), 4);
    CHECK(all_failed());
    heal();
    place("accept");
    int listener = sock_listen_unix(path, 0600, -1, -1), client = sock_connect_unix(path);
    fail_nr(SYS_accept4, 1, EINTR);
    int server = sock_accept(listener);
    CHECK(all_failed() && server >= 0 && client >= 0);
    heal();
    CHECK(close(server) == 0 && close(client) == 0 && close(listener) == 0 && unlink(path) == 0);
    CHECK(close(pair[0]) == 0 && close(pair[1]) == 0);
}

static void nothing_there_and_an_error_are_told_apart(void) {
    int pair[2], passed = -1;
    char buf[4];
    CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0);
    CHECK_INT(sock_recv(pair[1], buf, sizeof buf), 0);
    CHECK_INT(sock_recv_fds(pair[1], buf, sizeof buf, &passed, 1), 0);
    fail_call("sendmsg", 1, EAGAIN);
    CHECK_INT(sock_send(pair[0], "a", 1, -1), 0);
    heal();
    fail_call("sendmsg", 1, EPIPE);
    fail_call("recvmmsg", 1, ECONNRESET);
    CHECK(sock_send(pair[0], "a", 1, -1) == -1 && errno == EPIPE);
    CHECK(sock_recv(pair[1], buf, sizeof buf) == -1 && errno == ECONNRESET);
    heal();
    fail_call("recvmmsg", 1, ECONNRESET);
    CHECK(sock_recv_fds(pair[1], buf, sizeof buf, &passed, 1) == -1 && errno == ECONNRESET);
    heal();
    CHECK(close(pair[0]) == 0);
    CHECK(sock_recv(pair[1], buf, sizeof buf) == -1 && errno == 0);
    CHECK(sock_recv_fds(pair[1], buf, sizeof buf, &passed, 1) == -1 && errno == 0);
    CHECK(close(pair[1]) == 0);
}

/* Whoever passed a socket shares its flags, and may take O_NONBLOCK back. */
static void on_a_socket_that_blocks_nothing_waits(void) {
    int pair[2], passed = -1;
    char buf[4];
    CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
    CHECK_INT(sock_recv(pair[1], buf, sizeof buf), 0);
    CHECK_INT(sock_recv_fds(pair[1], buf, sizeof buf, &passed, 1), 0);
    CHECK(!sock_ended(pair[1]));
    int sent = 0;
    while (sent < 100000 && sock_send(pair[0], "a", 1, -1) == 1)
        sent++;
    CHECK(sent > 0 && sent < 100000); /* the queue is full */
    CHECK_INT(sock_send(pair[0], "a", 1, -1), 0);
    CHECK(close(pair[0]) == 0 && !sock_ended(pair[1]));
    while (sock_recv(pair[1], buf, sizeof buf) == 1)
        sent--;
    CHECK_INT(sent, 0);
    CHECK(sock_ended(pair[1]));
    CHECK(close(pair[1]) == 0);
}

static void a_descriptor_with_a_message_that_is_too_long_is_closed(void) {
    int pair[2], passed = -1, files = open_files();
    char buf[4];
    CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0);
    CHECK_INT(sock_send(pair[0], "abcd", 4, 0), 4);
    CHECK_INT(sock_recv_fds(pair[1], buf, 4, &passed, 1), 4);
    CHECK(passed >= 0 && close(passed) == 0);
    CHECK_INT(sock_send(pair[0], "abcde", 5, 0), 5);
    CHECK(sock_recv_fds(pair[1], buf, 4, &passed, 1) == -1 && errno == EMSGSIZE);
    CHECK_INT(passed, -1);
    CHECK(close(pair[0]) == 0 && close(pair[1]) == 0);
    CHECK_INT(open_files(), files);
}

/* Ancillary data of a message need not be descriptors. */
static int level, type;
static size_t with_control(struct msghdr *m) {
    struct cmsghdr *c = CMSG_FIRSTHDR(m);
    c->cmsg_len = CMSG_LEN(sizeof(int));
    c->cmsg_level = level;
    c->cmsg_type = type;
    memset(CMSG_DATA(c), 0, sizeof(int));
    return m->msg_iov->iov_len;
}

static void only_descriptors_are_taken_for_descriptors(void) {
    char buf[4];
    int passed = -1;
    on_message = with_control;
    level = SOL_SOCKET, type = SCM_CREDENTIALS;
    CHECK_INT(sock_recv_fds(0, buf, sizeof buf, &passed, 1), 4);
    CHECK_INT(passed, -1);
    level = IPPROTO_IP, type = SCM_RIGHTS;
    CHECK_INT(sock_recv_fds(0, buf, sizeof buf, &passed, 1), 4);
    CHECK_INT(passed, -1);
    on_message = NULL;
}

/* ---- who is at the other end ---- */

static void who_cannot_be_asked_for_is_nobody(void) {
    uint32_t a = 7, b = 7, groups[4];
    int32_t pid = 7;
    uint8_t address[16];
    char text[64] = "";
    fail_call("getsockopt", 0, ENOTCONN);
    CHECK(!sock_peer_unix(0, &a, &b, &pid));
    CHECK(a == 7 && b == 7 && pid == 7);
    CHECK_INT(sock_peer_groups(0, groups, 4), -1);
    CHECK(!sock_peer_vsock(0, &a, &b));
    CHECK(!sock_peer_tcp(0, address, text, sizeof text));
    CHECK(text[0] == '\0' && a == 7 && b == 7);
    heal();
}

/* A peer of another family: the address is not one of VSOCK, nor of TCP. */
static void a_peer_of_another_family_is_nobody(void) {
    int pair[2];
    uint32_t cid = 7, port = 7;
    uint8_t address[16];
    char text[64] = "";
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    CHECK(!sock_peer_vsock(pair[0], &cid, &port));
    CHECK(cid == 7 && port == 7);
    CHECK(!sock_peer_tcp(pair[0], address, text, sizeof text));
    CHECK(close(pair[0]) == 0 && close(pair[1]) == 0);
}

static void a_tcp_peer_is_an_address_of_16_bytes_and_its_text(void) {
    static const struct {
        const char *host, *text;
        bool v4;
    } ways[] = {{"127.0.0.1", "127.0.0.1", true}, {"::1", "::1", false}};
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        struct sockaddr_in6 at;
        socklen_t len = sizeof at;
        uint8_t address[16];
        char text[64] = "";
        int listener = sock_listen_tcp(ways[i].host, 0, false);
        if (listener < 0 && !ways[i].v4)
            continue; /* a machine without IPv6 */
        CHECK(getsockname(listener, (struct sockaddr *)&at, &len) == 0);
        int client = socket(ways[i].v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
        CHECK(connect(client, (const struct sockaddr *)&at, len) == 0);
        int server = sock_accept(listener);
        if (!sock_peer_tcp(server, address, text, sizeof text) && (errno == ENOPROTOOPT || errno == EOPNOTSUPP)) {
            CHECK(close(server) == 0 && close(client) == 0 && close(listener) == 0);
            continue; /* an emulator that does not know SO_PEERNAME */
        }
        CHECK_STR(text, ways[i].text);
        CHECK_INT(address[15], 1);
        CHECK_INT(address[10], ways[i].v4 ? 0xff : 0);
        CHECK(!sock_peer_tcp(server, address, text, 3)); /* too small for the text */
        CHECK(close(server) == 0 && close(client) == 0 && close(listener) == 0);
    }
}

/* ---- the poll set ---- */

static void what_was_polled_is_looked_up_by_slot_and_descriptor(void) {
    static struct pollset ps;
    int at = pollset_add(&ps, 5, POLLIN);
    ps.fd[at].revents = POLLIN;
    CHECK_INT(pollset_got(&ps, at, 5), POLLIN);
    CHECK_INT(pollset_got(&ps, at, 6), 0); /* the slot has another descriptor now */
    CHECK_INT(pollset_got(&ps, at, -1), 0);
    CHECK_INT(pollset_got(&ps, -1, 5), 0);
    CHECK_INT(pollset_got(&ps, at + 1, 5), 0);
}

int main(void) {
    CHECK(mkdtemp(dir) != NULL);
    RUN(a_unix_listener_that_fails_leaves_nothing);
    RUN(a_path_that_is_too_long_is_no_path);
    RUN(what_is_there_is_replaced_only_if_nobody_listens);
    RUN(a_tcp_or_vsock_listener_that_fails_leaves_nothing);
    RUN(an_interrupted_call_is_made_again);
    RUN(nothing_there_and_an_error_are_told_apart);
    RUN(on_a_socket_that_blocks_nothing_waits);
    RUN(a_descriptor_with_a_message_that_is_too_long_is_closed);
    RUN(only_descriptors_are_taken_for_descriptors);
    RUN(who_cannot_be_asked_for_is_nobody);
    RUN(a_peer_of_another_family_is_nobody);
    RUN(a_tcp_peer_is_an_address_of_16_bytes_and_its_text);
    RUN(what_was_polled_is_looked_up_by_slot_and_descriptor);
    CHECK(rmdir(dir) == 0);
    TEST_MAIN_END;
}
