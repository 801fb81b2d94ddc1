/*
 * test_port_hubs.c - port_hubs.c and port_turn.c in a made-up tree, with the USB bus above them: hubs are held when
 * they are reported, a device of the host's has its turn and the port is held again, and whatever of it fails ends.
 */
#include "base/log.h"
#include "bus/usb/bus_usb.h"
#include "bus/usb/port_hubs.h"
#include "bus/usb/port_work.h"
#include "codec/uevent.h"
#include "fault.h"
#include "kept.h"
#include "os/clock.h"
#include "os/sysfs.h"
#include "tree.h"

/* ---- the tree ---- */

static void attribute(const char *device, const char *name, const char *text) {
    char path[256];
    (void)snprintf(path, sizeof path, "sys/bus/usb/devices/%s/%s", device, name);
    make_file(path, text);
}

static const char hub[] = {18, 1, 0,  2, 9, 0, 1, 64,         0x6b, 0x1d, 2, 0, 0, 5, 0, 0, 0, 1,
                           9,  2, 18, 0, 1, 1, 0, (char)0xe0, 0,    9,    4, 0, 0, 0, 9, 0, 0, 0};
static const char mouse[] = {18, 1, 0,  2, 0, 0, 0, 64,         0x6d, 0x04, 0x1f, 0x70, 0, 1, 0, 0, 0, 1,
                             9,  2, 18, 0, 1, 1, 0, (char)0x80, 50,   9,    4,    0,    0, 0, 3, 0, 0, 0};
/* The same with a second configuration. */
static const char two[] = {18, 1, 0,  2, 0, 0, 0, 64,         0x6d, 0x04, 0x20, 0x70, 0, 1, 0, 0, 0, 2,
                           9,  2, 18, 0, 1, 1, 0, (char)0x80, 50,   9,    4,    0,    0, 0, 3, 0, 0, 0,
                           9,  2, 18, 0, 1, 2, 0, (char)0x80, 50,   9,    4,    0,    0, 0, 3, 0, 0, 0};

static void place(const char *name, const char *port, unsigned devnum, const char *what, size_t n) {
    char path[256], number[16];
    attribute(name, "busnum", "1\n");
    (void)snprintf(number, sizeof number, "%u\n", devnum);
    attribute(name, "devnum", number);
    attribute(name, "devpath", port);
    attribute(name, "speed", "480\n");
    attribute(name, "bConfigurationValue", "\n");
    (void)snprintf(path, sizeof path, "%s/sys/bus/usb/devices/%s/driver", top, name);
    (void)unlink(path);
    CHECK(symlink("../../drivers/usb", path) == 0); /* the kernel's own driver: it keeps it unconfigured */
    (void)snprintf(path, sizeof path, "sys/bus/usb/devices/%s/descriptors", name);
    make_bytes(path, what, n);
    (void)snprintf(path, sizeof path, "dev/bus/usb/001/%03u", devnum);
    make_file(path, "");
}
#define PLACE(name, port, devnum, what) place(name, port, devnum, what, sizeof(what))

static void place_hub(const char *name, const char *port, unsigned devnum) {
    PLACE(name, port, devnum, hub);
    attribute(name, "bConfigurationValue", "1\n");
    attribute(name, "maxchild", "4\n");
}

static void take_away(const char *name) {
    char command[256];
    (void)snprintf(command, sizeof command, "rm -rf %s/sys/bus/usb/devices/%s", top, name);
    CHECK(system(command) == 0);
}

/* What was written to a node in place of an ioctl. */
static const char *node_text(unsigned devnum) {
    static char text[64];
    char path[64];
    (void)snprintf(path, sizeof path, "dev/bus/usb/001/%03u", devnum);
    FILE *f = fopen(at(path), "r");
    size_t n = f != NULL ? fread(text, 1, sizeof text - 1, f) : 0;
    text[n] = '\0';
    CHECK(f != NULL && fclose(f) == 0);
    return text;
}

/* ---- the daemon's part ---- */

