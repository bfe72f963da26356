"""Servers in processes of their own.

At ports that the system chose, and a client that can misbehave.
"""

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs

HERE = str(Path(__file__).parent)
_WAITRESS = "import socket, waitress, received_by; waitress.serve(received_by.application, sockets=[socket.socket(fileno={fd})], _quiet=True)"
SERVERS = {
    "uvicorn": ["-m", "uvicorn", "received_by:receiver.asgi", "--fd", "{fd}", "--http", "h11", "--timeout-graceful-shutdown", "1"],
    "hypercorn": ["-m", "hypercorn", "received_by:asgi", "--bind", "fd://{fd}", "--graceful-timeout", "1"],
    "gunicorn uvicorn": ["-m", "gunicorn", "received_by:asgi", "--bind", "fd://{fd}", "-k", "uvicorn_worker.UvicornWorker", "--graceful-timeout", "1"],
    "gunicorn sync": ["-m", "gunicorn", "received_by:application", "--bind", "fd://{fd}", "--graceful-timeout", "1"],
    "gunicorn gthread": ["-m", "gunicorn", "received_by:application", "--bind", "fd://{fd}", "--threads", "4", "--graceful-timeout", "1"],
    "gunicorn gevent": ["-m", "gunicorn", "received_by:application", "--bind", "fd://{fd}", "-k", "gevent", "--graceful-timeout", "1"],
    "waitress": ["-c", _WAITRESS],
}  # fmt: skip


@attrs.frozen
class Server:
    """A server that runs."""

    port: int
    process: subprocess.Popen[str]
    received: Path

    def send(self, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(
                method, path, body or None, {name.replace("_", "-"): value for name, value in headers.items()}
            )
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def open(self, *parts: bytes) -> socket.socket:
        opened = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        for part in parts:
            opened.sendall(part)
        return opened

    def lines(self) -> list[str]:
        return self.received.read_text().splitlines() if self.received.exists() else []

    def wait_for(self, line: str) -> None:
        """Until a handler has written it."""
        until = time.monotonic() + 20
        while line not in self.lines():
            assert time.monotonic() < until, self.lines()
            time.sleep(0.01)


@contextmanager
def served(command: list[str], directory: Path) -> Iterator[Server]:
    """Run a server that listens already.

    Who connects before it runs waits for it.
    """
    received = directory / "received.txt"
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TILIA_")}
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.set_inheritable(True)
        fd = listening.fileno()
        with open(directory / "log.txt", "w") as log:
            process = subprocess.Popen(
                [sys.executable, *(each.format(fd=fd) for each in command)],
                pass_fds=[fd], cwd=directory, stdout=log, stderr=log, text=True, start_new_session=True,
                env={**clean, "PYTHONPATH": HERE, "RECEIVED": str(received)},
            )  # fmt: skip
        port = listening.getsockname()[1]
    try:
        yield Server(port, process, received)
    finally:
        # All of it: the workers of one that is killed go on.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def rest_of(opened: socket.socket) -> bytes:
    """Read until the other side ends the connection."""
    found = b""
    try:
        while chunk := opened.recv(65_536):
            found += chunk
    except ConnectionError:
        pass
    return found
