"""Things that come through to the other side: context variables, exceptions, tracebacks."""

import tomllib
from pathlib import Path

import pytest
from support.scripts import run

from tilia_sync import loop_thread as bridge
from tilia_sync.tracebacks import _hidden as hidden

ROOT = Path(__file__).resolve().parents[2]

CONTEXT = """
VARIABLE = contextvars.ContextVar("VARIABLE", default="unset")
OTHER = contextvars.ContextVar("OTHER")

async def inside(fails=False):
    before = VARIABLE.get()
    VARIABLE.set("from inside " + before)
    OTHER.set("new")
    if fails:
        raise LookupError
    return before
"""


def test_context_variables_go_in_and_come_back() -> None:
    assert (
        run(
            CONTEXT
            + """
with connect(Sandbox()) if False else TiliaClient("id", "secret", "staging") as tilia:
    VARIABLE.set("A")
    print(tilia._lease.run(inside), VARIABLE.get(), OTHER.get())
    try:
        tilia._lease.run(lambda: inside(fails=True))
    except LookupError:
        print(VARIABLE.get())
    # Threads keep to their own.
    seen = []
    thread = threading.Thread(target=lambda: seen.append((tilia._lease.run(inside), VARIABLE.get())))
    thread.start()
    thread.join()
    print(seen, VARIABLE.get())
""".replace("connect(Sandbox()) if False else ", "")
        )
        == "A from inside A new\nfrom inside from inside A\n"
        "[('unset', 'from inside unset')] from inside from inside A\n"
    )


def test_the_clients_own_variables_do_not_come_along() -> None:
    assert (
        run("""
        with Sandbox() as sandbox, connect(sandbox) as tilia:
            before = dict(contextvars.copy_context())
            tilia.payment_methods.list("a")
            print(dict(contextvars.copy_context()) == before)
    """)
        == "True\n"
    )


def test_an_exception_that_would_end_a_loop_is_its_callers_alone() -> None:
    assert (
        run("""
        async def leave(error):
            raise error

        def work():
            while not left.is_set():
                found.append(other.payment_methods.list("a"))

        with Sandbox() as sandbox, connect(sandbox) as tilia, connect(sandbox) as other:
            other.payment_methods.list("a")
            left, found = threading.Event(), []
            thread = threading.Thread(target=work)
            thread.start()
            for error in [SystemExit, KeyboardInterrupt, GeneratorExit, asyncio.CancelledError] * 5:
                try:
                    tilia._lease.run(lambda: leave(error))
                except error:
                    found.append([])
            left.set()
            thread.join()
            print(len(found) > 20, set(map(len, found)), tilia.payment_methods.list("a"))
    """)
        == "True {0} []\n"
    )


@pytest.mark.parametrize("loop", [pytest.param("asyncio", marks=pytest.mark.nightly), "uvloop"])
def test_what_a_task_of_a_call_raises_does_not_end_the_loop_either(loop: str) -> None:
    assert (
        run(f"""
        if {loop!r} == "asyncio":
            sys.modules["uvloop"] = None

        async def child():
            raise SystemExit(4)

        async def parent():
            async with asyncio.TaskGroup() as group:
                group.create_task(child())
                await asyncio.sleep(10)

        with Sandbox() as sandbox, connect(sandbox) as tilia, connect(sandbox) as other:
            other.payment_methods.list("a")
            started = time.monotonic()
            try:
                tilia._lease.run(parent)
            except SystemExit as error:
                print(error.code, time.monotonic() - started < 5)
            print(other.payment_methods.list("a"))
    """)
        == "4 True\n[]\n"
    )


