"""What the scripted VMMs share: a socket with a name, a thread that serves one client after the other, and waiting for what came."""
import os
import socket
import threading
import time

from tap import Failed, scaled


class FakeVmm:
    """A subclass calls listen() last in its __init__; serve() has one client until that is gone, and `changed` guards what it keeps."""

    def __init__(self, path):
        self.path = path
        self.hooks = {}
        self.changed = threading.Condition()
        self.closing = False
        self.client = None

    def listen(self, kind=socket.SOCK_STREAM, backlog=5):
        os.makedirs(os.path.dirname(self.path), exist_ok=True)
        self.listener = socket.socket(socket.AF_UNIX, kind)
        self.listener.bind(self.path)
        self.listener.listen(backlog)
        self.thread = threading.Thread(target=self._serve_all, daemon=True)
        self.thread.start()

    def serve(self):
        raise NotImplementedError

    def came(self):
        """What came, for the message of a wait that was in vain."""
        raise NotImplementedError

    def wait(self, condition, text, timeout=5):
        end = time.monotonic() + scaled(timeout)
        with self.changed:
            while not condition(self):
                left = end - time.monotonic()
                if left <= 0:
                    raise Failed(f"{os.path.basename(self.path)}: {text} never came; {self.came()}")
                self.changed.wait(left)

    def end(self, unlink=True):
        """The process dies: a VMM removes its socket when it ends by itself, not when it is killed."""
        self.closing = True
        if unlink and os.path.exists(self.path):
            os.unlink(self.path)
        for s in (self.listener, self.client):
            if s is None:
                continue
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            s.close()
        self.thread.join(scaled(5))

    def _serve_all(self):
        while not self.closing:
            try:
                self.client, _ = self.listener.accept()
            except OSError:
                return
            try:
                self.serve()
            except OSError:
                pass
            self.client.close()
            self.client = None
