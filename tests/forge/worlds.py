"""Forge worlds for the contract suite: a bare repository with people around it, and the fake."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path

from gitslo.adapters.git_repository import GitRepository
from gitslo.adapters.local_forge import LocalForge
from gitslo.model import CommitId
from gitslo.ports import Forge, Issue, Status
from gitslo.testing.fake_forge import FakeForge, FakeServer

WALL = 1_790_000_000.0

_HOOK = """#!/bin/sh
while read old new ref; do
    case "$ref" in refs/gitslo/*) ;; *) seen=1 ;; esac
done
[ -z "$seen" ] || echo push >> "$GIT_DIR/pushes"
"""


class GitWorld:
    """A bare repository, reached over `file://`, and clients with clones of their own."""

    base = "main"

    def __init__(self, folder: Path, *, atomic: bool = True) -> None:
        self.folder = folder
        self.bare = folder / "env.git"
        self.url = f"file://{self.bare}"
        self._clients = 0
        self.git("init", "-q", "--bare", "-b", "main", str(self.bare), bare=False)
        self.git("config", "receive.advertiseAtomic", "true" if atomic else "false")
        hook = self.bare / "hooks" / "post-receive"
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(_HOOK)
        hook.chmod(0o755)
        first = self.push("main", "image", "v1")
        # Whether a server is atomic is asked as soon as there is a ledger.
        self.git("update-ref", "refs/gitslo/shop/dev", first)

    def git(self, *arguments: str, stdin: str = "", bare: bool = True) -> str:
        """Run Git as a person on the server, with no configuration but the repository's."""
        where = [f"--git-dir={self.bare}"] if bare else []
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_AUTHOR_NAME": "Ada",
            "GIT_AUTHOR_EMAIL": "ada@example.com",
            "GIT_COMMITTER_NAME": "Ada",
            "GIT_COMMITTER_EMAIL": "ada@example.com",
        }
        done = subprocess.run(
            ["git", *where, *arguments],
            input=stdin,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        return done.stdout.strip()

    def repository(self) -> GitRepository:
        """A new clone."""
        self._clients += 1
        return GitRepository(
            url=self.url,
            branch="main",
            cache=self.folder / f"cache-{self._clients}",
            ledger_prefix="refs/gitslo/shop/",
            author=("gitslo", "gitslo@example.com"),
        )

    def forge(self) -> LocalForge:
        return LocalForge(self.repository(), account="gitslo", wall=lambda: WALL)

    def person(self, name: str) -> LocalForge:
        """A person with `gitslo pulls`."""
        return LocalForge(self.repository(), account=name, wall=lambda: WALL, person=True)

    def push(self, branch: str, path: str, content: str) -> CommitId:
        parent = self.tip(branch) or self.tip("main")
        files = {}
        for line in self.git("ls-tree", parent).splitlines() if parent else ():
            meta, name = line.split("\t")
            files[name] = meta
        blob = self.git("hash-object", "-w", "--stdin", stdin=content)
        files[path] = f"100644 blob {blob}"
        tree = self.git("mktree", stdin="".join(f"{meta}\t{name}\n" for name, meta in files.items()))
        parents = ["-p", parent] if parent else []
        commit = self.git("commit-tree", tree, *parents, "-m", f"{branch}: {path} {content}")
        self.git("update-ref", f"refs/heads/{branch}", commit)
        return CommitId(commit)

    def tip(self, branch: str) -> CommitId | None:
        found = self.git("for-each-ref", "--format=%(objectname)", f"refs/heads/{branch}")
        return CommitId(found) if found else None

    def read(self, branch: str, path: str) -> str | None:
        return self.git("cat-file", "-p", f"refs/heads/{branch}:{path}")

    def person_closes(self, number: int, name: str) -> None:
        self.person(name).close(number, "no")

    def person_merges(self, number: int, name: str) -> CommitId:
        person = self.person(name)
        return person.merge(number, person.pull(number).head_commit, "Merge by hand")

    def comments(self, number: int) -> tuple[tuple[str, str], ...]:
        found = self.forge().pull(number).comments
        return tuple((each.marker, each.body) for each in found if each.marker not in {"", "closed"})

    def commit_comments(self, commit: CommitId) -> tuple[tuple[str, str], ...]:
        raise AssertionError(f"nobody comments on {commit}")

    def statuses(self, commit: CommitId) -> tuple[Status, ...]:
        return self.forge().statuses(commit)

    def asks_for_up_to_date(self) -> bool:
        return False

    def effects(self) -> int:
        log = self.bare / "pushes"
        return len(log.read_text().splitlines()) if log.exists() else 0


class FakeWorld:
    """The fake forge and its small Git."""

    base = "main"

    def __init__(self) -> None:
        self.server = FakeServer()
        self.server.push("main", "image", "v1")

    def forge(self) -> Forge:
        return FakeForge(self.server)

    def push(self, branch: str, path: str, content: str) -> CommitId:
        return self.server.push(branch, path, content)

    def tip(self, branch: str) -> CommitId | None:
        return self.server.branches.get(branch)

    def read(self, branch: str, path: str) -> str | None:
        return self.server.commits[self.server.branches[branch]].files.get(path)

    def person_closes(self, number: int, name: str) -> None:
        FakeForge(self.server, account=name).close(number, "no")

    def person_merges(self, number: int, name: str) -> CommitId:
        person = FakeForge(self.server, account=name)
        return person.merge(number, self.server.branches[self.server.pulls[number].head], "Merge by hand")

    def comments(self, number: int) -> tuple[tuple[str, str], ...]:
        return tuple(self.server.comments.get(number, {}).items())

    def commit_comments(self, commit: CommitId) -> tuple[tuple[str, str], ...]:
        return tuple(self.server.commit_comments.get(commit, {}).items())

    def statuses(self, commit: CommitId) -> tuple[Status, ...]:
        found = [status for (of, _), status in self.server.statuses.items() if of == commit]
        return tuple(sorted(found, key=lambda status: status.context))

    def asks_for_up_to_date(self) -> bool:
        self.server.strict = True
        return True

    def effects(self) -> int:
        return len(self.server.journal)

    def issues(self) -> tuple[Issue, ...]:
        return tuple(self.server.issues.values())

    def person_closes_issue(self, key: str, name: str) -> None:
        standing = self.server.issues["gitslo", key]
        self.server.issues["gitslo", key] = replace(standing, open=False)

    def person_writes_issue(self, issue: Issue, name: str) -> None:
        FakeForge(self.server, account=name).tell(issue)
