"""One daemon a host: a second one ends and touches nothing; whoever is no daemon is not hindered."""
import os
import re
import signal
import subprocess

from tap import check, contains, equal, run, scaled, test
from world import BINARY, KEYBOARD, STICK, World, rule, vhp
from fakehost import STORAGE


def lock(w):
    return os.path.join(w.host.root, "dev/vhotplug.lock")


def path(w):
    return os.path.join(w.dir, "vhotplug.conf")


def doctor(w):
    return subprocess.run([BINARY, "doctor", "-c", path(w), "--root", w.host.root], capture_output=True, text=True,
                          timeout=scaled(20), check=False)


def of(text, what):
    return [line for line in text.splitlines() if re.search(what, line)]


def refused(w, conf, first, **kwargs):
    """A daemon that is to end: says which one runs, and nothing else but that it ends."""
    second = w.daemon(conf, ready=False, **kwargs)
    equal(second.wait(scaled(10)), 1)
    contains("\n".join(second.log), f"another vhotplug runs on this host: pid={first.process.pid} ")
    equal([line for line in second.log if not re.search(r"^\(end\)|^<7>.*vhotplug.conf:|another vhotplug", line)], [])


@test
def a_second_daemon_ends_and_touches_nothing(w):
    """With the same configuration, and with one that shares nothing with the first but the host."""
    vm1 = w.qemu("vm1")
    conf = w.conf([rule("vm1", STICK)], persistency=True, statePath=os.path.join(w.dir, "state", "state.json"))
    first = w.daemon(conf)
    api = w.api(events=True)
    device = w.host.plug("1-2", 0x0951, 0x1666, [STORAGE])
    api.await_event("usb_attached")
    api.ok("usb_detach", device_node=device.node)
    api.await_event("usb_detached")
    attached = vm1.count("device_add")
    refused(w, conf, first)
    other = w.conf([rule("vm1", STICK)], api={"unixSocket": os.path.join(w.dir, "other.sock")}, persistency=True,
                   statePath=os.path.join(w.dir, "other", "state.json"))
    refused(w, other, first)
    check(not os.path.exists(os.path.join(w.dir, "other")) and not os.path.exists(os.path.join(w.dir, "other.sock")), "nothing was made")
    equal((vm1.count("device_add"), vm1.devices), (attached, {}))
    check(api.list(disconnected=True)[device.node]["disconnected"], "the decision holds")
    equal(w.host.plug("1-3", 0x0951, 0x1667, [STORAGE]).node, api.await_event("usb_attached")["usb_device"]["device_node"])


@test
def who_is_no_daemon_is_not_hindered(w):
    conf = w.conf([rule("vm1", KEYBOARD)])
    with open(path(w), "w", encoding="utf-8") as f:
        f.write("{}")
    before = doctor(w)
    equal(len(of(before.stdout, r"^ok .*lock: no daemon runs; of two, the second one would end at once")), 1, before.stdout)
    check(not os.path.exists(lock(w)), "doctor changes nothing")
    daemon = w.daemon(conf)
    now = doctor(w)
    equal(len(of(now.stdout, rf"^ok .*lock: the daemon is process {daemon.process.pid}; another one")), 1, now.stdout)
    equal(of(now.stdout, "^problem .*lock"), [])
    done = subprocess.run([BINARY, "--check", "-c", path(w), "--root", w.host.root], capture_output=True, text=True, timeout=scaled(10), check=False)
    equal(done.returncode, 0, done.stderr)
    for words in (["version"], ["usb", "list"]):
        equal(w.cli(*words).returncode, 0)
    equal(subprocess.run([BINARY, "cli", "-u", w.socket, "version"], stdout=subprocess.DEVNULL, timeout=scaled(10), check=False).returncode, 0)


@test
def a_daemon_that_was_killed_is_followed_at_once(w):
    """By the kernel's word, and not by what is in the file or by the file itself."""
    vm1 = w.qemu("vm1")
    conf = w.conf([rule("vm1", KEYBOARD)])
    keyboard = None
    for how in (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL):
        daemon = w.daemon(conf)
        if keyboard is None:
            keyboard = w.host.plug("1-2")
            vm1.wait_device(vhp(keyboard))
        equal((os.stat(lock(w)).st_mode & 0o7777, os.path.getsize(lock(w))), (0o600, 0))
        daemon.process.send_signal(how)
        daemon.wait(scaled(10))
        contains("\n".join(of(doctor(w).stdout, "lock:")), "no daemon runs")
    with open(lock(w), "w", encoding="ascii") as f:
        f.write(f"{os.getpid()}\n")
    w.daemon(conf)


@test
def a_daemon_that_is_stopped_still_runs(w):
    first = w.daemon(w.conf())
    first.process.send_signal(signal.SIGSTOP)
    try:
        refused(w, w.conf(), first)
    finally:
        first.process.send_signal(signal.SIGCONT)


@test
def another_user_cannot_take_its_place(w):
    """Neither before a daemon runs nor after: what root may open alone, nobody else can lock."""
    if os.geteuid() != 0:
        return
    w.daemon(w.conf()).stop()
    place = os.open(os.path.dirname(lock(w)), os.O_PATH)  # what is above it would be in the way as well
    pid = os.fork()
    if pid == 0:
        os.setgroups([])
        os.setuid(65534)
        opened = 0
        for flags in (os.O_RDONLY, os.O_WRONLY, os.O_RDWR, os.O_RDWR | os.O_CREAT):
            try:
                os.open("vhotplug.lock", flags, dir_fd=place)
                opened += 1
            except PermissionError:
                pass
        os._exit(opened)
    equal(os.waitpid(pid, 0)[1], 0)
    os.close(place)


@test
def daemons_of_two_roots_run_side_by_side(w):
    w.daemon(w.conf())
    with World() as other:
        other.daemon(other.conf())
        equal(other.api().ok("usb_list")["usb_devices"], [])


@test
def without_a_place_for_the_lock_a_daemon_warns_and_works(w):
    """Whatever stands there: a directory, a link. No link is followed."""
    vm1 = w.qemu("vm1")
    conf = w.conf([rule("vm1", KEYBOARD)])
    target = os.path.join(w.dir, "target")
    os.symlink(target, lock(w))
    daemon = w.daemon(conf)
    daemon.wait_log(r"<4>.*whether another vhotplug runs on this host cannot be told.*/dev/vhotplug.lock: Symbolic link loop")
    check(not os.path.exists(target), "made by way of a link")
    vm1.wait_device(vhp(w.host.plug("1-2")))
    daemon.stop()
    contains("\n".join(of(doctor(w).stdout, "^note .*lock:")), "whether a daemon runs cannot be told")
    os.unlink(lock(w))
    os.mkdir(lock(w))
    w.daemon(conf).wait_log("whether another vhotplug runs on this host cannot be told.*Is a directory")


run(World)
