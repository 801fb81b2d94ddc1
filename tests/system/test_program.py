"""vhotplug and vhotplugcli as users start them: options, exit codes, messages, the client's output."""
import json
import os
import signal
import subprocess
import time

from fakehost import STORAGE
from tap import check, contains, equal, run, scaled, test
from world import BINARY, CLIENT, KEYBOARD, STICK, World, rule, vhp


def call(*arguments, **kwargs):
    return subprocess.run(arguments, capture_output=True, text=True, timeout=scaled(10), check=False, **kwargs)


def checked(w, text):
    path = os.path.join(w.dir, "x.conf")
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    return call(BINARY, "--check", "-c", path)


@test
def help_version_and_limits_are_told_on_standard_output(_):
    for program in (BINARY, CLIENT):
        done = call(program, "--help")
        equal((done.returncode, done.stderr), (0, ""))
        contains(done.stdout, "Usage:")
        contains(done.stdout, "Exit status:")
        done = call(program, "--version")
        equal((done.returncode, done.stdout.split()[0]), (0, os.path.basename(program)))
    limits = call(BINARY, "--limits")
    equal(limits.returncode, 0)
    contains(limits.stdout, "MAX_DEVICES")
    check(len(limits.stdout.splitlines()) > 40, "every limit")


@test
def text_that_cannot_be_written_is_an_error(w):
    """A full disk, or no standard output at all: never 0, whatever was asked for."""
    w.host.place("1-2")
    w.daemon(w.conf())
    path = os.path.join(w.dir, "vhotplug.conf")
    for command in ([BINARY, "--version"], [BINARY, "--help"], [BINARY, "--limits"], [BINARY, "--check", "-c", path],
                    [BINARY, "doctor", "-c", path, "--root", w.host.root], [CLIENT, "--version"], [CLIENT, "--help"],
                    *([CLIENT, "-u", w.socket, *words] for words in (["usb", "list"], ["version"], ["stats"], ["status"]))):
        with open("/dev/full", "w", encoding="ascii") as full:
            done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=scaled(10), check=False)
        equal(done.returncode, 1, str(command))
        equal(done.stderr.splitlines()[-1], f"{os.path.basename(command[0])}: cannot write to standard output", str(command))
        done = subprocess.run(["sh", "-c", '"$@" >&-', "sh", *command], stderr=subprocess.PIPE, text=True, timeout=scaled(10), check=False)
        equal(done.returncode, 1, f"{command} without any")


@test
def standard_files_that_are_closed_are_nobodys(w):
    """Else the next thing that is opened is number 2, and the log goes to a client or into the state file."""
    daemon = w.daemon(w.conf(), ready=False, under=["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh"])
    end = time.monotonic() + scaled(5)
    while True:
        try:
            api = w.api(events=True)
            break
        except OSError:  # not there yet, or nobody listens yet
            check(time.monotonic() < end, "it does not start")
            time.sleep(0.005)
    api.event("usb_connected", device_node=w.host.plug("1-2").node)
    for fd in range(3):
        equal(os.readlink(f"/proc/{daemon.process.pid}/fd/{fd}"), "/dev/null")
    daemon.process.send_signal(signal.SIGTERM)
    equal(daemon.process.wait(scaled(5)), 0)


@test
def listening_ends_when_nobody_can_hear(w):
    daemon = w.daemon(w.conf())
    with open("/dev/full", "w", encoding="ascii") as full, \
            subprocess.Popen([CLIENT, "-u", w.socket, "listen"], stdout=full, stderr=subprocess.PIPE, text=True) as client:
        daemon.wait_log("API client subscribes")
        w.host.plug("1-2")
        equal(client.wait(scaled(10)), 1)
        equal(client.stderr.read(), "vhotplugcli: cannot write to standard output\n")


@test
def what_is_not_understood_is_usage_and_exits_with_2(_):
    for arguments in (["--frobnicate"], ["-c"], ["extra"], ["--uevents", "/tmp/x"], ["-z"]):
        done = call(BINARY, *arguments)
        equal((done.returncode, done.stdout), (2, ""), str(arguments))
        contains(done.stderr, "--help")
    for arguments in ([], ["usb"], ["usb", "fly"], ["usb", "attach"], ["usb", "attach", "--vid", "1111"], ["-t", "pigeon", "version"],
                      ["-p", "0", "version"], ["-c", "x", "version"], ["usb", "list", "--pid", "x"],
                      ["usb", "list", "--connected", "--disconnected"], ["cli", "version"], ["usb", "attach", "--devnode", "/d", "--tag", "t"]):
        done = call(CLIENT, *arguments)
        equal((done.returncode, done.stdout), (2, ""), str(arguments))
        contains(done.stderr, "--help")


