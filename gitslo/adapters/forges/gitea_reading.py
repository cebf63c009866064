"""Gitea's and Forgejo's pull requests as they are read: one of them, and all that there are by their head branch.

Called by `gitea`. Their API has no question for a head branch, so a list of all pull requests is kept and brought up to
date by what has changed since it was read last, which is one request while nothing has.

**Invariants**
* a pull request of another repository's branch is never taken for one of ours, whatever that branch is called;
* what is kept of an open pull request is never believed: it is read again whenever somebody asks for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from gitslo.adapters.forges.answers import Record, items, record
from gitslo.adapters.forges.closings import Closing, settled
from gitslo.adapters.forges.http import ForgeHttp
from gitslo.adapters.forges.marks import unmarked
from gitslo.adapters.forges.pulls import ForgePulls
from gitslo.adapters.forges.shown import ReadPull
from gitslo.model import CommitId

__all__ = ["GiteaPull", "GiteaPulls", "without_draft"]

PAGES: Final = 20
"""How much is read when nothing is known yet: this many pages, the pull requests that changed last."""
PAGE: Final = 50
DRAFT: Final = ("wip:", "[wip]", "draft:")
"""What a draft's title begins with, in lower case; the first is what we write."""
SAME_MOMENT: Final = 2.0
"""Seconds between a closing and a branch's going that are one event."""


@dataclass(frozen=True, slots=True)
class GiteaPull(ReadPull):
    """One pull request.

    Attributes:
        mergeable: it merges cleanly; false as well while that is not known yet.
        behind: the base branch holds what it does not; true as well while that is not known again after a push.
        version: of title and body; None where the forge keeps none.
        updated: the forge's own words.
    """

    mergeable: bool
    behind: bool
    labels: tuple[str, ...]
    assignees: tuple[str, ...]
    reviewers: tuple[str, ...]
    teams: tuple[str, ...]
    version: int | None
    updated: datetime


class GiteaPulls(ForgePulls[GiteaPull]):
    """The pull requests of one repository; `path` is its own below the API's base."""

    def __init__(self, http: ForgeHttp, path: str) -> None:
        super().__init__(http, path, pull_of)
        self._known: dict[int, GiteaPull] = {}
        self._newest = datetime.min.replace(tzinfo=UTC)
        self._size = 0

    def of_head(self, head: str) -> tuple[GiteaPull, ...]:
        """As the base has it."""
        fresh = self._refresh()
        numbers = sorted((each.number for each in self._known.values() if each.head == head), reverse=True)
        stale = [number for number in numbers if number not in fresh and self._known[number].open]
        for number in stale:
            self._known[number] = self.numbered(number)
        return tuple(self._known[number] for number in numbers)

    def into(self, base: str) -> tuple[GiteaPull, ...]:
        """As the base has it."""
        self._refresh()
        found = [each for each in self._known.values() if each.open and each.base == base]
        return tuple(sorted(found, key=lambda each: each.number, reverse=True))

    def page_size(self) -> int:
        """How many entries one page has: the forge may allow fewer than we ask for."""
        if self._size == 0:
            reply = self._http.get("/api/v1/settings/api", expect=(403, 404))
            most = PAGE if reply.data is None else record(reply.data).number("max_response_items")
            self._size = max(1, min(PAGE, most))
        return self._size

    def _refresh(self) -> set[int]:
        """Read what has changed; the numbers that were read."""
        size, fresh, newest = self.page_size(), set[int](), self._newest
        for page in range(1, PAGES + 1):
            query: dict[str, str | int] = {"state": "all", "sort": "recentupdate", "limit": size, "page": page}
            rows = items(self._http.get(f"{self._path}/pulls", query).data)
            moments = [row.moment("updated_at") for row in rows]
            for row in rows:
                fresh.add(row.number("number"))
                pull = pull_of(row)
                if pull is not None:
                    self._known[pull.number] = pull
            newest = max([newest, *moments])
            if len(rows) < size or min(moments) < self._newest:
                break
        self._newest = newest
        return fresh

    def _closing(self, pull: GiteaPull, closed: datetime, us: str) -> Closing:
        return settled(self._http, closed, us, lambda: self._told(pull.number, closed))

    def _told(self, number: int, closed: datetime) -> Closing:
        """What its timeline says."""
        since = datetime.fromtimestamp(closed.timestamp() - SAME_MOMENT, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        query: dict[str, str | int] = {"since": since, "limit": self.page_size()}
        events = items(self._http.get(f"{self._path}/issues/{number}/timeline", query).data or [])
        last = max((at for at, event in enumerate(events) if event.text("type") == "close"), default=None)
        if last is None:
            return Closing("", with_branch=False)
        by, moment = events[last].text("user", "login"), events[last].moment("created_at")
        went = any(
            event.text("type") == "delete_branch"
            and event.text("user", "login") == by
            and abs((event.moment("created_at") - moment).total_seconds()) <= SAME_MOMENT
            for event in events[last + 1 :]
        )
        return Closing(by, with_branch=went)


def pull_of(row: Record) -> GiteaPull | None:
    """What the API says of one; None where its head is no branch of the same repository.

    Raises:
        Retry: the answer is not what it should be.
    """
    if row.number("head", "repo_id") != row.number("base", "repo_id"):
        return None
    body, key = unmarked(row.text("body"), "pull")
    is_open, merged = row.text("state") == "open", row.truth("merged")
    return GiteaPull(
        number=row.number("number"),
        open=is_open and not merged,
        merged=CommitId(row.text("merge_commit_sha")) if merged else None,
        # Once the branch is gone, `head.ref` is a ref of the pull request's own; the label stays.
        head=row.text("head", "label").rpartition(":")[2],
        base=row.text("base", "ref"),
        head_commit=CommitId(row.text("head", "sha")),
        title=without_draft(row.text("title")),
        body=body,
        key=key,
        url=row.text("html_url"),
        draft=row.truth("draft"),
        mergeable=row.truth("mergeable"),
        behind=row.text("merge_base") != row.text("base", "sha"),
        labels=tuple(each.text("name") for each in row.records("labels")),
        assignees=tuple(each.text("login") for each in row.records("assignees")),
        reviewers=tuple(each.text("login") for each in row.records("requested_reviewers")),
        teams=tuple(each.text("name") for each in row.records("requested_reviewers_teams")),
        version=row.number("content_version") if row.has("content_version") else None,
        updated=row.moment("updated_at"),
        closed=row.moment("closed_at") if row.text("closed_at") else None,
    )


def without_draft(title: str) -> str:
    """A title without what makes a draft of it."""
    for sign in DRAFT:
        if title.lower().startswith(sign):
            return title[len(sign) :].lstrip()
    return title
