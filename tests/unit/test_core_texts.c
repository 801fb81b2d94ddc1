/*
 * test_core_texts.c - the texts of devices live with the slots: whole, whatever their length, and close together.
 */
#include "core_story.h"
#include "devices.h"

#include <string.h>

static struct device d;

/* Slot i gets the device with these texts, as in one step. */
static void keep(int i) {
    core.slot[i].state = SLOT_PRESENT;
    texts_keep(&core, i, &d);
    texts_settle(&core);
    CHECK(texts_check(&core));
}

static void forget(int i) {
    core.slot[i].state = SLOT_FREE;
    texts_forget(&core, i);
    texts_settle(&core);
    CHECK(texts_check(&core));
}

static void afresh(void) {
    memset(&core, 0, sizeof core);
    device_make(&d, "1-1", 1, 2, 3);
}

static void a_slot_has_texts_of_its_own(void) {
    char serial[] = "S1", note[] = "odd";
    afresh();
    d.serial = serial;
    d.note = note;
    d.protect = "holds /boot";
    d.malformed = "bLength 0";
    keep(0);
    memset(serial, 'x', sizeof serial - 1);
    memset(note, 'x', sizeof note - 1);
    const struct device *of = &core.slot[0].dev;
    CHECK_STR(of->serial, "S1");
    CHECK_STR(of->vendor_name, "V");
    CHECK_STR(of->product_name, "P");
    CHECK_STR(of->protect, "holds /boot");
    CHECK_STR(of->malformed, "bLength 0");
    CHECK_STR(of->note, "odd");
    CHECK_STR(of->sys_name, "1-1");
}

/* A bus changes what was reported: the other texts are those in the slot. */
static void new_texts_may_be_old_ones(void) {
    afresh();
    d.serial = "old";
    keep(0);
    for (int i = 0; i < 1000; i++) {
        struct device changed = core.slot[0].dev;
        changed.serial = i % 2 == 0 ? "a new one, which is longer" : "old";
        changed.product_name = core.slot[0].dev.vendor_name;
        core.slot[0].state = SLOT_PRESENT;
        texts_keep(&core, 0, &changed);
        texts_settle(&core);
        CHECK(texts_check(&core));
        CHECK_STR(core.slot[0].dev.serial, changed.serial[0] == 'a' ? "a new one, which is longer" : "old");
        CHECK_STR(core.slot[0].dev.product_name, "V");
    }
}

static void what_has_not_changed_is_not_written_again(void) {
    afresh();
    keep(0);
    uint32_t used = core.pool.used;
    d.settled = false;
    d.usb.devnum = 9;
    keep(0);
    CHECK(!core.slot[0].dev.settled && core.slot[0].dev.usb.devnum == 9);
    CHECK(core.pool.used == used && core.pool.waste == 0);
}

static void fill(char *text, size_t cap, int i) {
    memset(text, 'a' + i % 26, cap - 1);
    text[cap - 1] = '\0';
}

static bool is_filled(const char *text, size_t cap, int i) {
    char expected[VH_STRING_MAX];
    fill(expected, cap, i);
    return strcmp(text, expected) == 0;
}

/* Every slot with the longest texts, and each replaced by as long ones: nothing is cut. */
static void the_longest_texts_of_all_slots_fit(void) {
    static struct device_texts t;
    afresh();
    device_take_texts(&d, &t);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < CORE_SLOTS; i++) {
            fill(t.serial, sizeof t.serial, i + round);
            fill(t.vendor_name, sizeof t.vendor_name, i + round);
            fill(t.product_name, sizeof t.product_name, i + round);
            fill(t.protect, sizeof t.protect, i + round);
            fill(t.malformed, sizeof t.malformed, i + round);
            fill(t.note, sizeof t.note, i + round);
            keep(i);
        }
        for (int i = 0; i < CORE_SLOTS; i++) {
            const struct device *of = &core.slot[i].dev;
            CHECK(is_filled(of->serial, sizeof t.serial, i + round) && is_filled(of->note, sizeof t.note, i + round));
            CHECK(is_filled(of->vendor_name, sizeof t.vendor_name, i + round) &&
                  is_filled(of->product_name, sizeof t.product_name, i + round));
            CHECK(is_filled(of->protect, sizeof t.protect, i + round) &&
                  is_filled(of->malformed, sizeof t.malformed, i + round));
        }
    }
    for (int i = 0; i < CORE_SLOTS; i++)
        forget(i);
    CHECK(core.pool.used <= CORE_POOL_WASTE);
}

/* Devices come and go for ever: the pool has what those that are there need, and little more. */
static void what_has_gone_makes_room(void) {
    char serial[64];
    afresh();
    d.serial = serial;
    for (int i = 0; i < 20000; i++) {
        int slot = i * 7 % 50;
        snprintf(serial, sizeof serial, "%d of slot %d%.*s", i, slot, i % 30, "..............................");
        if (i % 3 == 0 && core.slot[slot].state != SLOT_FREE)
            forget(slot);
        else
            keep(slot);
        CHECK(core.pool.used < 50 * (sizeof serial + 16) + CORE_POOL_WASTE);
    }
    for (int slot = 0; slot < 50; slot++) {
        int of = 0, which = 0;
        if (core.slot[slot].state != SLOT_FREE)
            CHECK(sscanf(core.slot[slot].dev.serial, "%d of slot %d", &which, &of) == 2 && of == slot);
    }
}

/* Through the core's facts: those who are left keep theirs, those who leave are reported with theirs. */
static void a_device_that_leaves_has_texts_until_its_events_are_sent(void) {
    begin(false);
    plug("1-1", 2, 3);
    plug("1-2", 3, 3);
    for (int i = 0; i < 300; i++) {
        unplug("1-1");
        CHECK_INT(core.slot[0].state, SLOT_DEAD);
        CHECK_STR(core.slot[0].dev.serial, "S1-1");
        plug("1-1", 2, 3);
        CHECK_STR(core_device(&core, "1-1")->serial, "S1-1");
        CHECK_STR(core_device(&core, "1-2")->serial, "S1-2");
    }
    CHECK(core.pool.used < 2 * CORE_POOL_WASTE);
}

/* What is remembered has the device's serial number, and nothing of what lies behind it. */
static void nothing_behind_a_text_is_copied(void) {
    begin(false);
    plug("1-1", 2, 3);
    plug("1-2", 3, 3);
    ask(REQ_DETACH, 2, "");
    const char *serial = core.remembered.m[0].serial;
    CHECK_STR(serial, "S1-1");
    for (size_t i = strlen(serial); i < sizeof core.remembered.m[0].serial; i++)
        CHECK(serial[i] == '\0');
}

static void a_text_elsewhere_is_found_out(void) {
    const char *why = "";
    begin(false);
    plug("1-1", 2, 3);
    CHECK(core_check(&core, &why));
    core.slot[0].dev.note = "";
    CHECK(!core_check(&core, &why));
}

int main(void) {
    RUN(a_slot_has_texts_of_its_own);
    RUN(new_texts_may_be_old_ones);
    RUN(what_has_not_changed_is_not_written_again);
    RUN(the_longest_texts_of_all_slots_fit);
    RUN(what_has_gone_makes_room);
    RUN(a_device_that_leaves_has_texts_until_its_events_are_sent);
    RUN(nothing_behind_a_text_is_copied);
    RUN(a_text_elsewhere_is_found_out);
    TEST_MAIN_END;
}
