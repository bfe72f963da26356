"""Encryption of stored tokens (extra ``store``).

They are closed with a key, so that a disk holds nothing that can be used.
"""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final

import orjson
from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from tilia_async.errors import ConfigurationError
from tilia_async.secret import Secret
from tilia_async.tokens.token import AccessToken, Identity

_PURPOSE: Final = "tilia-sdk token store 1"
_SHORTEST_KEY: Final = 16


def checked_key(key: Secret | None) -> Secret | None:
    """Return the key of a store.

    Raises:
        ConfigurationError: it is no text, or too short.
    """
    if key is None:
        return None
    if not key.is_text:
        raise ConfigurationError(f"key is str or None, not {key.kind}")
    if (length := len(key.reveal())) < _SHORTEST_KEY:
        raise ConfigurationError(f"key: at least {_SHORTEST_KEY} random characters are wanted, not {length}")
    return key


class TokenCipher:
    """Encrypts and decrypts the tokens of one identity.

    Its key comes from the user's or from the client's secret.

    Attributes:
        name: of the identity, for those who have the key; it tells nothing to others.
    """

    def __init__(self, identity: Identity, key: Secret | None) -> None:
        material = Secret(identity.secret_digest) if key is None else key
        whose = f"{identity.token_url}\0{identity.client_id}\0{identity.secret_digest}"
        self.name: str = _derive(material, "name", whose).hex()
        self._key = Secret(urlsafe_b64encode(_derive(material, "key", whose)).decode())

    def name_of(self, scopes: frozenset[str]) -> str:
        """Return a file's name for this identity's scope set."""
        return hashlib.sha256(f"{self.name}\0{','.join(sorted(scopes))}".encode()).hexdigest()[:32]

    def encrypt(self, tokens: Iterable[AccessToken]) -> str:
        """Encrypt the tokens as text.

        Only ``decrypt`` can read it.
        """
        return (
            Fernet(self._key.reveal())
            .encrypt(orjson.dumps([(t.value, sorted(t.scopes), t.lifetime, t.expires_at.timestamp()) for t in tokens]))
            .decode()
        )

    def decrypt(self, sealed: str) -> Sequence[AccessToken]:
        """Decrypt the tokens.

        There are none if the text was damaged.
        """
        try:
            rows: list[tuple[str, list[str], float, float]] = orjson.loads(Fernet(self._key.reveal()).decrypt(sealed))
        except (InvalidToken, ValueError):
            # What is not ASCII is refused by a ValueError.
            return ()
        # What can be decrypted was encrypted here, so it has this shape.
        return [
            AccessToken(value, frozenset(scopes), lifetime, 0.0, datetime.fromtimestamp(ends, UTC))
            for value, scopes, lifetime, ends in rows
        ]


def _derive(material: Secret, purpose: str, whose: str) -> bytes:
    info = f"{_PURPOSE}\0{purpose}\0{whose}".encode()
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(material.reveal().encode())
