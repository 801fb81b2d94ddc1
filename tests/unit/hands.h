/*
 * hands.h - a test plays the connectors: no process is forked, and the orders are done in this one, by the connectors'
 * own code, when hands_serve() is called. Needs fault.h.
 */
#ifndef VHOTPLUG_HANDS_H
#define VHOTPLUG_HANDS_H

#include "fault.h"
#include "os/pollset.h"
#include "os/sock.h"
#include "vmm/connector.h"

static int hands[VH_MAX_CONNECTORS]; /* the connectors' ends; -1: closed */
static const struct worker_job *hands_job;

/* Heals. */
UNUSED_HERE void hands_start(const struct conf *c, int inotify, connector_reload_fn *reload,
                             const struct connector_calls *calls) {
    static struct pollset ps;
    const struct connector_setup s = {.conf = c, .inotify = inotify, .reload = reload};
    int pair[2];
    give_call("fork", 0, 1);
    CHECK(connector_start(&s, calls));
    heal();
    hands_job = connector_work(&s);
    ps.n = 0;
    connector_fill(&ps);
    CHECK_INT(ps.n, VH_MAX_CONNECTORS);
    for (int i = 0; i < VH_MAX_CONNECTORS; i++) {
        CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0);
        CHECK(dup3(pair[0], ps.fd[i].fd, O_CLOEXEC) >= 0 && close(pair[0]) == 0);
        hands[i] = pair[1];
    }
}

UNUSED_HERE void hands_die(int i) {
    if (hands[i] >= 0)
        (void)close(hands[i]);
    hands[i] = -1;
}

UNUSED_HERE void hands_stop(void) {
    connector_stop();
    for (int i = 0; i < VH_MAX_CONNECTORS; i++)
        hands_die(i);
}

/* The order that a connector has, if there is one. */
UNUSED_HERE bool hands_order(int i, struct connector_order *o) {
    int fds[WORKER_FDS];
    ssize_t n = hands[i] >= 0 ? sock_recv_fds(hands[i], o, sizeof *o, fds, WORKER_FDS) : 0;
    CHECK(n <= 0 || n == (ssize_t)sizeof *o);
    CHECK(n <= 0 || (fds[0] < 0 && fds[1] < 0)); /* no descriptor goes to a connector */
    return n > 0;
}

UNUSED_HERE void hands_answer(int i, const struct connector_answer *a, size_t n, const int fds[WORKER_FDS]) {
    CHECK_INT(sock_send_fds(hands[i], a, n, fds, WORKER_FDS), (long)n);
}

/* Does what they were asked. False: nothing. */
UNUSED_HERE bool hands_serve(void) {
    bool any = false;
    for (int i = 0; i < VH_MAX_CONNECTORS; i++) {
        struct connector_order o;
        struct connector_answer a;
        int out[WORKER_FDS] = {-1, -1};
        if (!hands_order(i, &o))
            continue;
        any = true;
        size_t n = hands_job->handle(&o, -1, &a, out);
        CHECK_INT((long)n, (long)sizeof a);
        a.head = o.head;
        hands_answer(i, &a, n, out);
        for (int k = 0; k < WORKER_FDS; k++) {
            if (out[k] >= 0)
                (void)close(out[k]);
        }
    }
    return any;
}

#endif
