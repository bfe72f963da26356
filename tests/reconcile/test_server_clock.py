"""Which of two times was first, with two clocks of which one tells whole seconds only."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from hypothesis import given
from hypothesis import strategies as st

from tilia_async.reconcile.server_clock import Age, ServerClock

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
spans = st.floats(-7200, 7200).map(lambda seconds: timedelta(seconds=seconds))
delays = st.floats(0, 3).map(lambda seconds: timedelta(seconds=seconds))
moments = st.floats(0, 600).map(lambda seconds: NOON + timedelta(seconds=seconds))


def heard(clock: ServerClock, ahead: timedelta, asked_at: datetime, takes: timedelta) -> None:
    """An answer whose header was written halfway between question and answer."""
    told = (asked_at + takes / 2 + ahead).replace(microsecond=0)
    clock.note(format_datetime(told, usegmt=True), asked_at, asked_at + takes)


@given(spans, st.lists(st.tuples(moments, delays), min_size=1, max_size=20), moments, st.floats(-5, 5))
def test_what_it_says_is_true_wherever_the_clocks_disagree(
    ahead: timedelta, answers: list[tuple[datetime, timedelta]], since: datetime, after: float
) -> None:
    clock = ServerClock()
    for asked_at, takes in answers:
        heard(clock, ahead, asked_at, takes)
    made_at = since + timedelta(seconds=after)
    age = clock.age(made_at + ahead, since)
    if abs(ahead) > timedelta(seconds=5):
        assert age is not (Age.BEFORE if made_at >= since else Age.AFTER)
    if age is Age.BEFORE:
        assert made_at < since


@given(st.lists(st.tuples(moments, delays), min_size=1, max_size=20), moments, st.floats(-5, 5))
def test_with_clocks_that_agree_after_is_certain_and_before_only_where_it_is_clear(
    answers: list[tuple[datetime, timedelta]], since: datetime, after: float
) -> None:
    clock = ServerClock()
    for asked_at, takes in answers:
        heard(clock, timedelta(0), asked_at, takes)
    made_at = since + timedelta(seconds=after)
    age = clock.age(made_at, since)
    assert (age is Age.AFTER) == (made_at >= since)


def test_nothing_is_known_without_a_date() -> None:
    clock = ServerClock()
    for date in (None, "", "yesterday", "Fri, 99 Foo 2020 01:05:59 GMT", "\x00", "Fri, 03 Jul 999999 01:05:59 GMT"):
        clock.note(date, NOON, NOON)
    assert clock.age(NOON, NOON) is Age.UNCLEAR
    assert clock.age(None, NOON) is Age.UNCLEAR
    assert clock.age(NOON, None) is Age.UNCLEAR


def test_a_time_of_whole_seconds_may_be_any_moment_of_its_second() -> None:
    clock = ServerClock()
    heard(clock, timedelta(0), NOON, timedelta(0))
    since = NOON + timedelta(seconds=10, milliseconds=900)
    assert clock.age(NOON + timedelta(seconds=10), since) is Age.UNCLEAR
    assert clock.age(NOON + timedelta(seconds=11), since) is Age.AFTER
    assert clock.age(NOON + timedelta(seconds=8), since) is Age.BEFORE


def test_a_clock_that_was_set_is_believed_anew() -> None:
    clock = ServerClock()
    heard(clock, timedelta(hours=1), NOON, timedelta(0))
    heard(clock, timedelta(0), NOON, timedelta(0))
    assert clock.age(NOON, NOON) is Age.AFTER
