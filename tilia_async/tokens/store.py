"""Where tokens are kept."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from tilia_async.tokens.token import AccessToken, Identity


class TokenStore(Protocol):
    """Keeps tokens for a :class:`~tilia_async.tokens.TokenCache`.

    The cache asks it only when it has no token at hand, one call at a time, under a lock: the methods must be quick
    and must not call back. Implement it to share tokens further than one process; mind that a token is a secret.
    """

    def load(self, identity: Identity) -> Iterable[AccessToken]:
        """The tokens of an identity, expired ones included."""
        ...

    def save(self, identity: Identity, token: AccessToken) -> None:
        """Keep a token; one with the same scopes is replaced."""
        ...

    def discard(self, identity: Identity, token: AccessToken) -> None:
        """Forget that token, and no other, if it is still there."""
        ...


class MemoryTokenStore:
    """Keeps tokens in this process, one for each identity and set of granted scopes."""

    def __init__(self) -> None:
        self._tokens: dict[Identity, dict[frozenset[str], AccessToken]] = {}

    def load(self, identity: Identity) -> Iterable[AccessToken]:
        return list(self._tokens.get(identity, {}).values())

    def save(self, identity: Identity, token: AccessToken) -> None:
        self._tokens.setdefault(identity, {})[token.scopes] = token

    def discard(self, identity: Identity, token: AccessToken) -> None:
        kept = self._tokens.get(identity, {})
        known = kept.get(token.scopes)
        if known is not None and known.value == token.value:
            del kept[token.scopes]

    def __repr__(self) -> str:
        return f"<MemoryTokenStore: {sum(map(len, self._tokens.values()))} tokens>"
