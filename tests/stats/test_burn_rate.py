from __future__ import annotations

import pytest

from gitslo.core.stats import Severity, burn_alerts, burn_rate, workbook_windows

HOUR, DAY = 3600, 86400
LENGTHS = (HOUR, 300, 6 * HOUR, 1800, DAY, 2 * HOUR, 3 * DAY, 6 * HOUR)


def all_at(share: float, **others: tuple[int, int] | None) -> dict[int, tuple[int, int] | None]:
    """Every window with the same share of bad requests, some replaced by `s<seconds>`."""
    counts: dict[int, tuple[int, int] | None] = dict.fromkeys(LENGTHS, (round(share * 10**6), 10**6))
    return counts | {int(name[1:]): value for name, value in others.items()}


def fires(counts) -> list[bool | None]:
    return [alert.fires for alert in burn_alerts(counts, 0.001)]


def test_the_windows_of_the_workbook() -> None:
    """2 % in 1h and 5 % in 6h page, 10 % in a day and in three make a ticket: 14.4, 6, 3 and 1 times the budget."""
    assert [
        (Severity.PAGE, HOUR, 300, 14.4),
        (Severity.PAGE, 6 * HOUR, 1800, 6.0),
        (Severity.TICKET, DAY, 2 * HOUR, 3.0),
        (Severity.TICKET, 3 * DAY, 6 * HOUR, 1.0),
    ] == [(one.severity, one.long, one.short, one.factor) for one in workbook_windows()]


def test_the_factor_follows_the_period() -> None:
    """Budget times period over window: in 28 days 2 % in an hour are 13.44 times the budget."""
    assert [13.44, 5.6, 2.8, 14 / 15] == pytest.approx([one.factor for one in workbook_windows(28 * DAY)])


@pytest.mark.parametrize(
    ("share", "expected"),
    [
        (0.0, [False, False, False, False]),
        (0.001, [False, False, False, False]),
        (0.0011, [False, False, False, True]),
        (0.0031, [False, False, True, True]),
        (0.0061, [False, True, True, True]),
        (0.0144, [False, True, True, True]),
        (0.0145, [True, True, True, True]),
    ],
)
def test_an_alert_fires_above_its_factor(share, expected) -> None:
    """Above, and not at, the burn rate of its windows."""
    assert expected == fires(all_at(share))


def test_both_windows_must_burn() -> None:
    """What is over in the short window, or only begins in the long one, fires nothing."""
    assert [False, True, True, True] == fires(all_at(0.02, s300=(0, 1000)))
    assert [True, False, False, False] == fires(all_at(0.0, s3600=(20, 1000), s300=(20, 1000)))


def test_an_unknown_window_is_unknown() -> None:
    """It neither fires nor says that all is well, unless the other window settles it."""
    assert [None, True, True, True] == fires(all_at(0.02, s300=None))
    assert [None, True, True, True] == fires(all_at(0.02, s3600=(0, 0)))
    assert [False, False, False, False] == fires(all_at(0.0, s300=None))
    assert [None] * 4 == fires({})


def test_an_alert_shows_its_rates() -> None:
    """Burn rates of both windows, None where not known."""
    alert = burn_alerts({HOUR: (20, 1000)}, 0.001)[0]

    assert alert.short is None
    assert 20.0 == pytest.approx(alert.long)


@pytest.mark.parametrize(
    ("bad", "total", "allowed"), [(2, 1, 0.1), (-1, 1, 0.1), (0, 1, 0.0), (0, 1, 1.1), (0, 1, float("nan"))]
)
def test_what_is_out_of_range_is_an_error(bad, total, allowed) -> None:
    """Counts and budgets out of range are the caller's mistake; so is a period without a length."""
    with pytest.raises(ValueError, match=r"must satisfy|budget is a share"):
        burn_rate(bad, total, allowed)
    with pytest.raises(ValueError, match="has a length"):
        workbook_windows(0)
