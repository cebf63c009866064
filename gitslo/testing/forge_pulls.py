"""What every Forge must do with pull requests, until they are merged. Part of `forge_contract`."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from gitslo.errors import Conflict, Refused
from gitslo.ports import PullRequestState
from gitslo.testing.expectations import expect, expect_raised
from gitslo.testing.forge_world import HEAD, NOBODY, ForgeWorld, open_one, with_opened

__all__ = ["PULLS"]


def nothing_is_found_before_anything_is_opened(world: ForgeWorld) -> None:
    """A head without pull requests has none."""
    expect(world.forge().find(HEAD), ())


def open_ones_are_listed_by_their_base(world: ForgeWorld) -> None:
    """Every open one into a branch, newest first; neither closed ones nor those into another branch."""
    forge, first = with_opened(world)
    world.push("release", "readme", "a release")
    numbers = []
    for head, base in (("more", world.base), ("other", "release"), ("closed", world.base)):
        world.push(head, "readme", head)
        numbers.append(forge.ensure_pull_request(key=head, head=head, base=base, title=head, body="").number)
    forge.close(numbers[2], "")
    found = world.forge().open_pulls(world.base)

    expect([(each.number, each.head) for each in found], [(numbers[0], "more"), (first.number, HEAD)])


def what_was_opened_is_found(world: ForgeWorld) -> None:
    """A new pull request is open, carries what was given, and names the head's tip."""
    head = world.push(HEAD, "image", "v2")
    forge = world.forge()
    opened = open_one(forge, world)

    expect(
        (opened.state, opened.key, opened.head, opened.base, opened.head_commit, opened.title, opened.body),
        (PullRequestState.OPEN, "promote-1", HEAD, world.base, head, "Promote", "the numbers"),
    )
    expect(world.forge().find(HEAD), (opened,))
    expect(world.forge().find("gitslo/shop/prod/promote"), ())


def opening_twice_is_opening_once(world: ForgeWorld) -> None:
    """The second time nothing reaches the server."""
    forge, opened = with_opened(world)
    before = world.effects()

    expect(open_one(forge, world), opened)
    expect(open_one(world.forge(), world), opened)
    expect(world.effects(), before)


def an_open_one_is_adopted_and_brought_up_to_date(world: ForgeWorld) -> None:
    """Another title, body or key changes the open pull request; no second one comes to be."""
    forge, opened = with_opened(world)

    expect(open_one(forge, world, "Promote v2").number, opened.number)
    expect([found.title for found in world.forge().find(HEAD)], ["Promote v2"])


def racing_clients_open_one(world: ForgeWorld) -> None:
    """Whoever loses the race adopts the winner's."""
    world.push(HEAD, "image", "v2")
    with ThreadPoolExecutor(4) as pool:
        opened = list(pool.map(lambda forge: open_one(forge, world), [world.forge() for _ in range(4)]))

    expect(len({each.number for each in opened}), 1)
    expect(len(world.forge().find(HEAD)), 1)


def heads_do_not_get_into_each_others_way(world: ForgeWorld) -> None:
    """Clients that open pull requests of different heads at the same moment all get one, with a number of its own."""
    heads = [f"gitslo/shop/{stage}/promote" for stage in ("dev", "staging", "prod")]
    for head in heads:
        world.push(head, "image", head)
    with ThreadPoolExecutor(3) as pool:
        opened = list(
            pool.map(
                lambda head: world.forge().ensure_pull_request(
                    key=head, head=head, base=world.base, title=head, body=""
                ),
                heads,
            )
        )

    expect(len({each.number for each in opened}), 3)
    expect([world.forge().find(head)[0].number for head in heads], [each.number for each in opened])


def a_head_that_is_not_there_is_a_conflict(world: ForgeWorld) -> None:
    """Somebody deleted the branch meanwhile: look again."""
    forge = world.forge()
    expect_raised(Conflict, lambda: open_one(forge, world))


def newer_commits_show_at_an_open_one(world: ForgeWorld) -> None:
    """The head's tip is the branch's, not what it was at the opening."""
    forge, opened = with_opened(world)
    newer = world.push(HEAD, "image", "v3")

    expect([(each.number, each.head_commit) for each in forge.find(HEAD)], [(opened.number, newer)])


def closed_by_us_is_told_from_closed_by_a_person(world: ForgeWorld) -> None:
    """Only a person's closing rejects a release, so the two must differ; the newest comes first."""
    forge, first = with_opened(world)
    forge.close(first.number, "the pass is gone")
    second = open_one(forge, world)
    world.person_closes(second.number, "ada")

    expect(
        [(each.number, each.state, each.closed_by_us) for each in forge.find(HEAD)],
        [(second.number, PullRequestState.CLOSED, False), (first.number, PullRequestState.CLOSED, True)],
    )
    expect(forge.find(HEAD)[0].closed_by, "ada")


def closing_twice_is_closing_once(world: ForgeWorld) -> None:
    """The second time nothing reaches the server, whoever closed it."""
    forge, opened = with_opened(world)
    forge.close(opened.number, "the pass is gone")
    before = world.effects()
    forge.close(opened.number, "the pass is gone, again")

    expect(world.effects(), before)


def a_closed_one_is_not_merged(world: ForgeWorld) -> None:
    """A person's no is final for this pull request."""
    forge, opened = with_opened(world)
    world.person_closes(opened.number, "ada")

    expect_raised(Refused, lambda: forge.merge(opened.number, opened.head_commit, "Merge"))


def a_pull_request_that_is_not_there_is_refused(world: ForgeWorld) -> None:
    """No effect on a number that nobody opened."""
    forge = world.forge()

    expect_raised(Refused, lambda: forge.comment_once(7, "verdict-1", "pass"))
    expect_raised(Refused, lambda: forge.close(7, "why"))
    expect_raised(Refused, lambda: forge.merge(7, NOBODY, "Merge"))


PULLS: tuple[Callable[[ForgeWorld], None], ...] = (
    nothing_is_found_before_anything_is_opened,
    open_ones_are_listed_by_their_base,
    what_was_opened_is_found,
    opening_twice_is_opening_once,
    an_open_one_is_adopted_and_brought_up_to_date,
    racing_clients_open_one,
    heads_do_not_get_into_each_others_way,
    a_head_that_is_not_there_is_a_conflict,
    newer_commits_show_at_an_open_one,
    closed_by_us_is_told_from_closed_by_a_person,
    closing_twice_is_closing_once,
    a_closed_one_is_not_merged,
    a_pull_request_that_is_not_there_is_refused,
)
"""Every check of these, each for a fresh world."""
