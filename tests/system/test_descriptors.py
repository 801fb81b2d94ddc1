"""Devices whose descriptors are odd, as the kernel shows them: what it takes is taken, with every class of every alternate setting."""
import os
import struct

from fakehost import HUB
from tap import check, contains, equal, run, test
from world import World, rule

VENDOR = 0xF0A5
ANY = {"vendorId": "f0a5"}


def interface(number, cls, sub=0, proto=0, alternate=0):
    return bytes((9, 4, number, alternate, 1, cls, sub, proto, 0, 7, 5, 0x81 + number, 3, 8, 0, 10))


def config(body, interfaces=1, value=1, total=None):
    return struct.pack("<BBHBBBBB", 9, 2, 9 + len(body) if total is None else total, interfaces, value, 0, 0x80, 50) + body


def whole(data):
    """What usb_parse_configuration() keeps: descriptors as long as their lengths fit."""
    at = 0
    while len(data) - at >= 2 and 2 <= data[at] <= len(data) - at:
        at += data[at]
    return data[:at]


def kernel(product, *configs, device_class=(0, 0, 0)):
    """The file `descriptors`: each configuration is cut to what it says and what is whole, and keeps its own wTotalLength."""
    out = struct.pack("<BBHBBBBHHHBBBB", 18, 1, 0x0200, *device_class, 64, VENDOR, product, 0x0100, 1, 2, 3, len(configs))
    for c in configs:
        out += whole(c[:max(9, struct.unpack_from("<H", c, 2)[0])])
    return out


def plug(w, port, *configs, **attributes):
    product = int(port.split("-")[1])
    return w.host.plug(port, VENDOR, product, [], descriptors=kernel(product, *configs), **attributes)


def settled(w, api, count, attached):
    """All devices of the test, by their port, once each is where it stays; so many of them are in a VM."""
    w.rest(api)
    listed = {d["sys_name"]: d for d in api.list(all=True).values() if d["vid"] == "f0a5"}
    equal((len(listed), sum(d["vm"] is not None for d in listed.values())), (count, attached), str(listed))
    equal({d["state"] for d in listed.values()} - {"attached", "idle"}, set(), str(listed))
    return listed


@test
def what_says_more_than_it_has_is_taken_and_noted(w):
    w.qemu("vm1")
    w.daemon(w.conf([rule("vm1", ANY)], vms=("vm1",)))
    serial_port = interface(0, 2, 2, 1) + interface(1, 10)
    association = bytes((8, 11, 0, 2, 2, 2, 1, 0))
    plug(w, "1-1", config(interface(0, 6, 1, 1)), config(interface(0, 255, 254, 2) + bytes((12, 36, 0)), value=2, total=48))
    plug(w, "1-2", config(serial_port, interfaces=2)[:38])
    plug(w, "1-3", config(association + serial_port + bytes((7, 5, 1, 2, 64, 0, 0)), interfaces=2, total=9 + len(serial_port) + 7))
    plug(w, "1-4", config(interface(0, 254, 1, 2) + b"D"))
    plug(w, "1-5", config(interface(0, 3, 1, 1) + bytes((0, 5, 0, 0)) + interface(1, 8, 6, 80)))
    plug(w, "1-6", config(interface(0, 3, 1, 1)))
    got = settled(w, w.api(), 6, 6)
    equal({port: (d["vm"], d["interfaces"], d["reason"]) for port, d in got.items()}, {
        "1-1": ("vm1", ":060101:fffe02:", None), "1-2": ("vm1", ":020201:0a0000:", None), "1-3": ("vm1", ":020201:0a0000:", None),
        "1-4": ("vm1", ":fe0102:", None), "1-5": ("vm1", ":030101:", None), "1-6": ("vm1", ":030101:", None)})
    notes = {port: d.get("note") for port, d in got.items()}
    equal(notes, {**dict.fromkeys(("1-1", "1-2", "1-3", "1-4", "1-5"), "wTotalLength is wrong"), "1-6": None})
    equal(w.api().ok("explain", vid="f0a5", pid="0004")["usb_device"]["note"], "wTotalLength is wrong")


