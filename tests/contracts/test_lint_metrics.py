"""What `gitslo check` says of a plan's metrics and of its scoring, with and without the operator's file."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gitslo.core.discover import environments
from gitslo.core.lint import Granted, Severity, lint_granted, lint_plan
from gitslo.core.lint_metrics import GrantedSource, lint_environment
from gitslo.core.parse_pipeline import parse_pipeline
from gitslo.core.parse_plan import parse_plan
from gitslo.model import Allowed, Ceilings, Plan, Seconds
from tests.contracts.reading import beside

METRICS = """\
  bad: {source: prom, ratio: {bad: 'errors_total{a="or vector(0)"}', total: requests_total}, every: 15s}
  cpu: {source: prom, gauge: "avg(x)", between: [0, 100%], every: 15s}
  queue: {source: prom, gauge: "avg(x)", every: 15s}
  db: {source: prom, histogram: db_seconds_bucket, every: 15s}
  lost: {source: db, ratio_sql: "select 1 as bad, 2 as total where t >= :start and t < :end", every: 15s}
"""
OBJECTIVES = """\
  - bad < 1%
  - cpu < 80%
  - db.p99 < 50ms
  - lost < 1%
  - {that: queue.p95 < 5, test: threshold}
"""
LOAD = """\
load:
  browse: {target: web, get: /, warmup: 30s, stages: [{ramp: 50/s, for: 30s}, {hold: 50/s, for: 2m}]}
