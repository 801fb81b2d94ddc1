"""A made-up host below a directory: /sys, /dev and /proc as the kernel shows them, and uevents."""
import os
import shutil
import socket
import struct

HID_KEYBOARD = (3, 1, 1)
HID_MOUSE = (3, 1, 2)
STORAGE = (8, 6, 0x50)
HUB = (9, 0, 0)
VIDEO = (14, 1, 0)


def descriptors(vid, pid, interfaces, device_class=(0, 0, 0), bcd=0x0200):
    """A device descriptor and one configuration, as /sys/.../descriptors holds them."""
    out = struct.pack("<BBHBBBBHHHBBBB", 18, 1, bcd, *device_class, 64, vid, pid, 0x0100, 1, 2, 3, 1)
    body = b"".join(struct.pack("<BBBBBBBBB", 9, 4, n, 0, 1, *triple, 0) + struct.pack("<BBBBHB", 7, 5, 0x81, 3, 8, 10)
                    for n, triple in enumerate(interfaces))
    return out + struct.pack("<BBHBBBBB", 9, 2, 9 + len(body), len(interfaces), 1, 0, 0x80, 50) + body


class Device:
    """One plugged-in device. `port` is "1-2.3": bus and port path."""

    def __init__(self, port, vid, pid, interfaces, devnum, **attributes):
        self.name, self.vid, self.pid, self.interfaces, self.devnum = port, vid, pid, interfaces, devnum
        self.attributes = attributes
        self.bus = int(port.split("-")[0])
        self.port_path = port.split("-")[1]
        self.node = f"/dev/bus/usb/{self.bus:03}/{devnum:03}"

    def __str__(self):
        return f"{self.name} {self.node}"


