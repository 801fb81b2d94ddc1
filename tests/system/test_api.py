"""The API on the wire: every example of its definition, garbage, order, floods, slow readers, every transport."""
import json
import os
import socket
import stat
import threading
import time

from fakehost import HID_MOUSE, HUB, STORAGE
from tap import Failed, check, contains, equal, run, scaled, test
from world import KEYBOARD, MOUSE, SHIPPED, STICK, World, free_port, rule, vhp

UNIX = (socket.AF_UNIX, socket.SOCK_STREAM)
TCP4 = (socket.AF_INET, socket.SOCK_STREAM)
TCP6 = (socket.AF_INET6, socket.SOCK_STREAM)


@test
def every_line_of_the_definition_works_as_printed(w):
    w.qemu("vm1")
    for bus in (2, 3):
        w.host.bus(bus)
    w.daemon(w.conf([rule(["vm1", "vm2"], {"vendorId": "1111"})]))
    api = w.api()
    equal(api.ask("enable_notifications"), {"result": "ok"})
    api.ask("disable_notifications")
    device = w.host.plug("3-4", 0x1111, 0x2222, [STORAGE], devnum=78)
    api.ready(device)
    reply = api.ask("usb_list")
    equal(sorted(reply), ["result", "usb_devices"])
    got = reply["usb_devices"][0]
    equal({k: got[k] for k in ("device_node", "vid", "pid", "allowed_vms", "vm")},
          {"device_node": "/dev/bus/usb/003/078", "vid": "1111", "pid": "2222", "allowed_vms": ["vm1", "vm2"], "vm": None})
    for selector in ('"device_node": "/dev/bus/usb/003/078"', '"bus": "3", "port": "4"', '"vid": "1111", "pid": "2222"'):
        api.send(f'{{"action": "usb_attach", {selector}, "vm": "vm1"}}\n'.encode())
        equal(api.response(), {"result": "ok"})
        api.send(f'{{"action": "usb_detach", {selector}}}\n'.encode())
        equal(api.response(), {"result": "ok"})
    equal(device.node, "/dev/bus/usb/003/078")


@test
def a_device_object_has_every_field(w):
    w.daemon(w.conf([rule(["vm1", "vm2"], STICK, tag="sticks")]))
    api = w.api(events=True)
    stick = w.host.plug("1-2", 0xfff0, 0x1234, [STORAGE], serial="S\"1\n", manufacturer="Äcme", product="Stick", removable="removable",
                        speed="5000")
    event = api.event("usb_connected")["usb_device"]
    listed = api.list()[stick.node]
    expected = {"device_node": stick.node, "vid": "fff0", "pid": "1234", "vendor_name": "Äcme", "product_name": "Stick", "serial": "S\"1\n",
                "interfaces": ":080650:", "device_class": 0, "device_subclass": 0, "device_protocol": 0, "busnum": 1, "devnum": 2,
                "portnum": 2, "port_path": "2", "speed": "5000", "sys_name": "1-2", "connector": "pci0000:00-0000:00:01.0/2:2",
                "stable_path": "pci0000:00-0000:00:01.0/2:2", "removable": "removable"}
    equal(event, expected)
    more = {"allowed_vms": ["vm1", "vm2"], "vm": None, "foreign": False, "disconnected": False, "tag": "sticks", "state": "waiting"}
    equal({k: v for k, v in listed.items() if k != "reason"}, {**expected, **more})


