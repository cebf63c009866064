"""What `slo.yaml` says of readiness, objectives and how they are judged; `target` and `load` hold the rest of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from gitslo.model.load import LoadSection
from gitslo.model.target import Target
from gitslo.model.units import Seconds, Share

__all__ = [
    "GrpcHealthReadiness",
    "HttpReadiness",
    "JudgePolicy",
    "Metric",
    "Objective",
    "Phase",
    "Plan",
    "Readiness",
    "Role",
    "TcpReadiness",
]


class Phase(StrEnum):
    """A stretch of a run that is judged apart. Ramps and warm-up belong to none."""

    STEADY = "steady"
    CHAOS = "chaos"
    RECOVERY = "recovery"


@dataclass(frozen=True, slots=True)
class HttpReadiness:
    """Ready when a GET answers as expected.

    Attributes:
        target: a name of Plan.targets.
        path: starts with `/`.
        expect: the status that counts as ready.
        json: a JMESPath expression that must be true on the body, or None.
        within: overall deadline in seconds.
    """

    target: str
    path: str
    expect: int
    json: str | None
    within: Seconds


@dataclass(frozen=True, slots=True)
class GrpcHealthReadiness:
    """Ready when `grpc.health.v1.Health/Check` answers SERVING for `service` (empty: the whole server)."""

    target: str
    service: str
    within: Seconds


@dataclass(frozen=True, slots=True)
class TcpReadiness:
    """Ready when a TCP connection is accepted."""

    target: str
    within: Seconds


Readiness = HttpReadiness | GrpcHealthReadiness | TcpReadiness


class Metric(StrEnum):
    """What an objective limits."""

    ERRORS = "errors"
    LATENCY = "latency"


class Role(StrEnum):
    """Whether an objective decides the verdict or is only reported."""

    DECIDE = "decide"
    REPORT = "report"


@dataclass(frozen=True, slots=True)
class Objective:
    """A limit on a metric, e.g. `browse.pay.latency.p99 < 800ms`.

    Attributes:
        text: the sentence, normalised: single spaces, as the author wrote the numbers. Unique in a plan.
        load: the load section's name.
        endpoint: an endpoint's name, or None for all of them.
        metric: errors or latency.
        limit: latency: seconds; errors: a share. A request above it is bad.
        quantile: latency only: e.g. 0.95; None for errors.
        role: decide or report.
    """

    text: str
    load: str
    endpoint: str | None
    metric: Metric
    limit: float
    quantile: float | None
    role: Role

    @property
    def allowed(self) -> Share:
        """The share of bad requests at the limit: p0 of the test. `p95 < X` allows 5 % above X."""
        return Share(self.limit if self.quantile is None else round(1.0 - self.quantile, 12))


@dataclass(frozen=True, slots=True)
class JudgePolicy:
    """How sure a verdict must be.

    Attributes:
        false_fail: alpha, a share.
        false_pass: beta, a share.
        min_duration: seconds of judged load in every phase before a pass.
        max_duration: seconds of judged load after which the attempt ends undecided.
    """

    false_fail: Share = Share(0.05)
    false_pass: Share = Share(0.05)
    min_duration: Seconds = Seconds(60.0)
    max_duration: Seconds = Seconds(600.0)


@dataclass(frozen=True, slots=True)
class Plan:
    """A parsed `slo.yaml`.

    Attributes:
        targets: by name.
        readiness: all must hold before load.
        load: in the file's order; sections of one plan run at the same time.
        objectives: in the file's order; at least one decides.
        digest: sha256 hex over the parsed plan (not its bytes): comments and formatting do not change it.
    """

    targets: Mapping[str, Target]
    readiness: tuple[Readiness, ...]
    load: tuple[LoadSection, ...]
    objectives: tuple[Objective, ...]
    judge: JudgePolicy
    digest: str

    def limits(self) -> tuple[str, ...]:
        """The sentences of the objectives that decide: what "loosened" is said about."""
        return tuple(objective.text for objective in self.objectives if objective.role is Role.DECIDE)
