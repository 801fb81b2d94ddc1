"""The emulated board, seen from the machine that it runs on: boots it, plugs devices into it, talks to what runs on it.

The board is a QEMU (TCG) with Debian's kernel and an initramfs. Its root directory is the initramfs; this machine's root file
system is mounted read-only at /mnt, so python3 and a nested QEMU need not be packed. Programs run on it with root="board" (the
initramfs) or root="host" (chrooted into /mnt); /proc, /sys, /dev and /run are the same for both.

Standard library only. One thread reads what the board's agent (agent.py) sends; everything waits with a deadline.
"""
import ctypes
import fcntl
import hashlib
import json
import os
import queue
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
REPO = os.path.dirname(os.path.dirname(HERE))
# scripts/matrix.sh sets the next two: another kernel, and the root directory of another Debian with this tree mounted into it.
BUILD = os.environ.get("VH_BOARD_BUILD", os.path.join(REPO, "build", "board"))
OUTSIDE = os.environ.get("VH_BOARD_ROOT", "/")
HEADER = struct.Struct("<IIBd")
QEMU = "qemu-system-x86_64"
# Several vendors' processors at once would be nonsense; "max" is everything that TCG can do.
CPU = ["-accel", "tcg", "-cpu", "max"]
# nokaslr and tsc=reliable: an emulated processor has nothing to hide and no second clock worth comparing with.
KERNEL_OPTIONS = "console=ttyS0 quiet panic=-1 tsc=reliable no_timer_check nokaslr mitigations=off usb-storage.delay_use=0"
USB_CONTROLLER = "qemu-xhci,id=xhci,p2=15,p3=15"
IOMMU = "intel-iommu,intremap=on,caching-mode=on,aw-bits=48"
SILENCE = "silence"  # newer QEMUs have no sound card without a driver for it


def patient(seconds):
    """A deadline for what only an emulated processor on a busy machine makes slow; VH_TEST_PATIENCE is set before this is imported."""
    return seconds * max(1.0, float(os.environ.get("VH_TEST_PATIENCE", "1")))


LIBC = ctypes.CDLL(None)


def end_with_parent():
    """In a child, before its program: it gets SIGTERM when the thread that made it ends, also by SIGKILL."""
    pr_set_pdeathsig = 1
    LIBC.prctl(pr_set_pdeathsig, signal.SIGTERM, 0, 0, 0)


class BoardError(Exception):
    pass


class Timeout(BoardError):
    pass


def deadline(seconds):
    end = time.monotonic() + seconds
    return lambda: max(0.0, end - time.monotonic())


class Stream:
    """One numbered stream through the agent: a program, a connection, the uevents. Iterates over (board time, bytes)."""

    def __init__(self, board, number, what):
        self.board, self.number, self.what = board, number, what
        self.chunks = queue.Queue()
        self.opened = queue.Queue()
        self.accepted = queue.Queue()
        self.buffer = b""
        self.stamp = 0.0  # board time of the latest chunk
        self.ended = False
        self.status = None  # of a program

    # Called by the board's reader thread.
    def _frame(self, kind, payload, stamp):
        if kind in "OF":
            self.opened.put((kind, payload))
        elif kind == "P":
            self.opened.put((kind, payload))
        elif kind == "A":
            child = Stream(self.board, json.loads(payload), self.what + " (accepted)")
            self.board.streams[child.number] = child
            self.accepted.put(child)
        elif kind == "R":
            self.status = json.loads(payload)
            self.chunks.put((stamp, None))
        elif kind == "X":
            if self.status is None:
                self.chunks.put((stamp, b""))
        elif kind == "D":
            self.chunks.put((stamp, payload))

    def wait_open(self, timeout):
        try:
            kind, payload = self.opened.get(timeout=timeout)
        except queue.Empty:
            raise Timeout(f"{self.what}: no answer from the board's agent in {timeout:g} s") from None
        if kind == "F":
            raise BoardError(f"{self.what}: {payload.decode()}")
        return json.loads(payload) if payload else None

    def accept(self, timeout=patient(10.0)):
        try:
            return self.accepted.get(timeout=timeout)
        except queue.Empty:
            raise Timeout(f"{self.what}: nobody connected in {timeout:g} s") from None

    def chunk(self, timeout):
        """(board time, bytes), b"" at the end of data (None: the program has ended too); None if nothing came."""
        try:
            got = self.chunks.get(timeout=timeout) if timeout > 0 else self.chunks.get_nowait()
        except queue.Empty:
            return None
        if not got[1]:
            self.ended = True
        return got

    def line(self, timeout=patient(10.0)):
        """The next line without its newline; None at the end of data."""
        left = deadline(timeout)
        while b"\n" not in self.buffer:
            if self.ended:
                return None
            got = self.chunk(left())
            if got is None:
                raise Timeout(f"{self.what}: no line in {timeout:g} s")
            if got[1]:
                self.stamp = got[0]
                self.buffer += got[1]
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line.decode("utf-8", "replace").rstrip("\r")

    def send(self, data):
        self.board._send(self.number, "D", data if isinstance(data, bytes) else data.encode())

    def end(self):
        """No more data from us."""
        self.board._send(self.number, "X")

    def pause(self, paused=True):
        """The board's side stops (or goes on) reading: a peer that does not read."""
        self.board._send(self.number, "Z", json.dumps(paused).encode())

    def kill(self, signal=9):
        self.board._send(self.number, "Q", json.dumps(signal).encode())

    def close(self):
        self.board._send(self.number, "Q")
        self.board.streams.pop(self.number, None)

    def wait(self, timeout=patient(30.0)):
        """Waits for the program to end: (status, its output that was not read yet)."""
        left = deadline(timeout)
        out = self.buffer
        self.buffer = b""
        while self.status is None or not self.chunks.empty():
            got = self.chunk(left())
            if got is None:
                raise Timeout(f"{self.what}: still running after {timeout:g} s; its output: {out[-2000:]!r}")
            out += got[1] or b""
        self.board.streams.pop(self.number, None)
        return self.status, out.decode("utf-8", "replace")


