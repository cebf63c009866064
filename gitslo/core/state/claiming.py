"""Claiming a run: what needs judging now, on which evidence, and whether the syncer shows it.

Called after every rule about changes: what goes back or comes in is not judged first. What must stay true: nothing is
claimed while the environment is held, and no load begins for what does not run.
"""

from __future__ import annotations

from dataclasses import replace

from gitslo.core.state.facts import NOW, due_in, rule_of, short_of
from gitslo.core.state.table import write_run
from gitslo.core.state.telling import tell_first
from gitslo.core.steps import (
    Observation,
    Stay,
    Step,
)
from gitslo.model import (
    Action,
    Cause,
    ChangeKind,
    ChangeState,
    Claim,
    Evidence,
    Outcome,
    Run,
    RunState,
    Verdict,
)
from gitslo.ports import SyncState

__all__ = ["claim_run", "our_claim"]


def claim_run(o: Observation) -> Step | None:
    """A run is claimed for what needs judging, once the syncer reports that it runs (or cannot)."""
    state, run = o.ledger.state, o.ledger.state.run
    if state.hold is not None or (run is not None and run.state is RunState.CLAIMED):
        return None
    new = _needed(o)
    if new is None:
        return None
    told = tell_first(o) if run is not None and new.id != run.id else None
    if told is not None:
        return told
    if o.sync is None:
        return Stay("the syncer has not been asked yet", syncing=True)
    if o.sync.state is SyncState.WAITING:
        return Stay(f"waiting for the sync: {o.sync.detail}", syncing=True)
    if not o.room:
        return Stay("waiting for a free place among the concurrent runs", busy=True, queued=True)
    extended = run is not None and new.id == run.id
    if extended and new.fingerprint != o.sync.fingerprint:
        new = _new_run(o, Cause.SYNC, Evidence(), notes=("the same tree runs with another fingerprint",))
    new = replace(new, fingerprint=o.sync.fingerprint)
    count = state.runs if run is not None and new.id == run.id else state.runs + 1
    event = "extend" if run is not None and new.id == run.id else "claim"
    message = f"run {new.id} ({new.cause}), attempt {new.attempt}, of {short_of(new.release.images())}"
    return write_run(o, event, replace(state, run=new, runs=count, request=None), message, claim=True)


def _needed(o: Observation) -> Run | None:
    """The run that should be claimed now, or None."""
    state, run, subject = o.ledger.state, o.ledger.state.run, o.head.subject
    again = run is not None and run.subject == subject
    if state.request is not None and again:
        evidence = run.evidence if run is not None and not state.request.fresh else Evidence()
        by = f"asked for by {state.request.by}" + (", on fresh evidence" if state.request.fresh else "")
        keep = evidence if state.request.cause is Cause.MANUAL else Evidence()
        return _new_run(o, state.request.cause, keep, notes=(by,))
    if not again or run is None or run.state is RunState.SUPERSEDED:
        return _new_run(o, Cause.SYNC, Evidence(), notes=())
    if run.state is not RunState.JUDGED:
        return None
    match run.verdict:
        case Verdict.PASS:
            if o.sync is not None and o.sync.state is SyncState.SYNCED and o.sync.fingerprint != run.fingerprint:
                return _new_run(o, Cause.SYNC, Evidence(), notes=("the same tree runs with another fingerprint",))
            return _new_run(o, Cause.REVALIDATION, Evidence(), notes=()) if due_in(o) == NOW else None
        case Verdict.FAIL:
            confirm = 0 < state.failing_revalidations < o.pipeline.revalidation.confirm
            if run.cause is Cause.REVALIDATION and confirm:
                return _new_run(o, Cause.REVALIDATION, Evidence(), notes=("confirms a failing revalidation",))
            return None
        case Verdict.INCONCLUSIVE:
            rule = rule_of(o, Verdict.INCONCLUSIVE, run.cause)
            if rule.action is not Action.EXTEND or run.extensions >= rule.times:
                return None
            return replace(
                run,
                state=RunState.CLAIMED,
                attempt=run.attempt + 1,
                extensions=run.extensions + 1,
                claim=our_claim(o),
                verdict=None,
                findings=(),
                judged_wall=None,
            )
        case _:
            return None


def _new_run(o: Observation, cause: Cause, evidence: Evidence, notes: tuple[str, ...]) -> Run:
    state = o.ledger.state
    back = state.change
    confirming = (
        cause is not Cause.REVALIDATION
        and back is not None
        and back.kind is ChangeKind.REVERT
        and back.state is ChangeState.SETTLED
        and back.result_tree == o.head.subject.tree
        and state.last_pass is not None
        and state.last_pass.subject.tree == o.head.subject.tree
    )
    return Run(
        id=str(state.runs + 1),
        cause=cause,
        subject=o.head.subject,
        revision=o.head.revision,
        release=o.head.release,
        fingerprint="",
        confirming=confirming,
        state=RunState.CLAIMED,
        attempt=max((attempt.attempt for attempt in evidence.attempts), default=0) + 1,
        extensions=0,
        takeovers=0,
        cut_off=(),
        claim=our_claim(o),
        evidence=evidence,
        verdict=None,
        findings=(),
        judged_wall=None,
        outcome=Outcome.DONE,
        notes=(*o.head.plan_notes, *notes),
    )


def our_claim(o: Observation) -> Claim:
    """The claim that this process would hold."""
    return Claim(o.instance, o.nonce, o.takeover_after)
