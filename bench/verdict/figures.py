"""What the simulations came to, and what was promised of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from scipy.stats import beta

from bench.verdict.cells import FACTORS, KINDS, Kind
from bench.verdict.rules import ALPHA, BETA, GITSLO

__all__ = ["Cell", "Figures", "Judged", "Promise", "bounds"]


def bounds(number: int, of: int, confidence: float = 0.95) -> tuple[float, float]:
    """Clopper and Pearson's bounds of a probability."""
    rest = (1.0 - confidence) / 2
    low = 0.0 if number == 0 else float(beta.ppf(rest, number, of - number + 1))
    return low, 1.0 if number == of else float(beta.ppf(1.0 - rest, number + 1, of - number))


@dataclass(frozen=True)
class Cell:
    """One rule on one kind of service at one true rate.

    Attributes:
        runs, passed, failed: numbers of runs.
        median, most: requests or samples until it ended: the median and the 90th percentile.
    """

    runs: int
    passed: int
    failed: int
    median: float
    most: float

    @classmethod
    def of(cls, verdict: np.ndarray, seen: np.ndarray) -> Cell:
        """Count; the arguments are those of `Verdicts`."""
        median, most = np.quantile(seen, (0.5, 0.9), method="inverted_cdf")
        return cls(len(seen), int((verdict > 0).sum()), int((verdict < 0).sum()), float(median), float(most))


@dataclass(frozen=True)
class Promise:
    """What is promised of one cell and what came of it.

    Attributes:
        kind: the service.
        factor: true rate over limit.
        what: "false fail" or "false pass".
        number, runs: so many of them.
        allowed: alpha or beta.
        required: it is promised; otherwise it is only shown.
    """

    kind: Kind
    factor: float
    what: str
    number: int
    runs: int
    allowed: float
    required: bool

    @property
    def share(self) -> float:
        """Of the runs."""
        return self.number / self.runs

    @property
    def met(self) -> bool:
        """Whether what was measured keeps it."""
        return self.share <= self.allowed


@dataclass(frozen=True)
class Judged:
    """Runs of a real service through the real engine.

    Attributes:
        name: what was injected, as a row of the table.
        runs, passed, failed: numbers of runs.
        rates: the measured share of failed requests, and of slow ones, over all runs together.
        requests: the median of requests sent.
        remark: what blocked decisions, if anything did.
        expected: the shares of fails and of passes that `gitslo simulate` says beforehand, nothing being blocked.
    """

    name: str
    runs: int
    passed: int
    failed: int
    rates: tuple[float, float]
    requests: float
    remark: str = ""
    expected: tuple[float, float] = (0.0, 0.0)


@dataclass
class Figures:
    """Everything, by kind, factor and rule.

    Attributes:
        cells: by the kind's name, the factor, the rule.
        extra: single measured shares, by what they are of.
        real: rows of the real service.
        jump: what was said of a service that became bad after many clean requests.
        took: seconds of the parts.
    """

    cells: dict[str, dict[float, dict[str, Cell]]] = field(default_factory=dict)
    extra: dict[str, float] = field(default_factory=dict)
    real: list[Judged] = field(default_factory=list)
    jump: list[tuple[str, str, int, str]] = field(default_factory=list)
    took: dict[str, float] = field(default_factory=dict)

    def promises(self, rule: str = GITSLO) -> Iterator[Promise]:
        """False fails at or below the limit, false passes at or above it."""
        for kind in KINDS:
            for factor in FACTORS:
                cell = self.cells.get(kind.name, {}).get(factor, {}).get(rule)
                if cell is None:
                    continue
                if factor <= 1.0:
                    yield Promise(kind, factor, "false fail", cell.failed, cell.runs, ALPHA, kind.required)
                if factor >= 1.0:
                    often = kind.required and kind.recurs_often(factor * kind.limit)
                    yield Promise(kind, factor, "false pass", cell.passed, cell.runs, BETA, often)

    def write(self, path: Path) -> None:
        """Keep them, so that parts can be measured at different times."""
        path.write_text(json.dumps(asdict(self), indent=1), encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Figures:
        """What `write` kept."""
        kept = json.loads(path.read_text(encoding="utf-8"))
        cells = {
            kind: {float(factor): _rules(rules) for factor, rules in factors.items()}
            for kind, factors in kept["cells"].items()
        }
        real = [
            Judged(**{**each, "rates": tuple(each["rates"]), "expected": tuple(each.get("expected", (0.0, 0.0)))})
            for each in kept["real"]
        ]
        return cls(cells, kept["extra"], real, [tuple(each) for each in kept["jump"]], kept["took"])


def _rules(rules: Mapping[str, Mapping[str, float]]) -> dict[str, Cell]:
    return {rule: Cell(**cell) for rule, cell in rules.items()}
