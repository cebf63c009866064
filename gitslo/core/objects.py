"""Git's object ids, computed as Git does, and the modes and names a tree may hold.

Called by the views that are no Git tree themselves (a folder on disk, a fake, a tree with edits laid over it) and by
`discover`, which refuses what is no plain file. Must stay true: an id from here equals the one `git hash-object` and
`git write-tree` give (SHA-1 repositories).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from hashlib import sha1

from gitslo.model import ObjectId
from gitslo.ports import TreeEntry

__all__ = [
    "EXECUTABLE",
    "FILE",
    "FOLDER",
    "SUBMODULE",
    "SYMLINK",
    "blob_id",
    "folder_entry",
    "name_fault",
    "twin_key",
]

_Folder = dict[str, "TreeEntry | _Folder"]

FILE = "100644"
EXECUTABLE = "100755"
FOLDER = "040000"
SYMLINK = "120000"
SUBMODULE = "160000"

# HFS+ ignores these in names, so `.g\u200cit` is `.git` there (git's is_hfs_dotgit, CVE-2014-9390).
_IGNORED = dict.fromkeys([0x200C, 0x200D, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x206A, 0x2070), 0xFEFF], None)


def blob_id(data: bytes) -> ObjectId:
    """The id of a blob with this content."""
    return ObjectId(sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest())


def folder_entry(path: str, files: Iterable[TreeEntry]) -> TreeEntry | None:
    """The entry of the folder `path` that holds exactly `files` (all of them below it), or None where there are none.

    Args:
        path: the folder; empty for the root.
        files: every file below it, recursively, in any order.
    """
    prefix = len(path) + 1 if path else 0
    root: _Folder = {}
    for file in files:
        *folders, name = file.path[prefix:].split("/")
        at = root
        for folder in folders:
            below = at.setdefault(folder, {})
            if isinstance(below, TreeEntry):  # a file where another file's folder is: no Git tree is like that
                below = at[folder] = {}
            at = below
        at[name] = file
    return TreeEntry(path, FOLDER, _tree_id(root)) if root else None


def _tree_id(folder: _Folder) -> ObjectId:
    rows: list[tuple[bytes, bytes]] = []
    for name, value in folder.items():
        raw = name.encode()
        if isinstance(value, TreeEntry):
            rows.append((raw, b"%s %s\0%s" % (value.mode.encode(), raw, bytes.fromhex(value.id))))
        else:
            # Git sorts a folder as if its name ended with a slash, and writes its mode without the leading zero.
            rows.append((raw + b"/", b"40000 %s\0%s" % (raw, bytes.fromhex(_tree_id(value)))))
    body = b"".join(row for _, row in sorted(rows))
    return ObjectId(sha1(b"tree %d\0" % len(body) + body, usedforsecurity=False).hexdigest())


def twin_key(path: str) -> str:
    """Equal for paths that some file systems take for one: they differ in case or Unicode normal form only."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def name_fault(path: str) -> str:
    """Why no tree of ours may hold this path, or empty.

    Names that mean something else on some system a clone may live on (`.git` in disguise, `..`, backslashes, control
    characters) are never what an author of manifests wants.
    """
    for name in path.split("/"):
        if name in {"", ".", ".."}:
            return f"has the empty or relative part {name!r}"
        if "\\" in name or any(unicodedata.category(character) in {"Cc", "Cs"} for character in name):
            return "has a backslash or a control character in it"
        bare = twin_key(name.translate(_IGNORED)).split(":")[0].rstrip(" .")
        if bare in {".git", "git~1"}:
            return f"has a part {name!r} that some file systems take for `.git`"
    return ""
