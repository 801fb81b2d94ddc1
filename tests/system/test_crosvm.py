"""VMs of type crosvm, which name nothing: by stand-ins of two kinds, today's crosvm and the one before June 2022."""
import json
import signal

from fakehost import HID_MOUSE, STORAGE
from tap import check, contains, equal, run, test
from world import KEYBOARD, MOUSE, STICK, World, rule


def conf(w, rules, vms=("vm1",), vm_options=None, **general):
    c = w.conf(rules, vms=vms, vm_options=vm_options, **general)
    for vm in c["vms"]:
        vm["type"] = "crosvm"
    return c


def stick(w, port, **attributes):
    return w.host.plug(port, 0x0951, 0x1666, [STORAGE], **attributes)


@test
def both_kinds_take_a_device_and_give_it_back(w):
    for kind in ("today", "before"):
        vm1 = w.crosvm("vm1", kind=kind)
        daemon = w.daemon(conf(w, [rule("vm1", KEYBOARD)]))
        api = w.api(events=True)
        kbd = w.host.plug("1-2")
        api.await_event("usb_attached", vm="vm1")
        vm1.wait_ports({1: kbd})
        equal(vm1.opened[1], w.host.path(kbd.node))
        api.ok("usb_detach", device_node=kbd.node)
        vm1.wait_ports({})
        api.ok("usb_attach", device_node=kbd.node, vm="vm1")
        vm1.wait_ports({1: kbd})
        equal(api.list()[kbd.node]["vm"], "vm1")
        w.host.unplug(kbd)
        vm1.wait_ports({})
        api.close()
        equal(daemon.stop(), 0)
        vm1.end()


@test
def each_request_has_a_connection_of_its_own(w):
    vm1 = w.crosvm("vm1")
    w.daemon(conf(w, [rule("vm1", KEYBOARD)]))
    api = w.api(events=True)
    w.host.plug("1-2")
    api.await_event("usb_attached")
    w.rest(api)
    attaches = [r["AttachDevice"] for r in vm1.requests if "AttachDevice" in r]
    equal(attaches, [{"bus": 1, "addr": 2, "vid": 0x046d, "pid": 0xc31c, "file": 0}])
    check(vm1.connections >= len(vm1.requests), f"{vm1.connections} connections for {vm1.requests}")


@test
def a_vm_that_dies_gives_its_devices_up_and_gets_them_again(w):
    vm1 = w.crosvm("vm1")
    w.daemon(conf(w, [rule("vm1", KEYBOARD)]))
    api = w.api(events=True)
    kbd = w.host.plug("1-2")
    api.await_event("usb_attached", vm="vm1")
    vm1.end()
    api.await_event("usb_detached", vm="vm1")
    again = w.crosvm("vm1")
    again.wait_ports({1: kbd})


@test
def a_full_vm_is_a_reason_and_nothing_is_thrown_out(w):
    vm1 = w.crosvm("vm1")
    w.daemon(conf(w, [rule("vm1", STICK)]))
    api = w.api(events=True)
    sticks = [stick(w, f"1-{n}", serial=f"S{n}") for n in range(1, 9)]
    vm1.wait(lambda c: len(c.ports) == 8, "eight sticks")
    before = dict(vm1.ports)
    ninth = stick(w, "1-9", serial="S9")
    vm1.wait(lambda c: c.count("AttachDevice") >= 9, "the ninth attach")
    fast = stick(w, "1-10", serial="S10", speed="5000")
    vm1.wait(lambda c: c.ports.get(9) is fast, "a port for SuperSpeed")
    contains(api.fails("usb_attach", "", device_node=ninth.node, vm="vm1"), "no port of the device's speed is free")
    equal(vm1.ports, {**before, 9: fast})
    equal(vm1.count("DetachDevice"), 0)
    api.ok("usb_detach", device_node=sticks[0].node)
    vm1.drop(sticks[0])  # the ninth looks like it, so the daemon may have left the port alone: it may be another's by now
    vm1.wait(lambda c: ninth in c.ports.values(), "the port that is free now")


