"""On the emulated board: devices of all speeds among the USB ports of real VMs, with few ports and with many, and with hubs."""
import re

from rig import HID, STORAGE, BoardWorld, conf, main
from board import until
from tap import check, contains, equal, scaled, test

FEW = "qemu-xhci,id=xhci"  # as QEMU makes it: four ports
USB2 = "qemu-xhci,id=xhci,p2=4,p3=0"
RULES = [{"targetVm": "vm3", "allow": [HID, STORAGE, {"interfaceClass": 1}]}]


class World(BoardWorld):
    def begin(self, **kwargs):
        self.few = self.extra_vm("vm3", **kwargs)
        self.start(conf(RULES, vms=("vm3",)))
        return self.api()

    def given(self, api, driver, name, **properties):
        if driver == "usb-storage":
            self.plug_stick(name, **properties)
        else:
            self.plug(driver, name, **properties)
        api.told("usb_attached", vm="vm3")

    def inside(self):
        """What the VM says itself: port -> speed of each of its devices."""
        return dict(re.findall(r"Port ([0-9.]+), Speed ([0-9.]+) Mb/s", self.few.info_usb()))

    def listed(self, api):
        """The same as vhotplug says: the ports in use and the free ones."""
        vm = api.ok("vmm_list")["vms"][0]
        return ([p["port"] for b in vm["usb_buses"] for p in b["ports"] if p["used"]], vm["ports_free"]) if vm["usb_buses"] else None

    def refused(self, api, *parts):
        """The device that waits, once its reason has all these parts."""
        def there():
            return [d for d in api.ok("usb_list")["usb_devices"] if all(p in (d["reason"] or "") for p in parts)]
        return until(there, scaled(10), f"a refusal with {parts}")[0]


@test
def four_ports_take_four_fast_devices_at_their_speed(w):
    api = w.begin(usb=FEW)
    for n in range(3):
        w.given(api, "usb-storage", f"stick{n}")
    w.given(api, "usb-kbd", "kbd")
    equal(w.inside(), {"1": "5000", "2": "5000", "3": "5000", "4": "480"})
    equal(w.listed(api), (["1", "2", "3", "4"], 0))
    w.plug_stick("late")
    late = w.refused(api, "VM 'vm3' has no free USB port for 5000 Mb/s: xhci.0 1, 2, 3, 4 in use")
    contains(api.call("usb_attach", sys_name=late["sys_name"])["error"], "no free USB port for 5000 Mb/s: xhci.0 1, 2, 3, 4 in use")
    equal(len(w.few.devices()), 4)
    w.unplug("stick1")
    api.told("usb_attached", vm="vm3", sys_name=late["sys_name"])
    equal(w.inside(), {"1": "5000", "2": "5000", "3": "5000", "4": "480"})


@test
def slow_devices_share_a_hub_in_the_last_port_and_no_fast_one_joins_them(w):
    api = w.begin(usb=FEW)
    for n in range(5):
        w.given(api, "usb-kbd", f"kbd{n}", usb_version=1)
    equal(w.inside(), {"1": "12", "2": "12", "3": "12", "4": "12", "4.1": "12", "4.2": "12"})
    until(lambda: w.listed(api) == (["1", "2", "3", "4", "4.1", "4.2"], 6), scaled(5), "the hub in the list")
    w.plug_stick("stick")
    w.refused(api, "for 5000 Mb/s", "4.2 in use", "4.3, 4.4, 4.5, 4.6, 4.7, 4.8 too slow")
    w.given(api, "usb-audio", "audio")
    check("4.3" in w.inside(), w.few.info_usb())


@test
def a_stick_for_superspeed_is_not_slowed_down(w):
    api = w.begin(usb=USB2)
    w.plug_stick("stick")
    w.refused(api, "VM 'vm3' has no free USB port for 5000 Mb/s: xhci.0 1, 2, 3, 4 too slow")
    w.given(api, "usb-kbd", "kbd")
    equal(w.inside(), {"1": "480"})


@test
def fifteen_ports_with_hubs_and_devices_of_the_command_line(w):
    api = w.begin(options=["-device", "usb-hub,bus=xhci.0,port=2,ports=3", "-device", "usb-tablet,bus=xhci.0,port=2.1,usb_version=1",
                           "-device", "usb-tablet,bus=xhci.0,port=15,id=tablet"])
    until(lambda: w.listed(api) == (["2", "15", "2.1"], 15), scaled(10), "its ports")
    w.given(api, "usb-storage", "stick")
    w.given(api, "usb-kbd", "slow", usb_version=1)
    w.given(api, "usb-kbd", "fast")
    equal(w.inside(), {"1": "5000", "2": "12", "2.1": "12", "2.2": "12", "3": "480", "15": "480"})
    equal(w.listed(api), (["1", "2", "3", "15", "2.1", "2.2"], 12))


main(World)
