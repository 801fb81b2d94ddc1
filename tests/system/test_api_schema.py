"""docs/api.schema.json is held to what the daemon says and takes: by its tables, by the documentation, and by a run of every action."""
import json
import os
import re
import socket

from actions import actions
from fakehost import HID_KEYBOARD, STORAGE
from pcihost import pci
from tap import check, equal, run, test
from validator import Draft202012Validator
from world import KEYBOARD, STICK, TOP, World, free_port, rule

TCP = (socket.AF_INET, socket.SOCK_STREAM)

with open(os.path.join(TOP, "docs/api.schema.json"), encoding="utf-8") as file:
    SCHEMA = json.load(file)
Draft202012Validator.check_schema(SCHEMA)


def validator(name):
    return Draft202012Validator({"$defs": SCHEMA["$defs"], "$ref": f"#/$defs/{name}"})


def valid(name, line):
    return validator(name).is_valid(line)


def must(name, line):
    for error in validator(name).iter_errors(line):
        check(False, f"{name}: {error.json_path}: {error.message[:300]} in {str(line)[:500]}")


def source(path):
    with open(os.path.join(TOP, path), encoding="utf-8") as f:
        return f.read()


def defined(prefix):
    return {name.removeprefix(prefix) for name in SCHEMA["$defs"] if name.startswith(prefix)}


@test
def every_action_and_every_event_has_its_schema(w):
    table = actions()
    check(len(table) > 15, str(table))
    equal((defined("request_"), defined("reply_")), (set(table), set(table)))
    events = set(re.findall(r'"((?:usb|pci)_\w+)"', re.search(r"api_event_name.*?\n\}", source("src/api/api.c"), re.S)[0]))
    for path in ("src/api/api.c", "src/api/audit.c", "src/server/client.c", "src/server/server.c"):
        events |= set(re.findall(r'\{\\"event\\": \\"(\w+)\\"', source(path)))
    equal(defined("event_"), events)
    for kind, of in (("request", "request_"), ("event", "event_")):
        equal({s["$ref"].removeprefix(f"#/$defs/{of}") for s in SCHEMA["$defs"][kind]["oneOf"]}, defined(of))
    equal({s["$ref"].removeprefix("#/$defs/") for s in SCHEMA["$defs"]["reply"]["anyOf"]}, {"failed"} | {f"reply_{a}" for a in table})
    equal(set(re.findall(r"#/\$defs/(\w+)", json.dumps(SCHEMA))) | {"request", "reply", "event"}, set(SCHEMA["$defs"]), "what nobody refers to")


@test
def the_documents_requests_and_events_are_valid(w):
    text = source("docs/api.md")
    lines = re.findall(r'\{"action": .*?\}(?=`|\n)', text)
    equal(len(lines), text.count('{"action"'))
    for line in lines:
        request = json.loads(line)
        if request["action"] == "usb_fly":
            check(not valid("request", request), line)
        else:
            must("request", request)
    for name in re.findall(r'^\{"event": "(\w+)"', text, re.M):
        check(name in defined("event_"), name)


WRONG = [  # requests
    {}, {"action": None}, {"action": "usb_fly"}, {"action": ["usb_list"]}, {"action": "usb_list", "disconnected": "yes"},
    {"action": "usb_list", "all": 1}, {"action": "usb_list", "verify": "true"}, {"action": "usb_list", "tag": 7}, {"action": "usb_attach"},
    {"action": "usb_attach", "vid": "046d"}, {"action": "usb_attach", "vid": "46d", "pid": "c31c"}, {"action": "usb_attach", "vid": 1133, "pid": 49948},
    {"action": "usb_attach", "bus": 1}, {"action": "usb_attach", "bus": 300, "port": 1}, {"action": "usb_attach", "bus": 1, "port": "x"},
    {"action": "usb_attach", "device_node": "/dev/sda"}, {"action": "usb_attach", "sys_name": "usb1"}, {"action": "usb_detach", "tag": None},
    {"action": "usb_detach", "tag": "x" * 64}, {"action": "usb_suspend", "vm": 3}, {"action": "explain"}, {"action": "explain", "device": 3}, {"action": "explain", "address": "1f.3"},
    {"action": "history", "vid": "x"}, {"action": "pci_list", "disconnected": 0}, {"action": "vmm_args"}, {"action": "vmm_args", "vm": None},
    {"action": "evdev_list", "all": 1}, {"action": "evdev_list", "tag": 1},
    {"action": "vmm_args", "vm": "vm1", "require_pci": "no"},
    {"action": "vmm_args", "vm": "vm1", "qemu_bus_prefix": "p,q"}, {"action": "vmm_args", "vm": "vm1", "qemu_bus_start_index": -1}, {"action": "enable_notifications", "audit": "yes"}, {"action": "version", "id": {}},
    {"action": "stats", "id": True},
]


