"""What is GitLab's own: what blocks a merge there, how statuses go on, who closed what, and what is said of rights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from gitslo.adapters.forges import gitlab_forge
from gitslo.errors import Conflict, Refused, Retry
from gitslo.forge_settings import MergeMethod
from gitslo.model import CommitId
from gitslo.ports import HttpAnswer, PullRequest, PullRequestState, Status, StatusState
from gitslo.testing.forge_contract import FORGE_CONTRACT, ISSUE_CONTRACT, ForgeWorld, IssueWorld
from tests.forge.gitea_world import CountingSend
from tests.forge.gitlab_world import GitlabWorld
from tests.gitlab_project import MAINTAINER
from tests.gitlab_server import BOT, OWNER, STRANGER, GitlabServer

HEAD = "gitslo/shop/dev/promote"


def opened(world: GitlabWorld, body: str = "the numbers") -> PullRequest:
    world.push(HEAD, "image", "v2")
    return world.forge().ensure_pull_request(key="k", head=HEAD, base="main", title="Promote", body=body)


def row(world: GitlabWorld, number: int) -> Any:
    return world.api(OWNER, "GET", f"/merge_requests/{number}").data


@pytest.mark.parametrize("check", FORGE_CONTRACT, ids=lambda check: check.__name__)
def test_gitlab_keeps_the_contract(check: Callable[[ForgeWorld], None], gitlab: GitlabServer) -> None:
    """The adapter on the fake, whose every word is held against GitLab's description of its API."""
    check(GitlabWorld(gitlab))


@pytest.mark.parametrize("check", ISSUE_CONTRACT, ids=lambda check: check.__name__)
def test_gitlab_keeps_the_contract_of_issues(check: Callable[[IssueWorld], None], gitlab: GitlabServer) -> None:
    """Its rolling issues."""
    check(GitlabWorld(gitlab))


# --------------------------------------------------------------------------- merging


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("not_approved", "it lacks approvals"),
        ("ci_still_running", "its pipeline is still running"),
        ("discussions_not_resolved", "not all of its discussions are resolved"),
        ("something_new", "GitLab says `something_new`"),
    ],
)
def test_what_gitlab_waits_for_is_said_in_plain_words(word: str, said: str, gitlab: GitlabServer) -> None:
    """Before a merge is tried, and when it comes to it; a word that nobody knows yet is given as it is."""
    world = GitlabWorld(gitlab)
    pull, forge = opened(world), world.forge()
    world.project.merges[pull.number].hold = word
    row(world, pull.number)
    blocked = forge.find(HEAD)[0].blocked
    with pytest.raises(Retry, match=said):
        forge.merge(pull.number, pull.head_commit, "Merge")
    world.project.merges[pull.number].hold = ""
    merge = forge.merge(pull.number, pull.head_commit, "Merge")

    assert (said, merge) == (blocked, world.tip("main"))


METHODS: list[tuple[dict[str, object], MergeMethod | None, list[str], str]] = [
    ({}, None, ["Promote v2", "gitslo/shop/dev/promote: image v2"], "merge"),
    ({}, MergeMethod.SQUASH, ["Promote v2", "Promote v2"], "squash"),
    ({"squash_option": "default_on"}, MergeMethod.MERGE, ["Promote v2", "gitslo/shop/dev/promote: image v2"], "merge"),
    ({"squash_option": "always"}, None, ["Promote v2", "Promote v2"], "squash"),
    ({"squash_option": "default_on"}, None, ["Promote v2", "Promote v2"], "squash"),
    ({"merge_method": "rebase_merge"}, None, ["Promote v2", "gitslo/shop/dev/promote: image v2"], "merge"),
    ({"merge_method": "ff"}, None, ["gitslo/shop/dev/promote: image v2"], "rebase"),
    ({"merge_method": "ff"}, MergeMethod.REBASE, ["gitslo/shop/dev/promote: image v2"], "rebase"),
    ({"merge_method": "ff"}, MergeMethod.SQUASH, ["Promote v2"], "squash"),
]


