"""driverPath: the kernel module that would drive a device, found in the lists below /lib/modules without running a program."""
import os

from fakehost import STORAGE
from tap import check, equal, run, test
from world import World, rule

VENDOR = (255, 255, 0)
NETWORK = {"driverPath": ".*/kernel/drivers/net/.*"}
ALIASES = """# Aliases extracted from modules themselves.
alias pci:v*d* e1000
alias usb:v0B95p1790d*dc*dsc*dp*icFFiscFFip00in* ax88179_178a
alias usb:v0403p6001d*dc*dsc*dp*ic*isc*ip*in* ftdi_sio
alias usb:v*p*d*dc*dsc*dp*ic08isc06ip50in* usb_storage
alias usb:v1111p0000d*dc*dsc*dp*ic*isc*ip*in* gone
"""
DEPS = """kernel/drivers/net/usb/ax88179_178a.ko.xz: kernel/drivers/net/usb/usbnet.ko.xz
kernel/drivers/usb/serial/ftdi_sio.ko: kernel/drivers/usb/serial/usbserial.ko
kernel/drivers/usb/storage/usb-storage.ko:
"""


def modules(w, release="6.1.0-test", place="lib/modules", **lists):
    w.host.write("proc/sys/kernel/osrelease", release + "\n")
    os.makedirs(w.host.path(place, release), exist_ok=True)
    for name, text in lists.items():
        w.host.write(f"{place}/{release}/modules.{name.replace('_', '.')}", text)


def lists(w, rules):
    """Which VM each device that is there gets, by its name."""
    w.qemu("vm1")
    daemon = w.daemon(w.conf(rules), "-a")
    wanted = w.api().list_until(lambda l: all(d["state"] in ("attached", "idle") for d in l.values()), all=True)
    return daemon, {d["sys_name"]: d["vm"] for d in wanted.values() if d["device_class"] != 9}


@test
def vendor_specific_devices_are_told_apart_by_their_driver(w):
    modules(w, alias=ALIASES, dep=DEPS)
    w.host.place("1-1", 0x0b95, 0x1790, [VENDOR])
    w.host.place("1-2", 0x0403, 0x6001, [VENDOR])
    w.host.place("1-3", 0x1111, 0x0000, [VENDOR])  # its module is in no list of paths
    w.host.place("1-4", 0x0b95, 0x1790, [VENDOR, STORAGE])  # its class tells what it is
    daemon, vms = lists(w, [rule("vm1", NETWORK)])
    equal(vms, {"1-1": "vm1", "1-2": None, "1-3": None, "1-4": None})
    equal(daemon.logged("module lists"), [])


@test
def a_driver_can_be_denied_by_its_whole_path(w):
    modules(w, alias=ALIASES, dep=DEPS)
    w.host.place("1-1", 0x0b95, 0x1790, [VENDOR])
    w.host.place("1-2", 0x0403, 0x6001, [VENDOR])
    path = "/lib/modules/6\\.1\\.0-test/kernel/drivers/net/usb/ax88179_178a\\.ko\\.xz$"
    _, vms = lists(w, [rule("vm1", {"interfaceClass": 255}, deny=[{"driverPath": path}])])
    equal(vms, {"1-1": None, "1-2": "vm1"})


@test
def drivers_built_into_the_kernel_count(w):
    modules(w, place="usr/lib/modules", builtin="kernel/drivers/net/usb/asix.ko\n",
            builtin_modinfo="asix.license=GPL\0asix.alias=usb:v0B95p*d*dc*dsc*dp*ic*isc*ip*in*\0")
    w.host.place("1-1", 0x0b95, 0x1790, [VENDOR])
    _, vms = lists(w, [rule("vm1", NETWORK)])
    equal(vms, {"1-1": "vm1"})


@test
def without_lists_it_matches_nothing_and_says_so_once(w):
    w.host.place("1-1", 0x0b95, 0x1790, [VENDOR])
    daemon, vms = lists(w, [rule("vm1", NETWORK, {"driverPath": ".*"})])
    equal(vms, {"1-1": None})
    equal(len(daemon.logged("no module lists in /lib/modules/.*'driverPath' matches nothing")), 1)


