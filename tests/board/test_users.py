"""Users' tasks on the emulated board: scripts with the client, kill switches, the doctor; drivers by the real kernel's own lists."""
import json
import os
import random
import re
import subprocess

from rig import HID, SOCKET, TOP, BoardWorld, conf, main, scaled
from board import BUILD, until
from fakehost import Host
from tap import check, contains, equal, test
from usbip import UsbIp, config, device, interface, keyboard, simple
from world import World, rule

CAMERA = {"interfaceClass": 14}
STRINGS = {1: "Maker", 2: "Thing", 3: "0123"}
VID = 0xF0A5  # nobody's
CLI = f"vhotplug cli -u {SOCKET}"


class Users(BoardWorld):
    """A daemon of the test's own, devices by USB/IP, and scripts on the board."""

    usb = None

    def begin(self, rules, *options, **general):
        vm1 = self.vm("vm1")
        if Users.usb is None:
            Users.usb = UsbIp(self.board, scaled(30))
        self.start(conf(rules, persistency=True, statePath="/run/vhotplug.state", **general), *options)
        return vm1, self.api()

    def script(self, text):
        """(exit status, what it printed)"""
        out = self.board.run(["/bin/sh", "-c", f"{text}\necho status=$?"], timeout=scaled(30))
        body, status = re.fullmatch(r"(?s)(.*)status=(\d+)\s*", out).groups()
        return int(status), body.replace("\r", "")

    def __exit__(self, kind, value, trace):
        for port in sorted(self.usb.plugged if self.usb else ()):
            self.usb.unplug(port)
        while self.plugged:
            self.unplug(self.plugged[-1])
        until(lambda: not self.board.usb(), scaled(10), "everything unplugged")
        super().__exit__(kind, value, trace)
        if kind is None:
            check("the reset helper ended" not in self.story, "what came back from VMs was reset")
        if Users.usb and self.board.exists("/run/vhotplug.state"):
            self.board.unlink("/run/vhotplug.state")


def camera(product):
    return simple(VID, product, 14, 1, 0)


@test
def a_kill_switch_holds_for_cameras_that_are_plugged_in_later(w):
    vm1, api = w.begin([{"targetVm": "vm1", "allow": [CAMERA], "tag": "cam"}, {"targetVm": "vm1", "allow": [HID]}])
    status = f"{CLI} status --tag cam"
    equal(w.script(status), (4, "cam: no such device now; one that is plugged in later is not blocked\n"))
    w.usb.plug(0, camera(1), STRINGS)
    api.told("usb_attached", vm="vm1", timeout=scaled(20))
    equal(w.script(status)[0], 3)
    equal(w.script(f"{CLI} usb detach --tag cam && {status}"), (0, "cam: blocked, 1; one that is plugged in later is blocked\n"))
    equal(vm1.devices(), [])
    w.usb.plug(1, camera(2), STRINGS)
    api.told("usb_connected", pid="0002", timeout=scaled(20))
    until(lambda: len(api.devices(tag="cam")) == 2, scaled(10), "the second camera")
    equal(w.script(status)[0], 0)
    equal(vm1.devices(), [])
    w.usb.plug(2, keyboard(VID, 3), STRINGS)  # what is no camera goes where it should
    api.told("usb_attached", pid="0003", timeout=scaled(20))
    for port in (0, 1):
        w.usb.unplug(port)
    until(lambda: api.devices(tag="cam") == [], scaled(20), "no camera left")
    equal(w.script(status), (4, "cam: no such device now; one that is plugged in later is blocked\n"))
    w.stop()
    w.start(conf([{"targetVm": "vm1", "allow": [CAMERA], "tag": "cam"}], persistency=True, statePath="/run/vhotplug.state"))
    w.usb.plug(0, camera(4), STRINGS)
    again = w.api()
    until(lambda: [d["disconnected"] for d in again.devices(tag="cam")] == [True], scaled(20), "kept away by a new daemon, too")
    equal(w.script(status)[0], 0)
    equal(w.script(f"{CLI} usb attach --tag cam && {status}")[0], 3)
    equal(len(vm1.devices()), 1)
    equal(w.script(f"{CLI} usb detach --tag cam")[0], 0)
    w.stop()
    equal(w.script(status)[0], 5)


