"""The work of a game server, through both packages."""

import asyncio
import uuid

import pytest

from tilia_async import Evidence, Money, Operation, Repeat, RequestOptions, Scope, Service, errors
from tilia_async.api import OPERATIONS
from tilia_async.api.accounts import GET
from tilia_async.models.accounts import BlockStatus
from tilia_async.sandbox import Fault, Sandbox
from tilia_async.sandbox.faults import MADE_FOR

PASSWORD = "J5Ks+%ML-Tx_/}Eb"


def count(sandbox: Sandbox, operation: str) -> int:
    return sum(request.operation == operation for request in sandbox.requests)


@pytest.mark.asyncio
async def test_the_round_trip(tilia: object, sandbox: Sandbox) -> None:
    name, tracking_id = "david_gaimer@mail.io", uuid.uuid1()
    started = await tilia.registration.start(name, PASSWORD, name, tos=True, tracking_id=tracking_id, metadata="m")
    completed = await tilia.registration.complete(started.registration_id)
    assert (completed.tracking_id, completed.metadata) == (str(tracking_id), "m")
    found = await tilia.accounts.find(name)
    assert found == await tilia.accounts.get(completed.account_id)
    assert (found.username, found.email, found.is_blocked) == (name, name, False)
    sandbox.fund(found.account_id, Money(1250, "USD"))
    wallets = await tilia.wallets.list(found.account_id)
    assert [(wallet.currency, wallet.method_class, wallet.current_balance) for wallet in wallets] == [
        ("USD", "registration", 1250),
        ("TOK", "standard", 0),
        ("TOK", "convertible", 0),
    ]
    wallet = await tilia.wallets.get(wallets[0].wallet_id)
    assert (wallet.current_balance, wallet.currency, wallet.active) == (1250, "USD", True)
    balances = await tilia.wallets.balances(found.account_id, "USD")
    assert balances.balances["USD"].spendable.balance == 1250
    assert len(await tilia.payment_methods.list(found.account_id)) == 3
    assert await tilia.accounts.block(found.account_id, reason="fraud", actor="ops") == BlockStatus(True)
    assert await tilia.accounts.is_blocked(found.account_id) is True
    with pytest.raises(errors.AccountBlockedError) as caught:
        await tilia.auth.create_redirect(found.account_id)
    assert caught.value.account_id == found.account_id
    assert await tilia.accounts.unblock(found.account_id) == BlockStatus(False)
    assert (await tilia.auth.create_redirect(found.account_id)).redirect.startswith("https://web.")
    hosted = await tilia.auth.create_redirect(found.account_id, "kyc", hosted=True)
    assert hosted.nonce_auth_id in hosted.redirect
    token = await tilia.auth.create_user_token(found.account_id, expires_in=30)
    assert token.access_token
    assert token.access_token not in repr(token)
    assert token.expiry is None


@pytest.mark.asyncio
async def test_a_taken_name_brings_the_account_that_has_it(tilia: object) -> None:
    first = await tilia.accounts.register("nyx", email="nyx@mail.example", full_name="Nyx", city="Wien")
    assert (first.username, first.email.address, first.full_name) == ("nyx", "nyx@mail.example", "Nyx")
    with pytest.raises(errors.AccountExistsError) as caught:
        await tilia.accounts.register("nyx", email="other@mail.example")
    assert caught.value.account == first
    assert caught.value.took_effect is False


@pytest.mark.asyncio
async def test_a_user_of_an_external_platform_has_no_email(tilia: object) -> None:
    account = await tilia.accounts.register("vex", external_platforms={"steam": "7656", "sony": {"user_id": "s-1"}})
    assert {name: user.user_id for name, user in account.external_platforms.items()} == {"steam": "7656", "sony": "s-1"}


@pytest.mark.asyncio
async def test_a_block_of_tilias_cannot_be_lifted(tilia: object, sandbox: Sandbox) -> None:
    account = await tilia.accounts.register("nyx", email="nyx@mail.example")
    sandbox.block_as_tilia(account.account_id)
    with pytest.raises(errors.ForbiddenError) as caught:
        await tilia.accounts.unblock(account.account_id)
    assert type(caught.value) is errors.ForbiddenError
    assert await tilia.accounts.is_blocked(account.account_id)


@pytest.mark.asyncio
async def test_an_expired_token_costs_one_new_token_and_one_more_try(tilia: object, sandbox: Sandbox) -> None:
    for _ in range(2):
        await tilia.payment_methods.list("acct_1")
    for expiries in (1, 2, 3):
        sandbox.clock.advance(3600)
        await tilia.payment_methods.list("acct_1")
        assert (count(sandbox, "auth.token"), count(sandbox, "payment_methods.list")) == (
            1 + expiries,
            2 + 2 * expiries,
        )


