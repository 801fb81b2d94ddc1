"""The client on a terminal: a pseudo-terminal of its own for standard input and output, and one for standard error."""
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time

from tap import Failed, scaled
from world import CLIENT


class Terminal:
    """A client at work. What it prints is read as it comes."""

    def __init__(self, arguments, columns=80, **env):
        masters, slaves = zip(*(pty.openpty() for _ in range(2)))
        for slave in slaves:
            fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self.masters, self.text = masters, [b"", b""]
        self.process = subprocess.Popen([CLIENT, *arguments], stdin=slaves[0], stdout=slaves[0], stderr=slaves[1], env=env, start_new_session=True,
                                        preexec_fn=self._take)
        for slave in slaves:
            os.close(slave)

    @staticmethod
    def _take():
        """In the client's process: Ctrl-C reaches it, also when these tests run in the background of a shell, which ignores that."""
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    def _read(self, timeout):
        """True if something came. An end of both is one, too."""
        ready = select.select(self.masters, [], [], timeout)[0]
        got = False
        for n, master in enumerate(self.masters):
            if master not in ready:
                continue
            try:
                data = os.read(master, 65536)
            except OSError:  # the other end is closed
                data = b""
            self.text[n] += data
            got = got or data != b""
        return got

    def shown(self, stream=0):
        return self.text[stream].decode().replace("\r\n", "\n")

    def wait_text(self, text, stream=0, times=1):
        end = time.monotonic() + scaled(5)
        while self.shown(stream).count(text) < times:
            if time.monotonic() > end or (self.process.poll() is not None and not self._read(0)):
                raise Failed(f"never showed {text!r}: {self.text}")
            self._read(0.1)

    def type(self, text):
        os.write(self.masters[0], text.encode())

    def end(self):
        """Exit status, standard output, standard error."""
        end = time.monotonic() + scaled(10)
        while self.process.poll() is None:
            self._read(0.1)
            if time.monotonic() > end:
                self.process.kill()
                raise Failed(f"the client does not end: {self.text}")
        while self._read(0):
            pass
        for master in self.masters:
            os.close(master)
        return self.process.wait(), self.shown(), self.shown(1)
