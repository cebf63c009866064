"""What is valid of a plan's metrics and still a mistake, most likely: too few windows, doubtful queries, wrong sources.

Called by `gitslo.core.lint`. The rules come from files that people really use: missing data that reads as zero errors,
ranges that hold no two scrapes, samples that share most of their data. Pure.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

from gitslo.core.figures import count
from gitslo.core.gather import course
from gitslo.core.nearest import nearest
from gitslo.core.promql import find_selector, parse_selector
from gitslo.core.query_text import FACTS, render, times
from gitslo.core.query_text import parse as parse_query
from gitslo.core.remarks import Remark, refused, warned
from gitslo.core.sql_statement import parse as parse_sql
from gitslo.core.units import format_duration
from gitslo.core.windows import Stretch, beside_load, windows
from gitslo.errors import Refused
from gitslo.model import (
    Environment,
    JudgedUnit,
    Metric,
    MetricForm,
    MetricSection,
    Objective,
    Plan,
    Quantity,
    Role,
    Seconds,
    Test,
)

__all__ = ["GrantedSource", "lint_environment", "lint_metrics", "lint_sources"]

LEAST_WINDOWS = 8
"""Below so many disjoint windows nothing is decided."""

_SCRAPES = 2
"""A rate needs so many samples in its range."""
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0, "y": 31536000.0}
_TEXT = re.compile(r"\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'|`[^`]*`")
_NO_DATA_IS_ZERO = re.compile(r"\bor\s+(?:on\s*\(\s*\)\s*)?vector\s*\(\s*0(?:\.0*)?\s*\)", re.IGNORECASE)
_RANGE = re.compile(r"\[\s*((?:[0-9]+(?:\.[0-9]+)?(?:ms|[smhdwy]))+)\s*(?::[^\]]*)?\]")
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|[smhdwy])")
_RATE = re.compile(r"\b(?:rate|irate|increase)\s*\(")


@dataclass(frozen=True, slots=True)
class GrantedSource:
    """A source of the operator's file, as a plan's author needs to know it.

    Attributes:
        kind: `prometheus`, `rest`, `preset`, `kubernetes`, `sql`, or what another package brings.
        every: seconds between two scrapes.
        allowed: whether the repository's plans may name it.
    """

    kind: str
    every: Seconds
    allowed: bool = True


_FORMS: Mapping[str, frozenset[str]] = {
    "prometheus": frozenset({"ratio", "gauge", "histogram"}),
    "rest": frozenset({"ratio", "gauge"}),
    "preset": frozenset({"ratio", "gauge"}),
    "kubernetes": frozenset({"pods"}),
    "sql": frozenset({"ratio_sql", "gauge_sql"}),
}
"""Kind -> what it can answer; of other packages' kinds nothing is known here."""
_SCRAPED = frozenset({"prometheus", "kubernetes"})
"""Kinds that have nothing new between two scrapes."""


def _form(section: MetricSection) -> str:
    """The field that says what it is made of."""
    return "pods" if section.pods is not None else f"{section.form}_sql" if section.sql else section.form.value


# --------------------------------------------------------------------------- the plan alone


def lint_metrics(plan: Plan, file: str, extensions: int, needed: Callable[[float, int], int]) -> Iterator[Remark]:
    """The metrics of one plan, without the operator's file.

    Args:
        plan: the plan.
        file: its path.
        extensions: how often an undecided run is extended.
        needed: (share of bad ones at the limit, how many there are) -> how many without a bad one prove it.
    """
    judged = {objective.source for objective in plan.objectives}
    scored = {each.indicator for each in plan.scoring.objectives} if plan.scoring is not None else set()
    for section in plan.metrics:
        pointer = f"/metrics/{section.name}"
        if section.name not in judged | scored:
            yield warned(f"nothing judges the metric `{section.name}`", file, pointer, "remove it, or limit it")
        yield from _doubtful(section, file, pointer)
        yield from _units(plan, section, file)
        if section.every is not None:
            yield from _enough(plan, section, section.every, file, extensions, needed)
            yield from _overlapping(plan, section, section.every, file)


def _doubtful(section: MetricSection, file: str, pointer: str) -> Iterator[Remark]:
    """Queries that hide what is not known."""
    for role, text in section.queries.items():
        at = f"{pointer}/{_form(section)}" + ("" if role in {"rows", "value", "buckets"} else f"/{role}")
        if section.sql:
            if section.form is MetricForm.RATIO and not _bounds(text):
                message = "the statement does not use `:start` and `:end`: every window would count the same rows"
                yield warned(message, file, at, "count the rows of one window")
            continue
        if section.request is None and _NO_DATA_IS_ZERO.search(_TEXT.sub('""', text)):
            message = "`or vector(0)` makes zero of what is not known: missing data would pass"
            yield warned(message, file, at, "remove it: a counter that is not there yet counts as zero by itself")
        if section.form is MetricForm.GAUGE and section.request is None and _is_quotient(text):
            message = "a quotient of rates is no number without traffic, and its samples are no events"
            yield warned(message, file, at, "`ratio` with the two counters counts events, and needs no bounds")


