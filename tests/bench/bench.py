"""Figures, not verdicts: how long, how much. Machines differ and are shared, so nothing here passes or fails.

usage: bench.py [NAME...]      all: plug ready idle memory size
"""
import os
import statistics
import subprocess
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests/system"))

from fakehost import STORAGE  # noqa: E402
from world import KEYBOARD, STICK, World, rule, vhp  # noqa: E402

ROUNDS = 300


def spread(values, unit):
    values = sorted(values)
    return (f"median {statistics.median(values):.0f} {unit}, 95 % {values[int(len(values) * 0.95)]:.0f}, "
            f"least {values[0]:.0f}, most {values[-1]:.0f} ({len(values)} rounds)")


def plug():
    """From the uevents' sending to the first byte of device_add at an idle monitor. The clocks of both ends are one."""
    for title, options in (("monitor kept", {"qmp": "keep"}), ("monitor connected on demand", {})):
        with World() as w:
            vm1 = w.qemu("vm1")
            w.daemon(w.conf([rule("vm1", KEYBOARD)], vm_options={"vm1": options}))
            vm1.wait(lambda q: q.count("query-fdsets") == 1, "its first question")
            add, bind = [], []
            for n in range(ROUNDS):
                if not options:
                    vm1.wait_idle()
                kbd = w.host.place(f"1-{1 + n % 100}")  # one port that is plugged so often flaps
                at = time.monotonic_ns()
                w.host.event("add", kbd)
                at_bind = time.monotonic_ns()
                w.host.event("bind", kbd)
                vm1.wait_device(vhp(kbd))
                came = vm1.named("device_add")[n].at
                add.append((came - at) / 1000)
                bind.append((came - at_bind) / 1000)
                w.host.unplug(kbd)
                vm1.wait_device(vhp(kbd), there=False)
            print(f"plug, {title}: add to device_add: {spread(add, 'us')}")
            print(f"plug, {title}: bind to device_add: {spread(bind, 'us')}")


def ready():
    """From before the start of the process to the first answer over the API, 30 devices in sysfs."""
    times, bare = [], []
    for _ in range(30):
        with World() as w:
            for n in range(30):
                w.host.place(f"1-{n + 1}")
            conf = w.conf([rule("vm1", KEYBOARD)])
            at = time.monotonic_ns()
            subprocess.run([os.path.join(TOP, "build/vhotplug"), "--version"], stdout=subprocess.DEVNULL, check=True)
            bare.append((time.monotonic_ns() - at) / 1000)
            at = time.monotonic_ns()
            daemon = w.daemon(conf, ready=False)
            while True:
                try:
                    api = w.api()
                    break
                except OSError:
                    pass
            api.ok("version")
            times.append((time.monotonic_ns() - at) / 1000)
            daemon.wait_log("ready:")
    print(f"ready with 30 devices: {spread(times, 'us')}; starting and ending a program that does nothing: {spread(bare, 'us')}")


def status(daemon, key):
    with open(f"/proc/{daemon.process.pid}/status", encoding="ascii") as f:
        return int(next(line for line in f if line.startswith(key + ":")).split()[1])


def idle():
    with World() as w:
        w.qemu("vm1")
        daemon = w.daemon(w.conf([rule("vm1", KEYBOARD)]))
        w.api(events=True)
        time.sleep(1)
        before = status(daemon, "voluntary_ctxt_switches")
        time.sleep(5)
        print(f"idle: {status(daemon, 'voluntary_ctxt_switches') - before} wake-ups in 5 s")


def memory():
    """64 clients and 256 devices, of which each has been listed once by each client."""
    with World() as w:
        for n in range(2, 7):
            w.host.bus(n)
        for n in range(250):
            w.host.place(f"{1 + n // 48}-{1 + n % 48}", 0xfff0, n, [STORAGE], manufacturer="Some Manufacturer", product="Some Product",
                         serial=f"{n:020}")
        daemon = w.daemon(w.conf([rule("vm1", STICK)], api={"limits": {"connectionsPerPeer": 64}}))
        print(f"memory at start, 256 devices: {status(daemon, 'VmRSS')} KiB resident")
        clients = [w.api(events=True) for _ in range(64)]
        for c in clients:
            c.list()
        with open(f"/proc/{daemon.process.pid}/smaps_rollup", encoding="ascii") as f:
            rollup = {line.split(":")[0]: line.split(":")[1].strip() for line in f if line[:1].isupper()}
        print(f"memory with 64 clients: {status(daemon, 'VmRSS')} KiB resident, "
              f"{status(daemon, 'RssAnon')} KiB of it anonymous, private dirty {rollup['Private_Dirty']}")


def size():
    path = os.path.realpath(os.path.join(TOP, "build/vhotplug"))
    print(f"size: {os.path.getsize(path)} bytes on disk")
    print(subprocess.run(["size", path], capture_output=True, text=True, check=True).stdout.rstrip())


for name in sys.argv[1:] or ["plug", "ready", "idle", "memory", "size"]:
    globals()[name]()