@test
def garbage_gets_one_error_a_line_and_no_disconnect(w):
    w.daemon(w.conf())
    api = w.api()
    for line in (b"", b"hello", b"{", b"[]", b"null", b"{}", b'{"action": 5}', b'{"action": "usb_fly"}', b'{"action": "usb_list"} x',
                 b'{"action": "usb_list", "action": "usb_list"}', b"\xff\xfe", b'{"a": "\xc0\x80"}', b"{'action': 'usb_list'}",
                 b'{"action": "usb_attach"}', b'{"action": "usb_attach", "vid": "xyzw", "pid": "1"}', b"[" * 2000, b"\x00" * 10,
                 b'{"action": "usb_attach", "bus": 1.5, "port": 2}', b'{"action": "usb_detach", "device_node": "/etc/passwd"}',
                 b'{"action": "usb_list", "all": "yes"}', b'{"action": "usb_attach", "bus": 99999999999, "port": 1}'):
        api.send(line + b"\n")
        reply = api.response()
        equal(reply["result"], "failed", repr(line))
        check(reply["error"], repr(line))
    equal(api.ask("usb_list"), {"result": "ok", "usb_devices": []})


@test
def a_line_over_the_limit_is_answered_once_and_skipped(w):
    w.daemon(w.conf())
    api = w.api()
    api.send(b'{"action": "' + b"x" * 20000 + b'"}\n{"action": "version"}\n')
    contains(api.response()["error"], "4096")
    equal(api.response()["result"], "ok")
    padding = b" " * (4096 - len(b'{"action": "usb_list"}') - 1)
    api.send(b'{"action": "usb_list"}' + padding + b"\n")
    equal(api.response()["result"], "ok", "exactly the limit")


@test
def requests_in_one_packet_and_in_single_bytes_are_answered_in_order(w):
    w.daemon(w.conf())
    api = w.api()
    api.send(b"".join(f'{{"action": "{"version" if n % 3 else "usb_list"}", "id": {n}}}\n'.encode() for n in range(200)))
    for n in range(200):
        reply = api.response()
        equal((reply["id"], "version" in reply), (n, bool(n % 3)))
    for byte in b'{"action": "version", "id": "a\\u00e4"}\n':
        api.send(bytes([byte]))
    equal(api.response()["id"], "aä")


@test
def an_id_is_echoed_also_with_errors_and_null_is_absent(w):
    w.daemon(w.conf())
    api = w.api()
    equal(api.ask("usb_fly", id=-1.5e3)["id"], -1.5e3)
    equal(api.ask("usb_list", id="x", tag=None, disconnected=None, all=None)["result"], "ok")
    check("id" not in api.ask("usb_list", id=None))
    equal(api.ask("usb_list", id={"no": "object"})["result"], "failed")


@test
def a_last_line_without_newline_is_answered(w):
    w.daemon(w.conf())
    api = w.api()
    api.send(b'{"action": "version"}')
    api.socket.shutdown(socket.SHUT_WR)
    equal(api.response()["result"], "ok")
    equal(api.socket.recv(1), b"")


@test
def the_response_comes_before_the_events_that_the_request_caused(w):
    w.qemu("vm1")
    w.daemon(w.conf([rule(["vm1", "vm2"], STICK)]))
    api, other = w.api(events=True), w.api(events=True)
    stick = w.host.plug("1-2", 0x0951, 0x1666, [STORAGE])
    api.await_event("usb_select_vm")
    for _ in range(20):
        before = len(api.lines)
        api.ok("usb_attach", device_node=stick.node, vm="vm1")
        equal(len(api.lines) - before, 1, "nothing before the response")
        api.event("usb_attached")
        api.ok("usb_detach", device_node=stick.node)
        api.event("usb_detached")
    other.await_event("usb_select_vm")
    for _ in range(20):
        other.event("usb_attached")
        other.event("usb_detached")


@test
def open_questions_are_asked_again_to_whoever_comes_late(w):
    vm1 = w.qemu("vm1")
    w.daemon(w.conf([rule(["vm1", "vm2"], STICK)]))
    early = w.api(events=True)
    stick = w.host.plug("1-2", 0x0951, 0x1666, [STORAGE])
    early.await_event("usb_select_vm")
    late = w.api(events=True)
    late.event("usb_select_vm", device_node=stick.node, allowed_vms=["vm1", "vm2"])
    late.ok("usb_attach", device_node=stick.node, vm="vm1")
    later = w.api(events=True)
    equal(later.ask("version")["result"], "ok")
    equal(later.events, [], "the question is answered")
    # The choice is remembered for the next plug.
    w.host.unplug(stick)
    again = w.host.plug("1-2", 0x0951, 0x1666, [STORAGE])
    early.await_event("usb_attached", device_node=again.node, vm="vm1")
    equal(vm1.count("device_add"), 2)
    equal([e["event"] for e in early.events], [])


