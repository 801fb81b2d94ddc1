"""A scripted QEMU: a QMP monitor that behaves as recorded from QEMU, and fails on request."""
import json
import os
import socket
import sys
import time

from fakevmm import FakeVmm

GREETING = {"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}, "package": ""}, "capabilities": ["oob"]}}


class Command:
    def __init__(self, name, arguments, fds, at):
        self.name, self.arguments, self.fds, self.at = name, arguments, fds, at

    def __repr__(self):
        return f"{self.name}({json.dumps(self.arguments)})"


class Qemu(FakeVmm):
    """
    greet: None for the usual greeting, bytes for others, False for silence
    hooks: command name -> function(command) that returns
        None: behave as usual; a dict: the reply without its id; bytes: sent as they are; "drop": no reply; "hangup"
    """

    def __init__(self, path, greet=None, hostdevice=True, given=None):
        """given: what somebody else gave it before anybody could ask, as of give(), by name."""
        super().__init__(path)
        self.greet, self.hostdevice = greet, hostdevice
        self.commands = []
        self.devices = {}  # id -> driver
        self.anonymous = {}
        self.properties = {}  # of devices that others attached
        self.fdsets = {}
        self.opened = {}  # device id -> what its descriptor was
        self.connections = 0
        self.connected = False
        for name, properties in (given or {}).items():
            self.give(name, **properties)
        self.listen(backlog=1)

    # ---- what tests ask ----

    def came(self):
        return f"commands: {self.commands}"

    def wait_device(self, vhp_id, there=True, timeout=5):
        self.wait(lambda q: (vhp_id in q.devices) == there, f"{vhp_id} {'in' if there else 'out'}", timeout)

    def wait_idle(self, timeout=5):
        """The daemon has let the monitor go."""
        self.wait(lambda q: not q.connected, "the end of the connection", timeout)

    def count(self, name):
        with self.changed:
            return sum(c.name == name for c in self.commands)

    def named(self, name):
        with self.changed:
            return [c for c in self.commands if c.name == name]

    def give(self, name, anonymous=False, **properties):
        """Somebody else gives the VM a host device."""
        with self.changed:
            (self.anonymous if anonymous else self.devices)[name] = "usb-host"
            self.properties[name] = {"hostbus": 0, "hostaddr": 0, "vendorid": 0, "productid": 0, "hostport": "",
                                     "hostdevice": "", "attached": True, **properties}

    def event(self, name, **data):
        if self.client:
            self._send({"event": name, "data": data, "timestamp": {"seconds": 1, "microseconds": 2}})

    # ---- the monitor ----

    def serve(self):
        with self.changed:
            self.connections += 1
            self.connected = True
            self.changed.notify_all()
        try:
            self._talk()
        finally:
            with self.changed:
                self.connected = False
                self.changed.notify_all()

    def _send(self, message):
        data = message if isinstance(message, bytes) else json.dumps(message).encode() + b"\r\n"
        self.client.sendall(data)

    def _talk(self):
        if self.greet is not False:
            self._send(GREETING if self.greet is None else self.greet)
        negotiated, text, fds = False, b"", []
        decoder = json.JSONDecoder()
        while True:
            data, ancillary, _, _ = self.client.recvmsg(65536, socket.CMSG_SPACE(4 * 8))
            at = time.monotonic_ns()
            for level, kind, payload in ancillary:
                if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                    fds += [int.from_bytes(payload[i:i + 4], "little") for i in range(0, len(payload), 4)]
            if not data:
                return
            text += data
            while text.strip():
                try:
                    message, end = decoder.raw_decode(text.decode().lstrip())
                except ValueError:
                    break
                text = text.decode().lstrip()[end:].encode()
                negotiated = self._execute(message, fds, negotiated, at)
                if negotiated is None:
                    return

    def _execute(self, message, fds, negotiated, at):
        command = Command(message["execute"], message.get("arguments", {}), list(fds), at)
        with self.changed:
            self.commands.append(command)
            hook = self.hooks.get(command.name)
        reply = hook(command) if hook else None
        if reply is None:
            with self.changed:
                reply = self._usual(command, fds, negotiated)
        with self.changed:
            self.changed.notify_all()
        if reply == "hangup":
            return None
        if isinstance(reply, dict):
            self._send({**reply, "id": message["id"]} if "id" in message else reply)
        elif isinstance(reply, bytes):
            self._send(reply)
        return negotiated or (command.name == "qmp_capabilities" and isinstance(reply, dict) and "return" in reply)

    @staticmethod
    def error(desc, kind="GenericError"):
        return {"error": {"class": kind, "desc": desc}}

    def _usual(self, command, fds, negotiated):
        a = command.arguments
        if command.name == "qmp_capabilities":
            return {"return": {}}
        if not negotiated:
            return self.error("Expecting capabilities negotiation with 'qmp_capabilities'", "CommandNotFound")
        if command.name == "add-fd":
            if not fds:
                return self.error("No file descriptor supplied via SCM_RIGHTS")
            self.fdsets.setdefault(a["fdset-id"], []).append((fds.pop(0), a.get("opaque")))
            return {"return": {"fd": 9, "fdset-id": a["fdset-id"]}}
        if command.name == "remove-fd":
            for fd, _ in self.fdsets.pop(a["fdset-id"], []):
                os.close(fd)
            return {"return": {}}
        if command.name == "query-fdsets":
            return {"return": [{"fdset-id": i, "fds": [{"fd": 9, "opaque": o} for _, o in f]} for i, f in self.fdsets.items()]}
        if command.name == "device_add":
            return self._device_add(a)
        if command.name == "device_del":
            if a["id"] not in self.devices:
                return self.error(f"Device '{a['id']}' not found", "DeviceNotFound")
            del self.devices[a["id"]]
            return {"return": {}}
        if command.name == "qom-list":
            table = self.devices if a["path"] == "/machine/peripheral" else self.anonymous
            return {"return": [{"name": "type", "type": "string"}] +
                    [{"name": i, "type": f"child<{driver}>"} for i, driver in table.items()]}
        if command.name == "qom-get":
            device = a["path"].rsplit("/", 1)[1]
            if device not in self.properties:
                return self.error(f"Device '{device}' not found", "DeviceNotFound")
            if a["property"] not in self.properties[device]:
                return self.error(f"Property 'usb-host.{a['property']}' not found")
            return {"return": self.properties[device][a["property"]]}
        if command.name == "device-list-properties":
            return {"return": [{"name": "hostbus", "type": "uint32"}] +
                    ([{"name": "hostdevice", "type": "str"}] if self.hostdevice else [])}
        return self.error(f"The command {command.name} has not been found", "CommandNotFound")

    def _device_add(self, a):
        if a["id"] in self.devices:
            return self.error(f"Duplicate device ID '{a['id']}'")
        if "hostdevice" in a:
            if not self.hostdevice:
                return self.error("Property 'usb-host.hostdevice' not found")
            set_id = int(a["hostdevice"].rsplit("/", 1)[1])
            if not self.fdsets.get(set_id):
                return self.error(f"failed to open {a['hostdevice']}: No such file or directory")
            self.opened[a["id"]] = os.readlink(f"/proc/self/fd/{self.fdsets[set_id][-1][0]}")
        elif not isinstance(a["hostbus"], int) or not isinstance(a["hostaddr"], int):
            return self.error("Invalid parameter type for 'hostbus', expected: integer")
        self.devices[a["id"]] = a["driver"]
        return {"return": {}}


if __name__ == "__main__":
    # A VM in a process of its own, for tests that kill it: fakeqemu.py PATH. Says on its output what it was told, and when.
    qemu = Qemu(sys.argv[1])
    told = 0
    print("up", flush=True)
    while True:
        qemu.wait(lambda q, told=told: len(q.commands) > told, "a command", timeout=10**6)
        for command in qemu.commands[told:]:
            print(json.dumps({"at": command.at, "name": command.name, **command.arguments}), flush=True)
            told += 1
