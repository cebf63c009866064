"""Earlier entries of a ledger: for people, and for objectives that are relative to a pinned revision.

Called by the command line and, before an attempt, by the controller: no step that is decided reads more than the tip.
"""

from __future__ import annotations

from dataclasses import dataclass

from gitslo.core.baselines import earlier_pass
from gitslo.errors import Problem, Refused
from gitslo.loop.sight import Sight
from gitslo.model import Baseline, BaselineForm, CommitId, EnvironmentState, Passed, Run

__all__ = ["Entry", "entries", "find_pass", "find_run"]

DEEPEST = 1_000
"""How many entries are searched for a run."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One ledger entry; `message` is the line it was written with."""

    id: CommitId
    wall: float
    message: str
    state: EnvironmentState


def entries(sight: Sight, environment: str, most: int) -> tuple[Entry, ...]:
    """The newest entries, newest first.

    Raises:
        Refused: one of them does not verify.
    """
    tip = sight.ledger(environment)
    if tip.id is None:
        return ()
    assert sight.pipeline is not None  # noqa: S101 - environments come from a pipeline
    found = []
    for commit in sight.repository.history(tip.id, None, (), most):
        entry = sight.ledgers.read(sight.pipeline.name, environment, commit.id)
        if entry.problem:
            raise Refused(entry.problem)
        found.append(Entry(commit.id, commit.wall, commit.subject, entry.state))
    return tuple(found)


def find_pass(sight: Sight, environment: str, baseline: Baseline) -> Passed | None:
    """The pass that a relative objective is compared with, as far back as entries are searched; None: there is none.

    Only a pinned revision is looked for beyond the newest entry.

    Raises:
        Refused: an entry on the way does not verify.
    """
    passed = earlier_pass(baseline, sight.ledger(environment).state)
    if passed is not None or baseline.form is not BaselineForm.PINNED:
        return passed
    for entry in entries(sight, environment, DEEPEST):
        passed = earlier_pass(baseline, entry.state)
        if passed is not None:
            return passed
    return None


def find_run(sight: Sight, environment: str, number: str | None) -> tuple[Run, EnvironmentState]:
    """A run by its number (the last one where None), as its newest entry shows it.

    Raises:
        Refused: there is no such run.
    """
    for entry in entries(sight, environment, 1 if number is None else DEEPEST):
        run = entry.state.run
        if run is not None and number in (None, run.id):
            return run, entry.state
    which = "has not been judged yet" if number is None else f"has no run {number}"
    raise Refused(Problem(f"{environment} {which}", hint=f"`gitslo log {environment}` lists its entries"))