@test
def what_miscounts_its_interfaces_is_taken_and_noted(w):
    w.qemu("vm1")
    w.daemon(w.conf([rule("vm1", ANY)], vms=("vm1",)))
    plug(w, "1-1", config(interface(0, 1, 1, 32) + interface(1, 1, 2, 32), interfaces=3))
    plug(w, "1-2", config(interface(0, 3) + interface(1, 3) + interface(4, 2, 2, 1) + interface(5, 10), interfaces=3))
    plug(w, "1-3", config(b"", interfaces=2))
    plug(w, "1-4", config(interface(0, 3), interfaces=255))
    got = settled(w, w.api(), 4, 4)
    equal({port: (d["vm"], d["interfaces"], d["note"]) for port, d in got.items()}, {
        "1-1": ("vm1", ":010120:010220:", "bNumInterfaces is wrong"),
        "1-2": ("vm1", ":030000:030000:020201:0a0000:", "bNumInterfaces is wrong"),
        "1-3": ("vm1", None, "bNumInterfaces is wrong"), "1-4": ("vm1", ":030000:", "bNumInterfaces is wrong")})


@test
def all_interfaces_takes_what_is_nothing_else_whatever_the_setting(w):
    w.qemu("vm1")
    w.daemon(w.conf([rule("vm1", {"allInterfaces": [{"interfaceClass": 3}]}, description="keyboards")], vms=("vm1",)))
    keys, disk = interface(0, 3, 1, 1), interface(1, 8, 6, 80)
    plug(w, "1-1", config(keys + interface(1, 3, 0, 0), interfaces=2))
    stick = plug(w, "1-2", config(keys + disk, interfaces=2))
    plug(w, "1-3", config(keys + interface(0, 8, 6, 80, 1)))
    plug(w, "1-4", config(keys), config(interface(0, 8, 6, 80), value=2))
    plug(w, "1-5", config(disk, interfaces=1))
    got = settled(w, w.api(), 5, 1)
    equal({port: d["vm"] for port, d in got.items()}, {**dict.fromkeys(("1-2", "1-3", "1-4", "1-5")), "1-1": "vm1"})
    contains(w.cli("explain", "--devnode", stick.node).stdout, """rule 0 (line 1, keyboards): no allow entry matches
  allow[0] (line 1) differs in allInterfaces
    an interface of none of these classes: 080650

decides:  no rule
""")


@test
def a_class_in_another_alternate_setting_alone_is_denied(w):
    w.qemu("vm1")
    w.daemon(w.conf([rule("vm1", {"interfaceClass": 8}, deny=[{"interfaceClass": 3}])], vms=("vm1",)))
    for port, alternates in (("1-1", (0,)), ("1-2", (1,)), ("1-3", (255,)), ("1-4", (7, 3))):
        keyboard = b"".join(interface(1, 3, 1, 1, n) for n in alternates)
        plug(w, port, config(interface(0, 8, 6, 80) + keyboard, interfaces=2))
    plug(w, "1-5", config(interface(0, 8, 6, 80) + interface(0, 3, 1, 1, 1)))
    plug(w, "1-6", config(interface(0, 8, 6, 80)), config(interface(0, 3, 1, 1, 2), value=2))
    plug(w, "1-7", config(interface(0, 8, 6, 80)))
    api = w.api()
    got = settled(w, api, 7, 1)
    equal({port: d["vm"] for port, d in got.items()}, {**dict.fromkeys(("1-1", "1-2", "1-3", "1-4", "1-5", "1-6")), "1-7": "vm1"})
    equal({d["interfaces"] for port, d in got.items() if port != "1-7"}, {":080650:030101:"})
    equal(got["1-2"]["note"], "an interface has no alternate setting 0")
    check("note" not in got["1-1"])


@test
def a_hub_in_whatever_alternate_setting_stays_with_the_host(w):
    w.qemu("vm1")
    w.daemon(w.conf([rule("vm1", ANY)], vms=("vm1",)))
    plug(w, "1-1", config(interface(0, *HUB, alternate=1)))
    plug(w, "1-2", config(interface(0, 255) + interface(0, *HUB, alternate=5)))
    plug(w, "1-3", config(interface(0, 255)), config(interface(0, *HUB, alternate=2), value=2))
    honest = plug(w, "1-4", config(interface(0, 255)))
    api = w.api()
    listed = settled(w, api, 4, 1)
    equal(listed[honest.name]["state"], "attached")
    for port in ("1-1", "1-2", "1-3"):
        equal((listed[port]["vm"], listed[port]["reason"]), (None, "stays with the host: it is a hub"), port)


