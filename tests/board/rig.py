"""What the tests on the emulated board share: one boot, VMs without a guest, and for each test its daemon, API connections and plugs.

A test file makes its own kind of world by main(BoardWorld), or of a subclass. The board and the VMs live until its process ends.
"""
import json
import os
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(TOP, "board/qemu-x86_64"), os.path.join(TOP, "tests/system")]

os.environ.setdefault("VH_TEST_PATIENCE", "6")  # before the next lines: they read it

from board import Board, Uevents, Vm, until  # noqa: E402
from tap import check, run, scaled  # noqa: E402

BINARY = os.path.join(TOP, "build/vhotplug")
LOGS = os.path.join(os.environ.get("VH_BOARD_LOGS", os.path.join(TOP, "build/check/board")),
                    os.path.basename(sys.argv[0]).removeprefix("test_").removesuffix(".py"))
SOCKET = "/run/vhotplug.sock"
HID = {"interfaceClass": 3}
STORAGE = {"interfaceClass": 8}


def conf(rules, vms=("vm1", "vm2"), options=None, api=None, **general):
    return json.dumps({
        "usbPassthrough": rules,
        "vms": [{"name": n, "type": "qemu", "socket": f"/run/{n}.qmp", **(options or {}).get(n, {})} for n in vms],
        "general": {"api": {"enable": True, "transports": ["unix", "tcp", "vsock"], "host": "127.0.0.1", "unixSocket": SOCKET,
                            "allowedCids": [1, 3], **(api or {})}, "persistency": False, **general},
    })


BOOT_CONF = conf([{"targetVm": "vm1", "allow": [HID]}, {"allowedVms": ["vm1", "vm2"], "allow": [STORAGE]}])


def listed(api, name):
    """The device with that sysfs name, once it is listed."""
    return until(lambda: [d for d in api.devices(all=True) if d["sys_name"] == name], scaled(10), f"{name} in the list")[0]


class Shared:
    """What all tests of a file share: the board and the VMs."""

    board = None
    vms = {}