class Uevents:
    """The kernel's uevents, each as a dict with its board time under "time"."""

    def __init__(self, board):
        self.stream = board.connect("uevents")

    def next(self, timeout=patient(10.0)):
        got = self.stream.chunk(timeout)
        if got is None:
            raise Timeout(f"no uevent in {timeout:g} s")
        head, *pairs = got[1].rstrip(b"\0").split(b"\0")
        event = {"time": got[0], "head": head.decode()}
        for pair in pairs:
            key, _, value = pair.decode("latin-1").partition("=")
            event[key] = value
        return event

    def wait(self, timeout=patient(10.0), **fields):
        left = deadline(timeout)
        while True:
            try:
                event = self.next(left())
            except Timeout:
                raise Timeout(f"no uevent with {fields} in {timeout:g} s") from None
            if all(event.get(k) == v for k, v in fields.items()):
                return event

    def drain(self):
        while self.stream.chunk(0):
            pass

    def close(self):
        self.stream.close()


class Json:
    """A line-of-JSON conversation in which answers and events mix."""

    def __init__(self, stream):
        self.stream = stream
        self.events = []  # (board time, event), not looked at yet
        self.said = None  # called with (direction, line) for every line, for stories and logs

    def _read(self, timeout):
        line = self.stream.line(timeout)
        if line is None:
            raise BoardError(f"{self.stream.what}: the other side closed the connection")
        if self.said:
            self.said("<", line)
        return json.loads(line)

    def send(self, message):
        line = message if isinstance(message, str) else json.dumps(message)
        if self.said:
            self.said(">", line)
        self.stream.send(line + "\n")

    def is_event(self, message):
        return "event" in message

    def answer(self, timeout=patient(20.0)):
        left = deadline(timeout)
        while True:
            message = self._read(left())
            if not self.is_event(message):
                return message
            self.events.append((self.stream.stamp, message))

    def request(self, message, timeout=patient(20.0)):
        self.send(message)
        return self.answer(timeout)

    def event(self, match, timeout=patient(10.0)):
        """The first event not looked at yet that match() likes; those before it stay."""
        left = deadline(timeout)
        at = 0
        while True:
            while at < len(self.events):
                if match(self.events[at][1]):
                    return self.events.pop(at)[1]
                at += 1
            try:
                message = self._read(left())
            except Timeout:
                raise Timeout(f"no such event in {timeout:g} s; seen: {[e for _, e in self.events]}") from None
            self.events.append((self.stream.stamp, message))

    def close(self):
        self.stream.close()


