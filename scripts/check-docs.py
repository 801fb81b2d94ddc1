#!/usr/bin/env python3
"""Looks over the Markdown files: lines of at most 120 columns, links that lead somewhere, names of files that exist.

Rows of tables and blocks of code may be wider. In a block of code only the ways through our own are looked at, which name the C
file that each goes through: their functions exist. Says everything found; exit 1 if anything was.
"""
import glob
import os
import re
import sys

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
WIDTH = 120
FOLDERS = ("src", "tests", "scripts", "docs", "board", "rootfs-overlay")
KINDS = r"\.(?:c|h|py|sh|mk|dict|md)"
# Of the build, of the kernel, or of somebody else.
ELSEWHERE = {"jsmn.h"}


def names():
    """The names of all files of the repository, without their folders."""
    found = set(os.listdir(TOP))
    for folder in FOLDERS:
        for _, _, files in os.walk(os.path.join(TOP, folder)):
            found.update(files)
    return found


def anchors(path):
    with open(path, encoding="utf-8") as f:
        titles = re.findall(r"^#+ (.*)$", f.read(), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def wrong_link(document, target):
    if "://" in target:
        return None
    name, _, anchor = target.partition("#")
    path = os.path.join(os.path.dirname(document), name) if name else document
    if not os.path.exists(path):
        return f"no such file: {target}"
    if anchor and anchor not in anchors(path):
        return f"no such heading: {target}"
    return None


def wrong_name(code, known):
    """A name between backquotes that looks like a file of ours but is none."""
    if re.search(r"NAME|[*<>{ ]", code) or code in ELSEWHERE:
        return None
    if code.startswith(tuple(folder + "/" for folder in FOLDERS)):
        return None if os.path.exists(os.path.join(TOP, code)) else f"no such file: {code}"
    if not re.fullmatch(r"[\w./-]+" + KINDS, code):
        return None
    inside = any(os.path.exists(os.path.join(TOP, folder, code)) for folder in FOLDERS)
    return None if inside or ("/" not in code and code in known) else f"no such file: {code}"


def words_of_source():
    found = set()
    for path in glob.glob(os.path.join(TOP, "src/**/*.[ch]"), recursive=True):
        with open(path, encoding="utf-8") as f:
            found.update(re.findall(r"\w+", f.read()))
    return found


def wrong_functions(block, words):
    """Of a block of numbered lines."""
    if not any(re.match(r"\w+\.c ", line) for _, line in block):
        return []
    return [(number, f"no such function: {word}") for number, line in block
            for word in re.findall(r"\b[a-z][a-z0-9]*(?:_[a-z0-9]+)+\b(?!\.)", line) if word not in words]


def look_over(document, known, words):
    problems, block, inside = [], False, []
    with open(document, encoding="utf-8") as f:
        for number, line in enumerate(f.read().split("\n"), 1):
            if line.lstrip().startswith("```"):
                problems += wrong_functions(inside, words)
                block, inside = not block, []
                continue
            if block:
                inside.append((number, line))
                continue
            if len(line) > WIDTH and not line.startswith("|"):
                problems.append((number, f"{len(line)} columns, at most {WIDTH}"))
            for word in line.split("`")[1::2]:
                problems.append((number, wrong_name(word, known)))
            for target in re.findall(r"\]\(([^)\s]+)\)", line):
                problems.append((number, wrong_link(document, target)))
    return [(number, text) for number, text in problems if text]


def main():
    documents = sorted(glob.glob(os.path.join(TOP, "*.md")) + glob.glob(os.path.join(TOP, "docs/*.md"))
                       + glob.glob(os.path.join(TOP, "src/**/*.md"), recursive=True))
    known, words, bad = names(), words_of_source(), False
    for document in documents:
        for number, text in look_over(document, known, words):
            print(f"{os.path.relpath(document, TOP)}:{number}: {text}", file=sys.stderr)
            bad = True
    sys.exit(bad)


if __name__ == "__main__":
    main()