@test
def rules_find_what_only_a_later_alternate_setting_says(w):
    for vm in ("ipp", "uas", "rest"):
        w.qemu(vm)
    w.daemon(w.conf([rule("ipp", {"interfaceClass": 7, "interfaceProtocol": 4}), rule("uas", {"interfaceClass": 8, "interfaceProtocol": 98}),
                     rule("rest", {"interfaceClass": 255}, deny=[{"interfaceClass": 7}])], vms=("ipp", "uas", "rest")))
    plug(w, "1-1", config(interface(0, 7, 1, 2) + interface(0, 7, 1, 4, 1)))
    plug(w, "1-2", config(interface(0, 255, 0, 255) + interface(0, 7, 1, 4, 1)))
    plug(w, "1-3", config(interface(0, 8, 6, 80) + interface(0, 8, 6, 98, 1)))
    plug(w, "1-4", config(interface(0, 255, 0, 255) + interface(0, 7, 1, 2, 1)))
    plug(w, "1-5", config(interface(0, 255, 0, 255) + interface(0, 255, 0, 255, 1)))
    api = w.api()
    got = settled(w, api, 5, 4)
    equal({port: d["vm"] for port, d in got.items()}, {"1-1": "ipp", "1-2": "ipp", "1-3": "uas", "1-4": None, "1-5": "rest"})
    equal(got["1-5"]["interfaces"], ":ff00ff:")  # each class of an interface once


@test
def what_cannot_be_told_apart_is_given_to_nobody(w):
    w.qemu("vm1")
    w.daemon(w.conf([rule("vm1", ANY)], vms=("vm1",)))
    plug(w, "1-1", config(interface(0, 3) + config(interface(1, 8, 6, 80))))
    plug(w, "1-2", config(interface(0, 3) + kernel(9)))
    plug(w, "1-3", config(interface(0, 3) + bytes((8, 4, 1, 0, 0, 8, 6, 80))))
    plug(w, "1-4", config(b"".join(interface(n, 3) for n in range(65)), interfaces=65))
    plug(w, "1-5", config(b"".join(interface(0, 3, n, 1, n) for n in range(65))))
    api = w.api()
    for port, d in settled(w, api, 5, 0).items():
        contains(d["reason"], "unclassifiable: ")
        equal((d["vm"], d["interfaces"], d.get("note")), (None, None, None), port)
        api.fails("usb_attach", "unclassifiable", device_node=d["device_node"], vm="vm1")


def adapter(w):
    """The usual gigabit adapter: its maker's own configuration and one of CDC, and the module for the first one."""
    w.host.write("proc/sys/kernel/osrelease", "6.1.0-test\n")
    os.makedirs(w.host.path("lib/modules/6.1.0-test"))
    w.host.write("lib/modules/6.1.0-test/modules.alias", "alias usb:vF0A5p*d*dc*dsc*dp*icFFiscFFip00in* r8152\n")
    w.host.write("lib/modules/6.1.0-test/modules.dep", "kernel/drivers/net/usb/r8152.ko:\n")
    w.qemu("net")
    w.daemon(w.conf([rule("net", {"driverPath": ".*/kernel/drivers/net/.*"})], vms=("net",)))
    return config(interface(0, 255, 255, 0)), config(interface(0, 2, 6, 0) + interface(1, 10), interfaces=2, value=2)


@test
def the_driver_is_that_of_the_active_configuration(w):
    own, cdc = adapter(w)
    plug(w, "1-1", own)
    plug(w, "1-2", own, cdc)  # sysfs does not say which one is active
    plug(w, "1-3", own, cdc, bConfigurationValue="")
    plug(w, "1-4", own, cdc, bConfigurationValue="1")
    plug(w, "1-5", own, cdc, bConfigurationValue="2")
    plug(w, "1-6", cdc, bConfigurationValue="2")
    got = settled(w, w.api(), 6, 4)
    equal({port: d["vm"] for port, d in got.items()}, {"1-1": "net", "1-2": "net", "1-3": "net", "1-4": "net", "1-5": None, "1-6": None})


@test
def another_configuration_is_another_driver(w):
    own, cdc = adapter(w)
    device = plug(w, "1-1", own, cdc, bConfigurationValue="2")
    api = w.api()
    equal(settled(w, api, 1, 0)["1-1"]["vm"], None)
    w.host.write(f"{device.directory}/bConfigurationValue", "1\n")
    w.host.event("bind", device)  # the maker's driver was loaded, and has chosen its own
    api.list_until(lambda l: l.get(device.node, {}).get("vm") == "net")


run(World)