@pytest.mark.parametrize(("project", "method", "subjects", "first"), METHODS)
def test_a_merge_is_of_the_projects_kind(
    project: dict[str, object], method: MergeMethod | None, subjects: list[str], first: str, gitlab: GitlabServer
) -> None:
    """Merge commits, squashes and fast-forwards: what comes back is what the base branch is at, whatever made it."""
    world = GitlabWorld(gitlab, method=method)
    world.project.settings.update(project)
    before = world.tip("main")
    pull, forge = opened(world), world.forge()
    merge = forge.merge(pull.number, pull.head_commit, "Promote v2\n\nGitslo-Action: promote\n")
    made = world.project.git("log", "--format=%s", f"{before}..main").splitlines()

    assert (merge, merge) == (world.tip("main"), forge.find(HEAD)[0].merged)
    assert (subjects, first) == (made, forge.capabilities().merges[0])


@pytest.mark.parametrize(
    ("project", "method", "said"),
    [
        ({"squash_option": "never"}, MergeMethod.SQUASH, "The project does not allow squashing"),
        ({"merge_method": "ff"}, MergeMethod.MERGE, "The project makes no merge commits"),
        ({"squash_option": "always"}, MergeMethod.MERGE, "The project makes no merge commits, or always squashes"),
        ({}, MergeMethod.REBASE, "needs a project with the merge method `Fast-forward merge`"),
    ],
)
def test_a_method_that_the_project_has_not_is_told(
    project: dict[str, object], method: MergeMethod, said: str, gitlab: GitlabServer
) -> None:
    """It is said at the start, and nothing else is tried in its place."""
    world = GitlabWorld(gitlab, method=method)
    world.project.settings.update(project)
    pull, forge = opened(world), world.forge()
    with pytest.raises(Retry, match=f"the project does not allow the method `{method}`"):
        forge.merge(pull.number, pull.head_commit, "Merge")
    able, blocked = forge.capabilities(), forge.find(HEAD)[0].blocked

    assert f"the project does not allow the method `{method}`" == blocked
    assert (True, False) == (any(said in line for line in able.cannot), method.value in able.merges)


def test_a_persons_wish_to_squash_gives_way_to_the_operators_method(gitlab: GitlabServer) -> None:
    """What an adopted merge request says of squashing is only undone by a request of its own."""
    world = GitlabWorld(gitlab, method=MergeMethod.MERGE)
    before = world.tip("main")
    world.push(HEAD, "image", "v2")
    asked = {"source_branch": HEAD, "target_branch": "main", "title": "mine", "squash": True}
    assert world.api(STRANGER, "POST", "/merge_requests", asked).status == 201
    pull, forge = opened(world), world.forge()
    forge.merge(pull.number, pull.head_commit, "Promote v2")

    assert 3 == len(world.project.git("log", "--format=%s", f"{before}..main").splitlines())


def test_a_fast_forward_waits_for_a_rebase(gitlab: GitlabServer) -> None:
    """Where main has moved on, such a project does not merge; with its automatic rebase it does."""
    world = GitlabWorld(gitlab)
    world.project.settings["merge_method"] = "ff"
    pull, forge = opened(world), world.forge()
    world.push("main", "readme", "somebody else's")
    row(world, pull.number)
    blocked, cannot = forge.find(HEAD)[0].blocked, forge.capabilities().cannot
    with pytest.raises(Retry, match="main has moved on"):
        forge.merge(pull.number, pull.head_commit, "Merge")
    world.project.settings["automatic_rebase_enabled"] = True
    merge = forge.merge(pull.number, pull.head_commit, "Merge")

    assert "main has moved on" in blocked
    assert (True, False) == tuple(
        any("only what is on top of main" in line for line in lines) for lines in (cannot, forge.capabilities().cannot)
    )
    assert (merge, "v2", "somebody else's") == (
        world.tip("main"),
        world.read("main", "image"),
        world.read("main", "readme"),
    )


