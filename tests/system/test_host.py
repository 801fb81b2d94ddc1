"""The host's side: devices at start, odd devices, replugs, storage in use, false uevents."""
import os
import shutil
import socket
import stat

from fakehost import HID_KEYBOARD, HID_MOUSE, HUB, STORAGE, VIDEO, descriptors
from tap import check, contains, equal, run, test
from world import KEYBOARD, MOUSE, STICK, World, rule, vhp


@test
def what_is_there_at_start_is_known_but_left_alone(w):
    vm1 = w.qemu("vm1")
    kbd = w.host.place("1-2")
    w.daemon(w.conf([rule("vm1", KEYBOARD)]))
    api = w.api(events=True)
    equal((api.list()[kbd.node]["vm"], api.list()[kbd.node]["state"]), (None, "idle"))
    mouse = w.host.plug("1-3", 0x046d, 0xc077, [HID_MOUSE])
    api.event("usb_connected", device_node=mouse.node)
    equal(vm1.count("device_add"), 0)
    api.ok("usb_attach", device_node=kbd.node)
    equal(list(vm1.devices), [vhp(kbd)])


@test
def with_a_it_is_given_away_too(w):
    vm1 = w.qemu("vm1")
    kbd, stick = w.host.place("1-2"), w.host.place("1-3", 0x0951, 0x1666, [STORAGE])
    w.daemon(w.conf([rule("vm1", KEYBOARD), rule(["vm1", "vm2"], STICK)]), "-a")
    vm1.wait_device(vhp(kbd))
    vm1.wait_device(vhp(stick))


@test
def the_first_applicable_rule_decides_and_deny_passes_on(w):
    vm1, vm2 = w.qemu("vm1"), w.qemu("vm2")
    w.daemon(w.conf([rule("vm1", {"interfaceClass": 3}, deny=[{"vendorId": "dead"}]), rule("vm2", {"interfaceClass": 3})]))
    a, b = w.host.plug("1-2"), w.host.plug("1-3", 0xdead, 1, [HID_KEYBOARD])
    vm1.wait_device(vhp(a))
    vm2.wait_device(vhp(b))
    equal((len(vm1.devices), len(vm2.devices)), (1, 1))


@test
def names_ports_and_several_interfaces_are_matched(w):
    vm1, vm2 = w.qemu("vm1"), w.qemu("vm2")
    w.daemon(w.conf([
        rule("vm1", {"vendorName": "acme (inc|ltd)\\.?$", "productName": "cam.*"}),
        rule("vm2", {"bus": 1, "port": "4.2"}),
        rule("vm1", {"serial": "007"}),
        rule("vm2", {"interfaceClass": 14, "interfaceSubclass": 1}),
    ]))
    w.host.plug("1-4", 0x05e3, 0x0608, [HUB], device_class=HUB)
    cases = [(vm1, w.host.plug("1-2", 0xfff0, 1, [VIDEO], manufacturer="ACME Ltd.", product="Camera")),
             (vm2, w.host.plug("1-4.2", 0xfff0, 2)),
             (vm1, w.host.plug("1-5", 0xfff0, 3, serial="007")),
             (vm2, w.host.plug("1-6", 0xfff0, 4, [(1, 1, 0), VIDEO]))]
    for vm, device in cases:
        vm.wait_device(vhp(device))
    equal((len(vm1.devices), len(vm2.devices)), (2, 2))


@test
def malformed_descriptors_are_listed_and_never_given_away(w):
    w.qemu("vm1")
    good = descriptors(0x046d, 0xc31c, [HID_KEYBOARD])
    bad = [b"", good[:17], good[:30], good[:18], good + b"\0", good[:18] + b"\0" * 20, b"\xff" * 300, good[:-1]]
    devices = [w.host.place(f"1-{n}", descriptors=data) for n, data in enumerate(bad, 1)]
    w.daemon(w.conf([rule("vm1", {"vendorId": "046d"})]), "-a")
    api = w.api()
    listed = api.list()
    for device, data in zip(devices, bad):
        got = listed[device.node]
        equal((got["vid"], got["vm"], got["allowed_vms"]), ("046d", None, []), repr(data))
        check(got["reason"], repr(data))
        api.fails("usb_attach", "unclassifiable", device_node=device.node, vm="vm1")


