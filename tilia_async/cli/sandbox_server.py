"""The sandbox of the command, with a line per request."""

from __future__ import annotations

import asyncio
import webbrowser
from collections.abc import Iterable
from typing import Final

import attrs
import click

from tilia_async.cli.failure import CommandError
from tilia_async.cli.signals import until_signal
from tilia_async.cli.terminal import Screen, complain, say
from tilia_async.cli.webhook_auth import credentials
from tilia_async.errors import ConfigurationError, InvalidRequestError
from tilia_async.sandbox import RecordedRequest, Sandbox

SECRET: Final = "sandbox-secret"  # noqa: S105 - everybody may know it: it opens a sandbox on this machine
"""The secret of each sandbox that the command runs.

The same at every start, so that settings that were copied stay right.
"""
PORT: Final = 8411


@attrs.frozen
class SandboxOptions:
    """The options of ``tilia sandbox``.

    Attributes:
        port: 0: a free one is picked.
        accounts: how many there are from the start.
        webhooks: URLs that each notification is posted to, with the credentials in ``TILIA_WEBHOOK_AUTH``.
        faults: ``operation=fault`` or ``operation=fault:times``.
        state: a file that the state is read from, if there is one, and kept in.
        opens: show it in a browser.
    """

    port: int = PORT
    seed: int = 7
    accounts: int = 0
    webhooks: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    allowed_hosts: tuple[str, ...] = ()
    state: str | None = None
    opens: bool = False


async def serve(options: SandboxOptions) -> None:
    """Serve until SIGINT or SIGTERM.

    Raises:
        CommandError: the port is taken, or the state cannot be written.
        BadParameter: the sandbox does not take an option.
    """
    sandbox = _prepared(options)
    try:
        await sandbox.start()
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--state") from None
    except OSError as error:
        if error.filename is not None:
            raise click.BadParameter(f"cannot read {error.filename}: {error.strerror}", param_hint="--state") from None
        raise CommandError(f"cannot listen at port {options.port}: {error.strerror}") from None
    try:
        # Lines that a shell can read: eval "$(tilia sandbox | head -n 3)" would be too clever, copying is not.
        say(f"export TILIA_CLIENT_ID={sandbox.client_id}")
        say(f"export TILIA_CLIENT_SECRET={sandbox.client_secret}")
        say(f"export TILIA_ENVIRONMENT='{sandbox.environment.template}'")
        page = f"{sandbox.url}/_sandbox/"
        complain(f"The sandbox runs at port {sandbox.port}; Ctrl-C ends it.")
        complain(f"A browser shows it at {page}")
        if options.opens:
            await asyncio.to_thread(webbrowser.open, page)
        telling = asyncio.create_task(_tell(sandbox))
        try:
            await until_signal()
        finally:
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)
    finally:
        await _end(sandbox)


async def _end(sandbox: Sandbox) -> None:
    try:
        await sandbox.aclose()
    except OSError as error:
        raise CommandError(f"the state is lost: cannot write {error.filename}: {error.strerror}") from None


def lines_of(request: RecordedRequest, width: int | None) -> list[str]:
    """Return what is said about a request that is over.

    Args:
        width: of the terminal, in columns: where one line is too long for it, method and path have one of their own,
            so that no id is folded. None: no terminal, and always one line.
    """
    status = "dropped" if request.dropped else request.status
    faults = [fault.name.lower() for fault in (request.fault, *request.lies) if fault is not None]
    milliseconds = 0.0 if request.elapsed is None else request.elapsed * 1000
    time, met = request.time.strftime("%H:%M:%S.%f")[:-3], [f"[{', '.join(faults)}]"] if faults else []
    head = [time, f"{status!s:7}", f"{milliseconds:8.1f} ms"]
    asked, operation = f"{request.method} /{request.service}{request.path}", request.operation or "-"
    line = "  ".join([*head, f"{operation:31}", asked, *met])
    if width is None or len(line) <= width:
        return [line]
    return ["  ".join([*head, operation, *met]), f"    {asked}"]


def _prepared(options: SandboxOptions) -> Sandbox:
    """Make the sandbox, which a reset will return to.

    Raises:
        BadParameter: it does not take an option.
    """
    try:
        sandbox = Sandbox(
            options.port,
            seed=options.seed,
            allowed_hosts=options.allowed_hosts,
            client_secret=SECRET,
            state_file=options.state,
        )
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--allowed-host") from None
    for number in range(1, options.accounts + 1):
        sandbox.add_account(f"user-{number}", f"user-{number}@mail.example")
    basic_auth = credentials()
    for url in options.webhooks:
        try:
            sandbox.register_webhook(url, basic_auth=basic_auth)
        except ConfigurationError as error:
            raise click.BadParameter(str(error), param_hint="--webhook") from None
    _add_faults(sandbox, options.faults)
    return sandbox


def _add_faults(sandbox: Sandbox, faults: Iterable[str]) -> None:
    for given in faults:
        operation, _, rest = given.partition("=")
        fault, _, times = rest.partition(":")
        if times and times != "always" and not times.isdecimal():
            raise click.BadParameter(f"{times!r} is neither a number of requests nor 'always'", param_hint="--fault")
        try:
            sandbox.faults.add(operation, fault, None if times == "always" else int(times or 1))
        except InvalidRequestError as error:
            reasons = "; ".join(reason for texts in error.problems.values() for reason in texts)
            raise click.BadParameter(
                f"{reasons}; it is like accounts.block=drop_after_commit:2", param_hint="--fault"
            ) from None


async def _tell(sandbox: Sandbox) -> None:
    screen = Screen(stderr=True)
    async for request in sandbox.follow():
        for line in lines_of(request, screen.columns):
            complain(line)
