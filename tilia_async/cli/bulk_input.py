"""The accounts that ``tilia bulk`` is given.

The first pass over the file, and what is said of it.
"""

from __future__ import annotations

import contextlib
import sys
from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import BinaryIO, Final

import attrs
from rich.text import Text

from tilia_async.cli.account_file import AccountFile, By
from tilia_async.cli.bulk_command import STANDARD_STREAM, BulkCommand
from tilia_async.cli.checked_ids import CheckedIds, NoRoomError, first_pass
from tilia_async.cli.failure import CommandError, ExitStatus
from tilia_async.cli.output import cell, show_lines
from tilia_async.cli.terminal import Screen, complain_lines
from tilia_async.cli.text_lines import AccountFileError, Problem, ProblemKind
from tilia_async.cli.usernames import looked_up
from tilia_async.text import readable

_EXAMPLES: Final = 3
_SHOWN_LINES: Final = 8
_SHOWN_NAMES: Final = 10


@attrs.frozen(kw_only=True)
class Input:
    """Result of the first pass.

    Attributes:
        accounts: how many ids can be used.
        left_out: for each kind of problem, how many lines.
        problems: the first of these lines.
        merged: how many lines named an account again.
        read_as: how the file was read, e.g. its encoding.
        ends: the first and the last account.
        is_strange: none of the ids has the form of Tilia's.
    """

    accounts: int
    left_out: Mapping[ProblemKind, int]
    problems: Sequence[Problem]
    merged: int = 0
    read_as: Mapping[str, str] = attrs.field(factory=dict[str, str])
    ends: tuple[str, str] | None = None
    is_strange: bool = False


class UnusableInputError(Exception):
    """Accounts that cannot be used.

    The message may have several lines.

    Attributes:
        found: what was found.
    """

    def __init__(self, message: str, found: Input) -> None:
        super().__init__(message)
        self.found = found


@contextmanager
def checked(order: BulkCommand) -> Generator[tuple[CheckedIds, Input], None, None]:
    """Read and check all accounts, and look usernames up.

    Raises:
        CommandError: the file cannot be read.
        UnusableInputError: it has lines that cannot be used, or no account.
        TiliaError: a username could not be looked up.
    """
    with contextlib.ExitStack() as opened:
        try:
            found = _checked(order, opened)
        except AccountFileError as error:
            raise CommandError(f"{file_name(order.file)}: {error}; nothing was sent", ExitStatus.USAGE) from None
        except NoRoomError as error:
            raise CommandError(f"{error}; nothing was sent") from None
        yield found


def _checked(order: BulkCommand, opened: contextlib.ExitStack) -> tuple[CheckedIds, Input]:
    console = Screen(stderr=True)
    try:
        stream = opened.enter_context(_stream(order.file))
        if stream.isatty():
            console.print("reading account ids from the terminal, one per line; Ctrl-D ends")
        shows = console.is_terminal and not stream.isatty()
        file = AccountFile(stream, order.options)
        with console.status(Text("checking the file")) if shows else contextlib.nullcontext():
            accounts = opened.enter_context(first_pass(file))
    except OSError as error:
        raise AccountFileError(f"it cannot be read: {error.strerror}") from None
    found = _input_of(accounts, file)
    _check(order, found, file.diagnosis())
    if order.options.by is not By.USERNAME:
        return accounts, found
    accounts = opened.enter_context(_looked_up(order, accounts, console))
    looked = _input_of(accounts, file)
    _check(order, looked, None)
    return accounts, attrs.evolve(
        looked,
        left_out=Counter(found.left_out) + Counter(looked.left_out),
        problems=[*found.problems, *looked.problems],
        merged=found.merged + looked.merged,
    )


@contextmanager
def _looked_up(order: BulkCommand, names: CheckedIds, console: Screen) -> Generator[CheckedIds, None, None]:
    """Look usernames up, and tell whose they are."""
    number = _number(names.total, "username")
    pairs: list[tuple[str, str]] = []

    def keep(name: str, account_id: str) -> None:
        if len(pairs) < _SHOWN_NAMES:
            pairs.append((name, account_id))

    waiting = console.status(Text(f"looking up {number}")) if console.is_terminal else contextlib.nullcontext()
    entries = looked_up(names.entries(), order.network.client(), order.concurrency, keep)
    with contextlib.ExitStack() as opened:
        with waiting:
            accounts = opened.enter_context(first_pass(entries))
        if not order.as_json:
            console.print(f"{number} looked up: {_number(accounts.total, 'account')} found")
            show_lines(console, {f"  {cell(name)}": account_id for name, account_id in pairs})
            if accounts.total > len(pairs):
                console.print(f"  … and {accounts.total - len(pairs):,} more")
        yield accounts


def _input_of(accounts: CheckedIds, file: AccountFile) -> Input:
    return Input(
        accounts=accounts.total,
        left_out=accounts.flaws,
        problems=accounts.problems,
        merged=accounts.merged,
        read_as=file.read_as(),
        ends=accounts.ends(),
        is_strange=file.is_strange,
    )


def _stream(file: str) -> AbstractContextManager[BinaryIO]:
    if file == STANDARD_STREAM:
        return contextlib.nullcontext(sys.stdin.buffer)
    return open(file, "rb")  # noqa: PTH123 - /dev/fd/63 is a name, too, and its file cannot be opened by another


def _check(order: BulkCommand, found: Input, diagnosis: str | None) -> None:
    """Refuse a file that cannot be used.

    Of one that can, say which lines are left out.

    Raises:
        UnusableInputError: the job cannot begin.
    """
    name = file_name(order.file)
    if diagnosis is not None:
        raise UnusableInputError(f"{name}: {diagnosis}. Nothing was sent", found)
    lines: list[str] = []
    if number := sum(found.left_out.values()):
        lines.append(f"{name}: {_number(number, 'line')} cannot be used: {listed(found.left_out)}")
        lines += [f"  {line}" for line in _problem_lines(found)]
        if not order.keeps_going:
            lines.append("Nothing was sent. Correct the file, or leave these lines out with --keep-going.")
            raise UnusableInputError("\n".join(lines), found)
    if not found.accounts:
        raise UnusableInputError("\n".join([*lines, f"{name}: there is no account id in it; nothing was sent"]), found)
    # A program finds it in the summary.
    if lines and not order.as_json:
        complain_lines("\n".join(lines))


def _problem_lines(found: Input) -> Generator[str, None, None]:
    """Tell each kind of problem by a few lines."""
    for kind, number in found.left_out.items():
        problems = [each for each in found.problems if each.flaw is kind]
        if number > 1 and len({each.what for each in problems}) == 1:
            lines = ", ".join(f"{each.line:,}" for each in problems[:_SHOWN_LINES])
            more = f" and {number - _SHOWN_LINES:,} more" if number > _SHOWN_LINES else ""
            yield f"lines {lines}{more}: {problems[0].what}"
            continue
        for problem in problems[:_EXAMPLES]:
            yield f"line {problem.line}: {problem.what}"
        if number > _EXAMPLES:
            yield f"… and {number - _EXAMPLES:,} more: {kind}"


def file_name(file: str) -> str:
    """Return how a file is called in a sentence."""
    return "standard input" if file == STANDARD_STREAM else readable(file)


def listed(left_out: Mapping[ProblemKind, int]) -> str:
    """Return ``2 malformed, 1 empty id``."""
    return ", ".join(f"{number:,} {flaw}" for flaw, number in left_out.items())


def _number(number: int, noun: str) -> str:
    return f"1 {noun}" if number == 1 else f"{number:,} {noun}s"
