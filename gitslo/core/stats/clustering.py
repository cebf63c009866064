"""Requests that fail in bursts: how many independent ones they are worth.

Called through `gitslo.core.stats`, one accumulator per (objective, phase). The e-processes of `bernoulli`
hold if each request is bad with at most the limit's chance *given the past*. In a burst that is false: with bursts of
0.1 s at 200 requests/s, a service exactly at a limit of 1 % reaches a fail by them in 57 % of runs of two
minutes that nothing ends earlier.

The design effect is the variance of the share of bad requests between blocks of seconds over the variance that
independent requests would have (Rao, Scott: A simple method for the analysis of clustered binary data, Biometrics
48(2), 1992; dividing bad and total by it is theirs). For blocks j with y_j bad of n_j requests, sums over all J
blocks:

    p = sum y / sum n        effect = J / (J - 1) * sum (y_j - p n_j)^2 / (p (1 - p) sum n)

This is the variance of a ratio estimator, so blocks may differ in size: a ramp, a gap, the second that is still being
counted. It is taken for blocks of 1, 2, 3, 5, 8, 12 and 15 seconds, and the largest counts, never below 1. Bursts
shorter than a second lie within one block, which is how 1 s blocks see them.

The effect alone is not enough for a fail, because it is itself an estimate: one burst at the beginning is half of
what is known, and few bursts look like many bad requests. Alone, with looks from the tenth second on and alpha 5 %,
it fails 15 % of the services that keep a limit of 5 % with bursts of 5 s, and 15 % of those that keep one of 1 % with
bursts of 5 s in which a fifth of the requests fail. So a fail differs from a pass:

* Its worst five seconds count as if they had been exactly at the limit. No single burst of up to 5 s then fails a
  service, and nothing does so before its sixth second.
* Blocks of a length count for it from two of them on, instead of eight.

Measured at the limit (200 requests/s, 120 s, a look at every second, alpha 5 %, 1,000 to 2,000 runs a cell, none
ended early by a pass; other seeds than those by which the rule was chosen among others), false fails:

    bursts in which          every request fails      half of them             a fifth of them
    of                       0.1 s   1 s     5 s      0.1 s   1 s     5 s      0.1 s   1 s     5 s
    limit 1 %                .000    .000    .000     .002    .000    .001     .000    .001    .004
    limit 5 %                .000    .000    .002     .000    .000    .007     .000    .003    .024
    limit 20 %               .000    .002    .012     .000    .001    .060     -       -       -

Likewise .000 in every cell of 1 % at 20 and at 1,000 requests/s, and at most .003 in runs of 900 s. The price, at
twice a limit of 1 %: independent errors are found after 28 s instead of 11 s (medians), bursts of 0.1 s within two
minutes in 10 % of runs; at four times the limit after 10 s and 50 s. Above alpha are weak bursts of 5 s at 20 %, see
the table, and what lasts longer: bursts of 3 s on average, exponentially long, .027 at 5 % but .110 at 20 %; a chance
that drifts with a memory of 10 s around 50 %, .189.

A pass at a service exactly at 1 %, with bursts of 0.1 s and after a minute: .449 without the effect, .013 with it.

What must stay true:

* `add` costs the same however long the run is, and so does `look`.
* Blocks, and the worst five seconds, never reach from one attempt into another.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from gitslo.core.stats.mixture import log_e_above, log_e_below

__all__ = ["BLOCK_LENGTHS", "SPARED_SECONDS", "Burst", "ClusteredCounts", "Clustering", "CountedSecond", "clustering"]

BLOCK_LENGTHS = (1, 2, 3, 5, 8, 12, 15)
"""Seconds. Odd steps, so that no period of bursts is in step with all of them."""

SPARED_SECONDS = 5
"""The longest burst for which a fail's error is promised."""

_BLOCKS = 8
"""Fewer blocks than these say too little about their variance."""

_BLOCKS_FOR_A_FAIL = 2
_MOST_OF_THEM = 0.9


class CountedSecond(Protocol):
    """The counts of one second by intended send time, e.g. `gitslo.model.Second`."""

    @property
    def at(self) -> int:
        """Whole seconds since the attempt's load began."""

    @property
    def total(self) -> int:
        """Requests counted."""

    @property
    def bad(self) -> int:
        """Those that broke the limit."""


