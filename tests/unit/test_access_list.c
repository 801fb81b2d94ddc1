/* access_list.c: one user more, and no longer; what others may do stays. */
#include "codec/access_list.h"
#include "test.h"

#include <stdio.h>

static struct access_list list;

/* Entries as "u:rw 1000:rw g:r m:rw o:" - the bytes as the kernel has them. */
static void add(unsigned tag, unsigned rights, uint32_t id) {
    uint8_t *p = list.bytes + list.n;
    const uint8_t bytes[8] = {(uint8_t)tag, (uint8_t)(tag >> 8), (uint8_t)rights,     0,
                              (uint8_t)id,  (uint8_t)(id >> 8),  (uint8_t)(id >> 16), (uint8_t)(id >> 24)};
    memcpy(p, bytes, sizeof bytes);
    list.n += sizeof bytes;
}

static void begin(void) {
    static const uint8_t version[4] = {2};
    memset(&list, 0xff, sizeof list);
    memcpy(list.bytes, version, sizeof version);
    list.n = sizeof version;
}

static const char *said(void) {
    static char text[1024];
    size_t at = 0;
    text[0] = '\0';
    for (size_t i = 4; i < list.n; i += 8) {
        const uint8_t *p = list.bytes + i;
        unsigned id = p[4] | (unsigned)p[5] << 8 | (unsigned)p[6] << 16 | (unsigned)p[7] << 24;
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%u:%u", i > 4 ? " " : "", p[0], p[2]);
        if (p[0] == 2 || p[0] == 8)
            at += (size_t)snprintf(text + at, sizeof text - at, ":%u", id);
    }
    return text;
}

static void a_user_is_let_in_beside_the_mode(void) {
    list.n = 0;
    CHECK_INT(access_list_let(&list, 020600, 1000), ACCESS_CHANGED);
    CHECK_STR(said(), "1:6 2:6:1000 4:0 16:6 32:0");
    CHECK_INT(access_list_let(&list, 020600, 1000), ACCESS_SAME);
    CHECK_INT(access_list_let(&list, 020600, 70000), ACCESS_CHANGED);
    CHECK_STR(said(), "1:6 2:6:1000 2:6:70000 4:0 16:6 32:0");
    CHECK_INT(access_list_bar(&list, 1000), ACCESS_CHANGED);
    CHECK_STR(said(), "1:6 2:6:70000 4:0 16:6 32:0");
    CHECK_INT(access_list_bar(&list, 1000), ACCESS_SAME);
    CHECK_INT(access_list_bar(&list, 70000), ACCESS_CHANGED);
    CHECK_STR(said(), "1:6 4:0 32:0"); /* the mode that it was */
    list.n = 0;
    CHECK_INT(access_list_bar(&list, 1000), ACCESS_SAME);
    CHECK_INT(access_list_let(&list, 020664, 1000), ACCESS_CHANGED);
    CHECK_STR(said(), "1:6 2:6:1000 4:6 16:6 32:4");
    CHECK_INT(access_list_bar(&list, 1000), ACCESS_CHANGED);
    CHECK_STR(said(), "1:6 4:6 32:4");
}

/* As of a seat's user and a group, with a mask that takes their right to write. */
static void what_others_may_do_stays(void) {
    begin();
    add(1, 6, UINT32_MAX), add(2, 6, 500), add(4, 6, UINT32_MAX), add(8, 7, 20), add(16, 4, UINT32_MAX),
        add(32, 0, UINT32_MAX);
    CHECK_INT(access_list_let(&list, 020640, 1000), ACCESS_CHANGED);
    CHECK_STR(said(), "1:6 2:4:500 2:6:1000 4:4 8:4:20 16:6 32:0");
    CHECK_INT(access_list_bar(&list, 1000), ACCESS_CHANGED);
    CHECK_STR(said(), "1:6 2:4:500 4:4 8:4:20 16:4 32:0");
    CHECK_INT(access_list_bar(&list, 20), ACCESS_SAME);             /* a group, no user */
    CHECK_INT(access_list_let(&list, 020640, 500), ACCESS_CHANGED); /* who could only read */
    CHECK_STR(said(), "1:6 2:6:500 4:4 8:4:20 16:6 32:0");
}

static void a_user_who_is_there_twice_goes_twice(void) {
    begin();
    add(1, 6, UINT32_MAX), add(2, 4, 1000), add(2, 6, 1000), add(4, 0, UINT32_MAX), add(16, 6, UINT32_MAX),
        add(32, 0, UINT32_MAX);
    CHECK_INT(access_list_bar(&list, 1000), ACCESS_CHANGED);
    CHECK_STR(said(), "1:6 4:0 32:0");
}

static void a_list_that_is_none_is_left_alone(void) {
    struct access_list before;
    for (int odd = 0; odd < 9; odd++) {
        begin();
        add(odd == 0 ? 2 : 1, odd == 1 ? 8 : 6, 0); /* no owner; more rights than there are */
        if (odd == 2)
            add(2, 6, 500); /* a name without a mask */
        if (odd != 3)
            add(4, 6, 0); /* no group */
        if (odd == 4)
            add(4, 6, 0); /* two */
        add(32, 0, 0);
        if (odd == 5)
            add(16, 6, 0); /* out of order */
        if (odd == 6)
            add(64, 6, 0);
        list.n -= odd == 7;
        list.bytes[0] = odd == 8 ? 1 : 2;
        before = list;
        CHECK_INT(access_list_let(&list, 020600, 1000), ACCESS_ODD);
        CHECK_INT(access_list_bar(&list, 1000), ACCESS_ODD);
        CHECK(memcmp(&before, &list, sizeof list) == 0);
    }
    for (size_t n = 1; n < 5; n++) {
        begin();
        list.n = n;
        CHECK_INT(access_list_let(&list, 020600, 1000), ACCESS_ODD);
    }
    list.n = sizeof list.bytes + 8;
    CHECK_INT(access_list_let(&list, 020600, 1000), ACCESS_ODD);
}

static void a_full_list_says_so(void) {
    list.n = 0;
    for (uint32_t uid = 1; uid <= VH_MAX_ACCESS_ENTRIES - 4; uid++)
        CHECK_INT(access_list_let(&list, 020600, uid), ACCESS_CHANGED);
    CHECK_INT((long)list.n, ACCESS_LIST_BYTES);
    CHECK_INT(access_list_let(&list, 020600, 1000), ACCESS_FULL);
    CHECK_INT(access_list_let(&list, 020600, 1), ACCESS_SAME);
    CHECK_INT(access_list_bar(&list, 1), ACCESS_CHANGED);
    CHECK_INT(access_list_let(&list, 020600, 1000), ACCESS_CHANGED);
}

int main(void) {
    RUN(a_user_is_let_in_beside_the_mode);
    RUN(what_others_may_do_stays);
    RUN(a_user_who_is_there_twice_goes_twice);
    RUN(a_list_that_is_none_is_left_alone);
    RUN(a_full_list_says_so);
    TEST_MAIN_END;
}
