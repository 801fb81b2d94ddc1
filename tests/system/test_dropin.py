"""In place of the two older daemons: their users' configuration files and clients, unchanged."""
import json
import os
import socket
import stat
import subprocess
import threading

from fakehost import HID_KEYBOARD, HID_MOUSE, STORAGE, VIDEO
from tap import check, contains, equal, run, scaled, test
from world import BINARY, CLIENT, World

VENDOR = (255, 255, 0)
BLUETOOTH = (224, 1, 1)


def python_style(w):
    """A laptop's: every section, numbers and strings as generators write them, programs by their store paths."""
    return {
        "usbPassthrough": [
            {"description": "Devices for the GUI", "targetVm": "gui-vm",
             "allow": [{"interfaceClass": 3, "interfaceProtocol": 1, "description": "HID keyboard"},
                       {"interfaceClass": 3, "interfaceProtocol": 2, "description": "HID mouse"},
                       {"interfaceClass": 11, "description": "Chip/SmartCard (e.g. YubiKey)"},
                       {"interfaceClass": 8, "interfaceSubclass": 6, "description": "Mass storage: SCSI"},
                       {"interfaceClass": 17, "description": "USB-C alternate modes supported by device"}],
             "deny": [{"vendorId": "046d", "productId": "c52b", "description": "a receiver that stays"}]},
            {"description": "Network devices", "targetVm": "net-vm",
             "allow": [{"interfaceClass": 2, "interfaceSubclass": 6, "description": "Communications: Ethernet"},
                       {"driverPath": ".*/kernel/drivers/net/usb/.*", "description": "whatever has a network driver"},
                       {"productName": ".*ethernet.*"}]},
            {"description": "Built-in camera", "disable": True, "targetVm": "chat-vm",
             "allow": [{"interfaceClass": 14, "removable": None}]},
            {"description": "Bluetooth", "targetVm": "audio-vm", "skipOnSuspend": True, "tag": "bt",
             "allow": [{"interfaceClass": 224, "interfaceSubclass": 1, "interfaceProtocol": 1}]},
        ],
        "pciPassthrough": [
            {"description": "WiFi", "targetVm": "net-vm", "skipOnSuspend": True, "pciIommuAddAll": False, "pciIommuSkipIfShared": True,
             "allow": [{"address": "0000:00:14.3", "deviceId": None, "vendorId": None}]}],
        "evdevPassthrough": {"disable": False, "targetVm": "gui-vm", "pcieBusPrefix": "rp",
                             "rules": [{"description": "mice", "property": "ID_INPUT_MOUSE", "value": "1"}]},
        "acpiPassthrough": [{"description": "NHLT", "targetVm": "audio-vm",
                             "allow": [{"acpiTable": "/sys/firmware/acpi/tables/NHLT", "setUser": "microvm"}]}],
        "vms": [
            {"name": "gui-vm", "type": "qemu", "socket": w.vm_path("gui-vm")},
            {"name": "net-vm", "type": "qemu", "socket": w.vm_path("net-vm")},
            {"name": "audio-vm", "type": "qemu", "socket": w.vm_path("audio-vm")},
            {"name": "chat-vm", "type": "crosvm", "socket": w.vm_path("chat-vm")},
        ],
        "general": {
            "api": {"enable": True, "host": "127.0.0.1", "port": 2000, "unixSocket": w.socket, "transports": ["vsock", "unix"],
                    "allowedCids": [3, 4, 5], "unixSocketUser": "root", "unixSocketGroup": "root", "unixSocketMode": "0660"},
            "modprobe": "/nix/store/x-kmod-31/bin/modprobe", "modinfo": "/nix/store/x-kmod-31/bin/modinfo",
            "crosvm": "/nix/store/x-crosvm/bin/crosvm", "ovmfCode": None, "ovmfVars": None,
            "persistency": True, "statePath": os.path.join(w.dir, "state.json"),
        },
    }


