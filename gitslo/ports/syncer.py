"""The syncer: what deploys, and what it says runs now."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from gitslo.model import (
    CommitId,
    Environment,
    Release,
)

__all__ = ["Address", "Expected", "SyncReport", "SyncState", "Syncer"]


class SyncState(StrEnum):
    """What a syncer says about one environment."""

    SYNCED = "synced"
    """What runs is the expected tree, and its rollout is complete."""
    WAITING = "waiting"
    """Not yet, suspended, or in a sync window."""
    FAILED = "failed"
    """The expected tree was applied and does not roll out."""


Address = tuple[str, int]
"""A host or address, and a port."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What should run.

    Attributes:
        revision: the branch's head.
        tree: the environment's tree there.
        release: what that tree carries.
        carries: whether another commit of the branch carries the same tree, for a deployer that redeploys only when its
            own folder changes.
    """

    revision: CommitId
    tree: str
    release: Release
    carries: Callable[[CommitId], bool] = field(default=lambda _: False, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class SyncReport:
    """What a syncer saw.

    Attributes:
        detail: one line for people: what it waits for, or why it failed.
        fingerprint: hash of what runs (image ids, processes' identity); empty unless SYNCED.
        addresses: `host:port` as plans write it -> where it really listens. An address given here counts as allowed
            where the name is.
    """

    state: SyncState
    detail: str
    fingerprint: str = ""
    addresses: Mapping[str, Address] = field(default_factory=dict)


class Syncer(Protocol):
    """Says what runs. It never deploys at our bidding: the branch is what it follows."""

    def report(self, environment: Environment, expected: Expected) -> SyncReport:
        """What runs now.

        Raises:
            Retry: the syncer does not answer.
        """
