/*
 * test_host_use.c - host_use.c: what the host uses, by tables that are odd, too long or cut short. No used device is
 * missed without a log line.
 */
#include "base/limits.h"
#include "bus/host_use.h"
#include "fault.h"
#include "os/sysfs.h"
#include "tree.h"

#include <stdio.h>
#include <sys/sysmacros.h>

static char why[VH_TEXT_MAX];
static char text[1 << 20];

/* The kernel's link to a block device or network interface of a USB device. */
static void link_to(const char *name, const char *device, const char *rest) {
    char target[256];
    (void)snprintf(target, sizeof target, "../../devices/pci0000:00/usb1/%s/%s:1.0/%s", device, device, rest);
    make_parents(name);
    (void)unlink(at(name));
    CHECK(symlink(target, at(name)) == 0);
}

static void nothing_used(void) {
    make_file("proc/self/mountinfo", "");
    make_file("proc/swaps", "");
    make_file("proc/net/route", "");
    make_file("proc/net/ipv6_route", "");
    heal();
}

static bool used(const char *device) {
    host_use_read();
    why[0] = '\0';
    return host_use_reason(device, why, sizeof why);
}

static void a_mount_is_found_by_number_or_by_source(void) {
    nothing_used();
    link_to("sys/dev/block/8:1", "1-2", "block/sda/sda1");
    link_to("sys/class/block/sdb", "1-3", "block/sdb");
    make_file("proc/self/mountinfo",
              "36 35 8:1 / /mnt rw - ext4 /dev/sda1 rw\n37 35 0:40 / /data rw shared:1 - btrfs /dev/sdb rw\n");
    CHECK(used("1-2"));
    CHECK(strstr(why, "/mnt") != NULL);
    CHECK(used("1-3"));
    CHECK(!used("1-4"));
}

/* Lines that have fewer fields than they should, or no end. */
static void a_line_that_is_cut_short_harms_nobody(void) {
    static const char *const lines[] = {"36",
                                        "36 35",
                                        "36 35 8:1",
                                        "36 35 0:40 / /data",
                                        "36 35 0:40 / /data rw -",
                                        "36 35 0:40 / /data rw - btrfs",
                                        "36 35 0:40 / /data rw - btrfs none rw"};
    nothing_used();
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        make_file("proc/self/mountinfo", lines[i]);
        (void)used("1-3");
        CHECK(!used("1-3"));
    }
    make_file("proc/swaps", "Filename\n\n/dev/sdb");
    CHECK(used("1-3"));
    make_file("proc/swaps", "");
    link_to("sys/class/net/eth1", "1-5", "net/eth1");
    make_file("proc/net/route", "Iface\n\neth1\neth1 00000000\n");
    CHECK(used("1-5"));
    make_file("proc/net/route", "eth1 0000FEA9 00000000\n");
    CHECK(!used("1-5"));
    make_file("proc/net/ipv6_route",
              "x\n00000000000000000000000000000000 00 0 lo\n00000000000000000000000000000001 80 0 eth1\n");
    CHECK(!used("1-5"));
    make_file("proc/net/ipv6_route", "00000000000000000000000000000000 00 0 eth1");
    CHECK(used("1-5"));
}

static void each_device_of_a_file_system_is_found(void) {
    nothing_used();
    link_to("sys/class/block/sdb", "1-3", "block/sdb");
    link_to("sys/class/block/sdc", "1-4", "block/sdc");
    make_file("proc/self/mountinfo", "40 1 0:44 / /data rw - bcachefs /dev/sdb:/dev/sdc rw\n");
    CHECK(used("1-3") && used("1-4"));
    make_file("proc/self/mountinfo", "40 1 8:99 / /data rw - xfs /dev/sdz rw,noatime,logdev=/dev/sdc,rtdev=/dev/sdb\n");
    CHECK(used("1-3") && used("1-4"));
    make_file("proc/self/mountinfo", "40 1 0:44 / /data rw - overlay overlay rw,lowerdir=/dev,upperdir=/x\n");
    CHECK(!used("1-3") && !used("1-4"));
}

