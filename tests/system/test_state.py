"""The state file: which decisions, tags and suspensions are remembered, and for how long."""
import json
import os
import re
import signal
import socket
import subprocess
import time

from fakehost import HID_MOUSE, STORAGE
from tap import check, contains, equal, run, scaled, test
from world import BINARY, KEYBOARD, MOUSE, STICK, World, free_port, rule, vhp

CHOICE = [rule(["vm1", "vm2"], STICK)]


def state_path(w):
    return os.path.join(w.dir, "state", "state.json")


def remembering(w, rules, **more):
    return w.conf(rules, persistency=True, statePath=state_path(w), **more)


def state(w):
    with open(state_path(w), encoding="utf-8") as f:
        return json.load(f)


def write_state(w, text):
    os.makedirs(os.path.dirname(state_path(w)), exist_ok=True)
    with open(state_path(w), "wb") as f:
        f.write(text if isinstance(text, bytes) else json.dumps(text).encode())


def stick(w, port="1-2", **more):
    return w.host.plug(port, 0x0951, 0x1666, [STORAGE], **more)


def until(condition, seconds=5):
    """The file is written by another process."""
    end = time.monotonic() + scaled(seconds)
    while True:
        try:
            if condition():
                return
        except OSError:
            pass
        check(time.monotonic() < end, "never came true")
        time.sleep(0.01)


@test
def a_choice_outlives_the_daemon(w):
    vm2 = w.qemu("vm2")
    daemon = w.daemon(remembering(w, CHOICE))
    api = w.api(events=True)
    first = stick(w, serial="4C53")
    api.await_event("usb_select_vm")
    api.ok("usb_attach", device_node=first.node, vm="vm2")
    equal(daemon.stop(), 0)
    saved = state(w)  # a choice is saved as soon as the disk allows, at the latest by the end
    equal(saved["selected_vms"], {"usb-0951:1666:4C53": "vm2"})
    equal(saved["disconnected_devices"], [])
    w.host.vanish(first)
    w.daemon(remembering(w, CHOICE))
    api = w.api(events=True)
    again = stick(w, "1-4", serial="4C53")
    api.event("usb_connected")
    api.event("usb_attached", vm="vm2")  # without a question
    vm2.wait_device(vhp(again))


@test
def the_other_daemons_files_are_understood_and_their_members_kept(w):
    w.qemu("vm1"), w.qemu("vm2")
    write_state(w, {"selected_vms": {"0951:1666:4C53": "vm2", "0951:1666:None": "vm1"},
                    "disconnected_devices": ["046d:c077:None"], "future": {"x": [1, None, "\u00e4"]}})
    w.daemon(remembering(w, [*CHOICE, rule("vm1", MOUSE)]))
    api = w.api(events=True)
    with_serial, without = stick(w, "1-2", serial="4C53"), stick(w, "1-3")
    mouse = w.host.plug("1-4", 0x046d, 0xc077, [HID_MOUSE])
    devices = api.list_until(lambda d: len(d) == 3 and d[with_serial.node]["vm"] and d[without.node]["vm"] and
                             d[mouse.node]["disconnected"])
    equal([devices[n.node]["vm"] for n in (with_serial, without, mouse)], ["vm2", "vm1", None])
    equal(devices[mouse.node]["disconnected"], True)
    api.ok("usb_attach", device_node=mouse.node)
    saved = state(w)
    equal(saved["future"], {"x": [1, None, "\u00e4"]})
    equal(saved["disconnected_devices"], [])
    equal(saved["selected_vms"], {"usb-0951:1666:4C53": "vm2", "usb-0951:1666:None": "vm1"})


@test
def a_decision_outlives_daemon_and_plug(w):
    w.qemu("vm1")
    daemon = w.daemon(remembering(w, [rule("vm1", STICK)]))
    api = w.api(events=True)
    first = stick(w, serial="1")
    api.await_event("usb_attached")
    api.ok("usb_detach", device_node=first.node)
    equal(state(w)["disconnected_devices"], ["usb-0951:1666:1"])
    daemon.process.kill()
    daemon.process.wait()
    w.host.vanish(first)
    second = w.host.place("1-3", 0x0951, 0x1666, [STORAGE], serial="1")
    w.daemon(remembering(w, [rule("vm1", STICK)]), "-a")
    api = w.api(events=True)
    device = api.list(disconnected=True)[second.node]
    equal((device["disconnected"], device["vm"]), (True, None))
    api.ok("usb_attach", device_node=second.node)
    equal(state(w)["disconnected_devices"], [])


