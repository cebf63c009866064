"""Earlier entries of a ledger, for people: nothing that is decided reads more than the tip.

Called by the command line.
"""

from __future__ import annotations

from dataclasses import dataclass

from gitslo.errors import Problem, Refused
from gitslo.loop.sight import Sight
from gitslo.model import CommitId, EnvironmentState, Run

__all__ = ["Entry", "entries", "find_run"]

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
