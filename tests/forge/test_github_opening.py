"""Opening and closing on GitHub: whose branches are ours, what people have set, what is too long, who closed it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from gitslo.adapters.forges.github import BODY_LENGTH
from gitslo.adapters.forges.opening import github_api
from gitslo.errors import Conflict, Refused
from gitslo.ports import HttpAnswer, Issue, PullRequestState
from tests.forge.github_scenes import HEAD, opened
from tests.forge.github_world import OWNER, STRANGER, GithubWorld
from tests.github.server import GithubServer


def test_a_fork_with_a_branch_of_our_name_is_not_ours(github: GithubServer) -> None:
    """Anybody may open a pull request from a fork: it is neither found nor adopted nor touched."""
    world = GithubWorld(github)
    fork = github.service.new_repository(STRANGER, [])
    fork.fork = True
    fork.git.commit({"image": b"evil"}, branch=HEAD)
    asked = {"head": f"{STRANGER}:{HEAD}", "base": "main", "title": "Promote"}
    foreign = world.api(STRANGER, "POST", "/pulls", asked)
    assert foreign.status == 201
    found = world.forge().find(HEAD)
    pull = opened(world)
    with pytest.raises(Refused, match="there is no pull request"):
        world.forge().close(foreign.data["number"], "")

    assert () == found
    assert (pull.number != foreign.data["number"], [pull.number]) == (
        True,
        [each.number for each in world.forge().find(HEAD)],
    )


def test_what_people_have_added_stays(github: GithubServer) -> None:
    """Adopting a pull request adds what the operator wishes for, teams too, and takes nothing away."""
    github.service.teams["sre"] = "acme"
    world = GithubWorld(github, labels=("gitslo",), assignees=(OWNER,), reviewers=(OWNER, STRANGER, "acme/SRE"))
    github.service.teams["SRE"] = "acme"
    world.push(HEAD, "image", "v2")
    asked = {"head": HEAD, "base": "main", "title": "mine", "body": "by hand"}
    number = world.api(STRANGER, "POST", "/pulls", asked).data["number"]
    world.api(OWNER, "POST", f"/issues/{number}/labels", {"labels": ["urgent"]})
    world.api(OWNER, "POST", f"/issues/{number}/assignees", {"assignees": [STRANGER]})
    pull = opened(world)
    row = world.api(OWNER, "GET", f"/pulls/{number}").data

    assert (number, "Promote", "the numbers") == (pull.number, row["title"], pull.body)
    assert [{"gitslo", "urgent"}, {OWNER, STRANGER}] == [
        {each["name"] for each in row["labels"]},
        {each["login"] for each in row["assignees"]},
    ]
    # who has opened it cannot review it
    assert ([OWNER], ["SRE"]) == (
        [each["login"] for each in row["requested_reviewers"]],
        [each["slug"] for each in row["requested_teams"]],
    )


@pytest.mark.parametrize(
    ("wishes", "said"),
    [
        ({"reviewers": ("nobody-at-all",)}, "does not ask nobody-at-all for a review of 1: Reviews may only be"),
        ({"assignees": ("nobody-at-all",)}, "does not assign pull request 1 to nobody-at-all"),
    ],
)
def test_who_cannot_be_asked_is_told(github: GithubServer, wishes: dict[str, Any], said: str) -> None:
    """GitHub leaves out in silence who cannot be assigned; a wish that is not met is said either way."""
    world = GithubWorld(github, **wishes)
    with pytest.raises(Refused, match=said):
        opened(world)

    assert [""] == [each.key for each in world.forge().find(HEAD)]


def test_what_is_too_long_is_cut_once(github: GithubServer) -> None:
    """A body and a title as long as GitHub holds; the next time they are known as they are."""
    world = GithubWorld(github)
    long = "| one line of the table | 1 ms |\n" * 4000
    pull = opened(world, title="x" * 300, body=long)
    before = world.effects()
    again = opened(world, title="x" * 300, body=long)
    world.forge().comment_once(pull.number, "m", long)
    commented = world.effects()
    world.forge().comment_once(pull.number, "m", long)

    assert (pull, commented) == (again, world.effects())
    assert (before + 1, 256, True) == (commented, len(pull.title), BODY_LENGTH - 1000 < len(pull.body) < BODY_LENGTH)
    assert pull.body.endswith("`gitslo report` shows all of it.*")


def test_an_issue_that_is_too_long_is_cut_once(github: GithubServer) -> None:
    """As a pull request's body: cut, and known again as it is."""
    world = GithubWorld(github)
    issue = Issue("gitslo/dev", "dev needs a person", "| one line of the table | 1 ms |\n" * 4000, open=True)
    told = []
    for _ in range(2):
        issues = world.forge().issues
        assert issues is not None
        issues.tell(issue)
        told.append((world.effects(), issues.stands(issue)))

    assert [(1, True)] * 2 == told
    assert BODY_LENGTH - 1000 < len(world.issues()[0].body) < BODY_LENGTH


class Meddling:
    """Somebody else opens the pull request while ours is on its way."""

    def __init__(self, world: GithubWorld) -> None:
        self._world = world

    def __call__(self, method: str, target: object, path: str, **named: Any) -> HttpAnswer:
        if (method, path.rpartition("/")[2]) == ("POST", "pulls"):
            self._world.api(STRANGER, "POST", "/pulls", {"head": HEAD, "base": "main", "title": "first"})
        return self._world.send(method, target, path, **named)  # type: ignore[arg-type]


def test_who_loses_the_race_adopts_the_winners(github: GithubServer) -> None:
    """GitHub refuses a second pull request of a branch: the first one is ours then."""
    world = GithubWorld(github)
    world.push(HEAD, "image", "v2")
    forge = world.client(github_api(github.url), Meddling(world), world.clock.now, world.pause)
    pull = forge.ensure_pull_request(key="k", head=HEAD, base="main", title="Promote", body="the numbers")

    assert [(pull.number, "Promote", "k")] == [(each.number, each.title, each.key) for each in world.forge().find(HEAD)]


def test_a_branch_without_news_is_a_conflict(github: GithubServer) -> None:
    """What the base has already needs no pull request; a base that is not there is a person's to mend."""
    world = GithubWorld(github)
    world.made.git.set_ref(f"refs/heads/{HEAD}", world.tip("main"))
    forge = world.forge()
    with pytest.raises(Conflict, match="main has all of gitslo/shop/dev/promote already"):
        forge.ensure_pull_request(key="k", head=HEAD, base="main", title="Promote", body="")
    with pytest.raises(Refused, match="into gone: Validation Failed: base invalid"):
        forge.ensure_pull_request(key="k", head=HEAD, base="gone", title="Promote", body="")


# --------------------------------------------------------------------------- closing


@pytest.mark.parametrize(("pause", "with_branch"), [(0, True), (60, False)])
def test_a_branch_that_went_is_nobodys_no(github: GithubServer, pause: int, *, with_branch: bool) -> None:
    """Closed by the deletion of its branch is told from closed by a person who deletes the branch afterwards."""
    world = GithubWorld(github)
    pull = opened(world)
    if pause:
        world.person_closes(pull.number, STRANGER)
        github.service.ahead += timedelta(seconds=pause)
    try:
        github.service.delete_branch(world.made, HEAD, STRANGER)
        [found] = world.forge().find(HEAD)
    finally:
        github.service.ahead = timedelta()

    assert (PullRequestState.CLOSED, with_branch, STRANGER) == (found.state, found.closed_by_us, found.closed_by)
