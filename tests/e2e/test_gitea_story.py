"""The whole story on a real Gitea: one daemon, one protected branch, two people, and three ways to merge."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.e2e.gitea_world import HEAD, GiteaShop
from tests.e2e.world import PIPELINE, POLICY, lines
from tests.e2e.world import until as soon
from tests.gitea_server import BOT, OWNER, STRANGER, GiteaServer

MANUAL = POLICY.replace(
    "promotion: {mode: pull-request, merge: auto}", "promotion: {mode: pull-request, merge: manual}"
)
WISHES = ", labels: [gitslo], assignees: [ada], reviewers: [eve]"


def until(condition: Callable[[], bool], what: str) -> None:
    """Within two minutes: on a busy machine every push to the forge takes a second."""
    soon(condition, what, deadline=120.0)


@dataclass
class Story:
    """What happened, gathered once for all tests of this module."""

    first: dict[str, object] = field(default_factory=dict)
    first_state: str = ""
    refused_push: str = ""
    result: str = ""
    closed: str = ""
    foreign: str = ""
    foreign_state: tuple[object, ...] = ()
    again: tuple[object, ...] = ()
    merged: dict[str, tuple[str, ...]] = field(default_factory=dict)
    reverted: tuple[object, ...] = ()
    heads: list[str] = field(default_factory=list)
    status: str = ""
    log: Path = Path()
    code: int = -1


def _open(world: GiteaShop, tag: str) -> dict[str, object]:
    """The open pull request that brings a tag, once it is there and says that it may be merged."""
    found: list[dict[str, object]] = []

    def there() -> bool:
        found[:] = [pull for pull in world.pulls() if f"-> {tag}" in str(pull["title"])]
        return bool(found) and world.head_state(found[0]) == "success"

    until(there, f"the pull request of {tag} is open and green")
    return found[0]


def _merge(world: GiteaShop, who: str, number: object) -> None:
    """A person merges, as soon as the forge has tried out that it can be done."""

    def merges() -> bool:
        return world.api(who, "POST", f"/pulls/{number}/merge", {"Do": "squash"}).status == 200

    until(merges, f"{who} merges {number}")


def _tell(world: GiteaShop, story: Story) -> None:
    until(lambda: world.judged("checkout/prod") == ("v1", "pass"), "v1 is proven")

    world.release("checkout/dev", "v2")
    story.first = _open(world, "v2")
    story.first_state = world.head_state(story.first)
    story.refused_push = world.person_pushes(STRANGER, "main", "notes.txt").stderr
    _merge(world, OWNER, story.first["number"])
    until(lambda: world.judged("checkout/prod") == ("v2", "pass"), "v2 is proven in checkout/prod")
    until(lambda: "after this was merged" in world.says(story.first["number"]), "its pull request says so")
    story.result = world.says(story.first["number"])

    world.release("checkout/dev", "v3")
    pull = _open(world, "v3")
    assert world.api(OWNER, "PATCH", f"/pulls/{pull['number']}", {"state": "closed"}).status == 201
    until(lambda: "was closed unmerged by ada" in str(world.ledger("checkout/prod")), "ada's no is heard")
    story.closed = "\n".join(world.moves("checkout/prod"))

    world.release("checkout/dev", "v4")
    pull = _open(world, "v4")
    number = pull["number"]
    assert world.person_pushes(STRANGER, HEAD, "notes.txt").returncode == 0
    until(lambda: "Somebody else's commit" in world.says(number), "the foreign commit is told")
    story.foreign = world.says(number)
    now = world.api(OWNER, "GET", f"/pulls/{number}").data
    story.foreign_state = (now["state"], now["merged"])
    branch = HEAD.replace("/", "%2F")
    assert world.api(STRANGER, "DELETE", f"/branches/{branch}").status == 204
    until(lambda: _open(world, "v4")["number"] != number, "the change is offered again")
    story.again = (world.api(OWNER, "GET", f"/pulls/{number}").data["state"], "rejected" in story.closed)

    for tag, method in (("v4", "merge"), ("v5", "squash"), ("v6", "rebase")):
        assert world.api(OWNER, "PATCH", "", {"default_merge_style": method}).status == 200
        if tag == "v4":
            policy = PIPELINE.format(port=world.port, policy=POLICY)
            world.commit({"gitslo.yaml": policy.encode()}, "Merge by yourself")
        else:
            world.release("checkout/dev", tag)
        until(lambda tag=tag: world.judged("checkout/prod") == (tag, "pass"), f"{tag} is merged by {method} and proven")
        said = world.repository.git("log", "-1", "--format=%cn|%p|%(trailers:key=Gitslo-Action,valueonly)", "main")
        story.merged[method] = tuple(said.decode().strip().split("|"))

    world.drifted.add("checkout/prod")
    world.release("checkout/dev", "v7")
    until(
        lambda: world.tags()["checkout/prod"] == "v6" and "revert" in str(world.moves("checkout/prod")), "v7 goes back"
    )
    until(lambda: any("Revert" in str(pull["title"]) for pull in world.pulls("closed")), "by a pull request")
    [number] = [pull["number"] for pull in world.pulls("closed") if "Revert" in str(pull["title"])]
    revert = world.api(OWNER, "GET", f"/pulls/{number}").data
    story.reverted = (revert["merged"], revert["merged_by"]["login"], world.tags()["checkout/prod"])


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory, gitea: GiteaServer) -> Iterator[Story]:
    """One daemon's life on the forge."""
    folder = tmp_path_factory.mktemp("gitea")
    told = Story(log=folder / "serve.jsonl")
    with GiteaShop(folder, policy=MANUAL, server=gitea, wishes=WISHES) as world:
        child = world.serve(told.log)
        try:
            _tell(world, told)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{told.log.read_text()[-6000:]}") from error
        told.status = world.gitslo("status").out
        child.send_signal(signal.SIGTERM)
        child.communicate(timeout=30)
        told.code = child.returncode
        told.heads = sorted(ref for ref in world.repository.refs() if ref.startswith("refs/heads/"))
        yield told


