"""VMs of type cloud-hypervisor: what its API answers, and what is no answer. It takes PCI devices alone."""
import json
import time

from tap import Failed, check, contains, equal, run, scaled, test
from world import KEYBOARD, World, rule

CREATED = {"config": {"devices": None}, "state": "Created", "device_tree": None}


def conf(w, rules=(), kinds=("cloud-hypervisor",), **general):
    c = w.conf(rules, vms=[f"vm{n + 1}" for n in range(len(kinds))], **general)
    for vm, kind in zip(c["vms"], kinds):
        vm["type"] = kind
    return c


def until(api, condition, name="vm1"):
    end = time.monotonic() + scaled(10)
    while time.monotonic() < end:
        vm = next(v for v in api.ok("vmm_list")["vms"] if v["name"] == name)
        if condition(vm):
            return vm
        time.sleep(0.02)
    raise Failed(f"the VM stays so: {vm}")


@test
def a_vm_is_listed_and_its_end_is_seen(w):
    w.daemon(conf(w))
    api = w.api(events=True)
    equal(until(api, lambda vm: vm["state"] == "down")["type"], "cloud-hypervisor")
    for kind in ("today", "before"):
        vm1 = w.cloud("vm1", kind=kind)
        vm1.wait(lambda c: c.count("vm.info") >= 1, "the list")
        until(api, lambda vm: vm["state"] == "up")
        vm1.end()
        until(api, lambda vm: vm["state"] == "down")


@test
def devices_of_others_stay(w):
    vm1 = w.cloud("vm1")
    vm1.devices = {"_vfio2": "/sys/bus/pci/devices/0000:00:14.3/", "vhp-pci-0000-01-00.0": "/sys/bus/pci/devices/0000:01:00.0/"}
    w.daemon(conf(w))
    api = w.api()
    until(api, lambda vm: vm["state"] == "up")
    w.rest(api)
    equal({a for a, _ in vm1.requests}, {"vm.info"})


@test
def a_refusal_is_the_reason(w):
    for kind in ("today", "before"):
        vm1 = w.cloud("vm1", kind=kind, created=False)
        daemon = w.daemon(conf(w))
        api = w.api()
        contains(until(api, lambda vm: vm["reason"])["reason"], "The VM is not created")
        vm1.created = True
        until(api, lambda vm: vm["state"] == "up")
        api.close()
        equal(daemon.stop(), 0)
        vm1.end()


@test
def what_is_no_answer_is_asked_for_again(w):
    said = [b"nonsense\r\n", b"HTTP/1.1 200 \r\n\r\n", b"HTTP/1.1 200 \r\nContent-Length: 3\r\n\r\n{}]",
            b"HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"HTTP/1.1 200 \r\nContent-Length: 99999999\r\n\r\n",
            b"x" * 70000, b'{"QMP": {"version": {}, "capabilities": []}}\r\n', "hangup"]
    vm1 = w.cloud("vm1")

    def once(_body):
        if len(said) == 0:
            vm1.hooks.clear()
            return None
        return said.pop(0)

    vm1.hooks["vm.info"] = once
    daemon = w.daemon(conf(w))
    daemon.wait_log("does not speak the protocol")
    api = w.api(timeout=20)
    vm1.wait(lambda c: not c.hooks, "the last attempt", timeout=30)
    until(api, lambda vm: vm["state"] == "up")


@test
def an_answer_that_comes_later_is_waited_for(w):
    vm1 = w.cloud("vm1")
    body = json.dumps(CREATED)
    vm1.hooks["vm.info"] = lambda _: b"HTTP/1.1 100 \r\n\r\n" + vm1.answer(200, body)
    w.daemon(conf(w))
    api = w.api()
    until(api, lambda vm: vm["state"] == "up")


@test
def another_vmm_at_its_socket_is_named(w):
    w.crosvm("vm1")
    daemon = w.daemon(conf(w))
    daemon.wait_log(r"vm=vm1 error=\"the monitor of VM 'vm1' is of another type: a control socket of type cloud-hypervisor\"", timeout=15)


@test
def usb_devices_go_to_the_others(w):
    w.cloud("vm1")
    vm2 = w.qemu("vm2")
    w.daemon(conf(w, [rule("vm2", KEYBOARD)], kinds=("cloud-hypervisor", "qemu")))
    api = w.api(events=True)
    kbd = w.host.plug("1-2")
    api.await_event("usb_attached", vm="vm2")
    error = api.fails("usb_attach", "", device_node=kbd.node, vm="vm1")
    check("vm1" in error, error)
    equal(len(vm2.devices), 1)


run(World)
