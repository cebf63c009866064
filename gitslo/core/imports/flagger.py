"""Flagger: Canary and MetricTemplate -> a plan.

Source: pkg/apis/flagger/v1beta1 and pkg/controller/scheduler_metrics.go of fluxcd/flagger. A check there fails when a
value of the last interval is outside its range, and the canary is rolled back after `threshold` failed checks; here the
events behind the values are judged. `min: 99` of `request-success-rate` allows 1 % of 5xx; `max: 500` of
`request-duration` is p99 < 500 ms.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from gitslo.core.imports.draft import Draft, plan_name
from gitslo.core.imports.flagger_builtin import built_in
from gitslo.core.imports.flagger_loads import add_webhook
from gitslo.core.imports.flagger_metrics import Canary, add_metric
from gitslo.core.imports.iter8_tasks import go_seconds
from gitslo.core.imports.loads import Load, judge_length, lint_size
from gitslo.core.imports.measures import duration
from gitslo.core.imports.reading import Cell

__all__ = ["import_flagger", "is_flagger"]

_KINDS = frozenset({"Canary", "MetricTemplate", "AlertProvider"})
_MINUTE = 60.0
_SHIFTING = (
    "stepWeight", "maxWeight", "iterations", "stepWeights", "stepWeightPromotion", "mirror", "mirrorWeight", "match",
)  # fmt: skip
_READY = ("primaryReadyThreshold", "canaryReadyThreshold", "sessionAffinity")


def is_flagger(document: Cell) -> bool:
    """Whether a document is one of Flagger's."""
    return document.text_of("apiVersion").startswith("flagger.app/") and document.text_of("kind") in _KINDS


def import_flagger(draft: Draft) -> None:
    """Read every document."""
    documents = draft.files.documents
    templates: dict[tuple[str, str], Cell] = {}
    canaries: list[Cell] = []
    for document in documents:
        document.get("apiVersion")
        kind, name = document.text_of("kind"), document.text_of("metadata", "name")
        if kind == "MetricTemplate":
            templates[document.text_of("metadata", "namespace"), name] = document
            _labels(document)
        elif kind == "AlertProvider":
            document.take()
            draft.note(document, "notifications are the operator's", what=f"AlertProvider `{name}`")
        else:
            canaries.append(document)
            _labels(document)
    if len(canaries) > 1:
        why = "a plan is of one service, and this is a second Canary"
        draft.refuse(canaries[1], why, "import each by itself, with the templates that it names", what="Canary")
        return
    for document in canaries:
        _import_canary(draft, document, templates)


def _labels(document: Cell) -> None:
    for key in ("metadata", "status"):
        found = document.get(key)
        if found is not None:
            found.take()


def _import_canary(draft: Draft, document: Cell, templates: dict[tuple[str, str], Cell]) -> None:
    spec = document.get("spec")
    if spec is None:
        draft.refuse(document, "it has no `spec`", what="Canary")
        return
    canary = _read_canary(draft, document, spec)
    analysis = spec.first("analysis", "canaryAnalysis")
    if analysis is None:
        draft.refuse(spec, "it has no `analysis`", what="`spec`")
        return
    length = _steps(draft, analysis)
    metrics = analysis.get("metrics")
    listed = list(metrics.items()) if metrics is not None else []
    for metric in listed:
        add_metric(draft, canary, metric, templates)
    loads: list[Load] = []
    webhooks = analysis.get("webhooks")
    for hook in webhooks.items() if webhooks is not None else ():
        loads.extend(add_webhook(draft, _load_name(canary.name, loads), hook, length))
    judge_length(draft, (each.judged for each in loads))
    if loads:
        _enough(draft, listed, loads)
    alerts = analysis.get("alerts")
    if alerts is not None:
        alerts.take()
        draft.note(alerts, "notifications are the operator's")


