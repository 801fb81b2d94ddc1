"""The client in the hands of somebody at a terminal: events, moves, choices, rules."""
import json
import os
import re
import signal
import subprocess

from fakehost import HID_KEYBOARD, STORAGE, VIDEO
from scripted import Scripted
from tap import check, contains, equal, run, scaled, test
from terminal import Terminal
from world import BINARY, KEYBOARD, STICK, World, rule

CAMERA = {"interfaceClass": 14}
TIME = r"\d\d:\d\d:\d\d  "


def terminal(w, *arguments, columns=100, **env):
    return Terminal(["-u", w.socket, *arguments], columns, **{"LANG": "C.UTF-8", "TERM": "dumb", **env})


def on_a_terminal(w, *arguments, **env):
    status, out, err = terminal(w, *arguments, **env).end()
    return status, out, err


@test
def events_on_a_terminal_are_lines_with_time_place_and_name(w):
    w.qemu("vm1")
    daemon = w.daemon(w.conf([rule("vm1", KEYBOARD), rule(["vm1", "vm2"], STICK)]))
    listener = terminal(w, "listen", TERM="xterm", NO_COLOR="1")
    coloured = terminal(w, "listen", TERM="xterm")
    for _ in range(2):
        daemon.wait_log("API client subscribes")
    w.api().list_until(lambda l: len(daemon.logged("API client subscribes")) == 2)
    kbd = w.host.plug("1-1", 0xfff0, 1, manufacturer="Acme", product="Keyboard")
    listener.wait_text("attached to vm1")
    w.host.plug("1-2", 0xfff0, 2, [STORAGE], manufacturer="Acme", product="Stick \u202e☃")
    listener.wait_text("needs a VM: vm1, vm2")
    w.host.unplug(kbd)
    listener.wait_text("unplugged")
    coloured.wait_text("unplugged")
    lines = listener.shown().splitlines()
    for line, expected in zip(lines, (r"1-1       plugged in                Acme Keyboard", r"1-1       attached to vm1           Acme Keyboard",
                                      r"1-2       plugged in                Acme Stick \?☃", r"1-2       needs a VM: vm1, vm2      Acme Stick \?☃",
                                      r"1-1       detached from vm1         Acme Keyboard", r"1-1       unplugged                 Acme Keyboard")):
        check(re.fullmatch(TIME + expected, line), f"{line!r} is not {expected!r}")
    equal(len(lines), 6)
    contains(coloured.shown(), "\033[32mattached to vm1")
    equal(re.sub("\033\\[[0-9]*m", "", coloured.shown()).count("Acme"), 6)
    for client in (listener, coloured):
        client.type("\x03")
        equal(client.end()[0] != 0, True)


@test
def who_listens_hears_that_the_daemon_was_lost_and_is_found(w):
    daemon = w.daemon(w.conf())
    listener = terminal(w, "listen")
    daemon.wait_log("API client subscribes")
    equal(daemon.stop(), 0)
    listener.wait_text("trying again", stream=1)
    again = w.daemon(w.conf())
    listener.wait_text("connected again; events of the time between are missing", stream=1)
    again.wait_log("API client subscribes")
    w.host.plug("1-1", 0xfff0, 1, product="Keyboard")
    listener.wait_text("plugged in")
    listener.type("\x03")
    listener.end()


@test
def a_move_says_where_the_device_went_and_why_there(w):
    w.qemu("vm1")
    w.qemu("vm2")
    w.daemon(w.conf([rule("vm1", KEYBOARD), rule(["vm1", "vm2"], STICK, tag="disk"), rule("vm1", CAMERA, tag="cam")]))
    w.host.plug("1-1", 0xfff0, 1, manufacturer="Acme", product="Keyboard")
    stick = w.host.plug("1-2", 0xfff0, 2, [STORAGE], manufacturer="Acme", product="Stick")
    w.api().ready(stick)
    for arguments, said in ((["attach", "1-1"], "1-1 Acme Keyboard: attached to vm1"),
                            (["attach", "1-2"], "1-2 Acme Stick: attached to vm1\n  the first that its rule allows (vm1, vm2); no other was chosen before"),
                            (["attach", "fff0:0002", "--vm", "vm2"], "1-2 Acme Stick: attached to vm2"),
                            (["detach", stick.node], "1-2 Acme Stick: taken away, until somebody attaches it again"),
                            (["attach", "--bus", "1", "--port", "2"], "1-2 Acme Stick: attached to vm2\n  chosen before among those that its rule allows (vm1, vm2)"),
                            (["detach", "disk"], "1-2 Acme Stick: taken away, until somebody attaches it again"),
                            (["attach", "--tag", "disk"], "1-2 Acme Stick: attached to vm2"),
                            (["detach", "cam"], "no device with this tag is there now")):
        equal(on_a_terminal(w, "usb", *arguments), (0, said + "\n", ""), str(arguments))
    equal(on_a_terminal(w, "usb", "attach", "1-9"), (1, "", "vhotplugcli: no such USB device: bus 1 port 9\n"))
    done = w.cli("usb", "attach", "1-2")
    equal((done.returncode, done.stdout, done.stderr), (0, "", ""))


