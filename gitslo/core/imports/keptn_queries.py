"""Keptn's indicators: the queries of `sli.yaml` with their placeholders -> metrics of a plan; or a load's own figures.

Called by `keptn`. The placeholders are those that Keptn's providers replace: `$PROJECT`, `$STAGE`, `$SERVICE`,
`$DEPLOYMENT`, `$DURATION_SECONDS` and the names of `filter`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from gitslo.core.imports.criteria import Criterion
from gitslo.core.imports.draft import Draft, digits
from gitslo.core.imports.loads import Load, add_load, http_target
from gitslo.core.imports.measures import lint_promql, one_line
from gitslo.core.imports.plantext import Block, Entry
from gitslo.core.imports.promql import parse
from gitslo.core.imports.reading import Cell
from gitslo.core.imports.result import Place, Rule
from gitslo.core.imports.shapes import Ratio, shape_of

__all__ = ["Indicator", "filled", "indicator_of", "loads_of"]

_PLACEHOLDER = re.compile(r"\$\{?([A-Za-z_][A-Za-z0-9_.]*)\}?")
_OURS = {"SERVICE": "${service}", "STAGE": "${stage}"}
_LATENCY = re.compile(r"(?:response_time|rt|latency|duration)_?p([0-9]{1,2}(?:[._][0-9]+)?)", re.IGNORECASE)
_ERRORS = re.compile(r"error_?rate|failure_?rate", re.IGNORECASE)
_DYNATRACE = re.compile(r"builtin:|calc:|ext:|metricSelector=|MV2;|USQL;|SLO;|PV2;|SECPV2;|entitySelector")
_MINUTE = "1m"


@dataclass(frozen=True, slots=True)
class Indicator:
    """What a plan scores.

    Attributes:
        name: a metric's, or a load's figure.
        factor: what Keptn's numbers are divided by.
        seconds: the numbers are durations.
    """

    name: str
    factor: Decimal = Decimal(1)
    seconds: bool = False

    def criterion(self, criterion: Criterion) -> str:
        """The criterion in the plan's unit."""
        if self.seconds and not criterion.relative:
            text = str(criterion.scaled(Decimal(1)))
            return f"{text}ms"
        return str(criterion.scaled(self.factor))


def loads_of(draft: Draft) -> str | None:
    """The load that stands for indicators without a query, where the caller names a target for it."""
    if not draft.options.targets:
        return None
    name = min(draft.options.targets)
    url = draft.target_url(name) or ""
    place = Place(draft.files.names[0], 1, 1)
    target = http_target(draft, name, url, place)
    if target is None:
        return None
    load = Load(name=name, target=target.name, path=target.path, rate=Decimal(10), seconds=Decimal(300))
    why = "Keptn has no load of its own: GET at 10/s for 5m is this importer's choice"
    draft.note(place, why, "write the requests that your tests send", what=f"load `{name}`")
    add_load(draft, load, ("Chosen by the importer: Keptn's files say nothing of load.",))
    return name


def indicator_of(
    draft: Draft,
    sli: Cell,
    query: Cell | None,
    filters: Mapping[str, Cell],
    load: str | None,
    used: set[str],
) -> Indicator | None:
    """What the plan scores for an indicator; None where there is nothing, which is told."""
    if query is None:
        return _of_load(draft, sli, load)
    if _DYNATRACE.search(query.text):
        why = f"`{sli.text}` is a query of Dynatrace, for which gitslo has no source"
        draft.leave_out(query, why, "write a query of another source for it")
        return None
    text = filled(draft, query, filters, used)
    if not text:
        if text is not None:
            draft.leave_out(query, "the query is empty, so the indicator is left out")
        return None
    expression = parse(text)
    lint_promql(draft, query, expression)
    if expression is None:
        why = "this is no PromQL that gitslo can read; it is carried over as it is"
        draft.note(query, why, "name its source with --source, or write it anew")
    source = Entry("source", draft.source("prometheus", query))
    shape = shape_of(expression)
    if isinstance(shape, Ratio) and not shape.rest and _ERRORS.search(sli.text):
        ratio = Block((Entry("bad", str(shape.part)), Entry("total", str(shape.whole))))
        name = draft.metric(sli.text, (source, Entry("ratio", ratio)), query)
        if shape.factor != 1:
            why = f"the query's values are {digits(shape.factor)} times a share; the criteria are divided by it"
            draft.note(query, why, "nothing is lost", what=f"`{sli.text}`")
        return Indicator(name, shape.factor)
    every = (Entry("every", _MINUTE),) if "${window}" in text else ()
    if every:
        why = "Keptn asks once, over the whole evaluation; here each minute is asked, and the mean is scored"
        draft.note(query, why, "nothing to do where minutes are alike", what="`$DURATION_SECONDS`")
    return Indicator(draft.metric(sli.text, (source, Entry("gauge", one_line(text)), *every), query))


def filled(draft: Draft, query: Cell, filters: Mapping[str, Cell], used: set[str]) -> str | None:
    """The query with its placeholders replaced; None where one of them is not known, which is told."""
    missing: list[str] = []

    def replaced(match: re.Match[str]) -> str:
        name = match[1]
        cell = filters.get(name) or filters.get(name.lower())
        given = draft.options.values.get(name)
        if given is not None:
            draft.value(name)
            return given
        if cell is not None:
            used.add(cell.name)
            return cell.text
        if name == "DURATION_SECONDS":
            return "${window}s"
        if name not in _OURS:
            draft.value(name)
            missing.append(name)
        return _OURS.get(name, match[0])

    text = _PLACEHOLDER.sub(replaced, query.text)
    for name in dict.fromkeys(missing):
        why = f"nothing says what `${name}` stands for, so the indicator is left out"
        draft.leave_out(query, why, f"say it with --set {name}=VALUE", what=f"`{query.name}`")
    return None if missing else text


def _of_load(draft: Draft, sli: Cell, load: str | None) -> Indicator | None:
    latency, errors = _LATENCY.fullmatch(sli.text), _ERRORS.fullmatch(sli.text)
    if load is not None and latency is not None:
        draft.note(sli, "measured at the load itself; Keptn's numbers are taken for milliseconds")
        return Indicator(f"{load}.latency.p{latency[1].replace('_', '.')}", seconds=True)
    if load is not None and errors is not None:
        draft.note(sli, "measured at the load itself; Keptn's numbers are taken for per cent")
        return Indicator(f"{load}.errors", Decimal(100))
    why = "no sli.yaml was given that has a query for it"
    todo = "give the sli.yaml, or --target NAME=URL to measure latency and errors by a load"
    todo = todo if load is None else "give the sli.yaml"
    draft.find(Rule.NOT_PRODUCED, sli, why, todo)
    draft.leave_out(sli, "left out: nothing measures it", todo)
    return None
