"""Asynchronous iterators read by threads: in batches, no further than wanted, and not longer."""

import asyncio
import gc
import itertools
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
from support.quick import QUICK
from support.scripts import run

from tilia_async.tokens import TokenCache
from tilia_sync import LineItem, Money, Sandbox, TiliaClient, errors
from tilia_sync.batch_reader import LONGEST_BATCH
from tilia_sync.loop_thread import LoopHandle


@pytest.fixture
def client() -> Iterator[TiliaClient]:
    with TiliaClient("id", "secret", "staging") as tilia:
        yield tilia


class Source:
    """Yields numbers, and knows how far it was read and whether it was left."""

    def __init__(self, wait_before: Callable[[int], bool] = lambda _: False) -> None:
        self.made = 0
        self.cleaned = threading.Event()
        self.tasks: set[object] = set()
        self._wait_before = wait_before

    async def numbers(self, count: int = 1_000_000) -> AsyncIterator[int]:
        try:
            # What is begun in one task may not be ended in another.
            async with asyncio.timeout(60):
                for number in range(count):
                    self.tasks.add(asyncio.current_task())
                    if self._wait_before(number):
                        await asyncio.sleep(0)
                    self.made += 1
                    yield number
        finally:
            self.tasks.add(asyncio.current_task())
            await asyncio.sleep(0.05)
            self.cleaned.set()


