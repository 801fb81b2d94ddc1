"""Real devices on their way to a real QEMU on the emulated board: from the kernel's `add` until the device is attached.

The daemon and the bare program (hand.c) take turns, with quarantine and without; `hand watch` stamps both from the board. QEMU runs
without a guest, as in the tests. The bare program keeps its monitor open; so does the daemon with "kept", else it connects anew each
time, as it does by default.
"""
import json
import os
import statistics
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(TOP, "board/qemu-x86_64"), os.path.join(TOP, "tests/board")]

from board import BoardError, Vm, patient, until  # noqa: E402
from usbip import UsbIp, keyboard  # noqa: E402

SOCKET, CONF, BARE, LOG = "/run/bench.sock", "/run/bench.conf", "/run/bare.sock", "/run/bench.log"
VMS = ["vm1", "vm2", "vm3"]
VID = 0xF0A5  # nobody's
CURVE = [1, 3, 10, 30]
PORTS = 15  # of the board's own controller; each has its turn, for one alone would flap
MODES = {"quarantine off": ("off", "share"), "quarantine rules": ("rules", "share"), "quarantine rules, monitor kept": ("rules", "keep")}
PLUGS = 3  # of each side, before the other has its turn


def conf(mode, qmp):
    """The false devices are dealt out: of 15 ports QEMU makes the last one a slow hub, if it is not asked for by name."""
    rules = [{"targetVm": VMS[pid % len(VMS)], "allow": [{"vendorId": f"{VID:04x}", "productId": f"{pid:04x}"}]} for pid in range(max(CURVE))]
    rules.append({"targetVm": "vm1", "allow": [{"interfaceClass": 3}, {"interfaceClass": 8}]})
    return json.dumps({"usbPassthrough": rules, "vms": [{"name": n, "type": "qemu", "socket": f"/run/{n}.qmp", "qmp": qmp} for n in VMS],
                       "general": {"api": {"transports": ["unix"], "unixSocket": SOCKET}, "persistency": False, "quarantine": mode}})


class Side:
    """One program that hands over, while it has its turn."""

    def __init__(self, bench, mode):
        self.bench, self.board = bench, bench.board
        self.mode, self.qmp = MODES[mode]
        self.program = self.start()

    def end(self):
        self.program.kill(15)
        self.program.wait()

    def watch(self, count):
        return self.board.spawn([self.bench.hand, "watch", self.socket, str(count)], root="host")


class Daemon(Side):
    name, socket = "vhotplug", SOCKET

    def start(self):
        self.board.write(CONF, conf(self.mode, self.qmp), create=True)
        program = self.board.spawn(f"exec vhotplug -c {CONF} 2>{LOG}")
        until(lambda: self.board.exists(SOCKET), what="the daemon's API")
        api = self.board.api("unix:" + SOCKET)
        if self.mode != "off":
            hubs = len(self.board.glob("/sys/bus/usb/devices/usb*"))
            until(lambda: (q := api.ok("stats")["quarantine"])["hubs"] == hubs and q["waiting"] == 0, what="the ports held")
        api.close()
        return program


class Bare(Side):
    name, socket = "bare", BARE

    def start(self):
        hubs = [] if self.mode == "off" else [path.replace("/sys/bus/usb/devices/usb", "") for path in self.board.glob("/sys/bus/usb/devices/usb*")]
        if self.board.exists(BARE):
            self.board.unlink(BARE)
        program = self.board.spawn([self.bench.hand, "bare", BARE, ",".join(f"/run/{n}.qmp" for n in VMS),
                                    *(f"/dev/bus/usb/{int(n):03}/001" for n in hubs)], root="host")
        until(lambda: self.board.exists(BARE), what="the bare program")
        return program


class Bench:
    def __init__(self, board, tools):
        self.board, self.hand, self.port, self.sticks = board, os.path.join(tools, "hand"), 0, 0
        self.vms = [Vm(board, name) for name in VMS]
        for vm in self.vms:
            vm.wait_up()
        self.usb = UsbIp(board)

    def stamped(self, watch):
        line = watch.line(patient(60))
        if line is None:
            raise BoardError(f"hand watch has ended: {watch.wait()}")
        return int(line) / 1e6

    def gone(self):
        until(lambda: not self.board.usb() and not any(vm.devices() for vm in self.vms), patient(60), "everything unplugged")

    def one(self, watch, stick):
        self.port = self.port % PORTS + 1
        if stick:
            self.board.plug_stick("bench", port=str(self.port))
        else:
            self.board.plug("usb-kbd", "bench", port=str(self.port))
        took = self.stamped(watch)
        self.board.unplug("bench")
        self.gone()
        return took

    def many(self, watch, count):
        for pid in range(count):
            self.usb.plug(pid, keyboard(VID, pid), {1: "Maker", 2: "Thing", 3: f"{pid}"})
        took = self.stamped(watch)
        for pid in range(count):
            self.usb.unplug(pid)
        self.gone()
        return took

    def turn(self, kind, mode, count, measure, times):
        side = kind(self, mode)
        watch = side.watch(count)
        try:
            return [measure(watch) for _ in range(times)]
        finally:
            watch.kill(9)
            watch.wait()
            side.end()

    def sides(self, mode, measure, turns, count=1, times=PLUGS):
        """Medians in ms of (daemon, bare program), and of the ratios of their turns' medians."""
        ours, bares, ratios = [], [], []
        for _ in range(turns):
            bare = self.turn(Bare, mode, count, measure, times)
            our = self.turn(Daemon, mode, count, measure, times)
            ours += our
            bares += bare
            ratios.append(statistics.median(our) / statistics.median(bare))
        return {"ms": statistics.median(ours), "bare_ms": statistics.median(bares), "ratio": statistics.median(ratios),
                "least": min(ours), "most": max(ours), "bare_least": min(bares), "bare_most": max(bares), "plugs": len(ours)}


def handover(board, tools, turns):
    pid = board.read("/run/vhotplug.pid").strip()
    board.run(f"kill {pid}; while kill -0 {pid} 2>/dev/null; do sleep 0.05; done")
    bench = Bench(board, tools)
    begun = os.getloadavg()[0]
    result = {"plugs": {}, "curve": {}}
    for stick in (False, True):
        for mode in MODES:
            name = f"{'stick' if stick else 'keyboard'}, {mode}"
            figure = result["plugs"][name] = bench.sides(mode, lambda watch, stick=stick: bench.one(watch, stick), turns)
            print(f"{name}: " + "  ".join(f"{k}={v:.3g}" for k, v in figure.items()), flush=True)
    for count in CURVE:
        figure = result["curve"][str(count)] = bench.sides("quarantine rules", lambda watch, count=count: bench.many(watch, count), 1, count)
        print(f"{count} at once: " + "  ".join(f"{k}={v:.3g}" for k, v in figure.items()), flush=True)
    version = bench.vms[0].look.greeting["QMP"]["version"]["qemu"]
    return result | {"date": time.strftime("%Y-%m-%d"), "cores": os.cpu_count(), "load": [begun, os.getloadavg()[0]],
                     "linux": board.run("uname -r").strip(), "qemu": f"{version['major']}.{version['minor']}.{version['micro']}"}
