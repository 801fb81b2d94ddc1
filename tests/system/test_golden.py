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
from tap import Failed, run, scaled, test
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


LIST = ok(usb_devices=DEVICES)
# name: the command line, the daemon's answers
CASES = {
    "usb_list": (["usb", "list"], [LIST]),
    "usb_list_vm": (["usb", "list", "--vm", "media"], [LIST]),
    "usb_list_short": (["usb", "list", "--short"], [LIST]),
    "usb_list_none": (["usb", "list"], [ok(usb_devices=[])]),
    "usb_list_tree": (["usb", "list", "--tree"], [LIST]),
    "usb_list_tree_vm": (["usb", "list", "--tree", "--vm", "media"], [LIST]),
}


def one(w, arguments, answers, columns, env):
    """What a user sees: standard output, standard error, the exit status."""
    with Scripted(w, *answers) as daemon:
        command = ["-u", daemon.path, *arguments]
        if columns:
            status, out, err = Terminal(command, columns, **ZONE, **env).end()
        else:
            done = subprocess.run([CLIENT, *command], capture_output=True, timeout=scaled(20), check=False, env={**ZONE, **env})
            status, out, err = done.returncode, done.stdout.decode(), done.stderr.decode()
    text = re.sub("[\033\u200e\u200f\u202a-\u202e]", lambda m: f"\\u{ord(m[0]):04x}", out)  # not in a file that people look at
    text += "".join(f"stderr: {line}\n" for line in err.splitlines())
    return text + f"exit {status}\n"


def seen(w, arguments, answers):
    """The same in each mode; modes that show the same stand together."""
    parts = []
    for mode, columns, env in MODES:
        text = re.sub(r"\b\d\d:\d\d:\d\d now\b", "HH:MM:SS", one(w, arguments, answers, columns, env))
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


def add(name, arguments, answers):
    def case(w):
        golden(name, seen(w, arguments, answers))

    case.__name__ = name
    test(case)


for case_name, (words, said) in CASES.items():
    add(case_name, words, said)

run(World)