@test
def the_longest_serials_are_whole_and_told_apart_by_their_last_character(w):
    """126 characters of three bytes each, as USB allows at most."""
    vm1, vm2 = w.qemu("vm1"), w.qemu("vm2")
    ours, other, third = ("\u6f22" * 125 + end for end in "\u6f22\u5b57A")
    conf = remembering(w, [rule("vm1", {"serial": ours}), *CHOICE])
    daemon = w.daemon(conf)
    api = w.api(events=True)
    named = stick(w, "1-2", serial=ours)
    vm1.wait_device(vhp(named))  # its rule names it
    equal(api.list()[named.node]["serial"], ours)
    chosen = stick(w, "1-3", serial=other)
    api.await_event("usb_select_vm")
    api.ok("usb_attach", device_node=chosen.node, vm="vm2")
    away = stick(w, "1-4", serial=third)
    api.await_event("usb_select_vm")
    api.ok("usb_detach", device_node=away.node)
    equal(daemon.stop(), 0)
    for device in (named, chosen, away):
        w.host.vanish(device)
    w.daemon(conf)
    api = w.api(events=True)
    again = [stick(w, port, serial=serial) for port, serial in (("1-7", third), ("1-6", other), ("1-5", ours), ("1-8", ours[:-1]))]
    vm1.wait_device(vhp(again[2]))
    vm2.wait_device(vhp(again[1]))
    api.ready(*again)
    devices = api.list()
    equal([devices[d.node]["disconnected"] for d in again], [True, False, False, False])
    equal(devices[again[3].node]["state"], "waiting")  # 125 characters: none of them


@test
def twins_are_told_apart_by_their_ports(w):
    w.qemu("vm1"), w.qemu("vm2")
    daemon = w.daemon(remembering(w, CHOICE))
    api = w.api()
    left, right = stick(w, "1-2"), stick(w, "1-3")
    api.ready(left, right)
    api.ok("usb_attach", device_node=left.node, vm="vm1")
    api.ok("usb_attach", device_node=right.node, vm="vm2")
    equal(daemon.stop(), 0)
    w.host.vanish(left), w.host.vanish(right)
    w.daemon(remembering(w, CHOICE))
    api = w.api()
    right, left = stick(w, "1-3"), stick(w, "1-2")
    devices = api.list_until(lambda d: len(d) == 2 and all(x["vm"] for x in d.values()))
    equal((devices[left.node]["vm"], devices[right.node]["vm"]), ("vm1", "vm2"))


@test
def a_file_that_cannot_be_used_is_set_aside_and_the_start_goes_on(w):
    w.qemu("vm1"), w.qemu("vm2")
    for text in (b"", b"{", b"[]", b"\0" * 4096, b'{"selected_vms": {"0951:1666:1": "vm1"', b'{"selected_vms": 5}'):
        write_state(w, text)
        daemon = w.daemon(remembering(w, CHOICE))
        daemon.wait_log(r"^<3>.*state file cannot be used.*kept=")
        daemon.wait_log(r"^<4>.*the loss of the state file is not acknowledged; devices are given to VMs all the same")
        with open(state_path(w) + ".corrupt", "rb") as f:
            equal(f.read(), text)
        device = stick(w)
        api = w.api()
        api.list_until(lambda d: d.get(device.node, {}).get("state") == "waiting")  # somebody has to choose
        api.ok("usb_attach", device_node=device.node, vm="vm2")
        equal(daemon.stop(), 0)
        equal(state(w)["selected_vms"], {"usb-0951:1666:None": "vm2"})
        w.host.vanish(device)


def doctor(w):
    return subprocess.run([BINARY, "doctor", "-c", os.path.join(w.dir, "vhotplug.conf"), "--root", w.host.root],
                          capture_output=True, text=True, timeout=scaled(20), check=False)


