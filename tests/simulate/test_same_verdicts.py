from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from gitslo.core.judge import Judge
from gitslo.core.simulation.draws import bad_counts, gauge
from gitslo.core.simulation.lanes import Assumed, Lane, Timeline, timeline
from gitslo.core.simulation.outcomes import decisions, ends
from gitslo.core.simulation.truth import GaugeTruth, ShareTruth
from gitslo.core.stats.batch_counts import Decisions
from gitslo.model import (
    AttemptEvidence,
    Evidence,
    JudgedUnit,
    Metric,
    MetricForm,
    MetricSection,
    MetricSeries,
    Objective,
    Phase,
    Plan,
    Quantity,
    Role,
    Sample,
    Second,
    Seconds,
    Share,
    Tally,
    Test,
    Verdict,
)
from tests.judge.plans import HOLD, RAMP, errors, latency, plan, section

RUNS = 4


def metric(name: str, form: MetricForm, between: tuple[float, float] | None = None) -> MetricSection:
    return MetricSection(name, "prom", form, {"value": "up"}, every=Seconds(10.0), between=between)


def about(name: str, text: str, limit: float, what: Metric, **rest) -> Objective:
    return Objective(text, "", None, what, limit, rest.pop("quantile", None), Role.DECIDE, name, **rest)


def verdict_of_the_product(
    judged_plan: Plan, line: Timeline, drawn: dict[str, tuple[Lane, np.ndarray]], run: int
) -> tuple[int, int]:
    """The verdict and the look that the judge of the product ends a run at, over its attempts."""
    earlier: tuple[AttemptEvidence, ...] = ()
    attempt = before = 0
    judge = Judge(judged_plan, Evidence())
    for look, at in enumerate(line.at):
        del at
        seen = evidence(judged_plan, line, drawn, run, attempt, look, line.judged[look] - before)
        judgement = judge.look(seen, final=line.final[look])
        if judgement.verdict in {Verdict.PASS, Verdict.FAIL}:
            return (1 if judgement.verdict is Verdict.PASS else -1), look
        if line.final[look]:
            earlier = (*earlier, seen)
            attempt, before = attempt + 1, line.judged[look]
            judge = Judge(judged_plan, Evidence(earlier))
    return 0, len(line.at) - 1


def evidence(
    judged_plan: Plan,
    line: Timeline,
    drawn: dict[str, tuple[Lane, np.ndarray]],
    run: int,
    attempt: int,
    look: int,
    judged: float,
) -> AttemptEvidence:
    tallies: list[Tally] = []
    series: list[MetricSeries] = []
    for objective in judged_plan.objectives:
        lane, values = drawn[objective.text]
        rows = [at for at in range(line.known(lane)[look]) if lane.attempt[at] == attempt]
        if lane.between is not None or lane.samples:
            bad_is = 2.0 if lane.samples else None
            samples = tuple(Sample(lane.starts[at], float(values[run, at]) * (bad_is or 1.0)) for at in rows)
            series.append(MetricSeries(objective.source, Phase.STEADY, Seconds(lane.every), samples))
        else:
            seconds = tuple(
                Second(round(lane.at[at] * lane.every), int(lane.rows.total[at]), int(values[run, at])) for at in rows
            )
            tallies.append(Tally(objective.text, Phase.STEADY, seconds, Seconds(lane.every)))
    return AttemptEvidence(attempt + 1, 0.0, ((Phase.STEADY, Seconds(judged)),), tuple(tallies), series=tuple(series))


