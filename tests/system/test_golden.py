"""What each command of the client prints, on terminals of two widths and in a pipe, in a UTF-8 and in the C locale.

The expected texts are files of golden/, one a case. `GOLDEN=write python3 tests/system/test_golden.py [NAME...]` writes them anew;
look at each difference (`git diff tests/system/golden`) before it is committed.
"""
import difflib
import json
import os
import re
import subprocess

from scripted import Scripted
from tap import Failed, equal, run, scaled, test
from terminal import Terminal
from world import CLIENT, World

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "golden")
UTF8, PLAIN = {"LANG": "C.UTF-8"}, {"LANG": "C"}
MODES = (("80 columns, UTF-8", 80, UTF8), ("120 columns, UTF-8", 120, UTF8), ("80 columns, C", 80, PLAIN), ("pipe, UTF-8", 0, UTF8), ("pipe, C", 0, PLAIN))
ZONE = {"TZ": "CET-1CEST,M3.5.0,M10.5.0/3", "TERM": "dumb"}


def device(place, ids, vendor, product, **fields):
    bus, _, path = place.partition("-")
    vid, pid = ids.split(":")
    return {"device_node": f"/dev/bus/usb/{int(bus):03}/{len(path) + int(path[-1]):03}", "vid": vid, "pid": pid, "vendor_name": vendor, "product_name": product,
            "serial": None, "interfaces": ":030101:", "device_class": 0, "device_subclass": 0, "device_protocol": 0, "busnum": int(bus), "devnum": 4,
            "portnum": int(path[0]), "port_path": path, "speed": "480", "sys_name": place, "removable": "unknown", "allowed_vms": [], "vm": None,
            "foreign": False, "disconnected": False, "tag": None, "state": "idle", "reason": None, **fields}


DEVICES = [
    device("1-1", "046d:c31c", "Logitech", "Keyboard K120", interfaces=":030101:030000:", allowed_vms=["desktop"], vm="desktop", state="attached", tag="hid",
           serial="K1"),
    device("1-2", "05e3:0608", "Genesys Logic", "Hub", interfaces=":090000:"),
    device("1-2.3", "0951:1666", "Kingston", "DataTraveler 100 G3", interfaces=":080650:", allowed_vms=["desktop", "media"], state="waiting", tag="disk",
           reason="several VMs are allowed: waits for a choice", serial="60A4"),
    device("1-2.4.1", "fff0:1234", "日本語メーカー株式会社", "USBメモリ 64GB", interfaces=":080650:030101:", allowed_vms=["media"], state="waiting",
           reason="VM 'media' is not running", serial="漢字"),
    device("1-3", "fff1:1234", "A" * 126, "e\u0301vil \u202etxt.exe", interfaces=":ff0000:", allowed_vms=["a-very-long-name-of-a-virtual-machine-0123456789"]),
    device("1-4", "fff2:1234", "", "\x1b[31mred\x07", interfaces=":0e0100:0e0200:010100:", disconnected=True, tag="cam", reason="disconnected by an admin",
           allowed_vms=["chat"]),
    device("2-1", "8087:0029", "Intel", "AX200 Bluetooth", interfaces=":e00101:", allowed_vms=["net"], vm="net", foreign=True, state="attached",
           reason="somebody else attached it there"),
]


def ok(**members):
    return json.dumps({"result": "ok", **members}) + "\n"


def event(kind, of=None, **members):
    return json.dumps({"event": kind, **({"usb_device": of} if of else {}), **members}) + "\n"


def moved(of, **fields):
    return ok(usb_devices=[*DEVICES, {**of, **fields}])


LIST = ok(usb_devices=DEVICES)
OK, REFUSED = ok(), json.dumps({"result": "failed", "error": "VM 'media' is not running"}) + "\n"
KEYBOARD, _, STICK, BUS_TWIN, _, CAMERA, _ = DEVICES
FREE = device("1-6", "0951:1666", "Kingston", "DataTraveler 100 G3", interfaces=":080650:", allowed_vms=["desktop", "media"], serial="60A5")
EVENTS = (event("usb_connected", STICK) + event("usb_select_vm", STICK, allowed_vms=["desktop", "media"]) + event("usb_attached", STICK, vm="media") +
          event("usb_detached", BUS_TWIN, vm="media") + event("usb_disconnected", CAMERA) + event("notifications_lost", count=3) +
          event("state_corrupt", error="not JSON: expected a value at byte 0", closed=True) + event("state_acknowledged") + event("of_tomorrow"))