class Host:
    def __init__(self, root):
        self.root = root
        self.uevents = os.path.join(root, "uevents")
        self.devices = {}
        self.seqnum = 1000
        self.last_devnum = {}
        self.trash = 0
        self.controllers = {}
        for d in ("proc/sys/kernel/random", "proc/self", "proc/net", "sys/bus/usb/devices", "sys/class/block", "sys/class/net",
                  "sys/dev/block", "sys/bus/usb/drivers/usb", "dev/bus/usb", "lib/modules", "run", "trash"):
            os.makedirs(os.path.join(root, d))
        for name, text in (("self/mountinfo", "1 1 0:1 / / rw - tmpfs tmpfs rw\n"), ("swaps", "Filename Type Size\n"),
                           ("sys/kernel/random/boot_id", "boot-1\n"), ("net/route", "Iface\tDestination\tGateway\n"), ("net/ipv6_route", "")):
            self.write("proc/" + name, text)
        for name in ("bind", "unbind"):
            self.write(f"sys/bus/usb/drivers/usb/{name}", "")
        self.bus(1)

    def path(self, *parts):
        return os.path.join(self.root, *(p.lstrip("/") for p in parts))

    def write(self, path, text):
        with open(self.path(path), "wb") as f:
            f.write(text if isinstance(text, bytes) else text.encode())

    def bus(self, number, controller=None, speed="480"):
        """A root hub of this controller, a directory below /sys/devices; of one of its own without a name."""
        controller = controller or f"pci0000:00/0000:00:{number:02x}.0"
        self.controllers[number] = controller
        hub = Device(f"{number}-0", 0x1d6b, 2, [HUB], 1)
        hub.name, hub.port_path = f"usb{number}", "0"
        hub.attributes = {"device_class": HUB, "product": "xHCI Host Controller", "speed": speed}
        self.last_devnum[number] = 1
        self._make(hub, f"sys/devices/{controller}/usb{number}")
        return hub

    def port(self, bus, number, peer=None, location=0, connect_type="unknown"):
        """A port of a root hub. peer: bus and number of the other side of its socket."""
        interface = f"sys/devices/{self.controllers[bus]}/usb{bus}/{bus}-0:1.0"
        port = f"{interface}/usb{bus}-port{number}"
        os.makedirs(self.path(port))
        self.write(f"{port}/connect_type", f"{connect_type}\n")
        self.write(f"{port}/location", f"0x{location:08x}\n")
        if peer:
            os.symlink(f"../../../usb{peer[0]}/{peer[0]}-0:1.0/usb{peer[0]}-port{peer[1]}", self.path(port, "peer"))
        link = self.path("sys/bus/usb/devices", f"{bus}-0:1.0")
        if not os.path.islink(link):
            os.symlink(os.path.relpath(self.path(interface), os.path.dirname(link)), link)

    def _directory(self, port):
        bus, path = port.split("-")
        parts = path.split(".")
        names = [f"{bus}-{'.'.join(parts[:i + 1])}" for i in range(len(parts))]
        return "/".join([f"sys/devices/{self.controllers[int(bus)]}/usb{bus}"] + names)

    def _make(self, device, directory):
        a = dict(device.attributes)
        device.directory = directory
        os.makedirs(self.path(directory))
        data = a.pop("descriptors", None)
        if data is None:
            data = descriptors(device.vid, device.pid, device.interfaces, a.pop("device_class", (0, 0, 0)))
        a.pop("device_class", None)
        values = {"busnum": f"{device.bus}", "devnum": f"{device.devnum}", "devpath": device.port_path, "speed": "480",
                  "idVendor": f"{device.vid:04x}", "idProduct": f"{device.pid:04x}", "removable": "unknown",
                  "bDeviceClass": "00", "authorized": "1"}
        values.update(a)
        for key, value in values.items():
            if value is not None:
                self.write(f"{directory}/{key}", f"{value}\n")
        self.write(f"{directory}/descriptors", data)
        os.makedirs(self.path(f"dev/bus/usb/{device.bus:03}"), exist_ok=True)
        self.write(device.node, b"")
        link = self.path("sys/bus/usb/devices", device.name)
        os.symlink(os.path.relpath(self.path(directory), os.path.dirname(link)), link)
        self.devices[device.name] = device
        self._join(device)

    def _join(self, device):
        """The links between a device at a root hub and its port, if that is there."""
        port = f"sys/devices/{self.controllers[device.bus]}/usb{device.bus}/{device.bus}-0:1.0/usb{device.bus}-port{device.port_path}"
        if os.path.isdir(self.path(port)):
            os.symlink(f"../{device.bus}-0:1.0/usb{device.bus}-port{device.port_path}", self.path(device.directory, "port"))
            if os.path.islink(self.path(port, "device")):
                os.unlink(self.path(port, "device"))
            os.symlink(f"../../{device.name}", self.path(port, "device"))

    def send(self, action, devpath, **env):
        self.seqnum += 1
        env = {"ACTION": action, "DEVPATH": devpath, **env, "SEQNUM": str(self.seqnum)}
        text = f"{action}@{devpath}\0" + "".join(f"{k}={v}\0" for k, v in env.items())
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            s.connect(self.uevents)
            s.send(text.encode())

    def event(self, action, device, devnum=None):
        n = device.devnum if devnum is None else devnum
        self.send(action, "/" + device.directory.split("/", 1)[1], SUBSYSTEM="usb", MAJOR="189", MINOR="1",
                  DEVNAME=f"bus/usb/{device.bus:03}/{n:03}", DEVTYPE="usb_device",
                  PRODUCT=f"{device.vid:x}/{device.pid:x}/100", BUSNUM=f"{device.bus:03}", DEVNUM=f"{n:03}")

    def interface_event(self, action, device, interface, **env):
        self.send(action, f"/{device.directory.split('/', 1)[1]}/{device.name}:1.{interface}", SUBSYSTEM="usb",
                  DEVTYPE="usb_interface", **env)

    def place(self, port, vid=0x046d, pid=0xc31c, interfaces=(HID_KEYBOARD,), devnum=None, **attributes):
        """The device is in sysfs, but nobody was told."""
        bus = int(port.split("-")[0])
        if devnum is None:
            devnum = self.last_devnum[bus] = self.last_devnum[bus] % 127 + 1
        device = Device(port, vid, pid, list(interfaces), devnum, **attributes)
        self._make(device, self._directory(port))
        return device

    def plug(self, port, *args, bind=True, **kwargs):
        device = self.place(port, *args, **kwargs)
        self.event("add", device)
        if bind:
            self.event("bind", device)
        return device

    def vanish(self, device):
        """Gone from sysfs and /dev without a word. The directory's inode stays in use, as the kernel gives out new ones."""
        os.unlink(self.path("sys/bus/usb/devices", device.name))
        os.unlink(self.path(device.node))
        for name in os.listdir(self.path("sys/bus/usb/devices")):
            if name.startswith(device.name + ":"):
                os.unlink(self.path("sys/bus/usb/devices", name))
        self.trash += 1
        os.rename(self.path(device.directory), self.path(f"trash/{self.trash}"))
        del self.devices[device.name]

    def forget_trash(self, keep):
        """The directories of long gone devices: all but the last ones, whose inodes must not come again at once."""
        shutil.rmtree(self.path(f"trash/{self.trash - keep}"), ignore_errors=True)

    def unplug(self, device):
        self.vanish(device)
        self.event("unbind", device)
        self.event("remove", device)

    def disk(self, device, name):
        """A block device of this stick: its directory below /sys, with the links that lead there."""
        block = f"{device.directory}/{device.name}:1.0/host3/target3:0:0/3:0:0:0/block/{name}"
        os.makedirs(self.path(block, "holders"), exist_ok=True)
        link = self.path("sys/class/block", name)
        if not os.path.islink(link):
            os.symlink(os.path.relpath(self.path(block), os.path.dirname(link)), link)
        return block

    def network(self, device, name):
        """A network interface of this adapter."""
        net = f"{device.directory}/{device.name}:1.0/net/{name}"
        os.makedirs(self.path(net), exist_ok=True)
        os.symlink(os.path.relpath(self.path(net), self.path("sys/class/net")), self.path("sys/class/net", name))

    def mount(self, device, point="/mnt/stick"):
        """The host mounts a partition of this stick."""
        block = f"{device.directory}/{device.name}:1.0/host3/target3:0:0/3:0:0:0/block/sda/sda1"
        os.makedirs(self.path(block), exist_ok=True)
        link = self.path("sys/dev/block/8:1")
        if not os.path.islink(link):
            os.symlink(os.path.relpath(self.path(block), os.path.dirname(link)), link)
        self.write("proc/self/mountinfo",
                   f"1 1 0:1 / / rw - tmpfs tmpfs rw\n36 1 8:1 / {point} rw - ext4 /dev/sda1 rw\n")

    def driver(self, device, interface, name):
        """The host's driver of an interface of the active configuration; None: none has it."""
        directory = f"{device.directory}/{device.name}:1.{interface}"
        link = self.path(directory, "driver")
        os.makedirs(self.path(directory), exist_ok=True)
        if not os.path.islink(self.path("sys/bus/usb/devices", f"{device.name}:1.{interface}")):
            os.symlink(os.path.relpath(self.path(directory), self.path("sys/bus/usb/devices")),
                       self.path("sys/bus/usb/devices", f"{device.name}:1.{interface}"))
        if os.path.islink(link):
            os.unlink(link)
        if name:
            os.makedirs(self.path("sys/bus/usb/drivers", name), exist_ok=True)
            os.symlink(os.path.relpath(self.path("sys/bus/usb/drivers", name), self.path(directory)), link)

    def close(self):
        shutil.rmtree(self.root, ignore_errors=True)
