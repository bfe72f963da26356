"""Bulk jobs and the ledger for code without an event loop: who reads, who is told, and what is left behind."""

from __future__ import annotations

import gc
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from support.quick import QUICK
from support.scripted import people
from support.scripts import run, unix

from tilia_async import errors
from tilia_async.bulk import BulkItem, BulkOutcome, BulkProgress
from tilia_async.sandbox import Sandbox as AsyncSandbox
from tilia_async.tokens import TokenCache
from tilia_sync import BlockLedger, Sandbox, TiliaClient
from tilia_sync.loop_thread import LoopHandle


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(wallet_delay=0) as running:
        yield running


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[BlockLedger]:
    with BlockLedger.open(f"sqlite:///{tmp_path}/blocks.db") as opened:
        yield opened


@pytest.fixture
def tilia(sandbox: Sandbox, ledger: BlockLedger) -> Iterator[TiliaClient]:
    credentials = (sandbox.client_id, sandbox.client_secret, sandbox.environment)
    with TiliaClient(*credentials, retry=QUICK, token_cache=TokenCache(), ledger=ledger) as client:
        yield client


def accounts_of(sandbox: Sandbox, number: int) -> list[str]:
    inside = sandbox._sandbox
    assert isinstance(inside, AsyncSandbox)
    return people(inside, number)


def sent(sandbox: Sandbox) -> int:
    return sum(request.operation == "accounts.block" for request in sandbox.requests)


async def asynchronous_ids() -> AsyncIterator[str]:
    yield "acct_1"


@pytest.mark.parametrize(
    "submit",
    [
        lambda tilia, ids: tilia.bulk.block(ids),
        lambda tilia, ids: tilia.bulk.unblock(ids),
        lambda tilia, ids: tilia.bulk.lookup(ids),
        lambda tilia, ids: tilia.bulk.stream_block(ids),
        lambda tilia, ids: tilia.bulk.stream_unblock(ids),
        lambda tilia, ids: tilia.bulk.stream_lookup(ids),
        lambda tilia, ids: tilia.fleet.submit(ids),
    ],
)
def test_asynchronous_ids_are_refused_at_once(submit: Callable[[TiliaClient, object], object]) -> None:
    with (
        TiliaClient("id", "secret", "http://127.0.0.1:1/{service}") as tilia,
        pytest.raises(
            errors.InvalidRequestError, match="account_ids: is a plain iterable of ids, not the asynchronous"
        ),
    ):
        submit(tilia, asynchronous_ids())


def test_ids_are_read_and_progress_is_reported_in_the_callers_thread(sandbox: Sandbox, tilia: TiliaClient) -> None:
    accounts = accounts_of(sandbox, 100)
    readers: set[int] = set()
    told: list[tuple[int, int]] = []

    def source() -> Iterator[str]:
        for each in accounts:
            readers.add(threading.get_ident())
            yield each

    def progress(so_far: BulkProgress) -> None:
        told.append((threading.get_ident(), so_far.total))

    report = tilia.bulk.block(source(), "fraud", concurrency=8, on_progress=progress)
    assert report.counts[BulkOutcome.DONE] == 100
    assert readers == {threading.get_ident()} == {thread for thread, _ in told}
    assert told[-1][1] == 100