@test
def every_refusal_is_told_in_words(w):
    vm1 = w.crosvm("vm1")
    w.daemon(conf(w, [rule(["vm1", "vm2"], STICK)], vms=("vm1", "vm2")))
    api = w.api(events=True)
    device = stick(w, "1-2")
    api.await_event("usb_select_vm")
    for said, text in ((b'{"UsbResponse":"NoAvailablePort"}', "no port of the device's speed is free"),
                       (b'{"UsbResponse":"NoSuchDevice"}', "knows no such device"),
                       (b'{"UsbResponse":"NoSuchPort"}', "knows no such port"),
                       (b'{"UsbResponse":"FailedToOpenDevice"}', "could not open the device"),
                       (b'{"UsbResponse":"FailedToInitHostDevice"}', "could not set the device up"),
                       (b'{"Err":19}', "without a USB controller"),
                       (b'{"Err":22}', "refused with error 22")):
        vm1.hooks["AttachDevice"] = lambda r, said=said: said
        contains(api.fails("usb_attach", "", device_node=device.node, vm="vm1"), text)
    vm1.hooks.clear()
    api.ok("usb_attach", device_node=device.node, vm="vm1")


@test
def nonsense_half_answers_and_hanging_up_are_no_answers(w):
    vm1 = w.crosvm("vm1")
    w.daemon(conf(w, [rule(["vm1", "vm2"], STICK)], vms=("vm1", "vm2")))
    api = w.api(events=True)
    device = stick(w, "1-2")
    api.await_event("usb_select_vm")
    for said in (b"nonsense", b'{"UsbResponse":{"Ok":{"por', b'{"UsbResponse":{"Ok":{"port":17}}}', b'{"UsbResponse":{"Devices":[]}}',
                 b"x" * 70000, b"\xff" * 9, "hangup"):
        vm1.hooks["AttachDevice"] = lambda r, said=said: said
        api.fails("usb_attach", "", device_node=device.node, vm="vm1")
        equal(vm1.ports, {})
    vm1.hooks.clear()
    api.ok("usb_attach", device_node=device.node, vm="vm1")
    vm1.wait_ports({1: device})


@test
def a_second_answer_ends_no_other_request(w):
    vm1 = w.crosvm("vm1")
    daemon = w.daemon(conf(w, [rule("vm1", KEYBOARD, MOUSE)]))
    api = w.api(events=True)

    def twice(_request):
        answer = {"UsbResponse": vm1._ListDevice({"ports": list(range(1, 17))}, [])}
        return [json.dumps(answer).encode()] * 2

    vm1.hooks["ListDevice"] = twice
    kbd = w.host.plug("1-2")
    api.await_event("usb_attached")
    mouse = w.host.plug("1-3", 0x046d, 0xc077, [HID_MOUSE])
    api.await_event("usb_attached")
    vm1.wait_ports({1: kbd, 2: mouse})
    api.ok("usb_detach", device_node=mouse.node)  # the list before it came twice: no word of the VM, but it is revoked
    daemon.wait_log("does not speak the protocol")
    vm1.hooks.clear()
    vm1.wait_ports({1: kbd})
    api.ok("usb_attach", device_node=mouse.node)
    api.ok("usb_detach", device_node=kbd.node)
    vm1.wait_ports({2: mouse})


@test
def silence_is_doubt_until_a_list_shows_what_came_of_it(w):
    vm1 = w.crosvm("vm1")
    w.daemon(conf(w, [rule("vm1", KEYBOARD)]))
    api = w.api(events=True, timeout=20)
    kbd = w.host.place("1-2")

    def takes_it_and_says_nothing(_request):
        vm1.hooks.clear()
        vm1.ports[3] = kbd
        return "silent"

    vm1.hooks["AttachDevice"] = takes_it_and_says_nothing
    w.host.event("add", kbd)
    w.host.event("bind", kbd)
    api.await_event("usb_attached", vm="vm1")
    equal(vm1.count("AttachDevice"), 1)
    api.ok("usb_detach", device_node=kbd.node)
    vm1.wait_ports({})


@test
def after_a_crash_of_the_daemon_twins_are_told_apart_by_their_ports(w):
    vm1 = w.crosvm("vm1")
    c = conf(w, [rule("vm1", STICK)])
    daemon = w.daemon(c)
    api = w.api(events=True)
    first = stick(w, "1-2")
    vm1.wait_ports({1: first})
    second = stick(w, "1-3")
    vm1.wait_ports({1: first, 2: second})
    w.rest(api)
    api.close()
    daemon.process.send_signal(signal.SIGKILL)
    daemon.wait(5)
    w.daemons.remove(daemon)
    attaches = vm1.count("AttachDevice")
    w.daemon(c)
    api = w.api()
    w.rest(api)
    equal({d: api.list()[d.node]["vm"] for d in (first, second)}, {first: "vm1", second: "vm1"})
    api.ok("usb_detach", device_node=second.node)
    vm1.wait_ports({1: first})
    equal(vm1.count("AttachDevice"), attaches)


