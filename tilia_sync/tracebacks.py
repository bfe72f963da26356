"""Tracebacks, warnings and refusals without the bridge.

They show of a call the user's lines and the cause.
"""

from __future__ import annotations

import inspect
import os
import sys
import threading
import traceback
from collections.abc import Iterable, Iterator
from types import FrameType, ModuleType, TracebackType
from typing import Final

FULL_TRACEBACKS: Final = "TILIA_SYNC_FULL_TRACEBACKS"
"""Environment variable for full tracebacks.

It leaves the frames of the bridge in them.
"""

_PACKAGE: Final = "tilia_sync"
_RUNS_CELLS: Final = "IPython.core.interactiveshell"

_hidden: set[str] = set()


def hide(module: str) -> None:
    """Leave out the frames of a module.

    The frames of the package that it is written with are left out, too.

    To be called at its end, and not later: when the interpreter exits, the modules are gone before the last traceback.
    """
    if module in _hidden or not module.startswith(f"{_PACKAGE}."):
        return
    _hidden.add(module)
    for value in list(vars(sys.modules[module]).values()):
        origin = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
        hide(str(origin))


def trim(error: BaseException) -> None:
    """Take the bridge's frames out of tracebacks.

    These are the tracebacks of an exception and of those that led to it.
    """
    if os.environ.get(FULL_TRACEBACKS):
        return
    for each in _chain(error):
        each.__traceback__ = _trimmed(each.__traceback__)


def users_level() -> int:
    """Return the ``stacklevel`` of the user's line.

    With it the caller of this function warns at the line that called the package.
    """
    level, frame = 0, inspect.currentframe()
    while frame is not None and _module(frame).partition(".")[0] == _PACKAGE:
        level, frame = level + 1, frame.f_back
    return level


def is_notebook_cell() -> bool:
    """Say whether a notebook's cell makes this call itself.

    The kernel's loop runs there, and waits for every cell anyway. A coroutine function that the cell awaits is
    asynchronous code as anywhere; the cell's own lines are not, even where it awaits something.
    """
    frame = inspect.currentframe()
    while frame is not None and _module(frame) != _RUNS_CELLS:
        if frame.f_code.co_flags & inspect.CO_COROUTINE and frame.f_code.co_name != "<module>":
            return False
        frame = frame.f_back
    return frame is not None


def stacks(threads: Iterable[int]) -> str:
    """Return where these threads are, as text.

    The innermost line of each last, without the bridge's.
    """
    frames = sys._current_frames()  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - documented, for exactly this
    return "\n".join(f"{_name(thread)}:\n{_stack(frames[thread])}" for thread in threads if thread in frames)


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__


def _trimmed(chain: TracebackType | None) -> TracebackType | None:
    kept: list[TracebackType] = []
    while chain is not None:
        if not _is_bridge(chain.tb_frame):
            kept.append(chain)
        chain = chain.tb_next
    result: TracebackType | None = None
    for each in reversed(kept):
        result = TracebackType(result, each.tb_frame, each.tb_lasti, each.tb_lineno)
    return result


def _stack(frame: FrameType) -> str:
    shown = [(each, line) for each, line in traceback.walk_stack(frame) if not _is_bridge(each)]
    return "".join(traceback.StackSummary.extract(reversed(shown)).format()).rstrip()


def _name(thread: int) -> str:
    return next((f"thread {each.name}" for each in threading.enumerate() if each.ident == thread), f"thread {thread}")


def _is_bridge(frame: FrameType) -> bool:
    return _module(frame) in _hidden


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", ""))