PAST = [{"time": 1764457000.123, "event": "usb_connected", "sys_name": "1-2", "vid": "046d", "pid": "c31c", "product_name": "Keyboard ☃"},
        {"time": 1764457000.5, "event": "usb_attached", "sys_name": "1-2", "vid": "046d", "pid": "c31c", "product_name": "Keyboard ☃", "vm": "desktop"},
        {"time": 1781000000, "event": "usb_detached", "sys_name": "1-2", "vid": "046d", "pid": "c31c", "product_name": "Keyboard ☃", "vm": "desktop",
         "reason": "disconnected by an admin"}]
RULES = [{"bus": "usb", "index": 1, "description": "Keyboards and mice", "target_vm": "desktop", "allowed_vms": ["desktop"], "hits": 3, "devices": ["1-1", "1-2.4.1"]},
         {"bus": "usb", "index": 2, "description": "Sticks: ask \u202e☃", "target_vm": None, "allowed_vms": ["desktop", "media", "a-very-long-name-of-a-vm"], "hits": 0,
          "devices": [], "enabled": False}]
PROBLEMS = [{"severity": "warning", "text": "vhotplug.conf:12:3: rule 2: unknown key 'descripton'"}, {"severity": "note", "text": "vhotplug.conf:14:3: \u001b[2Jred"}]
def pci(address, ids, name, cls, sub, group, **fields):
    vid, did = ids.split(":")
    return {"address": address, "driver": None, "vid": vid, "did": did, "vendor_name": "Intel Corporation", "device_name": name, "pci_class": cls,
            "pci_subclass": sub, "iommu_group": group, "allowed_vms": [], "vm": None, "disconnected": False, "tag": None, "parent": None, "protected": None,
            **fields}


PCI = [
    pci("0000:00:14.3", "8086:51f1", "Alder Lake-P PCH CNVi WiFi", 2, 128, 5, driver="iwlwifi", allowed_vms=["net"], tag="net"),
    pci("0000:00:1f.3", "8086:51c8", "Alder Lake PCH-P High Definition Audio Controller", 4, 3, 6, driver="snd_hda_intel", allowed_vms=["audio"], tag="audio"),
    pci("0000:00:1f.4", "8086:51a3", "Alder Lake PCH-P SMBus Host Controller", 12, 5, 6, driver="i801_smbus", iommu_member=True, allowed_vms=["audio"], tag="audio"),
    pci("0000:02:00.0", "144d:a80a", "NVMe SSD Controller \x1b[31mPM9A1", 1, 8, 15, driver="nvme", allowed_vms=["data"], parent="0000:00:06.0",
        protected="holds the mounted file system /"),
    pci("0000:00:06.0", "8086:464d", "PCI Express Graphics Port", 6, 4, 2, driver="pcieport", protected="is a bridge"),
    pci("10000:00:1d.0", "8086:09ab", "Volume Management Device", 8, 128, None),
]
EXPLAINED = {"present": True, "rule_match": "all", "usb_device": STICK, "rules": [
    {"rule": 0, "line": 12, "description": "Keyboards", "tag": None, "vms": ["desktop"], "verdict": "no allow entry matches", "entries": [
        {"entry": "allow[0]", "line": 13, "matches": False, "misses": ["interfaceClass"]}]},
    {"rule": 1, "line": 20, "description": "Sticks", "tag": "disk", "vms": ["desktop", "media"], "verdict": "decides", "entries": [
        {"entry": "allow[0]", "line": 21, "matches": True, "misses": []}]}],
    "decides": 1, "target": None, "asks": True, "vm": None, "state": "waiting", "reason": "several VMs are allowed: waits for a choice"}
STATS = {"uptime_ms": 65123, "uevents": {"got": 12, "ignored": 0}, "devices": {"present": 7, "disconnected": 1, "attached": 2},
         "plug_to_attached": {"below_ms": [10, 100], "count": [1, 2, 0], "sum_ms": 75}, "state": {"unsaved": 0, "corrupt": 1, "closed": 0},
         "vms": [{"name": "desktop", "state": "up", "connected": True, "busy": False, "devices": 2, "failures": 0, "reason": None},
                 {"name": "media", "state": "down", "connected": False, "busy": False, "devices": 0, "failures": 1, "reason": "no such socket"}]}
