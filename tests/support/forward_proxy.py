"""A real HTTP proxy.

It tunnels by CONNECT and passes plain requests on, and remembers what it saw.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from threading import Event, Thread
from urllib.parse import urlsplit

import attrs
import trustme

from support.listening import listening


@attrs.define(eq=False)
class ForwardProxy:
    """A proxy, and what it saw.

    Attributes:
        login: ``user:password`` that it wants; None: it wants none.
        refuse: the status that it answers to every request; 0: it serves; 1: it hangs up; 200: it hangs up once it has
            said that there is a tunnel.
        host: the address that it listens at.
        heads: the head of each request that came to it, as it came.
        tunnels: the bytes that went through it from clients.
    """

    login: str | None = None
    refuse: int = 0
    host: str = "127.0.0.1"
    port: int = 0
    heads: list[str] = attrs.field(factory=list)
    tunnels: bytearray = attrs.field(factory=bytearray)

    @property
    def url(self) -> str:
        return f"http://{'' if self.login is None else self.login + '@'}{in_url(self.host)}:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while (head := await reader.readuntil(b"\r\n\r\n")) and await self._one(head.decode(), reader, writer):
                pass
        await _end(writer)

    async def _one(self, head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        self.heads.append(head)
        method, target, _ = head.split("\r\n", maxsplit=1)[0].split()
        if self.refuse == 1:
            return False
        if self.refuse == 200:
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            return False
        status = self.refuse or (0 if self._admits(head) else 407)
        if status:
            await reader.readexactly(_length(head))
            writer.write(f"HTTP/1.1 {status} No\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n".encode())
            return method != "CONNECT"
        if method == "CONNECT":
            await self._tunnel(target, reader, writer)
            return False
        url = urlsplit(target)
        there, onward = await asyncio.open_connection(url.hostname, url.port or 80)
        lines = [line for line in head.split("\r\n")[1:] if line and not line.lower().startswith("proxy-")]
        try:
            onward.write("\r\n".join([f"{method} {url.path} HTTP/1.1", *lines, "", ""]).encode())
            onward.write(await reader.readexactly(_length(head)))
            answered = await there.readuntil(b"\r\n\r\n")
            writer.write(answered + await there.readexactly(_length(answered.decode())))
        finally:
            await _end(onward)
        return True

    def _admits(self, head: str) -> bool:
        wanted = None if self.login is None else "Basic " + b64encode(self.login.encode()).decode()
        return wanted is None or f"Proxy-Authorization: {wanted}\r\n" in head

    async def _tunnel(self, target: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, _, port = target.rpartition(":")
        host = "127.0.0.1" if host.endswith(".test") else host.strip("[]")
        there, onward = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")

        async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, seen: bytearray | None) -> None:
            with suppress(ConnectionError):
                while chunk := await source.read(65_536):
                    if seen is not None:
                        seen += chunk
                    sink.write(chunk)
                    await sink.drain()
            sink.close()

        try:
            await asyncio.gather(pump(reader, onward, seen=self.tunnels), pump(there, writer, seen=None))
        finally:
            await _end(onward)


async def _end(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


def _length(head: str) -> int:
    lines = head.lower().split("\r\n")
    return next((int(line.split(":")[1]) for line in lines if line.startswith("content-length:")), 0)


def in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


@asynccontextmanager
async def forward_proxy(
    *, login: str | None = None, refuse: int = 0, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
) -> AsyncIterator[ForwardProxy]:
    proxy = ForwardProxy(login, refuse, host)
    async with listening(proxy.serve, tls, host) as proxy.port:
        yield proxy


@contextmanager
def proxy_elsewhere(*, login: str | None = None, refuse: int = 0) -> Iterator[ForwardProxy]:
    """Run a proxy in a thread of its own.

    For callers that block theirs.
    """
    started: list[tuple[ForwardProxy, asyncio.AbstractEventLoop, asyncio.Event]] = []
    ready = Event()

    async def serve() -> None:
        end = asyncio.Event()
        async with forward_proxy(login=login, refuse=refuse) as proxy:
            started.append((proxy, asyncio.get_running_loop(), end))
            ready.set()
            await end.wait()

    thread = Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    ready.wait()
    proxy, loop, end = started[0]
    try:
        yield proxy
    finally:
        loop.call_soon_threadsafe(end.set)
        thread.join()


@attrs.define
class Certificates:
    """A private CA.

    With contexts for a server and for clients.
    """

    ca: trustme.CA = attrs.field(factory=trustme.CA)

    def server(self, *, wants_client: bool = False, version: ssl.TLSVersion | None = None) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.ca.issue_cert("127.0.0.1", "::1", "localhost", "accounts.tilia.test", "auth.tilia.test").configure_cert(
            context
        )
        if wants_client:
            context.verify_mode = ssl.CERT_REQUIRED
            self.ca.configure_trust(context)
        if version is not None:
            context.maximum_version = version
        return context

    def client(self, issuer: trustme.CA | None = None, *, shows: bool = False) -> ssl.SSLContext:
        context = ssl.create_default_context()
        self.ca.configure_trust(context)
        if shows:
            (issuer or self.ca).issue_cert("client@tilia.test").configure_cert(context)
        return context


@contextmanager
def strict_tls_server(context: ssl.SSLContext) -> Iterator[tuple[int, list[str]]]:
    """Run a TLS server that says why it refuses.

    It says why it ends a handshake, which asyncio's does not. Yields its port, and what it refused.
    """
    refusals: list[str] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                plain, _ = listener.accept()
            except OSError:
                return
            plain.settimeout(5)
            with context.wrap_socket(plain, server_side=True, do_handshake_on_connect=False) as one:
                try:
                    one.do_handshake()
                    refusals.append("nothing")
                except ssl.SSLError as error:
                    refusals.append(str(error.reason))
                with suppress(OSError):
                    # What is closed with something unread is reset, and the reason may be lost.
                    socket.socket.shutdown(one, socket.SHUT_WR)
                    while socket.socket.recv(one, 65_536):
                        pass

    thread = Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1], refusals
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()
