"""Lists that come in pages are read no sooner than needed, and no further than there is something."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from support.money_calls import drain
from support.money_samples import CAPTURED, HELD
from support.recorder import CLIENT_ID
from support.samples import ACCOUNT

import tilia_sync
from tilia_async import RequestOptions, errors
from tilia_async.tokens import TokenCache

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from support.recorder import Recorder

    from tilia_async import TiliaClient


class Listing(NamedTuple):
    """A list: how to open it, its path, the key and the id of its items, and a sample of one."""

    open: Callable[..., AsyncIterator[Any]]
    path: str
    key: str
    id: str
    item: dict[str, Any]

    def page(self, *ids: str, total: Any = None, **extra: Any) -> dict[str, Any]:
        """Write a page; it says how many there are in all unless that is None."""
        counted = {} if total is None else {"total": total}
        return {"account_id": ACCOUNT, self.key: [{**self.item, self.id: each} for each in ids], **counted, **extra}


LISTS = {
    "invoices": Listing(
        lambda t, **rest: t.invoices.list(ACCOUNT, **rest),
        f"/invoicing/v2/invoice/account/{ACCOUNT}",
        "invoices",
        "invoice_id",
        CAPTURED,
    ),
    "escrows": Listing(
        lambda t, **rest: t.escrow.list_by_reference("8987749", **rest),
        "/invoicing/v2/escrow/reference/8987749",
        "escrow_transactions",
        "id",
        HELD,
    ),
}
each = pytest.mark.parametrize("listing", [pytest.param(listing, id=name) for name, listing in LISTS.items()])


def windows(api: Recorder) -> list[tuple[int, int]]:
    """Limit and offset of each request; the offset is 0 if it is left out."""
    queries = [sent.query for sent in api.calls]
    return [(int(query["limit"][0]), int(query.get("offset", ["0"])[0])) for query in queries]


@pytest.mark.asyncio
@each
async def test_nothing_is_asked_for_too_early(api: Recorder, tilia: TiliaClient, listing: Listing) -> None:
    """No request before the first item is wanted, and the next page only when the one before is used up."""
    api.succeed(listing.page("1", "2", total=3))
    api.succeed(listing.page("3", total=3))
    items = listing.open(tilia, page_size=2)
    assert api.requests == []
    seen = []
    for expected in (1, 1, 2):
        seen.append(getattr(await anext(items), listing.id))
        assert len(api.calls) == expected
    with pytest.raises(StopAsyncIteration):
        await anext(items)
    assert seen == ["1", "2", "3"]
    assert windows(api) == [(2, 0), (2, 2)]
    assert {sent.path.partition("?")[0] for sent in api.calls} == {listing.path}
    assert {sent.method for sent in api.calls} == {"GET"}


@pytest.mark.asyncio
@pytest.mark.parametrize("total", [4, "4"], ids=repr)
@each
async def test_a_page_that_is_not_full_ends_at_the_total(
    api: Recorder, tilia: TiliaClient, listing: Listing, total: Any
) -> None:
    """Nothing more is asked for when all are there is asked for; the total is a number or its digits."""
    api.succeed(listing.page("1", "2", "3", total=total))
    api.succeed(listing.page("4", total=total))
    assert len(await drain(listing.open(tilia, page_size=3))) == 4
    assert windows(api) == [(3, 0), (3, 3)]


@pytest.mark.asyncio
@pytest.mark.parametrize("total", [4, "4"], ids=repr)
@each
async def test_a_full_page_is_not_taken_for_the_last(
    api: Recorder, tilia: TiliaClient, listing: Listing, total: Any
) -> None:
    """A total that is the page's own count, or stands still, would cut a list."""
    api.succeed(listing.page("1", "2", total=total))
    api.succeed(listing.page("3", "4", total=total))
    api.succeed(listing.page(total=total))
    assert len(await drain(listing.open(tilia, page_size=2))) == 4
    assert windows(api) == [(2, 0), (2, 2), (2, 4)]


@pytest.mark.asyncio
@each
async def test_a_page_as_large_as_the_server_gives_by_default_is_full(
    api: Recorder, tilia: TiliaClient, listing: Listing
) -> None:
    """A server may give no more at once, however many are asked for."""
    api.succeed(listing.page(*map(str, range(100)), total=100))
    api.succeed(listing.page("100", total=1))
    api.succeed(listing.page(total=0))
    items = listing.open(tilia, page_size=500)
    assert [getattr(await anext(items), listing.id) for _ in range(101)] == [*map(str, range(101))]
    with pytest.raises(errors.TransportError, match="the list changed"):
        await anext(items)
    assert windows(api) == [(500, 0), (500, 100), (500, 101)]


