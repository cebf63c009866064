"""A test's result as text, JSON, JUnit XML and Markdown.

Called by `gitslo test`. Pure; text from plans and services is made harmless for the place where it is shown.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from gitslo.core.codec import JsonValue, to_json
from gitslo.core.escape import plain
from gitslo.core.figures import count, duration, rate, shown
from gitslo.core.judge import explain
from gitslo.core.junit import Case, Outcome, Suite, junit, outcome
from gitslo.core.render import evidence_page
from gitslo.core.tables import decided_by, text_table
from gitslo.model import AttemptEvidence, Evidence, Finding, LoadSummary, Seconds, Verdict

__all__ = ["Format", "TestResult", "finding_document", "render"]

SCHEMA = "gitslo/v1"


class Format(StrEnum):
    """How a result is written."""

    TEXT = "text"
    JSON = "json"
    JUNIT = "junit"
    MARKDOWN = "markdown"


@dataclass(frozen=True, slots=True)
class TestResult:
    """What `gitslo test` found out.

    Attributes:
        file: the plan's file as the caller named it.
        plan: the plan digest.
        verdict: ERROR where no attempt could be judged.
        findings: empty for ERROR.
        evidence: all attempts that were judged together.
        notes: sentences that a reader must know before the numbers; for ERROR the first says why.
    """

    __test__ = False

    file: str
    plan: str
    verdict: Verdict
    findings: tuple[Finding, ...]
    evidence: Evidence
    notes: tuple[str, ...] = ()


def render(result: TestResult, how: Format) -> str:
    """The result, ending with a line break."""
    match how:
        case Format.TEXT:
            return _text(result)
        case Format.JSON:
            return json.dumps(_document(result), indent=2) + "\n"
        case Format.JUNIT:
            return _junit(result)
        case Format.MARKDOWN:
            return evidence_page(
                result.verdict, result.findings, result.evidence, subject=result.file, notes=result.notes
            )
        case _:
            assert_never(how)


# --------------------------------------------------------------------------- text


def _text(result: TestResult) -> str:
    lines = [f"{result.verdict.value}: {plain(result.file)}", *(plain(note) for note in result.notes)]
    if result.findings:
        lines += ["", text_table(result.findings).rstrip("\n"), "", *map(_explained, result.findings)]
    attempts = result.evidence.attempts
    loads = [_load_line(load) for load in attempts[-1].loads] if attempts else []
    if loads:
        lines += ["", *loads]
    gates = [line for attempt in attempts for line in _gate_lines(attempt)]
    if gates:
        lines += ["", *gates]
    return "\n".join(lines) + "\n"


def _explained(finding: Finding) -> str:
    return f"{plain(finding.objective)}: {plain(explain(finding))}"


def _load_line(load: LoadSummary) -> str:
    name = load.load if load.endpoint is None else f"{load.load}.{load.endpoint}"
    latency = load.latency
    quantiles = (("p50", latency.p50), ("p95", latency.p95), ("p99", latency.p99), ("max", latency.max))
    shown = ", ".join(f"{word} {duration(value)}" for word, value in quantiles if value is not None)
    errors = ", ".join(f"{count(number)} {plain(kind)}" for kind, number in load.errors) or "no errors"
    parts = (f"{count(load.requests)} requests at {rate(load.achieved_rate)}", shown, errors)
    return f"{plain(name)}: " + "; ".join(part for part in parts if part)


def _gate_lines(attempt: AttemptEvidence) -> list[str]:
    return [
        f"attempt {attempt.attempt} cannot decide a {word}: {plain(reason)}"
        for word, reasons in (("fail", attempt.no_fail), ("pass", attempt.no_pass))
        for reason in reasons
    ]


# --------------------------------------------------------------------------- JSON


def _document(result: TestResult) -> dict[str, JsonValue]:
    """Everything but per-second counts, samples and distributions; those are in the evidence file."""
    return {
        "schema": SCHEMA,
        "file": result.file,
        "plan": result.plan,
        "verdict": result.verdict.value,
        "notes": list(result.notes),
        "findings": [finding_document(finding) for finding in result.findings],
        "attempts": [_attempt(attempt) for attempt in result.evidence.attempts],
    }


def finding_document(finding: Finding) -> dict[str, JsonValue]:
    """A finding with its sentence."""
    said = to_json(finding)
    assert isinstance(said, dict)  # noqa: S101 - it is a record
    return {**said, "explanation": explain(finding)}


def _attempt(attempt: AttemptEvidence) -> dict[str, JsonValue]:
    return {
        "attempt": attempt.attempt,
        "started": attempt.started,
        "judged_seconds": {phase.value: seconds for phase, seconds in attempt.judged_seconds},
        "loads": [_load(load) for load in attempt.loads],
        "unknown": dict(attempt.unknown),
        "no_fail": list(attempt.no_fail),
        "no_pass": list(attempt.no_pass),
        "not_ready": attempt.not_ready,
    }


def _load(load: LoadSummary) -> JsonValue:
    said = to_json(load)
    assert isinstance(said, dict)  # noqa: S101 - it is a record
    return {name: value for name, value in said.items() if name != "distribution"}


# --------------------------------------------------------------------------- JUnit


def _junit(result: TestResult) -> str:
    """One test case per finding. What is not decided is an error there: a pipeline that reads it must not go green.

    Beside a failure it is only skipped: the load ended there.
    """
    failed = result.verdict is Verdict.FAIL
    attempts = result.evidence.attempts
    return junit(
        Suite(
            result.file,
            (("verdict", result.verdict.value), ("plan", result.plan)),
            tuple(_case(finding, failed=failed) for finding in result.findings) or (_error_case(result),),
            took=Seconds(sum(seconds for attempt in attempts for _, seconds in attempt.judged_seconds)),
            started=attempts[-1].started if attempts else None,
            output=(*result.notes, *_outputs(attempts)),
        )
    )


def _case(finding: Finding, *, failed: bool) -> Case:
    said = decided_by(finding)
    measured = shown(finding.measured, finding)
    text = f"{explain(finding)} Measured {measured}, {count(finding.bad)} bad of {count(finding.total)}; {said}"
    return Case(
        f"gitslo.{finding.phase.value}",
        finding.objective,
        outcome(finding.verdict, decides=finding.decides, failed=failed),
        kind=finding.verdict.value,
        message=said if finding.decides else f"{finding.verdict.value}, report only: {said}",
        text=text,
        took=finding.decided_at or Seconds(0.0),
    )


def _error_case(result: TestResult) -> Case:
    why = result.notes[0] if result.notes else "nothing was judged"
    return Case("gitslo", "attempt", Outcome.ERROR, kind=result.verdict.value, message=why)


def _outputs(attempts: Sequence[AttemptEvidence]) -> list[str]:
    return [line for attempt in attempts for line in (*map(_load_line, attempt.loads), *_gate_lines(attempt))]
