"""What an attempt's verdict does at once, in the same ledger entry: the pass, the rejection, the hold, the scores.

Called by `attempts` when an attempt has ended. What must stay true: only a pass becomes a pass, only a fail rejects.
"""

from __future__ import annotations

from dataclasses import replace

from gitslo.core.baselines import loads_of_pass
from gitslo.core.judge import score_of
from gitslo.core.scoring import earlier_scores, remember
from gitslo.core.state.facts import first_failure, rule_of
from gitslo.core.state.table import held, write_run
from gitslo.core.steps import (
    Attempted,
    Observation,
    Step,
)
from gitslo.model import (
    Action,
    Cause,
    EnvironmentState,
    Evidence,
    Outcome,
    Passed,
    Rejection,
    Run,
    RunState,
    ScoreRecord,
    Verdict,
)
from gitslo.model.pipeline import OutcomeRule

__all__ = ["judge", "outcome_of"]


def judge(o: Observation, run: Run, done: Attempted) -> Step:
    """The attempt's evidence and verdict, and everything that follows from them at once, in one entry."""
    evidence = Evidence((*run.evidence.attempts, done.evidence))
    rule = rule_of(o, done.verdict, run.cause)
    judged = replace(
        run,
        state=RunState.JUDGED,
        claim=None,
        takeovers=0,
        evidence=evidence,
        verdict=done.verdict,
        findings=done.findings,
        judged_wall=o.now.wall,
        outcome=outcome_of(rule),
    )
    state = replace(o.ledger.state, run=judged, scores=_scores(o, judged))
    match done.verdict:
        case Verdict.PASS:
            state = _passed(o, state, judged, rule)
        case Verdict.FAIL:
            state = _failed(o, state, judged, rule)
        case Verdict.INCONCLUSIVE | Verdict.ERROR:
            state = _undecided(o, state, judged, rule)
    if rule.action is Action.HOLD and done.verdict is Verdict.PASS:
        state = replace(state, hold=held(o, f"run {run.id} passed and the policy holds after a pass"))
    return write_run(o, "judge", state, f"run {run.id} ({run.cause}): {done.verdict}")


def _scores(o: Observation, run: Run) -> tuple[ScoreRecord, ...]:
    """With this run's score, if it has one that later ones may be relative to."""
    scores = o.ledger.state.scores
    attempts = run.evidence.attempts
    if o.head.subject.plan != run.subject.plan or not attempts or attempts[-1].not_ready is not None:
        return scores
    found = score_of(o.head.plan, attempts, earlier_scores(scores, run.id))
    return scores if found is None else remember(scores, found.record(run.id))


def _passed(o: Observation, state: EnvironmentState, run: Run, rule: OutcomeRule) -> EnvironmentState:
    earlier = state.last_pass
    limits = o.head.plan.limits() if o.head.subject.plan == run.subject.plan else ()
    state = replace(
        state,
        failing_revalidations=0,
        rejected=tuple(r for r in state.rejected if r.tree != run.subject.tree and r.release != run.release.digest),
    )
    if run.cause is Cause.REVALIDATION and earlier is not None and earlier.subject == run.subject:
        return state
    if run.confirming and earlier is not None:
        confirmed = replace(earlier, subject=run.subject, fingerprint=run.fingerprint, limits=limits, withdrawn=False)
        return replace(state, last_pass=confirmed)
    passed = Passed(
        run=run.id,
        revision=run.revision,
        subject=run.subject,
        release=run.release,
        fingerprint=run.fingerprint,
        withdrawn=False,
        limits=limits,
        loads=loads_of_pass(o.head.plan, run.evidence) if o.head.subject.plan == run.subject.plan else (),
        promotes=rule.action is not Action.NOTHING,
    )
    different = earlier is not None and earlier.subject.tree != run.subject.tree and not earlier.withdrawn
    return replace(state, last_pass=passed, previous_pass=earlier if different else state.previous_pass)


def _failed(o: Observation, state: EnvironmentState, run: Run, rule: OutcomeRule) -> EnvironmentState:
    reason = f"run {run.id} ({run.cause}) failed: {first_failure(run)}"
    if run.cause is Cause.REVALIDATION:
        failing = state.failing_revalidations + 1
        state = replace(state, failing_revalidations=failing)
        if failing < o.pipeline.revalidation.confirm:
            return state
        if state.last_pass is not None:
            state = replace(state, last_pass=replace(state.last_pass, withdrawn=True))
        goes_back = rule.action is Action.REVERT and state.previous_pass is not None
        return state if goes_back or rule.action is Action.NOTHING else replace(state, hold=held(o, reason))
    passing = state.last_pass
    rejection = Rejection(
        tree=run.subject.tree,
        release=None if passing is not None and passing.release.digest == run.release.digest else run.release.digest,
        plan=run.subject.plan,
        run=run.id,
        reason=reason,
    )
    state = replace(state, rejected=(*state.rejected, rejection))
    if run.confirming:
        return replace(state, hold=held(o, f"{reason}; it is the tree that a revert brought back"))
    if rule.action is Action.REVERT or rule.action is Action.NOTHING:
        return state
    return replace(state, hold=held(o, reason))


def _undecided(o: Observation, state: EnvironmentState, run: Run, rule: OutcomeRule) -> EnvironmentState:
    if rule.action is Action.EXTEND and run.extensions < rule.times:
        return state
    action = rule.then if rule.action is Action.EXTEND else rule.action
    if action is Action.NOTHING:
        return state
    return replace(state, hold=held(o, f"run {run.id} ({run.cause}) ended {run.verdict}: {first_failure(run)}"))


def outcome_of(rule: OutcomeRule) -> Outcome:
    """Whether a command of the operator remains to be run."""
    return Outcome.PENDING if rule.run is not None else Outcome.DONE
