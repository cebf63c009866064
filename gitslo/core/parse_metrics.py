"""The metrics of a plan -> MetricSection: what is asked of the operator's sources, and how often.

Called by `gitslo.core.parse_plan`. Must stay true: a plan names a source and never says where it is or who asks; a
query's variables are of a closed set, and SQL has none; what a source of another kind would not understand is for
`gitslo.core.lint` to say, which knows the operator's file.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from gitslo.core.document import Field
from gitslo.core.jsonpath import search
from gitslo.core.mistakes import words
from gitslo.core.quantities import KINDS, Amount, parse_amount
from gitslo.core.query_text import check, stand_in
from gitslo.core.sql_statement import SqlFault
from gitslo.core.sql_statement import faults as sql_faults
from gitslo.core.template import TemplateFault
from gitslo.core.units import parse_duration
from gitslo.model import (
    Across,
    MetricForm,
    MetricRequest,
    MetricSection,
    PodQuery,
    PodResource,
    Quantity,
    Seconds,
)

__all__ = ["ReadMetric", "parse_metrics"]

_SHARES = (0.0, 1.0)
_OURS = frozenset({"connection", "content-length", "host", "te", "trailer", "transfer-encoding", "upgrade"})
_SECRETS = frozenset({"authorization", "proxy-authorization", "cookie", "x-scope-orgid"})
"""Who asks, and for whom: the operator's to say."""
_UP = re.compile(r"(?:^|[/\\])(?:\.|%2e){1,2}(?:[/\\?#]|$)|%2f|%5c", re.IGNORECASE)
"""What could leave the base path that the operator gave."""

_KEY = r"(?:[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?/)?[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?"
_VALUE = r"(?:[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?"
_REQUIREMENT = (
    rf"(?:!\s*{_KEY}|{_KEY}(?:\s*(?:==?|!=)\s*{_VALUE}|\s+(?:not)?in\s*\(\s*{_VALUE}(?:\s*,\s*{_VALUE})*\s*\))?)"
)
_SELECTOR = re.compile(rf"\s*{_REQUIREMENT}(?:\s*,\s*{_REQUIREMENT})*\s*")
_NAMESPACE = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class ReadMetric:
    """A metric, and what the values of its `between` are, where they say it."""

    section: MetricSection
    unit: Quantity | None = None


def parse_metrics(root: Field, loads: Collection[str]) -> tuple[ReadMetric, ...]:
    """Every metric that can be read; problems are noted in the document.

    Args:
        root: the whole document.
        loads: names of loads, which no metric may have.
    """
    metrics = root.get("metrics")
    found = []
    for name, field in metrics.fields() if metrics is not None else ():
        if name in loads:
            field.add(f"a load is named `{name}`, too: objectives could not tell them apart", on_key=True)
        elif field.sound:
            found.append(_metric(name, field))
    return tuple(found)


def _metric(name: str, field: Field) -> ReadMetric:
    form, queries, sql = _queries(field)
    request, pods = _request(field), _pods(field)
    if request is not None:
        _check_expressions(field)
    between, unit = _between(field)
    if pods is not None and pods.of == "limit" and between is None:
        between, unit = _SHARES, Quantity.SHARE
    section = MetricSection(
        name=name,
        source=field.text_of("source", ""),
        form=form,
        queries=queries,
        sql=sql,
        request=request,
        pods=pods,
        every=_every(field),
        between=between,
    )
    return ReadMetric(section, unit)


# --------------------------------------------------------------------------- queries


def _queries(field: Field) -> tuple[MetricForm, dict[str, str], bool]:
    """What it is made of, the queries by their role, and whether they are SQL."""
    ratio = field.get("ratio")
    if ratio is not None:
        return MetricForm.RATIO, {key: _query(item) for key, item in sorted(ratio.fields())}, False
    for key, form, role in (
        ("ratio_sql", MetricForm.RATIO, "rows"),
        ("gauge", MetricForm.GAUGE, "value"),
        ("gauge_sql", MetricForm.GAUGE, "rows"),
        ("histogram", MetricForm.HISTOGRAM, "buckets"),
    ):
        given = field.get(key)
        if given is not None:
            sql = key.endswith("_sql")
            return form, {role: _statement(given) if sql else _query(given)}, sql
    return MetricForm.GAUGE, {}, False


