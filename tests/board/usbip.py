#!/usr/bin/env python3
"""USB devices made of bytes, plugged into the board's kernel by USB/IP: any descriptors, any strings, any number of them.

    usb = UsbIp(board)
    usb.plug(0, keyboard(0x1234, 1), {1: "Maker", 2: "Thing", 3: "serial"})     port 0 is the first of a hundred or so
    usb.sys_name(0)                                                            "3-1"
    usb.unplug(0)

The kernel's vhci-hcd (Documentation/usb/usbip_protocol.rst) takes a socket and sends every transfer of the port into it. The other
end is held by one process on the board, which is this file too (usbip.py serve): it answers control transfers from the
bytes it was given, and leaves every other transfer open for ever, like a keyboard on which nobody types.

Nothing here looks into descriptors, except that a single bytes object is cut into device and configurations by its lengths; what lies
about them is given cut: (device, [configuration, ...]).
"""
import errno
import glob
import json
import os
import selectors
import signal
import socket
import struct
import sys
import time

VHCI = "/sys/devices/platform/vhci_hcd."
SPEEDS = {"low": 1, "full": 2, "high": 3, "super": 5}  # enum usb_device_speed

# ---- descriptors, USB 2.0 chapter 9.6


def device(vid, pid, cls=0, sub=0, proto=0, configs=1, bcd=0x0100, strings=(1, 2, 3), usb=0x0200, packet=64):
    return struct.pack("<BBHBBBBHHHBBBB", 18, 1, usb, cls, sub, proto, packet, vid, pid, bcd, *strings, configs)


def config(body, interfaces=1, value=1, total=None, attributes=0x80, power=50):
    return struct.pack("<BBHBBBBB", 9, 2, 9 + len(body) if total is None else total, interfaces, value, 0, attributes, power) + body


def interface(number, cls, sub=0, proto=0, endpoints=0, alternate=0, string=0):
    return struct.pack("<BBBBBBBBB", 9, 4, number, alternate, endpoints, cls, sub, proto, string)


def endpoint(address, attributes=3, packet=8, interval=10):
    return struct.pack("<BBBBHB", 7, 5, address, attributes, packet, interval)


def simple(vid, pid, cls, sub=0, proto=0, **fields):
    """A device of one interface without endpoints: drivers of the host find nothing to do there."""
    return device(vid, pid, **fields) + config(interface(0, cls, sub, proto))


def keyboard(vid, pid, **fields):
    """A keyboard. Its report descriptor cannot be had, so that no driver of the host binds to it."""
    hid = bytes((9, 0x21, 0x11, 0x01, 0, 1, 0x22, 63, 0))
    return device(vid, pid, **fields) + config(interface(0, 3, 1, 1, endpoints=1) + hid + endpoint(0x81))


def silent(vid, pid, interfaces, **fields):
    """A HID device of so many interfaces; with mute=("report",) the kernel asks each for 20 s, and holds the device's lock.

    An address is one endpoint's only, so that at most 15 of them have what the driver looks for: it gives the others up at once."""
    hid = bytes((9, 0x21, 0x11, 0x01, 0, 1, 0x22, 63, 0))
    body = b"".join(interface(n, 3, endpoints=1) + hid + endpoint(0x81 + n % 15) for n in range(interfaces))
    return device(vid, pid, **fields) + config(body, interfaces)


def cut(descriptors):
    """(device, [configuration, ...]) of honest bytes in the order of sysfs's `descriptors`."""
    if not isinstance(descriptors, (bytes, bytearray)):
        return descriptors
    configs, rest = [], descriptors[18:]
    while rest:
        total = int.from_bytes(rest[2:4], "little")
        if not 9 <= total <= len(rest):
            raise ValueError("wTotalLength lies: give (device, [configurations])")
        configs.append(rest[:total])
        rest = rest[total:]
    return descriptors[:18], configs


# ---- outside


