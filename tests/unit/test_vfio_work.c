/*
 * test_vfio_work.c - vfio_work.c, vfio_group.c, vfio_bind.c and vfio_node.c with a made-up sysfs, and a kernel of the
 * test's own behind its attributes: what is bound, what is let alone, and that nothing is written while a VM has a
 * member of the group.
 */
#include "bus/pci_sysfs.h"
#include "bus/vfio_group.h"
#include "bus/vfio_work.h"
#include "fault.h"
#include "os/sysfs.h"
#include "tree.h"

#include <endian.h>
#include <sys/syscall.h>

static struct vfio_order order;
static struct vfio_answer answer;
static int out[WORKER_FDS];

/* ---- the host ---- */

enum { GROUP = 19 };
#define NIC "0000:01:00.0"
#define TWIN "0000:01:00.1"
#define DISK "0000:05:00.0"
#define PORT "0000:00:1c.0"

static const struct driver {
    const char *address, *name;
} drivers[] = {{NIC, "e1000e"}, {TWIN, "e1000e"}, {DISK, "nvme"}, {PORT, "pcieport"}};

static bool held;      /* a VM has a device of the group */
static int node_error; /* with which the group's node is opened, after node_good times */
static int node_good;
static const char *refused;     /* vfio-pci does not take this device */
static const char *in_use;      /* a block device that somebody has for himself */
static char did[1024];          /* what the kernel was asked, in its order */
static unsigned char list[128]; /* the access list that the node got last */
static size_t listed;
static int write_fails; /* the first, second.. write to an attribute fails; 0: none */

static void attribute(const char *address, const char *name, const char *text) {
    char path[128];
    (void)snprintf(path, sizeof path, "sys/bus/pci/devices/%s/%s", address, name);
    make_file(path, text);
}

static void link_of(const char *address, const char *name, const char *target) {
    char path[128];
    (void)snprintf(path, sizeof path, "sys/bus/pci/devices/%s/%s", address, name);
    make_parents(path);
    (void)unlink(at(path));
    CHECK(target == NULL || symlink(target, at(path)) == 0);
}

static void drive(const char *address, const char *driver) {
    char target[64];
    (void)snprintf(target, sizeof target, "../../drivers/%s", driver);
    link_of(address, "driver", driver[0] != '\0' ? target : NULL);
    (void)snprintf(target, sizeof target, "sys/bus/pci/drivers/%s/unbind", driver);
    if (driver[0] != '\0')
        make_file(target, "");
}

static void join_group(const char *address, bool in) {
    char path[96];
    (void)snprintf(path, sizeof path, "sys/kernel/iommu_groups/%d/devices/%s", GROUP, address);
    if (in)
        make_file(path, "");
    else
        (void)unlink(at(path));
    link_of(address, "iommu_group", in ? "../../../../kernel/iommu_groups/19" : NULL);
}

static void device(const char *address, const char *class, const char *driver) {
    attribute(address, "vendor", "0x8086\n");
    attribute(address, "device", "0x10d3\n");
    attribute(address, "class", class);
    attribute(address, "enable", "0\n");
    attribute(address, "driver_override", "(null)\n");
    drive(address, driver);
}

/* A NIC alone in its group. */
static void make_host(void) {
    heal();
    remove_tree();
    CHECK(mkdir(top, 0755) == 0 && sysfs_root(top));
    held = false;
    refused = in_use = NULL;
    did[0] = '\0';
    listed = 0;
    node_error = node_good = 0;
    make_file("sys/bus/pci/drivers_probe", "");
    make_file("sys/bus/pci/drivers/vfio-pci/unbind", "");
    make_file("proc/self/mountinfo", "");
    make_file("proc/swaps", "");
    make_file("proc/net/route", "");
    make_directory("sys/class/block");
    device(NIC, "0x020000\n", "e1000e");
    join_group(NIC, true);
}

/* ---- the kernel ---- */

