"""The whole way on the fake GitLab: a project in a group of a group, Git over HTTP, merge requests by the API."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gitslo.testing.git_server import BareRepository
from tests.e2e.forge_shop import HEAD, ForgeShop, Served
from tests.gitlab_project import Merge
from tests.gitlab_server import BOT, OWNER, GitlabServer

TOKEN = f"glpat-{BOT}"


@dataclass
class GitlabShop(ForgeShop):
    """The shop with its repository on the fake GitLab."""

    server: GitlabServer | None = None

    def created(self) -> BareRepository:
        """On the forge."""
        assert self.server is not None
        self.variables["FORGE_TOKEN"] = TOKEN
        self.project = self.server.new_project()
        return Served(self.project.repository.path, self.server.git_url(self.project))

    def forge(self) -> str:
        """It lives in a folder of another port."""
        assert self.server is not None
        wishes = "labels: [gitslo], reviewers: [ada]"
        return f"{{gitlab: {{url: {self.server.url!r}, token: {{env: FORGE_TOKEN}}, {wishes}}}}}"

    def merges(self) -> list[Merge]:
        """Its merge requests, oldest first."""
        return [*self.project.merges.values()]

    def statuses(self, sha: str) -> dict[str, tuple[str, str]]:
        """Context -> (state, who set it)."""
        return {row["name"]: (row["status"], row["user"].name) for row in self.project.statuses_of(sha, past=False)}


@pytest.fixture
def shop(gitlab: GitlabServer, tmp_path: Path) -> Iterator[GitlabShop]:
    with GitlabShop(tmp_path, server=gitlab) as world:
        yield world


def test_a_release_is_promoted_and_another_is_rejected(shop: GitlabShop, gitlab: GitlabServer) -> None:
    """Pushed, opened, merged and told, in words that GitLab describes; a person's no is heard with the name."""
    said = [shop.once()]
    shop.release("checkout/dev", "v2")
    said.append(shop.once())
    shown, judged = shop.gitslo("status"), shop.judged("checkout/prod")
    by_hand = shop.repository.read("gitslo.yaml").replace(b"merge: auto", b"merge: manual")
    shop.commit({"gitslo.yaml": by_hand}, "By hand from now on")
    shop.release("checkout/dev", "v3")
    said.append(shop.once())
    first, second = shop.merges()
    shop.project.update(shop.project.users[OWNER], second, {"state_event": "close"})
    said.append(shop.once())
    people = [each.name for each in first.reviewers]

    assert ([0] * 4, ("v2", "pass")) == ([each.code for each in said], judged), said[-1].err
    assert (HEAD, "main", ["gitslo"], BOT, [OWNER]) == (
        first.source,
        first.target,
        first.labels,
        first.author.name,
        people,
    )
    assert first.merged is not None
    assert (BOT, ("success", BOT)) == (first.merged[0].name, shop.statuses(first.head)["gitslo/checkout/prod"])
    assert "after this was merged" in "".join(note["body"] for note in first.notes)
    assert f"GitLab 18.5.0 at {gitlab.url}, as {BOT}" in " ".join(shown.out.split())
    assert "was closed unmerged by ada" in str(shop.ledger("checkout/prod"))
    assert ("closed", "v2") == (second.state, shop.tags()["checkout/prod"])
    assert TOKEN not in "".join(each.out + each.err for each in (*said, shown))
