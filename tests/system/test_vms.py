"""VMs that start, die, refuse, do not answer or answer nonsense: only operations at that VM fail."""
import json
import os
import signal

from fakehost import HID_MOUSE, STORAGE
from fakeqemu import GREETING
from tap import check, contains, equal, run, test
from world import KEYBOARD, MOUSE, STICK, World, rule, vhp

BOTH = [rule("vm1", KEYBOARD), rule("vm2", MOUSE)]


@test
def a_vm_may_start_long_after_the_daemon(w):
    w.daemon(w.conf([rule("vm1", KEYBOARD)]))  # not even the directory of the sockets is there
    api = w.api(events=True)
    kbd = w.host.plug("1-2")
    api.event("usb_connected")
    equal(api.list()[kbd.node]["state"], "waiting")
    vm1 = w.qemu("vm1")
    vm1.wait_device(vhp(kbd))
    api.event("usb_attached", vm="vm1")


@test
def a_vm_that_ends_gives_its_devices_up_and_gets_them_again(w):
    vm1 = w.qemu("vm1")
    w.daemon(w.conf([rule("vm1", KEYBOARD)]))
    api = w.api(events=True)
    kbd = w.host.plug("1-2")
    api.await_event("usb_attached")
    vm1.end()
    api.event("usb_detached", vm="vm1", device_node=kbd.node)
    equal(api.list()[kbd.node]["vm"], None)
    api.fails("usb_attach", "not running", device_node=kbd.node, vm="vm1")
    again = w.qemu("vm1")
    again.wait_device(vhp(kbd))
    api.event("usb_attached", vm="vm1")


@test
def a_killed_vm_leaves_its_socket_file_behind(w):
    vm1 = w.qemu("vm1")
    w.daemon(w.conf([rule("vm1", KEYBOARD)], vm_options={"vm1": {"qmp": "keep"}}))
    api = w.api(events=True)
    kbd = w.host.plug("1-2")
    api.await_event("usb_attached")
    vm1.end(unlink=False)
    api.event("usb_detached", vm="vm1")
    os.unlink(vm1.path)
    w.qemu("vm1").wait_device(vhp(kbd))


@test
def a_refusal_is_told_in_the_vmms_words_and_tried_again(w):
    vm1 = w.qemu("vm1")
    refusals = []

    def refuse(command):
        refusals.append(command)
        return vm1.error("no free USB ports") if len(refusals) < 3 else None

    vm1.hooks["device_add"] = refuse
    w.daemon(w.conf([rule(["vm1"], STICK)]))
    api = w.api(events=True)
    stick = w.host.plug("1-2", 0x0951, 0x1666, [STORAGE])
    api.event("usb_connected")
    vm1.wait(lambda q: q.count("device_add") >= 1, "an attempt")
    vm1.wait_device(vhp(stick))
    equal(len(refusals), 3)
    vm1.wait(lambda q: not q.fdsets, "empty sets after refusals")
    api.event("usb_attached")


@test
def an_attach_by_request_fails_with_the_vmms_words(w):
    vm1 = w.qemu("vm1")
    vm1.hooks["device_add"] = lambda c: vm1.error("failed to open host usb device 1:2")
    w.daemon(w.conf([rule(["vm1", "vm2"], STICK)]))
    api = w.api()
    stick = w.host.plug("1-2", 0x0951, 0x1666, [STORAGE])
    api.ok("enable_notifications")
    api.await_event("usb_select_vm")
    api.fails("usb_attach", "failed to open host usb device 1:2", device_node=stick.node, vm="vm1")
    check(api.list()[stick.node]["state"] != "attached")


@test
def a_silent_monitor_delays_nobody_else(w):
    silent = w.qemu("vm1", greet=False)
    vm2 = w.qemu("vm2")
    w.daemon(w.conf(BOTH))
    api = w.api(events=True)
    kbd = w.host.plug("1-2")
    mouse = w.host.plug("1-3", 0x046d, 0xc077, [HID_MOUSE])
    vm2.wait_device(vhp(mouse))
    silent.wait(lambda q: q.connections == 1, "a connection")
    api.await_event("usb_attached", vm="vm2")
    api.ready(kbd)
    api.fails("usb_attach", "does not answer", device_node=kbd.node, vm="vm1")  # after the greeting's deadline
    silent._send(GREETING)  # whoever held it has let go: the place in line was kept
    silent.wait_device(vhp(kbd))


