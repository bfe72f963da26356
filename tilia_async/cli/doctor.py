"""``tilia doctor``: what is wrong between here and Tilia."""

from __future__ import annotations

import asyncio
import os
import platform
from urllib.parse import urlsplit
from urllib.request import getproxies

import aiohttp
import attrs
import click

from tilia_async.cli.network import CA_VARIABLE, PROXY_VARIABLE, Network
from tilia_async.cli.options import json_option, network_options
from tilia_async.cli.output import show_rows
from tilia_async.config import Environment, RetryPolicy, Service, from_environment
from tilia_async.errors import ConfigurationError, TiliaError, TokenError, TransportError
from tilia_async.proxy import Proxy, find_proxy
from tilia_async.scopes import Scope
from tilia_async.tokens.fetch import TOKEN
from tilia_async.transport.routes import Routes
from tilia_async.version import __version__

_LOOK_SECONDS = 10.0


@attrs.frozen
class Finding:
    """Finding of one check.

    Attributes:
        well: None where it could not be looked at.
        advice: what to do.
    """

    what: str
    well: bool | None
    found: str
    advice: str = ""

    def row(self) -> dict[str, str]:
        """Return the finding as a table's row."""
        mark = "not tried" if self.well is None else "ok" if self.well else "WRONG"
        return {"result": mark, "what": self.what, "found": self.found, "what to do": self.advice}


@click.command()
@json_option
@network_options
def doctor(network: Network, as_json: bool) -> None:
    """Check settings, network and credentials.

    The settings, the way to Tilia and the credentials, one after the other.
    """
    findings = asyncio.run(examine(network))
    show_rows([finding.row() for finding in findings], as_json=as_json)
    raise click.exceptions.Exit(0 if all(finding.well for finding in findings) else 1)


async def examine(network: Network) -> list[Finding]:
    """Examine the versions, settings, network and credentials.

    The network is the way to Tilia.
    """
    findings = [
        Finding(
            "versions",
            True,
            f"tilia-sdk {__version__}, Python {platform.python_version()}, aiohttp {aiohttp.__version__}",
        ),
        *(_variable(name) for name in ("TILIA_CLIENT_ID", "TILIA_CLIENT_SECRET")),
        _environment(),
    ]
    if not all(finding.well for finding in findings):
        return [*findings, Finding("access token", None, "", "set the variables first")]
    findings += [await _proxy(network), _certificates(network)]
    if not all(finding.well for finding in findings):
        return [*findings, Finding("access token", None, "", "correct the proxy first")]
    return [*findings, await _token(network)]


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


async def _proxy(network: Network) -> Finding:
    """Name the proxy for the services, without its login."""
    if network.has_own_proxy:
        given = network.proxy or from_environment(PROXY_VARIABLE)
        source = PROXY_VARIABLE if network.proxy is None else "--proxy"
        found = find_proxy(given)
        if isinstance(found, ConfigurationError):
            return Finding("proxy", False, str(found), f"correct {source}")
        return Finding("proxy", True, f"{_described(found)}, by {source}")
    environment = Environment.of(from_environment("TILIA_ENVIRONMENT").reveal())
    routes = Routes(None, trust_env=True)
    hosts: dict[Proxy | None, set[str]] = {}
    variables: set[str] = set()
    try:
        for service in Service:
            url = urlsplit(environment.url(service))
            variables.add(f"{url.scheme.upper()}_PROXY")
            hosts.setdefault(await routes.find(f"{url.scheme}://{url.netloc}"), set()).add(url.hostname or "")
    except ConfigurationError as error:
        return Finding("proxy", False, str(error), "correct the variable")
    direct = hosts.pop(None, set())
    if not hosts:
        bypassed = variables & {f"{scheme.upper()}_PROXY" for scheme in getproxies()}
        return Finding("proxy", True, f"none: NO_PROXY bypasses it for {_listed(direct)}" if bypassed else "none")
    proxies = "; ".join(
        f"{_described(proxy)} for {_listed(names)}" for proxy, names in hosts.items() if proxy is not None
    )
    rest = f"; NO_PROXY bypasses it for {_listed(direct)}" if direct else ""
    return Finding("proxy", True, f"{proxies}, by {_listed(variables)}{rest}")


def _described(proxy: Proxy) -> str:
    return proxy.url if proxy.authorization is None else f"{proxy.url}, with a login"


def _listed(hosts: set[str]) -> str:
    return ", ".join(sorted(hosts))


def _certificates(network: Network) -> Finding:
    named, source = network.ca_file, "--ca-file"
    if named is None:
        named, source = os.environ.get(CA_VARIABLE), CA_VARIABLE
    believed = "those of the system" if not named else f"those of {named}, by {source}"
    shown, _ = network.shown
    return Finding("certificates", True, believed if shown is None else f"{believed}; it shows that of {shown}")


async def _token(network: Network) -> Finding:
    async with network.client(timeout=_LOOK_SECONDS, retry=RetryPolicy(attempts=1)) as tilia:
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
