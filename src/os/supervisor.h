/*
 * supervisor.h - tells whoever has started the daemon what it is at: systemd by its notification socket
 * (NOTIFY_SOCKET), any other supervisor by a descriptor (--ready-fd). Never waits: what cannot be sent now is sent by a
 * later tick.
 */
#ifndef VHOTPLUG_SUPERVISOR_H
#define VHOTPLUG_SUPERVISOR_H

#include <stdbool.h>
#include <stdint.h>

/* The descriptor to write a newline to at "ready". False if it is none, or one of the standard files. Before the first
 * helper starts: none of them has it. */
bool supervisor_ready_fd(const char *number);
/* Connects to the socket that the environment names, if it names one, and takes the names out of it. Before the
 * sandbox. A socket that cannot be used is logged, and the daemon goes on. */
void supervisor_open(void);

/* `status` is a line for people, at most VH_STATUS_MAX bytes of it. All do nothing if nobody has asked to be told. */
void supervisor_ready(const char *status); /* also after a reload, whether or not there is another configuration */
void supervisor_reloading(void);
void supervisor_stopping(void);
void supervisor_stalled(void); /* the process did not run for a while: its sign of life is due at once */

int64_t supervisor_deadline(void); /* times of clock_now() */
void supervisor_tick(int64_t now);

#endif