@test
def without_a_bind_event_the_device_is_used_after_a_while(w):
    vm1 = w.qemu("vm1")
    w.daemon(w.conf([rule("vm1", KEYBOARD)]))
    kbd = w.host.plug("1-2", bind=False)
    vm1.wait_device(vhp(kbd), timeout=10)


def authorise(w, device, yes):
    w.host.write(f"{device.directory}/authorized", f"{int(yes)}\n")
    w.host.event("change", device)


@test
def a_device_that_is_not_authorised_waits_until_it_is(w):
    vm1 = w.qemu("vm1")
    w.daemon(w.conf([rule("vm1", KEYBOARD), rule(["vm1", "vm2"], STICK)]))
    api = w.api(events=True)
    kbd = w.host.plug("1-2", authorized="0")
    api.event("usb_connected", device_node=kbd.node)
    stick = w.host.plug("1-3", 0x0951, 0x1666, [STORAGE], authorized="0")
    api.event("usb_connected", device_node=stick.node)
    for device in (kbd, stick):
        listed = api.list()[device.node]
        equal((listed["vm"], listed["state"], listed["reason"]), (None, "idle", "not authorised on this host"))
    equal(api.ok("explain", device_node=kbd.node)["reason"], "not authorised on this host")
    api.fails("usb_attach", "is not authorised on this host", device_node=kbd.node)
    equal(vm1.count("device_add"), 0)
    authorise(w, kbd, True)
    api.event("usb_attached", device_node=kbd.node)
    authorise(w, stick, True)
    api.event("usb_select_vm", device_node=stick.node)
    authorise(w, kbd, False)
    listed = api.list_until(lambda l: l[kbd.node]["reason"] is not None)[kbd.node]
    equal((listed["vm"], listed["reason"]), ("vm1", "not authorised on this host: its VM cannot use it"))


@test
def a_driver_of_the_host_on_a_device_that_a_vm_has_is_said(w):
    vm1 = w.qemu("vm1")
    daemon = w.daemon(w.conf([rule("vm1", KEYBOARD)]))
    api = w.api(events=True)
    kbd = w.host.plug("1-2")
    api.await_event("usb_attached", device_node=kbd.node)
    w.host.driver(kbd, 0, "usbfs")
    w.host.interface_event("bind", kbd, 0, DRIVER="usbfs")
    w.rest(api)
    equal(api.list()[kbd.node]["reason"], None)
    w.host.driver(kbd, 0, "usbhid")
    w.host.interface_event("bind", kbd, 0, DRIVER="usbhid")
    daemon.wait_log("device=1-2 driver=usbhid vm=vm1")
    listed = api.list()[kbd.node]
    equal((listed["vm"], listed["state"], listed["reason"]),
          ("vm1", "attached", "the host's driver 'usbhid' has an interface of it"))
    equal(list(vm1.devices), [vhp(kbd)])


@test
def a_replug_on_the_same_port_is_a_new_device(w):
    vm1 = w.qemu("vm1")
    w.daemon(w.conf([rule("vm1", {"interfaceClass": 3})]))
    api = w.api(events=True)
    old = w.host.plug("1-2")
    api.await_event("usb_attached", device_node=old.node)
    w.host.vanish(old)  # its remove event comes together with the new one's add
    new = w.host.plug("1-2", 0x046d, 0xc077, [HID_MOUSE])
    api.await_event("usb_detached", device_node=old.node)
    api.await_event("usb_disconnected", device_node=old.node)
    api.event("usb_connected", device_node=new.node, pid="c077")
    api.event("usb_attached", device_node=new.node)
    vm1.wait(lambda q: list(q.devices) == [vhp(new)], "only the new one")


