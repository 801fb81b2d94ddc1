/* QMP as a conversation: what is sent, which answers end an operation, and how. */
#include "test.h"
#include "vmm/vmm_qemu.h"

#include <stdlib.h>

static struct vmm_conv a, b;
static char text[VH_QMP_OUT_MAX];
static struct vmm_out out;

static enum vmm_step line(struct vmm_conv *cv, const char *s) {
    return vmm_qemu.message(cv, s, strlen(s), &out);
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
        "{\"execute\": \"add-fd\", \"id\": \"7.1\", \"arguments\": {\"fdset-id\": 760000, \"opaque\": \"vhotplug\"}}\n"
        "{\"execute\": \"device_add\", \"id\": \"7.2\", \"arguments\": {\"driver\": \"usb-host\", \"id\": "
        "\"vhp-usb-1-2\", \"hostdevice\": \"/dev/fdset/760000\"}}\n"
        "{\"execute\": \"remove-fd\", \"id\": \"7.3\", \"arguments\": {\"fdset-id\": 760000}}\n");
    CHECK(line(&a, "{\"return\": {}, \"id\": \"7.1\"}") == VMM_WAIT);
    CHECK(line(&a, "{\"return\": {}, \"id\": \"7.2\"}") == VMM_DONE); /* the device is in; the set is emptied later */
    CHECK(a.result.status == OP_OK && a.result.serial == 7 && a.waiting != 0);
    CHECK(line(&a, "{\"return\": {}, \"id\": \"7.3\"}") == VMM_WAIT && a.waiting == 0);
    begin(&a, OP_DETACH, 8, false);
    CHECK(strstr(text, "qmp_capabilities") == NULL && !out.pass_fd);
}

static void a_late_answer_to_the_one_before_ends_nothing(void) {
    fresh(&a);
    begin(&a, OP_ATTACH, 7, true);
    line(&a, "{\"return\": {}, \"id\": \"7.1\"}");
    CHECK(line(&a, "{\"return\": {}, \"id\": \"7.2\"}") == VMM_DONE);
    begin(&a, OP_DETACH, 8, false);
    CHECK(line(&a, "{\"return\": {}, \"id\": \"7.3\"}") == VMM_WAIT);
    CHECK(line(&a, "{\"return\": {}, \"id\": \"8.4\"}") == VMM_WAIT);
    CHECK(line(&a, "{\"return\": {}, \"id\": \"8.3\"}") == VMM_DONE && a.result.status == OP_OK);
}

/* Its answer belongs to no operation, but without the negotiation QEMU would refuse each one. */
static void the_greeting_is_answered_with_the_negotiation(void) {
    fresh(&a);
    CHECK_STR(text, "{\"execute\": \"qmp_capabilities\", \"id\": \"caps\"}\n");
    CHECK(line(&a, "{\"return\": {}, \"id\": \"caps\"}") == VMM_WAIT);
    begin(&a, OP_DETACH, 1, false);
    CHECK(line(&a, "{\"return\": {}, \"id\": \"caps\"}") == VMM_WAIT && a.op.kind == OP_DETACH);
    CHECK(line(&a, "{\"error\": {\"class\": \"GenericError\", \"desc\": \"no\"}, \"id\": \"caps\"}") == VMM_BAD);
}

/* ---- PCI devices ---- */

#define CARD "vhp-pci-0000-01-00.0"

static void begin_pci(enum op_kind kind, const char *id) {
    struct vmm_op op = {.kind = kind, .serial = 7, .pci = true};
    (void)snprintf(op.id, sizeof op.id, "%s", id);
    fresh(&a);
    sb_init(&out.text, text, sizeof text);
    vmm_qemu.begin(&a, &op, &out);
    CHECK(sb_ok(&out.text) && !out.pass_fd);
}

/* The answer to command n about PCI devices; what is sent next is in text. */
static enum vmm_step pci(int n, const char *form) {
    char s[512];
    (void)snprintf(s, sizeof s, "{%s, \"id\": \"7.pci%d\"}", form, n);
    sb_init(&out.text, text, sizeof text);
    return line(&a, s);
}

#define VFIO(id) "{\"name\": \"" id "\", \"type\": \"child<vfio-pci>\"}"
#define DELETED(id) \
    "{\"event\": \"DEVICE_DELETED\", \"data\": {\"device\": \"x\", \"path\": \"/machine/peripheral/" id "\"}}"

