"""Connectors: rules, requests and what is remembered name a socket, whatever the bus numbers. Two made-up controllers."""
import json
import os
import subprocess

from fakehost import STORAGE
from tap import check, contains, equal, run, scaled, test
from world import BINARY, KEYBOARD, World, rule

A, B = "pci0000:00/0000:00:03.0", "pci0000:00/0000:00:10.0"
PATH_A, PATH_B = A.replace("/", "-"), B.replace("/", "-")
FRONT = {"name": "front", "ports": [f"{PATH_A}/2:2", f"{PATH_A}/3:5"]}


def buses(w, first, second):
    """Both controllers, in this order: buses 2 and 3 are the halves of the first one, 4 and 5 those of the second one."""
    for n, (controller, speed) in enumerate(((first, "480"), (first, "5000"), (second, "480"), (second, "5000"))):
        w.host.bus(2 + n, controller, speed)


def no_buses(w):
    for n in range(2, 6):
        w.host.vanish(w.host.devices[f"usb{n}"])


def vm_of(api, device):
    return api.list(all=True)[device.node]["vm"]


@test
def a_rule_for_a_connector_holds_in_either_order_of_the_controllers(w):
    w.qemu("vm1")
    buses(w, A, B)
    w.daemon(w.conf([rule("vm1", {"connector": "front"})], connectors=[FRONT]))
    api = w.api(events=True)
    kbd = w.host.plug("2-2")
    event = api.await_event("usb_attached")
    equal((event["vm"], event["usb_device"]["connector"], event["usb_device"]["stable_path"]), ("vm1", "front", f"{PATH_A}/2:2"))
    other = w.host.plug("4-2")  # the same port of the other controller
    api.await_event("usb_connected", device_node=other.node)
    equal(vm_of(api, other), None)
    w.host.unplug(kbd)
    w.host.unplug(other)
    api.list_until(lambda l: kbd.node not in l and other.node not in l, all=True)
    no_buses(w)
    buses(w, B, A)
    kbd = w.host.plug("4-2")
    equal(api.await_event("usb_attached")["usb_device"]["device_node"], kbd.node)
    other = w.host.plug("2-2")
    api.await_event("usb_connected", device_node=other.node)
    equal(vm_of(api, other), None)
    w.host.unplug(kbd)
    fast = w.host.plug("5-5", 0x0951, 0x1666, [STORAGE])  # the other side of the socket
    equal(api.await_event("usb_attached")["usb_device"]["stable_path"], f"{PATH_A}/3:5")
    api.given("vm1", fast)


@test
def what_was_decided_about_a_device_without_a_serial_number_is_the_connectors(w):
    w.qemu("vm1")
    buses(w, A, B)
    conf = w.conf([rule("vm1", KEYBOARD)], connectors=[FRONT], persistency=True, statePath=os.path.join(w.dir, "state"))
    daemon = w.daemon(conf)
    api = w.api()
    kbd = w.host.plug("2-2")
    api.given("vm1", kbd)
    api.ok("usb_detach", connector="front")
    with open(os.path.join(w.dir, "state"), encoding="utf-8") as f:
        state = json.load(f)
    equal([(d["connector"], d.get("port")) for d in state["devices"]], [(f"{PATH_A}/2:2", None)])
    w.host.unplug(kbd)
    daemon.stop()
    no_buses(w)
    buses(w, B, A)
    w.daemon(conf)
    api = w.api()
    kbd, twin = w.host.plug("4-2"), w.host.plug("2-2")  # the latter is where the number was
    api.given("vm1", twin)
    equal([api.list(all=True)[d.node]["disconnected"] for d in (kbd, twin)], [True, False])
    side = w.host.plug("5-5")
    api.list_until(lambda l: side.node in l and l[side.node]["disconnected"], all=True)


@test
def an_entry_of_an_earlier_version_becomes_the_connectors(w):
    w.qemu("vm1")
    buses(w, A, B)
    path = os.path.join(w.dir, "state")
    with open(path, "w", encoding="utf-8") as f:
        json.dump({"selected_vms": {}, "disconnected_devices": ["usb-046d:c31c:None"],
                   "devices": [{"id": "usb-046d:c31c:None", "port": "2-2", "disconnected_by": "admin"}]}, f)
    w.host.place("2-2")
    w.daemon(w.conf([rule("vm1", KEYBOARD)], persistency=True, statePath=path))
    api = w.api()

    def bound():
        with open(path, encoding="utf-8") as f:
            return json.load(f)["devices"][0].get("connector")

    api.list_until(lambda _: bound() == f"{PATH_A}/2:2")


