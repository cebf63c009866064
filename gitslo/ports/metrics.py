"""Metric sources: what one is asked about one metric, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from gitslo.model import MetricSection, Seconds

__all__ = ["MetricAnswer", "MetricQuestion", "MetricSource", "Span", "WindowCounts"]

Span = tuple[float, float]
"""[start, end) in seconds since the Unix epoch."""


@dataclass(frozen=True, slots=True)
class MetricQuestion:
    """One metric over some windows of time.

    Attributes:
        section: the metric.
        windows: ascending and disjoint; at least one. A gauge is asked for its value at the end of each.
        limits: HISTOGRAM only: the sizes above which an event counts as bad, ascending.
        variables: what `${...}` and bound parameters stand for beside the times: `environment`, `service`, `stage`,
            `revision`; a name that is missing has no value here, and a query that uses it is refused.
    """

    section: MetricSection
    windows: tuple[Span, ...]
    limits: tuple[float, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WindowCounts:
    """The events of one window.

    Attributes:
        total: all of them.
        bad: a RATIO's bad ones, one number; of a HISTOGRAM those above each of the question's limits, those of which
            it is not certain (the bucket holds the limit) included.
        certain: those of `bad` that certainly are; for a series that began within the window, what it counted before
            its first sample is not certain.
    """

    total: int
    bad: tuple[int, ...]
    certain: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class MetricAnswer:
    """What a source said: a value, or that it is not known; that it could not be asked is `Retry`.

    Attributes:
        values: one per window of the question: counts of RATIO and HISTOGRAM, a number of GAUGE; None: not known.
        notes: why what is None is not known, for people, each once.
        partial: the source itself said that something may be missing (e.g. Prometheus' `warnings`); such an answer is
            shown and never judged. Empty where it did not.
    """

    values: tuple[WindowCounts | float | None, ...]
    notes: tuple[str, ...] = ()
    partial: str = ""


class MetricSource(Protocol):
    """One configured source. Safe to be asked from several threads at once."""

    @property
    def every(self) -> Seconds:
        """The scrape interval: the shortest window, and the spacing of samples, that make sense here."""

    def measure(self, question: MetricQuestion) -> MetricAnswer:
        """Ask once; over before the source's time-out, and within its cap of bytes.

        Raises:
            Refused: the question is one that this source can never answer: a form it does not have, a query that the
                server says is wrong, a credential that it does not accept, a name that is not configured.
            Retry: it could not be asked now: no connection, time-out, 5xx, 429, an answer that is too large or cut off.
        """
