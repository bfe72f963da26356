"""The control API: ``/_sandbox/v1/``, JSON in and out.

For other processes and other languages. It steers the sandbox and tells what arrived; its own requests are not
remembered, meet no fault and need no token. The door has refused foreign hosts and pages before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

import attrs
import orjson
from aiohttp import web

from tilia_async.errors import ConfigurationError, InvalidRequestError
from tilia_async.json_value import JsonObject, JsonValue
from tilia_async.sandbox.control import commands
from tilia_async.sandbox.control.body import Body
from tilia_async.sandbox.control.commands import Command, Run
from tilia_async.sandbox.control.inspector import page
from tilia_async.sandbox.event_feed import Event
from tilia_async.sandbox.notifications import Notifier
from tilia_async.sandbox.request_body import read_body
from tilia_async.sandbox.request_handler import CONTROL, RequestHandler
from tilia_async.sandbox.requests import repeatable
from tilia_async.sandbox.routing import match_path
from tilia_async.sandbox.simulation import Simulation

BASE: Final = f"/{CONTROL}/v1"
MOST_WATCHERS: Final = 100
_HEARTBEAT: Final = 5.0
"""Seconds after which a silent stream says that it lives.

So it learns that its client has gone.
"""


@attrs.frozen
class ControlRoute:
    """A request of the control API.

    Attributes:
        path: after ``/_sandbox/v1``; parameters in braces.
    """

    method: str
    path: str
    run: Run


ROUTES: Final = (
    ControlRoute("GET", "", commands.about),
    ControlRoute("GET", "/credentials", commands.credentials),
    ControlRoute("GET", "/openapi.json", commands.openapi),
    ControlRoute("GET", "/requests", commands.requests),
    ControlRoute("GET", "/requests/{number}", commands.request),
    ControlRoute("DELETE", "/requests", commands.forget_requests),
    ControlRoute("GET", "/accounts", commands.accounts),
    ControlRoute("GET", "/accounts/{account_id}", commands.account),
    ControlRoute("POST", "/accounts", commands.add_account),
    ControlRoute("POST", "/accounts/{account_id}/block", commands.block_as_tilia),
    ControlRoute("POST", "/payment-methods", commands.add_payment_method),
    ControlRoute("POST", "/kyc", commands.set_kyc),
    ControlRoute("POST", "/tos", commands.sign_tos),
    ControlRoute("POST", "/fund", commands.fund),
    ControlRoute("GET", "/faults", commands.faults),
    ControlRoute("POST", "/faults", commands.add_fault),
    ControlRoute("DELETE", "/faults", commands.clear_faults),
    ControlRoute("GET", "/clock", commands.clock),
    ControlRoute("POST", "/clock", commands.advance_clock),
    ControlRoute("GET", "/webhooks", commands.webhooks),
    ControlRoute("POST", "/webhooks", commands.register_webhook),
    ControlRoute("DELETE", "/webhooks", commands.unregister_webhook),
    ControlRoute("GET", "/notifications", commands.notifications),
    ControlRoute("GET", "/invoices", commands.invoices),
    ControlRoute("GET", "/escrows", commands.escrows),
    ControlRoute("GET", "/payouts", commands.list_payouts),
    ControlRoute("POST", "/payouts/{payout_status_id}/hold", commands.hold_payout),
    ControlRoute("GET", "/publisher-wallets", commands.publisher_wallets),
    ControlRoute("DELETE", "/tokens", commands.revoke_tokens),
    ControlRoute("POST", "/trigger", commands.trigger),
)
"""Requests that are answered at once.

