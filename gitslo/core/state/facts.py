"""What several rules ask of an observation: which change is open, which is wanted, what is due.

Called by the rules of `gitslo.core.state`, by the loop for natural keys. Pure questions: nothing here decides a step.
"""

from __future__ import annotations

from typing import Final

from gitslo.core.steps import (
    Draft,
    Observation,
)
from gitslo.model import (
    Action,
    Cause,
    Change,
    ChangeKind,
    ChangeState,
    MergeMode,
    Release,
    Run,
    RunState,
    Seconds,
    Verdict,
    WriteMode,
)
from gitslo.model.pipeline import OutcomeRule

__all__ = [
    "NOW",
    "arrow_of",
    "change_key",
    "due_in",
    "first_failure",
    "fresh_asked",
    "is_direct",
    "judging_now",
    "merges",
    "moved_by_others",
    "open_change",
    "pass_key",
    "revert_due",
    "rule_of",
    "short_of",
    "wanted_change",
]


def change_key(observation: Observation, change: Change) -> str:
    """The natural key of a change, kept in its pull request.

    With the moment of its first proposal: the numbers begin anew where a ledger was lost, the pull requests do not.
    """
    environment = observation.environment
    return f"{environment.pipeline}/{environment.name}/{change.id}/{int(change.proposed_wall)}"


def pass_key(source: str, run: str, release_digest: str) -> str:
    """The natural key of one pass as a promotion candidate."""
    return f"{source}/{run}/{release_digest}"


def open_change(o: Observation) -> Change | None:
    """The change that is proposed and not over, or None."""
    change = o.ledger.state.change
    return change if change is not None and change.state is ChangeState.PROPOSED else None


def wanted_change(o: Observation) -> Draft | None:
    """The change that should be made now, or None. A revert goes before a promotion; a problem is no change."""
    if o.ledger.state.hold is not None:
        return None
    if revert_due(o):
        return o.revert if o.revert is not None and not o.revert.problem and not o.revert.empty else None
    draft = o.promotion
    if draft is None or draft.empty or draft.problem:
        return None
    state = o.ledger.state
    if any(r.release == draft.to_release.digest and r.plan == o.head.subject.plan for r in state.rejected):
        return None
    if state.delivered == pass_key(draft.source, draft.source_run, draft.to_release.digest):
        return None
    return draft


def revert_due(o: Observation) -> bool:
    """Only after a fail whose rule says revert, and only while the branch still has the failing tree.

    A person who asked for fresh evidence wants the tree judged again first, not taken away.
    """
    run = o.ledger.state.run
    if fresh_asked(o):
        return False
    if run is None or run.verdict is not Verdict.FAIL or run.state is not RunState.JUDGED or run.confirming:
        return False
    if rule_of(o, Verdict.FAIL, run.cause).action is not Action.REVERT:
        return False
    if run.cause is Cause.REVALIDATION and o.ledger.state.failing_revalidations < o.pipeline.revalidation.confirm:
        return False
    return o.head.subject.tree == run.subject.tree


def fresh_asked(o: Observation) -> bool:
    """Whether a person has asked for this tree to be judged again on fresh evidence."""
    request = o.ledger.state.request
    return request is not None and request.fresh and request.cause is Cause.MANUAL


def merges(o: Observation, change: Change) -> bool:
    """Whether it is for us to merge a change."""
    return o.environment.write.of(change.kind).merge is MergeMode.AUTO and change.undone_by_people <= 1


def is_direct(o: Observation, kind: ChangeKind) -> bool:
    """Whether changes of a kind are pushed straight onto the watched branch."""
    return o.environment.write.of(kind).mode is WriteMode.DIRECT


def judging_now(o: Observation) -> bool:
    """Whether a run is under way, which a merge of ours would cut off."""
    run = o.ledger.state.run
    return run is not None and run.state is RunState.CLAIMED


def moved_by_others(o: Observation, change: Change) -> bool:
    """Whether somebody else has moved our branch."""
    return o.proposal.tip is not None and o.proposal.tip not in (change.commit, change.replaces)


def rule_of(o: Observation, verdict: Verdict, cause: Cause) -> OutcomeRule:
    """What the policy says of a verdict after a run of this cause."""
    return o.pipeline.outcomes.of(verdict.value, cause)


def first_failure(run: Run) -> str:
    """The finding that says most about a verdict that is no pass."""
    telling = [f for f in run.findings if f.decides and f.verdict is not Verdict.PASS]
    telling.sort(key=lambda finding: finding.verdict is not Verdict.FAIL)
    if not telling:
        return run.notes[-1] if run.notes else "no finding"
    return telling[0].objective + (f": {telling[0].reason}" if telling[0].reason else "")


def due_in(o: Observation) -> Seconds | None:
    """Seconds until the next revalidation; 0: now; None: never.

    A wall clock that jumps forward costs one early revalidation; one that jumps back costs none, because our own
    monotonic clock bounds the wait.
    """
    every, run = o.pipeline.revalidation.every, o.ledger.state.run
    passed = o.ledger.state.last_pass
    if every is None or run is None or run.judged_wall is None or run.verdict is not Verdict.PASS:
        return None
    if passed is None or passed.withdrawn:
        return None
    age = o.now.wall - run.judged_wall
    left = every - max(age, o.ledger.seen_for)
    return Seconds(max(left, NOW))


NOW: Final = Seconds(0.0)


def short_of(images: tuple[str, ...]) -> str:
    """Images without their registry and path, for one line."""
    return ", ".join(image.rsplit("/", 1)[-1] for image in images) or "its release"


def arrow_of(before: Release, after: Release) -> str:
    """From what to what, for one line."""
    return f"{short_of(before.images())} -> {short_of(after.images())}"
