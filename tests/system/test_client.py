"""The client's exact output, for people, scripts and metrics collectors, and its exit statuses."""
import json
import os
import re
import subprocess

from fakehost import STORAGE, VIDEO
from scripted import Scripted
from tap import check, contains, equal, run, scaled, test
from terminal import Terminal
from world import CLIENT, KEYBOARD, STICK, TOP, World, free_port, rule

CAMERA = {"interfaceClass": 14}


def on_a_terminal(w, *arguments, columns=80, **env):
    """What it prints on standard output of a terminal."""
    return Terminal(["-u", w.socket, *arguments], columns, **{"LANG": "C.UTF-8", **env}).end()[1]


def office(w):
    """A keyboard in its VM, a stick that waits for a choice, a camera that was taken away, a hub."""
    w.qemu("vm1")
    kbd = w.host.place("1-1", 0xfff0, 0x0001, manufacturer="Acme", product="Keyboard", serial="K1")
    stick = w.host.place("1-2.3", 0xfff0, 0x0002, [STORAGE], manufacturer="Acme", product="Stick ☃", removable="removable")
    camera = w.host.place("1-3", 0xfff0, 0x0003, [VIDEO], manufacturer="Acme", product="Cam")
    w.daemon(w.conf([rule("vm1", KEYBOARD, description="Keyboards"), rule(["vm1", "vm2"], STICK, tag="disk"),
                     rule("vm1", CAMERA, tag="cam", deny=[{"serial": "7"}])]))
    api = w.api()
    for device in (kbd, camera):
        api.ok("usb_attach", device_node=device.node)
    api.ok("usb_detach", device_node=camera.node)
    return kbd, stick, camera


@test
def a_list_in_a_pipe_is_what_scripts_expect(w):
    kbd, stick, _ = office(w)
    equal(w.cli("usb", "list", "--short", "--connected").stdout, "fff0:0001 Acme Keyboard\nfff0:0002 Acme Stick ☃\n")
    text = w.cli("usb", "list").stdout
    blocks = text.split("\n\n")
    equal((len(blocks), blocks[-1]), (4, ""))
    equal([b for b in blocks if "Keyboard" in b], [f"""fff0:0001 Acme Keyboard
  device_node     : {kbd.node}
  vid             : fff0
  pid             : 0001
  vendor_name     : Acme
  product_name    : Keyboard
  serial          : K1
  interfaces      : :030101:
  device_class    : 0
  device_subclass : 0
  device_protocol : 0
  busnum          : 1
  devnum          : {kbd.devnum}
  portnum         : 1
  port_path       : 1
  speed           : 480
  sys_name        : 1-1
  connector       : pci0000:00-0000:00:01.0/2:1
  stable_path     : pci0000:00-0000:00:01.0/2:1
  removable       : unknown
  allowed_vms     : ['vm1']
  vm              : vm1
  foreign         : False
  disconnected    : False
  tag             : None
  state           : attached
  reason          : None"""])
    equal([b for b in blocks if "Stick" in b][0].split("allowed_vms")[1], """     : ['vm1', 'vm2']
  vm              : None
  foreign         : False
  disconnected    : False
  tag             : disk
  state           : idle
  reason          : was there before the daemon started (see --attach-connected)""")
    equal(w.cli("usb", "list", "--tag", "disk", "--short").stdout, "fff0:0002 Acme Stick ☃\n")
    done = w.cli("usb", "list", "--disconnected", "--tag", "disk")
    equal((done.returncode, done.stdout, done.stderr), (0, "", ""))
    done = w.cli("usb", "list", "--tag", "none")
    equal((done.returncode, done.stdout, done.stderr), (1, "", "vhotplugcli: no rule has the tag 'none'\n"))
    check(stick.node in w.cli("usb", "list", "--plain").stdout, "plain in a pipe, too")


TABLE = """PORT   ID         KIND      VM          STATE       TAG   DEVICE
1-1    fff0:0001  keyboard  vm1         attached          Acme Keyboard
1-2.3  fff0:0002  storage   (vm1, vm2)  idle        disk  Acme Stick ☃
    was there before the daemon started (see --attach-connected)
1-3    fff0:0003  camera    (vm1)       taken away  cam   Acme Cam
    disconnected by an admin
"""


