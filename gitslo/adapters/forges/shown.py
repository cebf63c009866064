"""A pull request as the port has it, from what each forge's reading gives. Called by the forges of this package."""

from __future__ import annotations

from typing import Protocol

from gitslo.model import CommitId
from gitslo.ports import PullRequest, PullRequestState

__all__ = ["ReadPull", "shown"]


class ReadPull(Protocol):
    """What every forge's pull request has, as it was read.

    Attributes:
        open, merged: closed without merge where it is neither.
        body: without our mark; `key`: what that says.
    """

    @property
    def number(self) -> int: ...  # noqa: D102 - as of PullRequest
    @property
    def open(self) -> bool: ...  # noqa: D102
    @property
    def merged(self) -> CommitId | None: ...  # noqa: D102
    @property
    def head(self) -> str: ...  # noqa: D102
    @property
    def base(self) -> str: ...  # noqa: D102
    @property
    def head_commit(self) -> CommitId: ...  # noqa: D102
    @property
    def title(self) -> str: ...  # noqa: D102
    @property
    def body(self) -> str: ...  # noqa: D102
    @property
    def key(self) -> str: ...  # noqa: D102
    @property
    def url(self) -> str: ...  # noqa: D102


def shown(pull: ReadPull) -> PullRequest:
    """All that needs no further question: neither what blocks it nor who closed it."""
    standing = PullRequestState.OPEN if pull.open else PullRequestState.CLOSED
    return PullRequest(
        number=pull.number,
        state=standing if pull.merged is None else PullRequestState.MERGED,
        key=pull.key,
        head=pull.head,
        base=pull.base,
        head_commit=pull.head_commit,
        title=pull.title,
        body=pull.body,
        url=pull.url,
        merged=pull.merged,
    )