static void note(const char *what, const char *address) {
    size_t n = strlen(did);
    (void)snprintf(did + n, sizeof did - n, "%s %s, ", what, address);
}

static const char *driver_of(const char *address) {
    static char name[VH_IFNAME_MAX];
    pci_sysfs_driver(address, name);
    return name;
}

static bool any_on_vfio(void) {
    bool any = false;
    for (size_t i = 0; i < sizeof drivers / sizeof *drivers; i++)
        any = any || strcmp(driver_of(drivers[i].address), VFIO_DRIVER) == 0;
    return any;
}

static int unbind(const char *driver, const char *address) {
    note("unbind", address);
    CHECK(!held); /* it would hang */
    if (strcmp(driver_of(address), driver) != 0)
        return ENODEV;
    link_of(address, "driver", NULL);
    if (!any_on_vfio())
        (void)unlink(at("dev/vfio/19"));
    return 0;
}

static int probe(const char *address) {
    char path[128], text[32] = "";
    note("probe", address);
    (void)snprintf(path, sizeof path, "%s/sys/bus/pci/devices/%s/driver_override", top, address);
    FILE *f = fopen(path, "re");
    CHECK(f != NULL && fgets(text, sizeof text, f) != NULL && fclose(f) == 0);
    if (driver_of(address)[0] != '\0')
        return 0;
    if (strcmp(text, VFIO_DRIVER) == 0) {
        if (refused == NULL || strcmp(refused, address) != 0) {
            drive(address, VFIO_DRIVER);
            make_file("dev/vfio/19", "");
        }
        return 0;
    }
    for (size_t i = 0; i < sizeof drivers / sizeof *drivers; i++) {
        if (strcmp(drivers[i].address, address) == 0 && any_on_vfio())
            return EINVAL;
        if (strcmp(drivers[i].address, address) == 0)
            drive(address, drivers[i].name);
    }
    return 0;
}

static bool written(int fd, const char *text, size_t n, long *result) {
    static bool inside;
    char link[64], path[512], value[64] = "";
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, path, sizeof path - 1);
    if (inside || fd == STDERR_FILENO || len < 0 || n >= sizeof value)
        return false;
    path[len] = '\0';
    memcpy(value, text, n);
    char *name = strrchr(path, '/') + 1;
    name[-1] = '\0';
    const char *owner = strrchr(path, '/') + 1;
    int error = ENOENT;
    if (write_fails > 0 && --write_fails == 0) {
        errno = EIO;
        *result = -1;
        return true;
    }
    inside = true;
    if (strcmp(name, "unbind") == 0) {
        error = unbind(owner, value);
    } else if (strcmp(name, "drivers_probe") == 0) {
        error = probe(value);
    } else if (strcmp(name, "driver_override") == 0) {
        note(value[0] == '\n' ? "clear" : "override", owner);
        attribute(owner, "driver_override", value[0] == '\n' ? "(null)\n" : value);
        error = 0;
    } else {
        CHECK(false);
    }
    inside = false;
    errno = error;
    *result = error == 0 ? (long)n : -1;
    return true;
}

static int opened(const char *path) {
    bool node = strcmp(path, "dev/vfio/19") == 0;
    if (node && (held || (node_error != 0 && --node_good < 0)))
        return held ? EBUSY : node_error;
    return in_use != NULL && strcmp(path, in_use) == 0 ? EBUSY : 0;
}

static int list_error;

static bool called(long nr, const long *a, long *result) {
    if (nr != SYS_fsetxattr)
        return false;
    CHECK_STR((const char *)a[1], "system.posix_acl_access");
    CHECK((size_t)a[3] <= sizeof list);
    memcpy(list, (const void *)a[2], (size_t)a[3]);
    listed = (size_t)a[3];
    errno = list_error;
    *result = list_error == 0 ? 0 : -1;
    return true;
}

/* ---- orders ---- */

