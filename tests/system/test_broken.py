"""tests/conf: broken/NAME.conf with all that --check says of it in broken/NAME.out, and good/NAME.conf, of which it says no error.

With REWRITE=1 the expected lines are written anew; then read what git says has changed.
"""
import os
import subprocess

from tap import check, equal, run, scaled, test
from world import BINARY, World

HERE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "conf")


def names(folder):
    return sorted(name[:-5] for name in os.listdir(os.path.join(HERE, folder)) if name.endswith(".conf"))


def checked(folder, name):
    done = subprocess.run([BINARY, "--check", "--root", HERE, f"{name}.conf"], cwd=os.path.join(HERE, folder), capture_output=True, text=True,
                          timeout=scaled(10), check=False)
    return done.returncode, done.stderr + done.stdout


@test
def each_broken_configuration_gets_its_lines(w):
    found = names("broken")
    check(len(found) >= 50, f"only {len(found)}")
    wrong = []
    for name in found:
        status, said = checked("broken", name)
        path = os.path.join(HERE, "broken", f"{name}.out")
        if os.environ.get("REWRITE"):
            with open(path, "w", encoding="utf-8") as f:
                f.write(said)
        with open(path, encoding="utf-8") as f:
            expected = f.read()
        last = expected.splitlines()[-1]
        if said != expected or status != (0 if f"{name}.conf: ok: " in last else 1):
            wrong.append(f"{name}: status {status}, said\n{said}")
        check(said.count("\n") > 1, f"nothing is said of {name}")
    equal(wrong, [])


@test
def no_line_is_for_no_configuration(w):
    files = os.listdir(os.path.join(HERE, "broken"))
    equal(sorted(name[:-4] for name in files if name.endswith(".out")), names("broken"))
    equal([name for name in files if not name.endswith((".out", ".conf"))], [])


@test
def good_configurations_load(w):
    for name in names("good"):
        status, said = checked("good", name)
        equal(status, 0, said)


run(World)
