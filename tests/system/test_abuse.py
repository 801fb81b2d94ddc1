"""Every abuse that docs/security.md names, tried against the real binary.

The guests here are told apart by their addresses (NET.2 is VM a's, NET.3 is VM b's): to the daemon a guest is a guest,
by whatever the kernel says of it. Real CIDs over real VSOCK are tested on the board.
"""
import ctypes
import fcntl
import json
import os
import re
import socket
import struct
import time

from fakehost import HID_MOUSE, HUB, STORAGE, VIDEO, descriptors
from tap import Failed, check, contains, equal, run, scaled, test
from world import KEYBOARD, STICK, World, free_port, rule, vhp

NEWNET, SIOCSIFFLAGS, SIOCSIFADDR, SIOCSIFNETMASK, UP = 0x40000000, 0x8914, 0x8916, 0x891C, 0x1


def own_network():
    """Addresses of many peers: those of the loopback are one. A network of this process alone, whose loopback also has
    192.0.2.0/24. Where that is not allowed, False: then what needs several peers is left out."""
    def address(text):
        return struct.pack("16sHH4s8x", b"lo:1", socket.AF_INET, 0, socket.inet_aton(text))
    if ctypes.CDLL(None, use_errno=True).unshare(NEWNET) != 0:
        return False
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        fcntl.ioctl(s, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", UP))
        fcntl.ioctl(s, SIOCSIFADDR, address("192.0.2.1"))
        fcntl.ioctl(s, SIOCSIFNETMASK, address("255.255.255.0"))
    return True


PEERS = own_network()
NET = "192.0.2" if PEERS else "127.0.0"
CAMERA = {"interfaceClass": 14}
TCP = (socket.AF_INET, socket.SOCK_STREAM)


class Abuse(World):
    """A daemon with two VMs and somebody of each role."""

    CLIENTS = [{"uid": 0, "role": "admin"}, {"tcp": f"{NET}.2", "role": "guest", "vm": "a"},
               {"tcp": f"{NET}.3", "role": "guest", "vm": "b"}, {"tcp": f"{NET}.4", "role": "operator"},
               {"tcp": f"{NET}.5", "role": "observer"}]
    RULES = [rule("a", KEYBOARD, tag="input"), rule(["a", "b"], STICK, tag="sticks"), rule("b", CAMERA, tag="cam")]

    def up(self, clients=None, vms="ab", limits=None, **general):
        self.port = free_port()
        self.vm = {name: self.qemu(name) for name in vms}
        api = {"transports": ["unix", "tcp"], "port": self.port, "clients": self.CLIENTS if clients is None else clients}
        if limits:
            api["limits"] = limits
        self.the_conf = self.conf(self.RULES, ("a", "b"), api=api, **general)
        self.d = self.daemon(self.the_conf)
        for name in vms:
            self.d.wait_log(f"operation .*list.*vm={name}")
            self.vm[name].wait(lambda q: q.count("qom-list") >= 2, "a listing")
        self.admin = self.api()
        return self.admin

    def connect(self, last, timeout=5):
        """From NET.LAST. Who may not come in finds the connection closed, unread."""
        return self.api((TCP, ("127.0.0.1", self.port)), timeout=timeout, source=f"{NET}.{last}")

    def guest(self, name, events=False):
        """A guest comes in once its VM has been listed: until then it is closed."""
        end = time.monotonic() + scaled(5)
        while True:
            client = self.connect({"a": 2, "b": 3}[name])
            try:
                client.ok("version")
                break
            except (EOFError, ConnectionError):
                if time.monotonic() > end:
                    raise Failed(f"the guest of {name} never came in") from None
                time.sleep(0.01)
        if events:
            client.ok("enable_notifications")
        return client

    def is_closed(self, client):
        try:
            client.send({"action": "version"})
            return client.socket.recv(1) == b""
        except ConnectionError:
            return True

    def stick(self, port, **attributes):
        device = self.host.plug(port, 0x0951, 0x1666, [STORAGE], **attributes)
        self.admin.ready(device)
        return device

    def state(self):
        """All that a refusal must leave as it was."""
        keys = ("vm", "disconnected", "state", "reason")
        return {n: [d[k] for k in keys] for n, d in self.admin.list(all=True).items()}


# ---- guests ----


@test
def a_guest_cannot_take_away_what_another_has(w):
    w.up()
    kbd = w.host.plug("1-1")
    w.admin.given("a", kbd)
    shared = w.stick("1-2")
    w.admin.ok("usb_attach", device_node=shared.node, vm="a")
    before, b = w.state(), w.guest("b")
    for selector in ({"device_node": kbd.node}, {"bus": 1, "port": 1}, {"vid": "046d", "pid": "c31c"}, {"tag": "input"}):
        contains(b.fails("usb_detach", "no such USB device", **selector), "no such USB device:")
    b.fails("usb_detach", "is not attached here", device_node=shared.node)
    b.fails("usb_attach", "is not free", device_node=shared.node)
    b.fails("usb_attach", "no such USB device", device_node=kbd.node)
    equal(w.state(), before)
    equal((w.vm["a"].count("device_del"), w.vm["b"].count("device_add")), (0, 0))


@test
def a_list_made_for_one_role_is_not_sent_to_another(w):
    w.up()
    kbd = w.host.plug("1-1")
    shared, other = w.stick("1-2", serial="SECRET"), w.host.plug("1-3", 0x046d, 0x0825, [VIDEO])
    everybody = {"admin": w.admin, "operator": w.connect(4), "a": w.guest("a"), "b": w.guest("b"), "observer": w.connect(5)}
    w.admin.ok("usb_attach", device_node=shared.node, vm="b")
    w.admin.given("a", kbd)
    w.admin.given("b", shared, other)
    alone = {}
    for name, client in everybody.items():
        alone[name] = client.ask("usb_list")
        client.ask("usb_list", tag="none")  # whose own answer takes the place of what was kept
    for order in (list(everybody), list(everybody)[::-1]):
        for name in order + order[:2]:
            equal(everybody[name].ask("usb_list"), alone[name])
    by_node = {name: {d["device_node"]: d for d in r["usb_devices"]} for name, r in alone.items()}
    equal(by_node["operator"], by_node["admin"])
    equal(by_node["admin"][shared.node]["serial"], "SECRET")
    equal(sorted(by_node["b"]), sorted([shared.node, other.node]))
    check(other.node not in by_node["a"], by_node["a"])
    for name in ("a", "observer"):
        check("SECRET" not in str(alone[name]), alone[name])


@test
def a_guest_cannot_name_another_vm(w):
    w.up()
    stick = w.stick("1-2")
    before, b = w.state(), w.guest("b")
    for vm in ("a", "no-such-vm"):
        texts = {b.fails(action, "not allowed", vm=vm, device_node=node)
                 for action in ("usb_attach", "usb_detach") for node in (stick.node, "/dev/bus/usb/009/009")}
        equal(len(texts), 1, f"the answer tells nothing of {vm}: {texts}")
        for action in ("usb_suspend", "usb_resume"):
            b.fails(action, "not allowed", vm=vm)
    equal(w.state(), before)
    equal((w.vm["a"].count("device_add"), w.vm["b"].count("device_add")), (0, 0))


@test
def a_guest_cannot_undo_a_kill_switch(w):
    w.up()
    camera = w.host.plug("1-3", 0x046d, 0x0825, [VIDEO])
    w.vm["b"].wait_device(vhp(camera))
    stick = w.stick("1-2")
    w.admin.ok("usb_detach", tag="cam")
    w.admin.ok("usb_detach", device_node=stick.node)
    adds, b = w.vm["b"].count("device_add"), w.guest("b")
    operator = w.connect(4)
    for client in (b, operator):
        for fields in ({"device_node": camera.node}, {"tag": "cam"}, {"device_node": stick.node}):
            client.fails("usb_attach", "was taken away", **fields)
        client.ok("usb_resume")
    b.fails("usb_attach", "was taken away", tag="sticks")
    w.host.unplug(camera)
    again = w.host.plug("1-4", 0x046d, 0x0826, [VIDEO])  # another camera, another port: the tag stays away
    w.rest(w.admin)
    b.fails("usb_attach", "was taken away", device_node=again.node)
    equal(w.vm["b"].count("device_add"), adds)
    check(w.admin.list()[again.node]["disconnected"], "still disconnected")


@test
def a_guest_cannot_detach_for_good(w):
    state = os.path.join(w.dir, "state.json")
    w.up(persistency=True, statePath=state)
    kbd = w.host.plug("1-1")
    w.admin.given("a", kbd)
    a = w.guest("a")
    a.ok("usb_detach", device_node=kbd.node, permanent=True, disconnected=True)
    equal(w.vm["a"].devices, {})
    listed = w.admin.list()[kbd.node]
    equal((listed["vm"], listed["disconnected"]), (None, False))
    a.ok("usb_suspend")
    a.ok("usb_resume")
    check(not os.path.exists(state), "nothing is written")
    a.ok("usb_attach", device_node=kbd.node)
    a.ok("usb_detach", device_node=kbd.node)
    w.host.unplug(kbd)
    kbd = w.host.plug("1-1")
    w.vm["a"].wait_device(vhp(kbd))
    check(not os.path.exists(state), "nothing is written")


@test
def a_guest_sees_only_what_it_has_or_may_have(w):
    w.up()
    kbd = w.host.plug("1-1", serial="KEYBOARD-SERIAL")
    camera = w.host.plug("1-3", 0x046d, 0x0825, [VIDEO], serial="CAMERA-SERIAL")
    unruled = w.host.plug("1-4", 0x1111, 0x2222, [(7, 1, 1)], serial="PRINTER-SERIAL")
    stick = w.stick("1-2", serial="STICK-SERIAL")
    w.admin.given("a", kbd)
    w.admin.given("b", camera)
    w.admin.ok("usb_attach", device_node=stick.node, vm="b")
    w.rest(w.admin)
    check(unruled.node in w.admin.list(all=True), "the printer is known")
    a, b = w.guest("a"), w.guest("b")
    for fields in ({}, {"all": True}, {"disconnected": False}):
        equal(sorted(a.list(**fields)), sorted([kbd.node, stick.node]))
        equal(sorted(b.list(**fields)), sorted([camera.node, stick.node]))
    for tag in ("cam", "no-such-tag"):
        equal(a.list(tag=tag), {})
        equal(a.fails("usb_attach", "", tag=tag), f"no such USB device: tag '{tag}'")
    a.send({"action": "usb_list", "all": True})
    text = json.dumps(a.response())
    check("SERIAL" not in text and '"b"' not in text and camera.node not in text and unruled.node not in text, text)
    equal({k: a.list()[stick.node][k] for k in ("vm", "allowed_vms", "state", "reason", "serial", "foreign")},
          {"vm": None, "allowed_vms": ["a"], "state": "idle", "reason": "not free", "serial": None, "foreign": False})
    equal(b.list()[stick.node]["vm"], "b")
    contains(json.dumps(w.admin.list(all=True)[stick.node]), "STICK-SERIAL")


@test
def a_guest_hears_only_what_concerns_it(w):
    w.up()
    a, b, observer, operator = w.guest("a", True), w.guest("b", True), w.connect(5), w.connect(4)
    for client in (observer, operator):
        client.ok("enable_notifications")
    kbd = w.host.plug("1-1", serial="KEYBOARD-SERIAL")
    w.admin.list_until(lambda devices: devices[kbd.node]["state"] == "attached")
    stick = w.stick("1-2", serial="STICK-SERIAL")
    w.admin.ok("usb_attach", device_node=stick.node, vm="b")
    w.admin.ok("usb_attach", device_node=stick.node, vm="a")
    w.host.unplug(stick)
    w.admin.list_until(lambda devices: stick.node not in devices)
    w.host.unplug(kbd)
    expected = {
        "a": [("usb_connected", kbd, None), ("usb_attached", kbd, "a"), ("usb_connected", stick, None), ("usb_select_vm", stick, None),
              ("usb_attached", stick, "a"), ("usb_detached", stick, "a"), ("usb_disconnected", stick, None),
              ("usb_detached", kbd, "a"), ("usb_disconnected", kbd, None)],
        "b": [("usb_connected", stick, None), ("usb_select_vm", stick, None), ("usb_attached", stick, "b"), ("usb_detached", stick, "b"),
              ("usb_disconnected", stick, None)],
    }
    for name, client in (("a", a), ("b", b)):
        for kind, device, vm in expected[name]:
            event = client.event(kind, device_node=device.node, serial=None)
            equal(event.get("vm"), vm)
            equal(event.get("allowed_vms", [name]), [name])
        equal(client.ask("version")["result"], "ok")
        equal(client.events, [], "nothing else")
    everything = [e for e in expected["a"][:4]] + [("usb_attached", stick, "b"), ("usb_detached", stick, "b")] + expected["a"][4:]
    for kind, device, vm in everything:
        event = operator.event(kind, device_node=device.node)
        contains(event["usb_device"]["serial"], "SERIAL")
        equal(event.get("vm"), vm)
        if kind != "usb_select_vm":
            equal(observer.event(kind, device_node=device.node, serial=None).get("vm"), None)


@test
def an_observer_only_looks(w):
    w.up()
    stick = w.stick("1-2", serial="STICK-SERIAL")
    w.admin.ok("usb_attach", device_node=stick.node, vm="b")
    before, observer = w.state(), w.connect(5)
    for action, fields in (("usb_attach", {"device_node": stick.node, "vm": "a"}), ("usb_detach", {"device_node": stick.node}),
                           ("usb_suspend", {}), ("usb_resume", {}), ("enable_notifications", {"audit": True})):
        observer.fails(action, "not allowed", **fields)
    equal(w.state(), before)
    listed = observer.list()[stick.node]
    equal({k: listed[k] for k in ("serial", "vm", "allowed_vms", "reason", "state")},
          {"serial": None, "vm": None, "allowed_vms": [], "reason": None, "state": "attached"})


@test
def a_selector_means_what_the_asker_may_touch(w):
    w.up()
    first, second = w.stick("1-2", serial="S1"), w.stick("1-5", serial="S2")
    w.admin.ok("usb_attach", device_node=first.node, vm="b")
    w.admin.fails("usb_attach", "ambiguous", vid="0951", pid="1666", vm="a")
    a = w.guest("a")
    a.ok("usb_attach", vid="0951", pid="1666")  # b's is not free: it means the other
    equal((list(w.vm["a"].devices), list(w.vm["b"].devices)), ([vhp(second)], [vhp(first)]))
    a.ok("usb_detach", vid="0951", pid="1666")
    equal((list(w.vm["a"].devices), list(w.vm["b"].devices)), ([], [vhp(first)]))
    third = w.stick("1-6", serial="S3")
    text = a.fails("usb_attach", "ambiguous", vid="0951", pid="1666")
    check(second.node in text and third.node in text and first.node not in text and "S2" not in text, text)


@test
def a_guest_of_a_vm_that_is_down_is_closed_unread(w):
    w.up(vms="a")
    b = w.connect(3)
    check(w.is_closed(b), "b's guest, while b is down")
    w.d.wait_log(rf'audit: by="tcp {NET}.3".*action=connect outcome=refused reason="its VM is not running"')
    w.vm["b"] = w.qemu("b")
    w.guest("b")


@test
def a_guest_whose_vm_ends_has_no_rights_left(w):
    w.up()
    a = w.guest("a")
    w.vm["a"].end()
    equal(a.socket.recv(1), b"", "the connection is ended")
    w.d.wait_log(r'action=connect outcome=refused reason="its VM has ended"')
    check(w.is_closed(w.connect(2)), "and it cannot come back")
    check(not w.is_closed(w.guest("b")), "others can")


@test
def an_admin_does_not_wait_for_a_guest_that_stalls(w):
    w.up()
    kbd = w.host.plug("1-1")
    w.admin.given("a", kbd)
    a = w.guest("a")
    w.vm["a"].hooks["device_del"] = lambda command: None if w.vm["a"].count("device_del") > 1 else "drop"
    a.send({"action": "usb_detach", "device_node": kbd.node})
    w.vm["a"].wait(lambda q: q.count("device_del"), "the guest's detach")
    w.admin.send({"action": "usb_detach", "device_node": kbd.node})
    contains(a.response()["error"], "higher role")
    other = w.api()
    check(other.list()[kbd.node]["disconnected"], "decided at once, whatever the VM does")


# ---- who comes in ----


@test
def who_is_not_listed_is_closed_unread(w):
    w.up()
    for last in (1, 6, 77):
        check(w.is_closed(w.connect(last)), f"{NET}.{last}")
        w.d.wait_log(f'by="tcp {NET}.{last}" role=none action=connect outcome=refused reason="not allowed"')
    w.admin.ok("version")


def as_user(uid, gid, groups, what):
    """In this process, for a moment: the kernel takes a peer's user and groups at connect()."""
    old = os.getgroups()
    os.setgroups(groups)
    os.setegid(gid)
    os.seteuid(uid)
    try:
        return what()
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(old)


@test
def users_and_groups_are_who_the_kernel_says(w):
    clients = [{"uid": 0, "role": "admin"}, {"uid": 1001, "role": "observer"}, {"gid": 2000, "role": "operator"},
               {"gid": 3000, "role": "guest", "vm": "a"}]
    w.port, w.vm = free_port(), {"a": w.qemu("a")}
    w.d = w.daemon(w.conf(w.RULES, ("a", "b"), api={"unixSocketMode": "0666", "clients": clients}))
    os.chmod(w.dir, 0o755)
    stick = w.host.plug("1-2", 0x0951, 0x1666, [STORAGE], serial="STICK-SERIAL")
    w.rest(w.api())  # the stick's serial number is known, and VM a is up

    def role(uid, gid=100, groups=()):
        client = as_user(uid, gid, list(groups), w.api)
        try:
            serial = client.list()[stick.node]["serial"]
        except (EOFError, ConnectionError):
            return "none"
        reply = client.ask("usb_suspend", vm="b")
        if serial:
            return "admin" if client.ask("enable_notifications", audit=True)["result"] == "ok" else "operator"
        return "observer" if "observer" in reply.get("error", "") else "guest"

    equal(role(0), "admin")
    equal(role(1001), "observer")
    equal(role(1001, 2000), "observer", "the first match decides")
    equal(role(1002), "none")
    equal(role(1002, 2000), "operator", "its group")
    equal(role(1002, 100, (7, 2000)), "operator", "a supplementary group")
    equal(role(1002, 3000), "guest")
    equal(role(1003, 100, range(4000, 4300)), "none", "in more groups than are read")
    w.d.wait_log("the kernel does not say who it is")


@test
def tcp_is_never_more_than_operator(w):
    w.up(clients=[{"uid": 0, "role": "admin"}, {"tcp": f"{NET}.0/24", "role": "operator"}])
    w.connect(9).fails("enable_notifications", "not allowed", audit=True)
    conf = w.conf(api={"clients": [{"tcp": "127.0.0.1", "role": "admin"}]})
    bad = w.daemon(conf, ready=False)
    equal(bad.process.wait(scaled(5)), 1)


@test
def a_new_configuration_sends_away_who_would_be_somebody_else(w):
    w.up()
    a, b, operator = w.guest("a"), w.guest("b"), w.connect(4)
    operator.ok("version")
    clients = [c for c in w.CLIENTS if c.get("tcp") != f"{NET}.4"]
    clients = [{**c, "vm": "a"} if c.get("vm") == "b" else c for c in clients]
    conf = json.loads(json.dumps(w.the_conf))
    conf["general"]["api"]["clients"] = clients
    contains(w.d.configure(conf), "reloaded")
    equal(operator.socket.recv(1), b"", "not listed any more")
    equal(b.socket.recv(1), b"", "the guest of another VM now")
    a.ok("version")
    w.admin.ok("version")
    w.connect(3).ok("usb_list")


# ---- quotas ----


@test
def a_peer_has_its_share_of_connections_and_an_admin_always_gets_in(w):
    if not PEERS:
        return
    w.up(clients=[{"uid": 0, "role": "admin"}, {"tcp": f"{NET}.0/24", "role": "operator"}])
    held = []
    for _ in range(16):
        held.append(w.connect(2))
        held[-1].ok("version")
    extra = w.connect(2)
    equal(extra.line(), {"result": "failed", "error": "too many connections of this peer"})
    for last in (3, 4, 5, 6):  # many peers: until only the admins' places are left
        for _ in range(16):
            held.append(w.connect(last))
    answers = []
    for client in held[16:]:
        try:
            answers.append(client.ask("version").get("error", "ok"))
        except (EOFError, ConnectionError):
            answers.append("too many clients")
    equal((answers.count("ok"), answers.count("too many clients")), (64 - 8 - 16, 64 - 40))
    for _ in range(7):
        w.api().ok("version")
    held[0].close()
    end = time.monotonic() + scaled(5)
    while w.connect(9).ask("version")["result"] != "ok":
        check(time.monotonic() < end, "a free place is given again")


@test
def an_unfinished_line_ends_its_connection(w):
    w.up(limits={"lineSeconds": 1})
    silent, dribbler, liar = w.connect(4), w.connect(4), w.connect(4)
    silent.ok("version")
    begun = time.monotonic()
    dribbler.send(b'{"action": ')
    liar.send(b'{"action": "' + b"x" * 10000)  # over the limit, answered, and never ended
    contains(liar.response()["error"], "4096")
    while time.monotonic() - begun < scaled(5):
        try:
            dribbler.send(b" ")
            time.sleep(0.05)
        except ConnectionError:
            break
    took = time.monotonic() - begun
    check(0.5 < took < scaled(4), f"ended after {took:.1f} s, bytes or not")
    equal(liar.response(), {"result": "failed", "error": "the line was not finished in time"})
    equal(liar.socket.recv(1), b"")
    silent.ok("version")  # who has begun nothing may be silent as long as it likes
    w.d.wait_log('reason="a line was not finished in time"')


@test
def requests_beyond_the_rate_wait_and_nobody_else_does(w):
    if not PEERS:
        return
    w.up(limits={"requestsPerSecond": 50})
    flood, operator = w.guest("a"), w.connect(4)
    n = 300  # of which 100 are a burst and the rest comes at 50 a second
    begun = time.monotonic()
    flood.send(*[{"action": "version", "id": i} for i in range(n)])
    slowest = 0.0
    for _ in range(20):
        at = time.monotonic()
        operator.ok("usb_list")
        w.admin.ok("usb_list")
        slowest = max(slowest, time.monotonic() - at)
    for i in range(n):
        equal(flood.response()["id"], i, "every request is answered, in order")
    took = time.monotonic() - begun
    check(took > 3, f"{n} requests took only {took:.1f} s")
    check(slowest < scaled(0.5), f"others waited {slowest:.3f} s")


@test
def moving_devices_costs_more_and_a_new_connection_does_not_help(w):
    w.up(limits={"requestsPerSecond": 50})
    w.stick("1-2")
    begun = time.monotonic()
    for _ in range(4):
        operator = w.connect(4)
        operator.send(*[{"action": "usb_detach", "vid": "9999", "pid": "9999"}] * 5)
        for _ in range(5):
            operator.response()
        operator.close()
    took = time.monotonic() - begun  # 200 requests' worth: 100 at once, then 2 s
    check(took > 1.5, f"20 changes took only {took:.1f} s")


# ---- audit ----


@test
def every_decision_is_told_who_what_which_and_how_it_ended(w):
    w.up(vm_options={"b": {"revoke": False}})
    listener = w.api()
    listener.ok("enable_notifications", audit=True)
    w.connect(4).fails("enable_notifications", "not allowed", audit=True)
    stick, a, operator = w.stick("1-2"), w.guest("a"), w.connect(4)
    operator.ok("usb_attach", device_node=stick.node, vm="b", id=7)
    a.fails("usb_attach", "is not free", device_node=stick.node)
    w.connect(5).fails("usb_detach", "not allowed", device_node=stick.node)
    a.fails("usb_suspend", "not allowed", vm='b" outcome=ok x="')
    w.vm["b"].hooks["device_del"] = lambda command: w.vm["b"].error("it is stuck")
    operator.fails("usb_detach", "it is stuck", device_node=stick.node)
    check(w.is_closed(w.connect(66)), "a stranger")
    node = f'asked="{stick.node}"'
    for line in (
            'by="unix uid=0 gid=0 pid=[0-9]+" role=admin action=audit outcome=ok',
            f'by="tcp {NET}.4" role=operator action=audit outcome=refused reason="not allowed',
            f'by="tcp {NET}.4" role=operator action=usb_attach {node} vm="b" request="7" device=1-2 id=0951:1666 devices=1 outcome=ok',
            f'by="tcp {NET}.2" role=guest of="a" action=usb_attach {node} outcome=refused reason="{stick.node} is not free"',
            f'by="tcp {NET}.5" role=observer action=usb_detach {node} outcome=refused reason="not allowed',
            rf'by="tcp {NET}.2" role=guest of="a" action=usb_suspend vm="b\\" outcome\\u003dok x\\u003d\\"" outcome=refused',
            f'by="tcp {NET}.4" role=operator action=usb_detach {node} device=1-2 id=0951:1666 devices=1 taken_away=not_taken outcome=failed reason="it is stuck"',
            f'by="tcp {NET}.66" role=none action=connect outcome=refused reason="not allowed"'):
        w.d.wait_log("audit: " + line)
    seen = []
    while not seen or seen[-1]["by"] != f"tcp {NET}.66":
        message = listener.events.pop(0) if listener.events else listener.line()
        if message["event"] == "audit":
            seen.append(message)
    tried = [m for m in seen if m["action"] == "usb_attach" and m["outcome"] == "refused"]
    equal(tried, [{"event": "audit", "by": f"tcp {NET}.2", "role": "guest", "of": "a", "action": "usb_attach", "asked": stick.node,
                   "outcome": "refused", "reason": f"{stick.node} is not free"}])
    check(not [e for e in w.admin.events if e["event"] == "audit"], "only who asked for it hears of it")


@test
def what_the_rules_forbid_is_refused_and_what_was_done_in_part_is_failed(w):
    w.up()
    operator, stick, hub = w.connect(4), w.stick("1-2"), w.host.plug("1-3", 0x05e3, 0x0608, [HUB], device_class=HUB)
    mouse = w.host.plug("1-4", 0x046d, 0xc077, [HID_MOUSE])
    w.rest(w.admin)
    operator.fails("usb_attach", "hubs stay with the host", device_node=hub.node, vm="a")
    operator.fails("usb_attach", "", device_node=mouse.node, vm="a")
    operator.fails("usb_attach", "unknown VM", device_node=stick.node, vm="nowhere")
    w.admin.ok("usb_attach", device_node=stick.node, vm="a")
    w.admin.ok("usb_detach", device_node=stick.node)
    operator.fails("usb_attach", "was taken away by an admin", device_node=stick.node)
    w.vm["b"].end()
    w.d.wait_log("VM down: vm=b")
    w.admin.fails("usb_attach", "is not running", device_node=stick.node, vm="b")
    w.d.wait_log('action=usb_attach.* outcome=refused reason="VM .b. is not running"')
    equal(len(w.d.logged(f'by="tcp {NET}.4" role=operator action=usb_attach .*outcome=refused')), 4)
    equal(w.d.logged("outcome=failed"), [])


@test
def a_tag_of_others_does_not_exist_for_a_guest(w):
    w.up()
    a = w.guest("a")
    for tag in ("cam", "nothing"):
        equal(a.ask("usb_list", tag=tag), {"result": "ok", "usb_devices": [], "tag_disconnected": None}, tag)
    w.admin.ok("usb_detach", tag="cam")
    equal(a.ok("usb_list", tag="cam")["tag_disconnected"], None)
    equal(w.admin.ok("usb_list", tag="cam")["tag_disconnected"], True)
    equal([a.ok("usb_list", tag=tag)["tag_disconnected"] for tag in ("input", "sticks")], [False, False])
    for action in ("usb_attach", "usb_detach", "explain"):
        cam, none = (a.ask(action, tag=tag)["error"].replace(tag, "TAG") for tag in ("cam", "nothing"))
        equal(cam, none, action)


@test
def refused_requests_hide_no_change(w):
    """Of the same client, and of an admin while strangers knock."""
    w.up(limits={"requestsPerSecond": 100000})
    operator, stick = w.connect(4), w.stick("1-2")
    for _ in range(60):
        operator.fails("usb_detach", "no such", vid="1234", pid="5678")
    operator.ok("usb_attach", device_node=stick.node, vm="a")
    w.d.wait_log(f'by="tcp {NET}.4" role=operator action=usb_attach .*outcome=ok')
    for last in range(60, 75 if PEERS else 60):
        for _ in range(25):
            w.connect(last).close()
    for _ in range(5):
        w.admin.fails("usb_detach", "no such", vid="1234", pid="5678")
    w.admin.ok("usb_detach", device_node=stick.node)
    w.d.wait_log("role=admin action=usb_detach .*device=1-2 .*outcome=ok")
    equal(len(w.d.logged("role=admin action=usb_detach .*outcome=refused")), 5)


@test
def a_flood_of_refusals_fills_no_log_and_hides_nobody_else(w):
    if not PEERS:
        return
    w.up(limits={"requestsPerSecond": 100000})
    begun = time.monotonic()
    for _ in range(100):
        check(w.is_closed(w.connect(66)), "a stranger")
    b = w.guest("b")
    for _ in range(100):
        b.fails("usb_attach", "not allowed", vm="a", device_node="/dev/bus/usb/001/001")
    w.connect(4).fails("usb_detach", "no such", vid="1234", pid="5678")
    w.d.wait_log(f'by="tcp {NET}.4".*action=usb_detach')
    strangers, guests = len(w.d.logged(f'by="tcp {NET}.66"')), len(w.d.logged(f'by="tcp {NET}.3".*usb_attach'))
    most = 21 + time.monotonic() - begun  # 20 at once, then one a second
    check(20 <= strangers <= most and 20 <= guests <= most, f"{strangers} and {guests} lines, at most {most:.1f}")
    told = w.d.wait_log(rf"more log lines about tcp {NET}.66 were left out", timeout=15)
    check(int(re.search(r"([0-9]+) more", told)[1]) > 50, told)


# ---- devices and VMs that lie ----


@test
def the_twin_of_a_chosen_stick_asks(w):
    state = os.path.join(w.dir, "state.json")
    w.up(persistency=True, statePath=state)
    real = w.stick("1-2", serial="COPY-ME")
    w.admin.ok("usb_attach", device_node=real.node, vm="a")
    w.admin.ok("enable_notifications")
    twin = w.host.plug("1-5", 0x0951, 0x1666, [STORAGE], serial="COPY-ME")
    w.admin.await_event("usb_select_vm", device_node=twin.node)
    equal((list(w.vm["a"].devices), w.admin.list()[twin.node]["vm"]), ([vhp(real)], None))


@test
def a_device_whose_descriptors_lie_matches_nothing(w):
    w.up()
    good = descriptors(0xfff0, 0x1666, [STORAGE])  # in no table: its own name is shown
    lies = {"1-2": good[:18] + b"\0" + good[19:],  # bLength 0
            "1-3": good[:20] + b"\x18\x00" + good[22:],  # wTotalLength within the interface
            "1-4": good[:17] + b"\x02" + good[18:],  # two configurations, of which one is there
            "1-5": good[:28] + b"\x02" + good[29:]}  # a configuration where the interface should be
    devices = [w.host.plug(port, 0xfff0, 0x1666, descriptors=data, product="\u202eevil\n\x1b[31m") for port, data in lies.items()]
    w.rest(w.admin)
    listed = w.admin.list()
    equal(len(listed), len(lies))
    a = w.guest("a")
    for device in devices:
        contains(listed[device.node]["reason"], "unclassifiable")
        equal(listed[device.node]["allowed_vms"], [])
        w.admin.fails("usb_attach", "unclassifiable", device_node=device.node, vm="a")
        a.fails("usb_attach", "no such USB device", device_node=device.node)
    equal(w.vm["a"].count("device_add"), 0)
    for port in lies:
        w.d.wait_log(f"usb_connected: device={port} .*evil")
    check(not [line for line in w.d.logged("evil") if "\x1b" in line or "\u202e" in line], "the log shows no control characters")


@test
def a_monitor_of_somebody_else_gets_nothing(w):
    w.port = free_port()
    os.chmod(w.dir, 0o755)
    os.makedirs(os.path.dirname(w.vm_path("a")))
    os.chmod(os.path.dirname(w.vm_path("a")), 0o777)
    thief = as_user(1001, 100, [], lambda: w.qemu("a"))  # it has the path before the VM does
    conf = w.conf([rule("a", KEYBOARD)], ("a",), vm_options={"a": {"uid": 0}})
    daemon = w.daemon(conf)
    kbd = w.host.plug("1-1")
    daemon.wait_log("its socket is served by uid 1001, not 0")
    w.api().list_until(lambda devices: devices.get(kbd.node, {}).get("state") == "waiting")
    equal(thief.commands, [])
    os.unlink(w.vm_path("a"))
    w.qemu("a").wait_device(vhp(kbd))


@test
def a_reload_that_names_another_user_ends_the_connection(w):
    w.port = free_port()
    os.chmod(w.dir, 0o755)
    os.makedirs(os.path.dirname(w.vm_path("a")))
    os.chmod(os.path.dirname(w.vm_path("a")), 0o777)
    vm = as_user(1001, 100, [], lambda: w.qemu("a"))
    daemon = w.daemon(w.conf([rule("a", KEYBOARD)], ("a",), vm_options={"a": {"qmp": "keep", "uid": 1001}}))
    vm.wait_device(vhp(w.host.plug("1-1")))
    daemon.configure(w.conf([rule("a", KEYBOARD)], ("a",), vm_options={"a": {"qmp": "keep", "uid": 0}}))
    daemon.wait_log("its socket is served by uid 1001, not 0")
    other = w.host.plug("1-2")
    w.api().list_until(lambda devices: devices.get(other.node, {}).get("state") == "waiting")
    check(vhp(other) not in vm.devices)


@test
def a_monitor_behind_a_strangers_link_gets_nothing(w):
    w.port = free_port()
    os.chmod(w.dir, 0o755)
    victim = w.qemu("b")
    os.chmod(os.path.dirname(w.vm_path("a")), 0o777)
    as_user(1001, 100, [], lambda: os.symlink(w.vm_path("b"), w.vm_path("a")))
    daemon = w.daemon(w.conf([rule("a", KEYBOARD)], ("a",)))
    w.host.plug("1-1")
    daemon.wait_log("its socket is a symbolic link of uid 1001")
    equal(victim.commands, [])


# ---- what is asked ----


@test
def a_line_that_is_no_json_gets_one_error_in_linear_time(w):
    w.up()
    operator = w.connect(4)
    deep, many, keys = b"[" * 4000, b"[" + b"0," * 2000 + b"0]", b"{" + b",".join(b'"k%d":0' % i for i in range(400)) + b"}"
    bombs = [deep, many, keys, b'{"action":"version","\\u0061ction":"version"}', b'{"action":"ver\x00sion"}', b'{"action":"\xc0\xaf"}',
             b'{"action":"\\ud800"}', b'{"action":"\xed\xa0\x80"}', b'{"a":1,}', b"\xef\xbb\xbf{}", b'{"a":01}', b'{"a":NaN}']
    begun = time.monotonic()
    for bomb in bombs:
        operator.send(bomb + b"\n")
        equal(operator.response()["result"], "failed", repr(bomb[:40]))
    check(time.monotonic() - begun < scaled(1), "none takes long")
    operator.ok("version")

# ---- VMs that say what is not so ----


def listed_again(w, vm, name, **fields):
    """The VM, once it has been listed anew with one more line."""
    vm.end()
    again = w.qemu(name, given={"x": fields})
    again.wait(lambda q: q.count("qom-get") > 0, "the listing")
    again.wait_idle()
    return again


@test
def a_vm_that_lists_another_ones_camera_does_not_defeat_its_detach(w):
    liar, b = w.qemu("liar"), w.qemu("b")
    w.daemon(w.conf([rule("b", CAMERA, tag="cam")], vms=("liar", "b")))
    admin = w.api(events=True)
    camera = w.host.plug("1-2", 0x046d, 0x0825, [VIDEO])
    admin.await_event("usb_attached", vm="b")
    listed_again(w, liar, "liar", hostbus=camera.bus, hostaddr=camera.devnum)
    equal({k: admin.list()[camera.node][k] for k in ("vm", "foreign")}, {"vm": "b", "foreign": False})
    admin.ok("usb_detach", device_node=camera.node)
    check(vhp(camera) not in b.devices and admin.list()[camera.node]["disconnected"], "the camera is kept")
    admin.ok("usb_attach", device_node=camera.node)
    admin.ok("usb_detach", tag="cam")
    check(vhp(camera) not in b.devices, "the camera is kept")


@test
def a_line_for_a_whole_bus_keeps_no_device_from_others(w):
    liar, b = w.qemu("liar"), w.qemu("b")
    for n in range(250):
        liar.give(f"f{n}", hostbus=1 + n % 4, hostaddr=0)
    w.daemon(w.conf([rule("b", KEYBOARD)], vms=("liar", "b")))
    admin = w.api(events=True)
    liar.wait(lambda q: q.count("qom-get") > 250, "the listing")
    liar.wait_idle()
    device = w.host.plug("1-2")
    admin.await_event("usb_attached", vm="b")
    check(admin.ok("stats")["claims"]["refused"] > 0, "what was not remembered is not counted")
    admin.ok("usb_detach", device_node=device.node)


@test
def what_no_rule_gives_to_a_vm_is_not_kept_by_refusing_to_give_it_back(w):
    device = w.host.place("1-2")
    liar, b = w.qemu("liar"), w.qemu("b")
    liar.devices[vhp(device)] = "usb-host"
    liar.hooks["device_del"] = lambda command: liar.error("no")
    w.daemon(w.conf([rule("b", KEYBOARD)], vms=("liar", "b")))
    admin = w.api()
    liar.wait(lambda q: q.count("device_del") > 0, "the id to be removed")
    listed = admin.list_until(lambda l: "VM 'liar' lists it, but no program has claimed it" in (l[device.node]["reason"] or ""))
    check(listed[device.node]["vm"] is None, "a device was adopted against the rules")
    admin.ok("usb_attach", device_node=device.node, vm="b")
    admin.ok("usb_detach", device_node=device.node)
    check(not b.devices, "the device is still in VM b")


run(Abuse)
