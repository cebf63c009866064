"""The attempts under way in this process: a bounded pool of threads, one attempt each.

Called by the controller. What an attempt ended in waits here until it has been written to the ledger; if the process
dies first, it is lost, and the ledger's claim says that an attempt was cut off.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from gitslo.core.steps import Attempted, Attempting, Interrupted, Local
from gitslo.errors import GitsloError
from gitslo.run import AttemptOutcome, CutOff

__all__ = ["Attempts", "Stop"]

Stop = Callable[[], str | None]
"""Asked by an attempt at every look: a reason to end at once, or None."""


@dataclass(slots=True)
class _Slot:
    nonce: str
    thread: threading.Thread
    stop: str | None = None
    ended: Attempted | Interrupted | None = None


class Attempts:
    """At most `most` attempts at a time; one per environment, keyed by its name."""

    def __init__(self, most: int, wake: Callable[[], None]) -> None:
        """Args: wake: called from an attempt's thread when it has ended."""
        self._most = most
        self._wake = wake
        self._lock = threading.Lock()
        self._slots: dict[str, _Slot] = {}

    @property
    def room(self) -> bool:
        """Whether another attempt may start."""
        return self.active < self._most

    @property
    def active(self) -> int:
        """Attempts whose threads are still at work."""
        with self._lock:
            return sum(1 for slot in self._slots.values() if slot.ended is None)

    @property
    def environments(self) -> frozenset[str]:
        """Those of which this process knows an attempt."""
        with self._lock:
            return frozenset(self._slots)

    def local(self, environment: str) -> Local | None:
        """What this process knows of the environment's attempt."""
        with self._lock:
            slot = self._slots.get(environment)
            if slot is None:
                return None
            return slot.ended or Attempting(slot.nonce)

    def start(self, environment: str, nonce: str, work: Callable[[Stop], AttemptOutcome]) -> None:
        """Begin an attempt; `work` is called in a thread of its own."""

        def stop() -> str | None:
            return slot.stop

        def run() -> None:
            try:
                outcome = work(stop)
                ended: Attempted | Interrupted = Attempted(nonce, outcome.evidence, outcome.verdict, outcome.findings)
            except CutOff as cut:
                ended = Interrupted(nonce, str(cut))
            except GitsloError as error:
                ended = Interrupted(nonce, str(error))
            except Exception as error:  # noqa: BLE001 - a fault of ours in one attempt must not take the loop down
                ended = Interrupted(nonce, f"internal error: {type(error).__name__}: {error}")
            with self._lock:
                slot.ended = ended
            self._wake()

        slot = _Slot(nonce, threading.Thread(target=run, name=f"attempt-{environment}", daemon=True))
        with self._lock:
            self._slots[environment] = slot
        slot.thread.start()

    def cancel(self, environment: str, nonce: str, reason: str) -> None:
        """Ask an attempt to end without evidence."""
        with self._lock:
            slot = self._slots.get(environment)
            if slot is not None and slot.nonce == nonce and slot.stop is None:
                slot.stop = reason

    def forget(self, environment: str, nonce: str) -> None:
        """The attempt's end has been written down, or no longer matters."""
        with self._lock:
            slot = self._slots.get(environment)
            if slot is not None and slot.nonce == nonce and slot.ended is not None:
                del self._slots[environment]

    def drain(self, reason: str, timeout: float) -> bool:
        """Cut everything off and wait for the threads; whether all of them ended in time (seconds)."""
        with self._lock:
            slots = list(self._slots.values())
            for slot in slots:
                slot.stop = slot.stop or reason
        for slot in slots:
            slot.thread.join(timeout)
        return not any(slot.thread.is_alive() for slot in slots)
