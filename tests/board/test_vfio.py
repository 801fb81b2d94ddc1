"""PCI devices for VMs by VFIO, behind an emulated IOMMU: a VFIO worker in its sandbox binds real devices of a real kernel, and what speaks QMP to
a nested QEMU is what the daemon is made of. vfiotool.c drives both, step by step; test_pci.py has the daemon itself.
"""
import os
import sys

from rig import TOP, main
from board import until
from inputs import make, node
from pcirig import NIC, NOBODY, NVME, TWIN, PciWorld, prepare
from tap import check, contains, equal, scaled, test

sys.path.append(os.path.join(TOP, "tests/fault"))

from lists import LAUNCH, allowed, made  # noqa: E402

TOOL = os.path.realpath(os.path.join(TOP, "build", os.uname().machine, "vfiotool"))
USED = "/run/used-calls"


class Tool:
    """vfiotool.c on the board. An answer is a line; what is logged is not."""

    def __init__(self, board, under=()):
        self.process = board.spawn([*under, TOOL], root="host")
        self.log = []
        self.answer("up")

    def answer(self, *expected):
        while (line := self.process.line(scaled(60))) is not None and line.startswith("<"):
            self.log.append(line)
        if expected:
            equal(line, *expected)
        return line

    def ask(self, *words):
        self.process.send(" ".join(map(str, words)) + "\n")
        return self.answer()

    def must(self, result, *words):
        line = self.ask(*words)
        equal((line or "").split(" ")[0], result, f"{' '.join(map(str, words))}: {line}; {self.log}")
        return line

    def end(self):
        self.process.end()
        status, out = self.process.wait(scaled(20))
        return status, out


class Vfio(PciWorld):
    def __init__(self):
        super().__init__()
        self._tool = None

    @property
    def tool(self):
        if self._tool is None:
            self._tool = Tool(self.board)
        return self._tool

    def take(self, vm, address, flags="-", uid=0):
        """From the host to the VM."""
        self.tool.must("done", "prepare", uid, flags, address)
        equal(self.pci_driver(address), "vfio-pci")
        self.tool.must("done", "add", vm.socket, address)
        self.tool.must("busy", "look", address)

    def give_back(self, vm, address):
        """By the guest; it is out when the kernel says so."""
        self.tool.must("accepted", "del", vm.socket, address)
        equal(self.tool.ask("await", int(scaled(20))), f"deleted vhp-pci-{address.replace(':', '-')}")
        until(lambda: self.tool.ask("look", address).startswith("done"), scaled(10), "the device out of the VM")

    def __exit__(self, kind, value, trace):
        if self._tool:
            self.story += "\n".join(self._tool.log)
            self._tool.end()
        super().__exit__(kind, value, trace)
        if kind is not None:
            self.story += self.board.run("dmesg | tail -n 30", check=False)


@test
def a_device_goes_to_a_vm_and_back_to_the_hosts_driver(w):
    nic, = w.addresses(NIC)
    w.on_host(nic, "e1000e")
    vm = w.guest("vm1")
    said = w.tool.must("done", "prepare", 0, "-", nic)
    group = said.split("group=")[1].split()[0]
    check(w.board.exists(f"/dev/vfio/{group}"), said)
    equal(w.tool.ask("list", vm.socket), "done ")
    w.tool.must("done", "add", vm.socket, nic)
    ident = f"vhp-pci-{nic.replace(':', '-')}"
    equal(w.tool.ask("list", vm.socket), f"done {ident}={nic}* ")
    w.tool.must("done", "add", vm.socket, nic)  # it is there
    contains(w.tool.must("busy", "look", nic), "a VM has")
    began = w.board.clock()
    w.tool.must("busy", "restore", nic)  # nothing is written, so nothing hangs
    check(w.board.clock() - began < scaled(5), "at once")
    w.give_back(vm, nic)
    equal(w.tool.ask("list", vm.socket), "done ")
    w.tool.must("done", "del", vm.socket, nic)  # it is out
    equal(w.pci_driver(nic), "vfio-pci")
    w.tool.must("done", "restore", nic)
    w.on_host(nic, "e1000e")
    check(not w.board.exists(f"/dev/vfio/{group}"), "the group's node is gone")


