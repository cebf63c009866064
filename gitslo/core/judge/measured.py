"""What is shown as measured, and what thresholds and scores are about: one number per objective.

Called by the modules beside it. What must stay true: where nothing is known it is None, never zero.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from gitslo.model import AttemptEvidence, LoadSummary, Objective, Phase

__all__ = ["latency_at", "mean_of", "quantile_of", "samples_of"]

_QUANTILES = {0.5: "p50", 0.9: "p90", 0.95: "p95", 0.99: "p99", 0.999: "p999"}


def latency_at(objective: Objective, attempts: Sequence[AttemptEvidence]) -> float | None:
    """The quantile that the newest attempt with enough samples saw, in seconds."""
    name = _QUANTILES.get(objective.quantile or 0.0)
    if name is None:
        return None
    for attempt in reversed(attempts):
        for load in attempt.loads:
            value = _quantile(load, name) if _of(objective, load) else None
            if value is not None:
                return value
    return None


def _of(objective: Objective, load: LoadSummary) -> bool:
    return load.load == objective.load and load.endpoint == objective.endpoint


def _quantile(load: LoadSummary, name: str) -> float | None:
    value: float | None = getattr(load.latency, name)
    return value


def samples_of(metric: str, phase: Phase, attempts: Sequence[AttemptEvidence]) -> tuple[tuple[float, ...], ...]:
    """A gauge's samples, one stretch per attempt that may be judged and has any."""
    return tuple(
        tuple(sample.value for sample in series.samples)
        for attempt in attempts
        if not any(name == metric for name, _ in attempt.unknown)
        for series in attempt.series
        if series.metric == metric and series.phase is phase and series.samples
    )


def mean_of(stretches: Sequence[Sequence[float]]) -> float | None:
    """The mean of all samples."""
    values = [value for samples in stretches for value in samples]
    return math.fsum(values) / len(values) if values else None


def quantile_of(stretches: Sequence[Sequence[float]], quantile: float) -> float | None:
    """The sample of rank ceil(p n)."""
    values = sorted(value for samples in stretches for value in samples)
    return values[max(0, math.ceil(quantile * len(values) - 1e-9) - 1)] if values else None
