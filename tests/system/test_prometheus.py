"""vhotplugcli stats --prometheus: read by our own strict reader, and by promtool where that is installed or was fetched."""
import glob
import json
import os
import re
import shutil
import socket
import subprocess
import threading

import exposition
from fakehost import STORAGE
from tap import check, contains, equal, run, scaled, test
from world import CLIENT, KEYBOARD, TOP, World, rule

FETCHED = os.path.join(TOP, "build/download/promtool/promtool")  # make promtool
PROMTOOL = shutil.which("promtool") or (FETCHED if os.path.exists(FETCHED) else None)


def promtool(text):
    """What promtool has to say about it, and its exit status."""
    done = subprocess.run([PROMTOOL, "check", "metrics"], input=text, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=scaled(30), check=False)
    return done.returncode, done.stdout


def office(w):
    """A keyboard in its VM, a stick that waits for a choice."""
    w.qemu("vm1")
    kbd = w.host.place("1-1", 0xfff0, 0x0001)
    w.host.place("1-2", 0xfff0, 0x0002, [STORAGE])
    w.daemon(w.conf([rule("vm1", KEYBOARD), rule(["vm1", 'v"m\\2'], {"interfaceClass": 8})], vms=("vm1", 'v"m\\2')))
    w.api().ok("usb_attach", device_node=kbd.node)
    return w.cli("stats", "--prometheus").stdout


@test
def the_format_is_read_strictly_and_the_figures_are_right(w):
    metrics = exposition.read(office(w))
    values = {name + "".join(f"[{k}={v}]" for k, v in labels): value for m in metrics.values() for (name, labels), value in m.samples.items()}
    version = w.cli("version").stdout.strip()
    equal(values[f"vhotplug_build_info[version={version}]"], 1)
    equal(values["vhotplug_devices_present"], 2)
    equal((values["vhotplug_vm_up[vm=vm1]"], values["vhotplug_vm_devices[vm=vm1]"]), (1, 1))
    equal(values['vhotplug_vm_up[vm=v"m\\2]'], 0)
    equal(values["vhotplug_plugs_plugged_total"], 3)
    check(values["vhotplug_operations_ok_total"] >= 1, str(values))
    check(values["vhotplug_arena_size_bytes"] >= values["vhotplug_arena_peak_bytes"] >= values["vhotplug_arena_used_bytes"] >= 0, str(values))
    equal(len([k for k in values if "_bucket" in k]), 16)
    equal({m.type for m in metrics.values()}, {"counter", "gauge", "histogram"})


@test
def promtool_finds_nothing(w):
    text = office(w)
    if PROMTOOL is None:
        print("# promtool is not here (make promtool fetches it): only our own reader has read the format")
        exposition.read(text)
        return
    equal(promtool(text), (0, ""))
    check(promtool(text.replace("_bytes", "_kb"))[0] != 0, "promtool finds what is wrong")


@test
def each_figure_has_a_type_and_a_help_of_its_own(w):
    """A figure that is new in `stats` has no row in cli_prometheus.c yet."""
    text = office(w)
    metrics = exposition.read(text)
    untyped = [m.name for m in metrics.values() if m.type == "untyped"]
    equal(untyped, [], "figures of `stats` without a row in src/cli/cli_prometheus.c")
    stats = json.loads(w.cli("--json", "stats").stdout)
    figures = [(group, name) for group, members in stats.items() if isinstance(members, dict) and group != "plug_to_attached" for name in members]
    for group, name in figures:
        check(any(re.fullmatch(rf"vhotplug_{group}_{name.replace('_ms', '_seconds')}(_total|_bytes|_lines_total)?", m) for m in metrics), f"{group}.{name}")
    equal(len({m.help for m in metrics.values()}), len(metrics), "each HELP says something else")


@test
def a_reload_that_failed_is_seen_until_one_succeeds(w):
    daemon = w.daemon(w.conf())
    for conf, failing, failed in ((w.conf(), 0, 0), ("{", 1, 1), (w.conf(), 0, 1)):
        daemon.configure(conf)
        metrics = exposition.read(w.cli("stats", "--prometheus").stdout)
        values = {name: value for m in metrics.values() for (name, labels), value in m.samples.items() if not labels}
        equal((values["vhotplug_reload_failing"], values["vhotplug_reload_failed_total"]), (failing, failed))


@test
def a_daemon_of_another_version_is_read_too(w):
    """One that does not tell its version, and has figures that this client does not know."""
    answer = {"result": "ok", "uptime_ms": 1500, "novel": {"count_of": 7, "text": "x", "odd name": 3}, "odd-group": {"a": 1},
              "arena": {"used": 5}, "vms": []}
    path = os.path.join(w.dir, "other.sock")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(path)
        server.listen()

        def serve():
            client, _ = server.accept()
            with client:
                client.recv(65536)
                client.sendall(json.dumps(answer).encode() + b"\n")

        thread = threading.Thread(target=serve)
        thread.start()
        done = subprocess.run([CLIENT, "-u", path, "stats", "--prometheus"], capture_output=True, text=True, timeout=scaled(20), check=False)
        thread.join()
    equal((done.returncode, done.stderr), (0, ""))
    equal(done.stdout, """# HELP vhotplug_uptime_seconds Time since the daemon started.
# TYPE vhotplug_uptime_seconds gauge
vhotplug_uptime_seconds 1.500
# HELP vhotplug_novel_count_of count_of in the group novel of the stats.
# TYPE vhotplug_novel_count_of untyped
vhotplug_novel_count_of 7
# HELP vhotplug_arena_used_bytes Memory in use behind malloc, which is an array of fixed size.
# TYPE vhotplug_arena_used_bytes gauge
vhotplug_arena_used_bytes 5
""")
    exposition.read(done.stdout)


run(World)