"""


def plan(
    metrics: str = METRICS, objectives: str = OBJECTIVES, judge: str = "{}", load: str = "", more: str = ""
) -> Plan:
    targets = 'targets: {web: {http: "http://web.svc"}}\n' if load else ""
    text = f"schema: gitslo/v1\n{targets}{load}metrics:\n{metrics}objectives:\n{objectives}judge: {judge}\n{more}"
    return parse_plan(text.encode(), file="slo.yaml", read_file=beside)


def linted(found: Plan, extensions: int = 0) -> list[tuple[str, str, str]]:
    remarks = lint_plan(found, "slo.yaml", extensions)
    return [(each.severity.value, each.problem.pointer, each.problem.message) for each in remarks]


def test_a_good_plan_gets_no_word() -> None:
    """No false alarms: words within quotes are no query, and forty windows are enough."""
    assert [] == linted(plan())


@pytest.mark.parametrize(
    ("old", "new", "pointer", "words"),
    [
        ("requests_total", '"sum(requests_total) or vector(0)"', "/metrics/bad/ratio/total", "missing data"),
        ('"avg(x)", b', '"x or on() vector( 0.0 )", b', "/metrics/cpu/gauge", "missing data"),
        ('"avg(x)", b', '"rate(a[15s])/rate(b[15s])", b', "/metrics/cpu/gauge", "quotient"),
        ('"avg(x)", b', '"avg(rate(a[5m]))", b', "/metrics/cpu/gauge", "a range of 5m every 15s"),
        (":end", ":start", "/metrics/lost/ratio_sql", "does not use"),
    ],
)
def test_doubtful_queries(old: str, new: str, pointer: str, words: str) -> None:
    """Each is carried out as it is said, and hardly meant so: a warning at the query."""
    assert old in METRICS
    found = linted(plan(METRICS.replace(old, new)))

    assert [("warning", pointer, True)] == [(severity, at, words in message) for severity, at, message in found]


def test_ranges_of_one_window_are_fine() -> None:
    """`${window}` is as long as the spacing, so neighbours share nothing."""
    assert [] == linted(plan(METRICS.replace('gauge: "avg(x)"', 'gauge: "avg(rate(a[${window}s]))"')))


def test_what_nothing_judges_is_told() -> None:
    """A metric without an objective is asked for nothing."""
    found = linted(plan(objectives="  - bad < 1%\n"))

    assert [("warning", f"/metrics/{name}") for name in ("cpu", "queue", "db", "lost")] == [each[:2] for each in found]


def test_a_scored_metric_is_judged() -> None:
    """The scoring counts, too."""
    more = 'scoring: {pass: 90%, objectives: [{of: queue, pass: [["<5"]]}]}\n'
    found = linted(plan(objectives=OBJECTIVES.replace("  - {that: queue.p95 < 5, test: threshold}\n", ""), more=more))

    assert [] == found


@pytest.mark.parametrize(
    ("judge", "load", "extensions", "severity", "says"),
    [
        ("{max_duration: 119s}", "", 0, "error", "needs 8 windows of 15s, 2m in all, and all attempts have 7"),
        ("{max_duration: 119s}", "", 1, "warning", "needs 8 windows of 15s, 2m in all, and an attempt has 7"),
        ("{max_duration: 120s}", "", 0, "", ""),
        ("{max_duration: 10m}", LOAD, 0, "", ""),
        ("{max_duration: 10m}", LOAD.replace("for: 2m", "for: 110s"), 0, "error", "needs 8 windows of 15s"),
        ("{max_duration: 90s}", LOAD, 1, "warning", "and an attempt has 6"),
    ],
)
def test_too_few_windows(judge: str, load: str, extensions: int, severity: str, says: str) -> None:
    """Fewer than eight windows decide nothing: an error where even all attempts have too few."""
    objectives = "  - bad < 1%\n" + ("  - browse.errors < 10%\n" if load else "")
    found = linted(plan(METRICS.splitlines()[0] + "\n", objectives, judge, load), extensions)

    assert [(severity, "/objectives/0", True)] * bool(severity) == [
        (each, at, says in message) for each, at, message in found
    ]


@pytest.mark.parametrize(
    ("metric", "objective", "words"),
    [
        (2, "  - queue.p95 < 5\n", "needs 74 windows of 15s, 18m30s in all, and all attempts have 40"),
        (0, "  - {that: bad < 1%, unit: seconds}\n", "needs 377 windows of 15s, 1h34m15s in all"),
        (0, "  - {that: bad < 1%, unit: seconds, allow: 20%}\n", ""),
        (2, "  - queue.p50 < 5\n", ""),
    ],
)
def test_windows_that_are_good_or_bad_one_by_one(metric: int, objective: str, words: str) -> None:
    """They need as many clean ones as requests would: a p95 of samples 74, a 1 % limit of windows 377."""
    found = linted(plan(METRICS.splitlines()[metric] + "\n", objective))

    assert [words] * bool(words) == [words for *_, message in found if words in message and words]
    assert bool(words) == bool(found)


def test_seconds_of_a_load_are_counted_like_requests() -> None:
    """`unit: seconds` needs as many seconds as a limit on requests needs requests."""
    objectives = "  - {that: browse.errors < 1%, unit: seconds}\n  - bad < 1%\n"
    found = linted(plan(METRICS.splitlines()[0] + "\n", objectives, load=LOAD))

    assert [("error", "/objectives/0", True)] == [
        (severity, at, "needs 377 judged seconds without a bad one" in message) for severity, at, message in found
    ]


def test_a_baseline_that_allows_nothing_is_told() -> None:
    """At 100 % only a better release passes; a baseline's factor is no share of errors at which a load is aborted."""
    objectives = "  - bad < 1%\n  - {that: browse.errors < 100% of baseline, baseline: last-pass, role: report}\n"
    found = linted(plan(METRICS.splitlines()[0] + "\n", objectives, load=LOAD))

    assert [("warning", "/objectives/1", True)] == [
        (severity, at, "proven to be better" in message) for severity, at, message in found
    ]


def test_a_histogram_says_its_unit() -> None:
    """`< 50` of a histogram in seconds is fifty seconds."""
    found = linted(plan(objectives=OBJECTIVES.replace("50ms", "50")))

    assert [("warning", "/objectives/2", "the histogram is in seconds, and `db.p99 < 50` has no unit")] == found


# --------------------------------------------------------------------------- scoring


