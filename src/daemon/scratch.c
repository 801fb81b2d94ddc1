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

static void give_back_scratch(void *(*of)(size_t *size)) {
    size_t size = 0;
    const void *p = of(&size);
    pages_give_back(p, size);
}

static void give_back_names(const void *(*table)(int part, size_t *size)) {
    size_t size = 0;
    const void *p = NULL;
    for (int part = 0; (p = table(part, &size)) != NULL; part++)
        pages_give_back(p, size);
}

/* Without a look at the parsers of files: they lie with the code that was given back, and would come back for it. */
void scratch_requests_give_back(void) {
    give_back_scratch(json_scratch);
    give_back_names(pci_names_table);
}

void scratch_give_back(void) {
    scratch_requests_give_back();
    give_back_scratch(conf_scratch);
    give_back_scratch(state_format_scratch);
    give_back_names(usb_names_table); /* looked up at plugs; the scan at start has touched most of the table */
}