class Crossings:
    """Counts the calls that go through a lease."""

    def __init__(self, lease: LoopHandle, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        original = LoopHandle.run

        def counted(lease: LoopHandle, coroutine: object) -> object:
            self.count += 1
            return original(lease, coroutine)

        monkeypatch.setattr(LoopHandle, "run", counted)


def test_all_items_in_order_and_one_crossing_for_a_batch(client: TiliaClient, monkeypatch: pytest.MonkeyPatch) -> None:
    source, crossings = Source(), Crossings(client._lease, monkeypatch)
    count = 10 * LONGEST_BATCH
    assert list(client._lease.iterate(source.numbers(count))) == list(range(count))
    # One more finds the end.
    assert crossings.count <= 12
    assert source.cleaned.is_set()
    assert len(source.tasks) == 1


def test_what_came_while_the_consumer_worked_crosses_at_once(
    client: TiliaClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Producers of their own fill a queue; the border is crossed for each look at it, not for each item."""

    async def produced() -> AsyncIterator[int]:
        queue: asyncio.Queue[int] = asyncio.Queue()

        async def produce() -> None:
            for number in range(100):
                queue.put_nowait(number)
                await asyncio.sleep(0.001)

        async with asyncio.TaskGroup() as group:
            group.create_task(produce())
            for _ in range(100):
                yield await queue.get()

    crossings = Crossings(client._lease, monkeypatch)
    found = []
    for number in client._lease.iterate(produced()):
        found.append(number)
        time.sleep(0.004)
    assert found == list(range(100))
    assert crossings.count < 40


@pytest.mark.parametrize("waits", [False, True])
def test_it_reads_no_further_than_a_batch_ahead(client: TiliaClient, waits: bool) -> None:
    source = Source(lambda _: waits)
    items = client._lease.iterate(source.numbers())
    assert source.made == 0
    assert next(items) == 0
    for _ in range(20):
        client._lease.run(lambda: asyncio.sleep(0))
    # Where an item has to be waited for, that one is all that is read ahead.
    assert source.made <= (2 if waits else LONGEST_BATCH)
    items.close()


@pytest.mark.parametrize("waits", [False, True])
@pytest.mark.parametrize("how", ["close", "garbage", "break", "error"])
def test_it_stops_when_the_consumer_stops(client: TiliaClient, how: str, waits: bool) -> None:
    source = Source(lambda number: waits and number > 3)
    items = client._lease.iterate(source.numbers())
    assert [next(items) for _ in range(3)] == [0, 1, 2]
    if how == "close":
        items.close()
    elif how == "garbage":
        circle: list[object] = [items]
        circle.append(circle)
        del items, circle
        gc.collect()
    elif how == "break":
        for _ in items:
            break
        del items
    else:
        with pytest.raises(ZeroDivisionError):
            list(map((0).__rtruediv__, items))
        del items
    # Whoever goes on after the loop finds that all of it has ended: in its own task, with its clean-up done.
    assert source.cleaned.is_set()
    assert len(source.tasks) == 1
    assert client._lease._thread._here().streams == set()


def test_a_clean_up_that_takes_long_is_not_waited_for(client: TiliaClient) -> None:
    async def numbers() -> AsyncIterator[int]:
        try:
            while True:
                yield 1
        finally:
            await asyncio.sleep(30)

    items = client._lease.iterate(numbers())
    next(items)
    started = time.monotonic()
    items.close()
    assert 0.9 < time.monotonic() - started < 5


def test_one_that_is_never_begun_does_nothing(client: TiliaClient) -> None:
    source = Source()
    client._lease.iterate(source.numbers()).close()
    assert source.made == 0


def test_the_items_before_an_error_come_first(client: TiliaClient) -> None:
    async def numbers() -> AsyncIterator[int]:
        yield 1
        yield 2
        raise LookupError("three")

    items = client._lease.iterate(numbers())
    assert [next(items), next(items)] == [1, 2]
    with pytest.raises(LookupError, match="three"):
        next(items)
    assert list(items) == []


def test_an_iterator_that_is_no_generator_is_closed_too(client: TiliaClient) -> None:
    class Numbers:
        closed = 0

        def __aiter__(self) -> "Numbers":
            return self

        async def __anext__(self) -> int:
            return 7

        async def aclose(self) -> None:
            self.closed += 1

    numbers = Numbers()
    items = client._lease.iterate(numbers)
    assert next(items) == 7
    items.close()
    assert numbers.closed == 1


def test_a_closed_client_ends_the_iteration() -> None:
    source = Source()
    tilia = TiliaClient("id", "secret", "staging")
    items = tilia._lease.iterate(source.numbers())
    next(items)
    tilia.close()
    # What has crossed already is the consumer's.
    assert list(itertools.islice(items, LONGEST_BATCH - 1))[-1] == LONGEST_BATCH - 1
    with pytest.raises(errors.ClientClosedError):
        next(items)
    assert source.cleaned.wait(5)


def test_pages_are_fetched_as_they_are_used_up() -> None:
    with Sandbox(wallet_delay=0) as sandbox:
        settings = (sandbox.client_id, sandbox.client_secret, sandbox.environment)
        with TiliaClient(*settings, retry=QUICK, token_cache=TokenCache()) as tilia:
            buyer = tilia.accounts.register("nyx", email="nyx@mail.example").account_id
            item = LineItem(amount=Money(1, "TOK"), transaction_type="user_to_integrator")
            made = {tilia.invoices.create(buyer, [item]).invoice_id for _ in range(5)}
            sandbox.requests.clear()

            def asked() -> int:
                return sum(request.operation == "invoices.list" for request in sandbox.requests)

            items = tilia.invoices.list(buyer, page_size=2)
            assert asked() == 0
            found = {next(items).invoice_id, next(items).invoice_id}
            assert asked() == 1
            found.add(next(items).invoice_id)
            assert asked() == 2
            assert found | {each.invoice_id for each in items} == made
            # Each page is a crossing of its own; the consumer that stops early has caused no request for the next.
            sandbox.requests.clear()
            for _ in tilia.invoices.list(buyer, page_size=2):
                break
            assert asked() == 1


def test_ctrl_c_while_waiting_for_an_item_ends_the_reading() -> None:
    assert (
        run("""
        cleaned = threading.Event()

        async def numbers():
            try:
                yield 1
                threading.Timer(0.05, interrupt).start()
                await asyncio.sleep(60)
                yield 2
            finally:
                await asyncio.sleep(0.1)
                cleaned.set()

        with TiliaClient("id", "secret", "staging") as tilia:
            found = []
            started = time.monotonic()
            try:
                for number in tilia._lease.iterate(numbers()):
                    found.append(number)
            except KeyboardInterrupt:
                print(found, cleaned.is_set(), time.monotonic() - started < 3)
    """)
        == "[1] True True\n"
    )
