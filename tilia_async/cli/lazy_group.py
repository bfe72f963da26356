"""Command groups whose commands are imported when they are used."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module

import attrs
import click


@attrs.frozen
class CommandSource:
    """Source of a command.

    Attributes:
        path: ``module:name`` of a ``click.Command``; a group of commands is one, too.
        summary: the line about it in the help of its group, which is told without importing it.
    """

    path: str
    summary: str

    def load(self) -> click.Command:
        """Import the command.

        Raises:
            TypeError: there is something else under that name.
        """
        module, _, name = self.path.partition(":")
        command = getattr(import_module(module), name)
        if not isinstance(command, click.Command):
            raise TypeError(f"{self.path} is no command of click")
        return command


class LazyGroup(click.Group):
    """A group that imports only the command that is called.

    Args:
        sources: its commands by name, in the order of the help.
    """

    def __init__(self, name: str, sources: Mapping[str, CommandSource], help: str) -> None:  # noqa: A002 - click's word
        settings = {"help_option_names": ["-h", "--help"], "show_default": True}
        super().__init__(name, help=help, no_args_is_help=True, context_settings=settings)
        self.sources = sources

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands, imported or not."""
        del ctx
        return list(self.sources)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; None if there is none.

        One of a similar name is told.
        """
        source = self.sources.get(cmd_name)
        if source is None and (similar := get_close_matches(cmd_name, self.sources)):
            ctx.fail(f"there is no command {cmd_name!r}; there is {', '.join(similar)}")
        return None if source is None else source.load()

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the lines about the commands, which stay unimported."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, source.summary) for name, source in self.sources.items()])
