"""The end of clients and of processes: no warning, no hang, no "Event loop is closed"."""

import pytest
from support.scripts import run


def test_exit_without_close() -> None:
    assert (
        run("""
        sandbox = Sandbox()
        sandbox.start()
        tilia = connect(sandbox)
        print(tilia.payment_methods.list("a"))
    """)
        == "[]\n"
    )


def test_exit_in_the_middle_of_everything() -> None:
    """A list that was begun, a client of another thread, one that is garbage in a circle, one in a module's globals."""
    assert (
        run("""
        sandbox = Sandbox()
        sandbox.start()
        tilia = connect(sandbox)

        async def numbers():
            try:
                for number in range(10):
                    yield number
                    await asyncio.sleep(0)
            finally:
                print("cleaned up")

        items = tilia._lease.iterate(numbers())
        print(next(items))
        thread = threading.Thread(target=connect(sandbox).payment_methods.list, args=("a",))
        thread.start()
        circle = [connect(sandbox)]
        circle[0].payment_methods.list("a")
        circle.append(circle)
        del circle
        sys.kept = connect(sandbox)
        sys.kept.payment_methods.list("a")
        raise SystemExit
    """)
        == "0\ncleaned up\n"
    )


def test_exit_by_an_exception() -> None:
    run(
        """
        with Sandbox() as sandbox, connect(sandbox) as tilia:
            tilia.payment_methods.list("a")
            sys.exit(3)
    """,
        expect=3,
    )


def test_an_abandoned_client_is_closed_by_the_garbage_collector() -> None:
    assert (
        run("""
        from tilia_sync.loop_thread import LOOP_THREAD

        with Sandbox() as sandbox:
            tilia = connect(sandbox)
            tilia.payment_methods.list("a")
            pool = tilia._client._pool
            circle = [tilia]
            circle.append(circle)
            del tilia, circle
            gc.collect()
            for _ in range(500):
                LOOP_THREAD.run(lambda: asyncio.sleep(0.01))
                if pool.closed and not pool._parts:
                    break
            print(pool.closed, pool._parts, len(LOOP_THREAD._leases))
        print([thread.name for thread in threading.enumerate()])
    """)
        == "True {} 1\n['MainThread']\n"
    )


@pytest.mark.nightly
def test_what_was_taken_from_a_client_keeps_it_open() -> None:
    assert (
        run("""
        with Sandbox() as sandbox:
            print(connect(sandbox).payment_methods.list("a"))
            service, items = connect(sandbox).payment_methods, connect(sandbox).invoices.list("a")
            gc.collect()
            print(service.list("a"), list(items))
    """)
        == "[]\n[] []\n"
    )


def test_call_and_close_in_a_finalizer_at_the_very_end() -> None:
    """Modules are cleared after everything else; a call then is refused, and a close does nothing."""
    assert (
        run("""
        class Service:
            def __init__(self):
                self.tilia = connect(sandbox)
                self.closed_error = errors.ClientClosedError

            def __del__(self, print=print):
                try:
                    self.tilia.payment_methods.list("a")
                except self.closed_error as error:
                    print("refused")
                self.tilia.close()

        sandbox = Sandbox()
        sandbox.start()
        service = Service()
        service.tilia.payment_methods.list("a")
    """)
        == "refused\n"
    )


@pytest.mark.nightly
def test_handlers_of_atexit_before_and_after_the_import() -> None:
    assert (
        run(
            """
        def late():
            try:
                print("late", tilia.payment_methods.list("a"))
            except errors.ClientClosedError as error:
                print("late", error)
            tilia.close()

        def early():
            print("early", tilia.payment_methods.list("a"))

        from tilia_sync.loop_thread import LOOP_THREAD
        # As if it had been registered before the import.
        atexit.unregister(LOOP_THREAD.leave)
        atexit.register(late)
        atexit.register(LOOP_THREAD.leave)
        atexit.register(early)
        sandbox = Sandbox()
        sandbox.start()
        tilia = connect(sandbox)
        tilia.payment_methods.list("a")
    """
        )
        == "early []\n"
        "late the process ends, and its clients were closed; what is done in atexit has to be registered after "
        "'import tilia_sync'\n"
    )