static int noffered, nfreed, ndrivers;
static bool last_ok;

static void on_offered(uint64_t token, bool ok) {
    CHECK_INT(token, 77);
    noffered++;
    last_ok = ok;
}
static void on_released(uint64_t token, bool ok) {
    (void)ok;
    (void)token;
    nfreed++;
}
static void hear(const struct fact *f) {
    ndrivers += f->kind == FACT_DRIVERS;
    kept_fact(f);
}
static int opened_fd = -1;
static void on_opened(uint64_t token, int fd, const char *why) {
    (void)token, (void)why;
    opened_fd = fd;
}
static const struct device *reported(const char *name) {
    return kept_device(name);
}

/* ---- the port workers' part ---- */

static char ports[512]; /* the orders that were done: "hold usb1 4" */
static int error;       /* of the next ones */

static size_t carry_out(const void *order, int fd, void *a, int out[WORKER_FDS]) {
    static const char names[][8] = {"", "keep", "hold", "claim", "release", "drop"};
    const struct port_order *o = order;
    struct port_answer *answer = a;
    size_t n = strlen(ports), size = port_work(order, fd, a, out);
    if (o->head.kind == PORT_KEEP)
        return size;
    (void)snprintf(ports + n, sizeof ports - n, "%s%s %s %d, ", names[o->head.kind], o->again != 0 ? " again" : "",
                   o->hub, o->ports + o->port);
    if (error == 0)
        return size;
    memcpy(answer->held, o->held, sizeof answer->held);
    answer->error = error;
    return size;
}

static const char *done(void) {
    static char text[sizeof ports];
    memcpy(text, ports, sizeof text);
    ports[0] = '\0';
    return text;
}

static void pump(void) {
    for (int i = 0; i < 4; i++) {
        device_pool_tick(clock_now());
        port_pool_tick(clock_now());
    }
}

static struct bus_quarantine status(void) {
    struct bus_quarantine s;
    bus_usb.quarantine(&s);
    return s;
}

static void start(void) {
    static struct port_order o;
    static struct port_answer a;
    static const struct worker_job job = {
        .name = "port", .order_size = sizeof o, .answer_max = sizeof a, .order = &o, .answer = &a, .handle = carry_out};
    static const struct bus_calls calls = {
        .fact = hear, .reported = reported, .opened = on_opened, .released = on_released, .offered = on_offered};
    error = 0;
    ports[0] = '\0';
    kept.n = 0;
    CHECK(kept_start(&calls, bus_usb_done) && port_pool_start(0, &job, &bus_usb_port_calls));
    bus_usb.hold_ports();
}

static void event_comes(const char *action, const char *name) {
    char devpath[128];
    (void)snprintf(devpath, sizeof devpath, "/devices/pci0000:00/usb1/%s", name);
    const struct uevent ev = {.action = action, .devpath = devpath, .subsystem = "usb", .devtype = "usb_device"};
    CHECK(bus_usb.uevent(&ev));
    bus_usb.read_noted();
}

static void event(const char *action, const char *name) {
    event_comes(action, name);
    pump();
}

static void offer(const char *name) {
    noffered = 0;
    CHECK(bus_usb.offer(kept_device(name), 77));
    CHECK_INT(noffered, 0);
    pump();
    CHECK_INT(noffered, 1);
}

/* ---- hubs ---- */

static void a_hub_is_held_when_it_is_reported(void) {
    int files = open_files();
    start();
    place_hub("usb1", "0\n", 1);
    event("add", "usb1"); /* the kernel is not done with it */
    CHECK(strcmp(done(), "") == 0 && status().hubs == 0);
    event("bind", "usb1");
    CHECK_STR(done(), "hold usb1 4, ");
    CHECK(status().runs && status().hubs == 1 && status().ports == 4 && status().refused == 0);
    CHECK(port_held("1-4") && !port_held("1-5") && !port_held("2-1") && !port_held("1-4.1") && !port_held("usb1"));
    CHECK_INT(open_files(), files + 1);
    event("change", "usb1");
    bus_usb.scan(false);
    pump();
    CHECK_STR(done(), ""); /* once a plug */
    place_hub("1-4", "4\n", 7);
    event("bind", "1-4");
    CHECK_STR(done(), "hold 1-4 4, ");
    take_away("1-4");
    event("remove", "1-4");
    CHECK_STR(done(), "drop 1-4 0, ");
    CHECK(status().hubs == 1 && open_files() == files + 1);
}

