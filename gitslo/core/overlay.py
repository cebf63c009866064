"""A tree with edits laid over it: what a revision will be once they are committed.

Called by `change` and the loop, to know a change's result before anything is written. Must stay true: its ids are the
ones Git will give, so that a tree's digest computed here equals the one computed from the commit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gitslo.core.objects import EXECUTABLE, FILE, blob_id, folder_entry
from gitslo.errors import Problem, Refused
from gitslo.ports import FILE_CAP, Edit, TreeEntry, TreeView

__all__ = ["TakenEntry", "edited_tree"]

"""Bytes: what `TreeView.read` promises."""


@dataclass(frozen=True, slots=True)
class TakenEntry(TreeEntry):
    """An entry of another tree that remembers where it was taken from, so that a tree it is put into can be read."""

    origin: TreeView = field(compare=False, repr=False)
    origin_path: str = field(compare=False, repr=False)


def edited_tree(view: TreeView, edits: Mapping[str, Edit]) -> TreeView:
    """The tree that `view` becomes with these edits; ids are the ones Git will give."""
    return _Overlay(view, edits)


class _Overlay:
    """See `edited_tree`."""

    def __init__(self, view: TreeView, edits: Mapping[str, Edit]) -> None:
        self._view = view
        self._edits = dict(edits)
        self._files: dict[str, TreeEntry] = {}
        for path, edit in edits.items():
            if isinstance(edit, bytes):
                old = view.entry(path)
                mode = old.mode if old is not None and old.mode in {FILE, EXECUTABLE} else FILE
                self._files[path] = TreeEntry(path, mode, blob_id(edit))
            elif edit is not None:
                self._files[path] = TreeEntry(path, edit.mode, edit.id)

    def entry(self, path: str) -> TreeEntry | None:
        """What stands at `path`, or None."""
        if path in self._files:
            return self._files[path]
        below = f"{path}/" if path else ""
        if any(edit.startswith(below) for edit in self._edits):
            return folder_entry(path, self.walk(path))
        gone = path in self._edits or any(path.startswith(f"{file}/") for file in self._files)
        return None if gone else self._view.entry(path)

    def walk(self, path: str) -> tuple[TreeEntry, ...]:
        """Every file below the folder `path`, sorted by path."""
        prefix = f"{path}/" if path else ""
        found = {entry.path: entry for entry in self._view.walk(path) if self._stays(entry.path)}
        found.update((file, entry) for file, entry in self._files.items() if file.startswith(prefix))
        return tuple(entry for _, entry in sorted(found.items()))

    def _stays(self, path: str) -> bool:
        """Whether a file of the view is left alone: a file where its folder was, or a folder in its place, ends it."""
        if path in self._edits:
            return False
        return not any(path.startswith(f"{file}/") or file.startswith(f"{path}/") for file in self._files)

    def read(self, path: str) -> bytes:
        """A file's content; Refused where there is none, it is no regular file or larger than 1 MiB."""
        edit = self._edits.get(path)
        if isinstance(edit, bytes):
            if len(edit) > FILE_CAP:
                raise Refused(Problem("is larger than 1 MiB", file=path))
            return edit
        if isinstance(edit, TakenEntry):
            return edit.origin.read(edit.origin_path)
        if edit is not None:
            old = self._view.entry(edit.path)
            if old is None or old.id != edit.id:
                raise Refused(Problem("its new content is known by its id only", file=path))
            return self._view.read(edit.path)
        if self.entry(path) is None:
            raise Refused(Problem("there is no such file", file=path))
        return self._view.read(path)
