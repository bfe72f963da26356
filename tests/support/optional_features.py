"""Uses of each feature that needs an extra.

What came of it is printed as JSON.

Usage: ``optional_features.py [PACKAGE …]``: as if these were not installed. ``--none`` fails if a feature works, or does
not say which extra it needs: for a place in which no extra is installed.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.metadata import Distribution, DistributionFinder
from pathlib import Path
from types import ModuleType


def command() -> None:
    import tilia_async.cli

    sys.argv = ["tilia", "scopes"]
    tilia_async.cli.main()


def sqlite() -> None:
    with tempfile.TemporaryDirectory() as folder:
        opened(f"sqlite:///{Path(folder) / 'blocks.db'}")


def postgres() -> None:
    """Fail to connect to a port without listener.

    To fail there is to have all that it takes.
    """
    from tilia_async.errors import LedgerError

    try:
        opened("postgresql://127.0.0.1:1/nothing")
    except LedgerError:
        return


def fleet() -> None:
    """Fail to connect, as above."""
    import tilia_sync
    from tilia_async.errors import LedgerError

    ledger = tilia_sync.BlockLedger.open("postgresql://127.0.0.1:1/nothing")
    with tilia_sync.TiliaClient("id", "secret", "staging", ledger=ledger) as tilia:
        try:
            tilia.fleet.install()
        except LedgerError:
            return
        finally:
            ledger.close()


def fleet_by_celery() -> None:
    """Fail to connect, as above."""
    import tilia_sync
    from tilia_async.errors import LedgerError

    try:
        from celery import Celery
    except ModuleNotFoundError:
        app = None
    else:
        app = Celery("tasks", set_as_current=False)
    ledger = tilia_sync.BlockLedger.open("postgresql://127.0.0.1:1/nothing")
    with tilia_sync.TiliaClient("id", "secret", "staging", ledger=ledger) as tilia:
        try:
            tilia.fleet.with_celery(app).install()
        except LedgerError:
            return
        finally:
            ledger.close()


def opened(url: str) -> None:
    from tilia_async.ledger import BlockLedger

    async def use() -> None:
        async with BlockLedger.open(url):
            pass

    asyncio.run(use())


def file_store() -> None:
    from tilia_async.tokens import FileTokenStore

    with tempfile.TemporaryDirectory() as folder:
        FileTokenStore(Path(folder) / "tokens")


def postgres_store() -> None:
    from tilia_async.tokens import PostgresTokenStore

    PostgresTokenStore("postgresql://127.0.0.1:1/nothing")


def redis_store() -> None:
    from tilia_async.tokens import RedisTokenStore

    RedisTokenStore("redis://127.0.0.1:1/0")


def synchronous_calls() -> None:
    """Call on uvloop if that is installed."""
    import tilia_sync

    with tilia_sync.Sandbox(wallet_delay=0) as sandbox:
        with tilia_sync.TiliaClient(sandbox.client_id, sandbox.client_secret, sandbox.environment) as tilia:
            tilia.accounts.register("nyx", email="nyx@mail.example")


def spans_and_metrics() -> None:
    from tilia_async.otel import TiliaInstrumentor

    TiliaInstrumentor().instrument()


FEATURES: dict[str, tuple[set[str], Callable[[], None]]] = {
    "command": ({"cli"}, command),
    "sqlite": ({"ledger"}, sqlite),
    "postgres": ({"ledger", "postgres"}, postgres),
    "fleet": ({"fleet", "postgres", "ledger"}, fleet),
    "fleet by celery": ({"celery", "postgres", "ledger"}, fleet_by_celery),
    "file store": ({"store"}, file_store),
    "postgres store": ({"postgres", "store"}, postgres_store),
    "redis store": ({"redis"}, redis_store),
    "spans and metrics": ({"otel"}, spans_and_metrics),
}
"""Each with the extras that it may need."""


def told(feature: Callable[[], None]) -> str:
    from tilia_async.errors import ConfigurationError

    try:
        feature()
    except (ConfigurationError, ModuleNotFoundError) as error:
        return str(error)
    except SystemExit as error:
        return str(error.code or "")
    return ""


class Without(MetaPathFinder):
    """Finds what the others find, but for some packages."""

    def __init__(self, missing: set[str], finders: Sequence[MetaPathFinder]) -> None:
        self._missing = missing
        self._finders = finders

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname.partition(".")[0] in self._missing:
            return None
        specs = (each.find_spec(fullname, path, target) for each in self._finders)
        return next((each for each in specs if each is not None), None)

    def find_distributions(self, context: DistributionFinder.Context) -> Iterator[Distribution]:
        for each in self._finders:
            yield from getattr(each, "find_distributions", lambda _context: ())(context)


def main() -> int:
    sys.meta_path[:] = [Without({each for each in sys.argv[1:] if each != "--none"}, sys.meta_path[:])]
    synchronous_calls()
    came = {name: told(feature) for name, (_, feature) in FEATURES.items()}
    print(json.dumps(came))  # noqa: T201 - its output is read
    return int("--none" in sys.argv and not all("pip install 'tilia-sdk[" in each for each in came.values()))


if __name__ == "__main__":
    raise SystemExit(main())
