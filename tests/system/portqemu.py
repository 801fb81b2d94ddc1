"""A scripted QEMU with USB controllers and ports, as QEMU 7.2 was seen to have them: which port a device gets, when the last one
becomes a hub, and what QOM and `info usb` say of it."""
import re

from fakeqemu import Qemu

HUB = "usb-hub"
SPEED = {"usb-kbd": "480", HUB: "12"}
PRODUCT = {"usb-kbd": "QEMU USB Keyboard", HUB: "QEMU USB Hub"}


class Bus:
    def __init__(self, controller, p2, p3):
        self.controller, self.p2, self.p3 = controller, p2, p3
        self.ports = {str(n): None for n in range(1, max(p2, p3) + 1)}  # port: (id, driver)

    def free(self):
        return [p for p, device in self.ports.items() if device is None]

    def take(self, port, device_id, driver):
        self.ports[port] = (device_id, driver)
        if driver == HUB:
            self.ports.update({f"{port}.{n}": None for n in range(1, 9)})

    def put(self, device_id, driver, port=None):
        """Where QEMU puts it; None: nowhere."""
        if port is None and len(self.free()) == 1:
            self.take(self.free()[0], "", HUB)
        if port is None:
            port = self.free()[0] if self.free() else None
        if port not in self.free():
            return None
        self.take(port, device_id, driver)
        return port


class PortQemu(Qemu):
    """xhci: controllers by id, each (p2, p3); given: devices of the command line, (id, driver, bus, port)."""

    def __init__(self, path, xhci=None, command_line=(), **kwargs):
        self.buses = {f"{name}.0": Bus(name, *ports) for name, ports in (xhci or {"xhci": (4, 4)}).items()}
        self.placed = {}  # id: (bus, port) of what was added over the monitor
        self.asked_for = {}  # id: what device_add said of it
        for device_id, driver, bus, port in command_line:
            self.buses[bus].put(device_id, driver, port)
        super().__init__(path, **kwargs)

    def unplug(self, port, bus="xhci.0"):
        """Somebody else takes out what is there."""
        with self.changed:
            self.buses[bus].ports[port] = None

    def plug(self, device_id, port, bus="xhci.0"):
        with self.changed:
            self.buses[bus].put(device_id, "usb-kbd", port)

    def _children(self, bus):
        return [d for d in self.buses[bus].ports.values() if d]

    def _qom_list(self, path):
        entries = [("type", "string")]
        if path == "/machine/peripheral":
            entries += [(b.controller, "child<qemu-xhci>") for b in self.buses.values()]
            entries += [(name, f"child<{driver}>") for name, driver in self.devices.items()]
            entries += [(name, f"child<{driver}>") for b in self.buses for name, driver in self._children(b)
                        if name and name not in self.devices]
        elif path == "/machine/unattached":
            entries += [("device[1]", f"child<{HUB}>") for b in self.buses for name, driver in self._children(b)
                        if driver == HUB and not name]
        elif path.split("/")[-1] in self.buses:
            entries += [(f"child[{n}]", f"link<{driver}>") for n, (_, driver) in enumerate(self._children(path.split("/")[-1]))]
        else:
            entries += [(f"{path.split('/')[-1]}.0", "child<usb-bus>")]
        return {"return": [{"name": name, "type": kind} for name, kind in entries]}

    def _qom_get(self, path, name):
        controller = {b.controller: b for b in self.buses.values()}.get(path.split("/")[-1])
        bus = self.buses.get(path.split("/")[-1])
        link = re.fullmatch(r"child\[([0-9]+)\]", name)
        if controller and name in ("p2", "p3"):
            return {"return": getattr(controller, name)}
        if bus and link:
            return {"return": f"/machine/peripheral/{self._children(path.split('/')[-1])[int(link[1])][0]}"}
        return None

    def info_usb(self):
        """As `info usb` prints it: "Device" has the number of the bus."""
        return "".join(f"  Device {n}.0, Port {port}, Speed {SPEED.get(d[1], '480')} Mb/s, Product {PRODUCT.get(d[1], 'Stick')}"
                       f"{', ID: ' + d[0] if d[0] else ''}\r\n"
                       for n, b in enumerate(self.buses.values()) for port, d in b.ports.items() if d)

    def _usual(self, command, fds, negotiated):
        a = command.arguments
        if command.name == "qom-list" and negotiated and a["path"] != "/machine/peripheral-anon":
            return self._qom_list(a["path"])
        if command.name == "qom-get" and self._qom_get(a["path"], a["property"]):
            return self._qom_get(a["path"], a["property"])
        if command.name == "human-monitor-command":
            return {"return": self.info_usb()}
        if command.name == "device_del" and a["id"] in self.placed:
            bus, port = self.placed.pop(a["id"])
            self.buses[bus].ports[port] = None
        return super()._usual(command, fds, negotiated)

    def _device_add(self, a):
        name = a.get("bus", next(iter(self.buses)))
        if name not in self.buses:
            return self.error(f"Bus '{name}' not found")
        if "port" in a and a["port"] not in self.buses[name].free():
            return self.error(f"usb port {a['port']} (bus {name}) not found (in use?)")
        if "port" not in a and not self.buses[name].free():
            return self.error("tried to attach usb device usb-host to a bus with no free ports")
        reply = super()._device_add(a)
        if "return" in reply:
            self.asked_for[a["id"]] = (a.get("bus"), a.get("port"))
            self.placed[a["id"]] = (name, self.buses[name].put(a["id"], a["driver"], a.get("port")))
        return reply
