"""``tilia verify``: the declarations against Tilia itself."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Final

import click

from tilia_async.cli.network import Network
from tilia_async.cli.options import json_option, network_options
from tilia_async.cli.output_file import STANDARD_OUTPUT, wanted_file
from tilia_async.verify import VerifyReport, verify

_DIFFERS: Final = 1


@click.command("verify")
@click.option("--account", metavar="ACCOUNT", help="An account to read. Without one, only paths and scopes are tried.")
@click.option(
    "--writes", is_flag=True, help="Also try writes that move no money, for an account of their own that stays there."
)
@click.option("--confirm", metavar="ENVIRONMENT", help="Write elsewhere than on staging or this machine: its name.")
@click.option("--operations", metavar="FILE", help="Corrections to try, as --corrections wrote them.")
@click.option("--output", metavar="FILE", default=STANDARD_OUTPUT, help="The report: .md, .json, or text.")
@click.option("--corrections", metavar="FILE", help="Write what works instead of what is declared, in TOML.")
@network_options
@json_option
def verify_command(
    network: Network,
    *,
    account: str | None,
    writes: bool,
    confirm: str | None,
    operations: str | None,
    output: str,
    corrections: str | None,
    as_json: bool,
) -> int:
    """Check what the SDK knows of Tilia against Tilia.

    Each fact of each operation holds, differs, or was not tried and why. It only reads, and never moves money. The
    report holds no ids, addresses or secrets. Exit status 1: something differs.
    """

    async def checked() -> VerifyReport:
        async with network.client(operations=operations) as tilia:
            return await verify(tilia, account, writes=writes, confirm=confirm)

    with wanted_file(output) as out, nullcontext() if corrections is None else wanted_file(corrections) as corrected:
        report = asyncio.run(checked())
        texts: Mapping[str, str] = {".md": report.to_markdown(), ".json": f"{report.to_json()}\n"}
        out.write(texts[".json"] if as_json else texts.get(Path(output).suffix, report.to_text()))
        if corrected is not None:
            corrected.write(report.corrections_toml())
    return _DIFFERS if report.differences else 0
