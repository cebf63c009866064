"""One in so many, without dice: a share that is exact, spread evenly, and the same in every run. Pure.

Called where a trace is sampled and where a body is looked at.
"""

from __future__ import annotations

from fractions import Fraction

__all__ = ["Sampler"]

_FINEST = 1_000_000


class Sampler:
    """Says of each draw whether it is among the share; of n draws in a row, n times the share are, give or take one."""

    __slots__ = ("_of", "_parts", "_sum")

    def __init__(self, share: float, shard: int = 0, shards: int = 1) -> None:
        """Start; the shards of one load start apart, so that their samples do not come together."""
        exact = Fraction(min(max(share, 0.0), 1.0)).limit_denominator(_FINEST)
        self._parts, self._of = exact.numerator, exact.denominator
        self._sum = self._of * (shards - 1 - shard) // shards

    def due(self) -> bool:
        """Whether this draw is."""
        self._sum += self._parts
        if self._sum < self._of:
            return False
        self._sum -= self._of
        return True
