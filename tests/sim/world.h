/*
 * world.h - a simulated host for the core: ports with devices, VMs that really hold them, monitors, a disk, clients,
 * other tools, and a daemon that is restarted and given other configurations. Every event is drawn from its own seed,
 * so that events can be left out of a run and the rest stays what it was.
 */
#ifndef VHOTPLUG_SIM_WORLD_H
#define VHOTPLUG_SIM_WORLD_H

#include <stdbool.h>
#include <stdint.h>

typedef void world_fail_fn(const char *why); /* does not return */

struct world_counts {
    uint64_t facts, attaches, requests, rests, reloads, restarts, foreign, leased, flaps, refused_saves, tag_author,
        stops, guests, seen, silent, late_saves, waited, looks, lies, lost, closed, acknowledged, revoked, not_revoked,
        late_revoked, loose, kept_away, renumbered;
};

/* Before world_begin(): general.quarantine is "rules" or "all", by the seed. What happens without it stays the same. */
void world_quarantine(void);
/* Likewise: VMs ask their guests before they give a device back. How often one let go of a device, or did not. */
void world_guests(void);
uint64_t world_let_go(void);
uint64_t world_refused(void);
/* Likewise: there are PCI devices. */
void world_pci(void);
struct world_pci_counts {
    uint64_t attaches, prepared, failed, restored, let_go, refused;
};
const struct world_pci_counts *world_pci_counts(void);
uint64_t world_offers(void); /* devices that were offered to the host's drivers, since the start of the program */

/* verbose: prints every fact and action. */
void world_begin(uint64_t seed, bool verbose, world_fail_fn *fail);
void world_event(uint64_t number);             /* the event of this number: something happens */
void world_rest(void);                         /* faults stop; everything must come to rest where policy says */
void world_print(void);                        /* the state of the core and of the world, to stderr */
const struct world_counts *world_counts(void); /* since world_begin */

#endif
