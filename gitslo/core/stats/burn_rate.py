"""Burn rates: how fast an error budget is spent, by the windows of the SRE workbook.

Called through `gitslo.core.stats`. Source: The Site Reliability Workbook (Beyer and others, 2018), chapter 5,
"Multiwindow, Multi-Burn-Rate Alerts". An alert fires while a long and a short window both burn faster than the factor:
the long one says that it matters, the short one that it goes on. These are thresholds on what was measured, and carry
no error control. What must stay true: a window that is not known never fires, and never says that all is well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["MONTH", "BurnAlert", "BurnWindows", "Severity", "burn_alerts", "burn_rate", "workbook_windows"]

_MINUTE, _HOUR, _DAY = 60, 3600, 86400

MONTH = 30 * _DAY
"""Seconds of the usual period of an error budget."""


class Severity(StrEnum):
    """Who is told."""

    PAGE = "page"
    TICKET = "ticket"


@dataclass(frozen=True, slots=True)
class BurnWindows:
    """One alert of the workbook.

    Attributes:
        severity: who is told.
        budget: the share of the period's budget that the long window may spend.
        long: seconds.
        short: seconds.
        factor: the burn rate that spends so much in the long window; 1 spends exactly the budget in the period.
    """

    severity: Severity
    budget: float
    long: int
    short: int
    factor: float


@dataclass(frozen=True, slots=True)
class BurnAlert:
    """One alert at one moment.

    Attributes:
        windows: what it looks at.
        long: the long window's burn rate; None where it is not known.
        short: the short window's.
        fires: None where neither yes nor no is known.
    """

    windows: BurnWindows
    long: float | None
    short: float | None
    fires: bool | None


def workbook_windows(period: int = MONTH) -> tuple[BurnWindows, ...]:
    """The four alerts of the workbook for an error budget over `period` seconds, the most urgent first.

    Raises:
        ValueError: the period has no length.
    """
    if period <= 0:
        raise ValueError(f"a period has a length, not {period}")
    return tuple(
        BurnWindows(severity, percent / 100, long, short, percent * period / (100 * long))
        for severity, percent, long, short in (
            (Severity.PAGE, 2, _HOUR, 5 * _MINUTE),
            (Severity.PAGE, 5, 6 * _HOUR, 30 * _MINUTE),
            (Severity.TICKET, 10, _DAY, 2 * _HOUR),
            (Severity.TICKET, 10, 3 * _DAY, 6 * _HOUR),
        )
    )


def burn_rate(bad: int, total: int, allowed: float) -> float | None:
    """The share of bad requests over the allowed one; None without a request.

    Raises:
        ValueError: the counts are out of range, or `allowed` is no share above 0.
    """
    if not 0 <= bad <= total:
        raise ValueError(f"counts must satisfy 0 <= bad <= total, not bad {bad} of {total}")
    if not 0.0 < allowed <= 1.0:
        raise ValueError(f"a budget is a share above 0 and up to 1, not {allowed}")
    return bad / total / allowed if total else None


def burn_alerts(
    counts: Mapping[int, tuple[int, int] | None], allowed: float, windows: tuple[BurnWindows, ...] | None = None
) -> tuple[BurnAlert, ...]:
    """Which alerts fire.

    Args:
        counts: (bad, total) by the window's seconds; None, a missing window and no requests are not known.
        allowed: the error budget, the share of requests that may be bad.
        windows: those of the workbook for a month, unless others are given.

    Raises:
        ValueError: counts or the budget are out of range.
    """
    return tuple(_alert(counts, allowed, one) for one in (workbook_windows() if windows is None else windows))


def _alert(counts: Mapping[int, tuple[int, int] | None], allowed: float, windows: BurnWindows) -> BurnAlert:
    long, short = (_rate(counts.get(seconds), allowed) for seconds in (windows.long, windows.short))
    over = [None if rate is None else rate > windows.factor for rate in (long, short)]
    # One window that is known to burn slowly enough settles it, whatever the other one says.
    fires = False if False in over else None if None in over else True
    return BurnAlert(windows, long, short, fires)


def _rate(counted: tuple[int, int] | None, allowed: float) -> float | None:
    return None if counted is None else burn_rate(*counted, allowed)
