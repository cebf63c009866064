"""A query and what its value must be -> a metric and an objective of the plan.

Called by the importers of formats that query Prometheus, and others. Must stay true: what is written judges the same
thing; a ratio of counters is judged by its events, a number that gitslo cannot take apart only by its estimate.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from decimal import Decimal

from gitslo.core.imports.draft import Draft, digits, percent
from gitslo.core.imports.plantext import Block, Entry, Rows, Word, Written
from gitslo.core.imports.promql import Binary, Call, Expression, Selector, parse, seconds, walk
from gitslo.core.imports.reading import Cell
from gitslo.core.imports.result import Rule
from gitslo.core.imports.shapes import (
    Quantile,
    Ratio,
    bucket_share,
    opposite,
    shape_of,
    unit_of,
    zero_for_missing,
)
from gitslo.core.units import format_duration
from gitslo.model.units import Seconds

__all__ = ["Bound", "Query", "add_gauge", "add_promql", "add_ratio", "duration", "lint_promql", "one_line"]

_SCRAPES = 30.0
"""Seconds in which a counter is scraped twice at the usual 15 s; two values make the smallest difference."""
_RANGED = frozenset({"rate", "irate", "increase", "delta", "idelta", "deriv"})
_UPPER = frozenset({"<", "<="})
_LOWER = frozenset({">", ">="})
_ZERO = re.compile(r"\s+or\s+(?:on\s*\(\s*\)\s*)?vector\s*\(\s*0\s*\)\s*\Z")
_PROOF = Decimal(3)
"""The rule of three: after n clean events the share of bad ones is below 3/n, at 95 %."""


@dataclass(frozen=True, slots=True)
class Bound:
    """What a good value is: `value operator bound`."""

    operator: str
    value: Decimal

    @property
    def criterion(self) -> tuple[tuple[str, ...], ...]:
        """As a criterion of `scoring`: groups of which one must hold."""
        number = digits(self.value)
        if self.operator == "!=":
            return ((f"<{number}",), (f">{number}",))
        return ((f"{self.operator.replace('==', '=')}{number}",),)


@dataclass(frozen=True, slots=True)
class Query:
    """A query that a file has.

    Attributes:
        name: the indicator's own.
        text: with the plan's variables in it.
        cell: where it stands.
        source: a name of the operator's sources.
        every: seconds between two measurements, or None.
        report: it does not decide.
        more: further fields of the metric.
    """

    name: str
    text: str
    cell: Cell
    source: str
    every: float | None = None
    report: bool = False
    more: tuple[Entry, ...] = ()


def one_line(text: str) -> str:
    """A query on one line; one with a comment in it stays as it is."""
    return text.strip() if "#" in text else " ".join(text.split())


def duration(value: float) -> str:
    """Seconds as a plan has them."""
    return format_duration(Seconds(value))


def add_promql(draft: Draft, query: Query, bound: Bound) -> None:
    """Add what a PromQL query measures, and the limit on it."""
    expression = parse(query.text)
    lint_promql(draft, query.cell, expression)
    query = _without_zero(draft, query)
    match shape_of(expression):
        case Ratio() as ratio if _ratio(draft, query, bound, ratio):
            return
        case Quantile() as shape if bound.operator in _UPPER and bound.value > 0:
            limit = bound.value / shape.factor
            add_quantile(draft, query, shape.buckets, shape.quantile, limit)
        case _:
            add_gauge(draft, query, bound)


def add_ratio(draft: Draft, query: Query, bad: str, total: str, limit: Decimal) -> str | None:
    """Add events and the share of bad ones that is allowed; the metric's name, None where the limit says nothing."""
    if limit >= 1:
        draft.note(query.cell, "a limit of 100 % of bad events can never be broken", "name a limit that can")
        return None
    name = draft.metric(
        query.name,
        (
            Entry("source", query.source),
            Entry("ratio", Block((Entry("bad", bad), Entry("total", total)))),
        ),
        query.cell,
    )
    if limit <= 0:
        zero_tolerance(draft, query, name)
    else:
        draft.objective(f"{name} < {percent(limit)}", query.cell, _role(query))
    return name


def zero_tolerance(draft: Draft, query: Query, indicator: str, events: int | None = None) -> None:
    """Add "none at all", which only scoring can say."""
    if events:
        proven = f"{events} clean ones prove that at most {percent(_PROOF / events)} are bad"
    else:
        proven = "n clean ones prove that at most 3/n are bad, e.g. 1 % after 300"
    why = f"no sample proves that none is ever bad: {proven}, at 95 %; it fails at the first, and a clean end passes"
    draft.find(Rule.ZERO_TOLERANCE, query.cell, why, "name what you can live with, e.g. `< 0.1%`, and it is proven")
    draft.scored(indicator, () if query.report else (("<=0",),), query.cell)


def add_quantile(
    draft: Draft, query: Query, buckets: Selector, quantile: Decimal, limit: Decimal, *, milliseconds: bool = False
) -> None:
    """Add a histogram and a limit on a quantile of it, in the histogram's unit, or in milliseconds."""
    name = draft.metric(query.name, (Entry("source", query.source), Entry("histogram", str(buckets))), query.cell)
    unit = unit_of(buckets.name)
    if milliseconds and unit == 1:
        limit, milliseconds = limit / 1000, False
    shown = duration(float(limit)) if unit == 1 else digits(limit)
    if unit is not None and unit != 1:
        draft.note(
            query.cell, f"the limit {shown} is in the histogram's own unit, milliseconds by its name", what=f"`{name}`"
        )
    draft.objective(f"{name}.p{digits(quantile * 100)} < {shown}", query.cell, _role(query))


