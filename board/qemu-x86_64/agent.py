#!/usr/bin/env python3
"""The board's agent: does what board.py outside asks for over one virtio-serial port.

It runs programs, opens sockets, listens to uevents and touches files, all at once over numbered streams, and stamps what
comes with the board's own clock. It decides nothing: every test and every story is told from outside.

A frame is a header (payload length, stream, type, seconds of CLOCK_MONOTONIC) and its payload. Types, in both directions:
  E exec   C connect   L listen   P file work   Z pause or resume reading    (requests; the payload is JSON)
  D data   X end of data   Q close the stream, or the signal for its program
  O opened   A accepted   F failed (text)   R the program has ended (its status)   P the answer (JSON)
"""
import errno
import glob
import json
import os
import pty
import selectors
import signal
import socket
import struct
import subprocess
import time

HEADER = struct.Struct("<IIBd")
PORTS = "/sys/class/virtio-ports/*/name"
BOARD_ROOT = 3  # the root directory of the initramfs, given by init
NETLINK_KOBJECT_UEVENT = 15

selector = selectors.DefaultSelector()
streams = {}
port = None


def now():
    return time.clock_gettime(time.CLOCK_MONOTONIC)


def send(stream, kind, payload=b"", stamp=None):
    data = HEADER.pack(len(payload), stream, ord(kind), now() if stamp is None else stamp) + payload
    while data:
        data = data[os.write(port, data) :]


class Stream:
    """A descriptor to read, perhaps another to write, perhaps a program behind them."""

    def __init__(self, number, rfd, wfd=-1, sock=None, program=None, datagrams=False, listener=False):
        self.number, self.rfd, self.wfd = number, rfd, wfd
        self.sock, self.program, self.datagrams, self.listener = sock, program, datagrams, listener
        self.out = b""
        self.ending = False  # close the writing side once `out` is gone
        self.paused = False
        self.pidfd = -1
        streams[number] = self
        for fd in {rfd, wfd} - {-1}:
            os.set_blocking(fd, False)
        if program:
            self.pidfd = os.pidfd_open(program.pid)
            selector.register(self.pidfd, selectors.EVENT_READ, self.ended)
        self.watch()

    def watch(self):
        for fd in {self.rfd, self.wfd} - {-1}:
            wanted = 0
            if fd == self.rfd and not self.paused:
                wanted |= selectors.EVENT_READ
            if fd == self.wfd and self.out:
                wanted |= selectors.EVENT_WRITE
            known = selector.get_map().get(fd)
            if known and wanted:
                selector.modify(fd, wanted, self.ready)
            elif known:
                selector.unregister(fd)
            elif wanted:
                selector.register(fd, wanted, self.ready)

    def ready(self, fd, mask):
        if mask & selectors.EVENT_WRITE:
            self.flush()
        if mask & selectors.EVENT_READ and fd == self.rfd:
            self.read()

    def read(self):
        stamp = now()
        if self.listener:
            sock, _ = self.sock.accept()
            child = Stream(max(max(streams), 1 << 20) + 1, sock.fileno(), sock.fileno(), sock=sock)
            send(self.number, "A", json.dumps(child.number).encode())
            return True
        try:
            data = os.read(self.rfd, 65536)
        except BlockingIOError:
            return False
        except OSError as e:
            if e.errno == errno.ENOBUFS:
                send(self.number, "D", b"lost@\0", stamp)
                return True
            data = b""  # a pty whose program has ended gives EIO, a reset connection ECONNRESET
        if data:
            send(self.number, "D", data, stamp)
            return True
        self.drop(self.rfd)
        send(self.number, "X")
        return False

    def drop(self, fd):
        """Stops reading; the descriptor stays open for writing if it is used for that."""
        if fd in selector.get_map():
            selector.unregister(fd)
        if self.rfd != self.wfd and not self.sock:
            os.close(fd)
        self.rfd = -1
        if self.wfd >= 0:
            self.watch()

    def write(self, data):
        self.out += data
        self.flush()

    def flush(self):
        while self.out and self.wfd >= 0:
            try:
                self.out = self.out[os.write(self.wfd, self.out) :]
            except BlockingIOError:
                break
            except OSError:
                self.out = b""
        if self.ending and not self.out and self.wfd >= 0:
            if self.sock:
                try:
                    self.sock.shutdown(socket.SHUT_WR)
                except OSError:
                    pass
            elif self.wfd != self.rfd:
                if self.wfd in selector.get_map():
                    selector.unregister(self.wfd)
                os.close(self.wfd)
                self.wfd = -1
            self.ending = False
        self.watch()

    def end(self):
        self.ending = True
        self.flush()

    def ended(self, _fd, _mask):
        status = self.program.wait()
        while self.rfd >= 0 and not self.paused and self.read():
            pass
        self.close()
        send(self.number, "R", json.dumps(status).encode())

    def close(self):
        for fd in {self.rfd, self.wfd, self.pidfd} - {-1}:
            if fd in selector.get_map():
                selector.unregister(fd)
            if not self.sock:
                os.close(fd)
        if self.sock:
            self.sock.close()
        self.rfd = self.wfd = self.pidfd = -1
        streams.pop(self.number, None)

    def quit(self, payload):
        if self.program:
            os.killpg(self.program.pid, json.loads(payload or b"15"))
        else:
            self.close()


