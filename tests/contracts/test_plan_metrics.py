from __future__ import annotations

import pytest

from gitslo.core.parse_plan import parse_plan
from gitslo.errors import Refused
from gitslo.model import (
    Across,
    Metric,
    MetricForm,
    MetricRequest,
    MetricSection,
    Objective,
    Plan,
    PodQuery,
    PodResource,
    Quantity,
    Role,
    Test,
)
from tests.contracts.reading import beside

WHOLE = """\
schema: gitslo/v1
metrics:
  errors5xx: {source: prom, ratio: {total: 't{app="${service}"}', bad: b}, every: 30s}
  lost: {source: db, ratio_sql: "select 1 as bad, 2 as total from t where at >= :start and at < :end"}
  cpu: {source: prom, gauge: avg(x), between: [0, 100%]}
  depth: {source: db, gauge_sql: "select count(*)::int from jobs"}
  db: {source: prom, histogram: db_seconds_bucket}
  rate:
    source: api
    ratio: {bad: errors, total: "sum(all[*])"}
    request: {post: /s, headers: {X-A: b}, body: '{"to": ${end_ms}}'}
  wait: {source: api, gauge: "p95", request: {get: "/stats?from=${start}"}, between: [0, 2s]}
  pods:
    source: k
    pods: {selector: "app=x,tier in (a, b),!old", namespace: shop, resource: cpu, of: limit, across: mean}
  memory:
    source: k
    pods: {selector: "app=${service}", namespace: "shop-${stage}", resource: memory}
    between: [0, 1GiB]
objectives:
  - errors5xx < 1%
  - depth.p95 < 100
  - pods < 80%
  - {that: memory < 512MiB, test: threshold, role: report}
  - {burn: errors5xx, budget: 0.1%}
"""


def plan(text: str = WHOLE) -> Plan:
    return parse_plan(text.encode(), file="slo.yaml", read_file=beside)


def test_everything_that_is_said_is_understood() -> None:
    """Each form of a metric stands in the model; a plan needs neither targets nor load for them."""
    ratio, gauge = MetricForm.RATIO, MetricForm.GAUGE
    lost = "select 1 as bad, 2 as total from t where at >= :start and at < :end"
    found = plan()

    assert (
        MetricSection("errors5xx", "prom", ratio, {"bad": "b", "total": 't{app="${service}"}'}, every=30.0),
        MetricSection("lost", "db", ratio, {"rows": lost}, sql=True),
        MetricSection("cpu", "prom", gauge, {"value": "avg(x)"}, between=(0.0, 1.0)),
        MetricSection("depth", "db", gauge, {"rows": "select count(*)::int from jobs"}, sql=True),
        MetricSection("db", "prom", MetricForm.HISTOGRAM, {"buckets": "db_seconds_bucket"}),
        MetricSection(
            "rate",
            "api",
            ratio,
            {"bad": "errors", "total": "sum(all[*])"},
            request=MetricRequest("POST", "/s", (("X-A", "b"),), '{"to": ${end_ms}}'),
        ),
        MetricSection(
            "wait",
            "api",
            gauge,
            {"value": "p95"},
            request=MetricRequest("GET", "/stats?from=${start}"),
            between=(0.0, 2.0),
        ),
        MetricSection(
            "pods",
            "k",
            gauge,
            {},
            pods=PodQuery("app=x,tier in (a, b),!old", "shop", PodResource.CPU, "limit", Across.MEAN),
            between=(0.0, 1.0),
        ),
        MetricSection(
            "memory",
            "k",
            gauge,
            {},
            pods=PodQuery("app=${service}", "shop-${stage}", PodResource.MEMORY),
            between=(0.0, 2.0**30),
        ),
    ) == found.metrics
    assert ({}, (), None) == (found.targets, found.load, found.scoring)


def test_a_burn_rate_has_a_budget_and_a_period() -> None:
    """Thirty days where nothing is said; its text is its own."""
    expected = Objective(
        "errors5xx.burn < 0.1% in 30d",
        "",
        None,
        Metric.BURN,
        0.001,
        None,
        Role.DECIDE,
        "errors5xx",
        Quantity.SHARE,
        period=2_592_000.0,
    )

    assert expected == plan().objectives[-1]


def test_old_plans_keep_their_digest() -> None:
    """What is new has defaults that are not said: a version with metrics throws no verdict of the last one away."""
    text = (
        "{schema: gitslo/v1, targets: {w: {http: 'http://w.svc'}}, objectives: [l.errors < 1%, l.latency.p95 < 1s],"
        " load: {l: {target: w, get: /, stages: [{hold: 5/s, for: 2m}]}}}"
    )

    assert "5c4038d79484ef86ff8e60a72f76280a898585a982ef85a00645c0f40baa416b" == plan(text).digest


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("every: 30s", "every: 31s"),
        ("bad: b", "bad: c"),
        ("[0, 100%]", "[0, 200%]"),
        ("source: prom, gauge", "source: mimir, gauge"),
        ("across: mean", "across: max"),
        ("test: threshold, ", ""),
        ("budget: 0.1%", "budget: 0.2%"),
        ("budget: 0.1%", "budget: 0.1%, period: 28d"),
        ("X-A: b", "X-A: c"),
    ],
)
def test_another_meaning_has_another_digest(old: str, new: str) -> None:
    """Everything that is said of a metric counts."""
    assert old in WHOLE

    assert plan().digest != plan(WHOLE.replace(old, new)).digest


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("every: 30s", "every: 0.5m"),
        ("[0, 100%]", "[0%, 100%]"),
        ("[0, 1GiB]", "[0B, 1024MiB]"),
        ("budget: 0.1%}", "period: 30d, budget: 0.1%}"),
    ],
)
def test_the_digest_is_over_what_is_meant(old: str, new: str) -> None:
    """Other spellings of a number do not change it."""
    assert old in WHOLE

    assert plan().digest == plan(WHOLE.replace(old, new)).digest


def test_a_threshold_needs_no_bounds() -> None:
    """The mean of an unbounded gauge is compared, and not proven."""
    text = WHOLE.replace("  - depth.p95 < 100", "  - {that: depth < 100, test: threshold}")

    assert ("depth < 100 at the end", Test.THRESHOLD) == (plan(text).objectives[1].text, plan(text).objectives[1].test)


@pytest.mark.parametrize(
    ("path", "good"),
    [
        ("/a/b?x=../..", True),
        ("/a.b/..c/d..", True),
        ("/${service}/x", True),
        ("/..", False),
        ("/a/../b", False),
        ("/a/./b", False),
        ("/.%2E/b", False),
        ("/a%2f..%2fb", False),
        ("/a\\\\..\\\\b", False),
    ],
)
def test_a_path_stays_below_the_operators_url(path: str, good: bool) -> None:
    """What the operator's URL ends with is a border: a plan chooses among what lies below it."""
    text = WHOLE.replace("/stats?from=${start}", path)
    found: list[str] = []
    try:
        plan(text)
    except Refused as refused:
        found = [each.pointer for each in refused.problems]

    assert found == ([] if good else ["/metrics/wait/request/get"])
