/* vm_pci_id.c: the id of a PCI device in a VM, and what is none. */
#include "base/str.h"
#include "codec/vm_pci_id.h"
#include "test.h"

static void an_id_has_the_address(void) {
    static const char *const addresses[][2] = {{"0000:01:00.0", "vhp-pci-0000-01-00.0"},
                                               {"0000:00:1f.7", "vhp-pci-0000-00-1f.7"},
                                               {"10000:e1:00.0", "vhp-pci-10000-e1-00.0"},
                                               {"ffffffff:ff:1f.7", "vhp-pci-ffffffff-ff-1f.7"}};
    for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
        struct pci_address a = {0}, again = {0};
        char id[VH_OPID_MAX];
        CHECK(pci_address_parse(addresses[i][0], &a));
        vm_pci_id_print(id, &a);
        CHECK_STR(id, addresses[i][1]);
        CHECK(vm_pci_id_parse(id, &again) && pci_address_order(&again) == pci_address_order(&a));
    }
}

static void other_ids_are_none(void) {
    static const char *const others[] = {"",
                                         "vhp-pci-",
                                         "vhp-pci-0",
                                         "vhp-pci-12",
                                         "pci-0000-01-00.0",
                                         "vhp-usb-1-2",
                                         "vhp-pci-0000:01:00.0",
                                         "vhp-pci-0000-01:00.0",
                                         "vhp-pci-0000-01-00.8",
                                         "vhp-pci-0000-01-00-0",
                                         "vhp-pci-00000-01-00.0",
                                         "vhp-pci-0000-01-00.0 ",
                                         "vhp-pci-0000-0A-00.0",
                                         "vhp-pci-0000-01-00.0-and-something-that-is-longer-than-any-address"};
    struct pci_address a = {.domain = 7};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        CHECK(!vm_pci_id_parse(others[i], &a) && a.domain == 7);
}

int main(void) {
    RUN(an_id_has_the_address);
    RUN(other_ids_are_none);
    TEST_MAIN_END;
}
