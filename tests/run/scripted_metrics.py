"""A metric source that answers by a script, and a load under which time passes, so that both meet at every look."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from gitslo.model import Metric, MetricForm, MetricSection, Objective, Quantity, Role, Seconds
from gitslo.ports import LoadJob, LoadResult, LoadSnapshot, MetricAnswer, MetricQuestion, Span, WindowCounts
from gitslo.testing.fake_load import FakeLoad, Script
from gitslo.testing.manual_clock import ManualClock

DEADLINE = 10.0


def counts(total: int, *bad: int, certain: tuple[int, ...] | None = None) -> WindowCounts:
    return WindowCounts(total, bad, bad if certain is None else certain)


def each(value: Callable[[Span], WindowCounts | float | None]) -> Callable[[MetricQuestion], MetricAnswer]:
    """Answers window by window."""

    def answer(question: MetricQuestion) -> MetricAnswer:
        values = tuple(value(window) for window in question.windows)
        return MetricAnswer(values, ("no sample in the window",) if None in values else ())

    return answer


@dataclass
class Scripted:
    """`ports.MetricSource` for tests: `answer` says what to say; its exceptions are the source's."""

    answer: Callable[[MetricQuestion], MetricAnswer]
    every: Seconds = field(default=Seconds(5.0))
    questions: list[MetricQuestion] = field(default_factory=list)
    answered: int = 0
    changed: threading.Condition = field(default_factory=threading.Condition)

    def measure(self, question: MetricQuestion) -> MetricAnswer:
        with self.changed:
            self.questions.append(question)
        try:
            return self.answer(question)
        finally:
            with self.changed:
                self.answered += 1
                self.changed.notify_all()

    def idle(self) -> None:
        """Return once everything asked so far has been answered."""
        with self.changed:
            assert self.changed.wait_for(lambda: self.answered == len(self.questions), DEADLINE)


class Clocked(FakeLoad):
    """Every snapshot takes a second of the clock, and the sources answer before the next."""

    def __init__(self, clock: ManualClock, *sources: Scripted, **scripts: Script) -> None:
        super().__init__(**scripts)
        self._clock, self._sources = clock, sources

    def run(self, job: LoadJob, on_snapshot: Callable[[LoadSnapshot], bool]) -> LoadResult:
        def step(snapshot: LoadSnapshot) -> bool:
            self._clock.advance(1.0)
            going = on_snapshot(snapshot)
            for source in self._sources:
                source.idle()
            return going

        return super().run(job, step)


def ratio(name: str = "server_errors", source: str = "prom", every: float | None = None) -> MetricSection:
    queries = {"bad": "errors_total", "total": "requests_total"}
    return MetricSection(name, source, MetricForm.RATIO, queries, every=None if every is None else Seconds(every))


def gauge(name: str = "cpu", source: str = "prom", between: tuple[float, float] | None = (0.0, 1.0)) -> MetricSection:
    return MetricSection(name, source, MetricForm.GAUGE, {"value": "cpu"}, between=between)


def histogram(name: str = "db", source: str = "prom") -> MetricSection:
    return MetricSection(name, source, MetricForm.HISTOGRAM, {"buckets": "db_seconds"})


def share(text: str = "server_errors < 1%", limit: float = 0.01, role: Role = Role.DECIDE) -> Objective:
    return Objective(
        text, "", None, Metric.SHARE, limit, None, role, source=text.partition(" ")[0], quantity=Quantity.SHARE
    )


def mean(text: str = "cpu < 80%", limit: float = 0.8) -> Objective:
    name = text.partition(" ")[0]
    return Objective(text, "", None, Metric.MEAN, limit, None, Role.DECIDE, source=name, quantity=Quantity.SHARE)


def quantile(text: str = "db.p99 < 50ms", limit: float = 0.05, q: float = 0.99) -> Objective:
    name = text.partition(".")[0]
    return Objective(text, "", None, Metric.QUANTILE, limit, q, Role.DECIDE, source=name, quantity=Quantity.SECONDS)


def wait_until(condition: Callable[[], bool]) -> None:
    """Return when it holds."""
    until = time.monotonic() + DEADLINE
    event = threading.Event()
    while not condition():
        assert time.monotonic() < until
        event.wait(0.005)
