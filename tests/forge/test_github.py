"""What is GitHub's own: what blocks a merge there, whose branches are ours, its limits, and what is said of rights."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from gitslo.adapters.forges import ForgeHttp, GithubForge
from gitslo.adapters.forges.github import BODY_LENGTH
from gitslo.adapters.forges.opening import GITHUB_HEADERS, github_api
from gitslo.errors import Conflict, Refused, Retry
from gitslo.forge_settings import MergeMethod
from gitslo.model import CommitId, Instant
from gitslo.ports import HttpAnswer, Issue, PullRequest, PullRequestState, Status, StatusState
from tests.forge.github_world import BOT, OWNER, STRANGER, GithubWorld
from tests.github.server import GithubServer
from tests.github.state import Comment, Rules, StatusRow

HEAD = "gitslo/shop/dev/promote"
QUEUE = {
    "type": "merge_queue",
    "parameters": {
        "check_response_timeout_minutes": 60,
        "grouping_strategy": "ALLGREEN",
        "max_entries_to_build": 5,
        "max_entries_to_merge": 5,
        "merge_method": "MERGE",
        "min_entries_to_merge": 1,
        "min_entries_to_merge_wait_minutes": 5,
    },
}


class Later:
    """The machine's clock, some time ahead."""

    def __init__(self, world: GithubWorld) -> None:
        self._clock = world.clock
        self.ahead = 0.0
        world.clock = self

    def now(self) -> Instant:
        now = self._clock.now()
        return Instant(now.monotonic + self.ahead, now.wall + self.ahead)


def opened(world: GithubWorld, **changes: Any) -> PullRequest:
    if world.tip(HEAD) is None:
        world.push(HEAD, "image", "v2")
    wanted = {"key": "k", "head": HEAD, "base": "main", "title": "Promote", "body": "the numbers", **changes}
    return world.forge().ensure_pull_request(**wanted)


def reviews(approvals: int, **more: bool) -> dict[str, Any]:
    return {
        "type": "pull_request",
        "parameters": {
            "dismiss_stale_reviews_on_push": False,
            "require_code_owner_review": more.get("owners", False),
            "require_last_push_approval": False,
            "required_approving_review_count": approvals,
            "required_review_thread_resolution": more.get("threads", False),
        },
    }


def checks(*names: str, strict: bool = False) -> dict[str, Any]:
    return {
        "type": "required_status_checks",
        "parameters": {
            "required_status_checks": [{"context": name} for name in names],
            "strict_required_status_checks_policy": strict,
        },
    }


def on_main(*rules: dict[str, Any]) -> tuple[tuple[str, dict[str, Any]], ...]:
    return tuple(("main", rule) for rule in rules)


# --------------------------------------------------------------------------- merging


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


# --------------------------------------------------------------------------- opening


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


# --------------------------------------------------------------------------- pages, limits, changes


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


# --------------------------------------------------------------------------- rights


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
