"""The report of a verification, for people, programs and issues."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

import attrs
import orjson

from tilia_async.corrections import Corrections, written_corrections
from tilia_async.json_value import JsonObject, JsonValue
from tilia_async.verify.findings import Conformance, Finding

_INTRO = "tilia-sdk {version} against {where}, {at:%Y-%m-%d %H:%M} UTC: {counts}."


@attrs.frozen
class VerifyReport:
    """Findings about each fact of each declaration.

    Without ids, addresses, amounts and secrets: it can be shown to anybody.
    """

    version: str
    """Version of the SDK."""
    environment: str
    """Environment: ``production``, ``staging`` or ``another``."""
    at: datetime
    """Time of its beginning, UTC."""
    findings: Sequence[Finding]
    """Findings, in the order of the operations."""
    corrections: Corrections = attrs.field(factory=dict[str, dict[str, object]])
    """Corrected facts by name, of operations by name."""

    @property
    def differences(self) -> Sequence[Finding]:
        """The findings of facts that differ."""
        return self._with(Conformance.DIFFERS)

    def to_text(self) -> str:
        """Return the report for a terminal."""
        return "\n".join(self._lines(heading="{}", line="  {facts} {conformance}: {why}")) + "\n"

    def to_markdown(self) -> str:
        """Return the report for an issue."""
        return "\n".join(self._lines(heading="\n### {}\n", line="* {facts} **{conformance}**: {why}")) + "\n"

    def to_dict(self) -> dict[str, JsonValue]:
        """Return the report as JSON has it."""
        findings: list[JsonValue] = [
            {
                "operation": each.operation,
                "fact": each.fact.value,
                "conformance": each.conformance.value,
                "why": each.why,
                "inferred": each.inferred,
            }
            for each in self.findings
        ]
        corrections: JsonObject = orjson.loads(orjson.dumps({**self.corrections}))
        return {
            "version": self.version,
            "environment": self.environment,
            "at": self.at.isoformat().replace("+00:00", "Z"),
            "findings": findings,
            "corrections": corrections,
        }

    def to_json(self) -> str:
        """Return the report as a JSON text."""
        return orjson.dumps(self.to_dict(), option=orjson.OPT_INDENT_2).decode()

    def corrections_toml(self) -> str:
        """Return the corrections as a file for ``TiliaClient(operations=…)``."""
        return written_corrections(self.corrections)

    def _with(self, conformance: Conformance) -> Sequence[Finding]:
        return [each for each in self.findings if each.conformance is conformance]

    def _lines(self, *, heading: str, line: str) -> Iterator[str]:
        counts = ", ".join(f"{len(self._with(conformance))} {conformance}" for conformance in Conformance)
        where = "another environment" if self.environment == "another" else self.environment
        yield _INTRO.format(version=self.version, where=where, at=self.at, counts=counts)
        # What differs comes first: it is why somebody reads on.
        for conformance in (Conformance.DIFFERS, Conformance.NOT_TRIED, Conformance.HOLDS):
            found = self._with(conformance)
            for operation in dict.fromkeys(each.operation for each in found):
                yield heading.format(operation)
                of_operation = [each for each in found if each.operation == operation]
                for why in dict.fromkeys(each.why for each in of_operation):
                    facts = [each for each in of_operation if each.why == why]
                    guess = " (a guess of the SDK's)" if all(each.inferred for each in facts) else ""
                    named = ", ".join(each.fact for each in facts)
                    yield line.format(facts=named, conformance=conformance, why=why + guess)
