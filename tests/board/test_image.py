"""A board's image as it is shipped: rootfs-overlay's configuration, init script and initramfs part, on a real kernel.

The VM is fakeqmp, which reads a passed descriptor and says what device it is. Boots: one with a root file system, in which the
daemon comes from the initramfs, lives on after switch_root and is then replaced; one in which the initramfs is all there is. And a
third one, of an initramfs as Yocto makes it.

usage: BOARD=qemu-aarch64 test_image.py [TEST...]
"""
import os
import re
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(TOP, "tests/system"), os.path.join(TOP, "tests/board")]

from image import Image, ImageError  # noqa: E402
from tap import check, contains, equal, run, scaled, test  # noqa: E402

BOARD = os.environ.get("BOARD", "qemu-x86_64")
ARCH = BOARD.split("-", 1)[1]
LOGS = os.path.join(TOP, "build/check", BOARD)
INIT = "/etc/init.d/S25vhotplug"
VM = "/run/vm/gui-vm"

ATTACHED = "vhotplugcli usb list | grep -q 'state .*: attached'"

# A VM that starts after the daemon, as VMs do. The socket is the example configuration's.
START_VM = f"""#!/bin/sh
mkdir -p /run/vm
fakeqmp {VM}.qmp >{VM}.log </dev/null 2>&1 &
"""


class Shared:
    image = None
    booted = None


def defaults():
    """As shipped, but whoever boots may say no to the take-over."""
    with open(os.path.join(TOP, "rootfs-overlay/etc/default/vhotplug"), encoding="utf-8") as f:
        text = f.read()
    return text + "\ngrep -q takeover=no /proc/cmdline && [ ! -e /run/takeover ] && VHOTPLUG_TAKEOVER=no\n"


def boot(kind):
    if Shared.image is None:
        programs = {}
        for name in ("fakeqmp", "unit/test_sandbox"):
            with open(os.path.join(TOP, "build", ARCH, name), "rb") as f:
                programs["/usr/bin/" + os.path.basename(name)] = (f.read(), 0o755)
        Shared.image = Image(BOARD, LOGS, {**programs, "/etc/init.d/S40vm": (START_VM, 0o755),
                                           "/etc/default/vhotplug": (defaults(), 0o644)})
    if Shared.booted != kind:
        Shared.image.stop()
        if kind == "disk":
            Shared.image.boot("disk", append="takeover=no", timeout=scaled(60))
        else:
            Shared.image.boot("initramfs", initramfs=True, options=("-device", "usb-kbd,id=early"), timeout=scaled(60))
        Shared.booted = kind
    return Shared.image


class World:
    def __init__(self):
        self.story = ""

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind is not None and Shared.image and Shared.image.qemu:
            try:
                for command in ("dmesg | tail -n 40", f"cat {VM}.log", "ps", "cat /proc/mounts"):
                    self.story += f"{command}\n{Shared.image.status(command)[1]}\n"
            except (ImageError, OSError) as e:
                self.story += f"the board does not answer: {e}\n"

    def explain(self):
        return self.story


def pid(image):
    return image.run("cat /run/vhotplug.pid")


def listed(image):
    return image.run("vhotplugcli usb list --short")


def in_vm(image, what, timeout=20):
    return image.wait(f"grep -E '{what}' {VM}.log", what, scaled(timeout))


@test
def the_daemon_of_the_initramfs_lives_on_after_switch_root(w):
    image = boot("disk")
    contains(image.run("awk '$2 == \"/\" {print $3}' /proc/mounts"), "ext4")
    contains(image.run(f"{INIT} status"), "from the initramfs")
    contains(image.run(f"readlink /proc/{pid(image)}/exe"), "(deleted)")
    image.run("vhotplugcli version")  # by the usual path, bound into the new root
    status = image.run(f"cat /proc/{pid(image)}/status")
    check(re.search(r"^Seccomp:\s+2$", status, re.M) and re.search(r"^NoNewPrivs:\s+1$", status, re.M), "in its sandbox: " + status)
    check("no landlock" not in image.run("dmesg"), "with landlock")
    contains(image.run("dmesg"), "vhotplug: ready")


