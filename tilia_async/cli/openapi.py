"""``tilia openapi``: the API as a document for other tools."""

from __future__ import annotations

import json

import click

from tilia_async.cli.output_file import STANDARD_OUTPUT, wanted_file
from tilia_async.openapi import document


@click.command()
@click.option("--output", metavar="FILE", default=STANDARD_OUTPUT, help="Write it here instead of to the terminal.")
@click.option(
    "--environment",
    metavar="NAME|URL",
    help="Its servers: staging, production, or a URL with {service} in it. Default: both of Tilia's.",
)
def openapi(output: str, environment: str | None) -> None:
    """Print Tilia's API as an OpenAPI 3.1 document.

    It is written from the SDK's own declarations; what they only infer is marked.
    """
    # In ASCII: whatever the encoding of the terminal or the reader, it is the same document.
    text = json.dumps(document(environment), indent=1)
    with wanted_file(output) as out:
        out.write(f"{text}\n")
