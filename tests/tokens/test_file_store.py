"""A file of tokens that processes share: private, sealed, locked."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import signal
import stat
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
from quick import QUICK

from tilia_async import TiliaClient
from tilia_async.config import Credentials
from tilia_async.errors import ConfigurationError
from tilia_async.sandbox import Fault, Sandbox
from tilia_async.secret import Secret
from tilia_async.tokens import AccessToken, FileTokenStore, Identity, SharedTokenStore, TokenCache
from tilia_sync import Sandbox as SandboxOfAnotherThread

SECRET = "canary-secret-0123456789"
VALUE = "canary-token-abcdef"
READ, WRITE = frozenset({"read"}), frozenset({"write"})
MINE = Identity.of("https://auth.example/token", Credentials("id", Secret(SECRET)))
OTHERS = Identity.of("https://auth.example/token", Credentials("id-2", Secret("another secret of theirs")))

posix_only = pytest.mark.skipif(os.name != "posix", reason="rights and links as POSIX has them")


def token(value: str = VALUE, scopes: frozenset[str] = READ, lifetime: float = 3600, age: float = 0) -> AccessToken:
    ends = datetime.now(UTC) + timedelta(seconds=lifetime - age)
    return AccessToken(value, scopes, lifetime, time.monotonic() - age, ends)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "private" / "tokens"


def values(store: FileTokenStore, identity: Identity = MINE) -> set[str]:
    return {each.value for each in store.load(identity)}


def test_what_one_keeps_another_finds(path: Path) -> None:
    kept = token()
    FileTokenStore(path).save(MINE, kept)
    (found,) = FileTokenStore(path).load(MINE)
    assert (found.value, found.scopes, found.lifetime) == (kept.value, kept.scopes, kept.lifetime)
    assert abs((found.expires_at - kept.expires_at).total_seconds()) < 0.001
    assert isinstance(FileTokenStore(path), SharedTokenStore)


def test_nothing_is_on_disk_in_the_clear(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = FileTokenStore(path, key="a key of my own, canary")
    with caplog.at_level(logging.DEBUG):
        for own in (store, FileTokenStore(path)):
            own.save(MINE, token())
            own.save(MINE, token("canary-other", WRITE))
    files = [each for each in path.parent.rglob("*") if each.is_file()]
    assert path in files
    text = b"".join(each.read_bytes() + each.name.encode() for each in files).decode() + caplog.text + repr(store)
    assert not [each for each in (SECRET, VALUE, "canary", MINE.secret_digest, "read", "write") if each in text]


@posix_only
def test_it_is_the_users_alone(path: Path) -> None:
    before = os.umask(0)
    try:
        FileTokenStore(path).save(MINE, token())
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o640)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        FileTokenStore(path).load(MINE)


@posix_only
def test_a_link_is_refused(path: Path, tmp_path: Path) -> None:
    FileTokenStore(path).save(MINE, token())
    link = tmp_path / "link"
    link.symlink_to(path)
    with pytest.raises(ConfigurationError, match="symbolic link"):
        FileTokenStore(link).load(MINE)


def test_identities_share_a_file_and_do_not_see_each_other(path: Path) -> None:
    store = FileTokenStore(path)
    store.save(MINE, token("mine"))
    store.save(OTHERS, token("theirs"))
    assert values(store) == {"mine"}
    assert values(store, OTHERS) == {"theirs"}
    store.discard(MINE, token("mine"))
    assert values(store) == set()
    assert values(store, OTHERS) == {"theirs"}


def test_another_key_finds_nothing_and_harms_nothing(path: Path) -> None:
    FileTokenStore(path).save(MINE, token("first"))
    keyed = FileTokenStore(path, key="0123456789abcdef")
    assert values(keyed) == set()
    keyed.save(MINE, token("second"))
    assert (values(FileTokenStore(path)), values(keyed)) == ({"first"}, {"second"})
    with pytest.raises(ConfigurationError, match="16"):
        FileTokenStore(path, key="short")


def test_a_newer_token_stays_and_only_the_very_token_is_discarded(path: Path) -> None:
    store = FileTokenStore(path)
    store.save(MINE, token("new"))
    store.save(MINE, token("slow", age=100))
    store.discard(MINE, token("other"))
    assert values(store) == {"new"}
    store.save(MINE, token("ended", WRITE, age=3601))
    assert values(store) == {"new"}, "what has ended is not kept"


@pytest.mark.parametrize(
    "damage", [b"", b"{", b"[]", b'{"version": 1}', b'{"version":1,"identities":{"a":3}}', b"\xff" * 9]
)
def test_a_damaged_file_is_set_aside(path: Path, damage: bytes, caplog: pytest.LogCaptureFixture) -> None:
    store = FileTokenStore(path)
    store.save(MINE, token())
    path.write_bytes(damage)
    assert values(store) == set()
    assert path.with_name("tokens.corrupt").read_bytes() == damage
    assert "damaged" in caplog.text
    store.save(MINE, token("again"))
    assert values(store) == {"again"}


def test_a_sealed_part_that_was_changed_is_not_believed(path: Path) -> None:
    store = FileTokenStore(path)
    store.save(MINE, token())
    content = path.read_bytes()
    at = content.index(b'"closed":"') + 60
    path.write_bytes(content[:at] + (b"A" if content[at : at + 1] != b"A" else b"B") + content[at + 1 :])
    assert values(store) == set()


def test_a_file_of_a_later_version_is_left_alone(path: Path) -> None:
    store = FileTokenStore(path)
    store.save(MINE, token())
    path.write_bytes(b'{"version":2}')
    with pytest.raises(ConfigurationError, match="newer version"):
        store.load(MINE)
    assert path.read_bytes() == b'{"version":2}'


def test_the_clock_of_another_process_does_not_matter(path: Path) -> None:
    store = FileTokenStore(path)
    store.save(MINE, token(lifetime=100, age=20))

    async def no_fetch(scopes: frozenset[str], generation: int) -> AccessToken:
        raise AssertionError("there is one in the store")

    class Anyone:
        closed = False

    async def acquire(clock: float) -> AccessToken:
        return await TokenCache(store, clock=lambda: clock).shelf(MINE).acquire(READ, no_fetch, Anyone())

    for clock in (0.0, 5.0, 1e9):
        found = asyncio.run(acquire(clock))
        assert clock + 50 < found.refresh_at < clock + 60
        assert clock + 70 < found.unusable_at < clock + 76


def settings(sandbox: SandboxOfAnotherThread, path: Path) -> tuple[str, str, str, str]:
    return sandbox.client_id, sandbox.client_secret, sandbox.environment.template, str(path)


def work(client_id: str, client_secret: str, template: str, path: str, pipe: Connection) -> None:
    """A worker process: one call, once it is told to begin."""

    async def call() -> str:
        cache = TokenCache(FileTokenStore(path))
        async with TiliaClient(client_id, client_secret, template, token_cache=cache, retry=QUICK) as tilia:
            pipe.send("ready")
            await asyncio.to_thread(pipe.recv)
            await tilia.payment_methods.list("acct_1")
            return (await tilia.access_token(["read_payment_methods"])).value

    pipe.send(asyncio.run(call()))


def asked(sandbox: SandboxOfAnotherThread) -> int:
    return sum(request.operation == "auth.token" for request in sandbox.requests)


@pytest.mark.parametrize("method", ["spawn", "fork"])
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_eight_processes_that_start_together_ask_once(path: Path, method: str) -> None:
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip("no fork here")
    context = multiprocessing.get_context(method)
    with SandboxOfAnotherThread() as sandbox:
        sandbox.faults.add("auth.token", Fault.LATENCY, seconds=0.2)
        pipes = []
        workers = []
        for _ in range(8):
            ours, theirs = context.Pipe()
            worker = context.Process(target=work, args=(*settings(sandbox, path), theirs), daemon=True)
            worker.start()
            pipes.append(ours)
            workers.append(worker)
        assert [pipe.recv() for pipe in pipes] == ["ready"] * 8
        for pipe in pipes:
            pipe.send("go")
        assert len({pipe.recv() for pipe in pipes}) == 1
        for worker in workers:
            worker.join(10)
            assert worker.exitcode == 0
        assert asked(sandbox) == 1


async def one_call(sandbox: Sandbox, path: Path) -> TiliaClient:
    cache = TokenCache(FileTokenStore(path))
    tilia = TiliaClient(sandbox.client_id, sandbox.client_secret, sandbox.environment, token_cache=cache, retry=QUICK)
    await tilia.payment_methods.list("acct_1")
    return tilia


@pytest.mark.asyncio
async def test_a_token_that_another_process_replaced_is_found_after_a_401(path: Path, sandbox: Sandbox) -> None:
    first, second = await one_call(sandbox, path), await one_call(sandbox, path)
    sandbox.revoke_tokens()
    for tilia in (first, second):
        await tilia.payment_methods.list("acct_1")
    assert [request.operation for request in sandbox.requests].count("auth.token") == 2
    await first.aclose()
    await second.aclose()


@pytest.mark.asyncio
async def test_a_store_that_cannot_be_used_stops_no_call_but_says_so(
    tmp_path: Path, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("")
    tilia = await one_call(sandbox, in_the_way / "tokens")
    await tilia.aclose()
    assert "the token store could not" in caplog.text


WRITER = """
import sys
from datetime import UTC, datetime, timedelta
from tilia_async.config import Credentials
from tilia_async.secret import Secret
from tilia_async.tokens import AccessToken, FileTokenStore, Identity

