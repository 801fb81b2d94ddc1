"""usbAuthorization on the emulated board: what the kernel authorises, what no driver of the host sees, and what is put back.

The kernel's uevents say which drivers bind: none may to an interface of a guest's device, with quarantine or without.
"""
import json
import os
import random

from rig import HID, STORAGE, BoardWorld, conf, listed, main, scaled
from board import Timeout, until
from tap import alive, check, equal, test

KEYBOARD = {**HID, "interfaceProtocol": 1}
MOUSE = {**HID, "interfaceProtocol": 2}
TABLET = {**HID, "interfaceProtocol": 0}
RULES = [{"targetVm": "vm1", "allow": [KEYBOARD]}, {"allowedVms": ["vm1", "vm2"], "tag": "disk", "allow": [STORAGE]}]
PARAMETER = "/sys/module/usbcore/parameters/authorized_default"
BUSES = "/sys/bus/usb/devices/usb*"


class Authorization(BoardWorld):
    before = None  # the kernel's defaults, of which the parameter differs between versions

    def begin(self, rules=None, *options, host=(MOUSE,), quarantine="off", unmatched=False, wait=True, **more):
        self.vm("vm1")
        self.vm("vm2")
        if Authorization.before is None:
            Authorization.before = self.defaults()
            equal(self.before[1:], ({"1"}, {"1"}))
        text = json.loads(conf(RULES if rules is None else rules, quarantine=quarantine, **more))
        text["usbAuthorization"] = {"enable": True, "deauthorizeUnmatched": unmatched, "hostAllow": list(host)}
        self.start(json.dumps(text), *options)
        api = self.api()
        if wait:
            self.closed(api)
        if wait and quarantine != "off":
            self.held(api)
        return api

    def closed(self, api):
        """Waits until the kernel authorises nothing by itself at any bus."""
        buses = len(self.board.glob(BUSES))
        return until(lambda: (lambda a: a if a["buses"] == buses and a["waiting"] == 0 else None)(api.ok("stats")["usb_authorization"]),
                     scaled(10), "all buses closed")

    def defaults(self):
        """Of the kernel: the parameter, those of devices, and those of interfaces."""
        found = {self.board.read(PARAMETER).strip()}
        return (found.pop(), {self.board.read(f"{b}/authorized_default").strip() for b in self.board.glob(BUSES)},
                {self.board.read(f"{b}/interface_authorized_default").strip() for b in self.board.glob(BUSES)})

    def authorized(self, name):
        return self.board.read(f"/sys/bus/usb/devices/{name}/authorized").strip()

    def named(self, kind):
        """The device of that kind, once it is in sysfs: by its own string, for all of them have one id."""
        def found():
            return [n for n in self.board.usb() if not n.startswith("usb") and
                    self.board.read(f"/sys/bus/usb/devices/{n}/product").strip() == f"QEMU USB {kind}"]
        return until(found, scaled(20), f"{kind} in sysfs")[0]

    def is_put_back(self):
        try:
            until(lambda: self.defaults() == self.before, scaled(20))
        except Timeout:
            equal(self.defaults(), self.before, f"the kernel's defaults, with {self.processes()}")

    def works_by_itself(self, kind="usb-mouse", port="5"):
        """What is plugged in without a daemon is the host's."""
        before = set(self.board.usb())
        self.plug(kind, "later", port=port)
        fresh = until(lambda: set(self.board.usb()) - before, scaled(20), "a device in sysfs").pop()
        until(lambda: self.driver(fresh) == "usbhid", scaled(20), "the host's driver of what comes later")
        self.unplug("later")


