"""Revocation on the emulated board: what a VM that has been broken out of keeps of a device is dead, however the device was taken from it.

keeper.py stands for such a VM: it answers as QEMU does, and tries everything with each descriptor that it was ever given.
"""
import os
import time

from rig import HID, STORAGE, BoardWorld, conf, main, scaled
from board import until
from tap import check, contains, equal, test

DEAD = "claim=ENODEV control=ENODEV bulk=ENODEV setconf=ENODEV connect=ENODEV reset=ENODEV"
RULES = [{"allowedVms": ["evil", "vm1"], "tag": "disk", "allow": [STORAGE]}]
CLIENTS = [{"uid": 0, "role": "admin"}, {"cid": 1, "role": "guest", "vm": "evil"}]
KEEPER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "keeper.py")


class Revocation(BoardWorld):
    keeper = None

    def text(self, rules=RULES, mode="rules", options=None, **more):
        return conf(rules, vms=("evil", "vm1"), quarantine=mode, api={"clients": CLIENTS}, options=options, **more)

    def begin(self, *args, stick=True, **more):
        """The keeper has the stick. Its API, and the stick's name in sysfs."""
        self.vm("vm1")
        if self.board.exists("/run/evil.qmp"):
            self.board.unlink("/run/evil.qmp")
        with open(KEEPER, encoding="utf-8") as f:
            self.board.write("/run/keeper.py", f.read(), create=True)
        self.keeper = self.board.spawn(["python3", "-ISB", "/run/keeper.py", "/run/evil.qmp"], root="host")
        equal(self.keeper.line(scaled(20)), "up")
        self.start(self.text(*args, **more))
        api = self.api()
        if args[1:2] != ("off",) and more.get("mode") != "off":
            until(lambda: (lambda q: q["hubs"] > 0 and q["waiting"] == 0)(api.ok("stats")["quarantine"]), scaled(10), "the ports held")
        if not stick:
            return api, None
        self.plug_stick("stick")
        name = api.told("usb_select_vm", timeout=scaled(20))["usb_device"]["sys_name"]
        self.attach(api, "evil")
        contains(self.keeper.line(scaled(10)), "added")
        return api, name

    def attach(self, api, vm):
        api.ok("usb_attach", vid="46f4", pid="0001", vm=vm, timeout=scaled(30))

    def tries(self):
        """What the keeper can still do with what it was given."""
        self.keeper.send("try\n")
        while not (line := self.keeper.line(scaled(20)) or "").startswith("kept"):
            check(line.startswith(("added", "removed")), line)
        return line.removeprefix("kept").strip()

    def seen(self, api, name):
        return next((d for d in api.devices(all=True) if d["sys_name"] == name), None)

    def taken(self, api, name):
        return (self.seen(api, name) or {}).get("taken_away")

    def is_bound(self, name):
        return self.board.exists(f"/sys/bus/usb/devices/{name}/driver")

    def works_in_vm1(self, api):
        """An honest QEMU can use it: it claims it and reads its strings."""
        self.attach(api, "vm1")
        until(lambda: "QEMU USB HARDDRIVE" in self.vm("vm1").info_usb().upper(), scaled(10), "the stick in vm1's list")
        equal(len(self.vm("vm1").devices()), 1)

    def __exit__(self, kind, value, trace):
        super().__exit__(kind, value, trace)
        if self.keeper:
            self.keeper.kill(9)
            self.keeper.wait(scaled(10))


def nothing_is_left(w, api, name):
    equal(w.tries(), DEAD)
    equal(w.taken(api, name), "revoked")


@test
def before_it_is_taken_away_all_of_it_works(w):
    """Else the other tests would show nothing."""
    w.begin()
    equal(w.tries(), "claim=ok control=ok bulk=ok setconf=EBUSY connect=EBUSY reset=ok")


@test
def a_detach_by_device_and_an_honest_vm_afterwards(w):
    api, name = w.begin()
    w.record()
    api.ok("usb_detach", vid="46f4", pid="0001", timeout=scaled(30))
    nothing_is_left(w, api, name)
    check(not w.is_bound(name), "it stays without a driver until somebody undoes that")
    time.sleep(1)
    check(not w.is_bound(name), "it stays so")
    w.works_in_vm1(api)
    equal(w.tries(), DEAD)
    w.unplug("stick")
    until(lambda: not w.vm("vm1").devices(), scaled(10), "the stick out of vm1")
    equal(w.drivers(), [])


@test
def a_detach_by_tag(w):
    api, name = w.begin()
    w.record()
    api.ok("usb_detach", tag="disk", timeout=scaled(30))
    nothing_is_left(w, api, name)
    check(not w.is_bound(name), "without a driver")
    api.ok("usb_attach", tag="disk", vm="vm1", timeout=scaled(30))
    equal(len(w.vm("vm1").devices()), 1)
    equal(w.tries(), DEAD)
    equal(w.drivers(), [])


