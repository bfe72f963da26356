"""Each room imports only what lies below it (DESIGN: arrows run one way)."""

import ast
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

from tilia_sync import Sandbox, TiliaClient

ROOT = Path(__file__).resolve().parents[2]
EXTRAS = {
    "aiosqlite",
    "click",
    "cryptography",
    "filelock",
    "opentelemetry",
    "psycopg",
    "redis",
    "rich",
    "sqlalchemy",
    "uvloop",
}
ONLY_TO_CALL = {"aiohttp", "cattrs", "yarl"}
ONLY_TO_SERVE = {"aiohttp.web", "tilia_async.sandbox"}
FRESH_CALLS = {
    "tilia_async": """
        import asyncio

        async def call():
            async with client as tilia:
                print((await tilia.accounts.find("nyx")).username)

        asyncio.run(call())
    """,
    "tilia_sync": """
        with client as tilia:
            print(tilia.accounts.find("nyx").username)
    """,
}


def test_arrows_run_one_way() -> None:
    done = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


FRAMEWORKS = {"celery", "django", "flask", "pytest", "starlette"}


def in_fresh_process(script: str, **variables: str) -> list[str]:
    """The words that a script prints."""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env={**os.environ, **variables}
    )
    return done.stdout.split()


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("tilia_async", {*EXTRAS, *ONLY_TO_CALL, *ONLY_TO_SERVE, "tilia_async.webhooks", "tilia_sync"}),
        ("tilia_sync", {*EXTRAS, *ONLY_TO_CALL, *ONLY_TO_SERVE, "tilia_async.webhooks", "tilia_sync.webhooks"}),
        ("tilia_async.webhooks", {*EXTRAS, *ONLY_TO_CALL, *ONLY_TO_SERVE, "tilia_sync"}),
        ("tilia_sync.webhooks", {*EXTRAS, *ONLY_TO_CALL, *ONLY_TO_SERVE}),
        ("tilia_async.sandbox", {*EXTRAS, "cattrs", "tilia_sync"}),
    ],
)
def test_an_import_loads_only_what_it_needs(module: str, absent: set[str]) -> None:
    loaded = in_fresh_process(f"import {module}, sys; print(*sys.modules)")
    assert module in loaded
    assert (absent | FRAMEWORKS).isdisjoint(loaded)


@pytest.mark.parametrize(("module", "most"), [("tilia_async", 305), ("tilia_sync", 334)])
def test_an_import_loads_few_modules(module: str, most: int) -> None:
    """A bound of their number, since the time that they take is another on each machine."""
    script = f"import sys; before = set(sys.modules); import {module}; print(*sys.modules.keys() - before)"
    # Releases of anyio before 4.15 load forty more by themselves.
    allowance = 0 if tuple(map(int, version("anyio").split(".")[:2])) >= (4, 15) else 50
    assert len(in_fresh_process(script)) <= most + allowance


@pytest.fixture(scope="module")
def server() -> Iterator[dict[str, str]]:
    """The variables by which a client finds it; there is one account."""
    with Sandbox(wallet_delay=0) as sandbox:
        with TiliaClient(sandbox.client_id, sandbox.client_secret, sandbox.environment) as tilia:
            tilia.accounts.register("nyx", email="nyx@mail.example")
        yield {
            "TILIA_CLIENT_ID": sandbox.client_id,
            "TILIA_CLIENT_SECRET": sandbox.client_secret,
            "TILIA_ENVIRONMENT": f"http://127.0.0.1:{sandbox.port}/{{service}}",
        }


@pytest.mark.parametrize("package", FRESH_CALLS)
def test_a_client_works_first_thing_in_a_process(package: str, server: dict[str, str]) -> None:
    begin = f"from {package} import TiliaClient\nclient = TiliaClient.from_env()\n"
    assert in_fresh_process(begin + textwrap.dedent(FRESH_CALLS[package]), **server) == ["nyx"]


@pytest.mark.parametrize("package", FRESH_CALLS)
def test_the_first_clients_may_be_made_in_several_threads_at_once(package: str, server: dict[str, str]) -> None:
    begin = f"""
        from concurrent.futures import ThreadPoolExecutor
        from {package} import TiliaClient

        with ThreadPoolExecutor(4) as threads:
            clients = list(threads.map(lambda _: TiliaClient.from_env(), range(4)))
        for client in clients:
        """
    call = textwrap.indent(textwrap.dedent(FRESH_CALLS[package]), "    ")
    assert in_fresh_process(textwrap.dedent(begin) + call, **server) == ["nyx"] * 4


def test_whoever_asks_for_what_is_loaded_late_gets_it() -> None:
    script = "from tilia_sync import *; print(Sandbox.__module__, WebhookReceiver.__module__)"
    assert in_fresh_process(script) == ["tilia_sync.sandbox.embedded", "tilia_sync.webhooks"]


def test_what_a_package_lacks_is_an_attribute_error() -> None:
    with pytest.raises(ImportError, match="cannot import name 'Sandpit'"):
        from tilia_sync import Sandpit  # noqa: F401 - it is the import that is tried


CLOCKS_AND_DICE = {"now", "utcnow", "today", "monotonic", "perf_counter", "time_ns", "uuid1", "uuid4", "urandom"}


@pytest.mark.parametrize("path", sorted((ROOT / "tilia_async" / "wire").glob("*.py")), ids=lambda path: path.name)
def test_wire_reads_no_clock_and_draws_nothing(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not imported & {"time", "random", "secrets", "os", "asyncio", "socket", "threading"}
    called = [ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)]
    # ``checks.uuid4`` looks at one.
    names = {name.rpartition(".")[2] for name in called if not name.startswith("checks.")}
    assert not names & CLOCKS_AND_DICE
