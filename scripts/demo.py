#!/usr/bin/env python3
"""The demonstration: tells a story on the emulated board while it happens. scripts/demo.sh sees to what it needs.

usage: demo.py [--shell] [--keep]
"""
import argparse
import contextlib
import json
import os
import select
import shutil
import signal
import socket
import sys
import textwrap
import threading
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TOP, "board/qemu-x86_64"))

from board import BUILD, Board, BoardError, Vm, until  # noqa: E402

BINARY = os.path.join(TOP, "build/vhotplug")
CLI = "build/vhotplugcli"
LOGS = os.path.join(TOP, "build/demo")
SOCKET = "/run/vhotplug.sock"
PATIENCE = 30.0  # for what usually takes a second: machines may be slow or busy
LEAVE = b"\x1d"  # Ctrl-]

CONFIG = {
    "usbPassthrough": [
        {"description": "keyboards", "targetVm": "desktop", "allow": [{"interfaceClass": 3, "interfaceProtocol": 1}]},
        {"description": "mice", "targetVm": "desktop", "allow": [{"interfaceClass": 3, "interfaceProtocol": 2}]},
        {"description": "tablets", "targetVm": "media", "allow": [{"interfaceClass": 3, "interfaceProtocol": 0}]},
        {"description": "card readers", "targetVm": "desktop", "allow": [{"interfaceClass": 11}]},
        {"description": "sound and phones", "targetVm": "media", "allow": [{"interfaceClass": 1}, {"interfaceClass": 6}]},
        {"description": "storage: ask", "allowedVms": ["desktop", "media"], "allow": [{"interfaceClass": 8}]},
    ],
    "vms": [{"name": name, "type": "qemu", "socket": f"/run/{name}.qmp"} for name in ("desktop", "media")],
    "general": {"api": {"enable": True, "transports": ["unix"], "unixSocket": SOCKET}, "persistency": False},
}

PLUGGED = """A keyboard is plugged in, and a stick that waits for a choice. (Names come from the USB ID table, which calls every
input device of QEMU a tablet.)"""

# For the login shell on the console.
PROFILE = f"""export PS1='board# '
alias vhotplugcli='vhotplugcli -t unix -u {SOCKET}'
"""


class Ended(BaseException):
    """Ctrl-C, or somebody else who wants us to end."""


def catch_signals():
    def end(number, _frame):
        ignore_signals()  # the cleaning up must not be interrupted
        raise Ended(signal.Signals(number).name)

    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        # Who starts us with signals ignored (nohup, a background job of a script) means it; SIGTERM always ends us.
        if number == signal.SIGTERM or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, end)


def ignore_signals():
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


# ---- what is seen


DEVICE_KEYS = ("sys_name", "interfaces", "state", "vm", "vid", "pid", "device_node", "port_path", "product_name")


def render(value, keys, space=" "):
    """JSON as it came, except that device objects keep only their first few interesting keys."""
    if isinstance(value, list):
        return "[" + f",{space}".join(render(v, keys, space) for v in value) + "]"
    if not isinstance(value, dict):
        return json.dumps(value)
    device = "sys_name" in value and "vid" in value
    kept = [k for k in DEVICE_KEYS if k in value][:keys] if device else value
    parts = [f"{json.dumps(k)}:{space}{render(value[k], keys, space)}" for k in kept]
    return "{" + f",{space}".join(parts + ["..."] * (len(kept) < len(value))) + "}"


def shorten(line, width):
    """First devices lose their less interesting fields, then the line its spaces, at last its end."""
    try:
        message = json.loads(line)
        for keys, space in [(n, " ") for n in range(len(DEVICE_KEYS), 0, -1)] + [(1, ""), (0, "")]:
            if len(line) <= width:
                break
            line = render(message, keys, space)
    except ValueError:
        pass
    return line if len(line) <= width else line[: max(0, width - 4)].rsplit(" ", 1)[0] + " ..."


