"""False devices on the emulated board, by USB/IP: descriptors that the real kernel accepts and vhotplug must refuse."""
import re

from rig import HID, BoardWorld, Shared, conf, main, scaled
from board import until
from tap import check, contains, equal, test
from usbip import UsbIp, config, device, interface, keyboard, simple

ANY = [HID, {"interfaceClass": 8}, {"interfaceClass": 255}, {"deviceClass": 0}, {"vendorId": "f0a5"}]
STRINGS = {1: "Maker", 2: "Thing", 3: "0123"}
VID = 0xF0A5  # nobody's
STEERS = re.compile("[\0-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")


class Devices(BoardWorld):
    """A daemon of the test's own, and what it plugs by USB/IP."""

    usb = None

    def begin(self, rules):
        """(the USB/IP ports, vm1, the API)"""
        vm1 = self.vm("vm1")
        if Devices.usb is None:
            Devices.usb = UsbIp(self.board, scaled(30))
        self.start(conf(rules, persistency=True, statePath="/run/vhotplug.state"))
        return self.usb, vm1, self.api()

    def __exit__(self, kind, value, trace):
        for port in sorted(self.usb.plugged if self.usb else ()):
            self.usb.unplug(port)
        if self.usb:
            until(lambda: not self.board.usb(), scaled(20), "everything unplugged")
        super().__exit__(kind, value, trace)
        if self.board.exists("/run/vhotplug.state"):
            self.board.unlink("/run/vhotplug.state")


def listed(api, name):
    """The device as the daemon lists it once the kernel is done with it."""
    found = [d for d in api.devices(all=True) if d["sys_name"] == name]
    return found[0] if found else None


@test
def an_honest_keyboard_goes_to_its_vm(w):
    usb, vm1, api = w.begin([{"targetVm": "vm1", "allow": [HID]}])
    usb.plug(0, keyboard(VID, 1), STRINGS)
    told = api.told("usb_attached", vm="vm1", timeout=scaled(20))["usb_device"]
    equal((told["sys_name"], told["vid"], told["interfaces"]), (usb.sys_name(0), "f0a5", ":030101:"))
    equal((told["vendor_name"], told["product_name"], told["serial"]), ("Maker", "Thing", "0123"))
    equal(len(vm1.devices()), 1)
    usb.unplug(0)
    api.told("usb_disconnected", sys_name=usb.sys_name(0), timeout=scaled(20))
    until(lambda: vm1.devices() == [], scaled(10), "the device out of QEMU")


def hid(**fields):
    return interface(0, 3, 1, 1, **fields)


# What a device says, and why it is not believed. The kernel itself takes all of these.
LIES = [
    ("with 255 interfaces", (device(VID, 2), [config(b"".join(interface(n, 3, 1, 1) for n in range(255)), interfaces=255)]),
     "too many interfaces"),
    ("with a short interface", (device(VID, 2), [config(hid() + bytes((8, 4, 1, 0, 0, 8, 6, 80)), interfaces=2)]),
     "an interface descriptor is too short"),
    ("with a configuration inside", (device(VID, 2), [config(hid() + config(b""))]), "a configuration inside a configuration"),
    ("with a device inside", (device(VID, 2), [config(hid() + device(VID, 3))]), "a configuration inside a configuration"),
    ("with a device descriptor of 17", (b"\x11" + device(VID, 2)[1:], [config(hid())]), "the device descriptor is malformed"),
    ("with a device descriptor of 255", (b"\xff" + device(VID, 2)[1:], [config(hid())]), "the device descriptor is malformed"),
]
# What it says that hides nothing: the kernel leaves out what does not fit and counts by itself. Each has all of its classes.
TOTAL, NUMBER = "wTotalLength is wrong", "bNumInterfaces is wrong"
ODD = [
    ("longer than it is", (device(VID, 2), [config(hid(), total=200)]), ":030101:", TOTAL),
    ("of the greatest length", (device(VID, 2), [config(hid(), total=65535)]), ":030101:", TOTAL),
    ("with a descriptor of length 0", (device(VID, 2), [config(hid() + bytes(9))]), ":030101:", TOTAL),
    ("with a descriptor of length 1", (device(VID, 2), [config(hid() + bytes((1, 5, 0, 0)))]), ":030101:", TOTAL),
    ("with a descriptor over the end", (device(VID, 2), [config(hid() + bytes((200, 5)) + bytes(7))]), ":030101:", TOTAL),
    ("with a stray byte", (device(VID, 2), [config(hid() + b"D")]), ":030101:", TOTAL),
    ("with fewer interfaces than it says", (device(VID, 2), [config(hid(), interfaces=2)]), ":030101:", NUMBER),
    ("with more interfaces than it says", (device(VID, 2), [config(hid() + interface(1, 8, 6, 80))]), ":030101:080650:", NUMBER),
    ("with a second configuration cut short", (device(VID, 2, configs=2), [config(hid()), config(hid(), total=90, value=2)]), ":030101:",
     TOTAL),
    ("without alternate setting 0", (device(VID, 2), [config(interface(0, 3, 1, 1, alternate=1))]), ":030101:",
     "an interface has no alternate setting 0"),
]