``events``, ``reset`` and ``notified`` wait.
"""

_Slow: TypeAlias = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class ControlApi:
    """The requests about the sandbox itself."""

    def __init__(self, simulation: Simulation, handler: RequestHandler, notifier: Notifier) -> None:
        self._simulation = simulation
        self._handler = handler
        self._notifier = notifier
        self._waiting: dict[tuple[str, str], _Slow] = {
            ("GET", "/events"): self._events,
            ("POST", "/reset"): self._reset,
            ("POST", "/notified"): self._notified,
        }

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request."""
        path = request.rel_url.raw_path
        if path != BASE and not path.startswith(f"{BASE}/"):
            return page(request.method, path)
        refused = _refusal(request)
        if refused is not None:
            return refused
        rest = path.removeprefix(BASE).rstrip("/")
        waiting = self._waiting.get((request.method, rest))
        if waiting is not None:
            return await waiting(request)
        known = False
        for route in ROUTES:
            parameters = match_path(tuple(route.path.split("/")), tuple(rest.split("/")))
            if parameters is None:
                continue
            if route.method == request.method:
                return await self._run(request, route, parameters)
            known = True
        status = 405 if known or any(rest == each for _, each in self._waiting) else 404
        return _failed(status, "LookupError", f"the sandbox has no {request.method} {BASE}{rest}")

    async def _run(self, request: web.BaseRequest, route: ControlRoute, path: dict[str, str]) -> web.Response:
        body = await read_body(request)
        if isinstance(body, int):
            return web.Response(status=body)
        try:
            fields: JsonValue = orjson.loads(body or b"{}")
        except ValueError:
            fields = None
        if not isinstance(fields, dict) or not repeatable(fields):
            return _failed(400, "ValueError", "the body is not a JSON object, or nested too deeply")
        url = f"http://{request.headers.get('Host', '')}"
        call = Command(self._simulation, self._handler, self._notifier, url, path, request.query, Body(fields))
        try:
            answer = route.run(call)
            content = await answer if isinstance(answer, Awaitable) else answer
        except InvalidRequestError as error:
            return _failed(
                400, "InvalidRequestError", str(error), {name: [*each] for name, each in error.problems.items()}
            )
        except ConfigurationError as error:
            return _failed(400, "ConfigurationError", str(error))
        except KeyError as error:
            return _failed(404, "KeyError", str(error.args[0]))
        except LookupError as error:
            return _failed(404, "LookupError", str(error))
        except ValueError as error:
            return _failed(400, "ValueError", str(error))
        return _json(content)

    async def _reset(self, _request: web.BaseRequest) -> web.Response:
        await self._simulation.reset()
        return _json({})

    async def _notified(self, _request: web.BaseRequest) -> web.Response:
        await self._simulation.notified()
        return _json({})

    async def _events(self, request: web.BaseRequest) -> web.StreamResponse:
        """Send events as they come, until the client has gone.

        From ``Last-Event-ID`` or ``after`` on, else from now on.
        """
        feed = self._handler.log.feed
        if feed.watchers >= MOST_WATCHERS:
            return _failed(503, "RuntimeError", f"{MOST_WATCHERS} watch already")
        given = request.headers.get("Last-Event-ID") or request.query.get("after") or str(feed.last)
        sent = int(given) if given.isascii() and given.isdigit() and len(given) <= 15 else 0
        stream = web.StreamResponse(headers={**_HEADERS, "Content-Type": "text/event-stream"})
        with feed.watch() as news:
            try:
                await stream.prepare(request)
                # Said at once, so that a client knows that it is connected.
                await stream.write(b": the sandbox's events\n\n")
                while not feed.ended:
                    news.clear()
                    for event in feed.after(sent):
                        await stream.write(_written(event))
                        sent = event.number
                    try:
                        await asyncio.wait_for(news.wait(), _HEARTBEAT)
                    except TimeoutError:
                        await stream.write(b": still here\n\n")
            except ConnectionError:
                pass
        return stream


_HEADERS: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


def _refusal(request: web.BaseRequest) -> web.Response | None:
    """Refuse what a form of a web page could send."""
    if request.method != "POST" or request.content_type == "application/json":
        return None
    return _failed(415, "ValueError", "the sandbox takes JSON only: Content-Type: application/json")


def _written(event: Event) -> bytes:
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (event.number, event.name.encode(), event.data)


def _json(content: JsonValue, status: int = 200) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(content), content_type="application/json", headers=_HEADERS)


def _failed(status: int, kind: str, message: str, problems: JsonObject | None = None) -> web.Response:
    error: JsonObject = {"type": kind, "message": message}
    if problems is not None:
        error["problems"] = problems
    return _json({"error": error}, status)
