"""The harness of the Python tests: functions marked @test run in order, each with what it needs, and print TAP."""
import os
import sys
import threading
import time
import traceback

_tests = []


class Failed(AssertionError):
    """What was expected did not happen."""


def test(function):
    _tests.append(function)
    return function


def check(condition, text="condition"):
    if not condition:
        raise Failed(text)


def equal(got, expected, text=""):
    if got != expected:
        raise Failed(f"{text + ': ' if text else ''}got {got!r}, expected {expected!r}")


def contains(text, part):
    if part not in text:
        raise Failed(f"{part!r} is not in {text!r}")


def scaled(seconds):
    """Deadlines of tests say "never came", not "came late": VH_TEST_PATIENCE stretches them on a slow machine."""
    return seconds * float(os.environ.get("VH_TEST_PATIENCE", "3"))


def until(condition, what, seconds=5):
    """Waits for what other processes do."""
    end = time.monotonic() + scaled(seconds)
    while not condition():
        check(time.monotonic() < end, f"never came: {what}")
        time.sleep(0.01)


def watchdog(seconds):
    def bark():
        print(f"# a test hung: no end after {seconds:.0f} s", flush=True)
        for thread, frame in sys._current_frames().items():
            for line in traceback.format_stack(frame):
                print("#   " + line.replace("\n", "\n#   "), flush=True)
        os._exit(1)

    timer = threading.Timer(seconds, bark)
    timer.daemon = True
    timer.start()
    return timer


_watching = []  # the timer of the test that runs


def alive():
    """What this test waits for has moved on: its watchdog begins anew."""
    if _watching:
        _watching.pop().cancel()
        _watching.append(watchdog(scaled(60)))


def run(make_world):
    """Runs every test with a fresh world; a world is a context manager whose explain() says what happened."""
    only = sys.argv[1:]
    chosen = [t for t in _tests if not only or t.__name__ in only]
    failures = 0
    print(f"1..{len(chosen)}", flush=True)
    for number, function in enumerate(chosen, 1):
        _watching[:] = [watchdog(scaled(60))]
        begun = time.monotonic()
        error = None
        world = make_world()
        try:
            with world:
                function(world)
        except Exception:  # whatever it is, it is this test's failure
            error = traceback.format_exc()
        _watching.pop().cancel()
        if error:
            failures += 1
            for line in (error + world.explain()).splitlines():
                print("# " + line)
        name = function.__name__.replace("_", " ")
        print(f"{'not ok' if error else 'ok'} {number} - {name} # {time.monotonic() - begun:.2f} s", flush=True)
    sys.exit(1 if failures else 0)
