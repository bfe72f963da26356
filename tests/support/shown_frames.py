"""Search of an exception's frames for secrets."""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Iterator, Mapping

from support.counts import count

TOKEN = "canary-token-7f3a"
SECRET = "canary-secret-91bc"
PASSWORD = "canary-pw1"
CANARIES = (TOKEN, SECRET, PASSWORD)
USER = "nyx@mail.example"


def family(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception, what led to it, and groups' members."""
    waiting, seen = [error], set[int]()
    while waiting:
        each = waiting.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        waiting += [link for link in (each.__cause__, each.__context__) if link is not None]
        waiting += each.exceptions if isinstance(each, BaseExceptionGroup) else ()


def texts(value: object, depth: int = 6) -> Iterator[str]:
    """Yield what reporters of crashes make of a variable.

    Its repr, and what lies in the containers.
    """
    yield repr(value)
    if type(value) in {bytes, bytearray}:
        yield bytes(value).decode("latin-1")
    elif type(value) is memoryview:
        yield value.tobytes().decode("latin-1")
    elif type(value).__module__.startswith("tilia_"):
        # How our own types bear being walked is tested in tests/outcomes.
        return
    elif depth and isinstance(value, Mapping):
        for key, each in list(value.items()):
            yield from texts(key, depth - 1)
            yield from texts(each, depth - 1)
    elif depth and isinstance(value, list | tuple | set | frozenset):
        for each in list(value):
            yield from texts(each, depth - 1)


def assert_nothing_is_shown(error: BaseException, *, skip: Iterable[str] = ("test_frames",)) -> None:
    """Fail where a variable of a frame shows a canary.

    Foreign frames too; those of the tests themselves apart.
    """
    for each in family(error):
        for frame, line in traceback.walk_tb(each.__traceback__):
            name = str(frame.f_globals.get("__name__"))
            if name in skip:
                continue
            for variable, value in frame.f_locals.items():
                for text in texts(value):
                    found = [canary for canary in CANARIES if canary in text]
                    assert not found, f"{found} in {variable} of {name}:{line}, {frame.f_code.co_name}, of {each!r}"
        assert not [canary for canary in CANARIES for text in (repr(each), repr(each.args)) if canary in text]
        count("exceptions searched for canaries")
