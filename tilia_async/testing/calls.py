"""Assertions on the requests that reached a sandbox."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NoReturn, overload
from urllib.parse import parse_qsl

from tilia_async.json_value import JsonValue
from tilia_async.sandbox import RecordedRequest
from tilia_async.sandbox.routing import Match, Router, names_of_route
from tilia_async.tokens.fetch import TOKEN
from tilia_async.wire.redactor import Redactor, named_secrets

_MOST_LINES: Final = 50
_LONGEST_BODY: Final = 200
_SHOWN_AS: Final = "{number:>4}  {operation:<30} {method} /{service}{path}{query}  {body}"


class SandboxCalls(Sequence[RecordedRequest]):
    """Requests that reached a sandbox, to assert on.

    A sequence of them in order, without those for tokens. A request that was sent again is there again. ``str`` has a
    line for each, with secrets masked.

    Operations that share a route, such as ``accounts.get`` and ``accounts.is_blocked``, are the same request to a
    server, and so they are here.

    Args:
        requests: of the sandbox, which adds to them.
    """

    def __init__(self, requests: list[RecordedRequest]) -> None:
        self._requests = requests

    def of(self, operation: str, /, **fields: JsonValue) -> list[RecordedRequest]:
        """Return the requests of an operation, in order.

        Args:
            operation: its name, e.g. ``accounts.block``; ``auth.token`` for the token endpoint.
            fields: only those with these values, which stand in the path, the query or the body.

        Raises:
            ValueError: there is no operation of that name.
        """
        names = names_of_route(operation)
        wanted = [each for each in self._requests if each.operation in names]
        return [each for each in wanted if _has(fields_of(each), fields)] if fields else wanted

    def assert_once(self, operation: str, /, **fields: JsonValue) -> RecordedRequest:
        """Assert that an operation arrived exactly once.

        ::

            tilia_calls.assert_once("accounts.block", account_id=account_id)

        Args:
            operation: its name.
            fields: what that one request had in its path, its query or its body.

        Returns:
            The request.

        Raises:
            AssertionError: it did not arrive, arrived several times, or with other fields.
            ValueError: there is no operation of that name.
        """
        __tracebackhide__ = True
        found = self.of(operation)
        if len(found) != 1:
            self._fail(f"{operation} arrived {_times(len(found))}, not once")
        sent = fields_of(found[0])
        differing = [
            f"{name} was {sent[name]!r}, not {value!r}" if name in sent else f"{name} was not sent"
            for name, value in fields.items()
            if name not in sent or sent[name] != value
        ]
        if differing:
            self._fail(f"{operation} arrived, but {' and '.join(differing)}")
        return found[0]

    def assert_times(self, operation: str, times: int, /, **fields: JsonValue) -> list[RecordedRequest]:
        """Assert how often an operation arrived with these fields.

        Returns:
            The requests.

        Raises:
            AssertionError: it arrived more or less often.
            ValueError: there is no operation of that name.
        """
        __tracebackhide__ = True
        found = self.of(operation, **fields)
        if len(found) != times:
            self._fail(f"{_named(operation, fields)} arrived {_times(len(found))}, not {_times(times)}")
        return found

    def assert_never(self, operation: str, /, **fields: JsonValue) -> None:
        """Assert that an operation did not arrive with these fields.

        Raises:
            AssertionError: it did.
            ValueError: there is no operation of that name.
        """
        __tracebackhide__ = True
        found = self.of(operation, **fields)
        if found:
            self._fail(f"{_named(operation, fields)} arrived {_times(len(found))}, but never should")

    def assert_order(self, *operations: str) -> None:
        """Assert that operations arrived in this order.

        Others may have arrived before, between and after them.

        Raises:
            AssertionError: they did not.
            ValueError: there is no operation of one of these names.
        """
        __tracebackhide__ = True
        wanted = [names_of_route(each) for each in operations]
        arrived = iter(self._requests)
        for number, names in enumerate(wanted):
            if not any(each.operation in names for each in arrived):
                before = f" after {operations[number - 1]}" if number else ""
                self._fail(f"{operations[number]} did not arrive{before}")

    def clear(self) -> None:
        """Forget what arrived until now."""
        self._requests.clear()

    @overload
    def __getitem__(self, index: int) -> RecordedRequest: ...

    @overload
    def __getitem__(self, index: slice) -> list[RecordedRequest]: ...

    def __getitem__(self, index: int | slice) -> RecordedRequest | list[RecordedRequest]:
        return self._asked()[index]

    def __len__(self) -> int:
        return len(self._asked())

    def __iter__(self) -> Iterator[RecordedRequest]:
        return iter(self._asked())

    def __str__(self) -> str:
        shown = self._requests[-_MOST_LINES:]
        left_out = len(self._requests) - len(shown)
        lines = [f"(the first {left_out} are left out)"] if left_out else []
        lines += [_line(number, each) for number, each in enumerate(shown, start=left_out + 1)]
        return "\n".join(lines) or "(nothing arrived)"

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {', '.join(each.operation or each.path for each in self._asked()) or 'none'}>"

    def _asked(self) -> list[RecordedRequest]:
        return [each for each in self._requests if each.operation != TOKEN.name]

    def _fail(self, what: str) -> NoReturn:
        __tracebackhide__ = True
        raise AssertionError(f"{what}. What arrived:\n{self}")


def fields_of(request: RecordedRequest) -> Mapping[str, JsonValue]:
    """Return what a request says, by name.

    Parameters of its path and its query, and the fields of a JSON object in its body.
    """
    found = _router().find(request.method, request.service, request.path)
    fields: dict[str, JsonValue] = dict(parse_qsl(request.query, keep_blank_values=True))
    fields |= found.path if isinstance(found, Match) else {}
    body = _json(request)
    return fields | body if isinstance(body, dict) else fields


@functools.cache
def _router() -> Router:
    return Router()


def _json(request: RecordedRequest) -> JsonValue:
    try:
        return request.json
    except ValueError:
        return None


def _has(sent: Mapping[str, JsonValue], wanted: Mapping[str, JsonValue]) -> bool:
    return all(name in sent and sent[name] == value for name, value in wanted.items())


def _named(operation: str, fields: Mapping[str, JsonValue]) -> str:
    listed = ", ".join(f"{name}={value!r}" for name, value in fields.items())
    return f"{operation} with {listed}" if listed else operation


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"


def _line(number: int, request: RecordedRequest) -> str:
    body = _json(request)
    text = "" if body is None else Redactor.of(named_secrets(body)).text(request.body.decode(errors="replace"))
    return _SHOWN_AS.format(
        number=number,
        operation=request.operation or "(no operation)",
        method=request.method,
        service=request.service,
        path=request.path,
        query=f"?{request.query}" if request.query else "",
        body=text if len(text) <= _LONGEST_BODY else f"{text[: _LONGEST_BODY - 1]}…",
    ).rstrip()
