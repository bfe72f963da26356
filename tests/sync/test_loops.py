"""Calls inside a running event loop, and those that would never end."""

from support.scripts import run


def test_inside_a_running_loop_it_works_and_warns_once_at_the_users_line() -> None:
    assert (
        run("""
        warnings.simplefilter("always")

        async def cell(sandbox, tilia):
            with warnings.catch_warnings(record=True) as caught:
                print(tilia.payment_methods.list("a"))
                print(tilia.payment_methods.list("b"))
            print([(each.category.__name__, each.filename) for each in caught])
            print("use tilia_async and await" in str(caught[0].message))

        with Sandbox() as sandbox, connect(sandbox) as tilia:
            asyncio.run(cell(sandbox, tilia))
    """)
        == "[]\n[]\n[('RuntimeWarning', '<string>')]\nTrue\n"
    )


def test_the_warning_stands_at_the_users_line_whichever_way_it_was_called() -> None:
    assert (
        run(
            """
        from tilia_sync.loop_thread import LOOP_THREAD
        warnings.simplefilter("always")

        async def cell(call):
            LOOP_THREAD._warned = False
            with warnings.catch_warnings(record=True) as caught:
                call()
            return [(each.filename, each.lineno) for each in caught]

        with connect(Sandbox()) as other, Sandbox() as sandbox, connect(sandbox) as tilia:
            ways = [
                lambda: tilia.payment_methods.list("a"),
                lambda: list(tilia.invoices.list("a")),
                lambda: sandbox.notified(),
                lambda: tilia.access_token(["search_accounts"]),
            ]
            for way in ways:
                print(asyncio.run(cell(way)) == [("<string>", way.__code__.co_firstlineno)])
    """.replace("connect(Sandbox()) as other, ", "")
        )
        == "True\n" * 4
    )


def test_a_change_of_the_sandbox_takes_no_time_and_is_not_warned_about() -> None:
    assert (
        run("""
        async def change(sandbox, account_id):
            sandbox.fund(account_id, Money(500, "USD"))
            return bool(sandbox.add_payment_method(account_id))

        with Sandbox(wallet_delay=0) as sandbox, connect(sandbox) as tilia:
            account_id = tilia.accounts.register("nyx", email="nyx@mail.example").account_id
            print(asyncio.run(change(sandbox, account_id)))
    """)
        == "True\n"
    )


def test_threads_that_work_for_a_loop_are_not_warned() -> None:
    assert (
        run("""
        with Sandbox() as sandbox, connect(sandbox) as tilia:
            print(asyncio.run(asyncio.to_thread(tilia.payment_methods.list, "a")))
    """)
        == "[]\n"
    )


def test_on_its_own_thread_it_refuses_with_both_stacks() -> None:
    """A token store is code of the user's that runs there."""
    assert (
        run("""
        from tilia_async.tokens import TokenCache
        from tilia_async.tokens.store import MemoryTokenStore

        class Store(MemoryTokenStore):
            async def load(self, identity):
                self.asks_tilia()
                return await super().load(identity)

            def asks_tilia(self):
                try:
                    other.payment_methods.list("in the store")
                except RuntimeError as error:
                    self.refused = str(error)

        def main():
            with connect(sandbox, token_cache=TokenCache(store=store)) as tilia:
                print(tilia.payment_methods.list("a"))

        store = Store()
        with Sandbox() as sandbox, connect(sandbox) as other:
            other.payment_methods.list("a")
            main()
            print(store.refused.splitlines()[0])
            for word in ("thread tilia-sync:", "in asks_tilia", "thread MainThread:", "in main"):
                print(word in store.refused)
            print("loop_thread.py" in store.refused, store.refused.index("in asks_tilia") < store.refused.index("in main"))
            print(other.payment_methods.list("a"))
    """)
        == "[]\n"
        "a tilia_sync call inside the tilia-sync thread would wait for itself for ever: "
        "code that runs there is asynchronous, so use tilia_async and await\n" + "True\n" * 4 + "False True\n[]\n"
    )


def test_a_loop_that_waits_for_its_caller_is_found_out() -> None:
    """The lock of a handler of logging is held by whoever logs, and the loop's thread logs, too."""
    assert (
        run("""
        from tilia_sync import loop_thread as bridge

        bridge.STALL_SECONDS = 0.3

        class Audit(logging.Handler):
            def emit(self, record):
                if record.name == "mine":
                    reports.append(tilia.payment_methods.list("a"))

        reports = []
        tilia_log, mine = logging.getLogger("tilia_async"), logging.getLogger("mine")
        audit = Audit()
        audit.handleError = lambda record: reports.append(str(sys.exc_info()[1]))
        for logger in (tilia_log, mine):
            logger.setLevel(logging.DEBUG)
            logger.addHandler(audit)

        def main():
            audit.acquire()
            try:
                tilia.payment_methods.list("a")
            except RuntimeError as error:
                return str(error)
            finally:
                audit.release()

        with Sandbox() as sandbox, connect(sandbox) as tilia:
            tilia.payment_methods.list("a")
            # What is logged is a failure that is tried again.
            sandbox.faults.add("payment_methods.list", Fault.SERVER_ERROR_EMPTY)
            found = main()
            print(found.splitlines()[0])
            print("in main" in found, "in acquire" in found, "thread tilia-sync:" in found)
            print(tilia.payment_methods.list("b"))
    """)
        == "deadlock: the tilia-sync thread has done nothing for 0.3 s, it may wait for a lock that this thread holds; "
        "whether the call takes effect cannot be known\nTrue True True\n[]\n"
    )


def test_a_long_call_is_no_deadlock() -> None:
    assert (
        run("""
        from tilia_sync import loop_thread as bridge

        bridge.STALL_SECONDS = 0.1
        with Sandbox() as sandbox, connect(sandbox) as tilia:
            sandbox.faults.add("payment_methods.list", Fault.LATENCY, seconds=0.7)
            print(tilia.payment_methods.list("a"))
    """)
        == "[]\n"
    )
