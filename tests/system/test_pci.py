"""`pci_list`: read-only, from sysfs, by a device worker."""
import os
import signal
import socket

from pcihost import laptop, pci
from tap import check, contains, equal, run, test
from world import World, free_port

TCP = (socket.AF_INET, socket.SOCK_STREAM)


def workers(daemon):
    with open(f"/proc/{daemon.process.pid}/task/{daemon.process.pid}/children", encoding="ascii") as f:
        pids = [int(p) for p in f.read().split()]
    named = []
    for pid in pids:
        with open(f"/proc/{pid}/comm", encoding="utf-8") as f:
            if f.read() == "vhotplug-device\n":
                named.append(pid)
    return named


def addresses(api, **fields):
    return [d["address"] for d in api.ok("pci_list", **fields)["pci_devices"]]


def rule(vm, entries, **more):
    return {"targetVm": vm, "allow": entries, **more}


def configured(w, *rules, **general):
    return {**w.conf(**general), "pciPassthrough": list(rules)}


ALL = rule("vm1", [{"deviceClass": n} for n in (2, 3, 12)])


@test
def devices_are_read_when_they_are_asked_for(w):
    daemon = w.daemon(configured(w, ALL))
    api = w.api()
    equal(api.ok("pci_list", id=1), {"result": "ok", "pci_devices": [], "id": 1})  # a host without PCI
    pci(w, "0000:00:1f.3", "0x8086", "0x2930", "0x0c0500", "i801_smbus", "14")
    pci(w, "0000:00:02.0", "0x10de", "0x2684", "0x030000")
    pci(w, "0000:00:00.0", "0x8086", "0x29c0", "0x060000")
    listed = api.ok("pci_list")["pci_devices"]
    equal([d["address"] for d in listed], ["0000:00:02.0", "0000:00:1f.3"])
    equal(list(listed[1].items()), [
        ("address", "0000:00:1f.3"), ("driver", "i801_smbus"), ("vendor_id", 32902), ("device_id", 10544), ("vid", "8086"), ("did", "2930"),
        ("vendor_name", "PCI vendor 8086"), ("device_name", "PCI device 2930"), ("pci_class", 12), ("pci_subclass", 5), ("pci_prog_if", 0),
        ("pci_subsystem_vendor_id", "1af4"), ("pci_subsystem_id", "1100"), ("iommu_group", 14), ("allowed_vms", ["vm1"]), ("vm", None),
        ("disconnected", False), ("tag", None), ("parent", None), ("protected", None)])
    equal((listed[0]["driver"], listed[0]["iommu_group"]), (None, None))
    equal(addresses(api, all=True), ["0000:00:02.0", "0000:00:1f.3", "0000:00:00.0"])
    equal(addresses(api, disconnected=False, tag=None), ["0000:00:02.0", "0000:00:1f.3"])
    equal((addresses(api, disconnected=True), addresses(api, tag="net")), ([], []))  # none was taken away, and none has a tag
    api.fails("pci_list", '"disconnected" is', disconnected="yes")
    os.unlink(w.host.path("sys/bus/pci/devices/0000:00:02.0"))
    equal(addresses(api), ["0000:00:1f.3"])
    daemon.configure(configured(w))
    equal(addresses(api), [])


@test
def rules_tags_and_groups_say_what_goes(w):
    laptop(w)
    daemon = w.daemon(configured(w, rule("vm2", [{"deviceClass": 4, "deviceSubclass": 3}], tag="audio", pciIommuAddAll=True),
                                 rule("vm1", [{"vendorId": "8086", "deviceId": "51f1"}], tag="net"), rule("elsewhere", [{"deviceClass": 3}])))
    api = w.api()
    listed = api.ok("pci_list")["pci_devices"]
    equal([(d["address"], d["allowed_vms"], d.get("iommu_member"), d["tag"]) for d in listed],
          [("0000:00:1f.3", ["vm2"], None, "audio"), ("0000:00:1f.4", ["vm2"], True, "audio"), ("0000:00:14.3", ["vm1"], None, "net"),
           ("0000:00:02.0", [], None, None)])
    keys = list(listed[1])
    equal(keys[keys.index("iommu_member") + 1], "allowed_vms")
    equal(addresses(api, tag="audio", all=True), ["0000:00:1f.3", "0000:00:1f.4"])
    equal(addresses(api, tag="net", all=True), ["0000:00:14.3"])
    equal(addresses(api, tag="cam", all=True), [])
    equal(addresses(api, tag="net"), [])  # a kill switch would take "in no VM" for blocked, and nobody can block it yet
    daemon.configure(configured(w, rule("vm2", [{"deviceClass": 4}], pciIommuSkipIfShared=True), rule("vm1", [{"deviceClass": 2}], pciIommuSkipIfShared=True)))
    equal(addresses(api), ["0000:00:14.3"])