@test
def a_list_on_a_terminal_is_a_table(w):
    office(w)
    equal(on_a_terminal(w, "usb", "list", TERM="dumb"), TABLE)
    equal(on_a_terminal(w, "usb", "list", TERM="xterm", NO_COLOR="1"), TABLE)
    coloured = on_a_terminal(w, "usb", "list", TERM="xterm")
    contains(coloured, "vm1\033[0m         \033[32mattached\033[0m    ")
    equal(re.sub("\033\\[[0-9]*m", "", coloured), TABLE)
    equal(on_a_terminal(w, "usb", "list", "--plain", TERM="xterm"), w.cli("usb", "list").stdout)
    equal(on_a_terminal(w, "usb", "list", "--short", TERM="xterm"), w.cli("usb", "list", "--short").stdout)
    equal(on_a_terminal(w, "usb", "list", "--connected", "--tag", "cam", TERM="xterm"), "")


@test
def a_device_cannot_draw_on_the_terminal(w):
    w.host.place("1-1", 0xfff0, 1, manufacturer="\033[2Jx\u009b", product="\a")
    w.daemon(w.conf([rule("vm1", KEYBOARD)]))
    for arguments in (["usb", "list"], ["explain", "--bus", "1", "--port", "1"]):
        text = on_a_terminal(w, *arguments, TERM="dumb")
        contains(text, "?[2Jx? ?")
        check("\033" not in text and "\a" not in text and "\u009b" not in text, repr(text))


@test
def a_vm_cannot_draw_on_the_terminal_either(w):
    vm = w.qemu("vm1")
    kbd = w.host.place("1-1")
    w.daemon(w.conf([rule("vm1", KEYBOARD)]))
    vm.hooks["device_add"] = lambda _: vm.error("\033[2Jno\u009b")
    done = w.cli("usb", "attach", "--devnode", kbd.node)
    equal((done.returncode, done.stderr), (1, "vhotplugcli: ?[2Jno?\n"))


@test
def status_answers_the_kill_switch_question(w):
    vm = w.qemu("vm1")
    w.daemon(w.conf([rule("vm1", CAMERA, tag="cam")]))

    def status(*arguments):
        done = w.cli("status", "--tag", "cam", *arguments)
        equal(done.stderr, "")
        return done.returncode, done.stdout

    equal(status(), (4, "cam: no such device now; one that is plugged in later is not blocked\n"))
    camera = w.host.plug("1-1", 0xfff0, 3, [VIDEO])
    w.api().list_until(lambda l: l and l[camera.node]["vm"] == "vm1")
    equal(status(), (3, f"cam: not blocked, 1 of 1; one that is plugged in later is not blocked\n  {camera.node} attached vm1\n"))
    equal(w.cli("usb", "detach", "--tag", "cam").returncode, 0)
    equal(status(), (0, "cam: blocked, 1; one that is plugged in later is blocked\n"))
    equal(json.loads(status("--json")[1])["tag_disconnected"], True)
    second = w.host.plug("1-2", 0xfff0, 4, [VIDEO])
    w.api().list_until(lambda l: second.node in l and l[second.node]["disconnected"])
    equal(status(), (0, "cam: blocked, 2; one that is plugged in later is blocked\n"))
    w.host.unplug(camera)
    w.host.unplug(second)
    w.api().list_until(lambda l: not l)
    equal(status()[0], 4)
    w.host.plug("1-3", 0xfff0, 5, [VIDEO])
    w.rest(w.api())
    equal((status()[0], list(vm.devices)), (0, []))
    equal(w.cli("usb", "attach", "--tag", "cam").returncode, 0)
    equal(status("--json")[0], 3)
    done = w.cli("status", "--tag", "nothing")
    equal((done.returncode, done.stdout, done.stderr), (1, "", "vhotplugcli: no rule has the tag 'nothing'\n"))


def camera_that_is_not_let_go(w, **vm_options):
    vm = w.qemu("vm1")
    w.daemon(w.conf([rule("vm1", CAMERA, tag="cam")], vm_options={"vm1": vm_options}))
    camera = w.host.plug("1-1", 0xfff0, 3, [VIDEO])
    w.api().list_until(lambda l: l and l[camera.node]["vm"] == "vm1")
    vm.hooks["device_del"] = lambda _: vm.error("not now")
    return w.cli("usb", "detach", "--tag", "cam").returncode, w.cli("status", "--tag", "cam").returncode


@test
def a_camera_that_a_trusted_vm_does_not_let_go_is_not_blocked(w):
    equal(camera_that_is_not_let_go(w, revoke=False), (1, 3))


@test
def a_camera_is_blocked_whatever_its_vm_says(w):
    equal(camera_that_is_not_let_go(w), (0, 0))