@dataclass(frozen=True, slots=True)
class Clustering:
    """What the counts of one objective are worth at one look.

    Attributes:
        limit: the share of bad requests that is allowed.
        bad: requests that broke the limit.
        total: requests counted.
        effect: the design effect, at least 1, from lengths with at least eight blocks: bad and total of a pass's test
            are divided by it.
        block: seconds of the blocks that gave it; None where no length gave more than 1.
        effect_for_fail: the same from lengths with at least two blocks: what a fail's test is divided by.
        spared: bad requests by which the worst five seconds exceed the limit; a fail's test does not see them.
    """

    limit: float
    bad: int
    total: int
    effect: float
    block: int | None
    effect_for_fail: float
    spared: float

    @property
    def effective_bad(self) -> float:
        """Bad requests as if each had come alone: k_eff."""
        return self.bad / self.effect

    @property
    def effective_total(self) -> float:
        """Requests as if each had come alone: n_eff."""
        return self.total / self.effect

    def log_e_fail(self) -> float:
        """How strongly the counts speak against "the limit is kept", whatever bursts of up to 5 s they came in.

        Returns:
            The natural logarithm. Calibrated by simulation, not an e-process by proof: see the module. A limit of 0 or
            1 knows no bursts and is tested on the plain counts.
        """
        if self.limit in {0.0, 1.0}:
            return log_e_above(self.bad, self.total, self.limit)
        kept = max(0.0, self.bad - self.spared)
        return log_e_above(kept / self.effect_for_fail, self.total / self.effect_for_fail, self.limit)

    def log_e_pass(self) -> float:
        """How strongly the counts speak against "the limit is broken", by the bursts that have been seen.

        Returns:
            The natural logarithm. It knows nothing of bursts that have not come: `min_duration` answers for those.
        """
        return log_e_below(self.effective_bad, self.effective_total, self.limit)


@dataclass(frozen=True, slots=True)
class Burst:
    """A stretch of seconds that holds most of the bad requests.

    Attributes:
        at: its first second, since its attempt's load began.
        seconds: its length.
        bad: bad requests in it, at least nine tenths of all.
    """

    at: int
    seconds: int
    bad: int


class ClusteredCounts:
    """Counts of one objective in one phase, over all attempts, second by second.

    Feed it what the direction's test may see: a fail's without the requests that only our own lag made bad.
    """

    def __init__(self, limit: float, *, spared: int = SPARED_SECONDS) -> None:
        """Start without counts.

        Args:
            limit: the share of bad requests that is allowed, 0 to 1.
            spared: how many rows together may hold the longest burst that a fail is calibrated for: five seconds, or
                the one window of a metric that holds them.

        Raises:
            ValueError: the limit is no share, or no row is spared.
        """
        if not 0.0 <= limit <= 1.0:
            raise ValueError(f"a limit is a share from 0 to 1, not {limit}")
        if spared < 1:
            raise ValueError(f"a burst is in one row at least, not in {spared}")
        self._limit = limit
        self._bad = 0
        self._total = 0
        self._left_bad = 0
        self._left_total = 0
        self._lengths = tuple(_Blocks(length) for length in BLOCK_LENGTHS)
        self._window = _Window(limit, spared)
        self._attempt = 0
        self._first: int | None = None
        self._last: _Count | None = None
        self._bad_seconds: list[tuple[int, int, int]] = []

    def add(self, at: int, total: int, bad: int) -> None:
        """Count one second.

        The newest second may be given again while it is still being counted; its counts are then replaced.

        Args:
            at: whole seconds since the attempt's load began, not before the newest.
            total: requests counted.
            bad: those that broke the limit.

        Raises:
            ValueError: the counts are out of range, or an earlier second is given.
        """
        if not 0 <= bad <= total:
            raise ValueError(f"counts must satisfy 0 <= bad <= total, not bad {bad} of {total}")
        if self._last is not None:
            if at < self._last.at:
                raise ValueError(f"second {at} comes after second {self._last.at}")
            if at > self._last.at:
                self._close(self._last)
        if self._first is None:
            self._first = at
        self._last = _Count(at, total, bad)

    def leave_out(self, total: int, bad: int) -> None:
        """Requests that were added, and that may not be tested: what they say of clustering stays.

        Raises:
            ValueError: the counts are out of range.
        """
        if not 0 <= bad <= total:
            raise ValueError(f"counts must satisfy 0 <= bad <= total, not bad {bad} of {total}")
        self._left_bad += bad
        self._left_total += total

    def next_attempt(self) -> None:
        """What follows belongs to another attempt: its seconds begin again, and no block reaches across."""
        if self._last is not None:
            self._close(self._last)
        for blocks in self._lengths:
            blocks.end()
        self._window.end()
        self._attempt += 1
        self._first = self._last = None

    def look(self) -> Clustering:
        """What all counts so far are worth."""
        last = self._last
        bad = self._bad + (last.bad if last else 0)
        total = self._total + (last.total if last else 0)
        effect, block, cautious = 1.0, None, 1.0
        if 0 < bad < total:
            for blocks in self._lengths:
                value, count = blocks.effect(bad, total, last, self._offset(last))
                if count >= _BLOCKS_FOR_A_FAIL:
                    cautious = max(cautious, value)
                if count >= _BLOCKS and value > effect:
                    effect, block = value, blocks.length
        bad, total = bad - self._left_bad, total - self._left_total
        return Clustering(self._limit, bad, total, effect, block, cautious, self._window.excess(last))

    def burst(self) -> Burst | None:
        """The shortest stretch of seconds with at least nine tenths of the bad requests, the first of them.

        None without a bad request, and where no one attempt has so many. Costs a pass over the seconds with bad ones.
        """
        seconds = list(self._with_the_last())
        whole = sum(bad for _, _, bad in seconds)
        best: Burst | None = None
        start = held = 0
        for attempt, at, bad in seconds:
            held += bad
            while seconds[start][0] != attempt or held - seconds[start][2] >= _MOST_OF_THEM * whole:
                held -= seconds[start][2]
                start += 1
            length = at - seconds[start][1] + 1
            if held >= _MOST_OF_THEM * whole and (best is None or length < best.seconds):
                best = Burst(seconds[start][1], length, held)
        return best

    def _with_the_last(self) -> Iterator[tuple[int, int, int]]:
        yield from self._bad_seconds
        if self._last is not None and self._last.bad:
            yield self._attempt, self._last.at, self._last.bad

    def _offset(self, count: _Count | None) -> int:
        return 0 if count is None or self._first is None else count.at - self._first

    def _close(self, count: _Count) -> None:
        self._bad += count.bad
        self._total += count.total
        if count.bad:
            self._bad_seconds.append((self._attempt, count.at, count.bad))
        for blocks in self._lengths:
            blocks.add(count, self._offset(count))
        self._window.add(count)