@test
def options_that_the_older_daemon_has_take_an_earlier_one_back(w):
    w.qemu("vm1")
    w.host.place("1-2")
    daemon = w.daemon(w.conf([rule("vm1", KEYBOARD)]), "-a", "--no-attach-connected", "--no-debug")
    equal(daemon.logged("<7>"), [])
    equal([d["reason"] for d in w.api().list().values()], ["was there before the daemon started (see --attach-connected)"])
    equal(call(BINARY, "--no", "--check").returncode, 2)  # which of them?


@test
def a_bad_configuration_stops_the_start_with_its_place(w):
    text = '{\n  "vms": [\n    {"name": "a", "type": "qemu", "socket": 5}\n  ]\n}\n'
    done = checked(w, text)
    equal(done.returncode, 1)
    contains(done.stderr, "x.conf:3:")
    contains(done.stderr, "vms[0].socket")
    daemon = w.daemon(text, ready=False)
    equal(daemon.stop(), 1)
    check(any("vms[0].socket" in line for line in daemon.log), str(daemon.log))
    for text in ("", "{", "[]", '{"general": 1}', '{"usbPassthrough": [{"targetVm": "nobody", "allow": [{"vendorName": "("}]}]}', "\x00"):
        done = checked(w, text)
        equal(done.returncode, 1, repr(text))
        contains(done.stderr, "x.conf:")
    equal(call(BINARY, "--check", "-c", "/no/such/file").returncode, 1)
    equal(call(BINARY, "-c", w.dir, "--root", w.host.root).returncode, 1)


@test
def a_good_configuration_is_said_to_be_good(w):
    done = checked(w, json.dumps(w.conf([rule("vm1", KEYBOARD)])))
    equal(done.returncode, 0)
    contains(done.stdout, "1 rule, 2 VMs, 0 warnings")


@test
def a_misspelt_section_is_an_error(w):
    done = checked(w, '{"usbPasthrough": []}')
    equal(done.returncode, 1)
    contains(done.stderr, "usbPassthrough")  # what was meant


@test
def a_configuration_larger_than_any_is_refused(w):
    done = checked(w, " " * (1 << 20) + "{}")
    equal(done.returncode, 1)
    contains(done.stderr, "it is larger than 1 MiB")


@test
def without_a_configuration_the_built_in_one_is_checked(_):
    if os.path.exists("/etc/vhotplug.conf"):
        return
    done = call(BINARY, "--check")
    equal((done.returncode, done.stdout), (0, "/etc/vhotplug.conf: ok: 0 rules, 0 VMs, 0 warnings\n"))
    contains(done.stderr, "built-in configuration")


@test
def a_name_without_a_path_is_enough_to_be_the_client(_):
    done = subprocess.run(["vhotplugcli", "--version"], executable=BINARY, capture_output=True, text=True, timeout=scaled(10), check=False)
    equal((done.returncode, done.stdout.split()[0]), (0, "vhotplugcli"))


@test
def without_an_api_the_rules_are_still_served(w):
    vm1 = w.qemu("vm1")
    w.daemon({**w.conf([rule("vm1", KEYBOARD)]), "general": {"api": {"enable": False}, "persistency": False}})
    vm1.wait_device(vhp(w.host.plug("1-2")))
    check(not os.path.exists(w.socket))


@test
def what_takes_effect_at_start_only_is_said(w):
    daemon = w.daemon(w.conf())
    for change in ({"persistency": True}, {"statePath": os.path.join(w.dir, "state.json")}):
        since = len(daemon.log)
        contains(daemon.configure(w.conf(**change)), "configuration reloaded")
        daemon.wait_log("persistency and general.statePath are read at start only", since=since)


@test
def a_vm_in_the_place_of_another_is_served(w):
    vm3 = w.qemu("vm3")
    daemon = w.daemon(w.conf([rule("vm1", KEYBOARD)]))
    contains(daemon.configure(w.conf([rule("vm3", KEYBOARD)], vms=("vm3", "vm4"))), "configuration reloaded")
    vm3.wait_device(vhp(w.host.plug("1-2")))


@test
def a_state_file_in_the_top_directory_is_a_place_like_any(w):
    daemon = w.daemon(w.conf(persistency=True, statePath="/vhotplug-that-is-never-written.json"))
    equal(daemon.stop(), 0)
    check(not os.path.exists("/vhotplug-that-is-never-written.json"))