static void mean(const char *address) {
    struct vfio_member *m = &order.member[order.n++];
    CHECK(pci_address_parse(address, &m->address));
    m->vendor = 0x8086;
    m->device = 0x10d3;
    m->incarnation = pci_sysfs_incarnation(address);
}

static void make_order(uint32_t kind, const char *address) {
    memset(&order, 0, sizeof order);
    order.head = (struct worker_head){.serial = 1, .kind = kind};
    order.uid = kind == VFIO_PREPARE ? 1000 : 0;
    mean(address);
}

/* Nothing that was opened stays open but what is handed on. */
static void carry_out(void) {
    int before = open_files();
    out[0] = out[1] = -1;
    memset(&answer, 0xff, sizeof answer);
    did[0] = '\0';
    on_write = written;
    on_open = opened;
    on_syscall = called;
    size_t n = vfio_work(&order, -1, &answer, out);
    on_write = NULL;
    on_open = NULL;
    on_syscall = NULL;
    CHECK(vfio_answer_valid(&order, &answer, n, out));
    CHECK_INT(open_files(), before + 2 * answer.opened);
}

/* The C libraries word errors in their own ways. */
static const char *failing(const char *what, int error) {
    static char text[VH_TEXT_MAX];
    (void)snprintf(text, sizeof text, "%s: %s", what, strerror(error));
    return text;
}

static void must(enum vfio_result result, const char *why) {
    carry_out();
    if (answer.result != result)
        printf("# %u: %s\n", (unsigned)answer.result, answer.why);
    CHECK(answer.result == result);
    CHECK_STR(answer.why, why);
}

/* A refusal before anything was written. */
static void must_not(enum vfio_result result, const char *why) {
    must(result, why);
    CHECK_STR(did, "");
}

/* ---- to a VM ---- */

static uint32_t word(size_t at_byte) {
    uint32_t v;
    memcpy(&v, list + at_byte, sizeof v);
    return le32toh(v);
}

static void a_device_is_bound_and_its_node_let_to_the_vms_user(void) {
    make_host();
    make_order(VFIO_PREPARE, NIC);
    must(VFIO_DONE, "");
    CHECK_STR(did, "override " NIC ", unbind " NIC ", probe " NIC ", ");
    CHECK_STR(driver_of(NIC), VFIO_DRIVER);
    CHECK_INT(answer.group, GROUP);
    CHECK(listed == 44 && word(0) == 2 && word(12) == (6u << 16 | 2) && word(16) == 1000);
    make_order(VFIO_PREPARE, NIC); /* once more, for a VM of root */
    order.uid = VFIO_ROOT;
    must(VFIO_DONE, "");
    CHECK_STR(did, "");
    CHECK(listed == 28 && word(12) == 4 && word(20) == 32);
}

static void a_device_without_a_driver_is_bound(void) {
    make_host();
    drive(NIC, "");
    CHECK(rmdir(at("sys/class/block")) == 0); /* the kernel has no block devices */
    make_order(VFIO_PREPARE, NIC);
    must(VFIO_DONE, "");
    CHECK_STR(did, "override " NIC ", probe " NIC ", ");
}

static void another_device_at_the_address_is_let_alone(void) {
    make_host();
    make_order(VFIO_PREPARE, NIC);
    order.member[0].vendor++;
    must_not(VFIO_GONE, "another device is at 0000:01:00.0 now");
    make_order(VFIO_PREPARE, NIC);
    order.member[0].device++;
    must_not(VFIO_GONE, "another device is at 0000:01:00.0 now");
    make_order(VFIO_PREPARE, NIC);
    order.member[0].incarnation++;
    must_not(VFIO_GONE, "another device is at 0000:01:00.0 now");
    for (uint32_t kind = VFIO_PREPARE; kind < VFIO_KINDS; kind++) {
        make_order(kind, NIC);
        order.member[0].address.bus = 9;
        must_not(VFIO_GONE, "there is no PCI device 0000:09:00.0 any more");
    }
}

