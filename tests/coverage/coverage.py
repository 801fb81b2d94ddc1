#!/usr/bin/env python3
"""Sums up what gcov counted: lines and branches of each file of src/, as a table, against the minima of tests/coverage/minima.

A branch is one way out of a condition (each operand of && and || has two). Left out: lines of VH_ASSERT, and of MUST in
core_check.c, whose other way ends the program (or the simulation) and must never be taken.

usage: coverage.py OBJECTS [--record | --missing FILE]
       --record    raises the minima to the figures; --missing FILE lists the branches of FILE.c that were not taken
"""
import glob
import json
import os
import re
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MINIMA = os.path.join(TOP, "tests/coverage/minima")


def assertions(path):
    """Numbers of the lines that belong to an assertion."""
    lines, inside = set(), False
    with open(path, encoding="utf-8") as f:
        for number, text in enumerate(f, 1):
            inside = inside or "VH_ASSERT(" in text or text.lstrip().startswith("MUST(")
            if inside:
                lines.add(number)
                inside = not text.rstrip().endswith(";")
    return lines


class File:
    def __init__(self, path):
        self.path = path
        self.lines, self.branches = {}, {}
        self.skip = assertions(path)

    def add(self, line):
        number = line["line_number"]
        if number in self.skip:
            return
        self.lines[number] = self.lines.get(number, 0) + line["count"]
        known = self.branches.setdefault(number, [0] * len(line["branches"]))
        if len(known) == len(line["branches"]):
            for i, branch in enumerate(line["branches"]):
                known[i] += branch["count"]

    def figures(self):
        taken = [n for counts in self.branches.values() for n in counts]
        return (sum(n > 0 for n in self.lines.values()), len(self.lines), sum(n > 0 for n in taken), len(taken))


def read(objects):
    """gcov's own sums: one data file an object file, whatever programs wrote to it."""
    found = {}
    names = sorted(glob.glob(os.path.join(objects, "**/*.gcda"), recursive=True))
    done = subprocess.run(["gcov", "--branch-probabilities", "--json-format", "--stdout", *names], cwd=TOP, capture_output=True, check=True)
    for text in done.stdout.decode().splitlines():
        for file in json.loads(text)["files"]:
            path = os.path.normpath(os.path.join(TOP, file["file"]))
            name = os.path.basename(path) if path.startswith(os.path.join(TOP, "src") + os.sep) else ".."
            if name.startswith("..") or not name.endswith(".c"):
                continue
            entry = found.setdefault(name[:-2], File(path))
            for line in file["lines"]:
                entry.add(line)
    return found


def percent(part, whole):
    return 100.0 if whole == 0 else 100.0 * part / whole


def minima():
    known = {}
    with open(MINIMA, encoding="ascii") as f:
        for text in f:
            match = re.match(r"(\w+)\s+([\d.]+)\s+([\d.]+)", text)
            if match:
                known[match[1]] = (float(match[2]), float(match[3]))
    return known


def missing(files, name):
    file = files[name]
    with open(file.path, encoding="utf-8") as f:
        text = f.read().splitlines()
    for number in sorted(file.lines):
        counts = file.branches.get(number, [])
        if file.lines[number] == 0 or 0 in counts:
            print(f"{number:5} {file.lines[number]:9} {counts} {text[number - 1]}")


def record(files):
    known = minima()
    with open(MINIMA, encoding="ascii") as f:
        head = [t for t in f.read().splitlines() if t.startswith("#")]
    rows = []
    for name, file in sorted(files.items()):
        l, nl, b, nb = file.figures()
        # A little below: which way a race between processes went is not the same in every run.
        old = known.get(name, (0, 0))
        new = [max(int(least), int(percent(n, all_) - 1) if n < all_ else 100) for least, n, all_ in ((old[0], l, nl), (old[1], b, nb))]
        rows.append(f"{name:14} {new[0]:3} {new[1]:3}")
    with open(MINIMA, "w", encoding="ascii") as f:
        f.write("\n".join(head + rows) + "\n")


def table(files):
    known, bad, total = minima(), 0, [0, 0, 0, 0]
    print(f"{'file':16} {'lines':>16} {'branches':>18}   minima")
    for name, file in sorted(files.items()):
        l, nl, b, nb = file.figures()
        total = [x + y for x, y in zip(total, (l, nl, b, nb))]
        least = known.get(name, (0, 0))
        under = percent(l, nl) < least[0] or percent(b, nb) < least[1]
        bad += under
        print(f"{name:16} {l:5}/{nl:<5}{percent(l, nl):5.1f} {b:6}/{nb:<5}{percent(b, nb):6.1f}   {least[0]:.0f} {least[1]:.0f}"
              + ("   BELOW" if under else ""))
    l, nl, b, nb = total
    print(f"{'all':16} {l:5}/{nl:<5}{percent(l, nl):5.1f} {b:6}/{nb:<5}{percent(b, nb):6.1f}")
    gone = sorted(set(known) - set(files))
    for name in gone:
        print(f"{name}: has a minimum and was not measured")
    print("not ok - coverage: below the minimum" if bad or gone else "ok - coverage: every file at its minimum or above")
    return 1 if bad or gone else 0


def main():
    files = read(sys.argv[1])
    if sys.argv[2:3] == ["--missing"]:
        missing(files, sys.argv[3])
        return 0
    if sys.argv[2:3] == ["--record"]:
        record(files)
    return table(files)


sys.exit(main())
