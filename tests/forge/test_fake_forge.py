from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from gitslo.errors import Retry
from gitslo.model import CommitId
from gitslo.ports import PullRequest, PullRequestState, Status
from gitslo.testing.fake_forge import Effect, FakeForge
from gitslo.testing.forge_contract import FORGE_CONTRACT, ForgeWorld
from tests.forge.worlds import FakeWorld

HEAD = "gitslo/shop/dev/promote"


def opened(forge: FakeForge) -> PullRequest:
    forge.server.push("main", "image", "v1")
    forge.server.push(HEAD, "image", "v2")
    return forge.ensure_pull_request(key="k", head=HEAD, base="main", title="t", body="b")


def test_every_write_is_in_the_journal() -> None:
    """A test of the loop reads there what was done, and how often."""
    forge = FakeForge()
    pull = opened(forge)
    forge.comment_once(pull.number, "m", "b")
    merge = forge.merge(pull.number, pull.head_commit, "Merge")

    assert forge.journal == (Effect("opened", 1, "t"), Effect("commented", 1, "m"), Effect("merged", 1, merge))


def test_an_effect_can_be_made_to_fail() -> None:
    """The next effects raise what was prepared and change nothing; the one after works."""
    forge = FakeForge()
    pull = opened(forge)
    forge.server.failures += [Retry("no answer"), Retry("no answer")]
    before = forge.server.branches["main"]
    for effect in (lambda: forge.merge(1, pull.head_commit, "Merge"), lambda: forge.comment_once(1, "m", "b")):
        with pytest.raises(Retry):
            effect()

    assert (forge.server.branches["main"], len(forge.journal)) == (before, 1)
    assert forge.merge(1, pull.head_commit, "Merge") == forge.server.branches["main"]


class OpensAgain(FakeForge):
    """Never adopts."""

    def ensure_pull_request(self, *, key: str, head: str, base: str, title: str, body: str) -> PullRequest:
        found = super().ensure_pull_request(key=key, head=head, base=base, title=title, body=body)
        number = len(self.server.pulls) + 1
        self.server.pulls[number] = replace(found, number=number)
        return self.server.pulls[number]


class MergesAnything(FakeForge):
    """Does not look at the expected head."""

    def merge(self, number: int, expected_head: CommitId, message: str) -> CommitId:
        pull = self.server.pulls[number]
        return super().merge(number, self.server.branches.get(pull.head, expected_head), message)


class BlamesUs(FakeForge):
    """Takes every closing for its own."""

    def find(self, head: str) -> tuple[PullRequest, ...]:
        found = super().find(head)
        return tuple(replace(each, closed_by_us=each.state is PullRequestState.CLOSED) for each in found)


class RepeatsStatuses(FakeForge):
    """Writes what stands already."""

    def set_status(self, status: Status) -> None:
        self.server.statuses.pop((status.commit, status.context), None)
        super().set_status(status)


class ForgetsComments(FakeForge):
    """Keeps the last comment only."""

    def comment_once(self, number: int, marker: str, body: str) -> None:
        self.server.comments.pop(number, None)
        super().comment_once(number, marker, body)


@pytest.mark.parametrize("broken", [OpensAgain, MergesAnything, BlamesUs, RepeatsStatuses, ForgetsComments])
def test_the_contract_finds_a_broken_forge(broken: type[FakeForge]) -> None:
    """A suite that every forge passes proves nothing: each of these breaks one promise, and is found."""

    class World(FakeWorld):
        def forge(self) -> FakeForge:
            return broken(self.server)

    def breaks(check: Callable[[ForgeWorld], None]) -> bool:
        try:
            check(World())
        except (AssertionError, KeyError):
            return True
        return False

    assert [check.__name__ for check in FORGE_CONTRACT if breaks(check)] != []