class BoardWorld:
    """One test: its daemon, its API connections, its plugs. The board lives on."""

    devices, more, iommu = (), (), False  # of the board, beside what it always has: see Board

    def __init__(self):
        self.daemon = None
        self.clients, self.plugged, self.extra_vms = [], [], []  # what ends with the test
        self.recorder = None
        self.log_path = "/run/vhotplug.log"
        self.story = ""

    @property
    def board(self):
        if Shared.board is None:
            board = Board(LOGS, daemon=BINARY, config=BOOT_CONF, options="-d -c /etc/vhotplug.conf", devices=self.devices,
                          more=self.more, iommu=self.iommu)
            board.boot(scaled(60))
            Shared.board = board
            self.booted(board)
        return Shared.board

    def booted(self, board):
        """Once, when the board is up: for what is to begin early."""

    def vm(self, name):
        if name not in Shared.vms:
            vm = Vm(self.board, name)
            vm.wait_up(scaled(30))
            Shared.vms[name] = vm
        return Shared.vms[name]

    def extra_vm(self, name, **kwargs):
        for path in (f"/run/{name}.qmp", f"/run/{name}.look.qmp"):
            if self.board.exists(path):  # of one that was killed
                self.board.unlink(path)
        vm = Vm(self.board, name, **kwargs)
        self.extra_vms.append(vm)
        vm.wait_up(scaled(30))
        return vm

    def stop_boot_daemon(self):
        if self.board.exists("/run/vhotplug.pid"):
            pid = self.board.read("/run/vhotplug.pid").strip()
            self.board.run(f"kill {pid}; while kill -0 {pid} 2>/dev/null; do sleep 0.05; done; rm /run/vhotplug.pid")

    def start(self, text, *options):
        """A daemon of this test's own, in place of the one from the initramfs."""
        self.stop_boot_daemon()
        self.board.write("/run/test.conf", text, create=True)
        self.daemon = self.board.spawn(["/usr/bin/vhotplug", "-d", "-c", "/run/test.conf", *options], root="board")
        while "ready:" not in (line := self.daemon.line(scaled(10)) or "ready: never"):
            self.story += line + "\n"
        check("never" not in line, "the daemon did not start")

    def stop(self, signal=15):
        self.daemon.kill(signal)
        status, out = self.daemon.wait(scaled(10))
        self.story += out
        self.daemon = None
        return status

    def api(self, to="unix:" + SOCKET, notifications=True):
        api = self.board.api(to, scaled(10), notifications)
        self.clients.append(api)
        return api

    def plug(self, driver, name, **properties):
        self.board.plug(driver, name, **properties)
        self.plugged.append(name)

    def plug_stick(self, name, **properties):
        self.board.plug_stick(name, **properties)
        self.plugged.append(name)

    def unplug(self, name):
        self.plugged.remove(name)
        self.board.unplug(name)

    def driver(self, sys_name):
        """The host driver of the device's first interface, or None."""
        link = f"/sys/bus/usb/devices/{sys_name}:1.0/driver"
        return self.board.readlink(link).rsplit("/", 1)[1] if self.board.exists(link) else None

    def record(self):
        """From here on drivers() knows what the kernel does."""
        self.recorder, self.bound = Uevents(self.board), []

    def note_drivers(self, last):
        """Up to the event that last() likes."""
        while True:
            got = self.recorder.next(scaled(20))
            if got.get("ACTION") == "bind" and got.get("DEVTYPE") == "usb_interface":
                self.bound.append((got["DEVPATH"].rsplit("/", 1)[1], got.get("DRIVER", "?")))
            if last(got):
                return

    def is_driven(self, sys_name, driver="usbhid"):
        """Since record(): waits until that driver has its first interface for good. Its link is there while it still probes the device."""
        bound = (f"{sys_name}:1.0", driver)
        if bound not in self.bound:
            self.note_drivers(lambda event: bound in self.bound)

    def drivers(self):
        """What drivers of the host were bound to since record(): (interface, driver). What usbfs binds is a VM's claim."""
        self.board.run("modprobe -r uinput; modprobe uinput", check=False)  # its event comes after all that were before
        self.note_drivers(lambda event: event["head"] == "add@/module/uinput")
        self.recorder.close()
        self.recorder = None
        return [b for b in self.bound if b[1] != "usbfs"]

    def configuration(self, sys_name):
        return self.board.read(f"/sys/bus/usb/devices/{sys_name}/bConfigurationValue").strip()

    def held(self, api):
        """Waits until the ports of all hubs are held; the figures."""
        def whole():
            q = api.ok("stats")["quarantine"]
            return q if q["hubs"] > 0 and q["waiting"] == 0 else None
        return until(whole, scaled(10), "the ports of all hubs held")

    def processes(self):
        """Numbers of the daemon's processes, by name; that of the loop is "vhotplug"."""
        found = {}
        for line in self.board.run("ps").splitlines():
            words = line.split()
            names = [n for n in words if n.startswith("{vhotplug")] or [n for n in words if n == "/usr/bin/vhotplug"]
            if names:
                found.setdefault(names[0].strip("{}").rsplit("/", 1)[-1], []).append(words[0])
        return found

    def leave(self):
        """No more clients."""
        for api in self.clients:
            api.close()
        self.clients.clear()

    def dies(self):
        """The loop was killed: waits for whoever outlives it."""
        self.leave()
        _, out = self.daemon.wait(scaled(30))
        self.story += out
        self.daemon = None

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if self.recorder:
            self.recorder.close()
        for name in reversed(self.plugged):
            self.board.unplug(name)
        if kind is None:
            for vm in Shared.vms.values():
                until(lambda vm=vm: vm.devices() == [], scaled(5), f"the devices out of {vm.name}")
        for client in self.clients:
            client.close()
        if self.daemon:
            self.stop()
        for vm in self.extra_vms:
            vm.kill()
        if kind is not None and self.board.exists(self.log_path):
            self.story += self.board.read(self.log_path)[-4000:]

    def explain(self):
        return self.story


def main(world):
    """Runs the file's tests; the board ends with them."""
    try:
        run(world)
    finally:
        if Shared.board:
            Shared.board.stop()
