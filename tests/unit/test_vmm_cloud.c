/* cloud-hypervisor's API as a conversation: what is sent, which answers end an operation, and what is no answer. */
#include "test.h"
#include "vmm/vmm_cloud.h"

static struct vmm_conv cv;
static char text[VH_QMP_OUT_MAX];
static struct vmm_out out;

#define ID "vhp-pci-0000-00-14.3"
#define PATH "/sys/bus/pci/devices/0000:00:14.3/"
#define HEAD " HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n"
#define INFO "GET /api/v1/vm.info" HEAD "\r\n"
#define DEVICE(id, path) "{\"path\":\"" path "\",\"iommu\":false,\"id\":\"" id "\",\"pci_segment\":0}"
#define NODE(id) \
    "\"" id "\":{\"id\":\"" id "\",\"resources\":[],\"parent\":null,\"children\":[],\"pci_bdf\":\"0000:00:06.0\"}"
#define VM(devices, tree) \
    "{\"config\":{\"cpus\":{\"boot_vcpus\":1},\"devices\":" devices "},\"state\":\"Running\",\"device_tree\":" tree "}"

static enum vmm_step hear_raw(const char *s) {
    sb_init(&out.text, text, sizeof text);
    return vmm_cloud.message(&cv, s, strlen(s), &out);
}

static enum vmm_step hear(int status, const char *body) {
    static char reply[8192];
    int n = body[0] == '\0' && status == 204
                ? snprintf(reply, sizeof reply, "HTTP/1.1 204 \r\nServer: Cloud Hypervisor API\r\n\r\n")
                : snprintf(reply, sizeof reply, "HTTP/1.1 %d \r\nContent-Length: %zu\r\n\r\n%s", status, strlen(body),
                           body);
    CHECK(n > 0 && (size_t)n < sizeof reply);
    return hear_raw(reply);
}

static void begin(enum op_kind kind) {
    struct vmm_op op = {.kind = kind, .serial = 5, .vm = 1, .pci = true};
    if (kind != OP_LIST)
        (void)snprintf(op.id, sizeof op.id, "%s", ID);
    memset(&cv, 0, sizeof cv);
    vmm_cloud.reset(&cv);
    sb_init(&out.text, text, sizeof text);
    vmm_cloud.begin(&cv, &op, &out);
    CHECK(sb_ok(&out.text) && !out.pass_fd);
}

#define ENDS(status_, text_)                    \
    do {                                        \
        CHECK_INT(cv.result.status, (status_)); \
        CHECK_STR(cv.result.text, (text_));     \
        CHECK_INT(cv.result.serial, 5);         \
        CHECK_INT(cv.op.kind, OP_NONE);         \
        CHECK(!cv.result.unnamed);              \
    } while (0)

static void an_attach_is_by_path_and_with_our_id(void) {
    static const int fine[] = {200, 204}; /* 204: the VM is not booted */
    for (size_t i = 0; i < 2; i++) {
        begin(OP_ATTACH);
        CHECK_STR(text, "PUT /api/v1/vm.add-device" HEAD "Content-Type: application/json\r\nContent-Length: 73\r\n\r\n"
                        "{\"path\":\"" PATH "\",\"id\":\"" ID "\"}");
        CHECK(hear(fine[i], fine[i] == 200 ? "{\"id\":\"" ID "\",\"bdf\":\"0000:00:06.0\"}" : "") == VMM_DONE);
        ENDS(OP_OK, "");
        CHECK(hear(204, "") == VMM_BAD); /* the second answer to one request */
    }
    CHECK(!vmm_cloud.takes_fd(&cv, 0));
}

static void a_refusal_is_told_in_its_words(void) {
    static const struct {
        int status;
        const char *body, *told;
    } ways[] = {
        {500, "[\"Error from API\",\"The VM is not created\"]", "Error from API: The VM is not created"},
        {500, "The device could not\r\nbe added to the VM: VmNotRunning",
         "The device could notbe added to the VM: VmNotRunning"},
        {404, "[\"Error from API\"]", "Error from API"},
        {400, "[1,null]", "[1,null]"},
        {500, "{\"a\":1}", "{\"a\":1}"},
        {503, "", "cloud-hypervisor refused with status 503"},
        {500, "\x1b\x01", "cloud-hypervisor refused with status 500"},
    };
    static const enum op_kind kinds[] = {OP_ATTACH, OP_LIST, OP_DETACH};
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        for (size_t k = 0; k < 3; k++) {
            begin(kinds[k]);
            CHECK(hear(ways[i].status, ways[i].body) == VMM_DONE);
            ENDS(OP_FAILED, ways[i].told);
        }
    }
}

/* One that is being let go of has left the configuration, and not the tree. */
static void a_list_has_what_is_ours(void) {
    begin(OP_LIST);
    CHECK_STR(text, INFO);
    CHECK(hear(200, VM("[" DEVICE(ID, PATH) "," DEVICE("vhp-pci-0", "/sys/bus/pci/devices/0000:01:00.1") "," DEVICE(
                           "_vfio2", "/sys/bus/pci/devices/0000:02:00.0/") "," DEVICE("vhp-pci-1", "/dev/x") "]",
                       "{" NODE(ID) "," NODE("vhp-pci-0000-03-00.0") "," NODE("_disk0") "," NODE("vhp-pci-2") "}")) ==
          VMM_DONE);
    ENDS(OP_OK, "");
    CHECK_INT(cv.result.nfound, 3);
    CHECK_STR(cv.found[0].id, ID);
    CHECK_STR(cv.found[1].id, "vhp-pci-0000-03-00.0");
    CHECK_STR(cv.found[2].id, "vhp-pci-0000-01-00.1");
    CHECK(cv.found[0].ours && cv.found[1].ours && cv.found[2].ours);
}

