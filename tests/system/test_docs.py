"""The commands of the documents are run as they are printed, and what they print is compared where a page shows it.

A block of `sh` is a script, one of `console` has "$ command" and output. Each of them, in any page, is run, or says in a note before
it why not: <!-- docs: not run: REASON -->. Other notes: `file PATH` (the block is the content of that file), `stays` (its last command
goes on to the end of the page, and is compared then), `plug PORT VID:PID CLASS [NAME=VALUE...]`, `unplug PORT`, `lines of PATH`.

Pages are run in namespaces: /etc, /run, /sys, /var/lib and the ports of the loopback are the test's own. `vhotplug` and
`vhotplugcli` are wrappers that add the made-up host; `sudo` only runs what follows.
"""
import errno
import glob
import json
import os
import pty
import re
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import sys
import termios
import threading
import time
import types
import urllib.request
from fcntl import ioctl

import exposition
import pages
from fakehost import HID_KEYBOARD, HID_MOUSE, STORAGE, VIDEO
from tap import Failed, check, contains, equal, run, scaled, test
from world import BINARY, CLIENT, KEYBOARD, TOP, World, rule

CLASSES = {"keyboard": [HID_KEYBOARD], "mouse": [HID_MOUSE], "storage": [STORAGE], "camera": [VIDEO]}
COLUMNS = 100
API = "/var/lib/vhotplug/vhotplug.sock"
CONF = "/etc/vhotplug.conf"


# ---- the namespace ----

def mount(*arguments):
    subprocess.run(["mount", *arguments], check=True)


def enter_namespace():
    """This program once more, as root of a mount and a network namespace of its own: nothing of the machine is changed, and the ports
    that a page names are free."""
    if os.environ.get("VH_DOCS") == "inside":
        return
    own = [] if os.geteuid() == 0 else ["-r"]
    os.environ["VH_DOCS"] = "inside"
    os.execvp("unshare", ["unshare", *own, "-m", "-n", "--propagation", "private", sys.executable, *sys.argv])


def raise_loopback():
    """As `ip link set lo up` does."""
    get_flags, set_flags, up = 0x8913, 0x8914, 1
    with socket.socket() as s:
        request = struct.pack("16sh14x", b"lo", 0)
        name, flags = struct.unpack("16sh14x", ioctl(s, get_flags, request))
        ioctl(s, set_flags, struct.pack("16sh14x", name, flags | up))


def make_places():
    """/sys is empty; what is written below /etc and /var/lib is in memory."""
    mount("-t", "tmpfs", "docs", "/sys")
    mount("-t", "tmpfs", "docs", "/run")
    for name in ("/etc", "/var/lib"):
        upper, work = (os.path.join("/sys", name.strip("/").replace("/", "-") + kind) for kind in ("-upper", "-work"))
        os.makedirs(upper)
        os.makedirs(work)
        options = f"lowerdir={name},upperdir={upper},workdir={work}"
        if subprocess.run(["mount", "-t", "overlay", "-o", options, "docs", name], stderr=subprocess.DEVNULL, check=False).returncode:
            mount("-t", "overlay", "-o", options + ",userxattr", "docs", name)
    os.makedirs("/sys/power")
    os.makedirs("/var/lib/vhotplug", exist_ok=True)
    mount("-t", "tmpfs", "-o", "mode=0755", "docs", "/var/lib/vhotplug")  # sockets: an overlay of a user takes none


# ---- a reader at work ----

