"""The location of a ledger on the command line.

It can be named again without its password.
"""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Final, Self
from urllib.parse import urlsplit

import attrs
import click

from tilia_async.secret import Secret

VARIABLE: Final = "TILIA_LEDGER"

_SCHEME: Final = "sqlite:///"


@attrs.frozen
class LedgerLocation:
    """Location of a ledger.

    Attributes:
        url: as ``BlockLedger.open`` takes it.
        file: the SQLite file; None for another database.
        option: how a command line names it, quoted for a shell; a URL that may hold a password, by its variable.
        is_variable_to_be_set: the option names the variable, which does not hold the URL yet.
    """

    url: Secret
    file: Path | None
    option: str
    is_variable_to_be_set: bool

    @classmethod
    def of(cls, given: str | None) -> Self | None:
        """Return the location from an option or variable.

        The variable if the option is not there; None if neither names one.

        Raises:
            click.BadParameter: the name of the file cannot be one.
        """
        option, given = given or "", None
        place = cls._find(option or os.environ.get(VARIABLE, "").strip(), option)
        if isinstance(place, str):
            # What is refused may have a password in it, and frames can be printed with their variables.
            del option
            raise click.BadParameter(place)
        return place

    @classmethod
    def _find(cls, named: str, option: str) -> Self | str | None:
        """Return the location, or its name's problem.

        None if there is no name.
        """
        if not named:
            return None
        if "://" not in named and ("?" in named or not named.isprintable()):
            return "the name of the ledger's file has a '?' or a control character in it"
        url = named if "://" in named else f"{_SCHEME}{named}"
        file = Path(url.removeprefix(_SCHEME).partition("?")[0]) if url.startswith(_SCHEME) else None
        if option and file is not None:
            return cls(Secret(url), file, f"--ledger {shlex.quote(option)}", is_variable_to_be_set=False)
        return cls(Secret(url), file, f'--ledger "${VARIABLE}"', is_variable_to_be_set=bool(option))

    @classmethod
    def existing(cls, given: str | None) -> Self:
        """Return the location of an existing ledger.

        Commands that only read it use it.

        Raises:
            click.BadParameter: none is named, or there is no such file.
        """
        place = cls.of(given)
        if place is None:
            raise click.BadParameter(f"which ledger? Give --ledger, or set the variable {VARIABLE}")
        if not place.exists():
            raise click.BadParameter(f"there is no ledger at {str(place.file)!r}")
        return place

    @property
    def shown(self) -> str:
        """The location for people, without user and password."""
        if self.file is not None:
            return str(self.file)
        parts = urlsplit(self.url.reveal())
        port = "" if parts.port is None else f":{parts.port}"
        return f"{parts.scheme.partition('+')[0]}://{parts.hostname or ''}{port}{parts.path}"

    def exists(self) -> bool:
        """Return whether the file is there.

        Of another database nobody knows before it is opened.
        """
        return self.file is None or self.file.is_file()