@test
def a_kill_switch_says_what_others_have_done_since_and_what_is_not_known(w):
    vm = w.qemu("vm1")
    w.daemon(w.conf([rule("vm1", CAMERA, tag="cam")]))
    camera = w.host.plug("1-1", 0xfff0, 3, [VIDEO])
    w.api().list_until(lambda l: l[camera.node]["vm"] == "vm1")
    equal(w.cli("usb", "detach", "--tag", "cam").returncode, 0)
    vm.give("theirs", hostbus=1, hostaddr=camera.devnum)  # by another monitor; QEMU has not opened it yet
    done = w.cli("status", "--tag", "cam")
    equal((done.returncode, done.stdout), (6, f"""cam: taken away, but it is not known whether anybody has it, 1 of 1; one that is plugged in later is blocked
  {camera.node} idle , VM 'vm1' lists it
"""))
    w.host.driver(camera, 0, "usbfs")
    done = w.cli("status", "--tag", "cam")
    equal(done.returncode, 3)
    contains(done.stdout, f"  {camera.node} attached vm1, a program of this host has it")
    del vm.devices["theirs"]
    done = w.cli("status", "--tag", "cam")  # whoever it is
    equal((done.returncode, done.stdout.splitlines()[1]), (3, f"  {camera.node} idle , a program of this host has it"))
    w.host.driver(camera, 0, None)
    equal(w.cli("status", "--tag", "cam").returncode, 0)
    vm.wait_idle()
    vm.greet = False
    done = w.cli("status", "--tag", "cam")
    equal((done.returncode, done.stdout.splitlines()[1]), (6, f"  {camera.node} idle , VM 'vm1' has not answered"))


@test
def a_device_is_named_by_what_lists_call_it(w):
    vm = w.qemu("vm1")
    w.daemon(w.conf([rule("vm1", CAMERA, tag="cam")]))
    camera = w.host.plug("1-1", 0xfff0, 3, [VIDEO])
    w.api().given("vm1", camera)
    for name in ("1-1", 40 * "0" + "1-1", "fff0:0003", "FFF0:0003", camera.node, "cam"):
        done = w.cli("usb", "detach", name)
        equal((done.returncode, vm.devices), (0, {}), f"{name}: {done.stderr}")
        equal(w.cli("usb", "attach", name, "--vm", "vm1").returncode, 0, name)
        equal(len(vm.devices), 1, name)
    equal(json.loads(w.cli("explain", "1-1", "--json").stdout)["usb_device"]["sys_name"], "1-1")
    for nobody, why in (("1-9", "no such USB device"), ("fff0:0009", "no such USB device"), ("/dev/bus/usb/001/099", "no such USB device"),
                        ("/dev/sda", "expected a node"), ("1-1x", "no rule has the tag '1-1x'"), ("kam", "no rule has the tag 'kam'")):
        done = w.cli("usb", "detach", nobody)
        equal(done.returncode, 1, nobody)
        contains(done.stderr, why)
    equal(len(vm.devices), 1)
    for wrong in (["usb", "detach", "1-1", "1-1"], ["usb", "list", "1-1"], ["usb", "suspend", "vm1"], ["status", "cam"], ["explain", "cam"],
                  ["usb", "detach", "cam", "--vid", "fff0"]):
        equal(w.cli(*wrong).returncode, 2, " ".join(wrong))


@test
def status_says_how_it_stands_and_whether_anybody_is_there(w):
    equal(w.cli("status").returncode, 5)
    equal(w.cli("status", "--tag", "cam").returncode, 5)
    equal(w.cli("usb", "list").returncode, 1)
    office(w)
    done = w.cli("status")
    equal((done.returncode, done.stderr), (0, ""))
    equal(re.sub(", connected", "", done.stdout), """devices:    3
attached:   1
taken away: 1
VM vm1: up, devices 1
VM vm2: down, devices 0
""")


@test
def explain_tells_rules_entries_fields_and_what_is_waited_for(w):
    _, _, camera = office(w)
    done = w.cli("explain", "--devnode", camera.node)
    equal((done.returncode, done.stderr, done.stdout), (0, "", f"""fff0:0003 Acme Cam
  node        {camera.node}
  port        1-3
  connector   pci0000:00-0000:00:01.0/2:3
  stable path pci0000:00-0000:00:01.0/2:3
  interfaces  :0e0100:
  removable   unknown

rule 0 (line 1, Keyboards): no allow entry matches
  allow[0] (line 1) differs in interfaceClass, interfaceProtocol

rule 1 (line 1): no allow entry matches
  allow[0] (line 1) differs in interfaceClass

rule 2 (line 1): decides
  allow[0] (line 1) matches
  deny[0] (line 1) differs in serial

decides:  rule 2
allowed:  vm1
state:    idle
because:  disconnected by an admin
"""))
    done = w.cli("explain", "--vid", "ffff", "--pid", "0001", "--class", "0x08/6/80", "--class", "3", "--port", "2.1", "--bus", "1")
    contains(done.stdout, "  interfaces  :080650:030000:\n")
    contains(done.stdout, "not plugged in: as described")
    contains(done.stdout, "decides:  rule 1\nallowed:  vm1, vm2\ntarget:   whichever of them is chosen\n")
    equal(json.loads(w.cli("--json", "explain", "--serial", "7", "--device-class", "0xef/2/1").stdout)["usb_device"]["device_class"], 239)
    contains(w.cli("explain", "--vid", "fff9", "--pid", "0001").stdout, "decides:  no rule\nbecause:  no rule applies\n")
    done = w.cli("explain", "--bus", "1", "--port", "9")
    equal((done.returncode, done.stdout), (1, ""))
    contains(done.stderr, "no such USB device")
    for wrong in (["--class", "300"], ["--class", "1/2/3/4"], ["--class", "x"], ["--device-class", ""], ["--tag", "cam"], []):
        equal(w.cli("explain", *wrong).returncode, 2, str(wrong))


