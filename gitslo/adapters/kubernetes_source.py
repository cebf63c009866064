"""Kubernetes' Metrics Server as a metric source: what the pods of a selector use now.

Called through `ports.MetricSource`. `metrics.k8s.io` has no history: it knows the newest measurement, so one question
has a value for at most one of its windows, the one at whose end that was measured. What must stay true: a value belongs
to the window that it was measured at, and to no other: where nothing new is measured, nothing is known. A pod that
nothing is known of makes all of them not known.
"""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

from gitslo.core.addresses import parse_http_url
from gitslo.core.answers import json_of
from gitslo.core.escape import plain, short
from gitslo.core.gitnames import in_clear
from gitslo.core.kubeconfig import Kubeconfig, parse_kubeconfig
from gitslo.core.kubernetes_api import Use, use_of
from gitslo.core.query_text import render, times
from gitslo.errors import Problem, Refused, Retry
from gitslo.model import PodQuery, Seconds, Target, TargetScheme, TlsSettings
from gitslo.ports import ConfiguredServer, Exchange, MetricAnswer, MetricQuestion, Span, TlsMaterial
from gitslo.secret import SecretRef
from gitslo.source_config import KubernetesConfig, OpenServer, Server, SourceConfig

__all__ = ["KubernetesSource", "make"]

_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_LARGEST = 1024 * 1024
_MOST_QUERIES = 1000
_LEAST_SKEW = 2.0
_SHOWN = 300
_METRICS = "/apis/metrics.k8s.io/v1beta1"
_LATE = 1.5
"""So many intervals after a window's end a measurement may have been made and still be the one at its end."""


def make(config: SourceConfig, open_server: OpenServer) -> KubernetesSource:
    """A `MakeSource`: the entry point `kubernetes` of `gitslo.sources`.

    Raises:
        Refused: there is no such kubeconfig, or gitslo runs in no cluster.
    """
    form = config.form
    assert isinstance(form, KubernetesConfig)  # noqa: S101 - the kind says so
    if form.server is not None:
        return KubernetesSource(open_server(form.server), every=config.every)
    if form.kubeconfig is None:
        return KubernetesSource(_inside(config.name, open_server), every=config.every)
    return KubernetesSource(_outside(config.name, form.kubeconfig, form.context, open_server), every=config.every)


def _inside(name: str, open_server: OpenServer) -> ConfiguredServer:
    """By the service account of this pod; token and authority are read again each time."""
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST", ""), os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    if not host or not port.isdecimal():
        what = f"the source `{name}` is the cluster that gitslo runs in, and it runs in none"
        raise Refused(Problem(what, hint="give `kubeconfig`, or `server` and `token`"))
    target = Target(name, TargetScheme.HTTP, host, int(port), tls=True)
    server = Server(target, SecretRef(file=str(_ACCOUNT / "token")))
    return open_server(server, material=lambda: TlsMaterial(ca=_content(_ACCOUNT / "ca.crt")))


def _outside(name: str, path: Path, context: str, open_server: OpenServer) -> ConfiguredServer:
    """By a kubeconfig, which is read again each time, too: tools renew what is in it."""

    def read() -> Kubeconfig:
        beside = path.parent
        return parse_kubeconfig(_content(path), context, lambda each: _content(beside / each), file=str(path))

    known = read()
    url = parse_http_url(known.server)
    if known.authorization and in_clear(known.server):
        raise Refused(Problem("the token would go over plain http:// to another machine", file=str(path)))
    settings = TlsSettings(server_name=known.server_name, insecure=known.insecure)
    target = Target(name, TargetScheme.HTTP, url.host, url.port, tls=url.tls, path=url.path, settings=settings)

    def headers() -> tuple[tuple[str, str], ...]:
        value = read().authorization
        return (("Authorization", value),) if value else ()

    def material() -> TlsMaterial:
        found = read()
        return TlsMaterial(ca=found.ca, certificate=found.certificate, key=found.key)

    return open_server(Server(target), headers=headers, material=material)


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except OSError as error:
        raise Refused(Problem(f"cannot be read: {error.strerror}", file=str(path))) from None
    if len(data) > _LARGEST:
        raise Refused(Problem("is larger than 1 MiB", file=str(path)))
    return data


