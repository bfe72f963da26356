"""The sandbox's state from one start to the next: the same money, the same ids, and nothing that is not ours."""

import asyncio
import os
from collections import Counter
from pathlib import Path

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tilia_sync
from tilia_async import LineItem, Money, Recipient, TiliaClient
from tilia_async.event_names import ALL
from tilia_async.sandbox import Sandbox, state_file, state_keeper
from tilia_async.tokens import TokenCache


def client(sandbox: Sandbox) -> TiliaClient:
    return TiliaClient(sandbox.client_id, sandbox.client_secret, sandbox.environment, token_cache=TokenCache())


def balances(sandbox: Sandbox) -> dict[str, int]:
    return {key: wallet.balance for key, wallet in sandbox._world.wallets.by_id.items()}


@pytest.mark.asyncio
async def test_all_that_there_is_goes_on(tmp_path: Path) -> None:
    """Everything that was begun before the end can be ended after the start."""
    path = tmp_path / "state.json"
    async with (
        Sandbox(state_file=path, wallet_delay=0, custom_wallets={"prizes": "TOK"}) as first,
        client(first) as tilia,
    ):
        for event in sorted(ALL):
            first.trigger(event)
        buyer, seller = first.add_account("nyx", "nyx@mail.example"), first.add_account("vex")
        first.fund(buyer, Money(900, "TOK"))
        item = LineItem(
            amount=Money(200, "TOK"), transaction_type="user_to_user",
            recipients=[Recipient(amount=Money(200, "TOK"), destination_account_id=seller, fee_percentage=0.1)],
        )  # fmt: skip
        escrow = await tilia.escrow.create(buyer, [item], reference_id="order-7", metadata={"deep": [1, {"x": None}]})
        await tilia.escrow.pay(escrow.id)
        started = await tilia.registration.start("zed@mail.example", "canary-pw1", "zed@mail.example")
        await tilia.auth.create_user_token(buyer)
        first.clock.advance(5_000)
        invoices = [
            each.invoice_id async for each in tilia.invoices.list(buyer, invoice_types=["user_purchase_escrow_virtual"])
        ]
        had, known = balances(first), list(first.accounts)
    nonces = [*first._world.nonces]
    content = path.read_text()
    assert nonces
    assert not [secret for secret in ("canary-pw1", first.client_secret, *nonces) if secret in content]

    async with Sandbox(state_file=path, seed=99) as second, client(second) as tilia:
        assert (balances(second), list(second.accounts), second.clock.ahead) == (had, known, 5_000)
        assert second._world.settings.custom_wallets == {"prizes": "TOK"}
        assert [
            each.invoice_id async for each in tilia.invoices.list(buyer, invoice_types=["user_purchase_escrow_virtual"])
        ] == invoices
        assert (await tilia.escrow.commit(escrow.id)).status == "COMMITTED"
        assert (await tilia.wallets.balances(seller)).balances["TOK"].spendable.balance == 180
        assert (await tilia.registration.complete(started.registration_id)).account_id
        await second.reset()
        assert balances(second) == had
        fresh = second.add_account("another")
        assert fresh not in known
        total = Counter[str]()
        for wallet in second._world.wallets.by_id.values():
            total[wallet.currency] += wallet.balance
        assert total == +Counter(second._world.wallets.entered)


def test_the_synchronous_sandbox_keeps_it_too(tmp_path: Path) -> None:
    path = str(tmp_path / "state.json")
    with tilia_sync.Sandbox(state_file=path) as first:
        account_id = first.add_account("nyx")
    with tilia_sync.Sandbox(state_file=path) as second:
        assert list(second.accounts) == [account_id]
    lost = tilia_sync.Sandbox(state_file=tmp_path / "missing" / "state.json")
    lost.start()
    with pytest.raises(FileNotFoundError):
        lost.close()
    lost.close()


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"[1]", b'{"tilia_sandbox":2}', b'{"tilia_sandbox":1}',
     b'{"tilia_sandbox":1,"ahead":0,"random":[3,[],null],"world":{"object":0},"objects":[]}',
     b'{"tilia_sandbox":1,"ahead":0,"random":[3,[],null],"world":{"object":0},"objects":[{"class":"Popen","fields":{}}]}',
     b'{"tilia_sandbox":1,"ahead":0,"random":[3,[],null],"world":{"object":0},"objects":[{"class":"Tag","fields":{}}]}'],
)  # fmt: skip
async def test_what_is_no_state_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "state.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="holds no state of a sandbox of this version"):
        await Sandbox(state_file=path).start()
    assert path.read_bytes() == content


@pytest.mark.asyncio
async def test_a_state_that_cannot_be_written_is_an_error(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    sandbox = Sandbox(state_file=tmp_path / "missing" / "state.json")
    await sandbox.start()
    async with asyncio.timeout(20):
        while not caplog.messages:  # noqa: ASYNC110 - a log has no event
            await asyncio.sleep(0)
    assert "the sandbox's state cannot be written to" in caplog.messages[0]
    with pytest.raises(FileNotFoundError):
        await sandbox.aclose()
    assert os.listdir(tmp_path) == []
    assert len(caplog.messages) == 1


async def until_it_is(path: Path, names: list[str]) -> None:
    """Wait until a file holds accounts of these names."""
    async with asyncio.timeout(20):
        while True:
            sandbox = Sandbox()
            kept = state_file.read(path, sandbox.clock, sandbox._world.random)
            if kept is not None and [each.username for each in kept.world.accounts.users.values()] == names:
                return
            await asyncio.sleep(0.01)


@pytest.mark.asyncio
async def test_each_change_is_kept_while_it_runs(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    async with Sandbox(state_file=path) as sandbox, client(sandbox) as tilia:
        await until_it_is(path, [])
        sandbox.add_account("nyx")
        await until_it_is(path, ["nyx"])
        await tilia.accounts.register("vex", email="vex@mail.example")
        await until_it_is(path, ["nyx", "vex"])
        before = path.stat()
        sandbox.faults.add("accounts.get", "latency")
        await asyncio.sleep(2 * state_keeper.PAUSE)
        assert path.stat().st_mtime_ns == before.st_mtime_ns, "faults are not in it"
        assert os.listdir(tmp_path) == ["state.json"]


@pytest.mark.asyncio
async def test_many_changes_are_written_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writes: list[bytes] = []
    monkeypatch.setattr(state_keeper, "store", lambda _path, content: writes.append(content))
    async with Sandbox(state_file=tmp_path / "state.json") as sandbox:
        for number in range(200):
            sandbox.add_account(f"user-{number}")
            await asyncio.sleep(0)
    assert 1 <= len(writes) <= 4
    assert b"user-199" in writes[-1]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_damaged_state_is_refused_in_a_sentence(tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "state.json"
    sandbox = Sandbox()
    sandbox.trigger("refund-completed")
    state_file.store(path, state_file.written(state_file.collect(sandbox._world)))
    kept = orjson.loads(path.read_bytes())
    record = data.draw(st.sampled_from(kept["objects"]))
    field = data.draw(st.sampled_from(sorted(record["fields"])))
    match data.draw(st.sampled_from(["missing", "number", "class"])):
        case "missing":
            del record["fields"][field]
        case "number":
            record["fields"][field] = {"object": 10**9}
        case _:
            record["class"] = "Unheard"
    path.write_bytes(orjson.dumps(kept))
    with pytest.raises(ValueError, match="holds no state"):
        state_file.read(path, sandbox.clock, sandbox._world.random)
