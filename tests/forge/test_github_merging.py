"""Merging on GitHub: what blocks it there and is waited for, its methods, and what it leaves behind."""

from __future__ import annotations

import pytest

from gitslo.errors import Retry
from gitslo.forge_settings import MergeMethod
from gitslo.ports import PullRequestState, Status, StatusState
from tests.forge.github_scenes import HEAD, QUEUE, Later, checks, on_main, opened, reviews
from tests.forge.github_world import BOT, OWNER, STRANGER, GithubWorld
from tests.github.server import GithubServer
from tests.github.state import Rules


@pytest.mark.parametrize("bypass", [frozenset[str](), frozenset({BOT})])
def test_a_missing_approval_is_waited_for(github: GithubServer, bypass: frozenset[str]) -> None:
    """What the rules ask for is said, nothing is tried meanwhile, and who may bypass them does not."""
    world = GithubWorld(github)
    world.made.rules = Rules(approvals=2, bypass=bypass, rulesets=on_main(reviews(2, owners=True, threads=True)))
    pull, forge = opened(world), world.forge()
    wants = "main asks for 2 approvals, the code owners' approval and resolved conversations"
    before = world.effects()
    with pytest.raises(Retry, match=f"{wants}, and not all of it is there yet"):
        forge.merge(pull.number, pull.head_commit, "Merge")
    tried, blocked = world.effects() - before, forge.find(HEAD)[0].blocked
    made = world.thread(pull.number).pull
    assert made is not None
    made.approvals |= {OWNER, STRANGER}
    merge = forge.merge(pull.number, pull.head_commit, "Merge")

    assert (0, f"{wants}, and not all of it is there yet") == (tried, blocked)
    assert merge == world.tip("main")
    assert f"{wants} before every merge." in forge.capabilities().cannot


def test_a_required_check_is_waited_for(github: GithubServer) -> None:
    """Of a ruleset or of a classic protection: its name is said, and it may be our own status."""
    world = GithubWorld(github)
    world.made.rules = Rules(checks=("ci/test",), rulesets=on_main(checks("gitslo/dev")))
    pull, forge = opened(world), world.forge()
    forge.set_status(Status(pull.head_commit, "gitslo/dev", StatusState.SUCCESS, "may be merged"))
    forge.find(HEAD)
    blocked = forge.find(HEAD)[0].blocked
    world.api(OWNER, "POST", f"/statuses/{pull.head_commit}", {"context": "ci/test", "state": "success"})

    assert "main asks for the checks ci/test, gitslo/dev, and not all of it is there yet" == blocked
    assert forge.merge(pull.number, pull.head_commit, "Merge") == world.tip("main")


def test_what_may_not_be_read_is_waited_for_all_the_same(github: GithubServer) -> None:
    """A classic protection shows its reviews to admins only: that something is missing is known, and said."""
    world = GithubWorld(github)
    world.made.rules = Rules(approvals=1)
    opened(world)
    forge = world.forge()
    forge.find(HEAD)

    assert "main asks for checks or reviews that are not there yet" == forge.find(HEAD)[0].blocked


@pytest.mark.parametrize("bypass", [frozenset[str](), frozenset({BOT})])
def test_a_merge_queue_is_left_to_people(github: GithubServer, bypass: frozenset[str]) -> None:
    """It is never bypassed, and a person's merge through it is recognised."""
    world = GithubWorld(github)
    world.made.rules = Rules(queue=True, bypass=bypass | {OWNER}, rulesets=on_main(QUEUE))
    pull, forge = opened(world), world.forge()
    said = "main has a merge queue, which gitslo leaves to people: add the pull request to it"
    before = world.effects()
    with pytest.raises(Retry, match=said):
        forge.merge(pull.number, pull.head_commit, "Merge")
    tried, blocked, cannot = world.effects() - before, forge.find(HEAD)[0].blocked, forge.capabilities().cannot
    merge = world.person_merges(pull.number, OWNER)

    assert (0, said) == (tried, blocked)
    assert "main has a merge queue: pull requests wait for a person to add them to it." in cannot
    assert [(PullRequestState.MERGED, merge)] == [(each.state, each.merged) for each in forge.find(HEAD)]


def test_a_queue_that_only_shows_at_the_merge_is_said(github: GithubServer) -> None:
    """A classic protection does not show its queue: GitHub's words stand for half a minute, then it is tried again."""
    world = GithubWorld(github)
    later = Later(world)
    world.made.rules = Rules(queue=True)
    pull, forge = opened(world), world.forge()
    for _ in range(2):
        with pytest.raises(Retry, match="Changes must be made through the merge queue"):
            forge.merge(pull.number, pull.head_commit, "Merge")
    blocked, tried = forge.find(HEAD)[0].blocked, [path for method, path in world.send.requests if method == "PUT"]
    later.ahead = 31.0

    assert ("Changes must be made through the merge queue", 1) == (blocked, len(tried))
    assert "" == forge.find(HEAD)[0].blocked