def test_a_merge_train_is_waited_for(gitlab: GitlabServer) -> None:
    """The merge request goes into the train with the head it means, once; a push takes it out again."""
    world = GitlabWorld(gitlab)
    world.project.settings["merge_trains_enabled"] = True
    pull, forge = opened(world), world.forge()
    with pytest.raises(Retry, match="waits for its pipeline or in the merge train"):
        forge.merge(pull.number, pull.head_commit, "Merge")
    before = world.effects()
    with pytest.raises(Retry, match="in the merge train"):
        world.forge().merge(pull.number, pull.head_commit, "Merge")
    writes, blocked = world.effects() - before, world.forge().find(HEAD)[0].blocked
    world.project.train_arrives()
    [merged] = world.forge().find(HEAD)
    world.push(HEAD, "image", "v3")
    second = world.forge().ensure_pull_request(key="k2", head=HEAD, base="main", title="Promote", body="")
    with pytest.raises(Retry):
        forge.merge(second.number, second.head_commit, "Merge")
    world.push(HEAD, "image", "evil")

    assert (0, True) == (writes, "in the merge train" in blocked)
    assert (PullRequestState.MERGED, world.tip("main")) == (merged.state, merged.merged)
    assert (False, "v2") == (row(world, second.number)["merge_when_pipeline_succeeds"], world.read("main", "image"))


def test_who_may_not_merge_is_told_what_to_allow(gitlab: GitlabServer) -> None:
    """A protected branch that does not name our account: said before, and when it comes to it; by name it may."""
    world = GitlabWorld(gitlab)
    world.project.protected["main"]["merge"] = MAINTAINER
    pull, forge = opened(world), world.forge()
    with pytest.raises(Retry, match=f"{BOT} may not merge into main: allow it under `Allowed to merge`"):
        forge.merge(pull.number, pull.head_commit, "Merge")
    told = [any(f"{BOT} may not merge into main" in line for line in forge.capabilities().cannot)]
    told.append("may not merge" in forge.find(HEAD)[0].blocked)
    world.project.protected["main"]["people"] = frozenset({gitlab.users[BOT].id})

    assert [True, True] == told
    assert forge.merge(pull.number, pull.head_commit, "Merge") == world.tip("main")


def test_a_right_that_went_in_the_last_moment_is_told(gitlab: GitlabServer) -> None:
    """GitLab says 401 to a merge that it does not allow: the token is good all the same."""
    world = GitlabWorld(gitlab)
    pull, forge = opened(world), world.forge()
    rules = world.project.protected["main"]
    send = world.send

    class Late(CountingSend):
        """Takes the right away when the merge is on its way."""

        def __call__(self, method: str, *positional: Any, **named: Any) -> HttpAnswer:
            if method == "PUT":
                rules["merge"] = 0
            return send(method, *positional, **named)

    world.send = Late()
    with pytest.raises(Retry, match=f"{BOT} may not merge into main"):
        world.forge().merge(pull.number, pull.head_commit, "Merge")

    assert forge.find(HEAD)[0].state is PullRequestState.OPEN


# --------------------------------------------------------------------------- what people do


def test_a_draft_stays_one_until_a_person_says_otherwise(gitlab: GitlabServer) -> None:
    """Opened as a draft, it is not merged; brought up to date, it stays what the person has made of it."""
    world = GitlabWorld(gitlab, draft=True)
    pull, forge = opened(world), world.forge()

    def again(text: str) -> PullRequest:
        return forge.ensure_pull_request(key="k", head=HEAD, base="main", title=text, body="the numbers")

    with pytest.raises(Retry, match="it is a draft"):
        forge.merge(pull.number, pull.head_commit, "Merge")
    drafted, still = row(world, pull.number)["title"], (again("Promote more").title, row(world, pull.number)["title"])
    world.api(OWNER, "PUT", f"/merge_requests/{pull.number}", {"title": "Promote more"})
    ready = (again("Promote all").blocked, row(world, pull.number)["title"])

    assert ("Promote", "Draft: Promote") == (pull.title, drafted)
    assert ("Promote more", "Draft: Promote more") == still
    assert ("", "Promote all") == ready


