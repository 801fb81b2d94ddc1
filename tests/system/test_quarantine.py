"""general.quarantine with the static binary and a made-up sysfs: whose device is configured, when, and what is told. A node of a made-up
device shows what its ioctl would have been: "configured 1"."""
import json
import os
import signal
import subprocess

from tap import check, contains, equal, run, scaled, test, until
from world import BINARY, KEYBOARD, World, rule

PORT = "vhotplug-port"
WORKERS = 3  # VH_PORT_WORKERS
NOTHING = "0000000000000000"
STICK = {"interfaces": [(8, 6, 0x50)]}


def begin(w, mode="rules", rules=None, **more):
    """A daemon that holds the four ports of the root hub, and its API."""
    hub = w.host.devices["usb1"]
    w.host.write(f"{hub.directory}/bConfigurationValue", "1\n")
    w.host.write(f"{hub.directory}/maxchild", "4\n")
    daemon = w.daemon(w.conf(rules or [rule("vm1", KEYBOARD)], quarantine=mode, **more))
    api = w.api(events=True)
    until(lambda: figures(api)["ports"] == 4, "the ports held")
    return daemon, api


def port_workers(daemon):
    """The status of each, when it is shut in."""
    found = []
    with open(f"/proc/{daemon.process.pid}/task/{daemon.process.pid}/children", encoding="ascii") as f:
        for pid in f.read().split():
            with open(f"/proc/{pid}/status", encoding="ascii") as lines:
                status = dict(line.rstrip("\n").split(":\t", 1) for line in lines)
            if status["Name"] == PORT and status["Seccomp"] == "2":
                found.append(status)
    return found


def figures(api):
    return api.ok("stats")["quarantine"]


def text(path):
    with open(path, encoding="ascii") as f:
        return f.read()


def node(w, device):
    return text(w.host.path(device.node))


def is_configured(w, device):
    until(lambda: node(w, device) == "configured 1\n", f"{device} configured")


@test
def the_hosts_device_is_configured_and_a_vms_is_not(w):
    _, api = begin(w)
    equal(figures(api), {"mode": "rules", "works": True, "reason": None, "hubs": 1, "waiting": 0, "late": 0, "ports": 4, "refused": 0, "devices": 0})
    mine = w.host.plug("1-1", pid=1, **STICK)
    is_configured(w, mine)
    guests = w.host.plug("1-2", pid=2)
    api.await_event("usb_connected", device_node=guests.node)
    w.rest(api)
    equal(node(w, guests), "")
    until(lambda: figures(api)["devices"] == 1, "one in quarantine")
    seen = {d["sys_name"]: (d["driven"], d["quarantined"]) for d in api.list(all=True).values()}
    equal((seen["1-1"], seen["1-2"]), ((False, False), (False, True)))
    w.qemu("vm1")
    api.await_event("usb_attached", device_node=guests.node)
    equal(node(w, guests), "configured 1\n")


@test
def with_all_a_rule_names_what_is_the_hosts(w):
    _, api = begin(w, "all", [{"host": True, "allow": [{"productId": "0001", "vendorId": "046d"}]}])
    is_configured(w, w.host.plug("1-1", pid=1, **STICK))
    other = w.host.plug("1-2", pid=2, **STICK)
    api.await_event("usb_connected", device_node=other.node)
    w.rest(api)
    equal(node(w, other), "")


@test
def the_processes_that_hold_ports_may_hardly_do_anything(w):
    daemon, _ = begin(w)
    until(lambda: len(port_workers(daemon)) == WORKERS, "all shut in")
    for s in port_workers(daemon):
        equal((s["Threads"], s["CapEff"], s["NoNewPrivs"]), ("1", NOTHING, "1"))


@test
def while_one_of_them_lives_nothing_changes(w):
    daemon, api = begin(w)
    until(lambda: len(port_workers(daemon)) == WORKERS, "all shut in")
    pids = [int(s["Pid"]) for s in port_workers(daemon)]
    for left in range(WORKERS - 1, 0, -1):
        os.kill(pids[left], signal.SIGKILL)
        daemon.wait_log(f"a port worker has ended: left={left}")
        told = figures(api)
        equal((told["works"], told["hubs"], told["ports"]), (True, 1, 4))
        mine = w.host.plug(f"1-{left}", pid=left, **STICK)
        is_configured(w, mine)
        w.host.unplug(mine)
    equal(api.ok("stats")["port_workers"], {"running": 1, "late": 0, "ended": WORKERS - 1})


