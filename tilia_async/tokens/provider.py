"""A client's view of the token cache."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from tilia_async.errors import TokenError
from tilia_async.tokens.identity_tokens import IdentityTokens
from tilia_async.tokens.single_flight import Fetch
from tilia_async.tokens.token import AccessToken


@attrs.define(eq=False)
class TokenProvider:
    """Finds or fetches the tokens of one client.

    Attributes:
        together: scopes that the client asks for in one token from the start.
        closed: the client is closed; nothing new is fetched.
        find: gives a token at hand, without lock or await.
    """

    tokens: IdentityTokens = attrs.field(repr=False)
    fetch: Fetch = attrs.field(repr=False)
    together: frozenset[str] = frozenset()
    closed: bool = False
    find: Callable[[frozenset[str]], AccessToken | None] = attrs.field(
        init=False, repr=False, default=attrs.Factory(lambda self: self.tokens.find, takes_self=True)
    )

    async def acquire(self, scopes: frozenset[str]) -> AccessToken:
        """Return a token for these scopes.

        Waiting for the token endpoint if need be.

        A union that the token endpoint refuses is tried once with the scopes that are needed, so that one scope which
        was never granted does not stop the operations that do without it.
        """
        if self.together > scopes and self._wants_union(scopes):
            try:
                token = await self.tokens.acquire(self.together, self.fetch, self)
            except TokenError as error:
                if error.status is None or not 400 <= error.status < 500:
                    raise
            else:
                if token.scopes >= scopes:
                    self.tokens.alias(scopes, self.together)
                    return token
        return await self.tokens.acquire(scopes, self.fetch, self)

    def _wants_union(self, scopes: frozenset[str]) -> bool:
        """Return True if the union should be asked for.

        A token of less than the union serves until its end: it is there because the union is not to be had.
        """
        token = self.tokens.usable(scopes)
        return token is None or token.scopes >= self.together

    def refuse(self, token: AccessToken, needed: frozenset[str], *, expired: bool) -> bool:
        """Drop a token that Tilia refused.

        Returns False if a new one would not help.
        """
        return self.tokens.refuse(token, needed, expired=expired)

    def accept(self, needed: frozenset[str]) -> None:
        """Tilia took the token."""
        if self.tokens.suspects:
            self.tokens.accept(needed)

    async def release(self) -> None:
        """End what this client has under way."""
        self.closed = True
        await self.tokens.release(self)