@test
def who_chooses_is_asked_and_gives_the_device_away(w):
    vms = [w.qemu("vm1"), w.qemu("vm2")]
    w.daemon(w.conf([rule(["vm1", "vm2"], STICK)]))
    chooser = terminal(w, "choose")
    chooser.wait_text("Waits for devices that need a VM")
    w.host.plug("1-1", 0xfff0, 1, [STORAGE], manufacturer="Acme", product="Stick 1")
    chooser.wait_text("""1-1 Acme Stick 1 (storage) needs a VM:
  1) vm1
  2) vm2
Number or name (empty: none): """)
    second = w.host.plug("1-2", 0xfff0, 2, [STORAGE], manufacturer="Acme", product="Stick 2")
    w.api().list_until(lambda l: second.node in l and l[second.node]["state"] == "waiting")
    chooser.type("3\n")
    chooser.wait_text("Expected a number from 1 to 2, or the name of one of these VMs: ")
    chooser.type("2\n")
    chooser.wait_text("1-1: attached to vm2\n")
    chooser.wait_text("1-2 Acme Stick 2 (storage) needs a VM:")
    w.api().ok("usb_attach", device_node=second.node, vm="vm1")
    chooser.wait_text("\n1-2: chosen elsewhere: vm1\n")
    third = w.host.plug("1-3", 0xfff0, 3, [STORAGE], manufacturer="Acme", product="Stick 3")
    chooser.wait_text("1-3 Acme Stick 3 (storage) needs a VM:")
    w.host.unplug(third)
    chooser.wait_text("\n1-3: unplugged\n")
    w.host.plug("1-4", 0xfff0, 4, [STORAGE], manufacturer="Acme", product="Stick 4")
    chooser.wait_text("1-4 Acme Stick 4 (storage) needs a VM:")
    chooser.type("vm1\n")
    chooser.wait_text("1-4: attached to vm1\n")
    w.host.plug("1-5", 0xfff0, 5, [STORAGE], manufacturer="Acme", product="Stick 5")
    chooser.wait_text("1-5 Acme Stick 5 (storage) needs a VM:")
    chooser.type("\n")  # left where it is
    equal([len(vm.devices) for vm in vms], [2, 1])
    chooser.type("\x04")
    status, _, err = chooser.end()
    equal((status, err), (0, ""))


@test
def what_was_typed_for_one_question_answers_no_other(w):
    for name in ("vm1", "vm2"):
        w.qemu(name)
    w.daemon(w.conf([rule(["vm1", "vm2"], STICK)]))
    chooser = terminal(w, "choose")
    chooser.wait_text("Waits for devices that need a VM")
    first = w.host.plug("1-1", 0xfff0, 1, [STORAGE])
    chooser.wait_text("Number or name (empty: none): ")
    second = w.host.plug("1-2", 0xfff0, 2, [STORAGE])
    w.api().list_until(lambda l: second.node in l and l[second.node]["state"] == "waiting")
    chooser.type("2")
    chooser.wait_text("none): 2")  # the terminal has it
    w.api().ok("usb_attach", device_node=first.node, vm="vm1")
    chooser.wait_text("Number or name (empty: none): ", times=2)
    chooser.type("\n")
    w.host.plug("1-3", 0xfff0, 3, [STORAGE])
    chooser.wait_text("Number or name (empty: none): ", times=3)
    equal([d["vm"] for d in w.api().list().values()], ["vm1", None, None])
    chooser.type("\x04")
    equal(chooser.end()[0], 0)


