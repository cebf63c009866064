"""What was looked at lately: answers that serve, for some seconds, those who only ask.

Called by the forges of this package. Must stay true: what is kept is bounded, and nothing that is older than it may be
is given out; who writes forgets first.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final, Generic, TypeVar

__all__ = ["Looks"]

KEPT: Final = 200

K = TypeVar("K")
V = TypeVar("V")


class Looks(Generic[K, V]):
    """The last looks by key.

    Args:
        seconds: how long one serves.
        monotonic: the clock, in seconds.
    """

    def __init__(self, seconds: float, monotonic: Callable[[], float]) -> None:
        self._seconds, self._monotonic = seconds, monotonic
        self._kept: OrderedDict[K, tuple[float, V]] = OrderedDict()

    def of(self, key: K, look: Callable[[K], V]) -> V:
        """What a look at the key has shown lately, or shows now."""
        at, kept = self._kept.get(key, (0.0, None))
        if kept is None or self._monotonic() - at > self._seconds:
            return self.keep(key, look(key))
        return kept

    def keep(self, key: K, value: V) -> V:
        """Take note of a look; gives it back."""
        self._kept[key] = (self._monotonic(), value)
        self._kept.move_to_end(key)
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return value

    def forget(self, key: K) -> None:
        """Look anew the next time."""
        self._kept.pop(key, None)
