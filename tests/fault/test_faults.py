"""Each system call of a recorded run made to fail, once and for good, in the shipped binary: in the daemon and in its helper
processes, before and after they enter the sandbox.

usage: test_faults.py [SECONDS [CALL...]]      stops choosing after so long (default 60; 0: all of them)
       VH_FAULTS_ONCE=1                        none for good
"""
import concurrent.futures
import errno
import itertools
import os
import random
import re
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from story import LAUNCH, run  # noqa: E402

# No ENOENT for existing files: a daemon could not tell that from a missing file.
ERRORS = {
    "ppoll": ["EINTR", "ENOMEM"], "read": ["EIO", "EINTR", "EAGAIN"], "write": ["EIO", "ENOSPC", "EINTR"],
    "sendmsg": ["EPIPE", "ENOBUFS", "EAGAIN", "EINTR"], "recvmmsg": ["EIO", "ENOBUFS", "EINTR"], "recvmmsg_batch": ["EIO", "ENOBUFS", "EINTR"],
    "openat": ["EMFILE", "EACCES", "EIO", "EINTR"], "close": ["EIO"], "statx": ["EIO", "EACCES"],
    "readlinkat": ["EIO"], "getdents64": ["EIO"], "connect": ["ECONNREFUSED", "EAGAIN", "EACCES"],
    "accept4": ["EMFILE", "ECONNABORTED", "EINTR"], "socket": ["EMFILE", "ENOBUFS"], "getsockopt": ["EINVAL", "ENOBUFS"],
    "setsockopt": ["ENOBUFS"], "bind": ["EADDRINUSE", "EACCES"], "listen": ["EADDRINUSE"], "fchmod": ["EIO"],
    "fsync": ["EIO", "ENOSPC"], "renameat2": ["EIO", "ENOSPC", "EROFS"], "unlinkat": ["EROFS", "EIO"],
    "mkdirat": ["EROFS", "ENOSPC"], "inotify_add_watch": ["ENOSPC", "ENOENT"], "pidfd_open": ["EMFILE", "ESRCH"],
    "fcntl": ["EMFILE"], "madvise": ["EINVAL"], "memfd_create": ["EMFILE", "ENOMEM"], "lseek": ["EINVAL"], "setitimer": ["EINVAL"],
    # Of the start alone:
    "pipe2": ["EMFILE"], "dup2": ["EBUSY"], "dup3": ["EBUSY"], "fork": ["EAGAIN"], "clone": ["EAGAIN"], "socketpair": ["EMFILE"], "inotify_init1": ["EMFILE"], "prctl": ["EINVAL"],
    "capget": ["EPERM"], "capset": ["EPERM"], "rt_sigaction": ["EINVAL"], "landlock_create_ruleset": ["ENOMEM", "ENOSYS"],
    "landlock_add_rule": ["ENOMEM"], "landlock_restrict_self": ["E2BIG"], "open": ["EMFILE"], "stat": ["EIO"], "fstat": ["EIO"],
}
# For good they would be no errors, but a kernel that does not do its work.
PASSING = {"EINTR", "EAGAIN"}
WORKERS = 6  # most of a story is waiting
ONCE = bool(os.environ.get("VH_FAULTS_ONCE"))
# Nothing to inject: these cannot fail, or their failure is the process's end; prctl() is what ends a counting daemon's run.
NEVER = {"exit_group", "clock_gettime", "prctl", "rt_sigreturn"}
# As the launcher tells processes apart: by their names, as the kernel shows them. "start" ends with a process's filter. A fault for good is
# that of one process: others of its name go on.
DAEMON, LOGGER, OPENER, DEVICE, DISK, CONNECTOR = "vhotplug", "vhotplug-log", "vhotplug-opener", "vhotplug-device", "vhotplug-disk", "vhotplug-connec"
NAMES = {DAEMON, LOGGER, OPENER, DEVICE, DISK, CONNECTOR}
NEWBORN = "newborn"  # a child that has not said its name yet
# What the daemon logs of the end of a process.
ENDS = {OPENER: "the opener ", DEVICE: "worker ended: name=vhotplug-device", DISK: "worker ended: name=vhotplug-disk",
        CONNECTOR: "worker ended: name=vhotplug-connect"}


