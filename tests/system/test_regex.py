"""Patterns against Python's re: what it compiles within the documented syntax, --check takes; what it refuses, --check
refuses, on the pattern's own line."""
import json
import os
import random
import re
import subprocess
import tempfile
import warnings

from tap import Failed, equal, run, scaled, test

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BINARY = os.environ.get("VHOTPLUG", os.path.join(TOP, "build/vhotplug"))

# Python knows these, a linear-time engine does not (or not here): an error is right, whatever Python says.
OURS_ALONE = ("look-around", "back references", "possessive", "this kind of", "too large", "too many")


ERROR = re.compile(r".*?:(\d+):\d+: error: usbPassthrough\[0\]\.allow\[(\d+)\]\.vendorName: regular expression: (.*)")


class Checker:
    """Writes configurations with one pattern a line and asks the binary about them."""

    def __enter__(self):
        self.output = ""
        self.dir = tempfile.TemporaryDirectory()
        return self

    def __exit__(self, *_):
        self.dir.cleanup()

    def explain(self):
        return self.output

    def refusals(self, patterns):
        """The reason for each pattern that is refused, by its index."""
        path = os.path.join(self.dir.name, "conf")
        with open(path, "w", encoding="utf-8") as f:
            f.write('{"vms": [{"name": "vm", "type": "qemu", "socket": "/vm"}], ')
            f.write('"usbPassthrough": [{"targetVm": "vm", "allow": [\n')
            f.write(",\n".join('{"vendorName": %s}' % json.dumps(p, ensure_ascii=False) for p in patterns))
            f.write("\n]}]}\n")
        done = subprocess.run([BINARY, "--check", "-c", path], capture_output=True, text=True, timeout=scaled(20))
        self.output = done.stdout + done.stderr
        found = {}
        for line in self.output.splitlines():
            m = ERROR.match(line)
            if m:
                equal(int(m[1]), int(m[2]) + 2, "the line of entry " + m[2])
                found[int(m[2])] = m[3]
            elif ": error: " in line:
                raise Failed(line)
        equal(done.returncode, 1 if found else 0, "the exit code")
        return found


def python_says(pattern):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            re.compile(pattern, re.IGNORECASE)
        except (re.error, OverflowError) as e:
            return str(e)
    return None


def compare(checker, patterns):
    found = checker.refusals(patterns)
    wrong = []
    for i, pattern in enumerate(patterns):
        theirs, ours = python_says(pattern), found.get(i)
        if theirs is None and ours is not None and not any(text in ours for text in OURS_ALONE):
            wrong.append(f"{pattern!r}: Python takes it, here: {ours}")
        if theirs is not None and ours is None:
            wrong.append(f"{pattern!r}: taken here, Python: {theirs}")
    if wrong:
        raise Failed("\n".join(wrong))
    return len(patterns) - len(found)


GOOD = r"""
logitech
.*ethernet
^usb.*hub$
(?i)webcam|camera
(?:a|b|)c(?P<name>d)*
(?P<n>a)(?P<m>b)
(?P<x1_>a)
(?P<ä>a)
[]a-z\d_-]+?[^^\w]{2,3}
\d{4}\s?\W+\b\B\S\D\w
a{ a{} a{x} {2 a{2 a{,x} }{
a{2}b{2,}c{,2}d{2,3}e{0}f{,}g*?h+?i??j{2}?
(a*)*(b|b)*(c?){10}c{10}
\A\x41\u00e4\U0001f600\n\t\r\a\f\v\0\101\.\*\Z
[\b][\x41-\x5a][ä-ö][--a][a-][-a]
(((((())))))|||
Ж+я*[À-ÿ]
""".strip("\n").split("\n")

BAD = r"""
*
a**
a+*
a*{2}
a|*
(*a)
^*
\b+
a{3,2}
(
a(b
)
a)b
[
[]
[^
[b-a]
[\d-z]
[a-\w]
\
[\
\q
[\A]
\x4
\u00e
\U0011ffff
\400
(?
(?P<
(?P<>a)
(?P<1x>a)
(?P<x-y>a)
(?P< x>a)
(?P<n)
(?P<n)>a)
(?P<n>a)(?P<n>b)
(?i)*
""".strip("\n").split("\n")


def random_pattern(rng, depth=0):
    def atom():
        kind = rng.random()
        if kind < 0.5:
            return rng.choice("abcK_- 0äЖ.^$")
        if kind < 0.6:
            return rng.choice([r"\d", r"\W", r"\s", r"\b", r"\B", r"\Z", r"\x41", r"\.", r"\n", "{", "}", "{x}", "]"])
        if kind < 0.8 or depth > 3:
            members = ["a", "ä", "-", "^", "a-f", "0-9", "а-я", r"\d", r"\W", r"\]"]
            return "[" + rng.choice(["", "^"]) + "".join(rng.choices(members, k=rng.randint(1, 4))) + "]"
        return rng.choice(["(", "(?:"]) + random_pattern(rng, depth + 1) + ")"

    def quantified():
        quantifier = rng.choice([""] * 12 + ["*", "+", "?", "{2}", "{0}", "{1,}", "{,2}", "{1,3}", "{,}"])
        return atom() + quantifier + (rng.choice(["", "?"]) if quantifier else "")

    def branch():
        return "".join(quantified() for _ in range(rng.choice([0, 1, 1, 2, 3])))

    return "|".join(branch() for _ in range(rng.choice([1, 1, 1, 2, 3])))


def damaged(rng, pattern):
    text = list(pattern)
    for _ in range(rng.randint(1, 3)):
        at = rng.randint(0, len(text))
        if rng.random() < 0.5:
            text.insert(at, rng.choice("()[]{}*+?|\\^$-,012"))
        elif at < len(text):
            del text[at]
    return "".join(text)


@test
def patterns_of_the_documented_syntax_are_taken(c):
    equal(compare(c, GOOD), len(GOOD))


@test
def malformed_patterns_are_refused_as_python_does(c):
    equal(compare(c, BAD), 0)


@test
def random_patterns_are_judged_as_python_does(c):
    rng = random.Random(1)
    for _ in range(20):
        patterns = [random_pattern(rng) for _ in range(100)]
        patterns += [damaged(rng, p) for p in patterns]
        compare(c, [p for p in patterns if p and len(p.encode()) < 200])


run(Checker)
