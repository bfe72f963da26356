"""The commands."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from tilia_async.cli import demo as demo_module
from tilia_async.cli import sandbox as sandbox_module

app = typer.Typer(
    name="tilia",
    help="Tilia Pay from the command line.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.command()
def demo(
    accounts: Annotated[int, typer.Option(min=1, max=10_000, help="How many accounts are blocked at the end.")] = 1000,
) -> None:
    """Walk through the SDK on an embedded Tilia; nothing leaves this machine."""
    asyncio.run(demo_module.run(accounts))


@app.command()
def sandbox(
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0 picks a free one.")] = 8411,
    seed: Annotated[int, typer.Option(help="The same seed makes the same ids.")] = 7,
) -> None:
    """Run an embedded Tilia until Ctrl-C, and print the settings that lead to it."""
    raise typer.Exit(asyncio.run(sandbox_module.run(port, seed)))