@test
def what_stays_with_the_host_is_told_with_the_reason(w):
    laptop(w)
    every = rule("vm1", [{"vendorId": "8086"}, {"vendorId": "144d"}])
    daemon = w.daemon(configured(w, every))
    api = w.api()

    def kept():
        return {d["address"]: d["protected"] for d in api.ok("pci_list", all=True)["pci_devices"]}

    bridge = "is a bridge"
    expected = {"0000:00:00.0": bridge, "0000:00:02.0": "shows the console: the firmware started it", "0000:00:06.0": bridge,
                "0000:00:14.0": "has a keyboard of the host: event3", "0000:00:14.3": None, "0000:00:1f.0": "is the ISA bridge", "0000:00:1f.3": None,
                "0000:00:1f.4": None, "0000:01:00.0": "holds the mounted file system /"}
    equal(kept(), expected)
    equal({d["address"]: d["parent"] for d in api.ok("pci_list", all=True)["pci_devices"] if d["parent"]}, {"0000:01:00.0": "0000:00:06.0"})
    # the uses are those of the moment
    w.host.write("proc/self/mountinfo", "")
    daemon.configure(configured(w, rule("vm1", [{"address": "0000:00:14.0"}]), every, protectUplink=True))
    equal(kept(), {**expected, "0000:00:14.0": None, "0000:00:14.3": "carries the default route by wlan0", "0000:01:00.0": None})
    # one group, one VM
    daemon.configure(configured(w, rule("vm2", [{"deviceClass": 4}]), every))
    equal(kept()["0000:00:1f.4"], "shares its IOMMU group with 0000:00:1f.3, which is for VM 'vm2'")


@test
def who_asks_while_one_is_read_is_served_next(w):
    daemon = w.daemon(configured(w, ALL))
    pci(w, "0000:00:02.0", "0x10de", "0x2684", "0x030000")
    clients = [w.api() for _ in range(4)]
    stopped = workers(daemon)
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    for client in clients:
        client.send({"action": "pci_list"})
    clients[1].close()
    w.api().ok("version")
    pci(w, "0000:00:03.0", "0x10de", "0x2684", "0x030000")
    for pid in stopped:
        os.kill(pid, signal.SIGCONT)
    for client in (clients[0], clients[2], clients[3]):
        equal(client.response()["result"], "ok")
    equal([d["address"] for d in clients[3].lines[-1]["pci_devices"]], ["0000:00:02.0", "0000:00:03.0"])


@test
def workers_that_do_not_answer_fail_it_in_time(w):
    daemon = w.daemon(w.conf())
    api = w.api(timeout=20)
    stopped = workers(daemon)
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    api.fails("pci_list", "the PCI devices could not be read in time")
    for pid in stopped:
        os.kill(pid, signal.SIGCONT)
    equal(addresses(api), [])
    equal(len(workers(daemon)), len(stopped))


@test
def a_guest_is_told_of_none(w):
    port = free_port()
    pci(w, "0000:00:02.0", "0x10de", "0x2684", "0x030000")
    vm1 = w.qemu("vm1")
    daemon = w.daemon(configured(w, ALL, api={"transports": ["unix", "tcp"], "port": port, "clients": [
        {"uid": os.getuid(), "role": "admin"}, {"tcp": "127.0.0.1", "role": "guest", "vm": "vm1"}]}))
    w.api().list_until(lambda l: l == {})
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
    equal(addresses(guest), [])
    equal(addresses(w.api()), ["0000:00:02.0"])
    contains(guest.fails("pci_attach", "not supported yet", address="0000:00:02.0"), "PCI devices are not given to VMs")
    vm1.end()


run(World)
