/* Where devices go among the ports of a VM, and what happens if none is free. */
#include "core/core_internal.h"
#include "core_story.h"
#include "devices.h"

#include <stdio.h>

#define SLOW (USB_SPEED_LOW | USB_SPEED_FULL)
#define USB2 (SLOW | USB_SPEED_HIGH)
#define ALL (USB2 | USB_SPEED_SUPER)
enum { A, B };

static struct vm_ports ports;

static void bus(const char *name, int controller) {
    snprintf(ports.bus[ports.nbuses].name, sizeof ports.bus[0].name, "%s", name);
    ports.bus[ports.nbuses++].controller = (uint8_t)controller;
    ports.known = true;
}

static struct vm_port *has(const char *path, unsigned speeds, bool used) {
    struct vm_port *p = &ports.port[ports.nports++];
    memset(p, 0, sizeof *p);
    snprintf(p->path, sizeof p->path, "%s", path);
    p->bus = (uint8_t)(ports.nbuses - 1);
    p->speeds = (uint8_t)speeds;
    p->used = used;
    p->behind_hub = strchr(path, '.') != NULL;
    return p;
}

static void xhci(int n, unsigned speeds) {
    char path[8];
    bus("xhci.0", VM_XHCI);
    for (int i = 1; i <= n; i++) {
        snprintf(path, sizeof path, "%d", i);
        has(path, speeds, false);
    }
}

static void listed(int vm, const struct vmm_found *found, int n) {
    struct op_result r = {.serial = core.vm[vm].op_serial,
                          .vm = vm,
                          .status = OP_OK,
                          .version = {9, 2, 1},
                          .found = found,
                          .nfound = (uint16_t)n,
                          .ports = &ports};
    struct fact f = {.kind = FACT_OP_DONE, .op = &r};
    step(&f);
}

/* A VM with nothing yet. */
static void fresh(void) {
    begin(false);
    memset(&ports, 0, sizeof ports);
}

static void up(int vm) {
    vm_fact_of(FACT_VM_SOCKET, vm);
    listed(vm, NULL, 0);
}

static void plug_fast(const char *name, int devnum, uint8_t cls, const char *speed, bool isochronous) {
    static uint64_t incarnation = 1000;
    static char serial[1 + VH_SYSNAME_MAX];
    device_make(&dev, name, 1, (unsigned)devnum, cls);
    dev.incarnation = ++incarnation;
    snprintf(serial, sizeof serial, "S%s", name);
    snprintf(dev.usb.speed, sizeof dev.usb.speed, "%s", speed);
    dev.usb.isochronous = isochronous;
    dev.serial = serial;
    dev.settled = true;
    struct fact f = {.kind = FACT_DEVICE, .device = &dev};
    step(&f);
}

/* "xhci.0 3": where the attach under way goes; "xhci.0 " without a port, " " nothing said, "none": no attach. */
static const char *goes_to(int vm) {
    static char text[128];
    const struct action *a = op(OP_ATTACH, vm);
    snprintf(text, sizeof text, "%s %s", a != NULL ? a->op.bus : "none", a != NULL ? a->op.port : "");
    return text;
}

/* Each device gets a port of its own; the last one is no hub for a fast one. */
static void fast_devices_take_every_port(void) {
    static const char *const want[] = {"xhci.0 1", "xhci.0 2", "xhci.0 3", "xhci.0 4", "none "};
    fresh();
    xhci(4, ALL);
    up(A);
    for (int i = 0; i < 5; i++) {
        char name[16];
        snprintf(name, sizeof name, "1-%d", i + 1);
        plug_fast(name, i + 2, 3, "480", false);
        CHECK_STR(goes_to(A), want[i]);
        if (i < 4)
            done(A, OP_OK);
        CHECK(core.vm[A].state == VM_UP); /* what has changed is known without a listing */
    }
}

static void a_slow_device_takes_the_last_port_as_a_hub(void) {
    fresh();
    xhci(2, ALL);
    up(A);
    plug_fast("1-1", 2, 3, "12", false);
    CHECK_STR(goes_to(A), "xhci.0 1");
    done(A, OP_OK);
    plug_fast("1-2", 3, 3, "1.5", false);
    CHECK_STR(goes_to(A), "xhci.0 ");
    done(A, OP_OK);
    CHECK(op(OP_LIST, A) != NULL); /* QEMU has made a hub */
    ports.port[0].used = ports.port[1].used = true;
    has("2.1", SLOW, true);
    has("2.2", SLOW, false);
    const struct vmm_found found[] = {{.id = "vhp-usb-1-2", .ours = true, .busnum = 1, .devnum = 2},
                                      {.id = "vhp-usb-1-3", .ours = true, .busnum = 1, .devnum = 3}};
    listed(A, found, 2);
    plug_fast("1-3", 4, 3, "1.5", false);
    CHECK_STR(goes_to(A), "xhci.0 2.2");
    done(A, OP_OK);
    plug_fast("1-4", 5, 3, "12", false);
    CHECK_STR(goes_to(A), "none ");
}

