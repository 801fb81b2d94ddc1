"""Figures, not verdicts: how fast, how much, and how near to the least that a program could do for it.

A figure is a ratio of two things measured in turns in one run: the daemon, and a yardstick (yard.c) that does the bare minimum for
the same peers. So it means something on a machine that others use, too. Medians over the turns.

usage: bench.py TOOLS OUT.json [NAME...]      TOOLS: the directory of yard, load and micro; BENCH_QUICK=1: seconds, only to see that it runs
"""
import contextlib
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests/system"))

from fakehost import STORAGE  # noqa: E402
from world import BINARY, KEYBOARD, World, rule  # noqa: E402

TOOLS = os.path.abspath(sys.argv[1])
QUICK = os.environ.get("BENCH_QUICK", "0") not in ("", "0")
TURNS = 2 if QUICK else 7
PORTS = 120  # as load.c plugs them

figures, curves, tables = {}, {}, {}


def often(full, quick):
    return quick if QUICK else full


def figure(name, title, reach="", **values):
    """values: ratio and cpu_ratio (more is better), value with unit; reach: what is aimed at, in words; reached: is it?"""
    figures[name] = {"title": title, "reach": reach, **values}
    shown = "  ".join(f"{k}={v:.3g}" if isinstance(v, float) else f"{k}={v}" for k, v in values.items())
    print(f"{name:26} {shown}", flush=True)


# The daemon and its yardsticks have one core, their peers another: where the scheduler puts whom decides nothing. Where the two sides only
# ever wait for each other they share one, and what is measured is work and not the waking of a core.
CORES = sorted(os.sched_getaffinity(0))
SERVERS, APART = str(CORES[0]), str(CORES[-1])
peers = {"core": APART}
# Before all else there, where that is allowed: whoever uses the machine meanwhile is in neither side's times.
FIRST = ["chrt", "--fifo", "10"]
if shutil.which(FIRST[0]) is None or subprocess.run([*FIRST, "true"], capture_output=True, check=False).returncode != 0:
    FIRST = []


@contextlib.contextmanager
def together(yes=True):
    peers["core"] = SERVERS if yes else APART
    try:
        yield
    finally:
        peers["core"] = APART


def on_core(core, name, *arguments):
    return [*FIRST, "taskset", "-c", core, name if "/" in name else os.path.join(TOOLS, name), *map(str, arguments)]


def tool(name, *arguments):
    """Runs one to its end; the numbers that it printed, line by line."""
    core = SERVERS if name == "yard" else peers["core"]
    out = subprocess.run(on_core(core, name, *arguments), capture_output=True, text=True, check=False, timeout=120)
    if out.returncode != 0:
        raise RuntimeError(f"{name} {arguments}: {out.stderr}")
    return [[int(n) for n in line.split()] for line in out.stdout.splitlines()]


@contextlib.contextmanager
def running(*command, **options):
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, **options)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def yard(*arguments):
    return running(*on_core(SERVERS, "yard", *arguments))


def load(*arguments):
    return running(*on_core(peers["core"], "load", *arguments))


def cpu(process):
    """Nanoseconds that it has run on a processor."""
    return time.clock_gettime_ns((~process.pid << 3) | 2)


def until(condition, what):
    end = time.monotonic() + 20
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError(f"never: {what}")
        time.sleep(0.001)


@contextlib.contextmanager
def daemon(world, conf):
    """As it runs on a target: no -d; its log goes to a file in memory."""
    conf["general"]["api"]["limits"] = {"connectionsPerPeer": 64}
    path, log = os.path.join(world.dir, "vhotplug.conf"), os.path.join(world.dir, "log")
    with open(path, "w", encoding="utf-8") as f:
        json.dump(conf, f)
    with open(log, "w", encoding="utf-8") as f:
        process = subprocess.Popen(on_core(SERVERS, BINARY, "-c", path, "--root", world.host.root, "--uevents", world.host.uevents), stderr=f)
    try:
        until(lambda: "ready:" in open(log, encoding="utf-8").read(), "ready")
        yield process
    finally:
        process.terminate()
        if process.wait() != 0:
            print(open(log, encoding="utf-8").read()[-2000:])
            raise RuntimeError("the daemon did not end well")


