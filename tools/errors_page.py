"""Writes ``docs/errors.md`` from the classes in ``tilia_async.errors``.

Usage: ``errors_page.py`` writes the file; ``errors_page.py --check`` fails if it differs from what would be written.
"""

from __future__ import annotations

import inspect
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

from tilia_async import errors
from tilia_async.errors import TiliaError

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "docs" / "errors.md"

INTRO = """\
<!-- Written by `nox -s docs` from `tilia_async/errors.py`: change that file. -->

# Errors

Both packages raise the same classes. Each says its operation first, if it has one, can be pickled, and carries no
secret: not in its text, not in its attributes, not in the variables of the frames below your own call that it came
through.

Three things stand on every one of them:

* `error.took_effect` is `True` (this call's write is done), `False` (it is not) or `None` (nobody can know from this
  answer).
* `error.reference` holds the fields that identify what the call would have changed.
* `error.explain()` says what was sent, which attempts were made, what was decided each time and why, and what to do;
  `error.call` has the same as data.

It is `None` whenever something leaves it open, and not only when no answer came: a status with which a gateway gives up
(408, 499, 502, 504, a redirection), a 200 that says no, one that says nothing of what was asked for, one about another
id, and one that says yes and the opposite in one. A yes is what Tilia's envelope calls one, or a body that carries the
result.

After `None`, `await tilia.reconcile(error)` asks Tilia what became of the write. `found.verdict` says whether *this*
write did it, and claims no more than Tilia's answers prove; `found.done` says that it is done, by this call or
another's, so not to be done again; `found.reason` says what to do ([reliability.md](reliability.md) has all four
verdicts):

```python
import asyncio
from tilia_async import TiliaClient, errors
from tilia_async.sandbox import Fault, Sandbox


async def main():
    async with (
        Sandbox() as sandbox,
        TiliaClient(sandbox.client_id, sandbox.client_secret, sandbox.environment) as tilia,
    ):
        sandbox.faults.add("accounts.register", Fault.DROP_AFTER_COMMIT)
        try:
            account = await tilia.accounts.register("nyx", email="nyx@example.com")
        except errors.OutcomeUnknownError as error:
            print(error.explain())
            found = await tilia.reconcile(error)
            print(found.verdict, found.reason)
            if not found.done:
                raise
            # The name is taken now, by this call or another's: there will be no second account.
            account = await tilia.accounts.get_or_register("nyx", email="nyx@example.com")
        print(account.account_id)


asyncio.run(main())
```

A call that was cancelled leaves no error. It can be asked about all the same:
`await tilia.reconcile(OPERATIONS["accounts.register"], reference={"username": "nyx"}, since=began)`, with `OPERATIONS`
from `tilia_async.api`. So can one whose error a task queue has carried as JSON: what it builds again from the text
keeps class, text and doubt, and has lost the operation, the reference and the time.

```
"""


def rendered() -> str:
    """Return the text of the page."""
    tree = (errors.__doc__ or "").partition("::\n")[2].partition("\n\nEvery error")[0]
    parts = [f"{INTRO}{inspect.cleandoc(tree)}\n```\n"]
    parts += (_section(kind) for kind in _below(TiliaError))
    return "\n".join(parts)


def _below(kind: type[TiliaError]) -> Iterator[type[TiliaError]]:
    """Yield the class and those below it.

    As the tree has them.
    """
    yield kind
    for each in kind.__subclasses__():
        if each.__module__ == errors.__name__:
            yield from _below(each)


def _section(kind: type[TiliaError]) -> str:
    cause, _, rest = inspect.cleandoc(kind.__doc__ or "").partition("\n\nAttributes:\n")
    attributes, _, more = rest.partition("\n\n")
    if more:
        cause += f"\n\n{more}"
    lines = [f"## {kind.__name__}\n", f"{_markdown(cause)}\n", f"*What to do:* {_markdown(kind.remedy)}\n"]
    also = [base.__name__ for base in kind.__bases__ if not issubclass(base, TiliaError) and base is not Exception]
    if also:
        lines.append(f"*Also a* `{also[0]}`.\n")
    lines += (f"* `{name}`: {text}" for name, text in _attributes(attributes))
    return "\n".join(lines) + ("\n" if attributes else "")


def _attributes(listed: str) -> Iterator[tuple[str, str]]:
    entries: list[list[str]] = []
    for line in textwrap.dedent(listed).splitlines():
        if line.startswith(" "):
            entries[-1].append(line.strip())
        elif line:
            entries.append([line])
    for entry in entries:
        name, _, text = " ".join(entry).partition(": ")
        yield name, _markdown(text)


def _markdown(text: str) -> str:
    return text.replace("``", "`")


def main() -> int:
    text = rendered()
    if "--check" not in sys.argv[1:]:
        TARGET.write_text(text)
    if not TARGET.exists() or TARGET.read_text() != text:
        print("docs/errors.md is outdated; run 'nox -s docs'")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
