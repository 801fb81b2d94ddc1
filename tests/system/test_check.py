"""vhotplug --check and vhotplug doctor: the output that an integrator reads before the first start."""
import json
import os
import pty
import re
import signal
import socket
import shutil
import subprocess
import time

from fakehost import HUB, STORAGE, VIDEO
from tap import check, contains, equal, run, scaled, test
from world import BINARY, KEYBOARD, STICK, World, free_port, rule

CAMERA = {"interfaceClass": 14}


def checked(w, text):
    path = os.path.join(w.dir, "x.conf")
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    done = subprocess.run([BINARY, "--check", "-c", path], capture_output=True, text=True, timeout=scaled(10), check=False)
    return done.returncode, done.stderr.replace(path, "x.conf"), done.stdout.replace(path, "x.conf")


SAMPLE = """{
  "usbPassthrough": [
\t{ "targetVm": "vm1", "allow": [ { "vendorID": "046d" }, { "interfaceClass": 3 } ] },
    { "targetVm": "mv2", "tag": "é", "allow": [ { "interfaceClass": 3, "bus": 1 } ] }
  ],
  "vms": [ { "name": "vm1", "type": "qemu", "socket": 7 }, { "name": "vm2", "type": "qemu", "socket": "/b" } ],
  "general": { "api": { "transports": [ "vsock" ] } }
}
"""

SHOWN = """x.conf:3:36: error: usbPassthrough[0].allow[0].vendorID: unknown key 'vendorID': did you mean 'vendorId'?
    3 | \t{ "targetVm": "vm1", "allow": [ { "vendorID": "046d" }, { "interfaceClass": 3 } ] },
      | \t                                  ^
x.conf:4:19: warning: usbPassthrough[1].targetVm: there is no VM 'mv2' in 'vms': did you mean 'vm2'?
    4 |     { "targetVm": "mv2", "tag": "é", "allow": [ { "interfaceClass": 3, "bus": 1 } ] }
      |                   ^
x.conf:4:49: warning: usbPassthrough[1].allow[0]: never decides: usbPassthrough[0] (line 3) already takes every such device, by the entry on line 3
    4 |     { "targetVm": "mv2", "tag": "é", "allow": [ { "interfaceClass": 3, "bus": 1 } ] }
      |                                                 ^
x.conf:6:55: error: vms[0].socket: expected an absolute path, found the number 7
    6 |   "vms": [ { "name": "vm1", "type": "qemu", "socket": 7 }, { "name": "vm2", "type": "qemu", "socket": "/b" } ],
      |                                                       ^
"""


@test
def every_problem_is_shown_at_once_with_its_line_and_a_caret(w):
    status, errors, out = checked(w, SAMPLE)
    equal(status, 1)
    blocks = re.split(r"(?m)^(?=x\.conf)", errors)
    for block in re.split(r"(?m)^(?=x\.conf)", SHOWN):
        check(block in blocks, f"{block}\nis not in\n{errors}")
    contains(errors, "nobody may connect over VSOCK")
    check("no rule uses" not in errors, "a rule that was not read may use it")
    equal(out, "x.conf: not usable: 2 errors, 3 warnings\n")


@test
def the_last_line_counts_and_strict_makes_warnings_errors(w):
    def last(conf, *options):
        path = os.path.join(w.dir, "x.conf")
        with open(path, "w", encoding="utf-8") as f:
            f.write(conf if isinstance(conf, str) else json.dumps(conf))
        done = subprocess.run([BINARY, "--check", *options, "-c", path], capture_output=True, text=True, timeout=scaled(10), check=False)
        return done.returncode, done.stdout.replace(path, "x.conf")

    sound = w.conf([rule("vm1", KEYBOARD), rule("vm2", {"bus": 2})])
    equal(last(sound), (0, "x.conf: ok: 2 rules, 2 VMs, 0 warnings\n"))
    equal(last(sound, "--strict"), (0, "x.conf: ok: 2 rules, 2 VMs, 0 warnings\n"))
    one = {**w.conf([rule("vm1", KEYBOARD)], vms=("vm1",)), "remark": 1}
    equal(last(one), (0, "x.conf: ok: 1 rule, 1 VM, 1 warning\n"))
    equal(last(one, "--strict"), (1, "x.conf: not usable with --strict: 1 rule, 1 VM, 1 warning\n"))
    many = {**one, **{f"remark{i}": 1 for i in range(300)}}
    equal(last(many), (0, "x.conf: ok: 1 rule, 1 VM, 301 warnings\n"))
    equal(last("{"), (1, "x.conf: not usable: 1 error, 0 warnings\n"))
    equal(last(w.conf([rule("vm1", {"vendorID": "046d"})])), (1, "x.conf: not usable: 1 error, 0 warnings\n"))
    gone = subprocess.run([BINARY, "--check", "-c", "/nowhere/x.conf"], capture_output=True, text=True, timeout=scaled(10), check=False)
    equal((gone.returncode, gone.stdout), (1, "/nowhere/x.conf: not usable\n"))
    equal(subprocess.run([BINARY, "--strict"], capture_output=True, timeout=scaled(10), check=False).returncode, 2)


