/*
 * core_story.h - one core for a test program: facts for it, and what the last step made of them. VMs answer only when a
 * test lets them.
 */
#ifndef VHOTPLUG_CORE_STORY_H
#define VHOTPLUG_CORE_STORY_H

#include "config/conf.h"
#include "core/core.h"
#include "core/core_internal.h"
#include "test.h"

/* Trusted to give back what it had; test_core_revoke.c has those that are not. */
#define VM(name) "{\"name\": \"" name "\", \"type\": \"qemu\", \"socket\": \"/run/" name "\", \"revoke\": false}"

extern struct conf conf;
extern struct core core;
extern struct actions out; /* of the last step */
extern int64_t now;
extern struct device dev; /* of the last plug */

/* A new core, with VMs a and b. Class 3 (hid) goes to a; class 8 (stick) may go to both; class 14 (skip) goes to b, and
 * is left out when a VM is suspended. */
void begin(bool attach_connected);
/* Prints the errors of a configuration: the callback of conf_parse(). */
void no_diag(const struct diag *d, void *arg);

/* ---- facts; after each step the core's invariants are checked ---- */

void step(const struct fact *f);
void vm_fact_of(enum fact_kind kind, int vm);
void vm_up(int vm); /* and it lists no device */
/* The end of a VM's operation. */
void done(int vm, enum op_status status);
void done_with(int vm, enum op_status status, const char *why, const struct vmm_found *found, int n);
/* A device of bus 1 with one interface. plug(): settled, and not there at start. */
void plug(const char *name, int devnum, uint8_t cls);
void plug_as(const char *name, int devnum, uint8_t cls, bool settled, bool coldplug);
void unplug(const char *name);
void read_again(bool claimed); /* each device that is to be read: has a program claimed it? */
void released(void);           /* ends every reset under way */
void saved(bool ok);
void wait_ms(int64_t ms);
/* Requests of client 3: about a device by its number (0: of none), or about a tag. ask(): by an admin. */
void ask(enum request_kind kind, int devnum, const char *vm);
void ask_as(enum role role, enum request_kind kind, int devnum, const char *vm);
void ask_tag(enum role role, enum request_kind kind, const char *tag);
/* Another configuration. reload() gives its VMs the rows that conf_align() chooses. */
struct conf *other_conf(const char *json);
void reload(const char *json);

/* ---- actions of the last step: the first of its kind, or NULL ---- */

const struct action *action(enum action_kind kind);
const struct action *event(enum event_kind kind);
const struct action *op(enum op_kind kind, int vm);
bool replied(bool ok);     /* to client 3 */
const char *refusal(void); /* its text, or "(no failure)" */

/* What lists say of the device in a slot, as `reason`; valid until the next call. */
const char *reason_of(const struct slot *s);

#endif
