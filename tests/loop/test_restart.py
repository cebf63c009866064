"""What a daemon that has just started costs: counted by the server, in pushes."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitslo.adapters.local_forge import LocalForge
from gitslo.testing.manual_clock import ManualClock
from tests.loop.mono import Everything, Mono
from tests.rules.shop import Shop

SERVICES = 12


class Pushes:
    """Counts what a bare repository receives."""

    def __init__(self, bare: Path) -> None:
        self._log = bare / "pushes"
        hook = bare / "hooks" / "post-receive"
        hook.parent.mkdir(exist_ok=True)
        hook.write_text('#!/bin/sh\ncat > /dev/null\necho push >> "$GIT_DIR/pushes"\n')
        hook.chmod(0o755)

    def since(self) -> int:
        """Pushes since this was asked last."""
        count = len(self._log.read_text().splitlines()) if self._log.exists() else 0
        self._log.unlink(missing_ok=True)
        return count


def test_statuses_that_stand_cost_no_push_and_none_of_the_budget(tmp_path) -> None:
    """After a restart every environment asks for its status: none is set again, and nobody waits for the budget."""
    mono = Mono(tmp_path, SERVICES)
    mono.passed()
    clock = ManualClock()

    def start(pushes_per_minute: int):
        repository = mono.clone()
        forge = LocalForge(repository, account="gitslo", wall=lambda: clock.now().wall)
        return mono.controller(repository, Everything(), clock, pushes_per_minute=pushes_per_minute, forge=forge)

    pushes = Pushes(mono.bare)
    start(100_000).poll()
    first = pushes.since()
    restarted = start(1)
    poll = restarted.poll()

    assert (SERVICES, 0) == (first, pushes.since())
    assert [True] * SERVICES == [standing.settled for standing in poll.standings]
    assert 0.0 == restarted._budget.left(clock.now().monotonic)


@pytest.mark.parametrize("merge", ["auto", "manual"])
def test_pull_requests_and_comments_that_stand_cost_no_push(tmp_path, merge) -> None:
    """A pull request that waits for a person, and the verdict that was added to one: neither is written again."""
    shop = Shop(tmp_path, prod_merge=merge)
    shop.settle()
    shop.release("v2")
    shop.settle()
    pushes = Pushes(shop.bare)
    shop.through(lambda repository: repository)
    shop.journal.events.clear()
    shop.settle()

    assert 0 == pushes.since()
    assert [] == [event.name for event in shop.journal.events if event.name.startswith("change.")]
