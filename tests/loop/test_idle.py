"""Environments that stay: who is looked at again, and when."""

from __future__ import annotations

import pytest

from gitslo.loop.staying import SHORT_LOOKS, SYNC_LOOK_EVERY
from gitslo.model import Instant, Seconds
from gitslo.testing.manual_clock import ManualClock
from tests.loop.mono import MANIFEST, Counted, Everything, Mono

SERVICES = 20


class SetClock:
    """A clock whose two sides move apart."""

    def __init__(self) -> None:
        self.monotonic = 1000.0
        self.wall = 100.0

    def now(self) -> Instant:
        """The present instant."""
        return Instant(self.monotonic, self.wall)

    def sleep(self, seconds: Seconds) -> None:
        """Both move."""
        self.monotonic += seconds
        self.wall += seconds


@pytest.fixture
def mono(tmp_path):
    mono = Mono(tmp_path, SERVICES)
    mono.passed()
    return mono


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def syncer():
    return Everything()


def test_a_poll_with_nothing_new_is_one_listing(mono, clock, syncer) -> None:
    """Nothing moved and no time has come: the refs are listed, and that is all."""
    repository = Counted(mono.clone())
    controller = mono.controller(repository, syncer, clock)
    first = controller.poll()
    repository.since()
    syncer.since()

    second = controller.poll()

    assert ({"list_refs": 1}, []) == (repository.since(), syncer.since())
    assert first.standings == second.standings


def test_looks_at_what_runs_are_spread(mono, clock, syncer) -> None:
    """Every environment is looked at once in every stretch, and they do not all come at once."""
    controller = mono.controller(mono.clone(), syncer, clock)
    controller.poll()
    syncer.since()
    at_once = []
    asked: list[str] = []
    for _ in range(int(SYNC_LOOK_EVERY)):
        clock.advance(1.0)
        controller.poll()
        at_once.append(len(syncer.asked))
        asked += syncer.since()

    assert mono.environments == sorted(asked)
    assert max(at_once) <= SERVICES // 4


def test_other_images_are_noticed_within_a_stretch(mono, clock, syncer) -> None:
    """The same tree with another fingerprint is new evidence, also where nothing moved in Git."""
    controller = mono.controller(mono.clone(), syncer, clock)
    controller.poll()
    syncer.fingerprints["s03/dev"] = "other"
    clock.advance(SYNC_LOOK_EVERY)
    poll = controller.poll()

    assert ["s03/dev"] == [standing.environment for standing in poll.standings if standing.stay.busy]


def test_a_wall_clock_that_was_set_is_noticed(mono, syncer) -> None:
    """A revalidation that has become due by the wall clock alone is seen, if not at once."""
    mono.commit({"gitslo.yaml": mono.pipeline().replace("every: never", "every: 1h")})
    clock = SetClock()
    controller = mono.controller(mono.clone(), syncer, clock)
    controller.poll()
    before = [standing.stay.busy for standing in controller.poll().standings]
    clock.wall += 7200.0
    for _ in range(SHORT_LOOKS + 1):
        clock.monotonic += SYNC_LOOK_EVERY
        poll = controller.poll()

    assert ([False] * SERVICES, [True] * SERVICES) == (before, [standing.stay.busy for standing in poll.standings])


def test_a_commit_is_looked_at_by_whom_it_concerns(mono, clock, syncer) -> None:
    """A commit in one environment, or in none: the others are not looked at, and go on being idle."""
    controller = mono.controller(mono.clone(), syncer, clock)
    controller.poll()
    syncer.since()
    mono.commit({"README.md": "hello\n"})
    controller.poll()
    nobody = set(syncer.since())
    mono.commit({"deploy/s07/dev/app.yaml": MANIFEST.replace("SERVICE:v1", "s07:v2").replace("SERVICE", "s07")})
    controller.poll()
    one = set(syncer.since())

    assert (set(), {"s07/dev"}) == (nobody, one)


def test_another_policy_is_looked_at_by_all(mono, clock, syncer) -> None:
    """The pipeline is part of every decision."""
    controller = mono.controller(mono.clone(), syncer, clock)
    controller.poll()
    syncer.since()
    mono.commit({"gitslo.yaml": mono.pipeline().replace("every: never", "every: 1h")})
    controller.poll()

    assert mono.environments == sorted(set(syncer.since()))


def test_waiting_for_the_push_budget_costs_nothing(mono, clock, syncer) -> None:
    """Whoever waits for the budget is looked at again when there is some, one after the other."""
    controller = mono.controller(mono.clone(), syncer, clock, pushes_per_minute=6)
    told = [controller.poll().steps]
    syncer.since()
    controller.poll()
    waiting = syncer.since()
    for _ in range(SERVICES):
        clock.advance(10.0)
        told.append(controller.poll().steps)

    assert [] == waiting
    assert (2 * SERVICES, 2) == (sum(told), max(told[1:]))  # a status, and a look whether an issue is open
