"""`evdev_list`: read-only, from sysfs, by a device worker; and what --check --live and doctor say of its rules."""
import json
import os
import signal
import socket
import subprocess

from inputhost import keyboard, touchpad, usb_mouse
from tap import check, contains, equal, run, scaled, test
from world import BINARY, World, free_port

TCP = (socket.AF_INET, socket.SOCK_STREAM)
VM = {"name": "gui-vm", "type": "qemu", "socket": "/nowhere/gui.qmp"}


def rules(w, *evdev, **general):
    return {**w.conf(**general), "vms": [VM], "evdevPassthrough": list(evdev)}


def nodes(api, **fields):
    return [d["device_node"].removeprefix("/dev/input/") for d in api.ok("evdev_list", **fields)["evdev_devices"]]


@test
def devices_are_read_when_they_are_asked_for(w):
    w.daemon(rules(w, {"targetVm": "gui-vm", "tag": "pad", "allow": [{"property": "ID_INPUT_TOUCHPAD", "value": "1"}]},
                   {"targetVm": "gui-vm", "allow": [{"name": "at translated"}], "deny": [{"pathTag": "platform-i8042-serio-0"}]}))
    api = w.api()
    equal(api.ok("evdev_list", id=1), {"result": "ok", "evdev_devices": [], "id": 1})  # a host without input devices
    keyboard(w)
    touchpad(w)
    usb_mouse(w)
    listed = api.ok("evdev_list")["evdev_devices"]
    equal(listed[0], {"device_node": "/dev/input/event0", "name": "AT Translated Set 2 keyboard", "phys": "made/up0", "bus": "i8042",
                      "path_tag": "platform-i8042-serio-0", "properties": {
                          "ID_INPUT": "1", "ID_INPUT_KEY": "1", "ID_INPUT_KEYBOARD": "1", "ID_BUS": "i8042",
                          "ID_PATH": "platform-i8042-serio-0", "ID_PATH_TAG": "platform-i8042-serio-0"},
                      "allowed_vms": [], "vm": None})
    equal(listed[1], {"device_node": "/dev/input/event4", "name": "ELAN0001:00 04F3:3140 Touchpad", "phys": "made/up4", "bus": "i2c",
                      "path_tag": "pci-0000_00_15_1-platform-i2c_designware_1", "properties": {
                          "ID_INPUT": "1", "ID_INPUT_TOUCHPAD": "1", "ID_BUS": "i2c", "ID_PATH": "pci-0000:00:15.1-platform-i2c_designware.1",
                          "ID_PATH_TAG": "pci-0000_00_15_1-platform-i2c_designware_1"},
                      "allowed_vms": ["gui-vm"], "vm": None})
    equal(len(listed), 2)
    equal((nodes(api, tag="pad"), nodes(api, tag="none"), nodes(api, disconnected=True)), (["event4"], [], []))
    equal((nodes(api, all=True), nodes(api, disconnected=False)), (["event0", "event4", "event7"], ["event0", "event4"]))
    api.fails("evdev_list", '"all" is', all="yes")
    os.unlink(w.host.path("sys/class/input/event0"))
    equal(nodes(api), ["event4"])
    equal(w.cli("evdev", "list", "--short").stdout, "/dev/input/event4 ELAN0001:00 04F3:3140 Touchpad\n")


@test
def a_reload_decides_anew(w):
    keyboard(w)
    daemon = w.daemon(rules(w))
    api = w.api()
    equal(api.ok("evdev_list")["evdev_devices"][0]["allowed_vms"], [])
    daemon.configure(rules(w, {"targetVm": "gui-vm", "allow": [{"property": "ID_INPUT_KEYBOARD", "value": "1"}]}))
    daemon.wait_log("no input device is given to a running VM yet")
    equal(api.ok("evdev_list")["evdev_devices"][0]["allowed_vms"], ["gui-vm"])
    contains(daemon.configure(rules(w, {"targetVm": "gui-vm", "allow": [{"property": "ID_INPUT_KEYBOARD", "value": 1}]})), "not reloaded")
    equal(api.ok("evdev_list")["evdev_devices"][0]["allowed_vms"], ["gui-vm"])
    check(daemon.process.poll() is None, "the daemon runs")


