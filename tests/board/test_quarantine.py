"""general.quarantine on the emulated board: no driver of the host ever has an interface of what belongs to a VM, and everything else works as ever.

The kernel's uevents say so: each `bind` of an interface names its driver, and none may come for a guest's device.
"""
import json
import os
import random

from rig import HID, STORAGE, BoardWorld, conf, listed, main, scaled
from board import until
from tap import alive, check, contains, equal, test
from usbip import UsbIp, config, device, interface, silent, simple

KEYBOARD = {**HID, "interfaceProtocol": 1}
MOUSE = {**HID, "interfaceProtocol": 2}
STRINGS = {1: "Maker", 2: "Thing", 3: "0123"}
VID = 0xF0A5  # nobody's
TRIES = 4
GUEST_RULES = [{"targetVm": "vm1", "allow": [KEYBOARD]}, {"allowedVms": ["vm1", "vm2"], "tag": "disk", "allow": [STORAGE]}]

# Claims every port of the hub with that node, says how many it got, and holds them until its input ends.
HOLDER = """
import fcntl, struct, sys
hub = open(sys.argv[1], "r+b", buffering=0)
got = 0
for port in range(1, int(sys.argv[2]) + 1):
    try:
        fcntl.ioctl(hub, 0x80045518, struct.pack("I", port))
        got += 1
    except OSError as e:
        print(e.errno, flush=True)
print("got", got, flush=True)
sys.stdin.read()
"""


class Quarantine(BoardWorld):
    usb = None

    def begin(self, rules=GUEST_RULES, *options, mode="rules", **more):
        self.vm("vm1")
        self.vm("vm2")
        self.start(conf(rules, quarantine=mode, **more), *options)
        api = self.api()
        self.held(api)
        return api

    def all_held(self, api):
        """Waits until each hub is held, also one whose lock the kernel had while it asked a device that never answers."""
        def every():
            q = api.ok("stats")["quarantine"]
            return q["waiting"] == 0 and q["hubs"] == len(self.board.glob("/sys/bus/usb/devices/usb*"))
        until(every, scaled(30), "the ports of each hub held")

    def port_workers(self):
        """Those that run; ps puts the name of what has ended in other brackets."""
        return [line.split()[0] for line in self.board.run("ps").splitlines() if "{vhotplug-port}" in line]

    def __exit__(self, kind, value, trace):
        for port in sorted(self.usb.plugged if self.usb else ()):
            self.usb.unplug(port)
        super().__exit__(kind, value, trace)


@test
def no_driver_of_the_host_binds_to_a_guests_device(w):
    api = w.begin()
    w.record()
    w.plug("usb-kbd", "kbd")
    told = api.told("usb_attached", vm="vm1", timeout=scaled(20))["usb_device"]
    name = told["sys_name"]
    api.ok("usb_detach", device_node=told["device_node"], timeout=scaled(20))  # reset comes with it
    seen = until(lambda: [d for d in [listed(api, name)] if d["state"] == "idle"], scaled(10), "the keyboard given back")[0]
    equal((seen["driven"], seen["quarantined"], w.driver(name)), (False, True, None))
    api.ok("usb_attach", device_node=seen["device_node"], vm="vm1", timeout=scaled(20))
    w.unplug("kbd")
    w.plug_stick("stick")
    told = api.told("usb_select_vm", timeout=scaled(20))["usb_device"]
    equal(w.configuration(told["sys_name"]), "")
    api.ok("usb_attach", device_node=told["device_node"], vm="vm2", timeout=scaled(20))
    equal(w.configuration(told["sys_name"]), "1")
    api.ok("usb_attach", device_node=told["device_node"], vm="vm1", timeout=scaled(20))  # a move
    w.unplug("stick")
    until(lambda: not w.vm("vm1").devices(), scaled(10), "the stick out of vm1")
    equal(w.drivers(), [])


@test
def a_vm_that_dies_leaves_its_device_without_a_driver(w):
    vm3 = w.extra_vm("vm3")
    api = w.begin([{"targetVm": "vm3", "allow": [KEYBOARD]}], vms=("vm1", "vm2", "vm3"))
    w.record()
    w.plug("usb-kbd", "kbd")
    told = api.told("usb_attached", vm="vm3", timeout=scaled(20))["usb_device"]
    vm3.process.kill(9)
    api.told("usb_detached", vm="vm3", timeout=scaled(20))
    until(lambda: listed(api, told["sys_name"])["reason"] == "VM 'vm3' is not running", scaled(20), "its reset")
    seen = listed(api, told["sys_name"])
    equal((seen["driven"], seen["quarantined"]), (False, True))
    w.extra_vms.remove(vm3)
    w.unplug("kbd")
    api.told("usb_disconnected", timeout=scaled(10))
    equal(w.drivers(), [])