@test
def clients_name_a_connector(w):
    w.qemu("vm1")
    buses(w, A, B)
    w.daemon(w.conf([rule("vm1", KEYBOARD)], connectors=[FRONT]))
    api = w.api()
    kbd, other = w.host.plug("2-2.4", 0x046d, 0xc31c, manufacturer="Acme"), w.host.plug("4-7")
    api.given("vm1", kbd, other)
    equal(list(api.list(connector="front")), [kbd.node])
    equal(list(api.list(connector=f"{PATH_B}/2:7")), [other.node])
    equal(list(api.list(connector="rear")), [])
    equal(w.cli("usb", "list", "--short", "--connector", "front").stdout, "046d:c31c Logitech, Inc. Keyboard K120\n")
    equal(w.cli("usb", "detach", "--connector", "front").returncode, 0)
    api.list_until(lambda l: l[kbd.node]["disconnected"])
    equal(w.cli("usb", "attach", f"{PATH_A}/2:2.4").returncode, 0)
    api.given("vm1", kbd)
    done = w.cli("usb", "detach", "--connector", "rear")
    equal(done.returncode, 1)
    contains(done.stderr, "no connector 'rear' is configured, and it is no stable path")
    explained = w.cli("explain", f"{PATH_A}/2:2.4").stdout
    contains(explained, "  connector   front\n")
    contains(explained, f"  stable path {PATH_A}/2:2.4\n")
    equal([e["connector"] for e in api.ok("history", connector="front")["events"]], ["front"] * 4)
    equal({e["connector"] for e in api.ok("history", connector=f"{PATH_B}/2:7")["events"]}, {f"{PATH_B}/2:7"})
    described = api.ok("explain", device={"vid": "046d", "pid": "c31c", "connector": "front"})["usb_device"]
    equal((described["connector"], described["stable_path"]), ("front", f"{PATH_A}/2:2"))
    api.fails("usb_attach", "at most 191 bytes", connector="x" * 192)


@test
def a_rule_is_printed_for_the_connector(w):
    w.qemu("vm1")
    buses(w, A, B)
    w.daemon(w.conf([rule("vm1", KEYBOARD)], connectors=[FRONT]))
    api = w.api()
    devices = [w.host.plug(port) for port in ("2-2.1", "2-2.2", "4-7")]
    api.given("vm1", *devices)
    done = w.cli("usb", "rule", "2-2.1", "--by", "connector")
    equal((done.returncode, json.loads(done.stdout)["allow"]), (0, [{"connector": "front"}]))
    equal(done.stderr, "It would match these as well:\n  2-2.2 Logitech, Inc. Keyboard K120\n")
    done = w.cli("usb", "rule", "--connector", f"{PATH_B}/2:7", "--by", "connector", "--vm", "vm2")
    equal(json.loads(done.stdout)["allow"], [{"connector": f"{PATH_B}/2:7"}])
    equal(done.stderr, "It matches nothing else that is plugged in now.\n")
    equal(w.cli("usb", "rule", "--connector", "front").returncode, 1)  # two of them


def doctor(w, conf, *options):
    path = os.path.join(w.dir, "doctor.conf")
    with open(path, "w", encoding="utf-8") as f:
        json.dump(conf, f)
    return subprocess.run([BINARY, "doctor", "--root", w.host.root, "-c", path, *options], capture_output=True, text=True,
                          timeout=scaled(20), check=False)


