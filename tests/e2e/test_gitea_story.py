"""The whole story on a real Gitea: one daemon, one protected branch, two people, and three ways to merge."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.e2e.gitea_world import HEAD, LEDGER_KEY, GiteaShop
from tests.e2e.sinks import Cmdlines, below, found_in
from tests.e2e.world import PIPELINE, POLICY, get, lines
from tests.e2e.world import until as soon
from tests.gitea_server import BOT, OWNER, STRANGER, GiteaServer

MANUAL = POLICY.replace(
    "promotion: {mode: pull-request, merge: auto}", "promotion: {mode: pull-request, merge: manual}"
)
REVOKED = "canary-of-a-token-that-was-revoked-5be2"
WISHES = ", labels: [gitslo], assignees: [ada], reviewers: [eve], check_pull_requests: true"


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
    people: dict[str, tuple[str, str]] = field(default_factory=dict)
    issue: list[tuple[str, str, str]] = field(default_factory=list)
    heads: list[str] = field(default_factory=list)
    sinks: dict[str, bytes] = field(default_factory=dict)
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


def _people(world: GiteaShop, story: Story) -> None:
    """Eve proposes two changes of her own; the branch wants a status that only gitslo gives."""
    manifest = world.manifest("checkout/dev").decode()
    for branch, path, content in (
        ("eves-good-one", "checkout/dev/deployment.yaml", f"# Eve was here\n{manifest}"),
        ("eves-bad-one", "checkout/prod/slo.yaml", "schema: gitslo/v1\nobjectives: [browse.errors]\n"),
    ):
        assert world.server is not None
        world.server.commit(world.repository.name, branch, {path: content}, STRANGER)
        wanted = {"head": branch, "base": "main", "title": branch}
        number = world.api(STRANGER, "POST", "/pulls", wanted).data["number"]

        def told(number: int = number, branch: str = branch) -> bool:
            head = world.api(OWNER, "GET", f"/pulls/{number}").data["head"]["sha"]
            rows = world.api(OWNER, "GET", f"/commits/{head}/status").data["statuses"] or []
            for row in rows:
                if row["context"] == "gitslo/checkout/prod":
                    story.people[branch] = (row["status"], row["description"])
            return branch in story.people

        until(told, f"{branch} is checked")
        if branch == "eves-good-one":
            _merge(world, OWNER, number)
        assert world.api(OWNER, "DELETE", f"/branches/{branch}").status in (204, 404)


def _issue(world: GiteaShop, story: Story) -> None:
    """What the revert brought back fails as well: a person is needed, until it passes again."""
    issues = "/issues?type=issues&state=all&labels=gitslo-environment"

    def standing() -> list[tuple[str, str, str]]:
        return [(row["state"], row["title"], row["body"]) for row in world.api(OWNER, "GET", issues).data]

    until(lambda: [row[0] for row in standing()] == ["open"], "the issue is open")
    story.issue = standing()
    world.drifted.clear()
    assert world.gitslo("resume", "checkout/prod", "--fresh").code == 0
    until(lambda: [row[0] for row in standing()] == ["closed"], "the issue is closed")
    story.issue += standing()


def _gather(world: GiteaShop, story: Story, gitea: GiteaServer) -> None:
    """Everything that the daemon has written and shown in its life, by where somebody would read it."""
    listening = next(str(line["url"]) for line in lines(story.log) if line["event"] == "serve.listening")
    pages = ("/metrics", "/healthz", "/readyz", "/api/v1/environments")
    shop, every = world.repository, {"limit": 50, "state": "all"}
    query = "&".join(f"{name}={value}" for name, value in every.items())
    pulls = world.api(OWNER, "GET", f"/pulls?{query}").data
    heads = [pull["head"]["sha"] for pull in pulls] + [world.repository.tip()]
    revoked = {"FORGE_TOKEN": REVOKED}
    world.variables |= revoked
    refused = world.gitslo("status")
    world.variables["FORGE_TOKEN"] = gitea.accounts[BOT].token
    commands = (("status",), ("status", "--json"), ("log", "checkout/prod"), ("log", "checkout/prod", "--json"))
    story.sinks = {
        "the log": story.log.read_bytes(),
        "its endpoints": "".join(get(f"{listening.rstrip('/')}{page}")[1] for page in pages).encode(),
        "commands": "".join(said.out + said.err for said in (world.gitslo(*each) for each in commands)).encode(),
        "reports": b"".join(world.gitslo("report", name).out.encode() for name in ("checkout/dev", "checkout/prod")),
        "reports as JSON": world.gitslo("report", "checkout/prod", "--json").out.encode(),
        "what a refused token is told": (refused.out + refused.err).encode(),
        "every object of the repository": shop.git("cat-file", "--batch", "--batch-all-objects"),
        "every ref of the repository": shop.git("for-each-ref"),
        "pull requests": json.dumps(pulls).encode(),
        "comments": json.dumps([world.says(pull["number"]) for pull in pulls]).encode(),
        "statuses": json.dumps([world.api(OWNER, "GET", f"/commits/{head}/status").data for head in heads]).encode(),
        "issues": json.dumps(world.api(OWNER, "GET", f"/issues?type=issues&{query}").data).encode(),
        "the clone": below(world.folder / "cache"),
        "the forge's logs": below(gitea.logs),
        "what the operator's command was given": (world.folder / "notes").read_bytes(),
    }


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory, gitea: GiteaServer) -> Iterator[Story]:
    """One daemon's life on the forge."""
    folder = tmp_path_factory.mktemp("gitea")
    told = Story(log=folder / "serve.jsonl")
    watched = Cmdlines((gitea.accounts[BOT].token.encode(), LEDGER_KEY.encode()))
    with GiteaShop(folder, policy=MANUAL, server=gitea, wishes=WISHES) as world, watched.watched():
        child = world.serve(told.log)
        try:
            _tell(world, told)
            _people(world, told)
            _issue(world, told)
            _gather(world, told, gitea)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{told.log.read_text()[-6000:]}") from error
        told.status = world.gitslo("status").out
        child.send_signal(signal.SIGTERM)
        stdout, _ = child.communicate(timeout=30)
        told.sinks["its standard output"] = f"standard output: {stdout}".encode()
        told.sinks["command lines"] = b"\n".join([b"%d looked at" % watched.looked, *watched.found])
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


def test_peoples_own_changes_are_checked_and_can_be_merged(story: Story) -> None:
    """The required status is given to what brings no new error; what brings one is told where."""
    bad = story.people["eves-bad-one"]

    assert ("success", "gitslo check: brings no new error") == story.people["eves-good-one"]
    assert ("failure", True) == (bad[0], "new error" in bad[1] and "checkout/prod/slo.yaml:" in bad[1])


def test_what_needs_a_person_is_an_issue_until_the_next_pass(story: Story) -> None:
    """One issue: opened with the report and what to do, closed when it passes again."""
    (_, title, body), closed = story.issue

    assert ("checkout/prod needs a person", "closed") == (title, closed[0])
    assert "    gitslo resume checkout/prod --config operator.yaml --fresh\n" in body
    assert "**Fail**" in body
    assert "**Pass**" in closed[2]


def test_no_secret_comes_to_light(story: Story, gitea: GiteaServer) -> None:
    """Neither the token nor the ledger's key, nor a token that the forge refuses, stands in what can be read."""
    secrets = {"token": gitea.accounts[BOT].token.encode(), "key": LEDGER_KEY.encode(), "refused": REVOKED.encode()}

    assert 17 == len(story.sinks)
    assert [] == found_in(story.sinks, secrets)
