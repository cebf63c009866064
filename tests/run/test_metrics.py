from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest

from gitslo.errors import Refused, Retry
from gitslo.model import (
    Allowed,
    Ceilings,
    Evidence,
    MetricSection,
    Objective,
    Phase,
    Plan,
    Role,
    Second,
    Seconds,
    Verdict,
)
from gitslo.ports import LoadJob, LoadResult, LoadSnapshot, MetricAnswer, MetricQuestion, Span, WindowCounts
from gitslo.run import AttemptOrder, AttemptOutcome, CutOff, attempt
from gitslo.testing.fake_load import FakeLoad, Script
from gitslo.testing.fake_readiness import FakeReadiness
from gitslo.testing.manual_clock import ManualClock
from tests.judge.plans import HOLD, RAMP, errors, plan, section
from tests.run.scripted_metrics import (
    Clocked,
    Scripted,
    counts,
    each,
    gauge,
    histogram,
    mean,
    quantile,
    ratio,
    share,
)


@dataclass
class World:
    """Everything that an attempt with metrics touches."""

    source: Scripted
    clock: ManualClock = field(default_factory=ManualClock)
    scripts: dict[str, Script] = field(default_factory=dict)
    engine: FakeLoad | None = None
    told: list[tuple[str, dict[str, object]]] = field(default_factory=list)
    stop: Callable[[], str | None] = lambda: None

    def attempt(self, of: Plan, **changes: object) -> AttemptOutcome:
        order = AttemptOrder(
            plan=of,
            number=1,
            earlier=Evidence(),
            extension=0,
            addresses={},
            allowed=Allowed(targets=("*.dev.svc",)),
            ceilings=Ceilings(),
            run_id="shop/dev/1/1",
            seed=7,
            variables={"environment": "shop/dev", "revision": "c0ffee"},
        )
        if self.engine is None:
            self.engine = Clocked(self.clock, self.source, **self.scripts)
        return attempt(
            replace(order, **changes),
            clock=self.clock,
            readiness=FakeReadiness(),
            engine=self.engine,
            sources={"prom": self.source},
            stop=self.stop,
            tell=lambda message, fields: self.told.append((message, dict(fields))),
        )


def world(answer: Callable[[MetricQuestion], MetricAnswer], every: float = 5.0, **scripts: Script) -> World:
    return World(Scripted(answer, Seconds(every)), scripts=scripts)


def own_traffic(
    *objectives: Objective, metrics: tuple[MetricSection, ...] = (), min_duration: float = 60, max_duration: float = 300
) -> Plan:
    """A plan without load."""
    base = plan(*(objectives or (share(),)), min_duration=min_duration, max_duration=max_duration)
    return replace(base, load=(), metrics=metrics or (ratio(),))


def beside(*objectives: Objective, metrics: tuple[MetricSection, ...] = (), **changes: object) -> Plan:
    """A plan with load and metrics."""
    return replace(plan(*(objectives or (errors(), share())), **changes), metrics=metrics or (ratio(),))


CLEAN = each(lambda _: counts(500, 0))
BROKEN = each(lambda _: counts(500, 50))


# --------------------------------------------------------------------------- without load


def test_a_plan_without_load_passes_on_its_metrics() -> None:
    """Its windows begin one window after readiness and are asked one scrape after their end; no load is sent."""
    w = world(CLEAN)
    outcome = w.attempt(own_traffic())
    tally = outcome.evidence.tallies[0]

    assert outcome.verdict is Verdict.PASS
    assert (tally.objective, tally.every) == ("server_errors < 1%", 5.0)
    assert tally.seconds == tuple(Second(at, 500, 0) for at in range(5, 65, 5))
    assert outcome.evidence.judged_seconds == ((Phase.STEADY, 60.0),)
    assert w.engine.jobs == []


def test_windows_are_asked_by_the_wall_clock_once_each() -> None:
    """Disjoint, in whole windows since readiness, not before a scrape has passed, with the run's variables."""
    w = world(CLEAN)
    began = w.clock.now()
    w.attempt(own_traffic())
    asked = [window for question in w.source.questions for window in question.windows]

    assert asked == [(began.wall + at, began.wall + at + 5) for at in range(5, 65, 5)]
    assert w.source.questions[0].variables == {"environment": "shop/dev", "revision": "c0ffee"}


