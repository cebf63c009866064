"""What one attempt is asked to do, what it comes to, and how it is cut off."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from gitslo.model import (
    Allowed,
    AttemptEvidence,
    BaselineSample,
    Ceilings,
    Evidence,
    Finding,
    Plan,
    ScoreRecord,
    Seconds,
    Target,
    Verdict,
)
from gitslo.ports import Address

__all__ = ["AttemptOrder", "AttemptOutcome", "CutOff", "Stop", "Tell", "address_of"]

Stop = Callable[[], str | None]
"""Asked at every look: a reason to end at once, or None."""
Tell = Callable[[str, Mapping[str, str | int | float | bool | None]], None]
"""Told a line for people (may be empty) and typed facts, about once a second."""


@dataclass(frozen=True, slots=True)
class AttemptOrder:
    """What one attempt is asked to do.

    Attributes:
        plan: whole.
        number: 1-based within the run.
        earlier: the evidence that this attempt continues.
        extension: 0, or how often the run was extended: then only the last hold is repeated.
        addresses: `host:port` as the plan writes it -> where it listens; names that are missing are resolved.
        allowed, ceilings: the operator's bounds.
        run_id: in the User-Agent of every request.
        seed: of everything random.
        not_rolled_out: why what was applied does not roll out; then nothing is asked and the subject fails.
        variables: what `${...}` and bound parameters of metrics stand for: `environment`, `service`, `stage`,
            `revision`; those that are missing have no value.
        baselines: what is known of earlier runs that objectives are relative to.
        scores: of earlier runs, oldest first, which a scoring may be relative to.
        deadline: on the clock's monotonic seconds, when no request may be under way any more: counted from the claim,
            because a process can be stopped between its claim and its load. None where nobody takes over.
    """

    plan: Plan
    number: int
    earlier: Evidence
    extension: int
    addresses: Mapping[str, Address]
    allowed: Allowed
    ceilings: Ceilings
    run_id: str
    seed: int
    not_rolled_out: str | None = None
    deadline: Seconds | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    baselines: tuple[BaselineSample, ...] = ()
    scores: tuple[ScoreRecord, ...] = ()


@dataclass(frozen=True, slots=True)
class AttemptOutcome:
    """How an attempt ended: its evidence, to be kept with `earlier`, and what all of it together means."""

    evidence: AttemptEvidence
    verdict: Verdict
    findings: tuple[Finding, ...]


class CutOff(Exception):
    """The caller asked to stop, or the subject is gone: the attempt leaves no evidence."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def address_of(order: AttemptOrder, target: Target) -> Address:
    """Where a target listens: as the plan says, else as the syncer, else under its own name."""
    if target.resolve is not None:
        return target.resolve
    return order.addresses.get(f"{target.host}:{target.port}", (target.host, target.port))
