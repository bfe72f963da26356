"""The tree of errors."""

import copy
import json
import pickle
from collections.abc import Callable

import pytest

from tilia_async import errors
from tilia_async.bulk import BulkItem, BulkOutcome, BulkReport
from tilia_async.models.accounts import RegisteredAccount


def stopped(outcome: BulkOutcome) -> errors.BulkStoppedError:
    """A job that stopped after one account."""
    failure = errors.LedgerError("the disk is full")
    item = BulkItem("acct_1", outcome, failure, 1)
    counts = {each: int(each is outcome) for each in BulkOutcome}
    report = BulkReport("block", "wave-7", 1, counts, (item,), 0.5)
    return errors.BulkStoppedError("stopped", report=report, cause=failure, job_id="wave-7", operation="a.b")


def one_of_each() -> list[errors.TiliaError]:
    api = [
        kind(
            status=400,
            operation="a.b",
            codes=["C"],
            messages=["m"],
            payload={"x": [1]},
            field_errors={"f": ["t"]},
            attempts=2,
        )
        for kind in (
            errors.ApiError,
            errors.BadRequestError,
            errors.UnauthorizedError,
            errors.ForbiddenError,
            errors.AccountBlockedError,
            errors.NotFoundError,
            errors.ConflictError,
            errors.AccountExistsError,
            errors.UnprocessableError,
            errors.RateLimitedError,
            errors.ServerError,
        )
    ]
    plain = [
        kind("what happened", operation="a.b", took_effect=None, reference={"username": "nyx"})
        for kind in (
            errors.TiliaError,
            errors.ConfigurationError,
            errors.ClientClosedError,
            errors.TransportError,
            errors.ConnectError,
            errors.DeadlineExceededError,
            errors.OutcomeUnknownError,
            errors.LedgerError,
            errors.WebhookError,
        )
    ]
    return [
        *api,
        *plain,
        errors.InvalidRequestError({"f": ["is empty"]}, operation="a.b"),
        errors.ResponseDecodeError("odd", status=200, payload={"n": 1}, operation="a.b", took_effect=True),
        errors.MissingScopeError(needed={"x"}, granted={"y"}, status=401, operation="a.b"),
        errors.TokenError("no", status=400, scopes={"x"}, error="e", error_description="d", operation="a.b"),
        stopped(BulkOutcome.DONE),
    ]


def test_the_list_above_is_complete() -> None:
    def descendants(kind: type[errors.TiliaError]) -> set[type[errors.TiliaError]]:
        return {kind}.union(*(descendants(child) for child in kind.__subclasses__()))

    assert {type(error) for error in one_of_each()} == {
        kind for kind in descendants(errors.TiliaError) if kind.__module__ == "tilia_async.errors"
    }