@test
def stats_as_lines(w):
    office(w)
    text = w.cli("stats").stdout
    contains(text, "\ndevices: present 3, disconnected 1, idle 2, pending 0, attached 1, waiting 0, failed 0\n")
    contains(text, "\nVM vm2: down, devices 0\n")


@test
def bash_completes_commands_options_and_names(w):
    _, stick, _ = office(w)
    with open(os.path.join(w.dir, "vhotplugcli"), "w", encoding="utf-8") as f:
        f.write(f'#!/bin/sh\nexec "{CLIENT}" -u "{w.socket}" "$@"\n')
    os.chmod(f.name, 0o755)

    def offered(*words):
        script = f"""source {TOP}/scripts/completion.bash
            COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _"$1"; printf '%s\\n' "${{COMPREPLY[@]}}" """
        done = subprocess.run(["bash", "-c", script, "bash", *words], capture_output=True, text=True, timeout=scaled(10), check=False,
                              env={**os.environ, "PATH": w.dir + ":" + os.environ["PATH"]})
        equal((done.returncode, done.stderr), (0, ""))
        return done.stdout.split()

    equal(offered("vhotplugcli", "usb", "l"), ["list"])
    for command in commands():
        words = command.split()
        check(words[-1] in offered("vhotplugcli", *words[:-1], words[-1][:-1]), f"{command} is not offered")
    equal(offered("vhotplugcli", "-u", "/x", "st"), ["state", "status", "stats"])
    equal(offered("vhotplugcli", "state", ""), ["acknowledge"])
    equal(offered("vhotplugcli", "state", "acknowledge", ""), [])
    equal(offered("vhotplugcli", "usb", "attach", "--v"), ["--vid", "--vm"])
    equal(offered("vhotplug", "cli", "usb", "suspend", "--"), ["--vm"])
    equal(offered("vhotplug", "--ch"), ["--check"])
    equal(offered("vhotplugcli", "status", "--tag", ""), ["cam", "disk"])
    equal(offered("vhotplugcli", "usb", "attach", "--vm", "vm2"), ["vm2"])
    check(stick.node in offered("vhotplugcli", "explain", "--devnode", "/dev"), "nodes of what is there")


@test
def figures_count_what_happens(w):
    w.qemu("vm1")
    daemon = w.daemon(w.conf([rule("vm1", KEYBOARD)]))
    api = w.api()
    before = api.ok("stats")
    kbd = w.host.plug("1-1")
    api.list_until(lambda l: l and l[kbd.node]["vm"] == "vm1")
    w.host.unplug(kbd)
    api.list_until(lambda l: not l)
    w.rest(api)
    api.fails("usb_attach", "no such", device_node="/dev/bus/usb/001/099")
    after = api.ok("stats")

    def grown(group, name):
        return after[group][name] - before[group][name]

    equal([grown("plugs", n) for n in ("plugged", "unplugged", "attached", "detached")], [1, 1, 1, 1])
    equal(grown("uevents", "got"), 4)
    equal(sum(after["plug_to_attached"]["count"]), 1)
    check(grown("operations", "ok") >= 2 and after["operations"]["refused_by_vm"] == 0, str(after))
    check(grown("clients", "requests") >= 4, str(after))
    equal(daemon.process.poll(), None)


