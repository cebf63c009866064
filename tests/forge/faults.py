"""What the tests of faults share: a client behind a faulty proxy, and what they have to know of the forge behind it.

Called by `tests.forge.test_faults`, for every forge. What was counted is counted at the forge itself, not by the proxy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Protocol

from gitslo.errors import Conflict, Retry
from gitslo.model import CommitId, Instant, Seconds
from gitslo.ports import Forge, HttpAnswer
from tests.forge.fault_proxy import Fault, FaultProxy
from tests.forge.gitea_world import CountingSend

__all__ = ["FaultWorld", "Wire", "carried_out"]

IMPATIENT = Seconds(0.4)
"""Seconds for a request that will not be answered; all others have the adapter's own time."""
TRIES = 4


class FaultWorld(Protocol):
    """One repository on one forge, as a test of faults sees it."""

    @property
    def address(self) -> str:
        """`http://127.0.0.1:<port>`, without the folder that the forge may live in."""

    def client(
        self, base: str, send: Callable[..., HttpAnswer], now: Callable[[], Instant], sleep: Callable[[Seconds], None]
    ) -> Forge:
        """A client that remembers nothing, and asks at another address."""

    def wait(self, seconds: Seconds) -> None:
        """Give the forge this much real time."""

    def wish(self, **settings: Any) -> None:
        """What clients that are made from now on open pull requests with."""

    def push(self, branch: str, path: str, content: str) -> CommitId:
        """Somebody commits one file onto a branch."""

    def tip(self, branch: str) -> CommitId | None:
        """Where a branch is."""

    def open_pulls(self, head: str) -> Sequence[int]:
        """Numbers of the open pull requests of a branch."""

    def is_open(self, number: int) -> bool:
        """Whether a pull request is open."""

    def set_open(self, number: int, *, wanted: bool) -> None:
        """A person closes it, or opens it again."""

    def comments_with(self, number: int, text: str) -> int:
        """How many comments contain a text."""

    def commit_comments_with(self, commit: CommitId, text: str) -> int:
        """How many comments on a commit contain a text."""

    def statuses_of(self, commit: CommitId, context: str) -> int:
        """How many statuses of a context were set, replaced ones as well."""

    def times_titled(self, number: int, text: str) -> int:
        """How often the title was changed into one that contains a text."""

    def reviewers(self, number: int) -> Sequence[str]:
        """Who is asked for a review."""

    def commits(self) -> int:
        """How many commits the base branch has."""


@dataclass
class Counted:
    """What an effect took: requests, the seconds between them, and whether the fault hit it."""

    requests: int
    hit: bool
    gaps: list[float]


@dataclass
class Wire:
    """The way through the proxy: counts what is sent, and moves a clock of its own instead of waiting."""

    world: FaultWorld
    proxy: FaultProxy
    folder: str = ""
    send: CountingSend = field(default_factory=CountingSend)
    passed: float = 0.0
    sent_at: list[float] = field(default_factory=list)

    def __call__(self, method: str, *positional: Any, timeout: Seconds, **named: Any) -> HttpAnswer:
        self.sent_at.append(self.passed)
        silent = method != "GET" and self.proxy.armed in (Fault.SILENCE, Fault.DRIP)
        return self.send(method, *positional, timeout=IMPATIENT if silent else timeout, **named)

    def now(self) -> Instant:
        return Instant(1000.0 + self.passed, 1_790_000_000.0 + self.passed)

    def sleep(self, seconds: Seconds) -> None:
        self.passed += seconds
        self.world.wait(Seconds(min(seconds, 0.2)))

    def forge(self) -> Forge:
        """A client that remembers nothing."""
        return self.world.client(f"{self.proxy.url}{self.folder}", self, self.now, self.sleep)


def carried_out(wire: Wire, forge: Forge, effect: Callable[[Forge], object]) -> Counted:
    """As the loop does: again after as long as the error says."""
    before, hits = len(wire.sent_at), wire.proxy.hits
    for _ in range(TRIES):
        try:
            effect(forge)
        except (Retry, Conflict) as error:
            wire.sleep(Seconds(getattr(error, "delay", 1.0)))
        else:
            sent = wire.sent_at[before:]
            gaps = [later - earlier for earlier, later in pairwise(sent)]
            return Counted(len(sent), wire.proxy.hits > hits, gaps)
    raise AssertionError(f"not done in {TRIES} tries")
