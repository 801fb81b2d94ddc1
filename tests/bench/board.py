"""On the emulated board: from the kernel's uevents of a plug to the first byte of device_add at an idle monitor.

A figure, no verdict. Both ends are stamped by one process on the board, a Python program under emulation whose own delay is in
the figure.

usage: board.py [ROUNDS]
"""
import json
import os
import statistics
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "board/qemu-x86_64"))

from board import Board, Uevents  # noqa: E402

GREETING = '{"QMP": {"version": {"qemu": {"micro": 0, "minor": 2, "major": 7}}, "capabilities": []}}\n'
CONF = {"usbPassthrough": [{"targetVm": "vm1", "allow": [{"interfaceClass": 3}]}],
        "vms": [{"name": "vm1", "type": "qemu", "socket": "/run/vm1.qmp", "qmp": "keep"}],
        "general": {"api": {"transports": ["unix"], "unixSocket": "/run/vhotplug.sock"}, "persistency": False}}


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


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    since = {"add": [], "bind": []}
    with Board(os.path.join(TOP, "build/bench"), daemon=os.path.join(TOP, "build/vhotplug"), config=json.dumps(CONF)) as board:
        board.boot()
        listener = board.listen("unix:/run/vm1.qmp")
        monitor = listener.accept()
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
        print(f"board: {name} to device_add: median {statistics.median(values):.2f} ms, least {values[0]:.2f}, most {values[-1]:.2f} "
              f"({len(values)} plugs)")


main()
