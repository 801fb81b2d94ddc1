/*
 * state_internal.h - what reading and writing the state file share, and no other file.
 */
#ifndef VHOTPLUG_STATE_INTERNAL_H
#define VHOTPLUG_STATE_INTERNAL_H

#include "codec/state_format.h"

/* Which of the device's ids is it? Both, if they are the same; 0: none. */
enum { STATE_ID_OWN = 1, STATE_ID_UDEV = 2 };
unsigned state_which_id(const struct remembered *m, uint16_t vid, uint16_t pid, const char *serial);

/* Hashes of the ids of a device. A table of devices is compared with itself: most are passed over by these. */
struct state_ids {
    uint32_t own, udev;
};
struct state_ids state_ids_of(const struct remembered *m);

bool state_is_empty(const struct remembered *m); /* is nothing remembered of it? */

/* Where something stood that is not understood: the first byte of its row in `kept`. */
enum { IN_FILE = 'f', IN_DEVICES = 'd', IN_SELECTIONS = 's', IN_DECISIONS = 'x', IN_TAGS = 't', IN_PCI_TAGS = 'p' };
static inline const char *state_tags_member(enum device_kind kind) {
    return kind == KIND_PCI ? "disconnected_pci_tags" : "disconnected_tags";
}
static inline char state_tags_place(enum device_kind kind) {
    return kind == KIND_PCI ? IN_PCI_TAGS : IN_TAGS;
}
/* The next of that place after p, at first NULL: its text, or NULL. */
const char *state_next_kept(const struct remembered_set *ms, char place, const char *p);

#endif