def record():
    """How often each process makes each call, as {(phase, process, call): count}: two runs, and what both have."""
    counts = []
    for _ in range(2):
        with tempfile.NamedTemporaryFile("r") as log:
            wrong, lines = run(["--log", log.name], lambda s: (s.must_serve(), s.must_live(), s.finish()))
            if wrong:
                print("\n".join("# " + x for x in wrong + lines[-60:]))
                raise SystemExit("not ok - the story without faults")
            seen = {}
            for line in log:
                phase, process, call, n, *_ = line.split(" ", 4)
                if phase != "end" and process != NEWBORN:
                    seen[phase, process, call] = int(n)
            if {process for _, process, _ in seen} != NAMES:
                raise SystemExit(f"not ok - other processes than {NAMES}: {seen}")
            counts.append(seen)
    return {key: min(c.get(key, 0) for c in counts) for key in counts[0]}


def check_once(story):
    story.must_serve()
    story.must_live()
    story.finish()


def check_forever(story):
    story.must_live()
    story.finish()


def check_blind(story):
    """Without poll() the daemon can do nothing: it ends, and says why."""
    story.until(lambda: story.ask("version") and False, must=True)  # work, until that poll() has come
    if story.started and story.alive():
        story.wrong.append("it neither polls nor ends")
    elif story.started and story.daemon.process.returncode != 1:
        story.wrong.append(f"it ended with {story.daemon.process.returncode}")


def check_deaf(story):
    """A daemon that cannot read gets no signal either, so SIGTERM does not end it."""
    story.must_live()


def check_start(story):
    """The daemon starts and serves as without the fault, or it ends at once and says why."""
    if story.started:
        check_forever(story)
    elif story.alive():
        story.wrong.append("it neither starts nor ends")
    elif any("error while loading shared libraries" in line for line in story.daemon.log):
        pass  # a daemon that counts is a dynamic program: that was its loader
    elif story.daemon.process.returncode != 1 or not any("<3>" in line for line in story.daemon.log):
        story.wrong.append(f"it ended with {story.daemon.process.returncode}")


def ended(story):
    """Names of the helper processes that have ended: the daemon does not wait for them, so they stay zombies."""
    try:
        with open(f"/proc/{story.daemon.process.pid}/task/{story.daemon.process.pid}/children", encoding="ascii") as f:
            daemon = f.read().split()[0]
        with open(f"/proc/{daemon}/task/{daemon}/children", encoding="ascii") as f:
            children = f.read().split()
    except (OSError, IndexError):
        return []
    found = []
    for pid in children:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
            name, state = re.match(r"\d+ \((.*)\) (.)", f.read()).groups()
        if state == "Z":
            found.append(name)
    return found


def check_helpers(story, serves=True):
    """The daemon goes on, logs the end of a helper, and does not claim a reload that did not happen."""
    if serves:
        story.must_serve()
    elif story.alive() and not story.ask("version", must=True):
        story.wrong.append("clients are not answered")
    since = len(story.daemon.log)
    if story.started and story.alive():
        story.reload(story.conf)
        new = story.daemon.log[since:]
        gone = ended(story)
        if not any("reloaded" in line for line in new):
            story.wrong.append("a reload was never answered")
        said = next((n for n, line in enumerate(new) if "the opener is gone" in line), len(new))
        if any("the opener is gone" in line for line in story.daemon.log[:since]):
            said = 0
        if any("configuration reloaded" in line for line in new[said:]):
            story.wrong.append("a reload without an opener")
        for name, words in ENDS.items():
            if name in gone and not story.until(lambda w=words: any(w in line for line in story.daemon.log)):
                story.wrong.append(f"nothing said of the end of {name}")
    story.must_live()
    story.finish()


