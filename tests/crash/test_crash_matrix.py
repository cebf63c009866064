"""kill -9 at every step: nothing lost, nothing duplicated, no two attempts loading one target at once."""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path

import pytest

from gitslo.failpoints import NAMES
from tests.crash.checker import check, tip
from tests.crash.world import World

POINTS = [f"{name}:{side}" for name in NAMES for side in ("before", "after") if (name, side) != ("attempt", "after")]
"""`attempt` has no `after`: what follows it is `judge:before`."""

NOT_ON_THE_WAY = {"close", "ledger", "comment"}
"""Effects that a promotion and a revert without a person need not pass; they have scenarios of their own below."""


@pytest.fixture
def world(tmp_path, request):
    """A world of its own per test; `indirect` parameters are its settings."""
    made = World(tmp_path / "world", **getattr(request, "param", {}))
    yield made
    made.close()


def proven(world: World) -> None:
    """v1 has passed everywhere."""
    assert world.run() == 0, world.log()


def killed_then_restarted(world: World, failpoint: str, *, lose: bool) -> int:
    """Run into the failpoint, lose the disk or not, and run again until nothing is left; the first exit code."""
    first = world.run(failpoints=failpoint)
    if lose:
        world.lose_clone()
    assert world.run() == 0, world.log()
    return first


@pytest.mark.parametrize("point", [p for p in POINTS if p.split(":")[0] not in NOT_ON_THE_WAY])
def test_killed_at_each_step_of_a_promotion_and_a_revert(tmp_path, point):
    """Killed before and after every effect, once in each half of the story, it ends where it would have ended."""
    number = POINTS.index(point)
    world = World(tmp_path / "world", atomic=number % 3 != 0)
    try:
        proven(world)
        world.release("v2")
        codes = [killed_then_restarted(world, f"{point}=kill", lose=number % 2 == 0)]
        promoted = world.tags()
        world.release("bad3")
        codes.append(killed_then_restarted(world, f"{point}=kill", lose=number % 2 == 1))

        assert check(world) == []
        assert promoted == {"dev": "v2", "prod": "v2"}
        assert world.tags() == {"dev": "v2", "prod": "v2"}
        assert tip(world, "dev")["rejected"][0]["tree"] is not None
        assert -signal.SIGKILL in codes, f"{point} was never passed: {world.log()}"
    finally:
        world.close()


@pytest.mark.parametrize("world", [{"mode": "direct"}], indirect=True)
@pytest.mark.parametrize("side", ["before", "after"])
def test_killed_around_a_direct_publish(world, side):
    """In direct mode the push to the branch itself is the only effect, and happens once."""
    proven(world)
    world.release("v2")

    killed_then_restarted(world, f"publish:{side}=kill", lose=True)

    assert check(world) == []
    assert world.tags() == {"dev": "v2", "prod": "v2"}


def test_the_third_takeover_in_one_run_is_an_error_and_a_hold(world):
    """A run that kills its holder three times is not tried for ever."""
    for _ in range(3):
        assert world.run(failpoints="judge:before=kill") == -signal.SIGKILL

    code = world.run()

    state = tip(world, "dev")
    assert (code, state["run"]["verdict"], state["hold"]["cause"]) == (1, "error", "verdict")
    assert check(world) == []


def test_a_fix_that_lands_while_its_predecessor_fails_is_not_reverted(world):
    """The failing tree is no longer at HEAD when the verdict falls: nothing is reverted."""
    proven(world)
    world.release("bad2")
    assert world.run(failpoints="judge:before=kill") == -signal.SIGKILL

    world.release("v3")
    assert world.run() == 0, world.log()

    assert world.tags() == {"dev": "v3", "prod": "v3"}
    assert check(world) == []


def test_a_paused_holder_wakes_and_publishes_nothing(world):
    """SIGSTOP before a ledger write, another instance goes on, SIGCONT: the swap rejects the one that woke."""
    proven(world)
    world.release("v2")
    paused = world.start(failpoints="intent:before=pause")
    try:
        _wait_until_stopped(paused.pid)
        assert world.run(instance="two", cache="two") == 0, world.log("two")
        paused.send_signal(signal.SIGCONT)
        paused.wait(60)
    finally:
        if paused.poll() is None:
            paused.kill()
            paused.wait()

    assert check(world) == []
    assert world.tags() == {"dev": "v2", "prod": "v2"}


def test_two_instances_share_one_repository(world):
    """Two daemons at once: every run is claimed by one of them, and the story ends the same."""
    children = [world.start(instance=name, cache=name) for name in ("one", "two")]
    codes = [child.wait(90) for child in children]
    world.release("v2")
    children = [world.start(instance=name, cache=name) for name in ("one", "two")]
    codes += [child.wait(90) for child in children]

    assert codes == [0, 0, 0, 0], world.log("one") + world.log("two")
    assert check(world) == []
    assert world.tags() == {"dev": "v2", "prod": "v2"}


def _wait_until_stopped(pid: int) -> None:
    """Until the kernel reports the process as stopped (state T), at most a minute."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T":
            return
        threading.Event().wait(0.05)
    raise AssertionError("it was never stopped")
