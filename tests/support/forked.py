"""Many commands, each in a fork.

Of one process that has imported all: a start of Python costs more than most.

As a script it reads cases from standard input and writes what came of them.
"""

import importlib
import io
import json
import os
import pty
import subprocess
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

import attrs


@attrs.frozen
class Case:
    """A command, and where it prints.

    Attributes:
        out: ``file``; ``gone``, a pipe without a reader; ``full``, a disk without room; ``closed``; ``terminal``.
    """

    arguments: Sequence[str]
    settings: dict[str, str] = attrs.field(factory=dict)
    out: str = "file"
    encoding: str = "utf-8"


@attrs.frozen
class Ending:
    """The end of a command.

    Of a terminal, what it showed is in ``stdout``.
    """

    status: int
    stdout: str
    stderr: str


def run(cases: Sequence[Case], directory: Path) -> list[Ending]:
    """Run them one after the other in an empty directory."""
    done = subprocess.run(
        [sys.executable, "-W", "error", __file__], input=json.dumps([attrs.asdict(case) for case in cases]),
        capture_output=True, text=True, cwd=directory, timeout=55, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [Ending(**each) for each in json.loads(done.stdout)]


def _ending(case: Case) -> Ending:
    if case.out == "terminal":
        child, screen = pty.fork()
        if child == 0:
            _child(case)
        shown = b""
        while chunk := _part(screen):
            shown += chunk
        os.close(screen)
        return Ending(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), shown.decode(), "")
    with open("stdout", "w+b") as out, open("stderr", "w+b") as err:
        child = os.fork()
        if child == 0:
            os.dup2(out.fileno(), 1)
            os.dup2(err.fileno(), 2)
            _child(case)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        out.seek(0), err.seek(0)
        return Ending(status, out.read().decode(case.encoding), err.read().decode(case.encoding))


def _part(screen: int) -> bytes:
    try:
        return os.read(screen, 65_536)
    except OSError:  # Linux says so at the end
        return b""


def _child(case: Case) -> None:
    status = 99
    try:
        if case.out == "gone":
            read, write = os.pipe()
            os.close(read)
            os.dup2(write, 1)
        elif case.out == "full":
            os.dup2(os.open("/dev/full", os.O_WRONLY), 1)
        elif case.out == "closed":
            os.close(1)
        for name in [name for name in os.environ if name.startswith("TILIA_")]:
            del os.environ[name]
        os.environ.update({"COLUMNS": "80", **case.settings})
        sys.argv = ["tilia", *case.arguments]
        sys.stdin = io.TextIOWrapper(io.FileIO(0, closefd=False))
        sys.stdout = None if case.out == "closed" else _stream(1, case)
        sys.stderr = _stream(2, case)
        from tilia_async.cli import main

        main()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 98
    except BaseException:  # noqa: BLE001 - the fork ends here, whatever it is
        traceback.print_exc()
    finally:
        try:
            for stream in (sys.stdout, sys.stderr):
                if stream is not None and not stream.closed:  # as Python itself does at its end
                    stream.flush()
        except BaseException as error:  # noqa: BLE001 - as above
            os.write(2, f"Traceback at exit: {error!r}".encode())
        os._exit(status)


def _stream(number: int, case: Case) -> io.TextIOWrapper:
    return io.TextIOWrapper(
        open(number, "wb", closefd=False), encoding=case.encoding, errors="strict",
        line_buffering=case.out == "terminal",
    )  # fmt: skip


if __name__ == "__main__":
    for name in (
        "aiosqlite",
        "sqlalchemy.dialects.sqlite.aiosqlite",
        "tilia_async.cli.run",
        "tilia_async.ledger.journal",
        "tilia_async.ledger.standing",
        "tilia_async.transport.sessions",
        "tilia_async.cli.accounts",
        "tilia_async.cli.bulk",
    ):
        importlib.import_module(name)
    given = [Case(**each) for each in json.load(sys.stdin)]
    sys.stdout.write(json.dumps([attrs.asdict(_ending(case)) for case in given]))