class Reader:
    """Types in what a page shows."""

    def __init__(self, w):
        self.w = w
        self.groups, self.staying, self.running = [], [], False
        self.path = os.path.join(w.dir, "bin")
        os.makedirs(self.path)
        real = f'--root "{w.host.root}"'
        self.wrapper("vhotplug", f"""case $1 in
--check | --limits | --version | --help | -h | cli) exec "{BINARY}" "$@" ;;
doctor) exec "{BINARY}" "$@" {real} ;;
*) exec "{BINARY}" "$@" {real} --uevents "{w.host.uevents}" ;;
esac""")
        self.wrapper("vhotplugcli", f'exec "{CLIENT}" "$@"')
        self.wrapper("sudo", 'exec "$@"')
        self.env = {**os.environ, "PATH": f"{self.path}:{os.environ['PATH']}", "TERM": "xterm", "LC_ALL": "C.UTF-8"}
        for name in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL"):
            self.env.pop(name, None)

    def wrapper(self, name, text):
        path = os.path.join(self.path, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(f"#!/bin/sh\n{text}\n")
        os.chmod(path, 0o755)

    def rest(self):
        if self.running:
            self.w.rest(self.w.api())

    def obey(self, block):
        """The notes of a block that are about devices."""
        for note in block.notes:
            words = shlex.split(note)
            if words[0] == "plug":
                vid, pid = (int(part, 16) for part in words[2].split(":"))
                self.w.host.plug(words[1], vid, pid, CLASSES[words[3]], **dict(word.split("=") for word in words[4:]))
            elif words[0] == "unplug":
                self.w.host.unplug(self.w.host.devices[words[1]])
            self.rest()

    def follow(self, block):
        self.obey(block)
        if block.reason is not None:
            check(len(block.reason) > 15, f"{block}: a reason is a sentence: {block.reason!r}")
        elif block.note("file") is not None:
            with open(block.note("file"), "w", encoding="utf-8") as f:
                f.write(block.text)
        elif block.note("lines of") is not None:
            with open(os.path.join(TOP, block.note("lines of")), encoding="utf-8") as f:
                there = [re.sub(r"\s+#.*", "", line).strip() for line in f]
            for line in block.text.splitlines():
                line = re.sub(r"\s+#.*", "", line).strip()
                check(line == "..." or any(line in other for other in there), f"{block}: not in {block.note('lines of')}: {line}")
        elif block.language == "sh":
            self.script(block)
        elif block.language == "console":
            self.converse(block)

    def script(self, block):
        """Its processes may stay, so nobody waits for the ends of its output."""
        with open(os.path.join(self.w.dir, "output"), "w+", encoding="utf-8") as out:
            process = subprocess.Popen(["sh", "-ec", block.text], cwd=TOP, env=self.env, stdin=subprocess.DEVNULL, stdout=out,
                                       stderr=subprocess.STDOUT, start_new_session=True)
            self.groups.append(process.pid)
            status = process.wait(scaled(20))
            out.seek(0)
            check(status == 0, f"{block}: exit status {status}:\n{block.text}{out.read()}")

    def terminal(self, command):
        """The process, and a list to which what it prints is added until it ends."""
        master, slave = pty.openpty()
        ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))
        process = subprocess.Popen(["sh", "-c", command], cwd=TOP, env=self.env, stdin=subprocess.DEVNULL, stdout=slave, stderr=slave,
                                   start_new_session=True)
        self.groups.append(process.pid)
        os.close(slave)
        printed = []

        def collect():
            try:
                while data := os.read(master, 65536):
                    printed.append(data)
            except OSError as e:
                if e.errno != errno.EIO:  # the last writer is gone
                    raise
            os.close(master)

        thread = threading.Thread(target=collect, daemon=True)
        thread.start()
        return process, printed, thread

    def converse(self, block):
        commands = block.commands
        for command, expected in commands:
            self.rest()
            process, printed, thread = self.terminal(command)
            if block.note("stays") is not None and command == commands[-1][0]:
                self.staying.append((block, command, expected, printed))
                self.settle(command, printed)
                continue
            status = process.wait(scaled(20))
            thread.join(scaled(5))
            text = pages.plain(b"".join(printed).decode())
            check(status == 0, f"{block}: '{command}' ended with {status}:\n" + "\n".join(text))
            self.compare(block, command, text, expected)

    def settle(self, command, printed):
        """Waits until a command that stays is at work."""
        end = time.monotonic() + scaled(10)
        if command.split()[0] == "vhotplug":
            while b"ready:" not in b"".join(printed):
                check(time.monotonic() < end, f"'{command}' is never ready: {printed}")
                time.sleep(0.01)
            self.running = True
            self.w.daemons.append(types.SimpleNamespace(told_before=self.w.host.seqnum, log=[], ended=lambda: True))  # for World.rest()
            return
        if "listen" in command:
            while self.w.api().ok("stats")["clients"]["subscribers"] == 0:
                check(time.monotonic() < end, f"'{command}' never listens")
                time.sleep(0.01)

    @staticmethod
    def compare(block, command, text, expected):
        if expected and not pages.matches(text, expected):
            raise Failed(f"{block}: '{command}' prints\n" + "\n".join(text) + "\nand the page has\n" + "\n".join(expected))

    def finish(self):
        self.rest()
        for block, command, expected, printed in self.staying:
            end = time.monotonic() + scaled(5)  # what a command prints may be on its way
            while not pages.matches(pages.plain(b"".join(printed).decode()), expected) and time.monotonic() < end:
                time.sleep(0.01)
            self.compare(block, command, pages.plain(b"".join(printed).decode()), expected)

    def leave(self):
        for group in self.groups:
            try:
                os.killpg(group, signal.SIGTERM)
            except ProcessLookupError:
                pass


