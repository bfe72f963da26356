"""The body of an answer.

It is read to its end within limits.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Final

import aiohttp
from aiohttp.hdrs import CONTENT_ENCODING, CONTENT_LENGTH
from aiohttp.http_exceptions import HttpProcessingError

from tilia_async.transport.reasons import cause, describe

# Two bytes of JSON can become a hundred of memory and some microseconds of a blocked loop. No long list that Tilia
# documents has fewer bytes to a value, or to an object, than these.
_BYTES_OF_A_VALUE: Final = 16
_BYTES_OF_A_CONTAINER: Final = 48
_FEW: Final = 10_000


def at_hand(headers: Mapping[str, str], content: aiohttp.StreamReader, limit: int) -> bytes | None:
    """Return a short, plain body that is there whole.

    Most are when their headers are. None: see ``read``.

    Nothing is taken from the content unless the body is returned.
    """
    if not content.is_eof() or CONTENT_ENCODING in headers:
        return None
    stated = headers.get(CONTENT_LENGTH)
    # The parser refuses what is no number.
    return content.read_nowait() if stated is not None and int(stated) <= min(limit, _FEW) else None


async def read(
    headers: Mapping[str, str], content: aiohttp.StreamReader, limit: int
) -> tuple[bytes | None, str, str | None]:
    """Return the body, or why there is none.

    None instead of the body if there is none; why; and the exception behind that as text.
    """
    try:
        body, defect = await _read(headers, content, limit)
    except zlib.error:
        return None, "it is no gzip", None
    except (aiohttp.ClientError, HttpProcessingError, OSError, EOFError) as error:
        return None, f"it was cut off: {describe(error)}", cause(error)
    if body is not None and len(body) > _FEW:
        defect = _too_dense(body, limit)
    return None if defect else body, defect, None


async def _read(headers: Mapping[str, str], content: aiohttp.StreamReader, limit: int) -> tuple[bytes | None, str]:
    """Read the body, or say why not.

    aiohttp's own way to unpack is not used: in some releases it knows no limit.
    """
    encoding, stated = headers.get("Content-Encoding", "identity").lower(), headers.get("Content-Length")
    # The parser refuses what is not a number.
    length = None if stated is None else int(stated)
    if encoding not in {"identity", "gzip"}:
        return None, "it came in an encoding that was not asked for"
    if length is not None and length <= limit and encoding == "identity":
        # A short answer is there as a whole when its headers are.
        return content.read_nowait() if content.is_eof() else await content.read(), ""
    body, came = bytearray(), False
    gzip = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16) if encoding == "gzip" else None
    if length is None or length <= limit:
        async for chunk in content.iter_any():
            came = True
            body += chunk if gzip is None else gzip.decompress(chunk, limit + 1 - len(body))
            if len(body) > limit or (gzip is not None and gzip.unused_data):
                break
    if len(body) > limit or (length or 0) > limit:
        return None, f"it is larger than {limit} bytes"
    if gzip is not None and came and not gzip.eof:
        return None, "it was cut off"
    return bytes(body), ""


def _too_dense(body: bytes, limit: int) -> str:
    """Return why an answer's body is too dense.

    It holds too much for its size; empty if it does not. What stands in texts is counted, too: counting has to be
    cheap.
    """
    containers = body.count(b"{") + body.count(b"[")
    most = max(_FEW, limit // _BYTES_OF_A_CONTAINER)
    if containers > most:
        return f"it holds more than {most} objects and lists"
    most = max(_FEW, limit // _BYTES_OF_A_VALUE)
    return f"it holds more than {most} values" if containers + body.count(b",") > most else ""
