"""The rules of whose fault a 401 is, alone, on a clock that the test holds in its hand."""

from collections.abc import Sequence

import pytest

from tilia_async import errors
from tilia_async.bulk.token_probe import (
    ENOUGH_TO_PROBE,
    LONELY_SECONDS,
    MOST_REFUSED,
    WITNESS_SECONDS,
    Probe,
    Step,
    Stop,
    TokenProbe,
    Wait,
)
from tilia_async.bulk.work_item import WorkItem

OLD, NEW = 1, 2
REFUSAL = errors.UnauthorizedError()


def account(name: str, generation: int = OLD) -> WorkItem:
    work = WorkItem(name)
    work.generation = generation
    work.failure = REFUSAL
    return work


def refuse(probe: TokenProbe, *works: WorkItem, now: float, failure: errors.UnauthorizedError = REFUSAL) -> None:
    for work in works:
        probe.refused(work, failure, now)


def several(number: int) -> Sequence[WorkItem]:
    return [account(f"acct_{each}") for each in range(number)]


def step(probe: TokenProbe, now: float, *, alone: bool = False, more: bool = True) -> Step | None:
    return probe.next_step(now, only_suspects_left=alone, more_may_come=more)


def test_a_refusal_is_the_accounts_own_if_the_same_token_serves_a_later_call() -> None:
    probe, suspect = TokenProbe(), account("acct_x")
    refuse(probe, suspect, now=10.0)
    resolved = probe.served(11.0, OLD)
    assert (resolved.own, resolved.again, probe.suspects) == ([suspect], [], [])


def test_a_call_that_began_earlier_clears_nobody() -> None:
    probe, suspect = TokenProbe(), account("acct_x")
    refuse(probe, suspect, now=10.0)
    resolved = probe.served(9.0, OLD)
    assert (resolved.own, resolved.again, probe.suspects) == ((), (), [suspect])


def test_whom_an_older_token_was_refused_for_is_asked_for_again() -> None:
    probe, old, new = TokenProbe(), account("acct_old"), account("acct_new", NEW)
    refuse(probe, old, new, now=10.0)
    resolved = probe.served(11.0, NEW)
    assert (resolved.own, resolved.again) == ([new], [old])


def test_only_whose_refusal_came_before_the_call_is_judged_by_it() -> None:
    probe, early, late = TokenProbe(), account("acct_early"), account("acct_late")
    refuse(probe, early, now=10.0)
    refuse(probe, late, now=12.0)
    assert probe.served(11.0, OLD).own == [early]
    assert probe.suspects == [late]


def test_nothing_is_done_while_other_calls_may_clear_a_suspect() -> None:
    probe = TokenProbe()
    assert step(probe, 10.0, alone=True) is None
    refuse(probe, account("acct_x"), now=10.0)
    assert step(probe, 10.0) is None


def test_a_probe_is_due_when_enough_are_refused_in_a_row() -> None:
    probe, works = TokenProbe(), several(ENOUGH_TO_PROBE)
    refuse(probe, *works[:-1], now=10.0)
    assert step(probe, 10.0) is None
    refuse(probe, works[-1], now=10.0)
    assert step(probe, 10.0) == Probe()


def test_a_served_call_begins_the_row_again() -> None:
    probe = TokenProbe()
    refuse(probe, *several(ENOUGH_TO_PROBE), now=10.0)
    probe.served(11.0, OLD)
    refuse(probe, *several(ENOUGH_TO_PROBE - 1), now=12.0)
    assert step(probe, 12.0) is None


def test_one_probe_is_out_at_a_time_and_what_is_refused_meanwhile_asks_for_none() -> None:
    probe = TokenProbe()
    refuse(probe, *several(ENOUGH_TO_PROBE), now=10.0)
    probe.begin()
    refuse(probe, *several(2 * MOST_REFUSED), now=11.0)
    assert step(probe, 11.0, alone=True) is None
    probe.end()
    assert step(probe, 11.0) is None


def test_who_was_just_served_is_the_witness_for_a_while() -> None:
    probe, witness = TokenProbe(), account("acct_w")
    assert probe.witness(0.0) is None
    probe.served(10.0, OLD, witness)
    assert probe.witness(10.0 + WITNESS_SECONDS) is witness
    assert probe.witness(10.0 + WITNESS_SECONDS + 0.001) is None


def test_a_call_that_was_answered_otherwise_makes_no_witness() -> None:
    probe = TokenProbe()
    probe.served(10.0, OLD)
    assert probe.witness(10.0) is None


def test_many_refusals_without_a_witness_are_the_jobs() -> None:
    probe, works = TokenProbe(), several(MOST_REFUSED)
    refuse(probe, *works, now=10.0)
    assert step(probe, 10.0) == Stop(REFUSAL)


def test_a_witness_is_asked_before_many_refusals_stop_the_job() -> None:
    probe = TokenProbe()
    probe.served(9.0, OLD, account("acct_w"))
    refuse(probe, *several(MOST_REFUSED), now=10.0)
    assert step(probe, 10.0) == Probe()


@pytest.mark.parametrize(("granted", "stops"), [({"read"}, True), ({"read", "block_accounts"}, False), (set(), False)])
def test_a_scope_that_lacks_for_certain_is_the_jobs_at_once(granted: set[str], stops: bool) -> None:
    probe = TokenProbe()
    failure = errors.MissingScopeError(needed={"block_accounts"}, granted=granted)
    refuse(probe, account("acct_x"), now=10.0, failure=failure)
    assert step(probe, 10.0) == (Stop(failure) if stops else None)


def test_a_scope_with_which_somebody_was_served_does_not_lack() -> None:
    probe = TokenProbe()
    probe.served(9.0, OLD)
    refuse(probe, account("acct_x"), now=10.0, failure=errors.MissingScopeError(needed={"a"}, granted={"b"}))
    assert step(probe, 10.0) is None


def test_the_last_suspects_are_probed_since_no_other_call_will_clear_them() -> None:
    probe = TokenProbe()
    refuse(probe, account("acct_x"), now=10.0)
    assert step(probe, 10.0, alone=True) == Probe()
    assert step(probe, 10.0, alone=True, more=False) == Probe()


def asked_and_refused_again(now: float) -> TokenProbe:
    probe, suspect = TokenProbe(), account("acct_x")
    suspect.asked = True
    refuse(probe, suspect, now=now)
    return probe


def test_a_lone_suspect_whose_new_token_was_refused_waits_for_another_account_and_not_for_ever() -> None:
    probe = asked_and_refused_again(10.0)
    assert step(probe, 10.0, alone=True) == Wait(LONELY_SECONDS)
    assert step(probe, 10.0 + LONELY_SECONDS / 4, alone=True) == Wait(LONELY_SECONDS * 3 / 4)
    assert step(probe, 10.0 + LONELY_SECONDS, alone=True) == Stop(REFUSAL)


def test_an_account_that_comes_ends_the_waiting() -> None:
    probe = asked_and_refused_again(10.0)
    step(probe, 10.0, alone=True)
    assert step(probe, 10.5) is None
    assert step(probe, 20.0, alone=True) == Wait(LONELY_SECONDS)


def test_it_waits_for_nobody_when_nobody_is_left_to_come() -> None:
    assert step(asked_and_refused_again(10.0), 10.0, alone=True, more=False) == Probe()


def test_who_is_probed_is_no_suspect_so_it_gets_one_outcome() -> None:
    probe, first, second = TokenProbe(), account("acct_1"), account("acct_2")
    refuse(probe, first, second, now=10.0)
    assert probe.take_first() is first
    assert probe.served(11.0, OLD).own == [second]
    assert probe.take_first() is None
