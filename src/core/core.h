/*
 * core.h - decides which VM gets which device: state + fact + now -> actions. Pure; README.md has the life cycles.
 *
 * A fact only changes what is known. The plan then compares the target of each device (where policy wants it) with its
 * assignment (the VM that has it) and turns the differences into operations, at most one for each VM at a time. No code
 * reacts to one event with one operation, so lost events, dying VMs and restarts are no special cases.
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
#define CORE_MAX_ACTIONS (8 * CORE_SLOTS + 3 * VH_MAX_CLIENTS + 2 * VH_MAX_VMS + 2)
#define CORE_MAX_TEXTS (VH_MAX_CLIENTS + 1) /* a client has at most one request under way */
/* Room for the longest texts in every slot, so it is never full; what is not written takes no memory. */
#define CORE_POOL_WASTE 1024 /* bytes of texts of devices that have gone, before the others move together */
#define CORE_POOL ((CORE_SLOTS + 1) * (sizeof(struct device_texts) + 4) + CORE_POOL_WASTE)

enum slot_state {
    SLOT_FREE,
    SLOT_PRESENT, /* the device is plugged in */
    SLOT_LEAVING, /* unplugged and reported as gone, but a VM still has its id or is just getting it */
    SLOT_DEAD,    /* gone; kept until the next step so that its events can be rendered */
    SLOT_STATES,
};

enum question_state {
    QUESTION_NONE,   /* no usb_select_vm was sent */
    QUESTION_OPEN,   /* usb_select_vm was sent; no VM is chosen yet */
    QUESTION_CLOSED, /* answered or out of date; not asked again during this plug */
    QUESTION_STATES,
};

/* A claim is what a VM says of a device that it did not get from us. A reading of the device shows what it is worth. */
enum look_state {
    LOOK_NONE,      /* the last reading has said */
    LOOK_DUE,       /* to be read, once no VM of ours has it and no reset is under way */
    LOOK_UNDER_WAY, /* after ACT_LOOK */
};

/* The end of every descriptor of a device that a VM may have. */
enum revoke_state {
    REVOKE_NONE,      /* not begun since a VM got the device */
    REVOKE_UNDER_WAY, /* after ACT_REVOKE */
    REVOKE_CERTAIN,   /* they are dead */
    REVOKE_UNCERTAIN, /* core.revoke_why says why; tried again while a VM may have one */
    REVOKE_STATES,
};

/* What is done on the host to a device that VMs use by a driver of its own. */
enum host_order {
    HOST_NONE,
    HOST_PREPARING, /* after ACT_PREPARE */
    HOST_RESTORING, /* after ACT_RESTORE */
};

