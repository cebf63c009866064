"""Load jobs as a plan would give them, with defaults for what a test does not care about."""

from __future__ import annotations

from collections.abc import Sequence

from gitslo.load.engines.own import ProcessLoadEngine
from gitslo.load.results.detail import LoadDetail
from gitslo.model import (
    Ceilings,
    Endpoint,
    LoadSection,
    LoadStage,
    Metric,
    Objective,
    Phase,
    RatePerSecond,
    Role,
    Seconds,
    StageForm,
    Target,
    TargetScheme,
)
from gitslo.ports import LoadJob

__all__ = [
    "CEILINGS",
    "ERRORS",
    "bad",
    "engine",
    "faster_than",
    "get",
    "hold",
    "job",
    "late",
    "measured",
    "ramp",
    "total",
]

CEILINGS = Ceilings(rate=RatePerSecond(5000.0), connections=100)
ERRORS = Objective("load.errors < 1%", "load", None, Metric.ERRORS, 0.01, None, Role.DECIDE)


def faster_than(limit: float, endpoint: str | None = None) -> Objective:
    """`latency.p95` below `limit` seconds."""
    text = f"load{'.' + endpoint if endpoint else ''}.latency.p95 < {limit * 1e3:g}ms"
    return Objective(text, "load", endpoint, Metric.LATENCY, limit, 0.95, Role.DECIDE)


def hold(rate: float, seconds: float) -> LoadStage:
    """A constant rate."""
    return LoadStage(StageForm.HOLD, RatePerSecond(rate), Seconds(seconds))


def ramp(rate: float, seconds: float) -> LoadStage:
    """A ramp to `rate`."""
    return LoadStage(StageForm.RAMP, RatePerSecond(rate), Seconds(seconds))


def get(path: str, name: str | None = None, weight: int = 1, method: str = "GET") -> Endpoint:
    """An endpoint named after its path."""
    return Endpoint(name or path.strip("/") or "root", method, path, weight=weight)


def job(
    port: int,
    *endpoints: Endpoint,
    stages: Sequence[LoadStage],
    objectives: Sequence[Objective] = (ERRORS,),
    judged: tuple[float, float] | None = None,
    timeout: float = 1.0,
    expect: frozenset[int] = frozenset(),
    connections: int | None = None,
    max_in_flight: int | None = None,
    workers: int = 1,
    deadline: float = 30.0,
    host: str = "127.0.0.1",
    address: str = "127.0.0.1",
    scheme: TargetScheme = TargetScheme.HTTP,
    tls: bool = False,
    closed: bool = False,
    count: int | None = None,
) -> LoadJob:
    """One job against a loopback port; everything is judged unless `judged` says otherwise."""
    whole = sum(stage.duration for stage in stages)
    start, end = judged or (0.0, whole)
    return LoadJob(
        section=LoadSection(
            name="load",
            target="target",
            endpoints=endpoints or (get("/"),),
            timeout=Seconds(timeout),
            warmup=Seconds(0.0),
            stages=tuple(stages),
            expect=expect,
            connections=connections,
            max_in_flight=max_in_flight,
        ),
        target=Target("target", scheme, host, port, tls=tls),
        address=(address, port),
        objectives=tuple(objectives),
        judged=((Phase.STEADY, Seconds(start), Seconds(end)),),
        seed=1,
        workers=workers,
        deadline=Seconds(deadline),
        run_id="1",
        closed=closed,
        count=count,
    )


def engine(ceilings: Ceilings = CEILINGS) -> ProcessLoadEngine:
    """An engine that may call this machine."""
    return ProcessLoadEngine(ceilings, lambda host: host in {"127.0.0.1", "shop.test", "localhost"})


def measured(asked: LoadJob) -> LoadDetail:
    """Carry a job out to its end."""
    return engine().measure(asked, lambda _: True)


def _counts(detail: LoadDetail, index: int, field: str) -> int:
    return sum(getattr(second, field) for second in detail.result.counts[index].seconds)


def total(detail: LoadDetail, index: int = 0) -> int:
    """All requests of one objective."""
    return _counts(detail, index, "total")


def bad(detail: LoadDetail, index: int = 0) -> int:
    """Those that broke its limit."""
    return _counts(detail, index, "bad")


def late(detail: LoadDetail, index: int = 0) -> int:
    """Those of them that only our own lag made bad."""
    return _counts(detail, index, "late")
