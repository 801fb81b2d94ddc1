/*
 * host_list.c - see host_list.h. Owns the order of orders and answers; knows nothing of what is in a list.
 */
#include "daemon/host_list.h"

#include "base/assert.h"
#include "bus/device_pool.h"

#include <string.h>

static void answer(struct host_list *l, bool ok);

/* Everybody who waits is served by it. */
static void begin(struct host_list *l) {
    const struct device_order o = {.head = {.kind = l->kind}};
    l->again = false;
    for (int i = 0; i < l->n; i++)
        l->waiter[i].served = true;
    l->reading = device_pool_order(&o, 0, -1);
    if (!l->reading) /* too many orders wait */
        answer(l, false);
}

/* An answer may end its client, but not make another one ask: lines are read elsewhere. */
static void answer(struct host_list *l, bool ok) {
    struct host_list_waiter all[VH_MAX_CLIENTS];
    int n = l->n;
    memcpy(all, l->waiter, sizeof all);
    l->n = 0;
    for (int i = 0; i < n; i++) {
        if (!all[i].served)
            l->waiter[l->n++] = all[i];
    }
    for (int i = 0; i < n; i++) {
        if (all[i].served)
            l->done(all[i].client, ok);
    }
}

void host_list_read(struct host_list *l, const union device_answer *a) {
    l->reading = false;
    if (a != NULL)
        memcpy(l->last, a, device_answer_size(l->kind, a));
    if (a != NULL && l->taken != NULL)
        l->taken();
    answer(l, a != NULL);
    if (!l->reading && (l->n > 0 || l->again))
        begin(l);
}

void host_list_ask(struct host_list *l, struct client_ref c) {
    VH_ASSERT(l->n < VH_MAX_CLIENTS); /* each client waits for one answer, and those that have gone for none */
    l->waiter[l->n++] = (struct host_list_waiter){.client = c};
    if (!l->reading)
        begin(l);
}

void host_list_again(struct host_list *l) {
    l->again = true;
    if (!l->reading)
        begin(l);
}

void host_list_client_gone(struct host_list *l, struct client_ref c) {
    for (int i = 0; i < l->n; i++) {
        struct client_ref w = l->waiter[i].client;
        if (w.index != c.index || w.gen != c.gen)
            continue;
        l->n--;
        memmove(l->waiter + i, l->waiter + i + 1, (size_t)(l->n - i) * sizeof l->waiter[0]);
        return;
    }
}
