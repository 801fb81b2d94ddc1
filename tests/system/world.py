"""One test's surroundings: a made-up host, scripted VMs, the real daemon, API clients. All of it ends with the test."""
import contextlib
import fcntl
import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import threading
import time

from fakecloud import Cloud
from fakecrosvm import Crosvm
from fakehost import Host
from fakeqemu import Qemu
from tap import Failed, scaled, until

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BINARY = os.environ.get("VHOTPLUG", os.path.join(TOP, "build/vhotplug"))
SHIPPED = "VHOTPLUG" not in os.environ  # else it may be one that counts, and be larger
CLIENT = os.environ.get("VHOTPLUGCLI", os.path.join(TOP, "build/vhotplugcli"))


DEVICE_WORKERS = 4  # of limits.h
MEMORY = "/dev/shm"  # as /run and /sys are: nothing of the host's storage in the way


_locks = []  # of ports, until this process ends


def free_port():
    """A TCP port that nobody else takes: not one of those that the kernel gives out by itself, and locked against other tests."""
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as f:
        low, high = map(int, f.read().split())
    for port in [*range(low - 1, 1023, -1), *range(high + 1, 65536)]:
        lock = open(os.path.join(tempfile.gettempdir(), f"vhotplug-port-{port}.lock"), "w", encoding="ascii")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with socket.socket() as s:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                s.bind(("0.0.0.0", port))
        except OSError:
            lock.close()
            continue
        _locks.append(lock)
        return port
    raise Failed("no port is free")


class Api:
    """An API connection. Events that come while a response is awaited are kept, in order."""

    def __init__(self, address, timeout=5, source=None):
        """source: the address to come from, over TCP."""
        self.socket = socket.socket(*address[0])
        if source:
            self.socket.bind((source, 0))
        self.socket.connect(address[1])  # blocking: a full queue of connections is waited for
        self.socket.settimeout(scaled(timeout))
        self.buffer = b""
        self.events = []
        self.lines = []  # all that came, parsed

    def send(self, *requests):
        data = b""
        for r in requests:
            data += r if isinstance(r, bytes) else json.dumps(r).encode() + b"\n"
        self.socket.sendall(data)

    def line(self):
        while b"\n" not in self.buffer:
            try:
                data = self.socket.recv(65536)
            except TimeoutError:
                raise Failed(f"no line from the API; events so far: {self.events}") from None
            if not data:
                raise EOFError("the daemon closed the connection")
            self.buffer += data
        text, self.buffer = self.buffer.split(b"\n", 1)
        if not text.isascii():
            raise Failed(f"not in ASCII: {text!r}")
        message = json.loads(text)
        self.lines.append(message)
        return message

    def response(self):
        while True:
            message = self.line()
            if "event" not in message:
                return message
            self.events.append(message)

    def ask(self, action, **fields):
        self.send({"action": action, **fields})
        return self.response()

    def ok(self, action, **fields):
        reply = self.ask(action, **fields)
        if reply.get("result") != "ok":
            raise Failed(f"{action} {fields}: {reply}")
        return reply

    def fails(self, action, text, **fields):
        reply = self.ask(action, **fields)
        if reply.get("result") != "failed" or text not in reply.get("error", ""):
            raise Failed(f"{action} {fields}: expected a failure with {text!r}, got {reply}")
        return reply["error"]

    def list(self, **fields):
        return {d["device_node"]: d for d in self.ok("usb_list", **fields)["usb_devices"]}

    def list_until(self, condition, **fields):
        """Lists until the list is as wanted: a VM or a worker has done something before the daemon has read that it did.

        A condition may look at a device that is not listed yet."""
        end = time.monotonic() + scaled(5)
        while time.monotonic() < end:
            listed = self.list(**fields)
            try:
                if condition(listed):
                    return listed
            except KeyError:
                continue
        raise Failed(f"the list never came to be as wanted: {listed}")

    def ready(self, *devices, **fields):
        """Lists until these devices are known and the kernel has configured them: then requests can name them.

        For devices that a rule gives to a VM; of others, and of those that were taken away, a list does not say so: see World.rest()."""
        return self.list_until(lambda listed: all("still configuring" not in (listed[d.node]["reason"] or "") for d in devices), **fields)

    def given(self, vm, *devices):
        """Lists until the VM has these devices and the daemon knows it."""
        return self.list_until(lambda listed: all((listed[d.node]["vm"], listed[d.node]["state"]) == (vm, "attached") for d in devices))

    def event(self, kind, **expected):
        """The next event must be this one."""
        message = self.events.pop(0) if self.events else self.line()
        if message.get("event") != kind:
            raise Failed(f"expected the event {kind}, got {message}")
        for key, value in expected.items():
            got = message["usb_device"].get(key) if key not in message else message[key]
            if got != value:
                raise Failed(f"{kind}: {key} is {got!r}, expected {value!r}")
        return message

    def await_event(self, kind, **expected):
        """Passes over others until this one comes."""
        while True:
            message = self.events.pop(0) if self.events else self.line()
            if message.get("event") == kind and all(
                    (message["usb_device"].get(k) if k not in message else message[k]) == v for k, v in expected.items()):
                return message

    def close(self):
        self.socket.close()


