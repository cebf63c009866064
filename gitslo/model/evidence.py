"""What was measured in a run, and what it was judged to mean."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from gitslo.model.plan import Phase, Quantity
from gitslo.model.units import RatePerSecond, Seconds

__all__ = [
    "AttemptEvidence",
    "BaselineSample",
    "BurnCounts",
    "BurnStretch",
    "Concentration",
    "Counted",
    "Evidence",
    "Fidelity",
    "Finding",
    "LoadClock",
    "LoadHistogram",
    "LoadSummary",
    "Look",
    "Method",
    "MetricSeries",
    "PassedLoad",
    "Percentiles",
    "Sample",
    "Second",
    "Seen",
    "Tally",
    "Verdict",
]


class Verdict(StrEnum):
    """Only pass promotes, only fail reverts."""

    PASS = "pass"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Second:
    """The counts of one judged second, by intended send time.

    Attributes:
        at: whole seconds since the attempt's load began.
        total: requests whose intended time lies in [at, at + 1) and that the watermark has passed.
        bad: those that broke the limit; unfinished ones count as bad.
        late: those of `bad` of which it is not certain that they were: without the generator's own lag
            (`schedule_lag`) they would have been good, or a histogram's bucket holds both kinds. They count for a
            pass's test and not for a fail's.
    """

    at: int
    total: int
    bad: int
    late: int = 0


@dataclass(frozen=True, slots=True)
class Tally:
    """All counts of one objective in one phase of one attempt.

    Attributes:
        objective: Objective.text.
        phase: the judged phase.
        seconds: ordered by `at`, without seconds in which nothing was intended.
        every: how many seconds each of `seconds` stands for: 1, or the length of a metric's windows.
    """

    objective: str
    phase: Phase
    seconds: tuple[Second, ...]
    every: Seconds = field(default=Seconds(1.0), metadata={"since": "0.2"})

    @property
    def total(self) -> int:
        """Requests counted."""
        return sum(second.total for second in self.seconds)

    @property
    def bad(self) -> int:
        """Requests that broke the limit, whoever was late."""
        return sum(second.bad for second in self.seconds)

    @property
    def late(self) -> int:
        """Bad requests that only our own lag made bad."""
        return sum(second.late for second in self.seconds)


@dataclass(frozen=True, slots=True)
class Sample:
    """One value of a gauge, `at` seconds after the attempt's judged stretch began."""

    at: float
    value: float