/* Mounted where the daemon does not see the mount. */
static void a_file_system_that_is_mounted_elsewhere_is_found(void) {
    static const char *const places[] = {"sys/fs/ext4/sdd1/x", "sys/fs/xfs/sdd1/x", "sys/fs/f2fs/sdd1/x",
                                         "sys/fs/btrfs/5f1c/devices/sdd1/x"};
    nothing_used();
    link_to("sys/class/block/sdd1", "1-6", "block/sdd/sdd1");
    make_file("sys/fs/ext4/features/x", "");
    CHECK(!used("1-6"));
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        char directory[64];
        (void)snprintf(directory, sizeof directory, "%.*s", (int)strlen(places[i]) - 2, places[i]);
        make_file(places[i], "");
        CHECK(used("1-6"));
        CHECK(unlink(at(places[i])) == 0 && rmdir(at(directory)) == 0);
    }
    CHECK(!used("1-6"));
    link_to("sys/fs/bcachefs/77aa/dev-1/block", "1-6", "block/sdd/sdd1");
    CHECK(used("1-6") && strcmp(why, "is part of the bcachefs 77aa") == 0);
    CHECK(unlink(at("sys/fs/bcachefs/77aa/dev-1/block")) == 0);
}

/* eth7 is a member of bond0, which is a port of br0, on which is the VLAN br0.5. */
static void what_is_below_the_interface_of_a_route_is_found(void) {
    static const char *const lower[] = {"br0.5/lower_br0", "br0/lower_bond0", "br0/lower_veth1", "bond0/lower_eth7"};
    nothing_used();
    link_to("sys/class/net/eth7", "1-7", "net/eth7");
    make_directory("sys/devices/pci0000:00/usb1/1-7/1-7:1.0/net/eth7");
    for (size_t i = 0; i < sizeof lower / sizeof *lower; i++) {
        char name[64];
        (void)snprintf(name, sizeof name, "sys/class/net/%s", lower[i]);
        make_file(name, "");
    }
    make_file("sys/class/net/bond0/lower_br0.5", ""); /* in a circle, as no kernel has it */
    CHECK(!used("1-7"));
    make_file("proc/net/route", "br0.5\t00000000\t0101A8C0\n");
    CHECK(used("1-7") && strcmp(why, "carries the default route by br0.5") == 0);
    make_file("proc/net/route", "");
    make_file("proc/net/ipv6_route", "20000000000000000000000000000000 03 0 00 0 bond0\n");
    CHECK(used("1-7"));
    make_file("proc/net/ipv6_route", "20010000000000000000000000000000 03 0 00 0 bond0\n"
                                     "20000000000000000000000000000000 04 0 00 0 bond0\n"
                                     "ff000000000000000000000000000000 08 0 00 0 bond0\n");
    CHECK(!used("1-7"));
    make_file("proc/net/ipv6_route", "");
}

/* A loop device of this machine stands for the disk; without one, or without the right to it, nothing is shown. */
static void what_the_kernel_says_is_in_use_is_found(void) {
    int holder = -1;
    link_to("sys/class/block/sde1", "1-8", "block/sde/sde1");
    make_parents("dev/sde1");
    for (unsigned n = 0; n < 8 && holder < 0; n++) {
        (void)unlink(at("dev/sde1"));
        if (mknod(at("dev/sde1"), S_IFBLK | 0600, makedev(7, n)) == 0)
            holder = open(at("dev/sde1"), 3 | O_EXCL | O_NONBLOCK | O_CLOEXEC);
    }
    CHECK(!host_use_busy("1-9", why, sizeof why));
    if (holder < 0) {
        printf("# no loop device can be held\n");
        return;
    }
    CHECK(host_use_busy("1-8", why, sizeof why) && strcmp(why, "is in use on this host: /dev/sde1") == 0);
    (void)close(holder);
    CHECK(!host_use_busy("1-8", why, sizeof why));
    CHECK(unlink(at("dev/sde1")) == 0 && !host_use_busy("1-8", why, sizeof why));
}

#define MOUNT "40 1 8:1 / /mnt/stick rw - vfat /dev/sda rw\n"

