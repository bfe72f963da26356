"""The rules of a fleet's budget, on a clock that the test holds in its hand."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tilia_async.fleet.budget import FIRST_RATE, LEAST_RATE, SLICE_SECONDS, BudgetState, Permits


def used_until(state: BudgetState, now: float, end: float) -> tuple[BudgetState, int]:
    """Permits that a worker got which takes all it can."""
    got = 0
    while now < end:
        state, permits = state.lease(1_000_000, now)
        got += permits.number
        now += permits.begins_in + permits.number * permits.interval if permits.number else permits.begins_in
    return state, got


def cut(state: BudgetState, now: float, wait: float = 0.0) -> BudgetState:
    return state.refused(state.epoch, wait, now)


def test_what_is_given_away_is_not_given_again() -> None:
    state, first = BudgetState().lease(10, 100.0)
    state, second = state.lease(10, 100.0)
    assert first.number == second.number == 10
    assert second.begins_in == pytest.approx(first.begins_in + 10 * first.interval)


def test_a_lease_covers_a_short_time_and_one_request_at_least() -> None:
    assert BudgetState(rate=100.0).lease(10_000, 5.0)[1].number == 100 * SLICE_SECONDS
    assert BudgetState(rate=0.5, free_at=5.0).lease(10_000, 5.0)[1].number == 1


def test_permits_are_not_given_far_ahead() -> None:
    state, now = BudgetState(), 50.0
    given = []
    while (permits := state.lease(25, now)[1]).number:
        state, permits = state.lease(25, now)
        given.append(permits)
    assert len(given) == 2
    assert max(each.begins_in for each in given) <= 0.5
    assert 0 < permits.begins_in < 0.5


def test_it_grows_only_as_long_as_it_is_used_up() -> None:
    grown, _ = used_until(BudgetState(), 10.0, 20.0)
    assert grown.rate > FIRST_RATE * 50
    idle, _ = BudgetState().lease(1, 10.0)
    for second in range(11, 31):
        idle, _ = idle.lease(1, float(second))
    assert idle.rate == FIRST_RATE


def test_a_refusal_halves_it_once_for_all_that_was_sent_under_it() -> None:
    state = cut(BudgetState(), 10.0)
    assert (state.rate, state.ceiling, state.epoch) == (FIRST_RATE / 2, FIRST_RATE, 1)
    for _ in range(50):
        state = state.refused(0, 0.0, 13.0)
    assert state.rate == FIRST_RATE / 2
    assert cut(state, 10.5).rate == FIRST_RATE / 2, "those that were on their way"
    assert cut(state, 13.0).rate == FIRST_RATE / 4


def test_retry_after_holds_for_everybody_also_when_it_is_no_news() -> None:
    state = cut(BudgetState(), 10.0, wait=5.0)
    assert state.lease(1, 14.0)[1].number == 0
    state = state.refused(0, 20.0, 11.0)
    assert state.lease(1, 30.0)[1].number == 0
    assert state.lease(1, 31.0)[1].number == 1
    assert cut(state, 40.0, wait=1e9).lease(1, 40.0 + 301)[1].number == 1, "one asks again after five minutes"


def test_it_comes_back_below_its_ceiling_and_creeps_past_it() -> None:
    state = attrs.evolve(BudgetState(rate=200.0, ceiling=200.0), free_at=10.0, grown_at=10.0)
    state = cut(state, 10.0)
    assert state.steadiness == 1
    back, _ = used_until(state, 10.0, 12.0)
    assert 185 < back.rate < 195
    past, _ = used_until(back, 12.0, 24.0)
    assert 200 < past.rate < 220
    far, _ = used_until(past, 24.0, 60.0)
    assert far.rate > 400, "there was no refusal where the ceiling was"


def test_it_never_ends() -> None:
    state, now = BudgetState(), 0.0
    for _ in range(100):
        now += 2.0
        state = cut(state, now)
    assert state.rate == LEAST_RATE
    assert state.lease(5, now + 3)[1].number == 1


def test_what_it_learned_of_a_bad_day_is_forgotten() -> None:
    state = attrs.evolve(cut(BudgetState(), 10.0), rate=1.0, ceiling=2.0)
    assert state.lease(1, 500.0)[0].rate == 1.0
    state, _ = state.lease(1, 700.0)
    assert (state.rate, state.ceiling, state.epoch) == (FIRST_RATE, None, 1)


def test_a_clock_that_was_put_back_stops_nobody() -> None:
    state, _ = used_until(cut(BudgetState(), 10_000.0, 1.0), 10_000.0, 10_010.0)
    state, permits = state.lease(1, 100.0)
    assert permits.number == 1
    assert cut(state, 101.0).epoch == state.epoch + 1


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("lease"), st.integers(1, 10_000), st.floats(0, 5)),
            st.tuples(st.just("refuse"), st.integers(0, 3), st.floats(0, 400)),
        ),
        max_size=60,
    ),
    st.floats(-1e9, 2e9),
)
def test_whatever_happens_no_more_is_given_than_the_rate(steps: list[tuple[str, int, float]], start: float) -> None:
    state, now, last = BudgetState(), start, float("-inf")
    for what, number, value in steps:
        if what == "refuse":
            state = state.refused(state.epoch - number, value, now)
            continue
        now += value
        state, permits = state.lease(number, now)
        assert state.rate >= LEAST_RATE
        assert permits == Permits(0, permits.begins_in, 0.0, state.epoch) or 1 <= permits.number <= number
        if permits.number:
            # Microseconds are lost where a clock counts from 1970.
            assert now + permits.begins_in >= last - 1e-5
            last = now + permits.begins_in + permits.number * permits.interval