/* A device with its decisions and operations. The fields that every step reads come first. */
struct slot {
    enum slot_state state;
    int rule;        /* the rule that decides, -1 none */
    int vm;          /* the assignment: the VM that has it, -1 none */
    int choice;      /* one of the VMs of its rule (a selection, a lease or --attach-connected), -1 none */
    enum op_kind op; /* operation under way, OP_NONE if none */
    int op_vm;       /* VM of that operation */
    int req;         /* index of the pending request that moves it, -1 none */
    int req_vm;      /* target of that request, -1: the host */
    enum question_state question;
    enum host_order host;     /* order under way */
    uint64_t question_number; /* of all that were opened */
    bool managed;             /* the rules apply: plugged in while the daemon ran, or attached before */
    bool announced;           /* usb_connected was sent */
    bool disconnected;        /* a decision keeps it with the host */
    bool seen;                /* reported by the scan under way */
    bool hub;
    bool meant;       /* the decision that is being saved is about this plug */
    bool lifts;       /* that decision lifts the one that keeps it away */
    bool ejecting;    /* its VM was told to give it back, and has it until the guest lets go of it */
    vm_set doubt;     /* VMs that may have it, not known yet: no attach until each of them is listed or down */
    vm_set adoptable; /* VMs not listed since the start: it is theirs if they list it by our id and the rules allow */
    int suspended;    /* VM that usb_suspend took it out of, -1 none */
    int guest_suspended; /* VM whose own guest suspended it, -1 none; not saved */
    int guest_detached;  /* VM whose guest detached it, -1 none; cleared when that guest attaches it */
    vm_set claims;       /* VMs that list it although they did not get it from us */
    int foreign;         /* one of them, if a program has claimed it that is no VM of ours; else -1 */
    bool adopted;        /* the assignment comes from a listing, not from an attach of ours */
    bool bound;          /* to the driver that VMs use it by; also if it may be */
    bool ready;          /* and no program has had it since the last ACT_PREPARE: it may be attached, once */
    enum look_state look;
    enum look_state verify; /* of the same kind, for lists with "verify" */
    int64_t look_at;        /* while a claim keeps it from its target: read again at this time */
    int lease;              /* VM of the device that was at its connector a moment ago, -1 none */
    unsigned failures;      /* of operations in a row, at the current target */
    vm_set holders;         /* VMs that may have a descriptor of it which is not dead */
    enum revoke_state revoke;
    bool orphan;              /* a holder has lost it, or has ended: revoked whatever its target is */
    bool suspect;             /* an earlier daemon may have given it to any VM: revoked before it is given to one */
    bool stray;               /* a VM that is not configured any more may hold it, too */
    bool loose;               /* a holder may have opened it while it had no driver, whose loss would end that */
    bool tried;               /* to revoke it, during this plug */
    bool held_before;         /* it was one of its holders before the attach under way */
    bool cut;                 /* revoked, or tried to, since its VM got it: that VM cannot go on with it */
    bool unbound;             /* no driver of the kernel has it, since it was revoked: to be bound again */
    bool reset_due;           /* it came back from a VM: to be reset, once no VM holds it */
    bool binding;             /* the ACT_RELEASE under way binds it again */
    bool deauthorise;         /* with usbAuthorization: no VM has it any more, so its authorisation is to end */
    bool deauthorising;       /* the ACT_RELEASE under way ends it */
    bool unmatched;           /* of the start, with deauthorizeUnmatched: what becomes of it is not known yet */
    int gone_vm;              /* the VM that died with it in this step, -1 none */
    unsigned revoke_failures; /* in a row, or of being bound again */
    int64_t revoke_at;        /* neither revoked nor bound again before */
    int64_t revoke_since;     /* of the revocation under way; of the last one that was certain, how long it took */
    bool releasing;           /* being reset and given back to drivers of the host */
    bool shut;     /* with quarantine or usbAuthorization: the host's drivers have not been offered it since it came */
    bool offering; /* being offered to them; no attach before FACT_OFFERED */
    unsigned offer_failures; /* in a row */
    int64_t offer_at;        /* not offered again before */
    int64_t hold_until;      /* its port flaps: neither announced nor attached before; 0 if not held */
    enum role disconnected_by;
    enum role restore_by; /* author of the decision to restore if the attach under way fails */
    int64_t retry_at;     /* no operation before */
    bool unplaced;        /* its VM refused it at the port that was free: the VMM chooses one */
    int64_t eject_at;     /* not told again before */
    int64_t plugged_at;
    uint32_t plug;                /* number of this plug: order of arrival, and token of its reset */
    uint8_t vm_busnum, vm_devnum; /* the numbers in its id in the VM; they are those at attach time */
    /* Of a VM that names nothing: the port there (0: not known) and the socket at which the VM said so. Without an
     * assignment they are what the daemon before has noted. */
    uint8_t vm_port;
    uint64_t vm_socket;
    bool port_sure;    /* in this step: it has just been revoked, and nobody can have been given its port since */
    vm_set unshown;    /* such VMs, or VMs of the daemon before, that got it from us as far as is known */
    uint32_t texts_at; /* where its texts are in the pool, 0 if it has none */
    struct device dev;
};

/* The texts of the devices in slots, one block for each slot, close together. */
struct text_pool {
    uint32_t used, waste;
    char bytes[CORE_POOL];
};

enum vm_state {
    VM_DOWN,    /* no VMM listens */
    VM_UNKNOWN, /* a VMM listens, or may: it must be listed before anything else */
    VM_UP,      /* listed: the assignments to this VM are true */
    VM_STATES,
};

