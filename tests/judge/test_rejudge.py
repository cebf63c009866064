from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitslo.core.codec import dump_json, from_json, load_json, to_json
from gitslo.core.rejudge import judged_again, look_of, seen_at_look
from gitslo.model import (
    Allowed,
    AttemptEvidence,
    Ceilings,
    Evidence,
    MetricSeries,
    Phase,
    Plan,
    Sample,
    Second,
    Seconds,
    Tally,
    Verdict,
)
from gitslo.run import AttemptOrder, AttemptOutcome, attempt
from gitslo.testing.fake_load import Script
from gitslo.testing.fake_readiness import FakeReadiness
from gitslo.testing.manual_clock import ManualClock
from tests.judge.plans import HOLD, errors, latency, plan, section
from tests.run.scripted_metrics import Clocked, Scripted, counts, each, gauge, mean, ratio, share

NONE = Evidence()
LONG = section("browse", (HOLD, 100.0, 400.0))
WITH_METRICS = replace(plan(errors(), share(), mean(), load=[LONG], min_duration=30), metrics=(ratio(), gauge()))


def run(of: Plan, script: Script, bad: int = 0, earlier: Evidence = NONE) -> AttemptOutcome:
    clock = ManualClock()
    source = Scripted(
        lambda question: each(lambda _: 0.5 if question.section.name == "cpu" else counts(500, bad))(question)
    )
    order = AttemptOrder(
        plan=of,
        number=len(earlier.attempts) + 1,
        earlier=earlier,
        extension=0,
        addresses={},
        allowed=Allowed(targets=("*",)),
        ceilings=Ceilings(),
        run_id="r",
        seed=1,
    )
    return attempt(
        order,
        clock=clock,
        readiness=FakeReadiness(),
        engine=Clocked(clock, source, browse=script),
        sources={"prom": source},
        stop=lambda: None,
        tell=lambda *_: None,
    )


def stored(evidence: Evidence) -> Evidence:
    """As a file or a ledger gives it back."""
    return from_json(Evidence, load_json(dump_json(to_json(evidence)), where="x", cap=10**8), where="x")


@pytest.mark.parametrize(
    ("of", "script", "bad", "verdict"),
    [
        (plan(min_duration=10), Script(), 0, Verdict.PASS),
        (plan(min_duration=60), Script(bad=lambda _: 0.2), 0, Verdict.FAIL),
        (plan(), Script(bad=lambda _: 0.01), 0, Verdict.INCONCLUSIVE),
        # What came after the look speaks against it, and the look's word stays.
        (plan(min_duration=10), Script(bad=lambda second: 0.0 if second < 10 else 0.9), 0, Verdict.PASS),
        (plan(min_duration=10), Script(bad=lambda second: 0.0 if second < 10 else 0.02), 0, Verdict.PASS),
        (plan(min_duration=10), Script(no_pass=("under-delivered",)), 0, Verdict.INCONCLUSIVE),
        (plan(min_duration=60), Script(bad=lambda _: 0.2, no_fail=("lag",)), 0, Verdict.INCONCLUSIVE),
        (plan(errors(), latency(), min_duration=10), Script(late=lambda _: 0.01), 0, Verdict.INCONCLUSIVE),
        (WITH_METRICS, Script(), 0, Verdict.PASS),
        (WITH_METRICS, Script(), 100, Verdict.FAIL),
    ],
)
def test_a_verdict_follows_from_what_is_stored(of: Plan, script: Script, bad: int, verdict: Verdict) -> None:
    """The same verdict and the same findings, number by number, from the evidence and the plan alone."""
    outcome = run(of, script, bad)
    again = judged_again(of, stored(Evidence((outcome.evidence,))))

    assert again is not None
    assert (again.verdict, again.findings) == (outcome.verdict, outcome.findings)
    assert outcome.verdict is verdict


def test_an_extension_follows_from_all_attempts() -> None:
    """Only the last attempt's look decided; the earlier ones are there whole."""
    of = plan(min_duration=70)
    first = run(of, Script())
    second = run(of, Script(bad=lambda second: 0.0 if second < 20 else 0.02), earlier=Evidence((first.evidence,)))
    again = judged_again(of, stored(Evidence((first.evidence, second.evidence))))

    assert again is not None
    assert (first.verdict, second.verdict) == (Verdict.INCONCLUSIVE, Verdict.PASS)
    assert (again.verdict, again.findings) == (second.verdict, second.findings)


def test_what_was_never_ready_follows_too() -> None:
    """The finding is its readiness; and where nothing was judged there is nothing to say."""
    again = judged_again(plan(), Evidence((AttemptEvidence(1, 0.0, not_ready="status 503"),)))

    assert again is not None
    assert again.verdict is Verdict.FAIL
    assert judged_again(plan(), Evidence()) is None


ROWS = st.dictionaries(st.integers(0, 30), st.integers(0, 3), max_size=20).map(
    lambda rows: tuple(Second(at, 5, rows[at], min(1, rows[at])) for at in sorted(rows))
)


@settings(derandomize=True, database=None, deadline=None, max_examples=300)
@given(ROWS, ROWS, st.integers(0, 30))
def test_a_look_can_always_be_seen_again(early: tuple[Second, ...], late: tuple[Second, ...], until: int) -> None:
    """Whatever became of the counts after it: more of them, fewer that were our own fault, several put together."""

    def of(rows: tuple[Second, ...], every: float, seconds: float) -> AttemptEvidence:
        series = MetricSeries("cpu", Phase.STEADY, Seconds(every), tuple(Sample(float(row.at), 0.5) for row in rows))
        return AttemptEvidence(
            1,
            0.0,
            judged_seconds=((Phase.STEADY, Seconds(seconds)),),
            tallies=(Tally("a", Phase.STEADY, rows), Tally("b", Phase.STEADY, rows)),
            series=(series,),
        )

    seen, whole = of(early, 1.0, 3.0), of(late, 2.0, 9.0)
    cut = of(tuple(row for row in late if row.at < until), 1.0, 3.0)

    for look in (seen, cut):
        assert seen_at_look(replace(whole, look=look_of(look, whole))) == look
    assert look_of(cut, whole).counts[0].otherwise == (), "what is the attempt's own is not stored twice"
