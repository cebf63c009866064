"""Keptn's scoring -> Scoring: indicators, their criteria, and what share of the score passes.

    criterion  := comparator [ "+" | "-" ] NUMBER ( "%" | UNIT | )       white space counts for nothing
    comparator := "<=" | "<" | "=" | ">=" | ">"                          tried in this order

A `%` is always relative to the earlier results, and without a sign an increase: `<=10%` is `<=+10%`. A sign without `%`
is a difference to them. Anything else is the value itself. Source: Keptn's `evaluate_sli_handler.go`.

Called by `gitslo.core.parse_plan`. Must stay true: a criterion is about the indicator's own unit, so a bare number
never limits a response time: Keptn's files count milliseconds there, and everything here counts seconds.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from decimal import Decimal

from gitslo.core.document import Field
from gitslo.core.objectives import Known, NoObjective, Subject, parse_subject
from gitslo.core.quantities import is_number, parse_amount
from gitslo.core.units import format_duration, format_share, parse_share
from gitslo.errors import Problem, Refused
from gitslo.model import (
    Aggregate,
    Comparator,
    Comparison,
    Criterion,
    CriterionForm,
    Include,
    Metric,
    MetricForm,
    Quantity,
    ScoredObjective,
    Scoring,
    Seconds,
    Share,
)

__all__ = ["parse_criterion", "parse_scoring"]

_ORDER = (
    Comparator.LESS_OR_EQUAL,
    Comparator.LESS,
    Comparator.EQUAL,
    Comparator.GREATER_OR_EQUAL,
    Comparator.GREATER,
)
_VALUE = re.compile(r"([+-]?)([0-9]{1,19}(?:\.[0-9]{1,15})?)(%?)")
_SIGNED = re.compile(r"([+-])(.+)")
_EXAMPLE = "e.g. `<=+10%`, `<=+80ms` or `<600ms`"
_SHOWN = (0.5, 0.9, 0.95, 0.99, 0.999)
"""The percentiles of a load that every attempt's summary has."""


def parse_scoring(root: Field, known: Known, unread: Collection[str]) -> Scoring | None:
    """The `scoring` of a plan; problems are noted in the document.

    Args:
        root: the whole document.
        known: what an indicator may be.
        unread: names of loads and metrics that are there and could not be read, which is told already.
    """
    field = root.get("scoring")
    if field is None:
        return None
    passes = field.parsed_of("pass", parse_share, Share(1.0))
    warns = field.parsed_of("warning", parse_share, None)
    if passes <= 0:
        (field.get("pass") or field).add("a score of 0% is always reached: nothing would ever fail")
    if warns is not None and warns > passes:
        hint = f"at most {format_share(passes)}"
        (field.get("warning") or field).add("`warning` is above `pass`, so it would never be reached", hint)
    objectives = field.get("objectives")
    found = tuple(_objectives(objectives, known, unread)) if objectives is not None else ()
    if objectives is not None and objectives.sound and not any(item.get("pass") for item in objectives.items()):
        objectives.add("nothing is scored: without a `pass` everything passes", "give one of them a `pass`")
    return Scoring(found, passes, warns, _comparison(field.get("compare")))


def _comparison(field: Field | None) -> Comparison:
    default = Comparison()
    if field is None:
        return default
    return Comparison(
        results=field.number_of("results", default.results),
        include=Include(field.text_of("include", default.include)),
        aggregate=Aggregate(field.text_of("aggregate", default.aggregate)),
    )


def _objectives(objectives: Field, known: Known, unread: Collection[str]) -> Iterator[ScoredObjective]:
    names: set[str] = set()
    for item in objectives.items():
        of = item.get("of")
        if of is None:
            continue
        name = item.text_of("name", of.text)
        if name in names:
            at = item.get("name") or of
            at.add(f"there are two scored objectives called `{name}`", "give each a `name` of its own")
        names.add(name)
        if of.text.partition(".")[0] in unread:
            continue
        subject = _indicator(of, known)
        if subject is not None:
            yield _scored(item, of.text, subject, known)


def _indicator(of: Field, known: Known) -> Subject | None:
    """What is scored; None where there is no such thing, which is noted."""
    if re.search(r"[\s<>=!]", of.text):
        of.add(f"expected an indicator's name, found `{of.text}`", "e.g. `browse.latency.p95`")
        return None
    subject: Subject | None
    try:
        subject = parse_subject(of.text, 0, known)
    except NoObjective as error:
        if not _is_histogram(of.text, known):
            of.add_inside(error.offset, error.message, error.hint)
            return None
        subject = None
    if subject is None or _is_histogram(of.text, known):
        of.add(f"`{of.text}` is a histogram's and no single number", "score a gauge that is its quantile")
        return None
    if subject.metric is Metric.QUANTILE:
        of.add("a score is about a ratio or a gauge as a whole", f"`{of.text.partition('.')[0]}` is a gauge's mean")
        return None
    if subject.metric is Metric.LATENCY and subject.quantile not in _SHOWN:
        of.add(f"no summary has this percentile: `{of.text}`", "p50, p90, p95, p99 or p99.9")
        return None
    return subject


