"""The file of account ids: what is taken from it, and what is said of the rest."""

import bz2
import csv
import gzip
import io
import lzma
import tracemalloc
import zipfile
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tilia_async.cli.account_file import AccountFile, Entry, FileOptions
from tilia_async.cli.checked_ids import first_pass
from tilia_async.cli.text_lines import LONGEST_LINE, AccountFileError, Problem, ProblemKind

# With a digit in it, it heads no column.
IDS = st.text("aZ-_09", max_size=35).map(lambda text: f"{text}7")
CELLS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), max_size=30)
QUICK = settings(max_examples=40, deadline=None)


def both(content: bytes | str, column: str | None = None) -> tuple[list[Entry], list[Problem]]:
    stream = io.BytesIO(content if isinstance(content, bytes) else content.encode())
    found = list(AccountFile(stream, FileOptions(column=column)))
    return [each for each in found if isinstance(each, Entry)], [each for each in found if isinstance(each, Problem)]


def ids(content: bytes | str, column: str | None = None) -> list[str]:
    entries, problems = both(content, column)
    assert problems == []
    return [entry.value for entry in entries]


def flaws(content: bytes | str) -> list[tuple[int, ProblemKind]]:
    return [(problem.line, problem.flaw) for problem in both(content)[1]]


@QUICK
@given(
    st.lists(IDS, min_size=1),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
    st.text("\n", max_size=3),
    st.sampled_from(["", " ", "\t"]),
)
def test_ids_on_lines_come_back_as_they_were(
    written: list[str], end: str, has_mark: bool, blank_end: str, blanks: str
) -> None:
    text = end.join(f"{blanks}{each}{blanks}" for each in written) + blank_end
    assert ids(("\ufeff" if has_mark else "") + text) == written


@QUICK
@given(st.lists(st.tuples(CELLS, IDS, CELLS), min_size=1), st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_what_the_csv_module_writes_comes_back(rows: list[tuple[str, str, str]], end: str, quotes_all: bool) -> None:
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator=end, quoting=csv.QUOTE_ALL if quotes_all else csv.QUOTE_MINIMAL)
    writer.writerow(["note", "Account ID", "more"])
    writer.writerows(rows)
    assert ids(file.getvalue()) == [account_id for _, account_id, _ in rows]


@QUICK
@given(st.binary(max_size=300))
def test_whatever_the_bytes_each_line_gives_at_most_one_finding_that_a_terminal_can_show(content: bytes) -> None:
    try:
        found = list(AccountFile(io.BytesIO(content)))
    except AccountFileError as error:
        assert str(error).isprintable()
        return
    lines = [each.line for each in found]
    assert lines == sorted(set(lines))
    assert all(1 <= line <= content.count(b"\n") + 1 for line in lines)
    assert all(each[-1].isprintable() for each in found)


@QUICK
@given(st.lists(st.sampled_from(["acct_1", "acct_2", "acct_3", "a/b", "", '"', '"acct_4"', "x,y", "acct_5"])))
def test_every_line_is_accounted_for(lines: list[str]) -> None:
    content = "\n".join(["acct_0", *lines, "acct_9"])
    with first_pass(AccountFile(io.BytesIO(content.encode()))) as accounts:
        listed = list(accounts)
        assert len(listed) == len(set(listed)) == accounts.total
        assert accounts.total + accounts.merged + sum(accounts.flaws.values()) == len(lines) + 2 - lines.count("")
        assert [problem.line for problem in accounts.problems] == sorted(problem.line for problem in accounts.problems)


@pytest.mark.parametrize(
    ("content", "line", "flaw", "what"),
    [
        ("account_id,x\n,1\n", 2, ProblemKind.EMPTY, "has no account id"),
        ("a1\na/b\n", 2, ProblemKind.MALFORMED, "the id 'a/b' has a slash in it"),
        ("a1\n" + "a" * 37, 2, ProblemKind.MALFORMED, "37 characters; 36 are the most"),
        ("a1\nb2 c3\n", 2, ProblemKind.MALFORMED, "'b2 c3' is no account id: one id per line is wanted"),
        ("a1\nb2;c3\n", 2, ProblemKind.MALFORMED, "one id per line is wanted, or columns"),
        ("a1\nb\x1b[2J\x07\n", 2, ProblemKind.MALFORMED, r"'b\x1b[2J\x07'"),
        ("a1\n\u202eb2\n", 2, ProblemKind.MALFORMED, r"\u202e"),
        ("a1\n\ufeffb2\n", 2, ProblemKind.MALFORMED, r"\ufeff"),
        ("a1\nb2,c3\n", 2, ProblemKind.MALFORMED, "has 2 columns, where the first has 1"),
        ("x,account_id\na1\n", 2, ProblemKind.EMPTY, "has no account id"),
        ("account_id,x\na1,b,c\n", 2, ProblemKind.MALFORMED, "has 3 columns, where the first has 2"),
        ('a1\n"b2\n', 2, ProblemKind.MALFORMED, "a quote is not closed"),
        ('a1\n"b2"x"\nc3\n', 2, ProblemKind.MALFORMED, "is not CSV"),
        ("a1\nb\xe92,".encode() + b"\xe9\n", 2, ProblemKind.NOT_TEXT, "is not UTF-8: byte 0xE9 at position 6"),
        (b"a1\nb\x812\n", 2, ProblemKind.NOT_TEXT, "is not Windows-1252: byte 0x81 at position 2"),
        (b"a1\nb\0c\n", 2, ProblemKind.NOT_TEXT, "NUL byte"),
        ("a1\nb2\rc3\n", 2, ProblemKind.MALFORMED, "carriage return"),
        ("a1\n" + "x" * (LONGEST_LINE + 1) + "\nb2", 2, ProblemKind.TOO_LONG, "longer than 65,536 bytes"),
        ("a1\n" + "x" * (3 * LONGEST_LINE), 2, ProblemKind.TOO_LONG, "longer than 65,536 bytes"),
        ("a1\n.\n", 2, ProblemKind.MALFORMED, "cannot be '.'"),
    ],
)  # fmt: skip
def test_a_line_that_cannot_be_used(content: str | bytes, line: int, flaw: ProblemKind, what: str) -> None:
    (problem,) = both(content)[1]
    assert (problem.line, problem.flaw) == (line, flaw)
    assert what in problem.what