def _bounds(statement: str) -> bool:
    """Whether a statement asks for the rows of one window."""
    used = parse_sql(statement).parameters
    return bool(used & {"start", "start_epoch"}) and bool(used & {"end", "end_epoch"})


def _is_quotient(text: str) -> bool:
    parts = _TEXT.sub('""', text).split("/")
    return any(_RATE.search(before) and _RATE.search(after) for before, after in pairwise(parts))


def _units(plan: Plan, section: MetricSection, file: str) -> Iterator[Remark]:
    """A histogram's name says its unit, and so should the limit."""
    buckets = section.queries.get("buckets", "")
    for index, objective in enumerate(plan.objectives):
        if objective.source == section.name and objective.quantity is Quantity.NUMBER:
            for word, unit in (("_seconds", "50ms"), ("_bytes", "64KiB")):
                if word in _TEXT.sub("", buckets):
                    message = f"the histogram is in {word[1:]}, and `{objective.text}` has no unit"
                    yield warned(message, file, f"/objectives/{index}", f"e.g. `{unit}`")


def _enough(
    plan: Plan,
    section: MetricSection,
    every: Seconds,
    file: str,
    extensions: int,
    needed: Callable[[float, int], int],
) -> Iterator[Remark]:
    """Whether there are windows enough to decide anything at all."""
    first = _windows(plan, every, 0)
    in_all = first + extensions * _windows(plan, every, 1)
    for index, objective in enumerate(plan.objectives):
        if objective.source != section.name or objective.role is not Role.DECIDE or not _tested(objective):
            continue
        need = LEAST_WINDOWS
        if objective.unit is JudgedUnit.SECONDS or (
            section.form is MetricForm.GAUGE and objective.metric is Metric.QUANTILE
        ):
            need = max(need, needed(objective.allowed, first))
        if need <= first:
            continue
        long = format_duration(Seconds(math.ceil(every) * need))
        what = f"`{objective.text}` needs {count(need)} windows of {format_duration(every)}, {long} in all"
        where = "`judge.max_duration` of at least" if not plan.load else "hold the load for"
        # Where the plan says nothing it is the source's own interval, and nothing new is known more often.
        shorter = ", or a shorter `every`" if section.every is not None else ""
        hint = f"too few windows for its scrape interval: {where} {long}{shorter}"
        if need <= in_all:
            yield warned(f"{what}, and an attempt has {first}", file, f"/objectives/{index}", hint)
        else:
            message = f"{what}, and all attempts have {in_all}: it can never pass"
            yield refused(message, file, f"/objectives/{index}", hint)


def _tested(objective: Objective) -> bool:
    return objective.test is Test.SEQUENTIAL and objective.metric is not Metric.BURN


def _windows(plan: Plan, every: Seconds, extension: int) -> int:
    """The windows of one attempt."""
    stretches: tuple[Stretch, ...] = ((0.0, float(plan.judge.max_duration)),)
    if plan.load:
        stretches = beside_load([course(section, plan.judge, extension) for section in plan.load])
    return len(windows(stretches, math.ceil(every)))


def _overlapping(plan: Plan, section: MetricSection, every: Seconds, file: str) -> Iterator[Remark]:
    """Samples that look back over each other are not several."""
    tested = any(each.source == section.name and _tested(each) for each in plan.objectives)
    if section.form is not MetricForm.GAUGE or section.sql or section.request is not None or not tested:
        return
    text = section.queries.get("value", "")
    for seconds in _ranges(_filled(text, every)):
        if seconds > every:
            message = (
                f"a range of {format_duration(seconds)} every {format_duration(every)}: neighbours share their data"
            )
            hint = f"`every: {format_duration(seconds)}`, or a range of `${{window}}s`"
            yield warned(message, file, f"/metrics/{section.name}/gauge", hint)


def _filled(text: str, every: Seconds) -> str:
    """The query of one window, with something for its variables."""
    return render(text, {**dict.fromkeys(FACTS, "x"), **times(0.0, every)})


def _ranges(text: str) -> Iterator[Seconds]:
    for match in _RANGE.finditer(_TEXT.sub('""', text)):
        parts = _PART.findall(match[1])
        yield Seconds(sum(float(number) * _UNITS[unit] for number, unit in parts))


# --------------------------------------------------------------------------- where it runs


def lint_environment(plan: Plan, file: str, environment: Environment) -> Iterator[Remark]:
    """Variables that have no value in this environment: its metrics could not be asked."""
    if environment.service is not None:
        return
    for section in plan.metrics:
        if "service" in _variables(section):
            message = "the query uses the service's name, and the repository has one service without a name"
            yield refused(message, file, f"/metrics/{section.name}", "write the name, or name it in `services`")