@test
def a_reset_seen_in_the_middle_is_no_unplug(w):
    vm1 = w.qemu("vm1")
    w.daemon(w.conf([rule("vm1", KEYBOARD)]))
    api = w.api(events=True)
    kbd = w.host.plug("1-2")
    api.await_event("usb_attached")
    w.host.write(f"{kbd.directory}/devnum", "0\n")
    w.host.event("change", kbd, devnum=0)
    w.host.write(f"{kbd.directory}/devnum", f"{kbd.devnum}\n")
    w.host.event("change", kbd)
    w.rest(api)
    equal(api.list()[kbd.node]["state"], "attached")
    equal(api.events, [])
    equal(vm1.count("device_add"), 1)


@test
def looks_in_the_middle_of_resets_unplug_nothing(w):
    """A scan meets one device in a reset, and then another one that no event named."""
    vm1 = w.qemu("vm1")
    w.daemon(w.conf([rule("vm1", KEYBOARD)]))
    api = w.api(events=True)
    kbd, second = w.host.plug("1-2"), w.host.plug("1-4")
    api.list_until(lambda l: all(l.get(d.node, {}).get("vm") == "vm1" for d in (kbd, second)))
    api.events.clear()
    for n, device in enumerate((kbd, second)):
        w.host.write(f"{device.directory}/devnum", "0\n")
        w.host.event("change", kbd)
        found = w.host.place(f"1-{5 + n}", 0x046d, 0xc077, [HID_MOUSE])  # nobody is told: only a scan finds it
        api.list_until(lambda l: found.node in l, all=True)
        w.host.write(f"{device.directory}/devnum", f"{device.devnum}\n")
        w.host.write(f"{kbd.directory}/devnum", "0\n" if n == 0 else f"{kbd.devnum}\n")
    w.host.event("change", kbd)
    w.rest(api)
    listed = api.list()
    equal([listed[d.node]["state"] for d in (kbd, second)], ["attached", "attached"])
    equal([e for e in api.events if e["usb_device"]["sys_name"] in ("1-2", "1-4")], [])
    equal((vm1.count("device_add"), vm1.count("device_del")), (2, 0))


@test
def a_suspend_whose_devices_are_all_reset_is_no_unplug(w):
    """QEMU resets each device that it gives back; while it does, something else makes the daemon look."""
    vm1 = w.qemu("vm1")
    w.daemon(w.conf([rule("vm1", KEYBOARD)]))
    api = w.api(events=True)
    kbds = {vhp(d): d for d in [w.host.plug(f"1-{n}") for n in range(1, 8)]}
    api.list_until(lambda l: sum(d["vm"] == "vm1" for d in l.values()) == 7)
    last = []

    def reset(command):
        for device in last:
            w.host.write(f"{device.directory}/devnum", f"{device.devnum}\n")
        device = kbds[command.arguments["id"]]
        last[:] = [device]
        w.host.write(f"{device.directory}/devnum", "0\n")
        w.host.event("change", device)

    vm1.hooks["device_del"] = reset
    api.events.clear()
    api.ok("usb_suspend", vm="vm1")
    found = w.host.place("1-8", 0x046d, 0xc077, [HID_MOUSE])
    api.list_until(lambda l: found.node in l, all=True)  # a scan while the last one is being reset
    listed = api.list()
    equal({listed[d.node]["reason"] for d in kbds.values()}, {"suspended"})
    w.host.write(f"{last[0].directory}/devnum", f"{last[0].devnum}\n")
    equal([e["event"] for e in api.events if e["usb_device"]["sys_name"] != "1-8"], ["usb_detached"] * 7)
    api.ok("usb_resume", vm="vm1")
    equal(len(vm1.devices), 7)


@test
def what_was_read_of_a_plug_is_read_again_if_its_number_is_another(w):
    w.daemon(w.conf([rule("vm1", KEYBOARD)]))
    api, kbd = w.api(events=True), w.host.plug("1-2")
    api.event("usb_connected", device_node=kbd.node)
    w.host.write(f"{kbd.directory}/devnum", "99\n")
    w.host.write(f"{kbd.directory}/speed", "12\n")
    w.host.event("change", kbd, devnum=99)
    listed = api.list_until(lambda d: "/dev/bus/usb/001/099" in d)
    equal((len(listed), listed["/dev/bus/usb/001/099"]["speed"]), (1, "12"))


