"""Holds that the ledger or the branch causes: a forged entry, a rejected tree that is written again, no way back."""

from __future__ import annotations

from gitslo.core.state.facts import revert_due
from gitslo.core.state.table import hold_for
from gitslo.core.steps import (
    Observation,
    Stay,
    Step,
)
from gitslo.model import (
    ChangeKind,
    ChangeState,
    RunState,
)

__all__ = ["distrusted_ledger", "rejected_again", "revert_impossible"]


def distrusted_ledger(o: Observation) -> Step | None:
    """A ledger that does not verify is a hold that only a person can lift; nothing may be built on it."""
    if o.ledger.problem and o.ledger.id is not None:
        return Stay(f"held: {o.ledger.problem}")
    if o.ledger.problem and o.ledger.state.hold is None:
        return hold_for(o, o.ledger.problem)
    return None


def rejected_again(o: Observation) -> Step | None:
    """A rejected tree that somebody writes again is not tested and not reverted a second time: held, by name."""
    state, run = o.ledger.state, o.ledger.state.run
    if state.hold is not None or (state.request is not None and state.request.fresh):
        return None
    if run is None or run.state is RunState.CLAIMED:
        return None
    if run.subject.tree == o.head.subject.tree and not _reverted_already(o):
        return None
    for no in state.rejected:
        if no.tree == o.head.subject.tree and no.plan == o.head.subject.plan:
            return hold_for(o, f"{o.head.written_by} wrote a tree again that was rejected here: {no.reason}")
    return None


def _reverted_already(o: Observation) -> bool:
    """Whether our last change took just this tree away, and what it brought back has not come to run since."""
    change, subject = o.ledger.state.change, o.head.subject
    if change is None or change.kind is not ChangeKind.REVERT or change.state is not ChangeState.SETTLED:
        return False
    return revert_due(o) and change.base_tree == subject.tree and change.plan == subject.plan


def revert_impossible(o: Observation) -> Step | None:
    """A revert that is due and cannot be made is a hold that says why."""
    if o.ledger.state.hold is not None or not revert_due(o):
        return None
    run = o.ledger.state.run
    failed = f"run {run.id} failed" if run is not None else "the run failed"
    if o.revert is None:
        return hold_for(o, f"{failed} and there is no earlier pass to go back to")
    if o.revert.problem:
        return hold_for(o, f"{failed} and cannot be reverted: {o.revert.problem}")
    return None
