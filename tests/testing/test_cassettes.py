"""Cassettes of a whole tutorial hold nothing private, and play."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.canaries import search
from support.quick import QUICK

from tilia_async import LineItem, Money, Recipient, TiliaClient
from tilia_async.sandbox import Sandbox
from tilia_async.testing import vcr_config
from tilia_async.tokens import TokenCache

vcr = pytest.importorskip("vcr")

NYX, VEX = "nyx@example.com", "vex"
KEPT = {VEX, "order-7"}
CANARIES = {
    "canary.person@provider.org", "c4nary-Password", "Canary Person", "Canarygasse 7", "Canaryville", "C-1234",
    "canary in a note", "steam-canary-76561",
}  # fmt: skip
"""Secrets that a test may send and no cassette may hold."""


async def tutorial(tilia: TiliaClient, sandbox: Sandbox | None) -> list[object]:
    """Users, tokens, an escrow, a refund, a block: all that is told of it."""
    await tilia.registration.start("canary.person@provider.org", "c4nary-Password", "canary.person@provider.org")
    buyer = await tilia.accounts.register(
        NYX, email="canary.person@provider.org", full_name="Canary Person", street_address_1="Canarygasse 7",
        city="Canaryville", zip_postal_code="C-1234",
    )  # fmt: skip
    seller = await tilia.accounts.register(VEX, external_platforms={"steam": "steam-canary-76561"})
    if sandbox is not None:
        sandbox.add_payment_method(buyer.account_id)
    found = await tilia.accounts.find(NYX)
    methods = await tilia.payment_methods.list(buyer.account_id)
    card = next(method for method in methods if method.provider == "rebilly")
    bought = await tilia.token_exchanges.buy(card.id, Money(500, "TOK"))
    line = LineItem(
        amount=Money(200, "TOK"),
        transaction_type="user_to_user",
        recipients=[Recipient(amount=Money(200, "TOK"), destination_account_id=seller.account_id)],
    )
    escrow = await tilia.escrow.create(buyer.account_id, [line], reference_id="order-7")
    await tilia.escrow.pay(escrow.id)
    held = await tilia.escrow.commit(escrow.id)
    ticket = LineItem(amount=Money(300, "TOK"), transaction_type="user_to_integrator", description="canary in a note")
    invoice = await tilia.invoices.create(buyer.account_id, [ticket])
    paid = await tilia.invoices.pay(invoice.invoice_id)
    await tilia.refunds.refund_invoice(invoice.invoice_id, "billing")
    refunded = await tilia.refunds.list(invoice.invoice_id)
    session = await tilia.auth.create_user_token(buyer.account_id)
    redirect = await tilia.auth.create_redirect(buyer.account_id)
    kyc = await tilia.compliance.kyc_status(buyer.account_id)
    blocked = await tilia.accounts.block_capability(seller.account_id, note="canary in a note")
    told = [buyer, seller, found, *methods, bought, held, paid, refunded, session, redirect, kyc, blocked]
    told += [invoice async for invoice in tilia.invoices.list(buyer.account_id)]
    return told


def texts_of(value: object, name: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, each in value.items():
            yield from texts_of(each, key)
    elif isinstance(value, list):
        for each in value:
            yield from texts_of(each, name)
    elif isinstance(value, str):
        yield name, value


def client(sandbox: Sandbox, environment: object) -> TiliaClient:
    return TiliaClient(sandbox.client_id, sandbox.client_secret, environment, retry=QUICK, token_cache=TokenCache())


@pytest.mark.asyncio
async def test_a_cassette_of_a_tutorial_holds_nothing_private_and_plays(tmp_path: Path) -> None:
    cassette = tmp_path / "tutorial.json"
    async with Sandbox(wallet_delay=0) as sandbox:
        environment = sandbox.environment
        async with client(sandbox, environment) as tilia:
            with vcr.VCR(**vcr_config(keep=KEPT), serializer="json").use_cassette(cassette):
                recorded = await tutorial(tilia, sandbox)
            ids = {*sandbox.accounts, sandbox.client_id}
            ids |= {text for each in recorded for name, text in texts_of(each.to_dict()) if name.endswith("id")}
            secrets = {
                request.headers["Authorization"][7:]
                for request in sandbox.requests
                if request.operation != "auth.token"
            }
    written = cassette.read_text("utf-8")
    search({*CANARIES, *secrets, sandbox.client_secret, *ids} - KEPT - {""}, [written])
    assert len(ids) > 15
    # Nothing listens there any more.
    async with client(sandbox, environment) as tilia:
        with vcr.VCR(**vcr_config(keep=KEPT), serializer="json", record_mode="none").use_cassette(cassette) as played:
            replayed = await tutorial(tilia, None)
        assert played.all_played
    assert [type(each) for each in replayed] == [type(each) for each in recorded]
    buyer, seller, found, *rest = replayed
    assert buyer.account_id == found.account_id != seller.account_id
    assert (found.username, seller.username) == (NYX, VEX)
    assert [getattr(each, "status", None) for each in rest] == [getattr(each, "status", None) for each in recorded[3:]]


def answer(body: bytes, **headers: list[str]) -> dict[str, object]:
    return {"status": {"code": 200, "message": "OK"}, "headers": headers, "body": {"string": body}}


def scrubbed(body: bytes, **settings: object) -> bytes:
    return vcr_config(**settings)["before_record_response"](answer(body))["body"]["string"]


@pytest.mark.parametrize(
    ("private", "words"),
    [
        (
            '{"message":["no account f8a4b6c1-95a2-4a0e-9a62-0f7d6c1c0a11 from 198.51.100.7 for a.person@provider.org"]}',
            ["f8a4b6c1-", "198.51", "person", "provider"],
        ),
        ('{"payload":{"0b1c3f5a-8d3e-4c55-9a51-2f1f7c1d2e3f":{"acct_4D9sUZq2bTn7WcXk":1}}}', ["0b1c3f5a-", "acct_"]),
        ('{"token":{"access_token":"s3cret-s3cret","value":70707070}}', ["s3cret", "70707070"]),
        ('{"username":"a person","psp_reference":"R-77-12","wallet_id":"W-1"}', ["person", "R-77", "W-1"]),
        ('{"metadata":{"guild":["The Persons"],"age":41},"last_four":"4242"}', ["Persons", "41", "4242"]),
        ("<html>s3cret-s3cret</html>", ["s3cret"]),
    ],
)
def test_nothing_private_is_left_and_what_is_scrubbed_stays(private: str, words: list[str]) -> None:
    found = scrubbed(private.encode())
    assert [word for word in words if word in found.decode()] == []
    assert scrubbed(found) == found


def test_what_was_private_once_is_private_in_any_text() -> None:
    settings = vcr_config()
    settings["before_record_response"](answer(b'{"username":"some-player"}'))
    later = settings["before_record_response"](answer(b'{"message":"some-player is taken"}'))
    assert b"some-player" not in later["body"]["string"]


def test_what_a_test_chose_and_what_belongs_to_nobody_stays() -> None:
    body = b'{"username":"nyx","email":"nyx@mail.example","created":"2026-01-02T03:04:05Z","status":"OPEN","amount":7}'
    assert scrubbed(body, keep={"nyx"}) == body


def test_headers_that_may_hold_anything_are_left_out() -> None:
    told = vcr_config()["before_record_response"](answer(b"{}", **{"Set-Cookie": ["s3cret"], "Date": ["Fri"]}))
    assert told["headers"] == {"Date": ["Fri"]}