def clustering(seconds: Iterable[CountedSecond], limit: float) -> Clustering:
    """What the seconds of one attempt are worth, for callers that look once.

    Raises:
        ValueError: counts or the limit are out of range, or the seconds are not ordered.
    """
    counts = ClusteredCounts(limit)
    for second in seconds:
        counts.add(second.at, second.total, second.bad)
    return counts.look()


@dataclass(frozen=True, slots=True)
class _Count:
    at: int
    total: int
    bad: int


class _Blocks:
    """Sums over the blocks of one length: whole numbers, so that nothing is lost however long the run is."""

    def __init__(self, length: int) -> None:
        self.length = length
        self._blocks = 0
        self._yy = self._yn = self._nn = 0
        self._open = 0
        self._y = self._n = 0

    def add(self, count: _Count, offset: int) -> None:
        block = offset // self.length
        if block != self._open:
            self.end()
            self._open = block
        self._y += count.bad
        self._n += count.total

    def end(self) -> None:
        """The open block is complete, or cut off by its attempt's end."""
        if self._n:
            self._blocks += 1
            self._yy += self._y * self._y
            self._yn += self._y * self._n
            self._nn += self._n * self._n
        self._open = self._y = self._n = 0

    def effect(self, bad: int, total: int, last: _Count | None, offset: int) -> tuple[float, int]:
        """The design effect with the newest second in it, and the blocks that are complete."""
        y, n = self._y, self._n
        blocks, yy, yn, nn = self._blocks, self._yy, self._yn, self._nn
        if last is not None and offset // self.length != self._open:
            if n:
                blocks, yy, yn, nn = blocks + 1, yy + y * y, yn + y * n, nn + n * n
            y = n = 0
        if last is not None:
            y, n = y + last.bad, n + last.total
        # The open block's requests are in bad and total, so it is a block like any other; only it is not relied on.
        complete = blocks + (n > 0 and last is not None and (offset + 1) % self.length == 0)
        if n:
            blocks, yy, yn, nn = blocks + 1, yy + y * y, yn + y * n, nn + n * n
        if blocks < _BLOCKS_FOR_A_FAIL:
            return 1.0, complete
        # Times total^2, which keeps it exact: y total - n bad.
        squares = yy * total * total - 2 * yn * total * bad + nn * bad * bad
        return blocks / (blocks - 1) * (squares / (bad * (total - bad) * total)), complete


class _Window:
    """The five seconds in a row whose bad requests exceed the limit by most."""

    def __init__(self, limit: float, spared: int) -> None:
        self._limit = limit
        self._spared = spared
        self._recent: deque[_Count] = deque()
        self._most = 0.0

    def add(self, count: _Count) -> None:
        self._most = self.excess(count)
        self._recent.append(count)
        if len(self._recent) > self._spared:
            self._recent.popleft()

    def excess(self, last: _Count | None) -> float:
        if last is None:
            return self._most
        bad, total = last.bad, last.total
        for count in reversed(self._recent):
            if last.at - count.at >= self._spared:
                break
            bad, total = bad + count.bad, total + count.total
        return max(self._most, bad - self._limit * total)

    def end(self) -> None:
        self._recent.clear()
