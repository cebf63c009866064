"""One revision's tree as the pure core reads it, over the Repository port, with what was read before kept by object id.

Called by `sight` and `observe`. Objects never change under their id, so nothing here can be stale.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Final

from gitslo.errors import Problem, Refused
from gitslo.model import ByteCount, CommitId, ObjectId
from gitslo.ports import Repository, TreeEntry

__all__ = ["ObjectCache", "RevisionView"]

FILE_CAP: Final = ByteCount(256 * 1024)
"""Largest file that is read from a repository."""

CACHED_BYTES: Final = 32 * 1024 * 1024
CACHED_FOLDERS: Final = 20_000
READ_AHEAD: Final = 200
REGULAR: Final = ("100644", "100755")


class ObjectCache:
    """Blobs and folder listings of one repository by object id, the oldest dropped beyond a bound."""

    def __init__(self) -> None:
        self._blobs: OrderedDict[ObjectId, bytes] = OrderedDict()
        self._bytes = 0
        self.folders: OrderedDict[tuple[ObjectId, str], tuple[TreeEntry, ...]] = OrderedDict()

    def blob(self, blob: ObjectId) -> bytes | None:
        """A blob's content, or None where it is not kept."""
        return self._blobs.get(blob)

    def keep(self, blobs: Iterable[tuple[ObjectId, bytes]]) -> None:
        """Keep blobs."""
        for blob, content in blobs:
            if blob not in self._blobs:
                self._blobs[blob] = content
                self._bytes += len(content)
        while self._bytes > CACHED_BYTES:
            self._bytes -= len(self._blobs.popitem(last=False)[1])
        while len(self.folders) > CACHED_FOLDERS:
            self.folders.popitem(last=False)


class RevisionView:
    """A `TreeView` of one commit."""

    def __init__(self, repository: Repository, commit: CommitId, cache: ObjectCache) -> None:
        self.commit = commit
        self._repository = repository
        self._cache = cache
        self._entries: dict[str, TreeEntry | None] = {}

    def prefetch(self, paths: Sequence[str]) -> None:
        """Resolve many paths in one process."""
        missing = [path for path in dict.fromkeys(paths) if path not in self._entries]
        if missing:
            self._entries.update(self._repository.resolve(self.commit, missing))

    def entry(self, path: str) -> TreeEntry | None:
        """What stands at `path`, or None."""
        self.prefetch((path,))
        return self._entries[path]

    def walk(self, path: str) -> tuple[TreeEntry, ...]:
        """Every file below the folder `path`, recursively, sorted by path."""
        folder = self.entry(path)
        if folder is None or folder.mode != "040000":
            return ()
        key = (folder.id, path)
        files = self._cache.folders.get(key)
        if files is None:
            files = self._cache.folders[key] = self._repository.walk(self.commit, path)
        for file in files:
            self._entries.setdefault(file.path, file)
        return files

    def read(self, path: str) -> bytes:
        """A regular file's content.

        Raises:
            Refused: there is none, or it is larger than FILE_CAP.
        """
        entry = self.entry(path)
        if entry is None or entry.mode not in REGULAR:
            raise Refused(Problem("expected a regular file here", file=path, hint=f"at {self.commit[:12]}"))
        content = self._cache.blob(entry.id)
        if content is None:
            self._read_ahead(entry)
            content = self._cache.blob(entry.id)
        if content is None:
            content = self._repository.read([entry.id], FILE_CAP)[entry.id]
            self._cache.keep([(entry.id, content)])
        return content

    def _read_ahead(self, wanted: TreeEntry) -> None:
        """Read the wanted file's neighbours too: one process instead of one per file."""
        folder = wanted.path.rpartition("/")[0]
        near = [
            entry.id
            for entry in self._entries.values()
            if entry is not None and entry.mode in REGULAR and entry.path.rpartition("/")[0] == folder
        ]
        missing = [wanted.id, *(blob for blob in near if blob != wanted.id and self._cache.blob(blob) is None)]
        if len(missing) == 1:
            return
        try:
            self._cache.keep(self._repository.read(missing[:READ_AHEAD], FILE_CAP).items())
        except Refused:
            return  # a neighbour is too large; the wanted file is read alone