@test
def what_is_the_hosts_works_and_its_port_is_held_again(w):
    api = w.begin()
    before = w.held(api)["ports"]
    contains(w.board.run("vhotplug doctor -c /run/test.conf", check=False), "ok       quarantine: this kernel knows claims of ports\n")
    w.record()
    w.plug("usb-mouse", "mouse", port="3")
    name = api.told("usb_connected", timeout=scaled(20))["usb_device"]["sys_name"]
    w.is_driven(name)
    until(lambda: listed(api, name)["driven"], scaled(10), "a list that says so")
    equal(w.held(api)["ports"], before)
    w.unplug("mouse")
    api.told("usb_disconnected", timeout=scaled(10))
    w.plug("usb-kbd", "kbd", port="3")
    equal(api.told("usb_attached", vm="vm1", timeout=scaled(20))["usb_device"]["sys_name"], name)
    w.unplug("kbd")
    equal(w.drivers(), [(f"{name}:1.0", "usbhid")])


@test
def a_driver_that_is_loaded_later_gets_the_hosts_device(w):
    api = w.begin()
    w.board.run("rmmod usbhid")
    try:
        w.plug("usb-mouse", "mouse")
        name = api.told("usb_connected", timeout=scaled(20))["usb_device"]["sys_name"]
        until(lambda: w.configuration(name) == "1", scaled(20), "the mouse configured")
        equal(w.driver(name), None)
    finally:
        w.board.run("modprobe usbhid")
    until(lambda: w.driver(name) == "usbhid", scaled(20), "the host's driver")


@test
def of_two_configurations_the_kernel_chooses_for_the_host_and_a_vm_gets_the_first(w):
    api = w.begin()
    w.plug("usb-net", "net")
    name = api.told("usb_connected", timeout=scaled(20))["usb_device"]["sys_name"]
    until(lambda: w.configuration(name) != "", scaled(20), "the adapter configured")
    until(lambda: listed(api, name)["quarantined"] is False, scaled(10), "a list that says so")
    w.unplug("net")
    api.told("usb_disconnected", timeout=scaled(10))
    w.stop()
    api = w.begin([{"targetVm": "vm1", "allow": [{"vendorId": "0525"}]}])
    w.record()
    w.plug("usb-net", "net")
    name = api.told("usb_attached", vm="vm1", timeout=scaled(20))["usb_device"]["sys_name"]
    equal(w.configuration(name), "2")  # RNDIS, which comes first in its descriptors
    w.unplug("net")
    until(lambda: not w.vm("vm1").devices(), scaled(10), "the adapter out of vm1")
    equal(w.drivers(), [])


@test
def a_device_that_asks_for_more_than_its_port_gives_is_attached_to_no_vm(w):
    api = w.begin([{"targetVm": "vm1", "allow": [{"vendorId": f"{VID:04x}"}]}])
    if Quarantine.usb is None:
        Quarantine.usb = UsbIp(w.board, scaled(30))
    w.all_held(api)
    w.usb.plug(0, device(VID, 1) + config(interface(0, 255), power=250), STRINGS)  # in units of 2 mA
    api.told("usb_attached", vm="vm1", vid=f"{VID:04x}", timeout=scaled(20))
    w.usb.unplug(0)
    api.told("usb_disconnected", timeout=scaled(20))
    until(lambda: not w.vm("vm1").devices(), scaled(10), "the device out of vm1")
    w.usb.plug(1, device(VID, 2) + config(interface(0, 255), power=251), STRINGS)
    seen = until(lambda: [d for d in api.devices(all=True) if d["pid"] == "0002" and d["state"] == "failed"], scaled(20), "a refusal")[0]
    contains(seen["reason"], "it asks for 502 mA, and its port gives 500 mA")
    equal((w.configuration(seen["sys_name"]), seen["vm"]), ("", None))