static void each_goes_where_it_leaves_the_most(void) {
    fresh();
    bus("ehci.0", VM_EHCI);
    has("1", USB_SPEED_HIGH, false);
    bus("uhci.0", VM_UHCI);
    has("1", SLOW, false);
    has("2", SLOW, false);
    bus("xhci.0", VM_XHCI);
    has("1", ALL, false);
    has("2", ALL, false);
    has("3", USB2, false);
    has("4", USB_SPEED_SUPER, false);
    up(A);
    plug_fast("1-1", 2, 3, "5000", false);
    CHECK_STR(goes_to(A), "xhci.0 4");
    done(A, OP_OK);
    plug_fast("1-2", 3, 3, "480", true);
    CHECK_STR(goes_to(A), "xhci.0 3");
    done(A, OP_OK);
    plug_fast("1-3", 4, 3, "12", false);
    CHECK_STR(goes_to(A), "xhci.0 1"); /* not the last one of its bus, and the cheapest for the host */
    done(A, OP_OK);
    plug_fast("1-4", 5, 3, "12", false);
    CHECK_STR(goes_to(A), "uhci.0 1");
}

static void what_would_be_slower_is_refused_by_the_names_of_the_ports(void) {
    fresh();
    bus("xhci.0", VM_XHCI);
    has("1", ALL, true);
    has("2", ALL, true);
    has("2.1", SLOW, true);
    has("2.2", SLOW, false);
    bus("uhci.0", VM_UHCI);
    has("1", SLOW, false);
    up(A);
    plug_fast("1-1", 2, 3, "10000", false);
    CHECK_STR(goes_to(A), "none ");
    CHECK_STR(reason_of(&core.slot[0]),
              "VM 'a' has no free USB port for 10000 Mb/s: xhci.0 1, 2, 2.1 in use, 2.2 too slow; uhci.0 1 too slow");
    CHECK_STR(core_state_name(&core, &core.slot[0]), "waiting");
    plug_fast("1-1", 3, 3, "480", true);
    CHECK_STR(goes_to(A), "none ");
    plug_fast("1-1", 4, 3, "480", false); /* as before: slower, but it works */
    CHECK_STR(goes_to(A), "uhci.0 1");
}

static void a_port_that_is_given_back_is_taken_at_once(void) {
    fresh();
    xhci(1, ALL);
    up(A);
    plug_fast("1-1", 2, 3, "480", false);
    CHECK_STR(goes_to(A), "xhci.0 1");
    done(A, OP_OK);
    plug_fast("1-2", 3, 3, "480", false);
    CHECK_STR(goes_to(A), "none ");
    struct fact gone = {.kind = FACT_GONE, .sys_name = "1-1"};
    step(&gone);
    CHECK(op(OP_DETACH, A) != NULL);
    done(A, OP_OK);
    CHECK_STR(goes_to(A), "xhci.0 1");
}

/* Somebody else frees a port: nobody tells of it. */
static void a_full_vm_is_looked_at_again(void) {
    fresh();
    xhci(1, ALL);
    ports.port[0].used = true;
    up(A);
    plug_fast("1-1", 2, 3, "480", false);
    CHECK(core_deadline(&core) <= now + ms_to_ns(VH_T_RETRY_MAX));
    now = core_deadline(&core);
    struct fact time = {.kind = FACT_TIME};
    step(&time);
    CHECK(op(OP_LIST, A) != NULL);
    ports.port[0].used = false;
    listed(A, NULL, 0);
    CHECK_STR(goes_to(A), "xhci.0 1");
}

/* The port was taken since the listing, or QEMU has another view of it: the device is not kept back for that. */
static void a_port_that_is_refused_is_left_to_the_vmm(void) {
    fresh();
    xhci(4, ALL);
    up(A);
    plug_fast("1-1", 2, 3, "480", false);
    done_with(A, OP_FAILED, "usb port 1 (bus xhci.0) not found (in use?)", NULL, 0);
    CHECK(op(OP_LIST, A) != NULL && core.slot[0].failures == 0);
    listed(A, NULL, 0);
    CHECK_STR(goes_to(A), " ");
    done_with(A, OP_FAILED, "it said no", NULL, 0);
    CHECK_INT(core.slot[0].failures, 1);
    listed(A, NULL, 0);
    now = core_deadline(&core);
    struct fact time = {.kind = FACT_TIME};
    step(&time);
    CHECK_STR(goes_to(A), " ");
    done(A, OP_OK);
    CHECK(op(OP_LIST, A) != NULL && core.slot[0].vm == A && !core.slot[0].unplaced);
}

static void what_is_not_known_keeps_nothing_back(void) {
    fresh();
    xhci(1, ALL);
    ports.port[0].used = true;
    ports.known = false;
    up(A);
    plug_fast("1-1", 2, 3, "480", false);
    CHECK_STR(goes_to(A), " ");
    done(A, OP_OK);
    CHECK(op(OP_LIST, A) == NULL);
    fresh();
    xhci(1, ALL);
    ports.port[0].used = true;
    up(A);
    plug_fast("1-1", 2, 3, "", false); /* its speed */
    CHECK_STR(goes_to(A), " ");
}