@dataclass(frozen=True, slots=True)
class MetricSeries:
    """All samples of one gauge in one phase of one attempt.

    Attributes:
        metric: a name of `Plan.metrics`.
        phase: the judged phase.
        every: seconds between two samples.
        samples: ordered by `at`, without those that are not known.
    """

    metric: str
    phase: Phase
    every: Seconds
    samples: tuple[Sample, ...]


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Latency by quantile in seconds; None where there are too few samples (n < 10 / (1 - p))."""

    p50: float | None = None
    p90: float | None = None
    p95: float | None = None
    p99: float | None = None
    p999: float | None = None
    max: float | None = None


class LoadClock(StrEnum):
    """The moment from which an engine counts a response time."""

    SCHEDULED = "scheduled"
    """When the request was due."""
    RELEASED = "released"
    """When the engine gave it to a connection that may not have been free."""
    SENT = "sent"
    """When it went out: whatever held it back before is not in the figure."""


class LoadHistogram(StrEnum):
    """What an engine tells of its response times."""

    HDR = "hdr"
    """Counts of three significant digits."""
    BUCKETS = "buckets"
    """Counts of a few ranges."""
    SAMPLES = "samples"
    """Every single one; we count them as ours."""
    PERCENTILES = "percentiles"
    """A few quantiles, which can be neither added up nor judged."""


@dataclass(frozen=True, slots=True)
class Fidelity:
    """What an engine's figures are worth, in its own declaration. The defaults are those of our own engine.

    Attributes:
        engine: name and version; empty: our own.
        clock: from when latency counts.
        histogram: what was told of it.
        open_loop: whether requests were due whatever the target did.
        drops: requests that were due and that the engine never sent by its own decision; any of them leaves the numbers
            undecided.
        mergeable: whether the figures of several engines add up exactly.
        max_rel_error: of a quantile, as a share of it.
    """

    engine: str = ""
    clock: LoadClock = LoadClock.SCHEDULED
    histogram: LoadHistogram = LoadHistogram.HDR
    open_loop: bool = True
    drops: int = 0
    mergeable: bool = True
    max_rel_error: float = 0.001


@dataclass(frozen=True, slots=True)
class LoadSummary:
    """What one load section (or one endpoint of it) saw in one attempt, for people; the verdict reads tallies.

    Attributes:
        load: the section's name.
        endpoint: the endpoint's name, or None for the whole section.
        requests: judged requests, those never sent included.
        errors: how many failed, by kind, e.g. (("status 503", 12), ("timeout", 3)), largest first.
        planned_rate, achieved_rate: requests per second over the judged stretch.
        latency: `response`: complete - intended.
        schedule_lag_p99: seconds: dispatched - intended, our own fault.
        histogram: the `response` HDR histogram, base64 V2 compressed encoding; empty where it was dropped for size.
        fidelity: what these figures are worth.
        distribution: (upper edge in seconds, requests above the edge before and at or below this one), ascending, edges
            at most 2 % apart, empty ones left out; failed requests are in none of them. Empty where it was not kept.
    """

    load: str
    endpoint: str | None
    requests: int
    errors: tuple[tuple[str, int], ...]
    planned_rate: RatePerSecond
    achieved_rate: RatePerSecond
    latency: Percentiles
    schedule_lag_p99: Seconds
    histogram: str = ""
    fidelity: Fidelity = field(default=Fidelity(), metadata={"since": "0.2"})
    distribution: tuple[tuple[float, int], ...] = field(default=(), metadata={"since": "0.2"})


@dataclass(frozen=True, slots=True)
class PassedLoad:
    """What one load section, or one endpoint of it, saw in a run that passed, over all its attempts.

    Attributes:
        load: the section's name.
        endpoint: the endpoint's name, or None for the whole section.
        total, bad: requests, and those that failed.
        effect: how many of its clustered requests are worth one independent one, at least 1.
        distribution: as of LoadSummary.
    """

    load: str
    endpoint: str | None
    total: int
    bad: int
    effect: float
    distribution: tuple[tuple[float, int], ...] = ()


@dataclass(frozen=True, slots=True)
class BaselineSample:
    """What a relative objective is compared with.

    Attributes:
        objective: Objective.text.
        origin: in words, e.g. "run 12 (3f2a9c1)" or "`old`, under the same load".
        historical: it was measured at another time, so nothing is said about causes.
        total, bad: requests of its load or endpoint, and those that failed.
        effect: how many of its clustered requests are worth one independent one, at least 1.
        distribution: as of LoadSummary.
    """

    objective: str
    origin: str
    historical: bool
    total: int
    bad: int
    effect: float
    distribution: tuple[tuple[float, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Seen:
    """What one look saw of the counts of one objective: those of the attempt, but for what came later.

    Attributes:
        objective, phase: as of the tally.
        until: of the attempt's counts, those `at` seconds before this had been seen.
        otherwise: those of them that were seen otherwise: our own lag may still be taken for the reason where a request
            has not ended, and many windows share counts once there are too many.
    """

    objective: str
    phase: Phase
    until: int
    otherwise: tuple[Second, ...] = ()


@dataclass(frozen=True, slots=True)
class Look:
    """What was known at the look that ended an attempt: what it decided can be computed again from this.

    Attributes:
        judged_seconds, unknown, no_fail, no_pass: as of the attempt, then.
        counts: one per tally of the attempt.
        series: those that were otherwise than they are in the attempt.
    """

    judged_seconds: tuple[tuple[Phase, Seconds], ...]
    counts: tuple[Seen, ...]
    series: tuple[MetricSeries, ...] = ()
    unknown: tuple[tuple[str, str], ...] = ()
    no_fail: tuple[str, ...] = ()
    no_pass: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BurnStretch:
    """What a ratio's source counted in one stretch of time.

    Attributes:
        start, end: [start, end) in seconds relative to the attempt's end, so never positive.
        total, bad, certain: as a source counts them: all events, those that were bad or may have been, and those that
            certainly were.
    """

    start: float
    end: float
    total: int
    bad: int
    certain: int


@dataclass(frozen=True, slots=True)
class BurnCounts:
    """What burn rates of one ratio are computed from.

    Attributes:
        metric: a name of `Plan.metrics`.
        windows: ascending and disjoint, without those that are not known.
    """

    metric: str
    windows: tuple[BurnStretch, ...]


@dataclass(frozen=True, slots=True)
class AttemptEvidence:
    """What one judged attempt added.

    Attributes:
        attempt: 1-based number within the run.
        started: wall-clock seconds since the epoch.
        judged_seconds: how long each phase was judged, in seconds.
        tallies: one per (objective, phase).
        loads: summaries for people.
        no_fail: reasons why this attempt's numbers must not decide a fail (our own lag, a lost shard, ...).
        no_pass: reasons why they must not decide a pass (under-delivery, a lost shard, zero requests, ...).
        not_ready: the last reason why readiness did not hold, or None where it held.
        series: one per (gauge, phase).
        unknown: (a name of `Plan.metrics`, why what its source said of this attempt may not be judged): it was not
            asked with success, or said itself that something is missing.
        baselines: one per relative objective that there is something to compare with.
        look: what had been known when a look decided; None where none did, and what is known in the end decides.
        coarser: something was left out of it after it had been judged, to fit into the ledger: neighbours share their
            counts, or samples are missing. Judged again, it may mean something else.
        burns: one per ratio with a burn-rate objective, of the attempt's end.
    """

    attempt: int
    started: float
    judged_seconds: tuple[tuple[Phase, Seconds], ...] = ()
    tallies: tuple[Tally, ...] = ()
    loads: tuple[LoadSummary, ...] = ()
    no_fail: tuple[str, ...] = ()
    no_pass: tuple[str, ...] = ()
    not_ready: str | None = None
    series: tuple[MetricSeries, ...] = field(default=(), metadata={"since": "0.2"})
    unknown: tuple[tuple[str, str], ...] = field(default=(), metadata={"since": "0.2"})
    baselines: tuple[BaselineSample, ...] = field(default=(), metadata={"since": "0.2"})
    look: Look | None = field(default=None, metadata={"since": "0.2"})
    coarser: bool = field(default=False, metadata={"since": "0.2"})
    burns: tuple[BurnCounts, ...] = field(default=(), metadata={"since": "0.2"})


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that the judged attempts of one subject gathered, oldest first."""

    attempts: tuple[AttemptEvidence, ...] = ()


