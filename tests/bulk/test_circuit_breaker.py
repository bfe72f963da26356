"""A server that is away: counted on a clock that the test holds in its hand."""

from tilia_async.bulk.circuit_breaker import LONGEST_ROUNDS, MOST_ROUNDS, MOST_UNANSWERED, CircuitBreaker


def tripped(breaker: CircuitBreaker, number: int) -> list[bool]:
    return [breaker.unanswered() for _ in range(number)]


def test_it_trips_at_so_many_accounts_without_an_answer_in_a_row() -> None:
    assert tripped(CircuitBreaker(), MOST_UNANSWERED) == [False] * (MOST_UNANSWERED - 1) + [True]


def test_whatever_tilia_answers_begins_the_row_again() -> None:
    for answer in (CircuitBreaker.served, CircuitBreaker.refused, lambda breaker: breaker.throttled(0.0)):
        breaker = CircuitBreaker()
        tripped(breaker, MOST_UNANSWERED - 1)
        answer(breaker)
        assert not any(tripped(breaker, MOST_UNANSWERED - 1))


def test_many_rounds_in_a_short_time_do_not_trip_it() -> None:
    breaker = CircuitBreaker()
    assert not any(breaker.throttled(each / 1_000) for each in range(100 * MOST_ROUNDS))


def test_few_rounds_in_a_long_time_do_not_trip_it() -> None:
    breaker = CircuitBreaker()
    assert not any(breaker.throttled(each * LONGEST_ROUNDS) for each in range(MOST_ROUNDS - 1))


def test_it_trips_when_there_were_enough_rounds_for_long_enough() -> None:
    breaker = CircuitBreaker()
    began = 1_000.0
    assert not any(breaker.throttled(began) for _ in range(MOST_ROUNDS))
    assert not breaker.throttled(began + LONGEST_ROUNDS - 0.001)
    assert breaker.throttled(began + LONGEST_ROUNDS)


def test_a_served_call_ends_the_rounds_and_their_time() -> None:
    breaker = CircuitBreaker()
    for _ in range(MOST_ROUNDS):
        breaker.throttled(0.0)
    breaker.served()
    assert (breaker.rounds, breaker.served_calls) == (0, 1)
    assert not any(breaker.throttled(LONGEST_ROUNDS) for _ in range(MOST_ROUNDS))


def test_a_refused_token_is_no_call_that_was_served() -> None:
    breaker = CircuitBreaker()
    breaker.throttled(0.0)
    breaker.refused()
    assert (breaker.rounds, breaker.served_calls) == (1, 0)
