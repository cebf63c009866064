"""What Prometheus' HTTP API answers, as data. Pure.

Called by `gitslo.adapters.prometheus_source`. After "HTTP API" of Prometheus' documentation, versions 2 and 3; Thanos,
Mimir and VictoriaMetrics answer likewise. Must stay true: an answer of another shape is none.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from gitslo.core.answers import number
from gitslo.core.counters import Process
from gitslo.core.escape import plain, short
from gitslo.core.histograms import Buckets
from gitslo.core.promql import quoted

__all__ = ["Answer", "Labels", "Series", "nameless", "read_answer"]

Labels = tuple[tuple[str, str], ...]

_ADVICE = "PromQL info"
"""How annotations begin that speak of the query and not of the data."""
_SHOWN = 300
_ROW = 4
"""Of a native histogram's bucket: the rule of its edges, left, right, count."""


@dataclass(frozen=True, slots=True)
class Series:
    """One series.

    Attributes:
        labels: sorted.
        values: (seconds, number; None: NaN, or infinite), ascending.
        histograms: likewise; None: NaN.
    """

    labels: Labels
    values: tuple[tuple[float, float | None], ...] = ()
    histograms: tuple[tuple[float, Buckets | None], ...] = ()

    @property
    def name(self) -> str:
        """As PromQL writes it, in one line."""
        inner = ", ".join(f"{name}={quoted(value)}" for name, value in self.labels if name != "__name__")
        return plain(f"{dict(self.labels).get('__name__', '')}{{{inner}}}")

    @property
    def process(self) -> Process:
        """What it was scraped from."""
        known = dict(self.labels)
        return known.get("job", ""), known.get("instance", "")


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer.

    Attributes:
        warnings: why something may be missing in it.
    """

    series: tuple[Series, ...]
    warnings: tuple[str, ...]


class _StrangeError(Exception):
    """Something is not as the API has it."""


def read_answer(document: object) -> Answer | None:
    """The answer to a query; None where it is no such answer."""
    try:
        return _answer(document)
    except _StrangeError:
        return None


def nameless(name: str) -> str:
    """A series' name without the metric's: some functions take it away."""
    return name[name.index("{") :] if "{" in name else name


def _answer(document: object) -> Answer:
    if not isinstance(document, dict) or document.get("status") != "success":
        raise _StrangeError
    warnings = [each for key in ("warnings", "infos") for each in _texts(document.get(key))]
    if document.get("isPartial") is True:  # VictoriaMetrics
        warnings.append("the answer is partial")
    data = document.get("data")
    kind, result = (data.get("resultType"), data.get("result")) if isinstance(data, dict) else (None, None)
    if kind == "scalar":
        result = [{"metric": {}, "value": result}]
    if kind not in {"matrix", "vector", "scalar"} or not isinstance(result, list):
        raise _StrangeError
    return Answer(tuple(map(_series, result)), tuple(dict.fromkeys(warnings)))


def _series(item: object) -> Series:
    if not isinstance(item, dict) or not isinstance(item.get("metric"), dict):
        raise _StrangeError
    values = [item["value"]] if "value" in item else item.get("values", [])
    histograms = [item["histogram"]] if "histogram" in item else item.get("histograms", [])
    if not isinstance(values, list) or not isinstance(histograms, list):
        raise _StrangeError
    labels = tuple(sorted((str(name), str(value)) for name, value in item["metric"].items()))
    numbers = tuple((at, _number(value)) for at, value in map(_pair, values))
    samples = tuple((at, _buckets(value)) for at, value in map(_pair, histograms))
    if not _ascending(at for at, _ in numbers) or not _ascending(at for at, _ in samples):
        raise _StrangeError
    return Series(labels, numbers, samples)


def _pair(pair: object) -> tuple[float, object]:
    match pair:
        case [int() | float() as at, value] if math.isfinite(at):
            return float(at), value
    raise _StrangeError


def _ascending(times: Iterable[float]) -> bool:
    return all(one < two for one, two in pairwise(times))


def _buckets(value: object) -> Buckets | None:
    """`{"count": "6", "sum": "...", "buckets": [[rule, left, right, count], ...]}`."""
    rows = value.get("buckets", []) if isinstance(value, dict) else None
    if not isinstance(value, dict) or not isinstance(rows, list):
        raise _StrangeError
    count = _number(value.get("count"))
    return None if count is None else Buckets(count, tuple(map(_bucket, rows)))


def _bucket(row: object) -> tuple[float, float, float]:
    if not isinstance(row, list) or len(row) != _ROW:
        raise _StrangeError
    left, right, count = (_number(part, infinite=True) for part in row[1:])
    if left is None or right is None or count is None:
        raise _StrangeError
    return left, right, count


def _number(value: object, *, infinite: bool = False) -> float | None:
    """Numbers are text here; NaN and, unless asked for, infinities are none."""
    if infinite and value in {"+Inf", "-Inf"}:
        return math.inf if value == "+Inf" else -math.inf
    return number(value) if isinstance(value, str) else None


def _texts(value: object) -> list[str]:
    items = value if isinstance(value, list) else []
    return [short(plain(each), _SHOWN) for each in items if isinstance(each, str) and not each.startswith(_ADVICE)]