def _is_histogram(indicator: str, known: Known) -> bool:
    section = known.metrics.get(indicator.partition(".")[0])
    return section is not None and section.form is MetricForm.HISTOGRAM


def _scored(item: Field, indicator: str, subject: Subject, known: Known) -> ScoredObjective:
    passes, warns, key = item.get("pass"), item.get("warning"), item.flag_of("key", default=False)
    if passes is None:
        for at, name in ((warns, "warning"), (item.get("weight"), "weight"), (item.get("key"), "key")):
            if at is not None:
                hint = "add `pass`"
                at.add(f"without `pass` it is only reported, so `{name}` would mean nothing", hint, on_key=True)
    return ScoredObjective(
        indicator=indicator,
        passes=tuple(_groups(passes, subject, known)),
        warns=tuple(_groups(warns, subject, known)),
        weight=item.number_of("weight", 1),
        key=key,
        name=item.text_of("name", ""),
    )


def _groups(field: Field | None, subject: Subject, known: Known) -> Iterator[tuple[Criterion, ...]]:
    for group in field.items() if field is not None else ():
        criteria = []
        for each in group.items():
            criterion = each.parsed(parse_criterion, None)
            if criterion is None:
                continue
            fault = _unit_fault(criterion, subject, known)
            if fault is not None:
                each.add(fault.message, fault.hint)
            criteria.append(criterion)
        yield tuple(criteria)


def parse_criterion(text: str) -> Criterion:
    """`<= +10 %`, `<600ms`, `>=-80`.

    Raises:
        Refused: it is none.
    """
    bare = "".join(text.split())
    comparator = next((each for each in _ORDER if bare.startswith(each)), None)
    if comparator is None:
        hint = f"begin with `<=`: `<={bare}`" if _VALUE.fullmatch(bare) else _EXAMPLE
        raise Refused(
            Problem(
                f"expected a criterion that begins with `<=`, `<`, `=`, `>=` or `>`, found `{bare[:40]}`", hint=hint
            )
        )
    value = bare.removeprefix(comparator)
    if value[:1] in {"=", "<", ">"}:
        other = value[:1] + comparator if comparator is Comparator.EQUAL and value[:1] in {"<", ">"} else comparator
        raise Refused(Problem(f"there is no comparison `{comparator}{value[:1]}`", hint=f"write `{other}`"))
    relative = _VALUE.fullmatch(value)
    if relative is not None and relative[3]:
        number = float(Decimal(relative[1] + relative[2]))
        return Criterion(bare, comparator, CriterionForm.RELATIVE, number)
    signed = _SIGNED.fullmatch(value)
    if not value or (signed is not None and signed[2][:1] in {"+", "-"}):
        raise Refused(Problem(f"expected a value after `{comparator}`", hint=_EXAMPLE))
    if signed is None:
        return Criterion(bare, comparator, CriterionForm.FIXED, parse_amount(value).value)
    change = parse_amount(signed[2]).value
    return Criterion(bare, comparator, CriterionForm.CHANGE, -change if signed[1] == "-" else change)


def _unit_fault(criterion: Criterion, subject: Subject, known: Known) -> Problem | None:
    """Why a criterion's number cannot be one of this indicator."""
    if criterion.form is CriterionForm.RELATIVE:
        return None
    bare = criterion.text.lstrip("<>=")
    text = bare.lstrip("+-")
    quantity = parse_amount(text).quantity
    if subject.metric is Metric.LATENCY:
        if quantity is not Quantity.SECONDS:
            hint = f"did you mean `{criterion.text}ms`?" if is_number(text) else ""
            return Problem(f"expected a duration with its unit, found `{bare}`", hint=hint)
        timeout = known.timeouts[subject.load]
        if criterion.form is CriterionForm.FIXED and criterion.value > timeout:
            message = f"{bare} is above the time-out {format_duration(Seconds(timeout))} of the load"
            return Problem(message, hint="what takes longer than the time-out has failed")
        return None
    if subject.metric in {Metric.ERRORS, Metric.SHARE}:
        if quantity is not Quantity.NUMBER or abs(criterion.value) > 1:
            written = criterion.text.removesuffix(text)
            hint = "a share is written as a number, `%` means relative to earlier results"
            if quantity is Quantity.NUMBER and abs(criterion.value) <= 100:  # noqa: PLR2004 - per cent
                hint = f"{text} per cent is `{written}{Decimal(text) / 100}`: `%` means relative to earlier results"
            return Problem(f"expected a share from 0 to 1, found `{bare}`", hint=hint)
        return None
    unit = known.units.get(subject.section.name) if subject.section is not None else None
    if unit not in {None, quantity, Quantity.SHARE} and criterion.value:
        return Problem(f"`{bare}` is not of the kind of values that `between` says")
    return None