@test
def a_silent_monitor_delays_nobody_else_at_the_start(w):
    w.qemu("vm1", greet=False)
    vm2 = w.qemu("vm2")
    mouse = w.host.place("1-3", 0x046d, 0xc077, [HID_MOUSE])
    w.daemon(w.conf(BOTH), "-a")
    vm2.wait_device(vhp(mouse))


@test
def what_a_killed_daemon_gave_waits_for_that_vm_alone(w):
    vm1, vm2 = w.qemu("vm1"), w.qemu("vm2")
    kbd = w.host.place("1-2")
    mouse = w.host.place("1-3", 0x046d, 0xc077, [HID_MOUSE])
    daemon = w.daemon(w.conf([rule("vm1", KEYBOARD)]), "-a")
    vm1.wait_device(vhp(kbd))
    daemon.stop(signal.SIGKILL)
    vm1.wait_idle()
    vm1.greet = False
    w.daemon(w.conf([rule("vm2", KEYBOARD), rule("vm2", MOUSE)], ("vm1", "vm2")), "-a")
    vm2.wait_device(vhp(mouse))
    listed = w.api().list()[kbd.node]
    equal((listed["vm"], listed["state"], listed["reason"]), (None, "waiting", "another VM that may have it has not answered yet"))
    vm1.greet = None
    vm1.wait(lambda q: q.connected, "a connection")
    vm1._send(GREETING)
    vm2.wait_device(vhp(kbd))
    equal(vm1.devices, {})


@test
def nonsense_from_a_monitor_fails_its_operation_and_is_tried_again(w):
    for garbage in (b"\x00\xff\xfe not json at all\r\n", b"[1, 2]\n", b'{"return": {}, "return": {}}\n', b'{"QMP": 5}\n'):
        with World() as inner:
            vm1 = inner.qemu("vm1")
            sent = []

            def speak(command, vm1=vm1, garbage=garbage, sent=sent):
                sent.append(command)
                return garbage if len(sent) == 1 else None

            vm1.hooks["device_add"] = speak
            inner.daemon(inner.conf([rule("vm1", KEYBOARD)]))
            kbd = inner.host.plug("1-2")
            vm1.wait_device(vhp(kbd))


@test
def a_monitor_that_hangs_up_in_the_middle_is_asked_what_it_did(w):
    vm1 = w.qemu("vm1")

    def done_but_not_said(command):
        del vm1.hooks["device_add"]
        vm1.devices[command.arguments["id"]] = "usb-host"
        return "hangup"

    vm1.hooks["device_add"] = done_but_not_said
    w.daemon(w.conf([rule("vm1", KEYBOARD)]))
    api = w.api(events=True)
    kbd = w.host.plug("1-2")
    api.event("usb_connected")
    api.event("usb_attached", vm="vm1")
    equal(vm1.count("device_add"), 1, "it was found there, not added twice")
    equal(list(vm1.devices), [vhp(kbd)])


@test
def answers_that_nobody_asked_for_change_nothing(w):
    vm1 = w.qemu("vm1")
    w.daemon(w.conf([rule("vm1", KEYBOARD)]))
    api = w.api(events=True)

    def babble(command):
        vm1._send({"return": {}, "id": "1.2"})
        vm1._send({"error": {"class": "GenericError", "desc": "about nothing"}})
        vm1._send({"event": "DEVICE_DELETED", "data": {"device": command.arguments["id"], "path": "/x"}})
        return None

    vm1.hooks["device_add"] = babble
    kbd = w.host.plug("1-2")
    api.await_event("usb_attached", device_node=kbd.node)
    equal(api.list()[kbd.node]["vm"], "vm1")


