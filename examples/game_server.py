"""A game server under fire: players come, register, buy tokens, leave in the middle of it, and some are banned.

Tilia is the embedded sandbox, in a process of its own, with faults on: connections drop before and after the work is
done, answers never come, servers fail, tokens are revoked. The game keeps a book of what it asked for, asks Tilia what
became of everything that it does not know for certain, and at the end the book has to agree with the wallets.

    python examples/game_server.py                  2,000 players
    python examples/game_server.py --players 100    a short form

Once a second it prints what goes on, with the lag of the event loop (how much later than asked a timer fires, beyond
what other processes took), open files and tasks. It ends with status 0 if the book agrees and nothing was left behind.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import multiprocessing
import random
import sys
from collections import Counter
from multiprocessing.connection import Connection
from pathlib import Path

import anyio
import attrs

from tilia_async import Limits, Money, RetryPolicy, TiliaClient, errors
from tilia_async.api import OPERATIONS
from tilia_async.sandbox import Fault, Sandbox

PRICE = Money(50, "TOK")
POCKET_MONEY = Money(10_000, "USD")
FAULTS = (
    ("accounts.register", Fault.DROP_AFTER_COMMIT),
    ("accounts.register", Fault.SERVER_ERROR_HTML),
    ("token_exchanges.start_purchase", Fault.DROP_BEFORE_COMMIT),
    ("token_exchanges.execute_purchase", Fault.DROP_BEFORE_COMMIT),
    ("token_exchanges.execute_purchase", Fault.DROP_AFTER_COMMIT),
    ("token_exchanges.execute_purchase", Fault.BAD_GATEWAY),
    ("token_exchanges.execute_purchase", Fault.HANG_AFTER_COMMIT),
    ("token_exchanges.execute_purchase", Fault.TRUNCATED_JSON),
    ("wallets.list", Fault.RATE_LIMITED),
    ("wallets.list", Fault.SLOW_BODY),
    ("accounts.block", Fault.DROP_AFTER_COMMIT),
    ("auth.token", Fault.TOKEN_OUTAGE),
)
MOST_PENDING = 8
TICKS_TO_REVOCATION = 300
CALM, STOP = "calm", "stop"


async def run_sandbox(pipe: Connection, seed: int, faults_a_second: float) -> None:
    """Tilia's side: pocket money for whoever registers, and faults, until the game asks for calm."""
    chance = random.Random(seed)
    async with Sandbox(wallet_delay=0.05, seed=seed) as sandbox:
        pipe.send((sandbox.environment.template, sandbox.client_id, sandbox.client_secret))
        known, raging, tick, ticks = 0, True, 0.01, 0
        while True:
            accounts = list(sandbox.accounts)
            for account_id in accounts[known:]:
                sandbox.fund(account_id, POCKET_MONEY)
            known = len(accounts)
            # Those that nothing meets for a while must not pile up.
            if raging and sandbox.faults.pending < MOST_PENDING and chance.random() < faults_a_second * tick:
                sandbox.faults.add(*chance.choice(FAULTS), seconds=0.05, retry_after=0)
            ticks += 1
            if raging and ticks % TICKS_TO_REVOCATION == 0:
                sandbox.revoke_tokens()
            await asyncio.sleep(tick)
            if pipe.poll():
                if pipe.recv() == STOP:
                    return
                raging = False
                sandbox.faults.clear()
                pipe.send(CALM)


def tilias_process(pipe: Connection, seed: int, faults_a_second: float) -> None:
    """Run what the other process runs.

    Ctrl-C is the game's to handle.
    """
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(run_sandbox(pipe, seed, faults_a_second))


@attrs.define
class Purchase:
    """A purchase in the game's book.

    Attributes:
        done: it is paid; None: nobody knows yet.
    """

    account_id: str
    token_exchange_id: str
    done: bool | None = None


@attrs.define
class LoopLag:
    """Delay of timers beyond what was asked, in milliseconds.

    Without the time in which other processes had the processor, where the system tells: that is not the loop's doing.
    """

    samples: list[float] = attrs.field(factory=list[float])

    async def watch(self, every: float = 0.005) -> None:
        loop = asyncio.get_running_loop()
        while True:
            asked, waited = loop.time() + every, waited_for_processor()
            await asyncio.sleep(every)
            late = loop.time() - asked
            self.samples.append(max(late - (waited_for_processor() - waited), 0.0) * 1000)

    def at(self, share: float) -> float:
        ordered = sorted(self.samples) or [0.0]
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


