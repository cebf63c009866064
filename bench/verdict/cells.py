"""The services of the table: how often their requests are bad, and how the bad ones lie in time.

One run is ten minutes at 200 requests/s (a gauge: four hours of scrapes), counted by the second. Every rule sees the
same runs. Nothing here knows how a rule decides.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gitslo.core.simulation.draws import burst_counts, normal_memory
from gitslo.core.simulation.truth import ShareTruth
from gitslo.core.stats.batch_means import beta_from_normal
from gitslo.model import Seconds, Share

__all__ = ["FACTORS", "GAUGE_LIMIT", "KINDS", "MIN_DURATION", "RATE", "SECONDS", "Gauges", "Kind", "Requests"]

FACTORS = (0.0, 0.2, 0.5, 0.8, 1.0, 1.2, 1.5, 2.0, 5.0)
RATE, SECONDS = 200, 600
MIN_DURATION = 60
RAMP, KNEE, FULL = 120, 300.0, 500.0
"""Of the ramp: its seconds, the rate at which the service breaks, and the rate that is held afterwards."""
HANG = 10
"""Seconds until a hanging request has timed out."""
GAUGE_LIMIT, GAUGE_DEVIATION, SCRAPES, SCRAPE = 0.15, 0.05, 960, 15

Integers = np.ndarray
Draw = np.random.Generator


@dataclass(frozen=True)
class Requests:
    """Many runs of one service, a row each.

    Attributes:
        total: requests due in each second, the same in every run.
        bad: those of them that are bad.
        judged: the first second that gitslo judges.
        late: seconds after which a bad request is known to be bad.
    """

    total: Integers
    bad: Integers
    judged: int = 0
    late: int = 1


@dataclass(frozen=True)
class Gauges:
    """Many runs of one gauge, a row each, from 0 to 1."""

    samples: np.ndarray


@dataclass(frozen=True)
class Kind:
    """A kind of service.

    Attributes:
        name: for the page.
        about: one sentence.
        draw: (true rate, generator, runs) -> runs.
        limit: the share that is allowed, or the limit on the mean.
        recurs: the true rate -> seconds from one burst to the next; None: bad requests come alone.
        required: whether its errors must keep what is promised; otherwise they are only shown.
        most: the largest true rate that there can be.
    """

    name: str
    about: str
    draw: Callable[[float, Draw, int], Requests | Gauges]
    limit: float = 0.01
    recurs: Callable[[float], float] | None = None
    required: bool = True
    most: float = 1.0

    def recurs_often(self, share: float) -> bool:
        """Whether bursts come at least five times in `min_duration` on average."""
        return self.recurs is None or (share > 0 and self.recurs(share) <= MIN_DURATION / 5 + 1e-9)


_EVENLY = np.full(SECONDS, RATE, dtype=np.int64)
_STARTS = np.arange(SECONDS, dtype=float)


def _independent(share: float, draw: Draw, runs: int) -> Requests:
    return Requests(_EVENLY, draw.binomial(RATE, share, (runs, SECONDS)))


def _bursts(length: float, within: float = 1.0) -> Callable[[float, Draw, int], Requests]:
    def drawn(share: float, draw: Draw, runs: int) -> Requests:
        if share == 0.0:
            return _independent(share, draw, runs)
        truth = ShareTruth(Share(share), Seconds(length), Share(within))
        return Requests(_EVENLY, burst_counts(_STARTS, 1.0, _EVENLY, truth, draw, runs))

    return drawn


def _pauses(length: float) -> Callable[[float, Draw, int], Requests]:
    """All requests are bad for `length` seconds, in step with a period that begins anywhere."""

    def drawn(share: float, draw: Draw, runs: int) -> Requests:
        if share == 0.0:
            return _independent(share, draw, runs)
        period = length / share
        phase = draw.random(runs)[:, None] * period
        edges = np.arange(SECONDS + 1, dtype=float)[None, :] + phase
        # How many requests in a pause are due before each edge; within a pause they come at the rate.
        paused = RATE * (np.floor(edges / period) * length + np.minimum(edges % period, length))
        return Requests(_EVENLY, np.diff(np.floor(paused + 1e-6).astype(np.int64), axis=1))

    return drawn


def _hanging(share: float, draw: Draw, runs: int) -> Requests:
    return Requests(_EVENLY, draw.binomial(RATE, share, (runs, SECONDS)), late=HANG)


def _knee(share: float, draw: Draw, runs: int) -> Requests:
    """Ramped to the full rate; above the knee a share of the requests is bad, below it none."""
    rate = np.full(SECONDS, FULL)
    rate[:RAMP] = 10.0 + (FULL - 10.0) * (np.arange(RAMP) + 0.5) / RAMP
    total = np.floor(rate).astype(np.int64)
    broken = rate >= KNEE
    bad = np.zeros((runs, SECONDS), dtype=np.int64)
    bad[:, broken] = draw.binomial(total[broken], share, (runs, int(broken.sum())))
    return Requests(total, bad, judged=RAMP)


def _gauge(phi: float) -> Callable[[float, Draw, int], Gauges]:
    def drawn(mean: float, draw: Draw, runs: int) -> Gauges:
        z = normal_memory(draw, runs, SCRAPES, phi)
        return Gauges(beta_from_normal(z, mean, GAUGE_DEVIATION))

    return drawn


def _brownout(length: int) -> Kind:
    within = 0.05
    return Kind(
        f"brownouts of {length} s",
        f"for {length} s at a time 5 % of the requests are bad, five times the limit; in between none",
        _bursts(length, within),
        recurs=lambda share: length * within / share,
        required=False,
        most=within,
    )


def _in_bursts(length: float, limit: float, within: float = 1.0, *, required: bool = True) -> Kind:
    part = "every request is" if within == 1.0 else f"{within:.0%} of the requests are".replace("%", " %")
    at = "" if limit == 0.01 else f", limit {limit:.0%}".replace("%", " %")  # noqa: PLR2004 - the limit of most
    weak = "" if within == 1.0 else " that are weak"
    return Kind(
        f"bursts of {length:g} s{weak}{at}",
        f"for {length:g} s at a time {part} bad, with exponential gaps",
        _bursts(length, within),
        limit,
        recurs=lambda share: length * within / share,
        required=required,
        most=within,
    )


KINDS = (
    Kind("independent", "each request is bad on its own", _independent),
    _in_bursts(0.1, 0.01),
    _in_bursts(1.0, 0.01),
    _in_bursts(5.0, 0.01),
    _in_bursts(5.0, 0.01, 0.2),
    Kind(
        "periodic pauses",
        "for 0.2 s at a time, in step with a clock, every request is bad",
        _pauses(0.2),
        recurs=lambda share: 0.2 / share,
    ),
    Kind("hanging requests", f"bad requests end only by their time-out, {HANG} s after they were due", _hanging),
    Kind(
        "ramp with a knee",
        f"the rate rises to {FULL:g}/s in {RAMP} s and stays; from {KNEE:g}/s on requests are bad, below it none",
        _knee,
    ),
    Kind("independent, limit 5 %", "each request is bad on its own", _independent, 0.05),
    _in_bursts(0.1, 0.05),
    _in_bursts(1.0, 0.05),
    _in_bursts(5.0, 0.05),
    _in_bursts(5.0, 0.05, 0.2),
    _brownout(30),
    _brownout(60),
    *(
        Kind(
            f"gauge, phi {phi:g}",
            f"a gauge from 0 to 1, scraped every {SCRAPE} s, whose neighbouring samples are correlated by {phi:g}",
            _gauge(phi),
            GAUGE_LIMIT,
        )
        for phi in (0.6, 0.8, 0.9, 0.95)
    ),
    # Known to be above what is promised (gitslo.core.stats.clustering says so): shown, so that nobody is surprised.
    _in_bursts(5.0, 0.2, 0.5, required=False),
)
