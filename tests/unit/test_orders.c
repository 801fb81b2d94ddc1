/*
 * test_orders.c - the forms of the opener's, the connectors' and the disk worker's orders and answers, each from one
 * that is right and differs in one thing: the last value that is right, and the first that is not.
 */
#include "base/limits.h"
#include "daemon/disk_order.h"
#include "daemon/state_file.h"
#include "os/opener_order.h"
#include "test.h"
#include "vmm/connector_order.h"

enum { NONE = -1, FIRST = 0 /* a descriptor like any other */, OTHER = 7 };

/* ---- the disk worker ---- */

static bool save_of(uint32_t kind, uint32_t len) {
    struct disk_order o = {.head.kind = kind, .len = len};
    return disk_order_valid(&o);
}

static void the_disk_saves_a_text_that_there_is_room_for(void) {
    CHECK(save_of(DISK_SAVE, 1) && save_of(DISK_SAVE, 2) && save_of(DISK_SAVE, VH_STATE_MAX));
    CHECK(!save_of(DISK_SAVE, 0) && !save_of(DISK_SAVE, VH_STATE_MAX + 1) && !save_of(DISK_SAVE, UINT32_MAX));
    CHECK(!save_of(DISK_SAVE - 1, 1) && !save_of(DISK_SAVE + 1, 1));
}

static bool saved(int32_t error, uint32_t place, size_t n, int fd0, int fd1) {
    struct disk_answer a = {.error = error, .place = place};
    return disk_answer_valid(&a, n, (const int[WORKER_FDS]){fd0, fd1});
}

static void the_disk_answers_an_errno_and_a_place(void) {
    const size_t n = sizeof(struct disk_answer);
    CHECK(saved(0, 0, n, NONE, NONE) && saved(1, 1, n, NONE, NONE));
    CHECK(saved(WORKER_ERRNO_MAX, STATE_FILE_PLACES - 1, n, NONE, NONE));
    CHECK(!saved(-1, 0, n, NONE, NONE) && !saved(WORKER_ERRNO_MAX + 1, 0, n, NONE, NONE));
    CHECK(!saved(0, STATE_FILE_PLACES, n, NONE, NONE));
    CHECK(!saved(0, 0, n - 1, NONE, NONE) && !saved(0, 0, n + 1, NONE, NONE));
    CHECK(!saved(0, 0, n, FIRST, NONE) && !saved(0, 0, n, NONE, FIRST) && !saved(0, 0, n, OTHER, OTHER));
}

/* ---- the opener ---- */

static bool opens(uint32_t kind, bool begun, bool with_fd) {
    struct opener_order o = {.head.kind = kind};
    return opener_order_valid(&o, begun, with_fd);
}

static void the_opener_is_told_once_and_first_what_was_made(void) {
    for (uint32_t kind = 0; kind <= OPEN_KINDS + 1; kind++) {
        CHECK(opens(kind, true, false) == (kind < OPEN_KINDS && kind != OPEN_MADE));
        CHECK(opens(kind, false, false) == (kind == OPEN_MADE));
        CHECK(!opens(kind, true, true) && !opens(kind, false, true));
    }
}

static bool opened(uint32_t kind, int32_t error, size_t n, int fd0, int fd1) {
    struct opener_reply r = {.error = error};
    return opener_reply_valid(kind, &r, n, (const int[WORKER_FDS]){fd0, fd1});
}

static void the_opener_replies_with_a_descriptor_or_an_errno(void) {
    const size_t n = sizeof(struct opener_reply);
    for (uint32_t kind = 0; kind < OPEN_KINDS; kind++) {
        bool brings = kind != OPEN_UNLINK && kind != OPEN_MADE && kind != OPEN_END;
        CHECK(opened(kind, 0, n, FIRST, NONE) == brings && opened(kind, 0, n, OTHER, NONE) == brings);
        CHECK(opened(kind, 0, n, NONE, NONE) != brings);
        CHECK(opened(kind, 1, n, NONE, NONE) && opened(kind, WORKER_ERRNO_MAX, n, NONE, NONE));
        CHECK(!opened(kind, 1, n, FIRST, NONE) && !opened(kind, -1, n, NONE, NONE));
        CHECK(!opened(kind, WORKER_ERRNO_MAX + 1, n, NONE, NONE));
        CHECK(!opened(kind, 1, n - 1, NONE, NONE) && !opened(kind, 1, n + 1, NONE, NONE));
        CHECK(!opened(kind, 0, n, FIRST, FIRST) && !opened(kind, 1, n, NONE, FIRST));
    }
}

