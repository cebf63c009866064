"""Where every environment stands, as a document and as text: for `once`, `status` and `demo`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypedDict

from gitslo.loop.ledgers import LedgerTip
from gitslo.loop.sight import Sight
from gitslo.model import ChangeState, EnvironmentState, RunState, Verdict

__all__ = ["COLUMNS", "EnvironmentDocument", "StandingDocument", "of_sight", "unread", "verdict_of", "words"]


class EnvironmentDocument(TypedDict):
    """One environment in the JSON of `status`, `once` and `demo`."""

    image: str | None
    tree: str | None
    verdict: str | None
    held: bool
    reason: str | None
    run: str | None
    cause: str | None
    change: str | None
    problem: str | None


class StandingDocument(TypedDict):
    """All environments of one repository."""

    repository: str
    revision: str
    environments: dict[str, EnvironmentDocument]
    problems: list[str]


def verdict_of(state: EnvironmentState) -> str | None:
    """The verdict on what runs: that of the last run; `fail` once a pass has been withdrawn."""
    run = state.run
    if run is None or run.verdict is None:
        return None
    if state.last_pass is not None and state.last_pass.withdrawn and state.last_pass.subject == run.subject:
        return Verdict.FAIL.value
    return run.verdict.value


def of_sight(sight: Sight, name: str, problems: Mapping[str, str], stays: Mapping[str, str]) -> StandingDocument:
    """Read every ledger.

    Args:
        name: the repository's.
        problems: environment -> what is wrong with it (`` for the repository itself).
        stays: environment -> what it waits for.
    """
    environments = {}
    for environment in sight.environments:
        tip, stay = sight.ledger(environment.name), stays.get(environment.name)
        environments[environment.name] = _one(tip, problems.get(environment.name), stay)
    general = [text for key, text in problems.items() if not key]
    if sight.pipeline_problem is not None:
        general.append(str(sight.pipeline_problem))
    return StandingDocument(repository=name, revision=sight.revision, environments=environments, problems=general)


def _one(tip: LedgerTip, problem: str | None, stay: str | None) -> EnvironmentDocument:
    state = tip.state
    run, change = state.run, state.change
    held = state.hold.reason if state.hold is not None else tip.problem
    return EnvironmentDocument(
        image=", ".join(run.release.images()) if run is not None else None,
        tree=run.subject.tree if run is not None else None,
        verdict=verdict_of(state),
        held=bool(held),
        reason=held or stay or _under_way(state),
        run=run.id if run is not None else None,
        cause=run.cause.value if run is not None else None,
        change=f"{change.kind} {change.state}" if change is not None else None,
        problem=problem,
    )


def unread(name: str, problem: str) -> StandingDocument:
    """A repository of several that could not be read at all."""
    return StandingDocument(repository=name, revision="", environments={}, problems=[f"{name}: {problem}"])


def _under_way(state: EnvironmentState) -> str | None:
    """What a ledger alone shows to be going on, for a reader who is no daemon."""
    run, change = state.run, state.change
    if run is not None and run.state is RunState.CLAIMED:
        return f"run {run.id} ({run.cause}), attempt {run.attempt}, is under way"
    if change is not None and change.state is ChangeState.PROPOSED:
        what = ", ".join(change.to_release.images())
        return f"{change.kind} to {what} is proposed" + (f" on {change.branch}" if change.branch else "")
    return None


COLUMNS = ("environment", "image", "verdict", "held", "what it waits for")
"""Headings of `words`."""


def words(documents: Sequence[StandingDocument]) -> Iterable[tuple[str, ...]]:
    """Rows for a table; environments are named with their repository where there are several."""
    for document in documents:
        before = f"{document['repository']}: " if len(documents) > 1 else ""
        for name, entry in document["environments"].items():
            yield (
                before + name,
                entry["image"] or "not judged yet",
                entry["verdict"] or "-",
                "held" if entry["held"] else "",
                entry["problem"] or entry["reason"] or "",
            )