@test
def a_hub_is_the_hosts_and_its_ports_are_held_before_the_first_device(w):
    api = w.begin()
    hubs = w.held(api)["hubs"]
    w.record()
    w.plug("usb-hub", "hub", port="4")
    until(lambda: api.ok("stats")["quarantine"]["hubs"] == hubs + 1, scaled(20), "its ports held")
    w.plug("usb-kbd", "kbd", port="4.1")
    name = api.told("usb_attached", vm="vm1", timeout=scaled(20))["usb_device"]["sys_name"]
    check(name.endswith("-4.1"), name)
    w.unplug("kbd")
    until(lambda: not w.vm("vm1").devices(), scaled(10), "the keyboard out of vm1")
    w.unplug("hub")
    until(lambda: api.ok("stats")["quarantine"]["hubs"] == hubs, scaled(20), "the hub gone")
    equal([d for d in w.drivers() if d[1] != "hub"], [])


@test
def a_hub_with_a_device_in_it_is_in_time_too(w):
    """A dock: what is plugged into it comes with it."""
    w.stop_boot_daemon()
    w.plug("usb-hub", "hub", port="4")
    w.plug("usb-kbd", "kbd", port="4.1")
    until(lambda: any(n.endswith("-4.1") for n in w.board.usb()), scaled(10), "the keyboard in sysfs")
    bus = next(n for n in w.board.usb() if n.endswith("-4.1")).split("-")[0]
    api = w.begin()
    equal((listed(api, f"{bus}-4.1")["driven"], listed(api, f"{bus}-4.1")["quarantined"]), (True, False))  # it was there before
    for _ in range(TRIES):  # the kernel waits 100 ms before it looks at the hub's ports; on a busy machine the daemon may not run for that long
        w.unplug("kbd")
        w.unplug("hub")
        api.told("usb_disconnected", timeout=scaled(20))
        w.record()
        w.plug("usb-hub", "hub", port="4")
        w.plug("usb-kbd", "kbd", port="4.1")
        api.told("usb_attached", vm="vm1", timeout=scaled(30))
        bound = [d for d in w.drivers() if d[1] != "hub"]
        if not bound:
            break
    equal(bound, [])


@test
def a_daemon_that_is_killed_leaves_a_host_that_works(w):
    api = w.begin()
    w.plug("usb-mouse", "mouse")
    name = api.told("usb_connected", timeout=scaled(20))["usb_device"]["sys_name"]
    until(lambda: w.driver(name) == "usbhid", scaled(20), "the host's driver")
    api.close()
    w.clients.remove(api)
    w.stop(signal=9)
    until(lambda: not w.port_workers(), scaled(10), "the port workers gone")
    equal(w.driver(name), "usbhid")
    before = set(w.board.usb())
    w.plug("usb-kbd", "kbd")
    fresh = until(lambda: set(w.board.usb()) - before, scaled(10), "the keyboard in sysfs").pop()
    until(lambda: w.driver(fresh) == "usbhid", scaled(10), "the host's driver of what comes later")


ROUNDS = int(os.environ.get("VH_TEST_ROUNDS", "10"))
MOMENTS_MS = 400  # from before the plug to after its end
TABLET = {**HID, "interfaceProtocol": 0}
SPARED = {"vhotplug-device": -1, "vhotplug-connec": -1}  # one of them goes on: somebody has to configure, and to reach VMs
KILLED = [["vhotplug"], ["vhotplug"], ["vhotplug"], ["vhotplug-port"], ["vhotplug-device"], ["vhotplug-opener", "vhotplug-connec"],
          ["vhotplug", "vhotplug-port"], ["vhotplug", "vhotplug-device"], ["all"]]


@test
def what_was_not_decided_when_the_daemon_died_is_the_hosts(w):
    w.begin()
    before = set(w.board.usb())
    loop = w.processes()["vhotplug"][0]
    w.board.run(f"kill -STOP {loop}")
    w.plug("usb-mouse", "mouse")
    fresh = until(lambda: set(w.board.usb()) - before, scaled(20), "the mouse in sysfs").pop()
    until(lambda: w.board.exists(f"/sys/bus/usb/devices/{fresh}/driver"), scaled(20), "the kernel done with it")
    equal((w.configuration(fresh), w.driver(fresh)), ("", None))
    w.board.run(f"kill -9 {loop}")
    w.dies()
    until(lambda: w.driver(fresh) == "usbhid", scaled(20), "the host's driver")