def test_a_failing_metric_fails_early() -> None:
    """A fail needs no minimum duration, and ends the attempt long before its longest one."""
    w = world(BROKEN)
    began = w.clock.now().monotonic
    outcome = w.attempt(own_traffic(max_duration=900))

    assert outcome.verdict is Verdict.FAIL
    assert w.clock.now().monotonic - began < 100


def test_the_ceiling_bounds_how_long_metrics_are_judged() -> None:
    """Without load it is the plan's longest duration that the operator bounds; nothing is asked of a longer one."""
    w = world(CLEAN)
    with pytest.raises(Refused) as refused:
        w.attempt(own_traffic(max_duration=901))

    assert (
        "/judge/max_duration: the metrics are judged for 901 s, the operator's ceiling `duration` is 900 s",
        [],
    ) == (
        str(refused.value),
        w.source.questions,
    )
    assert Verdict.PASS is world(CLEAN).attempt(own_traffic(max_duration=900)).verdict


def test_beside_a_load_the_load_says_how_long() -> None:
    """Metrics end with the load that they are beside, whatever the longest duration is."""
    assert Verdict.PASS is world(CLEAN).attempt(beside(max_duration=5000)).verdict


def test_a_metric_at_its_limit_ends_undecided_at_the_longest_duration() -> None:
    """Neither decided: every window is known, and the evidence is kept for an extension."""
    w = world(each(lambda _: counts(500, 5)))
    outcome = w.attempt(own_traffic(max_duration=100))
    again = w.attempt(own_traffic(max_duration=100), number=2, extension=1, earlier=Evidence((outcome.evidence,)))

    assert outcome.verdict is Verdict.INCONCLUSIVE
    assert [second.at for second in outcome.evidence.tallies[0].seconds] == list(range(5, 105, 5))
    assert outcome.evidence.judged_seconds == ((Phase.STEADY, 100.0),)
    assert again.findings[0].total == 2 * outcome.findings[0].total == 20_000


def test_an_extension_continues_the_evidence() -> None:
    """A new attempt has windows of its own, and both are judged together."""
    w = world(CLEAN)
    short = own_traffic(max_duration=30)
    first = w.attempt(short)
    second = w.attempt(short, number=2, extension=1, earlier=Evidence((first.evidence,)))

    assert (first.verdict, second.verdict) == (Verdict.INCONCLUSIVE, Verdict.PASS)


def test_a_mean_is_judged_on_samples() -> None:
    """A gauge is asked for its value at the end of each window."""
    w = world(each(lambda window: 0.1 + (window[0] % 7) / 100))
    outcome = w.attempt(own_traffic(mean(), metrics=(gauge(),), max_duration=600))

    assert outcome.verdict is Verdict.PASS
    assert outcome.evidence.series[0].samples[0].at == 10.0


def test_a_histogram_is_asked_for_all_limits_at_once() -> None:
    """Each objective has its own count; what a bucket leaves open counts for a pass's test only."""
    w = world(each(lambda _: counts(100, 40, 3, certain=(20, 0))))
    outcome = w.attempt(
        own_traffic(
            quantile("db.p50 < 10ms", 0.01, 0.5),
            quantile("db.p99 < 50ms", 0.05),
            metrics=(histogram(),),
            max_duration=60,
        )
    )
    low, high = (tally.seconds[0] for tally in outcome.evidence.tallies)

    assert w.source.questions[0].limits == (0.01, 0.05)
    assert ((low.bad, low.late), (high.bad, high.late)) == ((40, 20), (3, 3))


def test_a_stop_cuts_off_without_evidence() -> None:
    """It is asked at every look."""
    w = world(CLEAN)
    w.stop = lambda: "draining" if w.clock.now().monotonic > 1020 else None

    with pytest.raises(CutOff, match="draining"):
        w.attempt(own_traffic())
    assert w.clock.now().monotonic < 1025


def test_metrics_are_fenced_like_load() -> None:
    """When too little of the claim is left, there is no evidence rather than two holders at once."""
    w = world(CLEAN)

    with pytest.raises(Retry, match="s are left of this attempt, and its metrics take"):
        w.attempt(own_traffic(), deadline=Seconds(w.clock.now().monotonic + 60))
    assert w.source.questions == []


def test_progress_is_told_at_every_look() -> None:
    """People see that it goes on, and how far it has come."""
    w = world(CLEAN)
    w.attempt(own_traffic(max_duration=20))

    assert ("20 s: windows known: 1 of `server_errors`", {"elapsed": 20.0, "windows": 1}) in w.told


