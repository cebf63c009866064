"""Argo Rollouts: AnalysisTemplate, ClusterAnalysisTemplate and AnalysisRun -> a plan.

Source: docs/features/analysis.md and pkg/apis/rollouts/v1alpha1/analysis_types.go of argoproj/argo-rollouts. A
measurement there is good or bad, and a metric fails when more than `failureLimit` are bad; here the events behind the
measurements are judged, all of a run together.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from decimal import Decimal

from gitslo.core.imports.argo_web import web_measure
from gitslo.core.imports.conditions import Condition, Test, negated, parse_condition
from gitslo.core.imports.draft import Draft
from gitslo.core.imports.measures import Bound, Query, add_gauge, add_promql, duration
from gitslo.core.imports.native import native_query
from gitslo.core.imports.promql import seconds
from gitslo.core.imports.reading import Cell
from gitslo.core.imports.result import Rule
from gitslo.core.units import parse_duration
from gitslo.errors import Refused

__all__ = ["import_argo", "is_argo"]

_TEMPLATES = frozenset({"AnalysisTemplate", "ClusterAnalysisTemplate", "AnalysisRun"})
_OTHERS = {
    "Rollout": "gitslo promotes by commits and shifts no traffic",
    "Experiment": "gitslo judges what runs, and starts nothing beside it",
}
_MINUTE = 60.0
_LONGEST = 600.0
"""The default of `judge.max_duration`, in seconds."""
_PLACEHOLDER = re.compile(r"\{\{\s*args\.([^}\s]+)\s*\}\}|\{\{\s*inputs\.parameters\.([^}\s]+)\s*\}\}")
_QUERIED = {"datadog": "datadog", "newRelic": "newrelic", "graphite": "graphite", "influxdb": "influxdb"}
_FOREIGN = {
    "job": (
        "runs a container and looks at its exit code",
        "the operator can name it as a command that an outcome runs",
    ),
    "kayenta": ("compares by Kayenta's judge", "write `baseline: target:NAME` objectives on a load"),
    "wavefront": ("asks Wavefront, for which gitslo has no source", "ask it through a `rest` source"),
    "skywalking": ("asks SkyWalking, for which gitslo has no source", "ask it through a `rest` source"),
    "cloudWatch": ("asks with `metricDataQueries`", "write the query for a source with `preset: cloudwatch`"),
    "plugin": ("runs a plugin of Argo Rollouts", "ask what it asks through a `rest` source"),
}
_LATER = {
    "initialDelay": "a run begins when the rollout is complete and readiness holds; `warmup` of a load is its own",
    "inconclusiveLimit": "what is not known is inconclusive at once, and the run is held or extended with its evidence",
    "consecutiveErrorLimit": "a source that does not answer is asked again; what stays unknown never passes",
    "consecutiveSuccessLimit": "successes are not counted: evidence is, and it is enough at any moment",
}


@dataclass(frozen=True, slots=True)
class _Template:
    """One template.

    Attributes:
        arguments: name -> value.
        secrets: names whose value is in a secret.
        dry: metrics that only report; `*` for all.
    """

    arguments: dict[str, str]
    secrets: frozenset[str]
    dry: frozenset[str]
    missing: set[str] = field(default_factory=set)


def is_argo(document: Cell) -> bool:
    """Whether a document is one of Argo Rollouts'."""
    version = document.text_of("apiVersion")
    return version.startswith("argoproj.io/") and document.text_of("kind") in _TEMPLATES | _OTHERS.keys()


def import_argo(draft: Draft) -> None:
    """Read every document."""
    longest = 0.0
    for document in draft.files.documents:
        document.get("apiVersion")
        kind, name = document.text_of("kind"), document.text_of("metadata", "name")
        if kind in _OTHERS:
            document.take()
            draft.note(document, _OTHERS[kind], "only its analysis templates are read", what=f"{kind} `{name}`")
            continue
        for key in ("metadata", "status"):
            found = document.get(key)
            if found is not None:
                found.take()
        spec = document.get("spec")
        metrics = spec.get("metrics") if spec is not None else None
        template = _template(draft, spec)
        for metric in metrics.items() if metrics is not None else ():
            longest = max(longest, _metric(draft, metric, template))
    if longest > _MINUTE:
        draft.judge("max_duration", duration(longest))


