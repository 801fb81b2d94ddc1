"""The action `reload`: an admin has the configuration read again, and is told what has come of it."""
import json
import os
import signal
import socket
import time

from fakehost import STORAGE
from tap import check, contains, equal, run, scaled, test
from world import KEYBOARD, MOUSE, STICK, World, free_port, rule, vhp

TCP = (socket.AF_INET, socket.SOCK_STREAM)


def write(w, conf):
    with open(os.path.join(w.dir, "vhotplug.conf"), "w", encoding="utf-8") as f:
        f.write(conf if isinstance(conf, str) else json.dumps(conf))


def opener_of(daemon):
    """The process that reads the file; see test_sandbox.py for the others."""
    with open(f"/proc/{daemon.process.pid}/task/{daemon.process.pid}/children", encoding="ascii") as f:
        for pid in f.read().split():
            with open(f"/proc/{pid}/comm", encoding="utf-8") as comm:
                if comm.read() == "vhotplug-opener\n":
                    return int(pid)
    raise AssertionError("no opener")


def reloads(daemon, n):
    """Waits until so many are logged: another process writes the log."""
    end = time.monotonic() + scaled(5)
    while len(daemon.logged("configuration reloaded")) < n:
        check(time.monotonic() < end, f"{n} reloads")
        time.sleep(0.005)
    equal(len(daemon.logged("configuration reloaded")), n)


def last_failure(api):
    figures = api.ok("stats")
    return figures["reload_failed_at"], figures["reload_error"]


@test
def what_was_loaded_is_in_force_when_the_answer_comes(w):
    vm2 = w.qemu("vm2")
    daemon = w.daemon(w.conf([rule("vm1", KEYBOARD)]))
    api, listener = w.api(), w.api(events=True)
    equal(last_failure(api), (None, None))
    write(w, w.conf([rule("vm2", KEYBOARD), rule("vm1", MOUSE)], vms=("vm1", "vm2", "vm3")))
    reply = api.ok("reload", id="r1")
    note = [p for p in reply.pop("problems") if "vms[" in p["text"]]
    equal(reply, {"result": "ok", "rules": 2, "vms": 3, "warnings": 0, "id": "r1"})
    equal([(p["severity"], p["text"].split(": ")[1:]) for p in note], [("note", ["vms[2]", "no rule uses the VM 'vm3'"])])
    contains(note[0]["text"], "vhotplug.conf:1:")
    daemon.wait_log("audit: .* action=reload outcome=ok")
    keyboard = w.host.plug("1-2")
    vm2.wait_device(vhp(keyboard))
    listener.await_event("usb_attached", vm="vm2")
    equal(api.ok("stats")["reload"], {"ok": 1, "failed": 0})
    # what is read at the start only is a warning of the reload
    write(w, w.conf([rule("vm2", KEYBOARD)], persistency=True, recordPath="/run/other"))
    reply = api.ok("reload")
    equal((reply["rules"], reply["vms"], reply["warnings"]), (1, 2, 2))
    equal([p["text"].split(":")[0] for p in reply["problems"] if p["severity"] == "warning"],
          ["general.persistency and general.statePath are read at start only", "general.recordPath is read at start only"])


