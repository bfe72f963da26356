"""The sandbox of the command, with a line per request."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import webbrowser
from collections.abc import Iterable
from typing import Final

import attrs

from tilia_async.cli.terminal import complain, say
from tilia_async.errors import ConfigurationError, InvalidRequestError
from tilia_async.sandbox import RecordedRequest, Sandbox

SECRET: Final = "sandbox-secret"  # noqa: S105 - everybody may know it: it opens a sandbox on this machine
"""The secret of each sandbox that the command runs.

The same at every start, so that settings that were copied stay right.
"""
PORT: Final = 8411


class OptionError(Exception):
    """A mistake in an option.

    Attributes:
        option: its name on the command line.
    """

    def __init__(self, option: str, why: str) -> None:
        super().__init__(why)
        self.option = option


@attrs.frozen
class SandboxOptions:
    """The options of ``tilia sandbox``.

    Attributes:
        port: 0: a free one is picked.
        accounts: how many there are from the start.
        webhooks: URLs that each notification is posted to.
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


async def serve(options: SandboxOptions) -> int:
    """Serve until SIGINT or SIGTERM.

    Returns:
        The exit status: 1 if the port is taken.

    Raises:
        OptionError: the sandbox does not take an option.
    """
    sandbox = _prepared(options)
    try:
        await sandbox.start()
    except ValueError as error:
        raise OptionError("--state", str(error)) from None
    except OSError as error:
        if error.filename is not None:
            raise OptionError("--state", f"cannot read {error.filename}: {error.strerror}") from None
        complain(f"tilia sandbox: cannot listen at port {options.port}: {error.strerror}")
        return 1
    try:
        # Lines that a shell can read: eval "$(tilia sandbox | head -n 3)" would be too clever, copying is not.
        say(f"export TILIA_CLIENT_ID={sandbox.client_id}")
        say(f"export TILIA_CLIENT_SECRET={sandbox.client_secret}")
        say(f"export TILIA_ENVIRONMENT='{sandbox.environment.template}'")
        page = f"{sandbox.url}/_sandbox/"
        complain(f"The sandbox runs at port {sandbox.port}; {page} shows it; Ctrl-C ends it.")
        if options.opens:
            await asyncio.to_thread(webbrowser.open, page)
        told = asyncio.create_task(_tell(sandbox))
        try:
            await _until_signal()
        finally:
            told.cancel()
            await asyncio.gather(told, return_exceptions=True)
    finally:
        status = await _end(sandbox)
    return status


async def _end(sandbox: Sandbox) -> int:
    try:
        await sandbox.aclose()
    except OSError as error:
        complain(f"tilia sandbox: the state is lost: cannot write {error.filename}: {error.strerror}")
        return 1
    return 0


def line_of(request: RecordedRequest) -> str:
    """Return the line about a request that is over."""
    status = "dropped" if request.dropped else request.status
    faults = [fault.name.lower() for fault in (request.fault, *request.lies) if fault is not None]
    milliseconds = 0.0 if request.elapsed is None else request.elapsed * 1000
    words = [
        request.time.strftime("%H:%M:%S.%f")[:-3],
        f"{status!s:7}",
        f"{milliseconds:8.1f} ms",
        f"{request.operation or '-':31}",
        f"{request.method} /{request.service}{request.path}",
        *([f"[{', '.join(faults)}]"] if faults else []),
    ]
    return "  ".join(words)


def _prepared(options: SandboxOptions) -> Sandbox:
    """Make the sandbox, which a reset will return to.

    Raises:
        OptionError: it does not take an option.
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
        raise OptionError("--allowed-host", str(error)) from None
    for number in range(1, options.accounts + 1):
        sandbox.add_account(f"user-{number}", f"user-{number}@mail.example")
    for url in options.webhooks:
        try:
            sandbox.register_webhook(url)
        except ConfigurationError as error:
            raise OptionError("--webhook", str(error)) from None
    _add_faults(sandbox, options.faults)
    return sandbox


def _add_faults(sandbox: Sandbox, faults: Iterable[str]) -> None:
    for given in faults:
        operation, _, rest = given.partition("=")
        fault, _, times = rest.partition(":")
        if times and times != "always" and not times.isdecimal():
            raise OptionError("--fault", f"{times!r} is neither a number of requests nor 'always'")
        try:
            sandbox.faults.add(operation, fault, None if times == "always" else int(times or 1))
        except InvalidRequestError as error:
            reasons = "; ".join(reason for texts in error.problems.values() for reason in texts)
            raise OptionError("--fault", f"{reasons}; it is like accounts.block=drop_after_commit:2") from None


async def _tell(sandbox: Sandbox) -> None:
    async for request in sandbox.follow():
        complain(line_of(request))


async def _until_signal() -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        # Windows has no signal handlers in the loop; there Ctrl-C cancels the task instead.
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, ended.set)
    with contextlib.suppress(asyncio.CancelledError):
        await ended.wait()
