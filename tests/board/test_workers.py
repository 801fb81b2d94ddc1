"""Devices, disks and readers that never answer, on the emulated board: whatever one of them holds up, nobody else waits for it.

Answers are timed on the board itself, by a client there that asks every 5 ms. What counts is their 99th percentile: at most 10 ms, or, on a
board that is slower than that by itself, at most three times what the same work shows without the hostile device.
"""
import json

from rig import HID, SOCKET, BoardWorld, conf, main, scaled
from board import Timeout, until
from tap import check, contains, equal, test
from usbip import UsbIp, keyboard, silent, simple

VID = 0xF0A5  # nobody's
STRINGS = {1: "Maker", 2: "Thing", 3: "0123"}
RULES = [{"targetVm": "vm1", "tag": "desk", "allow": [{"vendorId": "0627"}]}, {"targetVm": "vm1", "allow": [HID]}]
SILENT = "does not answer"
NOBODY_FREE = "no device worker is free"
WORKERS = 4  # VH_DEVICE_WORKERS
STATE_DIR = "/run/slow"

# Asks for the version until its input ends, but at least 300 times; then it prints the milliseconds that answers took.
ASKER = """
import json, select, socket, sys, time
s = socket.socket(socket.AF_UNIX)
s.settimeout(60)
s.connect(sys.argv[1])
f = s.makefile("rb")
took = []
print("ready", flush=True)
while len(took) < 300 or not select.select([0], [], [], 0)[0]:
    time.sleep(0.005)
    began = time.perf_counter()
    s.sendall(b'{"action": "version"}\\n')
    if b'"ok"' not in f.readline():
        sys.exit("no answer")
    took.append((time.perf_counter() - began) * 1000)
took.sort()
print(json.dumps({"n": len(took), "p50": took[len(took) // 2], "p99": took[len(took) * 99 // 100], "max": took[-1]}), flush=True)
"""


# Writes into a pipe until it is full.
FILLER = """
import os, sys
fd = os.open(sys.argv[1], os.O_WRONLY | os.O_NONBLOCK)
for size in (4096, 1):
    try:
        while True:
            os.write(fd, b"x" * size)
    except BlockingIOError:
        pass
"""


class Asker:
    """Another client, during a with block; afterwards n, p50, p99 and max (ms)."""

    def __init__(self, w, what):
        self.w, self.what = w, what
        self.n = self.p50 = self.p99 = self.max = None

    def __enter__(self):
        self.process = self.w.board.spawn(["python3", "-ISBc", ASKER, SOCKET], root="host")
        equal(self.process.line(scaled(20)), "ready")
        return self

    def __exit__(self, kind, value, trace):
        if kind is not None:
            self.process.kill(9)
            return
        self.process.end()
        self.__dict__.update(json.loads(self.process.line(scaled(30)) or "{}"))
        self.process.wait(scaled(5))
        print(f"# version, {self.what}: {self.n} answers, ms: median {self.p50:.1f}, 99th percentile {self.p99:.1f}, max {self.max:.1f}")

    def is_quick(self, calm):
        limit = max(10.0, 3 * calm.p99)
        check(self.p99 <= limit, f"{self.what}: the 99th percentile of answers is {self.p99:.1f} ms; at most {limit:.1f} are allowed")


