"""The way of the commands to Tilia.

Through which proxy, and which certificates they believe.
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

T = TypeVar("T")

PROXY_VARIABLE: Final = "TILIA_PROXY"
CA_VARIABLE: Final = "SSL_CERT_FILE"


@attrs.frozen
class Network:
    """Network settings of the command line.

    Attributes:
        proxy: None: what the variables say.
        ca_file: None: what the variable or the system says.
    """

    proxy: Secret | None = attrs.field(default=None, repr=False)
    ca_file: str | None = None

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
            click.BadParameter: the file of certificates cannot be used.
        """
        settings["ssl"] = self._context()
        settings["trust_env"] = not self.has_own_proxy
        return TiliaClient.from_env(proxy=self.proxy, **settings)

    def ask(self, question: Callable[[TiliaClient], Awaitable[T]], place: LedgerLocation | None = None) -> T:
        """Put one question to Tilia, and return the answer.

        What it blocks or unblocks is recorded in the ledger, if there is one.
        """

        async def asked() -> T:
            record = None if place is None else BlockLedger.open(place.url)
            async with record or nullcontext(), self.client(ledger=record) as tilia:
                return await question(tilia)

        return asyncio.run(asked())

    def _context(self) -> ssl.SSLContext | None:
        if self.ca_file is None:
            return None
        try:
            return ssl.create_default_context(cafile=self.ca_file)
        except OSError as error:
            # An SSLError is one, too: there is no certificate in it.
            why = "it holds no certificates in PEM" if isinstance(error, ssl.SSLError) else error.strerror
            raise click.BadParameter(f"{self.ca_file} cannot be used: {why}", param_hint="--ca-file") from None
