/*
 * test_conf_vms.c - conf_vms.c: a new configuration beside the old one. The same VM keeps its row, and every reference
 * to a row is changed with it.
 */
#include "config/conf.h"
#include "test.h"

#include <stdlib.h>

static struct conf old, fresh;

static void configure(struct conf *c, const char *json) {
    if (!conf_parse(c, json, strlen(json), NULL, NULL))
        exit(1);
}

#define VM(name) "{\"name\": \"" name "\", \"type\": \"qemu\", \"socket\": \"/run/" name "\"}"

static void everything_that_names_a_vm_follows_it(void) {
    configure(&old, "{\"vms\": [" VM("a") ", " VM("b") "]}");
    configure(&fresh,
              "{\"vms\": [" VM("c") ", " VM("b") ", " VM(
                  "a") "], \"general\": {\"api\": {\"clients\": ["
                       "{\"uid\": 0, \"role\": \"admin\"}, {\"cid\": 3, \"role\": \"guest\", \"vm\": \"a\"}, "
                       "{\"cid\": 4, \"role\": \"guest\", \"vm\": \"c\"}]}}, \"usbPassthrough\": [{\"allowedVms\": "
                       "[\"a\", \"c\"], \"allow\": [{\"bus\": 1}]}]}");
    CHECK(conf_align(&fresh, &old, 0));
    CHECK_INT(fresh.nvms, 3);
    CHECK_STR(fresh.vms[0].name, "a");
    CHECK_STR(fresh.vms[1].name, "b");
    CHECK_STR(fresh.vms[2].name, "c");
    CHECK(fresh.rules[0].vms[0] == 0 && fresh.rules[0].vms[1] == 2 && fresh.rules[0].vm_mask == 5);
    CHECK_INT(fresh.api.naccess, 3);
    CHECK(fresh.api.access[0].vm == -1 && fresh.api.access[1].vm == 0 && fresh.api.access[2].vm == 2);
}

static void a_vm_is_the_same_by_name_type_and_socket(void) {
    struct vm_conf a = {.name = "a", .type = "qemu", .socket = "/s"}, b = a;
    b.cid = 7;
    CHECK(conf_same_vm(&a, &b)); /* it may have a CID now */
    snprintf(b.name, sizeof b.name, "b");
    CHECK(!conf_same_vm(&a, &b));
    b = a;
    snprintf(b.type, sizeof b.type, "crosvm");
    CHECK(!conf_same_vm(&a, &b));
    b = a;
    snprintf(b.socket, sizeof b.socket, "/t");
    CHECK(!conf_same_vm(&a, &b));
}

static void a_row_is_free_again_once_nothing_is_left_in_it(void) {
    configure(&old, "{\"vms\": [" VM("a") ", " VM("b") "]}");
    configure(&fresh, "{\"vms\": [" VM("c") "]}");
    CHECK(conf_align(&fresh, &old, 1)); /* a still has devices */
    CHECK_INT(fresh.nvms, 2);
    CHECK(fresh.vms[0].retired && conf_vm(&fresh, "a") == -1 && conf_vm(&fresh, "c") == 1);
    configure(&fresh, "{\"vms\": [" VM("c") "]}");
    CHECK(conf_align(&fresh, &old, 0));
    CHECK(fresh.nvms == 1 && conf_vm(&fresh, "c") == 0);
}

int main(void) {
    RUN(everything_that_names_a_vm_follows_it);
    RUN(a_vm_is_the_same_by_name_type_and_socket);
    RUN(a_row_is_free_again_once_nothing_is_left_in_it);
    TEST_MAIN_END;
}
