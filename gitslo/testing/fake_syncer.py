"""A syncer in memory: says what a test makes it say, held to the same contract as the real ones."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from gitslo.errors import Retry
from gitslo.model import Environment
from gitslo.ports import Address, Expected, SyncReport, SyncState

__all__ = ["FakeSyncer"]


@dataclass(frozen=True, slots=True)
class _Running:
    tree: str
    images: tuple[str, ...]
    addresses: Mapping[str, Address] = field(default_factory=dict)
    salt: str = ""
    failure: str = ""


class FakeSyncer:
    """Implements `ports.Syncer`.

    Attributes:
        asked: how often `report` was called.
    """

    def __init__(self) -> None:
        self.asked = 0
        self._running: dict[str, _Running] = {}
        self._away = ""

    def run(
        self, environment: str, expected: Expected, addresses: Mapping[str, Address] | None = None, salt: str = ""
    ) -> None:
        """Let what is expected run in an environment from now on.

        Args:
            environment: its name.
            expected: what runs.
            addresses: where it listens.
            salt: another one gives the same tree another fingerprint, as a moved mutable tag would.
        """
        self._running[environment] = _Running(expected.tree, expected.release.images(), addresses or {}, salt)

    def fail(self, environment: str, expected: Expected, reason: str) -> None:
        """Let the rollout of what is expected fail."""
        self._running[environment] = _Running(expected.tree, expected.release.images(), failure=reason)

    def go_away(self, reason: str = "the syncer does not answer") -> None:
        """Answer nothing from now on."""
        self._away = reason

    def come_back(self) -> None:
        """Answer again."""
        self._away = ""

    def report(self, environment: Environment, expected: Expected) -> SyncReport:
        """What was said to run.

        Raises:
            Retry: after `go_away`.
        """
        self.asked += 1
        if self._away:
            raise Retry(self._away)
        running = self._running.get(environment.name)
        if running is None or running.tree != expected.tree:
            return SyncReport(SyncState.WAITING, f"{running.tree if running else 'nothing'} runs")
        if running.failure:
            return SyncReport(SyncState.FAILED, running.failure)
        said = "\n".join((*running.images, running.salt))
        return SyncReport(SyncState.SYNCED, "", hashlib.sha256(said.encode()).hexdigest(), running.addresses)