def test_the_border_is_crossed_for_batches(
    sandbox: Sandbox, tilia: TiliaClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    accounts = accounts_of(sandbox, 512)
    tilia.bulk.block(accounts[:1])
    crossings = 0
    original = LoopHandle.run

    def counted(lease: LoopHandle, coroutine: object) -> object:
        nonlocal crossings
        crossings += 1
        return original(lease, coroutine)

    monkeypatch.setattr(LoopHandle, "run", counted)
    report = tilia.bulk.block(accounts[1:], concurrency=64)
    assert report.counts[BulkOutcome.DONE] == 511
    assert crossings <= 511 / 8


@pytest.mark.parametrize("leaving", ["close", "garbage", "with"])
def test_the_job_ends_with_its_consumer(
    sandbox: Sandbox, tilia: TiliaClient, ledger: BlockLedger, leaving: str
) -> None:
    accounts = accounts_of(sandbox, 400)
    stream = tilia.bulk.stream_block(accounts, concurrency=4, job_id="wave")
    first = [next(stream) for _ in range(3)]
    assert all(isinstance(item, BulkItem) for item in first)
    if leaving == "close":
        stream.close()
        stream.close()
    elif leaving == "with":
        with stream:
            pass
    else:
        del stream
        gc.collect()
    ended = sent(sandbox)
    assert ended <= 4 * 8, "it ran ahead of its consumer"
    confirmed = {record.account_id for record in ledger.records(job_id="wave", state="confirmed")}
    assert {item.account_id for item in first} <= confirmed
    report = tilia.bulk.block(accounts, job_id="wave")
    assert report.counts[BulkOutcome.SKIPPED] == len(confirmed)
    assert report.counts[BulkOutcome.DONE] == 400 - len(confirmed)


def test_many_threads_share_one_client_and_one_ledger(
    sandbox: Sandbox, tilia: TiliaClient, ledger: BlockLedger
) -> None:
    accounts = accounts_of(sandbox, 96)
    failures: list[BaseException] = []

    def block(mine: list[str]) -> None:
        try:
            for each in mine:
                tilia.accounts.block(each, "fraud")
        except BaseException as error:  # noqa: BLE001 - told by the main thread
            failures.append(error)

    threads = [threading.Thread(target=block, args=(accounts[number::16],)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert {record.account_id for record in ledger.blocked()} == set(accounts)


BLOCKING = """
    import os, tempfile
    directory = tempfile.mkdtemp()
    url = f"sqlite:///{directory}/blocks.db"
"""


@unix
def test_ctrl_c_ends_a_job_and_the_next_run_goes_on() -> None:
    assert (
        run(
            BLOCKING
            + """
    with Sandbox() as sandbox, BlockLedger.open(url) as ledger, connect(sandbox, ledger=ledger) as tilia:
        accounts = [tilia.accounts.register(f"u{n}", email=f"u{n}@mail.example").account_id for n in range(50)]
        sandbox.faults.add("accounts.block", Fault.LATENCY, times=None, seconds=0.05)
        thread = once_it_arrives(sandbox, interrupt)
        began = time.monotonic()
        try:
            tilia.bulk.block(accounts, "fraud", job_id="wave", concurrency=4)
        except KeyboardInterrupt:
            print("interrupted", time.monotonic() - began < 2)
        thread.join()
        sandbox.faults.clear()
        report = tilia.bulk.block(accounts, "fraud", job_id="wave")
        print(report.complete, report.total, [record for record in ledger.pending("wave")])
    """
        )
        == "interrupted True\nTrue 50 []\n"
    )


@unix
def test_parent_and_child_use_one_ledger_after_fork() -> None:
    assert (
        run(
            BLOCKING
            + """
    with Sandbox() as sandbox, BlockLedger.open(url) as ledger, connect(sandbox, ledger=ledger) as tilia:
        accounts = [tilia.accounts.register(f"u{n}", email=f"u{n}@mail.example").account_id for n in range(3)]
        tilia.accounts.block(accounts[0], "before")
        child = os.fork()
        if child == 0:
            tilia.accounts.block(accounts[1], "child")
            tilia.bulk.block(accounts[1:2], "child", job_id="wave")
            tilia.close()
            ledger.close()
            os._exit(0)
        status = os.waitpid(child, 0)[1]
        tilia.accounts.block(accounts[2], "parent")
        print(status, sorted(record.reason for record in ledger.records()))
    """
        )
        == "0 ['before', 'child', 'child', 'parent']\n"
    )


@pytest.mark.parametrize(
    "ending",
    [
        "",
        *(pytest.param(each, marks=pytest.mark.nightly) for each in ("sys.exit(0)", "del ledger, tilia; gc.collect()")),
    ],
)
def test_a_process_that_closes_nothing_ends_in_silence(ending: str) -> None:
    assert (
        run(
            BLOCKING
            + f"""
    sandbox = Sandbox()
    sandbox.start()
    ledger = BlockLedger.open(url)
    tilia = connect(sandbox, ledger=ledger)
    account = tilia.accounts.register("nyx", email="nyx@mail.example").account_id
    tilia.bulk.block([account], "fraud")
    stream = tilia.bulk.stream_lookup([account] * 1000)
    next(stream)
    print(len(ledger.history(account)))
    {ending}
    """
        )
        == "1\n"
    )