/* A malformed line is ignored whole, its end included. */
static void a_line_that_is_too_long_is_said_and_passed_over(void) {
    nothing_used();
    memset(text, 'x', VH_TABLE_LINE + 100);
    strcpy(text + VH_TABLE_LINE + 100, " 40 1 8:1 / /mnt/stick rw - vfat /dev/sda rw\n");
    make_file("proc/self/mountinfo", text);
    CHECK(!used("1-2"));
    CHECK(was_said("/proc/self/mountinfo has a line of more than 32768 bytes"));
    strcat(text, MOUNT);
    make_file("proc/self/mountinfo", text);
    CHECK(used("1-2"));
}

static void a_long_table_is_read_to_its_end_or_as_far_as_is_said(void) {
    static const char other[] = "1 1 0:1 / / rw - tmpfs tmpfs rw\n";
    static char many[VH_TABLE_MAX + 2 * VH_TABLE_LINE];
    size_t n = 0;
    nothing_used();
    while (n < VH_TABLE_MAX - VH_TABLE_LINE) {
        memcpy(many + n, other, sizeof other);
        n += sizeof other - 1;
    }
    strcpy(many + n, MOUNT);
    make_file("proc/self/mountinfo", many);
    CHECK(used("1-2"));
    CHECK(!was_said(" than "));
    while (n < VH_TABLE_MAX + VH_TABLE_LINE) {
        memcpy(many + n, other, sizeof other);
        n += sizeof other - 1;
    }
    strcpy(many + n, MOUNT);
    make_file("proc/self/mountinfo", many);
    CHECK(!used("1-2"));
    CHECK(was_said("/proc/self/mountinfo has more than 1048576 bytes"));
}

/* The worker's answer names devices only: a directory that has digits and a dash, but is no device's, is passed over.
 */
static void what_only_looks_like_a_device_is_none(void) {
    static const char *const names[] = {"12-", "-1", "1-.", "1-2-", "11111111111111111111111111111111-1"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        nothing_used();
        link_to("sys/dev/block/8:1", names[i], "block/sda");
        make_file("proc/self/mountinfo", "36 35 8:1 / /mnt rw - ext4 /dev/sda1 rw\n");
        CHECK(!used(names[i]));
        const char *name, *use;
        bool untold;
        CHECK(!host_use_at(0, &name, &use, &untold));
        link_to("sys/dev/block/8:1", "1-2", names[i]);
        CHECK(used("1-2"));
    }
}

/* More entries than the table holds: a log line, and the first ones stay. */
static void more_uses_than_devices_are_said(void) {
    char name[64], device[32];
    size_t n = 0;
    nothing_used();
    for (int i = 1; i <= VH_MAX_DEVICES + 5; i++) {
        (void)snprintf(name, sizeof name, "sys/dev/block/9:%d", i);
        (void)snprintf(device, sizeof device, "1-%d", 1000 + i);
        link_to(name, device, "block/x");
        n += (size_t)snprintf(text + n, sizeof text - n,
                              "36 35 9:%d / /m%d rw - ext4 x rw\n36 35 9:%d / /again rw - ext4 x rw\n", i, i, i);
    }
    make_file("proc/self/mountinfo", text);
    CHECK(used("1-1001"));
    CHECK(strstr(why, "/m1") != NULL);
    CHECK(!used("1-1261"));
    CHECK(was_said("the host uses more than 256 USB devices: 10 uses are not protected"));
}

int main(void) {
    CHECK(mkdtemp(top) != NULL && sysfs_root(top));
    RUN(a_mount_is_found_by_number_or_by_source);
    RUN(a_line_that_is_cut_short_harms_nobody);
    RUN(each_device_of_a_file_system_is_found);
    RUN(a_file_system_that_is_mounted_elsewhere_is_found);
    RUN(what_is_below_the_interface_of_a_route_is_found);
    RUN(what_the_kernel_says_is_in_use_is_found);
    RUN(what_only_looks_like_a_device_is_none);
    RUN(more_uses_than_devices_are_said);
    RUN(a_line_that_is_too_long_is_said_and_passed_over);
    RUN(a_long_table_is_read_to_its_end_or_as_far_as_is_said);
    remove_tree();
    TEST_MAIN_END;
}