static void without_an_iommu_or_a_driver_nothing_is_done(void) {
    make_host();
    join_group(NIC, false);
    make_order(VFIO_PREPARE, NIC);
    must_not(VFIO_NO_IOMMU, "0000:01:00.0 is in no IOMMU group: is the IOMMU on, in the firmware and for the kernel?");
    make_host();
    CHECK(unlink(at("sys/bus/pci/drivers/vfio-pci/unbind")) == 0 && rmdir(at("sys/bus/pci/drivers/vfio-pci")) == 0);
    make_order(VFIO_PREPARE, NIC);
    must_not(VFIO_NO_MODULE, "the kernel has no driver vfio-pci: is the module loaded?");
}

static void a_member_that_stays_keeps_its_group(void) {
    make_host();
    device(TWIN, "0x020000\n", "e1000e");
    join_group(TWIN, true);
    make_order(VFIO_PREPARE, NIC);
    must_not(VFIO_STAYS, "shares its IOMMU group with 0000:01:00.1, which stays with its driver e1000e");
    drive(TWIN, "");
    must(VFIO_DONE, "");
    CHECK_STR(driver_of(TWIN), "");
    make_file("sys/kernel/iommu_groups/19/devices/a8000000.usb", "");
    make_order(VFIO_PREPARE, NIC);
    must_not(VFIO_STAYS, "shares its IOMMU group with a8000000.usb, which is no PCI device");
}

static void bridges_to_other_buses_keep_their_driver_and_others_do_not(void) {
    make_host();
    device(PORT, "0x060400\n", "pcieport");
    attribute(PORT, "secondary_bus_number", "1\n");
    join_group(PORT, true);
    make_order(VFIO_PREPARE, NIC);
    must(VFIO_DONE, "");
    CHECK_STR(driver_of(PORT), "pcieport");
    make_order(VFIO_PREPARE, PORT);
    must_not(VFIO_IN_USE, "0000:00:1c.0 stays with the host: it is a bridge");
    make_host();
    device("0000:00:1f.0", "0x060100\n", "lpc_ich");
    join_group("0000:00:1f.0", true);
    make_order(VFIO_PREPARE, NIC);
    must_not(VFIO_STAYS, "shares its IOMMU group with 0000:00:1f.0, which stays with its driver lpc_ich");
}

static void a_group_is_bound_as_a_whole(void) {
    make_host();
    device(TWIN, "0x020000\n", "e1000e");
    join_group(TWIN, true);
    make_order(VFIO_PREPARE, NIC);
    mean(TWIN);
    must(VFIO_DONE, "");
    CHECK_STR(did,
              "override " NIC ", unbind " NIC ", probe " NIC ", override " TWIN ", unbind " TWIN ", probe " TWIN ", ");
    held = true; /* the VM has the first one, and gets the other one */
    attribute(NIC, "enable", "1\n");
    make_order(VFIO_PREPARE, TWIN);
    must_not(VFIO_BUSY, "a VM has 0000:01:00.0");
    order.joins = 1;
    must_not(VFIO_DONE, "");
    make_order(VFIO_PREPARE, NIC);
    order.joins = 1;
    must_not(VFIO_BUSY, "a VM has 0000:01:00.0");
    drive(TWIN, "");
    make_order(VFIO_PREPARE, TWIN);
    order.joins = 1;
    must_not(VFIO_BUSY, "a VM has a device of its IOMMU group, and 0000:01:00.1 is not on vfio-pci");
}

static void a_member_of_another_group_is_not_taken_for_one(void) {
    make_host();
    device(TWIN, "0x020000\n", "e1000e");
    make_order(VFIO_PREPARE, NIC);
    mean(TWIN);
    must_not(VFIO_NO_IOMMU, "0000:01:00.1 is in no IOMMU group: is the IOMMU on, in the firmware and for the kernel?");
    link_of(TWIN, "iommu_group", "../../../../kernel/iommu_groups/20");
    must_not(VFIO_GONE, "0000:01:00.1 is not in the same IOMMU group any more");
}