def test_a_fork_with_a_branch_of_our_name_is_not_ours(gitlab: GitlabServer) -> None:
    """Anybody may open a merge request from a fork: it is neither found nor adopted, and nothing is done to it."""
    world = GitlabWorld(gitlab)
    foreign = world.project.from_fork(gitlab.users[STRANGER], HEAD)
    found = world.forge().find(HEAD)
    pull = opened(world)
    with pytest.raises(Refused, match=f"no merge request {foreign.iid}"):
        world.forge().close(foreign.iid, "why")

    assert ((), True) == (found, pull.number != foreign.iid)
    assert [pull.number] == [each.number for each in world.forge().find(HEAD)]


def test_what_people_have_added_stays(gitlab: GitlabServer) -> None:
    """Adopting a merge request adds what the operator wishes for and takes nothing away, in one request."""
    world = GitlabWorld(gitlab, labels=("gitslo",), assignees=(OWNER,), reviewers=(OWNER, "acme/sre"))
    world.push(HEAD, "image", "v2")
    ids = {name: user.id for name, user in gitlab.users.items()}
    asked = {"source_branch": HEAD, "target_branch": "main", "title": "mine", "labels": ["urgent"]}
    people = {"assignee_ids": [ids[STRANGER]], "reviewer_ids": [ids[STRANGER]]}
    number = world.api(STRANGER, "POST", "/merge_requests", {**asked, **people}).data["iid"]
    before = world.effects()
    opened(world)
    shown = row(world, number)
    names = [{each["username"] for each in shown[key]} for key in ("assignees", "reviewers")]

    assert ([{OWNER, STRANGER}] * 2, {"gitslo", "urgent"}) == (names, set(shown["labels"]))
    assert ("Promote", 1) == (shown["title"], world.effects() - before)


@pytest.mark.parametrize("forgets", [False, True])
def test_a_branch_that_went_takes_its_merge_request_without_anybodys_no(forgets: bool, gitlab: GitlabServer) -> None:
    """Closed by the deletion of its branch is told from closed by the same person, who then deletes it."""
    world = GitlabWorld(gitlab)
    world.project.forgets_closers = forgets  # as with merge requests that were closed long ago
    first = opened(world)
    world.project.remove_branch(HEAD, STRANGER)
    second = opened(world)
    world.person_closes(second.number, STRANGER)
    world.project.remove_branch(HEAD, STRANGER)
    found = world.forge().find(HEAD)

    assert [(second.number, False, STRANGER), (first.number, True, STRANGER)] == [
        (each.number, each.closed_by_us, each.closed_by) for each in found
    ]


def test_nothing_of_ours_is_a_quick_action(gitlab: GitlabServer) -> None:
    """GitLab obeys lines like `/close` in descriptions and comments; ours are text, and read back letter by letter."""
    world = GitlabWorld(gitlab)
    hostile = "the numbers\n/close\n  /draft\n\\/merge\nhttps://example.com/close\n/etc/hosts"
    pull, forge = opened(world, hostile), world.forge()
    forge.comment_once(pull.number, "verdict", hostile)
    before = world.effects()
    forge.comment_once(pull.number, "verdict", hostile)
    [found] = forge.find(HEAD)

    assert (PullRequestState.OPEN, hostile, "Promote") == (found.state, found.body, found.title)
    assert ((("verdict", hostile),), before) == (world.comments(pull.number), world.effects())


def test_notes_of_many_pages_are_all_read(gitlab: GitlabServer) -> None:
    """Ours may be on the third page, behind what people have said."""
    world = GitlabWorld(gitlab)
    pull, forge = opened(world), world.forge()
    merge = world.project.merges[pull.number]
    for at in range(230):
        world.project.note(gitlab.users[OWNER], merge, f"so what, {at}")
    forge.comment_once(pull.number, "verdict", "pass")
    world.forge().comment_once(pull.number, "verdict", "pass, again")

    assert "pass, again" == merge.notes[-1]["body"].partition("\n")[0]
    assert 231 == sum(not each["system"] for each in merge.notes)


# --------------------------------------------------------------------------- statuses


