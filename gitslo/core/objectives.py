"""The grammar of objectives: one sentence, one limit.

    objective := subject "<" limit
    subject   := LOAD [ "." ENDPOINT ] "." measure | METRIC [ "." percentile ]
    measure   := "errors" | "latency." percentile
    limit     := PERCENTAGE (errors, ratios) | DURATION (latency) | AMOUNT (gauges, histograms)
               | PERCENTAGE "of" "baseline" (loads only)

A gauge's name alone is its mean. Called by `gitslo.core.parse_objectives`. A request at exactly the limit is good, so
`<` and `<=` would mean the same; only `<` is written, and one objective has one spelling. Every error says the
character at which it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from difflib import get_close_matches
from typing import NoReturn, TypeVar

from gitslo.core.nearest import nearest
from gitslo.core.quantities import KINDS, Amount, is_number, parse_amount
from gitslo.core.units import format_duration, format_share, parse_duration, parse_share
from gitslo.errors import Refused
from gitslo.model import (
    Baseline,
    BaselineForm,
    JudgedUnit,
    Metric,
    MetricForm,
    MetricSection,
    Objective,
    Quantity,
    Role,
    Seconds,
    Share,
    Test,
)

__all__ = ["RESERVED", "Known", "NoObjective", "Subject", "Terms", "parse_objective", "parse_subject"]

T = TypeVar("T")

RESERVED = frozenset({Metric.ERRORS, Metric.LATENCY})
"""Names that no endpoint may have: the grammar could not tell them from a metric."""

_SHAPE = re.compile(
    r"\s*(?P<subject>[^\s<>=!]*)\s*(?P<operator>[<>=!]*)\s*(?P<limit>[^\s<>=!]*)(?P<rest>.*)", re.DOTALL
)
_QUANTILE = re.compile(r"p([0-9]{1,2}(?:\.[0-9]{1,6})?)")
_EXAMPLE = "e.g. `browse.errors < 1%` or `browse.latency.p95 < 250ms`"
_METRICS = ("errors", "latency.p95")
_MEANS = frozenset({"mean", "avg", "average", "max", "min", "median"})
_GOOD = frozenset({"success", "successes", "availability", "ok"})
_RATES = frozenset({"errors", "share", "rate", "ratio", "failures"})
_LARGEST_FACTOR = 100.0


@dataclass(frozen=True, slots=True)
class Known:
    """What an objective may be about.

    Attributes:
        endpoints: load -> names of its endpoints, empty where it has one request only.
        timeouts: load -> its time-out in seconds.
        metrics: by name.
        units: metric -> what the values of its `between` are, where they say it.
    """

    endpoints: Mapping[str, Collection[str]]
    timeouts: Mapping[str, Seconds]
    metrics: Mapping[str, MetricSection] = field(default_factory=dict)
    units: Mapping[str, Quantity] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Terms:
    """What may stand beside a sentence; see `Objective`."""

    test: Test = Test.SEQUENTIAL
    unit: JudgedUnit = JudgedUnit.REQUESTS
    allow: Share | None = None
    baseline: Baseline | None = None


@dataclass(frozen=True, slots=True)
class Subject:
    """What a sentence is about.

    Attributes:
        load, endpoint: as of `Objective`; without load it is about `section`.
        metric, quantile: likewise.
        section: the metric, None for a load.
    """

    load: str
    endpoint: str | None
    metric: Metric
    quantile: float | None
    section: MetricSection | None = None


class NoObjective(Exception):
    """A sentence that is no objective; becomes a Problem in `parse_objectives`.

    Attributes:
        offset: the character at which it goes wrong, from 0.
        message, hint: as in `Problem`.
    """

    def __init__(self, offset: int, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.offset = offset
        self.message = message
        self.hint = hint


def parse_objective(sentence: str, role: Role, known: Known, terms: Terms = Terms()) -> Objective:
    """Read one sentence; that `terms` fit what it is about is for the caller to say.

    Raises:
        NoObjective: it is none, or it is about something that nothing produces.
    """
    match = _SHAPE.fullmatch(sentence)
    assert match is not None  # noqa: S101 - every part of the shape may be empty
    text, operator, limit, rest = match.group("subject", "operator", "limit", "rest")
    if not text:
        raise NoObjective(match.start("subject"), "expected an objective", _EXAMPLE)
    subject = parse_subject(text, match.start("subject"), known)
    _operator(operator, match.start("operator"), text, subject)
    at = match.start("limit")
    if not limit:
        raise NoObjective(match.end("operator"), f"expected {_wanted(subject)} after `<`", _EXAMPLE)
    relative = _rest(rest, match.start("rest"), limit, subject)
    quantity: Quantity | None = None
    if relative:
        value = _factor(limit, at)
        if terms.baseline is None:
            hint = "say which: `{that: " + f"{text} < {limit} of baseline, baseline: last-pass" + "}`"
            raise NoObjective(at, "the sentence is about a baseline, and `baseline` is missing", hint)
    elif subject.section is not None:
        amount = _metric_limit(text, limit, at, subject.section, subject.metric, known)
        value, quantity = amount.value, amount.quantity
        _provable(text, match.start("subject"), subject, terms)
    elif subject.metric is Metric.ERRORS:
        value = _share_limit(limit, at, "an error limit")
    else:
        value = _latency_limit(limit, at, known.timeouts[subject.load])
    objective = Objective(
        text="",
        load=subject.load,
        endpoint=subject.endpoint,
        metric=subject.metric,
        limit=value,
        quantile=subject.quantile,
        role=role,
        source="" if subject.section is None else subject.section.name,
        quantity=quantity,
        test=terms.test,
        unit=terms.unit,
        allow=terms.allow,
        baseline=terms.baseline if relative else None,
    )
    return replace(objective, text=f"{text} < {limit}{_further(objective)}")


def _further(objective: Objective) -> str:
    """What stands beside a sentence, as a part of its text: one text is one objective."""
    if objective.baseline is not None:
        form, ref = objective.baseline.form, objective.baseline.ref
        return f" of {form}" if form is BaselineForm.LAST_PASS else f" of {form}:{ref}"
    if objective.test is Test.THRESHOLD:
        return " at the end"
    if objective.unit is JudgedUnit.SECONDS:
        return f" in all but {format_share(objective.allowed)} of {'windows' if objective.source else 'seconds'}"
    return ""


# --------------------------------------------------------------------------- subjects


def parse_subject(text: str, at: int, known: Known) -> Subject:
    """`browse.errors`, `browse.pay.latency.p99`, `server_errors`, `queue.p95`.

    Args:
        text: without white space; not empty.
        at: the character of the sentence at which it begins.
        known: what there is.

    Raises:
        NoObjective: there is no such thing.
    """
    name, dot, rest = text.partition(".")
    if name in known.metrics:
        return _of_metric(name, rest if dot else None, at, known.metrics[name])
    if name not in known.endpoints:
        hint = nearest(name, (*known.endpoints, *known.metrics)) or "declare it in `load` or `metrics`"
        kinds = [kind for kind, names in (("load", known.endpoints), ("metric", known.metrics)) if names]
        raise NoObjective(at, f"there is no {' or '.join(kinds or ('load', 'metric'))} `{name}`", hint)
    return _of_load(name, dot, rest, at + len(name) + 1, known.endpoints[name])


def _of_load(load: str, dot: str, rest: str, at: int, endpoints: Collection[str]) -> Subject:
    if not dot or not rest:
        raise NoObjective(at - 1, f"expected a metric of `{load}`", f"`{load}.errors` or `{load}.latency.p95`")
    first, dot, after = rest.partition(".")
    if first in RESERVED:
        return Subject(load, None, *_measure(rest, at))
    if not dot:
        _unknown_metric(first, at, endpoints)
    if first not in endpoints:
        if not get_close_matches(first, endpoints) and get_close_matches(first, RESERVED):
            raise NoObjective(at, f"there is no metric `{first}`", nearest(first, sorted(map(str, RESERVED))))
        if not endpoints:
            hint = f"it has one request: write `{load}.{after}`"
            raise NoObjective(at, f"the load `{load}` has no endpoints to tell apart", hint)
        raise NoObjective(at, f"the load `{load}` has no endpoint `{first}`", nearest(first, endpoints))
    return Subject(load, first, *_measure(after, at + len(first) + 1))


def _unknown_metric(name: str, at: int, endpoints: Collection[str]) -> NoReturn:
    if name in endpoints:
        raise NoObjective(at + len(name), f"expected a metric of `{name}`", f"`{name}.errors` or `{name}.latency.p95`")
    if name in _GOOD:
        raise NoObjective(at, f"there is no metric `{name}`", "limit the opposite: `errors < 1%` is 99% success")
    raise NoObjective(at, f"there is no metric or endpoint `{name}`", nearest(name, (*_METRICS, *endpoints)))


def _measure(text: str, at: int) -> tuple[Metric, float | None]:
    name, dot, rest = text.partition(".")
    if name == Metric.ERRORS:
        if dot:
            raise NoObjective(at + len(name), f"expected `<` and found `.{rest}`", "`errors` has no parts")
        return Metric.ERRORS, None
    if name != Metric.LATENCY:
        _unknown_metric(name, at, ())
    return Metric.LATENCY, _percentile(rest, at + len(name) + 1)


def _percentile(text: str, at: int) -> float:
    match = _QUANTILE.fullmatch(text)
    if match is None or not 0 < Decimal(match[1]) < 100:  # noqa: PLR2004 - per cent
        hint = "a mean or a maximum has no bound to prove; limit a percentile" if text in _MEANS | {"p100"} else ""
        found = f", found `{text}`" if text else ""
        raise NoObjective(at, f"expected a percentile such as `p95` or `p99.9`{found}", hint)
    return float(Decimal(match[1]) / 100)


def _of_metric(name: str, rest: str | None, at: int, section: MetricSection) -> Subject:
    end = at + len(name)
    match section.form:
        case MetricForm.RATIO:
            if rest is not None:
                hint = f"write `{name} < 1%`" if rest in _RATES else "a ratio has no parts"
                raise NoObjective(end, f"expected `<` and found `.{rest}`", hint)
            return Subject("", None, Metric.SHARE, None, section)
        case MetricForm.GAUGE if rest is None:
            return Subject("", None, Metric.MEAN, None, section)
        case MetricForm.GAUGE if rest in _MEANS - {"max", "min", "median"}:
            raise NoObjective(end, f"expected `<` and found `.{rest}`", f"`{name}` alone is its mean")
        case MetricForm.HISTOGRAM if rest is None:
            raise NoObjective(end, f"expected a percentile of `{name}`", f"`{name}.p95`")
    quantile = (rest or "").removeprefix(f"{Metric.LATENCY}.")
    if quantile != rest and _QUANTILE.fullmatch(quantile):
        raise NoObjective(end + 1, f"there is no `{Metric.LATENCY}` of a metric", f"write `{name}.{quantile}`")
    return Subject("", None, Metric.QUANTILE, _percentile(rest or "", end + 1), section)


# --------------------------------------------------------------------------- operators and what follows


def _operator(operator: str, at: int, text: str, subject: Subject) -> None:
    match operator:
        case "<":
            return
        case "<=" | "=<":
            hint = "write `<`: what is exactly at the limit counts as good"
        case ">" | ">=":
            hint = "every objective is an upper limit; limit the opposite"
            if subject.section is not None and subject.section.form is MetricForm.GAUGE:
                hint += ": let the query give the negative, `-(...)`, and limit that"
        case "":
            hint = f"write `{text} < ` and the limit"
        case _:
            hint = "write `<`"
    raise NoObjective(at, "expected `<`" + (f", found `{operator}`" if operator else ""), hint)


def _wanted(subject: Subject) -> str:
    match subject.metric:
        case Metric.ERRORS | Metric.SHARE:
            return "a percentage such as `1%`"
        case Metric.LATENCY:
            return "a duration such as `250ms`"
        case _:
            return "a number, or one with its unit, such as `80%` or `50ms`"


def _rest(rest: str, at: int, limit: str, subject: Subject) -> bool:
    """Whether the limit is one of a baseline."""
    extra = rest.strip()
    if not extra:
        return False
    at += len(rest) - len(rest.lstrip())
    words = extra.split()
    if words[0] == "of":
        if subject.section is not None:
            hint = "only errors and latencies of a load are compared with a baseline"
            raise NoObjective(at, f"expected nothing after the limit, found `{extra}`", hint)
        if words != ["of", "baseline"]:
            hint = "`baseline` beside the sentence says which: `{that: ..., baseline: last-pass}`"
            raise NoObjective(at, f"expected `of baseline`, found `{extra}`", hint)
        return True
    hint = f"write `{limit}{extra}` without the blank" if re.fullmatch(r"%|ms|s|m|[kMGT]?i?B", extra) else ""
    raise NoObjective(at, f"expected nothing after the limit, found `{extra}`", hint)


# --------------------------------------------------------------------------- limits


def _read(parse: Callable[[str], T], limit: str, at: int) -> T:
    try:
        return parse(limit)
    except Refused as refused:
        problem = refused.problems[0]
        raise NoObjective(at, problem.message, problem.hint) from None


def _share_limit(limit: str, at: int, what: str) -> float:
    if is_number(limit) and 0 < Decimal(limit) < 1:
        raise NoObjective(at, f"expected a percentage, found `{limit}`", f"as one it is `{_per_cent(limit)}`")
    share = _read(parse_share, limit, at)
    if share <= 0:
        hint = "no finite number of requests proves that none ever fails; name what you can live with, e.g. `0.1%`"
        raise NoObjective(at, f"{what} of 0% cannot be proven", hint)
    if share >= 1:
        raise NoObjective(at, f"{what} of 100% cannot be broken", _EXAMPLE)
    return share


def _per_cent(number: str) -> str:
    return format_share(Share(float(number)))


def _latency_limit(limit: str, at: int, timeout: Seconds) -> float:
    if limit.endswith("%"):
        hint = f"percentages limit `errors`; relative to a baseline it is `{limit} of baseline`"
        raise NoObjective(at, f"expected a duration such as `250ms`, found `{limit}`", hint)
    if limit.isdecimal():
        raise NoObjective(at, f"expected a duration with its unit, found `{limit}`", f"did you mean `{limit}ms`?")
    seconds = _read(parse_duration, limit, at)
    if seconds <= 0:
        raise NoObjective(at, "a latency limit must be above zero", _EXAMPLE)
    if seconds > timeout:
        message = f"the limit {limit} is above the time-out {format_duration(timeout)} of the load"
        raise NoObjective(at, message, "what takes longer than the time-out has failed: raise `timeout`, or lower it")
    return seconds


def _factor(limit: str, at: int) -> float:
    """How much of the baseline: 1.2 for `120%`."""
    amount = _read(parse_amount, limit, at)
    if amount.quantity is not Quantity.SHARE:
        hint = "`120%` allows a fifth more"
        if is_number(limit):
            times = Decimal(limit) <= 10  # noqa: PLR2004 - hardly per cent
            hint = f"did you mean `{_per_cent(limit) if times else limit + '%'}`?"
        raise NoObjective(at, f"expected a percentage of the baseline such as `120%`, found `{limit}`", hint)
    if not 0 < amount.value <= _LARGEST_FACTOR:
        raise NoObjective(at, f"expected a percentage above 0% and up to {format_share(Share(_LARGEST_FACTOR))}")
    return amount.value


def _metric_limit(text: str, limit: str, at: int, section: MetricSection, metric: Metric, known: Known) -> Amount:
    if metric is Metric.SHARE:
        return Amount(_share_limit(limit, at, "a limit"), Quantity.SHARE)
    amount = _read(parse_amount, limit, at)
    unit = known.units.get(section.name)
    if unit is not None and amount.quantity is not unit:
        hint = f"did you mean `{limit}%`?" if unit is Quantity.SHARE and amount.quantity is Quantity.NUMBER else ""
        message = f"the limit is {KINDS[amount.quantity]}, and the values of `{section.name}` are {_PLURALS[unit]}"
        raise NoObjective(at, message, hint)
    if section.form is MetricForm.HISTOGRAM and amount.value <= 0:
        raise NoObjective(at, "a histogram's limit must be above zero", f"e.g. `{text} < 50ms`")
    if section.between is not None:
        low, high = section.between
        if amount.value <= low:
            raise NoObjective(
                at, f"no value of `{section.name}` is below `{limit}`: it could never pass", "see `between`"
            )
        if amount.value >= high:
            raise NoObjective(
                at, f"no value of `{section.name}` is above `{limit}`: it could never fail", "see `between`"
            )
    return amount


_PLURALS = {
    Quantity.NUMBER: "plain numbers",
    Quantity.SHARE: "percentages",
    Quantity.SECONDS: "durations",
    Quantity.BYTES: "sizes",
}


def _provable(text: str, at: int, subject: Subject, terms: Terms) -> None:
    """The mean of a gauge has a test only where its values are bounded."""
    section = subject.section
    if subject.metric is not Metric.MEAN or terms.test is Test.THRESHOLD or (section and section.between is not None):
        return
    message = f"nothing bounds the values of `{text}`, and without bounds no number of them proves a mean"
    hint = f"limit a quantile, `{text}.p95`, say what is possible, `between: [0, 100%]`, or take `test: threshold`"
    raise NoObjective(at, message, hint)
