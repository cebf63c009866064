"""What the checks of the Forge contract run in, and what several of them begin with.

Used by the files with checks of one theme each; a test suite provides a `ForgeWorld`.
"""

from __future__ import annotations

from typing import Protocol

from gitslo.model import CommitId
from gitslo.ports import Forge, Issue, PullRequest, Status

__all__ = ["HEAD", "NOBODY", "ForgeWorld", "IssueWorld", "open_one", "with_opened"]

HEAD = "gitslo/shop/dev/promote"
NOBODY = CommitId("0" * 40)
"""No repository holds it."""


class ForgeWorld(Protocol):
    """One repository with one forge, and the people and commits around it."""

    @property
    def base(self) -> str:
        """The base branch; it has at least one commit."""

    def forge(self) -> Forge:
        """A new client of the forge with the daemon's account."""

    def push(self, branch: str, path: str, content: str) -> CommitId:
        """Somebody commits one file onto a branch, which starts at the base branch's tip where it is new."""

    def tip(self, branch: str) -> CommitId | None:
        """Where a branch is."""

    def read(self, branch: str, path: str) -> str | None:
        """A file's content at a branch's tip."""

    def person_closes(self, number: int, name: str) -> None:
        """A person closes a pull request without merging."""

    def person_merges(self, number: int, name: str) -> CommitId:
        """A person merges a pull request; returns the merge."""

    def comments(self, number: int) -> tuple[tuple[str, str], ...]:
        """(marker, body) of every comment that has a marker, oldest first."""

    def commit_comments(self, commit: CommitId) -> tuple[tuple[str, str], ...]:
        """(marker, body) of every comment on a commit that has a marker, oldest first; where the forge keeps them."""

    def statuses(self, commit: CommitId) -> tuple[Status, ...]:
        """The standing statuses of a commit, by context."""

    def asks_for_up_to_date(self) -> bool:
        """From now on only what holds all that the base branch holds is merged; False: this forge has no such rule."""

    def effects(self) -> int:
        """How many writes have reached the server so far."""


class IssueWorld(ForgeWorld, Protocol):
    """One whose forge keeps issues."""

    def issues(self) -> tuple[Issue, ...]:
        """Every issue that has a mark, whoever wrote it, oldest first."""

    def person_closes_issue(self, key: str, name: str) -> None:
        """A person closes ours with this key."""

    def person_writes_issue(self, issue: Issue, name: str) -> None:
        """A person opens one that looks like one of ours, mark and label and all."""


def open_one(forge: Forge, world: ForgeWorld, title: str = "Promote") -> PullRequest:
    """The pull request of HEAD as most checks want it; its branch is there."""
    return forge.ensure_pull_request(key="promote-1", head=HEAD, base=world.base, title=title, body="the numbers")


def with_opened(world: ForgeWorld) -> tuple[Forge, PullRequest]:
    """A new client, and that pull request with the branch pushed for it."""
    world.push(HEAD, "image", "v2")
    forge = world.forge()
    return forge, open_one(forge, world)
