"""On the emulated board: the real behaviour of the kernel, QEMU and VSOCK. Two VMs without a guest, one with (CID 3)."""
import json
import os
import shutil
import time

from rig import BINARY, HID, SOCKET, STORAGE, BoardWorld, Shared, conf, main
from board import BUILD, BoardError, Json, Timeout, Vm, sh, until
from tap import alive, check, contains, equal, scaled, test


def start_guest(board):
    """A VM with a kernel of its own, CID 3, and our client in it. Its boot takes about a minute: it begins early."""
    script = os.path.join(BUILD, "guest-script")
    with open(script, "w", encoding="utf-8") as f:
        f.write(GUEST)
    shutil.copy(os.path.realpath(BINARY), os.path.join(BUILD, "vhotplugcli"))
    shutil.copy(script, os.path.join(BUILD, "guest"))
    os.chmod(os.path.join(BUILD, "guest"), 0o755)
    os.environ["GUEST_FILES"] = f"{BUILD}/vhotplugcli {BUILD}/guest"
    sh("mkinitramfs.sh", "guest", BUILD, os.path.join(BUILD, "guest.cpio"))
    return Vm(board, "guest", machine=("-M", "q35", "-m", "256"), options=[
        "-kernel", os.path.join(BUILD, "vmlinux"), "-initrd", os.path.join(BUILD, "guest.cpio"), "-append",
        "console=ttyS0 panic=-1 tsc=reliable no_timer_check nokaslr mitigations=off", "-device",
        "vhost-vsock-pci,guest-cid=3", "-serial", f"file:{GUEST_LOG}"])


GUEST_LOG = "/run/guest.log"
# The board's daemon belongs to other tests meanwhile: the guest waits for the word on VSOCK port 3000 of the host.
GUEST = """#!/bin/sh
say() { echo "guest: $*"; }
say "up"
while ! vhotplugcli -t vsock -p 3000 version >/dev/null 2>&1; do sleep 1; done
say "version $(vhotplugcli -p 3000 version)"
say "list $(vhotplugcli -p 3000 usb list --short)"
say "attach $(vhotplugcli -p 3000 usb attach --vid 0627 --pid 0001 --vm guest 2>&1) status $?"
n=0
while ! grep -qs 0627 /sys/bus/usb/devices/*/idVendor && [ $n -lt 600 ]; do n=$((n + 1)); sleep 0.1; done
say "sees $(cat /sys/bus/usb/devices/1-1/idVendor):$(cat /sys/bus/usb/devices/1-1/idProduct)"
say "refused $(vhotplugcli -p 3000 usb attach --vid 0627 --pid 0001 --vm vm1 2>&1) status $?"
say "end"
# Another daemon, on port 3001, to which CID 3 is no more than the guest of its VM.
while ! vhotplugcli -p 3001 version >/dev/null 2>&1; do sleep 1; done
while ! vhotplugcli -p 3001 --json usb list | grep -q '"not free"'; do sleep 0.2; done # the other guest has the stick
say "sees all $(vhotplugcli -p 3001 --json usb list --all 2>&1)"
say "other's $(vhotplugcli -p 3001 usb detach --vid 0627 --pid 0001 2>&1)"
say "none $(vhotplugcli -p 3001 usb detach --vid 0627 --pid 0009 2>&1)"
say "by name $(vhotplugcli -p 3001 usb attach --vid 46f4 --pid 0001 --vm vm1 2>&1)"
say "not free $(vhotplugcli -p 3001 usb attach --vid 46f4 --pid 0001 2>&1)"
say "stats $(vhotplugcli -p 3001 --json stats 2>&1)"
say "waits"
n=0
while ! vhotplugcli -p 3001 usb attach --vid 46f4 --pid 0001 2>/dev/null && [ $n -lt 200 ]; do n=$((n + 1)); sleep 0.2; done
say "has $(vhotplugcli -p 3001 --json usb list 2>&1)"
while [ "$(vhotplugcli -p 3001 usb list --short)" ]; do sleep 0.2; done
say "end of access"
while :; do sleep 1000; done
"""


