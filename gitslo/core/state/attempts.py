"""The attempt under way: its end, its takeover, its start, and what cuts it off.

Called first of all rules but the one about a ledger that cannot be believed. What must stay true: an attempt that was
cut off leaves no evidence, and the third in a row is an error.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from gitslo.core.state.claiming import our_claim
from gitslo.core.state.facts import rule_of
from gitslo.core.state.judging import judge, outcome_of
from gitslo.core.state.table import held, write_run
from gitslo.core.steps import (
    Attempting,
    CancelAttempt,
    Interrupted,
    Observation,
    StartAttempt,
    Stay,
    Step,
)
from gitslo.model import (
    Run,
    RunState,
    Seconds,
    Verdict,
)
from gitslo.model.pipeline import NewerCommit
from gitslo.ports import SyncState

__all__ = ["MOST_CUT_OFF", "cancel_attempt", "end_attempt", "start_attempt", "take_over"]

MOST_CUT_OFF: Final = 3
"""How many attempts of one run may be cut off without a judged one between them; the last of them ends it in error."""


def end_attempt(o: Observation) -> Step | None:
    """What an attempt of ours ended in is written down, if it is still about what runs."""
    run = o.ledger.state.run
    if run is None or run.claim is None or o.local is None or isinstance(o.local, Attempting):
        return None
    if o.local.nonce != run.claim.nonce:
        return None
    if isinstance(o.local, Interrupted):
        return _cut_off(o, run, o.local.reason)
    running = o.run_sync or o.sync
    if running is None:
        return Stay("the syncer has not said whether the tree that was judged still runs", busy=True)
    moved = o.head.subject.tree != run.subject.tree
    same = running.state is SyncState.SYNCED and running.fingerprint == run.fingerprint
    if not same and moved:
        return _supersede(o, run, "something else came to run while it was judged")
    if not same and o.local.verdict is Verdict.PASS:
        return _cut_off(o, run, f"what runs changed during the attempt: {running.detail}")
    return judge(o, run, o.local)


def take_over(o: Observation) -> Step | None:
    """A claim whose holder is gone is taken over: at once by the same instance, by others after their patience."""
    run = o.ledger.state.run
    if run is None or run.claim is None or o.local is not None or run.claim.nonce in o.claimed_here:
        return None
    patience = run.claim.takeover_after - o.ledger.seen_for
    if run.claim.instance != o.instance and patience > 0:
        return Stay(f"{run.claim.instance} is judging it", wake=Seconds(patience), busy=True)
    if not o.room:
        return Stay("waiting for a free place among the concurrent runs", busy=True, queued=True)
    return _cut_off(o, run, f"its holder {run.claim.instance} went away")


def start_attempt(o: Observation) -> Step | None:
    """A claim that this process has just won is carried out."""
    run = o.ledger.state.run
    if run is None or run.claim is None or o.local is not None:
        return None
    if o.head.subject != run.subject:
        # Its load would be the one of another plan than the verdict would be about.
        return _supersede(o, run, "the branch moved before its load began")
    return StartAttempt(run.claim.nonce)


def cancel_attempt(o: Observation) -> Step | None:
    """An attempt is cut off when its claim or its tree is gone, or the policy lets a newer commit supersede it."""
    run = o.ledger.state.run
    if not isinstance(o.local, Attempting) or o.local.ending:
        return None
    if run is None or run.claim is None or run.claim.nonce != o.local.nonce:
        return CancelAttempt(o.local.nonce, "its claim is not ours any more")
    if o.head.subject == run.subject:
        return None
    if o.pipeline.newer_commit is NewerCommit.SUPERSEDE:
        return CancelAttempt(run.claim.nonce, "a newer commit supersedes it")
    if o.run_sync is not None and o.run_sync.state is SyncState.WAITING:
        return CancelAttempt(run.claim.nonce, "a newer commit has been deployed")
    return None


def _cut_off(o: Observation, run: Run, reason: str) -> Step:
    """An attempt is lost: superseded where its subject has gone, else repeated; the third time it is an error."""
    if o.head.subject != run.subject or o.ledger.state.hold is not None:
        return _supersede(o, run, reason)
    count = run.takeovers + 1
    cut = replace(run, takeovers=count, cut_off=(*run.cut_off, run.attempt))
    if count >= MOST_CUT_OFF:
        why = f"attempt {run.attempt} was cut off, the third in a row: {reason}"
        judged = replace(
            cut,
            state=RunState.JUDGED,
            claim=None,
            verdict=Verdict.ERROR,
            judged_wall=o.now.wall,
            outcome=outcome_of(rule_of(o, Verdict.ERROR, run.cause)),
            notes=(*run.notes, why),
        )
        return write_run(o, "give up", replace(o.ledger.state, run=judged, hold=held(o, why)), f"error: {why}")
    again = replace(cut, attempt=run.attempt + 1, claim=our_claim(o))
    return write_run(
        o,
        "take over",
        replace(o.ledger.state, run=again),
        f"run {run.id}: attempt {run.attempt} was cut off ({reason}); attempt {again.attempt} begins",
        claim=True,
    )


def _supersede(o: Observation, run: Run, reason: str) -> Step:
    gone = replace(run, state=RunState.SUPERSEDED, claim=None, cut_off=(*run.cut_off, run.attempt))
    return write_run(
        o, "supersede", replace(o.ledger.state, run=gone), f"run {run.id} ends without a verdict: {reason}"
    )