@pytest.mark.asyncio
@pytest.mark.parametrize("total", [0, "0", -1, 1, 2, 3, 4, "page"], ids=repr)
@pytest.mark.parametrize("size", [2, 7])
@each
async def test_a_total_that_the_list_contradicts_does_not_end_it(
    api: Recorder, tilia: TiliaClient, listing: Listing, total: Any, size: int
) -> None:
    """All that is there comes, and then the error."""
    if (total, size) == ("page", 7):
        total = 4
    left = ["1", "2", "3", "4", "5"]
    for start in range(0, 5 + size, size):
        shown = left[start : start + size]
        api.succeed(listing.page(*shown, total=len(shown) if total == "page" else total))
    if size == 2:
        api.succeed(listing.page(total=0 if total == "page" else total))
    items = listing.open(tilia, page_size=size)
    assert [getattr(await anext(items), listing.id) for _ in left] == left
    with pytest.raises(errors.TransportError, match="the list changed while it was read: of .* entries"):
        await anext(items)
    assert windows(api)[-1] == (size, 5)


@pytest.mark.asyncio
@each
async def test_stops_at_an_empty_page(api: Recorder, tilia: TiliaClient, listing: Listing) -> None:
    """Without a total an empty page is the end."""
    api.succeed(listing.page("1", "2", total=None))
    api.succeed(listing.page(total=None))
    assert len(await drain(listing.open(tilia, page_size=2))) == 2
    assert windows(api) == [(2, 0), (2, 2)]


@pytest.mark.asyncio
@each
async def test_a_list_that_is_cut_short_is_no_whole_list(api: Recorder, tilia: TiliaClient, listing: Listing) -> None:
    """The total says that there are more."""
    api.succeed(listing.page("1", "2", total=9))
    api.succeed(listing.page(total=9))
    with pytest.raises(errors.TransportError, match="ended at 2 of 9"):
        await drain(listing.open(tilia, page_size=2))


@pytest.mark.asyncio
@each
async def test_a_list_does_not_go_round_in_circles(api: Recorder, tilia: TiliaClient, listing: Listing) -> None:
    """A server that does not heed the offset sends the same page for ever."""
    for _ in range(3):
        api.succeed(listing.page("1", "2", total=None))
    with pytest.raises(errors.TransportError, match="same page"):
        await drain(listing.open(tilia, page_size=2))
    assert windows(api) == [(2, 0), (2, 2)]


@pytest.mark.asyncio
@each
async def test_an_unreadable_item_is_an_error_and_no_end(api: Recorder, tilia: TiliaClient, listing: Listing) -> None:
    """Items must not be lost without a word."""
    page = listing.page("1", "2", total=9)
    name = "invoices" if "invoices" in page else "escrow_transactions"
    api.succeed({**page, name: [*page[name], {"no": "id"}]})
    with pytest.raises(errors.ResponseDecodeError):
        await drain(listing.open(tilia, page_size=2))


@pytest.mark.asyncio
@pytest.mark.parametrize("total", [0, "0", None], ids=repr)
@each
async def test_nothing(api: Recorder, tilia: TiliaClient, listing: Listing, total: Any) -> None:
    """A list without items is a list."""
    api.succeed(listing.page(total=total))
    assert await drain(listing.open(tilia)) == []
    assert windows(api) == [(100, 0)]


@pytest.mark.asyncio
@each
async def test_without_envelope(api: Recorder, tilia: TiliaClient, listing: Listing) -> None:
    """The escrow pages show no envelope."""
    api.answer(200, listing.page("1", total="1"))
    (found,) = await drain(listing.open(tilia))
    assert getattr(found, listing.id) == "1"


@pytest.mark.asyncio
@each
async def test_filters_hold_for_every_page(api: Recorder, tilia: TiliaClient, listing: Listing) -> None:
    """The other pages are of the same list as the first."""
    api.succeed(listing.page("1", total=2))
    api.succeed(listing.page("2", total=2))
    api.succeed(listing.page(total=2))
    await drain(listing.open(tilia, sort="asc", sort_field="created", page_size=1))
    first, second, third = ({**sent.query, "offset": None} for sent in api.calls)
    assert first == second == third
    assert first["sort"] == ["asc"]


@pytest.mark.asyncio
@each
async def test_failure_of_a_later_page(api: Recorder, tilia: TiliaClient, listing: Listing) -> None:
    """Items that were read before an error stay read."""
    api.succeed(listing.page("1", total=2))
    api.answer(401, {"status": "Failure", "payload": {"error": "unauthorized"}}, times=2)
    items = listing.open(tilia, page_size=1)
    assert getattr(await anext(items), listing.id) == "1"
    with pytest.raises(errors.UnauthorizedError):
        await anext(items)


@pytest.mark.asyncio
@each
async def test_a_page_is_asked_for_again(api: Recorder, listing: Listing) -> None:
    """Looking may be repeated, and the options hold for every page."""
    api.succeed(listing.page("1", total=2))
    api.answer(500)
    api.succeed(listing.page("2", total=2))
    api.succeed(listing.page(total=2))
    async with api.client(attempts=2) as tilia:
        items = await drain(listing.open(tilia, page_size=1, options=RequestOptions(headers={"X-Trace": "7"})))
    assert [getattr(item, listing.id) for item in items] == ["1", "2"]
    assert windows(api) == [(1, 0), (1, 1), (1, 1), (1, 2)]
    assert {sent.headers["X-Trace"] for sent in api.calls} == {"7"}


