from __future__ import annotations

from dataclasses import replace

import pytest

from gitslo.core.baselines import loads_of_pass
from gitslo.core.rejudge import judged_again
from gitslo.errors import Refused
from gitslo.model import (
    Allowed,
    Baseline,
    BaselineForm,
    BaselineSample,
    Ceilings,
    Evidence,
    Metric,
    Objective,
    Plan,
    Role,
    Target,
    TargetScheme,
    Verdict,
)
from gitslo.run import AttemptOrder, AttemptOutcome, attempt
from gitslo.testing.fake_load import FakeLoad, Script
from gitslo.testing.fake_readiness import FakeReadiness
from gitslo.testing.manual_clock import ManualClock
from tests.judge.plans import errors, plan

OLD = Baseline(BaselineForm.TARGET, "old")
EARLIER = Baseline(BaselineForm.LAST_PASS)
FAST, SLOW = ((0.09, 0.5), (0.1, 0.47), (0.102, 0.03)), ((0.39, 0.5), (0.4, 0.5))


def relative(baseline: Baseline, quantile: float | None = None, factor: float = 2.0) -> Objective:
    text = f"browse.{'errors' if quantile is None else 'latency.p95'} < {factor:.0%} of baseline"
    metric = Metric.ERRORS if quantile is None else Metric.LATENCY
    return Objective(text, "browse", None, metric, factor, quantile, Role.DECIDE, baseline=baseline)


def compared(*objectives: Objective) -> Plan:
    of = plan(errors("browse.errors < 50%", 0.5), *objectives)
    return replace(of, targets={**of.targets, "old": Target("old", TargetScheme.HTTP, "old.dev.svc", 8080)})


def run(of: Plan, engine: FakeLoad, **changes: object) -> AttemptOutcome:
    order = AttemptOrder(
        plan=of,
        number=1,
        earlier=Evidence(),
        extension=0,
        addresses={},
        allowed=Allowed(targets=("*.dev.svc",)),
        ceilings=Ceilings(),
        run_id="r",
        seed=7,
    )
    return attempt(
        replace(order, **changes),
        clock=ManualClock(),
        readiness=FakeReadiness(),
        engine=engine,
        stop=lambda: None,
        tell=lambda *_: None,
    )


def failing(share: float, distribution: tuple[tuple[float, float], ...] = FAST) -> Script:
    good = tuple((edge, part * (1 - share)) for edge, part in distribution)
    return Script(bad=lambda _: share, kind="status 503", distribution=good)


@pytest.mark.parametrize(
    ("own", "other", "verdict"),
    [(0.02, 0.02, Verdict.PASS), (0.2, 0.02, Verdict.FAIL), (0.04, 0.02, Verdict.INCONCLUSIVE)],
)
def test_another_target_gets_the_same_load_at_the_same_time(own: float, other: float, verdict: Verdict) -> None:
    """The same schedule, seed and judged stretch; only failures are counted there, and apart from ours."""
    engine = FakeLoad(**{"browse": failing(own), "browse@old": failing(other)})
    outcome = run(compared(relative(OLD, factor=2.0 if verdict is not Verdict.PASS else 4.0)), engine)
    mine, theirs = sorted(engine.jobs, key=lambda job: job.target.name == "old")

    assert outcome.verdict is verdict
    assert (mine.target.name, theirs.target.name) == ("shop", "old")
    assert (mine.section.stages, mine.seed, mine.judged) == (theirs.section.stages, theirs.seed, theirs.judged)
    assert [(o.metric, o.quantile) for o in theirs.objectives] == [(Metric.ERRORS, None)]
    sample = outcome.evidence.baselines[0]
    assert (sample.origin, sample.historical) == ("`old`, under the same load", False)
    assert (sample.total, sample.bad) == (6000, round(6000 * other))
    assert [load.load for load in outcome.evidence.loads] == ["browse"], "its numbers are not ours"


def test_response_times_are_compared_by_their_distributions() -> None:
    """A p95 four times as high is worse than 150 % of the other's, and nothing depends on a stored percentile."""
    of = compared(relative(OLD, 0.95, 1.5))
    worse = run(of, FakeLoad(**{"browse": failing(0.0, SLOW), "browse@old": failing(0.0)}))
    same = run(of, FakeLoad(**{"browse": failing(0.0), "browse@old": failing(0.0)}))

    assert (worse.verdict, same.verdict) == (Verdict.FAIL, Verdict.PASS)
    assert worse.evidence.loads[0].distribution == ((0.39, 3000), (0.4, 3000))
    for outcome in (worse, same):
        again = judged_again(of, Evidence((outcome.evidence,)))
        assert again is not None
        assert (again.verdict, again.findings) == (outcome.verdict, outcome.findings)


def test_a_distribution_is_kept_whole_where_an_objective_needs_it() -> None:
    """It is large: for people's picture few wide ranges do, which nothing is compared with."""
    fine = tuple((0.01 * 1.016**index, 1 / 200) for index in range(200))
    of = compared(relative(OLD))
    outcome = run(of, FakeLoad(browse=failing(0.0, fine)))
    [load, *_] = outcome.evidence.loads
    [passed, *_] = loads_of_pass(of, Evidence((replace(outcome.evidence, no_pass=()),)))

    assert (25, 6000) == (len(load.distribution), sum(number for _, number in load.distribution))
    assert load.distribution[-1][0] == fine[-1][0]
    assert () == passed.distribution


def test_the_other_target_must_be_allowed_too() -> None:
    """It gets the same requests."""
    engine = FakeLoad()
    with pytest.raises(Refused, match=r"'old.dev.svc' of target `old` is not allowed"):
        run(compared(relative(OLD)), engine, allowed=Allowed(targets=("shop.dev.svc",)))
    assert engine.jobs == []


def test_an_earlier_run_is_compared_by_what_is_known_of_it() -> None:
    """The sample is part of the evidence, so the comparison can be made again; no second load is sent."""
    objective = relative(EARLIER)
    sample = BaselineSample(objective.text, "run 3 (c0ffee1)", True, 6000, 120, 1.0)
    engine = FakeLoad(browse=failing(0.2))
    outcome = run(compared(objective), engine, baselines=(sample,))

    assert outcome.verdict is Verdict.FAIL
    assert outcome.evidence.baselines == (sample,)
    assert [job.target.name for job in engine.jobs] == ["shop"]
    assert "run 3 (c0ffee1), at an earlier time" in outcome.findings[1].reason


def test_without_an_earlier_run_it_is_not_applicable() -> None:
    """The first run would otherwise never pass."""
    outcome = run(compared(relative(EARLIER)), FakeLoad(browse=failing(0.2)))

    assert outcome.verdict is Verdict.PASS
    assert outcome.findings[1].reason.startswith("not applicable: ")


def test_what_makes_the_other_target_look_bad_blocks_a_pass() -> None:
    """Our own lag there would be taken for its slowness, and ours for an improvement."""
    lagging = replace(failing(0.02), no_fail=("requests left 80 ms late",))
    scripts = {"browse": failing(0.02), "browse@old": lagging}
    outcome = run(compared(relative(OLD, factor=4.0)), FakeLoad(**scripts))

    assert outcome.verdict is Verdict.INCONCLUSIVE
    assert outcome.evidence.no_pass == ("the same load on `old`: requests left 80 ms late",)
    assert outcome.evidence.no_fail == ()
