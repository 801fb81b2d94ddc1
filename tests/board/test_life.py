"""On the emulated board: real VMs, disks and devices that come and go, refuse and flap, while the daemon is restarted."""
import json
import os
import re

from rig import HID, STORAGE, BoardWorld, conf, main
from board import until
from tap import check, contains, equal, scaled, test

KEYBOARD = {**HID, "interfaceProtocol": 1}
MOUSE = {**HID, "interfaceProtocol": 2}
STATE = "/run/state/vhotplug.state"


class World(BoardWorld):
    def reload(self, text):
        self.board.write("/run/test.conf", text, create=True)
        self.board.run(f"kill -HUP {self.daemon.pid}")
        while "configuration" not in (line := self.daemon.line(scaled(10)) or "configuration: none"):
            self.story += line + "\n"
        self.story += line + "\n"
        return line

    def wait_log(self, *parts):
        """The daemon's next line with all these parts."""
        while True:
            line = self.daemon.line(scaled(20))
            check(line is not None, f"the daemon ended without saying {parts}")
            self.story += line + "\n"
            if all(p in line for p in parts):
                return line

    def plain(self, vm, rules=None, **options):
        """Only keyboards, to one VM; nothing else is about."""
        self.start(conf(rules or [{"targetVm": vm, "allow": [HID]}], vms=(vm,), options={vm: options}))
        return self.api()

    def plug_unseen(self, driver, name):
        """A plug while no daemon runs that could tell of it; its name in sysfs."""
        before = set(self.board.usb())
        self.plug(driver, name)
        return until(lambda: set(self.board.usb()) - before, scaled(5), "the device in sysfs").pop()

    def state_on_tmpfs(self, size):
        """A disk of its own for the state file, until the test ends."""
        self.board.run(f"mkdir -p /run/state && mount -t tmpfs -o size={size} tmpfs /run/state")
        self.mounted = True

    def state(self):
        return json.loads(self.board.run(f"cat {STATE}"))

    def __exit__(self, *why):
        try:
            super().__exit__(*why)
        finally:
            if getattr(self, "mounted", False):
                self.board.run("umount -l /run/state")


# ---- VMs ----


@test
def a_paused_vm_takes_devices_and_gives_them_back(w):
    vm1 = w.vm("vm1")
    api = w.plain("vm1")
    vm1.look.execute("cont")
    vm1.look.execute("stop")
    w.plug("usb-kbd", "kbd")
    api.told("usb_attached", vm="vm1")
    equal(len(vm1.devices()), 1)
    w.unplug("kbd")
    until(lambda: vm1.devices() == [], scaled(5), "the device out of it")
    vm1.look.execute("cont")


@test
def what_a_migrating_vm_refuses_it_gets_when_that_is_over(w):
    vm1 = w.vm("vm1")
    api = w.plain("vm1")
    # It stops before its last step, until it is cancelled: newer QEMUs send so little of an empty memory that it is over at once.
    vm1.look.execute("migrate-set-capabilities", capabilities=[{"capability": "pause-before-switchover", "state": True}])
    vm1.look.execute("migrate", uri="exec:cat >/dev/null")
    until(lambda: vm1.look.execute("query-migrate")["status"] == "pre-switchover", scaled(10), "a migration")
    w.plug("usb-kbd", "kbd")
    w.wait_log("operation failed", "not allowed while migrating")
    listed = until(lambda: [d for d in api.devices() if d["state"] == "failed"], scaled(5), "a failure to show")[0]
    contains(listed["reason"], "not allowed while migrating")
    vm1.look.execute("migrate_cancel")
    api.told("usb_attached", vm="vm1", timeout=scaled(12))


@test
def a_vm_in_preconfig_gets_its_device_when_its_machine_is_made(w):
    vm3 = w.extra_vm("vm3", machine=("-M", "q35", "-m", "32", "--preconfig"))
    api = w.plain("vm3")
    w.plug("usb-kbd", "kbd")
    api.told("usb_connected")
    w.wait_log("operation failed", "permitted")  # each QEMU has its own words for it
    equal(api.devices()[0]["vm"], None)
    vm3.look.execute("x-exit-preconfig")
    api.told("usb_attached", vm="vm3", timeout=scaled(12))
    equal(len(vm3.devices()), 1)


