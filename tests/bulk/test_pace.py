"""The most that may be in flight: the rules of the pace, on a clock that the test holds in its hand."""

import pytest

from tilia_async.bulk.adaptive_limit import AdaptiveLimit


def answered(pace: AdaptiveLimit, number: int, took: float = 0.05, now: float = 10.0) -> None:
    for _ in range(number):
        pace.answered(now - took, now)


def test_it_begins_low_and_never_exceeds_the_most() -> None:
    assert AdaptiveLimit(64).limit == 8
    assert AdaptiveLimit(3).limit == 3
    pace = AdaptiveLimit(20)
    answered(pace, 1_000)
    assert pace.limit == 20


def test_it_grows_by_half_a_round_until_it_is_slowed_and_by_one_from_then_on() -> None:
    pace = AdaptiveLimit(1_000)
    answered(pace, 8)
    assert pace.limit == 12
    assert pace.refused(1.0, 11.0, 0.5)
    assert pace.limit == 6
    answered(pace, 6, now=12.0)
    assert pace.limit == 6
    answered(pace, 1, now=12.0)
    assert pace.limit == 7


def test_what_was_in_flight_together_halves_it_once() -> None:
    pace = AdaptiveLimit(64)
    assert pace.refused(started=1.0, now=2.0, wait=0.0) is True
    assert pace.limit == 4
    # Sent before the first refusal came, so it tells nothing new.
    assert pace.refused(started=1.5, now=2.5, wait=0.0) is False
    assert pace.limit == 4
    # Sent when it came, or later.
    assert pace.refused(started=2.0, now=3.0, wait=0.0) is True
    assert pace.limit == 2


def test_one_is_always_left() -> None:
    pace = AdaptiveLimit(64)
    for number in range(10):
        pace.refused(float(number), float(number), 0.0)
    assert pace.limit == 1


def test_the_longest_wait_that_was_asked_for_holds() -> None:
    pace = AdaptiveLimit(64)
    assert pace.hold(0.0) <= 0
    pace.refused(1.0, 2.0, 5.0)
    pace.refused(1.0, 3.0, 1.0)
    assert pace.hold(3.0) == pytest.approx(4.0)
    assert pace.hold(8.0) <= 0


@pytest.mark.parametrize(("took", "factor"), [(0.25, 0.8), (2.0, 0.5)])
def test_answers_that_take_much_longer_lower_it_by_as_much_as_they_are_late(took: float, factor: float) -> None:
    pace = AdaptiveLimit(1_000)
    answered(pace, 16, took=0.1)  # a round: as many answers as may be in flight at its end
    limits = [pace.limit]
    while len(limits) < 100:
        answered(pace, 1, took=took, now=20.0)
        limits.append(pace.limit)
        if limits[-1] < limits[-2]:
            break
    assert limits[-1] == pytest.approx(limits[-2] * factor, abs=1)


def test_answers_that_take_little_longer_do_not() -> None:
    pace = AdaptiveLimit(64)
    answered(pace, 8, took=0.010)
    before = pace.limit
    # Three times as long, and yet only 20 ms.
    answered(pace, before, took=0.030, now=20.0)
    assert pace.limit >= before


def test_few_in_flight_are_not_what_makes_a_server_slow() -> None:
    pace = AdaptiveLimit(2)
    answered(pace, 2, took=0.1)
    answered(pace, 2, took=5.0, now=20.0)
    assert pace.limit == 2
