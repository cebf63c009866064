"""When every request is due, computed and never ticked. Pure; read by the workers and by the engine's arithmetic.

Arrival i is due when the integral of the rate reaches i + 1/2: a stretch whose integral is N holds exactly N arrivals,
none of them on a border, and rounding cannot move one across a whole second.

Invariants
- `count()` is the integral of the rate, rounded (a half rounds down).
- `moments` is monotone, and depends on nothing but the stages: shards of one schedule are slices of one list.
- Arrival i belongs to the second `[s, s + 1)` with `index(s) <= i < index(s + 1)`. Everybody counts by these indexes,
  so that totals never depend on the rounding of a single moment.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gitslo.model import LoadStage, RatePerSecond, Seconds, StageForm

__all__ = ["Block", "Schedule", "interleave"]

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
    """The arrivals of one load section."""

    def __init__(self, stages: Sequence[LoadStage]) -> None:
        """Place the stages one after the other; a ramp starts at the rate before it, the first one at 0."""
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
        return max(0, math.ceil(round(self.integral(at), 9) - 0.5))

    def moments(self, first: int, stop: int, stride: int = 1) -> list[float]:
        """Due times, in seconds since the start, of the arrivals first, first + stride, ... below `stop`."""
        found: list[float] = []
        index = first
        for stretch in self._stretches:
            last = min(stop, math.ceil(round(stretch.before + stretch.area, 9) - 0.5))
            if index >= last:
                continue
            offset = 0.5 - stretch.before
            if stretch.low == stretch.high:
                scale = 1.0 / stretch.low
                found += [stretch.start + (i + offset) * scale for i in range(index, last, stride)]
            else:
                found += [stretch.start + _inverse(stretch, i + offset) for i in range(index, last, stride)]
            index += math.ceil((last - index) / stride) * stride
        return found

    def blocks(self, edges: Sequence[float] = ()) -> Iterator[Block]:
        """All arrivals in order, cut at whole seconds and at `edges`; empty blocks are left out."""
        cuts = sorted({*map(float, range(math.ceil(self.duration) + 1)), *(e for e in edges if 0 < e < self.duration)})
        for start, end in itertools.pairwise(cuts):
            first, stop = self.index(start), self.index(end)
            if first < stop:
                yield Block(first, stop, math.floor(start), start)


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
