/* vm_input_id.c: the id of an input device in a VM, the path of its node, and what is neither. */
#include "codec/vm_input_id.h"
#include "test.h"

static void an_id_and_a_node_have_the_number(void) {
    static const uint16_t numbers[] = {0, 4, 10, 65535};
    static const char *const ids[] = {"vhp-evdev-event0", "vhp-evdev-event4", "vhp-evdev-event10",
                                      "vhp-evdev-event65535"};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        char id[VH_OPID_MAX], node[VH_NODE_MAX];
        uint16_t again = 7;
        vm_input_id_print(id, numbers[i]);
        CHECK_STR(id, ids[i]);
        CHECK(vm_input_id_parse(id, &again) && again == numbers[i]);
        again = 7;
        input_node_print(node, numbers[i]);
        CHECK_STR(node + strlen("/dev/input/"), ids[i] + strlen("vhp-evdev-"));
        CHECK(input_node_parse(node, &again) && again == numbers[i]);
    }
}

static void others_are_none(void) {
    static const char *const ids[] = {"",
                                      "vhp-evdev-",
                                      "vhp-evdev-0",
                                      "vhp-evdev-event",
                                      "vhp-evdev-event01",
                                      "evdev-event3",
                                      "vhp-evdev-event-1",
                                      "vhp-evdev-event65536",
                                      "vhp-evdev-event3 ",
                                      "vhp-pci-0000-01-00.0"};
    static const char *const nodes[] = {"",
                                        "/dev/input/event",
                                        "/dev/input/event007",
                                        "/dev/input/mouse0",
                                        "/dev/input/by-path/x-event-kbd",
                                        "/dev/input/event1/",
                                        "/dev//input/event1",
                                        "event1"};
    uint16_t number = 7;
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
        CHECK(!vm_input_id_parse(ids[i], &number) && number == 7);
    for (size_t i = 0; i < sizeof nodes / sizeof *nodes; i++)
        CHECK(!input_node_parse(nodes[i], &number) && number == 7);
}

int main(void) {
    RUN(an_id_and_a_node_have_the_number);
    RUN(others_are_none);
    TEST_MAIN_END;
}
