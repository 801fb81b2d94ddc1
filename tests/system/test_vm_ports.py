"""The USB ports of VMs: what a listing finds out, and who is told."""
import json
import os
import socket
import time

from fakehost import HID_KEYBOARD, STORAGE, VIDEO, descriptors
from portqemu import HUB, PortQemu
from tap import Failed, check, contains, equal, run, scaled, test
from world import KEYBOARD, STICK, World, free_port, rule, vhp

ANY = [rule("vm1", KEYBOARD, STICK)]


def port_vm(w, **kwargs):
    vm = PortQemu(w.vm_path("vm1"), **kwargs)
    w.qemus.append(vm)
    return vm


def vms(api):
    return {vm["name"]: vm for vm in api.ok("vmm_list")["vms"]}


def until(api, condition):
    end = time.monotonic() + scaled(5)
    while time.monotonic() < end:
        vm = vms(api)["vm1"]
        if condition(vm):
            return vm
    raise Failed(f"the ports never came to be as wanted: {vm}")


def ports(vm, bus="xhci.0"):
    """"1* 2 3": in use or free."""
    found = [b for b in vm["usb_buses"] if b["name"] == bus][0]
    return " ".join(p["port"] + ("*" if p["used"] else "") for p in found["ports"])


def known(vm):
    return vm["state"] == "up" and vm["usb_buses"] is not None


@test
def a_list_of_vms_says_what_they_run_and_which_ports_they_have(w):
    port_vm(w, xhci={"xhci": (2, 3)}, command_line=[("kbd", "usb-kbd", "xhci.0", "2")])
    w.daemon(w.conf(ANY))
    api = w.api()
    listed = until(api, known)
    equal({k: listed[k] for k in ("type", "version", "reason", "devices", "ports_used", "ports_free")},
          {"type": "qemu", "version": "7.2.22", "reason": None, "devices": 0, "ports_used": 1, "ports_free": 2})
    slow = ["low", "full", "high"]
    equal(listed["usb_buses"], [{"name": "xhci.0", "controller": "xhci", "ports": [
        {"port": "1", "speeds": [*slow, "super"], "used": False}, {"port": "2", "speeds": [*slow, "super"], "used": True},
        {"port": "3", "speeds": ["super"], "used": False}]}])
    down = vms(api)["vm2"]
    equal((down["state"], down["version"], down["usb_buses"], down["ports_free"]), ("down", None, None, None))
    equal(w.cli("vmm", "list").stdout, "vm1: qemu 7.2.22, up, devices: 0\n  xhci.0: in use 2; free 1 3 (super)\nvm2: qemu, down\n")


@test
def what_is_attached_and_detached_is_counted(w):
    vm1 = port_vm(w)
    w.daemon(w.conf(ANY))
    api = w.api()
    until(api, known)
    stick = w.host.plug("1-2", 0x0951, 0x1666, [STORAGE])
    vm1.wait_device(vhp(stick))
    equal(until(api, lambda vm: vm["ports_used"] == 1)["devices"], 1)
    api.ok("usb_detach", device_node=stick.node)
    equal((vms(api)["vm1"]["ports_used"], vms(api)["vm1"]["devices"]), (0, 0))
    vm1.end()
    until(api, lambda vm: vm["state"] == "down" and vm["usb_buses"] is None and vm["version"] is None)


@test
def a_hub_of_the_command_line_counts_with_its_ports(w):
    port_vm(w, command_line=[("", HUB, "xhci.0", "3"), ("", "usb-kbd", "xhci.0", "3.2")])
    w.daemon(w.conf(ANY))
    api = w.api()
    equal(ports(until(api, known)), "1 2 3* 4 3.1 3.2* 3.3 3.4 3.5 3.6 3.7 3.8")
    contains(w.cli("vmm", "list").stdout, "xhci.0: in use 3 3.2; free 1 2 4 (super); free 3.1 3.3 3.4 3.5 3.6 3.7 3.8 (full)\n")