class World(BoardWorld):
    def booted(self, board):
        start_guest(board)

    def guest_says(self, text):
        """What the guest has said up to this text. Its kernel boots under two emulators, in one minute or in twenty: it is waited for as
        long as its log grows."""
        size, since = -1, time.monotonic()
        while True:
            log = self.board.read(GUEST_LOG) if self.board.exists(GUEST_LOG) else ""
            if text in log:
                return log.replace("\r", "")
            if len(log) != size:
                size, since = len(log), time.monotonic()
                alive()
            check(time.monotonic() - since < scaled(50), f"the guest is silent: no {text!r} after {log[-300:]!r}")
            time.sleep(0.5)


@test
def the_daemon_is_ready_from_the_initramfs_over_every_transport(w):
    log = w.board.read("/run/vhotplug.log")
    contains(log, "ready:")
    for to in ("unix:" + SOCKET, "tcp:127.0.0.1:2000", "vsock:1:2000"):
        # vsock_loopback is loaded long after the daemon: the address was bound before.
        contains(w.api(to, notifications=False).ok("version")["version"], ".")


@test
def a_keyboard_goes_to_its_vm_and_comes_back_out(w):
    vm1 = w.vm("vm1")
    vm1.look.execute("cont")  # a QEMU before 9.1 closes sets only while it runs
    api = w.api()
    w.plug("usb-kbd", "kbd", port="3")
    sent = api.told("usb_connected")["usb_device"]
    equal((sent["vid"], sent["pid"], sent["port_path"], sent["interfaces"]), ("0627", "0001", "3", ":030101:"))
    equal(api.told("usb_attached", device_node=sent["device_node"])["vm"], "vm1")
    equal(vm1.devices(), [f"vhp-usb-{sent['busnum']}-{sent['devnum']}"])
    contains(vm1.info_usb(), "QEMU USB Keyboard")
    equal(vm1.fdsets(), [], "descriptors left in QEMU")
    listed = api.devices()[0]
    equal((listed["vm"], listed["state"], listed["allowed_vms"]), ("vm1", "attached", ["vm1"]))
    w.unplug("kbd")
    api.told("usb_detached", vm="vm1")
    api.told("usb_disconnected", device_node=sent["device_node"])
    until(lambda: vm1.devices() == [], scaled(5), "the device out of QEMU")


@test
def a_stick_is_asked_about_chosen_moved_and_taken_away(w):
    vm1, vm2 = w.vm("vm1"), w.vm("vm2")
    api, applet = w.api(), w.api("vsock:1:2000")
    w.plug_stick("stick")
    asked = applet.told("usb_select_vm")
    equal(asked["allowed_vms"], ["vm1", "vm2"])
    node, name = asked["usb_device"]["device_node"], asked["usb_device"]["sys_name"]
    until(lambda: w.driver(name) == "usb-storage", scaled(10), "the host's driver")
    applet.ok("usb_attach", device_node=node, vm="vm2")
    api.told("usb_attached", vm="vm2")
    applet.ok("usb_attach", vid=asked["usb_device"]["vid"], pid=asked["usb_device"]["pid"], vm="vm1")
    api.told("usb_detached", vm="vm2")
    api.told("usb_attached", vm="vm1")
    equal((len(vm1.devices()), vm2.devices()), (1, []))
    applet.ok("usb_detach", device_node=node)
    taken = api.devices(disconnected=True)[0]
    equal((taken["device_node"], taken["taken_away"], w.driver(name)), (node, "revoked", None))


@test
def behind_a_hub_the_device_is_given_not_the_hub(w):
    vm1 = w.vm("vm1")
    api = w.api()
    w.plug("usb-hub", "hub", port="5")
    w.plug("usb-mouse", "mouse", port="5.2")
    told = api.told("usb_connected")["usb_device"]
    equal(told["port_path"], "5.2")
    api.told("usb_attached", sys_name=told["sys_name"])
    hubs = [d for d in api.devices(all=True) if d["device_class"] == 9]
    check(len(hubs) == 3 and all(d["state"] == "idle" for d in hubs), f"the two root hubs and the hub: {hubs}")
    node = [d for d in hubs if d["port_path"] == "5"][0]["device_node"]
    contains(api.call("usb_attach", device_node=node, vm="vm1")["error"], "is a hub")
    w.plugged.remove("mouse")
    w.unplug("hub")  # all at once
    api.told("usb_disconnected", sys_name=told["sys_name"])
    until(lambda: vm1.devices() == [], scaled(5), "the device out of QEMU")


