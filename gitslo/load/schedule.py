"""When every request is due, computed and never ticked. Pure; read by the workers and by the engine's arithmetic.

Uniform arrivals: arrival i is due when the integral of the rate reaches i + 1/2, so a stretch whose integral is N holds
exactly N arrivals, none of them on a border, and rounding cannot move one across a whole second. Poisson arrivals:
arrival i is due when the integral reaches the sum of i + 1 exponential gaps of mean 1, drawn from the seed; that is the
inhomogeneous Poisson process of the rate, the same for everybody who has the seed.

Invariants
- `count()` of a uniform schedule is the integral of the rate, rounded (a half rounds down).
- `moments` is monotone, and depends on nothing but the stages: shards of one schedule are slices of one list.
- Arrival i belongs to the second `[s, s + 1)` with `index(s) <= i < index(s + 1)`. Everybody counts by these indexes,
  so that totals never depend on the rounding of a single moment.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gitslo.model import Arrivals, LoadStage, RatePerSecond, Seconds, StageForm

__all__ = ["Block", "PoissonSchedule", "Schedule", "interleave", "schedule_of"]

PATTERN_LIMIT = 100_000
"""The longest pattern of endpoints; beyond it the weights are no weights but a mistake."""


@dataclass(frozen=True, slots=True)
class _Stretch:
    """A stage placed in time: rate from `low` to `high` over [start, end); `before` is the integral up to `start`."""

    start: float
    end: float
    low: float
    high: float
    before: float

    @property
    def slope(self) -> float:
        return (self.high - self.low) / (self.end - self.start)

    @property
    def area(self) -> float:
        return (self.low + self.high) / 2.0 * (self.end - self.start)


@dataclass(frozen=True, slots=True)
class Block:
    """Neighbouring arrivals that lie in one whole second and on one side of every edge.

    Attributes:
        first, stop: arrival indexes [first, stop).
        second: the whole second since the load's start.
        start: seconds since the load's start at which the block may begin; with it, edges are told apart.
    """

    first: int
    stop: int
    second: int
    start: float


class Schedule:
    """The uniform arrivals of one load section."""

    def __init__(self, stages: Sequence[LoadStage], most: int | None = None) -> None:
        """Place the stages one after the other; a ramp starts at the rate before it, the first one at 0.

        Args:
            stages: one after the other.
            most: arrivals after which there are none, whatever the stages say; None: no such bound.
        """
        stretches: list[_Stretch] = []
        at, rate, area = 0.0, 0.0, 0.0
        for stage in stages:
            low = rate if stage.form is StageForm.RAMP else stage.rate
            if stage.duration > 0:
                stretch = _Stretch(at, at + stage.duration, low, stage.rate, area)
                stretches.append(stretch)
                at, area = stretch.end, area + stretch.area
            rate = stage.rate
        self._stretches = tuple(stretches)
        self.duration = Seconds(at)
        self.peak = RatePerSecond(max((max(s.low, s.high) for s in stretches), default=0.0))
        self._area = area
        self._most = math.inf if most is None else most

    def integral(self, at: float) -> float:
        """Expected arrivals in [0, at)."""
        for stretch in self._stretches:
            if at < stretch.end:
                tau = max(0.0, at - stretch.start)
                return stretch.before + stretch.low * tau + stretch.slope * tau * tau / 2.0
        return self._area

    def count(self) -> int:
        """All arrivals."""
        return self.index(self.duration)

    def index(self, at: float) -> int:
        """The first arrival that is due at or after `at`: also the number of those before it."""
        return int(min(self._most, max(0, math.ceil(round(self.integral(at), 9) - 0.5))))

    def moments(self, first: int, stop: int, stride: int = 1) -> list[float]:
        """Due times, in seconds since the start, of the arrivals first, first + stride, ... below `stop`."""
        found: list[float] = []
        index = first
        for stretch in self._stretches:
            last = min(stop, math.ceil(round(stretch.before + stretch.area, 9) - 0.5))
            if index >= last:
                continue
            offset = 0.5 - stretch.before
            found += _times(stretch, [i + offset for i in range(index, last, stride)])
            index += math.ceil((last - index) / stride) * stride
        return found

    def blocks(self, edges: Sequence[float] = ()) -> Iterator[Block]:
        """All arrivals in order, cut at whole seconds and at `edges`; empty blocks are left out."""
        for start, end in itertools.pairwise(self._cuts(edges)):
            first, stop = self.index(start), self.index(end)
            if first < stop:
                yield Block(first, stop, math.floor(start), start)

    def _cuts(self, edges: Sequence[float]) -> list[float]:
        return sorted({*map(float, range(math.ceil(self.duration) + 1)), *(e for e in edges if 0 < e < self.duration)})


class PoissonSchedule(Schedule):
    """The arrivals of independent users at the rate of the stages: a Poisson process, fixed by its seed.

    What is asked for must be asked in order: arrivals are drawn as they are reached, and forgotten when the next whole
    second is.
    """

    def __init__(self, stages: Sequence[LoadStage], seed: int, most: int | None = None) -> None:
        """Bind the seed; see Schedule."""
        super().__init__(stages, most)
        self._seed = seed
        self._first = 0
        self._areas: list[float] = []

    def count(self) -> int:
        """All arrivals; draws them all."""
        return sum(block.stop - block.first for block in self.blocks())

    def moments(self, first: int, stop: int, stride: int = 1) -> list[float]:
        """As in Schedule, for arrivals of the block that `blocks` gave last."""
        areas = self._areas[first - self._first : stop - self._first : stride]
        found: list[float] = []
        borders = [*(stretch.before for stretch in self._stretches[1:]), math.inf]
        for stretch, border in zip(self._stretches, borders, strict=True):
            inside = [area - stretch.before for area in areas if stretch.before <= area < border]
            if inside:
                found += _times(stretch, inside)
        return found

    def blocks(self, edges: Sequence[float] = ()) -> Iterator[Block]:
        """As in Schedule."""
        draw = random.Random(self._seed).expovariate  # noqa: S311 - arrivals, no secrets
        index, area = 0, draw(1.0)
        for start, end in itertools.pairwise(self._cuts(edges)):
            border = self.integral(end)
            areas: list[float] = []
            while area < border and index + len(areas) < self._most:
                areas.append(area)
                area += draw(1.0)
            if areas:
                self._first, self._areas = index, areas
                yield Block(index, index + len(areas), math.floor(start), start)
                index += len(areas)


def schedule_of(stages: Sequence[LoadStage], arrivals: Arrivals, seed: int, most: int | None = None) -> Schedule:
    """The schedule of a load section."""
    return Schedule(stages, most) if arrivals is Arrivals.UNIFORM else PoissonSchedule(stages, seed, most)


def _times(stretch: _Stretch, areas: Sequence[float]) -> list[float]:
    """When the integral over `stretch` alone reaches each of `areas`, in seconds since the load's start."""
    if stretch.low == stretch.high:
        scale = 1.0 / stretch.low
        return [stretch.start + area * scale for area in areas]
    return [stretch.start + _inverse(stretch, area) for area in areas]