@test
def without_all_of_them_quarantine_is_off_and_the_rest_goes_on(w):
    daemon, api = begin(w)
    until(lambda: len(port_workers(daemon)) == WORKERS, "all shut in")
    for s in port_workers(daemon):
        os.kill(int(s["Pid"]), signal.SIGKILL)
    daemon.wait_log("quarantine is off: all port workers have ended")
    told = figures(api)
    equal((told["works"], told["hubs"]), (False, 0))
    contains(told["reason"], "port workers")
    equal(api.ok("stats")["port_workers"], {"running": 0, "late": 0, "ended": WORKERS})
    is_configured(w, w.host.plug("1-1", pid=1, **STICK))
    guests = w.host.plug("1-2", pid=2)
    w.qemu("vm1")
    api.await_event("usb_attached", device_node=guests.node)
    equal(node(w, guests), "configured 1\n")


@test
def a_daemon_that_is_killed_leaves_its_guests_devices_and_configures_the_rest(w):
    daemon, api = begin(w)
    chosen = w.host.path("sys/bus/usb/drivers/usb/bind")
    guests = w.host.plug("1-2", pid=2)
    api.await_event("usb_connected", device_node=guests.node)
    w.rest(api)
    unknown = w.host.place("1-3", pid=3)  # no event of it has come yet
    daemon.stop(signal.SIGKILL)
    w.daemons.remove(daemon)
    until(lambda: text(chosen) == "1-3", "the kernel asked to choose its configuration")
    equal((node(w, guests), node(w, unknown)), ("", ""))


@test
def a_reload_turns_it_neither_on_nor_off(w):
    daemon, api = begin(w)
    daemon.configure(w.conf([], quarantine="off"))
    daemon.wait_log("general.quarantine is read at start only")
    is_configured(w, w.host.plug("1-1", pid=1, **STICK))
    check(figures(api)["works"], "it goes on")


@test
def off_is_as_if_there_were_no_such_thing(w):
    daemon = w.daemon(w.conf([rule("vm1", KEYBOARD)]))
    api = w.api(events=True)
    device = w.host.plug("1-1", pid=1, **STICK)
    api.await_event("usb_connected", device_node=device.node)
    seen = api.list(all=True)[device.node]
    equal(("driven" in seen, "quarantined" in seen, "quarantine" in api.ok("stats")), (False, False, False))
    w.rest(api)
    equal((node(w, device), port_workers(daemon)), ("", []))


def doctor(w, conf):
    path = os.path.join(w.dir, "doctor.conf")
    with open(path, "w", encoding="utf-8") as f:
        json.dump(conf, f)
    return subprocess.run([BINARY, "doctor", "--quarantine", "-c", path, "--root", w.host.root], capture_output=True, text=True,
                          timeout=scaled(20), check=False)


@test
def the_doctor_tells_what_would_be_touched_and_touches_nothing(w):
    hub = w.host.devices["usb1"]
    w.host.write(f"{hub.directory}/maxchild", "4\n")
    keyboard, stick = w.host.place("1-1", pid=0x9999, product="Evil\x1b[2J"), w.host.place("1-2", pid=2, **STICK)
    rules = [rule("vm1", KEYBOARD), {"host": True, "allow": [{"interfaceClass": 8}]}]
    done = doctor(w, w.conf(rules))
    equal((done.returncode, done.stderr), (0, ""))
    told = done.stdout
    contains(told, 'general.quarantine is "off"; this is what "rules" means, and nothing of it is done now\n')
    contains(told, f"hub usb1: a device worker would open {hub.node}, the port workers would claim its 4 ports\n")
    contains(told, "device 1-1 046d:9999 Evil?[2J: no driver of the host would see it: usbPassthrough[0] (line 1) gives it to vm1\n")
    contains(told, "would configure it for the host: usbPassthrough[1] (line 1) leaves it to the host\n")
    contains(told, "in all: 4 ports of 1 hubs would be claimed; the host would be kept from 1 devices\n")
    equal((node(w, keyboard), node(w, stick)), ("", ""))
    contains(doctor(w, w.conf([], quarantine="all")).stdout, "no driver of the host would see it: no rule leaves it to the host\n")
    contains(doctor(w, w.conf([], quarantine="rules")).stdout, "would configure it for the host: no rule gives it to a VM\n")
    equal(subprocess.run([BINARY, "--quarantine"], capture_output=True, timeout=scaled(10), check=False).returncode, 2)


run(World)
