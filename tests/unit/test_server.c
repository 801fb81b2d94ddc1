/*
 * server.c: nothing is written to a client that is gone, a client that ends its input still gets its replies, and
 * another configuration disconnects clients that it would refuse.
 */
#include "base/limits.h"
#include "fault.h"
#include "os/clock.h"
#include "os/pollset.h"
#include "os/sock.h"
#include "server/server.h"
#include "test.h"

#include <stdio.h>

static char dir[] = "/tmp/vh-server-XXXXXX";
static struct api_conf conf, other;
static struct client_ref last;
static char recorded[512];
static bool answers;

static void record(const char *what) {
    size_t n = strlen(recorded);
    (void)snprintf(recorded + n, sizeof recorded - n, "%s ", what);
}

static void line(struct client_ref c, const struct principal *who, char *text, size_t len) {
    (void)who, (void)text, (void)len;
    last = c;
    record(text != NULL ? "line" : "long");
    if (answers)
        server_reply(c, "reply\n", 6);
}
static void refused(const struct principal *who, const char *why) {
    (void)who;
    record(why);
}
static void closed(struct client_ref c) {
    (void)c;
    record("closed");
}
static bool part(struct client_ref c, uint64_t *cursor, struct sbuf *out) {
    (void)c, (void)cursor;
    sb_str(out, "part\n");
    return false;
}
static uint64_t stamp(struct client_ref c) {
    (void)c;
    return 0;
}
static void quiet(void) {
    record("quiet");
}
static const struct server_calls calls = {line, refused, closed, part, stamp, quiet};

static const char *heard(void) {
    static char text[sizeof recorded];
    memcpy(text, recorded, sizeof text);
    recorded[0] = '\0';
    return text;
}

static void pass(void) {
    static struct pollset ps;
    ps.n = 0;
    server_fill(&ps);
    CHECK(__real_poll(ps.fd, (nfds_t)ps.n, 0) >= 0);
    int64_t now = clock_now();
    server_ready(&ps, now);
    server_tick(now);
}

static int call(void) {
    int fd = sock_connect_unix(conf.unix_path);
    CHECK(fd >= 0);
    pass();
    return fd;
}

static void say(int fd, const char *text) {
    CHECK(__real_send(fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text));
    pass();
}

static const char *received(int fd) {
    static char text[4096];
    ssize_t n = __real_read(fd, text, sizeof text - 1);
    text[n > 0 ? n : 0] = '\0';
    return text;
}

static void start(void) {
    memset(&conf, 0, sizeof conf);
    conf.enable = conf.unix_on = true;
    conf.unix_mode = 0600;
    conf.peer_clients = 16;
    conf.peer_rate = 1000;
    conf.line_seconds = 10;
    (void)snprintf(conf.unix_path, sizeof conf.unix_path, "%s/api.sock", dir);
    answers = true;
    server_start(&conf, &calls);
    (void)heard();
}

static void stop(void) {
    heal();
    server_stop();
    (void)heard();
}

static void memory_is_given_back_once_nobody_asks(void) {
    start();
    CHECK(server_deadline() == VH_NEVER);
    int fd = call();
    CHECK(server_deadline() == VH_NEVER); /* connecting needs none */
    say(fd, "request\n");
    CHECK_STR(heard(), "line ");
    int64_t at = server_deadline();
    CHECK(at != VH_NEVER && at > clock_now() - ms_to_ns(VH_T_IDLE));
    server_tick(at - 1);
    CHECK_STR(heard(), "");
    say(fd, "request\n"); /* it is not quiet: the time begins anew */
    CHECK(server_deadline() > at);
    server_tick(at);
    CHECK_STR(heard(), "line ");
    server_tick(server_deadline());
    CHECK_STR(heard(), "quiet ");
    CHECK(server_deadline() == VH_NEVER);
    CHECK(close(fd) == 0);
    stop();
}

