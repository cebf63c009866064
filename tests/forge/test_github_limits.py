"""GitHub's pages and limits: all is found, what has not changed costs nothing, and its limits are kept."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gitslo.errors import Retry
from gitslo.ports import Status, StatusState
from tests.forge.github_scenes import HEAD, Later, opened
from tests.forge.github_world import STRANGER, GithubWorld
from tests.github.server import GithubServer
from tests.github.state import Comment, StatusRow


def test_everything_is_found_on_later_pages(github: GithubServer) -> None:
    """Our comment behind 120 of other people, our status behind 130, and 40 closed pull requests of one branch."""
    world = GithubWorld(github)
    pull, eve = opened(world), github.service.account(STRANGER)
    thread, sha = world.thread(pull.number), pull.head_commit
    thread.comments += [Comment(number, eve, f"no {number}", thread.created, thread.created) for number in range(120)]
    world.made.statuses[sha] = [
        StatusRow(number, sha, f"ci/{number}", "pending", None, None, eve, thread.created) for number in range(130)
    ]
    closed = replace(thread, open=False, comments=[])
    world.made.threads |= {number: replace(closed, number=number) for number in range(2, 42)}
    forge, ours = world.forge(), Status(sha, "gitslo/dev", StatusState.SUCCESS, "pass")
    forge.comment_once(pull.number, "verdict", "pass")
    forge.set_status(ours)
    before = world.effects()
    world.forge().comment_once(pull.number, "verdict", "pass")
    world.forge().set_status(ours)

    assert before == world.effects()
    assert [[*range(41, 0, -1)]] * 2 == [[each.number for each in forge.find(HEAD)] for _ in range(2)]


def test_what_has_not_changed_costs_nothing_of_the_limit(github: GithubServer) -> None:
    """GitHub does not count an answer 304: polls are free until something moves, and then they see it."""
    world = GithubWorld(github)
    opened(world)
    forge = world.forge()
    for _ in range(2):
        forge.find(HEAD)
    spent, asked = github.spent, len(world.send.requests)
    for _ in range(5):
        forge.find(HEAD)
    free = (github.spent - spent, len(world.send.requests) > asked)
    newer = world.push(HEAD, "image", "v3")

    assert (0, True) == free
    assert [newer] == [each.head_commit for each in forge.find(HEAD)]


@pytest.mark.parametrize(
    ("status", "message", "headers", "delay"),
    [
        (403, "You have exceeded a secondary rate limit.", {}, 60.0),
        (403, "You have exceeded a secondary rate limit.", {"Retry_After": "17"}, 17.0),
        (429, "You have exceeded a secondary rate limit.", {"Retry_After": "90"}, 90.0),
        (403, "API rate limit exceeded for user ID 1.", {"X_RateLimit_Remaining": "0", "X_RateLimit_Reset": ""}, 300.0),
    ],
)
def test_limits_are_kept(
    github: GithubServer, status: int, message: str, headers: dict[str, str], delay: float
) -> None:
    """Primary and secondary: nothing goes out until then, and the write is done once."""
    world = GithubWorld(github)
    later = Later(world)
    pull = opened(world)
    if "X_RateLimit_Reset" in headers:
        headers = {**headers, "X_RateLimit_Reset": str(int(later.now().wall) + 300)}
    forge = world.forge()
    github.limit(status, message, **headers)
    with pytest.raises(Retry) as first:
        forge.comment_once(pull.number, "verdict", "pass")
    later.ahead = delay - 2.0
    asked = len(world.send.requests)
    with pytest.raises(Retry):
        forge.comment_once(pull.number, "verdict", "pass")
    quiet = len(world.send.requests) == asked
    later.ahead = delay + 1.0
    forge.comment_once(pull.number, "verdict", "pass")

    assert (True, pytest.approx(delay, abs=1.5)) == (quiet, first.value.delay)
    assert (("verdict", "pass"),) == world.comments(pull.number)
