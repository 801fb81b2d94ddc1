/*
 * qemu_ports.h - which USB ports a QEMU offers: the questions that find out, and their answers. Pure.
 *
 * QOM tells the controllers, their buses and how many devices are on each; only `info usb` tells their ports, in text
 * for people. Both have to agree, or nothing is known: a device writes a part of that text.
 */
#ifndef VHOTPLUG_QEMU_PORTS_H
#define VHOTPLUG_QEMU_PORTS_H

#include "base/limits.h"
#include "base/vm_ports.h"
#include "codec/json.h"

#include <stdbool.h>
#include <stdint.h>

enum { QEMU_ASKED = 6, QEMU_QUESTION_MAX = 224 }; /* questions of one batch; bytes of the arguments of one */

/* Where QOM has a device: named on the command line or later, without a name there, or made by the machine. */
enum qemu_home { QEMU_NAMED, QEMU_ANONYMOUS, QEMU_UNATTACHED, QEMU_HOMES };

struct qemu_controller {
    char name[VH_OPID_MAX];
    char bus[VH_NAME_MAX];     /* "": none yet, or it is a companion: its ports are another bus's */
    char master[VH_NAME_MAX];  /* of a companion: that bus */
    char child[VH_IFNAME_MAX]; /* one of the links to what is on the bus, best one to a device of the host */
    char device[VH_OPID_MAX];  /* the id of what that link leads to, "" if it has none */
    uint8_t home, type;        /* enum qemu_home, enum vm_controller */
    uint8_t number[2];         /* of ports: p2 and p3, or num-ports; of a companion its first port */
    uint8_t asked;             /* questions about itself */
    bool bus_asked, child_asked;
    uint8_t devices, hubs; /* on the bus, hubs included */
    int16_t busnr;         /* in `info usb`; -1: not known */
};

struct qemu_hub {
    char name[VH_OPID_MAX];
    uint8_t home;
};

struct qemu_ports {
    enum { QEMU_MACHINE, QEMU_SELVES, QEMU_BUSES, QEMU_LINKS, QEMU_TEXT, QEMU_END } phase;
    bool unknown; /* something cannot be found out, so all of it cannot */
    uint8_t nasked, ncontrollers, nhubs;
    uint8_t hub_ports;  /* that each hub has at least */
    uint8_t hubs_asked; /* hubs that somebody made with a number of ports of his own */
    struct {
        uint8_t about, what; /* index; enum question */
    } asked[QEMU_ASKED];
    struct qemu_hub hub[VH_VM_HUBS];
    struct qemu_controller controller[VH_VM_BUSES];
    struct vm_ports ports; /* the result */
};

void qemu_ports_begin(struct qemu_ports *p);
/* An entry of a list of devices: its name and its QOM type, such as "child<qemu-xhci>". */
void qemu_ports_entry(struct qemu_ports *p, enum qemu_home home, const char *name, const char *type);
/* The next question of a batch as a command and its arguments. False: the batch is complete; if it is empty, all is
 * asked. The answer belongs to the number of the question in its batch, from 0. */
bool qemu_ports_ask(struct qemu_ports *p, const char **command, char arguments[QEMU_QUESTION_MAX]);
void qemu_ports_answer(struct qemu_ports *p, unsigned number, const struct json *j, int value); /* -1: refused */
void qemu_ports_batch_done(struct qemu_ports *p);
bool qemu_ports_name_is_safe(const char *name); /* may it stand in a QOM path and in JSON as it is? */

#endif