def test_a_promotion_is_a_pull_request_as_the_operator_wants_it(story: Story) -> None:
    """Opened by the bot from its own branch, with the verdict in it, the label, the assignee and the reviewer."""
    pull = story.first
    labels, assignees, reviewers = ([each.get("name") or each["login"] for each in pull[key]] for key in KEYS)  # type: ignore[union-attr,index]

    assert (BOT, HEAD, "main") == (pull["user"]["login"], pull["head"]["ref"], pull["base"]["ref"])  # type: ignore[index]
    assert (["gitslo"], [OWNER], [STRANGER]) == (labels, assignees, reviewers)
    assert str(pull["body"]).startswith("**Pass**: this release passed in `checkout/dev`")
    assert "success" == story.first_state


KEYS = ("labels", "assignees", "requested_reviewers")


def test_who_may_not_push_to_the_branch_does_not(story: Story) -> None:
    """The protected branch is what it is in life: the forge refuses the stranger's push."""
    assert "protected branch" in story.refused_push or "Not allowed to push" in story.refused_push


def test_what_a_merge_brought_is_told_on_its_pull_request(story: Story) -> None:
    """Once judged, the verdict is one comment on the pull request that brought it."""
    assert 1 == story.result.count("after this was merged")


def test_closed_by_a_person_is_a_no_with_their_name(story: Story) -> None:
    """The release is rejected, by whom it was closed."""
    assert "was closed unmerged by ada" in story.closed


def test_a_foreign_commit_is_told_and_never_merged(story: Story) -> None:
    """One comment, and the pull request stays open."""
    assert 1 == story.foreign.count("Somebody else's commit")
    assert ("open", False) == story.foreign_state


def test_a_pull_request_that_went_with_its_branch_is_nobodys_no(story: Story) -> None:
    """The branch deleted, the forge closes the pull request; the change is offered again by a new one."""
    assert "closed" == story.again[0]


def test_we_merge_by_the_method_of_the_repository(story: Story) -> None:
    """Merge, squash and rebase, each by us once the required status is there; the trailers reach the branch."""
    assert {"merge": 2, "squash": 1, "rebase": 1} == {
        method: len(said[1].split()) for method, said in story.merged.items()
    }
    assert {"promote"} == {said[2] for said in story.merged.values()}


def test_a_revert_is_a_pull_request_too(story: Story) -> None:
    """What broke is put back by a pull request that we merge."""
    assert (True, BOT, "v6") == story.reverted


def test_nothing_is_left_behind(story: Story) -> None:
    """The daemon ends as told; of the branches only the protected one is left."""
    assert 0 == story.code
    assert ["refs/heads/main"] == story.heads


def test_status_says_what_the_forge_can_and_cannot_do(story: Story) -> None:
    """`gitslo status` names the forge, whom it takes us for, and what is not given."""
    assert "forge: Gitea 1.26.0 at http://127.0.0.1:" in story.status
    assert f"as {BOT}" in story.status
    assert f"{BOT} may not push to main" in story.status


def test_no_token_is_in_the_log(story: Story, gitea: GiteaServer) -> None:
    """The token stands in no line of the log."""
    text = story.log.read_text()

    assert [] == [line["event"] for line in lines(story.log) if gitea.accounts[BOT].token in str(line)]
    assert gitea.accounts[BOT].token not in text