# --------------------------------------------------------------------------- what is not known


def lying(question: MetricQuestion) -> MetricAnswer:
    return MetricAnswer(tuple(counts(500, 0) for _ in question.windows), partial="a store did not answer")


def down(question: MetricQuestion) -> MetricAnswer:
    raise Retry("connection refused")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (each(lambda _: None), "nothing is known of it: no sample in the window"),
        (lying, "nothing is known of it: its source said that something may be missing: a store did not answer"),
        (down, "nothing is known of it: its source could not be asked: connection refused"),
        (each(lambda _: counts(500, 501)), "nothing is known of it: its source answered more bad events than events"),
        (each(lambda _: counts(500, 0, 0)), "nothing is known of it: its source answered other counts than it was"),
        (each(lambda _: 0.0), "nothing is known of it: its source answered a number, and it is made of counts"),
        (lambda _: MetricAnswer(()), "nothing is known of it: its source answered 0 values for "),
    ],
)
def test_what_is_not_known_never_passes(answer: Callable[[MetricQuestion], MetricAnswer], reason: str) -> None:
    """Empty, partial, down, impossible: inconclusive, with the reason, never a pass and never a fail."""
    outcome = world(answer).attempt(own_traffic(max_duration=100))

    assert outcome.verdict is Verdict.INCONCLUSIVE
    assert [name for name, _ in outcome.evidence.unknown] == ["server_errors"]
    assert outcome.evidence.unknown[0][1].startswith(reason)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -0.5, 1.5])
def test_a_gauge_that_cannot_be_true_is_not_known(value: float) -> None:
    """NaN, infinite, or outside of what the plan says is possible."""
    outcome = world(each(lambda _: value)).attempt(own_traffic(mean(), metrics=(gauge(),), max_duration=100))

    assert outcome.verdict is Verdict.INCONCLUSIVE
    assert outcome.evidence.unknown[0][1].startswith("nothing is known of it: ")


def test_a_metric_that_goes_stale_does_not_pass() -> None:
    """What was known of it before is not held to be true of the rest."""
    began = ManualClock().now().wall
    outcome = world(each(lambda window: counts(500, 0) if window[0] - began < 40 else None)).attempt(own_traffic())

    assert outcome.verdict is Verdict.INCONCLUSIVE
    assert outcome.evidence.unknown == (("server_errors", "53 of 60 windows are not known: no sample in the window"),)
    assert outcome.evidence.judged_seconds == ((Phase.STEADY, 0.0),)


def test_a_metric_may_begin_late_and_miss_a_scrape() -> None:
    """What comes before its first value is not judged; now and then a hole is only no time that was judged."""
    began = ManualClock().now().wall

    def value(window: Span) -> WindowCounts | None:
        at = round(window[0] - began)
        return None if at < 30 or at == 60 else counts(500, 0)

    outcome = world(each(value)).attempt(own_traffic(max_duration=200, min_duration=100))

    assert outcome.verdict is Verdict.PASS
    assert outcome.evidence.unknown == ()
    assert outcome.evidence.tallies[0].seconds[0].at == 30
    assert 60 not in {second.at for second in outcome.evidence.tallies[0].seconds}


def test_a_source_that_comes_back_is_asked_for_what_was_missed() -> None:
    """Retry costs nothing that the source still knows."""
    w = world(CLEAN)

    def answer(question: MetricQuestion) -> MetricAnswer:
        return CLEAN(question) if w.clock.now().monotonic > 1050 else down(question)

    w.source.answer = answer
    outcome = w.attempt(own_traffic())

    assert outcome.verdict is Verdict.PASS
    assert outcome.evidence.tallies[0].seconds[0].at == 5
    asked = [question.windows[0][0] for question in w.source.questions]
    assert len(asked) < 20, "once a window, not once a look"


def test_a_question_that_is_wrong_ends_the_attempt() -> None:
    """Refused: a person must change the plan, so it says which metric and why."""

    def wrong(question: MetricQuestion) -> MetricAnswer:
        raise Refused("bad_data: parse error at char 3")

    for of in (own_traffic(), beside()):
        with pytest.raises(Refused, match="the metric `server_errors` cannot be asked of `prom`: bad_data: parse"):
            world(wrong).attempt(of)


