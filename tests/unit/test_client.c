/*
 * One client's output: its order, whatever the socket takes, and the count of events that did not fit.
 */
#include "fault.h"
#include "server/client.h"
#include "test.h"

#include <stdio.h>

static struct client_buffers buffers;
static struct client c;
static struct server_stats stats;
static int theirs = -1;
static const struct client_ref ref = {0, 1};

/* ---- replies in parts ---- */

static uint32_t parts;
static uint64_t stamp;
static int rendered;

static bool part(struct client_ref r, uint64_t *cursor, struct sbuf *out) {
    (void)r;
    rendered++;
    sb_fmt(out, "part%u%s", (unsigned)*cursor, *cursor + 1 == parts ? "\n" : ",");
    return ++*cursor < parts;
}

static uint64_t stamp_of(struct client_ref r) {
    (void)r;
    return stamp;
}

static const struct server_calls calls = {.part = part, .stamp = stamp_of};

/* ---- the other end ---- */

static void begin(void) {
    const struct principal who = {.role = ROLE_ADMIN, .vm = -1};
    int pair[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0);
    theirs = pair[1];
    memset(&stats, 0, sizeof stats);
    client_open(&c, &buffers, pair[0], &who);
    heal();
}

static void end(void) {
    heal();
    CHECK(close(c.fd) == 0 && (theirs < 0 || close(theirs) == 0));
}

static const char *received(void) {
    static char text[VH_QUEUE_MAX * 4];
    ssize_t n = __real_read(theirs, text, sizeof text - 1);
    text[n > 0 ? n : 0] = '\0';
    return text;
}

static void flush(void) {
    client_flush(&c, ref, &calls);
}

static void asks(void) {
    CHECK(client_reads(&c));
    c.asked = true;
    c.barrier = c.queue_len;
}

static void event(const char *text) {
    client_event(&c, text, strlen(text), &stats);
}

/* ---- */

static void who_reads_gets_everything_at_once(void) {
    begin();
    event("one\n");
    asks();
    client_reply(&c, "reply\n", 6);
    event("two\n");
    CHECK_STR(received(), "one\nreply\ntwo\n");
    CHECK(!client_owes(&c) && client_reads(&c) && stats.events_sent == 2);
    end();
}

/* Events before the request, then the reply, then later events, in pieces of any size. */
static void the_order_is_kept_whatever_the_socket_takes(void) {
    begin();
    fail_call("write", 1, EAGAIN);
    event("one\n");
    CHECK(client_owes(&c));
    asks();
    event("two\n"); /* its reply comes before this */
    CHECK(client_owes(&c));
    client_reply(&c, "reply\n", 6); /* must wait for "one" */
    CHECK_STR(received(), "");
    CHECK(!client_reads(&c));
    event("three\n");
    flush();
    CHECK_STR(received(), "one\nreply\ntwo\nthree\n");
    CHECK(!client_owes(&c) && client_reads(&c));
    /* The reply is cut; an event with an empty queue waits behind it. */
    asks();
    fail_call("write", 1, EINTR);
    heal();
    give_call("write", 1, 2);
    client_reply(&c, "reply\n", 6);
    CHECK(client_owes(&c) && !client_reads(&c));
    heal();
    event("four\n");
    CHECK_STR(received(), "");
    fail_call("write", 1, EAGAIN);
    flush();
    heal();
    give_call("write", 1, 1);
    flush(); /* "p" went */
    heal();
    flush();
    CHECK_STR(received(), "ly\nfour\n");
    end();
}

static void an_event_cut_in_the_middle_is_finished(void) {
    begin();
    give_call("write", 1, 3);
    event("long line\n");
    CHECK(client_owes(&c));
    heal();
    event("next\n");
    flush();
    CHECK_STR(received(), "g line\nnext\n");
    CHECK_INT(stats.events_sent, 2);
    end();
}

/* A flood of events for a client that does not read: dropped, counted, and reported at the position of the loss. */
static void what_has_no_room_is_counted_and_told(void) {
    static char line[1000];
    char loss[96];
    memset(line, 'x', sizeof line - 2);
    line[sizeof line - 2] = '\n';
    begin();
    fail_call("write", 0, EAGAIN);
    for (int i = 0; i < 100; i++)
        event(line);
    CHECK(stats.events_dropped > 50 && stats.events_sent + stats.events_dropped == 100);
    CHECK_INT(c.lost, stats.events_dropped);
    heal();
    (void)snprintf(loss, sizeof loss, "{\"event\": \"notifications_lost\", \"count\": %u}\n",
                   (unsigned)stats.events_dropped);
    flush();
    const char *text = received();
    CHECK(strlen(text) > strlen(loss) && strcmp(text + strlen(text) - strlen(loss), loss) == 0);
    CHECK_INT(c.lost, 0);
    event("after\n");
    CHECK_STR(received(), "after\n");
    end();
}