def rust_style(w):
    """An appliance's: choices, tags, what is fixed and what is not, everything in strings."""
    return {
        "usbPassthrough": [
            {"description": "internal cameras", "allowedVms": ["work", "home"], "tag": "cam", "enable": True,
             "allow": [{"interfaceClass": 14, "removable": ["fixed"]}]},
            {"description": "external cameras", "targetVm": "home", "tag": "cam",
             "allow": [{"interfaceClass": 14, "removable": "removable"}, {"interfaceClass": 14, "removable": ["unknown"]}]},
            {"description": "one port for everything", "targetVm": "work", "allow": [{"bus": "1", "port": "4"}]},
            {"description": "sticks", "allowedVms": ["work", "home"], "skipOnSuspend": False, "disable": False,
             "allow": [{"interfaceClass": 8}], "deny": [{"vendorId": "0951", "productId": "1666"}]},
            {"description": "not now", "allowedVms": ["work"], "enable": False, "allow": [{"deviceClass": 239}]},
            {"description": "another host's", "targetVm": "lab", "allow": [{"interfaceClass": 7}]},
        ],
        "usbAuthorization": {"enable": False},
        "vms": [{"name": "work", "type": "qemu", "socket": w.vm_path("work")}, {"name": "home", "type": "qemu", "socket": w.vm_path("home")}],
        "general": {"api": {"enable": True, "transports": ["unix"], "unixSocket": w.socket, "unixSocketMode": "660",
                            "allowedCids": [], "vsockPort": 2000, "tcpPort": 2000},
                    "crosvm": "/usr/bin/crosvm", "persistency": False},
    }


def checked(w, conf):
    path = os.path.join(w.dir, "sample.conf")
    with open(path, "w", encoding="utf-8") as f:
        json.dump(conf, f, indent=2)
    done = subprocess.run([BINARY, "--check", "-c", path], capture_output=True, text=True, timeout=scaled(10), check=False)
    return done.returncode, [line for line in done.stderr.splitlines() if ": warning: " in line], done.stderr


@test
def a_laptops_file_loads_with_one_line_for_each_thing_to_come(w):
    status, warnings, text = checked(w, python_style(w))
    equal(status, 0, text)
    for word in ("evdevPassthrough",):
        equal(len([line for line in warnings if word in line]), 1, f"{word} in {warnings}")
    for key in ("modprobe", "modinfo", "crosvm"):  # a generator writes them, and nobody can help it
        equal(len([line for line in text.splitlines() if f": note: general.{key}: " in line]), 1, f"{key} in {text}")
    unknown = [line for line in warnings if "unknown key" in line]
    equal(len(unknown), 0, str(unknown))
    equal(len(warnings), 1, "\n".join(warnings))


@test
def an_appliances_file_loads_and_the_missing_vm_is_named(w):
    status, warnings, text = checked(w, rust_style(w))
    equal(status, 0, text)
    equal(len([line for line in warnings if "no VM 'lab'" in line]), 1)
    equal([line for line in warnings if "unknown key" in line or "usbAuthorization" in line], [])


@test
def devices_of_a_laptop_go_where_its_file_says(w):
    vms = {n: w.qemu(n) for n in ("gui-vm", "net-vm", "audio-vm")}
    w.host.write("proc/sys/kernel/osrelease", "6.1\n")
    os.makedirs(w.host.path("lib/modules/6.1"))
    w.host.write("lib/modules/6.1/modules.alias", "alias usb:v0B95p1790d*dc*dsc*dp*ic*isc*ip*in* ax88179_178a\n")
    w.host.write("lib/modules/6.1/modules.dep", "kernel/drivers/net/usb/ax88179_178a.ko.xz:\n")
    w.daemon(python_style(w), "-a")
    api = w.api()
    wanted = {
        w.host.plug("1-1", 0x046d, 0xc31c, [HID_KEYBOARD, (3, 0, 0)]).node: "gui-vm",
        w.host.plug("1-2", 0x046d, 0xc077, [HID_MOUSE]).node: "gui-vm",
        w.host.plug("1-3", 0x0b95, 0x1790, [VENDOR]).node: "net-vm",
        w.host.plug("1-4", 0x8087, 0x0026, [BLUETOOTH]).node: "audio-vm",
        w.host.plug("1-5", 0x046d, 0xc52b, [HID_KEYBOARD]).node: None,  # denied
        w.host.plug("1-6", 0x04f2, 0xb6be, [VIDEO]).node: None,  # its rule is disabled
    }
    w.rest(api)
    listed = api.list(all=True)
    equal({n: d["vm"] for n, d in listed.items() if n in wanted}, wanted)
    api.ok("usb_suspend")
    equal((len(vms["gui-vm"].devices), len(vms["audio-vm"].devices)), (0, 1))  # skipOnSuspend
    api.ok("usb_resume")
    equal(len(vms["gui-vm"].devices), 2)
    equal(stat.S_IMODE(os.stat(w.socket).st_mode), 0o660)