@test
def a_move(w):
    api, name = w.begin()
    w.record()
    w.works_in_vm1(api)
    equal(w.tries(), DEAD)
    equal(w.seen(api, name)["vm"], "vm1")
    equal(w.drivers(), [])


@test
def a_suspend(w):
    api, name = w.begin()
    w.record()
    api.ok("usb_suspend", vm="evil", timeout=scaled(30))
    nothing_is_left(w, api, name)
    until(lambda: w.is_bound(name), scaled(10), "bound again")
    api.ok("usb_resume", vm="evil", timeout=scaled(30))
    first, second = w.tries().split(" claim=")
    equal((first, second), (DEAD, "ok control=ok bulk=ok setconf=EBUSY connect=EBUSY reset=ok"))
    equal(w.drivers(), [])


@test
def a_guests_own_detach(w):
    api, name = w.begin()
    guest = w.api("vsock:1:2000", notifications=False)
    guest.ok("usb_detach", vid="46f4", pid="0001", timeout=scaled(30))
    nothing_is_left(w, api, name)


@test
def a_rule_that_goes(w):
    api, name = w.begin()
    w.record()
    w.board.write("/run/test.conf", w.text([{"targetVm": "vm1", "allow": [STORAGE]}]), create=True)
    api.ok("reload", timeout=scaled(20))
    until(lambda: w.vm("vm1").devices(), scaled(20), "the stick in vm1")
    equal(w.tries(), DEAD)
    equal(w.drivers(), [])


@test
def a_lease_that_ends(w):
    """A device without a rule, which its VM has because of what was on its port before."""
    keyboard, mouse = {**HID, "interfaceProtocol": 1}, {**HID, "interfaceProtocol": 2}
    api, _ = w.begin([{"targetVm": "evil", "allow": [keyboard]}], leaseSeconds=300, stick=False)
    w.plug("usb-kbd", "kbd", port="3")
    api.told("usb_attached", vm="evil", timeout=scaled(20))
    w.unplug("kbd")
    api.told("usb_disconnected", timeout=scaled(10))
    w.plug("usb-mouse", "mouse", port="3")
    name = api.told("usb_attached", vm="evil", timeout=scaled(20))["usb_device"]["sys_name"]
    w.board.write("/run/test.conf", w.text([{"targetVm": "vm1", "allow": [mouse]}]), create=True)
    api.ok("reload", timeout=scaled(20))
    until(lambda: w.vm("vm1").devices(), scaled(20), "the mouse in vm1")
    until(lambda: w.seen(api, name)["vm"] == "vm1", scaled(10), "the daemon to know it")
    equal(w.tries(), " ".join([DEAD, DEAD]))


@test
def a_vm_that_dies_and_a_process_that_does_not(w):
    api, name = w.begin()
    w.record()
    w.keeper.send("close\n")
    api.told("usb_detached", vm="evil", timeout=scaled(20))
    until(lambda: w.taken(api, name) == "revoked", scaled(10), "it revoked")
    equal(w.keeper.line(scaled(10)), "kept close")
    equal(w.tries(), DEAD)
    w.works_in_vm1(api)
    equal(w.drivers(), [])


@test
def a_vm_that_answers_nothing(w):
    api, name = w.begin()
    w.keeper.send("silent\n")
    contains(w.keeper.line(scaled(10)), "silent")
    api.ok("usb_detach", vid="46f4", pid="0001", timeout=scaled(60))  # "ok" is certain
    nothing_is_left(w, api, name)
    w.works_in_vm1(api)


@test
def without_quarantine_too(w):
    api, name = w.begin(mode="off")
    api.ok("usb_detach", vid="46f4", pid="0001", timeout=scaled(30))
    nothing_is_left(w, api, name)
    equal((w.driver(name), w.is_bound(name)), (None, False))
    w.works_in_vm1(api)
    api.ok("usb_suspend", vm="vm1", timeout=scaled(30))
    until(lambda: w.driver(name) == "usb-storage", scaled(20), "the host's driver: nobody has taken it away")
    equal(w.tries(), DEAD)


@test
def a_trusted_vm_is_believed(w):
    api, name = w.begin(options={"evil": {"revoke": False}})
    api.ok("usb_detach", vid="46f4", pid="0001", timeout=scaled(30))
    seen = w.seen(api, name)
    equal((seen["taken_away"], seen["taken_away_why"]), ("uncertain", "VM 'evil' is trusted to have given it back"))
    contains(w.tries(), "control=ok")
    equal(api.ok("stats")["revocation"]["revoked"], 0)


@test
def a_vm_that_resets_the_device_all_the_time_does_not_delay_it(w):
    api, name = w.begin()
    w.keeper.send("storm\n")
    contains(w.keeper.line(scaled(10)), "storm")
    api.ok("usb_detach", vid="46f4", pid="0001", timeout=scaled(30))
    until(lambda: w.taken(api, name) == "revoked", scaled(10), "it revoked")
    contains(w.keeper.line(scaled(20)), "kept storm ends: ENODEV")


