"""The change as people see it: pushed, opened, merged, and cleared up when it is over.

What must stay true: somebody else's commit on our branch is never pushed over and never merged by us.
"""

from __future__ import annotations

from gitslo.core.state.facts import is_direct, judging_now, merges, moved_by_others, open_change
from gitslo.core.state.telling import permission_of, status_of, tell_first
from gitslo.core.steps import (
    ClosePullRequest,
    Comment,
    DeleteBranch,
    MergePullRequest,
    Observation,
    OpenPullRequest,
    PushChange,
    Step,
)
from gitslo.model import (
    Change,
    ChangeState,
)
from gitslo.ports import PullRequestState, StatusState

__all__ = ["clear_up", "publish"]


def publish(o: Observation) -> Step | None:
    """An open change goes out: its commit, its pull request, its status, and the merge where the policy says so."""
    change = open_change(o)
    if change is None or o.ledger.state.hold is not None:
        return None
    if is_direct(o, change.kind):
        return None if judging_now(o) else tell_first(o) or PushChange(change, direct=True)
    if moved_by_others(o, change):
        return _foreign_commit(o, change)
    if o.proposal.tip != change.commit:
        return PushChange(change, direct=False)
    pull = o.proposal.pull_request
    opened = f"opened/{change.id}/{change.commit}"
    # Closed, and no person said no: its branch had gone for a while, and with it the pull request.
    if pull is None or pull.state is PullRequestState.CLOSED or opened not in o.told:
        return OpenPullRequest(change, opened)
    step = status_of(o, change.commit, StatusState.SUCCESS, permission_of(change), change.source, change.source_run)
    if step is not None:
        return step
    open_there = pull.state is PullRequestState.OPEN and pull.head_commit == change.commit
    if merges(o, change) and open_there and not pull.blocked and not judging_now(o):
        return tell_first(o) or MergePullRequest(change, pull.number)
    return None


def clear_up(o: Observation) -> Step | None:
    """What is left of a change that is over: its red status, its open pull request, our branch."""
    change, tip, pull = o.ledger.state.change, o.proposal.tip, o.proposal.pull_request
    if change is None or change.state is ChangeState.PROPOSED or not change.branch or tip is None:
        return None
    key = f"kept/{change.branch}/{tip}"
    if tip not in (change.commit, change.replaces) or key in o.told:
        return None
    if pull is not None and pull.state is PullRequestState.OPEN:
        reason = change.reason or "its content is on the branch already"
        step = status_of(o, change.commit, StatusState.FAILURE, f"withdrawn: {reason}")
        return step or ClosePullRequest(pull.number, reason)
    return DeleteBranch(change.branch, tip, key)


def _foreign_commit(o: Observation, change: Change) -> Step | None:
    """A foreign commit on our branch: said once, and never merged by us."""
    pull, key = o.proposal.pull_request, f"foreign/{change.id}/{o.proposal.tip}"
    if pull is not None and pull.state is PullRequestState.OPEN and key not in o.told:
        return Comment(pull.number, "foreign", key)
    return None
