"""Writer of ``docs/reliability.md``.

It is made of what a run of the tests has counted.

Usage: ``reliability_page.py COUNTS``, where COUNTS is the file that ``TILIA_COUNTS`` named during the run.
"""

from __future__ import annotations

import json
import platform
import re
import sys
from collections import Counter
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "docs" / "reliability.md"

INTRO = """\
<!-- Written by `nox -s reliability` from `tools/reliability_page.py` and what the tests counted. -->

# What is promised, and how it is tried

**A write has at most one effect.** Each operation declares whether it may be sent again: `SAFE` (it reads, or writes
the same final state), `KEYED` (one `Idempotency-Key` stands for one effect) or `NEVER`. One that is `NEVER` is sent
again only if certainly nothing was sent, or if it was refused for its token. Nothing below the SDK repeats anything.

**If nobody can know, you are told.** `took_effect` is `None`, and `tilia.reconcile(error)` asks Tilia:

* `NO_EFFECT`: the error says so itself (Tilia refused, nothing was sent, it only reads). Tilia is not asked.
* `TOOK_EFFECT`: this very write did it. Either Tilia's answer said Success, or there is exactly one thing with the
  write's `reference_id`, made more than a minute after `since`, and nothing that it tells (account, type, amount,
  currency) differs from the write. `since` is the call's beginning; beside an error you may give an earlier time, from
  which on nothing else has used that id, e.g. when the order was opened.
* `NOT_SEEN`: nothing that the write could have done is seen, or it was tried and failed. That is no proof: a request
  under way could still do it, and a look-up may lag behind. A look-up that still sees nothing from `decide_from` on,
  three minutes after the call's end, can be taken to mean that there was no effect. Tilia documents no limit, so that
  is an assumption: servers and proxies commonly give up after 30 to 60 seconds, and a minute is for clocks. For refunds
  there is no such time: one that is pending is not listed.
* `CANNOT_BE_KNOWN`: there is no look-up, its answer proves nothing (a 404, a proxy's page, another id than was asked
  for, a list that is none or that its own total contradicts, a state beside which there are traces of the deed), the
  write's idempotency key is in use by another call, or what it shows may be another write's. That is listed as
  candidate, the likeliest first: refunds and payouts whatever they come to, as they may be split, net of a fee or in
  another currency; everything made within a minute of the call, or at a time without a zone that may be; and every
  state, as another worker, the user or Tilia's support may have brought it about.

Whether it is done is another question than who did it: `done` is true where what the write would do is done, by this
call or another's (paid, executed, committed, cancelled, refunded, blocked, unblocked, registered, merged), so not to be
done again. That it is false proves nothing. `reason` says what to do.

**An answer is believed only if it is one.** A write is `None`, in doubt, if a gateway gave up (408, 499, 5xx, a
redirection), and also if a 200 says no, says nothing of what was asked for, is about another id, or says yes and the
opposite in one. A connection that the server has ended while it was idle is looked at before a write goes out on it:
what ended before that look puts nothing in doubt. A list whose total falls while it is read, or whose entries come
twice, ends with an error: it does not pass for a whole one.

**A call never outlives its deadline** by more than a quarter of a second, waiting for a connection, token, attempts,
reading and a ledger included. **A cancelled call leaves nothing**: no task, no socket, no slot; what it gave to a
ledger is written by the ledger. **Every block and unblock is on record** before it is sent, where there is a ledger: of
the typed methods, of `tilia.send` and of jobs. What nobody knows is `UNKNOWN` there. Of an account that `undo` had to
block again, because somebody else blocked it meanwhile, the undo's own record tells. **No secret escapes** into a
log record, an error's text, attributes or pickle, a `repr`, or the ledger; nor into the variables of a frame below your
own call, ours or a library's, when an error, a cancellation or a refused setting comes through it. The real Sentry,
Rollbar, rich and structlog are asked. The frames of your own code hold what you put there, a `tilia_async.Secret` if
you like; a webhook's `path_secret` stands in the access log of the server that it is mounted in; and a `UserToken`, a
`Redirect` or an `AuthorizedInvoice` is pickled with what it carries, while an `AccessToken`, a `Secret` and
`RequestOptions` with headers refuse to be.

**A bulk job with a ledger loses no account.** Each intent is on disk before its request leaves. A process that is
killed has sent at most `concurrency` requests that are not settled on record; the next run of the job sends these again
and goes on. **Nobody goes free by mistake, and nobody is called blocked who is not**, as far as the record tells:
undoing a job lifts what that job alone caused, and an account of which the opposite is on record since is `OVERTAKEN`.

**A notification proves nothing by itself**, as Tilia signs nothing. With `confirm=True` a handler gets what the API
says, whatever was posted. That proves a state, and not that Tilia has just sent word: without a secret a stranger can
have a true event handled again.

## The tests

`nox -s tests` runs a sample: every write, every fault, pairs chosen by the seed in the run's header. `nox -s nightly`
runs all pairs and all that is slow; `nox -s reliability` does so too, and writes the numbers below. They are sums over
that run. `nox -s mutants` changes the code in small ways, one at a time, and counts how often the tests notice.

"""