def wrap(text, width, indent):
    """Lines of whole words: a path or an id that is longer than a line stays in one piece."""
    return textwrap.wrap(text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


class Screen:
    """The terminal, or whatever stands in for it: then without colours and without lines that change."""

    BOLD, DIM, GREEN, CYAN, RED = "1", "2", "32", "36", "31"

    def __init__(self):
        self.tty = sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self.colours = self.tty and not os.environ.get("NO_COLOR")
        self.begin = time.monotonic()
        self.lock = threading.Lock()
        self.drawn = False  # a progress line is on the screen

    @property
    def width(self):
        return max(40, shutil.get_terminal_size((120, 24)).columns)

    def elapsed(self):
        return time.monotonic() - self.begin

    def _clear(self):
        if self.drawn:
            sys.stdout.write("\r\033[K")
            self.drawn = False

    def line(self, text="", style=None):
        with self.lock:
            self._clear()
            print(f"\033[{style}m{text}\033[0m" if style and self.colours else text, flush=True)

    def step(self, title):
        self.line()
        self.line(f"[{self.elapsed():6.1f}] {title}", self.BOLD)
        self.pause(1.0)

    def say(self, text, style=None):
        text = f"[{self.elapsed():6.1f}]   {text}"
        self.line("\n".join(wrap(text, self.width, " " * 11)), style)

    def api(self, direction, line):
        self.line(f"{direction} " + shorten(line, self.width - 2), self.CYAN if direction == ">" else self.DIM)

    def proof(self, text):
        for line in text.splitlines():
            for part in wrap(line.strip(), self.width - 2, "    "):
                self.line("| " + part, self.GREEN)

    def pause(self, seconds):
        """Time to read, where somebody reads."""
        if self.tty:
            time.sleep(seconds)

    @contextlib.contextmanager
    def waiting(self, what, every=5.0):
        """Says how long it has been going on already: many times a second on a terminal, else now and then."""
        over = threading.Event()
        begin = time.monotonic()
        if not self.tty:
            self.say(what)

        def tick():
            while not over.wait(0.1 if self.tty else every):
                text = f"[{self.elapsed():6.1f}]   {what} ... {time.monotonic() - begin:.1f} s"
                with self.lock:
                    if over.is_set():
                        break
                    if self.tty:
                        sys.stdout.write("\r" + text[: self.width - 1] + "\033[K")
                        sys.stdout.flush()
                        self.drawn = True
                    else:
                        print(text, flush=True)

        thread = threading.Thread(target=tick, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            with self.lock:
                self._clear()


# ---- the story


class Story:
    def __init__(self, board, screen):
        self.board, self.screen = board, screen
        self.vms = {}
        self.api = None
        self.times = []  # (what, seconds, remark)
        self.stamps = {}  # board time at which an event of that name came last

    def note(self, what, seconds, remark=""):
        self.times.append((what, seconds, remark))

    def said(self, direction, line):
        self.screen.api(direction, line)
        if direction == "<" and '"event"' in line:
            self.stamps[json.loads(line).get("event")] = self.api.stream.stamp

    def info_usb(self, name, condition, what):
        """The VM's own word, once it says what it should."""
        until(lambda: condition(self.vms[name].info_usb()), PATIENCE, what)
        self.screen.say(f"{name}: (qemu) info usb")
        self.screen.proof(self.vms[name].info_usb().strip() or "(no devices)")

    def has(self, name, product):
        self.info_usb(name, lambda t: product in t, f"{product} in {name}")

    def has_not(self, name, product):
        self.info_usb(name, lambda t: product not in t, f"{product} out of {name}")

    def driver(self, sys_name):
        """The host's driver of the device's first interface."""
        link = f"/sys/bus/usb/devices/{sys_name}:1.0/driver"
        try:
            return self.board.readlink(link).rsplit("/", 1)[1]
        except BoardError:
            return None

    def host_drives(self, sys_name, driver):
        until(lambda: self.driver(sys_name) == driver, PATIENCE, f"the host's driver {driver}")
        self.screen.say("the host's sysfs")
        self.screen.proof(f"/sys/bus/usb/devices/{sys_name}:1.0/driver -> {driver}")

    def table(self, devices):
        for d in devices:
            where = f"{d['state']}, {d['vm'] or 'host'}"
            self.screen.proof(f"{d['sys_name']:7} {d['vid']}:{d['pid']} {d['interfaces'] or '-':16} {where}")

    def given(self, what, driver, port, vm, **properties):
        """Plugs, and follows the device into its VM by rule."""
        begin = time.monotonic()
        self.board.plug(driver, what.replace(" ", "-"), port=port, **properties)
        self.api.told("usb_connected", PATIENCE, port_path=port)
        self.api.told("usb_attached", PATIENCE, port_path=port, vm=vm)
        inside = self.stamps["usb_attached"] - self.stamps["usb_connected"]
        self.note(f"{what}: plugged in -> in {vm}", time.monotonic() - begin, f"{inside * 1000:.0f} ms after the kernel had set it up")

    # ---- the chapters

    def boot(self):
        s = self.screen
        s.step("1. The board boots: the daemon first, then the drivers, then two VMs")
        if not os.path.exists(os.path.join(BUILD, "vmlinux")):
            s.say("its kernel is fetched once")
        with s.waiting("preparing kernel and initramfs"):
            self.board.prepare()
        with s.waiting("booting: no KVM, every instruction is emulated"):
            self.board.boot(180)
        self.note("board boots", time.monotonic() - self.board.started)
        self.timeline()
        self.api = self.board.api("unix:" + SOCKET, PATIENCE)
        self.api.said = self.said
        s.say("we are an applet now, connected to the daemon's API")
        self.api.ok("version", PATIENCE)
        self.api.ok("enable_notifications", PATIENCE)
        begin = time.monotonic()
        with s.waiting("starting the VMs desktop and media"):
            self.vms = {name: Vm(self.board, name) for name in ("desktop", "media")}
            for vm in self.vms.values():
                vm.wait_up(PATIENCE)
        self.note("two VMs start", time.monotonic() - begin)
        s.say("two QEMUs run on the board, each with a USB controller (and no guest system: -S)")

    def timeline(self):
        """What came when, by the board's clock: that the daemon was there before the drivers is worth a proof."""
        board, s = self.board, self.screen
        pid = board.read("/run/vhotplug.pid").strip()
        log = until(lambda: "ready:" in (t := board.read("/run/vhotplug.log")) and t, PATIENCE, "the daemon ready")
        # Fields after the command's name in parentheses; the 22nd of all is the start in hundredths of a second.
        started = float(board.read(f"/proc/{pid}/stat").rsplit(")", 1)[1].split()[19]) / 100
        # Its API socket is made just before it says "ready". stat knows the wall clock: date and uptime, read together, translate.
        made, wall, up = board.run(f"stat -c %.6Z {SOCKET}; date +%s.%N; cut -d' ' -f1 /proc/uptime", root="host").split()
        ready = float(made) - float(wall) + float(up)
        events = [(started, "the daemon is started, the first thing init does"), (ready, "its API socket is open: ready")]
        for mark, what in (("Run /init", "the kernel runs /init"), ("xHCI Host Controller", "the driver of the USB controller")):
            for line in board.run("dmesg").splitlines():
                if mark in line:
                    events.append((float(line[1:].split("]")[0]), what))
                    break
        s.say("seconds on the board's own clock")
        for at, what in sorted(events):
            s.proof(f"{at:.2f}  {what}")
        s.proof(f"{board.uptime:.2f}  everything is up")
        s.say("its log: " + [line for line in log.splitlines() if "ready:" in line][0].split(": ", 1)[1])
        self.note("daemon ready after the kernel started", ready, "the board's clock")

    def input(self):
        s = self.screen
        s.step("2. A keyboard and a mouse: rules give them to desktop")
        s.say("plugging in a keyboard (interface class 3, protocol 1)")
        self.given("keyboard", "usb-kbd", "1", "desktop")
        s.pause(1.0)
        s.say("plugging in a mouse (protocol 2)")
        self.given("mouse", "usb-mouse", "2", "desktop")
        self.has("desktop", "QEMU USB Mouse")
        self.has_not("media", "QEMU USB")
        s.pause(1.5)

    def stick(self):
        s = self.screen
        s.step("3. A storage stick: two VMs may have it, so the user is asked")
        s.say("plugging in a stick")
        self.board.plug_stick("stick", port="3")
        asked = self.api.told("usb_select_vm", PATIENCE)
        device = asked["usb_device"]
        name, node = device["sys_name"], device["device_node"]
        self.host_drives(name, "usb-storage")
        s.say(f"the user may choose among {' and '.join(asked['allowed_vms'])}, and picks media")
        s.pause(1.5)
        begin = time.monotonic()
        self.api.ok("usb_attach", PATIENCE, device_node=node, vm="media")
        self.api.told("usb_attached", PATIENCE, vm="media")
        self.note("stick: chosen -> in media", time.monotonic() - begin)
        self.has("media", "QEMU USB HARDDRIVE")
        s.pause(1.0)
        s.say("changed their mind: to desktop with it (named by its ids this time)")
        begin = time.monotonic()
        self.api.ok("usb_attach", PATIENCE, vid=device["vid"], pid=device["pid"], vm="desktop")
        self.api.told("usb_detached", PATIENCE, vm="media")
        self.api.told("usb_attached", PATIENCE, vm="desktop")
        self.note("stick: moved from media to desktop", time.monotonic() - begin)
        self.has_not("media", "QEMU USB HARDDRIVE")
        self.has("desktop", "QEMU USB HARDDRIVE")
        s.pause(1.0)
        s.say("and away from both: a decision, so the kernel ends every hold on it, and the host's drivers keep off, too")
        begin = time.monotonic()
        self.api.ok("usb_detach", PATIENCE, device_node=node)
        self.api.told("usb_detached", PATIENCE, vm="desktop")
        taken = next(d for d in self.api.devices() if d["sys_name"] == name)
        until(lambda: self.driver(name) is None, PATIENCE, "a stick that no driver has")
        self.has_not("desktop", "QEMU USB HARDDRIVE")
        s.proof(f"{name}: {taken['state']}, {taken['reason']}")
        self.note("stick: taken from desktop, and nobody has it", time.monotonic() - begin)
        s.pause(1.5)

    def others(self):
        s = self.screen
        s.step("4. A card reader, a headset and a phone: a rule for each kind")
        s.say("plugging in a reader of smart cards (class 11)")
        self.given("card reader", "usb-ccid", "5", "desktop")
        s.say("plugging in a headset (class 1: sound)")
        self.given("headset", "usb-audio", "6", "media")
        s.say("plugging in a phone that offers its files (class 6: MTP)")
        files = os.path.join(self.board.run_dir, "phone")
        os.makedirs(files, exist_ok=True)
        self.given("phone", "usb-mtp", "7", "media", rootdir=files, desc="phone")
        self.has("desktop", "CCID")
        self.has("media", "Audio")
        s.pause(1.5)

    def hub(self):
        s = self.screen
        s.step("5. A hub with a tablet behind it: the hub stays with the host")
        s.say("plugging in a hub")
        self.board.plug("usb-hub", "hub", port="4")
        s.say("plugging in a tablet behind it (protocol 0: a rule for media)")
        self.given("tablet", "usb-tablet", "4.2", "media")
        self.has("media", "QEMU USB Tablet")
        s.pause(1.0)
        s.say("could somebody have the hub?")
        listed = self.api.devices(all=True)
        self.table(listed)
        hub = [d for d in listed if d["port_path"] == "4"][0]
        refused = self.api.call("usb_attach", PATIENCE, device_node=hub["device_node"], vm="media")
        if refused.get("result") != "failed":
            raise BoardError(f"a hub was given away: {refused}")
        s.pause(1.5)
        s.say("pulling out the hub, with what hangs on it")
        begin = time.monotonic()
        self.board.unplug("hub")
        self.api.told("usb_disconnected", PATIENCE, port_path="4.2")
        self.has_not("media", "QEMU USB Tablet")
        self.note("hub pulled out -> the tablet is out of media", time.monotonic() - begin)
        s.pause(1.5)

    def end(self):
        s = self.screen
        s.step("6. Everything is unplugged")
        for name, port in (("keyboard", "1"), ("mouse", "2"), ("stick", "3"), ("card reader", "5"), ("headset", "6"), ("phone", "7")):
            s.say(f"unplugging the {name}")
            self.board.unplug(name.replace(" ", "-"))
            self.api.told("usb_disconnected", PATIENCE, port_path=port)
        self.has_not("desktop", "QEMU USB")
        left = self.api.devices()
        if left:
            raise BoardError(f"devices are left: {left}")
        self.api.close()

    def tell(self):
        self.boot()
        self.input()
        self.stick()
        self.others()
        self.hub()
        self.end()

    def summary(self):
        s = self.screen
        s.line()
        s.line("Summary: seconds as seen from outside, on an emulated machine within this one", s.BOLD)
        for what, seconds, remark in self.times + [("all of it", s.elapsed(), "")]:
            s.line(f"  {what:50} {seconds:6.2f}{'   ' + remark if remark else ''}")

    # ---- what may come after

    def encore(self):
        """Something to play with: a keyboard for desktop, and a stick that nobody has decided about."""
        self.board.plug("usb-kbd", "keyboard2", port="1")
        self.board.plug_stick("stick2", port="2", serial="second")
        until(lambda: len(self.board.usb()) == 2, PATIENCE, "keyboard and stick in sysfs")


# ---- --keep


class Relay:
    """The API as if it were here: a unix socket and a TCP port, each connection a stream through the board's agent."""

    def __init__(self, board):
        self.board = board
        self.path = os.path.join(board.run_dir, "vhotplug.sock")
        here = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        here.bind(self.path)
        tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        tcp.bind(("127.0.0.1", 0))
        self.port = tcp.getsockname()[1]
        for listener in (here, tcp):
            listener.listen(16)
            threading.Thread(target=self.accept, args=(listener,), daemon=True).start()

    def accept(self, listener):
        while True:
            sock, _ = listener.accept()
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def serve(self, sock):
        with sock:
            try:
                stream = self.board.connect("unix:" + SOCKET)
            except BoardError:
                return
            threading.Thread(target=self.outwards, args=(stream, sock), daemon=True).start()
            with contextlib.suppress(OSError, BoardError):
                while not stream.ended:
                    got = stream.chunk(3600)
                    if got and got[1]:
                        sock.sendall(got[1])
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)  # wakes the other thread
            with contextlib.suppress(BoardError):
                stream.close()

    @staticmethod
    def outwards(stream, sock):
        with contextlib.suppress(OSError, BoardError):
            while True:
                data = sock.recv(65536)
                if not data:
                    break
                stream.send(data)
        with contextlib.suppress(BoardError):
            stream.end()


def keep(board, screen, relay):
    screen.line()
    screen.line("The board keeps running; its API is reachable from this machine.", screen.BOLD)
    screen.line(f"  unix socket  {relay.path}")
    screen.line(f"  TCP          127.0.0.1:{relay.port}")
    screen.line(PLUGGED + " In another terminal, for example:")
    to = f"{CLI} -t unix -u {relay.path}"
    for command in ("usb list", "usb list --short --all", "listen", "usb attach --vid 46f4 --pid 0001 --vm media",
                    "usb detach --vid 46f4 --pid 0001", "usb suspend --vm desktop", "usb resume"):
        screen.line(f"  {to} {command}", screen.CYAN)
    screen.line(f"  {CLI} -t tcp -p {relay.port} usb list --json", screen.CYAN)


# ---- --shell


def shell(board, screen):
    import termios
    import tty

    screen.line()
    screen.line("This is the board's console now; Ctrl-] leaves it.", screen.BOLD)
    screen.line(PLUGGED + " For example:")
    for command in ("vhotplugcli usb list", "vhotplugcli usb attach --vid 46f4 --pid 0001 --vm media",
                    "cat /run/vhotplug.log /etc/vhotplug.conf", "dmesg | tail"):
        screen.line("  " + command, screen.CYAN)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.connect(os.path.join(board.run_dir, "console"))
    before = termios.tcgetattr(0)
    size = None
    try:
        tty.setraw(0)
        sock.sendall(b"\r")  # its prompt was printed when nobody looked
        while True:
            if size != os.get_terminal_size(0):
                size = os.get_terminal_size(0)
                board.run(["stty", "-F", "/dev/ttyS0", "rows", str(size.lines), "cols", str(size.columns)], check=False)
            ready = select.select([0, sock], [], [], 0.5)[0]
            if sock in ready:
                data = sock.recv(65536)
                if not data:
                    raise BoardError("the board is gone")
                while data:
                    data = data[os.write(1, data):]
            if 0 in ready:
                data = os.read(0, 1024)
                sock.sendall(data.split(LEAVE)[0])
                if not data or LEAVE in data:
                    return
    finally:
        termios.tcsetattr(0, termios.TCSAFLUSH, before)  # what the terminal answered to the board is not for our caller
        sock.close()
        print()


# ---- all of it


def save_log(board):
    """The daemon's log, for who wants to read it afterwards."""
    with contextlib.suppress(BoardError, OSError):
        if not board.down.is_set() and board.uptime is not None:
            text = board.read("/run/vhotplug.log")
            with open(os.path.join(LOGS, "vhotplug.log"), "w", encoding="utf-8") as f:
                f.write(text)
            return text
    return ""


def perform(options, screen, state):
    os.makedirs(LOGS, exist_ok=True)
    profile = os.path.join(LOGS, "profile")
    with open(profile, "w", encoding="utf-8") as f:
        f.write(PROFILE)
    config = json.dumps(CONFIG, indent=2) + "\n"
    with Board(LOGS, daemon=BINARY, config=config, options="-d -c /etc/vhotplug.conf", console=options.shell,
               files=[("/etc/profile", profile)]) as board:
        try:
            story = Story(board, screen)
            story.tell()
            story.summary()
            save_log(board)
            if options.shell or options.keep:
                state["told"] = True
                story.encore()
            if options.keep:
                keep(board, screen, Relay(board))
            if options.shell:
                shell(board, screen)
            if options.keep:
                screen.line("It runs until Ctrl-C.", screen.BOLD)
                board.down.wait()
                raise BoardError("the board is gone")
        except (BoardError, OSError) as e:
            log = save_log(board)
            if log:
                screen.line("the daemon's log ends with", screen.RED)
                screen.proof("\n".join(log.splitlines()[-15:]))
            if board.down.is_set():
                raise BoardError(f"the board is gone; see {os.path.relpath(LOGS)}/console.log and qemu.log") from e
            raise
        finally:
            ignore_signals()


def main():
    parser = argparse.ArgumentParser(
        prog="demo.sh", allow_abbrev=False,
        description="Boots an emulated board with vhotplug and two VMs, plugs USB devices in, and shows the API conversation as it happens.",
        epilog="Logs are in build/demo/. Exit status: 0 ok, 1 failed, 2 usage.")
    parser.add_argument("--shell", action="store_true", help="then connect this terminal to the board's console; Ctrl-] leaves")
    parser.add_argument("--keep", action="store_true", help="then keep the board running, its API reachable from here, until Ctrl-C")
    options = parser.parse_args()
    if options.shell and not (sys.stdin.isatty() and sys.stdout.isatty()):
        parser.error("--shell needs a terminal")
    if not os.path.exists(BINARY):
        print("demo: no build/vhotplug: run make, or scripts/demo.sh", file=sys.stderr)
        return 1
    screen = Screen()
    state = {"told": False}  # the story is over: Ctrl-C is the usual end of --keep
    catch_signals()
    try:
        perform(options, screen, state)
        return 0
    except Ended as e:
        if state["told"]:
            screen.line("ended")
            return 0
        screen.line(f"demo: interrupted ({e})", screen.RED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # nobody reads any more: nothing to say
    except (BoardError, OSError) as e:
        screen.line(f"demo: failed: {e}", screen.RED)
        screen.line(f"demo: logs are in {os.path.relpath(LOGS)}/")
    return 1


if __name__ == "__main__":
    sys.exit(main())
