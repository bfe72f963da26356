"""``tilia doctor``: what is wrong between here and Tilia."""

from __future__ import annotations

import platform
from importlib.metadata import version

import aiohttp
import attrs

from tilia_async.client import TiliaClient
from tilia_async.config import Environment, RetryPolicy, from_environment
from tilia_async.errors import ConfigurationError, TiliaError, TokenError, TransportError
from tilia_async.scopes import Scope
from tilia_async.tokens.fetch import TOKEN

_LOOK_SECONDS = 10.0


@attrs.frozen
class Finding:
    """One thing that was looked at.

    Attributes:
        well: None where it could not be looked at.
        advice: what to do.
    """

    what: str
    well: bool | None
    found: str
    advice: str = ""

    def row(self) -> dict[str, str]:
        """For a table."""
        mark = "not tried" if self.well is None else "ok" if self.well else "WRONG"
        return {"": mark, "what": self.what, "found": self.found, "what to do": self.advice}


async def examine() -> list[Finding]:
    """Look at the versions, the settings, the way to Tilia and the credentials."""
    findings = [
        Finding(
            "versions",
            True,
            f"tilia-sdk {version('tilia-sdk')}, Python {platform.python_version()}, aiohttp {aiohttp.__version__}",
        ),
        *(_variable(name) for name in ("TILIA_CLIENT_ID", "TILIA_CLIENT_SECRET")),
        _environment(),
    ]
    if not all(finding.well for finding in findings):
        return [*findings, Finding("access token", None, "", "set the variables first")]
    return [*findings, await _token()]


def _variable(name: str) -> Finding:
    try:
        from_environment(name)
    except ConfigurationError:
        return Finding(name, False, "not set", "Tilia gives you one for each environment; `tilia sandbox` prints one")
    return Finding(name, True, "set")


def _environment() -> Finding:
    try:
        environment = Environment.of(from_environment("TILIA_ENVIRONMENT").reveal())
    except ConfigurationError as error:
        return Finding("TILIA_ENVIRONMENT", False, str(error), "set it to staging, production or a sandbox's URL")
    return Finding("TILIA_ENVIRONMENT", True, f"{environment.name}: {environment.url(TOKEN.service)}")


async def _token() -> Finding:
    async with TiliaClient.from_env(timeout=_LOOK_SECONDS, retry=RetryPolicy(attempts=1)) as tilia:
        try:
            token = await tilia.access_token([Scope.SEARCH_ACCOUNTS])
        except TokenError as error:
            advice = "check client id and secret, and that they belong to this environment"
            return Finding("access token", False, str(error), advice)
        except TransportError as error:
            return Finding("access token", False, str(error), "check network, proxy and firewall")
        except TiliaError as error:
            return Finding("access token", False, str(error))
    return Finding("access token", True, f"good for {token.lifetime:.0f} s, scopes {', '.join(sorted(token.scopes))}")
