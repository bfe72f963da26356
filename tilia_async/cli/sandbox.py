"""``tilia sandbox``: an embedded Tilia, run and steered."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, Concatenate, ParamSpec

import typer

from tilia_async.cli import sandbox_control, sandbox_server
from tilia_async.cli.sandbox_server import OptionError, SandboxOptions
from tilia_async.models.compliance import KycState
from tilia_async.money import Money
from tilia_async.sandbox import RemoteSandbox
from tilia_async.sandbox.control_client import DEFAULT_URL

P = ParamSpec("P")

sandbox: typer.Typer = typer.Typer(
    help="Run an embedded Tilia until Ctrl-C, or steer one.", invoke_without_command=True
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Url = Annotated[
    str, typer.Option(envvar=sandbox_control.URL_VARIABLE, show_envvar=True, help="Where the sandbox runs.")
]
AccountId = Annotated[str, typer.Argument(metavar="ACCOUNT", help="The account's id.")]


def _ask(
    url: str,
    question: Callable[Concatenate[RemoteSandbox, P], Awaitable[None]],
    *args: P.args,
    **kwargs: P.kwargs,
) -> None:
    raise typer.Exit(sandbox_control.ask(url, lambda remote: question(remote, *args, **kwargs)))


@sandbox.callback()
def run(
    context: typer.Context,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0 picks a free one.")] = sandbox_server.PORT,
    seed: Annotated[int, typer.Option(help="The same seed makes the same ids.")] = 7,
    accounts: Annotated[int, typer.Option(min=0, max=100_000, help="How many accounts there are at the start.")] = 0,
    webhook: Annotated[
        list[str] | None, typer.Option(metavar="URL", help="Post notifications there; repeat it for more.")
    ] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            metavar="OPERATION=FAULT[:TIMES]",
            help="Let requests go wrong, e.g. accounts.block=drop_after_commit:2, or :always; repeat it for more.",
        ),
    ] = None,
    state: Annotated[
        str | None, typer.Option(metavar="FILE", help="Begin with the state in it, if there is one, and keep it there.")
    ] = None,
    open_page: Annotated[bool, typer.Option("--open", help="Show what happens, in a browser.")] = False,
    allowed_host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A name by which clients reach it beside localhost, e.g. host.docker.internal; repeat it for more.",
        ),
    ] = None,
) -> None:
    """Run an embedded Tilia until Ctrl-C, or steer one.

    Prints the settings that lead to it, the same at every start, and a line for each request.
    """
    if context.invoked_subcommand is not None:
        return
    options = SandboxOptions(
        port=port,
        seed=seed,
        accounts=accounts,
        webhooks=tuple(webhook or ()),
        faults=tuple(fault or ()),
        allowed_hosts=tuple(allowed_host or ()),
        state=state,
        opens=open_page,
    )
    try:
        status = asyncio.run(sandbox_server.serve(options))
    except OptionError as error:
        raise typer.BadParameter(str(error), param_hint=error.option) from None
    raise typer.Exit(status)


@sandbox.command("requests")
def show_requests(
    operation: Annotated[str | None, typer.Option(help="Only of this one, e.g. accounts.block.")] = None,
    limit: Annotated[int, typer.Option(min=0, help="How many of the last ones.")] = 50,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="And those that come, until Ctrl-C.")] = False,
    url: Url = DEFAULT_URL,
    json: Json = False,
) -> None:
    """List what arrived, and what became of it."""
    _ask(url, sandbox_control.requests, operation=operation, limit=limit, follow=follow, as_json=json)


@sandbox.command("fault")
def change_faults(
    operation: Annotated[str | None, typer.Argument(help="E.g. accounts.block; * for all.")] = None,
    fault: Annotated[str | None, typer.Argument(help="E.g. drop_after_commit.")] = None,
    times: Annotated[int, typer.Option(min=1, help="How many requests meet it.")] = 1,
    always: Annotated[bool, typer.Option("--always", help="All requests meet it.")] = False,
    seconds: Annotated[float | None, typer.Option(help="Of latency, or what else the fault says.")] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Forget all faults that wait.")] = False,
    url: Url = DEFAULT_URL,
    json: Json = False,
) -> None:
    """Let requests go wrong, or list the faults that wait."""
    if clear and operation is None:
        _ask(url, sandbox_control.clear_faults, as_json=json)
    if clear or (operation is not None and fault is None):
        raise typer.BadParameter("it takes an operation and a fault, or --clear alone")
    if operation is None or fault is None:
        _ask(url, sandbox_control.faults, as_json=json)
        return
    number = None if always else times
    _ask(url, sandbox_control.add_fault, operation, fault, times=number, seconds=seconds, as_json=json)


@sandbox.command()
def advance(
    time: Annotated[str, typer.Argument(help="Seconds, or e.g. 30min, 1h, 2d.")],
    url: Url = DEFAULT_URL,
    json: Json = False,
) -> None:
    """Put the sandbox's clock forward."""
    _ask(url, sandbox_control.advance, time, as_json=json)


@sandbox.command()
def fund(
    account_id: AccountId,
    amount: Annotated[int, typer.Argument(min=0, help="In the smallest unit: 1250 USD are 12.50.")],
    currency: Annotated[str, typer.Argument(help="USD, or your token.")] = "USD",
    wallet: Annotated[str | None, typer.Option(help="registration, standard or convertible.")] = None,
    url: Url = DEFAULT_URL,
    json: Json = False,
) -> None:
    """Put money or tokens into an account's wallet."""
    _ask(url, sandbox_control.fund, account_id, Money(amount, currency), wallet, as_json=json)


@sandbox.command()
def kyc(
    account_id: AccountId,
    state: Annotated[str, typer.Argument(help="What Tilia decides.")] = KycState.ACCEPT.value,
    pii_level: Annotated[str | None, typer.Option(help="FULL, BASIC or NONE.")] = None,
    url: Url = DEFAULT_URL,
    json: Json = False,
) -> None:
    """Decide about a user's data, as Tilia does."""
    _ask(url, sandbox_control.kyc, account_id, state, pii_level, as_json=json)


@sandbox.command()
def trigger(
    event_name: Annotated[str, typer.Argument(metavar="EVENT", help="E.g. account-block-unblock-webhook.")],
    account_id: Annotated[str | None, typer.Option("--account", help="Whose; default: a new account's.")] = None,
    message: Annotated[
        str | None, typer.Option(metavar="JSON", help="Notify this message as it is; nothing is done.")
    ] = None,
    url: Url = DEFAULT_URL,
) -> None:
    """Bring an event about, so that it is notified."""
    _ask(url, sandbox_control.trigger, event_name, account_id, message)


@sandbox.command()
def reset(url: Url = DEFAULT_URL) -> None:
    """Return the sandbox to how it was when it started."""
    _ask(url, sandbox_control.reset)