static void a_hub_that_the_kernel_does_not_drive_yet_is_held_later(void) {
    place_hub("1-3", "3\n", 8);
    attribute("1-3", "maxchild", "0\n");
    event("bind", "1-3");
    CHECK_STR(done(), "");
    CHECK(bus_usb.deadline() != VH_NEVER && was_said("ports are not held yet: hub=1-3 reason=\"the kernel does not"));
    attribute("1-3", "maxchild", "2\n");
    bus_usb.tick(bus_usb.deadline());
    pump();
    CHECK_STR(done(), "hold 1-3 2, ");
    take_away("1-3");
    event("remove", "1-3");
    (void)done();
}

static void a_hub_without_a_configuration_is_not_held(void) {
    place_hub("1-3", "3\n", 8);
    attribute("1-3", "bConfigurationValue", "\n");
    event("bind", "1-3");
    CHECK_STR(done(), "");
    /* Its turn comes; then it is held before the port above it. */
    offer("1-3");
    attribute("1-3", "bConfigurationValue", "1\n");
    CHECK(last_ok);
    CHECK_STR(done(), "release usb1 3, claim usb1 3, hold 1-3 4, ");
    CHECK_STR(node_text(8), "configured 1\n");
    take_away("1-3");
    event("remove", "1-3");
    (void)done();
}

/* ---- devices ---- */

static void a_device_of_the_hosts_has_its_turn(void) {
    PLACE("1-2", "2\n", 5, mouse);
    event("bind", "1-2");
    CHECK(kept_device("1-2") != NULL && kept_device("1-2")->usb.config == 0 && !kept_device("1-2")->driven);
    offer("1-2");
    CHECK(last_ok && port_held("1-2"));
    CHECK_STR(done(), "release usb1 2, claim usb1 2, ");
    CHECK_STR(node_text(5), "configured 1\n");
    attribute("1-2", "bConfigurationValue", "1\n");
    event("change", "1-2");
    CHECK_INT(kept_device("1-2")->usb.config, 1);
    offer("1-2"); /* again: it is configured, and only offered to drivers */
    CHECK(last_ok);
    CHECK_STR(node_text(5), "configured 1\n");
    (void)done();
}

static void of_several_configurations_the_kernel_chooses(void) {
    make_file("sys/bus/usb/drivers/usb/bind", "");
    make_file("sys/bus/usb/drivers/usb/unbind", "");
    PLACE("1-4", "4\n", 6, two);
    event("bind", "1-4");
    offer("1-4");
    CHECK(last_ok);
    CHECK_STR(node_text(6), "");
    char text[8] = "";
    int fd = open(at("sys/bus/usb/drivers/usb/bind"), O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0 && read(fd, text, sizeof text - 1) >= 3 && close(fd) == 0);
    CHECK(strncmp(text, "1-4", 3) == 0);
    (void)done();
    char command[256];
    (void)snprintf(command, sizeof command, "rm -rf %s/sys/bus/usb/drivers", top);
    CHECK(system(command) == 0);
    offer("1-4");
    CHECK(!last_ok && was_said("not configured for the host: device=1-4"));
    CHECK_STR(done(), "release usb1 4, claim usb1 4, ");
    take_away("1-4");
    event("remove", "1-4");
    heal();
}