@test
def who_asks_while_one_is_read_is_served_next(w):
    daemon = w.daemon(rules(w))
    keyboard(w)
    clients = [w.api() for _ in range(4)]
    stopped = daemon.device_workers()
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    for client in clients:
        client.send({"action": "evdev_list"})
    clients[1].close()
    w.api().ok("version")
    touchpad(w)
    for pid in stopped:
        os.kill(pid, signal.SIGCONT)
    for client in (clients[0], clients[2], clients[3]):
        equal(client.response()["result"], "ok")
    equal([d["device_node"] for d in clients[3].lines[-1]["evdev_devices"]], ["/dev/input/event0", "/dev/input/event4"])


@test
def workers_that_do_not_answer_fail_it_in_time(w):
    daemon = w.daemon(rules(w))
    api = w.api(timeout=20)
    stopped = daemon.device_workers()
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    api.fails("evdev_list", "the input devices could not be read in time")
    for pid in stopped:
        os.kill(pid, signal.SIGCONT)
    equal(nodes(api), [])
    daemon.device_workers()  # none has ended for good


@test
def a_guest_is_told_of_what_is_for_its_vm(w):
    port = free_port()
    keyboard(w)
    touchpad(w)
    vm1 = w.qemu("vm1")
    conf = w.conf(api={"transports": ["unix", "tcp"], "port": port,
                       "clients": [{"uid": os.getuid(), "role": "admin"}, {"tcp": "127.0.0.1", "role": "guest", "vm": "vm1"}]})
    daemon = w.daemon({**conf, "evdevPassthrough": [{"targetVm": "vm1", "allow": [{"name": "ELAN"}]}]})
    daemon.wait_log("ready")
    guest = None
    for _ in range(500):  # until the VM was listed
        guest = w.api((TCP, ("127.0.0.1", port)))
        try:
            guest.ok("version")
            break
        except (EOFError, ConnectionError):
            guest = None
    check(guest is not None, "the guest was let in")
    equal((nodes(guest), nodes(w.api())), (["event4"], ["event0", "event4"]))
    vm1.end()


@test
def rules_without_a_device_are_named(w):
    keyboard(w)
    usb_mouse(w)
    conf = rules(w, {"targetVm": "gui-vm", "allow": [{"name": "AT"}]},
                 {"description": "Mice", "targetVm": "gui-vm", "allow": [{"property": "ID_INPUT_MOUSE", "value": "1"}]},  # that one is on USB
                 {"targetVm": "gui-vm", "allow": [{"pathTag": "platform-i8042"}]},  # the first rule has it
                 {"targetVm": "gui-vm", "disable": True, "allow": [{"name": "x"}]}, {"targetVm": "elsewhere", "allow": [{"name": "y"}]})
    w.daemon(rules(w))
    path = os.path.join(w.dir, "new.conf")
    with open(path, "w", encoding="utf-8") as f:
        json.dump(conf, f)
    doctor = subprocess.run([BINARY, "doctor", "--root", w.host.root, "-c", path], capture_output=True, text=True, timeout=scaled(20), check=False)
    equal([line for line in doctor.stdout.splitlines() if "input devices:" in line], [
        "note     input devices: evdevPassthrough[1] (line 1: Mice) decides for none of this host (vhotplugcli evdev list)",
        "note     input devices: evdevPassthrough[2] (line 1) decides for none of this host (vhotplugcli evdev list)"])
    live = subprocess.run([BINARY, "--check", f"--live={w.socket}", "--root", w.host.root, "-c", path], capture_output=True, text=True,
                          timeout=scaled(20), check=False)
    equal([line for line in live.stdout.splitlines() if "evdevPassthrough" in line], [
        "evdevPassthrough[1] (line 1: Mice) decides for no input device of this host",
        "evdevPassthrough[2] (line 1) decides for no input device of this host"])
    equal(live.returncode, 0, live.stderr)


run(World)
