from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitslo.core.judge import Judgement, judge, verdict_of
from gitslo.core.stats import log_e_fail, log_e_pass
from gitslo.model import (
    AttemptEvidence,
    Evidence,
    Finding,
    LoadSummary,
    Percentiles,
    Plan,
    RatePerSecond,
    Role,
    Seconds,
    Verdict,
)
from tests.judge.plans import errors, evidence, latency, plan

ERRORS, LATENCY = "browse.errors < 1%", "browse.latency.p95 < 250ms"
NOTHING = Evidence()
PASS, FAIL, INCONCLUSIVE = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE


def look(current: AttemptEvidence, *, of=None, earlier: Evidence = NOTHING) -> Judgement:
    return judge(of or plan(), earlier, current, final=False)


def end(current: AttemptEvidence, *, of=None, earlier: Evidence = NOTHING, latched=()) -> Judgement:
    return judge(of or plan(), earlier, current, final=True, latched=latched)


# --------------------------------------------------------------------------- fail


def test_a_fail_needs_no_minimum_duration() -> None:
    """A fail may stop the load long before a pass could, once more than one burst of five seconds is seen."""
    assert look(evidence((ERRORS, 60, 600), seconds=6.0)).verdict is None
    assert look(evidence((ERRORS, 80, 800), seconds=8.0)).verdict is FAIL


def test_alpha_is_divided_among_the_deciding_objectives() -> None:
    """A fail is a union: with m deciding objectives each needs m / alpha."""
    alone, both = plan(errors()), plan(errors(), latency())

    def least(of: Plan) -> Finding:
        """The finding of the fewest errors that fail."""
        looks = (look(evidence((ERRORS, bad, 500), (LATENCY, 0, 500)), of=of) for bad in range(1, 100))
        return next(seen.findings[0] for seen in looks if seen.verdict is FAIL)

    assert (least(alone).need_fail, least(both).need_fail) == (math.log(20), math.log(40))
    assert least(both).log_e_fail >= math.log(40)


def test_what_is_only_reported_divides_nothing() -> None:
    """Only the deciding objectives share alpha."""
    of = plan(errors(), latency(role=Role.REPORT))
    needs = {finding.need_fail for finding in look(evidence((ERRORS, 0, 10)), of=of).findings}

    assert needs == {math.log(1 / 0.05)}


def test_one_failing_objective_dominates_the_passing_ones() -> None:
    """Fail dominates pass."""
    of = plan(errors(), latency())
    judged = look(evidence((ERRORS, 0, 5000), (LATENCY, 900, 5000)), of=of)

    assert judged.verdict is FAIL
    assert [finding.verdict for finding in judged.findings] == [PASS, FAIL]


def test_a_fail_stays_when_the_last_requests_dilute_it() -> None:
    """Ville allows stopping at any look: what a look decided is not judged again."""
    seen = look(evidence((ERRORS, 80, 800), seconds=8.0))
    judged = end(evidence((ERRORS, 80, 20_000)), latched=seen.findings)

    assert judged.verdict is FAIL
    assert judged.findings[0].total == 800
    assert judged.findings[0].decided_at == 8.0


def test_a_fail_on_the_last_requests_undoes_a_pass() -> None:
    """Fail dominates: it may still come after the look that passed."""
    seen = look(evidence((ERRORS, 0, 1000)))
    assert seen.verdict is PASS

    assert end(evidence((ERRORS, 60, 1100)), latched=seen.findings).verdict is FAIL


# --------------------------------------------------------------------------- pass


def test_a_pass_needs_every_deciding_objective_at_once() -> None:
    """A pass is an intersection, without any correction of beta."""
    of = plan(errors(), latency())
    one = look(evidence((ERRORS, 0, 377), (LATENCY, 30, 377)), of=of)
    both = look(evidence((ERRORS, 0, 377), (LATENCY, 0, 377)), of=of)

    assert (one.verdict, both.verdict) == (None, PASS)
    assert {finding.need_pass for finding in both.findings} == {math.log(20)}


def test_a_pass_is_never_a_running_maximum() -> None:
    """Only the present e-value counts: what once was enough is not when bad requests follow."""
    assert look(evidence((ERRORS, 0, 400))).verdict is PASS
    assert look(evidence((ERRORS, 5, 450))).verdict is None


def test_no_pass_before_the_minimum_duration() -> None:
    """Enough requests in too short a time have not met the service's rarer moments."""
    short = evidence((ERRORS, 0, 5000), seconds=9.0)

    assert look(short).verdict is None
    assert look(replace(short, judged_seconds=((short.judged_seconds[0][0], Seconds(10.0)),))).verdict is PASS
    assert end(short).findings[0].reason == "judged for 9 s of the 10 s that a pass needs"


def test_the_minimum_duration_is_that_of_the_continued_evidence() -> None:
    """All attempts of one subject are one accumulator, in seconds as in requests."""
    earlier = Evidence((evidence((ERRORS, 0, 200), seconds=5.0),))

    assert look(evidence((ERRORS, 0, 200), attempt=2, seconds=5.0), earlier=earlier).verdict is PASS