static void a_group_without_end_is_not_known(void) {
    char name[32];
    make_host();
    for (unsigned i = 0; i <= VH_MAX_GROUP; i++) {
        (void)snprintf(name, sizeof name, "0001:%02x:00.0", i);
        device(name, "0x020000\n", "");
        join_group(name, true);
    }
    make_order(VFIO_PREPARE, NIC);
    must_not(VFIO_UNKNOWN, "its IOMMU group has more than 32 members");
    make_host();
    join_group(NIC, false);
    link_of(NIC, "iommu_group", "../../../../kernel/iommu_groups/19");
    make_order(VFIO_PREPARE, NIC);
    must_not(VFIO_UNKNOWN, "the members of its IOMMU group cannot be read");
    CHECK(rmdir(at("sys/kernel/iommu_groups/19/devices")) == 0);
    must_not(VFIO_UNKNOWN, failing("the members of its IOMMU group cannot be read", ENOENT));
}

/* ---- what the host needs ---- */

static void make_disk(void) {
    make_host();
    device(DISK, "0x010802\n", "nvme");
    join_group(DISK, true);
    join_group(NIC, false);
    make_directory("sys/devices/pci0000:00/0000:05:00.0/nvme/nvme0/nvme0n1");
    make_parents("sys/class/block/nvme0n1");
    CHECK(symlink("../../devices/pci0000:00/0000:05:00.0/nvme/nvme0/nvme0n1", at("sys/class/block/nvme0n1")) == 0);
    make_parents("sys/dev/block/259:1");
    CHECK(symlink("../../devices/pci0000:00/0000:05:00.0/nvme/nvme0/nvme0n1", at("sys/dev/block/259:1")) == 0);
    make_order(VFIO_PREPARE, DISK);
}

static void a_disk_in_use_stays(void) {
    make_disk();
    make_file("proc/self/mountinfo", "36 35 259:1 / /srv rw - ext4 /dev/nvme0n1 rw\n");
    must_not(VFIO_IN_USE, "0000:05:00.0 stays with the host: it holds the mounted file system /srv");
    make_file("proc/self/mountinfo", "");
    in_use = "dev/nvme0n1"; /* by what no table tells of */
    must_not(VFIO_IN_USE, "0000:05:00.0 is in use on this host: /dev/nvme0n1");
    in_use = "dev/nvme1n1";
    must(VFIO_DONE, "");
}

static void a_route_and_a_keyboard_may_be_overruled(void) {
    make_host();
    make_directory("sys/devices/pci0000:00/0000:01:00.0/net/eth0");
    make_parents("sys/class/net/eth0");
    CHECK(symlink("../../devices/pci0000:00/0000:01:00.0/net/eth0", at("sys/class/net/eth0")) == 0);
    make_file("proc/net/route", "Iface\tDestination\neth0\t00000000\t0101A8C0\n");
    make_order(VFIO_PREPARE, NIC);
    must_not(VFIO_IN_USE, "0000:01:00.0 stays with the host: it carries the default route by eth0");
    make_parents("sys/class/input/event5");
    make_file("sys/devices/pci0000:00/0000:01:00.0/input5/event5/device/capabilities/key", "fffffffe\n");
    CHECK(symlink("../../devices/pci0000:00/0000:01:00.0/input5/event5", at("sys/class/input/event5")) == 0);
    order.member[0].despite = PCI_UPLINK;
    must_not(VFIO_IN_USE, "0000:01:00.0 stays with the host: it has a keyboard of the host: event5");
    order.member[0].despite = PCI_KEYBOARD;
    must_not(VFIO_IN_USE, "0000:01:00.0 stays with the host: it carries the default route");
    order.member[0].despite = PCI_KEYBOARD | PCI_UPLINK;
    must(VFIO_DONE, "");
}

