"""Keptn: `slo.yaml` and `sli.yaml` of version 1, and the lifecycle toolkit's AnalysisDefinition -> a scored plan.

Sources: https://github.com/keptn/spec (service_level_objective.md, service_level_indicator.md), the defaults and the
criteria of keptn/keptn `lighthouse-service`, and metrics-operator/api/v1 of keptn/lifecycle-toolkit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal

from gitslo.core.imports.criteria import Criterion, Group, contains, read_criterion
from gitslo.core.imports.draft import Draft, percent
from gitslo.core.imports.keptn_analysis import Analysis, read_analysis
from gitslo.core.imports.keptn_queries import Indicator, indicator_of, loads_of
from gitslo.core.imports.plantext import Flow, Rows, Word, Written
from gitslo.core.imports.reading import Cell
from gitslo.core.imports.result import Rule

__all__ = ["import_keptn", "is_keptn"]

_KINDS = frozenset({"AnalysisDefinition", "AnalysisValueTemplate", "KeptnMetricsProvider"})
_AGGREGATES = frozenset({"avg", "p50", "p90", "p95"})
_INCLUDES = frozenset({"pass", "pass_or_warn", "all"})
_SHARE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*%?")
_ERRORS = re.compile(r"err|fail|5xx|availab|success", re.IGNORECASE)


def is_keptn(document: Cell) -> bool:
    """Whether a document is one of Keptn's."""
    if document.text_of("apiVersion").startswith("metrics.keptn.sh/"):
        return document.text_of("kind") in _KINDS
    if document.get("apiVersion") is not None:
        return False
    named = document.get("spec_version") is not None
    return named or document.get("indicators") is not None or document.get("total_score") is not None


def import_keptn(draft: Draft) -> None:
    """Read every document."""
    documents = draft.files.documents
    kinds = [each for each in documents if each.text_of("kind") in _KINDS]
    if kinds:
        for analysis in read_analysis(draft, kinds):
            _add_analysis(draft, analysis)
        return
    slos = [each for each in documents if _has(each, "objectives") or _has(each, "total_score")]
    slis = [each for each in documents if _has(each, "indicators")]
    for each in documents:
        each.get("spec_version")
    if not slos:
        why = "it has indicators and no objectives"
        draft.refuse(documents[0], why, "give the slo.yaml beside it", what=draft.files.names[0])
        return
    if len(slos) > 1:
        draft.refuse(slos[1], "a plan has one scoring, and this is a second slo.yaml", "import each by itself")
        return
    _slo(draft, slos[0], slis)


def _has(document: Cell, key: str) -> bool:
    return document.is_mapping and any(each.name == key for each in document.entries())


# --------------------------------------------------------------------------- slo.yaml


def _slo(draft: Draft, slo: Cell, slis: list[Cell]) -> None:
    objectives, total = slo.get("objectives"), slo.get("total_score")
    listed = list(objectives.items()) if objectives is not None else []
    if not listed:
        why = "it has no objectives; Keptn itself fails such an evaluation"
        draft.refuse(slo, why, "name at least one", what="`objectives`")
        return
    if total is None:
        draft.refuse(slo, "it has no `total_score`, without which Keptn itself evaluates nothing", what="`total_score`")
        return
    _score(draft, total, slo.get("comparison"))
    filters = {each.name: each for each in (slo.get("filter") or slo).entries()} if slo.get("filter") else {}
    queries = {cell.name: cell for each in slis for cell in (each.get("indicators") or each).entries()}
    loads = loads_of(draft)
    used: set[str] = set()
    for each in listed:
        _objective(draft, each, queries, filters, loads, used)
    asked = {cell.text_of("sli") for cell in listed}
    for name, cell in queries.items():
        if name not in asked:
            draft.note(cell, "no objective asks for this indicator, so the plan does not either")
    for name, cell in filters.items():
        if name not in used:
            draft.note(cell, "no query that was carried over has this placeholder", "write it into the query")


def _score(draft: Draft, total: Cell, comparison: Cell | None) -> None:
    fields: list[tuple[str, Written]] = []
    for key in ("pass", "warning"):
        cell = total.get(key)
        match = _SHARE.fullmatch(cell.text.strip()) if cell is not None else None
        if cell is not None and match is None:
            draft.refuse(cell, "expected a percentage, e.g. `90%`")
        elif match is not None:
            fields.append((key, percent(Decimal(match[1]) / 100)))
        elif key == "pass":
            draft.refuse(total, "it has no `pass`, without which Keptn itself evaluates nothing", what="`total_score`")
    fields.append(("compare", _comparison(draft, comparison)))
    draft.score(*fields)


def _comparison(draft: Draft, cell: Cell | None) -> Flow:
    """Keptn's defaults: one result of any score where nothing is said; three where only their number is not."""
    single = cell is None or cell.text_of("compare_with") in {"", "single_result"}
    count = None if cell is None else cell.get("number_of_comparison_results")
    number = count.number if count is not None else None
    results = 1 if single else int(number) if number else 3
    include = "" if cell is None else cell.text_of("include_result_with_score")
    aggregate = "" if cell is None else cell.text_of("aggregate_function")
    if count is not None and single and number != 1:
        draft.note(count, "`compare_with: single_result` compares with one result whatever this says")
    if cell is not None and include and include not in _INCLUDES:
        draft.note(cell, f"`{include}` is none of Keptn's, which then compares with all results")
        include = "all"
    if cell is not None and aggregate and aggregate not in _AGGREGATES:
        draft.note(cell, f"the aggregate `{aggregate}` is none of Keptn's, which then takes the average")
        aggregate = "avg"
    return Flow((("results", Word(str(results))), ("include", include or "all"), ("aggregate", aggregate or "avg")))