@pytest.mark.asyncio
async def test_the_try_with_a_new_token_is_on_top_of_the_attempts(make: object, sandbox: Sandbox) -> None:
    tilia = make()
    account = await tilia.accounts.register("nyx", email="nyx@mail.example")
    await tilia.accounts.get(account.account_id)
    sandbox.clock.advance(3600)
    sandbox.faults.add("accounts.get", Fault.SERVER_ERROR_EMPTY, times=2)
    assert (await tilia.accounts.get(account.account_id)).username == "nyx"


@pytest.mark.asyncio
async def test_a_missing_scope_is_named_and_asked_for_once(make: object, sandbox: Sandbox) -> None:
    tilia = make(scopes=[Scope.SEARCH_ACCOUNTS])
    wrong = Operation(
        "x.read", "GET", Service.ACCOUNTS, GET.path, dict[str, str], scopes={Scope.READ_WALLETS}, repeat=Repeat.SAFE
    )
    for _ in range(3):
        with pytest.raises(errors.MissingScopeError) as caught:
            await tilia.send(wrong, path={"account_id": "acct_1"})
        assert caught.value.needed == {"read_wallets"}
        assert caught.value.granted == {"read_wallets"}
    assert count(sandbox, "auth.token") == 2


@pytest.mark.asyncio
async def test_a_missing_scope_that_is_only_inferred_is_named_as_such(tilia: object) -> None:
    guess = Operation(
        "x.read", "GET", Service.ACCOUNTS, GET.path, dict[str, str], scopes={Scope.READ_WALLETS}, repeat=Repeat.SAFE,
        evidence=Evidence({"scope"}, "by its name"),
    )  # fmt: skip
    with pytest.raises(errors.MissingScopeError, match=r"inferred: scope; by its name"):
        await tilia.send(guess, path={"account_id": "acct_1"})


@pytest.mark.asyncio
async def test_fifty_refusals_together_make_at_most_two_token_requests(tilia: object, sandbox: Sandbox) -> None:
    wrong = Operation(
        "x.read", "GET", Service.ACCOUNTS, GET.path, dict[str, str], scopes={Scope.READ_WALLETS}, repeat=Repeat.SAFE
    )
    calls = [tilia.send(wrong, path={"account_id": f"acct_{number}"}) for number in range(50)]
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(result) for result in results} == {errors.MissingScopeError}
    assert count(sandbox, "auth.token") <= 2


@pytest.mark.asyncio
async def test_least_scope_by_default_and_one_token_if_asked(make: object, sandbox: Sandbox) -> None:
    for settings, tokens in (({}, 2), ({"scopes": [Scope.READ_PAYMENT_METHODS, Scope.READ_WALLETS]}, 1)):
        sandbox.requests.clear()
        tilia = make(**settings)
        await tilia.payment_methods.list("acct_1")
        with pytest.raises(errors.NotFoundError):
            await tilia.wallets.balances("acct_1")
        assert count(sandbox, "auth.token") == tokens


@pytest.mark.asyncio
async def test_a_hundred_tasks_ask_for_one_token(tilia: object, sandbox: Sandbox) -> None:
    await asyncio.gather(*(tilia.payment_methods.list(f"acct_{number}") for number in range(100)))
    assert (count(sandbox, "auth.token"), count(sandbox, "payment_methods.list")) == (1, 100)


@pytest.mark.asyncio
@pytest.mark.parametrize("fault", [Fault.DROP_BEFORE_COMMIT, Fault.DROP_AFTER_COMMIT, Fault.SERVER_ERROR_EMPTY])
async def test_a_registration_is_sent_once_whatever_happens(tilia: object, sandbox: Sandbox, fault: Fault) -> None:
    sandbox.faults.add("accounts.register", fault, times=None)
    with pytest.raises((errors.OutcomeUnknownError, errors.ServerError)) as caught:
        await tilia.accounts.register("nyx", email="nyx@mail.example")
    assert (caught.value.took_effect, caught.value.reference) == (None, {"username": "nyx"})
    assert count(sandbox, "accounts.register") == 1
    sandbox.faults.clear()
    if fault is Fault.DROP_AFTER_COMMIT:
        assert (await tilia.accounts.find("nyx")).username == "nyx"
    else:
        with pytest.raises(errors.NotFoundError):
            await tilia.accounts.find("nyx")


NOT_FOR_BLOCKS = {Fault.STALE_READ, *(fault for fault, names in MADE_FOR.items() if "accounts.block" not in names)}
FOR_THE_CALLER = {
    # Nobody answers, or the answer is a no, which is for the caller to judge.
    *(Fault.HANG_BEFORE_COMMIT, Fault.HANG_AFTER_COMMIT, Fault.PROXY_NOT_FOUND),
    *(Fault.OTHER_BODY_BEFORE_COMMIT, Fault.OTHER_BODY_AFTER_COMMIT),
}