class Daemon:
    def __init__(self, world, conf, *options, binary=BINARY, ready=True, under=(), stderr=subprocess.PIPE):
        """stderr: a descriptor in place of the log; then no log is read here, and nothing is waited for."""
        self.log = []
        self.changed = threading.Condition()
        self.conf = conf if isinstance(conf, str) else json.dumps(conf)
        path = os.path.join(world.dir, "vhotplug.conf")
        with open(path, "w", encoding="utf-8") as f:
            f.write(self.conf)
        self.told_before = world.host.seqnum  # uevents of earlier daemons
        self.command = [*under, binary, "-d", "-c", path, "--root", world.host.root, "--uevents", world.host.uevents, *options]
        self.begun = time.monotonic()
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=stderr, text=True, errors="replace")
        self.reader = threading.Thread(target=self._read, daemon=True)
        if self.process.stderr is None:
            return
        self.reader.start()
        if ready:
            self.wait_log(r"ready:")

    def _read(self):
        for line in self.process.stderr:
            with self.changed:
                self.log.append(line.rstrip("\n"))
                self.changed.notify_all()
        with self.changed:
            self.log.append("(end)")
            self.changed.notify_all()

    def wait_log(self, pattern, timeout=5, since=0):
        end = time.monotonic() + scaled(timeout)
        with self.changed:
            while True:
                for line in self.log[since:]:
                    if re.search(pattern, line):
                        return line
                if self.log and self.log[-1] == "(end)":
                    raise Failed(f"the daemon ended without logging {pattern!r}")
                if not self.changed.wait(end - time.monotonic()) and time.monotonic() >= end:
                    raise Failed(f"never logged: {pattern!r}")

    def logged(self, pattern):
        with self.changed:
            return [line for line in self.log if re.search(pattern, line)]

    def configure(self, conf):
        """Another configuration, and the word that there is one."""
        with open(self.command[self.command.index("-c") + 1], "w", encoding="utf-8") as f:
            f.write(conf if isinstance(conf, str) else json.dumps(conf))
        since = len(self.log)
        self.process.send_signal(signal.SIGHUP)
        return self.wait_log(r"configuration (not )?reloaded", since=since)

    def device_workers(self):
        """Their process ids, once all of them have got their name: that may be after "ready"."""
        found = []

        def all_named():
            with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children", encoding="ascii") as f:
                pids = [int(p) for p in f.read().split()]
            found.clear()
            for pid in pids:
                with contextlib.suppress(OSError), open(f"/proc/{pid}/comm", encoding="utf-8") as f:
                    if f.read() == "vhotplug-device\n":
                        found.append(pid)
            return len(found) == DEVICE_WORKERS

        until(all_named, "every device worker")
        return found

    def wait(self, timeout):
        """The exit status. Then the log is complete: the logger process and the reader may still be behind when the daemon has ended."""
        status = self.process.wait(timeout)
        if self.process.stderr is not None:
            self.reader.join(scaled(5))
        return status

    def ended(self):
        """True if the process has ended; then the log is complete."""
        return self.process.poll() is not None and self.wait(0) is not None

    def stop(self, how=signal.SIGTERM):
        if self.process.poll() is None and ("ready" in str(self.log) or self.process.stderr is None):
            self.process.send_signal(how)  # one that never was ready ends by itself
        return self.wait(scaled(5))


