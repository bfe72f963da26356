"""``POST /token``, and the check of the tokens it issued (fact sheet "accounts", A1 and D3)."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from urllib.parse import parse_qsl

import attrs

from tilia_async.sandbox.clock import SandboxClock
from tilia_async.sandbox.responses import SandboxResponse, bare, error
from tilia_async.secret import Secret


@attrs.frozen
class _Issued:
    scopes: frozenset[str]
    ends_at: float


@attrs.define
class TokenIssuer:
    """An issuer of tokens to one client.

    It knows which of them are good.

    Attributes:
        scopes: what the credentials may ask for.
        lifetime: of a token, in seconds.
    """

    clock: SandboxClock
    client_id: str
    client_secret: Secret
    scopes: frozenset[str]
    lifetime: float
    _tokens: dict[str, _Issued] = attrs.field(factory=dict[str, _Issued], repr=False)

    def issue(self, query: Mapping[str, str], body: bytes) -> SandboxResponse:
        """Answer a token request.

        Tilia takes the parameters from the query string as well as from a form.
        """
        fields = {**dict(parse_qsl(body.decode(errors="replace"))), **query}
        known = hmac.compare_digest(fields.get("client_id", "").encode(), self.client_id.encode())
        right = Secret(fields.get("client_secret", "")) == self.client_secret
        if not (known and right):
            # Captured on staging: not 401 and not invalid_client.
            return bare(
                {
                    "error": "server_error",
                    "error_description": "The authorization server encountered an unexpected condition that prevented "
                    "it from fulfilling the request.",
                },
                400,
            )
        if fields.get("grant_type") != "client_credentials":
            return bare({"error": "unsupported_grant_type", "error_description": "grant_type is not supported"}, 400)
        asked = [scope for scope in fields.get("scope", "").split(",") if scope]
        refused = sorted(set(asked) - self.scopes)
        if refused:
            # Inferred: the answer to a scope that the client may not have is not documented.
            return bare({"error": "invalid_scope", "error_description": f"not allowed: {', '.join(refused)}"}, 400)
        self._forget_old()
        token = secrets.token_urlsafe(32)
        self._tokens[token] = _Issued(frozenset(asked), self.clock.now() + self.lifetime)
        return bare(
            {
                "access_token": token,
                "token_type": "Bearer",
                "expires_in": int(self.lifetime),
                "scope": ",".join(asked),
            }
        )

    def refusal(self, authorization: str, needed: frozenset[str]) -> SandboxResponse | None:
        """Return the 401 for a request's token.

        None if the token is good.
        """
        kind, _, value = authorization.partition(" ")
        issued = self._tokens.get(value)
        if kind != "Bearer" or issued is None:
            # The bodies of this 401 and of that for a missing scope are inferred from that of an expired token.
            return error(401, "unauthorized")
        if self.clock.now() >= issued.ends_at:
            return error(401, "token is expired")
        if not needed <= issued.scopes:
            return error(401, "unauthorized scope")
        return None

    def _forget_old(self) -> None:
        """Forget tokens that ended long ago.

        Their users have been told.
        """
        now = self.clock.now()
        self._tokens = {value: each for value, each in self._tokens.items() if now < each.ends_at + self.lifetime}

    def revoke(self, authorization: str) -> None:
        """Make a token worthless before its time."""
        self._tokens.pop(authorization.partition(" ")[2], None)

    def revoke_all(self) -> None:
        """Make all tokens worthless."""
        self._tokens.clear()