@pytest.mark.parametrize(
    ("passes", "warning", "says"),
    [
        ('[["<=1%"]]', '[["<=2%"]]', ["means 1% more", "means 2% more"]),
        ('[["<=+1%"]]', '[["<=+2%"]]', []),
        ('[["<=-1%"]]', '[["<=0.5"]]', []),
        ('[["<0.15"]]', '[["<=0.05"]]', ["can never apply"]),
        ('[["<=0.4"]]', '[["<=0.1"]]', ["can never apply"]),
        ('[["<=0.1"]]', '[["<0.1"]]', ["can never apply"]),
        ('[["<0.1"]]', '[["<=0.1"]]', []),
        ('[["<=+10%"]]', '[["<=+10%"]]', ["can never apply"]),
        ('[["<=+10%", "<0.6"]]', '[["<=0.5"]]', []),
        ('[["<0.6"], ["=0.7"]]', '[["<0.5", ">0.1"], ["=0.7"], [">=0.6"]]', ["can never apply"] * 2),
        ('[[">0.4"]]', '[[">=0.5"]]', ["can never apply"]),
        ('[[">0.4"]]', '[[">0.3"]]', []),
    ],
)
def test_doubtful_criteria(passes: str, warning: str, says: list[str]) -> None:
    """A `%` that is meant as absolute; a warning stricter than the pass that is asked before it."""
    more = f"scoring: {{pass: 90%, objectives: [{{of: cpu, pass: {passes}, warning: {warning}}}]}}\n"
    found = [message for *_, message in linted(plan(more=more))]

    assert len(says) == len(found)
    assert [True] * len(says) == [part in message for part, message in zip(says, found, strict=True)]


# --------------------------------------------------------------------------- with the operator's file

PIPELINE = parse_pipeline(
    b"{schema: gitslo/v1, name: a, stages: [{name: dev, path: dev}], sync: process, outcomes: {inconclusive: hold}}",
    file="gitslo.yaml",
)
PROM, DB = GrantedSource("prometheus", Seconds(15.0)), GrantedSource("sql", Seconds(15.0))
REST, CLUSTER = GrantedSource("rest", Seconds(15.0)), GrantedSource("kubernetes", Seconds(15.0))
SOURCES = {"prom": PROM, "db": DB, "api": REST, "cluster": CLUSTER}


def refusals(found: Plan, **sources: GrantedSource) -> list[tuple[str, str, str]]:
    granted = Granted(Allowed(), Ceilings(), frozenset(), process=True, sources={**SOURCES, **sources})
    remarks = lint_granted(granted, PIPELINE, environments(PIPELINE), {"dev": found})
    return [
        (each.severity.value, each.problem.pointer, f"{each.problem.message} ({each.problem.hint})") for each in remarks
    ]


def test_sources_that_fit_get_no_word() -> None:
    """Each form has a source that understands it."""
    assert [] == refusals(plan())


@pytest.mark.parametrize(
    ("metric", "severity", "pointer", "words"),
    [
        ("{source: prm, gauge: x, between: [0, 1]}", "error", "/source", "no source `prm` (did you mean `prom`?)"),
        ("{source: secret, gauge: x, between: [0, 1]}", "error", "/source", "does not allow the source `secret`"),
        ("{source: prom, pods: {selector: a, namespace: x, resource: cpu, of: limit}}", "error", "/pods", "no `pods`"),
        ("{source: prom, gauge_sql: select 1, between: [0, 1]}", "error", "/gauge_sql", "has no `gauge_sql`"),
        ("{source: db, gauge: x, between: [0, 1]}", "error", "/gauge", "it has `gauge_sql`, `ratio_sql`"),
        ("{source: cluster, gauge: x, between: [0, 1]}", "error", "/gauge", "it has `pods`"),
        ("{source: api, gauge: x, between: [0, 1]}", "error", "", "needs a `request`"),
        ("{source: prom, gauge: x, request: {get: /x}, between: [0, 1]}", "error", "/request", "only rest sources"),
        ("{source: prom, gauge: x, every: 5s, between: [0, 1]}", "error", "/every", "something new every 15s"),
        ("{source: prom, gauge: 'delta(x[10s])', between: [0, 1]}", "warning", "/gauge", "no two scrapes of 15s"),
        ("{source: prom, gauge: 'avg(rate(x[1m]))', between: [0, 1]}", "warning", "/gauge", "a range of 1m every 15s"),
        ("{source: prom, gauge: requests_total, between: [0, 1]}", "warning", "/gauge", "is a counter"),
    ],
)  # fmt: skip
def test_what_a_source_does_not_have(metric: str, severity: str, pointer: str, words: str) -> None:
    """The daemon would refuse it: told at the field."""
    found = refusals(plan(f"  m: {metric}\n", "  - m < 50%\n" if "of: limit" in metric else "  - m < 0.5\n"),
                     secret=replace(PROM, allowed=False))  # fmt: skip

    assert [(severity, f"/metrics/m{pointer}", True)] == [(each, at, words in said) for each, at, said in found]


