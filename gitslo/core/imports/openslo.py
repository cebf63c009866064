"""OpenSLO v1 and v1alpha, and Sloth's own format -> a plan: what an SLO allows, judged on the release's own traffic.

Sources: the specification (https://github.com/OpenSLO/OpenSLO) and https://github.com/slok/sloth, whose Kubernetes
resource and YAML say the same. Budgeting methods: Occurrences are events; Timeslices are windows of which a share may
be bad; RatioTimeslices are the mean of the windows' shares.
"""

from __future__ import annotations

import re
from decimal import Decimal

from gitslo.core.imports.draft import Draft
from gitslo.core.imports.openslo_goals import Goal, add_counters, add_ratio_metric, add_raw, add_threshold_metric
from gitslo.core.imports.openslo_sources import Measure, Sources
from gitslo.core.imports.reading import Cell
from gitslo.core.imports.result import Rule

__all__ = ["import_openslo", "is_openslo"]

_KINDS = frozenset({"SLO", "SLI", "DataSource", "Service", "AlertPolicy", "AlertCondition", "AlertNotificationTarget"})
_OURS = {
    "AlertPolicy": "gitslo alerts nobody: verdicts go into the pull request",
    "AlertCondition": "a `burn` objective has the windows of the SRE workbook built in",
    "AlertNotificationTarget": "notifications are the operator's",
}
_DAY = 86400.0
_PERIODS = {"m": 60.0, "h": 3600.0, "d": _DAY, "w": 7 * _DAY, "M": 30 * _DAY, "Q": 91 * _DAY, "Y": 365 * _DAY}
_UNITS = {"second": 1.0, "minute": 60.0, "hour": 3600.0, "day": _DAY, "week": 7 * _DAY, "month": 30 * _DAY}


def is_openslo(document: Cell) -> bool:
    """Whether a document is one of OpenSLO's or Sloth's."""
    version = document.text_of("apiVersion")
    if version.startswith(("openslo/", "openslo.com/")):
        return document.text_of("kind") in _KINDS
    if version.startswith("sloth.slok.dev/"):
        return document.text_of("kind") == "PrometheusServiceLevel"
    return document.text_of("version").startswith("prometheus/v")


def import_openslo(draft: Draft) -> None:
    """Read every document."""
    documents = draft.files.documents
    indicators: dict[str, Cell] = {}
    found: dict[str, Cell] = {}
    slos: list[Cell] = []
    for document in documents:
        kind = document.text_of("kind")
        name = document.text_of("metadata", "name")
        _metadata(document)
        if kind == "SLI":
            indicators[name] = document
        elif kind == "DataSource":
            found[name] = document
        elif kind == "Service":
            document.take()
            draft.note(
                document, "a service is a folder of the pipeline here", "nothing to do", what=f"Service `{name}`"
            )
        elif kind in _OURS:
            document.take()
            draft.note(document, _OURS[kind], what=f"{kind} `{name}`")
        else:
            slos.append(document)
    sources = Sources(draft, found)
    for document in slos:
        if document.text_of("kind") == "SLO":
            _slo(draft, document, indicators, sources)
        else:
            _sloth(draft, document)


def _metadata(document: Cell) -> None:
    """Names, labels and annotations are for people."""
    metadata = document.get("metadata")
    if metadata is not None:
        metadata.take()
    document.get("apiVersion")
    document.get("version")


# --------------------------------------------------------------------------- OpenSLO


def _slo(draft: Draft, slo: Cell, indicators: dict[str, Cell], sources: Sources) -> None:
    spec = slo.get("spec")
    if spec is None:
        draft.note(slo, "it has no `spec`", what="SLO")
        return
    spec.get("service")
    spec.get("description")
    policies = spec.get("alertPolicies")
    if policies is not None:
        policies.take()
        draft.note(policies, _OURS["AlertPolicy"])
    name = slo.text_of("metadata", "name")
    method = spec.text_of("budgetingMethod").lower() or "occurrences"
    period = _period(draft, spec)
    shared = _indicator(draft, spec, indicators)
    objectives = spec.get("objectives")
    listed = list(objectives.items()) if objectives is not None else []
    for number, each in enumerate(listed, 1):
        own = _indicator(draft, each, indicators) or shared
        weight = each.get("compositeWeight")
        if weight is not None:
            why = "every objective must hold by itself: a composite has no weights here"
            draft.note(weight, why, "leave out what is not to decide, or give it `role: report`")
        shown = each.get("displayName")
        target = _target(draft, each)
        if target is None:
            continue
        label = name if len(listed) == 1 else f"{name}_{shown.text if shown is not None else number}"
        goal = Goal(label, each, target, method, _slice(draft, each), _share(each.get("timeSliceTarget")), period)
        old = each.get("ratioMetrics")
        if old is not None:  # v1alpha has the queries here
            add_ratio_metric(draft, goal, old, sources)
        elif own is None:
            why = "it has neither `indicator` nor `indicatorRef`, or the SLI is not in the files"
            draft.leave_out(each, why, "give the SLI, too")
        elif (ratio := own.get("ratioMetric")) is not None:
            add_ratio_metric(draft, goal, ratio, sources)
        elif (threshold := own.get("thresholdMetric")) is not None:
            add_threshold_metric(draft, goal, threshold, sources)
        else:
            draft.leave_out(own, "neither `ratioMetric` nor `thresholdMetric` is in it")