static void a_pci_device_is_taken_out_by_its_guest(void) {
    begin_pci(OP_DETACH, CARD);
    CHECK(strstr(text, "\"id\": \"7.pci1\"") != NULL);
    CHECK(pci(1, "\"return\": [" VFIO("vhp-pci-0") "]") == VMM_WAIT); /* of the command line */
    CHECK(pci(2, "\"return\": []") == VMM_WAIT);
    CHECK(pci(3, "\"return\": \"0000:01:00.0\"") == VMM_WAIT);
    CHECK(strstr(text, "\"device_del\"") != NULL && strstr(text, "/machine/peripheral/vhp-pci-0\"") != NULL);
    CHECK(pci(4, "\"return\": {}") == VMM_DONE);
    CHECK(a.result.status == OP_ACCEPTED && a.result.serial == 7);
    CHECK(line(&a, DELETED("vhp-pci-9")) == VMM_WAIT); /* nobody knows it */
    CHECK(line(&a, DELETED("vhp-usb-1-2")) == VMM_WAIT);
    CHECK(line(&a, DELETED("vhp-pci-0")) == VMM_OUT);
    CHECK_STR(a.out_id, CARD);
    CHECK(line(&a, DELETED("vhp-pci-0000-02-00.0")) == VMM_OUT);
    CHECK_STR(a.out_id, "vhp-pci-0000-02-00.0");
    CHECK(line(&a, "{\"event\": \"DEVICE_UNPLUG_GUEST_ERROR\", \"data\": {\"path\": \"/machine/peripheral/" CARD
                   "\"}}") == VMM_STAYS);
    begin_pci(OP_DETACH, CARD);
    CHECK(pci(1, "\"return\": []") == VMM_WAIT && pci(2, "\"return\": []") == VMM_DONE);
    CHECK(a.result.status == OP_OK);
}

static void a_pci_device_is_added_at_a_free_port(void) {
    begin_pci(OP_ATTACH, CARD);
    CHECK(pci(1, "\"return\": [{\"name\": \"p0\", \"type\": \"child<pcie-root-port>\"}]") == VMM_WAIT);
    CHECK(pci(2, "\"return\": []") == VMM_WAIT && pci(3, "\"return\": []") == VMM_WAIT);
    CHECK(strstr(text, "\"device_add\"") != NULL && strstr(text, CARD) != NULL);
    CHECK(pci(4, "\"error\": {\"class\": \"GenericError\", \"desc\": \"vfio: group 5 is not viable\"}") == VMM_DONE);
    CHECK(a.result.status == OP_FAILED);
    CHECK_STR(a.result.text, "another device of its IOMMU group has a driver of the host");
}

static void a_listing_has_pci_devices_of_ours_if_asked(void) {
    begin_pci(OP_LIST, "");
    CHECK(line(&a, "{\"return\": [{\"name\": \"vhp-usb-1-2\", \"type\": \"child<usb-host>\"}], \"id\": \"7.5\"}") ==
          VMM_WAIT);
    CHECK(line(&a, "{\"return\": [], \"id\": \"7.6\"}") == VMM_WAIT &&
          line(&a, "{\"return\": [], \"id\": \"7.8\"}") == VMM_WAIT);
    sb_init(&out.text, text, sizeof text);
    enum vmm_step step = line(&a, "{\"return\": [], \"id\": \"7.7\"}");
    for (int i = 0; i < 8 && step == VMM_WAIT && strstr(text, "7.pci1") == NULL;
         i++) { /* about ports: it knows nothing */
        char s[128];
        const char *id = strstr(text, "\"id\": \"7.");
        CHECK(id != NULL);
        (void)snprintf(s, sizeof s, "{\"error\": {\"class\": \"GenericError\", \"desc\": \"no\"}, \"id\": \"7.%d\"}",
                       atoi(id + 9));
        sb_init(&out.text, text, sizeof text);
        step = line(&a, s);
    }
    CHECK(strstr(text, "7.pci1") != NULL);
    CHECK(pci(1, "\"return\": [" VFIO(CARD) ", " VFIO("vhp-pci-0") ", " VFIO("gpu") "]") == VMM_WAIT);
    CHECK(pci(2, "\"return\": [" VFIO("device[0]") "]") == VMM_WAIT);
    CHECK(pci(3, "\"return\": \"0000:01:00.0\"") == VMM_WAIT && pci(4, "\"return\": \"0000:02:00.0\"") == VMM_WAIT);
    CHECK(pci(5, "\"return\": \"0000:03:00.0\"") == VMM_WAIT && pci(6, "\"return\": \"0000:04:00.0\"") == VMM_DONE);
    CHECK(a.result.status == OP_OK && a.result.nfound == 3);
    CHECK_STR(a.result.found[1].id, CARD);
    CHECK_STR(a.result.found[2].id, "vhp-pci-0000-02-00.0");
    CHECK(a.result.found[1].ours && a.result.found[2].ours);
}