class Api(Json):
    """The daemon's API."""

    def call(self, action, timeout=patient(20.0), **fields):
        return self.request({"action": action, **fields}, timeout)

    def ok(self, action, timeout=patient(20.0), **fields):
        answer = self.call(action, timeout, **fields)
        if answer.get("result") != "ok":
            raise BoardError(f"{action} {fields}: {answer}")
        return answer

    def devices(self, **fields):
        return self.ok("usb_list", **fields)["usb_devices"]

    def told(self, name, timeout=patient(10.0), **fields):
        """The next event of that name about the device (or with the fields) given: sys_name=, device_node=, vm=..."""

        def match(event):
            device = event.get("usb_device", {})
            return event.get("event") == name and all(
                event.get(k) == v or device.get(k) == v for k, v in fields.items()
            )

        try:
            return self.event(match, timeout)
        except Timeout as e:
            raise Timeout(f"no {name} {fields}: {e}") from None

    def names(self):
        """The names of the events not looked at yet."""
        return [e["event"] for _, e in self.events]


class Qmp(Json):
    """A QMP monitor: a nested QEMU's through the agent, or the board's own."""

    def __init__(self, stream, timeout=patient(20.0)):
        super().__init__(stream)
        self.greeting = self._read(timeout)
        self.execute("qmp_capabilities")

    def execute(self, command, timeout=patient(20.0), **arguments):
        answer = self.request({"execute": command, "arguments": arguments}, timeout)
        if "error" in answer:
            raise BoardError(f"{command} {arguments}: {answer['error'].get('desc')}")
        return answer["return"]


class LocalStream:
    """What Json needs of a stream, over a unix socket on this machine."""

    def __init__(self, path, timeout):
        self.what, self.stamp, self.buffer = path, 0.0, b""
        left = deadline(timeout)
        while True:
            self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                self.sock.connect(path)
                return
            except OSError as e:
                self.sock.close()
                if left() <= 0:
                    raise BoardError(f"{path}: {e}") from None
                time.sleep(0.02)

    def line(self, timeout):
        left = deadline(timeout)
        while b"\n" not in self.buffer:
            self.sock.settimeout(max(left(), 0.001))
            try:
                got = self.sock.recv(65536)
            except (socket.timeout, TimeoutError):
                raise Timeout(f"{self.what}: no line in {timeout:g} s") from None
            if not got:
                return None
            self.buffer += got
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line.decode()

    def send(self, data):
        self.sock.sendall(data if isinstance(data, bytes) else data.encode())

    def close(self):
        self.sock.close()


class Vm:
    """A nested QEMU on the board. The daemon uses NAME.qmp; NAME.look.qmp is for us, since a monitor serves one at a time."""

    def __init__(self, board, name, options=(), machine=("-M", "q35", "-m", "32", "-S"), prefix=(), look=True, usb=USB_CONTROLLER):
        self.board, self.name = board, name
        self.socket = f"/run/{name}.qmp"
        argv = [*prefix, QEMU, "-name", name, *machine, *CPU, "-nodefaults", "-display", "none", "-device", usb]
        argv += ["-qmp", f"unix:{self.socket},server=on,wait=off"]
        if look:
            argv += ["-qmp", f"unix:/run/{name}.look.qmp,server=on,wait=off"]
        self.process = board.spawn(argv + list(options), root="host")
        self._look = None

    def wait_up(self, timeout=patient(30.0)):
        """Until its monitor greets. The socket is there for a moment before anybody listens on it."""
        left = deadline(timeout)
        while True:
            try:
                _ = self.look
                return
            except BoardError as e:
                if self.process.status is not None or left() <= 0:
                    said = self.process.wait(1) if self.process.status is not None else ""
                    raise BoardError(f"{self.name} does not come up: {e} {said}") from e
            time.sleep(0.05)

    @property
    def look(self):
        if self._look is None:
            self._look = Qmp(self.board.connect(f"unix:/run/{self.name}.look.qmp"))
        return self._look

    def devices(self):
        """The ids of the usb-host devices in it."""
        found = self.look.execute("qom-list", path="/machine/peripheral")
        return sorted(d["name"] for d in found if d["type"] == "child<usb-host>")

    def fdsets(self):
        """Sets that still hold a descriptor of somebody."""
        return [s for s in self.look.execute("query-fdsets") if s["fds"]]

    def info_usb(self):
        return self.look.execute("human-monitor-command", **{"command-line": "info usb"})

    def kill(self, timeout=patient(10.0)):
        self.process.kill(9)
        status, _ = self.process.wait(timeout)
        self._look = None
        return status

    def stop(self, timeout=patient(10.0)):
        """Ends it as its monitor's user would; its sockets go with it."""
        self.process.kill(15)
        self.process.wait(timeout)
        self._look = None