/* Each directory in turn cannot be read: the devices, what is below them, the group, the block devices. */
static void what_cannot_be_told_is_no_permission(void) {
    int refusals = 0, of_blocks = 0;
    for (int i = 1; i < 64 && refusals == i - 1; i++) {
        make_disk();
        fail_nr(SYS_getdents64, i, EIO);
        carry_out();
        if (answer.result == VFIO_DONE)
            break;
        CHECK(answer.result == VFIO_UNKNOWN && all_failed());
        CHECK_STR(did, "");
        of_blocks += strcmp(answer.why, "the block devices below 0000:05:00.0 cannot be read") == 0;
        refusals++;
    }
    CHECK(answer.result == VFIO_DONE && !all_failed() && refusals > 6 && of_blocks > 1);
}

/* ---- while a VM has it ---- */

static void nothing_is_written_while_a_vm_has_a_member(void) {
    make_host();
    make_order(VFIO_PREPARE, NIC);
    must(VFIO_DONE, "");
    held = true;
    for (uint32_t kind = VFIO_PREPARE; kind < VFIO_KINDS; kind++) {
        make_order(kind, NIC);
        must_not(VFIO_BUSY, "a VM has a device of IOMMU group 19");
        CHECK(answer.wanted == 0);
    }
    held = false;
    attribute(NIC, "enable", "1\n");
    for (uint32_t kind = VFIO_PREPARE; kind < VFIO_KINDS; kind++) {
        make_order(kind, NIC);
        must_not(VFIO_BUSY, "a VM has 0000:01:00.0");
    }
}

static void a_device_that_the_host_waits_for_is_wanted(void) {
    make_host();
    make_order(VFIO_PREPARE, NIC);
    must(VFIO_DONE, "");
    make_order(VFIO_LOOK, NIC);
    must_not(VFIO_DONE, "");
    CHECK_INT(answer.group, GROUP);
    held = true;
    drive(NIC, ""); /* somebody's unbind hangs */
    must_not(VFIO_BUSY, "a VM has a device of IOMMU group 19");
    CHECK(answer.wanted == 1);
    make_order(VFIO_RESTORE, NIC);
    must_not(VFIO_BUSY, "a VM has a device of IOMMU group 19");
}

/* ---- failures ---- */

static void what_was_bound_goes_back_if_another_member_fails(void) {
    make_host();
    device(TWIN, "0x020000\n", "e1000e");
    join_group(TWIN, true);
    refused = TWIN;
    make_order(VFIO_PREPARE, NIC);
    mean(TWIN);
    must(VFIO_FAILED, "vfio-pci does not take 0000:01:00.1: the kernel's log says why");
    CHECK_STR(driver_of(NIC), "e1000e");
    CHECK_STR(driver_of(TWIN), "e1000e");
    CHECK(strstr(did, "clear " NIC ", unbind " NIC ", clear " TWIN ", probe " NIC ", probe " TWIN ", ") != NULL);
}

static void a_node_that_the_vms_user_cannot_open_is_a_failure(void) {
    make_host();
    make_order(VFIO_PREPARE, NIC);
    list_error = EOPNOTSUPP;
    must(VFIO_FAILED, failing("cannot let uid 1000 open /dev/vfio/19", EOPNOTSUPP));
    CHECK_STR(driver_of(NIC), "e1000e");
    order.uid = VFIO_ROOT;
    must(VFIO_DONE, "");
    list_error = EIO;
    must_not(VFIO_FAILED, failing("cannot let uid 0 open /dev/vfio/19", EIO));
    list_error = 0;
}

