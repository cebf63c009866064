"""What every kind of finding needs to know: how large an e-value decides, and what its numbers are.

Called by the modules beside it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from gitslo.model import (
    AttemptEvidence,
    Counted,
    JudgedUnit,
    Metric,
    MetricForm,
    MetricSection,
    Objective,
    Phase,
    Plan,
    Quantity,
    Role,
    Test,
)

__all__ = ["PHASES", "Needs", "bounded", "counted_as", "judged_in", "judged_seconds", "needs_of", "quantity_of"]

PHASES = (Phase.STEADY,)
"""The phases of this version's plans."""

_LARGEST_LOG = 1e9
"""Stands for infinity, which no record can hold."""


@dataclass(frozen=True, slots=True)
class Needs:
    """Logarithms of the e-values that decide.

    Attributes:
        fail: log(m / alpha).
        succeed: log(1 / beta).
    """

    fail: float
    succeed: float


def needs_of(plan: Plan) -> Needs:
    """What this plan asks for. Objectives without error control spend no alpha, and so divide none."""
    deciding = sum(1 for objective in plan.objectives if objective.role is Role.DECIDE and _controlled(objective))
    policy = plan.judge
    return Needs(math.log(max(1, deciding * len(PHASES)) / policy.false_fail), math.log(1.0 / policy.false_pass))


def _controlled(objective: Objective) -> bool:
    return objective.test is Test.SEQUENTIAL and objective.metric is not Metric.BURN


def bounded(log: float) -> float:
    """A logarithm that a record can hold."""
    return max(-_LARGEST_LOG, min(_LARGEST_LOG, log))


def judged_seconds(attempt: AttemptEvidence, phase: Phase) -> float:
    """How long one attempt was judged in a phase."""
    return sum(seconds for judged, seconds in attempt.judged_seconds if judged is phase)


def judged_in(attempts: Sequence[AttemptEvidence], phase: Phase) -> float:
    """The seconds that count for `min_duration`."""
    return sum(judged_seconds(attempt, phase) for attempt in attempts if not attempt.no_pass)


def quantity_of(objective: Objective) -> Quantity:
    """What the objective's limit is; a factor, and so a share, with a baseline."""
    if objective.baseline is not None:
        return Quantity.SHARE
    match objective.metric:
        case Metric.ERRORS | Metric.SHARE | Metric.BURN:
            return Quantity.SHARE
        case Metric.LATENCY:
            return Quantity.SECONDS
        case Metric.MEAN | Metric.QUANTILE:
            return objective.quantity or Quantity.NUMBER


def counted_as(objective: Objective, section: MetricSection | None) -> Counted:
    """What the objective's totals count."""
    if objective.unit is JudgedUnit.SECONDS:
        return Counted.SECONDS if section is None else Counted.WINDOWS
    if section is None:
        return Counted.REQUESTS
    return Counted.SAMPLES if section.form is MetricForm.GAUGE else Counted.EVENTS
