"""Any answer of the token endpoint comes to a token that can be sent, or to an error that shows no secret."""

from __future__ import annotations

import math
import pickle
from datetime import timedelta

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.counts import count
from support.odd_json import bodies

from tilia_async import errors
from tilia_async.secret import Secret
from tilia_async.tokens import AccessToken
from tilia_async.tokens.fetch import _judge
from tilia_async.wire.envelope import RawResponse

SECRET = "canary/secret +"
TOKEN = "canary-token"
GOOD = {"access_token": TOKEN, "token_type": "Bearer", "expires_in": 3600, "scope": "a,b"}
REFUSED = {"error": "server_error", "error_description": f"client_secret=canary%2Fsecret+%2B, {SECRET}"}
EXAMPLES = [300, pytest.param(10_000, marks=[pytest.mark.nightly, pytest.mark.timeout(1_200)])]


@pytest.mark.parametrize("examples", EXAMPLES)
def test_the_outcome_is_a_usable_token_or_an_error_without_secrets(examples: int) -> None:
    @settings(
        max_examples=examples, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
    )
    @given(
        status=st.sampled_from([200, 200, 200, 201, 204, 302, 400, 401, 403, 429, 500, 503, 999, 100]),
        body=bodies(GOOD) | bodies(REFUSED),
        wait=st.sampled_from(["", "1", "9" * 5_000, "soon", "Fri, 31 Dec 9999 23:59:59 GMT"]),
    )
    def tried(status: int, body: bytes, wait: str) -> None:
        nonlocal inputs
        inputs += 1
        answer = RawResponse(status, {"Retry-After": wait}, body)
        judged = _judge(answer, frozenset({"x"}), 1.0, 1, Secret(SECRET))
        if isinstance(judged, AccessToken):
            assert 200 <= status < 300
            assert judged.value.isascii()
            assert judged.value.isprintable()
            assert " " not in judged.value
            assert math.isfinite(judged.refresh_at)
            assert judged.refresh_at <= judged.unusable_at
            assert judged.expires_at.utcoffset() == timedelta(0)
            # A scope may have the token's own text, and scopes are shown.
            assert judged.value not in repr(attrs.evolve(judged, scopes=frozenset())) or len(judged.value) < 10
        else:
            assert isinstance(judged, errors.TokenError)
            assert judged.took_effect is False
            assert judged.status == status
            text = str(judged)
            assert text.isprintable()
            assert len(text) < 2_000
            told = f"{text} {judged!r} {judged.__dict__}"
            for secret in (SECRET, "canary%2Fsecret+%2B", TOKEN):
                assert secret not in told
            copy = pickle.loads(pickle.dumps(judged))
            assert (type(copy), str(copy), copy.status) == (errors.TokenError, text, status)

    inputs = 0
    tried()
    count("fuzz inputs", inputs)


@pytest.mark.parametrize("depth", [300, 900, 100_000])
def test_depth_is_no_token(depth: int) -> None:
    for body in (b"[" * depth + b"]" * depth, b'{"error":' * depth + b"1" + b"}" * depth):
        for status in (200, 400, 503):
            judged = _judge(RawResponse(status, {}, body), frozenset({"x"}), 1.0, 1, Secret(SECRET))
            assert isinstance(judged, errors.TokenError)
