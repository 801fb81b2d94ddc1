/*
 * connector_order.c - the form of the connectors' orders and answers. Owns nothing; pure.
 */
#include "vmm/connector_order.h"

#include <string.h>

#define ENDS(text) (memchr((text), '\0', sizeof(text)) != NULL)

bool connector_order_valid(const struct connector_order *o, bool with_fd) {
    uint32_t kind = o->head.kind;
    if (with_fd || !ENDS(o->vm) || !ENDS(o->socket))
        return false;
    if (kind == CONNECTOR_RELOAD)
        return o->vm[0] == '\0' && o->socket[0] == '\0';
    return kind == CONNECTOR_CONNECT || kind == CONNECTOR_LISTENING || kind == CONNECTOR_LOOK;
}

bool connector_answer_valid(uint32_t kind, const struct connector_answer *a, size_t n, const int fds[WORKER_FDS]) {
    bool connected = kind == CONNECTOR_CONNECT && a->status == CONNECTOR_OK;
    return n == sizeof *a && a->status < CONNECTOR_ANSWERS && a->there <= 1 && a->watched <= 1 && a->packets <= 1 &&
           a->error >= 0 && a->error <= WORKER_ERRNO_MAX && ENDS(a->text) &&
           (connected ? fds[0] >= 0 : fds[0] < 0 && fds[1] < 0);
}
