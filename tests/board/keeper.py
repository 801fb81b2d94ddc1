"""A VMM that has been broken out of: answers QMP as QEMU does, and keeps each descriptor that it is given.

python3 keeper.py SOCKET. Says "up", "added ID", "removed ID"; does what its input says, a line each:
  try     what each kept descriptor is good for: "kept claim=E control=E bulk=E ..." with errno names, "ok" if it works
  silent  answers no command any more
  storm   resets the last one again and again, until that fails: "kept storm ends: E"
  close   closes its monitor and goes on without it, as a process that outlives its VM
"""
import ctypes
import errno
import fcntl
import json
import os
import selectors
import socket
import struct
import sys
import threading

CLAIM, RELEASE, CONTROL, BULK, IOCTL = 0x8004550F, 0x80045510, 0xC0185500, 0xC0185502, 0xC0105512
SETCONFIGURATION, RESET, DISCONNECT, CONNECT = 0x80045505, 0x5514, 0x5516, 0x5517
INQUIRY = b"USBC" + struct.pack("<IIBBB", 7, 36, 0x80, 0, 6) + bytes([0x12, 0, 0, 0, 36, 0]) + bytes(10)


def outcome(call):
    try:
        call()
        return "ok"
    except OSError as e:
        return errno.errorcode.get(e.errno, str(e.errno))


def interface(fd, request):
    """USBDEVFS_IOCTL: to the driver of interface 0."""
    fcntl.ioctl(fd, IOCTL, struct.pack("iiP", 0, request, 0))


def claim(fd):
    outcome(lambda: interface(fd, DISCONNECT))
    fcntl.ioctl(fd, CLAIM, struct.pack("I", 0))


def transfer(fd, endpoint, data):
    buffer = ctypes.create_string_buffer(data, len(data))
    fcntl.ioctl(fd, BULK, struct.pack("III4xP", endpoint, len(data), 2000, ctypes.addressof(buffer)))
    return buffer.raw


def bulk(fd):
    """INQUIRY, as a stick of QEMU's answers it."""
    transfer(fd, 2, INQUIRY)
    transfer(fd, 0x81, bytes(36))
    transfer(fd, 0x81, bytes(13))


def control(fd):
    buffer = ctypes.create_string_buffer(18)
    fcntl.ioctl(fd, CONTROL, struct.pack("BBHHHI4xP", 0x80, 6, 0x100, 0, 18, 2000, ctypes.addressof(buffer)))


def trials(fd):
    return {
        "claim": outcome(lambda: claim(fd)), "control": outcome(lambda: control(fd)), "bulk": outcome(lambda: bulk(fd)),
        "setconf": outcome(lambda: fcntl.ioctl(fd, SETCONFIGURATION, struct.pack("I", 1))),
        "connect": outcome(lambda: interface(fd, CONNECT)),
        # last: it works as long as anything does, and then the device begins anew
        "reset": outcome(lambda: fcntl.ioctl(fd, RESET)),
    }


def storm(fd):
    while (ended := outcome(lambda: fcntl.ioctl(fd, RESET))) == "ok":
        pass
    print("kept storm ends:", ended, flush=True)


class Keeper:
    def __init__(self, path):
        self.kept, self.devices, self.passed, self.buffer, self.silent = [], {}, [], b"", False
        self.selector = selectors.DefaultSelector()
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(4)
        self.client = None
        self.selector.register(self.listener, selectors.EVENT_READ, self.accept)
        self.selector.register(sys.stdin.buffer, selectors.EVENT_READ, self.told)

    def accept(self):
        self.selector.unregister(self.listener)  # one at a time
        self.client, _ = self.listener.accept()
        self.buffer = b""
        self.send({"QMP": {"version": {"qemu": {"major": 7, "minor": 2, "micro": 22}, "package": ""}, "capabilities": ["oob"]}})
        self.selector.register(self.client, selectors.EVENT_READ, self.read)

    def send(self, message):
        try:
            self.client.sendall(json.dumps(message).encode() + b"\r\n")
        except OSError:
            pass  # whoever asked has hung up: its end is read next

    def read(self):
        try:
            data, extra, _, _ = self.client.recvmsg(65536, 256)
        except OSError:
            data, extra = b"", []
        for level, kind, content in extra:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                self.passed += struct.unpack(f"{len(content) // 4}i", content)
        if not data:
            self.selector.unregister(self.client)
            self.client.close()
            self.client = None
            self.selector.register(self.listener, selectors.EVENT_READ, self.accept)
            return
        self.buffer += data
        while b"\n" in self.buffer:
            line, self.buffer = self.buffer.split(b"\n", 1)
            if line.strip() and not self.silent:
                self.command(json.loads(line))

    def command(self, m):
        what, a, answer = m["execute"], m.get("arguments", {}), {}
        if what == "qom-list":
            answer = [{"name": i, "type": "child<usb-host>"} for i in self.devices] if a["path"] == "/machine/peripheral" else []
        elif what in ("query-fdsets", "query-usb"):
            answer = []
        elif what == "device-list-properties":
            answer = [{"name": "hostdevice", "type": "str"}]
        elif what == "device_add":
            self.kept.append(self.passed.pop(0))
            self.devices[a["id"]] = self.kept[-1]
            outcome(lambda: claim(self.kept[-1]))  # of an unconfigured device there is nothing to claim yet
            print("added", a["id"], flush=True)
        elif what == "device_del":
            self.devices.pop(a["id"], None)
            print("removed", a["id"], flush=True)
        self.send({"return": answer, "id": m["id"]})

    def told(self):
        word = os.read(0, 100).decode().strip()
        if word == "":
            sys.exit(0)
        if word == "silent":
            self.silent = True
        if word == "close":
            for s in (self.client, self.listener):
                if s and s in (k.fileobj for k in list(self.selector.get_map().values())):
                    self.selector.unregister(s)
                if s:
                    s.close()
        if word == "storm":
            threading.Thread(target=storm, args=(self.kept[-1],), daemon=True).start()
        said = [" ".join(f"{k}={v}" for k, v in trials(fd).items()) for fd in self.kept] if word == "try" else [word]
        print("kept", *said, flush=True)

    def run(self):
        print("up", flush=True)
        while True:
            for key, _ in self.selector.select():
                key.data()


Keeper(sys.argv[1]).run()
