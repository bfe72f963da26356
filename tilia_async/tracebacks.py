"""Tracebacks without the frames that hold secrets.

They are those of exceptions that leave the SDK.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import TracebackType


def cut(error: BaseException, before: BaseException | None) -> None:
    """Cut a traceback down to the catching frame.

    That is the frame that caught the exception. Nothing is left of what led to it below.

    The frames of aiohttp and asyncio hold the access token and the body of the request, and reporters of crashes send
    the variables of every frame. To be called where the exception is caught, before it is raised again.

    Args:
        before: what was being handled when that frame began, whose own traceback is the caller's and stays.
    """
    caught = error.__traceback__
    innermost = _innermost(caught)
    if caught is not None:
        error.__traceback__ = TracebackType(None, caught.tb_frame, caught.tb_lasti, caught.tb_lineno)
        if caught is not innermost and isinstance(error, Exception):
            # A defect has to be found without its frames.
            error.add_note(f"raised at {_place(innermost)}; frames that hold secrets are left out")
    if error is not before:
        kept = before if any(each is before for each in _chain(error)) else None
        _forget_cause(error, kept)
    for each in _members(error):
        _bare(each)


def _bare(error: BaseException) -> None:
    error.__traceback__ = None
    _forget_cause(error, None)
    for each in _members(error):
        _bare(each)


def _members(error: BaseException) -> Sequence[BaseException]:
    """Return the exceptions of a group; anything else has none."""
    if not isinstance(error, BaseExceptionGroup):
        return ()
    group: BaseExceptionGroup[BaseException] = error  # pyright: ignore[reportUnknownVariableType] - it cannot know of what
    return group.exceptions


def _forget_cause(error: BaseException, context: BaseException | None) -> None:
    error.__context__ = context
    if error.__cause__ is not None:
        error.__cause__ = None
        error.__suppress_context__ = False


def _chain(error: BaseException) -> Iterator[BaseException]:
    waiting: list[BaseException | None] = [error]
    seen: set[int] = set()
    while waiting:
        each = waiting.pop()
        if each is not None and id(each) not in seen:
            seen.add(id(each))
            yield each
            waiting += [each.__cause__, each.__context__]


def _innermost(trace: TracebackType | None) -> TracebackType | None:
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace


def _place(trace: TracebackType | None) -> str:
    return "" if trace is None else f"{trace.tb_frame.f_globals.get('__name__')}:{trace.tb_lineno}"