class Board:
    def __init__(self, logs, daemon=None, config="{}", options="-c /etc/vhotplug.conf", console=False, files=(), memory=2048, devices=(),
                 iommu=False, more=()):
        """daemon: the binary (None: a board without). files: more for the initramfs, (path on the board, path here). devices: as for
        QEMU's -device, behind the others. more: arguments in front of those, as for what stands behind a device."""
        self.logs, self.daemon, self.config, self.options = logs, daemon, config, options
        self.console, self.files, self.memory, self.devices = console, list(files), memory, list(devices)
        self.iommu, self.more = iommu, list(more)
        self.streams, self.next_stream = {}, 1
        self.lock = threading.Lock()
        self.qemu = self.qmp = self.sock = None
        self.started = None
        self.uptime = None  # board time at which its agent spoke first
        self.down = threading.Event()
        self.disks = 0
        os.makedirs(logs, exist_ok=True)
        # A unix socket's path is short, the build directory's may not be: sockets have a directory of their own.
        self.run_dir = None

    # ---- booting

    def prepare(self):
        """Kernel and initramfs, as far as they are not there yet. Of several boards that boot at once, one makes them."""
        os.makedirs(BUILD, exist_ok=True)
        with open(os.path.join(BUILD, "lock"), "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.prepare_locked()

    def prepare_locked(self):
        sh("fetch-kernel.sh", BUILD)
        release = open(os.path.join(BUILD, "release"), encoding="ascii").read().strip()
        digest = hashlib.sha256(release.encode())
        for name in ("init", "modules", "mkinitramfs.sh", "../common/copy-modules.sh"):
            digest.update(open(os.path.join(HERE, name), "rb").read())
        self.base = os.path.join(BUILD, f"base-{digest.hexdigest()[:16]}.cpio")
        if not os.path.exists(self.base):
            sh("mkinitramfs.sh", "board", BUILD, self.base)

    def overlay(self):
        """This boot's own files, as a second archive behind the base: the kernel unpacks both."""
        tree = os.path.join(self.run_dir, "overlay")
        for sub in ("etc", "usr/bin", "usr/share"):
            os.makedirs(os.path.join(tree, sub))
        python = "/usr/bin/python3" if os.path.exists(OUTSIDE + "/usr/bin/python3") else os.path.realpath(sys.executable)
        env = {
            "BOARD_DAEMON": self.options if self.daemon else "",
            "BOARD_REPO": REPO,
            "BOARD_PYTHON": python,
            "BOARD_CONSOLE": "yes" if self.console else "no",
        }
        with open(os.path.join(tree, "etc/board.env"), "w", encoding="utf-8") as f:
            f.writelines(f"{k}={shlex.quote(v)}\n" for k, v in env.items())
        with open(os.path.join(tree, "etc/vhotplug.conf"), "w", encoding="utf-8") as f:
            f.write(self.config)
        if self.daemon:
            shutil.copy(os.path.realpath(self.daemon), os.path.join(tree, "usr/bin/vhotplug"))
            os.symlink("vhotplug", os.path.join(tree, "usr/bin/vhotplugcli"))
        for there, here in self.files:
            to = os.path.join(tree, there.lstrip("/"))
            os.makedirs(os.path.dirname(to), exist_ok=True)
            shutil.copy(here, to)
        out = os.path.join(self.run_dir, "initramfs.cpio")
        shutil.copy(self.base, out)
        with open(out, "r+b") as f:
            size = f.seek(0, 2)
            f.truncate((size + 511) // 512 * 512)
            f.seek(0, 2)
            names = "\n".join(sorted(os.path.relpath(os.path.join(d, n), tree) for d, s, fs in os.walk(tree) for n in s + fs))
            cpio = subprocess.run(
                ["cpio", "-o", "-H", "newc", "-R", "0:0", "--quiet"], cwd=tree, input=names.encode(), stdout=subprocess.PIPE, check=True
            )
            f.write(cpio.stdout)
        return out

    def boot(self, timeout=patient(60.0), ready=None):
        import tempfile

        self.run_dir = tempfile.mkdtemp(prefix="vhotplug-board-")
        self.prepare()
        initramfs = self.overlay()
        console = os.path.join(self.logs, "console.log")
        argv = [QEMU, "-name", "board", "-M", "q35", *CPU, "-m", str(self.memory), "-smp", "2"]
        argv += ["-nodefaults", "-display", "none", "-no-reboot"]
        if self.iommu:  # before the devices that are behind it
            argv += ["-device", IOMMU]
        if self.console:
            argv += ["-chardev", f"socket,id=con,path={self.run_dir}/console,server=on,wait=off,logfile={console}"]
        else:
            argv += ["-chardev", f"file,id=con,path={console}"]
        argv += ["-serial", "chardev:con", "-qmp", f"unix:{self.run_dir}/qmp,server=on,wait=off"]
        argv += ["-kernel", os.path.join(BUILD, "vmlinux"), "-initrd", initramfs, "-append", KERNEL_OPTIONS + (" intel_iommu=on" if self.iommu else "")]
        argv += ["-fsdev", f"local,id=fs0,path={OUTSIDE},security_model=none,readonly=on,multidevs=remap"]
        argv += ["-device", "virtio-9p-pci,fsdev=fs0,mount_tag=hostroot"]
        argv += ["-chardev", f"socket,id=agent,path={self.run_dir}/agent,server=on,wait=off"]
        argv += ["-device", "virtio-serial-pci", "-device", "virtserialport,chardev=agent,name=agent,nr=1"]
        argv += ["-device", USB_CONTROLLER, "-audiodev", f"none,id={SILENCE}"]
        argv += self.more
        for device in self.devices:
            argv += ["-device", device]
        with open(os.path.join(self.logs, "qemu.log"), "w", encoding="utf-8") as log:
            log.write(shlex.join(argv) + "\n")
            log.flush()
            # A group of its own: Ctrl-C is for us, and we end it in order. If we are killed, it goes with us.
            self.qemu = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                                         preexec_fn=end_with_parent)
        self.started = time.monotonic()
        left = deadline(timeout)
        self.qmp = Qmp(LocalStream(f"{self.run_dir}/qmp", patient(10.0)))
        agent = LocalStream(f"{self.run_dir}/agent", patient(10.0))
        self.sock = agent.sock
        self.sock.settimeout(None)
        hello = Stream(self, 0, "the board's agent")
        self.streams[0] = hello
        threading.Thread(target=self._reader, daemon=True).start()
        while hello.opened.empty():
            if self.qemu.poll() is not None or left() <= 0:
                raise BoardError(f"the board does not come up; see {console} and {self.logs}/qemu.log")
            if ready:
                ready(time.monotonic() - self.started)
            time.sleep(0.05)
        self.uptime = hello.wait_open(1)["uptime"]
        return self

    def stop(self):
        self.down.set()
        if self.qemu and self.qemu.poll() is None:
            self.qemu.terminate()
            try:
                self.qemu.wait(5)
            except subprocess.TimeoutExpired:
                self.qemu.kill()
                self.qemu.wait()
        if self.sock:
            self.sock.close()
        if self.run_dir:
            shutil.rmtree(self.run_dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    # ---- the agent

    def _reader(self):
        data = bytearray()
        try:
            while True:
                got = self.sock.recv(1 << 18)
                if not got:
                    break
                data += got
                while len(data) >= HEADER.size:
                    length, number, kind, stamp = HEADER.unpack_from(data)
                    if len(data) < HEADER.size + length:
                        break
                    payload = bytes(data[HEADER.size : HEADER.size + length])
                    del data[: HEADER.size + length]
                    stream = self.streams.get(number)
                    if stream:
                        stream._frame(chr(kind), payload, stamp)
        except OSError:
            pass
        self.down.set()

    def _send(self, number, kind, payload=b""):
        if self.down.is_set():
            raise BoardError("the board is gone")
        with self.lock:
            self.sock.sendall(HEADER.pack(len(payload), number, ord(kind), 0.0) + payload)

    def _open(self, kind, request, what, timeout):
        with self.lock:
            number = self.next_stream
            self.next_stream += 1
            stream = Stream(self, number, what)
            self.streams[number] = stream
        self._send(number, kind, json.dumps(request).encode())
        return stream, stream.wait_open(timeout)

    def spawn(self, argv, root="board", timeout=patient(20.0), **more):
        """Starts a program on the board; a string is for sh. Its output (both kinds) is the stream; stream.pid is its pid."""
        argv = ["sh", "-c", argv] if isinstance(argv, str) else list(argv)
        stream, pid = self._open("E", {"argv": argv, "root": root, **more}, shlex.join(argv)[:200], timeout)
        stream.pid = pid
        return stream

    def run(self, argv, timeout=patient(30.0), root="board", check=True, **more):
        """Runs a program to its end; its output. check: a status other than 0 is an error."""
        stream = self.spawn(argv, root, **more)
        try:
            status, out = stream.wait(timeout)
        except Timeout:
            stream.kill(9)
            raise
        if check and status != 0:
            raise BoardError(f"{stream.what}: status {status}: {out[-2000:]}")
        return out

    def connect(self, to, timeout=patient(10.0)):
        """unix:PATH, tcp:ADDRESS:PORT, vsock:CID:PORT or uevents."""
        return self._open("C", {"to": to}, to, timeout)[0]

    def listen(self, at, timeout=patient(10.0), backlog=8):
        return self._open("L", {"at": at, "backlog": backlog}, at, timeout)[0]

    def _file(self, op, path, **more):
        stream, answer = self._open("P", {"op": op, "path": path, **more}, f"{op} {path}", patient(20.0))
        self.streams.pop(stream.number, None)
        return answer

    def read(self, path):
        return self._file("read", path)

    def write(self, path, data, create=False):
        self._file("write", path, data=data, create=create)

    def glob(self, pattern):
        return self._file("glob", pattern)

    def exists(self, path):
        return self._file("exists", path)

    def unlink(self, path):
        self._file("unlink", path)

    def readlink(self, path):
        return self._file("readlink", path)

    def clock(self):
        return self._file("clock", "")

    def api(self, to, timeout=patient(10.0), notifications=False):
        """An API connection; waits for the listener to appear."""
        left = deadline(timeout)
        while True:
            try:
                api = Api(self.connect(to))
                break
            except BoardError:
                if left() <= 0:
                    raise
                time.sleep(0.05)
        if notifications:
            api.ok("enable_notifications")
        return api

    # ---- the world outside: its hands at the board's USB ports

    def plug(self, driver, name, **properties):
        """Plugs an emulated device in: driver usb-kbd, usb-mouse, usb-tablet, usb-hub, ...; port="3" or "3.1" behind a hub; bus="xhci2.0"
        on another controller."""
        if driver == "usb-audio":
            properties.setdefault("audiodev", SILENCE)
        self.qmp.execute("device_add", driver=driver, id=name, **{"bus": "xhci.0", **properties})

    def plug_stick(self, name, size=8 << 20, **properties):
        """Plugs a storage stick in, with an empty image of its own."""
        self.disks += 1
        path = os.path.join(self.run_dir, f"disk{self.disks}.img")
        with open(path, "wb") as f:
            f.truncate(size)
        node = f"disk{self.disks}"
        self.qmp.execute("blockdev-add", **{"driver": "file", "filename": path, "node-name": node})
        self.plug("usb-storage", name, drive=node, removable=True, **properties)

    def unplug(self, name):
        self.qmp.execute("device_del", id=name)
        self.qmp.event(lambda e: e.get("event") == "DEVICE_DELETED" and e["data"].get("device") == name)

    # ---- what the board's kernel sees

    def usb(self):
        """The USB devices in sysfs: {sys_name: "vid:pid"}, root hubs left out."""
        found = {}
        for path in self.glob("/sys/bus/usb/devices/*/idVendor"):
            name = path.split("/")[-2]
            if not name.startswith("usb"):
                try:
                    found[name] = self.read(path).strip() + ":" + self.read(path[:-8] + "idProduct").strip()
                except BoardError:
                    pass  # gone in between
        return found


def sh(script, *arguments):
    done = subprocess.run(["sh", os.path.join(HERE, script), *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise BoardError(f"{script}: {done.stderr.strip() or done.stdout.strip()}")


def until(condition, timeout=patient(10.0), what="it", every=0.05):
    """For what only shows by looking (sysfs, QOM): looks until condition() is true, and returns that."""
    left = deadline(timeout)
    while True:
        value = condition()
        if value:
            return value
        if left() <= 0:
            raise Timeout(f"{what}: not in {timeout:g} s")
        time.sleep(every)
