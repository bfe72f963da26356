"""``tilia demo``: a game server's round trip.

It runs on an embedded Tilia.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from time import perf_counter

import anyio
import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

import tilia_sync
from tilia_async import errors
from tilia_async.cli.narrator import Narrator
from tilia_async.cli.terminal import Screen
from tilia_async.client import TiliaClient
from tilia_async.config import RetryPolicy
from tilia_async.money import Money
from tilia_async.sandbox import Fault, Sandbox
from tilia_async.scopes import Scope

_CONCURRENCY = 64
_REASON = "ban wave 7: chargeback fraud"


@click.command()
@click.option(
    "--accounts",
    "number",
    type=click.IntRange(1, 10_000),
    default=1000,
    help="How many accounts are blocked at the end.",
)
def demo(number: int) -> None:
    """Walk through the SDK on an embedded Tilia.

    Nothing leaves this machine.
    """
    asyncio.run(run(number))


async def run(accounts: int) -> None:
    """Walk through the SDK in both packages.

    Registration, wallets, blocking and many accounts at once.
    """
    started = perf_counter()
    # A file gets a fixed width, so that its lines do not depend on the terminal that the command was started in.
    console = Screen(width=None if sys.stdout.isatty() else 110)
    # A Windows console may know none of the marks; a question mark is better than no demo.
    reconfigure: Callable[..., None] | None = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="replace")
    tell = Narrator(console)
    console.print("Tilia SDK — a walk through the main job, on an embedded Tilia. Nothing leaves this machine.")
    async with Sandbox(wallet_delay=0.4) as sandbox:
        retry = RetryPolicy(initial=0.05)
        async with TiliaClient(sandbox.client_id, sandbox.client_secret, sandbox.environment, retry=retry) as tilia:
            await _token(tell, tilia, sandbox)
            await _registration(tell, tilia)
            account_id = await _accounts(tell, tilia)
            await _wallets(tell, tilia, sandbox, account_id)
            await _blocking(tell, tilia, sandbox, account_id)
            await _faults(tell, tilia, sandbox)
            await _many(tell, tilia, sandbox, accounts)
        tell.chapter("The same, without async")
        tell.say("tilia_sync has the same names; one background thread runs the event loop.")
        await asyncio.to_thread(_synchronously, tell, sandbox)
        tell.chapter("Done")
        tokens = sum(request.operation == "auth.token" for request in sandbox.requests)
        console.print(
            f"  {len(sandbox.requests):,} requests, {tokens} of them for tokens, in {perf_counter() - started:.1f} s."
        )
    tell.say("Next: tilia sandbox runs the embedded Tilia for programs of yours; see README.md.")


async def _token(tell: Narrator, tilia: TiliaClient, sandbox: Sandbox) -> None:
    tell.chapter("An access token")
    tell.say(
        "The SDK fetches tokens by itself, for the scopes that an operation needs. Asking for one is for the curious."
    )
    token = await tell.step("ask for a token", "auth.token", tilia.access_token([Scope.SEARCH_ACCOUNTS]))
    tell.result(f"{sorted(token.scopes)!r}, good for {token.lifetime:.0f} s; its text is never shown")
    wrong = TiliaClient(sandbox.client_id, "not-the-secret", sandbox.environment)
    async with wrong:
        await tell.refused(
            "ask with a wrong secret", "auth.token", wrong.access_token([Scope.USER_INFO]), errors.TokenError
        )


async def _registration(tell: Narrator, tilia: TiliaClient) -> None:
    tell.chapter("Register a user, in two steps")
    address = "david_gaimer@mail.example"
    await tell.refused(
        "a password that breaks Tilia's rules is not even sent",
        "registration.start",
        tilia.registration.start(address, "short", address),
        errors.InvalidRequestError,
    )
    started = await tell.step(
        "start the registration",
        "registration.start",
        tilia.registration.start(address, "J5Ks+%ML-Tx_/}Eb", address, tos=True),
    )
    tell.result(f"registration_id {started.registration_id}")
    completed = await tell.step(
        "complete it", "registration.complete", tilia.registration.complete(started.registration_id)
    )
    tell.result(f"account_id {completed.account_id}")


async def _accounts(tell: Narrator, tilia: TiliaClient) -> str:
    tell.chapter("Register a user, in one step")
    account = await tell.step(
        "register nyx", "accounts.register", tilia.accounts.register("nyx", email="nyx@mail.example")
    )
    tell.result(f"account_id {account.account_id}")
    taken = await tell.refused(
        "register nyx again",
        "accounts.register",
        tilia.accounts.register("nyx", email="nyx@mail.example"),
        errors.AccountExistsError,
    )
    if taken.account is not None:
        tell.result(f"the error carries the account that is there: {taken.account.account_id}")
    found = await tell.step("find nyx by name", "accounts.find", tilia.accounts.find("nyx"))
    tell.result(f"{found.email}, blocked: {found.is_blocked}")
    return account.account_id


async def _wallets(tell: Narrator, tilia: TiliaClient, sandbox: Sandbox, account_id: str) -> None:
    tell.chapter("See the wallets")
    tell.say("Tilia makes a new account's wallets in the background, so they take a moment to appear.")
    wallets = await tell.step("wait for them", "wallets.list", tilia.wallets.wait_until_ready(account_id, timeout=5))
    sandbox.fund(account_id, Money(2_500, "USD"))
    sandbox.fund(account_id, Money(12_000, "TOK"))
    for wallet in wallets:
        tell.result(f"{wallet.wallet_id}  {wallet.currency}  {wallet.method_class}")
    wallet_id = str(wallets[0].wallet_id)
    first = await tell.step("look one up", "wallets.get", tilia.wallets.get(wallet_id))
    tell.result(f"{first.description}, {first.current_balance} cents")
    balances = await tell.step("ask for the balances", "wallets.balances", tilia.wallets.balances(account_id))
    for currency, balance in balances.balances.items():
        if balance.spendable is not None:
            tell.result(f"{currency}: {balance.spendable.display} spendable")


async def _blocking(tell: Narrator, tilia: TiliaClient, sandbox: Sandbox, account_id: str) -> None:
    tell.chapter("Block an account")
    await tell.step("a way into Tilia's pages", "auth.create_redirect", tilia.auth.create_redirect(account_id))
    await tell.step("block nyx", "accounts.block", tilia.accounts.block(account_id, reason=_REASON))
    blocked = await tell.step("is nyx blocked?", "accounts.is_blocked", tilia.accounts.is_blocked(account_id))
    tell.result(str(blocked))
    await tell.refused(
        "the same way again",
        "auth.create_redirect",
        tilia.auth.create_redirect(account_id),
        errors.AccountBlockedError,
    )
    await tell.step("unblock nyx", "accounts.unblock", tilia.accounts.unblock(account_id, reason="appeal"))
    sandbox.block_as_tilia(account_id)
    await tell.refused(
        "lift a block that Tilia placed", "accounts.unblock", tilia.accounts.unblock(account_id), errors.ForbiddenError
    )


async def _faults(tell: Narrator, tilia: TiliaClient, sandbox: Sandbox) -> None:
    tell.chapter("When things go wrong")
    sandbox.clock.advance(3600)
    tell.say("An hour passes: the token is expired. One new token, one more try.")
    nyx = await tell.step("find nyx", "accounts.find", tilia.accounts.find("nyx"))
    sandbox.faults.add("accounts.block", Fault.SERVER_ERROR_EMPTY, times=2)
    tell.say("Tilia answers 500, twice. Blocking twice blocks once, so the SDK tries again.")
    await tell.step("block nyx", "accounts.block", tilia.accounts.block(nyx.account_id))
    sandbox.faults.add("accounts.register", Fault.DROP_AFTER_COMMIT)
    tell.say(
        "The connection drops after Tilia registered the user. Registering again could be wrong, so the SDK does not."
    )
    lost = await tell.refused(
        "register rook",
        "accounts.register",
        tilia.accounts.register("rook", email="rook@mail.example"),
        errors.OutcomeUnknownError,
    )
    found = await tell.step("ask Tilia what became of it", "accounts.find", tilia.reconcile(lost))
    tell.result(f"{found.verdict.value}, and done: {found.reason}" if found.done else found.reason)


async def _many(tell: Narrator, tilia: TiliaClient, sandbox: Sandbox, count: int) -> None:
    tell.chapter(f"Block {count:,} accounts")
    tell.say(f"At most {_CONCURRENCY} at a time, over one token; slower by itself when Tilia asks for less.")
    if _has_ledger():
        tell.say(
            "With TiliaClient(..., ledger=BlockLedger.open('sqlite:///blocks.db')) each block is on record "
            "before it is sent, and a job that is cut off goes on where it stopped."
        )
    columns = (TextColumn("  {task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=tell.console) as progress:
        account_ids = await _register(tilia, count, progress)
        bar = progress.add_task("block", total=count)
        report = await tilia.bulk.block(
            account_ids,
            _REASON,
            concurrency=_CONCURRENCY,
            on_progress=lambda so_far: progress.update(bar, completed=so_far.total),
        )
    blocked = sum(sandbox.accounts[account_id].is_blocked for account_id in account_ids)
    tell.result(f"{blocked:,} of {count:,} are blocked, {report.total / report.elapsed:,.0f} in a second")


async def _register(tilia: TiliaClient, count: int, progress: Progress) -> list[str]:
    bar = progress.add_task("register", total=count)
    account_ids: list[str] = []
    numbers = iter(range(count))

    async def worker() -> None:
        for number in numbers:
            account = await tilia.accounts.register(f"bot-{number}", email=f"bot-{number}@mail.example")
            account_ids.append(account.account_id)
            progress.advance(bar)

    async with anyio.create_task_group() as group:
        for _ in range(min(_CONCURRENCY, count)):
            group.start_soon(worker)
    return account_ids


def _has_ledger() -> bool:
    return all(find_spec(name) is not None for name in ("sqlalchemy", "aiosqlite"))


def _synchronously(tell: Narrator, sandbox: Sandbox) -> None:
    with tilia_sync.TiliaClient(sandbox.client_id, sandbox.client_secret, sandbox.environment) as tilia:
        account = tell.step_sync(
            "register vex", "accounts.register", lambda: tilia.accounts.register("vex", email="vex@mail.example")
        )
        tell.result(f"account_id {account.account_id}")
        tell.step_sync("block vex", "accounts.block", lambda: tilia.accounts.block(account.account_id, reason=_REASON))
        found = tell.step_sync("find vex", "accounts.find", lambda: tilia.accounts.find("vex"))
        tell.result(f"blocked: {found.is_blocked}")

        def register(name: str) -> None:
            tilia.accounts.register(name, email=f"{name}@mail.example")

        names = [f"thread-{number}" for number in range(32)]
        started = perf_counter()
        with ThreadPoolExecutor(8) as threads:
            registered = list(threads.map(register, names))
        tell.result(
            f"{len(registered)} users registered from 8 threads over one client, "
            f"{len(names) / (perf_counter() - started):,.0f} in a second"
        )