@test
def a_slip_is_named_where_it_is_also_after_a_byte_order_mark(w):
    status, errors, _ = checked(w, '\ufeff{"vms": [],\n "vms": [] }')
    equal((status, errors), (1, """x.conf:2:2: error: the key "vms" is in this object twice: first on line 1
    2 |  "vms": [] }
      |  ^
"""))
    status, errors, _ = checked(w, '\ufeff{"vms": [], // none\n}')
    equal(errors.splitlines()[1:], ['    1 | {"vms": [], // none', "      |             ^"])
    equal(checked(w, "\ufeff" + json.dumps(w.conf()))[0], 0)


@test
def a_reload_with_a_misspelt_key_changes_nothing(w):
    vm = w.qemu("vm1")
    rules = [rule("vm1", KEYBOARD, deny=[{"serial": "x"}])]
    daemon = w.daemon(w.conf(rules))
    kbd = w.host.plug("1-2")
    w.api().list_until(lambda l: l and l[kbd.node]["vm"] == "vm1")
    for wrong in ({"targetVM": "vm1", "allow": [KEYBOARD]}, {**rules[0], "deny": [{}]}, {**rules[0], "deny": [{"vendorID": "046d"}]},
                  {**rules[0], "enabled": False}):
        contains(daemon.configure(w.conf([wrong])), "not reloaded")
        equal((w.api().list()[kbd.node]["vm"], len(vm.devices), vm.count("device_del")), ("vm1", 1, 0), str(wrong))
    contains(daemon.configure(w.conf([{**rules[0], "remark": "as before"}])), "configuration reloaded")
    equal(len(vm.devices), 1)


@test
def a_reload_that_would_make_a_rule_idle_changes_nothing_and_says_so(w):
    vm = w.qemu("vm1")
    rules = [rule("vm1", KEYBOARD, description="keyboards")]
    daemon = w.daemon(w.conf(rules))
    kbd = w.host.plug("1-2")
    w.api().list_until(lambda l: l and l[kbd.node]["vm"] == "vm1")
    for idle in ([{**rules[0], "targetVm": "mv1"}], [rule("vm2", {"interfaceClass": 3}), rules[0]], [{**rules[0], "deny": [KEYBOARD]}],
                 [{**rules[0], "allow": []}]):
        since = len(daemon.log)
        contains(daemon.configure(w.conf(idle)), "not reloaded")
        daemon.wait_log("usbPassthrough.*the rule applies in the configuration in force and never would in this one", since=since)
        equal((w.api().list()[kbd.node]["vm"], len(vm.devices), vm.count("device_del")), ("vm1", 1, 0), str(idle))
    for meant in ([rules[0], rule("vm2", KEYBOARD)], [{**rules[0], "disable": True}], []):
        contains(daemon.configure(w.conf(meant)), "configuration reloaded")
    w.api().list_until(lambda l: not l or l[kbd.node]["vm"] is None)


