"""Answers that are incomplete or odd."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.samples import (
    ACCOUNT,
    APPAUTH,
    CALLS,
    CARD,
    EMPTY,
    MAIL,
    PROFILE,
    REGISTERED,
    USD_WALLET,
    WALLET,
    WALLET_CAPTURED,
    WALLET_DOC,
    ZERO_TIME,
    at,
    check,
    token,
)

from tilia_async import errors

if TYPE_CHECKING:
    from support.recorder import Recorder

    from tilia_async import TiliaClient


@pytest.mark.asyncio
async def test_unknown_words(api: Recorder, tilia: TiliaClient) -> None:
    """Unknown members of an enumeration stay what they are: text."""
    api.succeed([{**CARD, "pm_state": "FROZEN", "provider": "klarna", "method_class": "later"}])
    (found,) = await tilia.payment_methods.list(ACCOUNT)
    assert (found.pm_state, found.provider, found.method_class) == ("FROZEN", "klarna", "later")
    assert isinstance(found.pm_state, str)


ODD: list[tuple[str, dict[str, Any], str, list[Any]]] = [
    ("accounts.get", PROFILE, "created", ["not a time", "", ZERO_TIME, None, [], {"a": 1}]),
    ("accounts.get", PROFILE, "tags", ["odd", 7, None]),
    ("accounts.get", PROFILE, "blocked_capabilities", ["odd", 7, None]),
    ("accounts.get", PROFILE, "email", [None, {"address": []}, [1]]),
    ("accounts.register", REGISTERED, "email", [None, "odd", 7, []]),
    ("wallets.get", {**WALLET_CAPTURED, "wallet_id": WALLET}, "updated", ["yesterday", "", ZERO_TIME, None, {}]),
    ("wallets.get", {**WALLET_CAPTURED, "wallet_id": WALLET}, "tags", [7, None]),
    ("payment_methods.list", CARD, "created", ["", ZERO_TIME, None, "yesterday"]),
    ("payment_methods.list", USD_WALLET, "wallet_balance", ["many", "", None, {}, "1.5"]),
    ("payment_methods.list", USD_WALLET, "provider_data", ["odd", 7, [], None]),
    ("payment_methods.list", CARD, "tags", ["odd", 7, None]),
    ("accounts.register", REGISTERED, "full_name", [None, [], {}]),
    ("auth.create_redirect", {"redirect": APPAUTH}, "nonce_auth_id", [None, [], {}]),
    ("auth.create_user_token", token({}), "expiry", [None, "", "later", []]),
]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("call", "payload", "change"),
    [
        pytest.param(call, payload, {field: odd}, id=f"{call}-{field}-{odd!r}")
        for call, payload, field, values in ODD
        for odd in values
    ],
)
async def test_odd_optional_field(
    api: Recorder, tilia: TiliaClient, call: str, payload: dict[str, Any], change: dict[str, Any]
) -> None:
    """A success stays a success: an optional field that cannot be read becomes None, a container maybe empty."""
    changed: Any = {"token": {**payload["token"], **change}} if "token" in payload else {**payload, **change}
    api.succeed([changed] if call == "payment_methods.list" else changed)
    found = await CALLS[call](tilia)
    (field,) = change
    wanted = EMPTY if field in {"tags", "blocked_capabilities"} else None
    check(found[0] if call == "payment_methods.list" else found, {field: wanted})


REQUIRED = [
    ("accounts.get", PROFILE, "account_id", False),
    ("accounts.find", PROFILE, "account_id", False),
    ("accounts.is_blocked", PROFILE, "is_blocked", False),
    ("wallets.get", WALLET_DOC, "wallet_id", False),
    ("accounts.block", {"is_blocked": True}, "is_blocked", True),
    ("accounts.unblock", {"is_blocked": False}, "is_blocked", True),
    ("accounts.register", REGISTERED, "account_id", True),
    ("registration.start", {"registration_id": "reg"}, "registration_id", True),
]


@pytest.mark.asyncio
@pytest.mark.parametrize("missing", ["absent", "null", "payload-null", "payload-absent"])
@pytest.mark.parametrize("case", [pytest.param(case, id="-".join(case[::2][:2])) for case in REQUIRED])
async def test_required_field(
    api: Recorder, tilia: TiliaClient, case: tuple[str, dict[str, Any], str, bool], missing: str
) -> None:
    """Without what it is all about, a success cannot be read, and the error tells whether it took effect."""
    call, payload, field, took_effect = case
    bodies: dict[str, dict[str, Any]] = {
        "absent": {"payload": {key: value for key, value in payload.items() if key != field}},
        "null": {"payload": {**payload, field: None}},
        "payload-null": {"payload": None},
        "payload-absent": {},
    }
    status = 201 if call == "registration.start" else 200
    api.answer(status, {"status": "Success", "message": [], "codes": [], **bodies[missing]})
    with pytest.raises(errors.ResponseDecodeError) as caught:
        await CALLS[call](tilia)
    assert (caught.value.took_effect, caught.value.status) == (took_effect, status)
    assert len(api.calls) == 1


@pytest.mark.asyncio
async def test_decode_error_carries_the_payload(api: Recorder, tilia: TiliaClient) -> None:
    """A payload that could not be read is there to be looked at, without its envelope."""
    api.succeed({"is_locked": True})
    with pytest.raises(errors.ResponseDecodeError) as caught:
        await tilia.accounts.block(ACCOUNT)
    assert caught.value.payload == {"is_locked": True}


@pytest.mark.asyncio
async def test_silence_is_not_unblocked(api: Recorder, tilia: TiliaClient) -> None:
    """An account of which Tilia does not say whether it is blocked is not taken for one that is not."""
    api.succeed({key: value for key, value in PROFILE.items() if key != "is_blocked"})
    try:
        account = await tilia.accounts.get(ACCOUNT)
    except errors.ResponseDecodeError:
        return
    assert account.is_blocked is None


@pytest.mark.asyncio
@pytest.mark.parametrize("odd", [1.5, "1.5", "many", True, {}, []], ids=repr)
async def test_balance_is_never_guessed(api: Recorder, tilia: TiliaClient, odd: Any) -> None:
    """Money is an integer or it is not there; nothing is rounded."""
    api.succeed({**WALLET_DOC, "current_balance": odd})
    try:
        wallet = await tilia.wallets.get(WALLET)
    except errors.ResponseDecodeError:
        return
    assert wallet.current_balance is None


@pytest.mark.asyncio
@pytest.mark.parametrize("odd", ["odd", 7, [], None])
async def test_odd_convertible(api: Recorder, tilia: TiliaClient, odd: Any) -> None:
    """An odd convertible balance leaves the spendable one readable."""
    spendable = {"balance": "50000", "display": "$500.00"}
    api.succeed({"account_id": ACCOUNT, "balances": {"USD": {"spendable": spendable, "convertible": odd}}})
    found = await tilia.wallets.balances(ACCOUNT)
    check(found, {"balances.USD.spendable.balance": 50000, "balances.USD.convertible": None})


@pytest.mark.asyncio
@pytest.mark.parametrize("digits", range(7))
async def test_fractions_of_a_second(api: Recorder, tilia: TiliaClient, digits: int) -> None:
    """Moments come with up to six digits of a second, with a T and a zone or with neither."""
    fraction = "987654"[:digits]
    point = f".{fraction}" if fraction else ""
    moment = at(2022, 3, 1, 1, 0, 49, int(fraction.ljust(6, "0")))
    api.succeed({**PROFILE, "created": f"2022-03-01T01:00:49{point}Z"})
    api.succeed([{**CARD, "created": f"2022-03-01 01:00:49{point}"}])
    check(await tilia.accounts.get(ACCOUNT), {"created": moment})
    check(await tilia.payment_methods.list(ACCOUNT), {"0.created": moment})


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "change",
    [
        {"email": {"address": MAIL, "email_types": 7}},
        {"email": {"address": MAIL, "email_types": "odd"}},
        {"email": {"address": MAIL, "is_verified": "odd"}},
        {"email": {"address": 7}},
        {"email": {}},
        {"external_platforms": 7},
        {"external_platforms": []},
        {"external_platforms": {"steam": 7}},
        {"steam": 7},
        {"street_address_1": {}},
    ],
    ids=repr,
)
async def test_registration_stays_a_success(api: Recorder, tilia: TiliaClient, change: dict[str, Any]) -> None:
    """An account that was registered is registered, whatever is odd about the rest of the answer."""
    api.succeed({**REGISTERED, **change})
    check(await tilia.accounts.register("SOME_USERNAME", email=MAIL), {"account_id": "ACCOUNT_ID_STRING"})
