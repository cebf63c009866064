"""Whether what is to be judged has come up: every check is looked at until it holds or its time is over."""

from __future__ import annotations

from typing import assert_never

from gitslo.core.figures import duration as said_duration
from gitslo.model import GrpcHealthReadiness, HttpReadiness, Readiness, Seconds, TcpReadiness
from gitslo.ports import Clock, ReadinessProbe
from gitslo.run.order import AttemptOrder, CutOff, Stop, Tell, address_of

__all__ = ["not_ready"]

_LOOK_TIMEOUT = 2.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 1.0


def not_ready(order: AttemptOrder, clock: Clock, probe: ReadinessProbe, stop: Stop, tell: Tell) -> str | None:
    """Look at every check until it holds or its time is over; the reason why one does not hold, or None.

    The time of each check begins with the attempt. A check that has held is not asked again.
    """
    start = clock.now().monotonic
    waiting = list(order.plan.readiness)
    pause, said = _FIRST_PAUSE, ""
    while waiting:
        for check in tuple(waiting):
            cut = stop()
            if cut is not None:
                raise CutOff(cut)
            left = check.within - (clock.now().monotonic - start)
            target = order.plan.targets[check.target]
            timeout = Seconds(min(_LOOK_TIMEOUT, max(_FIRST_PAUSE, left)))
            look = probe.look(check, target, address_of(order, target), timeout)
            elapsed = clock.now().monotonic - start
            if look.ready:
                waiting.remove(check)
            elif elapsed >= check.within:
                return f"{_named(check)} was not ready within {said_duration(check.within)}: {look.reason}"
            elif look.reason != said:
                said = look.reason
                tell(f"{_named(check)} is not ready yet: {said}", {"elapsed": elapsed})
        if waiting:
            longest = min(check.within for check in waiting) - (clock.now().monotonic - start)
            clock.sleep(Seconds(max(0.0, min(pause, longest))))
            pause = min(_LONGEST_PAUSE, pause * 1.5)
    return None


def _named(check: Readiness) -> str:
    match check:
        case HttpReadiness():
            return f"`{check.target}` ({check.path})"
        case GrpcHealthReadiness():
            return f"`{check.target}` (gRPC health{' of ' + check.service if check.service else ''})"
        case TcpReadiness():
            return f"`{check.target}` (TCP)"
        case _:
            assert_never(check)
