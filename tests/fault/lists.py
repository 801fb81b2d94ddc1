"""What the sandbox's lists allow, and where the program is that sees each system call."""
import os
import re
import subprocess

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# Calls of the device workers that need a real device: libusb makes them for a reset. tests/board/test_calls.py sees them.
WITH_A_DEVICE = {"clock_gettime", "eventfd2", "fcntl", "fcntl64", "ioctl", "lseek", "_llseek", "open", "readlink", "rt_sigprocmask", "statfs",
                 "statfs64", "timerfd_create", "uname"}
LAUNCH = os.path.join(TOP, "build/test/fault/launch")


def allowed(role):
    """The calls of a role (DAEMON, DEVICE, OPENER, ...) on this machine, as the preprocessor makes the list."""
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
