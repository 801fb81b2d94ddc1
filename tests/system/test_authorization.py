"""usbAuthorization with the static binary and a made-up sysfs, in which no kernel reacts: what is written where, when, and what is told. The
real kernel is in board/test_authorization.py."""
import json
import os
import signal
import subprocess

from tap import contains, equal, run, scaled, test, until
from world import BINARY, KEYBOARD, World, rule

PARAMETER = "sys/module/usbcore/parameters/authorized_default"
STICK = {"interfaces": [(8, 6, 0x50)]}
HEADSET = {"interfaces": [(1, 1, 0)]}
AUDIO = {"interfaceClass": 1}


def kernel(w, parameter="1"):
    """A host whose kernel knows authorisation, with one bus."""
    os.makedirs(w.host.path(os.path.dirname(PARAMETER)))
    w.host.write(PARAMETER, f"{parameter}\n")
    for name in ("authorized_default", "interface_authorized_default"):
        w.host.write(f"{w.host.devices['usb1'].directory}/{name}", "1\n")


def conf(w, rules=None, host=(AUDIO,), unmatched=False, enable=True, **more):
    text = w.conf([rule("vm1", KEYBOARD)] if rules is None else rules, **more)
    text["usbAuthorization"] = {"enable": enable, "deauthorizeUnmatched": unmatched, "hostAllow": list(host)}
    return text


def begin(w, *options, **more):
    daemon = w.daemon(conf(w, **more), *options)
    api = w.api(events=True)
    until(lambda: figures(api)["buses"] == 1, "the bus closed")
    return daemon, api


def figures(api):
    return api.ok("stats")["usb_authorization"]


def text(path):
    with open(path, encoding="ascii") as f:
        return f.read().strip()


def defaults(w):
    bus = w.host.devices["usb1"].directory
    return tuple(text(w.host.path(p)) for p in (PARAMETER, f"{bus}/authorized_default", f"{bus}/interface_authorized_default"))


def authorized(w, device):
    return text(w.host.path(device.directory, "authorized"))


def plug(w, port, **more):
    """As it comes while the defaults are 0."""
    return w.host.plug(port, authorized="0", **more)


def is_authorized(w, device, value="1"):
    until(lambda: authorized(w, device) == value, f"{device}: authorized {value}")


def changed(w, device):
    w.host.event("change", device)


def kill_all(daemon):
    with open(f"/proc/{daemon.process.pid}/task/{daemon.process.pid}/children", encoding="ascii") as f:
        pids = [int(pid) for pid in f.read().split()]
    daemon.process.send_signal(signal.SIGSTOP)  # it sees the end of none of them
    for pid in pids + [daemon.process.pid]:
        os.kill(pid, signal.SIGKILL)


@test
def the_kernel_authorises_nothing_by_itself_until_the_daemon_ends(w):
    kernel(w)
    daemon, api = begin(w)
    equal(defaults(w), ("0", "0", "1"))
    equal(figures(api), {"works": True, "reason": None, "buses": 1, "waiting": 0, "open": 0, "devices": 0})
    nobodys = plug(w, "1-4", pid=4, **STICK)
    api.await_event("usb_connected", device_node=nobodys.node)
    w.rest(api)
    equal((authorized(w, nobodys), figures(api)["devices"]), ("0", 1))
    daemon.stop()
    w.daemons.remove(daemon)
    until(lambda: defaults(w) == ("1", "1", "1"), "all put back")
    is_authorized(w, nobodys)


@test
def hubs_and_what_the_configuration_names_are_authorised_for_the_host(w):
    kernel(w)
    _, api = begin(w, rules=[rule("vm1", KEYBOARD), {"host": True, "allow": [{"interfaceClass": 7}]}])
    named, by_rule, hub = plug(w, "1-1", pid=1, **HEADSET), plug(w, "1-2", pid=2, interfaces=[(7, 1, 1)]), \
        plug(w, "1-3", pid=3, interfaces=[(9, 0, 0)], device_class=(9, 0, 0))
    for device in (named, by_rule, hub):
        is_authorized(w, device)
    other = plug(w, "1-4", pid=4, **STICK)
    api.await_event("usb_connected", device_node=other.node)
    w.rest(api)
    seen = api.list(all=True)[other.node]
    equal((seen["authorized"], seen["reason"]), (False, "no rule applies, and hostAllow does not name it: not authorised"))
    equal(authorized(w, other), "0")


@test
def a_vms_device_is_authorised_for_it_and_no_longer_once_it_is_back(w):
    kernel(w)
    _, api = begin(w)
    device = plug(w, "1-1")
    api.await_event("usb_connected", device_node=device.node)
    w.rest(api)
    equal(authorized(w, device), "0")
    w.qemu("vm1")
    api.await_event("usb_attached", device_node=device.node)
    equal((authorized(w, device), defaults(w)), ("1", ("0", "0", "1")))
    changed(w, device)
    api.ok("usb_suspend", vm="vm1")
    is_authorized(w, device, "0")
    until(lambda: not api.list(all=True)[device.node]["authorized"], "a list that says so")
    api.ok("usb_resume", vm="vm1")
    api.await_event("usb_attached", device_node=device.node)
    equal(authorized(w, device), "1")


