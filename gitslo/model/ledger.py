"""What a ledger remembers of one environment: the tip alone is enough."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from gitslo.model.evidence import Evidence, Finding, PassedLoad, Verdict
from gitslo.model.metrics import ScoreRecord
from gitslo.model.pipeline import Cause, ChangeKind, Release
from gitslo.model.units import CommitId, Seconds

__all__ = [
    "Change",
    "ChangeState",
    "Claim",
    "EnvironmentState",
    "Hold",
    "HoldCause",
    "Outcome",
    "Passed",
    "Rejection",
    "Request",
    "Run",
    "RunState",
    "Subject",
]


@dataclass(frozen=True, slots=True)
class Subject:
    """What a verdict is about.

    Attributes:
        tree: hash of the manifests and shared bases, without the plan.
        plan: the plan digest.
    """

    tree: str
    plan: str


class RunState(StrEnum):
    """The states of a run."""

    CLAIMED = "claimed"
    JUDGED = "judged"
    SUPERSEDED = "superseded"
    """Cut off because something else came to run; it has no verdict and left no evidence."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Who carries out the attempt under way.

    Attributes:
        instance: the daemon's stable name.
        nonce: fresh per claim; a claim is won only if a re-read shows our own.
        takeover_after: seconds after first sight at which others may take over.
    """

    instance: str
    nonce: str
    takeover_after: Seconds


class Outcome(StrEnum):
    """How far the consequences of a judged run that the loop itself must remember have come."""

    PENDING = "pending"
    """The operator's command for this verdict has not run yet."""
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Run:
    """One judgement of a subject.

    Attributes:
        id: unique in the environment: its number as text.
        revision: the commit at which the subject was claimed.
        release: what the tree carries.
        fingerprint: what the syncer saw running.
        confirming: our own revert brought this tree back; a pass confirms the earlier one and moves nothing.
        state: see RunState.
        attempt: 1-based; cut-off attempts count.
        extensions: how often it was extended after `inconclusive`.
        takeovers: attempts cut off since the last judged entry; the third ends the run in `error`.
        cut_off: the numbers of all attempts that were cut off.
        claim: set while claimed.
        evidence: of all judged attempts of the subject that this run continues.
        verdict, findings: set when judged.
        judged_wall: seconds since the epoch when judged, printed and used for the revalidation's due time.
        outcome: PENDING until the operator's command of the outcome has run.
        notes: sentences for the report: plan changed, limits loosened, fresh evidence, attempts cut off.
    """

    id: str
    cause: Cause
    subject: Subject
    revision: CommitId
    release: Release
    fingerprint: str
    confirming: bool
    state: RunState
    attempt: int
    extensions: int
    takeovers: int
    cut_off: tuple[int, ...]
    claim: Claim | None
    evidence: Evidence
    verdict: Verdict | None
    findings: tuple[Finding, ...]
    judged_wall: float | None
    outcome: Outcome
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Passed:
    """The last pass of an environment.

    Attributes:
        run: id of the run.
        withdrawn: revalidation took it back; it is no candidate for later stages.
        fingerprint: what ran when it passed.
        limits: objective texts of the plan it passed under, to say which limits were loosened since.
        loads: what a later run's relative objectives are compared with.
        promotes: whether later stages may rest on it; false where `outcomes` says that a pass moves nothing.
    """

    run: str
    revision: CommitId
    subject: Subject
    release: Release
    fingerprint: str
    withdrawn: bool
    limits: tuple[str, ...]
    loads: tuple[PassedLoad, ...] = field(default=(), metadata={"since": "0.2"})
    promotes: bool = field(default=True, metadata={"since": "0.2"})


@dataclass(frozen=True, slots=True)
class Rejection:
    """A tree that failed here, and its release where that differs from the last passing one.

    Attributes:
        tree: None where only a release was rejected (a person closed its pull request).
        release: the release digest, or None where the failing tree carried the last passing release.
        plan: the plan digest under which it failed; another plan lifts the rejection.
        run: the run that failed, or empty.
        reason: one sentence.
    """

    tree: str | None
    release: str | None
    plan: str
    run: str
    reason: str


