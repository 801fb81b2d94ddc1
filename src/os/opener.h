/*
 * opener.h - opens what the loop in its sandbox cannot open: a configuration that was replaced, a listening socket, the
 * source of uevents. A worker process, the opener, does so by order.
 *
 * No order carries a path, an address or a port. The opener knows every path from the start, and reads from the
 * configuration where to listen. A configuration that it has read counts for its listeners once the loop has put it in
 * force (opener_in_force). Before opener_seal() the loop opens these things itself.
 */
#ifndef VHOTPLUG_OPENER_H
#define VHOTPLUG_OPENER_H

#include "base/limits.h"
#include "os/pollset.h"
#include "os/worker.h"

#include <stdbool.h>
#include <stdint.h>

enum opener_what {              /* what waits is done in this order */
                   OPEN_CONF,   /* a copy of the file's text */
                   OPEN_UNLINK, /* opens nothing: removes the API's socket file, if it is still the one that was made */
                   OPEN_UEVENTS,
                   OPEN_UNIX, /* removes what it made elsewhere before */
                   OPEN_TCP,
                   OPEN_VSOCK,
                   OPEN_MADE, /* of opener_seal(): which socket files were made at start */
                   OPEN_END,  /* of opener_stop(): removes what is left of them */
                   OPEN_KINDS,
};

/* Where one configuration listens. */
struct opener_listeners {
    bool unix_on, tcp_on, vsock_on;
    char unix_path[VH_SUN_PATH_MAX], host[VH_HOST_MAX];
    unsigned unix_mode;
    bool unix_owned;  /* has an owner or group: for that only the start has the right */
    int64_t uid, gid; /* -1: as it is */
    uint16_t tcp_port;
    uint32_t vsock_port;
};

/* Paths must stay valid; "" is none. */
struct opener_places {
    const char *conf_dir, *conf_target; /* directories: of the file, and of the file that it may be a link to */
    const char *sockets;                /* where unix sockets may be made */
    const char *uevents;                /* the tests' replacement for netlink */
    const char *uevents_dir;
    /* In the opener: a descriptor of a copy of the configuration's text, or -1 with errno. *valid: *l is filled. */
    int (*read_conf)(struct opener_listeners *l, bool *valid);
};

/* fd: the callee's, or -1. error: 0 or an errno, see opener_why(). */
typedef void opener_answer(enum opener_what what, int fd, int error);

bool opener_start(const struct opener_places *p, const struct opener_listeners *l); /* false after logging why */
void opener_listen_at(const struct opener_listeners *l); /* before opener_seal(): the next ones are opened there */
/* Before the loop enters its sandbox: from here on the opener opens. It is shut in then, or late, or gone. */
void opener_seal(void);
bool opener_sealed(void);
/* The answer may come before this returns; at the latest it comes VH_T_OPEN later. What is asked for already is not
 * asked for again. NULL: nobody waits. */
void opener_ask(enum opener_what what, opener_answer *answer);
void opener_in_force(void);        /* the configuration of the last answer to OPEN_CONF */
const char *opener_why(int error); /* in words */
void opener_stop(void);            /* the API's socket file is gone then; waits for VH_T_OPEN at most */

void opener_count(struct worker_counts *n);
void opener_fill(struct pollset *ps);
void opener_ready(const struct pollset *ps);
int64_t opener_deadline(void);
void opener_tick(int64_t now);

#endif
