"""Log lines while nobody reads them, and the process that copies them: vhotplug-log."""
import array
import contextlib
import fcntl
import os
import pty
import re
import signal
import socket
import tempfile
import termios
import threading
import time

from tap import check, contains, equal, run, scaled, test, until
from world import KEYBOARD, World, rule, vhp

LINE = re.compile(rb"<[3467]>vhotplug: [^\n]+\n")
DROPPED = re.compile(rb"<4>vhotplug: log lines were dropped: (\d+)\n")
FULL = 240 * 1024  # of the pipe to the logger, which holds 256 KiB


def children(daemon):
    """Pids by name of the processes that the daemon has started."""
    pid = daemon.process.pid
    found = {}
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
        for child in f.read().split():
            with open(f"/proc/{child}/comm", encoding="ascii") as name:
                found[name.read().strip()] = int(child)
    return found


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
            return f.read().rsplit(") ", 1)[1][0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def all_gone(pids):
    until(lambda: not any(map(alive, pids)), "a process outlives the daemon", 2)


def answers(w):
    try:
        return bool(w.api().ok("version"))
    except OSError:  # its socket is not there yet, or nobody listens yet
        return False


def serving(w, daemon):
    """Where no log is read."""
    until(lambda: answers(w) and "vhotplug-device" in children(daemon), "it does not start")
    return children(daemon)


def waiting(daemon):
    """Bytes of log lines that the logger has not read yet."""
    with open(f"/proc/{daemon.process.pid}/fd/2", "rb", buffering=0, opener=lambda p, f: os.open(p, f | os.O_NONBLOCK)) as pipe:
        number = array.array("i", [0])
        fcntl.ioctl(pipe, termios.FIONREAD, number)
        return number[0]


def unread(w, conf=None):
    """A daemon whose standard error nobody reads: it, its helpers, and the pipe's reading end."""
    read, write = os.pipe()
    fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, 4096)
    daemon = w.daemon(conf or w.conf([rule("vm1", KEYBOARD)]), stderr=write)
    os.close(write)
    return daemon, serving(w, daemon), read


def come_and_go(w, times):
    """Clients, each of which makes two lines at level debug."""
    for _ in range(times):
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(w.socket)


def fill(w, daemon, api, more):
    """Clients come and go until no line fits any more, and `more` times after that. The times that `version` took meanwhile."""
    times = []
    while more > 0:
        more -= waiting(daemon) > FULL
        come_and_go(w, 4)
        begun = time.monotonic()
        api.ok("version")
        times.append(time.monotonic() - begun)
        check(len(times) < 5000, "the pipe never fills up")
    return sorted(times)


def read_all(fd, into):
    while data := os.read(fd, 65536):
        into.append(data)


@test
def a_log_that_is_full_before_the_start_keeps_nobody_from_starting(w):
    read, write = os.pipe()
    fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, 4096)
    os.write(write, b"x" * 4096)
    daemon = w.daemon(w.conf([rule("vm1", KEYBOARD)], vms=["vm1"]), "-d", stderr=write)
    os.close(write)
    serving(w, daemon)
    w.api().ok("version")
    equal(daemon.stop(), 0)
    os.close(read)


