"""What every Syncer must do, as checks that run on the real ones and on the fake alike.

A test suite builds a `SyncerWorld` around a syncer and runs every check of `SYNCER_CONTRACT` on a fresh one. A check
raises AssertionError where the syncer breaks the contract.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from gitslo.errors import Retry
from gitslo.model import Environment
from gitslo.ports import Expected, Syncer, SyncReport, SyncState
from gitslo.testing.expectations import expect, expect_raised

__all__ = ["SYNCER_CONTRACT", "SyncerWorld"]


class SyncerWorld(Protocol):
    """One environment, whatever deploys it, and the syncer that is asked about it."""

    @property
    def environment(self) -> Environment:
        """The environment."""

    @property
    def knows_failures(self) -> bool:
        """Whether this syncer can see that a rollout failed (a version endpoint cannot)."""

    def syncer(self) -> Syncer:
        """A new client."""

    def expected(self, version: str) -> Expected:
        """What the branch says when it carries `version`; other versions have other trees and releases."""

    def deploy(self, version: str) -> None:
        """Make `version` run; returns when its rollout is complete."""

    def deploy_broken(self, version: str) -> None:
        """Apply a `version` that cannot roll out; returns when that is known."""

    def go_away(self) -> None:
        """From now on nothing answers."""


def _report(world: SyncerWorld, version: str) -> SyncReport:
    return world.syncer().report(world.environment, world.expected(version))


def what_runs_is_synced(world: SyncerWorld) -> None:
    """The expected tree, completely rolled out, is SYNCED, with a fingerprint."""
    world.deploy("v1")
    report = _report(world, "v1")
    expect((report.state, bool(report.fingerprint)), (SyncState.SYNCED, True))


def another_tree_is_waited_for(world: SyncerWorld) -> None:
    """While something else runs the report is WAITING, says what it waits for, and has no fingerprint."""
    world.deploy("v1")
    report = _report(world, "v2")
    expect((report.state, bool(report.detail), report.fingerprint), (SyncState.WAITING, True, ""))


def asking_changes_nothing(world: SyncerWorld) -> None:
    """Two looks at the same thing say the same, from any client."""
    world.deploy("v1")
    expect(_report(world, "v1"), _report(world, "v1"))


def another_release_has_another_fingerprint(world: SyncerWorld) -> None:
    """What runs differently is told apart."""
    world.deploy("v1")
    first = _report(world, "v1").fingerprint
    world.deploy("v2")
    second = _report(world, "v2")
    expect((second.state, second.fingerprint == first), (SyncState.SYNCED, False))


def what_ran_before_has_its_fingerprint_again(world: SyncerWorld) -> None:
    """The fingerprint is of what runs, not of when it was started."""
    world.deploy("v1")
    first = _report(world, "v1").fingerprint
    world.deploy("v2")
    world.deploy("v1")
    expect(_report(world, "v1").fingerprint, first)


def a_failed_rollout_is_said(world: SyncerWorld) -> None:
    """Applied but not rolling out is FAILED, with the reason, and is no fingerprint."""
    if not world.knows_failures:
        return
    world.deploy("v1")
    world.deploy_broken("v2")
    report = _report(world, "v2")
    expect((report.state, bool(report.detail), report.fingerprint), (SyncState.FAILED, True, ""))


def a_failure_is_of_its_tree_only(world: SyncerWorld) -> None:
    """A failed rollout says nothing about another tree: that one is waited for."""
    if not world.knows_failures:
        return
    world.deploy_broken("v2")
    expect(_report(world, "v3").state, SyncState.WAITING)


def details_are_one_line(world: SyncerWorld) -> None:
    """A detail is one printable line."""
    world.deploy("v1")
    details = [_report(world, "v1").detail, _report(world, "v2").detail]
    expect([detail for detail in details if not detail.isprintable()], [])


def no_answer_is_a_retry(world: SyncerWorld) -> None:
    """A syncer that does not answer is neither waiting nor failed."""
    world.deploy("v1")
    world.go_away()
    expect_raised(Retry, lambda: _report(world, "v1"))


SYNCER_CONTRACT: tuple[Callable[[SyncerWorld], None], ...] = (
    what_runs_is_synced,
    another_tree_is_waited_for,
    asking_changes_nothing,
    another_release_has_another_fingerprint,
    what_ran_before_has_its_fingerprint_again,
    a_failed_rollout_is_said,
    a_failure_is_of_its_tree_only,
    details_are_one_line,
    no_answer_is_a_retry,
)