@test
def mounted_storage_stays_with_the_host(w):
    w.vm("vm1")
    api = w.api()
    w.plug_stick("stick", size=64 << 20)
    node = api.told("usb_select_vm")["usb_device"]["device_node"]
    until(lambda: w.board.exists("/dev/sda"), scaled(10), "/dev/sda")
    w.board.run("mke2fs -F /dev/sda && mount -t ext4 /dev/sda /tmp")
    answer = api.call("usb_attach", device_node=node, vm="vm1")
    equal(answer["result"], "failed")
    contains(answer["error"], "mounted file system")
    equal(api.devices()[0]["state"], "idle")
    w.board.run("umount /tmp")
    until(lambda: api.call("usb_attach", device_node=node, vm="vm1")["result"] == "ok", scaled(5), "the stick in vm1")


@test
def a_killed_vm_loses_its_devices_and_gets_them_back(w):
    vm1 = w.vm("vm1")
    api = w.api()
    w.plug("usb-kbd", "kbd")
    api.told("usb_attached", vm="vm1")
    equal(vm1.kill(), -9)
    api.told("usb_detached", vm="vm1")
    equal(api.devices()[0]["state"], "waiting")
    contains(api.call("usb_attach", vid="0627", pid="0001", vm="vm1")["error"], "not running")
    del Shared.vms["vm1"]
    w.board.unlink("/run/vm1.qmp")
    w.board.unlink("/run/vm1.look.qmp")
    w.vm("vm1")
    api.told("usb_attached", vm="vm1")
    equal(len(w.vm("vm1").devices()), 1)


@test
def what_the_daemon_gave_is_adopted_when_it_starts_again(w):
    vm1 = w.vm("vm1")
    w.start(conf([{"targetVm": "vm1", "allow": [HID]}]))
    api = w.api()
    w.plug("usb-kbd", "kbd")
    told = api.told("usb_attached")["usb_device"]
    equal(w.stop(9), -9)
    equal(len(vm1.devices()), 1)
    w.start(conf([{"targetVm": "vm1", "allow": [HID]}]))
    api = w.api()
    until(lambda: api.devices()[0]["vm"] == "vm1", scaled(5), "the device recognised")
    vhp = f"vhp-usb-{told['busnum']}-{told['devnum']}"
    equal(vm1.devices(), [vhp])
    equal([e for _, e in vm1.look.events if e["event"] == "DEVICE_DELETED" and e["data"].get("device") == vhp], [], "removals")
    w.unplug("kbd")
    api.told("usb_detached", vm="vm1")
    until(lambda: vm1.devices() == [], scaled(5), "the device out of QEMU")


@test
def at_start_present_devices_are_given_only_when_asked_for(w):
    vm1 = w.vm("vm1")
    w.plug("usb-kbd", "kbd")
    until(w.board.usb, scaled(5), "the keyboard in sysfs")
    w.start(conf([{"targetVm": "vm2", "allow": [HID]}]))
    equal(w.api().devices()[0]["state"], "idle")
    equal(w.stop(), 0)
    w.start(conf([{"targetVm": "vm1", "allow": [HID]}]), "-a")
    until(lambda: vm1.devices(), scaled(10), "the keyboard in vm1")


@test
def a_monitor_that_somebody_else_holds_delays_only_its_own_vm(w):
    w.vm("vm1"), w.vm("vm2")
    w.start(conf([{"targetVm": "vm1", "allow": [{**HID, "interfaceProtocol": 1}]},
                  {"targetVm": "vm2", "allow": [{**HID, "interfaceProtocol": 2}]}]))
    api = w.api()
    holder = w.board.connect("unix:/run/vm1.qmp")
    contains(holder.line(scaled(10)), "QMP")  # now it is ours
    w.plug("usb-kbd", "kbd")
    api.told("usb_connected")
    w.plug("usb-mouse", "mouse")
    api.told("usb_attached", vm="vm2")
    check("usb_attached" not in api.names(), "the keyboard waits")
    holder.close()
    api.told("usb_attached", vm="vm1", timeout=scaled(15))