def _template(draft: Draft, spec: Cell | None) -> _Template:
    arguments: dict[str, str] = {}
    secrets: set[str] = set()
    listed = spec.get("args") if spec is not None else None
    for each in listed.items() if listed is not None else ():
        name, value, reference = each.text_of("name"), each.get("value"), each.get("valueFrom")
        given = draft.value(name)
        if reference is not None:
            reference.take()
            if reference.get("secretKeyRef") is not None:
                secrets.add(name)
        if given is not None:
            arguments[name] = given
        elif value is not None:
            arguments[name] = value.text
    dry = spec.get("dryRun") if spec is not None else None
    names = frozenset(each.text_of("metricName") for each in dry.items()) if dry is not None else frozenset()
    for key, why in (
        ("measurementRetention", "how many measurements are kept says nothing of the verdict"),
        ("ttlStrategy", "how long an object is kept says nothing of the verdict"),
        ("templates", "templates that are referred to must be among the files"),
    ):
        found = spec.get(key) if spec is not None else None
        if found is not None:
            found.take()
            draft.note(found, why, "give their files, too" if key == "templates" else "")
    return _Template(arguments, frozenset(secrets), names)


# --------------------------------------------------------------------------- one metric


def _metric(draft: Draft, metric: Cell, template: _Template) -> float:
    """Add one metric; the seconds that its measurements take."""
    name = metric.text_of("name")
    success, failure = metric.get("successCondition"), metric.get("failureCondition")
    _limits(draft, metric, template)
    length = _length(draft, metric, template)
    provider = metric.get("provider")
    given = list(provider.entries()) if provider is not None else []
    if not given:
        draft.leave_out(metric, "it has no provider, so nothing measures it", what=f"metric `{name}`")
        return 0.0
    form = given[0]
    if form.name in _FOREIGN:
        form.take()
        why, todo = _FOREIGN[form.name]
        draft.leave_out(form, f"metric `{name}` {why}, and is left out", todo)
        return 0.0
    condition = _good(draft, metric, success, failure, template)
    if condition is None:
        form.take()
        return 0.0
    every = _interval(metric, template)
    report = bool(template.dry & {name, "*"})
    base = Query(name, "", form, "", every, report)
    if form.name == "web":
        web_measure(draft, base, form, condition, lambda cell: _filled(draft, cell, template), template.secrets)
    elif form.name == "prometheus" or form.name in _QUERIED:
        _queried(draft, base, form, condition, template)
    else:
        form.take()
        draft.leave_out(form, f"this provider is not known here: metric `{name}` is left out")
        return 0.0
    return length


def _queried(draft: Draft, base: Query, form: Cell, condition: tuple[Test, ...], template: _Template) -> None:
    query, address = form.get("query"), form.get("address")
    for key in ("authentication", "headers", "insecure", "profile", "secretRef", "timeout", "requestTimeout"):
        found = form.get(key)
        if found is not None:
            found.take()
            draft.note(
                found, "how a source is reached is the operator's to say", "see `sources` of the operator's file"
            )
    ranged = form.first("rangeQuery", "queries", "formula")
    if query is None or ranged is not None:
        form.take()
        why = "it asks for many values at once" if ranged is not None else "it has no query"
        draft.leave_out(
            ranged or form, f"{why}: metric `{base.name}` is left out", "write a query with one number as answer"
        )
        return
    for key in ("interval", "apiVersion", "aggregator"):
        found = form.get(key)
        if found is not None:
            draft.note(found, "how the query is asked is the source's to say")
    text = _filled(draft, query, template)
    where = _filled(draft, address, template) if address is not None else ""
    if text is None or where is None:
        return
    url = where if where.startswith(("http://", "https://")) else ""
    _asked(draft, base, (text, query), (form, address or form, url), condition)


def _asked(
    draft: Draft, base: Query, query: tuple[str, Cell], form: tuple[Cell, Cell, str], condition: tuple[Test, ...]
) -> None:
    """Add a query for each test of the condition."""
    kind, text = _QUERIED.get(form[0].name, "prometheus"), query[0]
    native = text if kind == "prometheus" else native_query(draft, kind, text, query[1])
    if native is None:
        return
    source = draft.source(kind, form[1], form[2])
    asked = Query(base.name, native, query[1], source, base.every, base.report)
    for test in condition:
        if test.kind not in {"value", "default"}:
            draft.leave_out(query[1], f"its result is compared with `{test.word}`, and a plan's metrics are numbers")
        elif kind == "prometheus":
            add_promql(draft, asked, Bound(test.operator, test.value))
        else:
            add_gauge(draft, asked, Bound(test.operator, test.value))


# --------------------------------------------------------------------------- conditions


def _good(
    draft: Draft, metric: Cell, success: Cell | None, failure: Cell | None, template: _Template
) -> tuple[Test, ...] | None:
    """What a good value must be; None where that is not understood, which is told."""
    read = {}
    for key, cell in (("success", success), ("failure", failure)):
        if cell is None:
            continue
        text = _filled(draft, cell, template)
        if text is None:
            return None
        found = parse_condition(text)
        if found is None:
            why = "this is more than plain comparisons of the result, and its metric is left out"
            draft.leave_out(cell, why, "write its objectives by hand")
            return None
        read[key] = found
    if success is None and failure is None:
        draft.leave_out(metric, "without a condition a measurement is always good there; it is left out")
        return None
    if success is not None and failure is not None:
        _grey(draft, failure, read["success"], read["failure"])
    at = success or failure
    assert at is not None  # noqa: S101 - one of them is there
    return _tests(draft, at, read["success"] if success is not None else negated(read["failure"]))