@test
def the_file_is_named_in_any_of_three_ways(w):
    text = json.dumps({"vms": 5})
    path = os.path.join(w.dir, "x.conf")
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)

    def run_check(*arguments, stdin=""):
        done = subprocess.run([BINARY, *arguments], input=stdin, capture_output=True, text=True, timeout=scaled(10), check=False)
        return done.returncode, done.stdout, done.stderr.splitlines()[:1]

    shown = (1, f"{path}: not usable: 1 error, 0 warnings\n", [f"{path}:1:9: error: vms: expected an array of VMs, found the number 5"])
    equal(run_check("--check", "-c", path), shown)
    equal(run_check("--check", path), shown)
    equal(run_check(path, "--check"), shown)
    by_stdin = (1, "standard input: not usable: 1 error, 0 warnings\n",
                ["standard input:1:9: error: vms: expected an array of VMs, found the number 5"])
    equal(run_check("--check", "-c", "-", stdin=text), by_stdin)
    equal(run_check("--check", "-", stdin=text), by_stdin)
    equal(run_check("--check", "-", stdin="{}"), (0, "standard input: ok: 0 rules, 0 VMs, 0 warnings\n", []))
    equal(run_check("--check", "-", stdin=" " * 2_000_000)[0], 1)
    for wrong in (("-c", "-"), (path,), ("--check", path, path), ("--check", "-c", path, path)):
        equal(run_check(*wrong)[0], 2, str(wrong))


@test
def levels_are_coloured_on_a_terminal_alone(w):
    path = os.path.join(w.dir, "x.conf")
    with open(path, "w", encoding="utf-8") as f:
        f.write('{"vms": 5, "x": 1}')

    def on_a_terminal(**environment):
        master, slave = pty.openpty()
        with subprocess.Popen([BINARY, "--check", path], stdout=subprocess.DEVNULL, stderr=slave, env={"PATH": "/bin", **environment}) as process:
            os.close(slave)
            out = b""
            try:
                while data := os.read(master, 65536):
                    out += data
            except OSError:  # the other end is closed
                pass
            os.close(master)
            process.wait(scaled(10))
        return out.decode().replace("\r\n", "\n").replace(path, "x.conf")

    plain = """x.conf:1:9: error: vms: expected an array of VMs, found the number 5
    1 | {"vms": 5, "x": 1}
      |         ^
x.conf:1:12: warning: x: unknown key 'x'
    1 | {"vms": 5, "x": 1}
      |            ^
"""
    coloured = on_a_terminal(TERM="xterm")
    contains(coloured, "\x1b[1;31merror: \x1b[0mvms: expected")
    contains(coloured, "\x1b[1;35mwarning: \x1b[0mx: unknown")
    equal(re.sub("\x1b\\[[0-9;]*m", "", coloured), plain)
    equal(on_a_terminal(TERM="xterm", NO_COLOR="1"), plain)
    equal(on_a_terminal(TERM="dumb"), plain)
    equal(on_a_terminal(), plain)
    check("\x1b" in on_a_terminal(TERM="xterm", NO_COLOR=""), "an empty NO_COLOR is none")


@test
def a_line_without_end_is_shown_around_the_place(w):
    conf = {"vms": [{"name": f"vm{i}", "type": "qemu", "socket": f"/{i}"} for i in range(60)], "generall": {}}
    status, errors, _ = checked(w, json.dumps(conf))
    equal(status, 0)
    [place] = re.findall(r"x.conf:1:(\d+): warning: generall: unknown key", errors)
    lines = errors.splitlines()
    at = [i for i, line in enumerate(lines) if "generall: unknown" in line][0]
    check(int(place) > 1000 and lines[at + 1].startswith("    1 | ...") and len(lines[at + 1]) < 130, lines[at + 1])
    equal(lines[at + 1].index('"generall"'), lines[at + 2].index("^"))


@test
def what_a_file_holds_cannot_draw_on_the_terminal(w):
    status, errors, _ = checked(w, '{"a\u009b": 1, "b": \x1b[2J}')
    equal(status, 1)
    check("\x1b" not in errors and "\u009b" not in errors, repr(errors))
    status, errors, _ = checked(w, "")
    equal(status, 1)
    contains(errors, "x.conf:1:1: error")


def live(w, conf, *options):
    path = os.path.join(w.dir, "new.conf")
    with open(path, "w", encoding="utf-8") as f:
        f.write(conf if isinstance(conf, str) else json.dumps(conf))
    done = subprocess.run([BINARY, "--check", "--live", "--root", w.host.root, "-c", path, *options], capture_output=True, text=True,
                          timeout=scaled(20), check=False)
    return done.returncode, done.stdout.replace(path, "new.conf"), done.stderr.replace(path, "new.conf")