@test
def an_unprivileged_sandboxed_qemu_takes_devices(w):
    w.start(conf([{"targetVm": "vm3", "allow": [HID]}], vms=("vm3",)))
    w.board.run("chmod 1777 /run")  # where it makes its sockets
    vm3 = w.extra_vm("vm3", prefix=("unshare", "--net", "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all"),
                     options=("-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"))
    api = w.api()
    w.plug("usb-tablet", "tablet")
    api.told("usb_attached", vm="vm3", timeout=scaled(10))
    equal(len(vm3.devices()), 1)


@test
def by_bus_and_address_where_that_is_asked_for(w):
    vm1 = w.vm("vm1")
    w.start(conf([{"targetVm": "vm1", "allow": [HID]}], options={"vm1": {"usbPassing": "path"}}))
    api = w.api()
    # QEMU learns of new nodes from udev, which is not there: only what it saw at its own start can be named.
    w.plug("usb-kbd", "kbd")
    told = api.told("usb_connected")["usb_device"]
    listed = until(lambda: [d for d in api.devices() if d["state"] in ("attached", "failed")], scaled(10), "an outcome")[0]
    if listed["state"] == "attached":
        equal(vm1.devices(), [f"vhp-usb-{told['busnum']}-{told['devnum']}"])
    else:
        contains(listed["reason"], "failed to find host usb device")


@test
def an_unauthorised_device_is_known_by_its_descriptors_and_waits(w):
    w.vm("vm1")
    w.start(conf([{"allowedVms": ["vm1", "vm2"], "allow": [STORAGE]}]))
    api = w.api()
    for path in w.board.glob("/sys/bus/usb/devices/usb*/authorized_default"):
        w.board.write(path, "0")
    try:
        w.plug_stick("stick")
        told = api.told("usb_connected")["usb_device"]
        equal(told["interfaces"], ":080650:")
        check(not w.board.glob(f"/sys/bus/usb/devices/{told['sys_name']}:*"), "no interface directory exists")
        listed = [d for d in api.devices() if d["sys_name"] == told["sys_name"]][0]
        equal((listed["state"], listed["reason"]), ("idle", "not authorised on this host"))
        w.board.write(f"/sys/bus/usb/devices/{told['sys_name']}/authorized", "1")
        api.told("usb_select_vm", sys_name=told["sys_name"])
    finally:
        for path in w.board.glob("/sys/bus/usb/devices/usb*/authorized_default"):
            w.board.write(path, "1")


@test
def what_a_storm_of_uevents_drowned_is_found_by_looking(w):
    vm1 = w.vm("vm1")
    w.start(conf([{"targetVm": "vm1", "allow": [HID]}]))
    api = w.api()
    w.plug("usb-kbd", "kbd")
    old = api.told("usb_attached")["usb_device"]["sys_name"]
    w.board.run(f"kill -STOP {w.daemon.pid}")
    # More than any receive buffer holds, while nobody reads. What comes afterwards is dropped by the kernel.
    w.board.run("n=0; while [ $n -lt 400 ]; do for f in /sys/class/tty/*/uevent; do echo add >$f; done; n=$((n + 1)); done",
                timeout=scaled(60))
    w.unplug("kbd")
    until(lambda: old not in w.board.usb(), scaled(5), "the keyboard out of sysfs")
    w.plug("usb-tablet", "tablet")
    new = until(lambda: list(w.board.usb()), scaled(5), "the tablet in sysfs")[0]
    w.board.run(f"kill -CONT {w.daemon.pid}")
    api.told("usb_disconnected", sys_name=old, timeout=scaled(20))
    told = api.told("usb_attached", sys_name=new, timeout=scaled(20))["usb_device"]
    until(lambda: vm1.devices() == [f"vhp-usb-{told['busnum']}-{told['devnum']}"], scaled(5), "only the tablet in vm1")
    w.unplug("tablet")
    until(lambda: vm1.devices() == [], scaled(5), "the tablet out of vm1")
    equal(w.stop(), 0)
    contains(w.story, "uevents were lost")