@test
def devices_of_an_appliance_go_where_its_file_says(w):
    home = w.qemu("home")
    w.qemu("work")
    w.daemon(rust_style(w))
    api = w.api(events=True)
    fixed = w.host.plug("1-1", 0x04f2, 1, [VIDEO], removable="fixed")
    equal(api.await_event("usb_select_vm")["allowed_vms"], ["work", "home"])
    w.host.plug("1-2", 0x04f2, 2, [VIDEO], removable="removable")
    api.await_event("usb_attached", vm="home")
    w.host.plug("1-4", 0xffff, 3, [VENDOR])
    api.await_event("usb_attached", vm="work", portnum=4)
    w.host.plug("1-5", 0x0951, 0x1666, [STORAGE])
    api.await_event("usb_connected", pid="1666")
    api.ok("usb_attach", device_node=fixed.node, vm="home")
    api.ok("usb_detach", tag="cam")
    equal(home.devices, {})


def one_request(w, line):
    """A client of the simplest kind: connects, writes, reads one line, goes away."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
        s.settimeout(scaled(5))
        s.connect(w.socket)
        s.sendall(line.encode() + b"\n")
        with s.makefile(encoding="utf-8") as f:
            return json.loads(f.readline())


@test
def clients_that_connect_for_each_request(w):
    w.qemu("work")
    w.daemon(rust_style(w))
    stick = w.host.plug("1-3", 0x1111, 0x2222, [STORAGE])
    w.api().ready(stick)
    listed = one_request(w, '{"action": "usb_list"}')["usb_devices"]
    equal([d["device_node"] for d in listed], [stick.node])
    # every string is there to be concatenated, as applets do
    check(all(isinstance(listed[0][k], str) for k in ("device_node", "vid", "pid", "vendor_name", "product_name")), str(listed))
    for request in ('{"action": "usb_attach", "device_node": null, "bus": null, "port": null, "vid": "1111", "pid": "2222", "vm": "work"}',
                    '{"action": "usb_detach", "device_node": null, "vid": null, "pid": null, "bus": 1, "port": 3}',
                    '{"action": "usb_attach", "bus": "1", "port": "3", "vm": "work", "tag": null, "id": null}',
                    '{"action":"usb_detach","device_node":"' + stick.node + '","vid":null,"pid":null,"bus":null,"port":null}',
                    '{"action": "usb_list", "disconnected": null}', '{"action": "usb_suspend", "vm": null}', '{"action": "usb_resume"}'):
        equal(one_request(w, request).get("result"), "ok", request)
    failed = one_request(w, '{"action": "usb_attach", "vid": "1111", "pid": "2222", "vm": "nobody"}')
    equal(failed["result"], "failed")
    contains(failed["error"], "nobody")


# ---- state files ----

STICK_ID, STICK_UDEV = "usb-0951:1666:A B/C", "usb-0951:1666:A_B_C"


def of_python(selected, away):
    """As the Python daemon writes it. Of a file it reads these two members, and drops all others with the next save."""
    return json.dumps({"selected_vms": selected, "disconnected_devices": away}, ensure_ascii=False, indent=2)


def of_rust(selected, away):
    ports = {"1-2.3": {"vm": "chat", "port": 3, "socket_generation": "1:2:3", "vid": "046d", "pid": "c52b", "serial": None}}
    return json.dumps({"selected_vms": selected, "disconnected_devices": sorted(away), "crosvm_usb_ports": ports}, ensure_ascii=False, indent=2) + "\n"


def remembering(w):
    return w.conf([{"targetVm": "vm1", "tag": "keys", "allow": [{"interfaceClass": 3}]},
                   {"allowedVms": ["vm1", "vm2"], "tag": "disk", "allow": [{"interfaceClass": 8}]}],
                  persistency=True, statePath=os.path.join(w.dir, "state.json"))


def state_of(w, text=None):
    if text is not None:
        with open(os.path.join(w.dir, "state.json"), "w", encoding="utf-8") as f:
            f.write(text)
    with open(os.path.join(w.dir, "state.json"), encoding="utf-8") as f:
        return json.load(f)


def there_and_back(w, write, stick_id):
    """A keyboard that was taken away, a stick for which a VM was chosen, and what is not USB."""
    w.qemu("vm1"), w.qemu("vm2")
    state_of(w, write({stick_id: "vm2", "pci-0000:01:00.0": "vm1"}, ["usb-046d:c31c:None", "pci-0000:00:14.3", "future:1"]))
    kbd = w.host.place("1-1", 0x046d, 0xc31c, [HID_KEYBOARD])
    stick = w.host.place("1-2", 0x0951, 0x1666, [STORAGE], serial="A B/C")
    mouse = w.host.place("1-3", 0x046d, 0xc077, [HID_MOUSE], serial="M 1")
    daemon = w.daemon(remembering(w), "-a")
    api = w.api()
    listed = api.list_until(lambda d: d[stick.node]["vm"] and d[mouse.node]["vm"])
    equal([(listed[d.node]["vm"], listed[d.node]["disconnected"]) for d in (kbd, stick, mouse)],
          [(None, True), ("vm2", False), ("vm1", False)])
    daemon.wait_log("entries that are not understood, and stay in it: .*entries=3")
    api.ok("usb_detach", device_node=mouse.node)
    api.ok("usb_attach", device_node=stick.node, vm="vm1")
    equal(daemon.stop(), 0)
    saved = state_of(w)
    equal({k: v for k, v in saved["selected_vms"].items() if k.startswith("pci-")}, {"pci-0000:01:00.0": "vm1"})
    for known in ("usb-046d:c31c:None", "pci-0000:00:14.3", "future:1"):
        check(known in saved["disconnected_devices"], f"{known} in {saved}")
    equal(all(isinstance(v, str) for v in saved["selected_vms"].values()), True, "else the Rust daemon drops the file")
    return saved, kbd, stick, mouse


@test
def the_python_daemons_state_is_taken_over_and_given_back(w):
    saved, kbd, stick, mouse = there_and_back(w, of_python, STICK_UDEV)
    # back there: it knows serial numbers as udev writes them
    equal(saved["selected_vms"][STICK_UDEV], "vm1")
    away = saved["disconnected_devices"]
    check("usb-046d:c077:M_1" in away, str(away))
    away.remove("usb-046d:c31c:None")  # the keyboard is attached there, the stick goes to the other VM
    saved["selected_vms"][STICK_UDEV] = "vm2"
    state_of(w, of_python(saved["selected_vms"], away))
    w.daemon(remembering(w), "-a")
    # The stick is still in vm1, from the daemon before; it moves by what the state says.
    listed = w.api().list_until(lambda d: d[stick.node]["vm"] == "vm2" and d[kbd.node]["vm"])
    equal([listed[d.node]["vm"] for d in (kbd, stick, mouse)], ["vm1", "vm2", None])


@test
def the_rust_daemons_state_is_taken_over_and_given_back(w):
    saved, kbd, stick, mouse = there_and_back(w, of_rust, STICK_ID)
    equal(saved["crosvm_usb_ports"], json.loads(of_rust({}, []))["crosvm_usb_ports"])
    equal(saved["selected_vms"][STICK_ID], "vm1")
    away = saved["disconnected_devices"]
    check("usb-046d:c077:M 1" in away, str(away))
    away.remove("usb-046d:c31c:None")
    state_of(w, of_rust(saved["selected_vms"], away))
    w.daemon(remembering(w), "-a")
    listed = w.api().list_until(lambda d: d[stick.node]["vm"] and d[kbd.node]["vm"])
    equal([listed[d.node]["vm"] for d in (kbd, stick, mouse)], ["vm1", "vm1", None])


@test
def the_python_daemons_state_of_before_autumn_2025_is_taken_over(w):
    w.qemu("vm1"), w.qemu("vm2")
    state_of(w, of_python({"0951:1666:A_B_C": "vm2"}, ["046d:c31c:None"]))
    kbd = w.host.place("1-1", 0x046d, 0xc31c, [HID_KEYBOARD])
    stick = w.host.place("1-2", 0x0951, 0x1666, [STORAGE], serial="A B/C")
    w.daemon(remembering(w), "-a")
    api = w.api()
    listed = api.list_until(lambda d: d[stick.node]["vm"])
    equal((listed[kbd.node]["disconnected"], listed[stick.node]["vm"]), (True, "vm2"))
    api.ok("usb_detach", device_node=stick.node)
    saved = state_of(w)
    equal(sorted(saved["disconnected_devices"]), ["usb-046d:c31c:None", STICK_ID, STICK_UDEV])
    equal(saved["selected_vms"][STICK_UDEV], "vm2")


@test
def clients_that_decode_each_read_by_itself(w):
    """As the older clients do: 4096 bytes at once. No character may lie across two reads."""
    w.daemon(rust_style(w))
    for i in range(1, 13):
        w.host.plug(f"1-4.{i}", 0xfff0, 0x2222, [STORAGE], manufacturer="Å" * 60, product="☃𝄞" * 20, serial="ß" + str(i))
    w.api().list_until(lambda l: len(l) == 12)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
        s.settimeout(scaled(5))
        s.connect(w.socket)
        s.sendall(b'{"action": "usb_list", "id": "\xc3\xbc"}\n')
        text, reads = "", 0
        while not text.endswith("\n"):
            data = s.recv(4096)
            check(all(b <= 0x7e for b in data), "ASCII")
            text += data.decode()
            reads += 1
    check(reads > 1, "several reads")
    reply = json.loads(text)
    equal(reply["id"], "ü")
    equal({(d["vendor_name"], d["product_name"]) for d in reply["usb_devices"]}, {("Å" * 60, "☃𝄞" * 20)})
    equal([d["port_path"] for d in reply["usb_devices"]], [f"4.{i}" for i in range(1, 13)])


@test
def clients_that_keep_one_connection_for_events(w):
    w.qemu("work")
    w.daemon(rust_style(w))
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s, s.makefile("rw", encoding="utf-8") as f:
        s.settimeout(scaled(5))
        s.connect(w.socket)
        f.write('{"action": "enable_notifications"}\n')
        f.flush()
        equal(json.loads(f.readline()), {"result": "ok"})
        stick = w.host.plug("1-3", 0x1111, 0x2222, [STORAGE])
        told = [json.loads(f.readline()) for _ in range(2)]
        equal([t["event"] for t in told], ["usb_connected", "usb_select_vm"])
        equal(told[1]["allowed_vms"], ["work", "home"])
        equal(one_request(w, json.dumps({"action": "usb_attach", "device_node": stick.node, "vm": "work"}))["result"], "ok")
        attached = json.loads(f.readline())
        equal((attached["event"], attached["vm"], attached["usb_device"]["device_node"]), ("usb_attached", "work", stick.node))
        w.host.unplug(stick)
        equal([json.loads(f.readline())["event"] for _ in range(2)], ["usb_detached", "usb_disconnected"])


class KillSwitch:
    """As the laptops' program: it asks for every switch before each command, and one failed answer ends it."""
    SWITCHES = {"mic": ("pci", "audio"), "cam": ("usb", "cam"), "net": ("pci", "net"), "bluetooth": ("usb", "bt")}

    def __init__(self, w):
        self.w = w

    def ask(self, **request):
        reply = one_request(self.w, json.dumps(request))
        if reply["result"] != "ok":
            raise RuntimeError(reply["error"])
        return reply

    def status(self):
        """Of each switch: None if there is no such device, else whether it is blocked."""
        listed = {name: self.ask(action=f"{bus}_list", tag=tag, disconnected=None)[f"{bus}_devices"] for name, (bus, tag) in self.SWITCHES.items()}
        return {name: all(d["vm"] is None for d in devices) if devices else None for name, devices in listed.items()}

    def set(self, name, block):
        if self.status()[name] is None:
            return False
        bus, tag = self.SWITCHES[name]
        self.ask(action=f"{bus}_{'detach' if block else 'attach'}", tag=tag)
        return self.status()[name] is block