@test
def live_says_where_each_device_is_and_would_be(w):
    w.qemu("vm1")
    w.qemu("vm2")
    old = [rule("vm1", KEYBOARD, description="keys"), rule(["vm1", "vm2"], STICK, tag="disk"), rule("vm2", CAMERA, tag="cam"), rule("vm3", {"vendorId": "fff0", "productId": "0005"})]
    vms = ("vm1", "vm2", "vm3")
    daemon = w.daemon(w.conf(old, vms=vms))
    api = w.api()
    w.host.plug("1-4", 0x05e3, 0x0608, [HUB], device_class=HUB)
    kbd = w.host.plug("1-1", 0xfff0, 1, manufacturer="Acme", product="Keys\x1b[2J")
    stick = w.host.plug("1-2", 0xfff0, 2, [STORAGE], manufacturer="Acme", product="Stick")
    other = w.host.plug("1-3", 0xfff0, 3, [STORAGE], manufacturer="Acme", product="Disk")
    camera = w.host.plug("1-5", 0xfff0, 4, [VIDEO], manufacturer="Acme", product="Cam")
    late = w.host.plug("1-7", 0xfff0, 5, [(255, 0, 0)], manufacturer="Acme", product="Late")
    api.list_until(lambda l: len(l) == 5 and l[kbd.node]["vm"] == "vm1" and l[camera.node]["vm"] == "vm2" and l[late.node]["state"] == "waiting")
    api.ok("usb_attach", device_node=stick.node, vm="vm2")
    api.ok("usb_detach", device_node=camera.node)
    held = w.host.plug("1-6", 0xfff0, 6, [(7, 1, 2)], manufacturer="Acme", product="Printer")
    api.list_until(lambda l: l is not None, all=True)

    def shown(rules, **options):
        status, out, err = live(w, w.conf(rules, vms=vms, **options))
        equal(err.count("error"), 0, err)
        first, *lines = out.splitlines()
        contains(first, "new.conf: ok: ")
        return status, [line.replace(" (line 1", " (").replace("Keys?[2J", "Keys") for line in lines]

    same = (0, ["  1-1      fff0:0001 Acme Keys: vm1, by usbPassthrough[0] (: keys)",
                "  1-2      fff0:0002 Acme Stick: vm2, by usbPassthrough[1] ()",
                "  1-3      fff0:0003 Acme Disk: host until somebody chooses vm1 or vm2, by usbPassthrough[1] ()",
                "  1-5      fff0:0004 Acme Cam: host, since it is disconnected, in spite of usbPassthrough[2] ()",
                "  1-6      fff0:0006 Acme Printer: host, since no rule applies",
                "  1-7      fff0:0005 Acme Late: host, waits for vm3, by usbPassthrough[3] ()",
                "6 devices, 0 would change"])
    equal(shown(old), same)
    status, lines = shown([rule("vm2", KEYBOARD), rule("vm1", STICK), rule("vm2", {"interfaceClass": 7}, description="paper")])
    equal((status, lines), (1, [
        "* 1-1      fff0:0001 Acme Keys: vm1 -> vm2, by usbPassthrough[0] ()",
        "* 1-2      fff0:0002 Acme Stick: vm2 -> vm1, by usbPassthrough[1] ()",
        "* 1-3      fff0:0003 Acme Disk: host -> vm1, by usbPassthrough[1] ()",
        "  1-5      fff0:0004 Acme Cam: host, since it is disconnected",
        "* 1-6      fff0:0006 Acme Printer: host -> vm2, by usbPassthrough[2] (: paper)",
        "  1-7      fff0:0005 Acme Late: host, since no rule applies",
        "6 devices, 4 would change"]))
    status, lines = shown([rule(["vm2", "vm3"], KEYBOARD)])
    equal((status, lines[:2], lines[-1]), (1, ["* 1-1      fff0:0001 Acme Keys: vm1 -> host until somebody chooses vm2 or vm3, by usbPassthrough[0] ()",
                                             "* 1-2      fff0:0002 Acme Stick: vm2 -> host, since no rule applies"], "6 devices, 2 would change"))
    equal(w.api().list()[kbd.node]["vm"], "vm1")  # it was asked only
    check(held.node and other.node and daemon, "")


