"""Rolling issues: one per environment, open while a person is needed and no pull request says so.

Composed by the forges of this package, which lend it their words. An issue is found again by its label, its author and
its mark, so that nothing has to be remembered.

**Invariants**
* there is one issue per key, however often it is told, and however often its answer was lost;
* whoever closes one has read it: it is not opened again before there is something new to say;
* an issue that somebody else has written is never touched, whatever stands in it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from gitslo.adapters.forges.answers import Json, Record, items
from gitslo.adapters.forges.http import ForgeHttp
from gitslo.adapters.forges.marks import fitted, marked, unmarked
from gitslo.ports import Issue

__all__ = ["LABEL", "ForgeIssues", "IssueWords"]

LABEL: Final = "gitslo-environment"
"""What our issues are found by."""
GLANCE: Final = 10.0
"""Seconds for which a look serves those who only ask."""
PAGES: Final = 40


@dataclass(frozen=True, slots=True)
class IssueWords:
    """What one forge calls things.

    Attributes:
        path: of the repository's issues.
        query: which of all issues: any state, and those with LABEL.
        per_page: the parameter that says how many, and how many.
        number, body, author: where they stand in an answer.
        is_open: what `state` says of an open one.
        method: of an update.
        opening, closing: what changes its state.
        labels: what a new issue is given; asked for when one is made.
        most: characters of a text, the mark's among them; the fewest that any forge takes, as nobody reads more.
        write, read: a text with its mark as the forge is to have it, and back; `marked` and `unmarked` do for most.
    """

    path: str
    query: Mapping[str, str | int]
    per_page: tuple[str, int]
    number: str
    body: str
    author: tuple[str, str]
    is_open: str
    method: str
    opening: Mapping[str, Json]
    closing: Mapping[str, Json]
    labels: Callable[[], Json]
    most: int = 65_536
    write: Callable[[str, str, str], str] = marked
    read: Callable[[str, str], tuple[str, str]] = unmarked


@dataclass(slots=True)
class _Seen:
    """Our issues by key, as they were at a moment of the monotonic clock."""

    at: float = float("-inf")
    issues: dict[str, Record] = field(default_factory=dict)


class ForgeIssues:
    """The Issues port over HTTP.

    Args:
        http: requests to the forge.
        words: its own.
        us: the account that we are.
    """

    def __init__(self, http: ForgeHttp, words: Callable[[], IssueWords], us: Callable[[], str]) -> None:
        self._http, self._ask_words, self._us = http, words, us
        self._seen = _Seen()

    def stands(self, issue: Issue) -> bool:
        """Whether there is nothing to do; may rest on a look that is some seconds old.

        Raises:
            Retry, Refused: as every request.
        """
        if self._http.monotonic() - self._seen.at > GLANCE:
            self._look()
        return self._is_told(issue, self._seen.issues.get(issue.key))

    def tell(self, issue: Issue) -> None:
        """Open it, bring it up to date, or close it; does nothing where it stands so.

        Raises:
            Retry, Refused: as every request.
        """
        words = self._ask_words()
        with self._http.alone():
            self._look()
            standing = self._seen.issues.get(issue.key)
            if self._is_told(issue, standing):
                return
            self._seen.at = float("-inf")
            wanted: dict[str, Json] = {"title": issue.title, words.body: self._content(issue)}
            if standing is None:
                self._http.write("POST", words.path, {**wanted, "labels": words.labels()})
                return
            if issue.open != self._is_open(standing):
                wanted |= words.opening if issue.open else words.closing
            self._http.write(words.method, f"{words.path}/{standing.number(words.number)}", wanted)

    def _is_told(self, issue: Issue, standing: Record | None) -> bool:
        if standing is None or not issue.open:
            return not issue.open and (standing is None or not self._is_open(standing))
        words = self._ask_words()
        shown = words.read(standing.text(words.body), "issue")[0].rstrip()
        return standing.text("title") == issue.title and shown == self._fitted(issue)

    def _is_open(self, standing: Record) -> bool:
        return standing.text("state") == self._ask_words().is_open

    def _content(self, issue: Issue) -> str:
        return self._ask_words().write(self._fitted(issue), "issue", issue.key)

    def _fitted(self, issue: Issue) -> str:
        return fitted(issue.body.rstrip(), self._ask_words().most)

    def _look(self) -> None:
        """All issues of ours; of several with one key, which only a race of two daemons leaves, the oldest counts."""
        words, found = self._ask_words(), dict[str, Record]()
        size_name, size = words.per_page
        for page in range(1, PAGES + 1):
            rows = items(self._http.get(words.path, {**words.query, size_name: size, "page": page}).data or [])
            for row in rows:
                key = words.read(row.text(words.body), "issue")[1]
                if not key or row.text(*words.author) != self._us():
                    continue
                older = found.get(key)
                if older is None or row.number(words.number) < older.number(words.number):
                    found[key] = row
            if len(rows) < size:
                break
        self._seen = _Seen(self._http.monotonic(), found)
