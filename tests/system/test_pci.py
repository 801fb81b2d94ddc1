"""`pci_list`: read-only, from sysfs, by a device worker."""
import os
import re
import signal
import socket
import subprocess

from pcihost import laptop, pci
from tap import check, contains, equal, run, scaled, test
from world import BINARY, World, free_port

TCP = (socket.AF_INET, socket.SOCK_STREAM)


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
    pci(w, "0000:00:1f.3", "0xfff1", "0x2930", "0x0c0500", "i801_smbus", "14")  # a vendor that no table knows
    pci(w, "0000:00:02.0", "0x10de", "0x2684", "0x030000")
    pci(w, "0000:00:00.0", "0x8086", "0x29c0", "0x060000")
    listed = api.ok("pci_list")["pci_devices"]
    equal([d["address"] for d in listed], ["0000:00:02.0", "0000:00:1f.3"])
    equal(list(listed[1].items()), [
        ("address", "0000:00:1f.3"), ("driver", "i801_smbus"), ("vendor_id", 65521), ("device_id", 10544), ("vid", "fff1"), ("did", "2930"),
        ("vendor_name", "PCI vendor fff1"), ("device_name", "PCI device 2930"), ("pci_class", 12), ("pci_subclass", 5), ("pci_prog_if", 0),
        ("pci_subsystem_vendor_id", "1af4"), ("pci_subsystem_id", "1100"), ("iommu_group", 14), ("allowed_vms", ["vm1"]), ("vm", None),
        ("disconnected", False), ("tag", None), ("parent", None), ("protected", None), ("state", "waiting"), ("reason", "VM 'vm1' is not running")])
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
def names_are_those_of_the_table_if_there_is_one(w):
    w.daemon(configured(w, ALL))
    pci(w, "0000:00:1f.3", "0x8086", "0x2930", "0x0c0500")
    pci(w, "0000:00:1f.4", "0x8086", "0xfff7", "0x0c0500")
    names = [(d["vendor_name"], d["device_name"]) for d in w.api().ok("pci_list")["pci_devices"]]
    if "PCI names: none" in subprocess.run([BINARY, "--version"], capture_output=True, text=True, timeout=scaled(5), check=True).stdout:
        equal(names, [("PCI vendor 8086", "PCI device 2930"), ("PCI vendor 8086", "PCI device fff7")])
    else:
        equal(names, [("Intel Corporation", "82801I (ICH9 Family) SMBus Controller"), ("Intel Corporation", "PCI device fff7")])


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
    equal(addresses(api, tag="net"), ["0000:00:14.3"])
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


def explained(w):
    laptop(w)
    return w.daemon(configured(
        w, rule("vm2", [{"deviceClass": 4, "deviceSubclass": 3}], tag="audio", pciIommuAddAll=True, description="Sound"),
        rule("vm1", [{"vendorId": "8086", "deviceId": "51f1"}, {"deviceClass": 1}], deny=[{"address": "0000:00:02.0"}]),
        rule("elsewhere", [{"address": "0000:00:14.0"}]), rule("vm1", [{"deviceClass": 3}], disable=True)))


@test
def explain_holds_each_rule_against_a_device(w):
    explained(w)
    api = w.api()
    said = api.ok("explain", address="0000:00:14.3", id=4)
    equal((said["present"], said["rule_match"], said["pci_device"]["did"], said["pci_device"]["iommu_group"], said["id"]), (True, "all", "51f1", 5, 4))
    equal([r["verdict"] for r in said["rules"]], ["no allow entry matches", "decides", "no allow entry matches", "disabled"])
    equal(said["rules"][0]["entries"], [{"entry": "allow[0]", "line": 1, "matches": False, "misses": ["deviceClass", "deviceSubclass"]}])
    equal([e["entry"] for e in said["rules"][1]["entries"]], ["allow[0]", "allow[1]", "deny[0]"])
    equal((said["decides"], said["target"], said["iommu_group_members"], said["reason"], said["note"]),
          (1, "vm1", [], "VM 'vm1' is not running", "the host loses its default route with it"))
    said = api.ok("explain", address="0000:00:1F.4")
    equal((said["decides"], said["goes_along_with"], said["target"], said["iommu_group_members"]),
          (None, "0000:00:1f.3", "vm2", ["0000:00:1f.0", "0000:00:1f.3"]))
    for address, reason in (("0000:01:00.0", "stays with the host: it holds the mounted file system /"), ("0000:00:1f.0", "stays with the host: it is the ISA bridge"),
                            ("0000:00:14.0", "its rule names no VM that is configured")):
        said = api.ok("explain", address=address)
        equal((said["target"], said["reason"]), (None, reason))
    api.fails("explain", "no such PCI device 0000:00:1f.7", address="0000:00:1f.7")
    api.fails("explain", '"address" is "1f.3": expected the address of a PCI device', address="1f.3")


