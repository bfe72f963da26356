"""The file of tokens that processes share: what others fetched serves, and nobody else can read it."""

# ruff: noqa: ASYNC220, ASYNC240 - nothing else runs in the loops of these tests

import asyncio
import contextlib
import multiprocessing
import os
import signal
import stat
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from filelock import FileLock

from tilia_async.config import Credentials
from tilia_async.errors import ConfigurationError
from tilia_async.secret import Secret
from tilia_async.tokens import AccessToken, FileTokenStore, Identity, TokenCache
from tilia_async.tokens.store import Claim

READ, WRITE = frozenset({"read"}), frozenset({"write"})
CANARY = "canary-token-4711"
SECRET = "canary-secret-4712"
posix = pytest.mark.skipif(os.name != "posix", reason="rights of POSIX")


class Owner:
    closed = False


def identity(client_id: str = "id") -> Identity:
    return Identity.of("https://auth.example/token", Credentials(client_id, Secret(SECRET)))


def token(value: str, scopes: frozenset[str] = READ, *, age: float = 0, lifetime: float = 3600) -> AccessToken:
    return AccessToken(value, scopes, lifetime, 0.0, datetime.now(UTC) + timedelta(seconds=lifetime - age))


async def values(store: FileTokenStore, whose: Identity | None = None) -> list[str]:
    return sorted(kept.value for kept in await store.load(whose or identity()))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tokens"


@pytest.mark.asyncio
async def test_a_token_comes_back_as_it_was(path: Path) -> None:
    kept = token("value", READ | WRITE)
    await FileTokenStore(path).save(identity(), kept)
    (found,) = await FileTokenStore(path).load(identity())
    assert found == kept


@pytest.mark.asyncio
async def test_identities_share_a_file_and_no_tokens(path: Path) -> None:
    store = FileTokenStore(path)
    await store.save(identity("one"), token("first"))
    await store.save(identity("two"), token("second"))
    await store.discard(identity("two"), token("first"))
    assert (await values(store, identity("one")), await values(store, identity("two"))) == (["first"], ["second"])
    assert await values(store, identity("three")) == []


@pytest.mark.asyncio
async def test_a_secret_that_was_changed_sees_nothing_of_the_old_one_and_does_it_no_harm(path: Path) -> None:
    """Some processes still have the old secret, and all have the same key."""
    store = FileTokenStore(path, key="k" * 16)
    old, new = (
        Identity.of("https://auth.example/token", Credentials("id", Secret(secret))) for secret in ("old", "new")
    )
    await store.save(old, token("first"))
    assert await values(store, new) == []
    await store.save(new, token("second"))
    assert (await values(store, old), await values(store, new)) == (["first"], ["second"])
    claims = [await store.claim(old, READ), await store.claim(new, READ), await store.claim(old, WRITE)]
    assert None not in claims
    for claim in claims:
        assert claim is not None
        await claim.release()
    await store.discard(new, token("second"))
    assert (await values(store, old), await values(store, new)) == (["first"], [])


@pytest.mark.asyncio
async def test_a_wrong_key_sees_nothing_and_does_no_harm(path: Path) -> None:
    store, other = FileTokenStore(path, key="k" * 16), FileTokenStore(path, key="l" * 16)
    await store.save(identity(), token("mine"))
    assert await values(other) == []
    await other.save(identity(), token("theirs"))
    assert (await values(store), await values(other)) == (["mine"], ["theirs"])
    with pytest.raises(ConfigurationError, match="at least 16"):
        FileTokenStore(path, key="short")


@pytest.mark.asyncio
async def test_discard_forgets_that_token_and_no_newer_one(path: Path) -> None:
    store = FileTokenStore(path)
    await store.save(identity(), token("old", age=10))
    await store.save(identity(), token("new"))
    await store.discard(identity(), token("old", age=10))
    await store.save(identity(), token("late", age=20))
    assert await values(store) == ["new"]
    await store.discard(identity(), token("new"))
    assert await values(store) == []