@pytest.mark.asyncio
@pytest.mark.parametrize("size", [0, -1, True, 1.5], ids=repr)
@each
async def test_page_size(api: Recorder, tilia: TiliaClient, listing: Listing, size: Any) -> None:
    """A page has at least one place."""
    with pytest.raises(errors.InvalidRequestError) as caught:
        await drain(listing.open(tilia, page_size=size))
    assert set(caught.value.problems) == {"page_size"}
    assert api.requests == []


class Shifting:
    """A list on a server from which an item is gone once it was worked on."""

    def __init__(self, listing: Listing, count: int) -> None:
        self.listing = listing
        self.left = [str(number) for number in range(count)]

    def line_up(self, api: Recorder, offset: int, size: int) -> None:
        api.succeed(self.listing.page(*self.left[offset : offset + size], total=len(self.left)))


@pytest.mark.asyncio
@each
async def test_a_list_that_shifts_does_not_end_as_if_it_were_whole(
    api: Recorder, tilia: TiliaClient, listing: Listing
) -> None:
    """Ten of 25 open ones slip past, each paid as it comes; all others come, and then the error."""
    server, paid = Shifting(listing, 25), []
    items = listing.open(tilia, page_size=10)
    server.line_up(api, 0, 10)
    for _ in range(15):
        paid.append(getattr(await anext(items), listing.id))
        server.left.remove(paid[-1])
        if len(paid) == 10:
            server.line_up(api, 10, 10)
    assert paid == [str(number) for number in (*range(10), *range(20, 25))]
    with pytest.raises(errors.TransportError, match="of 25 entries 15 are left, so as many as 10 may") as caught:
        await anext(items)
    assert caught.value.took_effect is False
    assert "collect them first" in str(caught.value)
    # Who asks once more hears it once more.
    with pytest.raises(errors.TransportError):
        await anext(items)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("pages", "found", "wrong"),
    [
        # One came in front: the last of the first page comes again, and nothing is missing.
        ([(("1", "2"), 3), (("2", "3"), 4), ((), 4)], ["1", "2", "3"], None),
        # One moved to the front from further behind: it never comes.
        ([(("1", "2"), 4), (("2", "3"), 4), ((), 4)], ["1", "2", "3"], "1 came again"),
        ([(("1", "2"), None), (("2", "3"), None), ((), None)], ["1", "2", "3"], "1 came again"),
        # It shrinks for a while, and grows again.
        ([(("1", "2"), 6), (("3", "4"), 5), (("5", "6"), 6), ((), 6)], list("123456"), "of 6 entries 5 are left"),
        # It grows at its end.
        ([(("1", "2"), 3), (("3", "4"), 5), (("5",), 5)], list("12345"), None),
    ],
)
@each
async def test_what_tells_that_a_list_has_changed(
    api: Recorder,
    tilia: TiliaClient,
    listing: Listing,
    pages: list[tuple[tuple[str, ...], int | None]],
    found: list[str],
    wrong: str | None,
) -> None:
    """No item comes twice, and none is missing without a word."""
    for ids, total in pages:
        api.succeed(listing.page(*ids, total=total))
    items = listing.open(tilia, page_size=2)
    assert [getattr(await anext(items), listing.id) for _ in found] == found
    with pytest.raises(StopAsyncIteration if wrong is None else errors.TransportError, match=wrong):
        await anext(items)


@pytest.mark.asyncio
@each
async def test_a_ring_of_pages_is_no_list(api: Recorder, tilia: TiliaClient, listing: Listing) -> None:
    """Pages that alternate would never end."""
    for ids in (("1", "2"), ("3", "4"), ("1", "2")):
        api.succeed(listing.page(*ids, total=None))
    with pytest.raises(errors.TransportError, match="circles"):
        await drain(listing.open(tilia, page_size=2))


@pytest.mark.asyncio
@each
async def test_a_total_is_reported_in_threads_too(api: Recorder, listing: Listing) -> None:
    """The synchronous list ends with the same error."""
    api.succeed(listing.page("1", "2", total=4))
    api.succeed(listing.page("4", total=3))

    def read() -> list[str]:
        with tilia_sync.TiliaClient(CLIENT_ID, "secret", api.environment, token_cache=TokenCache()) as tilia:
            items: Any = listing.open(tilia, page_size=2)
            found = [getattr(next(items), listing.id) for _ in range(3)]
            with pytest.raises(errors.TransportError, match="of 4 entries 3 are left"):
                next(items)
            return found

    assert await asyncio.to_thread(read) == ["1", "2", "4"]
