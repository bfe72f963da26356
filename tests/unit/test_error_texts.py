"""No text of an error commands a terminal or forges a line, whoever wrote what is in it."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from tilia_async import errors
from tilia_async.call_record import AttemptRecord, CallRecord
from tilia_async.errors import TiliaError

HOSTILE = "a\x1b[2J\x1b]0;x\x07 \x9b \u202e\u2066 \r\nattempt 9: \u2028 \x7f\x00 \ud800"
RECORD = CallRecord(
    HOSTILE, HOSTILE, datetime(2026, 1, 1, tzinfo=UTC), 1.0, 2.0, (AttemptRecord(0.0, 1.0, True, 1, HOSTILE, HOSTILE, HOSTILE),)
)  # fmt: skip


def kinds(root: type[TiliaError] = TiliaError) -> Iterator[type[TiliaError]]:
    yield root
    for each in root.__subclasses__():
        yield from kinds(each)


def with_all(kind: type[TiliaError]) -> TiliaError:
    if issubclass(kind, errors.ApiError):
        error = kind(status=418, operation="accounts.get", codes=[HOSTILE], messages=[HOSTILE], field_errors={HOSTILE: [HOSTILE]})  # fmt: skip
    elif issubclass(kind, errors.InvalidRequestError):
        error = kind({HOSTILE: [HOSTILE]}, operation="accounts.get")
    else:
        error = kind(HOSTILE, operation="accounts.get")
    error.reference = {"username": HOSTILE, HOSTILE: HOSTILE}
    error.call = RECORD
    return error


@pytest.mark.parametrize("kind", dict.fromkeys(kinds()), ids=lambda kind: kind.__name__)
def test_of_any_class(kind: type[TiliaError]) -> None:
    for error in (
        kind(HOSTILE),
        with_all(kind),
        errors.attributed_to(with_all(kind), "accounts.find", {"username": HOSTILE}),
    ):
        for text in (str(error), str(error.args[0]), repr(error)):
            assert text.isprintable(), text
        assert all(line.isprintable() for line in error.explain().split("\n"))
        assert not any(line.startswith("attempt 9") for line in error.explain().split("\n"))


def test_the_cause_of_a_stopped_job() -> None:
    cause = with_all(errors.TokenError)
    error = errors.BulkStoppedError("stopped", cause=cause, job_id=HOSTILE)
    assert all(line.isprintable() for line in error.explain().split("\n"))
    assert cause.explain() in error.explain()