struct vm {
    enum vm_state state;
    bool told;               /* a fact has told of it: if it is down, that is known */
    bool alive;              /* listed since it was down or its socket was made: the VMM there is the VM's */
    bool again;              /* the listing under way was begun too early */
    bool busy;               /* the monitor does not greet; FACT_VM_ANSWERS ends this */
    enum op_kind op;         /* operation under way, OP_NONE if none */
    uint32_t op_serial;      /* serial of that operation */
    int op_port;             /* row of core.ports that its attach goes to, -1 none */
    int op_slot;             /* slot of that operation, -1 if it concerns none; nothing without an operation */
    char stale[VH_OPID_MAX]; /* id of ours to remove before anything else, "" none */
    bool unnamed;            /* it gave its last list by ports, not by ids */
    uint8_t stale_port;      /* unnamed: where that is, and of which device */
    uint16_t stale_vid, stale_pid;
    unsigned failures;
    int64_t retry_at;
    char reason[VH_TEXT_MAX]; /* why no operation succeeds there, "" if none failed */
    int version[3];           /* of the VMM when it was listed; 0.0.0: not known */
};

/* What the ACT_SAVE under way writes. */
enum save {
    SAVE_NONE,
    SAVE_CHANGES,  /* selections and suspensions, which hold already */
    SAVE_DECISION, /* a decision, too: it holds once it is written */
};

/* A filter of a VM (`-device usb-host,vendorid=...`): QEMU takes any device that matches when it is plugged in. */
struct filter {
    bool used;
    int vm;
    struct vmm_found fits;
};

/* ASSIGNED_GONE: also a VM that is not configured any more. ASSIGNED_BOUND: it was bound to the driver that VMs use it
 * by, or was just being so. */
enum { ASSIGNED_GONE = 1, ASSIGNED_BOUND = 2 };

/* VMs that an earlier daemon gave the device to, or was just giving it. */
struct assigned {
    char sys_name[VH_SYSNAME_MAX];
    uint64_t incarnation;
    vm_set vms;
    uint64_t more; /* ASSIGNED_... */
    uint8_t port;  /* in a VM that names nothing, as it said at this socket; 0: not known */
    uint64_t socket;
};

/* A request with the devices that it concerned and its outcome. */
struct audit {
    struct request asked;
    enum audit_outcome outcome;
    bool changes; /* devices were to be moved, or a decision was made: not only a refusal, nor a request without effect
                   */
    unsigned devices;            /* number of devices that were to be moved */
    char device[VH_SYSNAME_MAX]; /* the first of them, "" if none was found */
    uint16_t vid, pid;
    const char *taken; /* of the worst of them, as core_taken() says; NULL if nothing was taken away */
};

/* A request that waits for operations. */
struct pending {
    bool used;
    int64_t until;          /* a device that waits for this long has not been moved */
    int left;               /* devices still under way */
    bool refused, failed;   /* a part of it: by us before anything was done for that part, or later */
    char text[VH_TEXT_MAX]; /* the first refusal or failure */
    struct audit audit;     /* with the request itself */
};

/* A list that is answered once these VMs were listed and the devices that it shows were read. */
struct verify {
    bool used;
    struct client_ref client;
    vm_set vms;
    int64_t until;
};

/* A new subscriber that is still to hear of the choices that were open when it subscribed. */
struct announcement {
    bool used, admin;
    struct client_ref client;
    uint64_t last_question; /* that was opened before */
    int64_t due;
};

/* What is known of a port, or of the two that are the sides of one socket: the VM of its last device, and how often
 * devices were plugged in lately. */
struct port {
    uint64_t number; /* connector_number(); 0: free */
    int lease;       /* VM, -1 none */
    int64_t lease_until;
    char lease_tag[VH_NAME_MAX];
    int64_t plugs_until; /* when its last plug no longer counts */
    int64_t used_at;     /* last plug or unplug */
    int64_t hold_ms;     /* hold time of the last burst; 0: it never flapped */
    int64_t flapped_at;  /* the last plug of that burst */
    bool flaps;
};

