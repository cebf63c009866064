"""Changes that are pushed straight onto the watched branch."""

from __future__ import annotations

import pytest

from gitslo.model import (
    ChangeState,
    Verdict,
    WriteMode,
)
from tests.state.observations import World, environment


def test_direct_mode_pushes_to_the_branch():
    """`mode: direct` has neither branch nor pull request."""
    world = World(candidate="v2", env=environment(mode=WriteMode.DIRECT))

    world.judged(Verdict.PASS)

    assert (world.tag, world.pulls, world.state.change.state) == ("v2", [], ChangeState.SETTLED)


def test_direct_mode_brings_a_change_with_its_intent():
    """One push on an atomic remote: the intent and the branch together, and then the change is seen to be there."""
    world = World(candidate="v2", env=environment(mode=WriteMode.DIRECT), atomic=True)

    world.judged(Verdict.PASS)

    changes = [each for each in world.journal if each in ("Propose", "PushChange", "Write:settle")]
    assert (world.tag, changes) == ("v2", ["Propose", "Write:settle"])


@pytest.mark.parametrize("atomic", [False, True])
def test_direct_mode_proposes_nothing_while_a_run_is_under_way(atomic):
    """The push would take what is judged away, and every commit of others would make the intent another one."""
    world = World(env=environment(mode=WriteMode.DIRECT), atomic=atomic)
    world.settle()
    world.candidate = "v2"
    world.settle()
    during = ("Propose" in world.journal, world.tag)
    world.end_attempt(Verdict.PASS)
    world.settle()

    assert (during, world.tag) == ((False, "v1"), "v2")


def test_direct_mode_tells_what_ran_before_it_brings_something_else():
    """The verdict is set on its commit first: afterwards nobody looks there."""
    world = World(env=environment(mode=WriteMode.DIRECT), atomic=True)
    world.judged(Verdict.PASS)
    world.commit_tag("v2")
    world.judged(Verdict.FAIL)

    steps = [each for each in world.journal if each in ("Write:judge", "SetStatus", "Propose")]
    assert steps[steps.index("Propose") - 2 : steps.index("Propose")] == ["Write:judge", "SetStatus"]
