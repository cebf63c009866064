from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from gitslo.errors import Refused, Retry
from gitslo.model import (
    Allowed,
    Ceilings,
    Evidence,
    GrpcHealthReadiness,
    Percentiles,
    Phase,
    Plan,
    RatePerSecond,
    Seconds,
    TcpReadiness,
    Verdict,
)
from gitslo.ports import LoadJob, LoadResult, LoadSnapshot
from gitslo.run import AttemptOrder, AttemptOutcome, CutOff, attempt
from gitslo.testing.fake_load import FakeLoad, Script
from gitslo.testing.fake_readiness import FakeReadiness
from gitslo.testing.manual_clock import ManualClock
from tests.judge.plans import HOLD, RAMP, errors, latency, plan, ready, section

SLOW = Script(bad=lambda _: 0.2)
CEILINGS = Ceilings()


@dataclass
class World:
    """Everything an attempt touches, and what it said."""

    clock: ManualClock
    readiness: FakeReadiness
    engine: FakeLoad
    told: list[tuple[str, dict[str, object]]]
    stop: Callable[[], str | None] = lambda: None

    def attempt(self, of: Plan, **changes: object) -> AttemptOutcome:
        order = AttemptOrder(
            plan=of,
            number=1,
            earlier=Evidence(),
            extension=0,
            addresses={},
            allowed=Allowed(targets=("*.dev.svc",)),
            ceilings=CEILINGS,
            run_id="shop/dev/1/1",
            seed=7,
        )
        return attempt(
            replace(order, **changes),
            clock=self.clock,
            readiness=self.readiness,
            engine=self.engine,
            stop=self.stop,
            tell=lambda message, fields: self.told.append((message, dict(fields))),
        )


def world(*, readiness: FakeReadiness | None = None, **scripts: Script) -> World:
    return World(ManualClock(), readiness or FakeReadiness(), FakeLoad(**scripts), [])


# --------------------------------------------------------------------------- verdicts


def test_a_clean_service_passes_as_soon_as_it_may() -> None:
    """The load ends at the look at which every finding passes and the minimum duration has run."""
    w = world()
    outcome = w.attempt(plan(min_duration=10))

    assert outcome.verdict is Verdict.PASS
    # 10 judged seconds, and the time-out of 2 s that the last of them needs to be known.
    assert w.engine.ended == {"browse": 12.0}
    assert outcome.evidence.judged_seconds == ((Phase.STEADY, 12.0),)
    assert outcome.evidence.tallies[0].total == 1200
    assert outcome.findings[0].decided_at == 10.0


def test_a_broken_service_fails_at_once() -> None:
    """A fail ends the load at the first look at which no burst of 5 s can explain it, long before the minimum."""
    w = world(browse=SLOW)
    outcome = w.attempt(plan(min_duration=60))

    assert outcome.verdict is Verdict.FAIL
    # Six seconds, and the time-out of 2 s that the last of them needs to be known.
    assert w.engine.ended == {"browse": 8.0}


def test_a_service_at_its_limit_is_inconclusive_when_the_stages_end() -> None:
    """Neither decided: all stages have run, and the evidence is kept."""
    w = world(browse=Script(bad=lambda _: 0.01))
    outcome = w.attempt(plan())

    assert outcome.verdict is Verdict.INCONCLUSIVE
    assert w.engine.ended == {"browse": 60.0}
    assert outcome.evidence.tallies[0].bad == 60
    assert len(outcome.evidence.tallies[0].seconds) == 60


def test_the_load_never_exceeds_max_duration() -> None:
    """What is sent beyond it could decide nothing."""
    w = world(browse=Script(bad=lambda _: 0.01))
    w.attempt(plan(max_duration=20))

    assert w.engine.ended == {"browse": 20.0}
    assert w.engine.jobs[0].judged == ((Phase.STEADY, 0.0, 20.0),)