@test
def the_sockets_of_the_host_are_a_configuration(w):
    buses(w, A, B)
    w.host.port(2, 1, (3, 5), 0x80000301, "hotplug")
    w.host.port(3, 5, (2, 1), 0x80000301, "hotplug")
    w.host.port(2, 2, (3, 2), 0, "unknown")
    w.host.port(2, 10, None, 0x80000302, "hardwired")
    w.host.port(3, 2, (2, 2), 0, "unknown")
    w.host.port(4, 1, None, 0, "not used")
    w.host.port(4, 2, None, 0, "unknown")
    w.host.place("2-1")
    done = doctor(w, {"general": {"connectors": [{"name": "mine", "ports": [f"{PATH_B}/2:2", f"{PATH_B}/3:9"]}]}}, "--connectors")
    equal(done.returncode, 0, done.stderr)
    equal(done.stderr, f"""PORT                          TYPE       LOCATION    OTHER SIDE  DEVICE    CONNECTOR
{PATH_A}/2:1   hotplug    0x80000301  3:5         2-1       -
{PATH_A}/2:2   unknown    -           3:2?        -         -
{PATH_A}/2:10  hardwired  0x80000302  -           -         -
{PATH_A}/3:2   unknown    -           2:2?        -         -
{PATH_A}/3:5   hotplug    0x80000301  2:1         -         -
{PATH_B}/2:1   not used   -           -           -         -
{PATH_B}/2:2   unknown    -           -           -         mine
""")
    connectors = json.loads(done.stdout)["general"]["connectors"]
    equal([(c["name"], c["ports"], c["description"]) for c in connectors], [
        ("socket-1", [f"{PATH_A}/2:1", f"{PATH_A}/3:5"], "hotplug, location 0x80000301, now 2-1"),
        ("socket-2", [f"{PATH_A}/2:2"], f"unknown, other side perhaps {PATH_A}/3:2"),
        ("socket-3", [f"{PATH_A}/2:10"], "hardwired, location 0x80000302"),
        ("socket-4", [f"{PATH_A}/3:2"], f"unknown, other side perhaps {PATH_A}/2:2"),
        ("mine", [f"{PATH_B}/2:2", f"{PATH_B}/3:9"], "unknown")])
    again = doctor(w, json.loads(done.stdout), "--connectors")  # it is a configuration, and its own
    equal(json.loads(again.stdout), json.loads(done.stdout))


@test
def no_more_sockets_are_named_than_a_configuration_may_have(w):
    buses(w, A, B)
    for n in range(1, 101):
        w.host.port(2, n)
        w.host.port(4, n)
    done = doctor(w, {}, "--connectors")
    equal(len(json.loads(done.stdout)["general"]["connectors"]), 128)
    contains(done.stderr, "(72 more sockets have no name: a configuration has at most 128)")
    again = doctor(w, json.loads(done.stdout), "--connectors")
    equal(again.returncode, 0, again.stderr)


@test
def a_host_without_ports_has_no_connectors(w):
    done = doctor(w, {}, "--connectors")
    equal((done.returncode, done.stdout), (1, ""))
    contains(done.stderr, "no USB port")
    done = subprocess.run([BINARY, "--connectors"], capture_output=True, text=True, timeout=scaled(20), check=False)
    equal(done.returncode, 2)
    contains(done.stderr, "--connectors goes with doctor")


def checked(w, entries):
    path = os.path.join(w.dir, "check.conf")
    with open(path, "w", encoding="utf-8") as f:
        json.dump(w.conf([rule("vm1", *entries)]), f)
    return subprocess.run([BINARY, "--check", "--strict", "--root", w.host.root, "-c", path], capture_output=True, text=True,
                          timeout=scaled(20), check=False)


@test
def a_check_warns_of_bus_numbers_that_may_change(w):
    by_bus = [{"bus": 2, "port": 1}, {"bus": 3}]
    equal(checked(w, by_bus).returncode, 0)  # one controller
    buses(w, A, B)
    done = checked(w, by_bus)
    equal(done.returncode, 1)
    contains(done.stdout, "check.conf:1: warning: 'bus' in 2 entries: this host has 3 USB controllers")
    equal(checked(w, [{"connector": f"{PATH_A}/2:1"}]).returncode, 0)
    equal(checked(w, [{"bus": 2, "disable": True}, {"vendorId": "046d"}]).returncode, 0)


@test
def firmware_joins_the_sides_of_a_socket(w):
    w.qemu("vm1")
    buses(w, A, B)
    w.host.port(2, 1, (3, 5), 0x80000301, "hotplug")
    w.host.port(3, 5, (2, 1), 0x80000301, "hotplug")
    w.host.port(2, 2, (3, 2))
    w.host.port(3, 2, (2, 2))
    w.daemon(w.conf([rule("vm1", {"connector": f"{PATH_A}/2:1"}, {"connector": f"{PATH_A}/2:2"})]))
    api = w.api()
    fast, guess = w.host.plug("3-5", 0x0951, 0x1666, [STORAGE]), w.host.plug("3-2", 0x0951, 0x1666, [STORAGE])
    api.given("vm1", fast)
    w.rest(api)
    listed = api.list(all=True)
    equal((listed[fast.node]["connector"], listed[fast.node]["stable_path"]), (f"{PATH_A}/2:1", f"{PATH_A}/3:5"))
    equal((listed[guess.node]["connector"], listed[guess.node]["vm"]), (f"{PATH_A}/3:2", None))
    check(listed[guess.node]["reason"] == "no rule applies", listed[guess.node]["reason"])


if __name__ == "__main__":
    run(World)
