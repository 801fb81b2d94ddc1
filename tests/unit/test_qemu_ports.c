/* The USB ports of a QEMU, as a listing finds them out: what QEMU 7.2 answered, and what no QEMU should answer. */
#include "test.h"
#include "vmm/vmm_qemu.h"

#include <stdlib.h>

static struct vmm_conv cv;
static char text[VH_QMP_OUT_MAX];
static struct vmm_out out;

/* What a QEMU answers: to a command whose arguments have this text. */
struct answer {
    const char *to, *value;
};
#define ENTRY(name, type) "{\"name\": \"" name "\", \"type\": \"" type "\"}"
#define MACHINE(value) \
    { "\"path\": \"/machine/unattached\"", "[" value "]" }
#define NO_MORE \
    { NULL, NULL }

static const struct answer *script;
static int batches, questions;

static const char *answer_to(const char *command) {
    for (const struct answer *a = script; a->to != NULL; a++) {
        if (strstr(command, a->to) != NULL)
            return a->value;
    }
    return strstr(command, "\"path\": \"/machine/peripheral\"}") != NULL ? "[]" : NULL;
}

static void greet(void) {
    static const char s[] = "{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 1, \"minor\": 2, \"major\": 7}}}}";
    memset(&cv, 0, sizeof cv);
    vmm_qemu.reset(&cv);
    sb_init(&out.text, text, sizeof text);
    CHECK(vmm_qemu.message(&cv, s, strlen(s), &out) == VMM_READY);
}

static enum vmm_step line(const char *s) {
    return vmm_qemu.message(&cv, s, strlen(s), &out);
}

/* Answers each command of a batch, in order; what the script does not know QEMU does not know either. */
static enum vmm_step answer_batch(void) {
    static char batch[VH_QMP_OUT_MAX], reply[VH_QMP_LINE_MAX];
    enum vmm_step step = VMM_WAIT;
    memcpy(batch, text, sizeof batch);
    sb_init(&out.text, text, sizeof text);
    for (char *command = strtok(batch, "\n"); command != NULL; command = strtok(NULL, "\n")) {
        const char *value = answer_to(command), *id = strstr(command, "\"id\": \"") + 7;
        questions++;
        if (value != NULL)
            snprintf(reply, sizeof reply, "{\"return\": %s, \"id\": \"%.*s\"}", value, (int)strcspn(id, "\""), id);
        else
            snprintf(reply, sizeof reply,
                     "{\"error\": {\"class\": \"GenericError\", \"desc\": \"no\"}, \"id\": \"%.*s\"}",
                     (int)strcspn(id, "\""), id);
        step = line(reply);
        CHECK(sb_ok(&out.text));
    }
    batches++;
    return step;
}

static const struct vm_ports *list(const struct answer *a, bool again) {
    enum vmm_step step = VMM_WAIT;
    struct vmm_op op = {.kind = OP_LIST, .serial = 1};
    script = a;
    batches = questions = 0;
    if (!again)
        greet();
    sb_init(&out.text, text, sizeof text);
    vmm_qemu.begin(&cv, &op, &out);
    while (step == VMM_WAIT && out.text.len > 0)
        step = answer_batch();
    CHECK(step == VMM_DONE && cv.result.status == OP_OK); /* whatever is not known */
    CHECK(cv.result.version[0] == 7 && cv.result.version[1] == 2 && cv.result.version[2] == 1);
    return cv.result.ports;
}

/* "xhci.0: 1* 2 3.1" */
static const char *shown(const struct vm_ports *p) {
    static char s[2048];
    struct sbuf sb;
    sb_init(&sb, s, sizeof s);
    for (int b = 0; p != NULL && b < p->nbuses; b++) {
        sb_fmt(&sb, "%s%s:", b > 0 ? "; " : "", p->bus[b].name);
        for (int i = 0; i < p->nports; i++) {
            if (p->port[i].bus == b)
                sb_fmt(&sb, " %s%s", p->port[i].path, p->port[i].used ? "*" : "");
        }
    }
    return p == NULL ? "unknown" : s;
}

static const struct vm_port *port(const struct vm_ports *p, int bus, const char *path) {
    for (int i = 0; p != NULL && i < p->nports; i++) {
        if (p->port[i].bus == bus && str_eq(p->port[i].path, path))
            return &p->port[i];
    }
    exit(1);
}

#define SLOW (USB_SPEED_LOW | USB_SPEED_FULL)