def test_earlier_evidence_counts() -> None:
    """An extension is judged on everything, under its own number."""
    w = world()
    short = plan(load=[section("browse", (HOLD, 30, 8))], min_duration=10)
    first = w.attempt(short)
    second = w.attempt(short, number=2, extension=1, earlier=Evidence((first.evidence,)))

    assert (first.verdict, second.verdict) == (Verdict.INCONCLUSIVE, Verdict.PASS)
    assert (second.evidence.attempt, second.evidence.tallies[0].total) == (2, 210)
    assert second.findings[0].total == 390


def test_an_extension_repeats_only_the_last_hold() -> None:
    """The schedule of the engine's job is that of the extension."""
    w = world()
    w.attempt(plan(load=[section("browse", (RAMP, 50, 30), (HOLD, 50, 40), warmup=5)]), extension=2)

    assert [(stage.form, stage.duration) for stage in w.engine.jobs[0].section.stages] == [(HOLD, 45.0)]
    assert w.engine.jobs[0].judged == ((Phase.STEADY, 5.0, 45.0),)


def test_ramps_and_warm_up_leave_no_evidence() -> None:
    """A service that breaks during the warm-up only has not broken its objectives."""
    w = world(browse=Script(bad=lambda second: 1.0 if second < 10 else 0.0))
    outcome = w.attempt(plan(load=[section("browse", (RAMP, 100, 5), (HOLD, 100, 60), warmup=10)]))

    assert outcome.verdict is Verdict.PASS
    assert outcome.evidence.tallies[0].bad == 0
    assert outcome.evidence.tallies[0].seconds[0].at == 10


def test_what_was_decided_stays_decided() -> None:
    """The last seconds were not judged when the look passed; they complete the evidence only."""
    w = world(browse=Script(bad=lambda second: 0.0 if second < 10 else 0.02))
    outcome = w.attempt(plan(min_duration=10))

    assert outcome.verdict is Verdict.PASS
    assert (outcome.findings[0].total, outcome.evidence.tallies[0].total) == (1000, 1200)


def test_a_gate_that_closes_at_the_end_makes_it_inconclusive() -> None:
    """Under-delivery blocks a pass that a look had decided."""
    w = world(browse=Script(no_pass=("released 50 % of the planned rate",)))
    outcome = w.attempt(plan())

    assert outcome.verdict is Verdict.INCONCLUSIVE
    assert outcome.evidence.no_pass == ("released 50 % of the planned rate",)


def test_our_own_lag_does_not_fail() -> None:
    """Requests that only the generator made late are no evidence against the service."""
    w = world(browse=Script(late=lambda _: 0.3, no_fail=("lag",)))

    assert w.attempt(plan()).verdict is Verdict.INCONCLUSIVE


# --------------------------------------------------------------------------- sections


def test_sections_run_at_the_same_time() -> None:
    """Every section's load has begun before any has ended."""
    barrier = threading.Barrier(2, timeout=10)

    class Meeting(FakeLoad):
        def run(self, job: LoadJob, on_snapshot: Callable[[LoadSnapshot], bool]) -> LoadResult:
            barrier.wait()
            return super().run(job, on_snapshot)

    w = world()
    w.engine = Meeting()
    outcome = w.attempt(two_sections())

    assert sorted(w.engine.ended) == ["browse", "pay"]
    assert {tally.objective for tally in outcome.evidence.tallies} == {"browse.errors < 1%", "pay.errors < 1%"}


def two_sections(**changes: object) -> Plan:
    return plan(
        errors(),
        errors("pay.errors < 1%"),
        load=[section("browse"), section("pay", (HOLD, 100.0, 60.0), target="till")],
        **changes,
    )


def test_a_pass_waits_for_every_section() -> None:
    """Findings of all sections are judged together."""
    w = world(pay=Script(bad=lambda _: 0.01))
    outcome = w.attempt(two_sections())

    assert outcome.verdict is Verdict.INCONCLUSIVE
    assert w.engine.ended == {"browse": 60.0, "pay": 60.0}