def losses(w):
    """The problems that doctor finds with the state file."""
    done = doctor(w)
    found = [line for line in done.stdout.splitlines() if re.match("problem .*state:", line)]
    check(not found or done.returncode == 1, done.stdout)
    return found


@test
def a_lost_file_is_told_to_admins_until_one_acknowledges_it(w):
    """By an event, by figures, by doctor; also after restarts, and to nobody else."""
    w.qemu("vm1")
    write_state(w, b"\0" * 100)
    clients = [{"uid": 0, "role": "admin"}, {"uid": 1, "role": "operator"}]
    conf = remembering(w, [rule("vm1", STICK)], api={"clients": clients, "unixSocketMode": "0666"})
    with open(os.path.join(w.dir, "vhotplug.conf"), "w", encoding="utf-8") as f:
        json.dump(conf, f)
    contains(losses(w)[0], "not JSON")  # before a daemon has seen it
    check(not os.path.exists(state_path(w) + ".corrupt"), "doctor changes nothing")
    for how in (signal.SIGKILL, signal.SIGTERM):
        daemon = w.daemon(conf)
        api = w.api(events=True)
        event = api.event("state_corrupt", closed=False)
        contains(event["error"], "not JSON")
        equal({k: v for k, v in api.ok("stats")["state"].items() if k in ("corrupt", "closed")}, {"corrupt": 1, "closed": 0})
        api.await_event("usb_attached", device_node=stick(w).node)
        until(lambda: "corrupt" in state(w))
        contains(losses(w)[0], "not JSON")
        daemon.process.send_signal(how)
        daemon.wait(scaled(10))
        w.host.vanish(w.host.devices["1-2"])
    daemon = w.daemon(conf)
    api, other = w.api(events=True), w.api(events=True)
    for client in (api, other):
        client.event("state_corrupt")
    contains(w.cli("status").stdout, "state file: was corrupt, and no admin has acknowledged that\n")
    done = w.cli("state", "acknowledge")
    equal((done.returncode, done.stdout, done.stderr), (0, "", ""))
    for client in (api, other):
        client.event("state_acknowledged")
    daemon.wait_log("audit: .* action=state_acknowledge outcome=ok")
    check("state file" not in w.cli("status").stdout)
    equal(api.ok("stats")["state"]["corrupt"], 0)
    until(lambda: "corrupt" not in state(w))
    equal(losses(w), [])
    daemon.stop()
    with open(state_path(w) + ".corrupt", "rb") as f:
        equal(f.read(), b"\0" * 100)
    w.daemon(conf)
    w.api(events=True).ok("version")  # no event before the answer
    equal(w.clients[-1].events, [])


@test
def with_closed_nothing_is_given_away_until_it_is_acknowledged(w):
    """Over a restart, too: what was a kill switch before may be lost."""
    vm1 = w.qemu("vm1")
    conf = remembering(w, [rule("vm1", STICK)], onCorruptState="closed")
    daemon = w.daemon(conf)
    api = w.api(events=True)
    killed = stick(w, serial="1")
    api.await_event("usb_attached")
    api.ok("usb_detach", device_node=killed.node)
    daemon.stop()
    with open(state_path(w), "r+b") as f:
        f.truncate(20)
    why = "the state file was corrupt: no VM is given a device until an admin acknowledges that"
    for _ in range(2):
        daemon = w.daemon(conf, "-a")
        daemon.wait_log("^<3>.*no VM is given a device until an admin acknowledges.*vhotplugcli state acknowledge")
        api = w.api(events=True)
        api.event("state_corrupt", closed=True)
        listed = api.list()[killed.node]
        equal((listed["state"], listed["vm"], listed["disconnected"]), ("idle", None, False))
        contains(listed["reason"], why)
        api.fails("usb_attach", why, device_node=killed.node)
        equal(api.ok("stats")["state"]["closed"], 1)
        contains(losses(w)[0], "no VM is given a device")
        until(lambda: "corrupt" in state(w))
        os.unlink(state_path(w) + ".corrupt")  # for examination: that acknowledges nothing
        with open(state_path(w) + ".corrupt", "w", encoding="ascii"):
            pass
        daemon.stop(signal.SIGKILL)
    os.unlink(state_path(w))  # as if nothing could be saved
    w.daemon(conf, "-a")
    api = w.api(events=True)
    api.event("state_corrupt", closed=True)
    api.ok("usb_detach", device_node=killed.node)  # decided once more, before the rules give anything away
    free = w.host.plug("1-3", 0x0951, 0x1666, [STORAGE], serial="2")
    api.await_event("usb_connected", device_node=free.node)
    contains(w.cli("status").stdout, "acknowledged that: no VM is given a device\n")
    equal(vm1.devices, {})
    api.ok("state_acknowledge")
    api.await_event("state_acknowledged")
    api.await_event("usb_attached", device_node=free.node)
    contains(api.list()[killed.node]["reason"], "disconnected by an admin")
    vm1.wait_device(vhp(free))