@test
def nobody_reads_and_the_daemon_goes_on(w):
    daemon, helpers, read = unread(w)
    api = w.api()
    times = fill(w, daemon, api, 300)
    most = times[len(times) * 99 // 100]
    print(f"# version, of {len(times)} with a log that nobody reads: 99th percentile {most * 1000:.2f} ms", flush=True)
    check(most < scaled(0.05), f"the 99th percentile is {most:.3f} s")
    begun = time.monotonic()
    equal(daemon.stop(), 0)
    check(time.monotonic() - begun < scaled(1), "SIGTERM ends it at once")
    all_gone(helpers.values())
    os.close(read)


@test
def who_reads_again_is_told_how_many_lines_are_missing(w):
    daemon, _, read = unread(w)
    fill(w, daemon, w.api(), 100)
    got = []
    reader = threading.Thread(target=read_all, args=(read, got), daemon=True)
    reader.start()
    until(lambda: DROPPED.search(b"".join(got)), "nothing says that lines were dropped")  # without another line that says it
    vm1 = w.qemu("vm1")
    vm1.wait_device(vhp(w.host.plug("1-2")))
    equal(daemon.stop(), 0)
    reader.join(scaled(5))
    text = b"".join(got)
    equal(LINE.sub(b"", text), b"", "what is no whole line")
    told = [int(n) for n in DROPPED.findall(text)]
    check(sum(told) >= 100, f"dropped: {told}")
    after = text[text.rindex(b"lines were dropped"):]
    check(b"stopping" in after, "what came afterwards is there")
    os.close(read)


@test
def a_flood_that_is_read_is_whole(w):
    daemon = w.daemon(w.conf([rule("vm1", KEYBOARD)]))
    api = w.api()
    for _ in range(500):
        come_and_go(w, 4)
        api.ok("version")
        until(lambda: waiting(daemon) < FULL // 2, "the logger does not keep up")
    equal(daemon.stop(), 0)
    check(len(daemon.log) > 4000, f"{len(daemon.log)} lines")
    equal([line for line in daemon.log if not LINE.fullmatch(line.encode() + b"\n")], ["(end)"])
    equal(daemon.logged("lines were dropped"), [])
    check(daemon.logged("stopping: signal=15"), "the last words")


@test
def in_a_file_each_line_has_its_time(w):
    with tempfile.TemporaryFile() as log:
        daemon = w.daemon(w.conf([rule("vm1", KEYBOARD)], vms=("vm1",)), "-d", stderr=log)
        serving(w, daemon)
        equal(daemon.stop(), 0)
        log.seek(0)
        lines = log.read().decode().splitlines()
    check(len(lines) > 5, lines)
    for line in lines:
        check(re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z <[0-9]>vhotplug: .*", line), line)


@test
def each_line_is_one_write(w):
    """/dev/kmsg makes a record of each."""
    mine, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    mine.settimeout(scaled(5))
    daemon = w.daemon(w.conf([rule("vm1", KEYBOARD)]), stderr=theirs)
    theirs.close()
    serving(w, daemon)
    api = w.api()
    for _ in range(20):
        come_and_go(w, 1)
        api.ok("version")
    daemon.process.send_signal(signal.SIGTERM)
    lines = 0
    while b"stopping" not in (message := mine.recv(65536)):
        check(LINE.fullmatch(message), f"{message!r}")
        lines += 1
    check(lines > 40, f"{lines} lines")
    equal(daemon.wait(scaled(5)), 0)


@test
def a_terminal_gets_the_form_for_people(w):
    master, slave = pty.openpty()
    daemon = w.daemon(w.conf(), stderr=slave)
    os.close(slave)
    serving(w, daemon)
    text = b""
    while b"ready:" not in text:
        text += os.read(master, 65536)
    contains(text, b"\nvhotplug: ready:")
    check(b"<6>" not in text, f"{text!r}")
    equal(daemon.stop(), 0)
    os.close(master)


@test
def without_the_logger_all_else_goes_on(w):
    vm1 = w.qemu("vm1")
    daemon = w.daemon(w.conf([rule("vm1", KEYBOARD)]))
    os.kill(children(daemon)["vhotplug-log"], signal.SIGKILL)
    daemon.reader.join(scaled(5))
    equal(daemon.log[-1], "(end)")
    kbd = w.host.plug("1-2")
    vm1.wait_device(vhp(kbd))
    w.host.unplug(kbd)
    vm1.wait_device(vhp(kbd), there=False)
    daemon.process.send_signal(signal.SIGHUP)
    w.api().ok("version")
    equal(daemon.stop(), 0)


@test
def the_logger_does_not_outlive_the_daemon(w):
    """Neither if nobody reads what it writes, nor if a process that does not end holds the pipe."""
    daemon, helpers, read = unread(w)
    fill(w, daemon, w.api(), 1)
    daemon.process.kill()
    daemon.process.wait()
    all_gone(helpers.values())
    os.close(read)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(w.socket)  # a helper may have done so
    w.daemons.clear()
    daemon = w.daemon(w.conf())
    helpers = children(daemon)
    stuck = helpers["vhotplug-opener"]
    os.kill(stuck, signal.SIGSTOP)
    daemon.process.kill()
    daemon.wait(scaled(5))
    until(lambda: not alive(helpers["vhotplug-log"]), "the logger waits for a process that does not end", 2)
    check(alive(stuck), "it held the pipe")
    os.kill(stuck, signal.SIGCONT)
    all_gone(helpers.values())
    w.daemons.clear()


@test
def the_logger_gives_signals_no_heed(w):
    daemon = w.daemon(w.conf())
    logger = children(daemon)["vhotplug-log"]
    for how in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(logger, how)
    contains(daemon.configure(w.conf()), "configuration reloaded")
    equal(daemon.stop(), 0)
    contains(daemon.log[-2], "stopping")


@test
def where_nothing_waits_there_is_no_logger(w):
    with open("/dev/null", "w", encoding="ascii") as null:
        daemon = w.daemon(w.conf(), stderr=null)
    check("vhotplug-log" not in serving(w, daemon), "/dev/null")
    equal(daemon.stop(), 0)
    daemon = w.daemon(w.conf(), under=["sh", "-c", 'exec "$@" 2>&-', "sh"], ready=False)
    daemon.reader.join(scaled(5))
    check("vhotplug-log" not in serving(w, daemon), "closed")
    daemon.process.send_signal(signal.SIGTERM)
    equal(daemon.process.wait(scaled(5)), 0)


run(World)
