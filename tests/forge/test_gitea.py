"""What is Gitea's own: what blocks a merge there, whose branches are ours, and what is said of rights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from gitslo.errors import Conflict, Refused, Retry
from gitslo.model import Instant, Target
from gitslo.ports import Forge, HttpAnswer, PullRequest, PullRequestState
from tests.e2e.world import until
from tests.forge.gitea_world import CountingSend, GiteaWorld
from tests.gitea_server import BOT, OWNER, STRANGER, GiteaServer

HEAD = "gitslo/shop/dev/promote"


class Later:
    """The machine's clock, some time ahead."""

    def __init__(self, world: GiteaWorld) -> None:
        self._clock = world.clock
        self.ahead = 0.0
        world.clock = self  # type: ignore[assignment]

    def now(self) -> Instant:
        now = self._clock.now()
        return Instant(now.monotonic + self.ahead, now.wall + self.ahead)


def opened(world: GiteaWorld) -> PullRequest:
    world.push(HEAD, "image", "v2")
    return world.forge().ensure_pull_request(key="k", head=HEAD, base="main", title="Promote", body="the numbers")


def protect(world: GiteaWorld, **rules: object) -> None:
    assert world.api(OWNER, "POST", "/branch_protections", {"rule_name": "main", **rules}).status == 201


def test_a_missing_approval_is_waited_for(gitea: GiteaServer) -> None:
    """The forge's own words say what is missing; half a minute later the merge is tried again, and done."""
    world = GiteaWorld(gitea)
    later = Later(world)
    protect(world, required_approvals=1)
    pull, forge = opened(world), world.forge()
    with pytest.raises(Retry, match="Does not have enough approvals"):
        forge.merge(pull.number, pull.head_commit, "Merge")
    blocked = forge.find(HEAD)[0].blocked
    world.api(OWNER, "POST", f"/pulls/{pull.number}/reviews", {"event": "APPROVED", "body": "fine"})
    later.ahead = 31.0
    free = forge.find(HEAD)[0].blocked
    merge = forge.merge(pull.number, pull.head_commit, "Merge")

    assert ("Does not have enough approvals", "") == (blocked, free)
    assert merge == world.tip("main")
    assert "main asks for 1 approvals before every merge." in forge.capabilities().cannot


def test_who_may_not_merge_is_told_what_to_allow(gitea: GiteaServer) -> None:
    """A branch protection that does not name our account: said before, and when it comes to it."""
    world = GiteaWorld(gitea)
    protect(world, enable_merge_whitelist=True, merge_whitelist_usernames=[OWNER])
    pull, forge = opened(world), world.forge()
    with pytest.raises(Retry, match=f"{BOT} may not merge into main: its branch protection has to name"):
        forge.merge(pull.number, pull.head_commit, "Merge")

    assert any(f"{BOT} may not merge into main" in line for line in forge.capabilities().cannot)
    assert forge.find(HEAD)[0].state is PullRequestState.OPEN


class Checking(CountingSend):
    """The real Gitea, whose look at the base's last push is still under way at the first merges of it.

    Args:
        times: at how many of them.
        meanwhile: what happens at each.
    """

    def __init__(self, times: int, meanwhile: Callable[[], object]) -> None:
        super().__init__()
        self._times, self._meanwhile = times, meanwhile

    def __call__(self, method: str, target: Target, path: str, **words: Any) -> HttpAnswer:
        if path.endswith("/merge") and self._times:
            self._times -= 1
            self._meanwhile()
            headers = (("content-type", "application/json"),)
            return HttpAnswer(405, headers, b'{"message": "Please try again later"}', whole=True)
        return super().__call__(method, target, path, **words)


def checking(world: GiteaWorld, times: int, meanwhile: Callable[[], object] = bool) -> Forge:
    world.send = Checking(times, meanwhile)
    return world.forge()


@pytest.mark.parametrize("times", [1, 3])
def test_a_look_that_is_under_way_is_waited_for(times: int, gitea: GiteaServer) -> None:
    """The base has just moved: what stands in the merge's way is what Gitea says once it has looked, and no more."""
    world = GiteaWorld(gitea)
    pull, forge = opened(world), checking(world, times)
    world.push("main", "readme", "somebody else's")
    protect(world, block_on_outdated_branch=True)
    with pytest.raises(Retry, match="it is behind main"):
        forge.merge(pull.number, pull.head_commit, "Merge")

    assert forge.find(HEAD)[0].outdated


def test_a_conflict_that_the_look_finds_is_one(gitea: GiteaServer) -> None:
    """What merged when we looked, and does not when Gitea has looked again, is computed anew and not waited for."""
    world = GiteaWorld(gitea)

    def moved() -> None:
        world.push("main", "image", "v9")
        until(lambda: not world.api(OWNER, "GET", f"/pulls/{pull.number}").data["mergeable"], "Gitea has seen it")

    pull, forge = opened(world), checking(world, 1, moved)
    with pytest.raises(Conflict):
        forge.merge(pull.number, pull.head_commit, "Merge")

    assert forge.find(HEAD)[0].state is PullRequestState.OPEN


def test_a_look_that_does_not_end_stands_in_nobodys_way(gitea: GiteaServer) -> None:
    """It is no reason that holds: the merge is tried again at once, and nothing is said to block it."""
    world = GiteaWorld(gitea)
    pull, forge = opened(world), checking(world, 1 << 10)
    with pytest.raises(Retry, match="Please try again later") as caught:
        forge.merge(pull.number, pull.head_commit, "Merge")

    assert (forge.find(HEAD)[0].blocked, caught.value.delay) == ("", 1.0)


