"""A long life in a minute: VMs and the daemon start and end, policies change, ports flap. Afterwards each device is where the policy says."""
import contextlib
import json
import os
import signal
import subprocess
import sys
import time

from fakehost import HID_KEYBOARD, HID_MOUSE, STORAGE, VIDEO
from tap import check, contains, equal, run, scaled, test
from world import KEYBOARD, MOUSE, STICK, World, rule, vhp


def stick(w, port="1-2", **more):
    return w.host.plug(port, 0x0951, 0x1666, [STORAGE], **more)


# ---- VMs ----


@test
def what_a_migrating_vm_refuses_is_tried_until_it_takes_it(w):
    vm1 = w.qemu("vm1")
    said = []

    def migrating(command):
        said.append(command)
        return vm1.error("device_add not allowed while migrating") if len(said) < 4 else None

    vm1.hooks["device_add"] = migrating
    w.daemon(w.conf([rule("vm1", KEYBOARD)]))
    api = w.api(events=True)
    kbd = w.host.plug("1-2")
    vm1.wait(lambda q: q.count("device_add") == 1, "a first attempt")
    contains(api.list_until(lambda d: d[kbd.node]["state"] == "failed")[kbd.node]["reason"], "while migrating")
    api.await_event("usb_attached", device_node=kbd.node)
    equal((len(said), vm1.devices), (4, {vhp(kbd): "usb-host"}))


@test
def what_a_vm_refuses_to_give_back_is_tried_until_it_does(w):
    vm1 = w.qemu("vm1")
    w.daemon(w.conf([rule("vm1", KEYBOARD)]))
    api = w.api(events=True)
    kbd = w.host.plug("1-2")
    api.await_event("usb_attached")
    refusals = []

    def migrating(command):
        refusals.append(command)
        return vm1.error("device_del not allowed while migrating") if len(refusals) < 3 else None

    vm1.hooks["device_del"] = migrating
    w.host.unplug(kbd)
    api.await_event("usb_disconnected")
    vm1.wait_device(vhp(kbd), there=False)
    equal(len(refusals), 3)


@test
def a_vm_before_its_machine_is_made_gets_its_devices_afterwards(w):
    vm1 = w.qemu("vm1")
    early = [True]

    def preconfig(command):
        return vm1.error(f"The command '{command.name}' is permitted only after machine initialization has completed",
                         "CommandNotFound") if early[0] else None

    for name in ("device_add", "add-fd", "remove-fd", "query-fdsets"):
        vm1.hooks[name] = preconfig
    vm1.hooks["qom-list"] = lambda c: vm1.error("Device '/machine/peripheral' not found", "DeviceNotFound") if early[0] else None
    w.daemon(w.conf([rule("vm1", KEYBOARD)]))
    api = w.api(events=True)
    kbd = w.host.plug("1-2")
    api.await_event("usb_connected")
    vm1.wait(lambda q: q.count("qom-list") >= 2, "the listings tried")
    equal(api.list()[kbd.node]["vm"], None)
    early[0] = False
    api.await_event("usb_attached", device_node=kbd.node)


@test
def a_vm_that_crashes_in_the_middle_of_an_attach_gets_the_device_after_its_restart(w):
    vm1 = w.qemu("vm1")
    crashed = []

    def crash(command):
        crashed.append(command)
        return "hangup"

    vm1.hooks["device_add"] = crash
    w.daemon(w.conf([rule("vm1", KEYBOARD)]))
    api = w.api(events=True)
    kbd = w.host.plug("1-2")
    vm1.wait(lambda q: crashed, "the attach")
    vm1.end()
    api.list_until(lambda d: d[kbd.node]["vm"] is None and d[kbd.node]["state"] == "waiting")
    again = w.qemu("vm1")
    again.wait_device(vhp(kbd))
    api.await_event("usb_attached", device_node=kbd.node)
    equal(len(api.list()), 1)