@test
def several_that_fit_are_listed_and_nothing_happens(w):
    vm1 = w.qemu("vm1")
    w.daemon(w.conf([rule(["vm1", "vm2"], STICK, tag="sticks")]))
    api = w.api(events=True)
    sticks = [w.host.plug(f"1-{n}", 0x0951, 0x1666, [STORAGE]) for n in (2, 3)]
    asked = {api.await_event("usb_select_vm")["usb_device"]["device_node"] for _ in sticks}
    equal(asked, {stick.node for stick in sticks})
    error = api.fails("usb_attach", "ambiguous", vid="0951", pid="1666", vm="vm1")
    for stick in sticks:
        contains(error, stick.node)
    equal(vm1.count("device_add"), 0)
    api.ok("usb_attach", tag="sticks", vm="vm1")
    equal(len(vm1.devices), 2)
    api.ok("usb_detach", tag="sticks")
    equal(len(vm1.devices), 0)
    equal(len(api.list(disconnected=True)), 2)
    equal(len(api.list(disconnected=False)), 0)
    equal(len(api.list(tag="other")), 0)


@test
def errors_name_the_thing(w):
    w.qemu("vm1")
    w.daemon(w.conf([rule(["vm1"], STICK), rule("vm2", KEYBOARD)]))
    api = w.api()
    stick = w.host.plug("1-2", 0x0951, 0x1666, [STORAGE])
    w.host.plug("1-3", 0x046d, 0xc077, [HID_MOUSE])
    w.rest(api)
    api.fails("usb_attach", "/dev/bus/usb/009/009", device_node="/dev/bus/usb/009/009", vm="vm1")
    api.fails("usb_attach", "'vm7'", device_node=stick.node, vm="vm7")
    api.fails("usb_attach", "do not allow", device_node=stick.node, vm="vm2")
    api.fails("usb_attach", "no rule", vid="046d", pid="c077", vm="vm1")
    api.fails("usb_attach", "vid", vid="0951")
    api.fails("usb_attach", "port", bus=1, port="2.x", vm="vm1")
    api.fails("usb_suspend", "'vm7'", vm="vm7")


@test
def a_slow_reader_of_a_long_list_loses_nothing_and_delays_nobody(w):
    for n in range(2, 7):
        w.host.bus(n)
    long = "x" * 120
    for n in range(240):
        w.host.place(f"{1 + n // 48}-{1 + n % 48}", 0xfff0, n, [STORAGE], manufacturer=long, product=long, serial=f"{n:0120}")
    w.daemon(w.conf([rule(["vm1", "vm2"], STICK)]))
    slow, fast = w.api(timeout=20), w.api(timeout=20)
    slow.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    slow.send(*[{"action": "usb_list", "id": n} for n in range(20)])
    for _ in range(20):
        equal(len(fast.list()), 240)
    for n in range(20):
        reply = slow.response()
        equal((reply["id"], len(reply["usb_devices"])), (n, 240))
        equal(sorted(int(d["pid"], 16) for d in reply["usb_devices"]), list(range(240)))