@test
def two_buses_are_told_apart_by_a_device_on_each(w):
    port_vm(w, xhci={"a": (2, 2), "b": (2, 2)}, command_line=[("k", "usb-kbd", "b.0", "2"), ("l", "usb-kbd", "a.0", "1")])
    w.daemon(w.conf(ANY))
    api = w.api()
    listed = until(api, known)
    equal((ports(listed, "a.0"), ports(listed, "b.0")), ("1* 2", "1 2*"))


def sticks(w, api, n, **attributes):
    """Plugs n sticks in, one after the other; each is given away before the next comes."""
    there = []
    for i in range(n):
        there.append(w.host.plug(f"1-{i + 1}", 0x0951, 0x1666, [STORAGE], **attributes))
        api.given("vm1", there[-1])
    return there


@test
def each_fast_device_has_a_port_and_one_too_many_is_refused(w):
    vm1 = port_vm(w)
    w.daemon(w.conf(ANY))
    api = w.api()
    until(api, known)
    there = sticks(w, api, 4)
    equal([vm1.asked_for[vhp(d)] for d in there], [("xhci.0", str(n)) for n in range(1, 5)])
    equal(vm1.count("human-monitor-command"), 1)  # what has changed since is known
    late = w.host.plug("1-9", 0x0951, 0x1666, [STORAGE])
    why = "VM 'vm1' has no free USB port for 480 Mb/s: xhci.0 1, 2, 3, 4 in use"
    equal(api.list_until(lambda listed: listed[late.node]["reason"] == why)[late.node]["state"], "waiting")
    api.fails("usb_attach", why, device_node=late.node)
    equal(vm1.count("device_add"), 4)
    w.host.unplug(there[1])
    api.given("vm1", late)
    equal(vm1.asked_for[vhp(late)], ("xhci.0", "2"))


@test
def slow_devices_share_the_last_port(w):
    vm1 = port_vm(w, xhci={"xhci": (2, 2)})
    w.daemon(w.conf(ANY))
    api = w.api()
    until(api, known)
    there = sticks(w, api, 4, speed="12")
    equal([vm1.asked_for[vhp(d)] for d in there], [("xhci.0", "1"), ("xhci.0", None), ("xhci.0", "2.2"), ("xhci.0", "2.3")])
    fast = w.host.plug("1-9", 0x0951, 0x1666, [STORAGE])
    api.list_until(lambda listed: "no free USB port for 480 Mb/s: xhci.0 1, 2, 2.1, 2.2, 2.3 in use, 2.4, 2.5, 2.6, 2.7, 2.8 too slow"
                   in (listed[fast.node]["reason"] or ""))


@test
def a_fast_device_is_not_put_onto_a_slow_port(w):
    vm1 = port_vm(w, xhci={"xhci": (2, 1)})
    w.daemon(w.conf([rule("vm1", KEYBOARD, STICK, {"interfaceClass": 14})]))
    api = w.api()
    until(api, known)
    first = w.host.plug("1-1", 0x0951, 0x1666, [STORAGE], speed="5000")
    api.given("vm1", first)
    equal(vm1.asked_for[vhp(first)], ("xhci.0", "1"))
    second = w.host.plug("1-2", 0x0951, 0x1666, [STORAGE], speed="10000")
    api.list_until(lambda listed: listed[second.node]["reason"] == "VM 'vm1' has no free USB port for 10000 Mb/s: xhci.0 1 in use, 2 too slow")
    data = descriptors(0x046d, 0x0825, [VIDEO]).replace(b"\x07\x05\x81\x03", b"\x07\x05\x81\x01")
    camera = w.host.plug("1-3", 0x046d, 0x0825, [VIDEO], descriptors=data)
    api.given("vm1", camera)
    equal(vm1.asked_for[vhp(camera)], ("xhci.0", "2"))


