"""A loopback server that records and answers.

It records what arrives and answers what a test has lined up.
"""

from __future__ import annotations

import json
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple, Self
from urllib.parse import parse_qs, urlsplit

from aiohttp import web

from tilia_async import Environment, RetryPolicy, TiliaClient
from tilia_async.tokens import TokenCache

if TYPE_CHECKING:
    from collections.abc import Mapping

CLIENT_ID = "3f2bfe5b-19b8-41c1-88d7-70a1586bce94"


class Recorded(NamedTuple):
    """A request as it came over the wire.

    ``path`` includes the raw query.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body read as JSON."""
        return json.loads(self.body)

    @property
    def form(self) -> dict[str, list[str]]:
        """The body read as a form."""
        return parse_qs(self.body.decode(), keep_blank_values=True, strict_parsing=True)

    @property
    def query(self) -> dict[str, list[str]]:
        """The query, decoded."""
        return parse_qs(urlsplit(self.path).query, keep_blank_values=True)


class Answer(NamedTuple):
    """A canned answer.

    A status of 0 drops the connection instead.
    """

    status: int
    body: bytes
    headers: Mapping[str, str]


class Recorder:
    """A server of queued answers.

    It serves ``/auth/token`` by itself and every other route from a queue.
    """

    def __init__(self) -> None:
        self.requests: list[Recorded] = []
        self.granted: str | None = None
        self._answers: deque[Answer] = deque()
        self._tokens: deque[Answer] = deque()
        self._issued = 0
        self._runner: web.AppRunner | None = None
        self.port = 0

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_route("*", "/{rest:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    @property
    def environment(self) -> Environment:
        """The environment of this server."""
        return Environment.at(f"http://127.0.0.1:{self.port}/{{service}}")

    def client(self, *, attempts: int = 1, **settings: Any) -> TiliaClient:
        """Make a client of this server.

        With a token cache of its own and no pauses between attempts.
        """
        settings.setdefault("retry", RetryPolicy(attempts=attempts, initial=0, maximum=0))
        return TiliaClient(
            CLIENT_ID,
            "secret",
            self.environment,
            token_cache=TokenCache(),
            **settings,
        )

    def answer(self, status: int, body: Any = b"", headers: Mapping[str, str] | None = None, *, times: int = 1) -> None:
        """Line up an answer.

        Bytes and text go out as they are, anything else as JSON.
        """
        self._answers.extend([_answer(status, body, headers)] * times)

    def succeed(self, payload: Any, *, status: int = 200, times: int = 1) -> None:
        """Line up a success envelope."""
        self.answer(status, {"status": "Success", "message": [], "codes": [], "payload": payload}, times=times)

    def drop(self, *, times: int = 1) -> None:
        """Line up a dropped connection."""
        self.answer(0, times=times)

    def refuse_token(self, status: int, body: Any, headers: Mapping[str, str] | None = None, *, times: int = 1) -> None:
        """Line up an answer of the token endpoint."""
        self._tokens.extend([_answer(status, body, headers)] * times)

    @property
    def tokens(self) -> list[Recorded]:
        """The requests for a token."""
        return [request for request in self.requests if _is_token(request)]

    @property
    def calls(self) -> list[Recorded]:
        """The requests for anything else."""
        return [request for request in self.requests if not _is_token(request)]

    @property
    def call(self) -> Recorded:
        """The only request that was not for a token."""
        (only,) = self.calls
        return only

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        recorded = Recorded(request.method, request.raw_path, request.headers.copy(), await request.read())
        self.requests.append(recorded)
        if _is_token(recorded):
            answer = self._tokens.popleft() if self._tokens else self._grant(recorded)
        else:
            answer = self._answers.popleft() if self._answers else _answer(418, {"payload": "no answer lined up"}, None)
        if not answer.status:
            if request.transport is not None:
                request.transport.close()
            return web.Response()
        return web.Response(status=answer.status, body=answer.body, headers=answer.headers)

    def _grant(self, recorded: Recorded) -> Answer:
        self._issued += 1
        scope = self.granted if self.granted is not None else recorded.form.get("scope", [""])[0]
        body = {"access_token": f"token-{self._issued}", "token_type": "Bearer", "expires_in": 3600, "scope": scope}
        return _answer(200, body, None)


def _is_token(request: Recorded) -> bool:
    return urlsplit(request.path).path == "/auth/token"


def _answer(status: int, body: Any, headers: Mapping[str, str] | None) -> Answer:
    if isinstance(body, bytes | str):
        raw, kind = (body.encode() if isinstance(body, str) else body), "text/html"
    else:
        raw, kind = json.dumps(body).encode(), "application/json"
    return Answer(status, raw, {"Content-Type": kind, **(headers or {})})
