/* crosvm's control socket as a conversation: what is sent, which answers end an operation, and what is no answer. */
#include "test.h"
#include "vmm/vmm_crosvm.h"

static struct vmm_conv cv;
static char text[VH_QMP_OUT_MAX];
static struct vmm_out out;

#define LIST "{\"UsbCommand\":{\"ListDevice\":{\"ports\":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16]}}}"
#define NONE "{\"port\":0,\"vendor_id\":0,\"product_id\":0}"
#define AT(port, vid, pid) "{\"port\":" port ",\"vendor_id\":" vid ",\"product_id\":" pid "}"
#define DEVICES(entries) "{\"UsbResponse\":{\"Devices\":[" entries "]}}"

static enum vmm_step hear(const char *s) {
    sb_init(&out.text, text, sizeof text);
    return vmm_crosvm.message(&cv, s, strlen(s), &out);
}

static void begin(enum op_kind kind, uint8_t port) {
    struct vmm_op op = {.kind = kind,
                        .serial = 5,
                        .vm = 1,
                        .busnum = 1,
                        .devnum = 7,
                        .vid = 0x46d,
                        .pid = 0xc52b,
                        .vm_port = port,
                        .by_fd = true};
    memset(&cv, 0, sizeof cv);
    vmm_crosvm.reset(&cv);
    sb_init(&out.text, text, sizeof text);
    vmm_crosvm.begin(&cv, &op, &out);
    CHECK(sb_ok(&out.text) && out.pass_fd == (kind == OP_ATTACH));
}

#define ENDS(status_, text_)                    \
    do {                                        \
        CHECK_INT(cv.result.status, (status_)); \
        CHECK_STR(cv.result.text, (text_));     \
        CHECK_INT(cv.result.serial, 5);         \
        CHECK_INT(cv.op.kind, OP_NONE);         \
        CHECK(cv.result.unnamed);               \
    } while (0)

/* A crosvm before June 2022 needs all of them, one of today reads `file` alone. */
static void an_attach_is_understood_by_crosvms_of_two_kinds(void) {
    begin(OP_ATTACH, 0);
    CHECK_STR(text, "{\"UsbCommand\":{\"AttachDevice\":{\"bus\":1,\"addr\":7,\"vid\":1133,\"pid\":50475,\"file\":0}}}");
    CHECK(hear("{\"UsbResponse\":{\"Ok\":{\"port\":16}}}") == VMM_DONE);
    ENDS(OP_OK, "");
    CHECK_INT(cv.result.port, 16);
    CHECK(hear("{\"UsbResponse\":{\"Ok\":{\"port\":16}}}") == VMM_BAD); /* the second answer to one request */
}

static void every_refusal_of_an_attach_has_words(void) {
    static const char *const ways[][2] = {
        {"{\"UsbResponse\":\"NoAvailablePort\"}",
         "no port of the device's speed is free in the VM (8 are for USB 2, 8 for USB 3)"},
        {"{\"UsbResponse\":\"NoSuchDevice\"}", "crosvm knows no such device"},
        {"{\"UsbResponse\":\"NoSuchPort\"}", "crosvm knows no such port"},
        {"{\"UsbResponse\":\"FailedToOpenDevice\"}", "crosvm could not open the device"},
        {"{\"UsbResponse\":\"FailedToInitHostDevice\"}", "crosvm could not set the device up"},
        {"{\"Err\":19}", "crosvm runs without a USB controller (--no-usb)"},
        {"{\"Err\":22}", "crosvm refused with error 22"},
        {"{\"Err\":-1}", "crosvm refused with error -1"},
    };
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        begin(OP_ATTACH, 0);
        CHECK(hear(ways[i][0]) == VMM_DONE);
        ENDS(OP_FAILED, ways[i][1]);
        CHECK_INT(cv.result.port, 0);
    }
}

static void a_list_has_what_is_in_ports(void) {
    begin(OP_LIST, 0);
    CHECK_STR(text, LIST);
    CHECK(hear(DEVICES(AT("16", "1133", "50475") "," NONE "," AT("9", "1", "65535") "," NONE)) == VMM_DONE);
    ENDS(OP_OK, "");
    CHECK_INT(cv.result.nfound, 2);
    CHECK_INT(cv.found[0].port_in_vm, 16);
    CHECK_INT(cv.found[0].vid, 0x46d);
    CHECK_INT(cv.found[0].pid, 0xc52b);
    CHECK_STR(cv.found[0].id, "port 16");
    CHECK(!cv.found[0].ours && !cv.found[0].filter && cv.found[0].busnum == 0);
    CHECK_INT(cv.found[1].port_in_vm, 9);
    begin(OP_LIST, 0);
    CHECK(hear(DEVICES("")) == VMM_DONE);
    ENDS(OP_OK, "");
    CHECK_INT(cv.result.nfound, 0);
    begin(OP_LIST, 0);
    CHECK(hear("{\"Err\":19}") == VMM_DONE);
    ENDS(OP_FAILED, "crosvm runs without a USB controller (--no-usb)");
}

static void a_detach_looks_what_is_in_the_port(void) {
    begin(OP_DETACH, 9);
    CHECK_STR(text, LIST);
    CHECK(hear(DEVICES(AT("8", "1133", "50475") "," AT("9", "1133", "50475"))) == VMM_WAIT);
    CHECK_STR(text, "{\"UsbCommand\":{\"DetachDevice\":{\"port\":9}}}");
    CHECK(!out.pass_fd || out.text.len == 0);
    CHECK(hear("{\"UsbResponse\":{\"Ok\":{\"port\":9}}}") == VMM_DONE);
    ENDS(OP_OK, "");
    CHECK_INT(cv.result.nfound, 0);
}