def test_a_status_that_runs_on_can_say_something_new(gitlab: GitlabServer) -> None:
    """GitLab takes no state twice: each of these stands in turn, and none is refused."""
    world = GitlabWorld(gitlab)
    commit, forge = world.push(HEAD, "image", "v2"), world.forge()
    steps = [(StatusState.PENDING, f"{at} of 4") for at in range(4)]
    steps += [(StatusState.SUCCESS, "pass"), (StatusState.SUCCESS, "pass again"), (StatusState.PENDING, "once more")]
    steps += [(StatusState.FAILURE, "held"), (StatusState.FAILURE, "still held")]
    stood = []
    for state, said in steps:
        status = Status(commit, "gitslo/dev", state, said, "https://example.com/report")
        forge.set_status(status)
        stood.append((world.forge().has_status(status), world.statuses(commit) == (status,)))

    assert [(True, True)] * len(steps) == stood


def test_an_error_is_told_from_a_failure(gitlab: GitlabServer) -> None:
    """GitLab has one state for both; what was set stands as it was meant, and costs no second write."""
    world = GitlabWorld(gitlab)
    commit = world.push(HEAD, "image", "v2")
    error = Status(commit, "gitslo/dev", StatusState.ERROR, "no data")
    failure = Status(commit, "gitslo/dev", StatusState.FAILURE, "no data")
    world.forge().set_status(error)
    before = world.effects()
    world.forge().set_status(error)

    assert (True, False, before) == (
        world.forge().has_status(error),
        world.forge().has_status(failure),
        world.effects(),
    )
    assert ["error: no data"] == [each["description"] for each in world.project.statuses]


def test_a_link_that_is_too_long_is_left_out(gitlab: GitlabServer) -> None:
    """The status stands without it."""
    world = GitlabWorld(gitlab)
    commit = world.push(HEAD, "image", "v2")
    status = Status(commit, "gitslo/dev", StatusState.SUCCESS, "pass", "https://example.com/" + "x" * 300)
    world.forge().set_status(status)

    assert (True, [None]) == (
        world.forge().has_status(status),
        [each["target_url"] for each in world.project.statuses],
    )


def test_a_commit_that_is_nowhere_gets_no_status(gitlab: GitlabServer) -> None:
    """Nobody could see it; a project that is not there is said."""
    world = GitlabWorld(gitlab)
    world.forge().set_status(Status(CommitId("1" * 40), "gitslo/dev", StatusState.SUCCESS, "pass"))
    world.settings = replace(world.settings, project="acme/nothing")
    with pytest.raises(Refused, match=f"shows {BOT} no acme/nothing"):
        world.forge().set_status(Status(CommitId("1" * 40), "gitslo/dev", StatusState.SUCCESS, "pass"))

    assert [] == world.project.statuses


# --------------------------------------------------------------------------- rights and wishes


def test_wrong_rights_are_refused_with_what_to_do(gitlab: GitlabServer) -> None:
    """A token that is not known, a project that is not shown, a reviewer who does not exist."""
    world = GitlabWorld(gitlab, reviewers=("nobody-at-all",))
    said = []
    with pytest.raises(Refused) as wrong_reviewer:
        opened(world)
    said.append(str(wrong_reviewer.value))
    told = world.forge().capabilities().cannot
    world.settings = replace(world.settings, project="acme/platform/nothing")
    with pytest.raises(Refused) as nothing:
        world.forge().capabilities()
    said.append(str(nothing.value))
    with pytest.raises(Refused) as unknown:
        world.forge().find(HEAD)
    said.append(str(unknown.value))
    world.token = "glpat-" + "0" * 20
    with pytest.raises(Refused) as no_token:
        world.forge().find(HEAD)
    said.append(str(no_token.value))

    wanted = (
        "knows nobody named nobody-at-all",
        f"shows {BOT} no acme/platform/nothing",
        "Project Not Found",
        "does not accept the token",
    )
    assert [] == [part for part, line in zip(wanted, said, strict=True) if part not in line]
    assert (True, {}) == (any("nobody-at-all" in line for line in told), world.project.merges)
    assert "0" * 20 not in "".join(said)


def test_a_url_without_a_group_is_no_projects(gitlab: GitlabServer) -> None:
    """Said before anything is asked, with what may be meant."""
    world = GitlabWorld(gitlab)
    with pytest.raises(Refused, match="ends in GROUP/PROJECT, found the path 'shop'"):
        gitlab_forge(replace(world.settings, project="shop"), world.send, world.clock)

    assert [] == world.send.requests