def test_a_fail_in_one_section_ends_all() -> None:
    """No request is sent any more once the verdict is known."""
    stepped = Stepped("browse", "pay", pay=SLOW)
    w = world()
    w.engine = stepped
    outcome = w.attempt(two_sections())

    assert outcome.verdict is Verdict.FAIL
    assert max(stepped.ended.values()) <= 9.0


class Stepped(FakeLoad):
    """Sections go on second by second, together, as real ones do."""

    def __init__(self, *names: str, **scripts: Script) -> None:
        super().__init__(**scripts)
        self._barrier = threading.Barrier(len(names), timeout=10)

    def run(self, job: LoadJob, on_snapshot: Callable[[LoadSnapshot], bool]) -> LoadResult:
        def step(snapshot: LoadSnapshot) -> bool:
            with contextlib.suppress(threading.BrokenBarrierError):  # the other section has ended
                self._barrier.wait()
            return on_snapshot(snapshot)

        try:
            return super().run(job, step)
        finally:
            self._barrier.abort()


def test_the_shorter_section_counts_for_the_duration() -> None:
    """The phase has been judged for as long as the deciding section that was judged least."""
    of = plan(
        errors(),
        errors("pay.errors < 1%"),
        load=[section("browse"), section("pay", (HOLD, 100.0, 20.0))],
        min_duration=30,
    )
    outcome = world().attempt(of)

    assert outcome.verdict is Verdict.INCONCLUSIVE
    assert outcome.evidence.judged_seconds == ((Phase.STEADY, 20.0),)
    assert outcome.findings[0].reason == "judged for 20 s of the 30 s that a pass needs"


def test_an_engine_that_gives_up_leaves_no_evidence() -> None:
    """Retry propagates, and the other sections end."""
    w = world()
    w.engine = Stepped("browse", "pay", pay=Script(raises=Retry("no load worker came through")))

    with pytest.raises(Retry, match="the load `pay` on `till` could not be carried out: no load worker"):
        w.attempt(two_sections(min_duration=60))
    assert w.engine.ended["browse"] < 60.0


# --------------------------------------------------------------------------- readiness


def test_readiness_comes_before_load() -> None:
    """Not a request is sent before every check has held; what it waits for is told once."""
    probe = FakeReadiness(["status 503", "status 503"])
    w = world(readiness=probe)
    of = plan(readiness=[ready()])
    outcome = w.attempt(of)

    assert outcome.verdict is Verdict.PASS
    assert len(probe.looks) == 3
    assert [message for message, _ in w.told if "not ready" in message] == [
        "`shop` (/readyz) is not ready yet: status 503"
    ]
    assert all(0.2 <= pause <= 1.0 for pause in w.clock.slept)


def test_not_ready_in_time_is_a_fail_with_the_last_reason() -> None:
    """Rule 1: the finding is `readiness`, and no load is sent."""
    w = world(readiness=FakeReadiness(for_ever="status 503, expected 200"))
    outcome = w.attempt(plan(readiness=[ready(within=5)]))

    assert outcome.verdict is Verdict.FAIL
    assert [finding.objective for finding in outcome.findings] == ["readiness"]
    assert outcome.evidence.not_ready == "`shop` (/readyz) was not ready within 5 s: status 503, expected 200"
    assert w.engine.jobs == []
    assert sum(w.clock.slept) == pytest.approx(5.0)


def test_every_check_has_its_own_deadline_from_the_start() -> None:
    """The deadlines overlap: an attempt never waits longer than the longest one."""
    checks = [
        TcpReadiness("till", Seconds(3.0)),
        GrpcHealthReadiness("shop", "acme.Shop", Seconds(9.0)),
    ]
    w = world(readiness=FakeReadiness(for_ever="refused"))
    outcome = w.attempt(plan(readiness=checks))

    assert outcome.evidence.not_ready == "`till` (TCP) was not ready within 3 s: refused"


