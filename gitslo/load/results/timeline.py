"""A load second by second: what was sent, what came back, how long it took. Filled by `merger`, read when asked for.

Must stay true: it grows with the requests' spread, never with the load's length. When there are too many rows, two
neighbours become one, so a long load is shown in stretches of 2, 4, 8, ... seconds; nothing is thrown away.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from gitslo.load.messages import Finished
from gitslo.load.record.histogram import add, pack, quantile, unpack
from gitslo.model import Seconds

__all__ = ["Interval", "Moment", "Timeline"]

_MOST = 1024
"""Rows: a quarter of an hour by the second, and 10 MB where latencies are spread wide."""


@dataclass(frozen=True, slots=True)
class Moment:
    """One row for people; warm-up included.

    Attributes:
        at: seconds since the load's start.
        length: seconds.
        sent: requests that went out in it.
        done: those that came to their end in it, the failed and the never sent among them.
        errors: failed ones of those.
        p50, p99: seconds, of the response times of `done`; None where there are none.
    """

    at: Seconds
    length: Seconds
    sent: int
    done: int
    errors: int
    p50: Seconds | None
    p99: Seconds | None


@dataclass(frozen=True, slots=True)
class Interval:
    """The judged response times of one endpoint that came to their end in one row.

    Attributes:
        at: seconds since the load's start.
        length: seconds.
        endpoint: its index.
        counts: microseconds -> requests, as exactly as a histogram has them.
    """

    at: Seconds
    length: Seconds
    endpoint: int
    counts: Mapping[int, int]


@dataclass(slots=True)
class _Row:
    sent: int = 0
    done: int = 0
    errors: int = 0
    packed: dict[int | None, bytes] = field(default_factory=dict)
    """By endpoint; None: what is not judged."""

    def take(self, key: int | None, packed: bytes) -> None:
        """Add samples."""
        before = self.packed.get(key)
        if before and packed:
            counts = unpack(before)
            add(counts, unpack(packed))
            packed = pack(counts)
        self.packed[key] = packed or before or b""


class Timeline:
    """See above."""

    def __init__(self, most: int = _MOST) -> None:
        """Start empty, with rows of one second."""
        self._most = most
        self._length = 1
        self._rows: dict[int, _Row] = {}
        self._totals: dict[int, tuple[int, int, int, int]] = {}

    def totals(self, shard: int, elapsed: float | None, totals: tuple[int, int, int]) -> None:
        """A shard's cumulative (sent, done, errors) at `elapsed`; what is new happened in the second before it.

        None for `elapsed`: at the shard's end.
        """
        second, *before = self._totals.get(shard, (0, 0, 0, 0))
        row = self._row(second)
        sent, done, errors = (now - then for now, then in zip(totals, before, strict=True))
        row.sent, row.done, row.errors = row.sent + sent, row.done + done, row.errors + errors
        self._totals[shard] = (second if elapsed is None else math.floor(elapsed), *totals)

    def finished(self, finished: Finished) -> None:
        """What a shard says of about a second."""
        row = self._row(math.floor(finished.since))
        row.take(None, finished.others)
        for endpoint, packed in enumerate(finished.judged):
            row.take(endpoint, packed)

    def _row(self, second: int) -> _Row:
        found = self._rows.get(second // self._length)
        if found is None:
            if len(self._rows) >= self._most:
                self._join()
            found = self._rows.setdefault(second // self._length, _Row())
        return found

    def _join(self) -> None:
        rows, self._rows, self._length = self._rows, {}, self._length * 2
        for at, row in rows.items():
            whole = self._rows.setdefault(at // 2, _Row())
            whole.sent, whole.done, whole.errors = (
                whole.sent + row.sent,
                whole.done + row.done,
                whole.errors + row.errors,
            )
            for key, packed in row.packed.items():
                whole.take(key, packed)

    def _ordered(self) -> Iterator[tuple[Seconds, _Row]]:
        for at in sorted(self._rows):
            yield Seconds(at * self._length), self._rows[at]

    def moments(self) -> tuple[Moment, ...]:
        """For people, in order."""
        length = Seconds(self._length)
        return tuple(
            Moment(at, length, row.sent, row.done, row.errors, *_middle_and_tail(tuple(row.packed.values())))
            for at, row in self._ordered()
            if row.sent or row.done or any(row.packed.values())
        )

    def intervals(self) -> Iterator[Interval]:
        """For other tools, in order, without empty ones."""
        for at, row in self._ordered():
            for endpoint in sorted(key for key in row.packed if key is not None):
                if row.packed[endpoint]:
                    yield Interval(at, Seconds(self._length), endpoint, unpack(row.packed[endpoint]))


def _middle_and_tail(packed: Sequence[bytes]) -> tuple[Seconds | None, Seconds | None]:
    counts: dict[int, int] = {}
    for each in packed:
        add(counts, unpack(each))
    return quantile(counts, 0.5), quantile(counts, 0.99)