FOR_GOOD = {"read": check_deaf, "ppoll": check_blind}


def check_of(plan):
    phase, process, call, _, _, forever = plan
    if process == LOGGER and phase == "run":
        return check_once  # it costs log lines and nothing else
    if process in (DEVICE, CONNECTOR) and phase == "run" and (forever or call == "close"):
        # One of several that fails for good, and goes on, is asked again and again: what it was asked for fails. And what was not closed
        # after all, as close() says only here, keeps the monitor for itself.
        return lambda story: check_helpers(story, serves=False)
    if process not in (DAEMON, LOGGER):
        return check_helpers
    if phase == "start":
        return check_start
    return FOR_GOOD.get(call, check_forever) if forever else check_once


def one(plan):
    phase, process, call, n, error, forever = plan
    options = ["--fail", f"{phase}:{process}:{call}:{n}:{getattr(errno, error)}{':forever' if forever else ''}"]
    wrong, log = run(options, check_of(plan), 0.3 if forever else 2.0)
    return plan, wrong, log


def all_plans(counts, only):
    for (phase, process, call), count in sorted(counts.items()):
        if call not in ERRORS or (only and call not in only):
            continue
        for n, error, forever in itertools.product(range(1, count + 1), ERRORS[call], (False, True)):
            if not (forever and (error in PASSING or ONCE or phase == "start")):
                yield phase, process, call, n, error, forever


def kind(plan):
    """Of each of these at least one is tried, whatever the time allows besides."""
    return (*plan[:3], *plan[4:])


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60
    only = sys.argv[2:]
    counts = record()
    unknown = sorted(call for phase, _, call in counts if phase == "run" and call not in ERRORS and call not in NEVER)
    plans = list(all_plans(counts, only))
    total = len(plans)
    random.Random(1).shuffle(plans)
    first, rest, have = [], [], set()
    for p in plans:
        (rest if kind(p) in have else first).append(p)
        have.add(kind(p))
    end = time.monotonic() + seconds if seconds else None
    bad, done = {}, 0
    with concurrent.futures.ThreadPoolExecutor(max_workers=WORKERS) as pool:
        waiting = iter(first + rest)
        running = {pool.submit(one, p) for p in [q for _, q in zip(range(WORKERS), waiting)]}
        while running:
            ready, running = concurrent.futures.wait(running, return_when=concurrent.futures.FIRST_COMPLETED)
            for f in ready:
                plan, wrong, log = f.result()
                done += 1
                if wrong:
                    bad.setdefault(kind(plan), []).append((plan, wrong, log))
                if end is None or time.monotonic() < end or done + len(running) < len(first):
                    plan = next(waiting, None)
                    if plan:
                        running.add(pool.submit(one, plan))
    for _, found in sorted(bad.items()):
        (phase, process, call, n, error, forever), wrong, log = found[0]
        print(f"# {phase} of {process}: {call} number {n} fails with {error} {'for good' if forever else 'once'} ({len(found)} such):")
        for text in wrong + ["log: " + x for x in log[-25:]]:
            print("#   " + text[:300])
    print(f"# {done} of {total} faults tried, {len(first)} kinds")
    for (phase, process), group in itertools.groupby(sorted(counts), lambda key: key[:2]):
        print(f"# {phase} of {process}: " + " ".join(f"{key[2]}={counts[key]}" for key in group))
    print(f"{'not ok' if unknown else 'ok'} 1 - every call of the run has its errors{': not ' + ' '.join(unknown) if unknown else ''}")
    print(f"{'not ok' if bad else 'ok'} 2 - no fault ends it, hangs it or makes it say ok falsely")
    print("1..2")
    return 1 if bad or unknown else 0


if not os.access(LAUNCH, os.X_OK):
    raise SystemExit(f"no {LAUNCH}: make faults")
sys.exit(main())
