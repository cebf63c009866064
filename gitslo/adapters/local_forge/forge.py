"""The Forge port on refs of the repository itself.

**Invariants**
* every effect is one compare-and-swap push, except a merge on a server without atomic pushes: there the branch moves
  first and the record follows, and a merge that stopped in between is recognised on the branch and only recorded;
* a head that reached its base branch by plain Git counts as merged;
* a merge names the expected head, and neither head nor base is moved from anywhere but where it was seen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from gitslo.adapters.local_forge.record import Account, Comment, PullRecord, closed, commented, merged, viewed
from gitslo.adapters.local_forge.refs import ALL_PULLS, HEADS, STATUSES, PullRefs, StatusRef, pull_ref
from gitslo.errors import Conflict, Refused
from gitslo.model import CommitId
from gitslo.ports import Capabilities, PullRequest, PullRequestState, RefUpdate, Repository, Status

__all__ = ["LocalForge", "Pulls"]

_DESCRIPTION = 140
_LOOKS = 20
"""Lost swaps in a row after which the caller may try: each one means that another writer got through."""
_GLANCE = 5.0
"""Seconds for which a glance at everything serves: a daemon that has just started asks once per environment."""
_LOOK_BACK = 1000
"""Commits of the base branch searched for the merge of a head."""

T = TypeVar("T")


class _NothingToMergeError(Conflict):
    """Looking again at once would find the same."""


@dataclass(frozen=True, slots=True)
class Pulls:
    """Every pull request there is.

    Attributes:
        found: newest first.
        unreadable: names of refs whose content is no pull request.
    """

    found: tuple[PullRecord, ...]
    unreadable: tuple[str, ...]


class LocalForge:
    """A Forge on plain Git.

    Args:
        repository: where it lives.
        account: who acts: the daemon's account, or a person's name.
        wall: the wall clock, seconds since the epoch.
        person: whether `account` is a person.
    """

    issues: Final = None
    commit_comments: Final = None
    """There are none in a Git repository."""

    def __init__(
        self, repository: Repository, *, account: str, wall: Callable[[], float], person: bool = False
    ) -> None:
        self._repository = repository
        self._us = Account(account, person)
        self._wall = wall
        self._pulls = PullRefs(repository, wall)
        self._statuses = StatusRef(repository, wall)
        self._glanced: tuple[float, Mapping[str, CommitId]] | None = None
        self._arrivals: tuple[CommitId, Mapping[CommitId, CommitId]] | None = None

    def capabilities(self) -> Capabilities:
        """Everything: the refs are ours."""
        name = f"local: pull requests in refs of the repository, as {self._us.name}"
        return Capabilities(expected_head_merge=True, statuses=True, comments=True, name=name, merges=("merge",))

    # ----------------------------------------------------------------- reading

    def find(self, head: str) -> tuple[PullRequest, ...]:
        """Every pull request with this head branch, newest first."""
        refs = self._pulls.list([head])
        records = self._pulls.of_head(refs, head)
        bases = {record.base for record in records if record.state is PullRequestState.OPEN}
        if any(HEADS + base not in refs for base in bases):
            refs = {**refs, **self._pulls.list(sorted(bases))}
        return tuple(self._view(self._present(refs, record)) for record in records)

    def open_pulls(self, base: str) -> tuple[PullRequest, ...]:
        """Every open pull request into `base`, newest first."""
        found = [record for record in self.pulls().found if record.base == base]
        opened = [self._view(record) for record in found if record.state is PullRequestState.OPEN]
        return tuple(sorted(opened, key=lambda each: -each.number))

    def pulls(self) -> Pulls:
        """Every pull request, for people."""
        refs = self._pulls.list()
        records = self._pulls.all(refs)
        found = [record for record in records.values() if record is not None]
        opened = [record for record in found if record.state is PullRequestState.OPEN]
        branches = {name for record in opened for name in (record.head, record.base) if HEADS + name not in refs}
        refs = {**refs, **self._pulls.list(sorted(branches))} if branches else refs
        return Pulls(
            found=tuple(self._present(refs, record) for record in found),
            unreadable=tuple(ref for ref, record in records.items() if record is None),
        )

    def pull(self, number: int) -> PullRecord:
        """One pull request, for people.

        Raises:
            Refused: there is none with this number.
        """
        refs = self._pulls.list()
        record = self._pulls.numbered(refs, number)
        return self._present({**refs, **self._pulls.list([record.head, record.base])}, record)

    def statuses(self, commit: CommitId) -> tuple[Status, ...]:
        """The statuses of one commit, by context."""
        return self._statuses.of(commit)

    def has_status(self, status: Status) -> bool:
        """Whether it stands just so."""
        return self._statuses.stands(self._glance().get(STATUSES), status)

    def has_comment(self, number: int, marker: str) -> bool:
        """Whether there is a comment with this marker."""
        try:
            record = self._pulls.numbered(self._glance(), number)
        except Refused:
            return False
        return any(comment.marker == marker for comment in record.comments)

    def _glance(self) -> Mapping[str, CommitId]:
        """Where the pull requests and the statuses stood some seconds ago; never before our own last effect."""
        now = self._wall()
        if self._glanced is None or not 0.0 <= now - self._glanced[0] < _GLANCE:
            self._glanced = (now, self._repository.list_refs((ALL_PULLS, STATUSES)))
        return self._glanced[1]

    # ----------------------------------------------------------------- effects

    def ensure_pull_request(self, *, key: str, head: str, base: str, title: str, body: str) -> PullRequest:
        """Adopt the open pull request of `head`, or create it.

        Raises:
            Conflict: the branch is gone or has nothing to merge, or too many others write at the same moment.
        """

        def look() -> PullRequest:
            refs = self._pulls.list([head, base])
            tip = refs.get(HEADS + head)
            if tip is None or self._arrival(refs, base, tip) is not None:
                raise _NothingToMergeError(f"a branch {head} with something to merge into {base} is not there")
            wanted = PullRecord(0, key, head, base, title, body, PullRequestState.OPEN, tip, self._us.name)
            for record in self._pulls.of_head(refs, head):
                if record.state is not PullRequestState.OPEN:
                    continue
                arrival = self._arrival(refs, record.base, record.head_commit)
                if arrival is not None:
                    # Written down before the branch's new tip can make it look open again.
                    self._pulls.write(refs, record, merged(record, record.head_commit, arrival, None))
                    continue
                kept = replace(wanted, number=record.number, opened_by=record.opened_by, comments=record.comments)
                self._pulls.write(refs, record, kept)
                return self._view(kept)
            created = replace(wanted, number=self._pulls.next_number(refs))
            self._pulls.write(refs, None, created)
            return self._view(created)

        return _persist(look)

    def comment_once(self, number: int, marker: str, body: str) -> None:
        """Comment, or bring the comment with this marker up to date."""

        def look() -> None:
            refs = self._pulls.list()
            record = self._pulls.numbered(refs, number)
            self._pulls.write(refs, record, commented(record, self._comment(marker, body)))

        self._glanced = None
        _persist(look)

    def set_status(self, status: Status) -> None:
        """Set a commit status.

        Raises:
            Refused: the description is longer than 140 characters.
        """
        if len(status.description) > _DESCRIPTION:
            raise Refused(f"a status description has at most {_DESCRIPTION} characters, not {len(status.description)}")
        self._glanced = None
        _persist(lambda: self._statuses.set(status))

    def merge(self, number: int, expected_head: CommitId, message: str) -> CommitId:
        """Merge into the base branch and delete the head branch; a merge that has happened is only recorded.

        Raises:
            Conflict: the head is not `expected_head`, the base moved meanwhile, or it does not merge cleanly.
            Refused: it was closed without merging, or the server does not let us write the base branch.
        """
        refs = self._pulls.list()
        record = self._pulls.numbered(refs, number)
        if record.merged is not None:
            return record.merged
        refs = {**refs, **self._pulls.list([record.head, record.base])}
        base, head = refs.get(HEADS + record.base), refs.get(HEADS + record.head)
        arrival = self._arrival(refs, record.base, expected_head)
        if arrival is not None:
            self._record_merge(number, expected_head, arrival)
            self._delete_head(record, expected_head)
            return arrival
        if record.state is PullRequestState.CLOSED:
            raise Refused(f"pull request {number} was closed without merging by {record.ended_by}")
        if base is None:
            raise Refused(f"pull request {number} goes into {record.base}, and there is no such branch")
        if head != expected_head:
            raise Conflict(f"{record.head} is at {head or 'nothing'}, not at the expected {expected_head}")
        merge = self._merge_commit(base, head, record, message)
        self._publish(refs, merged(record, head, merge, self._us), base, merge)
        return merge

    def close(self, number: int, comment: str) -> None:
        """Close without merging, saying why; does nothing where it is closed or merged."""

        def look() -> None:
            refs = self._pulls.list()
            record = self._pulls.numbered(refs, number)
            if record.state is PullRequestState.OPEN:
                said = commented(record, self._comment("closed", comment)) if comment else record
                self._pulls.write(refs, record, closed(said, self._us))

        _persist(look)

    # ----------------------------------------------------------------- merging

    def _merge_commit(self, base: CommitId, head: CommitId, record: PullRecord, message: str) -> CommitId:
        self._repository.fetch({HEADS + record.base: base, HEADS + record.head: head})
        tree = self._repository.merge_tree(base, head)
        if tree is None:
            raise Conflict(f"{record.head} does not merge cleanly into {record.base} now")
        return self._repository.commit_tree([base, head], tree, message, float(int(self._wall())))

    def _publish(self, refs: Mapping[str, CommitId], record: PullRecord, base: CommitId, merge: CommitId) -> None:
        onto_base = RefUpdate(HEADS + record.base, base, merge)
        if not self._repository.atomic:
            self._repository.swap([onto_base])
            self._record_merge(record.number, record.head_commit, merge)
            self._delete_head(record, record.head_commit)
            return
        both = [onto_base, self._pulls.update(refs, record)]
        try:
            self._repository.swap([*both, RefUpdate(HEADS + record.head, record.head_commit, None)])
        except Refused:
            # A server with receive.denyDeletes refuses all three for the sake of the last.
            self._repository.swap(both)

    def _record_merge(self, number: int, head: CommitId, merge: CommitId) -> None:
        def look() -> None:
            refs = self._pulls.list()
            record = self._pulls.numbered(refs, number)
            if record.merged is None:
                self._pulls.write(refs, record, merged(record, head, merge, self._us))

        _persist(look)

    def _delete_head(self, record: PullRecord, tip: CommitId) -> None:
        """Delete the head branch; who pushed to it meanwhile, and a server that keeps branches, is let be."""
        try:
            self._repository.swap([RefUpdate(HEADS + record.head, tip, None)])
        except (Conflict, Refused):
            return

    def _arrival(self, refs: Mapping[str, CommitId], branch: str, head: CommitId) -> CommitId | None:
        """The commit of `branch` that brought `head`: its merge, or `head` itself where it was fast-forwarded.

        The branch's own history is searched, so `head` need not be local: its branch may be gone.
        """
        ref = HEADS + branch
        base = refs.get(ref)
        if base is None:
            return None
        known = self._arrivals
        if known is None or known[0] != base:
            self._repository.fetch({ref: base})
            commits = self._repository.history(base, None, (), _LOOK_BACK)
            arrivals = {commit.id: commit.id for commit in commits}
            arrivals |= {parent: commit.id for commit in commits for parent in commit.parents[1:]}
            self._arrivals = known = (base, arrivals)
        return known[1].get(head)

    # ----------------------------------------------------------------- views

    def _present(self, refs: Mapping[str, CommitId], record: PullRecord) -> PullRecord:
        """The record as the branches stand: perhaps merged by plain Git, perhaps with newer commits on its head."""
        if record.state is not PullRequestState.OPEN:
            return record
        tip = refs.get(HEADS + record.head, record.head_commit)
        for head in (tip, record.head_commit):
            arrival = self._arrival(refs, record.base, head)
            if arrival is not None:
                return merged(record, head, arrival, None)
        return replace(record, head_commit=tip)

    def _view(self, record: PullRecord) -> PullRequest:
        return viewed(record, pull_ref(record.number), self._us)

    def _comment(self, marker: str, body: str) -> Comment:
        return Comment(marker, body, self._us.name, float(int(self._wall())))


def _persist(look: Callable[[], T]) -> T:
    """Look and swap until the swap is won: a lost one has changed nothing, so looking again is all it takes."""
    for _ in range(_LOOKS - 1):
        try:
            return look()
        except _NothingToMergeError:
            raise
        except Conflict:
            continue
    return look()