@test
def a_kill_switch_that_asks_for_everything_first(w):
    home = w.qemu("home")
    conf = rust_style(w)
    conf["pciPassthrough"] = [{"targetVm": "home", "tag": "net", "allow": [{"deviceClass": 2}]}]
    network = w.host.path("sys/bus/pci/devices/0000:00:14.3")  # on a host without an IOMMU: it never gets into a VM
    os.makedirs(network)
    for name, value in (("vendor", "0x8086"), ("device", "0x51f1"), ("class", "0x028000")):
        with open(os.path.join(network, name), "w", encoding="ascii") as f:
            f.write(value + "\n")
    w.daemon(conf)
    equal([d["address"] for d in one_request(w, '{"action": "pci_list"}')["pci_devices"]], ["0000:00:14.3"])
    switch = KillSwitch(w)
    equal(switch.status(), {"mic": None, "cam": None, "net": True, "bluetooth": None})
    w.host.plug("1-2", 0x04f2, 2, [VIDEO], removable="removable")
    w.api().list_until(lambda l: l and all(d["vm"] == "home" for d in l.values()))
    equal(switch.status(), {"mic": None, "cam": False, "net": True, "bluetooth": None})
    equal((switch.set("cam", True), home.devices), (True, {}))
    equal((switch.set("cam", False), len(home.devices)), (True, 1))
    equal((switch.set("mic", True), switch.set("net", True)), (False, True))  # one is not present
    equal([d["disconnected"] for d in one_request(w, '{"action": "pci_list", "tag": "net"}')["pci_devices"]], [True])
    try:
        switch.set("net", False)
        check(False, "what cannot be unblocked is not said to be")
    except RuntimeError as e:
        contains(str(e), "is in no IOMMU group")


