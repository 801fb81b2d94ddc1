"""The sandbox: the kernel's view of the processes, and everything that must still work after start."""
import json
import os
import signal
import stat
import time

from tap import check, contains, equal, run, scaled, test
from world import KEYBOARD, SHIPPED, World, rule, vhp

KEEP = "0000000000000002"  # CAP_DAC_OVERRIDE
NOTHING = "0000000000000000"
ROOT = os.geteuid() == 0
DEVICE_WORKERS = 4  # of limits.h, as is the next
CONNECTORS = 2
DEVICE, CONNECTOR = "vhotplug-device", "vhotplug-connec"  # as the kernel shows it
DISK = "vhotplug-disk"
# How many processes of each name there are, and the capability that each of them keeps when the configuration has VMs. Whoever adds a
# process adds a row. The disk worker is there with general.persistency alone.
PROCESSES = {"vhotplug": (1, NOTHING), "vhotplug-log": (1, NOTHING), "vhotplug-opener": (1, NOTHING), DEVICE: (DEVICE_WORKERS, NOTHING),
             CONNECTOR: (CONNECTORS, KEEP)}
WITH_DISK = {**PROCESSES, DISK: (1, NOTHING)}
HELPERS = sum(n for n, _ in WITH_DISK.values()) - 1


def status(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f)


def processes(daemon, expected=None):
    """Of the daemon and its helpers, which come to be on their own time: the status of each, by name, when all are shut in."""
    pid = daemon.process.pid
    wanted = {name: n for name, (n, _) in (expected or PROCESSES).items()}
    end = time.monotonic() + scaled(5)
    while True:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
            children = f.read().split()
        found = {}
        for s in [status(p) for p in (pid, *children)]:
            found.setdefault(s["Name"], []).append(s)
        if {name: len(each) for name, each in found.items()} == wanted and all(s["Seccomp"] == "2" for each in found.values() for s in each):
            return found
        seen = {name: [s["Seccomp"] for s in each] for name, each in found.items()}
        check(time.monotonic() < end, f"not all are shut in, or not these: {seen}, expected {wanted}")
        time.sleep(0.005)


def pid_of(daemon, name):
    """Of a process that has its name for itself."""
    one, = processes(daemon)[name]
    return int(one["Pid"])


def remembering(w):
    return w.conf([rule("vm1", KEYBOARD)], persistency=True, statePath=os.path.join(w.dir, "state.json"))


@test
def each_process_has_one_thread_and_hardly_a_right(w):
    for name, each in processes(w.daemon(remembering(w)), WITH_DISK).items():
        kept = WITH_DISK[name][1] if ROOT else NOTHING
        for s in each:
            equal((s["Threads"], s["NoNewPrivs"], s["Seccomp"]), ("1", "1", "2"), name)
            equal((s["CapEff"], s["CapPrm"], s["CapInh"], s["CapAmb"]), (kept, kept, NOTHING, NOTHING), name)
            if ROOT:
                equal(s["CapBnd"], kept, name)


@test
def without_vms_no_capability_is_left(w):
    for name, each in processes(w.daemon(w.conf(vms=()))).items():
        for s in each:
            equal((s["CapEff"], s["CapPrm"], s["CapInh"], s["CapAmb"]), (NOTHING,) * 4, name)


def files(pid, root):
    """What a process has open, by the link of each descriptor; below the host's root, from there."""
    links = []
    for fd in os.listdir(f"/proc/{pid}/fd"):
        link = os.readlink(f"/proc/{pid}/fd/{fd}")
        links.append("root" + link[len(root):] if link == root or link.startswith(root + "/") else link)
    return links


def pair_ends():
    """Inodes of all sockets that messages are exchanged by, as unix sockets without a name."""
    with open("/proc/net/unix", encoding="ascii", errors="replace") as f:
        rows = [line.split() for line in f][1:]
    return {f"socket:[{row[6]}]" for row in rows if row[4] == "0005" and len(row) == 7}


