"""The story that runs again with each fault: one daemon, one VM, a device that is plugged, detached, attached and unplugged; a reload, a
VM that dies. The story goes on whatever fails, and collects what must never happen."""
import json
import os
import signal
import socket
import subprocess
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests/system"))

from fakehost import STORAGE  # noqa: E402
from tap import Failed, scaled  # noqa: E402
from world import BINARY, KEYBOARD, STICK, World, free_port, rule  # noqa: E402

LAUNCH = os.path.join(TOP, "build/test/fault/launch")
LAUNCH_FAILED = 125  # its exit status then
KEY = "usb-0951:1666:None"  # of the stick in the state file
# Lists of modules, which are read for a device of no class; and where drivers are offered an interface.
MODULES = {"proc/sys/kernel/osrelease": "6.1.0-test\n", "lib/modules/6.1.0-test/modules.alias": "alias usb:v0403p6001d*dc*dsc*dp*ic*isc*ip*in* ftdi_sio\n",
           "lib/modules/6.1.0-test/modules.dep": "kernel/drivers/usb/serial/ftdi_sio.ko:\n", "sys/bus/usb/drivers_probe": ""}
HANG = scaled(20) / 3  # what must come has come after so long


class Story:
    def __init__(self, options, patience, trusted):
        self.options = options
        self.trusted = trusted  # the VM is: what it has is not revoked, and its end is waited for
        self.patience = scaled(patience) / 3  # for what the fault may have made impossible
        self.api = None
        self.wrong = []  # findings: what must never happen

    def state_path(self):
        return os.path.join(self.world.dir, "state", "state.json")

    def state(self):
        try:
            with open(self.state_path(), encoding="utf-8") as f:
                return json.load(f)
        except FileNotFoundError:
            return {"disconnected_devices": []}

    def alive(self):
        """False once the daemon has ended and its log is complete."""
        return not self.daemon.ended()

    def ask(self, action, must=False, **fields):
        """The answer, or None: a fault may cost a connection or an answer."""
        end = time.monotonic() + (HANG if must else self.patience)
        while self.alive() and time.monotonic() < end:
            try:
                if self.api is None:
                    self.api = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                    self.api.settimeout(self.patience)
                    self.api.connect(self.world.socket)
                self.api.sendall(json.dumps({"action": action, **fields}).encode() + b"\n")
                data = b""
                while not data.endswith(b"\n"):
                    got = self.api.recv(65536)
                    if not got:
                        raise OSError("closed")
                    data += got
                return json.loads(data)
            except OSError:
                self.api.close()
                self.api = None
                if not must and action != "usb_list":
                    return None  # whether it was done is not known
                time.sleep(0.01)
        return None

    def until(self, condition, must=False):
        end = time.monotonic() + (HANG if must else self.patience)
        wait = 0.004
        while self.alive() and time.monotonic() < end:
            if condition():
                return True
            time.sleep(wait)
            wait = min(wait * 2, 0.1)
        return False

    def device(self, node, **wanted):
        answer = self.ask("usb_list")
        for d in (answer or {}).get("usb_devices", []):
            if d["device_node"] == node:
                return all(d[k] == v for k, v in wanted.items())
        return False

    def send(self, what, device):
        try:
            what(device)
        except (ConnectionRefusedError, FileNotFoundError):
            pass  # the source of uevents is being opened again; then all is looked at

    def place_without_driver(self, *args):
        """Its interface is offered to the host's drivers when it comes back from a VM."""
        device = self.world.host.place(*args)
        self.world.host.driver(device, 0, None)
        return device

    def tell_of(self, device):
        for action in ("add", "bind"):
            self.send(lambda d, a=action: self.world.host.event(a, d), device)

    def plug(self, *args):
        device = self.world.host.place(*args)
        self.tell_of(device)
        return device

    def decide(self, away):
        """A decision: what was answered must be what is on the disk."""
        before = KEY in self.state()["disconnected_devices"]
        reply = self.ask("usb_detach" if away else "usb_attach", device_node=self.stick.node, **({} if away else {"vm": "vm1"}))
        now = KEY in self.state()["disconnected_devices"]
        if now not in (before, away):
            self.wrong.append("the state file is neither old nor new")
        if reply and reply["result"] == "ok" and now != away:
            # A choice is kept and saved later; a decision that takes something away is on the disk before its "ok".
            if away:
                self.wrong.append(f"a false ok: {reply}")

    def tell(self, world, end=signal.SIGTERM):
        self.world = world
        world.qemu("vm1")
        for name, text in MODULES.items():
            os.makedirs(os.path.dirname(world.host.path(name)), exist_ok=True)
            world.host.write(name, text)
        conf = world.conf([rule("vm1", STICK), rule("vm1", KEYBOARD)], persistency=True, statePath=self.state_path(),
                          vms=("vm1", "vm2"), vm_options={"vm1": {"revoke": not self.trusted}},
                          api={"transports": ["unix", "tcp"], "host": "127.0.0.1", "port": free_port()})
        self.conf = conf
        self.daemon = world.daemon(conf, "-a", ready=False, under=[LAUNCH, *self.options, "--"])
        self.started = self.until(lambda: any("ready:" in line for line in self.daemon.log), must=True)
        if not self.started:
            return
        self.stick = self.place_without_driver("1-2", 0x0951, 0x1666, [STORAGE])
        self.tell_of(self.stick)
        self.until(lambda: self.device(self.stick.node, vm="vm1"))
        self.decide(True)
        self.decide(False)
        self.until(lambda: self.device(self.stick.node, vm="vm1"))
        world.qemus[-1].end()
        self.until(lambda: self.device(self.stick.node, vm=None))
        # Another VM's socket, another mode and another port: what was opened at start is opened again.
        conf["general"]["api"].update(unixSocketMode="0660", port=free_port())
        self.reload(conf)
        self.send(world.host.unplug, self.stick)  # its reset waits for the end of the VM's process, which is ours: no matter
        world.qemu("vm1")
        self.until(lambda: not self.device(self.stick.node))

    def reload(self, conf):
        with open(os.path.join(self.world.dir, "vhotplug.conf"), "w", encoding="utf-8") as f:
            json.dump(conf, f)
        since = len(self.daemon.log)
        self.daemon.process.send_signal(signal.SIGHUP)
        self.until(lambda: any("reloaded" in line for line in self.daemon.log[since:]))

    def must_serve(self):
        """After a fault that has passed everything works, and without help."""
        if not self.alive():
            return
        kbd = self.plug("1-7")
        if not self.until(lambda: self.device(kbd.node, vm="vm1"), must=True):
            self.wrong.append(f"a new device does not reach its VM: {self.ask('usb_list')}")

    def must_live(self):
        if self.started and not self.alive():
            self.wrong.append(f"it ended with {self.daemon.process.returncode}")

    def finish(self):
        """SIGTERM ends it, with a status of its own."""
        if self.alive():
            self.daemon.process.send_signal(signal.SIGTERM)
        try:
            status = self.daemon.wait(HANG)
        except subprocess.TimeoutExpired:
            self.daemon.process.kill()
            self.wrong.append("it does not end")
            return
        if status not in (0, 1):
            self.wrong.append(f"it ended with {status}")


def run(options, check, patience=2.0, trusted=False):
    """Tells the story once; check(story) looks. What was wrong, with the daemon's log."""
    story = Story(options, patience, trusted)
    world = World()
    try:
        story.tell(world)
        check(story)
    except (Failed, OSError, KeyError, ValueError) as e:
        story.wrong.append(f"{type(e).__name__}: {e}")
    finally:
        process = story.daemon.process
        if process.poll() is None:
            process.kill()
        story.daemon.wait(HANG)
        if process.returncode == LAUNCH_FAILED:
            story.wrong.append("the launcher failed")
        for q in world.qemus:
            if not q.closing:
                q.end()
        if story.api:
            story.api.close()
        log = list(story.daemon.log)
        world.daemons.clear()
        world.host.close()
        subprocess.run(["rm", "-rf", world.dir], check=True)
    return story.wrong, log


__all__ = ["BINARY", "LAUNCH", "TOP", "Story", "run"]