@test
def it_still_sees_a_plug_and_attaches(w):
    image = boot("disk")
    image.plug("usb-kbd", "kbd")
    in_vm(image, "added vhp-usb-[0-9]+-[0-9]+ 0627:0001")  # the descriptor is of that very device
    contains(listed(image), "0627:0001")
    # A decision is written to what is now a mount in a root that nobody else sees.
    image.run("vhotplugcli usb detach --vid 0627 --pid 0001")
    contains(image.run("cat /run/vhotplug/vhotplug.state"), "0627")
    in_vm(image, "removed vhp-usb")
    # Taken away, it is nobody's: a rule may give it to a VM, so no driver of the host gets it either.
    image.run("vhotplugcli usb list | grep 'taken_away *: revoked'")
    equal(image.run("ls -d /sys/bus/usb/drivers/usbhid/*:* 2>/dev/null || true"), "", "the host's driver")
    image.run("vhotplugcli usb attach --vid 0627 --pid 0001")
    image.wait(f"[ $(grep -c 'added .* 0627:0001' {VM}.log) = 2 ]", "the second attach", scaled(20))
    equal(image.run("dmesg | grep -E 'type=1326|helper ended|worker ended' || true"), "", "killed by seccomp")
    image.unplug("kbd")
    image.wait("! vhotplugcli usb list --short | grep 0627", "the end of the device", scaled(10))


@test
def it_still_knows_what_the_host_has_mounted(w):
    image = boot("disk")
    # The example's quarantine would keep the stick from the host's driver; it ends with those that hold the ports.
    image.run("kill -9 $(pidof vhotplug-port)")
    image.wait("vhotplugcli stats --prometheus | grep 'vhotplug_quarantine_hubs 0'", "the end of quarantine", scaled(20))
    with open(os.path.join(image.run_dir, "stick"), "wb") as f:
        f.truncate(8 << 20)
    image.monitor("blockdev-add", **{"node-name": "stick", "driver": "file", "filename": f"{image.run_dir}/stick"})
    image.plug("usb-storage", "stick", drive="stick")
    image.wait("vhotplugcli usb list --short | grep -i 46f4:0001", "the stick", scaled(20))
    image.wait("[ -b /dev/sda ]", "its disk", scaled(20))
    image.run("mke2fs -F /dev/sda >/dev/null && mkdir -p /tmp/stick && mount -t ext4 /dev/sda /tmp/stick")
    status, out = image.status("vhotplugcli usb attach --vid 46f4 --pid 0001 --vm gui-vm")
    equal(status, 1)
    contains(out, "mounted file system /tmp/stick")
    image.run("umount /tmp/stick")
    image.unplug("stick")


@test
def its_configuration_can_be_reloaded(w):
    image = boot("disk")
    image.run("sed -i 's/Mice/Mice and more/' /etc/vhotplug.conf")
    image.run(f"{INIT} reload")
    image.wait("dmesg | grep -iE 'vhotplug: .*(reload|configuration).*' | grep -v built-in", "the reload in the log", scaled(10))
    image.run("cp /etc/vhotplug.conf /tmp/good; echo '{' >/etc/vhotplug.conf")
    status, out = image.status(f"{INIT} reload")
    equal(status, 1)
    contains(out, "vhotplug.conf:")
    image.run("cp /tmp/good /etc/vhotplug.conf")


@test
def the_init_script_takes_over_and_the_guest_keeps_its_device(w):
    image = boot("disk")
    image.plug("usb-kbd", "kept")
    in_vm(image, "added .* 0627:0001")
    before = image.run(f"grep -c . {VM}.log; grep -c removed {VM}.log")
    old = pid(image)
    image.run("touch /run/takeover; cp /etc/vhotplug.conf /tmp/good; echo '{' >/etc/vhotplug.conf")
    status, out = image.status(f"{INIT} start")  # there would be no daemon
    image.run("cp /tmp/good /etc/vhotplug.conf")
    equal((status, pid(image)), (1, old), out)
    image.run("vhotplugcli version")
    contains(image.run(f"{INIT} start"), "Taking over")
    check(pid(image) != old, "a new process")
    equal(image.run(f"readlink /proc/{pid(image)}/exe"), "/usr/sbin/vhotplug")
    image.wait(ATTACHED, "the device recognised", scaled(10))
    equal(image.run(f"grep -c removed {VM}.log"), before.splitlines()[1])
    check("/var/lib/vhotplug" not in image.run("cat /proc/mounts"), "the state directory is the disk's")
    image.run("cmp /run/vhotplug/vhotplug.state /var/lib/vhotplug/vhotplug.state")  # the disk knew nothing
    image.unplug("kept")
    image.wait("! vhotplugcli usb list --short | grep 0627", "the end of the device", scaled(10))