class HoldCause(StrEnum):
    """Why an environment is held."""

    VERDICT = "verdict"
    """A verdict or the loop itself; also ends its being a source for later stages."""
    PERSON = "person"
    """`gitslo hold`; its standing pass stays a source."""


@dataclass(frozen=True, slots=True)
class Hold:
    """A stop on an environment, lifted by a person only.

    Attributes:
        reason: one sentence: what happened and what to do.
        by: the person, or `gitslo`.
        since_wall: seconds since the epoch.
    """

    cause: HoldCause
    reason: str
    by: str
    since_wall: float


@dataclass(frozen=True, slots=True)
class Request:
    """A person's say that the loop has not acted on yet.

    Attributes:
        cause: REVALIDATION (`gitslo revalidate`) or MANUAL (`gitslo resume`).
        fresh: do not continue the evidence there is.
        by: who asked.
    """

    cause: Cause
    fresh: bool
    by: str


class ChangeState(StrEnum):
    """The states of a change."""

    PROPOSED = "proposed"
    SETTLED = "settled"
    WITHDRAWN = "withdrawn"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Change:
    """A promotion into this environment, or a revert of it.

    Attributes:
        id: unique in the environment: its number as text.
        state: see ChangeState.
        base: the revision the edits were computed on.
        base_tree: the environment's tree at `base`.
        plan: digest of the environment's plan when it was proposed; another plan withdraws it.
        result_tree: the tree after the edits.
        branch: our head branch (empty in direct mode).
        commit: our deterministic commit: (base, edits, message, date) give the same id on every machine.
        replaces: the tip of our branch that `commit` may overwrite, or None where the branch was absent.
        from_release, to_release: what the tree carries before and after.
        source: PROMOTE: the environment that passed the release (the first of `after`); REVERT: this environment.
        source_run: the run id that passed `to_release` there.
        source_ledger: the source's ledger entry that shows this pass.
        source_revision: the revision at which it passed.
        undone: REVERT: one line per commit undone.
        undone_by_people: how many of those are not ours.
        pull_request: its number once known.
        merged: the commit on the branch that brought it, once settled by a merge; None where content alone shows it.
        proposed_wall: seconds since the epoch; the commit's date.
        reason: why it was withdrawn or rejected, empty otherwise.
    """

    id: str
    kind: ChangeKind
    state: ChangeState
    base: CommitId
    base_tree: str
    plan: str
    result_tree: str
    branch: str
    commit: CommitId
    replaces: CommitId | None
    from_release: Release
    to_release: Release
    source: str
    source_run: str
    source_ledger: str
    source_revision: CommitId
    undone: tuple[str, ...]
    undone_by_people: int
    pull_request: int | None
    merged: CommitId | None
    proposed_wall: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class EnvironmentState:
    """Everything remembered of one environment: the content of `ledger.json`.

    Attributes:
        pipeline, environment: whose ledger this is; checked on every read.
        entry: number of this entry, 1 for the first.
        why: one line: which transition wrote it.
        run: the present or last run.
        last_pass: None before the first.
        previous_pass: the pass before `last_pass` whose tree differs, or None.
        failing_revalidations: in a row.
        rejected: newest last.
        change: the present or last change into this environment.
        hold, request: see there.
        delivered: `<source>/<run id>/<release digest>` of the last promotion that settled here: a pass is offered once,
            so a person who moves on from it is not pulled back.
        runs, changes: how many there have been; the next ids.
        scores: what later scores are compared with, newest last, at most 20.
    """

    pipeline: str
    environment: str
    entry: int = 0
    why: str = ""
    run: Run | None = None
    last_pass: Passed | None = None
    previous_pass: Passed | None = None
    failing_revalidations: int = 0
    rejected: tuple[Rejection, ...] = ()
    change: Change | None = None
    hold: Hold | None = None
    request: Request | None = None
    delivered: str = ""
    runs: int = 0
    changes: int = 0
    scores: tuple[ScoreRecord, ...] = field(default=(), metadata={"since": "0.2"})
