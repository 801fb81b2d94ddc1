"""PCI devices of a made-up host, and what it uses them for."""
import os


def link(w, path, target):
    """A link of the made-up host, from a path below it to another one."""
    os.makedirs(os.path.dirname(w.host.path(path)), exist_ok=True)
    os.makedirs(w.host.path(target), exist_ok=True)
    os.symlink(os.path.relpath(w.host.path(target), os.path.dirname(w.host.path(path))), w.host.path(path))


def write(w, path, text):
    os.makedirs(os.path.dirname(w.host.path(path)), exist_ok=True)
    w.host.write(path, text)


def pci(w, address, vendor, device, cls, driver=None, group=None, behind="", attributes=()):
    """A PCI device as the kernel shows it."""
    place = os.path.join("sys/devices/pci0000:00", behind, address)
    for name, value in (("vendor", vendor), ("device", device), ("class", cls), ("subsystem_vendor", "0x1af4"), ("subsystem_device", "0x1100"),
                        *attributes):
        write(w, f"{place}/{name}", value + "\n")
    if driver:
        link(w, os.path.join(place, "driver"), f"sys/bus/pci/drivers/{driver}")
    if group:
        link(w, os.path.join(place, "iommu_group"), f"sys/kernel/iommu_groups/{group}")
    link(w, f"sys/bus/pci/devices/{address}", place)
    return place


def laptop(w):
    """A disk that is mounted, a GPU with the console, a network adapter, sound in a group with the ISA bridge and the SMBus."""
    pci(w, "0000:00:00.0", "0x8086", "0x4601", "0x060000", group="0")
    pci(w, "0000:00:02.0", "0x8086", "0x46a6", "0x030000", "i915", "1", attributes=(("boot_vga", "1"),))
    pci(w, "0000:00:06.0", "0x8086", "0x464d", "0x060400", "pcieport", "2", attributes=(("secondary_bus_number", "1"),))
    disk = pci(w, "0000:01:00.0", "0x144d", "0xa80a", "0x010802", "nvme", "3", behind="0000:00:06.0")
    usb = pci(w, "0000:00:14.0", "0x8086", "0x51ed", "0x0c0330", "xhci_hcd", "4")
    net = pci(w, "0000:00:14.3", "0x8086", "0x51f1", "0x028000", "iwlwifi", "5")
    pci(w, "0000:00:1f.0", "0x8086", "0x5182", "0x060100", None, "6")
    pci(w, "0000:00:1f.3", "0x8086", "0x51c8", "0x040300", "snd_hda_intel", "6")
    pci(w, "0000:00:1f.4", "0x8086", "0x51a3", "0x0c0500", "i801_smbus", "6")
    link(w, "sys/dev/block/259:2", f"{disk}/nvme/nvme0/nvme0n1/nvme0n1p2")
    link(w, "sys/class/net/wlan0", f"{net}/net/wlan0")
    event = f"{usb}/usb1/1-5/1-5:1.0/input/input3/event3"
    link(w, "sys/class/input/event3", event)
    write(w, f"{event}/device/capabilities/key", "fffffffffffffffe\n")
    w.host.write("proc/net/route", "Iface\tDestination\nwlan0\t00000000\n")
    w.host.write("proc/self/mountinfo", "36 1 259:2 / / rw - ext4 /dev/nvme0n1p2 rw\n")
