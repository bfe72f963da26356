"""Stores of tokens beyond one cache's memory."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable
from typing import Final, Protocol, runtime_checkable
from urllib.parse import urlsplit

from tilia_async.errors import ConfigurationError
from tilia_async.secret import Secret
from tilia_async.tokens.token import AccessToken, Identity

LONGEST_LEASE: Final = 60.0


class StoreError(ConnectionError):
    """A failure of a store, in words without secrets."""


def checked_url(url: Secret, schemes: Collection[str], example: str, *, of: str = "token store") -> Secret:
    """Return the URL of a database.

    Args:
        example: what it should be like.
        of: what is kept there, in the words of the error.

    Raises:
        ConfigurationError: it has another scheme, no URL's form, or is not in UTF-8.
    """
    # Raised where no variable holds its parts.
    if not _is_url(url, schemes):
        raise ConfigurationError(f"the {of}'s URL is like {example}")
    return url


def _is_url(url: Secret, schemes: Collection[str]) -> bool:
    try:
        parts = urlsplit(url.reveal())
        has_port = parts.port != 0
        url.reveal().encode()
    except ValueError:
        # A port that is no number, an address of IPv6 that does not end, bytes of the environment that are no UTF-8.
        return False
    return has_port and parts.scheme in schemes


class TokenStore(Protocol):
    """Keeps tokens for several ``TokenCache``.

    A cache asks it only when it is about to ask the token endpoint, and tells it what came of that. Its methods are
    coroutines, awaited in whichever event loop needs a token, several at a time; what would block goes to a thread
    (``await asyncio.to_thread(...)``). A method that takes two seconds is cancelled, and the store is left alone for a
    while. Whatever a method raises is logged and the call goes on without the store; only a ``ConfigurationError`` of
    ``load`` reaches the caller. Mind that a token is a secret: it is not pickled, so keep its ``value`` and its other
    fields, sealed as ``FileTokenStore`` does.
    """

    async def load(self, identity: Identity) -> Iterable[AccessToken]:
        """Return the tokens of an identity.

        Expired ones included. Their ``issued_at`` is not looked at.
        """
        ...

    async def save(self, identity: Identity, token: AccessToken) -> None:
        """Keep a token.

        One with the same scopes is replaced, unless it was issued later.
        """
        ...

    async def discard(self, identity: Identity, token: AccessToken) -> None:
        """Forget that token, and no other.

        If it is still there.
        """
        ...


class Claim(Protocol):
    """The right to ask for a token.

    Others wait for what comes of it meanwhile.
    """

    async def release(self) -> None:
        """Let the next one ask."""
        ...


class LeasedClaim:
    """The right to ask, kept in a database.

    Its entry there ends by itself.


    Args:
        release: takes the entry away.
    """

    def __init__(self, release: Callable[[], Awaitable[object]]) -> None:
        self._release = release

    async def release(self) -> None:
        """Let the next one ask."""
        await self._release()


@runtime_checkable
class SharedTokenStore(TokenStore, Protocol):
    """A store that lets one process ask.

    One at a time may ask for a token, so that a fleet that starts asks once.
    """

    async def claim(self, identity: Identity, scopes: frozenset[str]) -> Claim | None:
        """Return the right to ask for these scopes.

        None while somebody else has it. It ends seconds after its process at the latest.
        """
        ...


@runtime_checkable
class InstalledTokenStore(Protocol):
    """A store whose tables somebody has to make."""

    async def install(self) -> None:
        """Make them, unless they are there.

        Raises:
            ConnectionError: the database does not answer, or says no.
        """
        ...


class MemoryTokenStore:
    """Token store in this process's memory.

    One token for each identity and set of granted scopes: for several caches, and tests.
    """

    def __init__(self) -> None:
        self._tokens: dict[Identity, dict[frozenset[str], AccessToken]] = {}

    async def load(self, identity: Identity) -> Iterable[AccessToken]:
        return list(self._tokens.get(identity, {}).values())

    async def save(self, identity: Identity, token: AccessToken) -> None:
        kept = self._tokens.setdefault(identity, {})
        known = kept.get(token.scopes)
        if known is None or token.replaces(known):
            kept[token.scopes] = token

    async def discard(self, identity: Identity, token: AccessToken) -> None:
        kept = self._tokens.get(identity, {})
        known = kept.get(token.scopes)
        if known is not None and known.value == token.value:
            # Another thread's loop may have been here.
            kept.pop(token.scopes, None)

    def __repr__(self) -> str:
        return f"<MemoryTokenStore: {sum(map(len, self._tokens.values()))} tokens>"
