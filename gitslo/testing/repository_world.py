"""What the checks of the Repository contract run in, and what several of them begin with.

Used by `repository_reads` and `repository_writes`; a test suite provides a `RepositoryWorld`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from gitslo.model import ByteCount, CommitId
from gitslo.ports import Repository, TreeEntry

__all__ = [
    "CAP",
    "HEAD",
    "LAYOUT",
    "LEDGER",
    "LEDGERS",
    "MODES",
    "NOBODY",
    "RepositoryWorld",
    "entry_at",
    "ledger_entry",
]

LEDGERS = "refs/gitslo/shop/"
"""The namespace in which the world's repositories look for ledgers."""

LEDGER = f"{LEDGERS}dev"
CAP = ByteCount(1000)
NOBODY = CommitId("0123456789" * 4)
"""No repository holds it."""

HEAD = "refs/heads/gitslo/shop/dev/promote"

LAYOUT = {
    "dev/app.yaml": b"image: a\n",
    "dev/run.sh": b"#!/bin/sh\n",
    "dev/deep/er/leaf": b"leaf",
    "dev.yaml": b"beside\n",
    "link": b"dev/app.yaml",
    "grüße/ä b.txt": b"unicode",
}
MODES = {"dev/run.sh": "100755", "link": "120000"}
"""The modes of LAYOUT's files, where they are not `100644`."""


class RepositoryWorld(Protocol):
    """One remote with the branch `main`, the clients that know it, and a person who commits to it."""

    def repository(self, branch: str = "main") -> Repository:
        """A new client with a clone of its own and LEDGERS as its namespace."""

    def commit(
        self,
        files: Mapping[str, bytes | None],
        message: str = "change",
        branch: str = "main",
        modes: Mapping[str, str] | None = None,
    ) -> CommitId:
        """A person commits onto a branch, which starts from nothing where it is new; None removes a file."""

    def set_ref(self, ref: str, new: CommitId | None) -> None:
        """Somebody moves, creates or deletes a ref by force."""

    def refs(self) -> Mapping[str, CommitId]:
        """Every ref on the remote."""

    def read(self, path: str, revision: str = "main") -> bytes:
        """A file's content on the remote."""

    def files(self, revision: str = "main") -> tuple[str, ...]:
        """Every file on the remote with its mode: `100644 path`."""


def entry_at(repository: Repository, commit: CommitId, path: str) -> TreeEntry:
    """What stands at a path."""
    found = repository.resolve(commit, [path])[path]
    if found is None:
        raise AssertionError(f"there is no {path} in {commit}")
    return found


def ledger_entry(repository: Repository, parent: CommitId | None, text: bytes = b"{}") -> CommitId:
    """Build a ledger's next entry, or its first."""
    return repository.commit([parent] if parent else [], None, {"ledger.json": text}, "an entry", 1000.0)