@test
def garbage_in_the_lists_harms_nobody(w):
    modules(w, alias="alias usb:" + "*a" * 5000 + " x\nalias usb:v[\nalias usb:* \nalias usb:* y", dep="\0\0:\n" + "y.ko" * 3000)
    w.host.place("1-1", 0x0b95, 0x1790, [VENDOR])
    daemon, vms = lists(w, [rule("vm1", NETWORK)])
    equal(vms, {"1-1": None})
    check(daemon.process.poll() is None, "alive")


@test
def lists_that_are_cut_or_replaced_while_we_run_harm_nobody(w):
    """Cut in place, as by a copy over them; replaced, as depmod does it."""
    filler = "".join(f"alias pci:v{n:08X}d* filler\n" for n in range(40000))  # 1 MB: pages that nobody has looked at yet
    modules(w, alias=filler + ALIASES, dep=DEPS)
    w.qemu("vm1")
    daemon = w.daemon(w.conf([rule("vm1", NETWORK)]), "-a")
    api = w.api()
    place = w.host.path("lib/modules/6.1.0-test/modules.alias")
    os.truncate(place, 100)
    lost = w.host.plug("1-1", 0x0b95, 0x1790, [VENDOR])
    w.rest(api)
    equal(api.list(all=True)[lost.node]["vm"], None)
    check(daemon.process.poll() is None, "alive")
    with open(place + ".new", "w", encoding="utf-8") as f:
        f.write(filler + ALIASES)
    os.rename(place + ".new", place)
    found = w.host.plug("1-2", 0x0b95, 0x1790, [VENDOR])
    api.list_until(lambda l: l.get(found.node, {}).get("vm") == "vm1")


@test
def a_list_that_cannot_be_read_is_no_answer_and_is_read_later(w):
    modules(w, alias=ALIASES, dep=DEPS)
    w.qemu("vm1")
    w.daemon(w.conf([rule("vm1", {"interfaceClass": 255}, deny=[{"driverPath": ".*/ftdi_sio.ko"}])]))
    place = w.host.path("lib/modules/6.1.0-test/modules.dep")
    os.rename(place, place + ".aside")
    os.mkdir(place)  # a file that fails when it is read
    device = w.host.plug("1-1", 0x0b95, 0x1790, [VENDOR])
    api = w.api()
    w.rest(api)
    listed = api.list(all=True)[device.node]
    equal((listed["vm"], "cannot be read" in listed["reason"]), (None, True))
    os.rmdir(place)
    os.rename(place + ".aside", place)
    api.list_until(lambda l: l.get(device.node, {}).get("vm") == "vm1")


@test
def lists_may_be_links_to_elsewhere(w):
    modules(w, builtin="", alias=ALIASES, dep=DEPS)
    for name in ("alias", "dep"):
        at = w.host.path("lib/modules/6.1.0-test/modules." + name)
        os.rename(at, w.host.path("elsewhere." + name))
        os.symlink(w.host.path("elsewhere." + name), at)
    w.qemu("vm1")
    w.daemon(w.conf([rule("vm1", NETWORK)]), "-a")
    device = w.host.plug("1-1", 0x0b95, 0x1790, [VENDOR])
    w.api().list_until(lambda l: l.get(device.node, {}).get("vm") == "vm1")


@test
def a_line_longer_than_what_is_read_at_once_is_passed_over(w):
    modules(w, alias="alias usb:v0B95*" + "x" * 200000 + " y\n" + ALIASES, dep="kernel/z.ko:" + " kernel/drivers/y.ko" * 20000 + "\n" + DEPS)
    w.host.place("1-1", 0x0b95, 0x1790, [VENDOR])
    _, vms = lists(w, [rule("vm1", NETWORK)])
    equal(vms, {"1-1": "vm1"})


@test
def more_drivers_than_can_be_told_apart_are_no_driver(w):
    modules(w, alias="".join(f"alias usb:v* m{i}\n" for i in range(10)), dep="".join(f"kernel/m{i}.ko:\n" for i in range(10)))
    w.host.place("1-1", 0x0b95, 0x1790, [VENDOR])
    w.qemu("vm1")
    w.daemon(w.conf([rule("vm1", {"interfaceClass": 255}, deny=[{"driverPath": ".*/m5.ko"}])]), "-a")
    [device] = w.api().list().values()
    equal((device["vm"], "more drivers fit" in device["reason"]), (None, True))


run(World)
