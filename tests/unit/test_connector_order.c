/*
 * test_connector_order.c - the form of the connectors' orders and answers: of each number the last value that is right,
 * and the first that is not.
 */
#include "test.h"
#include "vmm/connector_order.h"

enum { NONE = -1, FIRST = 0 /* a descriptor like any other */, OTHER = 7 };

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
    RUN(a_connector_is_asked_about_a_vm);
    RUN(a_reload_names_no_vm);
    RUN(a_connection_comes_with_success_alone);
    RUN(each_field_of_a_connectors_answer_is_in_range);
    TEST_MAIN_END;
}
