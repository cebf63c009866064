"""A tree in memory: the `TreeView` of tests, held to the same contract as the real ones.

Used by tests here and by whoever extends gitslo. Must stay true: it refuses what the real views refuse, in the same
cases, so that a test on it proves something about them.
"""

from __future__ import annotations

from collections.abc import Mapping

from gitslo.core.objects import EXECUTABLE, FILE, blob_id, folder_entry
from gitslo.errors import Problem, Refused
from gitslo.ports import FILE_CAP, TreeEntry

__all__ = ["MemoryView"]

"""Bytes: what `TreeView.read` promises."""


class MemoryView:
    """`TreeView` over a mapping.

    Args:
        files: path -> content; a symlink's content is what it points at.
        modes: path -> mode, for those that are not `100644`.
    """

    def __init__(self, files: Mapping[str, bytes], modes: Mapping[str, str] | None = None) -> None:
        modes = modes or {}
        self._contents = dict(files)
        self._entries = {
            path: TreeEntry(path, modes.get(path, FILE), blob_id(data)) for path, data in sorted(files.items())
        }

    def entry(self, path: str) -> TreeEntry | None:
        """What stands at `path`, or None."""
        return self._entries.get(path) or folder_entry(path, self.walk(path))

    def walk(self, path: str) -> tuple[TreeEntry, ...]:
        """Every file below the folder `path`, sorted by path."""
        prefix = f"{path}/" if path else ""
        return tuple(entry for entry in self._entries.values() if entry.path.startswith(prefix))

    def read(self, path: str) -> bytes:
        """A file's content; Refused where there is none, it is no regular file or larger than 1 MiB."""
        entry = self._entries.get(path)
        if entry is None:
            raise Refused(Problem("there is no such file", file=path))
        if entry.mode not in {FILE, EXECUTABLE}:
            raise Refused(Problem("is not a regular file", file=path))
        data = self._contents[path]
        if len(data) > FILE_CAP:
            raise Refused(Problem("is larger than 1 MiB", file=path))
        return data
