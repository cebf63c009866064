"""Edits laid over a tree, as new objects: no index, no work tree, no filter.

Called by `repository`. `planned` and `edited_tree` are pure given a reader of trees; `store` hands what was made to
Git, which checks it. Must stay true: what an edit does not name keeps its mode and its object.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from gitslo.adapters.git_repository import grammar
from gitslo.adapters.git_repository.faults import Damaged, cleaned
from gitslo.adapters.git_repository.objects import GitObject, TreeRow, made, pack, tree_object
from gitslo.adapters.git_repository.process import GitProcesses
from gitslo.adapters.git_repository.reading import objects
from gitslo.core.objects import EXECUTABLE, FILE, FOLDER, SUBMODULE, SYMLINK
from gitslo.errors import Problem, Refused
from gitslo.model import ObjectId
from gitslo.ports import Edit, TreeEntry

__all__ = ["Edits", "edited_tree", "entries_of", "planned", "store"]

_MODES = {FILE, EXECUTABLE, FOLDER, SYMLINK, SUBMODULE}
_UNSET = object()

RowsOf = Callable[[Sequence[ObjectId]], Mapping[ObjectId, tuple[TreeRow, ...]]]
"""Reads trees that are known to be there."""


@dataclass(slots=True)
class Edits:
    """The edits of one folder.

    Attributes:
        here: what is put at this very path; `_UNSET` where only something below it changes.
        below: by name.
    """

    here: Edit | object = _UNSET
    below: dict[bytes, Edits] = field(default_factory=dict)


def planned(edits: Mapping[str, Edit]) -> Edits:
    """The edits as a tree of names.

    Raises:
        Refused: a path or an entry is not valid.
    """
    root = Edits()
    for path, edit in edits.items():
        at = root
        for name in grammar.path(path).encode().split(b"/"):
            at = at.below.setdefault(name, Edits())
        if isinstance(edit, TreeEntry):
            grammar.object_id(edit.id)
            if edit.mode not in _MODES:
                raise Refused(Problem(f"mode {edit.mode!r} is none that Git knows", file=path))
        elif edit is not None and not isinstance(edit, bytes):
            raise Refused(Problem("an edit is bytes, a tree entry or None", file=path))
        at.here = edit
    return root


def entries_of(edits: Edits) -> Iterator[TreeEntry]:
    """Every existing object that the edits put somewhere."""
    if isinstance(edits.here, TreeEntry):
        yield edits.here
    for below in edits.below.values():
        yield from entries_of(below)


def edited_tree(
    base: ObjectId | None,
    edits: Edits,
    rows_of: RowsOf,
) -> tuple[ObjectId, list[GitObject]]:
    """The id of the tree that `base` becomes, and the objects it needs, each after those it names.

    Raises:
        Refused: content where a folder is, a file where something is put below it, or bytes through a symlink.
    """
    # Read level by level first, so that one process is asked a few times and not once a folder.
    level = [(base, edits)]
    while level:
        rows_of([identifier for identifier, below in level if identifier is not None and below.below])
        level = [pair for identifier, below in level for pair in _next(identifier, below, rows_of)]
    new: list[GitObject] = []
    rows = _rebuilt("", base, edits, rows_of, new)
    tree = tree_object(rows)
    new.append(tree)
    return tree.id, new


def _rows(identifier: ObjectId | None, rows_of: RowsOf) -> dict[bytes, TreeRow]:
    return {} if identifier is None else {row.name: row for row in rows_of([identifier])[identifier]}


def _base_below(row: TreeRow | None, edits: Edits) -> ObjectId | None:
    """The folder that edits below a path start from."""
    if isinstance(edits.here, TreeEntry):
        return edits.here.id if edits.here.mode == FOLDER else None
    if edits.here is None or row is None or row.mode != FOLDER:
        return None
    return row.id


def _next(
    identifier: ObjectId | None,
    edits: Edits,
    rows_of: RowsOf,
) -> Iterator[tuple[ObjectId | None, Edits]]:
    if not edits.below:
        return
    rows = _rows(identifier, rows_of)
    for name, below in edits.below.items():
        if below.below:
            yield _base_below(rows.get(name), below), below


def _rebuilt(
    path: str,
    identifier: ObjectId | None,
    edits: Edits,
    rows_of: RowsOf,
    new: list[GitObject],
) -> list[TreeRow]:
    rows = _rows(identifier, rows_of)
    for name, below in edits.below.items():
        at = f"{path}/{name.decode()}" if path else name.decode()
        old = rows.pop(name, None)
        if below.below:
            _refuse_below_file(at, old, below)
            inside = _rebuilt(at, _base_below(old, below), below, rows_of, new)
            if inside:  # an empty folder is no folder in Git
                tree = tree_object(inside)
                new.append(tree)
                rows[name] = TreeRow(FOLDER, name, tree.id)
        elif isinstance(below.here, TreeEntry):
            rows[name] = TreeRow(below.here.mode, name, below.here.id)
        elif isinstance(below.here, bytes):
            blob = made("blob", below.here)
            new.append(blob)
            rows[name] = TreeRow(_mode_of_content(at, old), name, blob.id)
    return list(rows.values())


def _refuse_below_file(path: str, old: TreeRow | None, edits: Edits) -> None:
    puts_file = isinstance(edits.here, bytes) or (isinstance(edits.here, TreeEntry) and edits.here.mode != FOLDER)
    stays_file = edits.here is _UNSET and old is not None and old.mode != FOLDER
    if puts_file or stays_file:
        raise Refused(Problem("is a file, and another edit is about something below it", file=path))


def _mode_of_content(path: str, old: TreeRow | None) -> str:
    if old is None:
        return FILE
    if old.mode not in {FILE, EXECUTABLE}:
        kind = {FOLDER: "a folder", SYMLINK: "a symbolic link", SUBMODULE: "a submodule"}.get(old.mode, old.mode)
        raise Refused(Problem(f"is {kind}, and content is not written over that", file=path))
    return old.mode


def store(git: GitProcesses, new: Sequence[GitObject]) -> None:
    """Put objects into the clone; those that are there already stay as they are.

    Raises:
        Damaged: Git does not take them: what they name is not there, or breaks its rules.
    """
    unique = list({each.id: each for each in new}.values())
    stored = git.run("unpack-objects", "-q", "--strict", stdin=pack(unique))
    if stored.code:
        raise Damaged(f"unpack-objects: {cleaned(stored.said)}")
    # A power cut leaves empty files, which Git takes for objects that it need not write.
    with objects(git) as database:
        database.bodies(each.id for each in unique)