static void a_node_that_cannot_be_opened_is_a_failure(void) {
    make_host();
    make_order(VFIO_PREPARE, NIC);
    node_error = EACCES;
    must_not(VFIO_FAILED, failing("cannot open /dev/vfio/19", EACCES));
    node_good = 1; /* nobody has it, and then it is of another user */
    must(VFIO_FAILED, failing("cannot open /dev/vfio/19", EACCES));
    CHECK_STR(driver_of(NIC), VFIO_DRIVER);
    CHECK(was_said(failing("PCI devices stay without their drivers: cannot open /dev/vfio/19", EACCES)));
}

static void what_somebody_has_got_in_between_is_left_to_him(void) {
    make_host();
    make_order(VFIO_PREPARE, NIC);
    node_error = EBUSY;
    node_good = 1;
    must(VFIO_BUSY, failing("cannot open /dev/vfio/19", EBUSY));
    CHECK_STR(did, "override " NIC ", unbind " NIC ", probe " NIC ", ");
    CHECK(was_said("PCI devices stay without their drivers: a VM has a device of IOMMU group 19"));
}

static void a_write_that_fails_is_said(void) {
    make_host();
    make_order(VFIO_PREPARE, NIC);
    write_fails = 2;
    must(VFIO_FAILED, failing("cannot write unbind of 0000:01:00.0", EIO));
    CHECK_STR(driver_of(NIC), "e1000e");
    must(VFIO_DONE, "");
    make_order(VFIO_RESTORE, NIC);
    write_fails = 1;
    must(VFIO_FAILED, failing("cannot write driver_override of 0000:01:00.0", EIO));
    must(VFIO_DONE, "");
    CHECK_STR(driver_of(NIC), "e1000e");
}

static void what_is_no_order_ends_the_process(void) {
    make_order(VFIO_KINDS, NIC);
    CHECK_INT(vfio_work(&order, -1, &answer, out), 0);
    make_order(VFIO_LOOK, NIC);
    CHECK_INT(vfio_work(&order, 0, &answer, out), 0);
}

/* ---- descriptors ---- */

static void a_device_is_handed_on_as_a_descriptor_where_the_kernel_can(void) {
    make_host();
    make_order(VFIO_PREPARE, NIC);
    order.by_fd = 1;
    must(VFIO_DONE, ""); /* it cannot */
    CHECK(answer.opened == 0 && out[0] < 0 && word(16) == 1000);
    make_file("sys/bus/pci/devices/" NIC "/vfio-dev/vfio3/dev", "511:3\n");
    make_file("dev/vfio/devices/vfio3", "");
    must(VFIO_DONE, ""); /* without /dev/iommu */
    CHECK(answer.opened == 0);
    make_file("dev/iommu", "");
    must(VFIO_DONE, "");
    CHECK(answer.opened == 1 && out[0] >= 0 && out[1] >= 0 && listed == 28);
    CHECK(close(out[0]) == 0 && close(out[1]) == 0);
    list_error = EIO;
    must(VFIO_FAILED, failing("cannot let uid 0 open /dev/vfio/19", EIO));
    list_error = 0;
    order.by_fd = 0;
    must(VFIO_DONE, "");
    CHECK(answer.opened == 0 && word(16) == 1000);
}

static void a_nodes_name_is_the_kernels(void) {
    static const char *const others[] = {"vfio", "vfiox", "vfio3x", "../mem", "xvfio3"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        char path[96];
        make_host();
        make_file("dev/iommu", "");
        (void)snprintf(path, sizeof path, "sys/bus/pci/devices/" NIC "/vfio-dev/%s", others[i]);
        make_file(path, "");
        (void)snprintf(path, sizeof path, "dev/vfio/devices/%s", others[i]);
        make_file(path, "");
        make_order(VFIO_PREPARE, NIC);
        order.by_fd = 1;
        must(VFIO_DONE, "");
        CHECK(answer.opened == 0);
    }
}

/* ---- back to the host ---- */