@test
def a_group_of_two_goes_to_one_vm(w):
    one, other = w.addresses(TWIN)
    for address in (one, other):
        w.on_host(address, "e1000")
    vm, second = w.guest("vm1"), w.guest("vm2")
    contains(w.tool.must("stays", "prepare", 0, "-", one), f"shares its IOMMU group with {other}, which stays with its driver e1000")
    equal((w.pci_driver(one), w.pci_driver(other)), ("e1000", "e1000"))
    w.tool.must("done", "prepare", 0, "-", one, other)
    w.tool.must("done", "add", vm.socket, one)
    w.tool.must("busy", "prepare", 0, "-", other)
    w.tool.must("busy", "add", second.socket, other)
    w.tool.must("done", "prepare", 0, "j", other)
    w.tool.must("done", "add", vm.socket, other)
    w.tool.must("accepted", "del", vm.socket, one)
    contains(w.tool.ask("await", int(scaled(20))), "deleted")
    w.tool.must("busy", "look", one)  # as long as the VM has the other one
    w.give_back(vm, other)
    w.tool.must("done", "restore", other)
    for address in (one, other):
        w.on_host(address, "e1000")


@test
def a_disk_in_use_stays(w):
    disk, = w.addresses(NVME)
    w.on_host(disk, "nvme")
    until(lambda: w.board.exists("/dev/nvme0n1"), scaled(10), "the disk")
    w.board.run("mke2fs -F /dev/nvme0n1 >/dev/null && mkdir -p /tmp/nv && mount -t ext4 /dev/nvme0n1 /tmp/nv")
    contains(w.tool.must("used", "prepare", 0, "-", disk), "holds a mounted file system")
    w.on_host(disk, "nvme")
    w.board.run("echo x >/tmp/nv/x && sync && umount /tmp/nv")
    w.board.run("mkswap /dev/nvme0n1 >/dev/null && swapon /dev/nvme0n1")
    contains(w.tool.must("used", "prepare", 0, "-", disk), "swap space")
    w.board.run("swapoff /dev/nvme0n1")
    w.tool.must("done", "prepare", 0, "-", disk)
    equal(w.pci_driver(disk), "vfio-pci")
    w.tool.must("done", "restore", disk)
    w.on_host(disk, "nvme")
    until(lambda: w.board.exists("/dev/nvme0n1"), scaled(10), "the disk")


@test
def a_bridge_is_never_bound(w):
    one, _ = w.addresses(TWIN)
    above = w.board.readlink(f"/sys/bus/pci/devices/{one}").split("/")[-2]
    contains(w.tool.must("used", "prepare", 0, "-", above), "is a bridge")


@test
def a_guest_that_hangs_keeps_it_until_it_goes_on(w):
    nic, = w.addresses(NIC)
    vm, other = w.guest("vm1"), w.guest("vm2")
    w.take(vm, nic)
    vm.serial.send("h")
    w.tool.must("accepted", "del", vm.socket, nic)
    equal(w.tool.ask("await", 3), "nothing")
    w.tool.must("accepted", "del", vm.socket, nic)
    began = w.board.clock()
    for order in ("look", "restore"):
        w.tool.must("busy", order, nic)
    w.tool.must("busy", "prepare", 0, "-", nic)
    check(w.board.clock() - began < scaled(10), "nothing waits for the VM")
    w.tool.must("busy", "add", other.socket, nic)
    vm.serial.send("g")
    until(lambda: w.tool.ask("look", nic).startswith("done"), scaled(20), "the device out of the VM")
    equal(w.tool.ask("list", vm.socket), "done ")
    w.tool.must("done", "restore", nic)
    w.on_host(nic, "e1000e")