def _inverse(stretch: _Stretch, area: float) -> float:
    """The time after the stretch's start at which its integral reaches `area`, in the form that never cancels."""
    root = math.sqrt(max(0.0, stretch.low * stretch.low + 2.0 * stretch.slope * area))
    if not stretch.low + root:
        return 0.0  # due at the very start of a ramp from 0
    return min(2.0 * area / (stretch.low + root), stretch.end - stretch.start)


def interleave(weights: Sequence[int]) -> tuple[int, ...]:
    """Which endpoint each arrival of one period calls: as evenly spread as whole numbers allow.

    Smooth weighted round robin: arrival i calls `pattern[i % len(pattern)]`.

    Raises:
        ValueError: a weight is not positive, or the period is longer than any sane set of weights makes it.
    """
    if not weights or min(weights) < 1:
        raise ValueError("weights are positive whole numbers")
    divisor = math.gcd(*weights)
    shares = [weight // divisor for weight in weights]
    length = sum(shares)
    if length > PATTERN_LIMIT:
        raise ValueError(f"the weights, reduced, add up to {length}; at most {PATTERN_LIMIT}")
    credit = [0] * len(shares)
    pattern: list[int] = []
    for _ in range(length):
        credit = [have + share for have, share in zip(credit, shares, strict=True)]
        chosen = credit.index(max(credit))
        credit[chosen] -= length
        pattern.append(chosen)
    return tuple(pattern)
