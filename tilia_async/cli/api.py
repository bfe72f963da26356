"""``tilia api``: any operation, with the fields of Tilia's API."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from functools import partial
from typing import Final
from uuid import uuid4

import attrs
import click
from click.shell_completion import CompletionItem

from tilia_async.api import OPERATIONS
from tilia_async.cli.fields import as_text, read_fields
from tilia_async.cli.ledger_location import LedgerLocation
from tilia_async.cli.network import Network
from tilia_async.cli.operation_fields import fields_of_operation, write_fields
from tilia_async.cli.options import ledger_option, network_options
from tilia_async.cli.terminal import say_json
from tilia_async.client import TiliaClient
from tilia_async.config import Environment, RequestOptions, from_environment
from tilia_async.json_value import JsonValue
from tilia_async.secret import HiddenFields
from tilia_async.wire.field_checks import problems_of_request
from tilia_async.wire.operation import Operation, Repeat
from tilia_async.wire.redactor import Redactor
from tilia_async.wire.refusal import refuse
from tilia_async.wire.request import build

_REPEATS: Final = {
    Repeat.SAFE: "safe to repeat",
    Repeat.KEYED: "repeated only with one idempotency key",
    Repeat.NEVER: "never repeated by itself",
}


class OperationGroup(click.Group):
    """A group with a command for each declared operation."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all operations."""
        del ctx
        return list(OPERATIONS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Make the command of an operation."""
        operation = OPERATIONS.get(cmd_name)
        if operation is not None:
            return _command(operation)
        if similar := ", ".join(get_close_matches(cmd_name, OPERATIONS)):
            ctx.fail(f"there is no operation {cmd_name!r}; there is {similar}")
        return None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write a line for each operation, with its whole path."""
        del ctx
        with formatter.section("Operations"):
            rows = [(operation.name, _line(operation)) for operation in OPERATIONS.values()]
            # So narrow that no path is folded in 80 columns.
            formatter.write_dl(rows, col_max=24)


_HELP: Final = """Call any operation of Tilia's API.

The fields are those of the path, then of the query of what reads, and of the body of what writes. The answer is printed
as JSON, as Tilia gave it, with secrets masked.

\b
name=value   text
name:=json   a number, true, a list, an object
name=@file   the text of a file; @- is standard input. Secrets are given
             so: what is typed stands in the list of processes.
name:=@file  the JSON of a file

\b
tilia api invoices.create -h     lists the fields of one operation
tilia api accounts.get account_id=acct_2TiDFXHVFMlAuyy7ovvz3YPKv9b
tilia api token_exchanges.start_conversion amount:=500 currency=TOK \\
    account_id=acct_2TiDFXHVFMlAuyy7ovvz3YPKv9b
"""


@click.group(cls=OperationGroup, help=_HELP, no_args_is_help=True, subcommand_metavar="OPERATION [FIELD]...")
def api() -> None:
    """Call any operation of Tilia's API."""


class _OperationCommand(click.Command):
    """A command whose help has the operation's fields."""

    operation: Operation[object]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the fields before the options."""
        write_fields(self.operation, formatter)
        super().format_options(ctx, formatter)


@attrs.frozen
class _Fields:
    """The fields of a request, by their place in it."""

    path: Mapping[str, str]
    query: Mapping[str, str | int] | None
    body: HiddenFields[JsonValue] | None


def _command(operation: Operation[object]) -> click.Command:
    @click.command(operation.name, cls=_OperationCommand, help=_help(operation), short_help=_line(operation))
    @click.argument("given", nargs=-1, metavar="[FIELD]...", shell_complete=partial(_completed, operation))
    @click.option("--dry-run", is_flag=True, help="Check the request and print it; send nothing.")
    @click.option("--reveal", is_flag=True, help="Print secrets of the answer, too.")
    @click.option(
        "--idempotency-key", "key", metavar="UUID", help="One key stands for one effect; where Tilia takes it."
    )
    @click.option("--timeout", type=float, metavar="SECONDS", help="For the whole call.")
    @ledger_option
    @click.option("--json", "as_json", is_flag=True, help="Errors as JSON, too; answers always are.")
    @network_options
    def call(
        network: Network,
        given: tuple[str, ...],
        dry_run: bool,
        reveal: bool,
        key: str | None,
        timeout: float | None,
        ledger: LedgerLocation | None,
        as_json: bool,
    ) -> None:
        del as_json
        fields = _placed(operation, given)
        options = RequestOptions(timeout=timeout, idempotency_key=key)
        if dry_run:
            _show_request(operation, fields, options)
            return

        async def send(tilia: TiliaClient) -> JsonValue:
            answer = await tilia.send(
                operation, path=fields.path, query=fields.query, body=fields.body, options=options
            )
            return answer.payload

        payload = network.ask(send, ledger)
        say_json(payload if reveal else Redactor.of(()).json(payload))

    call.operation = operation
    return call


def _line(operation: Operation[object]) -> str:
    return f"{operation.method} {operation.path}"


def _help(operation: Operation[object]) -> str:
    facts = [f"At {operation.service}"]
    if operation.scopes:
        facts.append(f"scope {', '.join(sorted(operation.scopes))}")
    facts.append(_REPEATS[operation.repeat])
    text = f"{_line(operation)}\n\n{'; '.join(facts)}."
    if operation.evidence is not None:
        inferred = ", ".join(sorted(operation.evidence.inferred))
        text += f"\n\nInferred, not documented: {inferred}; {operation.evidence.note}."
    return text


def _completed(
    operation: Operation[object], ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    del param
    typed: tuple[str, ...] = ctx.params.get("given") or ()
    given = {each.partition("=")[0].rstrip(":") for each in typed}
    return [
        CompletionItem(each.typed)
        for each in fields_of_operation(operation)
        if each.typed.startswith(incomplete) and each.typed.rstrip(":=@") not in given
    ]


def _placed(operation: Operation[object], given: Iterable[str]) -> _Fields:
    values = read_fields(given)
    path = {name: as_text(values.pop(name)) for name in operation.parameters if name in values}
    if operation.reads:
        return _Fields(path, {name: as_text(value) for name, value in values.items()} or None, None)
    return _Fields(path, None, HiddenFields(values) if values else None)


def _show_request(operation: Operation[object], fields: _Fields, options: RequestOptions) -> None:
    environment = Environment.of(from_environment("TILIA_ENVIRONMENT").reveal())
    values = None if fields.body is None else fields.body.reveal()
    refuse(operation.name, problems_of_request(operation, fields.query, values))
    request = build(
        operation,
        environment,
        path=fields.path,
        query=fields.query,
        body=fields.body,
        options=options,
        # Another is made when it is sent.
        new_key=str(uuid4()) if operation.repeat is Repeat.KEYED else None,
    )
    body = None if values is None else Redactor.of(()).json(dict(values))
    say_json({"method": request.method, "url": request.url, "body": body, "scopes": sorted(operation.scopes)})