@test
def an_error_changes_nothing_and_is_told_until_a_reload_succeeds(w):
    vm1 = w.qemu("vm1")
    daemon = w.daemon(w.conf([rule("vm1", KEYBOARD)]))
    api = w.api()
    keyboard = w.host.plug("1-2")
    api.given("vm1", keyboard)
    path = os.path.join(w.dir, "vhotplug.conf")
    before = time.time()
    write(w, '{"vms": [],\n "remark": 1,\n "general": {"leaseSeconds": "x"},\n "usbPassthrough": [{"targetVm": 3}]}')
    reply = api.ask("reload")
    equal(reply["result"], "failed")
    contains(reply["error"], "vhotplug.conf:3:")
    contains(reply["error"], "leaseSeconds")
    equal([p["severity"] for p in reply["problems"] if p["text"] == reply["error"]], ["error"])
    check(len([p for p in reply["problems"] if p["severity"] == "error"]) > 1, str(reply))
    check(w.dir not in json.dumps(reply), "the directory is the host's")
    daemon.wait_log("audit: .* action=reload outcome=failed reason=")
    at, error = last_failure(api)
    check(before - 1 <= at <= time.time() + 1, str(at))
    equal(error, reply["error"])
    equal((vm1.devices.keys() and api.list()[keyboard.node]["vm"], vm1.count("device_del")), ("vm1", 0))
    # SIGHUP tells it likewise
    write(w, "{")
    seen = len(daemon.log)
    daemon.process.send_signal(signal.SIGHUP)
    daemon.wait_log("configuration not reloaded", since=seen)
    later, error = last_failure(api)
    contains(error, "vhotplug.conf:1:")
    check(later >= at, f"{later} {at}")
    equal(api.ok("stats")["reload"], {"ok": 0, "failed": 2})
    os.unlink(path)
    reply = api.ask("reload")
    equal(reply["error"], "cannot open the configuration: No such file or directory")
    equal(reply["problems"], [{"severity": "error", "text": reply["error"]}])
    write(w, w.conf([rule("vm1", KEYBOARD)]))
    api.ok("reload")
    equal((last_failure(api), api.ok("stats")["reload"]), ((None, None), {"ok": 1, "failed": 3}))
    equal((len(vm1.devices), vm1.count("device_del")), (1, 0))


@test
def only_an_admin_may(w):
    port = free_port()
    daemon = w.daemon(w.conf(api={"transports": ["unix", "tcp"], "port": port}))
    operator = w.api((TCP, ("127.0.0.1", port)))
    operator.fails("reload", "not allowed for an operator")
    daemon.wait_log("audit: .* role=operator action=reload outcome=refused")
    equal(daemon.logged("configuration (not )?reloaded"), [])
    w.api().ok("reload")


@test
def problems_beyond_the_bound_are_counted(w):
    w.daemon(w.conf())
    api = w.api()
    write(w, w.conf([rule("vm1", KEYBOARD, **{f"zzzzzzzzzzzzzzzzzzzz{k}": 1}) for k in range(150)] + [{"targetVm": 7}]))
    reply = api.ask("reload")
    equal(reply["result"], "failed")
    shown = [p["severity"] for p in reply["problems"]]
    check(shown.count("error") >= 1 and shown.count("warning") > 20, str(shown))
    check(reply["more_problems"] > 50, str(reply["more_problems"]))
    write(w, w.conf([rule("vm1", KEYBOARD, **{f"zzzzzzzzzzzzzzzzzzzz{k}": 1}) for k in range(150)]))
    reply = api.ok("reload")
    check(reply["warnings"] >= 150, str(reply["warnings"]))
    check(len(reply["problems"]) + reply["more_problems"] > reply["warnings"], str(reply["more_problems"]))  # and notes


@test
def each_is_served_by_a_reading_that_begins_after_it(w):
    vm2 = w.qemu("vm2")
    daemon = w.daemon(w.conf())
    first, second, third = w.api(), w.api(), w.api()
    opener = opener_of(daemon)
    os.kill(opener, signal.SIGSTOP)
    first.send({"action": "reload", "id": 1})
    daemon.wait_log("ready")
    w.api().ok("version")  # a pass after the request: the reading is under way
    w.api().ok("version")
    daemon.process.send_signal(signal.SIGHUP)
    second.send({"action": "reload", "id": 2})
    third.send({"action": "reload", "id": 3})
    w.api().ok("version")
    write(w, w.conf([rule("vm2", KEYBOARD)]))
    os.kill(opener, signal.SIGCONT)
    equal([c.response()["id"] for c in (first, second, third)], [1, 2, 3])
    equal(second.lines[-1]["rules"], 1)
    reloads(daemon, 2)  # of the first; of the signal, the second and the third together
    vm2.wait_device(vhp(w.host.plug("1-2")))


@test
def one_that_asks_while_a_signal_is_served_is_served_next(w):
    daemon = w.daemon(w.conf())
    api = w.api()
    opener = opener_of(daemon)
    os.kill(opener, signal.SIGSTOP)
    daemon.process.send_signal(signal.SIGHUP)
    api.ok("version")
    api.send({"action": "reload"})
    w.api().ok("version")
    os.kill(opener, signal.SIGCONT)
    equal(api.response()["result"], "ok")
    reloads(daemon, 2)