@test
def descriptors_that_could_not_be_read_are_tried_again(w):
    w.daemon(w.conf([rule("vm1", KEYBOARD)]))
    api, kbd = w.api(), w.host.plug("1-2", descriptors=b"")
    api.list_until(lambda d: kbd.node in d and "unclassifiable" in d[kbd.node]["reason"])
    w.host.write(f"{kbd.directory}/descriptors", descriptors(kbd.vid, kbd.pid, [HID_KEYBOARD]))
    w.host.event("change", kbd)
    api.list_until(lambda d: d[kbd.node]["interfaces"] == ":030101:")


@test
def mounted_storage_is_protected_until_it_is_unmounted(w):
    vm1 = w.qemu("vm1")
    stick = w.host.place("1-2", 0x0951, 0x1666, [STORAGE])
    w.host.mount(stick)
    w.daemon(w.conf([rule("vm1", STICK)]), "-a")
    api = w.api()
    contains(api.list()[stick.node]["reason"], "/mnt/stick")
    api.fails("usb_attach", "/mnt/stick", device_node=stick.node, vm="vm1")
    equal(vm1.count("device_add"), 0)
    w.host.write("proc/self/mountinfo", "1 1 0:1 / / rw - tmpfs tmpfs rw\n")
    w.host.send("change", "/" + stick.directory.split("/", 1)[1] + "/1-2:1.0/host3/block/sda", SUBSYSTEM="block", DEVTYPE="disk")
    vm1.wait_device(vhp(stick))


ROOT_MOUNT = "1 1 0:1 / / rw - tmpfs tmpfs rw\n"


def make(w, path, text=""):
    os.makedirs(os.path.dirname(w.host.path(path)), exist_ok=True)
    w.host.write(path, text)


@test
def a_disk_that_is_mounted_a_hundred_times_leaves_room_for_others(w):
    w.qemu("vm1")
    stick = w.host.place("1-2", 0x0951, 0x1666, [STORAGE])
    other = w.host.place("1-3", 0x0951, 0x1667, [STORAGE])
    w.host.disk(stick, "sda")
    w.host.disk(other, "sdb")
    mounts = "".join(f"{n} 1 0:{n} / /mnt/{n} rw - btrfs /dev/sda rw\n" for n in range(40, 140))
    make(w, "proc/self/mountinfo", ROOT_MOUNT + mounts + "140 1 0:140 / /mnt/other rw - btrfs /dev/sdb rw\n")
    w.daemon(w.conf([rule("vm1", STICK)]), "-a")
    listed = w.api().list()
    contains(listed[stick.node]["reason"], "/mnt/40")
    contains(listed[other.node]["reason"], "/mnt/other")


@test
def a_table_that_is_too_long_is_no_flood_of_warnings(w):
    stick = w.host.place("1-2", 0x0951, 0x1666, [STORAGE])
    make(w, "proc/self/mountinfo", ROOT_MOUNT * 40000)
    daemon = w.daemon(w.conf([rule("vm1", STICK)]))
    for n in range(200):
        w.host.send("change", "/" + stick.directory.split("/", 1)[1] + "/1-2:1.0/host3/block/sda", SUBSYSTEM="block", DEVTYPE="disk")
    w.host.plug("1-3")
    w.api().list_until(lambda l: len(l) > 1, all=True)
    lines = len(daemon.logged("mountinfo has more than"))
    check(1 <= lines < 30, f"{lines} lines")


