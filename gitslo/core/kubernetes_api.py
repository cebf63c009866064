"""What Kubernetes' API says of pods and of what they use, as data. Pure.

Called by `gitslo.adapters.kubernetes_source`. After the API reference of core/v1 Pod and of metrics.k8s.io/v1beta1
PodMetrics. Must stay true: a pod that runs and of which nothing, or only something, is measured makes the whole of them
not known, and so does one that has no limit where its share of one is asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation

from gitslo.core.escape import plain
from gitslo.model import Across, PodQuery

__all__ = ["Use", "parse_quantity", "use_of"]

_QUANTITY = re.compile(
    r"([+-]?(?:[0-9]{1,30}(?:\.[0-9]{0,30})?|\.[0-9]{1,30}))([numkMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]{1,3})?"
)
_SUFFIXES = {
    "": Decimal(1),
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    **{letter: Decimal(1000) ** power for power, letter in enumerate("kMGTPE", 1)},
    **{f"{letter}i": Decimal(1024) ** power for power, letter in enumerate("KMGTPE", 1)},
}


@dataclass(frozen=True, slots=True)
class Use:
    """What the pods of a query use.

    Attributes:
        value: cores or bytes, or a share; None: not known, as `why` says.
        since, until: when it was measured: of the pod that was measured first, and of the one that was last, in
            seconds since the Unix epoch.
    """

    value: float | None = None
    since: float = 0.0
    until: float = 0.0
    why: str = ""


def parse_quantity(text: object) -> float | None:
    """`250m`, `12345678n`, `128Mi`, `1e3`, 2 -> a number; None where it is none."""
    if isinstance(text, int | float) and not isinstance(text, bool):
        return float(text)
    match = _QUANTITY.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        return None
    suffix = match[2] or ""
    try:
        factor = _SUFFIXES[suffix] if suffix in _SUFFIXES else Decimal(f"1{suffix}")
        return float(Decimal(match[1]) * factor)
    except (InvalidOperation, OverflowError):
        return None


def use_of(query: PodQuery, pods: object, metrics: object) -> Use | None:
    """What the running pods use.

    Args:
        query: of which resource, and how several become one.
        pods: a PodList.
        metrics: a PodMetricsList, of the same selector.

    Returns:
        None where either is something else.
    """
    listed, measured = _items(pods), _items(metrics)
    if listed is None or measured is None:
        return None
    by_name = {_name(each): each for each in measured}
    running = [each for each in listed if _runs(each)]
    if not running:
        return Use(why="no pod of the selector runs")
    parts: list[tuple[float, float | None]] = []
    times: list[float] = []
    for pod in running:
        name = _name(pod)
        metric = by_name.get(name)
        at = None if metric is None else _time(metric.get("timestamp"))
        used = None if metric is None else _used(pod, metric, query)
        if at is None or used is None:
            return Use(why=f"the Metrics Server does not know what the pod {name} uses")
        whole = _whole(pod, query) if query.of else None
        if query.of and not whole:
            return Use(why=f"the pod {name} has no {query.of} of {query.resource} for all of its containers")
        parts.append((used, whole))
        times.append(at)
    return Use(_together(query, parts), min(times), max(times))


def _together(query: PodQuery, parts: list[tuple[float, float | None]]) -> float:
    if query.across is Across.SUM:
        used = sum(each for each, _ in parts)
        value = used / sum(whole or 0.0 for _, whole in parts) if query.of else used
    else:
        each_one = [used / whole if whole else used for used, whole in parts]
        value = max(each_one) if query.across is Across.MAX else sum(each_one) / len(each_one)
    # More than a limit cannot be used; what is measured goes a little beyond it all the same.
    return min(value, 1.0) if query.of == "limit" else value


def _used(pod: Mapping[str, object], metric: Mapping[str, object], query: PodQuery) -> float | None:
    containers = metric.get("containers")
    found = {}
    for each in containers if isinstance(containers, list) else ():
        usage = each.get("usage") if isinstance(each, dict) else None
        found[_label(each)] = parse_quantity(usage.get(str(query.resource))) if isinstance(usage, dict) else None
    expected = {_label(each) for each in _containers(pod, sidecars=False)}
    values = list(found.values())
    if not values or any(value is None or value < 0.0 for value in values) or not expected <= set(found):
        return None
    return sum(value or 0.0 for value in values)


def _whole(pod: Mapping[str, object], query: PodQuery) -> float | None:
    """The limit or the request of the whole pod; None where a part of it has none."""
    spec = pod.get("spec")
    of_pod = _resource(spec, query) if isinstance(spec, dict) else None
    if of_pod is not None:
        return of_pod
    found = [_resource(each, query) for each in _containers(pod, sidecars=True)]
    return None if None in found or not found else sum(each or 0.0 for each in found)


def _resource(holder: Mapping[str, object], query: PodQuery) -> float | None:
    resources = holder.get("resources")
    amounts = resources.get(f"{query.of}s") if isinstance(resources, dict) else None
    return parse_quantity(amounts.get(str(query.resource))) if isinstance(amounts, dict) else None


def _containers(pod: Mapping[str, object], *, sidecars: bool) -> Iterator[dict[str, object]]:
    """Those that run as long as the pod does; a sidecar is an init container that is always started again."""
    spec = pod.get("spec")
    for key in ("containers", "initContainers") if sidecars else ("containers",):
        listed = spec.get(key) if isinstance(spec, dict) else None
        for each in listed if isinstance(listed, list) else ():
            if isinstance(each, dict) and (key == "containers" or each.get("restartPolicy") == "Always"):
                yield each


def _runs(pod: Mapping[str, object]) -> bool:
    status, metadata = pod.get("status"), pod.get("metadata")
    phase = status.get("phase") if isinstance(status, dict) else None
    return phase == "Running" and isinstance(metadata, dict) and metadata.get("deletionTimestamp") is None


def _items(document: object) -> list[dict[str, object]] | None:
    items = document.get("items") if isinstance(document, dict) else None
    if not isinstance(items, list) or not all(isinstance(each, dict) for each in items):
        return None
    return items


def _name(item: Mapping[str, object]) -> str:
    metadata = item.get("metadata")
    return _label(metadata)


def _label(item: object) -> str:
    return plain(str(item.get("name", ""))) if isinstance(item, dict) else ""


def _time(text: object) -> float | None:
    try:
        return datetime.fromisoformat(text).timestamp() if isinstance(text, str) else None
    except (ValueError, OverflowError):
        return None
