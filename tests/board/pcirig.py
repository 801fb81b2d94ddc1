"""What tests of PCI devices on the board share: a board with an IOMMU and devices behind it, and VMs with a guest that gives devices back.

The guest is ejector.c, which gives devices back as an operating system would, and can be told to hang.
"""
import os

from rig import LOGS, TOP, BoardWorld
from board import BoardError, Vm, until
from tap import equal, scaled

GUEST = os.path.join(TOP, "build/test/board/ejector")
DISK = os.path.join(LOGS, "nvme.img")
NOBODY = 65534

ROOT_PORTS = [f"pcie-root-port,id=rp{n},bus=pcie.0,chassis={n},slot={n},addr={0x10 + n:x}.0" for n in range(1, 5)]
DEVICES = [
    *ROOT_PORTS,
    "e1000e,id=nic,bus=rp1",
    "nvme,id=nvme,bus=rp2,drive=nv,serial=NV1",
    "pcie-pci-bridge,id=bridge,bus=rp3",  # what is behind it is one group, with the bridge
    "e1000,id=twin1,bus=bridge,addr=1",
    "e1000,id=twin2,bus=bridge,addr=2",
]
NIC, NVME, TWIN = "8086:10d3", "1b36:0010", "8086:100e"
DRIVERS = ("e1000e", "e1000", "nvme", "vfio_iommu_type1", "vfio-pci")


class PciWorld(BoardWorld):
    iommu = True
    more = ("-drive", f"if=none,id=nv,file={DISK},format=raw,cache=unsafe")
    devices = tuple(DEVICES)

    def booted(self, board):
        self.stop_boot_daemon()  # of USB devices
        board.run(["modprobe", "-a", *DRIVERS])

    def addresses(self, ids):
        """Of the devices with these ids, in order."""
        found = []
        for path in sorted(self.board.glob("/sys/bus/pci/devices/*")):
            if ":".join(self.board.read(f"{path}/{name}").strip()[2:] for name in ("vendor", "device")) == ids:
                found.append(os.path.basename(path))
        return found

    def pci_driver(self, address):
        try:
            return self.board.readlink(f"/sys/bus/pci/devices/{address}/driver").rsplit("/", 1)[1]
        except BoardError:
            return None  # it is just changing

    def on_host(self, address, driver):
        """As it is before and after each test: with the host's driver, and nothing that keeps it from that one."""
        until(lambda: self.pci_driver(address) == driver, scaled(10), f"{address} with {driver}")
        equal(self.board.read(f"/sys/bus/pci/devices/{address}/driver_override").strip(), "(null)")

    def guest(self, name, prefix=(), ports=3, options=()):
        """A VM with the guest and free root ports p0, p1..."""
        for path in self.board.glob(f"/run/{name}.*"):  # of one that was killed
            self.board.unlink(path)
        more = [x for n in range(ports) for x in ("-device", f"pcie-root-port,id=p{n},bus=pcie.0,chassis={n + 1},slot={n + 1}")]
        more += ["-kernel", GUEST, "-chardev", f"socket,id=ser,path=/run/{name}.ser,server=on,wait=off,logfile=/run/{name}.console",
                 "-serial", "chardev:ser", *options]
        vm = Vm(self.board, name, machine=("-M", "q35", "-m", "32"), options=more, prefix=prefix)
        self.extra_vms.append(vm)
        vm.wait_up(scaled(30))
        until(lambda: "up" in self.board.read(f"/run/{name}.console"), scaled(30), "the guest")
        vm.serial = self.board.connect(f"unix:/run/{name}.ser")
        return vm


def prepare():
    """Before the board is made: its disk."""
    if not os.access(GUEST, os.X_OK):
        raise SystemExit(f"no {GUEST}: make build/test/board/ejector")
    os.makedirs(LOGS, exist_ok=True)
    with open(DISK, "wb") as f:
        f.truncate(32 << 20)
