/*
 * core.h - the brain: state + fact + now -> actions. Pure and level-triggered.
 *
 * Facts only change what is known; then every device's target (what policy wants) is compared with its assignment
 * (which VM has it), and the difference becomes at most one operation for each VM at a time. Nothing here says "on this
 * event do that to QEMU": lost events, dying VMs and restarts need no code of their own.
 */
#ifndef VHOTPLUG_CORE_H
#define VHOTPLUG_CORE_H

#include "base/limits.h"
#include "base/model.h"
#include "base/str.h"
#include "codec/state_format.h"
#include "config/conf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CORE_SLOTS (VH_MAX_DEVICES + VH_MAX_LEAVING)
#define CORE_MAX_ACTIONS (4 * CORE_SLOTS + 3 * VH_MAX_CLIENTS + 2 * VH_MAX_VMS)
#define CORE_MAX_TEXTS (VH_MAX_CLIENTS + 1) /* each client has at most one request under way */

enum slot_state {
    SLOT_FREE,
    SLOT_PRESENT, /* the host has it */
    SLOT_LEAVING, /* unplugged, told as gone; a VM must still let go of its id */
    SLOT_DEAD,    /* gone; kept until the next step so that its events can be rendered */
};

enum question_state {
    QUESTION_NONE,   /* nobody was asked for a VM */
    QUESTION_OPEN,   /* usb_select_vm was told; the question stands */
    QUESTION_CLOSED, /* answered, or no longer of interest; not asked again during this plug */
};

/* A device with what is decided and done about it. The fields that every step looks at come first. */
struct slot {
    enum slot_state state;
    int rule;        /* deciding rule, -1 none */
    int vm;          /* assignment: the VM that has it, -1 none */
    int choice;      /* selection (remembered, or by --attach-connected), -1 none */
    enum op_kind op; /* operation under way, OP_NONE if none */
    int op_vm;       /* where that operation is */
    int req;         /* index of the pending request that wants it moved, -1 none */
    int req_vm;      /* where that request wants it, -1: nowhere */
    enum question_state question;
    bool managed;      /* policy applies: plugged while we ran, or given to a VM before */
    bool announced;    /* usb_connected was told */
    bool disconnected; /* taken away by a decision */
    bool seen;         /* by the scan under way */
    bool hub;
    vm_set doubt;  /* VMs that may have it although we cannot tell: it goes nowhere until they are listed or down */
    int suspended; /* taken out of this VM by usb_suspend, -1 not */
    int guest_suspended; /* the same, if it was the VM's own guest that suspended it; remembered nowhere else */
    int guest_detached;  /* put away by the guest of this VM, until it takes it back; -1 not */
    int foreign; /* the VM that has it by somebody else's doing, -1 none: it goes nowhere else, and is not ours to take
                  */
    int lease;   /* the VM of the device that was on its port a moment ago, -1 none */
    bool releasing;     /* being reset and given to host drivers */
    int64_t hold_until; /* its port flaps: neither told of nor given away before; 0 not */
    enum role disconnected_by;
    enum role restore_by; /* the decision that comes back if the attach under way fails */
    unsigned failures;    /* in a row, at the current target */
    int64_t retry_at;     /* not before */
    int64_t plugged_at;
    uint32_t plug;                /* counts plugs: order of arrival */
    uint8_t vm_busnum, vm_devnum; /* what its id in the VM was made of */
    struct device dev;
};

enum vm_state {
    VM_DOWN,    /* nobody listens */
    VM_UNKNOWN, /* somebody listens (or may): list before acting */
    VM_UP,      /* listed; our assignments there are true */
};

struct vm {
    enum vm_state state;
    bool alive;              /* it has been listed since it was down, or since its socket was made: it is the VM */
    bool busy;               /* the monitor does not greet; FACT_VM_ANSWERS will end this */
    enum op_kind op;         /* operation under way, OP_NONE if none */
    uint32_t op_serial;      /* its name */
    int op_slot;             /* its slot, -1 if it concerns none */
    char stale[VH_OPID_MAX]; /* id of ours to remove from it before anything else, "" none */
    unsigned failures;
    int64_t retry_at;
    char reason[VH_TEXT_MAX]; /* why it cannot be driven, "" if it can */
};

/* A VM's own filter (`-device usb-host,vendorid=...`): QEMU takes any device that fits as soon as it is plugged in. */
struct filter {
    bool used;
    int vm;
    struct vmm_found fits;
};

/* Who asked for what, about which device, and what came of it. */
struct audit {
    struct request asked;
    enum audit_outcome outcome;
    unsigned devices;            /* that were moved, or should have been */
    char device[VH_SYSNAME_MAX]; /* the first of them, "" if none was found */
    uint16_t vid, pid;
};

/* A request that waits for operations. */
struct pending {
    bool used;
    int left; /* devices still under way */
    bool failed;
    char text[VH_TEXT_MAX]; /* the first failure */
    struct audit audit;     /* with the request itself */
};

