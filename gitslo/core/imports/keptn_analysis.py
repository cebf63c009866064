"""The lifecycle toolkit's AnalysisDefinition with its AnalysisValueTemplates and providers, read for `keptn`.

Its targets say what fails and what warns; what passes is all the rest. Of an operator with several comparisons the
first in the order of `operator_evaluator.go` counts, as there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import product

from gitslo.core.imports.draft import Draft, digits
from gitslo.core.imports.measures import lint_promql, one_line
from gitslo.core.imports.plantext import Entry
from gitslo.core.imports.promql import parse
from gitslo.core.imports.reading import Cell, number_of
from gitslo.core.imports.result import Rule

__all__ = ["Analysis", "Scored", "quantity", "read_analysis"]

Groups = tuple[tuple[str, ...], ...]

_ALL: Groups = ((),)
_ORDER = ("equalTo", "lessThanOrEqual", "lessThan", "greaterThanOrEqual", "greaterThan", "inRange", "notInRange")
_NOT = {"lessThanOrEqual": ">", "lessThan": ">=", "greaterThanOrEqual": "<", "greaterThan": "<="}
_SUFFIXES = {
    "n": "1e-9", "u": "1e-6", "m": "1e-3", "": "1", "k": "1e3", "M": "1e6", "G": "1e9", "T": "1e12", "P": "1e15",
    "Ki": "1024", "Mi": "1048576", "Gi": "1073741824", "Ti": "1099511627776",
}  # fmt: skip
_PLACEHOLDER = re.compile(r"\{\{-?\s*\.([A-Za-z_][A-Za-z0-9_]*)\s*-?\}\}")


@dataclass(frozen=True, slots=True)
class Scored:
    """One objective: a metric of the plan and its criteria."""

    indicator: str
    passes: Groups
    warns: Groups
    weight: int
    key: bool
    cell: Cell


@dataclass(frozen=True, slots=True)
class Analysis:
    """An AnalysisDefinition; the scores are shares."""

    passes: Decimal
    warns: Decimal
    objectives: tuple[Scored, ...]


def quantity(text: str) -> Decimal | None:
    """A quantity of Kubernetes, e.g. `600`, `500m`, `1Gi`."""
    match = re.fullmatch(r"([+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?)([numkMGTP]?|[KMGT]i)", text.strip())
    number = number_of(match[1]) if match is not None else None
    return None if match is None or number is None else number * Decimal(_SUFFIXES[match[2]])


def read_analysis(draft: Draft, documents: list[Cell]) -> Iterator[Analysis]:
    """Read the definition; a second one is refused."""
    for each in documents:
        each.get("apiVersion")
        (each.get("metadata") or each).take() if each.get("metadata") is not None else None
    named = [(each.text_of("kind"), each.text_of("metadata", "name"), each) for each in documents]
    templates = {name: each for kind, name, each in named if kind == "AnalysisValueTemplate"}
    providers = {name: each for kind, name, each in named if kind == "KeptnMetricsProvider"}
    definitions = [each for kind, _, each in named if kind == "AnalysisDefinition"]
    if not definitions:
        draft.refuse(documents[0], "there is no AnalysisDefinition in it", "give it beside the templates")
    for each in definitions[1:]:
        draft.refuse(each, "a plan has one scoring, and this is a second AnalysisDefinition", "import each by itself")
    for each in definitions[:1]:
        shares = [each.get("spec", "totalScore", key) for key in ("passPercentage", "warningPercentage")]
        passes, warns = (Decimal(0) if cell is None or cell.number is None else cell.number / 100 for cell in shares)
        objectives = each.get("spec", "objectives")
        listed = list(objectives.items()) if objectives is not None else []
        found = [_objective(draft, cell, templates, providers) for cell in listed]
        yield Analysis(passes, warns, tuple(each for each in found if each is not None))


def _objective(draft: Draft, cell: Cell, templates: dict[str, Cell], providers: dict[str, Cell]) -> Scored | None:
    name = cell.get("analysisValueTemplateRef", "name")
    cell.get("analysisValueTemplateRef", "namespace")
    if name is None:
        draft.note(cell, "it names no AnalysisValueTemplate", what="`objectives`")
        return None
    fails = _groups(draft, cell.get("target", "failure"))
    warning = _groups(draft, cell.get("target", "warning"))
    weight, key = cell.get("weight"), cell.get("keyObjective")
    template = templates.get(name.text)
    if template is None:
        draft.find(
            Rule.NOT_PRODUCED, name, "there is no AnalysisValueTemplate of this name in the files", "give it, too"
        )
        return None
    indicator = _metric(draft, name.text, template, providers)
    if indicator is None:
        return None
    if fails is None and warning is None:
        draft.note(name, "an objective without a target always passes there, and is only reported here")
    ok, calm = fails or _ALL, warning or _ALL
    passes = tuple(dict.fromkeys((*one, *other) for one, other in product(ok, calm)))
    number = weight.number if weight is not None else None
    return Scored(
        indicator,
        tuple(group for group in passes if group),
        ok if warning is not None and fails is not None else (),
        int(number) if number else 1,
        key is not None and key.true,
        name,
    )


def _groups(draft: Draft, operator: Cell | None) -> Groups | None:
    """When the operator does not hold: groups of criteria of which one must hold whole."""
    if operator is None:
        return None
    given = [(key, cell) for key in _ORDER if (cell := operator.get(key)) is not None]
    for _, cell in given[1:]:
        draft.note(cell, f"`{given[0][0]}` beside it counts alone")
    for key, cell in given[:1]:
        keys = ("lowBound", "highBound") if key.endswith("Range") else ("fixedValue", "fixedValue")
        values = [None if (found := cell.get(each)) is None else quantity(found.text) for each in keys]
        low, high = values
        if low is None or high is None:
            draft.refuse(cell, "expected a quantity, e.g. `600` or `500m`")
            return None
        match key:
            case "equalTo" | "inRange":
                return (f"<{digits(low)}",), (f">{digits(high)}",)
            case "notInRange":
                return ((f">={digits(low)}", f"<={digits(high)}"),)
            case _:
                return ((f"{_NOT[key]}{digits(low)}",),)
    return None


def _metric(draft: Draft, name: str, template: Cell, providers: dict[str, Cell]) -> str | None:
    query, provider = template.get("spec", "query"), template.get("spec", "provider", "name")
    template.get("spec", "provider", "namespace")
    found = providers.get(provider.text) if provider is not None else None
    kind = found.text_of("spec", "type").lower() if found is not None else ""
    server = found.text_of("spec", "targetServer") if found is not None else ""
    if found is not None and found.get("spec", "secretKeyRef") is not None:
        secret = found.get("spec", "secretKeyRef")
        assert secret is not None  # noqa: S101 - asked for above
        secret.take()
        draft.note(secret, "credentials are the operator's", "name them in `auth` of the source")
    if query is None:
        draft.note(template, "it has no query", what=f"`{name}`")
        return None
    if kind in {"dynatrace", "dql"}:
        draft.leave_out(query, f"gitslo has no source for {kind}", "write a query of another source for it")
        return None
    text = _filled(draft, query)
    if text is None:
        return None
    kind = {"prometheus": "prometheus", "cortex": "prometheus", "thanos": "prometheus", "": "prometheus"}.get(
        kind, kind
    )
    if found is None and provider is not None:
        draft.note(provider, "its KeptnMetricsProvider is not in the files: taken for Prometheus")
    if kind == "prometheus":
        lint_promql(draft, query, parse(text))
    source = draft.source(kind, query, server if server.startswith(("http://", "https://")) else "")
    return draft.metric(name, (Entry("source", source), Entry("gauge", one_line(text))), query)


def _filled(draft: Draft, query: Cell) -> str | None:
    missing = []

    def replaced(match: re.Match[str]) -> str:
        given = draft.value(match[1])
        if given is None:
            missing.append(match[1])
        return given or ""

    text = _PLACEHOLDER.sub(replaced, query.text)
    for name in dict.fromkeys(missing):
        why = f"nothing says what `{name}` stands for, so the objective is left out"
        draft.leave_out(query, why, f"say it with --set {name}=VALUE")
    return None if missing else text
