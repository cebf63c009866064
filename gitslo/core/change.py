"""From a release to the edits that bring it into an environment, and from a passed tree to those that bring it back.

Called by the loop, each time it looks at an open or possible change. Must stay true:
    * Edits stay inside one environment's folder and never touch its plan.
    * Only what differs is edited, and only the bytes that must: no edits means that nothing is left to do.
    * Equal releases have equal digests in every environment.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256

from gitslo.core.discover import tree_of
from gitslo.core.edit import Address, YamlFile, edited
from gitslo.core.objects import EXECUTABLE, FILE, FOLDER, blob_id, folder_entry
from gitslo.core.places import FieldPlace, FilePlace, find, value_of, wanted
from gitslo.core.scalars import NewValue
from gitslo.errors import Problem, Refused
from gitslo.model import Environment, Promoted, Release, ReleaseValue
from gitslo.ports import Edit, TreeEntry, TreeView

__all__ = ["edited_tree", "promotion_edits", "release_of", "revert_edits", "shared_inputs_changed"]


# --------------------------------------------------------------------------- releases


def release_of(view: TreeView, environment: Environment) -> Release:
    """The values that `promote` names, as the environment's folder carries them at this revision.

    Raises:
        Refused: a value is missing, or its places disagree.
    """
    values = tuple(
        ReleaseValue(promoted.kind, promoted.name, value_of(find(view, environment, promoted), promoted))
        for promoted in environment.promoted
    )
    return Release(values, _digest(values))


def _digest(values: Iterable[ReleaseValue]) -> str:
    # Sorted: who reorders `promote` has not made another release.
    rows = sorted([str(value.kind), value.name, value.value] for value in values)
    return sha256(json.dumps(rows, ensure_ascii=True, separators=(",", ":")).encode()).hexdigest()


# --------------------------------------------------------------------------- promotion


def promotion_edits(
    view: TreeView,
    environment: Environment,
    release: Release,
    source: TreeView,
    source_environment: Environment,
) -> dict[str, bytes | TreeEntry]:
    """What must change in `environment` so that it carries `release`.

    Args:
        view: the revision that the edits apply to.
        environment: the target.
        release: as it passed; a value that it lacks (`promote` has grown since) is read from the source.
        source: the revision at which it passed.
        source_environment: where it passed; the target itself where a revert restores the release only.

    Returns:
        path -> new content, or the source's file; empty where the target carries the release already.

    Raises:
        Refused: a place is missing, or cannot be changed without touching what is around it.
    """
    recorded = {(value.kind, value.name): value.value for value in release.values}
    changes: dict[str, tuple[YamlFile, dict[Address, NewValue | None]]] = {}
    files: dict[str, bytes | TreeEntry] = {}
    for promoted in environment.promoted:
        carrier = find(view, environment, promoted)
        theirs = _same(source_environment, promoted)
        value = recorded.get((promoted.kind, promoted.name))
        if value is None:
            value = value_of(find(source, source_environment, theirs), theirs)
        if isinstance(carrier, FilePlace):
            if carrier.entry.id != value:
                files[carrier.path] = _taken(source, source_environment, theirs, value, carrier.path)
            continue
        verbatim = isinstance(carrier, FieldPlace) and _is_plain(source, source_environment, theirs, value)
        for file, places in wanted(carrier, promoted, value, verbatim=verbatim):
            _, known = changes.setdefault(file.path, (file, {}))
            for address, new in places.items():
                if known.setdefault(address, new) != new:
                    hint = "two entries of `promote` name one place"
                    raise Refused(Problem(f"{address} would have to be two things at once", file=file.path, hint=hint))
    for path, (file, places) in changes.items():
        if places and path in files:
            raise Refused(Problem("is promoted as a whole, and in part as well", file=path))
        if places:
            files[path] = edited(file, places)
    _refuse_outside(files, environment)
    return files


def _same(source_environment: Environment, promoted: Promoted) -> Promoted:
    for theirs in source_environment.promoted:
        if (theirs.kind, theirs.name) == (promoted.kind, promoted.name):
            return theirs
    raise Refused(Problem(f"{source_environment.name!r} has no {promoted.kind} {promoted.name!r} to promote"))


def _is_plain(source: TreeView, environment: Environment, promoted: Promoted, value: str) -> bool:
    """Whether a field stands without quotes where it comes from: `3` is then a number, and stays one."""
    carrier = find(source, environment, promoted)
    return isinstance(carrier, FieldPlace) and not carrier.spot.scalar.style and carrier.spot.scalar.value == value


def _taken(source: TreeView, environment: Environment, promoted: Promoted, value: str, path: str) -> TreeEntry:
    carrier = find(source, environment, promoted)
    if not isinstance(carrier, FilePlace) or carrier.entry.id != value:
        raise Refused(Problem(f"{promoted.name!r} is not the file that passed in {environment.name!r}", file=path))
    return _Taken(path, carrier.entry.mode, carrier.entry.id, source, carrier.path)


def _refuse_outside(edits: Iterable[str], environment: Environment) -> None:
    for path in edits:
        if not path.startswith(f"{environment.path}/") or path == environment.plan_path:
            message = f"a change of {environment.name!r} may not touch this file"
            raise Refused(Problem(message, file=path, hint="writes stay in the environment's folder, and off its plan"))


# --------------------------------------------------------------------------- revert


def revert_edits(view: TreeView, passed: TreeView, environment: Environment) -> dict[str, Edit]:
    """What must change so that the folder, its plan apart, is again what it was in `passed`; empty: it is already."""
    now, then = (
        {entry.path: entry for entry in tree.walk(environment.path) if entry.path != environment.plan_path}
        for tree in (view, passed)
    )
    edits: dict[str, Edit] = {
        path: _Taken(path, entry.mode, entry.id, passed, path)
        for path, entry in then.items()
        if path not in now or (now[path].mode, now[path].id) != (entry.mode, entry.id)
    }
    edits.update(dict.fromkeys(path for path in now if path not in then))
    return dict(sorted(edits.items()))


def shared_inputs_changed(view: TreeView, passed: TreeView, environment: Environment) -> tuple[str, ...]:
    """The files outside the folder that would still differ from `passed` if the folder were restored, sorted.

    Where there are any, restoring the folder does not bring back what passed.
    """
    then = set(tree_of(passed, environment).inputs)
    restored = edited_tree(view, revert_edits(view, passed, environment))
    try:
        now = set(tree_of(restored, environment).inputs)
    except Refused:
        now = set()  # what the folder references is gone or broken, which the comparison below must show
        if not any(_differs(view, passed, path) for path in then):
            raise
    return tuple(sorted(path for path in then | now if _differs(view, passed, path)))


def _differs(view: TreeView, passed: TreeView, path: str) -> bool:
    now, then = view.entry(path), passed.entry(path)
    return (now and (now.mode, now.id)) != (then and (then.mode, then.id))


# --------------------------------------------------------------------------- trees with edits laid over them


@dataclass(frozen=True, slots=True)
class _Taken(TreeEntry):
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
        old = self._view.entry(path)
        below = f"{path}/" if path else ""
        if any(edit.startswith(below) for edit in self._edits):
            return folder_entry(path, self.walk(path))
        gone = path in self._edits or any(path.startswith(f"{file}/") for file in self._files)
        return None if gone or (old is not None and old.mode == FOLDER and not self.walk(path)) else old

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
        """A file's content; Refused where there is none, it is no regular file or larger than 256 KiB."""
        edit = self._edits.get(path)
        if isinstance(edit, bytes):
            return edit
        if isinstance(edit, _Taken):
            return edit.origin.read(edit.origin_path)
        if edit is not None:
            old = self._view.entry(edit.path)
            if old is None or old.id != edit.id:
                raise Refused(Problem("its new content is known by its id only", file=path))
            return self._view.read(edit.path)
        if self.entry(path) is None:
            raise Refused(Problem("there is no such file", file=path))
        return self._view.read(path)
