"""What the counts leave possible, and how much is missing: the e-processes turned round.

Called through `gitslo.core.stats` by the report and by `gitslo judge`. Nothing here decides a verdict.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from gitslo.core.stats.bernoulli import log_e_fail, log_e_pass

__all__ = ["clean_requests_to_pass", "interval"]

_HALVINGS = 60
_MOST = 10**12


def interval(bad: int, total: int, confidence: float) -> tuple[float, float]:
    """The shares of bad requests that the counts have not excluded, valid at any moment and after any looks.

    Args:
        bad: requests that broke the limit.
        total: requests counted.
        confidence: e.g. 0.95, over both ends together.

    Returns:
        The lower and the upper end; (0, 1) where nothing was counted.
    """
    if total == 0:
        return 0.0, 1.0
    need = math.log(2.0 / (1.0 - confidence))
    share = bad / total
    low = 0.0 if bad == 0 else _boundary(0.0, share, lambda limit: log_e_fail(bad, total, limit) >= need)
    high = 1.0 if bad == total else _boundary(1.0, share, lambda limit: log_e_pass(bad, total, limit) >= need)
    return low, high


def _boundary(excluded: float, share: float, excludes: Callable[[float], bool]) -> float:
    """Between a share that is excluded and the measured one, which never is."""
    inside = share
    for _ in range(_HALVINGS):
        middle = 0.5 * (excluded + inside)
        if excludes(middle):
            excluded = middle
        else:
            inside = middle
    return inside


def clean_requests_to_pass(bad: int, total: int, limit: float, need: float) -> int | None:
    """How many further requests, none of them bad, would bring log E_pass to `need`; None where no number does."""

    def enough(more: int) -> bool:
        return log_e_pass(bad, total + more, limit) >= need

    if enough(0):
        return 0
    high = 1
    while not enough(high):
        high *= 2
        if high > _MOST:
            return None
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
