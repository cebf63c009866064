"""From a release to the edits that bring it into an environment, and from a passed tree to those that bring it back.

Called by the loop, each time it looks at an open or possible change. Must stay true:
    * Edits stay inside one environment's folder and never touch its plan.
    * Only what differs is edited, and only the bytes that must: no edits means that nothing is left to do.
    * Equal releases have equal digests in every environment.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from hashlib import sha256

from gitslo.core.discover import tree_of
from gitslo.core.edit import Address, YamlFile, edited
from gitslo.core.objects import name_fault
from gitslo.core.overlay import TakenEntry, edited_tree
from gitslo.core.places import FieldPlace, FilePlace, find, value_of
from gitslo.core.placing import wanted
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
    changes = _Changes()
    for promoted in environment.promoted:
        carrier = find(view, environment, promoted)
        theirs = _same(source_environment, promoted)
        value = recorded.get((promoted.kind, promoted.name))
        if value is None:
            value = value_of(find(source, source_environment, theirs), theirs)
        if isinstance(carrier, FilePlace):
            if carrier.entry.id != value:
                changes.files[carrier.path] = _taken(source, source_environment, theirs, value, carrier.path)
            continue
        verbatim = isinstance(carrier, FieldPlace) and _is_plain(source, source_environment, theirs, value)
        for file, places in wanted(carrier, promoted, value, verbatim=verbatim):
            changes.add(file, places)
    edits = changes.edits()
    _refuse_outside(edits, environment)
    return edits


class _Changes:
    """What several promoted values ask of the same files."""

    def __init__(self) -> None:
        self.files: dict[str, bytes | TreeEntry] = {}
        self._places: dict[str, tuple[YamlFile, dict[Address, NewValue | None]]] = {}

    def add(self, file: YamlFile, places: Mapping[Address, NewValue | None]) -> None:
        """Ask for more in a file; Refused where that contradicts what was asked before."""
        _, known = self._places.setdefault(file.path, (file, {}))
        for address, new in places.items():
            if known.setdefault(address, new) != new:
                hint = "two entries of `promote` name one place"
                raise Refused(Problem(f"{address} would have to be two things at once", file=file.path, hint=hint))

    def edits(self) -> dict[str, bytes | TreeEntry]:
        """Path -> new content, for every file that changes."""
        edits = dict(self.files)
        for path, (file, places) in self._places.items():
            if places and path in edits:
                raise Refused(Problem("is promoted as a whole, and in part as well", file=path))
            if places:
                edits[path] = edited(file, places)
        return dict(sorted(edits.items()))


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
    return TakenEntry(path, carrier.entry.mode, carrier.entry.id, source, carrier.path)


def _refuse_outside(edits: Iterable[str], environment: Environment) -> None:
    for path in edits:
        if not path.startswith(f"{environment.path}/") or path == environment.plan_path or name_fault(path):
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
        path: TakenEntry(path, entry.mode, entry.id, passed, path)
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