class UsbIp:
    """The board's USB/IP ports, numbered from 0; those for SuperSpeed have numbers of their own."""

    def __init__(self, board, timeout=60.0):
        self.board, self.timeout = board, timeout
        board.run("modprobe vhci-hcd")
        here = os.path.abspath(__file__)
        self.process = board.spawn(["python3", "-ISB", here, "serve"], root="host")
        hello = self._answer()
        self.ports, self.plugged = hello["ports"], set()

    def _answer(self):
        line = self.process.line(self.timeout)
        if line is None:
            raise RuntimeError("the USB/IP process has ended")
        answer = json.loads(line)
        if answer.get("error"):
            raise RuntimeError(f"USB/IP: {answer['error']}")
        return answer

    def _ask(self, **request):
        self.process.send(json.dumps(request) + "\n")
        return self._answer()

    def plug(self, port, descriptors, strings=(), speed="high", mute=()):
        """Returns when the port's state has changed: the kernel has yet to look at the device.

        strings: index to str, or to bytes that stand for the whole descriptor. mute: what is never answered: indices of strings,
        "report" for report descriptors of HID, "configure"."""
        dev, configs = cut(descriptors)
        texts = {i: s.hex() if isinstance(s, bytes) else string_descriptor(s).hex() for i, s in dict(strings).items()}
        self._ask(do="plug", port=port, speed=speed, device=dev.hex(), configs=[c.hex() for c in configs], strings=texts,
                  mute=list(mute))
        self.plugged.add(port)

    def unplug(self, port):
        self.plugged.discard(port)
        self._ask(do="unplug", port=port)

    def sys_name(self, port, speed="high"):
        """Its name in sysfs, whether or not there is a device."""
        return self._ask(do="name", port=port, speed=speed)["name"]

    def seen(self, port):
        """How many control transfers of this plug were answered: how far the kernel has come."""
        return self._ask(do="seen", port=port)["seen"]

    def ignored(self, port):
        """How many control transfers of this plug were left without an answer."""
        return self._ask(do="seen", port=port)["ignored"]

    def speak(self, port):
        """The device is silent no more: what it was asked, and will be asked, it refuses."""
        self._ask(do="speak", port=port)

    def freeze(self):
        """No device of ours answers anything, nor does this object, until thaw()."""
        self.process.kill(signal.SIGSTOP)

    def thaw(self):
        self.process.kill(signal.SIGCONT)

    def close(self):
        """Unplugs everything."""
        self.process.end()
        self.process.wait(self.timeout)


def string_descriptor(text):
    raw = text.encode("utf-16-le", "surrogatepass")
    if len(raw) > 253:
        raise ValueError("a string descriptor has at most 126 code units")
    return bytes((len(raw) + 2, 3)) + raw


# ---- on the board

CMD_SUBMIT, CMD_UNLINK, RET_SUBMIT, RET_UNLINK = 1, 2, 3, 4
BASE = struct.Struct(">IIIII")  # command, seqnum, devid, direction, ep
HEADER_SIZE = 48
GET_STATUS, GET_DESCRIPTOR, GET_CONFIGURATION, GET_INTERFACE = 0, 6, 8, 10
REPORT = 0x22  # the type of HID's report descriptors


class Device:
    """One plugged device: the socket's other end, and what it answers."""

    def __init__(self, sock, request):
        self.sock, self.data = sock, b""
        self.device = bytes.fromhex(request["device"])
        self.configs = [bytes.fromhex(c) for c in request["configs"]]
        self.strings = {int(i): bytes.fromhex(s) for i, s in request["strings"].items()}
        self.strings.setdefault(0, bytes((4, 3, 9, 4)))  # English
        self.mute = set(request["mute"])
        self.open = {}  # transfers that wait for ever: seqnum to (endpoint, direction)
        self.configuration, self.seen, self.ignored = 0, 0, 0

    def descriptor(self, kind, index):
        """The bytes, b"" for a stall, None for silence."""
        if kind == 1:
            return self.device
        if kind == 2:
            return self.configs[index] if index < len(self.configs) else b""
        if kind == 3:
            return None if index in self.mute else self.strings.get(index, b"")
        return b""

    def control(self, setup):
        """The data of a control transfer; None: no answer, ever; an int: an error."""
        kind, request, value, _, length = struct.unpack("<BBHHH", setup)
        if kind == 0x80 and request == GET_DESCRIPTOR:
            data = self.descriptor(value >> 8, value & 255)
            return -errno.EPIPE if data == b"" else data if data is None else data[:length]
        if kind == 0x81 and request == GET_DESCRIPTOR and value >> 8 == REPORT and "report" in self.mute:
            return None
        if kind & 0xE0 == 0x80 and request == GET_STATUS:
            return bytes(2)[:length]
        if kind == 0x80 and request == GET_CONFIGURATION:
            return bytes((self.configuration,))
        if kind == 0x81 and request == GET_INTERFACE:
            return bytes(1)
        if kind == 0 and request == 9:
            if "configure" in self.mute:
                return None
            self.configuration = value & 255
        return -errno.EPIPE if kind & 0x80 else b""

    def reply(self, seqnum, status, data, direction, wrote):
        actual = len(data) if direction else wrote
        head = BASE.pack(RET_SUBMIT, seqnum, 0, 0, 0) + struct.pack(">iiiii8x", status, actual, 0, 0, 0)
        self.sock.sendall(head + (data if direction else b""))

    def submit(self, seqnum, direction, ep, length, setup):
        answer = self.control(setup) if ep == 0 else None
        if answer is None:
            self.open[seqnum] = (ep, direction)
            self.ignored += ep == 0
            return
        self.seen += 1
        if isinstance(answer, int):
            self.reply(seqnum, answer, b"", direction, 0)
        else:
            self.reply(seqnum, 0, answer[: max(length, 0)], direction, length)

    def unlink(self, seqnum, victim):
        status = -errno.ECONNRESET if self.open.pop(victim, None) else 0
        self.sock.sendall(BASE.pack(RET_UNLINK, seqnum, 0, 0, 0) + struct.pack(">i24x", status))

    def speak(self):
        self.mute = set()
        for seqnum, (ep, direction) in list(self.open.items()):
            if ep == 0:
                del self.open[seqnum]
                self.reply(seqnum, -errno.EPIPE, b"", direction, 0)

    def messages(self):
        while len(self.data) >= HEADER_SIZE:
            command, seqnum, _, direction, ep = BASE.unpack_from(self.data)
            if command == CMD_UNLINK:
                self.unlink(seqnum, struct.unpack_from(">I", self.data, BASE.size)[0])
                self.data = self.data[HEADER_SIZE:]
                continue
            _, length, _, packets, _ = struct.unpack_from(">Iiiii", self.data, BASE.size)
            size = HEADER_SIZE + (0 if direction else max(length, 0)) + 16 * max(packets, 0)
            if len(self.data) < size:
                return
            setup = self.data[40:48]
            self.data = self.data[size:]
            self.submit(seqnum, direction, ep, length, setup)