/* The kernel refuses drivers at a port that is claimed before they have probed the device. */
static void a_device_whose_port_is_claimed_meanwhile_has_another_turn(void) {
    place_hub("1-3", "3\n", 8);
    attribute("1-3", "maxchild", "0\n");
    event("bind", "1-3");
    PLACE("1-3.1", "3.1\n", 9, mouse);
    event("add", "1-3.1");
    CHECK_STR(done(), "");
    attribute("1-3", "maxchild", "2\n");
    event_comes("bind", "1-3");
    device_pool_tick(clock_now()); /* it is read */
    CHECK(port_coming("1-3.1"));
    offer("1-3.1");
    CHECK(!last_ok && port_held("1-3.1") && !port_coming("1-3.1"));
    CHECK_STR(done(), "hold 1-3 2, ");
    offer("1-3.1");
    CHECK(last_ok);
    CHECK_STR(done(), "release 1-3 1, claim 1-3 1, ");
    take_away("1-3.1");
    event("remove", "1-3.1");
    take_away("1-3");
    event("remove", "1-3");
    (void)done();
    heal();
}

static void a_vms_device_is_configured_and_passed(void) {
    PLACE("1-2", "2\n", 5, mouse);
    CHECK(bus_usb.open_node(kept_device("1-2"), 1));
    pump();
    CHECK(opened_fd >= 0 && close(opened_fd) == 0);
    CHECK_STR(node_text(5), "configured 1\n");
    attribute("1-2", "bConfigurationValue", "1\n");
    make_file("dev/bus/usb/001/005", "");
    CHECK(bus_usb.open_node(kept_device("1-2"), 1));
    pump();
    CHECK(opened_fd >= 0 && close(opened_fd) == 0);
    CHECK_STR(node_text(5), ""); /* it was already */
    CHECK_STR(done(), "");
}

static void a_driver_that_comes_and_a_driver_that_binds_are_told(void) {
    const struct uevent came = {
        .action = "add", .devpath = "/bus/usb/drivers/usb-storage", .subsystem = "drivers", .devtype = ""};
    const struct uevent other = {
        .action = "add", .devpath = "/bus/pci/drivers/usb-x", .subsystem = "drivers", .devtype = ""};
    const struct uevent bound = {.action = "bind",
                                 .devpath = "/devices/pci0000:00/usb1/1-2/1-2:1.0",
                                 .subsystem = "usb",
                                 .devtype = "usb_interface"};
    ndrivers = 0;
    (void)bus_usb.uevent(&other);
    bus_usb.read_noted();
    CHECK_INT(ndrivers, 0);
    CHECK(bus_usb.uevent(&came));
    bus_usb.read_noted();
    CHECK_INT(ndrivers, 1);
    make_file("sys/bus/usb/drivers/usbhid/x", "");
    make_file("sys/bus/usb/devices/1-2/1-2:1.0/x", "");
    char link[256];
    (void)snprintf(link, sizeof link, "%s", at("sys/bus/usb/devices/1-2:1.0"));
    CHECK(mkdir(link, 0755) == 0);
    (void)snprintf(link, sizeof link, "%s", at("sys/bus/usb/devices/1-2:1.0/driver"));
    CHECK(symlink("../../drivers/usbhid", link) == 0);
    CHECK(bus_usb.uevent(&bound));
    bus_usb.read_noted();
    pump();
    CHECK(kept_device("1-2")->driven);
    CHECK(unlink(link) == 0);
    take_away("1-2:1.0");
}

/* ---- what fails ---- */

static void try_again(void) {
    CHECK(bus_usb.deadline() != VH_NEVER);
    bus_usb.tick(bus_usb.deadline());
    pump();
}