#define XHCI                                                                                                     \
    {                                                                                                            \
        "\"path\": \"/machine/peripheral\"}",                                                                    \
            "[" ENTRY("type", "string") ", " ENTRY("xhci", "child<qemu-xhci>") ", " ENTRY("vhp-usb-1-5",         \
                                                                                          "child<usb-host>") "]" \
    }
#define XHCI_PARTS \
    { "/machine/peripheral/xhci\"}", "[" ENTRY("p2", "uint32") ", " ENTRY("xhci.0", "child<usb-bus>") "]" }
#define XHCI_PORTS     \
    {"\"p2\"", "4"}, { \
        "\"p3\"", "4"  \
    }
#define XHCI_BUS(entries) \
    { "/machine/peripheral/xhci/xhci.0\"}", "[" ENTRY("type", "string") entries "]" }
#define TEXT(lines) \
    { "info usb", "\"" lines "\\r\\n\"" }
#define OURS "  Device 0.0, Port 2, Speed 480 Mb/s, Product Stick, ID: vhp-usb-1-5\\r\\n"

static void one_controller_takes_two_batches(void) {
    const struct answer a[] = {
        XHCI,
        XHCI_PARTS,
        XHCI_PORTS,
        MACHINE(""),
        XHCI_BUS(", " ENTRY("child[0]", "link<usb-kbd>") ", " ENTRY("child[3]", "link<usb-host>")),
        TEXT("  Device 0.0, Port 1, Speed 480 Mb/s, Product QEMU USB Keyboard\\r\\n" OURS),
        NO_MORE};
    const struct vm_ports *p = list(a, false);
    CHECK_STR(shown(p), "xhci.0: 1* 2* 3 4");
    CHECK_INT(batches, 3); /* the listing itself is the first */
    CHECK_INT(port(p, 0, "1")->speeds, SLOW | USB_SPEED_HIGH | USB_SPEED_SUPER);
    CHECK(port(p, 0, "2")->busnum == 1 && port(p, 0, "2")->devnum == 5 && port(p, 0, "1")->busnum == 0);
    p = list(a, true);
    CHECK_STR(shown(p), "xhci.0: 1* 2* 3 4");
    CHECK_INT(p->bus[0].controller, VM_XHCI);
}

static void a_hub_offers_ports_behind_it(void) {
    const struct answer a[] = {
        XHCI,
        XHCI_PARTS,
        {"\"p2\"", "2"},
        {"\"p3\"", "3"},
        MACHINE(ENTRY("device[29]", "child<usb-hub>")),
        XHCI_BUS(", " ENTRY("child[0]", "link<usb-hub>") ", " ENTRY("child[3]", "link<usb-host>")),
        TEXT("  Device 0.0, Port 1, Speed 12 Mb/s, Product QEMU USB Hub\\r\\n"
             "  Device 0.0, Port 1.2, Speed 1.5 Mb/s, Product Mouse, ID: vhp-usb-1-5"),
        NO_MORE};
    const struct vm_ports *p = list(a, false);
    CHECK_STR(shown(p), "xhci.0: 1* 2 3 1.1 1.2* 1.3 1.4 1.5 1.6 1.7 1.8");
    CHECK(port(p, 0, "1.1")->behind_hub && port(p, 0, "1.1")->speeds == SLOW && !port(p, 0, "2")->behind_hub);
    CHECK_INT(port(p, 0, "3")->speeds, USB_SPEED_SUPER);
    CHECK_INT(port(p, 0, "1.2")->devnum, 5);
}

static void a_hub_of_the_command_line_may_be_smaller(void) {
    const struct answer a[] = {
        {"\"path\": \"/machine/peripheral\"}", "[" ENTRY("xhci", "child<qemu-xhci>") "]"},
        {"\"path\": \"/machine/peripheral-anon\"}", "[" ENTRY("device[0]", "child<usb-hub>") "]"},
        {"/machine/peripheral-anon/device[0]\", \"property\": \"ports\"", "3"},
        XHCI_PARTS,
        XHCI_PORTS,
        MACHINE(""),
        XHCI_BUS(", " ENTRY("child[0]", "link<usb-hub>")),
        TEXT("  Device 0.0, Port 4, Speed 12 Mb/s, Product QEMU USB Hub"),
        NO_MORE};
    CHECK_STR(shown(list(a, false)), "xhci.0: 1 2 3 4* 4.1 4.2 4.3");
}

