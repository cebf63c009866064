"""Polling for ever (`serve`), or until nothing is left to do (`once`).

Called by the command line through `gitslo.wiring`. One thread per repository polls; a timer, an attempt that has ended,
or a signal wakes it. Nothing here decides anything about an environment.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import inf

from gitslo.errors import Refused
from gitslo.loop.controller import Controller, Poll
from gitslo.loop.gate import Gate
from gitslo.model import Seconds
from gitslo.ports import Clock

__all__ = ["Patrol", "once", "patrol"]

DRAIN = Seconds(20.0)
"""How long attempts get to end when the daemon is told to stop: load stopped, children gone."""
SOON = Seconds(1.0)
"""Seconds between two polls of `serve` while something of ours is under way, unless the operator wants them closer."""
SOONEST = Seconds(0.2)
"""Seconds between two polls of `once` while something of ours is under way."""


@dataclass(slots=True)
class Patrol:
    """One repository under watch.

    Attributes:
        wake: set by the timer, by an ended attempt, or to stop.
        last: the newest poll, None before the first.
        polled_at: monotonic seconds of the newest poll that could look at the repository.
        gate: shown every poll, for questions from outside; None where nobody can ask.
    """

    controller: Controller
    every: Seconds
    wake: threading.Event = field(default_factory=threading.Event)
    last: Poll | None = None
    polled_at: float | None = None
    gate: Gate | None = None

    def ready(self, now: float) -> tuple[bool, str]:
        """Whether the repository could be looked at lately, and why not."""
        name = self.controller.settings.name
        if self.polled_at is None:
            return False, f"{name}: {self.last.problem if self.last is not None else 'not polled yet'}"
        age = now - self.polled_at
        if age > 3 * self.every + 60:
            return False, f"{name}: not polled for {age:.0f} s"
        return True, f"{name}: ok"


def patrol(watch: Patrol, clock: Clock, stopping: threading.Event) -> None:
    """Poll whenever woken, until `stopping`; then drain."""
    while not stopping.is_set():
        watch.wake.clear()
        watch.last = watch.controller.poll()
        if watch.gate is not None:
            watch.gate.publish(watch.controller.sight, watch.last)
        if watch.last.problem is None:
            watch.polled_at = clock.now().monotonic
        soon = SOON if watch.last.steps > 0 else max(SOON, _soonest(watch.last))
        watch.wake.wait(min(soon, watch.every))
    watch.controller.drain("the daemon was told to stop", DRAIN)


def _soonest(poll: Poll) -> float:
    """Seconds until something that is under way wants another look."""
    stays = (standing.stay for standing in poll.standings)
    return min((stay.wake for stay in stays if stay is not None and stay.busy and stay.wake is not None), default=inf)


def once(
    watches: Sequence[Patrol], clock: Clock, *, wait: Seconds, stopping: threading.Event, told: Callable[[Poll], None]
) -> tuple[Poll, ...]:
    """Poll until every environment is idle, held, or waits for a person, or for a syncer longer than `wait` seconds."""
    results = []
    for watch in watches:
        waiting_since: float | None = None
        while not stopping.is_set():
            watch.wake.clear()
            poll = watch.last = watch.controller.poll()
            told(poll)
            if isinstance(poll.problem, Refused):
                break
            if poll.problem is None and poll.steps == 0 and all(standing.settled for standing in poll.standings):
                break
            only_syncing = poll.steps == 0 and not any(
                standing.stay is not None and standing.stay.busy for standing in poll.standings
            )
            now = clock.now().monotonic
            waiting_since = (waiting_since or now) if only_syncing else None
            if waiting_since is not None and now - waiting_since > wait:
                break
            watch.wake.wait(SOONEST if poll.steps else min(1.0, max(SOONEST, watch.every)))
        if stopping.is_set():
            watch.controller.drain("gitslo was told to stop", DRAIN)
        if watch.last is not None:
            results.append(watch.last)
    return tuple(results)