@test
def what_the_schema_refuses_the_daemon_refuses(w):
    w.daemon(w.conf())
    api = w.api()
    for request in WRONG:
        check(not valid("request", request), f"valid: {request}")
        api.send(request)
        must("failed", api.response())
    for reply in ({"result": "maybe"}, {"result": "failed"}, {"result": "failed", "error": ""}, {"result": "ok", "usb_devices": [{}]},
                  {"result": "ok", "more": 1}, {"error": "x"}, {"result": "ok", "id": None}, {"result": "ok", "pci_devices": [{"address": "1"}]}):
        check(not valid("reply", reply), f"valid: {reply}")
    for event in ({"event": "usb_gone"}, {"event": "usb_connected"}, {"event": "usb_connected", "usb_device": {}}, {"event": "notifications_lost"},
                  {"event": "notifications_lost", "count": 0}, {"event": "state_corrupt", "error": "x", "closed": 1}, {"event": "audit"}):
        check(not valid("event", event), f"valid: {event}")


class Watched:
    """A client all of whose lines must be valid."""

    def __init__(self, api, done):
        self.api, self.done = api, done

    def ask(self, action, expected="ok", **fields):
        request = {"action": action, **fields}
        must("request", request)
        reply = self.api.ask(action, **fields)
        equal(reply["result"], expected, str(reply)[:500])
        must("failed" if expected == "failed" else f"reply_{action}", reply)
        must("reply", reply)
        self.done.add((action, expected))
        return reply

    def events(self):
        names = set()
        for message in self.api.lines:
            if "event" in message:
                must("event", message)
                must("event_" + message["event"], message)
                names.add(message["event"])
        return names


@test
def all_lines_of_a_run_of_every_action_are_valid(w):
    port = free_port()
    state = os.path.join(w.dir, "state.json")
    with open(state, "w", encoding="ascii") as f:
        f.write("{")  # lost: the daemon tells it
    w.qemu("vm1"), w.qemu("vm2")
    conf = w.conf([rule("vm1", KEYBOARD, tag="keys", deny=[{"vendorId": "1234"}]), rule(["vm1", "vm2"], STICK), rule("vm1", {"bus": 9}, disable=True)],
                  persistency=True, statePath=state, api={"transports": ["unix", "tcp"], "port": port})
    conf["acpiPassthrough"] = [{"targetVm": "vm1", "allow": [{"acpiTable": "/none"}]}]
    conf["pciPassthrough"] = [{"targetVm": "vm2", "tag": "audio", "pciIommuAddAll": True, "allow": [{"deviceClass": 4}], "deny": [{"vendorId": "1234"}]}]
    pci(w, "0000:00:1f.3", "0x8086", "0x51c8", "0x040300", "snd_hda_intel", "6")
    pci(w, "0000:00:1f.4", "0x8086", "0x51a3", "0x0c0500", "i801_smbus", "6")
    w.daemon(conf)
    done = set()
    admin = Watched(w.api(), done)
    operator = Watched(w.api((TCP, ("127.0.0.1", port))), done)
    admin.ask("enable_notifications", audit=True)
    operator.ask("enable_notifications", id="o")
    admin.api.await_event("state_corrupt")
    keyboard = w.host.plug("1-2", 0x046d, 0xc31c, [HID_KEYBOARD], serial="S1")
    admin.api.await_event("usb_attached")
    stick = w.host.plug("1-3.1", 0x0951, 0x1666, [STORAGE])
    admin.api.await_event("usb_select_vm")
    admin.ask("state_acknowledge", id=1)
    admin.ask("usb_attach", device_node=stick.node, vm="vm2")
    admin.ask("usb_attach", expected="failed", vid="ffff", pid="0001")
    for fields in ({}, {"all": True}, {"tag": "keys"}, {"tag": "none"}, {"verify": True}, {"disconnected": False, "id": 7}):
        admin.ask("usb_list", **fields)
        operator.ask("usb_list", **fields)
    admin.ask("explain", device_node=stick.node)
    admin.ask("explain", bus="1", port=2, id="e")
    admin.ask("explain", device={"vid": "1234", "pid": "5678", "interfaces": ":030101:", "port": "2.1", "removable": "fixed"})
    operator.ask("explain", expected="failed", tag="keys")
    for address in ("0000:00:1f.3", "0000:00:1F.4"):
        admin.ask("explain", address=address)
    operator.ask("explain", expected="failed", address="0000:00:1f.5")
    for client in (admin, operator):
        for action in ("stats", "rules", "version", "pci_list", "evdev_list", "vmm_list", "history"):
            client.ask(action)
        client.ask("pci_list", all=True, tag=None)
        client.ask("evdev_list", all=True, tag=None)
        client.ask("history", sys_name="1-2")
    admin.ask("vmm_args", vm="vm1", require_pci=None)
    operator.ask("vmm_args", vm="vm1", qemu_bus_prefix="pci_hotplug_", qemu_bus_start_index=1, id="a")
    admin.ask("vmm_args", vm="vm1", qemu_bus_prefix=None, qemu_bus_start_index="1")
    admin.ask("vmm_args", expected="failed", vm="vm2")
    for action in ("pci_attach", "pci_detach"):
        admin.ask(action, expected="failed", tag="net")
    pci(w, "0000:00:05.0", "0x8086", "0x51c8", "0x040300", "snd_hda_intel")
    operator.ask("pci_list")  # reads them
    admin.api.await_event("pci_connected")
    admin.ask("pci_detach", address="0000:00:05.0")
    os.unlink(w.host.path("sys/bus/pci/devices/0000:00:05.0"))
    operator.ask("pci_list")  # reads them
    admin.api.await_event("pci_disconnected")
    for action in ("pci_suspend", "pci_resume", "usb_suspend", "usb_resume"):
        admin.ask(action, vm="vm1")
    admin.ask("usb_detach", sys_name="1-2")
    admin.ask("reload")
    with open(os.path.join(w.dir, "vhotplug.conf"), "w", encoding="utf-8") as f:
        f.write('{"usbPassthrough": 1}')
    admin.ask("reload", expected="failed")
    operator.ask("reload", expected="failed")
    admin.ask("stats")
    for device in (stick, keyboard):  # one after the other: of two at once the workers tell in any order
        w.host.unplug(device)
        admin.api.await_event("usb_disconnected", sys_name=device.name)
    operator.api.await_event("usb_disconnected", sys_name=keyboard.name)
    admin.ask("disable_notifications")
    elsewhere = {"pci_attach"}  # there is no VFIO here: board/test_pci.py
    equal({action for action, how in done if how == "ok"}, set(actions()) - elsewhere)
    equal(admin.events(), defined("event_") - {"notifications_lost", "pci_attached", "pci_detached"})
    check({"usb_connected", "usb_attached", "usb_detached", "usb_disconnected"} <= operator.events(), "an operator's events")


