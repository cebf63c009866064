"""A pull request as every forge's reading has it, and as the port shows it. Called by the forges of this package."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from gitslo.model import CommitId
from gitslo.ports import PullRequest, PullRequestState

__all__ = ["ReadPull", "shown"]


@dataclass(frozen=True, slots=True)
class ReadPull:
    """One pull request as it was read; each forge's reading adds what is its own.

    Attributes:
        open, merged: closed without merge where it is neither.
        head_commit: the head branch's tip; after an end the one that was merged or closed.
        title, body: without a draft's sign and without our mark.
        key: what our mark says; empty where there is none.
        closed: when it was; None where it is not, or the forge does not say.
    """

    number: int
    open: bool
    merged: CommitId | None
    head: str
    base: str
    head_commit: CommitId
    title: str
    body: str
    key: str
    url: str
    draft: bool
    closed: datetime | None


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
