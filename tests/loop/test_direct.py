"""Direct mode: what a pull request would have said stands on the commits, and no forge keeps a change waiting."""

from __future__ import annotations

from pathlib import Path

from gitslo.errors import Retry
from gitslo.model import CommitId
from gitslo.ports import Forge, Issue, Repository, Status
from gitslo.testing.fake_forge import FakeForge
from tests.rules.shop import PIPELINE, Shop

DIRECT = (
    PIPELINE.replace("mode: pull-request, merge: auto", "mode: direct")
    .replace("mode: pull-request, merge: PROD_MERGE", "mode: direct")
    .replace("NEWER", "finish")
)


class Moody(FakeForge):
    """Does not answer while it is down, whatever it is asked."""

    down = False

    def _answer(self) -> None:
        if self.down:
            raise Retry("no answer")

    def has(self, commit: CommitId, marker: str) -> bool:
        self._answer()
        return super().has(commit, marker)

    def once(self, commit: CommitId, marker: str, body: str) -> None:
        self._answer()
        super().once(commit, marker, body)

    def has_status(self, status: Status) -> bool:
        self._answer()
        return super().has_status(status)

    def set_status(self, status: Status) -> None:
        self._answer()
        super().set_status(status)

    def stands(self, issue: Issue) -> bool:
        self._answer()
        return super().stands(issue)


class DirectShop(Shop):
    """The shop, whose changes go straight onto main, on a forge that keeps comments on commits."""

    def __init__(self, folder: Path) -> None:
        self.moody = Moody()
        super().__init__(folder)
        self.commit({"gitslo.yaml": DIRECT}, "Write directly")
        self.settle()

    def forge(self, repository: Repository) -> Forge:
        """One that is not always there."""
        return self.moody

    def said(self) -> list[list[tuple[str, str]]]:
        """Of each of our commits on main, oldest first: (about, the first line) of its comments."""
        found = []
        for commit in self.bot_commits():
            comments = self.moody.server.commit_comments.get(CommitId(commit), {})
            found.append([(key.partition("/")[0], body.partition("\n")[0]) for key, body in comments.items()])
        return found


def test_what_a_pull_request_would_say_stands_on_the_commit(tmp_path: Path) -> None:
    """What it is and rests on, and the verdict on what it brought; said once, also by a process that begins anew."""
    shop = DirectShop(tmp_path)
    shop.release("v2")
    shop.settle()
    said, written = shop.said(), len(shop.moody.journal)
    shop.through(lambda repository: repository)
    shop.settle()

    assert said == [
        [
            ("change", "**Pass**: this release passed in `dev` (run 2) and may go to `prod`"),
            ("result", "**Pass**: run 2 (sync) of `example/app:v2` in `prod`, after this was pushed"),
        ]
    ]
    assert (said, written) == (shop.said(), len(shop.moody.journal))


def test_a_fail_is_told_on_the_commit_before_that_is_reverted(tmp_path: Path) -> None:
    """The commit that broke something says so for good, and the one that puts it back says why."""
    shop = DirectShop(tmp_path)
    shop.engine.drifted.add("prod")
    shop.release("v2")
    shop.settle()
    promotion, revert = shop.said()
    events = [event for event in shop.journal.events if event.name == "change.commented"]

    assert ("result", "**Fail**: run 2 (sync) of `example/app:v2` in `prod`, after this was pushed") == promotion[1]
    assert [about for about, _ in revert] == ["change", "result"]
    assert "**Fail**: run 2 failed here; this puts `prod` back to what passed in run 1" == revert[0][1]
    assert [event.fields for event in events] == [{"commit": commit} for commit in shop.bot_commits() for _ in range(2)]


def test_a_forge_that_is_down_keeps_no_change_waiting(tmp_path: Path) -> None:
    """Neither a look at it nor a word to it: each is tried once, then the revert goes out; what it missed it gets."""
    shop = DirectShop(tmp_path)
    shop.moody.down = True
    shop.release("bad1")
    for _ in range(60):
        shop.woken.clear()
        if shop.controller.poll().steps == 0 and shop.tag("dev") == "bad1":
            shop.woken.wait(0.2)
        shop.clock.advance(1.0)
    reverted, shop.moody.down = shop.tag("dev"), False
    shop.clock.advance(120.0)
    shop.settle()

    assert "v1" == reverted
    assert ["change", "result"] == [about for about, _ in shop.said()[0]]
