/*
 * model.h - the terms of the program as plain structs: device, request, operation, fact, action. No state, no input or
 * output. Strings are always NUL-terminated; sets of VMs are bit masks by configuration index.
 */
#ifndef VHOTPLUG_MODEL_H
#define VHOTPLUG_MODEL_H

#include "base/duration.h"
#include "base/limits.h"
#include "base/vm_ports.h"

#include <stdbool.h>
#include <stdint.h>

typedef uint64_t vm_set;

enum removable { REMOVABLE_UNKNOWN, REMOVABLE_FIXED, REMOVABLE_REMOVABLE };

/* Has a driver of the kernel the device as a whole? Without one it has no configuration. */
enum binding { BINDING_UNKNOWN, BINDING_NONE, BINDING_DRIVER };

struct usb_iface {
    uint8_t cls, sub, proto, number;
};

/* Kinds of devices of the host. A device of each kind has the common part of struct device, and one of its own. */
enum device_kind { KIND_USB, KIND_PCI, KIND_EVDEV };

/* What only a USB device has. */
struct usb_part {
    char port_path[VH_PORTPATH_MAX]; /* "2.3", "0" for a root hub */
    char speed[8];                   /* Mb/s as sysfs says: "1.5", "480", "5000" */
    uint16_t bcd_device;
    uint8_t busnum, devnum, root_port;
    uint8_t nifaces, nconfigs;
    uint8_t config; /* bConfigurationValue of its active configuration; 0: none, or not known */
    enum removable removable;
    bool isochronous;                       /* an endpoint of it is, in any setting: it works at its own speed only */
    uint8_t config_value[VH_MAX_CONFIGS];   /* bConfigurationValue of each configuration */
    uint8_t bound_in[VH_MAX_IFACES];        /* bit n: in configuration n the kernel binds drivers to this interface */
    struct usb_iface ifaces[VH_MAX_IFACES]; /* of all alternate settings of all configurations, each once */
};

/* What only a PCI device has. */
struct pci_part {
    int16_t rule; /* of pciPassthrough, that decides for it among all devices of the host; -1 none */
    bool grouped; /* it is in IOMMU group `group` */
    uint32_t group;
    uint16_t sub_vendor, sub_device; /* 0: not known */
    char driver[VH_IFNAME_MAX];      /* when the list was read; "" none */
};

/* Room for the texts of one device. */
struct device_texts {
    char serial[VH_STRING_MAX], vendor_name[VH_STRING_MAX], product_name[VH_STRING_MAX];
    char protect[VH_PROTECT_MAX];
    char malformed[VH_MALFORMED_MAX];
    char note[VH_NOTE_MAX];
    char stable_path[VH_STABLE_PATH_MAX];
    char twin[VH_PORTPATH_MAX];
};

/* A device of the host as the bus reads it now. Its texts are where whoever fills the struct keeps them: in a struct
 * device_texts, or with the slot (core_texts.c). None of them is NULL. */
struct device {
    uint64_t incarnation;          /* differs between two plugs, even on one port: the inode of its sysfs directory */
    char sys_name[VH_SYSNAME_MAX]; /* "1-2.3" */
    char node[VH_NODE_MAX];        /* "/dev/bus/usb/001/005" */
    const char *serial;            /* "" if none; whole, never its beginning */
    const char *vendor_name, *product_name; /* never "" once it was read */
    const char *protect;                    /* why the host keeps it ("" if it does not): "is a hub", "holds /boot" */
    const char *malformed;                  /* why its descriptors are not trusted, "" if they are */
    const char *note;                       /* what is odd about its descriptors and strings, "" if nothing is */
    const char *stable_path;                /* of its port (stable_path.h); "" if it is not known */
    const char *twin; /* the other port of the same socket, in the other half of its controller: its number, or the
                         chain of numbers, as in the stable path; "" if the firmware tells of none */
    /* Paths of the modules that would drive its interfaces; the first NULL ends the list. Not owned. */
    const char *driver_path[VH_MAX_DRIVERS];
    enum device_kind kind;
    uint16_t vid, pid;
    uint8_t cls, sub, proto;
    int16_t connector; /* of the configuration, that it is at or behind (connectors.h); -1 none; from the core only */
    enum binding binding; /* when it was read */
    bool settled;         /* the kernel has finished configuring it (its driver is bound) */
    bool unresponsive;    /* an order about it was not answered in time: given to no VM until one is answered */
    bool unauthorised;    /* its attribute `authorized` reads 0: the kernel lets nobody use it */
    bool claimed;         /* when it was read, a program had claimed an interface through its node, as a VM does */
    bool driven;          /* when it was read, a driver of the host had an interface of it */
    union {
        struct usb_part usb; /* KIND_USB */
        struct pci_part pci; /* KIND_PCI */
    };
};

