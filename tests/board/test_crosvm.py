"""VMs of type crosvm on the emulated board: fakecrosvm.py stands for one, as a process without rights that uses real devices."""
import json
import os

from rig import STORAGE, BoardWorld, conf, main, scaled
from board import until
from tap import contains, equal, test

FAKE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "fakecrosvm.py")
NOBODY = 65534
RULES = [{"allowedVms": ["crosvm", "vm1"], "tag": "disk", "allow": [STORAGE]}]
GIVEN = "46f4:0001 claim=ok open=EACCES"


def text(rules=RULES, **more):
    c = json.loads(conf(rules, vms=("crosvm", "vm1"), options={"crosvm": {"type": "crosvm", "socket": "/run/crosvm/control"}}, **more))
    return json.dumps(c)


class Crosvm(BoardWorld):
    fake = None

    def crosvm(self, kind="today"):
        """Another stand-in. It may write to its directory alone."""
        self.end()
        with open(FAKE, encoding="utf-8") as f:
            self.board.write("/run/fakecrosvm.py", f.read(), create=True)
        self.board.run(f"rm -rf /run/crosvm; mkdir /run/crosvm; chown {NOBODY} /run/crosvm; chmod 755 /run/fakecrosvm.py")
        self.fake = self.board.spawn(["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--inh-caps=-all", "python3",
                                      "-ISB", "/run/fakecrosvm.py", "/run/crosvm/control", kind], root="host")
        equal(self.fake.line(scaled(20)), "up")

    def end(self):
        if self.fake:
            self.fake.kill(9)
            self.fake.wait(scaled(10))
        self.fake = None

    def said(self):
        return self.fake.line(scaled(20))

    def attach(self, api, vm, **which):
        api.ok("usb_attach", vm=vm, timeout=scaled(30), **which)

    def __exit__(self, kind, value, trace):
        super().__exit__(kind, value, trace)
        self.end()


def port_of(line):
    equal(line.split(" ", 2)[::2], ["attached", GIVEN])
    return line.split()[1]


def of(api, name):
    return next(d for d in api.devices(all=True) if d["sys_name"] == name)


@test
def both_kinds_use_a_real_device_without_any_right_on_it(w):
    for kind in ("today", "before"):
        w.crosvm(kind)
        w.start(text())
        api = w.api()
        w.plug_stick("stick")
        name = api.told("usb_select_vm", timeout=scaled(20))["usb_device"]["sys_name"]
        w.attach(api, "crosvm", vid="46f4", pid="0001")
        port_of(w.said())
        equal(of(api, name)["vm"], "crosvm")
        w.unplug("stick")
        contains(w.said(), "dropped")
        api.told("usb_detached", vm="crosvm", timeout=scaled(20))
        w.leave()
        equal(w.stop(), 0)


@test
def what_it_had_is_dead_when_a_qemu_gets_it(w):
    vm1 = w.vm("vm1")
    w.crosvm()
    w.start(text())
    api = w.api()
    w.plug_stick("stick")
    api.told("usb_select_vm", timeout=scaled(20))
    for _ in range(2):
        w.attach(api, "crosvm", vid="46f4", pid="0001")
        port = port_of(w.said())
        equal(vm1.devices(), [])
        w.attach(api, "vm1", vid="46f4", pid="0001")
        equal(w.said() in (f"dropped {port}", f"detached {port}"), True)
        until(lambda: "QEMU USB HARDDRIVE" in vm1.info_usb().upper(), scaled(10), "the stick in vm1's list")
    api.ok("usb_detach", vid="46f4", pid="0001", timeout=scaled(30))


@test
def twins_stay_where_they_are_over_a_killed_daemon(w):
    w.crosvm()
    rules = [{"targetVm": "crosvm", "allow": [STORAGE]}]
    w.start(text(rules))
    api = w.api()
    at = {}
    for stick in ("one", "two"):
        w.plug_stick(stick)
        name = api.told("usb_attached", timeout=scaled(20))["usb_device"]["sys_name"]
        at[name] = port_of(w.said())
    until(lambda: all(of(api, n)["state"] == "attached" for n in at), scaled(10), "both at rest")
    w.leave()
    equal(w.stop(9), -9)
    w.start(text(rules))
    api = w.api()
    until(lambda: [of(api, n)["vm"] for n in at] == ["crosvm"] * 2, scaled(10), "both recognised")
    for name, port in at.items():  # nothing was said meanwhile: neither was taken out
        api.ok("usb_detach", device_node=of(api, name)["device_node"], timeout=scaled(30))
        equal(w.said() in (f"dropped {port}", f"detached {port}"), True)


@test
def another_process_at_the_same_path_gets_the_device_anew(w):
    w.crosvm()
    w.start(text([{"targetVm": "crosvm", "allow": [STORAGE]}]))
    api = w.api()
    w.plug_stick("stick")
    api.told("usb_attached", vm="crosvm", timeout=scaled(20))
    port_of(w.said())
    w.end()
    api.told("usb_detached", vm="crosvm", timeout=scaled(20))
    w.crosvm()
    api.told("usb_attached", vm="crosvm", timeout=scaled(20))
    port_of(w.said())


main(Crosvm)
