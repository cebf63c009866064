"""One objective of an SLO and its indicator -> a metric and objectives of a plan.

Called by `openslo`. Occurrences are judged by their events; a timeslice is a window, and a share of the windows may be
bad; the mean of the windows' shares is a gauge between 0 and 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from gitslo.core.imports.draft import Draft, digits, percent
from gitslo.core.imports.loads import needed
from gitslo.core.imports.measures import (
    Bound,
    Query,
    add_gauge,
    add_quantile,
    add_ratio,
    duration,
    lint_promql,
    one_line,
)
from gitslo.core.imports.openslo_sources import Measure, Sources, read_measure
from gitslo.core.imports.plantext import Block, Entry, Written
from gitslo.core.imports.promql import parse
from gitslo.core.imports.reading import Cell
from gitslo.core.imports.result import Rule
from gitslo.core.imports.shapes import bucket_share, counter, opposite

__all__ = ["Goal", "add_counters", "add_ratio_metric", "add_raw", "add_threshold_metric"]

_MONTH = 28 * 86400.0
"""The shortest period in seconds that the workbook's windows fit."""
_ONE = Decimal(1)


@dataclass(frozen=True, slots=True)
class Goal:
    """One objective of an SLO.

    Attributes:
        name: of its metric.
        cell: where it stands.
        target: the share that must be good.
        method: `occurrences`, `timeslices` or `ratiotimeslices`.
        slice_seconds: of a timeslice.
        slice_target: the share that must be good within one.
        period: seconds of a rolling window, None for others.
    """

    name: str
    cell: Cell
    target: Decimal
    method: str
    slice_seconds: float
    slice_target: Decimal | None
    period: float | None


# --------------------------------------------------------------------------- ratios


def add_ratio_metric(draft: Draft, goal: Goal, ratio: Cell, sources: Sources) -> None:
    """Add events of which some are good or bad, or a share of them that is computed already."""
    for key in ("op", "value"):
        given = goal.cell.get(key)
        if given is not None:
            draft.note(given, "it has a meaning for a `thresholdMetric` only", "nothing is lost")
    counted = ratio.get("counter")
    ratio.get("incremental")
    raw, kind = ratio.get("raw"), ratio.get("rawType")
    if raw is not None:
        measure = read_measure(sources, raw)
        if measure is not None:
            add_raw(draft, goal, measure, success=kind is None or kind.text != "failure")
        return
    total, good, bad = ratio.get("total"), ratio.get("good"), ratio.get("bad")
    part = good if good is not None else bad
    if total is None or part is None:
        draft.leave_out(ratio, "expected `total` and one of `good` and `bad`")
        return
    whole, some = read_measure(sources, total, number=False), read_measure(sources, part, number=False)
    if whole is None or some is None:
        return
    if some.kind == "sql":
        _rows(draft, goal, some, whole, is_good=good is not None)
    elif some.kind == "prometheus":
        add_counters(draft, goal, some, whole, is_good=good is not None, is_counter=counted is None or counted.true)
    elif good is not None:
        why = f"queries of {some.kind} cannot be turned round: the plan counts bad events and these are good ones"
        draft.leave_out(some.cell, why, "give a query that counts the bad ones as `bad`")
    else:
        _events(draft, goal, Query(goal.name, some.text, goal.cell, some.source), some.text, whole.text)


def add_counters(draft: Draft, goal: Goal, some: Measure, whole: Measure, *, is_good: bool, is_counter: bool) -> None:
    """Two PromQL queries."""
    for each in (some, whole):
        lint_promql(draft, each.cell, parse(each.text))
    part, total = (counter(parse(each.text), plain=True) if is_counter else None for each in (some, whole))
    query = Query(goal.name, some.text, goal.cell, some.source)
    edge = bucket_share(part, total) if part is not None and total is not None and is_good else None
    if goal.method == "ratiotimeslices":
        _mean_of_slices(draft, goal, query, some, whole, is_good=is_good)
    elif edge is not None and goal.method == "occurrences" and goal.target > 0:
        add_quantile(draft, query, edge[0], goal.target, edge[1])
        _no_burn(draft, goal)
    elif part is not None and total is not None and (bad := opposite(part, total) if is_good else part) is not None:
        _events(draft, goal, query, str(bad), str(total))
    else:
        why = "the bad events are no selector of counters of their own: the mean of their share is judged, not they"
        draft.note(some.cell, why, "count the bad ones, and give them as `ratio: {bad, total}`")
        _mean_of_slices(draft, goal, query, some, whole, is_good=is_good)