@test
def what_is_decided_is_on_the_disk(w):
    image = boot("disk")
    image.plug("usb-kbd", "kbd")
    image.wait(ATTACHED, "the attach", scaled(20))
    image.run("vhotplugcli usb detach --vid 0627 --pid 0001")
    contains(image.run("cat /var/lib/vhotplug/vhotplug.state"), "0627")
    image.run(f"{INIT} restart")
    image.wait("vhotplugcli usb list --short --disconnected | grep 0627", "the decision", scaled(10))
    image.unplug("kbd")


@test
def start_stop_status(w):
    image = boot("disk")
    contains(image.run(f"{INIT} status"), "is running")
    contains(image.run(f"{INIT} start"), "running already")
    image.run(f"{INIT} stop")
    equal(image.status(f"{INIT} status")[0], 3)
    equal(image.status(f"{INIT} reload")[0], 1)
    contains(image.run(f"{INIT} stop"), "not running")
    check(not image.run("pidof vhotplug || true"), "no process is left")
    image.run("cp /etc/vhotplug.conf /tmp/good; echo '{' >/etc/vhotplug.conf")
    status, out = image.status(f"{INIT} start")
    image.run("cp /tmp/good /etc/vhotplug.conf")
    check(status != 0, "a configuration with errors: " + out)
    image.run(f"{INIT} start")
    image.wait("vhotplugcli version", "an answer", scaled(10))


@test
def a_restart_with_a_broken_configuration_keeps_the_daemon(w):
    image = boot("disk")
    before = pid(image)
    image.run("cp /etc/vhotplug.conf /tmp/good; echo '{' >/etc/vhotplug.conf")
    status, out = image.status(f"{INIT} restart")
    image.run("cp /tmp/good /etc/vhotplug.conf")
    equal(status, 1)
    contains(out, "Restarting vhotplug: FAIL")
    contains(out, "vhotplug.conf:")
    equal(pid(image), before)
    image.run(f"kill -0 {before}")
    image.run("vhotplugcli version")
    image.run(f"{INIT} restart")
    check(pid(image) != before, "a new process")
    image.wait("vhotplugcli version", "an answer", scaled(10))


@test
def the_sandbox_holds_on_this_architecture(w):
    """The filter and the paths are another matter on each: the unit test, as it is, under the board's kernel."""
    image = boot("disk")
    status, out = image.status("test_sandbox", timeout=scaled(60))
    w.story += out
    equal(status, 0)
    check("not ok" not in out and len(re.findall(r"^ok ", out, re.M)) >= 7, out)


@test
def the_initramfs_alone_attaches_what_was_there_at_power_on(w):
    image = boot("initramfs")
    contains(image.run("awk '$2 == \"/\" {print $3}' /proc/mounts"), "rootfs")
    in_vm(image, "added .* 0627:0001")
    contains(image.run(f"{INIT} status"), "is running")
    check("initramfs" not in image.run(f"{INIT} status"), "nothing to take over")
    log = image.run("dmesg")

    def at(pattern):
        found = re.search(r"\[ *([0-9.]+)\][^\n]*" + pattern, log)
        return found.group(1) if found else "?"

    print(f"# {BOARD}: seconds of kernel time: daemon ready {at('vhotplug: ready')}, keyboard enumerated "
          f"{at('QEMU USB Keyboard')}, attached {at('vhotplug: .*attached')}; shell {image.seconds:.1f} s after QEMU's start")


@test
def an_initramfs_made_of_packages_needs_nothing_prepared(_):
    """Yocto's vhotplug-initramfs-image: no mount points, no init of busybox's. The same init; its end is a shell."""
    image = boot("initramfs")
    image.stop()
    Shared.booted = None
    gone = ("proc", "sys", "dev", "run", "mnt", "tmp", "home", "root", "sbin/init", "bin/init", "linuxrc")
    archive = image.bare(lambda name: name in gone or name.startswith(("dev/", "etc/init")))
    image.start("bare", initramfs=True, append="loglevel=7", options=("-initrd", archive))
    said = image.says("init: no root= on the command line", scaled(60))
    check("Kernel panic" not in said and "mount:" not in said, said)
    image.says("vhotplug: ready", scaled(20))


if __name__ == "__main__":
    os.environ.setdefault("VH_TEST_PATIENCE", "4")
    try:
        run(World)
    finally:
        if Shared.image:
            Shared.image.stop()
