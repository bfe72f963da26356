"""The way of the commands to Tilia.

Through which proxy, and which certificates they believe.
"""

from __future__ import annotations

import os
import ssl
from typing import Annotated, Final, TypeAlias, Unpack

import attrs
import typer

from tilia_async.client import ClientSettings, TiliaClient
from tilia_async.secret import Secret

PROXY_VARIABLE: Final = "TILIA_PROXY"
CA_VARIABLE: Final = "SSL_CERT_FILE"

ProxyOption: TypeAlias = Annotated[
    Secret | None,
    typer.Option(
        "--proxy",
        parser=Secret,
        metavar="URL",
        help="An HTTP proxy for all requests. A password in it stands in the list of processes: set the variable "
        f"{PROXY_VARIABLE} instead. Default: that, else HTTPS_PROXY and NO_PROXY.",
    ),
]
CaFileOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--ca-file",
        metavar="FILE",
        help=f"The certificates to believe, in PEM, instead of the system's. Default: the variable {CA_VARIABLE}.",
    ),
]


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
            typer.BadParameter: the file of certificates cannot be used.
        """
        settings["ssl"] = self._context()
        settings["trust_env"] = not self.has_own_proxy
        return TiliaClient.from_env(proxy=self.proxy, **settings)

    def _context(self) -> ssl.SSLContext | None:
        if self.ca_file is None:
            return None
        try:
            return ssl.create_default_context(cafile=self.ca_file)
        except OSError as error:
            # An SSLError is one, too: there is no certificate in it.
            why = "it holds no certificates in PEM" if isinstance(error, ssl.SSLError) else error.strerror
            raise typer.BadParameter(f"{self.ca_file} cannot be used: {why}", param_hint="--ca-file") from None