def test_daemon_threads_that_are_calling_end_in_silence() -> None:
    assert (
        run("""
        def poll(kind):
            while True:
                tilia.payment_methods.list(kind)

        sandbox = Sandbox()
        sandbox.start()
        tilia = connect(sandbox)
        tilia.payment_methods.list("a")
        sandbox.faults.add("payment_methods.list", Fault.LATENCY, seconds=20)
        hanging = threading.Thread(target=poll, args=("slow",), daemon=True)
        seen = len(sandbox.requests)
        hanging.start()
        while len(sandbox.requests) == seen:
            time.sleep(0.005)
        for _ in range(3):
            threading.Thread(target=poll, args=("a",), daemon=True).start()
        time.sleep(0.05)
        # Somebody may wait for such a thread when the process ends, too.
        from tilia_sync.loop_thread import LOOP_THREAD
        atexit.unregister(LOOP_THREAD.leave)
        atexit.register(lambda: (hanging.join(10), print("joined", not hanging.is_alive())))
        atexit.register(LOOP_THREAD.leave)
        print("leaving")
    """)
        == "leaving\njoined True\n"
    )


@pytest.mark.nightly
def test_other_threads_may_finish_their_work_after_the_main_one() -> None:
    assert (
        run("""
        def work():
            for _ in range(5):
                time.sleep(0.02)
                found = tilia.payment_methods.list("a")
            print(found)

        sandbox = Sandbox()
        sandbox.start()
        tilia = connect(sandbox)
        threading.Thread(target=work).start()
    """)
        == "[]\n"
    )


@pytest.mark.nightly
def test_exit_does_not_wait_for_a_name_that_takes_long_to_resolve() -> None:
    """Neither asyncio's loop nor uvloop's."""
    for loop in ("asyncio", "uvloop"):
        assert (
            run(
                f"""
            import socket
            if {loop!r} == "asyncio":
                sys.modules["uvloop"] = None

            def resolve(host, port, *rest):
                if host == "127.0.0.1" or rest[-1] & socket.AI_NUMERICHOST:
                    raise socket.gaierror
                time.sleep(60)

            socket.getaddrinfo = resolve
            tilia = TiliaClient("id", "secret", "https://{{service}}.nowhere.example", timeout=0.2)
            try:
                tilia.accounts.get("a")
            except errors.TiliaError as error:
                print(type(error).__name__)
        """,
                timeout=20,
            )
            == "DeadlineExceededError\n"
        )


def test_a_client_made_at_import_starts_nothing() -> None:
    assert (
        run("""
        tilia = TiliaClient("id", "secret", "staging")
        print([thread.name for thread in threading.enumerate()], "uvloop" in sys.modules)
    """)
        == "['MainThread'] False\n"
    )


def test_a_loop_that_cannot_be_had_is_an_error_and_no_hang() -> None:
    """A loop cannot be had when a process has no file descriptors left."""
    assert (
        run("""
        from tilia_sync import loop_runner as loop_thread
        make = loop_thread._new_loop
        threading.excepthook = lambda arguments: print("thread:", arguments.exc_value)

        def none_left():
            raise OSError("too many open files")

        with Sandbox() as sandbox:
            settings = (sandbox.client_id, sandbox.client_secret, sandbox.environment)
        loop_thread._new_loop = none_left
        tilia = TiliaClient(*settings)
        for _ in range(2):
            try:
                tilia.accounts.get("a")
            except Exception as error:  # whatever it is, its name is compared below
                print(type(error).__name__, error)
        loop_thread._new_loop = make
        try:
            tilia.accounts.get("a")
        except errors.ConnectError:
            print("it works again")
    """)
        == "OSError too many open files\nOSError too many open files\nit works again\n"
    )
