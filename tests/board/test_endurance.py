"""On the emulated board: whatever may happen, at random and all at once, for as long as is asked; now and then the world comes to rest.

Devices come and go, VMs are killed and started, requests are made by several clients that do not wait for each other, hostile clients say
what they like, configurations are read again, the disk is full or read-only, workers stop, go on and are killed, and so is the daemon. At
rest every device is where policy says, the VMs themselves say the same, every request was answered once, the host's devices work, and
memory, descriptors and fd sets are as at the start.

VH_TEST_ENDURE=3600  seconds (120 without)
VH_TEST_SEED=7       the run with this number again: the same steps in the same order; what they meet depends on time
"""
import json
import os
import random
import time

from rig import SOCKET, BoardWorld, conf, main
from board import BoardError, Timeout, Vm, until
from tap import alive, check, scaled, test

SECONDS = float(os.environ.get("VH_TEST_ENDURE", "120"))
SEED = int(os.environ.get("VH_TEST_SEED", str(random.randrange(1 << 30))))
STATE_DIR = "/run/state"
KEYBOARD, MOUSE, STICK = ({"interfaceClass": 3, "interfaceProtocol": 1}, {"interfaceClass": 3, "interfaceProtocol": 2}, {"interfaceClass": 8})
VMS = ("vm1", "vm2")
PORTS = [str(n) for n in range(1, 7)]
STEPS_TO_REST = 30
SETTLES = 50  # seconds, before scaling: a request has 30 s, a VM's back-off 10; less than a test may be silent
GARBAGE = ["\n", "{\n", '{"action": "usb_list"', "GET / HTTP/1.1\r\n\r\n", "\xff\xfe\n", "[" * 3000 + "\n", "x" * 70000 + "\n",
           '{"action": "usb_attach", "vid": "0627", "pid": "0001", "vm": "nobody"}\n', '{"action": "usb_detach", "tag": "none"}\n', "{}" * 500 + "\n"]


def rules(first, second):
    """A keyboard is for the one, a mouse for the other, a stick for whom it is chosen; a tablet is the host's."""
    return [{"targetVm": first, "tag": "desk", "allow": [KEYBOARD]}, {"targetVm": second, "tag": "mouse", "allow": [MOUSE]},
            {"allowedVms": list(VMS), "tag": "stick", "allow": [STICK]}]


CONFS = [conf(rules(a, b), persistency=True, statePath=STATE_DIR + "/state") for a, b in (VMS, VMS[::-1])]
BROKEN = '{"usbPassthrough": [}'


