"""The Forge port as every forge over HTTP has it: what is looked at, what is written, and in which order.

The base of `github`, `gitlab` and `gitea`, which say what is particular to each: paths and words, what a merge needs,
and what the account may do. Everything that keeps an effect from being there twice is here, once.

**Invariants**
* every effect looks before it writes, while nobody else of this process writes to the repository; an effect whose
  answer was lost is found when it is looked for again;
* a pull request gets its key last: one without a key is not finished, and whoever looks for the key finishes it;
* a merge names the expected head; what is closed, merged or elsewhere is never merged by us;
* why a merge was refused is remembered for a while and for that head only, and nothing else is remembered for good;
* what people have set on a pull request (labels, reviewers, its being a draft) is never taken away.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final, Generic, Protocol, TypeVar

from gitslo.adapters.forges.answers import Json, Record, record
from gitslo.adapters.forges.comments import CommentWords, ForgeComments
from gitslo.adapters.forges.http import ForgeHttp
from gitslo.adapters.forges.issues import ForgeIssues, IssueWords
from gitslo.adapters.forges.marks import fitted, marked
from gitslo.adapters.forges.pulls import ForgePulls
from gitslo.adapters.forges.shown import ReadPull, shown
from gitslo.core.escape import short
from gitslo.errors import Conflict, Refused, Retry
from gitslo.forge_settings import ForgeSettings, MergeMethod
from gitslo.model import CommitId, Seconds
from gitslo.ports import STATUS_LENGTH, Capabilities, PullRequest, PullRequestState, Status

__all__ = ["DRAFT", "HttpForge", "PullWords", "Statuses", "in_order"]

BLOCKED: Final = 30.0
"""Seconds until a merge that the forge did not let us make is tried again, where it does not say why by itself."""
DRAFT: Final = "it is a draft; whoever marks it as ready lets it be merged"

P = TypeVar("P", bound=ReadPull)


class Statuses(Protocol):
    """Commit statuses as one forge keeps them."""

    def stands(self, status: Status) -> bool:
        """Whether it stands just so; may rest on a look that is some seconds old."""

    def set(self, status: Status) -> None:
        """Set it, unless it stands so."""


@dataclass(frozen=True, slots=True)
class PullWords:
    """What one forge calls things about its pull requests.

    Attributes:
        closing: what closes one.
        not_changed, not_closed: statuses that an update, or a closing, is answered with when it is not made.
        settling: seconds between looks while the forge tries out whether one merges.
        method: of an update.
        base, body: the fields that have them.
        sign: what a draft's title begins with; empty where that is no part of the title.
        most_title, most_body: characters that the forge takes; None: as many as there are.
        write: a text with its mark as the forge is to have it.
    """

    closing: Mapping[str, Json]
    not_changed: tuple[int, ...]
    not_closed: tuple[int, ...]
    settling: tuple[float, ...]
    method: str = "PATCH"
    base: str = "base"
    body: str = "body"
    sign: str = ""
    most_title: int | None = None
    most_body: int | None = None
    write: Callable[[str, str, str], str] = marked


class HttpForge(ABC, Generic[P]):
    """See the module.

    Args:
        http: requests to the forge.
        settings: the repository there, and the operator's wishes.
        pulls: its pull requests.
        words: what the forge calls things about them.
        statuses: its commit statuses.
        comments: what it calls things about the comments of a pull request.
        commit_comments: the same of a commit; None where it keeps none.
    """

    def __init__(
        self,
        http: ForgeHttp,
        settings: ForgeSettings,
        *,
        pulls: ForgePulls[P],
        words: PullWords,
        statuses: Statuses,
        comments: CommentWords[int],
        commit_comments: CommentWords[CommitId] | None = None,
    ) -> None:
        self._http, self._settings = http, settings
        self._words, self._noun = words, pulls.noun
        self._statuses = statuses
        self._comments = ForgeComments(http, comments, self._us)
        self.commit_comments = None if commit_comments is None else ForgeComments(http, commit_comments, self._us)
        self._pulls: ForgePulls[P] = pulls
        self._refused: dict[int, tuple[CommitId, float, str]] = {}
        self.issues = ForgeIssues(http, self._issue_words, self._us) if settings.issues else None

    # ----------------------------------------------------------------- what is particular to each

    @abstractmethod
    def capabilities(self) -> Capabilities:
        """What our account may do there.

        Raises:
            Retry: no answer. Refused: it does not know us, or not the repository.
        """

    @abstractmethod
    def _us(self) -> str:
        """Our account's name."""

    @abstractmethod
    def _issue_words(self) -> IssueWords:
        """What it calls things about issues."""

    @property
    def _dresses_later(self) -> bool:
        """Whether something is to be set that the API does not take with the opening itself."""
        return False

    @abstractmethod
    def _created(self, head: str, base: str, title: str, content: str) -> P:
        """Open one; title and content are as the forge is to have them.

        Raises:
            Conflict: somebody else was there first, or the branch is gone or has nothing to merge.
            Refused: it is not opened.
        """

    @abstractmethod
    def _dress(self, pull: P) -> dict[str, Json]:
        """With what the operator wishes for; what is there already stays. Gives back what goes with an update."""

    def _beside(self, pull: P, changes: Mapping[str, Json]) -> dict[str, Json]:  # noqa: ARG002 - for those who need it
        """What an update needs beside its changes."""
        return {}

    @abstractmethod
    def _tried(self, pull: P, *, last: bool) -> bool:
        """Whether one that is open and at the expected head may be merged; False: the forge has not tried it out yet.

        Raises:
            Conflict: it does not merge cleanly. Retry: it may not be merged yet.
        """

    @abstractmethod
    def _merge(self, pull: P, expected_head: CommitId, message: str) -> CommitId:
        """Merge what may be merged; otherwise as `merge`."""

    def _tidied(self, pull: P, merged: CommitId) -> CommitId:  # noqa: ARG002 - for those who need it
        """What is left to do where it is merged; gives back the merge."""
        return merged

    @abstractmethod
    def _block(self, pull: P) -> str:
        """Why an open one is not merged now; empty where nothing is known against it."""

    @abstractmethod
    def _outdated(self, pull: P) -> bool:
        """Whether an open one is blocked because it does not hold all that its base branch holds."""

    # ----------------------------------------------------------------- reading

    def find(self, head: str) -> tuple[PullRequest, ...]:
        """Every pull request of this branch of the repository, newest first.

        Raises:
            Retry, Refused: as every request.
        """
        return tuple(self._view(each) for each in self._pulls.of_head(head))

    def open_pulls(self, base: str) -> tuple[PullRequest, ...]:
        """Every open one of a branch of the same repository into `base`, newest first.

        Raises:
            Retry, Refused: as every request.
        """
        return tuple(shown(each) for each in self._pulls.into(base))

    def has_status(self, status: Status) -> bool:
        """Whether it stands just so."""
        return self._statuses.stands(status)

    def has_comment(self, number: int, marker: str) -> bool:
        """Whether there is a comment of ours with this marker."""
        return self._comments.has(number, marker)

    # ----------------------------------------------------------------- effects

    def ensure_pull_request(self, *, key: str, head: str, base: str, title: str, body: str) -> PullRequest:
        """Adopt the open pull request of `head`, or create it.

        Raises:
            Conflict: the branch is not there or has nothing to merge, or somebody else edits the pull request.
            Retry, Refused: as every request.
        """
        words = self._words
        if words.most_title is not None:
            title = short(title.strip(), words.most_title - len(words.sign))
        if words.most_body is not None:
            body = fitted(body, words.most_body)
        with self._http.alone():
            standing = next((each for each in self._pulls.of_head(head) if each.open), None)
            if standing is None:
                content = words.write(body, "pull", "" if self._dresses_later else key)
                standing = self._created(head, base, self._titled(title, draft=self._settings.draft), content)
            return self._view(self._brought_up(standing, key, base, title, body))

    def comment_once(self, number: int, marker: str, body: str) -> None:
        """Comment, or bring our comment with this marker up to date.

        Raises:
            Refused: there is no such pull request. Retry: no answer.
        """
        with self._http.alone():
            self._pulls.numbered(number)
            self._comments.once(number, marker, body)

    def set_status(self, status: Status) -> None:
        """Set a commit status; a commit that the forge does not have gets none, as nobody could see it.

        Raises:
            Refused: the description is longer than 140 characters. Retry: no answer.
        """
        if len(status.description) > STATUS_LENGTH:
            raise Refused(f"a status description has at most {STATUS_LENGTH} characters, not {len(status.description)}")
        self._statuses.set(status)

    def merge(self, number: int, expected_head: CommitId, message: str) -> CommitId:
        """Merge by the method that is wished for or usual there, and delete the head branch.

        Raises:
            Conflict: the head is not `expected_head`, or it does not merge cleanly.
            Retry: no answer, or not yet: `find` says why.
            Refused: it was closed without merging, or there is none.
        """
        with self._http.alone():
            pull = self._mergeable(number, expected_head)
            if pull.merged is not None:
                return self._tidied(pull, pull.merged)
            return self._merge(pull, expected_head, message)

    def close(self, number: int, comment: str) -> None:
        """Close without merging, saying why; does nothing where it is closed or merged.

        Raises:
            Refused: there is none. Retry: no answer.
        """
        words = self._words
        with self._http.alone():
            if not self._pulls.numbered(number).open:
                return
            if comment:
                self.comment_once(number, "closed", comment)
            where = self._pulls.where(number)
            reply = self._http.write(words.method, where, words.closing, expect=words.not_closed)
            after = self._pulls.read(record(reply.data)) if reply.done else None
            if not reply.done or (after is not None and after.merged is not None):
                raise Conflict(f"{self._noun} {number} was merged meanwhile")

    # ----------------------------------------------------------------- opening

    def _titled(self, title: str, *, draft: bool) -> str:
        return f"{self._words.sign}{title}" if draft else title

    def _brought_up(self, pull: P, key: str, base: str, title: str, body: str) -> P:
        """With what it lacks; its key last."""
        words, changes = self._words, dict[str, Json]()
        if pull.key != key:
            changes |= self._dress(pull)
        if pull.title != title:
            changes["title"] = self._titled(title, draft=pull.draft)
        if pull.base != base:
            changes[words.base] = base
        if pull.body != body or pull.key != key:
            changes[words.body] = words.write(body, "pull", key)
        if not changes:
            return pull
        changes |= self._beside(pull, changes)
        reply = self._http.write(words.method, self._pulls.where(pull.number), changes, expect=words.not_changed)
        if not reply.done:
            raise Conflict(f"{self._noun} {pull.number} was changed meanwhile, or cannot be: {reply.said}")
        return self._pulls.numbered(pull.number)

    # ----------------------------------------------------------------- merging

    def _mergeable(self, number: int, expected_head: CommitId) -> P:
        """The pull request, once the forge has tried out that it merges, or where it is merged already."""
        for pause in (*self._words.settling, None):
            pull = self._pulls.numbered(number)
            if pull.merged is not None:
                return pull
            if not pull.open:
                by = self._pulls.closing(pull, self._us()).by or "somebody"
                raise Refused(f"{self._noun} {number} was closed without merging by {by}")
            if pull.head_commit != expected_head:
                message = f"{pull.head} is at {pull.head_commit or 'nothing'}, not at the expected {expected_head}"
                raise Conflict(message)
            if self._tried(pull, last=pause is None):
                return pull
            if pause is not None:
                self._http.sleep(Seconds(pause))
        raise Retry(f"{self._http.name} has not tried out yet whether {self._noun} {number} merges", 1.0)

    def _not_clean(self, pull: P) -> Conflict:
        return Conflict(f"{pull.head} does not merge cleanly into {pull.base} now")

    def _not_as_it_is(self, pull: P, said: str) -> Conflict:
        return Conflict(f"{self._noun} {pull.number} cannot be merged as it is now: {said}")

    def _not_yet(self, pull: P, why: str, *, remembered: bool = True) -> Retry:
        """It may not be merged yet; `remembered`: the forge does not say so by itself, so `find` has to."""
        if remembered:
            self._refused[pull.number] = (pull.head_commit, self._http.monotonic() + BLOCKED, why)
        return Retry(f"{self._noun} {pull.number} cannot be merged yet: {why}", 1.0)

    def _remembered(self, pull: P) -> str:
        """Why the forge refused to merge this head some seconds ago; empty where it did not."""
        head, until, why = self._refused.get(pull.number, (pull.head_commit, 0.0, ""))
        return why if head == pull.head_commit and self._http.monotonic() < until else ""

    # ----------------------------------------------------------------- views

    def _view(self, pull: P) -> PullRequest:
        view = shown(pull)
        if view.state is PullRequestState.OPEN:
            return replace(view, blocked=self._block(pull), outdated=self._outdated(pull))
        if view.state is PullRequestState.MERGED:
            return view
        closing, us = self._pulls.closing(pull, self._us()), self._us()
        return replace(view, closed_by=closing.by, closed_by_us=closing.with_branch or closing.by == us)

    def _repository_at(self, path: str) -> Record:
        """The repository as it is now.

        Raises:
            Refused: it is not shown to us.
        """
        reply = self._http.get(path, expect=(404,))
        if reply.data is None:
            raise Refused(f"{self._http.name} at {self._http.base} shows {self._us()} no {self._settings.project}")
        return record(reply.data)


def in_order(*preferred: MergeMethod | None) -> list[MergeMethod]:
    """Methods, the one that is used first; each once."""
    return list(dict.fromkeys(each for each in preferred if each is not None))