@test
def a_list_made_for_one_is_for_others_only_while_it_holds(w):
    vm1 = w.qemu("vm1")
    w.daemon(w.conf([rule(["vm1", "vm2"], KEYBOARD), rule(["vm1", "vm2"], MOUSE, tag="mice")]))
    a, b = w.api(), w.api()
    kbd, mouse = w.host.plug("1-1"), w.host.plug("1-2", 0x046d, 0xc077, [HID_MOUSE])
    w.rest(a)
    whole = a.ask("usb_list")
    equal(b.ask("usb_list"), whole)
    equal(b.ask("usb_list", id=7), {**whole, "id": 7})
    equal(list(b.list(tag="mice")), [mouse.node])
    equal(len(b.list(all=True)), 3)
    equal(a.ask("usb_list"), whole)
    a.ok("usb_attach", device_node=kbd.node, vm="vm1")
    equal([c.list()[kbd.node]["vm"] for c in (b, a)], ["vm1", "vm1"])
    b.ok("usb_detach", device_node=kbd.node)
    equal([c.list()[kbd.node]["disconnected"] for c in (a, b)], [True, True])
    b.ok("usb_attach", device_node=kbd.node, vm="vm1")
    vm1.end()
    a.list_until(lambda d: d[kbd.node]["vm"] is None)
    w.rest(a)
    equal(b.ask("usb_list"), a.ask("usb_list"))
    w.host.unplug(mouse)
    b.list_until(lambda d: list(d) == [kbd.node])
    equal(list(a.list()), [kbd.node])


@test
def a_slow_reader_of_a_list_goes_on_with_what_is_true_by_then(w):
    for n in range(2, 7):
        w.host.bus(n)
    long = "x" * 120
    placed = [w.host.place(f"{1 + n // 48}-{1 + n % 48}", 0xfff0, n, [STORAGE], manufacturer=long, product=long, serial=f"{n:0120}") for n in range(220)]
    w.daemon(w.conf([rule(["vm1", "vm2"], STICK)]))
    slow, fast = w.api(timeout=20), w.api(timeout=20)
    slow.send(*[{"action": "usb_list"}] * 4)
    before = fast.ask("usb_list")
    gone = placed[-1]
    w.host.unplug(gone)
    after = fast.list_until(lambda d: gone.node not in d)
    replies = [slow.response() for _ in range(4)]
    equal(replies[0], before)
    equal(replies[-1], fast.ask("usb_list"))
    equal({d["device_node"]: d for d in replies[-1]["usb_devices"]}, after)
    for r in replies:
        equal([d for d in r["usb_devices"] if d["device_node"] != gone.node], [d for d in before["usb_devices"] if d["device_node"] != gone.node])


@test
def a_subscriber_that_does_not_read_is_told_how_much_it_missed(w):
    w.qemu("vm1")
    w.daemon(w.conf([rule("vm1", KEYBOARD)]))
    deaf, keen = w.api(events=True, timeout=20), w.api(events=True, timeout=20)
    deaf.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    sent = 0
    for n in range(600):
        kbd = w.host.plug(f"1-{2 + n % 100}", manufacturer="y" * 100)
        keen.await_event("usb_attached")
        w.host.unplug(kbd)
        keen.await_event("usb_disconnected")
        sent += 4
    got = lost = 0
    while got + lost < sent:
        message = deaf.line()
        if message["event"] == "notifications_lost":
            check(message["count"] > 0, str(message))
            lost += message["count"]
        else:
            got += 1
    equal(got + lost, sent)
    check(lost > 0, "some were lost")
    w.host.plug("1-120")
    equal(deaf.line()["event"], "usb_connected", "in step again")


def server_timer(port):
    """Of the one connection to this port: which timer runs, and for how many seconds more."""
    with open("/proc/net/tcp", encoding="ascii") as f:
        rows = [line.split() for line in f]
    [row] = [r for r in rows if r[1].endswith(f":{port:04X}") and r[3] == "01"]  # established
    kind, left = row[5].split(":")
    return kind, int(left, 16) / 100


@test
def a_tcp_client_that_says_nothing_is_asked_whether_it_is_there(w):
    """By the kernel: its timer runs for the daemon's end of the connection."""
    ports = free_port(), free_port()  # the first is opened by the daemon at start, the second by its opener later
    confs = [w.conf(api={"transports": ["unix", "tcp"], "host": "127.0.0.1", "port": port}) for port in ports]
    daemon = w.daemon(confs[0])
    for n, at in enumerate(ports):
        since = len(daemon.log)
        if n > 0:
            daemon.configure(confs[n])
            daemon.wait_log("API listening: transport=tcp", since=since)
        client = w.api((TCP4, ("127.0.0.1", at)))
        client.ok("version")
        end = time.monotonic() + scaled(5)
        while (timer := server_timer(at))[0] != "02":  # of keepalive; other timers come before it, and are short
            check(time.monotonic() < end, f"{timer}")
        check(0 < timer[1] <= 60, f"{timer[1]} seconds to go")


