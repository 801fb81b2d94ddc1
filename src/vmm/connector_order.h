/*
 * connector_order.h - what the loop asks a connector, and what it answers. An order names a VM by its name; its path
 * only says which one is meant: a connector uses the path of its own configuration. Pure.
 */
#ifndef VHOTPLUG_CONNECTOR_ORDER_H
#define VHOTPLUG_CONNECTOR_ORDER_H

#include "base/limits.h"
#include "os/worker.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum connector_kind {
    CONNECTOR_CONNECT = 1, /* connect to the VM's monitor; its server must be who it should be */
    CONNECTOR_LISTENING,   /* does anybody listen there? */
    CONNECTOR_LOOK,        /* watch the directory of the VM's socket; is there a socket? */
    CONNECTOR_RELOAD,      /* read the configuration file again; names no VM */
};

enum connector_status {
    CONNECTOR_OK,                       /* done; LISTENING: somebody does */
    CONNECTOR_ABSENT,                   /* no file has that name */
    CONNECTOR_REFUSED,                  /* nobody listens, perhaps not yet */
    CONNECTOR_FULL,                     /* too many clients wait there */
    CONNECTOR_DISTRUSTED,               /* the server, or the path, is of the wrong user: text */
    CONNECTOR_UNKNOWN,                  /* who serves it cannot be found out: text */
    CONNECTOR_FAILED,                   /* another error: text */
    CONNECTOR_ANSWERS,                  /* how many can be answered; the loop alone uses those below */
    CONNECTOR_LATE = CONNECTOR_ANSWERS, /* no answer until the deadline */
    CONNECTOR_GONE,                     /* no connector is left */
};

struct connector_order {
    struct worker_head head;
    char vm[VH_NAME_MAX];
    char socket[VH_SUN_PATH_MAX];
};

/* After CONNECT with CONNECTOR_OK two descriptors follow: the connection, and a pidfd of its server if there is one. */
struct connector_answer {
    struct worker_head head;
    uint8_t status;      /* enum connector_status */
    uint8_t there;       /* LOOK with CONNECTOR_OK: bool, a socket is there */
    uint8_t watched;     /* LOOK: bool */
    uint8_t packets;     /* CONNECT with CONNECTOR_OK: bool, the socket is SOCK_SEQPACKET */
    int32_t error;       /* LOOK: errno, why it is not watched */
    uint32_t uid, owner; /* CONNECT: of the server, of the socket */
    int32_t pid;         /* CONNECT: of the server */
    uint64_t dev, ino;   /* LOOK: of the socket */
    uint64_t socket;     /* CONNECT: differs between two sockets, even of one path */
    char text[VH_TEXT_MAX];
};

/* In a connector: is it one of the orders above? */
bool connector_order_valid(const struct connector_order *o, bool with_fd);
/* In the loop: has the answer (n bytes) the form that this kind's answers have? */
bool connector_answer_valid(uint32_t kind, const struct connector_answer *a, size_t n, const int fds[WORKER_FDS]);

#endif