@test
def a_vm_that_is_killed_has_nothing_any_more(w):
    nic, = w.addresses(NIC)
    vm = w.guest("vm1")
    w.take(vm, nic)
    vm.kill()
    w.extra_vms.remove(vm)
    until(lambda: w.tool.ask("look", nic).startswith("done"), scaled(10), "the device out of the VM")
    other = w.guest("vm2")
    w.take(other, nic)  # and without the host's driver in between
    w.give_back(other, nic)
    w.tool.must("done", "restore", nic)
    w.on_host(nic, "e1000e")


@test
def a_vm_of_another_user_opens_what_it_was_let(w):
    nic, = w.addresses(NIC)
    w.board.run(f"mkdir -p /run/user && chown {NOBODY} /run/user")
    sandbox = ("-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny")

    def under(lock):
        return ("prlimit", f"--memlock={lock}", "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")

    vm = w.guest("user/vm1", prefix=under(256 << 20), options=sandbox)
    w.tool.must("done", "prepare", 0, "-", nic)
    w.tool.must("denied", "add", vm.socket, nic)
    w.tool.must("done", "prepare", NOBODY - 1, "-", nic)
    w.tool.must("denied", "add", vm.socket, nic)
    w.take(vm, nic, uid=NOBODY)
    w.give_back(vm, nic)
    poor = w.guest("user/vm2", prefix=under(8 << 20), options=sandbox)
    contains(w.tool.must("memlock", "add", poor.socket, nic), "RLIMIT_MEMLOCK")
    until(lambda: w.tool.ask("look", nic).startswith("done"), scaled(10), "the device free")
    w.tool.must("done", "restore", nic)
    w.on_host(nic, "e1000e")


@test
def a_vm_without_a_free_port_is_said_to_be_full(w):
    nic, = w.addresses(NIC)
    full = w.guest("vm1", ports=1, options=("-device", "e1000e,bus=p0"))
    none = w.guest("vm2", ports=0)
    w.tool.must("done", "prepare", 0, "-", nic)
    contains(w.tool.must("no-port", "add", full.socket, nic), "no PCIe root port of the VM is free")
    contains(w.tool.must("no-port", "add", none.socket, nic), "has no PCIe root port with an id")
    w.tool.must("done", "restore", nic)
    w.on_host(nic, "e1000e")


@test
def a_device_of_the_command_line_is_known_by_its_host(w):
    nic, = w.addresses(NIC)
    w.tool.must("done", "prepare", 0, "-", nic)
    vm = w.guest("vm1", options=("-device", f"vfio-pci,host={nic},multifunction=on,id=vhp-pci-0,bus=p0"))
    equal(w.tool.ask("list", vm.socket), f"done vhp-pci-0={nic} ")
    w.tool.must("accepted", "del", vm.socket, nic)
    equal(w.tool.ask("await", int(scaled(20))), "deleted vhp-pci-0")
    until(lambda: w.tool.ask("look", nic).startswith("done"), scaled(10), "the device out of the VM")
    w.tool.must("done", "restore", nic)
    w.on_host(nic, "e1000e")


@test
def an_input_device_goes_to_a_vm_and_back(w):
    maker = make(w.board, {name: (0x11, (1,), tuple(range(1, 32)), (), (), (), ()) for name in ("left", "right")})
    left, right = until(lambda: (node(w.board, "left"), node(w.board, "right")) if node(w.board, "right") else None, scaled(10), "both")
    cold = w.guest("vm1", options=("-device", f"virtio-input-host-pci,evdev=/dev/input/{left},id=vhp-evdev-0"))  # as vmm_args says
    vm = w.guest("vm2")
    equal(w.tool.ask("list-input", cold.socket), f"done vhp-evdev-0={left} ")
    equal(w.tool.ask("list-input", vm.socket), "done ")
    contains(w.tool.must("busy", "add-input", vm.socket, left), "another program has grabbed it")
    w.tool.must("done", "add-input", vm.socket, right)
    w.tool.must("done", "add-input", vm.socket, right)  # it is there
    equal(w.tool.ask("list-input", vm.socket), f"done vhp-evdev-{right}={right}* ")
    w.tool.must("accepted", "del-input", vm.socket, right)
    equal(w.tool.ask("await", int(scaled(20))), f"deleted vhp-evdev-{right}")
    equal(w.tool.ask("list-input", vm.socket), "done ")
    w.tool.must("done", "del-input", vm.socket, right)  # it is out
    w.tool.must("done", "add-input", vm.socket, right)
    maker.kill()
    maker.wait(scaled(10))
    until(lambda: node(w.board, "right") is None, scaled(10), "the host's device gone")
    equal(w.tool.ask("list-input", vm.socket), f"done vhp-evdev-{right}={right}* ")  # QEMU does not see that
    w.tool.must("accepted", "del-input", vm.socket, right)
    equal(w.tool.ask("await", int(scaled(20))), f"deleted vhp-evdev-{right}")
    contains(w.tool.must("failed", "add-input", vm.socket, right), "No such file or directory")


