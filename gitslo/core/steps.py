"""What `decide` is told and what it answers: the vocabulary of the state machine in `gitslo.core.state`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from gitslo.model import (
    AttemptEvidence,
    Change,
    ChangeKind,
    CommitId,
    Environment,
    EnvironmentState,
    Finding,
    Instant,
    Pipeline,
    Plan,
    Release,
    Seconds,
    Subject,
    Verdict,
)
from gitslo.ports import PullRequest, Status, SyncReport

__all__ = [
    "TRIED",
    "Attempted",
    "Attempting",
    "CancelAttempt",
    "ClosePullRequest",
    "Comment",
    "DeleteBranch",
    "Draft",
    "Head",
    "Interrupted",
    "LedgerView",
    "Local",
    "MergePullRequest",
    "Observation",
    "OpenPullRequest",
    "Proposal",
    "Propose",
    "PushChange",
    "RunCommand",
    "SetStatus",
    "Source",
    "StartAttempt",
    "Stay",
    "Step",
    "TellIssue",
    "Write",
]


# --------------------------------------------------------------------------- what is observed


@dataclass(frozen=True, slots=True)
class Head:
    """The environment as the branch has it now.

    Attributes:
        written_by: author of the newest commit that touched the environment's folder; repository text.
        plan_notes: what changed in the plan since the last pass, limits loosened among it; sentences for the report.
    """

    revision: CommitId
    subject: Subject
    plan: Plan
    release: Release
    written_by: str
    plan_notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LedgerView:
    """The environment's ledger.

    Attributes:
        id: the tip, None where there is none yet.
        state: the tip's content; an empty state where there is no ledger.
        seen_for: seconds on our own monotonic clock since we first saw this tip.
        problem: why the ledger cannot be believed (does not verify, is missing while the history carries our
            trailers), or empty.
    """

    id: CommitId | None
    state: EnvironmentState
    seen_for: Seconds
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """One environment that must have passed a release before it comes here; `ledger` None: it has no ledger."""

    environment: str
    ledger: CommitId | None
    state: EnvironmentState | None


@dataclass(frozen=True, slots=True)
class Draft:
    """A change as it would be written on the branch's present head.

    Attributes:
        problem: why it cannot be written (shared inputs changed, no earlier pass, ...), or empty.
        empty: the edits change nothing: the content is there already.
        other fields: as in Change.
    """

    kind: ChangeKind
    base: CommitId
    base_tree: str
    result_tree: str
    from_release: Release
    to_release: Release
    source: str
    source_run: str
    source_ledger: str
    source_revision: CommitId
    undone: tuple[str, ...] = ()
    undone_by_people: int = 0
    empty: bool = False
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Proposal:
    """What the remote and the forge show of our branch.

    Attributes:
        tip: where our head branch is, None where there is none.
        pull_request: the newest pull request that carries the change's key, or None.
    """

    tip: CommitId | None
    pull_request: PullRequest | None


@dataclass(frozen=True, slots=True)
class Attempting:
    """An attempt under this nonce is being carried out in this process; `ending`: it has been told to end."""

    nonce: str
    ending: bool = False


@dataclass(frozen=True, slots=True)
class Attempted:
    """An attempt under this nonce has ended in this process and waits to be judged."""

    nonce: str
    evidence: AttemptEvidence
    verdict: Verdict
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Interrupted:
    """An attempt under this nonce was cut off in this process and left no evidence."""

    nonce: str
    reason: str


Local = Attempting | Attempted | Interrupted
"""What this process knows of the run's attempt; nothing of it survives the process."""


@dataclass(frozen=True, slots=True)
class Observation:
    """Everything that one decision about one environment rests on.

    Attributes:
        instance: this daemon's stable name.
        nonce: fresh; used by a claim if one is decided.
        claimed_here: nonces of claims that this process has won and not carried out yet.
        local: what this process knows of the attempt under way, or None.
        sync: what the syncer says about the head's tree; None where it was not asked, because nothing depends on it.
        run_sync: what it says about the tree of the run under way, where that differs from the head's.
        takeover_after: seconds to promise in a claim.
        promotion, revert: the drafts that the sources and the ledger imply, or None where there is no candidate.
        waiting: why there is no promotion candidate, for people; empty where there is nothing to say.
        room: whether this process may start another attempt now.
        told: natural keys of the statuses and comments that this process has already made sure of.
        reports: the URL of reports, to which environment and run are added; empty where there is none.
        issues: whether the forge takes issues of ours.
        commit_comments: whether it keeps comments on commits.
        stranded: whether the open change's base is not in the branch's history any more: somebody has rewritten it.
    """

    environment: Environment
    pipeline: Pipeline
    instance: str
    nonce: str
    now: Instant
    head: Head
    ledger: LedgerView
    takeover_after: Seconds
    sync: SyncReport | None = None
    run_sync: SyncReport | None = None
    local: Local | None = None
    claimed_here: frozenset[str] = frozenset()
    promotion: Draft | None = None
    revert: Draft | None = None
    proposal: Proposal = field(default_factory=lambda: Proposal(None, None))
    waiting: str = ""
    told: frozenset[str] = frozenset()
    room: bool = True
    stranded: bool = False
    reports: str = ""
    issues: bool = False
    commit_comments: bool = False