@test
def answers_that_make_no_sense_are_failures(w):
    for answer, said in (("nonsense\n", "the daemon's answer is not understood"), ('{"result": "failed"}\n', "the daemon's answer is not understood"),
                         ('{"result": "failed", "error": "why"}\n', "why"), ('{"result": "failed", "error": "a\\u001b[2Jb"}\n', "a?[2Jb"),
                         (None, "the daemon closed the connection"), ("half a line", "the daemon closed the connection")):
        with Scripted(w, answer) as daemon:
            done = daemon.ask("usb", "list")
            equal((done.returncode, done.stdout), (1, ""), str(answer))
            contains(done.stderr, said)
        with Scripted(w, answer) as daemon:
            equal(daemon.ask("status").returncode, 5 if answer in (None, "half a line") else 1, str(answer))
        with Scripted(w, answer) as daemon:
            done = daemon.ask("listen")
            equal((done.returncode, done.stdout), (1, ""), str(answer))


@test
def debug_shows_both_lines(w):
    with Scripted(w, '{"result": "ok", "version": "9"}\n') as daemon:
        done = daemon.ask("-d", "version")
        equal((done.returncode, done.stdout), (0, "9\n"))
        equal(done.stderr, '> {"action": "version"}\n< {"result": "ok", "version": "9"}\n')
    with Scripted(w, '{"result": "ok", "version": "9"}\n') as daemon:
        equal(daemon.ask("--json", "version").stdout, '{"result": "ok", "version": "9"}\n')


@test
def a_description_is_sent_as_it_was_typed(w):
    with Scripted(w, '{"result": "failed", "error": "x"}\n') as daemon:
        daemon.ask("explain", "--vid", "046d", "--pid", "c31c", "--serial", "a\"b", "--removable", "fixed", "--class", "0x0e/1/0", "--class", "3",
                   "--class", "0X03/1", "--device-class", "239/2/0x1")
        equal(json.loads(daemon.asked[0]), {"action": "explain", "device": {
            "vid": "046d", "pid": "c31c", "serial": 'a"b', "removable": "fixed", "device_class": 239, "device_subclass": 2,
            "device_protocol": 1, "interfaces": ":0e0100:030000:030100:"}})


def python_prints(device):
    """What the older client makes of a device: str() of each value, in the daemon's order."""
    return "".join(f"  {key:<16}: {value}\n" for key, value in device.items())


@test
def details_are_what_python_prints(w):
    devices = [{"vid": "1", "pid": "2", "vendor_name": "A", "product_name": "B", "serial": None, "device_class": 239, "yes": True, "no": False,
                "allowed_vms": names} for names in ([], ["vm1"], ["a'b", 'a"b', "a'\"b", "a\\b"], ["☃", "a\tb\x01\x7f\u009b\u200e\r\n"], [1, None, True])]
    reply = json.dumps({"result": "ok", "usb_devices": devices}, ensure_ascii=False)
    with Scripted(w, reply + "\n") as daemon:
        equal(daemon.ask("usb", "list").stdout, "".join(f"1:2 A B\n{python_prints(d)}\n" for d in devices))


# What the older clients' users type: long options, beginnings of them, and all that is known of a device at once.
OLDER_LINES = (
    (["--transport", "unix", "--path", "PATH", "usb", "list", "--conn"], {"action": "usb_list", "disconnected": False}),
    (["--tr=unix", "--p", "PATH", "usb", "list", "--d"], {"action": "usb_list", "disconnected": True}),
    (["--pa=PATH", "--deb", "--no-debug", "usb", "list", "--t", "cam", "--sh"], {"action": "usb_list", "tag": "cam"}),
    (["-u", "PATH", "usb", "attach", "--d", "/dev/bus/usb/001/002", "--vm=vm1"],
     {"action": "usb_attach", "device_node": "/dev/bus/usb/001/002", "vm": "vm1"}),
    (["-u", "PATH", "usb", "attach", "--vid", "0951", "--pi", "1666", "--bu", "1", "--po", "2", "--vm", "vm1"],
     {"action": "usb_attach", "bus": "1", "port": "2", "vid": "0951", "pid": "1666", "vm": "vm1"}),
    (["-u", "PATH", "usb", "detach", "--vid", "0951", "--pid", "1666", "--bus", "1", "--port", "2"],
     {"action": "usb_detach", "bus": "1", "port": "2", "vid": "0951", "pid": "1666"}),
    (["-u", "PATH", "usb", "suspend", "--v", "vm1"], {"action": "usb_suspend", "vm": "vm1"}),
    (["usb", "resume", "--path", "PATH"], {"action": "usb_resume"}),
    (["--path", "PATH", "--", "usb", "resume"], {"action": "usb_resume"}),
)


@test
def what_users_of_the_older_clients_type(w):
    for typed, sent in OLDER_LINES:
        with Scripted(w, '{"result": "ok", "usb_devices": []}\n') as daemon:
            arguments = [a.replace("PATH", daemon.path) for a in typed]
            done = subprocess.run([CLIENT, *arguments], capture_output=True, text=True, timeout=scaled(20), check=False)
            equal((done.returncode, done.stdout), (0, ""), str(typed))
            equal([json.loads(line) for line in daemon.asked], [sent], str(typed))
            equal(done.stderr, "", str(typed))


