"""``tilia scopes``: what a token has to carry."""

from __future__ import annotations

import click

from tilia_async.api import OPERATIONS
from tilia_async.cli.options import json_option
from tilia_async.cli.output import show_rows


@click.command()
@click.argument("service", required=False)
@json_option
def scopes(service: str | None, as_json: bool) -> None:
    """List the scopes that each operation needs.

    Only of SERVICE, e.g. accounts, if it is given.
    """
    chosen = [each for each in OPERATIONS.values() if service is None or each.name.startswith(f"{service}.")]
    if not chosen:
        raise click.BadParameter(f"there is no service {service}", param_hint="SERVICE")
    rows = [
        {
            "operation": each.name,
            "scopes": ", ".join(sorted(each.scopes)),
            "inferred": "inferred" if each.evidence is not None and "scope" in each.evidence.inferred else "",
        }
        for each in chosen
    ]
    show_rows(rows, as_json=as_json)
