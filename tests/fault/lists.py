"""What the sandbox's lists allow, and where the program is that sees each system call."""
import os
import re
import subprocess

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LAUNCH = os.path.join(TOP, "build/test/fault/launch")


def allowed(role):
    """The calls of a role (DAEMON, RESET, OPENER) on this machine, as the preprocessor makes the list."""
    text = f'#include "os/sandbox_calls.h"\n#define X(call, arguments) X call\nlist: SANDBOX_{role}_CALLS(X)\n'
    out = subprocess.run(["gcc", "-E", "-P", "-iquote", os.path.join(TOP, "src"), "-x", "c", "-"], input=text, capture_output=True,
                         text=True, check=True).stdout
    return set(re.findall(r"\bX (\w+)", out[out.index("list:"):]))


def made(lines):
    """By the name of each process, from what --used has written."""
    calls = {}
    for line in lines:
        name, call = line.split()
        calls.setdefault(name, set()).add(call)
    return calls