@test
def a_client_that_has_gone_before_the_answer_ends_nothing(w):
    vm2 = w.qemu("vm2")
    daemon = w.daemon(w.conf())
    write(w, w.conf([rule("vm2", KEYBOARD)]))
    opener = opener_of(daemon)
    os.kill(opener, signal.SIGSTOP)
    gone = w.api()
    gone.send({"action": "reload"})
    w.api().ok("version")
    gone.close()
    api = w.api()
    equal(api.ok("stats")["clients"]["connected"], 2)  # the connection of "version" and this one
    os.kill(opener, signal.SIGCONT)
    daemon.wait_log("audit: .* action=reload outcome=ok")
    vm2.wait_device(vhp(w.host.plug("1-2")))
    equal(len(api.lines), 1, "no answer of the other one")


def refused_of_many(w, other):
    """Whether one of 72 requests whose clients go at once is refused; the opener has 2 s until none waits any more."""
    for _ in range(6):
        clients = [w.api() for _ in range(12)]
        for client in clients:
            client.send({"action": "reload"})
        other.ok("version")  # they were read
        for client in clients:
            client.socket.setblocking(False)
            try:
                line = client.socket.recv(4096)
            except BlockingIOError:
                line = b""
            client.close()
            if line and b"too many" in line:
                equal(json.loads(line), {"result": "failed", "error": "too many requests are under way"})
                return True
        other.ok("version")
    return False


@test
def more_than_the_table_holds_are_refused(w):
    daemon = w.daemon(w.conf())
    opener, other = opener_of(daemon), w.api(timeout=30)
    for _ in range(20):  # a machine that is too slow for it once
        os.kill(opener, signal.SIGSTOP)
        refused = refused_of_many(w, other)
        os.kill(opener, signal.SIGCONT)
        while (reply := other.ask("reload"))["result"] != "ok":  # the readings of those who went end one after another
            equal(reply["error"], "too many requests are under way")
        if refused:
            return
    check(False, "one is refused")


@test
def a_reading_that_never_ends_is_answered(w):
    daemon = w.daemon(w.conf())
    api = w.api(timeout=30)
    opener = opener_of(daemon)
    os.kill(opener, signal.SIGSTOP)
    for _ in range(2):  # the second one waits for a process that is late already
        reply = api.ask("reload")
        equal(reply, {"result": "failed", "error": "the configuration was not read: no answer in time", "problems": []})
    contains(last_failure(api)[1], "no answer in time")
    os.kill(opener, signal.SIGCONT)
    api.ok("reload")
    equal(last_failure(api), (None, None))
    os.kill(opener, signal.SIGKILL)
    daemon.wait_log("the opener is gone")
    contains(api.fails("reload", "the configuration was not read"), "the opener is gone")


@test
def a_guest_hears_nothing_of_the_vm_that_takes_the_place_of_its_own(w):
    """The new VM gets the old one's row, by which a guest is known."""
    port = free_port()
    admin_entry = {"uid": os.getuid(), "role": "admin"}

    def conf(rules, vms, *clients):
        return w.conf(rules, vms=vms, api={"transports": ["unix", "tcp"], "host": "127.0.0.1", "port": port, "clients": [admin_entry, *clients]})

    for name in ("vm1", "vm2", "vm3"):
        w.qemu(name)
    daemon = w.daemon(conf([], ("vm1", "vm2"), {"tcp": "127.0.0.1", "role": "guest", "vm": "vm1"}))
    admin = w.api(events=True)
    w.host.plug("1-3", 0x0951, 0x1666, [STORAGE])
    admin.await_event("usb_connected")
    guest = w.api((TCP, ("127.0.0.1", port)), events=True)
    daemon.configure(conf([rule(["vm3", "vm2"], STICK)], ("vm3", "vm2")))
    admin.await_event("usb_select_vm")
    try:
        heard = guest.line()
    except EOFError:
        return
    check(False, f"it heard {heard}")


@test
def one_that_loses_its_role_by_its_own_reload_is_disconnected(w):
    daemon = w.daemon(w.conf())
    api = w.api()
    write(w, w.conf(api={"clients": [{"uid": os.getuid(), "role": "observer"}]}))
    api.send({"action": "reload"})
    try:
        while True:
            api.line()
    except EOFError:
        pass
    daemon.wait_log("audit: .* action=reload outcome=ok")
    w.api().fails("reload", "an observer")


run(World)