/* As at the start of a daemon while processes of the one before it, which was killed, are still ending. */
static void a_process_that_ends_is_waited_for_and_its_devices_have_another_turn(void) {
    ndrivers = 0;
    error = EBUSY;
    place_hub("1-3", "3\n", 8);
    event("bind", "1-3");
    PLACE("1-3.1", "3.1\n", 9, mouse);
    event("bind", "1-3.1");
    CHECK(status().hubs == 1 && status().waiting == 1 && status().refused == 0 && port_coming("1-3.1"));
    offer("1-3.1"); /* the kernel may refuse its drivers */
    CHECK(!last_ok);
    for (int i = 1; i < VH_PORT_TRIES; i++) {
        CHECK_INT(bus_usb.deadline() - clock_now() <= ms_to_ns(VH_T_RETRY_MIN), true);
        try_again();
    }
    CHECK(status().waiting == 1 && ndrivers == 0 && !was_said("ports are not held"));
    error = 0;
    try_again();
    CHECK(status().hubs == 2 && status().waiting == 0 && port_held("1-3.1") && !was_said("ports are held at last"));
    CHECK_INT(ndrivers, 1);
    offer("1-3.1");
    CHECK_INT(last_ok, true);
    take_away("1-3.1");
    event("remove", "1-3.1");
    take_away("1-3");
    event("remove", "1-3");
    (void)done();
    heal();
}

static void a_port_of_another_program_is_told_and_left(void) {
    error = EBUSY;
    ndrivers = 0;
    offer("1-2"); /* its release fails, it is tried all the same, and its port is somebody else's now */
    CHECK(last_ok && !port_held("1-2") && !was_said("another program holds them"));
    place_hub("1-3", "3\n", 8);
    event("bind", "1-3");
    CHECK(status().waiting == 2 && status().ports == 3);
    for (int i = 0; i < 2 * VH_PORT_TRIES && status().waiting > 0; i++)
        try_again();
    CHECK(was_said("another program holds them") && was_said("ports are not held: hub=1-3 ports=4"));
    CHECK(status().ports == 3 && status().hubs == 2 && status().refused == 5);
    heal();
    (void)done();
    offer("1-2");
    CHECK(last_ok && !port_coming("1-2"));
    CHECK_STR(done(), ""); /* no port of ours */
    CHECK_INT(ndrivers, 0);
}

/* Both hubs of the test before: more and more rarely, and told once. */
static void ports_that_are_refused_are_tried_again(void) {
    int64_t before = clock_now(), at = 0;
    for (int i = 0; i < 3; i++) {
        at = bus_usb.deadline();
        CHECK(at != VH_NEVER && at - before < ms_to_ns(2 * VH_T_RETRY_MAX));
        bus_usb.tick(at);
        pump();
        CHECK(!was_said("another program holds them"));
    }
    CHECK(strstr(done(), "hold again 1-3 4, ") != NULL && status().refused == 5);
    error = 0;
    for (int i = 0; i < 4 && status().refused > 0; i++) {
        CHECK(bus_usb.deadline() != VH_NEVER);
        bus_usb.tick(bus_usb.deadline());
        pump();
    }
    CHECK(status().refused == 0 && status().hubs == 2 && status().ports == 8 && port_held("1-2"));
    CHECK(ndrivers > 0); /* 1-2, whose port was let go of, has its turn again */
    CHECK(was_said("ports are held at last: hub=usb1 ports=4") && was_said("ports are held at last: hub=1-3 ports=4"));
    CHECK_INT(bus_usb.deadline() == VH_NEVER, true);
    heal();
    (void)done();
}

/* What the pool says when the kernel is busy with a hub. */
static void a_late_claim_holds_up_no_turn(void) {
    const struct port_order claim = {.head.kind = PORT_CLAIM, .hub = "usb1", .port = 2};
    noffered = 0;
    CHECK(bus_usb.offer(kept_device("1-2"), 77));
    port_pool_tick(clock_now());
    device_pool_tick(clock_now());
    CHECK_STR(done(), "release usb1 2, ");
    bus_usb_port_calls.late(&claim, 1);
    CHECK(noffered == 1 && last_ok && status().late == 1);
    CHECK(bus_usb.offer(kept_device("1-2"), 77)); /* its turn has the number of the one before */
    pump();
    CHECK_INT(noffered, 2);
    CHECK_STR(done(), "claim usb1 2, release usb1 2, claim usb1 2, ");
    CHECK(status().late == 0 && port_held("1-2"));
}

