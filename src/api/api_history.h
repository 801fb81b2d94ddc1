/*
 * api_history.h - the last events of devices, for the action `history`: a ring of fixed size. Pure: the time comes in.
 */
#ifndef VHOTPLUG_API_HISTORY_H
#define VHOTPLUG_API_HISTORY_H

#include "base/limits.h"
#include "base/model.h"
#include "base/str.h"
#include "core/core.h"

#include <stdbool.h>
#include <stdint.h>

/* Where the device was: its stable path without the ports, which the event has, and the ports of the other side of its
 * socket. */
struct history_place {
    uint8_t controller, half; /* a row of history.controller; HISTORY_NO_CONTROLLER if it is not known */
    uint8_t twin[6];          /* a chain of ports; 0 ends it */
};

/* What is needed to tell it again: a device is 3 KB. */
struct history_event {
    int64_t at_ms; /* since 1970 */
    vm_set told;   /* VMs whose guest heard of it, or would have */
    char port_path[VH_PORTPATH_MAX];
    char name[VH_HISTORY_NAME]; /* the product's; a long one is cut */
    uint16_t vid, pid;
    uint16_t rule; /* one with the tag that the device had; HISTORY_NO_RULE if it had none */
    uint8_t kind;  /* enum event_kind */
    uint8_t about; /* enum device_kind: of a PCI device, port_path is its address */
    uint8_t vm;    /* HISTORY_NO_VM if there is none, or it is configured no more */
    uint8_t busnum, devnum;
    uint8_t why;
    struct history_place place;
};
#define HISTORY_NO_CONTROLLER UINT8_MAX
#define HISTORY_NO_RULE UINT16_MAX
#define HISTORY_NO_VM UINT8_MAX

/* All zero bytes is an empty one. */
struct history {
    uint64_t n;  /* events since the start; event k is in row k % VH_MAX_HISTORY while it is kept */
    vm_set lost; /* VMs whose guest heard of one that is not kept any more */
    struct history_event event[VH_MAX_HISTORY];
    char controller[VH_HISTORY_CONTROLLERS][VH_STABLE_PATH_MAX]; /* "" free */
};

/* The event as it is sent to subscribers. */
void history_add(struct history *h, const struct core *c, const struct action *a, int64_t at_ms);
/* Another configuration: the rows in `changed` name other VMs from now on. */
void history_reload(struct history *h, const struct conf *old, const struct conf *fresh, vm_set changed);
/* history, part by part like usb_list. */
bool api_history_part(const struct history *h, const struct core *c, const struct request *r, uint64_t *cursor,
                      struct sbuf *sb);

#endif