@test
def the_client_explains_by_address(w):
    explained(w)
    done = w.cli("explain", "0000:00:1f.4")
    equal((done.returncode, done.stderr), (0, ""))
    check(re.match(r"0000:00:1f\.4 8086:51a3 (PCI vendor 8086 PCI device 51a3|Intel Corporation .*SMBus.*)$", done.stdout.splitlines()[0]), done.stdout)
    equal(done.stdout.splitlines()[1:6], ["  driver      i801_smbus", "  class       12", "  subclass    5", "  interface   0", "  IOMMU group 6"])
    contains(done.stdout, "rule 0 (line 1, Sound): no allow entry matches\n")
    contains(done.stdout, "along:    with 0000:00:1f.3\n")
    contains(w.cli("explain", "--address", "0000:00:14.3").stdout, "note:     the host loses its default route with it\n")
    equal(w.cli("explain", "0000:00:1f.7").stderr, "vhotplugcli: no such PCI device 0000:00:1f.7\n")
    equal([w.cli("explain", *words).returncode for words in (["0000:00:14.3", "--vid", "8086"], ["--address", "0000:00:14.3", "--serial", "x"])], [2, 2])


def program(w, *words):
    path = os.path.join(w.dir, "vhotplug.conf")
    done = subprocess.run([BINARY, *words, "--root", w.host.root, "-c", path], capture_output=True, text=True, timeout=scaled(20), check=False)
    return done.stdout


@test
def doctor_and_check_say_what_stays_and_why(w):
    explained(w).wait_log("ready")
    said = program(w, "doctor")
    contains(said, "ok       PCI: 9 devices, 9 of them in IOMMU groups\n")
    contains(said, "note     PCI device 0000:01:00.0: stays with the host: it holds the mounted file system /\n")
    contains(said, "note     PCI device 0000:00:14.0: stays with the host: its rule names no VM that is configured\n")
    contains(said, "note     PCI device 0000:00:14.3: the host loses its default route with it (general.protectUplink)\n")
    check("0000:00:1f" not in said, said)
    lines = [line for line in program(w, "--check", "--live").splitlines() if line.startswith("  0000:")]
    equal(lines, [
        "  0000:00:14.0 8086:51ed: host, since its rule names no VM that is configured, in spite of pciPassthrough[2] (line 1)",
        "  0000:00:14.3 8086:51f1: vm1 while it runs, by pciPassthrough[1] (line 1); the host loses its default route",
        "  0000:00:1f.3 8086:51c8: vm2 while it runs, by pciPassthrough[0] (line 1: Sound)",
        "  0000:00:1f.4 8086:51a3: vm2 while it runs, by pciPassthrough[0] (line 1: Sound) with 0000:00:1f.3",
        "  0000:01:00.0 144d:a80a: host, since it holds the mounted file system /, in spite of pciPassthrough[1] (line 1)"])


@test
def without_an_iommu_doctor_says_how_to_get_one(w):
    pci(w, "0000:00:14.3", "0x8086", "0x51f1", "0x028000")
    w.daemon(configured(w, ALL)).wait_log("ready")
    contains(program(w, "doctor"), "note     PCI: 1 devices, none in an IOMMU group; none can be given to a VM (VT-d or AMD-Vi in the firmware;")


@test
def who_asks_while_one_is_read_is_served_next(w):
    daemon = w.daemon(configured(w, ALL))
    pci(w, "0000:00:02.0", "0x10de", "0x2684", "0x030000")
    clients = [w.api() for _ in range(4)]
    stopped = daemon.device_workers()
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
    stopped = daemon.device_workers()
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    api.fails("pci_list", "the PCI devices could not be read in time")
    for pid in stopped:
        os.kill(pid, signal.SIGCONT)
    equal(addresses(api), [])
    daemon.device_workers()  # none has ended for good


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
    guest.fails("pci_attach", "not allowed: a guest moves no PCI devices", address="0000:00:02.0")
    vm1.end()


run(World)