static void a_late_release_is_waited_for(void) {
    const struct port_order release = {.head.kind = PORT_RELEASE, .hub = "usb1", .port = 2};
    noffered = 0;
    CHECK(bus_usb.offer(kept_device("1-2"), 77));
    bus_usb_port_calls.late(&release, 1);
    CHECK(noffered == 0 && status().late == 1);
    pump();
    CHECK(noffered == 1 && last_ok && status().late == 0);
    (void)done();
}

static void a_hub_whose_claims_have_ended_is_held_anew(void) {
    bus_usb_port_calls.unheld("usb1");
    CHECK(status().hubs == 1 && !port_held("1-2") && bus_usb.deadline() != VH_NEVER);
    bus_usb.tick(bus_usb.deadline());
    pump();
    CHECK(status().hubs == 2 && port_held("1-2"));
    (void)done();
}

static void a_hub_that_goes_meanwhile_is_tried_again(void) {
    take_away("1-3");
    event("remove", "1-3");
    error = ENODEV;
    place_hub("1-3", "3\n", 9);
    event("bind", "1-3");
    CHECK(status().hubs == 1 && status().runs);
    error = 0;
    bus_usb.tick(bus_usb.deadline());
    pump();
    CHECK_INT(status().hubs, 2);
    (void)done();
}

static void a_pool_that_ends_ends_every_turn(void) {
    noffered = 0;
    take_away("1-2");
    event("remove", "1-2");
    PLACE("1-1", "1\n", 10, mouse);
    event("bind", "1-1");
    CHECK(port_held("1-1") && bus_usb.offer(kept_device("1-1"), 77));
    port_pool_lose("the test says so");
    CHECK(!status().runs && was_said("quarantine is off: the test says so"));
    CHECK_STR(status().why, "the test says so");
    pump();
    CHECK(noffered == 1 && last_ok); /* without its port, as without quarantine */
    CHECK(!port_held("1-1") && status().hubs == 0);
    offer("1-1");
    CHECK(last_ok);
    /* What was left unconfigured is configured for its VM as before. */
    make_file("dev/bus/usb/001/010", "");
    CHECK(bus_usb.open_node(kept_device("1-1"), 1));
    pump();
    CHECK(opened_fd >= 0 && close(opened_fd) == 0);
    CHECK_STR(node_text(10), "configured 1\n");
    heal();
}

static void a_kernel_without_claims_is_told_once(void) {
    start();
    error = ENOTTY;
    event("change", "usb1");
    bus_usb.scan(false);
    pump();
    CHECK(!status().runs && strstr(status().why, "knows no claims") != NULL);
    CHECK(was_said("quarantine is off: this kernel knows no claims of ports"));
    heal();
    bus_usb.scan(false);
    pump();
    CHECK(!was_said("quarantine"));
}

int main(void) {
    CHECK(mkdtemp(top) != NULL);
    make_directory("sys/bus/usb/devices");
    CHECK(sysfs_root(top));
    log_open("test", LOG_INFO);
    RUN(a_hub_is_held_when_it_is_reported);
    RUN(a_hub_that_the_kernel_does_not_drive_yet_is_held_later);
    RUN(a_hub_without_a_configuration_is_not_held);
    RUN(a_device_of_the_hosts_has_its_turn);
    RUN(of_several_configurations_the_kernel_chooses);
    RUN(a_device_whose_port_is_claimed_meanwhile_has_another_turn);
    RUN(a_vms_device_is_configured_and_passed);
    RUN(a_driver_that_comes_and_a_driver_that_binds_are_told);
    RUN(a_process_that_ends_is_waited_for_and_its_devices_have_another_turn);
    RUN(a_port_of_another_program_is_told_and_left);
    RUN(ports_that_are_refused_are_tried_again);
    RUN(a_late_claim_holds_up_no_turn);
    RUN(a_late_release_is_waited_for);
    RUN(a_hub_whose_claims_have_ended_is_held_anew);
    RUN(a_hub_that_goes_meanwhile_is_tried_again);
    RUN(a_pool_that_ends_ends_every_turn);
    RUN(a_kernel_without_claims_is_told_once);
    remove_tree();
    TEST_MAIN_END;
}