# ---- what each page finds ----

def two_vms(w):
    for name in ("desktop", "media"):
        w.qemus.append(world_qemu(f"/run/{name}.qmp"))


def world_qemu(path):
    from fakeqemu import Qemu
    return Qemu(path)


def office(w):
    """A daemon with a keyboard and a camera; a stick is there that waits for a choice."""
    two_vms(w)
    w.host.place("1-1", 0x046d, 0xc31c, manufacturer="Logitech", product="USB Keyboard")
    w.host.place("1-2", 0x0951, 0x1666, [STORAGE], product="DataTraveler 3.0")
    w.host.place("1-3", 0x046d, 0x0825, [VIDEO])
    conf = w.conf([rule("desktop", KEYBOARD), rule(["desktop", "media"], {"interfaceClass": 8}, tag="stick"),
                   rule("media", {"interfaceClass": 14}, tag="cam")], vms=("desktop", "media"))
    start(w, conf)


def start(w, conf, attached="/dev/bus/usb/001/002"):
    conf["general"]["api"]["unixSocket"] = API
    for vm in conf["vms"]:
        vm["socket"] = f"/run/{vm['name']}.qmp"
    with open(CONF, "w", encoding="utf-8") as f:
        json.dump(conf, f)
    w.daemon(conf, "-a")
    w.reader.running = True
    w.api().list_until(lambda listed: listed[attached]["state"] == "attached")


def monitored(w):
    office(w)
    os.makedirs("/var/lib/prometheus/node-exporter", exist_ok=True)


def board(w):
    """The shipped configuration, and a stick."""
    with open(os.path.join(TOP, "rootfs-overlay/etc/vhotplug.conf"), encoding="utf-8") as f:
        conf = json.load(f)
    for vm in conf["vms"]:
        w.qemus.append(world_qemu(vm["socket"]))
    conf["general"]["api"].update(unixSocket=API, transports=["unix"])
    w.host.place("1-2", 0x0781, 0x5567, [STORAGE])
    w.daemon(conf)
    w.reader.running = True


def migrant(w):
    """A file as the older daemons read it."""
    two_vms(w)
    with open(CONF, "w", encoding="utf-8") as f:
        json.dump({"usbPassthrough": [{"targetVm": "desktop", "allow": [{"interfaceClass": 3, "interfaceProtocol": 1}]}],
                   "vms": [{"name": "desktop", "type": "qemu", "socket": "/run/desktop.qmp"}],
                   "general": {"api": {"enable": True, "transports": ["unix"]}}}, f)


SETUP = {"README.md": two_vms, "docs/boards.md": board, "docs/migration.md": migrant, "docs/monitoring.md": monitored}


def after_monitoring(_):
    """The files that were written, the unit's own command, and the scrape."""
    path = "/var/lib/prometheus/node-exporter/vhotplug.prom"
    with open(path, encoding="utf-8") as f:
        check("vhotplug_build_info" in exposition.read(f.read()), "the collector's file")
    os.unlink(path)
    [unit] = [b for b in pages.read(TOP, "docs/monitoring.md") if "ExecStart=" in b.text]
    [command] = re.findall(r"^ExecStart=(.*)$", unit.text, re.M)
    [where] = re.findall(r"^WorkingDirectory=(.*)$", unit.text, re.M)
    subprocess.run(shlex.split(command), cwd=where, env=_.reader.env, check=True)
    check(os.path.exists(path) and not os.path.exists(path + ".new"), "the unit writes the same file")
    [line] = [b.text for b in pages.read(TOP, "docs/monitoring.md") if b.text.startswith("* * * * *")]
    contains(line, "vhotplugcli stats --prometheus >vhotplug.prom.new && mv vhotplug.prom.new vhotplug.prom")
    with urllib.request.urlopen(until_listening("http://127.0.0.1:9711/metrics"), timeout=scaled(10)) as answer:
        equal((answer.status, answer.headers["Content-Type"]), (200, "text/plain; version=0.0.4"))
        check("vhotplug_build_info" in exposition.read(answer.read().decode()), "the scrape")


