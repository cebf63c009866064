"""What is told of a verdict: the operator's command, statuses, comments, the environment's rolling issue.

Called last; what must be told before something else takes its place is asked for by `publishing` and `claiming`. What
must stay true: everything told has a natural key and is told once; no revert waits for a forge that is down.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import urlencode

from gitslo.core.escape import quiet
from gitslo.core.state.facts import first_failure, is_direct, open_change, rule_of
from gitslo.core.state.table import next_entry
from gitslo.core.steps import (
    TRIED,
    Comment,
    CommentOnCommit,
    Observation,
    RunCommand,
    SetStatus,
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
    CommitId,
    EnvironmentState,
    HoldCause,
    Outcome,
    Run,
    RunState,
    Verdict,
)
from gitslo.ports import STATUS_LENGTH, Status, StatusState

__all__ = [
    "issue",
    "permission_of",
    "report",
    "report_link",
    "run_command",
    "status_context",
    "status_of",
    "tell_first",
]


def status_context(environment: str) -> str:
    """The context of every status that is about one environment."""
    return f"gitslo/{environment}"


def run_command(o: Observation) -> Step | None:
    """The operator's command that the outcome names runs once per judged run."""
    run = o.ledger.state.run
    if run is None or run.state is not RunState.JUDGED or run.outcome is Outcome.DONE or run.verdict is None:
        return None
    name = rule_of(o, run.verdict, run.cause).run
    if name is not None and f"command/{run.id}/{run.attempt}" not in o.told:
        return RunCommand(name)
    told = replace(o.ledger.state, run=replace(run, outcome=Outcome.DONE))
    return Write(next_entry(told, "told"), "told", f"run {run.id}: the operator's command has been told")


def report(o: Observation) -> Step | None:
    """The verdict as a status on the commit it is about, and on what brought it: the pull request, or its commit."""
    state, run = o.ledger.state, o.ledger.state.run
    change = state.change
    if open_change(o) is not None and change is not None and state.hold is not None and change.branch:
        step = status_of(o, change.commit, StatusState.FAILURE, f"held: {state.hold.reason}")
        if step is not None:
            return step
    if run is None:
        return None
    return _told_verdict(o, run) or _on_pull_request(o, run) or next(_on_commit(o), None)


def _on_pull_request(o: Observation, run: Run) -> Comment | None:
    """The verdict on the pull request that brought what was judged."""
    change = o.ledger.state.change
    if change is None or not change.branch or change.pull_request is None:
        return None
    key = _result_key(change, run)
    return Comment(change.pull_request, "result", key) if key and key not in o.told else None


def _result_key(change: Change, run: Run) -> str:
    """The natural key of a verdict on what a change has brought; empty where the run is about something else."""
    if change.state is not ChangeState.SETTLED or run.verdict is None or run.cause is Cause.REVALIDATION:
        return ""
    return f"result/{change.id}/{run.id}/{run.attempt}" if _carries(change, run) else ""


def _on_commit(o: Observation) -> Iterator[CommentOnCommit]:
    """What a pull request says of a change, on the commit of one that had none, as far as it was not told."""
    change, run = o.ledger.state.change, o.ledger.state.run
    if not o.commit_comments or change is None or change.branch or change.state is not ChangeState.SETTLED:
        return
    keys = [("change", f"change/{change.id}/{change.commit}"), ("result", _result_key(change, run) if run else "")]
    for about, key in keys:
        if key and key not in o.told:
            yield CommentOnCommit(change.commit, about, key)


def issue(o: Observation) -> TellIssue | None:
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
    if run.verdict is Verdict.FAIL and rule_of(o, run.verdict, run.cause).action is Action.REVERT:
        return is_direct(o, ChangeKind.REVERT) or None  # otherwise the revert's pull request tells it
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
    detail = "" if run.verdict is Verdict.PASS else f": {first_failure(run)}"
    return states[run.verdict], f"{run.verdict} ({run.cause} run {run.id}){detail}"


def permission_of(change: Change) -> str:
    """Why a change may be merged, in one line."""
    if change.kind is ChangeKind.REVERT:
        return f"restores what passed in run {change.source_run}"
    return f"{change.source} passed this release in run {change.source_run}"


def _told_verdict(o: Observation, run: Run) -> SetStatus | None:
    return status_of(o, run.revision, *_verdict_status(o.ledger.state, run), o.environment.name, run.id)


def report_link(o: Observation, environment: str, run: str) -> str:
    """The address of a run's report; empty where this daemon has none."""
    return f"{o.reports}&{urlencode({'environment': environment, 'run': run})}" if o.reports else ""


def status_of(
    o: Observation, commit: CommitId, state: StatusState, text: str, environment: str = "", run: str = ""
) -> SetStatus | None:
    """A status of this environment, unless it was told; `environment` and `run`: whose report it links to."""
    description = quiet(text)
    if len(description) > STATUS_LENGTH:
        description = description[: STATUS_LENGTH - 1] + "…"
    context = status_context(o.environment.name)
    key = f"status/{commit}/{context}/{state}/{description}"
    link = report_link(o, environment, run) if run else ""
    return None if key in o.told else SetStatus(Status(commit, context, state, description, link), key)


def tell_first(o: Observation) -> Step | None:
    """Before something else is proposed, put or judged there: the verdict on what ran, where people look for it.

    Tried once each: no revert waits for a forge that is down.
    """
    run = o.ledger.state.run
    if run is None or run.state is RunState.CLAIMED:
        return None
    for step in (_told_verdict(o, run), issue(o), _on_pull_request(o, run), *_on_commit(o)):
        if step is not None and f"{TRIED}{step.key}" not in o.told:
            return replace(step, once=True)
    return None