def in_turns(bare, ours, turns=TURNS):
    """bare() and ours() give a time, and a time on the processor: medians of the ratios bare/ours, and of ours."""
    pairs = []
    bare()
    ours()
    for _ in range(turns):
        pairs.append((bare(), ours()))
    wall = statistics.median(b[0] / o[0] for b, o in pairs)
    processor = statistics.median(b[1] / o[1] for b, o in pairs)
    return wall, processor, statistics.median(o[0] for _, o in pairs), statistics.median(b[0] for b, _ in pairs)


def pressed(process, run):
    """run() gives nanoseconds; with it those that the process worked."""
    def once():
        before = cpu(process)
        took = run()
        return took, max(cpu(process) - before, 1)
    return once


def others(world, count):
    """count devices in all, root hubs included, none on the ports that are plugged."""
    for n in range(2, 7):
        world.host.bus(n)
    for n in range(count - 6):
        world.host.place(f"{3 + n // 63}-{1 + n % 63}", 0xfff0, n, [STORAGE], manufacturer="Some Manufacturer",
                         product="Some Product", serial=f"{n:020}")


def plugged_ports(world):
    """Devices that load.c moves in and out."""
    away = world.host.path("away")
    os.mkdir(away)
    for n in range(1, PORTS + 1):
        device = world.host.place(f"1-{n}", 0xfff1, n, serial=f"{n:020}", manufacturer="Some Manufacturer", product="Some Product")
        os.rename(world.host.path("sys/bus/usb/devices", device.name), os.path.join(away, device.name))


def write_file(world, name, data):
    path = os.path.join(world.dir, name)
    with open(path, "wb") as f:
        f.write(data)
    return path


# ---- figures ----


def message(action, path, **keys):
    text = f"{action}@{path}\0ACTION={action}\0DEVPATH={path}\0" + "".join(f"{k}={v}\0" for k, v in keys.items()) + "SEQNUM=4711\0"
    return len(text).to_bytes(2, "little") + text.encode()


