"""crosvm's control socket for the board (docs/vmms.md): a process without rights that uses what it is passed, and opens nothing.

python3 fakecrosvm.py SOCKET KIND, KIND as in tests/system/fakecrosvm.py. Says "up", "attached PORT VID:PID WHAT...", "detached PORT" and
"dropped PORT". WHAT: whether the device answers over the descriptor, lets its first interface be claimed, and can be opened by its path.
What was unplugged or revoked it drops by itself, as crosvm does.
"""
import array
import ctypes
import errno
import fcntl
import json
import os
import selectors
import socket
import struct
import sys

CONTROL, DISCONNECT_CLAIM, GET_SPEED = 0xC0185500, 0x8108551B, 0x551F
SPEED_SUPER = 5  # linux/usb/ch9.h
PORTS = 16


def outcome(call):
    try:
        call()
        return "ok"
    except OSError as e:
        return errno.errorcode.get(e.errno, str(e.errno))


def ask_device(fd):
    """Its device descriptor, from the device itself."""
    buffer = ctypes.create_string_buffer(18)
    fcntl.ioctl(fd, CONTROL, struct.pack("BBHHHI4xP", 0x80, 6, 0x100, 0, 18, 2000, ctypes.addressof(buffer)))
    return buffer.raw


class Crosvm:
    def __init__(self, path, kind):
        self.kind, self.ports = kind, {}  # port -> (descriptor, vid, pid)
        self.selector = selectors.DefaultSelector()
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(path)
        self.listener.listen(4)
        self.selector.register(self.listener, selectors.EVENT_READ, self.accept)

    def accept(self):
        client, _ = self.listener.accept()
        self.selector.register(client, selectors.EVENT_READ, lambda: self.read(client))

    def read(self, client):
        fds = array.array("i")
        data, extra, _, _ = client.recvmsg(65536, socket.CMSG_SPACE(32 * fds.itemsize))
        for level, what, content in extra:
            if (level, what) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                fds.frombytes(content)
        if not data:
            self.selector.unregister(client)
            client.close()
            return
        (name, request), = json.loads(data)["UsbCommand"].items()
        answer = getattr(self, name)(request, list(fds))
        for fd in fds:
            os.close(fd)
        client.send(json.dumps({"UsbResponse": answer}, separators=(",", ":")).encode())

    def AttachDevice(self, request, fds):
        if self.kind == "before":
            check = [request[name] for name in ("bus", "addr", "vid", "pid")]
        fd = os.dup(fds[request["file"]])
        vid, pid = struct.unpack_from("<HH", ask_device(fd), 8)
        if self.kind == "before" and check[2:] != [vid, pid]:
            return "FailedToOpenDevice"
        first = 9 if fcntl.ioctl(fd, GET_SPEED) >= SPEED_SUPER else 1
        free = [p for p in range(first, first + 8) if p not in self.ports]
        if not free:
            os.close(fd)
            return "NoAvailablePort"
        claimed = outcome(lambda: fcntl.ioctl(fd, DISCONNECT_CLAIM, struct.pack("II256s", 0, 0, b"")))
        node = os.readlink(f"/proc/self/fd/{fd}")
        opened = outcome(lambda: os.close(os.open(node, os.O_RDWR)))
        self.ports[free[0]] = (fd, vid, pid)
        self.selector.register(fd, selectors.EVENT_READ, lambda: self.drop(free[0]))  # usbfs hangs up at the end of the device
        print("attached", free[0], f"{vid:04x}:{pid:04x}", f"claim={claimed} open={opened}", flush=True)
        return {"Ok": {"port": free[0]}}

    def forget(self, port):
        fd, _, _ = self.ports.pop(port)
        self.selector.unregister(fd)
        os.close(fd)

    def drop(self, port):
        self.forget(port)
        print("dropped", port, flush=True)

    def DetachDevice(self, request, _fds):
        port = request["port"]
        if port not in self.ports:
            return "NoSuchDevice"
        self.forget(port)
        print("detached", port, flush=True)
        return {"Ok": {"port": port}}

    def ListDevice(self, request, _fds):
        rows = [{"port": p, "vendor_id": self.ports[p][1], "product_id": self.ports[p][2]} for p in request["ports"] if p in self.ports]
        return {"Devices": rows + [{"port": 0, "vendor_id": 0, "product_id": 0}] * (PORTS - len(rows))}

    def run(self):
        print("up", flush=True)
        while True:
            for key, _ in self.selector.select():
                if key.fileobj in self.selector.get_map():
                    key.data()


Crosvm(sys.argv[1], sys.argv[2]).run()