def each_way(w, quarantine):
    """A guest's device, the host's, and nobody's, over an attach, a detach, a move, a VM's end and a hub."""
    api = w.begin(quarantine=quarantine)
    equal(w.defaults(), ("0", {"0"}, {"1"}))
    w.record()
    w.plug("usb-kbd", "kbd", port="1")
    told = api.told("usb_attached", vm="vm1", timeout=scaled(20))["usb_device"]
    name = told["sys_name"]
    equal((w.authorized(name), w.configuration(name)), ("1", "1"))
    api.ok("usb_detach", device_node=told["device_node"], timeout=scaled(20))
    until(lambda: w.authorized(name) == "0", scaled(20), "the keyboard no longer authorised")
    until(lambda: not listed(api, name)["authorized"], scaled(20), "a list that says so")
    api.ok("usb_attach", device_node=told["device_node"], vm="vm1", timeout=scaled(20))
    equal(w.authorized(name), "1")
    api.ok("usb_suspend", vm="vm1", timeout=scaled(20))
    until(lambda: w.authorized(name) == "0", scaled(20), "the keyboard no longer authorised")
    api.ok("usb_resume", vm="vm1", timeout=scaled(20))
    until(lambda: w.authorized(name) == "1", scaled(20), "the keyboard authorised again")
    w.unplug("kbd")
    w.plug_stick("stick")
    told = api.told("usb_select_vm", timeout=scaled(20))["usb_device"]
    equal(w.authorized(told["sys_name"]), "0")
    for vm in ("vm2", "vm1"):
        api.ok("usb_attach", device_node=told["device_node"], vm=vm, timeout=scaled(20))
        equal((w.authorized(told["sys_name"]), len(w.vm(vm).devices())), ("1", 1))
    w.unplug("stick")
    w.plug("usb-tablet", "tablet", port="2")
    nobodys = w.named("Tablet")
    seen = until(lambda: [d for d in [listed(api, nobodys)] if d["state"] == "idle"], scaled(20), "the tablet at rest")[0]
    equal((seen["reason"], seen["authorized"], w.authorized(nobodys)),
          ("no rule applies, and hostAllow does not name it: not authorised", False, "0"))
    w.plug("usb-mouse", "mouse", port="3")
    mouse = w.named("Mouse")
    w.is_driven(mouse)
    api.events.clear()
    w.plug("usb-hub", "hub", port="4")
    w.plug("usb-kbd", "behind", port="4.1")
    behind = api.told("usb_attached", vm="vm1", timeout=scaled(30))["usb_device"]["sys_name"]
    check(behind.endswith("-4.1"), behind)
    w.unplug("behind")
    until(lambda: not w.vm("vm1").devices(), scaled(20), "the keyboard out of vm1")
    equal([d for d in w.drivers() if d[1] != "hub"], [(f"{mouse}:1.0", "usbhid")])
    w.stop()
    w.is_put_back()
    if quarantine == "all":  # what quarantine keeps from the host outlives the daemon
        equal((w.authorized(nobodys), w.driver(nobodys)), ("0", None))
    else:
        until(lambda: w.driver(nobodys) == "usbhid", scaled(20), "the tablet the host's again")
    w.works_by_itself()


@test
def a_guests_device_is_authorised_while_a_vm_has_it_and_no_driver_sees_it(w):
    each_way(w, "off")


@test
def with_quarantine_the_held_port_keeps_drivers_off_and_the_rest_is_the_same(w):
    each_way(w, "rules")


@test
def with_all_what_host_allow_names_is_the_hosts(w):
    each_way(w, "all")


@test
def a_vm_that_is_trusted_gives_its_device_back_unauthorised(w):
    api = w.begin(options={"vm1": {"revoke": False}})
    w.plug("usb-kbd", "kbd", port="1")
    told = api.told("usb_attached", vm="vm1", timeout=scaled(20))["usb_device"]
    api.ok("usb_suspend", vm="vm1", timeout=scaled(20))
    until(lambda: w.authorized(told["sys_name"]) == "0", scaled(20), "the keyboard no longer authorised")
    equal(w.driver(told["sys_name"]), None)


@test
def a_controller_that_comes_later_is_closed_too(w):
    api = w.begin()
    pci = w.board.readlink("/sys/bus/usb/devices/usb1").split("/")[-2]
    driver = w.board.readlink(f"/sys/bus/pci/devices/{pci}/driver").rsplit("/", 1)[1]
    w.board.run(f"echo {pci} > /sys/bus/pci/drivers/{driver}/unbind")
    w.board.run(f"echo {pci} > /sys/bus/pci/drivers/{driver}/bind")
    w.closed(api)
    equal(w.defaults(), ("0", {"0"}, {"1"}))
    w.plug("usb-kbd", "kbd", port="1")
    name = api.told("usb_attached", vm="vm1", timeout=scaled(30))["usb_device"]["sys_name"]
    equal(w.authorized(name), "1")
    w.plug("usb-mouse", "mouse", port="3")
    mouse = w.named("Mouse")
    until(lambda: w.driver(mouse) == "usbhid", scaled(20), "the host's driver")
    w.unplug("kbd")
    until(lambda: not w.vm("vm1").devices(), scaled(20), "the keyboard out of vm1")
    w.stop()
    w.is_put_back()