@test
def each_process_holds_its_own_files_alone(w):
    if not SHIPPED:
        return  # one that counts has files of its own
    daemon = w.daemon(remembering(w))
    running = processes(daemon, WITH_DISK)
    every = ["/dev/null", "/dev/null", "pipe", "root"]  # standard input, output and error, and where paths begin
    pinned = ["root/proc/net", "root/proc/self", "root/proc/swaps"]
    wanted = {
        "vhotplug-log": ["pair", "pipe", "pipe"],
        "vhotplug-opener": every + ["pair"],
        DEVICE: every + ["pair", "pipe"] + pinned,  # the pipe's other end is the loop's: its end is the daemon's
        DISK: every + ["pair"],
        CONNECTOR: every + ["pair", "anon_inode:inotify"],
        # A socket of uevents and one of clients; the watch over the VMs' directories, which the connectors fill; the table of mounts, which
        # poll() tells a change of; the lock, which no helper may write to.
        "vhotplug": every + ["pair"] * (HELPERS) + ["socket", "socket", "anon_inode:inotify", "anon_inode:[signalfd]",
                                                    "root/proc/self/mountinfo", "root/dev/vhotplug.lock"],
    }
    pairs, holders = pair_ends(), {}
    for name, each in running.items():
        for s in each:
            open_files = files(s["Pid"], w.host.root)
            kinds = ["pair" if link in pairs else "socket" if link.startswith("socket:") else "pipe" if link.startswith("pipe:") else link
                     for link in open_files]
            equal(sorted(kinds), sorted(wanted[name]), name)
            for link in open_files:
                if link.startswith("socket:"):
                    holders.setdefault(link, []).append(name)
    equal({link: names for link, names in holders.items() if len(names) != 1}, {}, "sockets of several processes")
    log = [link for link in files(running["vhotplug"][0]["Pid"], w.host.root) if link.startswith("pipe:")]
    for name, each in running.items():
        for s in each:
            equal([link for link in files(s["Pid"], w.host.root) if link == log[0]], log, f"{name} and the pipe of log lines")


@test
def a_reload_under_way_takes_another_one_afterwards(w):
    vm2 = w.qemu("vm2")
    daemon = w.daemon(w.conf([rule("vm1", KEYBOARD)]))
    opener = pid_of(daemon, "vhotplug-opener")
    os.kill(opener, signal.SIGSTOP)
    daemon.process.send_signal(signal.SIGHUP)
    w.api().ok("version")  # it goes on meanwhile
    with open(os.path.join(w.dir, "vhotplug.conf"), "w", encoding="utf-8") as f:
        json.dump(w.conf([rule("vm2", KEYBOARD)]), f)
    daemon.process.send_signal(signal.SIGHUP)
    w.api().ok("version")
    os.kill(opener, signal.SIGCONT)
    end = time.monotonic() + scaled(5)
    while len(daemon.logged("configuration reloaded")) < 2:
        check(time.monotonic() < end, "two answers")
        time.sleep(0.005)
    vm2.wait_device(vhp(w.host.plug("1-2")))


@test
def no_sandbox_is_logged_loudly(w):
    daemon = w.daemon(w.conf(), "--no-sandbox")
    contains(daemon.wait_log("NO SANDBOX"), "<4>")
    equal(status(daemon.process.pid)["Seccomp"], "0")


@test
def stopping_and_going_on_kills_nobody(w):
    vm1 = w.qemu("vm1")
    daemon = w.daemon(w.conf([rule("vm1", KEYBOARD)]))
    for _ in range(3):
        daemon.process.send_signal(signal.SIGSTOP)
        w.api(timeout=5)  # the kernel takes the connection
        daemon.process.send_signal(signal.SIGCONT)
        w.api().ok("version")
    vm1.wait_device(vhp(w.host.plug("1-2")))


@test
def a_configuration_that_was_replaced_is_read(w):
    vm2 = w.qemu("vm2")
    daemon = w.daemon(w.conf([rule("vm1", KEYBOARD)]))
    path = os.path.join(w.dir, "vhotplug.conf")
    with open(path + ".new", "w", encoding="utf-8") as f:
        json.dump(w.conf([rule("vm2", KEYBOARD)]), f)
    os.rename(path + ".new", path)
    daemon.process.send_signal(signal.SIGHUP)
    daemon.wait_log("configuration reloaded")
    vm2.wait_device(vhp(w.host.plug("1-2")))
    os.unlink(path)
    since = len(daemon.log)
    daemon.process.send_signal(signal.SIGHUP)
    contains(daemon.wait_log("cannot open the configuration", since=since), "No such file")