def test_a_check_that_held_is_not_asked_again() -> None:
    """Readiness is reached, not kept."""
    probe = FakeReadiness(["no", "no"])
    w = world(readiness=probe)
    w.attempt(plan(readiness=[ready("shop"), ready("till")]))

    assert [target for target, _, _ in probe.looks] == ["shop", "till", "shop", "till"]


def test_a_slow_look_still_ends_in_time() -> None:
    """A look's time-out is never longer than 2 s, nor much longer than what is left."""
    clock = ManualClock()
    probe = FakeReadiness(for_ever="no answer", on_look=lambda: clock.advance(2.0))
    w = World(clock, probe, FakeLoad(), [])
    w.attempt(plan(readiness=[ready(within=5)]))

    assert [timeout for _, _, timeout in probe.looks] == [2.0, 2.0, pytest.approx(0.5)]


def test_what_does_not_roll_out_is_not_asked() -> None:
    """The syncer's own word is enough for the finding `readiness`."""
    w = world()
    outcome = w.attempt(plan(readiness=[ready()]), not_rolled_out="image pull back-off")

    assert outcome.verdict is Verdict.FAIL
    assert outcome.findings[0].reason == "image pull back-off"
    assert (w.readiness.looks, w.engine.jobs) == ([], [])


# --------------------------------------------------------------------------- bounds


def test_hosts_must_be_allowed_before_anything_is_asked() -> None:
    """The host is named, and how to allow it."""
    w = world()
    with pytest.raises(Refused, match=r"'shop.dev.svc' of target `shop` is not allowed .*allow.targets") as refused:
        w.attempt(plan(readiness=[ready("till")]), allowed=Allowed(targets=("shop.prod.svc", "s?op.dev.svc")))

    assert len(refused.value.problems) == 2
    assert (w.readiness.looks, w.engine.jobs) == ([], [])


def test_a_star_is_the_only_pattern() -> None:
    """`*` stands for any run of characters; brackets, dots and question marks are themselves."""
    for patterns, allowed in (
        (("*",), True),
        (("shop.*",), True),
        (("SHOP.dev.svc",), True),
        (("sho[p].dev.svc",), False),
        (("shop.dev",), False),
        (("shopXdev.svc",), False),
        ((), False),
    ):
        try:
            world().attempt(plan(), allowed=Allowed(targets=patterns))
        except Refused:
            assert not allowed, patterns
        else:
            assert allowed, patterns


def test_the_ceilings_are_kept() -> None:
    """A plan asks, the operator decides; everything beyond is named at once."""
    w = world()
    of = plan(load=[replace(section("browse", (HOLD, 200, 100)), connections=50)])
    tight = replace(CEILINGS, rate=RatePerSecond(100.0), duration=Seconds(60.0), connections=10)
    with pytest.raises(Refused) as refused:
        w.attempt(of, ceilings=tight)

    assert [problem.message for problem in refused.value.problems] == [
        "the load `browse` asks for 200/s, the operator's ceiling `rate` is 100/s",
        "the load `browse` asks for 100 s, the operator's ceiling `duration` is 60 s",
        "the load `browse` asks for 50, the operator's ceiling `connections` is 10",
    ]
    assert w.engine.jobs == []


def test_max_duration_brings_a_long_plan_under_the_ceiling() -> None:
    """What is not sent is not counted against the operator's ceiling."""
    outcome = world().attempt(
        plan(load=[section("browse", (HOLD, 10, 5000))], max_duration=100), ceilings=Ceilings(duration=Seconds(100.0))
    )

    assert outcome.verdict is Verdict.PASS