class World:
    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="vh-", dir=MEMORY if os.path.isdir(MEMORY) else None)
        self.host = Host(os.path.join(self.dir, "root"))
        self.socket = os.path.join(self.dir, "api.sock")
        self.qemus, self.daemons, self.clients = [], [], []

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        for client in self.clients:
            client.close()
        statuses = [d.stop() for d in self.daemons if not d.ended()]
        for qemu in self.qemus:
            if not qemu.closing:
                qemu.end()
        self.story = "\n".join("log: " + line for d in self.daemons for line in d.log[-80:])
        self.host.close()
        subprocess.run(["rm", "-rf", self.dir], check=True)
        if kind is None and any(statuses):
            raise Failed(f"the daemon did not end cleanly: {statuses}")

    def explain(self):
        return getattr(self, "story", "")

    def vm_path(self, name):
        return os.path.join(self.dir, "vms", name + ".sock")

    def qemu(self, name, **kwargs):
        qemu = Qemu(self.vm_path(name), **kwargs)
        self.qemus.append(qemu)
        return qemu

    def crosvm(self, name, **kwargs):
        crosvm = Crosvm(self.vm_path(name), self.host, **kwargs)
        self.qemus.append(crosvm)
        return crosvm

    def cloud(self, name, **kwargs):
        cloud = Cloud(self.vm_path(name), **kwargs)
        self.qemus.append(cloud)
        return cloud

    def conf(self, rules=(), vms=("vm1", "vm2"), api=None, vm_options=None, **general):
        """A configuration: rules as in usbPassthrough, VMs by name."""
        return {
            "usbPassthrough": list(rules),
            "vms": [{"name": n, "type": "qemu", "socket": self.vm_path(n), **((vm_options or {}).get(n, {}))} for n in vms],
            "general": {"api": {"enable": True, "transports": ["unix"], "unixSocket": self.socket, **(api or {})},
                        "persistency": False, **general},
        }

    def daemon(self, conf, *options, **kwargs):
        daemon = Daemon(self, conf, *options, **kwargs)
        self.daemons.append(daemon)
        return daemon

    def api(self, address=None, events=False, timeout=5, source=None):
        client = Api(address or ((socket.AF_UNIX, socket.SOCK_STREAM), self.socket), timeout, source)
        self.clients.append(client)
        if events:
            client.ok("enable_notifications")
        return client

    def rest(self, api):
        """Asks until the last daemon has looked at all that the host has told it, and no worker and no VM works for it any more: whatever
        it does about it is done. What does not happen can be asserted after that only."""
        end = time.monotonic() + scaled(5)
        told = self.host.seqnum - self.daemons[-1].told_before
        while True:
            figures = api.ok("stats")
            uevents, workers = figures["uevents"], figures["device_workers"]
            if (uevents["got"] + uevents["ignored"] >= told and workers["orders_waiting"] == 0 and
                    workers["idle"] + workers["late"] == workers["running"] and all(vm["operation"] is None for vm in figures["vms"])):
                return
            if time.monotonic() > end:
                raise Failed(f"the daemon never came to rest: {figures}")

    def cli(self, *arguments, binary=CLIENT):
        return subprocess.run([binary, "-u", self.socket, *arguments], capture_output=True, text=True, timeout=scaled(20),
                              check=False)


def rule(vm, *allow, **fields):
    """A rule: target VM or list of allowed VMs, allow entries."""
    target = {"targetVm": vm} if isinstance(vm, str) else {"allowedVms": list(vm)}
    return {**target, "allow": list(allow), **fields}


def vhp(device):
    return f"vhp-usb-{device.bus}-{device.devnum}"


def ids(device):
    return {"vendorId": f"{device.vid:04x}", "productId": f"{device.pid:04x}"}


KEYBOARD = {"interfaceClass": 3, "interfaceProtocol": 1}
MOUSE = {"interfaceClass": 3, "interfaceProtocol": 2}
STICK = {"interfaceClass": 8}