def uevents():
    """Of a hundred events five are about USB devices; the rest are what a busy machine has."""
    pci = "/devices/pci0000:00/0000:00:14.0"
    noise = [message("change", f"{pci}/power_supply/BAT0", SUBSYSTEM="power_supply", POWER_SUPPLY_NAME="BAT0",
                     POWER_SUPPLY_CAPACITY="71", POWER_SUPPLY_STATUS="Discharging", POWER_SUPPLY_ENERGY_NOW="31230000"),
             message("change", "/devices/virtual/block/dm-0", SUBSYSTEM="block", MAJOR="253", MINOR="0", DEVNAME="dm-0", DEVTYPE="disk"),
             message("add", "/module/snd_usb_audio", SUBSYSTEM="module"),
             message("add", f"{pci}/usb1/1-9/1-9:1.0", SUBSYSTEM="usb", DEVTYPE="usb_interface", PRODUCT="46d/c31c/6400",
                     TYPE="0/0/0", INTERFACE="3/1/1", MODALIAS="usb:v046DpC31Cd6400dc00dsc00dp00ic03isc01ip01in00"),
             message("add", "/devices/virtual/net/tap3", SUBSYSTEM="net", INTERFACE="tap3", IFINDEX="12")]
    with World() as w:
        others(w, 36)
        known = sorted(w.host.devices.values(), key=lambda d: d.name)[6:11]
        text = b"".join((message("change", "/" + known[n // 20].directory.split("/", 1)[1], SUBSYSTEM="usb", DEVTYPE="usb_device", MAJOR="189",
                                 DEVNAME="bus/usb/003/002", PRODUCT="fff0/1/100", BUSNUM="003", DEVNUM="002")
                         if n % 20 == 19 else noise[n % 5]) for n in range(100))
        file, bare_socket = write_file(w, "messages", text), os.path.join(w.dir, "bare")
        quiet = write_file(w, "quiet", b"".join(noise))
        rounds = often(300, 20)
        with daemon(w, w.conf()) as d, yard("uevents", bare_socket) as y:
            for name, title, path, times in (("uevents", "uevents, 95 % of them irrelevant", file, rounds),
                                             ("uevents_irrelevant", "uevents, all of them irrelevant", quiet, rounds * 20)):
                wall, processor, took, _ = in_turns(pressed(y, lambda p=path, t=times: tool("load", "uevents", bare_socket, p, t)[0][0]),
                                                    pressed(d, lambda p=path, t=times: tool("load", "uevents", w.host.uevents, p, t)[0][0]))
                count = times * (100 if path == file else 5)
                figure(name, title, "0.8" if path == file else "", ratio=wall, cpu_ratio=processor, per_second=count / took * 1e9,
                       reached=wall >= 0.8)


def plug_case(devices, rules, mode, count):
    with World() as w:
        others(w, max(devices - 1, 6))
        plugged_ports(w)
        fill = [rule("vm1", {"vendorId": f"{0x4000 + n:04x}", "productId": f"{n:04x}"} if n % 16 else {"productName": f".*model {n}"})
                for n in range(rules - 1)]
        conf = w.conf(fill + [rule("vm1", KEYBOARD)], vms=["vm1"], vm_options={"vm1": {"qmp": "keep"}})
        bare, monitor = os.path.join(w.dir, "bare"), os.path.join(w.dir, "bare.qmp")
        os.mkdir(os.path.join(w.dir, "vms"))
        device = next(d for d in w.host.devices.values() if d.name == "usb2")
        with together(), daemon(w, conf), yard("plug", bare, monitor, w.host.path(device.directory, "busnum")):
            lines = tool("load", "plugs", w.host.root, 1, count, mode, bare, monitor, w.host.uevents, w.vm_path("vm1"), w.socket)
    lines = lines[len(lines) // 10:]  # caches are warm
    return [sorted(line[side] / 1000 for line in lines) for side in (0, 1)]


def at(values, part):
    return values[min(int(len(values) * part), len(values) - 1)]


def plug_figure(name, title, devices, rules, mode, count):
    bare, ours = plug_case(devices, rules, mode, count)
    times = at(ours, 0.5) / at(bare, 0.5)
    tail, bare_tail = at(ours, 0.99) / at(ours, 0.5), at(bare, 0.99) / at(bare, 0.5)
    figure(name, title, "p50 within 7 times, p99 within 3 times p50", ratio=1 / times, times=times, p50_us=at(ours, 0.5),
           p99_us=at(ours, 0.99), bare_p50_us=at(bare, 0.5), bare_p99_us=at(bare, 0.99), tail=tail, bare_tail=bare_tail,
           reached=times <= 7 and tail <= 3)
    return times, at(ours, 0.5), at(bare, 0.5)


def plug():
    count = often(800, 20)
    for devices, rules in ((7, 1), (64, 1), (256, 1), (7, 512), (256, 512)):
        shown = 1 if devices == 7 else devices
        plug_figure(f"plug_{shown}_{rules}", f"bind to device_add, {shown} device{'s' if shown > 1 else ''}, {rules} rule{'s' if rules > 1 else ''}",
                    devices, rules, "bind", count)
    plug_figure("plug_add", "add and bind at once to device_add, 1 device, 1 rule", 7, 1, "add", count)
    curves["plug_devices"] = {"title": "plug: bind to first byte of device_add, median", "x": "devices", "unit": "us", "series": {"vhotplug": [], "bare program": []}}
    for devices in (7, 32, 64, 128, 256):
        bare, ours = plug_case(devices, 8, "bind", often(200, 10))
        curves["plug_devices"]["series"]["vhotplug"].append([devices, at(ours, 0.5)])
        curves["plug_devices"]["series"]["bare program"].append([devices, at(bare, 0.5)])


def lists():
    per_clients = {"vhotplug": [], "bare server": []}
    for devices in (2, 30, 256):
        with World() as w:
            for n in range(2, 7):
                w.host.bus(n)
            for n in range(min(devices, 250)):
                w.host.place(f"{3 + n // 63}-{1 + n % 63}", 0xfff0, n, [STORAGE], manufacturer="Some Manufacturer", product="Some Product",
                             serial=f"{n:020}")
            with daemon(w, w.conf([rule(["vm1", "vm2"], {"interfaceClass": 8})])) as d:
                api = w.api()
                line, last = b"", b"x"
                while line != last:  # until nothing changes any more: the load counts replies by their length
                    last, line = line, b""
                    time.sleep(often(0.3, 0.1))
                    api.send({"action": "usb_list"})
                    while not line.endswith(b"\n"):
                        line += api.socket.recv(65536)
                api.close()
                bare = os.path.join(w.dir, "bare")
                with yard("serve", bare, write_file(w, "reply", line)) as y:
                    for clients, depth in ((1, 1), (1, 16), (32, 1)):
                        count = often({2: 16000, 30: 2400, 256: 400}[devices], 60)
                        with together(clients * depth == 1):
                            wall, processor, took, _ = in_turns(
                                pressed(y, lambda c=clients, p=depth, n=count: tool("load", "lists", bare, c, p, n)[0][0]),
                                pressed(d, lambda c=clients, p=depth, n=count: tool("load", "lists", w.socket, c, p, n)[0][0]))
                        kind = f"{clients} client{'s' if clients > 1 else ''}" + (", pipelined" if depth > 1 else "")
                        figure(f"lists_{devices}_{clients}x{depth}", f"usb_list of {devices} devices ({len(line)} bytes), {kind}", "0.7",
                               ratio=wall, cpu_ratio=processor, per_second=count / took * 1e9, reached=wall >= 0.7)
                    if devices == 30:
                        for clients in (1, 4, 16, 60):
                            count = often(1500, 60)
                            _, _, took, bare_took = in_turns(
                                pressed(y, lambda c=clients, n=count: tool("load", "lists", bare, c, 1, n)[0][0]),
                                pressed(d, lambda c=clients, n=count: tool("load", "lists", w.socket, c, 1, n)[0][0]), often(3, 1))
                            per_clients["vhotplug"].append([clients, count / took * 1e9])
                            per_clients["bare server"].append([clients, count / bare_took * 1e9])
    curves["lists_clients"] = {"title": "usb_list of 30 devices", "x": "clients", "unit": "lists a second", "series": per_clients}


def moves_case(vms, turns, reset=False, relay=False):
    """reset: as by default, each device is reset by the helper before it may go anywhere again. The bare client resets nothing.
    relay: the bare side, too, is asked over a socket and answers there."""
    names = [f"vm{n}" for n in range(1, vms + 1)]
    with World() as w:
        devices = [w.host.place(f"1-{n + 1}") for n in range(vms)]
        os.mkdir(os.path.join(w.dir, "vms"))
        bare = [os.path.join(w.dir, n + ".bare") for n in names]
        rounds = often(1600 // (vms + 3), 10)
        with together(vms == 1), load("monitors", *map(w.vm_path, names)), load("monitors", *bare):
            until(lambda: all(os.path.exists(p) for p in [*bare, *map(w.vm_path, names)]), "monitors")
            with daemon(w, w.conf([rule(names + ["another"], KEYBOARD, resetOnRelease=reset)], vms=names + ["another"])) as d:
                pairs = [part for device, name in zip(devices, names) for part in (device.node, name)]
                node = w.host.path(devices[0].node)

                def talk():
                    took, processor = tool("yard", "talk", node, rounds, *bare)[0]
                    return took, processor

                def ask(path):
                    return tool("load", "moves", path, rounds, *pairs)[0][0]

                ours = pressed(d, lambda: ask(w.socket))
                if not relay:
                    return (*in_turns(talk, ours, turns), rounds * vms)
                path = os.path.join(w.dir, "relay")
                with yard("relay", path, node, *bare) as y:
                    until(lambda: os.path.exists(path), "relay")
                    return (*in_turns(pressed(y, lambda: ask(path)), ours, turns), rounds * vms)


def moves():
    for vms in (1, 16):
        wall, processor, took, _, count = moves_case(vms, TURNS)
        figure(f"moves_{vms}", f"attach and detach, {vms} VM{'s' if vms > 1 else ''}", "0.7", ratio=wall, cpu_ratio=processor,
               per_second=count / took * 1e9, reached=wall >= 0.7)
        wall, processor, took, _, count = moves_case(vms, TURNS, relay=True)
        figure(f"moves_{vms}_relay", "the same beside a bare relay, which is asked by a client as the daemon is", ratio=wall, cpu_ratio=processor,
               per_second=count / took * 1e9)
    wall, processor, took, _, count = moves_case(16, TURNS, reset=True)
    figure("moves_16_reset", "the same with 16 VMs, each device reset in between", ratio=wall, cpu_ratio=processor, per_second=count / took * 1e9)
    series = {"vhotplug": [], "bare client": []}
    for vms in (1, 4, 16, 48):
        _, _, took, bare_took, count = moves_case(vms, often(3, 1))
        series["vhotplug"].append([vms, count / took * 1e9])
        series["bare client"].append([vms, count / bare_took * 1e9])
    curves["moves_vms"] = {"title": "attach and detach, all VMs side by side", "x": "VMs", "unit": "pairs a second", "series": series}


def fan():
    for subscribers in (1, 60):
        with World() as w:
            plugged_ports(w)
            with together(subscribers == 1), daemon(w, w.conf()) as d:
                api = w.api(events=True)
                os.rename(w.host.path("away/1-120"), w.host.path("sys/bus/usb/devices/1-120"))
                w.host.event("bind", w.host.devices["1-120"])
                line = b""
                while not line.endswith(b"\n"):
                    line += api.socket.recv(65536)
                api.close()
                os.rename(w.host.path("sys/bus/usb/devices/1-120"), w.host.path("away/1-120"))
                w.host.event("remove", w.host.devices["1-120"])
                bare, trigger = os.path.join(w.dir, "bare"), os.path.join(w.dir, "trigger")
                with yard("fan", bare, trigger, write_file(w, "event", line)) as y:
                    count, used = often(100, 10), [0]

                    def ours():
                        used[0] += count
                        return tool("load", "fan", w.socket, w.host.uevents, w.host.root, used[0], subscribers, count)[0][0]

                    wall, processor, took, _ = in_turns(
                        pressed(y, lambda: tool("load", "fan", bare, trigger, w.host.root, 0, subscribers, count)[0][0]), pressed(d, ours))
        figure(f"fan_{subscribers}", f"an event to {subscribers} subscriber{'s' if subscribers > 1 else ''}", "0.7", ratio=wall, cpu_ratio=processor,
               per_second=2 * count * subscribers / took * 1e9, reached=wall >= 0.7)


def micro():
    """JSON, patterns, the core and the scan, each in one program."""
    with World() as w:
        others(w, 256)
        out = subprocess.run(on_core(SERVERS, "micro", int(QUICK), w.host.root), capture_output=True, text=True, check=True).stdout
    m = {k: float(v) for k, v in (line.split() for line in out.splitlines())}
    for name, title in (("request", "a request"), ("answer", "a long answer of QEMU")):
        figure(f"json_{name}", f"JSON, {title} of {m[f'json_{name}_bytes']:.0f} bytes: validate, tokenise, look up",
               ratio=m[f"json_{name}_jsmn"] / m[f"json_{name}_ours"], ns_per_byte=m[f"json_{name}_ours"],
               jsmn_ns_per_byte=m[f"json_{name}_jsmn"], memcpy_ns_per_byte=m[f"json_{name}_memcpy"])
    figure("regex_growth", "patterns that cost others exponential time: time(2n)/time(n), the worst of 8", "2.2", value=m["regex_growth"],
           reached=m["regex_growth"] <= 2.2)
    figure("regex_name", "a pattern of 64 over a name", value=m["regex_64_patterns"], unit="ns")
    for name, suffix, words in (("scan", "", "first scan"), ("rescan", "_again", "a later scan")):
        bare, ours = m["scan_bare" + suffix], m["scan_ours" + suffix]
        figure(name, f"{words} of {m['scan_devices']:.0f} devices; bare: all their attributes read", "within 1.5 times", ratio=bare / ours,
               ms=ours / 1e6, bare_ms=bare / 1e6, reached=ours <= 1.5 * bare)
    kinds = {"time": "time passes", "look": "a device is looked at", "plug": "unplug, plug, answers: mean"}
    for kind, words in kinds.items():
        value = m[f"core_full_256_64_512_{kind}"] / 1000
        figure(f"core_{kind}", f"core_step with 256 devices, 64 VMs, 512 rules: {words}", "under 20 us", value=value, unit="us", reached=value < 20)
    for what, place in (("devices", 0), ("rules", 2), ("vms", 1)):
        series = {words: [] for words in kinds.values()}
        for key, value in m.items():
            parts = key.split("_")
            if parts[0] == "core" and parts[1] == what:
                series[kinds[parts[5]]].append([int(parts[2 + place]), value / 1000])
        curves[f"core_{what}"] = {"title": f"core_step over {'VMs' if what == 'vms' else what}", "x": "VMs" if what == "vms" else what,
                                  "unit": "us", "series": series}


def status(process, key):
    with open(f"/proc/{process.pid}/status", encoding="ascii") as f:
        return int(next(line for line in f if line.startswith(key + ":")).split()[1])


def family(process):
    """The daemon and its workers: their ids."""
    with open(f"/proc/{process.pid}/task/{process.pid}/children", encoding="ascii") as f:
        return [process.pid, *map(int, f.read().split())]


def rollup(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
        return {line.split(":")[0]: int(line.split()[1]) for line in f if line.startswith(("Rss", "Pss:", "Private_Dirty"))}


def memory():
    """64 clients and 256 devices, of which each has been listed once by each client. Before that: idle wake-ups."""
    with World() as w:
        others(w, 256)
        with daemon(w, w.conf([rule("vm1", {"interfaceClass": 8})])) as d:
            w.api(events=True)
            time.sleep(often(12, 1.5))  # until the log has told how many lines it left out of the start's
            before, seconds = status(d, "voluntary_ctxt_switches"), often(10, 1)
            time.sleep(seconds)
            figure("wakeups", "wake-ups a minute, idle, one subscriber", value=(status(d, "voluntary_ctxt_switches") - before) * 60 / seconds, unit="")
            figure("resident_start", "resident at start, 256 devices", value=status(d, "VmRSS"), unit="KiB")
            clients = [w.api(events=True) for _ in range(63)]
            for c in clients:
                c.list()
            time.sleep(1.5)  # a second after the last request the daemon gives back what only requests need
            own = rollup(d.pid)
            figure("resident", "resident with 64 clients, 256 devices", value=own["Rss"], unit="KiB")
            figure("proportional", "the same, proportional", value=own["Pss"], unit="KiB")
            all_of_it = sum(rollup(pid)["Pss"] for pid in family(d))
            figure("proportional_all", "the same, proportional, of all processes", reach="at most 1536", reached=all_of_it <= 1536,
                   value=all_of_it, unit="KiB")
            figure("private", "the same, private and written to", value=own["Private_Dirty"], unit="KiB")


def ready():
    """From before the start of the process to the first answer over the API."""
    pairs = []
    for _ in range(often(20, 3)):
        with World() as w:
            others(w, 36)
            path = write_file(w, "conf", json.dumps(w.conf([rule("vm1", KEYBOARD)])).encode())
            begun = time.monotonic_ns()
            subprocess.run(on_core(SERVERS, "yard"), check=False)
            bare = time.monotonic_ns() - begun
            begun = time.monotonic_ns()
            with running(*on_core(SERVERS, BINARY), "-c", path, "--root", w.host.root, "--uevents", w.host.uevents, stderr=subprocess.DEVNULL):
                while True:
                    try:
                        api = w.api()
                        break
                    except OSError:
                        pass
                api.ok("version")
                pairs.append((bare, time.monotonic_ns() - begun))
    figure("ready", "start to the first answer, 30 devices; bare: a program that ends at once", ratio=statistics.median(b / o for b, o in pairs),
           ms=statistics.median(o for _, o in pairs) / 1e6, bare_ms=statistics.median(b for b, _ in pairs) / 1e6)


def size():
    path = os.path.realpath(BINARY)
    figure("binary", "the binary, with the names of USB devices", value=os.path.getsize(path) / 1024, unit="KiB")
    out = subprocess.run(["nm", "-S", "--size-sort", "-r", path + ".full"], capture_output=True, text=True, check=True).stdout
    rows = [(line.split()[3], int(line.split()[1], 16), line.split()[2]) for line in out.splitlines() if len(line.split()) == 4]
    tables["tables"] = [[name, count] for name, count, kind in rows if kind in "bBdDrR"][:16]
    figure("static", "static data that can be written to", value=sum(n for _, n, kind in rows if kind in "bBdD") / 1024, unit="KiB")


def account():
    """The system calls of one plug, from the wake-up by `bind` until the next wait; strace stops the daemon at each, so of its times only the
    proportions count."""
    with World() as w:
        others(w, 30)
        plugged_ports(w)
        conf = w.conf([rule("vm1", KEYBOARD)], vms=["vm1"], vm_options={"vm1": {"qmp": "keep"}})
        os.mkdir(os.path.join(w.dir, "vms"))
        bare, monitor, trace = os.path.join(w.dir, "bare"), os.path.join(w.dir, "bare.qmp"), os.path.join(w.dir, "trace")
        with daemon(w, conf) as d, yard("plug", bare, monitor, w.host.path("proc/swaps")):
            with running("strace", "-ttt", "-T", "-s", "64", "-o", trace, "-p", str(d.pid), stderr=subprocess.DEVNULL) as s:
                until(lambda: status(d, "TracerPid") == s.pid, "strace")
                tool("load", "plugs", w.host.root, 1, 12, "bind", bare, monitor, w.host.uevents, w.vm_path("vm1"), w.socket)
                lines = open(trace, encoding="utf-8").read().splitlines()
    plugs, calls = [], None
    for line in lines:
        m = re.match(r"(\S+) (\w+)\((.*)<([\d.]+)>$", line)
        if not m:
            continue
        if m[2] in ("recvmsg", "recvmmsg") and "bind@" in m[3]:
            calls = []
        if calls is not None:
            calls.append((m[2], m[3], float(m[4]) * 1e6))
        if calls and m[2] == "sendmsg" and ("add-fd" in m[3] or "device_add" in m[3]):
            plugs.append(calls)
            calls = None
    one = plugs[len(plugs) // 2]
    figure("calls", "system calls from the `bind` uevent to device_add", value=len(one), unit="")
    tables["account"] = []
    for k, (name, text, _) in enumerate(one):
        same = sorted(p[k][2] for p in plugs if len(p) == len(one))
        text = re.sub(r"\\0.*|, O_.*|, 0x.*|, \{.*", "", text).replace('"', "").replace("|", "/")
        tables["account"].append([name, text[:60].rstrip(") ="), same[len(same) // 2]])


NAMES = ["uevents", "plug", "lists", "moves", "fan", "micro", "ready", "memory", "size", "account"]


def main():
    begun = time.monotonic()
    for name in sys.argv[3:] or NAMES:
        globals()[name]()
    result = {"quick": QUICK, "seconds": time.monotonic() - begun, "load": os.getloadavg()[0], "cores": os.cpu_count(),
              "date": time.strftime("%Y-%m-%d"), "figures": figures, "curves": curves, "tables": tables}
    with open(sys.argv[2], "w", encoding="utf-8") as f:
        json.dump(result, f, indent=1)
    print(f"{len(figures)} figures in {result['seconds']:.0f} s; load {result['load']:.1f} on {result['cores']} cores; {sys.argv[2]}")


if __name__ == "__main__":
    main()