@test
def forged_uevents_are_dropped(w):
    """A program of the host that may speak netlink says what the kernel would, to the group and to the daemon itself."""
    vm1 = w.vm("vm1")
    w.start(conf([{"targetVm": "vm1", "allow": [HID]}]))
    api = w.api()
    w.plug("usb-kbd", "kbd")
    told = api.told("usb_attached", vm="vm1")["usb_device"]
    path = "/devices/" + told["sys_name"]
    before = api.ok("stats")["uevents"]["ignored"]
    message = f"remove@{path}\\0ACTION=remove\\0DEVPATH={path}\\0SUBSYSTEM=usb\\0DEVTYPE=usb_device\\0SEQNUM=9999\\0"
    w.board.run(["python3", "-c", "import socket; s = socket.socket(16, socket.SOCK_DGRAM, 15); s.bind((0, 0)); "
                 f"m = b'{message}'; [s.sendto(m, (0, 1)) for _ in range(20)]; [s.sendto(m, ({w.daemon.pid}, 0)) for _ in range(20)]"],
                root="host")
    until(lambda: api.ok("stats")["uevents"]["ignored"] >= before + 40, scaled(5), "forty of them ignored")
    equal((api.devices()[0]["vm"], len(vm1.devices())), ("vm1", 1))


@test
def only_allowed_cids_come_in(w):
    w.start(conf([], api={"allowedCids": [77]}))
    stranger = Json(w.board.connect("vsock:1:2000"))
    try:
        stranger.send({"action": "usb_list"})
        answer = stranger.answer(scaled(5))
    except (BoardError, Timeout):
        answer = None
    equal(answer, None)
    equal(w.api().ok("version")["result"], "ok")


@test
def a_guest_asks_over_vsock_and_then_sees_the_device(w):
    """The guest kernel under the nested QEMU, CID 3, with our client, over real VSOCK."""
    w.start(conf([{"allowedVms": ["guest", "vm1"], "allow": [HID]}], vms=("guest", "vm1"),
                 api={"vsockPort": 3000, "allowedCids": [3]}))
    api = w.api()
    w.plug("usb-kbd", "kbd")
    api.told("usb_select_vm")
    story = w.guest_says("guest: end")
    w.story += story
    contains(story, "guest: version")
    contains(story, "guest: list 0627:0001")
    contains(story, "guest: attach  status 0")
    contains(story, "guest: sees 0627:0001")
    api.told("usb_attached", vm="guest")


