"""A Forge in memory, for tests of everything that talks to one. It passes `FORGE_CONTRACT`.

It has a Git of its own, as small as merging needs: commits with files, and branches. Every write is in `journal`.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from gitslo.errors import Conflict, GitsloError, Refused, Retry
from gitslo.model import CommitId
from gitslo.ports import Capabilities, Issue, PullRequest, PullRequestState, Status

__all__ = ["Effect", "FakeForge", "FakeServer"]

_DESCRIPTION = 140


@dataclass(frozen=True, slots=True)
class Effect:
    """One write that reached the server.

    Attributes:
        kind: `opened`, `updated`, `commented`, `status`, `issue`, `merged` or `closed`.
        number: the pull request's, or None for a status, an issue or a comment on a commit.
        detail: the title, the marker, the context, the key, the merge, or who closed it.
    """

    kind: str
    number: int | None
    detail: str


@dataclass(frozen=True, slots=True)
class _Commit:
    parents: tuple[CommitId, ...]
    files: Mapping[str, str]


@dataclass(slots=True)
class FakeServer:
    """What all clients share.

    Attributes:
        branches: branch name -> tip.
        journal: every write, oldest first.
        failures: errors that the next effects raise instead of happening, first come first served.
        strict: only what holds all that its base branch holds is merged.
    """

    branches: dict[str, CommitId] = field(default_factory=dict)
    journal: list[Effect] = field(default_factory=list)
    failures: list[GitsloError] = field(default_factory=list)
    strict: bool = False
    pulls: dict[int, PullRequest] = field(default_factory=dict)
    comments: dict[int, dict[str, str]] = field(default_factory=dict)
    commit_comments: dict[CommitId, dict[str, str]] = field(default_factory=dict)
    statuses: dict[tuple[CommitId, str], Status] = field(default_factory=dict)
    issues: dict[tuple[str, str], Issue] = field(default_factory=dict)
    commits: dict[CommitId, _Commit] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def push(self, branch: str, path: str, content: str, *, start: str = "main") -> CommitId:
        """Somebody commits one file; a branch that is new starts at the tip of `start`."""
        with self.lock:
            parent = self.branches.get(branch, self.branches.get(start))
            files = self.commits[parent].files if parent else {}
            return self._commit(branch, (parent,) if parent else (), {**files, path: content})

    def merge(self, pull: PullRequest, message: str) -> CommitId:
        """Three-way merge of a pull request onto its base branch.

        Raises:
            Conflict: both sides changed one file in different ways.
        """
        base, head = self.branches[pull.base], self.branches[pull.head]
        common = next(commit for commit in self._ancestors(head) if commit in set(self._ancestors(base)))
        old, ours, theirs = (self.commits[commit].files for commit in (common, base, head))
        files = dict(ours)
        for path in theirs.keys() | old.keys():
            if theirs.get(path) == old.get(path) or theirs.get(path) == ours.get(path):
                continue
            if ours.get(path) != old.get(path):
                raise Conflict(f"{pull.head} does not merge cleanly into {pull.base} now")
            files.pop(path, None)
            files |= {path: theirs[path]} if path in theirs else {}
        merge = self._commit(pull.base, (base, head), files, message)
        del self.branches[pull.head]
        return merge

    def behind(self, pull: PullRequest) -> bool:
        """Whether the base branch of an open one holds what its head does not."""
        base, head = self.branches.get(pull.base), self.branches.get(pull.head)
        return base is not None and head is not None and base not in self._ancestors(head)

    def _commit(
        self, branch: str, parents: tuple[CommitId, ...], files: Mapping[str, str], message: str = ""
    ) -> CommitId:
        content = repr((len(self.commits), parents, sorted(files.items()), message)).encode()
        commit = CommitId(hashlib.sha1(content, usedforsecurity=False).hexdigest())
        self.commits[commit] = _Commit(parents, files)
        self.branches[branch] = commit
        return commit

    def _ancestors(self, newest: CommitId) -> list[CommitId]:
        """The commit and all before it, nearest first."""
        found = [newest]
        for commit in found:
            found += [parent for parent in self.commits[commit].parents if parent not in found]
        return found


class FakeForge:
    """A client of a `FakeServer`.

    Args:
        server: shared by all clients; a new one where none is given.
        account: who acts; another account than the daemon's makes it a person's client.
    """

    def __init__(self, server: FakeServer | None = None, *, account: str = "gitslo") -> None:
        self.server = server or FakeServer()
        self._account = account

    @property
    def issues(self) -> FakeForge:
        """This forge keeps issues."""
        return self

    def stands(self, issue: Issue) -> bool:
        """Whether there is nothing to do for it."""
        with self.server.lock:
            standing = self.server.issues.get((self._account, issue.key))
            if standing is None or not issue.open:
                return not issue.open and (standing is None or not standing.open)
            return (standing.title, standing.body) == (issue.title, issue.body)

    def tell(self, issue: Issue) -> None:
        """Open it, bring it up to date, or close it."""
        with self.server.lock:
            if not self.stands(issue):
                self._effect("issue", None, issue.key)
                self.server.issues[self._account, issue.key] = issue

    @property
    def commit_comments(self) -> FakeForge:
        """This forge keeps comments on commits."""
        return self

    def has(self, commit: CommitId, marker: str) -> bool:
        """Whether there is a comment with this marker on a commit."""
        with self.server.lock:
            return marker in self.server.commit_comments.get(commit, {})

    def once(self, commit: CommitId, marker: str, body: str) -> None:
        """Comment on a commit, or bring the comment with this marker up to date."""
        with self.server.lock:
            comments = self.server.commit_comments.setdefault(commit, {})
            if comments.get(marker) != body:
                self._effect("commented", None, marker)
                comments[marker] = body

    @property
    def journal(self) -> tuple[Effect, ...]:
        """Every write of every client, oldest first."""
        return tuple(self.server.journal)

    def capabilities(self) -> Capabilities:
        """Everything."""
        return Capabilities(expected_head_merge=True, statuses=True, comments=True, commit_comments=True)

    def find(self, head: str) -> tuple[PullRequest, ...]:
        """Every pull request with this head branch, newest first."""
        with self.server.lock:
            found = [self._view(pull) for pull in self.server.pulls.values() if pull.head == head]
            return tuple(sorted(found, key=lambda pull: -pull.number))

    def open_pulls(self, base: str) -> tuple[PullRequest, ...]:
        """Every open pull request into `base`, newest first."""
        with self.server.lock:
            found = [self._view(pull) for pull in self.server.pulls.values() if pull.base == base]
            opened = [pull for pull in found if pull.state is PullRequestState.OPEN]
            return tuple(sorted(opened, key=lambda pull: -pull.number))

    def ensure_pull_request(self, *, key: str, head: str, base: str, title: str, body: str) -> PullRequest:
        """Adopt the open pull request of `head`, or create it."""
        with self.server.lock:
            tip = self.server.branches.get(head)
            if tip is None:
                raise Conflict(f"there is no branch {head}")
            standing = [pull for pull in self.find(head) if pull.state is PullRequestState.OPEN]
            number = standing[0].number if standing else len(self.server.pulls) + 1
            url = f"https://forge.invalid/pulls/{number}"
            wanted = PullRequest(number, PullRequestState.OPEN, key, head, base, tip, title, body, url)
            if [replace(each, blocked="", outdated=False) for each in standing] != [wanted]:
                self._effect("updated" if standing else "opened", number, title)
                self.server.pulls[number] = wanted
            return self._view(wanted)

    def comment_once(self, number: int, marker: str, body: str) -> None:
        """Comment, or bring the comment with this marker up to date."""
        with self.server.lock:
            self._numbered(number)
            comments = self.server.comments.setdefault(number, {})
            if comments.get(marker) != body:
                self._effect("commented", number, marker)
                comments[marker] = body

    def set_status(self, status: Status) -> None:
        """Set a commit status."""
        if len(status.description) > _DESCRIPTION:
            raise Refused(f"a status description has at most {_DESCRIPTION} characters")
        with self.server.lock:
            if self.server.statuses.get((status.commit, status.context)) != status:
                self._effect("status", None, status.context)
                self.server.statuses[status.commit, status.context] = status

    def has_status(self, status: Status) -> bool:
        """Whether it stands just so."""
        with self.server.lock:
            return self.server.statuses.get((status.commit, status.context)) == status

    def has_comment(self, number: int, marker: str) -> bool:
        """Whether there is a comment with this marker."""
        with self.server.lock:
            return marker in self.server.comments.get(number, {})

    def merge(self, number: int, expected_head: CommitId, message: str) -> CommitId:
        """Merge into the base branch and delete the head branch."""
        with self.server.lock:
            pull = self._view(self._numbered(number))
            if pull.merged is not None:
                return pull.merged
            if pull.state is PullRequestState.CLOSED:
                raise Refused(f"pull request {number} was closed without merging by {pull.closed_by}")
            if self.server.branches.get(pull.head) != expected_head:
                raise Conflict(f"{pull.head} is not at the expected {expected_head}")
            self._fail()
            if pull.outdated:
                raise Retry(f"pull request {number} cannot be merged yet: {pull.blocked}")
            merge = self.server.merge(pull, message)
            self.server.journal.append(Effect("merged", number, merge))
            self.server.pulls[number] = replace(pull, state=PullRequestState.MERGED, merged=merge)
            return merge

    def close(self, number: int, comment: str) -> None:
        """Close without merging, saying why."""
        with self.server.lock:
            pull = self._view(self._numbered(number))
            if pull.state is PullRequestState.OPEN:
                self._effect("closed", number, self._account)
                self.server.pulls[number] = replace(pull, state=PullRequestState.CLOSED, closed_by=self._account)
                if comment:
                    self.server.comments.setdefault(number, {})["closed"] = comment

    def _numbered(self, number: int) -> PullRequest:
        pull = self.server.pulls.get(number)
        if pull is None:
            raise Refused(f"there is no pull request {number}")
        return pull

    def _view(self, pull: PullRequest) -> PullRequest:
        if pull.state is PullRequestState.OPEN:
            outdated = self.server.strict and self.server.behind(pull)
            blocked = f"it is behind {pull.base}" if outdated else ""
            tip = self.server.branches.get(pull.head, pull.head_commit)
            return replace(pull, head_commit=tip, blocked=blocked, outdated=outdated)
        return replace(pull, closed_by_us=pull.closed_by == self._account)

    def _fail(self) -> None:
        if self.server.failures:
            raise self.server.failures.pop(0)

    def _effect(self, kind: str, number: int | None, detail: str) -> None:
        self._fail()
        self.server.journal.append(Effect(kind, number, detail))