/* ---- requests ---- */

enum role { ROLE_NONE, ROLE_OBSERVER, ROLE_GUEST, ROLE_OPERATOR, ROLE_ADMIN }; /* ascending */

enum transport { TRANSPORT_UNIX, TRANSPORT_TCP, TRANSPORT_VSOCK };

/* The unit of quotas: one uid, one CID or one address (with IPv6 one /64, because one host may have all of it; the
 * addresses of the loopback are one). */
struct peer {
    enum transport transport;
    uint8_t id[16];
};

struct explained; /* api.h */

/* Who asks. Fixed at accept() from what the kernel reports. */
struct principal {
    enum role role;
    int vm; /* ROLE_GUEST: its VM, else -1; with ROLE_NONE: the VM that is not running, else -1 */
    struct peer peer;
    char name[96]; /* for log lines: "unix uid=0 pid=12", "vsock cid=3", "tcp 127.0.0.1" */
};

/* A client slot and its generation: a late answer never reaches the slot's next user. */
struct client_ref {
    uint16_t index;
    uint32_t gen; /* 0: nobody */
};

enum request_kind {
    REQ_SUBSCRIBE,
    REQ_AUDIT, /* subscribe, to audit events too */
    REQ_UNSUBSCRIBE,
    REQ_LIST,
    REQ_ATTACH,
    REQ_DETACH,
    REQ_SUSPEND,
    REQ_RESUME,
    REQ_EXPLAIN,
    REQ_STATS,
    REQ_HISTORY,
    REQ_RULES,
    REQ_VMM_ARGS,
    REQ_VMM_LIST,
    REQ_ACKNOWLEDGE, /* that the state file was lost */
    REQ_RELOAD,      /* read the configuration again */
    REQ_VERSION,
};

enum tristate { TRI_ANY, TRI_NO, TRI_YES };

/* The device fields of a request. A device is selected if it matches every field that is given. */
struct selector {
    bool by_node, by_bus, by_port, by_vid, by_pid, by_tag, by_connector, by_address;
    uint8_t node_bus, node_dev; /* from device_node */
    uint8_t bus;
    char port[VH_PORTPATH_MAX];
    uint16_t vid, pid;
    char tag[VH_NAME_MAX];
    char address[VH_SYSNAME_MAX];       /* of a PCI device, as the kernel writes it */
    char connector[VH_STABLE_PATH_MAX]; /* a name of the configuration, or a stable path: at it or behind a hub there */
};

struct request {
    enum request_kind kind;
    enum device_kind about; /* REQ_LIST, _ATTACH, _DETACH, _SUSPEND, _RESUME: of devices of this kind */
    struct client_ref client;
    struct principal who;
    struct selector sel;
    char vm[VH_NAME_MAX];         /* "" if not given */
    enum tristate disconnected;   /* usb_list filter */
    bool all;                     /* usb_list: hubs and protected devices too */
    bool verify;                  /* usb_list: VMs are asked and devices read before it is answered */
    bool require_pci;             /* vmm_args: fails unless a PCI device is among the arguments */
    char bus_prefix[VH_NAME_MAX]; /* vmm_args: QEMU's ports for PCI devices without their number, "" none */
    uint16_t first_index;         /* vmm_args: the number of the first port, and in the first id */
    /* explain: a device described by hand, valid until the next line is parsed. With by_hand the question is about that
     * description; else the description is used only if no plugged device has its ids. */
    const struct explained *described;
    bool by_hand;
    char id[VH_ID_MAX]; /* the request's id as JSON text, "" if none */
};

/* ---- operations on VMs ---- */

enum op_kind { OP_NONE, OP_LIST, OP_ATTACH, OP_DETACH };
#define OP_KINDS (OP_DETACH + 1)

struct vmm_op {
    enum op_kind kind;
    uint32_t serial; /* names the operation; 0 is none */
    int vm;
    uint8_t busnum, devnum;
    bool pci;                                     /* about a PCI device; OP_LIST: PCI devices are listed, too */
    uint16_t vid, pid;                            /* of the device */
    char id[VH_OPID_MAX];                         /* the device's id in the VM */
    char bus[VH_NAME_MAX], port[VH_VM_PORT_PATH]; /* OP_ATTACH: where it goes in the VM, "" if the VMM chooses */
    uint8_t vm_port;                              /* OP_DETACH from a VM that names nothing: its port there */
    bool by_fd;                                   /* set by the link: pass the open node instead of bus and address */
};

