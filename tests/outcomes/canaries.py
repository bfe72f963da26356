"""Secrets planted in a call, and every place where one could come to light."""

from __future__ import annotations

import logging
import pickle
import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from urllib.parse import quote, quote_plus

import orjson
from counts import count

from tilia_async import errors


class Logged(logging.Handler):
    """Keeps every record of every logger, as it is formatted and with all that hangs on it."""

    def __init__(self) -> None:
        super().__init__(logging.NOTSET)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts += [self.format(record), repr(record.__dict__)]


@contextmanager
def all_logs() -> Iterator[Logged]:
    """At DEBUG."""
    root = logging.getLogger()
    handler, level = Logged(), root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield handler
    finally:
        root.setLevel(level)
        root.removeHandler(handler)


def places(error: BaseException) -> Iterator[str]:
    """Everything that an error shows, and the variables of our frames that it was raised through."""
    chain: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and link not in chain:
        chain.append(link)
        assert isinstance(link, errors.TiliaError), f"a foreign exception hangs on ours, with its frames: {link!r}"
        link = link.__cause__ or link.__context__
    for each in chain:
        yield from (str(each), repr(each), repr(each.args), repr(each.__dict__), each.explain())
        yield pickle.dumps(each).decode("latin-1")
        yield from map(repr, pickle.loads(pickle.dumps(each)).__dict__.values())
        for frame, _ in traceback.walk_tb(each.__traceback__):
            if str(frame.f_globals.get("__name__")).startswith(("tilia_async.", "tilia_sync.")):
                yield from (repr(value) for value in frame.f_locals.values())
    yield "".join(traceback.TracebackException.from_exception(error, capture_locals=True, max_group_depth=5).format())


def written(secret: str) -> set[str]:
    """The ways a text may be written."""
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
