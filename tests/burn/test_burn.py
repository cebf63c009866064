from __future__ import annotations

import pytest

from gitslo.core.burn import burn_counts, burn_spans, judge_burn
from gitslo.model import BurnCounts, BurnStretch, Metric, Objective, Quantity, Role, Seconds, Verdict
from gitslo.ports import WindowCounts

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
EDGES = (3 * DAY, DAY, 6 * HOUR, 2 * HOUR, HOUR, 30 * MINUTE, 5 * MINUTE, 0.0)
PER_SECOND = 100


def objective(budget: float = 0.001, period: float | None = 30 * DAY) -> Objective:
    return Objective(
        text=f"server_errors.burn < {budget}",
        load="",
        endpoint=None,
        metric=Metric.BURN,
        limit=budget,
        quantile=None,
        role=Role.DECIDE,
        source="server_errors",
        quantity=Quantity.SHARE,
        period=None if period is None else Seconds(period),
    )


def bad_in(*stretches: tuple[float, float, float], always: float = 0.0) -> list[WindowCounts | None]:
    """A hundred events a second; in each stretch of (seconds ago, seconds ago, share) so many are bad."""
    found: list[WindowCounts | None] = []
    for start, end in burn_spans():
        bad = always * (end - start) * PER_SECOND
        for since, until, share in stretches:
            bad += max(0.0, min(end, -until) - max(start, -since)) * share * PER_SECOND
        found.append(counts(round((end - start) * PER_SECOND), round(bad)))
    return found


def counts(total: int, bad: int, certain: int | None = None) -> WindowCounts:
    return WindowCounts(total, (bad,), (bad if certain is None else certain,))


def judged(values: list[WindowCounts | None], budget: float = 0.001, period: float | None = 30 * DAY):
    return judge_burn(objective(budget, period), burn_counts("server_errors", values))


def without(values: list[WindowCounts | None], *seconds_ago: float) -> list[WindowCounts | None]:
    return [
        None if any(start <= -ago < end for ago in seconds_ago) else value
        for (start, end), value in zip(burn_spans(), values, strict=True)
    ]


def test_what_is_asked_are_the_stretches_between_the_windows_beginnings() -> None:
    """Ascending and disjoint, from three days ago until now; each window of the workbook is some of the last ones."""
    assert tuple(zip((-edge for edge in EDGES), (-edge for edge in EDGES[1:]), strict=False)) == burn_spans()


@pytest.mark.parametrize(
    ("share", "fires"),
    [
        (0.0, [False, False, False, False]),
        (0.001, [False, False, False, False]),
        (0.0011, [False, False, False, True]),
        (0.0031, [False, False, True, True]),
        (0.0061, [False, True, True, True]),
        (0.0144, [False, True, True, True]),
        (0.0145, [True, True, True, True]),
        (0.02, [True, True, True, True]),
    ],
)
def test_a_steady_share_fires_what_the_workbook_says(share, fires) -> None:
    """A budget of 0.1 % in 30 days: above 1.44 % in an hour, 0.6 % in six, 0.3 % in a day and 0.1 % in three."""
    found = judged(bad_in(always=share))

    assert fires == [alert.fires for alert in found.alerts]
    assert found.verdict is (Verdict.FAIL if any(fires) else Verdict.PASS)


@pytest.mark.parametrize(
    ("stretches", "fires", "verdict"),
    [
        # 2 % of a month's budget within the hour, and it goes on: page
        ([(HOUR, 0, 0.0145)], [True, False, False, False], Verdict.FAIL),
        # all bad for the last five minutes: 8.3 % of the hour
        ([(5 * MINUTE, 0, 1.0)], [True, True, True, True], Verdict.FAIL),
        # a minute of it is 1.67 % of the hour, and 20 % of the last five minutes
        ([(MINUTE, 0, 1.0)], [True, False, False, False], Verdict.FAIL),
        # over for five minutes: no alert of one hour any more, the longer ones still look back
        ([(HOUR, 5 * MINUTE, 0.0145)], [False, False, False, False], Verdict.PASS),
        ([(HOUR, 5 * MINUTE, 0.05)], [False, True, False, False], Verdict.FAIL),
        # 5 % of the budget in six hours
        ([(6 * HOUR, 0, 0.0061)], [False, True, False, False], Verdict.FAIL),
        # 10 % in a day, and in three
        ([(DAY, 0, 0.0031)], [False, False, True, True], Verdict.FAIL),
        ([(3 * DAY, 0, 0.0011)], [False, False, False, True], Verdict.FAIL),
        # a bad day that is over
        ([(3 * DAY, DAY, 0.5)], [False, False, False, False], Verdict.PASS),
    ],
)
def test_both_windows_must_burn(stretches, fires, verdict) -> None:
    """What only begins, or is over, fires what its long and its short window say together."""
    found = judged(bad_in(*stretches))

    assert (fires, verdict) == ([alert.fires for alert in found.alerts], found.verdict)