@test
def input_devices_are_listed_with_their_properties(w):
    device = {"device_node": "/dev/input/event0", "name": "AT keyboard", "bus": None, "properties": {"ID_INPUT": "1", "ID_INPUT_KEY": "1"},
              "allowed_vms": ["gui-vm"], "vm": None}
    reply = json.dumps({"result": "ok", "evdev_devices": [device, {**device, "name": None, "properties": {}}]}) + "\n"
    with Scripted(w, reply) as daemon:
        equal(daemon.ask("evdev", "list").stdout, """/dev/input/event0 AT keyboard
  device_node     : /dev/input/event0
  name            : AT keyboard
  bus             : None
  properties      : ID_INPUT=1 ID_INPUT_KEY=1
  allowed_vms     : ['gui-vm']
  vm              : None

/dev/input/event0
  device_node     : /dev/input/event0
  name            : None
  bus             : None
  properties      : 
  allowed_vms     : ['gui-vm']
  vm              : None

""")
        equal(json.loads(daemon.asked[0]), {"action": "evdev_list"})
    with Scripted(w, reply) as daemon:
        equal(daemon.ask("evdev", "list", "--short", "--all", "--tag", "keys").stdout, "/dev/input/event0 AT keyboard\n/dev/input/event0\n")
        equal(json.loads(daemon.asked[0]), {"action": "evdev_list", "tag": "keys", "all": True})
    with Scripted(w, '{"result": "ok", "evdev_devices": []}\n') as daemon:
        equal((daemon.ask("evdev", "list").stdout, daemon.ask("evdev", "lst").returncode), ("", 2))


@test
def pci_devices_and_arguments_of_another_daemon(w):
    device = {"address": "0000:00:1f.3", "driver": None, "vid": "8086", "did": "2930", "vendor_name": "Intel", "device_name": "SMBus", "vm": "vm1"}
    with Scripted(w, json.dumps({"result": "ok", "pci_devices": [device]}) + "\n") as daemon:
        equal(daemon.ask("pci", "list", "--conn").stdout, f"0000:00:1f.3 8086:2930 Intel SMBus\n{python_prints(device)}\n")
        equal(json.loads(daemon.asked[0]), {"action": "pci_list", "disconnected": False})
    with Scripted(w, json.dumps({"result": "ok", "pci_devices": [device, device]}) + "\n") as daemon:
        equal(daemon.ask("pci", "list", "--short").stdout, "0000:00:1f.3 8086:2930 Intel SMBus\n" * 2)
    with Scripted(w, '{"result": "ok"}\n') as daemon:
        equal(daemon.ask("pci", "attach", "--vid", "8086", "--did", "2930", "--vm", "a").returncode, 0)
        equal(json.loads(daemon.asked[0]), {"action": "pci_attach", "vid": "8086", "did": "2930", "vm": "a"})
    for words, printed in ((["-device", "vfio-pci,host=0000:00:1f.3,id=vhp-pci-0", "-x"], "-device vfio-pci,host=0000:00:1f.3,id=vhp-pci-0 -x"),
                           ([], ""), (["-device", "a b"], None), ([""], None), (["a\n"], None), ([1], None)):
        with Scripted(w, json.dumps({"result": "ok", "vmm_args": words}) + "\n") as daemon:
            done = daemon.ask("vmm", "args", "--vm", "vm1", "--qemu-bus-p", "p_", "--qemu-bus-start-index", "1", "--req")
            equal((done.returncode, done.stdout), (1, "") if printed is None else (0, printed), str(words))
            equal(json.loads(daemon.asked[0]), {"action": "vmm_args", "vm": "vm1", "qemu_bus_prefix": "p_", "qemu_bus_start_index": "1", "require_pci": True})


@test
def ids_and_place_at_once_mean_one_device(w):
    vm = w.qemu("vm1")
    w.daemon(w.conf([rule("vm1", STICK)], vms=("vm1",)))
    place, ids = (["--bus", "1", "--port", "2"], ["--vid", "0951", "--pid", "1666"])
    equal(w.cli("usb", "attach", *ids, *place).returncode, 1)
    w.host.plug("1-1", 0x0951, 0x1666, [STORAGE])
    twin = w.host.plug("1-2", 0x0951, 0x1666, [STORAGE])
    w.api().list_until(lambda l: len(l) == 2 and all(d["vm"] for d in l.values()))
    equal((w.cli("usb", "detach", *ids).returncode, len(vm.devices)), (1, 2))  # which of them?
    equal((w.cli("usb", "detach", *ids, *place).returncode, len(vm.devices)), (0, 1))
    equal(w.cli("usb", "detach", "--vid", "ffff", "--pid", "1666", *place).returncode, 1)
    equal((w.cli("usb", "attach", *ids, *place, "--devnode", twin.node, "--vm", "vm1").returncode, len(vm.devices)), (0, 2))