ALL = ["low", "full", "high", "super"]
VMS = [
    {"name": "desktop", "type": "qemu", "state": "up", "version": "9.2.1", "reason": None, "devices": 2, "ports_used": 3, "ports_free": 3,
     "usb_buses": [{"name": "xhci.0", "controller": "xhci", "ports": [
         {"port": "1", "speeds": ALL, "used": True}, {"port": "2", "speeds": ALL, "used": False}, {"port": "3", "speeds": ALL, "used": True},
         {"port": "3.1", "speeds": ["low", "full"], "used": True}, {"port": "3.2", "speeds": ["low", "full"], "used": False}]},
                   {"name": "usb-bus.0", "controller": "uhci", "ports": [{"port": "1", "speeds": ["low", "full"], "used": False}]}]},
    {"name": "media", "type": "qemu", "state": "up", "version": None, "reason": "no room", "devices": 0, "ports_used": None,
     "ports_free": None, "usb_buses": None},
    {"name": "net", "type": "crosvm", "state": "unsupported", "devices": 0, "ports_used": None, "ports_free": None, "usb_buses": None}]

EVDEV = [{"device_node": "/dev/input/event0", "name": "AT Translated Set 2 keyboard", "phys": "isa0060/serio0/input0", "bus": "i8042",
          "path_tag": "platform-i8042-serio-0", "properties": {"ID_INPUT": "1", "ID_INPUT_KEY": "1", "ID_INPUT_KEYBOARD": "1", "ID_BUS": "i8042"},
          "allowed_vms": ["desktop"], "vm": None},
         {"device_node": "/dev/input/event3", "name": None, "phys": None, "bus": None, "path_tag": None, "properties": {"ID_INPUT": "1"},
          "allowed_vms": [], "vm": None}]
BLOCKED = {**CAMERA, "claimed": False, "uncertain": None}

# name: the command line, the daemon's answers (a list: of one connection), and what is typed once the prompt is there
CASES = {
    "usb_list": (["usb", "list"], [LIST]),
    "usb_list_vm": (["usb", "list", "--vm", "media"], [LIST]),
    "usb_list_short": (["usb", "list", "--short"], [LIST]),
    "usb_list_none": (["usb", "list"], [ok(usb_devices=[])]),
    "usb_list_tree": (["usb", "list", "--tree"], [LIST]),
    "usb_list_tree_vm": (["usb", "list", "--tree", "--vm", "media"], [LIST]),
    "usb_attach": (["usb", "attach", "1-6"], [[OK, moved(FREE, vm="desktop", state="attached")]]),
    "usb_attach_chosen": (["usb", "attach", "1-6"], [[OK, moved(FREE, vm="media", state="attached")]]),
    "usb_attach_vm": (["usb", "attach", "1-6", "--vm", "media"], [[OK, moved(FREE, vm="media", state="attached")]]),
    "usb_attach_refused": (["usb", "attach", "1-6"], [REFUSED]),
    "usb_detach": (["usb", "detach", "1-6"], [[OK, moved(FREE, disconnected=True, reason="disconnected by an admin")]]),
    "usb_detach_tag": (["usb", "detach", "cam"], [[OK, LIST]]),
    "usb_suspend": (["usb", "suspend", "--vm", "media"], [OK]),
    "usb_resume": (["usb", "resume"], [REFUSED]),
    "usb_history": (["usb", "history"], [ok(events=PAST)]),
    "usb_history_none": (["usb", "history", "1-2"], [ok(events=[])]),
    "usb_rule": (["usb", "rule", "1-2.3", "--by", "class"], [LIST]),
    "usb_rule_serial": (["usb", "rule", "1-2.4.1", "--vm", "media"], [LIST]),
    "usb_rule_hub": (["usb", "rule", "1-2", "--vm", "media"], [LIST]),
    "pci_list": (["pci", "list"], [ok(pci_devices=PCI)]),
    "pci_list_none": (["pci", "list"], [ok(pci_devices=[])]),
    "pci_list_plain": (["pci", "list", "--plain", "--short"], [ok(pci_devices=PCI)]),
    "pci_tree": (["pci", "list", "--tree"], [ok(pci_devices=PCI)]),
    "evdev_list": (["evdev", "list"], [ok(evdev_devices=EVDEV)]),
    "pci_attach": (["pci", "attach", "--address", "0000:00:1f.3"], [REFUSED]),
    "pci_detach": (["pci", "detach", "--tag", "net"], [REFUSED]),
    "pci_suspend": (["pci", "suspend", "--vm", "net"], [OK]),
    "pci_resume": (["pci", "resume", "--vm", "net"], [OK]),
    "vmm_list": (["vmm", "list"], [ok(vms=VMS)]),
    "vmm_args": (["vmm", "args", "--vm", "net"], [ok(vmm_args=["-device", "vfio-pci,host=0000:00:1f.3"])]),
    "state_acknowledge": (["state", "acknowledge"], [OK]),
    "listen": (["listen"], [OK + EVENTS, json.dumps({"result": "failed", "error": "that is enough"}) + "\n"]),
    "choose": (["choose"], [[OK + event("usb_select_vm", FREE, allowed_vms=["desktop", "media"]), moved(FREE), OK]], [("none): ", "2\n"), ("attached", "\x04")]),
    "rules": (["rules"], [ok(rules=RULES)]),
    "rules_none": (["rules"], [ok(rules=[])]),
    "reload": (["reload"], [ok(rules=4, vms=3, warnings=1, problems=PROBLEMS)]),
    "reload_failed": (["reload"], [json.dumps({"result": "failed", "error": "vhotplug.conf:12:3: expected a string", "problems": [
        {"severity": "note", "text": "vhotplug.conf:2:3: odd"}, {"severity": "error", "text": "vhotplug.conf:12:3: expected a string"}], "more_problems": 7}) + "\n"]),
    "status": (["status"], [ok(**STATS)]),
    "status_reload": (["status"], [ok(**STATS, reload_failed_at=1764457000, reload_error="vhotplug.conf:9:5: expected a string")]),
    "status_tag": (["status", "--tag", "cam"], [ok(usb_devices=[BLOCKED], tag_disconnected=True)]),
    "explain": (["explain", "1-2.3"], [ok(**EXPLAINED)]),
    "stats": (["stats"], [ok(**STATS)]),
    "stats_prometheus": (["stats", "--prometheus"], [ok(**STATS)]),
    "version": (["version"], [ok(version="1.0.0")]),
    "help": (["--help"], []),
    "help_usb_attach": (["usb", "attach", "--help"], []),
    "no_command": (["usb", "lst"], []),
}