@test
def clients_that_vanish_in_the_middle_of_requests_harm_nobody(w):
    vm1 = w.qemu("vm1")
    w.daemon(w.conf([rule(["vm1", "vm2"], STICK)]))
    stick = w.host.plug("1-2", 0x0951, 0x1666, [STORAGE])
    api = w.api()
    api.ready(stick)
    for _ in range(100):
        rude = w.api()
        try:
            rude.send({"action": "usb_attach", "device_node": stick.node, "vm": "vm1"}, b'{"half')
        except OSError:
            pass  # they come faster than they are gone: one too many is sent away
        rude.close()
    vm1.wait(lambda q: q.count("device_add") >= 1, "an attach")
    api.list_until(lambda devices: devices[stick.node]["state"] == "attached")


@test
def a_full_table_of_clients_refuses_the_next_and_recovers(w):
    w.daemon(w.conf(api={"limits": {"connectionsPerPeer": 64}}))
    clients = [w.api() for _ in range(64)]
    for c in clients:
        c.ok("version")
    extra = w.api()
    equal(extra.line(), {"result": "failed", "error": "too many clients"})
    equal(extra.socket.recv(1), b"")
    clients[7].close()
    while True:
        try:
            w.api().ok("version")
            break
        except (Failed, EOFError, ConnectionError):
            pass


@test
def a_web_page_is_no_client(w):
    """A browser sends what a page wants to any port, but below lines of HTTP. The first of them ends the connection."""
    port = free_port()
    vm = w.qemu("a")
    daemon = w.daemon(w.conf([rule("a", KEYBOARD)], vms=("a",), api={"transports": ["unix", "tcp"], "port": port}))
    keyboard = w.host.plug("1-2")
    vm.wait_device(vhp(keyboard))
    w.api().given("a", keyboard)
    body = json.dumps({"action": "usb_detach", "device_node": keyboard.node}).encode() + b"\n"
    for head in (b"POST / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"GET /" + 5000 * b"a" + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
                 b"Host: localhost\n", b"\x16\x03\x01\x02\x00\n"):
        since = len(daemon.log)
        page = w.api((TCP4, ("127.0.0.1", port)))
        page.socket.sendall(head + body)
        try:
            while (got := page.socket.recv(4096)):
                check(b'"ok"' not in got and (b"longer than" in got or len(head) < 4096), got)
        except ConnectionResetError:  # it closed with some input unread
            pass
        daemon.wait_log('by="tcp 127.0.0.1".*action=connect outcome=refused reason="it speaks HTTP', since=since)
    api = w.api()
    equal(api.list()[keyboard.node]["vm"], "a")
    equal(len(api.lines[-1]["usb_devices"]), 1)
    w.api((TCP4, ("127.0.0.1", port))).ok("usb_detach", device_node=keyboard.node)
    api.send(b"POST / HTTP/1.1\n")  # no browser reaches the unix socket
    check(api.response()["result"] == "failed", "a line of HTTP is garbage like any other there")


@test
def tcp_over_both_protocols_and_unix_at_once(w):
    port = free_port()
    w.daemon(w.conf(api={"transports": ["unix", "tcp"], "host": "::", "port": port}))
    equal(w.api((TCP6, ("::1", port))).ok("version"), w.api((TCP4, ("127.0.0.1", port))).ok("version"))
    w.api().ok("version")


