"""GitLab's merge requests as they are read: those of a head branch, one of them, and who closed it.

Called by `gitlab`.

**Invariants**
* a merge request of another project's branch is never taken for one of ours, whatever that branch is called;
* nothing that we write is a quick action: GitLab carries out lines like `/merge` in descriptions and comments, and what
  stands in ours comes partly from repositories.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from gitslo.adapters.forges.answers import Record, items
from gitslo.adapters.forges.closings import Closing
from gitslo.adapters.forges.http import ForgeHttp
from gitslo.adapters.forges.marks import marked, unmarked
from gitslo.adapters.forges.pulls import ForgePulls
from gitslo.adapters.forges.shown import ReadPull
from gitslo.model import CommitId

__all__ = ["MERGEABLE", "PAGE", "UNDECIDED", "GitlabPull", "GitlabPulls", "commit_notes", "pages", "read", "written"]

PAGE: Final = 100
"""Entries of one page: the most that GitLab gives."""
PAGES: Final = 20
MERGEABLE: Final = "mergeable"
UNDECIDED: Final = frozenset(
    {"unchecked", "checking", "preparing", "cannot_be_merged_recheck", "cannot_be_merged_rechecking"}
)
"""What `detailed_merge_status` says while GitLab has not tried the merge out; asking for it makes it try."""
WORKED_OFF: Final = 600.0
"""Seconds in which a branch's going has closed its merge requests: a background job does it."""

