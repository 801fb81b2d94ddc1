"""The lists of allowed system calls against use: each process makes each call that it is allowed, and no other (it would be killed). Of the
device workers' calls some are made with a real device only: tests/board/test_calls.py."""
import errno
import os
import shutil
import signal
import socket
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from lists import LAUNCH, WITH_A_DEVICE, allowed, made  # noqa: E402
from story import STORAGE, Failed, run  # noqa: E402
from tap import scaled  # noqa: E402
from world import World  # noqa: E402

MOST = 13  # of the loop, where each call has one number


def the_rest(story):
    """What the story does not need: a stop, a directory made late, storage of the host's own, a source of uevents that fails."""
    w, daemon = story.world, story.daemon
    with open(f"/proc/{daemon.process.pid}/task/{daemon.process.pid}/children", encoding="ascii") as f:
        pid = int(f.read().split()[0])
    os.kill(pid, signal.SIGSTOP)
    time.sleep(0.05)
    os.kill(pid, signal.SIGCONT)
    disk = story.plug("1-5", 0x0951, 0x1667, [STORAGE])
    w.host.mount(disk)
    story.plug("1-6", 0x0951, 0x1668, [STORAGE])
    story.plug("1-8", 0x0403, 0x6001, [(255, 255, 0)])  # of no class: its driver tells what it is
    story.must_serve()
    move(story, os.path.join(w.dir, "late", "api.sock"))
    dead = os.path.join(w.dir, "dead.sock")  # of somebody who has ended
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(dead)
    move(story, dead)
    os.symlink(w.vm_path("vm1"), w.vm_path("vm2"))
    if not story.until(lambda: any("list  vm=vm2" in x for x in daemon.log), must=True):
        raise Failed("a socket behind a link did not appear")
    lose_the_state(story)
    story.finish()


def lose_the_state(story):
    """Its directory is removed; the worker makes it again, but its rights were for the one that was there."""
    stick = story.plug("1-9", 0x0951, 0x1669, [STORAGE])
    story.until(lambda: story.device(stick.node, vm="vm1"), must=True)
    shutil.rmtree(os.path.dirname(story.state_path()))
    story.ask("usb_detach", device_node=stick.node)


def move(story, path):
    """The API to another place."""
    story.conf["general"]["api"]["unixSocket"] = story.world.socket = path
    story.reload(story.conf)
    if story.api:
        story.api.close()
    story.api = None
    if not story.ask("version", must=True):
        raise Failed(f"the API is not where it was moved to: {path}")


def observed():
    """The source of uevents fails at its first read, and is opened again."""
    with tempfile.NamedTemporaryFile("r") as log:
        wrong, lines = run(["--used", log.name, "--vdso", "off", "--fail", f"run:vhotplug:recvmmsg_batch:1:{errno.EIO}"], the_rest,
                           trusted=True)
        used = made(log)
    if not any("uevent socket failed" in x for x in lines):
        wrong.append("the source of uevents did not fail")
    return wrong, lines, used


def observed_with_a_file():
    """The log goes to a file, where the logger adds the time to each line."""
    with tempfile.NamedTemporaryFile("r") as log, tempfile.TemporaryFile() as stderr, World() as w:
        daemon = w.daemon(w.conf(), "-d", under=[LAUNCH, "--used", log.name, "--vdso", "off", "--"], stderr=stderr)
        end = time.monotonic() + scaled(10)
        while b"ready:" not in os.pread(stderr.fileno(), 1 << 20, 0):
            if time.monotonic() > end:
                return {}
            time.sleep(0.01)
        daemon.stop()
        return made(log)


def main():
    lists = {"vhotplug": allowed("DAEMON"), "vhotplug-device": allowed("DEVICE") - WITH_A_DEVICE, "vhotplug-opener": allowed("OPENER"),
             "vhotplug-log": allowed("LOGGER"), "vhotplug-disk": allowed("DISK"), "vhotplug-connec": allowed("CONNECTOR")}
    wrong, lines, used = observed()
    for name, calls in observed_with_a_file().items():
        used.setdefault(name, set()).update(calls)
    for text in wrong + (["log: " + x for x in lines[-40:]] if wrong else []):
        print("# " + text[:300])
    verdicts = [(not wrong, "everything is done inside the sandbox", ""),
                (set(used) == set(lists), "only known processes make calls inside the sandbox", sorted(set(used) ^ set(lists))),
                (len(lists["vhotplug"]) <= MOST, f"the daemon may make {len(lists['vhotplug'])} calls, at most {MOST}", "")]
    for name, calls in lists.items():
        unused, extra = sorted(calls - used.get(name, set())), sorted(used.get(name, set()) - calls)
        verdicts += [(not unused, f"each of the {len(calls)} calls that are allowed to {name} is made", unused),
                     (not extra, f"{name} makes no other call", extra)]
    for n, (ok, text, what) in enumerate(verdicts, 1):
        print(f"{'ok' if ok else 'not ok'} {n} - {text} {' '.join(what)}".rstrip())
    print(f"1..{len(verdicts)}")
    return 0 if all(ok for ok, _, _ in verdicts) else 1


sys.exit(main())
