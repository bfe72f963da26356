"""``tilia token``: an access token, for other programs."""

from __future__ import annotations

import click

from tilia_async.cli.network import Network
from tilia_async.cli.options import json_option, network_options
from tilia_async.cli.output import Cell, show_fields


@click.command()
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    metavar="NAME",
    help="A scope that the token has to carry; repeat it for more.",
)
@click.option("--reveal", is_flag=True, help="Print the token itself.")
@json_option
@network_options
def token(network: Network, scopes: tuple[str, ...], reveal: bool, as_json: bool) -> None:
    """Fetch an access token."""
    fetched = network.ask(lambda tilia: tilia.access_token(scopes))
    row: dict[str, Cell] = {
        "scopes": sorted(fetched.scopes),
        "expires_at": fetched.expires_at,
        "lifetime": fetched.lifetime,
    }
    if reveal:
        row["access_token"] = fetched.value
    show_fields(row, as_json=as_json)
