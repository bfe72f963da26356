"""Commands of the pages: each that they show is there, with the options that they give it."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from tilia_async.api import OPERATIONS
from tilia_async.cli.app import app

ROOT = Path(__file__).resolve().parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))


def lines(page: str) -> Iterator[str]:
    """Yield the lines that a shell gets, and what the text shows of the command."""
    for block in re.findall(r"^```sh\n(.*?)^```", page, re.MULTILINE | re.DOTALL):
        yield from block.replace("\\\n", " ").splitlines()
    yield from re.findall(r"`(tilia [^`=\n]*[^`\n]*)`", page)


def commands() -> Iterator[tuple[str, str]]:
    """Yield each ``tilia …``, and the page that has it."""
    for path in PAGES:
        for line in lines(path.read_text("utf-8")):
            for part in re.split(r"\s(?:\||&&|;)\s", line):
                if re.match(r"(\S+/)?tilia (?!=)", part):
                    yield path.relative_to(ROOT).as_posix(), part


COMMANDS = list(dict.fromkeys(commands()))


def reached(words: list[str]) -> tuple[click.Command, list[str]]:
    """Return the command that these words call, and what they give it."""
    command: click.Command = app
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        word = next(iter(OPERATIONS)) if words[0] == "OPERATION" else words[0]
        found = command.get_command(click.Context(command), word)
        if found is None:
            pytest.fail(f"there is no command {words[0]!r}")
        command, words = found, words[1:]
    return command, words


def test_pages_show_commands() -> None:
    assert len(COMMANDS) > 40


@pytest.mark.parametrize(("page", "line"), COMMANDS)
def test_a_command_of_a_page_has_what_it_is_given(page: str, line: str) -> None:
    command, words = reached(shlex.split(line, comments=True)[1:])
    known = {"-h", "--help", "--version"} | {
        name for each in command.params for name in (*each.opts, *each.secondary_opts)
    }
    given = {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)}
    assert given <= known, page