def script(w, name, text):
    path = os.path.join(w.dir, name)
    with open(path, "w", encoding="utf-8") as f:
        f.write(f'#!/bin/sh\ncli() {{ "{CLIENT}" --transport unix --path "{w.socket}" "$@"; }}\n{text}')
    os.chmod(path, 0o755)
    return lambda *arguments: subprocess.run([path, *arguments], capture_output=True, text=True, timeout=scaled(20), check=False)


@test
def a_resume_script_that_restarts_a_vm_when_it_fails(w):
    w.qemu("gui-vm")
    w.daemon(python_style(w))
    sleep = script(w, "sleep", """for vm in gui-vm net-vm no-such-vm; do
        cli pci suspend --vm "$vm" || echo "suspend of $vm failed"
        cli pci resume --vm "$vm" || echo "restart $vm"
    done
    cli usb suspend && cli usb resume && cli pci suspend && cli pci resume && echo awake""")
    done = sleep()
    equal((done.returncode, done.stdout, done.stderr), (0, "awake\n", ""))
    equal(w.daemons[0].stop(), 0)  # with nobody there to ask, each VM is restarted
    done = sleep()
    equal([line for line in done.stdout.splitlines() if line.startswith("restart")],
          ["restart gui-vm", "restart net-vm", "restart no-such-vm"])