def test_a_branch_that_has_fallen_behind_is_said(github: GithubServer) -> None:
    """Where a rule asks for branches that are up to date."""
    world = GithubWorld(github)
    world.made.rules = Rules(strict=True, rulesets=on_main(checks(strict=True)))
    pull, forge = opened(world), world.forge()
    world.push("main", "readme", "more")
    with pytest.raises(Retry, match="it is behind main, whose rules ask for branches that are up to date"):
        forge.merge(pull.number, pull.head_commit, "Merge")

    assert any(line.startswith("main asks for branches that are up to date") for line in forge.capabilities().cannot)


def test_what_does_not_merge_is_said(github: GithubServer) -> None:
    """A conflict shows before the merge is tried."""
    world = GithubWorld(github)
    opened(world)
    world.push("main", "image", "v9")
    forge = world.forge()
    forge.find(HEAD)

    assert "it does not merge cleanly into main" == forge.find(HEAD)[0].blocked


def test_a_draft_stays_one_until_a_person_says_otherwise(github: GithubServer) -> None:
    """Opened as a draft, it is not merged; brought up to date, it stays what the person has made of it."""
    world = GithubWorld(github, draft=True)
    pull, forge = opened(world), world.forge()
    with pytest.raises(Retry, match="it is a draft; whoever marks it as ready lets it be merged"):
        forge.merge(pull.number, pull.head_commit, "Merge")
    made = world.thread(pull.number).pull
    assert made is not None
    drafted, made.draft = made.draft, False
    opened(world, title="Promote more")

    assert (True, False) == (drafted, made.draft)
    assert "" == forge.find(HEAD)[0].blocked


@pytest.mark.parametrize(
    ("method", "parents", "title"),
    [
        (MergeMethod.MERGE, 2, "Promote v2"),
        (MergeMethod.SQUASH, 1, "Promote v2"),
        (MergeMethod.REBASE, 1, f"{HEAD}: image v2"),
    ],
)
def test_each_method_makes_its_commit(github: GithubServer, method: MergeMethod, parents: int, title: str) -> None:
    """Merge, squash and rebase; what others have brought to the base stays, and our branch goes."""
    world = GithubWorld(github, method=method)
    pull, forge = opened(world), world.forge()
    world.push("main", "readme", "more")
    merge = forge.merge(pull.number, pull.head_commit, "Promote v2\n\nGitslo-Action: promote\n")
    commit = world.api(OWNER, "GET", f"/git/commits/{merge}").data

    assert (merge, None) == (world.tip("main"), world.tip(HEAD))
    assert (parents, title) == (len(commit["parents"]), commit["message"].partition("\n")[0])
    assert ("v2", "more") == (world.read("main", "image"), world.read("main", "readme"))


def test_a_method_that_is_forbidden_is_told(github: GithubServer) -> None:
    """The operator's method counts, and where it is not allowed, that is said."""
    world = GithubWorld(github, method=MergeMethod.REBASE)
    world.made.methods = ("squash_merge",)
    pull, forge = opened(world), world.forge()
    with pytest.raises(Retry, match="Rebase merges are not allowed on this repository"):
        forge.merge(pull.number, pull.head_commit, "Merge")
    able = forge.capabilities()

    assert (("squash",), "Rebase merges are not allowed on this repository.") == (
        able.merges,
        forge.find(HEAD)[0].blocked,
    )
    assert "`method: rebase` is not allowed for main: allow it there, or name another one." in able.cannot


def test_an_allowed_method_is_taken_where_none_is_wished_for(github: GithubServer) -> None:
    """The first that repository and ruleset allow."""
    world = GithubWorld(github)
    world.made.methods = ("merge_commit", "squash_merge")
    world.made.rules = Rules(rulesets=on_main({"type": "required_linear_history"}))
    pull, forge = opened(world), world.forge()
    merge = forge.merge(pull.number, pull.head_commit, "Promote v2")

    assert 1 == len(world.api(OWNER, "GET", f"/git/commits/{merge}").data["parents"])


def test_a_branch_that_was_moved_after_the_merge_is_not_deleted(github: GithubServer) -> None:
    """It is somebody else's then; where the repository deletes branches itself, that is as well."""
    world = GithubWorld(github)
    pull, forge = opened(world), world.forge()
    forge.find(HEAD)
    world.api(OWNER, "PUT", f"/pulls/{pull.number}/merge", {})
    moved = world.push(HEAD, "image", "v3")
    forge.merge(pull.number, pull.head_commit, "Merge")
    stays, world.made.delete_branch_on_merge = world.tip(HEAD), True
    second = opened(world, key="k2")
    forge.merge(second.number, second.head_commit, "Merge")

    assert moved == stays
    assert None is world.tip(HEAD)