class OwnProcess:
    """A VM in a process of its own."""

    def __init__(self, path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        program = os.path.join(os.path.dirname(os.path.abspath(__file__)), "fakeqemu.py")
        self.process = subprocess.Popen([sys.executable, program, path], stdout=subprocess.PIPE, text=True)
        equal(self.process.stdout.readline(), "up\n")

    def told(self, name):
        """The next command of that name."""
        while True:
            command = json.loads(self.process.stdout.readline())
            if command["name"] == name:
                return command

    def kill(self):
        self.process.kill()
        self.process.wait()
        return time.monotonic_ns()


@test
def a_killed_process_is_noticed_at_once_and_the_next_gets_its_devices_at_once_in_rule_order(w):
    w.daemon(w.conf([rule("vm1", KEYBOARD), rule("vm1", MOUSE), rule("vm1", STICK)]))
    api = w.api(events=True)
    vm1 = OwnProcess(w.vm_path("vm1"))
    devices = [stick(w, "1-4"), w.host.plug("1-3", 0x046d, 0xc077, [HID_MOUSE]), w.host.plug("1-2")]
    api.list_until(lambda d: len(d) == 3 and all(x["vm"] for x in d.values()))
    api.events.clear()
    dead = vm1.kill()
    for _ in devices:
        api.await_event("usb_detached", vm="vm1")
    noticed = time.monotonic_ns() - dead
    os.unlink(w.vm_path("vm1"))
    w.rest(api)  # all are reset: one that was not yet would come after those of later rules
    vm1 = OwnProcess(w.vm_path("vm1"))
    greeted = vm1.told("qmp_capabilities")["at"]
    adds = [vm1.told("device_add") for _ in devices]
    equal([a["id"] for a in adds], [vhp(d) for d in reversed(devices)])
    for _ in devices:
        api.await_event("usb_attached", vm="vm1")
    print(f"# death to the last usb_detached: {noticed / 1e6:.1f} ms; monitor's answer to the last of three device_adds: "
          f"{(adds[-1]['at'] - greeted) / 1e6:.1f} ms")
    vm1.kill()


@test
def a_socket_made_anew_at_once_is_another_vm(w):
    vm1 = w.qemu("vm1")
    w.daemon(w.conf([rule("vm1", KEYBOARD), rule("vm1", MOUSE)]))
    api = w.api(events=True)
    kbd, mouse = w.host.plug("1-2"), w.host.plug("1-3", 0x046d, 0xc077, [HID_MOUSE])
    api.list_until(lambda d: len(d) == 2 and all(x["vm"] for x in d.values()))
    vm1.end()
    again = w.qemu("vm1")
    for device in (kbd, mouse):
        again.wait_device(vhp(device))
    adds = [c.arguments["id"] for c in again.named("device_add")]
    equal(sorted(adds), sorted([vhp(kbd), vhp(mouse)]), "each once; first whichever was reset first")


@test
def a_monitor_held_by_another_for_longer_than_any_deadline_is_waited_for(w):
    vm1 = w.qemu("vm1", greet=False)
    w.daemon(w.conf([rule("vm1", KEYBOARD)]))
    api = w.api(events=True)
    kbd = w.host.plug("1-2")
    api.await_event("usb_connected")
    listed = api.list_until(lambda d: "another client may hold it" in (d[kbd.node]["reason"] or ""))
    equal(listed[kbd.node]["state"], "waiting")
    # It is the one that holds the place in line: it does not come and go meanwhile.
    equal(vm1.connections, 1)
    w.host.unplug(kbd)
    api.await_event("usb_disconnected")
    again = w.host.plug("1-2")
    api.await_event("usb_connected")
    equal(vm1.connections, 1)
    vm1._send({"QMP": {"version": {"qemu": {"micro": 0, "minor": 0, "major": 9}, "package": ""}, "capabilities": []}})
    vm1.wait_device(vhp(again))
    equal(list(vm1.devices), [vhp(again)])


# ---- ownership ----


@test
def what_a_vms_command_line_has_is_listed_as_foreign_and_refused_to_others(w):
    vm1, vm2 = w.qemu("vm1"), w.qemu("vm2")
    device = w.host.place("1-2", 0x0951, 0x1666, [STORAGE])
    vm2.give("device[0]", anonymous=True, hostbus=1, hostaddr=device.devnum)
    w.host.driver(device, 0, "usbfs")
    w.daemon(w.conf([rule("vm1", STICK)]), "-a")
    api = w.api()
    listed = api.list_until(lambda d: d[device.node]["vm"] == "vm2")[device.node]
    equal((listed["foreign"], listed["state"]), (True, "attached"))
    contains(api.fails("usb_attach", "somebody else attached it there", device_node=device.node, vm="vm1"), "vm2")
    api.fails("usb_detach", "has to be taken out there", device_node=device.node)
    check(api.list()[device.node]["disconnected"], "the decision does not hold")
    equal((vm1.count("device_add"), vm2.count("device_del")), (0, 0))


@test
def a_filter_of_a_vm_takes_what_is_plugged_in_later(w):
    vm1, vm2 = w.qemu("vm1"), w.qemu("vm2")
    vm2.give("cam", vendorid=0x0951, productid=0x1666)
    w.daemon(w.conf([rule("vm1", STICK)]))
    api = w.api(events=True)
    vm2.wait(lambda q: q.count("qom-get") > 0, "the listing")
    vm2.wait_idle()
    device, other = w.host.place("1-2", 0x0951, 0x1666, [STORAGE]), w.host.place("1-3", 0x0951, 0x1667, [STORAGE])
    w.host.driver(device, 0, "usbfs")
    for d in (device, other):
        w.host.event("add", d)
        w.host.event("bind", d)
    api.await_event("usb_attached", device_node=other.node)
    w.rest(api)
    equal((api.list()[device.node]["vm"], api.list()[device.node]["foreign"]), ("vm2", True))
    equal(list(vm1.devices), [vhp(other)])


@test
def what_another_tool_lets_go_comes_under_the_rules(w):
    w.qemu("vm1")
    vm2 = w.qemu("vm2")
    device = w.host.place("1-2", 0x0951, 0x1666, [STORAGE])
    vm2.give("tool", hostbus=1, hostaddr=device.devnum)
    w.host.driver(device, 0, "usbfs")
    w.daemon(w.conf([rule("vm1", STICK)]), "-a")
    api = w.api(events=True)
    api.list_until(lambda d: d[device.node]["foreign"])
    with vm2.changed:
        del vm2.devices["tool"]
    w.host.driver(device, 0, None)
    w.host.event("change", device)  # QEMU resets what it lets go
    api.await_event("usb_attached", vm="vm1")


@test
def a_device_that_another_program_has_claimed_is_not_taken_from_it(w):
    vm1 = w.qemu("vm1")
    device = w.host.place("1-2", 0x0951, 0x1666, [STORAGE])
    w.host.driver(device, 0, "usbfs")
    w.daemon(w.conf([rule("vm1", STICK)]), "-a")
    api = w.api(events=True)
    contains(api.list_until(lambda d: d[device.node]["state"] == "failed")[device.node]["reason"], "another program uses it")
    equal(vm1.count("device_add"), 0)
    w.host.driver(device, 0, None)
    api.await_event("usb_attached", vm="vm1")


# ---- the daemon ----


@test
def a_killed_daemon_leaves_attachments_that_the_next_one_recognises(w):
    vm1, vm2 = w.qemu("vm1"), w.qemu("vm2")
    conf = w.conf([rule("vm1", KEYBOARD), rule(["vm1", "vm2"], STICK)])
    daemon = w.daemon(conf)
    api = w.api(events=True)
    kbd, disk = w.host.plug("1-2"), stick(w, "1-3")
    api.given("vm1", kbd)
    api.ready(disk)
    api.ok("usb_attach", device_node=disk.node, vm="vm2")
    daemon.process.kill()
    daemon.process.wait()
    vm1.devices["vhp-usb-1-99"] = "usb-host"  # of a device that is no more
    with contextlib.suppress(FileNotFoundError):  # the opener may have removed it, as the daemon is gone
        os.unlink(w.host.uevents)
    w.daemon(conf)
    api = w.api()
    listed = api.list_until(lambda d: d[kbd.node]["vm"] and d[disk.node]["vm"])
    equal((listed[kbd.node]["vm"], listed[disk.node]["vm"]), ("vm1", "vm2"))
    vm1.wait_device("vhp-usb-1-99", there=False)
    w.rest(api)
    equal([c.arguments["id"] for c in vm1.named("device_del") + vm2.named("device_del")], ["vhp-usb-1-99"])
    equal((vm1.count("device_add"), vm2.count("device_add")), (1, 1), "nothing was attached again")


@test
def another_policy_moves_only_what_it_says_otherwise_about(w):
    vm1, vm2 = w.qemu("vm1"), w.qemu("vm2")
    daemon = w.daemon(w.conf([rule("vm1", KEYBOARD), rule("vm1", MOUSE), rule("vm1", STICK)]))
    api = w.api(events=True)
    kbd, mouse, disk = w.host.plug("1-2"), w.host.plug("1-3", 0x046d, 0xc077, [HID_MOUSE]), stick(w, "1-4")
    api.list_until(lambda d: len(d) == 3 and all(x["vm"] for x in d.values()))
    contains(daemon.configure(w.conf([rule("vm1", KEYBOARD), rule("vm2", MOUSE)])), "configuration reloaded")
    vm2.wait_device(vhp(mouse))
    vm1.wait_device(vhp(disk), there=False)
    equal((list(vm1.devices), list(vm2.devices)), ([vhp(kbd)], [vhp(mouse)]))
    equal([c.arguments["id"] for c in vm1.named("device_add")].count(vhp(kbd)), 1, "the keyboard was left in peace")
    contains(daemon.configure("{"), "not reloaded")
    contains(daemon.configure(w.conf([rule("vm1", {"vendorName": "("})])), "not reloaded")
    equal((list(vm1.devices), list(vm2.devices)), ([vhp(kbd)], [vhp(mouse)]))


@test
def vms_that_come_into_the_configuration_get_their_devices_and_those_that_leave_give_them_up(w):
    vm1, vm3 = w.qemu("vm1"), w.qemu("vm3")
    daemon = w.daemon(w.conf([rule("vm1", KEYBOARD)], vms=("vm1",)))
    api = w.api(events=True)
    kbd = w.host.plug("1-2")
    api.await_event("usb_attached", vm="vm1")
    contains(daemon.configure(w.conf([rule("vm3", KEYBOARD)], vms=("vm3",))), "configuration reloaded")
    vm3.wait_device(vhp(kbd))
    equal(vm1.devices, {})


@test
def at_a_clean_end_devices_stay_unless_it_is_said_otherwise(w):
    vm1 = w.qemu("vm1")
    for release, left in ((False, 1), (True, 0)):
        daemon = w.daemon(w.conf([rule("vm1", KEYBOARD)], releaseOnExit=release), "-a")
        api = w.api()
        kbd = w.host.devices.get("1-2") or w.host.plug("1-2")
        api.list_until(lambda d, kbd=kbd: kbd.node in d and d[kbd.node]["vm"])
        equal(daemon.stop(), 0)
        equal(len(vm1.devices), left)


@test
def an_end_with_a_vm_that_does_not_give_back_is_not_waited_for_twice(w):
    vm1 = w.qemu("vm1")
    daemon = w.daemon(w.conf([rule("vm1", KEYBOARD)], releaseOnExit=True))
    api = w.api(events=True)
    w.host.plug("1-2")
    api.await_event("usb_attached")
    vm1.hooks["device_del"] = lambda c: "drop"
    daemon.process.send_signal(signal.SIGTERM)
    vm1.wait(lambda q: q.count("device_del") > 0, "the attempt")
    equal(daemon.stop(), 0)  # the second word is the last


# ---- devices ----


@test
def a_device_that_moves_to_another_port_and_one_that_takes_its_place(w):
    vm1 = w.qemu("vm1")
    w.daemon(w.conf([rule("vm1", {**KEYBOARD, "port": 2}), rule("vm2", {**MOUSE, "port": 2}), rule("vm1", STICK)]))
    vm2 = w.qemu("vm2")
    api = w.api(events=True)
    kbd = w.host.plug("1-2")
    vm1.wait_device(vhp(kbd))
    w.host.unplug(kbd)
    elsewhere = w.host.plug("1-5")
    mouse = w.host.plug("1-2", 0x046d, 0xc077, [HID_MOUSE])
    vm2.wait_device(vhp(mouse))
    vm1.wait_device(vhp(kbd), there=False)
    w.rest(api)
    check(elsewhere.node in api.list(all=True), "it is known, and no rule takes it")
    equal((vm1.devices, list(vm2.devices)), ({}, [vhp(mouse)]))


@test
def a_number_used_again_at_once_is_another_device(w):
    vm1 = w.qemu("vm1")
    w.daemon(w.conf([rule("vm1", KEYBOARD), rule("vm1", MOUSE)]))
    api = w.api(events=True)
    for n in range(5):
        kbd = w.host.plug("1-2", devnum=9)
        api.await_event("usb_attached", device_node=kbd.node)
        w.host.unplug(kbd)
        mouse = w.host.plug(f"1-{3 + n}", 0x046d, 0xc077, [HID_MOUSE], devnum=9)
        api.await_event("usb_attached", device_node=mouse.node, pid="c077")
        w.host.unplug(mouse)
        api.await_event("usb_disconnected", pid="c077")
    vm1.wait(lambda q: not q.devices, "nothing left")
    equal((vm1.count("device_add"), vm1.count("device_del")), (10, 10))


@test
def a_hub_pulled_with_six_devices_behind_it_leaves_nothing_in_any_vm(w):
    vm1, vm2 = w.qemu("vm1"), w.qemu("vm2")
    w.daemon(w.conf([rule("vm1", KEYBOARD), rule("vm2", MOUSE)]))
    api = w.api(events=True)
    hub = w.host.plug("1-7", 0x05e3, 0x0608, [(9, 0, 0)], device_class=(9, 0, 1))
    behind = [w.host.plug(f"1-7.{n}", 0x046d, 0xc31c + n % 2, [(HID_KEYBOARD, HID_MOUSE)[n % 2]]) for n in range(1, 7)]
    api.list_until(lambda d: len(d) == 6 and all(x["vm"] for x in d.values()))
    for device in behind:
        w.host.unplug(device)
    w.host.unplug(hub)
    gone = {api.await_event("usb_disconnected")["usb_device"]["device_node"] for _ in behind}
    equal(gone, {device.node for device in behind})
    for vm in (vm1, vm2):
        vm.wait(lambda q: not q.devices, "no device")
    api.list_until(lambda d: d.keys() == {"/dev/bus/usb/001/001"}, all=True)


@test
def a_hundred_devices_at_once_all_arrive(w):
    vms = [w.qemu(f"vm{n}") for n in range(1, 5)]
    rules = [rule(f"vm{1 + n % 4}", {"vendorId": "1209", "productId": f"{n:04x}"}) for n in range(100)]
    w.host.bus(2)
    w.daemon(w.conf(rules, vms=[f"vm{n}" for n in range(1, 5)]))
    api = w.api(events=True)
    devices = [w.host.plug(f"{1 + n // 50}-{1 + n % 50}", 0x1209, n, [VIDEO]) for n in range(100)]
    listed = api.list_until(lambda d: len(d) == 100 and all(x["state"] == "attached" for x in d.values()))
    for n, device in enumerate(devices):
        equal(listed[device.node]["vm"], f"vm{1 + n % 4}")
    equal(sorted(len(vm.devices) for vm in vms), [25] * 4)


@test
def a_port_that_flaps_is_left_alone_until_its_device_stays_and_others_are_not_affected(w):
    vm1, vm2 = w.qemu("vm1"), w.qemu("vm2")
    daemon = w.daemon(w.conf([rule("vm1", KEYBOARD), rule("vm2", MOUSE)]))
    api = w.api(events=True)
    for n in range(50):
        kbd = w.host.plug("1-2")
        if n < 12:  # a plug counts only if it was read before the unplug
            api.list_until(lambda listed, node=kbd.node: node in listed, all=True)
        if n == 25:
            mouse = w.host.plug("1-3", 0x046d, 0xc077, [HID_MOUSE])
            vm2.wait_device(vhp(mouse))
        if n < 49:
            w.host.unplug(kbd)
    daemon.wait_log("port flaps")
    check(vm1.count("device_add") < 15, "most plugs of a bad contact lead to nothing")
    while (error := api.fails("usb_attach", kbd.node, device_node=kbd.node, vm="vm1")).startswith("no such USB device") or \
            "still being configured" in error:
        pass  # not read yet; the hold begins with its reading
    contains(error, "port that flaps")
    vm1.wait_device(vhp(kbd))  # it has stayed
    equal(list(vm1.devices), [vhp(kbd)])
    equal(len(daemon.logged("port flaps")), 1, "one line for a burst")


@test
def a_device_that_comes_back_as_another_keeps_its_vm_for_the_time_of_its_lease(w):
    vm2 = w.qemu("vm2")
    w.qemu("vm1")
    w.daemon(w.conf([rule(["vm1", "vm2"], {"vendorId": "12d1", "productId": "1446"}),
                     rule("vm1", {"vendorId": "12d1", "productId": "6666"}, deny=[{"productId": "6666"}])], leaseSeconds=30))
    api = w.api(events=True)
    modem = w.host.plug("1-2", 0x12d1, 0x1446, [STORAGE])
    api.await_event("usb_select_vm")
    api.ok("usb_attach", device_node=modem.node, vm="vm2")
    w.host.unplug(modem)
    modem = w.host.plug("1-2", 0x12d1, 0x1506, [(255, 1, 1)])  # no rule knows it
    vm2.wait_device(vhp(modem))
    w.host.unplug(modem)
    denied = w.host.plug("1-2", 0x12d1, 0x6666, [(255, 1, 1)])
    elsewhere = w.host.plug("1-3", 0x12d1, 0x1506, [(255, 1, 1)])
    api.await_event("usb_connected", device_node=elsewhere.node)
    w.rest(api)
    listed = api.list(all=True)
    equal([listed[d.node]["vm"] for d in (denied, elsewhere)], [None, None])


@test
def a_reset_by_the_vm_is_no_unplug(w):
    vm1 = w.qemu("vm1")
    w.daemon(w.conf([rule("vm1", KEYBOARD)]))
    api = w.api(events=True)
    kbd = w.host.plug("1-2")
    api.await_event("usb_attached")
    for _ in range(3):  # as the kernel tells of a reset: first without a number, then with it
        w.host.event("change", kbd, devnum=0)
        w.host.event("change", kbd)
    stick(w, "1-4")
    told = [api.event("usb_connected", pid="1666")]  # and nothing of the keyboard before it
    w.rest(api)  # nor after it
    equal(api.list()[kbd.node]["state"], "attached")
    equal((vm1.count("device_add"), vm1.count("device_del")), (1, 0))
    equal([e["event"] for e in told + api.events if e["usb_device"]["device_node"] == kbd.node], [])


# ---- coming back ----


@test
def interfaces_without_a_driver_are_offered_to_the_hosts_drivers(w):
    vm1 = w.qemu("vm1")
    w.host.write("sys/bus/usb/drivers_probe", "")
    w.daemon(w.conf([rule("vm1", KEYBOARD), rule("vm1", MOUSE, resetOnRelease=False)]))
    api = w.api(events=True)
    kbd, mouse = w.host.plug("1-2"), w.host.plug("1-3", 0x046d, 0xc077, [HID_MOUSE])
    for device in (kbd, mouse):
        w.host.driver(device, 0, None)
    api.list_until(lambda d: len(d) == 2 and all(x["vm"] for x in d.values()))

    def probed():
        with open(w.host.path("sys/bus/usb/drivers_probe"), encoding="ascii") as f:
            return f.read()

    api.ok("usb_detach", device_node=mouse.node)
    api.ok("usb_detach", device_node=kbd.node)
    end = time.monotonic() + scaled(5)
    while probed() != "1-2:1.0" and time.monotonic() < end:
        time.sleep(0.01)
    equal(probed(), "1-2:1.0", "only the keyboard's: the mouse's rule does without")
    api.ok("usb_attach", device_node=kbd.node)
    w.host.write("sys/bus/usb/drivers_probe", "")
    vm1.end()  # its death is a way back as well
    end = time.monotonic() + scaled(5)
    while probed() != "1-2:1.0" and time.monotonic() < end:
        time.sleep(0.01)
    equal(probed(), "1-2:1.0")


# ---- time ----


@test
def a_daemon_that_stood_still_takes_no_answer_for_late(w):
    """Stopped for longer than a command's deadline with an attach under way, while the VM stood still as well."""
    vm1 = w.qemu("vm1")
    begun, go_on = [], []

    def slow(command):
        begun.append(command)
        end = time.monotonic() + scaled(30)
        while not go_on and time.monotonic() < end:
            time.sleep(0.01)

    vm1.hooks["device_add"] = slow
    daemon = w.daemon(w.conf([rule("vm1", KEYBOARD)]))
    api = w.api(events=True)
    kbd = w.host.plug("1-2")
    end = time.monotonic() + scaled(5)
    while not begun and time.monotonic() < end:
        time.sleep(0.01)
    daemon.process.send_signal(signal.SIGSTOP)
    time.sleep(11)  # the time itself is what is tested: VH_T_COMMAND is 10 s
    daemon.process.send_signal(signal.SIGCONT)
    time.sleep(1)  # the VM's clock goes on as late as ours: its answer takes its time
    go_on.append(True)
    api.await_event("usb_attached", device_node=kbd.node)
    daemon.wait_log("did not run for 1.... ms")
    equal(daemon.logged("did not answer in time"), [])
    equal(vm1.count("device_add"), 1)


# ---- over and over ----


def descriptors_of(pid):
    return sorted(os.readlink(f"/proc/{pid}/fd/{n}").split(":")[0] for n in os.listdir(f"/proc/{pid}/fd"))


def resident(pid):
    with open(f"/proc/{pid}/statm", encoding="ascii") as f:
        return int(f.read().split()[1])


@test
def thousands_of_plugs_leave_descriptors_and_memory_as_they_were(w):
    """VH_TEST_CYCLES=10000 for the long form."""
    cycles = int(os.environ.get("VH_TEST_CYCLES", "2000"))
    vm1, vm2 = w.qemu("vm1"), w.qemu("vm2")
    for bus in range(2, 6):
        w.host.bus(bus)
    daemon = w.daemon(w.conf([rule("vm1", KEYBOARD), rule("vm2", MOUSE)], vm_options={"vm1": {"qmp": "keep"}}))
    api = w.api(events=True)
    pid = daemon.process.pid

    def cycle(n):
        port = f"{1 + n // 100 % 5}-{1 + n % 100}"  # so many that none flaps
        if n % 2:
            device = w.host.plug(port, 0x046d, 0xc077, [HID_MOUSE])
        else:
            device = w.host.plug(port)
        api.await_event("usb_attached", device_node=device.node)
        w.host.unplug(device)
        api.await_event("usb_disconnected", device_node=device.node)
        (vm2 if n % 2 else vm1).wait_device(vhp(device), there=False)
        w.host.forget_trash(64)

    for n in range(200):  # whatever is touched first is touched here
        cycle(n)
    before = (descriptors_of(pid), resident(pid))
    for n in range(cycles):
        cycle(n)
    vm2.wait_idle()
    api.ok("version")
    descriptors = descriptors_of(pid)
    check(len(descriptors) <= len(before[0]), f"descriptors: {before[0]} became {descriptors}")
    # Not one page for each so many plugs: a page more is code or a table that was not touched before.
    check(resident(pid) - before[1] <= 8, f"pages: {before[1]} became {resident(pid)}")
    equal((vm1.fdsets, vm2.fdsets, vm1.devices, vm2.devices), ({}, {}, {}, {}))
    print(f"# {cycles} cycles: {len(descriptors)} descriptors, {resident(pid) * 4} KiB resident, before {before[1] * 4}")


run(World)