@test
def whatever_the_host_has_built_upon_a_stick_protects_it(w):
    w.qemu("vm1")
    stick = w.host.place("1-2", 0x0951, 0x1666, [STORAGE])
    other = w.host.place("1-3", 0x0951, 0x1666, [STORAGE], serial="other")
    block = w.host.disk(stick, "sda")
    w.host.disk(other, "sdb")
    w.daemon(w.conf([rule(["vm1", "vm2"], STICK)]))
    api = w.api()
    cases = [
        ("holds the swap space /dev/sda",
         lambda: make(w, "proc/swaps", "Filename Type Size Used Priority\n/dev/sda partition 1 0 -2\n"),
         lambda: make(w, "proc/swaps", "Filename Type Size Used Priority\n")),
        ("is part of dm-0", lambda: make(w, f"{block}/holders/dm-0"), lambda: os.unlink(w.host.path(f"{block}/holders/dm-0"))),
        ("is behind loop0", lambda: make(w, "sys/class/block/loop0/loop/backing_file", "/dev/sda\n"),
         lambda: os.unlink(w.host.path("sys/class/block/loop0/loop/backing_file"))),
        # btrfs has a number of its own, which leads nowhere
        ("holds the mounted file system /mnt/b",
         lambda: make(w, "proc/self/mountinfo", ROOT_MOUNT + "40 1 0:44 / /mnt/b rw shared:3 - btrfs /dev/sda rw,ssd\n"),
         lambda: make(w, "proc/self/mountinfo", ROOT_MOUNT)),
        # mounted in another mount namespace
        ("holds a mounted file system: ext4", lambda: make(w, "sys/fs/ext4/sda/x"),
         lambda: shutil.rmtree(w.host.path("sys/fs/ext4/sda"))),
        ("holds the mounted file system /mnt/b",
         lambda: make(w, "proc/self/mountinfo", ROOT_MOUNT + "40 1 8:99 / /mnt/b rw - xfs /dev/sdz rw,logdev=/dev/sda\n"),
         lambda: make(w, "proc/self/mountinfo", ROOT_MOUNT)),
        ("is part of the btrfs 5f1c", lambda: make(w, "sys/fs/btrfs/5f1c/devices/sda"),
         lambda: os.unlink(w.host.path("sys/fs/btrfs/5f1c/devices/sda"))),
    ]
    for text, begin, end in cases:
        begin()
        api.fails("usb_attach", text, device_node=stick.node, vm="vm1")
        end()
    api.ok("usb_attach", device_node=stick.node, vm="vm1")
    api.ok("usb_attach", device_node=other.node, vm="vm1")


@test
def the_adapter_of_the_default_route_stays_with_the_host(w):
    w.qemu("vm1")
    adapter = w.host.place("1-2", 0x0b95, 0x1790, [(255, 255, 0)])
    w.host.network(adapter, "eth1")
    w.daemon(w.conf([rule(["vm1", "vm2"], {"vendorId": "0b95", "productId": "1790"})]))
    api = w.api()
    v4 = "Iface\tDestination\tGateway\tFlags\n"
    for path, text, empty in (("proc/net/route", v4 + "eth1\t00000000\t0101A8C0\t0003\n", v4),
                              ("proc/net/ipv6_route", "0" * 32 + " 00 " + "0" * 32 + " 00 fe80 400 1 0 3 eth1\n", "")):
        make(w, path, text)
        api.fails("usb_attach", "carries the default route by eth1", device_node=adapter.node, vm="vm1")
        make(w, path, empty)
    make(w, "sys/class/net/br0/lower_eth1")
    make(w, "proc/net/route", v4 + "br0\t00000000\t0101A8C0\t0003\n")
    api.fails("usb_attach", "carries the default route by br0", device_node=adapter.node, vm="vm1")
    make(w, "proc/net/route", v4)
    api.ok("usb_attach", device_node=adapter.node, vm="vm1")


@test
def a_disk_that_the_kernel_gives_to_nobody_else_stays_with_the_host(w):
    """A loop device of this machine stands for the disk: nothing but the kernel tells that it is in use."""
    w.qemu("vm1")
    stick = w.host.place("1-2", 0x0951, 0x1666, [STORAGE])
    w.host.disk(stick, "sda")
    holder = hold_loop(w.host.path("dev/sda"))
    w.daemon(w.conf([rule(["vm1", "vm2"], STICK)]))
    api = w.api()
    if holder is not None:
        api.fails("usb_attach", "is in use on this host: /dev/sda", device_node=stick.node, vm="vm1")
        os.close(holder)
    api.ok("usb_attach", device_node=stick.node, vm="vm1")