class Endurance(BoardWorld):
    def __init__(self):
        super().__init__()
        self.random = random.Random(SEED)  # of the steps; lists that time changes would move it
        self.loose = random.Random(SEED)  # of what else is chosen
        self.steps = []  # what was done, for the story
        self.vms = {}  # that run, by name
        self.ports = {}  # port: name of what is plugged in there
        self.kinds = {}  # name: the driver of QEMU's
        self.serial = 0  # of names and requests
        self.apis, self.asked = [], {}  # the crowd; api: ids that were not answered yet
        self.hostile = []
        self.stopped = set()  # workers
        self.killed = 0  # workers of this daemon
        self.conf = 0
        self.baseline = None  # of this daemon: descriptors, pages
        self.disk = False
        self.seen = []  # what the daemon last said of its devices

    # ---- what there is

    def begin(self):
        self.board.run(f"mkdir -p {STATE_DIR} && mount -t tmpfs -o size=64k tmpfs {STATE_DIR}")
        self.disk = True
        for name in VMS:
            self.vm_up(name)
        self.daemon_up()

    def vm_up(self, name):
        for path in (f"/run/{name}.qmp", f"/run/{name}.look.qmp"):
            if self.board.exists(path):
                self.board.unlink(path)
        self.vms[name] = Vm(self.board, name)
        self.vms[name].wait_up(scaled(30))
        self.vms[name].look.execute("cont")  # a QEMU before 9.1 whose VM does not run keeps descriptors

    def daemon_up(self):
        self.start(CONFS[self.conf], "-a")
        self.baseline, self.killed = None, 0
        self.stopped.clear()
        self.apis = [self.board.api("unix:" + SOCKET, scaled(10), notifications=n == 0) for n in range(4)]
        self.asked = {api: set() for api in self.apis}

    def forget_clients(self):
        for stream in [*self.apis, *self.hostile]:
            stream.close()
        self.apis, self.asked, self.hostile = [], {}, []

    def family(self):
        """{pid: name} of the daemon's workers."""
        found = {}
        for pid in self.board.read(f"/proc/{self.daemon.pid}/task/{self.daemon.pid}/children").split():
            try:
                found[int(pid)] = self.board.read(f"/proc/{pid}/comm").strip()
            except BoardError:
                pass  # it has ended
        return found

    def ask(self, action, **fields):
        self.serial += 1
        api = self.random.choice(self.apis)
        self.asked[api].add(self.serial)
        api.send({"action": action, "id": self.serial, **fields})

    def read_answers(self, api, timeout):
        """All that is owed; a request that nobody made, or is answered twice, is a failure."""
        while self.asked[api]:
            answer = api.answer(timeout)
            check(answer.get("result") in ("ok", "failed"), f"no answer: {answer}")
            check(answer.get("id") in self.asked[api], f"answered, but not asked, or twice: {answer}")
            self.asked[api].remove(answer["id"])
        api.events.clear()

    # ---- what happens: each step is possible at any time

    def do_plug(self):
        free = [p for p in PORTS if p not in self.ports]
        if not free:
            return
        self.serial += 1
        port, kind = self.random.choice(free), self.random.choice(["usb-kbd", "usb-kbd", "usb-mouse", "usb-tablet", "usb-storage"])
        name = f"d{self.serial}"
        if kind == "usb-storage":
            self.plug_stick(name, port=port)
        else:
            self.plug(kind, name, port=port)
        self.ports[port], self.kinds[name] = name, kind

    def do_unplug(self):
        if self.ports:
            self.unplug(self.ports.pop(self.random.choice(sorted(self.ports))))

    def do_bounce(self):
        """A bad contact."""
        for _ in range(self.random.randrange(1, 4)):
            self.do_plug()
            self.do_unplug()

    def do_attach(self):
        self.ask("usb_attach", tag=self.random.choice(["desk", "mouse", "stick"]), vm=self.random.choice([None, *VMS]))

    def do_attach_one(self):
        self.ask("usb_attach", sys_name="1-" + self.random.choice(PORTS), vm=self.random.choice([None, *VMS]))

    def do_detach(self):
        self.ask("usb_detach", tag=self.random.choice(["desk", "mouse", "stick"]))

    def do_detach_one(self):
        self.ask("usb_detach", sys_name="1-" + self.random.choice(PORTS))

    def do_suspend(self):
        self.ask("usb_suspend", vm=self.random.choice([None, *VMS]))

    def do_resume(self):
        self.ask("usb_resume", vm=self.random.choice([None, *VMS]))

    def do_list(self):
        self.ask(self.random.choice(["usb_list", "stats", "rules", "history", "version"]))

    def do_verify(self):
        self.ask("usb_list", verify=True)

    def do_kill_vm(self):
        if self.vms:
            self.vms.pop(self.random.choice(sorted(self.vms))).kill()

    def do_end_vm(self):
        if self.vms:
            self.vms.pop(self.random.choice(sorted(self.vms))).stop()

    def do_start_vm(self):
        for name in sorted(set(VMS) - set(self.vms)):
            self.vm_up(name)

    def do_reload(self):
        self.conf = self.random.randrange(len(CONFS))
        self.board.write("/run/test.conf", CONFS[self.conf], create=True)
        self.board.run(f"kill -HUP {self.daemon.pid}")

    def do_reload_broken(self):
        self.board.write("/run/test.conf", BROKEN, create=True)
        self.ask("reload")

    def do_fill_disk(self):
        self.board.run(f"dd if=/dev/zero of={STATE_DIR}/full bs=4k count=16 2>/dev/null", check=False)

    def do_free_disk(self):
        self.board.run(f"rm -f {STATE_DIR}/full", check=False)

    def do_read_only(self):
        self.board.run(f"mount -o remount,ro {STATE_DIR}", check=False)

    def do_writable(self):
        self.board.run(f"mount -o remount,rw {STATE_DIR}")

    def do_hostile(self):
        if len(self.hostile) > 8:
            self.hostile.pop(0).close()
        stream = self.board.connect("unix:" + SOCKET)
        self.hostile.append(stream)
        for _ in range(self.random.randrange(4)):
            stream.send(self.random.choice(GARBAGE).encode("latin-1"))
        if self.random.randrange(2):
            stream.pause()
            stream.send(b'{"action": "usb_list", "all": true}\n' * self.random.randrange(1, 200))

    def do_stop_worker(self):
        pids = sorted(set(self.family()) - self.stopped)
        if pids:
            pid = self.loose.choice(pids)
            self.board.run(f"kill -STOP {pid}", check=False)
            self.stopped.add(pid)

    def do_continue_worker(self):
        for pid in sorted(self.stopped):
            self.board.run(f"kill -CONT {pid}", check=False)
        self.stopped.clear()

    def do_kill_worker(self):
        """Of four device workers two may die: one works, and one is kept for others."""
        pids = sorted(p for p, name in self.family().items() if name.startswith("vhotplug-device"))
        if pids and self.killed < 2:
            self.killed += 1
            self.board.run(f"kill -9 {self.loose.choice(pids)}", check=False)

    def do_kill_daemon(self):
        workers = self.family()
        for pid in self.stopped:
            self.board.run(f"kill -CONT {pid}", check=False)
        self.forget_clients()
        self.stop(9)
        until(lambda: not any(self.board.exists(f"/proc/{pid}") for pid in workers), scaled(20), "the end of the killed daemon's workers")
        self.daemon_up()

    def do_wait(self):
        time.sleep(self.random.random())

    CHANCES = {
        "plug": 14, "unplug": 8, "bounce": 3, "attach": 6, "attach_one": 6, "detach": 3, "detach_one": 4, "suspend": 2, "resume": 3,
        "list": 6, "verify": 2, "kill_vm": 2, "end_vm": 1, "start_vm": 4, "reload": 2, "reload_broken": 1, "fill_disk": 1, "free_disk": 2,
        "read_only": 1, "writable": 2, "hostile": 4, "stop_worker": 2, "continue_worker": 4, "kill_worker": 1, "wait": 8,
    }

    def step(self):
        name = self.random.choices(list(self.CHANCES), list(self.CHANCES.values()))[0]
        self.steps.append(name)
        getattr(self, "do_" + name)()

    # ---- at rest

    def heal(self):
        """Nothing is broken any more, and nobody's decision stands."""
        self.do_continue_worker()
        self.do_writable()
        self.do_free_disk()
        self.do_start_vm()
        for stream in self.hostile:
            stream.close()
        self.hostile = []
        for api in self.apis:
            self.read_answers(api, scaled(SETTLES))
        api = self.apis[0]
        self.board.write("/run/test.conf", CONFS[self.conf], create=True)
        api.ok("reload", scaled(20))
        until(lambda: self.undo(api), scaled(SETTLES), "the undoing of all that was decided", every=0.5)

    def undo(self, api):
        """True if nothing is left to undo. A device on its way needs a choice as well once it is there, so it is waited for."""
        api.call("usb_resume", scaled(40))
        left = 0
        for tag in ("desk", "mouse", "stick"):
            if api.ok("usb_list", scaled(20), tag=tag).get("tag_disconnected"):
                api.call("usb_attach", scaled(40), tag=tag)
                left += 1
        devices = api.devices()
        left += abs(len(devices) - self.expected())
        for device in devices:
            if device["disconnected"] or (device["vm"] is None and len(device["allowed_vms"]) > 1):
                api.call("usb_attach", scaled(40), sys_name=device["sys_name"], vm=self.loose.choice(device["allowed_vms"]))
                left += 1
        return left == 0

    def expected(self):
        """How many devices the rules send to VMs."""
        return sum(self.kinds[name] != "usb-tablet" for name in self.ports.values())

    def is_at_rest(self):
        devices = self.apis[0].devices()
        self.seen = [(d["sys_name"], d["vm"], d["state"], d["reason"]) for d in devices]
        if len(devices) != self.expected() or any(d["state"] != "attached" or d["vm"] not in d["allowed_vms"] for d in devices):
            return False
        return all(len(vm.devices()) == sum(d["vm"] == name for d in devices) for name, vm in self.vms.items())

    def rest(self, what):
        self.heal()
        alive()
        try:
            until(self.is_at_rest, scaled(SETTLES), what, every=0.3)
        except Timeout as e:
            raise Timeout(f"{e}; {self.expected()} devices are for VMs; the daemon says {self.seen}; "
                          f"the VMs have {({n: vm.devices() for n, vm in self.vms.items()})}") from None
        for port, name in self.ports.items():
            if self.kinds[name] == "usb-tablet":
                until(lambda port=port: self.driver("1-" + port) == "usbhid", scaled(20), "the host's own tablet with its driver")

    def empty(self):
        """Everything is unplugged: nothing that came with it is left."""
        while self.ports:
            self.do_unplug()
        self.rest("nothing is left in a VM")
        for vm in self.vms.values():
            until(lambda vm=vm: vm.fdsets() == [], scaled(10), f"no descriptor left in {vm.name}: {vm.fdsets()}")
        try:
            until(self.is_small, scaled(20), "as at the first rest", every=0.3)
        except Timeout as e:
            raise Timeout(f"{e}: {self.measure()} descriptors and pages, first {self.baseline}") from None
        now = self.measure()
        print(f"# {len(self.steps)} steps: {now[0]} descriptors, {now[1] * 4} KiB resident", flush=True)

    def measure(self):
        """(descriptors, pages) of the daemon."""
        pages = int(self.board.read(f"/proc/{self.daemon.pid}/statm").split()[1])
        return len(self.board.glob(f"/proc/{self.daemon.pid}/fd/*")), pages

    def is_small(self):
        """No more than at the first rest of this daemon after something was plugged in, but for pages of its tables, which are all
        static, that are touched for the first time."""
        now = self.measure()
        if self.baseline is None and self.steps:
            self.baseline = now
        return self.baseline is None or (now[0] <= self.baseline[0] and now[1] <= self.baseline[1] + 64)

    def __exit__(self, *why):
        self.forget_clients()
        for vm in self.vms.values():
            self.extra_vms.append(vm)
        try:
            super().__exit__(*why)
        finally:
            if self.disk:
                self.board.run(f"umount -l {STATE_DIR}", check=False)

    def explain(self):
        return f"VH_TEST_SEED={SEED}; the last steps: {' '.join(self.steps[-60:])}\n{self.story[-20000:]}"


@test
def whatever_happens_it_comes_to_rest(w):
    print(f"# VH_TEST_SEED={SEED} VH_TEST_ENDURE={SECONDS:g}", flush=True)
    w.begin()
    w.empty()
    end, rests = time.monotonic() + SECONDS, 0
    while time.monotonic() < end:
        for _ in range(STEPS_TO_REST):
            w.step()
        w.rest(f"every device where policy says, after {len(w.steps)} steps")
        rests += 1
        alive()
        if rests % 4 == 0:
            w.empty()
        if rests % 6 == 0:
            w.steps.append("kill_daemon")
            w.do_kill_daemon()
    w.empty()
    w.forget_clients()
    print(f"# {len(w.steps)} steps, {rests} times at rest", flush=True)


main(Endurance)
