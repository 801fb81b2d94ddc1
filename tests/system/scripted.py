"""A daemon that says what it was told to, whatever is asked."""
import os
import socket
import subprocess
import threading

from tap import scaled
from world import CLIENT


class Scripted:
    """A daemon of one answer, or a list of them, for each of its connections; None: it hangs up."""

    def __init__(self, w, *answers):
        self.path = os.path.join(w.dir, "scripted.sock")
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen()
        self.answers = answers
        self.asked = []
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        for answer in self.answers:
            try:
                connection, _ = self.listener.accept()
            except OSError:  # closed: nobody asks any more
                return
            with connection, connection.makefile("rb") as lines:
                for one in answer if isinstance(answer, list) else [answer]:
                    line = lines.readline() if one is not None else b""
                    if not line:
                        break
                    self.asked.append(line.decode())
                    connection.sendall(one.encode() if isinstance(one, str) else one)
                if isinstance(answer, list):
                    lines.readline()  # until the client has had enough

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()
        os.unlink(self.path)

    def ask(self, *arguments):
        return subprocess.run([CLIENT, "-u", self.path, *arguments], capture_output=True, text=True, timeout=scaled(20), check=False)