def add_gauge(draft: Draft, query: Query, bound: Bound, between: tuple[str, str] | None = None) -> str:
    """Add a number that is only looked at as a whole; the metric's name, empty where none is written."""
    if not query.text.strip() or (between is not None and bound.operator in _UPPER and bound.value >= 1):
        empty = "the query is empty" if not query.text.strip() else "a limit of 100 % can never be broken"
        draft.leave_out(query.cell, f"{empty}; it is left out")
        return ""
    parts = [Entry("source", query.source), Entry("gauge", one_line(query.text)), *query.more]
    if query.every is not None:
        parts.append(Entry("every", duration(query.every)))
    if between is not None:
        parts.append(Entry("between", Rows((_bound(between[0]), _bound(between[1])))))
    name = draft.metric(query.name, parts, query.cell)
    if between is not None and bound.operator in _UPPER and 0 < bound.value < 1:
        draft.objective(f"{name} < {percent(bound.value)}", query.cell, _role(query))
        return name
    why = "a number has no events to count: the mean of its values is held against the limit at the end"
    draft.note(query.cell, f"{why}, with no error control", "give counters as `ratio`, or buckets as `histogram`")
    if bound.operator in _UPPER and bound.value > 0:
        fields: tuple[tuple[str, Written], ...] = (("test", "threshold"), *_role(query))
        draft.objective(f"{name} < {digits(bound.value)}", query.cell, fields)
    else:
        draft.scored(name, () if query.report else bound.criterion, query.cell)
    return name


def lint_promql(draft: Draft, cell: Cell, expression: Expression | None) -> None:
    """Say what is wrong with a query whatever its limit is."""
    if expression is None:
        return
    if zero_for_missing(expression):
        why = "`or vector(0)` reads missing data as zero, and nothing that is missing ever fails"
        draft.find(Rule.MISSING_READS_AS_ZERO, cell, why, "take it out: missing data is then inconclusive")
    for each in walk(expression):
        match each:
            case Call(name, (Selector(window=window),)) if name in _RANGED:
                length = seconds(window)
                if length is not None and length < _SCRAPES:
                    why = f"`{name}(...[{window}])` needs two scrapes, and at the usual 15s its range may hold one"
                    draft.find(Rule.SHORT_RANGE, cell, why, "make the range four scrape intervals long, e.g. `[1m]`")
            case Binary("/", left, right, _) if _of_rates(left) and _of_rates(right):
                why = "without traffic this is 0/0 = NaN, for which no comparison holds"
                draft.find(Rule.NO_TRAFFIC, cell, why, "give bad and total apart: no events are then inconclusive")
            case _:
                continue


def _without_zero(draft: Draft, query: Query) -> Query:
    """The query without an `or vector(0)` at its end: what is missing is then missing."""
    text = _ZERO.sub("", query.text)
    if text == query.text:
        return query
    draft.leave_out(query.cell, "`or vector(0)` at its end is left out: missing data never passes", "nothing to do")
    return replace(query, text=text)


# --------------------------------------------------------------------------- by shape


def _ratio(draft: Draft, query: Query, bound: Bound, ratio: Ratio) -> bool:
    """Add a ratio's events; False where it cannot be judged by them."""
    share = bound.value / ratio.factor
    if bound.operator == "==" and bound.value in {0, ratio.factor}:
        bound = Bound("<=" if bound.value == 0 else ">=", bound.value)
    if bound.operator not in _UPPER | _LOWER or ratio.factor <= 0:
        return False
    upper = bound.operator in _UPPER
    limit = share if upper else 1 - share
    if not upper and not ratio.rest and 0 < share < 1:
        edge = bucket_share(ratio.part, ratio.whole)
        if edge is not None:
            add_quantile(draft, query, edge[0], share, edge[1])
            return True
    bad = ratio.part if upper != ratio.rest else opposite(ratio.part, ratio.whole)
    if bad is not None:
        add_ratio(draft, query, str(bad), str(ratio.whole), limit)
        return True
    if not 0 < limit < 1:
        return False
    text = one_line(query.text)
    scaled = text if ratio.factor == 1 else f"({text}) / {digits(ratio.factor)}"
    turned = scaled if upper else f"1 - ({text})" if ratio.factor == 1 else f"1 - {scaled}"
    why = "what is not good cannot be selected by one matcher: the mean of the share is judged, not its events"
    draft.note(query.cell, why, "count the bad ones, and give them as `ratio: {bad, total}`")
    other = Query(query.name, turned, query.cell, query.source, query.every, query.report)
    add_gauge(draft, other, Bound("<=", limit), ("0", "100%"))
    return True


def _bound(text: str) -> Written:
    return text if text.endswith("%") else Word(text)


def _role(query: Query) -> tuple[tuple[str, Written], ...]:
    return (("role", "report"),) if query.report else ()


def _of_rates(expression: Expression) -> bool:
    """Whether it is nothing but the speed of counters, which is zero without traffic."""
    found = list(walk(expression))
    calls = [each for each in found if isinstance(each, Call) and each.name in {"rate", "irate", "increase"}]
    guarded = any(isinstance(each, Call) and each.name in {"clamp_min", "vector"} for each in found)
    compared = any(isinstance(each, Binary) and each.operator in {">", ">=", "or"} for each in found)
    return bool(calls) and not guarded and not compared
