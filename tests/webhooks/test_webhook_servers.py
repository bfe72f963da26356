"""Receivers in the servers that people run: uvicorn, hypercorn, gunicorn and waitress, as they are."""

import contextlib
import signal
import socket
import time
from pathlib import Path

import pytest
from support.deliveries import BLOCK, UNBLOCK, delivery
from support.serving import SERVERS, Server, rest_of, served

for _needed in ("uvicorn", "uvicorn_worker", "hypercorn", "gunicorn", "gevent", "waitress", "starlette"):
    pytest.importorskip(_needed)

PATH = "/tilia/a-long-random-word"
HEAD = f"POST {PATH} HTTP/1.1\r\nHost: here\r\n".encode()
NESTED = b"[" * 199_000
MANY = b'{"message":[' + b"[]," * 60_000 + b"[]]}"


ASYNCHRONOUS = {"uvicorn", "hypercorn", "gunicorn uvicorn"}


def about(account_id: str) -> bytes:
    return delivery({**BLOCK, "account_id": account_id})


def trickle(opened: socket.socket, part: bytes, seconds: float) -> float:
    """Send a part now and then, until it is answered, or the connection ended; how long that took."""
    begun = time.monotonic()
    opened.settimeout(0.05)
    while time.monotonic() < begun + seconds:
        try:
            opened.sendall(part)
            opened.recv(65_536)
            break
        except TimeoutError:
            continue
        except ConnectionError:
            break
    return time.monotonic() - begun


BY_DAY = frozenset({"uvicorn", "gunicorn gevent", "waitress"})
"""Servers that are tried by day, too: one of each kind."""


@pytest.mark.parametrize(
    "name", [name if name in BY_DAY else pytest.param(name, marks=pytest.mark.nightly) for name in SERVERS]
)
def test_a_receiver_in_a_server_as_it_is(name: str, tmp_path: Path) -> None:
    with served(SERVERS[name], tmp_path) as server:
        assert server.send("POST", PATH, delivery(BLOCK))[0] == 204
        assert server.send("POST", PATH, delivery(BLOCK))[0] == 204
        assert server.send("POST", PATH, delivery(UNBLOCK))[0] == 204
        assert server.lines().count(f"done {BLOCK['account_id']}") == 2, "a repetition is left out"
        assert server.send("POST", "/tilia/guess", delivery(BLOCK))[0] == 404
        for method in ("GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"):
            status, headers, body = server.send(method, PATH)
            assert (status, headers["allow"], body) == (405, "POST", b"")
        for body in (NESTED, MANY, b"\xff", b"{}", b""):
            assert server.send("POST", PATH, body)[0] == 400
        for _ in range(2):
            assert server.send("POST", PATH, about("fails"))[0] == 500, "it was not remembered"
        assert server.lines().count("begun fails") == 2
        # A part of a body, and gone.
        server.open(HEAD, b"Content-Length: 1000\r\n\r\n", b'{"message":').close()
        if name != "waitress":  # which takes whole bodies in by itself, as large and slow as its own settings let them
            _is_too_large(server)
            # Servers of WSGI read a kilobyte before anybody can look at the clock.
            _is_slow(server, b" " if name in ASYNCHRONOUS else b" " * 256)
        assert server.send("POST", PATH, delivery(BLOCK))[0] == 204
        assert server.lines().count(f"done {BLOCK['account_id']}") == 3
        _is_ended_meanwhile(server)


def _is_too_large(server: Server) -> None:
    with server.open(HEAD, b"Content-Length: 100000000\r\n\r\n") as opened:
        assert opened.recv(65_536).split()[1] == b"413"
    # And not said beforehand: it has no end, and is answered all the same.
    with server.open(HEAD, b"Transfer-Encoding: chunked\r\n\r\n") as opened:
        answer = b""
        with contextlib.suppress(ConnectionError):
            for _ in range(30):
                opened.sendall(b"2710\r\n" + b" " * 10_000 + b"\r\n")
            answer = opened.recv(65_536)
        assert not answer or answer.split()[1] == b"413", answer


def _is_slow(server: Server, part: bytes) -> None:
    with server.open(HEAD, b"Content-Length: 190000\r\n\r\n") as opened:
        assert trickle(opened, part, 30) < 15


def _is_ended_meanwhile(server: Server) -> None:
    body = about("hangs")
    with server.open(HEAD, f"Content-Length: {len(body)}\r\n\r\n".encode(), body) as opened:
        server.wait_for("begun hangs")
        server.process.send_signal(signal.SIGTERM)
        answer = rest_of(opened)
    assert not answer or answer.split()[1][:1] == b"5", answer
    assert "done hangs" not in server.lines()
    server.process.wait(20)


def test_a_body_that_trickles_is_answered_408(tmp_path: Path) -> None:
    with served(SERVERS["uvicorn"], tmp_path) as server:
        with server.open(HEAD, b"Content-Length: 190000\r\n\r\n", b"{") as opened:
            answer = rest_of(opened)
    assert answer.split()[1] == b"408"
    assert b"connection: close" in answer.lower()


def test_mounted_in_starlette_under_httptools(tmp_path: Path) -> None:
    command = ["-m", "uvicorn", "received_by:starlette", "--fd", "{fd}", "--http", "httptools"]
    pytest.importorskip("httptools")
    with served(command, tmp_path) as server:
        assert server.send("POST", "/mounted/a-long-random-word", delivery(BLOCK))[0] == 204
        assert server.send("POST", "/route/a-long-random-word", delivery(UNBLOCK))[0] == 204
        assert server.send("POST", "/mounted/guess", delivery(BLOCK))[0] == 404
        assert server.send("GET", "/route/a-long-random-word")[0] == 405
        assert len(server.lines()) == 4


def test_trio_is_refused_with_a_sentence(tmp_path: Path) -> None:
    pytest.importorskip("trio")
    command = ["-m", "hypercorn", "received_by:asgi", "--bind", "fd://{fd}", "-k", "trio"]
    with served(command, tmp_path) as server:
        server.process.wait(20)
    assert "-k asyncio" in (tmp_path / "log.txt").read_text()