class Server:
    def __init__(self):
        self.selector = selectors.DefaultSelector()
        self.devices = {}
        self.controllers = len(glob.glob(VHCI + "*"))
        with open(VHCI + "0/nports", encoding="ascii") as f:
            self.per_hub = int(f.read()) // (2 * self.controllers)

    def number(self, port, speed):
        """The driver's own number of a port: each controller has a hub for high speed, then one for SuperSpeed."""
        controller, at = divmod(port, self.per_hub)
        return controller * 2 * self.per_hub + at + (self.per_hub if speed == "super" else 0)

    def name(self, port, speed):
        controller, at = divmod(port, self.per_hub)
        buses = sorted(int(path.rsplit("usb", 1)[1]) for path in glob.glob(f"{VHCI}{controller}/usb[0-9]*"))
        return f"{buses[speed == 'super']}-{at + 1}"

    def plug(self, request):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        number = self.number(request["port"], request["speed"])
        line = f"{number} {theirs.fileno()} {number + 1} {SPEEDS[request['speed']]}"
        end = time.monotonic() + 30
        while True:
            try:
                with open(VHCI + "0/attach", "wb", buffering=0) as f:
                    f.write(line.encode())
                break
            except OSError as e:  # the port's last device is still being taken away
                if e.errno != errno.EBUSY or time.monotonic() > end:
                    raise
                time.sleep(0.01)
        theirs.close()
        dev = Device(ours, request)
        self.devices[request["port"]] = dev
        self.selector.register(ours, selectors.EVENT_READ, lambda: self.ready(request["port"], dev))

    def unplug(self, port):
        dev = self.devices.pop(port)
        if dev.sock.fileno() >= 0:
            self.selector.unregister(dev.sock)
            dev.sock.close()  # the driver takes the end of the connection for an unplug

    def ready(self, port, dev):
        if dev.sock.fileno() < 0:
            return  # unplugged by a request of the same round
        try:
            got = dev.sock.recv(1 << 16)
            dev.data += got
            dev.messages()
        except OSError:
            got = b""
        if not got:
            self.selector.unregister(dev.sock)
            dev.sock.close()

    def request(self, line):
        request = json.loads(line)
        port = request["port"]
        answer = {"error": None}
        try:
            if request["do"] == "plug":
                self.plug(request)
            elif request["do"] == "unplug":
                self.unplug(port)
            elif request["do"] == "seen":
                answer["seen"], answer["ignored"] = self.devices[port].seen, self.devices[port].ignored
            elif request["do"] == "speak":
                self.devices[port].speak()
            else:
                answer["name"] = self.name(port, request["speed"])
        except (OSError, KeyError, IndexError) as e:
            answer["error"] = f"{request['do']} port {port}: {type(e).__name__}: {e}"
        print(json.dumps(answer), flush=True)

    def serve(self):
        pending = b""
        self.selector.register(0, selectors.EVENT_READ, None)
        print(json.dumps({"ports": self.per_hub * self.controllers}), flush=True)
        while True:
            for key, _ in self.selector.select():
                if key.data:
                    key.data()
                    continue
                got = os.read(0, 1 << 16)
                if not got:
                    return
                pending += got
                *lines, pending = pending.split(b"\n")
                for line in lines:
                    self.request(line)


if __name__ == "__main__" and sys.argv[1:] == ["serve"]:
    Server().serve()