@attrs.define
class Game:
    """The server: players are tasks, and a player who leaves is a task that is cancelled."""

    tilia: TiliaClient
    chance: random.Random
    book: list[Purchase] = attrs.field(factory=list[Purchase])
    online: dict[str, str] = attrs.field(factory=dict[str, str])
    happened: Counter[str] = attrs.field(factory=Counter[str])
    banned: set[str] = attrs.field(factory=set[str])

    async def play(self, name: str) -> None:
        """Play one player's visit; a fifth of the players lose their connection somewhere in it."""
        stays = self.chance.uniform(0.001, 0.2) if self.chance.random() < 0.2 else 60.0
        with anyio.move_on_after(stays) as visit:
            try:
                await self.visit(name)
                self.happened["stayed"] += 1
            except errors.AccountBlockedError:
                self.happened["thrown out"] += 1
            except errors.TiliaError as error:
                self.happened[f"gave up after {type(error).__name__}"] += 1
        self.online.pop(name, None)
        if visit.cancelled_caught:
            self.happened["left in the middle"] += 1

    async def visit(self, name: str) -> None:
        self.happened["connected"] += 1
        account_id = await self.sign_in(name)
        self.online[name] = account_id
        wallets = await self.tilia.wallets.wait_until_ready(account_id)
        dollars = next(wallet for wallet in wallets if wallet.processing_currency == "USD")
        for _ in range(self.chance.randint(1, 3)):
            quote = await self.tilia.token_exchanges.start_purchase(dollars.id, PRICE)
            purchase = Purchase(account_id, quote.token_exchange_id)
            # Written down before it is sent, so that a player who leaves during the call is not forgotten.
            self.book.append(purchase)
            await self.pay(purchase)

    async def sign_in(self, name: str) -> str:
        """Register, or find out who registered under that name; a lost answer is asked about."""
        try:
            return (await self.tilia.accounts.get_or_register(name, email=f"{name}@mail.example")).account_id
        except errors.TiliaError as error:
            if error.took_effect is False:
                raise
            self.happened["unknown registrations"] += 1
            found = await self.tilia.reconcile(error)
            if not found.done:
                raise
        return (await self.tilia.accounts.find(name)).account_id

    async def pay(self, purchase: Purchase) -> None:
        try:
            await self.tilia.token_exchanges.execute_purchase(purchase.token_exchange_id)
            purchase.done = True
        except errors.TiliaError as error:
            purchase.done = error.took_effect
            if error.took_effect is False:
                raise
            self.happened["unknown purchases"] += 1

    async def settle(self) -> None:
        """Ask about all purchases of which nobody knows what became, also those whose players left during the call."""
        for purchase in self.book:
            if purchase.done is None:
                reference = {"token_exchange_id": purchase.token_exchange_id}
                found = await self.tilia.reconcile(OPERATIONS["token_exchanges.execute_purchase"], reference=reference)
                # A purchase is the game's own and is executed once, so it does not matter by which call.
                purchase.done = found.done
                self.happened[f"settled: {found.verdict.value}"] += 1

    async def moderate(self) -> None:
        """Ban somebody now and then, who may be in the middle of a purchase."""
        while True:
            await asyncio.sleep(0.02)
            if self.online:
                account_id = self.online[self.chance.choice(list(self.online))]
                with contextlib.suppress(errors.TiliaError):
                    await self.tilia.accounts.block(account_id, reason="bad language", actor="moderator")
                    self.banned.add(account_id)

    async def open_doors(self, players: int, a_second: float) -> None:
        async with anyio.create_task_group() as tasks:
            for number in range(players):
                tasks.start_soon(self.play, f"player-{number}")
                await asyncio.sleep(self.chance.expovariate(a_second))

    async def differences(self) -> list[str]:
        """Accounts of which the book and Tilia's wallets disagree."""
        bought = Counter(purchase.account_id for purchase in self.book if purchase.done)
        found: list[str] = []
        for account_id in {purchase.account_id for purchase in self.book}:
            wallets = await self.tilia.wallets.list(account_id)
            has = sum(wallet.wallet_balance or 0 for wallet in wallets if wallet.method_class == "standard")
            if has != bought[account_id] * PRICE.minor_units:
                found.append(f"{account_id} has {has} tokens and bought {bought[account_id]} times {PRICE.minor_units}")
        free = [account_id for account_id in self.banned if not await self.tilia.accounts.is_blocked(account_id)]
        return found + [f"{account_id} was banned and is not blocked" for account_id in free]


