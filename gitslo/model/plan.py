"""What `slo.yaml` says of readiness, objectives and how they are judged; `target` and `load` hold the rest of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from gitslo.model.load import LoadSection
from gitslo.model.metrics import MetricSection, Scoring
from gitslo.model.target import Target
from gitslo.model.units import Seconds, Share

__all__ = [
    "Baseline",
    "BaselineForm",
    "GrpcHealthReadiness",
    "HttpReadiness",
    "JudgePolicy",
    "JudgedUnit",
    "Metric",
    "Objective",
    "Phase",
    "Plan",
    "Quantity",
    "Readiness",
    "Role",
    "TcpReadiness",
    "Test",
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
    """The share of a load's requests that fail."""
    LATENCY = "latency"
    """A quantile of a load's response times."""
    SHARE = "share"
    """The share of a ratio's events that are bad."""
    MEAN = "mean"
    """The mean of a gauge."""
    QUANTILE = "quantile"
    """A quantile of a histogram's events, or of a gauge's samples."""
    BURN = "burn"
    """How fast a ratio's bad events spend the error budget."""


class Quantity(StrEnum):
    """What a limit's number is, and so how it is shown."""

    SHARE = "share"
    SECONDS = "seconds"
    BYTES = "bytes"
    NUMBER = "number"


class Role(StrEnum):
    """Whether an objective decides the verdict or is only reported."""

    DECIDE = "decide"
    REPORT = "report"


class Test(StrEnum):
    """How an objective is judged."""

    __test__ = False

    SEQUENTIAL = "sequential"
    """With known error rates, at any moment."""
    THRESHOLD = "threshold"
    """The estimate at the end of the load beside the limit: no error is controlled."""


class JudgedUnit(StrEnum):
    """What is good or bad, one by one."""

    REQUESTS = "requests"
    """Requests; of a metric, its events."""
    SECONDS = "seconds"
    """Whole seconds, of a metric its windows: bad when the limit is broken within it."""


class BaselineForm(StrEnum):
    """What a relative limit refers to."""

    LAST_PASS = "last-pass"
    """The environment's last passing run: an earlier time, so nothing is said about causes."""
    PINNED = "pinned"
    """The run that passed at one revision: likewise."""
    TARGET = "target"
    """Another target of the plan, under the same load at the same time."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """What a relative limit refers to; `ref` is the revision or the target's name, empty for the last pass."""

    form: BaselineForm
    ref: str = ""


@dataclass(frozen=True, slots=True)
class Objective:
    """A limit on a metric, e.g. `browse.pay.latency.p99 < 800ms` or `server_errors < 1%`.

    Attributes:
        text: the sentence, normalised: single spaces, as the author wrote the numbers. Unique in a plan.
        load: the load section's name; empty where it is about one of `Plan.metrics`.
        endpoint: an endpoint's name, or None for all of them.
        metric: what is limited.
        limit: in the unit that `quantity` says. A request above it is bad. With a baseline: the factor, e.g. 1.2.
        quantile: latency and QUANTILE only: e.g. 0.95; None otherwise.
        role: decide or report.
        source: a name of `Plan.metrics`; empty where it is about a load.
        quantity: of `limit`; errors and shares are SHARE, latencies SECONDS.
        test: how it is judged.
        unit: what is good or bad, one by one.
        allow: with `unit` SECONDS: the share of seconds that may be bad; None: `allowed` itself.
        baseline: what `limit` is a multiple of; None: `limit` stands for itself.
        period: BURN only: seconds over which `limit`, the budget, may be spent.
    """

    text: str
    load: str
    endpoint: str | None
    metric: Metric
    limit: float
    quantile: float | None
    role: Role
    source: str = ""
    quantity: Quantity | None = None
    test: Test = Test.SEQUENTIAL
    unit: JudgedUnit = JudgedUnit.REQUESTS
    allow: Share | None = None
    baseline: Baseline | None = None
    period: Seconds | None = None

    @property
    def subject(self) -> str:
        """What it is about: the load's or the metric's name."""
        return self.load or self.source

    @property
    def within(self) -> Share:
        """The share of bad requests at the limit: `p95 < X` allows 5 % above X."""
        return Share(self.limit if self.quantile is None else round(1.0 - self.quantile, 12))

    @property
    def allowed(self) -> Share:
        """The share of bad units at the limit: p0 of the test. Meaningless for MEAN, BURN and with a baseline."""
        return self.within if self.unit is JudgedUnit.REQUESTS or self.allow is None else self.allow


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
        metrics: in the file's order; collected while the load runs, or alone where there is none.
        scoring: Keptn's way of judging, or None.
    """

    targets: Mapping[str, Target]
    readiness: tuple[Readiness, ...]
    load: tuple[LoadSection, ...]
    objectives: tuple[Objective, ...]
    judge: JudgePolicy
    digest: str
    metrics: tuple[MetricSection, ...] = ()
    scoring: Scoring | None = None

    def limits(self) -> tuple[str, ...]:
        """The sentences of the objectives that decide: what "loosened" is said about."""
        return tuple(objective.text for objective in self.objectives if objective.role is Role.DECIDE)
