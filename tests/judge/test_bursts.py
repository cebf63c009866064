from __future__ import annotations

import math
from dataclasses import replace

from gitslo.core.judge import explain, judge
from gitslo.core.stats import log_e_fail, log_e_pass
from gitslo.model import AttemptEvidence, Evidence, Finding, Second, Verdict
from tests.judge.plans import burst, evidence, plan, spread

ERRORS = "browse.errors < 1%"
NOTHING = Evidence()


def counted(rows: tuple[Second, ...], *, seconds: float = 60.0) -> AttemptEvidence:
    whole = evidence((ERRORS, 0, 60), seconds=seconds)
    return replace(whole, tallies=(replace(whole.tallies[0], seconds=rows),))


def ended(rows: tuple[Second, ...]) -> Finding:
    return judge(plan(), NOTHING, counted(rows), final=True).findings[0]


def test_one_burst_is_never_taken_for_a_rate() -> None:
    """Whatever is bad in one burst of up to five seconds fails nothing, however much independent requests would."""
    rows = tuple(Second(row.at, row.total, row.total if 20 <= row.at < 25 else 0) for row in spread(0, 12_000, 60))
    finding = ended(rows)
    assert log_e_fail(finding.bad, finding.total, 0.01) > 1_000

    assert finding.verdict is Verdict.INCONCLUSIVE
    assert explain(finding) == (
        "Undecided: 8.33 % measured, all of it in one 5 s burst: not enough evidence for a rate above 1 %."
    )


def test_the_quiet_between_bursts_is_never_taken_for_health() -> None:
    """Bursts that were seen make the good requests between them worth less, too."""
    rows = tuple(Second(row.at, row.total, 10 if row.at % 10 == 3 else 0) for row in spread(0, 12_000, 60))
    finding = ended(rows)
    assert log_e_pass(finding.bad, finding.total, 0.01) > math.log(20)

    assert finding.verdict is Verdict.INCONCLUSIVE
    assert finding.effect > 5
    assert explain(finding) == (
        "Undecided: 0.5 % measured, in bursts that make 12,000 requests worth 1,305:"
        " not enough evidence that it stays below 1 %."
    )


def test_a_finding_says_what_its_requests_were_worth() -> None:
    """The design effect is in the finding; independent requests are worth themselves."""
    even, clustered = ended(spread(60, 12_000, 60)), ended(burst(60, 12_000, 60))

    assert even.effect == 1.0
    assert clustered.effect > 20
    assert clustered.burst is not None
    assert (clustered.burst.at, clustered.burst.seconds, clustered.burst.bad) == (20, 1, 60)


def test_a_pass_states_what_it_could_not_see() -> None:
    """What a pass cannot know is bursts that have not come: its sentence says so."""
    finding = ended(spread(0, 12_000, 60))

    assert explain(finding) == (
        "0 of 12,000 requests failed (0 %) and 1 % may: the limit is kept,"
        " unless trouble comes in bursts rarer than once in 1 min."
    )


def test_what_could_be_seen_is_what_all_attempts_saw() -> None:
    """Evidence that is continued has been looked at for longer than the present attempt."""
    earlier = Evidence((counted(spread(0, 12_000, 60)),))
    nothing_yet = AttemptEvidence(2, 0.0)
    finding = judge(plan(), earlier, nothing_yet, final=False).findings[0]

    assert finding.verdict is Verdict.PASS
    assert explain(finding).endswith("rarer than once in 1 min.")