class Workers(BoardWorld):
    """A daemon of the test's own, devices by USB/IP, and a file system that can be frozen."""

    usb = None
    disk = False  # the file system is mounted

    def begin(self, rules=RULES, *options, **more):
        """(the USB/IP ports, the API); vm1 is up."""
        self.vm("vm1")
        if Workers.usb is None:
            Workers.usb = UsbIp(self.board, scaled(30))
        self.start(conf(rules, **more), *options)
        return self.usb, self.api()

    def __exit__(self, kind, value, trace):
        if self.disk:
            self.thaw()
        if self.usb:
            self.usb.thaw()
        for port in sorted(self.usb.plugged if self.usb else ()):
            self.usb.unplug(port)
        try:
            super().__exit__(kind, value, trace)
        finally:
            if self.disk:
                self.board.run(f"umount -l {STATE_DIR}", check=False)
            if self.usb:
                until(lambda: not self.board.usb(), scaled(20), "everything unplugged")

    # ---- what takes how long

    def plug_and_unplug(self, api, vm="vm1"):
        """A keyboard goes to its VM, out of it by its tag, in again, and is unplugged. Seconds from the plug to "attached"."""
        api.events.clear()  # of earlier plugs
        began = self.board.clock()
        self.plug("usb-kbd", "kbd")
        api.told("usb_attached", vid="0627", vm=vm, timeout=scaled(20))
        took = api.stream.stamp - began
        api.ok("usb_detach", tag="desk", timeout=scaled(10))
        api.ok("usb_attach", tag="desk", vm=vm, timeout=scaled(10))
        self.unplug("kbd")
        api.told("usb_disconnected", vid="0627", timeout=scaled(10))
        until(lambda: not self.vm(vm).devices(), scaled(10), f"the keyboard out of {vm}")
        return took

    def out_and_in(self, api, node, vm):
        """Seconds that a detach and an attach take."""
        began = self.board.clock()
        api.ok("usb_detach", device_node=node, timeout=scaled(20))
        api.ok("usb_attach", device_node=node, vm=vm, timeout=scaled(20))
        return api.stream.stamp - began

    def ends_at_once(self):
        began = self.board.clock()
        equal(self.stop(), 0)
        took = self.board.clock() - began
        check(took <= scaled(1), f"SIGTERM ended the daemon after {took:.2f} s")

    def wait_log(self, *parts):
        """The daemon's next line with all these parts."""
        while True:
            line = self.daemon.line(scaled(20))
            check(line is not None, f"the daemon ended without saying {parts}")
            self.story += line + "\n"
            if all(p in line for p in parts):
                return line

    def resets(self, name):
        """How often the kernel has reset a device."""
        return int(self.board.run(f"dmesg | grep -c 'usb {name}: reset'", check=False))

    # ---- a disk that stops

    def mount(self):
        self.board.run(f"modprobe loop; mkdir -p {STATE_DIR}; rm -f /run/slow.img; dd if=/dev/zero of=/run/slow.img bs=1M count=16 2>&1;"
                       f" mke2fs -F /run/slow.img >/dev/null && mount -t ext4 -o loop /run/slow.img {STATE_DIR}")
        self.disk = True

    def freeze(self):
        """The file system takes no write until thaw(): whoever writes, waits."""
        self.board.run(["fsfreeze", "-f", f"/proc/1/root{STATE_DIR}"], root="host")

    def thaw(self):
        self.board.run(["fsfreeze", "-u", f"/proc/1/root{STATE_DIR}"], root="host", check=False)


def as_usual(took, usual, what):
    print(f"# {what}: {took:.2f} s, usually {usual:.2f} s")
    check(took <= 2 * usual, f"{what} took {took:.2f} s, more than twice the {usual:.2f} s that it takes usually")


def listed(api, name):
    found = [d for d in api.devices(all=True) if d["sys_name"] == name]
    return found[0] if found else None


def is_silent(api, name):
    seen = listed(api, name)
    return seen if seen and SILENT in (seen["reason"] or "") else None


def calm(w, api):
    """What it is like without a hostile device: (its answers, seconds from a plug to "attached")."""
    with Asker(w, "calm") as asker:
        took = w.plug_and_unplug(api)
    return asker, took


# ---- a device that is asked for its report descriptors and never answers: the kernel holds its lock for 20 s an interface


def holds_up_nobody(w, interfaces):
    usb, api = w.begin()
    usual, took_usually = calm(w, api)
    usb.plug(0, silent(VID, 1, interfaces), STRINGS, mute=("report",))
    until(lambda: usb.ignored(0), scaled(10), "the kernel's first question without an answer")
    name = usb.sys_name(0)
    with Asker(w, f"{interfaces} silent interfaces") as asker:
        took = w.plug_and_unplug(api)
        until(lambda: is_silent(api, name), scaled(10), "a list that says that it does not answer", every=0.2)
        took = min(took, w.plug_and_unplug(api))
    asker.is_quick(usual)
    as_usual(took, took_usually, "plug to attached")
    seen = listed(api, name)
    equal((seen["vm"], seen["state"]), (None, "idle"))
    equal(api.ok("stats")["device_workers"]["late"], 1)
    equal(w.vm("vm1").devices(), [])
    w.ends_at_once()


@test
def a_device_of_four_silent_interfaces_holds_up_nobody(w):
    holds_up_nobody(w, 4)


@test
def a_device_of_thirty_two_silent_interfaces_holds_up_nobody(w):
    holds_up_nobody(w, 32)


