"""Arguments of a fault: its name, its number, its operation."""

from __future__ import annotations

import re
from collections.abc import Mapping

import aiohttp
import pytest
import test_sandbox
from support.shop import CONTRADICTIONS, Shop, shop

import tilia_sync
from tilia_async import errors
from tilia_async.api import OPERATIONS
from tilia_async.sandbox import Fault, Sandbox
from tilia_async.sandbox.faults import AFTER_COMMIT, LIES, MADE_FOR

__all__ = ["shop"]


def test_each_fault_is_tried_here_or_with_the_others() -> None:
    assert set(Fault) == set(test_sandbox.FAULTS) | LIES | CONTRADICTIONS
    assert not LIES & AFTER_COMMIT
    assert {name for names in MADE_FOR.values() for name in names} <= set(OPERATIONS)


@pytest.mark.asyncio
@pytest.mark.parametrize("name", ["drop_after_commit", "DROP_AFTER_COMMIT", "drop after commit"])
async def test_a_fault_can_be_given_by_its_name(shop: Shop, name: str) -> None:
    shop.http.sandbox.faults.add("accounts.block", name)
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await shop.ask("POST", f"accounts/v1/{shop.buyer}/user-info/block")
    assert shop.http.sandbox.accounts[shop.buyer].is_blocked


def test_the_synchronous_sandbox_takes_names_too() -> None:
    with tilia_sync.Sandbox(keep_alive=5.0) as sandbox:
        sandbox.faults.add("accounts.block", "server_error_empty")
        assert sandbox.faults.pending == 1
        with pytest.raises(errors.InvalidRequestError, match="did you mean drop_after_commit"):
            sandbox.faults.add("accounts.block", "drop_after_comit")


@pytest.mark.parametrize(
    ("given", "field", "told"),
    [
        (("accounts.block", "drop_after_comit"), "fault", "did you mean drop_after_commit"),
        (("accounts.block", "Drop after comit"), "fault", "drop_after_commit"),
        (("accounts.block", "zzz"), "fault", "there are bad_gateway,"),
        (("accounts.block", None), "fault", "no fault None"),
        (("accounts.block", 500), "fault", "no fault 500"),
        (("accounts.blok", Fault.LATENCY), "operation", "did you mean accounts.block"),
        (("zzz", Fault.LATENCY), "operation", "auth.token"),
        ((["accounts.block"], Fault.LATENCY), "operation", "no operation"),
        (("accounts.block", Fault.LATENCY, 0), "times", "at least 1"),
        (("accounts.block", Fault.LATENCY, "2"), "times", "at least 1"),
        (("accounts.block", Fault.LATENCY, True), "times", "at least 1"),
        (("accounts.block", Fault.STALE_READ), "fault", "operations that only read, not for accounts.block"),
        (("auth.token", Fault.STALE_READ), "fault", "operations that only read"),
        (("auth.token", Fault.TOKEN_REVOKED), "fault", "operations that send a token, not for auth.token"),
        (("accounts.get", Fault.SPLIT), "fault", "made for refunds.list, not for accounts.get"),
        (("accounts.get", Fault.CONTRADICTION_AFTER_COMMIT), "fault", "accounts.block"),
    ],
)
def test_what_is_no_fault_is_refused_with_what_is_near(given: tuple[object, ...], field: str, told: str) -> None:
    sandbox = Sandbox()
    with pytest.raises(errors.InvalidRequestError, match=re.escape(told)) as caught:
        sandbox.faults.add(*given)
    assert (set(caught.value.problems), sandbox.faults.pending) == ({field}, 0)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    ("fault", "more", "field"),
    [
        (Fault.LATENCY, {"seconds": -1}, "seconds"),
        (Fault.STALE_READ, {"seconds": float("nan")}, "seconds"),
        (Fault.OTHER_BODY_BEFORE_COMMIT, {"body": b"{}"}, "body"),
        (Fault.OTHER_BODY_AFTER_COMMIT, {"body": None}, "body"),
        (Fault.WRONG_DATE, {"seconds": float("inf")}, "seconds"),
        (Fault.LATENCY, {"seconds": "1"}, "seconds"),
        (Fault.GATEWAY_AFTER_COMMIT, {"status": 200}, "status"),
        (Fault.GATEWAY_AFTER_COMMIT, {"status": 600}, "status"),
        (Fault.GATEWAY_AFTER_COMMIT, {"status": "408"}, "status"),
    ],
)
def test_a_number_out_of_its_range_is_refused(fault: Fault, more: Mapping[str, object], field: str) -> None:
    with pytest.raises(errors.InvalidRequestError) as caught:
        Sandbox().faults.add("*", fault, **more)
    assert set(caught.value.problems) == {field}


@pytest.mark.parametrize("seconds", [0, -1, float("inf"), float("nan")])
def test_a_keep_alive_is_a_time(seconds: float) -> None:
    for package in (Sandbox, tilia_sync.Sandbox):
        with pytest.raises(ValueError, match="keep_alive"):
            package(keep_alive=seconds)
