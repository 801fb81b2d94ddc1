/* QMP as a conversation: what is sent, which answers end an operation, and how. */
#include "test.h"
#include "vmm_qemu.h"

static struct vmm_conv a, b;
static char text[VH_QMP_OUT_MAX];
static struct vmm_out out;

static enum vmm_step line(struct vmm_conv *cv, const char *s) {
    return vmm_qemu.line(cv, s, strlen(s), &out);
}

static void fresh(struct vmm_conv *cv) {
    memset(cv, 0, sizeof *cv);
    vmm_qemu.reset(cv);
    sb_init(&out.text, text, sizeof text);
    CHECK(line(cv, "{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 1, \"minor\": 2, \"major\": 7}}}}") == VMM_READY);
}

static void begin(struct vmm_conv *cv, enum op_kind kind, uint32_t serial, bool by_fd) {
    struct vmm_op op = {.kind = kind, .serial = serial, .busnum = 1, .devnum = 2, .id = "vhp-usb-1-2", .by_fd = by_fd};
    sb_init(&out.text, text, sizeof text);
    vmm_qemu.begin(cv, &op, &out);
    CHECK(sb_ok(&out.text));
}

static void an_attach_is_one_batch(void) {
    fresh(&a);
    begin(&a, OP_ATTACH, 7, true);
    CHECK(out.pass_fd);
    CHECK_STR(
        text,
        "{\"execute\": \"qmp_capabilities\", \"id\": \"7.0\"}\n"
        "{\"execute\": \"add-fd\", \"id\": \"7.1\", \"arguments\": {\"fdset-id\": 760130, \"opaque\": \"vhotplug\"}}\n"
        "{\"execute\": \"device_add\", \"id\": \"7.2\", \"arguments\": {\"driver\": \"usb-host\", \"id\": "
        "\"vhp-usb-1-2\", \"hostdevice\": \"/dev/fdset/760130\"}}\n"
        "{\"execute\": \"remove-fd\", \"id\": \"7.3\", \"arguments\": {\"fdset-id\": 760130}}\n");
    CHECK(line(&a, "{\"return\": {}, \"id\": \"7.0\"}") == VMM_WAIT);
    CHECK(line(&a, "{\"return\": {}, \"id\": \"7.1\"}") == VMM_WAIT);
    CHECK(line(&a, "{\"return\": {}, \"id\": \"7.2\"}") == VMM_WAIT);
    CHECK(line(&a, "{\"return\": {}, \"id\": \"7.3\"}") == VMM_DONE);
    CHECK(a.result.status == OP_OK && a.result.serial == 7 && a.negotiated);
    begin(&a, OP_DETACH, 8, false);
    CHECK(strstr(text, "qmp_capabilities") == NULL && !out.pass_fd);
}

static void a_refusal_keeps_the_first_reason(void) {
    fresh(&a);
    begin(&a, OP_ATTACH, 1, true);
    line(&a, "{\"return\": {}, \"id\": \"1.0\"}");
    line(&a, "{\"error\": {\"class\": \"GenericError\", \"desc\": \"no room\"}, \"id\": \"1.1\"}");
    line(&a, "{\"error\": {\"class\": \"GenericError\", \"desc\": \"no such set\"}, \"id\": \"1.2\"}");
    CHECK(line(&a, "{\"error\": {\"class\": \"GenericError\", \"desc\": \"nor here\"}, \"id\": \"1.3\"}") == VMM_DONE);
    CHECK(a.result.status == OP_FAILED);
    CHECK_STR(a.result.text, "no room");
}

static void a_refusal_without_words_has_some(void) {
    fresh(&a);
    begin(&a, OP_DETACH, 1, false);
    line(&a, "{\"return\": {}, \"id\": \"1.0\"}");
    line(&a, "{\"error\": {\"class\": \"GenericError\", \"desc\": \"\"}, \"id\": \"1.4\"}");
    CHECK(line(&a, "{\"return\": {}, \"id\": \"1.3\"}") == VMM_DONE);
    CHECK(a.result.status == OP_FAILED && a.result.text[0] != '\0');
}

static void out_is_out(void) {
    fresh(&a);
    begin(&a, OP_DETACH, 1, false);
    line(&a, "{\"return\": {}, \"id\": \"1.0\"}");
    line(&a,
         "{\"error\": {\"class\": \"DeviceNotFound\", \"desc\": \"Device 'vhp-usb-1-2' not found\"}, \"id\": \"1.4\"}");
    CHECK(line(&a, "{\"error\": {\"class\": \"GenericError\", \"desc\": \"no such set\"}, \"id\": \"1.3\"}") ==
          VMM_DONE);
    CHECK(a.result.status == OP_OK);
}

