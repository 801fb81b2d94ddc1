/*
 * test_cli_wire.c - cli_wire.c: the client's connection. Each failure has its own text, waits end, and no descriptor
 * stays open. The test itself is the daemon: the queue of its listener takes the connection.
 */
#include "base/limits.h"
#include "cli/cli_wire.h"
#include "fault.h"
#include "os/accounts.h"
#include "os/sock.h"
#include "test.h"

#include <linux/vm_sockets.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/un.h>

static char dir[] = "/tmp/vh-wire-XXXXXX", path[128], why[VH_ERROR_MAX];
static const struct cli_target unix_target = {.transport = CLI_UNIX, .path = path};
static const char closed[] = "the daemon closed the connection: not allowed, or it ended";
static int listener = -1, daemon_fd = -1;

static void connect_and_accept(void) {
    CHECK(cli_connect(&unix_target, why, sizeof why));
    daemon_fd = sock_accept(listener);
    CHECK(daemon_fd >= 0);
}

static void hang_up(void) {
    if (daemon_fd >= 0)
        CHECK(close(daemon_fd) == 0);
    daemon_fd = -1;
    cli_close();
}

static void connects_not(const struct cli_target *t, const char *text, int files) {
    bool ok = cli_connect(t, why, sizeof why);
    CHECK(!ok && all_failed());
    heal();
    CHECK_STR(why, text);
    CHECK_INT(open_files(), files);
}

static void nobody_there_is_said_with_the_place(void) {
    static char expected[256], far[200];
    int files = open_files();
    struct cli_target t = {.transport = CLI_UNIX, .path = "/nowhere/x.sock"};
    connects_not(&t, "cannot connect to unix socket /nowhere/x.sock: no such socket: is vhotplug running?", files);
    t = (struct cli_target){.transport = CLI_TCP, .host = "not.an.address"};
    connects_not(&t, "cannot connect to not.an.address port 2000: not a numeric address", files);
    t = (struct cli_target){.transport = CLI_TCP, .host = "::1", .port = 7};
    fail_call("connect", 1, ECONNREFUSED);
    connects_not(
        &t,
        "cannot connect to ::1 port 7: nobody listens: is vhotplug running, with \"tcp\" in general.api.transports?",
        files);
    t = (struct cli_target){.transport = CLI_TCP, .host = "localhost"};
    fail_call("socket", 1, EMFILE);
    (void)snprintf(expected, sizeof expected, "cannot connect to localhost port 2000: %s", strerror(EMFILE));
    connects_not(&t, expected, files);
    t = (struct cli_target){.transport = CLI_TCP};
    fail_call("connect", 1, ENETUNREACH);
    (void)snprintf(expected, sizeof expected, "cannot connect to 127.0.0.1 port 2000: %s", strerror(ENETUNREACH));
    connects_not(&t, expected, files);
    t = (struct cli_target){.transport = CLI_VSOCK};
    give_call("socket", 1, dup(0));
    fail_call("connect", 1, ENODEV);
    connects_not(&t, "cannot connect to vsock CID 2 port 2000: no vsock here (kernel module missing?)", files);
    t = (struct cli_target){.transport = CLI_VSOCK, .cid = 5, .port = UINT32_MAX};
    give_call("socket", 1, dup(0));
    fail_call("connect", 1, ECONNRESET);
    connects_not(&t,
                 "cannot connect to vsock CID 5 port 4294967295: nobody listens: is vhotplug running, with \"vsock\" "
                 "in general.api.transports?",
                 files);
    fail_call("socket", 1, EAFNOSUPPORT);
    connects_not(&t, "cannot connect to vsock CID 5 port 4294967295: this kernel has no AF_VSOCK", files);
    fail_call("connect", 1, ECONNREFUSED);
    (void)snprintf(expected, sizeof expected, "cannot connect to unix socket %s: nobody listens: is vhotplug running?",
                   path);
    connects_not(&unix_target, expected, files);
    memset(far, 'x', sizeof far - 1);
    t = (struct cli_target){.transport = CLI_UNIX, .path = far};
    CHECK(!cli_connect(&t, why, sizeof why));
    CHECK(strstr(why, strerror(ENAMETOOLONG)) != NULL);
}

/* ---- in a guest or not ---- */

static unsigned own_cid;
static int vsock_error;
static int answer(unsigned long what, void *argument) {
    errno = vsock_error;
    *(unsigned *)argument = own_cid;
    return what == IOCTL_VM_SOCKETS_GET_LOCAL_CID && vsock_error == 0 ? 0 : -1;
}

/* Where a client without options looks, if nobody is there. */
static const char *looked_in(uint32_t port) {
    const struct cli_target t = {.transport = CLI_DEFAULT, .port = port};
    fail_call("connect", 0, ECONNREFUSED);
    give_call("socket", 1, dup(0));
    give_call("socket", 2, dup(0));
    CHECK(!cli_connect(&t, why, sizeof why));
    heal();
    bool vsock = strstr(why, "vsock CID 2 port ") != NULL;
    bool unix_socket = strstr(why, "unix socket /var/lib/vhotplug/vhotplug.sock: ") != NULL;
    CHECK(strstr(why, "; another place: -u PATH (or VHOTPLUG_SOCKET), -s HOST, -t vsock") != NULL);
    return vsock && unix_socket ? "both" : vsock ? "vsock" : unix_socket ? "unix" : why;
}

