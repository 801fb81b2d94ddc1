"""The lists of allowed system calls against use with a real device, which goes to a VM and comes back: the device workers make each call that
needs one, and no process makes a call that it is not allowed. tests/fault/test_calls.py sees all other calls, without a board."""
import os
import sys

from rig import BINARY, HID, TOP, BoardWorld, conf, main
from board import until
from tap import check, equal, scaled, test

sys.path.append(os.path.join(TOP, "tests/fault"))

from lists import LAUNCH, WITH_A_DEVICE, allowed, made  # noqa: E402

USED = "/run/used-calls"


class World(BoardWorld):
    def start(self, text, *options):
        """The daemon below the program that sees its calls; that one is of this machine's root file system."""
        self.stop_boot_daemon()
        self.board.write("/run/test.conf", text, create=True)
        self.daemon = self.board.spawn([LAUNCH, "--used", USED, "--vdso", "off", "--", os.path.realpath(BINARY), "-d", "-c", "/run/test.conf",
                                        *options], root="host")
        while "ready:" not in (line := self.daemon.line(scaled(20)) or "ready: never"):
            self.story += line + "\n"
        check("never" not in line, "the daemon did not start")


@test
def the_device_workers_make_each_call_that_needs_a_device_and_no_process_makes_another(w):
    vm3 = w.extra_vm("vm3")
    w.start(conf([{"targetVm": "vm3", "allow": [HID]}], vms=("vm3",)))
    api = w.api()
    w.plug("usb-kbd", "kbd")
    told = api.told("usb_attached")["usb_device"]
    until(lambda: w.driver(told["sys_name"]) is None, scaled(5), "the device without a host driver")
    resets = int(w.board.run("dmesg | grep -c 'reset .*USB device'", check=False))
    vm3.process.kill(9)  # so that nobody but us resets it, and binds its driver
    api.told("usb_detached", vm="vm3")
    until(lambda: w.driver(told["sys_name"]) == "usbhid", scaled(10), "the host's driver")
    check(int(w.board.run("dmesg | grep -c 'reset .*USB device'")) > resets, "it was reset")
    equal(w.stop(), 0)
    used, wanted = made(w.board.read(USED).splitlines()), allowed("DEVICE") & WITH_A_DEVICE
    print(f"# need a device: {len(wanted)}: {' '.join(sorted(wanted))}")
    equal(sorted(wanted - used["vhotplug-device"]), [], "allowed and never made")
    roles = {"vhotplug": "DAEMON", "vhotplug-device": "DEVICE", "vhotplug-opener": "OPENER", "vhotplug-connec": "CONNECTOR", "vhotplug-log": "LOGGER"}
    equal(sorted(used), sorted(roles))
    for name, role in roles.items():
        equal(sorted(used[name] - allowed(role)), [], f"made by {name} and not allowed")


if not os.access(LAUNCH, os.X_OK):
    raise SystemExit(f"no {LAUNCH}: make {os.path.relpath(LAUNCH, TOP)}")
main(World)
