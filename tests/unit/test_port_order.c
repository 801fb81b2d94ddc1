/*
 * test_port_order.c - port_order.c: each valid form passes, and each of them broken in one place does not; a device's
 * name says where it is plugged in.
 */
#include "bus/usb/port_order.h"
#include "test.h"

#include <string.h>

static struct port_order order;
static struct port_answer answer;

static void make_order(uint32_t kind) {
    memset(&order, 0, sizeof order);
    order.head = (struct worker_head){.serial = 1, .kind = kind};
    memcpy(order.hub, "1-2.3", 6);
    order.ports = kind == PORT_KEEP || kind == PORT_HOLD ? 4 : 0;
    order.port = kind == PORT_CLAIM || kind == PORT_RELEASE ? 4 : 0;
}

static bool order_valid(void) {
    return port_order_valid(&order, order.head.kind == PORT_KEEP);
}

static void an_order_has_a_kind_a_hub_and_its_ports(void) {
    for (uint32_t kind = 0; kind < 300; kind++) {
        bool known = kind >= PORT_KEEP && kind <= PORT_DROP;
        make_order(kind);
        CHECK(order_valid() == known);
        CHECK(!port_order_valid(&order, kind != PORT_KEEP));
        order.hub[0] = '\0';
        CHECK(!order_valid());
        make_order(kind);
        memcpy(order.hub, "../usb1", 8);
        CHECK(!order_valid());
        make_order(kind);
        memset(order.hub, '1', sizeof order.hub);
        CHECK(!order_valid());
        make_order(kind);
        order.ports = order.ports == 0;
        CHECK(!order_valid());
        make_order(kind);
        order.port = order.port == 0;
        CHECK(!order_valid());
        make_order(kind);
        order.again = 1;
        CHECK(order_valid() == known);
        order.again = 2;
        CHECK(!order_valid());
        make_order(kind);
        port_set(order.held, 4, true);
        CHECK(order_valid() == (known && order.ports != 0));
        port_set(order.held, 5, true);
        CHECK(!order_valid());
        make_order(kind);
        port_set(order.held, 0, true);
        CHECK(!order_valid());
    }
    make_order(UINT32_MAX);
    CHECK(!order_valid());
    make_order(PORT_HOLD);
    order.ports = 255;
    CHECK(order_valid());
}

static void make_answer(uint32_t kind) {
    make_order(kind);
    memset(&answer, 0, sizeof answer);
    for (uint8_t port = 1; kind == PORT_HOLD && port <= order.ports; port++)
        port_set(answer.held, port, true);
}

static bool valid(void) {
    return port_answer_valid(&order, &answer, sizeof answer);
}

static void an_answer_says_which_ports_are_held_or_why_not(void) {
    for (uint32_t kind = PORT_KEEP; kind <= PORT_DROP; kind++) {
        make_answer(kind);
        CHECK(valid());
        CHECK(!port_answer_valid(&order, &answer, sizeof answer - 1));
        CHECK(!port_answer_valid(&order, &answer, sizeof answer + 1));
        CHECK(!port_answer_valid(&order, &answer, 0));
        answer.error = 16;
        CHECK(valid());
        answer.error = WORKER_ERRNO_MAX + 1;
        CHECK(!valid());
        answer.error = -1;
        CHECK(!valid());
        make_answer(kind);
        port_set(answer.held, 0, true);
        CHECK(!valid());
        make_answer(kind);
        port_set(answer.held, 5, true);
        CHECK(!valid());
        make_answer(kind);
        port_set(answer.held, 255, true);
        CHECK(!valid());
    }
    make_answer(PORT_HOLD);
    port_set(answer.held, 2, false);
    CHECK(!valid()); /* not held, and no reason */
    answer.error = 16;
    CHECK(valid());
    port_set(order.held, 2, true);
    CHECK(!valid()); /* it was held before */
}

static void a_port_is_a_bit(void) {
    uint8_t held[PORT_BYTES] = {0};
    for (unsigned port = 0; port < 256; port++) {
        port_set(held, (uint8_t)port, true);
        CHECK(port_is_set(held, (uint8_t)port) && (port == 0 || port_is_set(held, (uint8_t)(port - 1))));
        CHECK(port == 255 || !port_is_set(held, (uint8_t)(port + 1)));
    }
    port_set(held, 9, false);
    CHECK(!port_is_set(held, 9) && port_is_set(held, 8) && port_is_set(held, 10));
}

static void a_name_says_where_a_device_is_plugged_in(void) {
    static const struct {
        const char *name, *hub;
        uint8_t port;
    } rows[] = {{"1-2", "usb1", 2},        {"12-255", "usb12", 255}, {"1-2.3", "1-2", 3},
                {"3-1.2.14", "3-1.2", 14}, {"usb1", NULL, 0},        {"1-256", NULL, 0},
                {"1-0", NULL, 0},          {"1-2.", NULL, 0},        {"1-2.300", NULL, 0}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char hub[VH_SYSNAME_MAX] = "";
        uint8_t port = 0;
        bool ok = port_above(rows[i].name, hub, &port);
        CHECK(ok == (rows[i].hub != NULL));
        CHECK(!ok || (strcmp(hub, rows[i].hub) == 0 && port == rows[i].port));
    }
}

int main(void) {
    RUN(an_order_has_a_kind_a_hub_and_its_ports);
    RUN(an_answer_says_which_ports_are_held_or_why_not);
    RUN(a_port_is_a_bit);
    RUN(a_name_says_where_a_device_is_plugged_in);
    TEST_MAIN_END;
}