def test_no_request_never_passes() -> None:
    """Missing data never passes: no tally, an empty tally, or one objective without requests."""
    of = plan(errors(), latency())
    for current in (AttemptEvidence(1, 0.0), evidence((ERRORS, 0, 0)), evidence((ERRORS, 0, 9000))):
        judged = end(current, of=of)

        assert judged.verdict is INCONCLUSIVE
        assert judged.findings[1].reason == "no request was counted for it"
        assert judged.findings[1].log_e_pass is None


def test_a_pass_stays_when_the_last_requests_weaken_it() -> None:
    """The look that passed was a stopping time; the requests still under way complete the evidence only."""
    seen = look(evidence((ERRORS, 0, 377)))
    judged = end(evidence((ERRORS, 3, 480)), latched=seen.findings)

    assert judged.verdict is PASS
    assert judged.findings[0].total == 377


# --------------------------------------------------------------------------- our own faults


def test_requests_that_our_lag_made_bad_do_not_fail() -> None:
    """A fail's test counts bad - late, a pass's counts bad."""
    late = evidence((ERRORS, 20, 400), late=20)
    finding = look(late).findings[0]

    assert finding.log_e_fail == log_e_fail(0, 400, 0.01)
    assert finding.log_e_pass == log_e_pass(20, 400, 0.01)
    assert look(late).verdict is None


def test_a_closed_gate_blocks_a_fail_and_says_why() -> None:
    """`no_fail` makes it inconclusive, with that reason."""
    judged = end(evidence((ERRORS, 90, 900), no_fail=("the generator lagged",)))

    assert judged.verdict is INCONCLUSIVE
    assert judged.findings[0].reason == "the numbers would decide a fail, but the generator lagged"


def test_a_closed_gate_blocks_a_pass_and_says_why() -> None:
    """`no_pass` makes it inconclusive, with that reason."""
    judged = end(evidence((ERRORS, 0, 9000), no_pass=("only half was delivered",)))

    assert judged.verdict is INCONCLUSIVE
    assert judged.findings[0].reason == "the numbers would decide a pass, but only half was delivered"


def test_a_gate_leaves_the_other_direction_open() -> None:
    """Our own lag blocks only a fail, under-delivery only a pass."""
    assert end(evidence((ERRORS, 90, 900), no_pass=("half",))).verdict is FAIL
    assert end(evidence((ERRORS, 0, 900), no_fail=("lag",))).verdict is PASS


def test_a_gate_that_closed_after_the_look_undoes_its_decision() -> None:
    """The health of the generator is known at the end only."""
    failed, passed = look(evidence((ERRORS, 40, 400))), look(evidence((ERRORS, 0, 400)))
    assert (failed.verdict, passed.verdict) == (FAIL, PASS)
    not_fail = end(evidence((ERRORS, 40, 5000), no_fail=("lag",)), latched=failed.findings)
    not_pass = end(evidence((ERRORS, 0, 450), no_pass=("half",)), latched=passed.findings)

    assert (not_fail.verdict, not_pass.verdict) == (INCONCLUSIVE, INCONCLUSIVE)
    assert not_fail.findings[0].reason == "the numbers decided a fail, but lag"


def test_evidence_with_a_faulty_attempt_can_be_extended() -> None:
    """Extension must be able to decide, or a lost shard would hold an environment for ever."""
    earlier = Evidence((evidence((ERRORS, 0, 9000), no_pass=("half",), no_fail=("half",)),))

    assert look(evidence((ERRORS, 0, 400), attempt=2), earlier=earlier).verdict is PASS
    assert look(evidence((ERRORS, 30, 1000), attempt=2), earlier=earlier).verdict is None
    assert look(evidence((ERRORS, 9_000, 50_000), attempt=2, seconds=300.0), earlier=earlier).verdict is FAIL


def test_a_faulty_attempt_still_speaks_against_the_direction() -> None:
    """Its bad requests count against a pass, its good ones against a fail, its seconds for nothing."""
    earlier = Evidence((evidence((ERRORS, 4, 9000), seconds=60.0, no_pass=("half",), no_fail=("lag",)),))
    finding = look(evidence((ERRORS, 1, 400), attempt=2, seconds=9.0), earlier=earlier).findings[0]
    without = look(evidence((ERRORS, 1, 400), attempt=2, seconds=9.0)).findings[0]

    assert finding.log_e_pass == pytest.approx(log_e_pass(4 + 1, 4 + 400, 0.01), abs=1e-9)
    assert finding.log_e_fail < without.log_e_fail
    assert (finding.bad, finding.total) == (5, 9400)
    assert look(evidence((ERRORS, 0, 3000), attempt=2, seconds=9.0), earlier=earlier).verdict is None


