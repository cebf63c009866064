"""The daemon's own Prometheus metrics, fed by events and nothing else. Built by the wiring; `/metrics` renders them.

Metric and label names are part of the public surface: `docs/reference/metrics.md` lists them, a test compares.
What must stay true: the number of series is bounded. Label values are words of closed lists; environments beyond the
cap share the name `other` in counters and have no gauges.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)

from gitslo.model import Cause, ChangeKind, ChangeState, Verdict
from gitslo.ports import Event

__all__ = ["OTHER", "MetricsObserver"]

OTHER = "other"
"""Label value of whatever is not in its closed list or is beyond the cap."""

# They would double the number of series and are of no use to a counter that is scraped.
disable_created_metrics()  # type: ignore[no-untyped-call]  # the library forgot to say None

_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_PUSHES = frozenset({"done", "conflict", "refused", "retry"})


class MetricsObserver:
    """Counts events in a registry of its own."""

    def __init__(self, environments: int = 2_000) -> None:
        """Start at zero.

        Args:
            environments: how many environments may have series of their own; the first ones heard of do.
        """
        self._cap = environments
        self._lock = threading.Lock()
        self._known: set[str] = set()
        self._active: set[str] = set()
        self._registry = registry = CollectorRegistry()
        self._polls = Counter("gitslo_polls", "Polls of a repository.", registry=registry)
        self._poll_duration = Histogram(
            "gitslo_poll_duration_seconds", "Duration of a poll.", buckets=_BUCKETS, registry=registry
        )
        self._runs = Counter("gitslo_runs", "Judged runs.", ("environment", "verdict", "cause"), registry=registry)
        self._run_active = Gauge("gitslo_run_active", "Runs under way in this process.", registry=registry)
        self._changes = Counter("gitslo_changes", "Changes that entered a state.", ("kind", "state"), registry=registry)
        self._held = Gauge(
            "gitslo_environment_held", "1 while the environment is held.", ("environment",), registry=registry
        )
        self._verdict = Gauge(
            "gitslo_environment_verdict",
            "1 for the verdict of the last judged run, 0 for the others.",
            ("environment", "verdict"),
            registry=registry,
        )
        self._errors = Counter("gitslo_errors", "Errors by what they ask of the loop.", ("kind",), registry=registry)
        self._pushes = Counter("gitslo_pushes", "Pushes by result.", ("result",), registry=registry)
        self._clones = Counter("gitslo_clones_remade", "Damaged local clones that were made again.", registry=registry)

    def render(self) -> bytes:
        """The text exposition, format 0.0.4."""
        return generate_latest(self._registry)

    def tell(self, event: Event) -> None:  # noqa: C901 - one case per event
        """Count one event; names it does not know count nothing."""
        match event.name.split("."):
            case ["poll", "done"]:
                self._polls.inc()
                self._time_poll(event.fields)
            case ["poll", "failed"]:
                self._polls.inc()
                self._time_poll(event.fields)
                self._errors.labels("poll").inc()
            case ["run", phase]:
                self._run(event, phase)
            case ["change", state]:
                self._change(event, state)
            case ["hold", "set"] | ["environment", "held"]:
                self._hold(event.environment, held=True)
            case ["hold", "lifted"] | ["environment", "waiting"]:
                self._hold(event.environment, held=False)
            case ["environment", "refused"]:
                self._errors.labels("refused").inc()
            case ["error", kind]:
                known = {"retry", "refused", "conflict", "unexpected"}
                self._errors.labels(kind if kind in known else OTHER).inc()
            case ["push", "done"]:
                self._pushes.labels(_word(event.fields.get("state", "done"), _PUSHES)).inc()
            case ["clone", "remade"]:
                times = event.fields.get("times")
                self._clones.inc(times if isinstance(times, int) and times > 0 else 1)
            case _:
                pass

    def _run(self, event: Event, phase: str) -> None:
        under_way = phase in {"claimed", "taken_over", "progress"}
        with self._lock:
            if under_way:
                self._active.add(event.environment)
            else:
                self._active.discard(event.environment)
            self._run_active.set(len(self._active))
        if phase == "claimed":
            # A run is claimed only where there is no hold: right after a restart nothing else says so.
            self._hold(event.environment, held=False)
        if phase == "judged":
            if event.fields.get("held") is True:
                self._hold(event.environment, held=True)
            name = self._label(event.environment)
            verdict = _word(event.fields.get("verdict"), Verdict)
            self._runs.labels(name or OTHER, verdict, _word(event.fields.get("cause"), Cause)).inc()
            if name is not None:
                for word in Verdict:
                    self._verdict.labels(name, word.value).set(word.value == verdict)

    def _change(self, event: Event, state: str) -> None:
        if state in set(ChangeState):
            self._changes.labels(_word(event.fields.get("kind"), ChangeKind), state).inc()

    def _hold(self, environment: str, *, held: bool) -> None:
        name = self._label(environment)
        if name is not None:
            self._held.labels(name).set(held)

    def _time_poll(self, fields: Mapping[str, str | int | float | bool | None]) -> None:
        seconds = fields.get("seconds")
        if isinstance(seconds, int | float):
            self._poll_duration.observe(seconds)

    def _label(self, environment: str) -> str | None:
        """The environment's own label value, or None beyond the cap."""
        with self._lock:
            if environment not in self._known and len(self._known) < self._cap:
                self._known.add(environment)
            return environment if environment in self._known else None


def _word(value: object, known: type[Verdict | Cause | ChangeKind] | frozenset[str]) -> str:
    words = known if isinstance(known, frozenset) else {word.value for word in known}
    return value if isinstance(value, str) and value in words else OTHER
