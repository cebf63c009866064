"""Environments that stay: who is looked at again, and when."""

from __future__ import annotations

import pytest

from gitslo.loop.controller import SYNC_LOOK_EVERY
from gitslo.testing.manual_clock import ManualClock
from tests.loop.mono import MANIFEST, Counted, Everything, Mono

SERVICES = 20


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
    assert (SERVICES, 1) == (sum(told), max(told[1:]))
