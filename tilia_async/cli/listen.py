"""``tilia listen``: see notifications come, and hand them on."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import sys
from collections.abc import AsyncGenerator, Collection, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from time import perf_counter
from typing import Final

import aiohttp
import attrs
import click
import orjson
from aiohttp import web
from click.core import ParameterSource
from rich.cells import cell_len

from tilia_async.cli.failure import CommandError, ExitStatus
from tilia_async.cli.options import json_option
from tilia_async.cli.sandbox_control import URL_VARIABLE
from tilia_async.cli.signals import until_signal
from tilia_async.cli.terminal import ClosedPipeError, Screen, complain, say, shown_json
from tilia_async.cli.webhook_auth import AUTH_VARIABLE, DEFAULT_PORT, authorization, credentials
from tilia_async.errors import ConfigurationError, WebhookError
from tilia_async.sandbox import RemoteSandbox
from tilia_async.sandbox.control_client import DEFAULT_URL
from tilia_async.secret import Secret
from tilia_async.webhooks import UnknownEvent, parse_event
from tilia_async.webhooks.samples import SAMPLES

_LARGEST: Final = 1_048_576
_SECONDS: Final = 30.0
_HANDED_ON: Final = ("Content-Type", "Authorization")
_SANDBOX_SECONDS: Final = 3.0


@click.command()
@click.option("--forward-to", "target", metavar="URL", help="Post each there, and answer as it does. Default: 200.")
@click.option(
    "--events",
    multiple=True,
    type=click.Choice(list(SAMPLES)),
    metavar="EVENT",
    help="Hand on only this one; repeat it for more. The others are answered with 200.",
)
@click.option("--port", type=click.IntRange(0, 65_535), default=DEFAULT_PORT, help="0 picks a free one.")
@click.option("--no-sandbox", is_flag=True, help="Do not register at a sandbox.")
@click.option(
    "--sandbox",
    "url",
    envvar=URL_VARIABLE,
    show_envvar=True,
    metavar="URL",
    default=DEFAULT_URL,
    help="Where a sandbox may run, to register at.",
)
@json_option
@click.pass_context
def listen(
    context: click.Context,
    target: str | None,
    events: tuple[str, ...],
    port: int,
    no_sandbox: bool,
    url: str,
    as_json: bool,
) -> None:
    """Show notifications as they come, until Ctrl-C.

    It listens on this machine alone. While it does, a sandbox that runs posts to it, which it asks for; tilia trigger
    posts to it, too. Tilia itself reaches it through a tunnel of yours.

    With user:password in the variable TILIA_WEBHOOK_AUTH only deliveries with these credentials are taken.
    """
    is_wanted = context.get_parameter_source("url") is not ParameterSource.DEFAULT
    sandbox = None if no_sandbox else _SandboxUrl(url, is_wanted)
    asyncio.run(_serve(_Relay(target, frozenset(events), as_json), port, sandbox))


@attrs.frozen
class _SandboxUrl:
    """Place of a sandbox that may run.

    Attributes:
        is_wanted: somebody said so; that none answers is a failure then.
    """

    url: str
    is_wanted: bool


@asynccontextmanager
async def _registered(sandbox: _SandboxUrl | None, here: str) -> AsyncGenerator[None, None]:
    """Let a sandbox post to this place.

    Raises:
        CommandError: no sandbox answers where one was said to be.
    """
    if sandbox is None:
        yield
        return
    try:
        remote = RemoteSandbox(sandbox.url, timeout=_SANDBOX_SECONDS)
    except ValueError as error:
        raise CommandError(str(error), ExitStatus.USAGE) from None
    try:
        async with remote:
            # One that was killed has left its registration behind: nothing shall come twice.
            await remote.unregister_webhook(here)
            await remote.register_webhook(here, basic_auth=credentials())
    except ConfigurationError as error:
        raise CommandError(f"{AUTH_VARIABLE}: {error}", ExitStatus.USAGE) from None
    except ConnectionError as error:
        if sandbox.is_wanted:
            raise CommandError(str(error), ExitStatus.UNREACHABLE) from None
        complain(f"No sandbox runs at {sandbox.url}: a later one is told by tilia sandbox --webhook {here}")
        yield
        return
    complain(f"The sandbox at {sandbox.url} posts its notifications here.")
    try:
        yield
    finally:
        # If it ended first there is nothing to take back.
        with contextlib.suppress(ConnectionError):
            async with remote:
                await remote.unregister_webhook(here)


async def _serve(relay: _Relay, port: int, sandbox: _SandboxUrl | None) -> None:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_SECONDS)) as session:
        relay.session = session
        application = web.Application(client_max_size=_LARGEST)
        application.router.add_route("*", "/{anything:.*}", relay.taken)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", port)
            try:
                await site.start()
            except OSError as error:
                raise CommandError(f"cannot listen at port {port}: {error.strerror}") from None
            here = f"http://127.0.0.1:{runner.addresses[0][1]}/"
            complain(f"Listening at {here}{f', forwarding to {relay.target}' if relay.target else ''}; Ctrl-C ends.")
            if relay.proof is None:
                complain(f"Any program on this machine may post here; {AUTH_VARIABLE} asks for user:password.")
            async with _registered(sandbox, here):
                await _first_of(until_signal(), relay.reader_gone.wait())
        finally:
            await runner.cleanup()
    if relay.reader_gone.is_set():
        raise ClosedPipeError


async def _first_of(*waits: Coroutine[object, object, object]) -> None:
    tasks = [asyncio.ensure_future(each) for each in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@attrs.define(eq=False)
class _Relay:
    """A receiver that shows what comes and hands it on.

    Attributes:
        target: where to; None: nowhere.
        events: those that are handed on; empty: all.
        proof: the header that deliveries must have; None: none.
        reader_gone: set when nobody reads what is shown any more.
    """

    target: str | None
    events: Collection[str]
    as_json: bool
    proof: Secret | None = attrs.field(factory=authorization)
    session: aiohttp.ClientSession | None = None
    reader_gone: asyncio.Event = attrs.field(factory=asyncio.Event)

    async def taken(self, request: web.Request) -> web.Response:
        """Take one delivery, show it, and answer it."""
        started = perf_counter()
        # A page in a browser could post anything else without asking first.
        if request.method != "POST" or request.content_type != "application/json":
            return web.Response(status=405 if request.method != "POST" else 415)
        given = request.headers.get("Authorization", "").encode()
        if self.proof is not None and not hmac.compare_digest(given, self.proof.reveal().encode()):
            return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="tilia"'})
        body = await request.read()
        try:
            event = parse_event(body)
        except WebhookError as error:
            complain(f"tilia listen: {error}")
            return web.Response(status=400)
        is_wanted = not self.events or event.event_name in self.events
        status, outcome = 200, "taken" if self.target is None else "not handed on"
        if self.target is not None and is_wanted:
            status, outcome = await self._hand_on(self.target, request, body)
        elapsed = round((perf_counter() - started) * 1000)
        kind = None if isinstance(event, UnknownEvent) else type(event).__name__
        now = datetime.now(UTC)
        if self.as_json:
            line = {
                "received_at": now.isoformat().replace("+00:00", "Z"),
                "event_name": event.event_name,
                "type": kind,
                "outcome": outcome,
                "status": status,
                "milliseconds": elapsed,
                "message": dict(event.message),
            }
            self._show(shown_json(orjson.dumps(line).decode(), sys.stdout.encoding))
        else:
            entity = " ".join(event.entity[1:]) if event.entity else ""
            name, end = event.event_name or kind or "unknown", f"{status} {outcome}, {elapsed} ms"
            whole, columns = f"{now:%H:%M:%S}  {name}  {entity}  {end}", Screen().columns
            if columns is None or cell_len(whole) <= columns:
                self._show(whole)
            else:
                # So that no id is folded.
                self._show(f"{now:%H:%M:%S}  {name}  {end}")
                self._show(f"    {entity}")
        return web.Response(status=status)

    def _show(self, line: str) -> None:
        try:
            say(line)
        except ClosedPipeError:
            self.reader_gone.set()

    async def _hand_on(self, target: str, request: web.Request, body: bytes) -> tuple[int, str]:
        headers = {name: request.headers[name] for name in _HANDED_ON if name in request.headers}
        try:
            if self.session is None:
                raise RuntimeError("it does not serve yet")
            async with self.session.post(target, data=body, headers=headers, allow_redirects=False) as answer:
                return answer.status, "handed on"
        except (aiohttp.ClientError, TimeoutError) as error:
            complain(f"tilia listen: {target} gives no answer: {error or type(error).__name__}")
            return 502, "could not be handed on"
