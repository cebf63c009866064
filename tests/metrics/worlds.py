"""The worlds of the metric sources' contract: each a source, a question, the truth, and a server that can lie."""

from __future__ import annotations

import contextlib
import json
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from gitslo.config import parse_sources_file
from gitslo.errors import Refused, Retry
from gitslo.model import (
    Across,
    Allowed,
    MetricForm,
    MetricRequest,
    MetricSection,
    PodQuery,
    PodResource,
    Seconds,
)
from gitslo.ports import MetricAnswer, MetricQuestion, MetricSource, WindowCounts
from gitslo.testing.fake_metrics import FakeMetricSource
from gitslo.testing.metrics_contract import OBLIGATIONS, Lie, Outcome
from gitslo.wiring_run import metric_sources
from tests.metrics.lying_server import Answer, Asked, lying_server
from tests.metrics.prometheus_server import History, fetch, history, prometheus
from tests.required import required

__all__ = ["CANARY", "START", "WINDOWS", "WORLDS", "HttpWorld", "Servers", "source_of"]

CANARY = "canary-4f1c9e"
START = float(round(time.time()) // 60 * 60 - 7200)
"""Two hours ago: where histories begin."""
WINDOWS = tuple((START + 60.0 * n, START + 60.0 * (n + 1)) for n in range(1, 5))


def source_of(text: str) -> MetricSource:
    """The source of a file that has one, all that it names allowed."""
    sources, certificates = parse_sources_file(text.encode(), file="sources.yaml")
    [name] = sources
    return metric_sources(sources, Allowed(sources=(name,)), certificates)[name]


class Servers:
    """The real servers that several worlds look at; each is started once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stack = contextlib.ExitStack()
        self._running: dict[str, str] = {}

    def prometheus(self, component: str, series: History) -> str:
        """The URL of one over a history."""
        if component not in self._running:
            required(component)
            folder = self._folder / component
            folder.mkdir()
            data = history(folder, {"shop": "unknown"}, series)
            self._running[component] = self._stack.enter_context(prometheus(component, folder / "server", data=data))
        return self._running[component]

    def close(self) -> None:
        self._stack.close()


def changed(body: bytes, change: Callable[[dict], None]) -> bytes:
    document = json.loads(body)
    change(document)
    return json.dumps(document).encode()


class FakeWorld:
    """The fake: each lie is what an adapter has to make of it."""

    timeout = 1.0
    secret = ""
    question = MetricQuestion(MetricSection("m", "fake", MetricForm.GAUGE, {"value": "up"}), WINDOWS)
    truth = MetricAnswer(tuple(start - START for start, _ in WINDOWS))

    def __init__(self, folder: Path, servers: Servers) -> None:
        self._metrics = {"m": lambda window: window[0] - START}
        self._fake = FakeMetricSource(self._metrics, every=Seconds(15.0))

    def source(self) -> MetricSource:
        return self._fake

    def foreign(self) -> MetricQuestion:
        return MetricQuestion(MetricSection("m", "fake", MetricForm.GAUGE, {"value": "SELECT 1"}, sql=True), WINDOWS)

    def tell(self, lie: Lie) -> bool:
        [outcome, *_] = sorted(OBLIGATIONS[lie])
        match outcome:
            case Outcome.REFUSED:
                self._fake.fault = Refused("the query is wrong")
            case Outcome.RETRY:
                self._fake.fault = Retry("it could not be asked")
            case Outcome.PARTIAL:
                self._fake.partial = "some may be missing"
            case Outcome.UNKNOWN:
                self._fake = FakeMetricSource({"m": lambda _: None}, every=Seconds(15.0))
        return True

    def elsewhere(self) -> int:
        return 0

    def close(self) -> None:
        """Nothing is open."""


class HttpWorld(ABC):
    """What the worlds with a server have in common.

    Attributes:
        twists: lies of this kind of server, by what they make of a true body.
    """

    timeout = 1.0
    secret = CANARY
    question: MetricQuestion
    truth: MetricAnswer
    text = ""
    """The source, with `URL`."""
    common = "timeout: 1s, cap: 256KiB, scrape_interval: 15s"

    def __init__(self, folder: Path, servers: Servers) -> None:
        self._stack = contextlib.ExitStack()
        self.server = self._stack.enter_context(lying_server(self.honest))
        self.secret_file = folder / "token"
        self.secret_file.write_text(CANARY, encoding="utf-8")

    @abstractmethod
    def honest(self, asked: Asked) -> Answer:
        """What a server that tells the truth answers."""

    @abstractmethod
    def twist(self, lie: Lie) -> Callable[[bytes], bytes] | None:
        """The lie; None where this kind of server has none of the sort."""

    def source(self) -> MetricSource:
        text = self.text.replace("URL", self.server.url).replace("TOKEN", str(self.secret_file))
        return source_of(f"sources: {{it: {{{text}, {self.common}}}}}")

    def foreign(self) -> MetricQuestion:
        return MetricQuestion(MetricSection("m", "it", MetricForm.GAUGE, {"value": "SELECT 1"}, sql=True), WINDOWS)

    def tell(self, lie: Lie) -> bool:
        if lie is Lie.GONE:
            self._stack.close()
            return True
        if lie in {Lie.EMPTY, Lie.NO_NUMBER, Lie.STALE, Lie.PARTIAL}:
            self.server.twist = self.twist(lie)
            return self.server.twist is not None
        self.server.lie = lie
        return True

    def elsewhere(self) -> int:
        return self.server.elsewhere

    def close(self) -> None:
        self._stack.close()


class PrometheusWorld(HttpWorld):
    """A real Prometheus over a history, behind a proxy that can lie: a ratio of counters."""

    text = "prometheus: 'URL', auth: {bearer: {file: TOKEN}}, tenant: shop"
    component = "prometheus"
    question = MetricQuestion(
        MetricSection("m", "it", MetricForm.RATIO, {"bad": 'shop_total{code="500"}', "total": "shop_total"}), WINDOWS
    )
    truth = MetricAnswer(tuple(WindowCounts(164, (4,), (4,)) for _ in WINDOWS))
    series: Mapping[str, list[tuple[float, float]]] = {
        'shop_total{job="shop",instance="a",code="200"}': [(START + 15 * n, 30.0 * n) for n in range(60)],
        'shop_total{job="shop",instance="a",code="500"}': [(START + 15 * n, 1.0 * n) for n in range(60)],
        'shop_total{job="shop",instance="b",code="200"}': [(START + 7 + 15 * n, 10.0 * n) for n in range(60)],
        'shop_load{job="shop",instance="a"}': [(START + 15 * n, n / 4) for n in range(60)],
        **{
            f'shop_seconds_bucket{{job="shop",instance="a",le="{edge}"}}': [
                (START + 15 * n, part * n) for n in range(60)
            ]
            for edge, part in (("0.1", 50.0), ("0.25", 90.0), ("0.5", 98.0), ("+Inf", 100.0))
        },
    }

    def __init__(self, folder: Path, servers: Servers) -> None:
        super().__init__(folder, servers)
        self._real = servers.prometheus(self.component, self.series)

    def honest(self, asked: Asked) -> Answer:
        return Answer(*fetch(self._real, asked.method, asked.path, asked.body, asked.headers.get("content-type", "")))

    def twist(self, lie: Lie) -> Callable[[bytes], bytes] | None:
        def change(document: dict) -> None:
            data = document["data"]
            match lie:
                case Lie.EMPTY:
                    data["result"] = []
                case Lie.PARTIAL:
                    document["warnings"] = ["a store did not answer"]
                case Lie.NO_NUMBER:
                    for series in data["result"]:
                        series["values"] = [[at, "NaN"] for at, _ in series["values"]]
                case Lie.STALE:
                    for series in data["result"]:
                        series["values"] = [[at - 3000, value] for at, value in series["values"]]

        return lambda body: changed(body, change)


class Prometheus3World(PrometheusWorld):
    """The same with 3.x, and a classic histogram."""

    component = "prometheus-3"
    question = MetricQuestion(
        MetricSection("m", "it", MetricForm.HISTOGRAM, {"buckets": "shop_seconds_bucket"}), WINDOWS, (0.2, 0.25)
    )
    truth = MetricAnswer(tuple(WindowCounts(400, (200, 40), (40, 40)) for _ in WINDOWS))


class PrometheusGaugeWorld(PrometheusWorld):
    """A gauge, by its selector."""

    question = MetricQuestion(MetricSection("m", "it", MetricForm.GAUGE, {"value": "shop_load"}), WINDOWS)
    truth = MetricAnswer(tuple((end - START) / 60 for _, end in WINDOWS))


class RestWorld(HttpWorld):
    """A service's own statistics in JSON."""

    text = "rest: 'URL/v1', auth: {basic: {username: me, password: {file: TOKEN}}}"
    question = MetricQuestion(
        MetricSection(
            "m",
            "it",
            MetricForm.RATIO,
            {"bad": "errors[?code >= `500`] | sum([].n)", "total": "requests"},
            request=MetricRequest(
                "POST", "/stats?env=${environment}", (("X-A", "b"),), '{"from": ${start}, "to": ${end}}'
            ),
        ),
        WINDOWS,
        variables={"environment": "checkout/dev"},
    )
    truth = MetricAnswer(tuple(WindowCounts(100 + n, (n,), (n,)) for n in range(1, 5)))

    def honest(self, asked: Asked) -> Answer:
        if not asked.path.startswith("/v1/stats?env=checkout/dev") or asked.headers.get("x-a") != "b":
            return Answer(400, b'{"message": "what?"}')
        window = json.loads(asked.body)
        assert window["to"] - window["from"] == 60
        number = round((window["from"] - START) / 60)
        errors = [{"code": 404, "n": 5}, {"code": 500, "n": number}]
        return Answer(200, json.dumps({"requests": 100 + number, "errors": errors}).encode())

    def twist(self, lie: Lie) -> Callable[[bytes], bytes] | None:
        match lie:
            case Lie.EMPTY:
                return lambda _: b"{}"
            case Lie.NO_NUMBER:
                return lambda _: b'{"requests": NaN, "errors": null}'
        return None  # its answers have no times, and nothing beside the values


class PresetWorld(HttpWorld):
    """Loki's API, played: its preset."""

    text = "preset: loki, url: 'URL', auth: {bearer: {file: TOKEN}}, tenant: shop"
    question = MetricQuestion(
        MetricSection(
            "m",
            "it",
            MetricForm.RATIO,
            {
                "bad": 'sum(count_over_time({app="a"} |= "error" [${window}s]))',
                "total": 'sum(count_over_time({app="a"}[${window}s]))',
            },
        ),
        WINDOWS,
    )
    truth = MetricAnswer(tuple(WindowCounts(100 + n, (n,), (n,)) for n in range(1, 5)))

    def honest(self, asked: Asked) -> Answer:
        given = {name: value for name, [value] in parse_qs(urlsplit(asked.path).query).items()}
        assert ("[60s]" in given["query"], "shop") == (True, asked.headers["x-scope-orgid"])
        number = round((int(given["time"]) / 1e9 - 60 - START) / 60)
        count = number if "error" in given["query"] else 100 + number
        result = [{"metric": {}, "value": [int(given["time"]) / 1e9, str(count)]}]
        said = {"status": "success", "data": {"resultType": "vector", "result": result, "stats": {}}}
        return Answer(200, json.dumps(said).encode())

    def twist(self, lie: Lie) -> Callable[[bytes], bytes] | None:
        def change(document: dict) -> None:
            match lie:
                case Lie.EMPTY:
                    document["data"]["result"] = []
                case Lie.NO_NUMBER:
                    document["data"]["result"][0]["value"][1] = "NaN"
                case Lie.PARTIAL:
                    document["warnings"] = ["an ingester did not answer"]

        return None if lie is Lie.STALE else lambda body: changed(body, change)


class KubernetesWorld(HttpWorld):
    """The API server's answers about three pods, played; it has one measurement, made after the last window."""

    text = "kubernetes: {server: 'URL', token: {file: TOKEN}}"
    question = MetricQuestion(
        MetricSection(
            "m",
            "it",
            MetricForm.GAUGE,
            {},
            pods=PodQuery("app=checkout,stage=${stage}", "shop", PodResource.CPU, "limit", Across.MAX),
        ),
        WINDOWS,
        variables={"stage": "dev"},
    )
    truth = MetricAnswer((None, None, None, 0.5), ("the Metrics Server keeps no earlier measurements",))

    def honest(self, asked: Asked) -> Answer:
        url = urlsplit(asked.path)
        given = parse_qs(url.query)["labelSelector"]
        assert (["app=checkout,stage=dev"], f"Bearer {CANARY}") == (given, asked.headers["authorization"])
        names = ("checkout-a", "checkout-b")
        if url.path == "/api/v1/namespaces/shop/pods":
            limits = {"resources": {"limits": {"cpu": "400m", "memory": "128Mi"}}}
            spec = {"containers": [{"name": "app", **limits}], "initContainers": [{"name": "migrate"}]}
            pods = [{"metadata": {"name": name}, "spec": spec, "status": {"phase": "Running"}} for name in names]
            done = {"metadata": {"name": "checkout-old"}, "spec": spec, "status": {"phase": "Succeeded"}}
            return Answer(200, json.dumps({"kind": "PodList", "items": [*pods, done]}).encode())
        assert url.path == "/apis/metrics.k8s.io/v1beta1/namespaces/shop/pods"
        stamp = datetime.fromtimestamp(WINDOWS[-1][1] + 3, UTC).isoformat().replace("+00:00", "Z")
        used = {
            name: [{"name": "app", "usage": {"cpu": cpu, "memory": "10Mi"}}]
            for name, cpu in zip(names, ("200m", "100000000n"), strict=True)
        }
        items = [
            {"metadata": {"name": name}, "timestamp": stamp, "window": "15s", "containers": containers}
            for name, containers in used.items()
        ]
        return Answer(200, json.dumps({"kind": "PodMetricsList", "items": items}).encode())

    def twist(self, lie: Lie) -> Callable[[bytes], bytes] | None:
        def change(document: dict) -> None:
            measured = [each for each in document["items"] if "timestamp" in each]
            match lie:
                case Lie.EMPTY:
                    document["items"] = []
                case Lie.NO_NUMBER:
                    for each in measured:
                        each["containers"][0]["usage"]["cpu"] = "NaN"
                case Lie.STALE:
                    for each in measured:
                        each["timestamp"] = "2020-01-01T00:00:00Z"

        return None if lie is Lie.PARTIAL else lambda body: changed(body, change)


WORLDS = {
    "fake": FakeWorld,
    "prometheus-2-ratio": PrometheusWorld,
    "prometheus-2-gauge": PrometheusGaugeWorld,
    "prometheus-3-histogram": Prometheus3World,
    "rest": RestWorld,
    "preset": PresetWorld,
    "kubernetes": KubernetesWorld,
}
