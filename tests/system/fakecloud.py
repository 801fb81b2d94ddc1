"""A scripted cloud-hypervisor: its API socket as its sources have it (docs/vmms.md), of two kinds, and with the faults that a test asks for."""
import json

from fakevmm import FakeVmm

LINE_MAX = 1024  # of a request and of a header


class Refused(Exception):
    """The server answers so, and closes."""


class Cloud(FakeVmm):
    """
    kind: "today" has errors as an array of reasons, "before" (until v47) as plain text
    hooks: "vm.info", ... -> function(body) that returns None: behave as usual; bytes: sent as they are; "silent": no answer; "hangup"
    """

    def __init__(self, path, kind="today", created=True):
        super().__init__(path)
        self.kind, self.created = kind, created
        self.devices = {}  # id -> path
        self.requests = []
        self.listen()

    # ---- what tests ask ----

    def came(self):
        return f"requests: {self.requests[-12:]}"

    def count(self, action):
        with self.changed:
            return sum(a == action for a, _ in self.requests)

    # ---- the API socket ----

    def serve(self):
        try:
            while (answer := self._next(self.client)) is not None:
                self.client.sendall(answer)
        except Refused:
            pass

    def _line(self, stream):
        line = stream.readline(LINE_MAX + 2)
        if line and (not line.endswith(b"\r\n") or len(line) > LINE_MAX + 2):
            raise Refused(f"a line that is none: {line!r}")
        return line[:-2]

    def _next(self, client):
        """The answer to the next request; None at the end."""
        stream = client.makefile("rb")
        request = self._line(stream)
        if not request:
            return None
        method, uri, version = request.decode().split(" ")
        if version != "HTTP/1.1" or not uri.startswith("/api/v1/"):
            raise Refused(request)
        headers = {}
        while line := self._line(stream):
            name, value = line.decode().split(":", 1)
            headers[name.strip().lower()] = value.strip()
        body = stream.read(int(headers["content-length"])) if "content-length" in headers else b""
        if (method == "GET") == ("content-length" in headers):
            raise Refused("a body where none may be, or none where one has to be")
        return self._execute(uri.removeprefix("/api/v1/"), body)

    def _execute(self, action, body):
        with self.changed:
            self.requests.append((action, body))
            hook = self.hooks.get(action)
        said = hook(body) if hook else None
        with self.changed:
            if said is None:
                said = getattr(self, "_" + action.split(".")[1].replace("-", "_"))(json.loads(body) if body else None)
            self.changed.notify_all()
        if said == "hangup":
            return None
        return b"" if said == "silent" else said

    def answer(self, status, body=None):
        head = f"HTTP/1.1 {status} \r\nServer: Cloud Hypervisor API\r\nConnection: keep-alive\r\n"
        if body is None:
            return (head + "\r\n").encode()
        return (head + f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}").encode()

    def error(self, status, *reasons):
        return self.answer(status, json.dumps(reasons) if self.kind == "today" else reasons[-1])

    def _info(self, _body):
        if not self.created:
            return self.error(404 if self.kind == "today" else 500, "Error from API", "The VM is not created")
        devices = [{"path": p, "iommu": False, "id": i, "pci_segment": 0} for i, p in self.devices.items()]
        tree = {i: {"id": i, "resources": [], "parent": None, "children": [], "pci_bdf": "0000:00:06.0"} for i in ["_disk0", *self.devices]}
        return self.answer(200, json.dumps({
            "config": {"cpus": {"boot_vcpus": 1, "max_vcpus": 1}, "memory": {"size": 536870912}, "disks": [{"path": "/d", "id": "_disk0"}],
                       "devices": devices or None},
            "state": "Running", "memory_actual_size": 536870912, "device_tree": tree}))