@test
def a_vm_whose_start_asks_for_its_arguments(w):
    conf = python_style(w)
    start = script(w, "start", """words=$(cli vmm args --vm "$1" --qemu-bus-prefix pci_hotplug_ --qemu-bus-start-index 1 --timeout 30) || exit 1
    set -- qemu -m 512 $words
    echo "$@" """)
    starting = threading.Thread(target=lambda: results.append(start("chat-vm")))
    results = []
    starting.start()  # before the daemon
    w.daemon(conf)
    starting.join(scaled(20))
    equal([(r.returncode, r.stdout, r.stderr) for r in results], [(0, "qemu -m 512\n", "")])
    for vm in ("net-vm", "gui-vm"):  # whose devices this host has not got
        done = start(vm)
        equal((done.returncode, done.stdout, done.stderr), (0, "qemu -m 512\n", ""), vm)
    done = start("audio-vm")
    equal((done.returncode, done.stdout), (0, "qemu -m 512\n"))
    contains(done.stderr, "left out: /sys/firmware/acpi/tables/NHLT (No such file or directory)")
    done = start("nosuch")
    equal((done.returncode, done.stdout, done.stderr), (1, "", "vhotplugcli: unknown VM 'nosuch'\n"))
    done = w.cli("vmm", "args", "--vm", "chat-vm", "--require-pci")
    equal((done.returncode, done.stdout, done.stderr), (1, "", "vhotplugcli: no rule of pciPassthrough is for VM 'chat-vm'\n"))
    equal(w.cli("vmm", "args", "--vm", "chat-vm").stdout, "")
    done = subprocess.run([CLIENT, "-u", w.socket + "x", "vmm", "args", "--vm", "chat-vm", "--timeout", "0"], capture_output=True, text=True,
                          timeout=scaled(20), check=False)
    equal(done.returncode, 1)
    contains(done.stderr, "cannot connect")