def _query(field: Field) -> str:
    if not field.text.strip():
        field.add("expected a query, found nothing")
    _told(field, check(field.text))
    return field.text


def _statement(field: Field) -> str:
    _told(field, sql_faults(field.text))
    return field.text


def _told(field: Field, faults: Collection[TemplateFault | SqlFault]) -> None:
    for fault in faults:
        field.add_inside(fault.offset, fault.message, fault.hint)


def _check_expressions(field: Field) -> None:
    """Of a REST source the queries are JMESPath."""
    ratio = field.get("ratio")
    for each in (field.get("gauge"), *(item for _, item in (ratio.fields() if ratio is not None else ()))):
        if each is not None and not check(each.text):
            each.parsed(lambda text: search(stand_in(text), None), None)


# --------------------------------------------------------------------------- what REST sources are sent


def _request(field: Field) -> MetricRequest | None:
    request = field.get("request")
    if request is None:
        return None
    method = "get" if request.get("get") is not None else "post"
    path, headers, body = request.get(method), request.get("headers"), request.get("body")
    if path is not None:
        _told(path, check(path.text))
        if _UP.search(path.text.partition("?")[0]):
            path.add("the path could leave what the operator's URL ends with", "without `.`, `..` and encoded slashes")
        if "#" in path.text:
            path.add_inside(path.text.index("#"), "no server sees what stands behind a `#`", "`%23` is one in a query")
    if body is not None:
        _told(body, check(body.text))
    return MetricRequest(
        method=method.upper(),
        path="" if path is None else path.text,
        headers=tuple(_headers(headers)),
        body="" if body is None else body.text,
    )


def _headers(field: Field | None) -> Iterator[tuple[str, str]]:
    for key, value in field.fields() if field is not None else ():
        if key.lower() in _OURS:
            value.add(f"the header `{key}` is gitslo's own", on_key=True)
        if key.lower() in _SECRETS:
            value.add(f"the header `{key}` is the operator's to give", "`auth` or `tenant` of the source", on_key=True)
        _told(value, check(value.text))
        yield key, value.text


# --------------------------------------------------------------------------- pods


def _pods(field: Field) -> PodQuery | None:
    pods = field.get("pods")
    if pods is None:
        return None
    selector, namespace = pods.get("selector"), pods.get("namespace")
    for part, shape, what in (
        (selector, _SELECTOR, "a selector of labels, e.g. `app=checkout,tier in (web, api)`"),
        (namespace, _NAMESPACE, "a namespace, e.g. `shop`"),
    ):
        faults = check(part.text) if part is not None else ()
        if part is None or faults:
            _told(part or pods, faults)
        elif not shape.fullmatch(stand_in(part.text)):
            part.add(f"expected {what}, found `{part.text[:60]}`")
    return PodQuery(
        selector=pods.text_of("selector", ""),
        namespace=pods.text_of("namespace", ""),
        resource=PodResource(pods.text_of("resource", PodResource.CPU)),
        of=pods.text_of("of", ""),
        across=Across(pods.text_of("across", Across.MAX)),
    )


# --------------------------------------------------------------------------- when, and what is possible


def _every(field: Field) -> Seconds | None:
    every = field.get("every")
    if every is None:
        return None
    seconds = every.parsed(parse_duration, Seconds(1.0))
    if seconds < 1 or seconds % 1:
        every.add("`every` must be a whole number of seconds, at least one", "e.g. `15s`")
    return seconds


def _between(field: Field) -> tuple[tuple[float, float] | None, Quantity | None]:
    between = field.get("between")
    if between is None:
        return None, None
    amounts: list[Amount] = []
    for item in between.items():
        amount = item.parsed(parse_amount, None)
        if amount is not None:
            amounts.append(amount)
    if len(amounts) != 2:  # noqa: PLR2004 - the least and the largest
        return None, None
    low, high = amounts
    # A plain zero is zero of everything.
    units = {each.quantity for each in amounts if each.quantity is not Quantity.NUMBER or each.value}
    if len(units) > 1:
        kinds = words((KINDS[each.quantity] for each in amounts), "and").replace("`", "")
        between.add(f"one value is of another kind than the other: {kinds}")
        return None, None
    if low.value >= high.value:
        between.add("the first value must be below the second", "e.g. `[0, 100%]`")
        return None, None
    return (low.value, high.value), next(iter(units))
