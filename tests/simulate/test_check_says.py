from __future__ import annotations

from dataclasses import replace

import pytest

from gitslo.core.lint import lint_plan
from gitslo.core.simulation.draws import generator
from gitslo.core.simulation.lanes import judged_totals, timeline
from gitslo.core.simulation.outcomes import simulate
from gitslo.core.simulation.truth import ShareTruth
from gitslo.model import JudgedUnit, Plan, Share
from tests.judge.plans import HOLD, RAMP, errors, plan, section


def held(rate: float, seconds: float, limit: float = 0.01, min_duration: float = 1.0) -> Plan:
    text = f"browse.errors < {limit:.6%}"
    load = section("browse", (RAMP, rate, 4.0), (HOLD, rate, seconds), timeout=1.0)
    return plan(errors(text, limit), load=[load], min_duration=min_duration)


def said(tried: Plan, extensions: int = 0) -> str:
    return " ".join(remark.problem.message for remark in lint_plan(tried, "slo.yaml", extensions))


def ended(tried: Plan, share: float, extensions: int = 0) -> tuple[int, int]:
    """How many of fifty runs pass, and fail."""
    line = timeline(tried, extensions=extensions)
    truths = {lane.text: ShareTruth(Share(share)) for lane in line.lanes}
    (found,) = simulate(line, truths, generator(5), 50)
    return found[""].passed, found[""].failed


@pytest.mark.parametrize(("seconds", "can"), [(3.0, False), (4.0, True)])
def test_what_check_says_can_never_pass_never_does(seconds, can) -> None:
    """At the number of clean requests that it prints a clean service passes, and below it none does."""
    tried = held(100.0, seconds, 0.01)

    assert can is ("it can never pass" not in said(tried))
    assert (50 * can) == ended(tried, 0.0)[0]


@pytest.mark.parametrize(("seconds", "can"), [(5.0, False), (6.0, True)])
def test_what_check_says_can_never_fail_never_does(seconds, can) -> None:
    """Not before its sixth judged second does anything fail, an outage included; from there on one does."""
    tried = held(200.0, seconds)

    assert can is ("can never fail: 5 seconds are judged" not in said(tried))
    assert (50 * can) == ended(tried, 1.0)[1]


def test_extensions_add_up() -> None:
    """What one attempt cannot prove, three can: check warns of it and does not refuse it."""
    tried = held(100.0, 3.0)

    assert "an attempt judges 300" in said(tried, 2)
    assert (0, 50) == (ended(tried, 0.0)[0], ended(tried, 0.0, 2)[0])


def test_what_is_judged_is_counted_by_the_second() -> None:
    """Ramp and warm-up are not judged, an endpoint has its part, and whole seconds are judged."""
    tried = held(90.0, 20.0)
    whole = replace(tried.objectives[0], unit=JudgedUnit.SECONDS)

    assert ((90,) * 20, 20) == (judged_totals(tried, tried.objectives[0], 0), len(judged_totals(tried, whole, 0)))
