/* vfio_order.c: which orders and answers about PCI devices are ones. */
#include "bus/vfio_order.h"
#include "test.h"

#include <string.h>

static struct vfio_order order;
static struct vfio_answer answer;
static int fds[WORKER_FDS];

static void make(uint32_t kind, uint32_t n) {
    memset(&order, 0, sizeof order);
    order.head = (struct worker_head){.serial = 1, .kind = kind};
    order.n = n;
    for (uint32_t i = 0; i < n && i < VH_MAX_GROUP; i++)
        order.member[i].address.bus = (uint8_t)i;
}

static bool valid(void) {
    return vfio_order_valid(&order, false);
}

static void an_order_names_what_is_meant(void) {
    for (uint32_t kind = 0; kind <= VFIO_KINDS; kind++) {
        make(kind, 1);
        CHECK(valid() == (kind >= VFIO_PREPARE && kind < VFIO_KINDS));
        CHECK(!vfio_order_valid(&order, true));
        make(kind, 0);
        CHECK(!valid());
        make(kind, 2);
        CHECK(valid() == (kind == VFIO_PREPARE));
    }
    make(VFIO_PREPARE, VH_MAX_GROUP);
    CHECK(valid());
    make(VFIO_PREPARE, VH_MAX_GROUP + 1);
    CHECK(!valid());
    make(VFIO_PREPARE, UINT32_MAX);
    CHECK(!valid());
}

static void no_device_is_named_twice(void) {
    make(VFIO_PREPARE, 3);
    order.member[2].address.bus = 0;
    CHECK(!valid());
    order.member[2].address.devfn = 1;
    CHECK(valid());
    order.member[1].address = order.member[2].address;
    CHECK(!valid());
}

static void only_some_uses_can_be_overruled(void) {
    make(VFIO_PREPARE, 2);
    order.member[1].despite = PCI_KEYBOARD | PCI_UPLINK;
    CHECK(valid());
    for (unsigned use = 1; use < 256; use <<= 1) {
        order.member[1].despite = (uint8_t)use;
        CHECK(valid() == (use == PCI_KEYBOARD || use == PCI_UPLINK));
    }
    make(VFIO_RESTORE, 1);
    order.member[0].despite = PCI_UPLINK;
    CHECK(!valid());
}

static void what_belongs_to_prepare_is_in_no_other_order(void) {
    for (uint32_t kind = VFIO_PREPARE; kind < VFIO_KINDS; kind++) {
        make(kind, 1);
        order.uid = 1000;
        CHECK(valid() == (kind == VFIO_PREPARE));
        make(kind, 1);
        order.by_fd = 1;
        CHECK(valid() == (kind == VFIO_PREPARE));
        make(kind, 1);
        order.joins = 1;
        CHECK(valid() == (kind == VFIO_PREPARE));
    }
    make(VFIO_PREPARE, 1);
    order.joins = 2;
    CHECK(!valid());
    make(VFIO_PREPARE, 1);
    order.by_fd = 2;
    CHECK(!valid());
}

static bool answered(void) {
    return vfio_answer_valid(&order, &answer, sizeof answer, fds);
}

static void reply(uint32_t kind, uint32_t result, const char *why) {
    make(kind, 1);
    memset(&answer, 0, sizeof answer);
    answer.result = result;
    (void)snprintf(answer.why, sizeof answer.why, "%s", why);
    fds[0] = fds[1] = -1;
}

static void a_refusal_says_why_and_success_does_not(void) {
    for (uint32_t result = 0; result <= VFIO_RESULTS; result++) {
        reply(VFIO_PREPARE, result, "");
        CHECK(answered() == (result == VFIO_DONE));
        reply(VFIO_PREPARE, result, "it is so");
        CHECK(answered() == (result > VFIO_DONE && result < VFIO_RESULTS));
    }
    reply(VFIO_PREPARE, VFIO_BUSY, "it is so");
    memset(answer.why, 'x', sizeof answer.why);
    CHECK(!answered());
    reply(VFIO_PREPARE, VFIO_BUSY, "\xff");
    CHECK(!answered());
    reply(VFIO_PREPARE, VFIO_BUSY, "it is so");
    answer.group = 1;
    CHECK(!answered());
    reply(VFIO_PREPARE, VFIO_DONE, "");
    answer.group = 19;
    CHECK(answered());
    CHECK(!vfio_answer_valid(&order, &answer, sizeof answer - 1, fds));
}

static void descriptors_come_where_they_were_asked_for(void) {
    for (int by_fd = 0; by_fd <= 1; by_fd++) {
        for (int opened = 0; opened <= 2; opened++) {
            for (int n = 0; n <= WORKER_FDS; n++) {
                reply(VFIO_PREPARE, VFIO_DONE, "");
                order.by_fd = (uint8_t)by_fd;
                answer.opened = (uint8_t)opened;
                fds[0] = n > 0 ? 0 : -1;
                fds[1] = n > 1 ? 0 : -1;
                CHECK(answered() == (opened <= by_fd && n == 2 * opened));
            }
        }
    }
    reply(VFIO_PREPARE, VFIO_FAILED, "it is so");
    order.by_fd = answer.opened = 1;
    fds[0] = fds[1] = 0;
    CHECK(!answered());
}

static void flags_are_where_they_belong(void) {
    for (uint32_t kind = VFIO_PREPARE; kind < VFIO_KINDS; kind++) {
        for (uint32_t result = VFIO_DONE; result < VFIO_RESULTS; result++) {
            const char *why = result == VFIO_DONE ? "" : "it is so";
            reply(kind, result, why);
            answer.wanted = 1;
            CHECK(answered() == (kind == VFIO_LOOK && result == VFIO_BUSY));
            reply(kind, result, why);
            answer.undriven = VH_MAX_GROUP;
            CHECK(answered() == (kind == VFIO_RESTORE && result == VFIO_DONE));
            answer.undriven = VH_MAX_GROUP + 1;
            CHECK(!answered());
        }
    }
}

int main(void) {
    RUN(an_order_names_what_is_meant);
    RUN(no_device_is_named_twice);
    RUN(only_some_uses_can_be_overruled);
    RUN(what_belongs_to_prepare_is_in_no_other_order);
    RUN(a_refusal_says_why_and_success_does_not);
    RUN(descriptors_come_where_they_were_asked_for);
    RUN(flags_are_where_they_belong);
    TEST_MAIN_END;
}