@test
def the_late_word_about_an_old_device_is_not_about_the_new_one(w):
    vm1 = w.qemu("vm1")
    w.daemon(w.conf([rule("vm1", KEYBOARD)], vm_options={"vm1": {"qmp": "keep"}}))
    api = w.api(events=True)
    kbd = w.host.plug("1-2")
    api.await_event("usb_attached")
    w.host.unplug(kbd)
    again = w.host.plug("1-2", devnum=kbd.devnum)
    equal(vhp(again), vhp(kbd))
    api.await_event("usb_disconnected")
    api.await_event("usb_attached")
    vm1.event("DEVICE_DELETED", device=vhp(kbd), path=f"/machine/peripheral/{vhp(kbd)}")
    equal(api.list()[again.node]["state"], "attached")
    equal((vm1.count("device_add"), vm1.count("device_del")), (2, 1))


@test
def an_old_qemu_gets_bus_and_address_as_integers(w):
    vm1 = w.qemu("vm1", hostdevice=False)
    w.daemon(w.conf([rule("vm1", KEYBOARD)]))
    kbd = w.host.plug("1-2")
    vm1.wait_device(vhp(kbd))
    equal(vm1.named("device_add")[-1].arguments,
          {"driver": "usb-host", "id": vhp(kbd), "hostbus": kbd.bus, "hostaddr": kbd.devnum})
    equal(vm1.count("add-fd"), 0)


@test
def what_is_ours_is_adopted_or_removed_and_the_rest_left_alone(w):
    vm1, vm2 = w.qemu("vm1"), w.qemu("vm2")
    kbd = w.host.place("1-2")
    mouse = w.host.place("1-3", 0x046d, 0xc077, [HID_MOUSE])
    vm1.devices = {vhp(kbd): "usb-host", "vhp-usb-9-99": "usb-host", "users-own": "usb-host", "net0": "virtio-net-pci"}
    vm1.fdsets = {760_001: [(os.open("/dev/null", os.O_RDONLY), "vhotplug")], 5: [(os.open("/dev/null", os.O_RDONLY), "theirs")]}
    vm2.devices = {vhp(mouse): "usb-host"}
    w.daemon(w.conf([rule("vm1", KEYBOARD), rule("vm1", MOUSE)]), "-a")
    vm1.wait_device(vhp(mouse))
    vm2.wait_device(vhp(mouse), there=False)
    vm1.wait_device("vhp-usb-9-99", there=False)
    api = w.api()
    api.list_until(lambda devices: [d["vm"] for d in devices.values()] == ["vm1", "vm1"])
    equal(sorted(vm1.devices), sorted([vhp(kbd), vhp(mouse), "users-own", "net0"]))
    equal([c.arguments["id"] for c in vm1.named("device_add")], [vhp(mouse)], "the keyboard was never touched")
    vm1.wait(lambda q: list(q.fdsets) == [5], "our leftover set gone, theirs kept")


@test
def a_move_that_cannot_leave_a_trusted_vm_changes_nothing(w):
    vm1, vm2 = w.qemu("vm1"), w.qemu("vm2")
    w.daemon(w.conf([rule(["vm1", "vm2"], STICK)], vm_options={"vm1": {"revoke": False}}))
    api = w.api(events=True)
    stick = w.host.plug("1-2", 0x0951, 0x1666, [STORAGE])
    api.await_event("usb_select_vm")
    api.ok("usb_attach", device_node=stick.node, vm="vm1")
    vm1.hooks["device_del"] = lambda c: vm1.error("device_del not allowed while migrating")
    api.fails("usb_attach", "not allowed while migrating", device_node=stick.node, vm="vm2")
    device = api.list()[stick.node]
    equal((device["vm"], device["state"]), ("vm1", "attached"))
    equal(vm2.count("device_add"), 0)
    equal([e["event"] for e in api.events if e["event"] != "usb_attached"], [])


@test
def detaching_what_is_gone_already_is_no_failure(w):
    vm1 = w.qemu("vm1")
    w.daemon(w.conf([rule("vm1", KEYBOARD)]))
    api = w.api(events=True)
    kbd = w.host.plug("1-2")
    api.await_event("usb_attached")
    del vm1.devices[vhp(kbd)]
    api.ok("usb_detach", device_node=kbd.node)
    equal(api.list()[kbd.node]["vm"], None)


