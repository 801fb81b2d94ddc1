"""The state file: its writer killed at every system call of a change, and the power lost at every moment of it."""
import itertools
import json
import os
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from story import KEY, run  # noqa: E402


DISK = "vhotplug-disk"


def end(story):
    story.finish()


def record():
    """The calls of each change, as (call, n, details), from the first that touches the temporary file to the directory's sync."""
    with tempfile.NamedTemporaryFile("r") as log:
        wrong, _ = run(["--log", log.name], end)
        if wrong:
            raise SystemExit(f"not ok 1 - the story without faults: {wrong}")
        calls = []
        for line in log:
            phase, process, call, n, *detail = line.rstrip("\n").split(" ")
            if phase == "run" and process == DISK:
                calls.append((call, int(n), detail))
    changes, change, syncs = [], None, 0
    for call in calls:
        if call[0] == "unlinkat" and call[2] and call[2][0].endswith("state.json.new"):
            change, syncs = [], 0
        if change is not None:
            change.append(call)
            syncs += call[0] == "fsync"
            if syncs == 2:
                changes.append(change)
                change = None
    return changes


def killed_at(call, n):
    """What the file says after a SIGKILL there: True, False, or a complaint."""
    found = []

    def look(story):
        if not story.until(lambda: any("worker ended: name=vhotplug-disk" in line for line in story.daemon.log), must=True):
            found.append("was not killed")
        if not story.alive():
            found.append("the daemon has ended with it")
        try:
            found.append(KEY in story.state()["disconnected_devices"])
        except ValueError as e:
            found.append(f"the file does not load: {e}")
        story.finish()

    wrong, _ = run(["--kill", f"run:{DISK}:{call}:{n}"], look, 0.3)
    return found[0] if len(found) == 1 and not wrong else f"{found} {wrong}"


def power_lost(change, before):
    """Every moment, and every subset of what was not synced by then. Returns the contents that the file may have had at each."""
    moments = []
    volatile = []  # operations that only memory has
    disk = {"state": before, "new": None}

    def apply(files, operation):
        files = dict(files)
        kind, data = operation
        if kind == "unlink":
            files["new"] = None
        elif kind == "create":
            files["new"] = b""
        elif kind == "write" and files["new"] is not None:
            files["new"] = files["new"] + data
        elif kind == "rename" and files["new"] is not None:
            files["state"], files["new"] = files["new"], None
        return files

    def outcomes():
        seen = set()
        for size in range(len(volatile) + 1):
            for some in itertools.combinations(volatile, size):
                files = disk
                for operation in some:
                    for data in ([operation[1], operation[1][:len(operation[1]) // 2]] if operation[0] == "write" else [None]):
                        seen.add(apply(files, (operation[0], data))["state"])
                    files = apply(files, operation)
                seen.add(files["state"])
        return seen

    for call, _, detail in change:
        if call == "unlinkat":
            volatile.append(("unlink", None))
        elif call == "openat" and detail[0].endswith(".new"):
            volatile.append(("create", None))
        elif call == "write" and detail[0].endswith(".new"):
            volatile.append(("write", bytes.fromhex(detail[1])))
        elif call == "renameat2":
            volatile.append(("rename", None))
        elif call == "fsync":
            # Of the file: its content, with all of what makes it reachable so far. Of the directory: everything.
            kept = [] if detail[0].endswith("/state") else [o for o in volatile if o[0] == "rename"]
            for operation in [o for o in volatile if o not in kept]:
                disk = apply(disk, operation)
            volatile = kept
        moments.append((call, outcomes()))
    return moments


def loads(content):
    try:
        return KEY in json.loads(content)["disconnected_devices"]
    except (ValueError, KeyError, TypeError):
        return None


def main():
    changes = record()
    if len(changes) < 2:
        raise SystemExit(f"not ok 1 - {len(changes)} changes were recorded")
    wrong, tried = [], 0
    for number, change in enumerate(changes[:2]):
        for call, n, _ in change:
            if call in ("ppoll", "clock_gettime"):
                continue
            said = killed_at(call, n)
            tried += 1
            if said not in (True, False):
                wrong.append(f"change {number + 1}, {call} {n}: {said}")
    print("\n".join("# " + text for text in wrong))
    print(f"{'not ok' if wrong else 'ok'} 1 - killed at each of {tried} calls of a change, the file is the old or the new one")
    before, bad, states = b'{"disconnected_devices": []}', [], 0
    for change in changes[:2]:
        after = b"".join(bytes.fromhex(d[1]) for c, _, d in change if c == "write" and d[0].endswith(".new"))
        moments = power_lost(change, before)
        for call, seen in moments:
            states += len(seen)
            bad += [f"after {call}: {content!r}" for content in seen if content not in (before, after)]
        if moments[-1][1] != {after}:
            bad.append("after the last call, and so after the ok, the file may still be the old one")
        if loads(after) is None:
            bad.append("what was written does not load")
        before = after
    print("\n".join("# " + text[:300] for text in bad))
    print(f"{'not ok' if bad else 'ok'} 2 - the power lost at any moment leaves the old or the new file, after the ok the new one ({states} states)")
    print("1..2")
    return 1 if wrong or bad else 0


sys.exit(main())