@pytest.mark.parametrize(
    ("metric", "pointer", "words"),
    [
        ("{source: prom, ratio: {bad: 'rate(e[1m])', total: t}}", "/ratio/bad", "`bad` computes with `rate`"),
        ("{source: prom, ratio: {bad: e, total: 'sum(t)'}}", "/ratio/total", "`total` computes with `sum`"),
        ("{source: prom, ratio: {bad: 'e{a=\"${service}\"}', total: 'a / b'}}", "/ratio/total", "no selector"),
    ],
)
def test_a_ratio_names_counters(metric: str, pointer: str, words: str) -> None:
    """A rate hides resets and holes, and a sum new series: Prometheus' counters are differenced by gitslo."""
    found = refusals(plan(f"  m: {metric}\n", "  - m < 1%\n"))

    assert [("error", f"/metrics/m{pointer}", True)] == [(each, at, words in said) for each, at, said in found]


@pytest.mark.parametrize("selector", ["'x_bucket{le=\"1\"}'", "'rate(x_bucket[5m])'"])
def test_a_histogram_names_all_its_buckets(selector: str) -> None:
    """Neither one bucket nor their rates."""
    found = refusals(plan(f"  m: {{source: prom, histogram: {selector}}}\n", "  - m.p95 < 1s\n"))

    assert [("error", "/metrics/m/histogram")] == [each[:2] for each in found]


def test_the_operators_interval_counts_where_the_plan_has_none() -> None:
    """Ten minutes hold no eight windows of two minutes."""
    found = refusals(
        plan("  m: {source: prom, ratio: {bad: e, total: t}}\n", "  - m < 1%\n"),
        prom=replace(PROM, every=Seconds(120.0)),
    )

    assert [("error", "/objectives/0", True)] == [
        (each, at, "too few windows for its scrape interval" in said) for each, at, said in found
    ]


def test_of_other_packages_kinds_nothing_is_known() -> None:
    """Their sources say themselves what they do not have."""
    found = plan("  m: {source: own, gauge: x, request: {get: /x}, between: [0, 1]}\n", "  - m < 0.5\n")

    assert [] == refusals(found, own=GrantedSource("acme", Seconds(15.0)))


@pytest.mark.parametrize(
    "metric",
    [
        "{source: prom, gauge: 'x{a=\"${service}\"}'}",
        "{source: db, gauge_sql: 'select 1 where s = :service'}",
        "{source: api, gauge: x, request: {get: '/${service}'}}",
        "{source: cluster, pods: {selector: 'app=${service}', namespace: x, resource: cpu}}",
    ],
)
def test_a_repository_of_one_service_has_no_service_name(metric: str) -> None:
    """A query that uses it could never be asked; where services are named it is fine."""
    found = plan(f"  m: {metric}\n", "  - {that: m < 5, test: threshold}\n")
    (environment,) = environments(PIPELINE)
    named = replace(environment, service="shop")

    assert [(Severity.ERROR, "/metrics/m")] == [
        (each.severity, each.problem.pointer) for each in lint_environment(found, "slo.yaml", environment)
    ]
    assert [] == list(lint_environment(found, "slo.yaml", named))