@test
def whoever_is_killed_whenever_leaves_the_host_its_mouse_and_guests_their_devices(w):
    """A mouse of the host's is plugged in while somebody is killed. A keyboard in its VM and a tablet whose VM does not run are there."""
    seed = int(os.environ.get("VH_TEST_SEED", "1"))
    rules = [{"targetVm": "vm1", "allow": [KEYBOARD]}, {"targetVm": "vm3", "allow": [TABLET]}]
    for number in range(ROUNDS):
        alive()
        chance = random.Random(seed + number)
        names, moment = chance.choice(KILLED), chance.randrange(MOMENTS_MS)
        print(f"# seed {seed + number}: {' and '.join(names)} at {moment} ms")
        api = w.begin(rules, vms=("vm1", "vm2", "vm3"))
        w.record()
        w.plug("usb-kbd", "kbd", port="1")
        api.told("usb_attached", vm="vm1", timeout=scaled(20))
        w.plug("usb-tablet", "tablet", port="2")
        shut = until(lambda: [d for d in api.devices(all=True) if d["quarantined"]], scaled(20), "the tablet shut")
        tablet = shut[0]["sys_name"]
        running = w.processes()
        victims = [p for ps in running.values() for p in ps] if names == ["all"] else \
            [p for n in names for p in running[n][:SPARED.get(n, None)]]
        before = set(w.board.usb())
        killer = w.board.spawn(f"sleep 0.{moment:03}; kill -9 {' '.join(victims)}")
        w.plug("usb-mouse", "mouse", port="3")
        killer.wait(scaled(20))
        if "vhotplug" in names or names == ["all"]:
            w.dies()
        if names == ["all"]:
            api = w.begin(rules, vms=("vm1", "vm2", "vm3"))
        fresh = until(lambda: set(w.board.usb()) - before, scaled(20), "the mouse in sysfs").pop()
        until(lambda: w.driver(fresh) == "usbhid", scaled(20), f"the host's mouse in use (seed {seed + number})", every=0.2)
        equal(w.driver(tablet), None)
        for name in ("mouse", "tablet", "kbd"):
            w.unplug(name)
        if w.daemon:
            until(lambda: not w.vm("vm1").devices(), scaled(20), "the keyboard out of vm1")
            for api in w.clients:
                api.close()
            w.clients.clear()
            w.stop()
        until(lambda: set(w.board.usb()) == before - {n for n in before if not n.startswith("usb")}, scaled(20), "all unplugged")
        equal(w.drivers(), [(f"{fresh}:1.0", "usbhid")])
        w.begin(rules, vms=("vm1", "vm2", "vm3"))  # takes what a VM still lists out of it
        until(lambda: not w.vm("vm1").devices(), scaled(30), "the keyboard out of vm1")
        w.stop()


@test
def while_one_port_worker_lives_what_is_held_stays_held(w):
    api = w.begin()
    w.all_held(api)
    ports = w.held(api)["ports"]
    w.record()
    workers = w.port_workers()
    for left in range(len(workers) - 1, 0, -1):
        w.board.run(f"kill -9 {workers[left]}")
        until(lambda left=left: api.ok("stats")["port_workers"]["running"] == left, scaled(10), "a word about it")
        q = api.ok("stats")["quarantine"]
        equal((q["works"], q["waiting"], q["ports"]), (True, 0, ports))
        w.plug("usb-kbd", "kbd")
        api.told("usb_attached", vm="vm1", timeout=scaled(20))
        w.unplug("kbd")
        api.told("usb_disconnected", timeout=scaled(10))
    api.events.clear()
    w.plug("usb-mouse", "mouse")
    name = api.told("usb_connected", vid="0627", timeout=scaled(20))["usb_device"]["sys_name"]
    w.is_driven(name)
    w.unplug("mouse")
    equal(w.drivers(), [(f"{name}:1.0", "usbhid")])


@test
def without_its_port_workers_quarantine_is_off_and_says_so(w):
    api = w.begin()
    w.board.run("kill -9 " + " ".join(w.port_workers()))
    q = until(lambda: (lambda q: None if q["works"] else q)(api.ok("stats")["quarantine"]), scaled(10), "a word about it")
    contains(q["reason"], "port workers")
    equal((q["hubs"], q["ports"]), (0, 0))
    w.plug("usb-mouse", "mouse")
    name = api.told("usb_connected", timeout=scaled(20))["usb_device"]["sys_name"]
    until(lambda: w.driver(name) == "usbhid", scaled(20), "the host's driver")
    w.plug("usb-kbd", "kbd")
    api.told("usb_attached", vm="vm1", timeout=scaled(20))


