"""The actions `history` and `rules`: what has happened to devices, and which rule decides for which device."""
import json
import os
import socket
import time

from fakehost import HID_KEYBOARD, STORAGE
from tap import check, equal, run, test
from world import KEYBOARD, STICK, World, free_port, rule, vhp

TCP = (socket.AF_INET, socket.SOCK_STREAM)


def told(api, **selector):
    return [(e["event"], e["sys_name"], e["vm"], e["reason"]) for e in api.ok("history", **selector)["events"]]


@test
def the_last_events_are_told_with_their_time(w):
    vm1 = w.qemu("vm1")
    w.daemon(w.conf([rule("vm1", KEYBOARD, tag="keys"), rule(["vm1", "vm2"], STICK)]))
    api = w.api(events=True)
    equal(api.ok("history"), {"result": "ok", "events": []})
    before = time.time()
    keyboard = w.host.plug("1-2", 0x046d, 0xc31c, [HID_KEYBOARD])
    api.await_event("usb_attached")
    stick = w.host.plug("1-3.1", 0x0951, 0x1666, [STORAGE])
    api.await_event("usb_select_vm")
    api.ok("usb_detach", sys_name="1-2")
    first = api.ok("history", id=1)["events"][0]
    check(before - 1 <= first.pop("time") <= time.time() + 1, "the time of day")
    equal(first, {"event": "usb_connected", "sys_name": "1-2", "connector": "pci0000:00-0000:00:01.0/2:2", "vid": "046d", "pid": "c31c", "product_name": "Keyboard K120", "vm": None, "reason": None})
    equal(told(api), [("usb_connected", "1-2", None, None), ("usb_attached", "1-2", "vm1", None), ("usb_connected", "1-3.1", None, None),
                      ("usb_select_vm", "1-3.1", None, None), ("usb_detached", "1-2", "vm1", "somebody took it away")])
    equal(told(api, tag="keys"), told(api, device_node=keyboard.node))
    equal(told(api, bus="1", port="3.1"), told(api, vid="0951", pid="1666"))
    equal(len(told(api, sys_name="1-3.1")), 2)
    equal(told(api, sys_name="4-4"), [])
    api.fails("history", '"vid" needs "pid"', vid="0951")
    times = [e["time"] for e in api.ok("history")["events"]]
    equal(times, sorted(times))
    w.host.unplug(stick)
    api.await_event("usb_disconnected")
    vm1.end()


@test
def what_a_reload_names_anew_is_not_told_of_the_old(w):
    vm1 = w.qemu("vm1")
    daemon = w.daemon(w.conf([rule("vm1", KEYBOARD, tag="keys")]))
    api = w.api(events=True)
    keyboard = w.host.plug("1-2")
    api.await_event("usb_attached")
    daemon.configure(w.conf([rule("vm3", KEYBOARD, tag="keys")], vms=("vm3",)))
    vm1.wait_device(vhp(keyboard), there=False)
    api.await_event("usb_detached")
    events = api.ok("history", tag="keys")["events"]
    equal([e["event"] for e in events][:2], ["usb_connected", "usb_attached"])
    check("vm3" not in json.dumps(events), str(events))


@test
def rules_tell_what_they_decide(w):
    w.qemu("vm1")
    port = free_port()
    rules = [rule("vm1", KEYBOARD, tag="keys", description="Keyboards"), rule(["vm1", "vm2"], STICK)]
    daemon = w.daemon(w.conf(rules, api={"transports": ["unix", "tcp"], "port": port, "clients": [
        {"uid": os.getuid(), "role": "observer"}, {"tcp": "127.0.0.1", "role": "operator"}]}))
    w.api().fails("rules", "an observer")
    api = w.api((TCP, ("127.0.0.1", port)), events=True)
    w.host.plug("1-2")
    api.await_event("usb_attached")
    keys = {"bus": "usb", "index": 0, "line": 1, "description": "Keyboards", "tag": "keys", "enabled": True, "target_vm": "vm1",
            "allowed_vms": ["vm1"], "hits": 1, "devices": ["1-2"]}
    sticks = {**keys, "index": 1, "description": "", "tag": None, "target_vm": None, "allowed_vms": ["vm1", "vm2"], "hits": 0, "devices": []}
    equal(api.ok("rules", id=5), {"result": "ok", "rules": [keys, sticks], "id": 5})
    daemon.configure(w.conf([rules[1]], api={"transports": ["tcp"], "port": port}))
    equal(api.ok("rules")["rules"], [{**sticks, "index": 0}])


run(World)
