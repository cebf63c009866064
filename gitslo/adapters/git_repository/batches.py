"""Reading many things at once: the half of the adapter that keeps a poll over thousands of environments cheap.

A base of `repository.GitRepository`. Each method is one `cat-file` process however much is asked, and reads what the
single reads would read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gitslo.adapters.git_repository import grammar
from gitslo.adapters.git_repository.faults import Absent
from gitslo.adapters.git_repository.process import GitProcesses
from gitslo.adapters.git_repository.reading import objects
from gitslo.adapters.git_repository.upstream import Upstream
from gitslo.model import ByteCount, CommitId, ObjectId
from gitslo.ports import TreeEntry

__all__ = ["HEADER_ROOM", "BatchReads"]

HEADER_ROOM = 256
"""Bytes that Git prints before and after an object's content, and more."""
_TREES_CAP = 1 << 25


class BatchReads:
    """Reads of many objects; for whom it is a base, it needs these two."""

    _git: GitProcesses
    _upstream: Upstream

    def resolve_all(self, pairs: Sequence[tuple[CommitId, str]]) -> Mapping[tuple[CommitId, str], TreeEntry | None]:
        """Like `resolve`, for paths in many commits."""
        wanted = [(grammar.commit_id(commit), grammar.path(path, root=True)) for commit, path in pairs]
        if not wanted:
            return {}

        def resolved() -> dict[tuple[CommitId, str], TreeEntry | None]:
            with objects(self._git) as database:
                roots = database.roots(commit for commit, _ in wanted)
                found = database.resolve_all((roots[commit], path) for commit, path in wanted)
                return {(commit, path): found[roots[commit], path] for commit, path in wanted}

        return self._upstream.reading(resolved)

    def walk_all(self, commit: CommitId, paths: Sequence[str]) -> Mapping[str, tuple[TreeEntry, ...]]:
        """Like `walk`, for many folders.

        Raises:
            Refused: as `walk` for any of them, or their trees have more than 32 MiB in sum.
        """
        grammar.commit_id(commit)
        wanted = [grammar.path(path, root=True) for path in dict.fromkeys(paths)]
        if not wanted:
            return {}

        def walked() -> dict[str, tuple[TreeEntry, ...]]:
            with objects(self._git, cap=_TREES_CAP) as database:
                return database.walk_all(database.root(commit), wanted)

        return self._upstream.reading(walked)

    def read_within(self, ids: Sequence[ObjectId], cap: ByteCount, budget: ByteCount) -> Mapping[ObjectId, bytes]:
        """The contents of those blobs that are at most `cap` bytes, in order, until `budget` bytes are spent."""
        wanted = [grammar.object_id(identifier) for identifier in dict.fromkeys(ids)]
        if not wanted:
            return {}

        def read() -> dict[ObjectId, bytes]:
            with objects(self._git, cap=budget + 2 * len(wanted) * HEADER_ROOM) as database:
                found = database.info(wanted)
                if absent := [identifier for identifier, held in found.items() if held is None]:
                    raise Absent(absent)
                taken, spent = [], 0
                for identifier in wanted:
                    held = found[identifier]
                    if held is not None and held.kind == "blob" and held.size <= min(cap, budget - spent):
                        taken.append(identifier)
                        spent += held.size
                return database.bodies(taken)

        return self._upstream.reading(read)

    def changes(self, old: CommitId, new: CommitId, most: int) -> Mapping[str, TreeEntry | None] | None:
        """What stands in `new` at every path, files and folders, where `old` has something else; None: nothing.

        None instead of a mapping where more than `most` paths differ, or one of the commits is in no ref any more.
        """
        grammar.commit_id(old)
        grammar.commit_id(new)

        def compared() -> dict[str, TreeEntry | None] | None:
            with objects(self._git) as database:
                roots = database.roots([old, new])
                return database.changes(roots[old], roots[new], most)

        try:
            return self._upstream.reading_if_present(compared, thorough=False)
        except Absent:
            return None
