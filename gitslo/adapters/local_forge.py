"""Pull requests, comments and statuses kept in refs of the repository itself: a forge for plain Git.

Used by the daemon where a repository names no other forge, and by `gitslo pulls` for people.

**Where things live**
* `refs/gitslo-forge/pulls/<number>`: a chain of commits, each with the whole pull request in `pull.json`;
* `refs/gitslo-forge/statuses`: a chain whose tree holds `<commit>/<context>.json` and `order.json`, the commits in
  the order of their first status; those of the newest `KEPT_COMMITS` are kept.

**Invariants**
* numbers are contiguous, and a pull request is created by creating its ref where there must be none: who creates
  number n has seen every one below it, so two racers never open two for one head;
* every effect is one compare-and-swap push, except a merge on a server without atomic pushes: there the branch moves
  first and the record follows, and a merge that stopped in between is recognised on the branch and only recorded;
* nothing is pushed where nothing would change.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar
from urllib.parse import quote, unquote

from gitslo.core.codec import dump_json, from_json, load_json, to_json
from gitslo.errors import Conflict, Problem, Refused
from gitslo.model import ByteCount, CommitId
from gitslo.ports import (
    Capabilities,
    PullRequest,
    PullRequestState,
    RefUpdate,
    Repository,
    Status,
    StatusState,
)

__all__ = ["KEPT_COMMITS", "Comment", "LocalForge", "PullRecord", "Pulls"]

KEPT_COMMITS = 500
"""Statuses are kept for this many commits."""

_PULLS = "refs/gitslo-forge/pulls/"
_STATUSES = "refs/gitslo-forge/statuses"
_ALL_PULLS = f"{_PULLS}*"
_HEADS = "refs/heads/"
_RECORD = "pull.json"
_ORDER = "order.json"
_CAP = ByteCount(1024 * 1024)
_DESCRIPTION = 140
_LOOKS = 20
"""Lost swaps in a row after which somebody else may try: each one means that another writer got through."""
_LOOK_BACK = 1000
"""Commits of the base branch searched for the merge of a head."""

T = TypeVar("T")


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
        head_commit: the head's tip when the record was last written.
        opened_by, ended_by: accounts; `ended_by` is empty while it is open.
        ended_by_person: whether a person merged or closed it, not the account of a daemon.
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
        person: whether `account` is a person.
        wall: the wall clock, seconds since the epoch.
    """

    def __init__(
        self,
        repository: Repository,
        *,
        account: str = "gitslo",
        person: bool = False,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._repository = repository
        self._account = account
        self._person = person
        self._wall = wall
        # Both are facts about commits, and a commit never changes.
        self._heads: dict[CommitId, str] = {}
        self._records: dict[CommitId, PullRecord | None] = {}

    def capabilities(self) -> Capabilities:
        """Everything: the refs are ours."""
        return Capabilities(expected_head_merge=True, statuses=True, comments=True)

    # ----------------------------------------------------------------- reading

    def find(self, head: str) -> tuple[PullRequest, ...]:
        """Every pull request with this head branch, newest first."""
        refs = self._refs(head)
        records = self._of_head(refs, head)
        if any(record.state is PullRequestState.OPEN for _, record in records):
            refs = {**refs, **self._repository.list_refs([_HEADS + record.base for _, record in records])}
        return tuple(self._view(record, refs) for _, record in records)

    def pulls(self) -> Pulls:
        """Every pull request, as recorded."""
        refs = self._repository.list_refs((_ALL_PULLS,))
        pulls = _pull_refs(refs)
        self._repository.fetch(pulls)
        read = {ref: self._record(commit) for ref, commit in pulls.items()}
        return Pulls(
            found=tuple(record for record in read.values() if record is not None),
            unreadable=tuple(ref for ref, record in read.items() if record is None),
        )

    def pull(self, number: int) -> PullRecord:
        """One pull request.

        Raises:
            Refused: there is none with this number.
        """
        return self._numbered(self._repository.list_refs((_ALL_PULLS,)), number)[1]

    def statuses(self, commit: CommitId) -> tuple[Status, ...]:
        """The statuses of one commit, by context."""
        tip = self._tip_of_statuses()
        if tip is None:
            return ()
        entries = self._repository.walk(tip, commit)
        contents = self._repository.read([entry.id for entry in entries], _CAP)
        return tuple(from_json(Status, load_json(contents[e.id], where=e.path, cap=_CAP), where=e.path) for e in entries)

    # ----------------------------------------------------------------- effects

    def ensure_pull_request(self, *, key: str, head: str, base: str, title: str, body: str) -> PullRequest:
        """Adopt the open pull request of `head`, or create it.

        Raises:
            Conflict: there is no such branch, or too many others write at the same moment.
        """

        def look() -> PullRequest:
            refs = self._refs(head, base)
            tip = refs.get(_HEADS + head)
            if tip is None:
                raise Conflict(f"there is no branch {head} to open a pull request for")
            wanted = PullRecord(0, key, head, base, title, body, PullRequestState.OPEN, tip, self._account)
            for ref, record in self._of_head(refs, head):
                if self._view(record, refs).state is PullRequestState.OPEN:
                    kept = replace(wanted, number=record.number, opened_by=record.opened_by, comments=record.comments)
                    self._write(refs, ref, record, kept)
                    return self._view(kept, refs)
            number = max((_number(ref) for ref in _pull_refs(refs)), default=0) + 1
            created = replace(wanted, number=number)
            self._write(refs, f"{_PULLS}{number}", None, created)
            return self._view(created, refs)

        return _persist(look)

    def comment_once(self, number: int, marker: str, body: str) -> None:
        """Comment, or bring the comment with this marker up to date."""

        def look() -> None:
            refs = self._repository.list_refs((_ALL_PULLS,))
            ref, record = self._numbered(refs, number)
            self._write(refs, ref, record, self._with_comment(record, marker, body))

        _persist(look)

    def set_status(self, status: Status) -> None:
        """Set a commit status.

        Raises:
            Refused: the description is longer than 140 characters.
        """
        if len(status.description) > _DESCRIPTION:
            raise Refused(f"a status description has at most {_DESCRIPTION} characters, not {len(status.description)}")
        path = f"{status.commit}/{quote(status.context, safe='')}.json"
        content = dump_json(to_json(status))

        def look() -> None:
            tip = self._tip_of_statuses()
            standing = self._files(tip, [path, _ORDER])
            if standing.get(path) == content:
                return
            order = tuple(standing.get(_ORDER, b"").decode("ascii", "replace").split())
            kept = order if status.commit in order else (*order, status.commit)
            dropped, kept = kept[:-KEPT_COMMITS], kept[-KEPT_COMMITS:]
            edits: dict[str, bytes | None] = {path: content, _ORDER: "".join(f"{c}\n" for c in kept).encode("ascii")}
            if tip is not None:
                edits |= {entry.path: None for commit in dropped for entry in self._repository.walk(tip, commit)}
            message = f"Set {unquote(path)} to {status.state.value}\n"
            new = self._repository.commit([tip] if tip else [], tip, edits, message, self._now())
            self._repository.swap([RefUpdate(_STATUSES, tip, new)])

        _persist(look)

    def merge(self, number: int, expected_head: CommitId, message: str) -> CommitId:
        """Merge into the base branch and delete the head branch; a merge that has happened is only recorded.

        Raises:
            Conflict: the head is not `expected_head`, the base moved meanwhile, or it does not merge cleanly.
            Refused: it was closed without merging, or the server does not let us write the base branch.
        """
        record = self.pull(number)
        if record.merged is not None:
            return record.merged
        refs = self._refs(record.head, record.base)
        ref, record = self._numbered(refs, number)
        base_ref, head_ref = _HEADS + record.base, _HEADS + record.head
        base, head = refs.get(base_ref), refs.get(head_ref)
        if base is None:
            raise Refused(f"pull request {number} goes into {record.base}, and there is no such branch")
        brought = self._brought(base, expected_head)
        if brought is not None:
            self._record_merge(number, expected_head, brought)
            self._delete(head_ref, head if head == expected_head else None)
            return brought
        if record.state is PullRequestState.CLOSED:
            raise Refused(f"pull request {number} was closed without merging by {record.ended_by}")
        if head != expected_head:
            raise Conflict(f"{record.head} is at {head or 'nothing'}, not at the expected {expected_head}")
        merge = self._merge_commit(base, head, record, message)
        updates = [RefUpdate(base_ref, base, merge)]
        if not self._repository.atomic:
            self._repository.swap(updates)
            self._record_merge(number, head, merge)
            self._delete(head_ref, head)
            return merge
        merged = self._ended(record, PullRequestState.MERGED, head, merge)
        updates.append(RefUpdate(ref, refs[ref], self._built(refs[ref], merged)))
        try:
            self._repository.swap([*updates, RefUpdate(head_ref, head, None)])
        except Refused:
            # A server with receive.denyDeletes refuses all three for the sake of the last.
            self._repository.swap(updates)
        return merge

    def close(self, number: int, comment: str) -> None:
        """Close without merging, saying why; does nothing where it is closed or merged."""

        def look() -> None:
            refs = self._repository.list_refs((_ALL_PULLS,))
            ref, record = self._numbered(refs, number)
            if record.state is PullRequestState.OPEN:
                said = self._with_comment(record, "closed", comment) if comment else record
                self._write(refs, ref, record, self._ended(said, PullRequestState.CLOSED, record.head_commit, None))

        _persist(look)

    # ----------------------------------------------------------------- records

    def _refs(self, head: str, base: str | None = None) -> Mapping[str, CommitId]:
        wanted = [_ALL_PULLS, _HEADS + head, *([_HEADS + base] if base else [])]
        return self._repository.list_refs(wanted)

    def _of_head(self, refs: Mapping[str, CommitId], head: str) -> list[tuple[str, PullRecord]]:
        """The pull requests of one head, newest first. Which ones is read from trailers: one process for all."""
        pulls = _pull_refs(refs)
        self._repository.fetch(pulls)
        unknown = [commit for commit in pulls.values() if commit not in self._heads]
        if unknown:
            for commit, info in self._repository.commit_info(unknown).items():
                self._heads[commit] = dict(info.trailers).get(_HEAD_TRAILER, "")
        found = [(ref, self._record(commit)) for ref, commit in pulls.items() if self._heads.get(commit) == head]
        return [(ref, record) for ref, record in found if record is not None and record.head == head]

    def _numbered(self, refs: Mapping[str, CommitId], number: int) -> tuple[str, PullRecord]:
        ref = f"{_PULLS}{number}"
        if ref not in refs:
            raise Refused(f"there is no pull request {number}")
        self._repository.fetch({ref: refs[ref]})
        record = self._record(refs[ref])
        if record is None:
            raise Refused(Problem(f"{ref} holds no pull request that can be read"))
        return ref, record

    def _record(self, commit: CommitId) -> PullRecord | None:
        if commit not in self._records:
            content = self._files(commit, [_RECORD]).get(_RECORD)
            try:
                data = load_json(content or b"", where=_RECORD, cap=_CAP)
                self._records[commit] = from_json(PullRecord, data, where=_RECORD)
            except Refused:
                self._records[commit] = None
        return self._records[commit]

    def _files(self, tip: CommitId | None, paths: Sequence[str]) -> dict[str, bytes]:
        if tip is None:
            return {}
        entries = {path: entry for path, entry in self._repository.resolve(tip, paths).items() if entry is not None}
        contents = self._repository.read([entry.id for entry in entries.values()], _CAP)
        return {path: contents[entry.id] for path, entry in entries.items()}

    def _tip_of_statuses(self) -> CommitId | None:
        tip = self._repository.list_refs((_STATUSES,)).get(_STATUSES)
        if tip is not None:
            self._repository.fetch({_STATUSES: tip})
        return tip

    def _write(self, refs: Mapping[str, CommitId], ref: str, old: PullRecord | None, new: PullRecord) -> None:
        if new != old:
            tip = refs.get(ref)
            self._repository.swap([RefUpdate(ref, tip, self._built(tip, new))])

    def _built(self, tip: CommitId | None, record: PullRecord) -> CommitId:
        message = f"Pull request {record.number}: {record.state.value}\n\n{_HEAD_TRAILER}: {record.head}\n"
        edits = {_RECORD: dump_json(to_json(record))}
        return self._repository.commit([tip] if tip else [], None, edits, message, self._now())

    def _with_comment(self, record: PullRecord, marker: str, body: str) -> PullRecord:
        new = Comment(marker, body, self._account, self._now())
        if not marker:
            return replace(record, comments=(*record.comments, new))
        standing = [comment for comment in record.comments if comment.marker == marker]
        if any(comment.body == body for comment in standing):
            return record
        if not standing:
            return replace(record, comments=(*record.comments, new))
        return replace(record, comments=tuple(new if c.marker == marker else c for c in record.comments))

    def _ended(
        self, record: PullRecord, state: PullRequestState, head: CommitId, merged: CommitId | None
    ) -> PullRecord:
        return replace(
            record,
            state=state,
            head_commit=head,
            ended_by=self._account,
            ended_by_person=self._person,
            merged=merged,
        )

    def _view(self, record: PullRecord, refs: Mapping[str, CommitId]) -> PullRequest:
        """As the port shows it: an open one whose head is on the base branch has been merged by plain Git."""
        state, merged, head = record.state, record.merged, record.head_commit
        if state is PullRequestState.OPEN:
            head = refs.get(_HEADS + record.head, head)
            base = refs.get(_HEADS + record.base)
            merged = self._brought(base, head) if base is not None else None
            state = PullRequestState.OPEN if merged is None else PullRequestState.MERGED
        closed = state is PullRequestState.CLOSED
        return PullRequest(
            number=record.number,
            state=state,
            key=record.key,
            head=record.head,
            base=record.base,
            head_commit=head,
            title=record.title,
            body=record.body,
            url=f"{_PULLS}{record.number}",
            merged=merged,
            closed_by_us=closed and not record.ended_by_person and record.ended_by == self._account,
            closed_by=record.ended_by if closed else "",
        )

    # ----------------------------------------------------------------- merging

    def _merge_commit(self, base: CommitId, head: CommitId, record: PullRecord, message: str) -> CommitId:
        self._repository.fetch({_HEADS + record.base: base, _HEADS + record.head: head})
        tree = self._repository.merge_tree(base, head)
        if tree is None:
            raise Conflict(f"{record.head} does not merge cleanly into {record.base} now")
        return self._repository.commit_tree([base, head], tree, message, self._now())

    def _brought(self, base: CommitId, head: CommitId) -> CommitId | None:
        """The commit of the base branch that brought `head`: its merge, or itself where it was fast-forwarded."""
        self._repository.fetch({"base": base})
        for commit in self._repository.history(base, None, (), _LOOK_BACK):
            if commit.id == head or head in commit.parents[1:]:
                return commit.id
        return None

    def _record_merge(self, number: int, head: CommitId, merge: CommitId) -> None:
        def look() -> None:
            refs = self._repository.list_refs((_ALL_PULLS,))
            ref, record = self._numbered(refs, number)
            if record.merged is None:
                self._write(refs, ref, record, self._ended(record, PullRequestState.MERGED, head, merge))

        _persist(look)

    def _delete(self, ref: str, tip: CommitId | None) -> None:
        """Delete the head branch; who pushed to it meanwhile, or a server that keeps branches, is let be."""
        if tip is None:
            return
        try:
            self._repository.swap([RefUpdate(ref, tip, None)])
        except (Conflict, Refused):
            return

    def _now(self) -> float:
        return float(int(self._wall()))


_HEAD_TRAILER = "Gitslo-Pull-Head"


def _pull_refs(refs: Mapping[str, CommitId]) -> dict[str, CommitId]:
    """The refs of pull requests, newest first."""
    names = [ref for ref in refs if ref.startswith(_PULLS) and ref.removeprefix(_PULLS).isdecimal()]
    return {ref: refs[ref] for ref in sorted(names, key=_number, reverse=True)}


def _number(ref: str) -> int:
    return int(ref.removeprefix(_PULLS))


def _persist(look: Callable[[], T]) -> T:
    """Look and swap until the swap is won: a lost one has changed nothing, so looking again is all it takes."""
    for _ in range(_LOOKS - 1):
        try:
            return look()
        except Conflict:
            continue
    return look()