def until_listening(url):
    end = time.monotonic() + scaled(5)
    while True:
        try:
            urllib.request.urlopen(url, timeout=scaled(10)).close()
            return url
        except ConnectionError as e:
            check(time.monotonic() < end, str(e))
        except urllib.error.URLError as e:
            check(time.monotonic() < end, str(e))
        time.sleep(0.01)


AFTER = {"docs/monitoring.md": after_monitoring}

# Here each block has a language; elsewhere one without is no command.
STRICT = ("README.md", "CONTRIBUTING.md", "docs/boards.md", "docs/migration.md", "docs/monitoring.md")


def all_pages():
    found = [os.path.relpath(path, TOP) for pattern in ("*.md", "docs/*.md", "docs/*.[158]") for path in sorted(glob.glob(os.path.join(TOP, pattern)))]
    return [page for page in found if page != "CHANGELOG.md"]


def page_test(page):
    def follow(w):
        blocks = pages.read(TOP, page)
        w.reader = Reader(w)
        if any(b.language in ("sh", "console") and b.reason is None for b in blocks):
            SETUP.get(page, office)(w)
        try:
            for block in blocks:
                w.reader.follow(block)
            w.reader.finish()
            AFTER.get(page, lambda _: None)(w)
        finally:
            w.reader.leave()

    follow.__name__ = re.sub(r"\W", "_", page)
    return test(follow)


@test
def every_block_is_run_or_says_why_not(_):
    ran, not_run, nameless = 0, 0, []
    for page in all_pages():
        for block in pages.read(TOP, page):
            nameless += [str(block)] if page in STRICT and not block.language else []
            if block.language in ("sh", "console"):
                ran += block.reason is None
                not_run += block.reason is not None
            else:
                check(block.reason is None, f"{block}: a block of {block.language or 'no language'} is not run anyway")
            if block.language == "json":
                check_json(block)
    equal(nameless, [], "say sh or console, which are run, or another language (text)")
    print(f"# {ran} blocks of commands are run, {not_run} say why they are not")
    check(ran >= 8, "the blocks are found")


def check_json(block):
    """JSON, or members of an object; and a whole configuration is a sound one."""
    try:
        value = json.loads(block.text)
    except ValueError:
        value = None
        json.loads("{" + block.text + "}")
    if isinstance(value, dict) and "vms" in value and "usbPassthrough" in value:
        with open("/run/page.conf", "w", encoding="utf-8") as f:
            f.write(block.text)
        done = subprocess.run([BINARY, "--check", "-c", f.name], capture_output=True, text=True, timeout=scaled(10), check=False)
        check(done.returncode == 0 and "warning" not in done.stderr, f"{block}: {done.stderr}{done.stdout}")


@test
def a_page_that_is_wrong_is_found(w):
    """The test of the test: a command that fails, other output, no reason."""
    w.reader = Reader(w)

    def fails(text, part):
        try:
            for block in pages.of_markdown("x.md", text):
                w.reader.follow(block)
        except Failed as e:
            contains(str(e), part)
            return
        raise Failed(f"nobody noticed: {text}")

    for block in pages.of_markdown("x.md", "```sh\ntrue\n```\n```console\n$ echo a; echo b; echo c\na\n...\nc\n$ printf 'one two\\n'\none ...\n```\n"):
        w.reader.follow(block)
    fails("```sh\nfalse\ntrue\n```\n", "x.md:1: exit status 1")
    fails("```console\n$ false\n```\n", "'false' ended with 1")
    fails("```console\n$ echo a\nb\n```\n", "'echo a' prints\na\n")
    fails("```console\n$ echo a; echo b\na\n```\n", "prints")
    fails("<!-- docs: not run: no -->\n```sh\nfalse\n```\n", "a reason is a sentence")
    fails("```console\noutput\n```\n", "output before the first")
    fails("<!-- docs: lines of Makefile -->\n```sh\nno such line\n```\n", "not in Makefile")
    fails("<!-- docs: stays -->\nText.\n", "a note for no block")
    fails("```sh\nvhotplugcli --nonsense\n```\n", "exit status 2")
    w.reader.leave()


for name in all_pages():
    page_test(name)


class Docs(World):
    """The world of one page: its places are empty at the beginning."""

    def __init__(self):
        super().__init__()
        self.socket = API
        for place in ("/run", "/var/lib/vhotplug"):
            for name in os.listdir(place):
                path = os.path.join(place, name)
                shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)
        if os.path.exists(CONF):
            os.unlink(CONF)


enter_namespace()
raise_loopback()
make_places()
run(Docs)
