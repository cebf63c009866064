"""THE state machine: what to do about one environment, given everything that is known of it.

`gitslo.loop` observes, calls `decide`, and carries the one step out. Nothing else decides anything.

Invariants
    * `decide` is total: every observation gives a step. It is pure: equal observations give equal steps.
    * A step is at most one effect, and every effect has a natural key. After its own effect it is not asked for again.
    * Every ledger entry written here follows an edge of RUN_TABLE and CHANGE_TABLE; what is judged stays judged, and
      what is settled, withdrawn or rejected stays so. A new run or change has a new id.
    * Nothing is claimed, proposed, merged or reverted while the environment is held.
    * Only a pass promotes; only a fail reverts; missing data is neither.

MAINTAINER NOTE: the order of RULES is the behaviour. Each rule is one sentence of the specification; put a new one
where its sentence would stand, and add its edge to the table, from which the diagram in the documentation is made.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlencode

from gitslo.core.baselines import loads_of_pass
from gitslo.core.escape import quiet
from gitslo.core.judge import score_of
from gitslo.core.scoring import earlier_scores, remember
from gitslo.core.steps import (
    TRIED,
    Attempted,
    Attempting,
    CancelAttempt,
    ClosePullRequest,
    Comment,
    DeleteBranch,
    Draft,
    Interrupted,
    MergePullRequest,
    Observation,
    OpenPullRequest,
    Propose,
    PushChange,
    RunCommand,
    SetStatus,
    StartAttempt,
    Stay,
    Step,
    TellIssue,
    Write,
)
from gitslo.model import (
    Action,
    Cause,
    Change,
    ChangeKind,
    ChangeState,
    Claim,
    CommitId,
    EnvironmentState,
    Evidence,
    Hold,
    HoldCause,
    MergeMode,
    Outcome,
    Passed,
    Rejection,
    Release,
    RevertScope,
    Run,
    RunState,
    ScoreRecord,
    Seconds,
    Verdict,
    WriteMode,
)
from gitslo.model.pipeline import NewerCommit, OutcomeRule
from gitslo.ports import STATUS_LENGTH, PullRequestState, Status, StatusState, SyncState

__all__ = [
    "CHANGE_TABLE",
    "MOST_CUT_OFF",
    "RULES",
    "RUN_TABLE",
    "Edge",
    "change_key",
    "decide",
    "pass_key",
    "propose",
    "status_context",
]

MOST_CUT_OFF: Final = 3
"""How many attempts of one run may be cut off without a judged one between them; the last of them ends it in error."""


@dataclass(frozen=True, slots=True)
class Edge:
    """One permitted move of one of the two machines."""

    start: str
    event: str
    end: str


RUN_TABLE: Final = (
    Edge("none", "claim", "claimed"),
    Edge("claimed", "take over", "claimed"),
    Edge("claimed", "judge", "judged"),
    Edge("claimed", "give up", "judged"),
    Edge("claimed", "supersede", "superseded"),
    Edge("judged", "extend", "claimed"),
    Edge("judged", "claim", "claimed"),
    Edge("superseded", "claim", "claimed"),
)
"""The run: is what runs here good?"""

CHANGE_TABLE: Final = (
    Edge("none", "propose", "proposed"),
    Edge("proposed", "propose again", "proposed"),
    Edge("proposed", "settle", "settled"),
    Edge("proposed", "withdraw", "withdrawn"),
    Edge("proposed", "reject", "rejected"),
    Edge("settled", "propose", "proposed"),
    Edge("withdrawn", "propose", "proposed"),
    Edge("rejected", "propose", "proposed"),
)
"""The change into this environment: what should run here?"""


_NOW: Final = Seconds(0.0)


def decide(observation: Observation) -> Step:
    """The one step to take now."""
    for rule in RULES:
        step = rule(observation)
        if step is not None:
            return step
    return _stay(observation)


# --------------------------------------------------------------------------- keys


def pass_key(source: str, run: str, release_digest: str) -> str:
    """The natural key of one pass as a promotion candidate."""
    return f"{source}/{run}/{release_digest}"


def change_key(observation: Observation, change: Change) -> str:
    """The natural key of a change, kept in its pull request.

    With the moment of its first proposal: the numbers begin anew where a ledger was lost, the pull requests do not.
    """
    environment = observation.environment
    return f"{environment.pipeline}/{environment.name}/{change.id}/{int(change.proposed_wall)}"


def status_context(environment: str) -> str:
    """The context of every status that is about one environment."""
    return f"gitslo/{environment}"


# --------------------------------------------------------------------------- the ledger first


def _distrusted_ledger(o: Observation) -> Step | None:
    """A ledger that does not verify is a hold that only a person can lift; nothing may be built on it."""
    if o.ledger.problem and o.ledger.id is not None:
        return Stay(f"held: {o.ledger.problem}")
    if o.ledger.problem and o.ledger.state.hold is None:
        return _hold(o, o.ledger.problem)
    return None


# --------------------------------------------------------------------------- the run


def _end_attempt(o: Observation) -> Step | None:
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
    return _judge(o, run, o.local)


def _take_over(o: Observation) -> Step | None:
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


def _start_attempt(o: Observation) -> Step | None:
    """A claim that this process has just won is carried out."""
    run = o.ledger.state.run
    if run is None or run.claim is None or o.local is not None:
        return None
    if o.head.subject != run.subject:
        # Its load would be the one of another plan than the verdict would be about.
        return _supersede(o, run, "the branch moved before its load began")
    return StartAttempt(run.claim.nonce)


def _cancel_attempt(o: Observation) -> Step | None:
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
            outcome=_outcome(_rule(o, Verdict.ERROR, run.cause)),
            notes=(*run.notes, why),
        )
        return _write_run(o, "give up", replace(o.ledger.state, run=judged, hold=_held(o, why)), f"error: {why}")
    again = replace(cut, attempt=run.attempt + 1, claim=_claim(o))
    return _write_run(
        o,
        "take over",
        replace(o.ledger.state, run=again),
        f"run {run.id}: attempt {run.attempt} was cut off ({reason}); attempt {again.attempt} begins",
        claim=True,
    )


def _supersede(o: Observation, run: Run, reason: str) -> Step:
    gone = replace(run, state=RunState.SUPERSEDED, claim=None, cut_off=(*run.cut_off, run.attempt))
    return _write_run(
        o, "supersede", replace(o.ledger.state, run=gone), f"run {run.id} ends without a verdict: {reason}"
    )


def _judge(o: Observation, run: Run, done: Attempted) -> Step:
    """The attempt's evidence and verdict, and everything that follows from them at once, in one entry."""
    evidence = Evidence((*run.evidence.attempts, done.evidence))
    rule = _rule(o, done.verdict, run.cause)
    judged = replace(
        run,
        state=RunState.JUDGED,
        claim=None,
        takeovers=0,
        evidence=evidence,
        verdict=done.verdict,
        findings=done.findings,
        judged_wall=o.now.wall,
        outcome=_outcome(rule),
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
        state = replace(state, hold=_held(o, f"run {run.id} passed and the policy holds after a pass"))
    return _write_run(o, "judge", state, f"run {run.id} ({run.cause}): {done.verdict}")


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
    reason = f"run {run.id} ({run.cause}) failed: {_first_failure(run)}"
    if run.cause is Cause.REVALIDATION:
        failing = state.failing_revalidations + 1
        state = replace(state, failing_revalidations=failing)
        if failing < o.pipeline.revalidation.confirm:
            return state
        if state.last_pass is not None:
            state = replace(state, last_pass=replace(state.last_pass, withdrawn=True))
        goes_back = rule.action is Action.REVERT and state.previous_pass is not None
        return state if goes_back or rule.action is Action.NOTHING else replace(state, hold=_held(o, reason))
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
        return replace(state, hold=_held(o, f"{reason}; it is the tree that a revert brought back"))
    if rule.action is Action.REVERT or rule.action is Action.NOTHING:
        return state
    return replace(state, hold=_held(o, reason))


def _undecided(o: Observation, state: EnvironmentState, run: Run, rule: OutcomeRule) -> EnvironmentState:
    if rule.action is Action.EXTEND and run.extensions < rule.times:
        return state
    action = rule.then if rule.action is Action.EXTEND else rule.action
    if action is Action.NOTHING:
        return state
    return replace(state, hold=_held(o, f"run {run.id} ({run.cause}) ended {run.verdict}: {_first_failure(run)}"))


def _first_failure(run: Run) -> str:
    """The finding that says most about a verdict that is no pass."""
    telling = [f for f in run.findings if f.decides and f.verdict is not Verdict.PASS]
    telling.sort(key=lambda finding: finding.verdict is not Verdict.FAIL)
    if not telling:
        return run.notes[-1] if run.notes else "no finding"
    return telling[0].objective + (f": {telling[0].reason}" if telling[0].reason else "")


# --------------------------------------------------------------------------- the change


def _open_change(o: Observation) -> Change | None:
    change = o.ledger.state.change
    return change if change is not None and change.state is ChangeState.PROPOSED else None


def _wanted(o: Observation) -> Draft | None:
    """The change that should be made now, or None. A revert goes before a promotion; a problem is no change."""
    if o.ledger.state.hold is not None:
        return None
    if _revert_due(o):
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


def _revert_due(o: Observation) -> bool:
    """Only after a fail whose rule says revert, and only while the branch still has the failing tree.

    A person who asked for fresh evidence wants the tree judged again first, not taken away.
    """
    run = o.ledger.state.run
    if _fresh_asked(o):
        return False
    if run is None or run.verdict is not Verdict.FAIL or run.state is not RunState.JUDGED or run.confirming:
        return False
    if _rule(o, Verdict.FAIL, run.cause).action is not Action.REVERT:
        return False
    if run.cause is Cause.REVALIDATION and o.ledger.state.failing_revalidations < o.pipeline.revalidation.confirm:
        return False
    return o.head.subject.tree == run.subject.tree


def _fresh_asked(o: Observation) -> bool:
    request = o.ledger.state.request
    return request is not None and request.fresh and request.cause is Cause.MANUAL


def _settle(o: Observation) -> Step | None:
    """A change is settled when its content is on the branch, however it came there."""
    change = _open_change(o)
    if change is None:
        return None
    by_release = change.kind is ChangeKind.PROMOTE or o.pipeline.revert is RevertScope.RELEASE
    there = o.head.subject.tree == change.result_tree or (
        by_release and o.head.release.digest == change.to_release.digest
    )
    pull = o.proposal.pull_request
    merged = pull is not None and pull.state is PullRequestState.MERGED
    if not there and not merged:
        return None
    settled = replace(
        change,
        state=ChangeState.SETTLED,
        pull_request=pull.number if pull is not None else change.pull_request,
        merged=pull.merged if pull is not None else (change.commit if not change.branch else None),
    )
    state = replace(o.ledger.state, change=settled)
    if change.kind is ChangeKind.PROMOTE:
        key = pass_key(change.source, change.source_run, change.to_release.digest)
        state = replace(state, delivered=key)
    return _write_change(o, "settle", state, f"change {change.id} ({change.kind}) is on the branch")


def _rejected_by_person(o: Observation) -> Step | None:
    """A pull request closed unmerged by a person is a no: to the release, or to the revert."""
    change, pull = _open_change(o), o.proposal.pull_request
    if change is None or pull is None or pull.state is not PullRequestState.CLOSED or pull.closed_by_us:
        return None
    reason = f"pull request {pull.number} was closed unmerged by {pull.closed_by or 'a person'}"
    over = replace(change, state=ChangeState.REJECTED, pull_request=pull.number, reason=reason)
    state = replace(o.ledger.state, change=over)
    if change.kind is ChangeKind.PROMOTE:
        no = Rejection(tree=None, release=change.to_release.digest, plan=change.plan, run="", reason=reason)
        state = replace(state, rejected=(*state.rejected, no))
    else:
        state = replace(state, hold=_held(o, f"{reason}: the failing tree stays until a person mends it"))
    return _write_change(o, "reject", state, reason)


def _withdraw(o: Observation) -> Step | None:
    """An open change whose reason has gone is withdrawn. While held, open pull requests stay."""
    change = _open_change(o)
    if change is None or o.ledger.state.hold is not None:
        return None
    wanted = _wanted(o)
    if change.plan != o.head.subject.plan:
        reason = "the environment's plan changed"
    elif wanted is None or wanted.kind is not change.kind or wanted.to_release.digest != change.to_release.digest:
        reason = _why_gone(o, change)
    else:
        return None
    over = replace(change, state=ChangeState.WITHDRAWN, reason=reason)
    message = f"change {change.id} ({change.kind}) is withdrawn: {reason}"
    return _write_change(o, "withdraw", replace(o.ledger.state, change=over), message)


def _why_gone(o: Observation, change: Change) -> str:
    if change.kind is ChangeKind.REVERT:
        asked = "a person asked for fresh evidence of the tree that failed"
        return asked if _fresh_asked(o) else "the branch no longer has the tree that failed"
    if _revert_due(o):
        return "what runs here failed and goes back first"
    return o.waiting or f"{change.source} has passed another release"


def _propose_again(o: Observation) -> Step | None:
    """When the environment's tree (in direct mode: the branch) has moved, the edits are computed again.

    Also when the branch was rewritten: a merge would bring back what somebody has taken out of the history.
    """
    change, wanted = _open_change(o), _wanted(o)
    if change is None or wanted is None:
        return None
    direct = _direct(o, change.kind)
    moved = o.stranded or (change.base != wanted.base if direct else change.base_tree != wanted.base_tree)
    if not moved or _foreign(o, change):
        return None
    return Propose(wanted, change, o.proposal.tip, f"change {change.id} is computed again on {wanted.base[:10]}")


def _propose(o: Observation) -> Step | None:
    """A wanted change is recorded as an intent before anything of it is published."""
    wanted = _wanted(o)
    if wanted is None or _open_change(o) is not None:
        return None
    before = o.ledger.state.change
    if not _direct(o, wanted.kind) and o.proposal.tip is not None:
        ours = before is not None and o.proposal.tip in (before.commit, before.replaces)
        if not ours:
            return None  # somebody else's commit stands on our branch; `_stay` says so
    arrow = _arrow(wanted.from_release, wanted.to_release)
    return Propose(wanted, None, o.proposal.tip, f"{wanted.kind} {arrow}")


def _publish(o: Observation) -> Step | None:
    """An open change goes out: its commit, its pull request, its status, and the merge where the policy says so."""
    change = _open_change(o)
    if change is None or o.ledger.state.hold is not None:
        return None
    if _direct(o, change.kind):
        return None if _judging(o) else _tell_first(o) or PushChange(change, direct=True)
    if _foreign(o, change):
        return _foreign_commit(o, change)
    if o.proposal.tip != change.commit:
        return PushChange(change, direct=False)
    pull = o.proposal.pull_request
    opened = f"opened/{change.id}/{change.commit}"
    # Closed, and no person said no: its branch had gone for a while, and with it the pull request.
    if pull is None or pull.state is PullRequestState.CLOSED or opened not in o.told:
        return OpenPullRequest(change, opened)
    step = _status(o, change.commit, StatusState.SUCCESS, _permission(change), change.source, change.source_run)
    if step is not None:
        return step
    open_there = pull.state is PullRequestState.OPEN and pull.head_commit == change.commit
    if _merges(o, change) and open_there and not pull.blocked and not _judging(o):
        return _tell_first(o) or MergePullRequest(change, pull.number)
    return None


def _tell_first(o: Observation) -> Step | None:
    """Before something else is put there or judged there: the verdict on what ran, where people look for it.

    Tried once each: no revert waits for a forge that is down.
    """
    run = o.ledger.state.run
    if run is None or run.state is RunState.CLAIMED:
        return None
    for step in (_told_verdict(o, run), _issue(o)):
        if step is not None and f"{TRIED}{step.key}" not in o.told:
            return replace(step, once=True)
    return None


def _merges(o: Observation, change: Change) -> bool:
    """Whether it is for us to merge a change."""
    return o.environment.write.of(change.kind).merge is MergeMode.AUTO and change.undone_by_people <= 1


def _clear_up(o: Observation) -> Step | None:
    """What is left of a change that is over: its red status, its open pull request, our branch."""
    change, tip, pull = o.ledger.state.change, o.proposal.tip, o.proposal.pull_request
    if change is None or change.state is ChangeState.PROPOSED or not change.branch or tip is None:
        return None
    key = f"kept/{change.branch}/{tip}"
    if tip not in (change.commit, change.replaces) or key in o.told:
        return None
    if pull is not None and pull.state is PullRequestState.OPEN:
        reason = change.reason or "its content is on the branch already"
        step = _status(o, change.commit, StatusState.FAILURE, f"withdrawn: {reason}")
        return step or ClosePullRequest(pull.number, reason)
    return DeleteBranch(change.branch, tip, key)


def _foreign(o: Observation, change: Change) -> bool:
    """Whether somebody else has moved our branch."""
    return o.proposal.tip is not None and o.proposal.tip not in (change.commit, change.replaces)


def _foreign_commit(o: Observation, change: Change) -> Step | None:
    """A foreign commit on our branch: said once, and never merged by us."""
    pull, key = o.proposal.pull_request, f"foreign/{change.id}/{o.proposal.tip}"
    if pull is not None and pull.state is PullRequestState.OPEN and key not in o.told:
        return Comment(pull.number, "foreign", key)
    return None


def _direct(o: Observation, kind: ChangeKind) -> bool:
    return o.environment.write.of(kind).mode is WriteMode.DIRECT


def _judging(o: Observation) -> bool:
    """Whether a run is under way, which a merge of ours would cut off."""
    run = o.ledger.state.run
    return run is not None and run.state is RunState.CLAIMED


def propose(o: Observation, step: Propose, branch: str, commit: CommitId) -> Write:
    """The ledger entry of an intent, once its commit has been computed. Called by the loop, which has Git."""
    state, draft = o.ledger.state, step.draft
    number = str(state.changes + 1) if step.change is None else step.change.id
    change = Change(
        id=number,
        kind=draft.kind,
        state=ChangeState.PROPOSED,
        base=draft.base,
        base_tree=draft.base_tree,
        plan=o.head.subject.plan,
        result_tree=draft.result_tree,
        branch=branch,
        commit=commit,
        replaces=step.replaces if step.replaces != commit else None,
        from_release=draft.from_release,
        to_release=draft.to_release,
        source=draft.source,
        source_run=draft.source_run,
        source_ledger=draft.source_ledger,
        source_revision=draft.source_revision,
        undone=draft.undone,
        undone_by_people=draft.undone_by_people,
        pull_request=None if step.change is None else step.change.pull_request,
        merged=None,
        proposed_wall=float(int(o.now.wall)) if step.change is None else step.change.proposed_wall,
    )
    event = "propose" if step.change is None else "propose again"
    changes = state.changes + (1 if step.change is None else 0)
    return _write_change(o, event, replace(state, change=change, changes=changes), step.message)


# --------------------------------------------------------------------------- holds that the branch causes


def _rejected_again(o: Observation) -> Step | None:
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
            return _hold(o, f"{o.head.written_by} wrote a tree again that was rejected here: {no.reason}")
    return None


def _reverted_already(o: Observation) -> bool:
    """Whether our last change took just this tree away, and what it brought back has not come to run since."""
    change, subject = o.ledger.state.change, o.head.subject
    if change is None or change.kind is not ChangeKind.REVERT or change.state is not ChangeState.SETTLED:
        return False
    return _revert_due(o) and change.base_tree == subject.tree and change.plan == subject.plan


def _revert_impossible(o: Observation) -> Step | None:
    """A revert that is due and cannot be made is a hold that says why."""
    if o.ledger.state.hold is not None or not _revert_due(o):
        return None
    run = o.ledger.state.run
    failed = f"run {run.id} failed" if run is not None else "the run failed"
    if o.revert is None:
        return _hold(o, f"{failed} and there is no earlier pass to go back to")
    if o.revert.problem:
        return _hold(o, f"{failed} and cannot be reverted: {o.revert.problem}")
    return None


# --------------------------------------------------------------------------- claiming


def _claim_run(o: Observation) -> Step | None:
    """A run is claimed for what needs judging, once the syncer reports that it runs (or cannot)."""
    state, run = o.ledger.state, o.ledger.state.run
    if state.hold is not None or (run is not None and run.state is RunState.CLAIMED):
        return None
    new = _needed(o)
    if new is None:
        return None
    told = _tell_first(o) if run is not None and new.id != run.id else None
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
    message = f"run {new.id} ({new.cause}), attempt {new.attempt}, of {_short(new.release.images())}"
    return _write_run(o, event, replace(state, run=new, runs=count, request=None), message, claim=True)


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
            return _new_run(o, Cause.REVALIDATION, Evidence(), notes=()) if _due_in(o) == _NOW else None
        case Verdict.FAIL:
            confirm = 0 < state.failing_revalidations < o.pipeline.revalidation.confirm
            if run.cause is Cause.REVALIDATION and confirm:
                return _new_run(o, Cause.REVALIDATION, Evidence(), notes=("confirms a failing revalidation",))
            return None
        case Verdict.INCONCLUSIVE:
            rule = _rule(o, Verdict.INCONCLUSIVE, run.cause)
            if rule.action is not Action.EXTEND or run.extensions >= rule.times:
                return None
            return replace(
                run,
                state=RunState.CLAIMED,
                attempt=run.attempt + 1,
                extensions=run.extensions + 1,
                claim=_claim(o),
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
        claim=_claim(o),
        evidence=evidence,
        verdict=None,
        findings=(),
        judged_wall=None,
        outcome=Outcome.DONE,
        notes=(*o.head.plan_notes, *notes),
    )


def _due_in(o: Observation) -> Seconds | None:
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
    return Seconds(max(left, _NOW))


# --------------------------------------------------------------------------- telling


def _command(o: Observation) -> Step | None:
    """The operator's command that the outcome names runs once per judged run."""
    run = o.ledger.state.run
    if run is None or run.state is not RunState.JUDGED or run.outcome is Outcome.DONE or run.verdict is None:
        return None
    name = _rule(o, run.verdict, run.cause).run
    if name is not None and f"command/{run.id}/{run.attempt}" not in o.told:
        return RunCommand(name)
    told = replace(o.ledger.state, run=replace(run, outcome=Outcome.DONE))
    return Write(_entry(told, "told"), "told", f"run {run.id}: the operator's command has been told")


def _report(o: Observation) -> Step | None:
    """The verdict as a status on the commit it is about, and on the pull request that brought it."""
    state, run = o.ledger.state, o.ledger.state.run
    change = state.change
    if _open_change(o) is not None and change is not None and state.hold is not None and change.branch:
        step = _status(o, change.commit, StatusState.FAILURE, f"held: {state.hold.reason}")
        if step is not None:
            return step
    if run is None:
        return None
    step = _told_verdict(o, run)
    if step is not None or run.verdict is None or change is None:
        return step
    brought = change.state is ChangeState.SETTLED and change.pull_request is not None
    key = f"result/{change.id}/{run.id}/{run.attempt}"
    if brought and run.cause is not Cause.REVALIDATION and key not in o.told and _carries(change, run):
        return Comment(change.pull_request or 0, "result", key)
    return None


def _issue(o: Observation) -> TellIssue | None:
    """What needs a person and has no pull request of its own: one issue of the environment, closed by the next pass."""
    run, hold = o.ledger.state.run, o.ledger.state.hold
    judged = run is not None and run.verdict is not None
    needed = _needs_person(o)
    if not o.issues or needed is None or not (needed or judged):
        return None
    about = f"{run.id}/{run.attempt}" if run is not None and judged else "none"
    key = f"issue/{'open' if needed else 'closed'}/{about}/{hold.since_wall if hold is not None else ''}"
    return None if key in o.told else TellIssue(needed, key)


def _needs_person(o: Observation) -> bool | None:
    """None: it stays as it is. What a person holds is known to that person."""
    state, run = o.ledger.state, o.ledger.state.run
    if state.hold is not None:
        return True if state.hold.cause is HoldCause.VERDICT else None
    if run is None or run.verdict is None:
        return None
    if run.verdict is Verdict.FAIL and _rule(o, run.verdict, run.cause).action is Action.REVERT:
        return _direct(o, ChangeKind.REVERT) or None  # otherwise the revert's pull request tells it
    return False if run.verdict is Verdict.PASS else None


def _carries(change: Change, run: Run) -> bool:
    """Whether the run is about what the change brought."""
    return run.subject.tree == change.result_tree or (
        change.kind is ChangeKind.PROMOTE and run.release.digest == change.to_release.digest
    )


def _verdict_status(state: EnvironmentState, run: Run) -> tuple[StatusState, str]:
    if state.hold is not None:
        return StatusState.FAILURE, f"held: {state.hold.reason}"
    if run.verdict is None:
        word = "superseded" if run.state is RunState.SUPERSEDED else f"{run.cause} run, attempt {run.attempt}"
        return StatusState.PENDING, word
    states = {
        Verdict.PASS: StatusState.SUCCESS,
        Verdict.FAIL: StatusState.FAILURE,
        Verdict.INCONCLUSIVE: StatusState.PENDING,
        Verdict.ERROR: StatusState.ERROR,
    }
    detail = "" if run.verdict is Verdict.PASS else f": {_first_failure(run)}"
    return states[run.verdict], f"{run.verdict} ({run.cause} run {run.id}){detail}"


def _permission(change: Change) -> str:
    if change.kind is ChangeKind.REVERT:
        return f"restores what passed in run {change.source_run}"
    return f"{change.source} passed this release in run {change.source_run}"


def _told_verdict(o: Observation, run: Run) -> SetStatus | None:
    return _status(o, run.revision, *_verdict_status(o.ledger.state, run), o.environment.name, run.id)


def _status(
    o: Observation, commit: CommitId, state: StatusState, text: str, environment: str = "", run: str = ""
) -> SetStatus | None:
    """A status of this environment, unless it was told; `environment` and `run`: whose report it links to."""
    description = quiet(text)
    if len(description) > STATUS_LENGTH:
        description = description[: STATUS_LENGTH - 1] + "…"
    context = status_context(o.environment.name)
    key = f"status/{commit}/{context}/{state}/{description}"
    link = f"{o.reports}&{urlencode({'environment': environment, 'run': run})}" if o.reports and run else ""
    return None if key in o.told else SetStatus(Status(commit, context, state, description, link), key)


# --------------------------------------------------------------------------- otherwise


def _stay(o: Observation) -> Stay:
    state, run = o.ledger.state, o.ledger.state.run
    if isinstance(o.local, Attempting):
        return Stay("a run is under way", busy=True)
    if state.hold is not None:
        return Stay(f"held: {state.hold.reason}")
    change = _open_change(o)
    if change is not None:
        pull = o.proposal.pull_request
        what = f"pull request {pull.number}" if pull is not None else f"change {change.id}"
        what += f" ({change.kind} {_arrow(change.from_release, change.to_release)})"
        blocked = pull.blocked if pull is not None and _merges(o, change) and not _foreign(o, change) else ""
        return Stay(f"{what} is not merged yet: {blocked}" if blocked else f"{what} waits for a person's merge")
    if _wanted(o) is not None:
        return Stay("the branch for its pull request holds somebody else's commit; delete it to go on")
    wake = _due_in(o)
    verdict = f"{run.verdict} in run {run.id}" if run is not None and run.verdict is not None else "idle"
    return Stay(verdict + (f"; {o.waiting}" if o.waiting else ""), wake=wake)


# --------------------------------------------------------------------------- small pieces


def _rule(o: Observation, verdict: Verdict, cause: Cause) -> OutcomeRule:
    return o.pipeline.outcomes.of(verdict.value, cause)


def _outcome(rule: OutcomeRule) -> Outcome:
    return Outcome.PENDING if rule.run is not None else Outcome.DONE


def _claim(o: Observation) -> Claim:
    return Claim(o.instance, o.nonce, o.takeover_after)


def _held(o: Observation, reason: str) -> Hold:
    return Hold(HoldCause.VERDICT, reason, "gitslo", o.now.wall)


def _hold(o: Observation, reason: str) -> Write:
    return Write(_entry(replace(o.ledger.state, hold=_held(o, reason)), "hold"), "hold", f"held: {reason}")


def _short(images: tuple[str, ...]) -> str:
    return ", ".join(image.rsplit("/", 1)[-1] for image in images) or "its release"


def _arrow(before: Release, after: Release) -> str:
    return f"{_short(before.images())} -> {_short(after.images())}"


def _entry(state: EnvironmentState, why: str) -> EnvironmentState:
    return replace(state, entry=state.entry + 1, why=why)


def _write_run(o: Observation, event: str, state: EnvironmentState, message: str, *, claim: bool = False) -> Write:
    before, after = o.ledger.state.run, state.run
    _on_table(RUN_TABLE, before.state if before else "none", event, after.state if after else "none")
    return Write(_entry(state, event), event, message, claim)


def _write_change(o: Observation, event: str, state: EnvironmentState, message: str) -> Write:
    before, after = o.ledger.state.change, state.change
    _on_table(CHANGE_TABLE, before.state if before else "none", event, after.state if after else "none")
    return Write(_entry(state, event), event, message)


def _on_table(table: tuple[Edge, ...], start: str, event: str, end: str) -> None:
    if Edge(start, event, end) not in table:
        raise AssertionError(f"{start} --{event}--> {end} is not in the table")


RULES: Final[tuple[Callable[[Observation], Step | None], ...]] = (
    _distrusted_ledger,
    _end_attempt,
    _take_over,
    _start_attempt,
    _cancel_attempt,
    _command,
    _clear_up,
    _settle,
    _rejected_by_person,
    _rejected_again,
    _revert_impossible,
    _withdraw,
    _propose_again,
    _publish,
    _propose,
    _claim_run,
    _report,
    _issue,
)
"""In order; the first that has something to say decides."""
