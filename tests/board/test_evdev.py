"""Input devices of a real kernel: what the daemon says of them, against what udev 252 said of the same devices. The board has no udev, so its
answers are written down here; they were taken from `udevadm test-builtin input_id` and `path_id`."""
import json

from rig import SOCKET, BoardWorld, conf, main
from board import until
from inputs import make
from tap import check, contains, equal, scaled, test

# name, bus type, event types, keys, relative axes, absolute axes, properties, switches: udev's classes beside ID_INPUT
MADE = {
    "touchpad": (0x18, (1, 3), (0x110, 0x145, 0x14a), (), (0, 1, 0x2f, 0x35, 0x36), (0,), (), {"TOUCHPAD"}),
    "touchscreen": (0x18, (1, 3), (0x14a,), (), (0, 1, 0x35, 0x36), (1,), (), {"TOUCHSCREEN"}),
    "pen": (0x3, (1, 3), (0x140, 0x14b, 0x14a), (), (0, 1, 0x18), (), (), {"TABLET"}),
    "pad": (0x3, (1, 3), (0x130, 0x131, 0x133), (), (0, 1, 3, 4), (), (), {"JOYSTICK"}),
    "lid": (0x19, (5,), (), (), (), (), (0,), {"SWITCH"}),
    "power": (0x19, (1,), (116,), (), (), (), (), {"KEY"}),
    "media": (0x3, (1,), (113, 114, 115, 0x160), (), (), (), (), {"KEY"}),
    "wheel only": (0x3, (2,), (), (8,), (), (), (), {"KEY"}),
    "trackpoint": (0x11, (1, 2), (0x110,), (0, 1), (), (5,), (), {"MOUSE", "POINTINGSTICK"}),
    "accel": (0x19, (3,), (), (), (0, 1, 2), (6,), (), {"ACCELEROMETER"}),
    "mouse buttons only": (0x3, (1,), (0x110, 0x111), (), (), (), (), {"MOUSE"}),
    "keyboard": (0x11, (1,), tuple(range(1, 32)), (), (), (), (), {"KEY", "KEYBOARD"}),
}


class Inputs(BoardWorld):
    maker = None

    def make(self):
        """Devices that a program on the board makes; they are there while it runs."""
        self.maker = make(self.board, {name: made[:-1] for name, made in MADE.items()})

    def __exit__(self, kind, value, trace):
        if self.maker:
            self.maker.kill()
            self.maker.wait(scaled(10))
        super().__exit__(kind, value, trace)


def rules(*evdev):
    return json.dumps({**json.loads(conf([])), "evdevPassthrough": list(evdev)})


def listed(api, **fields):
    return {d["name"]: d for d in api.ok("evdev_list", **fields)["evdev_devices"]}


def classes(device):
    return {key.removeprefix("ID_INPUT_") for key in device["properties"] if key.startswith("ID_INPUT_")}


@test
def devices_are_what_udev_says(w):
    w.start(rules({"targetVm": "vm1", "tag": "pads", "allow": [{"property": "ID_INPUT_TOUCHPAD", "value": "1"}]},
                  {"targetVm": "vm2", "allow": [{"name": "MEDIA|lid"}], "deny": [{"property": "ID_INPUT_SWITCH", "value": "1"}]}))
    api = w.api()
    w.make()
    found = until(lambda: (now := listed(api)) if set(MADE) <= set(listed(api)) else None, scaled(5), "every device")
    print("# of the board itself: " + "; ".join(f"{n} {d['path_tag']} {sorted(classes(d))}" for n, d in found.items() if n not in MADE))
    for name, made in MADE.items():
        device = found[name]
        equal(classes(device), made[-1], name)
        equal((device["properties"]["ID_INPUT"], device["bus"], device["path_tag"]), ("1", None, None), name)
        check(w.board.exists(device["device_node"]), name)
        equal(device["allowed_vms"], {"touchpad": ["vm1"], "media": ["vm2"]}.get(name, []), name)
    equal(set(listed(api, tag="pads")), {"touchpad"})
    w.maker.kill()
    w.maker.wait(scaled(10))
    w.maker = None
    until(lambda: not set(MADE) & set(listed(api)), scaled(5), "no device that was made")


@test
def a_device_on_usb_is_a_usb_device(w):
    w.board.run("modprobe evdev; modprobe usbhid; modprobe hid-generic")
    w.start(rules({"targetVm": "vm1", "allow": [{"name": ".*"}]}))
    api = w.api()
    before = set(listed(api))
    w.plug("usb-kbd", "kbd")
    told = api.told("usb_connected")["usb_device"]
    keyboard = until(lambda: next((d for d in listed(api, all=True).values() if d["bus"] == "usb"), None), scaled(10), "its event node")
    equal(set(listed(api)), before)
    equal((keyboard["allowed_vms"], classes(keyboard) >= {"KEY", "KEYBOARD"}), ([], True))
    place = keyboard["properties"]["ID_PATH"]
    check(place.startswith("pci-0000:") and place.endswith(f"-usb-0:{told['sys_name'].split('-')[1]}:1.0"), place)
    contains(w.board.run(["/bin/sh", "-c", f"vhotplug cli -u {SOCKET} evdev list --all --short"]), keyboard["name"])


main(Inputs)
