/*
 * state_format.h - what is remembered of devices, present or not, and its form on disk. Pure; daemon/state_file.c reads
 * and writes the file.
 *
 * The file is JSON that the older daemons of this API read and write too: `selected_vms` maps the id of a device to a
 * VM, `disconnected_devices` lists ids (state_id.h). Further members hold what they do not know (ports, authors,
 * suspension, tags). What is not understood, such as ids of PCI devices and other members, is kept as it is.
 */
#ifndef VHOTPLUG_STATE_FORMAT_H
#define VHOTPLUG_STATE_FORMAT_H

#include "base/limits.h"
#include "base/model.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What keeps a device away. It is in the file before it holds. */
struct kept_away {
    enum role by;        /* author of the decision to take it away; ROLE_NONE: there is no such decision */
    enum role exempt_by; /* who attached the plug `exempt` although a decision keeps its tag away; ROLE_NONE: nobody */
    uint64_t exempt;     /* its incarnation, true only of this boot */
};

/* One device, known by vendor, product and serial, and by the port where it was seen last. */
struct remembered {
    bool used;
    uint16_t vid, pid;
    char serial[VH_STRING_MAX]; /* "" if it has none */
    /* Its stable path (connector_port()); "1-2.3" if it has none, or is of an earlier version; "" if unknown (another
     * daemon's entry): any port. */
    char port[VH_STABLE_PATH_MAX];
    char vm[VH_NAME_MAX];        /* selection, "" none */
    enum role vm_by;             /* its author; ROLE_NONE: there is none */
    char suspended[VH_NAME_MAX]; /* the VM that a suspend took it out of, "" none; true only of this boot */
    bool displaced;              /* it gives its place to the decision that is being saved; not part of the file */
    bool resumed;                /* a resume came while its device was not fully known yet; not part of the file */
    struct kept_away file, now;  /* what the file says; what holds: the same unless a decision is being saved */
    uint64_t stamp;              /* larger is younger; the order of the file */
};

/* A decision about a tag: devices with it are taken away, also those that are plugged in later. */
struct tag_decision {
    enum role by;          /* what the file says: its author, or ROLE_NONE */
    enum role now;         /* what holds; both ROLE_NONE: free */
    enum device_kind kind; /* of the devices: a tag of PCI devices says nothing about devices on USB */
    char tag[VH_NAME_MAX];
};

struct remembered_set {
    uint64_t stamp; /* of the youngest */
    struct remembered m[VH_MAX_REMEMBERED];
    struct tag_decision tag_decision[VH_MAX_TAG_DECISIONS];
    char corrupt[VH_TEXT_MAX]; /* why an earlier file was lost, until an admin acknowledges it; "" it was not */
    unsigned unread;           /* decisions that find no room, in the file that was read; not part of it */
    uint32_t nkept;            /* bytes */
    char kept[VH_STATE_EXTRA]; /* what is not understood, as it was written: a byte that says where, the text, NUL */
};

/*
 * Fills *ms, which is all zero bytes, from a state file. boot: the kernel's boot id; what is true of one boot only is
 * dropped if the file names another one. False with `why` filled if the text is not such a file; then *ms is to be
 * cleared. What finds no room is left out and counted in *dropped, decisions in ms->unread, too (they come before
 * selections); all else can be printed again.
 */
bool state_format_parse(struct remembered_set *ms, const char *text, size_t len, const char *boot, unsigned *dropped,
                        char *why, size_t cap);
/* The file's text, ending with a newline; sb_ok() tells whether it fitted. Equal sets give equal texts. */
void state_format_print(const struct remembered_set *ms, const char *boot, struct sbuf *sb);
/* How many entries are kept that are not understood; other programs' members are no entries. */
unsigned state_format_kept(const struct remembered_set *ms);
/* The parser's static scratch memory, so that its pages may be given back to the kernel. */
void *state_format_scratch(size_t *size);

#endif