enum op_status {
    OP_OK,
    OP_FAILED,   /* the VMM refused, with its own text; nothing changed there */
    OP_REFUSED,  /* nobody listens: the VM is down */
    OP_BUSY,     /* the monitor does not greet; nothing was sent */
    OP_UNKNOWN,  /* connection lost or no answer in time, after something was sent: the VM must be listed */
    OP_LOCAL,    /* could not be begun on the host (node gone, device in use); nothing was sent */
    OP_ACCEPTED, /* a detach: the VMM asks its guest. The VM has the device until FACT_VM_OUT or a listing tells */
    OP_STATUSES,
};

/* A device of the host that a VM reports in a listing. */
struct vmm_found {
    char id[VH_OPID_MAX];
    bool ours, anonymous;   /* the id has our prefix; the VMM made the id up */
    uint8_t port_in_vm;     /* of a VM that names nothing, with vid and pid: all that it says */
    uint8_t busnum, devnum; /* 0 if it cannot be told */
    /* A filter of the VM instead of one device: the VM may have, or may take later, any device that matches. 0 and ""
     * match all; a filter without any field matches nothing. */
    bool filter;
    uint16_t vid, pid;
    char port[VH_PORTPATH_MAX];
};

struct op_result {
    uint32_t serial;
    int vm;
    enum op_status status;
    uint64_t socket; /* which socket the VMM answered at; set by the link */
    bool unnamed;    /* the VM gives devices no ids, only ports: what it lists is matched by port, or by ids */
    uint8_t port;    /* OP_ATTACH at such a VM: the port */
    char text[VH_TEXT_MAX];
    int version[3];  /* of the VMM; 0.0.0: not known */
    uint16_t nfound; /* OP_LIST */
    const struct vmm_found *found;
    const struct vm_ports *ports; /* OP_LIST; NULL: the ports of the VM are not known */
};

/* ---- facts: what happened ---- */

struct conf;
struct pci_host; /* policy_pci.h */

enum fact_kind {
    FACT_SCAN_BEGIN, /* a full scan follows; devices that it does not report are gone */
    FACT_SCAN_END,
    FACT_DEVICE,     /* a device is plugged in, new or changed */
    FACT_SEEN,       /* a device of this name is there but cannot be read now: it stays as it was reported */
    FACT_GONE,       /* no device has this sysfs name (any more) */
    FACT_VM_SOCKET,  /* the VM's socket appeared or was made anew: a VMM may listen */
    FACT_VM_ANSWERS, /* the monitor greeted after OP_BUSY */
    FACT_VM_DOWN,    /* the VM's process or socket is gone */
    FACT_OP_DONE,
    FACT_REQUEST,
    FACT_CLIENT_GONE,
    FACT_SAVED, /* the ACT_SAVE under way has ended: `ok`, or the error in `text`; late and after any other fact */
    FACT_DISK_ANSWERS, /* after a failed save: what is not saved is saved at once */
    FACT_RELEASED,     /* the ACT_RELEASE with this `token` has ended: `ok`, or not bound again */
    FACT_RELOAD,       /* a new configuration with the VMs at the same indices (conf_align) */
    FACT_STOP,         /* the daemon will end: take every device out of its VM */
    FACT_TIME,         /* a deadline of core_deadline() has passed */
    FACT_OFFERED,      /* the ACT_OFFER with this `token` has ended: `ok`, or not */
    FACT_DRIVERS,      /* the kernel may bind drivers that it could not before: one was loaded, or a port let go of */
    FACT_REVOKED,      /* the ACT_REVOKE with this `token` has ended: `ok`, or not, which `text` explains */
    FACT_VM_OUT,       /* by itself the VM says that the device with the id `text` is out, or (`ok` false) stays in */
    FACT_PCI,          /* all PCI devices of the host, and what becomes of each by the rules */
    FACT_PREPARED,     /* the ACT_PREPARE with this `token` has ended: `ok`, or not, which `text` explains */
    FACT_RESTORED,     /* likewise ACT_RESTORE */
};

struct fact {
    enum fact_kind kind;
    bool coldplug;               /* FACT_DEVICE, FACT_SCAN_*: there at the first scan after start, if read later too */
    const struct device *device; /* FACT_DEVICE */
    bool unread;                 /* FACT_DEVICE: it was not read for this fact */
    const char *sys_name;        /* FACT_SEEN, FACT_GONE */
    const char *driver; /* FACT_DEVICE: of the host, on one of its interfaces; "" none, NULL if nobody has looked */
    int vm;             /* FACT_VM_* */
    const struct op_result *op;    /* FACT_OP_DONE */
    const struct request *request; /* FACT_REQUEST */
    struct client_ref client;      /* FACT_CLIENT_GONE */
    bool ok; /* FACT_SAVED, FACT_OFFERED, FACT_RELEASED, FACT_REVOKED, FACT_VM_OUT, FACT_PREPARED, FACT_RESTORED */
    const char *text;           /* FACT_SAVED, FACT_REVOKED, FACT_PREPARED, FACT_RESTORED; FACT_VM_OUT: an id */
    uint32_t token;             /* FACT_RELEASED, FACT_OFFERED, FACT_REVOKED, FACT_PREPARED, FACT_RESTORED */
    const struct conf *conf;    /* FACT_RELOAD */
    const struct pci_host *pci; /* FACT_PCI; FACT_RELOAD: by the new configuration, NULL if there is no list */
};

