/*
 * test_state_id.c - state_id.c: both forms of ids, and udev's form of serial numbers.
 */
#include "codec/state_id.h"
#include "test.h"

static void both_forms_are_read_and_the_new_one_is_printed(void) {
    static const struct {
        const char *text, *serial;
        bool valid, old;
    } cases[] = {
        {"usb-046d:c52b:S1", "S1", true, false},
        {"046d:c52b:S1", "S1", true, true},
        {"usb-046D:C52B:None", "", true, false},
        {"046d:c52b:None", "", true, true},
        {"usb-046d:c52b:", "", true, false},
        {"usb-046d:c52b:a:b", "a:b", true, false},
        {"046d:c52b:usb-", "usb-", true, true},
        {"usb-046d:c52b", "", false, false},
        {"usb-usb-046d:c52b:1", "", false, false},
        {"pci-0000:00:14.3", "", false, false},
        {"usb:1-2", "", false, false},
        {"usb-", "", false, false},
        {"usb-None:None:None", "", false, false},
        {"", "", false, false},
        {"USB-046d:c52b:1", "", false, false},
        {"usb-04g6:c52b:1", "", false, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct state_id id;
        char text[STATE_ID_MAX];
        CHECK_INT(state_id_parse(cases[i].text, &id), cases[i].valid);
        if (!cases[i].valid)
            continue;
        CHECK(id.vid == 0x46d && id.pid == 0xc52b && id.old == cases[i].old);
        CHECK_STR(id.serial, cases[i].serial);
        CHECK(state_id_print(text, id.vid, id.pid, id.serial));
        CHECK(strncmp(text, "usb-046d:c52b:", 14) == 0);
        CHECK_STR(text + 14, cases[i].serial[0] != '\0' ? cases[i].serial : "None");
    }
}

static void a_serial_that_is_too_long_is_no_id(void) {
    char text[STATE_ID_MAX + 2] = "usb-046d:c52b:";
    struct state_id id;
    memset(text + 14, 'x', VH_STRING_MAX - 1);
    CHECK(state_id_parse(text, &id) && strlen(id.serial) == VH_STRING_MAX - 1);
    char printed[STATE_ID_MAX];
    CHECK(state_id_print(printed, id.vid, id.pid, id.serial));
    CHECK_STR(printed, text);
    text[14 + VH_STRING_MAX - 1] = 'x';
    CHECK(!state_id_parse(text, &id));
}

/* Of udev's own (systemd 256): what ID_SERIAL_SHORT is for such a serial attribute. */
static void udev_changes_serials(void) {
    static const char *const cases[][2] = {
        {"", ""},          {"4C53", "4C53"},     {"a#+-.:=@_Z9", "a#+-.:=@_Z9"},
        {"A B", "A_B"},    {"  A  B  ", "A_B"},  {"A/B\"C", "A_B_C"},
        {"A ~B", "A__B"},  {"   ", ""},          {"a,b", ""},
        {"a\tb", ""},      {"\xe6\xbc\xa2", ""}, {"abc\xc3\xa4", ""},
        {"a\x7f", "a_"},   {"a\\x41", "a\\x41"}, {"a\\b", "a_b"},
        {"a\\ x", "a__x"}, {"{S-1}", "_S-1_"},   {" None ", ""},
        {"%", "_"},        {"a ,", ""},          {"x ", "x"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char form[VH_STRING_MAX];
        state_id_udev(cases[i][0], form);
        CHECK_STR(form, cases[i][1]);
        for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
            bool same = strcmp(cases[i][1], cases[k][1]) == 0;
            if (state_id_is_udev(cases[i][0], cases[k][1]) != same)
                CHECK_STR(cases[i][0], cases[k][1]);
        }
    }
    CHECK(!state_id_is_udev("A B", "A_") && !state_id_is_udev("A B", "A_B_") && !state_id_is_udev("A", ""));
}

static void the_longest_serial_has_a_form(void) {
    char serial[VH_STRING_MAX], form[VH_STRING_MAX];
    memset(serial, '!', sizeof serial - 1);
    serial[sizeof serial - 1] = '\0';
    state_id_udev(serial, form);
    CHECK(strlen(form) == sizeof form - 1 && form[0] == '_' && state_id_is_udev(serial, form));
}

int main(void) {
    RUN(both_forms_are_read_and_the_new_one_is_printed);
    RUN(a_serial_that_is_too_long_is_no_id);
    RUN(udev_changes_serials);
    RUN(the_longest_serial_has_a_form);
    TEST_MAIN_END;
}