store = FileTokenStore(sys.argv[1])
mine = Identity.of("https://auth.example/token", Credentials("id", Secret("canary-secret-0123456789")))
print("ready", flush=True)
number = 0
while True:
    number += 1
    ends = datetime.now(UTC) + timedelta(seconds=3600 + number)
    store.save(mine, AccessToken(f"token-{number}", frozenset({"read"}), 3600, 0.0, ends))
"""


@posix_only
@pytest.mark.parametrize("times", [4, pytest.param(60, marks=[pytest.mark.nightly, pytest.mark.timeout(240)])])
def test_a_writer_that_is_killed_leaves_a_whole_file_and_no_lock(path: Path, times: int) -> None:
    store = FileTokenStore(path)
    for number in range(times):
        with subprocess.Popen([sys.executable, "-c", WRITER, path], stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            deadline = time.monotonic() + 0.002 * (number % 7)
            while time.monotonic() < deadline or not path.exists():
                pass
            writer.send_signal(signal.SIGKILL)
        (found,) = store.load(MINE)
        assert found.value.startswith("token-")
        claim = store.claim(MINE, READ)
        assert claim is not None
        claim.release()
        store.save(MINE, token("survivor", age=-7200))
        assert values(store) == {"survivor"}
        path.unlink()


def test_a_claim_is_one_processes_and_ends_with_it(path: Path) -> None:
    store = FileTokenStore(path)
    claim = store.claim(MINE, READ)
    assert claim is not None
    assert FileTokenStore(path).claim(MINE, READ) is None
    other = store.claim(MINE, WRITE)
    assert other is not None, "each scope set by itself"
    other.release()
    claim.release()
    again = store.claim(MINE, READ)
    assert again is not None
    again.release()


def test_without_the_extra_it_says_what_to_install() -> None:
    script = (
        "import sys; sys.modules['filelock'] = None\n"
        "import tilia_async.tokens\n"
        "try:\n    tilia_async.tokens.FileTokenStore\n"
        "except ModuleNotFoundError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "pip install 'tilia-sdk[store]'" in done.stdout


def test_the_extra_is_loaded_by_nobody_who_does_not_use_it() -> None:
    script = "import tilia_async, tilia_async.tokens, sys; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert {"filelock", "cryptography"}.isdisjoint(done.stdout.split())