@test
def a_killed_vms_device_is_reset_and_has_its_host_driver_again(w):
    vm3 = w.extra_vm("vm3")
    api = w.plain("vm3")
    w.plug("usb-kbd", "kbd")
    told = api.told("usb_attached")["usb_device"]
    until(lambda: w.driver(told["sys_name"]) is None, scaled(5), "the device without a host driver")
    resets = int(w.board.run("dmesg | grep -c 'reset .*USB device'", check=False))
    began = w.board.clock()
    vm3.process.kill(9)
    api.told("usb_detached", vm="vm3")
    took = (api.stream.stamp - began) * 1000
    until(lambda: w.driver(told["sys_name"]) == "usbhid", scaled(10), "the host's driver")
    check(int(w.board.run("dmesg | grep -c 'reset .*USB device'")) > resets, "it was reset")
    print(f"# SIGKILL to usb_detached, by way of the board's agent: {took:.1f} ms")
    w.extra_vms.remove(vm3)
    w.extra_vm("vm3")
    api.told("usb_attached", vm="vm3", timeout=scaled(10))


@test
def a_device_of_a_vms_command_line_is_foreign_until_that_vm_is_gone(w):
    vm1 = w.vm("vm1")
    w.stop_boot_daemon()
    name = w.plug_unseen("usb-kbd", "kbd")
    number = w.board.read(f"/sys/bus/usb/devices/{name}/devnum").strip()
    vm3 = w.extra_vm("vm3", options=("-device", f"usb-host,hostbus=1,hostaddr={number}"))
    vm3.look.execute("cont")  # QEMU takes it when the guest runs
    until(lambda: w.driver(name) == "usbfs", scaled(10), "the keyboard taken by vm3")
    w.start(conf([{"targetVm": "vm1", "allow": [HID]}], vms=("vm1", "vm3")), "-a")
    api = w.api()
    listed = until(lambda: [d for d in api.devices() if d["vm"]], scaled(5), "its holder")[0]
    equal((listed["vm"], listed["foreign"], listed["state"]), ("vm3", True, "attached"))
    contains(api.call("usb_attach", vid="0627", pid="0001", vm="vm1")["error"], "somebody else attached it there")
    contains(api.call("usb_detach", vid="0627", pid="0001")["error"], "has to be taken out there")
    equal(vm1.devices(), [])
    vm3.stop()
    w.extra_vms.remove(vm3)
    # The detach was not possible, but it was decided: nobody gets the device because vm3 has ended.
    listed = until(lambda: [d for d in api.devices() if d["vm"] is None], scaled(5), "the device without a holder")[0]
    equal((listed["state"], listed["reason"]), ("idle", "disconnected by an admin"))
    api.ok("usb_attach", vid="0627", pid="0001", vm="vm1")
    api.told("usb_attached", vm="vm1")


@test
def a_device_that_a_vm_lists_and_has_not_taken_goes_where_the_rules_say(w):
    vm1 = w.vm("vm1")
    w.extra_vm("vm3", options=("-device", "usb-host,vendorid=0x0627,productid=0x0001"))  # stands still: it takes nothing
    w.start(conf([{"targetVm": "vm1", "allow": [HID]}], vms=("vm1", "vm3")))
    api = w.api()
    # Whatever it asks vm3 now comes after its listing there.
    api.call("usb_suspend", vm="vm3")
    w.plug("usb-kbd", "kbd")
    api.told("usb_attached", vm="vm1")
    equal(len(vm1.devices()), 1)


