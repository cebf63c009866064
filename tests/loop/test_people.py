"""People's own pull requests: checked as they would be merged, and told as a status."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitslo.errors import Retry
from gitslo.loop.ledgers import Ledgers
from gitslo.loop.people import ALL_OF, EVERY, PeoplesPulls
from gitslo.loop.sight import Sight
from gitslo.model import Allowed, CommitId
from gitslo.ports import Event, PullRequest, Status, StatusState
from tests.forge.worlds import GitWorld

TWO = """\
  - {name: dev, path: dev}
  - {name: prod, path: prod, after: [dev]}
"""
PIPELINE = f"""\
schema: gitslo/v1
name: shop
stages:
{TWO}\
plan: slo.yaml
sync: process
promote: [{{image: example/shop}}]
"""
PLAN = """\
schema: gitslo/v1
targets: {app: {http: "http://app.shop.svc:80"}}
load: {browse: {target: app, get: /, timeout: 1s, stages: [{hold: 100/s, for: 2m}]}}
objectives: [browse.errors < 10%]
"""
MANIFEST = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: app}
spec: {template: {spec: {containers: [{name: app, image: "example/shop:v1"}]}}}
"""


class People:
    """A repository with two environments, a local forge, and people."""

    def __init__(self, folder: Path, pipeline: str = PIPELINE, stages: tuple[str, ...] = ("dev", "prod")) -> None:
        self.world = GitWorld(folder)
        files = {"gitslo.yaml": pipeline}
        for stage in stages:
            files |= {f"{stage}/app.yaml": MANIFEST, f"{stage}/slo.yaml": PLAN}
        self.commit("main", files)
        self.forge = self.world.forge()
        repository = self.world.repository()
        self.sight = Sight(repository, Ledgers(repository, name="shop", key=None), Allowed())
        self.told: list[Event] = []
        self.pulls = PeoplesPulls(self.sight, self.forge, self.told.append)
        self.now = 0.0

    def commit(self, branch: str, files: dict[str, str | None]) -> CommitId:
        """Somebody commits files of any folder; None takes one away."""
        parent = self.world.tip(branch) or self.world.tip("main")
        known = {}
        for line in self.world.git("ls-tree", "-r", str(parent)).splitlines():
            meta, path = line.split("\t")
            known[path] = meta.split()[2]
        for path, content in files.items():
            known.pop(path, None)
            if content is not None:
                known[path] = self.world.git("hash-object", "-w", "--stdin", stdin=content)
        script = "".join(f"M 100644 {blob} {path}\n" for path, blob in known.items())
        message = f"{branch}: {', '.join(files)}"
        stream = (
            f"commit refs/heads/{branch}\ncommitter Ada <ada@example.com> 1790000000 +0000\n"
            f"data {len(message.encode())}\n{message}\nfrom {parent}\ndeleteall\n{script}"
        )
        self.world.git("fast-import", "--quiet", "--force", stdin=stream)
        found = self.world.tip(branch)
        assert found is not None
        return found

    def open(self, branch: str) -> PullRequest:
        return self.world.person("ada").ensure_pull_request(key="", head=branch, base="main", title=branch, body="")

    def look(self) -> None:
        self.sight.look()
        self.now += EVERY
        self.pulls.look(self.now)

    def said(self, commit: CommitId) -> dict[str, tuple[StatusState, str]]:
        """(state, description) of a commit's statuses, by context."""
        return {each.context: (each.state, each.description) for each in self.world.statuses(commit)}


@pytest.fixture
def people(tmp_path: Path) -> People:
    return People(tmp_path)


def test_a_change_without_a_new_error_is_a_success(people: People) -> None:
    """Every environment's status, so that a branch may require any of them."""
    head = people.commit("more", {"dev/app.yaml": MANIFEST.replace(":v1", ":v2")})
    people.open("more")
    people.look()
    good = (StatusState.SUCCESS, "gitslo check: brings no new error")

    assert people.said(head) == {"gitslo/dev": good, "gitslo/prod": good}


def test_a_new_error_is_a_failure_that_says_where(people: People) -> None:
    """The file, the line, and what is wrong there."""
    head = people.commit("worse", {"prod/slo.yaml": PLAN.replace("< 10%", "< 10")})
    people.open("worse")
    people.look()
    state, text = people.said(head)["gitslo/prod"]

    assert (state, text.startswith("gitslo check: 1 new error: prod/slo.yaml:4: ")) == (StatusState.FAILURE, True)