@test
def a_rule_lets_a_fast_device_onto_a_slow_port_and_a_vm_names_its_bus(w):
    vm1 = port_vm(w, xhci={"a": (4, 4), "b": (2, 0)}, command_line=[("k", "usb-kbd", "b.0", "2")])
    w.daemon(w.conf([rule("vm1", STICK, minSpeed="high")], vm_options={"vm1": {"usbBus": "b.0"}}))
    api = w.api()
    until(api, known)
    stick = w.host.plug("1-1", 0x0951, 0x1666, [STORAGE], speed="5000")
    api.given("vm1", stick)
    equal(vm1.asked_for[vhp(stick)], ("b.0", "1"))
    late = w.host.plug("1-2", 0x0951, 0x1666, [STORAGE], speed="480")
    api.list_until(lambda listed: listed[late.node]["reason"] == "VM 'vm1' has no free USB port for 480 Mb/s: b.0 1, 2 in use")


@test
def a_port_that_somebody_else_took_costs_one_attempt(w):
    vm1 = port_vm(w)
    w.daemon(w.conf(ANY))
    api = w.api()
    until(api, known)
    vm1.plug("kbd", "1")
    there = sticks(w, api, 1)
    equal((vm1.count("device_add"), vm1.asked_for[vhp(there[0])]), (2, (None, None)))
    equal(until(api, lambda vm: vm["ports_used"] == 2)["reason"], None)


def works_without(w, name, reply, times=1):
    """A VM that does this when it is asked about its ports is given devices all the same."""
    vm1 = port_vm(w)
    vm1.hooks[name] = lambda command: reply if name == "human-monitor-command" or "unattached" in command.arguments["path"] else None
    w.daemon(w.conf(ANY))
    api = w.api()
    stick = w.host.plug("1-2", 0x0951, 0x1666, [STORAGE])
    vm1.wait_device(vhp(stick), timeout=30)
    api.given("vm1", stick)
    equal((vms(api)["vm1"]["usb_buses"], vms(api)["vm1"]["state"]), (None, "up"))
    contains(w.cli("vmm", "list").stdout, "vm1: qemu 7.2.22, up, devices: 1\n  its USB ports are not known\n")
    equal(sum("unattached" in c.arguments["path"] for c in vm1.named("qom-list")), times)
    return vm1


@test
def a_refusal_leaves_the_ports_unknown_and_nothing_else(w):
    works_without(w, "human-monitor-command", {"error": {"class": "CommandNotFound", "desc": "no such command"}})


@test
def text_that_means_nothing_leaves_them_unknown(w):
    works_without(w, "human-monitor-command", {"return": "  Device 0.0, Port 9, Speed 480 Mb/s, Product x\r\n" * 90})


@test
def a_vm_that_hangs_up_at_these_questions_is_not_asked_them_again(w):
    works_without(w, "human-monitor-command", "hangup")


@test
def nor_is_one_that_answers_with_nonsense(w):
    works_without(w, "qom-list", b"{]\r\n")


@test
def nor_one_whose_answer_is_endless(w):
    works_without(w, "qom-list", b'{"return": [' + b'{"name": "x", "type": "child<cpu>"},' * 4000 + b"\r\n")


@test
def nor_one_that_says_nothing(w):
    works_without(w, "human-monitor-command", "drop")


@test
def a_guest_is_told_of_its_own_vm_and_an_observer_of_none(w):
    port = free_port()
    port_vm(w)
    w.daemon(w.conf(ANY, api={"transports": ["unix", "tcp"], "port": port, "clients": [
        {"uid": os.getuid(), "role": "observer"}, {"tcp": "127.0.0.1", "role": "guest", "vm": "vm1"}]}))
    observer = w.api()
    keyboard = w.host.plug("1-2", 0x046d, 0xc31c, [HID_KEYBOARD])
    observer.ok("enable_notifications")
    observer.list_until(lambda listed: listed[keyboard.node]["state"] == "attached")
    guest = w.api(((socket.AF_INET, socket.SOCK_STREAM), ("127.0.0.1", port)))
    listed = guest.ok("vmm_list")["vms"]
    equal([vm["name"] for vm in listed], ["vm1"])
    check("version" not in listed[0] and "reason" not in listed[0], json.dumps(listed))
    equal(listed[0]["devices"], 1)
    equal(observer.ok("vmm_list")["vms"], [])


run(World)