@test
def the_monitor_is_let_go_for_others_unless_kept(w):
    vm1, vm2 = w.qemu("vm1"), w.qemu("vm2")
    w.daemon(w.conf(BOTH, vm_options={"vm2": {"qmp": "keep"}}))
    kbd = w.host.plug("1-2")
    mouse = w.host.plug("1-3", 0x046d, 0xc077, [HID_MOUSE])
    vm1.wait_device(vhp(kbd))
    vm2.wait_device(vhp(mouse))
    vm1.wait_idle()
    check(vm2.connected, "the kept one")
    equal(vm2.connections, 1)


@test
def commands_go_out_in_one_piece_with_their_descriptor(w):
    vm1 = w.qemu("vm1")
    w.daemon(w.conf([rule("vm1", KEYBOARD)]))
    kbd = w.host.plug("1-2")
    vm1.wait(lambda q: q.count("remove-fd") == 1, "the whole batch")
    names = [c.name for c in vm1.commands]
    at = names.index("add-fd")
    equal(names[at:at + 3], ["add-fd", "device_add", "remove-fd"])
    equal(len({c.at for c in vm1.commands[at:at + 3]}), 1, "one read brought all three")
    equal(json.dumps(vm1.named("device_add")[0].arguments["hostdevice"])[:13], '"/dev/fdset/7')
    equal(vm1.opened[vhp(kbd)], w.host.path(kbd.node))


@test
def suspend_takes_out_and_resume_puts_back(w):
    vm1 = w.qemu("vm1")
    w.daemon(w.conf([rule("vm1", KEYBOARD), rule("vm1", MOUSE, skipOnSuspend=True)]))
    api = w.api(events=True)
    kbd = w.host.plug("1-2")
    mouse = w.host.plug("1-3", 0x046d, 0xc077, [HID_MOUSE])
    api.list_until(lambda devices: all(devices.get(d.node, {}).get("vm") == "vm1" for d in (kbd, mouse)))
    api.ok("usb_suspend", vm="vm1")
    equal(list(vm1.devices), [vhp(mouse)])
    check(not api.list()[kbd.node]["disconnected"], "no decision about the device")
    api.ok("usb_resume")
    equal(sorted(vm1.devices), sorted([vhp(kbd), vhp(mouse)]))


@test
def a_reply_that_never_comes_ends_at_its_deadline(w):
    vm1 = w.qemu("vm1")
    vm1.hooks["device_add"] = lambda c: "drop" if vm1.count("device_add") == 1 else None
    w.daemon(w.conf([rule(["vm1"], STICK)]))
    api = w.api(timeout=20)
    stick = w.host.plug("1-2", 0x0951, 0x1666, [STORAGE])
    vm1.wait(lambda q: q.count("device_add") == 1, "the first attempt")
    api.ok("usb_list")  # nothing else waits
    vm1.wait_device(vhp(stick), timeout=20)


@test
def a_crowd_of_vms_and_devices_comes_to_rest(w):
    names = [f"vm{n}" for n in range(1, 17)]
    qemus = [w.qemu(n) for n in names]
    rules = [rule(n, {"bus": 1, "port": str(i)}) for i, n in enumerate(names, 1)]
    w.daemon(w.conf(rules, vms=names))
    for n in range(1, 17):
        w.host.plug(f"1-{n}")
    for n, qemu in enumerate(qemus, 1):
        qemu.wait(lambda q: len(q.devices) == 1, f"device {n}")
    api = w.api()
    wanted = {str(i): n for i, n in enumerate(names, 1)}
    api.list_until(lambda devices: {d["port_path"]: d["vm"] for d in devices.values()} == wanted)


@test
def sigterm_leaves_guests_their_devices(w):
    vm1 = w.qemu("vm1")
    daemon = w.daemon(w.conf([rule("vm1", KEYBOARD)]))
    kbd = w.host.plug("1-2")
    vm1.wait_device(vhp(kbd))
    equal(daemon.stop(), 0)
    equal(vm1.count("device_del"), 0)
    again = w.daemon(w.conf([rule("vm1", KEYBOARD)]))
    vm1.wait(lambda q: q.count("query-fdsets") >= 2, "its question what is there")
    api = w.api()
    api.given("vm1", kbd)
    w.rest(api)
    equal(vm1.count("device_add"), 1)
    contains(" ".join(again.log), "ready")


run(World)