@test
def a_filter_of_a_vms_command_line_has_what_it_takes_later(w):
    vm1 = w.vm("vm1")
    w.stop_boot_daemon()
    # Debian's libusb in QEMU hears of new devices by udev only, and the board has none: the keyboard is there before vm3.
    name = w.plug_unseen("usb-kbd", "kbd")
    vm3 = w.extra_vm("vm3", options=("-device", "usb-host,vendorid=0x0627,productid=0x0001"))
    w.start(conf([{"allowedVms": ["vm1", "vm2"], "allow": [HID]}], vms=("vm1", "vm2", "vm3")))
    api = w.api()
    api.call("usb_suspend", vm="vm3")
    equal([(d["vm"], d["state"]) for d in api.devices()], [(None, "idle")])
    vm3.look.execute("cont")
    until(lambda: w.driver(name) == "usbfs", scaled(10), "the keyboard taken by vm3")
    contains(api.call("usb_attach", vid="0627", pid="0001", vm="vm1")["error"], "somebody else")
    listed = until(lambda: [d for d in api.devices() if d["foreign"]], scaled(5), "its holder")[0]
    equal(listed["vm"], "vm3")
    equal(vm1.devices(), [])


# ---- the daemon ----


@test
def a_changed_policy_moves_only_what_it_says_otherwise_about(w):
    vm1, vm2 = w.vm("vm1"), w.vm("vm2")
    w.start(conf([{"targetVm": "vm1", "allow": [KEYBOARD]}, {"targetVm": "vm1", "allow": [MOUSE]}]))
    api = w.api()
    w.plug("usb-kbd", "kbd")
    w.plug("usb-mouse", "mouse")
    until(lambda: len(vm1.devices()) == 2, scaled(10), "both in vm1")
    vm1.look.events.clear()
    contains(w.reload(conf([{"targetVm": "vm1", "allow": [KEYBOARD]}, {"targetVm": "vm2", "allow": [MOUSE]}])), "reloaded")
    api.told("usb_attached", vm="vm2")
    equal((len(vm1.devices()), len(vm2.devices())), (1, 1))
    gone = {e["data"]["device"] for _, e in vm1.look.events if e["event"] == "DEVICE_DELETED" and "device" in e["data"]}
    check(len(gone) <= 1, f"only the mouse left vm1: {gone}")
    contains(w.reload("{"), "not reloaded")
    equal((len(vm1.devices()), len(vm2.devices())), (1, 1))


@test
def an_end_with_release_leaves_no_device_in_any_vm(w):
    vm1 = w.vm("vm1")
    w.start(conf([{"targetVm": "vm1", "allow": [HID]}], releaseOnExit=True))
    api = w.api()
    w.plug("usb-kbd", "kbd")
    name = api.told("usb_attached")["usb_device"]["sys_name"]
    equal(w.stop(), 0)
    equal(vm1.devices(), [])
    until(lambda: w.driver(name) == "usbhid", scaled(10), "the host's driver")


@test
def a_daemon_in_a_network_namespace_of_its_own_hears_the_kernel_and_nobody_else(w):
    vm1 = w.vm("vm1")
    w.stop_boot_daemon()
    w.board.write("/run/test.conf", conf([{"targetVm": "vm1", "allow": [HID]}]), create=True)
    w.daemon = w.board.spawn(["unshare", "-n", "/usr/bin/vhotplug", "-d", "-c", "/run/test.conf"], root="board")
    w.wait_log("ready:")
    api = w.api()
    w.plug("usb-kbd", "kbd")
    node = api.told("usb_attached", vm="vm1")["usb_device"]["device_node"]
    w.unplug("kbd")
    api.told("usb_disconnected", device_node=node)
    until(lambda: vm1.devices() == [], scaled(5), "the device out of it")


@test
def what_root_says_in_the_kernels_name_is_not_believed(w):
    """Root may send to the kernel's group of uevents; the sender's address gives it away."""
    vm1 = w.vm("vm1")
    api = w.plain("vm1")
    w.plug("usb-kbd", "kbd")
    told = api.told("usb_attached")["usb_device"]
    where = w.board.readlink(f"/sys/bus/usb/devices/{told['sys_name']}").split("devices", 1)[1]
    w.board.run(["python3", "-c", FORGE, f"/devices{where}", told["device_node"].removeprefix("/dev/")], root="host")
    w.plug("usb-mouse", "mouse")  # what comes after it has come by now
    api.told("usb_attached", pid="0001", product_name=api.told("usb_connected")["usb_device"]["product_name"])
    equal(len(vm1.devices()), 2)
    check("usb_disconnected" not in api.names(), "the keyboard was not taken for gone")