@test
def a_tag_that_no_device_has_is_attached_and_detached(w):
    w.daemon(w.conf([rule("vm1", CAMERA, tag="cam")]))
    for command in ("attach", "detach", "attach", "attach"):
        done = w.cli("usb", command, "--tag", "cam")
        equal((done.returncode, done.stdout, done.stderr), (0, "", ""), command)
    done = w.cli("usb", "attach", "--tag", "none")
    equal((done.returncode, done.stderr), (1, "vhotplugcli: no rule has the tag 'none'\n"))


@test
def what_is_typed_wrong_is_usage(_):
    describe = ["explain", "--vid", "1", "--pid", "2"]
    for arguments in (["-c", "0", "version"], ["-c", "4294967296", "version"], ["-p", "65536", "version"], ["-p", "x", "version"],
                      ["vm", "list"], ["usb", "list", "more"], [*describe, "--class", "256"], [*describe, "--class", "0x100"], [*describe, "--class", ""],
                      [*describe, "--class", "1/2/3/4"], [*describe, "--class", "1/x"], [*describe, "--device-class", "0x"], [*describe, "--device-class", "x"],
                      [*describe, *["--class", "3"] * 300], ["usb", "attach", "--bus", "1"], ["usb", "detach", "--port", "1", "--vid", "1"],
                      ["usb", "attach", "--bus", "1", "--vid", "1", "--pid", "2"], ["usb", "attach", "--tag", "x", "--vid", "1"],
                      ["vmm", "args"], ["vmm", "args", "--vm", "a", "--timeout", "x"], ["pci", "attach"], ["pci", "attach", "--vid", "1", "--tag", "x"],
                      ["usb", "list", "--require-pci"], ["usb", "detach", "--"], ["--c", "2", "usb", "list", "--x"], ["usb", "attach", "--v", "vm1"], ["--p", "x"], ["--n", "version"],
                      ["listen", "--tag", "x"], ["explain"]):
        done = subprocess.run([CLIENT, "-u", "/nowhere/x", *arguments], capture_output=True, text=True, timeout=scaled(20), check=False)
        equal((done.returncode, done.stdout), (2, ""), str(arguments))
        check(re.fullmatch(r"vhotplugcli: .+\nTry 'vhotplugcli( [a-z]+){0,2} --help'\.\n", done.stderr), done.stderr)


SLIPS = (
    (["lst"], "no such command 'lst': did you mean 'usb list'?"),
    (["staus", "--tag", "x"], "no such command 'staus': did you mean 'status'?"),
    (["ubs", "list"], "no such command 'ubs': did you mean 'usb'?"),
    (["usb", "atach", "1-2"], "no such command 'usb atach': did you mean 'usb attach'?"),
    (["usb"], "'usb' alone is no command: expected usb list, usb attach, "),
    (["usb", "fly"], "no such command 'usb fly': expected usb list, usb attach, "),
    (["fly", "away"], "no such command 'fly'"),
    ([], "no command"),
    (["usb", "list", "--disconected"], "no such option '--disconected': did you mean '--disconnected'?"),
    (["usb", "list", "--tga=x"], "no such option '--tga': did you mean '--tag'?"),
    (["--transprot", "unix", "version"], "no such option '--transprot': did you mean '--transport'?"),
    (["usb", "list", "--xyzzy"], "no such option '--xyzzy'"),
    (["usb", "attach", "--v", "x"], "--v stands for several options: --vid, --vm"),
    (["usb", "list", "--short=3"], "--short takes no value"),
    (["usb", "list", "--tag"], "--tag needs a value"),
    (["-dx", "version"], "no such option '-x'"),
    (["-p"], "-p needs a value"),
    (["usb", "list", "--prometheus"], "this command does not take --prometheus"),
)


@test
def a_slip_is_named_with_what_may_have_been_meant(_):
    for arguments, said in SLIPS:
        done = subprocess.run([CLIENT, *arguments], capture_output=True, text=True, timeout=scaled(20), check=False)
        equal((done.returncode, done.stdout), (2, ""), str(arguments))
        contains(done.stderr, f"vhotplugcli: {said}")