/* ---- connectors ---- */

static struct connector_order about(uint32_t kind) {
    struct connector_order o = {.head.kind = kind, .vm = "vm", .socket = "/run/vm"};
    return o;
}

static void a_connector_is_asked_about_a_vm(void) {
    for (uint32_t kind = 0; kind <= CONNECTOR_RELOAD + 1; kind++) {
        bool is_one = kind == CONNECTOR_CONNECT || kind == CONNECTOR_LISTENING || kind == CONNECTOR_LOOK;
        struct connector_order o = about(kind);
        CHECK(connector_order_valid(&o, false) == is_one);
        CHECK(!connector_order_valid(&o, true));
        memset(o.vm, 'v', sizeof o.vm);
        CHECK(!connector_order_valid(&o, false));
        o.vm[sizeof o.vm - 1] = '\0';
        memset(o.socket, 's', sizeof o.socket);
        CHECK(!connector_order_valid(&o, false));
        o.socket[sizeof o.socket - 1] = '\0';
        CHECK(connector_order_valid(&o, false) == is_one);
    }
}

static void a_reload_names_no_vm(void) {
    struct connector_order o = {.head.kind = CONNECTOR_RELOAD};
    CHECK(connector_order_valid(&o, false) && !connector_order_valid(&o, true));
    o.vm[0] = 'v'; /* one character, which is a name */
    CHECK(!connector_order_valid(&o, false));
    o = (struct connector_order){.head.kind = CONNECTOR_RELOAD, .socket = "s"};
    CHECK(!connector_order_valid(&o, false));
    o = (struct connector_order){.head.kind = CONNECTOR_RELOAD, .vm = {'\0', 'v'}, .socket = {'\0', 's'}};
    CHECK(connector_order_valid(&o, false)); /* behind its end is nothing */
}

static bool answered(uint32_t kind, struct connector_answer a, size_t n, int fd0, int fd1) {
    return connector_answer_valid(kind, &a, n, (const int[WORKER_FDS]){fd0, fd1});
}

static void a_connection_comes_with_success_alone(void) {
    const size_t n = sizeof(struct connector_answer);
    const int fds[] = {NONE, FIRST, OTHER};
    for (uint32_t kind = CONNECTOR_CONNECT; kind <= CONNECTOR_RELOAD; kind++) {
        for (uint8_t status = 0; status < CONNECTOR_ANSWERS; status++) {
            bool connected = kind == CONNECTOR_CONNECT && status == CONNECTOR_OK;
            for (int i = 0; i < 9; i++) {
                int first = fds[i / 3], second = fds[i % 3];
                bool fit = connected ? first >= 0 : first < 0 && second < 0;
                CHECK(answered(kind, (struct connector_answer){.status = status}, n, first, second) == fit);
            }
        }
    }
}

static bool looked(struct connector_answer a) {
    return answered(CONNECTOR_LOOK, a, sizeof a, NONE, NONE);
}

static void each_field_of_a_connectors_answer_is_in_range(void) {
    struct connector_answer a = {.there = 1, .watched = 1, .packets = 1, .error = WORKER_ERRNO_MAX};
    memset(a.text, 't', sizeof a.text - 1);
    CHECK(looked(a));
    CHECK(!answered(CONNECTOR_LOOK, a, sizeof a - 1, NONE, NONE));
    CHECK(!answered(CONNECTOR_LOOK, a, sizeof a + 1, NONE, NONE));
    a.text[sizeof a.text - 1] = 't';
    CHECK(!looked(a));
    CHECK(!looked((struct connector_answer){.status = CONNECTOR_ANSWERS}));
    CHECK(!looked((struct connector_answer){.there = 2}));
    CHECK(!looked((struct connector_answer){.watched = 2}));
    CHECK(!looked((struct connector_answer){.packets = 2}));
    CHECK(!looked((struct connector_answer){.error = -1}));
    CHECK(!looked((struct connector_answer){.error = WORKER_ERRNO_MAX + 1}));
}

int main(void) {
    RUN(the_disk_saves_a_text_that_there_is_room_for);
    RUN(the_disk_answers_an_errno_and_a_place);
    RUN(the_opener_is_told_once_and_first_what_was_made);
    RUN(the_opener_replies_with_a_descriptor_or_an_errno);
    RUN(a_connector_is_asked_about_a_vm);
    RUN(a_reload_names_no_vm);
    RUN(a_connection_comes_with_success_alone);
    RUN(each_field_of_a_connectors_answer_is_in_range);
    TEST_MAIN_END;
}