@test
def a_hub_that_the_kernel_is_busy_with_is_late_and_the_others_are_not(w):
    api = w.begin()
    if Quarantine.usb is None:
        Quarantine.usb = UsbIp(w.board, scaled(30))
    w.all_held(api)
    w.usb.plug(0, simple(VID, 1, 255), STRINGS)  # the host's: its port is released and claimed again
    api.told("usb_connected", vid=f"{VID:04x}", timeout=scaled(20))
    name = w.usb.sys_name(0)
    until(lambda: w.configuration(name) == "1", scaled(20), "a configured device")
    w.held(api)
    w.usb.plug(1, simple(VID, 2, 255), STRINGS, mute=(0, 1, 2, 3))  # the kernel asks for its strings, with the hub's lock held
    until(lambda: w.usb.ignored(1), scaled(20), "the kernel's question without an answer")
    w.board.run("rmmod usbhid; modprobe usbhid")  # a driver that comes: the host's devices are offered to it
    late = until(lambda: api.ok("stats")["quarantine"]["late"], scaled(20), "the hub told as late")
    q = api.ok("stats")["quarantine"]
    equal((late, q["works"]), (1, True))
    w.plug("usb-mouse", "mouse")
    mouse = api.told("usb_connected", vid="0627", timeout=scaled(20))["usb_device"]["sys_name"]
    until(lambda: w.driver(mouse) == "usbhid", scaled(10), "another device of the host's in use")
    w.plug("usb-kbd", "kbd")
    api.told("usb_attached", vm="vm1", timeout=scaled(10))
    until(lambda: api.ok("stats")["quarantine"]["late"] == 0, scaled(60), "an end of it")
    w.all_held(api)
    equal(api.ok("stats")["quarantine"]["refused"], 0)
    w.usb.unplug(1)
    w.unplug("kbd")
    until(lambda: not w.vm("vm1").devices(), scaled(10), "the keyboard out of vm1")
    w.stop()
    contains(w.story, "the kernel is busy with a hub, whose ports wait for it: hub=usb")


@test
def ports_of_another_program_are_told_and_tried_again_and_the_others_are_held(w):
    w.stop_boot_daemon()
    ports = int(w.board.read("/sys/bus/usb/devices/usb1/maxchild"))
    holder = w.board.spawn(["python3", "-ISBc", HOLDER, "/dev/bus/usb/001/001", str(ports)], root="host")
    equal(holder.line(scaled(20)), f"got {ports}")
    api = w.begin()
    q = w.held(api)
    equal((q["works"], q["refused"]), (True, ports))
    check(q["ports"] > 0, "other hubs")
    holder.end()
    holder.wait(scaled(10))
    until(lambda: api.ok("stats")["quarantine"]["refused"] == 0, scaled(30), "all ports held", every=0.5)
    w.stop()
    contains(w.story, "ports are not held: hub=usb1")
    contains(w.story, "another program holds them")
    contains(w.story, "ports are held at last: hub=usb1")


@test
def a_device_whose_driver_was_refused_at_anothers_port_gets_it_later(w):
    """As after a daemon all of whose processes were killed, while those that held the ports still end."""
    w.stop_boot_daemon()
    ports = int(w.board.read("/sys/bus/usb/devices/usb1/maxchild"))
    for told in (False, True):  # it ends soon, or is another program for all that is known
        holder = w.board.spawn(["python3", "-ISBc", HOLDER, "/dev/bus/usb/001/001", str(ports)], root="host")
        equal(holder.line(scaled(20)), f"got {ports}")
        before = set(w.board.usb())
        w.plug("usb-mouse", "mouse", port="3")
        name = until(lambda: set(w.board.usb()) - before, scaled(20), "the mouse in sysfs").pop()
        check(name.startswith("1-"), name)
        w.start(conf(GUEST_RULES, quarantine="rules"))
        api = w.api()
        until(lambda: w.configuration(name) == "1", scaled(20), "the mouse configured")
        if told:
            equal(w.held(api)["refused"], ports)
        equal(w.driver(name), None)
        holder.end()
        holder.wait(scaled(10))
        until(lambda: w.driver(name) == "usbhid", scaled(30), "the host's driver")
        equal(w.held(api)["refused"], 0)
        w.unplug("mouse")
        w.leave()
        w.stop()
    contains(w.story, "another program holds them")