def _objective(
    draft: Draft,
    cell: Cell,
    queries: dict[str, Cell],
    filters: dict[str, Cell],
    loads: str | None,
    used: set[str],
) -> None:
    sli = cell.get("sli")
    if sli is None:
        draft.note(cell, "it names no `sli`; Keptn fails it always", what="`objectives`")
        return
    passes = _groups(draft, cell.get("pass"))
    warns = _groups(draft, cell.get("warning"))
    _lint(draft, sli, passes, warns)
    standing = _standing(draft, cell, scored=bool(passes))
    shown = cell.get("displayName")
    indicator = indicator_of(draft, sli, queries.get(sli.text), filters, loads, used)
    if indicator is None:
        return
    name = shown.text if shown is not None else sli.text
    named: tuple[tuple[str, Written], ...] = (("name", name),) if name != indicator.name else ()
    if warns and not passes:
        draft.note(cell, "a warning without `pass`: Keptn only shows such an indicator", what="`warning`")
    warning: tuple[tuple[str, Written], ...] = (("warning", _rows(warns, indicator)),) if warns and passes else ()
    criteria = (tuple(indicator.criterion(each) for each in group) for group in passes)
    draft.scored(indicator.name, criteria, sli, (*named, *warning, *standing))


def _standing(draft: Draft, cell: Cell, *, scored: bool) -> tuple[tuple[str, Written], ...]:
    """How much an indicator counts; one that is only shown counts nothing."""
    weight, key = cell.get("weight"), cell.get("key_sli")
    if not scored:
        for each in (weight, key):
            if each is not None:
                draft.note(each, "an indicator without `pass` is only shown, and has no weight", "nothing is lost")
        return ()
    found: list[tuple[str, Written]] = []
    number = weight.number if weight is not None else None
    if number is not None and int(number) > 1:
        found.append(("weight", Word(str(int(number)))))
    if key is not None and key.true:
        found.append(("key", Word("true")))
    return tuple(found)


def _rows(groups: tuple[Group, ...], indicator: Indicator) -> Rows:
    return Rows(tuple(Rows(tuple(indicator.criterion(each) for each in group)) for group in groups))


def _groups(draft: Draft, cell: Cell | None) -> tuple[Group, ...]:
    return tuple(_read_groups(draft, cell)) if cell is not None else ()


def _read_groups(draft: Draft, cell: Cell) -> Iterator[Group]:
    for item in cell.items():
        criteria = item.get("criteria")
        group: list[Criterion] = []
        for each in criteria.items() if criteria is not None else ():
            found = read_criterion(each)
            if found is None:
                draft.refuse(each, "no criterion that Keptn understands", "e.g. `<=+10%` or `<600`")
            else:
                group.append(found)
        if group:
            yield tuple(group)


def _lint(draft: Draft, sli: Cell, passes: tuple[Group, ...], warns: tuple[Group, ...]) -> None:
    for each in (each for group in (*passes, *warns) for each in group):
        if each.relative and not each.sign:
            meant = f"share of {each.value} %" if _ERRORS.search(sli.text) else "value"
            why = f"a `%` is always a change: at most {each.value} % more than the earlier results, never a {meant}"
            draft.find(Rule.RELATIVE_PERCENT, each.cell, why, "write the number without `%`, in the indicator's unit")
        if each.fixed and each.value == 0 and each.operator in {"=", "<="}:
            why = "no sample proves that none is ever bad: n clean events prove that at most 3/n are, at 95 %"
            draft.find(Rule.ZERO_TOLERANCE, each.cell, why, "name what you can live with, e.g. `<0.1`")
    if contains(passes, warns):
        why = "the warning is as strict as the pass, or stricter: what meets it passes already, and it never applies"
        at = warns[0][0].cell
        draft.find(Rule.UNREACHABLE_WARNING, at, why, "make the warning wider than the pass", what=f"`{sli.text}`")
    elif passes and [list(map(str, each)) for each in passes] == [list(map(str, each)) for each in warns]:
        at = warns[0][0].cell
        why = "the warning is the pass itself and never applies"
        draft.find(Rule.UNREACHABLE_WARNING, at, why, "make the warning wider than the pass", what=f"`{sli.text}`")


# --------------------------------------------------------------------------- AnalysisDefinition


def _add_analysis(draft: Draft, analysis: Analysis) -> None:
    draft.score(("pass", percent(analysis.passes)), ("warning", percent(analysis.warns)))
    for each in analysis.objectives:
        more: list[tuple[str, Written]] = []
        if each.warns:
            more.append(("warning", Rows(tuple(Rows(group) for group in each.warns))))
        if each.weight > 1 and each.passes:
            more.append(("weight", Word(str(each.weight))))
        if each.key and each.passes:
            more.append(("key", Word("true")))
        draft.scored(each.indicator, each.passes, each.cell, more)
