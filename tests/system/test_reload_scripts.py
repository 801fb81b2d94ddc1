"""The three ways in which init systems reload the daemon: each checks first, shows every line, and fails if there are errors."""
import json
import os
import shutil
import signal
import subprocess
import tempfile

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
        # is_daemon() asks for its name: the link is what runs
        os.symlink(BINARY, self.binary)
        self.write("bin/pidof", "#!/bin/sh\nexit 1\n")  # other daemons of this host are none of ours
        self.write("bin/kill-by-file", "#!/bin/sh\n")
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
        """How often: signals are handled in order, so what was sent before has been."""
        self.process.send_signal(signal.SIGHUP)
        deadline = 500
        before = -1
        while deadline > 0:
            size = os.path.getsize(self.hangups) if os.path.exists(self.hangups) else 0
            if size > 0 and size == before:
                break
            before = size
            deadline -= 1
            try:
                self.process.wait(0.02)
            except subprocess.TimeoutExpired:
                pass
        os.unlink(self.hangups)
        return size - 1


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
    commands = [line.replace("/usr/sbin/vhotplug", host.binary).replace("/etc/vhotplug.conf", host.conf).split() for line in lines]

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
