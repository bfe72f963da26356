"""Probe of one operation against its declaration.

Its host, path, scope, status, envelope and answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Final, TypeAlias

import attrs

from tilia_async.client import TiliaClient, answer_as_it_came
from tilia_async.config import Service
from tilia_async.errors import TokenError
from tilia_async.json_value import Body, JsonValue
from tilia_async.scopes import Scope
from tilia_async.verify.answers import Observation, observations, scalars_of
from tilia_async.verify.findings import Conformance, Fact, Finding
from tilia_async.wire.codec import PayloadError, decode
from tilia_async.wire.envelope import NoResponse, RawResponse, open_envelope, read_json
from tilia_async.wire.operation import Operation

_AFTER_HOST: Final = (Fact.PATH, Fact.SCOPE)
_EVIDENCE: Final[Mapping[Fact, str]] = {
    Fact.HOST: "host",
    Fact.PATH: "path",
    Fact.SCOPE: "scope",
    **dict.fromkeys((Fact.STATUS, Fact.ENVELOPE, Fact.FIELDS, Fact.TIMES, Fact.AMOUNTS), "answer"),
}
_MOST_NOTES: Final = 8
_SAY_NOTHING: Final = (403, 408, 429)
"""Statuses that whatever stands before the operation may have."""

_Answer: TypeAlias = RawResponse | NoResponse | TokenError


@attrs.frozen
class Asked:
    """A request of an operation.

    Attributes:
        real: its ids are meant to be those of something that there is.
        proven: another answer has told them.
    """

    path: Mapping[str, str]
    query: Mapping[str, str | int] | None = None
    body: Body | None = None
    real: bool = True
    proven: bool = True


@attrs.define
class Probe:
    """A probe of one operation.

    Attributes:
        declared: the declaration that is checked.
        value: the typed value of its answer, if it can be read.
        corrections: facts that work where those of the declaration did not.
        refused: the token endpoint's last refusal; None: each token was granted.
        had_token: some token was granted.
    """

    tilia: TiliaClient
    declared: Operation[object]
    asked: Asked
    value: object = None
    refused: TokenError | None = None
    had_token: bool = False
    corrections: dict[str, object] = attrs.field(factory=dict[str, object])
    findings: list[Finding] = attrs.field(factory=list[Finding])

    async def run(self) -> None:
        """Send the request, and others where its facts differ."""
        operation: Operation[object] | None = self.declared
        answer = await self._send(self.declared)
        if isinstance(answer, TokenError):
            await self._with_other_scopes(self.declared, answer)
            self._skip(_facts_of(self.declared), "nothing was sent without a token")
            return
        if isinstance(answer, NoResponse) and answer.sent:
            self._skip(_facts_of(self.declared), "it was sent, and no answer came")
            return
        if isinstance(answer, RawResponse) and (answer.status in _SAY_NOTHING or answer.status >= 500):
            self._note(Fact.HOST, Conformance.HOLDS, "it answers")
            self._skip(_facts_of(self.declared), f"answered with {answer.status}")
            return
        if not _is_tilias(answer, self.asked):
            operation, answer = await self._elsewhere(answer)
        else:
            self._note(Fact.HOST, Conformance.HOLDS, "it answers")
            self._note(Fact.PATH, Conformance.HOLDS, "the path is known")
        if operation is not None and _is_refused(answer):
            operation, answer = await self._with_other_scopes(operation, answer)
        elif operation is not None:
            self._note(Fact.SCOPE, Conformance.HOLDS, f"{', '.join(sorted(operation.scopes))} will do")
        self._skip([Fact.HOST, *_AFTER_HOST], "what comes before it failed")
        if operation is None or isinstance(answer, TokenError | NoResponse):
            self._skip(_of_answer(self.declared), "there was no answer to look at")
        else:
            self._look(answer)

    async def _send(self, operation: Operation[object]) -> _Answer:
        """Send the request once; a read that fails, twice."""
        answer: RawResponse | NoResponse = NoResponse(sent=False, reason="")
        for _ in range(2 if operation.reads else 1):
            try:
                answer = await answer_as_it_came(
                    self.tilia, operation, path=self.asked.path, query=self.asked.query, body=self.asked.body
                )
            except TokenError as error:
                self.refused = error
                return error
            self.had_token = True
            if isinstance(answer, RawResponse) and answer.status < 500:
                break
        return answer

    async def _elsewhere(self, answer: _Answer) -> tuple[Operation[object] | None, _Answer]:
        """Look for the operation under other paths and hosts.

        Of writes only under those that Tilia's own pages or SDKs name.
        """
        reached = isinstance(answer, RawResponse)
        wrong = Fact.PATH if reached else Fact.HOST
        for fact, candidate in _candidates(self.declared):
            found = await self._send(candidate)
            if _is_tilias(found, self.asked):
                changed = {"path": candidate.path} if fact is Fact.PATH else {"service": candidate.service.value}
                self.corrections |= changed
                place = candidate.path if fact is Fact.PATH else f"the host of {candidate.service}"
                self._note(fact, Conformance.DIFFERS, f"{_status_text(answer)}; {place} has it")
                for other in (Fact.HOST, Fact.PATH):
                    if other is not fact:
                        self._note(other, Conformance.HOLDS, "it answers there")
                return candidate, found
        if reached:
            self._note(Fact.HOST, Conformance.HOLDS, "something answers")
        if self.asked.proven or not _has_tilias_form(answer):
            note = f"{_status_text(answer)}, and no other path or host that was tried has it"
            self._note(wrong, Conformance.DIFFERS, note)
        else:
            note = f"{_status_text(answer)}: there is no such id here, or the path is another"
            self._note(wrong, Conformance.NOT_TRIED, note)
        return None, answer

    async def _with_other_scopes(
        self, operation: Operation[object], answer: _Answer
    ) -> tuple[Operation[object] | None, _Answer]:
        """Look for the scope that the operation needs."""
        reason = "the token is refused" if isinstance(answer, RawResponse) else "these credentials do not get it"
        named = ", ".join(sorted(operation.scopes))
        for scope in Scope if isinstance(answer, RawResponse) and operation.reads else ():
            candidate = attrs.evolve(operation, scopes={scope})
            found = await self._send(candidate) if scope not in operation.scopes else answer
            if isinstance(found, RawResponse) and not _is_refused(found):
                self.corrections["scopes"] = [scope.value]
                self._note(Fact.SCOPE, Conformance.DIFFERS, f"{named}: {reason}; with {scope} it is not")
                return candidate, found
        conformance = Conformance.DIFFERS if isinstance(answer, RawResponse) else Conformance.NOT_TRIED
        self._note(Fact.SCOPE, conformance, f"{named}: {reason}")
        return None, answer

    def _look(self, answer: RawResponse) -> None:
        """Compare an answer with what is declared of it."""
        if not 200 <= answer.status < 300:
            why = f"answered with {answer.status}"
            self._skip(_of_answer(self.declared), why if self.asked.real else f"{why}, since no id was known")
            return
        try:
            body = read_json(answer)
        except ValueError:
            self._note(Fact.FIELDS, Conformance.DIFFERS, "the answer is no JSON")
            self._skip(_of_answer(self.declared), "the answer is no JSON")
            return
        opened = open_envelope(body)
        if not opened.success:
            self._skip(_of_answer(self.declared), f"answered with {answer.status} and a failure")
            return
        self._look_at_status(answer.status)
        self._look_at_envelope(body)
        payload = opened.payload
        self._look_at_fields(list(observations(self.declared.returns, payload)))
        try:
            self.value = decode(payload, self.declared.returns)
        except PayloadError:
            self.value = None

    def _look_at_status(self, status: int) -> None:
        if status in self.declared.success:
            self._note(Fact.STATUS, Conformance.HOLDS, f"{status}")
        else:
            declared = ", ".join(map(str, sorted(self.declared.success)))
            self._note(Fact.STATUS, Conformance.DIFFERS, f"{status} and not {declared}")
            self.corrections["success"] = [status]

    def _look_at_envelope(self, body: JsonValue) -> None:
        enveloped = isinstance(body, dict) and "status" in body and open_envelope(body).confirmed
        seen = "in an envelope" if enveloped else "without an envelope"
        if self.declared.envelope is None:
            self._note(Fact.ENVELOPE, Conformance.HOLDS, f"{seen}; samples have both")
        elif enveloped is self.declared.envelope:
            self._note(Fact.ENVELOPE, Conformance.HOLDS, seen)
        else:
            self._note(Fact.ENVELOPE, Conformance.DIFFERS, f"{seen}; the SDK reads both")
            self.corrections["envelope"] = enveloped

    def _look_at_fields(self, seen: list[Observation]) -> None:
        unknown = dict.fromkeys(each.place for each in seen if each.unknown)
        for fact in _facts_of_fields(self.declared):
            of_fact = [each for each in seen if each.fact is fact and not each.unknown]
            odd = dict.fromkeys(f"{each.place or 'the answer'} {each.note}" for each in of_fact if not each.well)
            notes = dict.fromkeys(each.note for each in of_fact if each.well and each.note)
            notes_of_fact = [f"{len({each.place for each in of_fact})} seen", *([_listed(notes)] if notes else [])]
            if fact is Fact.FIELDS and unknown:
                notes_of_fact.append(f"not declared: {_listed(unknown, ', ')}")
            if odd:
                self._note(fact, Conformance.DIFFERS, _listed(odd))
            elif of_fact:
                self._note(fact, Conformance.HOLDS, "; ".join(notes_of_fact))
            else:
                self._note(fact, Conformance.NOT_TRIED, "the answer has none")

    def _note(self, fact: Fact, conformance: Conformance, why: str) -> None:
        evidence = self.declared.evidence
        inferred = evidence is not None and _EVIDENCE[fact] in evidence.inferred
        self.findings.append(Finding(self.declared.name, fact, conformance, why, inferred))

    def _skip(self, facts: Iterable[Fact], why: str) -> None:
        noted = {finding.fact for finding in self.findings}
        for fact in facts:
            if fact not in noted:
                self._note(fact, Conformance.NOT_TRIED, why)


def not_tried(operation: Operation[object], why: str) -> list[Finding]:
    """Return the findings of an operation that was not tried."""
    inferred = frozenset[str]() if operation.evidence is None else operation.evidence.inferred
    return [
        Finding(operation.name, fact, Conformance.NOT_TRIED, why, _EVIDENCE[fact] in inferred)
        for fact in _facts_of(operation)
    ]


def _candidates(declared: Operation[object]) -> Iterator[tuple[Fact, Operation[object]]]:
    for path in declared.other_paths:
        yield Fact.PATH, attrs.evolve(declared, path=path)
    if declared.reads:
        for service in Service:
            if service is not declared.service:
                yield Fact.HOST, attrs.evolve(declared, service=service)


def _is_tilias(answer: _Answer, asked: Asked) -> bool:
    """Return True if the operation itself has answered.

    A path that there is not is answered by something before it: no JSON, or 405. A resource that there is not gets a
    404 in Tilia's own form; of one that there is, that is no answer either.
    """
    if isinstance(answer, TokenError | NoResponse) or answer.status == 405 or 300 <= answer.status < 400:
        return False
    if answer.status != 404:
        return True
    return not asked.real and _has_tilias_form(answer)


def _has_tilias_form(answer: _Answer) -> bool:
    """Return True if it is JSON.

    What stands before Tilia's services answers otherwise.
    """
    try:
        return isinstance(answer, RawResponse) and isinstance(read_json(answer), dict)
    except ValueError:
        return False


def _is_refused(answer: _Answer) -> bool:
    return isinstance(answer, TokenError) or (isinstance(answer, RawResponse) and answer.status == 401)


def _status_text(answer: _Answer) -> str:
    return f"{answer.status}" if isinstance(answer, RawResponse) else "nobody answers"


def _facts_of(operation: Operation[object]) -> tuple[Fact, ...]:
    return (Fact.HOST, *_AFTER_HOST, *_of_answer(operation))


def _of_answer(operation: Operation[object]) -> tuple[Fact, ...]:
    return (Fact.STATUS, Fact.ENVELOPE, *_facts_of_fields(operation))


def _facts_of_fields(operation: Operation[object]) -> tuple[Fact, ...]:
    """Return the facts about fields that its model has."""
    kinds = scalars_of(operation.returns)
    if not kinds:
        return ()
    times, amounts = (Fact.TIMES,) if datetime in kinds else (), (Fact.AMOUNTS,) if int in kinds else ()
    return (Fact.FIELDS, *times, *amounts)


def _listed(notes: Mapping[str, None], gap: str = "; ") -> str:
    shown = list(notes)
    more = len(shown) - _MOST_NOTES
    return gap.join([*shown[:_MOST_NOTES], *([f"and {more} more"] if more > 0 else [])])
