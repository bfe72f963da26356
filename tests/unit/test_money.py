"""Exact money."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from iso4217 import Currency

from tilia_async import Money
from tilia_async.currencies import DECIMALS
from tilia_async.models.amount import AmountArgument

amounts = st.integers(-(10**12), 10**12)


@pytest.mark.parametrize("amount", [1.0, True, "1", None])
def test_only_whole_numbers(amount: object) -> None:
    with pytest.raises(TypeError):
        Money(amount, "USD")


@pytest.mark.parametrize("currency", ["US", "USDX", "", "U$D", None])
def test_only_codes_of_three_characters(currency: object) -> None:
    with pytest.raises(ValueError, match="currency"):
        Money(1, currency)


def test_a_currency_is_the_same_in_small_letters() -> None:
    assert Money(5, "usd") == Money(5, "USD")
    assert hash(Money(5, "usd")) == hash(Money(5, "USD"))
    assert Money(5, "usd") + Money(1, "Usd") == Money(6, "USD")
    assert str(Money(500, "usd")) == "USD 5.00"
    # What a token of a publisher's own is called is known to the publisher alone.
    assert Money(5, "tok").currency == "tok"
    assert (
        AmountArgument(5, "eur").fields()
        == AmountArgument(Money(5, "eur")).fields()
        == {"amount": 5, "currency": "EUR"}
    )
    assert AmountArgument(5, "tok").fields() == {"amount": 5, "currency": "tok"}


def test_arithmetic_within_a_currency() -> None:
    five = Money(500, "USD")
    assert five + Money(1, "USD") == Money(501, "USD")
    assert five - Money(501, "USD") == Money(-1, "USD")
    assert -five * 2 == Money(-1000, "USD")
    assert 2 * five == Money(1000, "USD")
    assert five > Money(499, "USD")
    assert not Money(0, "USD")


@pytest.mark.parametrize(
    "wrong", [lambda m: m + Money(1, "EUR"), lambda m: m < Money(1, "EUR"), lambda m: m + 1, lambda m: m * 0.5]
)
def test_no_arithmetic_across_currencies_or_with_fractions(wrong: object) -> None:
    with pytest.raises(TypeError):
        wrong(Money(1, "USD"))


def test_different_currencies_are_different() -> None:
    assert Money(1, "USD") != Money(1, "EUR")
    assert len({Money(1, "USD"), Money(1, "USD"), Money(1, "EUR")}) == 2


@given(amounts, st.integers(1, 50))
def test_equal_shares_lose_nothing_and_differ_by_one_at_most(amount: int, count: int) -> None:
    shares = Money(amount, "USD").split(count)
    assert len(shares) == count
    assert sum(share.minor_units for share in shares) == amount
    assert max(shares).minor_units - min(shares).minor_units <= 1


@given(amounts, st.lists(st.integers(0, 1000), min_size=1, max_size=20).filter(any))
def test_weighted_shares_lose_nothing_and_are_off_by_less_than_one(amount: int, weights: list[int]) -> None:
    shares = Money(amount, "USD").split(weights)
    assert sum(share.minor_units for share in shares) == amount
    total = sum(weights)
    for share, weight in zip(shares, weights, strict=True):
        assert abs(share.minor_units * total - amount * weight) < total


@pytest.mark.parametrize("shares", [0, -1, [], [0, 0], [1, -1, 3]])
def test_impossible_shares(shares: object) -> None:
    with pytest.raises(ValueError, match="shares"):
        Money(100, "USD").split(shares)


@pytest.mark.parametrize(
    ("money", "precision", "shown"),
    [
        (Money(500, "USD"), None, "USD 5.00"),
        (Money(6, "USD"), None, "USD 0.06"),
        (Money(-105, "USD"), None, "USD -1.05"),
        (Money(5, "JPY"), None, "JPY 5"),
        (Money(1234, "KWD"), None, "KWD 1.234"),
        (Money(12345, "CLF"), None, "CLF 1.2345"),
        (Money(6, "TST"), None, "TST 6"),
        (Money(970100, "TST"), 2, "TST 9701.00"),
        (Money(5, "USD"), 0, "USD 5"),
    ],
)
def test_money_is_shown_as_tilia_does(money: Money, precision: int | None, shown: str) -> None:
    assert money.display(precision) == shown
    assert precision is not None or str(money) == shown


def test_a_negative_precision_is_refused() -> None:
    with pytest.raises(ValueError, match="precision"):
        Money(1, "USD").display(-1)


def test_the_decimals_are_those_of_iso_4217() -> None:
    assert {each.code: each.exponent for each in Currency if each.exponent is not None} == dict(DECIMALS)


@given(amounts, st.integers(0, 8))
def test_nothing_is_lost_in_display(amount: int, precision: int) -> None:
    shown = Money(amount, "TOK").display(precision).removeprefix("TOK ")
    assert int(shown.replace(".", "")) == amount
