"""A person's say: hold, resume, revalidate. Each is one ledger entry that the loop then acts on.

Called by the command line; a daemon needs not run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from gitslo.core.nearest import nearest
from gitslo.errors import Conflict, Problem, Refused
from gitslo.loop.ledgers import LedgerTip
from gitslo.loop.sight import Sight
from gitslo.model import Cause, Environment, EnvironmentState, Hold, HoldCause, Request, RunState, Verdict

__all__ = ["find_environment", "hold", "resume", "revalidate"]

TRIES = 5
"""Swaps that may be lost to a daemon that writes at the same moment."""
LONGEST = 100_000
"""Entries of a ledger that cannot be believed that are counted."""


def find_environment(sight: Sight, name: str) -> Environment:
    """The environment of this name.

    Raises:
        Refused: there is none; the hint names those that exist.
    """
    for environment in sight.environments:
        if environment.name == name:
            return environment
    hint = nearest(name, (environment.name for environment in sight.environments)) or "`gitslo status` lists them"
    raise Refused(Problem(f"there is no environment `{name}`", hint=hint))


def hold(sight: Sight, name: str, *, reason: str, by: str, wall: float) -> EnvironmentState:
    """Stop an environment; its standing pass stays a source for later stages."""

    def change(state: EnvironmentState) -> EnvironmentState:
        if state.hold is not None:
            raise Refused(Problem(f"{name} is held already: {state.hold.reason}", hint="`gitslo resume` lifts it"))
        return replace(state, hold=Hold(HoldCause.PERSON, reason, by, wall))

    return _append(sight, name, "hold", f"held by {by}: {reason}", wall, change)


def resume(sight: Sight, name: str, *, fresh: bool, by: str, wall: float) -> EnvironmentState:
    """Lift the hold and go on: with the evidence there is, or on fresh evidence."""

    def change(state: EnvironmentState) -> EnvironmentState:
        held = state.hold
        if held is None:
            raise Refused(Problem(f"{name} is not held", hint=f"`gitslo revalidate {name}` judges it again"))
        failed = state.run is not None and state.run.verdict is Verdict.FAIL
        if failed and held.cause is HoldCause.VERDICT and not fresh:
            hint = f"`gitslo resume {name} --fresh` judges it on fresh evidence; the report will say so"
            raise Refused(Problem(f"{name} failed, and what failed stays failed on its evidence", hint=hint))
        lifted = replace(state, hold=None, failing_revalidations=0)
        if held.cause is HoldCause.PERSON and not fresh:
            return lifted
        judged = state.run is not None and state.run.state is RunState.JUDGED
        return replace(lifted, request=Request(Cause.MANUAL, fresh, by)) if judged or fresh else lifted

    return _append(
        sight, name, "resume", f"resumed by {by}{' on fresh evidence' if fresh else ''}", wall, change, fresh
    )


def revalidate(sight: Sight, name: str, *, by: str, wall: float) -> EnvironmentState:
    """Ask for a revalidation now."""

    def change(state: EnvironmentState) -> EnvironmentState:
        if state.hold is not None:
            raise Refused(Problem(f"{name} is held: {state.hold.reason}", hint=f"`gitslo resume {name}` lifts it"))
        if state.last_pass is None:
            raise Refused(Problem(f"{name} has not passed yet, so there is nothing to revalidate"))
        return replace(state, request=Request(Cause.REVALIDATION, fresh=True, by=by))

    return _append(sight, name, "revalidate", f"revalidation asked for by {by}", wall, change)


def _append(
    sight: Sight,
    name: str,
    why: str,
    message: str,
    wall: float,
    change: Callable[[EnvironmentState], EnvironmentState],
    anew: bool = False,
) -> EnvironmentState:
    """Read, change, swap; again where a daemon was faster. `anew`: a ledger that cannot be believed is begun anew."""
    for attempt in range(TRIES):
        sight.look()
        find_environment(sight, name)
        tip = sight.ledger(name)
        state = _believed(sight, tip, name, anew=anew)
        new = replace(change(state), entry=state.entry + 1, why=why)
        update = sight.ledgers.build(tip.id, new, message, wall)
        try:
            sight.repository.swap([update])
        except Conflict:
            if attempt == TRIES - 1:
                raise
            continue
        sight.moved(update.ref, update.new)
        return new
    raise Conflict(f"the ledger of {name} moves too fast")


def _believed(sight: Sight, tip: LedgerTip, name: str, *, anew: bool) -> EnvironmentState:
    if tip.problem and not anew:
        hint = f"look at it with `git log`, then `gitslo resume {name} --fresh` begins anew"
        raise Refused(Problem(tip.problem, hint=hint))
    if tip.problem and tip.id is not None:
        # Nothing of the content is taken over. The numbers go on behind it: each run and each change has had an entry,
        # so that no new one has the number of an old one.
        length = len(sight.repository.history(tip.id, None, (), LONGEST))
        hold = Hold(HoldCause.VERDICT, tip.problem, "gitslo", 0.0)
        return replace(tip.state, entry=length, runs=length, changes=length, hold=hold)
    return tip.state