def test_tracebacks_start_at_the_users_line_and_end_at_the_cause() -> None:
    script = """
        def shown(error):
            return [(os.path.basename(frame.filename), frame.name) for frame in traceback.extract_tb(error.__traceback__)]

        def user():
            tilia.accounts.get("acct_1")

        def users_loop():
            for item in tilia.invoices.list("acct_1"):
                pass

        with Sandbox() as sandbox, connect(sandbox) as tilia:
            for call in (user, users_loop):
                try:
                    sandbox.faults.add("invoices.list", Fault.SERVER_ERROR_EMPTY, times=None)
                    call()
                except errors.ApiError as error:
                    frames = shown(error)
                    print(frames[0], frames[1][1], frames[-1])
                    print(sorted({file for file, _ in frames} & {"loop_thread.py", "call.py", "batch_reader.py", "threading.py"}))
    """
    trimmed = (
        "('<string>', '<module>') user ('requestor.py', '_again')\n[]\n"
        "('<string>', '<module>') users_loop ('requestor.py', '_again')\n[]\n"
    )
    assert run(script) == trimmed
    full = run('os.environ["TILIA_SYNC_FULL_TRACEBACKS"] = "1"\n' + script.replace("\n        ", "\n")).splitlines()
    assert full[0] == trimmed.splitlines()[0]
    assert full[1] == "['call.py', 'loop_thread.py']"
    assert full[3] == "['batch_reader.py', 'call.py', 'loop_thread.py']"


def test_no_frame_of_the_bridge_stands_in_the_traceback_of_a_failing_job() -> None:
    script = """
        def files(error):
            found = set()
            while error is not None:
                found |= {frame.filename for frame in traceback.extract_tb(error.__traceback__)}
                error = error.__cause__ or error.__context__
            return {os.path.basename(file) for file in found if os.path.basename(os.path.dirname(file)) == "tilia_sync"}

        def refuse(progress):
            raise LookupError("progress")

        def broken():
            yield "acct_1"
            raise LookupError("ids")

        with Sandbox() as sandbox, connect(sandbox) as tilia, TiliaClient("x", "y", sandbox.environment) as stranger:
            for job in (
                lambda: stranger.bulk.block(["acct_1"]),
                lambda: list(stranger.bulk.stream_block(["acct_1"])),
                lambda: stranger.bulk.lookup(["acct_1"]),
                lambda: tilia.bulk.lookup(["acct_1"], on_progress=refuse),
                lambda: tilia.bulk.lookup(broken()),
                lambda: list(tilia.bulk.stream_lookup(broken())),
            ):
                try:
                    job()
                except (errors.BulkStoppedError, LookupError) as error:
                    print(type(error).__name__, sorted(files(error)))
    """
    told = run(script).splitlines()
    assert len(told) == 6
    assert {line.partition(" ")[2] for line in told} == {"['bulk.py']"}, told


def test_what_the_bridge_is_made_of_is_what_stands_below_it() -> None:
    """The layers of the import contract, but for a loop that is loaded only in its own thread."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (layers,) = (each["layers"] for each in contracts if each.get("containers") == ["tilia_sync"])
    below = {name.strip() for layer in layers[layers.index("loop_thread") :] for name in layer.split("|")}
    assert bridge.__name__ in hidden
    assert hidden == {f"tilia_sync.{name}" for name in below - {"fast_loop", "models"}}


def test_the_exceptions_that_led_to_one_are_trimmed_too() -> None:
    assert (
        run("""
        async def first():
            raise LookupError

        def chained():
            try:
                with tilia._lease as run:
                    run(first)
            except LookupError as error:
                raise ValueError from error

        async def second():
            try:
                raise KeyError
            except KeyError:
                raise IndexError

        with TiliaClient("id", "secret", "staging") as tilia:
            for call in (chained, lambda: tilia._lease.run(second)):
                try:
                    with tilia._lease:
                        call()
                except (ValueError, IndexError) as error:
                    while error is not None:
                        print(type(error).__name__, [frame.name for frame in traceback.extract_tb(error.__traceback__)])
                        error = error.__cause__ or error.__context__
    """)
        == "ValueError ['<module>', 'chained']\nLookupError ['chained', 'first']\n"
        "IndexError ['<module>', '<lambda>', 'second']\nKeyError ['second']\n"
    )


def test_no_exception_keeps_its_frames_alive() -> None:
    """A circle of frame and exception would keep what the caller had in its variables until the next collection."""
    assert (
        run("""
        import weakref

        class Mine: pass

        def call():
            mine = Mine()
            marks.append(weakref.ref(mine))
            try:
                tilia.accounts.get("acct_1")
            except errors.NotFoundError:
                pass

        with Sandbox() as sandbox, connect(sandbox) as tilia:
            for full in ("", "1"):
                os.environ["TILIA_SYNC_FULL_TRACEBACKS"] = full
                marks = []
                gc.disable()
                for _ in range(3):
                    call()
                print([mark() for mark in marks])
    """)
        == "[None, None, None]\n" * 2
    )