@pytest.mark.parametrize(("period", "fires"), [(30 * DAY, False), (28 * DAY, True), (90 * DAY, False), (None, False)])
def test_the_period_changes_the_factor(period, fires) -> None:
    """In 28 days a tenth of the budget in three of them is 0.93 times its pace; without a period it is a month."""
    found = judged(bad_in(always=0.00095), period=period)

    assert fires is found.alerts[-1].fires


def test_a_new_service_has_no_three_days() -> None:
    """What is not known is no all-clear, but one window that burns slowly enough settles its alert."""
    found = judged(without(bad_in(), 3 * DAY, DAY))

    assert found.verdict is Verdict.PASS
    assert [None, None] == [alert.long for alert in found.alerts[2:]]


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (
            without(bad_in(always=0.0011), 3 * DAY),
            "whether a budget of 0.1 % in 30d burns is not known: the events of the last 3d are not",
        ),
        (
            without(bad_in(always=0.0031), DAY, 3 * DAY),
            "whether a budget of 0.1 % in 30d burns is not known: the events of the last 1d and 3d are not",
        ),
        (
            [None] * 7,
            (
                "whether a budget of 0.1 % in 30d burns is not known:"
                " the events of the last 5m, 30m, 1h, 2h, 6h, 1d and 3d are not"
            ),
        ),
        (
            [counts(0, 0)] * 7,
            "whether a budget of 0.1 % in 30d burns is not known: there was no event in the last 3d",
        ),
        (
            [counts(1000, 100, 0)] * 7,
            "whether a budget of 0.1 % in 30d burns is not known: some events may have been bad or not",
        ),
    ],
)
def test_what_is_not_known_decides_nothing(values, reason) -> None:
    """Inconclusive, and which windows are wanting."""
    found = judged(values)

    assert (Verdict.INCONCLUSIVE, reason) == (found.verdict, found.reason)


def test_without_an_answer_nothing_is_known() -> None:
    """A source that was not asked with success."""
    found = judge_burn(objective(), None)

    assert (Verdict.INCONCLUSIVE, None, 0) == (found.verdict, found.measured, found.total)


def test_an_alert_that_fires_decides_whatever_is_not_known() -> None:
    """A page needs its own two windows only."""
    found = judged(without(bad_in(always=0.02), 3 * DAY, DAY))

    assert found.verdict is Verdict.FAIL
    assert [True, True, None, None] == [alert.fires for alert in found.alerts]


def test_doubtful_events_count_for_neither_side() -> None:
    """They may have been bad: no alert fires for them, and none is off."""
    [fails, open_, passes] = [
        judged([counts(100_000, 2000, certain)] * 6 + [counts(100_000, bad, certain)]).verdict
        for bad, certain in ((2000, 2000), (2000, 0), (0, 0))
    ]

    assert [Verdict.FAIL, Verdict.INCONCLUSIVE] == [fails, open_]
    assert passes is Verdict.INCONCLUSIVE
    assert judged([counts(100_000, 20, 0)] * 7).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (
            bad_in(always=0.02),
            (
                "2 % were bad in the last 1h and 2 % in the last 5m:"
                " both above 14.4 times what a budget of 0.1 % in 30d allows (1.44 %)"
            ),
        ),
        (
            bad_in((DAY, 0, 0.0031)),
            (
                "0.31 % were bad in the last 1d and 0.31 % in the last 2h:"
                " both above 3 times what a budget of 0.1 % in 30d allows (0.3 %)"
            ),
        ),
        (
            bad_in(always=0.0005),
            (
                "a budget of 0.1 % in 30d burns slowly enough:"
                " 0.05 % were bad in the last 3d and 0.05 % in the last 6h, and above 0.1 % is too much"
            ),
        ),
    ],
)
def test_it_says_why_in_one_sentence(values, expected) -> None:
    """With the shares of both windows, and what they may be."""
    assert expected == judged(values).reason


def test_the_figures_are_those_of_the_alert_that_decided() -> None:
    """Of the long window: counts, share, and the share above which it fires."""
    found = judged(bad_in((HOUR, 0, 0.02)))

    assert (0.02, 0.0144) == pytest.approx((found.measured, found.limit))
    assert (360_000, 7200) == (found.total, found.bad)


def test_a_large_budget_is_never_above_all() -> None:
    """14.4 times 10 % is more than everything: what is shown is 100 %, and that alert cannot fire."""
    found = judged(bad_in(always=1.0), budget=0.1)

    assert [False, True, True, True] == [alert.fires for alert in found.alerts]
    assert found.limit <= 1.0


def test_what_is_kept_is_what_was_known() -> None:
    """A stretch that is not known is not there; one value for each is asked for."""
    kept = burn_counts(
        "server_errors", without(bad_in(always=0.01), 3 * DAY, DAY, 6 * HOUR, 2 * HOUR, HOUR, 30 * MINUTE)
    )

    assert BurnCounts("server_errors", (BurnStretch(-300.0, 0.0, 30_000, 300, 300),)) == kept
    with pytest.raises(ValueError, match=r"shorter|longer"):
        burn_counts("server_errors", [None])