@test
def what_lies_about_itself_is_listed_and_given_to_nobody(w):
    usb, vm1, api = w.begin([{"targetVm": "vm1", "allow": ANY}])
    for port, (_, descriptors, _) in enumerate(LIES):
        usb.plug(port, descriptors, STRINGS)
    usb.plug(len(LIES), keyboard(VID, 1), STRINGS)  # the last one is honest
    api.told("usb_attached", vm="vm1", timeout=scaled(30))
    equal(len(vm1.devices()), 1, "only the honest one")
    for port, (what, _, why) in enumerate(LIES):
        name = usb.sys_name(port)
        seen = until(lambda name=name: listed(api, name), scaled(20), f"a device {what}")
        contains(seen["reason"], "unclassifiable: ")
        contains(seen["reason"], why)
        equal((seen["state"], seen["vm"], seen["allowed_vms"], seen["interfaces"]), ("idle", None, [], None), what)
        refused = api.call("usb_attach", device_node=seen["device_node"], vm="vm1")
        equal(refused["result"], "failed", what)
        contains(refused["error"], "unclassifiable")
    equal(len(vm1.devices()), 1, "still only the honest one")


@test
def what_the_kernel_takes_is_taken_with_every_class(w):
    usb, vm1, api = w.begin([{"targetVm": "vm1", "allow": ANY}])
    for port, (_, descriptors, _, _) in enumerate(ODD):
        usb.plug(port, descriptors, STRINGS)
    for port, (what, _, interfaces, note) in enumerate(ODD):
        name = usb.sys_name(port)
        until(lambda name=name: (listed(api, name) or {}).get("state") == "attached", scaled(30), f"the VM has a device {what}")
        seen = listed(api, name)
        equal((seen["interfaces"], seen["note"]), (interfaces, note), what)
        shown = w.board.run(["/bin/sh", "-c", f"cat /sys/bus/usb/devices/{name}/{name}:*/bInterfaceClass"]).split()
        equal([c for c in shown if f":{c}" not in interfaces], [], what)
    equal(len(vm1.devices()), len(ODD))


@test
def a_twin_is_asked_about_and_does_not_follow(w):
    usb, _, api = w.begin([{"allowedVms": ["vm1", "vm2"], "allow": [HID]}])
    usb.plug(3, keyboard(VID, 1), STRINGS)
    first = api.told("usb_select_vm", timeout=scaled(20))["usb_device"]
    api.ok("usb_attach", device_node=first["device_node"], vm="vm1")
    api.told("usb_attached", vm="vm1", timeout=scaled(10))
    usb.plug(4, keyboard(VID, 1), STRINGS)  # the same vendor, product and serial number
    twin = api.told("usb_select_vm", sys_name=usb.sys_name(4), timeout=scaled(20))["usb_device"]
    equal(twin["serial"], first["serial"])
    equal(listed(api, usb.sys_name(4))["vm"], None)
    # The first one is known where it was.
    usb.unplug(3)
    api.told("usb_disconnected", sys_name=usb.sys_name(3), timeout=scaled(20))
    usb.plug(3, keyboard(VID, 1), STRINGS)
    api.told("usb_attached", sys_name=usb.sys_name(3), vm="vm1", timeout=scaled(20))


@test
def strings_that_steer_terminals_and_readers_stay_data(w):
    usb, _, api = w.begin([{"allowedVms": ["vm1", "vm2"], "allow": [{"interfaceClass": 255}]}])
    evil = {1: "\x1b[2J\x1b]0;owned\x07", 2: 'a"\n{"event":"usb_attached"}\n', 3: "\u202egnp.exe\u2066\0tail"}
    usb.plug(0, simple(VID, 7, 255), evil)
    usb.plug(1, simple(VID, 8, 255), {1: b"\x06\x03\x00\xd8\x00\xd8", 2: "\U0001f5b1" * 30, 3: b"\x03\x03\x41"})
    for port in (0, 1):
        api.told("usb_select_vm", sys_name=usb.sys_name(port), timeout=scaled(20))
    found = listed(api, usb.sys_name(0))
    # Nothing is lost of it for those who read JSON.
    contains(found["vendor_name"], "[2J")
    contains(found["product_name"], '{"event":"usb_attached"}')
    lines = []
    api.said = lambda _, line: lines.append(line)
    api.ok("usb_list")
    check(lines and not any(STEERS.search(line) for line in lines), f"a character that steers in {lines}")
    for port in (0, 1):
        usb.unplug(port)
        api.told("usb_disconnected", sys_name=usb.sys_name(port), timeout=scaled(20))
    equal(w.stop(), 0)
    for line in w.story.splitlines():  # also splits at characters that end lines for readers of Unicode
        check(line.startswith("<"), f"a line that the daemon did not write: {line!r}")
        check(not STEERS.search(line), f"a character that steers terminals or readers in {line!r}")