FORGE = r"""
import socket, sys
path, name = sys.argv[1:]
s = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, 15)
s.bind((0, 0))
for action in ("unbind", "remove"):
    text = f"{action}@{path}\0ACTION={action}\0DEVPATH={path}\0SUBSYSTEM=usb\0DEVTYPE=usb_device\0DEVNAME={name}\0SEQNUM=9\0"
    s.sendto(text.encode(), (0, 1))
"""


@test
def a_second_daemon_ends_in_another_mount_namespace_too(w):
    w.plain("vm1")
    second = w.board.spawn(["unshare", "-m", "/usr/bin/vhotplug", "-c", "/run/test.conf"], root="board")
    status, out = second.wait(scaled(10))
    equal(status, 1)
    contains(out, f"another vhotplug runs on this host: pid={w.daemon.pid}")
    w.api().ok("version")


@test
def a_vm_that_stands_still_delays_only_its_own_devices_at_the_start(w):
    vm1, vm3 = w.vm("vm1"), w.extra_vm("vm3")
    w.stop_boot_daemon()
    vm3.process.kill(19)
    w.plug_unseen("usb-kbd", "kbd")
    w.start(conf([{"targetVm": "vm1", "allow": [HID]}], vms=("vm1", "vm3")), "-a")
    w.api()
    until(lambda: len(vm1.devices()) == 1, scaled(2), "the keyboard in vm1")
    check(w.board.exists("/run/vhotplug.record"), "a record")
    vm3.process.kill(18)


# ---- what is remembered ----


@test
def a_full_and_a_read_only_disk_refuse_decisions_and_lose_nothing(w):
    vm1 = w.vm("vm1")
    w.state_on_tmpfs("8k")  # two pages
    text = conf([{"targetVm": "vm1", "allow": [HID]}], persistency=True, statePath=STATE)
    w.start(text)
    api = w.api()
    w.plug("usb-kbd", "kbd")
    node = api.told("usb_attached")["usb_device"]["device_node"]
    w.board.run("dd if=/dev/zero of=/run/state/full bs=4k count=2 2>/dev/null", check=False)
    error = api.call("usb_detach", device_node=node)["error"]
    contains(error, "nothing was changed")
    contains(error, "No space left on device")
    equal(len(vm1.devices()), 1)
    w.board.run("rm /run/state/full && mount -o remount,ro /run/state")
    contains(api.call("usb_detach", device_node=node)["error"], "Read-only file system")
    equal(api.devices()[0]["disconnected"], False)
    w.board.run("mount -o remount,rw /run/state")
    api.ok("usb_detach", device_node=node)
    equal(w.state()["disconnected_devices"][0][:13], "usb-0627:0001")
    equal(w.stop(9), -9)
    w.start(text, "-a")
    api = w.api()
    # Its serial number is read once the kernel is done with it.
    until(lambda: [(d["vm"], d["disconnected"]) for d in api.devices(disconnected=True)] == [(None, True)], scaled(5), "the decision")
    equal(vm1.devices(), [])


@test
def what_suspend_took_comes_back_also_over_a_killed_daemon(w):
    vm1 = w.vm("vm1")
    w.state_on_tmpfs("64k")
    text = conf([{"targetVm": "vm1", "allow": [KEYBOARD]}, {"targetVm": "vm1", "allow": [MOUSE], "skipOnSuspend": True}],
                persistency=True, statePath=STATE)
    w.start(text)
    api = w.api()
    w.plug("usb-kbd", "kbd")
    w.plug("usb-mouse", "mouse")
    until(lambda: [d["vm"] for d in api.devices()] == ["vm1", "vm1"], scaled(10), "both in vm1, as the daemon knows")
    api.ok("usb_suspend", vm="vm1")
    equal(len(vm1.devices()), 1)
    equal(w.stop(9), -9)
    w.start(text)
    api = w.api()
    until(lambda: sum(d["vm"] == "vm1" for d in api.devices()) == 1, scaled(5), "the mouse recognised")
    api.ok("usb_resume", vm="vm1")
    until(lambda: len(vm1.devices()) == 2, scaled(5), "both in vm1 again")