static void who_is_gone_is_written_to_no_more(void) {
    struct principal who;
    const struct principal *subscriber = &who;
    int cursor = 0;
    start();
    answers = false;
    int fd = call();
    say(fd, "request\n");
    CHECK_STR(heard(), "line ");
    CHECK(close(fd) == 0);
    pass();
    CHECK_STR(heard(), "closed ");
    server_reply(last, "reply\n", 6);
    server_reply_parts(last);
    server_charge(last, 5);
    server_subscribe(last, true, false);
    server_event_to(last, "event\n", 6);
    CHECK(!server_subscriber(&cursor, false, &last, &subscriber));
    /* The next client in that place gets none of its output. */
    answers = true;
    fd = call();
    server_reply(last, "reply\n", 6);
    server_event_to(last, "event\n", 6);
    CHECK_STR(received(fd), "");
    say(fd, "request\n");
    CHECK_STR(received(fd), "reply\n");
    CHECK(close(fd) == 0);
    stop();
}

static void a_connection_that_breaks_is_closed(void) {
    start();
    int fd = call();
    fail_call("recvmmsg", 1, ECONNRESET);
    say(fd, "request\n");
    CHECK_STR(heard(), "closed ");
    CHECK(close(fd) == 0);
    stop();
}

/* The client sends no more requests, and still gets every reply before the connection is closed. */
static void who_has_ended_still_gets_what_is_owed(void) {
    start();
    int fd = call();
    CHECK(__real_send(fd, "request\nlast without newline", 28, MSG_NOSIGNAL) == 28 && shutdown(fd, SHUT_WR) == 0);
    pass();
    server_event_to(last, "event\n", 6);
    fail_call("write", 1, EAGAIN);
    server_event_to(last, "more\n", 5);
    pass();
    heal();
    for (int i = 0; i < 4; i++)
        pass();
    CHECK_STR(received(fd), "reply\nevent\nmore\nreply\n");
    CHECK_STR(heard(), "line line closed ");
    CHECK(close(fd) == 0);
    stop();
}

/* The end of an overlong line does not end a request. */
static void an_endless_line_is_told_once(void) {
    static char text[VH_LINE_MAX * 2];
    start();
    memset(text, 'x', sizeof text - 1);
    int fd = call();
    say(fd, text);
    for (int i = 0; i < 4; i++)
        pass();
    CHECK_STR(heard(), "long ");
    CHECK(shutdown(fd, SHUT_WR) == 0);
    for (int i = 0; i < 4; i++)
        pass();
    CHECK_STR(heard(), "closed ");
    CHECK(close(fd) == 0);
    stop();
}

static void who_would_not_come_in_any_more_is_sent_away(void) {
    start();
    int fd = call();
    other = conf;
    server_reload(&other); /* no key of the API has changed */
    pass();
    CHECK_STR(heard(), "");
    fail_call("getsockopt", 0, ENOTCONN); /* the client cannot be identified any more */
    server_reload(&conf);
    pass();
    CHECK_STR(heard(), "another configuration closed ");
    heal();
    CHECK(close(fd) == 0);
    fd = call();
    other.unix_on = false;
    server_reload(&other);
    pass();
    CHECK_STR(heard(), "another configuration closed ");
    CHECK(close(fd) == 0);
    stop();
}

static void who_is_nobody_is_not_let_in(void) {
    start();
    fail_call("getsockopt", 0, ENOTCONN);
    int fd = call();
    CHECK(strstr(heard(), "closed") == NULL);
    heal();
    CHECK_STR(received(fd), "");
    CHECK(close(fd) == 0);
    stop();
}

int main(void) {
    CHECK(mkdtemp(dir) != NULL);
    RUN(who_is_gone_is_written_to_no_more);
    RUN(a_connection_that_breaks_is_closed);
    RUN(who_has_ended_still_gets_what_is_owed);
    RUN(an_endless_line_is_told_once);
    RUN(memory_is_given_back_once_nobody_asks);
    RUN(who_would_not_come_in_any_more_is_sent_away);
    RUN(who_is_nobody_is_not_let_in);
    CHECK(rmdir(dir) == 0);
    TEST_MAIN_END;
}