def _rows(draft: Draft, goal: Goal, some: Measure, whole: Measure, *, is_good: bool) -> None:
    """Two SQL queries with one number each, as one row."""
    if goal.method != "occurrences" or not 0 < goal.target < 1:
        draft.leave_out(goal.cell, "of SQL, occurrences with a target between 0 and 1 can be judged; it is left out")
        return
    part, total = (each.text.strip().rstrip(";") for each in (some, whole))
    bad = f"({total}) - ({part})" if is_good else f"({part})"
    text = one_line(f"select {bad} as bad, ({total}) as total")
    name = draft.metric(goal.name, (Entry("source", some.source), Entry("ratio_sql", text)), goal.cell)
    draft.note(some.cell, "both queries are asked as one row, and each must have one number as answer", "look at it")
    draft.objective(f"{name} < {percent(_ONE - goal.target)}", goal.cell)
    _burn(draft, goal, name)


def _events(draft: Draft, goal: Goal, query: Query, bad: str, total: str) -> None:
    """Bad events and all of them."""
    if goal.method != "timeslices":
        name = add_ratio(draft, query, bad, total, _ONE - goal.target)
        if name is not None and goal.target < 1:
            _burn(draft, goal, name)
        return
    within = _ONE - (goal.slice_target if goal.slice_target is not None else goal.target)
    if not 0 < within < 1 or not 0 < goal.target < 1:
        why = "a slice, or a share of slices, without any tolerance cannot be proven"
        draft.find(Rule.ZERO_TOLERANCE, goal.cell, why, "write targets below 1")
        draft.leave_out(goal.cell, "left out: no objective says it")
        return
    parts = (
        Entry("source", query.source),
        Entry("ratio", Block((Entry("bad", bad), Entry("total", total)))),
        Entry("every", duration(goal.slice_seconds)),
    )
    name = draft.metric(goal.name, parts, goal.cell)
    fields: tuple[tuple[str, Written], ...] = (("unit", "seconds"), ("allow", percent(_ONE - goal.target)))
    draft.objective(f"{name} < {percent(within)}", goal.cell, fields)
    _slices_needed(draft, goal)
    _no_burn(draft, goal)


def _mean_of_slices(draft: Draft, goal: Goal, query: Query, some: Measure, whole: Measure, *, is_good: bool) -> None:
    """The share of bad events of each slice, and its mean."""
    part, total = (_windowed(each.text) for each in (some, whole))
    share = f"({part}) / ({total})"
    text = f"1 - {share}" if is_good else share
    _share_gauge(draft, goal, Query(query.name, text, query.cell, query.source, goal.slice_seconds))


def _windowed(text: str) -> str:
    """A query whose ranges are the plan's windows."""
    expression = parse(text)
    found = counter(expression, plain=True)
    return one_line(text) if found is None else f"sum(increase({found}[${{window}}s]))"


def add_raw(draft: Draft, goal: Goal, measure: Measure, *, success: bool) -> None:
    """Add a share that is computed already: of good events (`success`), or of bad ones."""
    if measure.kind == "prometheus":
        lint_promql(draft, measure.cell, parse(measure.text))
    elif success:
        why = f"a share of good events of {measure.kind} cannot be turned round"
        draft.leave_out(measure.cell, why, "give the share of bad ones, `rawType: failure`")
        return
    text = f"1 - ({one_line(measure.text)})" if success else measure.text
    if goal.method == "occurrences":
        why = "a ratio that is computed already has no events: its mean over time is judged"
        draft.note(measure.cell, why, "give `bad` and `total`")
    _share_gauge(draft, goal, Query(goal.name, text, goal.cell, measure.source, goal.slice_seconds))