static void a_port_that_has_another_device_is_left_alone(void) {
    static const char *const lists[] = {DEVICES(""), DEVICES(AT("9", "1133", "50476")), DEVICES(AT("9", "1", "50475")),
                                        DEVICES(AT("8", "1133", "50475"))};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        begin(OP_DETACH, 9);
        CHECK(hear(lists[i]) == VMM_DONE);
        CHECK_STR(text, "");
        ENDS(OP_OK, "");
    }
}

static void what_is_out_already_is_out(void) {
    static const char *const ways[] = {"{\"UsbResponse\":\"NoSuchDevice\"}", "{\"UsbResponse\":\"NoSuchPort\"}"};
    for (size_t i = 0; i < 2; i++) {
        begin(OP_DETACH, 9);
        CHECK(hear(DEVICES(AT("9", "1133", "50475"))) == VMM_WAIT);
        CHECK(hear(ways[i]) == VMM_DONE);
        ENDS(OP_OK, "");
    }
    begin(OP_DETACH, 9);
    CHECK(hear(DEVICES(AT("9", "1133", "50475"))) == VMM_WAIT);
    CHECK(hear("{\"UsbResponse\":\"FailedToOpenDevice\"}") == VMM_DONE);
    ENDS(OP_FAILED, "crosvm could not open the device");
}

/* Half messages, other programs, answers to what was not asked, ports that crosvm does not have. */
static void what_is_no_answer_is_not_believed(void) {
    static const struct {
        enum op_kind kind;
        const char *said;
    } ways[] = {
        {OP_LIST, ""},
        {OP_LIST, "{\"UsbResponse\":{\"Devices\":[" NONE},
        {OP_LIST, "[]"},
        {OP_LIST, "\"Ok\""},
        {OP_LIST, "{}"},
        {OP_LIST, "{\"UsbResponse\":1}"},
        {OP_LIST, "{\"UsbResponse\":{}}"},
        {OP_LIST, "{\"UsbResponse\":{\"Other\":1}}"},
        {OP_LIST, "{\"UsbResponse\":\"Maybe\"}"},
        {OP_LIST, "{\"UsbResponse\":{\"Devices\":{}}}"},
        {OP_LIST, "{\"UsbResponse\":{\"Devices\":[],\"Ok\":{\"port\":1}}}"},
        {OP_LIST, "{\"UsbResponse\":{\"Devices\":[]},\"Err\":1}"},
        {OP_LIST, "{\"UsbResponse\":{\"Ok\":{\"port\":1}}}"},
        {OP_LIST, "{\"Err\":\"x\"}"},
        {OP_LIST, DEVICES("1")},
        {OP_LIST, DEVICES(AT("17", "1", "1"))},
        {OP_LIST, DEVICES(AT("-1", "1", "1"))},
        {OP_LIST, DEVICES(AT("1", "65536", "1"))},
        {OP_LIST, DEVICES(AT("1", "1", "1.5"))},
        {OP_LIST, DEVICES("{\"port\":1,\"vendor_id\":1}")},
        {OP_LIST, DEVICES(AT("1", "1", "1") "," AT("1", "1", "1"))}, /* two devices in one port */
        {OP_LIST, "{\"return\": {}}"},
        {OP_LIST, "HTTP/1.1 200 \r\n"},
        {OP_ATTACH, DEVICES("")},
        {OP_ATTACH, "{\"UsbResponse\":{\"Ok\":{\"port\":0}}}"},
        {OP_ATTACH, "{\"UsbResponse\":{\"Ok\":{\"port\":17}}}"},
        {OP_ATTACH, "{\"UsbResponse\":{\"Ok\":{}}}"},
        {OP_ATTACH, "{\"UsbResponse\":{\"Ok\":3}}"},
        {OP_ATTACH, "{\"UsbResponse\":{\"Ok\":{\"port\":1}}}{}"},
        {OP_DETACH, "{\"UsbResponse\":{\"Ok\":{\"port\":9}}}"}, /* before the list that it waits for */
    };
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        begin(ways[i].kind, 9);
        if (hear(ways[i].said) != VMM_BAD)
            CHECK_STR(ways[i].said, "is believed");
    }
    memset(&cv, 0, sizeof cv);
    CHECK(hear("{\"UsbResponse\":{\"Ok\":{\"port\":1}}}") == VMM_BAD); /* nothing was asked */
    CHECK(vmm_crosvm.takes_fd(&cv, 0));
}

static void a_list_of_more_than_there_are_ports_is_none(void) {
    char many[1024];
    struct sbuf sb;
    sb_init(&sb, many, sizeof many);
    sb_str(&sb, "{\"UsbResponse\":{\"Devices\":[");
    for (int i = 1; i <= 17; i++)
        sb_fmt(&sb, "%s{\"port\":%d,\"vendor_id\":1,\"product_id\":1}", i == 1 ? "" : ",", i);
    sb_str(&sb, "]}}");
    CHECK(sb_ok(&sb));
    begin(OP_LIST, 0);
    CHECK(hear(many) == VMM_BAD);
}

int main(void) {
    RUN(an_attach_is_understood_by_crosvms_of_two_kinds);
    RUN(every_refusal_of_an_attach_has_words);
    RUN(a_list_has_what_is_in_ports);
    RUN(a_detach_looks_what_is_in_the_port);
    RUN(a_port_that_has_another_device_is_left_alone);
    RUN(what_is_out_already_is_out);
    RUN(what_is_no_answer_is_not_believed);
    RUN(a_list_of_more_than_there_are_ports_is_none);
    TEST_MAIN_END;
}
