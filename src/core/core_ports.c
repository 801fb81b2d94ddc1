/*
 * core_ports.c - the USB ports of VMs between two listings: what our own operations change there. Never begins an
 * operation.
 */
#include "core/core_internal.h"

void ports_given_back(struct core *c, int vm, const struct slot *s) {
    struct vm_ports *p = &c->ports[vm];
    for (int i = 0; i < p->nports && p->known; i++) {
        struct vm_port *port = &p->port[i];
        if (port->busnum == 0 || port->busnum != s->vm_busnum || port->devnum != s->vm_devnum)
            continue;
        port->used = false;
        port->busnum = port->devnum = 0;
    }
}
