"""What `slo.yaml` says: targets, readiness, load, objectives, and how they are judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from gitslo.model.units import RatePerSecond, Seconds, Share

__all__ = [
    "Endpoint",
    "GrpcHealthReadiness",
    "HttpReadiness",
    "JudgePolicy",
    "LoadSection",
    "LoadStage",
    "Metric",
    "Objective",
    "Phase",
    "Plan",
    "Readiness",
    "Role",
    "StageForm",
    "Target",
    "TargetScheme",
    "TcpReadiness",
]


class Phase(StrEnum):
    """A stretch of a run that is judged apart. Ramps and warm-up belong to none."""

    STEADY = "steady"
    CHAOS = "chaos"
    RECOVERY = "recovery"


class TargetScheme(StrEnum):
    """What a target speaks."""

    HTTP = "http"
    GRPC = "grpc"
    TCP = "tcp"


@dataclass(frozen=True, slots=True)
class Target:
    """Something that a plan talks to.

    Attributes:
        name: the plan's name for it.
        scheme: http, grpc or tcp.
        host: name or address as the plan gives it; the operator's allow-list is matched on this.
        port: 1 to 65535.
        tls: whether the connection is TLS.
        path: HTTP only: the base path, `` or starting with `/`, without a final `/`.
    """

    name: str
    scheme: TargetScheme
    host: str
    port: int
    tls: bool = False
    path: str = ""


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


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One request of a load section.

    Attributes:
        name: the objectives' name for it.
        method: upper case.
        path: starts with `/`; may hold a query.
        headers: sent as given, in order.
        body: the body's bytes, empty for none.
        weight: relative share of the arrivals, a positive whole number.
    """

    name: str
    method: str
    path: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    weight: int = 1


class StageForm(StrEnum):
    """How the rate moves in one stage of a load."""

    RAMP = "ramp"
    HOLD = "hold"


@dataclass(frozen=True, slots=True)
class LoadStage:
    """One stretch of a schedule: a linear ramp from the previous rate (0 at first), or a constant rate.

    Attributes:
        form: ramps are sent and not judged.
        rate: the rate held, or reached at the end of the ramp.
        duration: seconds.
    """

    form: StageForm
    rate: RatePerSecond
    duration: Seconds


@dataclass(frozen=True, slots=True)
class LoadSection:
    """One load of a plan.

    Attributes:
        name: the objectives' prefix.
        target: a name of Plan.targets.
        endpoints: at least one; arrivals are shared out by weight, deterministically.
        expect: statuses that count as good; empty means 200 to 399.
        timeout: seconds from the *intended* send time after which a request has failed.
        warmup: seconds from the start that are sent and not judged.
        stages: at least one HOLD.
        connections: upper bound of connections per run, None for the engine's choice.
        max_in_flight: upper bound of requests under way; what cannot be sent then counts as failed. None: the
            engine's choice.
    """

    name: str
    target: str
    endpoints: tuple[Endpoint, ...]
    timeout: Seconds
    warmup: Seconds
    stages: tuple[LoadStage, ...]
    expect: frozenset[int] = frozenset()
    connections: int | None = None
    max_in_flight: int | None = None


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
