"""The change as the ledger keeps it: proposed, proposed again, settled, withdrawn, rejected.

Called before claiming. What must stay true: an intent is written before anything of it is published; what is settled is
seen by content, however it came there.
"""

from __future__ import annotations

from dataclasses import replace

from gitslo.core.state.facts import (
    arrow_of,
    fresh_asked,
    is_direct,
    judging_now,
    merges,
    moved_by_others,
    open_change,
    pass_key,
    revert_due,
    wanted_change,
)
from gitslo.core.state.table import held, write_change
from gitslo.core.state.telling import tell_first
from gitslo.core.steps import (
    Draft,
    Observation,
    Propose,
    Step,
    Write,
)
from gitslo.model import (
    Change,
    ChangeKind,
    ChangeState,
    CommitId,
    Rejection,
    RevertScope,
)
from gitslo.ports import PullRequestState

__all__ = ["intent", "propose_again", "propose_new", "rejected_by_person", "settle", "withdraw"]


def settle(o: Observation) -> Step | None:
    """A change is settled when its content is on the branch, however it came there."""
    change = open_change(o)
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
    return write_change(o, "settle", state, f"change {change.id} ({change.kind}) is on the branch")


def rejected_by_person(o: Observation) -> Step | None:
    """A pull request closed unmerged by a person is a no: to the release, or to the revert."""
    change, pull = open_change(o), o.proposal.pull_request
    if change is None or pull is None or pull.state is not PullRequestState.CLOSED or pull.closed_by_us:
        return None
    reason = f"pull request {pull.number} was closed unmerged by {pull.closed_by or 'a person'}"
    over = replace(change, state=ChangeState.REJECTED, pull_request=pull.number, reason=reason)
    state = replace(o.ledger.state, change=over)
    if change.kind is ChangeKind.PROMOTE:
        no = Rejection(tree=None, release=change.to_release.digest, plan=change.plan, run="", reason=reason)
        state = replace(state, rejected=(*state.rejected, no))
    else:
        state = replace(state, hold=held(o, f"{reason}: the failing tree stays until a person mends it"))
    return write_change(o, "reject", state, reason)


def withdraw(o: Observation) -> Step | None:
    """An open change whose reason has gone is withdrawn. While held, open pull requests stay."""
    change = open_change(o)
    if change is None or o.ledger.state.hold is not None:
        return None
    wanted = wanted_change(o)
    if change.plan != o.head.subject.plan:
        reason = "the environment's plan changed"
    elif wanted is None or wanted.kind is not change.kind or wanted.to_release.digest != change.to_release.digest:
        reason = _why_gone(o, change)
    else:
        return None
    over = replace(change, state=ChangeState.WITHDRAWN, reason=reason)
    message = f"change {change.id} ({change.kind}) is withdrawn: {reason}"
    return write_change(o, "withdraw", replace(o.ledger.state, change=over), message)


def _why_gone(o: Observation, change: Change) -> str:
    if change.kind is ChangeKind.REVERT:
        asked = "a person asked for fresh evidence of the tree that failed"
        return asked if fresh_asked(o) else "the branch no longer has the tree that failed"
    if revert_due(o):
        return "what runs here failed and goes back first"
    return o.waiting or f"{change.source} has passed another release"


def propose_again(o: Observation) -> Step | None:
    """When the environment's tree (in direct mode: the branch) has moved, the edits are computed again.

    Also when the branch was rewritten: a merge would bring back what somebody has taken out of the history; and when
    the forge merges only what holds all that the branch holds.
    """
    change, wanted = open_change(o), wanted_change(o)
    if change is None or wanted is None:
        return None
    direct = is_direct(o, change.kind)
    moved = o.stranded or (change.base != wanted.base if direct else change.base_tree != wanted.base_tree)
    if not (moved or _outdated(o, change, wanted)) or moved_by_others(o, change):
        return None
    return _proposed(o, wanted, change, f"change {change.id} is computed again on {wanted.base[:10]}")


def _outdated(o: Observation, change: Change, wanted: Draft) -> bool:
    """Whether nothing but its age keeps us from merging: once for each move of the branch, and only to merge it."""
    pull = o.proposal.pull_request
    if pull is None or not pull.outdated or pull.head_commit != change.commit or change.base == wanted.base:
        return False
    return merges(o, change) and not judging_now(o)


def propose_new(o: Observation) -> Step | None:
    """A wanted change is recorded as an intent before anything of it is published."""
    wanted = wanted_change(o)
    if wanted is None or open_change(o) is not None:
        return None
    before = o.ledger.state.change
    if not is_direct(o, wanted.kind) and o.proposal.tip is not None:
        ours = before is not None and o.proposal.tip in (before.commit, before.replaces)
        if not ours:
            return None  # somebody else's commit stands on our branch; `rules` says so
    return _proposed(o, wanted, None, f"{wanted.kind} {arrow_of(wanted.from_release, wanted.to_release)}")


def _proposed(o: Observation, wanted: Draft, change: Change | None, message: str) -> Step | None:
    """The intent, once what it takes the place of is told; in direct mode it brings the change, so only when it may."""
    direct = is_direct(o, wanted.kind)
    if direct and judging_now(o):
        return None
    told = tell_first(o) if direct or change is None else None
    return told or Propose(wanted, change, o.proposal.tip, message, direct)


def intent(o: Observation, step: Propose, branch: str, commit: CommitId) -> Write:
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
    return write_change(o, event, replace(state, change=change, changes=changes), step.message)