@pytest.mark.asyncio
@pytest.mark.parametrize("fault", [fault for fault in Fault if fault not in NOT_FOR_BLOCKS | FOR_THE_CALLER])
async def test_a_block_survives_every_fault_that_passes(tilia: object, sandbox: Sandbox, fault: Fault) -> None:
    account = await tilia.accounts.register("nyx", email="nyx@mail.example")
    sandbox.faults.add("accounts.block", fault, seconds=0.01, retry_after=0)
    assert await tilia.accounts.block(account.account_id) == BlockStatus(True)
    assert sandbox.accounts[account.account_id].is_blocked
    assert sandbox.faults.pending == 0


@pytest.mark.asyncio
async def test_the_answer_with_its_details(tilia: object, sandbox: Sandbox) -> None:
    account = await tilia.accounts.register("nyx", email="nyx@mail.example")
    sandbox.faults.add("accounts.get", Fault.SERVER_ERROR_EMPTY)
    response = await tilia.send(OPERATIONS["accounts.get"], path={"account_id": account.account_id})
    assert response.value.username == "nyx"
    assert response.payload["integrator"] == "sandbox"
    assert (response.status, response.attempts) == (200, 2)
    assert response.headers["content-type"].startswith("application/json")
    assert 0 < response.elapsed < 5


@pytest.mark.asyncio
async def test_a_corrected_declaration_is_used_by_the_typed_methods(make: object, sandbox: Sandbox) -> None:
    import attrs

    tilia = make(operations={"accounts.get": attrs.evolve(GET, path="/v1/user-info/{account_id}")})
    account = await tilia.accounts.register("nyx", email="nyx@mail.example")
    assert (await tilia.accounts.get(account.account_id)).username == "nyx"
    assert sandbox.requests[-1].path == f"/v1/user-info/{account.account_id}"


@pytest.mark.asyncio
async def test_options_of_one_call(tilia: object, sandbox: Sandbox) -> None:
    await tilia.payment_methods.list("acct_1", options=RequestOptions(headers={"X-Trace": "7"}))
    assert sandbox.requests[-1].headers["X-Trace"] == "7"
    assert sandbox.requests[-1].headers["User-Agent"].startswith("tilia-sdk/")
    sandbox.faults.add("payment_methods.list", Fault.LATENCY, seconds=5)
    with pytest.raises(errors.DeadlineExceededError):
        await tilia.payment_methods.list("acct_1", options=RequestOptions(timeout=0.1))


@pytest.mark.asyncio
async def test_bad_input_is_refused_before_anything_is_sent(tilia: object, sandbox: Sandbox) -> None:
    name = "nyx@mail.example"
    refused = {
        "account_id": [tilia.accounts.get("a/b"), tilia.accounts.block(".."), tilia.wallets.list(""), tilia.auth.create_redirect("x" * 37)],
        "wallet_id": [tilia.wallets.get("")],
        "currency": [tilia.wallets.balances("acct_1", "DOLLAR")],
        "registration_id": [tilia.registration.complete(".")],
        "username": [tilia.accounts.register("", email=name), tilia.accounts.register("x" * 65, email=name), tilia.accounts.find(""), tilia.registration.start("nyx", PASSWORD, name)],
        "password": [tilia.registration.start(name, "short", name)],
        "email": [tilia.accounts.register("nyx"), tilia.accounts.register("nyx", email=name, external_platforms={"steam": "1"}), tilia.accounts.register("nyx", email="nobody")],
        "external_platforms": [tilia.accounts.register("nyx", external_platforms={"stream": "1"})],
        "country_iso": [tilia.accounts.register("nyx", email=name, state_province="WA")],
        "tracking_id": [tilia.registration.start(name, PASSWORD, name, tracking_id="7")],
        "flow": [tilia.auth.create_redirect("acct_1", "kyc")],
        "expires_in": [tilia.auth.create_user_token("acct_1", 0)],
        "reason": [tilia.accounts.block("acct_1", reason="")],
        "path": [tilia.send(GET, path=["acct_1"])],
        "query": [tilia.send(GET, path={"account_id": "acct_1"}, query="a=b")],
        "body": [tilia.send(OPERATIONS["accounts.register"], body=[1])],
        "hosted": [tilia.auth.create_redirect("acct_1", hosted="no")],
    }  # fmt: skip
    for field, calls in refused.items():
        for call in calls:
            with pytest.raises(errors.InvalidRequestError) as caught:
                await call
            assert field in caught.value.problems
            assert PASSWORD not in str(caught.value)
    assert list(sandbox.requests) == []


@pytest.mark.asyncio
async def test_a_closed_client_says_so(tilia: object) -> None:
    await tilia.aclose()
    with pytest.raises(errors.ClientClosedError):
        await tilia.accounts.get("acct_1")
