"""What every Forge must do with comments on pull requests and commits. Part of `forge_contract`."""

from __future__ import annotations

from collections.abc import Callable

from gitslo.model import CommitId
from gitslo.testing.expectations import expect
from gitslo.testing.forge_world import ForgeWorld, with_opened

__all__ = ["COMMENTS"]


def one_comment_per_marker(world: ForgeWorld) -> None:
    """The same words again do nothing, other words replace, another marker adds."""
    forge, opened = with_opened(world)
    forge.comment_once(opened.number, "verdict-1", "inconclusive")
    before = world.effects()
    forge.comment_once(opened.number, "verdict-1", "inconclusive")
    expect(world.effects(), before)
    forge.comment_once(opened.number, "verdict-1", "pass")
    world.forge().comment_once(opened.number, "verdict-2", "pass again")

    expect(world.comments(opened.number), (("verdict-1", "pass"), ("verdict-2", "pass again")))


def a_comment_that_is_there_is_known_without_a_write(world: ForgeWorld) -> None:
    """By its marker; on a pull request that nobody opened there is none."""
    forge, opened = with_opened(world)
    expect(forge.has_comment(opened.number, "verdict-1"), False)
    forge.comment_once(opened.number, "verdict-1", "pass")
    before = world.effects()
    clients = (forge, world.forge())

    expect([client.has_comment(opened.number, "verdict-1") for client in clients], [True, True])
    expect([client.has_comment(opened.number, "verdict-2") for client in clients], [False, False])
    expect([client.has_comment(7, "verdict-1") for client in clients], [False, False])
    expect(world.effects(), before)


def what_is_said_of_comments_on_commits_holds(world: ForgeWorld) -> None:
    """A forge that keeps them says so, and one that does not says that."""
    forge = world.forge()

    expect(forge.capabilities().commit_comments, forge.commit_comments is not None)


def one_comment_per_marker_on_a_commit(world: ForgeWorld) -> None:
    """As on a pull request, where the forge keeps them: nothing, an edit, another one; and known without a write."""
    commit, other = world.push(world.base, "image", "v2"), world.push(world.base, "image", "v3")
    forge, again = world.forge().commit_comments, world.forge().commit_comments
    if forge is None or again is None:
        return
    expect(forge.has(commit, "result-1"), False)
    forge.once(commit, "result-1", "inconclusive")
    before = world.effects()
    forge.once(commit, "result-1", "inconclusive")
    found = [each.has(*asked) for each in (forge, again) for asked in ((commit, "result-1"), (other, "result-1"))]
    expect((world.effects(), found), (before, [True, False, True, False]))
    again.once(commit, "result-1", "pass\n\n/close")
    forge.once(commit, "change-1", "promoted")

    expect(world.commit_comments(commit), (("result-1", "pass\n\n/close"), ("change-1", "promoted")))
    expect(world.commit_comments(other), ())


def a_commit_that_is_not_there_gets_no_comment(world: ForgeWorld) -> None:
    """Nobody could read it; nothing waits for that."""
    comments = world.forge().commit_comments
    if comments is not None:
        comments.once(CommitId("1" * 40), "result-1", "pass")


COMMENTS: tuple[Callable[[ForgeWorld], None], ...] = (
    one_comment_per_marker,
    a_comment_that_is_there_is_known_without_a_write,
    what_is_said_of_comments_on_commits_holds,
    one_comment_per_marker_on_a_commit,
    a_commit_that_is_not_there_gets_no_comment,
)
"""Every check of these, each for a fresh world."""
