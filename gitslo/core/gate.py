"""What a gate is told of one commit in one environment: does its content hold there? Pure.

Called by `gitslo.loop.gate`. A verdict is about a subject, not about a commit: a commit is only how it is asked for.

**Invariants**
* `pass` is said only where a promotion may rest on it: judged to pass, not withdrawn since, of the fingerprint that
  runs where the syncer says which that is, and the environment is not held by a verdict.
* what may still be judged without anybody's doing is `pending`; what nothing is known of is `unknown`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum

from gitslo.core.escape import plain, short
from gitslo.core.judge import explain
from gitslo.model import (
    Action,
    Cause,
    EnvironmentState,
    Finding,
    Hold,
    HoldCause,
    Passed,
    Phase,
    Pipeline,
    Rejection,
    Release,
    Run,
    RunState,
    Subject,
    Verdict,
)

__all__ = [
    "Answer",
    "Answered",
    "FindingSaid",
    "Vantage",
    "answer",
    "counts_as",
    "finding_lines",
    "finding_said",
    "guarded",
]

_LONGEST_LINE = 400
_MOST_LINES = 100
_REPORT_ONLY = " (report only)"
_SAID = re.compile(rf"(?P<name>.+?): (?P<verdict>{'|'.join(Verdict)})(?P<only>{re.escape(_REPORT_ONLY)})?: (?P<why>.+)")


class Answered(StrEnum):
    """A verdict, or why there is none."""

    PASS = "pass"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    ERROR = "error"
    PENDING = "pending"
    """It will be judged, or is being judged, or a person has to lift a hold first."""
    UNKNOWN = "unknown"
    """It has not been judged here, and will not be while something else is on the branch."""


def counts_as(answered: Answered) -> Verdict:
    """The verdict that a pipeline goes by: what is not decided is inconclusive."""
    match answered:
        case Answered.PENDING | Answered.UNKNOWN:
            return Verdict.INCONCLUSIVE
        case _:
            return Verdict(answered.value)


@dataclass(frozen=True, slots=True)
class Answer:
    """What is known of a subject.

    Attributes:
        reason: one sentence for people, without a final full stop.
        run: the id of the run that the verdict is of, or that is under way; None where there is none.
        rejected: why it, or its release, is not tested or promoted here again; empty where it may be.
        held: the environment's hold.
    """

    verdict: Answered
    reason: str
    run: str | None = None
    rejected: str = ""
    held: Hold | None = None


@dataclass(frozen=True, slots=True)
class Vantage:
    """What the loop knows beside the ledger.

    Attributes:
        head: what the branch says now; None: that is not what is asked about, or is not known.
        fingerprint: what the syncer says runs of it; None where it was not asked, or something else runs.
        waiting: what the environment waits for, for people; empty where nothing is known.
    """

    head: Subject | None
    fingerprint: str | None = None
    waiting: str = ""


def answer(subject: Subject, release: Release, state: EnvironmentState, pipeline: Pipeline, vantage: Vantage) -> Answer:
    """What one ledger entry says of a subject. Its hold is not looked at here: see `guarded`.

    Args:
        subject: what is asked about.
        release: what its tree carries.
        state: the entry's content.
        pipeline: whose policy says whether an undecided run is extended.
        vantage: see there.
    """
    found = _of_run(subject, state, pipeline, vantage) or _of_memory(subject, state, vantage)
    no = _rejection(subject, release, state)
    return found if no is None else replace(found, rejected=no.reason)


def guarded(found: Answer, hold: Hold | None) -> Answer:
    """The answer under a hold: what is held by a verdict, or by the loop itself, is no source, so it is no pass."""
    if hold is None:
        return found
    if hold.cause is HoldCause.VERDICT and found.verdict is Answered.PASS:
        why = f"{found.reason}, and the environment is held until a person resumes it: {hold.reason}"
        return replace(found, verdict=Answered.PENDING, reason=why, held=hold)
    if found.verdict is Answered.PENDING:
        return replace(found, reason=f"{found.reason}; the environment is held: {hold.reason}", held=hold)
    return replace(found, held=hold)


def finding_lines(findings: tuple[Finding, ...]) -> tuple[str, ...]:
    """One line per finding, those that decide first."""
    return tuple(_line(finding) for finding in sorted(findings, key=lambda each: not each.decides)[:_MOST_LINES])


def _line(finding: Finding) -> str:
    where = "" if finding.phase is Phase.STEADY else f" ({finding.phase})"
    word = finding.verdict.value if finding.decides else f"{finding.verdict}{_REPORT_ONLY}"
    return short(plain(f"{finding.objective}{where}: {word}: {explain(finding)}"), _LONGEST_LINE)


@dataclass(frozen=True, slots=True)
class FindingSaid:
    """A line of `finding_lines`, taken apart.

    Attributes:
        name: the objective, and the phase behind it where it is another than `steady`.
        decides: False: it is only reported.
        why: the sentence.
    """

    name: str
    verdict: Verdict
    decides: bool
    why: str


def finding_said(line: str) -> FindingSaid | None:
    """What a line says; None where it is none of ours, or was cut off before its verdict."""
    found = _SAID.fullmatch(line)
    if found is None:
        return None
    return FindingSaid(found["name"], Verdict(found["verdict"]), found["only"] is None, found["why"])


# --------------------------------------------------------------------------- the run at hand


def _of_run(subject: Subject, state: EnvironmentState, pipeline: Pipeline, vantage: Vantage) -> Answer | None:
    run = state.run
    if run is None or run.subject != subject or run.state is RunState.SUPERSEDED:
        return None
    if run.state is RunState.CLAIMED:
        return _claimed(subject, state, run)
    if _withdrawn(subject, state.last_pass):
        return Answer(Answered.FAIL, f"its pass was withdrawn: run {run.id} ({run.cause}) {_ended(run)}", run.id)
    match run.verdict:
        case Verdict.PASS:
            return _passing(run, vantage)
        case Verdict.FAIL:
            confirming = run.cause is Cause.REVALIDATION and state.failing_revalidations < pipeline.revalidation.confirm
            if confirming and state.hold is None and vantage.head == subject:
                return Answer(Answered.PENDING, f"run {run.id} (revalidation) failed; another will confirm it", run.id)
            return Answer(Answered.FAIL, f"run {run.id} ({run.cause}) failed", run.id)
        case Verdict.INCONCLUSIVE:
            rule = pipeline.outcomes.of(run.verdict.value, run.cause)
            more = rule.action is Action.EXTEND and run.extensions < rule.times and state.hold is None
            if more and vantage.head == subject:
                return Answer(Answered.PENDING, f"run {run.id} ({run.cause}) is undecided and will be extended", run.id)
            return Answer(Answered.INCONCLUSIVE, f"run {run.id} ({run.cause}) could not decide", run.id)
        case _:
            return Answer(Answered.ERROR, f"run {run.id} ({run.cause}) ended in an error{_last_note(run)}", run.id)


def _claimed(subject: Subject, state: EnvironmentState, run: Run) -> Answer:
    passed = state.last_pass
    stands = passed is not None and passed.subject == subject and not passed.withdrawn
    if run.cause is Cause.REVALIDATION and passed is not None and stands and state.failing_revalidations == 0:
        return Answer(Answered.PASS, f"it passed in run {passed.run}; a revalidation is under way", passed.run)
    return Answer(Answered.PENDING, f"run {run.id} ({run.cause}), attempt {run.attempt}, is under way", run.id)


def _passing(run: Run, vantage: Vantage) -> Answer:
    other = vantage.fingerprint not in {None, run.fingerprint}
    if vantage.head == run.subject and other:
        return Answer(Answered.PENDING, f"it passed in run {run.id}, and the same tree runs otherwise now", run.id)
    return Answer(Answered.PASS, f"it passed in run {run.id} ({run.cause})", run.id)


def _ended(run: Run) -> str:
    return "failed" if run.verdict is Verdict.FAIL else f"ended {run.verdict}"


def _last_note(run: Run) -> str:
    return f": {run.notes[-1]}" if run.notes else ""


# --------------------------------------------------------------------------- earlier ones


def _of_memory(subject: Subject, state: EnvironmentState, vantage: Vantage) -> Answer:
    for no in reversed(state.rejected):
        if no.tree == subject.tree and no.plan == subject.plan:
            return Answer(Answered.FAIL, f"run {no.run} failed" if no.run else no.reason, no.run or None)
    at_head = vantage.head == subject
    for passed in (state.last_pass, state.previous_pass):
        if passed is None or passed.subject != subject:
            continue
        if passed.withdrawn:
            return Answer(Answered.FAIL, f"the pass of run {passed.run} was withdrawn", passed.run)
        if at_head:
            return Answer(Answered.PENDING, f"it came back after it had passed in run {passed.run}: {_comes(vantage)}")
        return Answer(Answered.PASS, f"it passed in run {passed.run}; something else is on the branch now", passed.run)
    if at_head:
        return Answer(Answered.PENDING, _comes(vantage))
    return Answer(Answered.UNKNOWN, "no run has judged it here, and something else is on the branch now")


def _comes(vantage: Vantage) -> str:
    return vantage.waiting or "it will be judged once it runs"


def _withdrawn(subject: Subject, passed: Passed | None) -> bool:
    return passed is not None and passed.withdrawn and passed.subject == subject


def _rejection(subject: Subject, release: Release, state: EnvironmentState) -> Rejection | None:
    """The newest no to the tree, or to its release, under its plan."""
    for no in reversed(state.rejected):
        if no.plan == subject.plan and (no.tree == subject.tree or (no.tree is None and no.release == release.digest)):
            return no
    return None
