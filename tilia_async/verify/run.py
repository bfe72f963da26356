"""The walk through the operations."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import urlsplit

import attrs

from tilia_async.api import OPERATIONS
from tilia_async.checks import identifier
from tilia_async.client import TiliaClient, declarations_of, environment_of
from tilia_async.config import Environment, Service
from tilia_async.errors import ConfigurationError, InvalidRequestError, TiliaError, TokenError
from tilia_async.settings_checks import is_loopback
from tilia_async.verify.findings import Finding
from tilia_async.verify.known_ids import KnownIds
from tilia_async.verify.probe import Asked, Probe, not_tried
from tilia_async.verify.report import VerifyReport
from tilia_async.verify.requests import NEVER, READS, WRITES, read_of
from tilia_async.version import __version__

_WALLETS_SECONDS = 15.0


async def verify(
    tilia: TiliaClient, account_id: str | None = None, *, writes: bool = False, confirm: str | None = None
) -> VerifyReport:
    """Check each fact of each declaration against Tilia.

    It reads only, unless told otherwise, and never moves money. A write that may have reached Tilia is not sent again.

    Args:
        account_id: an account to read; None: only what can be told without one.
        writes: also try the writes that move no money: they register an account, block and unblock it, draft an
            invoice and an escrow for it, and leave it there.
        confirm: the name of the environment, to write anywhere but on staging or this machine.

    Raises:
        InvalidRequestError: the id cannot be one; nothing was sent.
        ConfigurationError: it is to write where that is not confirmed; nothing was sent.
        TokenError: the token endpoint refused each token that was asked for.
        TransportError: the token endpoint could not be reached.
    """
    reasons = [] if account_id is None else identifier(account_id)
    if reasons:
        raise InvalidRequestError({"account_id": reasons}, operation="verify")
    where = _named(environment_of(tilia))
    if writes and not _may_write(environment_of(tilia)) and confirm != where:
        raise ConfigurationError(f"verify: writes in {where} want to be confirmed; nothing was sent: confirm={where!r}")
    started = datetime.now(UTC)
    walk = _Walk(tilia)
    if writes:
        await walk.write()
    known = walk.known if account_id is None else KnownIds({"account_id": account_id}, {"account_id"})
    known.found.update({name: found for name, found in walk.known.found.items() if name not in known.found})
    await walk.read(known)
    if walk.refused is not None and not walk.had_token:
        raise walk.refused
    for name, operation in OPERATIONS.items():
        if name not in walk.findings:
            walk.findings[name] = not_tried(operation, NEVER.get(name, "it writes"))
    return VerifyReport(
        __version__, where, started, [each for name in OPERATIONS for each in walk.findings[name]], walk.corrections
    )


@attrs.define
class _Walk:
    """A walk through the operations.

    Attributes:
        known: the ids of the account that its writes made.
        refused: the token endpoint's last refusal.
        had_token: some token was granted.
    """

    tilia: TiliaClient
    known: KnownIds = attrs.field(factory=KnownIds)
    findings: dict[str, list[Finding]] = attrs.field(factory=dict[str, list[Finding]])
    corrections: dict[str, dict[str, object]] = attrs.field(factory=dict[str, dict[str, object]])
    refused: TokenError | None = None
    had_token: bool = False

    async def read(self, known: KnownIds) -> None:
        declared = declarations_of(self.tilia)
        for name in READS:
            await self._probe(name, read_of(declared[name], known), known)

    async def write(self) -> None:
        declared = declarations_of(self.tilia)
        for name, make in WRITES.items():
            body = make(self.known)
            if body is None or not self.known.knows(declared[name]):
                self.findings[name] = not_tried(declared[name], "an id that it needs was not told")
                continue
            await self._probe(name, Asked(self.known.path(declared[name]), body=body), self.known)
            if name == "accounts.register":
                await self._wallets()
            elif name == "accounts.block_capability":
                await self._probe("accounts.unblock", Asked(self.known.path(declared["accounts.unblock"])), self.known)

    async def _probe(self, name: str, asked: Asked, known: KnownIds) -> None:
        probe = Probe(self.tilia, declarations_of(self.tilia)[name], asked)
        await probe.run()
        self.refused, self.had_token = probe.refused or self.refused, probe.had_token or self.had_token
        known.learn(probe.value)
        self.findings[name] = probe.findings
        if probe.corrections:
            self.corrections[name] = probe.corrections

    async def _wallets(self) -> None:
        """Learn of the new account's wallets.

        They appear a moment later.
        """
        account_id = self.known.found.get("account_id")
        if account_id is None:
            return
        try:
            self.known.learn(await self.tilia.wallets.wait_until_ready(account_id, _WALLETS_SECONDS))
        except TiliaError:
            # What needs one is not tried then, and says so.
            return


def _named(environment: Environment) -> str:
    """Return the name of an environment, without its address."""
    known = {Environment.PRODUCTION: "production", Environment.STAGING: "staging"}
    return known.get(environment, "another")


def _may_write(environment: Environment) -> bool:
    here = all(is_loopback(urlsplit(environment.url(service)).hostname or "") for service in Service)
    return here or environment == Environment.STAGING