@test
def a_hundred_devices_at_once_all_arrive(w):
    """Twelve for each VM's ports, the others for nobody."""
    rules = [{"targetVm": vm, "allow": [{"vendorId": "f0a5", "productId": f"{n:04x}"} for n in range(at, at + 12)]}
             for vm, at in (("vm1", 0x100), ("vm2", 0x110))]
    usb, vm1, api = w.begin(rules)
    vm2 = w.vm("vm2")
    wanted = [*range(0x100, 0x10c), *range(0x110, 0x11c), *range(0x200, 0x24c)]
    for port, product in enumerate(wanted):
        usb.plug(port, simple(VID, product, 255), {1: "Maker", 2: "Thing", 3: f"n{product}"})
    def there():
        found = {int(d["pid"], 16): d for d in api.devices(all=True) if d["vid"] == "f0a5"}
        return found if len(found) == 100 and sum(d["state"] == "attached" for d in found.values()) == 24 else None

    found = until(there, scaled(60), "a hundred devices, 24 of them attached", every=0.5)
    equal({(d["vm"], d["tag"]) for p, d in found.items() if p >= 0x200}, {(None, None)})
    equal({d["vm"] for p, d in found.items() if p < 0x110}, {"vm1"})
    equal((len(vm1.devices()), len(vm2.devices())), (12, 12))
    for port in range(len(wanted)):  # and all of them gone at once
        usb.unplug(port)
    until(lambda: not vm1.devices() and not vm2.devices(), scaled(60), "no device in any VM")
    until(lambda: not [d for d in api.devices(all=True) if d["vid"] == "f0a5"], scaled(20), "an empty list")


@test
def a_bad_contact_is_left_alone_until_it_holds_and_others_are_not_affected(w):
    usb, vm1, api = w.begin([{"targetVm": "vm1", "allow": [{"vendorId": "f0a5"}]}])
    other = usb.ports - 1
    name = usb.sys_name(0)
    for n in range(20):
        usb.plug(0, simple(VID, 1, 255), STRINGS)
        until(lambda: name in w.board.usb(), scaled(10), "the device in sysfs", every=0.01)
        if n == 15:
            usb.plug(other, simple(VID, 2, 255), STRINGS)
            api.told("usb_attached", pid="0002", timeout=scaled(20))
        if n < 19:
            usb.unplug(0)
            until(lambda: name not in w.board.usb(), scaled(10), "the device out of sysfs", every=0.01)
    api.told("usb_attached", sys_name=name, timeout=scaled(60))
    until(lambda: len(vm1.devices()) == 2, scaled(10), "both in vm1")
    told = [e["event"] for _, e in api.events if e.get("usb_device", {}).get("sys_name") == name]
    check(told.count("usb_connected") < 15, f"what flaps is not told: {told}")
    for port in (0, other):
        usb.unplug(port)
    until(lambda: vm1.devices() == [], scaled(20), "both out of vm1")
    equal(w.stop(), 0)
    check(w.story.count("port flaps") >= 1, "it was said")
    check(w.story.count("port flaps") <= 3, "once for a burst")


@test
def a_device_that_switches_its_mode_keeps_its_vm(w):
    usb, vm1, _ = w.begin([])
    w.stop()
    w.start(conf([{"allowedVms": ["vm2", "vm1"], "allow": [{"vendorId": "f0a5", "productId": "0001"}]}], leaseSeconds=60))
    api = w.api()
    usb.plug(0, simple(VID, 1, 8, 6, 80), STRINGS)
    told = api.told("usb_select_vm", timeout=scaled(20))["usb_device"]
    api.ok("usb_attach", device_node=told["device_node"], vm="vm1")
    usb.unplug(0)
    usb.plug(0, simple(VID, 2, 255), STRINGS)  # no rule knows it
    api.told("usb_attached", pid="0002", vm="vm1", timeout=scaled(20))
    equal(len(vm1.devices()), 1)


@test
def a_device_that_never_tells_its_strings_delays_nobody(w):
    usb, _, api = w.begin([{"targetVm": "vm1", "allow": [HID]}])
    other = usb.ports - 1  # another hub: the kernel itself lets the ports of one hub wait for each other
    usb.plug(0, keyboard(VID, 1), STRINGS, mute=(1, 2, 3))
    until(lambda: usb.seen(0) > 0, scaled(10), "the kernel's first question")
    usb.plug(other, keyboard(VID, 1), STRINGS)
    api.told("usb_attached", sys_name=usb.sys_name(other), vm="vm1", timeout=scaled(20))
    equal(listed(api, usb.sys_name(0)), None)


if __name__ == "__main__":
    main(Devices)
