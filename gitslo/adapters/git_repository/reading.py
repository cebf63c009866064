"""Trees and blobs by id, in one `cat-file` process however many are asked, each checked against its own id.

Called by `repository`. Trees are walked here, level by level, and not by Git's `<commit>:<path>`: Git says "missing"
alike for a path that is not there and for a tree object that is lost, and lost data must never look like a deletion.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence

from gitslo.adapters.git_repository.child import Child
from gitslo.adapters.git_repository.faults import Absent, Damaged
from gitslo.adapters.git_repository.objects import TreeRow, made, parse_tree
from gitslo.adapters.git_repository.process import GitProcesses
from gitslo.adapters.git_repository.replies import CatReplies, Held
from gitslo.core.objects import FOLDER, SUBMODULE
from gitslo.errors import Problem, Refused
from gitslo.model import CommitId, ObjectId
from gitslo.ports import TreeEntry

__all__ = ["Objects", "objects"]

_TREES_CAP = 1 << 28
_MOST_FILES = 200_000


class Objects:
    """One `cat-file --batch-command` process under way.

    Args:
        child: the process.
    """

    def __init__(self, child: Child) -> None:
        self._child = child
        self._trees: dict[ObjectId, tuple[TreeRow, ...]] = {}

    def _ask(self, command: str, names: Sequence[str], *, contents: bool) -> list[Held | None]:
        if not names:
            return []
        replies = CatReplies((contents,) * len(names))
        asked = "".join(f"{command} {name}\n" for name in names).encode()
        try:
            self._child.exchange(asked, replies.feed)
        except ValueError as error:
            raise Damaged(f"cat-file: {error}") from error
        if len(replies.replies) < len(names):
            raise Damaged("cat-file ended early")
        return replies.replies

    def info(self, ids: Iterable[ObjectId | CommitId]) -> dict[str, Held | None]:
        """Kind and size of each, None where it is not here."""
        wanted = list(dict.fromkeys(ids))
        return dict(zip(wanted, self._ask("info", wanted, contents=False), strict=True))

    def bodies(self, ids: Iterable[ObjectId]) -> dict[ObjectId, bytes]:
        """The contents of objects that are known to be here.

        Raises:
            Damaged: one is not, or is not what its id says.
        """
        wanted = list(dict.fromkeys(ids))
        found: dict[ObjectId, bytes] = {}
        for identifier, held in zip(wanted, self._ask("contents", wanted, contents=True), strict=True):
            if held is None or held.body is None or made(held.kind, held.body).id != identifier:
                raise Damaged(f"{identifier} is lost or altered")
            found[identifier] = held.body
        return found

    def commits(self, ids: Iterable[CommitId]) -> None:
        """See that these are commits and here.

        Raises:
            Absent: some are not here.
            Refused: one is something else.
        """
        found = self.info(ids)
        if absent := [identifier for identifier, held in found.items() if held is None]:
            raise Absent(absent)
        for identifier, held in found.items():
            if held is not None and held.kind != "commit":
                raise Refused(f"{identifier} is a {held.kind} and no commit")

    def root(self, commit: CommitId) -> ObjectId:
        """The id of a commit's tree; raises as `commits`."""
        return self.roots([commit])[commit]

    def roots(self, commits: Iterable[CommitId]) -> dict[CommitId, ObjectId]:
        """The ids of the commits' trees; raises as `commits`."""
        wanted = list(dict.fromkeys(commits))
        self.commits(wanted)
        bodies = self.bodies(ObjectId(commit) for commit in wanted)
        return {commit: ObjectId(bodies[ObjectId(commit)][5:45].decode("ascii", "replace")) for commit in wanted}

    def trees(self, ids: Iterable[ObjectId]) -> Mapping[ObjectId, tuple[TreeRow, ...]]:
        """The rows of trees that are known to be here, each read once."""
        new = [identifier for identifier in dict.fromkeys(ids) if identifier not in self._trees]
        for identifier, body in self.bodies(new).items():
            try:
                self._trees[identifier] = parse_tree(body)
            except ValueError as error:
                raise Damaged(f"{identifier}: {error}") from error
        return self._trees

    def resolve(self, root: ObjectId, paths: Iterable[str]) -> dict[str, TreeEntry | None]:
        """What each path is below the tree `root`; the empty path is that tree itself."""
        found = self.resolve_all((root, path) for path in paths)
        return {path: entry for (_, path), entry in found.items()}

    def resolve_all(self, pairs: Iterable[tuple[ObjectId, str]]) -> dict[tuple[ObjectId, str], TreeEntry | None]:
        """What each path is below the tree beside it."""
        found: dict[tuple[ObjectId, str], TreeEntry | None] = {}
        open_pairs = {(root, path): path.encode().split(b"/") if path else [] for root, path in pairs}
        at = {pair: TreeRow(FOLDER, b"", pair[0]) for pair in open_pairs}
        while open_pairs:
            for pair, left in list(open_pairs.items()):
                if not left:
                    found[pair] = TreeEntry(pair[1], at[pair].mode, at[pair].id)
                elif at[pair].mode != FOLDER:
                    found[pair] = None
                else:
                    continue
                del open_pairs[pair]
            ids = {at[pair].id for pair in open_pairs}
            rows = self.trees(ids)
            named = {identifier: {row.name: row for row in rows[identifier]} for identifier in ids}
            for pair, left in list(open_pairs.items()):
                row = named[at[pair].id].get(left.pop(0))
                if row is None:
                    found[pair] = None
                    del open_pairs[pair]
                else:
                    at[pair] = row
        return found

    def walk(self, root: ObjectId, path: str) -> tuple[TreeEntry, ...]:
        """Every entry below the folder `path` that is no folder, sorted by path.

        Raises:
            Refused: more than 200,000 of them (a few objects can unfold into billions), or a name is no UTF-8.
        """
        return self.walk_all(root, [path])[path]

    def walk_all(self, root: ObjectId, paths: Iterable[str]) -> dict[str, tuple[TreeEntry, ...]]:
        """As `walk`, for several folders at once; Refused also for more than 200,000 entries in sum."""
        files: dict[str, list[TreeEntry]] = {}
        level: list[tuple[str, str, ObjectId]] = []
        for path, entry in self.resolve(root, paths).items():
            files[path] = []
            if entry is not None and entry.mode == FOLDER:
                level.append((path, f"{path}/" if path else "", entry.id))
        seen = 0
        while level:
            trees = self.trees(identifier for _, _, identifier in level)
            below: list[tuple[str, str, ObjectId]] = []
            for path, prefix, identifier in level:
                for row in trees[identifier]:
                    full = prefix + _text(prefix, row.name)
                    if row.mode == FOLDER:
                        below.append((path, f"{full}/", row.id))
                    else:
                        files[path].append(TreeEntry(full, row.mode, row.id))
                        seen += 1
                if seen + len(below) > _MOST_FILES:
                    raise Refused(Problem(f"holds more than {_MOST_FILES} files", file=path or "."))
            level = below
        return {path: tuple(sorted(found, key=lambda file: file.path)) for path, found in files.items()}

    def changes(self, old: ObjectId, new: ObjectId, most: int) -> dict[str, TreeEntry | None] | None:
        """What stands below the tree `new` where `old` has something else; None where that is more than `most` paths.

        Only folders that differ are read. A name that is no UTF-8 is left out: no path of ours can be it.
        """
        found: dict[str, TreeEntry | None] = {}
        level: list[tuple[str, ObjectId | None, ObjectId | None]] = [("", old, new)] if old != new else []
        while level:
            trees = self.trees(identifier for _, *both in level for identifier in both if identifier is not None)
            below: list[tuple[str, ObjectId | None, ObjectId | None]] = []
            for prefix, tree_was, tree_is in level:
                before = {row.name: row for row in trees[tree_was]} if tree_was else {}
                after = {row.name: row for row in trees[tree_is]} if tree_is else {}
                for name in before.keys() | after.keys():
                    was, now = before.get(name), after.get(name)
                    if was == now or (path := _path(prefix, name)) is None:
                        continue
                    found[path] = TreeEntry(path, now.mode, now.id) if now is not None else None
                    folder_was, folder_is = _folder(was), _folder(now)
                    if folder_was or folder_is:
                        below.append((f"{path}/", folder_was, folder_is))
                if len(found) > most:
                    return None
            level = below
        return found

    def fitting(self, entries: Iterable[TreeEntry]) -> None:
        """See that existing objects are here and of the kind their modes say.

        Raises:
            Absent: some are not here.
            Refused: one is of another kind.
        """
        wanted = [entry for entry in entries if entry.mode != SUBMODULE]
        found = self.info(entry.id for entry in wanted)
        if absent := [identifier for identifier, held in found.items() if held is None]:
            raise Absent(absent)
        for entry in wanted:
            held = found[entry.id]
            kind = "tree" if entry.mode == FOLDER else "blob"
            if held is not None and held.kind != kind:
                raise Refused(Problem(f"object {entry.id} is a {held.kind}, mode {entry.mode} needs a {kind}"))


def _folder(row: TreeRow | None) -> ObjectId | None:
    return row.id if row is not None and row.mode == FOLDER else None


def _path(prefix: str, name: bytes) -> str | None:
    try:
        return prefix + name.decode()
    except UnicodeDecodeError:
        return None


def _text(prefix: str, name: bytes) -> str:
    try:
        return name.decode()
    except UnicodeDecodeError:
        shown = prefix + name.decode(errors="backslashreplace")
        raise Refused(Problem("the file's name is not UTF-8", file=shown, hint="rename it")) from None


@contextlib.contextmanager
def objects(git: GitProcesses, cap: int = _TREES_CAP) -> Iterator[Objects]:
    """One process that answers for the object database; `cap` bytes in all."""
    with git.child("cat-file", "--batch-command", cap=cap) as child:
        yield Objects(child)
