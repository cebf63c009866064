"""Flagger's metrics: built in, of a template, or with a query of their own -> metrics and objectives of a plan.

Called by `flagger`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from gitslo.core.imports.draft import Draft, digits
from gitslo.core.imports.flagger_builtin import BuiltIn
from gitslo.core.imports.iter8_tasks import go_seconds
from gitslo.core.imports.measures import Bound, Query, add_gauge, add_promql, add_quantile, add_ratio
from gitslo.core.imports.native import native_query
from gitslo.core.imports.promql import Selector, parse
from gitslo.core.imports.reading import Cell
from gitslo.core.imports.result import Rule

__all__ = ["Canary", "add_metric"]

_PLACEHOLDER = re.compile(
    r"\{\{-?\s*(?:index\s+variables\s+\"([^\"]+)\"|([a-z]+)|variables\.([A-Za-z0-9_-]+))\s*-?\}\}"
)
_QUERIED = {
    "datadog": "datadog",
    "newrelic": "newrelic",
    "graphite": "graphite",
    "influxdb": "influxdb",
    "cloudwatch": "cloudwatch",
}


@dataclass(frozen=True, slots=True)
class Canary:
    """What its queries may name: Flagger's template functions, and what it is measured by."""

    name: str
    namespace: str
    words: Mapping[str, str]
    counters: BuiltIn | None
    provider: str
    server: str


def add_metric(draft: Draft, canary: Canary, metric: Cell, templates: dict[tuple[str, str], Cell]) -> None:
    """Add one metric of an analysis; the templates by namespace and name."""
    name, interval = metric.text_of("name"), metric.get("interval")
    query, reference = metric.get("query"), metric.get("templateRef")
    variables = metric.get("templateVariables")
    words = dict(canary.words)
    words["interval"] = interval.text if interval is not None else "1m"
    for each in variables.entries() if variables is not None else ():
        words[f"variables {each.name}"] = each.text
    bounds = _bounds(metric, name)
    if name in {"request-success-rate", "request-duration"} and query is None and reference is None:
        if interval is not None:
            draft.note(interval, "the counters' increases are taken over windows of one scrape interval each")
        _built_in(draft, canary, metric, name, bounds)
        return
    if reference is not None:
        reference.take()
        found = _template(canary, reference, templates)
        if found is None:
            why = f"the MetricTemplate `{reference.text_of('name')}` is not in the files, so nothing measures `{name}`"
            draft.find(Rule.NOT_PRODUCED, metric, why, "give its file, too", what=f"metric `{name}`")
            draft.leave_out(metric, "left out: nothing measures it", what=f"metric `{name}`")
            return
        _templated(draft, metric, name, found, words, bounds)
        return
    if query is None:
        why = "it is not built in and has neither `templateRef` nor `query`: Flagger halts at every check"
        draft.find(
            Rule.UNBOUND_METRIC, metric, why, "name a template, or one of the built-in metrics", what=f"metric `{name}`"
        )
        draft.leave_out(metric, "left out: nothing measures it", what=f"metric `{name}`")
        return
    text = _filled(draft, query, words)
    if text is not None:
        source = draft.source("prometheus", query, canary.server)
        for bound in bounds:
            add_promql(draft, Query(name, text, query, source, _every(interval)), bound)


def _bounds(metric: Cell, name: str) -> tuple[Bound, ...]:
    """What a good value is; without a range the old `threshold` counts, and without one that is zero."""
    limits, old = metric.get("thresholdRange"), metric.get("threshold")
    if limits is None:
        value = old.number if old is not None and old.number is not None else Decimal(0)
        return (Bound(">=" if name == "request-success-rate" else "<=", value),)
    low, high = limits.get("min"), limits.get("max")
    found = []
    if low is not None and low.number is not None:
        found.append(Bound(">=", low.number))
    if high is not None and high.number is not None:
        found.append(Bound("<=", high.number))
    return tuple(found)


def _built_in(draft: Draft, canary: Canary, metric: Cell, name: str, bounds: tuple[Bound, ...]) -> None:
    counters = canary.counters
    if counters is None:
        why = f"the built-in queries of `{canary.provider}` have a template of their own; the metric is left out"
        draft.leave_out(metric, why, "give them as a MetricTemplate", what=f"metric `{name}`")
        return
    source = draft.source("prometheus", metric, canary.server)
    labels = _words(counters.labels, canary.words)
    if "-canary" in labels or "canaryupstream" in labels or 'canary!=""' in labels:
        why = f"Flagger's own queries select what it names itself (`{labels}`), and without it there is no such thing"
        draft.note(metric, why, "change the labels to those of your service", what=f"metric `{name}`")
    query = Query("request_errors" if name == "request-success-rate" else "request_duration", "", metric, source)
    for bound in bounds:
        if name == "request-success-rate" and bound.operator == ">=":
            _success(draft, query, counters, labels, bound)
        elif name == "request-duration" and bound.operator == "<=" and bound.value > 0:
            _duration(draft, query, counters, labels, bound)
        else:
            shown = f"`{bound.operator} {digits(bound.value)}`"
            draft.leave_out(
                metric, f"{shown} of a built-in metric limits what is good; it is left out", what=f"metric `{name}`"
            )