# ---- devices ----


@test
def a_hub_pulled_with_six_devices_behind_it(w):
    vm1, vm2 = w.vm("vm1"), w.vm("vm2")
    for vm in (vm1, vm2):
        vm.look.execute("cont")  # a QEMU before 9.1 closes sets only while it runs
    w.start(conf([{"targetVm": "vm1", "allow": [KEYBOARD]}, {"targetVm": "vm2", "allow": [MOUSE]}]))
    api = w.api()
    w.plug("usb-hub", "hub", port="5")
    behind = [("usb-kbd", "usb-mouse")[n % 2] for n in range(6)]
    for n, driver in enumerate(behind):
        w.plug(driver, f"behind{n}", port=f"5.{n + 1}")
    until(lambda: (len(vm1.devices()), len(vm2.devices())) == (3, 3), scaled(20), "three in each")
    for n in range(6):
        w.plugged.remove(f"behind{n}")
    w.unplug("hub")
    for _ in range(6):
        api.told("usb_disconnected")
    until(lambda: (vm1.devices(), vm2.devices()) == ([], []), scaled(20), "all of them out")
    equal(vm1.fdsets() + vm2.fdsets(), [])


@test
def what_stands_on_a_stick_protects_it(w):
    w.vm("vm1")
    w.start(conf([{"allowedVms": ["vm1", "vm2"], "allow": [STORAGE]}], options={"vm1": {"revoke": False}}))  # the host gets it back
    api = w.api()
    w.plug_stick("stick", size=64 << 20)
    node = api.told("usb_select_vm")["usb_device"]["device_node"]
    until(lambda: w.board.exists("/dev/sda"), scaled(10), "/dev/sda")
    w.board.run("modprobe -a loop dm-mod; mkswap /dev/sda")
    for begin, end, word in (("swapon /dev/sda", "swapoff /dev/sda", "swap"),
                             ("losetup /dev/loop0 /dev/sda", "losetup -d /dev/loop0", "loop0")):
        w.board.run(begin)
        answer = api.call("usb_attach", device_node=node, vm="vm1")
        equal(answer["result"], "failed", begin)
        contains(answer["error"], word)
        w.board.run(end)
    api.ok("usb_attach", device_node=node, vm="vm1")
    api.ok("usb_detach", device_node=node)
    until(lambda: w.board.exists("/dev/sda"), scaled(10), "/dev/sda again")
    w.board.run("mke2fs -F /dev/sda && mount -t ext4 /dev/sda /tmp")
    contains(api.call("usb_attach", device_node=node, vm="vm1")["error"], "mounted file system")
    w.board.run("umount /tmp")


def begin_attach(w, api, vm):
    """The VM has a mouse; the attach of a keyboard is sent to it while it stands still and does not answer."""
    w.plug("usb-mouse", "mouse")
    api.told("usb_attached", vm=vm.name)
    vm.process.kill(19)
    w.plug("usb-kbd", "kbd")
    api.told("usb_connected")
    until(lambda: "pending" in [d["state"] for d in api.devices()], scaled(5), "the attach to be under way")


@test
def a_vm_that_dies_in_the_middle_of_an_attach_gets_the_device_when_it_is_back(w):
    vm3 = w.extra_vm("vm3")
    api = w.plain("vm3", qmp="keep")
    begin_attach(w, api, vm3)
    vm3.process.kill(9)
    api.told("usb_detached", vm="vm3")
    until(lambda: [d["state"] for d in api.devices()] == ["waiting", "waiting"], scaled(5), "both to wait")
    w.extra_vms.remove(vm3)
    vm3 = w.extra_vm("vm3")
    for _ in range(2):
        api.told("usb_attached", vm="vm3", timeout=scaled(10))
    equal(len(vm3.devices()), 2)
    check("usb_detached" not in api.names(), "the keyboard was told to be out, and never was in")


