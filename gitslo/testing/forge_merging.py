"""What every Forge must do when it merges. Part of `forge_contract`."""

from __future__ import annotations

from collections.abc import Callable

from gitslo.errors import Conflict, Retry
from gitslo.ports import PullRequestState
from gitslo.testing.expectations import expect, expect_raised
from gitslo.testing.forge_world import HEAD, ForgeWorld, open_one, with_opened

__all__ = ["MERGING"]


def merging_brings_the_head_onto_the_base(world: ForgeWorld) -> None:
    """The base moves to the returned commit, keeps what others brought, and our branch is gone."""
    forge, opened = with_opened(world)
    world.push(world.base, "readme", "somebody else's")
    merge = forge.merge(opened.number, opened.head_commit, "Promote v2\n\nGitslo-Action: promote\n")

    expect(world.tip(world.base), merge)
    expect((world.read(world.base, "image"), world.read(world.base, "readme")), ("v2", "somebody else's"))
    expect(world.tip(HEAD), None)
    expect([(each.state, each.merged) for each in forge.find(HEAD)], [(PullRequestState.MERGED, merge)])


def merging_twice_is_merging_once(world: ForgeWorld) -> None:
    """The second time returns the same commit, and nothing reaches the server."""
    forge, opened = with_opened(world)
    merge = forge.merge(opened.number, opened.head_commit, "Merge")
    before = world.effects()

    expect(world.forge().merge(opened.number, opened.head_commit, "Merge"), merge)
    forge.close(opened.number, "too late")
    expect(world.effects(), before)
    expect(world.tip(world.base), merge)


def another_head_is_not_merged(world: ForgeWorld) -> None:
    """A foreign commit on our branch stops the merge; the base stays."""
    forge, opened = with_opened(world)
    world.push(HEAD, "image", "v3")
    before = world.tip(world.base)

    expect_raised(Conflict, lambda: forge.merge(opened.number, opened.head_commit, "Merge"))
    expect(world.tip(world.base), before)
    expect(forge.find(HEAD)[0].state, PullRequestState.OPEN)


def what_does_not_merge_cleanly_is_a_conflict(world: ForgeWorld) -> None:
    """Both sides changed the same line: nobody's commit is overwritten."""
    forge, opened = with_opened(world)
    base = world.push(world.base, "image", "v9")

    expect_raised(Conflict, lambda: forge.merge(opened.number, opened.head_commit, "Merge"))
    expect(world.tip(world.base), base)


def a_persons_merge_is_recognised(world: ForgeWorld) -> None:
    """Merged by a person, it is merged; our merge then returns that commit and opens nothing anew."""
    forge, opened = with_opened(world)
    merge = world.person_merges(opened.number, "ada")

    expect([(each.state, each.merged) for each in forge.find(HEAD)], [(PullRequestState.MERGED, merge)])
    expect(forge.merge(opened.number, opened.head_commit, "Merge"), merge)
    expect(world.tip(world.base), merge)


def a_branch_that_is_used_again_gets_a_new_one(world: ForgeWorld) -> None:
    """Head branches have fixed names: after a merge the next change opens the next pull request."""
    forge, first = with_opened(world)
    forge.merge(first.number, first.head_commit, "Merge")
    world.push(HEAD, "image", "v3")
    second = open_one(forge, world, "Promote v3")

    expect(
        [(each.number, each.state) for each in forge.find(HEAD)],
        [(second.number, PullRequestState.OPEN), (first.number, PullRequestState.MERGED)],
    )


def what_is_behind_its_base_is_outdated(world: ForgeWorld) -> None:
    """Where a rule asks for branches that are up to date: said once the base has moved on, and not merged as it is."""
    forge, opened = with_opened(world)
    world.push(world.base, "readme", "somebody else's")
    expect(forge.find(HEAD)[0].outdated, False)
    if not world.asks_for_up_to_date():
        return
    base = world.tip(world.base)
    expect_raised(Retry, lambda: forge.merge(opened.number, opened.head_commit, "Merge"))
    found = forge.find(HEAD)[0]

    expect((found.outdated, found.blocked != ""), (True, True))
    expect((world.tip(world.base), found.state), (base, PullRequestState.OPEN))


MERGING: tuple[Callable[[ForgeWorld], None], ...] = (
    merging_brings_the_head_onto_the_base,
    merging_twice_is_merging_once,
    another_head_is_not_merged,
    what_does_not_merge_cleanly_is_a_conflict,
    a_persons_merge_is_recognised,
    a_branch_that_is_used_again_gets_a_new_one,
    what_is_behind_its_base_is_outdated,
)
"""Every check of these, each for a fresh world."""
