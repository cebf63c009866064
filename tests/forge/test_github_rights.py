"""What is said of our rights on GitHub, and that the fake takes nothing that GitHub does not describe."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gitslo.adapters.forges import ForgeHttp, GithubForge
from gitslo.adapters.forges.opening import GITHUB_HEADERS, github_api
from gitslo.errors import Refused
from gitslo.model import CommitId
from gitslo.ports import Status, StatusState
from tests.forge.github_scenes import on_main
from tests.forge.github_world import BOT, OWNER, GithubWorld
from tests.github.server import GithubServer
from tests.github.state import Rules


def test_wrong_rights_are_refused_with_what_to_do(github: GithubServer) -> None:
    """A token that is not known, one that is no account's, a repository that is not shown, one without write access."""
    world = GithubWorld(github)

    def said(bearer: str, project: str = "") -> str:
        settings = replace(world.settings, project=project or world.settings.project)
        http = ForgeHttp(
            world.send,
            github_api(github.url),
            lambda: [("Authorization", f"Bearer {bearer}")],
            name="GitHub",
            repository=settings.project,
            now=world.clock.now,
            sleep=world.pause,
            headers=GITHUB_HEADERS,
        )
        try:
            return " ".join(GithubForge(http, settings).capabilities().cannot)
        except Refused as refused:
            return str(refused)

    app = github.install("workflow", "", [world.made.full_name])
    github.tokens["ghs_workflow"] = replace(github.tokens[github.token(BOT)], account=app.account)
    found = [
        said("ghp_unknown"),
        said("ghs_workflow"),
        said(github.token(BOT), f"{OWNER}/nothing"),
        said(github.token("mallory")),
    ]

    assert [
        "does not accept the token: Bad credentials" in found[0],
        "does not say whose token it is" in found[1] and "for an app name `app` instead" in found[1],
        f"shows {BOT} no {OWNER}/nothing" in found[2],
        f"mallory may not write to {world.made.full_name}" in found[3],
    ] == [True] * 4
    assert "ghp_unknown" not in " ".join(found)


def test_rules_for_our_own_branches_are_told(github: GithubServer) -> None:
    """What keeps gitslo from pushing its branches, and what main asks for, is known before it happens."""
    world = GithubWorld(github)
    world.made.archived = True
    ours = [{"type": "creation"}, {"type": "required_signatures"}]
    world.made.rules = Rules(
        rulesets=(*on_main({"type": "required_signatures"}), *(("gitslo/", rule) for rule in ours))
    )
    able = world.forge().capabilities()

    assert f"GitHub at {github.url}, as {BOT}" == able.name
    assert (
        "The repository is archived or disabled: nothing in it can be changed.",
        "main takes signed commits only: let gitslo sign, or name `method: squash`: GitHub signs those.",
        "A ruleset holds for branches below gitslo/ and keeps them from being made: leave `gitslo/**` out of it.",
        "A ruleset holds for branches below gitslo/ and asks for signed commits in them: leave `gitslo/**` out of it.",
        "The automatic merge of GitHub is not used: it merges whatever the branch holds by then.",
    ) == able.cannot


def test_a_status_of_an_unknown_commit_is_set_nowhere(github: GithubServer) -> None:
    """Nobody could see it; the loop goes on."""
    world = GithubWorld(github)
    forge = world.forge()
    status = Status(CommitId("1" * 40), "gitslo/dev", StatusState.SUCCESS, "pass")
    forge.set_status(status)

    assert not forge.has_status(status)


# --------------------------------------------------------------------------- the fake itself


@pytest.mark.parametrize(
    ("method", "path", "body", "said"),
    [
        ("GET", "/pull-requests", None, "there is no GET"),
        ("GET", "/pulls?stat=all", None, "has no parameter 'stat'"),
        ("POST", "/pulls", {"title": "x", "head": "a", "base": "main", "labels": []}, "there is no field 'labels'"),
        ("PUT", "/pulls/1/merge", {"method": "squash"}, "there is no field 'method'"),
        ("POST", "/statuses/main", {"state": "passed"}, "'passed' is not one of"),
    ],
)
def test_the_fake_takes_nothing_that_github_does_not_describe(
    github_server: GithubServer, method: str, path: str, body: object, said: str
) -> None:
    """Another path, parameter, field or value than the published description has fails the test that sent it."""
    world = GithubWorld(github_server)
    github_server.undescribed.clear()
    status = world.api(OWNER, method, path, body).status
    found = " ".join(github_server.undescribed)
    github_server.undescribed.clear()

    assert (500, True) == (status, said in found)
