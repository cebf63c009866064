"""The forge: pull requests, statuses and comments."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

from gitslo.model import (
    CommitId,
)

__all__ = [
    "STATUS_LENGTH",
    "Capabilities",
    "CommitComments",
    "Forge",
    "Issue",
    "Issues",
    "PullRequest",
    "PullRequestState",
    "Status",
    "StatusState",
]


class PullRequestState(StrEnum):
    """Where a pull request is."""

    OPEN = "open"
    MERGED = "merged"
    CLOSED = "closed"


class StatusState(StrEnum):
    """The state of a commit status."""

    PENDING = "pending"
    SUCCESS = "success"
    FAILURE = "failure"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class PullRequest:
    """One pull request.

    Attributes:
        key: the natural key given at creation (it is kept in the body); empty for a person's.
        head: branch name without `refs/heads/`.
        head_commit: its tip as the forge knows it.
        merged: the commit on the base branch that brought it, where the forge knows it.
        closed_by_us: closed without merge and without anybody's no: by our own account, or because its branch went.
        closed_by: who closed it, as the forge names them; empty where unknown or open.
        blocked: why the forge would not let us merge it now, as far as is known; empty: nothing is known against it.
        outdated: the only thing against it is that it does not hold all that the base branch holds, and it has to.
    """

    number: int
    state: PullRequestState
    key: str
    head: str
    base: str
    head_commit: CommitId
    title: str
    body: str
    url: str
    merged: CommitId | None = None
    closed_by_us: bool = False
    closed_by: str = ""
    blocked: str = ""
    outdated: bool = False


STATUS_LENGTH: Final = 140
"""Characters that every forge takes in a status' description."""


@dataclass(frozen=True, slots=True)
class Status:
    """One commit status; the newest per (commit, context) counts. `description`: at most STATUS_LENGTH characters."""

    commit: CommitId
    context: str
    state: StatusState
    description: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a forge can do; said in `gitslo status`.

    Attributes:
        expected_head_merge: a merge names the head that it means, and another one is not merged.
        comments, commit_comments: on pull requests, and on commits that have none.
        name: what it is, and as whom it knows us.
        merges: how we may merge, e.g. `squash`; the one that we use is first.
        cannot: what does not work there and what to do about it; sentences.
    """

    expected_head_merge: bool
    statuses: bool
    comments: bool
    commit_comments: bool = False
    name: str = ""
    merges: tuple[str, ...] = ()
    cannot: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Issue:
    """The rolling issue of one environment.

    Attributes:
        key: its natural key: there is one issue per key, opened anew where it is needed again.
        title, body: what people read; `body` is Markdown.
        open: whether a person is needed; closing one that was never opened does nothing.
    """

    key: str
    title: str
    body: str
    open: bool


class Issues(Protocol):
    """Where people are told what no pull request tells them."""

    def stands(self, issue: Issue) -> bool:
        """Whether there is nothing to do for it; may rest on a look that is some seconds old.

        One that a person has closed stands, as long as there is nothing new in it.
        """

    def tell(self, issue: Issue) -> None:
        """Open it, bring it up to date, or close it."""


class CommitComments(Protocol):
    """Where people are told of a commit that no pull request has brought."""

    def has(self, commit: CommitId, marker: str) -> bool:
        """Whether there is a comment with this marker; may rest on a look that is some seconds old."""

    def once(self, commit: CommitId, marker: str, body: str) -> None:
        """Comment, unless a comment with this marker exists; then bring that one up to date.

        A commit that the forge does not have gets none.
        """


class Forge(Protocol):
    """Pull requests, statuses and comments of one repository."""

    @property
    def commit_comments(self) -> CommitComments | None:
        """None where this forge keeps no comments on commits."""

    @property
    def issues(self) -> Issues | None:
        """None where this forge keeps no issues, or the operator wants none."""

    def capabilities(self) -> Capabilities:
        """What this forge can do, and what of it our account may.

        Raises:
            Retry: no answer. Refused: it does not know us, or not the repository.
        """

    def find(self, head: str) -> tuple[PullRequest, ...]:
        """Every pull request with this head branch, newest first."""

    def open_pulls(self, base: str) -> tuple[PullRequest, ...]:
        """Every open pull request of a branch of the same repository into `base`, whoever opened it, newest first.

        May rest on a look that is some seconds old; what keeps it from being merged is not looked at.
        """

    def ensure_pull_request(self, *, key: str, head: str, base: str, title: str, body: str) -> PullRequest:
        """Look for the open pull request of `head` and bring its title, body and key up to date, or create it."""

    def comment_once(self, number: int, marker: str, body: str) -> None:
        """Comment, unless a comment with this marker exists; then bring that one up to date."""

    def set_status(self, status: Status) -> None:
        """Set a commit status; does nothing where it already stands so."""

    def has_status(self, status: Status) -> bool:
        """Whether it stands just so; may rest on a look that is some seconds old. Reads only: it costs no push."""

    def has_comment(self, number: int, marker: str) -> bool:
        """Whether there is a comment with this marker; otherwise as `has_status`."""

    def merge(self, number: int, expected_head: CommitId, message: str) -> CommitId:
        """Merge by us; returns the new commit on the base branch.

        Raises:
            Conflict: the head or the base moved, or it does not merge cleanly now.
            Retry: it may not be merged yet: checks, approvals, a draft, rights; `find` then says why in `blocked`.
            Refused: it never will be: it is closed, or there is none.
        """

    def close(self, number: int, comment: str) -> None:
        """Close without merging, saying why; does nothing where it is closed."""
