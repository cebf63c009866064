"""GitHub's pull requests as they are read: one of them, all of one head branch, and who closed one.

Called by `github`.

**Invariants**
* a pull request of another repository's branch is never taken for one of ours, whatever that branch is called;
* what is said of an open pull request was read just now; a list does not say whether it may be merged, so each is read
  by itself. GitHub does not count what has not changed (an answer 304 to an ETag), so that costs nothing of the limit.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from gitslo.adapters.forges.answers import Record, items, record
from gitslo.adapters.forges.closings import Closing, settled
from gitslo.adapters.forges.http import ForgeHttp, segment
from gitslo.adapters.forges.marks import unmarked
from gitslo.adapters.forges.pulls import ForgePulls
from gitslo.adapters.forges.shown import ReadPull
from gitslo.model import CommitId

__all__ = ["GithubPull", "GithubPulls"]

PAGE: Final = 30
"""Pull requests of one page: one of them may take 90 KB, most of it its body."""
PAGES: Final = 10
"""How many pages of one head branch are read when nothing of it is known yet; later on the first one will do."""
EVENTS: Final = 100
EVENT_PAGES: Final = 20
SAME_MOMENT: Final = 2.0
"""Seconds between a closing and a branch's going that are one event."""


@dataclass(frozen=True, slots=True)
class GithubPull(ReadPull):
    """One pull request.

    Attributes:
        mergeable: whether it merges cleanly; None where that is not known yet, or was not asked.
        state: what GitHub makes of it all, e.g. `blocked`; empty where it was not asked.
        author: who opened it.
    """

    mergeable: bool | None
    state: str
    author: str
    labels: tuple[str, ...]
    assignees: tuple[str, ...]
    reviewers: tuple[str, ...]
    teams: tuple[str, ...]


class GithubPulls(ForgePulls[GithubPull]):
    """The pull requests of one repository; `owner` is its owner, `path` its own below the API's base."""

    def __init__(self, http: ForgeHttp, owner: str, path: str) -> None:
        super().__init__(http, path, pull_of)
        self._owner = owner
        self._older: dict[str, tuple[GithubPull, ...]] = {}

    def of_head(self, head: str) -> tuple[GithubPull, ...]:
        """As the base has it."""
        newest, more = self._page(head, 1)
        if head not in self._older:
            older: list[GithubPull] = []
            for page in range(2, PAGES + 1):
                if not more:
                    break
                found, more = self._page(head, page)
                older += found
            self._older[head] = tuple(older)
        known = {each.number: each for each in (*self._older[head], *newest)}
        if len(newest) == PAGE:
            self._older[head] = tuple(known.values())
        ordered = (known[number] for number in sorted(known, reverse=True))
        return tuple(self.numbered(each.number) if each.open else each for each in ordered)

    def into(self, base: str) -> tuple[GithubPull, ...]:
        """As the base has it."""
        found: list[GithubPull] = []
        for page in range(1, PAGES + 1):
            query: dict[str, str | int] = {"state": "open", "base": base, "per_page": PAGE, "page": page}
            rows = items(self._http.get(f"{self._path}/pulls", query).data)
            found += [pull for row in rows if (pull := pull_of(row)) is not None]
            if len(rows) < PAGE:
                break
        return tuple(sorted(found, key=lambda each: each.number, reverse=True))

    def branch(self, name: str) -> Record | None:
        """What is said of a branch; None where there is none."""
        reply = self._http.get(f"{self._path}/branches/{segment(name)}", expect=(404,))
        return None if reply.data is None else record(reply.data)

    def tip(self, branch: str) -> CommitId | None:
        """Where a branch is; None where there is none."""
        reply = self._http.get(f"{self._path}/git/ref/{segment(f'heads/{branch}')}", expect=(404,))
        return None if reply.data is None else CommitId(record(reply.data).text("object", "sha"))

    def _page(self, head: str, page: int) -> tuple[list[GithubPull], bool]:
        """One page of a head's pull requests, and whether there may be another one."""
        query: dict[str, str | int] = {
            "state": "all",
            "head": f"{self._owner}:{head}",
            "per_page": PAGE,
            "page": page,
        }
        rows = items(self._http.get(f"{self._path}/pulls", query).data)
        found = [pull for row in rows if (pull := pull_of(row)) is not None and pull.head == head]
        return found, len(rows) == PAGE

    def _closing(self, pull: GithubPull, closed: datetime, us: str) -> Closing:
        return settled(self._http, closed, us, lambda: self._told(pull.number))

    def _told(self, number: int) -> Closing:
        """What its events say."""
        path = f"{self._path}/issues/{number}/events"
        events = items([*self._http.pages(path, {}, EVENTS, EVENT_PAGES, sized="per_page")])
        last = next((event for event in reversed(events) if event.text("event") == "closed"), None)
        if last is None:
            return Closing("", with_branch=False)
        by, moment = last.text("actor", "login"), last.moment("created_at")
        # GitHub closes what has lost its branch in the name of who deleted that
        went = any(
            event.text("event") == "head_ref_deleted"
            and event.text("actor", "login") == by
            and abs((event.moment("created_at") - moment).total_seconds()) <= SAME_MOMENT
            for event in events
        )
        return Closing(by, with_branch=went)


def pull_of(row: Record) -> GithubPull | None:
    """What the API says of one; None where its head is no branch of the same repository.

    Raises:
        Retry: the answer is not what it should be.
    """
    # a fork that is gone leaves null
    if not row.has("head", "repo") or row.number("head", "repo", "id") != row.number("base", "repo", "id"):
        return None
    body, key = unmarked(row.text("body"), "pull")
    is_merged = row.has("merged_at")
    return GithubPull(
        number=row.number("number"),
        open=row.text("state") == "open",
        merged=CommitId(row.text("merge_commit_sha")) if is_merged else None,
        head=row.text("head", "ref"),
        base=row.text("base", "ref"),
        head_commit=CommitId(row.text("head", "sha")),
        title=row.text("title"),
        body=body,
        key=key,
        url=row.text("html_url"),
        draft=row.truth("draft"),
        mergeable=row.truth("mergeable") if row.has("mergeable") else None,
        state=row.text("mergeable_state"),
        author=row.text("user", "login"),
        labels=tuple(each.text("name") for each in row.records("labels")),
        assignees=tuple(each.text("login") for each in row.records("assignees")),
        reviewers=tuple(each.text("login") for each in row.records("requested_reviewers")),
        teams=tuple(each.text("slug") for each in row.records("requested_teams")),
        closed=row.moment("closed_at") if row.text("closed_at") else None,
    )