def commands():
    """Those of the general help, with the lines about them."""
    done = subprocess.run([CLIENT, "--help"], capture_output=True, text=True, timeout=scaled(20), check=False)
    equal((done.returncode, done.stderr), (0, ""))
    check(all(len(line) <= 80 for line in done.stdout.splitlines()), done.stdout)
    return dict(re.findall(r"^  ([a-z]+(?: [a-z]+)?)(?: \[?DEVICE\]?)? +(\S.*)$", done.stdout, re.M))


@test
def each_command_has_help_with_an_example_that_it_takes(_):
    check(len(commands()) >= 17, str(commands()))
    for command, about in commands().items():
        for words in ([*command.split(), "--help"], [*command.split(), "-h"]):
            done = subprocess.run([CLIENT, *words], capture_output=True, text=True, timeout=scaled(20), check=False)
            equal((done.returncode, done.stderr), (0, ""), command)
            contains(done.stdout.lower(), f"usage: vhotplugcli {command}".lower())
            contains(done.stdout, about[1:])
            check(all(len(line) <= 80 for line in done.stdout.splitlines()), done.stdout)
        example = re.search(rf"^Example: vhotplugcli ({command}.*)$", done.stdout, re.M)[1]
        done = subprocess.run([CLIENT, "-u", "/nowhere/x", *example.replace("--timeout 5", "--timeout 0").split()], capture_output=True, text=True,
                              timeout=scaled(20), check=False)
        wanted = (2,) if command == "choose" else (1, 5)  # understood: it is the daemon, or the terminal, that is missing
        check(done.returncode in wanted, f"{example}: {done.stderr}")


@test
def where_it_calls_is_told_by_any_option_for_it(w):
    w.daemon(w.conf(api={"transports": ["unix", "tcp"], "host": "::1", "port": (port := free_port())}))
    for arguments, place in ((["--c=77"], "vsock CID 77 port 2000"), (["-t", "vsock", "-p", "5"], "vsock CID 2 port 5"), (["-t", "tcp", "-p", "1"], "127.0.0.1 port 1"),
                             (["-s", "127.0.0.1", "-p", "1"], "127.0.0.1 port 1"), (["--transport", "vsock", "--net-port=6"], "vsock CID 2 port 6"),
                             (["--ho", "127.0.0.1", "--net", "1"], "127.0.0.1 port 1"), (["-t", "unix", "-u", "/nowhere/x"], "unix socket /nowhere/x")):
        done = subprocess.run([CLIENT, *arguments, "version"], capture_output=True, text=True, timeout=scaled(20), check=False)
        equal((done.returncode, done.stdout), (1, ""), str(arguments))
        contains(done.stderr, place)
    for arguments, told in ((["-t", "vsock", "-p", "4294967295"], (1, "vsock CID 2 port 4294967295")), (["-c", "9", "-p", "65536"], (1, "vsock CID 9 port 65536")),
                            (["-t", "tcp", "-p", "65536"], (2, "only vsock has ports above 65535")), (["-p", "4294967296"], (2, "4294967296"))):
        done = subprocess.run([CLIENT, *arguments, "version"], capture_output=True, text=True, timeout=scaled(20), check=False)
        equal((done.returncode, done.stdout), (told[0], ""), str(arguments))
        contains(done.stderr, told[1])
    done = subprocess.run([CLIENT, "-s", "::1", "-p", str(port), "version"], capture_output=True, text=True, timeout=scaled(20), check=False)
    equal((done.returncode, done.stderr), (0, ""))


@test
def the_environment_names_the_socket_unless_an_option_does(w):
    w.daemon(w.conf())

    def ask(path, *arguments):
        return subprocess.run([CLIENT, *arguments, "version"], capture_output=True, text=True, timeout=scaled(20), check=False,
                              env={**os.environ, "VHOTPLUG_SOCKET": path})

    equal([ask(w.socket, *a).returncode for a in ([], ["-t", "unix"], ["-p", "5"])], [0, 0, 0])
    equal(ask("/nowhere/x", "-u", w.socket).returncode, 0)
    for arguments in ([], ["-t", "unix"]):
        done = ask("/nowhere/x", *arguments)
        equal((done.returncode, done.stderr), (1, "vhotplugcli: cannot connect to unix socket /nowhere/x: no such socket: is vhotplug running?\n"))
    contains(ask(w.socket, "-s", "127.0.0.1", "-p", "1").stderr, "127.0.0.1 port 1: nobody listens")
    contains(ask("").stderr, "unix socket /var/lib/vhotplug/vhotplug.sock")


@test
def a_request_longer_than_a_line_is_not_sent(w):
    done = w.cli("explain", "--vid", "1", "--pid", "2", "--vendor-name", "x" * 100000)
    equal((done.returncode, done.stderr), (1, "vhotplugcli: the request is longer than a line may be\n"))


run(World)