@test
def suspend_and_resume_by_script(w):
    vm1, api = w.begin([{"targetVm": "vm1", "allow": [HID]}, {"targetVm": "vm1", "skipOnSuspend": True, "allow": [CAMERA]}])
    w.plug("usb-kbd", "kbd", port="3")
    w.plug("usb-mouse", "mouse", port="4")
    w.usb.plug(0, camera(1), STRINGS)
    for _ in range(3):
        api.told("usb_attached", vm="vm1", timeout=scaled(20))
    before = sorted(vm1.devices())
    equal(len(before), 3)
    equal(w.script(f"{CLI} usb suspend && {CLI} usb list --short && {CLI} status")[0], 0)
    equal(len(vm1.devices()), 1)  # the camera stays
    equal(w.script(f"{CLI} usb resume")[0], 0)
    equal(sorted(vm1.devices()), before)
    status, text = w.script(f"{CLI} usb suspend --vm vm2; {CLI} usb suspend --vm none")
    equal(status, 1)
    contains(text, "unknown VM 'none'")
    equal(sorted(vm1.devices()), before)


@test
def the_doctor_finds_the_board_fit_and_libusb_agrees(w):
    w.begin([{"targetVm": "vm1", "allow": [HID]}, {"targetVm": "vm2", "allow": [CAMERA]}])
    for port in range(8):
        w.usb.plug(port, keyboard(VID, port + 1), STRINGS)
    w.plug("usb-hub", "hub", port="5")
    w.plug("usb-mouse", "mouse", port="5.2")
    until(lambda: len(w.board.usb()) >= 10, scaled(30), "everything plugged in")
    status, text = w.script("vhotplug doctor -c /run/test.conf")
    equal(status, 0, text)
    found = re.search(r"libusb: the same (\d+) devices", text)
    check(found and int(found[1]) >= 13, text)
    contains(text, "ok       VSOCK: there, and /dev/vhost-vsock")
    contains(text, "ok       daemon: somebody listens at /run/vhotplug.sock")
    check(re.search(r"VM vm1: process \d+ (of user 0 answers as QEMU|does not greet)", text), text)
    contains(text, "nothing stands in the way")


@test
def explain_and_stats_on_the_board(w):
    _, api = w.begin([{"targetVm": "vm1", "allow": [HID], "deny": [{"interfaceProtocol": 2}]}])
    w.plug("usb-mouse", "mouse", port="3")
    node = api.told("usb_connected", timeout=scaled(20))["usb_device"]["device_node"]
    status, text = w.script(f"{CLI} explain --devnode {node}")
    equal(status, 0)
    contains(text, "rule 0 (line 1): a deny entry matches\n  allow[0] (line 1) matches\n  deny[0] (line 1) matches\n")
    contains(text, "decides:  no rule\n")
    figures = json.loads(w.script(f"{CLI} --json stats")[1])
    check(figures["uevents"]["got"] > 3 and figures["devices"]["present"] == 1, str(figures))


def real_tree():
    """Debian's kernel as it is unpacked for the board: its release and the folder of its lists."""
    with open(os.path.join(BUILD, "release"), encoding="utf-8") as f:
        release = f.read().strip()
    return release, os.path.join(BUILD, "kernel/lib/modules", release)