def test_given_addresses_are_used() -> None:
    """The syncer's address stands for the name, for readiness and for load; other names stay as they are."""
    w = world()
    w.attempt(two_sections(readiness=[ready()]), addresses={"shop.dev.svc:8080": ("127.0.0.1", 4711)})

    assert [address for _, address, _ in w.readiness.looks] == [("127.0.0.1", 4711)]
    assert {job.section.name: job.address for job in w.engine.jobs} == {
        "browse": ("127.0.0.1", 4711),
        "pay": ("till.dev.svc", 8080),
    }
    assert {job.target.host for job in w.engine.jobs} == {"shop.dev.svc", "till.dev.svc"}


def test_the_job_says_all_that_the_engine_needs() -> None:
    """Objectives of that section only, seed, run id, a deadline after the last time-out; workers are its own choice."""
    w = world()
    w.attempt(two_sections())
    job = next(job for job in w.engine.jobs if job.section.name == "pay")

    assert [objective.text for objective in job.objectives] == ["pay.errors < 1%"]
    assert (job.seed, job.run_id, job.workers, job.deadline) == (7, "shop/dev/1/1", 0, 67.0)


def test_no_load_is_begun_that_another_holder_could_meet() -> None:
    """Load is fenced: when too little of the claim is left there is no evidence rather than two loads at once."""
    w = world(readiness=FakeReadiness(["no"] * 10))
    of = plan(readiness=[ready()])
    until = Seconds(w.clock.now().monotonic + 70.0)

    with pytest.raises(Retry, match="are left of this attempt"):
        w.attempt(of, deadline=until)
    assert w.engine.jobs == []
    assert world().attempt(of, deadline=until).verdict is Verdict.PASS


def test_the_fence_stands_where_the_claim_put_it() -> None:
    """A holder that was stopped between its claim and its load begins too late, however fast it is then."""
    w = world()
    until = Seconds(w.clock.now().monotonic + 70.0)
    w.clock.advance(60.0)

    with pytest.raises(Retry, match="10 s are left of this attempt"):
        w.attempt(plan(), deadline=until)
    assert w.engine.jobs == []


# --------------------------------------------------------------------------- being cut off


def test_a_stop_during_readiness_cuts_off() -> None:
    """The caller's reason is the exception's, and nothing is left behind."""
    w = world(readiness=FakeReadiness(for_ever="no"))
    answers = iter([None, None, "draining"])
    w.stop = lambda: next(answers)

    with pytest.raises(CutOff, match="draining"):
        w.attempt(plan(readiness=[ready()]))


def test_a_stop_during_load_cuts_off() -> None:
    """It is asked at every look; the load ends and leaves no evidence, even if the look would have decided."""
    w = world(browse=SLOW)
    w.stop = lambda: "the subject is gone" if w.engine.jobs else None

    with pytest.raises(CutOff) as cut:
        w.attempt(plan())
    assert cut.value.reason == "the subject is gone"
    assert w.engine.ended == {"browse": 1.0}


# --------------------------------------------------------------------------- telling


def test_progress_is_told_every_second() -> None:
    """Numbers by stable names; the sections together."""
    w = world(browse=Script(latency=Percentiles(p50=0.01, p99=0.05)))
    w.attempt(plan(min_duration=3))
    message, fields = w.told[-1]

    assert message == "6 s: 600 sent, 0 errors"
    assert fields == {
        "elapsed": 6.0,
        "sent": 600,
        "errors": 0,
        "in_flight": 0,
        "rate": 100.0,
        "p50": 0.01,
        "p99": 0.05,
    }
    assert len(w.told) == 6


def test_the_summary_reaches_the_evidence() -> None:
    """For people: percentiles in the finding, histograms while they are small."""
    script = Script(latency=Percentiles(p95=0.12), histogram="x" * 100)
    outcome = world(browse=script).attempt(plan(errors(), latency()))
    large = world(browse=replace(script, histogram="x" * 100_000)).attempt(plan(errors(), latency()))

    assert outcome.findings[1].measured == 0.12
    assert [len(load.histogram) for load in outcome.evidence.loads] == [100]
    assert [len(load.histogram) for load in large.evidence.loads] == [0]