/* What a rule says goes for all but isochronous transfers, which no slower port has. */
static void a_rule_says_how_slow_a_port_may_be(void) {
    static const struct {
        const char *speed;
        bool isochronous;
        unsigned least;
        const char *want;
    } cases[] = {
        {"5000", false, USB_SPEED_HIGH, "xhci.0 2"}, {"5000", false, USB_SPEED_SUPER, "none "},
        {"5000", true, USB_SPEED_LOW, "none "},      {"480", false, USB_SPEED_SUPER, "xhci.0 2"},
        {"480", false, USB_SPEED_FULL, "xhci.0 2"},  {"1.5", false, USB_SPEED_SUPER, "xhci.0 1.1"},
        {"12", false, USB_SPEED_LOW, "xhci.0 1.1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fresh();
        bus("xhci.0", VM_XHCI);
        has("1", ALL, true);
        has("1.1", SLOW, false);
        has("2", USB2, false);
        has("3", USB2, true);
        up(A);
        conf.rules[0].min_speed = (uint8_t)cases[i].least;
        plug_fast("1-1", 2, 3, cases[i].speed, cases[i].isochronous);
        CHECK_STR(goes_to(A), cases[i].want);
    }
    fresh();
    bus("xhci.0", VM_XHCI);
    has("1", ALL, true);
    has("1.1", SLOW, false);
    up(A);
    conf.rules[0].min_speed = USB_SPEED_FULL;
    plug_fast("1-2", 3, 3, "480", false);
    CHECK_STR(goes_to(A), "xhci.0 1.1"); /* that will do, it says */
    conf.rules[0].min_speed = 0;
}

static void a_vm_may_have_one_bus_for_them(void) {
    fresh();
    xhci(1, ALL);
    bus("other.0", VM_XHCI);
    has("1", ALL, false);
    snprintf(conf.vms[A].usb_bus, sizeof conf.vms[A].usb_bus, "other.0");
    up(A);
    plug_fast("1-1", 2, 3, "480", false);
    CHECK_STR(goes_to(A), "other.0 1");
    done(A, OP_OK);
    plug_fast("1-2", 3, 3, "480", false);
    CHECK_STR(goes_to(A), "none ");
    struct fact gone = {.kind = FACT_GONE, .sys_name = "1-1"};
    step(&gone);
    vm_fact_of(FACT_VM_DOWN, A);
    snprintf(conf.vms[A].usb_bus, sizeof conf.vms[A].usb_bus, "third.0");
    up(A);
    CHECK_STR(goes_to(A), "none ");
    char why[VH_TEXT_MAX];
    ports_why_full(&core, &core.slot[0], A, why);
    CHECK(strstr(why, "Mb/s: it has no bus 'third.0'") != NULL);
    vm_fact_of(FACT_VM_DOWN, A);
    ports.known = false;
    up(A);
    CHECK_STR(goes_to(A), "third.0 "); /* QEMU knows better */
    conf.vms[A].usb_bus[0] = '\0';
}

static const struct action *asked(const char *vm, int devnum) {
    struct request r = {.kind = REQ_ATTACH, .client = {.index = 1, .gen = 1}, .who = {.role = ROLE_ADMIN, .vm = -1}};
    snprintf(r.vm, sizeof r.vm, "%s", vm);
    r.sel.by_node = true;
    r.sel.node_bus = 1;
    r.sel.node_dev = (uint8_t)devnum;
    struct fact f = {.kind = FACT_REQUEST, .request = &r};
    step(&f);
    return action(ACT_REPLY);
}

/* Refused before the other VM gives it back. */
static void a_request_is_refused_and_nothing_moves(void) {
    fresh();
    xhci(1, ALL);
    up(A);
    ports.port[0].used = true;
    up(B);
    plug_fast("1-1", 2, 8, "480", false);
    CHECK(asked("a", 2) == NULL);
    CHECK_STR(goes_to(A), "xhci.0 1");
    done(A, OP_OK);
    const struct action *a = asked("b", 2);
    CHECK(a != NULL && !a->ok && op(OP_DETACH, A) == NULL && core.slot[0].vm == A);
    CHECK(strstr(out.texts[a->text], "VM 'b' has no free USB port for 480 Mb/s: xhci.0 1 in use") != NULL);
}

int main(void) {
    RUN(fast_devices_take_every_port);
    RUN(a_slow_device_takes_the_last_port_as_a_hub);
    RUN(each_goes_where_it_leaves_the_most);
    RUN(what_would_be_slower_is_refused_by_the_names_of_the_ports);
    RUN(a_port_that_is_given_back_is_taken_at_once);
    RUN(a_full_vm_is_looked_at_again);
    RUN(a_port_that_is_refused_is_left_to_the_vmm);
    RUN(what_is_not_known_keeps_nothing_back);
    RUN(a_rule_says_how_slow_a_port_may_be);
    RUN(a_vm_may_have_one_bus_for_them);
    RUN(a_request_is_refused_and_nothing_moves);
    TEST_MAIN_END;
}