def test_what_the_account_may_not_is_said(gitlab: GitlabServer) -> None:
    """A guest's token without rights, an archived project, a group as a reviewer, a branch that is not there."""
    world = GitlabWorld(gitlab, reviewers=("acme/sre",))
    plain = world.forge().capabilities()
    world.project.settings.update(archived=True, merge_requests_enabled=False)
    world.settings = replace(world.settings, branch="trunk")
    guest = replace(gitlab.users[BOT], level=10)
    gitlab.tokens["glpat-guest"] = guest
    world.token = "glpat-guest"
    gitlab.scopes, gitlab.expires = ["read_api"], "2027-01-31"
    try:
        cannot = "\n".join(world.forge().capabilities().cannot)
    finally:
        gitlab.scopes, gitlab.expires = ["api"], None

    assert f"GitLab 18.5.0 at {gitlab.url}, as {BOT}" == plain.name
    assert (
        "GitLab takes no groups as reviewers: acme/sre is left out; name people instead.",
        f"{BOT} may not push to main: `mode: direct` does not work, merge requests do.",
    ) == plain.cannot
    assert [] == [
        part
        for part in (
            "is archived",
            "no merge requests",
            "the role Developer",
            "no groups",
            "no branch trunk",
            "lacks the scope `api`",
            "expires on 2027-01-31",
        )
        if part not in cannot
    ]


def test_titles_and_bodies_have_gitlabs_limits(gitlab: GitlabServer) -> None:
    """What is too long is cut, and stands: nothing is sent a second time."""
    world = GitlabWorld(gitlab, draft=True)
    world.push(HEAD, "image", "v2")
    asked = {"key": "k", "head": HEAD, "base": "main", "title": "x" * 300, "body": "numbers\n" * 200_000}
    pull = world.forge().ensure_pull_request(**asked)
    before = world.effects()
    again = world.forge().ensure_pull_request(**asked)
    shown = row(world, pull.number)

    assert (pull, before) == (again, world.effects())
    assert ("k", 255, True) == (pull.key, len(shown["title"]), 1_040_000 < len(shown["description"]) <= 1_048_576)


def test_a_head_without_a_branch_is_a_conflict_and_another_refusal_is_said(gitlab: GitlabServer) -> None:
    """GitLab answers 400 to both; only the first mends itself."""
    world = GitlabWorld(gitlab)
    forge = world.forge()
    with pytest.raises(Conflict, match="no merge request of"):
        forge.ensure_pull_request(key="k", head=HEAD, base="main", title="Promote", body="")
    world.push(HEAD, "image", "v2")
    with pytest.raises(Refused, match='Target branch "trunk" does not exist'):
        forge.ensure_pull_request(key="k", head=HEAD, base="trunk", title="Promote", body="")


def test_what_is_not_described_fails_the_fake(gitlab: GitlabServer) -> None:
    """The fake on its own proves nothing: a field, a parameter, a path or a value that GitLab has not is a fault."""
    world = GitlabWorld(gitlab)
    for method, path, body in (
        ("POST", "/merge_requests", {"source_branch": "x", "target_branch": "main", "title": "x", "body": "x"}),
        ("GET", "/merge_requests?head=x", None),
        ("GET", "/pulls", None),
        ("POST", f"/statuses/{'1' * 40}", {"state": "failure"}),
        ("PUT", "/merge_requests/1/merge", {"sha": 7}),
        ("POST", "/merge_requests", {"source_branch": "x", "title": "x"}),
    ):
        assert world.api(OWNER, method, path, body).status == 400
    world.project.settings["merge_method"] = "octopus"
    assert world.api(OWNER, "GET", "").status == 400
    faults, gitlab.undescribed[:] = [*gitlab.undescribed], []

    assert 7 == len(faults)
    assert [] == [
        (part, fault)
        for part, fault in zip(
            ("'body'", "'head'", "/pulls", "'failure'", "7 is not", "'target_branch'", "'octopus'"), faults, strict=True
        )
        if part not in fault
    ]
