"""A scripted crosvm: its control socket as its sources have it (docs/vmms.md), of two kinds, and with the faults that a test asks for."""
import array
import json
import os
import socket

from fakevmm import FakeVmm

PORTS = 16


class Crosvm(FakeVmm):
    """
    kind: "today" reads `file` alone in a request to attach; "before" (until June 2022) needs bus, addr, vid and pid, too, and answers
        nothing to a request that it does not understand
    hooks: "AttachDevice", "DetachDevice", "ListDevice" -> function(request) that returns
        None: behave as usual; bytes: sent as they are; a list of bytes: packets; "silent": no answer; "hangup"
    """

    def __init__(self, path, host, kind="today", usb=True):
        super().__init__(path)
        self.host, self.kind, self.usb = host, kind, usb
        self.ports = {}  # port -> device of the host
        self.opened = {}  # port -> what its descriptor was
        self.requests = []
        self.connections = 0
        self.listen(socket.SOCK_SEQPACKET)

    # ---- what tests ask ----

    def came(self):
        return f"ports {self.named()}, requests: {self.requests[-12:]}"

    def wait_ports(self, expected, timeout=5):
        """expected: port -> device"""
        self.wait(lambda c: c.ports == expected, f"ports {({p: str(d) for p, d in expected.items()})}", timeout)

    def named(self):
        return {p: str(d) for p, d in self.ports.items()}

    def count(self, name):
        with self.changed:
            return sum(name in r for r in self.requests)

    def give(self, port, device):
        """Somebody else gives it a device by crosvm's own command."""
        with self.changed:
            self.ports[port] = device

    def drop(self, device):
        """crosvm drops a device that was unplugged or revoked by itself."""
        with self.changed:
            self.ports = {p: d for p, d in self.ports.items() if d is not device}
            self.changed.notify_all()

    # ---- the control socket ----

    def serve(self):
        with self.changed:
            self.connections += 1
            self.changed.notify_all()
        self._talk(self.client)

    def _talk(self, client):
        while True:
            fds = array.array("i")
            data, ancillary, flags, _ = client.recvmsg(65536, socket.CMSG_SPACE(32 * fds.itemsize))
            for level, kind, payload in ancillary:
                if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                    fds.frombytes(payload[:len(payload) - len(payload) % fds.itemsize])
            if not data:
                return
            if flags & socket.MSG_TRUNC:
                raise OSError("a packet is cut")
            answers = self._execute(json.loads(data), list(fds))
            for fd in fds:
                os.close(fd)
            if answers == "hangup":
                return
            for answer in answers:
                client.send(answer)

    def _execute(self, message, fds):
        (name, request), = message["UsbCommand"].items()
        with self.changed:
            self.requests.append({name: request})
            hook = self.hooks.get(name)
        said = hook(request) if hook else None
        with self.changed:
            if said is None:
                said = self._usual(name, request, fds)
            self.changed.notify_all()
        if said in ("silent", "hangup"):
            return [] if said == "silent" else said
        if isinstance(said, (bytes, list)):
            return [said] if isinstance(said, bytes) else said
        return [json.dumps(said, separators=(",", ":")).encode()]

    def _usual(self, name, request, fds):
        if not self.usb:
            return {"Err": 19}
        return {"UsbResponse": getattr(self, "_" + name)(request, fds)} if self._understood(name, request) else "silent"

    def _understood(self, name, request):
        """serde ignores members that it does not know, and refuses a request without one that it needs."""
        needed = {"AttachDevice": ["file"] + (["bus", "addr", "vid", "pid"] if self.kind == "before" else []),
                  "DetachDevice": ["port"], "ListDevice": ["ports"]}[name]
        return all(n in request for n in needed) and (name != "ListDevice" or len(request["ports"]) == PORTS)

    def _AttachDevice(self, request, fds):
        node = os.readlink(f"/proc/self/fd/{fds[request['file']]}")
        device = next((d for d in self.host.devices.values() if node.endswith(d.node)), None)
        if device is None:
            return "FailedToOpenDevice"
        superspeed = int(device.attributes.get("speed", "480")) >= 5000
        free = [p for p in range(9 if superspeed else 1, 17 if superspeed else 9) if p not in self.ports]
        if not free:
            return "NoAvailablePort"
        self.ports[free[0]] = device
        self.opened[free[0]] = node
        return {"Ok": {"port": free[0]}}

    def _DetachDevice(self, request, _fds):
        port = request["port"]
        if port not in self.ports:
            return "NoSuchDevice"
        del self.ports[port]
        return {"Ok": {"port": port}}

    def _ListDevice(self, request, _fds):
        there = [p for p in request["ports"] if p in self.ports]
        rows = [{"port": p, "vendor_id": self.ports[p].vid, "product_id": self.ports[p].pid} for p in there]
        return {"Devices": rows + [{"port": 0, "vendor_id": 0, "product_id": 0}] * (PORTS - len(rows))}
