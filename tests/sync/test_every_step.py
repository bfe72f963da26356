"""Signal handlers and finalizers that call and close, at every step of the thread that they interrupt."""

from functools import partial

import pytest
from support.scripts import run, unix

pytestmark = unix

LONG = pytest.mark.nightly
OPERATIONS = ["first call", *(pytest.param(each, marks=LONG) for each in ("call", "close", "stream", "new"))]
# Closes of its own client meet calls and the start of the loop, those of others its end.
TELLING = {("the same", "first call"), ("another", "close")}

run_slowly = partial(run, timeout=55)

STEPS = '''
import faulthandler
from tilia_sync.loop_thread import LOOP_THREAD

faulthandler.dump_traceback_later(50, exit=True)
# One that strikes in a finalizer can be raised nowhere.
sys.unraisablehook = lambda lost: lost.exc_type is KeyboardInterrupt or sys.__unraisablehook__(lost)
gc.disable()

OURS = ("tilia_sync.", "tilia_async.os_threads", "tilia_async.tokens.cache", "threading", "weakref")

def steps(operation, action, at, every="line"):
    "Run an operation in this thread, do something before its step of that number; False if it has fewer."
    count = 0
    def trace(frame, event, argument):
        nonlocal count
        if not frame.f_globals.get("__name__", "").startswith(OURS):
            return None
        frame.f_trace_opcodes = every == "opcode"
        if event == every:
            count += 1
            if count == at:
                action()
        return trace
    sys.settrace(trace)
    try:
        operation()
    finally:
        sys.settrace(None)
    return count >= at

def threads():
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("tilia")]

def everywhere(attempt):
    "Try the first step, the second and so on; returns how many there were."
    at = 1
    while attempt(at):
        at += 1
    return at

def serve():
    "A sandbox in a process of its own: the loop thread of this one is to come and go."
    import json, subprocess
    code = """
import json, sys
from tilia_sync import Sandbox

with Sandbox(wallet_delay=0) as sandbox:
    print(json.dumps([sandbox.client_id, sandbox.client_secret, sandbox.port]), flush=True)
    sys.stdin.read()
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    atexit.register(process.communicate)
    client_id, secret, port = json.loads(process.stdout.readline())
    return lambda: TiliaClient(client_id, secret, f"http://127.0.0.1:{port}/{{service}}")

make = serve()
outcomes = set()

def call(tilia):
    outcomes.add(str(tilia.payment_methods.list("a")))

def stream(tilia):
    outcomes.add(str(list(tilia.invoices.list("a"))))

def new(tilia):
    with make() as mine:
        outcomes.add(str(mine.payment_methods.list("a")))

operations = {"call": call, "first call": call, "stream": stream, "close": TiliaClient.close, "new": new}
'''


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("every", ["line", pytest.param("opcode", marks=LONG)])
def test_a_handler_that_calls(operation: str, every: str) -> None:
    """Python looks for signals at some of the opcodes; a line is the least that a test can do quickly."""
    told = run_slowly(
        STEPS
        + f"""
def attempt(at):
    with make() as other:
        tilia, answers = make(), []
        if {operation!r} != "first call":
            tilia.payment_methods.list("warm")
        reached = steps(
            lambda: operations[{operation!r}](tilia), lambda: answers.append(other.payment_methods.list("b")), at, {every!r}
        )
        tilia.close()
    if answers != [[]] * reached or threads():
        print("left", at, answers, threads())
    return reached

print(everywhere(attempt) > 20, *outcomes, LOOP_THREAD._leases)
"""
    )
    assert told.split() == ["True", *([] if operation == "close" else ["[]"]), "{}"]


@pytest.mark.parametrize(
    ("whose", "operation"),
    [
        pytest.param(whose, operation, marks=[] if (whose, operation) in TELLING else LONG)
        for whose in ("another", "the same", "garbage")
        for operation in ("call", "first call", "close", "stream", "new")
    ],
)
def test_a_handler_that_closes(whose: str, operation: str) -> None:
    told = run_slowly(
        STEPS
        + f"""
def attempt(at):
    tilia, another = make(), make()
    if {operation!r} != "first call":
        tilia.payment_methods.list("warm")
        another.payment_methods.list("warm")
    held = [tilia if {whose!r} == "the same" else another]
    if {whose!r} == "garbage":
        circle = held[:]
        circle.append(circle)
        held[:] = [circle]
        del circle
    del another

    def action():
        last = held.pop()
        if {whose!r} == "garbage":
            del last
            gc.collect(0)
        else:
            last.close()

    try:
        reached = steps(lambda: operations[{operation!r}](tilia), action, at)
    except errors.ClientClosedError:
        outcomes.add("closed")
        reached = True
    tilia.close()
    if held:
        (held.pop() if {whose!r} != "garbage" else held.pop()[0]).close()
    for _ in range(500):
        # Nobody waits for the one that became garbage.
        if not LOOP_THREAD._leases and not threads():
            break
        time.sleep(0.01)
    if threads() or LOOP_THREAD._leases:
        print("left", at, threads(), LOOP_THREAD._leases)
    return reached

print(everywhere(attempt) > 10, *sorted(outcomes))
"""
    )
    answered = [] if operation == "close" else ["[]"]
    closed = ["closed"] if whose == "the same" and operation in {"call", "first call", "stream"} else []
    assert told.split() == ["True", *answered, *closed]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_ctrl_c_leaves_nothing_behind(operation: str) -> None:
    told = run_slowly(
        STEPS
        + f"""
def interrupt():
    raise KeyboardInterrupt

def attempt(at):
    tilia = make()
    if {operation!r} != "first call":
        tilia.payment_methods.list("warm")
    pool = tilia._client._pool
    try:
        reached = steps(lambda: operations[{operation!r}](tilia), interrupt, at)
    except KeyboardInterrupt:
        reached = True
    busy = pool.busy
    tilia.close()
    del tilia
    for _ in range(500):
        # A client of its own that the operation could not close is garbage now.
        if not LOOP_THREAD._leases and not threads():
            break
        gc.collect(0)
        time.sleep(0.01)
    if threads() or LOOP_THREAD._leases or busy:
        print("left", at, threads(), LOOP_THREAD._leases, busy)
    return reached

print(everywhere(attempt) > 10, *outcomes)
"""
    )
    assert told.split() == ["True", *([] if operation == "close" else ["[]"])]