def _share_gauge(draft: Draft, goal: Goal, query: Query) -> None:
    """A share of bad events as a number of each slice."""
    if goal.method != "timeslices":
        add_gauge(draft, query, Bound("<=", _ONE - goal.target), ("0", "100%"))
        _no_burn(draft, goal)
        return
    within = _ONE - (goal.slice_target if goal.slice_target is not None else goal.target)
    _samples(draft, goal, query, within)


# --------------------------------------------------------------------------- thresholds


def add_threshold_metric(draft: Draft, goal: Goal, threshold: Cell, sources: Sources) -> None:
    """Add a number that must be on one side of a value."""
    operator, value = goal.cell.get("op"), goal.cell.get("value")
    measure = read_measure(sources, threshold.get("metricSource") or threshold)
    if measure is None:
        return
    if operator is None or value is None or value.number is None:
        draft.leave_out(goal.cell, "a `thresholdMetric` needs `op` and `value`")
        return
    if measure.kind == "prometheus":
        lint_promql(draft, measure.cell, parse(measure.text))
    every = goal.slice_seconds if goal.method != "occurrences" else None
    query = Query(goal.name, one_line(measure.text), goal.cell, measure.source, every)
    if operator.text in {"lt", "lte"}:
        _samples(draft, goal, query, value.number, sql=measure.kind == "sql")
        return
    if measure.kind != "prometheus":
        why = f"every limit of a plan is an upper one, and a query of {measure.kind} cannot be turned round"
        draft.leave_out(operator, why, "write a query whose value is to be small")
        return
    comparison = "<" if operator.text == "gte" else "<="
    bad = Query(goal.name, f"({query.text}) {comparison} bool {digits(value.number)}", goal.cell, query.source, every)
    why = "the metric is 1 where the value is too small and 0 elsewhere, and its mean the share that is"
    draft.note(operator, why, "nothing is lost")
    add_gauge(draft, bad, Bound("<=", _ONE - goal.target), ("0", "100%"))
    _no_burn(draft, goal)


def _samples(draft: Draft, goal: Goal, query: Query, limit: Decimal, *, sql: bool = False) -> None:
    """A share of the samples may be above a limit."""
    if not 0 < goal.target < 1 or limit <= 0:
        why = "a target without any tolerance, or a limit of zero, cannot be proven of samples"
        draft.find(Rule.ZERO_TOLERANCE, goal.cell, why, "write a target below 1 and a limit above zero")
        draft.leave_out(goal.cell, "left out: no objective says it")
        return
    parts = [Entry("source", query.source), Entry("gauge_sql" if sql else "gauge", one_line(query.text))]
    if query.every is not None:
        parts.append(Entry("every", duration(query.every)))
    name = draft.metric(goal.name, parts, goal.cell)
    draft.objective(f"{name}.p{digits(goal.target * 100)} < {digits(limit)}", goal.cell)
    _slices_needed(draft, goal)
    _no_burn(draft, goal)


# --------------------------------------------------------------------------- budgets


def _burn(draft: Draft, goal: Goal, metric: str) -> None:
    if goal.period is None:
        return
    if goal.period < _MONTH:
        why = f"the workbook's windows are made for a month, and this budget is for {duration(goal.period)}"
        draft.note(goal.cell, f"{why}: no `burn` objective is written", "the objective itself is")
        return
    draft.burn(metric, percent(_ONE - goal.target), duration(goal.period), goal.cell)


def _no_burn(draft: Draft, goal: Goal) -> None:
    if goal.period is not None:
        why = "an error budget is spent by the bad events of a ratio, and this is none: no `burn` objective is written"
        draft.note(goal.cell, why, "the objective itself is")


def _slices_needed(draft: Draft, goal: Goal) -> None:
    """Say how long a run must be to prove a share of slices."""
    if goal.method == "occurrences" or not 0 < goal.target < 1:
        return
    slices = needed(float(_ONE - goal.target))
    if slices is None:
        return
    length = duration(slices * goal.slice_seconds)
    why = f"{slices} clean slices prove it at the earliest, which last {length}"
    draft.find(Rule.TOO_FEW_REQUESTS, goal.cell, why, "judge shorter slices, or occurrences")