@test
def a_start_beside_a_silent_device_is_soon_over_and_an_unplug_ends_its_silence(w):
    usb, api = w.begin()
    # libusb in a QEMU looks at all devices when it is used first, and would wait for the silent one.
    w.plug_and_unplug(api)
    equal(w.stop(), 0)
    usb.plug(0, silent(VID, 1, 4), STRINGS, mute=("report",))
    until(lambda: usb.ignored(0), scaled(10), "the kernel's first question without an answer")
    _, api = w.begin()
    name = usb.sys_name(0)
    check(is_silent(api, name), f"it is listed as silent from the first list on: {api.devices(all=True)}")
    w.plug_and_unplug(api)
    usb.unplug(0)
    until(lambda: not listed(api, name), scaled(20), "a list without it", every=0.2)
    w.ends_at_once()


@test
def a_device_that_answers_at_last_goes_to_its_vm(w):
    usb, api = w.begin()
    usb.plug(0, silent(VID, 1, 4), STRINGS, mute=("report",))
    name = usb.sys_name(0)
    until(lambda: is_silent(api, name), scaled(15), "a list that says that it does not answer", every=0.2)
    usb.speak(0)  # the kernel gives its interfaces up at once
    told = api.told("usb_attached", sys_name=name, vm="vm1", timeout=scaled(20))["usb_device"]
    equal((told["vid"], told["product_name"], told["serial"]), ("f0a5", "Thing", "0123"))
    seen = listed(api, name)
    equal(seen["state"], "attached")
    check(SILENT not in (seen["reason"] or ""), f"it answers, but {seen['reason']}")
    equal(api.ok("stats")["device_workers"]["late"], 0)


# ---- a device that hangs in its reset


def hangs_on_its_way_back(w, revoke, said):
    """Its VM ends, and the device does not answer any more; said: what the daemon logs as it begins."""
    vm3 = w.extra_vm("vm3")
    w.vm("vm2")
    usb, api = w.begin([{"targetVm": "vm3", "allow": [{"vendorId": "f0a5"}]}, {"targetVm": "vm2", "allow": [HID]}], vms=("vm2", "vm3"),
                       options={"vm3": {"revoke": revoke}})
    usb.plug(0, keyboard(VID, 1), STRINGS)
    api.told("usb_attached", vid="f0a5", vm="vm3", timeout=scaled(20))
    w.plug("usb-kbd", "kbd")
    good = api.told("usb_attached", vid="0627", vm="vm2", timeout=scaled(20))["usb_device"]
    before = w.resets(good["sys_name"])
    usual = w.out_and_in(api, good["device_node"], "vm2")
    resets = w.resets(good["sys_name"])
    check(resets > before, "the kernel says when it resets a device")
    usb.freeze()
    vm3.process.kill(9)
    w.wait_log(said)
    took = w.out_and_in(api, good["device_node"], "vm2")
    as_usual(took, usual, "out and in again")
    until(lambda: w.resets(good["sys_name"]) - resets >= resets - before, scaled(5), "as many resets of it as always")
    equal(listed(api, good["sys_name"])["vm"], "vm2")
    w.unplug("kbd")
    until(lambda: not w.vm("vm2").devices(), scaled(10), "the keyboard out of vm2")
    w.ends_at_once()
    check(f'no answer in time: order="reset" device={good["sys_name"]}' not in w.story, "no reset of it was given up")
    check("is used as it is" not in w.story, "no reset was left out")


@test
def a_device_that_hangs_in_its_reset_holds_up_no_other(w):
    hangs_on_its_way_back(w, False, "given back: device=3-1 reset=1")


@test
def a_device_that_hangs_while_it_is_revoked_holds_up_no_other(w):
    hangs_on_its_way_back(w, True, "revocation: device=3-1")


# ---- a suspended device that does not wake up


@test
def a_suspended_device_that_does_not_wake_up_fails_its_attach_alone(w):
    w.vm("vm2")
    usb, api = w.begin([{"allowedVms": ["vm2", "vm1"], "allow": [{"vendorId": "f0a5"}]}, *RULES])
    usual, took_usually = calm(w, api)
    usb.plug(0, simple(VID, 9, 255), STRINGS)
    dev = api.told("usb_select_vm", timeout=scaled(20))["usb_device"]
    power = f"/sys/bus/usb/devices/{dev['sys_name']}/power"
    w.board.write(f"{power}/autosuspend_delay_ms", "0")
    w.board.write(f"{power}/control", "auto")
    until(lambda: w.board.read(f"{power}/runtime_status").strip() == "suspended", scaled(10), "a suspended device")
    usb.freeze()
    asks = w.api(notifications=False)
    began = w.board.clock()
    asks.send({"action": "usb_attach", "device_node": dev["device_node"], "vm": "vm2"})
    with Asker(w, "opening what does not wake up") as asker:
        took = w.plug_and_unplug(api)
    answer = asks.answer(scaled(10))
    late = asks.stream.stamp - began
    equal(answer["result"], "failed")
    contains(answer["error"], SILENT)
    contains(answer["error"], dev["device_node"])
    check(5 <= late <= 5 + scaled(1), f"the answer came after {late:.1f} s; a node has 5 s to open")
    asker.is_quick(usual)
    as_usual(took, took_usually, "plug to attached")
    check(is_silent(api, dev["sys_name"]), "the list says so, too")
    w.ends_at_once()