def test_an_error_that_is_there_already_is_nobodys(people: People) -> None:
    """Not even where the change moves it to another line."""
    broken = PLAN.replace("< 10%", "< 10")
    people.commit("main", {"prod/slo.yaml": broken})
    head = people.commit("more", {"prod/slo.yaml": f"# a plan\n{broken}"})
    people.open("more")
    people.look()

    assert {state for state, _ in people.said(head).values()} == {StatusState.SUCCESS}


def test_what_counts_is_the_merge(people: People) -> None:
    """A branch from before an error was mended does not bring it back by itself."""
    people.commit("main", {"prod/slo.yaml": PLAN.replace("< 10%", "< 10")})
    head = people.commit("more", {"README.md": "hello\n"})
    people.commit("main", {"prod/slo.yaml": PLAN})
    people.open("more")
    people.look()

    assert {state for state, _ in people.said(head).values()} == {StatusState.SUCCESS}


def test_what_does_not_merge_is_pending(people: People) -> None:
    """Nobody can say what it would be."""
    head = people.commit("more", {"dev/app.yaml": MANIFEST.replace(":v1", ":v2")})
    people.commit("main", {"dev/app.yaml": MANIFEST.replace(":v1", ":v3")})
    people.open("more")
    people.look()

    assert people.said(head)["gitslo/dev"] == (
        StatusState.PENDING,
        "gitslo check: cannot be checked: it does not merge cleanly into main",
    )


def test_it_is_looked_at_again_when_its_branch_or_ours_moves(people: People) -> None:
    """And only then: nothing is checked twice."""
    people.commit("more", {"README.md": "hello\n"})
    people.open("more")
    for _ in range(3):
        people.look()
    once = len(people.told)
    people.commit("more", {"README.md": "hello again\n"})
    people.look()
    people.commit("main", {"NOTES.md": "news\n"})
    people.look()

    assert (once, [each.name for each in people.told]) == (1, ["pull_request.checked"] * 3)


def test_our_own_are_left_alone(people: People) -> None:
    """Theirs is the permission, which the loop gives."""
    head = people.commit("gitslo/shop/prod/promote", {"prod/app.yaml": MANIFEST.replace(":v1", ":v2")})
    people.world.forge().ensure_pull_request(
        key="k", head="gitslo/shop/prod/promote", base="main", title="Promote", body=""
    )
    people.look()

    assert (people.said(head), people.told) == ({}, [])


def test_one_that_cannot_be_told_keeps_no_other_waiting(people: People) -> None:
    """The forge refuses the first: the second has its status, and the first is tried again."""
    people.commit("one", {"README.md": "1\n"})
    people.commit("two", {"README.md": "2\n"})
    first, second = people.open("one"), people.open("two")
    set_status, refused = people.forge.set_status, [second.head_commit]

    class Halting(type(people.forge)):  # type: ignore[misc]
        def set_status(self, status: Status) -> None:
            if status.commit in refused:
                raise Retry("no answer")
            set_status(status)

    halting = Halting(people.world.repository(), account="gitslo", wall=lambda: 1_790_000_000.0)
    people.pulls = PeoplesPulls(people.sight, halting, people.told.append)
    people.look()
    then = [bool(people.said(each.head_commit)) for each in (first, second)]
    refused.clear()
    people.look()

    assert (then, bool(people.said(second.head_commit))) == ([True, False], True)


def test_of_many_environments_those_that_are_touched(tmp_path: Path) -> None:
    """A status for each of thousands would be nobody's to read."""
    stages = tuple(f"s{number:02d}" for number in range(ALL_OF + 1))
    listed = "".join(f"  - {{name: {stage}, path: {stage}}}\n" for stage in stages)
    people = People(tmp_path, PIPELINE.replace(TWO, listed), stages)
    head = people.commit("more", {"s07/app.yaml": MANIFEST.replace(":v1", ":v2"), "s11/slo.yaml": f"# plan\n{PLAN}"})
    people.open("more")
    people.look()

    assert list(people.said(head)) == ["gitslo/s07", "gitslo/s11"]
