"""PCI devices given to VMs by the daemon: a real kernel with an IOMMU, real drivers, and nested QEMUs whose guest answers when it is to give a device
back, or does not."""
import json

from rig import conf, main
from board import until
from pcirig import NIC, NOBODY, NVME, TWIN, PciWorld, prepare
from tap import check, contains, equal, scaled, test


def pci_conf(*rules, **more):
    text = json.loads(conf([], **more))
    text["pciPassthrough"] = list(rules)
    return json.dumps(text)


def rule(vm, ids, **more):
    vendor, device = ids.split(":")
    return {"targetVm": vm, "allow": [{"vendorId": vendor, "deviceId": device}], **more}


NET = rule("vm1", NIC, tag="net")


class Pci(PciWorld):
    def give(self, *rules, **more):
        """A daemon with these rules; a client that hears its events."""
        self.start(pci_conf(*rules, **more))
        return self.api()

    def reload(self, *rules, **more):
        self.board.write("/run/test.conf", pci_conf(*rules, **more), create=True)
        self.board.run(f"kill -HUP {self.daemon.pid}")

    def listed(self, api, address):
        return next(d for d in api.ok("pci_list", all=True)["pci_devices"] if d["address"] == address)

    def in_vm(self, api, address, vm, timeout=30):
        """Once the list says so."""
        until(lambda: self.listed(api, address)["vm"] == vm, scaled(timeout), f"{address} in {vm}: {self.listed(api, address)}")

    def on_vfio(self, address):
        until(lambda: self.pci_driver(address) == "vfio-pci", scaled(10), f"{address} on vfio-pci")

    def __exit__(self, kind, value, trace):
        super().__exit__(kind, value, trace)
        if kind is not None:
            self.story += self.board.run("dmesg | tail -n 30", check=False)


@test
def a_device_goes_to_its_vm_by_rule_and_back_by_request(w):
    nic, = w.addresses(NIC)
    w.on_host(nic, "e1000e")
    api = w.give(NET)
    equal((w.listed(api, nic)["vm"], w.listed(api, nic)["reason"]), (None, "VM 'vm1' is not running"))
    equal(w.pci_driver(nic), "e1000e")  # it is not taken before it can be used
    w.guest("vm1")
    told = api.told("pci_attached", timeout=scaled(30))
    equal((told["vm"], told["pci_device"]["address"], told["pci_device"]["did"]), ("vm1", nic, "10d3"))
    equal((w.pci_driver(nic), w.listed(api, nic)["vm"], w.listed(api, nic)["state"]), ("vfio-pci", "vm1", "attached"))
    api.ok("pci_detach", address=nic, timeout=scaled(40))
    equal(api.told("pci_detached")["vm"], "vm1")
    w.on_host(nic, "e1000e")
    row = w.listed(api, nic)
    equal((row["vm"], row["disconnected"], row["reason"]), (None, True, "disconnected by an admin"))
    api.ok("pci_attach", address=nic, timeout=scaled(40))
    equal((w.pci_driver(nic), w.listed(api, nic)["vm"]), ("vfio-pci", "vm1"))
    w.reload()  # no rule any more
    w.on_host(nic, "e1000e")


@test
def by_tag_what_has_it_is_taken_away_and_stays_so(w):
    nic, = w.addresses(NIC)
    api = w.give(NET)
    vm = w.guest("vm1")
    w.in_vm(api, nic, "vm1")
    api.ok("pci_detach", tag="net", timeout=scaled(40))
    w.on_host(nic, "e1000e")
    equal([(d["address"], d["vm"], d["disconnected"]) for d in api.ok("pci_list", tag="net")["pci_devices"]], [(nic, None, True)])
    vm.kill()
    w.extra_vms.remove(vm)
    w.guest("vm1")
    until(lambda: [v["state"] for v in api.ok("vmm_list")["vms"] if v["name"] == "vm1"] == ["up"], scaled(20), "the VM listed")
    equal((w.listed(api, nic)["vm"], w.pci_driver(nic)), (None, "e1000e"))
    api.ok("pci_attach", tag="net", timeout=scaled(40))
    equal(w.listed(api, nic)["vm"], "vm1")
    w.reload()
    w.on_host(nic, "e1000e")


@test
def suspended_it_stays_ready_and_resumed_it_is_back(w):
    nic, = w.addresses(NIC)
    api = w.give(NET)
    w.guest("vm1")
    w.in_vm(api, nic, "vm1")
    api.ok("pci_suspend", vm="vm1", timeout=scaled(40))
    row = w.listed(api, nic)
    equal((row["vm"], row["disconnected"], row["reason"], w.pci_driver(nic)), (None, False, "suspended", "vfio-pci"))
    api.ok("usb_resume", vm="vm1")  # of devices on USB
    equal(w.listed(api, nic)["reason"], "suspended")
    api.ok("pci_resume", vm="vm1", timeout=scaled(40))
    w.in_vm(api, nic, "vm1")
    api.ok("pci_suspend", vm="vm2")  # nothing to do
    api.ok("pci_resume")
    w.reload()
    w.on_host(nic, "e1000e")


@test
def a_guest_that_hangs_keeps_it_until_it_goes_on(w):
    nic, = w.addresses(NIC)
    api = w.give(NET)
    vm = w.guest("vm1")
    w.in_vm(api, nic, "vm1")
    vm.serial.send("h")
    answer = api.call("pci_detach", timeout=scaled(60), address=nic)
    equal((answer["result"], answer["error"]), ("failed", "the guest of VM 'vm1' has not let go of it in time"))
    row = w.listed(api, nic)
    equal((row["vm"], row["state"], row["disconnected"], w.pci_driver(nic)), ("vm1", "pending", True, "vfio-pci"))
    contains(row["reason"], "has not let go of it yet")
    vm.serial.send("g")
    until(lambda: w.pci_driver(nic) == "e1000e", scaled(30), "the host's driver")
    w.on_host(nic, "e1000e")