static void a_refusal_keeps_the_first_reason(void) {
    fresh(&a);
    begin(&a, OP_ATTACH, 1, true);
    line(&a, "{\"error\": {\"class\": \"GenericError\", \"desc\": \"no room\"}, \"id\": \"1.1\"}");
    CHECK(line(&a, "{\"error\": {\"class\": \"GenericError\", \"desc\": \"no such set\"}, \"id\": \"1.2\"}") ==
          VMM_DONE);
    CHECK(a.result.status == OP_FAILED);
    CHECK_STR(a.result.text, "no room");
}

static void a_refusal_without_words_has_some(void) {
    fresh(&a);
    begin(&a, OP_DETACH, 1, false);
    line(&a, "{\"error\": {\"class\": \"GenericError\", \"desc\": \"\"}, \"id\": \"1.4\"}");
    CHECK(line(&a, "{\"return\": {}, \"id\": \"1.3\"}") == VMM_DONE);
    CHECK(a.result.status == OP_FAILED && a.result.text[0] != '\0');
}

static void out_is_out(void) {
    fresh(&a);
    begin(&a, OP_DETACH, 1, false);
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

static enum vmm_step last;

/* The last question of a listing: this machine has no USB controller. */
static void no_controllers(struct vmm_conv *cv, int serial) {
    char reply[64];
    snprintf(reply, sizeof reply, "{\"return\": [], \"id\": \"%d.16\"}", serial);
    if (cv->waiting == 1u << 16)
        last = line(cv, reply);
}

/* The answers to the questions about one device of others, in the order of the steps. */
static void answer_properties(struct vmm_conv *cv, int serial, const char *bus, const char *addr, const char *vid,
                              const char *pid, const char *port, const char *node, const char *attached) {
    const char *const values[] = {bus, addr, vid, pid, port, node, attached};
    for (int i = 0; i < 7; i++) {
        char reply[128];
        snprintf(reply, sizeof reply, "{\"return\": %s, \"id\": \"%d.%d\"}", values[i], serial, 9 + i);
        if (values[i][0] == '!') /* QEMU does not know the property */
            snprintf(reply, sizeof reply,
                     "{\"error\": {\"class\": \"GenericError\", \"desc\": \"no\"}, \"id\": \"%d.%d\"}", serial, 9 + i);
        last = line(cv, reply);
    }
    no_controllers(cv, serial);
}

/* A listing with these devices of others, up to the questions about the first of them. */
static void list_with(const char *named, const char *anonymous) {
    char reply[512];
    fresh(&a);
    begin(&a, OP_LIST, 1, false);
    snprintf(reply, sizeof reply, "{\"return\": [%s], \"id\": \"1.5\"}", named);
    line(&a, reply);
    snprintf(reply, sizeof reply, "{\"return\": [%s], \"id\": \"1.6\"}", anonymous);
    line(&a, reply);
    line(&a, "{\"return\": [], \"id\": \"1.8\"}");
    sb_init(&out.text, text, sizeof text);
    last = line(&a, "{\"return\": [], \"id\": \"1.7\"}");
    no_controllers(&a, 1);
}

#define HOST_DEVICE(name) "{\"name\": \"" name "\", \"type\": \"child<usb-host>\"}"

static void others_devices_are_asked_about_one_by_one(void) {
    list_with(HOST_DEVICE("vhp-usb-1-2") ", " HOST_DEVICE("cam") ", {\"name\": \"kbd\", \"type\": \"child<usb-kbd>\"}",
              HOST_DEVICE("device[0]"));
    CHECK(last == VMM_WAIT && sb_ok(&out.text));
    CHECK(strstr(text, "{\"execute\": \"qom-get\", \"id\": \"1.9\", \"arguments\": {\"path\": "
                       "\"/machine/peripheral/cam\", \"property\": \"hostbus\"}}\n") == text);
    CHECK(strstr(text, "\"attached\"") != NULL && strstr(text, "kbd") == NULL && strstr(text, "vhp") == NULL);
    sb_init(&out.text, text, sizeof text);
    answer_properties(&a, 1, "0", "0", "0", "0", "\"\"", "\"/dev/bus/usb/003/014\"", "true");
    CHECK(last == VMM_WAIT && strstr(text, "\"/machine/peripheral-anon/device[0]\"") != NULL);
    answer_properties(&a, 1, "1", "0", "1133", "0", "\"2.3\"", "!", "!");
    CHECK(last == VMM_DONE && a.result.status == OP_OK && a.result.nfound == 3);
    const struct vmm_found *cam = &a.found[1], *any = &a.found[2];
    CHECK(!cam->ours && !cam->filter && cam->busnum == 3 && cam->devnum == 14);
    CHECK(any->filter && any->busnum == 1 && any->devnum == 0 && any->vid == 1133 && any->pid == 0);
    CHECK_STR(any->port, "2.3");
}

static void what_is_gone_or_unknown_is_nobodys(void) {
    list_with(HOST_DEVICE("a") ", " HOST_DEVICE("b") ", " HOST_DEVICE("c") ", " HOST_DEVICE("d"), "");
    answer_properties(&a, 1, "1", "5", "0", "0", "\"\"", "\"\"", "false"); /* unplugged, and QEMU knows */
    answer_properties(&a, 1, "0", "0", "0", "0", "\"\"", "\"/dev/fdset/9\"", "true");
    answer_properties(&a, 1, "!", "!", "!", "!", "!", "!", "!");
    answer_properties(&a, 1, "0", "0", "5", "6", "\"\"", "\"\"", "false"); /* a filter goes on looking */
    CHECK(last == VMM_DONE && a.result.status == OP_OK && a.result.nfound == 4);
    for (int i = 0; i < 3; i++)
        CHECK(!a.found[i].filter && a.found[i].busnum == 0 && a.found[i].devnum == 0 && a.found[i].vid == 0);
    CHECK(a.found[3].filter && a.found[3].vid == 5 && a.found[3].pid == 6);
}

static void names_that_no_qemu_gives_are_not_sent_back(void) {
    list_with(HOST_DEVICE("a\\\"b") ", " HOST_DEVICE("a/b") ", " HOST_DEVICE("a\\nb") ", " HOST_DEVICE(""), "");
    CHECK(last == VMM_DONE && a.result.nfound == 0);
}

static void more_than_can_be_listed_fails(void) {
    static char reply[VH_QMP_LINE_MAX];
    size_t n = (size_t)snprintf(reply, sizeof reply, "{\"id\": \"1.5\", \"return\": [");
    fresh(&a);
    begin(&a, OP_LIST, 1, false);
    for (int i = 0; i <= VH_MAX_FOUND; i++)
        n += (size_t)snprintf(reply + n, sizeof reply - n, "%s" HOST_DEVICE("vhp-usb-%d-%d"), i > 0 ? ", " : "",
                              i / 100 + 1, i % 100 + 1);
    snprintf(reply + n, sizeof reply - n, "]}");
    line(&a, reply);
    line(&a, "{\"return\": [], \"id\": \"1.6\"}");
    line(&a, "{\"return\": [], \"id\": \"1.8\"}");
    CHECK(line(&a, "{\"return\": [], \"id\": \"1.7\"}") == VMM_DONE && a.result.status == OP_FAILED);
}

/* The answers to a listing come in several lines; those of another VM come in between. */
static void two_listings_at_once_do_not_mix(void) {
    fresh(&a);
    fresh(&b);
    begin(&a, OP_LIST, 1, false);
    begin(&b, OP_LIST, 2, false);
    line(&a, "{\"return\": [{\"name\": \"vhp-usb-1-2\", \"type\": \"child<usb-host>\"}], \"id\": \"1.5\"}");
    line(&b, "{\"return\": [{\"name\": \"vhp-usb-3-4\", \"type\": \"child<usb-host>\"}, {\"name\": \"own\", \"type\": "
             "\"child<usb-host>\"}], \"id\": \"2.5\"}");
    line(&b, "{\"return\": [], \"id\": \"2.6\"}");
    line(&b, "{\"return\": [], \"id\": \"2.8\"}");
    CHECK(line(&b, "{\"return\": [{\"name\": \"hostdevice\"}], \"id\": \"2.7\"}") == VMM_WAIT);
    answer_properties(&b, 2, "1", "7", "0", "0", "\"\"", "\"\"", "true");
    CHECK(last == VMM_DONE && b.result.found[1].busnum == 1 && b.result.found[1].devnum == 7);
    line(&a, "{\"return\": [], \"id\": \"1.6\"}");
    line(&a, "{\"return\": [], \"id\": \"1.8\"}");
    sb_init(&out.text, text, sizeof text);
    CHECK(line(&a, "{\"return\": [{\"name\": \"hostbus\"}], \"id\": \"1.7\"}") == VMM_WAIT);
    no_controllers(&a, 1);
    CHECK(last == VMM_DONE);
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

static void an_attach_by_path_passes_nothing(void) {
    fresh(&a);
    begin(&a, OP_ATTACH, 3, false);
    CHECK(!out.pass_fd);
    CHECK_STR(text, "{\"execute\": \"device_add\", \"id\": \"3.2\", \"arguments\": {\"driver\": \"usb-host\", \"id\": "
                    "\"vhp-usb-1-2\", \"hostbus\": 1, \"hostaddr\": 2}}\n");
    CHECK(line(&a, "{\"return\": {}, \"id\": \"3.2\"}") == VMM_DONE && a.result.status == OP_OK);
}

static void an_attach_names_bus_and_port_as_far_as_they_are_chosen(void) {
    struct vmm_op op = {.kind = OP_ATTACH, .serial = 3, .id = "vhp-usb-1-2", .by_fd = true};
    fresh(&a);
    for (int i = 0; i < 2; i++) {
        snprintf(op.bus, sizeof op.bus, "xhci.0");
        snprintf(op.port, sizeof op.port, "%s", i > 0 ? "4.1" : "");
        sb_init(&out.text, text, sizeof text);
        vmm_qemu.begin(&a, &op, &out);
        CHECK(strstr(text, i > 0 ? "\"id\": \"vhp-usb-1-2\", \"bus\": \"xhci.0\", \"port\": \"4.1\", \"hostdevice\""
                                 : "\"id\": \"vhp-usb-1-2\", \"bus\": \"xhci.0\", \"hostdevice\"") != NULL);
    }
    memset(op.id, 'i', sizeof op.id - 1); /* the longest of all */
    memset(op.bus, 'b', sizeof op.bus - 1);
    memset(op.port, '1', sizeof op.port - 1);
    sb_init(&out.text, text, sizeof text);
    vmm_qemu.begin(&a, &op, &out);
    CHECK(sb_ok(&out.text));
}

/* Before anything is known of this QEMU it is tried with a descriptor, which needs no rights there. */
static void a_descriptor_is_passed_unless_it_cannot_be(void) {
    fresh(&a);
    CHECK(vmm_qemu.takes_fd(&a, 0));
    begin(&a, OP_LIST, 1, false);
    CHECK(strstr(text, "device-list-properties") != NULL);
    line(&a, "{\"return\": [{\"name\": \"hostbus\"}, {}], \"id\": \"1.7\"}");
    CHECK(!vmm_qemu.takes_fd(&a, a.features));
    vmm_qemu.reset(&a); /* another connection, the same QEMU: it need not be asked again */
    CHECK(!vmm_qemu.takes_fd(&a, a.features));
    begin(&a, OP_LIST, 2, false);
    CHECK(strstr(text, "device-list-properties") == NULL);
}

static void an_id_of_ours_says_which_device_it_is(void) {
    static const struct {
        const char *name;
        bool ours;
        int bus, dev;
    } ids[] = {
        {"vhp-usb-1-2", true, 1, 2},   {"vhp-usb-255-127", true, 255, 127},
        {"vhp-usb-256-1", true, 0, 0}, {"vhp-usb-1-128", true, 0, 0},
        {"vhp-usb-1", true, 0, 0},     {"vhp-usb--", true, 0, 0},
        {"vhp-usb-1-x", true, 0, 0},   {"vhp-usb", false, 0, 0},
        {"VHP-usb-1-2", false, 0, 0},
    };
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        char device[100];
        snprintf(device, sizeof device, "{\"name\": \"%s\", \"type\": \"child<usb-host>\"}", ids[i].name);
        list_with(device, "");
        CHECK_INT(a.result.nfound, 1);
        CHECK(a.found[0].ours == ids[i].ours && a.found[0].busnum == ids[i].bus && a.found[0].devnum == ids[i].dev);
        CHECK(last == (ids[i].ours ? VMM_DONE : VMM_WAIT)); /* others are asked about */
        list_with("", device); /* QEMU made it up: whatever it looks like, it is not ours */
        CHECK(a.result.nfound == 1 && !a.found[0].ours && a.found[0].busnum == 0);
    }
}

static void nonsense_in_a_listing_is_passed_over(void) {
    list_with(
        "5, {}, {\"name\": 7, \"type\": \"child<usb-host>\"}, {\"type\": \"child<usb-host>\"}, "
        "{\"name\": \"x\"}, " HOST_DEVICE("a-name-of-more-than-sixty-three-bytes-which-we-have-no-room-for-at-all"),
        "");
    CHECK(last == VMM_DONE && a.result.status == OP_OK && a.result.nfound == 0);
}

static void nonsense_in_properties_is_nothing_known(void) {
    static const char *const nodes[] = {"\"/dev/bus/usb/003/14\"",
                                        "\"/dev/bus/usb/003-014\"",
                                        "\"/dev/bus/usb/x03/014\"",
                                        "\"/dev/bus/usb/003/128\"",
                                        "\"/dev/bus/usb/256/014\"",
                                        "\"/dev/bus/pci/003/014\"",
                                        "7"};
    list_with(HOST_DEVICE("a"), "");
    answer_properties(&a, 1, "256", "128", "65536", "-1", "5", "\"\"", "5");
    CHECK(last == VMM_DONE && a.found[0].busnum == 0 && a.found[0].devnum == 0 && a.found[0].vid == 0);
    CHECK(a.found[0].pid == 0 && a.found[0].port[0] == '\0' && !a.found[0].filter);
    for (size_t i = 0; i < sizeof nodes / sizeof *nodes; i++) {
        list_with(HOST_DEVICE("a"), "");
        answer_properties(&a, 1, "0", "0", "0", "0", "\"\"", nodes[i], "true");
        CHECK(last == VMM_DONE && a.found[0].busnum == 0 && a.found[0].devnum == 0);
    }
}

/* What makes it a filter: whatever leaves open which device it is. */
static void a_device_by_bus_and_address_alone_is_no_filter(void) {
    static const struct {
        const char *bus, *addr, *vid, *pid, *port;
        bool filter;
    } cases[] = {
        {"1", "2", "0", "0", "\"\"", false}, {"1", "0", "0", "0", "\"\"", true}, {"0", "2", "0", "0", "\"\"", true},
        {"1", "2", "7", "0", "\"\"", true},  {"1", "2", "0", "7", "\"\"", true}, {"1", "2", "0", "0", "\"3\"", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        list_with(HOST_DEVICE("a"), "");
        answer_properties(&a, 1, cases[i].bus, cases[i].addr, cases[i].vid, cases[i].pid, cases[i].port, "\"\"",
                          "true");
        CHECK(last == VMM_DONE && a.found[0].filter == cases[i].filter);
    }
}

static void an_answer_that_is_none_ends_the_connection(void) {
    fresh(&a);
    begin(&a, OP_DETACH, 1, false);
    CHECK(line(&a, "{\"id\": \"1.4\"}") == VMM_BAD);
    static const char *const ids[] = {"1", "1.", ".0", "1.x", "1.99", "4294967296.0", "5"};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) { /* ids that we gave nothing */
        char reply[64];
        snprintf(reply, sizeof reply, "{\"return\": {}, \"id\": \"%s\"}", ids[i]);
        CHECK(line(&a, reply) == VMM_WAIT);
    }
    CHECK(line(&a, "{\"return\": {}, \"id\": 1}") == VMM_WAIT);
}

static void a_refusal_that_is_unreadable_has_words_of_ours(void) {
    fresh(&a);
    begin(&a, OP_LIST, 1, false);
    line(&a, "{\"error\": {\"desc\": \"no\"}, \"id\": \"1.6\"}"); /* these do not decide it */
    line(&a, "{\"error\": {\"desc\": \"no\"}, \"id\": \"1.7\"}");
    line(&a, "{\"error\": {\"desc\": \"no\"}, \"id\": \"1.8\"}");
    CHECK(line(&a, "{\"error\": 5, \"id\": \"1.5\"}") == VMM_DONE && a.result.status == OP_FAILED);
    CHECK_STR(a.result.text, "QEMU refused without a readable reason");
}

/* At most so many at once: a batch must fit. The next listing takes the rest. */
static void sets_that_were_left_behind_are_removed_a_few_at_a_time(void) {
    char reply[4096];
    size_t n = (size_t)snprintf(reply, sizeof reply, "{\"id\": \"1.8\", \"return\": [{}, {\"fdset-id\": -1}, 5");
    for (int i = 0; i < 20; i++)
        n += (size_t)snprintf(reply + n, sizeof reply - n,
                              ", {\"fdset-id\": %d, \"fds\": [{\"fd\": 1, \"opaque\": \"vhotplug\"}]}", i);
    snprintf(reply + n, sizeof reply - n, "]}");
    fresh(&a);
    begin(&a, OP_LIST, 1, false);
    sb_init(&out.text, text, sizeof text);
    line(&a, reply);
    CHECK(sb_ok(&out.text));
    int removed = 0;
    for (const char *s = text; (s = strstr(s, "remove-fd")) != NULL; s++)
        removed++;
    CHECK_INT(removed, 16);
}

static void a_version_that_is_none_is_nought(void) {
    memset(&a, 0, sizeof a);
    vmm_qemu.reset(&a);
    sb_init(&out.text, text, sizeof text);
    CHECK(line(&a, "{\"QMP\": {\"version\": {\"qemu\": {\"major\": \"9\", \"minor\": -1}}}}") == VMM_READY);
    CHECK(a.version[0] == 0 && a.version[1] == 0 && a.version[2] == 0 && a.greeted);
}

int main(void) {
    RUN(an_attach_is_one_batch);
    RUN(a_late_answer_to_the_one_before_ends_nothing);
    RUN(the_greeting_is_answered_with_the_negotiation);
    RUN(a_pci_device_is_taken_out_by_its_guest);
    RUN(a_pci_device_is_added_at_a_free_port);
    RUN(a_listing_has_pci_devices_of_ours_if_asked);
    RUN(a_refusal_keeps_the_first_reason);
    RUN(a_refusal_without_words_has_some);
    RUN(out_is_out);
    RUN(only_its_own_answers_end_an_operation);
    RUN(what_is_not_qmp_is_bad);
    RUN(two_listings_at_once_do_not_mix);
    RUN(others_devices_are_asked_about_one_by_one);
    RUN(what_is_gone_or_unknown_is_nobodys);
    RUN(names_that_no_qemu_gives_are_not_sent_back);
    RUN(more_than_can_be_listed_fails);
    RUN(our_sets_that_were_left_behind_are_removed_and_no_others);
    RUN(an_attach_by_path_passes_nothing);
    RUN(an_attach_names_bus_and_port_as_far_as_they_are_chosen);
    RUN(a_descriptor_is_passed_unless_it_cannot_be);
    RUN(an_id_of_ours_says_which_device_it_is);
    RUN(nonsense_in_a_listing_is_passed_over);
    RUN(nonsense_in_properties_is_nothing_known);
    RUN(a_device_by_bus_and_address_alone_is_no_filter);
    RUN(an_answer_that_is_none_ends_the_connection);
    RUN(a_refusal_that_is_unreadable_has_words_of_ours);
    RUN(sets_that_were_left_behind_are_removed_a_few_at_a_time);
    RUN(a_version_that_is_none_is_nought);
    TEST_MAIN_END;
}
