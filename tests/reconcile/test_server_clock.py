"""The first of two times, with clocks that nobody has compared."""

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tilia_async.reconcile.server_clock import Age, ServerClock

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
skews = st.floats(-7200, 7200).map(lambda seconds: timedelta(seconds=seconds))
margins = st.floats(-60, 60).map(lambda seconds: timedelta(seconds=seconds))
delays = st.floats(0, 3).map(lambda seconds: timedelta(seconds=seconds))
moments = st.floats(0, 600).map(lambda seconds: NOON + timedelta(seconds=seconds))
answers = st.lists(st.tuples(moments, delays), min_size=1, max_size=20)


def heard(clock: ServerClock, ahead: timedelta, asked_at: datetime, takes: timedelta) -> None:
    """An answer whose header was written halfway between question and answer."""
    told = (asked_at + takes / 2 + ahead).replace(microsecond=0)
    clock.note(format_datetime(told, usegmt=True), asked_at, asked_at + takes)


@given(skews, margins, st.booleans(), answers, moments, st.floats(-200, 200), st.booleans())
def test_what_it_says_is_true_however_the_clocks_disagree(
    ahead: timedelta,
    margin: timedelta,
    as_ours: bool,
    answered: list[tuple[datetime, timedelta]],
    since: datetime,
    after: float,
    whole_seconds: bool,
) -> None:
    """The clock that dates things is within a minute of ours, or of the one of ``Date``."""
    clock = ServerClock()
    for asked_at, takes in answered:
        heard(clock, ahead, asked_at, takes)
    made_at = since + timedelta(seconds=after)
    dated = made_at + margin + (timedelta(0) if as_ours else ahead)
    age = clock.age(dated.replace(microsecond=0) if whole_seconds else dated, since)
    assert age is not (Age.BEFORE if made_at >= since else Age.AFTER)


@given(answers, moments, st.floats(62.5, 10_000))
def test_with_clocks_that_agree_all_beyond_a_minute_is_certain(
    answered: list[tuple[datetime, timedelta]], since: datetime, distance: float
) -> None:
    clock = ServerClock()
    for asked_at, takes in answered:
        heard(clock, timedelta(0), asked_at, takes / 100)
    assert clock.age(since + timedelta(seconds=distance), since) is Age.AFTER
    assert clock.age(since - timedelta(seconds=distance), since) is Age.BEFORE


def test_nothing_is_known_without_a_date() -> None:
    clock = ServerClock()
    for date in (None, "", "yesterday", "Fri, 99 Foo 2020 01:05:59 GMT", "\x00", "Fri, 03 Jul 999999 01:05:59 GMT"):
        clock.note(date, NOON, NOON)
    assert clock.age(NOON - timedelta(days=9), NOON) is Age.UNCLEAR
    heard(clock, timedelta(0), NOON, timedelta(0))
    assert clock.age(NOON - timedelta(days=9), NOON) is Age.BEFORE
    assert clock.age(None, NOON) is Age.UNCLEAR
    assert clock.age(NOON, None) is Age.UNCLEAR


def test_times_at_the_ends_of_time_are_unclear_and_no_error() -> None:
    clock = ServerClock()
    heard(clock, timedelta(hours=1), NOON, timedelta(0))
    heard(clock, -timedelta(hours=1), NOON, timedelta(0))
    ends = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    for since in ends:
        for made_at in ends:
            assert isinstance(clock.age(made_at, since), Age)


def test_a_time_of_whole_seconds_may_be_any_moment_of_its_second() -> None:
    clock = ServerClock()
    heard(clock, timedelta(0), NOON, timedelta(0))
    since = NOON + timedelta(minutes=2, milliseconds=900)
    assert clock.age(NOON + MINUTE, since) is Age.UNCLEAR
    assert clock.age(NOON + MINUTE - timedelta(seconds=1), since) is Age.BEFORE


def test_dates_that_disagree_are_all_believed() -> None:
    clock = ServerClock()
    heard(clock, timedelta(hours=1), NOON, timedelta(0))
    assert clock.age(NOON + timedelta(minutes=62), NOON) is Age.AFTER
    assert clock.age(NOON + timedelta(minutes=59), NOON) is Age.UNCLEAR
    assert clock.age(NOON - 2 * MINUTE, NOON) is Age.BEFORE
    heard(clock, -timedelta(hours=1), NOON, timedelta(0))
    assert clock.age(NOON - 2 * MINUTE, NOON) is Age.UNCLEAR
    assert clock.age(NOON - timedelta(minutes=62), NOON) is Age.BEFORE


def test_a_date_without_a_zone_is_in_gmt_wherever_this_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "America/Los_Angeles")
    time.tzset()
    clock = ServerClock()
    clock.note("Tue, 24 Nov 2026 12:00:00 -0000", NOON, NOON)
    clock.note("Tue, 24 Nov 2026 12:00:00", NOON, NOON)
    monkeypatch.undo()
    time.tzset()
    assert clock.age(NOON + 2 * MINUTE, NOON) is Age.AFTER
    assert clock.age(NOON - 2 * MINUTE, NOON) is Age.BEFORE


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        ("2026-11-24T12:00:00Z", 0),
        ("2026-11-24T12:00:00.5+00:00", 0),
        ("2026-11-24 12:00:00.108578 +0000 UTC", 0),
        ("2026-11-24 12:00:00 UTC", 0),
        ("2026-11-24 12:00:00", 14),
        ("2026-11-24 12:00:00.342345", 14),
        ("2026-11-24T12:00", 14),
        ("2026-11-24", 38),
    ],
)
def test_a_time_without_a_zone_may_be_any_zone_s(text: str, hours: float) -> None:
    from tilia_async.wire.codec import read_time

    clock = ServerClock()
    heard(clock, timedelta(0), NOON, timedelta(0))
    clock.note_times({"payload": [{"created": "never", "updated": text}, {"a": {"created": text}}, {"created": 7}]})
    made_at = read_time(text)
    assert made_at is not None
    margin = timedelta(hours=hours, minutes=1)
    assert clock.age(made_at, made_at - margin + timedelta(seconds=1)) is Age.UNCLEAR
    assert clock.age(made_at, made_at - margin - timedelta(seconds=3)) is Age.AFTER
    assert clock.age(made_at, made_at + margin - timedelta(seconds=1)) is Age.UNCLEAR
    assert clock.age(made_at, made_at + margin + timedelta(seconds=3)) is Age.BEFORE
    other = made_at + timedelta(days=3)
    assert clock.age(other, other - 2 * MINUTE) is Age.AFTER
