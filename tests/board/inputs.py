"""Input devices that a program on the board makes by uinput; they are there while it runs."""
import json

from tap import equal, scaled

MAKER = """
import fcntl, json, os, struct, sys, time
kept = []
for name, (bus, ev, key, rel, ab, prop, sw) in json.loads(sys.argv[1]).items():
    fd = os.open("/dev/uinput", os.O_RDWR)
    for request, codes in ((0x40045564, ev), (0x40045565, key), (0x40045566, rel), (0x40045567, ab), (0x4004556d, sw), (0x4004556e, prop)):
        for code in codes:
            fcntl.ioctl(fd, request, code)
    most = [9 if axis == 0x2f else 1000 if axis in ab else 0 for axis in range(64)]
    os.write(fd, struct.pack("80sHHHHI", name.encode(), bus, 1, 2, 3, 0) + struct.pack("64i", *most) + struct.pack("192i", *[0] * 192))
    fcntl.ioctl(fd, 0x5501)
    kept.append(fd)
print("made", flush=True)
time.sleep(3600)
"""


def make(board, devices):
    """devices: by name (bus type, event types, keys, relative axes, absolute axes, properties, switches). The program that has them."""
    board.run("modprobe evdev; modprobe uinput")
    process = board.spawn(["python3", "-ISuc", MAKER, json.dumps(devices)], root="host")
    equal(process.line(scaled(20)), "made")
    return process


def node(board, name):
    """Its name of a device with this name, such as "event4"; None if there is none."""
    for path in board.glob("/sys/class/input/event*/device/name"):
        if board.read(path).strip() == name:
            return path.split("/")[4]
    return None
