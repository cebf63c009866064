"""Iter8: the task list of an experiment, and values of its Helm charts -> a plan with load.

Source: iter8-tools/iter8 v0.13.18, `base/*.go` and `charts/iter8`, for the experiment; v0.8 `hub/load-test-*` for the
older values. There a load is closed, and the last numbers of its end are held against limits; here requests are due at
the rate that the file says, and limits are judged with error control.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from gitslo.core.imports.draft import Draft
from gitslo.core.imports.iter8_custom import read_provider
from gitslo.core.imports.iter8_limits import Limit, add_limits, read_limits, timeouts
from gitslo.core.imports.iter8_tasks import Loads, grpc_task, http_task
from gitslo.core.imports.loads import judge_length
from gitslo.core.imports.reading import Cell

__all__ = ["import_iter8", "is_iter8"]

_TASKS = {
    "gen-load-and-collect-metrics-http": "http",
    "gen-load-and-collect-metrics-grpc": "grpc",
    "assess-app-versions": "assess",
}
"""Names of v0.8 to v0.10 -> those of v0.13."""
_VALUES = frozenset({"url", "SLOs", "numQueries", "host", "call", "tasks", "assess", "http", "grpc"})
_TOLD = {
    "ready": "a run waits for the syncer to report the rollout complete, and for the plan's `readiness`",
    "slack": "notifications are the operator's",
    "github": "notifications are the operator's",
    "notify": "notifications are the operator's",
    "abnmetrics": "A/B/n metrics compare versions that gitslo does not run side by side",
}


def is_iter8(document: Cell) -> bool:
    """Whether a document is an experiment, chart values or a provider of custom metrics."""
    if document.is_list:
        return any(each.get("task") is not None for each in document.items())
    if document.get("apiVersion") is not None or document.get("kind") is not None or not document.is_mapping:
        return False
    spec = document.get("spec")
    if spec is not None and spec.is_list:
        return any(each.get("task") is not None or each.get("run") is not None for each in spec.items())
    if document.get("url") is not None and (document.get("metrics") is not None):
        return True
    keys = {each.name for each in document.entries()}
    return (
        bool(keys & {"SLOs", "numQueries"})
        or ("tasks" in keys and bool(keys & _VALUES - {"tasks"}))
        or (keys >= {"host", "call"})
    )


@dataclass(slots=True)
class _Found:
    """What the files say, until all of it is read."""

    loads: Loads = field(default_factory=Loads)
    limits: list[Limit] = field(default_factory=list)
    custom: list[Cell] = field(default_factory=list)
    providers: list[Cell] = field(default_factory=list)


def import_iter8(draft: Draft) -> None:
    """Read every document."""
    found = _Found()
    for document in draft.files.documents:
        spec = document if document.is_list else document.get("spec")  # v0.8 is nothing but the list
        if spec is not None and spec.is_list:
            _experiment(draft, document, spec, found)
        elif document.get("metrics") is not None and document.get("url") is not None:
            found.providers.append(document)
        else:
            _values(draft, document, found)
    found.loads.write(draft, timeouts(found.limits))
    metrics = dict(each for document in found.providers for each in read_provider(draft, document))
    for cell in found.custom if not found.providers else ():
        why = "where its metrics come from is in the templates that it names, and they are not among the files"
        draft.note(cell, why, "give each template, rendered, as a further file", what="task `custommetrics`")
    add_limits(draft, found.limits, found.loads, metrics)
    judge_length(draft, found.loads.judged)


# --------------------------------------------------------------------------- experiments


def _experiment(draft: Draft, document: Cell, spec: Cell, found: _Found) -> None:
    result = document.get("result")
    if result is not None:
        result.take()
        draft.note(result, "what an experiment has measured is no evidence for this plan", "nothing to do")
    metadata = document.get("metadata")
    if metadata is not None:
        metadata.take()
    for task in spec.items():
        name = task.text_of("task")
        name = _TASKS.get(name, name)
        condition, given = task.get("if"), task.get("with")
        if condition is not None and name in {"http", "grpc", "custommetrics", "assess"}:
            draft.note(condition, "tasks of a plan have no conditions: it is always done")
        if name == "http" and given is not None:
            http_task(draft, found.loads, given)
        elif name == "grpc" and given is not None:
            grpc_task(draft, found.loads, given)
        elif name == "assess" and given is not None:
            found.limits.extend(_limits(draft, given))
        elif name == "custommetrics":
            task.take()
            found.custom.append(task)
        else:
            _other(draft, task, name)


def _other(draft: Draft, task: Cell, name: str) -> None:
    run = task.get("run")
    task.take()
    if run is not None:
        why = "a script: what happens after a verdict is said by `outcomes` of the pipeline, which name commands"
        draft.note(run, f"{why} of the operator's", "only where a pass or a fail has to do something")
        return
    why = _TOLD.get(name, "no part of a plan does what this task does")
    draft.note(task, why, what=f"task `{name}`")


def _limits(draft: Draft, cell: Cell) -> Iterator[Limit]:
    slos = cell.first("SLOs", "slos")
    if slos is None:
        return
    for each in slos.items():  # v0.8 to v0.9
        name = each.get("metric")
        for key in ("upperLimit", "lowerLimit"):
            found = each.get(key)
            if name is not None and found is not None and found.number is not None:
                yield Limit(name.text, found.number, key == "upperLimit", name)
    for side in slos.entries():
        if side.name.lower() in {"upper", "lower"}:
            yield from read_limits(draft, side, upper=side.name.lower() == "upper")
        else:  # v0.8: the metric is the key, and every limit an upper one
            yield from read_limits(draft, slos, upper=True)
            return


# --------------------------------------------------------------------------- values of charts


def _values(draft: Draft, document: Cell, found: _Found) -> None:
    for key in ("iter8Image", "majorMinor", "runner", "logLevel", "resources", "cronjobSchedule", "namespace"):
        given = document.get(key)
        if given is not None:
            given.take()
            draft.note(given, "it says how Iter8 itself runs")
    tasks = document.get("tasks")
    if tasks is None and document.get("http") is None and document.get("grpc") is None:  # v0.8: one load, flat
        flat = any(each.name == "call" for each in document.entries())
        (grpc_task if flat else http_task)(draft, found.loads, document)
        found.limits.extend(_limits(draft, document))
        return
    listed = [each.text for each in tasks.items()] if tasks is not None else ["http", "grpc", "custommetrics", "assess"]
    for name in listed:
        given = document.get(name)
        if given is not None:
            _value(draft, name, given, found)


def _value(draft: Draft, name: str, given: Cell, found: _Found) -> None:
    """The values of one task."""
    match name:
        case "http":
            http_task(draft, found.loads, given)
        case "grpc":
            grpc_task(draft, found.loads, given)
        case "assess":
            found.limits.extend(_limits(draft, given))
        case "custommetrics":
            given.take()
            found.custom.append(given)
        case _:
            given.take()
            draft.note(given, _TOLD.get(name, "no part of a plan does what this task does"))