@test
def live_needs_a_sound_file_and_a_daemon(w):
    conf = w.conf([rule("vm1", KEYBOARD)])
    status, out, err = live(w, conf)
    equal(status, 2)
    contains(err, "vhotplug: no daemon to compare with: ")
    contains(err, w.socket)
    contains(out, "new.conf: ok: 1 rule")
    w.host.place("1-1")
    w.daemon(conf)
    w.api().list_until(lambda l: True)
    equal(live(w, {"vms": 5})[0], 2)
    equal(live(w, conf)[0], 0)
    contains(live(w, conf)[1], "host, left alone until it is asked for; then vm1, by usbPassthrough[0]")
    moved = {**conf, "general": {**conf["general"], "api": {**conf["general"]["api"], "unixSocket": w.socket + ".new"}}}
    equal(live(w, moved)[0], 2)
    equal(live(w, moved, f"--live={w.socket}")[0], 0)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as mute:
        mute.bind(w.socket + ".mute")
        mute.listen(1)
        with subprocess.Popen([BINARY, "--check", f"--live={w.socket}.mute", "--root", w.host.root, "-"], stdin=subprocess.PIPE,
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
            process.stdin.write("{}")
            process.stdin.close()
            peer, _ = mute.accept()
            peer.recv(100)
            peer.sendall(b"220 mail ready\r\n")
            contains(process.stderr.read(), "what listens there is no vhotplug")
            equal(process.wait(scaled(10)), 2)
            peer.close()
    equal(subprocess.run([BINARY, "--live"], capture_output=True, timeout=scaled(10), check=False).returncode, 2)


def doctor(w, conf, *options):
    path = os.path.join(w.dir, "doctor.conf")
    with open(path, "w", encoding="utf-8") as f:
        json.dump(conf, f)
    return subprocess.run([BINARY, "doctor", "-c", path, "--root", w.host.root, *options], capture_output=True, text=True,
                          timeout=scaled(20), check=False)


@test
def a_healthy_host_is_said_to_be_healthy(w):
    w.qemu("vm1")
    w.host.place("1-1")
    w.host.place("1-2", 0x0951, 0x1666, [STORAGE])
    w.daemon(w.conf([rule("vm1", KEYBOARD)]))
    w.api().list_until(lambda l: True)
    done = doctor(w, w.conf([rule("vm1", KEYBOARD), rule("vm2", {"bus": 7})]))
    equal((done.returncode, done.stderr), (0, ""), done.stdout)
    contains(done.stdout, "ok       usbfs: 3 devices, 1 of them hubs, every node can be opened\n")
    contains(done.stdout, "note     VM vm2: ")
    contains(done.stdout, "ok       daemon: somebody listens at ")
    contains(done.stdout, "ok       workers: 7 run, each answers in time\n")  # nothing is saved, so no disk worker
    contains(done.stdout, "ok       log: no line dropped\n")
    contains(done.stdout, "note     modules: no lists in /lib/modules/")
    check(re.search(r"ok       rescan: \d+\.\d{3} ms", done.stdout), done.stdout)
    check(re.search(r"VM vm1: process \d+ (of user \d+ answers as QEMU|does not greet)", done.stdout), done.stdout)
    contains(done.stdout, "nothing stands in the way\n")


@test
def problems_come_with_advice_and_status_1(w):
    bad = w.host.place("1-1", descriptors=b"\x12\x01")
    os.unlink(w.host.path(bad.node))
    os.makedirs(os.path.dirname(w.vm_path("vm1")), exist_ok=True)
    with open(w.vm_path("vm1"), "w", encoding="utf-8"):
        pass
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stranger:
        stranger.bind(w.vm_path("vm2"))
        os.chmod(w.vm_path("vm2"), 0o777)
        done = doctor(w, w.conf([rule("vm1", KEYBOARD), rule("vm2", KEYBOARD)]))
    equal(done.returncode, 1, done.stdout)
    contains(done.stdout, "note     device 1-1: unclassifiable: ")
    contains(done.stdout, "problem  usbfs: 1 of 2 nodes cannot be opened: No such file or directory")
    contains(done.stdout, f"problem  VM vm1: {w.vm_path('vm1')} is no socket")
    contains(done.stdout, "problem  VM vm2: every user of this host can drive it: ")
    contains(done.stdout, f"note     VM vm2: {w.vm_path('vm2')} (user ")
    check(re.search(r"\n[3-9] problems\n$", done.stdout), done.stdout)


def helpers(daemon):
    """The processes of a daemon by name, as the kernel shows it."""
    found = {}
    pid = daemon.process.pid
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
        for child in f.read().split():
            with open(f"/proc/{child}/comm", encoding="utf-8") as name:
                found.setdefault(name.read().strip(), []).append(int(child))
    return found


@test
def a_daemon_in_trouble_is_found(w):
    kbd = w.host.place("1-1")
    state = os.path.join(w.dir, "state")
    os.mkdir(state)
    daemon = w.daemon(w.conf([rule("vm1", KEYBOARD)], persistency=True, statePath=os.path.join(state, "state.json")))
    api = w.api()
    api.list_until(lambda l: kbd.node in l)
    of = helpers(daemon)
    os.kill(of["vhotplug-opener"][0], signal.SIGKILL)
    daemon.wait_log("the opener is gone")
    os.rename(state, state + ".aside")
    with open(state, "w", encoding="utf-8"):
        pass
    api.fails("usb_detach", "Not a directory", device_node=kbd.node)
    for worker in of["vhotplug-device"]:
        os.kill(worker, signal.SIGSTOP)
    w.host.plug("1-2")
    daemon.wait_log("no answer in time: order=\"reading\" device=1-2")
    done = doctor(w, w.conf([rule("vm1", KEYBOARD)]))
    for worker in of["vhotplug-device"]:
        os.kill(worker, signal.SIGCONT)
    equal(done.returncode, 1, done.stdout)
    check(re.search(r"device workers: [1-4] of 4 not answering in time \(a device does not answer: ", done.stdout), done.stdout)
    contains(done.stdout, "problem  opener: 1 of 1 ended (the log says why; restart the daemon)\n")
    contains(done.stdout, "problem  saves: the last one failed, as 1 of 1; decisions are refused ")
    check("workers: " not in done.stdout.replace("device workers: ", ""), done.stdout)


@test
def a_vm_that_is_something_else_is_a_problem(w):
    vm = w.qemu("vm1", greet=b"220 mail ready\r\n")
    done = doctor(w, w.conf([rule("vm1", KEYBOARD)], vms=("vm1",)))
    equal(done.returncode, 1, done.stdout)
    contains(done.stdout, "is no QMP monitor")
    vm.end()


def until(ask, wanted):
    """Asks until the answer is as wanted."""
    end = time.monotonic() + scaled(5)
    while not wanted(answer := ask()) and time.monotonic() < end:
        time.sleep(0.01)
    return answer


def tcp(w, port, **general):
    return w.conf(api={"transports": ["unix", "tcp"], "tcpPort": port}, **general)


@test
def a_port_that_another_program_has_is_a_problem(w):
    """Whose it is, is said; that of the daemon which runs is none."""
    port = free_port()
    contains(doctor(w, tcp(w, port)).stdout, f"ok       TCP: 127.0.0.1 port {port} is free\n")
    for host in ("127.0.0.1", "0.0.0.0", "::"):
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as other:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            other.bind((host, port))
            other.listen()
            done = doctor(w, tcp(w, port))
        equal(done.returncode, 1, done.stdout)
        contains(done.stdout, f"problem  TCP: 127.0.0.1 port {port} is in use by process {os.getpid()} (")
        contains(done.stdout, ") (end it, or set general.api.tcpPort)\n")
    w.daemon(tcp(w, port))
    done = doctor(w, tcp(w, port))
    equal(done.returncode, 0, done.stdout)
    contains(done.stdout, f"ok       TCP: the daemon listens at 127.0.0.1 port {port}\n")


@test
def an_address_that_the_host_does_not_have_is_a_problem(w):
    conf = tcp(w, free_port())
    conf["general"]["api"]["host"] = "192.0.2.1"  # for documentation: nobody has it
    done = doctor(w, conf)
    equal(done.returncode, 1, done.stdout)
    contains(done.stdout, "(no interface of this host has that address: general.api.host)\n")


@test
def an_owner_that_the_host_does_not_know_is_a_problem(w):
    done = doctor(w, w.conf(api={"unixSocketUser": "nobody-here", "unixSocketGroup": "no-group"}))
    equal(done.returncode, 1, done.stdout)
    contains(done.stdout, "problem  API: general.api.unixSocketGroup: 'no-group' is not in /etc/group; the socket stays with the "
             "daemon's own (addgroup no-group, or correct the name)\n")
    contains(done.stdout, "problem  API: general.api.unixSocketUser: 'nobody-here' is not in /etc/passwd; ")
    contains(done.stdout, "2 problems\n")


@test
def directories_that_nobody_made_are_problems(w):
    """The daemon makes the last one of a path, so that one may be missing."""
    near, far = os.path.join(w.dir, "near"), os.path.join(w.dir, "far/away")
    done = doctor(w, w.conf(api={"unixSocket": near + "/api.sock"}, persistency=True, statePath=near + "/state"))
    equal(done.returncode, 0, done.stdout)
    done = doctor(w, w.conf(vms=["vm1"], api={"unixSocket": far + "/api.sock"}, persistency=True, statePath=far + "/state",
                            recordPath="/nowhere/record"))
    equal(done.returncode, 1, done.stdout)
    contains(done.stdout, f"problem  state: no directory {far}; what users choose is forgotten at the next start (mkdir -p {far})\n")
    contains(done.stdout, f"problem  API: no directory {far}; nobody can connect to its unix socket (mkdir -p {far})\n")
    contains(done.stdout, "problem  record: /nowhere: No such file or directory; ")
    vms = os.path.dirname(w.vm_path("vm1"))
    contains(done.stdout, f"note     VM vm1: not running, and no directory {vms} for its socket (mkdir -p {vms}, or correct vms[].socket)\n")
    contains(done.stdout, "3 problems\n")


@test
def a_monitor_of_another_user_is_a_problem(w):
    w.qemu("vm1")
    done = doctor(w, w.conf(vms=["vm1"], vm_options={"vm1": {"uid": 54321}}))
    equal(done.returncode, 1, done.stdout)
    contains(done.stdout, f"problem  VM vm1: process {os.getpid()} of user {os.geteuid()} serves its monitor, and the configuration has "
             "user 54321; it gets no device (run QEMU as that user, or correct vms[].uid)\n")


@test
def a_monitor_that_another_user_took_over_is_a_problem(w):
    """Neither root nor the owner of the socket serves it."""
    if os.geteuid() != 0:
        return
    path = os.path.join(w.dir, "taken.sock")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(path)
        pid = os.fork()
        if pid == 0:
            os.setgroups([])
            os.setresuid(65534, 65534, 65534)
            listener.listen()  # who listens is who the kernel names
            signal.pause()
        try:
            os.chown(path, 1, 1)
            conf = w.conf(vms=["vm1"])
            conf["vms"][0]["socket"] = path
            done = until(lambda: doctor(w, conf), lambda d: "not running" not in d.stdout)
        finally:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
    equal(done.returncode, 1, done.stdout)
    contains(done.stdout, f"problem  VM vm1: process {pid} of user 65534 serves the monitor of user 1; it gets no device (chown {path}, ")


@test
def a_kernel_without_usb_is_a_problem(w):
    shutil.rmtree(w.host.path("sys/bus/usb"))
    done = doctor(w, w.conf())
    equal(done.returncode, 1, done.stdout)
    contains(done.stdout, "problem  USB: no /sys/bus/usb; this kernel sees no device (modprobe usbcore; CONFIG_USB_SUPPORT, CONFIG_USB, "
             "and sysfs on /sys)\n")
    contains(done.stdout, "1 problem\n")


@test
def a_second_daemon_is_a_problem(w):
    """One without the lock, as the older daemons are; and one of another root, while the host's own runs."""
    with World() as other:
        stranger = other.daemon(other.conf())
        conf = w.conf(api={"unixSocket": other.socket})
        done = doctor(w, conf)
        equal(done.returncode, 1, done.stdout)
        check(re.search(r"problem  daemon: process \d+ \(vhotplug.*\) serves " + other.socket + " without the lock of this host; two daemons "
                        r"would take devices from each other \(end it before vhotplug starts\)\n", done.stdout), done.stdout)
        own = w.daemon(w.conf())
        done = doctor(w, conf)
        check(re.search(rf"problem  daemon: process \d+ \(vhotplug.*\) serves .*, and process {own.process.pid} is the daemon; ", done.stdout),
              done.stdout)
        contains(doctor(w, w.conf()).stdout, "nothing stands in the way\n")
        check(stranger.process.poll() is None and own.process.poll() is None, "doctor ends nobody")


@test
def a_bad_configuration_or_option_ends_the_visit(w):
    done = doctor(w, {"vms": 5})
    equal((done.returncode, done.stdout), (1, ""))
    contains(done.stderr, "error: vms: expected an array of VMs")
    equal(doctor(w, {}, "--what").returncode, 2)


run(World)