@test
def the_api_moves_where_it_may_and_says_where_it_may_not(w):
    daemon = w.daemon(w.conf())
    moved = os.path.join(w.dir, "made", "api.sock")
    since = len(daemon.log)
    contains(daemon.configure(w.conf(api={"unixSocket": moved, "unixSocketMode": "0600"})), "configuration reloaded")
    daemon.wait_log("API listening: transport=unix", since=since)
    check(not os.path.exists(w.socket), "removed by the opener")
    equal(stat.S_IMODE(os.stat(moved).st_mode), 0o600)
    w.socket = moved
    w.api().ok("version")
    since = len(daemon.log)
    daemon.configure(w.conf(api={"unixSocket": "/var/tmp/vhotplug-not-here.sock"}))
    contains(daemon.wait_log("API transport cannot be opened yet", since=since), "Permission denied")
    check(not os.path.exists("/var/tmp/vhotplug-not-here.sock"))


@test
def without_the_opener_all_else_goes_on(w):
    for how, word in ((signal.SIGKILL, "the opener is gone"), (signal.SIGSTOP, "no answer in time")):
        vm1 = w.qemu("vm1")
        daemon = w.daemon(w.conf([rule("vm1", KEYBOARD)]))
        opener = pid_of(daemon, "vhotplug-opener")
        os.kill(opener, how)
        since = len(daemon.log)
        daemon.process.send_signal(signal.SIGHUP)
        kbd = w.host.plug("1-2")
        vm1.wait_device(vhp(kbd))  # nobody waits for the opener
        contains(daemon.wait_log("not reloaded", since=since), word)
        contains(daemon.configure(w.conf([])), word)
        equal(len(daemon.logged("the opener is gone: no more reloads")), 1 if how == signal.SIGKILL else 0)
        if how == signal.SIGSTOP:
            os.kill(opener, signal.SIGCONT)
            contains(daemon.configure(w.conf([rule("vm1", KEYBOARD)])), "configuration reloaded")
        w.host.unplug(kbd)
        vm1.wait_device(vhp(kbd), there=False)
        equal(daemon.stop(), 0)
        vm1.end()


@test
def a_fifo_for_a_configuration_holds_up_nobody(w):
    daemon = w.daemon(w.conf())
    path = os.path.join(w.dir, "vhotplug.conf")
    os.unlink(path)
    os.mkfifo(path)
    daemon.process.send_signal(signal.SIGHUP)
    daemon.wait_log("not reloaded")
    equal(daemon.logged("the opener"), [])
    os.unlink(path)
    contains(daemon.configure(w.conf()), "configuration reloaded")


@test
def a_state_directory_whose_parent_comes_late_is_made(w):
    w.qemu("vm1")
    parent = os.path.join(w.dir, "mounted", "later")
    state = os.path.join(parent, "vhotplug", "state.json")
    w.daemon(w.conf([rule("vm1", KEYBOARD)], persistency=True, statePath=state))
    kbd = w.host.plug("1-2")
    api = w.api()
    api.list_until(lambda l: kbd.node in l and l[kbd.node]["vm"] == "vm1")
    contains(api.fails("usb_detach", "cannot be saved", device_node=kbd.node), "No such file")
    os.makedirs(parent)
    api.ok("usb_detach", device_node=kbd.node)
    with open(state, encoding="utf-8") as f:
        check(json.load(f)["disconnected_devices"], "saved")


@test
def an_owner_is_set_at_start_alone(w):
    if not ROOT:
        return
    daemon = w.daemon(w.conf(api={"unixSocketUser": "65534", "unixSocketGroup": "65534"}))
    found = os.stat(w.socket)
    equal((found.st_uid, found.st_gid), (65534, 65534))
    since = len(daemon.log)
    daemon.configure(w.conf(api={"unixSocketUser": "65533", "unixSocketGroup": "65534"}))
    daemon.wait_log("unixSocketUser and unixSocketGroup take effect at start only", since=since)
    equal(os.stat(w.socket).st_uid, 65534)
    w.api().ok("version")  # it stays as it is
    daemon.configure(w.conf(api={"unixSocketUser": "65534", "unixSocketMode": "0600"}))
    daemon.wait_log("owner or group can be opened at start only", since=since)


run(World)
