/*
 * test_cli_kind.c - cli_kind.c: devices as they are on the market, in the words of people.
 */
#include "cli/cli_kind.h"
#include "test.h"

static char text[64];

static void devices_have_kinds(void) {
    static const char *const devices[][2] = {
        {":030101:", "keyboard"},
        {":030101:030000:", "keyboard"},        /* with keys for volume */
        {":030101:030102:", "keyboard, mouse"}, /* a receiver of both */
        {":030102:", "mouse"},
        {":030000:", "input"},
        {":080650:", "storage"},
        {":080650:080662:", "storage"},
        {":080650:030101:", "storage, keyboard"}, /* not what it looks like */
        {":0e0100:0e0200:010100:010200:", "camera, audio"},
        {":010100:010200:030000:", "audio"},
        {":020600:0a0000:", "network"},
        {":02020d:", "serial"},
        {":020201:0a0000:", "serial"},
        {":e00101:", "bluetooth"},
        {":e00103:0a0000:", "network"},
        {":0b0000:", "smart card"},
        {":070102:ff0000:", "printer"},
        {":090000:", "hub"},
        {":ff0000:", "vendor"},
        {":060101:ff4201:", "camera"},
        {":fe0102:", "firmware"},
        {":420000:", ""},
        {"", ""},
        {":", ""},
        {":03010:", ""},
        {":03010x:", ""},
        {"030101:", ""},
    };
    for (size_t i = 0; i < sizeof devices / sizeof *devices; i++)
        CHECK_STR(kind_of(devices[i][0], text, sizeof text), devices[i][1]);
}

static void what_does_not_fit_is_left_out_whole(void) {
    char small[12];
    CHECK_STR(kind_of(":080650:030101:030102:", small, sizeof small), "storage");
    CHECK_STR(kind_of(":080650:030101:070101:", small, 9), "");
    CHECK_STR(kind_of(":080650:030101:", small, 1), "");
}

static void says(const char *interfaces, int class, int subclass, int protocol) {
    int triple[3] = {-2, -2, -2};
    CHECK(kind_class(interfaces, triple));
    CHECK_INT(triple[0], class);
    CHECK_INT(triple[1], subclass);
    CHECK_INT(triple[2], protocol);
    CHECK(kind_has(interfaces, triple));
}

static void one_class_says_what_a_device_is(void) {
    int triple[3] = {8, -1, -1};
    says(":ff0000:030000:030101:", 3, -1, 1);
    says(":080650:030101:", 8, -1, -1);
    says(":0a0000:020600:", 2, 6, -1);
    says(":e00101:", 0xe0, 1, 1);
    says(":ff0000:030000:", 0xff, -1, -1);
    CHECK(!kind_class(":420000:", triple));
    CHECK(!kind_class("", triple));
    CHECK(kind_has(":030101:080650:", triple));
    CHECK(!kind_has(":030101:", triple) && !kind_has("", triple));
}

int main(void) {
    RUN(devices_have_kinds);
    RUN(what_does_not_fit_is_left_out_whole);
    RUN(one_class_says_what_a_device_is);
    TEST_MAIN_END;
}