@test
def two_guests_by_their_cids_keep_to_themselves(w):
    """CID 3 is the guest kernel of the test before; CID 1, over the loopback, stands for the guest of vm1."""
    w.vm("vm1")
    clients = [{"uid": 0, "role": "admin"}, {"cid": 1, "role": "guest", "vm": "vm1"}, {"cid": 3, "role": "guest", "vm": "guest"}]
    w.start(conf([{"targetVm": "vm1", "allow": [HID]}, {"allowedVms": ["vm1", "guest"], "allow": [STORAGE]}], vms=("guest", "vm1"),
                 api={"vsockPort": 3001, "clients": clients}))
    admin = w.api()
    w.plug("usb-kbd", "kbd")
    kbd = admin.told("usb_attached", vm="vm1")["usb_device"]
    w.plug_stick("stick", serial="STICK-SERIAL")
    stick = admin.told("usb_select_vm")["usb_device"]
    contains(stick["serial"], "STICK")
    one = w.api("vsock:1:3001")  # vm1 has been listed: its guest may come in
    equal([d["device_node"] for d in one.devices()], [kbd["device_node"], stick["device_node"]])
    one.ok("usb_attach", device_node=stick["device_node"])
    w.guest_says("guest: waits")
    one.ok("usb_detach", device_node=stick["device_node"])  # for now: the other may have it
    told = admin.told("usb_attached", vm="guest", timeout=scaled(30))
    equal(told["usb_device"]["device_node"], stick["device_node"])
    w.guest_says("guest: has")
    for fields in ({"device_node": stick["device_node"]}, {"vid": "46f4", "pid": "0001"}):
        contains(one.call("usb_detach", **fields)["error"], "is not attached here")
        contains(one.call("usb_attach", **fields)["error"], "is not free")
    contains(one.call("usb_attach", device_node=stick["device_node"], vm="guest")["error"], "not allowed")
    equal([e["vm"] for _, e in one.events if e["event"] in ("usb_attached", "usb_detached")], ["vm1", "vm1"])
    check("STICK" not in json.dumps([one.devices(), [e for _, e in one.events]]), "a serial")
    admin.ok("usb_detach", device_node=stick["device_node"])
    contains(one.call("usb_attach", device_node=stick["device_node"])["error"], "was taken away")
    w.unplug("stick")
    story = w.guest_says("guest: end of access")
    w.story += story
    lines = {line.split()[1]: line for line in story.splitlines() if line.startswith("guest: ")}
    check(stick["device_node"] in lines["sees"] and kbd["device_node"] not in lines["sees"] and "STICK" not in lines["sees"], lines["sees"])
    contains(lines["other's"], "no such USB device: vid 0627 pid 0001")
    contains(lines["none"], "no such USB device: vid 0627 pid 0009")
    contains(lines["by"], "not allowed")
    contains(lines["not"], "is not free")
    contains(lines["stats"], "not allowed")
    check('"vm": "guest"' in lines["has"] and "vm1" not in lines["has"], lines["has"])
    equal(len(w.vm("vm1").devices()), 1, "the keyboard is where it was")
    w.unplug("kbd")
    until(lambda: w.vm("vm1").devices() == [], scaled(5), "the keyboard out of vm1")
    equal(w.stop(), 0)
    contains(w.story, 'audit: by="vsock cid=3" role=guest of="guest" action=usb_detach asked="vid 0627 pid 0001" outcome=refused')
    contains(w.story, f'by="vsock cid=1" role=guest of="vm1" action=usb_attach asked="{stick["device_node"]}" vm="guest" outcome=refused')


@test
def a_guest_cid_counts_only_while_its_vm_runs(w):
    clients = [{"uid": 0, "role": "admin"}, {"cid": 1, "role": "guest", "vm": "vm9"}]
    w.start(conf([{"allowedVms": ["vm9", "vm1"], "allow": [STORAGE]}], vms=("vm9", "vm1"), api={"vsockPort": 3002, "clients": clients}))
    admin = w.api()
    w.plug_stick("stick")
    node = admin.told("usb_select_vm")["usb_device"]["device_node"]

    def come_in():
        """What somebody with CID 1 is told; None if the connection is closed unread."""
        guest = Json(w.board.connect("vsock:1:3002"))
        try:
            guest.send({"action": "usb_attach", "device_node": node})
            return guest.answer(scaled(5)), guest
        except (BoardError, Timeout):
            return None, None

    equal(come_in()[0], None, "while vm9 is down, CID 1 is anybody's")
    vm9 = w.extra_vm("vm9")
    answer, guest = until(lambda: came if (came := come_in())[0] else None, scaled(10), "its guest let in")
    until(lambda: len(vm9.devices()) == 1, scaled(10), "the stick in vm9")
    vm9.kill()
    admin.told("usb_detached", vm="vm9")
    try:
        guest.send({"action": "version"})
        equal(guest.answer(scaled(5)), None, "an answer to who has no rights any more")
    except (BoardError, Timeout):
        pass
    equal(come_in()[0], None, "vm9 has ended")
    equal(admin.devices()[0]["vm"], None)
    equal(w.stop(), 0)
    contains(w.story, 'by="vsock cid=1" role=none of="vm9" action=connect outcome=refused reason="its VM is not running"')


@test
def the_daemon_ends_cleanly(w):
    w.start(conf([]))
    check(w.board.exists(SOCKET), "the socket")
    equal(w.stop(), 0)
    check(not w.board.exists(SOCKET), "no socket is left")


main(World)