def waited_for_processor() -> float:
    """Seconds in which this thread could have run and others did; 0 where the system does not tell."""
    try:
        return int(Path("/proc/thread-self/schedstat").read_text().split()[1]) / 1e9
    except OSError:
        return 0.0


def open_files() -> int:
    """Sockets and files of this process; 0 where the system does not tell."""
    listing = Path("/proc/self/fd")
    return len(list(listing.iterdir())) if listing.is_dir() else 0


async def report(game: Game, lag: LoopLag) -> None:
    while True:
        await asyncio.sleep(1)
        print(line(game, lag), flush=True)


def line(game: Game, lag: LoopLag) -> str:
    done = sum(purchase.done is True for purchase in game.book)
    return (
        f"{game.happened['connected']:5,} came  {len(game.online):4} online  {done:5,} bought  "
        f"{len(game.banned):3} banned  {game.happened['unknown purchases']:3} unknown  "
        f"lag p50 {lag.at(0.5):4.1f} p99 {lag.at(0.99):4.1f} ms  "
        f"{open_files():3} files  {len(asyncio.all_tasks()):4} tasks"
    )


async def serve(options: argparse.Namespace, pipe: Connection) -> int:
    template, client_id, client_secret = await asyncio.to_thread(pipe.recv)
    lag, chance = LoopLag(), random.Random(options.seed)
    files, tasks = open_files(), len(asyncio.all_tasks())
    async with TiliaClient(
        client_id, client_secret, template, timeout=2.0, retry=RetryPolicy(attempts=4), limits=Limits(per_host=100)
    ) as tilia:
        game = Game(tilia, chance)
        async with anyio.create_task_group() as watching:
            for watch in (lag.watch, game.moderate):
                watching.start_soon(watch)
            watching.start_soon(report, game, lag)
            await game.open_doors(options.players, options.rate)
            watching.cancel_scope.cancel()
        pipe.send(CALM)
        await asyncio.to_thread(pipe.recv)
        await game.settle()
        differences = await game.differences()
    return conclude(game, lag, differences, (open_files() - files, len(asyncio.all_tasks()) - tasks))


def conclude(game: Game, lag: LoopLag, differences: list[str], left: tuple[int, int]) -> int:
    """Print what happened; 0 if all is well."""
    for what, number in sorted(game.happened.items()):
        print(f"  {number:6,} {what}")
    print(f"  {sum(purchase.done is True for purchase in game.book):6,} of {len(game.book):,} purchases paid")
    print(f"  {len(game.banned):6,} accounts banned")
    print(f"  loop lag: p50 {lag.at(0.5):.1f} ms, p99 {lag.at(0.99):.1f} ms, most {lag.at(1):.1f} ms")
    print(f"  left behind: {left[0]} files, {left[1]} tasks")
    for difference in differences:
        print(f"  WRONG: {difference}")
    good = not differences and left[1] <= 0 and left[0] <= 0
    print("The book and the wallets agree." if good else "Something is wrong.")
    return 0 if good else 1


def main() -> int:
    parser = argparse.ArgumentParser(description="A game server under fire, against the embedded sandbox.")
    parser.add_argument("--players", type=int, default=2_000, help="how many come (2000)")
    parser.add_argument("--rate", type=float, default=150.0, help="how many come in a second (150)")
    parser.add_argument("--faults", type=float, default=20.0, help="how many faults a second (20)")
    parser.add_argument("--seed", type=int, default=7, help="makes the choices of both sides repeatable (7)")
    options = parser.parse_args()
    # A write that is cut off is warned of; this game writes down each of them by itself, and settles it in the end.
    logging.getLogger("tilia_async.calls").setLevel(logging.ERROR)
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    tilia = spawn.Process(target=tilias_process, args=(theirs, options.seed, options.faults), daemon=True)
    tilia.start()
    try:
        return asyncio.run(serve(options, ours))
    except KeyboardInterrupt:
        print("stopped")
        return 130
    finally:
        with contextlib.suppress(OSError):
            ours.send(STOP)
        tilia.join(5)


if __name__ == "__main__":
    sys.exit(main())