@test
def what_a_guest_and_an_observer_are_told_is_valid(w):
    port = free_port()
    w.qemu("vm1")
    w.daemon(w.conf([rule("vm1", KEYBOARD), rule(["vm1", "vm2"], STICK)], api={"transports": ["unix", "tcp"], "port": port, "clients": [
        {"uid": os.getuid(), "role": "observer"}, {"tcp": "127.0.0.1", "role": "guest", "vm": "vm1"}]}))
    observer, done = Watched(w.api(), set()), set()
    observer.ask("enable_notifications")
    keyboard = w.host.plug("1-2", 0x046d, 0xc31c, [HID_KEYBOARD], serial="S1")
    observer.api.await_event("usb_attached")
    guest = Watched(w.api((TCP, ("127.0.0.1", port))), done)  # the VM was listed, or the device would not be there
    guest.ask("enable_notifications")
    guest.ask("usb_detach", device_node=keyboard.node)
    guest.ask("usb_attach", device_node=keyboard.node)
    for client in (observer, guest):
        for action in ("usb_list", "pci_list", "evdev_list", "vmm_list", "history", "version"):
            client.ask(action)
        client.ask("stats", expected="failed")
    w.host.unplug(keyboard)
    for client in (observer, guest):
        client.api.await_event("usb_disconnected")
        check("usb_detached" in client.events(), "events")


@test
def figures_of_what_is_off_by_default_are_valid(w):
    w.host.write(f"{w.host.devices['usb1'].directory}/bConfigurationValue", "1\n")
    w.host.write(f"{w.host.devices['usb1'].directory}/maxchild", "4\n")
    pci = [{"targetVm": "vm1", "allow": [{"address": "0000:00:05.0"}]}]
    for mode in ("rules", "all"):
        more = {"pciPassthrough": pci, "usbAuthorization": {"enable": True}}
        daemon = w.daemon(w.conf([rule("vm1", KEYBOARD)], quarantine=mode) | more)
        admin, expected = Watched(w.api(), set()), {"quarantine", "port_workers", "usb_authorization", "vfio_workers"}
        equal(set(admin.ask("stats")) & expected, expected)
        daemon.stop()


run(World)