@given(
    st.integers(0, 50),
    st.integers(0, 3000),
    st.integers(0, 50),
    st.integers(1, 3000),
    st.sampled_from(["fail", "pass"]),
)
def test_a_fault_of_ours_never_helps_a_verdict(bad, total, now_bad, now, side) -> None:
    """Closing a gate on an earlier attempt never brings the verdict of that direction."""
    total, now = total + bad, now + now_bad
    clean = evidence((ERRORS, bad, total))
    faulty = replace(clean, no_fail=("lag",)) if side == "fail" else replace(clean, no_pass=("half",))
    current = evidence((ERRORS, now_bad, now), attempt=2)
    with_fault = end(current, earlier=Evidence((faulty,))).verdict
    without = end(current, earlier=Evidence((clean,))).verdict

    assert with_fault.value != side or without.value == side


# --------------------------------------------------------------------------- the rest of the frame


def test_the_end_is_never_open() -> None:
    """Undecided at the end is inconclusive; before the end it means to go on."""
    between = evidence((ERRORS, 11, 1000))

    assert look(between).verdict is None
    assert end(between).verdict is INCONCLUSIVE
    assert end(between).findings[0].reason == "the evidence lies between: 1.1 % measured, 1 % allowed"


def test_an_undecided_end_says_how_much_is_missing() -> None:
    """People are told the number of clean requests that would do."""
    reason = end(evidence((ERRORS, 0, 177))).findings[0].reason

    assert reason == "needs about 200 more clean requests"


def test_all_attempts_are_judged_together() -> None:
    """Fresh attempts until decided would pass a service at its limit in the end; these add up."""
    halves = Evidence((evidence((ERRORS, 0, 200)),))
    finding = look(evidence((ERRORS, 0, 200), attempt=2), earlier=halves).findings[0]

    assert (finding.total, finding.verdict, finding.attempt) == (400, PASS, 2)


def test_reported_objectives_decide_nothing() -> None:
    """`role: report` gets a finding and no say."""
    of = plan(errors(), latency(role=Role.REPORT))
    judged = end(evidence((ERRORS, 0, 1000), (LATENCY, 900, 1000)), of=of)

    assert judged.verdict is PASS
    assert [(finding.verdict, finding.decides) for finding in judged.findings] == [(PASS, True), (FAIL, False)]


def test_a_quantile_is_a_share_of_slow_requests() -> None:
    """`p95 < X` is judged as: at most 5 % of the requests are above X."""
    finding = look(evidence((ERRORS, 0, 1000), (LATENCY, 30, 1000)), of=plan(errors(), latency())).findings[1]

    assert finding.log_e_pass == log_e_pass(30, 1000, 0.05)
    assert finding.limit == 0.25


def test_not_ready_in_time_is_a_fail() -> None:
    """The finding is `readiness` with the last reason."""
    judged = end(AttemptEvidence(1, 0.0, not_ready="status 503"))

    assert judged.verdict is FAIL
    assert [(f.objective, f.verdict, f.reason) for f in judged.findings] == [("readiness", FAIL, "status 503")]


def test_the_measured_values_are_the_share_and_the_quantile() -> None:
    """Errors: the share over all attempts; latency: the newest attempt's quantile, None where it has none."""
    summary = LoadSummary(
        "browse", None, 1000, (), RatePerSecond(100.0), RatePerSecond(100.0), Percentiles(p95=0.12), Seconds(0.0)
    )
    counts = ((ERRORS, 5, 1000), (LATENCY, 0, 1000), ("browse.latency.p97 < 1s", 0, 1000))
    of = plan(errors(), latency(), latency("browse.latency.p97 < 1s", 1.0, 0.97))
    earlier = Evidence((replace(evidence(*counts), loads=(summary,)),))
    others = (replace(summary, load="pay"), replace(summary, latency=Percentiles()))
    current = replace(evidence((ERRORS, 0, 1000), attempt=2), loads=others)
    judged = end(current, of=of, earlier=earlier)

    assert [finding.measured for finding in judged.findings] == [0.0025, 0.12, None]


def test_a_limit_of_zero_fails_on_the_first_and_never_passes() -> None:
    """Legal, decided by one bad request, proven by none; and every number in the finding is finite."""
    of = plan(errors(limit=0.0))
    failed, open_end = end(evidence((ERRORS, 1, 10)), of=of), end(evidence((ERRORS, 0, 10_000)), of=of)

    assert (failed.verdict, open_end.verdict) == (FAIL, INCONCLUSIVE)
    assert open_end.findings[0].reason == "no number of requests proves a limit of 0"
    assert all(math.isfinite(value) for value in (failed.findings[0].log_e_fail, failed.findings[0].log_e_pass))


@pytest.mark.parametrize(("bad", "expected"), [(0, PASS), (12, INCONCLUSIVE), (40, FAIL)])
def test_counts_alone(bad, expected) -> None:
    """`gitslo judge` decides by the same two tests."""
    assert verdict_of(bad, 1000, 0.01, need_fail=math.log(20), need_pass=math.log(20)) is expected


def test_no_counts_are_inconclusive() -> None:
    """Zero requests decide nothing, whatever is asked."""
    assert verdict_of(0, 0, 0.01, need_fail=-1.0, need_pass=-1.0) is INCONCLUSIVE
