"""Iter8's SLOs -> objectives on the loads, or on custom metrics. Read for `iter8`.

Latencies are milliseconds there. A mean, a maximum and a standard deviation have no bound that requests could prove.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from gitslo.core.imports.draft import Draft, digits, percent
from gitslo.core.imports.iter8_custom import Custom
from gitslo.core.imports.iter8_tasks import Endpoint, Loads
from gitslo.core.imports.loads import lint_size
from gitslo.core.imports.measures import Bound, Query, add_gauge, add_promql, zero_tolerance
from gitslo.core.imports.reading import Cell
from gitslo.core.imports.result import Rule
from gitslo.core.units import format_duration
from gitslo.model.units import Seconds

__all__ = ["Limit", "add_limits", "read_limits", "timeouts"]

_NAME = re.compile(r"(?:(?P<prefix>(?:http|grpc)(?:-[^/]+)?)/)?(?P<metric>.*)", re.DOTALL)
_BUILT_IN = re.compile(r"built-in/(http|grpc)-(.+)")
_PERCENTILE = re.compile(r"latency[-/]p'?([0-9]{1,2}(?:\.[0-9]+)?)'?")
_NO_BOUND = {
    "latency-mean": "a mean has no bound to prove where values have none; limit a percentile, e.g. `latency.p50`",
    "latency-max": "a maximum has no bound to prove: one more request may exceed it; limit e.g. `latency.p99.9`",
    "latency-min": "a minimum says nothing of what users see",
    "latency-stddev": "a standard deviation has no bound to prove; limit a percentile",
}
_MILLI = Decimal("0.001")


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit; the cell is the metric's name."""

    metric: str
    value: Decimal
    upper: bool
    cell: Cell


def read_limits(draft: Draft, side: Cell, *, upper: bool) -> Iterator[Limit]:
    """The limits of a list of `{metric, limit}`, or of a mapping."""
    if side.is_list:
        for each in side.items():
            name, limit = each.get("metric"), each.get("limit")
            if name is None or limit is None or limit.number is None:
                draft.note(each, "expected a `metric` and a number as `limit`")
                continue
            yield Limit(name.text, limit.number, upper, name)
        return
    for each in side.entries():
        if each.number is None:
            draft.note(each, "expected a number as limit")
            continue
        yield Limit(each.name, each.number, upper, each)


def add_limits(draft: Draft, limits: list[Limit], loads: Loads, metrics: Mapping[str, Custom]) -> None:
    """Add an objective for each; where nothing measures it, that is a finding."""
    for limit in limits:
        custom = metrics.get(limit.metric)
        if custom is not None:
            _custom(draft, limit, custom)
            continue
        text = _BUILT_IN.sub(r"\1/\2", limit.metric)
        match = _NAME.fullmatch(text)
        assert match is not None  # noqa: S101 - whatever it is
        prefix = match["prefix"] or (loads.endpoints[0].prefix if loads.endpoints else "")
        endpoint = loads.find(prefix)
        if endpoint is None and (prefix in loads.left_out or (not prefix and loads.left_out)):
            draft.leave_out(limit.cell, "left out with the load that produces it")
        elif endpoint is None:
            why = "no task of the file produces it"
            draft.find(Rule.NOT_PRODUCED, limit.cell, why, "add the task, or take the limit out")
            draft.leave_out(limit.cell, "left out: nothing measures it")
        elif not limit.upper:
            draft.leave_out(limit.cell, "every limit of a load is an upper one, so this lower one is left out")
        else:
            _built_in(draft, limit, endpoint, match["metric"].replace("latency/", "latency-"))


def _built_in(draft: Draft, limit: Limit, endpoint: Endpoint, metric: str) -> None:
    match = _PERCENTILE.fullmatch(metric)
    if match is not None:
        _latency(draft, limit, endpoint, Decimal(match[1]))
    elif metric in {"error-rate", "error-count"}:
        _errors(draft, limit, endpoint, count=metric == "error-count")
    elif metric in _NO_BOUND:
        draft.leave_out(limit.cell, f"{_NO_BOUND[metric]}; it is left out")
    elif metric == "request-count":
        draft.leave_out(limit.cell, "how many requests are sent is the plan's to say; it is left out")
    else:
        draft.find(Rule.NOT_PRODUCED, limit.cell, f"Iter8 has no metric `{metric}` of a load", "see its documentation")
        draft.leave_out(limit.cell, "left out: nothing measures it")


def _latency(draft: Draft, limit: Limit, endpoint: Endpoint, percentile: Decimal) -> None:
    load, share = endpoint.load, 1 - percentile / 100
    if limit.value <= 0 or not 0 < share < 1:
        draft.leave_out(limit.cell, "a latency limit must be above zero, and its percentile, too; it is left out")
        return
    shown = format_duration(Seconds(float(limit.value * _MILLI)))
    if draft.objective(f"{load.name}.latency.p{digits(percentile)} < {shown}", limit.cell):
        lint_size(draft, limit.cell, load.sent, load.rate, share)


def _errors(draft: Draft, limit: Limit, endpoint: Endpoint, *, count: bool) -> None:
    load = endpoint.load
    share = limit.value / load.sent if count else limit.value
    if count:
        draft.note(limit.cell, f"as a share of the {load.sent} requests that are sent")
    if share <= 0:
        zero_tolerance(draft, Query(load.name, "", limit.cell, ""), f"{load.name}.errors", load.sent)
    elif share >= 1:
        draft.leave_out(limit.cell, "a limit of all requests can never be broken; it is left out")
    elif draft.objective(f"{load.name}.errors < {percent(share)}", limit.cell):
        lint_size(draft, limit.cell, load.sent, load.rate, share)


def _custom(draft: Draft, limit: Limit, custom: Custom) -> None:
    query = replace(custom.query, cell=limit.cell)
    bound = Bound("<=" if limit.upper else ">=", limit.value)
    if custom.prometheus:
        add_promql(draft, query, bound)
    else:
        add_gauge(draft, query, bound)


def timeouts(limits: list[Limit]) -> Decimal:
    """The longest latency limit in seconds, which a load's time-out must not be below."""
    found = [each.value * _MILLI for each in limits if _PERCENTILE.search(each.metric)]
    return max(found, default=Decimal(0))