# ---- as many hostile devices as workers, and one more


@test
def more_silent_devices_than_workers_leave_the_api_and_end_with_their_unplug(w):
    usb, api = w.begin()
    usual, _ = calm(w, api)
    # One for each controller: the kernel itself lets the ports of one hub wait for each other.
    per_hub = usb.ports // (WORKERS + 2)
    ports = [n * per_hub for n in range(WORKERS + 1)]
    with Asker(w, "no worker free") as asker:
        for port in ports:
            usb.plug(port, silent(VID, 1, 4), STRINGS, mute=("report",))
            until(lambda port=port: usb.ignored(port), scaled(10), "the kernel's first question without an answer")
        line = w.wait_log(NOBODY_FREE)
        contains(line, f"late={WORKERS}")
        api.ok("usb_list")
        api.ok("usb_detach", tag="desk", timeout=scaled(5))
        api.call("usb_attach", tag="desk", vm="vm1", timeout=scaled(5))  # lifts the decision; there is no such device now
    asker.is_quick(usual)
    for port in ports:
        usb.unplug(port)
    w.wait_log("a device worker is free again")
    until(lambda: not [d for d in api.devices(all=True) if d["sys_name"] in map(usb.sys_name, ports)], scaled(20), "a list without them",
          every=0.2)
    w.plug("usb-kbd", "kbd")
    api.told("usb_attached", vid="0627", vm="vm1", timeout=scaled(20))
    w.unplug("kbd")
    until(lambda: not w.vm("vm1").devices(), scaled(10), "the keyboard out of vm1")
    w.ends_at_once()
    equal(w.story.count(NOBODY_FREE), w.story.count("a device worker is free again"), "once each time")


# ---- a disk that does not answer


@test
def a_frozen_state_file_holds_up_nobody_but_who_decides(w):
    w.board  # boots
    w.mount()
    _, api = w.begin(persistency=True, statePath=f"{STATE_DIR}/vhotplug.state")
    usual, took_usually = calm(w, api)
    w.freeze()
    asks = w.api(notifications=False)
    asks.send({"action": "usb_detach", "tag": "desk"})
    api.events.clear()  # of earlier plugs
    try:
        with Asker(w, "the state file frozen") as asker:
            began = w.board.clock()
            w.plug("usb-kbd", "kbd")
            api.told("usb_attached", vid="0627", vm="vm1", timeout=scaled(20))
            took = api.stream.stamp - began
            refused = asks.answer(scaled(20))
    except Timeout:
        w.thaw()
        raise
    asker.is_quick(usual)
    as_usual(took, took_usually, "plug to attached")
    equal(refused["result"], "failed")
    contains(refused["error"], "disk")
    w.thaw()
    until(lambda: asks.call("usb_detach", tag="desk", timeout=scaled(20))["result"] == "ok", scaled(40), "decisions that hold again", every=0.5)
    contains(w.board.run(f"cat {STATE_DIR}/vhotplug.state"), "desk")
    asks.ok("usb_attach", tag="desk", vm="vm1")
    w.unplug("kbd")
    until(lambda: not w.vm("vm1").devices(), scaled(10), "the keyboard out of vm1")
    w.freeze()
    asks.send({"action": "usb_detach", "tag": "desk"})
    api.ok("version")
    w.ends_at_once()


# ---- nobody reads standard error


@test
def an_unread_standard_error_stops_neither_answers_nor_the_end(w):
    w.begin()
    equal(w.stop(), 0)
    w.daemon = w.board.spawn("rm -f /run/unread; mkfifo /run/unread; exec 3<>/run/unread; exec vhotplug -d -c /run/test.conf 2>&3 3>&-")
    api = w.api()
    usual, took_usually = calm(w, api)
    w.board.run(["python3", "-ISBc", FILLER, "/run/unread"], root="host")
    with Asker(w, "standard error unread") as asker:
        took = w.plug_and_unplug(api)  # at level debug each step is some lines
    asker.is_quick(usual)
    as_usual(took, took_usually, "plug to attached")
    w.ends_at_once()


if __name__ == "__main__":
    main(Workers)