def _tests(draft: Draft, at: Cell, good: Condition) -> tuple[Test, ...] | None:
    """The one group of comparisons that a good value meets; that it is there goes without saying."""
    groups = []
    for group in good:
        kept = tuple(each for each in group if not each.guard)
        if not kept:
            _missing_passes(draft, at)
            continue
        groups.append(kept)
    if any(each.kind == "default" for group in groups for each in group):
        _missing_passes(draft, at)
    if len(groups) == 1:
        return groups[0]
    draft.leave_out(
        at, "a plan knows no `or`: this condition, and its metric, is left out", "write what must hold by hand"
    )
    return None


def _missing_passes(draft: Draft, at: Cell) -> None:
    why = "a missing or undefined result counts as good here, and nothing that is missing ever fails"
    draft.find(Rule.MISSING_READS_AS_ZERO, at, why, "the plan does not do so: missing data is inconclusive")


def _grey(draft: Draft, failure: Cell, good: Condition, bad: Condition) -> None:
    if _plain(negated(_stripped(good))) == _plain(_stripped(bad)):
        why = "it is the exact opposite of successCondition: there is no grey zone, and it changes nothing"
        draft.find(Rule.NO_GREY_ZONE, failure, why, "leave it out, or leave room between the two")
        return
    why = "the plan's limit is that of successCondition; between the two, what the evidence leaves open is inconclusive"
    draft.note(failure, why, "nothing to do")


def _stripped(condition: Condition) -> Condition:
    """Without what only asks if there is a result."""
    return tuple(tuple(each for each in group if not each.guard) for group in condition)


def _plain(condition: Condition) -> set[frozenset[Test]]:
    return {frozenset(each) for each in condition if each}


# --------------------------------------------------------------------------- limits and lengths


def _limits(draft: Draft, metric: Cell, template: _Template) -> None:
    count, limit = _number(metric, "count", template), _number(metric, "failureLimit", template)
    interval, failures = metric.get("interval"), metric.get("failureLimit")
    if failures is not None:
        measured = count or (Decimal(1) if interval is None else None)
        if measured is not None and limit is not None and limit >= measured:
            why = f"of {_many(measured)} never more than {int(limit)} fail: the metric can never fail"
            at_most = max(0, int(measured) - 1)
            draft.find(Rule.UNREACHABLE_FAILURE, failures, why, f"a limit of at most {at_most} can be exceeded")
        draft.note(failures, "measurements are not counted: the events of all of them are judged together")
    for key, why in _LATER.items():
        found = metric.get(key)
        if found is not None:
            draft.note(found, why)


def _many(count: Decimal) -> str:
    return f"{int(count)} measurement" + ("" if count == 1 else "s")


def _length(draft: Draft, metric: Cell, template: _Template) -> float:
    count, every = metric.get("count"), _interval(metric, template)
    number = _number(metric, "count", template)
    if count is None or number is None or not every:
        return 2 * every if every is not None and every > _LONGEST / 2 else 0.0
    draft.note(count, "a run ends when the evidence is enough; `max_duration` is what all measurements take together")
    return float(number) * every


def _interval(metric: Cell, template: _Template) -> float | None:
    found = metric.get("interval")
    if found is None:
        return None
    text = _PLACEHOLDER.sub(lambda match: template.arguments.get(match[1] or match[2], match[0]), found.text)
    value = seconds(text)
    if value is None:
        try:
            value = float(parse_duration(text))
        except Refused:
            return None
    return float(max(1, round(value)))


def _number(metric: Cell, key: str, template: _Template) -> Decimal | None:
    found = metric.get(key)
    if found is None:
        return None
    text = _PLACEHOLDER.sub(lambda match: template.arguments.get(match[1] or match[2], match[0]), found.text)
    try:
        return Decimal(text)
    except ArithmeticError:
        return None


def _filled(draft: Draft, cell: Cell, template: _Template) -> str | None:
    """Text with its arguments; None where one is not known, which is told."""
    missing: list[str] = []

    def replaced(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        if name not in template.arguments:
            missing.append(name)
            draft.value(name)
        return template.arguments.get(name, "")

    text = _PLACEHOLDER.sub(replaced, cell.text.replace("${", "$${"))
    for name in dict.fromkeys(missing):
        secret = " (it is in a secret)" if name in template.secrets else ""
        why = f"the argument `{name}` has no value{secret}, so what needs it is left out"
        draft.leave_out(cell, why, f"say it with --set {name}=VALUE")
    return None if missing else text
