"""The suite on the emulated board, as far as it makes sense there, and what only a real kernel shows: its own uevents.

The board's processor is emulated: times are tens of times longer and only ratios mean something. bench.py itself runs on the board, quick,
with the machine's own Python and programs; left out is what needs strace or a table of symbols. A plug is then a plug: QEMU's monitor
puts a keyboard in, and both ends are stamped by the board's agent, a Python program whose own delay is in the figure.
handover.py has the whole way of a real device to a real QEMU.

usage: board.py TOOLS OUT.json [PART...]      PART: plugs, suite, handover; all without
"""
import json
import os
import statistics
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "board/qemu-x86_64"))

from board import Board, Uevents  # noqa: E402
from handover import handover  # noqa: E402

GREETING = '{"QMP": {"version": {"qemu": {"micro": 0, "minor": 2, "major": 7}}, "capabilities": []}}\n'
CONF = {"usbPassthrough": [{"targetVm": "vm1", "allow": [{"interfaceClass": 3}]}],
        "vms": [{"name": "vm1", "type": "qemu", "socket": "/run/vm1.qmp", "qmp": "keep"}],
        "general": {"api": {"transports": ["unix"], "unixSocket": "/run/vhotplug.sock"}, "persistency": False}}
SUITE = ["uevents", "plug", "lists", "moves", "fan", "micro", "ready", "memory"]
RESULT = "/dev/shm/bench.json"


def answer(monitor, until):
    """Answers commands until one of this name has come; the board's time at which its batch came."""
    while True:
        message = json.loads(monitor.line(20))
        stamp = monitor.stamp
        result = [] if message["execute"] in ("qom-list", "query-fdsets") else {}
        if message["execute"] == "device-list-properties":
            result = [{"name": "hostdevice"}]
        monitor.send(json.dumps({"return": result, "id": message["id"]}) + "\n")
        if message["execute"] == until:
            return stamp


def plugs(board, rounds):
    since = {"add": [], "bind": []}
    monitor = board.listen("unix:/run/vm1.qmp").accept()
    monitor.send(GREETING)
    answer(monitor, "device-list-properties")
    for _ in range(rounds):
        events = Uevents(board)
        board.plug("usb-kbd", "kbd")
        add = events.wait(ACTION="add", DEVTYPE="usb_device")["time"]
        bind = events.wait(ACTION="bind", DEVTYPE="usb_device")["time"]
        came = answer(monitor, "device_add")
        since["add"].append((came - add) * 1000)
        since["bind"].append((came - bind) * 1000)
        events.close()
        answer(monitor, "remove-fd")
        board.unplug("kbd")
        answer(monitor, "remove-fd")
    for name, values in since.items():
        values.sort()
        print(f"{name} to device_add: median {statistics.median(values):.2f} ms, least {values[0]:.2f}, most {values[-1]:.2f} ({len(values)} plugs)")
    return {name: statistics.median(values) for name, values in since.items()}


def suite(board, tools):
    python = "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else os.path.realpath(sys.executable)
    out = board.run(["env", "BENCH_QUICK=1", "VH_TEST_PATIENCE=20", f"VHOTPLUG={os.path.join(TOP, 'build/vhotplug')}", python,
                     os.path.join(TOP, "tests/bench/bench.py"), tools, RESULT, *SUITE], timeout=270, root="host")
    print(out if isinstance(out, str) else out.decode(), end="")
    text = board.run(["cat", RESULT], root="host")
    return json.loads(text)


def main():
    tools, out = os.path.abspath(sys.argv[1]), sys.argv[2]
    parts = {"plugs": ("plug_ms", lambda board: plugs(board, 20)), "suite": ("suite", lambda board: suite(board, tools)),
             "handover": ("handover", lambda board: handover(board, tools, 3))}
    result = {}
    for name in sys.argv[3:] or parts:
        with Board(os.path.join(TOP, "build/bench"), daemon=os.path.join(TOP, "build/vhotplug"), config=json.dumps(CONF)) as board:
            board.boot()
            key, run = parts[name]
            result[key] = run(board)
    with open(out, "w", encoding="utf-8") as f:
        json.dump(result, f, indent=1)


main()