static void a_vm_without_devices_has_null_for_them(void) {
    static const char *const bodies[] = {VM("null", "null"), VM("[]", "{}"), "{\"config\":{},\"state\":\"Created\"}",
                                         VM("{}", "[]"), VM("[1,{},{\"id\":1,\"path\":2}]", "{\"a\":1}")};
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        begin(OP_LIST);
        CHECK(hear(200, bodies[i]) == VMM_DONE);
        ENDS(OP_OK, "");
        CHECK_INT(cv.result.nfound, 0);
        begin(OP_DETACH);
        CHECK(hear(200, bodies[i]) == VMM_DONE);
        CHECK_STR(text, "");
        ENDS(OP_OK, ""); /* it is out */
    }
}

/* Nothing of PCI devices is told to whoever does not ask for them. */
static void a_list_without_pci_devices_has_none(void) {
    struct vmm_op op = {.kind = OP_LIST, .serial = 5};
    memset(&cv, 0, sizeof cv);
    sb_init(&out.text, text, sizeof text);
    vmm_cloud.begin(&cv, &op, &out);
    CHECK(hear(200, VM("[" DEVICE(ID, PATH) "]", "{" NODE(ID) "}")) == VMM_DONE);
    ENDS(OP_OK, "");
    CHECK_INT(cv.result.nfound, 0);
}

static void a_detach_asks_the_guest(void) {
    begin(OP_DETACH);
    CHECK_STR(text, INFO);
    CHECK(hear(200, VM("[" DEVICE(ID, PATH) "]", "{" NODE(ID) "}")) == VMM_WAIT);
    CHECK_STR(text, "PUT /api/v1/vm.remove-device" HEAD "Content-Type: application/json\r\nContent-Length: 29\r\n\r\n"
                    "{\"id\":\"" ID "\"}");
    CHECK(hear(204, "") == VMM_DONE);
    ENDS(OP_ACCEPTED, "");
    CHECK_INT(cv.result.nfound, 0);
    /* One of the command line has a name of its own. */
    begin(OP_DETACH);
    CHECK(hear(200, VM("[" DEVICE("vhp-pci-7", PATH) "]", "{}")) == VMM_WAIT);
    CHECK(strstr(text, "{\"id\":\"vhp-pci-7\"}") != NULL);
    CHECK(hear(500, "[\"UnknownDeviceId\"]") == VMM_DONE);
    ENDS(OP_FAILED, "UnknownDeviceId");
    begin(OP_DETACH);
    CHECK(hear(200, VM("[" DEVICE(ID, PATH) "]", "{}")) == VMM_WAIT);
    CHECK(hear(404, "[\"gone\"]") == VMM_DONE); /* since v53 */
    ENDS(OP_OK, "");
}

static void a_guest_that_has_been_asked_is_not_asked_again(void) {
    begin(OP_DETACH);
    CHECK(hear(200, VM("[" DEVICE("vhp-pci-1", "/sys/bus/pci/devices/0000:00:14.2/") "]", "{" NODE(ID) "}")) ==
          VMM_DONE);
    CHECK_STR(text, "");
    ENDS(OP_ACCEPTED, "");
}

static void what_is_no_answer_is_not_believed(void) {
    static const char *const bodies[] = {
        "", "null", "[]", "{}", "{\"config\":null}", "{\"config\":{}", "{\"config\":[]}", "x"};
    static const char *const raw[] = {"", "HTTP/1.1 200 \r\n", "HTTP/1.1 200 \r\n\r\n", "{\"QMP\":{}}\r\n",
                                      "HTTP/1.1 200 \r\nContent-Length: 3\r\n\r\n{}"};
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        begin(OP_LIST);
        if (hear(200, bodies[i]) != VMM_BAD)
            CHECK_STR(bodies[i], "is believed");
    }
    for (size_t i = 0; i < sizeof raw / sizeof *raw; i++) {
        begin(OP_ATTACH);
        if (hear_raw(raw[i]) != VMM_BAD)
            CHECK_STR(raw[i], "is believed");
    }
    memset(&cv, 0, sizeof cv);
    CHECK(hear(204, "") == VMM_BAD); /* nothing was asked */
}

static void a_list_that_is_too_long_is_none(void) {
    static char many[VH_HTTP_BODY_MAX];
    struct sbuf sb;
    sb_init(&sb, many, sizeof many);
    sb_str(&sb, "{\"config\":{},\"device_tree\":{");
    for (int i = 0; i <= VH_MAX_FOUND; i++)
        sb_fmt(&sb, "%s\"vhp-pci-%04x-00-00.0\":0", i == 0 ? "" : ",", (unsigned)i);
    sb_str(&sb, "}}");
    CHECK(sb_ok(&sb));
    static char reply[VH_HTTP_BODY_MAX + VH_HTTP_HEAD_MAX];
    (void)snprintf(reply, sizeof reply, "HTTP/1.1 200 \r\nContent-Length: %zu\r\n\r\n%s", sb.len, many);
    begin(OP_LIST);
    CHECK(hear_raw(reply) == VMM_DONE);
    ENDS(OP_FAILED, "it reports more host devices than can be listed");
    CHECK_INT(cv.result.nfound, 0);
}

int main(void) {
    RUN(an_attach_is_by_path_and_with_our_id);
    RUN(a_refusal_is_told_in_its_words);
    RUN(a_list_has_what_is_ours);
    RUN(a_vm_without_devices_has_null_for_them);
    RUN(a_list_without_pci_devices_has_none);
    RUN(a_detach_asks_the_guest);
    RUN(a_guest_that_has_been_asked_is_not_asked_again);
    RUN(what_is_no_answer_is_not_believed);
    RUN(a_list_that_is_too_long_is_none);
    TEST_MAIN_END;
}