class KubernetesSource:
    """A `ports.MetricSource`."""

    def __init__(self, server: ConfiguredServer, *, every: Seconds) -> None:
        """Bind the API server, and how often the Metrics Server measures."""
        self._server = server
        self._every = every
        self._given: dict[PodQuery, tuple[float, Span]] = {}
        self._lock = threading.Lock()

    @property
    def every(self) -> Seconds:
        """How often the Metrics Server measures."""
        return self._every

    def measure(self, question: MetricQuestion) -> MetricAnswer:
        """Ask once; see `ports.MetricSource`."""
        section = question.section
        if section.pods is None:
            what = f"the metric `{section.name}` has no `pods`, and its source `{self._server.name}` is Kubernetes"
            raise Refused(Problem(what, hint="e.g. `pods: {selector: app=checkout, namespace: shop, resource: cpu}`"))
        values = {**question.variables, **times(question.windows[0][0], question.windows[-1][1])}
        namespace, selector = render(section.pods.namespace, values), render(section.pods.selector, values)
        query = replace(section.pods, namespace=namespace, selector=selector)
        exchange = self._server.begin()
        below = f"namespaces/{quote(namespace, safe='')}/pods?labelSelector={quote(selector, safe='')}"
        pods, skew = self._asked(exchange, f"/api/v1/{below}")
        try:
            metrics, _ = self._asked(exchange, f"{_METRICS}/{below}")
        except Refused as refused:
            hint = "is the Metrics Server there, and may this account list `pods` of `metrics.k8s.io`?"
            raise Refused(*(replace(each, hint=each.hint or hint) for each in refused.problems)) from refused
        unknown = (None,) * len(question.windows)
        if skew is not None and abs(skew) > max(_LEAST_SKEW, self._every / 2.0):
            way = "ahead of" if skew > 0 else "behind"
            return MetricAnswer(
                unknown, (f"the clock of the source `{self._server.name}` is {abs(skew):.0f} s {way} ours",)
            )
        use = use_of(query, pods, metrics)
        if use is None:
            raise Retry(f"the source `{self._server.name}` does not answer as Kubernetes' API does")
        if use.value is None:
            return MetricAnswer(unknown, (short(plain(use.why), _SHOWN),))
        found = self._window(query, question.windows, use)
        notes = ("the Metrics Server keeps no earlier measurements",)
        if found is None:
            return MetricAnswer(unknown, ("nothing was measured at the end of these windows", *notes))
        numbers = tuple(use.value if index == found else None for index in range(len(question.windows)))
        return MetricAnswer(numbers, notes if None in numbers else ())

    def _window(self, query: PodQuery, windows: tuple[Span, ...], use: Use) -> int | None:
        """The window at whose end this was measured; a measurement that another window has had is nobody's."""
        near = [
            (abs(end - use.until), index)
            for index, (start, end) in enumerate(windows)
            if start - self._every < use.since and start < use.until <= end + _LATE * self._every
        ]
        if not near:
            return None
        index = min(near)[1]
        with self._lock:
            before = self._given.get(query)
            if before is not None and before[0] == use.until:
                return windows.index(before[1]) if before[1] in windows else None
            if before is None and len(self._given) >= _MOST_QUERIES:
                self._given.clear()
            self._given[query] = (use.until, windows[index])
        return index

    def _asked(self, exchange: Exchange, path: str) -> tuple[object, float | None]:
        said = exchange.ask("GET", path, headers=(("Accept", "application/json"),))
        return json_of(said.body, self._server.name), said.skew