def _read_canary(draft: Draft, document: Cell, spec: Cell) -> Canary:
    name, namespace = document.text_of("metadata", "name"), document.text_of("metadata", "namespace")
    target, kind = spec.text_of("targetRef", "name"), spec.text_of("targetRef", "kind")
    for key in ("targetRef", "ingressRef", "routeRef"):
        found = spec.get(key)
        if found is not None:
            found.take()
    ingress, route = spec.text_of("ingressRef", "name"), spec.text_of("routeRef", "name")
    service = spec.get("service")
    served = (service.text_of("name") if service is not None else "") or target
    if service is not None:
        service.take()
        draft.note(service, "gitslo makes no Services and routes no traffic", "keep them in the manifests")
    for key, why in (
        ("autoscalerRef", "gitslo scales nothing"),
        ("upstreamRef", "gitslo routes no traffic"),
        (
            "progressDeadlineSeconds",
            "a rollout that does not complete is a fail: `sync` of the pipeline says within what",
        ),
        ("suspend", "`gitslo hold` stops an environment"),
        ("revertOnDeletion", "gitslo changes nothing but Git"),
    ):
        found = spec.get(key)
        if found is not None and (found.true or key not in {"suspend", "revertOnDeletion"}):
            found.take()
            draft.note(found, why)
    skip = spec.get("skipAnalysis")
    if skip is not None and skip.true:
        draft.note(skip, "Flagger promotes without a look; the plan judges")
    provider, server = spec.get("provider"), spec.get("metricsServer")
    words = {
        "name": name,
        "namespace": namespace,
        "target": target,
        "service": served,
        "ingress": ingress or target,
        "route": route or target,
    }
    if not namespace:
        words["namespace"] = draft.value("namespace") or "default"
        why = f"it has no namespace, and the queries name one: `{words['namespace']}` is taken"
        draft.note(document, why, "say it with --set namespace=NAME", what="`metadata`")
    said = provider.text if provider is not None else draft.value("provider") or "istio"
    if provider is None:
        why = f"it has no `provider`, so the one that Flagger runs with counts: `{said}` is taken"
        draft.note(document, why, "say another with --set provider=NAME", what="`spec`")
    if kind == "Service":
        said = f"{said}:service"
    url = server.text if server is not None and server.text.startswith(("http://", "https://")) else ""
    return Canary(name, namespace, words, built_in(said), said, url)


def _steps(draft: Draft, analysis: Cell) -> Decimal:
    """Seconds that the analysis takes at least; what has no counterpart in it is told."""
    interval, threshold = analysis.get("interval"), analysis.get("threshold")
    every = go_seconds(interval.text) if interval is not None else None
    length = every * _checks(analysis) if every else Decimal(0)
    if length:
        draft.judge("max_duration", duration(max(float(length), _MINUTE)))
    if interval is not None:
        whole = f"all steps together last {duration(float(length))}, and that long a run may take; " if length else ""
        draft.note(interval, f"{whole}it ends earlier when the evidence is enough")
    if threshold is not None:
        draft.note(threshold, "failed checks are not counted: the events of all of them are judged together")
    _tell(draft, analysis, _SHIFTING, "gitslo shifts no traffic between versions: what is deployed gets all of it")
    _tell(draft, analysis, _READY, "readiness is the rollout's, and traffic is not shifted")
    return length


def _checks(analysis: Cell) -> Decimal:
    """How many checks a canary passes before it is promoted."""
    step, top, several = analysis.get("stepWeight"), analysis.get("maxWeight"), analysis.get("stepWeights")
    iterations = analysis.get("iterations")
    if iterations is not None and iterations.number:
        return iterations.number
    if several is not None:
        return Decimal(len(list(several.items())))
    if step is not None and step.number:
        return ((top.number if top is not None else None) or Decimal(100)) / step.number
    return Decimal(0)


def _tell(draft: Draft, cell: Cell, keys: Iterable[str], why: str) -> None:
    for key in keys:
        found = cell.get(key)
        if found is not None:
            found.take()
            draft.note(found, why)


def _enough(draft: Draft, metrics: list[Cell], loads: list[Load]) -> None:
    """Say where the load tests send too little for the limits on the built-in metrics."""
    sent, rate = sum(each.sent for each in loads), sum((each.rate for each in loads), Decimal(0))
    for metric in metrics:
        name, low = metric.text_of("name"), metric.get("thresholdRange", "min")
        if name == "request-success-rate" and low is not None and low.number is not None:
            lint_size(draft, low, sent, rate, 1 - low.number / 100)
        elif name == "request-duration":
            lint_size(draft, metric, sent, rate, Decimal("0.01"))


def _load_name(canary: str, loads: list[Load]) -> str:
    """The name of the next load: the canary's, and from the second on with a number."""
    name = plan_name(canary, "web")
    return f"{name}-{len(loads) + 1}" if loads else name
