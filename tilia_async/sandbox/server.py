"""The HTTP server of the sandbox."""

from __future__ import annotations

import math
import os
import socket
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from aiohttp import web

from tilia_async.config import Environment
from tilia_async.sandbox.control.api import ControlApi
from tilia_async.sandbox.simulation import Simulation
from tilia_async.sandbox.state_keeper import StateKeeper
from tilia_async.sandbox.world import CUSTOM_WALLETS
from tilia_async.scopes import Scope
from tilia_async.secret import Secret, hide


class Sandbox(Simulation):
    """An embedded Tilia on 127.0.0.1.

    ::

        async with Sandbox() as sandbox:
            tilia = TiliaClient(sandbox.client_id, sandbox.client_secret, sandbox.environment)

    Other processes steer it by ``RemoteSandbox(sandbox.url)``, or by JSON under ``/_sandbox/v1``; a browser shows it at
    ``/_sandbox/``.

    A request that has another ``Host``, or comes from a web page of another site, is refused with 403 and not
    remembered: any page that a browser of this machine shows could post here. A body of more than 1 MiB is refused with
    413, one that has not arrived after 30 seconds with 408.

    Args:
        port: 0: a free one is picked.
        seed: makes ids, and the choices where Tilia answers now so, now so, the same in every run.
        scopes: what the credentials may ask for; all that are documented by default.
        wallet_delay: seconds until a new account's wallets appear. At Tilia it takes some seconds.
        token_lifetime: in seconds.
        token_currency: the code of the publisher's own token.
        record: how many requests, and how many notifications, are remembered at least. Of requests that hold more than
            64 MiB together, the oldest are forgotten before that.
        tokens_per_cent: what a US cent buys, and what has to be converted for one.
        publisher_funds: what the publisher has for refunds and conversions, in cents.
        custom_wallets: the types of wallets of the publisher's own, each with its currency.
        keep_alive: after how many idle seconds it ends a connection. Tilia documents nothing about it.
        allowed_hosts: names and addresses, without a port, by which clients reach it beside those of loopback, e.g.
            ``host.docker.internal`` through a port that is forwarded. It listens on 127.0.0.1 all the same.
        client_secret: the one that it accepts; None: a new one each time, so that no two sandboxes share tokens.
        state_file: accounts, money and the clock are read from it when it starts, if there is such a file, and written
            to it within a second of each change, and when it ends: one that is killed loses no more than that.
            (A state of more than some thousand accounts takes longer.) Tokens, requests and idempotency keys are not
            in it.

    Attributes:
        client_id: the one that it accepts.
        clock: its time, which can be put forward.
        faults: what goes wrong next.
        requests: what arrived, in order.
    """

    def __init__(
        self,
        port: int = 0,
        *,
        seed: int = 7,
        scopes: Iterable[str] = tuple(Scope),
        wallet_delay: float = 0.5,
        token_lifetime: float = 3600.0,
        token_currency: str = "TOK",  # noqa: S107 - no password
        record: int = 100_000,
        tokens_per_cent: int = 100,
        publisher_funds: int = 100_000_000,
        custom_wallets: Mapping[str, str] = CUSTOM_WALLETS,
        keep_alive: float = 3600.0,
        allowed_hosts: Iterable[str] = (),
        client_secret: str | Secret | None = None,
        state_file: str | os.PathLike[str] | None = None,
    ) -> None:
        if not (math.isfinite(keep_alive) and keep_alive > 0):
            raise ValueError(f"keep_alive is a number of seconds above 0, not {keep_alive!r}")
        secret = client_secret = None if client_secret is None else hide(client_secret)
        super().__init__(
            seed=seed,
            scopes=scopes,
            wallet_delay=wallet_delay,
            token_lifetime=token_lifetime,
            token_currency=token_currency,
            record=record,
            tokens_per_cent=tokens_per_cent,
            publisher_funds=publisher_funds,
            custom_wallets=custom_wallets,
            allowed_hosts=allowed_hosts,
            client_secret=secret,
        )
        self._handler.control = ControlApi(self, self._handler, self._notifier).serve
        self._wanted_port = port
        self._keep_alive = keep_alive
        self._state_file = None if state_file is None else Path(state_file)
        self._runner: web.ServerRunner | None = None
        self._keeper: StateKeeper | None = None

    @property
    def port(self) -> int:
        """The port on which it listens.

        Raises:
            RuntimeError: it does not run.
        """
        if self._runner is None or not self._runner.addresses:
            raise RuntimeError(
                "the sandbox does not run; use 'async with Sandbox() as sandbox', and in tilia_sync 'with'"
            )
        port: int = self._runner.addresses[0][1]
        return port

    @property
    def url(self) -> str:
        """Address without a slash at its end.

        ``RemoteSandbox`` takes it; ``/_sandbox/`` after it is a page that shows what happens.
        """
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> Environment:
        """The environment for a client of this sandbox.

        The services are told apart by the first segment of the path.
        """
        return Environment.at(f"http://127.0.0.1:{self.port}/{{service}}")

    async def start(self) -> None:
        """Listen. ``async with`` does it, too.

        Raises:
            OSError: the port is taken, or the state cannot be read.
            RuntimeError: it runs already.
            ValueError: the file holds no state of a sandbox of this version.
        """
        if self._runner is not None:
            raise RuntimeError("the sandbox runs already")
        if self._state_file is not None:
            self._go_on_with(self._state_file)
        server = web.Server(
            self._handler.serve, access_log=None, auto_decompress=False, keepalive_timeout=self._keep_alive
        )
        runner = web.ServerRunner(server, shutdown_timeout=0.05)
        await runner.setup()
        try:
            # Bound here: uvloop would look the address up in threads that a forked child cannot do without.
            listening = socket.create_server(("127.0.0.1", self._wanted_port), backlog=1024)
            await web.SockSite(runner, listening, backlog=1024).start()
        except BaseException:  # whatever it is, a port that was taken is given back
            await runner.cleanup()
            raise
        self._runner = runner
        self._notifier.start()
        self._started()
        if self._state_file is not None:
            self._keeper = StateKeeper(self._state_file, self._feed, lambda: self._world)

    async def aclose(self) -> None:
        """Stop listening, and drop the connections there are.

        A second close does nothing.

        Raises:
            OSError: the state cannot be written.
        """
        self._feed.end()
        await self._notifier.aclose()
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            await keeper.aclose()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        where = f"at port {self.port}" if self._runner is not None else "not running"
        return f"<Sandbox {where}, {len(self.accounts)} accounts>"