@test
def every_word_of_the_older_clients_is_answered(w):
    w.daemon(rust_style(w))
    for request, expected in (
            ('{"action": "pci_list"}', {"result": "ok", "pci_devices": []}),
            ('{"action": "pci_list", "disconnected": null, "tag": null, "id": 1}', {"result": "ok", "pci_devices": [], "id": 1}),
            ('{"action": "pci_list", "disconnected": true, "tag": "audio"}', {"result": "ok", "pci_devices": []}),
            ('{"action": "pci_suspend"}', {"result": "ok"}), ('{"action": "pci_resume", "vm": null}', {"result": "ok"}),
            ('{"action": "pci_suspend", "vm": "work"}', {"result": "ok"}),
            ('{"action": "vmm_args", "vm": "work", "qemu_bus_prefix": null, "qemu_bus_start_index": null}', {"result": "ok", "vmm_args": []}),
            ('{"action": "vmm_args", "vm": "work", "qemu_bus_prefix": "p_", "qemu_bus_start_index": "1", "require_pci": false}',
             {"result": "ok", "vmm_args": []})):
        equal(one_request(w, request), expected, request)
    for request, error in (('{"action": "pci_attach", "address": "0000:00:14.3", "vm": null}', "no PCI device is given to VMs"),
                           ('{"action": "pci_detach", "vid": "8086", "did": "51f1"}', "no PCI device is given to VMs"), ('{"action": "pci_attach", "tag": "net"}', "no PCI"),
                           ('{"action": "vmm_args"}', "no VM named"), ('{"action": "vmm_args", "vm": null}', "no VM named"),
                           ('{"action": "vmm_args", "vm": "work", "require_pci": 1}', "require_pci"), ('{"action": "vmm_args", "vm": "x"}', "unknown VM 'x'")):
        reply = one_request(w, request)
        equal(reply["result"], "failed", request)
        contains(reply["error"], error)
    equal(w.cli("pci", "list").stdout + w.cli("pci", "list", "--tag", "net", "--connected", "--short").stdout, "")
    equal([w.cli("pci", *words).returncode for words in (["suspend"], ["resume", "--vm", "work"], ["attach", "--tag", "net"], ["detach"],
                                                         ["attach", "--address", "0000:00:14.3", "--vid", "8086"])], [0, 0, 1, 2, 2])


run(World)
