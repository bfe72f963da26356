"""Answers of a hostile server, byte by byte.

And a client that runs into all of it and measures itself.

``python attacks.py PORT NAME…`` calls the server once for each attack, and prints one line of JSON for each call.
"""

from __future__ import annotations

import asyncio
import functools
import gzip
import json
import os
import sys
import time
import zlib
from collections.abc import AsyncIterator, Callable
from typing import Final

import attrs

from support.machine_lag import waited_for_processor
from tilia_async import Limits, RequestOptions, RetryPolicy, TiliaClient, errors
from tilia_async.api import OPERATIONS
from tilia_async.tokens import TokenCache
from tilia_async.transport.direct import Direct

MIB: Final = 1024 * 1024
LIMIT: Final = Limits().response_bytes
TIMEOUT: Final = 0.3
OK: Final = b"HTTP/1.1 200 OK\r\n"
GOOD: Final = b'{"status":"Success","payload":{"invoice_id":"inv_good"}}'
FAKE: Final = b'{"status":"Success","payload":{"invoice_id":"inv_fake"}}'


@attrs.frozen(slots=False)
class Attack:
    """An attack: one answer.

    Attributes:
        begins: its first bytes.
        goes_on: what follows.
        times: how often that follows; None: without end.
        ends: what becomes of the connection: it ``closes``, ``hangs``, or ``serves`` the next request.
        ends_well: it is a success after all.
    """

    begins: bytes | Callable[[], bytes]
    goes_on: bytes = b""
    times: int | None = 0
    ends: str = "serves"
    ends_well: bool = False

    @functools.cached_property
    def first(self) -> bytes:
        """Made once, because a bomb takes its time."""
        return self.begins() if callable(self.begins) else self.begins

    async def parts(self) -> AsyncIterator[bytes]:
        yield self.first
        sent = 0
        while self.times is None or sent < self.times:
            yield self.goes_on
            sent += 1


def whole(body: bytes, head: bytes = b"") -> bytes:
    """Return an answer with its right length."""
    return OK + head + b"Content-Length: %d\r\n\r\n" % len(body) + body


@functools.cache
def bomb(kind: int) -> bytes:
    """64 MiB of blanks, compressed."""
    packer = zlib.compressobj(9, wbits=kind)
    return b"".join([*(packer.compress(b" " * MIB) for _ in range(64)), packer.flush()])


def dense(field: str, item: str, number: int) -> bytes:
    """Return the largest answer with many values.

    As large as an answer may be, with so many values in a field of it.
    """
    items = ",".join([item] * number)
    body = f'{{"status":"Success","payload":{{"invoice_id":"inv_good","{field}":[{items}],"description":"@"}}}}'
    return whole(body.replace("@", "x" * (LIMIT - len(body))).encode())