/* q35 with -usb, as 7.2 shows it: one EHCI with three companions, beside a named and an unnamed xHCI. */
static void buses_are_told_apart(void) {
    const struct answer a[] = {
        {"\"path\": \"/machine/peripheral\"}",
         "[" ENTRY("xhci", "child<qemu-xhci>") ", " ENTRY("vhp-usb-1-5", "child<usb-host>") "]"},
        {"\"path\": \"/machine/peripheral-anon\"}", "[" ENTRY("device[0]", "child<nec-usb-xhci>") "]"},
        MACHINE(ENTRY("device[15]", "child<ich9-ahci>") ", " ENTRY("device[16]", "child<ich9-usb-ehci1>") ", " ENTRY(
            "device[17]", "child<ich9-usb-uhci1>") ", " ENTRY("device[18]", "child<ich9-usb-uhci2>")),
        XHCI_PARTS,
        {"/machine/peripheral-anon/device[0]\"}", "[" ENTRY("usb-bus.1", "child<usb-bus>") "]"},
        {"/machine/unattached/device[16]\"}", "[" ENTRY("usb-bus.0", "child<usb-bus>") "]"},
        {"/machine/unattached/device[17]\"}", "[]"},
        {"/machine/unattached/device[18]\"}", "[]"},
        {"device[17]\", \"property\": \"firstport\"", "0"},
        {"device[18]\", \"property\": \"firstport\"", "2"},
        {"\"masterbus\"", "\"usb-bus.0\""},
        {"anon/device[0]\", \"property\": \"p2\"", "2"},
        {"anon/device[0]\", \"property\": \"p3\"", "1"},
        XHCI_PORTS,
        XHCI_BUS(", " ENTRY("child[0]", "link<usb-kbd>") ", " ENTRY("child[3]", "link<usb-host>")),
        {"usb-bus.1\"}", "[]"},
        {"usb-bus.0\"}", "[" ENTRY("child[0]", "link<usb-mouse>") ", " ENTRY("child[1]", "link<usb-mouse>") "]"},
        {"xhci.0\", \"property\": \"child[3]\"", "\"/machine/peripheral/vhp-usb-1-5\""},
        {"usb-bus.0\", \"property\": \"child[0]\"", "\"/machine/peripheral-anon/device[7]\""},
        TEXT("  Device 0.0, Port 1, Speed 1.5 Mb/s, Product QEMU USB Mouse\\r\\n"
             "  Device 0.0, Port 2, Speed 1.5 Mb/s, Product QEMU USB Mouse\\r\\n"
             "  Device 1.0, Port 1, Speed 480 Mb/s, Product QEMU USB Keyboard\\r\\n"
             "  Device 1.0, Port 3, Speed 480 Mb/s, Product Stick, ID: vhp-usb-1-5"),
        NO_MORE};
    const struct vm_ports *p = list(a, false);
    CHECK_STR(shown(p), "xhci.0: 1* 2 3* 4; usb-bus.1: 1 2; usb-bus.0: 1* 2* 3 4 5 6");
    CHECK_INT(port(p, 2, "1")->speeds, SLOW | USB_SPEED_HIGH);
    CHECK_INT(port(p, 2, "5")->speeds, USB_SPEED_HIGH); /* no companion there */
    CHECK_INT(port(p, 1, "2")->speeds, SLOW | USB_SPEED_HIGH);
}

static void old_controllers_take_slow_devices(void) {
    const struct answer a[] = {{"\"path\": \"/machine/peripheral\"}", "[" ENTRY("o", "child<pci-ohci>") "]"},
                               MACHINE(ENTRY("device[24]", "child<piix3-usb-uhci>")),
                               {"/machine/peripheral/o\"}", "[" ENTRY("o.0", "child<usb-bus>") "]"},
                               {"device[24]\"}", "[" ENTRY("usb-bus.0", "child<usb-bus>") "]"},
                               {"num-ports", "3"},
                               {"usb-bus.0\"}", "[]"},
                               {"o.0\"}", "[]"},
                               TEXT(""),
                               NO_MORE};
    const struct vm_ports *p = list(a, false);
    CHECK_STR(shown(p), "o.0: 1 2 3; usb-bus.0: 1 2");
    CHECK(port(p, 0, "3")->speeds == SLOW && port(p, 1, "2")->speeds == SLOW);
    CHECK(p->bus[0].controller == VM_OHCI && p->bus[1].controller == VM_UHCI);
}

