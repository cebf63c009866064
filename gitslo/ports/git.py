"""The Git repository: what is read from it and what is written to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from gitslo.model import (
    ByteCount,
    CommitId,
    ObjectId,
)

__all__ = ["FILE_CAP", "CommitInfo", "Edit", "RefUpdate", "Repository", "TreeEntry", "TreeView"]


@dataclass(frozen=True, slots=True)
class TreeEntry:
    """One entry of a Git tree.

    Attributes:
        path: relative to the repository's root, `/`-separated.
        mode: octal text as Git writes it: `100644`, `100755`, `040000`, `120000` (symlink), `160000` (submodule).
        id: the object.
    """

    path: str
    mode: str
    id: ObjectId


Edit = bytes | TreeEntry | None
"""New content of a path (mode kept, 100644 if new), an existing object put there, or None: the path is removed."""


@dataclass(frozen=True, slots=True)
class CommitInfo:
    """One commit, as much of it as decisions need. Text is the author's and must be escaped before it is shown.

    Attributes:
        author: `Name <email>`.
        wall: committer date in seconds since the epoch.
        trailers: the message's trailers, in order.
    """

    id: CommitId
    parents: tuple[CommitId, ...]
    author: str
    wall: float
    subject: str
    trailers: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class RefUpdate:
    """Move `ref` from `old` to `new`; old None: it must not exist; new None: delete it."""

    ref: str
    old: CommitId | None
    new: CommitId | None


FILE_CAP: Final = ByteCount(1024 * 1024)
"""Largest file that is read from a repository: a pipeline may be that long; the other budgets are smaller."""


class TreeView(Protocol):
    """One revision's tree (or a folder on disk) as the pure core reads it. Paths are relative to its root."""

    def entry(self, path: str) -> TreeEntry | None:
        """What stands at `path`, or None."""

    def walk(self, path: str) -> tuple[TreeEntry, ...]:
        """Every file (not folder) below the folder `path`, recursively, sorted by path; empty where there is none."""

    def read(self, path: str) -> bytes:
        """A file's content.

        Raises:
            Refused: there is no such file, it is no regular file, or it is larger than FILE_CAP.
        """


class Repository(Protocol):
    """One Git remote and branch. Nothing here touches a work tree; the local clone is a disposable cache.

    Paths are relative to the root. Reads of objects that are not local yet fetch only what `list_refs` reported.
    """

    @property
    def branch_ref(self) -> str:
        """The full name of the watched branch, e.g. `refs/heads/main`."""

    @property
    def ledger_prefix(self) -> str:
        """Where ledgers live, e.g. `refs/gitslo/shop/`; ends with a slash."""

    def list_refs(self, patterns: Sequence[str] = ()) -> Mapping[str, CommitId]:
        """One `ls-remote`: the branch, every ledger, every `refs/heads/gitslo/...` head, and what `patterns` match.

        Args:
            patterns: globs over full ref names, asked in the same `ls-remote`.

        Raises:
            Retry: the remote did not answer in time, or not as Git.
            Refused: the remote says that we may not read it, or there is no such repository or branch.
        """

    def fetch(self, ids: Mapping[str, CommitId]) -> None:
        """Make the given tips (ref name -> commit) readable; does nothing for those that already are."""

    def resolve(self, commit: CommitId, paths: Sequence[str]) -> Mapping[str, TreeEntry | None]:
        """What each path is in the commit's tree, in one process whatever their number; `` is the root tree."""

    def walk(self, commit: CommitId, path: str) -> tuple[TreeEntry, ...]:
        """Every file (not folder) below `path`, recursively, sorted by path; empty where there is no such folder."""

    def read(self, ids: Sequence[ObjectId], cap: ByteCount) -> Mapping[ObjectId, bytes]:
        """The contents of blobs, in one process.

        Raises:
            Refused: one of them is larger than `cap` or is no blob.
        """

    def resolve_all(self, pairs: Sequence[tuple[CommitId, str]]) -> Mapping[tuple[CommitId, str], TreeEntry | None]:
        """Like `resolve`, for paths in many commits, in one process."""

    def walk_all(self, commit: CommitId, paths: Sequence[str]) -> Mapping[str, tuple[TreeEntry, ...]]:
        """Like `walk`, for many folders, in one process.

        Raises:
            Refused: as `walk` for any of them, or they are too much in sum: ask for fewer.
        """

    def read_within(self, ids: Sequence[ObjectId], cap: ByteCount, budget: ByteCount) -> Mapping[ObjectId, bytes]:
        """The contents of those blobs that have at most `cap` bytes, in order, until `budget` bytes are spent."""

    def changes(self, old: CommitId, new: CommitId, most: int) -> Mapping[str, TreeEntry | None] | None:
        """What stands in `new` at every path, files and folders, where `old` has something else; reads what differs.

        None instead of a mapping where more than `most` paths differ, or one of the commits is in no ref any more.
        """

    def commit(
        self,
        parents: Sequence[CommitId],
        base: CommitId | None,
        edits: Mapping[str, Edit],
        message: str,
        wall: float,
    ) -> CommitId:
        """Build a commit in the object database; nothing is published.

        Deterministic: the same arguments give the same id on every machine.

        Args:
            parents: in order.
            base: whose tree the edits apply to; None: the empty tree.
            edits: path -> new content.
            message: ends with its trailers.
            wall: author and committer date, whole seconds since the epoch, UTC.
        """

    def commit_info(self, ids: Sequence[CommitId]) -> Mapping[CommitId, CommitInfo]:
        """Facts about commits that are local."""

    def history(
        self, newest: CommitId, since: CommitId | None, paths: Sequence[str], limit: int
    ) -> tuple[CommitInfo, ...]:
        """Commits reachable from `newest` and not from `since` that touch `paths` (all if empty), newest first."""

    def is_ancestor(self, old: CommitId, new: CommitId) -> bool:
        """Whether `new` contains `old`."""

    def merge_tree(self, ours: CommitId, theirs: CommitId) -> ObjectId | None:
        """The tree of a three-way merge, or None where it conflicts."""

    def commit_tree(self, parents: Sequence[CommitId], tree: ObjectId, message: str, wall: float) -> CommitId:
        """Like `commit`, with a whole tree."""

    def swap(self, updates: Sequence[RefUpdate]) -> None:
        """Compare-and-swap the refs on the remote: one push, atomic where the server can.

        Raises:
            Conflict: at least one ref was not at its `old` any more. With one update nothing has moved; with several
                and `atomic` False some may have.
            Refused: the server's policy does not let us write one of the refs.
            Retry: no answer: the outcome is unknown, look again.
        """

    @property
    def clones_remade(self) -> int:
        """How often this object found its local clone damaged and made it again."""

    @property
    def atomic(self) -> bool:
        """Whether several updates in one `swap` are known to be all or nothing on this remote."""