@pytest.mark.asyncio
async def test_what_has_ended_leaves_the_file(path: Path) -> None:
    store = FileTokenStore(path)
    await store.save(identity("gone"), token("ended", WRITE, age=3601))
    await store.save(identity(), token("lives"))
    await store.save(identity(), token("ended", WRITE, age=3601))
    assert await values(store) == ["lives"]
    assert await values(store, identity("gone")) == []


@posix
@pytest.mark.asyncio
async def test_the_disk_holds_no_secret_and_is_the_users_alone(tmp_path: Path, path: Path) -> None:
    before = os.umask(0)
    try:
        store = FileTokenStore(path)
        await store.save(identity("canary-client"), token(CANARY))
        claim = await store.claim(identity("canary-client"), READ)
    finally:
        os.umask(before)
    assert claim is not None
    await claim.release()
    on_disk = [place for place in tmp_path.rglob("*") if place.is_file()]
    assert path in on_disk
    for place in on_disk:
        assert stat.S_IMODE(place.stat().st_mode) == 0o600, place
        content = place.read_bytes() + place.name.encode()
        for secret in (CANARY, SECRET, "canary-client", identity().secret_digest):
            assert secret.encode() not in content
    assert CANARY not in repr(store)


@posix
@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda path: path.chmod(0o640), "chmod 600"),
        (lambda path: path.chmod(0o604), "chmod 600"),
        (lambda path: path.rename(path.with_name("real")) and path.symlink_to("real"), "symbolic link"),
        (lambda path: path.symlink_to("nowhere", path.unlink()), "symbolic link"),
        (lambda path: os.mkfifo(path, 0o600 + (path.unlink() or 0)), "no file"),
    ],
)
@pytest.mark.asyncio
async def test_a_file_that_others_could_reach_is_refused_and_left_alone(path: Path, spoil, why: str) -> None:
    store = FileTokenStore(path)
    await store.save(identity(), token(CANARY))
    spoil(path)
    for step in (lambda: store.load(identity()), lambda: store.save(identity(), token("new"))):
        with pytest.raises(ConfigurationError, match=why) as caught:
            await step()
        assert str(path) in str(caught.value)
        assert CANARY not in str(caught.value)


@posix
@pytest.mark.asyncio
async def test_a_directory_of_locks_that_others_can_write_to_is_refused(path: Path) -> None:
    path.with_name("tokens.locks").mkdir()
    path.with_name("tokens.locks").chmod(0o777)
    with pytest.raises(ConfigurationError, match="others can write"):
        await FileTokenStore(path).claim(identity(), READ)


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"a": 1}', b'{"a": [1, 2]}', b"\xff\x00" * 99, b"null"])
@pytest.mark.asyncio
async def test_a_damaged_file_is_set_aside(path: Path, content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    path.write_bytes(content)
    path.chmod(0o600)
    store = FileTokenStore(path)
    assert await values(store) == []
    assert path.with_name("tokens.corrupt").read_bytes() == content
    assert "set aside" in caplog.text
    await store.save(identity(), token("new"))
    assert await values(store) == ["new"]


@pytest.mark.asyncio
async def test_tokens_that_were_tampered_with_are_none(path: Path) -> None:
    store = FileTokenStore(path)
    await store.save(identity(), token("value"))
    content = bytearray(path.read_bytes())
    content[-20] ^= 1
    path.write_bytes(content)
    assert await values(store) == []


@pytest.mark.asyncio
async def test_sealed_tokens_that_are_no_ascii_are_none(path: Path) -> None:
    store = FileTokenStore(path)
    await store.save(identity(), token("old"))
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("gAAA", "gé€A"), encoding="utf-8")
    assert await values(store) == []
    await store.save(identity(), token("new"))
    assert await values(store) == ["new"]


