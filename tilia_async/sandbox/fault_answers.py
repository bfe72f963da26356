"""Answers of faults: another one, a spoiled one, or none."""

from __future__ import annotations

import asyncio

from aiohttp import web

from tilia_async.sandbox.contradictions import contradicting
from tilia_async.sandbox.faults import Fault
from tilia_async.sandbox.responses import SandboxResponse
from tilia_async.sandbox.waiting_faults import ScheduledFault

_HTML = b"<html><head><title>502 Bad Gateway</title></head><body><h1>Bad Gateway</h1></body></html>"
_NO_ROUTE = b"<html><head><title>404 Not Found</title></head><body><center>nginx: no such route</center></body></html>"
_LOOK_SECONDS = 0.02


def drop(request: web.BaseRequest) -> None:
    if request.transport is not None:
        request.transport.abort()


async def hang(request: web.BaseRequest) -> None:
    """Hang until the client has gone.

    At the end of the sandbox it is cancelled.
    """
    while request.transport is not None:  # noqa: ASYNC110 - aiohttp has no event for a client that has gone
        await asyncio.sleep(_LOOK_SECONDS)


def instead_of_answer(fault: ScheduledFault) -> SandboxResponse | None:
    """Return the answer to an ignored request.

    One that is not looked at.
    """
    match fault.fault:
        case Fault.RATE_LIMITED:
            return SandboxResponse(429, b"", headers={"Retry-After": fault.retry_after})
        case Fault.SERVER_ERROR_EMPTY:
            return SandboxResponse(500, b"")
        case Fault.SERVER_ERROR_HTML:
            return SandboxResponse(500, _HTML, "text/html")
        case Fault.TOKEN_OUTAGE:
            return SandboxResponse(503, b"")
        case Fault.GATEWAY_BEFORE_COMMIT:
            return SandboxResponse(fault.status, _HTML, "text/html")
        case Fault.PROXY_NOT_FOUND:
            return SandboxResponse(404, _NO_ROUTE, "text/html")
        case Fault.OTHER_BODY_BEFORE_COMMIT:
            return SandboxResponse(200, fault.body.encode())
        case _:
            return None


async def spoiled(request: web.BaseRequest, fault: ScheduledFault, answer: SandboxResponse) -> SandboxResponse:
    """Return an answer, spoiled by a fault.

    One that comes after the request had its effect.
    """
    match fault.fault:
        case Fault.DROP_AFTER_COMMIT:
            drop(request)
        case Fault.HANG_AFTER_COMMIT:
            await hang(request)
        case Fault.BAD_GATEWAY:
            return SandboxResponse(502, _HTML, "text/html")
        case Fault.GATEWAY_AFTER_COMMIT:
            return SandboxResponse(fault.status, _HTML, "text/html")
        case Fault.OTHER_BODY_AFTER_COMMIT:
            return SandboxResponse(200, fault.body.encode())
        case Fault.CONTRADICTION_AFTER_COMMIT:
            return contradicting(answer)
        case Fault.TRUNCATED_JSON:
            return SandboxResponse(answer.status, answer.body[: len(answer.body) // 2])
        case Fault.WRONG_CONTENT_TYPE:
            return SandboxResponse(answer.status, _HTML, "text/html")
        case _:
            pass
    return answer
