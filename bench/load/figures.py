"""What the rounds gave, and how a cell of the table is computed from it: medians, with the least and the most.

Ratios are taken within a round, between runs that are seconds apart, and only then the median over the rounds: what the
machine did meanwhile weighs on both sides.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from bench.load.peers import Sample

__all__ = ["Figures", "Spread"]


@dataclass(frozen=True, slots=True)
class Spread:
    """A median with its extremes."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread | None:
        """None where there is no value."""
        found = list(values)
        return cls(statistics.median(found), min(found), max(found)) if found else None

    def text(self, form: str, factor: float = 1.0) -> str:
        """`median (least–most)`."""
        median, least, most = (format(value * factor, form) for value in (self.median, self.least, self.most))
        return f"{median} ({least}–{most})"


@dataclass(slots=True)
class Figures:
    """Everything that was measured.

    Attributes:
        cells: by kind of load and tool, the samples by round.
        unusable: by kind and tool, why a round gave no sample.
        starts: seconds from the start of a command to its first request, by tool.
        counts: how far a tool's own count was off the server's, as a share, by tool: the most of all rounds.
        memory: bytes per further million requests, and of the largest worker at the end.
        accuracy: rows of the tables of known times, by case: tool, quantiles in seconds, what it says of itself.
        troubled: rows of what was done to the generator, and what it then said.
    """

    cells: dict[tuple[str, str], dict[int, Sample]] = field(default_factory=dict)
    unusable: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    starts: dict[str, list[float]] = field(default_factory=dict)
    counts: dict[str, float] = field(default_factory=dict)
    memory: tuple[float, float] | None = None
    accuracy: list[Known] = field(default_factory=list)
    troubled: list[tuple[str, Told]] = field(default_factory=list)
    loads: list[float] = field(default_factory=list)

    def spread(self, kind: str, name: str, value: Callable[[Sample], float]) -> Spread | None:
        """A value of one cell over the rounds."""
        return Spread.of(value(sample) for sample in self.cells.get((kind, name), {}).values())

    def ratio(
        self,
        over: tuple[str, str],
        under: tuple[str, str],
        value: Callable[[Sample], float],
        other: Callable[[Sample], float] | None = None,
    ) -> Spread | None:
        """One cell's value over another's, round by round."""
        tops, bottoms = self.cells.get(over, {}), self.cells.get(under, {})
        both = sorted(tops.keys() & bottoms.keys())
        return Spread.of(value(tops[number]) / (other or value)(bottoms[number]) for number in both)


@dataclass(frozen=True, slots=True)
class Told:
    """What a tool says of one run: seconds; None where it has no such figure."""

    p50: float | None
    p99: float | None
    most: float | None
    sent: int
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Known:
    """One case of the known times: the truth, what the server measured of itself, what each tool says."""

    name: str
    about: str
    truth: Told
    rows: list[tuple[str, Told]]
    server: list[tuple[str, Told]]