@test
def a_vm_of_another_user_opens_an_input_device_that_it_was_let(w):
    maker = make(w.board, {"left": (0x11, (1,), tuple(range(1, 32)), (), (), (), ())})
    left = until(lambda: node(w.board, "left"), scaled(10), "the device")
    w.board.run(f"mkdir -p /run/user && chown {NOBODY} /run/user")
    vm = w.guest("user/vm1", prefix=("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"),
                 options=("-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"))
    contains(w.tool.must("denied", "add-input", vm.socket, left), "QEMU may not open the node of the input device")
    before = w.board.run(["stat", "-c", "%a %u %g", f"/dev/input/{left}"])
    w.tool.must("done", "let", left, NOBODY - 1)
    w.tool.must("denied", "add-input", vm.socket, left)
    w.tool.must("done", "let", left, NOBODY)
    w.tool.must("same", "let", left, NOBODY)
    w.tool.must("done", "add-input", vm.socket, left)
    w.tool.must("accepted", "del-input", vm.socket, left)
    equal(w.tool.ask("await", int(scaled(20))), f"deleted vhp-evdev-{left}")
    w.tool.must("done", "bar", left, NOBODY)
    w.tool.must("denied", "add-input", vm.socket, left)
    w.tool.must("done", "bar", left, NOBODY - 1)
    equal(w.board.run(["stat", "-c", "%a %u %g", f"/dev/input/{left}"]), before)
    maker.kill()
    maker.wait(scaled(10))
    until(lambda: node(w.board, "left") is None, scaled(10), "the device gone")
    w.tool.must("gone", "let", left, NOBODY)


@test
def the_worker_makes_each_call_of_its_list_and_no_other(w):
    nic, = w.addresses(NIC)
    w._tool = Tool(w.board, under=[LAUNCH, "--used", USED, "--vdso", "off", "--"])
    w.tool.must("done", "prepare", NOBODY, "-", nic)
    w.tool.must("done", "restore", nic)
    w.on_host(nic, "e1000e")
    equal(w.tool.end()[0], 0)
    w._tool = None
    used = made(w.board.read(USED).splitlines())
    # The clock is read for a warning that is not due here.
    equal(sorted(used["vhotplug-vfio"] ^ allowed("VFIO")), ["clock_gettime"])


@test
def a_device_that_the_host_wants_back_from_a_hung_guest_is_said_to_be_wanted(w):
    """The last test: the device does not come back."""
    nic, = w.addresses(NIC)
    vm = w.guest("vm1")
    w.take(vm, nic)
    vm.serial.send("h")
    w.board.qmp.execute("device_del", id="nic")  # somebody pulls the card out
    until(lambda: "wanted=1" in w.tool.must("busy", "look", nic), scaled(20), "the sign of it")
    w.tool.must("busy", "restore", nic)
    vm.kill()
    w.extra_vms.remove(vm)
    until(lambda: w.tool.ask("look", nic).startswith("gone"), scaled(20), "the card out")


for path in (TOOL, LAUNCH):
    if not os.access(path, os.X_OK):
        raise SystemExit(f"no {path}: make vfiotool build/test/fault/launch")
prepare()
main(Vfio)
