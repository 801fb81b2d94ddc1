"""A daemon of one answer to whatever comes, for each of its connections."""
import os
import socket
import subprocess
import threading

from tap import scaled
from world import CLIENT


class Scripted:
    """A daemon of one answer to whatever comes, for each of its connections; None: it hangs up."""

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
            connection, _ = self.listener.accept()
            with connection, connection.makefile("rb") as lines:
                if answer is None:
                    continue
                self.asked.append(lines.readline().decode())
                connection.sendall(answer.encode() if isinstance(answer, str) else answer)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()
        os.unlink(self.path)

    def ask(self, *arguments):
        return subprocess.run([CLIENT, "-u", self.path, *arguments], capture_output=True, text=True, timeout=scaled(20), check=False)