@test
def both_signals_end_it_cleanly(w):
    for how in (signal.SIGTERM, signal.SIGINT):
        daemon = w.daemon(w.conf())
        client = w.api()
        client.ok("version")
        equal(daemon.stop(how), 0)
        check(not os.path.exists(w.socket), "its socket is removed")
        equal(client.socket.recv(1), b"")
        check(all(line.startswith("<") for line in daemon.log[:-1]), "levels, because this is no terminal")
        os.unlink(w.host.uevents) if os.path.exists(w.host.uevents) else None


@test
def a_missing_root_is_an_error(w):
    path = os.path.join(w.dir, "x.conf")
    with open(path, "w", encoding="ascii") as f:
        f.write("{}")
    done = call(BINARY, "--root", "/no/such/dir", "--uevents", "/tmp/none", "-c", path)
    equal(done.returncode, 1)
    contains(done.stderr, "cannot open the root directory /no/such/dir")


@test
def the_client_lists_as_scripts_expect(w):
    w.qemu("vm1")
    stick = w.host.place("1-2", 0xfff0, 0x1234, [STORAGE], manufacturer="Acme\x1b[31m", product="Stick", serial="42")
    w.daemon(w.conf([rule(["vm1", "vm2"], STICK)]))
    done = w.cli("usb", "list", "--short")
    equal((done.returncode, done.stdout, done.stderr), (0, "fff0:1234 Acme?[31m Stick\n", ""))
    done = w.cli("usb", "list")
    lines = done.stdout.split("\n")
    equal((lines[0], lines[-2:]), ("fff0:1234 Acme?[31m Stick", ["", ""]))
    check("  device_node     : " + stick.node in lines, done.stdout)
    check("  allowed_vms     : ['vm1', 'vm2']" in lines, done.stdout)
    equal(w.cli("usb", "list", "--disconnected").stdout, "")
    equal(w.cli("usb", "attach", "--devnode", stick.node, "--vm", "vm1").returncode, 0)
    equal(w.cli("usb", "detach", "--vid", "fff0", "--pid", "1234").returncode, 0)
    contains(w.cli("usb", "list", "--disconnected").stdout, stick.node)
    equal(w.cli("usb", "attach", "--bus", "1", "--port", "2", "--vm", "vm1").returncode, 0)
    done = w.cli("usb", "attach", "--devnode", stick.node, "--vm", "vm9")
    equal((done.returncode, done.stdout), (1, ""))
    contains(done.stderr, "vm9")
    equal(json.loads(w.cli("--json", "usb", "list").stdout)["result"], "ok")
    equal(w.cli("usb", "suspend").returncode, 0)
    equal(w.cli("usb", "resume", "--vm", "vm1").returncode, 0)
    equal(w.cli("version").stdout.count("."), 2)
    equal(call(BINARY, "cli", "-u", w.socket, "version").stdout, w.cli("version").stdout)


@test
def the_client_says_when_nobody_is_there(w):
    done = call(CLIENT, "-u", os.path.join(w.dir, "none.sock"), "usb", "list")
    equal((done.returncode, done.stdout), (1, ""))
    contains(done.stderr, "none.sock")
    done = call(CLIENT, "-t", "tcp", "-p", "1", "version")
    equal(done.returncode, 1)
    contains(done.stderr, "127.0.0.1 port 1")
    equal(call(CLIENT, "-s", "not.an.address", "version").returncode, 1)


@test
def listening_prints_events_and_survives_a_restart(w):
    daemon = w.daemon(w.conf())
    client = subprocess.Popen([CLIENT, "-u", w.socket, "listen"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        daemon.wait_log("API client subscribes")
        probe = w.api()
        kbd = w.host.plug("1-2")
        equal(json.loads(client.stdout.readline())["usb_device"]["device_node"], kbd.node)
        probe.close()
        equal(daemon.stop(), 0)
        contains(client.stderr.readline(), "trying again")
        again = w.daemon(w.conf())
        again.wait_log("API client subscribes")
        w.host.unplug(kbd)
        equal(json.loads(client.stdout.readline())["event"], "usb_disconnected")
    finally:
        client.kill()
        client.wait()
        client.stdout.close()
        client.stderr.close()


@test
def without_a_configuration_it_lists_and_tells(w):
    """The bare binary is useful: no VMs, every device, a unix socket."""
    w.host.place("1-2")
    daemon = w.daemon(json.dumps({"general": {"api": {"enable": True, "transports": ["unix"], "unixSocket": w.socket}}}))
    equal(len(w.api().list()), 1)
    daemon.wait_log("ready: devices=2")


run(World)
