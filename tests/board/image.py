"""A board's image (make image), booted as a user boots it and driven through a shell behind a virtio-serial port.

Nothing but busybox, the daemon and fakeqmp runs on it, so that it can be of any architecture. Standard library only; everything
waits with a deadline.
"""
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
END = "--end-of-command--"


class ImageError(Exception):
    pass


class Lines:
    """Lines over a unix socket that QEMU listens at."""

    def __init__(self, path, timeout):
        self.path, self.data = path, b""
        end = time.monotonic() + timeout
        while True:
            self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                self.sock.connect(path)
                return
            except OSError:
                self.sock.close()
                if time.monotonic() > end:
                    raise
                time.sleep(0.02)

    def line(self, timeout):
        end = time.monotonic() + timeout
        while b"\n" not in self.data:
            self.sock.settimeout(max(end - time.monotonic(), 0.001))
            try:
                got = self.sock.recv(65536)
            except (socket.timeout, TimeoutError):
                raise ImageError(f"{self.path}: no line in {timeout:g} s; so far: {self.data[-500:]!r}") from None
            if not got:
                raise ImageError(f"{self.path}: the other side has gone")
            self.data += got
        line, self.data = self.data.split(b"\n", 1)
        return line.decode("utf-8", "replace").rstrip("\r")

    def send(self, text):
        self.sock.sendall(text.encode())


def without(archive, unwanted):
    """A cpio archive (newc) without the files whose path is unwanted."""
    out, at = b"", 0
    while True:
        fields = [int(archive[at + 6 + 8 * i : at + 14 + 8 * i], 16) for i in range(13)]
        size, name_size = fields[6], fields[11]
        data = at + (110 + name_size + 3) // 4 * 4
        end = data + (size + 3) // 4 * 4
        name = archive[at + 110 : at + 110 + name_size - 1].decode().removeprefix("./")
        if name == "TRAILER!!!" or not unwanted(name):
            out += archive[at:end]
        if name == "TRAILER!!!":
            return out
        at = end


class Image:
    def __init__(self, board, logs, overlay):
        """overlay: path on the board -> (content, mode), laid over the shipped files."""
        self.board, self.logs = board, logs
        self.directory = os.path.join(TOP, "build/check", "image-" + board)
        os.makedirs(logs, exist_ok=True)
        tree = tempfile.mkdtemp(prefix="vhotplug-overlay-")
        try:
            for path, (content, mode) in overlay.items():
                to = os.path.join(tree, path.lstrip("/"))
                os.makedirs(os.path.dirname(to), exist_ok=True)
                with open(to, "wb") as f:
                    f.write(content if isinstance(content, bytes) else content.encode())
                os.chmod(to, mode)
            for where, _, _ in os.walk(tree):
                os.chmod(where, 0o755)
            env = {**os.environ, "IMAGE_OUT": self.directory, "IMAGE_OVERLAY": tree}
            made = subprocess.run([os.path.join(TOP, "board/common/mkimage.sh"), board], env=env, capture_output=True, text=True, check=False)
        finally:
            shutil.rmtree(tree)
        if made.returncode != 0:
            raise ImageError("no image: " + made.stdout + made.stderr)
        self.qemu = None

    def bare(self, unwanted):
        """Another initramfs, without these files ("proc", "sbin/init"); its path."""
        with open(os.path.join(self.directory, "initramfs.cpio"), "rb") as f:
            archive = without(f.read(), unwanted)
        path = os.path.join(self.directory, "bare.cpio")
        with open(path, "wb") as f:
            f.write(archive)
        return path

    def start(self, name, initramfs=False, append="", options=()):
        """QEMU, and no more: what it says is on the console."""
        self.run_dir = tempfile.mkdtemp(prefix="vhotplug-image-")
        self.console = os.path.join(self.logs, name + ".console.log")
        argv = [os.path.join(self.directory, "run.sh")] + (["initramfs"] if initramfs else [])
        argv += ["-serial", "file:" + self.console, "-qmp", f"unix:{self.run_dir}/qmp,server=on,wait=off"]
        argv += ["-chardev", f"socket,id=shell,path={self.run_dir}/shell,server=on,wait=off"]
        argv += ["-device", "virtserialport,chardev=shell,name=shell", *options]
        with open(os.path.join(self.logs, name + ".qemu.log"), "w", encoding="utf-8") as log:
            self.qemu = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, "BOARD_APPEND": append},
                                         start_new_session=True)
        return self

    def says(self, text, timeout):
        """Until the console has the text."""
        end = time.monotonic() + timeout
        while True:
            said = ""
            if os.path.exists(self.console):
                with open(self.console, encoding="utf-8", errors="replace") as f:
                    said = f.read()
            if text in said:
                return said
            if time.monotonic() > end or self.qemu.poll() is not None:
                raise ImageError(f"{text!r} is never on the console: {said[-2000:]}")
            time.sleep(0.1)

    def boot(self, name, initramfs=False, append="", options=(), timeout=60):
        begun = time.monotonic()
        self.start(name, initramfs, append, options)
        self.qmp = Lines(f"{self.run_dir}/qmp", 10)
        self.qmp.line(10)
        self.monitor("qmp_capabilities")
        self.shell = Lines(f"{self.run_dir}/shell", 10)
        # What is sent before somebody reads is kept by the port; the shell says when it is there.
        self.run("true", timeout)
        self.seconds = time.monotonic() - begun
        return self

    def monitor(self, command, **arguments):
        self.qmp.send(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        while True:
            answer = json.loads(self.qmp.line(20))
            if "error" in answer:
                raise ImageError(f"{command} {arguments}: {answer['error']['desc']}")
            if "return" in answer:
                return answer["return"]

    def status(self, command, timeout=30):
        """(exit status, output) of a shell command on the board."""
        self.shell.send(f"{{ {command}\n}} </dev/null 2>&1; s=$?; echo; echo {END} $s\n")
        lines = []
        while not (line := self.shell.line(timeout)).startswith(END):
            lines.append(line)
        return int(line.split()[1]), "\n".join(lines).strip("\n")

    def run(self, command, timeout=30):
        status, out = self.status(command, timeout)
        if status != 0:
            raise ImageError(f"{command}: status {status}: {out}")
        return out

    def wait(self, command, what, timeout=20):
        """Until the command succeeds; its output."""
        end = time.monotonic() + timeout
        while True:
            status, out = self.status(command)
            if status == 0:
                return out
            if time.monotonic() > end:
                raise ImageError(f"{what} never came: {command}: {out}")
            time.sleep(0.1)

    def plug(self, driver, name, **properties):
        self.monitor("device_add", driver=driver, id=name, bus="xhci.0", **properties)

    def unplug(self, name):
        self.monitor("device_del", id=name)

    def stop(self):
        if self.qemu and self.qemu.poll() is None:
            self.qemu.terminate()
            try:
                self.qemu.wait(5)
            except subprocess.TimeoutExpired:
                self.qemu.kill()
                self.qemu.wait()
        self.qemu = None
        shutil.rmtree(getattr(self, "run_dir", ""), ignore_errors=True)