@pytest.mark.asyncio
async def test_who_stops_waiting_for_a_claim_waits_for_no_disk(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, may_go_on = threading.Event(), threading.Event()

    def slow(self: FileLock, *arguments: object, **settings: object) -> object:
        asked.set()
        assert may_go_on.wait(10)
        return acquire(self, *arguments, **settings)

    acquire = FileLock.acquire
    store = FileTokenStore(path)
    monkeypatch.setattr(FileLock, "acquire", slow)
    waiting = asyncio.create_task(store.claim(identity(), READ))
    await asyncio.to_thread(asked.wait)
    waiting.cancel()
    # The loop would stand still here for as long as the disk does.
    timer = threading.Timer(1.0, may_go_on.set)
    timer.start()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert not may_go_on.is_set()
    may_go_on.set()
    timer.cancel()
    monkeypatch.undo()
    async with asyncio.timeout(5):
        # What the thread took all the same, it gave back.
        while (claim := await store.claim(identity(), READ)) is None:  # noqa: ASYNC110 - the thread tells nobody
            await asyncio.sleep(0)
    await claim.release()


WRITER = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_file_store import write_for_ever
print("ready", flush=True)
write_for_ever(sys.argv[1])
"""


def write_for_ever(path: str) -> None:
    async def write() -> None:
        store = FileTokenStore(path)
        number = 0
        while True:
            number += 1
            await store.save(identity(), token("x" * 2000, frozenset({f"s{number % 50}"})))

    asyncio.run(write())


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no kill -9 here")
@pytest.mark.nightly
@pytest.mark.asyncio
async def test_kill_while_writing_leaves_a_whole_file_and_no_lock(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = FileTokenStore(path)
    for number in range(4):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE)
        with writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            while not path.exists() or path.stat().st_size < 10_000 * (number + 1):
                assert writer.poll() is None
            writer.kill()
        assert await store.load(identity()), "whole"
        await store.save(identity(), token(f"after-{number}"))
        assert f"after-{number}" in await values(store)
    assert not path.with_name("tokens.corrupt").exists()
    assert caplog.records == []


@pytest.mark.parametrize("method", [m for m in multiprocessing.get_all_start_methods() if m in {"fork", "spawn"}])
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_writers_of_several_processes_lose_nothing(path: Path, method: str) -> None:
    context = multiprocessing.get_context(method)
    writers = [context.Process(target=write_some, args=(str(path), who)) for who in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0] * 3
    for who in range(3):
        assert len(asyncio.run(values(FileTokenStore(path), identity(str(who))))) == 10


def write_some(path: str, who: int) -> None:
    async def write() -> None:
        store = FileTokenStore(path)
        for number in range(10):
            while True:
                # On a busy machine the others may hold the lock for longer than a save waits.
                with contextlib.suppress(TimeoutError):
                    await store.save(identity(str(who)), token(f"{who}-{number}", frozenset({f"s{number}"})))
                    break

    asyncio.run(write())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_does_not_release_its_parents_claim(path: Path) -> None:
    store = FileTokenStore(path)

    def claimed() -> Claim | None:
        return asyncio.run(store.claim(identity(), READ))

    claim = claimed()
    assert claim is not None
    child = os.fork()
    if child == 0:
        del claim
        os._exit(0 if claimed() is None else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert claimed() is None
    asyncio.run(claim.release())
    assert claimed() is not None


@pytest.mark.asyncio
async def test_another_caches_token_serves_after_a_refusal_and_is_not_dropped_with_the_old(path: Path) -> None:
    here, there = (TokenCache(FileTokenStore(path))._tokens_of(identity()) for _ in range(2))
    asked: list[frozenset[str]] = []

    async def fetch(scopes: frozenset[str], generation: int) -> AccessToken:
        asked.append(scopes)
        ends = datetime.now(UTC) + timedelta(seconds=100)
        return AccessToken(f"token-{len(asked)}", scopes, 100, asyncio.get_running_loop().time(), ends, generation)

    old = await here.acquire(READ, fetch, Owner())
    assert (await there.acquire(READ, fetch, Owner())).value == old.value
    assert here.refuse(old, READ, expired=True)
    new = await here.acquire(READ, fetch, Owner())
    there.refuse(old, READ, expired=True)
    assert (await there.acquire(READ, fetch, Owner())).value == new.value == "token-2"
    assert len(asked) == 2


def test_it_costs_nothing_unless_used_and_says_what_to_install() -> None:
    script = """
import sys
sys.modules["filelock"] = None
import tilia_async, tilia_async.tokens
assert "cryptography" not in sys.modules
try:
    from tilia_async.tokens import FileTokenStore
except ModuleNotFoundError as error:
    print(error)
"""
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert "pip install 'tilia-sdk[store]'" in said
