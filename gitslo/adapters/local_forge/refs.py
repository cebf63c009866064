"""Where the local forge keeps things: refs of the bare repository.

* `refs/gitslo-forge/pulls/<number>`: a chain of commits, each with the whole pull request in `pull.json`, and the head
  branch's name as a trailer, so that the pull requests of one head are found in one process;
* `refs/gitslo-forge/statuses`: a chain whose tree holds `<commit>/<context>.json` and `order`, the commits in the order
  of their first status.

**Invariants**
* numbers are contiguous, and a pull request is created by creating its ref where there must be none: who creates
  number n has seen every one below it, so two racers never open two for one head;
* nothing is pushed where nothing would change;
* what is remembered here between calls are facts about commits, and a commit never changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from urllib.parse import quote

from gitslo.adapters.local_forge.record import RECORD_CAP, RECORD_FILE, PullRecord, parsed, written
from gitslo.core.codec import dump_json, from_json, load_json, to_json
from gitslo.errors import Refused
from gitslo.model import ByteCount, CommitId
from gitslo.ports import Edit, RefUpdate, Repository, Status

__all__ = ["ALL_PULLS", "HEADS", "KEPT_COMMITS", "STATUSES", "PullRefs", "StatusRef", "pull_ref"]

HEADS = "refs/heads/"
KEPT_COMMITS = 500
"""Statuses are kept for the newest this many commits that have any."""

_PULLS = "refs/gitslo-forge/pulls/"
ALL_PULLS = f"{_PULLS}*"
STATUSES = "refs/gitslo-forge/statuses"
_HEAD_TRAILER = "Gitslo-Pull-Head"
_ORDER = "order"
_CAP = ByteCount(RECORD_CAP)
_AHEAD = ByteCount(16 * 1024 * 1024)
"""Bytes of standing statuses that are read at once; one takes about 200."""


def pull_ref(number: int) -> str:
    """The ref of one pull request."""
    return f"{_PULLS}{number}"


def _number(ref: str) -> int:
    return int(ref.removeprefix(_PULLS))


def _path(status: Status) -> str:
    return f"{status.commit}/{quote(status.context, safe='')}.json"


def _pulls_of(refs: Mapping[str, CommitId]) -> dict[str, CommitId]:
    """The refs of pull requests, newest first."""
    names = [ref for ref in refs if ref.startswith(_PULLS) and ref.removeprefix(_PULLS).isdecimal()]
    return {ref: refs[ref] for ref in sorted(names, key=_number, reverse=True)}


def _files(repository: Repository, tip: CommitId, paths: Iterable[str]) -> dict[str, bytes]:
    entries = {path: entry for path, entry in repository.resolve(tip, tuple(paths)).items() if entry is not None}
    contents = repository.read([entry.id for entry in entries.values()], _CAP)
    return {path: contents[entry.id] for path, entry in entries.items()}


class PullRefs:
    """The pull requests of one repository.

    Args:
        repository: where they live.
        wall: the wall clock, seconds since the epoch.
    """

    def __init__(self, repository: Repository, wall: Callable[[], float]) -> None:
        self._repository = repository
        self._wall = wall
        self._heads: dict[CommitId, str] = {}
        self._records: dict[CommitId, PullRecord | None] = {}

    def list(self, branches: Iterable[str] = ()) -> Mapping[str, CommitId]:
        """Every pull request's ref, and these branches'."""
        return self._repository.list_refs((ALL_PULLS, *(HEADS + branch for branch in branches)))

    def of_head(self, refs: Mapping[str, CommitId], head: str) -> tuple[PullRecord, ...]:
        """The readable pull requests of one head branch, newest first."""
        pulls = _pulls_of(refs)
        self._repository.fetch(pulls)
        unknown = [commit for commit in pulls.values() if commit not in self._heads]
        for commit, info in self._repository.commit_info(unknown).items() if unknown else ():
            self._heads[commit] = dict(info.trailers).get(_HEAD_TRAILER, "")
        records = (self._record(commit) for commit in pulls.values() if self._heads.get(commit) == head)
        return tuple(record for record in records if record is not None and record.head == head)

    def all(self, refs: Mapping[str, CommitId]) -> dict[str, PullRecord | None]:
        """Every pull request by ref, newest first; None where the ref holds none that can be read."""
        pulls = _pulls_of(refs)
        self._repository.fetch(pulls)
        return {ref: self._record(commit) for ref, commit in pulls.items()}

    def numbered(self, refs: Mapping[str, CommitId], number: int) -> PullRecord:
        """One pull request.

        Raises:
            Refused: there is none, or its ref holds something else.
        """
        ref = pull_ref(number)
        if ref not in refs:
            raise Refused(f"there is no pull request {number}")
        self._repository.fetch({ref: refs[ref]})
        record = self._record(refs[ref])
        if record is None:
            raise Refused(f"{ref} holds no pull request that can be read")
        return record

    def next_number(self, refs: Mapping[str, CommitId]) -> int:
        """The number of the next one."""
        return max(map(_number, _pulls_of(refs)), default=0) + 1

    def update(self, refs: Mapping[str, CommitId], record: PullRecord) -> RefUpdate:
        """The swap that makes `record` the present one, or the first of its number."""
        ref = pull_ref(record.number)
        tip = refs.get(ref)
        message = f"Pull request {record.number}: {record.state.value}\n\n{_HEAD_TRAILER}: {record.head}\n"
        edits: dict[str, Edit] = {**written(record)}
        new = self._repository.commit([tip] if tip else [], None, edits, message, float(int(self._wall())))
        return RefUpdate(ref, tip, new)

    def write(self, refs: Mapping[str, CommitId], old: PullRecord | None, new: PullRecord) -> None:
        """Publish `new`, if it differs.

        Raises:
            Conflict: somebody else wrote it, or took its number, since `refs` was read.
        """
        if new != old:
            self._repository.swap([self.update(refs, new)])

    def _record(self, commit: CommitId) -> PullRecord | None:
        if commit not in self._records:
            try:
                self._records[commit] = parsed(_files(self._repository, commit, [RECORD_FILE]))
            except Refused:
                self._records[commit] = None
        return self._records[commit]


class StatusRef:
    """The commit statuses of one repository.

    Args:
        repository: where they live.
        wall: the wall clock, seconds since the epoch.
    """

    def __init__(self, repository: Repository, wall: Callable[[], float]) -> None:
        self._repository = repository
        self._wall = wall
        self._all: tuple[CommitId | None, Mapping[str, bytes]] = (None, {})

    def of(self, commit: CommitId) -> tuple[Status, ...]:
        """The statuses of one commit, by context."""
        tip = self._tip()
        if tip is None:
            return ()
        paths = [entry.path for entry in self._repository.walk(tip, commit)]
        files = _files(self._repository, tip, paths)
        return tuple(from_json(Status, load_json(files[path], where=path, cap=_CAP), where=path) for path in paths)

    def stands(self, tip: CommitId | None, status: Status) -> bool:
        """Whether a status stands just so in one state of them all, which is read at once for many questions."""
        if tip is None:
            return False
        if self._all[0] != tip:
            self._repository.fetch({STATUSES: tip})
            entries = self._repository.walk(tip, "")
            contents = self._repository.read_within([entry.id for entry in entries], _CAP, _AHEAD)
            self._all = (tip, {entry.path: contents[entry.id] for entry in entries if entry.id in contents})
        return self._all[1].get(_path(status)) == dump_json(to_json(status))

    def set(self, status: Status) -> None:
        """Publish one status, if it differs.

        Raises:
            Conflict: somebody else wrote a status meanwhile.
        """
        tip = self._tip()
        path = _path(status)
        content = dump_json(to_json(status))
        standing = _files(self._repository, tip, [path, _ORDER]) if tip else {}
        if standing.get(path) == content:
            return
        order = standing.get(_ORDER, b"").decode("ascii", "replace").split()
        if status.commit not in order:
            order.append(status.commit)
        edits: dict[str, Edit] = {
            path: content,
            _ORDER: "".join(f"{c}\n" for c in order[-KEPT_COMMITS:]).encode("ascii"),
        }
        if tip is not None:
            dropped = order[:-KEPT_COMMITS]
            edits |= {entry.path: None for commit in dropped for entry in self._repository.walk(tip, CommitId(commit))}
        message = f"Set {path} to {status.state.value}\n"
        new = self._repository.commit([tip] if tip else [], tip, edits, message, float(int(self._wall())))
        self._repository.swap([RefUpdate(STATUSES, tip, new)])

    def _tip(self) -> CommitId | None:
        tip = self._repository.list_refs((STATUSES,)).get(STATUSES)
        if tip is not None:
            self._repository.fetch({STATUSES: tip})
        return tip
