/*
 * api.h - the JSON API as text: request lines to struct request, state and changes to reply and event lines. Pure.
 */
#ifndef VHOTPLUG_API_H
#define VHOTPLUG_API_H

#include "base/model.h"
#include "base/str.h"
#include "core/core.h"
#include "os/worker.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Parses a line (without newline). On failure `error` says what is wrong, and r->id is set if the line had a usable
 * one. */
bool api_parse(struct request *r, const char *line, size_t len, char *error, size_t cap);

void api_ok(struct sbuf *sb, const char *id);
void api_done(struct sbuf *sb, const struct request *r); /* ok, with the empty list that such a reply has, if any */
void api_failed(struct sbuf *sb, const char *id, const char *error);
void api_version(struct sbuf *sb, const char *id);
/* usb_list, part by part: *cursor starts at 0. False after the last part. */
bool api_list_part(const struct core *c, const struct request *r, uint64_t *cursor, struct sbuf *sb);
/* usb_list requests with the same view get the same bytes while nothing changes. 0: the reply is for this request only,
 * because it is filtered or has an id. At most 255. */
unsigned api_list_view(const struct request *r);
/* The device that an `explain` is about. */
struct explained {
    struct device dev; /* as it was at the request */
    int slot;          /* -1: described by hand */
    uint32_t plug;
    struct device_texts texts;
    char driver[VH_TEXT_MAX];           /* the module given by hand, "" if none */
    char connector[VH_STABLE_PATH_MAX]; /* likewise */
};
/* Fills *e with the device in slot, or with -1 the one that the request describes. */
void api_explained(struct explained *e, const struct core *c, const struct request *r, int slot);
/* explain, part by part like usb_list: every rule and entry held against the device, which rule decides, and what keeps
 * the device from its VM. */
bool api_explain_part(const struct core *c, const struct request *r, const struct explained *e, uint64_t *cursor,
                      struct sbuf *sb);
/* Counters of the other parts of the daemon, for `stats`. */
struct figures {
    int64_t uptime_ms;
    uint64_t uevents_got, uevents_ignored, uevents_lost, rescans;
    uint64_t clients, subscribers, accepted, refused, requests, events_sent, events_dropped;
    uint64_t arena_used, arena_peak;
    uint64_t workers, workers_idle, workers_late, workers_ended, orders_waiting; /* of the device workers, now */
    uint64_t orders, orders_late;                                                /* since the start */
    struct worker_counts connectors, opener, disk_worker;                        /* now */
    uint64_t log_dropped;                                                        /* lines, since the start */
    uint64_t reloads, reloads_failed;                                            /* since the start */
    int64_t reload_failed_at; /* of the last one, if it failed: ms since 1970, and why; else 0 and "" */
    const char *reload_error;
    /* With general.quarantine: why it does not work, "" if it does; hubs whose ports are held, those that are not yet,
     * and those that the kernel is busy with for long; ports that are held, and those that another program holds. */
    const char *quarantine_why;
    uint64_t quarantine_hubs, quarantine_waiting, quarantine_late, quarantine_ports, quarantine_refused;
    /* With usbAuthorization: why a bus authorises what is plugged in, or all of them; "" or NULL if none does. Buses.
     */
    const char *authorization_why;
    uint64_t authorization_closed, authorization_waiting, authorization_open;
    struct worker_counts port_workers, vfio_workers;
    vm_set connected; /* VMs whose monitor the daemon is connected to */
};
/* stats, part by part like usb_list. */
bool api_stats_part(const struct core *c, const struct request *r, const struct figures *f, uint64_t *cursor,
                    struct sbuf *sb);
/* vmm_list, part by part like usb_list. */
bool api_vms_part(const struct core *c, const struct request *r, uint64_t *cursor, struct sbuf *sb);
/* rules, part by part like usb_list. */
bool api_rules_part(const struct core *c, const struct request *r, uint64_t *cursor, struct sbuf *sb);
/* May this client see this event? If so, api_event words it for that client: serials, VMs and reasons are only for
 * clients that see everything. */
bool api_event_concerns(const struct core *c, const struct principal *who, enum event_kind kind, int slot, int vm);
void api_event(struct sbuf *sb, const struct core *c, const struct principal *who, enum event_kind kind, int slot,
               int vm);
/* One device of a list, as the asker of that list may know it. */
void api_list_entry(struct sbuf *sb, const struct core *c, const struct request *r, int slot);
const char *api_request_name(const struct request *r);
void api_state_event(struct sbuf *sb, const struct core *c); /* of the state file's loss, or of its end; for admins */
const char *api_event_name(enum device_kind about, enum event_kind kind);

#endif
