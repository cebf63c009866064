"""A folder on disk as a `TreeView`: what a Git tree of its present content would be.

Used by `gitslo check` and `gitslo test`, which judge files before they are committed. Must stay true: nothing outside
the folder is ever opened (every step is taken relative to an open folder, without following symlinks: CVE-2026-33211
and its kin), `.git` is not looked at, and ids are the ones Git would give.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha1
from pathlib import Path

from gitslo.core.objects import EXECUTABLE, FILE, SYMLINK, blob_id, folder_entry
from gitslo.errors import Problem, Refused
from gitslo.model import ObjectId
from gitslo.ports import FILE_CAP, TreeEntry

__all__ = ["DirectoryView"]

"""Bytes: what `TreeView.read` promises."""
HASH_CAP = 64 * 1024 * 1024
"""Bytes of one file whose id is asked for; a repository of manifests holds nothing like it."""
ENTRIES_CAP = 100_000
"""Files in one walk."""
DEPTH_CAP = 64
"""Folders inside folders."""
_CHUNK = 1024 * 1024
_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# O_NONBLOCK: opening a FIFO that somebody put there must not hang us.
_FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


class DirectoryView:
    """`TreeView` over the folder `root`; each call looks anew.

    Like Git it knows no empty folders, sockets or devices, and of permissions only whether the owner may execute.
    """

    def __init__(self, root: Path) -> None:
        if not root.is_dir():
            raise Refused(Problem("there is no such folder", file=str(root)))
        self._root = root

    def entry(self, path: str) -> TreeEntry | None:
        """What stands at `path`, or None."""
        if path:
            with self._parent(path) as (parent, name):
                found = None if parent is None else _file_entry(parent, name, path)
            if found is not None:
                return found
        return folder_entry(path, self.walk(path))

    def walk(self, path: str) -> tuple[TreeEntry, ...]:
        """Every file below the folder `path`, recursively, sorted by path."""
        found: list[TreeEntry] = []
        if not path:
            folder = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                _walk(folder, "", found, 0)
            finally:
                os.close(folder)
        else:
            with self._parent(path) as (parent, name):
                if parent is not None:
                    _walk_into(parent, name, f"{path}/", found, 0)
        return tuple(sorted(found, key=lambda entry: entry.path))

    def read(self, path: str) -> bytes:
        """A file's content; Refused where there is none, it is no regular file or larger than 1 MiB."""
        with self._parent(path) as (parent, name):
            try:
                facts = None if parent is None else os.stat(name, dir_fd=parent, follow_symlinks=False)
            except OSError:
                facts = None
            if facts is None:
                raise Refused(Problem("there is no such file", file=path))
            if not stat.S_ISREG(facts.st_mode):
                raise Refused(Problem("is not a regular file", file=path))
            if facts.st_size > FILE_CAP:
                raise Refused(Problem("is larger than 1 MiB", file=path))
            with _opened(parent, name, path) as file:
                data = b"".join(_chunks(file, FILE_CAP + 1))
        if len(data) > FILE_CAP:
            raise Refused(Problem("is larger than 1 MiB", file=path))
        return data

    @contextmanager
    def _parent(self, path: str) -> Iterator[tuple[int | None, str]]:
        """An open descriptor of the folder that holds `path` (None where there is none), and its last part."""
        *folders, name = path.split("/")
        if any(part in {"", ".", "..", ".git"} or "\0" in part for part in (*folders, name)):
            yield None, name
            return
        at = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for folder in folders:
                try:
                    below = os.open(folder, _FOLDER_FLAGS, dir_fd=at)
                except OSError:
                    yield None, name
                    return
                os.close(at)
                at = below
            yield at, name
        finally:
            os.close(at)


def _walk_into(parent: int, name: str, prefix: str, found: list[TreeEntry], depth: int) -> None:
    with suppress(NotADirectoryError, FileNotFoundError):
        try:
            folder = os.open(name, _FOLDER_FLAGS, dir_fd=parent)
        except PermissionError as error:
            raise Refused(Problem("may not be read", file=prefix.rstrip("/"))) from error
        except OSError as error:
            # ELOOP: it became a symlink between two looks; Linux also says ENOTDIR, which is suppressed above.
            if isinstance(error, FileNotFoundError | NotADirectoryError):
                raise
            raise Refused(Problem(f"cannot be opened: {error.strerror}", file=prefix.rstrip("/"))) from error
        try:
            _walk(folder, prefix, found, depth)
        finally:
            os.close(folder)


def _walk(folder: int, prefix: str, found: list[TreeEntry], depth: int) -> None:
    if depth > DEPTH_CAP:
        raise Refused(Problem(f"lies more than {DEPTH_CAP} folders deep", file=prefix.rstrip("/")))
    with os.scandir(folder) as listing:
        items = [(item.name, item.is_dir(follow_symlinks=False)) for item in listing]
    for name, is_folder in items:
        if name == ".git":
            continue
        path = prefix + name
        try:
            name.encode()
        except UnicodeEncodeError as error:
            shown = os.fsencode(path).decode("utf-8", "backslashreplace")
            raise Refused(Problem("has a name that is not UTF-8", file=shown)) from error
        if is_folder:
            _walk_into(folder, name, f"{path}/", found, depth + 1)
            continue
        entry = _file_entry(folder, name, path)
        if entry is not None:
            found.append(entry)
        if len(found) > ENTRIES_CAP:
            raise Refused(Problem(f"there are more than {ENTRIES_CAP} files", file=prefix.rstrip("/") or "."))


def _file_entry(parent: int, name: str, path: str) -> TreeEntry | None:
    try:
        facts = os.stat(name, dir_fd=parent, follow_symlinks=False)
        if stat.S_ISLNK(facts.st_mode):
            return TreeEntry(path, SYMLINK, blob_id(os.fsencode(os.readlink(name, dir_fd=parent))))
    except OSError:
        return None
    if not stat.S_ISREG(facts.st_mode):
        return None
    if facts.st_size > HASH_CAP:
        raise Refused(Problem(f"is larger than {HASH_CAP // (1024 * 1024)} MiB", file=path))
    digest = sha1(b"blob %d\0" % facts.st_size, usedforsecurity=False)
    hashed = 0
    with _opened(parent, name, path) as file:
        for chunk in _chunks(file, facts.st_size + 1):
            digest.update(chunk)
            hashed += len(chunk)
    if hashed != facts.st_size:
        raise Refused(Problem("changed while it was read", file=path))
    mode = EXECUTABLE if facts.st_mode & stat.S_IXUSR else FILE
    return TreeEntry(path, mode, ObjectId(digest.hexdigest()))


@contextmanager
def _opened(parent: int | None, name: str, path: str) -> Iterator[int]:
    try:
        file = os.open(name, _FILE_FLAGS, dir_fd=parent)
    except OSError as error:
        raise Refused(Problem(f"cannot be read: {error.strerror}", file=path)) from error
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise Refused(Problem("is not a regular file", file=path))
        yield file
    finally:
        os.close(file)


def _chunks(file: int, limit: int) -> Iterator[bytes]:
    while limit > 0 and (chunk := os.read(file, min(_CHUNK, limit))):
        limit -= len(chunk)
        yield chunk