# ---- devices without a driver ----
# The loss of the kernel's driver ends descriptors. A device that has none when its node is opened cannot lose it.


def unbound_by_hand(w, mode):
    api, _ = w.begin(mode=mode, stick=False)
    w.plug_stick("stick")
    name = api.told("usb_select_vm", timeout=scaled(20))["usb_device"]["sys_name"]
    w.board.write("/sys/bus/usb/drivers/usb/unbind", name)
    w.attach(api, "evil")
    contains(w.keeper.line(scaled(10)), "added")
    return api, name


@test
def one_without_a_driver_in_a_held_port(w):
    api, name = unbound_by_hand(w, "rules")
    contains(w.tries(), "claim=ok control=ok bulk=ok")
    api.ok("usb_detach", vid="46f4", pid="0001", timeout=scaled(30))
    nothing_is_left(w, api, name)
    w.works_in_vm1(api)
    equal(w.tries(), DEAD)


@test
def one_without_a_driver(w):
    api, name = unbound_by_hand(w, "off")
    api.ok("usb_detach", vid="46f4", pid="0001", timeout=scaled(30))
    nothing_is_left(w, api, name)


# ---- processes that are killed ----


def workers(w):
    return [line.split()[0] for line in w.board.run("ps").splitlines() if "{vhotplug-device}" in line]


@test
def a_daemon_that_is_killed_at_any_moment(w):
    """Each time a little later. The next daemon finds what the last one has done, and nobody has two lives of the stick."""
    w.begin()
    for moment in (0, 2, 5, 10, 20, 40, 80, 160):
        api = w.clients[-1]
        api.send({"action": "usb_attach", "vid": "46f4", "pid": "0001", "vm": "vm1"})
        time.sleep(moment / 1000)
        w.stop(signal=9)
        api.close()
        w.clients.remove(api)
        w.start(w.text())
        api = w.api()
        name = next(n for n, what in w.board.usb().items() if what.startswith("46f4"))
        until(lambda api=api, name=name: w.is_bound(name) and w.seen(api, name)["state"] != "pending", scaled(20), f"rest after {moment} ms")
        w.attach(api, "vm1")  # whatever became of it
        equal(set(w.tries().replace(" claim", "\nclaim").split("\n")), {DEAD})
        w.attach(api, "evil")


@test
def workers_that_are_killed_in_the_middle(w):
    """Their orders end with them; another one begins anew."""
    api, name = w.begin()
    for pid in workers(w)[:3]:
        w.board.run(f"kill -STOP {pid}")
    stopped = workers(w)[:3]
    api.send({"action": "usb_detach", "vid": "46f4", "pid": "0001"})
    time.sleep(0.2)
    for pid in stopped:
        w.board.run(f"kill -9 {pid}")
    api = w.api(notifications=False)  # the first one gets the answer to its request
    until(lambda: w.taken(api, name) == "revoked", scaled(30), "it revoked by the worker that is left")
    nothing_is_left(w, api, name)


@test
def what_somebody_has_taken_away_stays_so_without_a_daemon(w):
    api, name = w.begin(mode="off")
    api.ok("usb_detach", vid="46f4", pid="0001", timeout=scaled(30))
    api.close()
    w.clients.remove(api)
    w.stop(signal=9)
    until(lambda: not workers(w), scaled(20), "the workers gone")
    equal((w.is_bound(name), w.driver(name)), (False, None))
    w.start(w.text(mode="off"))  # which remembers nothing: persistency is off
    until(lambda: w.driver(name) == "usb-storage", scaled(20), "the host's driver")
    equal(w.tries(), DEAD)


@test
def the_hosts_keyboard_works_a_moment_after_a_kill(w):
    """It comes back from a VM, and the daemon is killed the moment that it has no driver: before the VM is asked for it."""
    api, _ = w.begin([{"targetVm": "evil", "allow": [HID]}], mode="off", stick=False)
    w.plug("usb-kbd", "kbd")
    name = api.told("usb_attached", vm="evil", timeout=scaled(20))["usb_device"]["sys_name"]
    contains(w.keeper.line(scaled(10)), "added")
    killer = w.board.spawn(f"while [ -e /sys/bus/usb/devices/{name}/driver ]; do :; done; kill -9 {w.daemon.pid}")
    api.send({"action": "usb_suspend", "vm": "evil"})
    equal(killer.wait(scaled(20))[0], 0)
    api.close()
    w.clients.remove(api)
    w.daemon.wait(scaled(10))
    w.daemon = None
    until(lambda: not workers(w), scaled(20), "the workers gone")
    until(lambda: w.driver(name) == "usbhid", scaled(10), "the keyboard in use by the host, without a daemon")
    contains(w.tries(), "control=ENODEV")


if __name__ == "__main__":
    main(Revocation)
