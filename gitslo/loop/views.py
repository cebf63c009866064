"""One revision's tree as the pure core reads it, over the Repository port, with what was read before kept by object id.

Called by `sight` and `observe`. Objects never change under their id, so nothing here can be stale. Must stay true: what
is kept is bounded, in bytes or in entries, whatever a repository holds; reading ahead changes what a read costs, never
what it says.
"""

from __future__ import annotations

import posixpath
import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, TypeVar

from gitslo.core.references import CHART, KUSTOMIZATIONS
from gitslo.errors import Problem, Refused
from gitslo.model import ByteCount, CommitId, ObjectId
from gitslo.ports import FILE_CAP, Repository, TreeEntry, TreeView

__all__ = ["ObjectCache", "RecordedView", "RevisionView", "in_halves"]

T = TypeVar("T")

CACHED_BYTES: Final = 16 * 1024 * 1024
CACHED_ENTRIES: Final = 50_000
"""Files in the folder listings that are kept; one takes about 300 bytes."""
AHEAD_BYTES: Final = ByteCount(8 * 1024 * 1024)
MOST_CHANGES: Final = 20_000
"""Paths that may differ between two revisions before the newer one is looked at afresh."""
AHEAD_DEPTH: Final = 4
"""How far bases on bases are followed when reading ahead."""
BASES: Final = 20
"""How many bases of one kustomization are read ahead, and below, how many files of one base are remembered."""
BASE_FILES: Final = 200
OUTSIDE: Final = re.compile(rb"(?<![^\s\"'\[,])(?:\.\./)+[A-Za-z0-9_./-]*")
REGULAR: Final = ("100644", "100755")
FOLDER: Final = "040000"
MANIFESTS: Final = (".yaml", ".yml", *KUSTOMIZATIONS, CHART)
"""How the names of files end that will be read once their folder has been walked."""


def in_halves(things: Sequence[T], read: Callable[[Sequence[T]], object]) -> None:
    """Read ahead for all things at once; where one of them is refused or they are too much, for halves of them."""
    try:
        read(things)
    except Refused:
        if len(things) > 1:
            middle = len(things) // 2
            in_halves(things[:middle], read)
            in_halves(things[middle:], read)


class ObjectCache:
    """Blobs and folder listings of one repository by object id, the oldest dropped beyond a bound."""

    def __init__(self) -> None:
        self._blobs: OrderedDict[ObjectId, bytes] = OrderedDict()
        self._bytes = 0
        self._folders: OrderedDict[tuple[ObjectId, str], tuple[TreeEntry, ...]] = OrderedDict()
        self._entries = 0

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

    def folder(self, folder: TreeEntry) -> tuple[TreeEntry, ...] | None:
        """Every file below a folder, or None where that is not kept."""
        return self._folders.get((folder.id, folder.path))

    def keep_folder(self, folder: TreeEntry, files: tuple[TreeEntry, ...]) -> None:
        """Keep a listing; one that is larger than everything that may be kept is not."""
        key = (folder.id, folder.path)
        if key not in self._folders:
            self._folders[key] = files
            self._entries += len(files) + 1
        while self._entries > CACHED_ENTRIES:
            self._entries -= len(self._folders.popitem(last=False)[1]) + 1