def test_a_source_must_be_allowed_before_anything_is_asked() -> None:
    """The metric and the source are named, and where sources are."""
    w = world(CLEAN)
    with pytest.raises(
        Refused, match=r"`server_errors` asks for the source `other`, which is not known or not allowed"
    ):
        w.attempt(own_traffic(metrics=(ratio(source="other"),)))


# --------------------------------------------------------------------------- beside a load


def test_metrics_and_load_are_judged_together() -> None:
    """A pass needs both; windows lie in the judged stretch of the load."""
    w = world(CLEAN)
    of = beside(load=[section("browse", (HOLD, 100.0, 200.0), warmup=12)], min_duration=60)
    outcome = w.attempt(of)

    assert outcome.verdict is Verdict.PASS
    assert [tally.objective for tally in outcome.evidence.tallies] == ["browse.errors < 1%", "server_errors < 1%"]
    assert outcome.evidence.tallies[1].seconds[0].at == 12
    assert w.engine.ended["browse"] < 100


def test_a_failing_metric_ends_the_load_early() -> None:
    """The load is clean, and still not a request more is sent once the metric has failed."""
    w = world(BROKEN)
    outcome = w.attempt(beside(load=[section("browse", (HOLD, 100.0, 600.0))], min_duration=300))

    assert outcome.verdict is Verdict.FAIL
    assert w.engine.ended["browse"] < 100


def test_the_last_windows_are_waited_for() -> None:
    """They can only be asked for after the load: without them a load of just the needed length could never pass."""
    w = world(CLEAN)
    outcome = w.attempt(beside(load=[section("browse", (HOLD, 100.0, 60.0))], min_duration=60))

    assert outcome.verdict is Verdict.PASS
    assert [second.at for second in outcome.evidence.tallies[1].seconds] == list(range(0, 60, 5))


@pytest.mark.parametrize("every", [1.0, 5.0])
def test_the_wait_for_the_last_windows_is_bounded(every: float) -> None:
    """A source that never answers them costs a few windows' length, and the metric is not known."""
    w = world(down, every=every)
    outcome = w.attempt(beside(load=[section("browse", (HOLD, 100.0, 60.0))], min_duration=60))

    assert outcome.verdict is Verdict.INCONCLUSIVE
    assert w.clock.now().monotonic <= 1000 + 62 + 3 * every + 3


def test_windows_leave_ramps_out() -> None:
    """Nothing of a ramp, a warm-up, or another section's ramp is judged."""
    w = world(CLEAN)
    load = [
        section("browse", (HOLD, 100.0, 22.0), (RAMP, 200.0, 10.0), (HOLD, 200.0, 60.0)),
        section("pay", (RAMP, 100.0, 5.0), (HOLD, 100.0, 80.0)),
    ]
    w.engine = ByOne(w.clock, w.source)
    outcome = w.attempt(beside(load=load, min_duration=200))

    assert [second.at for second in outcome.evidence.tallies[-1].seconds] == [5, 10, 15, *range(32, 92, 5)]


class ByOne(Clocked):
    """Several sections of which only the first moves the clock, and the others keep up with it."""

    def run(self, job: LoadJob, on_snapshot: Callable[[LoadSnapshot], bool]) -> LoadResult:
        if job.section.name == "browse":
            return super().run(job, on_snapshot)
        return FakeLoad.run(self, job, on_snapshot)


def test_a_source_that_hangs_does_not_delay_the_load() -> None:
    """Looks go on second by second; what is never answered is not known."""
    release = threading.Event()

    def hang(question: MetricQuestion) -> MetricAnswer:
        release.wait(30)
        return CLEAN(question)

    w = world(hang)
    w.engine = Clocked(w.clock)
    hung: list[int] = []

    def stop() -> None:
        if w.clock.now().monotonic > 1062 and not release.is_set():
            hung.append(len(w.source.questions))
            release.set()

    w.stop = stop
    outcome = w.attempt(beside(load=[section("browse", (HOLD, 100.0, 60.0))], min_duration=60))

    assert w.engine.ended["browse"] == 60.0
    assert len([message for message, _ in w.told if "sent" in message]) == 62
    assert hung == [1], "one question at a time"
    assert outcome.verdict is Verdict.PASS


def test_a_metric_that_only_reports_decides_nothing() -> None:
    """Neither its numbers nor its duration."""
    w = world(down)
    outcome = w.attempt(beside(errors(), share(role=Role.REPORT), min_duration=30))

    assert outcome.verdict is Verdict.PASS