def by_kmod(release, modalias):
    """What modprobe and modinfo say, as paths from the release's folder on."""
    env = {**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"}
    kernel = os.path.join(BUILD, "kernel")
    names = subprocess.run(["modprobe", "-d", kernel, "-S", release, "--resolve-alias", modalias], capture_output=True, text=True,
                           check=False, env=env).stdout.split()
    paths = set()
    for name in names:
        shown = subprocess.run(["modinfo", "-b", kernel, "-k", release, "-n", name], capture_output=True, text=True, check=False, env=env)
        paths.add(shown.stdout.strip().split(f"/lib/modules/{release}/")[-1])
    return paths


@test
def drivers_are_those_that_modprobe_finds_in_the_real_tree(w):
    """Devices with ids out of the kernel's own lists, held against kmod: a made-up host, but the real tree."""
    check(w.board, "its kernel is unpacked")
    release, tree = real_tree()
    with open(os.path.join(tree, "modules.alias"), encoding="utf-8") as f:
        known = re.findall(r"^alias usb:v([0-9A-F]{4})p([0-9A-F]{4})d\*dc\*dsc\*dp\*ic\*isc\*ip\*in\* ", f.read(), re.M)
    check(len(known) > 1000, f"{len(known)} ids")
    chosen = random.Random(1).sample(sorted(set(known)), 60) + [("FFFF", "FFFF")]
    with World() as world:
        host: Host = world.host
        host.write("proc/sys/kernel/osrelease", release + "\n")
        os.makedirs(host.path("lib/modules"), exist_ok=True)
        os.symlink(tree, host.path("lib/modules", release))
        for n, (vid, pid) in enumerate(chosen):
            host.place(f"1-{n + 1}", int(vid, 16), int(pid, 16), [(255, 255, 255)])
        world.qemu("vm1")
        world.daemon(world.conf([rule("vm1", {"driverPath": ".*/kernel/drivers/net/.*"})]), "-a")
        api, net = world.api(), 0
        listed = {d["sys_name"]: d for d in api.list_until(lambda l: all(d["state"] != "pending" for d in l.values()), all=True).values()}
        for n, (vid, pid) in enumerate(chosen):
            ours = api.ok("explain", device_node=listed[f"1-{n + 1}"]["device_node"])
            paths = {p.split(f"/lib/modules/{release}/")[-1] for p in ours["usb_device"]["drivers"]}
            equal(paths, by_kmod(release, f"usb:v{vid}p{pid}d0100dc00dsc00dp00icFFiscFFipFFin00"), f"{vid}:{pid}")
            is_net = any("drivers/net/" in p for p in paths)
            net += is_net
            equal(ours["decides"], 0 if is_net else None, f"{vid}:{pid}")
        check(net > 3, "some network adapters were among them")


@test
def a_network_adapter_is_told_by_the_driver_that_the_kernel_has_for_it(w):
    """The same on the board itself, with the whole tree's lists and devices that the real kernel enumerates."""
    release, tree = real_tree()
    for name in ("alias", "dep", "builtin"):
        with open(os.path.join(tree, f"modules.{name}"), encoding="utf-8") as f:
            text = f.read()
        if name == "alias":  # what is not of USB would only take time to send
            text = "".join(line + "\n" for line in text.splitlines() if line.startswith("alias usb:v0"))
        w.board.write(f"/run/modules.{name}", text, create=True)
    w.board.run(f"mkdir -p /lib/modules/{release} && mv /run/modules.* /lib/modules/{release}/")
    vm1, api = w.begin([{"targetVm": "vm1", "allow": [{"driverPath": ".*/kernel/drivers/net/usb/.*"}]}])
    w.usb.plug(0, simple(0x0403, 0x6001, 255, 255, 255), STRINGS)
    w.usb.plug(1, simple(0x0B95, 0x1790, 255, 255, 0), STRINGS)
    w.usb.plug(2, (device(0x0B95, 0x1790), [config(interface(0, 255, 255, 0) + interface(1, 14, 1, 0), interfaces=2)]), STRINGS)
    told = api.told("usb_attached", vm="vm1", timeout=scaled(20))["usb_device"]
    equal((told["vid"], told["sys_name"]), ("0b95", w.usb.sys_name(1)))
    until(lambda: len(api.devices(all=True)) >= 3, scaled(10), "all three")
    text = w.script(f"{CLI} explain --devnode {told['device_node']}")[1]
    contains(text, f"/lib/modules/{release}/kernel/drivers/net/usb/ax88179_178a.ko")
    equal(len(vm1.devices()), 1)


main(Users)