/* Each of these leaves the ports unknown and the listing as it was. */
static void what_does_not_agree_is_not_believed(void) {
    static const char *const buses[] = {
        "[" ENTRY("child[3]", "link<usb-host>") "]", "[]", "5",
        "[" ENTRY("child[0]", "link<usb-kbd>") ", " ENTRY("child[3]", "link<usb-host>") "]",
        "[" ENTRY("child[0]", "link<usb-hub>") "]"};
    static const char *const texts[] = {
        "\"" OURS OURS "\"",
        "\"  Device 0.0, Port 9, Speed 480 Mb/s, Product Stick\"",
        "\"  Device 0.0, Port 1, Speed 480 Mb/s, Product Stick\\r\\n  Device 0.0, Port 1, Speed 12 Mb/s, Product A\"",
        "\"  Device 0.0, Port 2, Speed 12 Mb/s, Product QEMU USB Hub, ID: vhp-usb-1-5\"", /* it says so itself */
        "\"  Device 0.0, Port 2.1, Speed 12 Mb/s, Product Stick\"",
        "\"  Device 256.0, Port 2, Speed 12 Mb/s, Product Stick\"",
        "\"  Device 0.0, Port , Speed 12 Mb/s, Product Stick\"",
        "\"  Device 0.0, Port 2, Speed\"",
        "\"USB support not enabled\"",
        "\"  Device 0.0, Port 2.2.2.2.2.2.2.2.2, Speed 12 Mb/s, Product Stick\"",
        "{}",
        "7",
        "null",
        "\"\\u0000\"",
        NULL};
    for (size_t i = 1; i < sizeof buses / sizeof *buses; i++) {
        const struct answer a[] = {XHCI,       XHCI_PARTS, XHCI_PORTS, MACHINE(""), {"xhci/xhci.0\"}", buses[i]},
                                   TEXT(OURS), NO_MORE};
        CHECK(list(a, false) == NULL);
    }
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        const struct answer a[] = {
            XHCI, XHCI_PARTS, XHCI_PORTS, MACHINE(""), {"xhci/xhci.0\"}", buses[0]}, {"info usb", texts[i]}, NO_MORE};
        CHECK(list(a, false) == NULL);
    }
    const struct answer good[] = {XHCI,       XHCI_PARTS, XHCI_PORTS, MACHINE(""), {"xhci/xhci.0\"}", buses[0]},
                                  TEXT(OURS), NO_MORE};
    CHECK_STR(shown(list(good, false)), "xhci.0: 1 2* 3 4");
}

/* A device writes its name: it may end a line early, but cannot write one. */
static void a_name_of_a_device_is_no_line(void) {
    static const char *const names[] = {"a\\r\\n  Device 0.0, Port 3, Speed", "\\n", ", ID: kbd", "\\u001b[2J"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char lines[256];
        snprintf(lines, sizeof lines, "\"  Device 0.0, Port 2, Speed 480 Mb/s, Product %s, ID: vhp-usb-1-5\"",
                 names[i]);
        const struct answer a[] = {XHCI,
                                   XHCI_PARTS,
                                   XHCI_PORTS,
                                   MACHINE(""),
                                   XHCI_BUS(", " ENTRY("child[3]", "link<usb-host>")),
                                   {"info usb", lines},
                                   NO_MORE};
        CHECK_STR(shown(list(a, false)), "xhci.0: 1 2* 3 4");
    }
}

static void two_buses_that_look_alike_are_not_guessed(void) {
    struct answer a[] = {{"\"path\": \"/machine/peripheral\"}",
                          "[" ENTRY("x", "child<qemu-xhci>") ", " ENTRY("y", "child<qemu-xhci>") "]"},
                         {"peripheral/x\"}", "[" ENTRY("x.0", "child<usb-bus>") "]"},
                         {"peripheral/y\"}", "[" ENTRY("y.0", "child<usb-bus>") "]"},
                         XHCI_PORTS,
                         MACHINE(""),
                         {"x.0\"}", "[" ENTRY("child[0]", "link<usb-kbd>") "]"},
                         {"y.0\"}", "[" ENTRY("child[0]", "link<usb-mouse>") "]"},
                         {"x/x.0\", \"property\": \"child[0]\"", "\"/machine/peripheral-anon/device[0]\""},
                         {"y/y.0\", \"property\": \"child[0]\"", "\"/machine/peripheral-anon/device[1]\""},
                         TEXT("  Device 0.0, Port 1, Speed 12 Mb/s, Product A\\r\\n  Device 1.0, Port 2, Speed 12 "
                              "Mb/s, Product B, ID: k"),
                         NO_MORE};
    CHECK(list(a, false) == NULL);
    a[9].value = "\"/machine/peripheral/k\"";
    CHECK_STR(shown(list(a, false)), "x.0: 1* 2 3 4; y.0: 1 2* 3 4");
    a[8].value = "\"/machine/peripheral/k\""; /* said of both */
    CHECK(list(a, false) == NULL);
}

