"""``tilia sandbox``: the embedded Tilia by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import click

from tilia_async.cli.failure import CommandError
from tilia_async.cli.signals import until_signal
from tilia_async.cli.terminal import complain, say
from tilia_async.sandbox import Sandbox


@click.command()
@click.option("--port", type=click.IntRange(0, 65_535), default=8411, help="0 picks a free one.")
@click.option("--seed", type=int, default=7, help="The same seed makes the same ids.")
@click.option(
    "--allowed-host",
    "allowed_hosts",
    multiple=True,
    metavar="NAME",
    help="A name by which clients reach it beside localhost, e.g. host.docker.internal; repeat it for more.",
)
def sandbox(port: int, seed: int, allowed_hosts: tuple[str, ...]) -> None:
    """Run an embedded Tilia until Ctrl-C.

    Prints the settings that lead to it.
    """
    asyncio.run(run(port, seed, allowed_hosts))


async def run(port: int, seed: int, allowed_hosts: Iterable[str] = ()) -> None:
    """Serve until SIGINT or SIGTERM.

    Raises:
        CommandError: the port is taken.
    """
    try:
        served = Sandbox(port, seed=seed, allowed_hosts=allowed_hosts)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--allowed-host") from None
    try:
        await served.start()
    except OSError as error:
        raise CommandError(f"cannot listen at port {port}: {error.strerror}") from None
    try:
        # Lines that a shell can read: eval "$(tilia sandbox | head -n 3)" would be too clever, copying is not.
        say(f"export TILIA_CLIENT_ID={served.client_id}")
        say(f"export TILIA_CLIENT_SECRET={served.client_secret}")
        say(f"export TILIA_ENVIRONMENT='{served.environment.template}'")
        complain(f"The sandbox runs at port {served.port}; Ctrl-C ends it.")
        await until_signal()
    finally:
        await served.aclose()
