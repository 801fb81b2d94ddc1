"""`vmm_args`: what a VM is to be started with, from the rules and from what the host has at that moment."""
import os
import subprocess

from inputhost import keyboard, touchpad
from pcihost import pci
from tap import contains, equal, run, scaled, test
from world import BINARY, World

NHLT = "/sys/firmware/acpi/tables/NHLT"


def vm(name, kind="qemu"):
    return {"name": name, "type": kind, "socket": f"/nowhere/{name}"}


def table(w, path=NHLT, text="NHLT"):
    real = w.host.path(path.lstrip("/"))
    os.makedirs(os.path.dirname(real), exist_ok=True)
    with open(real, "w", encoding="ascii") as f:
        f.write(text)
    return real


def configured(w, vms=(), **sections):
    return {**w.conf(), "vms": list(vms) or [vm("a")], **sections}


KEYS = {"targetVm": "a", "allow": [{"name": "ELAN"}, {"property": "ID_INPUT_KEYBOARD", "value": "1"}]}
NET = {"targetVm": "a", "allow": [{"deviceClass": 2}]}


@test
def input_devices_are_those_of_the_moment(w):
    w.daemon(configured(w, evdevPassthrough=[KEYS]))
    api = w.api()
    equal(api.ok("vmm_args", vm="a", id=1), {"result": "ok", "vmm_args": [], "id": 1})
    keyboard(w)
    touchpad(w)
    equal(api.ok("vmm_args", vm="a", qemu_bus_prefix="p_", qemu_bus_start_index="2")["vmm_args"], [
        "-device", "virtio-input-host-pci,evdev=/dev/input/event4,id=vhp-evdev-2",
        "-device", "virtio-input-host-pci,evdev=/dev/input/event0,id=vhp-evdev-3"])
    os.unlink(w.host.path("sys/class/input/event4"))
    equal(w.cli("vmm", "args", "--vm", "a").stdout, "-device virtio-input-host-pci,evdev=/dev/input/event0,id=vhp-evdev-0")
    api.fails("vmm_args", "no rule of pciPassthrough is for VM 'a'", vm="a", require_pci=True)
    api.fails("vmm_args", '"qemu_bus_prefix" is', vm="a", qemu_bus_prefix="p,addr=0x1")


@test
def each_type_has_its_own_words(w):
    keyboard(w)
    table(w)
    for kind, expected in (("qemu", ["-acpitable", f"file={NHLT}", "-device", "virtio-input-host-pci,evdev=/dev/input/event0,id=vhp-evdev-0"]),
                           ("crosvm", ["--acpi-table", NHLT, "--input", "evdev[path=/dev/input/event0]"])):
        daemon = w.daemon(configured(w, [vm("a", kind)], evdevPassthrough=[KEYS], acpiPassthrough=[{"targetVm": "a", "allow": [{"acpiTable": NHLT}]}]))
        equal(w.api().ok("vmm_args", vm="a"), {"result": "ok", "vmm_args": expected})
        equal(daemon.stop(), 0)
    w.daemon(configured(w, [vm("a", "cloud-hypervisor")], evdevPassthrough=[KEYS]))
    w.api().fails("vmm_args", "cloud-hypervisor takes no input device", vm="a")


@test
def a_pci_device_that_is_not_prepared_is_not_handed_out(w):
    w.daemon(configured(w, pciPassthrough=[NET], evdevPassthrough=[KEYS]))
    api = w.api()
    equal(api.ok("vmm_args", vm="a")["vmm_args"], [])  # there is none
    api.fails("vmm_args", "no PCI device of this host goes to VM 'a'", vm="a", require_pci=True)
    keyboard(w)
    pci(w, "0000:00:1f.3", "0x8086", "0x2930", "0x0c0500")  # for nobody
    equal(len(api.ok("vmm_args", vm="a")["vmm_args"]), 2)
    pci(w, "0000:00:14.3", "0x8086", "0x51f1", "0x028000", "iwlwifi", "10")
    api.fails("vmm_args", "not supported yet: the PCI device 0000:00:14.3 is for VM 'a'", vm="a")
    done = w.cli("vmm", "args", "--vm", "a")
    equal((done.returncode, done.stdout), (1, ""))


@test
def what_the_host_needs_is_left_out(w):
    w.daemon(configured(w, pciPassthrough=[{"targetVm": "a", "allow": [{"deviceClass": 6}]}]))
    pci(w, "0000:00:00.0", "0x8086", "0x29c0", "0x060000")
    equal(w.api().ok("vmm_args", vm="a"), {"result": "ok", "vmm_args": [], "left_out": [{"device": "0000:00:00.0", "reason": "is a bridge"}]})
    done = w.cli("vmm", "args", "--vm", "a")
    equal((done.returncode, done.stdout, done.stderr), (0, "", "vhotplugcli: left out: 0000:00:00.0 (is a bridge)\n"))
    w.api().fails("vmm_args", "no PCI device", vm="a", require_pci=True)


@test
def tables_are_given_to_their_owners_at_the_start(w):
    real = table(w)
    os.mkdir(w.host.path("tables"))
    tables = [{"acpiTable": NHLT, "setUser": "12", "setGroup": "34"}, {"acpiTable": "/tables"}, {"acpiTable": "/none", "disable": True},
              {"acpiTable": "/none"}, {"acpiTable": NHLT, "setUser": "nobody-of-this-name"}]
    daemon = w.daemon(configured(w, acpiPassthrough=[{"targetVm": "a", "allow": tables}]))
    if os.getuid() == 0:
        equal((os.stat(real).st_uid, os.stat(real).st_gid), (12, 34))
        reply = w.api().ok("vmm_args", vm="a")
        equal(reply["vmm_args"], ["-acpitable", f"file={NHLT}"])
    else:
        reply = w.api().ok("vmm_args", vm="a")
    equal([d["device"] for d in reply["left_out"] if d["device"] != NHLT], ["/tables", "/none"])
    contains(reply["left_out"][-1]["reason"], "'nobody-of-this-name' is not in /etc/passwd")
    daemon.wait_log("no VM is given the table /tables: no regular file")
    daemon.configure(configured(w, acpiPassthrough=[{"targetVm": "a", "allow": [{"acpiTable": "/later"}]}]))
    daemon.wait_log("a table of acpiPassthrough is new: restart the daemon for it")
    table(w, "/later")
    equal(w.api().ok("vmm_args", vm="a")["left_out"], [
        {"device": "/later", "reason": "it is new in the configuration: restart the daemon for it"}])


@test
def a_name_of_an_owner_is_checked(w):
    path = os.path.join(w.dir, "owners.conf")
    with open(path, "w", encoding="ascii") as f:
        f.write('{"vms": [{"name": "a", "type": "qemu", "socket": "/x"}], "acpiPassthrough": [{"targetVm": "a", "allow": '
                '[{"acpiTable": "/x", "setUser": "root", "setGroup": "nobody-of-this-name"}]}]}')
    done = subprocess.run([BINARY, "--check", "-c", path], capture_output=True, text=True, timeout=scaled(10), check=False)
    contains(done.stdout, "acpiPassthrough: setGroup: 'nobody-of-this-name' is not in /etc/group here")
    equal(done.returncode, 0)


run(World)