static void all_members_leave_vfio_before_one_is_offered(void) {
    make_host();
    device(TWIN, "0x020000\n", "e1000e");
    join_group(TWIN, true);
    make_order(VFIO_PREPARE, NIC);
    mean(TWIN);
    must(VFIO_DONE, "");
    make_order(VFIO_RESTORE, TWIN);
    must(VFIO_DONE, "");
    CHECK_STR(did, "clear " NIC ", unbind " NIC ", clear " TWIN ", unbind " TWIN ", probe " NIC ", probe " TWIN ", ");
    CHECK_STR(driver_of(NIC), "e1000e");
    CHECK(answer.undriven == 0);
    must_not(VFIO_DONE, ""); /* nothing is left to be done */
}

static void a_device_that_was_meant_for_vfio_goes_back_too(void) {
    make_host();
    drive(NIC, "");
    attribute(NIC, "driver_override", "vfio-pci\n");
    make_order(VFIO_RESTORE, NIC);
    attribute(NIC, "enable", "0\n");
    must(VFIO_DONE, "");
    CHECK_STR(did, "clear " NIC ", probe " NIC ", ");
    CHECK_STR(driver_of(NIC), "e1000e");
    drive(NIC, ""); /* but not one that nobody touched */
    must_not(VFIO_DONE, "");
}

static void a_device_that_no_driver_wants_is_counted(void) {
    make_host();
    device("0000:09:00.0", "0x078000\n", "");
    join_group("0000:09:00.0", true);
    make_order(VFIO_PREPARE, NIC);
    mean("0000:09:00.0");
    must(VFIO_DONE, "");
    make_order(VFIO_RESTORE, NIC);
    must(VFIO_DONE, "");
    CHECK_STR(driver_of("0000:09:00.0"), "");
    CHECK_INT(answer.undriven, 1);
}

static void without_a_group_a_device_goes_back_alone(void) {
    make_host();
    join_group(NIC, false);
    drive(NIC, VFIO_DRIVER);
    make_order(VFIO_RESTORE, NIC);
    must(VFIO_DONE, "");
    CHECK_STR(driver_of(NIC), "e1000e");
    CHECK_INT(answer.group, 0);
}

int main(void) {
    CHECK(mkdtemp(top) != NULL);
    RUN(a_device_is_bound_and_its_node_let_to_the_vms_user);
    RUN(a_device_without_a_driver_is_bound);
    RUN(another_device_at_the_address_is_let_alone);
    RUN(without_an_iommu_or_a_driver_nothing_is_done);
    RUN(a_member_that_stays_keeps_its_group);
    RUN(bridges_to_other_buses_keep_their_driver_and_others_do_not);
    RUN(a_group_is_bound_as_a_whole);
    RUN(a_member_of_another_group_is_not_taken_for_one);
    RUN(a_group_without_end_is_not_known);
    RUN(a_disk_in_use_stays);
    RUN(a_route_and_a_keyboard_may_be_overruled);
    RUN(what_cannot_be_told_is_no_permission);
    RUN(nothing_is_written_while_a_vm_has_a_member);
    RUN(a_device_that_the_host_waits_for_is_wanted);
    RUN(what_was_bound_goes_back_if_another_member_fails);
    RUN(a_node_that_the_vms_user_cannot_open_is_a_failure);
    RUN(a_node_that_cannot_be_opened_is_a_failure);
    RUN(what_somebody_has_got_in_between_is_left_to_him);
    RUN(a_write_that_fails_is_said);
    RUN(what_is_no_order_ends_the_process);
    RUN(a_device_is_handed_on_as_a_descriptor_where_the_kernel_can);
    RUN(a_nodes_name_is_the_kernels);
    RUN(all_members_leave_vfio_before_one_is_offered);
    RUN(a_device_that_was_meant_for_vfio_goes_back_too);
    RUN(a_device_that_no_driver_wants_is_counted);
    RUN(without_a_group_a_device_goes_back_alone);
    remove_tree();
    TEST_MAIN_END;
}