static const char *something(const char *name) {
    return strcmp(name, "/dev/vsock") == 0 ? "/dev/null" : NULL;
}

static void a_guest_looks_for_a_socket_then_calls_its_host(void) {
    on_ioctl = answer;
    fail_call("open", 1, ENOENT);
    CHECK_STR(looked_in(0), "unix");
    on_path = something;
    own_cid = 3;
    CHECK_STR(looked_in(0), "both");
    CHECK(strstr(why, "cannot connect to unix socket ") == why &&
          strstr(why, "; nor to vsock CID 2 port 2000: nobody ") != NULL);
    CHECK_STR(looked_in(70000), "vsock"); /* a unix socket has no port */
    CHECK(strstr(why, "cannot connect to vsock CID 2 port 70000: ") == why);
    own_cid = VMADDR_CID_HOST;
    CHECK_STR(looked_in(0), "unix");
    own_cid = VMADDR_CID_ANY; /* no transport is loaded */
    CHECK_STR(looked_in(0), "unix");
    own_cid = 3;
    vsock_error = ENOTTY;
    CHECK_STR(looked_in(0), "unix");
    on_path = NULL;
    on_ioctl = NULL;
}

/* ---- whom the socket lets in ---- */

static char groups[] = "/tmp/vh-group-XXXXXX";
static const char *own_groups(const char *name) {
    return strcmp(name, "/etc/group") == 0 ? groups : NULL;
}

static void denied(mode_t mode, const char *text) {
    char expected[256];
    CHECK(chmod(path, mode) == 0);
    fail_call("connect", 1, EACCES);
    (void)snprintf(expected, sizeof expected, "cannot connect to unix socket %s: permission denied: %s", path, text);
    connects_not(&unix_target, expected, open_files());
}

static void who_is_not_let_in_hears_who_is(void) {
    char text[128], user[64], line[64];
    int fd = mkstemp(groups), n = snprintf(line, sizeof line, "other:x:99:\nhotplug:x:%u:a,b\n", (unsigned)getegid());
    CHECK(fd >= 0 && write(fd, line, (size_t)n) == n && close(fd) == 0);
    on_path = own_groups;
    (void)snprintf(text, sizeof text, "it is open to group 'hotplug' (%u); join that group", (unsigned)getegid());
    denied(0660, text);
    on_path = NULL;
    (void)accounts_name(ACCOUNTS_USERS, geteuid(), user, sizeof user);
    (void)snprintf(text, sizeof text, "it is open to user '%s' (%u) alone", user, (unsigned)geteuid());
    denied(0600, text);
    fail_call("stat", 1, EACCES);
    denied(0600, "the way to it is closed to this user");
    CHECK(unlink(groups) == 0);
}

/* ---- slow connections ---- */

static void a_connection_under_way_is_waited_for(void) {
    int files = open_files();
    fail_call("connect", 1, EINPROGRESS);
    give_call("poll", 1, 1);
    give_call("getsockopt", 1, 0); /* no error */
    CHECK(cli_connect(&unix_target, why, sizeof why));
    CHECK(all_failed());
    heal();
    cli_close();
    fail_call("connect", 1, EINPROGRESS);
    fail_call("poll", 1, EINTR);
    give_call("poll", 2, 0); /* the time is up */
    CHECK(!cli_connect(&unix_target, why, sizeof why));
    CHECK(all_failed());
    CHECK(strstr(why, strerror(ETIMEDOUT)) != NULL);
    heal();
    fail_call("connect", 1, EINPROGRESS);
    fail_call("poll", 1, ENOMEM);
    CHECK(!cli_connect(&unix_target, why, sizeof why));
    CHECK(strstr(why, strerror(ENOMEM)) != NULL);
    heal();
    fail_call("connect", 1, EINPROGRESS);
    give_call("poll", 1, 1);
    fail_call("getsockopt", 1, ENOTSOCK);
    CHECK(!cli_connect(&unix_target, why, sizeof why));
    CHECK(strstr(why, strerror(ENOTSOCK)) != NULL);
    heal();
    CHECK_INT(open_files(), files);
}

/* ---- sending ---- */

static void what_is_sent_arrives_whole(void) {
    char got[64] = "";
    connect_and_accept();
    fail_call("send", 1, EINTR);
    fail_call("send", 2, EAGAIN);
    CHECK(cli_send("hello\n", 6, why, sizeof why));
    CHECK(all_failed());
    heal();
    CHECK_INT(sock_recv(daemon_fd, got, sizeof got), 6);
    CHECK_STR(got, "hello\n");
    hang_up();
}