def zipped() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("a1\nb2\n".encode("utf-16-be"), "UTF-16"),
        ("a1\nb2\n".encode("utf-16-le"), "UTF-16"),
        ("\ufeffa1\n".encode("utf-32-le"), "UTF-32"),
        (gzip.compress(b"a1\n"), "gzip; unpack it first: gunzip -c"),
        (bz2.compress(b"a1\n"), "bzip2"),
        (lzma.compress(b"a1\n"), "xz"),
        (zipped(), "zip archive or an Excel workbook"),
        (b"\x7fELF\x02\x01\x01\0\0\0\0\0", "binary"),
        (b'{"accounts": []}', "JSON"),
        (b"<!doctype html>", "HTML"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "old Excel workbook"),
        (b"\x01\xe9\n", "not UTF-8"),
        ("id\na1\n", "looks like a header without account_id; name the column of the ids with --column: 'id'"),
        ("account_id,Account-ID\na1,b2\n", "2 columns are named"),
        ('"account_id\na1\n', "a quote is not closed"),
    ],
    # Archives have the time in them, and the name of a test has to be the same in every process.
    ids=lambda value: value if isinstance(value, str) else "bytes",
)
def test_a_file_that_cannot_be_used_is_called_what_it_is(content: str | bytes, what: str) -> None:
    with pytest.raises(AccountFileError, match="line 1: ") as caught:
        both(content)
    assert what in str(caught.value)


def test_the_column_that_is_named() -> None:
    content = "username,Player Id\nnyx,a1\nvex,b2\n"
    assert ids(content, "player_id") == ["a1", "b2"]
    with pytest.raises(AccountFileError, match="no column is named 'account'; there are: 'username', 'Player Id'"):
        both(content, "account")


def test_without_a_header_there_is_one_column_of_ids() -> None:
    assert ids("a1\nb2\n") == ["a1", "b2"]


@pytest.mark.parametrize("first", ["a1,nyx", "reporter_id,offender_id", "42,7"])
def test_of_several_columns_without_the_name_none_is_guessed(first: str) -> None:
    """Else those who reported a player would be blocked in his place."""
    with pytest.raises(AccountFileError, match="line 1: .*--column"):
        ids(f"{first}\nb2,vex\n")


def test_a_quote_that_is_never_closed_costs_only_its_own_line() -> None:
    content = 'a1\n"b2\n' + "".join(f"c{number}\n" for number in range(500))
    entries, problems = both(content)
    assert [problem.line for problem in problems] == [2]
    assert [entry.line for entry in entries] == [1, *range(3, 503)]


def test_a_field_with_line_breaks_keeps_the_numbers_of_lines_right() -> None:
    entries, problems = both('account_id,note\na1,"one\r\ntwo"\r\nb2,x\n,y\n')
    assert entries == [(2, "a1"), (4, "b2")]
    assert [problem.line for problem in problems] == [5]


def test_what_is_there_again_is_merged_with_the_first() -> None:
    with first_pass(AccountFile(io.BytesIO(b"a1\nb2\na1\nc3\nb2\na1\n"))) as accounts:
        assert list(accounts) == ["a1", "b2", "c3"]
        assert (accounts.merged, accounts.flaws, accounts.ends()) == (3, {}, ("a1", "c3"))
        assert "b2" in accounts
        assert "d4" not in accounts


def test_of_many_problems_the_first_are_kept_in_order_and_all_are_counted() -> None:
    content = "".join(f"a{number}\na{number}\nb/{number}\n" for number in range(100))
    with first_pass(AccountFile(io.BytesIO(content.encode()))) as accounts:
        assert (accounts.flaws, accounts.merged) == ({ProblemKind.MALFORMED: 100}, 100)
        assert [problem.line for problem in accounts.problems] == [3 * number + 3 for number in range(20)]


class Generated(io.RawIOBase):
    """A file that is made while it is read."""

    def __init__(self, lines: Iterator[bytes]) -> None:
        self._lines = lines
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:
        while len(self._rest) < len(buffer) and (line := next(self._lines, b"")):
            self._rest += line
        taken, self._rest = self._rest[: len(buffer)], self._rest[len(buffer) :]
        buffer[: len(taken)] = taken
        return len(taken)


@pytest.mark.parametrize("line", [b'"account-%d"\n', b"\xff%d\n"], ids=["good", "bad"])
def test_memory_does_not_grow_with_the_file(line: bytes) -> None:
    tracemalloc.start()
    try:
        lines = iter([b"account-x\n", *[b"\n"] * 2])
        stream = io.BufferedReader(
            Generated(each for part in (lines, (line % n for n in range(5_000))) for each in part)
        )
        with first_pass(AccountFile(stream)) as accounts:
            assert accounts.total + accounts.merged + sum(accounts.flaws.values()) == 5_001
        assert tracemalloc.get_traced_memory()[1] < 500_000
    finally:
        tracemalloc.stop()