@pytest.mark.parametrize("error", one_of_each(), ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("duplicate", [lambda error: pickle.loads(pickle.dumps(error)), copy.copy])
def test_an_error_survives_pickle_and_copy(error: errors.TiliaError, duplicate: object) -> None:
    twin = duplicate(error)
    assert type(twin) is type(error)
    assert str(twin) == str(error)
    # An exception equals itself alone, and one may hold another.
    assert repr(vars(twin)) == repr(vars(error))
    assert twin.__traceback__ is None


def by_json(error: errors.TiliaError) -> errors.TiliaError:
    """An error as Celery's backend makes it with the JSON serializer, and other queues in their ways."""
    rebuilt: errors.TiliaError = type(error)(*json.loads(json.dumps(error.args)))
    return rebuilt


def by_celery(error: errors.TiliaError) -> errors.TiliaError:
    backend = pytest.importorskip("celery").Celery(set_as_current=False, backend="cache+memory://").backend
    stored = json.loads(json.dumps(backend.prepare_exception(error, "json")))
    rebuilt: errors.TiliaError = backend.exception_to_python(stored)
    return rebuilt


@pytest.mark.parametrize("error", one_of_each(), ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("rebuild", [by_json, by_celery, lambda error: type(error)(str(error))])
def test_an_error_can_be_built_from_its_text_alone(
    error: errors.TiliaError, rebuild: Callable[[errors.TiliaError], errors.TiliaError]
) -> None:
    twin = rebuild(error)
    assert type(twin) is type(error)
    assert str(twin) == str(error)
    assert twin.remedy in twin.explain()
    assert twin.operation is None
    again = pickle.loads(pickle.dumps(twin))
    assert (str(again), again.took_effect, again.args) == (str(twin), twin.took_effect, twin.args)
    assert str(rebuild(twin)) == str(error)
    assert str(errors.attributed_to(twin, "c.d", {})) == f"c.d: {error}"


@pytest.mark.parametrize("effect", [None, True, False])
@pytest.mark.parametrize("error", one_of_each(), ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("rebuild", [by_json, by_celery])
def test_no_doubt_is_lost_on_the_way(
    error: errors.TiliaError, effect: bool | None, rebuild: Callable[[errors.TiliaError], errors.TiliaError]
) -> None:
    if isinstance(error, errors.ApiError):
        told: errors.TiliaError = type(error)(status=418, took_effect=effect)
    elif isinstance(error, errors.ResponseDecodeError):
        told = errors.ResponseDecodeError("odd", status=200, took_effect=effect)
    elif isinstance(error, errors.InvalidRequestError | errors.TokenError | errors.BulkStoppedError):
        told = error
    else:
        told = type(error)("what happened", operation="a.b", took_effect=effect)
    errors.add_inferred(told, {"path"}, "by its name")
    twin = rebuild(told)
    if told.took_effect is not False:
        assert twin.took_effect is not False
    assert twin.took_effect in (told.took_effect, None)


def test_what_a_rebuilt_error_says() -> None:
    unknown = by_json(errors.OutcomeUnknownError("no answer came", operation="invoices.pay", took_effect=None))
    assert unknown.took_effect is None
    assert "do not simply call again" in unknown.explain()
    missing = by_json(errors.NotFoundError(status=404, operation="a.b"))
    assert isinstance(missing, errors.NotFoundError)
    assert (missing.status, missing.took_effect, missing.messages, missing.retryable) == (404, None, (), False)
    assert by_json(errors.ConnectError("refused", operation="a.b")).took_effect is False
    refused = by_json(errors.InvalidRequestError({"f": ["is empty"]}, operation="a.b"))
    assert (str(refused), refused.took_effect) == ("a.b: not sent, f: is empty", False)
    job = by_json(stopped(BulkOutcome.FAILED))
    assert job.took_effect is None
    assert not hasattr(job, "report")


@pytest.mark.parametrize("error", one_of_each(), ids=lambda error: type(error).__name__)
def test_in_doubt_nothing_says_to_call_again_at_once(error: errors.TiliaError) -> None:
    error.took_effect = None
    advice = error.explain().partition("what to do: ")[2]
    assert advice.startswith("It may be done already, so do not simply call again: `await tilia.reconcile(error)`")
    assert advice.count("simply call again") == 1


@pytest.mark.parametrize("error", one_of_each(), ids=lambda error: type(error).__name__)
def test_advice_is_for_people_and_not_for_a_page(error: errors.TiliaError) -> None:
    assert "``" not in error.explain()


def test_the_account_of_a_taken_username_survives_pickle() -> None:
    error = errors.AccountExistsError(status=409, operation="accounts.register")
    error.account = RegisteredAccount("acct_1", "nyx")
    assert pickle.loads(pickle.dumps(error)).account == RegisteredAccount("acct_1", "nyx")


@pytest.mark.parametrize("error", one_of_each(), ids=lambda error: type(error).__name__)
def test_an_error_names_its_operation_first(error: errors.TiliaError) -> None:
    assert str(error).startswith("a.b: ")


def test_errors_are_what_python_has_for_the_same_case() -> None:
    assert issubclass(errors.InvalidRequestError, ValueError)
    assert issubclass(errors.ConnectError, ConnectionError)
    assert issubclass(errors.DeadlineExceededError, TimeoutError)


def test_the_tree_of_the_docstring_is_the_tree_of_the_classes() -> None:
    drawn: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        branch, _, rest = line.partition("── ")
        if rest:
            drawn.append((len(branch) // 4, rest.split()[0]))
    parents = ["TiliaError"]
    for depth, name in drawn:
        del parents[depth:]
        assert getattr(errors, name).__bases__[0].__name__ == parents[-1], name
        parents.append(name)
    assert len(drawn) == len(one_of_each()) - 1


@pytest.mark.parametrize(
    ("outcome", "took_effect"),
    [(BulkOutcome.DONE, None), (BulkOutcome.UNKNOWN, None), (BulkOutcome.FAILED, False), (BulkOutcome.REFUSED, False)],
)
def test_a_stopped_job_had_no_effect_only_if_none_of_its_accounts_may_have_felt_one(
    outcome: BulkOutcome, took_effect: bool | None
) -> None:
    assert stopped(outcome).took_effect is took_effect


def test_a_stopped_job_explains_its_cause() -> None:
    explained = stopped(BulkOutcome.DONE).explain()
    assert "BulkStoppedError: a.b: stopped" in explained
    assert "LedgerError: the disk is full" in explained


def test_a_missing_scope_says_which() -> None:
    text = str(errors.MissingScopeError(needed={"read", "write"}, granted={"read"}, status=401, operation="a.b"))
    assert "missing write; granted: read" in text


def test_a_long_answer_is_clipped_in_the_text_but_not_in_the_attributes() -> None:
    error = errors.BadRequestError(status=400, messages=["x" * 5000])
    assert len(str(error)) < 400
    assert error.messages == ("x" * 5000,)


def test_a_shared_failure_is_attributed_to_each_call() -> None:
    shared = errors.TokenError("no token", status=400, scopes={"x"})
    told = errors.attributed_to(shared, "accounts.get", {"account_id": "a"})
    assert str(told) == "accounts.get: no token"
    assert (told.operation, told.reference) == ("accounts.get", {"account_id": "a"})
    assert str(shared) == "no token"


def test_what_a_server_says_stays_on_one_line_and_commands_no_terminal() -> None:
    said = "no\n2030-01-01 INFO all is well\x1b[2J \u202e\ud800 é"
    error = errors.BadRequestError(status=400, operation="accounts.block", messages=[said])
    assert str(error) == r"accounts.block: 400 Bad Request: no\n2030-01-01 INFO all is well\x1b[2J \u202e\ud800 é"
    assert error.messages == (said,)
    assert str(error).encode()


def test_a_429_in_doubt_does_not_say_to_call_again_first() -> None:
    """A reader of the first words alone must not pay twice."""
    remedy = errors.RateLimitedError.remedy
    assert remedy.startswith("`took_effect` False: wait")
    assert "only if that says so" in remedy.partition("None: ")[2]