CHUNKED: Final = OK + b"Transfer-Encoding: chunked\r\n\r\n"
BLANKS: Final = b" " * (MIB // 4)

ATTACKS: Final = {
    "64MiB-length": Attack(OK + b"Content-Length: %d\r\n\r\n" % (64 * MIB), BLANKS, 256),
    "64MiB-no-length": Attack(OK + b"Connection: close\r\n\r\n", BLANKS, 256, ends="closes"),
    "64MiB-chunked": Attack(CHUNKED, b"40000\r\n" + BLANKS + b"\r\n", 256),
    "64MiB-in-bytes": Attack(CHUNKED, b"1\r\n \r\n" * 16_384, 4_096),
    "gzip-bomb": Attack(lambda: whole(bomb(31), b"Content-Encoding: gzip\r\n")),
    "gzip-bomb-twice": Attack(lambda: whole(gzip.compress(bomb(31)), b"Content-Encoding: gzip, gzip\r\n")),
    "deflate-bomb": Attack(lambda: whole(bomb(15), b"Content-Encoding: deflate\r\n")),
    "gzip-bomb-chunked": Attack(
        lambda: OK
        + b"Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n" % len(bomb(31))
        + bomb(31)
        + b"\r\n0\r\n\r\n"
    ),
    "gzip-twice": Attack(whole(gzip.compress(gzip.compress(GOOD)), b"Content-Encoding: gzip\r\n")),
    "gzip-cut-off": Attack(whole(gzip.compress(GOOD)[:-9], b"Content-Encoding: gzip\r\n")),
    "gzip-and-more": Attack(whole(gzip.compress(GOOD) + b"x" * 100_000, b"Content-Encoding: gzip\r\n"), ends_well=True),
    "gzip-empty": Attack(whole(b"", b"Content-Encoding: gzip\r\n")),
    "gzip": Attack(whole(gzip.compress(GOOD), b"Content-Encoding: GZIP\r\n"), ends_well=True),
    "gzip-of-the-largest": Attack(
        lambda: whole(gzip.compress(GOOD.ljust(LIMIT)), b"Content-Encoding: gzip\r\n"), ends_well=True
    ),
    "gzip-of-one-more": Attack(lambda: whole(gzip.compress(GOOD.ljust(LIMIT + 1)), b"Content-Encoding: gzip\r\n")),
    "brotli": Attack(whole(b"\x0b\x02\x80{}\x03" * 100, b"Content-Encoding: br\r\n")),
    "zstd": Attack(whole(b"\x28\xb5\x2f\xfd" * 100, b"Content-Encoding: zstd\r\n")),
    "gzip-garbage": Attack(whole(b"\x1f\x8b" + b"x" * 1000, b"Content-Encoding: gzip\r\n")),
    "too-many-values": Attack(lambda: dense("metadata", "0", LIMIT // 4)),
    "too-many-objects": Attack(lambda: dense("line_items", "{}", LIMIT // 20)),
    "many-lists": Attack(lambda: dense("metadata", "[]", LIMIT // 48 - 10), ends_well=True),
    "many-objects": Attack(lambda: dense("line_items", "{}", LIMIT // 48 - 10), ends_well=True),
    "many-numbers": Attack(lambda: dense("line_items", "0", LIMIT // 16 - 10), ends_well=True),
    "many-lists-in-the-wrong-place": Attack(lambda: dense("invoice_id", "[]", LIMIT // 48 - 10)),
    "long-text": Attack(
        lambda: whole(b'{"status":"Success","payload":{"invoice_id":"inv_good","description":"%b"}}' % (b"x" * (LIMIT - 200))),
        ends_well=True,
    ),
    "many-headers": Attack(OK, b"X-A: b\r\n" * 1_000, 1_000),
    "endless-headers": Attack(OK, b"X-A: b\r\n" * 1_000, None),
    "one-huge-header": Attack(OK + b"X-A: ", b"a" * MIB, 64),
    "endless-header": Attack(OK + b"X-A: ", b"a" * MIB, None),
    "endless-folded-header": Attack(OK + b"X-A: b\r\n", b" folded\r\n" * 10_000, None),
    "endless-status-line": Attack(b"HTTP/1.1 200 ", b"O" * MIB, None),
    "endless-version": Attack(b"HTTP/", b"1" * MIB, None),
    "cookies": Attack(OK + b"Set-Cookie: a=b; Path=/\r\n" * 20_000 + whole(GOOD)[len(OK) :]),
    "large-cookies": Attack(
        OK + b"".join(b"Set-Cookie: c%d=%b\r\n" % (n, b"v" * 8_000) for n in range(100)) + whole(GOOD)[len(OK) :],
        ends_well=True,
    ),
    "1xx-flood": Attack(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1_000, None),
    "1xx-headers": Attack(b"", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 1_000, None),
    "1xx-few": Attack(b"HTTP/1.1 100 Continue\r\n\r\n" * 1_000 + whole(GOOD), ends_well=True),
    "101": Attack(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n", BLANKS, None),
    "chunk-extension": Attack(CHUNKED + b"5;", b"a" * MIB, 32),
    "endless-chunk-extension": Attack(CHUNKED + b"5;", b"a" * MIB, None),
    "endless-chunk-size": Attack(CHUNKED, b"0" * MIB, None),
    "endless-trailers": Attack(CHUNKED + b"0\r\n", b"X-A: b\r\n" * 10_000, None),
    "huge-chunk-size": Attack(CHUNKED + b"fffffffffffffffff\r\n{}"),
    "negative-chunk-size": Attack(CHUNKED + b"-5\r\n{}\r\n"),
    "length-too-large": Attack(OK + b"Content-Length: 1000\r\n\r\n" + GOOD, ends="closes"),
    "length-too-large-hangs": Attack(OK + b"Content-Length: 1000\r\n\r\n" + GOOD, ends="hangs"),
    "length-too-small": Attack(OK + b"Content-Length: 20\r\n\r\n" + GOOD),
    "length-huge": Attack(OK + b"Content-Length: 9999999999999999999999\r\n\r\n" + GOOD, ends="hangs"),
    "length-negative": Attack(OK + b"Content-Length: -1\r\n\r\n" + GOOD),
    "length-plus": Attack(OK + b"Content-Length: +5\r\n\r\n" + GOOD),
    "length-underscore": Attack(OK + b"Content-Length: 5_6\r\n\r\n" + GOOD),
    "length-text": Attack(OK + b"Content-Length: soon\r\n\r\n" + GOOD),
    "two-lengths": Attack(OK + b"Content-Length: 2\r\nContent-Length: 56\r\n\r\n" + GOOD),
    "length-and-chunked": Attack(OK + b"Content-Length: 56\r\nTransfer-Encoding: chunked\r\n\r\n" + GOOD, ends="closes"),
    "http-0.9": Attack(GOOD, ends="closes"),
    "http-9.9": Attack(b"HTTP/9.9 200 OK\r\n\r\n" + GOOD),
    "status-0": Attack(b"HTTP/1.1 000 Odd\r\nContent-Length: 0\r\n\r\n"),
    "status-1000": Attack(b"HTTP/1.1 1000 Odd\r\nContent-Length: 0\r\n\r\n"),
    "status-999": Attack(b"HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n"),
    "status-text": Attack(b"HTTP/1.1 2OO Odd\r\nContent-Length: 0\r\n\r\n"),
    "null-bytes": Attack(b"\x00" * 1_000),
    "silence": Attack(b"", ends="hangs"),
    "drip": Attack(OK + b"Content-Length: 1000\r\n\r\n{", ends="hangs"),
    "only-the-end": Attack(b"", ends="closes"),
}  # fmt: skip


def peak() -> int:
    """Return the largest resident set, in bytes.

    Since the last call.
    """
    with open("/proc/self/status") as status:
        found = next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))
    with open("/proc/self/clear_refs", "w") as reset:
        reset.write("5")
    return found * 1024


async def run_into(port: int, names: list[str]) -> None:
    """Run into each attack, one call each.

    After each comes a call that has to succeed.
    """
    # The name of an attack stands in the path. As an invoice's id it would contradict the answers.
    pay = attrs.evolve(OPERATIONS["invoices.pay"], path="/v2/invoice/{attack}/pay", reference=())
    async with TiliaClient(
        "id",
        "secret",
        f"http://127.0.0.1:{port}/{{service}}",
        retry=RetryPolicy(attempts=1),
        token_cache=TokenCache(),
    ) as tilia:
        await tilia.send(pay, path={"attack": "good"})
        for name in names:
            peak()
            before, began, waited = peak(), time.monotonic(), waited_for_processor()
            try:
                answer = await tilia.send(pay, path={"attack": name}, options=RequestOptions(timeout=TIMEOUT))
                outcome, effect, text = "value", True, answer.value.invoice_id
                del answer
            except errors.TiliaError as error:
                outcome, effect, text = type(error).__name__, error.took_effect, str(error)
            seconds = time.monotonic() - began - (waited_for_processor() - waited)
            grown = peak() - before
            after = await tilia.send(pay, path={"attack": "good"}, options=RequestOptions(timeout=5))
            told = {"name": name, "outcome": outcome, "took_effect": effect, "text": text, "seconds": seconds}
            print(json.dumps({**told, "grown": grown, "after": after.value.invoice_id}), flush=True)  # noqa: T201 - its output is read


if __name__ == "__main__":
    if os.environ.get("TILIA_TEST_BY_SESSION"):
        Direct.takes = lambda _direct, _request: False
    asyncio.run(run_into(int(sys.argv[1]), sys.argv[2:]))
