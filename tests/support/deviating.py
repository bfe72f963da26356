"""A sandbox that deviates.

Requests and answers are changed on their way.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Self

import aiohttp
from aiohttp import web

from tilia_async import Environment, Service, TiliaClient
from tilia_async.sandbox import Sandbox
from tilia_async.tokens import TokenCache

Change = Callable[[Any], Any]
"""Changes the body of an answer."""

NO_ROUTE = b"<html><body>nginx: no such route</body></html>"


class Deviating:
    """A server before a sandbox.

    Args:
        moved: paths by what the sandbox calls them, e.g. ``accounts/v1/user-info``: the sandbox's are gone.
        wanted: scopes that a token needs instead, by a part of the path.
        statuses: the statuses of successes, by a part of the path.
        changes: of the bodies of successes, by a part of the path.
        dead: services of which nobody answers.
    """

    def __init__(
        self,
        *,
        moved: dict[str, str] | None = None,
        wanted: dict[str, str] | None = None,
        statuses: dict[str, int] | None = None,
        changes: dict[str, Change] | None = None,
        dead: tuple[str, ...] = (),
    ) -> None:
        self.sandbox = Sandbox(wallet_delay=0)
        self.moved = moved or {}
        self.wanted = wanted or {}
        self.statuses = statuses or {}
        self.changes = changes or {}
        self.dead = dead
        self.arrived: list[tuple[str, str]] = []
        self.scopes: dict[str, set[str]] = {}

    async def __aenter__(self) -> Self:
        await self.sandbox.start()
        self.session = aiohttp.ClientSession()
        app = web.Application()
        app.router.add_route("*", "/{rest:.*}", self.serve)
        self.runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0).start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.runner.cleanup()
        await self.session.close()
        await self.sandbox.aclose()

    @property
    def environment(self) -> Environment:
        here = f"http://127.0.0.1:{self.runner.addresses[0][1]}/{{service}}"
        # Nothing listens on port 1.
        return Environment.at(here, services={Service(name): "http://127.0.0.1:1" for name in self.dead})

    def client(self, **settings: Any) -> TiliaClient:
        return TiliaClient(
            self.sandbox.client_id,
            self.sandbox.client_secret,
            self.environment,
            token_cache=TokenCache(),
            **settings,
        )

    async def serve(self, request: web.Request) -> web.Response:
        path = request.rel_url.raw_path.removeprefix("/")
        self.arrived.append((request.method, path))
        for old, new in self.moved.items():
            if path.startswith(new):
                path = path.replace(new, old, 1)
            elif path.startswith(old):
                return web.Response(status=404, body=NO_ROUTE, content_type="text/html")
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        needed = [scope for part, scope in self.wanted.items() if part in path]
        if needed and not set(needed) <= self.scopes.get(token, set()):
            return web.json_response({"status": "Failure", "payload": {"error": "unauthorized"}}, status=401)
        return await self.forward(request, path, needed=bool(needed))

    async def forward(self, request: web.Request, path: str, *, needed: bool) -> web.Response:
        body = await request.read()
        headers = {name: value for name, value in request.headers.items() if name not in ("Host", "Content-Length")}
        if needed:
            # The sandbox itself wants what is declared.
            headers["Authorization"] = f"Bearer {(await self.full_token())}"
        url = f"http://127.0.0.1:{self.sandbox.port}/{path}"
        async with self.session.request(
            request.method, url, params=request.rel_url.query, data=body, headers=headers
        ) as answer:
            content, status = await answer.read(), answer.status
        if path == "auth/token" and status == 200:
            told = json.loads(content)
            self.scopes[told["access_token"]] = set(told["scope"].replace(",", " ").split())
        elif status < 300:
            for part, change in self.changes.items():
                if part in path:
                    content = json.dumps(change(json.loads(content))).encode()
            status = next((found for part, found in self.statuses.items() if part in path), status)
        return web.Response(status=status, body=content, content_type=answer.content_type)

    async def full_token(self) -> str:
        async with TiliaClient(
            self.sandbox.client_id, self.sandbox.client_secret, self.sandbox.environment, token_cache=TokenCache()
        ) as tilia:
            return (await tilia.access_token(["search_accounts", "read_wallets", "read_accounts"])).value