def one(w, arguments, answers, typed, columns, env):
    """What a user sees: standard output, standard error, the exit status."""
    with Scripted(w, *answers) as daemon:
        command = ["-u", daemon.path, *arguments]
        if columns:
            client = Terminal(command, columns, **ZONE, **env)
            for prompt, text in typed:
                client.wait_text(prompt)
                client.type(text)
            status, out, err = client.end()
        else:
            done = subprocess.run([CLIENT, *command], stdin=subprocess.DEVNULL, capture_output=True, timeout=scaled(20), check=False, env={**ZONE, **env})
            status, out, err = done.returncode, done.stdout.decode(), done.stderr.decode()
    text = re.sub("[\033\u200e\u200f\u202a-\u202e]", lambda m: f"\\u{ord(m[0]):04x}", out)  # not in a file that people look at
    if text and not text.endswith("\n"):
        text += "(no newline)\n"
    text += "".join(f"stderr: {line}\n" for line in err.splitlines())
    return text + f"exit {status}\n"


def seen(w, arguments, answers, typed):
    """The same in each mode; modes that show the same stand together."""
    parts = []
    for mode, columns, env in MODES:
        text = one(w, arguments, answers, typed, columns, env)
        if arguments == ["listen"]:
            text = re.sub(r"^\d\d:\d\d:\d\d  ", "HH:MM:SS  ", text, flags=re.M)
        if parts and parts[-1][1] == text:
            parts[-1][0].append(mode)
        else:
            parts.append(([mode], text))
    return f"$ vhotplugcli {' '.join(arguments)}\n" + "".join(f"\n=== {'; '.join(modes)}\n{text}" for modes, text in parts)


def golden(name, text):
    path = os.path.join(FOLDER, name + ".txt")
    if os.environ.get("GOLDEN") == "write":
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
    with open(path, encoding="utf-8") as f:
        expected = f.read()
    if text != expected:
        raise Failed("\n".join(difflib.unified_diff(expected.splitlines(), text.splitlines(), path, "now", lineterm="")))


def add(name, arguments, answers, typed=()):
    def case(w):
        golden(name, seen(w, arguments, answers, typed))

    case.__name__ = name
    test(case)


for case_name, case_line in CASES.items():
    add(case_name, *case_line)


@test
def every_command_has_a_case_and_every_file_too(_):
    done = subprocess.run([CLIENT, "--help"], capture_output=True, text=True, timeout=scaled(20), check=False)
    commands = re.findall(r"^  ([a-z]+(?: [a-z]+)?)(?: \[?DEVICE\]?)? +\S", done.stdout, re.M)
    cases = {tuple(arguments[:n]) for arguments, *_ in CASES.values() for n in (1, 2)}
    equal([c for c in commands if tuple(c.split()) not in cases], [])
    equal(sorted(os.listdir(FOLDER)), sorted(f"{name}.txt" for name in CASES))


run(World)