@test
def only_an_admin_acknowledges(w):
    write_state(w, b"{")
    conf = remembering(w, [], onCorruptState="closed", api={"transports": ["unix", "tcp"], "tcpPort": free_port()})
    daemon = w.daemon(conf)
    operator = w.api(((socket.AF_INET, socket.SOCK_STREAM), ("127.0.0.1", conf["general"]["api"]["tcpPort"])), events=True)
    operator.fails("state_acknowledge", "not allowed for an operator")
    equal(operator.events, [])
    daemon.wait_log("audit: .* role=operator action=state_acknowledge outcome=refused")
    admin = w.api(events=True)
    admin.event("state_corrupt")
    admin.ok("state_acknowledge")
    admin.event("state_acknowledged")
    admin.ok("state_acknowledge")  # a second time: nothing more
    admin.ok("version")
    operator.ok("version")
    equal((admin.events, operator.events), ([], []))


@test
def decisions_that_find_no_room_are_a_loss(w):
    """The rest of the file holds. What is not understood is none: it stays in the file."""
    vm1 = w.qemu("vm1")
    tags = {f"t{i}": "admin" for i in range(300)}
    write_state(w, {"disconnected_devices": ["0951:1666:1"], "disconnected_tags": tags})
    w.daemon(remembering(w, [rule("vm1", STICK)], onCorruptState="closed"))
    api = w.api(events=True)
    contains(api.event("state_corrupt", closed=True)["error"], "of its decisions find no room")
    with open(state_path(w) + ".full", encoding="utf-8") as f:
        equal(json.load(f)["disconnected_tags"], tags)
    kept, lost = stick(w, "1-2", serial="1"), stick(w, "1-3", serial="2")
    devices = api.list_until(lambda d: len(d) == 2 and d[kept.node]["disconnected"])
    check(not devices[lost.node]["disconnected"])
    equal(vm1.devices, {})
    api.ok("state_acknowledge")
    api.await_event("usb_attached", device_node=lost.node)
    equal(list(vm1.devices), [vhp(lost)])
    w.daemons[-1].stop()
    write_state(w, {"disconnected_devices": ["pci-0000:00:1f.3", 7]})
    w.daemon(remembering(w, [rule("vm1", STICK)])).wait_log("not understood, and stay in it.*entries=2")
    equal(w.api().ok("stats")["state"]["corrupt"], 0)


@test
def a_directory_in_the_files_place_is_set_aside_too(w):
    os.makedirs(state_path(w))
    daemon = w.daemon(remembering(w, CHOICE))
    daemon.wait_log("state file cannot be used.*Is a directory")
    check(os.path.isdir(state_path(w) + ".corrupt"))


def directory_gone(w):
    """Where the directory was, there is a file. The directory itself must come back: the sandbox knows no other."""
    os.rename(os.path.join(w.dir, "state"), os.path.join(w.dir, "aside"))
    with open(os.path.join(w.dir, "state"), "w", encoding="utf-8"):
        pass


def directory_back(w):
    os.unlink(os.path.join(w.dir, "state"))
    os.rename(os.path.join(w.dir, "aside"), os.path.join(w.dir, "state"))