_SINCE_15_6: Final = {"can_be_merged": MERGEABLE, "cannot_be_merged": "conflict"}
_DRAFT = re.compile(r"\A(?:\[draft\]|\(draft\)|draft:|draft\s-\s)\s*", re.IGNORECASE)
_ACTION = re.compile(r"^([ \t]*)(\\*)/(?=[A-Za-z_])", re.MULTILINE)
_CALMED = re.compile(r"^([ \t]*)\\(\\*)/(?=[A-Za-z_])", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class GitlabPull(ReadPull):
    """One merge request.

    Attributes:
        merging: GitLab is merging it this moment (`locked`).
        status: one of GitLab's words: MERGEABLE, UNDECIDED, or why not.
        queued: it is set to be merged by GitLab itself, when its pipeline or its merge train says so.
        may_merge: whether our account may; True also where that is not said.
        squash: whether its commits become one when it is merged, unless the merge says so anyway.
        closer: as far as it is known without asking further.
    """

    merging: bool
    status: str
    queued: bool
    may_merge: bool
    squash: bool
    labels: tuple[str, ...]
    assignees: tuple[int, ...]
    reviewers: tuple[int, ...]
    closer: str


class GitlabPulls(ForgePulls[GitlabPull]):
    """The merge requests of one project; `path` is its own below the API's base.

    Asking for one of them makes GitLab try out its merge.
    """

    noun = "merge request"
    folder = "merge_requests"

    def __init__(self, http: ForgeHttp, path: str) -> None:
        super().__init__(http, path, pull_of)

    def of_head(self, head: str) -> tuple[GitlabPull, ...]:
        """As the base has it."""
        query: dict[str, str | int] = {"source_branch": head, "state": "all", "order_by": "created_at", "sort": "desc"}
        rows = pages(self._http, f"{self._path}/merge_requests", query)
        found = [pull for row in rows if (pull := pull_of(row)) is not None and pull.head == head]
        found.sort(key=lambda pull: pull.number, reverse=True)
        return tuple(self.numbered(pull.number) if pull.open else pull for pull in found)

    def into(self, base: str) -> tuple[GitlabPull, ...]:
        """As the base has it."""
        query: dict[str, str | int] = {"target_branch": base, "state": "opened"}
        rows = pages(self._http, f"{self._path}/merge_requests", query)
        found = [pull for row in rows if (pull := pull_of(row)) is not None]
        return tuple(sorted(found, key=lambda pull: pull.number, reverse=True))

    def closing(self, pull: GitlabPull, us: str) -> Closing:
        """As the base has it; of our own closings there is no more to ask."""
        return Closing(us, with_branch=False) if pull.closer == us else super().closing(pull, us)

    def _closing(self, pull: GitlabPull, closed: datetime, us: str) -> Closing:
        by = pull.closer or self._closer(pull.number)
        return Closing(by, with_branch=by != us and self._went(pull.head, by, closed))

    def _closer(self, number: int) -> str:
        """`closed_by` is empty on older merge requests; the events stay."""
        events = pages(self._http, f"{self._path}/merge_requests/{number}/resource_state_events", {})
        closings = {
            each.number("id"): each.text("user", "username") for each in events if each.text("state") == "closed"
        }
        return closings[max(closings)] if closings else ""

    def _went(self, head: str, by: str, closed: datetime) -> bool:
        """Whether the last that had happened to the branch was that the same person deleted it; a no comes before."""
        query: dict[str, str | int] = {
            "action": "pushed",
            "after": (closed - timedelta(days=1)).strftime("%Y-%m-%d"),
            "before": (closed + timedelta(days=1)).strftime("%Y-%m-%d"),
            "sort": "desc",
        }
        for event in pages(self._http, f"{self._path}/events", query, expect=(403, 404)):
            passed = (closed - event.moment("created_at")).total_seconds()
            if event.text("push_data", "ref") == head and passed >= 0.0:
                removed = event.text("push_data", "action") == "removed"
                return removed and event.text("author", "username") == by and passed <= WORKED_OFF
        return False


def pages(
    http: ForgeHttp, path: str, query: Mapping[str, str | int], *, expect: Sequence[int] = ()
) -> Iterator[Record]:
    """The objects of a list; none where it is answered with a status of `expect`.

    A page may have fewer entries than were asked for before the last one, as GitLab takes out what we may not see.
    """
    for page in range(1, PAGES + 1):
        reply = http.get(path, {**query, "per_page": PAGE, "page": page}, expect=expect)
        if not reply.done:
            return
        yield from items(reply.data)
        if not reply.more:
            return


def commit_notes(http: ForgeHttp, path: str) -> Iterator[Record]:
    """The comments on a commit, each with the thread that it begins or stands in; none where the commit is not there.

    The list that has a commit's comments by themselves says neither their ids nor how to edit them; that of its threads
    does, and has those that are no thread as well.
    """
    for thread in pages(http, path, {}, expect=(404,)):
        for note in thread.records("notes"):
            yield Record(
                {
                    "id": note.number("id"),
                    "thread": thread.text("id"),
                    "body": note.text("body"),
                    "author": {"username": note.text("author", "username")},
                }
            )


def pull_of(row: Record) -> GitlabPull | None:
    """What the API says of one; None where its head is no branch of the same project.

    Raises:
        Retry: the answer is not what it should be.
    """
    if row.number("source_project_id") != row.number("target_project_id"):
        return None
    state, status = row.text("state"), row.text("merge_status")
    body, key = read(row.text("description"), "pull")
    draft = row.truth("draft")
    head_commit = CommitId(row.text("sha"))
    merged = row.text("merge_commit_sha") or row.text("squash_commit_sha") or head_commit
    return GitlabPull(
        number=row.number("iid"),
        open=state in ("opened", "locked"),
        merging=state == "locked",
        merged=CommitId(merged) if state == "merged" else None,
        head=row.text("source_branch"),
        base=row.text("target_branch"),
        head_commit=head_commit,
        title=_DRAFT.sub("", row.text("title")) if draft else row.text("title"),
        body=body,
        key=key,
        url=row.text("web_url"),
        draft=draft,
        status=row.text("detailed_merge_status") or _SINCE_15_6.get(status, status),
        queued=row.truth("merge_when_pipeline_succeeds"),
        may_merge=row.truth("user", "can_merge") or not row.has("user", "can_merge"),
        squash=row.truth("squash"),
        labels=row.texts("labels"),
        assignees=tuple(each.number("id") for each in row.records("assignees")),
        reviewers=tuple(each.number("id") for each in row.records("reviewers")),
        closer=row.text("closed_by", "username"),
        closed=row.moment("closed_at") if row.text("closed_at") else None,
    )


def written(text: str, kind: str, value: str) -> str:
    r"""A text with its mark as GitLab is to have it: a slash that begins a line is `\/`, which shows as a slash."""
    return marked(_ACTION.sub(r"\1\2\\/", text), kind, value)


def read(text: str, kind: str) -> tuple[str, str]:
    """(text, value) of what `written` wrote; of another's text what stands there."""
    bare, value = unmarked(text, kind)
    return _CALMED.sub(r"\1\2/", bare), value