@test
def what_was_there_and_goes_nowhere_loses_its_authorisation_and_gets_it_back(w):
    w.stop_boot_daemon()
    w.plug("usb-kbd", "kbd", port="1")
    w.plug("usb-tablet", "tablet", port="2")
    w.plug("usb-mouse", "mouse", port="3")
    kbd, tablet, mouse = (w.named(kind) for kind in ("Keyboard", "Tablet", "Mouse"))
    until(lambda: all(w.driver(n) == "usbhid" for n in (kbd, tablet, mouse)), scaled(20), "their drivers")
    api = w.begin(None, "--attach-connected", unmatched=True)
    until(lambda: listed(api, kbd)["vm"] == "vm1", scaled(20), "the keyboard in vm1")
    until(lambda: w.authorized(tablet) == "0", scaled(20), "the tablet not authorised")
    equal((w.authorized(kbd), w.driver(mouse)), ("1", "usbhid"))
    w.board.run(f"kill -9 {w.processes()['vhotplug'][0]}")
    w.dies()
    w.is_put_back()
    until(lambda: w.driver(tablet) == "usbhid", scaled(20), "the tablet the host's again")
    w.unplug("kbd")
    w.start(conf(RULES))
    until(lambda: not w.vm("vm1").devices(), scaled(30), "the keyboard out of vm1")


ROUNDS = int(os.environ.get("VH_TEST_ROUNDS", "10"))
MOMENTS_MS = 600  # from before the plug to after its end
SPARED = {"vhotplug-device": -1, "vhotplug-connec": -1}  # one of them goes on: somebody has to authorise, and to reach VMs
KILLED = [["vhotplug"], ["vhotplug"], ["vhotplug"], ["vhotplug-device"], ["vhotplug", "vhotplug-device"], ["vhotplug-opener", "vhotplug-connec"],
          ["vhotplug-log"], ["all"]]


@test
def whoever_is_killed_whenever_leaves_the_host_its_mouse_and_keyboard(w):
    """The host's mouse, a keyboard for its VM and a tablet that nobody is to have are plugged in while somebody is killed."""
    seed = int(os.environ.get("VH_TEST_SEED", "1"))
    for number in range(ROUNDS):
        alive()
        chance = random.Random(seed + number)
        names, moment = chance.choice(KILLED), chance.randrange(MOMENTS_MS)
        quarantine = chance.choice(["off", "rules"])
        print(f"# seed {seed + number}: {' and '.join(names)} at {moment} ms, quarantine {quarantine}")
        early = chance.random() < 0.3  # while it starts
        api = w.begin(quarantine=quarantine, wait=not early)
        running = w.processes()
        victims = [p for ps in running.values() for p in ps] if names == ["all"] else \
            [p for n in names for p in running[n][:SPARED.get(n, None)]]
        killer = w.board.spawn(f"sleep 0.{moment:03}; kill -9 {' '.join(victims)}")
        for port, kind in enumerate(("mouse", "kbd", "tablet"), 1):
            w.plug(f"usb-{kind}", kind, port=str(port))
        killer.wait(scaled(20))
        ended = "vhotplug" in names or names == ["all"]
        if ended:
            w.dies()
        if names == ["all"]:  # the next one knows what is to be put back; those that were killed may still hold ports
            w.begin(quarantine=quarantine)
        mouse, tablet = w.named("Mouse"), w.named("Tablet")
        until(lambda: w.driver(mouse) == "usbhid", scaled(20), f"the host's mouse in use (seed {seed + number})", every=0.2)
        if w.daemon:
            w.leave()
            w.stop()
        w.is_put_back()
        until(lambda: w.driver(tablet) == "usbhid", scaled(20), f"the tablet the host's (seed {seed + number})", every=0.2)
        w.works_by_itself()
        for name in ("mouse", "tablet", "kbd"):
            w.unplug(name)
        w.begin(quarantine=quarantine)  # takes what a VM still lists out of it
        until(lambda: not w.vm("vm1").devices(), scaled(30), "the keyboard out of vm1")
        w.leave()
        w.stop()


if __name__ == "__main__":
    os.environ.setdefault("VH_TEST_PATIENCE", "6")
    main(Authorization)
