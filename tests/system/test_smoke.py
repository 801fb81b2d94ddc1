"""Plug, attach, ask, move, unplug."""
from fakehost import STORAGE
from tap import equal, run, test
from world import KEYBOARD, STICK, World, rule, vhp


@test
def plug_gives_the_device_to_the_rules_vm(w):
    vm1 = w.qemu("vm1")
    w.daemon(w.conf([rule("vm1", KEYBOARD)]))
    api = w.api(events=True)
    kbd = w.host.plug("1-2")
    vm1.wait_device(vhp(kbd))
    equal(vm1.opened[vhp(kbd)], w.host.path(kbd.node), "the descriptor that was passed")
    api.event("usb_connected", device_node=kbd.node)
    api.event("usb_attached", device_node=kbd.node, vm="vm1")
    equal(api.list()[kbd.node]["vm"], "vm1")
    vm1.wait(lambda q: not q.fdsets, "empty fd sets")
    w.host.unplug(kbd)
    vm1.wait_device(vhp(kbd), there=False)
    api.event("usb_detached", device_node=kbd.node, vm="vm1")
    api.event("usb_disconnected", device_node=kbd.node)
    equal(api.list(), {})


@test
def a_choice_is_asked_for_and_a_move_is_done(w):
    vm1, vm2 = w.qemu("vm1"), w.qemu("vm2")
    w.daemon(w.conf([rule(["vm1", "vm2"], STICK)]))
    api = w.api(events=True)
    stick = w.host.plug("1-3", 0x0951, 0x1666, [STORAGE])
    api.event("usb_connected")
    api.event("usb_select_vm", device_node=stick.node, allowed_vms=["vm1", "vm2"])
    api.ok("usb_attach", device_node=stick.node, vm="vm2")
    equal(vhp(stick) in vm2.devices, True)
    api.event("usb_attached", vm="vm2")
    api.ok("usb_attach", vid="0951", pid="1666", vm="vm1")
    api.event("usb_detached", vm="vm2")
    api.event("usb_attached", vm="vm1")
    equal((list(vm1.devices), list(vm2.devices)), ([vhp(stick)], []))


run(World)
