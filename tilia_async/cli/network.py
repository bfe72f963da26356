"""The way of the commands to Tilia.

Through which proxy, which certificates they believe, and which they show.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from typing import Final, TypeVar, Unpack

import attrs
import click

from tilia_async.cli.ledger_location import LedgerLocation
from tilia_async.client import ClientSettings, TiliaClient
from tilia_async.ledger import BlockLedger
from tilia_async.secret import Secret
from tilia_async.tokens import TokenCache

T = TypeVar("T")

PROXY_VARIABLE: Final = "TILIA_PROXY"
CA_VARIABLE: Final = "SSL_CERT_FILE"
CERT_VARIABLE: Final = "TILIA_CERT_FILE"
KEY_VARIABLE: Final = "TILIA_KEY_FILE"
KEY_PASSWORD_VARIABLE: Final = "TILIA_KEY_PASSWORD"  # noqa: S105 - a name


@attrs.frozen
class Network:
    """Network settings of the command line.

    Attributes:
        proxy: None: what the variables say.
        ca_file: None: what the variable or the system says.
        cert_file: the client's certificate, with its key or beside it; None: what the variable says.
        key_file: the same for its key.
    """

    proxy: Secret | None = attrs.field(default=None, repr=False)
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None

    @property
    def has_own_proxy(self) -> bool:
        """True if the option or variable names a proxy.

        The variable is the SDK's; if not, those of all programs are asked.
        """
        return self.proxy is not None or bool(os.environ.get(PROXY_VARIABLE, "").strip())

    def client(self, **settings: Unpack[ClientSettings]) -> TiliaClient:
        """Make a client with the environment's settings.

        Raises:
            ConfigurationError: a variable is not set, or a setting is wrong.
            click.BadParameter: a file of certificates or keys cannot be used.
        """
        settings["ssl"] = self._context()
        settings["trust_env"] = not self.has_own_proxy
        return TiliaClient.from_env(proxy=self.proxy, **settings)

    def ask(
        self,
        question: Callable[[TiliaClient], Awaitable[T]],
        place: LedgerLocation | None = None,
        tokens: TokenCache | None = None,
    ) -> T:
        """Put one question to Tilia, and return the answer.

        What it blocks or unblocks is recorded in the ledger, if there is one.
        """

        async def asked() -> T:
            record = None if place is None else BlockLedger.open(place.url)
            async with record or nullcontext(), self.client(ledger=record, token_cache=tokens) as tilia:
                return await question(tilia)

        return asyncio.run(asked())

    @property
    def shown(self) -> tuple[str | None, str | None]:
        """The files of the client's certificate and of its key."""
        cert, key = self.cert_file or os.environ.get(CERT_VARIABLE), self.key_file or os.environ.get(KEY_VARIABLE)
        return cert or None, key or None

    def _context(self) -> ssl.SSLContext | None:
        cert, key = self.shown
        if cert is None and key is not None:
            raise click.BadParameter(f"{key} is the key of no certificate: name that, too", param_hint="--cert-file")
        if self.ca_file is None and cert is None:
            return None
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
        except OSError as error:
            # An SSLError is one, too: there is no certificate in it.
            why = "it holds no certificates in PEM" if isinstance(error, ssl.SSLError) else error.strerror
            raise click.BadParameter(f"{self.ca_file} cannot be used: {why}", param_hint="--ca-file") from None
        if cert is not None:
            _show(context, cert, key)
        return context


def _show(context: ssl.SSLContext, cert: str, key: str | None) -> None:
    """Have the client show a certificate.

    Without a function for the password OpenSSL would ask the terminal for it.
    """
    try:
        context.load_cert_chain(cert, key, _key_password)
    except (OSError, ValueError) as error:
        files = cert if key is None else f"{cert} with {key}"
        raise click.BadParameter(f"{files} cannot be used: {_refusal(error)}", param_hint="--cert-file") from None


def _key_password() -> str:
    if not os.environ.get(KEY_PASSWORD_VARIABLE):
        raise click.BadParameter(f"the key has a password: set {KEY_PASSWORD_VARIABLE}", param_hint="--key-file")
    return os.environ[KEY_PASSWORD_VARIABLE]


def _refusal(error: OSError | ValueError) -> str:
    if isinstance(error, ssl.SSLError):
        return _REASONS.get(error.reason or "", "it is no certificate with its key, in PEM, or the password is wrong")
    return (error.strerror or "") if isinstance(error, OSError) else str(error)


_REASONS: Final = {"KEY_VALUES_MISMATCH": "the key is another certificate's"}
