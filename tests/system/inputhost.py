"""Input devices of the made-up host."""
import os
import struct


def words(codes):
    """A set of codes as the kernel prints it to this machine's programs."""
    width = 8 * struct.calcsize("l")
    value = sum(1 << code for code in codes)
    parts = []
    while value or not parts:
        parts.insert(0, f"{value & (1 << width) - 1:x}")
        value >>= width
    return " ".join(parts)


def input_device(w, n, name, parents=(), ev=(1,), key=(), rel=(), ab=(), props=(), bustype=0x11):
    """An input device as the kernel shows it. parents: (name, subsystem), the outermost first."""
    at = w.host.path("sys/devices")
    for step, subsystem in (*parents, ("input", None), (f"input{n}", "input"), (f"event{n}", "input")):
        at = os.path.join(at, step)
        os.makedirs(at, exist_ok=True)
        if subsystem and not os.path.lexists(os.path.join(at, "subsystem")):
            with open(os.path.join(at, "uevent"), "w", encoding="ascii"):
                pass
            os.symlink(f"/sys/bus/{subsystem}", os.path.join(at, "subsystem"))
    device = os.path.dirname(at)
    for attribute, text in (("name", name), ("phys", f"made/up{n}"), ("properties", words(props)), ("id/bustype", f"{bustype:04x}"),
                            ("capabilities/ev", words(ev)), ("capabilities/key", words(key)), ("capabilities/rel", words(rel)),
                            ("capabilities/abs", words(ab))):
        path = os.path.join(device, attribute)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text + "\n")
    os.symlink(f"../../input{n}", os.path.join(at, "device"))
    links = w.host.path("sys/class/input")
    os.makedirs(links, exist_ok=True)
    os.symlink(os.path.relpath(at, links), os.path.join(links, f"event{n}"))


def keyboard(w):
    input_device(w, 0, "AT Translated Set 2 keyboard", (("platform", None), ("i8042", "platform"), ("serio0", "serio")), (0, 1, 4, 17), range(1, 84))


def touchpad(w):
    input_device(w, 4, "ELAN0001:00 04F3:3140 Touchpad",
                 (("pci0000:00", None), ("0000:00:15.1", "pci"), ("i2c_designware.1", "platform"), ("i2c-1", "i2c"), ("i2c-ELAN0001:00", "i2c")),
                 (0, 1, 3), (0x110, 0x145, 0x14a), (), (0, 1, 0x2f, 0x35, 0x36), (0, 2), 0x18)


def usb_mouse(w):
    input_device(w, 7, "USB Mouse", (("pci0000:00", None), ("0000:00:14.0", "pci"), ("usb1", "usb"), ("1-2", "usb"), ("1-2:1.0", "usb")),
                 (0, 1, 2), (0x110, 0x111), (0, 1), (), (), 3)
