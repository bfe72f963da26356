"""Ctrl-C and other signals, in processes of their own."""

from support.scripts import run, unix

pytestmark = unix


def test_ctrl_c_cancels_the_call_inside_and_the_client_stays_usable() -> None:
    assert (
        run("""
        with Sandbox() as sandbox, connect(sandbox) as tilia:
            tilia.payment_methods.list("a")
            sandbox.faults.add("payment_methods.list", Fault.LATENCY, seconds=20)
            helper = once_it_arrives(sandbox, interrupt)
            started = time.monotonic()
            try:
                tilia.payment_methods.list("a")
            except KeyboardInterrupt as error:
                files = {os.path.basename(frame.filename) for frame in traceback.extract_tb(error.__traceback__)}
                print("interrupted", time.monotonic() - started < 3, tilia._client._pool.busy, *sorted(files))
            helper.join()
            print(tilia.payment_methods.list("b"))
    """)
        == "interrupted True 0 <string> payment_methods.py\n[]\n"
    )


UNWILLING = """
from tilia_sync.loop_thread import LOOP_THREAD

begun = threading.Event()
cleaned = threading.Event()

async def slow_to_clean_up(seconds):
    begun.set()
    try:
        await asyncio.sleep(60)
    finally:
        await asyncio.sleep(seconds)
        cleaned.set()

def interrupts(*after):
    def send():
        begun.wait()
        for seconds in after:
            time.sleep(seconds)
            interrupt()
    thread = threading.Thread(target=send)
    thread.start()
    return thread

def took(seconds):
    with connect(sandbox) as tilia, Sandbox():
        started = time.monotonic()
        try:
            with tilia._lease as run:
                run(lambda: slow_to_clean_up(seconds))
        except KeyboardInterrupt:
            return time.monotonic() - started
"""


def test_the_call_has_a_second_to_clean_up_and_no_more() -> None:
    assert (
        run(
            UNWILLING
            + """
with Sandbox() as sandbox:
    helper = interrupts(0)
    print(0.3 <= took(0.3) < 0.9, cleaned.is_set())
    helper.join()
    begun.clear()
    cleaned.clear()
    helper = interrupts(0)
    print(0.9 <= took(5) < 2, cleaned.is_set())
    helper.join()
"""
        )
        == "True True\nTrue False\n"
    )


def test_a_second_ctrl_c_does_not_wait() -> None:
    assert (
        run(
            UNWILLING
            + """
with Sandbox() as sandbox, connect(sandbox) as other:
    helper = interrupts(0, 0.2)
    print(0.2 <= took(5) < 0.8, cleaned.is_set())
    helper.join()
    print(other.payment_methods.list("a"))
"""
        )
        == "True False\n[]\n"
    )


def test_ctrl_c_at_any_moment_leaves_nothing_behind() -> None:
    """Interrupts come every few milliseconds, so some of them in the middle of the bridge's own steps."""
    assert (
        run("""
        # One that strikes in a finalizer can be raised nowhere.
        sys.unraisablehook = lambda lost: lost.exc_type is KeyboardInterrupt or sys.__unraisablehook__(lost)
        calls = interrupted = 0
        with Sandbox() as sandbox, connect(sandbox) as keep, connect(sandbox) as tilia:
            tilia.payment_methods.list("a")
            signal.signal(signal.SIGALRM, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
            ends = time.monotonic() + 1.5
            while time.monotonic() < ends:
                try:
                    signal.setitimer(signal.ITIMER_REAL, 0.0002 + 0.0031 * (calls % 97) / 97)
                    tilia.payment_methods.list("a")
                    signal.setitimer(signal.ITIMER_REAL, 0)
                except KeyboardInterrupt:
                    interrupted += 1
                calls += 1
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, signal.SIG_IGN)
            from tilia_sync.loop_thread import LOOP_THREAD
            print(tilia.payment_methods.list("b"), len(LOOP_THREAD._here().runners["takes calls"].calls), tilia._client._pool.busy)
        print(interrupted > 20, [thread.name for thread in threading.enumerate()])
    """)
        == "[] 0 0\nTrue ['MainThread']\n"
    )


def test_an_alarm_that_raises_a_timeout_error_is_not_swallowed() -> None:
    assert (
        run("""
        def too_late(number, frame):
            raise TimeoutError("the alarm")

        with Sandbox() as sandbox, connect(sandbox) as tilia:
            tilia.payment_methods.list("a")
            sandbox.faults.add("payment_methods.list", Fault.LATENCY, seconds=20)
            signal.signal(signal.SIGALRM, too_late)
            signal.setitimer(signal.ITIMER_REAL, 0.2)
            started = time.monotonic()
            try:
                tilia.payment_methods.list("a")
            except TimeoutError as error:
                print(error, time.monotonic() - started < 3)
    """)
        == "the alarm True\n"
    )


def test_a_signal_that_comes_just_before_the_wait_is_not_lost() -> None:
    """The signal does not end a wait that has not begun; as on Windows, where it never does. The flag alone is set here."""
    assert (
        run("""
        import _thread

        with Sandbox() as sandbox, connect(sandbox) as tilia:
            tilia.payment_methods.list("a")
            sandbox.faults.add("payment_methods.list", Fault.LATENCY, seconds=20)
            helper = once_it_arrives(sandbox, _thread.interrupt_main)
            started = time.monotonic()
            try:
                tilia.payment_methods.list("a")
            except KeyboardInterrupt:
                print(time.monotonic() - started < 3)
            helper.join()
            print(tilia.payment_methods.list("a"))
    """)
        == "True\n[]\n"
    )