@test
def what_cannot_be_authorised_is_not_attached_and_the_reason_is_told(w):
    kernel(w)
    _, api = begin(w)
    os.unlink(w.host.path(w.host.devices["usb1"].directory, "interface_authorized_default"))  # drivers could bind before the VM has it
    w.qemu("vm1")
    device = plug(w, "1-1")
    api.await_event("usb_connected", device_node=device.node)
    until(lambda: api.list(all=True)[device.node]["state"] == "failed", "a failed attach")
    contains(api.list(all=True)[device.node]["reason"], "the host's drivers cannot be kept from it: usb1/interface_authorized_default")
    equal(authorized(w, device), "0")


@test
def what_was_there_and_goes_nowhere_loses_its_authorisation(w):
    kernel(w)
    mine, other = w.host.place("1-1", pid=1, **HEADSET), w.host.place("1-2", pid=2, **STICK)
    daemon, _ = begin(w, unmatched=True)
    is_authorized(w, other, "0")
    equal(authorized(w, mine), "1")
    daemon.stop(signal.SIGKILL)
    w.daemons.remove(daemon)
    is_authorized(w, other)
    equal(defaults(w), ("1", "1", "1"))


@test
def what_was_not_authorised_before_stays_so(w):
    kernel(w, parameter="0")
    w.host.write(f"{w.host.devices['usb1'].directory}/authorized_default", "0\n")
    before = w.host.place("1-1", pid=2, authorized="0", **STICK)
    daemon, api = begin(w)
    later = plug(w, "1-2", pid=3, **STICK)
    api.await_event("usb_connected", device_node=later.node)
    w.rest(api)
    daemon.stop()
    w.daemons.remove(daemon)
    equal((authorized(w, before), authorized(w, later), defaults(w)), ("0", "0", ("0", "0", "1")))


@test
def when_all_processes_were_killed_the_next_daemon_puts_back(w):
    kernel(w)
    daemon, api = begin(w)
    device = plug(w, "1-1", pid=2, **STICK)
    api.await_event("usb_connected", device_node=device.node)
    kill_all(daemon)
    daemon.wait(scaled(5))
    w.daemons.remove(daemon)
    api.close()
    w.clients.remove(api)
    equal((defaults(w), authorized(w, device)), (("0", "0", "1"), "0"))
    daemon, _ = begin(w)
    daemon.wait_log("an earlier daemon was killed and has not put back")
    daemon.stop()
    w.daemons.remove(daemon)
    until(lambda: defaults(w) == ("1", "1", "1"), "all put back")
    is_authorized(w, device)


@test
def without_the_kernels_parameter_it_is_off_and_says_so(w):
    daemon = w.daemon(conf(w))
    daemon.wait_log("usbAuthorization is off: this kernel has no parameter")
    told = figures(w.api())
    equal((told["works"], told["buses"]), (False, 0))
    contains(told["reason"], "this kernel has no parameter usbcore.authorized_default")


@test
def where_what_is_to_be_put_back_cannot_be_noted_nothing_is_changed(w):
    kernel(w)
    daemon = w.daemon(conf(w, recordPath="/nowhere/record"))
    daemon.wait_log("usbAuthorization is off: what is to be put back cannot be noted: /nowhere/record.usb")
    api = w.api(events=True)
    device = w.host.plug("1-1", pid=2, **STICK)
    api.await_event("usb_connected", device_node=device.node)
    w.rest(api)
    equal((defaults(w), figures(api)["works"]), (("1", "1", "1"), False))


@test
def a_reload_changes_what_is_the_hosts_and_turns_it_neither_on_nor_off(w):
    kernel(w)
    daemon, api = begin(w)
    device = plug(w, "1-1", pid=2, **STICK)
    api.await_event("usb_connected", device_node=device.node)
    daemon.configure(conf(w, host=[AUDIO, {"interfaceClass": 8}]))
    is_authorized(w, device)
    daemon.configure(conf(w, enable=False))
    daemon.wait_log("usbAuthorization.enable is read at start only")
    equal(defaults(w), ("0", "0", "1"))


@test
def off_is_as_if_there_were_no_such_thing(w):
    kernel(w)
    w.daemon(w.conf([rule("vm1", KEYBOARD)]))
    api = w.api(events=True)
    device = w.host.plug("1-1", pid=1, **STICK)
    api.await_event("usb_connected", device_node=device.node)
    w.rest(api)
    equal(("authorized" in api.list(all=True)[device.node], "usb_authorization" in api.ok("stats"), defaults(w)), (False, False, ("1", "1", "1")))


def doctor(w, conf_text):
    path = os.path.join(w.dir, "doctor.conf")
    with open(path, "w", encoding="utf-8") as f:
        json.dump(conf_text, f)
    return subprocess.run([BINARY, "doctor", "-c", path, "--root", w.host.root], capture_output=True, text=True, timeout=scaled(20),
                          check=False).stdout


@test
def the_doctor_says_whether_it_can_be_had_and_what_a_killed_daemon_left(w):
    contains(doctor(w, conf(w)), "usbAuthorization: this kernel has no parameter usbcore.authorized_default")
    kernel(w)
    contains(doctor(w, conf(w)), "usbAuthorization: authorized_default of 1 buses can be written\n")
    w.host.write(f"{w.host.devices['usb1'].directory}/authorized_default", "0\n")
    contains(doctor(w, w.conf([])), "usbAuthorization is off, and at 1 buses nothing is authorised that is plugged in")


run(World)
