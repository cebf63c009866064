"""Stops a load for its target's sake. Pure; fed by every engine with every snapshot.

What it decides is no verdict: the evidence up to there is judged as it is. It only keeps a target that is down already
from being beaten until the schedule ends.
"""

from __future__ import annotations

from collections import deque

from gitslo.model import Abort
from gitslo.ports import LoadSnapshot

__all__ = ["Watch"]


class Watch:
    """Looks at the last seconds of a load.

    Attributes:
        why: the sentence that the load ended with, or empty.
    """

    def __init__(self, abort: Abort) -> None:
        self.why = ""
        self._abort = abort
        self._looks: deque[LoadSnapshot] = deque()

    def goes_on(self, snapshot: LoadSnapshot) -> bool:
        """Take the newest look; False where the load is to end."""
        abort = self._abort
        self._looks.append(snapshot)
        while len(self._looks) > 1 and snapshot.elapsed - self._looks[1].elapsed >= abort.window:
            self._looks.popleft()
        first = self._looks[0]
        # Before a whole window has been seen, everything there is counts from the start.
        whole = first.elapsed <= snapshot.elapsed - abort.window
        done = snapshot.done - (first.done if whole else 0)
        errors = snapshot.errors - (first.errors if whole else 0)
        if snapshot.elapsed >= abort.window and done >= abort.requests:
            if abort.errors is not None and errors > abort.errors * done:
                self.why = f"{errors} of {done} requests failed within {abort.window:g} s"
            self._latency()
        return not self.why

    def _latency(self) -> None:
        if self._abort.latency is None:
            return
        quantile, limit = self._abort.latency
        # A second without an answer has no quantile, and is no reason to go on.
        if all(look.watched is None or look.watched > limit for look in self._looks):
            self.why = f"p{quantile * 100:g} was above {limit:g} s in every second of {self._abort.window:g} s"
