"""What a service manager is told: systemd by its notification socket, others by --ready-fd. The socket here is ours, made up."""
import os
import re
import signal
import socket
import subprocess
import time

from tap import Failed, check, contains, equal, run, scaled, test
from world import BINARY, KEYBOARD, World, rule


class Manager:
    """systemd's side of NOTIFY_SOCKET."""

    def __init__(self, w, abstract=False):
        self.name = f"@vh-notify-{os.getpid()}-{id(w)}" if abstract else os.path.join(w.dir, "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.socket.bind("\0" + self.name[1:] if abstract else self.name)
        w.clients.append(self)

    def close(self):
        self.socket.close()

    def under(self, **more):
        """What a daemon is started under."""
        return ["env", f"NOTIFY_SOCKET={self.name}", *(f"{k}={v}" for k, v in more.items())]

    def hear(self, timeout=5):
        """The next message: its members, the sender's process."""
        self.socket.settimeout(scaled(timeout))
        try:
            text, control, _, _ = self.socket.recvmsg(4096, socket.CMSG_SPACE(12))
        except TimeoutError:
            raise Failed("no message to the service manager") from None
        pid = int.from_bytes(control[0][2][:4], "little")
        return dict(line.split("=", 1) for line in text.decode().splitlines()), pid

    def expect(self, word, passing=()):
        """The next message but those that only say a word of `passing` must say this word."""
        while True:
            told, pid = self.hear()
            if word in told:
                return told, pid
            check(set(told) <= set(passing), f"expected {word}, told {told}")


def whole_story(w, manager):
    w.qemu("vm1")
    conf = w.conf([rule("vm1", KEYBOARD)])
    daemon = w.daemon(conf, under=manager.under())
    told, pid = manager.hear()
    equal((told, pid), ({"READY": "1", "STATUS": "vms=2 rules=1"}, daemon.process.pid))
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    daemon.configure(w.conf([rule("vm1", KEYBOARD), rule("vm2", {"interfaceClass": 8})]))
    told, _ = manager.hear()
    equal(set(told), {"RELOADING", "MONOTONIC_USEC"})
    check(before <= int(told["MONOTONIC_USEC"]) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000, told)
    equal(manager.hear()[0], {"READY": "1", "STATUS": "vms=2 rules=2"})
    daemon.configure("{")
    manager.expect("RELOADING")
    contains(manager.hear()[0]["STATUS"], "the new one is not usable: vms=2 rules=2")
    daemon.process.send_signal(signal.SIGTERM)
    equal(manager.hear()[0], {"STOPPING": "1"})
    equal(daemon.wait(scaled(5)), 0)


@test
def systemd_is_told_of_the_start_of_reloads_and_of_the_end(w):
    whole_story(w, Manager(w))


@test
def an_abstract_socket_is_told_as_well(w):
    whole_story(w, Manager(w, abstract=True))


@test
def ready_is_told_when_a_client_is_answered(w):
    manager = Manager(w)
    w.daemon(w.conf(), ready=False, under=manager.under())
    manager.expect("READY")
    w.api().ok("usb_list")


@test
def signs_of_life_come_from_the_loop(w):
    manager = Manager(w)
    daemon = w.daemon(w.conf(), under=manager.under(WATCHDOG_USEC=400000))
    manager.expect("READY")
    for _ in range(4):
        equal(manager.hear()[0], {"WATCHDOG": "1"})
    daemon.process.send_signal(signal.SIGSTOP)
    while re.search(r"^State:\s+T", open(f"/proc/{daemon.process.pid}/status", encoding="ascii").read(), re.M) is None:
        time.sleep(0.005)
    manager.socket.settimeout(0)
    try:
        while True:
            manager.socket.recv(4096)
    except BlockingIOError:
        pass
    time.sleep(0.6)  # longer than a sign of life takes: a process that is stopped gives none
    try:
        raise Failed(f"a stopped process has told {manager.socket.recv(4096)}")
    except BlockingIOError:
        pass
    daemon.process.send_signal(signal.SIGCONT)
    equal(manager.hear()[0], {"WATCHDOG": "1"})


@test
def a_manager_that_reads_nothing_delays_nobody(w):
    """Its queue is full; the loop answers, and what was to be told is told when there is room."""
    manager = Manager(w)
    filler = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    filler.setblocking(False)
    filler.connect(manager.name)
    n = 0
    try:
        while True:
            filler.send(b"FULL=1")
            n += 1
    except BlockingIOError:
        pass
    daemon = w.daemon(w.conf(), under=manager.under(WATCHDOG_USEC=200000))
    api = w.api()
    for _ in range(50):
        api.ok("version")
    daemon.configure(w.conf([rule("vm1", KEYBOARD)]))
    api.ok("version")
    for _ in range(n):
        equal(manager.hear()[0], {"FULL": "1"})
    told = manager.hear()[0]
    equal((told["READY"], told["RELOADING"], told["STATUS"], told["WATCHDOG"]), ("1", "1", "vms=2 rules=1", "1"))
    filler.close()


@test
def a_manager_that_has_gone_ends_nothing(w):
    manager = Manager(w)
    daemon = w.daemon(w.conf(), under=manager.under(WATCHDOG_USEC=100000))
    manager.expect("READY")
    manager.close()
    daemon.wait_log("the service manager cannot be told")
    w.api().ok("version")
    daemon.configure(w.conf([rule("vm1", KEYBOARD)]))
    w.api().ok("version")
    equal(len(daemon.logged("the service manager cannot be told")), 1)


@test
def a_socket_that_is_not_there_is_a_warning(w):
    daemon = w.daemon(w.conf(), under=["env", "NOTIFY_SOCKET=/nowhere/notify"])
    check(daemon.logged(r"<4>.*NOTIFY_SOCKET=/nowhere/notify: No such file"), "a warning")


def helpers(daemon):
    with open(f"/proc/{daemon.process.pid}/task/{daemon.process.pid}/children", encoding="ascii") as f:
        return f.read().split()


@test
def no_helper_has_the_managers_socket(w):
    """Else a hostile device worker could tell it that all is well."""
    manager = Manager(w)
    daemon = w.daemon(w.conf([rule("vm1", KEYBOARD)]), under=manager.under())
    manager.expect("READY")

    def names(pid):
        found = []
        for fd in os.listdir(f"/proc/{pid}/fd"):
            try:
                found.append(os.readlink(f"/proc/{pid}/fd/{fd}"))
            except OSError:
                pass
        return found

    with open("/proc/net/unix", encoding="ascii") as f:
        unbound = [line.split() for line in f][1:]
    datagrams = {f"socket:[{line[6]}]" for line in unbound if line[4] == "0002"}
    mine = [name for name in names(daemon.process.pid) if name in datagrams]
    check(mine, "the daemon has one")
    for pid in helpers(daemon):
        check(not set(mine) & set(names(pid)), f"process {pid} has the daemon's")


@test
def a_descriptor_gets_a_newline_when_all_is_ready(w):
    fifo = os.path.join(w.dir, "ready")
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    daemon = w.daemon(w.conf(), "--ready-fd", "9", ready=False, under=["bash", "-c", f'exec "$@" 9>{fifo}', "bash"])
    daemon.wait_log("ready:")
    os.set_blocking(reader, True)
    equal(os.read(reader, 16), b"\n")
    equal(os.read(reader, 16), b"")  # the end: neither the daemon nor a helper has it any more
    w.api().ok("usb_list")
    os.close(reader)


@test
def a_start_that_fails_ends_the_descriptor_without_a_word(w):
    fifo = os.path.join(w.dir, "ready")
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    path = os.path.join(w.dir, "bad.conf")
    with open(path, "w", encoding="utf-8") as f:
        f.write("{")
    done = subprocess.run(["bash", "-c", f'exec "$@" 9>{fifo}', "bash", BINARY, "-c", path, "--ready-fd", "9"], capture_output=True, check=False)
    equal(done.returncode, 1)
    os.set_blocking(reader, True)
    equal(os.read(reader, 16), b"")
    os.close(reader)


@test
def what_is_no_descriptor_is_an_error(w):
    for number in ("2", "x", "17", ""):
        done = subprocess.run([BINARY, "--ready-fd", number], capture_output=True, text=True, check=False, timeout=scaled(10))
        equal(done.returncode, 2)
        contains(done.stderr, "--ready-fd needs the number of an open descriptor, 3 or higher")


run(World)
