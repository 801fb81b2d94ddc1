"""The list of allowed system calls against use: the daemon makes each of them, and (else it would be killed) no other."""
import os
import re
import signal
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from story import STORAGE, TOP, Failed, run  # noqa: E402

# The vDSO answers without a system call wherever the machine's clock allows it.
UNSEEN = {"clock_gettime"}


def allowed(macro):
    """Of this machine's architecture, where each call has one number."""
    with open(os.path.join(TOP, "src/sandbox_calls.h"), encoding="utf-8") as f:
        text = f.read()
    body = re.search(rf"#define {macro}\(X\)((?:.*\\\n)*.*)", text).group(1)
    return set(re.findall(r"\bX\((\w+),", body))


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
    story.must_serve()
    story.conf["general"]["api"]["unixSocket"] = os.path.join(w.dir, "late", "api.sock")
    story.reload(story.conf)
    w.socket = story.conf["general"]["api"]["unixSocket"]
    story.api.close()
    story.api = None
    if not story.ask("version", must=True):
        raise Failed("the API is not where it was moved to")
    story.finish()


def main():
    with tempfile.NamedTemporaryFile("r") as log:
        wrong, lines = run(["--used", log.name, "--fail", "run:0:recvmsg:9:5"], the_rest)
        used = {line.split()[1] for line in log if line.startswith("0 ")}
    lists = {macro: allowed(macro) for macro in ("SANDBOX_DAEMON_CALLS", "SANDBOX_RESET_CALLS", "SANDBOX_OPENER_CALLS")}
    unused = sorted(lists["SANDBOX_DAEMON_CALLS"] - used - UNSEEN)
    extra = sorted(used - lists["SANDBOX_DAEMON_CALLS"])
    for text in wrong + (["log: " + x for x in lines[-40:]] if wrong else []):
        print("# " + text[:300])
    print(f"# allowed: {', '.join(f'{k} {len(v)}' for k, v in lists.items())}; used by the daemon: {len(used)}")
    print(f"{'not ok' if wrong else 'ok'} 1 - everything is done inside the sandbox")
    print(f"{'not ok' if unused else 'ok'} 2 - every call that is allowed is made {' '.join(unused)}")
    print(f"{'not ok' if extra else 'ok'} 3 - no other call is made {' '.join(extra)}")
    print("1..3")
    return 1 if wrong or unused or extra else 0


sys.exit(main())
