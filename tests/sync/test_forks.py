"""Clients in parents and children: ``fork`` by hand, ``multiprocessing``, and gunicorn with ``--preload``."""

import multiprocessing
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from support.scripts import run, unix

from tilia_sync import Sandbox, TiliaClient

pytestmark = unix


def test_parent_and_child_work_after_fork() -> None:
    assert (
        run("""
        with Sandbox() as sandbox, connect(sandbox) as tilia:
            tilia.payment_methods.list("a")
            child = os.fork()
            if child == 0:
                print("child", tilia.payment_methods.list("b"), flush=True)
                tilia.close()
                os._exit(0)
            status = os.waitpid(child, 0)[1]
            print("parent", tilia.payment_methods.list("c"), status)
            # The token is shared, the connections are not.
            print(count(sandbox, "auth.token"))
    """)
        == "child []\nparent [] 0\n1\n"
    )


@pytest.mark.parametrize("calls", [0, 1])
def test_a_child_that_ends_as_processes_do_is_silent_and_leaves_the_parent_alone(calls: int) -> None:
    """The child's interpreter clears everything away, and so meets the loop and the connections of its parent."""
    assert (
        run(f"""
        sandbox = Sandbox()
        sandbox.start()
        tilia = connect(sandbox)
        tilia.payment_methods.list("a")
        child = os.fork()
        if child == 0:
            for _ in range({calls}):
                tilia.payment_methods.list("b")
            sys.exit(0)
        print(os.waitpid(child, 0)[1], tilia.payment_methods.list("c"))
    """)
        == "0 []\n"
    )


def test_a_child_of_a_child_and_a_parent_that_has_not_called_yet() -> None:
    assert (
        run("""
        with Sandbox() as sandbox:
            tilia = connect(sandbox)
            if (child := os.fork()) == 0:
                tilia.payment_methods.list("a")
                if (grandchild := os.fork()) == 0:
                    tilia.payment_methods.list("b")
                    os._exit(3)
                status = os.waitpid(grandchild, 0)[1]
                tilia.payment_methods.list("c")
                os._exit(os.waitstatus_to_exitcode(status) + 1)
            print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), tilia.payment_methods.list("d"))
            tilia.close()
    """)
        == "4 []\n"
    )


def test_fork_while_other_threads_are_calling() -> None:
    """The child gets on, whatever they hold at that moment."""
    assert (
        run("""
        with Sandbox() as sandbox, connect(sandbox) as tilia:
            tilia.payment_methods.list("a")
            going = True

            def work():
                while going:
                    tilia.payment_methods.list("a")

            threads = [threading.Thread(target=work) for _ in range(4)]
            for thread in threads: thread.start()
            codes = []
            for _ in range(15):
                if (child := os.fork()) == 0:
                    signal.alarm(10)
                    os._exit(7 if tilia.payment_methods.list("b") == [] else 1)
                codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
            going = False
            for thread in threads: thread.join()
            print(set(codes))
    """)
        == "{7}\n"
    )


def test_an_iterator_that_was_begun_before_a_fork_is_the_parents() -> None:
    assert (
        run("""
        async def numbers():
            for number in range(1000):
                yield number

        sandbox = Sandbox()
        with connect(sandbox.__enter__()) as tilia:
            items = tilia._lease.iterate(numbers())
            first = [next(items) for _ in range(256)]
            if (child := os.fork()) == 0:
                try:
                    next(items)
                except RuntimeError as error:
                    told = str(error)
                del items
                gc.collect()
                # It ends as processes do, and nobody complains about tasks that are the parent's.
                sys.exit(5 if "fork" in told else 1)
            print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), first + list(items) == list(range(1000)))
    """)
        == "5 True\n"
    )


def ask(tilia: TiliaClient, answers: object) -> None:
    """In a forked child: the client is its parent's object."""
    answers.put(tilia.payment_methods.list("a"))


def connect_and_ask(settings: tuple[str, str, str], answers: object) -> None:
    """In a spawned child, which has nothing of its parent's."""
    with TiliaClient(*settings) as tilia:
        answers.put(tilia.payment_methods.list("a"))


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_multiprocessing(method: str) -> None:
    context = multiprocessing.get_context(method)
    with Sandbox() as sandbox:
        settings = (sandbox.client_id, sandbox.client_secret, f"http://127.0.0.1:{sandbox.port}/{{service}}")
        with TiliaClient(*settings) as tilia:
            tilia.payment_methods.list("a")
            answers = context.SimpleQueue()
            if method == "fork":
                children = [context.Process(target=ask, args=(tilia, answers)) for _ in range(3)]
            else:
                children = [context.Process(target=connect_and_ask, args=(settings, answers))]
            for child in children:
                child.start()
            for child in children:
                child.join(20)
            assert [child.exitcode for child in children] == [0] * len(children)
            assert [answers.get() for _ in children] == [[]] * len(children)
            assert tilia.payment_methods.list("a") == []


def test_gunicorn_with_preload(tmp_path: Path) -> None:
    pytest.importorskip("gunicorn", reason="gunicorn does not run here")
    (tmp_path / "application.py").write_text("""
import os
from tilia_sync import TiliaClient

tilia = TiliaClient.from_env()
preloaded = tilia.payment_methods.list("a")  # the parent has a loop, a token and a connection

def application(environ, start_response):
    found = tilia.payment_methods.list("a")
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{os.getpid()} {os.getppid()} {found}".encode()]
""")
    with Sandbox() as sandbox:
        command = [sys.executable, "-m", "gunicorn", "--preload", "--workers", "2", "--threads", "2"]
        server = subprocess.Popen(
            [*command, "--bind", "127.0.0.1:0", "--graceful-timeout", "5", "--no-control-socket", "application"],
            cwd=tmp_path,
            env={
                "TILIA_CLIENT_ID": sandbox.client_id,
                "TILIA_CLIENT_SECRET": sandbox.client_secret,
                "TILIA_ENVIRONMENT": f"http://127.0.0.1:{sandbox.port}/{{service}}",
                "PYTHONPATH": str(tmp_path),
            },
            stderr=subprocess.PIPE,
            text=True,
        )
        assert server.stderr is not None
        log = []
        try:
            for line in server.stderr:
                log.append(line)
                if found := re.search(r"Listening at: (http://127.0.0.1:\d+)", line):
                    break
            answers = [urllib.request.urlopen(found[1], timeout=10).read().decode() for _ in range(20)]
        finally:
            server.send_signal(signal.SIGTERM)
            rest = server.communicate(timeout=20)[1]
        for answer in answers:
            worker, parent, listed = answer.split(" ", 2)
            assert (int(parent), listed) == (server.pid, "[]")
            assert int(worker) != server.pid
        assert server.returncode == 0
        # Each worker ends by itself, without a signal, a traceback or a warning of ours.
        for word in ("SIG", "Traceback", "Warning", "tilia"):
            assert word not in "".join(log[1:]) + rest.replace("Handling signal: term", "")
        # The workers have the parent's token.
        assert sum(request.operation == "auth.token" for request in sandbox.requests) == 1
