"""SIGTERM of a process that has handlers of its own, and of its children."""

import pytest
from support.scripts import run, unix

pytestmark = unix

STAGE = """
from tilia_async.fleet.sigterm import leaving_on_sigterm

def terminate():
    os.kill(os.getpid(), signal.SIGTERM)

async def work(name, *, until=None):
    left = asyncio.Event()
    loop = asyncio.get_running_loop()
    with leaving_on_sigterm(lambda: loop.call_soon_threadsafe(left.set)):
        started.append(name)
        async with asyncio.timeout(10):
            await (until or left).wait()
    print(name, "left")

started = []
def theirs(number, frame):
    print("theirs", number == signal.SIGTERM)
"""
LOOPS = pytest.mark.parametrize("loop", ["asyncio.new_event_loop", "__import__('uvloop').new_event_loop"])


@LOOPS
def test_a_handler_of_the_loop_is_called_and_stays(loop: str) -> None:
    assert (
        run(
            STAGE
            + f"""
async def main():
    heard = asyncio.Queue()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, lambda: heard.put_nowait("theirs"))
    before = signal.getsignal(signal.SIGTERM)
    asyncio.get_running_loop().call_later(0.05, terminate)
    await work("worker")
    print(await heard.get(), heard.qsize(), signal.getsignal(signal.SIGTERM) == before)
    terminate()
    print(await asyncio.wait_for(heard.get(), 10))

with asyncio.Runner(loop_factory={loop}) as runner:
    runner.run(main())
"""
        )
        == "worker left\ntheirs 0 True\ntheirs\n"
    )


@LOOPS
def test_a_handler_of_the_process_is_called_once_the_workers_have_left(loop: str) -> None:
    assert (
        run(
            STAGE
            + f"""
async def main():
    workers = asyncio.gather(work("one"), work("two"))
    while len(started) < 2:
        await asyncio.sleep(0)
    # From a thread, while the loop has nothing to do.
    threading.Timer(0.05, terminate).start()
    await workers

signal.signal(signal.SIGTERM, theirs)
with asyncio.Runner(loop_factory={loop}) as runner:
    runner.run(main())
print(signal.getsignal(signal.SIGTERM) is theirs)
"""
        )
        == "one left\ntheirs True\ntwo left\nTrue\n"
    ), "the last one hands it on"


def test_workers_end_in_any_order_and_no_handler_is_lost() -> None:
    assert (
        run(
            STAGE
            + """
async def main():
    ended = asyncio.Event()
    first = asyncio.create_task(work("first", until=ended))
    second = asyncio.create_task(work("second"))
    while len(started) < 2:
        await asyncio.sleep(0)
    ended.set()
    await first
    terminate()
    await second

async def replaced():
    left = asyncio.Event()
    with leaving_on_sigterm(left.set):
        signal.signal(signal.SIGTERM, theirs)

asyncio.run(main())
print(signal.getsignal(signal.SIGTERM) is signal.SIG_DFL)
asyncio.run(replaced())
print(signal.getsignal(signal.SIGTERM) is theirs)
"""
        )
        == "first left\nsecond left\nTrue\nTrue\n"
    )


def test_a_forked_child_ends_as_it_did_before() -> None:
    assert (
        run(
            STAGE
            + """
async def main():
    with leaving_on_sigterm(lambda: print("nobody")):
        child = os.fork()
        if not child:
            terminate()
            os._exit(0)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))

asyncio.run(main())
"""
        )
        == "-15\n"
    )


def test_what_cannot_be_put_back_is_not_replaced_and_threads_have_no_signals() -> None:
    assert (
        run(
            STAGE
            + """
def elsewhere():
    with leaving_on_sigterm(print):
        seen.append(signal.getsignal(signal.SIGTERM))

seen = []
thread = threading.Thread(target=elsewhere)
thread.start()
thread.join()
getsignal, signal.getsignal = signal.getsignal, lambda number: None
with leaving_on_sigterm(print):
    seen.append(getsignal(signal.SIGTERM))
print(seen == [signal.SIG_DFL] * 2)
"""
        )
        == "True\n"
    )