class RevisionView:
    """A `TreeView` of one commit."""

    def __init__(self, repository: Repository, commit: CommitId, cache: ObjectCache) -> None:
        self.commit = commit
        self._repository = repository
        self._cache = cache
        self._entries: dict[str, TreeEntry | None] = {}
        self._walked: dict[str, TreeEntry] = {}

    def after(self, commit: CommitId, keep: Iterable[str]) -> RevisionView:
        """The view of another commit, which knows of the paths in `keep` what this one knows; reads what differs."""
        view = RevisionView(self._repository, commit, self._cache)
        changes = self._repository.changes(self.commit, commit, MOST_CHANGES)
        if changes is not None:
            view._entries = {path: self._entries[path] for path in keep if path in self._entries}
            view._entries.update(changes)
        return view

    def marks(self, watched: Sequence[tuple[str, bool]]) -> tuple[str, ...]:
        """What stands at each path: its mode and its object, where that is a folder only if all below it counts."""
        self.prefetch(path for path, _ in watched)
        entries = ((self._entries[path], whole) for path, whole in watched)
        return tuple(
            "" if entry is None else entry.mode if entry.mode == FOLDER and not whole else f"{entry.mode} {entry.id}"
            for entry, whole in entries
        )

    def prefetch(self, paths: Iterable[str]) -> None:
        """Resolve many paths in one process."""
        missing = [path for path in dict.fromkeys(paths) if path not in self._entries]
        if missing:
            self._entries.update(self._repository.resolve(self.commit, missing))

    def ahead(self, folders: Iterable[str], files: Iterable[str]) -> None:
        """Read at once what walking these folders and reading these files and the manifests in them would read singly.

        Their kustomizations' bases outside of them are read as well. What is too much is left to whoever asks for it.

        Raises:
            Refused: a path or a folder cannot be read: whoever asks for it gets the error that belongs to it.
        """
        given, others, seen = list(dict.fromkeys(folders)), list(dict.fromkeys(files)), set[str]()
        for _ in range(AHEAD_DEPTH):
            above = {path[:at] for path in given for at, sign in enumerate(path) if sign == "/"}
            self.prefetch([*above, *given, *others])
            read = [entry for path in others if (entry := self._entries[path]) is not None]
            for below in self._walk_ahead(given):
                read += [file for file in below if file.path.endswith(MANIFESTS)]
                if seen and len(below) <= BASE_FILES:
                    self._entries.update((file.path, file) for file in below)
            missing = [file.id for file in read if file.mode in REGULAR and self._cache.blob(file.id) is None]
            self._cache.keep(self._repository.read_within(missing, FILE_CAP, AHEAD_BYTES).items())
            seen.update(given)
            given = [path for path in self._bases(read) if path not in seen]
            others = [f"{path}/{name}" for path in given for name in KUSTOMIZATIONS]
            if not given:
                return

    def _walk_ahead(self, paths: Iterable[str]) -> Iterator[tuple[TreeEntry, ...]]:
        """The files of folders; those that are folders at all."""
        folders = [entry for path in paths if (entry := self._entries[path]) is not None and entry.mode == FOLDER]
        unlisted = [folder.path for folder in folders if self._cache.folder(folder) is None]
        listings = self._repository.walk_all(self.commit, unlisted) if unlisted else {}
        for folder in folders:
            files = self._cache.folder(folder) or listings.get(folder.path, ())
            self._cache.keep_folder(folder, files)
            yield files

    def _bases(self, files: Iterable[TreeEntry]) -> list[str]:
        """Where the kustomizations among these files seem to point outside of their folders; a guess is enough."""
        found: dict[str, None] = {}
        for file in files:
            at, name = posixpath.split(file.path)
            if name in KUSTOMIZATIONS:
                for text in OUTSIDE.findall(self._cache.blob(file.id) or b"")[:BASES]:
                    path = posixpath.normpath(posixpath.join(at, text.decode("ascii")))
                    if not path.startswith(".") and not f"{at}/".startswith(f"{path}/"):
                        found[path] = None
        return list(found)

    def entry(self, path: str) -> TreeEntry | None:
        """What stands at `path`, or None."""
        if path not in self._entries:
            if path in self._walked:
                return self._walked[path]
            self.prefetch((path,))
        return self._entries[path]

    def walk(self, path: str) -> tuple[TreeEntry, ...]:
        """Every file below the folder `path`, recursively, sorted by path."""
        folder = self.entry(path)
        if folder is None or folder.mode != FOLDER:
            return ()
        files = self._cache.folder(folder)
        if files is None:
            files = self._repository.walk(self.commit, path)
            self._cache.keep_folder(folder, files)
        # Only the last one: what is read next lies there, and a view that remembered all would have no bound.
        self._walked = {file.path: file for file in files}
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
            content = self._read_ahead(entry)
        if content is None:
            content = self._repository.read([entry.id], FILE_CAP)[entry.id]
            self._cache.keep([(entry.id, content)])
        return content

    def _read_ahead(self, wanted: TreeEntry) -> bytes | None:
        """Read the wanted file and the manifests beside it: one process instead of one per file."""
        folder = posixpath.dirname(wanted.path)
        near = [
            entry.id
            for entry in self._walked.values()
            if entry.mode in REGULAR
            and entry.path.endswith(MANIFESTS)
            and posixpath.dirname(entry.path) == folder
            and self._cache.blob(entry.id) is None
        ]
        contents = self._repository.read_within([wanted.id, *near], FILE_CAP, AHEAD_BYTES)
        self._cache.keep(contents.items())
        return contents.get(wanted.id)


class RecordedView:
    """A `TreeView` that notes what is asked of another: a pure function of it gives the same as long as that stands."""

    def __init__(self, view: TreeView) -> None:
        self._view = view
        self._asked: dict[str, bool] = {}

    def watched(self) -> tuple[tuple[str, bool], ...]:
        """Every path that was asked for, and whether all below it counts; what such a folder covers is left out."""
        walked = {path for path, whole in self._asked.items() if whole}
        return tuple(
            (path, whole)
            for path, whole in self._asked.items()
            if not any(path[:at] in walked for at, sign in enumerate(path) if sign == "/")
        )

    def entry(self, path: str) -> TreeEntry | None:
        """What stands at `path`; where that is a folder, what is in it is not known by that."""
        self._asked.setdefault(path, False)
        return self._view.entry(path)

    def walk(self, path: str) -> tuple[TreeEntry, ...]:
        """Every file below the folder `path`."""
        self._asked[path] = True
        return self._view.walk(path)

    def read(self, path: str) -> bytes:
        """A file's content."""
        self._asked.setdefault(path, False)
        return self._view.read(path)
