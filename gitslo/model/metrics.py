"""What a plan asks of other systems: metrics, and Keptn's way of scoring them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from gitslo.model.units import Seconds, Share

__all__ = [
    "Across",
    "Aggregate",
    "Comparator",
    "Comparison",
    "Criterion",
    "CriterionForm",
    "Include",
    "MetricForm",
    "MetricRequest",
    "MetricSection",
    "PodQuery",
    "PodResource",
    "ScoreRecord",
    "ScoreResult",
    "ScoredObjective",
    "Scoring",
]


class MetricForm(StrEnum):
    """What a metric is made of."""

    RATIO = "ratio"
    """Events, and the bad ones of them."""
    GAUGE = "gauge"
    """A number that goes up and down."""
    HISTOGRAM = "histogram"
    """Events by their size."""


@dataclass(frozen=True, slots=True)
class MetricRequest:
    """What a REST source is sent; the queries are JMESPath expressions on the JSON it answers. Text may hold `${...}`.

    Attributes:
        method: GET or POST.
        path: added to the source's URL; starts with `/`, may hold a query.
        headers: beside the source's own.
        body: text, empty for none.
    """

    method: str
    path: str
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""


class PodResource(StrEnum):
    """What a pod uses."""

    CPU = "cpu"
    """In cores."""
    MEMORY = "memory"
    """In bytes."""


class Across(StrEnum):
    """How the pods of a selector become one number."""

    MAX = "max"
    MEAN = "mean"
    SUM = "sum"


@dataclass(frozen=True, slots=True)
class PodQuery:
    """What the Metrics Server is asked: the use of the pods that a selector names.

    Attributes:
        selector: of labels, e.g. `app=checkout`. May hold `${...}`, as the namespace may.
        namespace: where the pods are.
        resource: cpu or memory.
        of: `limit` or `request`: the use as a share of it; empty: in cores or bytes.
        across: how several pods become one number.
    """

    selector: str
    namespace: str
    resource: PodResource
    of: str = ""
    across: Across = Across.MAX


@dataclass(frozen=True, slots=True)
class MetricSection:
    """One metric of a plan.

    Attributes:
        name: the objectives' prefix.
        source: a name of the operator's `sources`.
        form: what it is made of.
        queries: by role: `bad` and `total` of a ratio, `value` of a gauge, `buckets` of a histogram. One text where one
            query answers all (`ratio_sql`): its role is `rows`. Empty for `pods`.
        sql: the queries are SQL, with bound parameters.
        request: REST sources: what is sent.
        pods: Kubernetes sources: what is asked.
        every: seconds of one window, or between two samples; None: the source's scrape interval.
        between: a gauge's least and largest possible value; None: not known, so there is no test of its mean.
    """

    name: str
    source: str
    form: MetricForm
    queries: Mapping[str, str]
    sql: bool = False
    request: MetricRequest | None = None
    pods: PodQuery | None = None
    every: Seconds | None = None
    between: tuple[float, float] | None = None


# --------------------------------------------------------------------------- Keptn's scoring


class Comparator(StrEnum):
    """How a value stands to a criterion's."""

    LESS = "<"
    LESS_OR_EQUAL = "<="
    EQUAL = "="
    GREATER_OR_EQUAL = ">="
    GREATER = ">"


class CriterionForm(StrEnum):
    """What a criterion's value is."""

    FIXED = "fixed"
    """The value itself: `<=800`."""
    CHANGE = "change"
    """A difference to the earlier results: `<=+80`."""
    RELATIVE = "relative"
    """A difference to them in per cent of them: `<=+10%`, and `<=10%`, which means the same."""


@dataclass(frozen=True, slots=True)
class Criterion:
    """One criterion.

    Attributes:
        text: as it is written, without white space.
        value: a number in the indicator's unit; RELATIVE: per cent, e.g. 10.0 or -5.0.
    """

    text: str
    comparator: Comparator
    form: CriterionForm
    value: float


@dataclass(frozen=True, slots=True)
class ScoredObjective:
    """One indicator with its criteria.

    Attributes:
        indicator: what is scored: a metric's name, or a load's, e.g. `browse.latency.p95` or `browse.errors`.
        passes: groups of criteria: all of one group must hold, and one group is enough; empty: it is only reported.
        warns: likewise, asked where `passes` does not hold.
        weight: its part of the score.
        key: where neither holds, the whole fails whatever the score is.
        name: for people, empty: the indicator.
    """

    indicator: str
    passes: tuple[tuple[Criterion, ...], ...] = ()
    warns: tuple[tuple[Criterion, ...], ...] = ()
    weight: int = 1
    key: bool = False
    name: str = ""


class Include(StrEnum):
    """Which earlier results a relative criterion is compared with."""

    ALL = "all"
    PASS = "pass"
    PASS_OR_WARN = "pass_or_warn"


class Aggregate(StrEnum):
    """How several earlier results become one number."""

    AVG = "avg"
    P50 = "p50"
    P90 = "p90"
    P95 = "p95"


@dataclass(frozen=True, slots=True)
class Comparison:
    """What relative criteria are compared with.

    Attributes:
        results: the newest so many results that qualify.
        include: which qualify.
        aggregate: how they become one number.
    """

    results: int = 1
    include: Include = Include.ALL
    aggregate: Aggregate = Aggregate.AVG


@dataclass(frozen=True, slots=True)
class Scoring:
    """Keptn's weighted score, as a compatibility mode: no error is controlled.

    Attributes:
        objectives: in the file's order.
        passes: the share of the largest possible score from which it passes.
        warns: the share from which it warns, None: it never does.
        comparison: of relative criteria.
    """

    objectives: tuple[ScoredObjective, ...]
    passes: Share
    warns: Share | None = None
    comparison: Comparison = Comparison()


class ScoreResult(StrEnum):
    """What a score comes to."""

    PASS = "pass"
    WARNING = "warning"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class ScoreRecord:
    """What later scores are compared with.

    Attributes:
        run: id of the run that was scored.
        result: of the whole.
        values: (indicator, value), in the order of the scoring, without those that were not known.
    """

    run: str
    result: ScoreResult
    values: tuple[tuple[str, float], ...]
