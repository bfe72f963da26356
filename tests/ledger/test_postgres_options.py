"""Options of a PostgreSQL URL: those of libpq, those of the server, and those of other drivers."""

from __future__ import annotations

import pytest

from tilia_async.postgres import libpq_options


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"sslmode": "require", "application_name": "a b"}, {"sslmode": "require", "application_name": "a b"}),
        ({"ssl": "verify-full"}, {"sslmode": "verify-full"}),
        (
            {
                "statement_cache_size": "0",
                "prepared_statement_cache_size": "0",
                "max_cached_statement_lifetime": "1",
                "max_cacheable_statement_size": "1",
                "command_timeout": "1",
                "timeout": "1",
            },
            {},
        ),
        (
            {"search_path": "a b\\c", "options": "-c lock_timeout=1s", "statement_timeout": "5s"},
            {"options": "-c lock_timeout=1s -c search_path=a\\ b\\\\c -c statement_timeout=5s"},
        ),
    ],
)
def test_an_option_goes_where_it_is_understood(given: dict[str, str], expected: dict[str, str]) -> None:
    assert libpq_options(given.items()) == expected
