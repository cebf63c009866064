"""How many processes a load gets where nobody says. Called by `own`; foreign engines ask for `cores`.

One worker sends many times `RATE_PER_WORKER`; but the less of its processor a worker uses, the more exactly it keeps
its schedule, so a load is spread over the processors that this process may use as soon as its rate asks for it. A rate
beyond what they can do is sent all the same: the health gate says what became of it.
"""

from __future__ import annotations

import math
import os

from gitslo.load.cgroup import groups, quota

__all__ = ["RATE_PER_WORKER", "chosen", "cores"]

RATE_PER_WORKER = 5000.0
"""Requests per second from which on one more worker is started."""


def cores() -> int:
    """The whole processors that this process may use, by its affinity and by the quota of its control groups."""
    return max(1, int(min(len(os.sched_getaffinity(0)), quota(groups()))))


def chosen(peak: float, allowed: int, *, closed: bool) -> int:
    """Workers for a schedule's highest rate; a closed loop has no rate that could ask for more than one.

    Args:
        peak: requests per second.
        allowed: processors.
        closed: whether there is no schedule.
    """
    return 1 if closed else max(1, min(allowed, math.ceil(peak / RATE_PER_WORKER)))
