"""How often we may push: forges limit pushes to a few a minute per repository.

Called by the controller before a step that pushes. A token bucket on the monotonic clock: a burst of a whole minute's
pushes, then one at a time.
"""

from __future__ import annotations

__all__ = ["PushBudget"]


class PushBudget:
    """Tokens of one repository."""

    def __init__(self, per_minute: int, now: float) -> None:
        """Args: per_minute: at least 1; now: monotonic seconds."""
        self._rate = per_minute / 60.0
        self._most = float(per_minute)
        self._tokens = self._most
        self._at = now

    def left(self, now: float, keep: float = 0.0) -> float:
        """Seconds until a push may go out, keeping a share `keep` in reserve for others."""
        self._tokens = min(self._most, self._tokens + (now - self._at) * self._rate)
        self._at = now
        need = min(1.0 + keep * self._most, self._most)
        return max(0.0, (need - self._tokens) / self._rate)

    def wait(self, now: float, keep: float = 0.0) -> float:
        """Like `left`; where that is 0, the push is taken from the budget."""
        left = self.left(now, keep)
        if left == 0.0:
            self._tokens -= 1.0
        return left
