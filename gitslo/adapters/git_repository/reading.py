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
        self.commits([commit])
        body = self.bodies([ObjectId(commit)])[ObjectId(commit)]
        return ObjectId(body[5:45].decode("ascii", "replace"))

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
        found: dict[str, TreeEntry | None] = {}
        open_paths = {path: path.encode().split(b"/") if path else [] for path in paths}
        at = dict.fromkeys(open_paths, TreeRow(FOLDER, b"", root))
        while open_paths:
            for path, left in list(open_paths.items()):
                if not left:
                    found[path] = TreeEntry(path, at[path].mode, at[path].id)
                elif at[path].mode != FOLDER:
                    found[path] = None
                else:
                    continue
                del open_paths[path]
            rows = self.trees(at[path].id for path in open_paths)
            named = {at[path].id: {row.name: row for row in rows[at[path].id]} for path in open_paths}
            for path, left in list(open_paths.items()):
                row = named[at[path].id].get(left.pop(0))
                if row is None:
                    found[path] = None
                    del open_paths[path]
                else:
                    at[path] = row
        return found

    def walk(self, root: ObjectId, path: str) -> tuple[TreeEntry, ...]:
        """Every entry below the folder `path` that is no folder, sorted by path.

        Raises:
            Refused: more than 200,000 of them (a few objects can unfold into billions), or a name is no UTF-8.
        """
        entry = self.resolve(root, [path])[path]
        if entry is None or entry.mode != FOLDER:
            return ()
        files: list[TreeEntry] = []
        level = [(f"{path}/" if path else "", entry.id)]
        while level:
            trees = self.trees(identifier for _, identifier in level)
            below: list[tuple[str, ObjectId]] = []
            for prefix, identifier in level:
                for row in trees[identifier]:
                    if row.mode == FOLDER:
                        below.append((f"{prefix}{_text(prefix, row.name)}/", row.id))
                    else:
                        files.append(TreeEntry(prefix + _text(prefix, row.name), row.mode, row.id))
                if len(files) + len(below) > _MOST_FILES:
                    raise Refused(Problem(f"holds more than {_MOST_FILES} files", file=path or "."))
            level = below
        return tuple(sorted(files, key=lambda file: file.path))

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