MATRIX, TRANSPORT = "tests/outcomes/test_matrix.py", "tests/transport"
CRASHES, FLEET = "tests/ledger/test_crashes.py", "tests/fleet/test_chaos.py"
CACHE, SERVERS = "tests/tokens/test_cache_machine.py", "tests/transport/test_hostile_servers.py"
FRAMES, IDLE = "tests/transport/test_frames.py", "tests/transport/test_idle.py"
QUICK = (SERVERS, FRAMES, IDLE)
"""Files whose tests count although they are not slow."""
MUTANTS = "tools/mutants.py"
"""Counts of the mutants.

A run of its own, of a sample: its figures stay on the page until the next.
"""
WHAT: tuple[tuple[str, str, str], ...] = (
    ("operations × conditions", "operations under faults, on a fresh and on a used connection each", MATRIX),
    ("effects found", "effects found in the sandbox after these, never more than one for a call", MATRIX),
    ("reconciliations", "reconciliations compared with what the sandbox holds", MATRIX),
    ("places searched for canaries", "texts searched for secrets: logs, errors, frames, reprs", "tests/outcomes"),
    ("exceptions searched for canaries", "exceptions whose frames were searched for secrets, foreign ones too", FRAMES),
    (
        "interruptions searched for canaries",
        "calls ended for this search, each at another place where it waits",
        FRAMES,
    ),
    ("cancellations injected", "cancellations, one at each place where a call waits", TRANSPORT),
    ("calls cancelled at random", "calls cancelled at random, and as many open files as before", TRANSPORT),
    ("idle connections ended", "connections ended while idle, before a write; none of these is in doubt", IDLE),
    ("fuzz inputs", "made-up answers decoded: a model or a `TiliaError`, nothing else", "tests"),
    ("hostile answers tried", "attacks over real sockets, with memory and time measured", SERVERS),
    ("token cache examples", "histories of the token cache compared with a model", CACHE),
    ("token cache steps", "steps in these histories", CACHE),
    ("processes killed in the middle of a bulk job", "processes killed with SIGKILL in a bulk job", CRASHES),
    ("accounts of killed bulk jobs, each blocked and on record", "accounts of these jobs, none of them lost", CRASHES),
    ("accounts of a fleet under fire", "accounts of a fleet whose workers were killed, none of them lost", FLEET),
    ("workers of a fleet killed", "workers of that fleet killed with SIGKILL", FLEET),
    (
        "accounts of a fleet sent twice",
        "accounts that were in flight then and were sent again, to no other effect",
        FLEET,
    ),
    (
        "most accounts of a fleet sent twice for a kill",
        "the most of them for one of these kills; each worker had at most 32 in flight",
        FLEET,
    ),
    ("players of a game under fire", "players of the game server under fire", "tests/project/test_examples.py"),
    ("mutants tried", "small changes of the code of `wire`, `reconcile`, `tokens`, `bulk`, `ledger`", MUTANTS),
    ("mutants noticed", "of these, noticed by the tests", MUTANTS),
)
"""Description of each count.

Its name, what it says, and where it comes from.
"""


def rendered(counts: Counter[str]) -> str:
    """Return the text of the page."""
    names = {name for name, _, _ in WHAT}
    if names != counts.keys():
        raise SystemExit(f"counted without a line here: {counts.keys() - names}; not counted: {names - counts.keys()}")
    rows = [f"| {what} | {_number(counts[name])} | `{_command(where)}` |" for name, what, where in WHAT]
    machine = f"Python {platform.python_version()} on {platform.system()}, aiohttp {version('aiohttp')}"
    table = "\n".join(["| what | how many | command |", "| --- | ---: | --- |", *rows])
    return f"{INTRO}{table}\n\nThe last run: {machine}.\n"


def read(page: str) -> Counter[str]:
    """Return the numbers that stand on a page.

    By what they count; 0 for what was not counted yet.
    """
    found = dict(re.findall(r"^\| ([^|]+) \| ([\d,]+) \| `nox", page, re.MULTILINE))
    return Counter({name: int(found.get(what, "0").replace(",", "")) for name, what, _ in WHAT})


def _number(number: int) -> str:
    return f"{number:,}" if number else "—"


def _command(where: str) -> str:
    if where == MUTANTS:
        return "nox -s mutants"
    return f"nox -s {'tests' if where in QUICK else 'nightly'} -- {where}"


def main() -> int:
    counts: Counter[str] = Counter()
    for line in Path(sys.argv[1]).read_text().splitlines():
        entry = json.loads(line)
        counts[entry["name"]] += entry["number"]
    before = read(TARGET.read_text())
    for name, _, where in WHAT:
        if where == MUTANTS and name not in counts:
            counts[name] = before[name]
    TARGET.write_text(rendered(counts))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
