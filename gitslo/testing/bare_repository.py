"""The server's side of one bare repository, and the people who push to it.

Used by tests and demonstrations, by ours and by those of whoever extends gitslo; `git_server` serves a folder of them.
Must stay true: everything is done by Git itself, with no configuration but the repository's own.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from gitslo.model import CommitId

__all__ = ["BareRepository", "environment"]

_ENVIRONMENT = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
}


def environment(home: Path) -> dict[str, str]:
    """What a Git process on the server's side is given."""
    return {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(home), **_ENVIRONMENT}


class BareRepository:
    """A bare repository as its server and the people who push to it see it.

    Args:
        path: where it lies; see `create`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(
        cls,
        path: Path,
        *,
        branch: str = "main",
        config: Mapping[str, str] | None = None,
        hooks: Mapping[str, str] | None = None,
    ) -> BareRepository:
        """A new, empty one.

        Args:
            path: where; its parents are made.
            branch: what HEAD names.
            config: Git settings, e.g. `{"receive.advertiseAtomic": "false"}`.
            hooks: name -> script with its `#!` line.
        """
        path.mkdir(parents=True)
        repository = cls(path)
        repository.git("init", "-q", "--bare", "--template=", f"--initial-branch={branch}", ".")
        settings = {"gc.auto": "0", "http.receivepack": "true", "uploadpack.allowFilter": "true", **(config or {})}
        for name, value in settings.items():
            repository.git("config", name, value)
        for name, script in (hooks or {}).items():
            repository.hook(name, script)
        return repository

    def hook(self, name: str, script: str) -> None:
        """Install a hook."""
        file = self.path / "hooks" / name
        file.parent.mkdir(exist_ok=True)
        fresh = file.with_name(f".{name}.new")
        fresh.write_text(script)
        fresh.chmod(0o755)
        fresh.replace(file)

    @property
    def url(self) -> str:
        """Its `file://` URL."""
        return f"file://{self.path.absolute()}"

    def git(self, *arguments: str, stdin: bytes = b"") -> bytes:
        """Run Git in the repository.

        Raises:
            CalledProcessError: it failed; the exception's `stderr` says why.
        """
        said = subprocess.run(
            ["git", *arguments],
            cwd=self.path,
            env=environment(self.path),
            input=stdin,
            capture_output=True,
            check=True,
        )
        return said.stdout

    def refs(self) -> dict[str, CommitId]:
        """Every ref and where it is."""
        lines = self.git("for-each-ref", "--format=%(refname) %(objectname)").decode().splitlines()
        return {name: CommitId(tip) for name, tip in (line.split(" ") for line in lines)}

    def tip(self, branch: str = "main") -> CommitId | None:
        """Where a branch is."""
        return self.refs().get(f"refs/heads/{branch}")

    def log(self, revision: str = "main") -> tuple[CommitId, ...]:
        """Every commit that a revision contains, newest first."""
        return tuple(CommitId(line) for line in self.git("rev-list", revision).decode().split())

    def read(self, path: str, revision: str = "main") -> bytes:
        """A file's content."""
        return self.git("cat-file", "blob", f"{revision}:{path}")

    def files(self, revision: str = "main") -> tuple[str, ...]:
        """Every file of a revision, with its mode: `100644 path`."""
        rows = self.git("ls-tree", "-r", "-z", "--format=%(objectmode) %(path)", revision).decode().split("\0")
        return tuple(row for row in rows if row)

    def commit(
        self,
        files: Mapping[str, bytes | None],
        message: str = "change",
        *,
        branch: str = "main",
        author: str = "Ada <ada@example.invalid>",
        modes: Mapping[str, str] | None = None,
        wall: int = 1_700_000_000,
    ) -> CommitId:
        """Somebody commits to a branch, which starts from nothing where it is new.

        Args:
            files: path -> content; None removes it. A submodule's content is the commit's id.
            message: the commit's.
            branch: short name.
            author: `Name <email>`, also the committer.
            modes: path -> mode, where it is not `100644`.
            wall: author and committer date, seconds since the epoch.
        """
        ref, tip = f"refs/heads/{branch}", self.tip(branch)
        text = message.encode()
        lines = [b"feature done", f"commit {ref}".encode(), f"committer {author} {wall} +0000".encode()]
        lines += [b"data %d" % len(text), text]
        lines += [f"from {tip}".encode()] if tip else []
        for path, content in files.items():
            name = path.encode() if path.isprintable() and '"' not in path else _quoted(path)
            mode = (modes or {}).get(path, "100644")
            if content is None:
                lines.append(b"D " + name)
            elif mode == "160000":
                lines.append(b"M 160000 " + content + b" " + name)
            else:
                lines += [b"M " + mode.encode() + b" inline " + name, b"data %d" % len(content), content]
        self.git("fast-import", "--quiet", "--date-format=raw", stdin=b"\n".join([*lines, b"done", b""]))
        made = self.tip(branch)
        assert made is not None  # noqa: S101 - fast-import has just written it
        return made

    def set_ref(self, ref: str, new: str | None) -> None:
        """Move, create or (None) delete a ref, whoever owns it."""
        self.git("update-ref", *(("-d", ref) if new is None else (ref, new)))


def _quoted(path: str) -> bytes:
    return b'"' + b"".join(b"\\%03o" % byte for byte in path.encode()) + b'"'