# --------------------------------------------------------------------------- what is decided

TRIED: Final = "tried/"
"""Before the natural key of what was tried once: then it is in `Observation.told`, whatever came of it."""


@dataclass(frozen=True, slots=True)
class Stay:
    """Nothing to do; look again when something moves, or after `wake` seconds."""

    reason: str
    wake: Seconds | None = None
    busy: bool = False
    """Whether something of ours is under way (an attempt, a takeover's patience): `once` goes on waiting."""
    syncing: bool = False
    """Whether it is the syncer that is waited for."""
    queued: bool = False
    """Whether it waits for what others of this process take from as well: pushes, places among the concurrent runs."""


@dataclass(frozen=True, slots=True)
class Write:
    """Append `state` to the ledger.

    Attributes:
        event: a name of the transition tables, or of the rules beside them (`hold`, `told`).
        message: one line for people.
        claim: whether it claims an attempt, which is won only if a re-read shows our nonce.
    """

    state: EnvironmentState
    event: str
    message: str
    claim: bool = False


@dataclass(frozen=True, slots=True)
class StartAttempt:
    """Carry out the claimed attempt."""

    nonce: str


@dataclass(frozen=True, slots=True)
class CancelAttempt:
    """Cut the attempt under way off; it leaves no evidence."""

    nonce: str
    reason: str


@dataclass(frozen=True, slots=True)
class Propose:
    """Record the intent of a change in the ledger, its deterministic commit named.

    Where the remote is atomic, what is proposed goes out in the same push: onto our branch, or in direct mode onto the
    watched one.

    Attributes:
        change: None for a new one; the open change whose edits are computed again otherwise.
        direct: onto the watched branch.
    """

    draft: Draft
    change: Change | None
    replaces: CommitId | None
    message: str
    direct: bool


@dataclass(frozen=True, slots=True)
class PushChange:
    """Publish the change's commit: on our branch, or in direct mode on the watched branch."""

    change: Change
    direct: bool


@dataclass(frozen=True, slots=True)
class OpenPullRequest:
    """Open (or adopt and bring up to date) the change's pull request."""

    change: Change
    key: str


@dataclass(frozen=True, slots=True)
class MergePullRequest:
    """Merge, naming the expected head."""

    change: Change
    number: int


@dataclass(frozen=True, slots=True)
class ClosePullRequest:
    """Close without merging, with the reason as a comment."""

    number: int
    reason: str


@dataclass(frozen=True, slots=True)
class DeleteBranch:
    """Delete our head branch of a change that is over; a server that keeps branches is asked once per process."""

    branch: str
    tip: CommitId
    key: str


@dataclass(frozen=True, slots=True)
class SetStatus:
    """Set a commit status.

    Attributes:
        once: other steps wait for it: it is tried once, and they go on whatever came of it.
    """

    status: Status
    key: str
    once: bool = False


@dataclass(frozen=True, slots=True)
class Comment:
    """Say something on a pull request, once.

    Attributes:
        about: `result` (the run's verdict) or `foreign` (a foreign commit on our branch).
        once: as of SetStatus.
    """

    number: int
    about: str
    key: str
    once: bool = False


@dataclass(frozen=True, slots=True)
class CommentOnCommit:
    """Say something on the commit of a change that no pull request has brought, once.

    Attributes:
        about: `change` (what it is, and what it rests on) or `result` (the verdict on what it brought).
        once: as of SetStatus.
    """

    commit: CommitId
    about: str
    key: str
    once: bool = False


@dataclass(frozen=True, slots=True)
class TellIssue:
    """Open the environment's rolling issue or bring it up to date, or close it.

    Attributes:
        open: whether a person is needed.
        once: as of SetStatus.
    """

    open: bool
    key: str
    once: bool = False


@dataclass(frozen=True, slots=True)
class RunCommand:
    """Run the operator's command that the outcome names."""

    command: str


Step = (
    Stay
    | Write
    | StartAttempt
    | CancelAttempt
    | Propose
    | PushChange
    | OpenPullRequest
    | MergePullRequest
    | ClosePullRequest
    | DeleteBranch
    | SetStatus
    | Comment
    | CommentOnCommit
    | TellIssue
    | RunCommand
)
"""At most one effect."""
