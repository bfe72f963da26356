"""Web pages that a browser of this machine shows, and clients that send too much or too slowly."""

import asyncio
import http.client
import socket
from collections.abc import Iterator

import pytest

import tilia_sync
from tilia_async.errors import ForbiddenError
from tilia_async.sandbox import request_body, request_log
from tilia_async.sandbox.door import Door

PORT = 8411


@pytest.fixture
def sandbox() -> Iterator[tilia_sync.Sandbox]:
    with tilia_sync.Sandbox(wallet_delay=0) as running:
        yield running


def send(port: int, body: bytes = b"{}", **headers: str) -> tuple[int, str]:
    """Post with these headers; status and text."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request(
            "POST", "/accounts/v1/x", body, {name.replace("_", "-"): each for name, each in headers.items()}
        )
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "[::1]", "127.1.2.3", "LocalHost", "localhost.", "[::1%25lo]"]
)
def test_the_names_of_this_machine_come_in(host: str) -> None:
    assert Door().refusal({"Host": f"{host}:{PORT}"}, PORT) is None
    assert Door().refusal({"Host": f"{host}:{PORT}", "Origin": f"http://{host}:{PORT}"}, PORT) is None
    assert Door().refusal({"Host": f"{host}:{PORT}", "Sec-Fetch-Site": "none"}, PORT) is None
    assert Door().refusal({"Host": host}, 80) is None


@pytest.mark.parametrize(
    "host",
    ["evil.example:8411", "localhost:1", "localhost", "127.0.0.1.evil.example:8411", "evil@localhost:8411", "", ":8411",
     "localhost:8411/x", "localhost:x", "[::1", "192.168.0.1:8411", "localhost.evil.example:8411", "\x1b[2J",
     "[::1]x:8411", "localhost..:8411", "127.0.0.1:8411.", "[fe80::1%25lo]:8411", "127.0.0.1:8411, evil", "localhost\t:8411"],
)  # fmt: skip
def test_other_names_do_not(host: str) -> None:
    refusal = Door().refusal({"Host": host}, PORT)
    assert refusal is not None
    assert "allowed_hosts" in refusal
    assert refusal.isprintable()


def test_the_port_nought_is_not_the_one_that_is_left_out() -> None:
    assert Door().refusal({"Host": "127.0.0.1:0"}, 80) is not None


@pytest.mark.parametrize(
    "page",
    [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Origin": "localhost:8411"}, {"Origin": ""}, {"Origin": "http://localhost:3000"},
     {"Origin": "https://localhost:8411"}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}],
)  # fmt: skip
def test_pages_of_others_do_not(page: dict[str, str]) -> None:
    assert Door().refusal({"Host": f"localhost:{PORT}", **page}, PORT) is not None


def test_names_of_users() -> None:
    door = Door(["host.docker.internal", "[fd00::1]", "10.0.0.7"])
    for host in (
        "host.docker.internal:9000",
        "HOST.docker.internal",
        "[fd00::1]:1",
        "10.0.0.7:8411",
        "host.docker.internal.:9000",
        f"localhost:{PORT}",
    ):
        assert door.refusal({"Host": host}, PORT) is None
    assert door.refusal({"Host": "docker.internal:8411"}, PORT) is not None
    for bad in ("a:1", "http://a", "", "*", "a b", "a\x1b"):
        with pytest.raises(ValueError, match="without a port"):
            tilia_sync.Sandbox(allowed_hosts=[bad])
    with pytest.raises(ValueError, match="list"):
        tilia_sync.Sandbox(allowed_hosts="localhost")


def test_of_what_is_refused_nothing_is_kept(sandbox: tilia_sync.Sandbox) -> None:
    for headers in ({"Host": "evil.example"}, {"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        status, told = send(sandbox.port, b"x" * 100_000, **headers)
        assert (status, told[:11]) == (403, "the sandbox")
    assert send(sandbox.port, b"x" * (request_body._LARGEST_BODY + 1))[0] == 413
    assert sandbox.requests == []
    with tilia_sync.TiliaClient(sandbox.client_id, sandbox.client_secret, sandbox.environment) as tilia:
        assert tilia.accounts.register("nyx", email="nyx@mail.example").account_id


def test_a_client_with_another_name_learns_why(sandbox: tilia_sync.Sandbox) -> None:
    with tilia_sync.TiliaClient(sandbox.client_id, sandbox.client_secret, sandbox.environment) as tilia:
        other = tilia_sync.RequestOptions(headers={"Origin": "http://evil.example"})
        with pytest.raises(ForbiddenError):
            tilia.accounts.get("acct_1", options=other)


def test_a_body_without_an_announced_length_is_cut(sandbox: tilia_sync.Sandbox) -> None:
    with socket.create_connection(("127.0.0.1", sandbox.port), timeout=20) as opened:
        opened.sendall(
            f"POST /accounts/v1/x HTTP/1.1\r\nHost: localhost:{sandbox.port}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
        )
        answer = b""
        try:
            for _ in range(120):
                opened.sendall(b"2710\r\n" + b" " * 10_000 + b"\r\n")
            answer = opened.recv(65_536)
        except ConnectionError:
            pass
        assert not answer or answer.split()[1] == b"413"
    assert sandbox.requests == []


@pytest.mark.asyncio
async def test_a_slow_body_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    from tilia_async.sandbox import Sandbox

    monkeypatch.setattr(request_body, "_BODY_SECONDS", 0.05)
    async with Sandbox() as sandbox:
        reader, writer = await asyncio.open_connection("127.0.0.1", sandbox.port)
        writer.write(
            f"POST /accounts/v1/x HTTP/1.1\r\nHost: localhost:{sandbox.port}\r\nContent-Length: 9\r\n\r\n{{".encode()
        )
        answer = await reader.readuntil(b"\r\n")
        assert answer.split()[1] == b"408"
        writer.close()
        await writer.wait_closed()


def test_the_bytes_that_are_remembered_are_bounded(
    sandbox: tilia_sync.Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_log, "MOST_BYTES", 1_000_000)
    for number in range(30):
        send(sandbox.port, b"%02d" % number + b"x" * 100_000)
        assert sum(len(request.body) for request in sandbox.requests) <= 1_000_000
    assert [request.body[:2] for request in sandbox.requests][-1] == b"29"
    assert len(sandbox.requests) >= 4
    sandbox.requests.clear()
    send(sandbox.port, b"again")
    assert [request.body for request in sandbox.requests] == [b"again"]