@test
def nothing_is_decided_that_cannot_be_saved(w):
    w.qemu("vm1"), w.qemu("vm2")
    os.makedirs(os.path.join(w.dir, "state"))
    daemon = w.daemon(remembering(w, [rule("vm1", STICK, tag="sticks")]))
    api = w.api(events=True)
    device = stick(w)
    api.await_event("usb_attached")
    directory_gone(w)
    for selector in ({"device_node": device.node}, {"tag": "sticks"}):
        error = api.fails("usb_detach", "nothing was changed, because the decision cannot be saved", **selector)
        contains(error, "Not a directory")
    listed = api.list()[device.node]
    equal((listed["vm"], listed["disconnected"]), ("vm1", False))
    equal([e["event"] for e in api.events], [])
    another = stick(w, "1-3")
    api.await_event("usb_attached", device_node=another.node)  # no decision was made for the tag
    directory_back(w)
    api.ok("usb_detach", device_node=device.node)
    equal(state(w)["disconnected_devices"], ["usb-0951:1666:None"])
    daemon.wait_log(r"<3>.*the state cannot be saved: .*Not a directory")


@test
def a_choice_that_cannot_be_saved_is_kept_and_saved_later(w):
    w.qemu("vm1"), w.qemu("vm2")
    os.makedirs(os.path.join(w.dir, "state"))
    daemon = w.daemon(remembering(w, CHOICE))
    api = w.api()
    device = stick(w)
    api.ready(device)
    directory_gone(w)
    api.ok("usb_attach", device_node=device.node, vm="vm2")  # it is attached: that much is done
    daemon.wait_log("<3>.*the state cannot be saved: .*Not a directory")
    directory_back(w)
    api.ok("usb_detach", device_node=device.node)  # and with the next change all is saved
    daemon.wait_log("the state is saved again")
    equal(state(w)["selected_vms"], {"usb-0951:1666:None": "vm2"})


@test
def a_half_written_file_of_a_daemon_that_died_is_no_matter(w):
    w.qemu("vm1"), w.qemu("vm2")
    write_state(w, {"selected_vms": {"0951:1666:None": "vm2"}, "disconnected_devices": []})
    with open(state_path(w) + ".new", "wb") as f:
        f.write(b'{"selected_')
    w.daemon(remembering(w, CHOICE))
    api = w.api(events=True)
    device = stick(w)
    api.await_event("usb_attached", vm="vm2")
    api.ok("usb_detach", device_node=device.node)
    equal(state(w)["disconnected_devices"], ["usb-0951:1666:None"])
    equal(os.listdir(os.path.dirname(state_path(w))), ["state.json"])


@test
def a_link_stays_a_link(w):
    w.qemu("vm1")
    real = os.path.join(w.dir, "data")
    os.makedirs(real), os.makedirs(os.path.dirname(state_path(w)))
    with open(os.path.join(real, "s.json"), "w", encoding="utf-8") as f:
        f.write("{}")
    os.symlink("../data/s.json", state_path(w))
    w.daemon(remembering(w, [rule("vm1", STICK)]))
    api = w.api(events=True)
    device = stick(w)
    api.await_event("usb_attached")
    api.ok("usb_detach", device_node=device.node)
    check(os.path.islink(state_path(w)))
    equal(state(w)["disconnected_devices"], ["usb-0951:1666:None"])


@test
def without_persistency_nothing_is_written_and_nothing_outlives(w):
    w.qemu("vm1")
    conf = w.conf([rule("vm1", STICK)], persistency=False, statePath=state_path(w))
    daemon = w.daemon(conf)
    api = w.api(events=True)
    device = stick(w)
    api.await_event("usb_attached")
    api.ok("usb_detach", device_node=device.node)
    w.host.unplug(device)
    api.await_event("usb_disconnected")
    device = stick(w)
    api.await_event("usb_connected")
    equal(api.list()[device.node]["disconnected"], True, "as long as the daemon runs")
    equal(daemon.stop(), 0)
    check(not os.path.exists(os.path.dirname(state_path(w))))
    w.daemon(conf, "-a")
    w.api().list_until(lambda d: d[device.node]["vm"] == "vm1")


