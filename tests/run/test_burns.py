"""Error budgets: asked once, when everything else of an attempt is over."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gitslo.core.judge import explain
from gitslo.core.rejudge import judged_again
from gitslo.errors import Retry
from gitslo.model import Evidence, Method, Metric, Objective, Role, Seconds, Verdict
from gitslo.ports import MetricAnswer, MetricQuestion, WindowCounts
from tests.run.scripted_metrics import counts, ratio, share
from tests.run.test_metrics import World, own_traffic, world

BURN = Objective(
    "server_errors.burn < 0.1% in 30d",
    "",
    None,
    Metric.BURN,
    0.001,
    None,
    Role.DECIDE,
    source="server_errors",
    period=Seconds(30 * 86400.0),
)
PLAN = own_traffic(share("server_errors < 5%", 0.05), BURN, metrics=(ratio(),), max_duration=120)
WINDOW = 5.0


def is_long(question: MetricQuestion) -> bool:
    return max(end - start for start, end in question.windows) > WINDOW


def answering(long: Callable[[MetricQuestion], MetricAnswer]) -> World:
    """The run's own windows are clean; the long ones are answered by `long`."""

    def answer(question: MetricQuestion) -> MetricAnswer:
        return long(question) if is_long(question) else MetricAnswer((counts(500, 0),) * len(question.windows))

    return world(answer)


def steady(share_bad: float) -> Callable[[MetricQuestion], MetricAnswer]:
    """Always the same share of bad events, 100 a second."""

    def of(start: float, end: float) -> WindowCounts:
        total = round((end - start) * 100)
        return counts(total, round(total * share_bad))

    return lambda question: MetricAnswer(tuple(of(*window) for window in question.windows))


@pytest.mark.parametrize(("bad", "expected"), [(0.0001, Verdict.PASS), (0.02, Verdict.FAIL)])
def test_a_budget_is_judged_by_its_long_windows(bad: float, expected: Verdict) -> None:
    """The run's own windows are clean; what the month's budget says decides beside them."""
    outcome = answering(steady(bad)).attempt(PLAN)
    finding = outcome.findings[1]

    assert (outcome.verdict, finding.verdict, finding.method) == (expected, expected, Method.BURN)
    assert explain(finding)[-1] == "."


def test_the_windows_are_asked_once_at_the_end() -> None:
    """They end a scrape before the attempt does, lie side by side, and reach three days back."""
    of = answering(steady(0.0))
    of.attempt(PLAN)
    [question] = [each for each in of.source.questions if is_long(each)]

    assert question is of.source.questions[-1]
    assert question.windows[-1][1] == of.clock.now().wall - of.source.every
    assert question.windows[-1][1] - question.windows[0][0] == 3 * 86400.0
    assert all(one[1] == two[0] for one, two in zip(question.windows, question.windows[1:], strict=False))


def down(question: MetricQuestion) -> MetricAnswer:
    raise Retry("connection refused")


@pytest.mark.parametrize(
    "long",
    [
        down,
        lambda question: MetricAnswer((None,) * len(question.windows), ("nothing that old",)),
        lambda question: MetricAnswer((counts(10, 0),) * len(question.windows), partial="a store is missing"),
    ],
    ids=["down", "unknown", "partial"],
)
def test_a_budget_that_is_not_known_decides_nothing(long: Callable[[MetricQuestion], MetricAnswer]) -> None:
    """Missing data never passes, and does not end the attempt."""
    outcome = answering(long).attempt(PLAN)

    assert [finding.verdict for finding in outcome.findings] == [Verdict.PASS, Verdict.INCONCLUSIVE]
    assert outcome.verdict is Verdict.INCONCLUSIVE


def test_a_budget_is_judged_again_from_the_evidence() -> None:
    """What was counted is kept, so the verdict can be computed from the record alone."""
    outcome = answering(steady(0.02)).attempt(PLAN)
    again = judged_again(PLAN, Evidence((outcome.evidence,)))

    assert again is not None
    assert (again.verdict, again.findings) == (outcome.verdict, outcome.findings)
