/*
 * scratch.c - gives back the memory that parsing and looking up names leave touched. Knows whose memory that is; owns
 * none.
 */
#include "daemon/scratch.h"

#include "codec/json.h"
#include "codec/pci_names.h"
#include "codec/state_format.h"
#include "codec/usb_names.h"
#include "config/conf.h"
#include "os/pages.h"

void scratch_give_back(void) {
    static void *(*const parsers[])(size_t * size) = {conf_scratch, json_scratch, state_format_scratch};
    size_t size = 0;
    const void *p = NULL;
    for (size_t i = 0; i < sizeof parsers / sizeof *parsers; i++) {
        p = parsers[i](&size);
        pages_give_back(p, size);
    }
    /* Names are looked up at plugs; the scan at start has touched most of the table. */
    for (int part = 0; (p = usb_names_table(part, &size)) != NULL; part++)
        pages_give_back(p, size);
    for (int part = 0; (p = pci_names_table(part, &size)) != NULL; part++)
        pages_give_back(p, size);
}