@test
def a_daemon_that_stood_still_for_ten_seconds_calls_nobody_late(w):
    vm3 = w.extra_vm("vm3")
    api = w.plain("vm3", qmp="keep")
    begin_attach(w, api, vm3)
    w.daemon.kill(19)
    w.board.run("sleep 10")
    vm3.process.kill(18)
    w.daemon.kill(18)
    api.told("usb_attached", vm="vm3")
    equal(len(vm3.devices()), 2)
    equal(w.stop(), 0)
    contains(w.story, "did not run for")
    check("operation failed" not in w.story, "no answer was late")


@test
def a_wall_clock_that_jumps_is_nobodys_concern(w):
    vm1 = w.vm("vm1")
    api = w.plain("vm1")
    now = int(w.board.run("date +%s"))
    for n, at in enumerate((now - 10**8, now + 10**8)):
        w.board.run(f"date -s @{at}")
        w.plug("usb-kbd", f"kbd{n}")
        api.told("usb_attached", vm="vm1")
        w.unplug(f"kbd{n}")
        api.told("usb_disconnected")
    w.board.run(f"date -s @{now}")
    until(lambda: vm1.devices() == [], scaled(5), "nothing left in it")
    equal(w.stop(), 0)
    stood = [int(ms) for ms in re.findall(r"did not run for (\d+) ms", w.story)]
    check(all(ms < 10**6 for ms in stood), f"a jump of years was taken for a stall: {stood}")  # a busy machine may stall the board
    check("in time" not in w.story, "no timeout")


@test
def a_host_that_slept_goes_on_as_if_nothing_had_been(w):
    vm1 = w.vm("vm1")
    api = w.plain("vm1")
    w.plug("usb-kbd", "kbd")
    api.told("usb_attached", vm="vm1")
    # All of a suspend to RAM but the firmware's part, for some seconds; the controller loses its state.
    w.board.run("echo core >/sys/power/pm_test; echo mem >/sys/power/state; echo none >/sys/power/pm_test", timeout=scaled(40))
    w.plug("usb-mouse", "mouse")
    api.told("usb_attached", vm="vm1", timeout=scaled(20))
    until(lambda: len(vm1.devices()) == 2, scaled(5), "both in vm1")
    equal([d["state"] for d in api.devices()], ["attached", "attached"])
    for name in ("kbd", "mouse"):
        w.unplug(name)
    until(lambda: vm1.devices() == [], scaled(5), "nothing left in it")
    equal(w.stop(), 0)
    check("in time" not in w.story, "no timeout")


@test
def plugs_over_and_over_leave_daemon_and_vm_as_they_were(w):
    """VH_TEST_CYCLES=200 for the long form."""
    rounds = int(os.environ.get("VH_TEST_CYCLES", "40")) // 8
    vm1 = w.vm("vm1")
    vm1.look.execute("cont")
    api = w.plain("vm1")

    def one():
        names = [f"kbd{n}" for n in range(8)]
        for n, name in enumerate(names):
            w.plug("usb-kbd", name, port=str(n + 2))
        for _ in names:
            api.told("usb_attached", timeout=scaled(20))
        for name in names:
            w.unplug(name)
        for _ in names:
            api.told("usb_disconnected", timeout=scaled(20))
        until(lambda: vm1.devices() == [], scaled(20), "all out again")

    def measure():
        pages = w.board.read(f"/proc/{w.daemon.pid}/statm").split()[1]
        return len(w.board.glob(f"/proc/{w.daemon.pid}/fd/*")), int(pages)

    one()
    before = measure()
    for _ in range(rounds):
        one()
    until(lambda: measure()[0] <= before[0], scaled(5), f"no more descriptors than {before[0]}")
    after = measure()
    check(after[1] <= before[1] + 8, f"pages: {before[1]} became {after[1]}")
    check(after[1] * 4 < 1024, f"{after[1] * 4} KiB resident")
    equal(vm1.fdsets(), [])
    sets = len(vm1.look.execute("query-fdsets"))
    check(sets <= 1, f"{sets} sets in QEMU")
    print(f"# {rounds * 8} plugs: {after[0]} descriptors, {after[1] * 4} KiB resident (before {before[1] * 4}), {sets} fd sets")


main(World)
