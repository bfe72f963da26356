"""Account files as spreadsheets write them, and files that are not what somebody thought."""

import io

import pytest

from tilia_async.cli.account_file import AccountFile, By, Entry, FileOptions
from tilia_async.cli.text_lines import AccountFileError, Problem, ProblemKind

IDS = ["acct_2TiDFXHVFMlAuyy7ovvz3YPKv9b", "acct_2TiDFXHVFMlAuyy7ovvz3YPKv9c", "09c9e3ee-8af5-4206-aaa4-1a913ea855d2"]
NAMES = ["Zoë", "Jürgen, der Erste", "名"]


def opened(content: bytes | str, options: FileOptions | None = None) -> tuple[AccountFile, list[Entry | Problem]]:
    file = AccountFile(io.BytesIO(content if isinstance(content, bytes) else content.encode()), options)
    return file, list(file)


def values(found: list[Entry | Problem]) -> list[str]:
    assert [each for each in found if isinstance(each, Problem)] == []
    return [each.value for each in found if isinstance(each, Entry)]


def table(delimiter: str, *, names: list[str], end: str = "\r\n") -> str:
    """A table as Excel writes it: quotes where they are needed, the delimiter of the country, Windows' line ends."""
    quoted = [f'"{name}"' if delimiter in name else name for name in names]
    rows = [f"{name}{delimiter}{account_id}{delimiter}7" for name, account_id in zip(quoted, IDS, strict=True)]
    return end.join([f"Name{delimiter}Account ID{delimiter}Level", *rows, ""])


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize(
    ("encoding", "told"),
    [
        ("utf-8", "UTF-8"),
        ("utf-8-sig", "UTF-8"),
        ("utf-16", "UTF-16"),
        ("cp1252", "Windows-1252 (a guess)"),
    ],
)
@pytest.mark.parametrize("says_it", [False, True])
def test_each_way_of_a_spreadsheet_gives_the_same_ids(delimiter: str, encoding: str, told: str, says_it: bool) -> None:
    names = NAMES if encoding != "cp1252" else [*NAMES[:2], "naïve"]
    text = (f"sep={delimiter}\r\n" if says_it else "") + table(delimiter, names=names)
    file, found = opened(text.encode(encoding))
    assert values(found) == IDS
    assert file.read_as()["encoding"] == told
    assert file.read_as()["delimiter"] == {",": "commas", ";": "semicolons", "\t": "tabs"}[delimiter]
    assert file.read_as()["column"] == "'Account ID' (2 of 3)"


@pytest.mark.parametrize(
    ("content", "options"),
    [
        (table("|", names=NAMES), FileOptions(delimiter="|")),
        (table(";", names=NAMES).encode("utf-16-le"), FileOptions(encoding="utf-16-le")),
        (table(";", names=["Zoë", "x", "y"]).encode("cp1252"), FileOptions(encoding="cp1252")),
        (table(";", names=["Zoë", "x", "y"]).encode("mac_roman"), FileOptions(encoding="mac_roman")),
        (table(",", names=NAMES).encode(), FileOptions(encoding="utf-8", delimiter=",")),
        ("sep=,\r\n" + table(";", names=NAMES), FileOptions(delimiter=";")),
        ("sep=|\r\n" + table("|", names=NAMES), None),
    ],
)
def test_what_an_option_says_is_not_guessed(content: str | bytes, options: FileOptions | None) -> None:
    file, found = opened(content, options)
    assert values(found) == IDS
    assert "guess" not in file.read_as()["encoding"]


def test_rows_that_end_early_or_late_are_read_as_long_as_the_id_is_there() -> None:
    content = f"name,account_id,note,level\nnyx,{IDS[0]}\nvex,{IDS[1]},x,7,,\n,{IDS[2]},,\nzed\n"
    _, found = opened(content)
    assert found[:3] == [(2, IDS[0]), (3, IDS[1]), (4, IDS[2])]
    assert found[3] == (5, ProblemKind.EMPTY, "has no account id")


def test_blank_rows_are_passed_over_wherever_they_are() -> None:
    blank = ["", ";;", " ; \t;", '"";;']
    rows = [blank[0], "name;account_id;x", blank[1], f"nyx;{IDS[0]};", *blank[2:], f";{IDS[1]};y", *blank]
    assert values(opened("\r\n".join(rows))[1]) == IDS[:2]


