"""The grammar of objectives: one sentence, one limit.

    objective := subject "<" limit
    subject   := LOAD [ "." ENDPOINT ] "." metric
    metric    := "errors" | "latency.p" NUMBER
    limit     := PERCENTAGE (errors) | DURATION (latency)

Called by `gitslo.core.parse_plan`. A request at exactly the limit is good, so `<` and `<=` would mean the same; only
`<` is written, and one objective has one spelling. Every error says the character at which it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches
from typing import NoReturn, TypeVar

from gitslo.core.mistakes import LATER
from gitslo.core.nearest import nearest
from gitslo.core.units import format_duration, parse_duration, parse_share
from gitslo.errors import Refused
from gitslo.model import Metric, Objective, Role, Seconds

__all__ = ["RESERVED", "Known", "NoObjective", "parse_objective"]

T = TypeVar("T")

RESERVED = frozenset(Metric)
"""Names that no endpoint may have: the grammar could not tell them from a metric."""

_SHAPE = re.compile(
    r"\s*(?P<subject>[^\s<>=!]*)\s*(?P<operator>[<>=!]*)\s*(?P<limit>[^\s<>=!]*)(?P<rest>.*)", re.DOTALL
)
_QUANTILE = re.compile(r"p([0-9]{1,2}(?:\.[0-9]{1,6})?)")
_EXAMPLE = "e.g. `browse.errors < 1%` or `browse.latency.p95 < 250ms`"
_METRICS = ("errors", "latency.p95")
_MEANS = frozenset({"mean", "avg", "average", "max", "min", "median"})
_GOOD = frozenset({"success", "successes", "availability", "ok"})


@dataclass(frozen=True, slots=True)
class Known:
    """What an objective may be about.

    Attributes:
        endpoints: load -> names of its endpoints, empty where it has one request only.
        timeouts: load -> its time-out in seconds.
        metrics: names of `metrics`, which this version cannot measure.
    """

    endpoints: Mapping[str, Collection[str]]
    timeouts: Mapping[str, Seconds]
    metrics: Collection[str] = ()


class NoObjective(Exception):
    """A sentence that is no objective; becomes a Problem in `parse_plan`.

    Attributes:
        offset: the character at which it goes wrong, from 0.
        message, hint: as in `Problem`.
    """

    def __init__(self, offset: int, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.offset = offset
        self.message = message
        self.hint = hint


def parse_objective(sentence: str, role: Role, known: Known) -> Objective:
    """Read one sentence.

    Raises:
        NoObjective: it is none, or it is about something that nothing produces.
    """
    match = _SHAPE.fullmatch(sentence)
    assert match is not None  # noqa: S101 - every part of the shape may be empty
    subject, operator, limit, rest = match.group("subject", "operator", "limit", "rest")
    if not subject:
        raise NoObjective(match.start("subject"), "expected an objective", _EXAMPLE)
    load, endpoint, metric, quantile = _subject(subject, match.start("subject"), known)
    _operator(operator, match.start("operator"), subject)
    if not limit:
        example = "a percentage such as `1%`" if metric is Metric.ERRORS else "a duration such as `250ms`"
        raise NoObjective(match.end("operator"), f"expected {example} after `<`", _EXAMPLE)
    _rest(rest, match.start("rest"), limit, match.start("limit"))
    at = match.start("limit")
    value = _errors_limit(limit, at) if quantile is None else _latency_limit(limit, at, known.timeouts[load])
    return Objective(f"{subject} < {limit}", load, endpoint, metric, value, quantile, role)


def _subject(subject: str, at: int, known: Known) -> tuple[str, str | None, Metric, float | None]:
    load, dot, rest = subject.partition(".")
    if load in known.metrics:
        raise NoObjective(at, f"objectives on metrics from other sources: {LATER}")
    if load not in known.endpoints:
        hint = nearest(load, known.endpoints) or "declare it in `load`"
        raise NoObjective(at, f"there is no load `{load}`", hint)
    at += len(load) + 1
    if not dot or not rest:
        raise NoObjective(at - 1, f"expected a metric of `{load}`", f"`{load}.errors` or `{load}.latency.p95`")
    first, dot, after = rest.partition(".")
    if first in RESERVED:
        return load, None, *_metric(rest, at)
    if not dot:
        _unknown_metric(first, at, known.endpoints[load])
    endpoints = known.endpoints[load]
    if first not in endpoints:
        if not get_close_matches(first, endpoints) and get_close_matches(first, RESERVED):
            raise NoObjective(at, f"there is no metric `{first}`", nearest(first, sorted(map(str, RESERVED))))
        if not endpoints:
            hint = f"it has one request: write `{load}.{after}`"
            raise NoObjective(at, f"the load `{load}` has no endpoints to tell apart", hint)
        raise NoObjective(at, f"the load `{load}` has no endpoint `{first}`", nearest(first, endpoints))
    return load, first, *_metric(after, at + len(first) + 1)


def _unknown_metric(name: str, at: int, endpoints: Collection[str]) -> NoReturn:
    if name in endpoints:
        raise NoObjective(at + len(name), f"expected a metric of `{name}`", f"`{name}.errors` or `{name}.latency.p95`")
    if name in _GOOD:
        raise NoObjective(at, f"there is no metric `{name}`", "limit the opposite: `errors < 1%` is 99% success")
    raise NoObjective(at, f"there is no metric or endpoint `{name}`", nearest(name, (*_METRICS, *endpoints)))


def _metric(text: str, at: int) -> tuple[Metric, float | None]:
    name, dot, rest = text.partition(".")
    if name == Metric.ERRORS:
        if dot:
            raise NoObjective(at + len(name), f"expected `<` and found `.{rest}`", "`errors` has no parts")
        return Metric.ERRORS, None
    if name != Metric.LATENCY:
        _unknown_metric(name, at, ())
    at += len(name) + 1
    match = _QUANTILE.fullmatch(rest)
    if match is None or not 0 < Decimal(match[1]) < 100:  # noqa: PLR2004 - per cent
        hint = "a mean or a maximum has no bound to prove; limit a percentile" if rest in _MEANS | {"p100"} else ""
        found = f", found `{rest}`" if rest else ""
        raise NoObjective(at, f"expected a percentile such as `p95` or `p99.9`{found}", hint)
    return Metric.LATENCY, float(Decimal(match[1]) / 100)


def _operator(operator: str, at: int, subject: str) -> None:
    match operator:
        case "<":
            return
        case "<=" | "=<":
            hint = "write `<`: what is exactly at the limit counts as good"
        case ">" | ">=":
            hint = "every objective is an upper limit; limit the opposite"
        case "":
            hint = f"write `{subject} < ` and the limit"
        case _:
            hint = "write `<`"
    raise NoObjective(at, "expected `<`" + (f", found `{operator}`" if operator else ""), hint)


def _rest(rest: str, at: int, limit: str, limit_at: int) -> None:
    extra = rest.strip()
    if not extra:
        return
    if extra.startswith("of"):
        raise NoObjective(limit_at, f"limits relative to a baseline (`{limit} {extra}`): {LATER}", "name a number")
    at += len(rest) - len(rest.lstrip())
    hint = f"write `{limit}{extra}` without the blank" if re.fullmatch(r"%|ms|s|m", extra) else ""
    raise NoObjective(at, f"expected nothing after the limit, found `{extra}`", hint)


def _read(parse: Callable[[str], T], limit: str, at: int) -> T:
    try:
        return parse(limit)
    except Refused as refused:
        problem = refused.problems[0]
        raise NoObjective(at, problem.message, problem.hint) from None


def _errors_limit(limit: str, at: int) -> float:
    share = _read(parse_share, limit, at)
    if share <= 0:
        hint = "no finite number of requests proves that none ever fails; name what you can live with, e.g. `0.1%`"
        raise NoObjective(at, "an error limit of 0% cannot be proven", hint)
    if share >= 1:
        raise NoObjective(at, "an error limit of 100% cannot be broken", _EXAMPLE)
    return share


def _latency_limit(limit: str, at: int, timeout: Seconds) -> float:
    if limit.endswith("%"):
        raise NoObjective(at, f"expected a duration such as `250ms`, found `{limit}`", "percentages limit `errors`")
    if limit.isdecimal():
        raise NoObjective(at, f"expected a duration with its unit, found `{limit}`", f"did you mean `{limit}ms`?")
    seconds = _read(parse_duration, limit, at)
    if seconds <= 0:
        raise NoObjective(at, "a latency limit must be above zero", _EXAMPLE)
    if seconds > timeout:
        message = f"the limit {limit} is above the time-out {format_duration(timeout)} of the load"
        raise NoObjective(at, message, "what takes longer than the time-out has failed: raise `timeout`, or lower it")
    return seconds