@test
def with_all_only_what_a_rule_leaves_to_the_host_is_the_hosts(w):
    api = w.begin([{"host": True, "allow": [MOUSE]}, *GUEST_RULES], mode="all")
    w.record()
    w.plug("usb-mouse", "mouse")
    name = api.told("usb_connected", timeout=scaled(20))["usb_device"]["sys_name"]
    w.is_driven(name)
    w.plug("usb-tablet", "tablet")
    other = api.told("usb_connected", timeout=scaled(20))["usb_device"]["sys_name"]
    seen = listed(api, other)
    equal((seen["driven"], seen["quarantined"], w.configuration(other)), (False, True, ""))
    w.unplug("tablet")
    w.unplug("mouse")
    equal(w.drivers(), [(f"{name}:1.0", "usbhid")])


@test
def a_device_that_never_answers_holds_up_nobody(w):
    api = w.begin()
    Quarantine.usb = UsbIp(w.board, scaled(30))
    api.ok("version")
    w.usb.plug(0, silent(VID, 1, 4), STRINGS, mute=("report",))  # the host's by policy: its driver asks, and waits
    until(lambda: w.usb.ignored(0), scaled(20), "the kernel's question without an answer")
    w.plug("usb-mouse", "mouse")
    name = api.told("usb_connected", vid="0627", timeout=scaled(20))["usb_device"]["sys_name"]
    until(lambda: w.driver(name) == "usbhid", scaled(15), "another device of the host's in use")
    w.plug("usb-kbd", "kbd")
    api.told("usb_attached", vm="vm1", timeout=scaled(15))
    w.unplug("kbd")
    until(lambda: not w.vm("vm1").devices(), scaled(10), "the keyboard out of vm1")


def others_are_served(w, api):
    """A keyboard goes to its VM, a mouse to the host."""
    api.events.clear()
    w.plug("usb-kbd", "kbd")
    api.told("usb_attached", vm="vm1", vid="0627", timeout=scaled(15))
    w.unplug("kbd")
    api.told("usb_disconnected", vid="0627", timeout=scaled(15))
    api.events.clear()
    w.plug("usb-mouse", "mouse")
    mouse = api.told("usb_connected", vid="0627", timeout=scaled(15))["usb_device"]["sys_name"]
    until(lambda: w.driver(mouse) == "usbhid", scaled(15), "the host's driver")
    w.unplug("mouse")


@test
def devices_that_are_silent_when_they_are_configured_or_reset_hold_up_nobody(w):
    api = w.begin([{"targetVm": "vm1", "allow": [KEYBOARD]}, {"targetVm": "vm2", "allow": [{"vendorId": f"{VID:04x}", "productId": "0001"}]}])
    if Quarantine.usb is None:
        Quarantine.usb = UsbIp(w.board, scaled(30))
    w.all_held(api)
    w.usb.plug(0, simple(VID, 1, 255), STRINGS, mute=("configure",))  # the VM's
    w.usb.plug(1, simple(VID, 2, 255), STRINGS, mute=("configure",))  # the host's
    until(lambda: w.usb.ignored(0) and w.usb.ignored(1), scaled(20), "both silent")
    others_are_served(w, api)
    equal([d["vm"] for d in api.devices(all=True) if d["vid"] == f"{VID:04x}"], [None, None])
    w.usb.unplug(0)
    w.usb.unplug(1)
    w.usb.plug(2, simple(VID, 1, 255), STRINGS)
    name = api.told("usb_attached", vm="vm2", vid=f"{VID:04x}", timeout=scaled(30))["usb_device"]["sys_name"]
    asks = w.api(notifications=False)
    w.usb.freeze()
    try:
        asks.send({"action": "usb_detach", "vid": f"{VID:04x}", "pid": "0001"})  # it is revoked and reset, if the kernel gets so far
        others_are_served(w, api)
        equal((w.driver(name), listed(api, name)["driven"]), (None, False))
    finally:
        w.usb.thaw()
    check("result" in asks.answer(scaled(60)), "an answer")


@test
def a_hostile_guests_device_is_never_asked_by_the_host(w):
    api = w.begin([{"targetVm": "vm1", "allow": [{"vendorId": f"{VID:04x}"}]}])
    if Quarantine.usb is None:
        Quarantine.usb = UsbIp(w.board, scaled(30))
    w.all_held(api)
    w.usb.plug(0, silent(VID, 1, 4), STRINGS, mute=("report",))
    api.told("usb_attached", vm="vm1", vid=f"{VID:04x}", timeout=scaled(20))
    check(not w.usb.ignored(0), "no driver of the host has asked it anything that it does not answer")


if __name__ == "__main__":
    os.environ.setdefault("VH_TEST_PATIENCE", "6")
    main(Quarantine)
