"""Steps and problems as events for the observers: one place for the names and fields that are public surface.

Called by the controller. The names are documented in `docs/reference/events.md`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gitslo.core.steps import (
    CancelAttempt,
    ClosePullRequest,
    Comment,
    CommentOnCommit,
    MergePullRequest,
    Observation,
    OpenPullRequest,
    Propose,
    PushChange,
    RunCommand,
    Stay,
    Step,
    TellIssue,
    Write,
)
from gitslo.errors import Conflict, GitsloError, Refused, Retry
from gitslo.model import ChangeKind
from gitslo.ports import Event, RefUpdate

__all__ = ["describe", "of_lifted", "of_poll", "of_problem", "of_push", "of_remade", "of_stay"]

Fields = dict[str, str | int | float | bool | None]

NOUNS: Final = {ChangeKind.PROMOTE: "promotion", ChangeKind.REVERT: "revert"}

COMMENTS: Final = {
    "result": "the verdict is added to pull request {}",
    "foreign": "somebody else's commit is on the branch of pull request {}; it is not merged by us",
}

COMMIT_COMMENTS: Final = {
    "change": "what commit {} changes, and what it rests on, is said on it",
    "result": "the verdict is added to commit {}",
}

ISSUES: Final = {True: "its issue says that a person is needed", False: "its issue is closed"}

WRITE_EVENTS: Final = {
    "claim": "run.claimed",
    "extend": "run.claimed",
    "take over": "run.taken_over",
    "judge": "run.judged",
    "give up": "run.judged",
    "supersede": "run.superseded",
    "propose": "change.proposed",
    "propose again": "change.proposed",
    "settle": "change.settled",
    "withdraw": "change.withdrawn",
    "reject": "change.rejected",
    "hold": "hold.set",
}


def describe(o: Observation, step: Step) -> Event | None:  # noqa: C901 - one case per step
    """The event of a step that was carried out; None for those that nobody needs to hear of."""
    name = o.environment.name
    match step:
        case Write():
            event = WRITE_EVENTS.get(step.event)
            return Event(event, name, step.message, _fields(step)) if event is not None else None
        case Propose():
            return Event("change.proposed", name, step.message, {"kind": step.draft.kind.value, "state": "proposed"})
        case PushChange(change):
            where = "the branch" if step.direct else change.branch
            message = f"{NOUNS[change.kind]} published as {change.commit[:12]} on {where}"
            return Event("change.pushed", name, message, {"kind": change.kind.value, "commit": change.commit})
        case OpenPullRequest(change):
            message = f"the pull request of the {NOUNS[change.kind]} is open"
            return Event("change.pull_request", name, message, {"kind": change.kind.value})
        case MergePullRequest(change, number):
            message = f"pull request {number} is merged: {NOUNS[change.kind]}"
            return Event("change.merged", name, message, {"kind": change.kind.value, "pull_request": number})
        case ClosePullRequest(number, reason):
            return Event("change.closed", name, f"pull request {number} closed: {reason}", {"pull_request": number})
        case Comment(number, about):
            return Event("change.commented", name, COMMENTS[about].format(number), {"pull_request": number})
        case CommentOnCommit(commit, about):
            message = COMMIT_COMMENTS[about].format(commit[:12])
            return Event("change.commented", name, message, {"commit": commit})
        case TellIssue(needed):
            return Event("environment.issue", name, ISSUES[needed], {"open": needed})
        case RunCommand(command):
            return Event("run.command", name, f"the command {command} has been run", {"command": command})
        case CancelAttempt():
            return Event("run.cut_off", name, step.reason, {"reason": step.reason})
        case _:
            return None


def _fields(step: Write) -> Fields:
    run, change = step.state.run, step.state.change
    fields: Fields = {"held": step.state.hold is not None}
    if step.event in ("settle", "withdraw", "reject", "propose", "propose again") and change is not None:
        fields |= {"kind": change.kind.value, "state": change.state.value, "pull_request": change.pull_request}
        return fields
    if run is not None:
        fields |= {"run": run.id, "cause": run.cause.value, "attempt": run.attempt}
        fields["image"] = ", ".join(run.release.images())
        fields["verdict"] = run.verdict.value if run.verdict is not None else None
    if step.state.hold is not None:
        fields["reason"] = step.state.hold.reason
    return fields


def of_stay(environment: str, stay: Stay) -> Event:
    """Why an environment stays as it is."""
    held = stay.reason.startswith("held")
    name = "environment.held" if held else "environment.waiting"
    return Event(name, environment, stay.reason, {"held": held})


def of_problem(environment: str, error: GitsloError) -> Event:
    """An error, named by what it tells the loop to do."""
    match error:
        case Refused():
            name = "environment.refused" if environment else "error.refused"
        case Conflict():
            name = "error.conflict"
        case Retry():
            name = "error.retry" if environment else "poll.failed"
        case _:
            name = "error.unexpected"
    return Event(name, environment, str(error), {"kind": type(error).__name__, "reason": str(error)})


def of_push(updates: Sequence[RefUpdate], state: str) -> Event:
    """One push of ours; `state` is `done`, `conflict`, `refused` or `retry`."""
    refs = ", ".join(update.ref for update in updates)
    return Event("push.done", "", f"{refs}: {state}", {"state": state})


def of_lifted(environment: str) -> Event:
    """A person has lifted a hold."""
    return Event("hold.lifted", environment, "the hold is lifted", {"held": False})


def of_remade(times: int) -> Event:
    """The local clone was damaged, and was made again."""
    return Event("clone.remade", "", "the local clone was damaged; it was made again", {"times": times})


def of_poll(environments: int, steps: int, seconds: float) -> Event:
    """One poll is over."""
    message = f"{environments} environments, {steps} steps"
    return Event("poll.done", "", message, {"environments": environments, "steps": steps, "seconds": seconds})