def test_a_method_that_the_repository_forbids_is_told(gitea: GiteaServer) -> None:
    """The operator's method goes before the repository's own, and where it is not allowed, that is said."""
    world = GiteaWorld(gitea, method="rebase")
    world.api(OWNER, "PATCH", "", {"allow_rebase": False})
    pull, forge = opened(world), world.forge()
    with pytest.raises(Retry, match="the repository does not allow the method `rebase`"):
        forge.merge(pull.number, pull.head_commit, "Merge")

    assert "rebase" not in forge.capabilities().merges


def test_a_draft_stays_one_until_a_person_says_otherwise(gitea: GiteaServer) -> None:
    """Opened as a draft, it is not merged; brought up to date, it stays what the person has made of it."""
    world = GiteaWorld(gitea, draft=True)
    pull, forge = opened(world), world.forge()

    def title() -> str:
        return str(world.api(OWNER, "GET", f"/pulls/{pull.number}").data["title"])

    def again(text: str) -> PullRequest:
        return forge.ensure_pull_request(key="k", head=HEAD, base="main", title=text, body="the numbers")

    with pytest.raises(Retry, match="it is a draft"):
        forge.merge(pull.number, pull.head_commit, "Merge")
    drafted, still = title(), (again("Promote more").title, title())
    world.api(OWNER, "PATCH", f"/pulls/{pull.number}", {"title": "Promote more"})
    ready = (again("Promote all").blocked, title())

    assert ("Promote", "WIP: Promote") == (pull.title, drafted)
    assert ("Promote more", "WIP: Promote more") == still
    assert ("", "Promote all") == ready


def test_a_fork_with_a_branch_of_our_name_is_not_ours(gitea: GiteaServer) -> None:
    """Anybody may open a pull request from a fork: it is neither found nor adopted."""
    world = GiteaWorld(gitea)
    fork = gitea.api(
        STRANGER, "POST", f"/repos/{world.repository}/forks", {"name": world.repository.rpartition("/")[2]}
    )
    assert fork.status == 202
    gitea.commit(fork.data["full_name"], HEAD, {"image": "evil"}, STRANGER)
    asked = {"head": f"{STRANGER}:{HEAD}", "base": "main", "title": "Promote"}
    foreign = world.api(STRANGER, "POST", "/pulls", asked)
    assert foreign.status == 201
    found = world.forge().find(HEAD)
    pull = opened(world)

    assert () == found
    assert (pull.number != foreign.data["number"], world.push(HEAD, "image", "v3")) == (
        True,
        world.forge().find(HEAD)[0].head_commit,
    )


def test_what_people_have_added_stays(gitea: GiteaServer) -> None:
    """Adopting a pull request adds what the operator wishes for and takes nothing away."""
    world = GiteaWorld(gitea, labels=("gitslo",), assignees=(OWNER,), reviewers=(OWNER,))
    world.push(HEAD, "image", "v2")
    label = world.api(OWNER, "POST", "/labels", {"name": "urgent", "color": "#ff0000"}).data["id"]
    asked = {"head": HEAD, "base": "main", "title": "mine", "labels": [label], "assignees": [STRANGER]}
    number = world.api(STRANGER, "POST", "/pulls", asked).data["number"]
    opened(world)
    row = world.api(OWNER, "GET", f"/pulls/{number}").data
    people = ([each["login"] for each in row[key]] for key in ("assignees", "requested_reviewers"))

    assert [{"gitslo", "urgent"}, {OWNER, STRANGER}, {OWNER}] == [
        {each["name"] for each in row["labels"]},
        *map(set, people),
    ]
    assert "Promote" == row["title"]


def test_a_branch_that_went_takes_its_pull_request_without_anybodys_no(gitea: GiteaServer) -> None:
    """Closed by the deletion of its branch is told from closed by the same person."""
    world = GiteaWorld(gitea)
    pull = opened(world)
    assert world.api(STRANGER, "DELETE", f"/branches/{HEAD.replace('/', '%2F')}").status == 204
    forge = world.forge()
    # the forge works deletions off after it has answered
    until(lambda: forge.find(HEAD)[0].state is PullRequestState.CLOSED, "it is closed")
    [found] = forge.find(HEAD)

    assert (PullRequestState.CLOSED, True, STRANGER) == (found.state, found.closed_by_us, found.closed_by)
    assert pull.number == found.number


def test_wrong_rights_are_refused_with_what_to_do(gitea: GiteaServer) -> None:
    """A token that is not known, a repository that is not shown, a reviewer who does not exist."""
    world = GiteaWorld(gitea, reviewers=("nobody-at-all",))
    said = []
    with pytest.raises(Refused) as wrong_reviewer:
        opened(world)
    said.append(str(wrong_reviewer.value))
    world.settings = replace(world.settings, project=f"{OWNER}/nothing")
    with pytest.raises(Refused) as nothing:
        world.forge().capabilities()
    said.append(str(nothing.value))
    account = gitea.accounts[BOT]
    try:
        gitea.accounts[BOT] = replace(account, token="0" * 40)
        with pytest.raises(Refused) as unknown:
            world.forge().find(HEAD)
    finally:
        gitea.accounts[BOT] = account
    said.append(str(unknown.value))

    assert ["nobody-at-all" in said[0], f"shows {BOT} no {OWNER}/nothing" in said[1], "token" in said[2]] == [True] * 3
    assert "0" * 40 not in "".join(said)
