"""Results of jobs, fleets, ledgers and reconciliations as JSON: for FastAPI, for Celery, for a file."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import attrs
import httpx
import pydantic
import pytest
from fastapi import FastAPI
from kombu.serialization import dumps

from tilia_async import bulk, errors, fleet, ledger, reconcile
from tilia_async.bulk import BulkItem, BulkOutcome, BulkReport
from tilia_async.json_model import JsonResult
from tilia_async.reconcile import Reconciliation, Verdict

REFUSED = errors.OutcomeUnknownError("accounts.block: nobody knows", operation="accounts.block")
REPORT = BulkReport(
    action="block",
    job_id="wave",
    total=2,
    counts=dict.fromkeys(BulkOutcome, 0) | {BulkOutcome.DONE: 1, BulkOutcome.UNKNOWN: 1},
    failures=(BulkItem("acct_2", BulkOutcome.UNKNOWN, REFUSED, attempts=1),),
    elapsed=0.5,
)


def test_a_report_is_json_with_its_failures_and_their_doubt() -> None:
    known = json.loads(REPORT.to_json())
    assert (known["counts"]["done"], known["complete"]) == (1, False)
    assert known["failures"] == [
        {
            "account_id": "acct_2",
            "outcome": "unknown",
            "error": REFUSED.to_dict(),
            "attempts": 1,
            "account": None,
            "also_blocked_by": [],
        }
    ]
    assert REFUSED.to_dict() == {
        "type": "OutcomeUnknownError",
        "message": str(REFUSED),
        "operation": "accounts.block",
        "took_effect": None,
        "reference": {},
    }


@pytest.mark.asyncio
async def test_a_view_of_fastapi_and_a_task_of_celery_return_it() -> None:
    app = FastAPI()

    @app.get("/")
    def report() -> BulkReport:
        return REPORT

    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        assert (await client.get("/")).json() == REPORT.to_dict()
        assert (await client.get("/openapi.json")).status_code == 200
    assert json.loads(dumps(REPORT, serializer="json")[2]) == REPORT.to_dict()
    with pytest.raises(pydantic.ValidationError):
        pydantic.TypeAdapter(BulkReport).validate_python({})


def test_a_reconciliation_is_json() -> None:
    asked = datetime(2026, 1, 2, tzinfo=UTC)
    known = Reconciliation(Verdict.NOT_SEEN, None, "ask again", asked).to_dict()
    assert (known["verdict"], known["checked_at"], known["done"]) == (
        Verdict.NOT_SEEN.value,
        "2026-01-02T00:00:00Z",
        False,
    )


@pytest.mark.parametrize("room", [bulk, fleet, ledger, reconcile], ids=lambda each: each.__name__)
def test_each_result_of_a_room_has_a_form_in_json(room: object) -> None:
    values = [getattr(room, name) for name in room.__all__]  # type: ignore[attr-defined]  # each is a module
    results = [each for each in values if isinstance(each, type) and attrs.has(each)]
    services = {"Bulk", "BulkStream", "Fleet", "RedisBudget"}
    assert [
        each.__name__ for each in results if not issubclass(each, JsonResult) and each.__name__ not in services
    ] == []
