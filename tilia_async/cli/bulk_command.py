"""The command of ``tilia bulk``, and its repetition.

What somebody asked it to do, and the command line that asks for it again.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from typing import Final

import attrs

from tilia_async.bulk.job import DEFAULT_CONCURRENCY
from tilia_async.cli.account_file import FileOptions
from tilia_async.cli.ledger_location import LedgerLocation
from tilia_async.cli.network import Network

STANDARD_STREAM: Final = "-"


class Action(StrEnum):
    """Action on each account."""

    BLOCK = "block"
    UNBLOCK = "unblock"
    UNDO = "undo"
    LOOKUP = "lookup"


@attrs.frozen(kw_only=True)
class BulkCommand:
    """Command of a user for many accounts.

    Attributes:
        file: its name, or ``-``; of ``undo``, none.
        undoes: the job to undo.
        options: what was said about the file.
        keeps_going: lines that cannot be used are left out.
        ledger: where the record is; None if there is none.
        job_id: set if there is a ledger.
        output: the file for what a look-up finds.
        yes: nobody has to be asked, in production either.
        is_shared: it is submitted to a fleet.
        network: the way to Tilia.
    """

    action: Action
    file: str = ""
    undoes: str | None = None
    options: FileOptions = attrs.field(factory=FileOptions)
    keeps_going: bool = False
    concurrency: int = DEFAULT_CONCURRENCY
    reason: str | None = None
    actor: str | None = None
    review_at: datetime | None = None
    ledger: LedgerLocation | None = None
    job_id: str | None = None
    output: str | None = None
    dry_run: bool = False
    yes: bool = False
    as_json: bool = False
    is_shared: bool = False
    network: Network = attrs.field(factory=Network)

    def command(self) -> str:
        """Return the command line that repeats it.

        It is for a shell. It has no password in it, and so no proxy.
        """
        return " ".join(self._words())

    def _words(self) -> Iterator[str]:
        yield f"tilia bulk {self.action}"
        given = {
            "reason": self.reason,
            "actor": self.actor,
            "review-at": None if self.review_at is None else self.review_at.isoformat(),
            "column": self.options.column,
            "delimiter": self.options.delimiter,
            "encoding": self.options.encoding,
            "by": self.options.by,
            "concurrency": None if self.concurrency == DEFAULT_CONCURRENCY else str(self.concurrency),
            "output": self.output,
            "ca-file": self.network.ca_file,
            "cert-file": self.network.cert_file,
            "key-file": self.network.key_file,
            "job" if self.undoes is None else "undo-job": self.job_id,
        }
        for name, value in given.items():
            if value is not None:
                yield f"--{name} {shlex.quote(value)}"
        if self.ledger is not None:
            yield self.ledger.option
        if self.is_shared:
            yield "--fleet"
        if self.keeps_going:
            yield "--keep-going"
        if self.yes:
            yield "--yes"
        if self.as_json:
            yield "--json"
        named = self.file if self.undoes is None else self.undoes
        if named.startswith("-") and (named != STANDARD_STREAM or self.undoes is not None):
            yield "--"
        yield shlex.quote(named)