def exec_program(number, a):
    def enter():
        os.setsid()
        if a.get("pty"):
            import fcntl
            import termios

            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        if a["root"] == "board":
            os.fchdir(BOARD_ROOT)
            os.chroot(".")
        os.chdir(a.get("cwd", "/"))

    env = {"PATH": "/usr/local/bin:/usr/bin:/usr/sbin:/bin:/sbin", "HOME": "/root", "TERM": a.get("term", "dumb")}
    env.update(a.get("env", {}))
    if a.get("pty"):
        master, slave = pty.openpty()
        program = subprocess.Popen(a["argv"], stdin=slave, stdout=slave, stderr=slave, env=env, preexec_fn=enter)
        os.close(slave)
        Stream(number, master, master, program=program)
    else:
        rfd, out = os.pipe()
        stdin, wfd = os.pipe()
        try:
            program = subprocess.Popen(a["argv"], stdin=stdin, stdout=out, stderr=out, env=env, preexec_fn=enter)
        except (OSError, subprocess.SubprocessError):
            os.close(rfd)
            os.close(wfd)
            raise
        finally:
            os.close(out)
            os.close(stdin)
        Stream(number, rfd, wfd, program=program)
    send(number, "O", json.dumps(program.pid).encode())


def address(to):
    kind, _, rest = to.partition(":")
    if kind == "unix":
        return socket.AF_UNIX, rest
    host, _, number = rest.rpartition(":")
    if kind == "vsock":
        return socket.AF_VSOCK, (int(host), int(number))
    return socket.AF_INET6 if ":" in host else socket.AF_INET, (host, int(number))


def connect(number, a):
    if a["to"] == "uevents":
        sock = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, NETLINK_KOBJECT_UEVENT)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        sock.bind((0, 1))
        Stream(number, sock.fileno(), sock=sock, datagrams=True)
    else:
        family, where = address(a["to"])
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.settimeout(5)
        try:
            sock.connect(where)
        except OSError:
            sock.close()
            raise
        Stream(number, sock.fileno(), sock.fileno(), sock=sock)
    send(number, "O")


def listen(number, a):
    family, where = address(a["at"])
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.bind(where)
    sock.listen(a.get("backlog", 8))
    Stream(number, sock.fileno(), sock=sock, listener=True)
    send(number, "O")


def files(number, a):
    """Small file work without a process: sysfs is the usual case."""
    op, path = a["op"], a["path"]
    answer = None
    if op == "read":
        with open(path, "rb") as f:
            answer = f.read(1 << 20).decode("latin-1")
    elif op == "write":
        fd = os.open(path, os.O_WRONLY | os.O_TRUNC | (os.O_CREAT if a.get("create") else 0), 0o644)
        try:
            os.write(fd, a["data"].encode("latin-1"))
        finally:
            os.close(fd)
    elif op == "glob":
        answer = sorted(glob.glob(path))
    elif op == "exists":
        answer = os.path.lexists(path)
    elif op == "unlink":
        os.unlink(path)
    elif op == "readlink":
        answer = os.readlink(path)
    elif op == "clock":
        answer = now()
    else:
        raise ValueError("unknown file work " + op)
    send(number, "P", json.dumps(answer).encode())


REQUESTS = {"E": exec_program, "C": connect, "L": listen, "P": files}


def handle(number, kind, payload):
    if kind in REQUESTS:
        try:
            REQUESTS[kind](number, json.loads(payload))
        except Exception as e:  # whatever it is, the one who asked must hear of it
            send(number, "F", f"{type(e).__name__}: {e}".encode())
        return
    stream = streams.get(number)
    if not stream:
        return  # it ended while the frame was on its way
    if kind == "D":
        stream.write(payload)
    elif kind == "X":
        stream.end()
    elif kind == "Q":
        try:
            stream.quit(payload)
        except ProcessLookupError:
            pass
    elif kind == "Z":
        stream.paused = json.loads(payload)
        stream.watch()


class Frames:
    """Cuts what comes from outside into frames."""

    def __init__(self):
        self.data = b""

    def ready(self, _fd, _mask):
        got = os.read(port, 1 << 16)
        if not got:
            # Nobody outside any more: the port says "end" at once and for ever. Do not spin.
            time.sleep(0.2)
            return
        self.data += got
        while len(self.data) >= HEADER.size:
            length, number, kind, _ = HEADER.unpack_from(self.data)
            if len(self.data) < HEADER.size + length:
                break
            payload = self.data[HEADER.size : HEADER.size + length]
            self.data = self.data[HEADER.size + length :]
            handle(number, chr(kind), payload)


def find_port():
    """The driver makes its ports in the background, so the agent may be first."""
    for _ in range(1000):
        for path in glob.glob(PORTS):
            with open(path, encoding="ascii") as f:
                if f.read().strip() == "agent":
                    return "/dev/" + path.split("/")[-2]
        time.sleep(0.01)
    raise SystemExit("no virtio-serial port named agent")


def main():
    global port
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    port = os.open(find_port(), os.O_RDWR | os.O_CLOEXEC)
    os.set_inheritable(BOARD_ROOT, False)
    selector.register(port, selectors.EVENT_READ, Frames().ready)
    send(0, "O", json.dumps({"uptime": float(open("/proc/uptime", encoding="ascii").read().split()[0])}).encode())
    while True:
        for key, mask in selector.select():
            if key.fd in selector.get_map():
                key.data(key.fd, mask)


main()