@pytest.mark.parametrize(
    "header",
    ["account_id", "\taccount_id", ",account_id", "account_id,", "a;account_id", "x;a,b;account_id", "Account-Id\t"],
)
def test_the_delimiter_is_the_one_that_gives_the_column(header: str) -> None:
    """An index column without a heading, as pandas writes it, is one of these."""
    delimiter = next((each for each in ",;\t" if len(header.split(each)) > 1 and "account_id" in [part.strip().lower().replace("-", "_") for part in header.split(each)]), ",")  # fmt: skip
    fields = [IDS[0] if part.strip().lower().replace("-", "_") == "account_id" else "7" for part in header.split(delimiter)]  # fmt: skip
    assert values(opened(f"{header}\n{delimiter.join(fields)}\n")[1]) == IDS[:1]


def test_a_header_that_two_delimiters_could_read_is_not_guessed() -> None:
    with pytest.raises(AccountFileError, match="--delimiter"):
        opened(f"account_id,x;account_id\n{IDS[0]},1;2\n")


def test_a_file_of_names_gets_one_diagnosis() -> None:
    file, found = opened("".join(f"{name}\n" for name in ("nyx", "vex", "Zoë Quinn", "a@mail.example")))
    assert len(found) == 4
    told = file.diagnosis()
    assert told is not None
    assert "names in it, and no account ids: 'nyx', 'vex', 'Zoë Quinn'" in told
    assert "--by username" in told
    assert "--by id" in told
    assert opened("nyx\nvex\n", FileOptions(by=By.ID))[0].diagnosis() is None
    assert opened(f"nyx\nvex\n{IDS[0]}\n")[0].diagnosis() is None, "one id makes it a list of ids, with two mistakes"


@pytest.mark.parametrize("names", [["nyx", "DarkLord99", "vex_77"], ["x_1", "Zoë-77", "xX_nyx_Xx", "4ever"]])
def test_names_with_figures_in_them_are_names_too(names: list[str]) -> None:
    assert opened("\n".join(names))[0].diagnosis() is not None


@pytest.mark.parametrize(
    "ids", [["a1", "b2", "c33"], ["user-1", "user-22", "user-333", "user-4444"], ["7", "42"], ["1" * 32, "2" * 32]]
)
def test_what_a_machine_made_may_be_ids(ids: list[str]) -> None:
    assert opened("\n".join(ids))[0].diagnosis() is None


def test_a_column_with_nothing_in_it_gets_one_diagnosis() -> None:
    file, _ = opened("username;account_id;level\n" + "nyx;;7\n" * 40)
    assert file.diagnosis() == (
        "the column 'account_id' is empty; there are: 'username', 'account_id', 'level'; see --column"
    )


def test_ids_of_a_strange_form_are_taken_with_a_note() -> None:
    file, found = opened("player-1\nplayer-2\n")
    assert (values(found), file.diagnosis(), file.is_strange) == (["player-1", "player-2"], None, True)
    assert not opened(f"player-1\n{IDS[2]}\n")[0].is_strange


@pytest.mark.parametrize("column", [None, "Spieler"])
def test_usernames_may_be_what_they_are(column: str | None) -> None:
    header = "id;Username" if column is None else "id;Spieler"
    content = f'{header}\n1;Zoë Quinn\n2;"a;b"\n3;nyx@mail.example\n4;{"x" * 300}\n'
    _, found = opened(content, FileOptions(by=By.USERNAME, column=column))
    assert found[:3] == [(2, "Zoë Quinn"), (3, "a;b"), (4, "nyx@mail.example")]
    assert isinstance(found[3], Problem)


def test_a_header_of_usernames_is_hinted_at() -> None:
    with pytest.raises(AccountFileError, match="--by username"):
        opened("level,username\n7,nyx\n")


def test_a_mark_that_contradicts_the_option_is_refused() -> None:
    with pytest.raises(AccountFileError, match="begins as UTF-16 text does, and not as cp1252"):
        opened(table(";", names=NAMES).encode("utf-16"), FileOptions(encoding="cp1252"))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_an_encoding_that_wants_a_mark_is_refused_where_there_is_none(encoding: str) -> None:
    with pytest.raises(AccountFileError, match="does not start with BOM"):
        opened(table(";", names=NAMES).encode(f"{encoding}-le"), FileOptions(encoding=encoding))
