"""The worlds that the Repository contract runs in: one server each, of every kind that differs on the wire."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from gitslo.adapters.git_repository import GitRepository
from gitslo.model import CommitId
from gitslo.testing.git_server import BareRepository, GitServer
from gitslo.testing.repository_contract import LEDGERS

AUTHOR = ("gitslo", "gitslo@example.invalid")
USERNAME = "robot"
PASSWORD = "c4nary:t0ken/with%signs"


def client(url: str, cache: Path, **given) -> GitRepository:
    """A client with the settings that most tests want."""
    settings = {"branch": "main", "ledger_prefix": LEDGERS, "author": AUTHOR, "timeout": 20.0, **given}
    return GitRepository(url=url, cache=cache, **settings)


@dataclass
class GitWorld:
    """`RepositoryWorld` on a bare repository."""

    bare: BareRepository
    url: str
    caches: Path
    password: Callable[[], str] | None = None
    numbers: Iterator[int] = field(default_factory=count)

    def repository(self, branch: str = "main") -> GitRepository:
        """A new client with a clone of its own."""
        credentials = {"username": USERNAME, "password": self.password} if self.password else {}
        return client(self.url, self.caches / str(next(self.numbers)), branch=branch, **credentials)

    def commit(
        self,
        files: Mapping[str, bytes | None],
        message: str = "change",
        branch: str = "main",
        modes: Mapping[str, str] | None = None,
    ) -> CommitId:
        """A person commits onto a branch."""
        return self.bare.commit(files, message, branch=branch, modes=modes)

    def set_ref(self, ref: str, new: CommitId | None) -> None:
        """Somebody moves a ref by force."""
        self.bare.set_ref(ref, new)

    def refs(self) -> Mapping[str, CommitId]:
        """Every ref on the remote."""
        return self.bare.refs()

    def read(self, path: str, revision: str = "main") -> bytes:
        """A file's content on the remote."""
        return self.bare.read(path, revision)

    def files(self, revision: str = "main") -> tuple[str, ...]:
        """Every file on the remote."""
        return self.bare.files(revision)


WORLDS = ("file", "http", "http with a password", "http without atomic pushes")


@contextmanager
def git_world(kind: str, folder: Path) -> Iterator[GitWorld]:
    """A fresh world of one kind."""
    config = {"receive.advertiseAtomic": "false"} if "without atomic" in kind else {}
    bare = BareRepository.create(folder / "remotes" / "shop.git", config=config)
    with ExitStack() as stack:
        if not kind.startswith("http"):
            yield GitWorld(bare, bare.url, folder / "caches")
            return
        secured = "password" in kind
        credentials = (USERNAME, PASSWORD) if secured else None
        server = stack.enter_context(GitServer(folder / "remotes", credentials=credentials))
        yield GitWorld(bare, server.url("shop.git"), folder / "caches", (lambda: PASSWORD) if secured else None)