@test
def choosing_ends_at_once_and_needs_a_terminal(w):
    w.daemon(w.conf([rule(["vm1", "vm2"], STICK)]))
    w.host.plug("1-1", 0xfff0, 1, [STORAGE])
    for key in ("\x03", "\x04"):
        chooser = terminal(w, "choose")
        chooser.wait_text("Number or name")  # open questions are announced anew
        chooser.type(key)
        status, _, err = chooser.end()
        equal((status, err), (0, ""), repr(key))
    done = w.cli("choose")
    equal((done.returncode, done.stdout), (2, ""))
    contains(done.stderr, "choose asks at a terminal: standard input and output have to be one")


@test
def who_chooses_is_asked_again_after_the_daemon_was_lost(w):
    w.qemu("vm1")
    conf = w.conf([rule(["vm1", "vm2"], STICK)])
    daemon = w.daemon(conf)
    chooser = terminal(w, "choose")
    chooser.wait_text("Waits for devices that need a VM")
    equal(daemon.stop(), 0)
    chooser.wait_text("trying again", stream=1)
    w.daemon(conf)
    chooser.wait_text("connected again", stream=1)
    w.host.plug("1-1", 0xfff0, 1, [STORAGE])
    chooser.wait_text("Number or name")
    chooser.type("vm1\n")
    chooser.wait_text("1-1: attached to vm1\n")
    w.daemons[-1].stop()
    chooser.wait_text("trying again", stream=1, times=2)
    chooser.type("\x03")  # ends also while there is no daemon
    equal(chooser.end()[0], -signal.SIGINT)


def checked(w, rules):
    """What --check says about these rules as a configuration."""
    path = os.path.join(w.dir, "new.conf")
    with open(path, "w", encoding="utf-8") as f:
        json.dump(w.conf(rules), f)
    done = subprocess.run([BINARY, "--check", "--strict", "-c", path], capture_output=True, text=True, timeout=scaled(20), check=False)
    return done.returncode, done.stdout + done.stderr


@test
def a_rule_for_a_device_is_one_that_the_configuration_takes(w):
    vm = w.qemu("vm1")
    conf = w.conf([rule(["vm1", "vm2"], STICK), rule("vm2", KEYBOARD)])
    daemon = w.daemon(conf)
    w.host.plug("1-1", 0xfff0, 1, [STORAGE], manufacturer="Acme", product='Stick "1" ☃', serial='A"\\B')
    w.host.plug("1-2", 0xfff0, 1, [STORAGE], manufacturer="Acme", product="Twin", serial="B")
    w.host.plug("1-3", 0xfff0, 3, [HID_KEYBOARD], manufacturer="Acme", product="Keyboard")
    camera = w.host.plug("1-4", 0xfff0, 4, [VIDEO], manufacturer="Acme", product="Cam")
    w.api().list_until(lambda l: len(l) == 5, all=True)
    serial = {"vendorId": "fff0", "productId": "0001", "serial": 'A"\\B'}
    none, twin = "It matches nothing else that is plugged in now.\n", "It would match these as well:\n  1-2 Acme Twin\n"
    for arguments, target, allow, others in (
            (["1-1"], {"allowedVms": ["vm1", "vm2"]}, serial, none),
            (["1-1", "--by", "serial", "--vm", "vm1"], {"targetVm": "vm1"}, serial, none),
            (["1-1", "--by", "model"], {"allowedVms": ["vm1", "vm2"]}, {"vendorId": "fff0", "productId": "0001"}, twin),
            (["1-1", "--by", "class"], {"allowedVms": ["vm1", "vm2"]}, {"interfaceClass": 8}, twin),
            (["1-3", "--by", "class"], {"targetVm": "vm2"}, {"interfaceClass": 3, "interfaceProtocol": 1}, none),
            (["1-3"], {"targetVm": "vm2"}, {"vendorId": "fff0", "productId": "0003"}, none),
            (["1-4", "--vm", "vm1", "--by", "class"], {"targetVm": "vm1"}, {"interfaceClass": 14}, none)):
        done = w.cli("usb", "rule", *arguments)
        equal((done.returncode, done.stderr), (0, others), str(arguments))
        printed = json.loads(done.stdout)
        equal({k: v for k, v in printed.items() if k != "description"}, {**target, "allow": [allow]}, str(arguments))
        status, said = checked(w, [printed])
        equal(status, 0, said)
    daemon.configure({**conf, "usbPassthrough": [*conf["usbPassthrough"], printed]})  # the camera's
    w.api().list_until(lambda l: l[camera.node]["allowed_vms"] == ["vm1"])
    equal(w.cli("usb", "attach", "1-4").returncode, 0)
    equal(len(vm.devices), 1)


