"""Git's objects as bytes: reading trees, writing blobs, trees and commits, and packing what was written.

Pure. Called by `reading` and `commits`. Ids are SHA-1 as Git computes them; Git itself checks what is packed here when
it unpacks it (`unpack-objects --strict`).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha1

from gitslo.model import CommitId, ObjectId

__all__ = ["GitObject", "TreeRow", "commit_object", "made", "pack", "parse_tree", "tree_object"]

_NUMBERS = {"commit": 1, "tree": 2, "blob": 3}
_ID_BYTES = 20


@dataclass(frozen=True, slots=True)
class GitObject:
    """One object.

    Attributes:
        kind: `blob`, `tree` or `commit`.
    """

    kind: str
    id: ObjectId
    body: bytes


@dataclass(frozen=True, slots=True)
class TreeRow:
    """One row of a tree object; `mode` has six digits, names are bytes because trees hold any."""

    mode: str
    name: bytes
    id: ObjectId


def made(kind: str, body: bytes) -> GitObject:
    """The object with this body."""
    digest = sha1(b"%s %d\0" % (kind.encode(), len(body)) + body, usedforsecurity=False)
    return GitObject(kind, ObjectId(digest.hexdigest()), body)


def parse_tree(body: bytes) -> tuple[TreeRow, ...]:
    """The rows of a tree object.

    Raises:
        ValueError: it is none.
    """
    rows: list[TreeRow] = []
    at = 0
    while at < len(body):
        blank = body.index(b" ", at)
        end = body.index(b"\0", blank)
        after = end + 1 + _ID_BYTES
        if after > len(body):
            raise ValueError("the tree is cut off")
        mode = body[at:blank].decode("ascii").zfill(6)
        rows.append(TreeRow(mode, body[blank + 1 : end], ObjectId(body[end + 1 : after].hex())))
        at = after
    return tuple(rows)


def tree_object(rows: Iterable[TreeRow]) -> GitObject:
    """The tree with these rows, in any order."""

    def order(row: TreeRow) -> bytes:
        # Git sorts a folder as if its name ended with a slash.
        return row.name + b"/" if row.mode == "040000" else row.name

    body = b"".join(
        b"%s %s\0%s" % (row.mode.lstrip("0").encode(), row.name, bytes.fromhex(row.id))
        for row in sorted(rows, key=order)
    )
    return made("tree", body)


def commit_object(
    tree: ObjectId,
    parents: Sequence[CommitId],
    author: tuple[str, str],
    wall: int,
    message: str,
    sign: Callable[[bytes, int], str] | None = None,
) -> GitObject:
    """A commit whose author and committer are the same, at `wall` seconds since the epoch, UTC.

    Args:
        tree, parents, author, wall, message: what is in it.
        sign: (the commit without its signature, `wall`) -> the signature, which becomes the last header.

    Raises:
        UnicodeEncodeError: the message is no Unicode text.
    """
    who = f"{author[0]} <{author[1]}> {wall} +0000"
    head = [f"tree {tree}", *(f"parent {parent}" for parent in parents), f"author {who}", f"committer {who}"]
    body = f"\n\n{message.rstrip(chr(10))}\n".encode()
    unsigned = "\n".join(head).encode()
    if sign is None:
        return made("commit", unsigned + body)
    # a header of many lines: each after the first begins with a blank (signature-format of Git's documentation)
    signature = sign(unsigned + body, wall).replace("\n", "\n ")
    return made("commit", unsigned + f"\ngpgsig {signature}".encode() + body)


def pack(objects: Sequence[GitObject]) -> bytes:
    """A version 2 pack of whole objects, in the given order."""
    parts = [b"PACK" + struct.pack(">II", 2, len(objects))]
    for each in objects:
        size = len(each.body)
        byte = (_NUMBERS[each.kind] << 4) | (size & 0x0F)
        size >>= 4
        header = bytearray()
        while size:
            header.append(byte | 0x80)
            byte = size & 0x7F
            size >>= 7
        header.append(byte)
        parts += [bytes(header), zlib.compress(each.body)]
    whole = b"".join(parts)
    return whole + sha1(whole, usedforsecurity=False).digest()