@test
def the_last_port_is_seen_too(w):
    vm1 = w.crosvm("vm1")
    vm1.ports = {p: w.host.place(f"1-{p}", 0x1d6b, 0x0104, [STORAGE], serial=f"O{p}") for p in range(9, 16)}
    c = conf(w, [rule("vm1", {"vendorId": "0951"})])
    daemon = w.daemon(c)
    api = w.api(events=True)
    fast = stick(w, "1-20", speed="5000")
    vm1.wait(lambda v: v.ports.get(16) is fast, "port 16")
    w.rest(api)
    api.close()
    daemon.process.send_signal(signal.SIGKILL)
    daemon.wait(5)
    w.daemons.remove(daemon)
    w.daemon(c)
    api = w.api()
    w.rest(api)
    equal(api.list()[fast.node]["vm"], "vm1")
    api.ok("usb_detach", device_node=fast.node)
    vm1.wait(lambda v: 16 not in v.ports, "its end")
    equal(len(vm1.ports), 7)  # somebody else's stay


@test
def somebody_elses_device_at_the_same_port_stays(w):
    vm1 = w.crosvm("vm1")
    w.daemon(conf(w, [rule("vm1", KEYBOARD)]))
    api = w.api(events=True)
    kbd = w.host.plug("1-2")
    api.await_event("usb_attached")
    w.rest(api)
    other = w.host.place("1-5", 0x1234, 0x5678, [STORAGE])
    vm1.give(1, other)  # crosvm has dropped the keyboard, and its port was given away before anybody looked
    api.ok("usb_detach", device_node=kbd.node)
    equal(vm1.ports, {1: other})
    equal(vm1.count("DetachDevice"), 0)


@test
def an_unplugged_device_is_taken_out_wherever_it_still_is(w):
    vm1 = w.crosvm("vm1")
    w.daemon(conf(w, [rule("vm1", KEYBOARD)]))
    api = w.api(events=True)
    kbd = w.host.plug("1-2")
    api.await_event("usb_attached")
    w.host.unplug(kbd)
    vm1.wait_ports({})
    again = w.host.plug("1-2")
    vm1.wait_ports({1: again})


@test
def a_move_between_a_qemu_and_a_crosvm(w):
    vm1 = w.crosvm("vm1")
    vm2 = w.qemu("vm2")
    c = conf(w, [rule(["vm1", "vm2"], STICK)], vms=("vm1", "vm2"))
    c["vms"][1]["type"] = "qemu"
    w.daemon(c)
    api = w.api(events=True)
    device = stick(w, "1-2")
    api.await_event("usb_select_vm")
    for vm, inside in (("vm1", {1: device}), ("vm2", {}), ("vm1", {1: device})):
        api.ok("usb_attach", device_node=device.node, vm=vm)
        vm1.wait_ports(inside)
        equal(len(vm2.devices), 0 if inside else 1)


@test
def a_qmp_socket_is_no_crosvm_and_the_other_way_round(w):
    w.qemu("vm1")
    w.crosvm("vm2")
    c = conf(w, [rule("vm1", KEYBOARD), rule("vm2", MOUSE)], vms=("vm1", "vm2"))
    c["vms"][1]["type"] = "qemu"
    daemon = w.daemon(c)
    daemon.wait_log(r"vm=vm1 error=\"the monitor of VM 'vm1' is of another type: a control socket of type crosvm\"", timeout=15)
    daemon.wait_log(r"vm=vm2 error=\"the monitor of VM 'vm2' is of another type: a control socket of type qemu\"", timeout=15)


@test
def a_vm_of_type_auto_is_what_its_socket_says(w):
    c = conf(w, [rule("vm1", KEYBOARD)])
    c["vms"][0]["type"] = "auto"
    w.daemon(c)
    api = w.api(events=True)
    kbd = w.host.plug("1-2")
    for _ in range(2):
        crosvm = w.crosvm("vm1")
        api.await_event("usb_attached", vm="vm1")
        crosvm.wait_ports({1: kbd})
        crosvm.end()
        api.await_event("usb_detached", vm="vm1")
        qemu = w.qemu("vm1")
        api.await_event("usb_attached", vm="vm1")
        equal(len(qemu.devices), 1)
        qemu.end()
        api.await_event("usb_detached", vm="vm1")


run(World)
