"""Every operation meets every condition: at most one effect, the error that is true, in time, and no secret.

In the normal run pairs are chosen by a seed, which stands in the run's header: each condition with some operations, and
each write with some conditions. At night all are tried.
"""

from __future__ import annotations

import contextlib
import os
import random
import time
from collections import Counter

import pytest
from support.canaries import all_logs, places, search
from support.conditions import CONDITIONS, Condition, Expected
from support.counts import count
from support.effects import state_of
from support.machine_lag import Lag, machine_lag
from support.quick import QUICK
from support.scenes import PASSWORD, SCENES, Call, Stage

from tilia_async import RetryPolicy, Scope, TiliaClient, Verdict, errors
from tilia_async.api import OPERATIONS
from tilia_async.sandbox import Sandbox
from tilia_async.tokens import TokenCache

SLACK = 0.25
SEED = os.environ["TILIA_OUTCOMES_SEED"]
NETWORKS = ("warm", "fresh")
"""A connection that has served the token's request before, and one that has served none."""

ALL = [
    (name, condition, network)
    for name in OPERATIONS
    for condition in CONDITIONS
    for network in NETWORKS
    if condition.fits(OPERATIONS[name])
    if network == "warm" or not (condition.on_token or condition.lookup)
]


def sample() -> list[tuple[str, Condition, str]]:
    """Each condition meets a few operations and each operation a few conditions."""
    chance = random.Random(SEED)
    names, chosen = list(OPERATIONS), set[int]()
    places_of = {case: number for number, case in enumerate((n, c.name, w) for n, c, w in ALL)}
    for condition in CONDITIONS:
        fitting = [name for name in names if condition.fits(OPERATIONS[name])]
        for name in chance.sample(fitting, min(3, len(fitting))):
            network = "warm" if condition.on_token or condition.lookup else chance.choice(NETWORKS)
            chosen.add(places_of[name, condition.name, network])
    writing = [name for name in names if not OPERATIONS[name].reads]
    for name in writing:
        for condition in chance.sample([each for each in CONDITIONS if each.fits(OPERATIONS[name])], 2):
            chosen.add(places_of[name, condition.name, "warm"])
    for name in names:
        # What aiohttp would send again by itself, if it were let.
        if OPERATIONS[name].method in {"PUT", "DELETE"}:
            chosen |= {places_of[name, f"drop {when} commit, once", "warm"] for when in ("before", "after")}
    return [ALL[number] for number in sorted(chosen)]


def ids(case: tuple[str, Condition, str]) -> str:
    return f"{case[0]}-{case[1].name}-{case[2]}"


async def set_stage(sandbox: Sandbox, name: str) -> tuple[Call, Stage]:
    """Everything that the operation needs, done by a client of its own."""
    async with TiliaClient(
        sandbox.client_id, sandbox.client_secret, sandbox.environment, scopes=tuple(Scope), token_cache=TokenCache()
    ) as arranging:
        stage = Stage(sandbox, arranging)
        await stage.set()
        return await SCENES[name](stage), stage


async def do(call: Call, sandbox: Sandbox) -> None:
    """Call while nothing goes wrong."""
    async with TiliaClient(
        sandbox.client_id, sandbox.client_secret, sandbox.environment, token_cache=TokenCache()
    ) as tilia:
        await call(tilia)


State = Counter[tuple[object, ...]]


async def states(name: str) -> tuple[State, State, State]:
    """Before the operation, after it, and after it was done twice, when nothing goes wrong."""
    async with Sandbox(wallet_delay=0) as sandbox:
        call, _ = await set_stage(sandbox, name)
        found = [state_of(sandbox)]
        for _ in range(2):
            with contextlib.suppress(errors.TiliaError):
                await do(call, sandbox)
            found.append(state_of(sandbox))
        return found[0], found[1], found[2]


_STATES: dict[str, tuple[State, State, State]] = {}