struct core_stats {
    uint64_t flaps, saves, save_failed, facts, ops, attached, detached, plugged, unplugged, table_full, claims_refused;
    uint64_t revoked, revoke_failed;
    uint64_t revoke_ms, revoke_max_ms; /* of those that were certain: their sum, and the longest */
    uint64_t op_ended[OP_STATUSES];    /* by enum op_status */
    uint64_t latency[16]; /* plug to attached: bucket i counts times below 2^i ms, the last one all above */
    uint64_t latency_ms;  /* their sum */
};

struct core {
    const struct conf *conf;
    bool attach_connected;
    bool gives_pci;             /* PCI devices are given to VMs; set by the caller that can carry that out */
    enum quarantine quarantine; /* of the configuration at start */
    bool authorises;            /* usbAuthorization, likewise */
    enum earlier { EARLIER_UNKNOWN, EARLIER_NONE, EARLIER_NOTED } earlier;
    const struct assigned *assigned; /* EARLIER_NOTED: nassigned rows */
    int nassigned;
    uint32_t next_serial, next_plug;
    bool unread;      /* the last scan saw a device that could not be read, and that nothing is known of */
    uint64_t changes; /* grows with each step after which a list may show something else */
    int64_t wake_at;  /* when something waits for time, else VH_NEVER */
    int used;         /* slots in use lie below this index */
    struct slot slot[CORE_SLOTS];
    struct text_pool pool;
    uint64_t
        place[CORE_SLOTS]; /* usb_place_order() of slot.dev: apart, because every part of a list reads all of them */
    char lease_tag[CORE_SLOTS][VH_NAME_MAX];  /* the tag of the device that slot.lease comes from, "" none */
    char driver[CORE_SLOTS][VH_IFNAME_MAX];   /* of the host, on one of its interfaces while a VM has it; "" none */
    char reason[CORE_SLOTS][VH_TEXT_MAX];     /* why the slot's last operation failed, while .failures > 0 */
    char revoke_why[CORE_SLOTS][VH_TEXT_MAX]; /* REVOKE_UNCERTAIN */
    struct vm vm[VH_MAX_VMS];
    struct vm_ports ports[VH_MAX_VMS]; /* of each VM, as it was listed; not known while it is down */
    int64_t ports_at[VH_MAX_VMS];      /* when that was */
    struct pending pending[VH_MAX_CLIENTS];
    struct verify verify[VH_MAX_CLIENTS];
    uint64_t questions; /* that were opened */
    struct announcement announcement[VH_MAX_CLIENTS];
    struct port port[VH_MAX_PORTS];
    struct filter filter[VH_MAX_FILTERS];
    bool persist; /* what is remembered goes to disk; set by the caller that loads it */
    bool dirty;   /* it has changed since the last ACT_SAVE, or that one has failed */
    enum save save;
    bool stopping; /* after FACT_STOP */
    unsigned save_failures;
    int64_t save_at; /* after a failure: no save before */
    bool saving;     /* a decision is noted and not saved yet: FACT_SAVED continues `decision` */
    struct request decision;
    bool meant_gone; /* a device that it is about was unplugged meanwhile */
    int nwaiting;    /* requests that may decide wait until it is saved, in the order of their arrival */
    struct request waiting[VH_MAX_CLIENTS];
    struct remembered_set remembered;
    struct core_stats stats;
    uint32_t hits[VH_MAX_RULES]; /* devices that the rule has decided for since the configuration is in force */
};

struct actions {
    int n;
    int ntexts;
    struct action a[CORE_MAX_ACTIONS];
    char texts[CORE_MAX_TEXTS][VH_ERROR_MAX];
    int naudits;
    struct audit audits[CORE_MAX_TEXTS];
};

/* c must be all zero bytes, as a static object is: clearing it here would make all its pages resident. */
void core_init(struct core *c, const struct conf *conf, bool attach_connected);
/* What an earlier daemon has noted, before the first step; the rows must live until the end of the first scan. NULL:
 * there was none since the host has started. If neither is known, every device that is there at start waits for every
 * VM. */
