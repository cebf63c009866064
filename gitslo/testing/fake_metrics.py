"""A metric source that says what it was told to say."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from gitslo.errors import GitsloError, Problem, Refused
from gitslo.model import MetricForm, Seconds
from gitslo.ports import MetricAnswer, MetricQuestion, Span, WindowCounts

__all__ = ["FakeMetricSource"]

Told = Callable[[Span], WindowCounts | float | None]
"""The value of a window."""


class FakeMetricSource:
    """`ports.MetricSource` for tests; it keeps the contract of `gitslo.testing.metrics_contract`.

    Attributes:
        asked: every question, in order.
        fault: raised instead of an answer, until it is None again.
        partial: what the answers say may be missing.
        notes: why what is None is not known.
    """

    def __init__(self, metrics: Mapping[str, Told], *, every: Seconds) -> None:
        """Script it.

        Args:
            metrics: by the metrics' names in the plan; a metric that is not here is refused, as a wrong query is.
            every: the scrape interval.
        """
        self.asked: list[MetricQuestion] = []
        self.fault: GitsloError | None = None
        self.partial = ""
        self.notes: tuple[str, ...] = ("there is no sample of it",)
        self._metrics = dict(metrics)
        self._every = every
        self._lock = threading.Lock()

    @property
    def every(self) -> Seconds:
        """The scrape interval."""
        return self._every

    def measure(self, question: MetricQuestion) -> MetricAnswer:
        """What it was told to say."""
        with self._lock:
            self.asked.append(question)
        section = question.section
        if section.sql or section.pods is not None or section.request is not None:
            raise Refused(Problem(f"the metric `{section.name}` is none that this source can answer"))
        if section.name not in self._metrics:
            raise Refused(Problem(f"the source refuses the query of the metric `{section.name}`"))
        if self.fault is not None:
            raise self.fault
        values = tuple(self._metrics[section.name](window) for window in question.windows)
        counted = section.form is not MetricForm.GAUGE
        if any(value is not None and isinstance(value, WindowCounts) is not counted for value in values):
            raise Refused(Problem(f"the metric `{section.name}` is no {section.form}"))
        return MetricAnswer(values, self.notes if None in values else (), self.partial)