/* ---- actions: what to do ---- */

enum event_kind { EV_CONNECTED, EV_DISCONNECTED, EV_ATTACHED, EV_DETACHED, EV_SELECT_VM };

enum audit_outcome { AUDIT_OK, AUDIT_REFUSED, AUDIT_FAILED };

enum action_kind {
    ACT_OP,          /* hand `op` to the VM's link */
    ACT_EVENT,       /* send an event about slot to subscribers, or only to `client` if its gen is not 0 */
    ACT_REPLY,       /* answer `client`: ok, or failed with the error in actions.texts[text] */
    ACT_REPLY_PARTS, /* answer `client` part by part: a list, figures, or an explanation of slot (-1: as described) */
    ACT_REPLY_VERSION,
    ACT_SERVE, /* the daemon does what `client` asks without the core, and answers once that is done */
    ACT_SUBSCRIBE,
    ACT_AUDIT,       /* report actions.audits[audit]; unless the outcome is AUDIT_OK, actions.texts[text] says why */
    ACT_UNSUBSCRIBE, /* mark `client`; a reply follows */
    ACT_RELEASE,     /* the device in slot came back from a VM (vm: the VM if it has just died, else -1): reset it if
                        `reset` says so, bind it to the kernel's driver again if `bind` says so, let drivers of the host
                        bind, then report FACT_RELEASED with `token`, even after a failure */
    ACT_REVOKE,      /* end every open descriptor of the device in slot, then report FACT_REVOKED with `token` */
    ACT_SAVE,    /* write what is remembered now to disk, then report FACT_SAVED; the first action of its step, and no
                    other one comes before FACT_SAVED */
    ACT_FLAPS,   /* the port of slot flaps: its device is left alone for `hold_ms` */
    ACT_DROPPED, /* the decision by `by` about a device or a tag is dropped: the table is full */
    ACT_DRIVER,  /* core.driver of the slot, of the host, has an interface of a device that a VM has */
    ACT_STATE,   /* tell admins (or only `client` if its gen is not 0) of the loss of the state file, or of its end */
    ACT_LOOK,    /* read the device in slot again: FACT_DEVICE, FACT_SEEN or FACT_GONE follows */
    ACT_OFFER,   /* the device in slot is the host's: configure it if it is not, offer it to the host's drivers, then
                    report FACT_OFFERED with `token` */
    ACT_PREPARE, /* see that no program has the device in slot, and bind it to the driver that VMs use it by; then
                    report FACT_PREPARED with `token`. `shared`: a VM has another device of its IOMMU group */
    ACT_RESTORE, /* see that no program has a device of its group, and give the device in slot back to the host's
                    driver; then report FACT_RESTORED with `token` */
};

struct action {
    enum action_kind kind;
    enum event_kind event;
    bool ok;
    int slot; /* device slot, or -1 */
    int vm;   /* or -1 */
    struct client_ref client;
    bool audits;                   /* ACT_SUBSCRIBE: to audit events, too */
    uint16_t audit;                /* ACT_AUDIT */
    uint16_t text;                 /* index into actions.texts for ACT_REPLY with !ok */
    bool reset, bind, deauthorise; /* ACT_RELEASE */
    bool shared;                   /* ACT_PREPARE */
    uint32_t token;                /* ACT_RELEASE, ACT_OFFER, ACT_REVOKE, ACT_PREPARE, ACT_RESTORE */
    int64_t hold_ms;               /* ACT_FLAPS */
    enum role by;                  /* ACT_DROPPED */
    uint16_t vid, pid;             /* ACT_DROPPED: 0 if it is about a tag */
    char name[VH_NAME_MAX];        /* ACT_DROPPED: its port, "" any; or the tag */
    struct vmm_op op;
};

const char *role_name(enum role r);
/* Hubs stay with the host whatever the rules say. */
bool device_is_hub(const struct device *dev);
/* Nothing is known of it: zero, and all its texts are "". */
void device_clear(struct device *dev);
/* Its texts are these from now on. */
void device_take_texts(struct device *dev, const struct device_texts *texts);
/* Copies its texts, wherever they are. */
void device_copy_texts(struct device_texts *texts, const struct device *dev);
/* Adds to the note what is odd about a device, once; the text takes the place of the earlier ones if they leave no
 * room. */
void device_note(char note[VH_NOTE_MAX], const char *text);

#endif