static void only_its_own_answers_end_an_operation(void) {
    fresh(&a);
    begin(&a, OP_DETACH, 5, false);
    CHECK(line(&a, "{\"return\": {}, \"id\": \"4.4\"}") == VMM_WAIT);
    CHECK(line(&a, "{\"return\": {}, \"id\": \"5.2\"}") == VMM_WAIT); /* a step that was not taken */
    CHECK(line(&a, "{\"return\": {}}") == VMM_WAIT);
    CHECK(line(&a, "{\"event\": \"DEVICE_DELETED\", \"data\": {\"device\": \"vhp-usb-1-2\"}}") == VMM_WAIT);
    CHECK(line(&a, "{\"error\": {\"class\": \"GenericError\", \"desc\": \"JSON parse error\"}}") == VMM_WAIT);
    CHECK(line(&a, "") == VMM_WAIT);
    line(&a, "{\"return\": {}, \"id\": \"5.0\"}");
    line(&a, "{\"return\": {}, \"id\": \"5.4\"}");
    CHECK(line(&a, "{\"return\": {}, \"id\": \"5.4\"}") == VMM_WAIT); /* said twice */
    CHECK(line(&a, "{\"return\": {}, \"id\": \"5.3\"}") == VMM_DONE);
    CHECK(line(&a, "{\"return\": {}, \"id\": \"5.3\"}") == VMM_WAIT);
}

static void what_is_not_qmp_is_bad(void) {
    const char *const bad[] = {"hello", "[]", "{\"QMP\": 5}", "{", "\"QMP\"", "{\"return\": {}}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        memset(&a, 0, sizeof a);
        vmm_qemu.reset(&a);
        CHECK(line(&a, bad[i]) == VMM_BAD);
    }
    fresh(&a);
    CHECK(line(&a, "{\"event\": \"SHUTDOWN\", \"data\": {\"guest\": false}}") == VMM_DOWN);
    CHECK(line(&a, "{\"event\": \"RESET\", \"data\": {\"guest\": true}}") == VMM_WAIT);
}

/* The answers to a listing come in several lines; those of another VM come in between. */
static void two_listings_at_once_do_not_mix(void) {
    fresh(&a);
    fresh(&b);
    begin(&a, OP_LIST, 1, false);
    begin(&b, OP_LIST, 2, false);
    line(&a, "{\"return\": {}, \"id\": \"1.0\"}");
    line(&b, "{\"return\": {}, \"id\": \"2.0\"}");
    line(&a, "{\"return\": [{\"name\": \"vhp-usb-1-2\", \"type\": \"child<usb-host>\"}], \"id\": \"1.5\"}");
    line(&b, "{\"return\": [{\"name\": \"vhp-usb-3-4\", \"type\": \"child<usb-host>\"}, {\"name\": \"own\", \"type\": "
             "\"child<usb-host>\"}], \"id\": \"2.5\"}");
    line(&b, "{\"return\": [], \"id\": \"2.6\"}");
    line(&b, "{\"return\": [], \"id\": \"2.8\"}");
    CHECK(line(&b, "{\"return\": [{\"name\": \"hostdevice\"}], \"id\": \"2.7\"}") == VMM_DONE);
    line(&a, "{\"return\": [], \"id\": \"1.6\"}");
    line(&a, "{\"return\": [], \"id\": \"1.8\"}");
    CHECK(line(&a, "{\"return\": [{\"name\": \"hostbus\"}], \"id\": \"1.7\"}") == VMM_DONE);
    CHECK_INT(a.result.nfound, 1);
    CHECK_STR(a.result.found[0].id, "vhp-usb-1-2");
    CHECK(a.result.found[0].ours && a.result.found[0].busnum == 1 && a.result.found[0].devnum == 2);
    CHECK_INT(b.result.nfound, 2);
    CHECK_STR(b.result.found[0].id, "vhp-usb-3-4");
    CHECK(!b.result.found[1].ours);
    CHECK(!vmm_qemu.takes_fd(&a, a.features) && vmm_qemu.takes_fd(&b, b.features));
}

static void our_sets_that_were_left_behind_are_removed_and_no_others(void) {
    fresh(&a);
    begin(&a, OP_LIST, 1, false);
    sb_init(&out.text, text, sizeof text);
    line(&a, "{\"return\": [{\"fdset-id\": 5, \"fds\": [{\"fd\": 1, \"opaque\": \"vhotplug\"}]}, {\"fdset-id\": 6, "
             "\"fds\": [{\"fd\": 2, \"opaque\": \"other\"}]}, {\"fdset-id\": 7, \"fds\": []}], \"id\": \"1.8\"}");
    CHECK_STR(text, "{\"execute\": \"remove-fd\", \"arguments\": {\"fdset-id\": 5}, \"id\": \"1.clean\"}\n");
}

int main(void) {
    RUN(an_attach_is_one_batch);
    RUN(a_refusal_keeps_the_first_reason);
    RUN(a_refusal_without_words_has_some);
    RUN(out_is_out);
    RUN(only_its_own_answers_end_an_operation);
    RUN(what_is_not_qmp_is_bad);
    RUN(two_listings_at_once_do_not_mix);
    RUN(our_sets_that_were_left_behind_are_removed_and_no_others);
    TEST_MAIN_END;
}
