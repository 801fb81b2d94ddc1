"""`pci_list`: read-only, from sysfs, by a device worker."""
import os
import signal
import socket

from tap import check, contains, equal, run, test
from world import World, free_port

TCP = (socket.AF_INET, socket.SOCK_STREAM)


def pci(w, address, vendor, device, cls, driver=None, group=None):
    """A PCI device as the kernel shows it."""
    directory = w.host.path("sys/devices/pci0000:00", address)
    os.makedirs(directory)
    for name, value in (("vendor", vendor), ("device", device), ("class", cls), ("subsystem_vendor", "0x1af4"), ("subsystem_device", "0x1100")):
        with open(os.path.join(directory, name), "w", encoding="ascii") as f:
            f.write(value + "\n")
    for name, target in (("driver", driver and f"sys/bus/pci/drivers/{driver}"), ("iommu_group", group and f"sys/kernel/iommu_groups/{group}")):
        if target:
            os.makedirs(w.host.path(target), exist_ok=True)
            os.symlink(os.path.relpath(w.host.path(target), directory), os.path.join(directory, name))
    os.makedirs(w.host.path("sys/bus/pci/devices"), exist_ok=True)
    os.symlink(os.path.relpath(directory, w.host.path("sys/bus/pci/devices")), w.host.path("sys/bus/pci/devices", address))


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


@test
def devices_are_read_when_they_are_asked_for(w):
    w.daemon(w.conf())
    api = w.api()
    equal(api.ok("pci_list", id=1), {"result": "ok", "pci_devices": [], "id": 1})  # a host without PCI
    pci(w, "0000:00:1f.3", "0x8086", "0x2930", "0x0c0500", "i801_smbus", "14")
    pci(w, "0000:00:02.0", "0x10de", "0x2684", "0x030000")
    pci(w, "0000:00:00.0", "0x8086", "0x29c0", "0x060000")
    listed = api.ok("pci_list")["pci_devices"]
    equal([d["address"] for d in listed], ["0000:00:02.0", "0000:00:1f.3"])
    equal(listed[1], {"address": "0000:00:1f.3", "driver": "i801_smbus", "vendor_id": 32902, "device_id": 10544, "vid": "8086", "did": "2930",
                      "vendor_name": "PCI vendor 8086", "device_name": "PCI device 2930", "pci_class": 12, "pci_subclass": 5, "pci_prog_if": 0,
                      "pci_subsystem_vendor_id": "1af4", "pci_subsystem_id": "1100", "iommu_group": 14, "allowed_vms": [], "vm": None,
                      "disconnected": False})
    equal((listed[0]["driver"], listed[0]["iommu_group"]), (None, None))
    equal(len(addresses(api, all=True)), 3)
    equal(addresses(api, disconnected=False, tag=None), ["0000:00:02.0", "0000:00:1f.3"])
    equal((addresses(api, disconnected=True), addresses(api, tag="net")), ([], []))  # none was taken away, and none has a tag
    api.fails("pci_list", '"disconnected" is', disconnected="yes")
    os.unlink(w.host.path("sys/bus/pci/devices/0000:00:02.0"))
    equal(addresses(api), ["0000:00:1f.3"])


@test
def who_asks_while_one_is_read_is_served_next(w):
    daemon = w.daemon(w.conf())
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
    daemon = w.daemon(w.conf(api={"transports": ["unix", "tcp"], "port": port,
                                  "clients": [{"uid": os.getuid(), "role": "admin"}, {"tcp": "127.0.0.1", "role": "guest", "vm": "vm1"}]}))
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
