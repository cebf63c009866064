"""The permitted moves of the two machines, and the writing of ledger entries along them.

Called by every rule that writes. What must stay true: every entry of a run or a change follows an edge of its table.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from gitslo.core.steps import (
    Observation,
    Write,
)
from gitslo.model import (
    EnvironmentState,
    Hold,
    HoldCause,
)

__all__ = ["CHANGE_TABLE", "RUN_TABLE", "Edge", "held", "hold_for", "next_entry", "write_change", "write_run"]


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


def next_entry(state: EnvironmentState, why: str) -> EnvironmentState:
    """The state as the ledger's next entry; `why`: the event that made it."""
    return replace(state, entry=state.entry + 1, why=why)


def write_run(o: Observation, event: str, state: EnvironmentState, message: str, *, claim: bool = False) -> Write:
    """An entry of the run's machine.

    Raises:
        AssertionError: the move is not in RUN_TABLE.
    """
    before, after = o.ledger.state.run, state.run
    _on_table(RUN_TABLE, before.state if before else "none", event, after.state if after else "none")
    return Write(next_entry(state, event), event, message, claim)


def write_change(o: Observation, event: str, state: EnvironmentState, message: str) -> Write:
    """An entry of the change's machine.

    Raises:
        AssertionError: the move is not in CHANGE_TABLE.
    """
    before, after = o.ledger.state.change, state.change
    _on_table(CHANGE_TABLE, before.state if before else "none", event, after.state if after else "none")
    return Write(next_entry(state, event), event, message)


def _on_table(table: tuple[Edge, ...], start: str, event: str, end: str) -> None:
    if Edge(start, event, end) not in table:
        raise AssertionError(f"{start} --{event}--> {end} is not in the table")


def held(o: Observation, reason: str) -> Hold:
    """A hold of ours, from now on."""
    return Hold(HoldCause.VERDICT, reason, "gitslo", o.now.wall)


def hold_for(o: Observation, reason: str) -> Write:
    """An entry that only holds the environment."""
    return Write(next_entry(replace(o.ledger.state, hold=held(o, reason)), "hold"), "hold", f"held: {reason}")
