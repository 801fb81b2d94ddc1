#!/usr/bin/env python3
"""Makes a fuzzer's committed corpus small: of what is committed and what its runs have found, the inputs that between them
reach every edge, chosen greedily by how many they add. Named inputs of the committed corpus (not a hash) stay in any case.

usage: minimise.py TARGET...      e.g. json qmp_stream; the fuzzers must be built (make fuzzers)
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def edges_of(program, folders):
    """Input files, and for each the edges that it reaches: from the control file of libFuzzer's own merge."""
    with tempfile.TemporaryDirectory() as tmp:
        out, control = os.path.join(tmp, "out"), os.path.join(tmp, "control")
        os.mkdir(out)
        subprocess.run([program, "-set_cover_merge=1", "-use_counters=0", f"-merge_control_file={control}", out,
                        *folders], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with open(control, encoding="ascii") as f:
            lines = f.read().splitlines()
    count = int(lines[0])
    files, covered = lines[2 : 2 + count], {}
    # Without counters a feature is an edge; this kind of merge lists for each input all of them.
    for line in lines[2 + count :]:
        words = line.split()
        if words[0] == "FT":
            covered[files[int(words[1])]] = set(words[2:])
    return covered


def cover(covered, reached):
    """Inputs that reach what is left: always the one that adds most; of those the smallest."""
    keep, left = set(), {f: edges - reached for f, edges in covered.items()}
    while left:
        best = max(left, key=lambda f: (len(left[f]), -os.path.getsize(f)))
        new = left.pop(best)
        if new:
            keep.add(best)
        left = {f: edges - new for f, edges in left.items() if edges - new}
    return keep


def minimise(target):
    program = os.path.join(TOP, "build/test/fuzz/fuzz_" + target)
    committed = os.path.join(TOP, "tests/fuzz/corpus", target)
    os.makedirs(committed, exist_ok=True)
    folders = [d for d in (committed, program + ".corpus") if os.path.isdir(d)]
    covered = edges_of(program, folders)
    named = {os.path.join(committed, n) for n in os.listdir(committed) if not re.fullmatch("[0-9a-f]{40}", n)}
    reached = set().union(*(covered.get(f, set()) for f in named)) if named else set()
    keep = cover({f: edges for f, edges in covered.items() if f not in named}, reached)
    reached = reached.union(*(covered[f] for f in keep))
    for file in keep:
        if os.path.dirname(file) != committed:
            shutil.copy(file, os.path.join(committed, os.path.basename(file)))
    names = {os.path.basename(f) for f in keep | named}
    for name in os.listdir(committed):
        if name not in names:
            os.unlink(os.path.join(committed, name))
    size = sum(os.path.getsize(os.path.join(committed, n)) for n in names)
    print(f"{target}: {len(names)} inputs, {size} bytes, {len(reached)} edges")


for argument in sys.argv[1:] or sys.exit(__doc__):
    minimise(argument)
