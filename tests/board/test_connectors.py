"""Connectors on the emulated board: two controllers in either order, and a device that moves to the other side of its socket.

The kernel gives bus numbers in the order in which controllers come. Its xhci has no firmware, so its peers are guesses.
"""
import json

from rig import BoardWorld, conf, main, scaled
from board import until
from tap import check, equal, test
from usbip import UsbIp, keyboard

DRIVER = "/sys/bus/pci/drivers/xhci_hcd"
VID = 0xF0A5  # nobody's
VHCI = "platform-vhci_hcd.0"
STATE = "/run/vhotplug.state"


class Connectors(BoardWorld):
    devices = ("qemu-xhci,id=xhci2,p2=4,p3=4",)
    usb = None

    def begin(self, rules, **general):
        """The API of a daemon with these rules."""
        self.vm("vm1")
        if Connectors.usb is None:
            Connectors.usb = UsbIp(self.board, scaled(30))  # its buses keep the directory of nodes there while the others are away
        self.start(conf(rules, **general))
        return self.api()

    def controllers(self):
        """The addresses of both controllers, by their places on the PCI bus."""
        found = sorted(self.board.glob(f"{DRIVER}/0000:*"))
        equal(len(found), 2, str(found))
        return [path.rsplit("/", 1)[1] for path in found]

    def rebind(self, first, second):
        """Both are taken out, and come back in this order."""
        for address in (first, second):
            self.board.run(["/bin/sh", "-c", f"echo {address} > {DRIVER}/unbind"])
        for address in (first, second):
            self.board.run(["/bin/sh", "-c", f"echo {address} > {DRIVER}/bind"])

    def bus(self, address):
        """The number of its USB 2 half."""
        numbers = [int(path.rsplit("usb", 1)[1]) for path in self.board.glob(f"/sys/bus/pci/devices/{address}/usb*")]
        return min(numbers)

    def __exit__(self, kind, value, trace):
        for port in sorted(self.usb.plugged if self.usb else ()):
            self.usb.unplug(port)
        super().__exit__(kind, value, trace)
        if self.board.exists(STATE):
            self.board.unlink(STATE)


def path_of(address):
    return f"pci0000:00-{address}"


def at(api, path):
    """What is at that port, as the daemon lists it; None: nothing."""
    found = [d for d in api.devices(all=True) if d["stable_path"] == path]
    check(len(found) <= 1, str(found))
    return found[0] if found else None


@test
def a_rule_for_a_connector_holds_in_either_order_of_the_controllers(w):
    board = w.board
    first, second = w.controllers()
    here, there = f"{path_of(first)}/2:2", f"{path_of(second)}/2:2"
    api = w.begin([{"targetVm": "vm1", "allow": [{"connector": "desk"}]}], connectors=[{"name": "desk", "ports": [here]}])
    w.plug("usb-kbd", "kbd1", port="2")
    w.plug("usb-kbd", "kbd2", port="2", bus="xhci2.0")
    numbers = []
    for order in ((first, second), (second, first), (first, second)):
        w.rebind(*order)
        number = w.bus(first)
        numbers.append((number, w.bus(second)))
        ours = until(lambda number=number: (d := at(api, here)) and d["busnum"] == number and d["vm"] == "vm1" and d, scaled(30),
                     f"the VM has the keyboard at {here}, bus {number}")
        equal((ours["connector"], ours["sys_name"]), ("desk", f"{number}-2"))
        other = until(lambda: (d := at(api, there)) and d["reason"] == "no rule applies" and d, scaled(30), f"the keyboard at {there} is known")
        equal((other["vm"], other["connector"], other["busnum"]), (None, there, w.bus(second)))
        equal(len(w.vm("vm1").devices()), 1)
    equal(numbers[0], numbers[2])
    equal(numbers[0], numbers[1][::-1], "the buses have each other's numbers")
    check(board.exists("/dev/bus/usb"), "there are nodes")


