"""Canaries: secrets planted in a call.

And every place where one could come to light.
"""

from __future__ import annotations

import json
import logging
import pickle
import sys
import traceback
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from urllib.parse import quote, quote_plus

import attrs
import orjson

from support.counts import count
from tilia_async import errors


class Logged(logging.Handler):
    """A handler that keeps every record.

    Of every logger, as it is formatted and with all that hangs on it.
    """

    def __init__(self) -> None:
        super().__init__(logging.NOTSET)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts += [self.format(record), repr(record.__dict__)]
        if record.levelno >= logging.WARNING and record.name.startswith("tilia"):
            # Reporters send such records with the variables of the frames that they come from.
            for frame in ours_now():
                self.texts += [text for value in frame.f_locals.values() for text in shown(value)]
            if record.exc_info and record.exc_info[1] is not None:
                self.texts += places_of_foreign(record.exc_info[1])


def ours_now() -> Iterator[FrameType]:
    """Return the frames of ours that run."""
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if str(frame.f_globals.get("__name__")).startswith(("tilia_async", "tilia_sync")):
            yield frame
        frame = frame.f_back


def places_of_foreign(error: BaseException) -> Iterator[str]:
    """Yield the variables of foreign frames of an error.

    Frames that need not be ours.
    """
    for each in chain(error):
        for frame in frames(each):
            for value in frame.f_locals.values():
                yield from shown(value)


@contextmanager
def all_logs() -> Iterator[Logged]:
    """Log everything at DEBUG."""
    root = logging.getLogger()
    handler, level = Logged(), root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield handler
    finally:
        root.setLevel(level)
        root.removeHandler(handler)


TESTS = str(Path(__file__).resolve().parents[1])
DEEPEST = 8


def is_users(path: str) -> bool:
    """Return True if the file is the user's own.

    Here that is a test.
    """
    return str(Path(path).resolve()).startswith(TESTS)


def places(error: BaseException) -> Iterator[str]:
    """Yield all that an error shows.

    And the variables of each frame below the user's own call, foreign ones too.
    """
    for each in chain(error):
        foreign = isinstance(error, errors.TiliaError) and not isinstance(each, errors.TiliaError)
        assert not foreign, f"a foreign exception hangs on ours, with its frames: {each!r}"
        yield from (str(each), repr(each), repr(each.args), repr(each.__dict__))
        if isinstance(each, errors.TiliaError):
            yield each.explain()
            yield pickle.dumps(each).decode("latin-1")
            yield from map(repr, pickle.loads(pickle.dumps(each)).__dict__.values())
        for frame in frames(each):
            for value in frame.f_locals.values():
                yield from shown(value)


def chain(error: BaseException) -> Sequence[BaseException]:
    """Return the error and all that hangs on it.

    Whatever is left out when it is printed.
    """
    found: list[BaseException] = []
    left: list[BaseException | None] = [error]
    while left:
        link = left.pop()
        if link is None or any(link is each for each in found):
            continue
        found.append(link)
        left += [link.__cause__, link.__context__]
        if isinstance(link, BaseExceptionGroup):
            left += link.exceptions
    return found


def frames(error: BaseException) -> Sequence[FrameType]:
    """Return the frames that an error was raised through.

    From the first of ours on, without those of the user's own code.
    """
    walked = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    ours = [str(frame.f_globals.get("__name__")).startswith(("tilia_async", "tilia_sync")) for frame in walked]
    below = walked[ours.index(True) :] if any(ours) else []
    return [frame for frame in below if not is_users(frame.f_code.co_filename)]


def shown(value: object, depth: int = 0) -> Iterator[str]:
    """Yield what printers of variables make of one.

    Code that prints variables calls, walks, slices and copies what it finds.
    """
    for show in (repr, str, format):
        with suppress(Exception):
            yield show(value)
    with suppress(Exception):
        yield json.dumps(value, default=str)
    if isinstance(value, str):
        yield from (value[:], "".join(value))
    elif isinstance(value, bytes | bytearray | memoryview):
        yield bytes(value).decode(errors="replace")
    elif depth < DEEPEST:
        for part in parts(value):
            yield from shown(part, depth + 1)


def parts(value: object) -> Sequence[object]:
    """Return the parts that a reporter finds.

    Sentry in mappings and sequences, rich in what attrs and dataclasses show.
    """
    with suppress(Exception):
        if isinstance(value, Mapping):
            return [*value.keys(), *value.values()]
        if isinstance(value, Sequence | AbstractSet | deque):
            return list(value)
        if attrs.has(type(value)):
            return [getattr(value, field.name) for field in attrs.fields(type(value)) if field.repr is True]
    return []


def written(secret: str) -> set[str]:
    """Return the ways a text may be written."""
    return {secret, quote(secret, safe=""), quote_plus(secret), orjson.dumps(secret)[1:-1].decode(), repr(secret)[1:-1]}


def search(secrets: Iterable[str], texts: Iterable[str]) -> None:
    """Fail where a secret is found."""
    forms = {form for secret in secrets for form in written(secret)}
    number = 0
    for text in texts:
        number += 1
        found = [form for form in forms if form in text]
        assert not found, f"a secret of {len(found[0])} characters is in {text.replace(found[0], '<SECRET>')[:2000]!r}"
    count("places searched for canaries", number)