/* The queue is a flat buffer: queued bytes move to its start when the end is reached. */
static void a_queue_that_is_half_sent_makes_room(void) {
    static char line[VH_QUEUE_MAX / 4 + 1];
    memset(line, 'y', sizeof line - 2);
    line[sizeof line - 2] = '\n';
    begin();
    fail_call("write", 0, EAGAIN);
    for (int i = 0; i < 3; i++)
        event(line);
    heal();
    give_call("write", 1, (long)strlen(line) * 2);
    flush();
    heal();
    fail_call("write", 0, EAGAIN);
    for (int i = 0; i < 2; i++)
        event(line);
    CHECK_INT(stats.events_dropped, 0);
    heal();
    flush();
    CHECK_INT(strlen(received()), strlen(line) * 3);
    end();
}

/* A broken connection: no more is written, and the client is freed after the pass. */
static void a_broken_connection_is_dead_at_once(void) {
    begin();
    fail_call("write", 1, EPIPE);
    event("one\n");
    CHECK_INT(c.state, CLIENT_DEAD);
    flush();
    CHECK_INT(faults[0].calls, 1);
    end();
    begin();
    asks();
    fail_call("write", 1, ECONNRESET);
    client_reply(&c, "reply\n", 6);
    CHECK_INT(c.state, CLIENT_DEAD);
    end();
    begin();
    asks();
    give_call("write", 1, 1);
    fail_call("write", 2, EPIPE);
    client_reply(&c, "reply\n", 6);
    flush();
    CHECK_INT(c.state, CLIENT_DEAD);
    end();
    begin();
    asks();
    parts = 3;
    fail_call("write", 1, EPIPE);
    client_reply_parts(&c);
    flush();
    CHECK_INT(c.state, CLIENT_DEAD);
    end();
    begin();
    fail_call("write", 1, EAGAIN);
    event("one\n");
    fail_call("write", 1, EPIPE);
    flush();
    CHECK_INT(c.state, CLIENT_DEAD);
    end();
}

static void parts_come_one_after_the_other(void) {
    begin();
    parts = 3;
    stamp = 0;
    asks();
    client_reply_parts(&c);
    flush();
    CHECK_STR(received(), "part0,part1,part2\n");
    CHECK(client_reads(&c));
    /* Cut: only the part that was cut is kept; the event waits for all of them. */
    asks();
    client_reply_parts(&c);
    give_call("write", 1, 8);
    fail_call("write", 2, EAGAIN);
    flush();
    CHECK(!client_reads(&c) && client_owes(&c));
    event("event\n");
    heal();
    flush();
    CHECK_STR(received(), "rt1,part2\nevent\n");
    CHECK(client_reads(&c));
    end();
}

/* With a stamp, parts rendered for one client are sent to others, from any cursor. */
static void parts_with_a_stamp_are_made_once(void) {
    begin();
    parts = 4;
    stamp = 5;
    asks();
    client_reply_parts(&c);
    flush();
    CHECK_STR(received(), "part0,part1,part2,part3\n");
    int before = rendered;
    asks();
    client_reply_parts(&c);
    give_call("write", 1, 13);
    fail_call("write", 2, EAGAIN);
    flush();
    heal();
    flush();
    CHECK_STR(received(), "art2,part3\n");
    CHECK_INT(rendered, before);
    asks();
    client_reply_parts(&c);
    c.cursor = 77; /* no part in the cache begins there */
    parts = 78;
    flush();
    CHECK_STR(received(), "part77\n");
    CHECK_INT(rendered, before + 1);
    stamp = 6;
    asks();
    parts = 1;
    client_reply_parts(&c);
    flush();
    CHECK_STR(received(), "part0\n");
    CHECK_INT(rendered, before + 2);
    end();
}

int main(void) {
    RUN(who_reads_gets_everything_at_once);
    RUN(the_order_is_kept_whatever_the_socket_takes);
    RUN(an_event_cut_in_the_middle_is_finished);
    RUN(what_has_no_room_is_counted_and_told);
    RUN(a_queue_that_is_half_sent_makes_room);
    RUN(a_broken_connection_is_dead_at_once);
    RUN(parts_come_one_after_the_other);
    RUN(parts_with_a_stamp_are_made_once);
    TEST_MAIN_END;
}