/* A port's short memory: who had its last device, and how often it was plugged lately. */
struct port {
    char sys_name[VH_SYSNAME_MAX]; /* "" free */
    int lease;                     /* VM, -1 none */
    int64_t lease_until;
    int64_t plugs_until; /* all its plugs are forgotten then */
    int64_t used_at;     /* last plug or unplug */
    int64_t hold_ms;     /* of the last burst; 0: it never flapped */
    int64_t flapped_at;  /* the last plug of that burst */
    bool flaps;
};

struct core_stats {
    uint64_t flaps, saves, save_failed, facts, ops, attached, detached, plugged, unplugged, table_full;
    uint64_t op_ended[6]; /* by enum op_status */
    uint64_t latency[16]; /* plug to attached: bucket i counts times below 2^i ms, the last one all above */
    uint64_t latency_ms;  /* their sum */
};

struct core {
    const struct conf *conf;
    bool attach_connected;
    uint32_t next_serial, next_plug;
    uint64_t next_stamp;
    uint64_t changes; /* grows with each step after which a list may show something else */
    int64_t wake_at;  /* when something waits for time, else VH_NEVER */
    int used;         /* slots in use lie below this index */
    struct slot slot[CORE_SLOTS];
    char reason[CORE_SLOTS][VH_TEXT_MAX]; /* why the slot's last operation failed, while .failures > 0 */
    struct vm vm[VH_MAX_VMS];
    struct pending pending[VH_MAX_CLIENTS];
    struct port port[VH_MAX_PORTS];
    struct filter filter[VH_MAX_FILTERS];
    bool persist;  /* memories go to disk; set by whoever loaded them */
    bool dirty;    /* they differ from the disk */
    bool stopping; /* after FACT_STOP */
    unsigned save_failures;
    int64_t save_at;   /* not before, after a failure */
    bool saving;       /* a decision is being saved: `decision` goes on with FACT_SAVED */
    bool dirty_before; /* without that decision */
    struct request decision;
    struct remembered_set remembered;
    struct core_stats stats;
};

struct actions {
    int n;
    int ntexts;
    struct action a[CORE_MAX_ACTIONS];
    char texts[CORE_MAX_TEXTS][VH_ERROR_MAX];
    int naudits;
    struct audit audits[CORE_MAX_TEXTS];
};

/* c is all zero bytes, as a static object is: not cleared here, so that only what is used takes memory. */
void core_init(struct core *c, const struct conf *conf, bool attach_connected);
/* One fact, whole. `out` is emptied first; its actions are to be done in order before the next step. */
void core_step(struct core *c, const struct fact *f, int64_t now, struct actions *out);
const struct device *core_device(const struct core *c, const char *sys_name); /* that is there; NULL: none */
int64_t core_deadline(const struct core *c); /* give FACT_TIME then; VH_NEVER if nothing waits for time */
bool core_holds(const struct core *c);       /* after FACT_STOP: is there a device that is still to be taken out? */
bool core_vm_in_use(const struct core *c, int vm); /* has it devices of ours, or an operation under way? */
bool core_wants_vm(const struct core *c, int vm);  /* is there anything to do at this VM? */
/* Every invariant that must hold after any step. False with *why (static) naming the broken one. For simulation and
 * fuzzing. */
bool core_check(const struct core *c, const char **why);
bool core_at_rest(const struct core *c,
                  const char **why); /* no operation under way and every device where policy says */

bool core_moves(enum request_kind kind); /* does such a request move devices, or may it? */

/* For rendering. */
bool core_visible(const struct core *c, const struct slot *s, const struct request *r); /* does a usb_list show it? */
const char *core_state_name(const struct core *c, const struct slot *s); /* idle pending attached waiting failed */
/* Why the device is not (or not yet) in a VM; "" if it is. */
void core_reason(const struct core *c, const struct slot *s, struct sbuf *sb);
/* What a guest of this VM sees: is the device there for it, how is it doing, and why. */
bool core_guest_sees(const struct core *c, const struct slot *s, int vm);
const char *core_guest_state(const struct core *c, const struct slot *s, int vm);
const char *core_guest_reason(const struct core *c, const struct slot *s, int vm); /* "": nothing to say */
void core_describe(struct sbuf *sb, const struct selector *sel);                   /* " /dev/bus/usb/001/002 tag 'x'" */
bool core_selects(const struct core *c, const struct selector *sel, const struct slot *s);
int core_target(const struct core *c, const struct slot *s);     /* the VM where it should be, -1 none */
bool core_asks(const struct core *c, const struct slot *s);      /* does somebody have to choose its VM? */
enum role core_tag_taken(const struct core *c, const char *tag); /* who keeps what has this tag away; ROLE_NONE */
bool core_tag_known(const struct core *c, const char *tag);      /* has a rule this tag? */

#endif
