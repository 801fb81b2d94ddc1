"""Each system call of a recorded run made to fail, once and for good, in the shipped binary.

usage: test_faults.py [SECONDS [CALL...]]      stops choosing after so long (default 60; 0: all of them)
       VH_FAULTS_ONCE=1                        none for good
"""
import concurrent.futures
import errno
import os
import random
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from story import LAUNCH, run  # noqa: E402

# No lies: what is there is never said not to be (ENOENT), for then nothing is wrong that a daemon could see.
ERRORS = {
    "ppoll": ["EINTR", "ENOMEM"], "read": ["EIO", "EINTR", "EAGAIN"], "write": ["EIO", "ENOSPC", "EINTR"],
    "sendmsg": ["EPIPE", "ENOBUFS", "EAGAIN", "EINTR"], "recvmmsg": ["EIO", "ENOBUFS", "EINTR"],
    "openat": ["EMFILE", "EACCES", "EIO", "EINTR"], "close": ["EIO"], "statx": ["EIO", "EACCES"],
    "readlinkat": ["EIO"], "getdents64": ["EIO"], "connect": ["ECONNREFUSED", "EAGAIN", "EACCES"],
    "accept4": ["EMFILE", "ECONNABORTED", "EINTR"], "socket": ["EMFILE", "ENOBUFS"], "getsockopt": ["EINVAL", "ENOBUFS"],
    "setsockopt": ["ENOBUFS"], "bind": ["EADDRINUSE", "EACCES"], "listen": ["EADDRINUSE"], "fchmod": ["EIO"],
    "fsync": ["EIO", "ENOSPC"], "renameat2": ["EIO", "ENOSPC", "EROFS"], "unlinkat": ["EROFS", "EIO"],
    "mkdirat": ["EROFS", "ENOSPC"], "inotify_add_watch": ["ENOSPC", "ENOENT"], "pidfd_open": ["EMFILE", "ESRCH"],
    "fcntl": ["EMFILE"], "madvise": ["EINVAL"],
}
# For good they would be no errors, but a kernel that does not do its work.
PASSING = {"EINTR", "EAGAIN"}
ONCE = bool(os.environ.get("VH_FAULTS_ONCE"))
# Nothing to inject: these cannot fail, or their failure is the process's end; prctl() is what ends a counting daemon's run.
NEVER = {"exit_group", "clock_gettime", "prctl"}


def record():
    """How often the daemon makes each call after start: two runs, and what both have."""
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
                if phase == "run" and process == "0":
                    seen[call] = int(n)
            counts.append(seen)
    return {call: min(c.get(call, 0) for c in counts) for call in counts[0]}


def check_once(story):
    story.must_serve()
    story.must_live()
    story.finish()


def check_forever(story):
    story.must_live()
    story.finish()


def check_blind(story):
    """Without poll() there is nothing it could do: it ends, and says why."""
    story.until(lambda: story.ask("version") and False, must=True)  # work, until that poll() has come
    if story.started and story.alive():
        story.wrong.append("it neither polls nor ends")
    elif story.started and story.daemon.process.returncode != 1:
        story.wrong.append(f"it ended with {story.daemon.process.returncode}")


def check_deaf(story):
    """Who cannot read or poll hears of no signal either."""
    story.must_live()


FOR_GOOD = {"read": check_deaf, "ppoll": check_blind}


def one(plan):
    call, n, error, forever = plan
    options = ["--fail", f"run:0:{call.strip()}:{n}:{getattr(errno, error)}{':forever' if forever else ''}"]
    wrong, log = run(options, FOR_GOOD.get(call, check_forever) if forever else check_once, 0.3 if forever else 2.0)
    return plan, wrong, log


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60
    only = sys.argv[2:]
    counts = record()
    unknown = sorted(c for c in counts if c not in ERRORS and c not in NEVER)
    plans = [(call, n, error, forever) for call, count in sorted(counts.items()) if call in ERRORS and (not only or call in only)
             for n in range(1, count + 1) for error in ERRORS[call] for forever in (False, True)
             if not (forever and (error in PASSING or ONCE))]
    total = len(plans)
    random.Random(1).shuffle(plans)
    # Of every call and error at least one, whatever the time allows besides.
    first, rest, have = [], [], set()
    for p in plans:
        key = (p[0], p[2], p[3])
        (rest if key in have else first).append(p)
        have.add(key)
    end = time.monotonic() + seconds if seconds else None
    bad, done = {}, 0
    with concurrent.futures.ThreadPoolExecutor(max_workers=4) as pool:
        waiting = iter(first + rest)
        running = {pool.submit(one, p) for p in [q for _, q in zip(range(4), waiting)]}
        while running:
            ready, running = concurrent.futures.wait(running, return_when=concurrent.futures.FIRST_COMPLETED)
            for f in ready:
                plan, wrong, log = f.result()
                done += 1
                if wrong:
                    bad.setdefault((plan[0], plan[2], plan[3]), []).append((plan, wrong, log))
                if end is None or time.monotonic() < end or done + len(running) < len(first):
                    plan = next(waiting, None)
                    if plan:
                        running.add(pool.submit(one, plan))
    for key, found in sorted(bad.items()):
        plan, wrong, log = found[0]
        print(f"# {plan[0]} number {plan[1]} fails with {plan[2]} {'for good' if plan[3] else 'once'} ({len(found)} such):")
        for text in wrong + ["log: " + x for x in log[-25:]]:
            print("#   " + text[:300])
    print(f"# {done} of {total} faults tried; calls: " + " ".join(f"{c}={n}" for c, n in sorted(counts.items())))
    print(f"{'not ok' if unknown else 'ok'} 1 - every call of the run has its errors{': not ' + ' '.join(unknown) if unknown else ''}")
    print(f"{'not ok' if bad else 'ok'} 2 - no fault ends it, hangs it or makes it say ok falsely")
    print("1..2")
    return 1 if bad or unknown else 0


if not os.access(LAUNCH, os.X_OK):
    raise SystemExit(f"no {LAUNCH}: make faults")
sys.exit(main())
