"""What the local forge remembers of one pull request, and how it may change. Pure; stored by `refs`."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from gitslo.core.codec import dump_json, from_json, load_json, to_json
from gitslo.errors import Refused
from gitslo.model import CommitId
from gitslo.ports import PullRequest, PullRequestState

__all__ = [
    "RECORD_CAP",
    "RECORD_FILE",
    "Account",
    "Comment",
    "PullRecord",
    "closed",
    "commented",
    "merged",
    "parsed",
    "viewed",
    "written",
]

RECORD_CAP = 1024 * 1024
"""Bytes of one stored record."""

RECORD_FILE = "pull.json"

_BRANCH_PART = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._+-]*[A-Za-z0-9_+-])?")


@dataclass(frozen=True, slots=True)
class Account:
    """Who acts: a daemon, or a person with a name."""

    name: str
    person: bool


@dataclass(frozen=True, slots=True)
class Comment:
    """One comment.

    Attributes:
        marker: one comment per marker and pull request; empty for a person's words.
        author: the account that wrote it.
        wall: seconds since the epoch of its last change.
    """

    marker: str
    body: str
    author: str
    wall: float


@dataclass(frozen=True, slots=True)
class PullRecord:
    """The content of `pull.json`.

    Attributes:
        key: the natural key given at creation.
        head, base: branch names without `refs/heads/`.
        head_commit: the head's tip when its branch was last looked at for this record.
        opened_by, ended_by: accounts; `ended_by` is empty while it is open and where plain Git merged it.
        ended_by_person: whether a person merged or closed it, not a daemon's account.
        merged: the commit on the base branch that brought it.
    """

    number: int
    key: str
    head: str
    base: str
    title: str
    body: str
    state: PullRequestState
    head_commit: CommitId
    opened_by: str
    comments: tuple[Comment, ...] = ()
    ended_by: str = ""
    ended_by_person: bool = False
    merged: CommitId | None = None


def commented(record: PullRecord, comment: Comment) -> PullRecord:
    """With this comment; the same words under the same marker change nothing."""
    standing = [each for each in record.comments if comment.marker and each.marker == comment.marker]
    if any(each.body == comment.body for each in standing):
        return record
    if not standing:
        return replace(record, comments=(*record.comments, comment))
    return replace(record, comments=tuple(comment if each in standing else each for each in record.comments))


def merged(record: PullRecord, head: CommitId, merge: CommitId, by: Account | None) -> PullRecord:
    """Merged as `merge`; `by` None: on the branch itself, with plain Git."""
    return replace(
        record,
        state=PullRequestState.MERGED,
        head_commit=head,
        merged=merge,
        ended_by=by.name if by else "",
        ended_by_person=by is None or by.person,
    )


def closed(record: PullRecord, by: Account) -> PullRecord:
    """Closed without merging."""
    return replace(record, state=PullRequestState.CLOSED, ended_by=by.name, ended_by_person=by.person)


def viewed(record: PullRecord, url: str, us: Account) -> PullRequest:
    """As the port shows it to `us`."""
    is_closed = record.state is PullRequestState.CLOSED
    return PullRequest(
        number=record.number,
        state=record.state,
        key=record.key,
        head=record.head,
        base=record.base,
        head_commit=record.head_commit,
        title=record.title,
        body=record.body,
        url=url,
        merged=record.merged,
        closed_by_us=is_closed and record.ended_by == us.name and record.ended_by_person == us.person,
        closed_by=record.ended_by if is_closed else "",
    )


def written(record: PullRecord) -> dict[str, bytes]:
    """The files of a commit that holds it."""
    return {RECORD_FILE: dump_json(to_json(record))}


def parsed(files: dict[str, bytes]) -> PullRecord:
    """Read it back.

    Raises:
        Refused: this is no pull request.
    """
    content = files.get(RECORD_FILE, b"")
    record = from_json(PullRecord, load_json(content, where=RECORD_FILE, cap=RECORD_CAP), where=RECORD_FILE)
    for branch in (record.head, record.base):
        if not all(map(_BRANCH_PART.fullmatch, branch.split("/"))) or ".." in branch or ".lock/" in f"{branch}/":
            raise Refused(f"{RECORD_FILE}: {branch!r} is no branch of a pull request")
    return record