def hold_loop(path):
    """A node of a loop device that this process has for itself; None if there is none."""
    for n in range(8):
        try:
            os.mknod(path, stat.S_IFBLK | 0o600, os.makedev(7, n))
            return os.open(path, 3 | os.O_EXCL | os.O_NONBLOCK)
        except OSError:
            if os.path.exists(path):
                os.unlink(path)
    return None


@test
def events_without_a_device_behind_them_do_nothing(w):
    w.daemon(w.conf([rule("vm1", KEYBOARD)]))
    api = w.api(events=True)
    kbd = w.host.plug("1-2")
    api.event("usb_connected")
    w.host.event("remove", kbd)  # it is still there
    w.host.event("add", kbd)
    w.host.event("bind", kbd)
    w.host.send("add", "/devices/pci0000:00/0000:00:01.0/usb1/1-9", SUBSYSTEM="usb", DEVTYPE="usb_device")
    w.host.send("remove", "/devices/pci0000:00/0000:00:01.0/usb1/1-9", SUBSYSTEM="usb", DEVTYPE="usb_device")
    w.host.send("add", "/devices/pci0000:00/0000:00:01.0/usb1/../../../../etc", SUBSYSTEM="usb", DEVTYPE="usb_device")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.connect(w.host.uevents)
        for junk in (b"\0", b"add@", b"add@/x\0ACTION", b"\xff" * 8000, b"add@/a\0" * 100, b"libudev\0\xfe\xed\xca\xfe" + b"x" * 60):
            s.send(junk)
    w.host.plug("1-3", 0x046d, 0xc077, [HID_MOUSE])
    api.event("usb_connected", pid="c077")
    w.rest(api)
    equal(list(api.list()), [kbd.node])
    equal(api.events, [])


@test
def two_hundred_and_fifty_devices_are_all_known_and_more_are_said_to_be_too_many(w):
    for n in range(2, 7):
        w.host.bus(n)
    daemon = w.daemon(w.conf())
    api = w.api(timeout=20)
    for n in range(250):  # and six root hubs
        w.host.plug(f"{1 + n // 48}-{1 + n % 48}", 0xfff0, n)
    api.list_until(lambda devices: len(devices) == 250)
    w.host.plug("6-40", 0xfff0, 0xffff)
    daemon.wait_log("a table is full")
    equal(len(api.list()), 250)
    api.ok("version")


@test
def a_vms_devices_are_taken_in_rule_order(w):
    devices = [w.host.place("1-2", 0x046d, 0xc077, [HID_MOUSE]), w.host.place("1-3")]
    w.daemon(w.conf([rule("vm1", KEYBOARD), rule("vm1", MOUSE)]), "-a")
    vm1 = w.qemu("vm1")
    for device in devices:
        vm1.wait_device(vhp(device))
    equal([c.arguments["id"] for c in vm1.named("device_add")], [vhp(devices[1]), vhp(devices[0])])


@test
def a_device_whose_node_cannot_be_opened_fails_with_the_reason(w):
    w.qemu("vm1")
    daemon = w.daemon(w.conf([rule("vm1", KEYBOARD)]))
    api = w.api(events=True)
    kbd = w.host.place("1-2")
    os.unlink(w.host.path(kbd.node))
    w.host.event("add", kbd)
    w.host.event("bind", kbd)
    api.event("usb_connected")
    daemon.wait_log(r"operation failed.*cannot open")
    listed = api.list_until(lambda l: l[kbd.node]["state"] == "failed")  # not in the middle of another try
    contains(listed[kbd.node]["reason"], "No such file")
    w.host.write(kbd.node, b"")
    api.event("usb_attached")


@test
def a_node_that_is_a_link_is_not_followed(w):
    w.qemu("vm1")
    daemon = w.daemon(w.conf([rule("vm1", KEYBOARD)]))
    kbd = w.host.place("1-2")
    os.unlink(w.host.path(kbd.node))
    os.symlink("/etc/passwd", w.host.path(kbd.node))
    w.host.event("add", kbd)
    w.host.event("bind", kbd)
    daemon.wait_log(r"operation failed.*cannot open")


run(World)