void core_earlier(struct core *c, const struct assigned *rows, int n);
/* What a later daemon has to know of slot i: before the actions of a step are done, the caller notes it. */
vm_set core_may_have(const struct core *c, int i);
bool core_stray(const struct core *c, int slot); /* likewise a VM that is not configured any more */
bool core_bound(const struct core *c, int slot); /* likewise: is it, or may it be, bound for VMs? */
/* Is `other` bound for VMs whenever the PCI device in slot is? Both are of one IOMMU group. */
bool core_goes_along(const struct core *c, int slot, int other);
/* Applies one fact. `out` is emptied first; the caller does its actions in order before the next step. */
void core_step(struct core *c, const struct fact *f, int64_t now, struct actions *out);
const struct device *core_device(const struct core *c, const char *sys_name); /* a plugged device, or NULL */
bool core_wants_device(const struct core *c, const char *sys_name); /* once it is settled, will a VM get it? */
bool core_device_given(const struct core *c, const char *sys_name); /* has a VM that device, by us? */
int64_t core_deadline(const struct core *c); /* when FACT_TIME is due; VH_NEVER if nothing waits for time */
bool core_quarantines(const struct core *c, const struct slot *s);     /* by policy, with quarantine */
bool core_keeps_from_host(const struct core *c, const struct slot *s); /* the same, or it is not authorised for it */
/* Is it taken away? "revoked": certainly. "uncertain": core.revoke_why, or what this fills, says why not. "not_taken":
 * its VM has it still. NULL: nobody has taken it away. */
const char *core_taken(const struct core *c, const struct slot *s, struct sbuf *why);
bool core_quarantined(const struct slot *s);       /* is it there, without a driver of the host and without a VM? */
bool core_closed(const struct core *c);            /* after the loss of the state file: is no device given to a VM? */
bool core_holds(const struct core *c);             /* after FACT_STOP: must a device still be taken out or reset? */
bool core_vm_in_use(const struct core *c, int vm); /* has the VM devices of ours, or an operation? */
bool core_wants_vm(const struct core *c, int vm);  /* is an operation on this VM due or under way? */
/* For simulation and fuzzing. core_check(): do all invariants hold? They must after any step. core_at_rest(): is no
 * operation under way and every device where policy wants it? False with *why, a static text. */
bool core_check(const struct core *c, const char **why);
bool core_at_rest(const struct core *c, const char **why);

bool core_moves(const struct request *r); /* may it move devices? */

/* ---- for rendering ---- */

bool core_visible(const struct core *c, const struct slot *s, const struct request *r); /* does a usb_list show it? */
uint64_t core_place(const struct core *c, int slot); /* grows with bus and port; no two slots have the same */
const char *core_state_name(const struct core *c, const struct slot *s); /* idle pending attached waiting failed */
/* Why the device is not (or not yet) in a VM; "" if it is. */
void core_reason(const struct core *c, const struct slot *s, struct sbuf *sb);
/* What is not known of where the device is: a VM that does not answer may have it; "" if everything is known. */
void core_uncertain(const struct core *c, const struct slot *s, struct sbuf *sb);
/* The same for the guest of a VM, which learns nothing of other VMs. */
bool core_guest_sees(const struct core *c, const struct slot *s, int vm);
const char *core_guest_state(const struct core *c, const struct slot *s, int vm);
const char *core_guest_reason(const struct core *c, const struct slot *s, int vm); /* "" if it has the device */
void core_describe(struct sbuf *sb, const struct selector *sel);                   /* " /dev/bus/usb/001/002 tag 'x'" */
bool core_selects(const struct core *c, const struct selector *sel, const struct slot *s);
const char *core_tag(const struct core *c, const struct slot *s); /* "" none */
int core_target(const struct core *c, const struct slot *s);      /* VM where it should be, -1 the host */
bool core_asks(const struct core *c, const struct slot *s);       /* is a choice of VM needed? */
/* Of devices of a kind: the author of the tag's decision, or ROLE_NONE; has a rule this tag? */
enum role core_tag_taken(const struct core *c, enum device_kind kind, const char *tag);
bool core_tag_known(const struct core *c, enum device_kind kind, const char *tag);
/* May a client know it? A guest sees tags of rules for its VM; others are to it as those that do not exist. */
bool core_tag_seen(const struct core *c, const struct principal *who, const char *tag);

#endif