static void what_cannot_be_sent_is_said(void) {
    connect_and_accept();
    fail_call("send", 1, EAGAIN);
    give_call("poll", 1, 0); /* nobody reads */
    CHECK(!cli_send("hello\n", 6, why, sizeof why));
    CHECK(strstr(why, "cannot send: ") == why && strstr(why, strerror(ETIMEDOUT)) != NULL);
    heal();
    fail_call("send", 1, EPIPE);
    CHECK(!cli_send("hello\n", 6, why, sizeof why));
    CHECK_STR(why, closed);
    heal();
    hang_up();
}

/* ---- receiving ---- */

static bool receive(const char *expected) {
    const char *line = "";
    size_t len = 0;
    if (!cli_receive(&line, &len, 1000, why, sizeof why))
        return false;
    CHECK_STR(line, expected);
    CHECK_INT(len, strlen(expected));
    return true;
}

static void receives_not(const char *text) {
    CHECK(!receive(""));
    CHECK(all_failed());
    CHECK_STR(why, text);
    heal();
}

static void without_memory_nothing_is_received(void) {
    connect_and_accept();
    fail_call("mmap", 1, ENOMEM);
    receives_not("no memory");
    hang_up();
}

static void lines_come_one_by_one(void) {
    connect_and_accept();
    CHECK_INT(sock_send(daemon_fd, "one\ntwo\nthr", 11, -1), 11);
    CHECK(receive("one") && receive("two"));
    CHECK_INT(sock_send(daemon_fd, "ee\n\n", 4, -1), 4);
    fail_call("recv", 1, EINTR);
    fail_call("recv", 2, EAGAIN);
    fail_call("poll", 1, EINTR);
    CHECK(receive("three") && receive(""));
    CHECK(all_failed());
    heal();
    hang_up();
}

/* A person may type while the daemon is silent, and the other way round. */
static void the_daemon_and_the_terminal_are_waited_for(void) {
    int ends[2];
    CHECK(pipe(ends) == 0);
    connect_and_accept();
    CHECK(write(ends[1], "2\n", 2) == 2);
    CHECK(!cli_wait(ends[0]));
    CHECK_INT(sock_send(daemon_fd, "one\ntwo\n", 8, -1), 8);
    CHECK(cli_wait(ends[0]));
    CHECK(receive("one"));
    CHECK(cli_wait(ends[0])); /* a line that has come already */
    CHECK(receive("two"));
    CHECK(!cli_wait(ends[0]));
    fail_call("poll", 1, EINTR);
    CHECK(!cli_wait(ends[0]));
    CHECK(all_failed());
    heal();
    CHECK(close(daemon_fd) == 0);
    daemon_fd = -1;
    CHECK(cli_wait(ends[0])); /* that it is gone is found by receiving */
    CHECK(close(ends[0]) == 0 && close(ends[1]) == 0);
    hang_up();
}

static void what_does_not_come_is_said(void) {
    char text[128];
    connect_and_accept();
    CHECK_INT(sock_send(daemon_fd, "half a li", 9, -1), 9);
    give_call("poll", 2, 0);
    receives_not("no answer within 1 s");
    fail_call("poll", 1, ENOMEM);
    receives_not("cannot wait (1 s)");
    give_call("poll", 1, 1);
    fail_call("recv", 1, EIO);
    (void)snprintf(text, sizeof text, "cannot receive: %s", strerror(EIO));
    receives_not(text);
    give_call("poll", 1, 1);
    fail_call("recv", 1, ECONNRESET);
    receives_not(closed);
    CHECK(close(daemon_fd) == 0);
    daemon_fd = -1;
    receives_not(closed);
    hang_up();
}

/* A peer that talks without end, for ever if it is let. */
static void a_line_without_end_has_one(void) {
    const char *line = "";
    size_t len = 0;
    connect_and_accept();
    give_call("poll", 0, 1);
    give_call("recv", 0, 1 << 20); /* zero bytes: the buffer is new */
    CHECK(!cli_receive(&line, &len, -1, why, sizeof why));
    CHECK(strstr(why, "the reply is longer than ") == why);
    heal();
    hang_up();
}

int main(void) {
    CHECK(mkdtemp(dir) != NULL);
    (void)snprintf(path, sizeof path, "%s/api.sock", dir);
    listener = sock_listen_unix(path, 0600, -1, -1);
    CHECK(listener >= 0);
    RUN(nobody_there_is_said_with_the_place);
    RUN(a_guest_looks_for_a_socket_then_calls_its_host);
    RUN(who_is_not_let_in_hears_who_is);
    RUN(without_memory_nothing_is_received);
    RUN(what_is_sent_arrives_whole);
    RUN(what_cannot_be_sent_is_said);
    RUN(lines_come_one_by_one);
    RUN(the_daemon_and_the_terminal_are_waited_for);
    RUN(what_does_not_come_is_said);
    RUN(a_line_without_end_has_one);
    RUN(a_connection_under_way_is_waited_for);
    CHECK(close(listener) == 0 && unlink(path) == 0 && rmdir(dir) == 0);
    TEST_MAIN_END;
}
