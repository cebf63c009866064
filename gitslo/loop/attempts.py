"""The attempts under way in this process: a bounded pool of threads, one attempt each.

Called by the controller. What an attempt ended in waits here until it has been written to the ledger; if the process
dies first, it is lost, and the ledger's claim says that an attempt was cut off.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from gitslo.core.steps import Attempted, Attempting, Interrupted, Local
from gitslo.errors import GitsloError
from gitslo.run import AttemptOutcome, CutOff

__all__ = ["Attempts", "Places", "Stop"]

Stop = Callable[[], str | None]
"""Asked by an attempt at every look: a reason to end at once, or None."""


@dataclass(slots=True)
class _Slot:
    nonce: str
    thread: threading.Thread
    stop: str | None = None
    ended: Attempted | Interrupted | None = None


class Places:
    """How many attempts may be at work in this process, of all its repositories together.

    Whether one is free is asked before a claim is written; should two repositories have seen the same one, the later
    attempt waits here, and the ceiling holds.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken = 0
        self._changed = threading.Condition()

    @property
    def free(self) -> bool:
        """Whether there is one now."""
        with self._changed:
            return self._taken < self._most

    def take(self, *, wait: bool) -> bool:
        """Take one; whether there was one (always, after waiting)."""
        with self._changed:
            if not wait and self._taken >= self._most:
                return False
            self._changed.wait_for(lambda: self._taken < self._most)
            self._taken += 1
            return True

    def leave(self) -> None:
        """Give one back."""
        with self._changed:
            self._taken -= 1
            self._changed.notify()


class Attempts:
    """The attempts of one repository, within the places of the process; one per environment, keyed by its name."""

    def __init__(self, places: Places, wake: Callable[[], None]) -> None:
        """Args: wake: called from an attempt's thread when it has ended."""
        self._places = places
        self._wake = wake
        self._lock = threading.Lock()
        self._slots: dict[str, _Slot] = {}

    @property
    def room(self) -> bool:
        """Whether another attempt may start."""
        return self._places.free

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
            return slot.ended or Attempting(slot.nonce, ending=slot.stop is not None)

    def start(self, environment: str, nonce: str, work: Callable[[Stop], AttemptOutcome]) -> None:
        """Begin an attempt; `work` is called in a thread of its own."""

        def stop() -> str | None:
            return slot.stop

        def run() -> None:
            try:
                if not held:
                    self._places.take(wait=True)
                try:
                    outcome = work(stop)
                finally:
                    self._places.leave()
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

        # Taken here and not in the thread: whoever looks next sees it.
        held = self._places.take(wait=False)
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
        """Cut everything off and wait for the threads; whether all of them ended within `timeout` seconds in sum."""
        deadline = time.monotonic() + timeout
        with self._lock:
            slots = list(self._slots.values())
            for slot in slots:
                slot.stop = slot.stop or reason
        for slot in slots:
            slot.thread.join(max(0.0, deadline - time.monotonic()))
        return not any(slot.thread.is_alive() for slot in slots)
