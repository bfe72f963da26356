"""The way of an exception that leaves the SDK."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable

import pytest

from tilia_async.tracebacks import cut


def names(error: BaseException) -> list[str]:
    return [frame.f_code.co_name for frame, _ in traceback.walk_tb(error.__traceback__)]


def at_the_border(step: Callable[[], None]) -> None:
    before = sys.exception()
    try:
        step()
    except BaseException as error:  # also what ends a program is cut
        cut(error, before)
        raise


def throw(error: BaseException) -> None:
    raise error


def while_handling(handled: BaseException, step: Callable[[], None]) -> None:
    try:
        throw(handled)
    except type(handled):
        at_the_border(step)


def failing(error: BaseException) -> Callable[[], None]:
    def deep() -> None:
        try:
            throw(KeyError())
        except KeyError as first:
            raise error from first

    def step() -> None:
        deep()

    return step


def test_the_frame_at_the_border_stays_and_those_below_go() -> None:
    with pytest.raises(LookupError) as caught:
        at_the_border(failing(LookupError("x")))
    assert names(caught.value)[1:] == ["at_the_border"]
    assert (caught.value.__cause__, caught.value.__context__, caught.value.__suppress_context__) == (None, None, False)
    assert caught.value.__notes__[0].startswith(f"raised at {__name__}:")


def test_what_was_being_handled_before_stays_with_its_own_traceback() -> None:
    with pytest.raises(LookupError) as caught:
        while_handling(ValueError("the caller's own"), failing(LookupError("x")))
    before = caught.value.__context__
    assert isinstance(before, ValueError)
    assert names(before) == ["while_handling", "throw"]
    assert "the caller's own" in "".join(traceback.format_exception(caught.value))


def test_what_was_handled_elsewhere_is_not_hung_on_it() -> None:
    error = LookupError()
    cut(error, ValueError())
    assert error.__context__ is None


def test_an_exception_that_is_raised_again_keeps_what_led_to_it() -> None:
    first, again = ValueError(), LookupError()
    again.__context__ = first
    with pytest.raises(LookupError) as caught:
        while_handling(again, lambda: throw(again))
    assert caught.value is again
    assert again.__context__ is first


def test_of_the_members_of_a_group_no_frame_stays() -> None:
    members: list[Exception] = []
    for kind in (ValueError, LookupError):
        with pytest.raises(kind) as caught:
            failing(kind())()
        members.append(caught.value)
    with pytest.raises(BaseExceptionGroup) as together:
        at_the_border(failing(BaseExceptionGroup("x", [KeyboardInterrupt(), ExceptionGroup("y", members)])))
    assert names(together.value)[1:] == ["at_the_border"]
    assert [names(each) for each in members] == [[], []]
    assert [(each.__cause__, each.__context__) for each in members] == [(None, None)] * 2


def test_a_cancellation_needs_no_note() -> None:
    with pytest.raises(KeyboardInterrupt) as caught:
        at_the_border(failing(KeyboardInterrupt()))
    assert not hasattr(caught.value, "__notes__")