@test
def a_tag_is_a_kill_switch_also_for_what_comes_later(w):
    vm1 = w.qemu("vm1")
    conf = remembering(w, [rule("vm1", STICK, tag="sticks"), rule("vm1", KEYBOARD)])
    daemon = w.daemon(conf)
    api = w.api(events=True)
    first, kbd = stick(w), w.host.plug("1-9")
    api.list_until(lambda d: len(d) == 2 and all(x["vm"] for x in d.values()))
    api.ok("usb_detach", tag="sticks")
    equal(list(vm1.devices), [vhp(kbd)])
    api.fails("usb_detach", "no rule has the tag 'stick'", tag="stick")
    second = stick(w, "1-3", serial="other")
    api.await_event("usb_connected", device_node=second.node)
    equal(api.list()[second.node]["disconnected"], True)
    equal(daemon.stop(), 0)
    w.daemon(conf, "-a")
    api = w.api(events=True)
    equal({n: d["disconnected"] for n, d in api.list(all=True).items() if n in (first.node, second.node)},
          {first.node: True, second.node: True})
    third = stick(w, "1-4", serial="third")
    api.await_event("usb_connected", device_node=third.node)
    api.ok("usb_attach", tag="sticks")
    for device in (first, second, third):
        vm1.wait_device(vhp(device))
    vm1.wait_device(vhp(stick(w, "1-5", serial="fourth")))
    check("disconnected_tags" not in state(w))


@test
def one_device_may_be_attached_in_spite_of_its_tag(w):
    vm1 = w.qemu("vm1")
    w.daemon(remembering(w, [rule("vm1", STICK, tag="sticks")]))
    api = w.api(events=True)
    first, second = stick(w), stick(w, "1-3", serial="2")
    api.list_until(lambda d: len(d) == 2 and all(x["vm"] for x in d.values()))
    api.ok("usb_detach", tag="sticks")
    api.ok("usb_attach", device_node=first.node)
    equal(list(vm1.devices), [vhp(first)])
    equal(api.list()[second.node]["disconnected"], True)
    w.host.unplug(first)
    api.await_event("usb_disconnected")
    again = stick(w)
    api.await_event("usb_connected")
    equal(api.list()[again.node]["disconnected"], True, "that was about that plug")


@test
def what_suspend_took_resume_puts_back_also_after_a_restart(w):
    vm1 = w.qemu("vm1")
    conf = remembering(w, [rule("vm1", STICK), rule("vm1", KEYBOARD, skipOnSuspend=True)])
    daemon = w.daemon(conf)
    api = w.api(events=True)
    device, kbd = stick(w), w.host.plug("1-9")
    api.list_until(lambda d: len(d) == 2 and all(x["vm"] for x in d.values()))
    api.ok("usb_suspend", vm="vm1")
    equal(list(vm1.devices), [vhp(kbd)])
    equal(daemon.stop(), 0)
    equal(state(w)["disconnected_devices"], [], "no decision")  # a suspension is saved as soon as the disk allows, at the latest by the end
    daemon = w.daemon(conf, "-a")
    api = w.api(events=True)
    api.given("vm1", kbd)
    w.rest(api)
    equal(api.list()[device.node]["vm"], None)
    api.ok("usb_resume")
    vm1.wait_device(vhp(device))
    api.ok("usb_suspend")
    equal(daemon.stop(), 0)
    w.host.write("proc/sys/kernel/random/boot_id", "boot-2\n")  # the host was started anew: nobody is suspended
    w.daemon(conf, "-a")
    vm1.wait_device(vhp(device))


@test
def a_tag_that_a_reload_renames_gives_nothing_back(w):
    vm1 = w.qemu("vm1")
    state = w.dir + "/state"
    daemon = w.daemon(w.conf([rule("vm1", KEYBOARD, tag="keys")], persistency=True, statePath=state))
    api = w.api()
    kbd = w.host.plug("1-2")
    vm1.wait_device(vhp(kbd))
    api.ok("usb_detach", tag="keys")
    since = len(daemon.log)
    daemon.configure(w.conf([rule("vm1", KEYBOARD, tag="input")], persistency=True, statePath=state))
    daemon.wait_log("no rule has the tag any more that somebody keeps away: tag=keys by=admin", since=since)
    check(api.list()[kbd.node]["disconnected"], "the keyboard is still away")
    equal(vm1.devices, {})
    api.ok("usb_attach", device_node=kbd.node)
    equal(list(vm1.devices), [vhp(kbd)])


run(World)
