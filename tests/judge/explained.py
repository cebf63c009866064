"""One finding of every kind, and how people read it; `python -m tests.judge.explained` writes the golden file anew."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from gitslo.core.burn import burn_counts, burn_spans
from gitslo.core.formats import finding_document
from gitslo.core.judge import explain, judge
from gitslo.core.tables import text_table
from gitslo.model import AttemptEvidence, Evidence, Finding, JudgedUnit, Metric, Objective, Plan, Role, Seconds, Share
from gitslo.ports import WindowCounts
from tests.judge import test_baselines as baselines
from tests.judge import test_metrics as metrics
from tests.judge import test_scores as scores
from tests.judge.plans import errors, evidence, latency, plan, spread

GOLDEN = Path(__file__).parent / "golden" / "explained.txt"
BURN = Objective(
    text="served.burn < 0.1% in 30d",
    load="",
    endpoint=None,
    metric=Metric.BURN,
    limit=0.001,
    quantile=None,
    role=Role.DECIDE,
    source="served",
    period=Seconds(30 * 86400.0),
)
ERRORS, LATENCY = "browse.errors < 1%", "browse.latency.p95 < 250ms"


def ended(of: Plan, current: AttemptEvidence) -> Finding:
    return judge(of, Evidence(), current, final=True).findings[-1]


def cases() -> Iterator[tuple[str, Finding]]:
    """(what it shows, the finding)."""
    yield "errors, kept", ended(plan(), evidence((ERRORS, 12, 12_000)))
    yield "errors, broken", ended(plan(), evidence((ERRORS, 480, 12_000)))
    yield "errors, too few requests", ended(plan(), evidence((ERRORS, 0, 200)))
    yield "errors, in between", ended(plan(), evidence((ERRORS, 130, 12_000)))
    yield "errors, none sent", ended(plan(), evidence((ERRORS, 0, 0)))
    yield "errors, our own lag", ended(plan(), evidence((ERRORS, 480, 12_000), no_fail=("the generator lagged",)))
    yield "errors, too short", ended(plan(), evidence((ERRORS, 0, 12_000), seconds=5.0))
    rows = spread(0, 12_000, 60)
    outage = tuple(replace(row, bad=row.total) if 20 <= row.at < 25 else row for row in rows)
    whole = evidence((ERRORS, 0, 12_000))
    yield "errors, one burst", ended(plan(), replace(whole, tallies=(replace(whole.tallies[0], seconds=outage),)))
    waves = tuple(replace(row, bad=10) if row.at % 10 == 3 else row for row in rows)
    yield "errors, bursts", ended(plan(), replace(whole, tallies=(replace(whole.tallies[0], seconds=waves),)))
    yield "latency, kept", ended(plan(latency()), evidence((LATENCY, 90, 12_000)))
    yield "latency, broken", ended(plan(latency()), evidence((LATENCY, 1_900, 12_000)))
    strict = replace(errors(), unit=JudgedUnit.SECONDS, allow=Share(0.05))
    yield "seconds, kept", ended(plan(strict), evidence((ERRORS, 0, 300), seconds=300.0))
    seen, windows, series = metrics.seen, metrics.windows, metrics.series
    yield "ratio, kept", ended(metrics.of(metrics.RATIO), seen(windows(metrics.RATIO, 40, 1_000, 1)))
    yield "ratio, broken", ended(metrics.of(metrics.RATIO), seen(windows(metrics.RATIO, 40, 1_000, 60)))
    yield "ratio, too few windows", ended(metrics.of(metrics.RATIO), seen(windows(metrics.RATIO, 5, 1_000, 1)))
    missing = ("served", "nothing is known of it: prom-staging: connection refused")
    yield "ratio, unknown", ended(metrics.of(metrics.RATIO), seen(unknown=(missing,)))
    yield "histogram, broken", ended(metrics.of(metrics.SLOW), seen(windows(metrics.SLOW, 40, 1_000, 60)))
    yield "mean, kept", ended(metrics.of(metrics.MEAN), seen(series("cpu", *[0.2, 0.3] * 80)))
    yield "mean, broken", ended(metrics.of(metrics.MEAN), seen(series("cpu", *[0.99, 0.98] * 80)))
    yield "samples, kept", ended(metrics.of(metrics.QUEUE), seen(series("queue", *[3.0] * 160)))
    threshold = metrics.threshold(metrics.MEAN)
    yield "threshold, kept", ended(metrics.of(threshold), seen(series("cpu", *[0.79] * 3)))
    yield "threshold, broken", ended(metrics.of(threshold), seen(series("cpu", *[0.81] * 3)))
    for name, bad in (("kept", 60), ("in between", 150), ("broken", 400)):
        then = baselines.baseline(baselines.ERRORS, 200, 20_000)
        yield (
            f"errors against a baseline, {name}",
            baselines.finding(baselines.ERRORS, baselines.current(baselines.ERRORS, bad, 10_000), then),
        )
    for name, median in (("kept", 0.045), ("in between", 0.06), ("broken", 0.08)):
        then = baselines.baseline(baselines.LATENCY, 0, 20_000)
        now = baselines.current(baselines.LATENCY, 0, 20_000, median)
        yield f"latency against a baseline, {name}", baselines.finding(baselines.LATENCY, now, then)
    first = baselines.current(baselines.ERRORS, 0, 10_000)
    yield "errors without a baseline", baselines.finding(baselines.ERRORS, first)
    of, scored = scores.of, scores.scored
    yield "score, passed", scores.ended(of(scored("queue", "<=30")), scores.seen()).findings[0]
    yield "score, failed", scores.ended(of(scored("queue", "<=20", key=True)), scores.seen()).findings[0]
    warned = of(scored("queue", "<=20", warning="<=40"), warns=0.5)
    yield "score, a warning", scores.ended(warned, scores.seen()).findings[0]
    yield "score of one objective", scores.ended(of(scored("browse.latency.p95", "<150ms")), scores.seen()).findings[1]
    for name, share in (("kept", 0.0001), ("spent", 0.02)):
        values = [
            WindowCounts(n := round((end - start) * 100), (round(n * share),), (round(n * share),))
            for start, end in burn_spans()
        ]
        current = replace(seen(), burns=(burn_counts("served", values),))
        yield f"budget, {name}", ended(metrics.of(BURN), current)
    yield "budget, unknown", ended(metrics.of(BURN), seen())
    yield "never ready", ended(plan(), AttemptEvidence(1, 0.0, not_ready="`shop` answered 503 for 30 s"))


def page() -> str:
    """Every kind: its row in the terminal's table, and its sentence."""
    parts = []
    for name, finding in cases():
        assert finding_document(finding)["explanation"] == explain(finding)
        row = text_table((finding,)).splitlines()[1]
        parts.append(f"{name}\n  {row}\n  {explain(finding)}\n")
    return "\n".join(parts)


if __name__ == "__main__":
    GOLDEN.parent.mkdir(exist_ok=True)
    GOLDEN.write_text(page(), encoding="utf-8")