@test
def a_rule_that_cannot_be_made_is_refused(w):
    w.daemon(w.conf([rule("vm1", KEYBOARD)]))
    w.host.plug("1-1", 0xfff0, 1)
    w.host.plug("1-2", 0xfff0, 1)
    w.host.plug("1-3", 0xfff0, 3, [(9, 0, 0)])
    w.host.plug("1-4", 0xfff0, 4, [VIDEO])
    w.api().list_until(lambda l: len(l) == 5, all=True)
    for arguments, status, said in ((["1-1", "--by", "serial"], 1, "no serial number of the device is known: take --by model"),
                                    (["1-4"], 1, "no rule gives the device to a VM yet: name the VM by --vm"),
                                    (["1-3", "--vm", "vm1"], 1, "the device is a hub, which no rule gives to a VM"),
                                    (["fff0:0001"], 1, "several devices fit: name one of them by its place, as 1-2.3"),
                                    (["1-9"], 1, "no such USB device"),
                                    (["1-1", "--by", "modle"], 2, "no such --by 'modle': did you mean 'model'?"),
                                    (["1-1", "--by", "x"], 2, "no such --by 'x': expected serial, model, class or connector"),
                                    ([], 2, "name the device")):
        done = w.cli("usb", "rule", *arguments)
        equal((done.returncode, done.stdout), (status, ""), str(arguments))
        contains(done.stderr, said)


@test
def the_past_and_a_reload_as_the_daemon_tells_them(w):
    w.qemu("vm1")
    daemon = w.daemon(w.conf([rule("vm1", KEYBOARD)]))
    w.api().given("vm1", w.host.plug("1-1", 0xfff0, 1, manufacturer="Acme", product="Keyboard"))
    status, out, err = on_a_terminal(w, "usb", "history", "1-1", TZ="UTC")
    equal((status, err), (0, ""))
    check(re.fullmatch(rf"(\d{{4}}-\d\d-\d\d {TIME}1-1       (plugged in|attached to vm1) +Keyboard\n){{2}}", out), out)
    events = [json.loads(line)["event"] for line in w.cli("usb", "history", "fff0:0001").stdout.splitlines()]
    equal(events, ["usb_connected", "usb_attached"])
    rules = [json.loads(line) for line in w.cli("rules").stdout.splitlines()]
    equal([(r["target_vm"], r["hits"], r["devices"]) for r in rules], [("vm1", 1, ["1-1"])])
    status, out, err = on_a_terminal(w, "rules")
    equal((status, err, out.splitlines()[1].split()), (0, "", ["0", "usb", "vm1", "1", "1-1"]))
    done = w.cli("reload")
    equal((done.returncode, done.stdout), (0, "ok: 1 rule, 2 VMs, 0 warnings\n"))
    check(re.fullmatch(r"(note: vhotplug\.conf:1:\d+: .*\n)*", done.stderr), done.stderr)
    with open(daemon.command[daemon.command.index("-c") + 1], "w", encoding="utf-8") as f:
        f.write('{"vms": 3}')
    done = w.cli("reload")
    equal((done.returncode, done.stdout), (1, ""))
    check(re.fullmatch(r"error: \S+:1:9: .*\nvhotplugcli: the configuration has errors: nothing was changed\n", done.stderr), done.stderr)
    contains(w.cli("status").stdout, "last reload: failed: ")


@test
def what_is_asked_for_history_rules_and_a_reload(w):
    for arguments, sent in ((["usb", "history"], {"action": "history"}), (["usb", "history", "1-2.3"], {"action": "history", "bus": "1", "port": "2.3"}),
                            (["usb", "history", "046d:c31c"], {"action": "history", "vid": "046d", "pid": "c31c"}),
                            (["usb", "history", "cam"], {"action": "history", "tag": "cam"}), (["rules"], {"action": "rules"}), (["reload"], {"action": "reload"})):
        with Scripted(w, '{"result": "failed", "error": "not now"}\n') as daemon:
            done = daemon.ask(*arguments)
            equal((done.returncode, done.stdout, done.stderr), (1, "", "vhotplugcli: not now\n"), str(arguments))
            equal(json.loads(daemon.asked[0]), sent)


run(World)
