"""Exact money."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tilia_async import Money

amounts = st.integers(-(10**12), 10**12)


@pytest.mark.parametrize("amount", [1.0, True, "1", None])
def test_only_whole_numbers(amount: object) -> None:
    with pytest.raises(TypeError):
        Money(amount, "USD")


@pytest.mark.parametrize("currency", ["US", "USDX", "", "U$D", None])
def test_only_codes_of_three_characters(currency: object) -> None:
    with pytest.raises(ValueError, match="currency"):
        Money(1, currency)


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
