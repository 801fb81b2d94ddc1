/*
 * link.h - connections to the VMs' monitors: has them made on demand (connector.h), holds deadlines, sends bytes and
 * descriptors; one operation at a time for each VM. Knows no protocol (vmm.h does) and decides nothing (core.h does).
 *
 * After its last operation a link lingers (VH_T_LINGER) and then closes, because other clients may share the monitor;
 * longer if a guest was asked for a device, to hear that it is out. "qmp": "keep" keeps it open. Where answers name no
 * request, each operation has a connection of its own. A monitor that accepts but does not greet ends the operation as
 * OP_BUSY. While it is wanted, the connection then stays in the monitor's queue without any timer, and `answers`
 * reports the greeting.
 */
#ifndef VHOTPLUG_LINK_H
#define VHOTPLUG_LINK_H

#include "base/model.h"
#include "config/conf.h"
#include "vmm/vmm.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct connector_answer;
struct pollset;

struct link_calls {
    void (*done)(const struct op_result *r); /* valid during the call */
    void (*answers)(int vm);
    void (*down)(int vm, const char *why); /* the connection ended, and nobody listens any more */
    void (*again)(int vm);                 /* the connection ended, but somebody listens: perhaps a new VMM */
    void (*peer)(int vm, int pidfd); /* connected: of the process that holds the other end, or -1; now the callee's */
    /* Asks for the node of an OP_ATTACH, just before its bytes go out; link_node() answers, at once or later. False
     * with `why` filled: it cannot be asked for, and the operation ends as OP_LOCAL. The VMM itself opens what it needs
     * of a PCI device. */
    bool (*open_node)(const struct vmm_op *op, char *why, size_t cap);
    /* By itself the VM says that the device with this id is out, or that its guest keeps it (out is false). */
    void (*out)(int vm, const char *id, bool out);
};

/* `types` ends with NULL. c must outlive the links. */
void link_start(const struct conf *c, const struct vmm *const *types, const struct link_calls *calls);
/* Another configuration, aligned with the last one (conf_align). `changed`: rows that are another VM now; these links
 * have been dropped. */
void link_reload(const struct conf *c, vm_set changed);
/* Begins an operation; asserts that none is under way. Never calls `done` itself. */
void link_op(int vm, const struct vmm_op *op);
/* The answer to open_node(): a descriptor, which the link takes over, or -1 and why there is none. Of an operation that
 * has ended meanwhile the descriptor is closed. */
void link_node(int vm, uint32_t op_serial, int fd, const char *why);
/* The VM's process has ended, or its socket's name is gone. Does anybody listen at the socket? `again` or `down` tells,
 * soon but not during the call; before `down` the link is dropped. */
void link_recheck(int vm, const char *why);
bool link_rechecking(int vm); /* this has not been told yet; also after a lost connection */
/* Answers of the connectors (struct connector_calls). */
void link_reached(int vm, const struct connector_answer *a, int fd, int pidfd);
void link_rechecked(int vm, const struct connector_answer *a);
void link_drop(int vm);                /* the VM is gone: close; an operation under way ends as OP_UNKNOWN */
void link_wanted(int vm, bool wanted); /* a link that waits for a busy monitor stays connected while wanted */
bool link_connected(int vm);
uint32_t link_peer(int vm); /* uid of who served it at the last connection: 0 before there was one */
void link_stop(void);

void link_fill(struct pollset *ps);
void link_ready(const struct pollset *ps, int64_t now);
int64_t link_deadline(void);
void link_tick(int64_t now);

#endif
