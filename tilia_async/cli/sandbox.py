"""``tilia sandbox``: an embedded Tilia, run and steered."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import click

from tilia_async.cli import sandbox_control as control
from tilia_async.cli.decorator import Decorator
from tilia_async.cli.options import account_argument, json_option
from tilia_async.cli.sandbox_server import PORT, SandboxOptions, serve
from tilia_async.cli.webhook_auth import AUTH_VARIABLE
from tilia_async.models.compliance import KycState
from tilia_async.money import Money
from tilia_async.sandbox import RemoteSandbox
from tilia_async.sandbox.control_client import DEFAULT_URL

url_option: Decorator = click.option(
    "--url", envvar=control.URL_VARIABLE, show_envvar=True, default=DEFAULT_URL, help="Where the sandbox runs."
)


def _ask(url: str, question: Callable[[RemoteSandbox], Awaitable[None]]) -> None:
    asyncio.run(control.ask(url, question))


@click.group(invoke_without_command=True)
@click.option("--port", type=click.IntRange(0, 65_535), default=PORT, help="0 picks a free one.")
@click.option("--seed", type=int, default=7, help="The same seed makes the same ids.")
@click.option(
    "--accounts", type=click.IntRange(0, 100_000), default=0, help="How many accounts there are at the start."
)
@click.option(
    "--webhook",
    "webhooks",
    multiple=True,
    metavar="URL",
    help=f"Post notifications there; repeat it for more. Credentials are user:password in {AUTH_VARIABLE}.",
)
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="OPERATION=FAULT[:TIMES]",
    help="Let requests go wrong, e.g. accounts.block=drop_after_commit:2, or :always; repeat it for more.",
)
@click.option("--state", metavar="FILE", help="Begin with the state in it, if there is one, and keep it there.")
@click.option("--open", "opens", is_flag=True, help="Show what happens, in a browser.")
@click.option(
    "--allowed-host",
    "allowed_hosts",
    multiple=True,
    metavar="NAME",
    help="A name by which clients reach it beside localhost, e.g. host.docker.internal; repeat it for more.",
)
@click.pass_context
def sandbox(
    context: click.Context,
    port: int,
    seed: int,
    accounts: int,
    webhooks: tuple[str, ...],
    faults: tuple[str, ...],
    state: str | None,
    opens: bool,
    allowed_hosts: tuple[str, ...],
) -> None:
    """Run an embedded Tilia until Ctrl-C, or steer one.

    Prints the settings that lead to it, the same at every start, and a line for each request.
    """
    if context.invoked_subcommand is None:
        options = SandboxOptions(
            port=port,
            seed=seed,
            accounts=accounts,
            webhooks=webhooks,
            faults=faults,
            allowed_hosts=allowed_hosts,
            state=state,
            opens=opens,
        )
        asyncio.run(serve(options))


@sandbox.command("requests")
@click.option("--operation", metavar="OPERATION", help="Only of this one, e.g. accounts.block.")
@click.option("--limit", type=click.IntRange(0), default=50, help="How many of the last ones.")
@click.option("--follow", "-f", is_flag=True, help="And those that come, until Ctrl-C.")
@url_option
@json_option
def show_requests(operation: str | None, limit: int, follow: bool, url: str, as_json: bool) -> None:
    """List what arrived, and what became of it."""
    _ask(
        url,
        lambda remote: control.requests(remote, operation=operation, limit=limit, follow=follow, as_json=as_json),
    )


@sandbox.command("fault")
@click.argument("operation", required=False)
@click.argument("fault", required=False)
@click.option("--times", type=click.IntRange(1), default=1, help="How many requests meet it.")
@click.option("--always", is_flag=True, help="All requests meet it.")
@click.option("--seconds", type=float, help="Of latency, or what else the fault says.")
@click.option("--clear", is_flag=True, help="Forget all faults that wait.")
@url_option
@json_option
def change_faults(
    operation: str | None,
    fault: str | None,
    times: int,
    always: bool,
    seconds: float | None,
    clear: bool,
    url: str,
    as_json: bool,
) -> None:
    """Let requests go wrong, or list the faults that wait.

    tilia sandbox fault accounts.block drop_after_commit
    """
    if (clear and operation is not None) or (operation is not None and fault is None):
        raise click.UsageError("it takes an operation and a fault, or --clear alone")
    number = None if always else times
    if clear:
        _ask(url, lambda remote: control.clear_faults(remote, as_json=as_json))
    elif operation is None or fault is None:
        _ask(url, lambda remote: control.faults(remote, as_json=as_json))
    else:
        _ask(
            url,
            lambda remote: control.add_fault(remote, operation, fault, times=number, seconds=seconds, as_json=as_json),
        )


@sandbox.command()
@click.argument("time")
@url_option
@json_option
def advance(time: str, url: str, as_json: bool) -> None:
    """Put the sandbox's clock forward.

    TIME is in seconds, or has a unit: 30min, 1h, 2d.
    """
    _ask(url, lambda remote: control.advance(remote, time, as_json=as_json))


def _minor_units(ctx: click.Context, param: click.Parameter, value: str) -> int:
    """Read an amount in the smallest unit."""
    if value.isascii() and value.isdigit():
        return int(value)
    why = f"{value!r} is no whole number of the smallest unit"
    whole, point, cents = value.replace(",", ".").partition(".")
    if point and f"{whole}{cents}".isdigit():
        why += f": {whole}.{cents} USD are {int(whole or 0) * 100 + int(cents[:2].ljust(2, '0'))}"
    raise click.BadParameter(why, ctx, param)


@sandbox.command()
@account_argument
@click.argument("amount", callback=_minor_units)
@click.argument("currency", default="USD")
@click.option("--wallet", metavar="KIND", help="registration, standard or convertible.")
@url_option
@json_option
def fund(account_id: str, amount: int, currency: str, wallet: str | None, url: str, as_json: bool) -> None:
    """Put money or tokens into an account's wallet.

    AMOUNT is in the smallest unit: 1250 USD are 12.50.
    """
    _ask(url, lambda remote: control.fund(remote, account_id, Money(amount, currency), wallet, as_json=as_json))


@sandbox.command()
@account_argument
@click.argument("state", default=KycState.ACCEPT.value)
@click.option("--pii-level", metavar="LEVEL", help="FULL, BASIC or NONE.")
@url_option
@json_option
def kyc(account_id: str, state: str, pii_level: str | None, url: str, as_json: bool) -> None:
    """Decide about a user's data, as Tilia does."""
    _ask(url, lambda remote: control.kyc(remote, account_id, state, pii_level, as_json=as_json))


@sandbox.command()
@click.argument("event_name", metavar="EVENT")
@click.option("--account", "account_id", metavar="ACCOUNT", help="Whose; default: a new account's.")
@click.option("--message", metavar="JSON", help="Notify this message as it is; nothing is done.")
@url_option
@json_option
def trigger(event_name: str, account_id: str | None, message: str | None, url: str, as_json: bool) -> None:
    """Bring an event about, so that it is notified.

    The deed is done: a block, a purchase, a payout. tilia trigger posts a notification without one.
    """
    del as_json  # It is JSON in any case; the option is for failures.
    _ask(url, lambda remote: control.trigger(remote, event_name, account_id, message))


@sandbox.command()
@url_option
@json_option
def reset(url: str, as_json: bool) -> None:
    """Return the sandbox to how it was when it started."""
    del as_json  # It prints nothing; the option is for failures.
    _ask(url, control.reset)