@test
def a_device_that_moves_to_the_other_side_of_its_socket_stays_what_it_was(w):
    socket = {"name": "socket", "ports": [f"{VHCI}/2:1", f"{VHCI}/3:1"]}
    api = w.begin([{"targetVm": "vm1", "allow": [{"connector": "socket"}]}], connectors=[socket], persistency=True, statePath=STATE)
    fast = keyboard(VID, 2, usb=0x0300, packet=9, strings=(0, 0, 0))  # no serial number
    slow = keyboard(VID, 2, strings=(0, 0, 0))
    w.usb.plug(0, slow)
    told = api.told("usb_attached", vm="vm1", timeout=scaled(30))["usb_device"]
    equal((told["connector"], told["stable_path"], told["serial"]), ("socket", f"{VHCI}/2:1", None))
    w.usb.unplug(0)
    api.told("usb_disconnected", stable_path=f"{VHCI}/2:1", timeout=scaled(30))
    w.usb.plug(0, fast, speed="super")
    told = api.told("usb_attached", vm="vm1", timeout=scaled(30))["usb_device"]
    equal((told["connector"], told["stable_path"], told["speed"]), ("socket", f"{VHCI}/3:1", "5000"))
    equal(told["sys_name"], w.usb.sys_name(0, "super"))
    api.ok("usb_detach", connector="socket")  # a decision, without a serial number: of the socket
    equal([d.get("connector") for d in json.loads(w.board.read(STATE))["devices"]], [f"{VHCI}/2:1"])
    w.usb.unplug(0)
    api.told("usb_disconnected", stable_path=f"{VHCI}/3:1", timeout=scaled(30))
    w.usb.plug(0, slow)
    until(lambda: (d := at(api, f"{VHCI}/2:1")) and d["disconnected"], scaled(30), "the decision holds at the other side")
    equal(w.vm("vm1").devices(), [])
    api.ok("usb_attach", connector="socket", vm="vm1")


@test
def without_firmware_two_ports_are_two_places(w):
    board = w.board
    first, _ = w.controllers()
    api = w.begin([{"targetVm": "vm1", "allow": [{"connector": f"{path_of(first)}/2:3"}]}])
    w.plug_stick("stick", port="3")  # SuperSpeed: at port 3 of the other half
    stick = until(lambda: (d := at(api, f"{path_of(first)}/3:3")) and "configuring" not in (d["reason"] or "") and d, scaled(30), "the stick is known")
    equal((stick["vm"], stick["connector"]), (None, f"{path_of(first)}/3:3"))
    peer = board.readlink(f"/sys/bus/usb/devices/{stick['busnum']}-0:1.0/usb{stick['busnum']}-port3/peer")
    check(peer.endswith(f"/usb{w.bus(first)}-port3"), f"the kernel takes {peer} for the other side")
    done = board.run("vhotplug doctor --connectors -c /run/test.conf 2>/dev/null")
    connectors = {c["ports"][0]: c for c in json.loads(done)["general"]["connectors"]}
    equal(connectors[f"{path_of(first)}/3:3"]["ports"], [f"{path_of(first)}/3:3"])
    check(f"other side perhaps {path_of(first)}/2:3, now {stick['sys_name']}" in connectors[f"{path_of(first)}/3:3"]["description"],
          str(connectors[f"{path_of(first)}/3:3"]))
    ports = len(board.glob("/sys/bus/usb/devices/usb*/*-0:1.0/usb*-port*"))
    equal(len(connectors), min(ports, 128), "VH_NAMED_CONNECTORS")  # USB/IP has more
    w.stop()
    api = w.begin([{"targetVm": "vm1", "allow": [{"connector": connectors[f"{path_of(first)}/3:3"]["name"]}]}],
                  connectors=list(connectors.values()))  # it is a configuration
    equal(until(lambda: at(api, f"{path_of(first)}/3:3"), scaled(30), "the stick is known")["connector"],
          connectors[f"{path_of(first)}/3:3"]["name"])


main(Connectors)