async def effects(name: str, sandbox: Sandbox, *, before: int = 0) -> int | str:
    """Number of times that the operation took effect: 0, 1, or what is different.

    Args:
        before: how often it was done before the call.
    """
    if name not in _STATES:
        _STATES[name] = await states(name)
    none, once = _STATES[name][before : before + 2]
    now = state_of(sandbox)
    if now in (none, once):
        return 0 if now == none else 1
    return f"more or other than one effect: {sorted(map(str, (now - once) + (once - now)))}"


async def meet(name: str, condition: Condition, network: str) -> None:
    """Let an operation meet a condition."""
    operation = OPERATIONS[name]
    expected = condition.expected(operation)
    lookup = condition.lookup
    async with Sandbox(wallet_delay=0) as sandbox:
        call, stage = await set_stage(sandbox, name)
        if lookup is not None and lookup.twin:
            await do(call, sandbox)
        cache = TokenCache()
        credentials = sandbox.client_id, sandbox.client_secret
        if network == "fresh":
            async with TiliaClient(*credentials, sandbox.environment, token_cache=cache) as other:
                await other.access_token(operation.scopes)
        async with condition.surroundings(sandbox, operation) as (environment, session):
            if environment is not sandbox.environment and network == "fresh":
                # Tokens belong to the address that they were fetched at.
                async with TiliaClient(*credentials, environment, token_cache=cache, session=session) as other:
                    if operation.service != "auth":
                        await other.access_token(operation.scopes)
            condition.arrange(sandbox, operation)
            retry = QUICK if lookup is None else RetryPolicy(attempts=1)
            async with TiliaClient(
                *credentials, environment, token_cache=cache, retry=retry, timeout=condition.timeout, session=session
            ) as tilia:
                with all_logs() as logged, machine_lag() as lag:
                    started = time.monotonic()
                    failure = await outcome(call, tilia)
                    elapsed = time.monotonic() - started
                assert elapsed < condition.timeout + SLACK + lag.seconds
                found = await effects(name, sandbox, before=int(lookup is not None and lookup.twin))
                count("effects found", found if isinstance(found, int) and not operation.reads else 0)
                secrets = {sandbox.client_secret, PASSWORD, *sandbox._tokens._tokens}
                shown = [repr(sandbox), repr(sandbox.requests), repr(sandbox._handler), repr(tilia), repr(cache)]
                search(secrets, [*logged.texts, *shown, *(() if failure is None else places(failure))])
                if ran_out_of_time(failure, expected, condition, lag):
                    assert found == 0
                    return
                assert operation.reads or found in expected.effects, (found, failure)
                if failure is None:
                    assert expected.may_succeed, "it succeeded"
                    return
                assert type(failure) in expected.errors, failure.explain()
                assert (failure.took_effect, failure.operation) == (expected.took_effect, name), failure.explain()
                if not operation.reads:
                    await check_reconciliation(condition, stage, tilia, failure, int(found))


def ran_out_of_time(failure: errors.TiliaError | None, expected: Expected, condition: Condition, lag: Lag) -> bool:
    """Tell whether the machine took the call's time before anything of it was sent."""
    if not isinstance(failure, errors.DeadlineExceededError) or type(failure) in expected.errors:
        return False
    was_sent = failure.call is None or any(attempt.sent for attempt in failure.call.attempts)
    return failure.took_effect is False and not was_sent and lag.seconds > condition.timeout / 2


async def outcome(call: Call, tilia: TiliaClient) -> errors.TiliaError | None:
    try:
        await call(tilia)
    except errors.TiliaError as error:
        return error
    return None


