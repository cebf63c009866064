"""What simulations share: the runs that a true rate of error may give."""

from __future__ import annotations

from scipy.stats import beta

SURE = 0.999


def most(runs: int, rate: float) -> int:
    """The most errors in so many runs that do not refute the rate: the lower Clopper-Pearson bound stays within it."""
    allowed = 0
    while allowed < runs and beta.ppf(1 - SURE, allowed + 1, runs - allowed) <= rate:
        allowed += 1
    return allowed
