"""Changes on a forge that merges only what holds all that the branch holds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gitslo.core.state import decide
from gitslo.core.steps import Attempting, Propose, Stay
from gitslo.model import (
    Claim,
    MergeMode,
    RunState,
    Seconds,
    Verdict,
)
from tests.state.observations import World, commit, environment


def _outdated_world(merge: MergeMode = MergeMode.AUTO) -> World:
    """An open pull request of ours on a forge that asks for branches that are up to date; somebody moves the branch."""
    world = World(candidate="v2", env=environment(merge=MergeMode.MANUAL), strict=True)
    world.judged(Verdict.PASS)
    world.env = environment(merge=merge)
    world.revision += 1
    return world


@pytest.mark.parametrize("atomic", [False, True])
def test_what_the_forge_finds_outdated_is_computed_again_and_merged(atomic):
    """The tree is the same, and yet the change goes out once more, on the moved branch: in the same pull request."""
    world = _outdated_world()
    world.atomic = atomic
    first, begun = world.tip, len(world.journal)

    world.settle()

    again = [step for step in world.journal[begun:] if step.startswith(("Propose", "OpenPull", "Merge"))]
    assert (["v2"], ["Propose", "OpenPullRequest", "MergePullRequest"]) == (world.merges, again)
    assert (1, 1, True) == (world.state.changes, len(world.pulls), world.pulls[0].head_commit != first)


def test_an_outdated_change_goes_out_once_for_each_move_of_the_branch():
    """A forge that does not see at once that the branch was brought up to date gets no second publication."""
    world = _outdated_world()
    world.lags = True

    stay = world.settle()
    published = [world.journal.count("Propose")]
    world.revision += 1
    world.settle()
    published.append(world.journal.count("Propose"))

    assert ([2, 3], []) == (published, world.merges)
    assert "is not merged yet: it is behind main" in stay.reason


def test_what_people_merge_is_not_computed_again_for_its_age():
    """Nobody's review is thrown away for a merge that is not ours to make."""
    world = _outdated_world(MergeMode.MANUAL)

    world.settle()

    assert (1, []) == (world.journal.count("Propose"), world.merges)


def test_an_outdated_change_waits_for_the_run_under_way():
    """Nothing is merged while a run is under way, so nothing is published for a merge either."""
    world = _outdated_world()
    run = world.state.run
    claim = Claim(world.instance, "nonce-x", Seconds(300.0))
    observation = world.observe()
    judging = replace(observation.ledger.state, run=replace(run, state=RunState.CLAIMED, claim=claim, verdict=None))
    under_way = replace(
        observation,
        ledger=replace(observation.ledger, state=judging),
        local=Attempting("nonce-x"),
        claimed_here=frozenset({"nonce-x"}),
    )

    assert (Propose, Stay) == (type(decide(observation)), type(decide(under_way)))


def test_somebody_elses_commit_on_an_outdated_branch_is_left_alone():
    """It is told, and nothing is published over it."""
    world = _outdated_world()
    world.tip = commit("foreign")
    world.pulls[0] = replace(world.pulls[0], head_commit=world.tip)

    world.settle()

    assert (1, [], commit("foreign")) == (world.journal.count("Propose"), world.merges, world.tip)