def _success(draft: Draft, query: Query, counters: BuiltIn, labels: str, bound: Bound) -> None:
    limit = 1 - bound.value / 100
    if bound.value <= 1 and bound.value:
        why = f"the success rate is in per cent: {digits(bound.value)} allows {digits(100 - bound.value)} % of errors"
        draft.note(query.cell, why, f"write {digits(bound.value * 100)}", what="`min`")
    bad, total = f"{counters.counter}{{{labels},{counters.bad}}}", f"{counters.counter}{{{labels}}}"
    add_ratio(draft, query, bad, total, limit)


def _duration(draft: Draft, query: Query, counters: BuiltIn, labels: str, bound: Bound) -> None:
    if not counters.buckets:
        inside = f"{{{labels}}}[1m]"
        text = f"sum(rate({counters.mean}_sum{inside})) / sum(rate({counters.mean}_count{inside})) * 1000"
        add_gauge(draft, Query(query.name, text, query.cell, query.source), bound)
        draft.note(query.cell, "this provider measures a mean, and no percentile", "limit a percentile of a load")
        return
    within = f"{labels},{counters.narrowed}" if counters.narrowed else labels
    expression = parse(f"{counters.buckets}{{{within}}}")
    if not isinstance(expression, Selector):
        why = "a name in the Canary cannot stand in a query; the metric is left out"
        draft.leave_out(query.cell, why, "see `targetRef`, `ingressRef` and the namespace")
        return
    # Flagger takes the value for milliseconds whatever the histogram's unit is.
    add_quantile(draft, query, expression, Decimal("0.99"), bound.value, milliseconds=True)


def _template(canary: Canary, reference: Cell, templates: dict[tuple[str, str], Cell]) -> Cell | None:
    name, namespace = reference.text_of("name"), reference.text_of("namespace")
    wanted = namespace or canary.namespace
    exact = templates.get((wanted, name)) or templates.get(("", name))
    if exact is None and not namespace:
        exact = next((cell for (_, known), cell in templates.items() if known == name), None)
    return exact


def _templated(
    draft: Draft, metric: Cell, name: str, template: Cell, words: Mapping[str, str], bounds: tuple[Bound, ...]
) -> None:
    query, provider = template.get("spec", "query"), template.get("spec", "provider")
    kind, address = "", ""
    if provider is not None:
        kind, address = provider.text_of("type").lower(), provider.text_of("address")
        for key in ("secretRef", "headers", "insecureSkipVerify", "region"):
            found = provider.get(key)
            if found is not None:
                found.take()
                draft.note(
                    found, "how a source is reached is the operator's to say", "see `sources` of the operator's file"
                )
    interval = metric.get("interval")
    if query is None or (kind not in {"", "prometheus"} and kind not in _QUERIED):
        why = f"gitslo has no source for `{kind}`" if query is not None else "its template has no query"
        draft.leave_out(
            metric, f"{why}: the metric is left out", "ask it through a `rest` source", what=f"metric `{name}`"
        )
        return
    text = _filled(draft, query, words)
    if text is None:
        return
    if kind in _QUERIED:
        text = native_query(draft, _QUERIED[kind], text, query)
        if text is None:
            return
    url = address if address.startswith(("http://", "https://")) else ""
    source = draft.source(_QUERIED.get(kind, "prometheus"), query, url)
    for bound in bounds:
        asked = Query(name, text, query, source, _every(interval))
        if kind in {"", "prometheus"}:
            add_promql(draft, asked, bound)
        else:
            add_gauge(draft, asked, bound)


def _every(interval: Cell | None) -> float | None:
    value = go_seconds(interval.text) if interval is not None else None
    return float(max(1, round(value))) if value else None


def _filled(draft: Draft, query: Cell, words: Mapping[str, str]) -> str | None:
    missing: list[str] = []

    def replaced(match: re.Match[str]) -> str:
        variable = match[1] or match[3]
        key = f"variables {variable}" if variable else match[2]
        value = words.get(key) if key in words else draft.value(variable or match[2])
        if value is None:
            missing.append(variable or match[2])
        return value or ""

    text = _PLACEHOLDER.sub(replaced, query.text.replace("${", "$${"))
    for name in dict.fromkeys(missing):
        why = f"nothing says what `{name}` stands for, so the metric is left out"
        draft.leave_out(query, why, f"say it with --set {name}=VALUE")
    if not missing and "{{" in text:
        draft.leave_out(query, "its template is more than names: the metric is left out", "write the query out")
        return None
    return None if missing else text


def _words(text: str, words: Mapping[str, str]) -> str:
    return _PLACEHOLDER.sub(lambda match: words.get(match[2] or "", match[0]), text)