@test
def the_unix_socket_has_the_mode_that_was_asked_for(w):
    daemon = w.daemon(w.conf(api={"unixSocketMode": "0660", "unixSocketUser": "65534", "unixSocketGroup": "65534"}))
    st = os.stat(w.socket)
    equal((stat.S_IMODE(st.st_mode), st.st_uid, st.st_gid), (0o660, 65534, 65534))
    equal(daemon.stop(), 0)
    check(not os.path.exists(w.socket), "the socket is removed")


def wait_gone(path):
    end = time.monotonic() + scaled(5)
    while os.path.exists(path):
        check(time.monotonic() < end, f"{path} is still there")
        time.sleep(0.005)


@test
def a_live_socket_is_not_taken_over_a_dead_one_is(w):
    first = w.daemon(w.conf())
    with World() as other:  # of this host there is no second one
        second = other.daemon(w.conf())
        second.wait_log(r"cannot be opened yet.*transport=unix")
        w.api().ok("version")
        equal(second.stop(), 0)
    w.api().ok("version")  # the first one's socket is still there
    first.process.kill()
    first.process.wait()
    wait_gone(w.socket)  # by its opener
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(w.socket)
    dead.close()
    w.daemon(w.conf())
    w.api().ok("version")


@test
def a_transport_that_cannot_be_opened_keeps_nothing_else_back(w):
    busy = socket.socket(*TCP4)
    busy.bind(("127.0.0.1", 0))
    busy.listen(1)
    port = busy.getsockname()[1]
    daemon = w.daemon(w.conf(api={"transports": ["unix", "tcp"], "host": "127.0.0.1", "port": port}))
    daemon.wait_log("cannot be opened yet.*transport=tcp")
    w.api().ok("version")
    busy.close()
    daemon.wait_log("API listening: transport=tcp", timeout=10)
    w.api((TCP4, ("127.0.0.1", port))).ok("version")


@test
def floods_from_many_at_once_leave_it_answering(w):
    w.host.place("1-2")
    daemon = w.daemon(w.conf([rule("vm1", KEYBOARD)]))

    def flood(number):
        client = w.api(timeout=20)
        for n in range(300):
            client.send({"action": "usb_list", "id": n}, b"garbage\n", {"action": "usb_detach", "vid": "9999", "pid": f"{number:04}"})
            equal(client.response()["id"], n)
            equal(client.response()["result"], "failed")
            equal(client.response()["result"], "failed")
        return True

    results = []
    threads = [threading.Thread(target=lambda n=n: results.append(flood(n))) for n in range(12)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(scaled(30))
    equal(results, [True] * 12)
    with open(f"/proc/{daemon.process.pid}/status", encoding="ascii") as f:
        status = f.read()
    resident = int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])
    check(resident < 2048 or not SHIPPED, f"{resident} KiB resident")


@test
def hubs_are_listed_only_on_request_and_never_given(w):
    w.qemu("vm1")
    hub = w.host.place("1-1", 0x05e3, 0x0608, [HUB], device_class=HUB)
    w.daemon(w.conf([rule("vm1", {"vendorId": "05e3"}), rule("vm1", MOUSE)]), "-a")
    api = w.api()
    equal(api.list(), {})
    contains(json.dumps(list(api.list(all=True))), hub.node)
    api.fails("usb_attach", "hub", device_node=hub.node, vm="vm1")
    api.fails("usb_attach", "no such USB device", vid="05e3", pid="0608", vm="vm1")


@test
def who_ends_in_the_middle_of_an_endless_line_is_told_once(w):
    w.daemon(w.conf())
    api = w.api()
    api.send(b"x" * 10000)
    api.socket.shutdown(socket.SHUT_WR)
    contains(api.response()["error"], "longer than")
    try:
        api.line()
        raise Failed("an answer to nothing")
    except EOFError:
        pass


@test
def notifications_are_switched_as_often_as_one_likes(w):
    w.daemon(w.conf())
    api = w.api()
    for action in ("disable_notifications", "enable_notifications", "enable_notifications", "disable_notifications", "disable_notifications"):
        api.ok(action)
    w.host.plug("1-2")
    w.rest(api)
    equal(api.events, [])


run(World)