def _variables(section: MetricSection) -> frozenset[str]:
    if section.sql:
        return frozenset(name for text in section.queries.values() for name in parse_sql(text).parameters)
    texts = list(section.queries.values())
    if section.request is not None:
        texts += [section.request.path, section.request.body, *(value for _, value in section.request.headers)]
    if section.pods is not None:
        texts += [section.pods.selector, section.pods.namespace]
    return frozenset(str(variable) for text in texts for variable in parse_query(text).variables())


# --------------------------------------------------------------------------- with the operator's file


def lint_sources(
    sources: Mapping[str, GrantedSource],
    plan: Plan,
    file: str,
    extensions: int,
    needed: Callable[[float, int], int],
) -> Iterator[Remark]:
    """What the operator's sources make of a plan's metrics; `needed` as of `lint_metrics`."""
    for section in plan.metrics:
        pointer = f"/metrics/{section.name}"
        source = sources.get(section.source)
        if source is None:
            hint = nearest(section.source, sorted(sources)) or "`sources` of the operator's file names them"
            yield refused(f"the operator's file has no source `{section.source}`", file, f"{pointer}/source", hint)
            continue
        if not source.allowed:
            hint = nearest(section.source, sorted(name for name, each in sources.items() if each.allowed))
            hint = hint or "`allow.sources` of the repository names those that it may ask"
            message = f"the operator does not allow the source `{section.source}`"
            yield refused(message, file, f"{pointer}/source", hint)
        yield from _of_kind(section, source, file, pointer)
        yield from _in_time(section, source, file, pointer)
        if section.every is None:
            yield from _enough(plan, section, source.every, file, extensions, needed)
            yield from _overlapping(plan, section, source.every, file)


def _of_kind(section: MetricSection, source: GrantedSource, file: str, pointer: str) -> Iterator[Remark]:
    """What this kind of source does not have."""
    known, form = _FORMS.get(source.kind), _form(section)
    if known is None:
        return
    if form not in known:
        hint = f"it has {', '.join(f'`{each}`' for each in sorted(known))}"
        message = f"`{section.source}` is a {source.kind} source, and has no `{form}`"
        yield refused(message, file, f"{pointer}/{form}", hint)
        return
    if source.kind == "rest" and section.request is None:
        hint = 'e.g. `request: {get: "/stats?from=${start}&to=${end}"}`'
        yield refused(f"`{section.source}` is a rest source, and needs a `request`", file, pointer, hint)
    if source.kind != "rest" and section.request is not None:
        message = f"`{section.source}` is a {source.kind} source: only rest sources are sent a `request`"
        yield refused(message, file, f"{pointer}/request", "remove it")
    if source.kind == "prometheus":
        yield from _selectors(section, file, pointer)


def _selectors(section: MetricSection, file: str, pointer: str) -> Iterator[Remark]:
    """Prometheus' counters are named, not computed: a rate hides resets, and windows of rates overlap."""
    if section.form is MetricForm.GAUGE:
        selector = find_selector(_filled(section.queries["value"], Seconds(1.0)))
        if selector is not None and selector.name.endswith(("_total", "_count", "_sum", "_bucket")):
            message = f"`{selector.name}` is a counter, which only grows: as a gauge it says when the process began"
            yield warned(message, file, f"{pointer}/gauge", "`ratio` counts, or take its `rate(...)`")
        return
    for role, text in section.queries.items():
        histogram = section.form is MetricForm.HISTOGRAM
        at = f"{pointer}/{section.form}" + ("" if histogram else f"/{role}")
        try:
            selector = parse_selector(_filled(text, Seconds(1.0)), "histogram" if histogram else role)
        except Refused as refusal:
            yield from (refused(each.message, file, at, each.hint) for each in refusal.problems)
            continue
        if histogram and selector.by_edge:
            yield refused("`histogram` selects by `le`: it needs all buckets", file, at, "leave `le` out")


def _in_time(section: MetricSection, source: GrantedSource, file: str, pointer: str) -> Iterator[Remark]:
    """Nothing new is known between two scrapes."""
    if source.kind not in _SCRAPED:
        return
    scrape = format_duration(source.every)
    if section.every is not None and section.every < source.every:
        message = f"`{section.source}` has something new every {scrape}, and is asked every"
        hint = f"`every: {scrape}` or longer"
        yield refused(f"{message} {format_duration(section.every)}", file, f"{pointer}/every", hint)
    if "value" not in section.queries:
        return
    for seconds in _ranges(_filled(section.queries["value"], section.every or source.every)):
        if seconds < _SCRAPES * source.every:
            message = f"a range of {format_duration(seconds)} holds no two scrapes of {scrape}: it finds nothing"
            long = format_duration(Seconds(_SCRAPES * source.every))
            yield warned(message, file, f"{pointer}/gauge", f"at least `[{long}]`")
