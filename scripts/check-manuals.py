#!/usr/bin/env python3
"""Reads the manuals as a terminal shows them, by mandoc: no line wider than 80 columns, no macro and no word of one left in the
text, every backslash of the source there, each option of a synopsis and each key in a line of its own. Says everything found;
exit 1 if anything was.

usage: check-manuals.py FILE...
"""
import re
import subprocess
import sys

WIDTH = 80
ESCAPES = re.compile(r'\\(?:[e&"-]|\(..|\[[a-z0-9]+\])')
# Two-letter macros of mdoc that stand as words in the text only if a line lacks its dot, or a name is wrong.
MACROS = re.compile(r"(?:^|\s)(?:\.?(?:Fl|Ar|Cm|Pa|Dq|Ev|Xr|Op|Ns|Nm|Li|Dv|Sh|Ss|Bl|El|Bd|Ed|Pp|Xo|Xc))(?:\s|$)")


def rendered(path):
    """The text without the bold and underlined letters that overstrike makes."""
    done = subprocess.run(["mandoc", "-T", "utf8", "-O", f"width={WIDTH}", path], capture_output=True, text=True, check=True)
    return re.sub(r".\x08", "", done.stdout)


def source_problems(path):
    with open(path, encoding="utf-8") as f:
        for number, line in enumerate(f, 1):
            if line.startswith('.\\"'):
                continue
            if "\\" in ESCAPES.sub("", line):
                yield f"{path}:{number}: a backslash that would be lost or misread: write \\e"
            if line.rstrip("\n") != line.rstrip():
                yield f"{path}:{number}: blanks at the end"


def text_problems(path, text):
    for line in text.split("\n"):
        if len(line) > WIDTH:
            yield f"{path}: {len(line)} columns: {line.strip()}"
        if MACROS.search(line):
            yield f"{path}: a macro is left in the text: {line.strip()}"
        if re.search("“[^”]*, ", line):
            yield f"{path}: several words in one pair of quotes: {line.strip()}"
    with open(path, encoding="utf-8") as f:
        wanted = sum(line.count("\\e") for line in f if not line.startswith('.\\"'))
    if text.count("\\") != wanted:
        yield f"{path}: {text.count(chr(92))} backslashes are shown, the source has {wanted}"
    for word in ("NAME", "SYNOPSIS" if "conf" not in path else "DESCRIPTION", "EXAMPLES", "SEE ALSO"):
        if f"\n{word}\n" not in text:
            yield f"{path}: no section {word}"


def main():
    problems = []
    for path in sys.argv[1:]:
        problems += [*source_problems(path), *text_problems(path, rendered(path))]
    for problem in problems:
        print(problem, file=sys.stderr)
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