static void controllers_that_are_not_known_leave_all_unknown(void) {
    static const char *const others[] = {"platform-ehci-usb", "dwc2-usb"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        char machine[128];
        snprintf(machine, sizeof machine, "[{\"name\": \"device[0]\", \"type\": \"child<%s>\"}]", others[i]);
        const struct answer a[] = {XHCI,         XHCI_PARTS, XHCI_PORTS, {"unattached\"}", machine},
                                   XHCI_BUS(""), TEXT(""),   NO_MORE};
        CHECK(list(a, false) == NULL);
    }
    const struct answer none[] = {MACHINE(""), NO_MORE};
    CHECK(list(none, false) == NULL);
    const struct answer old[] = {XHCI, XHCI_PARTS, XHCI_PORTS, XHCI_BUS(""), NO_MORE}; /* refuses the last question */
    CHECK(list(old, false) == NULL);
    const struct answer odd[] = {
        XHCI, XHCI_PARTS, {"\"p2\"", "\"4\""}, {"\"p3\"", "300"}, MACHINE(""), XHCI_BUS(""), TEXT(""), NO_MORE};
    CHECK(list(odd, false) == NULL);
}

static void more_than_there_is_room_for_is_unknown(void) {
    char many[4096], hubs[4096], lines[16384];
    size_t n = 0, h = 0, l = 0;
    for (int i = 0; i <= VH_VM_BUSES; i++)
        n += (size_t)snprintf(many + n, sizeof many - n, "%s{\"name\": \"x%d\", \"type\": \"child<qemu-xhci>\"}",
                              i > 0 ? ", " : "[", i);
    for (int i = 0; i <= VH_VM_HUBS; i++)
        h += (size_t)snprintf(hubs + h, sizeof hubs - h, "%s{\"name\": \"h%d\", \"type\": \"child<usb-hub>\"}",
                              i > 0 ? ", " : "[", i);
    l = (size_t)snprintf(lines, sizeof lines, "\"");
    for (int i = 0; i <= VH_VM_PORTS; i++)
        l += (size_t)snprintf(lines + l, sizeof lines - l, "  Device 0.0, Port %d, Speed 12 Mb/s, Product A\\r\\n",
                              i + 1);
    snprintf(many + n, sizeof many - n, "]");
    snprintf(hubs + h, sizeof hubs - h, "]");
    snprintf(lines + l, sizeof lines - l, "\"");
    const struct answer controllers[] = {{"\"path\": \"/machine/peripheral\"}", many}, NO_MORE};
    CHECK(list(controllers, false) == NULL && batches == 1);
    const struct answer named[] = {{"\"path\": \"/machine/peripheral\"}", hubs}, NO_MORE};
    CHECK(list(named, false) == NULL);
    const struct answer text_too_long[] = {XHCI,         XHCI_PARTS,          XHCI_PORTS, MACHINE(""),
                                           XHCI_BUS(""), {"info usb", lines}, NO_MORE};
    CHECK(list(text_too_long, false) == NULL);
}

/* The connection ended in the middle of them: this QEMU is listed without them from then on. */
static void what_a_qemu_does_not_bear_it_is_asked_once(void) {
    const struct answer a[] = {XHCI, XHCI_PARTS, XHCI_PORTS, MACHINE(""), XHCI_BUS(""), TEXT(""), NO_MORE};
    struct vmm_op op = {.kind = OP_LIST, .serial = 1};
    CHECK(list(a, false) != NULL);
    script = a;
    sb_init(&out.text, text, sizeof text);
    vmm_qemu.begin(&cv, &op, &out);
    CHECK(answer_batch() == VMM_WAIT && strstr(text, "unattached") != NULL); /* and it hangs up */
    vmm_qemu.reset(&cv);
    line("{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 1, \"minor\": 2, \"major\": 7}}}}");
    CHECK(list(a, true) == NULL && batches == 1);
    CHECK(list(a, true) == NULL && batches == 1);
}

int main(void) {
    RUN(one_controller_takes_two_batches);
    RUN(a_hub_offers_ports_behind_it);
    RUN(a_hub_of_the_command_line_may_be_smaller);
    RUN(buses_are_told_apart);
    RUN(old_controllers_take_slow_devices);
    RUN(what_does_not_agree_is_not_believed);
    RUN(a_name_of_a_device_is_no_line);
    RUN(two_buses_that_look_alike_are_not_guessed);
    RUN(controllers_that_are_not_known_leave_all_unknown);
    RUN(more_than_there_is_room_for_is_unknown);
    RUN(what_a_qemu_does_not_bear_it_is_asked_once);
    TEST_MAIN_END;
}