def _indicator(draft: Draft, cell: Cell, indicators: dict[str, Cell]) -> Cell | None:
    reference, inline = cell.get("indicatorRef"), cell.get("indicator")
    if reference is not None:
        found = indicators.get(reference.text)
        if found is None:
            draft.find(Rule.NOT_PRODUCED, reference, "there is no SLI of this name in the files", "give it, too")
        else:
            found.text_of("spec", "description")
        return None if found is None else found.get("spec")
    if inline is None:
        return None
    metadata = inline.get("metadata")
    if metadata is not None:
        metadata.take()
    inline.text_of("spec", "description")
    return inline.get("spec") or inline


def _target(draft: Draft, cell: Cell) -> Decimal | None:
    share, hundredth = cell.get("target"), cell.get("targetPercent")
    found = share or hundredth
    number = None if found is None else found.number
    target = number if share is not None or number is None else number / 100
    if found is None or target is None or not 0 <= target <= 1:
        draft.leave_out(found or cell, "expected a `target` from 0 to 1, or a `targetPercent`")
        return None
    return target


def _share(cell: Cell | None) -> Decimal | None:
    return None if cell is None else cell.number


def _slice(draft: Draft, cell: Cell) -> float:
    window = cell.get("timeSliceWindow")
    if window is None:
        return 60.0
    found = window.number
    seconds = float(found) * 60 if found is not None else _shorthand(window.text)
    if seconds is None or seconds % 1:
        draft.note(window, "no duration of OpenSLO: a minute is taken instead", "e.g. `1m`")
        return 60.0
    return seconds


def _shorthand(text: str) -> float | None:
    match = re.fullmatch(r"([1-9][0-9]*)([mhdwMQY])", text.strip())
    return None if match is None else int(match[1]) * _PERIODS[match[2]]


def _period(draft: Draft, spec: Cell) -> float | None:
    """Seconds of a rolling window."""
    windows = spec.first("timeWindow", "timeWindows")
    for window in windows.items() if windows is not None else ():
        calendar, rolling = window.get("calendar"), window.get("isRolling")
        length, count, unit = window.get("duration"), window.get("count"), window.get("unit")
        if calendar is not None or (rolling is not None and not rolling.true):
            if calendar is not None:
                calendar.take()
            why = "a run judges a release and knows no calendar: the error budget of the window is not carried over"
            draft.note(length or window, why, "the objective itself is", what="`timeWindow`")
            return None
        if length is not None:
            return _shorthand(length.text)
        if count is not None and count.number is not None and unit is not None:
            each = _UNITS.get(unit.text.lower().rstrip("s"))
            return None if each is None else float(count.number) * each
    return None


# --------------------------------------------------------------------------- Sloth


def _sloth(draft: Draft, document: Cell) -> None:
    """`version: prometheus/v1`, and the same as a Kubernetes resource."""
    spec = document.get("spec") or document
    spec.get("service")
    labels = spec.get("labels")
    if labels is not None:
        labels.take()
    plugins = spec.first("sloPlugins", "slo_plugins")
    if plugins is not None:
        plugins.take()
        draft.note(plugins, "plugins of Sloth are not carried over")
    slos = spec.get("slos")
    for each in slos.items() if slos is not None else ():
        for key in ("description", "labels", "plugins"):
            found = each.get(key)
            if found is not None:
                found.take()
        alerting = each.get("alerting")
        if alerting is not None:
            alerting.take()
            draft.note(alerting, "gitslo alerts nobody: its burn rates are those of the workbook, as Sloth's are")
        objective = each.get("objective")
        share = objective.number if objective is not None else None
        if share is None or not 0 <= share <= 100:  # noqa: PLR2004 - per cent
            draft.leave_out(each, "expected an `objective` in per cent, e.g. `99.9`")
            continue
        goal = Goal(each.text_of("name"), each, share / 100, "occurrences", 60.0, None, 30 * _DAY)
        _sloth_sli(draft, goal, each)


def _sloth_sli(draft: Draft, goal: Goal, slo: Cell) -> None:
    sli = slo.get("sli")
    events, raw = (sli.get("events"), sli.get("raw")) if sli is not None else (None, None)
    bad = events.first("error_query", "errorQuery") if events is not None else None
    total = events.first("total_query", "totalQuery") if events is not None else None
    ratio = raw.first("error_ratio_query", "errorRatioQuery") if raw is not None else None
    source = draft.source("prometheus", slo)
    if bad is not None and total is not None:
        some, whole = (Measure("prometheus", source, windows(each.text), each) for each in (bad, total))
        add_counters(draft, goal, some, whole, is_good=False, is_counter=True)
    elif ratio is not None:
        measure = Measure("prometheus", source, windows(ratio.text), ratio)
        add_raw(draft, goal, measure, success=False)
    else:
        plugin = sli.get("plugin") if sli is not None else None
        at = plugin or sli or slo
        at.take()
        draft.leave_out(at, "a plugin of Sloth makes the query, and only Sloth can ask it", "write the query out")


def windows(text: str) -> str:
    """Sloth's placeholder for a window becomes the plan's."""
    return re.sub(r"\{\{-?\s*\.window\s*-?\}\}", "${window}s", text.replace("${", "$${"))
