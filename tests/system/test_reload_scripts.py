"""The three ways in which init systems reload the daemon: each checks first, shows every line, and fails if there are errors."""
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time

from tap import check, contains, equal, run, scaled, test
from world import BINARY

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
GOOD = {"vms": [], "remark": 1}
BAD = {"vms": 5, "general": 6}
SAID = ("x.conf:1:9: error: vms: expected an array of VMs, found the number 5", "x.conf:1:23: error: general: expected an object, found the number 6",
        "x.conf: not usable: 2 errors, 0 warnings")


class Host:
    """The program and a process that would be the daemon, in a directory of their own, with scripts that look there."""

    def __init__(self):
        self.dir = tempfile.mkdtemp()
        self.conf = os.path.join(self.dir, "x.conf")
        self.binary = os.path.join(self.dir, "vhotplug")
        self.hangups = os.path.join(self.dir, "hangups")
        os.mkdir(os.path.join(self.dir, "bin"))
        os.symlink(BINARY, self.binary)
        self.write("bin/pidof", "#!/bin/sh\nexit 1\n")  # other daemons of this host are none of ours
        self.process = None

    def write(self, name, text):
        path = os.path.join(self.dir, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(path, 0o755)
        return path

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.dir)

    def explain(self):
        return ""

    def daemon(self):
        """Counts hangups. Its name is the daemon's, as /proc/PID/comm has it."""
        self.process = subprocess.Popen(["python3", "-c", (
            "import signal, sys\n"
            "open('/proc/self/comm', 'w').write('vhotplug')\n"
            f"signal.signal(signal.SIGHUP, lambda *_: open({self.hangups!r}, 'a').write('h'))\n"
            f"signal.signal(signal.SIGUSR1, lambda *_: open({self.hangups!r}, 'a').write('.'))\n"
            "print('ready', flush=True)\n"
            "while True: signal.pause()\n")], stdout=subprocess.PIPE)
        self.process.stdout.readline()
        self.write("vhotplug.pid", str(self.process.pid))

    def configure(self, conf):
        with open(self.conf, "w", encoding="utf-8") as f:
            json.dump(conf, f)

    def script(self, path, *replaced):
        with open(os.path.join(TOP, path), encoding="utf-8") as f:
            text = f.read()
        for old, new in replaced:
            check(old in text, f"{path} has no {old}")
            text = text.replace(old, new)
        return self.write("script", text)

    def run(self, *command, **environment):
        done = subprocess.run(command, env={"PATH": f"{self.dir}/bin:{os.environ['PATH']}", **environment}, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=scaled(10), check=False)
        return done.returncode, done.stdout.replace(self.dir + "/", "")

    def hung_up(self):
        """How often, since it was asked last. Another signal tells the end: it has a higher number, so it is handled after SIGHUP."""
        self.process.send_signal(signal.SIGUSR1)
        end = time.monotonic() + scaled(10)
        seen = ""
        while "." not in seen:
            check(time.monotonic() < end, "the stand-in does not answer")
            time.sleep(0.01)
            if os.path.exists(self.hangups):
                with open(self.hangups, encoding="ascii") as f:
                    seen = f.read()
        os.unlink(self.hangups)
        return seen.count("h")


def three_times(host, reload):
    """With errors, without, and with errors again."""
    host.daemon()
    for conf, fails in ((BAD, True), (GOOD, False), (BAD, True)):
        host.configure(conf)
        status, out = reload()
        equal((status != 0, host.hung_up()), (fails, 0 if fails else 1), out)
        for line in SAID if fails else ("x.conf:1:13: warning: remark: unknown key 'remark'", "x.conf: ok: 0 rules, 0 VMs, 1 warning"):
            contains(out, line + "\n")


@test
def busybox_init(host):
    script = host.script("rootfs-overlay/etc/init.d/S25vhotplug", ("/var/run/$DAEMON.pid", f"{host.dir}/vhotplug.pid"),
                         ("/usr/sbin/$DAEMON", host.binary), ('/etc/vhotplug.conf"', f'{host.conf}"'), ("/etc/default/", f"{host.dir}/none/"),
                         ("/run/vhotplug", host.dir))
    three_times(host, lambda: host.run("sh", script, "reload"))
    host.configure(GOOD)
    os.unlink(os.path.join(host.dir, "vhotplug.pid"))
    equal(host.run("sh", script, "reload"), (1, "Reloading vhotplug: FAIL (not running)\n"))


@test
def openrc(host):
    script = host.script("board/openrc/vhotplug", ("/usr/sbin/vhotplug", host.binary), ("/etc/vhotplug.conf", host.conf),
                         ("/etc/default/", f"{host.dir}/none/"), ("/run/vhotplug.pid", f"{host.dir}/vhotplug.pid"))
    runs = host.write("run", f"""#!/bin/sh
ebegin() {{ echo " * $*"; }}
eend() {{ return "$1"; }}
eerror() {{ echo " * $*"; }}
checkpath() {{ :; }}
start-stop-daemon() {{ [ "$*" = "--signal HUP --pidfile {host.dir}/vhotplug.pid" ] && kill -HUP "$(cat {host.dir}/vhotplug.pid)"; }}
. {script}
"$1"
""")
    # dash knows no function with a dash in its name
    three_times(host, lambda: host.run("bash", runs, "reload"))
    host.configure(BAD)
    status, out = host.run("bash", runs, "start_pre")
    equal(status, 1)
    for line in SAID:
        contains(out, line + "\n")


@test
def systemd(host):
    with open(os.path.join(TOP, "rootfs-overlay/usr/lib/systemd/system/vhotplug.service"), encoding="utf-8") as f:
        lines = [line.rstrip("\n").split("=", 1)[1] for line in f if line.startswith("ExecReload=")]
    equal(lines[1:], ["/bin/kill -HUP $MAINPID"])
    commands = [line.replace("/usr/sbin/vhotplug", host.binary).replace("${VHOTPLUG_CONF}", host.conf).split() for line in lines]

    def reload():
        """One after the other, as long as they succeed."""
        out = ""
        for command in commands:
            status, text = host.run(*[str(host.process.pid) if word == "$MAINPID" else word for word in command])
            out += text
            if status != 0:
                break
        return status, out

    three_times(host, reload)


run(Host)
