"""The rules in their order, and what is said where none has anything to do.

MAINTAINER NOTE: the order of RULES is the behaviour. Each rule is one sentence of the specification; put a new one
where its sentence would stand, and add its edge to the table, from which the diagram in the documentation is made.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from gitslo.core.state.attempts import cancel_attempt, end_attempt, start_attempt, take_over
from gitslo.core.state.changing import propose_again, propose_new, rejected_by_person, settle, withdraw
from gitslo.core.state.claiming import claim_run
from gitslo.core.state.facts import arrow_of, due_in, merges, moved_by_others, open_change, wanted_change
from gitslo.core.state.holds import distrusted_ledger, rejected_again, revert_impossible
from gitslo.core.state.publishing import clear_up, publish
from gitslo.core.state.telling import issue, report, run_command
from gitslo.core.steps import (
    Attempting,
    Observation,
    Stay,
    Step,
)

__all__ = ["RULES", "decide"]


def decide(observation: Observation) -> Step:
    """The one step to take now."""
    for rule in RULES:
        step = rule(observation)
        if step is not None:
            return step
    return stay(observation)


def stay(o: Observation) -> Stay:
    state, run = o.ledger.state, o.ledger.state.run
    if isinstance(o.local, Attempting):
        return Stay("a run is under way", busy=True)
    if state.hold is not None:
        return Stay(f"held: {state.hold.reason}")
    change = open_change(o)
    if change is not None:
        pull = o.proposal.pull_request
        what = f"pull request {pull.number}" if pull is not None else f"change {change.id}"
        what += f" ({change.kind} {arrow_of(change.from_release, change.to_release)})"
        blocked = pull.blocked if pull is not None and merges(o, change) and not moved_by_others(o, change) else ""
        return Stay(f"{what} is not merged yet: {blocked}" if blocked else f"{what} waits for a person's merge")
    if wanted_change(o) is not None:
        return Stay("the branch for its pull request holds somebody else's commit; delete it to go on")
    wake = due_in(o)
    verdict = f"{run.verdict} in run {run.id}" if run is not None and run.verdict is not None else "idle"
    return Stay(verdict + (f"; {o.waiting}" if o.waiting else ""), wake=wake)


RULES: Final[tuple[Callable[[Observation], Step | None], ...]] = (
    distrusted_ledger,
    end_attempt,
    take_over,
    start_attempt,
    cancel_attempt,
    run_command,
    clear_up,
    settle,
    rejected_by_person,
    rejected_again,
    revert_impossible,
    withdraw,
    propose_again,
    publish,
    propose_new,
    claim_run,
    report,
    issue,
)
"""In order; the first that has something to say decides."""