@test
def a_vm_that_is_killed_gets_it_again_and_the_host_once_no_rule_says_so(w):
    nic, = w.addresses(NIC)
    api = w.give(NET)
    vm = w.guest("vm1")
    w.in_vm(api, nic, "vm1")
    vm.kill()
    w.extra_vms.remove(vm)
    w.in_vm(api, nic, None)
    w.guest("vm1")
    w.in_vm(api, nic, "vm1")
    w.reload()
    w.on_host(nic, "e1000e")


@test
def a_daemon_that_is_killed_leaves_it_in_the_vm_and_the_next_one_knows(w):
    nic, = w.addresses(NIC)
    api = w.give(NET)
    w.guest("vm1")
    w.in_vm(api, nic, "vm1")
    w.board.run(f"kill -9 {w.daemon.pid}")
    w.dies()
    equal(w.pci_driver(nic), "vfio-pci")
    api = w.give(NET)
    w.in_vm(api, nic, "vm1")
    w.leave()
    w.stop()
    equal(w.pci_driver(nic), "vfio-pci")  # the VM has it still
    api = w.give()  # a daemon without a rule
    w.on_host(nic, "e1000e")


@test
def what_no_vm_has_goes_back_when_the_daemon_ends(w):
    nic, = w.addresses(NIC)
    for how in (15, 9):
        api = w.give(NET)
        vm = w.guest("vm1")
        w.in_vm(api, nic, "vm1")
        vm.kill()
        w.extra_vms.remove(vm)
        w.in_vm(api, nic, None)
        equal(w.pci_driver(nic), "vfio-pci")  # for the VM's next start
        w.leave()
        if how == 15:
            w.stop()
        else:
            w.board.run(f"kill -9 {w.daemon.pid}")
            w.dies()
        w.on_host(nic, "e1000e")


@test
def a_group_of_two_goes_to_one_vm(w):
    one, other = w.addresses(TWIN)
    api = w.give(rule("vm1", TWIN))
    w.guest("vm1")
    for address in (one, other):
        w.in_vm(api, address, "vm1")
    api.ok("pci_detach", address=one, timeout=scaled(40))
    equal((w.pci_driver(one), w.listed(api, other)["vm"]), ("vfio-pci", "vm1"))  # as long as the VM has the other one
    api.ok("pci_attach", address=one, timeout=scaled(40))
    w.reload()
    for address in (one, other):
        w.on_host(address, "e1000")


@test
def a_disk_in_use_is_never_given_away(w):
    disk, = w.addresses(NVME)
    until(lambda: w.board.exists("/dev/nvme0n1"), scaled(10), "the disk")
    w.board.run("mke2fs -F /dev/nvme0n1 >/dev/null && mkdir -p /tmp/nv && mount -t ext4 /dev/nvme0n1 /tmp/nv")
    api = w.give(rule("vm1", NVME))
    w.guest("vm1")
    until(lambda: [v["state"] for v in api.ok("vmm_list")["vms"] if v["name"] == "vm1"] == ["up"], scaled(20), "the VM listed")
    contains(w.listed(api, disk)["reason"], "stays with the host: it holds the mounted file system")
    contains(api.call("pci_attach", address=disk)["error"], "stays with the host")
    w.on_host(disk, "nvme")
    w.board.run("echo x >/tmp/nv/x && sync && umount /tmp/nv")  # and without a word it goes
    w.in_vm(api, disk, "vm1")
    w.reload()
    w.on_host(disk, "nvme")
    until(lambda: w.board.exists("/dev/nvme0n1"), scaled(10), "the disk")


@test
def a_vm_of_another_user_opens_what_it_was_let(w):
    nic, = w.addresses(NIC)
    w.board.run(f"mkdir -p /run/user && chown {NOBODY} /run/user")
    options = {"vm1": {"socket": "/run/user/vm1.qmp"}}
    api = w.give(NET, options=options)

    def under(lock):
        return ("prlimit", f"--memlock={lock}", "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")

    sandbox = ("-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny")
    poor = w.guest("user/vm1", prefix=under(8 << 20), options=sandbox)
    until(lambda: "RLIMIT_MEMLOCK" in (w.listed(api, nic)["reason"] or ""), scaled(30), "the reason")
    poor.kill()
    w.extra_vms.remove(poor)
    w.guest("user/vm1", prefix=under(256 << 20), options=sandbox)
    w.in_vm(api, nic, "vm1")
    w.reload(options=options)
    w.on_host(nic, "e1000e")


@test
def a_card_that_is_plugged_in_goes_to_its_vm_and_one_that_is_pulled_out_is_gone(w):
    before = set(w.addresses(NIC))
    api = w.give(NET)
    w.guest("vm1")
    w.in_vm(api, *before, "vm1")
    w.board.qmp.execute("device_add", driver="e1000e", id="late", bus="rp4")
    told = api.told("pci_connected", timeout=scaled(30))
    late = told["pci_device"]["address"]
    check(late not in before, late)
    w.in_vm(api, late, "vm1")
    w.board.qmp.execute("device_del", id="late")
    equal(api.told("pci_disconnected", timeout=scaled(60))["pci_device"], {"address": late})
    until(lambda: late not in w.addresses(NIC), scaled(20), "the card out")
    w.reload()
    w.on_host(*before, "e1000e")


prepare()
main(Pci)