class Method(StrEnum):
    """How a finding was judged, and so what may be said of its errors."""

    SEQUENTIAL = "sequential"
    """Counts against a limit, with known error rates at any moment."""
    MEAN = "mean"
    """Block means of a bounded gauge against a limit, likewise."""
    BASELINE = "baseline"
    """Two samples against each other, likewise."""
    THRESHOLD = "threshold"
    """An estimate beside a limit: no error is controlled."""
    BURN = "burn rate"
    """How fast the error budget is spent, by the SRE workbook's windows: no error is controlled."""
    SCORE = "score"
    """Keptn's weighted score: no error is controlled."""
    READINESS = "readiness"
    """No test: it did not become ready."""

    @property
    def controlled(self) -> bool:
        """Whether its error rates are those that the plan asks for."""
        return self in {Method.SEQUENTIAL, Method.MEAN, Method.BASELINE}


class Counted(StrEnum):
    """What a finding's `total` counts."""

    REQUESTS = "requests"
    EVENTS = "events"
    SAMPLES = "samples"
    SECONDS = "seconds"
    WINDOWS = "windows"
    BLOCKS = "blocks"


@dataclass(frozen=True, slots=True)
class Concentration:
    """The shortest stretch with nearly all bad requests of a finding.

    Attributes:
        at: its first second, since its attempt's load began.
        seconds: its length.
        bad: bad requests in it: at least nine tenths of all.
    """

    at: float
    seconds: float
    bad: int


@dataclass(frozen=True, slots=True)
class Finding:
    """An objective judged in a phase, with the numbers that decided it.

    Attributes:
        objective: Objective.text, or `readiness`.
        phase: where it was judged.
        verdict: pass, fail or inconclusive.
        decides: False for `role: report`.
        measured: latency: seconds at the quantile; errors: the share; None where nothing is known.
        limit: in the unit of `measured`.
        total, bad, late: the counts over all attempts (see Second).
        log_e_fail, log_e_pass: natural logarithms of the two e-values; None where no test was run.
        need_fail, need_pass: the logarithms they had to reach.
        decided_at: seconds of judged load in the attempt at which it was decided, or None.
        attempt: the attempt in which it was decided (or the last one).
        reason: one sentence for people, empty where the numbers speak for themselves.
        method: how it was judged.
        counted: what `total`, `bad` and `late` count.
        quantity: what `measured` and `limit` are; None in entries before 0.2: then the sentence says it.
        allowed: the share of `total` that may be bad at the limit; None where nothing is good or bad one by one.
        effect: how many clustered requests are worth one independent one, at least 1: what a pass's counts were divided
            by.
        effect_for_fail: likewise of a fail's counts.
        spared: bad ones by which the worst five seconds exceed the limit: a fail's test did not see them.
        burst: where nearly all bad ones lie close together; None where they do not, or there are none.
        baseline: what it was compared with, in words; empty where the limit stands for itself.
        judged: seconds of the phase over all attempts, without those whose numbers must not decide a pass; 0 where it
            is not known.
    """

    objective: str
    phase: Phase
    verdict: Verdict
    decides: bool
    measured: float | None
    limit: float | None
    total: int
    bad: int
    late: int
    log_e_fail: float | None
    log_e_pass: float | None
    need_fail: float | None
    need_pass: float | None
    decided_at: Seconds | None
    attempt: int
    reason: str = ""
    method: Method = field(default=Method.SEQUENTIAL, metadata={"since": "0.2"})
    counted: Counted = field(default=Counted.REQUESTS, metadata={"since": "0.2"})
    quantity: Quantity | None = field(default=None, metadata={"since": "0.2"})
    allowed: float | None = field(default=None, metadata={"since": "0.2"})
    effect: float = field(default=1.0, metadata={"since": "0.2"})
    effect_for_fail: float = field(default=1.0, metadata={"since": "0.2"})
    spared: float = field(default=0.0, metadata={"since": "0.2"})
    burst: Concentration | None = field(default=None, metadata={"since": "0.2"})
    baseline: str = field(default="", metadata={"since": "0.2"})
    judged: Seconds = field(default=Seconds(0.0), metadata={"since": "0.2"})
