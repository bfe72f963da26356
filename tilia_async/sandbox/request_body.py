"""Reads the body of a request, within bounds."""

from __future__ import annotations

import asyncio

from aiohttp import web

_LARGEST_BODY = 1_048_576
_BODY_SECONDS = 30.0


async def read_body(request: web.BaseRequest) -> bytes | int:
    """Return the body, or a refusing status.

    A status if it is too large or too slow, or not packed as it says.
    """
    if request.content_length is not None and request.content_length > _LARGEST_BODY:
        return 413
    body = bytearray()
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > _LARGEST_BODY:
                    return 413
    except web.RequestPayloadError:
        return 400
    except TimeoutError:
        return 408
    return bytes(body)