def compared(judged_plan: Plan, truths: Sequence[ShareTruth | GaugeTruth], *, extensions: int = 0) -> set[int]:
    """Simulate, judge the same counts as the product does, compare; the verdicts that occurred."""
    line = timeline(judged_plan, extensions=extensions, assumed=Assumed(Seconds(10.0), {"bad": 20.0}))
    draw = np.random.default_rng(len(truths))
    drawn: dict[str, tuple[Lane, np.ndarray]] = {}
    fails = np.zeros((RUNS, len(line.at)), dtype=bool)
    passes = ~fails
    for lane, truth in zip(line.lanes, truths, strict=True):
        if isinstance(truth, GaugeTruth):
            samples = gauge(lane, truth, draw, RUNS)
            said = decisions(line, lane, means=samples)
            drawn[lane.text] = lane, np.concatenate(samples, axis=1)
        else:
            bad = bad_counts(lane, truth, draw, RUNS)
            said = decisions(line, lane, bad=bad)
            drawn[lane.text] = lane, bad
        fails, passes = fails | said.fails, passes & said.passes
    ending = ends(line, Decisions(fails, passes))
    expected = [verdict_of_the_product(judged_plan, line, drawn, run) for run in range(RUNS)]

    assert expected == list(zip(ending.verdict.tolist(), ending.look.tolist(), strict=True))
    return set(ending.verdict.tolist())


def loads(*objectives: Objective, **policy: float) -> Plan:
    stages = ((RAMP, 40.0, 5.0), (HOLD, 40.0, 45.0), (RAMP, 80.0, 4.5), (HOLD, 80.0, 60.0))
    return plan(*objectives, load=[section("browse", *stages, warmup=8.0, timeout=3.0)], min_duration=20.0, **policy)


@pytest.mark.parametrize("factor", [0.1, 1.0, 3.0])
@pytest.mark.parametrize("burst", [None, 1.0])
def test_a_load_ends_as_the_product_ends_it(factor, burst) -> None:
    """Errors and latency over ramps, holds and a warm-up, alone and in bursts, extended once: look and verdict."""
    length = None if burst is None else Seconds(burst)
    truths = [ShareTruth(Share(0.02 * factor), length), ShareTruth(Share(0.05 * factor), length)]
    objectives = (errors("browse.errors < 2%", 0.02), latency())
    compared(loads(*objectives, max_duration=80.0), truths, extensions=1)


def test_a_whole_second_and_a_threshold_end_so_too() -> None:
    """`unit: seconds` counts seconds, and a threshold decides at the end."""
    whole = Objective(
        "browse.errors < 2%", "browse", None, Metric.ERRORS, 0.02, None, Role.DECIDE,
        unit=JudgedUnit.SECONDS, allow=Share(0.2),
    )  # fmt: skip
    rough = Objective(
        "browse.latency.p95 < 250ms", "browse", None, Metric.LATENCY, 0.25, 0.95, Role.DECIDE, test=Test.THRESHOLD
    )
    found = compared(loads(whole, rough), [ShareTruth(Share(0.002)), ShareTruth(Share(0.05))])

    assert {1, -1} <= found


@pytest.mark.heavy
@pytest.mark.parametrize("mean", [0.2, 0.5, 0.9])
def test_metrics_alone_end_so_too(mean) -> None:
    """A ratio, a gauge's mean and its samples without load: windows are known one scrape late."""
    sections = (
        metric("bad", MetricForm.RATIO),
        metric("cpu", MetricForm.GAUGE, (0.0, 1.0)),
        metric("q", MetricForm.GAUGE),
    )
    judged_plan = plan(min_duration=60.0, max_duration=1000.0)
    judged_plan = Plan(
        judged_plan.targets,
        (),
        (),
        (
            about("bad", "bad < 5%", 0.05, Metric.SHARE),
            about("cpu", "cpu < 50%", 0.5, Metric.MEAN, quantity=Quantity.SHARE),
            about("q", "q.p80 < 1", 1.0, Metric.QUANTILE, quantile=0.8),
        ),
        judged_plan.judge,
        "0" * 64,
        metrics=sections,
    )
    truths = [ShareTruth(Share(0.01)), GaugeTruth(mean, 0.05, 0.5), ShareTruth(Share(0.0))]

    assert {0.2: {1}, 0.5: {0}, 0.9: {-1}}[mean] == compared(judged_plan, truths)