async def check_reconciliation(
    condition: Condition, stage: Stage, tilia: TiliaClient, failure: errors.TiliaError, found: int
) -> None:
    """Check that it never says more than is true."""
    lookup = condition.lookup
    if lookup is None or not lookup.hides:
        stage.sandbox.faults.clear()
        if lookup is not None:
            lookup.arrange(stage.sandbox)
    count("reconciliations")
    try:
        told = await tilia.reconcile(failure, reference=stage.reference)
    except errors.TiliaError as error:
        assert lookup is not None, error.explain()
        assert failure.took_effect is None, error.explain()
        return
    if failure.took_effect is False:
        assert told.verdict is Verdict.NO_EFFECT, told
        return
    assert told.verdict in MAY_BE_TOLD[found], told
    if told.verdict is Verdict.NOT_SEEN and found:
        assert lookup is not None, told
        assert lookup.hides, told
        # Of refunds nobody can say when a look-up that sees nothing can be believed.
        of_refund = failure.operation is not None and failure.operation.startswith("refunds.")
        assert of_refund if told.decide_from is None else told.decide_from > told.checked_at, told
    assert told.reason
    if not found:
        assert not told.done or (lookup is not None and lookup.twin), "done, although nobody did it"
    if failure.operation in UNKNOWABLE:
        return
    if found and (lookup is None or lookup.shows):
        # What is there may be another call's as well, so it is shown.
        assert told.resource is not None or told.candidates or told.done, told
    if not found and lookup is None:
        assert told.verdict is Verdict.NOT_SEEN, "what is not there is not made up"


MAY_BE_TOLD = {
    1: {Verdict.TOOK_EFFECT, Verdict.CANNOT_BE_KNOWN, Verdict.NOT_SEEN},
    0: {Verdict.NOT_SEEN, Verdict.CANNOT_BE_KNOWN},
}
"""By the truth. What was done may be told as not seen only as long as the look-up hides it, and never finally."""
UNKNOWABLE = frozenset(
    {
        # Tilia has nothing that shows them.
        "auth.create_redirect", "auth.create_user_token", "registration.start", "registration.complete",
        "accounts.update", "wallets.create_custom", "payment_methods.update", "payment_methods.create_custom_wallet",
        "token_exchanges.start_purchase", "token_exchanges.start_conversion", "invoices.authorize",
        "compliance.onboard_entity",
    }
)  # fmt: skip


def test_the_sample_leaves_out_no_write_and_no_condition() -> None:
    assert set(SCENES) == set(OPERATIONS), "each operation has a scene"
    chosen = sample()
    assert {name for name, _, _ in chosen} >= {name for name in OPERATIONS if not OPERATIONS[name].reads}
    assert {condition for _, condition, _ in chosen} == set(CONDITIONS)


@pytest.mark.asyncio
@pytest.mark.parametrize("name", [name for name in OPERATIONS if not OPERATIONS[name].reads])
async def test_an_effect_can_be_distinguished_from_none_and_from_two(name: str) -> None:
    """Otherwise the matrix would be blind."""
    async with Sandbox(wallet_delay=0) as sandbox:
        call, _ = await set_stage(sandbox, name)
        async with TiliaClient(
            sandbox.client_id, sandbox.client_secret, sandbox.environment, token_cache=TokenCache()
        ) as tilia:
            assert await effects(name, sandbox) == 0
            assert await outcome(call, tilia) is None
            assert await effects(name, sandbox) == 1
            again = await outcome(call, tilia)
            if again is None and OPERATIONS[name].repeat.value != "safe" and name != "accounts.update":
                assert await effects(name, sandbox) not in (0, 1)
            else:
                assert await effects(name, sandbox) == 1


@pytest.mark.asyncio
@pytest.mark.parametrize("case", sample(), ids=ids)
async def test_a_call_that_goes_wrong(case: tuple[str, Condition, str]) -> None:
    count("operations × conditions")
    await meet(*case)


@pytest.mark.nightly
@pytest.mark.asyncio
@pytest.mark.parametrize("case", ALL, ids=ids)
async def test_every_call_that_goes_wrong(case: tuple[str, Condition, str]) -> None:
    count("operations × conditions")
    await meet(*case)
