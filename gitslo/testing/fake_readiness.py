"""A readiness probe that says what it was told to say."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gitslo.model import Readiness, Seconds, Target
from gitslo.ports import Address, Readied

__all__ = ["FakeReadiness"]


class FakeReadiness:
    """`ports.ReadinessProbe` for tests.

    Attributes:
        looks: (target name, address, timeout) of every look, in order.
    """

    def __init__(
        self, reasons: Sequence[str] = (), *, for_ever: str | None = None, on_look: Callable[[], None] = lambda: None
    ) -> None:
        """Script the answers.

        Args:
            reasons: why the first looks find it not ready; the looks after them find it ready.
            for_ever: why every look finds it not ready.
            on_look: called at every look, e.g. to let time pass.
        """
        self.looks: list[tuple[str, Address, float]] = []
        self._reasons = list(reasons)
        self._for_ever = for_ever
        self._on_look = on_look

    def look(self, check: Readiness, target: Target, address: Address, timeout: Seconds) -> Readied:
        """The next scripted answer."""
        del check
        self.looks.append((target.name, address, timeout))
        self._on_look()
        if self._for_ever is not None:
            return Readied(ready=False, reason=self._for_ever)
        if self._reasons:
            return Readied(ready=False, reason=self._reasons.pop(0))
        return Readied(ready=True)
